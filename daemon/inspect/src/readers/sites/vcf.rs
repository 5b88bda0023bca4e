//! VCF without subjects: AC, AN, AF, NS, MAC, nhomalt, AC_Het, AC_Hom, AC_Hemi, and every `AC_<group>` with its `AN_<group>`.

mod codes;
mod copy;
mod learn;

use super::difference;
use super::group::{Group, Row, Said};
use super::info::info_role;
use super::plan::plan;
use super::profile::Profile;
use super::roles::{self, Groups, Role};
use super::sketch::Sketch;
use crate::lines::{self, Block};
use crate::readers::tally::{Tally, words};
use crate::readers::text::scan;
use crate::readers::{Context, Flow, Found, Sample, TextReader, printed};
use sekisho_policy::facts::{Part, Problem, ProblemKind, Statistics, What};
use sekisho_policy::rules::small_frequencies::{Ploidy, safe_copies};
use sekisho_policy::schema::Policy;
use std::collections::BTreeSet;

/// Bytes kept back before the first row is judged.
const LEARN_BYTES: usize = 1 << 20;
/// Most INFO keys followed.
const MOST_KEYS: usize = 512;
/// Values longer than this are looked at for what is written into them.
const LONGEST_RUN: usize = 40;
/// Longest value of a key that is not words about the variant.
const LONGEST_WORD: usize = 4096;

/// Reads a VCF whose header names no subject.
pub struct SitesVcf {
    policy: Policy,
    header_done: bool,
    keys: Vec<String>,
    roles: Vec<Role>,
    groups: Vec<Group>,
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
    tally: Tally,
    everything: u32,
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
            policy: context.policy.clone(),
            header_done: false,
            keys: Vec::new(),
            roles: Vec::new(),
            groups: Vec::new(),
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
            tally,
            everything,
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
        if self.keys.get(guess).is_some_and(|k| k.as_bytes() == name) {
            return guess;
        }
        if let Some(at) = self.keys.iter().position(|k| k.as_bytes() == name) {
            return at;
        }
        if self.keys.len() >= MOST_KEYS {
            return usize::MAX;
        }
        let role = info_role(name, &mut self.names);
        self.keys.push(words(name));
        self.roles.push(role);
        self.profiles.push(Profile::default());
        self.keys.len() - 1
    }

    fn lines(&mut self, text: &[u8], first: u64) -> Flow {
        for (at, line) in lines::split(text).enumerate() {
            let number = first + at as u64;
            if line.first() == Some(&b'#') {
                if line.starts_with(b"#CHROM") {
                    self.header_done = true;
                    if line.split(|b| *b == b'\t').count() > 9 {
                        return Flow::Leave;
                    }
                    if self.copy.is_some() {
                        let floor = safe_copies(self.policy.counts.minimum).0;
                        let note =
                            format!("##sekisho_filtered=sites with minor allele count >= {floor} kept");
                        self.write(note.as_bytes());
                    }
                }
                self.write(line);
            } else if line.is_empty() {
                self.write(line);
            } else {
                self.row(line, number);
            }
        }
        Flow::More
    }

    fn row(&mut self, line: &[u8], number: u64) {
        self.rows += 1;
        let mut fixed = [(0, 0); 8];
        let (mut column, mut from) = (0, 0);
        lines::each(line, b'\t', |tab| {
            if column < 8 {
                fixed[column] = (from, tab);
            }
            (from, column) = (tab + 1, column + 1);
        });
        if column < 8 {
            fixed[column] = (from, line.len());
        }
        column += 1;
        let field = |c: usize| &line[fixed[c].0..fixed[c].1];
        if !self.header_done || !(8..=9).contains(&column) || printed::whole(field(1)).is_none() {
            self.tally.add(What::Unparsed, self.everything, || (format!("line {number}"), words(line)));
            return;
        }
        self.values.clear();
        self.values.resize(self.keys.len(), (usize::MAX, 0));
        let info_from = fixed[7].0;
        let info = field(7);
        let (mut start, mut guess, mut equals) = (0, 0, None);
        for end in 0..=info.len() {
            match info.get(end) {
                Some(b'=') if equals.is_none() => equals = Some(end),
                Some(b';') | None => {
                    let name = &info[start..equals.unwrap_or(end)];
                    if equals.is_none() {
                        self.codes.flag(name);
                    } else {
                        let key = self.key(name, guess);
                        guess = key.wrapping_add(1);
                        if key != usize::MAX {
                            if key >= self.values.len() {
                                self.values.resize(self.keys.len(), (usize::MAX, 0));
                            }
                            self.values[key] = (info_from + start + name.len() + 1, info_from + end);
                        } else {
                            self.tally.add(What::Unparsed, self.everything, || {
                                (format!("line {number}"), "too many INFO keys".into())
                            });
                        }
                    }
                    (start, equals) = (end + 1, None);
                }
                _ => {}
            }
        }
        if self.planned != self.keys.len() {
            self.replan();
        }
        let values = std::mem::take(&mut self.values);
        let value = |key: usize| match values.get(key) {
            Some((from, to)) if *from != usize::MAX => &line[*from..*to],
            _ => b".".as_slice(),
        };
        let place = || format!("line {number} ({}:{} {})", words(field(0)), words(field(1)), words(field(2)));
        let row = Row {
            fields: &value,
            ploidy: Ploidy::of_chromosome(field(0)),
            place: &place,
            slashes_are_alleles: false,
        };
        let (offends, broken) =
            difference::row(&self.groups, &row, &self.policy, &mut self.tally, &mut self.said);
        if let Some((_, alleles)) = self.said.first().and_then(|s| s.counted).filter(|(_, a)| a.is_exact()) {
            self.sketch.add(field(2), field(0), field(1), alleles.low.0);
        }
        let digits = self.policy.numbers.significant_digits;
        let surplus = |text: &[u8]| {
            // A point stands among them.
            text.len() > digits as usize + 1
                && text
                    .split(|b| *b == b',')
                    .filter_map(printed::parse)
                    .any(|n| !n.whole && n.significant > digits)
        };
        let mut long = surplus(field(5));
        for (key, role) in self.roles.iter().enumerate() {
            let (from, to) = values.get(key).copied().unwrap_or((usize::MAX, 0));
            self.codes.value(key, &self.keys[key], *role, value(key), number);
            if from == usize::MAX {
                continue;
            }
            long |= !matches!(role, Role::Label) && surplus(&line[from..to]);
            if *role == Role::Unknown {
                for part in line[from..to].split(|b| *b == b',') {
                    self.profiles[key].add(part, number, self.policy.counts.minimum);
                }
            }
            let value = &line[from..to];
            if value.len() > LONGEST_RUN {
                if *role == Role::Unknown {
                    scan::encoded(value, number, self.everything, &mut self.tally);
                } else if scan::digits(value) {
                    self.tally.add(What::EncodedText, self.everything, || (place(), words(value)));
                }
            }
            if to - from > LONGEST_WORD {
                self.tally.add(What::EncodedText, self.everything, || (place(), words(&line[from..to])));
            }
        }
        for column in [2, 5, 6] {
            if field(column).len() > LONGEST_RUN {
                scan::encoded(field(column), number, self.everything, &mut self.tally);
            }
        }
        if fixed[2].1 - fixed[2].0 > LONGEST_WORD || fixed[6].1 - fixed[6].0 > LONGEST_WORD {
            self.tally.add(What::EncodedText, self.everything, || (place(), String::new()));
        }
        if broken {
            self.tally.add(What::Unparsed, self.everything, || (place(), words(info)));
        }
        if long {
            self.tally.add(What::ExtraDigits, self.everything, || (place(), words(info)));
        }
        self.codes.record(field(2), field(5), field(6), number);
        self.values = values;
        if !offends && !broken {
            self.clear += u64::from(!long);
            self.kept += 1;
            if self.left_out.is_empty() && self.coded.is_empty() && !long {
                self.write(line);
            } else {
                self.write_without(line, &fixed);
            }
        }
    }

    /// Groups for the keys met so far.
    fn replan(&mut self) {
        let mut fresh = plan(&self.keys, &self.roles, &self.names, &mut self.tally);
        for (old, new) in self.groups.iter().zip(&mut fresh) {
            new.declared = old.declared;
            new.inferred = old.inferred;
            new.fewest = old.fewest;
            for (column, rounding) in &mut new.columns.frequencies {
                *rounding = old.columns.frequencies.iter().find(|(c, _)| c == column).and_then(|(_, r)| *r);
            }
        }
        self.groups = fresh;
        self.planned = self.keys.len();
    }

    fn close(&mut self) {
        let codes = std::mem::replace(&mut self.codes, codes::Codes::new());
        codes.close(&self.keys, &mut self.tally);
        for (key, profile) in std::mem::take(&mut self.profiles).into_iter().enumerate() {
            profile.unclear(&self.keys[key], &mut self.tally);
        }
    }
}

impl TextReader for SitesVcf {
    fn fallback(&self) -> bool {
        true
    }

    fn block(&mut self, block: &Block<'_>) -> Flow {
        if self.learned {
            return self.lines(block.text, block.first);
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
        if self.held.len() >= LEARN_BYTES { self.learn() } else { Flow::More }
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
            minimum: self.policy.counts.minimum,
            subjects: if self.keys.iter().any(|k| k == "AN") {
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
