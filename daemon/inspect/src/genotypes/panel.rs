//! Site by site.

use super::ld::{Pruning, Took};
use super::thin::{Walk, thinned};
use super::{Call, MISSING, TRUSTED};
use sekisho_policy::facts::{Genotypes, Proof, Site, keep};
use std::collections::HashMap;

/// Distinct sites kept account of.
const SITES: usize = 1_000_000;
/// Rows at one position that count as one site: a multi-allelic site split over rows. Further ones count each.
const ROWS_PER_SITE: u8 = 4;

/// What a reader knows about a site.
#[derive(Debug, Clone, Copy, Default)]
pub struct SiteKey<'a> {
    /// Chromosome without `chr`; empty when unknown.
    pub chrom: &'a str,
    /// Position; 0 when unknown.
    pub pos: u64,
    /// Its id, when it names a place by itself (an rs number, an array id, `chr:pos`); else empty.
    pub id: &'a str,
}

/// Account of a matrix that comes site by site.
pub struct Panel {
    limit: u64,
    called: Vec<u32>,
    walks: Vec<Walk>,
    unlinked: Vec<u32>,
    patterns: Vec<u64>,
    /// Persons called in the last row, for rows that share a site.
    last_row: Vec<bool>,
    last_key: Option<(u16, u64)>,
    chroms: HashMap<String, u16>,
    seen: HashMap<(u16, u64), u8>,
    seen_ids: HashMap<String, ()>,
    places: Vec<(u16, u64)>,
    next_check: usize,
    sites: u64,
    positions: bool,
    sorted: bool,
    pruning: Option<Pruning>,
    first_sites: Vec<Site>,
    unlinked_sites: Vec<Site>,
    most: u32,
    proof: Option<Proof>,
}

impl Panel {
    /// A panel of so many persons.
    pub fn new(limit: u64, subjects: usize) -> Self {
        let trusted = subjects >= TRUSTED;
        let each = if trusted { subjects } else { 0 };
        Self {
            limit,
            called: vec![0; subjects],
            walks: vec![Walk::default(); subjects],
            unlinked: vec![0; each],
            patterns: vec![0; each],
            last_row: vec![false; subjects],
            last_key: None,
            chroms: HashMap::new(),
            seen: HashMap::new(),
            seen_ids: HashMap::new(),
            places: Vec::new(),
            next_check: 64,
            sites: 0,
            positions: true,
            sorted: true,
            pruning: trusted.then(Pruning::default),
            first_sites: Vec::new(),
            unlinked_sites: Vec::new(),
            most: 0,
            proof: None,
        }
    }

    /// Takes the next site; `true` when refusal is proven. `calls` has one entry a person.
    pub fn site(&mut self, key: SiteKey<'_>, calls: &[Call]) -> bool {
        if self.proof.is_some() {
            return true;
        }
        let any = calls.iter().any(|c| *c != MISSING);
        for (pattern, call) in self.patterns.iter_mut().zip(calls) {
            *pattern = (pattern.rotate_left(5) ^ u64::from(*call)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        if !any {
            return false;
        }
        let place = self.place(key);
        let new = self.register(key, place);
        self.count(calls, place, new);
        if let Some(place) = place {
            if self.positions {
                self.prune(key, place, calls, new);
            }
        } else {
            // Without this site's position dependence cannot be argued for the matrix as a whole.
            self.positions = false;
            self.pruning = None;
        }
        self.conclude();
        self.proof.is_some()
    }

    fn place(&mut self, key: SiteKey<'_>) -> Option<(u16, u64)> {
        if key.pos == 0 || key.chrom.is_empty() {
            return None;
        }
        let next = u16::try_from(self.chroms.len()).unwrap_or(u16::MAX);
        let known = self.chroms.get(key.chrom).copied();
        let chrom = match known {
            Some(chrom) => chrom,
            None => {
                if self.chroms.len() < usize::from(u16::MAX) {
                    self.chroms.insert(key.chrom.to_owned(), next);
                }
                next
            }
        };
        if let Some(last) = self.last_key {
            // Chromosomes are numbered as they come: going back means not sorted.
            self.sorted &= last <= (chrom, key.pos);
        }
        Some((chrom, key.pos))
    }

    /// Is this another site than all before?
    fn register(&mut self, key: SiteKey<'_>, place: Option<(u16, u64)>) -> bool {
        let new = match place {
            Some(place) => {
                let rows = self.seen.entry(place).or_insert(0);
                *rows = rows.saturating_add(1);
                let first = *rows == 1;
                if first {
                    self.places.push(place);
                }
                first || *rows > ROWS_PER_SITE
            }
            None if !key.id.is_empty() => self.seen_ids.insert(key.id.to_owned(), ()).is_none(),
            None => true,
        };
        if new {
            self.sites += 1;
            if self.first_sites.len() < keep::SITES {
                self.first_sites.push(owned(key));
            }
        }
        if self.seen.len() + self.seen_ids.len() > SITES {
            self.proof = Some(Proof::TooLarge);
        }
        new
    }

    fn count(&mut self, calls: &[Call], place: Option<(u16, u64)>, new: bool) {
        // Rows of one site in a row: a person counts once.
        let same = !new && place.is_some() && place == self.last_key;
        for (i, (count, call)) in self.called.iter_mut().zip(calls).enumerate() {
            let called = *call != MISSING;
            let before = same && self.last_row[i];
            self.last_row[i] = called || before;
            if called && !before {
                *count += 1;
                self.most = self.most.max(*count);
                if let (Some(place), Some(walk)) = (place, self.walks.get_mut(i)) {
                    walk.step(place);
                }
            }
        }
        self.last_key = place;
    }

    fn prune(&mut self, key: SiteKey<'_>, place: (u16, u64), calls: &[Call], new: bool) {
        let Some(pruning) = &mut self.pruning else { return };
        match pruning.step(place, calls, self.sorted) {
            Took::Pruned => {}
            Took::Kept => {
                for (count, call) in self.unlinked.iter_mut().zip(calls) {
                    *count += u32::from(*call != MISSING);
                }
                if new && self.unlinked_sites.len() < keep::SITES {
                    self.unlinked_sites.push(owned(key));
                }
            }
            Took::Full => self.proof = Some(Proof::TooLarge),
        }
    }

    fn conclude(&mut self) {
        if self.proof.is_some() || self.most_called() <= self.limit {
            return;
        }
        if !self.positions {
            self.proof = Some(Proof::NoPositions);
            return;
        }
        let far = if self.sorted {
            self.walks.iter().map(|w| w.count).max().unwrap_or(0)
        } else if self.places.len() >= self.next_check {
            self.next_check *= 2;
            thinned(&mut self.places)
        } else {
            0
        };
        let unlinked = self.unlinked.iter().copied().max().unwrap_or(0);
        if far > self.limit {
            self.proof = Some(Proof::FarApart);
        } else if self.pruning.is_none() {
            self.proof = Some(Proof::FewPersons);
        } else if u64::from(unlinked) > self.limit {
            self.proof = Some(Proof::Unlinked);
        }
    }

    /// A person cannot show more sites than there are.
    fn most_called(&self) -> u64 {
        u64::from(self.most).min(self.sites)
    }

    /// Closes the account.
    pub fn finish(mut self, coding: &str) -> Genotypes {
        let far = if self.sorted {
            self.walks.iter().map(|w| w.count).max().unwrap_or(0)
        } else {
            thinned(&mut self.places)
        };
        let unlinked = self.unlinked.iter().copied().max().unwrap_or(0);
        let trusted = self.pruning.is_some();
        self.patterns.sort_unstable();
        self.patterns.dedup();
        Genotypes {
            subjects: self.called.len() as u64,
            sites: self.sites,
            most_called: self.most_called(),
            positions: self.positions && self.sites > 0,
            thinned: (self.positions && self.sites > 0).then_some(far),
            unlinked: trusted.then_some(u64::from(unlinked)),
            unlinked_sites: self.unlinked_sites,
            patterns: trusted.then_some(self.patterns.len() as u64),
            first_sites: self.first_sites,
            proof: self.proof,
            orientation_unclear: false,
            coding: coding.to_owned(),
        }
    }
}

fn owned(key: SiteKey<'_>) -> Site {
    Site { chrom: key.chrom.to_owned(), pos: key.pos, id: key.id.chars().take(100).collect() }
}
