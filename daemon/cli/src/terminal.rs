//! Tables, questions and colours, for people; nothing of it when nobody watches.

use crate::commands::Failure;
use crate::commands::report::shown;
use crate::language::Language;
use jiff::Timestamp;
use std::io::{BufRead, IsTerminal, Write};

/// Is somebody reading what we print?
pub fn is_watched() -> bool {
    std::io::stdout().is_terminal()
}

/// Can we ask a question?
pub fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// May we colour?
pub fn colour() -> bool {
    is_watched() && std::env::var_os("NO_COLOR").is_none()
}

/// Prints text; a reader that closed the pipe has seen enough.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints a JSON document.
///
/// # Errors
/// When it does not serialise.
pub fn say_json<T: serde::Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| Failure::new(1, format!("answer cannot be written as JSON: {e}"), ""))?;
    say(&format!("{text}\n"));
    Ok(())
}

/// Asks one question on the terminal.
///
/// # Errors
/// When the terminal is closed.
pub fn ask(question: &str) -> Result<String, Failure> {
    let closed = |e: std::io::Error| Failure::new(2, format!("no answer: {e}"), "");
    let mut err = std::io::stderr().lock();
    write!(err, "{question} ").and_then(|()| err.flush()).map_err(closed)?;
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line).map_err(closed)? == 0 {
        let language = Language::of_caller();
        return Err(Failure::new(2, language.pick("no answer", "回答がありません"), ""));
    }
    Ok(line.trim().to_owned())
}

/// Columns a text takes.
pub fn width(text: &str) -> usize {
    let wide = |c: char| {
        matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}' | '\u{20000}'..='\u{3fffd}')
    };
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

/// A table: aligned under its headings when somebody watches, tab-separated without headings otherwise.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|r| r.iter().map(|c| shown(c)).collect()).collect();
    let mut out = String::new();
    if !is_watched() {
        for row in rows {
            out.push_str(&row.join("\t"));
            out.push('\n');
        }
        return out;
    }
    let mut widths: Vec<usize> = headings.iter().map(|h| width(h)).collect();
    for row in &rows {
        for (w, cell) in widths.iter_mut().zip(row) {
            *w = (*w).max(width(cell));
        }
    }
    let head: Vec<String> = headings.iter().map(|h| (*h).to_owned()).collect();
    for row in std::iter::once(&head).chain(&rows) {
        let mut line = String::new();
        for (cell, w) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(w.saturating_sub(width(cell)) + 2));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// When something was, to the second, and how long ago.
pub fn moment(time: &str, language: Language) -> String {
    let Ok(parsed) = time.parse::<Timestamp>() else { return shown(time) };
    let (when, age) = (parsed.strftime("%F %T UTC"), age(time, language));
    match language {
        Language::English => format!("{when} ({age} ago)"),
        Language::Japanese => format!("{when} ({age}前)"),
    }
}

/// How long ago, in the largest whole unit.
pub fn age(since: &str, language: Language) -> String {
    let Ok(since) = since.parse::<Timestamp>() else { return shown(since) };
    let seconds = (Timestamp::now().as_second() - since.as_second()).max(0);
    let (n, en, ja) = match seconds {
        0..60 => (seconds, "s", "秒"),
        60..3600 => (seconds / 60, "min", "分"),
        3600..172_800 => (seconds / 3600, "h", "時間"),
        _ => (seconds / 86_400, "d", "日"),
    };
    match language {
        Language::English => format!("{n} {en}"),
        Language::Japanese => format!("{n}{ja}"),
    }
}

/// A state in the caller's language.
pub fn state(word: &str, language: Language) -> String {
    let ja = match word {
        "received" => "受付",
        "inspecting" => "検査中",
        "held" => "判断待ち",
        "releasing" => "持出処理中",
        "rejecting" => "却下処理中",
        "released" => "持出済み",
        "rejected" => "却下",
        "withdrawn" => "取下げ",
        "failed" => "失敗",
        _ => "",
    };
    if ja.is_empty() { shown(word) } else { language.pick(word, ja).to_owned() }
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// A long list of words, over several lines below one another.
pub fn folded(detail: &str) -> String {
    const COLUMNS: usize = 80;
    let (mut text, mut column) = (String::new(), 0);
    for word in detail.split(' ') {
        let width = width(word);
        if column > 0 && column + 1 + width > COLUMNS {
            text += "\n                   ";
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text += word;
        column += width;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_nobody_watches_is_for_programs_and_escapes_what_users_chose() {
        let rows = vec![vec!["R-000001".into(), "a\u{1b}[2J\tb".into()]];
        assert_eq!(table(&["id", "entry"], &rows), "R-000001\ta\\u{1b}[2J\\tb\n");
    }

    #[test]
    fn japanese_takes_two_columns_a_character() {
        assert_eq!(width("判断待ち"), 8);
        assert_eq!(width("held"), 4);
    }

    #[test]
    fn a_long_list_is_folded_and_no_word_is_lost() {
        let list = ["file_open"; 40].join(" ");
        let folded = folded(&list);
        assert!(folded.lines().count() == 5 && folded.lines().all(|line| line.len() <= 100), "{folded}");
        assert_eq!(folded.split_whitespace().collect::<Vec<_>>().join(" "), list);
    }
}
