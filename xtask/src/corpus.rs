//! `cargo xtask corpus`: does every file get the verdict it must?
//!
//! Two sets: cases made here (each rule in each format, just inside, exactly at and just outside its limit), and the real
//! files beside the project, whose verdicts were computed beforehand. A *miss* is a verdict milder than right, and fails.
//! *Stricter* than right may be at most three in a hundred, each with the reason that the case itself names.

mod cases;
#[allow(dead_code, clippy::unwrap_used, missing_docs)]
#[path = "../../tests/corpus/cohort.rs"]
mod cohort;
mod formats;
mod tools;

use crate::{build, process, test};
use anyhow::{Context as _, Result, ensure};
use cases::{Case, Verdict};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Judged too strictly, of a hundred.
const STRICTER: usize = 3;

/// One case and what it got.
struct Judged {
    case: Case,
    got: Verdict,
}

/// Judges everything, writes `target/corpus/table.md` and fails on a miss.
pub(crate) fn main() -> Result<()> {
    let sekisho = programs()?;
    let directory = tempfile::tempdir()?;
    let made = judge(&sekisho, directory.path(), cases::all())?;
    let table = table(&made);
    let out = build::target().join("corpus");
    std::fs::create_dir_all(&out)?;
    std::fs::write(out.join("table.md"), &table)?;
    println!("{table}");
    let mut faults = faults(&made);
    if let Some(shared) = test::shared() {
        let real = judge(&sekisho, directory.path(), manifest(&shared)?)?;
        let list =
            real.iter().fold(String::from("| file | must get | gets |\n|---|---|---|\n"), |list, one| {
                list + &format!("| {} | {} | {} |\n", one.case.format, one.case.right, one.got)
            });
        std::fs::write(out.join("real.md"), &list)?;
        let right = real.iter().filter(|r| r.got == r.case.right).count();
        println!("{right} of {} real files get the verdict they must", real.len());
        faults.extend(self::faults(&real));
    }
    ensure!(faults.is_empty(), "{} wrong:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}

/// `sekisho`, with the inspector beside it.
fn programs() -> Result<PathBuf> {
    if std::env::var_os(build::AS_BUILT).is_none() && !build::is_made() {
        let mut cargo = process::cargo();
        cargo.args(["build", "--locked", "--bin", "sekisho", "--bin", "sekisho-inspect"]);
        if !build::debug() {
            cargo.arg("--release");
        }
        process::run(&mut cargo)?;
    }
    Ok(build::directory().join("sekisho"))
}

/// Every case, judged by `sekisho check` as a person would run it.
fn judge(sekisho: &Path, directory: &Path, cases: Vec<Case>) -> Result<Vec<Judged>> {
    let next = AtomicUsize::new(0);
    let lanes = std::thread::available_parallelism().map_or(2, usize::from);
    let mut found = std::thread::scope(|scope| {
        let work = || -> Result<Vec<(usize, Verdict)>> {
            let mut done = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(case) = cases.get(at) else { return Ok(done) };
                done.push((at, one(sekisho, &directory.join(at.to_string()), case)?));
            }
        };
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(work)).collect();
        lanes
            .into_iter()
            .map(|lane| lane.join().map_err(|_| anyhow::anyhow!("a lane panicked"))?)
            .collect::<Result<Vec<_>>>()
    })?
    .concat();
    found.sort_unstable_by_key(|(at, _)| *at);
    Ok(cases.into_iter().zip(found).map(|(case, (_, got))| Judged { case, got }).collect())
}

fn one(sekisho: &Path, directory: &Path, case: &Case) -> Result<Verdict> {
    let path = match &case.bytes {
        cases::Bytes::Here(bytes) => {
            std::fs::create_dir_all(directory)?;
            // A name that says nothing: content decides.
            let path = directory.join("a.txt");
            std::fs::write(&path, bytes)?;
            path
        }
        cases::Bytes::At(path) => path.clone(),
    };
    let output = Command::new(sekisho).args(["check", "--json"]).arg(&path).output()?;
    let json: serde_json::Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{}: {}", case.name(), String::from_utf8_lossy(&output.stderr)))?;
    json["verdict"].as_str().and_then(Verdict::named).with_context(|| format!("{}: no verdict", case.name()))
}

/// Misses, unexplained strictness, and too much of it.
fn faults(judged: &[Judged]) -> Vec<String> {
    let mut faults: Vec<String> = judged
        .iter()
        .filter(|j| j.got < j.case.right || j.got > j.case.right && j.case.reason.is_none())
        .map(|j| format!("{}: {} instead of {}", j.case.name(), j.got, j.case.right))
        .collect();
    let stricter = judged.iter().filter(|j| j.got > j.case.right).count();
    if stricter * 100 > judged.len() * STRICTER {
        faults.push(format!("{stricter} of {} are judged too strictly", judged.len()));
    }
    faults
}

/// One row a rule: its edges with the verdict that is right, and how many formats got it.
fn table(judged: &[Judged]) -> String {
    let mut rules: BTreeMap<&str, Vec<&Judged>> = BTreeMap::new();
    let mut order = Vec::new();
    for one in judged {
        if !order.contains(&one.case.rule) {
            order.push(one.case.rule);
        }
        rules.entry(one.case.rule).or_default().push(one);
    }
    let mut text =
        "| rule | formats | cases | edges and what they must get | misses | stricter |\n|---|--:|--:|---|--:|--:|\n"
            .to_owned();
    let count = |of: &[&Judged], test: fn(&Judged) -> bool| of.iter().filter(|j| test(j)).count();
    for rule in order {
        let cases = rules.get(rule).map(Vec::as_slice).unwrap_or_default();
        let mut formats: Vec<&str> = cases.iter().map(|j| j.case.format.as_str()).collect();
        formats.sort_unstable();
        formats.dedup();
        let mut edges: Vec<String> = Vec::new();
        for one in cases {
            let edge = format!("{} → {}", one.case.edge, one.case.right);
            if !edges.contains(&edge) {
                edges.push(edge);
            }
        }
        let misses = count(cases, |j| j.got < j.case.right);
        let stricter = count(cases, |j| j.got > j.case.right);
        let _ = writeln!(
            text,
            "| {rule} | {} | {} | {} | {misses} | {stricter} |",
            formats.len(),
            cases.len(),
            edges.join(", ")
        );
    }
    let all: Vec<&Judged> = judged.iter().collect();
    let (misses, stricter) = (count(&all, |j| j.got < j.case.right), count(&all, |j| j.got > j.case.right));
    let _ = writeln!(text, "| **all** | | {} | | {misses} | {stricter} |", all.len());
    let mut reasons: Vec<String> = judged
        .iter()
        .filter(|j| j.got > j.case.right)
        .map(|j| {
            format!(
                "- {}: {} instead of {}: {}\n",
                j.case.name(),
                j.got,
                j.case.right,
                j.case.reason.unwrap_or("?")
            )
        })
        .collect();
    reasons.dedup();
    if !reasons.is_empty() {
        text += "\nStricter than right:\n\n";
        text += &reasons.concat();
    }
    text
}

/// The real files and the verdicts they must get.
fn manifest(shared: &Path) -> Result<Vec<Case>> {
    let root = shared.join("data");
    let text = std::fs::read_to_string(root.join("MANIFEST.tsv"))?;
    text.lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let (Some(file), Some(right)) = (fields.first(), fields.get(2).and_then(|v| Verdict::named(v)))
            else {
                anyhow::bail!("MANIFEST.tsv: {line}");
            };
            Ok(Case {
                rule: "real files",
                format: (*file).to_owned(),
                edge: String::new(),
                bytes: cases::Bytes::At(root.join(file)),
                right,
                reason: None,
            })
        })
        .collect()
}
