//! The suppressed copy of a table of counts: small cells hidden, and enough others that none follows.

use super::margins::{self, Margins};
use super::table::CountTable;
use super::words::Word;
use crate::lines::{self, Block};
use crate::readers::TextReader;
use crate::readers::results::Copier;
use crate::readers::{Context, Sample, printed};
use sekisho_policy::facts::What;
use sekisho_policy::numbers::grouped;
use sekisho_policy::rules::small_counts::{Cell, Sum, suppress};
use sekisho_policy::schema::Weight;
use std::collections::{BTreeMap, BTreeSet};

/// What stands in a hidden cell, whether it was small or hides another.
const MARK: &[u8] = b"*";

/// Reads a table and writes it again with cells hidden.
pub struct Mender {
    table: CountTable,
    lines: Vec<(u64, Vec<u8>)>,
    bytes: usize,
    copy: Vec<u8>,
}

impl Mender {
    /// A mender, when the text is a table.
    pub fn open(sample: &Sample<'_>, context: &Context<'_>) -> Option<Self> {
        let table = CountTable::open(sample, context)?;
        Some(Self { table, lines: Vec::new(), bytes: 0, copy: Vec::new() })
    }

    /// Cells to hide, by line and column. `None`: hiding cells would not help.
    fn hide(&mut self) -> Option<(BTreeMap<u64, BTreeSet<usize>>, usize, usize)> {
        let policy = self.table.policy().clone();
        let (_, _) = self.table.analyse();
        let curable =
            [What::SmallCount, What::ZeroCount, What::DerivedCount, What::ImpliedCount, What::ExtraDigits];
        if self.table.tally().kinds().any(|w| !curable.contains(&w)) {
            return None;
        }
        let grid = self.table.grid();
        let Margins { at, cells, mut sums, .. } = margins::of(grid);
        // The whole of a column may be known from elsewhere: it counts as a margin nobody printed.
        let mut all = cells.clone();
        for column in 0..grid.header.len() {
            let rows: Vec<usize> =
                (0..at.len()).filter(|i| at[*i].1 == column && !grid.is_total_row(at[*i].0)).collect();
            let total = rows.iter().try_fold(0_u64, |sum, i| match cells[*i] {
                Cell::Known(v) => sum.checked_add(v),
                Cell::Hidden { .. } => None,
            });
            if let (Some(total), true) = (total, rows.len() > 1) {
                all.push(Cell::Known(total));
                sums.push(Sum { parts: rows, total: all.len() - 1 });
            }
        }
        let minimum = policy.counts.minimum;
        let small = cells.iter().filter(|c| matches!(c, Cell::Known(v) if *v > 0 && *v < minimum)).count();
        let zeros = cells.iter().filter(|c| matches!(c, Cell::Known(0))).count();
        let hide_zeros = policy.counts.zero != Weight::Pass;
        let hidden = suppress(&all, &sums, minimum, hide_zeros)?;
        let was = cells.iter().filter(|c| matches!(c, Cell::Hidden { .. })).count();
        let hidden: BTreeSet<usize> = hidden.into_iter().filter(|i| *i < cells.len()).collect();
        let first = small + if hide_zeros { zeros } else { 0 };
        let more = hidden.len().saturating_sub(first + was);
        let mut places: BTreeMap<u64, BTreeSet<usize>> = BTreeMap::new();
        for cell in &hidden {
            let (row, column) = at[*cell];
            let line = places.entry(grid.lines[row]).or_default();
            line.insert(column);
            // A percentage beside a hidden count gives it back.
            let last = (column + 1..grid.header.len()).take_while(|c| grid.roles[*c] == Word::Percent).last();
            line.extend(column + 1..=last.unwrap_or(column));
        }
        // Hiding everything helps nobody.
        (hidden.len() < cells.len()).then_some((places, first, more))
    }
}

impl Copier for Mender {
    fn take(&mut self, block: &Block<'_>) {
        self.table.block(block);
        for (at, line) in lines::split(block.text).enumerate() {
            if self.bytes < super::table::MOST_BYTES {
                self.bytes += line.len() + 32;
                self.lines.push((block.first + at as u64, line.to_vec()));
            }
        }
    }

    fn gained(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.copy)
    }

    fn ended(&mut self) -> Option<(String, String)> {
        if self.bytes >= super::table::MOST_BYTES || self.table.is_over() {
            return None;
        }
        let (places, first, more) = self.hide()?;
        let digits = self.table.policy().numbers.significant_digits;
        let mut rounded = 0_u64;
        for (number, line) in &self.lines {
            let hidden = places.get(number);
            let data = *number >= self.table.data_from() && line.first() != Some(&b'#');
            let start = line.as_ptr() as usize;
            let mut from = 0;
            for (column, text) in self.table.delimiter().fields(line).enumerate().filter(|_| data) {
                let at = text.as_ptr() as usize - start;
                let number = printed::parse(text.trim_ascii()).filter(|n| !n.whole && n.significant > digits);
                let new = if hidden.is_some_and(|h| h.contains(&column)) {
                    Some(MARK.to_vec())
                } else {
                    let short = number.and_then(|_| printed::rounded(text.trim_ascii(), digits));
                    rounded += u64::from(short.is_some());
                    short.map(String::into_bytes)
                };
                if let Some(new) = new {
                    self.copy.extend_from_slice(&line[from..at]);
                    self.copy.extend_from_slice(&new);
                    from = at + text.len();
                }
            }
            self.copy.extend_from_slice(&line[from..]);
            self.copy.push(b'\n');
        }
        let (first, more, rounded) = (grouped(first as u64), grouped(more as u64), grouped(rounded));
        Some((
            format!(
                "cells hidden: {first} below the limit, {more} more so that none follows; numbers rounded: {rounded}"
            ),
            format!("秘匿したセル: 閾値未満 {first}、逆算を防ぐため {more}。丸めた数値: {rounded}"),
        ))
    }
}
