//! Columns whose values may be a code: a table of results can carry one person's genotypes in any column, as three
//! words, three numbers with noise on them, or the last digit of honest ones.
//!
//! Honest statistics of many sites differ from site to site. Where they take a handful of values in turn, lie in a few
//! heaps far apart, or always end with the same few digits, a person has to look.

use super::printed::{self, Number};
use super::tally::{Tally, words};
use sekisho_policy::facts::What;

/// Fewer rows than this show nothing about themselves.
const FEWEST: usize = 20;
/// Rows compared with each other.
const WINDOW: usize = 512;
/// All rows up to this one are looked at; of later ones, one window in [`EVERY`].
const ALL: u64 = 1 << 16;
const EVERY: u64 = 16;
/// More different values than this are no code for a genotype.
const LEVELS: usize = 4;
/// How much wider than its neighbours the gap between two heaps is.
const GAP: f64 = 25.0;

/// What is looked for in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Few different values.
    Levels,
    /// Few different values unless one of them is the rule: rates and counts of what is missing.
    Exceptions,
    /// Few different values, none of them nearly always: words about a site.
    Words,
    /// Few different values, or large heaps: most frequencies are small, and small heaps tell nothing.
    Frequencies,
    /// All of it, last digits included.
    Everything,
}

/// The values of one column, a window at a time.
#[derive(Debug, Clone)]
pub struct Code {
    look: Look,
    seen: u64,
    first: u64,
    /// Values of this window.
    numbers: Vec<Number>,
    levels: Vec<(Vec<u8>, u32)>,
    /// The last level, and how often it changed.
    last: usize,
    changes: u32,
    rows: u32,
    /// What was found first: its line and its description.
    found: Option<(u64, String)>,
    windows: u64,
}

impl Code {
    /// Looks for a code.
    pub fn new(look: Look) -> Self {
        Self {
            look,
            seen: 0,
            first: 0,
            numbers: Vec::new(),
            levels: Vec::new(),
            last: usize::MAX,
            changes: 0,
            rows: 0,
            found: None,
            windows: 0,
        }
    }

    /// Takes the value of the row at `line`.
    #[inline]
    pub fn add(&mut self, text: &[u8], line: u64) {
        self.seen += 1;
        if self.seen > ALL && !(self.seen / WINDOW as u64).is_multiple_of(EVERY) {
            return;
        }
        self.look_at(text, line);
    }

    /// How many of the next rows are not looked at.
    pub fn idle(&self) -> u64 {
        let next = self.seen + 1;
        let window = next / WINDOW as u64;
        if next <= ALL || window.is_multiple_of(EVERY) {
            return 0;
        }
        window.next_multiple_of(EVERY) * WINDOW as u64 - next
    }

    /// Passes over rows that are not looked at: at most as many as [`Code::idle`] says.
    pub fn pass(&mut self, rows: u64) {
        self.seen += rows;
    }

    fn look_at(&mut self, text: &[u8], line: u64) {
        if self.rows == 0 {
            self.first = line;
        }
        self.rows += 1;
        if self.levels.len() <= LEVELS {
            let text = &text[..text.len().min(64)];
            let at = self.levels.iter().position(|(t, _)| t == text).unwrap_or_else(|| {
                self.levels.push((text.to_vec(), 0));
                self.levels.len() - 1
            });
            self.levels[at].1 += 1;
            self.changes += u32::from(self.last != at && self.last != usize::MAX);
            self.last = at;
        }
        if matches!(self.look, Look::Frequencies | Look::Everything) {
            self.numbers.extend(printed::parse(text));
        }
        if self.rows as usize >= WINDOW {
            self.judge();
        }
    }

    /// Judges the window and begins the next.
    fn judge(&mut self) {
        if let Some(found) = self.window() {
            self.windows += 1;
            self.found.get_or_insert((self.first, found));
        }
        self.numbers.clear();
        self.levels.clear();
        (self.last, self.changes, self.rows) = (usize::MAX, 0, 0);
    }

    fn window(&mut self) -> Option<String> {
        if (self.rows as usize) < FEWEST {
            return None;
        }
        if let Some(found) = self.few_levels() {
            return Some(found);
        }
        // Rounding makes heaps of its own, one step apart; small values may have more digits than large ones.
        let steps: [f64; 31] = std::array::from_fn(|decimals| 10_f64.powi(-(decimals as i32)));
        let step = |n: &Number| steps[n.decimals.min(30) as usize];
        let mut values: Vec<(f64, f64)> =
            self.numbers.iter().filter(|n| n.value.is_finite()).map(|n| (n.value, step(n))).collect();
        // The smallest heap, as a part of all values.
        let least = if self.look == Look::Frequencies { 6 } else { 20 };
        if let Some(heaps) = heaps(&mut values, least) {
            return Some(format!("{heaps} heaps of values far apart"));
        }
        if self.look == Look::Everything { last_digits(&self.numbers) } else { None }
    }

    /// Two to four values that take turns.
    fn few_levels(&self) -> Option<String> {
        if !(2..=LEVELS).contains(&self.levels.len()) {
            return None;
        }
        let least = (self.rows / 50).max(2);
        let common = self.levels.iter().filter(|(_, n)| *n >= least).count();
        let most = self.levels.iter().map(|(_, n)| *n).max().unwrap_or(0);
        let rule = match self.look {
            Look::Exceptions => most * 2 >= self.rows,
            Look::Words => most * 10 >= self.rows * 9,
            _ => false,
        };
        // Sorted or blocked rows change seldom.
        let turns = self.changes * 10 >= self.rows;
        (common >= 2 && turns && !rule).then(|| {
            let shown: Vec<String> = self.levels.iter().map(|(t, _)| words(t)).collect();
            format!("only {}", shown.join(", "))
        })
    }

    /// Adds what was found, under the column's name.
    pub fn close(mut self, name: &str, tally: &mut Tally) {
        self.judge();
        let Some((line, found)) = self.found else { return };
        let about = tally.name(name);
        tally.add_many(What::CodedColumn, about, self.windows, || (format!("from line {line}"), found));
    }
}

/// Does the sample of values lie in a few heaps, and in how many?
fn heaps(values: &mut [(f64, f64)], least: usize) -> Option<usize> {
    if values.len() < 2 * FEWEST {
        return None;
    }
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let n = values.len();
    let (edge, window) = ((n / least).max(3), (n / 10).max(5));
    // Different values up to each: equal ones say nothing about the distance to the next.
    let mut different = vec![0_u32; n];
    for at in 1..n {
        different[at] = different[at - 1] + u32::from(values[at - 1].0 < values[at].0);
    }
    let spacing = |from: usize, to: usize| {
        let steps = different[to - 1] - different[from];
        (steps > 0).then(|| (values[to - 1].0 - values[from].0) / f64::from(steps))
    };
    let mut cuts = Vec::new();
    for at in edge..n - edge {
        let gap = values[at].0 - values[at - 1].0;
        let step = values[at].1.max(values[at - 1].1);
        if gap <= 0.0 {
            continue;
        }
        let left = spacing(at.saturating_sub(window), at);
        let right = spacing(at, (at + window).min(n));
        let widest = match (left, right) {
            (Some(a), Some(b)) => a.max(b),
            (Some(a), None) | (None, Some(a)) => a,
            // Equal values on both sides.
            (None, None) => 0.0,
        };
        if gap > widest.max(step) * GAP && !threshold(values, at) {
            cuts.push(at);
        }
    }
    ((1..LEVELS).contains(&cuts.len())).then_some(cuts.len() + 1)
}

/// Only large effects were kept: none lies around zero (or, of ratios, around one), and the others are spread out.
fn threshold(values: &[(f64, f64)], at: usize) -> bool {
    let (below, above) = (values[at - 1].0, values[at].0);
    let around = [0.0, 1.0].iter().any(|none| below < *none && *none < above);
    let spread = (below - values[0].0).min(values[values.len() - 1].0 - above);
    around && spread * 6.0 >= above - below
}

/// Do long numbers end with the same few digits?
fn last_digits(numbers: &[Number]) -> Option<String> {
    let long: Vec<&Number> = numbers.iter().filter(|n| !n.whole).collect();
    let decimals = long.iter().map(|n| n.decimals).max().filter(|d| (1..=12).contains(d))?;
    let mut counts = [0_usize; 10];
    let mut all = 0;
    for n in long.iter().filter(|n| n.decimals == decimals) {
        let digits = (n.value.abs() * 10_f64.powi(decimals as i32)).round();
        if digits < 1e15 {
            counts[(digits as u64 % 10) as usize] += 1;
            all += 1;
        }
    }
    let used: Vec<usize> = (0..10).filter(|d| counts[*d] > 0).collect();
    // Even steps of a grid are no digits of their own.
    let grid = used.iter().all(|d| d % 5 == 0) || used.iter().all(|d| d % 2 == 0);
    (all >= 2 * FEWEST && (2..LEVELS).contains(&used.len()) && !grid)
        .then(|| format!("last digits are only {used:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(look: Look, values: impl Iterator<Item = String>) -> bool {
        let mut code = Code::new(look);
        values.enumerate().for_each(|(i, v)| code.add(v.as_bytes(), i as u64));
        let mut tally = Tally::default();
        code.close("x", &mut tally);
        tally.number(What::CodedColumn) > 0
    }

    fn genotype(i: usize) -> usize {
        (i * 7 + i * i * 5) % 11 % 3
    }

    /// A number between zero and one that looks random.
    fn noise(i: usize) -> f64 {
        ((i as f64 * 12.9898 + 4.1).sin() * 43_758.545_3).fract().abs()
    }

    #[test]
    fn passing_over_idle_rows_is_adding_them() {
        let mut code = Code::new(Look::Levels);
        for row in 0..200_000_u64 {
            let before = (code.rows, code.windows, code.changes);
            let idle = code.idle();
            code.add([b"a", b"b"][row as usize % 2], row);
            // Idle rows change nothing; the first that is not is looked at.
            assert_eq!(idle > 0, before == (code.rows, code.windows, code.changes), "{row}");
            assert!(idle == 0 || code.idle() == idle - 1, "{row}");
        }
    }

    #[test]
    fn three_words_or_numbers_in_turn_are_a_code() {
        assert!(found(Look::Levels, (0..60).map(|i| ["PASS", "q10", "s50"][genotype(i)].into())));
        assert!(found(Look::Everything, (0..60).map(|i| format!("{}", 10 * genotype(i) + 20))));
        assert!(found(Look::Everything, (0..60).map(|i| ["0", "0.5", "1"][genotype(i)].into())));
    }

    #[test]
    fn noise_does_not_hide_three_heaps() {
        for width in [0.02, 0.2, 0.5] {
            let values = |n: usize| {
                (0..n).map(move |i| format!("{:.5}", genotype(i) as f64 + (noise(i) - 0.5) * width))
            };
            assert!(found(Look::Everything, values(90)), "{width}");
            assert!(found(Look::Everything, values(5000)), "{width}");
        }
    }

    #[test]
    fn a_digit_at_the_end_is_seen() {
        let values = (0..100).map(|i| format!("{:.3}{}", noise(i) * 40.0, [1, 4, 7][genotype(i)]));
        assert!(found(Look::Everything, values));
    }

    #[test]
    fn a_list_of_the_strongest_effects_is_no_code() {
        let effect = |i: usize| 0.014 + noise(i).powi(3) * 0.03;
        let values = (0..93).map(|i| format!("{:.3}", if i % 2 == 0 { effect(i) } else { -effect(i) }));
        assert!(!found(Look::Everything, values));
    }

    #[test]
    fn blocks_of_equal_words_are_no_code() {
        assert!(!found(Look::Levels, (0..90).map(|i| ["EUR", "EAS", "AFR"][i / 30].into())));
        assert!(!found(Look::Levels, (0..90).map(|_| "ADD".into())));
    }

    #[test]
    fn a_rule_with_exceptions_is_no_code() {
        assert!(!found(Look::Exceptions, (0..90).map(|i| ["0", "0", "0", "0.001"][i * 7 % 4].into())));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// Statistics as tools print them: normal, skewed and uniform, whatever their scale and rounding.
        #[test]
        fn honest_statistics_are_no_code(seed in 0_usize..100_000, n in 20_usize..3000, digits in 3_usize..7, shape in 0..4) {
            let values = (0..n).map(|i| {
                let (u, v) = (noise(seed + 2 * i).max(1e-9), noise(seed + 2 * i + 1));
                let normal = (-2.0 * u.ln()).sqrt() * (v * std::f64::consts::TAU).cos();
                let value = match shape {
                    0 => normal * 0.05,
                    1 => (normal - 3.0).exp(),
                    2 => v,
                    _ => -u.ln(),
                };
                format!("{value:.digits$}")
            });
            prop_assert!(!found(Look::Everything, values));
        }
    }
}
