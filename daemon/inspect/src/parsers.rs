//! Every parser of untrusted bytes by itself, for whoever tries what bytes do to it: no magic number has to be guessed
//! first. A reader that is new here is tried from then on.

use crate::inside::{self, Inside};
use crate::readers::Found;
use crate::{inspect, picture};
use sekisho_policy::{Policy, RequestInfo, Verdict};
use sekisho_wire::inspect::Job;
use std::fs::File;
use std::io::{Cursor, Seek, Write};

/// A parser's name, and the parser.
pub type Parser = (&'static str, fn(&[u8]));

/// Parsers that are no reader of whole files taken apart; those are [`inside::READERS`].
const OTHERS: [Parser; 9] = [
    ("file", file),
    ("png", |b| fine(picture::png::read(&mut Cursor::new(b), 10))),
    ("jpeg", |b| fine(picture::jpeg::read(&mut Cursor::new(b), 10))),
    ("pdf", |b| fine(picture::pdf::read(&mut Cursor::new(b), 10))),
    ("picture-copy", |b| drop(picture::copy(b))),
    ("svg-copy", |b| drop(picture::svg::copy(b))),
    ("notebook-copy", |b| drop(inside::notebook::copy(b))),
    ("cram-header", |b| drop(inside::cram::header(b))),
    ("names", |b| drop(crate::names::look(&inside::utf8(b), 10))),
];

/// Names of all of them.
pub fn names() -> impl Iterator<Item = &'static str> {
    OTHERS.iter().map(|(name, _)| *name).chain(inside::READERS.iter().map(|(name, _)| *name))
}

/// Has bytes read by the parser of this name; `false` when there is none.
pub fn read(name: &str, bytes: &[u8]) -> bool {
    if let Some((_, parser)) = OTHERS.iter().find(|(n, _)| *n == name) {
        parser(bytes);
        return true;
    }
    inside::READERS.iter().find(|(n, _)| *n == name).is_some_and(|(_, parser)| {
        let mut found: Inside = parser(bytes);
        drop(found.parts(10));
        true
    })
}

fn fine(found: Found) {
    assert!(!found.parts.is_empty() || !found.problems.is_empty(), "nothing is said about a file");
}

/// A file as it comes: layers, detection, every plausible reader, the copy, the judgement.
fn file(bytes: &[u8]) {
    let memory = || nix::sys::memfd::memfd_create("file", nix::sys::memfd::MFdFlags::empty()).map(File::from);
    let (Ok(mut given), Ok(copy)) = (memory(), memory()) else { return };
    if given.write_all(bytes).and_then(|()| given.rewind()).is_err() {
        return;
    }
    let job = Job {
        version: 1,
        name: "file".into(),
        policy: Policy::default(),
        request: RequestInfo::default(),
        fix: true,
        beside: None,
    };
    let (facts, _) = inspect::run(&job, given, Some(copy), |_| true);
    let size = serde_json::to_vec(&facts).map_or(usize::MAX, |json| json.len());
    assert!(size < 8 << 20, "facts of {size} bytes");
    let report = sekisho_policy::judge(&job.policy, &job.request, &[facts]);
    assert!(!bytes.is_empty() || report.verdict != Verdict::Pass, "nothing at all passes");
}
