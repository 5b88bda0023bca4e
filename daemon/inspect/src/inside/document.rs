//! Word documents: their tables, their text, and what is in them without being seen.

use super::markup::{Piece, Pieces, attribute, long_attribute};
use super::{Inside, Member, office, utf8};
use sekisho_policy::facts::OpaqueKind;

/// Takes a document apart.
pub fn read(mut archive: Inside) -> Inside {
    let parts: Vec<Member> = std::mem::take(&mut archive.members);
    let mut inside = Inside { kind: "docx", members: Vec::new(), ..archive };
    for Member { name, bytes } in parts {
        let text = utf8(&bytes);
        if let Some(value) = long_attribute(&text) {
            inside.hidden(format!("{name}, an attribute"), value);
        }
        match name.as_str() {
            "word/document.xml" => body("document", &text, &mut inside),
            "word/styles.xml"
            | "word/settings.xml"
            | "word/fontTable.xml"
            | "word/webSettings.xml"
            | "word/numbering.xml"
            | "[Content_Types].xml" => {}
            "docProps/app.xml" | "docProps/core.xml" => office::properties(&text, &mut inside),
            _ if name.ends_with(".rels") || office::is_harmless(&name, &bytes) => {}
            _ if name.starts_with("word/header")
                || name.starts_with("word/footer")
                || name.starts_with("word/footnotes")
                || name.starts_with("word/endnotes") =>
            {
                body(&name, &text, &mut inside);
            }
            _ if name.contains("vbaProject") => inside.unread(OpaqueKind::Executable, "macros", name),
            _ if name.contains("/media/") => {
                inside.member(name, bytes);
            }
            _ if name.contains("/embeddings/") => {
                inside.hidden(name.clone(), "embedded file");
                inside.member(name, bytes);
            }
            _ => {
                let what = if name.contains("comments") { "comments" } else { "a further part" };
                inside.hidden(name, what);
            }
        }
    }
    inside
}

/// Tables and text of one part.
fn body(place: &str, xml: &str, inside: &mut Inside) {
    // Tables within tables: the innermost takes the text.
    let mut tables: Vec<Vec<Vec<String>>> = Vec::new();
    let (mut prose, mut unseen, mut vanish, mut number) = (String::new(), 0_usize, false, 0);
    for piece in Pieces::new(xml, false) {
        match piece {
            Piece::Open { name, attributes, closed } => match name.as_str() {
                "tbl" => tables.push(Vec::new()),
                "tr" => {
                    if let Some(rows) = tables.last_mut() {
                        rows.push(Vec::new());
                    }
                }
                "tc" => {
                    if let Some(row) = tables.last_mut().and_then(|t| t.last_mut()) {
                        row.push(String::new());
                    }
                }
                "r" => vanish = false,
                "vanish" | "webhidden" => {
                    vanish = attribute(attributes, "val").is_none_or(|v| v != "0" && v != "false")
                }
                "color" => {
                    vanish |= attribute(attributes, "val").is_some_and(|v| v.eq_ignore_ascii_case("ffffff"))
                }
                "del" | "deltext" if !closed => unseen += 1,
                _ => {}
            },
            Piece::Close(name) => match name.as_str() {
                "tbl" => {
                    if let Some(rows) = tables.pop() {
                        number += 1;
                        inside.table(format!("{place}, table {number}"), &rows);
                    }
                }
                "p" => match tables.last_mut().and_then(|t| t.last_mut()).and_then(|r| r.last_mut()) {
                    Some(cell) => cell.push(' '),
                    None => prose.push('\n'),
                },
                _ => {}
            },
            Piece::Text(text) => {
                unseen += usize::from(vanish && !text.trim().is_empty());
                match tables.last_mut().and_then(|t| t.last_mut()).and_then(|r| r.last_mut()) {
                    Some(cell) => *cell += &text,
                    None => prose += &text,
                }
            }
            _ => {}
        }
    }
    if unseen > 0 {
        inside.hidden(place, format!("{unseen} pieces of hidden, white or deleted text"));
    }
    inside.prose(place, &prose);
}
