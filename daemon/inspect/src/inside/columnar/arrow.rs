//! Arrow IPC: files (Feather 2) and streams. Messages are read one after the other, as a program would stream them; the
//! footer must name the same.

use super::arrays::{Batch, Part};
use super::flat::{Flat, Table};
use super::leaf::{Leaf, Meaning, Stored};
use super::{Fault, Room, Texts, damaged, little as number, metadata, spread, stopped, table};
use crate::inside::Inside;
use base64::Engine as _;
use sekisho_policy::facts::{OpaqueKind, ProblemKind};
use std::collections::BTreeMap;

/// What values of a field look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Null,
    /// One bit each.
    Truth,
    /// So many bytes each.
    Fixed(usize, Meaning),
    /// Offsets of so many bytes, and text.
    Text(usize),
    /// Short texts in place, long ones elsewhere.
    View,
    /// Offsets of so many bytes, and items.
    List(usize),
    /// So many items each.
    FixedList(usize),
    /// Columns of its own.
    Struct,
    /// What is not read.
    Unknown,
}

/// A field of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// Fields inside it.
    pub children: Vec<Field>,
    /// Values by number in a dictionary: which, and the width of the numbers.
    pub dictionary: Option<(u64, usize, bool)>,
}

impl Field {
    /// As a column of fixed values.
    pub fn leaf(&self, width: usize, meaning: Meaning) -> Leaf {
        let stored = Stored::Fixed(width);
        Leaf { name: self.name.clone(), stored, meaning, defined: 0, item: 0, repeated: 0 }
    }
}

/// Reads a file that is wholly in memory.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("arrow");
    if let Err(fault) = file(bytes, &mut inside) {
        stopped(&mut inside, "arrow", fault);
    }
    inside
}

/// Does a stream of messages begin here?
pub fn is_stream(head: &[u8]) -> bool {
    let message = || {
        let (mark, rest) = head.split_at_checked(4)?;
        let length = number(rest.get(..4)?);
        (mark == [0xff; 4] && (16..=4 << 20).contains(&length)).then_some(())?;
        let flat = Flat::new(rest.get(4..4 + length)?)?;
        let root = flat.root()?;
        (root.number(1, 1) == 1).then_some(())
    };
    message().is_some()
}

/// What has been read of a file.
#[derive(Default)]
struct Reading {
    fields: Option<Vec<Field>>,
    dictionaries: BTreeMap<u64, Texts>,
    columns: Vec<Part>,
    room: Room,
    /// Where batches lie: offset, length of the header, length of the body.
    blocks: Vec<(u64, u64, u64)>,
}

fn file(bytes: &[u8], inside: &mut Inside) -> Result<(), Fault> {
    let bad = || damaged("damaged or cut short");
    let (mut at, end) = match bytes.strip_prefix(b"ARROW1\0\0") {
        None => (0, bytes.len()),
        Some(_) => {
            let body = bytes.strip_suffix(b"ARROW1").filter(|b| b.len() >= 12).ok_or_else(bad)?;
            let (body, length) = body.split_at(body.len() - 4);
            (8, body.len().checked_sub(number(length)).filter(|e| *e >= 8).ok_or_else(bad)?)
        }
    };
    let mut reading = Reading::default();
    let mut ended = false;
    if at == 8 && bytes.get(at..at + 4) != Some(&[0xff; 4]) {
        // Polars writes the first message without its length; it ends where the footer says that batches begin.
        let footer = bytes.get(end..bytes.len() - 10).and_then(Flat::new).ok_or_else(bad)?;
        let root = footer.root().ok_or_else(bad)?;
        let blocks = [root.records(2, 24).ok_or_else(bad)?, root.records(3, 24).ok_or_else(bad)?].concat();
        let first = blocks.iter().map(|b| number(&b[..8])).min().unwrap_or(end - 8);
        let flat = bytes.get(at..first).and_then(Flat::new).ok_or_else(bad)?;
        message(&flat.root().ok_or_else(bad)?, &[], &mut reading, inside)?;
        unseen(&flat, "message", inside);
        at = first;
    }
    while at < end {
        let header = bytes.get(at..at + 8).filter(|h| h[..4] == [0xff; 4]).ok_or_else(bad)?;
        let length = number(&header[4..]);
        if length == 0 {
            (at, ended) = (at + 8, true);
            break;
        }
        let from = at + 8;
        let to = from.checked_add(length).ok_or_else(bad)?;
        let flat = bytes.get(from..to).filter(|_| to <= end).and_then(Flat::new).ok_or_else(bad)?;
        let root = flat.root().ok_or_else(bad)?;
        let size = usize::try_from(root.number(3, 8)).map_err(|_| bad())?;
        let until = to.checked_add(size).filter(|u| *u <= end).ok_or_else(bad)?;
        message(&root, bytes.get(to..until).ok_or_else(bad)?, &mut reading, inside)?;
        if root.number(1, 1) != 1 {
            reading.blocks.push((at as u64, (to - at) as u64, size as u64));
        }
        unseen(&flat, "message", inside);
        at = until;
    }
    // The mark at the end may be missing in a stream; nothing else may follow it.
    if at != end || !ended && end == bytes.len() && reading.blocks.is_empty() {
        inside.problem(ProblemKind::NotInspected, format!("byte {at}"), "bytes behind the last message");
    }
    let fields = reading.fields.take().ok_or_else(|| damaged("no schema"))?;
    if end < bytes.len() {
        footer(&bytes[end..bytes.len() - 10], &fields, &reading, inside)?;
    }
    let mut all = Vec::new();
    for part in reading.columns {
        match part.starts {
            Some(starts) => all.extend(spread(&part.name, &part.values, &starts, &mut reading.room)?),
            None => all.push((part.name, part.values)),
        }
    }
    table(inside, "table", &all)
}

fn unseen(flat: &Flat<'_>, place: &str, inside: &mut Inside) {
    let bytes = flat.unseen();
    if bytes > 0 {
        inside.hidden(place, format!("{bytes} bytes that nothing refers to"));
    }
}

/// The footer says what the messages say.
fn footer(bytes: &[u8], fields: &[Field], reading: &Reading, inside: &mut Inside) -> Result<(), Fault> {
    let bad = || damaged("a damaged footer");
    let flat = Flat::new(bytes).ok_or_else(bad)?;
    let root = flat.root().ok_or_else(bad)?;
    root.number(0, 2);
    let named = schema(&root.table(1).ok_or_else(bad)?, inside)?;
    let mut blocks = root.records(2, 24).ok_or_else(bad)?;
    blocks.extend(root.records(3, 24).ok_or_else(bad)?);
    let mut blocks: Vec<(u64, u64, u64)> = blocks
        .into_iter()
        .map(|b| (number(&b[..8]) as u64, number(&b[8..12]) as u64, number(&b[16..]) as u64))
        .collect();
    blocks.sort_unstable();
    if named != fields || blocks != reading.blocks {
        return Err(damaged("the footer names other things than the file holds"));
    }
    pairs(&root, 4, &names(fields), inside)?;
    unseen(&flat, "footer", inside);
    Ok(())
}

/// Every name in a schema.
fn names(fields: &[Field]) -> Vec<String> {
    fields.iter().flat_map(|f| std::iter::once(f.name.clone()).chain(names(&f.children))).collect()
}

fn message(
    root: &Table<'_, '_>,
    body: &[u8],
    reading: &mut Reading,
    inside: &mut Inside,
) -> Result<(), Fault> {
    let bad = || damaged("a damaged message");
    root.number(0, 2);
    let head = root.table(2).ok_or_else(bad)?;
    if root.tables(4).is_none_or(|t| !t.is_empty()) {
        pairs(root, 4, &[], inside)?;
    }
    match (root.number(1, 1), &reading.fields) {
        (1, None) => {
            let fields = schema(&head, inside)?;
            reading.columns = Vec::new();
            reading.fields = Some(fields);
            Ok(())
        }
        (2, Some(fields)) => {
            let id = head.number(0, 8);
            let field = by_dictionary(fields, id).ok_or_else(bad)?.clone();
            let batch = head.table(1).ok_or_else(bad)?;
            let empty = BTreeMap::new();
            let plain = Field { dictionary: None, ..field };
            let mut batch = Batch::open(&batch, body, &empty, &mut reading.room)?;
            let mut parts = batch.columns(std::slice::from_ref(&plain))?;
            batch.close(inside);
            let part = parts.pop().filter(|p| p.starts.is_none() && parts.is_empty()).ok_or_else(bad)?;
            let words = reading.dictionaries.entry(id).or_default();
            if head.number(2, 1) == 0 {
                *words = Texts::default();
            }
            (0..part.values.len()).for_each(|i| words.push(part.values.get(i)));
            Ok(())
        }
        (3, Some(fields)) => {
            let mut batch = Batch::open(&head, body, &reading.dictionaries, &mut reading.room)?;
            let parts = batch.columns(fields)?;
            batch.close(inside);
            if reading.columns.is_empty() {
                reading.columns = parts;
                return Ok(());
            }
            for (whole, part) in reading.columns.iter_mut().zip(parts) {
                whole.append(part);
            }
            Ok(())
        }
        _ => Err(damaged("a message of no known kind")),
    }
}

fn by_dictionary(fields: &[Field], id: u64) -> Option<&Field> {
    fields.iter().find_map(|f| {
        if f.dictionary.is_some_and(|(own, ..)| own == id) { Some(f) } else { by_dictionary(&f.children, id) }
    })
}

/// The pairs of metadata in a table.
fn pairs(table: &Table<'_, '_>, field: usize, names: &[String], inside: &mut Inside) -> Result<(), Fault> {
    for pair in table.tables(field).ok_or_else(|| damaged("damaged metadata"))? {
        let text = |f| crate::inside::utf8(pair.text(f).unwrap_or_default()).into_owned();
        let (key, value) = (text(0), text(1));
        let number = key == "PARQUET:field_id"
            && value.len() < 7
            && value.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        if !number {
            metadata(inside, "metadata", &key, &value, names);
        }
    }
    Ok(())
}

fn schema(table: &Table<'_, '_>, inside: &mut Inside) -> Result<Vec<Field>, Fault> {
    let bad = || damaged("a damaged schema");
    if table.number(0, 2) != 0 {
        return Err(damaged("numbers in another order than this machine's"));
    }
    let fields = table.tables(1).ok_or_else(bad)?;
    let fields: Vec<Field> = fields.iter().map(|f| field(f, inside, 12)).collect::<Result<_, _>>()?;
    pairs(table, 2, &names(&fields), inside)?;
    table.longs(3).ok_or_else(bad)?;
    Ok(fields)
}

fn field(table: &Table<'_, '_>, inside: &mut Inside, depth: usize) -> Result<Field, Fault> {
    let bad = || damaged("a damaged field");
    let depth = depth.checked_sub(1).ok_or_else(|| damaged("a schema that is too deep"))?;
    let name = crate::inside::utf8(table.text(0).unwrap_or_default()).into_owned();
    table.number(1, 1);
    let kind = kind(table.number(2, 1), &table.table(3), inside);
    let dictionary = match table.table(4) {
        None => None,
        Some(d) => {
            let (bits, signed) = d.table(1).map_or((32, true), |i| (i.number(0, 4), i.number(1, 1) != 0));
            d.number(2, 1);
            Some((d.number(0, 8), usize::try_from(bits / 8).map_err(|_| bad())?, signed))
        }
    };
    let children = table.tables(5).ok_or_else(bad)?;
    let children = children.iter().map(|c| field(c, inside, depth)).collect::<Result<_, _>>()?;
    pairs(table, 6, std::slice::from_ref(&name), inside)?;
    Ok(Field { name, kind, children, dictionary })
}

fn kind(number: u64, of: &Option<Table<'_, '_>>, inside: &mut Inside) -> Kind {
    let get = |field, width, otherwise| of.as_ref().and_then(|t| t.given(field, width)).unwrap_or(otherwise);
    let unit = |field, otherwise| match get(field, 2, otherwise) {
        0 => 1,
        1 => 1000,
        2 => 1_000_000,
        _ => 1_000_000_000,
    };
    match number {
        1 => Kind::Null,
        2 => {
            let meaning = if get(1, 1, 0) != 0 { Meaning::Signed } else { Meaning::Unsigned };
            match get(0, 4, 0) {
                bits @ (8 | 16 | 32 | 64) => Kind::Fixed(bits as usize / 8, meaning),
                _ => Kind::Unknown,
            }
        }
        3 => Kind::Fixed(2 << get(0, 2, 0).min(2), Meaning::Real),
        4 | 5 => Kind::Text(4),
        6 => Kind::Truth,
        7 => {
            let width = get(2, 4, 128) as usize / 8;
            let scale = get(1, 4, 0) as usize;
            get(0, 4, 0);
            if width == 16 { Kind::Fixed(16, Meaning::Decimal(scale, false)) } else { Kind::Unknown }
        }
        8 => match get(0, 2, 1) {
            0 => Kind::Fixed(4, Meaning::Day),
            _ => Kind::Fixed(8, Meaning::Moment(1000)),
        },
        9 => Kind::Fixed(get(1, 4, 32) as usize / 8, Meaning::Signed),
        10 => {
            let zone = of.as_ref().and_then(|t| t.text(1)).unwrap_or_default();
            if zone.len() > 40 {
                inside.hidden("time zone", crate::inside::utf8(zone));
            }
            Kind::Fixed(8, Meaning::Moment(unit(0, 0)))
        }
        12 => Kind::List(4),
        13 => Kind::Struct,
        16 => match get(0, 4, 1 << 31) as usize {
            items @ 1..=5000 => Kind::FixedList(items),
            _ => Kind::Unknown,
        },
        15 => match get(0, 4, 0) as usize {
            width @ 1..=4096 => Kind::Fixed(width, Meaning::Text),
            _ => Kind::Unknown,
        },
        18 => {
            get(0, 2, 1);
            Kind::Fixed(8, Meaning::Signed)
        }
        19 | 20 => Kind::Text(8),
        21 => Kind::List(8),
        23 | 24 => Kind::View,
        _ => Kind::Unknown,
    }
}

/// The schema that Arrow keeps in a Parquet footer: it may say nothing else than the footer does.
pub fn schema_of(text: &[u8], columns: &[String], inside: &mut Inside) {
    let parse = |inside: &mut Inside| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
        let length = number(bytes.get(4..8)?);
        let flat = Flat::new(bytes.get(8..).filter(|b| b.len() == length && bytes[..4] == [0xff; 4])?)?;
        let root = flat.root().filter(|r| r.number(1, 1) == 1 && r.number(3, 8) == 0)?;
        root.number(0, 2);
        let fields = schema(&root.table(2)?, inside).ok()?;
        root.tables(4)?.is_empty().then_some(())?;
        unseen(&flat, "schema", inside);
        let known =
            |name: &String| columns.iter().any(|c| c.split('.').any(|part| part == name) || c == name);
        for name in
            names(&fields).iter().filter(|n| !known(n) && !matches!(n.as_str(), "item" | "element" | ""))
        {
            inside.hidden("schema", name);
        }
        Some(())
    };
    if parse(inside).is_none() {
        inside.hidden("metadata ARROW:schema", "cannot be read");
        inside.unread(OpaqueKind::Workspace, "Arrow schema", "not understood");
    }
}
