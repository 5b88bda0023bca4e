//! One row a person: by an id column, by rows as many as subjects, or by what the columns are.

use super::cells::Read;
use super::grid::Grid;
use super::words::Word;
use crate::readers::tally::words;
use crate::roles;
use std::collections::BTreeSet;

/// What rows of persons hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Attributes: microdata.
    Attributes,
    /// Derived features only.
    Features,
}

/// Are the rows persons, and why?
pub fn persons(grid: &Grid, declared: Option<u64>) -> Option<(Rows, String)> {
    let rows = grid.text.len();
    if rows == 0 {
        return None;
    }
    let columns = grid.header.len();
    let has_counts = grid.roles.contains(&Word::Count);
    let distinct = |c: usize| {
        let values: BTreeSet<&[u8]> = grid.text.iter().map(|r| r[c].as_slice()).collect();
        values.len() * 100 >= rows * 95
    };
    let person_values = |c: usize| {
        let like = grid.text.iter().filter(|r| roles::person_like(&r[c]) && !roles::site_like(&r[c])).count();
        like * 10 >= rows * 8 && distinct(c)
    };
    let ids: Vec<usize> = (0..columns)
        .filter(|c| {
            let named = matches!(grid.roles[*c], Word::Person)
                || (grid.roles[*c] == Word::Personal
                    && grid.cells.iter().all(|r| !matches!(r[*c], Read::Empty)));
            (named && (rows == 1 || distinct(*c) || pairs(grid))) || (rows >= 2 && person_values(*c))
        })
        .collect();
    let others: Vec<usize> = (0..columns)
        .filter(|c| !ids.contains(c) && !matches!(grid.roles[*c], Word::Person | Word::Index))
        .collect();
    let real = |c: usize| {
        grid.cells.iter().filter(|r| matches!(r[c], Read::Number(n) if !n.whole)).count() * 10 >= rows * 7
    };
    let label = |c: usize| grid.cells.iter().all(|r| matches!(r[c], Read::Words | Read::Empty));
    let features = others.iter().any(|c| grid.roles[*c] == Word::Feature)
        && others.iter().all(|c| {
            matches!(grid.roles[*c], Word::Feature | Word::Attribute | Word::Category | Word::Statistic)
                || label(*c)
        });
    // Coordinates without a header: family and person, real numbers, perhaps a label at the end.
    let coordinates = !grid.named
        && others.iter().any(|c| real(*c))
        && others.iter().all(|c| real(*c) || label(*c) || *c < 2);
    if let Some(id) = ids.first() {
        let shown = format!("{}: {}", grid.header[*id], words(&grid.text[0][*id]));
        let of_features = features || coordinates;
        return (!others.is_empty())
            .then_some((if of_features { Rows::Features } else { Rows::Attributes }, shown));
    }
    if let Some(first) = persons_in_columns(grid) {
        return Some((Rows::Attributes, format!("one column a subject: {first}")));
    }
    if is_pairs(grid) {
        return Some((
            Rows::Features,
            format!("{rows} x {rows} values, the same above and below the diagonal"),
        ));
    }
    if features && coordinates_named(grid) && !has_counts {
        return Some((Rows::Features, String::new()));
    }
    if coordinates && rows >= 2 && (0..columns).any(|c| label(c) && distinct(c)) && others.len() >= 3 {
        return Some((Rows::Features, words(&grid.text[0][0])));
    }
    if !has_counts && declared.is_some_and(|n| n == rows as u64) {
        return Some((Rows::Attributes, format!("{rows} rows, {rows} subjects declared")));
    }
    let attributes = crate::readers::counts::table::attribute_columns(grid);
    if !has_counts && attributes >= 2 && repeats(grid) {
        return Some((Rows::Attributes, "columns of personal attributes, rows that repeat them".into()));
    }
    None
}

/// Fewer rows than this are read at a glance.
const GLANCE: usize = 10;

/// Rows about which no column says what they are: a summary has counts, or names its rows and columns.
pub fn unexplained(grid: &Grid) -> bool {
    let (rows, columns) = (grid.text.len(), grid.header.len());
    if rows < GLANCE || grid.roles.contains(&Word::Count) {
        return false;
    }
    let numbers = |c: usize| grid.cells.iter().filter(|r| matches!(r[c], Read::Number(_))).count();
    let measured: Vec<usize> = (0..columns).filter(|c| numbers(*c) * 2 > rows).collect();
    if measured.is_empty() {
        return false;
    }
    let unnamed = measured.iter().any(|c| matches!(grid.roles[*c], Word::Unknown));
    // Words, categories and points in time name a row; values under a name nobody knows do not.
    let named = (0..columns).any(|c| {
        matches!(grid.roles[c], Word::Category | Word::Index)
            || numbers(c) * 2 <= rows && grid.cells.iter().all(|r| !matches!(r[c], Read::Empty))
            || grid.roles[c] == Word::Statistic && grid.is_rising_number(c)
    });
    !named || unnamed && !(0..columns).any(|c| grid.roles[c] == Word::Category)
}

/// Two persons a row, as relatedness tables have.
fn pairs(grid: &Grid) -> bool {
    let names: Vec<String> =
        grid.header.iter().map(|h| h.trim_start_matches('#').to_ascii_lowercase()).collect();
    names.iter().any(|n| n == "iid1" || n == "id1") && names.iter().any(|n| n == "iid2" || n == "id2")
}

/// A table turned on its side: the header names persons.
fn persons_in_columns(grid: &Grid) -> Option<&str> {
    const FEWEST: usize = 10;
    let person = |h: &&String| {
        let name = h.as_bytes();
        // Quantiles and numbers of people are named alike.
        let quantile = name.len() < 4 && matches!(name.first(), Some(b'p' | b'n' | b'N'));
        roles::person_like(name) && !roles::site_like(name) && !quantile
    };
    let named: BTreeSet<&String> = grid.header.iter().filter(person).collect();
    let many = grid.named && named.len() >= FEWEST && named.len() * 10 >= (grid.header.len() - 1) * 8;
    many.then(|| grid.header.iter().find(person).map(String::as_str)).flatten()
}

/// A square of numbers that is the same above and below its diagonal: distances or relatedness of pairs.
fn is_pairs(grid: &Grid) -> bool {
    let n = grid.text.len();
    if grid.named || n < 4 || grid.header.len() != n {
        return false;
    }
    let number = |r: usize, c: usize| match grid.cells[r][c] {
        Read::Number(n) => Some(n.value),
        _ => None,
    };
    let even = |r: usize, c: usize| number(r, c).is_some() && number(r, c) == number(c, r);
    (0..n).all(|r| (0..r).all(|c| even(r, c)))
}

fn coordinates_named(grid: &Grid) -> bool {
    grid.header.iter().zip(&grid.roles).filter(|(_, r)| **r == Word::Feature).count() >= 2
}

/// Summaries have one row a group; persons come many to a group.
fn repeats(grid: &Grid) -> bool {
    grid.text.len() >= 20
}
