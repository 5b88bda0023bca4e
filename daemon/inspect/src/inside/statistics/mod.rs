//! Data files of statistics programs: Stata, SPSS and SAS. Each becomes one table, with value labels in place of codes and
//! days as days; labels of variables, notes and documents are texts that are read for what must not be in them.
//!
//! The readers are our own: no crate with a licence that fits reads these formats without trusting what a file claims.

pub mod old_stata;
pub mod sas;
pub mod spss;
pub mod stata;
pub mod transport;

use super::columnar::{Fault, Room, Texts, damaged, table};
use super::{Inside, utf8};
use std::collections::BTreeMap;

/// Days from 1960-01-01, where Stata and SAS begin, to 1970-01-01.
const SIXTY: i64 = 3653;
/// Columns of one file.
const MOST_COLUMNS: usize = 20_000;

/// Bytes read one after the other, in the file's order.
pub struct Cursor<'a> {
    rest: &'a [u8],
    little: bool,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or_else(|| damaged("cut short"))?;
        self.rest = rest;
        Ok(head)
    }

    fn number(&mut self, width: usize) -> Result<u64, Fault> {
        let little = self.little;
        self.take(width).map(|b| number(b, little))
    }

    fn signed(&mut self) -> Result<i64, Fault> {
        Ok(i64::from(self.number(4)? as u32 as i32))
    }

    fn size(&mut self, width: usize) -> Result<usize, Fault> {
        usize::try_from(self.number(width)?).map_err(|_| damaged("a number that is too large"))
    }
}

/// A number in the file's order.
fn number(bytes: &[u8], little: bool) -> u64 {
    let fold = |n: u64, b: &u8| n << 8 | u64::from(*b);
    if little { bytes.iter().rev().fold(0, fold) } else { bytes.iter().fold(0, fold) }
}

/// A text field without its padding.
fn field(bytes: &[u8]) -> String {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    utf8(bytes[..end].trim_ascii_end()).into_owned()
}

/// A column being filled.
struct Column {
    name: String,
    values: Texts,
}

/// The columns of a file, within one room.
struct Columns {
    all: Vec<Column>,
    room: Room,
}

impl Columns {
    fn new(names: impl IntoIterator<Item = String>) -> Result<Self, Fault> {
        let all: Vec<Column> =
            names.into_iter().map(|name| Column { name, values: Texts::default() }).collect();
        if all.len() > MOST_COLUMNS {
            return Err((sekisho_policy::facts::ProblemKind::TooWide, format!("{} columns", all.len())));
        }
        Ok(Self { all, room: Room::default() })
    }

    fn push(&mut self, column: usize, value: &str) -> Result<(), Fault> {
        self.room.values(1)?;
        self.room.bytes(value.len())?;
        if let Some(column) = self.all.get_mut(column) {
            column.values.push(value.as_bytes());
        }
        Ok(())
    }

    fn finish(self, name: &str, inside: &mut Inside) -> Result<(), Fault> {
        let columns: Vec<(String, Texts)> = self.all.into_iter().map(|c| (c.name, c.values)).collect();
        table(inside, name, &columns)
    }
}

/// Labels by value.
type Labels = BTreeMap<u64, String>;

/// Texts about the data, one of a kind; labels that merely repeat a name say nothing.
fn about<'t>(inside: &mut Inside, place: &str, texts: impl IntoIterator<Item = &'t String>) {
    let all: Vec<&str> = texts.into_iter().map(String::as_str).filter(|t| !t.trim().is_empty()).collect();
    if !all.is_empty() {
        inside.prose(place, &all.join("\n"));
    }
}

/// Is this the name of a format for days, or for moments?
fn calendar(format: &str) -> Option<bool> {
    const DAYS: [&str; 14] = [
        "DATE", "DDMMYY", "MMDDYY", "YYMMDD", "YYMMDDN", "DDMMYYS", "MMDDYYS", "YYMMDDS", "WEEKDATE",
        "WORDDATE", "E8601DA", "B8601DA", "NENGO", "JULIAN",
    ];
    let name = format.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').to_ascii_uppercase();
    if matches!(name.as_str(), "DATETIME" | "E8601DT" | "B8601DT" | "DATEAMPM" | "MDYAMPM") {
        Some(true)
    } else {
        DAYS.contains(&name.as_str()).then_some(false)
    }
}

/// A number of SAS as text, by its format.
fn sas_number(value: f64, format: &str) -> String {
    use super::columnar::layout;
    if value.is_nan() {
        return String::new();
    }
    match calendar(format) {
        Some(false) if value.abs() < 1e7 => layout::day(value.floor() as i64 - SIXTY),
        Some(true) if value.abs() < 1e12 => layout::moment(value.floor() as i64 - SIXTY * 86_400, 1),
        _ => layout::real(value),
    }
}

#[cfg(test)]
mod tests;
