use crate::readers::testing::{check, check_with, fix_with, shared, worst};
use sekisho_policy::request::FileInfo;
use sekisho_policy::schema::Weight;
use sekisho_policy::{Policy, RequestInfo, Verdict};

fn verdict(text: &str) -> Verdict {
    check(text.as_bytes()).verdict
}

#[track_caller]
fn expect(text: &str, wanted: Verdict) {
    let report = check(text.as_bytes());
    assert_eq!(report.verdict, wanted, "{text}\n{}: {:#?}", report.kind, report.findings);
}

#[test]
fn real_tables_get_their_verdict() {
    let Some(root) = shared() else { return };
    for (file, wanted) in [
        ("tables/R_HairEyeColor.csv", Verdict::Block),
        ("tables/R_Titanic.csv", Verdict::Block),
        ("tables/os_descriptives_onscoviddeath.txt", Verdict::Pass),
        ("pca/example.pca.evec", Verdict::Review),
        ("pca/plinkQC_HapMapIII.eigenvec", Verdict::Review),
        ("persample/plinkQC_data.het", Verdict::Review),
    ] {
        let report = check(&std::fs::read(root.join(file)).unwrap());
        assert_eq!(report.verdict, wanted, "{file} {}: {:#?}", report.kind, report.findings);
    }
}

#[test]
fn the_numbers_of_real_tables_are_the_known_ones() {
    let Some(root) = shared() else { return };
    for (file, small, zeros) in [("tables/R_HairEyeColor.csv", 15, 0), ("tables/R_Titanic.csv", 4, 8)] {
        let report = check(&std::fs::read(root.join(file)).unwrap());
        let messages: Vec<&str> = report.findings.iter().map(|f| f.message.as_str()).collect();
        assert!(messages.contains(&format!("{small} counts of 1 to 9 subjects").as_str()), "{messages:?}");
        assert_eq!(messages.contains(&format!("{zeros} counts of zero").as_str()), zeros > 0, "{messages:?}");
    }
}

#[test]
fn nine_in_a_cell_blocks_ten_passes_zero_is_reviewed() {
    for (cell, wanted) in
        [(1, Verdict::Block), (9, Verdict::Block), (10, Verdict::Pass), (0, Verdict::Review)]
    {
        expect(&format!("sex,smoking,N\nM,yes,120\nM,no,{cell}\nF,yes,55\nF,no,300\n"), wanted);
        expect(&format!("性別;人数\n男;120\n女;{cell}\n不明;40\n"), wanted);
        expect(
            &format!("arm\tn (%)\ntreated\t120 (40.0)\nplacebo\t{cell} (3.3)\nother\t170 (56.7)\n"),
            wanted,
        );
        expect(
            &format!("time,n.risk,n.event,surv\n0.5,120,30,0.75\n1.5,90,{cell},0.7\n2.5,60,12,0.6\n"),
            wanted,
        );
    }
}

#[test]
fn policy_decides_what_a_zero_weighs() {
    let mut policy = Policy::default();
    let table = b"sex,N\nM,120\nF,0\nU,30\n";
    for (weight, wanted) in [(Weight::Pass, Verdict::Pass), (Weight::Block, Verdict::Block)] {
        policy.counts.zero = weight;
        assert_eq!(check_with(table, &policy, &RequestInfo::default()).verdict, wanted);
    }
}

#[test]
fn hidden_cells_that_follow_from_totals_block() {
    expect("group,N\na,60\nb,<10\nc,30\nTotal,97\n", Verdict::Block);
    expect("group,N\na,60\nb,*\nc,*\nTotal,67\n", Verdict::Block);
    expect("group,N\na,60\nb,*\nc,*\nTotal,97\n", Verdict::Pass);
    expect("group,cases,controls,Total\na,60,40,100\nb,*,33,40\nc,25,30,55\n", Verdict::Block);
    expect("群,症例数\nA,60\nB,10未満\n合計,64\n", Verdict::Block);
}

#[test]
fn a_percentage_gives_a_hidden_count_away() {
    expect("group,n,percent\na,120,60.0\nb,<10,2.5\nc,75,37.5\n", Verdict::Block);
    expect("group,n (%)\na,120 (60.0)\nb,<10 (2.5)\nc,75 (37.5)\n", Verdict::Block);
}

#[test]
fn percentages_need_a_base() {
    let table = "group,percent\na,60.0\nb,2.5\nc,37.5\n";
    expect(table, Verdict::Review);
    let declared = |n| {
        let request = RequestInfo { subjects: Some(n), ..RequestInfo::default() };
        check_with(table.as_bytes(), &Policy::default(), &request).verdict
    };
    assert_eq!(declared(200), Verdict::Block);
    assert_eq!(declared(20_000), Verdict::Pass);
}

#[test]
fn categories_left_out_are_counted() {
    expect(
        "variable\tlevel\tn (%)\nall\t\t200 (100.0)\nsex\tmale\t100 (50.0)\nsex\tfemale\t95 (47.5)\n",
        Verdict::Block,
    );
    expect(
        "variable\tlevel\tn (%)\nall\t\t200 (100.0)\nsex\tmale\t100 (50.0)\nsex\tfemale\t100 (50.0)\n",
        Verdict::Pass,
    );
}

#[test]
fn one_row_a_person_blocks() {
    expect("id,age,sex\nS001,34,M\nS002,51,F\nS003,47,M\n", Verdict::Block);
    expect("患者ID,診断\n100234,C50\n100871,C34\n", Verdict::Block);
    let rows: String = (0..40)
        .map(|i| {
            format!(
                "{},{},{:.1}\n",
                20 + i % 50,
                if i % 2 == 0 { "M" } else { "F" },
                18.0 + f64::from(i) / 7.0
            )
        })
        .collect();
    expect(&format!("age,sex,bmi\n{rows}"), Verdict::Block);
    let rows: String =
        (0..25).map(|i| format!("{:.2}\t{:.2}\n", 1.5 + f64::from(i), 2.5 * f64::from(i))).collect();
    let mut request = RequestInfo::default();
    request.files.insert("file".into(), FileInfo { subjects: Some(25), ..FileInfo::default() });
    let report = check_with(format!("glucose\tinsulin\n{rows}").as_bytes(), &Policy::default(), &request);
    assert_eq!(report.verdict, Verdict::Block, "{:#?}", report.findings);
}

#[test]
fn small_numbers_without_a_name_are_reviewed() {
    expect("region,foo\nnorth,3\nsouth,120\neast,55\n", Verdict::Review);
    expect("region,grade\nnorth,3\nsouth,120\neast,55\n", Verdict::Review);
    expect("region,mean\nnorth,3\nsouth,7\neast,5\nwest,120\nmid,44\n", Verdict::Review);
}

#[test]
fn numbers_that_add_up_are_counts_whatever_their_name() {
    expect("region,foo\nnorth,3\nsouth,120\neast,55\nwest,178\n", Verdict::Block);
    expect("region,a,b,c\nnorth,3,40,43\nsouth,20,50,70\neast,30,30,60\n", Verdict::Block);
}

#[test]
fn coefficients_and_large_counts_pass() {
    expect("term,estimate,std.error,p.value\nage,0.12,0.03,0.001\nsex,-0.5,0.2,0.04\n", Verdict::Pass);
    expect("year,N,mean\n2019,1200,5.1\n2020,1310,5.2\n2021,1405,5.4\n", Verdict::Pass);
    expect("index,group,N\n1,a,120\n2,b,130\n3,c,90\n", Verdict::Pass);
}

#[test]
fn extremes_are_reviewed() {
    expect("variable,N,mean,max\nage,1200,51.5,104.5\nbmi,1190,24.5,61.5\n", Verdict::Review);
}

#[test]
fn rows_of_another_width_are_findings() {
    expect(
        "group,N\na,60\nb,70\nc,80,90\nd,44\ne,66\nf,77\ng,88\nh,99\ni,55\nj,45\nk,35\nl,25\n",
        Verdict::Review,
    );
}

#[test]
fn personal_columns_block_and_lone_hits_are_reviewed() {
    let report = check("氏名,人数\n山田太郎,20\n佐藤花子,30\n".as_bytes());
    assert_eq!(worst(&report, "personal_information").map(|f| f.verdict), Some(Verdict::Block));
    let report = check(b"group,N,note\na,60,ask taro@example.ac.jp\nb,70,none\nc,80,none\n");
    assert_eq!(worst(&report, "personal_information").map(|f| f.verdict), Some(Verdict::Review));
}

#[test]
fn a_wide_table_of_counts_without_names_is_never_passed() {
    assert_ne!(
        verdict("eye,Black,Brown,Red\nbrown,68,119,26\nblue,20,84,17\nhazel,15,54,4\n"),
        Verdict::Pass
    );
}

#[test]
fn no_bytes_make_the_reader_panic() {
    use proptest::prelude::*;
    proptest!(ProptestConfig::with_cases(96), |(cells in proptest::collection::vec("[-0-9.,<%()A-Z\"合計]{0,7}", 0..40))| {
        let mut text = String::from("group\tN\tpercent\tTotal\n");
        for row in cells.chunks(4) {
            text += &(row.join("\t") + "\n");
        }
        let _ = check(text.as_bytes());
    });
}

/// The suppressed copy of a table, judged again.
fn mended(text: &[u8]) -> Option<(String, String, Verdict)> {
    let (words, copy) = fix_with(text, &Policy::default(), &RequestInfo::default(), true).1?;
    let verdict = check(&copy).verdict;
    Some((words, String::from_utf8(copy).unwrap(), verdict))
}

#[test]
fn the_suppressed_copy_hides_enough_and_passes() {
    let (words, copy, verdict) = mended(b"group,N\na,60\nb,7\nc,30\nd,45\nTotal,142\n").unwrap();
    assert_eq!(copy, "group,N\na,60\nb,*\nc,*\nd,45\nTotal,142\n");
    assert_eq!(words, "cells hidden: 1 below the limit, 1 more so that none follows; numbers rounded: 0");
    assert_eq!(verdict, Verdict::Pass);
}

#[test]
fn percentages_go_with_their_counts() {
    let (_, copy, verdict) = mended(b"group,n,percent\na,120,60.0\nb,5,2.5\nc,75,37.5\n").unwrap();
    assert!(copy.contains("b,*,*\n"), "{copy}");
    assert_eq!(verdict, Verdict::Pass);
}

#[test]
fn a_table_that_hides_nothing_well_has_no_copy() {
    assert!(mended(b"group,N\na,6\nb,7\n").is_none());
    assert!(mended(b"id,age,sex\nS001,34,M\nS002,51,F\nS003,47,M\n").is_none(), "persons are not cells");
    assert!(mended(b"region,foo\nnorth,3\nsouth,120\neast,55\n").is_none(), "unclear columns stay unclear");
}

#[test]
fn the_copies_of_real_tables_pass() {
    let Some(root) = shared() else { return };
    for file in ["tables/R_HairEyeColor.csv", "tables/R_Titanic.csv"] {
        let (words, copy, verdict) = mended(&std::fs::read(root.join(file)).unwrap()).unwrap();
        assert_eq!(verdict, Verdict::Pass, "{file}: {words}\n{copy}");
    }
}

#[test]
fn every_table_with_a_copy_has_a_copy_that_passes() {
    use proptest::prelude::*;
    proptest!(ProptestConfig::with_cases(48), |(values in proptest::collection::vec(0_u64..60, 12))| {
        let mut text = String::from("group,cases,controls,others,Total\n");
        let mut sums = [0; 4];
        for (at, row) in values.chunks(3).enumerate() {
            let total: u64 = row.iter().sum();
            text += &format!("g{at},{},{},{},{total}\n", row[0], row[1], row[2]);
            for (sum, value) in sums.iter_mut().zip(row.iter().chain([&total])) { *sum += value; }
        }
        text += &format!("Total,{},{},{},{}\n", sums[0], sums[1], sums[2], sums[3]);
        if let Some((words, copy, verdict)) = mended(text.as_bytes()) {
            prop_assert_eq!(verdict, Verdict::Pass, "{}\n{}\n{}", text, words, copy);
        }
    });
}
