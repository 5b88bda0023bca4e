//! The arrays of an Arrow batch: buffers to values, and nothing in places that are said to be empty.

use super::arrow::{Field, Kind};
use super::compressed::{Codec, unpack};
use super::flat::Table;
use super::leaf::{Meaning, shown};
use super::{Fault, Room, Texts, damaged, little};
use crate::inside::Inside;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A column, or the items of one with where each row's begin.
pub struct Part {
    /// Its name, with dots.
    pub name: String,
    /// Its values.
    pub values: Texts,
    /// Where rows begin; only for lists.
    pub starts: Option<Vec<usize>>,
}

impl Part {
    /// Adds the rows of the next batch.
    pub fn append(&mut self, more: Self) {
        let base = self.values.len();
        if let (Some(own), Some(starts)) = (&mut self.starts, more.starts) {
            own.extend(starts.into_iter().map(|s| s + base));
        }
        (0..more.values.len()).for_each(|i| self.values.push(more.values.get(i)));
    }
}

/// One batch.
pub struct Batch<'a> {
    rows: usize,
    nodes: std::vec::IntoIter<(u64, u64)>,
    buffers: std::vec::IntoIter<(u64, u64)>,
    views: std::vec::IntoIter<u64>,
    codec: Option<Codec>,
    body: &'a [u8],
    dictionaries: &'a BTreeMap<u64, Texts>,
    room: &'a mut Room,
    /// Bytes that are not zero where no value is.
    beside: usize,
}

impl<'a> Batch<'a> {
    /// Opens a batch over its body.
    pub fn open(
        head: &Table<'_, '_>,
        body: &'a [u8],
        dictionaries: &'a BTreeMap<u64, Texts>,
        room: &'a mut Room,
    ) -> Result<Self, Fault> {
        let bad = || damaged("a damaged batch");
        let rows = usize::try_from(head.number(0, 8)).map_err(|_| bad())?;
        let codec = match head.table(3) {
            None => None,
            Some(c) if c.number(1, 1) == 0 => match c.number(0, 1) {
                0 => Some(Codec::Lz4Frame),
                1 => Some(Codec::Zstd),
                _ => return Err(damaged("a compression that is not read")),
            },
            Some(_) => return Err(damaged("a compression that is not read")),
        };
        let buffers = head.pairs(2).ok_or_else(bad)?;
        let mut spans = buffers.clone();
        spans.sort_unstable();
        let (mut at, mut beside) = (0_usize, 0);
        let some = |gap: Option<&[u8]>| gap.map_or(0, |g| g.iter().filter(|b| **b != 0).count());
        for (from, length) in spans.into_iter().filter(|(_, n)| *n > 0) {
            let from = usize::try_from(from).map_err(|_| bad())?;
            let to = usize::try_from(length).ok().and_then(|n| from.checked_add(n)).ok_or_else(bad)?;
            if from < at || to > body.len() {
                return Err(bad());
            }
            beside += some(body.get(at..from));
            at = to;
        }
        beside += some(body.get(at..));
        Ok(Self {
            rows,
            nodes: head.pairs(1).ok_or_else(bad)?.into_iter(),
            buffers: buffers.into_iter(),
            views: head.longs(4).ok_or_else(bad)?.into_iter(),
            codec,
            body,
            dictionaries,
            room,
            beside,
        })
    }

    /// Notes what lay beside the values.
    pub fn close(self, inside: &mut Inside) {
        if self.beside > 0 {
            inside.hidden("batch", format!("{} bytes where no value is", self.beside));
        }
    }

    /// All columns of these fields, each of as many rows as the batch.
    pub fn columns(&mut self, fields: &[Field]) -> Result<Vec<Part>, Fault> {
        let mut parts = Vec::new();
        for field in fields {
            parts.extend(self.field(field, self.rows, 12)?);
        }
        if self.nodes.next().is_some() || self.buffers.next().is_some() {
            return Err(damaged("more arrays than the schema names"));
        }
        Ok(parts)
    }

    fn buffer(&mut self) -> Result<Cow<'a, [u8]>, Fault> {
        let bad = || damaged("a buffer cut short");
        let (from, length) = self.buffers.next().ok_or_else(bad)?;
        if length == 0 {
            return Ok(Cow::Borrowed(&[]));
        }
        let (from, length) = (from as usize, length as usize);
        let bytes = from.checked_add(length).and_then(|to| self.body.get(from..to)).ok_or_else(bad)?;
        let Some(codec) = self.codec else { return Ok(Cow::Borrowed(bytes)) };
        let (size, packed) = bytes.split_at_checked(8).ok_or_else(bad)?;
        let size = i64::from_le_bytes(size.try_into().map_err(|_| bad())?);
        if size == -1 {
            return Ok(Cow::Borrowed(packed));
        }
        unpack(codec, packed, usize::try_from(size).map_err(|_| bad())?).map(Cow::Owned)
    }

    fn field(&mut self, field: &Field, rows: usize, depth: usize) -> Result<Vec<Part>, Fault> {
        let bad = || damaged("a damaged array");
        let depth = depth.checked_sub(1).ok_or_else(bad)?;
        let (length, _) = self.nodes.next().ok_or_else(bad)?;
        if length != rows as u64 {
            return Err(damaged("an array of another length than its batch"));
        }
        self.room.values(rows)?;
        let one = |values| Ok(vec![Part { name: field.name.clone(), values, starts: None }]);
        if let Some((id, width, signed)) = field.dictionary {
            let (valid, data) = (self.buffer()?, self.buffer()?);
            let words = self.dictionaries.get(&id).ok_or_else(|| damaged("no dictionary"))?;
            let mut values = Texts::default();
            for (row, number) in fixed(&data, width, rows, &mut self.beside)?.enumerate() {
                let number = little(number) & if signed { usize::MAX >> 1 } else { usize::MAX };
                if !is_valid(&valid, row) {
                    values.push(b"");
                } else if number < words.len() {
                    self.room.bytes(words.get(number).len())?;
                    values.push(words.get(number));
                } else {
                    return Err(damaged("a value that the dictionary lacks"));
                }
            }
            return one(values);
        }
        let mut values = Texts::default();
        match field.kind {
            Kind::Null => {
                (0..rows).for_each(|_| values.push(b""));
                one(values)
            }
            Kind::Truth => {
                let (valid, data) = (self.buffer()?, self.buffer()?);
                for row in 0..rows {
                    let bit = data.get(row / 8).ok_or_else(bad)? >> (row % 8) & 1;
                    values.push(if !is_valid(&valid, row) {
                        b""
                    } else if bit == 1 {
                        b"true"
                    } else {
                        b"false"
                    });
                }
                one(values)
            }
            Kind::Fixed(width, meaning) => {
                let (valid, data) = (self.buffer()?, self.buffer()?);
                let leaf = field.leaf(width, meaning);
                let mut empty = None;
                for (row, value) in fixed(&data, width, rows, &mut self.beside)?.enumerate() {
                    if is_valid(&valid, row) {
                        let text = shown(&leaf, value)?;
                        self.room.bytes(text.len())?;
                        values.push(text.as_bytes());
                    } else {
                        // What programs leave in an empty place: nothing, one, or no number; the same in all.
                        let usual = value
                            .split_first()
                            .is_some_and(|(first, rest)| *first < 2 && rest.iter().all(|b| *b == 0))
                            || meaning == Meaning::Real && shown(&leaf, value).is_ok_and(|t| t.is_empty())
                            || value
                                .split_last()
                                .is_some_and(|(last, rest)| *last == 0x80 && rest.iter().all(|b| *b == 0));
                        if !usual || *empty.get_or_insert(value) != value {
                            self.beside += value.len();
                        }
                        values.push(b"");
                    }
                }
                one(values)
            }
            Kind::Text(width) => {
                let (valid, offsets, data) = (self.buffer()?, self.buffer()?, self.buffer()?);
                let offsets = self.offsets(&offsets, width, rows, data.len())?;
                for row in 0..rows {
                    let value = data.get(offsets[row]..offsets[row + 1]).ok_or_else(bad)?;
                    if !is_valid(&valid, row) {
                        self.beside += value.len();
                        values.push(b"");
                        continue;
                    }
                    self.text(field, value, &mut values)?;
                }
                self.beside += rest(&data, offsets[rows]);
                one(values)
            }
            Kind::View => self.views(field, rows).and_then(one),
            Kind::List(width) => {
                let (_, offsets) = (self.buffer()?, self.buffer()?);
                let offsets = self.offsets(&offsets, width, rows, usize::MAX)?;
                self.list(field, &offsets, depth)
            }
            Kind::FixedList(items) => {
                self.buffer()?;
                let all = rows.checked_mul(items).ok_or_else(bad)?;
                self.room.values(all)?;
                let offsets: Vec<usize> = (0..=rows).map(|r| r * items).collect();
                self.list(field, &offsets, depth)
            }
            Kind::Struct => {
                self.buffer()?;
                let mut parts = Vec::new();
                for child in &field.children {
                    for part in self.field(child, rows, depth)? {
                        parts.push(Part { name: format!("{}.{}", field.name, part.name), ..part });
                    }
                }
                Ok(parts)
            }
            Kind::Unknown => Err(damaged("values of a kind that is not read")),
        }
    }

    fn list(&mut self, field: &Field, offsets: &[usize], depth: usize) -> Result<Vec<Part>, Fault> {
        let [child] = &field.children[..] else { return Err(damaged("a list without items")) };
        let (rows, items) = offsets.split_last().map(|(last, rows)| (rows, *last)).unwrap_or((&[], 0));
        let parts = self.field(child, items, depth)?;
        Ok(parts
            .into_iter()
            .map(|part| {
                let starts = rows.iter().map(|at| match &part.starts {
                    None => *at,
                    Some(inner) => inner.get(*at).copied().unwrap_or(part.values.len()),
                });
                let starts = Some(starts.collect());
                let name = if matches!(child.kind, Kind::Struct) {
                    format!("{}.{}", field.name, part.name)
                } else {
                    field.name.clone()
                };
                Part { name, values: part.values, starts }
            })
            .collect())
    }

    /// Offsets that begin at zero and never fall.
    fn offsets(&mut self, bytes: &[u8], width: usize, rows: usize, most: usize) -> Result<Vec<usize>, Fault> {
        if rows == 0 && bytes.is_empty() {
            return Ok(vec![0]);
        }
        let found: Vec<usize> = fixed(bytes, width, rows + 1, &mut self.beside)?.map(little).collect();
        let fine = found.first() == Some(&0) && found.is_sorted() && found.last().is_some_and(|l| *l <= most);
        if fine { Ok(found) } else { Err(damaged("offsets that do not fit")) }
    }

    fn views(&mut self, field: &Field, rows: usize) -> Result<Texts, Fault> {
        let bad = || damaged("a damaged array");
        let (valid, data) = (self.buffer()?, self.buffer()?);
        let more = self.views.next().ok_or_else(bad)?;
        let buffers = (0..more).map(|_| self.buffer()).collect::<Result<Vec<_>, _>>()?;
        let mut used = vec![0_usize; buffers.len()];
        let mut values = Texts::default();
        for (row, view) in fixed(&data, 16, rows, &mut 0)?.enumerate() {
            let length = little(&view[..4]);
            let value = if length <= 12 {
                self.beside += rest(view, 4 + length);
                &view[4..4 + length]
            } else {
                let (at, from) = (little(&view[8..12]), little(&view[12..]));
                *used.get_mut(at).ok_or_else(bad)? += length;
                buffers.get(at).and_then(|b| b.get(from..from.checked_add(length)?)).ok_or_else(bad)?
            };
            if is_valid(&valid, row) {
                self.text(field, value, &mut values)?;
            } else {
                self.beside += value.len();
                values.push(b"");
            }
        }
        // Every byte is some value's; a text that two rows share would make room for another.
        for (buffer, used) in buffers.iter().zip(used) {
            self.beside += buffer.len().saturating_sub(used);
        }
        Ok(values)
    }

    fn text(&mut self, field: &Field, value: &[u8], values: &mut Texts) -> Result<(), Fault> {
        let text = shown(&field.leaf(0, Meaning::Text), value)?;
        self.room.bytes(text.len())?;
        values.push(text.as_bytes());
        Ok(())
    }
}

/// Values of fixed width; what stands behind them must be nothing.
fn fixed<'b>(
    data: &'b [u8],
    width: usize,
    rows: usize,
    beside: &mut usize,
) -> Result<std::slice::ChunksExact<'b, u8>, Fault> {
    let size = rows.checked_mul(width).filter(|_| width > 0).ok_or_else(|| damaged("a damaged array"))?;
    let body = data.get(..size).ok_or_else(|| damaged("an array cut short"))?;
    *beside += rest(data, size);
    Ok(body.chunks_exact(width))
}

/// Bytes from here on that are not zero.
fn rest(data: &[u8], from: usize) -> usize {
    data.get(from..).map_or(0, |r| r.iter().filter(|b| **b != 0).count())
}

fn is_valid(bits: &[u8], row: usize) -> bool {
    bits.is_empty() || bits.get(row / 8).is_some_and(|b| b >> (row % 8) & 1 == 1)
}
