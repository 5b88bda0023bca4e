//! Inside, at and outside of everything a plan says.

use super::*;
use crate::earlier::{Earlier, Kept, Release};
use jiff::civil::date;

const POLICY: &str = r#"
    version = 1
    [[institution]]
    id = "a"
    name = "A"
    [[project]]
    id = "demo"
    title = "Demo"
    institution = "a"
    from = 2026-01-01
    until = 2027-01-01
    members = ["kato", "sato"]
    datasets = ["JGAD000001", "JGAD000002"]
    kinds = ["plink_frq", "count_table"]
    file_bytes = 100
    total_bytes = 250
    total_files = 3
"#;

fn file(kind: &str, bytes: u64) -> FileFacts {
    FileFacts {
        path: "a".into(),
        kind: kind.into(),
        bytes,
        sha256: format!("{bytes:064}"),
        ..FileFacts::default()
    }
}

fn asked() -> Asked<'static> {
    Asked { project: "demo", requester: "kato", day: date(2026, 5, 1) }
}

fn released(sizes: &[u64]) -> Earlier {
    let files =
        sizes.iter().map(|b| Kept { bytes: *b, sha256: format!("{b:064}"), whole: true, ..Kept::default() });
    let release = Release { request: "R-000001".into(), files: files.collect() };
    Earlier { releases: vec![release], missing: 0 }
}

fn verdict(asked: Asked<'_>, earlier: &Earlier, datasets: &[&str], files: &[FileFacts]) -> Option<Verdict> {
    let policy = Policy::parse("test", POLICY).unwrap();
    let request =
        RequestInfo { datasets: datasets.iter().map(|d| (*d).into()).collect(), ..RequestInfo::default() };
    let scope = Scope { plan: Some(asked), earlier };
    judge(&policy, &scope, &request, files).into_iter().map(|(_, f)| f.verdict).max()
}

const BLOCK: Option<Verdict> = Some(Verdict::Block);

#[test]
fn only_members_ask_and_only_while_the_plan_runs() {
    let one = [file("plink_frq", 10)];
    for (project, requester, day, expected) in [
        ("demo", "kato", date(2026, 5, 1), None),
        ("demo", "kato", date(2026, 1, 1), None),
        ("demo", "kato", date(2027, 1, 1), None),
        ("demo", "kato", date(2025, 12, 31), BLOCK),
        ("demo", "kato", date(2027, 1, 2), BLOCK),
        ("demo", "mori", date(2026, 5, 1), BLOCK),
        ("other", "kato", date(2026, 5, 1), BLOCK),
    ] {
        let asked = Asked { project, requester, day };
        assert_eq!(verdict(asked, &Earlier::default(), &[], &one), expected, "{asked:?}");
    }
}

#[test]
fn only_datasets_of_the_plan() {
    let one = [file("plink_frq", 10)];
    let of = |datasets: &[&str]| verdict(asked(), &Earlier::default(), datasets, &one);
    assert_eq!(of(&[]), None);
    assert_eq!(of(&["JGAD000001", "JGAD000002"]), None);
    assert_eq!(of(&["JGAD000001", "JGAD000003"]), BLOCK);
}

#[test]
fn only_kinds_and_sizes_of_the_plan() {
    let of = |kind, bytes| verdict(asked(), &Earlier::default(), &[], &[file(kind, bytes)]);
    assert_eq!(of("plink_frq", 99), None);
    assert_eq!(of("count_table", 100), None);
    assert_eq!(of("count_table", 101), BLOCK);
    assert_eq!(of("vcf_sites", 10), BLOCK);
    assert_eq!(of("unknown", 10), BLOCK);
}

#[test]
fn totals_count_what_was_released_before() {
    let of = |earlier: &[u64], now: &[u64]| {
        let files: Vec<FileFacts> = now.iter().map(|b| file("plink_frq", *b)).collect();
        verdict(asked(), &released(earlier), &[], &files)
    };
    assert_eq!(of(&[90, 80], &[79]), None);
    assert_eq!(of(&[90, 81], &[79]), None, "250 in all");
    assert_eq!(of(&[90, 82], &[79]), BLOCK);
    assert_eq!(of(&[1, 2, 3], &[4]), BLOCK, "a fourth file");
    assert_eq!(of(&[1], &[2, 3]), None);
}

#[test]
fn the_same_bytes_again_are_noted() {
    let found = judge(
        &Policy::default(),
        &Scope { plan: None, earlier: &released(&[7]) },
        &RequestInfo::default(),
        &[file("plink_frq", 7), file("plink_frq", 8)],
    );
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].0, found[0].1.verdict), (0, Verdict::Pass));
    assert!(found[0].1.value.starts_with("R-000001/"));
}

#[test]
fn a_plan_that_says_nothing_of_kinds_and_sizes_allows_them() {
    let policy = Policy::parse("test", POLICY.split("kinds").next().unwrap()).unwrap();
    let scope = Scope { plan: Some(asked()), earlier: &Earlier::default() };
    assert!(judge(&policy, &scope, &RequestInfo::default(), &[file("x", 1 << 40)]).is_empty());
}
