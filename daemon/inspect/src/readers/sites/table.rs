//! Tables of sites: frequencies and association results of any tool, one site a row.
//!
//! The first rows are kept back to learn how the columns are rounded and how many chromosomes unstated denominators
//! have; then rows are judged as they stream by.

mod copy;
mod learn;
mod scout;
mod sheet;

use super::group::{Said, counted};
use super::plan::{kind, plan, site_column};
use super::profile::Profile;
use super::roles::{self, Groups, Role};
use super::sketch::Sketch;
use crate::lines::{self, Block};
use crate::readers::code::Code;
use crate::readers::scout::{Report, Scout};
use crate::readers::tally::Tally;
use crate::readers::{Context, Flow, Found, Sample, TextReader, printed};
use scout::TableScout;
use sekisho_policy::facts::{Part, Problem, ProblemKind, Statistics, What};
use sheet::{Judged, Sheet};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Bytes and rows kept back before the first row is judged.
const LEARN_BYTES: usize = 2 << 20;
const LEARN_ROWS: usize = 20_000;

/// Reads a table of sites.
pub struct SiteTable {
    sheet: Sheet,
    said: Vec<Said>,
    profiles: Vec<(usize, Profile)>,
    codes: Vec<(usize, Code)>,
    /// Columns that a copy empties because they may carry a code.
    coded: Vec<usize>,
    sketch: Sketch,
    declared: Option<u64>,
    declared_groups: BTreeMap<String, u64>,
    held: Vec<u8>,
    held_from: u64,
    learned: bool,
    scout: Option<Arc<TableScout>>,
    tally: Tally,
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
            sheet: Sheet {
                policy: context.policy.clone(),
                delimiter: shape.delimiter,
                header: shape.header.clone(),
                data_from: shape.data_from,
                chrom: position(Role::Chrom),
                position: position(Role::Place),
                id: position(Role::Id).or_else(|| site_column(&shape.rows)),
                groups: plan(&shape.header, &found, &groups, &mut tally),
                roles: found,
                tests,
                everything,
            },
            said: Vec::new(),
            profiles: Vec::new(),
            codes: Vec::new(),
            coded: Vec::new(),
            sketch: Sketch::default(),
            declared: info.and_then(|i| i.subjects).or(context.request.subjects),
            declared_groups,
            held: Vec::new(),
            held_from: 0,
            learned: false,
            scout: None,
            tally,
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
            self.line(line, first + at as u64, quoted);
        }
    }

    fn line(&mut self, line: &[u8], number: u64, quoted: bool) {
        if number < self.sheet.data_from || line.is_empty() {
            self.write(line);
            return;
        }
        let mut spans = std::mem::take(&mut self.spans);
        self.sheet.split(line, quoted, &mut spans);
        if spans.len() == self.sheet.header.len() {
            self.row(line, &spans, number);
        } else {
            self.rows += 1;
            let (found, wanted) = (spans.len(), self.sheet.header.len());
            self.tally.add(What::Unparsed, self.sheet.everything, || {
                (format!("line {number}"), format!("{found} fields, {wanted} columns"))
            });
        }
        self.spans = spans;
    }

    fn row(&mut self, line: &[u8], spans: &[(usize, usize)], number: u64) {
        self.rows += 1;
        let field = |c: usize| &line[spans[c].0..spans[c].0 + spans[c].1];
        let Judged { offends, broken, long } =
            self.sheet.judge(line, &field, number, &mut self.tally, &mut self.said);
        let (chromosomes, sheet) = (counted(&self.said), &self.sheet);
        if let Some((key, chromosomes)) = chromosomes.and_then(|n| Some((sheet.key(&field)?, n))) {
            self.sketch.put(key, chromosomes);
        }
        let minimum = self.sheet.policy.counts.minimum;
        for (column, profile) in &mut self.profiles {
            profile.add(field(*column), number, minimum);
        }
        for (column, code) in &mut self.codes {
            code.add(field(*column), number);
        }
        if !offends && !broken {
            self.clear += u64::from(!long);
            self.kept += 1;
            if self.copy.is_some() && (long || !self.coded.is_empty()) {
                self.write_rounded(line, spans);
            } else {
                self.write(line);
            }
        }
    }

    /// Rows that a scout found clear: all that is left is to follow their columns.
    fn clear_lines(&mut self, text: &[u8], report: &Report, lines: Range<usize>, first: u64) {
        let rows = lines.len() as u64;
        self.rows += rows;
        self.clear += rows;
        self.kept += rows;
        let mut at = lines.start;
        let mut spans = std::mem::take(&mut self.spans);
        while at < lines.end {
            let left = (lines.end - at) as u64;
            let idle = self.codes.iter().map(|(_, c)| c.idle()).min().unwrap_or(left).min(left);
            if idle > 0 {
                self.codes.iter_mut().for_each(|(_, c)| c.pass(idle));
                at += idle as usize;
                continue;
            }
            let line = report.line(text, at);
            self.sheet.split(line, report.glance.quotes, &mut spans);
            for (column, code) in &mut self.codes {
                let (from, length) = spans.get(*column).copied().unwrap_or_default();
                code.add(&line[from..from + length], first + at as u64);
            }
            at += 1;
        }
        self.spans = spans;
    }

    /// Evidence about whole columns.
    fn close(&mut self) {
        for (column, code) in std::mem::take(&mut self.codes) {
            code.close(&self.sheet.header[column], &mut self.tally);
        }
        for (column, profile) in std::mem::take(&mut self.profiles) {
            profile.unclear(&self.sheet.header[column], &mut self.tally);
            if profile.longest > sheet::LONGEST_WORD {
                let about = self.tally.name(&self.sheet.header[column]);
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

    fn scout(&self) -> Option<Arc<dyn Scout>> {
        self.scout.clone().map(|s| s as Arc<dyn Scout>)
    }

    fn scouted(&mut self, block: &Block<'_>, report: &Report) -> Flow {
        for (profile, seen) in self.profiles.iter_mut().zip(&report.profiles) {
            profile.1.join(seen, block.first);
        }
        for stretch in report.stretches() {
            self.clear_lines(block.text, report, stretch.clear, block.first);
            stretch.sites.iter().for_each(|s| self.sketch.put(s.key, s.chromosomes));
            if let Some(doubtful) = stretch.doubtful {
                self.line(
                    report.line(block.text, doubtful),
                    block.first + doubtful as u64,
                    report.glance.quotes,
                );
            }
        }
        Flow::More
    }

    fn finish(mut self: Box<Self>) -> Found {
        self.learn();
        self.close();
        let kind = kind(&self.sheet.header).to_owned();
        let mut problems = Vec::new();
        if self.rows == 0 {
            problems.push(Problem::new(ProblemKind::Malformed, "", "a header without rows"));
        }
        let table = Statistics {
            rows: self.rows,
            clear: self.clear,
            minimum: self.sheet.policy.counts.minimum,
            subjects: self.subjects,
            evidence: self.tally.evidence(),
        };
        let rows = table.rows;
        let parts = std::iter::once(Part::Statistics(table)).chain(self.sketch.part()).collect();
        Found { kind, rows, unit: "sites", parts, problems }
    }
}
