//! Lists of sites (`.bim`, `.map`, `.pvar`, `.snp`) and of persons (`.fam`, `.ind`): what explains a matrix.

use super::code::{Code, Look};
use super::tally::Tally;
use super::{Context, Flow, Found, Sample, TextReader};
use crate::genotypes::thinned;
use crate::lines::Block;
use crate::number::{decimal, whole};
use crate::roles;
use crate::shape::{Delimiter, Shape};
use sekisho_policy::facts::{
    Part, Problem, ProblemKind, Site, SiteList, Statistics, SubjectList, What, keep,
};
use std::collections::{HashMap, HashSet};

/// Distinct sites kept account of.
const SITES: usize = 4_000_000;

/// Columns of a list of sites.
#[derive(Clone, Copy)]
struct Columns {
    kind: &'static str,
    count: usize,
    chrom: usize,
    id: usize,
    /// Genetic position, where there is one.
    morgan: Option<usize>,
    pos: usize,
    alleles: Option<(usize, usize)>,
}

const FORMS: [Columns; 5] = [
    Columns { kind: "plink_bim", count: 6, chrom: 0, id: 1, morgan: Some(2), pos: 3, alleles: Some((4, 5)) },
    Columns {
        kind: "eigenstrat_snp",
        count: 6,
        chrom: 1,
        id: 0,
        morgan: Some(2),
        pos: 3,
        alleles: Some((4, 5)),
    },
    Columns { kind: "plink_map", count: 4, chrom: 0, id: 1, morgan: Some(2), pos: 3, alleles: None },
    Columns { kind: "plink_map", count: 3, chrom: 0, id: 1, morgan: None, pos: 2, alleles: None },
    Columns { kind: "plink_pvar", count: 5, chrom: 0, id: 2, morgan: None, pos: 1, alleles: Some((3, 4)) },
];

impl Columns {
    fn fit(&self, row: &[&[u8]]) -> bool {
        row.len() == self.count
            && self.morgan.is_none_or(|i| decimal(row[i]).is_some())
            && whole(row[self.pos]).is_some()
            && !row[self.chrom].is_empty()
            && row[self.chrom].len() <= 30
            && self.alleles.is_none_or(|(a, b)| allele(row[a]) && alternates(row[b]))
    }
}

fn allele(value: &[u8]) -> bool {
    roles::allele(value) || matches!(value, b"." | b"1" | b"2" | b"3" | b"4")
}

fn alternates(value: &[u8]) -> bool {
    value.split(|b| *b == b',').all(allele)
}

/// Reads the table if every sampled row is a site, or every one a person with nothing measured.
pub fn plausible(sample: &Sample<'_>, context: &Context<'_>) -> Option<Box<dyn TextReader>> {
    let shape = sample.shape.as_ref()?;
    if shape.rows.is_empty() {
        return None;
    }
    let all = |test: &dyn Fn(&[&[u8]]) -> bool| {
        shape.rows.iter().all(|r| test(&r.iter().map(Vec::as_slice).collect::<Vec<_>>()))
    };
    let chromosomes = |c: &Columns| {
        let known = shape.column(c.chrom).filter(|v| roles::chromosome(v).is_some() || *v == b"0").count();
        known * 10 >= shape.rows.len() * 8
    };
    if let Some(form) = FORMS.iter().find(|f| all(&|r| f.fit(r)) && chromosomes(f)) {
        let named = !shape.header.is_empty();
        if !named || shape.named(&["pos", "bp", "position"]) == Some(form.pos) {
            return Some(Box::new(Sites::new(shape, *form, context.policy.counts.minimum)));
        }
    }
    if shape.header.is_empty() && shape.columns == 6 && all(&person) {
        return Some(Box::new(Persons::new(shape, "plink_fam")));
    }
    if shape.header.is_empty() && shape.columns == 3 && all(&|r| matches!(r[1], b"M" | b"F" | b"U")) {
        return Some(Box::new(Persons::new(shape, "eigenstrat_ind")));
    }
    None
}

/// A row of `.fam`: family, person, father, mother, sex, phenotype.
fn person(row: &[&[u8]]) -> bool {
    row.len() == 6
        && matches!(row[4], b"0" | b"1" | b"2" | b"-9")
        && (decimal(row[5]).is_some() || roles::missing(row[5]))
        && [0, 1, 2, 3].iter().all(|i| !row[*i].is_empty() && !row[*i].contains(&b'.'))
}

struct Sites {
    form: Columns,
    delimiter: Delimiter,
    columns: usize,
    data_from: u64,
    rows: u64,
    chroms: HashMap<Vec<u8>, u16>,
    places: HashSet<(u16, u64)>,
    unplaced: u64,
    sites: Vec<Site>,
    bad: u64,
    first_bad: Option<Problem>,
    morgans: Code,
    /// Chromosome and genetic position of the last row, and how often it went back.
    last: (Vec<u8>, f64),
    turns: u64,
    minimum: u64,
}

impl Sites {
    fn new(shape: &Shape, form: Columns, minimum: u64) -> Self {
        Self {
            form,
            delimiter: shape.delimiter,
            columns: shape.columns,
            data_from: shape.data_from,
            rows: 0,
            chroms: HashMap::new(),
            places: HashSet::new(),
            unplaced: 0,
            sites: Vec::new(),
            bad: 0,
            first_bad: None,
            morgans: Code::new(Look::Levels),
            last: (Vec::new(), 0.0),
            turns: 0,
            minimum,
        }
    }

    fn row(&mut self, number: u64, line: &[u8]) {
        let mut row = [&b""[..]; 8];
        let mut count = 0;
        for field in self.delimiter.fields(line) {
            if let Some(slot) = row.get_mut(count) {
                *slot = field.trim_ascii();
            }
            count += 1;
        }
        self.rows += 1;
        if let Some(value) = self.form.morgan.and_then(|m| row.get(m)) {
            self.morgans.add(value, number);
            let here = decimal(value).unwrap_or(0.0);
            let same = self.last.0 == row[self.form.chrom];
            self.turns += u64::from(same && here < self.last.1);
            if !same {
                self.last.0 = row[self.form.chrom].to_vec();
            }
            self.last.1 = here;
        }
        if count != self.columns || !self.form.fit(&row[..count.min(8)]) {
            self.bad += 1;
            self.first_bad.get_or_insert_with(|| {
                let text = String::from_utf8_lossy(&line[..line.len().min(80)]);
                Problem::new(ProblemKind::Malformed, format!("line {number}"), text)
            });
        }
        let chrom = roles::chromosome(row[self.form.chrom])
            .map_or_else(|| String::from_utf8_lossy(row[self.form.chrom]).into_owned(), str::to_owned);
        let pos = whole(row[self.form.pos]).unwrap_or(0);
        if pos == 0 || chrom == "0" {
            self.unplaced += 1;
        } else if self.places.len() < SITES {
            let next = u16::try_from(self.chroms.len()).unwrap_or(u16::MAX);
            let chrom = *self.chroms.entry(chrom.clone().into_bytes()).or_insert(next);
            self.places.insert((chrom, pos));
        }
        if self.rows <= keep::LISTED_SITES as u64 {
            let id = String::from_utf8_lossy(row[self.form.id]).chars().take(60).collect();
            let id = if roles::site_like(row[self.form.id]) { id } else { String::new() };
            self.sites.push(Site { chrom, pos, id });
        }
    }
}

impl TextReader for Sites {
    fn block(&mut self, block: &Block<'_>) -> Flow {
        for (number, line) in block.lines() {
            if number >= self.data_from && !line.is_empty() && line[0] != b'#' {
                self.row(number, line);
            }
        }
        Flow::More
    }

    fn finish(self: Box<Self>) -> Found {
        let mut places: Vec<(u16, u64)> = self.places.into_iter().collect();
        let distinct = places.len() as u64 + self.unplaced;
        let list = SiteList {
            rows: self.rows,
            distinct,
            thinned: (self.unplaced == 0).then(|| thinned(&mut places)),
            sites: if self.rows <= keep::LISTED_SITES as u64 { self.sites } else { Vec::new() },
        };
        let mut problems: Vec<Problem> = self.first_bad.into_iter().collect();
        if self.bad > 1 {
            let detail = format!("{} rows are not sites", self.bad);
            problems.push(Problem::new(ProblemKind::Malformed, "table", detail));
        }
        let mut tally = Tally::default();
        self.morgans.close("genetic position", &mut tally);
        if self.turns > 20 && self.turns * 20 > self.rows {
            let about = tally.name("genetic position");
            let value = format!("{} rows lie before the row above them", self.turns);
            tally.add(What::CodedColumn, about, || (String::new(), value));
        }
        let mut parts = vec![Part::SiteList(list)];
        let evidence = tally.evidence();
        if !evidence.is_empty() {
            parts.push(Part::Statistics(Statistics {
                rows: self.rows,
                minimum: self.minimum,
                evidence,
                ..Statistics::default()
            }));
        }
        Found { kind: self.form.kind.into(), parts, problems, rows: self.rows, unit: "sites" }
    }
}

struct Persons {
    kind: &'static str,
    delimiter: Delimiter,
    columns: usize,
    rows: u64,
    first_ids: Vec<String>,
    bad: u64,
}

impl Persons {
    fn new(shape: &Shape, kind: &'static str) -> Self {
        Self {
            kind,
            delimiter: shape.delimiter,
            columns: shape.columns,
            rows: 0,
            first_ids: Vec::new(),
            bad: 0,
        }
    }
}

impl TextReader for Persons {
    fn block(&mut self, block: &Block<'_>) -> Flow {
        for (_, line) in block.lines().filter(|(_, l)| !l.trim_ascii().is_empty()) {
            self.rows += 1;
            self.bad += u64::from(self.delimiter.count(line) != self.columns);
            if self.first_ids.len() < keep::IDS {
                let index = usize::from(self.columns == 6);
                let id = self.delimiter.fields(line).nth(index).unwrap_or_default();
                self.first_ids.push(String::from_utf8_lossy(id).chars().take(60).collect());
            }
        }
        Flow::More
    }

    fn finish(self: Box<Self>) -> Found {
        let columns =
            if self.columns == 6 { vec!["sex".into(), "phenotype".into()] } else { vec!["sex".into()] };
        let mut problems = Vec::new();
        if self.bad > 0 {
            let detail = format!("{} rows have another number of fields", self.bad);
            problems.push(Problem::new(ProblemKind::Malformed, "table", detail));
        }
        let list = SubjectList { rows: self.rows, first_ids: self.first_ids, columns };
        let parts = vec![Part::SubjectList(list)];
        Found { kind: self.kind.into(), parts, problems, rows: self.rows, unit: "lines" }
    }
}
