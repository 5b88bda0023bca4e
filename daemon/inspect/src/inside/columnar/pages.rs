//! The pages of one Parquet column: levels, dictionary and values, as text.

use super::compressed::{Codec, unpack};
use super::leaf::{Leaf, Stored, shown};
use super::thrift::{self, Value};
use super::{Fault, Room, Texts, damaged, little};

/// What a column holds.
#[derive(Default)]
pub struct Column {
    /// Its values, items of lists included.
    pub values: Texts,
    /// Where each row begins; only for lists.
    pub starts: Vec<usize>,
}

/// Reads all pages of one chunk of a column.
pub fn chunk(
    mut bytes: &[u8],
    codec: Codec,
    leaf: &Leaf,
    column: &mut Column,
    room: &mut Room,
    mut left: usize,
) -> Result<(), Fault> {
    let mut dictionary = None;
    while !bytes.is_empty() {
        let (header, length) = thrift::read(bytes)?;
        let bad = || damaged("a damaged page header");
        let size = header.size(2).ok_or_else(bad)?;
        let packed = header.size(3).ok_or_else(bad)?;
        let end = length.checked_add(packed).ok_or_else(bad)?;
        let page = bytes.get(length..end).ok_or_else(|| damaged("a page cut short"))?;
        bytes = bytes.get(end..).unwrap_or_default();
        match header.whole(1) {
            Some(2) => {
                let info = header.field(7).ok_or_else(bad)?;
                let count = info.size(1).ok_or_else(bad)?;
                if !matches!(info.whole(2), Some(0 | 2)) || dictionary.is_some() {
                    return Err(damaged("a dictionary that is not plain"));
                }
                let data = unpack(codec, page, size)?;
                let mut words = Texts::default();
                let rest = plain(&data, leaf, count, &mut words, room)?;
                spent(rest)?;
                dictionary = Some(words);
            }
            Some(version @ (0 | 3)) => {
                let (field, encoding) = if version == 0 { (5, 2) } else { (8, 4) };
                let info = header.field(field).ok_or_else(bad)?;
                let count = info.size(1).ok_or_else(bad)?;
                left =
                    left.checked_sub(count).ok_or_else(|| damaged("more values than the footer states"))?;
                room.values(count)?;
                let (data, from, repeated, defined) = if version == 0 {
                    // Levels are packed with the values, each behind its length.
                    let data = unpack(codec, page, size)?;
                    let mut rest = data.as_slice();
                    let mut levels = |most: u32| {
                        if most == 0 {
                            return Ok(Vec::new());
                        }
                        let (length, after) = rest.split_at_checked(4).ok_or_else(bad)?;
                        let length = little(length);
                        let (packed, after) = after.split_at_checked(length).ok_or_else(bad)?;
                        rest = after;
                        hybrid(packed, width(most), count)
                    };
                    let (repeated, defined) = (levels(leaf.repeated)?, levels(leaf.defined)?);
                    let from = data.len() - rest.len();
                    (data, from, repeated, defined)
                } else {
                    // Levels stand before the packed values; the header has their lengths.
                    let (defined, repeated) = (info.size(5).ok_or_else(bad)?, info.size(6).ok_or_else(bad)?);
                    let (first, rest) = page.split_at_checked(repeated).ok_or_else(bad)?;
                    let (second, rest) = rest.split_at_checked(defined).ok_or_else(bad)?;
                    let size = size.checked_sub(repeated + defined).ok_or_else(bad)?;
                    let codec = if info.whole(7) == Some(0) { Codec::Plain } else { codec };
                    let data =
                        if size == 0 && rest.is_empty() { Vec::new() } else { unpack(codec, rest, size)? };
                    let levels = |bytes: &[u8], most: u32| match most {
                        0 => spent(bytes).map(|()| Vec::new()),
                        _ => hybrid(bytes, width(most), count),
                    };
                    let (repeated, defined) = (levels(first, leaf.repeated)?, levels(second, leaf.defined)?);
                    (data, 0, repeated, defined)
                };
                values(
                    &info.whole(encoding),
                    data.get(from..).unwrap_or_default(),
                    leaf,
                    dictionary.as_ref(),
                    count,
                    (&repeated, &defined),
                    column,
                    room,
                )?;
            }
            _ => return Err(damaged("a page of no known kind")),
        }
    }
    if left > 0 { Err(damaged("fewer values than the footer states")) } else { Ok(()) }
}

/// Bits that hold numbers up to this.
fn width(most: u32) -> u32 {
    32 - most.leading_zeros()
}

/// Nothing may be left over, except bytes of padding that hold nothing.
fn spent(rest: &[u8]) -> Result<(), Fault> {
    if rest.len() <= 8 && rest.iter().all(|b| *b == 0) {
        Ok(())
    } else {
        Err(damaged("bytes behind the values of a page"))
    }
}

/// Puts the values of a page where its levels say.
#[allow(clippy::too_many_arguments)]
fn values(
    encoding: &Option<i64>,
    data: &[u8],
    leaf: &Leaf,
    dictionary: Option<&Texts>,
    count: usize,
    (repeated, defined): (&[u32], &[u32]),
    column: &mut Column,
    room: &mut Room,
) -> Result<(), Fault> {
    let there =
        if leaf.defined == 0 { count } else { defined.iter().filter(|d| **d == leaf.defined).count() };
    let mut found = Texts::default();
    let indices = match encoding {
        Some(2 | 8) => {
            let words = dictionary.ok_or_else(|| damaged("no dictionary"))?;
            let (bits, rest) = data.split_first().unwrap_or((&0, &[]));
            if u32::from(*bits) > 32 {
                return Err(damaged("a damaged page"));
            }
            let indices = if there == 0 { Vec::new() } else { hybrid(rest, u32::from(*bits), there)? };
            if indices.iter().any(|i| *i as usize >= words.len()) {
                return Err(damaged("a value that the dictionary lacks"));
            }
            Some((indices, words))
        }
        Some(0) => spent(plain(data, leaf, there, &mut found, room)?).map(|()| None)?,
        Some(3) if leaf.stored == Stored::Bits => {
            let packed = data.get(4..).filter(|p| p.len() == little(&data[..4]));
            let bits = hybrid(packed.ok_or_else(|| damaged("a damaged page"))?, 1, there)?;
            bits.iter().for_each(|b| found.push(if *b == 0 { b"false" } else { b"true" }));
            None
        }
        Some(5) => {
            let (numbers, rest) = deltas(data, there)?;
            spent(rest)?;
            let Stored::Fixed(width) = leaf.stored else { return Err(damaged("a damaged page")) };
            for n in numbers {
                push(leaf, n.to_le_bytes().get(..width).unwrap_or_default(), &mut found, room)?;
            }
            None
        }
        Some(6) => {
            let (lengths, mut rest) = deltas(data, there)?;
            for length in lengths {
                let length = usize::try_from(length).map_err(|_| damaged("a damaged page"))?;
                let (value, after) =
                    rest.split_at_checked(length).ok_or_else(|| damaged("a damaged page"))?;
                rest = after;
                push(leaf, value, &mut found, room)?;
            }
            spent(rest)?;
            None
        }
        Some(7) => {
            let (shared, rest) = deltas(data, there)?;
            let (lengths, mut rest) = deltas(rest, there)?;
            let mut last: Vec<u8> = Vec::new();
            for (shared, length) in shared.into_iter().zip(lengths) {
                let (Ok(shared), Ok(length)) = (usize::try_from(shared), usize::try_from(length)) else {
                    return Err(damaged("a damaged page"));
                };
                let (value, after) =
                    rest.split_at_checked(length).ok_or_else(|| damaged("a damaged page"))?;
                rest = after;
                if shared > last.len() {
                    return Err(damaged("a damaged page"));
                }
                last.truncate(shared);
                last.extend(value);
                push(leaf, &last, &mut found, room)?;
            }
            spent(rest)?;
            None
        }
        Some(9) => {
            let Stored::Fixed(width) = leaf.stored else { return Err(damaged("a damaged page")) };
            if Some(data.len()) != there.checked_mul(width) {
                return Err(damaged("a damaged page"));
            }
            for at in 0..there {
                let value: Vec<u8> = (0..width).map(|b| data[b * there + at]).collect();
                push(leaf, &value, &mut found, room)?;
            }
            None
        }
        _ => return Err(damaged("an encoding that is not read")),
    };
    let mut next = 0;
    for at in 0..count {
        let level = if leaf.defined == 0 { 0 } else { defined.get(at).copied().unwrap_or(0) };
        if leaf.repeated > 0 {
            if repeated.get(at) == Some(&0) {
                column.starts.push(column.values.len());
            } else if column.starts.is_empty() {
                return Err(damaged("a list that has no beginning"));
            }
            if level < leaf.item {
                continue;
            }
        }
        if level < leaf.defined {
            column.values.push(b"");
            continue;
        }
        let value = match &indices {
            Some((indices, words)) => words.get(indices.get(next).map_or(usize::MAX, |i| *i as usize)),
            None => found.get(next),
        };
        next += 1;
        room.bytes(value.len())?;
        column.values.push(value);
    }
    Ok(())
}

fn push(leaf: &Leaf, value: &[u8], out: &mut Texts, room: &mut Room) -> Result<(), Fault> {
    let text = shown(leaf, value)?;
    // Held twice for a moment; the room is counted where it stays.
    if text.len() > 1 << 20 {
        room.bytes(text.len())?;
    }
    out.push(text.as_bytes());
    Ok(())
}

/// Values one behind the other; what is left behind them.
fn plain<'a>(
    data: &'a [u8],
    leaf: &Leaf,
    count: usize,
    out: &mut Texts,
    room: &mut Room,
) -> Result<&'a [u8], Fault> {
    let short = || damaged("a page cut short");
    let mut rest = data;
    match leaf.stored {
        Stored::Bits => {
            let (bits, after) = rest.split_at_checked(count.div_ceil(8)).ok_or_else(short)?;
            for at in 0..count {
                out.push(if bits[at / 8] >> (at % 8) & 1 == 1 { b"true" } else { b"false" });
            }
            Ok(after)
        }
        Stored::Fixed(width) => {
            let (body, after) =
                rest.split_at_checked(count.checked_mul(width).ok_or_else(short)?).ok_or_else(short)?;
            for value in body.chunks_exact(width.max(1)).take(count) {
                push(leaf, value, out, room)?;
            }
            Ok(after)
        }
        Stored::Counted => {
            for _ in 0..count {
                let (length, after) = rest.split_at_checked(4).ok_or_else(short)?;
                let (value, after) = after.split_at_checked(little(length)).ok_or_else(short)?;
                rest = after;
                push(leaf, value, out, room)?;
            }
            Ok(rest)
        }
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Fault> {
    let mut n = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or_else(|| damaged("a number cut short"))?;
        *bytes = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(n);
        }
    }
    Err(damaged("a number without end"))
}

/// Numbers in this many bits, least significant first.
fn unpacked(bytes: &[u8], bits: u32, at: usize) -> u64 {
    let from = at * bits as usize;
    (0..bits as usize).fold(0, |n, bit| {
        let place = from + bit;
        n | u64::from(bytes.get(place / 8).copied().unwrap_or(0) >> (place % 8) & 1) << bit
    })
}

/// Runs of one number, and groups of eight packed in bits.
fn hybrid(mut bytes: &[u8], bits: u32, count: usize) -> Result<Vec<u32>, Fault> {
    let mut out = Vec::new();
    while out.len() < count {
        let head = varint(&mut bytes)?;
        let times = usize::try_from(head >> 1).unwrap_or(usize::MAX);
        if head & 1 == 0 {
            let width = bits.div_ceil(8) as usize;
            let (value, rest) = bytes.split_at_checked(width).ok_or_else(|| damaged("a run cut short"))?;
            bytes = rest;
            if times == 0 {
                return Err(damaged("an empty run"));
            }
            let value = little(value) as u32;
            out.resize(out.len() + times.min(count - out.len()), value);
        } else {
            let size = times.checked_mul(bits as usize).filter(|_| times > 0);
            let size = size.ok_or_else(|| damaged("an empty run"))?.min(bytes.len());
            let (packed, rest) = bytes.split_at(size);
            // The last group may be cut where its values end.
            let held = if bits == 0 { count } else { size * 8 / bits as usize };
            let wanted = times.saturating_mul(8).min(count - out.len());
            if held < wanted {
                return Err(damaged("a run cut short"));
            }
            bytes = rest;
            out.extend((0..wanted).map(|at| unpacked(packed, bits, at) as u32));
        }
    }
    spent(bytes)?;
    Ok(out)
}

/// Numbers as differences, in blocks.
fn deltas(mut bytes: &[u8], count: usize) -> Result<(Vec<i64>, &[u8]), Fault> {
    let bad = || damaged("damaged differences");
    let zigzag = |n: u64| (n >> 1) as i64 ^ -((n & 1) as i64);
    let block = usize::try_from(varint(&mut bytes)?).map_err(|_| bad())?;
    let parts = usize::try_from(varint(&mut bytes)?).map_err(|_| bad())?;
    let total = usize::try_from(varint(&mut bytes)?).map_err(|_| bad())?;
    let mut last = zigzag(varint(&mut bytes)?);
    if total != count
        || parts == 0
        || parts > 512
        || block == 0
        || block > 1 << 20
        || !block.is_multiple_of(parts * 8)
    {
        return Err(bad());
    }
    let mut out = Vec::new();
    if total > 0 {
        out.push(last);
    }
    while out.len() < total {
        let least = zigzag(varint(&mut bytes)?);
        let (widths, rest) = bytes.split_at_checked(parts).ok_or_else(bad)?;
        bytes = rest;
        for bits in widths {
            let bits = u32::from(*bits);
            if out.len() >= total {
                break;
            }
            let size = block / parts * bits as usize / 8;
            let (packed, rest) = bytes.split_at_checked(size).filter(|_| bits <= 64).ok_or_else(bad)?;
            bytes = rest;
            for at in 0..(block / parts).min(total - out.len()) {
                last = last.wrapping_add(least).wrapping_add(unpacked(packed, bits, at) as i64);
                out.push(last);
            }
        }
    }
    Ok((out, bytes))
}

/// The values' own codec.
pub fn codec(number: Option<i64>) -> Option<Codec> {
    Some(match number? {
        0 => Codec::Plain,
        1 => Codec::Snappy,
        2 => Codec::Gzip,
        6 => Codec::Zstd,
        7 => Codec::Lz4Block,
        _ => return None,
    })
}

/// Fields of a header that carry statistics: smallest and largest values.
pub fn extremes<'a>(statistics: &Value<'a>) -> Vec<&'a [u8]> {
    [1, 2, 5, 6].into_iter().filter_map(|f| statistics.bytes(f)).collect()
}
