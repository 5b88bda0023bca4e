//! The rest of the list of tricks: data that rides in what looks like words, noise, names, order or another file.
//!
//! Where the other tricks are held: renamed and missing columns, either orientation, every text format (`corpus.rs`); codes in
//! columns, digits, names, labels (`tricks.rs`); disguises of tables and layouts (`disguises.rs`); split over days and members
//! (`workflow/earlier.rs`); what archives, workbooks, documents, pages, notebooks, pictures and columnar files hide (beside
//! their readers in `daemon/inspect/src/{inside,picture}`); bombs and lies about size (`corpus.rs`, `hostile`).

use crate::run::{check, judge};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// What is to be carried out: the genotypes of one person at 300 sites, two bits each.
fn secret() -> Vec<u8> {
    let call = |i: usize| (i * 7 + i * i * 5 + i / 9) % 11 % 3;
    (0..75).map(|b| (0..4).fold(0, |byte, k| byte << 2 | call(b * 4 + k) as u8)).collect()
}

fn verdict(name: &str, bytes: &[u8]) -> String {
    judge(&[(name, bytes)]).verdict().to_owned()
}

fn never_passes(what: &str, text: &str) {
    let report = judge(&[("a.txt", text.as_bytes())]);
    assert_ne!(report.verdict(), "pass", "{what}:\n{}\n{:#}", &text[..text.len().min(600)], report.json);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |s, b| s + &format!("{b:02x}"))
}

fn uuencoded(bytes: &[u8]) -> String {
    let mut text = "begin 644 results\n".to_owned();
    for line in bytes.chunks(45) {
        text.push(char::from(b' ' + line.len() as u8));
        for three in line.chunks(3) {
            let word = (0..3).fold(0_u32, |w, k| w << 8 | u32::from(*three.get(k).unwrap_or(&0)));
            (0..4).for_each(|k| {
                let six = (word >> (18 - 6 * k) & 63) as u8;
                text.push(char::from(if six == 0 { b'`' } else { b' ' + six }));
            });
        }
        text.push('\n');
    }
    text + "`\nend\n"
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|three| {
            let word = (0..3).fold(0_u32, |w, k| w << 8 | u32::from(*three.get(k).unwrap_or(&0)));
            (0..4).map(move |k| char::from(LETTERS[(word >> (18 - 6 * k) & 63) as usize]))
        })
        .collect()
}

/// Ways to write bytes as letters.
fn spellings() -> Vec<(&'static str, String)> {
    let bytes = secret();
    let dna: String = bytes
        .iter()
        .flat_map(|b| (0..4).map(move |k| char::from(b"ACGT"[usize::from(b >> (6 - 2 * k) & 3)])))
        .collect();
    let escapes = bytes.iter().fold(String::new(), |s, b| s + &format!("\\x{b:02x}"));
    let octal = bytes.iter().fold(String::new(), |s, b| s + &format!("\\{b:03o}"));
    let percent = bytes.iter().fold(String::new(), |s, b| s + &format!("%{b:02X}"));
    let bits = bytes.iter().fold(String::new(), |s, b| s + &format!("{b:08b}"));
    let decimal = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(" ");
    let unicode = bytes.iter().fold(String::new(), |s, b| s + &format!("\\u00{b:02x}"));
    let plain = hex(&bytes);
    let spaced = plain.as_bytes().chunks(4).map(|c| String::from_utf8_lossy(c).into_owned());
    vec![
        ("hex", hex(&bytes)),
        ("upper hex", hex(&bytes).to_uppercase()),
        ("hex in fours", spaced.collect::<Vec<_>>().join(" ")),
        ("base64", base64(&bytes)),
        (
            "base64 in lines",
            base64(&bytes)
                .as_bytes()
                .chunks(38)
                .fold(String::new(), |s, c| s + &String::from_utf8_lossy(c) + "\n"),
        ),
        ("DNA", dna),
        ("\\x", escapes),
        ("octal", octal),
        ("percent", percent),
        ("bits", bits),
        ("decimal bytes", decimal),
        ("\\u", unicode),
    ]
}

#[test]
fn bytes_written_as_letters_never_pass_alone_in_prose_in_scripts_and_in_tables() {
    for (name, text) in spellings().into_iter().chain([("uuencode", uuencoded(&secret()))]) {
        never_passes(name, &format!("{text}\n"));
        never_passes(
            &format!("{name} in prose"),
            &format!("We adjusted for age and sex.\n\n{text}\n\nSee methods.\n"),
        );
        never_passes(
            &format!("{name} in a script"),
            &format!("library(survival)\n# {}\nfit <- coxph(Surv(t, e) ~ x)\n", text.replace('\n', "\n# ")),
        );
        let line = text.replace('\n', "");
        if !line.contains(',') && !line.contains('"') {
            never_passes(&format!("{name} in a cell"), &format!("group,n,note\na,120,{line}\nb,130,none\n"));
        }
    }
}

#[test]
fn pieces_of_a_code_in_the_rows_of_a_table_never_pass() {
    let bytes = secret();
    for (name, piece) in [
        ("four hex digits", &(|c: &[u8]| hex(c)) as &dyn Fn(&[u8]) -> String),
        ("letters of DNA", &|c: &[u8]| {
            c.iter()
                .flat_map(|b| (0..4).map(move |k| char::from(b"ACGT"[usize::from(b >> (6 - 2 * k) & 3)])))
                .collect()
        }),
        ("decimal", &|c: &[u8]| c.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b)).to_string()),
    ] {
        let rows: String = bytes
            .chunks(6)
            .enumerate()
            .fold(String::new(), |s, (i, c)| s + &format!("{},{}\n", piece(c), 120 + i * 13));
        never_passes(name, &format!("group,n\n{rows}"));
    }
}

#[test]
fn a_matrix_with_both_axes_under_false_names_is_still_one_of_persons() {
    let call = |i: usize, k: usize| (i * 7 + k * 5 + i * k) % 3;
    for (rows, columns) in [("GENE", "week"), ("model", "ENSG0000"), ("2019-", "q"), ("", "")] {
        for (height, width) in [(60, 12), (12, 60), (50, 50)] {
            let mut text = format!(
                "what,{}\n",
                (0..width).map(|k| format!("{columns}{k}")).collect::<Vec<_>>().join(",")
            );
            for i in 0..height {
                let cells: Vec<String> = (0..width).map(|k| call(i, k).to_string()).collect();
                writeln!(text, "{rows}{i},{}", cells.join(",")).unwrap();
            }
            let got = verdict("a.csv", text.as_bytes());
            assert!(
                got == "block" || rows.is_empty() && got == "review",
                "{got}: {height} {rows} by {width} {columns}"
            );
        }
    }
}

#[test]
fn frequencies_and_counts_under_false_names_or_on_their_side_never_pass() {
    let copies = [3_u32, 40, 120, 300, 5, 77, 260, 410, 150, 90, 66, 222];
    for (name, header) in [
        ("no header", ""),
        ("letters", "a b c d e f\n"),
        ("another language", "染色体 部位 対立 参照 割合 総数\n"),
        ("a lie", "CHR SNP A1 A2 P SCORE\n"),
    ] {
        let rows: String = copies.iter().enumerate().fold(String::new(), |s, (i, c)| {
            s + &format!("1 rs{i} A G {:.6} 1000\n", f64::from(*c) / 1000.0)
        });
        never_passes(name, &format!("{header}{rows}"));
    }
    never_passes("on its side", "group,control,case\nn,1200,1300\nmale,600,4\nfemale,600,1296\n");
    never_passes("without words", "1200,600,600\n1300,4,1296\n");
}

/// The same text in another encoding, by iconv.
fn encoded(text: &str, encoding: &str) -> Vec<u8> {
    let mut child = Command::new("iconv")
        .args(["-f", "UTF-8", "-t", encoding])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{encoding}");
    output.stdout
}

#[test]
fn a_small_count_is_seen_in_every_encoding_or_the_file_is_not_passed() {
    let small = "群,人数,男性,女性\n対照,120,117,3\n症例,130,60,70\n";
    for encoding in ["UTF-8", "UTF-16LE", "UTF-16BE", "UTF-16", "SHIFT_JIS", "CP932", "EUC-JP", "ISO-2022-JP"]
    {
        assert_eq!(verdict("a.csv", &encoded(small, encoding)), "block", "{encoding}");
    }
    for encoding in ["UTF-32LE", "UTF-32BE", "UTF-7", "GB18030"] {
        assert_ne!(verdict("a.csv", &encoded(small, encoding)), "pass", "{encoding}");
    }
    let ascii = "group,n,male,female\ncontrol,120,117,3\ncase,130,60,70\n";
    for encoding in ["UTF-7", "UTF-16LE", "UTF-32", "IBM037", "IBM500"] {
        assert_ne!(verdict("a.csv", &encoded(ascii, encoding)), "pass", "{encoding}");
    }
}

#[test]
fn letters_that_look_like_others_do_not_hide_a_count() {
    for text in [
        "group,n\na,120\nb,３\n",
        "group,n\na,120\nb,\u{200b}3\u{feff}\n",
        "group,n\na,120\nb,٣\n",
        "group,n\na,120\nb,³\n",
        "group,n\na,120\nb,③\n",
        "group,n\na,120\nb,三\n",
        "group,n\na,120\nb,three\n",
        "group,n\na,120\nb,III\n",
        "group,n\na,120\nb,0x3\n",
        "group,n\na,120\nb,2+1\n",
        "group,n\na,120\nb,=1+2\n",
    ] {
        never_passes("a count in disguise", text);
    }
}

#[test]
fn one_file_inside_another_is_seen_from_both_sides() {
    let table = "group,n\na,120\nb,130\n";
    let zip = {
        // A stored zip of one member, as any tool writes it.
        let (name, body) = (b"a.csv", b"id,age\nP1,34\nP2,45\n");
        let mut crc = !0_u32;
        for b in body {
            crc ^= u32::from(*b);
            (0..8).for_each(|_| crc = crc >> 1 ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1)));
        }
        let fields = |v: &mut Vec<u8>| {
            v.extend([20, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            v.extend((!crc).to_le_bytes());
            v.extend((body.len() as u32).to_le_bytes());
            v.extend((body.len() as u32).to_le_bytes());
            v.extend([name.len() as u8, 0, 0, 0]);
        };
        let mut zip = b"PK\x03\x04".to_vec();
        fields(&mut zip);
        zip.extend(name);
        zip.extend(body);
        let directory = zip.len() as u32;
        zip.extend(b"PK\x01\x02\x14\0");
        fields(&mut zip);
        zip.extend([0; 14]);
        zip.extend(name);
        let length = zip.len() as u32 - directory;
        zip.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
        zip.extend(length.to_le_bytes());
        zip.extend(directory.to_le_bytes());
        zip.extend([0, 0]);
        zip
    };
    for (name, bytes) in [
        ("a zip behind a table", [table.as_bytes(), &zip].concat()),
        ("a table behind a zip", [&zip, table.as_bytes()].concat()),
        ("a picture's beginning on a table", [b"\x89PNG\r\n\x1a\n", table.as_bytes()].concat()),
        ("a PDF with a zip behind it", [b"%PDF-1.4\n%%EOF\n".as_slice(), &zip].concat()),
        ("a comment in a zip", {
            let mut with = zip.clone();
            let at = with.len() - 2;
            with[at] = 60;
            with.extend(base64(&secret()[..45]).bytes());
            with
        }),
    ] {
        let report = judge(&[("a.csv", &bytes)]);
        assert_ne!(report.verdict(), "pass", "{name}: {:#}", report.json);
    }
}

#[test]
fn a_pdf_is_never_passed_unseen() {
    let with = |more: &str| {
        format!(
            "%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R{more}>>endobj\n2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
        )
    };
    for more in [
        "",
        "/Names<</EmbeddedFiles<</Names[(a.csv)3 0 R]>>>>",
        "/OpenAction<</S/JavaScript/JS(app.alert(1))>>",
        "/AcroForm<</XFA 3 0 R>>",
        "/OpenAction<</S/Launch/F(x)>>",
        "/OCProperties<</OCGs[3 0 R]/D<</OFF[3 0 R]>>>>",
    ] {
        assert_ne!(verdict("a.pdf", with(more).as_bytes()), "pass", "{more}");
    }
    let twice = with("") + &with("");
    assert_ne!(verdict("a.pdf", twice.as_bytes()), "pass", "an update behind the end");
}

#[test]
fn a_wrong_ending_changes_nothing() {
    let cohort = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2\n"
        .to_owned()
        + &(0..60).fold(String::new(), |s, k| {
            s + &format!("1\t{}\trs{k}\tA\tG\t.\tPASS\t.\tGT\t0/1\t1/1\n", (k + 1) * 1_000_000)
        });
    for name in
        ["a.vcf", "a.png", "a.R", "a.md", "a.log", "a.json", "a.svg", "a.tex", "a.html", "a.ipynb", "a"]
    {
        assert_eq!(verdict(name, cohort.as_bytes()), "block", "{name}");
    }
}

#[test]
fn a_declared_number_that_the_file_refutes_is_said() {
    let mut text = "CHR SNP A1 A2 MAF\n".to_owned();
    for i in 0..60 {
        writeln!(text, "1 rs{i} A G {:.5}", f64::from(61 + i * 5 + i % 3) / 800.0).unwrap();
    }
    for (declared, expected) in [("400", "pass"), ("390", "review"), ("5", "not pass")] {
        let dir = tempfile::tempdir().unwrap();
        let (path, request) = (dir.path().join("a.frq"), dir.path().join("request.toml"));
        std::fs::write(&path, &text).unwrap();
        std::fs::write(&request, format!("subjects = {declared}\n")).unwrap();
        let report = check(&["--request".into(), request, path]);
        let got = report.verdict();
        assert!(got == expected || expected == "not pass" && got != "pass", "{declared}: {:#}", report.json);
    }
}

#[test]
fn nesting_and_entities_end() {
    for (name, text) in [
        ("arrays", format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000))),
        ("objects", format!("{}1{}", "{\"a\":".repeat(50_000), "}".repeat(50_000))),
        ("elements", format!("<html>{}</html>", "<div>".repeat(100_000))),
        ("groups", format!("<svg xmlns=\"http://www.w3.org/2000/svg\">{}</svg>", "<g>".repeat(100_000))),
        ("entities", {
            let mut text = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a0 \"0123456789\">".to_owned();
            (1..12).for_each(|k| {
                write!(text, "<!ENTITY a{k} \"{}\">", format!("&a{};", k - 1).repeat(10)).unwrap()
            });
            text + "]><svg xmlns=\"http://www.w3.org/2000/svg\"><text>&a11;</text></svg>"
        }),
        ("braces", format!("\\begin{{tabular}}{{ll}} n & {}3 \\\\ m & 40", "{".repeat(100_000))),
        ("quotes", format!("a,b\n{}", "\"".repeat(1_000_001))),
    ] {
        let report = judge(&[("a", text.as_bytes())]);
        assert_ne!(report.verdict(), "pass", "{name}");
        assert!(!report.json.to_string().contains("died"), "{name}: {:#}", report.json);
    }
}
