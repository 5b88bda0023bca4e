//! A table in every format that people bring tables in.

use flate2::{Compression, Crc, write::DeflateEncoder, write::GzEncoder};
use serde_json::{Map, Value, json};
use std::io::Write as _;

/// Rows of cells; the first is the header.
pub(super) type Rows = Vec<Vec<String>>;
/// A format's name and how a table is written in it.
pub(super) type Format = (&'static str, fn(&Rows) -> Vec<u8>);

/// All of them.
pub(super) const TABLES: [Format; 19] = [
    ("CSV", |r| joined(r, ",").into_bytes()),
    ("CSV, quoted", |r| {
        r.iter()
            .map(|row| row.iter().map(|c| format!("\"{c}\"")).collect::<Vec<_>>().join(",") + "\n")
            .collect::<String>()
            .into_bytes()
    }),
    ("TSV", |r| joined(r, "\t").into_bytes()),
    ("semicolons", |r| joined(r, ";").into_bytes()),
    ("UTF-16", |r| {
        [0xfeff].into_iter().chain(joined(r, ",").encode_utf16()).flat_map(u16::to_le_bytes).collect()
    }),
    ("carriage returns", |r| joined(r, ",").replace('\n', "\r").into_bytes()),
    ("gzip", |r| gzip(joined(r, ",").as_bytes())),
    ("zip", |r| zip(&[("a.csv", joined(r, ",").as_bytes())])),
    ("zip in zip", |r| zip(&[("a.zip", &zip(&[("a.csv", joined(r, ",").as_bytes())]))])),
    ("tar.gz", |r| gzip(&tar("a.csv", joined(r, ",").as_bytes()))),
    ("XLSX", xlsx),
    ("ODS", ods),
    ("DOCX", docx),
    ("HTML", |r| html(r).into_bytes()),
    ("Markdown", markdown),
    ("LaTeX", latex),
    ("JSON records", |r| records(r).to_string().into_bytes()),
    ("JSON lines", |r| {
        records(r)
            .as_array()
            .into_iter()
            .flatten()
            .map(|v| v.to_string() + "\n")
            .collect::<String>()
            .into_bytes()
    }),
    ("notebook", notebook),
];

pub(super) fn joined(rows: &Rows, delimiter: &str) -> String {
    rows.iter().map(|row| row.join(delimiter) + "\n").collect()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    let _ = out.write_all(bytes);
    out.finish().unwrap_or_default()
}

/// An archive of packed members.
pub(super) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in members {
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::fast());
        let _ = packed.write_all(data);
        let packed = packed.finish().unwrap_or_default();
        let mut crc = Crc::new();
        crc.update(data);
        let mut head = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0];
        head.extend(crc.sum().to_le_bytes());
        head.extend((packed.len() as u32).to_le_bytes());
        head.extend((data.len() as u32).to_le_bytes());
        head.extend((name.len() as u16).to_le_bytes());
        head.extend([0, 0]);
        let at = (bytes.len() as u32).to_le_bytes();
        directory.extend([b"PK\x01\x02\x14\x00", &head[..], &[0; 10], &at, name.as_bytes()].concat());
        bytes.extend([b"PK\x03\x04", &head[..], name.as_bytes(), &packed].concat());
    }
    let count = (members.len() as u16).to_le_bytes();
    let (size, at) = ((directory.len() as u32).to_le_bytes(), (bytes.len() as u32).to_le_bytes());
    bytes.extend(directory);
    bytes.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &at, &[0, 0]].concat());
    bytes
}

fn tar(name: &str, data: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644");
    put(124, format!("{:011o}", data.len()).as_bytes());
    put(156, b"0");
    put(257, b"ustar\0");
    put(148, b"        ");
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut bytes = [&header[..], data].concat();
    bytes.resize(bytes.len().div_ceil(512) * 512 + 1024, 0);
    bytes
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn xlsx(rows: &Rows) -> Vec<u8> {
    let cell = |text: &String| match text.parse::<f64>() {
        Ok(_) => format!("<c><v>{text}</v></c>"),
        Err(_) => format!("<c t=\"inlineStr\"><is><t>{}</t></is></c>", escaped(text)),
    };
    let cells: String =
        rows.iter().map(|row| format!("<row>{}</row>", row.iter().map(cell).collect::<String>())).collect();
    let sheet = format!("<worksheet><sheetData>{cells}</sheetData></worksheet>");
    zip(&[
        (
            "xl/workbook.xml",
            b"<workbook><sheets><sheet name=\"T\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>",
        ),
        (
            "xl/_rels/workbook.xml.rels",
            b"<Relationships><Relationship Id=\"r1\" Target=\"worksheets/sheet1.xml\"/></Relationships>",
        ),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

fn ods(rows: &Rows) -> Vec<u8> {
    let cell =
        |text: &String| format!("<table:table-cell><text:p>{}</text:p></table:table-cell>", escaped(text));
    let body: String = rows
        .iter()
        .map(|row| format!("<table:table-row>{}</table:table-row>", row.iter().map(cell).collect::<String>()))
        .collect();
    let xml = format!("<office:body><table:table table:name=\"T\">{body}</table:table></office:body>");
    zip(&[("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", xml.as_bytes())])
}

fn docx(rows: &Rows) -> Vec<u8> {
    let cell = |text: &String| format!("<w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>", escaped(text));
    let body: String =
        rows.iter().map(|row| format!("<w:tr>{}</w:tr>", row.iter().map(cell).collect::<String>())).collect();
    zip(&[("word/document.xml", format!("<w:document><w:tbl>{body}</w:tbl></w:document>").as_bytes())])
}

fn html(rows: &Rows) -> String {
    let cell = |text: &String| format!("<td>{}</td>", escaped(text));
    let body: String =
        rows.iter().map(|row| format!("<tr>{}</tr>", row.iter().map(cell).collect::<String>())).collect();
    format!("<html><body><table>{body}</table></body></html>")
}

fn markdown(rows: &Rows) -> Vec<u8> {
    let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | "));
    let rule = rows.first().map_or(String::new(), |r| format!("|{}\n", "---|".repeat(r.len())));
    let (head, body) = rows.split_at(1.min(rows.len()));
    format!(
        "# Results\n\n{}{rule}{}",
        head.iter().map(line).collect::<String>(),
        body.iter().map(line).collect::<String>()
    )
    .into_bytes()
}

fn latex(rows: &Rows) -> Vec<u8> {
    let cell =
        |text: &String| text.replace('%', "\\%").replace('_', "\\_").replace('#', "\\#").replace('&', "\\&");
    let body: String =
        rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" & ") + " \\\\\n").collect();
    format!("\\begin{{tabular}}{{ll}}\n\\hline\n{body}\\hline\n\\end{{tabular}}\n").into_bytes()
}

fn records(rows: &Rows) -> Value {
    let Some((header, body)) = rows.split_first() else { return Value::Array(Vec::new()) };
    let value = |text: &String| match text.parse::<f64>() {
        Ok(_) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
        Err(_) => Value::String(text.clone()),
    };
    let row = |row: &Vec<String>| {
        Value::Object(header.iter().cloned().zip(row.iter().map(value)).collect::<Map<String, Value>>())
    };
    Value::Array(body.iter().map(row).collect())
}

fn notebook(rows: &Rows) -> Vec<u8> {
    let output =
        json!({ "output_type": "execute_result", "metadata": {}, "data": { "text/html": html(rows) } });
    json!({
        "cells": [{ "cell_type": "code", "source": ["table"], "metadata": {}, "outputs": [output] }],
        "metadata": {}, "nbformat": 4, "nbformat_minor": 5,
    })
    .to_string()
    .into_bytes()
}
