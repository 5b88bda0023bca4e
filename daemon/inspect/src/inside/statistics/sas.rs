//! SAS data sets (`.sas7bdat`), not compressed. Pages are read whole: bytes of a page that belong to no row and no header,
//! and are not zero, are shown. Compressed or encrypted sets, deleted rows and pages of an unknown kind are not read.

use super::{Columns, about, number, sas_number};
use crate::inside::columnar::{Fault, damaged, stopped};
use crate::inside::{Inside, utf8};
use sekisho_policy::facts::ProblemKind;

/// How a data set begins.
pub const MAGIC: [u8; 32] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xc2, 0xea, 0x81, 0x60, 0xb3, 0x14, 0x11, 0xcf, 0xbd, 0x92, 8, 0, 9,
    0xc7, 0x31, 0x8c, 0x18, 0x1f, 0x10, 0x11,
];

/// Reads a file that is wholly in memory.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("sas");
    if let Err(fault) = file(bytes, &mut inside) {
        stopped(&mut inside, "sas7bdat", fault);
    }
    inside
}

/// A page or header with its order of bytes and its width of numbers.
#[derive(Clone, Copy)]
struct View<'a> {
    bytes: &'a [u8],
    little: bool,
    /// Bytes of a long number.
    word: usize,
}

impl<'a> View<'a> {
    fn number(&self, at: usize, width: usize) -> Result<usize, Fault> {
        let bytes = at
            .checked_add(width)
            .and_then(|to| self.bytes.get(at..to))
            .ok_or_else(|| damaged("cut short"))?;
        usize::try_from(number(bytes, self.little)).map_err(|_| damaged("a number that is too large"))
    }

    fn long(&self, at: usize) -> Result<usize, Fault> {
        self.number(at, self.word)
    }

    fn part(&self, from: usize, length: usize) -> Result<Self, Fault> {
        let bytes = from.checked_add(length).and_then(|to| self.bytes.get(from..to));
        Ok(Self { bytes: bytes.ok_or_else(|| damaged("cut short"))?, ..*self })
    }
}

#[derive(Default)]
struct Variable {
    from: usize,
    length: usize,
    text: bool,
}

/// What the headers on all pages say.
#[derive(Default)]
struct Head {
    width: usize,
    rows: usize,
    mixed: usize,
    texts: Vec<Vec<u8>>,
    names: Vec<(usize, usize, usize)>,
    variables: Vec<Variable>,
    formats: Vec<[(usize, usize, usize); 2]>,
}

impl Head {
    fn text(
        &self,
        (block, from, length): (usize, usize, usize),
        encoding: &'static encoding_rs::Encoding,
    ) -> String {
        let bytes =
            self.texts.get(block).and_then(|t| t.get(from..from.checked_add(length)?)).unwrap_or_default();
        encoding.decode_without_bom_handling(bytes).0.trim().to_owned()
    }
}

fn file(bytes: &[u8], inside: &mut Inside) -> Result<(), Fault> {
    let wide = bytes.get(32) == Some(&b'3');
    let shift = if bytes.get(35) == Some(&b'3') { 4 } else { 0 };
    let view = View { bytes, little: bytes.get(37) == Some(&1), word: if wide { 8 } else { 4 } };
    let (header, size) = (view.number(196 + shift, 4)?, view.number(200 + shift, 4)?);
    let pages = view.long(204 + shift)?;
    let encoding = match bytes.get(70) {
        Some(0 | 20 | 28) => encoding_rs::UTF_8,
        Some(118..=128 | 138) => encoding_rs::SHIFT_JIS,
        Some(134 | 140) => encoding_rs::EUC_JP,
        _ => encoding_rs::WINDOWS_1252,
    };
    if !(1024..=1 << 24).contains(&size)
        || header < 300
        || pages.checked_mul(size).and_then(|b| b.checked_add(header)) != Some(bytes.len())
    {
        return Err(damaged("damaged or cut short"));
    }
    let words = bytes.get(256 + shift..header).unwrap_or_default();
    if words.iter().filter(|b| !matches!(b, 0 | b' ')).count() > 160 {
        inside.hidden("header", utf8(words));
    }
    let mut head = Head::default();
    let mut seen: Vec<Vec<(usize, usize)>> = Vec::new();
    for page in 0..pages {
        seen.push(headers(&view.part(header + page * size, size)?, &mut head)?);
    }
    if head
        .texts
        .iter()
        .any(|t| [b"SASYZCRL", b"SASYZCR2"].iter().any(|m| memchr::memmem::find(t, *m).is_some()))
    {
        return Err(damaged("compressed inside; save it with compress=no, or as a table of text"));
    }
    let names: Vec<String> = head.names.iter().map(|n| head.text(*n, encoding)).collect();
    let formats: Vec<String> = head.formats.iter().map(|f| head.text(f[0], encoding)).collect();
    let labels: Vec<String> = head.formats.iter().map(|f| head.text(f[1], encoding)).collect();
    about(inside, "variable labels", &labels);
    let fits = |v: &Variable| {
        v.from.checked_add(v.length).is_some_and(|to| to <= head.width)
            && (v.text || (1..=8).contains(&v.length))
    };
    if head.width == 0 || names.len() != head.variables.len() || !head.variables.iter().all(fits) {
        return Err(damaged("damaged variables"));
    }
    let mut columns = Columns::new(names)?;
    let (mut left, mut beside) = (head.rows, 0);
    for (page, seen) in seen.iter_mut().enumerate() {
        let page = view.part(header + page * size, size)?;
        for row in rows(&page, &head, left, seen)? {
            left = left.checked_sub(1).ok_or_else(|| damaged("more rows than stated"))?;
            for (at, variable) in head.variables.iter().enumerate() {
                let value = row.get(variable.from..variable.from + variable.length).unwrap_or_default();
                if variable.text {
                    let text = encoding.decode_without_bom_handling(value).0;
                    columns.push(at, text.trim_end_matches(['\0', ' ']))?;
                } else {
                    let format = formats.get(at).map_or("", String::as_str);
                    columns.push(at, &sas_number(real(value, page.little), format))?;
                }
            }
        }
        beside += unseen(page.bytes, seen);
    }
    if left > 0 {
        return Err(damaged("fewer rows than stated"));
    }
    if beside > 0 {
        inside.hidden("pages", format!("{beside} bytes that belong to no row and no header"));
    }
    let used = head.variables.iter().map(|v| v.length).sum::<usize>();
    if used + 8 < head.width {
        inside.problem(
            ProblemKind::Malformed,
            "rows",
            format!("{} bytes of each that no variable has", head.width - used),
        );
    }
    columns.finish("data", inside)
}

/// A fraction whose last bytes may be left out.
fn real(bytes: &[u8], little: bool) -> f64 {
    let bits = number(bytes, little) << (8 * (8 - bytes.len().clamp(1, 8)));
    f64::from_bits(bits)
}

fn unseen(page: &[u8], seen: &mut [(usize, usize)]) -> usize {
    seen.sort_unstable();
    let (mut at, mut found) = (0, 0);
    let some = |gap: Option<&[u8]>| gap.map_or(0, |g| g.iter().filter(|b| **b != 0).count());
    for (from, to) in seen.iter() {
        found += some(page.get(at..*from));
        at = at.max(*to);
    }
    found + some(page.get(at..))
}

/// Where a page's numbers begin, by its width.
fn begin(page: &View<'_>) -> usize {
    if page.word == 8 { 32 } else { 16 }
}

/// Reads the headers on a page, and says which bytes they take.
fn headers(page: &View<'_>, head: &mut Head) -> Result<Vec<(usize, usize)>, Fault> {
    let start = begin(page);
    let (kind, count) = (page.number(start, 2)?, page.number(start + 4, 2)?);
    let mut seen = vec![(0, start + 8)];
    match kind {
        0x100 => return Ok(seen),
        0 | 0x200 | 0x400 | 0x4000 => {}
        _ => return Err(damaged("deleted rows, or a page that is not known")),
    }
    let step = 3 * page.word;
    for pointer in 0..count {
        let at = start + 8 + pointer * step;
        seen.push((at, at + step));
        let (from, length) = (page.long(at)?, page.long(at + page.word)?);
        let packed = page.number(at + 2 * page.word, 1)?;
        if length == 0 || packed == 1 {
            continue;
        }
        if packed != 0 {
            return Err(damaged("compressed rows; save it with compress=no, or as a table of text"));
        }
        seen.push((from, from.saturating_add(length)));
        subheader(&page.part(from, length)?, head)?;
    }
    Ok(seen)
}

fn subheader(part: &View<'_>, head: &mut Head) -> Result<(), Fault> {
    let word = part.word;
    let mark = part.number(if word == 8 && !part.little { 4 } else { 0 }, 4)?;
    let triple =
        |at: usize| Ok::<_, Fault>((part.number(at, 2)?, part.number(at + 2, 2)?, part.number(at + 4, 2)?));
    match mark as u32 {
        0xf7f7_f7f7 => {
            (head.width, head.rows, head.mixed) =
                (part.long(5 * word)?, part.long(6 * word)?, part.long(15 * word)?);
        }
        0xffff_fffd => head.texts.push(part.bytes.get(word..).unwrap_or_default().to_vec()),
        0xffff_ffff => {
            for at in (word + 8..part.bytes.len().saturating_sub(word + 11)).step_by(8) {
                head.names.push(triple(at)?);
            }
        }
        0xffff_fffc => {
            for at in (word + 8..part.bytes.len().saturating_sub(word + 11)).step_by(word + 8) {
                head.variables.push(Variable {
                    from: part.long(at)?,
                    length: part.number(at + word, 4)?,
                    text: part.number(at + word + 6, 1)? == 2,
                });
            }
        }
        0xffff_fbfe => {
            let at = 3 * word + 22;
            head.formats.push([triple(at)?, triple(at + 6)?]);
        }
        // How many columns, where the first headers are, lists of columns.
        0xf6f6_f6f6 | 0xffff_fc00 | 0xffff_fffe => {}
        _ => return Err(damaged("a header that is not known")),
    }
    Ok(())
}

/// The rows on a page.
fn rows<'a>(
    page: &View<'a>,
    head: &Head,
    left: usize,
    seen: &mut Vec<(usize, usize)>,
) -> Result<std::slice::ChunksExact<'a, u8>, Fault> {
    let start = begin(page);
    let (from, count) = match page.number(start, 2)? {
        0x100 => (start + 8, page.number(start + 2, 2)?),
        0x200 => {
            let from = start + 8 + page.number(start + 4, 2)? * 3 * page.word;
            (from + from % 8, head.mixed.min(left))
        }
        _ => (0, 0),
    };
    let length = count.checked_mul(head.width).ok_or_else(|| damaged("cut short"))?;
    let body = page.part(from, length)?;
    seen.push((from, from + length));
    Ok(body.bytes.chunks_exact(head.width))
}
