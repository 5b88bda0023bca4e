//! What of a table can be compared with another: numbers of people under keys that mean the same in both.

use serde::{Deserialize, Serialize};

/// Most entries of a comparison.
pub const MOST_COMPARED: usize = 1024;

/// Numbers of people (or of chromosomes) under the hashes of what they are about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparable {
    /// Keys are sites and numbers are chromosomes; else keys are labels and numbers are people.
    pub sites: bool,
    /// The entries with the smallest hashes, so that two tables keep the same ones; by hash.
    pub entries: Vec<Entry>,
    /// Suppressed cells of a table of counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<HiddenEntry>,
    /// Margins of a table with suppressed cells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub margins: Vec<Margin>,
    /// The table has more cells than are kept here: what they say together cannot be ruled out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// One number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Hash of the key.
    pub key: u64,
    /// The number.
    pub number: u64,
    /// The key in words, where it is short.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// A number that is not printed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HiddenEntry {
    /// Hash of the key.
    pub key: u64,
    /// Smallest possible, by its mark.
    pub low: u64,
    /// Largest possible, by its mark.
    pub high: u64,
    /// The key in words, where it is short.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// A sum of cells, by their keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Margin {
    /// What is added.
    pub parts: Vec<u64>,
    /// What it adds up to.
    pub total: u64,
}

/// Hash of a key: the same in every process and on every machine.
#[inline]
pub fn hash(parts: &[&[u8]]) -> u64 {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = MIX;
    for part in parts {
        let (words, rest) = part.as_chunks::<8>();
        for word in words {
            state = (state ^ u64::from_le_bytes(*word)).wrapping_mul(MIX).rotate_left(29);
        }
        let last = rest.iter().fold(0, |last, byte| last << 8 | u64::from(*byte));
        state = (state ^ last).wrapping_mul(MIX).rotate_left(29);
        state = (state ^ part.len() as u64).wrapping_mul(MIX);
    }
    state ^ state >> 32
}
