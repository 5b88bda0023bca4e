//! Objects saved by R (`.rds`, `.RData`, binary form): vectors, factors, data frames, matrices, tables and lists of them
//! become tables. Functions, environments and pointers are not read, and a file that holds one is not released.

use super::rframe;
use super::{Inside, utf8};
use sekisho_policy::facts::{OpaqueKind, ProblemKind};

/// Lists within lists, this deep.
const DEPTH: usize = 64;
/// Elements of all vectors together.
const MOST: usize = 24_000_000;

/// An object with its attributes.
#[derive(Debug, Default)]
pub struct Object {
    /// What it holds.
    pub value: Value,
    /// Names, classes, levels, dimensions and what else is attached.
    pub attributes: Vec<(String, Object)>,
}

/// What an object holds.
#[derive(Debug, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// Logical values and whole numbers; the smallest one means missing.
    Whole(Vec<i32>, bool),
    /// Numbers.
    Real(Vec<f64>),
    /// Texts.
    Text(Vec<Option<String>>),
    /// Objects in a row.
    List(Vec<Object>),
    /// Objects with names (pairlists).
    Named(Vec<(String, Object)>),
    /// Raw bytes.
    Bytes(Vec<u8>),
}

/// Why an object was not read.
enum Stop {
    /// It ends early or contradicts itself.
    Damaged,
    /// It holds something that cannot be judged.
    Unreadable(&'static str),
}

/// Reads a file that is wholly in memory.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("rdata");
    let saved = bytes.starts_with(b"RD");
    let body = if saved { bytes.get(5..).unwrap_or_default() } else { bytes };
    let mut reader = Reader { rest: body, references: Vec::new(), left: MOST };
    let found = reader.head().and_then(|()| reader.object(0));
    match found {
        Ok(object) => {
            if !reader.rest.is_empty() {
                let detail = format!("{} bytes follow", reader.rest.len());
                inside.problem(ProblemKind::TrailingBytes, "end", detail);
            }
            match object {
                Object { value: Value::Named(objects), .. } if saved => {
                    for (name, object) in &objects {
                        rframe::tables(name, object, &mut inside);
                    }
                }
                object => rframe::tables("object", &object, &mut inside),
            }
        }
        Err(Stop::Damaged) => inside.problem(ProblemKind::NotInspected, "object", "damaged or cut short"),
        Err(Stop::Unreadable(what)) => inside.unread(OpaqueKind::Workspace, "R data", what),
    }
    inside
}

struct Reader<'a> {
    rest: &'a [u8],
    references: Vec<String>,
    left: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Stop> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(Stop::Damaged)?;
        self.rest = rest;
        Ok(head)
    }

    fn int(&mut self) -> Result<i32, Stop> {
        let bytes = self.take(4)?;
        Ok(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A length, within what the rest of the file and the bound can hold.
    fn length(&mut self, width: usize) -> Result<usize, Stop> {
        let n = usize::try_from(self.int()?).map_err(|_| Stop::Unreadable("a very long vector"))?;
        if n.saturating_mul(width) > self.rest.len() {
            return Err(Stop::Damaged);
        }
        if n > self.left {
            return Err(Stop::Unreadable("more values than are taken apart"));
        }
        self.left -= n;
        Ok(n)
    }

    fn head(&mut self) -> Result<(), Stop> {
        if self.take(2)? != b"X\n" {
            return Err(Stop::Unreadable("a form that is not read"));
        }
        let version = self.int()?;
        self.take(8)?;
        if version == 3 {
            let n = self.length(1)?;
            self.take(n)?;
        }
        if matches!(version, 2 | 3) { Ok(()) } else { Err(Stop::Damaged) }
    }

    fn object(&mut self, depth: usize) -> Result<Object, Stop> {
        if depth > DEPTH {
            return Err(Stop::Unreadable("lists nested too deeply"));
        }
        let flags = self.int()?;
        let (attributed, tagged) = (flags & 0x200 != 0, flags & 0x400 != 0);
        let value = match flags & 0xff {
            254 | 242 | 241 | 253 | 251 | 252 => Value::Null,
            1 => Value::Text(vec![Some(self.symbol_new(depth)?)]),
            255 => {
                let index = if flags >> 8 == 0 { self.int()? } else { flags >> 8 };
                let name = usize::try_from(index - 1).ok().and_then(|i| self.references.get(i)).cloned();
                Value::Text(vec![Some(name.ok_or(Stop::Damaged)?)])
            }
            2 | 239 => return self.pairs(attributed || flags & 0xff == 239, tagged, depth),
            9 => Value::Text(vec![self.characters()?]),
            10 => Value::Whole(self.whole()?, true),
            13 => Value::Whole(self.whole()?, false),
            14 => {
                let n = self.length(8)?;
                let bytes = self.take(n * 8)?;
                Value::Real(
                    bytes
                        .chunks_exact(8)
                        .map(|b| f64::from_be_bytes(b.try_into().unwrap_or([0; 8])))
                        .collect(),
                )
            }
            16 => {
                let n = self.length(4)?;
                let mut texts = Vec::with_capacity(n.min(1 << 20));
                for _ in 0..n {
                    if self.int()? & 0xff != 9 {
                        return Err(Stop::Damaged);
                    }
                    texts.push(self.characters()?);
                }
                Value::Text(texts)
            }
            19 | 20 => {
                let n = self.length(4)?;
                let mut list = Vec::with_capacity(n.min(1 << 16));
                for _ in 0..n {
                    list.push(self.object(depth + 1)?);
                }
                Value::List(list)
            }
            24 => {
                let n = self.length(1)?;
                Value::Bytes(self.take(n)?.to_vec())
            }
            238 => return self.compact(depth),
            3 | 4 | 5 | 6 | 7 | 8 | 21 | 240 => {
                return Err(Stop::Unreadable("a function, call or environment"));
            }
            25 => return Err(Stop::Unreadable("an object of a formal class")),
            _ => return Err(Stop::Unreadable("an object of a kind that is not read")),
        };
        let attributes = if attributed { self.attributes(depth)? } else { Vec::new() };
        Ok(Object { value, attributes })
    }

    fn attributes(&mut self, depth: usize) -> Result<Vec<(String, Object)>, Stop> {
        match self.object(depth + 1)?.value {
            Value::Named(pairs) => Ok(pairs),
            Value::Null => Ok(Vec::new()),
            _ => Err(Stop::Damaged),
        }
    }

    fn symbol_new(&mut self, depth: usize) -> Result<String, Stop> {
        let Value::Text(mut text) = self.object(depth + 1)?.value else { return Err(Stop::Damaged) };
        let name = text.pop().flatten().unwrap_or_default();
        self.references.push(name.clone());
        Ok(name)
    }

    /// A pairlist, cell by cell, without going deeper for each.
    fn pairs(&mut self, attributed: bool, tagged: bool, depth: usize) -> Result<Object, Stop> {
        let (mut attributed, mut tagged) = (attributed, tagged);
        let mut found = Vec::new();
        let mut all = Vec::new();
        loop {
            if attributed {
                all.extend(self.attributes(depth)?);
            }
            let name = if tagged { self.tag(depth)? } else { String::new() };
            found.push((name, self.object(depth + 1)?));
            if self.left == 0 {
                return Err(Stop::Unreadable("more values than are taken apart"));
            }
            self.left -= 1;
            let before = self.rest;
            let flags = self.int()?;
            match flags & 0xff {
                254 => return Ok(Object { value: Value::Named(found), attributes: all }),
                2 => (attributed, tagged) = (flags & 0x200 != 0, flags & 0x400 != 0),
                _ => {
                    // A pair whose second half is no list.
                    self.rest = before;
                    found.push((String::new(), self.object(depth + 1)?));
                    return Ok(Object { value: Value::Named(found), attributes: all });
                }
            }
        }
    }

    fn tag(&mut self, depth: usize) -> Result<String, Stop> {
        match self.object(depth + 1)?.value {
            Value::Text(mut text) => Ok(text.pop().flatten().unwrap_or_default()),
            _ => Ok(String::new()),
        }
    }

    fn characters(&mut self) -> Result<Option<String>, Stop> {
        let n = self.int()?;
        if n == -1 {
            return Ok(None);
        }
        let n = usize::try_from(n).map_err(|_| Stop::Damaged)?;
        Ok(Some(utf8(self.take(n)?).into_owned()))
    }

    fn whole(&mut self) -> Result<Vec<i32>, Stop> {
        let n = self.length(4)?;
        let bytes = self.take(n * 4)?;
        Ok(bytes.chunks_exact(4).map(|b| i32::from_be_bytes(b.try_into().unwrap_or([0; 4]))).collect())
    }

    /// Vectors that R keeps in a short form: sequences, and texts that are numbers.
    fn compact(&mut self, depth: usize) -> Result<Object, Stop> {
        let class = self.object(depth + 1)?;
        let state = self.object(depth + 1)?;
        let attributes = self.object(depth + 1)?;
        let Value::Named(class) = class.value else { return Err(Stop::Damaged) };
        let name = match class.first() {
            Some((_, Object { value: Value::Text(text), .. })) => {
                text.first().cloned().flatten().unwrap_or_default()
            }
            _ => return Err(Stop::Damaged),
        };
        let value = match (name.as_str(), state.value) {
            ("compact_intseq" | "compact_realseq", Value::Real(state)) => {
                let [n, first, step] = state[..] else { return Err(Stop::Damaged) };
                if !(0.0..=self.left as f64).contains(&n) {
                    return Err(Stop::Unreadable("more values than are taken apart"));
                }
                self.left -= n as usize;
                Value::Real((0..n as usize).map(|i| first + step * i as f64).collect())
            }
            ("deferred_string", Value::Named(mut state)) if !state.is_empty() => {
                match state.remove(0).1.value {
                    Value::Whole(numbers, _) => {
                        Value::Text(numbers.iter().map(|n| (*n != i32::MIN).then(|| n.to_string())).collect())
                    }
                    Value::Real(numbers) => {
                        Value::Text(numbers.iter().map(|n| Some(n.to_string())).collect())
                    }
                    _ => return Err(Stop::Unreadable("texts in a form that is not read")),
                }
            }
            (_, Value::Named(mut state)) if name.starts_with("wrap_") && !state.is_empty() => {
                return Ok(state.remove(0).1);
            }
            (_, Value::List(mut state)) if name.starts_with("wrap_") && !state.is_empty() => {
                return Ok(state.remove(0));
            }
            _ => return Err(Stop::Unreadable("a vector in a form that is not read")),
        };
        let attributes = if let Value::Named(pairs) = attributes.value { pairs } else { Vec::new() };
        Ok(Object { value, attributes })
    }
}
