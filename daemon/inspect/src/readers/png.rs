//! PNG: a plot passes when nothing rides along (`5-4(2)(iii)`): known chunks only, whole pixels, nothing behind the end.

use crate::readers::Found;
use crate::readers::tally::{Tally, words};
use flate2::{Crc, Decompress, FlushDecompress, Status};
use sekisho_policy::facts::{Opaque, OpaqueKind, Part, Problem, ProblemKind, Statistics, What};
use std::io::Read;

/// Largest file and picture looked into.
const MOST_BYTES: u64 = 64 << 20;
const MOST_PIXELS: u64 = 1 << 30;
/// Largest text and colour profile that say nothing worth reading.
const MOST_TEXT: usize = 256;
const MOST_PROFILE: usize = 8 << 10;

/// Chunks that describe pixels and colours.
const KNOWN: [&[u8; 4]; 15] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"bKGD",
    b"hIST", b"pHYs", b"tIME", b"cICP",
];

/// Reads a picture to its end.
pub fn read(stream: &mut impl Read, minimum: u64) -> Found {
    let mut bytes = Vec::new();
    let whole =
        stream.take(MOST_BYTES + 1).read_to_end(&mut bytes).is_ok() && bytes.len() as u64 <= MOST_BYTES;
    let checked = if whole { check(&bytes) } else { Err(("", "larger than is looked into".to_owned())) };
    match checked {
        Ok(tally) => {
            let table = Statistics {
                rows: 1,
                clear: 1,
                minimum,
                subjects: String::new(),
                evidence: tally.evidence(),
            };
            Found {
                kind: "png".into(),
                rows: 1,
                unit: "pictures",
                parts: vec![Part::Statistics(table)],
                problems: Vec::new(),
            }
        }
        Err((place, detail)) => {
            let kind = if place == "IEND" { ProblemKind::TrailingBytes } else { ProblemKind::Malformed };
            let opaque = Opaque { kind: OpaqueKind::Picture, format: "PNG".into(), detail: String::new() };
            Found {
                kind: "png".into(),
                rows: 1,
                unit: "pictures",
                parts: vec![Part::Opaque(opaque)],
                problems: vec![Problem::new(kind, place, detail)],
            }
        }
    }
}

type Fault = (&'static str, String);
/// Length, type, data, and what follows.
type Chunk<'a> = (usize, &'a [u8; 4], &'a [u8], &'a [u8]);

fn check(bytes: &[u8]) -> Result<Tally, Fault> {
    let mut tally = Tally::default();
    let about = tally.name("");
    let mut rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n").ok_or(("signature", String::new()))?;
    let mut pixels: Option<u64> = None;
    let mut inflate = Decompress::new(true);
    let (mut made, mut ended, mut sink) = (0_u64, false, vec![0; 64 << 10]);
    loop {
        let (length, kind, data, after) = chunk(rest)?;
        rest = after;
        match kind {
            b"IHDR" if pixels.is_none() => pixels = Some(size(data)?),
            _ if pixels.is_none() => return Err(("IHDR", "not the first chunk".into())),
            b"IDAT" => {
                let limit = pixels.unwrap_or(0);
                let mut from = 0;
                while from < data.len() {
                    if ended {
                        return Err(("IDAT", "bytes behind the pixels".into()));
                    }
                    let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
                    let status = inflate
                        .decompress(&data[from..], &mut sink, FlushDecompress::None)
                        .map_err(|e| ("IDAT", e.to_string()))?;
                    from += (inflate.total_in() - before_in) as usize;
                    made += inflate.total_out() - before_out;
                    if made > limit {
                        return Err(("IDAT", "more pixels than the header says".into()));
                    }
                    ended = status == Status::StreamEnd;
                    if inflate.total_in() == before_in && inflate.total_out() == before_out && !ended {
                        return Err(("IDAT", "cannot be unpacked".into()));
                    }
                }
            }
            b"IEND" => break,
            b"tEXt" | b"zTXt" | b"iTXt" | b"eXIf" => {
                if kind != b"tEXt" || length > MOST_TEXT {
                    tally.add(What::EncodedText, about, || (words(kind), format!("{length} bytes")));
                }
            }
            b"iCCP" if length > MOST_PROFILE => {
                tally.add(What::EncodedText, about, || ("iCCP".into(), format!("{length} bytes")));
            }
            _ if KNOWN.contains(&kind) => {
                if length > 1024 && !matches!(kind, b"iCCP") {
                    tally.add(What::EncodedText, about, || (words(kind), format!("{length} bytes")));
                }
            }
            _ => return Err(("chunk", format!("{} is not a known one", words(kind)))),
        }
    }
    if !rest.is_empty() {
        return Err(("IEND", format!("{} bytes follow", rest.len())));
    }
    // What the compressor still holds back.
    while !ended {
        let before = inflate.total_out();
        let status = inflate
            .decompress(&[], &mut sink, FlushDecompress::Finish)
            .map_err(|e| ("IDAT", e.to_string()))?;
        made += inflate.total_out() - before;
        ended = status == Status::StreamEnd;
        if inflate.total_out() == before {
            break;
        }
    }
    if !ended || Some(made) != pixels {
        return Err(("IDAT", format!("{made} bytes of pixels, {} by the header", pixels.unwrap_or(0))));
    }
    Ok(tally)
}

/// Length, type and data of the next chunk, its checksum proven, and what follows.
fn chunk(rest: &[u8]) -> Result<Chunk<'_>, Fault> {
    let cut = || ("chunk", "cut short".to_owned());
    let (head, after) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let kind = rest.get(4..8).and_then(|k| k.try_into().ok()).ok_or_else(cut)?;
    let data = after.get(..length).ok_or_else(cut)?;
    let (sum, after) = after[length..].split_first_chunk::<4>().ok_or_else(cut)?;
    let mut crc = Crc::new();
    crc.update(&rest[4..8 + length]);
    if crc.sum() != u32::from_be_bytes(*sum) {
        return Err(("chunk", "checksum".into()));
    }
    Ok((length, kind, data, after))
}

/// Bytes of pixels that the header promises, filters included.
fn size(data: &[u8]) -> Result<u64, Fault> {
    let bad = || ("IHDR", "impossible".to_owned());
    let [w0, w1, w2, w3, h0, h1, h2, h3, depth, colour, 0, 0, interlace @ (0 | 1)] = *data else {
        return Err(bad());
    };
    let (width, height) =
        (u64::from(u32::from_be_bytes([w0, w1, w2, w3])), u64::from(u32::from_be_bytes([h0, h1, h2, h3])));
    let samples = match colour {
        0 | 3 => 1,
        2 => 3,
        4 => 2,
        6 => 4,
        _ => return Err(bad()),
    };
    if !matches!(depth, 1 | 2 | 4 | 8 | 16)
        || width == 0
        || height == 0
        || width.saturating_mul(height) > MOST_PIXELS
    {
        return Err(bad());
    }
    let bits = u64::from(depth) * samples;
    let pass = |w: u64, h: u64| if w == 0 || h == 0 { 0 } else { ((w * bits).div_ceil(8) + 1) * h };
    if interlace == 0 {
        return Ok(pass(width, height));
    }
    const ADAM: [(u64, u64, u64, u64); 7] =
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];
    Ok(ADAM
        .iter()
        .map(|(x, y, dx, dy)| {
            pass(width.saturating_sub(*x).div_ceil(*dx), height.saturating_sub(*y).div_ceil(*dy))
        })
        .sum())
}

#[cfg(test)]
mod tests {
    use crate::readers::testing::{check, shared};
    use sekisho_policy::Verdict;
    use std::io::Write;

    fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
        let mut crc = flate2::Crc::new();
        let body = [kind, data].concat();
        crc.update(&body);
        [&(data.len() as u32).to_be_bytes()[..], &body, &crc.sum().to_be_bytes()].concat()
    }

    fn pixels(bytes: usize) -> Vec<u8> {
        let mut z = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        z.write_all(&vec![0; bytes]).unwrap();
        z.finish().unwrap()
    }

    /// A grey picture of 30 × 20 with this between its header and its pixels, and that behind its end.
    fn png(extra: &[u8], bytes: usize, behind: &[u8]) -> Vec<u8> {
        let header = [0, 0, 0, 30, 0, 0, 0, 20, 8, 0, 0, 0, 0];
        [
            b"\x89PNG\r\n\x1a\n".as_slice(),
            &chunk(b"IHDR", &header),
            extra,
            &chunk(b"IDAT", &pixels(bytes)),
            &chunk(b"IEND", b""),
            behind,
        ]
        .concat()
    }

    #[test]
    fn a_plain_picture_passes() {
        assert_eq!(check(&png(b"", 31 * 20, b"")).verdict, Verdict::Pass);
        assert_eq!(
            check(&png(&chunk(b"tEXt", b"Software\0matplotlib"), 31 * 20, b"")).verdict,
            Verdict::Pass
        );
        let Some(root) = shared() else { return };
        let real = check(&std::fs::read(root.join("plots/plinkQC_checkAncestry_pca.png")).unwrap());
        assert_eq!(real.verdict, Verdict::Pass, "{:#?}", real.findings);
    }

    #[test]
    fn what_rides_along_is_found() {
        for (name, bytes) in [
            ("trailing bytes", png(b"", 31 * 20, b"rs1 A G 3")),
            ("unknown chunk", png(&chunk(b"daTa", b"rs1 A G 3"), 31 * 20, b"")),
            ("long text", png(&chunk(b"tEXt", &[b'x'; 400]), 31 * 20, b"")),
            ("exif", png(&chunk(b"eXIf", &[0; 40]), 31 * 20, b"")),
            ("more pixels", png(b"", 31 * 20 + 1000, b"")),
            ("fewer pixels", png(b"", 31 * 10, b"")),
        ] {
            assert_ne!(check(&bytes).verdict, Verdict::Pass, "{name}");
        }
        let mut broken = png(b"", 31 * 20, b"");
        let last = broken.len() - 6;
        broken[last] ^= 1;
        assert_ne!(check(&broken).verdict, Verdict::Pass, "checksum");
        assert_ne!(check(&png(b"", 31 * 20, b"")[..60]).verdict, Verdict::Pass, "cut short");
    }
}
