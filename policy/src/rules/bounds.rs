//! What margins say about hidden cells: the smallest and the largest value each can have, by linear programs.
//!
//! Every hidden cell is a variable between the bounds its mark gives away, every margin an equation. A simplex over whole
//! numbers (each tableau is kept with one common denominator, so that nothing is ever rounded) finds both ends for each
//! cell. In tables of one or two dimensions these ends are exact; in more they are never too narrow.
//!
//! The work is bounded: a table that asks for more is reported as not solved, and that is a finding.

use super::small_counts::{Cell, Sum};

/// Elementary steps for one table.
const MOST_WORK: u64 = 400_000_000;

/// Smallest and largest value of every cell. `None`: too much work, or numbers too large. Where margins contradict each
/// other (rounded tables, or made-up ones), each is believed alone.
pub fn bounds(cells: &[Cell], sums: &[Sum]) -> Option<Vec<(i128, i128)>> {
    let own: Vec<(i128, i128)> = cells.iter().map(|c| c.bounds()).collect();
    let mut all = own.clone();
    let mut work = MOST_WORK;
    for part in parts(cells, sums) {
        if solve(&part, &own, sums, &mut all, &mut work)? {
            continue;
        }
        for sum in &part.sums {
            let hidden = |c: &usize| sums[*sum].total == *c || sums[*sum].parts.contains(c);
            let cells = part.cells.iter().copied().filter(hidden).collect();
            solve(&Part { cells, sums: vec![*sum] }, &own, sums, &mut all, &mut work)?;
        }
    }
    Some(all)
}

/// Narrows the bounds of one part; `Some(false)` when its margins contradict each other.
fn solve(
    part: &Part,
    own: &[(i128, i128)],
    sums: &[Sum],
    all: &mut [(i128, i128)],
    work: &mut u64,
) -> Option<bool> {
    let mut program = Program::new(part, own, sums);
    if !program.feasible(work)? {
        return Some(false);
    }
    for (at, cell) in part.cells.iter().enumerate() {
        let low = program.extreme(at, false, work)?.unwrap_or(own[*cell].0);
        let high = program.extreme(at, true, work)?.unwrap_or(own[*cell].1);
        all[*cell] = (all[*cell].0.max(low), all[*cell].1.min(high));
    }
    Some(true)
}

/// Hidden cells that hang together, and the margins between them.
struct Part {
    cells: Vec<usize>,
    sums: Vec<usize>,
}

/// Cells without a margin in common say nothing about each other.
fn parts(cells: &[Cell], sums: &[Sum]) -> Vec<Part> {
    fn root(parent: &mut [usize], mut at: usize) -> usize {
        while parent[at] != at {
            parent[at] = parent[parent[at]];
            at = parent[at];
        }
        at
    }
    let hidden = |s: &Sum| -> Vec<usize> {
        let all = s.parts.iter().copied().chain([s.total]);
        all.filter(|c| cells[*c].is_hidden()).collect()
    };
    let mut parent: Vec<usize> = (0..cells.len()).collect();
    for sum in sums {
        for pair in hidden(sum).windows(2) {
            let (a, b) = (root(&mut parent, pair[0]), root(&mut parent, pair[1]));
            parent[a] = b;
        }
    }
    let mut found: std::collections::BTreeMap<usize, Part> = std::collections::BTreeMap::new();
    for cell in (0..cells.len()).filter(|c| cells[*c].is_hidden()) {
        let part = found.entry(root(&mut parent, cell));
        part.or_insert_with(|| Part { cells: Vec::new(), sums: Vec::new() }).cells.push(cell);
    }
    for (at, sum) in sums.iter().enumerate() {
        if let Some(first) = hidden(sum).first()
            && let Some(part) = found.get_mut(&root(&mut parent, *first))
        {
            part.sums.push(at);
        }
    }
    found.into_values().filter(|p| !p.sums.is_empty()).collect()
}

/// A linear program in bounded variables: `rows · x = right`, `0 ≤ x ≤ upper`.
///
/// `rows` and `right` are those of the current basis times `scale`, which is positive. The last variables are artificial,
/// one a row, there to find the first solution.
struct Program {
    rows: Vec<Vec<i128>>,
    right: Vec<i128>,
    scale: i128,
    upper: Vec<Option<i128>>,
    /// Variables that stand at their upper bound while they are not in the basis.
    at_upper: Vec<bool>,
    basis: Vec<usize>,
    is_basic: Vec<bool>,
    low: Vec<i128>,
    variables: usize,
}

/// What a variable does to the goal: less than zero when more of it is better.
type Slope = i128;

/// How far a variable can go: as a fraction, and the row that stops it, at its upper bound or its lower.
type Limit = (i128, i128, Option<(usize, bool)>);

/// What one step came to.
#[derive(PartialEq)]
enum Step {
    /// Another basis, or a variable at its other bound.
    Moved,
    /// No variable makes it better.
    Best,
    /// The goal has no end.
    Endless,
}

impl Program {
    fn new(part: &Part, own: &[(i128, i128)], sums: &[Sum]) -> Self {
        let n = part.cells.len();
        let low: Vec<i128> = part.cells.iter().map(|c| own[*c].0).collect();
        let m = part.sums.len();
        let mut rows = Vec::with_capacity(m);
        let mut right = Vec::with_capacity(m);
        for (i, sum) in part.sums.iter().map(|s| &sums[*s]).enumerate() {
            let mut row = vec![0_i128; n + m];
            let mut rest = 0_i128;
            for (cell, sign) in sum.parts.iter().map(|p| (*p, 1)).chain([(sum.total, -1)]) {
                match part.cells.binary_search(&cell) {
                    Ok(at) => {
                        row[at] += sign;
                        rest -= sign * low[at];
                    }
                    Err(_) => rest -= sign * own[cell].0,
                }
            }
            if rest < 0 {
                row.iter_mut().for_each(|v| *v = -*v);
                rest = -rest;
            }
            row[n + i] = 1;
            rows.push(row);
            right.push(rest);
        }
        // No bound at all is a bound nobody reaches.
        let span = |c: &usize| (own[*c].1 < i128::from(u64::MAX)).then(|| own[*c].1 - own[*c].0);
        let mut upper: Vec<Option<i128>> = part.cells.iter().map(span).collect();
        upper.extend(std::iter::repeat_n(None, m));
        Self {
            rows,
            right,
            scale: 1,
            at_upper: vec![false; n + m],
            basis: (n..n + m).collect(),
            is_basic: (0..n + m).map(|v| v >= n).collect(),
            upper,
            low,
            variables: n,
        }
    }

    /// Finds a first solution; `Some(false)` when there is none.
    fn feasible(&mut self, work: &mut u64) -> Option<bool> {
        let n = self.variables;
        let goal = |p: &Self, column: usize| -> Slope {
            // Less of the artificial variables is better.
            let rows = (0..p.rows.len()).filter(|i| p.basis[*i] >= n);
            -rows.map(|i| p.rows[i][column]).sum::<i128>()
        };
        while self.step(&goal, work)? == Step::Moved {}
        let values = self.values()?;
        let left = self.basis.iter().zip(&values).any(|(b, v)| *b >= n && *v != 0);
        // From here on they are nothing.
        self.upper[n..].iter_mut().for_each(|u| *u = Some(0));
        Some(!left)
    }

    /// The smallest (or largest) whole value of a variable; `Some(None)` when it has no end.
    fn extreme(&mut self, variable: usize, largest: bool, work: &mut u64) -> Option<Option<i128>> {
        let sign = if largest { -1 } else { 1 };
        let goal = move |p: &Self, column: usize| -> Slope {
            match p.basis.iter().position(|b| *b == variable) {
                Some(row) => -sign * p.rows[row][column],
                None => sign * i128::from(column == variable),
            }
        };
        loop {
            match self.step(&goal, work)? {
                Step::Moved => {}
                Step::Best => break,
                Step::Endless => return Some(None),
            }
        }
        let value = match self.basis.iter().position(|b| *b == variable) {
            Some(row) => {
                let scaled = *self.values()?.get(row)?;
                let low = self.low[variable];
                // Whole people only.
                let whole =
                    if largest { scaled.div_euclid(self.scale) } else { -((-scaled).div_euclid(self.scale)) };
                whole + low
            }
            None if self.at_upper[variable] => self.upper[variable]? + self.low[variable],
            None => self.low[variable],
        };
        Some(Some(value))
    }

    /// Values of the basic variables, times `scale`.
    fn values(&self) -> Option<Vec<i128>> {
        let mut values = self.right.clone();
        for (column, upper) in self.upper.iter().enumerate() {
            if let (true, Some(upper)) = (self.at_upper[column], upper) {
                for (value, row) in values.iter_mut().zip(&self.rows) {
                    *value = value.checked_sub(row[column].checked_mul(*upper)?)?;
                }
            }
        }
        Some(values)
    }

    /// One step of the simplex, by the smallest index throughout, so that it ends.
    fn step(&mut self, goal: &impl Fn(&Self, usize) -> Slope, work: &mut u64) -> Option<Step> {
        let cost = (self.rows.len() as u64 + 1) * self.upper.len() as u64;
        *work = work.checked_sub(cost)?;
        let entering = (0..self.variables).find(|column| {
            if self.is_basic[*column] || self.upper[*column] == Some(0) {
                return false;
            }
            let slope = goal(self, *column);
            if self.at_upper[*column] { slope > 0 } else { slope < 0 }
        });
        let Some(column) = entering else { return Some(Step::Best) };
        let direction = if self.at_upper[column] { -1 } else { 1 };
        let values = self.values()?;
        // How far: as a fraction, and who stops it.
        let mut limit: Option<Limit> = self.upper[column].map(|u| (u, 1, None));
        for (row, value) in values.iter().enumerate() {
            let slope = direction * self.rows[row][column];
            let (room, slope, upper) = match slope {
                0 => continue,
                s if s > 0 => (*value, s, false),
                s => match self.upper[self.basis[row]] {
                    Some(u) => (u.checked_mul(self.scale)?.checked_sub(*value)?, -s, true),
                    None => continue,
                },
            };
            let nearer = match &limit {
                None => true,
                Some((num, den, who)) => {
                    let (new, old) = (room.checked_mul(*den)?, num.checked_mul(slope)?);
                    let index = who.map_or(column, |(r, _)| self.basis[r]);
                    new < old || new == old && self.basis[row] < index
                }
            };
            if nearer {
                limit = Some((room, slope, Some((row, upper))));
            }
        }
        match limit {
            None => return Some(Step::Endless),
            Some((_, _, None)) => self.at_upper[column] = !self.at_upper[column],
            Some((_, _, Some((row, upper)))) => {
                let leaving = self.basis[row];
                self.pivot(row, column)?;
                self.at_upper[leaving] = upper;
                self.at_upper[column] = false;
                self.is_basic[leaving] = false;
                self.is_basic[column] = true;
                self.basis[row] = column;
            }
        }
        Some(Step::Moved)
    }

    /// Brings a variable into the basis, in whole numbers: every division is exact.
    fn pivot(&mut self, row: usize, column: usize) -> Option<()> {
        let lead = self.rows[row].clone();
        let (lead_right, pivot) = (self.right[row], lead[column]);
        let scale = self.scale;
        let cross = |own: i128, factor: i128, other: i128| -> Option<i128> {
            Some(pivot.checked_mul(own)?.checked_sub(factor.checked_mul(other)?)? / scale)
        };
        for at in (0..self.rows.len()).filter(|at| *at != row) {
            let factor = self.rows[at][column];
            for (own, other) in self.rows[at].iter_mut().zip(&lead) {
                *own = cross(*own, factor, *other)?;
            }
            self.right[at] = cross(self.right[at], factor, lead_right)?;
        }
        self.scale = pivot;
        if pivot < 0 {
            self.scale = -pivot;
            self.rows.iter_mut().flatten().for_each(|v| *v = -*v);
            self.right.iter_mut().for_each(|v| *v = -*v);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::small_counts::HIDDEN;
    use super::*;
    use Cell::Known;
    use proptest::prelude::*;

    /// Every value each cell takes in any whole-numbered solution.
    fn enumerated(cells: &[Cell], sums: &[Sum], most: i128) -> Option<Vec<(i128, i128)>> {
        fn go(
            at: usize,
            values: &mut Vec<i128>,
            own: &[(i128, i128)],
            sums: &[Sum],
            most: i128,
            found: &mut Option<Vec<(i128, i128)>>,
        ) {
            let closed = |s: &&Sum| s.total < at && s.parts.iter().all(|p| *p < at);
            let last = |s: &&Sum| s.total + 1 == at || s.parts.iter().any(|p| p + 1 == at);
            let fits = |s: &Sum| s.parts.iter().map(|p| values[*p]).sum::<i128>() == values[s.total];
            if !sums.iter().filter(closed).filter(last).all(fits) {
                return;
            }
            if at == own.len() {
                let found = found.get_or_insert_with(|| values.iter().map(|v| (*v, *v)).collect());
                for (f, v) in found.iter_mut().zip(values.iter()) {
                    *f = (f.0.min(*v), f.1.max(*v));
                }
                return;
            }
            let last = if own[at].0 == own[at].1 { own[at].1 } else { own[at].1.min(most) };
            for value in own[at].0..=last {
                values.push(value);
                go(at + 1, values, own, sums, most, found);
                values.pop();
            }
        }
        let own: Vec<_> = cells.iter().map(|c| c.bounds()).collect();
        let mut found = None;
        go(0, &mut Vec::new(), &own, sums, most, &mut found);
        found
    }

    /// A table of rows and columns with its margins, some cells hidden by some marks.
    fn table(values: &[u64], hidden: &[u8], columns: usize) -> (Vec<Cell>, Vec<Sum>) {
        let rows = values.len() / columns;
        let mut all: Vec<u64> = Vec::new();
        let mut sums = Vec::new();
        // Row by row with its total, so that enumeration prunes early.
        for r in 0..rows {
            let parts: Vec<usize> = (0..columns).map(|c| r * (columns + 1) + c).collect();
            all.extend(&values[r * columns..(r + 1) * columns]);
            all.push(values[r * columns..(r + 1) * columns].iter().sum());
            sums.push(Sum { parts, total: all.len() - 1 });
        }
        for c in 0..=columns {
            let parts: Vec<usize> = (0..rows).map(|r| r * (columns + 1) + c).collect();
            all.push(parts.iter().map(|p| all[*p]).sum());
            sums.push(Sum { parts, total: all.len() - 1 });
        }
        let cells = all.iter().zip(hidden.iter().cycle()).map(|(v, h)| marked(*v, *h));
        (cells.collect(), sums)
    }

    /// A count behind one of the marks that tables have.
    fn marked(v: u64, mark: u8) -> Cell {
        match mark {
            0 => HIDDEN,
            1 if v < 10 => Cell::Hidden { low: 0, high: 9 },
            2 if (1..6).contains(&v) => Cell::Hidden { low: 1, high: 5 },
            _ => Known(v),
        }
    }

    #[test]
    fn a_cell_between_its_neighbours_is_bounded() {
        // x + y = 12, both under ten.
        let under = Cell::Hidden { low: 0, high: 9 };
        let sums = [Sum { parts: vec![0, 1], total: 2 }];
        assert_eq!(bounds(&[under, under, Known(12)], &sums).unwrap()[..2], [(3, 9), (3, 9)]);
        assert_eq!(bounds(&[HIDDEN, HIDDEN, HIDDEN], &sums).unwrap()[0].0, 0);
    }

    #[test]
    fn a_margin_that_contradicts_others_does_not_silence_them() {
        let sums = [Sum { parts: vec![0, 1], total: 2 }, Sum { parts: vec![0, 3], total: 4 }];
        let cells = [HIDDEN, Known(50), Known(57), Known(50), Known(10)];
        assert_eq!(bounds(&cells, &sums).unwrap()[0], (7, 7));
    }

    #[test]
    fn a_large_table_is_solved() {
        let values: Vec<u64> = (0..600).map(|i| 10 + (i * 37) % 91).collect();
        let hidden: Vec<u8> = (0..631).map(|i| if i % 3 == 0 { 0 } else { 9 }).collect();
        let (cells, sums) = table(&values, &hidden, 20);
        assert!(bounds(&cells, &sums).is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// In tables of two dimensions the bounds are what enumerating every possible table gives.
        #[test]
        fn bounds_are_those_of_every_possible_table(
            values in proptest::collection::vec(0_u64..6, 6), hidden in proptest::collection::vec(0_u8..4, 6),
            columns in 2_usize..4
        ) {
            let (mut cells, sums) = table(&values, &[9], columns);
            // Only what stands inside is hidden: enumerating unknown totals takes too long.
            let inside = (0..cells.len()).filter(|c| *c < 6 / columns * (columns + 1) && c % (columns + 1) < columns);
            for (at, mark) in inside.zip(&hidden) {
                let Known(v) = cells[at] else { continue };
                cells[at] = marked(v, *mark);
            }
            let found = bounds(&cells, &sums).unwrap();
            let every = enumerated(&cells, &sums, 15).unwrap();
            for (at, cell) in cells.iter().enumerate() {
                if cell.is_hidden() { prop_assert_eq!(found[at], every[at], "cell {} of {:?}", at, &cells); }
            }
        }

        /// In a cube the true table is always within the bounds, and a cell that is called known is known.
        #[test]
        fn the_true_table_is_within_the_bounds_of_a_cube(
            values in proptest::collection::vec(0_u64..4, 8), hidden in proptest::collection::vec(0_u8..4, 8)
        ) {
            let mut cells: Vec<Cell> = values.iter().zip(&hidden)
                .map(|(v, h)| if *h < 2 { HIDDEN } else { Known(*v) }).collect();
            let mut sums = Vec::new();
            for axis in [1, 2, 4] {
                for at in (0..8).filter(|i| i & axis == 0) {
                    cells.push(Known(values[at] + values[at | axis]));
                    sums.push(Sum { parts: vec![at, at | axis], total: cells.len() - 1 });
                }
            }
            let found = bounds(&cells, &sums).unwrap();
            let every = enumerated(&cells[..], &sums, 3).unwrap();
            for at in 0..8 {
                prop_assert!(found[at].0 <= values[at] as i128 && values[at] as i128 <= found[at].1);
                prop_assert!(found[at].0 <= every[at].0 && every[at].1 <= found[at].1);
            }
        }
    }
}
