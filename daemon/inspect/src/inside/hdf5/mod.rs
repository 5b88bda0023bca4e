//! HDF5: AnnData (`.h5ad`), pandas and PyTables, MATLAB 7.3 and plain files. Groups are walked, datasets become tables, and
//! attributes are read as texts.
//!
//! Our own reader of what these programs write by default: superblocks 0 to 3, object headers 1 and 2, groups as symbol
//! tables or links, data that is compact, contiguous or in chunks of a version 1 tree (deflate, shuffle, LZF, checksums).
//! The crates at hand read more, reserve what a header claims, and say nothing of bytes that nothing refers to. What is not
//! understood (other trees, dense links, other filters, external files) blocks.
//!
//! Invariant: such a file never passes. It can hold objects of programs, and only a person who opens it sees which.

mod chunks;
mod header;
mod kinds;

use self::header::{Message, Object};
use self::kinds::Kind;
use super::columnar::{Fault, Room, Texts, damaged, stopped, table};
use super::{Inside, utf8};
use sekisho_policy::facts::{OpaqueKind, ProblemKind};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// How a file begins, here or behind a block of the user's.
const MAGIC: &[u8] = b"\x89HDF\r\n\x1a\n";
/// An address that is none.
const NOWHERE: u64 = u64::MAX;
/// Groups and datasets of one file.
const MOST_OBJECTS: usize = 10_000;
/// Bytes of one dataset.
const MOST_DATA: usize = 64 << 20;
/// Unpacked bytes of all chunks.
const MOST_UNPACKED: usize = 512 << 20;

/// Does an HDF5 file begin here, or behind MATLAB's words?
pub fn plausible(head: &[u8]) -> bool {
    head.starts_with(MAGIC) || head.starts_with(b"MATLAB 7.3") || head.get(512..520) == Some(MAGIC)
}

/// Reads a file that is wholly in memory.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("hdf5");
    inside.unread(OpaqueKind::Model, "HDF5", "its tables are judged; what programs make of it is not known");
    let mut file = File {
        bytes,
        base: 0,
        seen: RefCell::new(Vec::new()),
        visited: BTreeSet::new(),
        references: RefCell::new(Vec::new()),
        room: Room::default(),
        unpacked: MOST_UNPACKED,
        heaps: RefCell::new(BTreeMap::new()),
    };
    if let Err(fault) = file.walk(&mut inside) {
        stopped(&mut inside, "hdf5", fault);
    }
    file.account(&mut inside);
    inside
}

/// The file and what has been read of it.
struct File<'a> {
    bytes: &'a [u8],
    base: u64,
    seen: RefCell<Vec<(usize, usize)>>,
    visited: BTreeSet<u64>,
    references: RefCell<Vec<u64>>,
    room: Room,
    unpacked: usize,
    heaps: RefCell<BTreeMap<u64, Heap>>,
}

/// A number, least significant byte first.
fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

/// Bytes read one after the other.
#[derive(Clone)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let (head, rest) = self.0.split_at_checked(n).ok_or_else(|| damaged("cut short"))?;
        self.0 = rest;
        Ok(head)
    }

    fn number(&mut self, width: usize) -> Result<u64, Fault> {
        self.take(width).map(little)
    }

    fn size(&mut self, width: usize) -> Result<usize, Fault> {
        usize::try_from(self.number(width)?).map_err(|_| damaged("a number that is too large"))
    }
}

/// Where the objects of a heap lie.
type Heap = BTreeMap<u16, (usize, usize)>;
/// A dataset of one dimension, waiting for others of its length.
type Waiting = Vec<(String, Texts)>;

impl<'a> File<'a> {
    /// Where these bytes lie in the file.
    fn place(&self, address: u64, length: usize) -> Result<(usize, usize), Fault> {
        let bad = || damaged("an address beyond the end");
        let from = usize::try_from(address.checked_add(self.base).ok_or_else(bad)?).map_err(|_| bad())?;
        let to = from.checked_add(length).filter(|to| *to <= self.bytes.len()).ok_or_else(bad)?;
        Ok((from, to))
    }

    /// Bytes at an address.
    fn at(&self, address: u64, length: usize) -> Result<&'a [u8], Fault> {
        let (from, to) = self.place(address, length)?;
        self.seen.borrow_mut().push((from, to));
        Ok(&self.bytes[from..to])
    }

    fn walk(&mut self, inside: &mut Inside) -> Result<(), Fault> {
        let start = [0, 512, 1024, 2048].into_iter().find(|at| self.bytes.get(*at..at + 8) == Some(MAGIC));
        let start = start.ok_or_else(|| damaged("no HDF5 file where one should begin"))?;
        self.seen.borrow_mut().push((0, start + 8));
        let words: String = utf8(&self.bytes[..start]).chars().filter(|c| !c.is_control()).collect();
        if !words.trim().is_empty() {
            inside.prose("before the file", words.trim());
        }
        let mut at = Cursor(&self.bytes[start + 8..]);
        let (root, end) = match at.number(1)? {
            version @ (0 | 1) => {
                at.take(4)?;
                let sizes = at.take(2)?;
                at.take(if version == 0 { 9 } else { 13 })?;
                self.base = at.number(8)?;
                at.take(8)?;
                let end = at.number(8)?;
                at.take(16)?;
                let root = at.number(8)?;
                at.take(24)?;
                if sizes != [8, 8] {
                    return Err(damaged("addresses of another width"));
                }
                (root, end)
            }
            2 | 3 => {
                if at.take(3)?[..2] != [8, 8] {
                    return Err(damaged("addresses of another width"));
                }
                self.base = at.number(8)?;
                let extension = at.number(8)?;
                let end = at.number(8)?;
                if extension != NOWHERE {
                    self.object(extension)?;
                }
                let root = at.number(8)?;
                at.take(4)?;
                (root, end)
            }
            _ => return Err(damaged("a version that is not read")),
        };
        self.seen.borrow_mut().push((start, self.bytes.len() - at.0.len()));
        // Some count the end from the base, some from the beginning.
        let length = self.bytes.len() as u64;
        if length < end {
            return Err(damaged("cut short"));
        }
        if length != end && length != end.saturating_add(self.base) {
            inside.problem(ProblemKind::TrailingBytes, "end", format!("{} bytes follow", length - end));
        }
        let mut alone = Waiting::new();
        self.node("", root, &mut alone, inside, 32)?;
        self.flush("", alone, inside)
    }

    /// A group or dataset; datasets of one dimension wait for their neighbours.
    fn node(
        &mut self,
        name: &str,
        address: u64,
        waiting: &mut Waiting,
        inside: &mut Inside,
        depth: usize,
    ) -> Result<(), Fault> {
        if !self.visited.insert(address) {
            return Ok(());
        }
        let depth = depth.checked_sub(1).ok_or_else(|| damaged("groups that are too deep"))?;
        if self.visited.len() > MOST_OBJECTS {
            return Err((ProblemKind::Bomb, format!("more than {MOST_OBJECTS} groups and datasets")));
        }
        let object = self.object(address)?;
        self.attributes(name, &object, inside)?;
        if object.find(8).is_some() {
            return self.dataset(name, &object, waiting, inside);
        }
        let links = self.links(&object, inside)?;
        let has = |key: &str| links.iter().any(|(n, _)| n == key);
        if has("indptr") && has("indices") {
            inside.unread(OpaqueKind::Workspace, "HDF5", format!("{name}: a sparse matrix"));
        }
        let categories = has("codes") && has("categories");
        let mut own = Waiting::new();
        for (link, address) in &links {
            let path = if name.is_empty() { link.clone() } else { format!("{name}/{link}") };
            self.node(&path, *address, &mut own, inside, depth)?;
        }
        if categories {
            let take = |own: &mut Waiting, end: &str| {
                own.iter().position(|(n, _)| n.ends_with(end)).map(|at| own.swap_remove(at).1)
            };
            if let (Some(codes), Some(words)) = (take(&mut own, "/codes"), take(&mut own, "/categories")) {
                waiting.push((name.to_owned(), self.decoded(&codes, &words)?));
            }
        }
        self.flush(name, own, inside)
    }

    /// Categories in place of their numbers.
    fn decoded(&mut self, codes: &Texts, words: &Texts) -> Result<Texts, Fault> {
        let mut out = Texts::default();
        for at in 0..codes.len() {
            let word = crate::number::whole(codes.get(at)).map_or(&[][..], |n| words.get(n as usize));
            self.room.bytes(word.len())?;
            out.push(word);
        }
        Ok(out)
    }

    /// Columns of one length are one table.
    fn flush(&mut self, name: &str, waiting: Waiting, inside: &mut Inside) -> Result<(), Fault> {
        let mut by_length: BTreeMap<usize, Waiting> = BTreeMap::new();
        for (path, column) in waiting {
            let short = path.rsplit('/').next().unwrap_or(&path).to_owned();
            by_length.entry(column.len()).or_default().push((short, column));
        }
        for columns in by_length.into_values() {
            table(inside, if name.is_empty() { "/" } else { name }, &columns)?;
        }
        Ok(())
    }

    fn attributes(&mut self, name: &str, object: &Object<'a>, inside: &mut Inside) -> Result<(), Fault> {
        let place = if name.is_empty() { "attributes" } else { name };
        for Message { kind, data } in &object.messages {
            match kind {
                0x0c => {
                    let header::Attribute { name: key, kind, shape, value } = header::attribute(data)?;
                    let count = shape.iter().product::<usize>();
                    let mut text = Vec::new();
                    for at in 0..count.min(10_000) {
                        let from =
                            at.checked_mul(kind.size()).ok_or_else(|| damaged("a damaged attribute"))?;
                        let value = value
                            .get(from..from + kind.size())
                            .ok_or_else(|| damaged("a damaged attribute"))?;
                        text.push(self.shown(&kind, value, 4)?);
                    }
                    let text = text.join(" ");
                    let usual = text.len() <= 64 && count <= 8 || names_columns(&key);
                    inside.prose(&format!("{place} {key}"), &format!("{key} {text}"));
                    if !usual {
                        inside.hidden(format!("{place}, attribute {key}"), text);
                    }
                }
                0x0d => inside.hidden(place, utf8(data)),
                // Attributes in a heap of their own.
                0x15 if header::heap_of_attributes(data)? != NOWHERE => {
                    return Err(damaged("attributes in a heap that is not read"));
                }
                0 if data.iter().any(|b| *b != 0) => {
                    inside.hidden(place, "bytes in room that is said to be free")
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn dataset(
        &mut self,
        name: &str,
        object: &Object<'a>,
        waiting: &mut Waiting,
        inside: &mut Inside,
    ) -> Result<(), Fault> {
        let need = |kind: u16| object.find(kind).ok_or_else(|| damaged("a dataset without its header"));
        let kind = Kind::read(&mut Cursor(need(3)?), 8)?;
        let Some(shape) = header::shape(need(1)?)? else { return Ok(()) };
        let count = shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d)).filter(|n| *n <= 1 << 40);
        let count = count.ok_or_else(|| damaged("dimensions that are too large"))?;
        let size = count.checked_mul(kind.size()).filter(|s| *s <= MOST_DATA);
        let size = size.ok_or_else(|| {
            (ProblemKind::Bomb, format!("{name}: larger than is taken apart ({MOST_DATA} bytes)"))
        })?;
        let fields = kind.fields("");
        self.room.values(count.saturating_mul(fields.len()))?;
        let data = self.data(object, &shape, kind.size(), size)?;
        let rows = shape.first().copied().unwrap_or(1);
        let across = count.checked_div(rows).unwrap_or(0);
        if across.saturating_mul(fields.len()) > 200_000 {
            return Err((ProblemKind::TooWide, format!("{name}: {across} columns")));
        }
        let mut columns = vec![Texts::default(); across * fields.len()];
        for (at, value) in data.chunks_exact(kind.size().max(1)).take(count).enumerate() {
            for (number, field) in fields.iter().enumerate() {
                let bytes = value.get(field.from..field.from + field.kind.size());
                let text = self.shown(field.kind, bytes.ok_or_else(|| damaged("a damaged value"))?, 4)?;
                self.room.bytes(text.len())?;
                if let Some(column) = columns.get_mut(at % across.max(1) * fields.len() + number) {
                    column.push(text.as_bytes());
                }
            }
        }
        if across == 1 && fields.len() == 1 {
            waiting.extend(columns.pop().map(|c| (name.to_owned(), c)));
            return Ok(());
        }
        let named = columns.into_iter().enumerate().map(|(at, column)| {
            let field = fields.get(at % fields.len()).map_or("", |f| f.name.as_str());
            (
                if across == 1 { field.to_owned() } else { format!("{field}V{}", at / fields.len() + 1) },
                column,
            )
        });
        table(inside, name, &named.collect::<Vec<_>>())
    }

    /// A value as text.
    fn shown(&self, kind: &Kind, value: &[u8], depth: usize) -> Result<String, Fault> {
        let depth = depth.checked_sub(1).ok_or_else(|| damaged("values in values"))?;
        match kind {
            Kind::Reference(_) => {
                self.references.borrow_mut().push(little(value.get(..8).unwrap_or_default()));
                Ok(String::new())
            }
            Kind::Sequence(inner, text) => {
                let mut at = Cursor(value);
                let (length, address, index) = (at.size(4)?, at.number(8)?, at.number(4)?);
                if length == 0 || address == 0 {
                    return Ok(String::new());
                }
                let bytes = self.heap(address, index as u16)?;
                if *text {
                    let own = bytes.get(..length).ok_or_else(|| damaged("a text cut short"))?;
                    return Ok(utf8(own).trim_end_matches('\0').to_owned());
                }
                let items = bytes.chunks_exact(inner.size().max(1)).take(length.min(10_000));
                Ok(items.map(|i| self.shown(inner, i, depth)).collect::<Result<Vec<_>, _>>()?.join(" "))
            }
            Kind::Compound(fields, _) => {
                let all = fields.iter().map(|f| {
                    let bytes = value
                        .get(f.from..f.from + f.kind.size())
                        .ok_or_else(|| damaged("a damaged value"))?;
                    self.shown(&f.kind, bytes, depth)
                });
                Ok(all.collect::<Result<Vec<_>, _>>()?.join(" "))
            }
            Kind::Array(count, inner) => {
                let items = value.chunks_exact(inner.size().max(1)).take(*count);
                Ok(items.map(|i| self.shown(inner, i, depth)).collect::<Result<Vec<_>, _>>()?.join(" "))
            }
            plain => plain.shown(value),
        }
    }

    /// An object of a heap that several values share.
    fn heap(&self, address: u64, index: u16) -> Result<&'a [u8], Fault> {
        let bad = || damaged("a damaged heap");
        let known = self.heaps.borrow().get(&address).map(|h| h.get(&index).copied());
        let span = match known {
            Some(span) => span,
            None => {
                let mut at = Cursor(self.at(address, 16)?);
                if at.take(4)? != b"GCOL" {
                    return Err(bad());
                }
                at.take(4)?;
                let size = at.size(8)?;
                // What stands between its objects is nobody's.
                let (base, end) = self.place(address, size)?;
                let whole = &self.bytes[base..end];
                let mut heap = BTreeMap::new();
                let mut from = 16;
                while let Some(head) = whole.get(from..from + 16) {
                    let (number, length) = (little(&head[..2]) as u16, little(&head[8..]) as usize);
                    self.seen.borrow_mut().push((base + from, base + from + 16));
                    if number == 0 {
                        break;
                    }
                    let to =
                        (from + 16).checked_add(length).filter(|to| *to <= whole.len()).ok_or_else(bad)?;
                    heap.insert(number, (base + from + 16, base + to));
                    from = to.next_multiple_of(8);
                }
                let span = heap.get(&index).copied();
                self.heaps.borrow_mut().insert(address, heap);
                span
            }
        };
        let (from, to) = span.ok_or_else(bad)?;
        self.seen.borrow_mut().push((from, to));
        self.bytes.get(from..to).ok_or_else(bad)
    }

    /// What nothing refers to, and references to nothing.
    fn account(&self, inside: &mut Inside) {
        let lost = self.references.borrow().iter().filter(|r| **r != 0 && !self.visited.contains(r)).count();
        if lost > 0 {
            inside.hidden("references", format!("{lost} that lead to no group or dataset"));
        }
        let mut seen = self.seen.borrow().clone();
        seen.sort_unstable();
        let (mut at, mut beside) = (0, 0);
        for (from, to) in seen {
            beside += self.bytes.get(at..from).map_or(0, |g| g.iter().filter(|b| **b != 0).count());
            at = at.max(to);
        }
        beside += self.bytes.get(at..).map_or(0, |g| g.iter().filter(|b| **b != 0).count());
        if beside > 0 {
            inside.hidden("file", format!("{beside} bytes that nothing refers to"));
        }
    }
}

/// Attributes of AnnData, pandas and dimension scales that name columns.
fn names_columns(key: &str) -> bool {
    matches!(key, "column-order" | "DIMENSION_LIST" | "REFERENCE_LIST")
}

#[cfg(test)]
mod tests;
