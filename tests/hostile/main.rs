//! Files made to harm whoever reads them, given to the real inspector in its real sandbox: each is answered in time and
//! within 512 MB, none passes, and an inspector that dies is a finding, too.

// The helpers below are test code too; a failed step is a failed test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../corpus/run.rs"]
#[allow(dead_code)]
mod run;

use flate2::{Compression, write::GzEncoder};
use sekisho_policy::{FileReport, Policy, RequestInfo, Verdict};
use sekisho_wire::inspect::{Connection, Input, request};
use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest that one file may take here, on a slow machine with an inspector that is not optimised.
const PATIENCE: Duration = Duration::from_secs(60);

/// Has files judged, each as a request of its own.
fn judge(files: Vec<(String, File)>, policy: &Policy) -> Vec<(String, FileReport, Duration)> {
    let inspector = run::sekisho().with_file_name("sekisho-inspect");
    let connect = || Connection::spawn(&inspector);
    let info = RequestInfo::default();
    files
        .into_iter()
        .map(|(name, file)| {
            let begin = Instant::now();
            let inputs = [Input { name: name.clone(), file, copy: None }];
            let facts = request(&connect, &inputs, policy, &info, 1, &|_, _| {}).remove(0).facts;
            let report = sekisho_policy::judge(policy, &info, &[facts]).files.remove(0);
            (name, report, begin.elapsed())
        })
        .collect()
}

fn holding(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// A beginning, and then nothing but holes up to a length.
fn sparse(beginning: &[u8], length: u64) -> File {
    let file = holding(beginning);
    file.set_len(length).unwrap();
    file
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The report says what is wrong, in time, and the inspector lived to tell.
fn refused((name, report, took): &(String, FileReport, Duration)) {
    assert_ne!(report.verdict, Verdict::Pass, "{name}: {:#?}", report.findings);
    assert!(*took < PATIENCE, "{name}: {took:?}");
    let died = report.findings.iter().any(|f| f.value.contains("inspector"));
    assert!(!died, "{name}: {:#?}", report.findings);
}

fn all_refused(cases: Vec<(&str, File)>) {
    let cases = cases.into_iter().map(|(name, file)| (name.to_owned(), file)).collect();
    judge(cases, &Policy::default()).iter().for_each(refused);
}

const VCF: &[u8] = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t5\trs1\tA\tG\t.\t.\tAC=30;AN=900\n";

#[test]
fn files_far_larger_than_what_is_in_them_are_decided_without_being_read() {
    let ten = 10 << 30;
    let begin = Instant::now();
    all_refused(vec![
        ("ten gigabytes of nothing", sparse(b"", ten)),
        ("a vcf and ten gigabytes of nothing", sparse(VCF, ten)),
        ("a picture and ten gigabytes of nothing", sparse(b"\x89PNG\r\n\x1a\n", ten)),
        ("a pickle and ten gigabytes of nothing", sparse(b"\x80\x04\x95", ten)),
        ("a zip and ten gigabytes of nothing", sparse(b"PK\x03\x04\x14\0\0\0", ten)),
        ("one line of a gigabyte", sparse(b"rs1\t", 1 << 30)),
    ]);
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
}

#[test]
fn bombs_are_refused_and_not_unpacked() {
    let megabytes = gz(&vec![b'a'; 8 << 20]);
    let entities = "<!DOCTYPE svg [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">\
                    <!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]><svg><text>&c;&c;&c;</text></svg>";
    let rows =
        "<table:table-row table:number-rows-repeated=\"1000000000\"><table:table-cell/></table:table-row>";
    all_refused(vec![
        // A gigabyte in one line.
        ("a gz bomb", holding(&megabytes.repeat(128))),
        ("a gz in a gz in a gz in a gz", holding(&gz(&gz(&gz(&gz(b"a,b\n1,2\n")))))),
        ("entities", holding(entities.as_bytes())),
        (
            "a billion rows",
            holding(format!("<office:document-content>{rows}</office:document-content>").as_bytes()),
        ),
        ("brackets", holding(&b"[".repeat(4 << 20))),
        ("objects", holding("{\"a\":".repeat(1 << 20).as_bytes())),
        ("elements", holding(format!("<html>{}", "<div><table><tr><td>".repeat(100_000)).as_bytes())),
        ("groups", holding(format!("<svg>{}", "<g>".repeat(1 << 20)).as_bytes())),
        ("braces", holding(format!("\\begin{{tabular}}{{l}}{}", "{".repeat(1 << 20)).as_bytes())),
        ("pickled lists", holding(&[&b"\x80\x04"[..], &b"]".repeat(1 << 20), b"."].concat())),
    ]);
}

#[test]
fn what_a_header_claims_is_not_believed() {
    let png = |width: u32, height: u32| {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend([width.to_be_bytes(), height.to_be_bytes()].concat());
        bytes.extend([8, 2, 0, 0, 0]);
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[12..]);
        bytes.extend(crc.sum().to_be_bytes());
        bytes
    };
    let numpy = |shape: &str| {
        let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
        [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes(), &[0; 64]]
            .concat()
    };
    let claims = |magic: &[u8]| [magic, &[0xff; 64]].concat();
    let mut cases = vec![
        ("a picture of four billion squared".to_owned(), holding(&png(u32::MAX, u32::MAX))),
        ("a picture without pixels".into(), holding(&png(4000, 4000))),
        ("an array of a trillion".into(), holding(&numpy("(1000000000000, 8)"))),
        (
            "an array larger than numbers".into(),
            holding(&numpy("(18446744073709551615, 18446744073709551615)")),
        ),
        (
            "safetensors of a petabyte".into(),
            holding(&claims(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, b'{'])),
        ),
        ("a pickle of four gigabytes".into(), holding(&claims(b"\x80\x04B\xff\xff\xff\xff"))),
        ("a picture called vcf.gz".into(), holding(&claims(b"\x89PNG\r\n\x1a\n"))),
        ("a program called results.csv".into(), holding(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0")),
    ];
    let magics: [&[u8]; 18] = [
        b"BCF\x02\x02",
        b"BAM\x01",
        b"CRAM\x03\x00",
        b"\x6c\x1b\x10",
        b"PAR1",
        b"ARROW1\0\0",
        b"7z\xbc\xaf\x27\x1c",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"\x89HDF\r\n\x1a\n",
        b"RDX3\nX\n\0\0\0\x03",
        b"X\n\0\0\0\x03",
        b"<stata_dta><header><release>118</release>",
        b"$FL2@(#)",
        b"SQLite format 3\0",
        b"BZh91AY&SY",
        b"%PDF-1.7\n",
        b"\xfd7zXZ\0",
        b"\x28\xb5\x2f\xfd",
    ];
    for magic in magics {
        cases.push((format!("claims behind {}", String::from_utf8_lossy(magic)), holding(&claims(magic))));
    }
    judge(cases, &Policy::default()).iter().for_each(refused);
}

#[test]
fn width_without_end_is_refused() {
    let names = |n: usize| (0..n).map(|i| format!("c{i}")).collect::<Vec<_>>().join(",");
    let json = format!("[{{{}}}]", (0..100_000).map(|i| format!("\"c{i}\":1")).collect::<Vec<_>>().join(","));
    all_refused(vec![
        (
            "a hundred thousand columns",
            holding(format!("{}\n{}\n", names(100_000), "7,".repeat(99_999)).as_bytes()),
        ),
        ("a hundred thousand keys", holding(json.as_bytes())),
        ("a line of 60 megabytes", holding(&vec![b'x'; 60 << 20])),
    ]);
}

/// Small files of every form, cut short: what is not text never passes, and nothing dies of it.
#[test]
fn a_file_cut_short_never_passes() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(seeds).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        // A text may be harmless up to any line of it, in two bytes a letter, too.
        if !bytes.contains(&0) || path.ends_with("file-utf16") {
            continue;
        }
        for end in (1..bytes.len()).step_by((bytes.len() / 8).max(1)) {
            let name = format!("{} up to byte {end}", path.file_name().unwrap().to_string_lossy());
            // What is left may be plain text, and what is missing nothing but the padding behind everything.
            if bytes[..end].contains(&0) && bytes[end..].iter().any(|b| *b != 0) {
                cases.push((name, holding(&bytes[..end])));
            }
        }
    }
    assert!(cases.len() > 150, "{} cases", cases.len());
    judge(cases, &Policy::default()).iter().for_each(refused);
}

#[test]
fn an_inspector_that_runs_out_of_memory_is_a_finding() {
    let mut policy = Policy::default();
    // Least there is; a wide table needs more than that for its sample.
    policy.limits.inspect_memory_bytes = 1;
    let text = vec![b'x'; 40 << 20];
    let (_, report, _) = judge(vec![("a".into(), holding(&text))], &policy).remove(0);
    assert_eq!(report.verdict, Verdict::Block, "{:#?}", report.findings);
    let told = report.findings.iter().any(|f| f.value.contains("inspector died"));
    assert!(told, "it did not run out of memory: {:#?}", report.findings);
}
