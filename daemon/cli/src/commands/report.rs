//! A report for people on a terminal: verdict, place, value, limit and the way out, in the caller's language.
//!
//! Names and values come from users: control characters are escaped before they reach the terminal.

use crate::language::Language;
use sekisho_policy::catalogue::places::in_japanese;
use sekisho_policy::{FileReport, Finding, RequestReport, Verdict};
use std::fmt::Write;

/// Findings of one file shown in full; the rest are counted. `--json` has all of them.
const SHOWN: usize = 12;

/// Text that cannot move the cursor, change colours, or reorder what stands around it.
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let invisible = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || invisible {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// The report as text.
pub fn render(report: &RequestReport, language: Language, colour: bool) -> String {
    let mut out = String::new();
    for file in &report.files {
        file_lines(&mut out, file, language, colour);
    }
    let words = match report.verdict {
        Verdict::Pass => (
            "nothing stands against release; an officer still decides",
            "持ち出しを妨げる点はありません（最終判断は審査担当者）",
        ),
        Verdict::Review => ("an officer must judge the points above", "上記の点は審査担当者の判断が必要です"),
        Verdict::Block => ("cannot be approved as it is", "このままでは承認できません"),
    };
    let request = language.pick("request", "申請");
    let _ = writeln!(
        out,
        "{request}: {}  {}",
        badge(report.verdict, language, colour),
        language.pick(words.0, words.1)
    );
    out
}

fn file_lines(out: &mut String, file: &FileReport, language: Language, colour: bool) {
    let coverage = if file.coverage_ja.is_empty() { &file.coverage } else { &file.coverage_ja };
    let coverage = language.pick(&file.coverage, coverage);
    let _ = writeln!(out, "{}  {}", badge(file.verdict, language, colour), shown(&file.path));
    let _ = writeln!(out, "        {} · {}", shown(&file.kind), shown(coverage));
    for finding in file.findings.iter().take(SHOWN) {
        finding_lines(out, finding, language, colour);
    }
    if file.findings.len() > SHOWN {
        let more = file.findings.len() - SHOWN;
        let _ = match language {
            Language::English => writeln!(out, "    … {more} more findings; --json shows all"),
            Language::Japanese => writeln!(out, "    … ほか {more} 件（--json で全件表示）"),
        };
    }
    out.push('\n');
}

fn finding_lines(out: &mut String, f: &Finding, language: Language, colour: bool) {
    let both = |en: &str, ja: &str| shown(if ja.is_empty() { en } else { language.pick(en, ja) });
    let said = |text: &str| shown(&said(text, language));
    let mut place = String::new();
    if !f.place.is_empty() {
        let _ = write!(place, " {}", said(&f.place));
    }
    if !f.value.is_empty() {
        let _ = write!(place, ": {}", said(&f.value));
    }
    if !f.limit.is_empty() {
        let _ = write!(place, " ({} {})", language.pick("limit", "基準"), said(&f.limit));
    }
    let mark = badge(f.verdict, language, colour);
    let _ = writeln!(out, "    {mark} [{} {}]{place}", shown(&f.clause), shown(&f.rule));
    let _ = writeln!(out, "        {}", both(&f.message, &f.message_ja));
    if !f.hint.is_empty() {
        let _ = writeln!(out, "        {}: {}", language.pick("hint", "対応"), both(&f.hint, &f.hint_ja));
    }
}

/// A place, a value or a limit in the caller's language.
pub(super) fn said(text: &str, language: Language) -> String {
    match language {
        Language::English => text.to_owned(),
        Language::Japanese => in_japanese(text),
    }
}

/// The verdict in a word of fixed width.
fn badge(verdict: Verdict, language: Language, colour: bool) -> String {
    let (word, code) = match verdict {
        Verdict::Pass => (language.pick("pass  ", "可    "), 32),
        Verdict::Review => (language.pick("review", "要審査"), 33),
        Verdict::Block => (language.pick("block ", "不可  "), 31),
    };
    if colour { format!("\u{1b}[{code};1m{word}\u{1b}[0m") } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_cannot_write_to_the_terminal() {
        let name = "a\u{1b}[2Jb\nblock\u{202e}c\u{9b}31m";
        let text = shown(name);
        assert!(text.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{text}");
        assert!(text.contains("\\u{1b}[2Jb\\nblock"));
    }
}
