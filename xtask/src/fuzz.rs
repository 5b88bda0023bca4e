//! `cargo xtask fuzz`: libFuzzer on every parser of the inspector, for a bounded time.
//!
//! The stable compiler counts edges (`sancov-module`), the library is linked into one program, and the program is told
//! which parser to try. What is found interesting is kept in the cache between runs; what is found wrong fails the run
//! and is named, with the command that shows it again.

use crate::{build, cache, install, process};
use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Seconds for all parsers together when the test suite asks.
pub(crate) const IN_THE_SUITE: u64 = 60;

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Counts edges and shows comparisons to the fuzzer; no sanitizer, which only nightly has.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Tries every parser; `seconds` of wall time for all together, building not counted.
pub(crate) fn main(seconds: u64) -> Result<()> {
    install::for_fuzzing()?;
    let program = process::step("building the fuzzer", program)?;
    let parsers = parsers(&program)?;
    let side_by_side = std::thread::available_parallelism().map_or(2, usize::from).min(parsers.len());
    let each = (seconds * side_by_side as u64 / parsers.len() as u64).max(1);
    eprintln!("{} parsers, {each} s each, {side_by_side} at once", parsers.len());
    let queue = Mutex::new(parsers.into_iter());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..side_by_side {
            scope.spawn(|| {
                while let Some(name) = queue.lock().ok().and_then(|mut q| q.next()) {
                    let result = one(&program, &name, each);
                    if let Ok(mut done) = done.lock() {
                        done.push((name, result));
                    }
                }
            });
        }
    });
    let mut wrong = Vec::new();
    for (name, result) in done.into_inner().unwrap_or_default() {
        match result {
            Ok(runs) => eprintln!("{name:<16} {runs}"),
            Err(error) => wrong.push(format!("{name}: {error:#}")),
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The names of all parsers, as the program has them.
fn parsers(program: &Path) -> Result<Vec<String>> {
    let text = process::output(&mut Command::new(program))?;
    ensure!(!text.is_empty(), "no parser is named");
    Ok(text.lines().map(str::to_owned).collect())
}

/// Builds the one program.
fn program() -> Result<PathBuf> {
    let mut cargo = process::cargo();
    cargo
        .args([
            "build",
            "--locked",
            "--package",
            "sekisho-fuzz",
            "--features",
            "libfuzzer",
            "--profile",
            "fuzz",
        ])
        .args(["--target", TARGET])
        .env("RUSTFLAGS", COVERAGE);
    process::run(&mut cargo)?;
    let program = build::target().join(TARGET).join("fuzz/sekisho-fuzz");
    ensure!(program.is_file(), "the build did not make {}", program.display());
    Ok(program)
}

/// Tries one parser; the answer is libFuzzer's last word.
fn one(program: &Path, name: &str, seconds: u64) -> Result<String> {
    let seeds = process::workspace().join("tests/fuzz/seeds");
    let kept = cache::directory()?.join("fuzz").join(name);
    std::fs::create_dir_all(&kept)?;
    let finds = build::target().join("fuzz-finds");
    std::fs::create_dir_all(&finds)?;
    let output = Command::new(program)
        .env("SEKISHO_FUZZ", name)
        .args([&kept, &seeds])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/{name}-", finds.display()))
        .args(["-timeout=10", "-rss_limit_mb=512", "-max_len=8192", "-print_final_stats=1", "-verbosity=1"])
        .stdin(Stdio::null())
        .output()
        .context("starting the fuzzer")?;
    let words = String::from_utf8_lossy(&output.stderr);
    let tail: Vec<&str> = words.lines().rev().take(40).collect();
    ensure!(
        output.status.success(),
        "a find\n{}\nhint: SEKISHO_FUZZ={name} {} FILE shows it again; the fixed file becomes a seed",
        tail.into_iter().rev().collect::<Vec<_>>().join("\n"),
        program.display()
    );
    let stat = |key: &str| {
        words.lines().find_map(|l| l.strip_prefix(&format!("stat::{key}:"))).map_or("?", str::trim).to_owned()
    };
    Ok(format!("{} runs, at most {} MB", stat("number_of_executed_units"), stat("peak_rss_mb")))
}
