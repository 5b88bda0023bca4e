//! Many marks in rows and columns: a picture of a table, not of points.
//!
//! The guideline frees plots of individual features (`5-4(2)(iii)`), where a person is a point among others. A cell for
//! every person and site is the table itself, exact to the last value, and an officer must see it.

use std::collections::BTreeSet;

/// Marks below which nothing is said: 20 persons at 10 sites.
const FEW: usize = 200;
/// Rows and columns below which nothing is said: bars, legends, calendars.
const NARROW: usize = 10;
/// Of 100 places where a row and a column meet, those with a mark. Points of a plot stand at places of their own: of 379
/// persons 0.4, of 20,000 overlapping square markers 5. Cells of rare values, their neighbours melted together: 10.
const MOST_TAKEN: usize = 8;
/// Places that are kept at most; a drawing that has more on every row and column has shown enough.
const MOST: usize = 1 << 16;

/// Marks by the place of their corner.
#[derive(Debug, Default)]
pub struct Lattice {
    columns: BTreeSet<i64>,
    rows: BTreeSet<i64>,
    marks: BTreeSet<(i64, i64)>,
}

impl Lattice {
    /// Takes a mark.
    pub fn add(&mut self, x: i64, y: i64) {
        if self.marks.len() < MOST {
            self.columns.insert(x);
            self.rows.insert(y);
            self.marks.insert((x, y));
        }
    }

    /// What is said of the marks when they stand in rows and columns.
    #[must_use]
    pub fn said(&self) -> Option<String> {
        let (marks, columns, rows) = (self.marks.len(), self.columns.len(), self.rows.len());
        let dense = marks.saturating_mul(100) >= columns.saturating_mul(rows).saturating_mul(MOST_TAKEN);
        (marks >= FEW && columns >= NARROW && rows >= NARROW && dense)
            .then(|| format!("{marks} marks in {columns} columns and {rows} rows"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(places: impl Iterator<Item = (i64, i64)>) -> Option<String> {
        let mut lattice = Lattice::default();
        places.for_each(|(x, y)| lattice.add(x, y));
        lattice.said()
    }

    #[test]
    fn cells_in_rows_and_columns_are_a_table() {
        let cells =
            |columns: i64, rows: i64| (0..columns).flat_map(move |x| (0..rows).map(move |y| (x * 7, y * 3)));
        assert_eq!(marks(cells(10, 20)).as_deref(), Some("200 marks in 10 columns and 20 rows"));
        assert_eq!(marks(cells(10, 19)), None, "few");
        assert_eq!(marks(cells(9, 40)), None, "narrow");
        // One in ten of them differs from its neighbours.
        assert!(marks(cells(60, 100).filter(|(x, y)| (x * 31 + y * 17) % 10 == 0)).is_some());
    }

    #[test]
    fn points_are_none() {
        let point = |i: i64| ((i * 7_919) % 640, (i * 104_729) % 480);
        assert_eq!(marks((0..379).map(point)), None);
        assert_eq!(marks((0..12_000).map(point)), None);
    }
}
