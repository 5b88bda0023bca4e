//! 7z archives: headers within a bound, solid blocks unpacked once, every checksum compared, every byte accounted for.
//!
//! Our own reader over the decoders that are here for xz: the public crate reserves what a header claims and does not
//! say what lies between the streams. Encryption, PPMd and filters for programs are not read, and block.

mod header;

use self::header::{Cursor, Method, Streams, names, streams};
use super::Inside;
use flate2::Crc;
use sekisho_policy::facts::{OpaqueKind, ProblemKind};
use std::io::Read;

/// Bytes of a header.
const HEADER: usize = 8 << 20;
/// Files, streams and folders of one archive.
const MOST: usize = 10_000;
/// Unpacked bytes per packed byte that are never called a bomb, beyond [`FREE`].
const RATIO: usize = 400;
const FREE: usize = 1 << 20;
/// What unpacking may look back on.
const DICTIONARY: u32 = 96 << 20;

type Fault = (ProblemKind, String);

fn bad(what: &str) -> Fault {
    (ProblemKind::NotInspected, what.to_owned())
}

/// Reads an archive that is wholly in memory.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("7z");
    if let Err((kind, detail)) = archive(bytes, &mut inside) {
        if detail == "encrypted" {
            inside.unread(OpaqueKind::Archive, "7z", detail);
        } else {
            inside.problem(kind, "7z", detail);
        }
    }
    inside
}

fn archive(bytes: &[u8], inside: &mut Inside) -> Result<(), Fault> {
    let start = bytes.get(12..32).ok_or_else(|| bad("cut short"))?;
    let long = |at: usize| {
        let number = start[at..at + 8].iter().rev().fold(0_u64, |n, b| n << 8 | u64::from(*b));
        usize::try_from(number).map_err(|_| bad("a damaged header"))
    };
    let (offset, size) = (long(0)?, long(8)?);
    if crc(start) != u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) {
        return Err(bad("a damaged header"));
    }
    let from = offset.checked_add(32).ok_or_else(|| bad("a damaged header"))?;
    let header = from.checked_add(size).and_then(|to| bytes.get(from..to)).ok_or_else(|| bad("cut short"))?;
    if size > HEADER {
        return Err((ProblemKind::Bomb, format!("a header of {size} bytes")));
    }
    if crc(header) != u32::from_le_bytes([start[16], start[17], start[18], start[19]]) {
        return Err(bad("a damaged header"));
    }
    let mut spans = vec![(0, 32), (from, from + size)];
    if from + size < bytes.len() {
        inside.problem(
            ProblemKind::TrailingBytes,
            "end",
            format!("{} bytes follow", bytes.len() - from - size),
        );
    }
    if header.is_empty() {
        return Ok(());
    }
    let mut held = header.to_vec();
    for _ in 0..4 {
        let mut cursor = Cursor(&held);
        if cursor.byte()? != 0x17 {
            break;
        }
        let streams = streams(&mut cursor)?;
        let mut whole = Vec::new();
        for folder in unpack(bytes, &streams, &mut spans, HEADER)? {
            whole.extend(folder);
        }
        held = whole;
    }
    let mut cursor = Cursor(&held);
    cursor.is(1)?;
    let mut all = Streams::default();
    let mut files = Vec::new();
    loop {
        match cursor.byte()? {
            0 => break,
            4 => all = streams(&mut cursor)?,
            5 => files = names(&mut cursor, inside)?,
            _ => return Err(bad("a header with more than is read")),
        }
    }
    if !cursor.0.is_empty() {
        inside.hidden("header", format!("{} bytes behind its end", cursor.0.len()));
    }
    let room = inside.room();
    let blocks = unpack(bytes, &all, &mut spans, room)?;
    let mut contents = Vec::new();
    for (folder, block) in all.folders.iter().zip(blocks) {
        let mut rest = block.as_slice();
        for (size, sum) in &folder.files {
            let (data, after) =
                rest.split_at_checked(*size).ok_or_else(|| bad("files larger than their block"))?;
            rest = after;
            if sum.is_some_and(|s| s != crc(data)) || sum.is_none() && folder.crc.is_none() {
                return Err(bad("a checksum that differs or is missing"));
            }
            contents.push(data.to_vec());
        }
        if !rest.is_empty() {
            return Err(bad("bytes in a block that no file has"));
        }
    }
    let mut contents = contents.into_iter();
    for file in files {
        if file.name.starts_with('/') || file.name.split(['/', '\\']).any(|p| p == "..") {
            inside.problem(ProblemKind::Malformed, file.name.clone(), "the name leads out of the archive");
        }
        if file.link {
            inside.problem(ProblemKind::NotInspected, file.name.clone(), "a link");
        }
        if file.empty {
            continue;
        }
        let data = contents.next().ok_or_else(|| bad("more names than files"))?;
        if !inside.member(file.name, data) {
            return Ok(());
        }
    }
    if contents.next().is_some() {
        return Err(bad("more files than names"));
    }
    spans.sort_unstable();
    let mut at = 0;
    for (from, to) in spans {
        if from > at {
            inside.hidden(format!("byte {at}"), format!("{} bytes that no file has", from - at));
        }
        at = at.max(to);
    }
    Ok(())
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Every folder's bytes, in order; notes where their packed streams lie.
fn unpack(
    bytes: &[u8],
    streams: &Streams,
    spans: &mut Vec<(usize, usize)>,
    room: usize,
) -> Result<Vec<Vec<u8>>, Fault> {
    let (mut at, mut left) = (streams.from, room);
    let mut sizes = streams.sizes.iter();
    let mut blocks = Vec::new();
    for folder in &streams.folders {
        let mut packed: &[u8] = &[];
        for _ in 0..folder.packed {
            let size = *sizes.next().ok_or_else(|| bad("a damaged header"))?;
            let to = at.checked_add(size).ok_or_else(|| bad("a damaged header"))?;
            packed = bytes.get(at..to).ok_or_else(|| bad("cut short"))?;
            spans.push((at, to));
            at = to;
        }
        let size = folder.sizes.last().copied().unwrap_or(0);
        if size > left || size > FREE.max(packed.len().saturating_mul(RATIO)) {
            return Err((ProblemKind::Bomb, format!("{size} bytes unpacked from {}", packed.len())));
        }
        left -= size;
        let mut block = block(&folder.method, packed, size)?;
        if folder.turned {
            // The checksum below says whether they were turned back rightly.
            block = exactly(lzma_rust2::filter::bcj::BcjReader::new_x86(block.as_slice(), 0), size)?;
        }
        if folder.crc.is_some_and(|c| c != crc(&block)) {
            return Err(bad("a block differs from its checksum"));
        }
        blocks.push(block);
    }
    if sizes.next().is_some() {
        return Err(bad("streams that no folder has"));
    }
    Ok(blocks)
}

/// Unpacks to exactly this size.
fn block(method: &Method, packed: &[u8], size: usize) -> Result<Vec<u8>, Fault> {
    let broken = |_| bad("data that cannot be unpacked");
    // Nothing looks further back than the block is long.
    let dictionary =
        |stated: u32| stated.min(u32::try_from(size).unwrap_or(u32::MAX)).clamp(4096, DICTIONARY);
    let mut rest = packed;
    let out = match method {
        Method::Copy => packed.to_vec(),
        Method::Lzma(settings) => {
            let [props, a, b, c, d] = settings[..] else { return Err(bad("a damaged header")) };
            let size_of = dictionary(u32::from_le_bytes([a, b, c, d]));
            let reader = lzma_rust2::LzmaReader::new_with_props(&mut rest, size as u64, props, size_of, None);
            exactly(reader.map_err(broken)?, size)?
        }
        Method::Lzma2(settings) => {
            let [bits] = settings[..] else { return Err(bad("a damaged header")) };
            let stated = match bits {
                40.. => u32::MAX,
                bits => (2 | u32::from(bits) & 1) << (bits / 2 + 11),
            };
            let out = exactly(lzma_rust2::Lzma2Reader::new(&mut rest, dictionary(stated), None), size)?;
            if !rest.is_empty() {
                return Err(bad("bytes behind a block"));
            }
            out
        }
        Method::Deflate => {
            super::archive::inflate(packed, size).ok_or_else(|| bad("data that cannot be unpacked"))?
        }
        Method::Bzip2 => exactly(crate::bzip::Bzip::new(packed), size)?,
        Method::Other(what) => return Err(bad(what)),
    };
    if out.len() == size { Ok(out) } else { Err(bad("data that cannot be unpacked")) }
}

fn exactly(from: impl Read, size: usize) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    from.take(size as u64 + 1).read_to_end(&mut out).map_err(|_| bad("data that cannot be unpacked"))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use crate::readers::testing::check;
    use sekisho_policy::Verdict;

    macro_rules! fixture {
        ($name:literal) => {
            include_bytes!(concat!("../../../fixtures/", $name)).as_slice()
        };
    }

    #[test]
    fn every_member_is_judged_whatever_packs_it() {
        assert_eq!(check(fixture!("clean.7z")).verdict, Verdict::Pass);
        for bytes in [
            fixture!("small.7z"),
            fixture!("small.lzma.7z"),
            fixture!("small.bzip2.7z"),
            fixture!("small.deflate.7z"),
        ] {
            let report = check(bytes);
            assert_eq!(report.verdict, Verdict::Block);
            assert!(report.findings[0].place.contains("b/b.csv"), "{:#?}", report.findings);
        }
        assert_eq!(check(fixture!("clean.encrypted.7z")).verdict, Verdict::Block);
        assert_ne!(check(&[fixture!("clean.7z"), b"secret"].concat()).verdict, Verdict::Pass);
    }

    #[test]
    fn archives_cut_or_changed_anywhere_never_pass() {
        for bytes in [fixture!("clean.7z"), fixture!("small.bzip2.7z"), fixture!("small.lzma.7z")] {
            for at in 1..bytes.len() {
                assert_ne!(check(&bytes[..at]).verdict, Verdict::Pass, "cut at {at}");
                let mut changed = bytes.to_vec();
                changed[at] ^= 0x21;
                // The version says nothing about the content.
                assert!(matches!(at, 6 | 7) || check(&changed).verdict != Verdict::Pass, "changed at {at}");
            }
        }
    }
}
