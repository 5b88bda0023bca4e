//! What the columns of a row say together: groups nobody printed (everybody less a printed group), and fractions
//! that contradict the copies beside them.

use super::group::{Columns, Group, Row, Said, carrier_kind};
use crate::readers::printed;
use crate::readers::tally::Tally;
use sekisho_policy::facts::What;
use sekisho_policy::numbers::{AlleleCount, Between};
use sekisho_policy::rules::small_frequencies::{Standing, allele};
use sekisho_policy::schema::Policy;

/// Judges every group of a row, then what the groups give away together. `said` is kept between rows for its memory.
///
/// Returns whether the row gives few people away, and whether part of it could not be understood.
pub fn row(
    groups: &[Group],
    row: &Row<'_>,
    policy: &Policy,
    tally: &mut Tally,
    said: &mut Vec<Said>,
) -> (bool, bool) {
    let (mut offends, mut broken) = (false, false);
    said.clear();
    for group in groups {
        let one = group.judge(row, policy, tally);
        offends |= one.offends;
        broken |= one.broken;
        said.push(one);
    }
    if said.len() > 1 {
        offends |= rest(groups, said, row, policy, tally);
    }
    (offends, broken)
}

/// Judges everybody less each group; `true` when the row gives few people away.
fn rest(groups: &[Group], said: &[Said], row: &Row<'_>, policy: &Policy, tally: &mut Tally) -> bool {
    let printed = |at: usize| {
        let columns = &groups.get(at)?.columns;
        // Numbers worked out from ratios are too coarse to subtract.
        let numbered = columns.alleles.is_some() || columns.subjects.is_some();
        let (copies, alleles) = said.get(at)?.counted.filter(|_| numbered)?;
        alleles.is_exact().then_some((copies, alleles.low.0))
    };
    let Some((all_copies, all)) = printed(0) else { return false };
    let mut offends = false;
    for at in 1..groups.len() {
        let Some((copies, alleles)) = printed(at) else { continue };
        let Some(rest) = all.checked_sub(alleles).filter(|rest| *rest > 0) else { continue };
        // Printed as a group of its own: judged there.
        if (1..groups.len()).any(|other| other != at && printed(other).is_some_and(|(_, n)| n == rest)) {
            continue;
        }
        let Some(high) = all_copies.high.0.checked_sub(copies.low.0) else { continue };
        let low = all_copies.low.0.saturating_sub(copies.high.0);
        if low > rest {
            continue;
        }
        let copies = Between { low: AlleleCount(low), high: AlleleCount(high.min(rest)) };
        let chromosomes = Between::exactly(AlleleCount(rest));
        let found = allele(policy, copies, chromosomes, row.ploidy.subjects(chromosomes));
        let what = match (found.subjects, found.carriers) {
            (Some(Standing::Few), _) => Some(What::FewSubjects),
            (_, Some(Standing::Few)) => Some(What::FewCarriers),
            (_, Some(standing)) if copies.is_exact() => carrier_kind(standing),
            _ => None,
        };
        let Some(what) = what else { continue };
        let name = format!("everybody but {}", tally.named(groups[at].about));
        let about = tally.name(&name);
        tally.add(what, about, || ((row.place)(), format!("{copies} copies of {rest}")));
        offends |= super::group::offends(what, policy);
    }
    offends
}

/// A fraction that the copies and chromosomes printed beside it refute.
///
/// Several fractions (`AF`, `LDAF`) may be estimated in several ways: one that agrees is enough.
pub fn contradiction(columns: &Columns, row: &Row<'_>, alleles: Between<AlleleCount>) -> Option<String> {
    let copies = *columns.copies.first()?;
    if columns.frequencies.is_empty() || !alleles.is_exact() || alleles.low.0 == 0 {
        return None;
    }
    let all = alleles.low.0 as f64;
    let list = |column: usize| (row.fields)(column).split(|b| *b == b',').map(printed::parse);
    let mut refuted = None;
    for (column, _) in &columns.frequencies {
        let mut wrong = None;
        let lists = |column: usize| (row.fields)(column).contains(&b',');
        let single = !lists(*column) && !lists(copies);
        let as_many = single || list(*column).count() == list(copies).count();
        for (fraction, count) in list(*column).zip(list(copies)).filter(|_| as_many) {
            let (Some(fraction), Some(count)) = (fraction, count) else { continue };
            let expected = count.value / all;
            let close = |value: f64, slack: f64| (value - fraction.value).abs() <= slack + 2.0 / all;
            // Nearly always.
            if close(expected, 0.002) {
                continue;
            }
            let unit = 0.1_f64.powi(i32::try_from(fraction.decimals).unwrap_or(12).min(12));
            let slack = unit.max(0.002);
            // Fractions may be of the other allele.
            if !close(expected, slack) && !close(1.0 - expected, slack) {
                wrong = Some(format!("{} printed, {} of {all} copies", fraction.value, count.value));
            }
        }
        wrong.as_ref()?;
        refuted = wrong;
    }
    refuted
}

#[cfg(test)]
mod tests {
    use crate::readers::testing::{check, worst};
    use sekisho_policy::Verdict;

    fn table(rows: &[&str]) -> String {
        let mut text = "CHR\tSNP\tA1\tA2\tAF\tN\tAF_case\tN_case\n".to_owned();
        for (at, row) in rows.iter().enumerate() {
            text += &format!("1\trs{at}\tA\tG\t{}\n", row.replace(' ', "\t"));
        }
        text
    }

    #[test]
    fn controls_nobody_printed_are_everybody_less_the_cases() {
        // 200 of 2000 and 195 of 1000: five copies among 500 controls.
        let report = check(table(&["0.1000 1000 0.1950 500", "0.2000 1000 0.2100 500"]).as_bytes());
        let found = worst(&report, "small_frequencies").unwrap();
        assert_eq!(found.verdict, Verdict::Block);
        assert!(found.place.contains("everybody but case"), "{}", found.place);
        let report = check(table(&["0.1000 1000 0.1200 500", "0.2000 1000 0.2100 500"]).as_bytes());
        assert_eq!(report.verdict, Verdict::Pass, "{report:#?}");
    }

    #[test]
    fn five_people_left_over_are_too_few() {
        let report = check(table(&["0.1 1000 0.1 995"]).as_bytes());
        assert_eq!(report.verdict, Verdict::Block);
    }

    #[test]
    fn a_fraction_that_contradicts_its_copies_is_not_released_unseen() {
        let vcf = |af: &str| {
            format!(
                "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n\
                 1\t1000\trs1\tA\tG\t.\tPASS\tAC=500;AN=2000;AF={af}\n"
            )
        };
        assert_eq!(check(vcf("0.25").as_bytes()).verdict, Verdict::Pass);
        let report = check(vcf("0.003").as_bytes());
        assert_eq!(report.verdict, Verdict::Review, "{report:#?}");
    }
}
