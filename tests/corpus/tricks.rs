//! Ways to carry a person's data out in what looks like results: each must be seen, none may pass.

use crate::run::{check, judge, sekisho};
use std::fmt::Write;

fn verdict(text: &str) -> String {
    judge(&[("a.txt", text.as_bytes())]).verdict().to_owned()
}

/// One person's genotype at a site: the secret of every trick here.
fn secret(i: usize) -> usize {
    (i * 7 + i * i * 5) % 11 % 3
}

/// A number between zero and one that looks random.
fn noise(i: usize) -> f64 {
    ((i as f64 * 12.9898 + 4.1).sin() * 43_758.545_3).fract().abs()
}

/// A VCF of 200 common sites of 2,000 chromosomes, whose QUAL, FILTER and further INFO are given.
fn vcf(
    quality: impl Fn(usize) -> String,
    filter: impl Fn(usize) -> String,
    info: impl Fn(usize) -> String,
) -> String {
    let mut text = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n".to_owned();
    for i in 0..200 {
        let (pos, ac) = (10_000 + i * 1000, 300 + (i * 37) % 500);
        writeln!(text, "1\t{pos}\trs{i}\tA\tG\t{}\t{}\tAC={ac};AN=2000{}", quality(i), filter(i), info(i))
            .unwrap();
    }
    text
}

/// An association table of 200 sites with these values.
fn results(
    beta: impl Fn(usize) -> String,
    p: impl Fn(usize) -> String,
    info: impl Fn(usize) -> String,
) -> String {
    let mut text = "CHR\tBP\tSNP\tA1\tA2\tA1FREQ\tINFO\tN\tBETA\tSE\tP\n".to_owned();
    for i in 0..200 {
        let freq = 0.1 + noise(i + 900) * 0.4;
        writeln!(
            text,
            "1\t{}\trs{i}\tA\tG\t{freq:.5}\t{}\t5000\t{}\t{:.5}\t{}",
            10_000 + i * 1000,
            info(i),
            beta(i),
            0.02 + noise(i + 500) * 0.01,
            p(i)
        )
        .unwrap();
    }
    text
}

fn honest_beta(i: usize) -> String {
    format!("{:.5}", (noise(i) - 0.5) * 0.2)
}

fn honest_p(i: usize) -> String {
    format!("{:.5}", noise(i + 300))
}

fn honest_info(i: usize) -> String {
    format!("{:.4}", 0.8 + noise(i + 700) * 0.2)
}

#[test]
fn the_honest_files_that_the_tricks_copy_pass() {
    let quality = |i| format!("{:.2}", 30.0 + noise(i) * 5000.0);
    assert_eq!(
        verdict(&vcf(quality, |_| "PASS".into(), |i| format!(";DP={}", 20_000 + i * 7919 % 9000))),
        "pass"
    );
    assert_eq!(verdict(&vcf(|_| ".".into(), |_| "PASS".into(), |_| ";DB".into())), "pass");
    assert_eq!(verdict(&results(honest_beta, honest_p, honest_info)), "pass");
    assert_eq!(verdict(&results(honest_beta, honest_p, |_| "1".into())), "pass");
}

#[test]
fn columns_of_a_sites_vcf_do_not_carry_one_persons_genotypes() {
    let plain = |_: usize| ".".to_owned();
    let pass = |_: usize| "PASS".to_owned();
    let none = |_: usize| String::new();
    for (name, text) in [
        ("QUAL 10, 20, 30", vcf(|i| format!("{}", 10 * secret(i) + 10), pass, none)),
        (
            "QUAL with noise",
            vcf(|i| format!("{:.2}", 1000.0 * secret(i) as f64 + noise(i) * 300.0), pass, none),
        ),
        (
            "last digit of QUAL",
            vcf(|i| format!("{:.1}{}", 30.0 + noise(i) * 900.0, [1, 4, 7][secret(i)]), pass, none),
        ),
        ("FILTER", vcf(plain, |i| ["PASS", "q10", "s50"][secret(i)].into(), none)),
        ("DP", vcf(plain, pass, |i| format!(";DP={}", 20_000 + secret(i)))),
        ("DP with noise", vcf(plain, pass, |i| format!(";DP={}", 20_000 + 5000 * secret(i) + i * 31 % 700))),
        ("a flag", vcf(plain, pass, |i| if secret(i) == 1 { ";H2".into() } else { String::new() })),
        ("DB", vcf(plain, pass, |i| if secret(i) == 1 { ";DB".into() } else { String::new() })),
        (
            "digits",
            vcf(plain, pass, |i| format!(";VQSLOD=1.234567{}{}", secret(i), noise(i).to_string().len())),
        ),
        ("words", vcf(plain, pass, |i| format!(";culprit={}", ["MQ", "FS", "QD"][secret(i)]))),
    ] {
        assert_ne!(verdict(&text), "pass", "{name}: {}", &text[..400]);
    }
}

#[test]
fn columns_of_association_results_do_not_carry_one_persons_genotypes() {
    let half = |i: usize| ["0", "0.5", "1"][secret(i)].to_owned();
    let noisy = |i: usize| format!("{:.5}", secret(i) as f64 + (noise(i) - 0.5) * 0.3);
    let small = |i: usize| format!("{:.5}", (secret(i) as f64 - 1.0) * 0.1 + (noise(i) - 0.5) * 0.03);
    for (name, text) in [
        ("P of three values", results(honest_beta, half, honest_info)),
        ("noisy dosages as BETA", results(noisy, honest_p, honest_info)),
        ("scaled dosages as BETA", results(small, honest_p, honest_info)),
        (
            "INFO of three values",
            results(honest_beta, honest_p, |i| format!("{:.2}", 0.9 + secret(i) as f64 * 0.03)),
        ),
        ("noisy dosages as frequencies", {
            let honest = results(honest_beta, honest_p, honest_info);
            let line = |(i, l): (usize, &str)| {
                let mut cells: Vec<String> = l.split('\t').map(str::to_owned).collect();
                if i > 0 {
                    cells[5] = format!("{:.5}", 0.1 + secret(i) as f64 * 0.35 + noise(i) * 0.05);
                }
                cells.join("\t") + "\n"
            };
            honest.lines().enumerate().map(line).collect()
        }),
        ("last digits", results(|i| honest_beta(i) + ["2", "5", "9"][secret(i)], honest_p, honest_info)),
    ] {
        assert_ne!(verdict(&text), "pass", "{name}: {}", &text[..400]);
    }
    for (name, values) in [("ten apart", [10, 20, 30]), ("a thousand apart", [1000, 2000, 3000])] {
        let honest = results(honest_beta, honest_p, honest_info);
        let text: String = honest
            .lines()
            .enumerate()
            .map(
                |(i, l)| if i == 0 { format!("{l}\tXYZ\n") } else { format!("{l}\t{}\n", values[secret(i)]) },
            )
            .collect();
        assert_ne!(verdict(&text), "pass", "an unexplained column, {name}");
    }
}

#[test]
fn the_offered_copy_leaves_such_columns_out_and_passes() {
    let text =
        vcf(|i| format!("{}", 10 * secret(i) + 10), |_| "PASS".into(), |i| format!(";MQ0={}", secret(i)));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.vcf");
    std::fs::write(&path, text).unwrap();
    let out = std::process::Command::new(sekisho())
        .args(["check", "--json", "--fix"])
        .args([dir.path().join("fixed"), path])
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(json["verdict"], "review", "{json:#}");
    assert_eq!(json["fixed"][0]["verdict"], "pass", "{json:#}");
    assert!(json["fixed"][0]["holds"].as_str().unwrap().contains("QUAL"), "{json:#}");
}

#[test]
fn a_list_of_sites_carries_no_code_in_its_genetic_positions() {
    let bim = |morgan: &dyn Fn(usize) -> String| -> String {
        (0..200).map(|i| format!("1\trs{i}\t{}\t{}\tA\tG\n", morgan(i), 1000 + i * 500)).collect()
    };
    assert_eq!(verdict(&bim(&|_| "0".into())), "pass");
    assert_eq!(verdict(&bim(&|i| format!("{:.6}", i as f64 * 0.0123 + noise(i) * 0.01))), "pass");
    assert_ne!(verdict(&bim(&|i| secret(i).to_string())), "pass");
}

#[test]
fn a_declared_number_is_not_believed_where_the_values_would_fit_few_people() {
    let mut text = "CHR SNP A1 A2 MAF\n".to_owned();
    for k in 1..=100 {
        writeln!(text, "1 rs{k} A G {:.3}", f64::from(k) / 200.0).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let (path, request) = (dir.path().join("a.txt"), dir.path().join("request.toml"));
    std::fs::write(&path, text).unwrap();
    std::fs::write(&request, "subjects = 1000000\n").unwrap();
    let report = check(&["--request".into(), request, path]);
    assert_eq!(report.verdict(), "review", "{:#}", report.json);
}

#[test]
fn the_name_of_a_file_carries_nothing() {
    let table = b"group,n\na,120\nb,130\n";
    let digits: String = (0..60).map(|i| char::from(b'0' + secret(i) as u8)).collect();
    let letters: String = (0..60).map(|i| ['A', 'C', 'G'][secret(i)]).collect();
    for name in
        ["table.csv".to_owned(), "results_model2_2026-01-31_final.csv".into(), "表1_患者背景.csv".into()]
    {
        assert_eq!(judge(&[(&name, table)]).verdict(), "pass", "{name}");
    }
    for name in [
        format!("table_{digits}.csv"),
        format!("{letters}.csv"),
        format!("{}.csv", "QmFzZTY0LXRleHQtb2YtYS1wZXJzb24".repeat(2)),
        "taro@example.jp.csv".into(),
        "患者ID=12345.csv".into(),
    ] {
        assert_ne!(judge(&[(&name, table)]).verdict(), "pass", "{name}");
    }
}

#[test]
fn two_tables_about_the_same_people_but_a_few_are_blocked() {
    let counts = |less: u64| {
        format!("group,n,male,female\ncontrol,{},{},655\ncase,1300,650,650\n", 1255 - less, 600 - less)
    };
    let frq = |people: u64| {
        let mut text = " CHR SNP A1 A2 MAF NCHROBS\n".to_owned();
        for i in 0..200 {
            let chromosomes = 2 * people;
            let copies = 300 + (i * 37) % 400;
            writeln!(text, " 1 rs{i} A G {:.4} {chromosomes}", copies as f64 / chromosomes as f64).unwrap();
        }
        text
    };
    let pair = |a: String, b: String| {
        judge(&[("a.txt", a.as_bytes()), ("b.txt", b.as_bytes())]).verdict().to_owned()
    };
    for (less, verdict) in [(0, "pass"), (1, "block"), (9, "block"), (10, "pass")] {
        assert_eq!(pair(counts(0), counts(less)), verdict, "{less}");
        assert_eq!(pair(frq(1000), frq(1000 - less)), verdict, "{less}");
    }
    assert_eq!(pair(frq(1000), frq(1000 - 300)), "pass", "other people");
}

#[test]
fn rows_of_persons_under_names_that_say_nothing_never_pass() {
    let row = |i: usize, from: usize| {
        format!(
            "{:.1},{:.2},{:.1}\n",
            90.0 + noise(i + from) * 60.0,
            15.0 + noise(i + from + 900) * 20.0,
            20.0 + noise(i) * 60.0
        )
    };
    for rows in [12, 40, 500] {
        let body =
            |label: &dyn Fn(usize) -> String| (0..rows).map(|i| label(i) + &row(i, 7)).collect::<String>();
        for (header, label) in [
            ("x1,x2,x3", &(|_: usize| String::new()) as &dyn Fn(usize) -> String),
            ("mean,sd,score", &|_: usize| String::new()),
            ("key,x1,x2,x3", &|i: usize| format!("k{}q,", i * 7)),
            ("", &|_: usize| String::new()),
        ] {
            let text = if header.is_empty() { body(label) } else { format!("{header}\n{}", body(label)) };
            assert_ne!(verdict(&text), "pass", "{rows} rows of {header}");
        }
    }
    let genes: String = (0..40)
        .map(|i| {
            format!("GENE{i}X,{:.4},{:.4},{:.4}\n", noise(i) - 0.5, 0.01 + noise(i + 90) * 0.1, noise(i + 50))
        })
        .collect();
    assert_eq!(verdict(&format!("gene,beta,se,p\n{genes}")), "pass", "results by gene");
    let years: String = (0..20)
        .map(|i| format!("{},{:.2},{:.2}\n", 2000 + i, 50.0 + noise(i), 10.0 + noise(i + 9)))
        .collect();
    assert_eq!(verdict(&format!("year,mean,sd\n{years}")), "pass", "means by year");
}

#[test]
fn labels_that_are_no_words_are_seen() {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let code = |i: usize, set: &[u8]| -> String {
        (0..24).map(|k| char::from(set[(noise(i * 31 + k) * set.len() as f64) as usize])).collect()
    };
    for set in [LETTERS, b"0123456789abcdef"] {
        let text: String = (0..12).map(|i| format!("{},{}\n", code(i, set), 120 + i * 13)).collect();
        assert_ne!(verdict(&format!("group,n\n{text}")), "pass");
        let honest = results(honest_beta, honest_p, honest_info);
        let line =
            |(i, l): (usize, &str)| format!("{l}\t{}\n", if i == 0 { "XYZ".into() } else { code(i, set) });
        assert_ne!(verdict(&honest.lines().enumerate().map(line).collect::<String>()), "pass");
    }
    let names: String =
        (0..12).map(|i| format!("ENSG0000012{i:04},HbA1c at visit {i}, {}\n", 120 + i * 13)).collect();
    assert_eq!(verdict(&format!("gene,what,n\n{names}")), "pass");
}
