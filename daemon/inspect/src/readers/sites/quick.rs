//! Groups of people that certainly have enough carriers, told from whole numbers.
//!
//! Nearly every row of a table that may leave is like this. "Not certain" is no judgement: then the row is judged.

use super::group::Group;
use crate::marks::{Bytes, hundred_millionths, number};
use sekisho_policy::rules::small_frequencies::{Ploidy, safe_copies};
use sekisho_policy::schema::{Policy, Reading};

/// Where the number of people comes from.
#[derive(Debug, Clone, Copy)]
enum Number {
    /// Chromosomes are printed, perhaps people beside them.
    Alleles(usize, Option<usize>),
    /// People are printed.
    Subjects(usize),
    /// People are declared.
    People(u64),
    /// Chromosomes were inferred.
    Chromosomes(u64),
    /// Nobody is counted.
    Nobody,
}

/// Everybody, and nobody else, in columns of the usual kinds.
#[derive(Debug)]
pub struct Quick {
    minimum: u64,
    digits: u32,
    copies: Option<usize>,
    frequency: Option<usize>,
    genotypes: Vec<usize>,
    number: Number,
}

/// Fractions are held in hundred millionths.
const UNIT: u64 = 100_000_000;

impl Quick {
    /// `None`: groups of another kind.
    pub fn of(groups: &[Group], policy: &Policy) -> Option<Self> {
        let [group] = groups else { return None };
        let c = &group.columns;
        let others = [&c.carriers, &c.haploid, &c.paired, &c.slashes];
        let usual = policy.frequency.reading == Reading::Carriers
            && (1..1_000_000).contains(&policy.counts.minimum)
            && others.iter().all(|o| o.is_empty())
            && (c.other_copies.is_none() && c.fractions.is_empty() && group.fewest.is_none())
            && c.copies.len() <= 1
            && (c.frequencies.len() <= 1 || !c.copies.is_empty());
        let number = match (c.alleles, c.subjects, group.inferred, group.declared) {
            (Some(alleles), subjects, ..) => Number::Alleles(alleles, subjects),
            (None, Some(subjects), ..) => Number::Subjects(subjects),
            (None, None, Some(chromosomes), _) => Number::Chromosomes(chromosomes),
            (None, None, None, Some(people)) => Number::People(people),
            (None, None, None, None) => Number::Nobody,
        };
        let counted = match number {
            Number::Alleles(..) => true,
            Number::Nobody => c.frequencies.is_empty() && c.copies.is_empty(),
            _ => c.copies.is_empty(),
        };
        (usual && counted).then(|| Self {
            minimum: policy.counts.minimum,
            digits: policy.numbers.significant_digits,
            copies: c.copies.first().copied(),
            frequency: c.frequencies.first().map(|(column, _)| *column),
            genotypes: c.genotypes.clone(),
            number,
        })
    }

    /// The column of fractions: a row that is clear has a number without surplus digits there.
    pub fn fractions(&self) -> Option<usize> {
        self.frequency
    }

    /// Is it certain that this row says nothing about few people? Then with the chromosomes, where they are exact and
    /// one allele was counted. `span` gives beginning and length of a column's text.
    #[inline]
    pub fn clear(
        &self,
        text: &[u8],
        span: &impl Fn(usize) -> (usize, usize),
        ploidy: Ploidy,
    ) -> Option<Option<u64>> {
        let whole = |column: usize| {
            let (from, length) = span(column);
            Bytes::of(text, from, length).filter(|b| b.whole()).and_then(|_| number(text, from, length))
        };
        // Chromosomes from and to, people from and to.
        let (all, people) = match self.number {
            Number::Alleles(column, subjects) => {
                let all = whole(column)?;
                let (low, high) = of_people(ploidy, all);
                let exact = match subjects {
                    Some(column) => Some(whole(column)?).filter(|n| (low..=high).contains(n)),
                    None => None,
                };
                ((all, all), exact.map_or((low, high), |n| (n, n)))
            }
            Number::Subjects(column) => {
                let n = whole(column)?;
                (of_chromosomes(ploidy, n), (n, n))
            }
            Number::People(n) if n > UNIT => return None,
            Number::People(n) => (of_chromosomes(ploidy, n), (n, n)),
            Number::Chromosomes(n) => ((n, n), of_people(ploidy, n)),
            Number::Nobody => ((0, 0), (self.minimum, self.minimum)),
        };
        if people.0 < self.minimum || all.1 > 4 * UNIT {
            return None;
        }
        for column in &self.genotypes {
            if whole(*column)? < self.minimum {
                return None;
            }
        }
        let fraction = match self.frequency {
            Some(column) => Some(fraction(text, span(column), self.digits)?),
            None => None,
        };
        let enough = safe_copies(self.minimum).0;
        match (self.copies, fraction) {
            (Some(copies), fraction) => {
                let copies = whole(copies)?;
                if copies < enough || all.0.saturating_sub(copies) < enough {
                    return None;
                }
                if let Some((fraction, _)) = fraction {
                    // Within one in a thousand of what the copies say.
                    let (said, counted) = (fraction * all.0, copies * UNIT);
                    if said.abs_diff(counted) > all.0 * (UNIT / 1000) {
                        return None;
                    }
                }
            }
            (None, Some((fraction, margin))) => {
                // Two copies for what rounding to whole ones may take.
                let wanted = (enough + 2) * UNIT;
                let least = fraction.checked_sub(margin)? * all.0;
                let most = (fraction + 1 + margin) * all.1;
                if least < wanted || most + wanted > all.0 * UNIT {
                    return None;
                }
            }
            (None, None) => return Some(None),
        }
        Some((all.0 == all.1).then_some(all.0))
    }
}

fn of_people(ploidy: Ploidy, chromosomes: u64) -> (u64, u64) {
    let low = chromosomes.div_ceil(2);
    (low, if ploidy == Ploidy::Two { low } else { chromosomes })
}

fn of_chromosomes(ploidy: Ploidy, people: u64) -> (u64, u64) {
    let high = people * 2;
    (if ploidy == Ploidy::Two { high } else { people }, high)
}

/// `0.` with digits behind it, and by how much its rounding may have moved it at most.
#[inline]
fn fraction(text: &[u8], (from, length): (usize, usize), digits: u32) -> Option<(u64, u64)> {
    const HALF: [u64; 9] = [50_000_000, 5_000_000, 500_000, 50_000, 5_000, 500, 50, 5, 1];
    let bytes = Bytes::of(text, from, length)?;
    let first_is_zero = bytes.zeros & 1 == 1;
    if !(bytes.decimal() && first_is_zero && bytes.points == 2 && length > 2 && bytes.short(digits)) {
        return None;
    }
    let decimals = length - 2;
    let half = HALF[decimals.min(8)];
    // A little beside it, as the judgement allows for floating numbers.
    Some((hundred_millionths(text, from + 2, decimals)?, half + half / 100_000 + 8))
}
