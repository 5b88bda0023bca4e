//! Codes in the cells of a table: words and numbers that are neither labels nor results.

use super::cells::Read;
use super::grid::Grid;
use crate::readers::tally::{Tally, words};
use crate::readers::text::scan;
use sekisho_policy::facts::What;

/// No count of people, and no position in a genome, is as large as this.
pub const NO_COUNT: f64 = 1e10;
/// Letters of the longest number that is one.
const LONGEST_NUMBER: usize = 40;

/// Looks at rows, columns and single cells.
pub fn look(grid: &Grid, everything: u32, tally: &mut Tally) {
    let in_pieces = grid.text.iter().any(|r| scan::in_pieces(r.iter().map(Vec::as_slice)));
    if in_pieces || scan::in_pieces(grid.header.iter().map(String::as_bytes)) {
        tally.add(What::EncodedText, everything, || ("row".into(), "a code in pieces".into()));
    }
    for column in 0..grid.header.len() {
        let about = tally.name(&grid.header[column]);
        let cells = || grid.text.iter().map(|r| r[column].as_slice());
        if scan::in_pieces(cells()) {
            tally.add(What::EncodedText, about, || ("column".into(), "a code in pieces".into()));
        }
        let mut odd = cells().filter(|t| scan::random(t)).peekable();
        if let Some(first) = odd.peek().copied() {
            let many = odd.count() as u64;
            if many >= scan::MOST_RANDOM {
                tally.add_many(What::EncodedText, about, many, || ("column".into(), words(first)));
            }
        }
        // Words are looked at where they are read.
        for (row, text) in cells().enumerate().filter(|(_, t)| t.len() > LONGEST_NUMBER) {
            if !matches!(grid.cells[row][column], Read::Words) {
                scan::encoded(text, grid.lines[row], about, tally);
            }
        }
    }
}
