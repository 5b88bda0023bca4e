//! The headers of a 7z archive: streams, folders and names, each within a bound.

use super::{Fault, Inside, MOST, bad};
use sekisho_policy::facts::ProblemKind;

pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let (head, rest) = self.0.split_at_checked(n).ok_or_else(|| bad("a header cut short"))?;
        self.0 = rest;
        Ok(head)
    }

    pub fn byte(&mut self) -> Result<u8, Fault> {
        self.take(1).map(|b| b[0])
    }

    /// A number whose first byte says how many follow.
    pub fn number(&mut self) -> Result<usize, Fault> {
        let first = self.byte()?;
        let more = first.leading_ones() as usize;
        let rest = self.take(more)?;
        let low = rest.iter().rev().fold(0_u64, |n, b| n << 8 | u64::from(*b));
        let high = if more >= 7 { 0 } else { u64::from(first) & ((1 << (7 - more)) - 1) };
        let all = if more == 8 { low } else { high << (8 * more) | low };
        usize::try_from(all).map_err(|_| bad("a number that is too large"))
    }

    pub fn count(&mut self) -> Result<usize, Fault> {
        self.number()
            .and_then(|n| if n <= MOST { Ok(n) } else { Err((ProblemKind::Bomb, format!("{n} entries"))) })
    }

    pub fn is(&mut self, mark: u8) -> Result<(), Fault> {
        if self.byte()? == mark { Ok(()) } else { Err(bad("a damaged header")) }
    }

    pub fn bits(&mut self, n: usize) -> Result<Vec<bool>, Fault> {
        let bytes = self.take(n.div_ceil(8))?;
        Ok((0..n).map(|i| bytes[i / 8] >> (7 - i % 8) & 1 == 1).collect())
    }

    pub fn digests(&mut self, n: usize) -> Result<Vec<Option<u32>>, Fault> {
        let there = if self.byte()? != 0 { vec![true; n] } else { self.bits(n)? };
        there
            .into_iter()
            .map(|t| {
                if t {
                    self.take(4).map(|b| Some(u32::from_le_bytes([b[0], b[1], b[2], b[3]])))
                } else {
                    Ok(None)
                }
            })
            .collect()
    }
}

/// How a folder is packed; only chains of one method are read.
#[derive(Clone)]
pub enum Method {
    Copy,
    Lzma(Vec<u8>),
    Lzma2(Vec<u8>),
    Deflate,
    Bzip2,
    Other(&'static str),
}

pub struct Folder {
    pub method: Method,
    /// Jumps of programs are turned.
    pub turned: bool,
    pub packed: usize,
    pub sizes: Vec<usize>,
    pub crc: Option<u32>,
    /// Sizes and checksums of the files in it.
    pub files: Vec<(usize, Option<u32>)>,
}

#[derive(Default)]
pub struct Streams {
    pub from: usize,
    pub sizes: Vec<usize>,
    pub folders: Vec<Folder>,
}

pub fn streams(cursor: &mut Cursor<'_>) -> Result<Streams, Fault> {
    let mut streams = Streams::default();
    loop {
        match cursor.byte()? {
            0 => return Ok(streams),
            6 => {
                streams.from = cursor.number()?.checked_add(32).ok_or_else(|| bad("a damaged header"))?;
                let count = cursor.count()?;
                loop {
                    match cursor.byte()? {
                        0 => break,
                        9 => streams.sizes = (0..count).map(|_| cursor.number()).collect::<Result<_, _>>()?,
                        10 => drop(cursor.digests(count)?),
                        _ => return Err(bad("a damaged header")),
                    }
                }
            }
            7 => folders(cursor, &mut streams)?,
            8 => substreams(cursor, &mut streams)?,
            _ => return Err(bad("a damaged header")),
        }
    }
}

pub fn folders(cursor: &mut Cursor<'_>, streams: &mut Streams) -> Result<(), Fault> {
    cursor.is(11)?;
    let count = cursor.count()?;
    cursor.is(0)?;
    for _ in 0..count {
        streams.folders.push(folder(cursor)?);
    }
    cursor.is(12)?;
    for folder in &mut streams.folders {
        for size in &mut folder.sizes {
            *size = cursor.number()?;
        }
    }
    let mut mark = cursor.byte()?;
    if mark == 10 {
        let digests = cursor.digests(count)?;
        streams.folders.iter_mut().zip(digests).for_each(|(f, d)| f.crc = d);
        mark = cursor.byte()?;
    }
    for folder in &mut streams.folders {
        folder.files = vec![(folder.sizes.last().copied().unwrap_or(0), folder.crc)];
    }
    if mark == 0 { Ok(()) } else { Err(bad("a damaged header")) }
}

pub fn folder(cursor: &mut Cursor<'_>) -> Result<Folder, Fault> {
    let coders = cursor.number()?;
    if !(1..=8).contains(&coders) {
        return Err(bad("a damaged header"));
    }
    let (mut ins, mut outs) = (0, 0);
    let mut methods = Vec::new();
    let mut turned = false;
    for _ in 0..coders {
        let flags = cursor.byte()?;
        let id = cursor.take(usize::from(flags & 15))?;
        let (i, o) = if flags & 16 == 0 { (1, 1) } else { (cursor.count()?, cursor.count()?) };
        (ins, outs) = (ins + i, outs + o);
        let length = if flags & 32 == 0 { 0 } else { cursor.number()? };
        let settings = cursor.take(length)?.to_vec();
        methods.push(match id {
            // Jumps of programs, counted from the beginning: 7-Zip and others put this before everything.
            [3, 3, 1, 3] | [4] if i == 1 && o == 1 => {
                turned = true;
                continue;
            }
            [0] => Method::Copy,
            [3, 1, 1] => Method::Lzma(settings),
            [0x21] => Method::Lzma2(settings),
            [4, 1, 8] => Method::Deflate,
            [4, 2, 2] => Method::Bzip2,
            [6, 0xf1, 7, 1] => return Err(bad("encrypted")),
            [3, 4, 1] => Method::Other("ppmd"),
            _ => Method::Other("a method that is not read"),
        });
    }
    let method = match <[Method; 1]>::try_from(methods) {
        Ok([method]) if coders == 1 + usize::from(turned) => method,
        _ => Method::Other("a chain of methods"),
    };
    let bound = outs.checked_sub(1).ok_or_else(|| bad("a damaged header"))?;
    for _ in 0..2 * bound {
        cursor.number()?;
    }
    let packed = ins.checked_sub(bound).filter(|p| *p > 0).ok_or_else(|| bad("a damaged header"))?;
    for _ in 0..if packed > 1 { packed } else { 0 } {
        cursor.number()?;
    }
    Ok(Folder { method, turned, packed, sizes: vec![0; outs], crc: None, files: Vec::new() })
}

pub fn substreams(cursor: &mut Cursor<'_>, streams: &mut Streams) -> Result<(), Fault> {
    let mut mark = cursor.byte()?;
    let mut counts = vec![1; streams.folders.len()];
    if mark == 13 {
        for count in &mut counts {
            *count = cursor.count()?;
        }
        mark = cursor.byte()?;
    }
    if counts.iter().sum::<usize>() > MOST {
        return Err((ProblemKind::Bomb, format!("more than {MOST} files")));
    }
    for (folder, count) in streams.folders.iter_mut().zip(&counts) {
        let all = folder.sizes.last().copied().unwrap_or(0);
        let mut left = all;
        let mut files = Vec::new();
        for at in 0..*count {
            let size = if at + 1 == *count {
                left
            } else if mark == 9 {
                cursor.number()?
            } else {
                0
            };
            left = left.checked_sub(size).ok_or_else(|| bad("files larger than their block"))?;
            files.push((size, if *count == 1 { folder.crc } else { None }));
        }
        folder.files = files;
    }
    if mark == 9 {
        mark = cursor.byte()?;
    }
    if mark == 10 {
        let open: Vec<&mut Option<u32>> = streams
            .folders
            .iter_mut()
            .flat_map(|f| &mut f.files)
            .map(|(_, c)| c)
            .filter(|c| c.is_none())
            .collect();
        let digests = cursor.digests(open.len())?;
        open.into_iter().zip(digests).for_each(|(file, digest)| *file = digest);
        mark = cursor.byte()?;
    }
    if mark == 0 { Ok(()) } else { Err(bad("a damaged header")) }
}

/// A file by its name.
#[derive(Default, Clone)]
pub struct Named {
    pub name: String,
    pub empty: bool,
    pub link: bool,
}

pub fn names(cursor: &mut Cursor<'_>, inside: &mut Inside) -> Result<Vec<Named>, Fault> {
    let count = cursor.count()?;
    let mut files = vec![Named::default(); count];
    loop {
        let kind = cursor.byte()?;
        if kind == 0 {
            return Ok(files);
        }
        let size = cursor.number()?;
        let mut data = Cursor(cursor.take(size)?);
        match kind {
            14 => {
                let bits = data.bits(count)?;
                files.iter_mut().zip(bits).for_each(|(f, b)| f.empty = b);
            }
            17 => {
                data.is(0)?;
                let units: Vec<u16> =
                    data.0.chunks_exact(2).map(|p| u16::from_le_bytes([p[0], p[1]])).collect();
                let texts: Vec<String> = units.split(|u| *u == 0).map(String::from_utf16_lossy).collect();
                if texts.len() != count + 1 {
                    return Err(bad("a damaged header"));
                }
                files.iter_mut().zip(texts).for_each(|(f, t)| f.name = t);
            }
            21 => {
                let there = if data.byte()? != 0 { vec![true; count] } else { data.bits(count)? };
                data.is(0)?;
                for (file, _) in files.iter_mut().zip(there).filter(|(_, t)| *t) {
                    let word = data.take(4)?;
                    // Windows' mark of a link, or Unix's in the upper half.
                    file.link = word[1] & 4 != 0 || word[1] & 0x80 != 0 && word[3] & 0xf0 == 0xa0;
                }
            }
            // Empty files, times, and room that holds nothing.
            15 | 16 | 18..=20 => {}
            25 if data.0.iter().all(|b| *b == 0) => {}
            other => inside.hidden("header", format!("a property {other} of {size} bytes")),
        }
    }
}
