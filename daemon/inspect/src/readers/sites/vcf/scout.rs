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
    /// Each entry as it begins: `AC=` of a key, or all of a flag, which has no number.
    entries: Vec<(Vec<u8>, Option<usize>)>,
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
        let values = scratch.layout.entries.iter().filter_map(|(_, key)| *key).all(|key| {
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
    fn slow(&self, line: &[u8], fixed: &Fixed, number: u64, scratch: &mut Scratch) -> Line {
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
            let whole = name.len() + usize::from(place.is_some());
            if layout.entries.len() <= at {
                layout.entries.push((Vec::new(), None));
            }
            let (begins, of) = &mut layout.entries[at];
            begins.clear();
            begins.extend_from_slice(name);
            begins.resize(whole, b'=');
            *of = key;
            at += 1;
        });
        layout.entries.truncate(at);
        if !familiar {
            layout.entries.clear();
            return Line::Unfamiliar;
        }
        let judged = self.sheet.judge(line, fixed, values, number, tally, said);
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
        line: (usize, u64),
        chromosomes: Option<u64>,
        report: &mut Report,
    ) {
        let field = |c: usize| &text[fixed[c].0..fixed[c].1];
        if let Some(chromosomes) = chromosomes
            && let Some(key) = sketch::key(field(2), field(0), field(1)).filter(|key| self.bar.lets(*key))
        {
            report.sites.push(Seen { line: line.0 as u32, key, chromosomes });
        }
        for (profile, key) in report.profiles.iter_mut().zip(&self.unexplained) {
            let (from, to) = values[*key];
            if from != usize::MAX {
                for part in text[from..to].split(|b| *b == b',') {
                    profile.add(part, line.1, self.sheet.policy.counts.minimum);
                }
            }
        }
    }

    fn lines(&self, text: &[u8], marks: &Marks, first: u64, report: &mut Report, scratch: &mut Scratch) {
        let (ends, tabs) = (marks.ends(), marks.fields());
        let (mut start, mut mark, mut tab) = (0, 0, 0);
        for (at, end) in marks.feeds().iter().enumerate() {
            let number = first + at as u64;
            let last = *end as usize - usize::from(*end > 0 && text[*end as usize - 1] == b'\r');
            let entries = scratch.layout.entries.len();
            // Seven tabs before INFO, and as many entries as in the record before.
            let like_before = entries > 0
                && ends.get(mark + 6 + entries) == Some(end)
                && tabs.get(tab + 6).is_some_and(|t| ends[mark + 6] == *t)
                && tabs.get(tab + 7).is_none_or(|t| t > end)
                && text[start] != b'#';
            let mut done = None;
            if like_before {
                let mut fixed = [(0, 0); 8];
                let mut from = start;
                for (column, end) in fixed.iter_mut().zip(&ends[mark..mark + 7]) {
                    *column = (from, *end as usize);
                    from = *end as usize + 1;
                }
                fixed[7] = (from, last);
                let Scratch { layout, values, .. } = &mut *scratch;
                let fits = layout.entries.iter().enumerate().all(|(n, (begins, key))| {
                    let to = if n + 1 == entries { last } else { ends[mark + 7 + n] as usize };
                    let entry = text.get(from..to).unwrap_or_default();
                    let fits = match key {
                        Some(key) => {
                            values[*key] = (from + begins.len(), to);
                            entry.starts_with(begins)
                        }
                        None => entry == begins.as_slice(),
                    };
                    from = to + 1;
                    fits
                });
                if fits && let Some(chromosomes) = self.quick(text, &fixed, scratch) {
                    self.take(text, &fixed, &scratch.values, (at, number), chromosomes, report);
                    done = Some((mark + 7 + entries, tab + 7));
                }
            }
            (mark, tab) = done.unwrap_or_else(|| {
                self.other(&text[start..last], (at, number), report, scratch);
                let marks = ends[mark..].iter().take_while(|m| *m <= end).count();
                let passed = tabs[tab..].iter().take_while(|t| *t < end).count();
                (mark + marks, tab + passed)
            });
            start = *end as usize + 1;
        }
    }

    /// A line that is not quickly seen to be clear.
    fn other(&self, line: &[u8], (at, number): (usize, u64), report: &mut Report, scratch: &mut Scratch) {
        let fixed = columns(line).filter(|_| line.first().is_some_and(|b| *b != b'#'));
        let found = fixed.map_or(Line::Doubtful, |fixed| self.slow(line, &fixed, number, scratch));
        match (found, fixed) {
            (Line::Clear(chromosomes), Some(fixed)) => {
                let values = std::mem::take(&mut scratch.values);
                self.take(line, &fixed, &values, (at, number), chromosomes, report);
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
    fn look(&self, text: &[u8], first: u64) -> Report {
        thread_local! {
            static MEMORY: RefCell<(Marks, Scratch)> = RefCell::default();
        }
        MEMORY.with_borrow_mut(|(marks, scratch)| {
            marks.find(text, b'\t', b';');
            // What another scout learned is nothing to this one.
            scratch.layout.entries.clear();
            let mut report = Report {
                learned: self.learned,
                ends: marks.feeds().to_vec(),
                profiles: vec![Profile::default(); self.unexplained.len()],
                ..Report::default()
            };
            self.lines(text, marks, first, &mut report, scratch);
            if text.last() != Some(&b'\n') {
                // The end of the text ends its last line, too.
                report.ends.push(text.len() as u32);
                report.doubtful.push(report.ends.len() as u32 - 1);
                report.unfamiliar = true;
            }
            report
        })
    }
}
