//! `cargo xtask test`: every check there is, what is cheap to find first.
//!
//! Invariant: a stage that cannot run counts as failed, never as skipped. The last line is `N passed, N failed`.

use crate::image::Sort;
use crate::suite::{self, Count};
use crate::{build, corpus, demo, fuzz, install, kernel, lab, process, readme};
use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// The version of cargo-deny whose configuration is in `.cargo/deny.toml`.
const CARGO_DENY: &str = "0.20.2";

/// A stage: its name and what it does.
type Stage = (&'static str, fn() -> Result<Count>);

/// One after the other; within each, the lanes side by side, so that what waits for the network, for one compiler or for
/// a virtual machine leaves no processor idle.
const STEPS: &[&[&[Stage]]] = &[
    &[
        &[
            ("format: rustfmt", || one(process::cargo().args(["fmt", "--all", "--check"]))),
            ("lints: clippy -D warnings", lints),
            ("documents: rustdoc -D warnings", documents),
            ("tests: build", || one_of(suite::programs().map(drop))),
            ("dependencies: cargo deny", deny),
        ],
        &[("release build and laboratory", laboratory)],
    ],
    &[
        &[
            ("verdicts: cargo xtask corpus", || one_of(corpus::main())),
            ("bytes on parsers: cargo xtask fuzz", || one_of(fuzz::main(fuzz::IN_THE_SUITE))),
            ("tests: host and kernels in VMs", tests),
        ],
        &[("the whole story: cargo xtask demo", || one_of(demo::play(kernel::DEFAULT)))],
    ],
    &[&[
        ("the README's transcripts", || one_of(readme::agrees_with_the_demo())),
        ("the README's tables", || one_of(readme::agrees_with_the_tables())),
    ]],
];

/// Runs everything; the exit code is 0 only when nothing failed.
pub(crate) fn everything() -> Result<ExitCode> {
    ensure!(!build::debug(), "SEKISHO_LAB_BUILD=debug is set\nhint: unset it; what is judged is what ships");
    ensure!(std::env::var_os(build::AS_BUILT).is_none(), "{} is set\nhint: unset it", build::AS_BUILT);
    let begin = Instant::now();
    install::system()?;
    say_what_is_judged();
    eprintln!("what the machine lacked: {} s", begin.elapsed().as_secs());
    let mut total = Count::default();
    let mut lines = Vec::new();
    for lanes in STEPS {
        let done = std::thread::scope(|scope| {
            let lanes: Vec<_> = lanes.iter().map(|lane| scope.spawn(|| run(lane))).collect();
            lanes.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
        });
        for lane in done {
            for (line, count) in lane.map_err(|_| anyhow::anyhow!("a stage panicked"))? {
                lines.push(line);
                total.passed += count.passed;
                total.failed += count.failed;
            }
        }
    }
    println!("\n{}\n\nin {} s", lines.join("\n"), begin.elapsed().as_secs());
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The stages of one lane, each with its line of the summary.
fn run(lane: &[Stage]) -> Vec<(String, Count)> {
    let mut done = Vec::new();
    for (name, work) in lane {
        eprintln!("\n=== {name}");
        let begin = Instant::now();
        let count = work().unwrap_or_else(|error| {
            eprintln!("=== {name}: error: {error:#}");
            Count { passed: 0, failed: 1 }
        });
        let seconds = begin.elapsed().as_secs();
        let line = format!("{name:<40} {:>5} passed {:>3} failed {seconds:>5} s", count.passed, count.failed);
        eprintln!("=== {line}");
        done.push((line, count));
    }
    done
}

fn lints() -> Result<Count> {
    let clippy = ["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
    one(process::cargo().args(clippy))
}

fn documents() -> Result<Count> {
    let doc = ["doc", "--locked", "--workspace", "--no-deps", "--document-private-items"];
    one(process::cargo().args(doc).env("RUSTDOCFLAGS", "-D warnings"))
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
