//! `differencing`, clause `5-4(2)`: cells that one table hides and others give back, because they share margins.
//!
//! Tables of counts that say the same under the same labels are taken for tables of the same people, and become one table:
//! their printed cells, their suppressed cells with the narrowest of their bounds, and all their margins. What follows from
//! that one table (by the same linear programs in whole numbers as for a single one) and from none of its parts alone is
//! what the tables give away together. Tables that mostly contradict each other are about other people and stay apart; a
//! single cell that two tables print differently stays two cells.

use super::differencing::Side;
use super::small_counts::{Cell, Derived, Sum, derive};
use crate::catalogue::statistics as say;
use crate::facts::Comparable;
use crate::facts::compared::hash;
use crate::{Finding, Policy, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Tables that are put together; more are for the officer.
const MOST_TOGETHER: usize = 24;
/// Tables that are looked at, those of the request first.
const MOST_TABLES: usize = 600;

/// Findings with the index of the file they are about.
pub(super) fn judge(policy: &Policy, tables: &[Side<'_>], earlier: &[Side<'_>]) -> Vec<(usize, Finding)> {
    let mut all: Vec<&Side<'_>> = tables.iter().chain(earlier).filter(|s| !s.table.sites).collect();
    let mut findings = Vec::new();
    if all.len() > MOST_TABLES {
        for side in all.iter().filter(|s| !s.table.hidden.is_empty()) {
            let finding =
                Finding::new("differencing", "5-4(2)", Verdict::Review, say::shared_margins_unsolved());
            findings.extend(side.file.map(|index| (index, finding)));
        }
        all.truncate(MOST_TABLES);
    }
    for group in groups(&all) {
        let sides: Vec<&Side<'_>> = group.iter().map(|at| all[*at]).collect();
        let hides = sides.iter().any(|s| !s.table.hidden.is_empty());
        if sides.len() < 2 || !hides || sides.iter().all(|s| s.file.is_none()) {
            continue;
        }
        let minimum = policy.counts.minimum;
        let mut unsolved = sides.len() > MOST_TOGETHER || sides.iter().any(|s| s.table.cut);
        let given_away = if sides.len() > MOST_TOGETHER {
            None
        } else {
            together(&sides.iter().map(|s| s.table).collect::<Vec<_>>(), minimum)
        };
        unsolved |= given_away.is_none();
        let given_away = given_away.unwrap_or_default();
        let words = match (given_away.first(), unsolved) {
            (Some(_), _) => (Verdict::Block, say::shared_margins(minimum)),
            (None, true) => (Verdict::Review, say::shared_margins_unsolved()),
            (None, false) => continue,
        };
        for side in &sides {
            let Some(index) = side.file else { continue };
            let others: BTreeSet<&str> =
                sides.iter().map(|s| s.name).filter(|name| *name != side.name).take(3).collect();
            let others: Vec<&str> = others.into_iter().collect();
            let finding = Finding::new("differencing", "5-4(2)", words.0, words.1.clone());
            let value = given_away.first().map_or_else(String::new, |(name, n)| {
                if name.is_empty() { n.to_string() } else { format!("{name}: {n}") }
            });
            findings.push((index, finding.at(others.join(", ")).value(value)));
        }
    }
    findings
}

/// Tables that are about the same people, as far as their numbers tell: by index, in groups.
fn groups(all: &[&Side<'_>]) -> Vec<Vec<usize>> {
    let linked = |a: usize, b: usize| {
        let shared = all[a].shared(all[b]);
        let agree = shared.iter().filter(|(_, one, other)| one == other).count();
        // A row that was made to contradict does not keep tables apart.
        agree > 0 && agree * 2 >= shared.len()
    };
    let mut left: Vec<usize> = (0..all.len()).collect();
    let mut groups = Vec::new();
    while let Some(first) = left.pop() {
        let mut group = vec![first];
        let mut at = 0;
        while at < group.len() {
            let (near, far): (Vec<usize>, Vec<usize>) =
                left.iter().partition(|other| linked(group[at], **other));
            group.extend(near);
            left = far;
            at += 1;
        }
        groups.push(group);
    }
    groups
}

/// Small counts that follow from all tables as one and from none of them alone, with their names. `None`: not solved.
fn together(tables: &[&Comparable], minimum: u64) -> Option<Vec<(String, u64)>> {
    let known_alone: BTreeSet<Vec<u64>> = tables
        .iter()
        .filter_map(|table| One::of(&[table]).derive(minimum))
        .flatten()
        .map(|(keys, ..)| keys)
        .collect();
    let mut found = One::of(tables).derive(minimum)?;
    found.retain(|(keys, ..)| !known_alone.contains(keys));
    Some(found.into_iter().map(|(_, name, number)| (name, number)).collect())
}

/// Several tables as one.
struct One {
    keys: Vec<u64>,
    names: Vec<String>,
    cells: Vec<Cell>,
    sums: Vec<Sum>,
}

impl One {
    fn of(tables: &[&Comparable]) -> Self {
        let mut printed: BTreeMap<u64, u64> = BTreeMap::new();
        let mut torn = BTreeSet::new();
        for entry in tables.iter().flat_map(|t| &t.entries) {
            if *printed.entry(entry.key).or_insert(entry.number) != entry.number {
                torn.insert(entry.key);
            }
        }
        let own = |table: usize, key: u64| {
            if torn.contains(&key) { hash(&[&key.to_le_bytes(), &table.to_le_bytes()]) } else { key }
        };
        let mut cells: BTreeMap<u64, (Cell, String)> = BTreeMap::new();
        for (at, hidden) in
            tables.iter().enumerate().flat_map(|(at, t)| t.hidden.iter().map(move |h| (at, h)))
        {
            let (cell, name) = cells
                .entry(own(at, hidden.key))
                .or_insert((Cell::Hidden { low: hidden.low, high: hidden.high }, hidden.name.clone()));
            if let Cell::Hidden { low, high } = cell {
                // Marks that exclude each other are not of one cell: the first is believed.
                let narrow = (hidden.low.max(*low), hidden.high.min(*high));
                if narrow.0 <= narrow.1 {
                    (*low, *high) = narrow;
                }
            }
            if name.is_empty() {
                name.clone_from(&hidden.name);
            }
        }
        for (at, entry) in
            tables.iter().enumerate().flat_map(|(at, t)| t.entries.iter().map(move |e| (at, e)))
        {
            cells.insert(own(at, entry.key), (Cell::Known(entry.number), entry.name.clone()));
        }
        let index: BTreeMap<u64, usize> = cells.keys().enumerate().map(|(at, key)| (*key, at)).collect();
        let mut seen = BTreeSet::new();
        let sums = tables
            .iter()
            .enumerate()
            .flat_map(|(at, t)| t.margins.iter().map(move |m| (at, m)))
            .filter_map(|(at, m)| {
                let cell = |key: &u64| index.get(&own(at, *key)).copied();
                let mut parts = m.parts.iter().map(cell).collect::<Option<Vec<_>>>()?;
                parts.sort_unstable();
                let total = cell(&m.total)?;
                seen.insert((parts.clone(), total)).then_some(Sum { parts, total })
            })
            .collect();
        let keys = cells.keys().copied().collect();
        let (cells, names) = cells.into_values().unzip();
        Self { keys, names, cells, sums }
    }

    /// Keys, name and value of every small count that follows.
    fn derive(&self, minimum: u64) -> Option<Vec<(Vec<u64>, String, u64)>> {
        let found = derive(&self.cells, &self.sums, minimum)?;
        Some(
            found
                .into_iter()
                .map(|derived| match derived {
                    Derived::Cell(at, n) => (vec![self.keys[at]], self.names[at].clone(), n),
                    Derived::Rest(sum, n) => {
                        let hidden = self.sums[sum].parts.iter().filter(|p| self.cells[**p].is_hidden());
                        let keys = hidden.clone().map(|p| self.keys[*p]).collect();
                        let names: Vec<&str> = hidden.map(|p| self.names[*p].as_str()).take(3).collect();
                        (keys, names.join(" + "), n)
                    }
                })
                .collect(),
        )
    }
}

#[cfg(test)]
#[path = "shared_margins_test.rs"]
mod test;
