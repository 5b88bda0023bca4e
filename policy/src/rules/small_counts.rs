//! `5-4(2)(i)`: a statistic whose count of subjects is under ten identifies.
//!
//! A count is small when it is printed, when a rounded percentage gives it away, or when the cells around it do: hidden
//! cells are derived from margins by linear programs, and a sum of hidden cells is a count of people too.

use crate::Verdict;
use crate::facts::What;
use crate::schema::{Policy, Reading};
use std::collections::BTreeSet;

/// Rule id.
pub(super) const RULE: &str = "small_counts";
/// Clause.
pub(super) const CLAUSE: &str = "5-4(2)(i)";

/// What evidence weighs under this clause; `None` when it is not this rule's.
pub(super) fn weight(policy: &Policy, what: What) -> Option<Verdict> {
    Some(match what {
        What::SmallGenotype
        | What::SmallCount
        | What::DerivedCount
        | What::ImpliedCount
        | What::SubjectRows => Verdict::Block,
        What::NoGenotype | What::ZeroCount => super::statistics::of(policy.counts.zero),
        // Where only the people looked at count, a table about fewer of them than the limit is such a statistic.
        What::FewRows if policy.frequency.reading == Reading::Denominator => Verdict::Block,
        What::FewRows
        | What::MaybeImpliedCount
        | What::Unsolved
        | What::UnclearCounts
        | What::UnclearRows
        | What::UnknownBase
        | What::Extreme
        | What::SmallDifference => Verdict::Review,
        _ => return None,
    })
}

/// One count of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Printed.
    Known(u64),
    /// Suppressed; what its mark gives away, e.g. `<10` is 0 to 9 and `*` anything.
    Hidden {
        /// Smallest possible.
        low: u64,
        /// Largest possible.
        high: u64,
    },
}

/// Hidden, with nothing given away.
pub const HIDDEN: Cell = Cell::Hidden { low: 0, high: u64::MAX };

impl Cell {
    /// Smallest and largest possible count, by the mark alone.
    pub fn bounds(self) -> (i128, i128) {
        match self {
            Self::Known(v) => (i128::from(v), i128::from(v)),
            Self::Hidden { low, high } => (i128::from(low), i128::from(high)),
        }
    }

    /// Is it hidden?
    pub fn is_hidden(self) -> bool {
        matches!(self, Self::Hidden { .. })
    }
}

/// A margin: the cell `total` is the sum of the cells `parts` (indices).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// What is added.
    pub parts: Vec<usize>,
    /// What it adds up to.
    pub total: usize,
}

/// A small count that is not printed but follows from what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Derived {
    /// This hidden cell has exactly this value.
    Cell(usize, u64),
    /// The hidden parts of this margin together are this many people.
    Rest(usize, u64),
}

/// Is this a count the clause forbids?
pub fn is_small(policy: &Policy, count: u64) -> bool {
    count > 0 && count < policy.counts.minimum
}

/// Tables with more hidden cells than this are not solved; the caller reports them as not checked.
pub const MOST_HIDDEN: usize = 400;

/// Every small count (1 to `minimum` − 1) that follows from the margins. `None`: too many hidden cells to solve.
pub fn derive(cells: &[Cell], sums: &[Sum], minimum: u64) -> Option<Vec<Derived>> {
    if cells.iter().filter(|c| c.is_hidden()).count() > MOST_HIDDEN {
        return None;
    }
    let small = |v: i128| v > 0 && v < i128::from(minimum);
    let mut found = BTreeSet::new();
    for (at, sum) in sums.iter().enumerate() {
        let Cell::Known(total) = cells[sum.total] else { continue };
        let known: i128 =
            sum.parts.iter().map(|p| cells[*p]).filter(|c| !c.is_hidden()).map(|c| c.bounds().0).sum();
        let rest = i128::from(total) - known;
        if sum.parts.iter().any(|p| cells[*p].is_hidden()) && small(rest) {
            found.insert(Derived::Rest(at, rest as u64));
        }
    }
    let bounds = super::bounds::bounds(cells, sums)?;
    for (at, cell) in cells.iter().enumerate() {
        let (low, high) = bounds[at];
        if cell.is_hidden() && low == high && small(low) {
            found.insert(Derived::Cell(at, low as u64));
        }
    }
    Some(found.into_iter().collect())
}

/// Which cells a copy must hide so that no small count is printed or follows: the small ones, and enough others.
/// `hide_zeros` when policy does not let zeros pass. `None`: no such copy was found.
pub fn suppress(cells: &[Cell], sums: &[Sum], minimum: u64, hide_zeros: bool) -> Option<BTreeSet<usize>> {
    let offends = |c: Cell| match c {
        Cell::Known(0) => hide_zeros,
        Cell::Known(v) => v < minimum,
        Cell::Hidden { .. } => true,
    };
    let mut hidden: BTreeSet<usize> = (0..cells.len()).filter(|c| offends(cells[*c])).collect();
    let value = |cell: usize| cells[cell].bounds().0;
    for _ in 0..=cells.len() {
        let masked: Vec<Cell> =
            cells.iter().enumerate().map(|(at, c)| if hidden.contains(&at) { HIDDEN } else { *c }).collect();
        let mut more = None;
        for sum in sums {
            let parts: Vec<usize> = sum.parts.iter().copied().filter(|p| hidden.contains(p)).collect();
            let rest: i128 = parts.iter().map(|p| value(*p)).sum();
            let lone = parts.len() == 1 && !hidden.contains(&sum.total);
            let thin = !parts.is_empty() && rest < i128::from(minimum) && !hidden.contains(&sum.total);
            if lone || thin {
                more = smallest_visible(sum, &hidden, &value);
                break;
            }
        }
        if more.is_none() {
            let derived = derive(&masked, sums, minimum)?;
            let Some(first) = derived.first() else { return Some(hidden) };
            let touched = match first {
                Derived::Cell(cell, _) => {
                    sums.iter().filter(|s| s.total == *cell || s.parts.contains(cell)).collect::<Vec<_>>()
                }
                Derived::Rest(sum, _) => vec![&sums[*sum]],
            };
            more =
                touched.iter().filter_map(|s| smallest_visible(s, &hidden, &value)).min_by_key(|c| value(*c));
        }
        hidden.insert(more?);
    }
    None
}

fn smallest_visible(sum: &Sum, hidden: &BTreeSet<usize>, value: &impl Fn(usize) -> i128) -> Option<usize> {
    let part = sum.parts.iter().copied().filter(|p| !hidden.contains(p)).min_by_key(|p| value(*p));
    part.or_else(|| (!hidden.contains(&sum.total)).then_some(sum.total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Cell::Known;
    use proptest::prelude::*;

    const UNDER_TEN: Cell = Cell::Hidden { low: 0, high: 9 };

    #[test]
    fn one_to_nine_are_small_zero_and_ten_are_not() {
        let policy = Policy::default();
        assert_eq!([0, 1, 9, 10].map(|n| is_small(&policy, n)), [false, true, true, false]);
    }

    #[test]
    fn a_single_hidden_cell_is_the_total_less_the_rest() {
        let cells = [Known(60), UNDER_TEN, Known(67)];
        let sums = [Sum { parts: vec![0, 1], total: 2 }];
        let found = derive(&cells, &sums, 10).unwrap();
        assert!(found.contains(&Derived::Cell(1, 7)), "{found:?}");
    }

    #[test]
    fn two_hidden_cells_that_sum_to_seven_are_seven_people() {
        let cells = [Known(60), UNDER_TEN, UNDER_TEN, Known(67)];
        let sums = [Sum { parts: vec![0, 1, 2], total: 3 }];
        assert_eq!(derive(&cells, &sums, 10).unwrap(), [Derived::Rest(0, 7)]);
    }

    #[test]
    fn two_hidden_cells_that_sum_to_twelve_stay_hidden() {
        let cells = [Known(60), UNDER_TEN, UNDER_TEN, Known(72)];
        let sums = [Sum { parts: vec![0, 1, 2], total: 3 }];
        assert_eq!(derive(&cells, &sums, 10).unwrap(), []);
    }

    #[test]
    fn bounds_alone_can_give_a_cell_away() {
        // 9 + x = 18 with both printed as "<10": only 9 and 9 fit.
        let cells = [UNDER_TEN, UNDER_TEN, Known(18)];
        let sums = [Sum { parts: vec![0, 1], total: 2 }];
        assert_eq!(derive(&cells, &sums, 10).unwrap(), [Derived::Cell(0, 9), Derived::Cell(1, 9)]);
    }

    #[test]
    fn rows_and_columns_together_give_cells_that_neither_gives_alone() {
        // a b | 20      a = 20 - b, c = 30 - a ..., and the column of d is fully visible.
        // c 40 | 60     → c = 20, a = 5, b = 15
        // 25 55 | 80
        let h = HIDDEN;
        let cells = [h, h, Known(20), h, Known(40), Known(60), Known(25), Known(55), Known(80)];
        let sums = [
            Sum { parts: vec![0, 1], total: 2 },
            Sum { parts: vec![3, 4], total: 5 },
            Sum { parts: vec![0, 3], total: 6 },
            Sum { parts: vec![1, 4], total: 7 },
        ];
        assert_eq!(derive(&cells, &sums, 10).unwrap(), [Derived::Cell(0, 5)]);
    }

    #[test]
    fn margins_that_contradict_each_other_do_not_panic() {
        let cells = [HIDDEN, Known(50), Known(10), Known(3)];
        let sums = [Sum { parts: vec![0, 1], total: 2 }, Sum { parts: vec![0, 1], total: 3 }];
        assert!(derive(&cells, &sums, 10).is_some());
    }

    #[test]
    fn a_suppressed_copy_hides_a_second_cell() {
        let cells = [Known(60), Known(7), Known(30), Known(97)];
        let sums = [Sum { parts: vec![0, 1, 2], total: 3 }];
        assert_eq!(suppress(&cells, &sums, 10, false).unwrap(), BTreeSet::from([1, 2]));
    }

    proptest! {
        /// Whatever the table, nothing small follows from the suppressed copy.
        #[test]
        fn nothing_small_follows_from_a_suppressed_copy(values in proptest::collection::vec(0_u64..40, 12), zeros: bool) {
            let (rows, columns) = (3, 4);
            let mut cells: Vec<Cell> = values.iter().map(|v| Known(*v)).collect();
            let mut sums = Vec::new();
            for r in 0..rows {
                let parts: Vec<usize> = (0..columns).map(|c| r * columns + c).collect();
                cells.push(Known(parts.iter().map(|p| values[*p]).sum()));
                sums.push(Sum { parts, total: cells.len() - 1 });
            }
            for c in 0..columns {
                let parts: Vec<usize> = (0..rows).map(|r| r * columns + c).collect();
                cells.push(Known(parts.iter().map(|p| values[*p]).sum()));
                sums.push(Sum { parts, total: cells.len() - 1 });
            }
            if let Some(hidden) = suppress(&cells, &sums, 10, zeros) {
                let copy: Vec<Cell> = cells.iter().enumerate().map(|(at, c)| if hidden.contains(&at) { HIDDEN } else { *c }).collect();
                for cell in &copy {
                    if let Known(v) = cell { prop_assert!(*v >= 10 || (*v == 0 && !zeros)); }
                }
                prop_assert_eq!(derive(&copy, &sums, 10).unwrap(), vec![]);
            }
        }
    }
}
