//! The person side of VCF: FORMAT and sample columns, with or without the header lines.
//!
//! Person-level values are GT, DS, GP, GL, PL, HDS, AD, or any other field that is not a mere quality. GWAS-VCF
//! (`ES:SE:LP`) names a study where others name a person; that is believed only while `ES` does not look like 0/1/2.

use super::{Context, Flow, Found, Sample, TextReader};
use crate::genotypes::{Call, MISSING, Panel, SiteKey, of_dosage};
use crate::lines::{Block, split};
use crate::number::{decimal, whole};
use crate::roles;
use sekisho_policy::facts::{Part, Problem, ProblemKind};

/// Problems reported one by one.
const SHOWN: usize = 3;
/// FORMAT keys that say how well something was measured.
const QUALITY: [&[u8]; 12] =
    [b"DP", b"GQ", b"FT", b"RGQ", b"MIN_DP", b"PS", b"PQ", b"SB", b"GD", b"EC", b"HQ", b"MQ"];
/// FORMAT keys of GWAS-VCF.
const STUDY: [&[u8]; 9] = [b"ES", b"SE", b"LP", b"AF", b"SS", b"EZ", b"SI", b"NC", b"ID"];

/// Reads the text if it is VCF, header or not.
pub fn plausible(sample: &Sample<'_>, context: &Context<'_>) -> Option<Box<dyn TextReader>> {
    let by_header = sample.head.starts_with(b"##fileformat=VCF") || header(sample.head);
    let by_rows = || {
        let mut rows = split(sample.head).filter(|l| !l.is_empty() && l[0] != b'#').take(20).peekable();
        rows.peek().is_some() && rows.all(looks_like_a_row)
    };
    (by_header || by_rows()).then(|| Box::new(Reader::new(context.policy.sites.limit)) as Box<dyn TextReader>)
}

/// A VCF column line; PLINK 2's results begin alike and go on otherwise.
pub fn header(head: &[u8]) -> bool {
    let line: &[u8] = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO";
    memchr::memmem::find_iter(head, line).any(|at| at == 0 || head[at - 1] == b'\n')
}

/// Chromosome, position, …, FORMAT with a person-level key, and samples.
fn looks_like_a_row(line: &[u8]) -> bool {
    let fields: Vec<&[u8]> = line.split(|b| *b == b'\t').take(10).collect();
    fields.len() == 10
        && whole(fields[1]).is_some()
        && fields[3].iter().all(u8::is_ascii_alphabetic)
        && fields[8]
            .split(|b| *b == b':')
            .any(|k| matches!(k, b"GT" | b"DS" | b"GP" | b"GL" | b"PL" | b"HDS"))
}

/// Which sub-fields of a sample to look at, for one FORMAT.
#[derive(Default)]
struct Plan {
    format: Vec<u8>,
    gt: Option<usize>,
    others: Vec<(usize, Field)>,
    /// Neither a genotype nor anything but qualities.
    nothing: bool,
    study: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Field {
    Dosage,
    HapDosage,
    Probabilities,
    Likelihoods,
    Phred,
    Depths,
    Effect,
    Unknown,
}

impl Plan {
    fn of(format: &[u8]) -> Self {
        let keys: Vec<&[u8]> = format.split(|b| *b == b':').collect();
        let gt = keys.iter().position(|k| *k == b"GT");
        let genotype = |k: &[u8]| match k {
            b"DS" => Some(Field::Dosage),
            b"HDS" => Some(Field::HapDosage),
            b"GP" => Some(Field::Probabilities),
            b"GL" => Some(Field::Likelihoods),
            b"PL" => Some(Field::Phred),
            b"AD" => Some(Field::Depths),
            _ => None,
        };
        let any = gt.is_some() || keys.iter().any(|k| genotype(k).is_some());
        let has = |k: &[u8]| keys.contains(&k);
        let study = !any && has(b"ES") && has(b"SE");
        let mut others = Vec::new();
        for (i, key) in keys.iter().enumerate() {
            let field = match genotype(key) {
                Some(field) => field,
                None if study && *key == b"ES" => Field::Effect,
                None if study && STUDY.contains(key) => continue,
                None if *key == b"GT" || QUALITY.contains(key) => continue,
                None => Field::Unknown,
            };
            others.push((i, field));
        }
        // The best evidence first; fields nobody knows last.
        others.sort_by_key(|(_, f)| *f == Field::Unknown);
        Self { format: format.to_vec(), gt, nothing: gt.is_none() && others.is_empty(), others, study }
    }
}

struct Reader {
    limit: u64,
    panel: Option<Panel>,
    calls: Vec<Call>,
    plan: Plan,
    header_seen: bool,
    /// Lines that begin with `##` were seen.
    vcf: bool,
    rows: u64,
    study_rows: u64,
    /// Effects that are not 0, 1 or 2.
    effects: u64,
    no_genotype_rows: u64,
    problems: Vec<Problem>,
    malformed: u64,
    coding: Vec<u8>,
    sites_only: bool,
}

impl Reader {
    fn new(limit: u64) -> Self {
        Self {
            limit,
            panel: None,
            calls: Vec::new(),
            plan: Plan::default(),
            header_seen: false,
            vcf: false,
            rows: 0,
            study_rows: 0,
            effects: 0,
            no_genotype_rows: 0,
            problems: Vec::new(),
            malformed: 0,
            coding: Vec::new(),
            sites_only: false,
        }
    }

    fn problem(&mut self, number: u64, what: &str) {
        self.malformed += 1;
        if self.problems.len() < SHOWN {
            self.problems.push(Problem::new(ProblemKind::Malformed, format!("line {number}"), what));
        }
    }

    fn header(&mut self, number: u64, line: &[u8]) {
        let columns = line.split(|b| *b == b'\t').count();
        if self.header_seen {
            self.problem(number, "a second #CHROM line");
            return;
        }
        self.header_seen = true;
        if columns < 8 {
            self.problem(number, "#CHROM line with fewer than 8 columns");
        }
        self.begin(columns.saturating_sub(9));
    }

    fn begin(&mut self, samples: usize) {
        self.sites_only = samples == 0;
        self.calls = vec![MISSING; samples];
        self.panel = (samples > 0).then(|| Panel::new(self.limit, samples));
    }

    /// One site; `true` when refusal is proven.
    fn row(&mut self, number: u64, line: &[u8]) -> bool {
        // Sites without persons, as the header says: nothing to do here but to watch for a ninth column.
        if self.sites_only && self.header_seen && memchr::memchr_iter(b'\t', line).nth(8).is_none() {
            self.rows += 1;
            return false;
        }
        let mut rest = line;
        let mut fixed = [&b""[..]; 9];
        let mut have = 0;
        while have < 9 {
            fixed[have] = next(&mut rest);
            have += 1;
            if rest.is_empty() {
                break;
            }
        }
        self.rows += 1;
        if !self.header_seen && self.panel.is_none() {
            self.problem(number, "a row before any #CHROM line");
            self.header_seen = true;
            let samples = if have == 9 && !rest.is_empty() { rest.split(|b| *b == b'\t').count() } else { 0 };
            self.begin(samples);
        }
        if self.sites_only {
            if have > 8 && !rest.is_empty() {
                // The header promised no persons; the rows have some.
                self.problem(number, "sample columns that the header does not name");
                self.begin(rest.split(|b| *b == b'\t').count());
            } else {
                return false;
            }
        }
        if have < 9 || rest.is_empty() {
            self.problem(number, "fewer columns than the header names");
            return false;
        }
        let pos = whole(fixed[1]).unwrap_or_else(|| {
            self.problem(number, "POS is not a number");
            0
        });
        if self.plan.format != fixed[8] {
            self.plan = Plan::of(fixed[8]);
            if self.coding.is_empty() {
                self.coding = fixed[8].iter().copied().take(60).collect();
            }
        }
        self.no_genotype_rows += u64::from(self.plan.nothing);
        self.study_rows += u64::from(self.plan.study);
        let mut count = 0;
        while let Some(slot) = self.calls.get_mut(count) {
            if rest.is_empty() {
                break;
            }
            let field = next(&mut rest);
            *slot = call(&self.plan, field, &mut self.effects);
            count += 1;
        }
        if count < self.calls.len() || !rest.is_empty() {
            self.calls[count..].fill(MISSING);
            self.problem(number, "another number of samples than the header names");
            if !rest.is_empty() {
                // Persons beyond the header: nobody accounts for them.
                return false;
            }
        }
        let chrom =
            roles::chromosome(fixed[0]).unwrap_or_else(|| std::str::from_utf8(fixed[0]).unwrap_or("?"));
        let id = if roles::site_like(fixed[2]) { std::str::from_utf8(fixed[2]).unwrap_or("") } else { "" };
        let Some(panel) = &mut self.panel else { return false };
        // A study column is no person: judged only when its effects turn out to be genotypes.
        panel.site(SiteKey { chrom, pos, id }, &self.calls) && (self.study_rows == 0 || self.effects == 0)
    }
}

/// The next tab-separated field.
#[inline]
fn next<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    match memchr::memchr(b'\t', rest) {
        Some(at) => {
            let field = &rest[..at];
            *rest = &rest[at + 1..];
            field
        }
        None => std::mem::take(rest),
    }
}

fn call(plan: &Plan, sample: &[u8], effects: &mut u64) -> Call {
    let sub = |index: usize| sample.split(|b| *b == b':').nth(index).unwrap_or(b".");
    if let Some(index) = plan.gt {
        let value = if index == 0 {
            &sample[..memchr::memchr(b':', sample).unwrap_or(sample.len())]
        } else {
            sub(index)
        };
        let call = genotype(value);
        if call != MISSING {
            return call;
        }
    }
    for (index, field) in &plan.others {
        let value = sub(*index);
        if value.iter().all(|b| matches!(b, b'.' | b',' | b'/' | b'|')) {
            continue;
        }
        let call = evidence(*field, value, effects);
        if call != MISSING {
            return call;
        }
    }
    MISSING
}

/// `0/1`, `1|1`, `.`, `2`, `0/1/1`.
#[inline]
fn genotype(value: &[u8]) -> Call {
    if let [a, b'/' | b'|', b] = value
        && a.is_ascii_digit()
        && b.is_ascii_digit()
    {
        return 100 * (u8::from(*a != b'0') + u8::from(*b != b'0'));
    }
    let (mut known, mut alternate) = (false, 0u8);
    for allele in value.split(|b| matches!(b, b'/' | b'|')) {
        if allele.is_empty() || allele == b"." {
            continue;
        }
        known = true;
        alternate = alternate.saturating_add(u8::from(allele != b"0"));
    }
    if known { alternate.min(2) * 100 } else { MISSING }
}

fn evidence(field: Field, value: &[u8], effects: &mut u64) -> Call {
    let numbers = || value.split(|b| *b == b',').filter_map(decimal);
    match field {
        Field::Dosage => decimal(value).map_or(100, of_dosage),
        Field::HapDosage => of_dosage(numbers().sum()),
        Field::Probabilities => {
            let p: Vec<f64> = numbers().take(3).collect();
            match p.as_slice() {
                [a, b, c] if a + b + c > 0.0 => of_dosage((b + 2.0 * c) / (a + b + c)),
                _ => 100,
            }
        }
        Field::Likelihoods | Field::Phred => {
            let sign = if field == Field::Phred { -1.0 } else { 1.0 };
            let l: Vec<f64> = numbers().map(|x| sign * x).collect();
            let best = l.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            // All alike says nothing about the person.
            if l.len() < 2 || l.iter().all(|x| (x - best).abs() < 1e-9) {
                return MISSING;
            }
            l.iter().take(3).position(|x| (x - best).abs() < 1e-9).map_or(100, |i| [0, 100, 200][i])
        }
        Field::Depths => {
            let d: Vec<f64> = numbers().collect();
            let all: f64 = d.iter().sum();
            if all > 0.0 { of_dosage(2.0 * d.iter().skip(1).sum::<f64>() / all) } else { MISSING }
        }
        Field::Effect => match value {
            b"0" => 0,
            b"1" => 100,
            b"2" => 200,
            _ => {
                *effects += 1;
                MISSING
            }
        },
        // A field nobody knows may be the genotype under another name.
        Field::Unknown => match value {
            b"0" => 0,
            b"2" => 200,
            _ => {
                let call = genotype(value);
                if value.len() <= 3 && call != MISSING { call } else { 100 }
            }
        },
    }
}

impl TextReader for Reader {
    fn block(&mut self, block: &Block<'_>) -> Flow {
        if self.sites_only && self.header_seen && self.panel.is_none() {
            // Sites without persons throughout: eight columns in every line, and no line of a header.
            if let Some(o) = block.outline.filter(|o| o.tabs == Some(7) && !o.hashes) {
                self.rows += o.lines;
                return Flow::More;
            }
            let text = block.text;
            let lines = memchr::memchr_iter(b'\n', text).count() + usize::from(!text.ends_with(b"\n"));
            let plain = text.first() != Some(&b'#')
                && memchr::memmem::find(text, b"\n#").is_none()
                && memchr::memmem::find(text, b"\n\n").is_none();
            if plain && memchr::memchr_iter(b'\t', text).count() == lines * 7 {
                self.rows += lines as u64;
                return Flow::More;
            }
        }
        for (number, line) in block.lines() {
            match line {
                [] => {}
                [b'#', b'#', ..] => self.vcf = true,
                [b'#', ..] => self.header(number, line),
                _ => {
                    if self.row(number, line) {
                        return Flow::Proven;
                    }
                }
            }
        }
        Flow::More
    }

    fn finish(self: Box<Self>) -> Found {
        let mut problems = self.problems;
        if self.malformed > problems.len() as u64 {
            let detail = format!("{} rows or header lines do not fit", self.malformed);
            problems.push(Problem::new(ProblemKind::Malformed, "VCF", detail));
        }
        if !self.header_seen && self.rows == 0 && self.vcf {
            problems.push(Problem::new(ProblemKind::Malformed, "VCF", "no #CHROM line"));
        }
        let Some(panel) = self.panel else {
            // Sites only: somebody else's facts.
            return Found { problems, ..Found::nothing() };
        };
        let coding = String::from_utf8_lossy(&self.coding).into_owned();
        let study = self.study_rows > 0 && self.study_rows == self.rows && self.effects > 0;
        if study {
            problems.push(Problem::new(ProblemKind::Unrecognised, "FORMAT", &coding));
            return Found {
                kind: "gwas_vcf".into(),
                problems,
                rows: self.rows,
                unit: "sites",
                parts: Vec::new(),
            };
        }
        if self.no_genotype_rows > 0 {
            problems.push(Problem::new(ProblemKind::Unrecognised, "FORMAT", &coding));
        }
        Found {
            kind: "vcf_genotypes".into(),
            parts: vec![Part::Genotypes(panel.finish(&coding))],
            problems,
            rows: self.rows,
            unit: "sites",
        }
    }
}
