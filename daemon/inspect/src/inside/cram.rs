//! The header of a CRAM file: the text of SAM, in the first block of the first container.

use flate2::read::GzDecoder;
use std::io::Read;

/// Longest header read.
const MOST: u64 = 16 << 20;

/// The header's text, if the file's beginning holds all of it.
pub fn header(head: &[u8]) -> Option<Vec<u8>> {
    let major = *head.get(4)?;
    let mut at = 26 + 4;
    // Reference, start, span, records, counter of records, bases, blocks.
    for wide in [false, false, false, false, major >= 3, true, false] {
        at += if wide { ltf8(head, at)? } else { itf8(head, at)?.1 };
    }
    let (landmarks, length) = itf8(head, at)?;
    at += length;
    for _ in 0..landmarks.min(1 << 16) {
        at += itf8(head, at)?.1;
    }
    at += if major >= 3 { 4 } else { 0 };
    let (method, kind) = (*head.get(at)?, *head.get(at + 1)?);
    at += 2 + itf8(head, at + 2)?.1;
    let (packed, length) = itf8(head, at)?;
    at += length;
    at += itf8(head, at)?.1;
    let data = head.get(at..(at + usize::try_from(packed).ok()?).min(head.len()))?;
    let mut text = Vec::new();
    match (kind, method) {
        (0, 0) => text.extend_from_slice(data),
        // Cut short is enough: the first lines name the first references.
        (0, 1) => drop(GzDecoder::new(data).take(MOST).read_to_end(&mut text)),
        _ => return None,
    }
    (text.len() > 4).then(|| text.split_off(4))
}

/// An integer of one to five bytes: its value and its length.
fn itf8(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let first = u32::from(*bytes.get(at)?);
    let next = |i: usize| bytes.get(at + i).map(|b| u32::from(*b));
    Some(match first {
        0..=0x7f => (first, 1),
        0x80..=0xbf => ((first & 0x3f) << 8 | next(1)?, 2),
        0xc0..=0xdf => ((first & 0x1f) << 16 | next(1)? << 8 | next(2)?, 3),
        0xe0..=0xef => ((first & 0x0f) << 24 | next(1)? << 16 | next(2)? << 8 | next(3)?, 4),
        _ => ((first & 0x0f) << 28 | next(1)? << 20 | next(2)? << 12 | next(3)? << 4 | next(4)? & 0x0f, 5),
    })
}

/// The length of an integer of one to nine bytes.
fn ltf8(bytes: &[u8], at: usize) -> Option<usize> {
    Some(bytes.get(at)?.leading_ones() as usize + 1)
}

#[cfg(test)]
mod tests {
    use crate::readers::testing::{check, shared};
    use sekisho_policy::Verdict;

    fn cram(header: &str) -> Vec<u8> {
        let text = [&(header.len() as u32).to_le_bytes()[..], header.as_bytes()].concat();
        let mut bytes = b"CRAM\x03\x00".to_vec();
        bytes.extend([0; 20]);
        bytes.extend([0; 4]);
        // Seven numbers, no landmark, a checksum; then a block: raw, header, id, sizes.
        bytes.extend([0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        let size = [0x80 | (text.len() >> 8) as u8, text.len() as u8];
        bytes.extend([size, size].concat());
        bytes.extend(text);
        bytes
    }

    #[test]
    fn human_references_in_a_cram_block() {
        assert_eq!(check(&cram("@HD\tVN:1.6\n@SQ\tSN:1\tLN:248956422\n")).verdict, Verdict::Block);
        assert_eq!(check(&cram("@HD\tVN:1.6\n@SQ\tSN:I\tLN:15072423\n")).verdict, Verdict::Review);
        let Some(root) = shared() else { return };
        let worm = std::fs::read(root.join("reads/1400_index_simple.cram")).unwrap();
        assert!(super::header(&worm).is_some_and(|h| h.starts_with(b"@")));
    }
}
