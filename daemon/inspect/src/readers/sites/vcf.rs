//! VCF without subjects: AC, AN, AF, NS, MAC, nhomalt, AC_Het, AC_Hom, AC_Hemi, and every `AC_<group>` with its `AN_<group>`.

mod codes;
mod copy;
mod learn;
mod scout;
mod sheet;

use super::group::{Said, counted};
use super::info::info_role;
use super::plan::plan;
use super::profile::Profile;
use super::roles::{self, Groups, Role};
use super::sketch::{self, Sketch};
use crate::lines::{self, Block};
use crate::readers::scout::{Report, Scout};
use crate::readers::tally::{Tally, words};
use crate::readers::{Context, Flow, Found, Sample, TextReader};
use scout::VcfScout;
use sekisho_policy::facts::{Part, Problem, ProblemKind, Statistics, What};
use sekisho_policy::rules::small_frequencies::safe_copies;
use sheet::{Fixed, NOWHERE, Sheet, columns, entries};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Bytes kept back before the first row is judged.
const LEARN_BYTES: usize = 1 << 20;
/// Most INFO keys followed.
const MOST_KEYS: usize = 512;

/// Reads a VCF whose header names no subject.
pub struct SitesVcf {
    sheet: Sheet,
    header_done: bool,
    said: Vec<Said>,
    names: Groups,
    planned: usize,
    profiles: Vec<Profile>,
    codes: codes::Codes,
    sketch: Sketch,
    /// Columns and keys that a copy leaves out because they may carry a code.
    coded: Vec<String>,
    declared: Option<u64>,
    declared_groups: Vec<(String, u64)>,
    held: Vec<u8>,
    held_from: u64,
    learned: bool,
    scout: Option<Arc<VcfScout>>,
    tally: Tally,
    rows: u64,
    clear: u64,
    kept: u64,
    values: Vec<(usize, usize)>,
    copy: Option<Vec<u8>>,
    left_out: BTreeSet<usize>,
}

/// A reader, when the text begins as a VCF does.
pub fn plausible(sample: &Sample<'_>, context: &Context<'_>) -> Option<Box<dyn TextReader>> {
    SitesVcf::open(sample, context, false).map(|t| Box::new(t) as Box<dyn TextReader>)
}

impl SitesVcf {
    /// See [`plausible`]. `copy`: also write a filtered copy.
    pub fn open(sample: &Sample<'_>, context: &Context<'_>, copy: bool) -> Option<Self> {
        if !sample.head.starts_with(b"##fileformat=VCF") && !crate::readers::vcf::header(sample.head) {
            return None;
        }
        let info = context.request.files.get(context.name);
        let mut names = Groups::default();
        names.index("");
        let mut tally = Tally::default();
        let everything = tally.name("");
        Some(Self {
            sheet: Sheet {
                policy: context.policy.clone(),
                keys: Vec::new(),
                roles: Vec::new(),
                groups: Vec::new(),
                everything,
            },
            header_done: false,
            said: Vec::new(),
            names,
            planned: 0,
            profiles: Vec::new(),
            codes: codes::Codes::new(),
            sketch: Sketch::default(),
            coded: Vec::new(),
            declared: info.and_then(|i| i.subjects).or(context.request.subjects),
            declared_groups: info
                .map(|i| i.groups.iter().map(|(k, n)| (roles::spelling(k.as_bytes()), *n)).collect())
                .unwrap_or_default(),
            held: Vec::new(),
            held_from: 0,
            learned: false,
            scout: None,
            tally,
            rows: 0,
            clear: 0,
            kept: 0,
            values: Vec::new(),
            copy: copy.then(Vec::new),
            left_out: BTreeSet::new(),
        })
    }

    /// The number of an INFO key, with its role when it is new.
    fn key(&mut self, name: &[u8], guess: usize) -> usize {
        if let Some(at) = self.sheet.known(name, guess) {
            return at;
        }
        if self.sheet.keys.len() >= MOST_KEYS {
            return usize::MAX;
        }
        let role = info_role(name, &mut self.names);
        self.sheet.keys.push(words(name));
        self.sheet.roles.push(role);
        self.profiles.push(Profile::default());
        self.sheet.keys.len() - 1
    }

    fn lines(&mut self, text: &[u8], first: u64) -> Flow {
        for (at, line) in lines::split(text).enumerate() {
            if self.line(line, first + at as u64) == Flow::Leave {
                return Flow::Leave;
            }
        }
        Flow::More
    }

    fn line(&mut self, line: &[u8], number: u64) -> Flow {
        if line.first() == Some(&b'#') {
            if line.starts_with(b"#CHROM") {
                self.header_done = true;
                if line.split(|b| *b == b'\t').count() > 9 {
                    return Flow::Leave;
                }
                if self.copy.is_some() {
                    let floor = safe_copies(self.sheet.policy.counts.minimum).0;
                    let note = format!("##sekisho_filtered=sites with minor allele count >= {floor} kept");
                    self.write(note.as_bytes());
                }
            }
            self.write(line);
        } else if line.is_empty() {
            self.write(line);
        } else {
            self.row(line, number);
        }
        Flow::More
    }

    fn row(&mut self, line: &[u8], number: u64) {
        self.rows += 1;
        let Some(fixed) = columns(line).filter(|_| self.header_done) else {
            self.tally.add(What::Unparsed, self.sheet.everything, || (format!("line {number}"), words(line)));
            return;
        };
        let values = self.values(line, &fixed, number);
        if self.planned != self.sheet.keys.len() {
            self.replan();
        }
        let judged = self.sheet.judge(line, &fixed, &values, number, &mut self.tally, &mut self.said);
        let field = |c: usize| &line[fixed[c].0..fixed[c].1];
        let site = counted(&self.said).and_then(|n| Some((sketch::key(field(2), field(0), field(1))?, n)));
        if let Some((key, chromosomes)) = site {
            self.sketch.put(key, chromosomes);
        }
        for (key, profile) in self.profiles.iter_mut().enumerate() {
            if self.sheet.roles[key] == Role::Unknown && values[key] != NOWHERE {
                let (from, to) = values[key];
                for part in line[from..to].split(|b| *b == b',') {
                    profile.add(part, number, self.sheet.policy.counts.minimum);
                }
            }
        }
        self.follow(line, &fixed, &values, number);
        self.values = values;
        if !judged.offends && !judged.broken {
            self.clear += u64::from(!judged.long);
            self.kept += 1;
            if self.left_out.is_empty() && self.coded.is_empty() && !judged.long {
                self.write(line);
            } else {
                self.write_without(line, &fixed);
            }
        }
    }

    /// Where the values of a record stand, by key; keys and flags that are new are remembered.
    fn values(&mut self, line: &[u8], fixed: &Fixed, number: u64) -> Vec<(usize, usize)> {
        let mut values = std::mem::take(&mut self.values);
        values.clear();
        values.resize(self.sheet.keys.len(), NOWHERE);
        let mut guess = 0;
        entries(line, fixed[7], |name, place| {
            let Some(place) = place else {
                self.codes.flag(name);
                return;
            };
            let key = self.key(name, guess);
            guess = key.wrapping_add(1);
            if key == usize::MAX {
                self.tally.add(What::Unparsed, self.sheet.everything, || {
                    (format!("line {number}"), "too many INFO keys".into())
                });
                return;
            }
            if key >= values.len() {
                values.resize(self.sheet.keys.len(), NOWHERE);
            }
            values[key] = place;
        });
        values
    }

    /// Follows what the columns and keys hold from record to record.
    fn follow(&mut self, line: &[u8], fixed: &Fixed, values: &[(usize, usize)], number: u64) {
        let field = |c: usize| &line[fixed[c].0..fixed[c].1];
        for (key, role) in self.sheet.roles.iter().enumerate() {
            let value = match values.get(key) {
                Some((from, to)) if *from != usize::MAX => &line[*from..*to],
                _ => b".".as_slice(),
            };
            self.codes.value(key, &self.sheet.keys[key], *role, value, number);
        }
        self.codes.record(field(2), field(5), field(6), number);
    }

    /// Records that a scout found clear: all that is left is to follow them.
    fn clear_lines(&mut self, text: &[u8], report: &Report, lines: Range<usize>, first: u64) {
        let rows = lines.len() as u64;
        self.rows += rows;
        self.clear += rows;
        self.kept += rows;
        let mut at = lines.start;
        while at < lines.end {
            let idle = self.codes.idle().min((lines.end - at) as u64);
            if idle > 0 {
                self.codes.pass(idle);
                at += idle as usize;
                continue;
            }
            let (line, number) = (report.line(text, at), first + at as u64);
            if let Some(fixed) = columns(line) {
                let values = self.values(line, &fixed, number);
                self.follow(line, &fixed, &values, number);
                self.values = values;
            }
            at += 1;
        }
    }

    /// How much was learned: keys and flags.
    fn known(&self) -> usize {
        self.sheet.keys.len() + self.codes.flags()
    }

    /// Sends a scout who knows what is known now.
    fn brief(&mut self) {
        let known = self.known();
        if self.header_done && self.learned && self.scout.as_ref().is_none_or(|s| s.learned != known) {
            let scout = VcfScout::new(&self.sheet, self.codes.names(), known, self.sketch.bar());
            self.scout = Some(Arc::new(scout));
        }
    }

    /// Groups for the keys met so far.
    fn replan(&mut self) {
        let mut fresh = plan(&self.sheet.keys, &self.sheet.roles, &self.names, &mut self.tally);
        for (old, new) in self.sheet.groups.iter().zip(&mut fresh) {
            new.declared = old.declared;
            new.inferred = old.inferred;
            new.fewest = old.fewest;
            for (column, rounding) in &mut new.columns.frequencies {
                *rounding = old.columns.frequencies.iter().find(|(c, _)| c == column).and_then(|(_, r)| *r);
            }
        }
        self.sheet.groups = fresh;
        self.planned = self.sheet.keys.len();
    }

    fn close(&mut self) {
        let codes = std::mem::replace(&mut self.codes, codes::Codes::new());
        codes.close(&self.sheet.keys, &mut self.tally);
        for (key, profile) in std::mem::take(&mut self.profiles).into_iter().enumerate() {
            profile.unclear(&self.sheet.keys[key], &mut self.tally);
        }
    }
}

impl TextReader for SitesVcf {
    fn fallback(&self) -> bool {
        true
    }

    fn block(&mut self, block: &Block<'_>) -> Flow {
        if self.learned {
            let flow = self.lines(block.text, block.first);
            self.brief();
            return flow;
        }
        if self.held.is_empty() {
            self.held_from = block.first;
        }
        self.held.extend_from_slice(block.text);
        if !self.held.ends_with(b"\n") {
            self.held.push(b'\n');
        }
        // Subjects are named in the header: do not hold such a file back.
        if let Some(at) = memchr::memmem::find(&self.held, b"\n#CHROM") {
            let line = lines::split(&self.held[at + 1..]).next().unwrap_or_default();
            if line.split(|b| *b == b'\t').count() > 9 {
                return Flow::Leave;
            }
        }
        if self.held.len() < LEARN_BYTES {
            return Flow::More;
        }
        let flow = self.learn();
        self.brief();
        flow
    }

    fn scout(&self) -> Option<Arc<dyn Scout>> {
        self.scout.clone().map(|s| s as Arc<dyn Scout>)
    }

    fn scouted(&mut self, block: &Block<'_>, report: &Report) -> Flow {
        if report.learned != self.known() || report.unfamiliar {
            return self.block(block);
        }
        for stretch in report.stretches() {
            self.clear_lines(block.text, report, stretch.clear, block.first);
            stretch.sites.iter().for_each(|s| self.sketch.put(s.key, s.chromosomes));
            if let Some(doubtful) = stretch.doubtful {
                let line = report.line(block.text, doubtful);
                if self.line(line, block.first + doubtful as u64) == Flow::Leave {
                    return Flow::Leave;
                }
            }
        }
        let unexplained =
            self.sheet.roles.iter().zip(&mut self.profiles).filter(|(r, _)| **r == Role::Unknown);
        unexplained.zip(&report.profiles).for_each(|((_, profile), seen)| profile.join(seen, block.first));
        Flow::More
    }

    fn finish(mut self: Box<Self>) -> Found {
        if self.learn() == Flow::Leave || self.subjects_named() {
            return Found::nothing();
        }
        self.close();
        let mut problems = Vec::new();
        if !self.header_done {
            problems.push(Problem::new(ProblemKind::Malformed, "", "no #CHROM line"));
        } else if self.rows == 0 {
            problems.push(Problem::new(ProblemKind::Malformed, "", "a header without records"));
        }
        let table = Statistics {
            rows: self.rows,
            clear: self.clear,
            minimum: self.sheet.policy.counts.minimum,
            subjects: if self.sheet.keys.iter().any(|k| k == "AN") {
                "AN in every record".into()
            } else {
                String::new()
            },
            evidence: self.tally.evidence(),
        };
        let rows = table.rows;
        let parts = std::iter::once(Part::Statistics(table)).chain(self.sketch.part()).collect();
        Found { kind: "vcf_sites".into(), rows, unit: "sites", parts, problems }
    }
}

impl SitesVcf {
    /// The header was left unread because it names subjects.
    fn subjects_named(&self) -> bool {
        !self.header_done && self.rows == 0 && !self.held.is_empty()
    }
}
