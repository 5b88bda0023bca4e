//! Claims about looking ahead: whoever looks, and whatever was known when they set out, the facts are the same.

use super::table::SiteTable;
use super::vcf::SitesVcf;
use crate::crew::Crew;
use crate::lines::Block;
use crate::readers::testing::facts_with;
use crate::readers::{Context, Sample, TextReader};
use crate::shape::Shape;
use proptest::prelude::*;
use sekisho_policy::{Policy, RequestInfo};

/// Opens a reader of a text that begins so, and lets it learn from that.
fn open(head: &str, subjects: Option<u64>) -> Box<dyn TextReader> {
    let request = RequestInfo { subjects, ..RequestInfo::default() };
    let (policy, crew) = (Policy::default(), Crew::default());
    let context = Context { policy: &policy, request: &request, name: "file", beside: None, crew: &crew };
    let shape = Shape::of(head.as_bytes(), false);
    let sample = Sample { head: head.as_bytes(), whole: false, shape };
    let block = Block { text: head.as_bytes(), first: 1, outline: None };
    if let Some(mut vcf) = SitesVcf::open(&sample, &context, false) {
        vcf.block(&block);
        vcf.learn_now();
        return Box::new(vcf);
    }
    let mut table = SiteTable::open(&sample, &context, false).unwrap();
    table.block(&block);
    table.learn_now();
    Box::new(table)
}

/// Reads blocks, with scouts that set out so many blocks before (`None`: without), and says everything found.
fn read(head: &str, blocks: &[String], subjects: Option<u64>, ahead: Option<usize>) -> String {
    let mut reader = open(head, subjects);
    let mut first = head.lines().count() as u64 + 1;
    let firsts: Vec<u64> = blocks
        .iter()
        .map(|b| {
            let this = first;
            first += b.lines().count() as u64;
            this
        })
        .collect();
    let mut reports = std::collections::VecDeque::new();
    let mut sent = 0;
    for (at, text) in blocks.iter().enumerate() {
        let block = Block { text: text.as_bytes(), first: firsts[at], outline: None };
        let Some(ahead) = ahead else {
            reader.block(&block);
            continue;
        };
        while sent < blocks.len() && sent <= at + ahead {
            let scout = reader.scout();
            reports.push_back(scout.map(|s| s.look(blocks[sent].as_bytes())));
            sent += 1;
        }
        match reports.pop_front().flatten() {
            Some(report) => reader.scouted(&block, &report),
            None => reader.block(&block),
        };
    }
    format!("{:#?}", reader.finish())
}

const TABLE: &str = "chromosome\tbase_pair_location\teffect_allele\tbeta\teffect_allele_frequency\tp_value\tvariant_id\tn\tnote\n";

/// A row of a table; numbers choose what is odd about it.
fn row(at: usize, seed: usize, odd: usize, value: &str) -> String {
    let mut fields = [
        (1 + seed % 22).to_string(),
        (10_000 + at * 13).to_string(),
        "A".into(),
        format!("{:.4}", (seed % 777) as f64 / 1000.0 - 0.3),
        format!("{:.5}", 0.01 + (seed % 900) as f64 / 1000.0),
        format!("{:.4}", (seed % 1001) as f64 / 1001.0),
        format!("rs{at}"),
        (5000 + seed % 3).to_string(),
        (seed % 30).to_string(),
    ];
    match odd {
        0..9 => fields[odd] = value.into(),
        9 => return String::new(),
        10 => return fields[..7].join("\t"),
        11 => return fields.join("\t") + "\r",
        _ => {}
    }
    fields.join("\t")
}

/// A record of a VCF; numbers choose what is odd about it.
fn record(at: usize, seed: usize, odd: usize, value: &str) -> String {
    let (an, ac) = (4000 - 2 * (seed % 5), 100 + seed % 1500);
    let af = format!("{:.5}", ac as f64 / an as f64);
    let hom = (ac / 8).to_string();
    let mut fields = [
        format!("{}\t{}\trs{at}\tA\tG", 1 + seed % 22, 10_000 + at * 13),
        ["100", ".", "31.5"][seed % 3].into(),
        "PASS".into(),
        format!("AC={ac}"),
        format!("AN={an}"),
        format!("AF={af}"),
        format!("nhomalt={hom}"),
    ];
    let mut more = String::new();
    match odd {
        0..4 => fields[3 + odd] = format!("{}={value}", ["AC", "AN", "AF", "nhomalt"][odd]),
        4..6 => fields[odd - 3] = value.into(),
        6 => more = format!(";{value}"),
        7 => more = ";DB".into(),
        8 => more = format!(";X{}={value}", seed % 4),
        9 => return String::new(),
        10 => return "#comment".into(),
        11 => return fields.join("\t"),
        12 => fields[0] = format!("X\t{}\t{value}\tA\tG", 100 + at),
        13 => more = "\r".into(),
        14 => more = "\tGT".into(),
        15 => fields.swap(3, 4),
        _ => {}
    }
    fields[..3].join("\t") + "\t" + &fields[3..].join(";") + &more
}

fn values() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "",
            ".",
            "NA",
            "-9",
            "0",
            "1",
            "3",
            "12",
            "0.00001",
            "0.0001",
            "1e-05",
            "0.5",
            "0.99999",
            "1.2",
            "-0.25",
            "0.1234567",
            "123.45678901",
            "12345678",
            "123456789",
            "1,2",
            "0.1,0.2",
            "x",
            "X",
            "MT",
            "99999999999999999999",
            "0.",
            ".5",
            "-",
            "1.2.3",
            "5.0",
            "0.250000000",
            "\"0.2\"",
            "ACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGT",
        ])
        .prop_map(str::to_owned),
        "[0-9.e-]{0,12}",
    ]
}

type Make = fn(usize, usize, usize, &str) -> String;

fn lines(make: Make, from: usize, rows: &[(usize, usize, String)]) -> String {
    let made =
        rows.iter().enumerate().map(|(at, (seed, odd, value))| make(from + at, *seed, *odd, value) + "\n");
    made.collect()
}

fn usual(make: Make, from: usize, rows: usize) -> String {
    (from..from + rows).map(|at| make(at, at * 7919 + at / 3, usize::MAX, "") + "\n").collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn facts_do_not_depend_on_who_looks_ahead(
        table: bool,
        separator in prop::sample::select(vec!["\t", ",", " "]),
        subjects in prop::sample::select(vec![None, Some(5000_u64)]),
        numbered: bool,
        blocks in prop::collection::vec(
            prop::collection::vec((0_usize..100_000, 0_usize..40, values()), 1..40), 1..6),
        ahead in 0_usize..4,
        open_end: bool,
    ) {
        let make: Make = if table { row } else { record };
        let head = if table {
            let header = if numbered { TABLE.to_owned() } else { TABLE.replace("\tn\t", "\tz\t") };
            header + &usual(make, 0, 60)
        } else {
            "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n".to_owned() + &usual(make, 0, 60)
        };
        let mut texts: Vec<String> =
            blocks.iter().enumerate().map(|(n, rows)| lines(make, 100 + n * 50, rows)).collect();
        if open_end && let Some(last) = texts.last_mut() && last.len() > 1 {
            last.pop();
        }
        let turned = |text: &str| if table { text.replace('\t', separator) } else { text.to_owned() };
        let head = turned(&head);
        let texts: Vec<String> = texts.iter().map(|t| turned(t)).filter(|t| !t.is_empty()).collect();
        let plain = read(&head, &texts, subjects, None);
        prop_assert_eq!(read(&head, &texts, subjects, Some(ahead)), plain);
    }
}

/// Around every limit, one step at a time: copies, the other copies, homozygotes, people, fractions of several roundings.
#[test]
fn facts_do_not_depend_on_who_looks_ahead_around_the_limits() {
    let set = |line: String, column: usize, value: String| {
        let mut fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
        fields[column] = value;
        fields.join("\t") + "\n"
    };
    for chrom in ["7", "X"] {
        let mut tables = String::new();
        let mut vcfs = String::new();
        for step in 0..64_u64 {
            for digits in [4, 5, 6, 9] {
                for rest in [false, true] {
                    let value = step as f64 / 9_973.0;
                    let value = format!("{:.digits$}", if rest { 1.0 - value } else { value });
                    tables += &set(set(row(1, 5, 99, ""), 0, chrom.into()), 4, value).replace("\n\n", "\n");
                }
            }
            tables +=
                &set(set(row(1, 5, 99, ""), 0, chrom.into()), 7, step.to_string()).replace("\n\n", "\n");
            for (ac, an, hom) in [
                (step, 4000, 50),
                (4000 - step, 4000, 50),
                (2000, 4000, step),
                (step, step * 2, 50),
                (step * 40, 4001, 12),
            ] {
                let af = ac as f64 / an.max(1) as f64;
                vcfs += &format!(
                    "{chrom}\t500\trs5\tA\tG\t100\tPASS\tAC={ac};AN={an};AF={af:.5};nhomalt={hom}\n"
                );
                vcfs += &format!(
                    "{chrom}\t500\trs5\tA\tG\t100\tPASS\tAC={ac};AN={an};AF=0.0{step};nhomalt={hom}\n"
                );
            }
        }
        let vcf = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n";
        for (head, text) in
            [(TABLE.to_owned() + &usual(row, 0, 60), tables), (vcf.to_owned() + &usual(record, 0, 60), vcfs)]
        {
            let plain = read(&head, std::slice::from_ref(&text), None, None);
            assert!(plain.contains("MaybeFewCarriers") && plain.contains("FewSubjects"), "{plain}");
            assert_eq!(read(&head, &[text], None, Some(0)), plain, "{chrom}");
        }
    }
}

/// A whole file, long enough that scouts are sent, with a few rows that must be found.
#[test]
fn facts_do_not_depend_on_the_number_of_threads() {
    let mut table = TABLE.to_owned() + &usual(row, 0, 24_000);
    table += &(row(1, 5, 4, "0.0004") + "\n");
    table += &usual(row, 24_000, 3_000);
    table += &(row(1, 5, 3, "0.123456789") + "\n");
    let mut vcf = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n".to_owned();
    vcf += &usual(record, 0, 20_000);
    vcf += &(record(1, 5, 0, "3") + "\n" + &record(2, 9, 8, "0.5") + "\n");
    vcf += &usual(record, 20_000, 5_000);
    for text in [table, vcf] {
        let facts = |hands| {
            let crew = Crew::start(hands, || Ok::<(), ()>(())).unwrap();
            let (facts, _) =
                facts_with(text.as_bytes(), &Policy::default(), &RequestInfo::default(), false, &crew);
            format!("{facts:#?}")
        };
        let alone = facts(0);
        assert!(alone.contains("FewCarriers"), "{alone}");
        for hands in [1, 3] {
            assert_eq!(facts(hands), alone);
        }
    }
}
