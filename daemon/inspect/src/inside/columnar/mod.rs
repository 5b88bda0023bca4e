//! Tables that are stored column by column: Parquet, Arrow IPC (Feather 2) and its streams.
//!
//! The readers are our own. The public crates trust the counts that a file claims, look only at what the footer names,
//! and build for minutes; what matters here is the opposite: every byte is accounted for (gaps between pages, statistics
//! that no value has, metadata under any key), and nothing is reserved before it is there. Lists become columns, so that
//! a list of calls a person is the matrix it is.

mod arrays;
pub mod arrow;
mod compressed;
mod flat;
pub mod layout;
mod leaf;
mod pages;
pub mod parquet;
#[cfg(test)]
mod tests;
mod thrift;

use super::Inside;
use sekisho_policy::facts::{Problem, ProblemKind};

/// Text of all columns together.
const MOST_TEXT: usize = 96 << 20;
/// Values of all columns together.
pub const MOST_VALUES: usize = 16_000_000;
/// Items of a list that become columns.
const MOST_ITEMS: usize = 5000;

/// A column's values as text, one behind the other.
#[derive(Default, Clone)]
pub struct Texts {
    text: Vec<u8>,
    ends: Vec<u32>,
}

impl Texts {
    /// Adds a value.
    pub fn push(&mut self, value: &[u8]) {
        self.text.extend_from_slice(value);
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    /// The value at this place, or nothing.
    pub fn get(&self, at: usize) -> &[u8] {
        let from = at.checked_sub(1).map_or(0, |b| self.ends.get(b).copied().unwrap_or(0));
        let to = self.ends.get(at).copied().unwrap_or(from);
        self.text.get(from as usize..to as usize).unwrap_or_default()
    }

    /// Values.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Does any value hold these bytes?
    fn holds(&self, part: &[u8]) -> bool {
        memchr::memmem::find(&self.text, part).is_some()
    }
}

/// What may still be held.
pub struct Room {
    text: usize,
    values: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { text: MOST_TEXT, values: MOST_VALUES }
    }
}

impl Room {
    /// Takes room for this many values before they are made.
    pub fn values(&mut self, n: usize) -> Result<(), Fault> {
        self.values = self.values.checked_sub(n).ok_or_else(large)?;
        Ok(())
    }

    /// Takes room for these bytes.
    pub fn bytes(&mut self, n: usize) -> Result<(), Fault> {
        self.text = self.text.checked_sub(n).ok_or_else(large)?;
        Ok(())
    }
}

/// Why a column cannot be read.
pub type Fault = (ProblemKind, String);

/// A number, least significant byte first.
pub fn little(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b))
}

/// Damage, or content that contradicts its header.
pub fn damaged(what: &str) -> Fault {
    (ProblemKind::NotInspected, what.to_owned())
}

fn large() -> Fault {
    (ProblemKind::Bomb, "more values or text than is taken apart".to_owned())
}

/// Writes the columns as one table.
pub fn table(inside: &mut Inside, name: &str, columns: &[(String, Texts)]) -> Result<(), Fault> {
    let rows = columns.iter().map(|(_, c)| c.len()).max().unwrap_or(0);
    if columns.iter().any(|(_, c)| c.len() != rows) {
        return Err(damaged("columns of different length"));
    }
    let mut text = Vec::new();
    let put = |cell: &[u8], text: &mut Vec<u8>| {
        let plain = cell.trim_ascii();
        let from = plain.iter().position(|b| *b != b'"').unwrap_or(plain.len());
        text.extend(plain[from..].iter().map(|b| if b.is_ascii_control() { b' ' } else { *b }));
    };
    for row in 0..=rows {
        for (at, (name, values)) in columns.iter().enumerate() {
            if at > 0 {
                text.push(b'\t');
            }
            put(if row == 0 { name.as_bytes() } else { values.get(row - 1) }, &mut text);
        }
        text.push(b'\n');
        if text.len() > inside.room() {
            return Err(large());
        }
    }
    inside.member(name, text);
    Ok(())
}

/// Lists as columns: the first items of all, the second of all, and so on. `starts` says where each row's items begin.
pub fn spread(
    name: &str,
    items: &Texts,
    starts: &[usize],
    room: &mut Room,
) -> Result<Vec<(String, Texts)>, Fault> {
    let ends = starts.iter().skip(1).copied().chain([items.len()]);
    let widths: Vec<usize> = starts.iter().zip(ends).map(|(from, to)| to.saturating_sub(*from)).collect();
    let widest = widths.iter().copied().max().unwrap_or(0);
    if widest > MOST_ITEMS {
        return Err((ProblemKind::TooWide, format!("lists of {widest} items")));
    }
    room.values(widest.saturating_mul(starts.len()))?;
    room.bytes(items.text.len())?;
    Ok((0..widest.max(1))
        .map(|item| {
            let mut column = Texts::default();
            for (from, width) in starts.iter().zip(&widths) {
                column.push(if item < *width { items.get(from + item) } else { b"" });
            }
            (format!("{name}[{item}]"), column)
        })
        .collect())
}

/// Notes what stopped a reader.
pub fn stopped(inside: &mut Inside, place: &str, (kind, detail): Fault) {
    inside.problems.push(Problem::new(kind, place, detail));
}

/// Metadata that travels with a table. What pandas says of its columns is known; anything else is shown.
pub fn metadata(inside: &mut Inside, place: &str, key: &str, value: &str, names: &[String]) {
    if key == "pandas" && pandas(value, names) {
        return;
    }
    inside.hidden(format!("{place} {key}"), value);
    if value.len() > 80 {
        inside.prose(&format!("{place} {key}"), value);
    }
}

/// Does this say nothing but what pandas always says: names, types and the version?
fn pandas(json: &str, names: &[String]) -> bool {
    use serde_json::Value;
    const KEYS: [&str; 20] = [
        "index_columns",
        "column_indexes",
        "columns",
        "attributes",
        "creator",
        "library",
        "version",
        "pandas_version",
        "name",
        "field_name",
        "pandas_type",
        "numpy_type",
        "metadata",
        "kind",
        "start",
        "stop",
        "step",
        "encoding",
        "num_categories",
        "ordered",
    ];
    fn known(value: &Value, names: &[String]) -> bool {
        const WORDS: [&str; 44] = [
            "range",
            "pyarrow",
            "fastparquet",
            "unicode",
            "object",
            "str",
            "string",
            "bytes",
            "int8",
            "int16",
            "int32",
            "int64",
            "uint8",
            "uint16",
            "uint32",
            "uint64",
            "float16",
            "float32",
            "float64",
            "double",
            "bool",
            "boolean",
            "date",
            "datetime",
            "datetimetz",
            "datetime64[ns]",
            "datetime64[us]",
            "datetime64[ms]",
            "datetime64[s]",
            "categorical",
            "category",
            "UTC",
            "UTF-8",
            "Int64",
            "Float64",
            "mixed",
            "empty",
            "decimal",
            "time",
            "timedelta",
            "list[int64]",
            "list[float64]",
            "list[unicode]",
            "None",
        ];
        match value {
            Value::Null | Value::Bool(_) => true,
            Value::Number(n) => n.as_u64().is_some_and(|n| n <= 1 << 40),
            Value::String(text) => {
                let version = text.len() <= 24
                    && text.bytes().all(|b| b.is_ascii_digit() || b".+abcdevrpost".contains(&b));
                let level = text.strip_prefix("__index_level_").is_some_and(|r| r.len() <= 4);
                WORDS.contains(&text.as_str()) || version || level || names.iter().any(|n| n == text)
            }
            Value::Array(list) => list.iter().all(|v| known(v, names)),
            Value::Object(map) => map.iter().all(|(k, v)| KEYS.contains(&k.as_str()) && known(v, names)),
        }
    }
    json.len() <= 400 + 400 * (names.len() + 1)
        && serde_json::from_str::<Value>(json).is_ok_and(|v| v.is_object() && known(&v, names))
}
