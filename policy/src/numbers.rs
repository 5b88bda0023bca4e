//! Numbers with a meaning: the compiler refuses an allele count where people are meant.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! count {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&grouped(self.0))
            }
        }
    };
}

count!(
    /// A number of people.
    SubjectCount
);
count!(
    /// A number of copies of an allele; one person carries up to two.
    AlleleCount
);
count!(
    /// A number of sites (variants).
    SiteCount
);

/// The whole numbers from `low` to `high`: what is known about a count that is not printed exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Between<T> {
    /// Smallest possible.
    pub low: T,
    /// Largest possible.
    pub high: T,
}

impl<T: Copy + PartialEq> Between<T> {
    /// A count known exactly.
    pub fn exactly(value: T) -> Self {
        Self { low: value, high: value }
    }

    /// Is only one value possible?
    pub fn is_exact(&self) -> bool {
        self.low == self.high
    }
}

impl<T: fmt::Display + Copy + PartialEq> fmt::Display for Between<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_exact() { write!(f, "{}", self.low) } else { write!(f, "{} to {}", self.low, self.high) }
    }
}

/// `12345` as people read it: `12,345`.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(17_278_392), "17,278,392");
    }
}
