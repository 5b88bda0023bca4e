//! What the values of a column look like, for columns whose name explains nothing (or too much).

use crate::readers::printed;
use crate::readers::tally::Tally;
use crate::readers::text::scan;
use sekisho_policy::facts::What;

/// Values of one column, counted by kind.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    /// Values present.
    pub present: u64,
    /// Whole numbers.
    pub whole: u64,
    /// Whole numbers from 1 to the limit less one.
    pub small: u64,
    /// Those of them that are not one.
    pub small_above_one: u64,
    /// Numbers between zero and one that are not whole.
    pub fractions: u64,
    /// Numbers outside zero to one, or negative.
    pub outside: u64,
    /// Anything that is no number.
    pub words: u64,
    /// Values in an order of letters that no name has.
    pub random: u64,
    /// Largest number of bytes in a value.
    pub longest: usize,
    /// Place and value of the first small whole number, fraction, and outside number.
    pub first_small: Option<(u64, u64)>,
    /// See `first_small`.
    pub first_fraction: Option<(u64, f64)>,
}

impl Profile {
    /// Takes one value, at `line`.
    pub fn add(&mut self, text: &[u8], line: u64, minimum: u64) {
        if printed::is_missing(text) {
            return;
        }
        self.present += 1;
        self.longest = self.longest.max(text.len());
        let Some(number) = printed::parse(text) else {
            self.words += 1;
            self.random += u64::from(scan::random(text));
            return;
        };
        let value = number.value;
        if number.whole || value.fract() == 0.0 {
            self.whole += 1;
            if value >= 1.0 && value < minimum as f64 {
                self.small += 1;
                self.small_above_one += u64::from(value > 1.0);
                self.first_small.get_or_insert((line, value as u64));
            }
            if !(0.0..=1.0).contains(&value) {
                self.outside += 1;
            }
        } else if (0.0..=1.0).contains(&value) {
            self.fractions += 1;
            self.first_fraction.get_or_insert((line, value));
        } else {
            self.outside += 1;
        }
    }

    /// Takes what was seen of the same column in other rows, in whatever order. Their lines are counted from `from`.
    pub fn join(&mut self, other: &Self, from: u64) {
        fn first<T: Copy>(one: Option<(u64, T)>, other: Option<(u64, T)>) -> Option<(u64, T)> {
            match (one, other) {
                (Some(one), Some(other)) => Some(if other.0 < one.0 { other } else { one }),
                (one, other) => one.or(other),
            }
        }
        self.present += other.present;
        self.whole += other.whole;
        self.small += other.small;
        self.small_above_one += other.small_above_one;
        self.fractions += other.fractions;
        self.outside += other.outside;
        self.words += other.words;
        self.random += other.random;
        self.longest = self.longest.max(other.longest);
        self.first_small = first(self.first_small, other.first_small.map(|(line, n)| (from + line, n)));
        self.first_fraction =
            first(self.first_fraction, other.first_fraction.map(|(line, n)| (from + line, n)));
    }

    /// What an unexplained column with these values may be.
    pub fn unclear(&self, name: &str, tally: &mut Tally) {
        let about = tally.name(name);
        if self.random >= scan::MOST_RANDOM {
            tally.add_many(What::EncodedText, about, self.random, || ("column".into(), String::new()));
        }
        if self.numeric() && self.small > 0 {
            let (line, value) = self.first_small.unwrap_or_default();
            tally.add_many(What::UnclearCounts, about, self.small, || {
                (format!("line {line}"), value.to_string())
            });
        } else if self.may_be_fractions() {
            let (line, value) = self.first_fraction.unwrap_or_default();
            let place = || (format!("line {line}"), value.to_string());
            tally.add_many(What::UnclearFractions, about, self.fractions, place);
        }
    }

    /// Are (nearly) all values numbers?
    pub fn numeric(&self) -> bool {
        self.present > 0 && self.words * 20 <= self.present
    }

    /// Whole numbers only, small ones among them, and more than one kind of flag could be.
    pub fn may_be_counts(&self) -> bool {
        self.numeric() && self.small > 0 && self.fractions == 0
    }

    /// Numbers between zero and one only.
    pub fn may_be_fractions(&self) -> bool {
        self.numeric() && self.fractions > 0 && self.outside == 0
    }
}
