//! HTML: its tables and its text; scripts, comments, data attributes, hidden elements and embedded data are evidence.

use super::markup::{Piece, Pieces, attributes};
use super::{Inside, utf8};
use sekisho_policy::facts::{OpaqueKind, ProblemKind};

/// Attributes that say how something looks.
const USUAL: [&str; 40] = [
    "class",
    "style",
    "align",
    "valign",
    "width",
    "height",
    "colspan",
    "rowspan",
    "border",
    "cellpadding",
    "cellspacing",
    "bgcolor",
    "color",
    "lang",
    "xml:lang",
    "href",
    "name",
    "content",
    "charset",
    "http-equiv",
    "scope",
    "rel",
    "type",
    "id",
    "dir",
    "nowrap",
    "rules",
    "frame",
    "size",
    "face",
    "span",
    "headers",
    "summary",
    "xmlns",
    "media",
    "start",
    "role",
    "cols",
    "rows",
    "clear",
];
/// Longest value of such an attribute.
const LONGEST: usize = 300;

/// Does the text begin as HTML (or SVG) does, or hold a table of HTML?
pub fn plausible(head: &[u8]) -> bool {
    let head = &head[..head.len().min(64 << 10)].to_ascii_lowercase();
    let start = head.trim_ascii_start();
    [&b"<!doctype html"[..], b"<html", b"<table", b"<head", b"<body", b"<svg", b"<div"]
        .iter()
        .any(|s| start.starts_with(s))
        || start.first() == Some(&b'<')
            && (memchr::memmem::find(head, b"<html").is_some()
                || memchr::memmem::find(head, b"<svg").is_some())
        || memchr::memmem::find(head, b"<table").is_some() && memchr::memmem::find(head, b"<tr").is_some()
}

/// Takes a page apart.
pub fn read(bytes: &[u8]) -> Inside {
    let text = utf8(bytes);
    let mut inside = Inside::new("html");
    let mut page = Page::default();
    for piece in Pieces::new(&text, true) {
        page.piece(piece, &mut inside);
    }
    while page.tables.pop().map(|rows| page.done(&rows, &mut inside)).is_some() {}
    if page.drawing {
        inside.kind = "svg";
        inside.unread(OpaqueKind::Picture, "SVG", "drawn by instructions that were not redrawn");
    }
    inside.prose("text", &page.prose);
    inside
}

#[derive(Default)]
struct Page {
    tables: Vec<Vec<Vec<String>>>,
    /// How far each cell of the current tables spans, as columns still to fill.
    number: usize,
    prose: String,
    /// Inside an element whose text is not shown, and its depth.
    skipped: Option<(String, usize)>,
    drawing: bool,
}

impl Page {
    fn piece(&mut self, piece: Piece<'_>, inside: &mut Inside) {
        match piece {
            Piece::Open { name, attributes: raw, closed } => self.open(&name, raw, closed, inside),
            Piece::Close(name) => self.close(&name, inside),
            Piece::Text(text) => match &self.skipped {
                Some((what, _)) if what == "style" => {
                    if text.contains("data:") || text.len() > 60_000 {
                        inside.hidden("style", text);
                    }
                }
                Some(_) if text.trim().is_empty() => {}
                Some((what, _)) => {
                    inside.hidden(what.clone(), text.trim());
                    let place = what.clone();
                    if place == "script" {
                        inside.member(format!("script {}", inside.members.len() + 1), text.into_bytes());
                    } else {
                        inside.prose(&place, &text);
                    }
                }
                None => match self.tables.last_mut().and_then(|t| t.last_mut()).and_then(|r| r.last_mut()) {
                    Some(cell) => *cell += &text,
                    None => self.prose += &text,
                },
            },
            Piece::Comment(text) => {
                if text.trim().len() > 60 || text.bytes().any(|b| b.is_ascii_digit()) {
                    inside.hidden("comment", text.trim());
                }
            }
            Piece::Other(text) => {
                if text.to_ascii_uppercase().contains("ENTITY") || text.len() > 300 {
                    inside.problem(ProblemKind::Malformed, "declaration", text);
                }
            }
        }
    }

    fn open(&mut self, name: &str, raw: &str, closed: bool, inside: &mut Inside) {
        let mut unseen = false;
        for (key, value) in attributes(raw) {
            let style = value.to_ascii_lowercase().replace(' ', "");
            unseen |= key == "hidden"
                || key == "style"
                    && [
                        "display:none",
                        "visibility:hidden",
                        "font-size:0",
                        "opacity:0",
                        "color:#fff",
                        "color:white",
                    ]
                    .iter()
                    .any(|s| style.contains(s));
            let data = value.trim_start().starts_with("data:");
            let usual = USUAL.contains(&key.as_str()) && value.len() <= LONGEST && !data;
            if data && value.len() > 64 {
                inside.unread(OpaqueKind::Picture, "data in an attribute", format!("{name} {key}"));
                continue;
            }
            // A drawing has attributes of its own, but none that only scripts read.
            let scripted = key.starts_with("data-") || key.starts_with("on");
            let drawn = self.drawing || name == "svg";
            if (drawn && scripted) || (!drawn && !usual && !value.trim().is_empty()) {
                inside.hidden(format!("{name} {key}"), value);
            }
        }
        if let Some((what, depth)) = &mut self.skipped {
            *depth += usize::from(!closed && what == name);
            return;
        }
        let skip = matches!(
            name,
            "script"
                | "style"
                | "template"
                | "noscript"
                | "metadata"
                | "desc"
                | "foreignobject"
                | "iframe"
                | "object"
        ) || self.drawing && name == "title";
        if (skip || unseen) && !closed && !is_void(name) {
            self.skipped = Some((name.to_owned(), 1));
            return;
        }
        match name {
            "svg" => self.drawing = true,
            "table" => self.tables.push(Vec::new()),
            "tr" => {
                if let Some(rows) = self.tables.last_mut() {
                    rows.push(Vec::new());
                }
            }
            "td" | "th" => {
                let wide = attributes(raw).into_iter().find(|(k, _)| k == "colspan");
                let wide = wide.and_then(|(_, v)| v.parse::<usize>().ok()).unwrap_or(1).clamp(1, 100);
                if let Some(row) = self.tables.last_mut().and_then(|t| t.last_mut()) {
                    // The words stand in the last of the columns they span.
                    row.extend(std::iter::repeat_n(String::new(), wide));
                }
            }
            "br" | "p" | "div" | "li" => self.space(),
            _ => {}
        }
    }

    fn close(&mut self, name: &str, inside: &mut Inside) {
        if let Some((what, depth)) = &mut self.skipped {
            if what == name {
                *depth -= 1;
            }
            if *depth == 0 {
                self.skipped = None;
            }
            return;
        }
        match name {
            "table" => {
                if let Some(rows) = self.tables.pop() {
                    self.done(&rows, inside);
                }
            }
            "p" | "div" | "li" | "h1" | "h2" | "h3" | "h4" | "title" | "caption" => self.space(),
            _ => {}
        }
    }

    fn space(&mut self) {
        match self.tables.last_mut().and_then(|t| t.last_mut()).and_then(|r| r.last_mut()) {
            Some(cell) => cell.push(' '),
            None => self.prose.push('\n'),
        }
    }

    fn done(&mut self, rows: &[Vec<String>], inside: &mut Inside) {
        self.number += 1;
        inside.table(format!("table {}", self.number), rows);
    }
}

fn is_void(name: &str) -> bool {
    matches!(
        name,
        "br" | "img" | "meta" | "link" | "hr" | "input" | "col" | "area" | "base" | "wbr" | "source"
    )
}
