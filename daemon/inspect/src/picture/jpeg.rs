//! JPEG: what rides along is named, and the file itself never passes: its coefficients can carry anything without being
//! seen. The copy is made of what a screen shows.

use super::pixels::Pixels;
use super::{MOST_BYTES, MOST_PIXELS};
use crate::readers::Found;
use crate::readers::tally::{Tally, words};
use sekisho_policy::facts::{Opaque, OpaqueKind, Part, Problem, ProblemKind, Statistics, What};
use std::io::Read;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Reads a picture to its end.
pub fn read(stream: &mut impl Read, minimum: u64) -> Found {
    let mut bytes = Vec::new();
    let whole =
        stream.take(MOST_BYTES + 1).read_to_end(&mut bytes).is_ok() && bytes.len() as u64 <= MOST_BYTES;
    let opaque = Opaque { kind: OpaqueKind::Picture, format: "JPEG".into(), detail: String::new() };
    let mut found = Found { kind: "jpeg".into(), rows: 1, unit: "pictures", ..Found::nothing() };
    found.parts.push(Part::Opaque(opaque));
    if !whole {
        found.problems.push(Problem::new(ProblemKind::Bomb, "", "larger than is looked into"));
        return found;
    }
    match segments(&bytes) {
        Some(Segments { beside, rest }) => {
            let mut tally = Tally::default();
            let about = tally.name("");
            for (name, data) in beside {
                crate::readers::text::scan::line(data, 1, about, &mut tally);
                tally.add(What::Hidden, about, || (name, format!("{} bytes", data.len())));
            }
            let evidence = tally.evidence();
            let subjects = String::new();
            found.parts.push(Part::Statistics(Statistics { rows: 1, clear: 0, minimum, subjects, evidence }));
            if !rest.is_empty() {
                let detail = format!("{} bytes follow", rest.len());
                found.problems.push(Problem::new(ProblemKind::TrailingBytes, "end of the picture", detail));
            }
        }
        None => {
            found.problems.push(Problem::new(ProblemKind::Malformed, "", "segments that do not fit together"))
        }
    }
    found
}

/// The pixels of a picture whatever rides along, and what does.
pub fn salvage(bytes: &[u8]) -> Option<(Pixels, Vec<String>)> {
    let Segments { beside, rest } = segments(bytes)?;
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(1 << 15)
        .set_max_height(1 << 15)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().ok()?;
    let (width, height) = decoder.dimensions()?;
    if width.checked_mul(height)? > MOST_PIXELS {
        return None;
    }
    let rgb = decoder.decode().ok()?;
    let rgba = rgb.chunks_exact(3).map(|p| [p[0], p[1], p[2], 255]).collect();
    let mut dropped: Vec<String> =
        beside.iter().take(20).map(|(name, data)| format!("{name} ({} bytes)", data.len())).collect();
    if !rest.is_empty() {
        dropped.push(format!("{} bytes behind the end", rest.len()));
    }
    Some((Pixels::new(width, height, rgba)?, dropped))
}

/// What a picture consists of besides the pixels.
struct Segments<'a> {
    /// Segments that say nothing about pixels.
    beside: Vec<(String, &'a [u8])>,
    /// What follows the end.
    rest: &'a [u8],
}

/// Walks from marker to marker.
fn segments(bytes: &[u8]) -> Option<Segments<'_>> {
    let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
    let mut beside = Vec::new();
    loop {
        let (&[0xff, kind], after) = rest.split_first_chunk()? else { return None };
        match kind {
            // Padding before a marker.
            0xff => rest = &rest[1..],
            0xd9 => return Some(Segments { beside, rest: after }),
            0x01 | 0xd0..=0xd7 => rest = after,
            _ => {
                let (length, _) = after.split_first_chunk()?;
                let length = usize::from(u16::from_be_bytes(*length));
                let (data, next) = (after.get(2..length)?, after.get(length..)?);
                // A plain file header has no small picture in it; the other one names a colour transform.
                let plain = kind == 0xe0 && data.starts_with(b"JFIF\0") && data.len() == 14
                    || kind == 0xee && data.starts_with(b"Adobe") && data.len() == 12;
                if matches!(kind, 0xe0..=0xef | 0xfe) && !plain {
                    if beside.len() >= 1000 {
                        return None;
                    }
                    let label = words(data.split(|b| *b == 0).next().unwrap_or_default());
                    let name = match kind {
                        0xfe => "comment".to_owned(),
                        _ => format!("APP{} {}", kind - 0xe0, label.chars().take(24).collect::<String>()),
                    };
                    beside.push((name, data));
                }
                rest = if kind == 0xda { scan(next)? } else { next };
            }
        }
    }
}

/// Packed pixels end at the next marker that is no restart.
fn scan(bytes: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr_iter(0xff, bytes)
        .find(|at| !matches!(bytes.get(at + 1), None | Some(0 | 0xd0..=0xd7 | 0xff)))?;
    bytes.get(end..)
}

#[cfg(test)]
mod tests {
    use crate::readers::testing::{check, fix_with};
    use sekisho_policy::{Policy, RequestInfo, Verdict};

    /// A grey picture of 16 × 16, of one colour: the smallest there is, with a segment of ours.
    pub fn jpeg(extra: &[u8], behind: &[u8]) -> Vec<u8> {
        let segment = |kind: u8, data: &[u8]| {
            [&[0xff, kind], &(data.len() as u16 + 2).to_be_bytes()[..], data].concat()
        };
        let table = [&[0_u8][..], &[1; 64]].concat();
        let codes = |class: u8| [&[class, 1][..], &[0; 15], &[0]].concat();
        [
            &[0xff, 0xd8][..],
            &segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
            extra,
            &segment(0xdb, &table),
            &segment(0xc0, &[8, 0, 16, 0, 16, 1, 1, 0x11, 0]),
            &segment(0xc4, &codes(0)),
            &segment(0xc4, &codes(0x10)),
            &segment(0xda, &[1, 1, 0, 0, 63, 0]),
            // Four blocks of one zero bit for each of the two codes.
            &[0x00],
            &[0xff, 0xd9],
            behind,
        ]
        .concat()
    }

    #[test]
    fn a_jpeg_is_for_review_and_its_copy_passes() {
        let exif = [&[0xff, 0xe1, 0, 12][..], b"Exif\0\0rs1 "].concat();
        for (bytes, rides) in [
            (jpeg(b"", b""), "left out: nothing"),
            (jpeg(&exif, b""), "left out: APP1 Exif (10 bytes)"),
            (jpeg(b"", b"rs1 A G"), "left out: 7 bytes behind the end"),
        ] {
            let (report, copy) = fix_with(&bytes, &Policy::default(), &RequestInfo::default(), true);
            assert_eq!(report.verdict, Verdict::Review, "{:#?}", report.findings);
            let (holds, copy) = copy.unwrap();
            assert!(holds.contains(rides), "{holds}");
            assert_eq!(check(&copy).verdict, Verdict::Pass);
        }
        for cut in 0..jpeg(&exif, b"").len() {
            assert_ne!(check(&jpeg(&exif, b"")[..cut]).verdict, Verdict::Pass, "{cut}");
        }
    }
}
