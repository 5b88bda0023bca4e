//! Thrift's compact protocol, as Parquet writes its headers: values by field number, within a budget.

use super::{Fault, damaged};

/// Nested structures.
const DEPTH: usize = 24;
/// Values of one structure and everything in it.
const MOST: usize = 400_000;

/// A value.
#[derive(Debug, PartialEq)]
pub enum Value<'a> {
    /// True or false, or a whole number.
    Whole(i64),
    /// A number that is not read.
    Real,
    /// Bytes or text.
    Bytes(&'a [u8]),
    /// Values of one kind.
    List(Vec<Value<'a>>),
    /// Fields by number.
    Struct(Vec<(i16, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The field of this number.
    pub fn field(&self, number: i16) -> Option<&Value<'a>> {
        match self {
            Self::Struct(fields) => fields.iter().find(|(n, _)| *n == number).map(|(_, v)| v),
            _ => None,
        }
    }

    /// A whole number.
    pub fn whole(&self, number: i16) -> Option<i64> {
        match self.field(number)? {
            Value::Whole(n) => Some(*n),
            _ => None,
        }
    }

    /// A number that counts something.
    pub fn size(&self, number: i16) -> Option<usize> {
        usize::try_from(self.whole(number)?).ok()
    }

    /// Bytes.
    pub fn bytes(&self, number: i16) -> Option<&'a [u8]> {
        match self.field(number)? {
            Value::Bytes(b) => Some(b),
            _ => None,
        }
    }

    /// Text.
    pub fn text(&self, number: i16) -> Option<String> {
        self.bytes(number).map(|b| crate::inside::utf8(b).into_owned())
    }

    /// The items of a list; none where it is absent.
    pub fn list(&self, number: i16) -> &[Value<'a>] {
        match self.field(number) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }
}

/// Reads a structure at the beginning of the bytes, and says how long it is.
pub fn read(bytes: &[u8]) -> Result<(Value<'_>, usize), Fault> {
    let mut reader = Reader { rest: bytes, left: MOST };
    let value = reader.fields(DEPTH).ok_or_else(|| damaged("a damaged header"))?;
    Ok((value, bytes.len() - reader.rest.len()))
}

struct Reader<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut n = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(n);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let n = self.varint()?;
        Some((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    fn fields(&mut self, depth: usize) -> Option<Value<'a>> {
        let depth = depth.checked_sub(1)?;
        let mut fields = Vec::new();
        let mut number = 0_i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(Value::Struct(fields));
            }
            number = match head >> 4 {
                0 => i16::try_from(self.zigzag()?).ok()?,
                step => number.checked_add(i16::from(step))?,
            };
            let value = match head & 15 {
                1 => Value::Whole(1),
                2 => Value::Whole(0),
                kind => self.value(kind, depth)?,
            };
            self.left = self.left.checked_sub(1)?;
            fields.push((number, value));
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Option<Value<'a>> {
        Some(match kind {
            // In lists, a truth is a byte.
            1..=3 => Value::Whole(i64::from(self.byte()? as i8)),
            4..=6 => Value::Whole(self.zigzag()?),
            7 => {
                self.rest = self.rest.get(8..)?;
                Value::Real
            }
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.rest.split_at_checked(length)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => usize::try_from(self.varint()?).ok()?,
                    few => usize::from(few),
                };
                // An item takes a byte at least.
                if count > self.rest.len() {
                    return None;
                }
                self.left = self.left.checked_sub(count)?;
                let depth = depth.checked_sub(1)?;
                let items: Option<Vec<_>> = (0..count).map(|_| self.value(head & 15, depth)).collect();
                Value::List(items?)
            }
            12 => self.fields(depth)?,
            // Maps are not used by Parquet.
            _ => return None,
        })
    }
}
