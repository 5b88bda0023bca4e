//! A small part of a table of sites that two tables of the same sites have in common: those with the smallest hashes.

use sekisho_policy::facts::compared::{MOST_COMPARED, hash};
use sekisho_policy::facts::{Comparable, Entry, Part};
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Chromosomes at the sites with the smallest hashes so far.
#[derive(Default)]
pub struct Sketch {
    kept: BinaryHeap<(u64, u64)>,
    bar: Bar,
}

/// The largest hash that is still kept, for who looks at sites elsewhere: it only ever sinks.
#[derive(Clone)]
pub struct Bar(Arc<AtomicU64>);

impl Default for Bar {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }
}

impl Bar {
    /// May a site with this hash be kept?
    #[inline]
    pub fn lets(&self, key: u64) -> bool {
        let bar = self.0.load(Ordering::Relaxed);
        key < bar || bar == u64::MAX
    }
}

/// The hash of a site by its name, or by its place where it has none.
#[inline]
pub fn key(id: &[u8], chrom: &[u8], place: &[u8]) -> Option<u64> {
    if id.len() > 1 {
        Some(hash(&[id]))
    } else if !place.is_empty() {
        Some(hash(&[chrom.strip_prefix(b"chr").unwrap_or(chrom), place]))
    } else {
        None
    }
}

impl Sketch {
    /// See [`Bar`].
    pub fn bar(&self) -> Bar {
        self.bar.clone()
    }

    /// Takes a site.
    pub fn put(&mut self, key: u64, chromosomes: u64) {
        if self.kept.len() < MOST_COMPARED {
            self.kept.push((key, chromosomes));
        } else if self.kept.peek().is_some_and(|(largest, _)| key < *largest) {
            self.kept.pop();
            self.kept.push((key, chromosomes));
            let largest = self.kept.peek().map_or(u64::MAX, |(largest, _)| *largest);
            self.bar.0.store(largest, Ordering::Relaxed);
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
