//! Pixels, what in them looks like noise, and writing them.

use super::lattice::Lattice;
use flate2::{Compression, Crc, write::ZlibEncoder};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// Steps between neighbours that nobody sees, of 256.
const FAINT: u8 = 3;
/// Of 10,000 pixels: those that stand faintly out of an even ground, those faintly above or below both neighbours, and
/// those that stand out in both directions. Measured on plots (edges smoothed, 3 to 20,000 markers, see-through ones
/// too): up to 3, 56 and 446; with a low bit used in 0.6 % of the pixels 51 and 100, with cells of one pixel 1,474 lone.
const MOST_SPECKS: u64 = 5;
const MOST_FAINT: u64 = 80;
const MOST_LONE: u64 = 700;
/// Colours that are left where there is noise, and how far they are apart at least.
const COLOURS: usize = 24;
const APART: i32 = 40;

/// A picture: red, green, blue and opacity of every pixel.
pub struct Pixels {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    rgba: Vec<[u8; 4]>,
}

impl Pixels {
    /// A picture of exactly this many pixels. What cannot be seen (the colour of a pixel without opacity) is left out.
    pub fn new(width: usize, height: usize, mut rgba: Vec<[u8; 4]>) -> Option<Self> {
        for pixel in &mut rgba {
            if pixel[3] == 0 {
                *pixel = [0; 4];
            }
        }
        (width > 0 && height > 0 && Some(rgba.len()) == width.checked_mul(height)).then_some(Self {
            width,
            height,
            rgba,
        })
    }

    /// What in the picture looks like noise, in words for the officer.
    pub fn noise(&self) -> Option<String> {
        let (mut faint, mut lone, mut specks) = (0_u64, 0_u64, 0_u64);
        let apart =
            |a: [u8; 4], b: [u8; 4]| std::array::from_fn::<i16, 4, _>(|c| i16::from(a[c]) - i16::from(b[c]));
        for row in 0..self.height {
            let at = row * self.width;
            let line = &self.rgba[at..at + self.width];
            let above = row.checked_sub(1).and_then(|r| self.rgba.get(r * self.width..(r + 1) * self.width));
            let below = self.rgba.get(at + self.width..at + 2 * self.width);
            for (x, three) in line.windows(3).enumerate() {
                let [left, own, right] = [three[0], three[1], three[2]];
                if own == left || own == right {
                    continue;
                }
                let (l, r) = (apart(own, left), apart(own, right));
                let small = |d: &[i16; 4], c: usize| d[c].unsigned_abs() <= u16::from(FAINT);
                let turns = |a: &[i16; 4], b: &[i16; 4], c: usize| i32::from(a[c]) * i32::from(b[c]) > 0;
                faint += u64::from((0..4).any(|c| turns(&l, &r, c) && small(&l, c) && small(&r, c)));
                if let (Some(above), Some(below)) = (above, below) {
                    let (above, below) = (above[x + 1], below[x + 1]);
                    let (a, b) = (apart(own, above), apart(own, below));
                    lone += u64::from((0..4).any(|c| turns(&l, &r, c) && turns(&a, &b, c)));
                    let even = left == right && left == above && left == below;
                    specks += u64::from(even && (0..4).all(|c| small(&l, c)));
                }
            }
        }
        let share = |n: u64, most: u64| n > 16 && n.saturating_mul(10_000) > most * self.rgba.len() as u64;
        (share(specks, MOST_SPECKS) || share(faint, MOST_FAINT) || share(lone, MOST_LONE)).then(|| {
            format!(
                "{specks} specks on even ground, {faint} faint and {lone} lone pixels of {}",
                self.rgba.len()
            )
        })
    }

    /// What is said of cells in rows and columns; see [`Lattice`]. A cell begins where a colour differs from what is left of
    /// it and above it, and goes on to the right and below: smoothed edges and lone pixels begin none.
    pub fn cells(&self) -> Option<String> {
        let mut lattice = Lattice::default();
        for y in 0..self.height.saturating_sub(1) {
            let at = y * self.width;
            for x in 0..self.width.saturating_sub(1) {
                let own = self.rgba[at + x];
                let continues = own == self.rgba[at + x + 1] && own == self.rgba[at + self.width + x];
                let begins = (x == 0 || own != self.rgba[at + x - 1])
                    && (y == 0 || own != self.rgba[at + x - self.width]);
                if continues && begins {
                    lattice.add(x as i64, y as i64);
                }
            }
        }
        lattice.said()
    }

    /// The same picture in its main colours, on white, and their number.
    pub fn main_colours(self) -> (Self, usize) {
        let mut counts: BTreeMap<[u8; 3], u64> = BTreeMap::new();
        let flat: Vec<[u8; 3]> = self.rgba.iter().map(|p| on_white(*p)).collect();
        for pixel in &flat {
            *counts.entry(pixel.map(|c| c & 0xf0)).or_default() += 1;
        }
        let centre = |c: [u8; 3]| {
            c.map(|v| {
                if v == 0xf0 {
                    255
                } else if v == 0 {
                    0
                } else {
                    v | 8
                }
            })
        };
        let mut ranked: Vec<([u8; 3], u64)> = counts.into_iter().map(|(c, n)| (centre(c), n)).collect();
        ranked.sort_by_key(|(c, n)| (std::cmp::Reverse(*n), *c));
        let far =
            |a: [u8; 3], b: [u8; 3]| (0..3).map(|c| (i32::from(a[c]) - i32::from(b[c])).pow(2)).sum::<i32>();
        let mut palette: Vec<[u8; 3]> = Vec::new();
        for (colour, _) in &ranked {
            if palette.len() < COLOURS && palette.iter().all(|p| far(*p, *colour) >= APART * APART) {
                palette.push(*colour);
            }
        }
        // One answer for every 32nd of a channel: quick, and no finer than the eye.
        let cell = |c: [u8; 3]| c.iter().fold(0, |at, v| at << 5 | usize::from(*v >> 3));
        let nearest: Vec<[u8; 3]> = (0..1 << 15)
            .map(|at: usize| {
                let own = [10, 5, 0].map(|shift| ((at >> shift & 31) << 3 | 4) as u8);
                palette.iter().copied().min_by_key(|p| far(*p, own)).unwrap_or([255; 3])
            })
            .collect();
        let rgba = flat.into_iter().map(|p| nearest[cell(p)]).map(|[r, g, b]| [r, g, b, 255]).collect();
        (Self { rgba, ..self }, palette.len())
    }

    /// The picture as PNG: header, palette where that does, pixels.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let opaque = self.rgba.iter().all(|p| p[3] == 255);
        let palette = if opaque { self.palette() } else { None };
        let (colour, samples) = match (&palette, opaque) {
            (Some(_), _) => (3, 1),
            (None, true) => (2, 3),
            (None, false) => (6, 4),
        };
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::new(7));
        let mut before = vec![0_u8; self.width * samples];
        for line in self.rgba.chunks(self.width) {
            let own: Vec<u8> = match &palette {
                Some(p) => line.iter().map(|c| p.binary_search(c).unwrap_or(0) as u8).collect(),
                None => line.iter().flat_map(|p| p[..samples].iter().copied()).collect(),
            };
            // Palettes compress best as they are, the rest as differences to the row above.
            let (filter, bytes) = match palette {
                Some(_) => (0, own.clone()),
                None => (2, own.iter().zip(&before).map(|(a, b)| a.wrapping_sub(*b)).collect()),
            };
            packed.write_all(&[filter]).ok()?;
            packed.write_all(&bytes).ok()?;
            before = own;
        }
        let packed = packed.finish().ok()?;
        let mut header = Vec::new();
        header.extend(u32::try_from(self.width).ok()?.to_be_bytes());
        header.extend(u32::try_from(self.height).ok()?.to_be_bytes());
        header.extend([8, colour, 0, 0, 0]);
        let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
        chunk(b"IHDR", &header, &mut out)?;
        if let Some(palette) = palette {
            let bytes: Vec<u8> = palette.iter().flat_map(|p| [p[0], p[1], p[2]]).collect();
            chunk(b"PLTE", &bytes, &mut out)?;
        }
        for part in packed.chunks(1 << 20) {
            chunk(b"IDAT", part, &mut out)?;
        }
        chunk(b"IEND", b"", &mut out)?;
        Some(out)
    }

    /// All colours in order, if they are few.
    fn palette(&self) -> Option<Vec<[u8; 4]>> {
        let mut seen = BTreeSet::new();
        let mut last = None;
        for pixel in &self.rgba {
            if last != Some(*pixel) {
                last = Some(*pixel);
                seen.insert(*pixel);
                if seen.len() > 256 {
                    return None;
                }
            }
        }
        Some(seen.into_iter().collect())
    }
}

fn on_white([r, g, b, a]: [u8; 4]) -> [u8; 3] {
    let mix = |c: u8| {
        let (c, a) = (u32::from(c), u32::from(a));
        u8::try_from((c * a + 255 * (255 - a)) / 255).unwrap_or(255)
    };
    [mix(r), mix(g), mix(b)]
}

fn chunk(kind: &[u8; 4], data: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.extend(u32::try_from(data.len()).ok()?.to_be_bytes());
    let from = out.len();
    out.extend_from_slice(kind);
    out.extend_from_slice(data);
    let mut crc = Crc::new();
    crc.update(&out[from..]);
    out.extend(crc.sum().to_be_bytes());
    Some(())
}
