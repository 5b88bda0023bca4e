//! A small part of a table of sites that two tables of the same sites have in common: those with the smallest hashes.

use sekisho_policy::facts::compared::{MOST_COMPARED, hash};
use sekisho_policy::facts::{Comparable, Entry, Part};
use std::collections::BinaryHeap;

/// Chromosomes at the sites with the smallest hashes so far.
#[derive(Default)]
pub struct Sketch {
    kept: BinaryHeap<(u64, u64)>,
}

impl Sketch {
    /// Takes a site by its name, or by its place where it has none.
    pub fn add(&mut self, id: &[u8], chrom: &[u8], place: &[u8], chromosomes: u64) {
        if id.len() > 1 {
            self.put(hash(&[id]), chromosomes);
        } else if !place.is_empty() {
            let chrom = chrom.strip_prefix(b"chr").unwrap_or(chrom);
            self.put(hash(&[chrom, place]), chromosomes);
        }
    }

    fn put(&mut self, key: u64, chromosomes: u64) {
        if self.kept.len() < MOST_COMPARED {
            self.kept.push((key, chromosomes));
        } else if self.kept.peek().is_some_and(|(largest, _)| key < *largest) {
            self.kept.pop();
            self.kept.push((key, chromosomes));
        }
    }

    /// What was kept.
    pub fn part(self) -> Option<Part> {
        let mut entries: Vec<Entry> = self
            .kept
            .into_sorted_vec()
            .into_iter()
            .map(|(key, number)| Entry { key, number, name: String::new() })
            .collect();
        entries.dedup_by_key(|e| e.key);
        (!entries.is_empty()).then_some(Part::Comparable(Comparable {
            sites: true,
            entries,
            ..Comparable::default()
        }))
    }
}
