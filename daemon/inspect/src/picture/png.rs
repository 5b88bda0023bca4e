//! PNG: a plot passes when nothing rides along (`5-4(2)(iii)`): known chunks only, whole pixels, nothing behind the end,
//! and nothing in the pixels that looks like noise.

use super::pixels::Pixels;
use super::{MOST_BYTES, MOST_PIXELS};
use crate::readers::Found;
use crate::readers::tally::{Tally, words};
use flate2::{Crc, Decompress, FlushDecompress, Status};
use sekisho_policy::facts::{Opaque, OpaqueKind, Part, Problem, ProblemKind, Statistics, What};
use std::io::Read;

/// Largest text, of all chunks together, and colour profile that say nothing worth reading.
const MOST_TEXT: usize = 256;
const MOST_PROFILE: usize = 4 << 10;
/// Colours in a palette that no pixel has, beyond what programs leave there.
const MOST_UNUSED: usize = 16;

/// Chunks that describe pixels and colours, each at most once.
const KNOWN: [&[u8; 4]; 11] =
    [b"PLTE", b"tRNS", b"cHRM", b"gAMA", b"sBIT", b"sRGB", b"bKGD", b"hIST", b"pHYs", b"tIME", b"cICP"];

/// Reads a picture to its end.
pub fn read(stream: &mut impl Read, minimum: u64) -> Found {
    let mut bytes = Vec::new();
    let whole =
        stream.take(MOST_BYTES + 1).read_to_end(&mut bytes).is_ok() && bytes.len() as u64 <= MOST_BYTES;
    let checked = if whole { check(&bytes) } else { Err(("", "larger than is looked into".to_owned())) };
    let mut found = Found { kind: "png".into(), rows: 1, unit: "pictures", ..Found::nothing() };
    match checked {
        Ok(tally) => {
            let subjects = String::new();
            let evidence = tally.evidence();
            found.parts.push(Part::Statistics(Statistics { rows: 1, clear: 1, minimum, subjects, evidence }));
        }
        Err((place, detail)) => {
            let kind = match place {
                "" => ProblemKind::Bomb,
                "IEND" => ProblemKind::TrailingBytes,
                _ => ProblemKind::Malformed,
            };
            let opaque = Opaque { kind: OpaqueKind::Picture, format: "PNG".into(), detail: String::new() };
            found.parts.push(Part::Opaque(opaque));
            found.problems.push(Problem::new(kind, place, detail));
        }
    }
    found
}

type Fault = (&'static str, String);
/// What is not seen of the pixels: where, and what.
type Unseen = Vec<(&'static str, String)>;
/// Type, data, and what follows.
type Chunk<'a> = (&'a [u8; 4], &'a [u8], &'a [u8]);

/// What stands in the way of release, in a picture that is whole.
fn check(bytes: &[u8]) -> Result<Tally, Fault> {
    let file = File::of(bytes)?;
    let mut tally = Tally::default();
    let about = tally.name("");
    let (mut text, mut seen) = (0, std::collections::BTreeSet::new());
    for (kind, data) in &file.beside {
        let kind: &[u8; 4] = kind;
        let again = !seen.insert(*kind) && kind != b"tEXt";
        let long = match kind {
            b"tEXt" => {
                text += data.len();
                crate::readers::text::scan::line(data, 1, about, &mut tally);
                text > MOST_TEXT
            }
            b"iCCP" => data.len() > MOST_PROFILE || !is_profile(data),
            b"zTXt" | b"iTXt" | b"eXIf" => true,
            _ if KNOWN.contains(&kind) => data.len() > 1024,
            _ => return Err(("chunk", format!("{} is not a known one", words(kind)))),
        };
        if long || again {
            tally.add(What::Hidden, about, || (words(kind), format!("{} bytes", data.len())));
        }
    }
    if !file.rest.is_empty() {
        return Err(("IEND", format!("{} bytes follow", file.rest.len())));
    }
    let (pixels, odd) = file.pixels()?;
    for (place, value) in odd {
        tally.add(What::Hidden, about, || (place.into(), value));
    }
    if let Some(noise) = pixels.noise() {
        tally.add(What::Noise, about, || ("pixels".into(), noise));
    }
    if let Some(cells) = pixels.cells() {
        tally.add(What::Cells, about, || ("pixels".into(), cells));
    }
    Ok(tally)
}

/// The pixels of a picture whatever rides along, and what does.
pub fn salvage(bytes: &[u8]) -> Option<(Pixels, Vec<String>)> {
    let file = File::of(bytes).ok()?;
    let (pixels, odd) = file.pixels().ok()?;
    let mut dropped: Vec<String> = Vec::new();
    for (kind, data) in file.beside.iter().filter(|(kind, _)| ![b"PLTE", b"tRNS"].contains(kind)).take(20) {
        dropped.push(format!("{} ({} bytes)", words(*kind), data.len()));
    }
    if !file.rest.is_empty() {
        dropped.push(format!("{} bytes behind the end", file.rest.len()));
    }
    dropped.extend(odd.into_iter().map(|(place, value)| format!("{place} ({value})")));
    Some((pixels, dropped))
}

/// A colour profile as the standard has it: unpacks to exactly what it says, and its tags lie inside.
fn is_profile(data: &[u8]) -> bool {
    let Some(name) = data.iter().take(80).position(|b| *b == 0) else { return false };
    let Some((0, packed)) = data.get(name + 1..).and_then(|d| d.split_first()) else { return false };
    let mut out = Vec::with_capacity(4 * MOST_PROFILE);
    let mut inflate = Decompress::new(true);
    let status = inflate.decompress_vec(packed, &mut out, FlushDecompress::Finish);
    let be = |at: usize| out.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let tags = be(128).unwrap_or(usize::MAX);
    matches!(status, Ok(Status::StreamEnd))
        && inflate.total_in() == packed.len() as u64
        && be(0) == Some(out.len())
        && out.get(36..40) == Some(b"acsp")
        && tags <= 40
        && (0..tags).all(|tag| match (be(132 + 12 * tag + 4), be(132 + 12 * tag + 8)) {
            (Some(at), Some(size)) => at.checked_add(size).is_some_and(|end| end <= out.len()),
            _ => false,
        })
}

/// A picture taken apart: everything up to its end is whole, its checksums are right.
struct File<'a> {
    header: Header,
    /// Packed pixels, in their pieces.
    data: Vec<&'a [u8]>,
    /// Everything else.
    beside: Vec<(&'a [u8; 4], &'a [u8])>,
    /// What follows the end.
    rest: &'a [u8],
}

impl<'a> File<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n").ok_or(("signature", String::new()))?;
        let (kind, data, after) = chunk(rest)?;
        rest = after;
        if kind != b"IHDR" {
            return Err(("IHDR", "not the first chunk".into()));
        }
        let mut file = File { header: Header::of(data)?, data: Vec::new(), beside: Vec::new(), rest };
        loop {
            let (kind, data, after) = chunk(file.rest)?;
            file.rest = after;
            match kind {
                b"IHDR" => return Err(("IHDR", "a second one".into())),
                b"IDAT" => file.data.push(data),
                b"IEND" if data.is_empty() => return Ok(file),
                b"IEND" => return Err(("IEND", format!("{} bytes in it", data.len()))),
                _ if file.beside.len() < 1000 => file.beside.push((kind, data)),
                _ => return Err(("chunk", "more than a thousand".into())),
            }
        }
    }

    fn beside(&self, wanted: &[u8; 4]) -> &'a [u8] {
        self.beside.iter().find(|(kind, _)| *kind == wanted).map_or(&[], |(_, data)| data)
    }

    /// Every pixel, and what of them is not seen.
    fn pixels(&self) -> Result<(Pixels, Unseen), Fault> {
        let mut raw = self.unpacked()?;
        let header = &self.header;
        let passes = header.passes();
        let (palette, clear) = (self.beside(b"PLTE"), self.beside(b"tRNS"));
        let mut rgba = vec![[0; 4]; header.width * header.height];
        let (mut odd, mut used, mut invisible) = (Vec::new(), [false; 256], 0_u64);
        let mut at = 0;
        for Pass { x, y, dx, dy, columns, rows } in passes {
            let length = (columns * header.bits()).div_ceil(8);
            let step = header.bits().div_ceil(8);
            let mut before = vec![0; length];
            for row in 0..rows {
                let cut = || ("IDAT", "fewer pixels than the header says".to_owned());
                let (filter, line) =
                    raw.get_mut(at..at + 1 + length).and_then(<[u8]>::split_first_mut).ok_or_else(cut)?;
                unfilter(*filter, line, &before, step).ok_or(("IDAT", format!("filter {filter}")))?;
                at += 1 + length;
                for column in 0..columns {
                    let samples = header.samples(line, column);
                    if header.colour == 3 {
                        used[usize::from(samples[0] & 255)] = true;
                    }
                    let pixel =
                        header.pixel(samples, palette, clear).ok_or(("PLTE", "too short".to_owned()))?;
                    invisible += u64::from(pixel[3] == 0 && pixel[..3] != [0; 3] && pixel[..3] != [255; 3]);
                    rgba[(y + row * dy) * header.width + x + column * dx] = pixel;
                }
                before.copy_from_slice(line);
            }
        }
        if header.depth == 16 {
            odd.push(("16 bits a channel", "screens show 8".to_owned()));
        }
        // One colour behind everything is how programs write an empty ground; several are a picture behind it.
        if invisible > 0 {
            odd.push(("pixels without opacity", format!("{invisible} have a colour")));
        }
        if header.colour == 3 {
            let colours: Vec<&[u8]> = palette.chunks(3).collect();
            let shown = |i: &usize| (colours[*i], clear.get(*i).copied().unwrap_or(255));
            let mut seen = std::collections::BTreeSet::new();
            let twice = (0..colours.len().min(256)).filter(|i| used[*i] && !seen.insert(shown(i))).count();
            if twice > 0 {
                odd.push(("palette", format!("{twice} colours are there twice")));
            }
            let idle: Vec<_> =
                (0..colours.len().min(256)).filter(|i| !used[*i]).map(|i| colours[i]).collect();
            let idle: std::collections::BTreeSet<_> = idle.into_iter().collect();
            if idle.len() > MOST_UNUSED {
                odd.push(("palette", format!("{} colours that no pixel has", idle.len())));
            }
        }
        let pixels = Pixels::new(header.width, header.height, rgba);
        Ok((pixels.ok_or(("IHDR", "impossible".to_owned()))?, odd))
    }

    /// The packed pixels unpacked: exactly as many bytes as the header promises.
    fn unpacked(&self) -> Result<Vec<u8>, Fault> {
        let wanted = self.header.raw_bytes();
        let mut raw = Vec::new();
        let mut inflate = Decompress::new(true);
        let mut ended = false;
        let mut sink = vec![0; 64 << 10];
        for (number, data) in self.data.iter().enumerate() {
            let last = number + 1 == self.data.len();
            let mut from = 0;
            while from < data.len() || (last && !ended) {
                if ended {
                    return Err(("IDAT", "bytes behind the pixels".into()));
                }
                let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
                let status = inflate
                    .decompress(&data[from..], &mut sink, FlushDecompress::None)
                    .map_err(|e| ("IDAT", e.to_string()))?;
                from += (inflate.total_in() - before_in) as usize;
                let made = (inflate.total_out() - before_out) as usize;
                raw.extend_from_slice(&sink[..made]);
                if raw.len() > wanted {
                    return Err(("IDAT", "more pixels than the header says".into()));
                }
                ended = status == Status::StreamEnd;
                if inflate.total_in() == before_in && made == 0 && !ended {
                    return Err(("IDAT", "cannot be unpacked".into()));
                }
            }
        }
        if !ended || raw.len() != wanted {
            return Err(("IDAT", format!("{} bytes of pixels, {wanted} by the header", raw.len())));
        }
        Ok(raw)
    }
}

/// Type and data of the next chunk, its checksum proven, and what follows.
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
    Ok((kind, data, after))
}

/// Undoes a row's filter.
fn unfilter(filter: u8, line: &mut [u8], before: &[u8], step: usize) -> Option<()> {
    for at in 0..line.len() {
        let left = at.checked_sub(step).map_or(0, |i| line[i]);
        let up = before.get(at).copied().unwrap_or(0);
        let add = match filter {
            0 => return Some(()),
            1 => left,
            2 => up,
            3 => (u16::from(left) + u16::from(up)).div_euclid(2) as u8,
            4 => paeth(left, up, at.checked_sub(step).map_or(0, |i| before[i])),
            _ => return None,
        };
        line[at] = line[at].wrapping_add(add);
    }
    (filter <= 4).then_some(())
}

fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let (a, b, c) = (i16::from(left), i16::from(up), i16::from(corner));
    let guess = a + b - c;
    let (da, db, dc) = ((guess - a).abs(), (guess - b).abs(), (guess - c).abs());
    if da <= db && da <= dc {
        left
    } else if db <= dc {
        up
    } else {
        corner
    }
}

/// What the first chunk says.
struct Header {
    width: usize,
    height: usize,
    depth: usize,
    colour: u8,
    interlaced: bool,
}

/// One pass over the picture: where it begins, how far apart its pixels are, how many there are.
struct Pass {
    x: usize,
    y: usize,
    dx: usize,
    dy: usize,
    columns: usize,
    rows: usize,
}

impl Header {
    fn of(data: &[u8]) -> Result<Self, Fault> {
        let bad = || ("IHDR", "impossible".to_owned());
        let [w0, w1, w2, w3, h0, h1, h2, h3, depth, colour, 0, 0, interlace @ (0 | 1)] = *data else {
            return Err(bad());
        };
        let (width, height) =
            (u32::from_be_bytes([w0, w1, w2, w3]) as usize, u32::from_be_bytes([h0, h1, h2, h3]) as usize);
        let fits = match colour {
            0 => matches!(depth, 1 | 2 | 4 | 8 | 16),
            3 => matches!(depth, 1 | 2 | 4 | 8),
            2 | 4 | 6 => matches!(depth, 8 | 16),
            _ => false,
        };
        if !fits || width == 0 || height == 0 {
            return Err(bad());
        }
        if width.saturating_mul(height) > MOST_PIXELS {
            return Err(("IHDR", format!("{width} x {height}: more pixels than are looked at")));
        }
        Ok(Self { width, height, depth: usize::from(depth), colour, interlaced: interlace == 1 })
    }

    /// Bits of a pixel.
    fn bits(&self) -> usize {
        self.depth * [1, 1, 3, 1, 2, 1, 4][usize::from(self.colour.min(6))]
    }

    fn passes(&self) -> Vec<Pass> {
        const ADAM: [[usize; 4]; 7] = [
            [0, 0, 8, 8],
            [4, 0, 8, 8],
            [0, 4, 4, 8],
            [2, 0, 4, 4],
            [0, 2, 2, 4],
            [1, 0, 2, 2],
            [0, 1, 1, 2],
        ];
        let steps: &[[usize; 4]] = if self.interlaced { &ADAM } else { &[[0, 0, 1, 1]] };
        let pass = |[x, y, dx, dy]: &[usize; 4]| {
            let columns = self.width.saturating_sub(*x).div_ceil(*dx);
            let rows = self.height.saturating_sub(*y).div_ceil(*dy);
            (columns > 0 && rows > 0).then_some(Pass { x: *x, y: *y, dx: *dx, dy: *dy, columns, rows })
        };
        steps.iter().filter_map(pass).collect()
    }

    /// Bytes of pixels, filters included.
    fn raw_bytes(&self) -> usize {
        self.passes().iter().map(|p| ((p.columns * self.bits()).div_ceil(8) + 1) * p.rows).sum()
    }

    /// The samples of a pixel.
    fn samples(&self, line: &[u8], column: usize) -> [u16; 4] {
        let mut out = [0; 4];
        let number = self.bits() / self.depth;
        for (sample, value) in out.iter_mut().enumerate().take(number) {
            let bit = column * self.bits() + sample * self.depth;
            let byte = |at: usize| u16::from(line.get(at).copied().unwrap_or(0));
            *value = match self.depth {
                16 => byte(bit / 8) << 8 | byte(bit / 8 + 1),
                8 => byte(bit / 8),
                depth => byte(bit / 8) >> (8 - depth - bit % 8) & ((1 << depth) - 1),
            };
        }
        out
    }

    /// What is seen of a pixel.
    fn pixel(&self, samples: [u16; 4], palette: &[u8], clear: &[u8]) -> Option<[u8; 4]> {
        let eight = |v: u16| match self.depth {
            16 => (v >> 8) as u8,
            8 => v as u8,
            depth => (v * (255 / ((1 << depth) - 1))) as u8,
        };
        // One colour may be declared to be no colour.
        let named = |count: usize| {
            clear.len() == 2 * count
                && (0..count).all(|c| u16::from_be_bytes([clear[2 * c], clear[2 * c + 1]]) == samples[c])
        };
        let [a, b, c, d] = samples;
        Some(match self.colour {
            0 => [eight(a), eight(a), eight(a), if named(1) { 0 } else { 255 }],
            2 => [eight(a), eight(b), eight(c), if named(3) { 0 } else { 255 }],
            3 => {
                let at = usize::from(a);
                let colour = palette.get(3 * at..3 * at + 3)?;
                [colour[0], colour[1], colour[2], clear.get(at).copied().unwrap_or(255)]
            }
            4 => [eight(a), eight(a), eight(a), eight(b)],
            _ => [eight(a), eight(b), eight(c), eight(d)],
        })
    }
}
