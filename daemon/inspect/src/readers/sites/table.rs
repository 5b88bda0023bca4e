//! Tables of sites: frequencies and association results of any tool, one site a row.
//!
//! The first rows are kept back to learn how the columns are rounded and how many chromosomes unstated denominators
//! have; then rows are judged as they stream by.

mod copy;
mod learn;

use super::difference;
use super::group::{Group, Row, Said};
use super::plan::{kind, plan, site_column};
use super::profile::Profile;
use super::roles::{self, Groups, Role};
use super::sketch::Sketch;
use crate::lines::{self, Block};
use crate::readers::code::Code;
use crate::readers::tally::{Tally, words};
use crate::readers::{Context, Flow, Found, Sample, TextReader, printed};
use crate::shape::Delimiter;
use sekisho_policy::facts::{Part, Problem, ProblemKind, Statistics, What};
use sekisho_policy::rules::small_frequencies::Ploidy;
use sekisho_policy::schema::Policy;
use std::collections::BTreeMap;

/// Bytes and rows kept back before the first row is judged.
const LEARN_BYTES: usize = 2 << 20;
const LEARN_ROWS: usize = 20_000;
/// Longest value a column of words may hold.
const LONGEST_WORD: usize = 256;

/// Reads a table of sites.
pub struct SiteTable {
    policy: Policy,
    delimiter: Delimiter,
    header: Vec<String>,
    data_from: u64,
    roles: Vec<Role>,
    groups: Vec<Group>,
    said: Vec<Said>,
    profiles: Vec<(usize, Profile)>,
    codes: Vec<(usize, Code)>,
    /// Columns that a copy empties because they may carry a code.
    coded: Vec<usize>,
    tests: Option<usize>,
    chrom: Option<usize>,
    position: Option<usize>,
    sketch: Sketch,
    id: Option<usize>,
    declared: Option<u64>,
    declared_groups: BTreeMap<String, u64>,
    held: Vec<u8>,
    held_from: u64,
    learned: bool,
    tally: Tally,
    everything: u32,
    rows: u64,
    clear: u64,
    kept: u64,
    subjects: String,
    /// The filtered copy so far, when one is wanted.
    copy: Option<Vec<u8>>,
    spans: Vec<(usize, usize)>,
}

/// A reader, when the header speaks of sites and their frequencies, counts or effects.
pub fn plausible(sample: &Sample<'_>, context: &Context<'_>) -> Option<Box<dyn TextReader>> {
    SiteTable::open(sample, context, false).map(|t| Box::new(t) as Box<dyn TextReader>)
}

impl SiteTable {
    /// See [`plausible`]. `copy`: also write a filtered copy.
    pub fn open(sample: &Sample<'_>, context: &Context<'_>, copy: bool) -> Option<Self> {
        let shape = sample.shape.as_ref()?;
        if shape.header.is_empty()
            || sample.head.starts_with(b"##fileformat=VCF")
            || crate::readers::vcf::header(sample.head)
        {
            return None;
        }
        let mut groups = Groups::default();
        groups.index("");
        let tests = shape.header.iter().position(|h| roles::spelling(h.as_bytes()) == "test");
        let mut found: Vec<Role> =
            shape.header.iter().map(|h| roles::role(h.as_bytes(), tests.is_some(), &mut groups)).collect();
        let info = context.request.files.get(context.name);
        let declared_groups: BTreeMap<String, u64> = info
            .map(|i| i.groups.iter().map(|(k, n)| (roles::spelling(k.as_bytes()), *n)).collect())
            .unwrap_or_default();
        // A column named after a declared group holds that group's frequencies.
        for (role, name) in found.iter_mut().zip(&shape.header) {
            let word = roles::spelling(name.as_bytes());
            if *role == Role::Unknown && declared_groups.contains_key(&word) {
                *role = Role::Frequency(groups.index(&word));
            }
        }
        let has = |wanted: fn(&Role) -> bool| found.iter().any(wanted);
        let named = has(|r| matches!(r, Role::Id))
            && has(|r| {
                matches!(
                    r,
                    Role::Chrom | Role::Allele | Role::Frequency(_) | Role::Copies(_) | Role::Genotype(_)
                )
            });
        let placed = has(|r| matches!(r, Role::Chrom)) && has(|r| matches!(r, Role::Place));
        let keyed = named || placed || site_column(&shape.rows).is_some();
        if !keyed || shape.columns < 3 {
            return None;
        }
        // Site lists and genotype tables have readers of their own.
        let results = has(|r| {
            !matches!(
                r,
                Role::Chrom
                    | Role::Place
                    | Role::Id
                    | Role::Allele
                    | Role::Label
                    | Role::Unknown
                    | Role::Index
            )
        });
        let numbers = (0..shape.columns).filter(|c| found[*c] == Role::Unknown).any(|c| {
            shape.rows.iter().filter(|r| r.get(c).is_some_and(|v| printed::parse(v).is_some())).count() * 2
                > shape.rows.len()
        });
        if !results && !numbers {
            return None;
        }
        let mut tally = Tally::default();
        let everything = tally.name("");
        let position = |wanted: Role| found.iter().position(|r| *r == wanted);
        Some(Self {
            policy: context.policy.clone(),
            delimiter: shape.delimiter,
            header: shape.header.clone(),
            data_from: shape.data_from,
            chrom: position(Role::Chrom),
            position: position(Role::Place),
            sketch: Sketch::default(),
            id: position(Role::Id).or_else(|| site_column(&shape.rows)),
            groups: plan(&shape.header, &found, &groups, &mut tally),
            roles: found,
            said: Vec::new(),
            profiles: Vec::new(),
            codes: Vec::new(),
            coded: Vec::new(),
            tests,
            declared: info.and_then(|i| i.subjects).or(context.request.subjects),
            declared_groups,
            held: Vec::new(),
            held_from: 0,
            learned: false,
            tally,
            everything,
            rows: 0,
            clear: 0,
            kept: 0,
            subjects: String::new(),
            copy: copy.then(Vec::new),
            spans: Vec::new(),
        })
    }

    fn lines(&mut self, text: &[u8], first: u64) {
        let quoted = memchr::memchr(b'"', text).is_some();
        for (at, line) in lines::split(text).enumerate() {
            let number = first + at as u64;
            if number < self.data_from || line.is_empty() {
                self.write(line);
                continue;
            }
            let mut spans = std::mem::take(&mut self.spans);
            spans.clear();
            let start = line.as_ptr() as usize;
            if self.delimiter == Delimiter::Byte(b'\t') && !quoted {
                let mut from = 0;
                lines::each(line, b'\t', |at| {
                    spans.push((from, at - from));
                    from = at + 1;
                });
                spans.push((from, line.len() - from));
            } else {
                spans.extend(self.delimiter.fields(line).map(|f| (f.as_ptr() as usize - start, f.len())));
            }
            if spans.len() == self.header.len() {
                self.row(line, &spans, number);
            } else {
                self.rows += 1;
                let (found, wanted) = (spans.len(), self.header.len());
                self.tally.add(What::Unparsed, self.everything, || {
                    (format!("line {number}"), format!("{found} fields, {wanted} columns"))
                });
            }
            self.spans = spans;
        }
    }

    fn row(&mut self, line: &[u8], spans: &[(usize, usize)], number: u64) {
        self.rows += 1;
        let field = |c: usize| &line[spans[c].0..spans[c].0 + spans[c].1];
        let id = self.id;
        let place = || match id {
            Some(id) => format!("line {number} ({})", words(field(id))),
            None => format!("line {number}"),
        };
        let minimum = self.policy.counts.minimum;
        let ploidy = self.chrom.map_or(Ploidy::OneOrTwo, |c| Ploidy::of_chromosome(field(c)));
        let slashes_are_alleles =
            self.tests.is_some_and(|t| matches!(field(t), b"ALLELIC" | b"TREND" | b"allelic" | b"trend"));
        let row = Row { fields: &field, ploidy, place: &place, slashes_are_alleles };
        let (mut offends, mut broken) =
            difference::row(&self.groups, &row, &self.policy, &mut self.tally, &mut self.said);
        if let Some((_, alleles)) = self.said.first().and_then(|s| s.counted).filter(|(_, a)| a.is_exact()) {
            let text = |c: Option<usize>| c.map_or(&b""[..], field);
            self.sketch.add(text(self.id), text(self.chrom), text(self.position), alleles.low.0);
        }
        let mut long = None;
        let digits = self.policy.numbers.significant_digits;
        for (column, role) in self.roles.iter().enumerate() {
            let text = field(column);
            match role {
                Role::Statistic
                | Role::Fraction
                | Role::MissingRate
                | Role::Frequency(_)
                | Role::GenotypeFraction(_) => {
                    match printed::parse(text) {
                        Some(n) => {
                            // Short texts cannot hold many digits.
                            if !n.whole && n.significant > digits {
                                long.get_or_insert(column);
                                let about = self.everything;
                                self.tally.add(What::ExtraDigits, about, || (place(), words(text)));
                            }
                            broken |= *role == Role::Fraction
                                && !(-1e-9..=1.000_1).contains(&n.value)
                                && !self.loose(column);
                        }
                        None => broken |= !printed::is_missing(text) && !text.contains(&b','),
                    }
                }
                Role::Place => {
                    let whole = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
                    broken |= !whole && printed::parse(text).is_none() && !printed::is_missing(text);
                }
                Role::Id | Role::Label | Role::Chrom if text.len() > LONGEST_WORD => {
                    self.tally.add(What::EncodedText, self.everything, || (place(), words(text)));
                    offends = true;
                }
                _ => {}
            }
        }
        if broken {
            self.tally.add(What::Unparsed, self.everything, || (place(), words(line)));
        }
        for (column, profile) in &mut self.profiles {
            profile.add(field(*column), number, minimum);
        }
        for (column, code) in &mut self.codes {
            code.add(field(*column), number);
        }
        if !offends && !broken {
            self.clear += u64::from(long.is_none());
            self.kept += 1;
            match long {
                _ if self.copy.is_some() && !self.coded.is_empty() => self.write_rounded(line, spans),
                Some(_) if self.copy.is_some() => self.write_rounded(line, spans),
                _ => self.write(line),
            }
        }
    }

    /// INFO scores and the like may exceed one a little; p-values may not.
    fn loose(&self, column: usize) -> bool {
        let name = self.header[column].to_ascii_lowercase();
        !name.starts_with('p')
    }

    /// Evidence about whole columns.
    fn close(&mut self) {
        for (column, code) in std::mem::take(&mut self.codes) {
            code.close(&self.header[column], &mut self.tally);
        }
        for (column, profile) in std::mem::take(&mut self.profiles) {
            profile.unclear(&self.header[column], &mut self.tally);
            if profile.longest > LONGEST_WORD {
                let about = self.tally.name(&self.header[column]);
                self.tally
                    .add(What::EncodedText, about, || (String::new(), format!("{} bytes", profile.longest)));
            }
        }
    }
}

impl TextReader for SiteTable {
    fn fallback(&self) -> bool {
        true
    }

    fn block(&mut self, block: &Block<'_>) -> Flow {
        if self.learned {
            self.lines(block.text, block.first);
            return Flow::More;
        }
        if self.held.is_empty() {
            self.held_from = block.first;
        }
        self.held.extend_from_slice(block.text);
        if !self.held.ends_with(b"\n") {
            self.held.push(b'\n');
        }
        if self.held.len() >= LEARN_BYTES || memchr::memchr_iter(b'\n', &self.held).count() >= LEARN_ROWS {
            self.learn();
        }
        Flow::More
    }

    fn finish(mut self: Box<Self>) -> Found {
        self.learn();
        self.close();
        let kind = kind(&self.header).to_owned();
        let mut problems = Vec::new();
        if self.rows == 0 {
            problems.push(Problem::new(ProblemKind::Malformed, "", "a header without rows"));
        }
        let table = Statistics {
            rows: self.rows,
            clear: self.clear,
            minimum: self.policy.counts.minimum,
            subjects: self.subjects,
            evidence: self.tally.evidence(),
        };
        let rows = table.rows;
        let parts = std::iter::once(Part::Statistics(table)).chain(self.sketch.part()).collect();
        Found { kind, rows, unit: "sites", parts, problems }
    }
}
