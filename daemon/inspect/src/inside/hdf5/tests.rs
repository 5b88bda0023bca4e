//! Files of h5py, as `fixtures/make.py` has them made.

use crate::readers::testing::{check, fixture};
use sekisho_policy::Verdict;

#[test]
fn such_a_file_never_passes_and_its_tables_are_judged() {
    for ((name, bytes), wanted) in [
        (fixture!("clean.h5"), Verdict::Review),
        (fixture!("attribute.h5"), Verdict::Review),
        (fixture!("small.h5"), Verdict::Block),
        (fixture!("compound.h5"), Verdict::Block),
        (fixture!("latest.h5"), Verdict::Block),
    ] {
        let report = check(bytes);
        assert_eq!(report.verdict, wanted, "{name}: {:#?}", report.findings);
        let counts = report.findings.iter().any(|f| f.rule == "small_counts" && f.verdict == Verdict::Block);
        assert_eq!(counts, wanted == Verdict::Block, "{name}: {:#?}", report.findings);
    }
}

#[test]
fn calls_and_dosages_of_persons_block_however_they_are_packed() {
    for (name, bytes) in [fixture!("calls.h5"), fixture!("anndata.h5ad"), fixture!("matlab.mat")] {
        let report = check(bytes);
        let blocked =
            |f: &sekisho_policy::Finding| f.rule == "individual_genotypes" && f.verdict == Verdict::Block;
        assert!(report.findings.iter().any(blocked), "{name}: {:#?}", report.findings);
    }
}

#[test]
fn attributes_are_read_and_what_nothing_refers_to_is_shown() {
    let report = check(fixture!("attribute.h5").1);
    assert!(report.findings.iter().any(|f| f.value.contains("HG00096")), "{:#?}", report.findings);
    let mut hidden = fixture!("clean.h5").1.to_vec();
    let at = (0..hidden.len() - 64).rev().find(|at| hidden[*at..at + 64].iter().all(|b| *b == 0)).unwrap();
    hidden[at + 16..at + 32].copy_from_slice(b"HG00096 0 1 2 01");
    let report = check(&hidden);
    let shown = |f: &sekisho_policy::Finding| f.place.contains("file") && f.value.contains("16 bytes");
    assert!(report.findings.iter().any(shown), "{:#?}", report.findings);
}

#[test]
fn cut_or_changed_files_are_survived_and_never_pass() {
    for (name, bytes) in
        [fixture!("compound.h5"), fixture!("latest.h5"), fixture!("matlab.mat"), fixture!("clean.h5")]
    {
        for at in (1..bytes.len()).step_by(if bytes.len() > 3000 { 61 } else { 5 }) {
            assert_ne!(check(&bytes[..at]).verdict, Verdict::Pass, "{name} cut at {at}");
            let mut changed = bytes.to_vec();
            changed[at] ^= 0x81;
            assert!(at < 9 || check(&changed).verdict != Verdict::Pass, "{name} changed at {at}");
        }
    }
}

#[test]
fn a_file_that_goes_in_circles_ends() {
    // `compound.h5`, changed until it did not end.
    let began = std::time::Instant::now();
    assert_eq!(check(fixture!("circle.h5").1).verdict, Verdict::Block);
    assert!(began.elapsed().as_secs() < 60);
}
