//! Names of files and of what is inside them: they leave with the data, so they must not be data.

use crate::readers::tally::{Tally, words};
use crate::readers::text::scan;
use sekisho_policy::facts::{Part, Statistics, What};

/// A run of letters and digits that is no word.
const LONGEST_RUN: usize = 48;

/// What a name says that names should not.
pub fn look(name: &str, minimum: u64) -> Option<Part> {
    let mut tally = Tally::default();
    let about = tally.name("file name");
    note(name, about, &mut tally);
    let evidence = tally.evidence();
    (!evidence.is_empty())
        .then(|| Part::Statistics(Statistics { minimum, evidence, ..Statistics::default() }))
}

/// Adds what a name says to a tally.
pub fn note(name: &str, about: u32, tally: &mut Tally) {
    let last = name.rsplit('/').next().unwrap_or(name).as_bytes();
    // The dot before the ending would join an address to it.
    let stem = memchr::memrchr(b'.', last).map_or(last, |at| &last[..at]);
    scan::line(stem, 0, about, tally);
    let run = |r: &&[u8]| r.len() >= LONGEST_RUN || scan::digits(r);
    if let Some(run) = stem.split(|b| !b.is_ascii_alphanumeric()).find(run) {
        tally.add(What::EncodedText, about, || ("name".into(), words(&run[..run.len().min(24)])));
    }
    if last.iter().any(u8::is_ascii_control) {
        tally.add(What::EncodedText, about, || ("name".into(), words(last)));
    }
}
