//! Files of the real tools, as `fixtures/make.py` has them made.

use crate::readers::testing::check;
use sekisho_policy::Verdict;

macro_rules! fixtures {
    ($($name:literal => $verdict:ident),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../../../fixtures/", $name)).as_slice(), Verdict::$verdict)),*]
    };
}

#[test]
fn tables_in_columns_get_the_verdict_of_their_rows() {
    for (name, bytes, wanted) in fixtures! {
        "clean.parquet" => Pass, "clean.feather" => Pass, "clean.arrows" => Pass, "dates.parquet" => Pass,
        "polars.parquet" => Pass, "polars.arrow" => Pass,
        "small.parquet" => Block, "small.none.parquet" => Block, "small.gzip.parquet" => Block,
        "small.zstd.parquet" => Block, "small.lz4.parquet" => Block, "small.v2.parquet" => Block,
        "small.feather" => Block, "small.zstd.feather" => Block, "small.plain.feather" => Block,
        "dictionary.arrows" => Block,
    } {
        let report = check(bytes);
        assert_eq!(report.verdict, wanted, "{name}: {:#?}", report.findings);
        assert!(
            wanted == Verdict::Pass || report.findings[0].rule == "small_counts",
            "{name}: {:#?}",
            report.findings
        );
    }
}

#[test]
fn calls_of_persons_block_as_columns_and_as_lists() {
    for (name, bytes, _) in
        fixtures! { "calls.feather" => Block, "lists.parquet" => Block, "lists.arrows" => Block }
    {
        let report = check(bytes);
        assert!(
            report.findings.iter().any(|f| f.rule == "individual_genotypes"),
            "{name}: {:#?}",
            report.findings
        );
        assert_eq!(report.verdict, Verdict::Block);
    }
}

#[test]
fn what_is_not_read_or_hidden_never_passes() {
    let clean = include_bytes!("../../../fixtures/clean.parquet");
    let feather = include_bytes!("../../../fixtures/clean.feather");
    for (name, bytes, wanted) in
        fixtures! { "note.parquet" => Review, "nested.parquet" => Review, "brotli.parquet" => Block }
    {
        assert_eq!(check(bytes).verdict, wanted, "{name}");
    }
    let encrypted = [b"PARE", &clean[4..clean.len() - 4], b"PARE"].concat();
    assert_eq!(check(&encrypted).verdict, Verdict::Block);
    for bytes in [clean.as_slice(), feather] {
        assert_ne!(check(&[bytes, b"secret"].concat()).verdict, Verdict::Pass);
    }
    // Bytes between the pages and the footer, which the footer's length does not reach.
    let footer = u32::from_le_bytes(clean[clean.len() - 8..clean.len() - 4].try_into().unwrap()) as usize;
    let at = clean.len() - 8 - footer;
    let gap = [&clean[..at], b"HG00096 0 1 2", &clean[at..]].concat();
    let report = check(&gap);
    assert_eq!(report.verdict, Verdict::Review, "{:#?}", report.findings);
}

#[test]
fn cut_or_changed_files_are_survived_and_cut_ones_never_pass() {
    for (name, bytes, _) in fixtures! {
        "dates.parquet" => Pass, "nested.parquet" => Pass, "dictionary.arrows" => Pass, "clean.arrows" => Pass,
        "small.v2.parquet" => Pass, "clean.feather" => Pass,
    } {
        let step = if bytes.len() > 1000 { 7 } else { 1 };
        for at in (1..bytes.len()).step_by(step) {
            let report = check(&bytes[..at]);
            // A stream may end after any message; nothing is missing from what it says then.
            assert!(
                report.verdict != Verdict::Pass || name == "clean.arrows" && at + 8 == bytes.len(),
                "{name} cut at {at}"
            );
            if at % 3 == 0 {
                let mut changed = bytes.to_vec();
                changed[at] ^= 0x81;
                let _ = check(&changed);
            }
        }
    }
}
