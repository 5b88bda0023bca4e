//! Workbooks: XLSX and ODS. Every sheet is a table; what is hidden in one is shown to the officer.

use super::markup::{Piece, Pieces, attribute, long_attribute};
use super::{Inside, Member, office, utf8};
use sekisho_policy::facts::{OpaqueKind, ProblemKind};
use std::collections::{BTreeMap, BTreeSet};

/// Cells of one workbook.
const MOST_CELLS: usize = 2_000_000;
/// Columns of a sheet by its format.
const MOST_COLUMNS: usize = 16_384;

/// Parts that say how a workbook looks and holds together.
const PLAIN: [&str; 8] = [
    "[Content_Types].xml",
    "xl/workbook.xml",
    "xl/styles.xml",
    "xl/sharedStrings.xml",
    "xl/calcChain.xml",
    "docProps/app.xml",
    "docProps/core.xml",
    "xl/metadata.xml",
];

/// Takes an XLSX apart.
pub fn read(mut archive: Inside) -> Inside {
    let parts: BTreeMap<String, Vec<u8>> =
        std::mem::take(&mut archive.members).into_iter().map(|m| (m.name, m.bytes)).collect();
    let mut inside = Inside { kind: "xlsx", ..archive };
    inside = Inside { members: Vec::new(), ..inside };
    let mut book = Book::open(&parts, &mut inside);
    let mut read = BTreeSet::new();
    for sheet in sheets(&parts, &mut inside) {
        match parts.get(&sheet.part) {
            Some(bytes) if sheet.part.contains("/worksheets/") => {
                let rows = book.sheet(&sheet.name, &utf8(bytes), &mut inside);
                inside.table(sheet.name.clone(), &rows);
            }
            _ => inside.unread(OpaqueKind::Picture, "sheet", format!("{} holds no cells", sheet.name)),
        }
        if sheet.hidden {
            inside.hidden(format!("sheet {}", sheet.name), "hidden sheet");
        }
        read.insert(sheet.part);
    }
    if read.is_empty() {
        inside.problem(ProblemKind::NotInspected, "xl/workbook.xml", "no sheet found");
    }
    let unused = book.unused();
    if unused > 0 {
        inside.hidden("xl/sharedStrings.xml", format!("{unused} texts that no cell shows"));
    }
    for (name, bytes) in parts {
        if let Some(value) = long_attribute(&utf8(&bytes)) {
            inside.hidden(format!("{name}, an attribute"), value);
        }
        let known =
            PLAIN.contains(&name.as_str()) || name.ends_with(".rels") || name.starts_with("xl/tables/");
        if known || read.contains(&name) {
            if name.starts_with("docProps/") {
                office::properties(&utf8(&bytes), &mut inside);
            }
            continue;
        }
        if name.contains("/charts/chart") || name.contains("/drawings/drawing") {
            let cells = book.cells_shown.get_or_insert_with(|| shown(&inside));
            office::chart(&name, &utf8(&bytes), cells, &mut inside);
        } else {
            other(name, bytes, &mut inside);
        }
    }
    inside
}

/// Every text that a cell of any table shows.
fn shown(inside: &Inside) -> BTreeSet<String> {
    let tables = inside.members.iter().flat_map(|m| m.bytes.split(|b| matches!(b, b'\t' | b'\n')));
    tables.map(|cell| utf8(cell).into_owned()).collect()
}

/// A part that is no visible sheet.
fn other(name: String, bytes: Vec<u8>, inside: &mut Inside) {
    if office::is_harmless(&name, &bytes) {
        return;
    }
    if name.contains("vbaProject") || name.contains("activeX") {
        inside.unread(OpaqueKind::Executable, "macros", name);
    } else if name.contains("pivotCacheRecords") {
        inside.hidden(name.clone(), "pivot cache");
        let text = utf8(&bytes);
        let rows = records(&text);
        inside.table(name, &rows);
    } else if name.contains("/embeddings/") || name.contains("/media/") {
        inside.hidden(name.clone(), "embedded file");
        inside.member(name, bytes);
    } else if name.contains("/charts/") || name.contains("/drawings/") || name.contains("/chartsheets/") {
        let values = texts(&utf8(&bytes));
        if !values.is_empty() {
            inside.hidden(name, format!("{} texts and values of a drawing", values.len()));
        }
    } else if name.contains("comments") || name.contains("persons") {
        let text = texts(&utf8(&bytes)).join("\n");
        inside.hidden(name.clone(), text.replace('\n', " "));
        inside.prose(&name, &text);
    } else if name.starts_with("xl/worksheets/") {
        inside.hidden(name.clone(), "a sheet that the workbook does not list");
        let rows = Book::default().sheet(&name, &utf8(&bytes), inside);
        inside.table(name, &rows);
    } else {
        inside.hidden(name, format!("{} bytes", bytes.len()));
    }
}

/// All texts between tags.
fn texts(xml: &str) -> Vec<String> {
    Pieces::new(xml, false)
        .filter_map(|p| if let Piece::Text(t) = p { Some(t.trim().to_owned()) } else { None })
        .filter(|t| !t.is_empty())
        .collect()
}

/// The rows of a pivot cache: every value as written.
fn records(xml: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for piece in Pieces::new(xml, false) {
        let Piece::Open { name, attributes, .. } = piece else { continue };
        if name == "r" {
            rows.push(Vec::new());
        } else if let (Some(row), Some(value)) = (rows.last_mut(), attribute(attributes, "v")) {
            row.push(value);
        }
    }
    rows
}

struct Sheet {
    name: String,
    part: String,
    hidden: bool,
}

/// The sheets a workbook lists, and what else its list says.
fn sheets(parts: &BTreeMap<String, Vec<u8>>, inside: &mut Inside) -> Vec<Sheet> {
    let part = |name: &str| parts.get(name).map(|b| utf8(b).into_owned()).unwrap_or_default();
    let mut targets = BTreeMap::new();
    for piece in Pieces::new(&part("xl/_rels/workbook.xml.rels"), false) {
        if let Piece::Open { name, attributes, .. } = piece
            && name == "relationship"
            && let (Some(id), Some(target)) = (attribute(attributes, "id"), attribute(attributes, "target"))
        {
            let target = target.trim_start_matches("/xl/").trim_start_matches("xl/").to_owned();
            targets.insert(id, format!("xl/{target}"));
        }
    }
    let mut found = Vec::new();
    let mut defined = false;
    for piece in Pieces::new(&part("xl/workbook.xml"), false) {
        match piece {
            Piece::Open { name, attributes, .. } if name == "sheet" => {
                let get = |key| attribute(attributes, key).unwrap_or_default();
                found.push(Sheet {
                    name: get("name"),
                    part: targets.get(&get("id")).cloned().unwrap_or_default(),
                    hidden: get("state").to_ascii_lowercase().contains("hidden"),
                });
            }
            Piece::Open { name, .. } => defined = name == "definedname",
            Piece::Text(text) if defined && holds_data(&text) => inside.hidden("defined name", text),
            _ => {}
        }
    }
    found
}

/// Does a formula hold more than references and functions?
fn holds_data(formula: &str) -> bool {
    formula.contains(['"', '[', '{']) || formula.len() > 200
}

/// What cells refer to.
#[derive(Default)]
struct Book {
    strings: Vec<String>,
    used: BTreeSet<usize>,
    /// By style: is the cell's value not to be seen?
    unseen: Vec<bool>,
    cells: usize,
    /// What cells show, once a chart asks.
    cells_shown: Option<BTreeSet<String>>,
}

impl Book {
    fn open(parts: &BTreeMap<String, Vec<u8>>, inside: &mut Inside) -> Self {
        let part = |name: &str| parts.get(name).map(|b| utf8(b).into_owned()).unwrap_or_default();
        let mut strings = Vec::new();
        let (mut text, mut in_text) = (String::new(), false);
        for piece in Pieces::new(&part("xl/sharedStrings.xml"), false) {
            match piece {
                Piece::Open { name, closed, .. } if name == "t" => in_text = !closed,
                Piece::Open { name, closed: true, .. } if name == "si" => strings.push(String::new()),
                Piece::Close(name) if name == "t" => in_text = false,
                Piece::Close(name) if name == "si" => strings.push(std::mem::take(&mut text)),
                Piece::Text(t) if in_text => text += &t,
                Piece::Text(t) if !t.trim().is_empty() => inside.hidden("xl/sharedStrings.xml", t),
                _ => {}
            }
        }
        Self { strings, unseen: unseen_styles(&part("xl/styles.xml")), ..Self::default() }
    }

    fn unused(&self) -> usize {
        (0..self.strings.len())
            .filter(|i| !self.used.contains(i) && !self.strings[*i].trim().is_empty())
            .count()
    }

    /// The cells of a sheet.
    fn sheet(&mut self, sheet: &str, xml: &str, inside: &mut Inside) -> Vec<Vec<String>> {
        let mut rows: Vec<Vec<String>> = Vec::new();
        let mut cell = Cell::default();
        let mut inner = "";
        let mut unseen = 0;
        for piece in Pieces::new(xml, false) {
            match piece {
                Piece::Open { name, attributes, closed } => match name.as_str() {
                    "row" => {
                        rows.push(Vec::new());
                        if is_true(attribute(attributes, "hidden")) {
                            inside.hidden(format!("{sheet}, row {}", rows.len()), "hidden row");
                        }
                    }
                    "col" if is_true(attribute(attributes, "hidden")) => {
                        let from = attribute(attributes, "min").unwrap_or_default();
                        inside.hidden(format!("{sheet}, column {from}"), "hidden columns");
                    }
                    "c" => {
                        cell = Cell {
                            column: attribute(attributes, "r").and_then(|r| column(&r)),
                            kind: attribute(attributes, "t").unwrap_or_default(),
                            style: attribute(attributes, "s").and_then(|s| s.parse().ok()).unwrap_or(0),
                            ..Cell::default()
                        };
                    }
                    "v" | "t" if !closed => inner = "value",
                    "f" if !closed => inner = "formula",
                    "oddheader" | "oddfooter" | "evenheader" | "evenfooter" | "firstheader"
                    | "firstfooter" => {
                        inner = "margin";
                    }
                    "oleobject" | "control" => inside.hidden(sheet, "an embedded object"),
                    _ => {}
                },
                Piece::Close(name) => {
                    if name == "c" && self.cells < MOST_CELLS {
                        self.cells += 1;
                        let shown = self.value(&cell, inside, sheet);
                        if !shown.is_empty() && self.unseen.get(cell.style).copied().unwrap_or(false) {
                            unseen += 1;
                        }
                        if rows.is_empty() {
                            rows.push(Vec::new());
                        }
                        if let Some(row) = rows.last_mut() {
                            let at = cell.column.unwrap_or(row.len()).min(MOST_COLUMNS - 1);
                            if row.len() <= at {
                                row.resize(at + 1, String::new());
                            }
                            row[at] = shown;
                        }
                    }
                    inner = "";
                }
                Piece::Text(text) => match inner {
                    "value" => cell.value += &text,
                    "formula" => cell.formula += &text,
                    _ if text.trim().is_empty() => {}
                    "margin" => inside.prose(&format!("{sheet}, head and foot"), &text),
                    _ => {
                        if holds_data(&text) {
                            inside.hidden(sheet, text);
                        }
                    }
                },
                Piece::Comment(text) => inside.hidden(sheet, text),
                Piece::Other(_) => {}
            }
        }
        if unseen > 0 {
            inside.hidden(sheet, format!("{unseen} cells in white or in a format that shows nothing"));
        }
        if self.cells >= MOST_CELLS {
            inside.problem(ProblemKind::OverLimit, sheet, format!("more than {MOST_CELLS} cells"));
        }
        rows
    }

    fn value(&mut self, cell: &Cell, inside: &mut Inside, sheet: &str) -> String {
        if holds_data(&cell.formula) {
            inside.hidden(sheet, format!("formula {}", cell.formula));
        }
        if cell.kind != "s" {
            return cell.value.clone();
        }
        let Some(at) = cell.value.trim().parse::<usize>().ok().filter(|i| *i < self.strings.len()) else {
            inside.problem(ProblemKind::Malformed, sheet, "a text that is not there");
            return String::new();
        };
        self.used.insert(at);
        self.strings[at].clone()
    }
}

#[derive(Default)]
struct Cell {
    column: Option<usize>,
    kind: String,
    style: usize,
    value: String,
    formula: String,
}

fn is_true(value: Option<String>) -> bool {
    value.is_some_and(|v| v == "1" || v == "true")
}

/// `BC12` is in column 54.
fn column(reference: &str) -> Option<usize> {
    let letters = reference.bytes().take_while(u8::is_ascii_uppercase).take(4);
    let number = letters.fold(0_usize, |n, b| n * 26 + usize::from(b - b'A') + 1);
    number.checked_sub(1)
}

/// Styles in which a value is not seen: white without a fill behind it, or a number format of nothing.
fn unseen_styles(xml: &str) -> Vec<bool> {
    let (mut fonts, mut fills, mut formats) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut styles = Vec::new();
    let (mut section, mut done) = (String::new(), false);
    for piece in Pieces::new(xml, false) {
        match piece {
            Piece::Open { name, attributes, .. } => match (section.as_str(), name.as_str()) {
                (_, "fonts" | "fills" | "cellxfs" | "numfmts" | "cellstylexfs" | "dxfs") => section = name,
                ("fonts", "font") => fonts.push(false),
                ("fonts", "color") => {
                    let white = attribute(attributes, "rgb")
                        .is_some_and(|c| c.to_ascii_uppercase().ends_with("FFFFFF"))
                        || attribute(attributes, "theme").is_some_and(|t| t == "0");
                    if let Some(font) = fonts.last_mut() {
                        *font = white;
                    }
                }
                ("fills", "fill") => fills.push(false),
                ("fills", "patternfill") => {
                    if let Some(fill) = fills.last_mut() {
                        *fill = attribute(attributes, "patterntype").is_some_and(|t| t != "none");
                    }
                }
                ("numfmts", "numfmt") => {
                    let code = attribute(attributes, "formatcode").unwrap_or_default();
                    if code.contains(";;") {
                        formats.insert(attribute(attributes, "numfmtid").unwrap_or_default());
                    }
                }
                ("cellxfs", "xf") => {
                    let index = |key| attribute(attributes, key).and_then(|v| v.parse::<usize>().ok());
                    let white = index("fontid").and_then(|i| fonts.get(i)).copied().unwrap_or(false);
                    let filled = index("fillid").and_then(|i| fills.get(i)).copied().unwrap_or(false);
                    let nothing = attribute(attributes, "numfmtid").is_some_and(|f| formats.contains(&f));
                    styles.push(white && !filled || nothing);
                }
                _ => {}
            },
            Piece::Close(name) if name == section => {
                done |= name == "cellxfs";
                section.clear();
            }
            _ => {}
        }
    }
    if done { styles } else { Vec::new() }
}

/// Takes an ODS (or another OpenDocument) apart.
pub fn open_document(mut archive: Inside) -> Inside {
    let parts: Vec<Member> = std::mem::take(&mut archive.members);
    let mut inside = Inside { kind: "ods", members: Vec::new(), ..archive };
    for Member { name, bytes } in parts {
        if let Some(value) = long_attribute(&utf8(&bytes)) {
            inside.hidden(format!("{name}, an attribute"), value);
        }
        match name.as_str() {
            "content.xml" => open_content(&utf8(&bytes), &mut inside),
            "mimetype" | "META-INF/manifest.xml" | "settings.xml" | "styles.xml" | "manifest.rdf" => {}
            "meta.xml" => {
                let about = inside.tally.name("document properties");
                for text in texts(&utf8(&bytes)) {
                    crate::readers::text::scan::line(text.as_bytes(), 0, about, &mut inside.tally);
                }
            }
            "Thumbnails/thumbnail.png" => {
                inside.member(name, bytes);
            }
            _ if name.starts_with("Configurations2/") && bytes.is_empty() => {}
            _ => other(name, bytes, &mut inside),
        }
    }
    inside
}

fn open_content(xml: &str, inside: &mut Inside) {
    let mut tables: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    let mut cell: Option<(String, usize)> = None;
    let (mut value, mut note, mut cells) = (None::<String>, 0_usize, 0_usize);
    let mut prose = String::new();
    for piece in Pieces::new(xml, false) {
        match piece {
            Piece::Open { name, attributes, closed } => {
                let get = |key| attribute(attributes, key);
                match name.as_str() {
                    "table" => tables.push((get("name").unwrap_or_default(), Vec::new())),
                    "table-row" => {
                        if let Some((sheet, rows)) = tables.last_mut() {
                            rows.push(Vec::new());
                            if get("visibility").is_some_and(|v| v != "visible") {
                                inside.hidden(format!("{sheet}, row {}", rows.len()), "hidden row");
                            }
                        }
                    }
                    "table-column" if get("visibility").is_some_and(|v| v != "visible") => {
                        inside.hidden("columns", "hidden columns");
                    }
                    "table-cell" | "covered-table-cell" => {
                        let times = get("number-columns-repeated").and_then(|n| n.parse().ok()).unwrap_or(1);
                        value = get("value");
                        if get("formula").is_some_and(|f| f.contains(['"', '{'])) {
                            inside.hidden("formula", get("formula").unwrap_or_default());
                        }
                        cell = Some((String::new(), times));
                        if closed {
                            put(&mut tables, cell.take(), value.take(), &mut cells);
                        }
                    }
                    "annotation" if !closed => {
                        note += 1;
                        inside.hidden("annotation", "a comment");
                    }
                    "table-properties" if get("display").is_some_and(|d| d == "false") => {
                        inside.hidden("table", "a hidden sheet");
                    }
                    "object" | "object-ole" | "plugin" => inside.hidden("content.xml", "an embedded object"),
                    _ => {}
                }
            }
            Piece::Close(name) => match name.as_str() {
                "table-cell" | "covered-table-cell" => {
                    put(&mut tables, cell.take(), value.take(), &mut cells);
                }
                "annotation" => note = note.saturating_sub(1),
                "p" => prose.push('\n'),
                _ => {}
            },
            Piece::Text(text) => match &mut cell {
                Some((shown, _)) if note == 0 => *shown += &text,
                _ => prose += &text,
            },
            _ => {}
        }
    }
    if cells >= MOST_CELLS {
        inside.problem(ProblemKind::OverLimit, "content.xml", format!("more than {MOST_CELLS} cells"));
    }
    for (name, rows) in tables {
        inside.table(name, &rows);
    }
    inside.prose("text", &prose);
}

/// Puts a cell into the last row; a repeated empty one is not worth its place.
fn put(
    tables: &mut [(String, Vec<Vec<String>>)],
    cell: Option<(String, usize)>,
    value: Option<String>,
    cells: &mut usize,
) {
    let (Some((shown, times)), Some((_, rows))) = (cell, tables.last_mut()) else { return };
    let Some(row) = rows.last_mut() else { return };
    let text = value.unwrap_or(shown);
    let times = if text.trim().is_empty() { times.min(64) } else { times.min(MOST_COLUMNS) };
    *cells = cells.saturating_add(times);
    if *cells < MOST_CELLS {
        row.extend(std::iter::repeat_n(text, times));
    }
}
