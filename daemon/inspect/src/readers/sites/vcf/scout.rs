//! Looks ahead at records of a VCF without subjects; see [`crate::readers::scout`].

use super::sheet::{Fixed, Judged, LONGEST_RUN, NOWHERE, Sheet, columns, entries};
use crate::marks::{Bytes, Marks};
use crate::readers::scout::{Report, Scout, Seen};
use crate::readers::sites::group::{Said, counted};
use crate::readers::sites::profile::Profile;
use crate::readers::sites::quick::Quick;
use crate::readers::sites::roles::Role;
use crate::readers::sites::sketch::{self, Bar};
use crate::readers::tally::Tally;
use sekisho_policy::rules::small_frequencies::Ploidy;
use std::cell::RefCell;

/// What the reader had learned.
pub struct VcfScout {
    /// How much that was.
    pub learned: usize,
    sheet: Sheet,
    flags: Vec<Vec<u8>>,
    quick: Option<Quick>,
    unexplained: Vec<usize>,
    bar: Bar,
}

/// What a record's INFO is made of: most records are made as the one before.
#[derive(Default)]
struct Layout {
    entries: Vec<Entry>,
}

/// An entry of INFO, as it begins: `AC=` of a key, or all of a flag.
#[derive(Default)]
struct Entry {
    begins: Vec<u8>,
    /// The same as a number, when it is short.
    short: Option<(u64, u64)>,
    /// The number of the key; flags have none.
    key: Option<usize>,
}

impl Entry {
    fn set(&mut self, name: &[u8], value: bool, key: Option<usize>) {
        self.begins.clear();
        self.begins.extend_from_slice(name);
        self.begins.resize(name.len() + usize::from(value), b'=');
        let mut word = [0; 8];
        self.short = word
            .get_mut(..self.begins.len())
            .filter(|w| !w.is_empty())
            .map(|w| {
                w.copy_from_slice(&self.begins);
                u64::MAX >> (64 - 8 * w.len())
            })
            .map(|mask| (mask, u64::from_le_bytes(word)));
        self.key = key;
    }

    /// Does the text begin so?
    #[inline]
    fn begins(&self, text: &[u8]) -> bool {
        match (self.short, text.first_chunk()) {
            (Some((mask, word)), Some(eight)) => u64::from_le_bytes(*eight) & mask == word,
            _ => text.starts_with(&self.begins),
        }
    }
}

/// Memory for a block.
#[derive(Default)]
struct Scratch {
    layout: Layout,
    /// Values by key: from and to.
    values: Vec<(usize, usize)>,
    tally: Tally,
    said: Vec<Said>,
}

/// What a line is.
enum Line {
    /// A clear record, with the chromosomes, where they are exact.
    Clear(Option<u64>),
    /// Something to be read by the reader.
    Doubtful,
    /// Something the reader never met.
    Unfamiliar,
}

impl VcfScout {
    /// Sets out with what is known now.
    pub fn new(sheet: &Sheet, flags: Vec<Vec<u8>>, learned: usize, bar: Bar) -> Self {
        Self {
            learned,
            quick: Quick::of(&sheet.groups, &sheet.policy),
            unexplained: (0..sheet.roles.len()).filter(|k| sheet.roles[*k] == Role::Unknown).collect(),
            sheet: sheet.clone(),
            flags,
            bar,
        }
    }

    /// A record made as the one before, all of it plain. `fixed` and values are from and to, in `text`.
    #[inline]
    fn quick(&self, text: &[u8], fixed: &Fixed, scratch: &Scratch) -> Option<Option<u64>> {
        let digits = self.sheet.policy.numbers.significant_digits;
        let plain = |(from, to): (usize, usize)| {
            to - from <= digits as usize + 1
                || Bytes::of(text, from, to - from).is_some_and(|b| b.decimal() && b.short(digits))
        };
        let length = |column: usize| fixed[column].1 - fixed[column].0;
        let (from, to) = fixed[1];
        let usual = Bytes::of(text, from, to - from).is_some_and(Bytes::whole)
            && plain(fixed[5])
            && length(2) <= LONGEST_RUN
            && length(6) <= LONGEST_RUN;
        let values = scratch.layout.entries.iter().filter_map(|e| e.key).all(|key| {
            let (from, to) = scratch.values[key];
            plain((from, to)) || self.sheet.roles[key] == Role::Label && to - from <= LONGEST_RUN
        });
        if !usual || !values {
            return None;
        }
        let span = |key: usize| {
            let (from, to) = scratch.values.get(key).copied().unwrap_or(NOWHERE);
            (from, to.saturating_sub(from))
        };
        let ploidy = Ploidy::of_chromosome(&text[fixed[0].0..fixed[0].1]);
        self.quick.as_ref()?.clear(text, &span, ploidy)
    }

    /// Any record, read as the reader would.
    fn slow(&self, line: &[u8], fixed: &Fixed, scratch: &mut Scratch) -> Line {
        let Scratch { layout, values, tally, said } = scratch;
        values.clear();
        values.resize(self.sheet.keys.len(), NOWHERE);
        let (mut guess, mut familiar) = (0, true);
        let mut at = 0;
        entries(line, fixed[7], |name, place| {
            let key = place.and_then(|_| self.sheet.known(name, guess));
            familiar &= key.is_some()
                || place.is_none()
                    && (matches!(name, b"" | b".") || self.flags.iter().any(|f| f.as_slice() == name));
            if let (Some(key), Some(place)) = (key, place) {
                (values[key], guess) = (place, key + 1);
            }
            // The next record is expected to be made like this one.
            if layout.entries.len() <= at {
                layout.entries.push(Entry::default());
            }
            layout.entries[at].set(name, place.is_some(), key);
            at += 1;
        });
        layout.entries.truncate(at);
        if !familiar {
            layout.entries.clear();
            return Line::Unfamiliar;
        }
        let judged = self.sheet.judge(line, fixed, values, 0, tally, said);
        let silent = tally.is_empty();
        if !silent {
            *tally = Tally::default();
        }
        if silent && judged == (Judged { offends: false, broken: false, long: false }) {
            Line::Clear(counted(said))
        } else {
            Line::Doubtful
        }
    }

    /// Takes a clear record into the report.
    fn take(
        &self,
        text: &[u8],
        fixed: &Fixed,
        values: &[(usize, usize)],
        line: usize,
        chromosomes: Option<u64>,
        report: &mut Report,
    ) {
        let field = |c: usize| &text[fixed[c].0..fixed[c].1];
        if let Some(chromosomes) = chromosomes
            && let Some(key) = sketch::key(field(2), field(0), field(1)).filter(|key| self.bar.lets(*key))
        {
            report.sites.push(Seen { line: line as u32, key, chromosomes });
        }
        for (profile, key) in report.profiles.iter_mut().zip(&self.unexplained) {
            let (from, to) = values[*key];
            if from != usize::MAX {
                for part in text[from..to].split(|b| *b == b',') {
                    profile.add(part, line as u64, self.sheet.policy.counts.minimum);
                }
            }
        }
    }

    fn lines(&self, text: &[u8], marks: &Marks, report: &mut Report, scratch: &mut Scratch) {
        let ends = marks.ends();
        let (mut start, mut mark) = (0, 0);
        for (at, end) in marks.feeds().iter().enumerate() {
            let last = *end as usize - usize::from(*end > 0 && text[*end as usize - 1] == b'\r');
            let entries = scratch.layout.entries.len();
            let tab = |m: &u32| text[*m as usize] == b'\t';
            // Seven tabs before INFO, and as many entries as in the record before.
            let like_before = entries > 0
                && ends.get(mark + 6 + entries) == Some(end)
                && ends[mark..mark + 7].iter().all(tab)
                && !ends[mark + 7..mark + 6 + entries].iter().any(tab)
                && text[start] != b'#';
            let mut done = false;
            if like_before {
                let mut fixed = [(0, 0); 8];
                let mut from = start;
                for (column, end) in fixed.iter_mut().zip(&ends[mark..mark + 7]) {
                    *column = (from, *end as usize);
                    from = *end as usize + 1;
                }
                fixed[7] = (from, last);
                let Scratch { layout, values, .. } = &mut *scratch;
                let fits = layout.entries.iter().enumerate().all(|(n, entry)| {
                    let to = if n + 1 == entries { last } else { ends[mark + 7 + n] as usize };
                    let fits = from + entry.begins.len() <= to && entry.begins(&text[from..]);
                    let fits = fits && (entry.key.is_some() || from + entry.begins.len() == to);
                    if let Some(key) = entry.key.filter(|_| fits) {
                        values[key] = (from + entry.begins.len(), to);
                    }
                    from = to + 1;
                    fits
                });
                if fits && let Some(chromosomes) = self.quick(text, &fixed, scratch) {
                    self.take(text, &fixed, &scratch.values, at, chromosomes, report);
                    (done, mark) = (true, mark + 7 + entries);
                }
            }
            if !done {
                report.tabs = None;
                self.other(&text[start..last], at, report, scratch);
                mark += ends[mark..].iter().take_while(|m| *m <= end).count();
            }
            start = *end as usize + 1;
        }
    }

    /// A line that is not quickly seen to be clear.
    fn other(&self, line: &[u8], at: usize, report: &mut Report, scratch: &mut Scratch) {
        let fixed = columns(line).filter(|_| line.first().is_some_and(|b| *b != b'#'));
        let found = fixed.map_or(Line::Doubtful, |fixed| self.slow(line, &fixed, scratch));
        match (found, fixed) {
            (Line::Clear(chromosomes), Some(fixed)) => {
                let values = std::mem::take(&mut scratch.values);
                self.take(line, &fixed, &values, at, chromosomes, report);
                scratch.values = values;
            }
            (Line::Unfamiliar, _) => {
                report.unfamiliar = true;
                report.doubtful.push(at as u32);
            }
            _ => report.doubtful.push(at as u32),
        }
    }
}

impl Scout for VcfScout {
    fn look(&self, text: &[u8]) -> Report {
        thread_local! {
            static MEMORY: RefCell<(Marks, Scratch)> = RefCell::default();
        }
        MEMORY.with_borrow_mut(|(marks, scratch)| {
            marks.find(text, b'\t', b';');
            // What another scout learned is nothing to this one.
            scratch.layout.entries.clear();
            let mut report = Report {
                learned: self.learned,
                tabs: Some(7),
                glance: marks.glance(),
                ends: marks.feeds().to_vec(),
                profiles: vec![Profile::default(); self.unexplained.len()],
                ..Report::default()
            };
            self.lines(text, marks, &mut report, scratch);
            if text.last() != Some(&b'\n') {
                // The end of the text ends its last line, too.
                report.ends.push(text.len() as u32);
                report.doubtful.push(report.ends.len() as u32 - 1);
                (report.unfamiliar, report.tabs) = (true, None);
            }
            report
        })
    }
}
