//! `individual_genotypes`, clause 5-4(1)(i), for short tandem repeats: nine loci or more of a person are personal
//! information whatever their linkage, because each has many alleles.
//!
//! As with sites, the loci of all files of the request and of all earlier releases of the plan count together.

use crate::catalogue::genotypes as say;
use crate::earlier::Earlier;
use crate::facts::{FileFacts, Part, Repeats};
use crate::{Finding, Policy, Verdict};
use std::collections::BTreeSet;

/// Findings with the index of the file they are about.
pub(super) fn judge(policy: &Policy, earlier: &Earlier, files: &[FileFacts]) -> Vec<(usize, Finding)> {
    let limit = policy.sites.str_loci;
    let here: Vec<(usize, &Repeats)> = files
        .iter()
        .enumerate()
        .flat_map(|(at, file)| file.parts.iter().map(move |part| (at, part)))
        .filter_map(|(at, part)| if let Part::Repeats(r) = part { Some((at, r)) } else { None })
        .collect();
    let before = earlier.releases.iter().flat_map(|r| &r.files).flat_map(|f| &f.repeats);
    let all: Vec<&Repeats> = here.iter().map(|(_, r)| *r).chain(before).collect();
    let distinct = all.iter().flat_map(|r| &r.loci).collect::<BTreeSet<_>>().len() as u64;
    // Loci beyond a cut list are at least as many as one file has.
    let loci = distinct.max(all.iter().map(|r| r.number).max().unwrap_or(0));
    let verdict = if loci >= limit { Verdict::Block } else { Verdict::Review };
    let finding = |at| {
        let finding = Finding::new("individual_genotypes", "5-4(1)(i)", verdict, say::repeats(loci, limit));
        (at, finding.at("short tandem repeats").value(loci).limit(limit))
    };
    here.iter().map(|(at, _)| finding(*at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::earlier::{Release, keep};

    fn file(loci: std::ops::Range<usize>) -> FileFacts {
        let repeats = Repeats { number: loci.len() as u64, loci: loci.map(|i| format!("D{i}S1")).collect() };
        FileFacts { parts: vec![Part::Repeats(repeats)], ..FileFacts::default() }
    }

    fn worst(earlier: &Earlier, files: &[FileFacts]) -> Option<Verdict> {
        judge(&Policy::default(), earlier, files).into_iter().map(|(_, f)| f.verdict).max()
    }

    #[test]
    fn nine_loci_block_and_eight_are_for_the_officer_at_once_or_over_time() {
        for (loci, verdict) in [(8, Verdict::Review), (9, Verdict::Block), (10, Verdict::Block)] {
            assert_eq!(worst(&Earlier::default(), &[file(0..loci)]), Some(verdict), "{loci}");
            assert_eq!(worst(&Earlier::default(), &[file(0..5), file(3..loci)]), Some(verdict), "two files");
            let before = Release { request: "R-1".into(), files: keep(&[file(0..5)]) };
            let earlier = Earlier { releases: vec![before], missing: 0 };
            assert_eq!(worst(&earlier, &[file(4..loci)]), Some(verdict), "over time");
        }
        assert_eq!(worst(&Earlier::default(), &[FileFacts::default()]), None);
    }
}
