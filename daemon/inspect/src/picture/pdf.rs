//! PDF: never passes. What a page can hide (attachments, scripts, forms, layers, earlier versions, encryption) blocks it;
//! what is left is for the officer, with the text that could be read looked through.
//!
//! Every object of the file is walked over as it stands, whatever the table at its end says is there: an object that no
//! page shows is read like any other.

use super::MOST_BYTES;
use crate::readers::Found;
use crate::readers::tally::{Tally, words};
use flate2::{Decompress, FlushDecompress, Status};
use memchr::memmem::find;
use sekisho_policy::facts::{Opaque, OpaqueKind, Part, Problem, ProblemKind, Statistics, What};
use std::collections::BTreeSet;
use std::io::Read;

/// Unpacked bytes of one stream, and of all together.
const MOST_STREAM: usize = 16 << 20;
const MOST_UNPACKED: usize = 64 << 20;
const MOST_OBJECTS: usize = 200_000;

/// Names of what a page can hide or do, and what they stand for.
const REFUSED: [(&str, &str); 22] = [
    ("EmbeddedFile", "an attachment"),
    ("EmbeddedFiles", "attachments"),
    ("Filespec", "an attachment"),
    ("JavaScript", "a script"),
    ("JS", "a script"),
    ("XFA", "a form of another kind"),
    ("AcroForm", "a form"),
    ("Launch", "starts a program"),
    ("SubmitForm", "sends a form"),
    ("ImportData", "takes data in"),
    ("GoToR", "opens another file"),
    ("GoToE", "opens an attachment"),
    ("OpenAction", "acts when it is opened"),
    ("AA", "acts by itself"),
    ("RichMedia", "media"),
    ("Movie", "media"),
    ("Sound", "media"),
    ("3D", "media"),
    ("OCG", "a layer"),
    ("OCProperties", "layers"),
    ("Encrypt", "encryption"),
    ("Collection", "attachments"),
];

/// Reads a document to its end.
pub fn read(stream: &mut impl Read, minimum: u64) -> Found {
    let mut bytes = Vec::new();
    let whole =
        stream.take(MOST_BYTES + 1).read_to_end(&mut bytes).is_ok() && bytes.len() as u64 <= MOST_BYTES;
    let mut found = Found { kind: "pdf".into(), rows: 1, unit: "documents", ..Found::nothing() };
    let mut look = Look::default();
    if whole {
        look.file(&bytes, &mut found.problems);
    } else {
        found.problems.push(Problem::new(ProblemKind::Bomb, "", "larger than is looked into"));
    }
    let kind = if look.refused.is_empty() { OpaqueKind::Picture } else { OpaqueKind::Document };
    let detail = look.refused.iter().copied().collect::<Vec<_>>().join(", ");
    found.parts.push(Part::Opaque(Opaque { kind, format: "PDF".into(), detail }));
    let (evidence, subjects) = (look.tally.evidence(), String::new());
    found.parts.push(Part::Statistics(Statistics { rows: 1, clear: 0, minimum, subjects, evidence }));
    found
}

#[derive(Default)]
struct Look {
    refused: BTreeSet<&'static str>,
    tally: Tally,
    unpacked: usize,
    line: u64,
}

impl Look {
    fn file(&mut self, bytes: &[u8], problems: &mut Vec<Problem>) {
        let bad = |kind, place: &str, detail: String| Problem::new(kind, place, detail);
        if memchr::memmem::find_iter(bytes, b"startxref").count() > 1 {
            self.refused.insert("an earlier version of itself");
        }
        match memchr::memmem::rfind(bytes, b"%%EOF") {
            Some(end) if !bytes[end + 5..].trim_ascii().is_empty() => {
                problems.push(bad(
                    ProblemKind::TrailingBytes,
                    "end",
                    format!("{} bytes follow", bytes.len() - end - 5),
                ));
            }
            Some(_) => {}
            None => problems.push(bad(ProblemKind::Malformed, "end", "the document is cut short".into())),
        }
        let mut rest = bytes;
        for number in 0.. {
            if number >= MOST_OBJECTS {
                problems.push(bad(ProblemKind::Bomb, "objects", format!("more than {MOST_OBJECTS}")));
                return;
            }
            // Up to the data of the next stream everything is names, numbers and texts.
            let at = find(rest, b"stream").unwrap_or(rest.len());
            let plain = &rest[..at];
            self.names(plain);
            let Some(after) = rest.get(at + 6..).filter(|a| !a.is_empty()) else { return };
            let data = after.strip_prefix(b"\r\n").or_else(|| after.strip_prefix(b"\n")).unwrap_or(after);
            let Some(end) = find(data, b"endstream") else {
                problems.push(bad(ProblemKind::Malformed, "stream", "a stream that does not end".into()));
                return;
            };
            let begin = memchr::memmem::rfind(plain, b" obj").unwrap_or(0);
            if let Err(problem) = self.stream(&plain[begin..], &data[..end]) {
                if problem.kind == ProblemKind::Bomb {
                    problems.push(problem);
                    return;
                }
                if problems.len() < 20 {
                    problems.push(problem);
                }
            }
            rest = &data[end + 9..];
        }
    }

    /// Looks for names, however they are spelled.
    fn names(&mut self, text: &[u8]) {
        for at in memchr::memchr_iter(b'/', text) {
            let raw = &text[at + 1..text.len().min(at + 60)];
            let mut name = Vec::with_capacity(16);
            let mut bytes = raw.iter();
            while let Some(byte) = bytes.next() {
                match byte {
                    b'#' => {
                        let hex = bytes.as_slice().get(..2).and_then(|h| std::str::from_utf8(h).ok());
                        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
                            Some(code) => {
                                name.push(code);
                                bytes.nth(1);
                            }
                            None => name.push(b'#'),
                        }
                    }
                    b if b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+') => name.push(*b),
                    _ => break,
                }
            }
            if let Some((_, what)) = REFUSED.iter().find(|(n, _)| n.as_bytes() == name) {
                self.refused.insert(what);
            }
        }
        self.texts(text);
    }

    /// A stream: objects, marks on a page, a picture, a font.
    fn stream(&mut self, about: &[u8], data: &[u8]) -> Result<(), Problem> {
        let has = |name: &[u8]| find(about, name).is_some();
        let seen =
            has(b"/Image") || has(b"/FontFile") || has(b"/Length1") || has(b"/Type1C") || has(b"/ICCBased");
        if has(b"/Metadata") {
            let place = self.tally.name("");
            self.tally.add(What::Hidden, place, || ("metadata".into(), format!("{} bytes", data.len())));
        }
        let unpacked;
        let content = if !has(b"/Filter") {
            data
        } else if has(b"/FlateDecode") && !has(b"/ASCII85Decode") && !has(b"/LZWDecode") {
            unpacked = self.inflate(data)?;
            &unpacked
        } else if has(b"/DCTDecode") || has(b"/JPXDecode") || has(b"/CCITTFaxDecode") {
            return Ok(());
        } else {
            return Err(Problem::new(
                ProblemKind::Malformed,
                "stream",
                format!("packed as {}", words(about)),
            ));
        };
        if has(b"/ObjStm") || !seen {
            self.names(content);
        }
        Ok(())
    }

    fn inflate(&mut self, data: &[u8]) -> Result<Vec<u8>, Problem> {
        let mut inflate = Decompress::new(true);
        let mut out = Vec::new();
        loop {
            let before = (inflate.total_in(), inflate.total_out());
            out.reserve(64 << 10);
            let from = usize::try_from(before.0).unwrap_or(usize::MAX);
            let rest = data.get(from..).unwrap_or_default();
            let status = inflate.decompress_vec(rest, &mut out, FlushDecompress::None);
            let ended = matches!(status, Ok(Status::StreamEnd));
            if out.len() > MOST_STREAM || self.unpacked + out.len() > MOST_UNPACKED {
                return Err(Problem::new(
                    ProblemKind::Bomb,
                    "stream",
                    format!("more than {MOST_STREAM} bytes"),
                ));
            }
            if ended {
                self.unpacked += out.len();
                return Ok(out);
            }
            if status.is_err() || (inflate.total_in(), inflate.total_out()) == before {
                return Err(Problem::new(ProblemKind::Malformed, "stream", "cannot be unpacked"));
            }
        }
    }

    /// Texts in brackets, as pages write them: one line for each run of them.
    fn texts(&mut self, content: &[u8]) {
        let about = self.tally.name("text");
        let mut text = Vec::new();
        let (mut depth, mut bytes) = (0_usize, content.iter());
        while let Some(byte) = bytes.next() {
            match (depth, byte) {
                (0, b'(') => {
                    depth = 1;
                    // Whatever comes between two pieces is a distance.
                    if text.last() == Some(&0) {
                        text.pop();
                    }
                }
                (0, b'T' | b'\'' | b'"') if text.last() == Some(&0) => {
                    text.pop();
                    self.line += 1;
                    crate::readers::text::scan::line(&text, self.line, about, &mut self.tally);
                    text.clear();
                }
                (0, _) => {}
                (_, b'\\') => text.extend(bytes.next()),
                (_, b'(') => depth += 1,
                (1, b')') => {
                    depth = 0;
                    text.push(0);
                }
                (_, b')') => depth -= 1,
                (_, byte) if text.len() < 4096 => text.push(*byte),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::readers::testing::check;
    use sekisho_policy::Verdict;

    fn pdf(more: &str, behind: &str) -> Vec<u8> {
        format!(
            "%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R {more}>>\nendobj\n3 0 obj\n<< /Length 20 >>\nstream\n\
             BT (PC1) Tj ET\nendstream\nendobj\ntrailer\n<< /Root 1 0 R >>\nstartxref\n9\n%%EOF\n{behind}"
        )
        .into_bytes()
    }

    #[test]
    fn a_plain_page_is_for_the_officer_and_whatever_hides_blocks() {
        let report = check(&pdf("", ""));
        assert_eq!(report.verdict, Verdict::Review, "{:#?}", report.findings);
        for more in [
            "/Names << /EmbeddedFiles 5 0 R >> ",
            "/OpenAction << /S /JavaScript /JS (x) >> ",
            "/OpenAction << /S /J#61vaScript >> ",
            "/AcroForm << /XFA 6 0 R >> ",
            "/A << /S /Launch >> ",
            "/OCProperties << /OCGs [7 0 R] >> ",
            "/Encrypt 8 0 R ",
        ] {
            assert_eq!(check(&pdf(more, "")).verdict, Verdict::Block, "{more}");
        }
        let later = "1 0 obj\n<< >>\nendobj\ntrailer\n<< >>\nstartxref\n9\n%%EOF\n";
        assert_eq!(check(&pdf("", later)).verdict, Verdict::Block);
        let whole = pdf("", "");
        for end in 5..whole.len() {
            assert_ne!(check(&whole[..end]).verdict, Verdict::Pass, "{end}");
        }
    }
}
