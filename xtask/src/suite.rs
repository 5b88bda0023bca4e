//! Every libtest program of the workspace, as many at once as there are processors.
//!
//! `cargo test` would run them one after the other, and a lab keeps one processor busy. Whatever each prints is shown
//! line by line as it comes, behind the program's name.

use crate::{build, process, slot};
use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What boots one lab after another, longest first.
const LONG: [&str; 5] = ["tests node", "tests escape", "tests work", "tests session", "tests gate_kept"];

/// What was counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    /// Checks that held.
    pub passed: u64,
    /// Checks that did not, or that nobody made.
    pub failed: u64,
}

/// A built test program.
pub(crate) struct Program {
    name: String,
    path: PathBuf,
    /// The package it belongs to, where cargo would run it.
    home: PathBuf,
    /// Belongs to the tests across rooms, which take longest.
    across: bool,
}

/// Builds all of them, runs all of them, and adds up libtest's closing lines.
pub(crate) fn run(shared: Option<&Path>) -> Result<Count> {
    let mut programs = process::step("building the tests", programs)?;
    ensure!(!programs.is_empty(), "the workspace has no test programs");
    // The long ones first, so that none of them is left alone at the end.
    programs.sort_by_key(|program| {
        let long = LONG.iter().position(|name| program.name == *name).unwrap_or(LONG.len());
        (!program.across, long)
    });
    let queue = Mutex::new(VecDeque::from(programs));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..slot::count() {
            scope.spawn(|| {
                while let Some(program) = next() {
                    let begin = Instant::now();
                    let count = program.run(shared).unwrap_or_else(|error| {
                        eprintln!("[{}] error: {error:#}", program.name);
                        Count { passed: 0, failed: 1 }
                    });
                    let seconds = begin.elapsed().as_secs();
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((program.name, count, seconds));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(_, _, seconds)| std::cmp::Reverse(*seconds));
    eprintln!();
    for (name, count, seconds) in done.iter().filter(|(_, count, seconds)| *seconds >= 5 || count.failed > 0)
    {
        eprintln!("{name:<40} {:>5} passed {:>3} failed {seconds:>5} s", count.passed, count.failed);
    }
    let mut documents = process::cargo();
    documents.args(["test", "--quiet", "--locked", "--workspace", "--doc"]);
    let documents = watch("doc", &mut documents)?;
    Ok(done.iter().map(|(_, count, _)| *count).fold(documents, |sum, count| Count {
        passed: sum.passed + count.passed,
        failed: sum.failed + count.failed,
    }))
}

/// What cargo says about each thing it built; everything else it says is no such thing.
#[derive(Deserialize)]
struct Artifact {
    target: Target,
    profile: Profile,
    executable: Option<PathBuf>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Builds every test program.
pub(crate) fn programs() -> Result<Vec<Program>> {
    let mut cargo = process::cargo();
    cargo.args(["test", "--locked", "--workspace", "--no-run", "--message-format=json-render-diagnostics"]);
    let output =
        cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("starting cargo test")?;
    if !output.status.success() {
        bail!("the tests do not build");
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let artifacts = text.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
    let programs = artifacts.filter(|artifact| artifact.profile.test).filter_map(|artifact| {
        let home = artifact.manifest_path.parent()?.to_path_buf();
        let room = home.strip_prefix(process::workspace()).ok()?.to_string_lossy().replace('/', "-");
        let across = room == "tests";
        let is_test = artifact.target.kind.iter().any(|kind| kind == "test");
        let name = if is_test { format!("{room} {}", artifact.target.name) } else { room };
        Some(Program { name, path: artifact.executable?, across, home })
    });
    Ok(programs.collect())
}

impl Program {
    fn run(&self, shared: Option<&Path>) -> Result<Count> {
        let mut command = Command::new(&self.path);
        process::forget_xtask(&mut command);
        command.current_dir(&self.home).env("CARGO_MANIFEST_DIR", &self.home);
        if let Some(shared) = shared {
            command.env("SEKISHO_SHARED", shared);
        }
        if build::is_made() {
            command.env(build::AS_BUILT, "1");
        }
        watch(&self.name, &mut command)
    }
}

/// Runs a command, shows what it prints, and adds up libtest's closing lines.
fn watch(name: &str, command: &mut Command) -> Result<Count> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting it")?;
    let output = child.stdout.take().context("it has an output")?;
    let mut count = Count::default();
    let mut closed = false;
    for line in BufReader::new(output).lines() {
        let line = line?;
        if !line.is_empty() {
            eprintln!("[{name}] {line}");
        }
        if let Some(more) = closing_line(&line) {
            count.passed += more.passed;
            count.failed += more.failed;
            closed = true;
        }
    }
    let status = child.wait()?;
    if !closed || (!status.success() && count.failed == 0) {
        // It died without its closing line.
        eprintln!("[{name}] ended with {status}");
        count.failed += 1;
    }
    Ok(count)
}

/// `test result: ok. 3 passed; 0 failed; 0 ignored; …` An ignored test is a promise nobody checked: it counts as failed.
fn closing_line(line: &str) -> Option<Count> {
    let rest = line.strip_prefix("test result: ")?;
    let number = |word: &str| {
        rest.split(['.', ';'])
            .find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<u64>().ok())
            .unwrap_or(0)
    };
    Some(Count { passed: number("passed"), failed: number("failed") + number("ignored") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtest_closing_lines_are_added_up_and_ignored_tests_count_against() {
        let line = "test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(closing_line(line), Some(Count { passed: 3, failed: 3 }));
        assert_eq!(closing_line("test result: ok. 0 passed; 0 failed; 0 ignored"), Some(Count::default()));
        assert_eq!(closing_line("running 3 tests"), None);
    }

    #[test]
    fn a_program_that_dies_without_its_closing_line_counts_as_failed() {
        let died = watch("x", Command::new("sh").args(["-c", "echo running; exit 0"])).unwrap();
        assert_eq!(died, Count { passed: 0, failed: 1 });
        let line = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored'; kill -9 $$";
        assert_eq!(
            watch("x", Command::new("sh").args(["-c", line])).unwrap(),
            Count { passed: 2, failed: 1 }
        );
    }
}
