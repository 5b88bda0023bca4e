//! Markdown: tables of bars, and the text between them.

use super::{Inside, utf8};
use sekisho_policy::facts::What;

/// Is there a table of bars with its rule under the header?
pub fn plausible(head: &[u8]) -> bool {
    let lines: Vec<&[u8]> = crate::lines::split(head).take(5000).collect();
    lines.windows(2).any(|w| w[0].contains(&b'|') && is_rule(w[1]))
}

/// `|---|:---:|`
fn is_rule(line: &[u8]) -> bool {
    let text = line.trim_ascii();
    text.len() >= 3
        && text.contains(&b'|')
        && memchr::memmem::find(text, b"--").is_some()
        && text.iter().all(|b| matches!(b, b'|' | b'-' | b':' | b' '))
}

/// Takes a text apart.
pub fn read(bytes: &[u8]) -> Inside {
    let text = utf8(bytes);
    let mut inside = Inside::new("markdown");
    let lines: Vec<&str> = text.lines().collect();
    let (mut at, mut number) = (0, 0);
    let mut prose = String::new();
    while at < lines.len() {
        let table = lines[at].contains('|') && lines.get(at + 1).is_some_and(|l| is_rule(l.as_bytes()));
        if !table {
            prose += lines[at];
            prose.push('\n');
            at += 1;
            continue;
        }
        let end = (at..lines.len()).find(|i| !lines[*i].contains('|')).unwrap_or(lines.len());
        let rows: Vec<Vec<String>> = (at..end).filter(|i| *i != at + 1).map(|i| cells(lines[i])).collect();
        number += 1;
        inside.table(format!("table {number}, line {}", at + 1), &rows);
        at = end;
    }
    if prose.contains("<!--") || prose.contains("](data:") || prose.contains("[//]:") {
        inside.hidden("text", "comments or embedded data");
    }
    for fence in prose.split("```").skip(1).step_by(2) {
        let about = inside.tally.name("code");
        let words = crate::readers::tally::words(fence.trim().as_bytes());
        if !words.is_empty() {
            inside.tally.add(What::UnclearText, about, || ("code block".into(), words));
        }
    }
    inside.prose("text", &prose);
    inside
}

/// The cells of a row; a bar behind a backslash separates nothing.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    let line = line.strip_suffix('|').unwrap_or(line);
    let mut cells = vec![String::new()];
    let mut escaped = false;
    for c in line.chars() {
        match (c, cells.last_mut()) {
            ('|', _) if !escaped => cells.push(String::new()),
            ('\\' | '*' | '`', _) if !escaped => {}
            (c, Some(cell)) => cell.push(c),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    cells
}
