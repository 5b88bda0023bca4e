//! Results as people and tools write them, and the same made to look like something else: each with its verdict.

use crate::run::{check, judge, sekisho};
use std::fmt::Write;

/// Judges one text under a name that says nothing.
fn verdict(text: &str) -> String {
    judge(&[("a.txt", text.as_bytes())]).verdict().to_owned()
}

fn sites(info: &str) -> String {
    format!(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t1000\trs1\tA\tG\t.\tPASS\t{info}\n"
    )
}

#[test]
fn small_counts_are_found_however_they_are_written() {
    for text in [
        "group,n,male,female\ncontrol,120,55,65\ncase,15,9,6\n",
        "群,人数,男性,女性\n対照,１２０,１１７,３\n症例,１３０,６０,７０\n",
        "Characteristic,Cases (N=100),Controls (N=200)\nSmoker,3.0%,25.0%\nMale,50.0%,50.0%\n",
        "group,a,b\nn,120,4\nmean age,54.1,60.2\n",
        "group,n\na,120\nb,1\u{200b}\n",
        "group,n\na,1.2e2\nb,3e0\n",
        "group,n\na,\"1,203\"\nb,\"5\"\n",
    ] {
        assert_eq!(verdict(text), "block", "{text}");
    }
}

#[test]
fn suppressed_cells_that_follow_from_the_others_are_blocked() {
    for text in [
        "group,male,female,total\na,50,<10,57\nb,60,70,130\n",
        "group,male,female,total\na,50,*,57\nb,60,70,130\ntotal,110,*,187\n",
        "group,n\na,120\nb,191\ntotal,316\n",
    ] {
        assert_eq!(verdict(text), "block", "{text}");
    }
    assert_eq!(verdict("group,male,female,total\na,50,<10,*\nb,60,70,130\n"), "pass");
}

#[test]
fn zeros_minima_and_near_totals_are_for_the_officer() {
    for text in [
        "group,n,male,female\ncontrol,120,55,65\ncase,60,60,0\n",
        ",age,bmi\ncount,500.0,498.0\nmean,54.1,22.5\nmin,20.0,15.0\nmax,90.0,45.0\n",
        "Characteristic,Cases (N=100)\nMale,97.0%\nOver sixty,50.0%\n",
        "gene,score\nBRCA1,7\nTP53,3\n",
    ] {
        assert_eq!(verdict(text), "review", "{text}");
    }
}

#[test]
fn ordinary_results_pass() {
    for text in [
        "group,n,male,female\ncontrol,120,55,65\ncase,130,60,70\n",
        "群;人数;男性;女性\n対照;120;55;65\n症例;130;60;70\n",
        "\"\",\"Overall\",\"Case\",\"Control\",\"p\"\n\"n\",\"1000\",\"500\",\"500\",\"\"\n\
         \"age (mean (SD))\",\"54.2 (10.1)\",\"55.0 (9.8)\",\"53.1 (10.2)\",\"0.003\"\n\
         \"sex = M (%)\",\"480 (48.0)\",\"250 (50.0)\",\"230 (46.0)\",\"0.2\"\n",
        "time,n.risk,n.event,n.censor,surv\n1,500,12,10,0.976\n2,478,15,12,0.945\n",
        "sex,case,control,All\nF,120,130,250\nM,115,140,255\nAll,235,270,505\n",
        "chr,n_snps\n1,4000\n2,3000\n3,2500\n",
    ] {
        assert_eq!(verdict(text), "pass", "{text}");
    }
}

#[test]
fn tables_turned_on_their_side_still_hold_persons() {
    let mut text = "variable".to_owned();
    (0..40).for_each(|i| write!(text, ",P{i:04}").unwrap());
    for name in ["age", "bmi"] {
        write!(text, "\n{name}").unwrap();
        (0..40).for_each(|i| write!(text, ",{}", 20 + (i * 7) % 50).unwrap());
    }
    assert_eq!(verdict(&(text + "\n")), "block");
    let square: String = (0..30_i32)
        .map(|r| {
            (0..30).map(|c| ((r - c).abs() * 13 % 97 + 20).to_string()).collect::<Vec<_>>().join("\t") + "\n"
        })
        .collect();
    assert_eq!(verdict(&square), "review", "distances of pairs");
}

#[test]
fn genotypes_are_found_in_the_layouts_of_tools_and_between_any_marks() {
    let call = |i: usize, k: usize| (i * 7 + k * 5 + i * k) % 3;
    let persons = 12;
    let long: String = (0..60)
        .flat_map(|k| (0..persons).map(move |i| (i, k)))
        .map(|(i, k)| format!("{i}\tHG{i:05} rs{k}  {}\n", ["A A", "A G", "G G"][call(i, k)]))
        .collect();
    assert_eq!(verdict(&long), "block", "lgen");
    for mark in [":", "/", "_"] {
        let text: String = (0..persons)
            .map(|i| (0..60).map(|k| call(i, k).to_string()).collect::<Vec<_>>().join(mark) + "\n")
            .collect();
        assert_eq!(verdict(&text), "block", "between {mark}");
    }
    let mut blanks =
        "##fileformat=VCFv4.2\n#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT S1 S2 S3\n".to_owned();
    for k in 0..60 {
        writeln!(blanks, "1 {} rs{k} A G . PASS . GT 0/1 1/1 0/{}", (k + 1) * 1_000_000, k % 2).unwrap();
    }
    assert_eq!(verdict(&blanks), "block", "a VCF with blanks for tabs");
    let named: String = (0..60)
        .map(|k| {
            let calls = (0..persons).map(|i| format!("HG{i:05}={}", ["0/0", "0/1", "1/1"][call(i, k)]));
            format!("1\t{}\t{}\n", (k + 1) * 1000, calls.collect::<Vec<_>>().join("\t"))
        })
        .collect();
    assert_eq!(verdict(&named), "block", "bcftools query %SAMPLE=%GT");
    let coded = named.replace("0/0", "no").replace("0/1", "one").replace("1/1", "both");
    assert_eq!(verdict(&coded), "review", "a code of its own");
    let mut strings = "12\n60\n".to_owned();
    for i in 0..persons {
        let line: String =
            (0..90).map(|k| ["AG", "CT", "AC"][k % 3].chars().nth(call(i, k) % 2).unwrap()).collect();
        strings += &format!("# ID P{i}\n{line}\n{line}\n");
    }
    assert_eq!(verdict(&strings), "block", "haplotypes, one a line");
}

#[test]
fn numbers_beside_each_other_must_agree() {
    assert_eq!(verdict(&sites("AC=500;AN=2000;AF=0.25")), "pass");
    assert_eq!(verdict(&sites("AC=500;AN=2000;AF=0.003")), "review");
    assert_eq!(
        verdict(&sites("AC=500;AN=2000;AC_nfe=495;AN_nfe=1990")),
        "block",
        "five copies of ten are left"
    );
}

#[test]
fn nothing_rides_along_in_comments_or_info() {
    let digits: String = (0..60).map(|i| char::from(b'0' + (i * 7 % 3) as u8)).collect();
    assert_ne!(verdict(&sites(&format!("AC=500;AN=2000;X={digits}"))), "pass");
    assert_ne!(verdict(&format!("# {}\ngroup,n\na,120\nb,130\n", "QUJD".repeat(60))), "pass");
    let names: String = (0..60).map(|i| format!("rs{i}_{}\n", ["AA", "AG"][i % 2])).collect();
    assert_ne!(verdict(&names), "pass");
}

#[test]
fn surplus_digits_are_rounded_away_by_the_offered_copy_which_says_so() {
    let mut text = "CHR\tBP\tSNP\tA1\tA1FREQ\tN\tBETA\tSE\tP\n".to_owned();
    for i in 0..50_u32 {
        let x = f64::from(i) + 0.5;
        writeln!(
            text,
            "1\t{}\trs{i}\tA\t{}\t5000\t{}\t0.01\t{}",
            i * 1000 + 1,
            0.05 + x.sqrt() / 9.0,
            x.sin() / 9.0,
            (x * 1.7).sin().abs()
        )
        .unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tsv");
    std::fs::write(&path, &text).unwrap();
    let out = std::process::Command::new(sekisho())
        .args(["check", "--json", "--fix"])
        .args([dir.path().join("fixed"), path])
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(json["verdict"], "review", "{json:#}");
    assert_eq!(json["fixed"][0]["verdict"], "pass", "{json:#}");
    assert!(json["fixed"][0]["holds"].as_str().unwrap().contains("surplus digits"), "{json:#}");
}

#[test]
fn a_file_blocked_early_is_named_by_its_digest_all_the_same() {
    let cohort: String = (0..60).fold(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2\n".to_owned(),
        |text, k| text + &format!("1\t{}\trs{k}\tA\tG\t.\tPASS\t.\tGT\t0/1\t1/1\n", (k + 1) * 1_000_000),
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.vcf");
    std::fs::write(&path, cohort).unwrap();
    // Longer than what the inspector reads on for the digest's sake.
    std::fs::File::options().write(true).open(&path).unwrap().set_len(65 << 20).unwrap();
    let report = check(std::slice::from_ref(&path));
    assert_eq!(report.verdict(), "block");
    let sum = std::process::Command::new("sha256sum").arg(&path).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert_eq!(report.json["files"][0]["sha256"].as_str(), sum.split(' ').next());
}

#[test]
fn columns_of_what_identifies_are_blocked_under_any_name_and_lone_ones_shown() {
    let number = |i: u64| {
        let base = 12_345_678_900 + i * 37;
        let digit = |n: u32| base / 10_u64.pow(n - 1) % 10;
        let sum: u64 = (1..=11).map(|n| digit(n) * u64::from(if n <= 6 { n + 1 } else { n - 5 })).sum();
        let check = if sum % 11 <= 1 { 0 } else { 11 - sum % 11 };
        format!("{base:011}{check}")
    };
    let forms: [(&str, &dyn Fn(u64) -> String); 7] = [
        ("my number", &number),
        ("postal code", &|i| format!("113-{:04}", 8000 + i)),
        ("residence card", &|i| format!("AB{:08}CD", 12_345_600 + i)),
        ("passport", &|i| format!("TK{:07}", 1_234_500 + i)),
        ("era", &|i| format!("昭和{}年5月{}日", 30 + i, 3 + i)),
        ("telephone", &|i| format!("03-1234-{:04}", 5000 + i)),
        ("mail", &|i| format!("u{i}@example.ac.jp")),
    ];
    for (name, write) in forms {
        let text = (0..6).fold("key,n\n".to_owned(), |s, i| s + &format!("{},{}\n", write(i), 120 + i));
        assert_eq!(verdict(&text), "block", "{name}: {text}");
    }
    assert_eq!(verdict(&format!("group,n\na {},120\nb,130\n", number(3))), "review");
}

#[test]
fn allowed_ids_excuse_nothing_that_stands_beside_them() {
    let text = (1..=30).fold("id,age,bmi\n".to_owned(), |s, i| {
        s + &format!("JGAN{i:09},{},{:.1}\n", 30 + i, 20.0 + f64::from(i) / 3.0)
    });
    assert_eq!(verdict(&text), "block");
    let ids = (1..=30).fold(String::new(), |s, i| s + &format!("JGAN{i:09}\n"));
    assert_ne!(verdict(&ids), "pass");
}
