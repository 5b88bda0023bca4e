//! `sekisho check` over files: made-up cohorts just inside, exactly at and just outside each limit, in every
//! format; hostile files; and, where the shared data is present, every file of its manifest.

// The helpers below are test code too; a failed step is a failed test.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "corpus/channels.rs"]
mod channels;
#[path = "corpus/cohort.rs"]
mod cohort;
#[path = "corpus/disguises.rs"]
mod disguises;
#[path = "corpus/mended.rs"]
mod mended;
#[path = "corpus/run.rs"]
mod run;
#[path = "corpus/tricks.rs"]
mod tricks;

use cohort::{Cohort, Linkage, Names};
use flate2::{Compression, write::GzEncoder};
use run::{check, judge, sekisho};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

fn gz(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// BGZF: members of at most 64 KB, an empty one at the end.
fn bgzf(text: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = text.chunks(4000).flat_map(gz).collect();
    out.extend(gz(b""));
    out
}

fn number(call: u8) -> String {
    if call == 9 { "NA".into() } else { call.to_string() }
}

fn letters(call: u8) -> String {
    ["AA", "AG", "GG"].get(usize::from(call)).unwrap_or(&"NN").to_string()
}

/// One request of one cohort.
type Files = Vec<(&'static str, Vec<u8>)>;
/// A format's name, and how a cohort is written in it.
type Format = (&'static str, fn(&Cohort) -> Files);
/// A single text file of a cohort.
type Writer = (&'static str, fn(&Cohort) -> String);

/// Every format in which a handful of persons may be written, without and with misleading names.
fn formats() -> Vec<Format> {
    fn one(name: &'static str, text: String) -> Files {
        vec![(name, text.into_bytes())]
    }
    vec![
        ("vcf GT", |c| one("a.vcf", c.vcf())),
        ("vcf gz", |c| vec![("a.vcf.gz", gz(c.vcf().as_bytes()))]),
        ("vcf bgzf", |c| vec![("a.vcf.gz", bgzf(c.vcf().as_bytes()))]),
        ("vcf gz in gz", |c| vec![("a.txt", gz(&gz(c.vcf().as_bytes())))]),
        ("vcf utf-16", |c| vec![("a.vcf", c.vcf().encode_utf16().flat_map(u16::to_le_bytes).collect())]),
        ("vcf without header", |c| {
            one("a.txt", c.vcf().lines().filter(|l| !l.starts_with('#')).map(|l| format!("{l}\n")).collect())
        }),
        ("vcf carriage returns", |c| one("a.vcf", c.vcf().replace('\n', "\r"))),
        ("vcf crlf", |c| one("a.vcf", c.vcf().replace('\n', "\r\n"))),
        ("vcf DS", |c| one("a.vcf", c.vcf_with("DS", &|g| format!("{}.04", g.min(1))))),
        ("vcf GP", |c| {
            one("a.vcf", c.vcf_with("GP", &|g| ["1,0,0", "0,0.9,0.1", "0,0,1"][usize::from(g)].into()))
        }),
        ("vcf PL behind missing GT", |c| {
            one(
                "a.vcf",
                c.vcf_with("GT:PL", &|g| ["./.:0,9,90", "./.:9,0,9", "./.:90,9,0"][usize::from(g)].into()),
            )
        }),
        ("vcf GL", |c| {
            one("a.vcf", c.vcf_with("GL", &|g| ["0,-3,-9", "-3,0,-3", "-9,-3,0"][usize::from(g)].into()))
        }),
        ("vcf HDS", |c| one("a.vcf", c.vcf_with("HDS", &|g| ["0,0", "0,1", "1,1"][usize::from(g)].into()))),
        ("vcf unknown field", |c| one("a.vcf", c.vcf_with("GT:ZZ", &|g| format!("./.:{g}")))),
        ("vcf genotypes called effects", |c| one("a.vcf", c.vcf_with("ES:SE:LP", &|g| format!("{g}:1:1")))),
        ("ped", |c| one("a.ped", c.ped(false).0)),
        ("ped 1 2", |c| one("a.ped", c.ped(true).0)),
        ("ped and map", |c| {
            let (ped, map) = c.ped(false);
            vec![("a.ped", ped.into_bytes()), ("a.map", map.into_bytes())]
        }),
        ("tped", |c| one("a.tped", c.tped())),
        ("tped tabs", |c| one("a.txt", c.tped().replace(' ', "\t"))),
        ("raw", |c| one("a.raw", c.raw())),
        ("raw without header", |c| one("a.txt", c.raw().lines().skip(1).map(|l| format!("{l}\n")).collect())),
        ("traw", |c| one("a.traw", c.traw())),
        ("traw gz", |c| vec![("a.gz", gz(c.traw().as_bytes()))]),
        ("bed trio", |c| {
            let (bed, bim, fam) = c.bed();
            vec![("a.bed", bed), ("a.bim", bim.into_bytes()), ("a.fam", fam.into_bytes())]
        }),
        ("gen", |c| one("a.gen", c.gen_file())),
        ("haps", |c| one("a.haps", c.haps())),
        ("hapmap", |c| one("a.hmp.txt", c.hapmap())),
        ("personal", |c| one("a.txt", c.personal())),
        ("personal csv", |c| one("a.csv", c.personal().replace('\t', ","))),
        ("eigenstrat", |c| one("a.geno", c.eigenstrat())),
        ("csv persons", |c| one("a.csv", c.matrix(true, ",", Names::Real, &number))),
        ("csv sites", |c| one("a.csv", c.matrix(false, ",", Names::Real, &number))),
        ("tsv persons, neutral names", |c| one("a.tsv", c.matrix(true, "\t", Names::Neutral, &number))),
        ("tsv sites, neutral names", |c| one("a.tsv", c.matrix(false, "\t", Names::Neutral, &number))),
        ("semicolons persons, no names", |c| one("a.txt", c.matrix(true, ";", Names::None, &number))),
        ("blanks sites, no names", |c| one("a.txt", c.matrix(false, " ", Names::None, &number))),
        ("letters persons", |c| one("a.csv", c.matrix(true, ",", Names::Real, &letters))),
        ("letters sites", |c| one("a.csv", c.matrix(false, ",", Names::Real, &letters))),
        ("letters persons, neutral names", |c| one("a.csv", c.matrix(true, ",", Names::Neutral, &letters))),
        ("slashes sites, no names", |c| {
            one("a.csv", c.matrix(false, ",", Names::None, &|g| ["A/A", "A/G", "G/G"][usize::from(g)].into()))
        }),
        ("indices persons", |c| {
            one("a.csv", c.matrix(true, ",", Names::Real, &|g| ["0/0", "0/1", "1/1"][usize::from(g)].into()))
        }),
        ("iupac sites", |c| {
            one("a.tsv", c.matrix(false, "\t", Names::Real, &|g| ["A", "R", "G"][usize::from(g)].into()))
        }),
        ("dosages persons", |c| {
            one(
                "a.csv",
                c.matrix(true, ",", Names::Real, &|g| ["0.013", "1.02", "1.99"][usize::from(g)].into()),
            )
        }),
        ("dosages sites, neutral names", |c| {
            one(
                "a.csv",
                c.matrix(false, ",", Names::Neutral, &|g| ["0.01", "0.99", "2.0"][usize::from(g)].into()),
            )
        }),
        ("quoted csv", |c| one("a.csv", c.matrix(true, ",", Names::Real, &|g| format!("\"{g}\"")))),
        ("halved dosages", |c| {
            one("a.csv", c.matrix(false, ",", Names::Real, &|g| ["0", "0.5", "1"][usize::from(g)].into()))
        }),
    ]
}

#[test]
fn forty_sites_are_reviewed_and_forty_one_blocked_in_every_format() {
    let mut wrong = Vec::new();
    for (name, write) in formats() {
        for (sites, expected) in [(39, "review"), (40, "review"), (41, "block")] {
            let cohort = Cohort::new(6, sites, 10, Linkage::None);
            let files = write(&cohort);
            let borrowed: Vec<(&str, &[u8])> = files.iter().map(|(n, b)| (*n, b.as_slice())).collect();
            let report = judge(&borrowed);
            let got = report.genotypes().to_owned();
            println!("{name:40} {sites} sites  {got}");
            if got != expected || report.code != 1 {
                wrong.push(format!("{name}, {sites} sites: {got}, expected {expected}\n{:#}", report.json));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Formats that carry positions, alone or in a companion.
fn positioned() -> Vec<Format> {
    let with =
        ["vcf GT", "vcf bgzf", "vcf DS", "ped and map", "tped", "traw", "bed trio", "gen", "haps", "hapmap"];
    formats().into_iter().filter(|(n, _)| with.contains(n)).collect()
}

fn verdict_of(write: fn(&Cohort) -> Files, cohort: &Cohort) -> (String, serde_json::Value) {
    let files = write(cohort);
    let borrowed: Vec<(&str, &[u8])> = files.iter().map(|(n, b)| (*n, b.as_slice())).collect();
    let report = judge(&borrowed);
    (report.genotypes().to_owned(), report.json)
}

#[test]
fn linkage_is_believed_from_a_hundred_persons_on() {
    for (name, write) in positioned() {
        for (persons, linkage, expected) in [
            (99, Linkage::Full, "block"),
            (100, Linkage::Full, "review"),
            (100, Linkage::None, "block"),
            (300, Linkage::None, "block"),
        ] {
            let (got, json) = verdict_of(write, &Cohort::new(persons, 60, 100, linkage));
            assert_eq!(got, expected, "{name}, {persons} persons: {json:#}");
        }
    }
}

#[test]
fn sites_250_kb_apart_count_as_independent_and_one_base_less_does_not() {
    for (name, write) in positioned() {
        for (sites, step, expected) in [
            (41, 250_000, "block"),
            (40, 250_000, "review"),
            (41, 249_999, "review"),
            (80, 249_999, "review"),
        ] {
            // Within a megabase every site says the same; pairs further apart are left to thinning.
            let cohort = Cohort::new(150, sites, step, Linkage::Full);
            let (got, json) = verdict_of(write, &cohort);
            assert_eq!(got, expected, "{name}, {sites} sites {step} apart: {json:#}");
        }
    }
}

#[test]
fn without_positions_linkage_excuses_nothing() {
    for (name, write) in
        formats().into_iter().filter(|(n, _)| ["raw", "ped", "csv persons", "csv sites"].contains(n))
    {
        let (got, json) = verdict_of(write, &Cohort::new(200, 60, 100, Linkage::Full));
        assert_eq!(got, "block", "{name}: {json:#}");
    }
    let (bed, ..) = Cohort::new(200, 30, 100, Linkage::Full).bed();
    assert_eq!(judge(&[("a.bed", &bed)]).verdict(), "block", "a lone bed");
}

#[test]
fn splitting_a_matrix_over_files_does_not_help() {
    let cohort = Cohort::new(8, 41, 10, Linkage::None);
    let (a, b) = (cohort.part(0..21), cohort.part(21..41));
    let writers: [Writer; 6] = [
        ("vcf", Cohort::vcf),
        ("tped", Cohort::tped),
        ("raw", Cohort::raw),
        ("ped", |c| c.ped(false).0),
        ("csv", |c| c.matrix(true, ",", Names::Real, &number)),
        ("neutral csv", |c| c.matrix(true, ",", Names::Neutral, &number)),
    ];
    for (name, write) in writers {
        let report = judge(&[("a", write(&a).as_bytes()), ("b", write(&b).as_bytes())]);
        assert_eq!((report.of(0), report.of(1)), ("block", "block"), "{name}: {:#}", report.json);
        let c = cohort.part(21..40);
        let report = judge(&[("a", write(&a).as_bytes()), ("b", write(&c).as_bytes())]);
        assert_eq!(report.genotypes(), "review", "{name}, 40 in all: {:#}", report.json);
    }
    // Different formats of the same request count together too.
    let report = judge(&[("a", a.vcf().as_bytes()), ("b", b.raw().as_bytes())]);
    assert_eq!(report.verdict(), "block");
}

#[test]
fn the_same_sites_in_two_files_count_once() {
    let cohort = Cohort::new(20, 30, 10, Linkage::None);
    let other = Cohort { persons: (0..20).map(|i| format!("NA{i:05}")).collect(), ..cohort.clone() };
    let report = judge(&[("a.vcf", cohort.vcf().as_bytes()), ("b.vcf", other.vcf().as_bytes())]);
    assert_eq!(report.genotypes(), "review", "{:#}", report.json);
}

#[test]
fn linked_sites_over_several_files_are_reviewed_and_unlinked_ones_blocked() {
    for (linkage, expected) in [(Linkage::Full, "review"), (Linkage::None, "block")] {
        let cohort = Cohort::new(150, 60, 100, linkage);
        let (a, b) = (cohort.part(0..30).vcf(), cohort.part(30..60).vcf());
        let report = judge(&[("a.vcf", a.as_bytes()), ("b.vcf", b.as_bytes())]);
        assert_eq!(report.genotypes(), expected, "{:#}", report.json);
    }
}

#[test]
fn only_called_sites_of_one_person_count() {
    let mut cohort = Cohort::new(4, 80, 10, Linkage::None);
    for (s, calls) in cohort.calls.iter_mut().enumerate() {
        for (p, call) in calls.iter_mut().enumerate() {
            if s % 4 == p || s % 4 == (p + 1) % 4 {
                continue;
            }
            *call = 9;
        }
    }
    for (name, text) in [("vcf", cohort.vcf()), ("tped", cohort.tped()), ("raw", cohort.raw())] {
        let report = judge(&[("a", text.as_bytes())]);
        assert_eq!(
            report.genotypes(),
            "review",
            "{name}: everybody is called at 40 of 80 sites: {:#}",
            report.json
        );
    }
}

#[test]
fn one_position_for_every_row_is_a_lie_that_does_not_help() {
    let mut cohort = Cohort::new(8, 200, 10, Linkage::None);
    for site in &mut cohort.sites {
        site.1 = 5_000_000;
    }
    assert_eq!(judge(&[("a.vcf", cohort.vcf().as_bytes())]).verdict(), "block");
}

#[test]
fn shuffled_rows_are_thinned_like_sorted_ones() {
    let mut cohort = Cohort::new(120, 64, 250_000, Linkage::Full);
    cohort.sites.reverse();
    cohort.sites.swap(3, 40);
    assert_eq!(judge(&[("a.vcf", cohort.vcf().as_bytes())]).verdict(), "block");
}

#[test]
fn genotypes_in_a_layout_nobody_knows_are_found_all_the_same() {
    let cohort = Cohort::new(30, 60, 10, Linkage::None);
    let prose = "these are the haplotypes of our cohort as the tool prints them\n\nsecond run, see notes\n";
    let plain: String =
        cohort.matrix(true, " ", Names::None, &|g| ["A G", "G G", "A A"][usize::from(g)].into());
    let marked =
        plain.lines().enumerate().fold(String::new(), |s, (i, l)| s + &format!("# id {i}\n{l} x\n{i}\n"));
    for (name, text) in
        [("beagle", cohort.beagle()), ("between prose", format!("{prose}{plain}{prose}")), ("marked", marked)]
    {
        assert_eq!(judge(&[("a", text.as_bytes())]).genotypes(), "block", "{name}");
        let few = judge(&[("a", cohort.part(0..20).beagle().as_bytes())]);
        assert_eq!(few.genotypes(), "review", "{:#}", few.json);
    }
}

#[test]
fn a_gwas_vcf_is_a_study_and_no_person() {
    let cohort = Cohort::new(1, 200, 1_000_000, Linkage::None);
    let text = cohort.vcf_with("ES:SE:LP", &|g| format!("0.0{}1:0.02:1.3", g + 1));
    let report = judge(&[("a.vcf", text.as_bytes())]);
    assert_eq!(report.genotypes(), "none", "{:#}", report.json);
    assert_ne!(report.verdict(), "pass", "{:#}", report.json);
}

#[test]
fn site_lists_and_frequencies_are_not_persons() {
    let cohort = Cohort::new(50, 300, 1000, Linkage::None);
    let (_, bim, _) = cohort.bed();
    assert_eq!(judge(&[("a.bim", bim.as_bytes())]).verdict(), "pass");
    let (_, map) = cohort.ped(false);
    assert_eq!(judge(&[("a.map", map.as_bytes())]).verdict(), "pass");
}

#[test]
fn a_malformed_vcf_is_a_finding() {
    let good = Cohort::new(5, 20, 10, Linkage::None).vcf();
    let cases = [
        ("rows with fewer samples", good.replace("\t0/0:31\n", "\n")),
        ("positions that are no numbers", good.replace("\t1000010\t", "\tten\t")),
        ("no #CHROM line", good.lines().filter(|l| !l.starts_with("#CHROM")).collect::<Vec<_>>().join("\n")),
        ("only a header", "##fileformat=VCFv4.2\n".into()),
        ("a header that lies about persons", good.replace(&"\tHG00096".to_owned(), "")),
        ("rows of tabs", format!("{good}\t\t\t\t\t\t\t\t\t\t\t\n\n\t\n")),
    ];
    for (name, text) in cases {
        let report = judge(&[("a.vcf", text.as_bytes())]);
        let rules = report.json["files"][0]["findings"].as_array().unwrap();
        assert!(rules.iter().any(|f| f["rule"] == "reading"), "{name}: {:#}", report.json);
        assert_ne!(report.verdict(), "pass", "{name}");
    }
}

#[test]
fn hostile_files_are_findings_and_never_a_crash() {
    let vcf = Cohort::new(50, 30, 10, Linkage::None).vcf();
    let mut cut = gz(vcf.as_bytes());
    cut.truncate(cut.len() - 20);
    let mut broken = gz(vcf.as_bytes());
    let middle = broken.len() / 2;
    broken[middle] ^= 0xff;
    let bomb = gz(&vec![b'a'; 300 << 20]);
    let wide = format!("id,{}\nx,{}\n", vec!["c"; 100_000].join(","), vec!["7"; 100_000].join(","));
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("a gz that ends early", cut, "block"),
        ("a gz with a flipped byte", broken, "block"),
        ("a gz bomb", bomb, "block"),
        ("an endless line", vec![b'x'; 60 << 20], "block"),
        ("a hundred thousand columns", wide.into_bytes(), "block"),
        ("zero bytes", vec![0; 5000], "block"),
        ("zero bytes behind text", [vcf.as_bytes(), &[0; 9]].concat(), "block"),
        ("nothing", Vec::new(), "not pass"),
        ("a gz with something behind it", [gz(vcf.as_bytes()), b"hello there".to_vec()].concat(), "block"),
        ("a bed magic and nothing else", vec![0x6c, 0x1b, 1], "block"),
        ("a program", b"\x7fELF\x02\x01\x01".repeat(50), "block"),
        ("a zip", b"PK\x03\x04\x14\0\0\0\0\0abc".to_vec(), "block"),
    ];
    for (name, bytes, expected) in cases {
        let report = judge(&[("a", &bytes)]);
        let verdict = report.verdict();
        assert!(
            verdict == expected || (expected == "not pass" && verdict != "pass"),
            "{name}: {:#}",
            report.json
        );
        let text = report.json.to_string();
        assert!(!text.contains("died"), "{name}: the inspector must live to tell: {text}");
        assert_eq!(report.json["files"][0]["bytes"], bytes.len(), "{name}");
    }
}

#[test]
fn usage_errors_exit_with_2_and_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none\n\u{1b}[31m");
    for arguments in [vec![missing.as_os_str()], vec![]] {
        let out = Command::new(sekisho()).arg("check").args(arguments).output().unwrap();
        assert_eq!(out.status.code(), Some(2));
        let text = String::from_utf8(out.stderr).unwrap();
        assert!(!text.contains("\u{1b}[31m"), "{text:?}");
    }
    let nested = dir.path().join("d/e");
    std::fs::create_dir_all(&nested).unwrap();
    let out = Command::new(sekisho()).arg("check").arg(dir.path().join("d")).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8(out.stderr).unwrap().contains("hint: "));
}

#[test]
fn the_report_has_the_keys_of_the_contract_and_a_terminal_gets_no_control_codes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x\u{1b}[2J\nname.vcf");
    std::fs::write(&path, Cohort::new(3, 5, 10, Linkage::None).vcf()).unwrap();
    let report = check(std::slice::from_ref(&path));
    let file = &report.json["files"][0];
    assert_eq!(file["path"], path.to_str().unwrap(), "the path as it was given");
    for key in ["path", "sha256", "bytes", "kind", "verdict", "coverage", "findings"] {
        assert!(!file[key].is_null(), "{key}");
    }
    for key in ["rule", "clause", "verdict", "place", "value", "limit", "message", "hint"] {
        assert!(file["findings"][0][key].is_string(), "{key}");
    }
    let sum = Command::new("sha256sum").arg("--zero").arg(&path).output().unwrap();
    assert!(String::from_utf8(sum.stdout).unwrap().starts_with(file["sha256"].as_str().unwrap()));
    for locale in ["C", "ja_JP.UTF-8"] {
        let out = Command::new(sekisho()).arg("check").arg(&path).env("LC_ALL", locale).output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert_eq!(text.contains("審査担当者"), locale != "C", "{text}");
    }
}

/// The shared data: `SEKISHO_SHARED`, else beside the workspace.
fn shared() -> Option<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let root = std::env::var_os("SEKISHO_SHARED").map_or_else(|| top.join("../shared"), PathBuf::from);
    root.join("data/MANIFEST.tsv").exists().then(|| root.join("data"))
}

#[test]
fn every_file_of_the_manifest_gets_its_verdict() {
    let Some(data) = shared() else {
        println!("the shared data is not here: judged on made-up files only");
        return;
    };
    // Formats this version reads; of the others only `pass` would be wrong.
    let later = ["plots/", "pca/", "persample/", "model/", "reads/", "rdata/", "bgen/", "microdata/"];
    let manifest = std::fs::read_to_string(data.join("MANIFEST.tsv")).unwrap();
    let (mut right, mut wrong, mut all) = (0, Vec::new(), 0);
    for line in manifest.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let (file, expected) = (fields[0], fields[2]);
        let report = check(&[data.join(file)]);
        let got = report.verdict();
        let exact = got == expected;
        let tolerated = later.iter().any(|l| file.starts_with(l)) && (got != "pass" || expected == "pass");
        all += 1;
        right += usize::from(exact);
        let mark = if exact {
            "ok"
        } else if tolerated {
            "stricter"
        } else {
            "WRONG"
        };
        println!("{mark:9} {expected:7} {got:7} {file:45} {}", report.json["files"][0]["kind"]);
        if !exact && !tolerated {
            wrong.push(file.to_owned());
        }
    }
    println!("{right} of {all} files get exactly the verdict of the manifest");
    assert!(wrong.is_empty(), "{wrong:?}");
}
