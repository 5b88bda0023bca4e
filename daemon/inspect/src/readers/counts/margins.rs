//! Margins of a table: which cells add up to which, and what follows from them.

use super::cells::Read;
use super::grid::Grid;
use super::words::{self, Word};
use sekisho_policy::facts::{Comparable, Entry, HiddenEntry, Margin, Part, compared};
use sekisho_policy::rules::small_counts::{Cell, HIDDEN, Sum};
use std::collections::{BTreeMap, BTreeSet};

/// The counts of a table and their margins.
#[derive(Debug, Default)]
pub struct Margins {
    /// Row and column of every count.
    pub at: Vec<(usize, usize)>,
    /// The counts.
    pub cells: Vec<Cell>,
    /// The margins.
    pub sums: Vec<Sum>,
    /// Totals that visible cells fall short of, and by how much: people who are listed nowhere.
    pub short: Vec<((usize, usize), u64)>,
}

/// Finds counts and margins.
pub fn of(grid: &Grid) -> Margins {
    let mut m = Margins::default();
    let mut index: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let counts: Vec<usize> = (0..grid.header.len()).filter(|c| grid.roles[*c] == Word::Count).collect();
    for row in 0..grid.cells.len() {
        let named = grid.is_count_row(row);
        for column in 0..grid.header.len() {
            let by_row =
                named && matches!(grid.roles[column], Word::Unknown | Word::Feature | Word::Statistic);
            if !by_row && grid.roles[column] != Word::Count {
                continue;
            }
            let cell = match grid.cells[row][column] {
                Read::Number(n) if n.value >= 0.0 && n.value.fract() == 0.0 => Cell::Known(n.value as u64),
                Read::CountPercent { count, .. } | Read::Of { count, .. } => Cell::Known(count),
                Read::Suppressed { low, high } => Cell::Hidden { low, high },
                Read::SuppressedPercent { .. } | Read::Empty => HIDDEN,
                _ => continue,
            };
            index.insert((row, column), m.cells.len());
            m.at.push((row, column));
            m.cells.push(cell);
        }
    }
    down(grid, &counts, &index, &mut m);
    across(grid, &counts, &index, &mut m);
    m
}

/// Total rows: per column of labels, rows that share all other labels add up to the one labelled total.
fn down(grid: &Grid, counts: &[usize], index: &BTreeMap<(usize, usize), usize>, m: &mut Margins) {
    let labels: Vec<usize> = (0..grid.header.len())
        .filter(|c| matches!(grid.roles[*c], Word::Category | Word::Unknown | Word::Attribute))
        .collect();
    let text = |row: usize, c: usize| String::from_utf8_lossy(&grid.text[row][c]).trim().to_owned();
    let labels = if labels.is_empty() { vec![0] } else { labels };
    for label in &labels {
        let mut groups: BTreeMap<Vec<String>, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for row in 0..grid.cells.len() {
            let key = labels.iter().filter(|c| *c != label).map(|c| text(row, *c)).collect();
            let group = groups.entry(key).or_default();
            if words::is_total(&text(row, *label)) { group.1.push(row) } else { group.0.push(row) }
        }
        for (parts, totals) in groups.into_values() {
            let ([total], true) = (&totals[..], parts.len() > 1) else { continue };
            for column in counts {
                push(
                    m,
                    index,
                    &parts.iter().map(|r| (*r, *column)).collect::<Vec<_>>(),
                    (*total, *column),
                    true,
                );
            }
        }
    }
}

/// Total columns: by their word, or because they add up wherever everything is visible.
fn across(grid: &Grid, counts: &[usize], index: &BTreeMap<(usize, usize), usize>, m: &mut Margins) {
    if counts.len() < 3 || counts.len() > 64 {
        return;
    }
    let value = |row: usize, c: usize| index.get(&(row, c)).map(|i| m.cells[*i]);
    let adds_up = |parts: &[usize], total: usize| {
        let mut proven = 0;
        for row in 0..grid.cells.len() {
            let known: Option<u64> = parts.iter().try_fold(0_u64, |sum, c| match value(row, *c) {
                Some(Cell::Known(v)) => sum.checked_add(v),
                _ => None,
            });
            if let (Some(sum), Some(Cell::Known(all))) = (known, value(row, total)) {
                if sum != all {
                    return None;
                }
                proven += usize::from(all > 0);
            }
        }
        Some(proven)
    };
    let mut found: Vec<(Vec<usize>, usize)> = Vec::new();
    for total in counts {
        let others: Vec<usize> = counts.iter().copied().filter(|c| c != total).collect();
        let by_word = words::is_total(&grid.header[*total]);
        match adds_up(&others, *total) {
            Some(proven) if proven >= 2 || by_word => found.push((others.clone(), *total)),
            _ => {}
        }
        if counts.len() <= 12 && others.len() > 2 {
            for (i, a) in others.iter().enumerate() {
                for b in &others[i + 1..] {
                    if adds_up(&[*a, *b], *total).is_some_and(|proven| proven >= 3) {
                        found.push((vec![*a, *b], *total));
                    }
                }
            }
        }
    }
    for (parts, total) in found {
        for row in 0..grid.cells.len() {
            push(m, index, &parts.iter().map(|c| (row, *c)).collect::<Vec<_>>(), (row, total), false);
        }
    }
}

/// Adds a margin, unless visible cells contradict it.
fn push(
    m: &mut Margins,
    index: &BTreeMap<(usize, usize), usize>,
    parts: &[(usize, usize)],
    total: (usize, usize),
    check: bool,
) {
    let Some(total) = index.get(&total).copied() else { return };
    let Some(parts) = parts.iter().map(|p| index.get(p).copied()).collect::<Option<Vec<usize>>>() else {
        return;
    };
    let visible: Option<u64> = parts.iter().try_fold(0_u64, |sum, p| match m.cells[*p] {
        Cell::Known(v) => sum.checked_add(v),
        Cell::Hidden { .. } => None,
    });
    if let (Some(sum), Cell::Known(all), true) = (visible, m.cells[total], check)
        && sum != all
    {
        m.short.extend(all.checked_sub(sum).map(|rest| (m.at[total], rest)));
        return;
    }
    m.sums.push(Sum { parts, total });
}

/// The counts under their labels, to be compared with those of other tables; with suppressed cells, also what they add up to.
pub fn comparable(grid: &Grid, margins: &Margins) -> Option<Part> {
    let named: Vec<(u64, String)> = margins
        .at
        .iter()
        .map(|(row, column)| {
            let (label, header) = (grid.label(*row), &grid.header[*column]);
            let name: String = format!("{label}, {header}").chars().take(80).collect();
            (compared::hash(&[same(&label).as_bytes(), same(header).as_bytes()]), name)
        })
        .collect();
    // A label that stands twice is no key.
    let mut keys: Vec<u64> = named.iter().map(|(key, _)| *key).collect();
    keys.sort_unstable();
    let twice: BTreeSet<u64> = keys.windows(2).filter(|w| w[0] == w[1]).map(|w| w[0]).collect();
    let mut table = Comparable::default();
    for (cell, (key, name)) in margins.cells.iter().zip(&named).filter(|(_, (key, _))| !twice.contains(key)) {
        let (key, name) = (*key, name.clone());
        match *cell {
            Cell::Known(number) => table.entries.push(Entry { key, number, name }),
            Cell::Hidden { low, high } => table.hidden.push(HiddenEntry { key, low, high, name }),
        }
    }
    table.entries.sort();
    table.hidden.sort();
    if table.hidden.is_empty() {
        table.entries.truncate(compared::MOST_COMPARED);
    } else {
        // What follows from hidden cells needs all cells: a table that has too many is never said to be solved.
        table.cut = !twice.is_empty()
            || table.entries.len() + table.hidden.len() + margins.sums.len() > compared::MOST_COMPARED;
        table.entries.truncate(compared::MOST_COMPARED);
        table.hidden.truncate(compared::MOST_COMPARED);
        let margin = |sum: &Sum| Margin {
            parts: sum.parts.iter().map(|p| named[*p].0).collect(),
            total: named[sum.total].0,
        };
        if !table.cut {
            table.margins = margins.sums.iter().map(margin).collect();
        }
    }
    let empty = table.entries.is_empty() && table.hidden.is_empty();
    (!empty).then_some(Part::Comparable(table))
}

/// A label as another table may write it: without regard to case and blanks, and all words for everybody alike.
fn same(label: &str) -> String {
    let label = label.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let everybody = words::is_total(&label)
        || matches!(&label[..], "n" | "count" | "freq" | "frequency" | "人数" | "例数" | "度数" | "total n");
    if everybody { "total".into() } else { label }
}
