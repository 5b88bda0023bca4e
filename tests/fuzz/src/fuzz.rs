//! One fuzzer for all parsers: `SEKISHO_FUZZ` names the one that is tried; without it, all are named. Built and run by `cargo xtask fuzz`.
//!
//! What counts as a find: a panic, 10 seconds, 512 MB. The corpus it begins with is in `seeds/`, and every find becomes
//! a seed there, which `seeds.rs` tries in every test run.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sekisho_inspect::parsers;
use std::sync::LazyLock;

static NAME: LazyLock<String> = LazyLock::new(|| std::env::var("SEKISHO_FUZZ").unwrap_or_default());

fuzz_target!(
    init: {
        if NAME.is_empty() {
            parsers::names().for_each(|name| println!("{name}"));
            std::process::exit(0);
        }
    },
    |bytes: &[u8]| {
        assert!(parsers::read(&NAME, bytes), "no parser is called {}", *NAME);
    }
);
