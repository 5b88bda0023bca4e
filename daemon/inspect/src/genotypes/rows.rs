//! Person by person: the sites are columns.

use super::panel::{Panel, SiteKey};
use super::{Call, MISSING, thinned};
use sekisho_policy::facts::{Genotypes, Proof, Site, keep};

/// Calls held in memory at most while positions may still excuse the matrix.
const MEMORY: usize = 128 << 20;

/// Account of a matrix that comes person by person.
pub struct Rows {
    limit: u64,
    /// Number of columns.
    width: usize,
    /// What they are; empty when nothing is known of any.
    columns: Vec<Site>,
    /// Column places, while every column has one.
    places: Option<Vec<(u16, u64)>>,
    /// Columns of the same place as an earlier one.
    repeats: Vec<bool>,
    /// Called at least once, per column.
    called: Vec<bool>,
    /// How many rows are called, per column: what a column shows if it is the person.
    column_called: Vec<u32>,
    calls: Vec<Call>,
    rows: u64,
    most: u64,
    far: u64,
    /// Either side may be the sites.
    unclear: bool,
    proof: Option<Proof>,
}

impl Rows {
    /// A matrix of so many columns, and what they are: one [`Site`] each, empty where nothing is known of it, or
    /// none at all.
    pub fn new(limit: u64, width: usize, columns: Vec<Site>, unclear: bool) -> Self {
        let placed =
            !unclear && !columns.is_empty() && columns.iter().all(|s| s.pos > 0 && !s.chrom.is_empty());
        let mut chroms: Vec<&str> = Vec::new();
        let places: Option<Vec<(u16, u64)>> = placed.then(|| {
            columns
                .iter()
                .map(|s| {
                    let at = chroms.iter().position(|c| *c == s.chrom).unwrap_or_else(|| {
                        chroms.push(&s.chrom);
                        chroms.len() - 1
                    });
                    (u16::try_from(at).unwrap_or(u16::MAX), s.pos)
                })
                .collect()
        });
        let mut seen = std::collections::HashSet::new();
        let repeats = columns
            .iter()
            .map(|s| {
                (s.pos > 0 || !s.id.is_empty())
                    && !seen.insert((s.chrom.clone(), s.pos, if s.pos > 0 { "" } else { &s.id }))
            })
            .collect();

        Self {
            limit,
            width,
            columns,
            places,
            repeats,
            called: vec![false; width],
            column_called: vec![0; if unclear { width } else { 0 }],
            calls: Vec::new(),
            rows: 0,
            most: 0,
            far: 0,
            unclear,
            proof: None,
        }
    }

    /// Takes the next person; `true` when refusal is proven. `calls` has one entry a column.
    pub fn person(&mut self, calls: &[Call]) -> bool {
        if self.proof.is_some() {
            return true;
        }
        self.rows += 1;
        let mut count = 0;
        for (i, call) in calls.iter().enumerate() {
            if *call != MISSING {
                self.called[i] = true;
                count += u64::from(!self.repeats.get(i).is_some_and(|r| *r));
                if let Some(rows) = self.column_called.get_mut(i) {
                    *rows += 1;
                    self.most = self.most.max(u64::from(*rows));
                }
            }
        }
        self.most = self.most.max(count);
        match &self.places {
            None if self.most > self.limit => self.proof = Some(Proof::NoPositions),
            None => {}
            Some(places) => {
                if count > self.limit {
                    let mut own: Vec<_> =
                        places.iter().zip(calls).filter(|(_, c)| **c != MISSING).map(|(p, _)| *p).collect();
                    self.far = self.far.max(thinned(&mut own));
                    if self.far > self.limit {
                        self.proof = Some(Proof::FarApart);
                    }
                }
                if self.calls.len() + calls.len() > MEMORY {
                    self.proof = Some(Proof::TooLarge);
                } else {
                    self.calls.extend_from_slice(calls);
                }
            }
        }
        self.proof.is_some()
    }

    /// Closes the account.
    pub fn finish(self, coding: &str) -> Genotypes {
        let subjects = usize::try_from(self.rows).unwrap_or(usize::MAX);
        if self.places.is_some() && self.proof.is_none() {
            // Nothing proven yet: now that the number of persons is known, go through it site by site.
            let mut panel = Panel::new(self.limit, subjects);
            let width = self.width;
            let mut site = vec![MISSING; subjects];
            let mut order: Vec<usize> = (0..width).collect();
            order.sort_by_key(|i| self.places.as_ref().map(|p| p[*i]));
            for column in order {
                for (row, call) in site.iter_mut().enumerate() {
                    *call = self.calls[row * width + column];
                }
                let s = &self.columns[column];
                if panel.site(SiteKey { chrom: &s.chrom, pos: s.pos, id: &s.id }, &site) {
                    break;
                }
            }
            return panel.finish(coding);
        }
        let repeated = |i: usize| self.repeats.get(i).is_some_and(|r| *r);
        let shown = || (0..self.width).filter(|i| self.called[*i] && !repeated(*i));
        let sites = if self.proof.is_some() { self.width as u64 } else { shown().count() as u64 };
        let (sites, subjects) =
            if self.unclear && self.rows > sites { (self.rows, sites) } else { (sites, self.rows) };
        let first_sites = if self.unclear && self.rows >= self.width as u64 {
            // The rows were taken as sites; they have no names.
            vec![Site::default(); usize::try_from(sites).unwrap_or(keep::SITES).min(keep::SITES)]
        } else {
            let site = |i: usize| self.columns.get(i).cloned().unwrap_or_default();
            shown().take(keep::SITES).map(site).collect()
        };
        Genotypes {
            subjects,
            sites,
            most_called: self.most,
            positions: self.places.is_some(),
            thinned: self.places.is_some().then_some(self.far),
            first_sites,
            proof: self.proof,
            orientation_unclear: self.unclear,
            coding: coding.to_owned(),
            ..Genotypes::default()
        }
    }
}
