//! Old workbooks (`.xls`, Excel 97 to 2003): the records of every sheet, and what they hide.
//!
//! Records that only say how a sheet looks are named below; whatever else is met, and is no cell, is shown to the officer.

use super::compound;
use super::{Inside, utf8};
use crate::readers::text::scan;
use sekisho_policy::facts::{OpaqueKind, ProblemKind};
use std::collections::{BTreeMap, BTreeSet};

/// Cells of one workbook.
const MOST_CELLS: usize = 2_000_000;
/// Columns of a sheet by its format.
const MOST_COLUMNS: usize = 256;

/// Records of look and order.
const PLAIN: [u16; 101] = [
    0x0809, 0x000a, 0x00e1, 0x00c1, 0x00e2, 0x0042, 0x0161, 0x013d, 0x009c, 0x01ba, 0x0019, 0x0012, 0x0013,
    0x01af, 0x01bc, 0x003d, 0x0040, 0x008d, 0x0022, 0x000e, 0x01b7, 0x00da, 0x0031, 0x041e, 0x00e0, 0x0293,
    0x0092, 0x0160, 0x008c, 0x00ff, 0x087c, 0x087d, 0x0892, 0x088e, 0x088d, 0x089b, 0x088c, 0x0863, 0x089a,
    0x08a3, 0x01c1, 0x00d7, 0x020b, 0x000d, 0x000c, 0x000f, 0x0011, 0x0010, 0x005f, 0x002a, 0x002b, 0x0082,
    0x0080, 0x0225, 0x0081, 0x0083, 0x0084, 0x0026, 0x0027, 0x0028, 0x0029, 0x00a1, 0x0055, 0x00a0, 0x023e,
    0x0041, 0x001d, 0x00e5, 0x0862, 0x0867, 0x088b, 0x001b, 0x001a, 0x0090, 0x009d, 0x009b, 0x0097, 0x005e,
    0x0060, 0x01c0, 0x0017, 0x0099, 0x00ab, 0x0063, 0x00dd, 0x0200, 0x0201, 0x00be, 0x00ef, 0x0868, 0x0871,
    0x0896, 0x08a6, 0x0850, 0x0851, 0x0852, 0x01b0, 0x01b2, 0x087a, 0x00e3, 0x0051,
];

/// Takes a compound file apart, if it is a workbook.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("xls");
    let Some(compound) = compound::read(bytes) else {
        inside.problem(ProblemKind::NotInspected, "OLE2", "damaged or cut short");
        return inside;
    };
    if compound.beside > 0 {
        inside.hidden("file", format!("{} bytes that are in no stream", compound.beside));
    }
    let is = |name: &str| compound.streams.iter().any(|s| s.name == name);
    if is("EncryptedPackage") || is("EncryptionInfo") {
        inside.unread(OpaqueKind::Document, "OLE2", "encrypted");
        return inside;
    }
    if !is("Workbook") {
        let kind = if is("Book") { OpaqueKind::Workbook } else { OpaqueKind::Document };
        let names: Vec<&str> = compound.streams.iter().map(|s| s.name.as_str()).take(5).collect();
        inside.unread(kind, "OLE2", names.join(", "));
        return inside;
    }
    for stream in compound.streams {
        match stream.name.as_str() {
            "Workbook" => Book::new(&stream.bytes).read(&mut inside),
            "\u{5}SummaryInformation" | "\u{5}DocumentSummaryInformation" => {
                properties(&stream.bytes, &mut inside);
            }
            "\u{1}CompObj" if stream.bytes.len() < 256 => {}
            name if name.contains("VBA") || name.contains("Macros") => {
                inside.unread(OpaqueKind::Executable, "macros", name);
            }
            name => inside.hidden(name, format!("{} bytes", stream.bytes.len())),
        }
    }
    inside
}

/// Texts among the bytes of the document's properties.
fn properties(bytes: &[u8], inside: &mut Inside) {
    if bytes.len() > 16 << 10 {
        inside.hidden("document properties", format!("{} bytes", bytes.len()));
    }
    let about = inside.tally.name("document properties");
    for text in bytes.split(|b| *b < 32).filter(|t| t.len() > 3) {
        scan::line(utf8(text).as_bytes(), 0, about, &mut inside.tally);
    }
}

/// A record and what continues it.
struct Record<'a> {
    kind: u16,
    parts: Vec<&'a [u8]>,
}

impl<'a> Record<'a> {
    fn data(&self) -> &'a [u8] {
        self.parts.first().copied().unwrap_or_default()
    }

    fn length(&self) -> usize {
        self.parts.iter().map(|p| p.len()).sum()
    }
}

fn le16(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Records from here on; `None` at the end for damage.
fn records(bytes: &[u8]) -> Option<Vec<Record<'_>>> {
    let mut found: Vec<Record<'_>> = Vec::new();
    let mut rest = bytes;
    while rest.len() >= 4 {
        let (kind, length) = (le16(rest, 0)? as u16, le16(rest, 2)?);
        if kind == 0 && length == 0 && rest.iter().all(|b| *b == 0) {
            return Some(found);
        }
        let data = rest.get(4..4 + length)?;
        rest = &rest[4 + length..];
        if kind == 0x3c {
            found.last_mut()?.parts.push(data);
        } else {
            found.push(Record { kind, parts: vec![data] });
        }
    }
    rest.is_empty().then_some(found)
}

/// Reads characters across the parts of a record.
struct Chars<'a> {
    parts: std::vec::IntoIter<&'a [u8]>,
    now: &'a [u8],
}

impl<'a> Chars<'a> {
    fn new(record: &Record<'a>, skip: usize) -> Option<Self> {
        let mut parts = record.parts.clone().into_iter();
        let now = parts.next()?.get(skip..)?;
        Some(Self { parts, now })
    }

    fn take(&mut self, n: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        while out.len() < n {
            if self.now.is_empty() {
                self.now = self.parts.next()?;
            }
            let (head, rest) = self.now.split_at((n - out.len()).min(self.now.len()));
            out.extend(head);
            self.now = rest;
        }
        Some(out)
    }

    /// Characters of one or two bytes; a part that continues says anew which.
    fn text(&mut self, count: usize, mut wide: bool) -> Option<String> {
        let mut units = Vec::new();
        while units.len() < count {
            if self.now.is_empty() {
                self.now = self.parts.next()?;
                wide = self.take(1)?[0] & 1 == 1;
                continue;
            }
            let size = 1 + usize::from(wide);
            let fit = (self.now.len() / size).min(count - units.len());
            if fit == 0 {
                return None;
            }
            let (head, rest) = self.now.split_at(fit * size);
            units.extend(
                head.chunks_exact(size).map(|c| c.iter().rev().fold(0, |n, b| n << 8 | u16::from(*b))),
            );
            self.now = rest;
        }
        Some(String::from_utf16_lossy(&units))
    }

    /// A text with its length in so many bytes, and what is said beside it.
    fn string(&mut self, width: usize) -> Option<(String, Vec<u8>)> {
        let count = self.take(width)?.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b));
        let flags = self.take(1)?[0];
        let runs = if flags & 8 != 0 { le16(&self.take(2)?, 0)? } else { 0 };
        let beside = if flags & 4 != 0 { le32(&self.take(4)?, 0)? as usize } else { 0 };
        let text = self.text(count, flags & 1 == 1)?;
        self.take(runs * 4)?;
        Some((text, self.take(beside)?))
    }
}

struct Book<'a> {
    bytes: &'a [u8],
    strings: Vec<String>,
    used: BTreeSet<usize>,
    fonts: Vec<bool>,
    formats: BTreeSet<usize>,
    unseen: Vec<bool>,
    cells: usize,
}

impl<'a> Book<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            strings: Vec::new(),
            used: BTreeSet::new(),
            fonts: Vec::new(),
            formats: BTreeSet::new(),
            unseen: Vec::new(),
            cells: 0,
        }
    }

    fn read(mut self, inside: &mut Inside) {
        let Some(records) = records(self.bytes) else {
            inside.problem(ProblemKind::NotInspected, "Workbook", "a damaged record");
            return;
        };
        // Sheets follow one another, each from its first record to its last.
        let mut sheets: Vec<&[Record<'_>]> = Vec::new();
        let (mut depth, mut from) = (0, 0);
        for (at, record) in records.iter().enumerate() {
            match record.kind {
                0x809 => {
                    from = if depth == 0 { at } else { from };
                    depth += 1;
                }
                0x0a if depth > 0 => {
                    depth -= 1;
                    if depth == 0 {
                        sheets.extend(records.get(from..=at));
                    }
                }
                _ if depth == 0 => inside.hidden("Workbook", "a record outside every sheet"),
                _ => {}
            }
        }
        let Some((globals, sheets)) = sheets.split_first().filter(|_| depth == 0) else {
            inside.problem(ProblemKind::NotInspected, "Workbook", "damaged or cut short");
            return;
        };
        let Some(listed) = self.globals(globals, inside) else {
            inside.problem(ProblemKind::NotInspected, "Workbook", "a damaged list of sheets or texts");
            return;
        };
        if listed.len() != sheets.len() {
            inside.hidden("Workbook", format!("{} sheets, {} in the list", sheets.len(), listed.len()));
        }
        for (at, sheet) in sheets.iter().enumerate() {
            let name = listed.get(at).map_or_else(|| format!("sheet {at}"), |(n, _)| n.clone());
            if listed.get(at).is_none_or(|(_, hidden)| *hidden) {
                inside.hidden(format!("sheet {name}"), "hidden sheet");
            }
            match self.sheet(&name, sheet, inside) {
                Some(rows) => drop(inside.table(name, &rows)),
                None => inside.problem(ProblemKind::NotInspected, name, "a damaged record"),
            }
        }
        let unused =
            (0..self.strings.len()).filter(|i| !self.used.contains(i) && !self.strings[*i].trim().is_empty());
        let unused = unused.count();
        if unused > 0 {
            inside.hidden("texts", format!("{unused} texts that no cell shows"));
        }
    }

    /// What holds for the whole workbook; gives the sheets with whether they are hidden.
    fn globals(&mut self, records: &[Record<'_>], inside: &mut Inside) -> Option<Vec<(String, bool)>> {
        let mut listed = Vec::new();
        for record in records {
            let data = record.data();
            match record.kind {
                0x809 if le16(data, 0)? != 0x600 => {
                    inside.unread(OpaqueKind::Workbook, "OLE2", "a workbook older than Excel 97");
                }
                0x2f => inside.unread(OpaqueKind::Document, "OLE2", "encrypted"),
                0x85 => {
                    let (name, _) = Chars::new(record, 6)?.string(1)?;
                    if *data.get(5)? == 1 || *data.get(5)? == 6 {
                        inside.unread(OpaqueKind::Executable, "macros", name.clone());
                    }
                    listed.push((name, data.get(4)? & 3 != 0));
                }
                0xfc => self.texts(record, inside)?,
                0x5c => {
                    let about = inside.tally.name("document properties");
                    scan::line(utf8(data).as_bytes(), 0, about, &mut inside.tally);
                }
                0x31 => {
                    self.fonts.push(matches!(le16(data, 4)?, 1 | 9));
                    self.plain(record, inside);
                }
                0x41e => {
                    let (code, _) = Chars::new(record, 2)?.string(2)?;
                    if code.contains(";;") {
                        self.formats.insert(le16(data, 0)?);
                    }
                    self.plain(record, inside);
                }
                0xe0 => {
                    let font = le16(data, 0)?;
                    // Font 4 does not exist.
                    let font = if font > 4 { font - 1 } else { font };
                    let white = self.fonts.get(font).copied().unwrap_or(false);
                    let filled = le32(data, 14)? >> 26 != 0;
                    self.unseen.push(white && !filled || self.formats.contains(&le16(data, 2)?));
                }
                // References to the workbook itself.
                0x1ae if data.get(2..4) == Some(&[1, 4]) => {}
                0x18 => self.formula("defined name", data.get(14..)?, inside),
                0xd3 => inside.unread(OpaqueKind::Executable, "macros", "a project"),
                _ => self.plain(record, inside),
            }
        }
        Some(listed)
    }

    fn texts(&mut self, record: &Record<'_>, inside: &mut Inside) -> Option<()> {
        let count = le32(record.data(), 4)? as usize;
        let mut chars = Chars::new(record, 8)?;
        let about = inside.tally.name("how texts are read aloud");
        for _ in 0..count {
            let (text, beside) = chars.string(2)?;
            // How it is spoken, in Japanese: a text of its own.
            let units = beside.chunks_exact(2).skip(6).map(|p| u16::from_le_bytes([p[0], p[1]]));
            let spoken: String = char::decode_utf16(units.take(4000))
                .filter_map(Result::ok)
                .filter(|c| !c.is_control())
                .collect();
            if !spoken.is_empty() {
                scan::line(spoken.as_bytes(), 0, about, &mut inside.tally);
                if spoken.chars().filter(char::is_ascii_digit).count() > 3 {
                    inside.hidden("how a text is read aloud", spoken);
                }
            }
            self.strings.push(text);
        }
        Some(())
    }

    /// A record of look: small, or it holds something else.
    fn plain(&self, record: &Record<'_>, inside: &mut Inside) {
        if !PLAIN.contains(&record.kind) || record.length() > 2048 {
            inside.hidden(format!("record {:#x}", record.kind), format!("{} bytes", record.length()));
        }
    }

    /// Formulas refer and calculate; texts in them are data.
    fn formula(&self, place: &str, tokens: &[u8], inside: &mut Inside) {
        let text = |part: &[u8]| part.len() >= 5 && part.iter().all(|b| b.is_ascii_graphic());
        if tokens.len() > 300 || tokens.split(|b| !b.is_ascii_graphic()).any(text) {
            inside.hidden(place, format!("a formula with text, {} bytes", tokens.len()));
        }
    }

    fn sheet(&mut self, name: &str, records: &[Record<'_>], inside: &mut Inside) -> Option<Vec<Vec<String>>> {
        let mut rows: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        let (mut unseen, mut formula, mut depth) = (0, None, 0);
        for record in records {
            let data = record.data();
            let place = || Some((le16(data, 0)?, le16(data, 2)?, le16(data, 4)?));
            let mut put = |(row, column, style): (usize, usize, usize), text: String| {
                self.cells += 1;
                if self.cells > MOST_CELLS || column >= MOST_COLUMNS {
                    return;
                }
                unseen += usize::from(!text.is_empty() && self.unseen.get(style).copied().unwrap_or(false));
                let cells = rows.entry(row).or_default();
                if cells.len() <= column {
                    cells.resize(column + 1, String::new());
                }
                cells[column] = text;
            };
            match record.kind {
                0x809 => {
                    depth += 1;
                    if depth > 1 || le16(data, 2)? != 0x10 {
                        inside.hidden(name, "a chart or another sheet in this one");
                    }
                }
                0x0a => depth -= 1,
                0xfd => {
                    let at = le32(data, 6)? as usize;
                    self.used.insert(at);
                    let text = self.strings.get(at)?.clone();
                    put(place()?, text);
                }
                0x203 => {
                    let value = f64::from_le_bytes(data.get(6..14)?.try_into().ok()?);
                    put(place()?, value.to_string());
                }
                0x27e => put(place()?, packed(le32(data, 6)?)),
                0xbd => {
                    let (row, first, _) = place()?;
                    for (at, cell) in data.get(4..data.len().checked_sub(2)?)?.chunks_exact(6).enumerate() {
                        put((row, first + at, le16(cell, 0)?), packed(le32(cell, 2)?));
                    }
                }
                0x204 | 0xd6 => {
                    let (text, _) = Chars::new(record, 6)?.string(2)?;
                    put(place()?, text);
                }
                0x205 => put(place()?, data.get(6)?.to_string()),
                0x06 => {
                    let value = data.get(6..14)?;
                    let text = match value {
                        [kind, _, value, _, _, _, 0xff, 0xff] => match kind {
                            0 => {
                                formula = Some(place()?);
                                String::new()
                            }
                            3 => String::new(),
                            _ => value.to_string(),
                        },
                        _ => f64::from_le_bytes(value.try_into().ok()?).to_string(),
                    };
                    put(place()?, text);
                    self.formula(name, data.get(22..)?, inside);
                }
                0x207 => {
                    let (text, _) = Chars::new(record, 0)?.string(2)?;
                    if let Some(at) = formula.take() {
                        put(at, text);
                    }
                }
                0x4bc | 0x221 => self.formula(name, data.get(8..)?, inside),
                0x208 => {
                    if le16(data, 12)? & 0x20 != 0 {
                        inside.hidden(format!("{name}, row {}", le16(data, 0)? + 1), "hidden row");
                    }
                }
                0x7d => {
                    if le16(data, 8)? & 1 != 0 {
                        inside.hidden(format!("{name}, column {}", le16(data, 0)? + 1), "hidden columns");
                    }
                }
                0x14 | 0x15 if !data.is_empty() => {
                    let (text, _) = Chars::new(record, 0)?.string(2)?;
                    inside.prose(&format!("{name}, head and foot"), &text);
                }
                0x14 | 0x15 => {}
                0x1c => inside.hidden(name, "a comment"),
                0x1b6 => {
                    let text = record.parts.get(1).map(|p| utf8(p).replace('\0', "")).unwrap_or_default();
                    inside.hidden(name, text.clone());
                    inside.prose(name, &text);
                }
                _ => self.plain(record, inside),
            }
        }
        if unseen > 0 {
            inside.hidden(name, format!("{unseen} cells in white or in a format that shows nothing"));
        }
        if self.cells > MOST_CELLS {
            inside.problem(ProblemKind::OverLimit, name, format!("more than {MOST_CELLS} cells"));
        }
        Some(rows.into_values().collect())
    }
}

/// A number in 30 bits: whole or the upper half of a fraction, as it is or a hundredfold.
fn packed(bits: u32) -> String {
    let value =
        if bits & 2 != 0 { f64::from(bits as i32 >> 2) } else { f64::from_bits(u64::from(bits & !3) << 32) };
    if bits & 1 != 0 { (value / 100.0).to_string() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use crate::readers::testing::check;
    use sekisho_policy::Verdict;

    const CLEAN: &[u8] = include_bytes!("../../fixtures/clean.xls");

    #[test]
    fn sheets_of_old_workbooks_are_tables_and_hidden_ones_are_shown() {
        for (bytes, verdict) in [
            (CLEAN, Verdict::Pass),
            (include_bytes!("../../fixtures/formula.xls"), Verdict::Pass),
            (include_bytes!("../../fixtures/small.xls"), Verdict::Block),
            (include_bytes!("../../fixtures/hidden.xls"), Verdict::Review),
        ] {
            let report = check(bytes);
            assert_eq!(report.verdict, verdict, "{:#?}", report.findings);
        }
        let slack = [CLEAN, &[7; 512]].concat();
        assert_ne!(check(&slack).verdict, Verdict::Pass);
    }

    #[test]
    fn old_workbooks_cut_anywhere_never_pass() {
        for at in (1..CLEAN.len()).step_by(9) {
            assert_ne!(check(&CLEAN[..at]).verdict, Verdict::Pass, "cut at {at}");
            let mut changed = CLEAN.to_vec();
            changed[at] ^= 0x81;
            let _ = check(&changed);
        }
    }
}
