//! `cargo xtask test`: every check there is, in the order in which a mistake is cheapest to find.
//!
//! Invariant: a stage that cannot run counts as failed, never as skipped. The last line is `N passed, N failed`.

use crate::image::Sort;
use crate::suite::{self, Count};
use crate::{demo, install, kernel, lab, process, readme};
use anyhow::Result;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// The version of cargo-deny whose configuration is in `.cargo/deny.toml`.
const CARGO_DENY: &str = "0.20.2";

/// A stage: its name and what it does.
type Stage = (&'static str, fn() -> Result<Count>);

const STAGES: &[Stage] = &[
    ("format: rustfmt", || one(process::cargo().args(["fmt", "--all", "--check"]))),
    ("lints: clippy -D warnings", || {
        one(process::cargo().args([
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    }),
    ("documents: rustdoc -D warnings", || {
        one(process::cargo()
            .args(["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"])
            .env("RUSTDOCFLAGS", "-D warnings"))
    }),
    ("dependencies: cargo deny", deny),
    ("release build and laboratory", laboratory),
    ("tests: host and kernels in VMs", tests),
    ("the whole story: cargo xtask demo", || one_of(demo::play(kernel::DEFAULT))),
    ("the README's transcripts", || one_of(readme::agrees_with_the_demo())),
];

/// Runs everything; the exit code is 0 only when nothing failed.
pub(crate) fn everything() -> Result<ExitCode> {
    install::everything()?;
    say_what_is_judged();
    let begin = Instant::now();
    let mut total = Count::default();
    let mut lines = Vec::new();
    for (name, work) in STAGES {
        eprintln!("\n=== {name}");
        let begin = Instant::now();
        let count = work().unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            Count { passed: 0, failed: 1 }
        });
        total.passed += count.passed;
        total.failed += count.failed;
        let seconds = begin.elapsed().as_secs();
        lines
            .push(format!("{name:<40} {:>5} passed {:>3} failed {seconds:>5} s", count.passed, count.failed));
    }
    println!("\n{}\n\nin {} s", lines.join("\n"), begin.elapsed().as_secs());
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The directory of real files with the verdict each must get, where there is one.
pub(crate) fn shared() -> Option<PathBuf> {
    let beside = process::workspace().parent().map(|parent| parent.join("shared"));
    let named = std::env::var_os("SEKISHO_SHARED").map(PathBuf::from);
    named.or(beside).filter(|path| path.join("data/MANIFEST.tsv").is_file())
}

fn say_what_is_judged() {
    match shared() {
        Some(path) => eprintln!("judged in addition: the real files of {}", path.join("data").display()),
        None => eprintln!(
            "no shared/data beside the project: judged are files the suite makes or takes from Debian packages"
        ),
    }
}

/// A command that is one check.
fn one(command: &mut Command) -> Result<Count> {
    one_of(process::run(command))
}

fn one_of(result: Result<()>) -> Result<Count> {
    result.map(|()| Count { passed: 1, failed: 0 })
}

/// Licences, sources and duplicate bans of every dependency. Advisories need a network the suite may not have.
fn deny() -> Result<Count> {
    let program = install::tool("cargo-deny", CARGO_DENY, "checks licences and sources of dependencies")?;
    let check = ["--locked", "check", "bans", "licenses", "sources"];
    one(Command::new(program).current_dir(process::workspace()).args(check))
}

/// The lab that the VM tests boot: built here, so that its time is not charged to a test.
fn laboratory() -> Result<Count> {
    one_of(lab::prepare(&kernel::SUPPORTED, &[Sort::Base, Sort::Work]))
}

/// Every test program; the ones that need the lab boot it with `cargo xtask vm run`.
fn tests() -> Result<Count> {
    suite::run(shared().as_deref())
}
