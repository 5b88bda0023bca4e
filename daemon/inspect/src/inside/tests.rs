use crate::readers::testing::{check, shared};
use sekisho_policy::{FileReport, Verdict};
use std::fmt::Write as _;

const CLEAN: &str = "group,n\na,120\nb,130\n";
const SMALL: &str = "group,n\na,120\nb,7\n";

fn crc(data: &[u8]) -> [u8; 4] {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    crc.sum().to_le_bytes()
}

/// An archive of stored members, with a gap before the directory and a comment.
fn zip_with(members: &[(&str, &[u8])], gap: &[u8], comment: &[u8]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in members {
        let size = (data.len() as u32).to_le_bytes();
        let common = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &crc(data),
            &size,
            &size,
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        let at = bytes.len() as u32;
        bytes.extend([b"PK\x03\x04", &common[..], name.as_bytes(), data].concat());
        let rest = [0_u8; 10];
        directory
            .extend([b"PK\x01\x02\x14\x00", &common[..], &rest, &at.to_le_bytes(), name.as_bytes()].concat());
    }
    bytes.extend(gap);
    let (size, at) = ((directory.len() as u32).to_le_bytes(), (bytes.len() as u32).to_le_bytes());
    let count = (members.len() as u16).to_le_bytes();
    bytes.extend(directory);
    bytes.extend(
        [
            b"PK\x05\x06\0\0\0\0",
            &count[..],
            &count,
            &size,
            &at,
            &(comment.len() as u16).to_le_bytes(),
            comment,
        ]
        .concat(),
    );
    bytes
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    zip_with(members, b"", b"")
}

fn tar(members: &[(&str, &[u8], u8)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, data, kind) in members {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
        header[156] = *kind;
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        bytes.extend(header);
        bytes.extend(*data);
        bytes.resize(bytes.len().div_ceil(512) * 512, 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

#[track_caller]
fn gets(name: &str, bytes: &[u8], wanted: Verdict) -> FileReport {
    let report = check(bytes);
    assert_eq!(report.verdict, wanted, "{name}: {:#?}", report.findings);
    report
}

#[track_caller]
fn never_passes(name: &str, bytes: &[u8]) {
    let report = check(bytes);
    assert_ne!(report.verdict, Verdict::Pass, "{name}: {:#?}", report.findings);
}

#[test]
fn every_member_of_an_archive_is_judged() {
    for (name, member, verdict) in [("clean", CLEAN, Verdict::Pass), ("small", SMALL, Verdict::Block)] {
        let inner = zip(&[("a/x.csv", member.as_bytes())]);
        gets(name, &inner, verdict);
        gets(name, &zip(&[("t.csv", CLEAN.as_bytes()), ("b.zip", &inner)]), verdict);
        gets(name, &tar(&[("t.csv", CLEAN.as_bytes(), b'0'), ("b.csv", member.as_bytes(), b'0')]), verdict);
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut gz, &tar(&[("b.csv", member.as_bytes(), b'0')])).unwrap();
        gets(name, &gz.finish().unwrap(), verdict);
    }
    let report = gets("place", &zip(&[("a/x.csv", SMALL.as_bytes())]), Verdict::Block);
    assert!(report.findings[0].place.contains("a/x.csv"), "{:#?}", report.findings);
}

#[test]
fn other_compressions_are_unpacked_to_their_end() {
    // `printf 'group,n\na,120\nb,7\n' | xz` and `| zstd`.
    let xz = [
        0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02, 0x00, 0x21, 0x01, 0x16,
        0x00, 0x00, 0x00, 0x74, 0x2f, 0xe5, 0xa3, 0x01, 0x00, 0x11,
    ];
    never_passes("xz cut short", &xz);
    let zstd = |text: &str| {
        // One raw block that is the last of its frame, its size in one byte.
        let header = ((text.len() as u32) << 3 | 1).to_le_bytes();
        [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, text.len() as u8], &header[..3], text.as_bytes()].concat()
    };
    gets("zstd", &zstd(CLEAN), Verdict::Pass);
    gets("zstd", &zstd(SMALL), Verdict::Block);
    gets("two frames", &[zstd(CLEAN), zstd("c,7\n")].concat(), Verdict::Block);
    never_passes("behind zstd", &[zstd(CLEAN), b"secret".to_vec()].concat());
    let skipped = [b"\x50\x2a\x4d\x18\x06\0\0\0secret".to_vec(), zstd(CLEAN)].concat();
    never_passes("a skipped frame", &skipped);
    never_passes("a skipped frame behind", &[zstd(CLEAN), skipped].concat());
}

#[test]
fn what_an_archive_hides_never_passes() {
    let table = [("t.csv", CLEAN.as_bytes())];
    gets("plain", &zip(&table), Verdict::Pass);
    never_passes("comment", &zip_with(&table, b"", b"0120120120"));
    never_passes("gap", &zip_with(&table, b"secret", b""));
    never_passes("bytes behind", &[zip(&table), b"secret".to_vec()].concat());
    never_passes("bytes before", &[b"PK\x03\x04secret".to_vec(), zip(&table)].concat());
    never_passes("twice", &zip(&[table[0], table[0]]));
    never_passes("way out", &zip(&[("../../etc/x", CLEAN.as_bytes())]));
    let mut other = zip(&table);
    let at = memchr::memmem::find(&other, b"t.csv").unwrap();
    other[at] = b'u';
    never_passes("two names", &other);
    let mut damaged = zip(&table);
    let at = memchr::memmem::find(&damaged, b"a,120").unwrap();
    damaged[at + 2] = b'7';
    never_passes("checksum", &damaged);
    never_passes("link", &tar(&[("t.csv", b"", b'2')]));
    never_passes("tar padding", &{
        let mut bytes = tar(&[("t.csv", CLEAN.as_bytes(), b'0')]);
        bytes[512 + 100] = b'x';
        bytes
    });
    never_passes("behind tar", &[tar(&[("t.csv", CLEAN.as_bytes(), b'0')]), vec![7; 512]].concat());
    never_passes("name", &zip(&[(&"012".repeat(20), CLEAN.as_bytes())]));
}

#[test]
fn archives_within_archives_end() {
    let mut bytes = zip(&[("t.csv", CLEAN.as_bytes())]);
    for _ in 0..3 {
        gets("few", &bytes, Verdict::Pass);
        bytes = zip(&[("a.zip", &bytes)]);
    }
    bytes = zip(&[("a.zip", &bytes)]);
    never_passes("many", &bytes);
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packed, &vec![b'0'; 64 << 20]).unwrap();
    let packed = packed.finish().unwrap();
    let mut bytes = zip(&[("t.csv", &packed)]);
    for at in memchr::memmem::find_iter(&bytes.clone(), b"PK\x03\x04")
        .chain(memchr::memmem::find_iter(&bytes.clone(), b"PK\x01\x02"))
    {
        let at = if bytes[at + 2] == 1 { at + 2 } else { at };
        bytes[at + 8] = 8;
        bytes[at + 22..at + 26].copy_from_slice(&(64_u32 << 20).to_le_bytes());
    }
    gets("bomb", &bytes, Verdict::Block);
}

/// A workbook with these sheets, a state for each, and further parts.
fn xlsx(sheets: &[(&str, &str, &str)], strings: &[&str], more: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut list, mut rels) = (String::new(), String::new());
    let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
    for (i, (name, state, cells)) in sheets.iter().enumerate() {
        let state = if state.is_empty() { String::new() } else { format!(" state=\"{state}\"") };
        write!(list, "<sheet name=\"{name}\" sheetId=\"{i}\"{state} r:id=\"r{i}\"/>").unwrap();
        write!(rels, "<Relationship Id=\"r{i}\" Target=\"worksheets/sheet{i}.xml\"/>").unwrap();
        let xml = format!("<worksheet><sheetData>{cells}</sheetData></worksheet>");
        parts.push((format!("xl/worksheets/sheet{i}.xml"), xml.into_bytes()));
    }
    parts.push((
        "xl/workbook.xml".into(),
        format!("<workbook><sheets>{list}</sheets></workbook>").into_bytes(),
    ));
    let rels = format!("<Relationships>{rels}</Relationships>");
    parts.push(("xl/_rels/workbook.xml.rels".into(), rels.into_bytes()));
    let strings: String = strings.iter().map(|s| format!("<si><t>{s}</t></si>")).collect();
    parts.push(("xl/sharedStrings.xml".into(), format!("<sst>{strings}</sst>").into_bytes()));
    parts.extend(more.iter().map(|(n, b)| ((*n).to_owned(), b.to_vec())));
    zip(&parts.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect::<Vec<_>>())
}

/// Two groups and their numbers.
fn cells(second: &str) -> String {
    format!(
        "<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"s\"><v>1</v></c></row>\
         <row r=\"2\"><c r=\"A2\" t=\"inlineStr\"><is><t>a</t></is></c><c r=\"B2\"><v>120</v></c></row>\
         <row r=\"3\"><c r=\"A3\" t=\"inlineStr\"><is><t>b</t></is></c><c r=\"B3\">{second}</c></row>"
    )
}

#[test]
fn sheets_of_a_workbook_are_tables() {
    let strings = ["group", "n"];
    gets("clean", &xlsx(&[("T", "", &cells("<v>130</v>"))], &strings, &[]), Verdict::Pass);
    gets("small", &xlsx(&[("T", "", &cells("<v>7</v>"))], &strings, &[]), Verdict::Block);
    gets(
        "formula",
        &xlsx(&[("T", "", &cells("<f>SUM(B2:B2)+10</f><v>130</v>"))], &strings, &[]),
        Verdict::Pass,
    );
}

#[test]
fn what_a_workbook_hides_never_passes() {
    let strings = ["group", "n"];
    let clean = cells("<v>130</v>");
    let with = |more: &[(&str, &[u8])]| xlsx(&[("T", "", &clean)], &strings, more);
    never_passes("hidden", &xlsx(&[("T", "", &clean), ("U", "hidden", &clean)], &strings, &[]));
    never_passes("very hidden", &xlsx(&[("T", "", &clean), ("U", "veryHidden", &clean)], &strings, &[]));
    gets(
        "small and very hidden",
        &xlsx(&[("T", "", &clean), ("U", "veryHidden", &cells("<v>7</v>"))], &strings, &[]),
        Verdict::Block,
    );
    never_passes(
        "row",
        &xlsx(&[("T", "", &clean.replace("r=\"3\">", "r=\"3\" hidden=\"1\">"))], &strings, &[]),
    );
    never_passes("text nowhere", &xlsx(&[("T", "", &clean)], &["group", "n", "HG00096 0 1 2"], &[]));
    never_passes("formula", &xlsx(&[("T", "", &cells("<f>LEN(\"0120120\")</f><v>130</v>"))], &strings, &[]));
    never_passes("comment", &with(&[("xl/comments1.xml", b"<comments><t>HG00096 0 1 2</t></comments>")]));
    never_passes("unlisted", &with(&[("xl/worksheets/sheet9.xml", b"<worksheet/>")]));
    never_passes("macros", &with(&[("xl/vbaProject.bin", b"\x01\x02")]));
    let chart = |v: &str| {
        format!(
            "<c:chart><c:f>T!$B$2:$B$3</c:f><c:numCache><c:pt><c:v>120</c:v></c:pt><c:pt><c:v>{v}</c:v></c:pt></c:numCache></c:chart>"
        )
    };
    gets("chart", &with(&[("xl/charts/chart1.xml", chart("130").as_bytes())]), Verdict::Pass);
    never_passes("chart", &with(&[("xl/charts/chart1.xml", chart("7").as_bytes())]));
    gets(
        "empty container",
        &with(&[("customXml/item1.xml", b"<p:properties/>"), ("xl/persons/person.xml", b"<personList/>")]),
        Verdict::Pass,
    );
    never_passes("custom", &with(&[("customXml/item1.xml", b"<a>0120</a>")]));
    let link = format!("<a><b Target=\"http://x/{}\" TargetMode=\"External\"/></a>", "0120".repeat(100));
    never_passes("link", &with(&[("xl/worksheets/_rels/sheet0.xml.rels", link.as_bytes())]));
    never_passes("picture", &with(&[("xl/media/image1.bin", b"\x00\x01\x02")]));
    let white = "<styleSheet><fonts><font/><font><color rgb=\"FFFFFFFF\"/></font></fonts><fills><fill/></fills>\
                 <cellXfs><xf fontId=\"0\" fillId=\"0\"/><xf fontId=\"1\" fillId=\"0\"/></cellXfs></styleSheet>";
    let styled = clean.replace("r=\"B3\"", "r=\"B3\" s=\"1\"");
    never_passes("white", &xlsx(&[("T", "", &styled)], &strings, &[("xl/styles.xml", white.as_bytes())]));
    gets("styled", &with(&[("xl/styles.xml", white.as_bytes())]), Verdict::Pass);
    let rows: String = (0..30)
        .map(|i| {
            let calls: String =
                (0..60).map(|k| format!("<n v=\"{}\"/>", (i * 7 + k * 5 + i * k) % 3)).collect();
            format!("<r>{calls}</r>")
        })
        .collect();
    let cache = format!("<pivotCacheRecords>{rows}</pivotCacheRecords>");
    gets("pivot cache", &with(&[("xl/pivotCache/pivotCacheRecords1.xml", cache.as_bytes())]), Verdict::Block);
}

#[test]
fn a_real_workbook_shows_its_hidden_sheets() {
    let Some(root) = shared() else { return };
    let report = check(&std::fs::read(root.join("tables/calamine_any_sheets.xlsx")).unwrap());
    assert_eq!((report.verdict, report.kind.as_str()), (Verdict::Review, "xlsx"));
    assert!(report.findings.iter().any(|f| f.value.contains("hidden sheet")), "{:#?}", report.findings);
}

#[test]
fn tables_of_documents_pages_and_manuscripts_are_judged() {
    let word = |n: &str, run: &str| {
        let cell = |t: &str| format!("<w:tc><w:p><w:r>{run}<w:t>{t}</w:t></w:r></w:p></w:tc>");
        let row = |a: &str, b: &str| format!("<w:tr>{}{}</w:tr>", cell(a), cell(b));
        let body = [row("group", "n"), row("a", "120"), row("b", n)].concat();
        zip(&[("word/document.xml", format!("<w:document><w:tbl>{body}</w:tbl></w:document>").as_bytes())])
    };
    let ods = |n: &str, extra: &str| {
        let cell = |t: &str| format!("<table:table-cell><text:p>{t}</text:p></table:table-cell>");
        let row = |a: &str, b: &str| format!("<table:table-row>{}{}</table:table-row>", cell(a), cell(b));
        let body = [row("group", "n"), row("a", "120"), row("b", n)].concat();
        let xml =
            format!("<office:body><table:table table:name=\"T\">{extra}{body}</table:table></office:body>");
        zip(&[
            ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
            ("content.xml", xml.as_bytes()),
        ])
    };
    let html = |n: &str, extra: &str| {
        format!(
            "<html><body><h1>Table</h1>{extra}<table class=\"t\"><tr><th>group</th><th>n</th></tr>\
             <tr><td>a</td><td>120</td></tr><tr><td>b</td><td>{n}</td></tr></table></body></html>"
        )
    };
    let markdown = |n: &str, extra: &str| {
        format!("# Table\n\n| group | n |\n|---|--:|\n| a | 120 |\n| b | {n} |\n{extra}")
    };
    let latex = |n: &str, extra: &str| {
        format!(
            "\\begin{{table}}\n\\begin{{tabular}}{{lr}}\n\\hline\ngroup & n \\\\\n\\hline\na & 120 \\\\\n\
             b & \\textbf{{{n}}} \\\\\n\\hline\n\\end{{tabular}}\n{extra}\n\\end{{table}}\n"
        )
    };
    for (n, verdict) in [("130", Verdict::Pass), ("7", Verdict::Block)] {
        gets("docx", &word(n, ""), verdict);
        gets("ods", &ods(n, ""), verdict);
        gets("html", html(n, "").as_bytes(), verdict);
        gets("markdown", markdown(n, "").as_bytes(), verdict);
        gets("latex", latex(n, "").as_bytes(), verdict);
    }
    never_passes("hidden text", &word("130", "<w:rPr><w:vanish/></w:rPr>"));
    never_passes("white text", &word("130", "<w:rPr><w:color w:val=\"FFFFFF\"/></w:rPr>"));
    never_passes("annotation", &ods("130", "<office:annotation><text:p>0 1 2</text:p></office:annotation>"));
    for extra in [
        "<script>var x = [0,1,2,0,1,2];</script>",
        "<p data-id=\"HG00096\">a</p>",
        "<!-- rs1 0 rs2 1 -->",
        "<div style=\"display: none\">0 1 2</div>",
        "<img src=\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk\">",
        "<svg><circle id=\"HG00096\" cx=\"1\" cy=\"2\"/></svg>",
        "<p>Subject 12 was removed.</p>",
    ] {
        never_passes(extra, html("130", extra).as_bytes());
    }
    never_passes("comment", markdown("130", "<!-- 0120120 -->").as_bytes());
    never_passes("code", markdown("130", "```\n0120120\n```\n").as_bytes());
    never_passes("comment", latex("130", "% rs1 & 0 & rs2 & 1 & rs3 & 2").as_bytes());
}

/// What R's `saveRDS` writes, uncompressed.
struct Saved(Vec<u8>);

impl Saved {
    fn new() -> Self {
        Self(b"X\n\x00\x00\x00\x02\x00\x04\x02\x00\x00\x02\x03\x00".to_vec())
    }

    fn int(mut self, n: i32) -> Self {
        self.0.extend(n.to_be_bytes());
        self
    }

    fn chars(self, text: &str) -> Self {
        let mut out = self.int(0x0004_0009).int(text.len() as i32);
        out.0.extend(text.as_bytes());
        out
    }

    fn texts(self, texts: &[&str]) -> Self {
        texts.iter().fold(self.int(16).int(texts.len() as i32), |s, t| s.chars(t))
    }

    /// An attribute's name.
    fn tag(self, name: &str) -> Self {
        self.int(0x402).int(1).chars(name)
    }

    fn end(self) -> Self {
        self.int(254)
    }

    fn frame(groups: &[&str], counts: &[i32]) -> Self {
        let column = Self::new().int(0x313).int(2).texts(groups).int(13).int(counts.len() as i32);
        let filled = counts.iter().fold(column, |s, n| s.int(*n));
        filled
            .tag("names")
            .texts(&["group", "n"])
            .tag("class")
            .texts(&["data.frame"])
            .tag("row.names")
            .int(13)
            .int(2)
            .int(i32::MIN)
            .int(-(counts.len() as i32))
            .end()
    }
}

#[test]
fn data_frames_saved_by_r_are_tables() {
    gets("clean", &Saved::frame(&["a", "b"], &[120, 130]).0, Verdict::Pass);
    gets("small", &Saved::frame(&["a", "b"], &[120, 7]).0, Verdict::Block);
    never_passes("bytes behind", &[Saved::frame(&["a", "b"], &[120, 130]).0, b"secret".to_vec()].concat());
    never_passes("a function", &Saved::new().int(3).0);
    let named = Saved::new().int(0x20d).int(3).int(120).int(4).int(99).tag("names").texts(&["a", "b", "c"]);
    never_passes("named counts", &named.end().0);
}

#[test]
fn damaged_containers_are_survived() {
    let samples = [
        zip(&[("t.csv", CLEAN.as_bytes())]),
        tar(&[("t.csv", CLEAN.as_bytes(), b'0')]),
        xlsx(&[("T", "", &cells("<v>130</v>"))], &["group", "n"], &[]),
        Saved::frame(&["a", "b"], &[120, 130]).0,
        br#"{"cells":[],"metadata":{},"nbformat":4}"#.to_vec(),
        b"<html><table><tr><td>a</td></tr></table>".to_vec(),
        b"\\begin{tabular}{ll} a & 1 \\\\ \\end{tabular}".to_vec(),
        b"| a | n |\n|---|---|\n| b | 12 |\n".to_vec(),
    ];
    for sample in &samples {
        // Cut at every byte, and every byte changed.
        for at in 0..sample.len().min(700) {
            let _ = check(&sample[..at]);
            let mut changed = sample.clone();
            changed[at] ^= 0x55;
            let _ = check(&changed);
        }
    }
}

/// Files of the real tools, of every kind that has a reader here.
const REAL: [&[u8]; 19] = [
    include_bytes!("../../fixtures/clean.parquet"),
    include_bytes!("../../fixtures/small.v2.parquet"),
    include_bytes!("../../fixtures/nested.parquet"),
    include_bytes!("../../fixtures/clean.feather"),
    include_bytes!("../../fixtures/dictionary.arrows"),
    include_bytes!("../../fixtures/polars.arrow"),
    include_bytes!("../../fixtures/sample.bz2"),
    include_bytes!("../../fixtures/clean.7z"),
    include_bytes!("../../fixtures/small.lzma.7z"),
    include_bytes!("../../fixtures/clean.xls"),
    include_bytes!("../../fixtures/clean.sav"),
    include_bytes!("../../fixtures/clean.zsav"),
    include_bytes!("../../fixtures/clean.115.dta"),
    include_bytes!("../../fixtures/clean.xpt"),
    include_bytes!("../../fixtures/clean.sas7bdat"),
    include_bytes!("../../fixtures/compound.h5"),
    include_bytes!("../../fixtures/latest.h5"),
    include_bytes!("../../fixtures/matlab.mat"),
    include_bytes!("../../fixtures/anndata.h5ad"),
];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(
        std::env::var("SEKISHO_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(600)
    ))]

    #[test]
    fn files_of_real_tools_are_survived_however_they_are_changed(
        file in 0..REAL.len(),
        changes in proptest::collection::vec((0.0_f64..1.0, proptest::sample::select(vec![0_u8, 1, 2, 0x7f, 0x80, 0xff, 0x40]), 1_usize..9), 1..5),
        cut in proptest::option::of(0.0_f64..1.0),
    ) {
        let mut bytes = REAL[file].to_vec();
        for (at, with, times) in changes {
            let from = (at * bytes.len() as f64) as usize;
            let to = (from + times).min(bytes.len());
            bytes[from..to].fill(with);
        }
        if let Some(cut) = cut {
            bytes.truncate((cut * bytes.len() as f64) as usize);
        }
        let report = check(&bytes);
        proptest::prop_assert_eq!(report.bytes, bytes.len() as u64);
    }
}
