//! Holds the README's transcripts against what the demo printed just now.
//!
//! Times, digests, ids and sizes of the moment are blurred on both sides; every other character must agree.

use crate::{demo, process};
use anyhow::{Context as _, Result, ensure};
use std::collections::HashSet;
use std::fs;

const BEGIN: &str = "<!-- transcript: demo -->";
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
    fn the_moment_is_blurred_and_words_are_not() {
        assert_eq!(blurred("released R-000003 in 12.5 s"), blurred("released   R-000007 in 9 s"));
        assert_ne!(blurred("cp: Operation not permitted"), blurred("cp: Permission denied"));
        assert_ne!(blurred("1 of 9 held"), blurred("1 of 9 failed"));
    }
}
