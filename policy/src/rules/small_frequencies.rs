//! `5-4(2)(ii)`: an allele or genotype *frequency* whose count of subjects is under ten identifies.
//!
//! Alleles are not people. Per site, group of people and *both* alleles: AC copies sit in ⌈AC/2⌉ to min(AC, N) people.
//! One to nine copies are certainly fewer than ten people; ten to eighteen may be; nineteen never are.

use crate::Verdict;
use crate::facts::What;
use crate::numbers::{AlleleCount, Between, SubjectCount};
use crate::schema::{Policy, Reading};

/// Rule id.
pub(super) const RULE: &str = "small_frequencies";
/// Clause.
pub(super) const CLAUSE: &str = "5-4(2)(ii)";

/// What evidence weighs under this clause; `None` when it is not this rule's.
pub(super) fn weight(policy: &Policy, what: What) -> Option<Verdict> {
    Some(match what {
        What::FewSubjects | What::FewCarriers => Verdict::Block,
        What::MaybeFewSubjects | What::MaybeFewCarriers => super::statistics::of(policy.frequency.straddle),
        What::NoCarriers => super::statistics::of(policy.counts.zero),
        What::UnknownSubjects | What::SubjectsRefuted | What::UnprovenSubjects | What::UnclearFractions => {
            Verdict::Review
        }
        _ => return None,
    })
}

/// How many copies of a site one person carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ploidy {
    /// Two: an autosome.
    Two,
    /// One or two: X, Y, mitochondria, or a chromosome that is not named.
    OneOrTwo,
}

impl Ploidy {
    /// From a chromosome name as PLINK, VCF or people write it.
    pub fn of_chromosome(name: &[u8]) -> Self {
        let bare = match name {
            [b'c' | b'C', b'h' | b'H', b'r' | b'R', rest @ ..] => rest,
            _ => name,
        };
        let number = match bare {
            [d @ b'0'..=b'9'] => u32::from(d - b'0'),
            [t @ b'0'..=b'9', d @ b'0'..=b'9'] => u32::from(t - b'0') * 10 + u32::from(d - b'0'),
            _ => 0,
        };
        // 25 is PLINK's pseudo-autosomal region.
        if (1..=22).contains(&number) || number == 25 || bare.eq_ignore_ascii_case(b"XY") {
            Self::Two
        } else {
            Self::OneOrTwo
        }
    }

    /// The people in whom `alleles` chromosomes were looked at.
    pub fn subjects(self, alleles: Between<AlleleCount>) -> Between<SubjectCount> {
        let low = SubjectCount(alleles.low.0.div_ceil(2));
        match self {
            Self::Two => Between { low, high: SubjectCount(alleles.high.0.div_ceil(2)) },
            Self::OneOrTwo => Between { low, high: SubjectCount(alleles.high.0) },
        }
    }

    /// The chromosomes that `subjects` people have.
    pub fn alleles(self, subjects: SubjectCount) -> Between<AlleleCount> {
        let high = AlleleCount(subjects.0.saturating_mul(2));
        match self {
            Self::Two => Between::exactly(high),
            Self::OneOrTwo => Between { low: AlleleCount(subjects.0), high },
        }
    }
}

/// The people who carry `copies` of an allele, among `subjects`.
pub fn carriers(copies: Between<AlleleCount>, subjects: Between<SubjectCount>) -> Between<SubjectCount> {
    let high = copies.high.0.min(subjects.high.0);
    Between { low: SubjectCount(copies.low.0.div_ceil(2).min(high)), high: SubjectCount(high) }
}

/// Where a number of people stands against the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Certainly at or above the limit.
    Enough,
    /// Nobody.
    Nobody,
    /// On either side of the limit.
    Straddles,
    /// Certainly below the limit.
    Few,
}

/// Compares people with the limit (`counts.minimum`).
pub fn standing(people: Between<SubjectCount>, minimum: u64) -> Standing {
    if people.high.0 == 0 {
        Standing::Nobody
    } else if people.high.0 < minimum {
        Standing::Few
    } else if people.low.0 < minimum {
        Standing::Straddles
    } else {
        Standing::Enough
    }
}

/// What one site says about one group of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SiteStanding {
    /// The group itself.
    pub subjects: Option<Standing>,
    /// The people carrying its rarest allele.
    pub carriers: Option<Standing>,
}

/// Judges one allele of a site against the other copies: both the allele and the rest must be carried by enough.
pub fn allele(
    policy: &Policy,
    copies: Between<AlleleCount>,
    alleles: Between<AlleleCount>,
    subjects: Between<SubjectCount>,
) -> SiteStanding {
    let minimum = policy.counts.minimum;
    let group = Some(standing(subjects, minimum));
    if policy.frequency.reading == Reading::Denominator {
        return SiteStanding { subjects: group, carriers: None };
    }
    let rest = Between {
        low: AlleleCount(alleles.low.0.saturating_sub(copies.high.0)),
        high: AlleleCount(alleles.high.0.saturating_sub(copies.low.0)),
    };
    let one = standing(carriers(copies, subjects), minimum);
    let other = standing(carriers(rest, subjects), minimum);
    SiteStanding { subjects: group, carriers: Some(one.max(other)) }
}

/// Fewest copies that are certainly carried by `minimum` people: the floor a filtered copy keeps.
pub fn safe_copies(minimum: u64) -> AlleleCount {
    AlleleCount(minimum.saturating_mul(2).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn copies(ac: u64, an: u64) -> Standing {
        let policy = Policy::default();
        let all = Between::exactly(AlleleCount(an));
        let found = allele(&policy, Between::exactly(AlleleCount(ac)), all, Ploidy::Two.subjects(all));
        found.carriers.unwrap()
    }

    #[test]
    fn nine_copies_are_few_ten_may_be_nineteen_are_enough() {
        assert_eq!(copies(1, 2000), Standing::Few);
        assert_eq!(copies(9, 2000), Standing::Few);
        assert_eq!(copies(10, 2000), Standing::Straddles);
        assert_eq!(copies(18, 2000), Standing::Straddles);
        assert_eq!(copies(19, 2000), Standing::Enough);
        assert_eq!(copies(0, 2000), Standing::Nobody);
    }

    #[test]
    fn the_other_allele_counts_as_much() {
        assert_eq!(copies(1991, 2000), Standing::Few);
        assert_eq!(copies(1990, 2000), Standing::Straddles);
        assert_eq!(copies(1982, 2000), Standing::Straddles);
        assert_eq!(copies(1981, 2000), Standing::Enough);
        assert_eq!(copies(2000, 2000), Standing::Nobody);
    }

    #[test]
    fn nine_subjects_are_few_ten_are_enough() {
        let policy = Policy::default();
        let of = |an| {
            let all = Between::exactly(AlleleCount(an));
            allele(&policy, Between::exactly(AlleleCount(an / 2)), all, Ploidy::Two.subjects(all))
                .subjects
                .unwrap()
        };
        assert_eq!(of(18), Standing::Few);
        assert_eq!(of(20), Standing::Enough);
    }

    #[test]
    fn haploid_regions_leave_the_number_of_people_open() {
        let all = Between::exactly(AlleleCount(18));
        assert_eq!(Ploidy::OneOrTwo.subjects(all), Between { low: SubjectCount(9), high: SubjectCount(18) });
        assert_eq!(standing(Ploidy::OneOrTwo.subjects(all), 10), Standing::Straddles);
        let nine = Between::exactly(AlleleCount(9));
        assert_eq!(standing(Ploidy::OneOrTwo.subjects(nine), 10), Standing::Few);
    }

    #[test]
    fn chromosomes_have_their_ploidy() {
        for name in ["1", "22", "chr7", "25", "XY"] {
            assert_eq!(Ploidy::of_chromosome(name.as_bytes()), Ploidy::Two, "{name}");
        }
        for name in ["X", "chrX", "23", "24", "Y", "MT", "26", "chrM", "", "scaffold_1", "0"] {
            assert_eq!(Ploidy::of_chromosome(name.as_bytes()), Ploidy::OneOrTwo, "{name}");
        }
    }

    #[test]
    fn the_denominator_reading_looks_at_the_group_only() {
        let mut policy = Policy::default();
        policy.frequency.reading = Reading::Denominator;
        let all = Between::exactly(AlleleCount(2000));
        let found = allele(&policy, Between::exactly(AlleleCount(1)), all, Ploidy::Two.subjects(all));
        assert_eq!(found, SiteStanding { subjects: Some(Standing::Enough), carriers: None });
    }

    #[test]
    fn the_floor_of_a_filtered_copy_follows_the_limit() {
        assert_eq!(safe_copies(10), AlleleCount(19));
        assert_eq!(safe_copies(20), AlleleCount(39));
    }

    proptest! {
        /// Whoever carries what, the bounds hold the truth.
        #[test]
        fn carriers_lie_within_their_bounds(het in 0_u64..500, hom in 0_u64..500, none in 0_u64..500) {
            let subjects = Between::exactly(SubjectCount(het + hom + none));
            let found = carriers(Between::exactly(AlleleCount(het + 2 * hom)), subjects);
            prop_assert!(found.low.0 <= het + hom && het + hom <= found.high.0);
        }
    }
}
