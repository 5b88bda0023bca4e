//! Looks ahead at rows of a table of sites; see [`crate::readers::scout`].

use super::sheet::{Cell, LONGEST_WORD, Sheet};
use crate::marks::{Bytes, Marks};
use crate::readers::scout::{Report, Scout, Seen};
use crate::readers::sites::group::{Said, counted};
use crate::readers::sites::profile::Profile;
use crate::readers::sites::quick::Quick;
use crate::readers::sites::roles::Role;
use crate::readers::sites::sketch::Bar;
use crate::readers::tally::Tally;
use crate::shape::Delimiter;
use std::cell::RefCell;

/// How a column is looked at.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// A number.
    Number,
    /// A number between zero and one.
    Fraction,
    /// A whole number.
    Place,
    /// Words that are short.
    Word,
}

/// What the reader had learned.
pub struct TableScout {
    sheet: Sheet,
    looks: Vec<(usize, Look)>,
    quick: Option<Quick>,
    /// The column that is looked at by `quick`.
    fractions: Option<usize>,
    unexplained: Vec<usize>,
    bar: Bar,
}

/// Memory for rows that have to be judged in full.
#[derive(Default)]
struct Scratch {
    tally: Tally,
    said: Vec<Said>,
    spans: Vec<(usize, usize)>,
}

impl TableScout {
    /// Sets out with what is known now.
    pub fn new(sheet: &Sheet, profiles: &[(usize, Profile)], bar: Bar) -> Self {
        let look = |role: &Role| match role {
            Role::Statistic | Role::MissingRate | Role::Frequency(_) | Role::GenotypeFraction(_) => {
                Some(Look::Number)
            }
            Role::Fraction => Some(Look::Fraction),
            Role::Place => Some(Look::Place),
            Role::Id | Role::Label | Role::Chrom => Some(Look::Word),
            _ => None,
        };
        let quick = Quick::of(&sheet.groups, &sheet.policy);
        let fractions = quick.as_ref().and_then(Quick::fractions);
        let columns = (0..sheet.roles.len()).filter(|c| Some(*c) != fractions);
        Self {
            looks: columns.filter_map(|c| Some((c, look(&sheet.roles[c])?))).collect(),
            fractions,
            quick,
            unexplained: profiles.iter().map(|(column, _)| *column).collect(),
            sheet: sheet.clone(),
            bar,
        }
    }

    /// Looks at one row; what is clear of it goes into the report. `span`: beginning and length of each field.
    #[inline]
    fn row(
        &self,
        text: &[u8],
        span: &impl Fn(usize) -> (usize, usize),
        line: usize,
        report: &mut Report,
        scratch: &mut Scratch,
    ) {
        let field = |column: usize| {
            let (from, length) = span(column);
            &text[from..from + length]
        };
        let digits = self.sheet.policy.numbers.significant_digits;
        let clear = self.looks.iter().all(|(column, look)| {
            let (from, length) = span(*column);
            let bytes = Bytes::of(text, from, length);
            let plain = match look {
                Look::Number => bytes.is_some_and(|b| b.decimal() && b.short(digits)),
                // Zero, a point, and digits.
                Look::Fraction => {
                    bytes.is_some_and(|b| b.decimal() && b.points == 2 && b.zeros & 1 == 1 && b.short(digits))
                }
                Look::Place => bytes.is_some_and(Bytes::whole),
                Look::Word => length <= LONGEST_WORD,
            };
            plain || self.sheet.cell(*column, &text[from..from + length]) == Cell::Clear
        });
        let quick = self.quick.as_ref().filter(|_| clear);
        let chromosomes = match quick.and_then(|q| q.clear(text, span, self.sheet.ploidy(&field))) {
            Some(chromosomes) => chromosomes,
            None if clear
                && self.fractions.is_none_or(|c| self.sheet.cell(c, field(c)) == Cell::Clear)
                && self.clear_groups(&field, scratch) =>
            {
                counted(&scratch.said)
            }
            None => {
                report.doubtful.push(line as u32);
                return;
            }
        };
        if let Some(chromosomes) = chromosomes
            && let Some(key) = self.sheet.key(&field).filter(|key| self.bar.lets(*key))
        {
            report.sites.push(Seen { line: line as u32, key, chromosomes });
        }
        for (profile, column) in report.profiles.iter_mut().zip(&self.unexplained) {
            profile.add(field(*column), line as u64, self.sheet.policy.counts.minimum);
        }
    }

    /// Judges the groups of a row, to see whether anything comes of it.
    fn clear_groups<'t>(&self, field: &impl Fn(usize) -> &'t [u8], scratch: &mut Scratch) -> bool {
        let place = String::new;
        let (offends, broken) = self.sheet.groups(field, &place, &mut scratch.tally, &mut scratch.said);
        let silent = scratch.tally.is_empty();
        if !silent {
            scratch.tally = Tally::default();
        }
        silent && !offends && !broken
    }

    /// Rows whose fields stand between separators.
    fn marked(&self, text: &[u8], marks: &Marks, report: &mut Report, scratch: &mut Scratch) {
        let (columns, ends) = (self.sheet.header.len(), marks.ends());
        let (mut start, mut mark) = (0, 0);
        for (at, end) in marks.feeds().iter().enumerate() {
            let row = ends.get(mark..mark + columns);
            match row.filter(|r| r[columns - 1] == *end) {
                Some(row) => {
                    let last = *end as usize - usize::from(*end > 0 && text[*end as usize - 1] == b'\r');
                    let span = |column: usize| {
                        let from = if column == 0 { start } else { row[column - 1] as usize + 1 };
                        let to = if column == columns - 1 { last } else { row[column] as usize };
                        (from, to.saturating_sub(from))
                    };
                    self.row(text, &span, at, report, scratch);
                    mark += columns;
                }
                None => {
                    report.doubtful.push(at as u32);
                    mark += ends[mark..].iter().take_while(|m| *m < end).count() + 1;
                }
            }
            start = *end as usize + 1;
        }
    }

    /// Rows of any other kind.
    fn split(&self, text: &[u8], report: &mut Report, scratch: &mut Scratch) {
        let mut spans = std::mem::take(&mut scratch.spans);
        for at in 0..report.lines() {
            let line = report.line(text, at);
            self.sheet.split(line, report.glance.quotes, &mut spans);
            if line.is_empty() || spans.len() != self.sheet.header.len() {
                report.doubtful.push(at as u32);
                continue;
            }
            let start = line.as_ptr() as usize - text.as_ptr() as usize;
            let span = |column: usize| (start + spans[column].0, spans[column].1);
            self.row(text, &span, at, report, scratch);
        }
        scratch.spans = spans;
    }
}

impl Scout for TableScout {
    fn look(&self, text: &[u8]) -> Report {
        thread_local! {
            static MEMORY: RefCell<(Marks, Scratch)> = RefCell::default();
        }
        MEMORY.with_borrow_mut(|(marks, scratch)| {
            let separator = match self.sheet.delimiter {
                Delimiter::Byte(byte) => byte,
                Delimiter::Blank => b'\n',
            };
            marks.find(text, separator, separator);
            let glance = marks.glance();
            let plain = self.sheet.delimiter != Delimiter::Blank && !glance.quotes;
            let mut report = Report {
                glance,
                ends: marks.feeds().to_vec(),
                profiles: vec![Profile::default(); self.unexplained.len()],
                ..Report::default()
            };
            if plain {
                self.marked(text, marks, &mut report, scratch);
            }
            if text.last() != Some(&b'\n') {
                // The end of the text ends its last line, too.
                report.ends.push(text.len() as u32);
                if plain {
                    report.doubtful.push(report.ends.len() as u32 - 1);
                }
            }
            let by_tabs = plain && separator == b'\t';
            report.tabs = Some(self.sheet.header.len() - 1).filter(|_| by_tabs && report.doubtful.is_empty());
            if !plain {
                self.split(text, &mut report, scratch);
            }
            report
        })
    }
}
