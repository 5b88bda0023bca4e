//! The copy that `sekisho check --fix` offers: what it leaves out, that it says so, and that it passes by the same judgement.

use crate::run::{judge, sekisho};
use std::fmt::Write as _;
use std::process::Command;

/// What was offered for one file: the report of the request, and the copy's text.
fn mended(name: &str, text: &str) -> (serde_json::Value, Option<String>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    let out = Command::new(sekisho())
        .args(["check", "--json", "--fix"])
        .args([dir.path().join("fixed"), path.clone()])
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "the file itself is left as it is");
    let copy = json["fixed"][0]["path"].as_str().map(|p| std::fs::read_to_string(p).unwrap());
    (json, copy)
}

fn holds(json: &serde_json::Value) -> (String, String) {
    let text = |key: &str| json["fixed"][0][key].as_str().unwrap_or_default().to_owned();
    (text("holds"), text("holds_ja"))
}

#[test]
fn a_suppressed_copy_hides_small_cells_and_others_so_that_none_follows() {
    let text = "group,n,male,female\ncontrol,120,117,3\ncase,130,60,70\nother,140,70,70\nall,390,247,143\n";
    let (json, copy) = mended("a.csv", text);
    assert_eq!(
        (json["verdict"].as_str(), json["fixed"][0]["verdict"].as_str()),
        (Some("block"), Some("pass"))
    );
    let copy = copy.unwrap();
    let rows: Vec<Vec<&str>> = copy.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(rows[1][3], "*", "the small cell: {copy}");
    assert_eq!(rows[1][2], "*", "the rest of its row would give it back: {copy}");
    assert!(rows[2..4].iter().any(|r| r[3] == "*"), "the rest of its column would give it back: {copy}");
    assert_eq!(rows[3][1..], ["140", "70", "70"], "what needs no hiding stays: {copy}");
    let (en, ja) = holds(&json);
    assert!(en.contains("1 below the limit, 3 more") && ja.contains("逆算"), "{en} {ja}");
    assert_eq!(judge(&[("a.csv", copy.as_bytes())]).verdict(), "pass");
}

#[test]
fn a_filtered_copy_drops_rows_of_few_carriers_and_counts_them() {
    let mut text = String::from(" CHR            SNP   A1   A2          MAF  NCHROBS\n");
    for copies in 1..=60 {
        writeln!(text, "   1   rs{copies}    A    G   {:.6}     800", f64::from(copies) / 800.0).unwrap();
    }
    let (json, copy) = mended("a.frq", &text);
    let copy = copy.unwrap();
    assert_eq!(copy.lines().count(), 1 + (19..=60).count(), "{copy}");
    assert!(!copy.contains("rs18 ") && copy.contains("rs19 "));
    let (en, ja) = holds(&json);
    assert!(en.contains("42 of 60") && ja.contains("42"), "{en} {ja}");
    assert_eq!(json["fixed"][0]["verdict"], "pass");
}

#[test]
fn nothing_is_offered_where_nothing_could_be_left() {
    let persons = (0..60).fold(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2\n".to_owned(),
        |text, k| text + &format!("1\t{}\trs{k}\tA\tG\t.\tPASS\t.\tGT\t0/1\t1/1\n", (k + 1) * 1_000_000),
    );
    for (name, text) in
        [("a.vcf", persons.as_str()), ("b.csv", "id,age,bmi\nP1,34,21.5\nP2,45,30.1\nP3,51,22.0\n")]
    {
        let (json, copy) = mended(name, text);
        assert!(copy.is_none() || json["fixed"][0]["verdict"] != "pass", "{json:#}");
        assert_eq!(json["verdict"], "block");
    }
}

#[test]
fn copies_are_judged_beside_each_other() {
    // Each copy by itself hides enough; a total that both print does not.
    let text = "region,male,female,total\nnorth,5,45,50\nsouth,60,50,110\nwest,70,80,150\n";
    let (json, copy) = mended("a.csv", text);
    assert_eq!(json["fixed"][0]["verdict"], "pass", "{json:#}");
    let all = "region,n\nnorth,50\nsouth,110\nwest,150\n";
    let report = judge(&[("a.csv", copy.unwrap().as_bytes()), ("b.csv", all.as_bytes())]);
    assert_ne!(report.of(0), "none");
    let hidden = "region,male,female,total\nnorth,<10,45,*\nsouth,60,50,110\nwest,70,80,150\n";
    assert_eq!(judge(&[("a.csv", hidden.as_bytes())]).verdict(), "pass");
    let report = judge(&[("a.csv", hidden.as_bytes()), ("b.csv", all.as_bytes())]);
    assert_eq!((report.of(0), report.of(1)), ("block", "block"), "{:#}", report.json);
}

#[test]
fn every_finding_says_what_is_wrong_and_what_to_do_in_both_languages() {
    let texts = [
        "group,n,male,female\ncontrol,120,117,3\ncase,130,60,0\n",
        "id,age\nP1,34\nP2,45\nP3,51\n",
        "gene,score\nBRCA1,7\nTP53,3\n",
        "患者ID,氏名\n12,山田\n",
        "text without any form 3 4 5\n",
        "",
    ];
    let mut seen = 0;
    for text in texts {
        let report = judge(&[("a.csv", text.as_bytes())]);
        for finding in report.json["files"][0]["findings"].as_array().unwrap() {
            for key in ["message", "hint", "message_ja", "hint_ja"] {
                let words = finding[key].as_str().unwrap_or_default();
                assert!(!words.is_empty(), "{key}: {finding:#}");
                let japanese = words.chars().any(|c| ('\u{3040}'..='\u{9fff}').contains(&c));
                assert_eq!(japanese, key.ends_with("ja"), "{key}: {words}");
            }
            seen += 1;
        }
    }
    assert!(seen >= texts.len());
}
