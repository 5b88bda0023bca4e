use crate::readers::testing::{check, shared, worst};
use sekisho_policy::Verdict;

#[track_caller]
fn expect(text: &str, wanted: Verdict) {
    let report = check(text.as_bytes());
    assert_eq!(report.verdict, wanted, "{text}\n{}: {:#?}", report.kind, report.findings);
}

#[test]
fn real_texts_get_their_verdict() {
    let Some(root) = shared() else { return };
    for (file, wanted, kind) in [
        ("regression/os_cox_univariable.log", Verdict::Pass, "stata_log"),
        ("tables/os_an_descriptive_tables.log", Verdict::Review, "stata_log"),
        ("scripts/os_xv2j9_graphhrs.do", Verdict::Pass, "script"),
        ("gwas/bolt_example.log", Verdict::Review, "run_log"),
        ("freq/bcftools_stats_check.chk", Verdict::Block, "bcftools_stats"),
    ] {
        let report = check(&std::fs::read(root.join(file)).unwrap());
        assert_eq!((report.verdict, report.kind.as_str()), (wanted, kind), "{file}: {:#?}", report.findings);
    }
}

/// A Stata log around this output.
fn stata(output: &str) -> String {
    format!(
        "      name:  <unnamed>\n       log:  a.log\n  log type:  text\n opened on:   7 Jul 2020, 00:35:43\n\n. tab male\n\n{output}\n. log close\n"
    )
}

#[test]
fn cells_of_a_stata_table_are_counts() {
    let table = |n: &str| {
        stata(&format!(
            "       Male |      Freq.     Percent        Cum.\n------------+------------------\n          0 |        120       50.05       50.05\n          1 |        {n}       49.95      100.00\n------------+------------------\n      Total |        240      100.00\n"
        ))
    };
    expect(&table("120"), Verdict::Pass);
    expect(&table("10"), Verdict::Pass);
    expect(&table("9"), Verdict::Block);
    expect(&table("0"), Verdict::Review);
    let cross = |n: &str| {
        stata(&format!(
            "           |   outcome\n      Male |         0          1 |     Total\n-----------+----------------------+----------\n         0 |       120         {n} |       150 \n           |     50.05      43.60 |     50.05 \n"
        ))
    };
    expect(&cross("30"), Verdict::Pass);
    expect(&cross("3"), Verdict::Block);
}

#[test]
fn numbers_of_subjects_and_removals_are_counts() {
    expect(
        &stata(
            "No. of subjects =          120                  Number of obs    =         120\nNo. of failures =           40\n",
        ),
        Verdict::Pass,
    );
    expect(
        &stata(
            "No. of subjects =          120                  Number of obs    =         120\nNo. of failures =            4\n",
        ),
        Verdict::Block,
    );
    expect(&stata("(3 observations deleted)\n"), Verdict::Block);
    expect(
        &stata(
            "    Variable |        Obs        Mean    Std. Dev.       Min        Max\n-------------+--------\n         age |        120    49.7    18.7         18        105\n",
        ),
        Verdict::Review,
    );
    expect(&stata("the secret is 7 and 12\n"), Verdict::Review);
}

#[test]
fn a_script_passes_until_data_is_written_into_it() {
    let script = "#!/usr/bin/env python3\nimport sys\nfrom math import log\n\ndef f(x):\n    return x + 1\n\nprint(f(3))\n";
    expect(script, Verdict::Pass);
    let rows: String = (0..8).map(|i| format!("{i}, {}, {},\n", i * 3, i * 7)).collect();
    expect(&format!("{script}data = [\n{rows}]\n"), Verdict::Review);
    expect(&format!("{script}x = '{}'\n", "QWxsIHlvdXIgYmFzZQ".repeat(12)), Verdict::Review);
    expect(&format!("{script}dna = '{}'\n", "ACGTTGCA".repeat(8)), Verdict::Review);
    expect(&format!("{script}# ask taro@example.ac.jp\n"), Verdict::Review);
}

#[test]
fn a_single_column_of_counts_is_read_as_one() {
    expect("N\n12\n9\n40\n", Verdict::Block);
    expect("人数\n12\n9\n40\n", Verdict::Block);
    expect("N\n12\n10\n40\n", Verdict::Review);
}

#[test]
fn prose_and_program_logs_are_for_a_person() {
    expect("These are the results of our study.\nThey look good.\n", Verdict::Review);
    expect(
        "PLINK v1.90b6.26 64-bit (2 Apr 2022)\nOptions in effect:\n  --freq\n\nLogging to a.log.\n379 people\n",
        Verdict::Review,
    );
    let report =
        check(b"Report\n\nIn our cohort of many people,\nthe side effect was seen in 3 (2.5%) of them.\nIn the others it was not.\nEnd.\n");
    assert_eq!(worst(&report, "small_counts").map(|f| f.verdict), Some(Verdict::Block));
}

#[test]
fn bcftools_stats_of_enough_samples_pass_without_their_rows() {
    let stats = |n: u32| {
        format!(
            "# This file was produced by bcftools stats\n# SN, Summary numbers:\nID\t0\ta.vcf\nSN\t0\tnumber of samples:\t{n}\nSN\t0\tnumber of records:\t18\n"
        )
    };
    expect(&stats(9), Verdict::Block);
    expect(&stats(10), Verdict::Pass);
    expect(&(stats(10) + "PSC\t0\tNA1\t0\t2\t4\t3\t2\t9\t28.7\t1\t0\t0\t0\n"), Verdict::Review);
    expect(&(stats(10) + "XYZ\t0\t3\n"), Verdict::Review);
}

#[test]
fn no_bytes_make_the_readers_panic() {
    use proptest::prelude::*;
    proptest!(ProptestConfig::with_cases(96), |(lines in proptest::collection::vec("[-0-9 .|+=(),a-zA-Z%:]{0,40}", 0..12))| {
        let _ = check(stata(&lines.join("\n")).as_bytes());
        let _ = check(format!("import a\nfrom b\n{}", lines.join("\n")).as_bytes());
        let _ = check(lines.join("\n").as_bytes());
    });
}
