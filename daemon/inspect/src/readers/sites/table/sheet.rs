//! What is known about the columns of a table of sites, and what one row says by itself.

use crate::lines;
use crate::readers::printed;
use crate::readers::sites::difference;
use crate::readers::sites::group::{Group, Row, Said};
use crate::readers::sites::roles::Role;
use crate::readers::sites::sketch;
use crate::readers::tally::{Tally, words};
use crate::shape::Delimiter;
use sekisho_policy::facts::What;
use sekisho_policy::rules::small_frequencies::Ploidy;
use sekisho_policy::schema::Policy;

/// Longest value a column of words may hold.
pub const LONGEST_WORD: usize = 256;

/// Columns and what they hold. After learning it stays as it is.
#[derive(Debug, Clone)]
pub struct Sheet {
    pub policy: Policy,
    pub delimiter: Delimiter,
    pub header: Vec<String>,
    pub data_from: u64,
    pub roles: Vec<Role>,
    pub groups: Vec<Group>,
    pub tests: Option<usize>,
    pub chrom: Option<usize>,
    pub position: Option<usize>,
    pub id: Option<usize>,
    pub everything: u32,
}

/// What a row says by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// It gives few people away, or carries something.
    pub offends: bool,
    /// Part of it could not be understood.
    pub broken: bool,
    /// It has more digits than may leave.
    pub long: bool,
}

impl Sheet {
    /// Fields of a line, as place and length.
    pub fn split(&self, line: &[u8], quoted: bool, spans: &mut Vec<(usize, usize)>) {
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
    }

    /// The hash of a row's site.
    #[inline]
    pub fn key<'t>(&self, field: &impl Fn(usize) -> &'t [u8]) -> Option<u64> {
        let text = |c: Option<usize>| c.map_or(&b""[..], field);
        sketch::key(text(self.id), text(self.chrom), text(self.position))
    }

    /// One or two chromosomes a person.
    #[inline]
    pub fn ploidy<'t>(&self, field: &impl Fn(usize) -> &'t [u8]) -> Ploidy {
        self.chrom.map_or(Ploidy::OneOrTwo, |c| Ploidy::of_chromosome(field(c)))
    }

    /// Judges the groups of people that a row speaks of; see [`difference::row`].
    pub fn groups<'t>(
        &self,
        field: &impl Fn(usize) -> &'t [u8],
        place: &dyn Fn() -> String,
        tally: &mut Tally,
        said: &mut Vec<Said>,
    ) -> (bool, bool) {
        let slashes_are_alleles =
            self.tests.is_some_and(|t| matches!(field(t), b"ALLELIC" | b"TREND" | b"allelic" | b"trend"));
        let fields = |column: usize| field(column);
        let row = Row { fields: &fields, ploidy: self.ploidy(field), place, slashes_are_alleles };
        difference::row(&self.groups, &row, &self.policy, tally, said)
    }

    /// Judges a row, adding to the tally.
    pub fn judge<'t>(
        &self,
        line: &[u8],
        field: &impl Fn(usize) -> &'t [u8],
        number: u64,
        tally: &mut Tally,
        said: &mut Vec<Said>,
    ) -> Judged {
        let place = || match self.id {
            Some(id) => format!("line {number} ({})", words(field(id))),
            None => format!("line {number}"),
        };
        let (mut offends, mut broken) = self.groups(field, &place, tally, said);
        let mut long = false;
        let about = self.everything;
        for column in 0..self.roles.len() {
            let text = field(column);
            match self.cell(column, text) {
                Cell::Clear => {}
                Cell::Broken => broken = true,
                Cell::Long => {
                    long = true;
                    tally.add(What::ExtraDigits, about, || (place(), words(text)));
                }
                Cell::LongAndBroken => {
                    (long, broken) = (true, true);
                    tally.add(What::ExtraDigits, about, || (place(), words(text)));
                }
                Cell::Encoded => {
                    offends = true;
                    tally.add(What::EncodedText, about, || (place(), words(text)));
                }
            }
        }
        if broken {
            tally.add(What::Unparsed, about, || (place(), words(line)));
        }
        Judged { offends, broken, long }
    }

    /// What a cell is by the role of its column.
    pub fn cell(&self, column: usize, text: &[u8]) -> Cell {
        let role = &self.roles[column];
        match role {
            Role::Statistic
            | Role::Fraction
            | Role::MissingRate
            | Role::Frequency(_)
            | Role::GenotypeFraction(_) => match printed::parse(text) {
                Some(n) => {
                    let long = !n.whole && n.significant > self.policy.numbers.significant_digits;
                    let outside = *role == Role::Fraction
                        && !(-1e-9..=1.000_1).contains(&n.value)
                        && !self.loose(column);
                    match (long, outside) {
                        (true, true) => Cell::LongAndBroken,
                        (true, false) => Cell::Long,
                        (false, true) => Cell::Broken,
                        (false, false) => Cell::Clear,
                    }
                }
                None if printed::is_missing(text) || text.contains(&b',') => Cell::Clear,
                None => Cell::Broken,
            },
            Role::Place => {
                let whole = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
                let clear = whole || printed::parse(text).is_some() || printed::is_missing(text);
                if clear { Cell::Clear } else { Cell::Broken }
            }
            Role::Id | Role::Label | Role::Chrom if text.len() > LONGEST_WORD => Cell::Encoded,
            _ => Cell::Clear,
        }
    }

    /// INFO scores and the like may exceed one a little; p-values may not.
    pub fn loose(&self, column: usize) -> bool {
        let name = self.header[column].to_ascii_lowercase();
        !name.starts_with('p')
    }
}

/// What a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Nothing to be said about it.
    Clear,
    /// Not what the column holds.
    Broken,
    /// More digits than may leave.
    Long,
    /// Both.
    LongAndBroken,
    /// Longer than any word.
    Encoded,
}
