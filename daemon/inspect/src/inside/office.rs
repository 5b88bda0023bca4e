//! Parts that office programs put into a file by themselves: settings of printers, empty containers for forms and sources,
//! properties, drawings of values that stand in cells. Such a part is let through only when every value in it is one such
//! a program writes, or is read as text or found in a cell; anything else is shown to the officer as before.

use super::markup::{Piece, Pieces, attributes};
use super::{Inside, utf8};
use crate::readers::text::scan;
use std::collections::BTreeSet;

/// Bytes of a container that holds nothing.
const CONTAINER: usize = 4096;
/// Where names of the formats themselves live.
const HOMES: [&str; 4] = [
    "http://schemas.openxmlformats.org/",
    "http://schemas.microsoft.com/",
    "http://www.w3.org/",
    "http://purl.org/",
];

/// Is this part what programs write by themselves, and nothing more?
pub fn is_harmless(name: &str, bytes: &[u8]) -> bool {
    if name.contains("/printerSettings/") {
        return is_printer(bytes);
    }
    if name.starts_with("customXml/") || name.contains("/persons/") || name.contains("/theme/theme") {
        let limit = if name.contains("/theme/") { 64 << 10 } else { CONTAINER };
        return bytes.len() <= limit && is_empty_container(&utf8(bytes), name.contains("/theme/"));
    }
    false
}

/// Words about the file: read for what must not be in them.
pub fn properties(xml: &str, inside: &mut Inside) {
    let about = inside.tally.name("document properties");
    let texts = Pieces::new(xml, false).filter_map(|p| if let Piece::Text(t) = p { Some(t) } else { None });
    for (at, text) in texts.filter(|t| !t.trim().is_empty()).enumerate() {
        scan::line(text.trim().as_bytes(), at as u64 + 1, about, &mut inside.tally);
    }
}

/// Windows' settings of a printer: names without a rest, numbers that printers have, and nothing of the maker's own.
fn is_printer(bytes: &[u8]) -> bool {
    let word = |at: usize| bytes.get(at..at + 2).map_or(u16::MAX, |b| u16::from_le_bytes([b[0], b[1]]));
    let name = |from: usize| {
        let units: Vec<u16> = (0..32).map(|i| word(from + 2 * i)).collect();
        let end = units.iter().position(|u| *u == 0).unwrap_or(32);
        let text = String::from_utf16_lossy(&units[..end]);
        units[end..].iter().all(|u| *u == 0) && text.chars().filter(char::is_ascii_digit).count() <= 6
    };
    // Orientation, paper, its length and width, scale, copies, tray, quality, colour, sides, lines, fonts, sorting.
    let most = [2, 300, 20_000, 20_000, 1000, 999, 512, 4800, 2, 3, 4800, 4, 1];
    let small = most.iter().enumerate().all(|(at, most)| {
        let value = word(76 + 2 * at);
        value <= *most || at == 7 && value >= 0xfffc
    });
    let rest = bytes.get(166..).is_some_and(|r| r.iter().filter(|b| **b != 0).count() <= 8);
    bytes.len() == 220 && word(68) == 220 && word(70) == 0 && name(0) && name(102) && small && rest
}

/// An XML part without text, whose attributes are names of formats.
fn is_empty_container(xml: &str, theme: bool) -> bool {
    let (mut identities, mut styles) = (0, 0);
    for piece in Pieces::new(xml, false) {
        match piece {
            Piece::Text(text) if !text.trim().is_empty() => return false,
            Piece::Comment(_) => return false,
            Piece::Open { name, attributes: text, .. } => {
                if !theme && (name.len() > 40 || name.bytes().any(|b| b.is_ascii_digit())) {
                    return false;
                }
                for (key, value) in attributes(text) {
                    let key = key.to_ascii_lowercase();
                    let short = key.rsplit(':').next().unwrap_or(&key);
                    let fine = if key.starts_with("xmlns") || short == "uri" {
                        is_home(&value) || short == "uri" && is_identity(&value)
                    } else if short == "itemid" || short == "id" {
                        identities += 1;
                        identities <= 2 && is_identity(&value)
                    } else if matches!(short, "selectedstyle" | "stylename" | "version") {
                        styles += 1;
                        styles <= 3
                            && value.len() <= 40
                            && value.bytes().filter(u8::is_ascii_digit).count() <= 2
                    } else {
                        // Colours and measures of a theme.
                        theme && value.len() <= 40
                    };
                    if !fine {
                        return false;
                    }
                }
            }
            _ => {}
        }
    }
    true
}

fn is_home(uri: &str) -> bool {
    let known = HOMES.iter().any(|home| uri.starts_with(home)) || uri.is_empty();
    known && uri.len() <= 100 && uri.bytes().filter(u8::is_ascii_digit).count() <= 10
}

/// `{8-4-4-4-12}` hexadecimal digits, made at random.
fn is_identity(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text);
    let lengths: Vec<usize> = inner.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && inner.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// A chart or a drawing: its values must stand in cells, its words are read.
pub fn chart(name: &str, xml: &str, cells: &BTreeSet<String>, inside: &mut Inside) {
    let (mut element, mut foreign, mut places, mut words) = (String::new(), 0_usize, 0, String::new());
    for piece in Pieces::new(xml, false) {
        match piece {
            Piece::Open { name, .. } => element = name,
            Piece::Close(_) => element.clear(),
            Piece::Comment(_) => foreign += 1,
            Piece::Text(text) => {
                let text = text.trim();
                match element.as_str() {
                    _ if text.is_empty() => {}
                    "v" => foreign += usize::from(!cells.contains(text)),
                    "f" => foreign += usize::from(text.contains(['"', '{', '[']) || text.len() > 200),
                    "formatcode" => foreign += usize::from(text.len() > 40),
                    // Where a drawing stands.
                    "col" | "coloff" | "row" | "rowoff" => {
                        places += 1;
                        let number = text.len() <= 9
                            && text.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit());
                        foreign += usize::from(!number || places > 8 * 20);
                    }
                    "t" => words = words + text + "\n",
                    _ => foreign += 1,
                }
            }
            Piece::Other(_) => {}
        }
    }
    inside.prose(name, &words);
    if foreign > 0 {
        inside.hidden(name, format!("{foreign} values of a drawing that no cell has"));
    }
}

#[cfg(test)]
mod tests {
    use super::{is_harmless, is_printer};

    fn printer(paper: u16, extra: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 220];
        for (at, unit) in "Printer".encode_utf16().enumerate() {
            bytes[2 * at..2 * at + 2].copy_from_slice(&unit.to_le_bytes());
        }
        bytes[64..66].copy_from_slice(&0x401_u16.to_le_bytes());
        bytes[68..70].copy_from_slice(&220_u16.to_le_bytes());
        bytes[70..72].copy_from_slice(&(extra.len() as u16).to_le_bytes());
        bytes[76..78].copy_from_slice(&1_u16.to_le_bytes());
        bytes[78..80].copy_from_slice(&paper.to_le_bytes());
        [&bytes, extra].concat()
    }

    #[test]
    fn settings_of_a_printer_say_nothing_but_how_to_print() {
        assert!(is_printer(&printer(9, b"")));
        assert!(!is_printer(&printer(9, b"0120120120")));
        assert!(!is_printer(&printer(9999, b"")));
        let mut behind = printer(9, b"");
        behind[40..50].copy_from_slice(b"0120120120");
        assert!(!is_printer(&behind));
        let mut later = printer(9, b"");
        later[180..200].fill(b'1');
        assert!(!is_printer(&later));
    }

    #[test]
    fn a_container_is_empty_or_it_is_shown() {
        let part = |xml: &str| is_harmless("customXml/item1.xml", xml.as_bytes());
        let home = "http://schemas.openxmlformats.org/officeDocument/2006/bibliography";
        assert!(part(&format!(
            "<b:Sources xmlns:b=\"{home}\" SelectedStyle=\"\\APA.XSL\" StyleName=\"APA\" Version=\"6\"/>"
        )));
        assert!(part("<ds:datastoreItem ds:itemID=\"{B1977F7D-205B-4081-913C-38D41E755F92}\"/>"));
        assert!(!part("<a>0120120</a>"));
        assert!(!part("<a b=\"0120120\"/>"));
        assert!(!part("<!-- 0120120 -->"));
        assert!(!part("<a xmlns=\"http://example.org/0120120\"/>"));
        assert!(!part("<rs0120120/>"));
    }
}
