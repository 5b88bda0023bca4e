//! The limit over files and over time: inside, at and outside.

use super::*;
use crate::earlier::{Release, keep};

/// Sites `from..to` of a few persons, ten bases apart.
fn file(path: &str, from: u64, to: u64) -> FileFacts {
    let site = |i: u64| Site { chrom: "1".into(), pos: 1000 + 10 * i, id: format!("rs{i}") };
    let genotypes = Genotypes {
        subjects: 6,
        sites: to - from,
        most_called: to - from,
        positions: true,
        thinned: Some(1),
        first_sites: (from..to).map(site).collect(),
        ..Genotypes::default()
    };
    FileFacts { path: path.into(), parts: vec![Part::Genotypes(genotypes)], ..FileFacts::default() }
}

fn released(files: &[FileFacts]) -> Earlier {
    let releases = files
        .iter()
        .enumerate()
        .map(|(n, file)| Release { request: format!("R-{n:06}"), files: keep(std::slice::from_ref(file)) });
    Earlier { releases: releases.collect(), missing: 0 }
}

fn worst(earlier: &Earlier, files: &[FileFacts]) -> Verdict {
    judge(&Policy::default(), earlier, files).into_iter().map(|(_, f)| f.verdict).max().unwrap()
}

#[test]
fn forty_sites_over_two_files_are_reviewed_and_forty_one_blocked_at_once_or_over_time() {
    for (sites, verdict) in [(39, Verdict::Review), (40, Verdict::Review), (41, Verdict::Block)] {
        let (a, b) = (file("a", 0, 20), file("b", 20, sites));
        assert_eq!(worst(&Earlier::default(), &[a.clone(), b.clone()]), verdict, "{sites} in one request");
        assert_eq!(worst(&released(&[a]), &[b]), verdict, "{sites} over time");
    }
}

#[test]
fn sites_that_left_before_count_once() {
    let days: Vec<FileFacts> = (0..20).map(|d| file("a", 2 * d, 2 * d + 2)).collect();
    assert_eq!(worst(&released(&days), &[file("b", 0, 40)]), Verdict::Review);
    assert_eq!(worst(&released(&days), &[file("b", 0, 1)]), Verdict::Review);
    assert_eq!(worst(&released(&days), &[file("b", 40, 41)]), Verdict::Block, "one more on the last day");
}

#[test]
fn a_long_list_released_before_is_never_taken_for_a_short_one() {
    // Kept are fewer sites than it had: whatever comes now is added to all of them.
    let linked = |mut file: FileFacts| {
        if let Part::Genotypes(g) = &mut file.parts[0] {
            g.subjects = 500;
            g.unlinked = Some(5);
            g.unlinked_sites = g.first_sites[..5].to_vec();
        }
        file
    };
    let earlier = released(&[linked(file("a", 0, 3000))]);
    assert_eq!(worst(&earlier, &[file("b", 0, 1)]), Verdict::Block);
    let earlier = released(&[linked(file("a", 0, 60))]);
    assert_eq!(worst(&earlier, &[linked(file("b", 0, 60))]), Verdict::Review, "the same proof again");
}

#[test]
fn a_bed_released_before_counts_with_its_companions_sites() {
    let sites = |n: u64| SiteList {
        rows: n,
        distinct: n,
        thinned: Some(1),
        sites: (0..n).map(|i| Site { chrom: "1".into(), pos: 1000 + 10 * i, id: String::new() }).collect(),
    };
    let of = |part| FileFacts { path: "a.x".into(), parts: vec![part], ..FileFacts::default() };
    let trio = [
        of(Part::BedMatrix(BedMatrix { body: 30 * 2, variant_major: true })),
        of(Part::SiteList(sites(30))),
        of(Part::SubjectList(SubjectList { rows: 8, ..SubjectList::default() })),
    ];
    let earlier =
        Earlier { releases: vec![Release { request: "R-1".into(), files: keep(&trio) }], missing: 0 };
    assert_eq!(worst(&earlier, &[file("b", 30, 40)]), Verdict::Review);
    assert_eq!(worst(&earlier, &[file("b", 30, 41)]), Verdict::Block);
}

#[test]
fn per_person_files_beside_releases_that_are_not_on_record_say_so() {
    let earlier = Earlier { missing: 1, ..Earlier::default() };
    let found = judge(&Policy::default(), &earlier, &[file("a", 0, 3)]);
    assert!(found.iter().any(|(_, f)| f.place == "earlier releases"));
}
