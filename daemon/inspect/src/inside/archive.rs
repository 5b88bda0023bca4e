//! Zip archives: every byte is accounted for. What no directory entry names (gaps, bytes before the first or behind the
//! last, comments) and what two headers say differently is a finding, because other programs may read it.

use super::{Inside, MOST_MEMBERS};
use flate2::{Crc, Decompress, FlushDecompress, Status};
use sekisho_policy::facts::{OpaqueKind, ProblemKind};

/// Unpacked bytes per packed byte that are never called a bomb, beyond [`FREE`].
const RATIO: usize = 400;
const FREE: usize = 1 << 20;

fn le16(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

fn le32(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)).ok()
}

/// One entry of the directory.
struct Entry {
    name: String,
    flags: usize,
    method: usize,
    crc: u32,
    packed: usize,
    size: usize,
    local: usize,
    link: bool,
}

/// Reads an archive that is wholly in memory.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("zip");
    let Some((entries, directory)) = directory(bytes, &mut inside) else {
        inside.problem(ProblemKind::NotInspected, "directory", "the archive's directory cannot be read");
        return inside;
    };
    // Where local entries lie, to find what lies between them.
    let mut spans = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    for entry in entries {
        let place = entry.name.clone();
        if !names.insert(entry.name.clone()) {
            inside.problem(ProblemKind::NotInspected, place.clone(), "two members of one name");
        }
        if entry.name.starts_with('/') || entry.name.split(['/', '\\']).any(|p| p == "..") {
            inside.problem(ProblemKind::Malformed, place.clone(), "the name leads out of the archive");
        }
        if entry.link {
            inside.problem(ProblemKind::NotInspected, place.clone(), "a link");
        }
        match member(bytes, &entry, inside.room()) {
            Ok((data, span)) => {
                spans.push(span);
                if !entry.name.ends_with('/') && !inside.member(entry.name, data) {
                    return inside;
                }
            }
            Err((kind, detail)) => inside.problem(kind, place, detail),
        }
    }
    spans.sort_unstable();
    let mut at = 0;
    let whole = inside.problems.is_empty();
    for (from, to) in spans.into_iter().chain([(directory, directory)]) {
        if from > at && whole {
            let zeros = bytes.get(at..from).is_some_and(|gap| gap.iter().all(|b| *b == 0));
            let kind = if zeros { ProblemKind::TrailingBytes } else { ProblemKind::NotInspected };
            inside.problem(kind, format!("byte {at}"), format!("{} bytes that no entry names", from - at));
        } else if from < at && whole {
            inside.problem(ProblemKind::NotInspected, format!("byte {from}"), "entries overlap");
        }
        at = at.max(to);
    }
    inside
}

/// The directory's entries and where it begins.
fn directory(bytes: &[u8], inside: &mut Inside) -> Option<(Vec<Entry>, usize)> {
    let from = bytes.len().saturating_sub(22 + 65_535);
    let at = from + memchr::memmem::rfind(bytes.get(from..)?, b"PK\x05\x06")?;
    let end = bytes.get(at..)?;
    let (count, size, offset, comment) = (le16(end, 10)?, le32(end, 12)?, le32(end, 16)?, le16(end, 20)?);
    if count == 0xffff || size == 0xffff_ffff || offset == 0xffff_ffff {
        inside.unread(OpaqueKind::Archive, "zip64", "larger than is taken apart");
        return None;
    }
    if comment > 0 {
        inside.hidden("archive comment", super::utf8(end.get(22..22 + comment)?));
    }
    if at + 22 + comment != bytes.len() {
        let left = bytes.len().saturating_sub(at + 22 + comment);
        inside.problem(ProblemKind::TrailingBytes, "end", format!("{left} bytes follow"));
    }
    if offset + size != at {
        inside.problem(ProblemKind::NotInspected, "directory", "bytes between the directory and its end");
    }
    let mut entries = Vec::new();
    let mut rest = bytes.get(offset..offset + size)?;
    while !rest.is_empty() && entries.len() <= MOST_MEMBERS {
        if rest.get(..4)? != b"PK\x01\x02" {
            return None;
        }
        let (name, extra, comment) = (le16(rest, 28)?, le16(rest, 30)?, le16(rest, 32)?);
        let entry = Entry {
            name: super::utf8(rest.get(46..46 + name)?).into_owned(),
            flags: le16(rest, 8)?,
            method: le16(rest, 10)?,
            crc: u32::try_from(le32(rest, 16)?).ok()?,
            packed: le32(rest, 20)?,
            size: le32(rest, 24)?,
            local: le32(rest, 42)?,
            // Made on Unix, and a symbolic link there.
            link: rest.get(5) == Some(&3) && le16(rest, 40)? & 0xf000 == 0xa000,
        };
        if comment > 0 {
            let text = rest.get(46 + name + extra..46 + name + extra + comment)?;
            inside.hidden(format!("comment of {}", entry.name), super::utf8(text));
        }
        // Times and owners; nothing larger belongs there.
        if extra > 64 {
            inside.hidden(format!("extra field of {}", entry.name), format!("{extra} bytes"));
        }
        entries.push(entry);
        rest = rest.get(46 + name + extra + comment..)?;
    }
    (entries.len() == count).then_some((entries, offset))
}

type Fault = (ProblemKind, String);

/// The member's bytes, and where its local entry lies.
fn member(bytes: &[u8], entry: &Entry, room: usize) -> Result<(Vec<u8>, (usize, usize)), Fault> {
    let bad = |what: &str| (ProblemKind::NotInspected, what.to_owned());
    let local = bytes.get(entry.local..).ok_or_else(|| bad("beyond the end"))?;
    let header = || {
        (local.get(..4)? == b"PK\x03\x04").then_some(())?;
        Some((le16(local, 6)?, le16(local, 8)?, le16(local, 26)?, le16(local, 28)?))
    };
    let (flags, method, name, extra) = header().ok_or_else(|| bad("no entry where the directory says"))?;
    let own = local.get(30..30 + name).map(super::utf8);
    if own.as_deref() != Some(entry.name.as_str()) || method != entry.method || flags != entry.flags {
        return Err(bad("the directory and the entry name different things"));
    }
    if entry.flags & 1 != 0 {
        return Err(bad("encrypted"));
    }
    let start = 30 + name + extra;
    let packed = local.get(start..start + entry.packed).ok_or_else(|| bad("cut short"))?;
    if entry.size > room || entry.size > FREE.max(packed.len().saturating_mul(RATIO)) {
        let detail = format!("{} bytes unpacked from {}", entry.size, packed.len());
        return Err((ProblemKind::Bomb, detail));
    }
    let data = match entry.method {
        0 => packed.to_vec(),
        8 => inflate(packed, entry.size).ok_or_else(|| bad("cannot be unpacked to its stated size"))?,
        other => return Err(bad(&format!("compression method {other}"))),
    };
    let mut crc = Crc::new();
    crc.update(&data);
    if data.len() != entry.size || crc.sum() != entry.crc {
        return Err(bad("size or checksum differ from the directory"));
    }
    let mut end = entry.local + start + entry.packed;
    if entry.flags & 8 != 0 {
        // A descriptor repeats checksum and sizes, with or without a mark.
        end += if bytes.get(end..end + 4) == Some(b"PK\x07\x08") { 16 } else { 12 };
    }
    Ok((data, (entry.local, end)))
}

/// Raw deflate to exactly this many bytes, using up all the input.
pub fn inflate(packed: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut inflate = Decompress::new(false);
    let mut out = Vec::with_capacity(size + 1);
    loop {
        let before = (inflate.total_in(), inflate.total_out());
        let from = usize::try_from(before.0).ok()?;
        let status = inflate.decompress_vec(packed.get(from..)?, &mut out, FlushDecompress::Finish).ok()?;
        if status == Status::StreamEnd {
            let all = usize::try_from(inflate.total_in()).ok()? == packed.len();
            return (all && out.len() == size).then_some(out);
        }
        if (inflate.total_in(), inflate.total_out()) == before {
            return None;
        }
    }
}
