//! LaTeX: `tabular` environments and the like, comments, and the text between them.

use super::{Inside, utf8};
use sekisho_policy::facts::ProblemKind;

const TABLES: [&str; 6] = ["tabular", "tabularx", "longtable", "tabulary", "array", "tabular*"];

/// Does the text hold a table of LaTeX?
pub fn plausible(head: &[u8]) -> bool {
    let head = &head[..head.len().min(128 << 10)];
    TABLES.iter().any(|t| memchr::memmem::find(head, format!("\\begin{{{t}}}").as_bytes()).is_some())
        || memchr::memmem::find(head, b"\\documentclass").is_some()
}

/// Takes a text apart.
pub fn read(bytes: &[u8]) -> Inside {
    let text = utf8(bytes);
    let mut inside = Inside::new("latex");
    let mut plain = String::new();
    for line in text.lines() {
        let cut = comment(line);
        plain += &line[..cut];
        plain.push('\n');
        let note = line[cut..].trim_start_matches('%').trim();
        // A word or two of how the table was made; data is longer or has numbers.
        if note.len() > 100 || note.contains('&') || note.bytes().filter(u8::is_ascii_digit).count() > 12 {
            inside.hidden("comment", note);
        }
    }
    let mut rest = plain.as_str();
    let (mut prose, mut number) = (String::new(), 0);
    while let Some((at, name)) = next(rest) {
        prose += &rest[..at];
        let begin = format!("\\begin{{{name}}}");
        let end = format!("\\end{{{name}}}");
        let after = &rest[at + begin.len()..];
        let (body, left) = after.split_once(end.as_str()).unwrap_or_else(|| {
            inside.problem(ProblemKind::Malformed, name, "a table that does not end");
            (after, "")
        });
        number += 1;
        inside.table(format!("table {number}"), &rows(body));
        rest = left;
    }
    prose += rest;
    inside.prose("text", &words(&prose));
    inside
}

/// Where a comment begins.
fn comment(line: &str) -> usize {
    let bytes = line.as_bytes();
    (0..bytes.len()).find(|i| bytes[*i] == b'%' && (*i == 0 || bytes[i - 1] != b'\\')).unwrap_or(bytes.len())
}

/// The next table.
fn next(text: &str) -> Option<(usize, &'static str)> {
    TABLES.iter().filter_map(|t| Some((text.find(&format!("\\begin{{{t}}}"))?, *t))).min()
}

fn rows(body: &str) -> Vec<Vec<String>> {
    let body = body.replace("\\tabularnewline", "\\\\");
    // Column types, a width, a position.
    let mut rest = body.trim_start();
    while rest.starts_with(['{', '[']) {
        rest = &rest[group(rest)..];
        rest = rest.trim_start();
    }
    let mut rows = Vec::new();
    for line in rest.split("\\\\") {
        let mut row = Vec::new();
        for cell in line.replace("\\&", "＆").split('&') {
            let (wide, text) = spanned(cell);
            row.extend(std::iter::repeat_n(String::new(), wide - 1));
            row.push(words(text).trim().replace('＆', "&"));
        }
        if row.iter().any(|c| !c.is_empty()) {
            rows.push(row);
        }
    }
    rows
}

/// The length of the group in brackets at the beginning.
fn group(text: &str) -> usize {
    if !text.starts_with(['{', '[']) {
        return 0;
    }
    let mut depth = 0_i32;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

/// `\multicolumn{3}{c}{text}`: its columns and its text.
fn spanned(cell: &str) -> (usize, &str) {
    let Some(at) = cell.find("\\multicolumn") else { return (1, cell) };
    let rest = cell[at + 12..].trim_start();
    let first = group(rest);
    let wide = rest[..first].trim_matches(['{', '}', ' ']).parse::<usize>().unwrap_or(1).clamp(1, 100);
    let rest = rest[first..].trim_start();
    (wide, &rest[group(rest).min(rest.len())..])
}

/// Text without commands: `\textbf{12}` is `12`, `\hline` is nothing.
fn words(text: &str) -> String {
    const SILENT: [&str; 9] = [
        "begin",
        "end",
        "cline",
        "cmidrule",
        "label",
        "vspace",
        "documentclass",
        "usepackage",
        "addlinespace",
    ];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '{', '}', '$', '~']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if !rest.starts_with('\\') {
            if rest.starts_with('~') {
                out.push(' ');
            }
            rest = &rest[1..];
            continue;
        }
        let name: String = rest[1..].chars().take_while(char::is_ascii_alphabetic).collect();
        if name.is_empty() {
            // An escaped sign stands for itself.
            let sign = rest[1..].chars().next();
            out.extend(sign);
            rest = &rest[1 + sign.map_or(0, char::len_utf8)..];
            continue;
        }
        rest = rest[1 + name.len()..].trim_start_matches('*');
        match name.as_str() {
            "geq" | "ge" => out.push('≥'),
            "leq" | "le" => out.push('≤'),
            "pm" => out.push('±'),
            _ => {}
        }
        if SILENT.contains(&name.as_str()) {
            while rest.starts_with(['{', '[', '(']) {
                let end = if rest.starts_with('(') {
                    rest.find(')').map_or(rest.len(), |e| e + 1)
                } else {
                    group(rest)
                };
                rest = &rest[end..];
            }
        }
    }
    out.push_str(rest);
    out
}
