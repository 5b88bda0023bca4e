//! Every seed is survived by every parser, whole, cut short and changed, in every test run; libFuzzer goes on from here.

// The helper below is test code too; a failed step is a failed test.
#![allow(clippy::unwrap_used)]

use sekisho_inspect::parsers;
use std::path::Path;

/// Small files, one of each form, and whatever was found to be of use.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")).unwrap() {
        let path = entry.unwrap().path();
        found.push((path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()));
    }
    found.sort();
    found
}

#[test]
fn the_kept_corpus_is_small_and_survived_by_every_parser() {
    let seeds = seeds();
    assert!(seeds.len() >= 20, "{} seeds", seeds.len());
    let size: usize = seeds.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(size < 300 << 10, "{size} bytes of seeds");
    for name in parsers::names() {
        for (_, bytes) in &seeds {
            assert!(parsers::read(name, bytes));
        }
    }
}

/// A seed is called after its parser and what it is: `png-palette`. It goes through that parser, and as a file.
#[test]
fn every_seed_is_survived_cut_short() {
    for (seed, bytes) in &seeds() {
        let own = parsers::names().filter(|name| seed.starts_with(name)).max_by_key(|name| name.len());
        let step = (bytes.len() / 150).max(1);
        for end in (0..bytes.len()).step_by(step) {
            parsers::read(own.unwrap_or("file"), &bytes[..end]);
        }
    }
}

#[test]
fn every_seed_is_survived_with_bytes_changed() {
    for (seed, bytes) in &seeds() {
        let own = parsers::names().filter(|name| seed.starts_with(name)).max_by_key(|name| name.len());
        let step = (bytes.len() / 30).max(1);
        for at in (0..bytes.len()).step_by(step) {
            for value in [0xff, bytes[at] ^ 1] {
                let mut changed = bytes.clone();
                changed[at] = value;
                parsers::read(own.unwrap_or("file"), &changed);
            }
        }
    }
}
