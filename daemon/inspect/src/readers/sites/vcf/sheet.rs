//! What is known about the INFO keys of a VCF without subjects, and what one record says by itself.

use crate::lines;
use crate::readers::printed;
use crate::readers::sites::difference;
use crate::readers::sites::group::{Group, Row, Said};
use crate::readers::sites::roles::Role;
use crate::readers::tally::{Tally, words};
use crate::readers::text::scan;
use sekisho_policy::facts::What;
use sekisho_policy::rules::small_frequencies::Ploidy;
use sekisho_policy::schema::Policy;

/// Values longer than this are looked at for what is written into them.
pub const LONGEST_RUN: usize = 40;
/// Longest value of a key that is not words about the variant.
pub const LONGEST_WORD: usize = 4096;
/// The place of a value that a record does not have.
pub const NOWHERE: (usize, usize) = (usize::MAX, 0);

/// Keys and what they hold. Keys may be added as they are met.
#[derive(Debug, Clone)]
pub struct Sheet {
    pub policy: Policy,
    pub keys: Vec<String>,
    pub roles: Vec<Role>,
    pub groups: Vec<Group>,
    pub everything: u32,
}

/// The first eight columns of a record, from and to.
pub type Fixed = [(usize, usize); 8];

/// What a record says by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// It gives few people away, or carries something.
    pub offends: bool,
    /// Part of it could not be understood.
    pub broken: bool,
    /// It has more digits than may leave.
    pub long: bool,
}

/// The columns of a record; `None` when the line is none.
pub fn columns(line: &[u8]) -> Option<Fixed> {
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
    let record = (8..=9).contains(&column) && printed::whole(&line[fixed[1].0..fixed[1].1]).is_some();
    record.then_some(fixed)
}

/// Calls for every entry of INFO with its name and the place of its value, which flags do not have.
pub fn entries(
    line: &[u8],
    (from, to): (usize, usize),
    mut found: impl FnMut(&[u8], Option<(usize, usize)>),
) {
    let info = &line[from..to];
    let mut start = 0;
    let mut entry = |start: usize, end: usize| {
        let entry = &info[start..end];
        match entry.iter().position(|b| *b == b'=') {
            Some(equals) => found(&entry[..equals], Some((from + start + equals + 1, from + end))),
            None => found(entry, None),
        }
    };
    lines::each(info, b';', |end| {
        entry(start, end);
        start = end + 1;
    });
    entry(start, info.len());
}

impl Sheet {
    /// The number of a known key. `guess`: where it stood last time.
    #[inline]
    pub fn known(&self, name: &[u8], guess: usize) -> Option<usize> {
        if self.keys.get(guess).is_some_and(|k| k.as_bytes() == name) {
            return Some(guess);
        }
        self.keys.iter().position(|k| k.as_bytes() == name)
    }

    /// Judges a record, adding to the tally. `values`: from and to, by key.
    pub fn judge(
        &self,
        line: &[u8],
        fixed: &Fixed,
        values: &[(usize, usize)],
        number: u64,
        tally: &mut Tally,
        said: &mut Vec<Said>,
    ) -> Judged {
        let field = |c: usize| &line[fixed[c].0..fixed[c].1];
        let value = |key: usize| match values.get(key) {
            Some((from, to)) if *from != usize::MAX => &line[*from..*to],
            _ => b".".as_slice(),
        };
        let place = || format!("line {number} ({}:{} {})", words(field(0)), words(field(1)), words(field(2)));
        let ploidy = Ploidy::of_chromosome(field(0));
        let row = Row { fields: &value, ploidy, place: &place, slashes_are_alleles: false };
        let (offends, broken) = difference::row(&self.groups, &row, &self.policy, tally, said);
        let mut long = self.surplus(field(5));
        for (key, role) in self.roles.iter().enumerate() {
            if values.get(key).is_none_or(|v| *v == NOWHERE) {
                continue;
            }
            let value = value(key);
            long |= !matches!(role, Role::Label) && self.surplus(value);
            if value.len() > LONGEST_RUN {
                if *role == Role::Unknown {
                    scan::encoded(value, number, self.everything, tally);
                } else if scan::digits(value) {
                    tally.add(What::EncodedText, self.everything, || (place(), words(value)));
                }
            }
            if value.len() > LONGEST_WORD {
                tally.add(What::EncodedText, self.everything, || (place(), words(value)));
            }
        }
        for column in [2, 5, 6] {
            if field(column).len() > LONGEST_RUN {
                scan::encoded(field(column), number, self.everything, tally);
            }
        }
        if field(2).len() > LONGEST_WORD || field(6).len() > LONGEST_WORD {
            tally.add(What::EncodedText, self.everything, || (place(), String::new()));
        }
        if broken {
            tally.add(What::Unparsed, self.everything, || (place(), words(field(7))));
        }
        if long {
            tally.add(What::ExtraDigits, self.everything, || (place(), words(field(7))));
        }
        Judged { offends, broken, long }
    }

    /// More digits than may leave, in one of the numbers.
    fn surplus(&self, text: &[u8]) -> bool {
        let digits = self.policy.numbers.significant_digits;
        // A point stands among them.
        text.len() > digits as usize + 1
            && text
                .split(|b| *b == b',')
                .filter_map(printed::parse)
                .any(|n| !n.whole && n.significant > digits)
    }
}
