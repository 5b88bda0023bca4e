//! Whole numbers that rounded fractions give away: `0.005` of 208 chromosomes is one chromosome.

use crate::numbers::{AlleleCount, Between};

/// How a tool rounded a column of fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rounding {
    /// This many digits after the point, whatever the size (`%.3f`).
    Decimals(u32),
    /// This many significant digits (`%.4g`).
    Significant(u32),
}

impl Rounding {
    /// Half a unit in the last place of `value`.
    pub fn half_unit(self, value: f64) -> f64 {
        match self {
            Self::Decimals(digits) => 0.5 * tenth_to(digits as i32),
            Self::Significant(digits) => {
                // Frequencies are below one; logarithms are slow.
                let (mut magnitude, mut power) = (0, 1.0);
                while value < power && magnitude > -12 {
                    power /= 10.0;
                    magnitude -= 1;
                }
                0.5 * tenth_to(digits as i32 - 1 - magnitude)
            }
        }
    }

    /// Reads the rounding off a sample of the column: `(value, digits after the point as printed)`.
    ///
    /// Tools that print significant digits give small values more decimals than large ones, and drop trailing
    /// zeros, so single values prove nothing; a digit position counts when at least one value in 50 uses it.
    pub fn of_column(sample: &[(f64, u32)]) -> Option<Self> {
        let large = common_decimals(sample.iter().filter(|(v, _)| *v >= 0.1).map(|(_, d)| *d));
        let small = common_decimals(sample.iter().filter(|(v, _)| *v > 0.0 && *v < 0.1).map(|(_, d)| *d));
        match (large, small) {
            (None, None) => None,
            (Some(digits), None) => Some(Self::Decimals(digits)),
            (Some(large), Some(small)) if small > large => Some(Self::Significant(large.max(1))),
            (large, Some(small)) => Some(Self::Decimals(small.max(large.unwrap_or(0)))),
        }
    }
}

fn common_decimals(decimals: impl Iterator<Item = u32>) -> Option<u32> {
    let mut seen = [0_usize; 24];
    let mut all = 0;
    for digits in decimals {
        seen[(digits as usize).min(23)] += 1;
        all += 1;
    }
    let needed = (all / 50).max(1);
    let mut at_least = 0;
    for digits in (0..24).rev() {
        at_least += seen[digits];
        if at_least >= needed && all > 0 {
            return Some(digits as u32);
        }
    }
    None
}

fn tenth_to(digits: i32) -> f64 {
    const TENTHS: [f64; 13] =
        [1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12];
    usize::try_from(digits).ok().and_then(|d| TENTHS.get(d).copied()).unwrap_or_else(|| 10_f64.powi(-digits))
}

/// The allele counts that `fraction` of `alleles` can mean.
///
/// Fractions of hard-called genotypes hit a whole number within their rounding. Expected counts of imputed
/// genotypes need not: then the real product is widened to the whole numbers around it.
pub fn alleles(fraction: f64, half_unit: f64, alleles: u64) -> Between<AlleleCount> {
    let all = alleles as f64;
    // Six printed digits of a float carry their own error: allow it beside the rounding.
    let slack = half_unit * all * 1.000_001 + 1e-9 * all.max(1.0);
    let product = fraction * all;
    let (low, high) = (up((product - slack).max(0.0)), (product + slack).min(all) as u64);
    let (low, high) = if low <= high { (low, high) } else { (product as u64, up(product)) };
    Between { low: AlleleCount(low), high: AlleleCount(high.min(alleles)) }
}

/// The next whole number, of numbers that are not negative: without a call into a library.
fn up(value: f64) -> u64 {
    let whole = value as u64;
    whole + u64::from((whole as f64) < value)
}

/// The people that a rounded percentage of `total` can mean.
pub fn percent_of(percent: f64, decimals: u32, total: u64) -> Option<(u64, u64)> {
    if !(0.0..=100.0).contains(&percent) {
        return None;
    }
    let half = 0.5 * tenth_to(decimals as i32) + 1e-9;
    let all = total as f64;
    let low = ((percent - half).max(0.0) / 100.0 * all).ceil();
    let high = ((percent + half).min(100.0) / 100.0 * all).floor();
    (low <= high).then_some((low as u64, high as u64))
}

/// Different fractions between zero and one with how far each may be off, in even steps through the sample, and how many
/// of them may miss.
fn different(sample: &[(f64, u32)], rounding: Rounding) -> (Vec<(f64, f64)>, usize) {
    let mut values: Vec<(f64, f64)> = sample
        .iter()
        .filter(|(v, _)| *v > 0.0 && *v < 1.0)
        .map(|(v, _)| (*v, rounding.half_unit(*v) * 1.000_001 + 1e-12))
        .collect();
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    values.dedup_by(|a, b| a.0 == b.0);
    // Enough to refuse wrong denominators at once.
    let step = (values.len() / 512).max(1);
    let values: Vec<_> = values.into_iter().step_by(step).collect();
    let may_miss = values.len() / 50;
    (values, may_miss)
}

/// The first of these denominators that makes (nearly) all values whole within their rounding.
fn first_fit(
    values: &[(f64, f64)],
    may_miss: usize,
    mut candidates: std::ops::RangeInclusive<u64>,
) -> Option<u64> {
    candidates.find(|candidate| {
        let all = *candidate as f64;
        let mut missed = 0;
        values.iter().all(|(value, half)| {
            let product = value * all;
            if (product - product.round()).abs() > half * all {
                missed += 1;
            }
            missed <= may_miss
        })
    })
}

const LARGEST: u64 = 400_000;

/// The smallest denominator that makes (nearly) all fractions of the sample whole within their rounding.
///
/// `None` when nothing fits, or when the rounding is too coarse to tell: the step between printed values must be at
/// most a tenth of the step between counts, or chance agreement could name a denominator that was never there.
pub fn denominator(sample: &[(f64, u32)], rounding: Rounding) -> Option<u64> {
    const FEWEST: usize = 20;
    let (values, may_miss) = different(sample, rounding);
    let (smallest, half) = *values.first()?;
    if sample.iter().filter(|(v, _)| *v > 0.0 && *v < 1.0).count() < FEWEST || values.len() < FEWEST {
        return None;
    }
    let coarsest = values.iter().map(|(_, half)| *half).fold(0.0, f64::max);
    let largest = ((0.1 / (2.0 * coarsest)) as u64).min(LARGEST);
    let first = ((1.0 / (smallest + half)) as u64).max(2);
    first_fit(&values, may_miss, first..=largest)
}

/// The smallest denominator that the fractions do not refute, by chance or not: people may be as few as that. `None`:
/// none up to some hundred thousand fits, or there is no fraction.
pub fn fewest(sample: &[(f64, u32)], rounding: Rounding) -> Option<u64> {
    let (values, may_miss) = different(sample, rounding);
    let (smallest, half) = *values.first()?;
    let first = ((1.0 / (smallest + half)) as u64).max(2);
    first_fit(&values, may_miss, first..=LARGEST)
}

/// Do the fractions of the sample share this denominator beyond chance?
pub fn shares(sample: &[(f64, u32)], rounding: Rounding, denominator: u64) -> bool {
    let mut values: Vec<f64> = sample.iter().map(|(v, _)| *v).filter(|v| *v > 0.0 && *v < 1.0).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let all = denominator as f64;
    let (mut fits, mut luck) = (0_usize, 0.0);
    for value in &values {
        let half = rounding.half_unit(*value) * 1.000_001 + 1e-12;
        let chance = (2.0 * half * all).min(1.0);
        if (value * all - (value * all).round()).abs() <= half * all {
            fits += 1;
            luck += chance.log10();
        }
    }
    fits * 50 >= values.len() * 49 && luck < -6.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn printed(values: impl Iterator<Item = f64>, digits: usize) -> Vec<(f64, u32)> {
        values
            .map(|v| {
                let text = format!("{v:.digits$}");
                let text = text.trim_end_matches('0').trim_end_matches('.');
                let decimals = text.split_once('.').map_or(0, |(_, d)| d.len() as u32);
                (text.parse().unwrap(), decimals)
            })
            .collect()
    }

    #[test]
    fn three_decimals_of_208_chromosomes_give_one_copy() {
        let copies = alleles(0.005, Rounding::Decimals(3).half_unit(0.005), 208);
        assert_eq!(copies, Between::exactly(AlleleCount(1)));
    }

    #[test]
    fn four_digits_of_2000_chromosomes_give_the_exact_count() {
        let rounding = Rounding::of_column(&[(0.0305, 4), (0.038, 3), (0.3895, 4)]).unwrap();
        assert_eq!(alleles(0.009, rounding.half_unit(0.009), 2000), Between::exactly(AlleleCount(18)));
        assert_eq!(alleles(0.0095, rounding.half_unit(0.0095), 2000), Between::exactly(AlleleCount(19)));
    }

    #[test]
    fn a_coarse_fraction_leaves_room() {
        let copies = alleles(0.001, 0.0005, 10_000);
        assert_eq!((copies.low, copies.high), (AlleleCount(5), AlleleCount(15)));
    }

    #[test]
    fn expected_counts_of_imputed_sites_round_outwards() {
        let copies = alleles(0.00931, 0.000_000_5, 2000);
        assert_eq!((copies.low, copies.high), (AlleleCount(18), AlleleCount(19)));
    }

    #[test]
    fn significant_digits_are_told_from_decimals() {
        let fixed = [(0.5, 1), (0.123, 3), (0.045, 3), (0.002, 3)];
        assert_eq!(Rounding::of_column(&fixed), Some(Rounding::Decimals(3)));
        let floating = [(0.5, 1), (0.1234, 4), (0.01234, 5), (0.001_234, 6)];
        assert_eq!(Rounding::of_column(&floating), Some(Rounding::Significant(4)));
    }

    #[test]
    fn an_unstated_denominator_is_found() {
        let sample = printed((1..=366).map(|k| k as f64 / 732.0), 6);
        let rounding = Rounding::of_column(&sample).unwrap();
        assert_eq!(denominator(&sample, rounding), Some(732));
    }

    #[test]
    fn three_decimals_never_prove_a_denominator_above_a_hundred() {
        let sample = printed((1..=208).map(|k| k as f64 / 208.0), 3);
        assert_eq!(denominator(&sample, Rounding::Decimals(3)), None);
    }

    #[test]
    fn coarse_fractions_may_be_of_few() {
        let sample = printed((1..=100).map(|k| k as f64 / 200.0), 3);
        assert_eq!(fewest(&sample, Rounding::Decimals(3)), Some(200));
        let sample = printed([0.2, 0.35].into_iter(), 2);
        assert_eq!(fewest(&sample, Rounding::Decimals(2)), Some(20), "4 and 7 of 20");
    }

    #[test]
    fn fractions_of_nothing_in_common_have_no_denominator() {
        let sample = printed((1..400).map(|k| (f64::from(k).sin() * 43_758.545_3).fract().abs()), 6);
        assert_eq!(denominator(&sample, Rounding::Decimals(6)), None);
    }

    #[test]
    fn four_fractions_of_a_known_denominator_are_no_chance() {
        let sample = printed([3.0, 7.0, 333.0, 401.0].iter().map(|k| k / 2000.0), 6);
        assert!(shares(&sample, Rounding::Decimals(6), 2000));
        let sample = printed([0.001_234, 0.5, 0.777_777, 0.3].into_iter(), 6);
        assert!(!shares(&sample, Rounding::Decimals(6), 2000));
        assert!(!shares(&[(0.5, 1), (0.2, 1)], Rounding::Decimals(1), 2000), "too coarse to tell");
    }

    #[test]
    fn percentages_give_people() {
        assert_eq!(percent_of(2.5, 1, 200), Some((5, 5)));
        assert_eq!(percent_of(0.0, 1, 200), Some((0, 0)));
        assert_eq!(percent_of(3.0, 0, 1000), Some((25, 35)));
        assert_eq!(percent_of(101.0, 0, 10), None);
    }

    proptest! {
        /// Whatever a tool prints, the true count is among the implied ones.
        #[test]
        fn the_true_count_is_always_possible(k in 0_u64..5000, extra in 1_u64..5000, digits in 2_usize..8) {
            let all = k + extra;
            let value: f64 = format!("{:.digits$}", k as f64 / all as f64).parse().unwrap();
            let found = alleles(value, Rounding::Decimals(digits as u32).half_unit(value), all);
            prop_assert!(found.low.0 <= k && k <= found.high.0, "{k}/{all} as {value}: {found}");
        }
    }
}
