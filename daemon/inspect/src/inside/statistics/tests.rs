//! Files of the real tools, as `fixtures/make.py` and `fixtures/sas7bdat.c` have them made.

use crate::readers::testing::{check, fixture};
use sekisho_policy::Verdict;

#[test]
fn tables_of_statistics_programs_get_the_verdict_of_their_rows() {
    for ((name, bytes), wanted) in [
        (fixture!("clean.sav"), Verdict::Pass),
        (fixture!("clean.plain.sav"), Verdict::Pass),
        (fixture!("clean.zsav"), Verdict::Pass),
        (fixture!("clean.113.dta"), Verdict::Pass),
        (fixture!("clean.114.dta"), Verdict::Pass),
        (fixture!("clean.115.dta"), Verdict::Pass),
        (fixture!("clean.v5.xpt"), Verdict::Pass),
        (fixture!("clean.xpt"), Verdict::Pass),
        (fixture!("clean.sas7bdat"), Verdict::Pass),
        (fixture!("small.sav"), Verdict::Block),
        (fixture!("small.plain.sav"), Verdict::Block),
        (fixture!("small.zsav"), Verdict::Block),
        (fixture!("small.113.dta"), Verdict::Block),
        (fixture!("small.114.dta"), Verdict::Block),
        (fixture!("small.115.dta"), Verdict::Block),
        (fixture!("small.v5.xpt"), Verdict::Block),
        (fixture!("small.xpt"), Verdict::Block),
        (fixture!("small.sas7bdat"), Verdict::Block),
        (fixture!("packed.sas7bdat"), Verdict::Block),
        (fixture!("note.sav"), Verdict::Review),
    ] {
        let report = check(bytes);
        assert_eq!(report.verdict, wanted, "{name}: {:#?}", report.findings);
    }
}

#[test]
fn codes_are_shown_by_their_labels() {
    for (name, bytes) in [fixture!("small.sav"), fixture!("small.zsav"), fixture!("small.115.dta")] {
        let report = check(bytes);
        assert!(report.findings[0].place.contains("not said"), "{name}: {:#?}", report.findings);
    }
}

#[test]
fn one_row_a_person_blocks_and_days_of_birth_are_known_as_days() {
    for (name, bytes) in [
        fixture!("persons.sav"),
        fixture!("persons.115.dta"),
        fixture!("persons.xpt"),
        fixture!("persons.sas7bdat"),
    ] {
        let report = check(bytes);
        assert_eq!(report.verdict, Verdict::Block, "{name}");
        let about = |rule| report.findings.iter().any(|f| f.rule == rule && f.verdict == Verdict::Block);
        assert!(about("small_counts") && about("personal_information"), "{name}: {:#?}", report.findings);
    }
}

#[test]
fn cut_or_changed_files_are_survived_and_cut_ones_never_pass() {
    for (name, bytes) in [
        fixture!("clean.sav"),
        fixture!("clean.plain.sav"),
        fixture!("clean.zsav"),
        fixture!("clean.115.dta"),
        fixture!("clean.xpt"),
        fixture!("clean.sas7bdat"),
    ] {
        for at in (1..bytes.len()).step_by(if bytes.len() > 2000 { 11 } else { 1 }) {
            assert_ne!(check(&bytes[..at]).verdict, Verdict::Pass, "{name} cut at {at}");
            if at % 5 == 0 {
                let mut changed = bytes.to_vec();
                changed[at] ^= 0x81;
                let _ = check(&changed);
            }
        }
        assert_ne!(check(&[bytes, b"secret"].concat()).verdict, Verdict::Pass, "{name}");
    }
}
