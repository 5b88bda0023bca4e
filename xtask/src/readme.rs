//! Holds the README's transcripts against what the demo printed just now, and its tables against what the tests wrote.
//!
//! In transcripts times, digests, ids and sizes of the moment are blurred on both sides; every other character must agree.

use crate::{build, demo, process};
use anyhow::{Context as _, Result, ensure};
use std::collections::HashSet;
use std::fs;

const BEGIN: &str = "<!-- transcript: demo -->";
const TABLE: &str = "<!-- table: ";
const END: &str = "<!-- end -->";

/// Fails when the README shows a line that the demo did not print.
pub(crate) fn agrees_with_the_demo() -> Result<()> {
    let readme = fs::read_to_string(process::workspace().join("README.md")).context("README.md")?;
    let path = demo::transcript();
    let told =
        fs::read_to_string(&path).with_context(|| format!("{}: play the demo first", path.display()))?;
    let told: HashSet<String> = told.lines().map(blurred).collect();
    let shown = transcripts(&readme);
    ensure!(!shown.is_empty(), "README.md has no transcript of the demo");
    let invented: Vec<_> = shown.into_iter().filter(|line| !told.contains(&blurred(line))).collect();
    ensure!(invented.is_empty(), "README.md shows what the demo did not print:\n{}", invented.join("\n"));
    Ok(())
}

/// Fails when the README shows a row that is not in `target/NAME/table.md`, for every table marked
/// `<!-- table: NAME -->`, or leaves one of its rows out.
pub(crate) fn agrees_with_the_tables() -> Result<()> {
    let readme = fs::read_to_string(process::workspace().join("README.md")).context("README.md")?;
    for (name, shown) in tables(&readme) {
        let path = build::target().join(name).join("table.md");
        let made =
            fs::read_to_string(&path).with_context(|| format!("{}: run the tests first", path.display()))?;
        let made: Vec<_> = made.lines().filter(|line| line.starts_with('|')).collect();
        ensure!(
            shown == made,
            "README.md shows another table of {name} than {}:\n{}",
            path.display(),
            made.join("\n")
        );
    }
    Ok(())
}

/// Names and rows of the tables between marks.
fn tables(readme: &str) -> Vec<(&str, Vec<&str>)> {
    let mut tables: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        if let Some(name) = line.strip_prefix(TABLE).and_then(|rest| rest.strip_suffix(" -->")) {
            tables.push((name, Vec::new()));
            inside = true;
        } else if line == END {
            inside = false;
        } else if let (true, true, Some((_, rows))) = (inside, line.starts_with('|'), tables.last_mut()) {
            rows.push(line);
        }
    }
    tables
}

/// Non-empty lines inside the code blocks between the marks; `…` stands for lines left out.
fn transcripts(readme: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let (mut inside, mut code) = (false, false);
    for line in readme.lines() {
        match line {
            BEGIN => inside = true,
            END => inside = false,
            _ if inside && line.starts_with("```") => code = !code,
            _ if inside && code && !line.trim().is_empty() && line.trim() != "…" => lines.push(line),
            _ => {}
        }
    }
    lines
}

/// Replaces every word that is of the moment (ids, times, digests, process ids) by `0`, and runs of blanks by one: what is left are the words.
fn blurred(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let moment = word.len() > 6 && word.bytes().filter(u8::is_ascii_digit).count() >= 2;
        let time = word.bytes().filter(|b| *b == b':').count() == 2;
        let process = word.starts_with('(') && word.bytes().all(|b| b.is_ascii_digit() || b"()".contains(&b));
        if moment || time || process || word.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            "0"
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_between_the_marks_is_a_transcript() {
        let readme =
            "a\n<!-- transcript: demo -->\ntext\n```console\n$ x\n…\n\n  y\n```\n<!-- end -->\n```\nz\n```";
        assert_eq!(transcripts(readme), ["$ x", "  y"]);
    }

    #[test]
    fn a_table_is_what_stands_between_its_marks() {
        let readme = "| no |\n<!-- table: work -->\nwords\n| a | b |\n|---|---|\n<!-- end -->\n| no |\n";
        assert_eq!(tables(readme), [("work", vec!["| a | b |", "|---|---|"])]);
    }

    #[test]
    fn the_moment_is_blurred_and_words_are_not() {
        assert_eq!(blurred("released R-000003 in 12.5 s"), blurred("released   R-000007 in 9 s"));
        assert_ne!(blurred("cp: Operation not permitted"), blurred("cp: Permission denied"));
        assert_ne!(blurred("1 of 9 held"), blurred("1 of 9 failed"));
    }
}
