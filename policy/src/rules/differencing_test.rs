//! At the limit, beside it, split over files and over time.

use super::*;
use crate::earlier::{Earlier, Release, keep};
use crate::facts::Entry;
use crate::rules::Scope;

fn table(path: &str, sites: bool, first_key: u64, numbers: &[u64]) -> FileFacts {
    let entries = numbers
        .iter()
        .enumerate()
        .map(|(key, number)| Entry { key: first_key + key as u64, number: *number, name: String::new() })
        .collect();
    FileFacts {
        path: path.into(),
        parts: vec![Part::Comparable(Comparable { sites, entries, ..Comparable::default() })],
        ..FileFacts::default()
    }
}

fn file(sites: bool, numbers: &[u64]) -> FileFacts {
    table("a", sites, 0, numbers)
}

fn judged(earlier: &Earlier, files: &[FileFacts]) -> Vec<(usize, Finding)> {
    judge(&Policy::default(), &Scope { plan: None, earlier }, files)
}

fn worst(sites: bool, one: &[u64], other: &[u64]) -> Option<Verdict> {
    let found = judged(&Earlier::default(), &[file(sites, one), file(sites, other)]);
    assert!(found.is_empty() || found.len() == 2, "each file is told");
    let verdict = found.iter().map(|(_, f)| f.verdict).max();
    assert_eq!(verdict, over_time(sites, one, other), "what is split over days is judged alike");
    verdict
}

fn released(files: &[FileFacts]) -> Earlier {
    Earlier {
        releases: vec![Release { request: "R-000001".into(), files: keep(files) }],
        ..Earlier::default()
    }
}

/// One table today, the other released before.
fn over_time(sites: bool, one: &[u64], other: &[u64]) -> Option<Verdict> {
    let found = judged(&released(&[file(sites, one)]), &[file(sites, other)]);
    found.iter().map(|(_, f)| f.verdict).max()
}

#[test]
fn one_to_nine_people_between_two_tables_block_none_and_ten_do_not() {
    let table = [1000, 480, 520, 300];
    for (removed, verdict) in [(0, None), (1, Some(Verdict::Block)), (9, Some(Verdict::Block)), (10, None)] {
        let other: Vec<u64> = table.iter().map(|n| n - removed).collect();
        assert_eq!(worst(false, &table, &other), verdict, "{removed}");
    }
    assert_eq!(worst(false, &table, &[1000, 478, 522, 300]), Some(Verdict::Block), "two moved");
}

#[test]
fn other_people_with_a_number_that_is_near_by_chance_are_other_people() {
    assert_eq!(worst(false, &[1000, 480, 520, 300], &[2000, 900, 1100, 305]), None);
    assert_eq!(worst(false, &[1000], &[997]), Some(Verdict::Review));
}

#[test]
fn one_person_less_at_every_site_is_seen() {
    let sites = vec![758; 60];
    for (chromosomes, verdict) in
        [(758, None), (756, Some(Verdict::Block)), (740, Some(Verdict::Block)), (738, None)]
    {
        assert_eq!(worst(true, &sites, &vec![chromosomes; 60]), verdict, "{chromosomes}");
    }
}

#[test]
fn few_sites_at_a_time_are_for_the_officer_at_least() {
    assert_eq!(worst(true, &[758; 19], &[756; 19]), Some(Verdict::Review));
    assert_eq!(worst(true, &[758; 1], &[756; 1]), Some(Verdict::Review));
}

#[test]
fn rows_of_other_people_around_them_do_not_hide_few_people() {
    let (mut one, mut other) = (vec![758; 40], vec![756; 40]);
    one.extend([2000; 40]);
    other.extend([4000; 40]);
    assert_eq!(worst(true, &one, &other), Some(Verdict::Review));
    assert_eq!(
        worst(false, &[100, 200, 300, 7000, 8000, 9000], &[99, 199, 299, 1000, 2000, 3000]),
        Some(Verdict::Review)
    );
}

#[test]
fn sites_under_other_names_are_compared_by_the_size_of_the_cohort() {
    let pair =
        |chromosomes| [table("a", true, 0, &[758; 60]), table("b", true, 5000, &vec![chromosomes; 60])];
    for (chromosomes, verdict) in [(758, None), (756, Some(Verdict::Review)), (738, None)] {
        let files = pair(chromosomes);
        let now = judged(&Earlier::default(), &files);
        assert_eq!(now.iter().map(|(_, f)| f.verdict).max(), verdict, "{chromosomes}");
        let later = judged(&released(&files[..1]), &files[1..]);
        assert_eq!(later.iter().map(|(_, f)| f.verdict).max(), verdict, "{chromosomes}, later");
    }
}

#[test]
fn a_finding_names_the_earlier_release() {
    let found = judged(&released(&[file(true, &[758; 60])]), &[table("new.frq", true, 0, &[756; 60])]);
    assert_eq!(found.len(), 1);
    assert!(found[0].1.place.starts_with("R-000001/a"), "{}", found[0].1.place);
    assert!(found[0].1.message.contains("released earlier"));
}

#[test]
fn releases_that_are_not_on_record_leave_no_table_without_a_look() {
    let earlier = Earlier { missing: 1, ..Earlier::default() };
    assert_eq!(judged(&earlier, &[file(true, &[758; 60])])[0].1.verdict, Verdict::Review);
    assert!(judged(&earlier, &[FileFacts::default()]).is_empty(), "nothing in it to compare");
}

#[test]
fn more_tables_than_are_compared_are_never_passed() {
    let files: Vec<FileFacts> =
        (0..=MOST_TABLES as u64).map(|n| table("t", false, n * 100, &[1000, 2000, 3000])).collect();
    let found = judged(&Earlier::default(), &files);
    assert_eq!(
        found.iter().map(|(at, f)| (*at, f.verdict)).collect::<Vec<_>>(),
        [(MOST_TABLES, Verdict::Review)]
    );
}

#[test]
fn findings_about_one_file_are_bounded() {
    let files: Vec<FileFacts> = (0..60).map(|n| file(false, &[1000 + n % 7, 2000, 3000, 4000])).collect();
    let found = judged(&Earlier::default(), &files);
    assert!((0..60).all(|at| found.iter().filter(|(i, _)| *i == at).count() <= MOST_FINDINGS));
    assert!((0..60).all(|at| found.iter().any(|(i, f)| *i == at && f.verdict == Verdict::Block)));
}
