//! Parquet: every column chunk's pages, the footer, and nothing between them.

use super::leaf::{Leaf, Meaning, Stored, shown};
use super::pages::{self, Column};
use super::thrift::{self, Value};
use super::{Fault, Room, damaged, little, metadata, spread, stopped, table};
use crate::inside::Inside;
use sekisho_policy::facts::{OpaqueKind, ProblemKind};

/// Bytes of a footer.
const FOOTER: usize = 4 << 20;
/// Columns of a schema.
const MOST_COLUMNS: usize = 20_000;

/// Reads a file that is wholly in memory.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("parquet");
    if bytes.starts_with(b"PARE") || bytes.ends_with(b"PARE") {
        inside.unread(OpaqueKind::Workspace, "Parquet", "encrypted");
        return inside;
    }
    if let Err(fault) = file(bytes, &mut inside) {
        stopped(&mut inside, "parquet", fault);
    }
    inside
}

fn file(bytes: &[u8], inside: &mut Inside) -> Result<(), Fault> {
    let bad = || damaged("the footer cannot be read");
    let body = bytes.strip_suffix(b"PAR1").filter(|b| b.len() >= 8).ok_or_else(bad)?;
    let (body, length) = body.split_at(body.len() - 4);
    let length = little(length);
    if length > FOOTER {
        return Err((ProblemKind::Bomb, format!("a footer of {length} bytes")));
    }
    let at = body.len().checked_sub(length).filter(|at| *at >= 4).ok_or_else(bad)?;
    let (footer, used) = thrift::read(&body[at..])?;
    if used != length {
        inside.hidden("footer", format!("{} bytes behind its end", length - used));
    }
    if footer.field(8).is_some() {
        inside.unread(OpaqueKind::Workspace, "Parquet", "encrypted");
        return Ok(());
    }
    let leaves = schema(footer.list(2))?;
    let rows = footer.size(3).ok_or_else(bad)?;
    let mut columns: Vec<Column> = leaves.iter().map(|_| Column::default()).collect();
    let mut room = Room::default();
    let mut spans = vec![(0, 4), (at, bytes.len())];
    for group in footer.list(4) {
        let chunks = group.list(1);
        if chunks.len() != leaves.len() {
            return Err(damaged("a row group of another number of columns"));
        }
        for ((chunk, leaf), column) in chunks.iter().zip(&leaves).zip(&mut columns) {
            let (from, to) = self::chunk(body, chunk, leaf, column, &mut room, inside)?;
            spans.push((from, to));
            spans.extend(again(body, to, chunk));
            spans.extend(indexes(body, chunk, leaf, column, (from, to), rows));
        }
    }
    let names: Vec<String> = leaves.iter().map(|l| l.name.clone()).collect();
    for pair in footer.list(5) {
        let (key, value) = (pair.text(1).unwrap_or_default(), pair.bytes(2).unwrap_or_default());
        if key == "ARROW:schema" {
            super::arrow::schema_of(value, &names, inside);
        } else {
            metadata(inside, "metadata", &key, &crate::inside::utf8(value), &names);
        }
    }
    let maker = footer.text(6).unwrap_or_default();
    if maker.len() > 120 {
        inside.hidden("footer", maker);
    }
    unnamed(bytes, spans, inside);
    let mut all = Vec::new();
    for (leaf, column) in leaves.iter().zip(columns) {
        if leaf.repeated > 0 {
            if leaf.repeated > 1 {
                inside.problem(
                    ProblemKind::Unrecognised,
                    leaf.name.clone(),
                    "lists of lists, read as one list",
                );
            }
            if column.starts.len() != rows {
                return Err(damaged("another number of rows than the footer states"));
            }
            all.extend(spread(&leaf.name, &column.values, &column.starts, &mut room)?);
        } else {
            if column.values.len() != rows {
                return Err(damaged("another number of rows than the footer states"));
            }
            all.push((leaf.name.clone(), column.values));
        }
    }
    table(inside, "table", &all)
}

/// Reads one chunk, compares its statistics with its values, and says where it lies.
fn chunk(
    body: &[u8],
    chunk: &Value<'_>,
    leaf: &Leaf,
    column: &mut Column,
    room: &mut Room,
    inside: &mut Inside,
) -> Result<(usize, usize), Fault> {
    let bad = || damaged("a damaged footer");
    if chunk.field(8).is_some() || chunk.field(9).is_some() {
        return Err(damaged("an encrypted column"));
    }
    if chunk.field(1).is_some() {
        return Err(damaged("a column in another file"));
    }
    let info = chunk.field(3).ok_or_else(bad)?;
    let codec = pages::codec(info.whole(4)).ok_or_else(|| damaged("a compression that is not read"))?;
    let path: Vec<String> = info
        .list(3)
        .iter()
        .filter_map(
            |p| if let Value::Bytes(b) = p { Some(crate::inside::utf8(b).into_owned()) } else { None },
        )
        .collect();
    if path.join(".") != leaf.name {
        return Err(damaged("columns in another order than the schema"));
    }
    let data = info.size(9).ok_or_else(bad)?;
    let from = info.size(11).filter(|d| *d > 0).map_or(data, |d| d.min(data));
    let to = info.size(7).and_then(|size| from.checked_add(size)).ok_or_else(bad)?;
    let bytes = body.get(from..to).ok_or_else(|| damaged("a column cut short"))?;
    pages::chunk(bytes, codec, leaf, column, room, info.size(5).ok_or_else(bad)?)?;
    for pair in info.list(8) {
        let (key, value) = (pair.text(1).unwrap_or_default(), pair.text(2).unwrap_or_default());
        metadata(inside, &leaf.name, &key, &value, &[]);
    }
    for extreme in info.field(12).map(pages::extremes).unwrap_or_default() {
        if !told(leaf, extreme, column) {
            inside.hidden(leaf.name.clone(), "statistics that no value has");
        }
    }
    Ok((from, to))
}

/// The indexes of a chunk's pages, as far as they say nothing that the chunk does not.
fn indexes(
    body: &[u8],
    chunk: &Value<'_>,
    leaf: &Leaf,
    column: &Column,
    (from, to): (usize, usize),
    rows: usize,
) -> Vec<(usize, usize)> {
    let place = |offset: i16| {
        let at = chunk.size(offset)?;
        let end = at.checked_add(chunk.size(offset + 1)?)?;
        let (value, length) = thrift::read(body.get(at..end)?).ok()?;
        (length == end - at).then_some((value, (at, end)))
    };
    let whole = |v: &Value<'_>, most: usize| matches!(v, Value::Whole(n) if usize::try_from(*n).is_ok_and(|n| n <= most));
    let pages = |index: &Value<'_>| {
        let Value::Struct(fields) = index else { return false };
        fields.iter().all(|(n, _)| *n == 1)
            && index.list(1).iter().all(|page| {
                let (at, size) = (page.size(1).unwrap_or(usize::MAX), page.size(2).unwrap_or(usize::MAX));
                at >= from
                    && at.checked_add(size).is_some_and(|end| end <= to)
                    && page.size(3).is_some_and(|r| r <= rows)
            })
    };
    let values = |index: &Value<'_>| {
        let Value::Struct(fields) = index else { return false };
        let most = column.values.len();
        fields.iter().all(|(n, _)| matches!(n, 1..=5))
            && index.list(1).iter().all(|v| whole(v, 2) || matches!(v, Value::Whole(-1)))
            && [2, 3].into_iter().flat_map(|f| index.list(f)).all(|v| match v {
                Value::Bytes(b) => b.is_empty() || told(leaf, b, column),
                _ => false,
            })
            && index.list(5).iter().all(|v| whole(v, most))
    };
    let found = [place(4).filter(|(v, _)| pages(v)), place(6).filter(|(v, _)| values(v))];
    found.into_iter().flatten().map(|(_, span)| span).collect()
}

/// Some programs repeat what the footer says of a chunk behind it.
fn again(body: &[u8], at: usize, chunk: &Value<'_>) -> Option<(usize, usize)> {
    let (value, length) = thrift::read(body.get(at..)?).ok()?;
    let info = chunk.field(3)?;
    let own = value == *info || value.field(3) == Some(info) && value.field(1).is_none();
    own.then_some((at, at + length))
}

/// Do the column's values say this, too? Long texts are cut in statistics, the last byte raised.
fn told(leaf: &Leaf, extreme: &[u8], column: &Column) -> bool {
    let cut = |bytes: &[u8]| bytes.len() >= 16 && column.values.holds(&bytes[..bytes.len() - 1]);
    match leaf.stored {
        Stored::Counted => column.values.holds(extreme) || cut(extreme),
        Stored::Bits => matches!(extreme, [0 | 1]),
        Stored::Fixed(width) => {
            let same = extreme.len() == width;
            same && shown(leaf, extreme)
                .is_ok_and(|text| matches!(text.as_str(), "0" | "-0") || column.values.holds(text.as_bytes()))
        }
    }
}

/// Bytes that no part of the footer names.
fn unnamed(bytes: &[u8], mut spans: Vec<(usize, usize)>, inside: &mut Inside) {
    spans.sort_unstable();
    let mut at = 0;
    for (from, to) in spans {
        if from > at && bytes.get(at..from).is_some_and(|gap| gap.iter().any(|b| *b != 0)) {
            inside.hidden(
                format!("byte {at}"),
                format!("{} bytes that are no values: an index, or hidden", from - at),
            );
        } else if from < at {
            inside.problem(ProblemKind::NotInspected, format!("byte {from}"), "columns overlap");
        }
        at = at.max(to);
    }
}

/// The columns of a schema, groups opened.
fn schema(elements: &[Value<'_>]) -> Result<Vec<Leaf>, Fault> {
    let mut leaves = Vec::new();
    let mut at = 1;
    let top = elements.first().and_then(|e| e.size(5)).ok_or_else(|| damaged("no schema"))?;
    for _ in 0..top {
        group(elements, &mut at, &Place::default(), &mut leaves, 16)?;
    }
    if at != elements.len() {
        return Err(damaged("a schema with more than it names"));
    }
    Ok(leaves)
}

#[derive(Clone, Default)]
struct Place {
    path: Vec<String>,
    defined: u32,
    item: u32,
    repeated: u32,
}

fn group(
    elements: &[Value<'_>],
    at: &mut usize,
    place: &Place,
    leaves: &mut Vec<Leaf>,
    depth: usize,
) -> Result<(), Fault> {
    let element = elements.get(*at).ok_or_else(|| damaged("a damaged schema"))?;
    *at += 1;
    let mut place = place.clone();
    place.path.push(element.text(4).unwrap_or_default());
    match element.whole(3) {
        Some(1) => place.defined += 1,
        Some(2) => {
            place.defined += 1;
            place.repeated += 1;
            place.item = place.defined;
        }
        _ => {}
    }
    if let Some(children) = element.size(5).filter(|n| *n > 0) {
        let depth = depth.checked_sub(1).ok_or_else(|| damaged("a schema that is too deep"))?;
        for _ in 0..children {
            group(elements, at, &place, leaves, depth)?;
        }
        return Ok(());
    }
    if leaves.len() >= MOST_COLUMNS {
        return Err((ProblemKind::TooWide, format!("more than {MOST_COLUMNS} columns")));
    }
    let length = element.size(2).unwrap_or(0);
    let stored = match element.whole(1) {
        Some(0) => Stored::Bits,
        Some(1 | 4) => Stored::Fixed(4),
        Some(2 | 5) => Stored::Fixed(8),
        Some(3) => Stored::Fixed(12),
        Some(6) => Stored::Counted,
        Some(7) if (1..=4096).contains(&length) => Stored::Fixed(length),
        _ => return Err(damaged("a column of no known type")),
    };
    leaves.push(Leaf {
        name: place.path.join("."),
        stored,
        meaning: meaning(element),
        defined: place.defined,
        item: place.item,
        repeated: place.repeated,
    });
    Ok(())
}

/// What the values of a column mean, by its newer or older description.
fn meaning(element: &Value<'_>) -> Meaning {
    let scale = element.size(7).unwrap_or(0);
    let logical = element.field(10);
    let has = |field: i16| logical.and_then(|l| l.field(field));
    let (physical, converted) = (element.whole(1), element.whole(6));
    let turned = matches!(physical, Some(6 | 7));
    if has(5).is_some() || converted == Some(5) {
        return Meaning::Decimal(has(5).and_then(|d| d.size(1)).unwrap_or(scale), turned);
    }
    if has(6).is_some() || converted == Some(6) {
        return Meaning::Day;
    }
    if let Some(moment) = has(8) {
        let unit = moment.field(2);
        let is = |field: i16| unit.is_some_and(|u| u.field(field).is_some());
        return Meaning::Moment(if is(1) {
            1000
        } else if is(2) {
            1_000_000
        } else {
            1_000_000_000
        });
    }
    match (physical, converted) {
        (_, Some(9)) => Meaning::Moment(1000),
        (_, Some(10)) => Meaning::Moment(1_000_000),
        (Some(0), _) => Meaning::Truth,
        (Some(1 | 2), Some(11..=14)) => Meaning::Unsigned,
        (Some(1 | 2), _) => {
            if has(10).is_some_and(|i| i.whole(2) == Some(0)) {
                Meaning::Unsigned
            } else {
                Meaning::Signed
            }
        }
        (Some(3), _) => Meaning::Julian,
        (Some(4 | 5), _) => Meaning::Real,
        (Some(7), _) if has(15).is_some() => Meaning::Real,
        _ => Meaning::Text,
    }
}
