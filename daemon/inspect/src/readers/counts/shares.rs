//! Shares that stand beside a count: together they say how many the others are (`5-4(2)(i)`).

use super::cells::Read;
use super::grid::Grid;
use super::words::Word;
use crate::readers::tally::Tally;
use sekisho_policy::facts::What;
use sekisho_policy::implied;
use sekisho_policy::rules::small_counts::is_small;
use sekisho_policy::schema::Policy;

/// A share with its decimals.
type Share = (f64, u32);
/// The smallest and the largest possible number of people.
type Range = (u64, u64);

/// Looks at every share whose count is visible. `scale`: what makes a column of shares percentages.
pub fn beside_counts(grid: &Grid, policy: &Policy, scale: &dyn Fn(usize) -> f64, tally: &mut Tally) {
    for column in 0..grid.header.len() {
        for row in 0..grid.cells.len() {
            if let Read::CountPercent { count, percent, decimals } = grid.cells[row][column] {
                let base = grid.stated(column).map(|n| (n, n)).or_else(|| base(count, (percent, decimals)));
                others(grid, policy, (row, column), count, (percent, decimals), base, tally);
            }
        }
        if grid.roles[column] == Word::Percent {
            column_of_shares(grid, policy, column, scale(column), tally);
        }
    }
}

fn column_of_shares(grid: &Grid, policy: &Policy, column: usize, scale: f64, tally: &mut Tally) {
    let Some(counts) = (0..column).rev().find(|c| grid.roles[*c] == Word::Count) else { return };
    let less = if scale > 1.0 { 2 } else { 0 };
    let pairs: Vec<(usize, u64, Share)> = (0..grid.cells.len())
        .filter_map(|row| {
            let share = match grid.cells[row][column] {
                Read::Number(n) => (n.value * scale, n.decimals.saturating_sub(less)),
                Read::Percent { percent, decimals } => (percent, decimals),
                _ => return None,
            };
            let Read::Number(n) = grid.cells[row][counts] else { return None };
            let whole = n.value > 0.0 && n.value.fract() == 0.0 && (0.0..=100.0).contains(&share.0);
            whole.then_some((row, n.value as u64, share))
        })
        .collect();
    // One base for all rows: the counts are shared out.
    let common = pairs.iter().try_fold((0, u64::MAX), |(low, high), (_, count, share)| {
        let (a, b) = base(*count, *share)?;
        (low.max(a) <= high.min(b)).then_some((low.max(a), high.min(b)))
    });
    let plain = matches!(grid.header[column].trim(), "%" | "％" | "percent" | "Percent" | "pct");
    let shared_out = common.is_some() && (pairs.len() > 1 || plain);
    let about = tally.name(&grid.header[column]);
    for (row, count, share) in pairs {
        if shared_out {
            others(grid, policy, (row, column), count, share, common, tally);
            continue;
        }
        // A share of the people beside it.
        let Some((low, high)) = implied::percent_of(share.0, share.1, count) else { continue };
        for (low, high) in [(low, high), (count - high, count - low)] {
            let what = match weigh(policy, (low, high)) {
                Some(true) => What::ImpliedCount,
                Some(false) => What::MaybeImpliedCount,
                None => continue,
            };
            tally.add(what, about, || {
                (grid.place(row, column), format!("{} % of {count} = {}", share.0, shown((low, high))))
            });
        }
    }
}

/// The people that the share leaves out.
fn others(
    grid: &Grid,
    policy: &Policy,
    (row, column): (usize, usize),
    count: u64,
    share: Share,
    base: Option<Range>,
    tally: &mut Tally,
) {
    let Some((low, high)) = base.filter(|_| share.0 < 100.0 && share.0 > 0.0) else { return };
    let rest = (low.saturating_sub(count), high.saturating_sub(count));
    let what = match weigh(policy, rest) {
        Some(true) => What::DerivedCount,
        Some(false) => What::MaybeImpliedCount,
        None => return,
    };
    let about = tally.name(&grid.header[column]);
    tally.add(what, about, || {
        (grid.place(row, column), format!("{} = {} less {count}", shown(rest), shown((low, high))))
    });
}

/// Certainly small, perhaps, or neither. Nobody at all is no small number.
fn weigh(policy: &Policy, (low, high): Range) -> Option<bool> {
    if low > 0 && is_small(policy, high) {
        Some(true)
    } else if high > 0 && low < policy.counts.minimum {
        Some(false)
    } else {
        None
    }
}

/// The people of whom `count` are this share.
fn base(count: u64, (percent, decimals): Share) -> Option<Range> {
    let half = 0.5 * 10_f64.powi(-(decimals.min(12) as i32)) + 1e-9;
    let all = count as f64 * 100.0;
    let low = (all / (percent + half)).ceil();
    let high = if percent > half { (all / (percent - half)).floor() } else { 1e15 };
    (percent > 0.0 && low <= high).then_some(((low as u64).max(count), (high as u64).max(count)))
}

fn shown((low, high): Range) -> String {
    if low == high { low.to_string() } else { format!("{low} to {high}") }
}

#[cfg(test)]
mod tests {
    use crate::readers::testing::check;
    use sekisho_policy::Verdict;

    #[test]
    fn a_share_of_nearly_all_beside_its_count_gives_the_others() {
        for (text, verdict) in [
            ("sex,n,%\nmale,117,97.5\n", Verdict::Block),
            ("group,n,pct_male\na,120,97.5\nb,200,50.0\n", Verdict::Block),
            ("group,n,pct_male\na,120,2.5\nb,200,50.0\n", Verdict::Block),
            ("group,n,share_male\na,120,0.975\nb,200,0.5\n", Verdict::Block),
            ("variable,all\nmale,117 (97.5)\nsmoker,60 (50.0)\n", Verdict::Block),
            ("group,n,pct_male\na,1200,99.5\nb,2000,50.0\n", Verdict::Block),
            ("group,n,pct_male\na,12000,99.9\nb,20000,50.0\n", Verdict::Review),
            ("group,n,pct_male\na,1200,97.5\nb,2000,50.0\n", Verdict::Pass),
            ("sex,n,%\nmale,60,50.0\nfemale,60,50.0\n", Verdict::Pass),
            ("sex,n,%\nmale,1100,91.7\nfemale,100,8.3\n", Verdict::Pass),
        ] {
            let report = check(text.as_bytes());
            assert_eq!(report.verdict, verdict, "{text}: {:#?}", report.findings);
        }
    }
}
