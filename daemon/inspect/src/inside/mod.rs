//! Files that hold others: archives, workbooks, documents, notebooks, saved data frames.
//!
//! A reader here takes a whole file apart into *members*: plain files, and tables written as text with tabs. Every
//! member is then read as a file of its own, by the same readers and under the same bounds, as deep as [`DEPTH`]. What a
//! person who opens the file would not see (hidden sheets, comments, scripts, attributes) is evidence of its own.
//!
//! Invariant: whatever a reader here leaves out is a problem or evidence; nothing is passed over in silence.

pub mod archive;
mod array;
mod biff;
pub mod columnar;
mod compound;
pub mod cram;
mod document;
pub mod hdf5;
mod html;
mod json;
mod latex;
mod listing;
mod markdown;
pub mod markup;
pub mod notebook;
mod numpy;
mod office;
mod pickle;
mod rdata;
mod rframe;
mod sevenzip;
pub mod statistics;
mod study;
mod tape;
mod workbook;

#[cfg(test)]
mod tests;

use crate::readers::tally::{Tally, words};
use crate::readers::text::scan;
use sekisho_policy::facts::{Opaque, OpaqueKind, Part, Problem, ProblemKind, Statistics, What};

/// Files inside files, this deep.
pub const DEPTH: usize = 4;
/// Bytes of all members together, and of one file that is taken apart in memory.
pub const MOST_BYTES: usize = 160 << 20;
/// Members of one file.
pub const MOST_MEMBERS: usize = 2000;

/// A file inside a file.
pub struct Member {
    /// Its name there.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What was found in a file that holds others.
#[derive(Default)]
pub struct Inside {
    /// What the file is.
    pub kind: &'static str,
    /// What is in it.
    pub members: Vec<Member>,
    /// What is hidden in it, or else of note.
    pub tally: Tally,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// What was recognised and not read.
    pub opaque: Vec<Opaque>,
    bytes: usize,
}

impl Inside {
    /// Nothing found yet.
    pub fn new(kind: &'static str) -> Self {
        Self { kind, ..Self::default() }
    }

    /// Adds a member, within the bounds; `false` when they are reached.
    pub fn member(&mut self, name: impl Into<String>, bytes: Vec<u8>) -> bool {
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.members.len() >= MOST_MEMBERS || self.bytes > MOST_BYTES {
            let detail = format!("more than {MOST_MEMBERS} members or {MOST_BYTES} bytes");
            if !self.problems.iter().any(|p| p.kind == ProblemKind::Bomb) {
                self.problems.push(Problem::new(ProblemKind::Bomb, "", detail));
            }
            return false;
        }
        self.members.push(Member { name: name.into(), bytes });
        true
    }

    /// Bytes that may still be added.
    pub fn room(&self) -> usize {
        MOST_BYTES.saturating_sub(self.bytes)
    }

    /// Adds a table as text with tabs.
    pub fn table(&mut self, name: impl Into<String>, rows: &[Vec<String>]) -> bool {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        if columns == 0 {
            return true;
        }
        let mut text = Vec::new();
        for row in rows {
            if row.iter().all(|c| c.trim().is_empty()) {
                continue;
            }
            for column in 0..columns {
                if column > 0 {
                    text.push(b'\t');
                }
                let cell = row.get(column).map_or("", String::as_str).trim();
                // One cell, one field; a quote at its beginning would swallow the next.
                let plain = cell.trim_start_matches('"');
                text.extend(plain.bytes().map(|b| if b.is_ascii_control() { b' ' } else { b }));
            }
            text.push(b'\n');
            if text.len() > self.room() {
                break;
            }
        }
        self.member(name, text)
    }

    /// Adds words between tables: read for what must not be in them.
    pub fn prose(&mut self, place: &str, text: &str) {
        let about = self.tally.name(place);
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            let number = at as u64 + 1;
            scan::line(line.as_bytes(), number, about, &mut self.tally);
            if scan::has_number(line.as_bytes()) {
                self.tally
                    .add(What::UnclearText, about, || (format!("line {number}"), words(line.as_bytes())));
            }
        }
        if text.len() > 4000 {
            self.tally.add(What::UnclearText, about, || ("text".into(), format!("{} bytes", text.len())));
        }
    }

    /// Notes something that is not seen when the file is opened.
    pub fn hidden(&mut self, place: impl Into<String>, value: impl AsRef<str>) {
        let about = self.tally.name("");
        let (place, value) = (place.into(), words(value.as_ref().as_bytes()));
        self.tally.add(What::Hidden, about, || (place, value));
    }

    /// Notes a problem.
    pub fn problem(&mut self, kind: ProblemKind, place: impl Into<String>, detail: impl AsRef<str>) {
        if self.problems.len() < 50 {
            self.problems.push(Problem::new(kind, place, detail));
        }
    }

    /// Notes content that is not read.
    pub fn unread(&mut self, kind: OpaqueKind, format: &str, detail: impl Into<String>) {
        if self.opaque.len() < 50 {
            self.opaque.push(Opaque { kind, format: format.into(), detail: detail.into() });
        }
    }

    /// Everything but the members, as facts.
    pub fn parts(&mut self, minimum: u64) -> Vec<Part> {
        for member in &self.members {
            let about = self.tally.name("names of members");
            crate::names::note(&member.name, about, &mut self.tally);
        }
        let evidence = std::mem::take(&mut self.tally).evidence();
        let table = Statistics {
            rows: self.members.len() as u64,
            clear: self.members.len() as u64,
            minimum,
            subjects: String::new(),
            evidence,
        };
        let opaque = self.opaque.drain(..).map(Part::Opaque);
        std::iter::once(Part::Statistics(table)).chain(opaque).collect()
    }
}

/// A reader's name, and the reader.
pub type Reader = (&'static str, fn(&[u8]) -> Inside);

/// Every reader of this room by itself, whatever it takes to be chosen.
pub const READERS: &[Reader] = &[
    ("zip", zipped),
    ("tar", tape::read),
    ("workbook", |bytes| workbook::read(members(bytes, &WORKBOOK))),
    ("opendocument", |bytes| {
        workbook::open_document(members(bytes, &["content.xml", "styles.xml", "meta.xml"]))
    }),
    ("document", |bytes| document::read(members(bytes, &["word/document.xml", "word/header1.xml", "x.xml"]))),
    ("rdata", rdata::read),
    ("numpy", numpy::read),
    ("pickle", pickle::read),
    ("stata", statistics::stata::read),
    ("old-stata", statistics::old_stata::read),
    ("sas", statistics::sas::read),
    ("transport", statistics::transport::read),
    ("spss", statistics::spss::read),
    ("hdf5", hdf5::read),
    ("sevenzip", sevenzip::read),
    ("biff", biff::read),
    ("parquet", columnar::parquet::read),
    ("arrow", columnar::arrow::read),
    ("json", json::read),
    ("svg", crate::picture::svg::read),
    ("html", html::read),
    ("latex", latex::read),
    ("markdown", markdown::read),
];

const WORKBOOK: [&str; 6] = [
    "xl/workbook.xml",
    "xl/_rels/workbook.xml.rels",
    "xl/sharedStrings.xml",
    "xl/worksheets/sheet1.xml",
    "xl/comments1.xml",
    "xl/styles.xml",
];

/// An archive with these members, their contents one after the other with two bytes 0xff between them.
fn members(bytes: &[u8], names: &[&str]) -> Inside {
    let mut archive = Inside::new("zip");
    let mut rest = bytes;
    for name in names {
        let end = memchr::memmem::find(rest, b"\xff\xff").unwrap_or(rest.len());
        archive.member(*name, rest[..end].to_vec());
        rest = rest.get(end + 2..).unwrap_or_default();
    }
    archive
}

/// Takes a binary file apart, if its reader is here. `head` is its beginning.
pub fn binary(head: &[u8]) -> Option<fn(&[u8]) -> Inside> {
    match head {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Some(zipped),
        _ if head.get(257..262) == Some(b"ustar") => Some(tape::read),
        [b'R', b'D', b'X' | b'A' | b'B', b'2' | b'3', b'\n', ..]
        | [b'X' | b'A' | b'B', b'\n', 0, 0, 0, 2 | 3, ..] => Some(rdata::read),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(numpy::read),
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => Some(sevenzip::read),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => Some(biff::read),
        [b'P', b'A', b'R', b'1' | b'E', ..] => Some(columnar::parquet::read),
        [b'A', b'R', b'R', b'O', b'W', b'1', 0, 0, ..] => Some(columnar::arrow::read),
        _ if columnar::arrow::is_stream(head) => Some(columnar::arrow::read),
        _ if hdf5::plausible(head) => Some(hdf5::read),
        [b'$', b'F', b'L', b'2' | b'3', ..] => Some(statistics::spss::read),
        _ if head.starts_with(b"HEADER RECORD*******LIB") => Some(statistics::transport::read),
        _ if head.starts_with(&statistics::sas::MAGIC) => Some(statistics::sas::read),
        _ if statistics::old_stata::plausible(head) => Some(statistics::old_stata::read),
        _ if head.starts_with(b"<stata_dta>") => Some(statistics::stata::read),
        // Detection has made sure that it ends as one.
        [0x80, 2..=5, ..] => Some(pickle::read),
        _ => None,
    }
}

/// A zip archive by what is in it: a workbook, a document, or files.
fn zipped(bytes: &[u8]) -> Inside {
    let archive = archive::read(bytes);
    let has = |name: &str| archive.members.iter().any(|m| m.name == name);
    if has("xl/workbook.xml") {
        workbook::read(archive)
    } else if has("word/document.xml") {
        document::read(archive)
    } else if has("content.xml") && has("mimetype") {
        workbook::open_document(archive)
    } else {
        archive
    }
}

/// Takes a text apart, if it is one of the forms that hold tables between other things.
pub fn text(head: &[u8], whole: bool) -> Option<fn(&[u8]) -> Inside> {
    if json::plausible(head, whole) {
        Some(json::read)
    } else if crate::picture::svg::plausible(head) {
        Some(crate::picture::svg::read)
    } else if html::plausible(head) {
        Some(html::read)
    } else if array::plausible(head) {
        Some(array::read)
    } else if study::plausible(head) {
        Some(study::read)
    } else if crate::readers::text::is_recognised(head, whole) {
        // Logs draw tables of bars, too, and have readers of their own.
        None
    } else if latex::plausible(head) {
        Some(latex::read)
    } else if markdown::plausible(head) {
        Some(markdown::read)
    } else if listing::plausible(head, whole) {
        Some(listing::read)
    } else {
        None
    }
}

/// The text of bytes that readers of text were given: UTF-8 by then.
pub fn utf8(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
