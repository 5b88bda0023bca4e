//! Kinds of values in HDF5.

use super::{Cursor, little, utf8};
use crate::inside::columnar::{Fault, damaged, layout};

/// Fields of a compound value, arrays opened.
const MOST_FIELDS: usize = 20_000;

/// What a value is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A whole number: its width, whether it has a sign, its order of bytes.
    Whole(usize, bool, bool),
    /// A fraction: its width and order of bytes.
    Real(usize, bool),
    /// Text of fixed width.
    Text(usize),
    /// A number with names for its values.
    Named(Box<Kind>, Vec<(Vec<u8>, String)>),
    /// Values in a heap; or text there.
    Sequence(Box<Kind>, bool),
    /// Several values, and their width together.
    Compound(Vec<Field<Kind>>, usize),
    /// Several of one kind.
    Array(usize, Box<Kind>),
    /// A place in the file.
    Reference(usize),
}

/// A part of a value.
#[derive(Debug, Clone)]
pub struct Field<K> {
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub from: usize,
    /// What it is.
    pub kind: K,
}

impl Kind {
    /// Reads a kind.
    pub fn read(at: &mut Cursor<'_>, depth: usize) -> Result<Self, Fault> {
        let depth = depth.checked_sub(1).ok_or_else(|| damaged("kinds that are too deep"))?;
        let head = at.number(1)?;
        let (class, version) = (head & 15, head >> 4);
        let bits = at.number(3)?;
        let size = at.size(4)?;
        if size == 0 || size > 1 << 24 {
            return Err(damaged("a value of no width, or too wide"));
        }
        Ok(match class {
            0 if matches!(size, 1 | 2 | 4 | 8) => {
                at.take(4)?;
                Self::Whole(size, bits & 8 != 0, bits & 1 == 0)
            }
            1 if matches!(size, 2 | 4 | 8) && bits & 0x40 == 0 => {
                at.take(12)?;
                Self::Real(size, bits & 1 == 0)
            }
            3 => Self::Text(size),
            4 if matches!(size, 1 | 2 | 4 | 8) => {
                at.take(4)?;
                Self::Whole(size, false, bits & 1 == 0)
            }
            6 => Self::compound(at, version, bits as usize & 0xffff, size, depth)?,
            7 => Self::Reference(size),
            8 => {
                let base = Self::read(at, depth)?;
                let count = bits as usize & 0xffff;
                let names: Vec<String> = (0..count).map(|_| name(at, version)).collect::<Result<_, _>>()?;
                let values = (0..count)
                    .map(|_| at.take(base.size()).map(<[u8]>::to_vec))
                    .collect::<Result<Vec<_>, _>>()?;
                Self::Named(Box::new(base), values.into_iter().zip(names).collect())
            }
            9 if size == 16 => {
                let inner = Self::read(at, depth)?;
                Self::Sequence(Box::new(inner), bits & 15 == 1)
            }
            10 => {
                let rank = at.size(1)?;
                at.take(if version < 3 { 3 } else { 0 })?;
                let mut count = 1_usize;
                for _ in 0..rank {
                    count = count.saturating_mul(at.size(4)?);
                }
                at.take(if version < 3 { 4 * rank } else { 0 })?;
                let inner = Self::read(at, depth)?;
                if count.checked_mul(inner.size()) != Some(size) {
                    return Err(damaged("a damaged kind"));
                }
                Self::Array(count, Box::new(inner))
            }
            _ => return Err(damaged("values of a kind that is not read")),
        })
    }

    fn compound(
        at: &mut Cursor<'_>,
        version: u64,
        count: usize,
        size: usize,
        depth: usize,
    ) -> Result<Self, Fault> {
        let width = (1..8).find(|w| size < 1 << (8 * w)).unwrap_or(8);
        let mut fields = Vec::new();
        for _ in 0..count {
            let name = name(at, version)?;
            let from = at.size(if version < 3 { 4 } else { width })?;
            let mut times = 1_usize;
            if version == 1 {
                let rank = at.size(1)?;
                at.take(11)?;
                let sizes = at.take(16)?;
                for size in sizes.chunks_exact(4).take(rank) {
                    times = times.saturating_mul(little(size) as usize);
                }
            }
            let mut kind = Self::read(at, depth)?;
            if times > 1 {
                kind = Self::Array(times, Box::new(kind));
            }
            if from.checked_add(kind.size()).is_none_or(|to| to > size) || fields.len() > MOST_FIELDS {
                return Err(damaged("a damaged kind"));
            }
            fields.push(Field { name, from, kind });
        }
        Ok(Self::Compound(fields, size))
    }

    /// Bytes of a value.
    pub fn size(&self) -> usize {
        match self {
            Self::Whole(size, ..)
            | Self::Real(size, _)
            | Self::Text(size)
            | Self::Compound(_, size)
            | Self::Reference(size) => *size,
            Self::Named(base, _) => base.size(),
            Self::Sequence(..) => 16,
            Self::Array(count, inner) => count.saturating_mul(inner.size()),
        }
    }

    /// The columns of a value: fields and items of arrays.
    pub fn fields(&self, name: &str) -> Vec<Field<&Self>> {
        let mut out = Vec::new();
        self.collect(name, 0, &mut out);
        out
    }

    fn collect<'k>(&'k self, name: &str, from: usize, out: &mut Vec<Field<&'k Self>>) {
        if out.len() > MOST_FIELDS {
            return;
        }
        match self {
            Self::Compound(fields, _) => {
                for field in fields {
                    let path =
                        if name.is_empty() { field.name.clone() } else { format!("{name}.{}", field.name) };
                    field.kind.collect(&path, from + field.from, out);
                }
            }
            Self::Array(count, inner) => {
                for at in 0..(*count).min(MOST_FIELDS) {
                    inner.collect(&format!("{name}{at}"), from + at * inner.size(), out);
                }
            }
            _ => out.push(Field { name: name.to_owned(), from, kind: self }),
        }
    }

    /// A value that stands in its place.
    pub fn shown(&self, value: &[u8]) -> Result<String, Fault> {
        let turned = |little: bool| {
            let mut bytes = value.to_vec();
            if !little {
                bytes.reverse();
            }
            bytes
        };
        Ok(match self {
            Self::Whole(size, signed, order) => {
                let number = little(&turned(*order));
                let shift = 64 - 8 * (*size).clamp(1, 8);
                if *signed { ((number << shift) as i64 >> shift).to_string() } else { number.to_string() }
            }
            Self::Real(_, order) => {
                let bits = little(&turned(*order));
                match value.len() {
                    2 => layout::half(bits as u16),
                    4 => layout::short(f32::from_bits(bits as u32)),
                    _ => layout::real(f64::from_bits(bits)),
                }
            }
            Self::Text(_) => {
                let end = memchr::memchr(0, value).unwrap_or(value.len());
                if value[end..].iter().any(|b| *b != 0) {
                    return Err(damaged("bytes behind the end of a text"));
                }
                utf8(value[..end].trim_ascii_end()).into_owned()
            }
            Self::Named(base, names) => {
                let named = names.iter().find(|(v, _)| v == value).map(|(_, n)| n.clone());
                named.map_or_else(|| base.shown(value), Ok)?
            }
            _ => return Err(damaged("values of a kind that is not read")),
        })
    }
}

/// A name; older versions pad it to eight bytes.
fn name(at: &mut Cursor<'_>, version: u64) -> Result<String, Fault> {
    let end = memchr::memchr(0, at.0).ok_or_else(|| damaged("a name without end"))?;
    let text = utf8(&at.0[..end]).into_owned();
    at.take(if version < 3 { (end + 1).next_multiple_of(8) } else { end + 1 })?;
    Ok(text)
}
