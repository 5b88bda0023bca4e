//! Where the bytes of a dataset lie: in its header, in one place, or in chunks that are packed.

use super::header::Object;
use super::{Cursor, File, NOWHERE};
use crate::inside::columnar::{Fault, damaged};
use sekisho_policy::facts::ProblemKind;
use std::collections::BTreeSet;
use std::io::Read;

/// Bytes of one chunk.
const MOST: usize = 64 << 20;

/// What was done to a chunk before it was written, in order.
enum Filter {
    Deflate,
    Shuffle,
    Fletcher,
    Lzf,
}

struct Chunked<'s> {
    shape: &'s [usize],
    sizes: Vec<usize>,
    width: usize,
    filters: Vec<Filter>,
    seen: BTreeSet<Vec<usize>>,
}

impl<'a> File<'a> {
    /// All bytes of a dataset, in order.
    pub(super) fn data(
        &mut self,
        object: &Object<'a>,
        shape: &[usize],
        width: usize,
        size: usize,
    ) -> Result<Vec<u8>, Fault> {
        let bad = || damaged("a layout that is not read");
        let mut at = Cursor(object.find(8).ok_or_else(bad)?);
        let version = at.number(1)?;
        if !matches!(version, 3 | 4) {
            return Err(bad());
        }
        match at.number(1)? {
            0 => {
                let length = at.size(2)?;
                let data = at.take(length)?;
                if length == size { Ok(data.to_vec()) } else { Err(damaged("data of another size")) }
            }
            1 => {
                let (address, length) = (at.number(8)?, at.size(8)?);
                if address == NOWHERE || size == 0 {
                    return filled(object, width, size);
                }
                if length == size {
                    self.at(address, size).map(<[u8]>::to_vec)
                } else {
                    Err(damaged("data of another size"))
                }
            }
            2 => {
                let filters = object.find(0x0b).map_or(Ok(Vec::new()), filters)?;
                let mut out = filled(object, width, size)?;
                let flags = if version == 4 { at.number(1)? } else { 0 };
                let rank = at.size(1)?.checked_sub(1).filter(|r| *r == shape.len()).ok_or_else(bad)?;
                let tree = if version == 3 { at.number(8)? } else { NOWHERE };
                let width_of = if version == 4 { at.size(1)? } else { 4 };
                if width_of > 8 {
                    return Err(bad());
                }
                let sizes: Vec<usize> = (0..rank).map(|_| at.size(width_of)).collect::<Result<_, _>>()?;
                if at.size(width_of)? != width || sizes.contains(&0) {
                    return Err(bad());
                }
                let mut chunked = Chunked { shape, sizes, width, filters, seen: BTreeSet::new() };
                if version == 3 {
                    if tree != NOWHERE && size > 0 {
                        self.tree(tree, &mut chunked, &mut out, None)?;
                    }
                } else {
                    // One chunk holds everything; other indexes of newer files are not read.
                    if at.number(1)? != 1 {
                        return Err(damaged("an index of chunks that is not read"));
                    }
                    let length = chunked.bytes()?;
                    let (length, mask) =
                        if flags & 2 != 0 { (at.size(8)?, at.number(4)?) } else { (length, 0) };
                    let address = at.number(8)?;
                    if address != NOWHERE {
                        let packed = self.at(address, length)?;
                        self.chunk(packed, mask, &vec![0; rank], &mut chunked, &mut out)?;
                    }
                }
                Ok(out)
            }
            _ => Err(bad()),
        }
    }

    fn tree(
        &mut self,
        address: u64,
        chunked: &mut Chunked<'_>,
        out: &mut [u8],
        above: Option<u64>,
    ) -> Result<(), Fault> {
        let bad = || damaged("a damaged index of chunks");
        let mut at = Cursor(self.at(address, 24)?);
        if at.take(4)? != b"TREE" || at.number(1)? != 1 {
            return Err(bad());
        }
        let level = at.number(1)?;
        if above.is_some_and(|a| level >= a) || level > 32 {
            return Err(bad());
        }
        let count = at.size(2)?;
        let key = 8 + 8 * (chunked.shape.len() + 1);
        let mut pairs = Cursor(self.at(address + 24, (key + 8) * count + key)?);
        for _ in 0..count {
            let (length, mask) = (pairs.size(4)?, pairs.number(4)?);
            let from: Vec<usize> =
                (0..chunked.shape.len()).map(|_| pairs.size(8)).collect::<Result<_, _>>()?;
            pairs.take(8)?;
            let child = pairs.number(8)?;
            if level > 0 {
                // Every leaf is a chunk that was not met before: going in circles ends at once.
                self.unpacked = self.unpacked.checked_sub(key).ok_or_else(bad)?;
                self.tree(child, chunked, out, Some(level))?;
            } else {
                let packed = self.at(child, length)?;
                self.chunk(packed, mask, &from, chunked, out)?;
            }
        }
        Ok(())
    }

    /// Unpacks a chunk and puts it where it belongs.
    fn chunk(
        &mut self,
        packed: &[u8],
        mask: u64,
        from: &[usize],
        chunked: &mut Chunked<'_>,
        out: &mut [u8],
    ) -> Result<(), Fault> {
        let size = chunked.bytes()?;
        self.unpacked = self
            .unpacked
            .checked_sub(size)
            .ok_or_else(|| (ProblemKind::Bomb, "chunks larger than is taken apart".to_owned()))?;
        let placed = from
            .iter()
            .zip(&chunked.sizes)
            .zip(chunked.shape)
            .all(|((f, s), n)| f.is_multiple_of(*s) && f < n);
        if !placed || !chunked.seen.insert(from.to_vec()) {
            return Err(damaged("chunks that do not fit together"));
        }
        let mut data = packed.to_vec();
        for (at, filter) in chunked.filters.iter().enumerate().rev() {
            if mask >> at & 1 == 0 {
                data = undo(filter, data, size, chunked.width)?;
            }
        }
        if data.len() != size {
            return Err(damaged("a chunk of another size"));
        }
        copy(&data, out, from, chunked);
        Ok(())
    }
}

impl Chunked<'_> {
    fn bytes(&self) -> Result<usize, Fault> {
        let size = self.sizes.iter().try_fold(self.width, |n, s| n.checked_mul(*s)).filter(|n| *n <= MOST);
        size.ok_or_else(|| (ProblemKind::Bomb, "chunks larger than is taken apart".to_owned()))
    }
}

/// Copies runs of the last dimension, as far as they lie inside the dataset.
fn copy(data: &[u8], out: &mut [u8], from: &[usize], chunked: &Chunked<'_>) {
    let (Some(last), Some(run)) = (chunked.shape.len().checked_sub(1), chunked.sizes.last()) else { return };
    let fits = (chunked.shape[last] - from[last]).min(*run) * chunked.width;
    for (number, row) in data.chunks_exact(run * chunked.width).enumerate() {
        let (mut rest, mut inside) = (number, true);
        let (mut to, mut step) = (from[last], chunked.shape[last]);
        for axis in (0..last).rev() {
            let place = from[axis] + rest % chunked.sizes[axis];
            rest /= chunked.sizes[axis];
            inside &= place < chunked.shape[axis];
            to = to.saturating_add(place.saturating_mul(step));
            step = step.saturating_mul(chunked.shape[axis]);
        }
        if inside && let Some(target) = out.get_mut(to * chunked.width..to * chunked.width + fits) {
            target.copy_from_slice(&row[..fits]);
        }
    }
}

/// What stands where nothing was written.
fn filled(object: &Object<'_>, width: usize, size: usize) -> Result<Vec<u8>, Fault> {
    let value = || {
        let mut at = Cursor(object.find(5)?);
        let version = at.number(1).ok()?;
        match version {
            1 | 2 => {
                at.take(2).ok()?;
                if at.number(1).ok()? == 0 {
                    return None;
                }
            }
            _ => {
                if at.number(1).ok()? & 0x20 == 0 {
                    return None;
                }
            }
        }
        let length = at.size(4).ok()?;
        at.take(length).ok().filter(|v| v.len() == width)
    };
    let mut out = vec![0; size];
    if let Some(value) = value().filter(|v| v.iter().any(|b| *b != 0)) {
        out.chunks_exact_mut(width.max(1)).for_each(|place| place.copy_from_slice(value));
    }
    Ok(out)
}

fn filters(data: &[u8]) -> Result<Vec<Filter>, Fault> {
    let mut at = Cursor(data);
    let (version, count) = (at.number(1)?, at.size(1)?);
    at.take(if version == 1 { 6 } else { 0 })?;
    let mut found = Vec::new();
    for _ in 0..count.min(32) {
        let id = at.number(2)?;
        let name = if version == 1 || id >= 256 { at.size(2)? } else { 0 };
        at.take(2)?;
        let values = at.size(2)?;
        at.take(if version == 1 { name.next_multiple_of(8) } else { name })?;
        at.take(4 * values + if version == 1 && values % 2 == 1 { 4 } else { 0 })?;
        found.push(match id {
            1 => Filter::Deflate,
            2 => Filter::Shuffle,
            3 => Filter::Fletcher,
            32_000 => Filter::Lzf,
            _ => return Err(damaged("a filter that is not read")),
        });
    }
    Ok(found)
}

fn undo(filter: &Filter, data: Vec<u8>, size: usize, width: usize) -> Result<Vec<u8>, Fault> {
    let bad = || damaged("a chunk that cannot be unpacked");
    match filter {
        Filter::Fletcher => {
            let end = data.len().checked_sub(4).ok_or_else(bad)?;
            Ok(data[..end].to_vec())
        }
        Filter::Shuffle => {
            let count = data.len() / width.max(1);
            let mut out = data.clone();
            for at in 0..count {
                for byte in 0..width {
                    out[at * width + byte] = data[byte * count + at];
                }
            }
            Ok(out)
        }
        Filter::Deflate => {
            // A checksum may stand behind the values.
            let mut out = Vec::new();
            let mut unpack = flate2::read::ZlibDecoder::new(data.as_slice()).take(size as u64 + 5);
            unpack.read_to_end(&mut out).map_err(|_| bad())?;
            if unpack.into_inner().total_in() != data.len() as u64 {
                return Err(damaged("bytes behind a packed chunk"));
            }
            Ok(out)
        }
        Filter::Lzf => lzf(&data, size).ok_or_else(bad),
    }
}

/// LibLZF: literal runs, and copies of what came before.
fn lzf(data: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out: Vec<u8> = Vec::new();
    let mut rest = data.iter().copied();
    while let Some(head) = rest.next() {
        let head = usize::from(head);
        if head < 32 {
            for _ in 0..=head {
                out.push(rest.next()?);
            }
        } else {
            let mut length = head >> 5;
            if length == 7 {
                length += usize::from(rest.next()?);
            }
            let back = (head & 31) << 8 | usize::from(rest.next()?);
            let from = out.len().checked_sub(back + 1)?;
            for at in from..from + length + 2 {
                out.push(*out.get(at)?);
            }
        }
        if out.len() > size + 4 {
            return None;
        }
    }
    Some(out)
}
