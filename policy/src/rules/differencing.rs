//! `differencing`, clause `5-4(2)`: two tables about nearly the same people. What one says less what the other says is
//! about the few who are in only one of them, and a count of one to nine.
//!
//! Compared are numbers under the same labels, and numbers of chromosomes at the same sites: within a file, across the
//! request, and with every earlier release of the plan, whoever asked for it and when. Tables are told apart by nothing but
//! their numbers, because names and order are free to choose.

use super::Scope;
use super::shared_margins;
use crate::catalogue::{plan, statistics as say};
use crate::facts::{Comparable, FileFacts, Part};
use crate::{Finding, Policy, Verdict};

/// Tables of one request compared with each other and with earlier ones.
const MOST_TABLES: usize = 400;
/// Findings about one file; the rest would say the same.
const MOST_FINDINGS: usize = 20;
/// Fewer keys in common than this show nothing by themselves.
const FEWEST_LABELS: usize = 3;
const FEWEST_SITES: usize = 20;

/// Findings with the index of the file they are about.
pub fn judge(policy: &Policy, scope: &Scope<'_>, files: &[FileFacts]) -> Vec<(usize, Finding)> {
    let released: Vec<(String, Comparable)> = scope
        .earlier
        .releases
        .iter()
        .flat_map(|r| r.files.iter().map(move |f| (format!("{}/{}", r.request, f.name), f)))
        .flat_map(|(name, f)| f.tables.iter().map(move |t| (name.clone(), Comparable::from(t))))
        .collect();
    let mut tables: Vec<Side<'_>> = files
        .iter()
        .enumerate()
        .flat_map(|(at, file)| file.parts.iter().map(move |p| (at, file, p)))
        .filter_map(|(at, file, part)| match part {
            Part::Comparable(table) => Some(Side::of(Some(at), &file.path, table)),
            _ => None,
        })
        .collect();
    let mut findings = Findings::default();
    for side in tables.iter().skip(MOST_TABLES) {
        findings.add(side.file, Verdict::Review, say::too_many_tables(MOST_TABLES), "", "");
    }
    tables.truncate(MOST_TABLES);
    let earlier: Vec<Side<'_>> = released.iter().map(|(name, table)| Side::of(None, name, table)).collect();
    if scope.earlier.missing > 0 || scope.earlier.releases.iter().flat_map(|r| &r.files).any(|f| !f.whole) {
        for side in &tables {
            findings.add(side.file, Verdict::Review, plan::not_kept(), "earlier releases", "");
        }
    }
    for (i, table) in tables.iter().enumerate() {
        for other in tables[i + 1..].iter().chain(&earlier) {
            let Some(found) = difference(policy, table, other) else { continue };
            let words = || match (found.matched, other.file) {
                (false, _) => say::like_cohorts(policy.counts.minimum),
                (_, Some(_)) => say::differencing(policy.counts.minimum),
                (_, None) => say::differencing_earlier(policy.counts.minimum),
            };
            for (at, against) in [(table, other), (other, table)] {
                let place = format!("{} | {}", against.name, found.place);
                findings.add(at.file, found.verdict, words(), &place, &found.value);
                if table.file == other.file {
                    break;
                }
            }
        }
    }
    for (index, finding) in shared_margins::judge(policy, &tables, &earlier) {
        findings.push(index, finding);
    }
    let limit = format!("{} subjects", policy.counts.minimum);
    findings.list.into_iter().map(|(at, finding)| (at, finding.limit(&limit))).collect()
}

/// Findings so far, a bounded number for each file, none of them twice.
#[derive(Default)]
struct Findings {
    list: Vec<(usize, Finding)>,
}

impl Findings {
    fn add(
        &mut self,
        file: Option<usize>,
        verdict: Verdict,
        words: crate::catalogue::Words,
        place: &str,
        value: &str,
    ) {
        let Some(index) = file else { return };
        self.push(index, Finding::new(RULE, CLAUSE, verdict, words).at(place).value(value));
    }

    fn push(&mut self, index: usize, finding: Finding) {
        let same = |f: &Finding| f.place == finding.place && f.message == finding.message;
        let worse = |f: &Finding| f.verdict >= finding.verdict;
        let of_file = || self.list.iter().filter(|(at, _)| *at == index).map(|(_, f)| f);
        if of_file().any(|f| same(f) && worse(f)) || of_file().filter(|f| worse(f)).count() >= MOST_FINDINGS {
            return;
        }
        self.list.push((index, finding));
    }
}

const RULE: &str = "differencing";
const CLAUSE: &str = "5-4(2)";

/// One table, ready to be compared.
pub(super) struct Side<'a> {
    /// Index in the request; `None` for an earlier release.
    pub(super) file: Option<usize>,
    /// Where it stands.
    pub(super) name: &'a str,
    /// What it says.
    pub(super) table: &'a Comparable,
    /// Key, number and name, by key.
    sorted: Vec<(u64, u64, &'a str)>,
    /// The number most of its entries have.
    usual: Option<u64>,
}

impl<'a> Side<'a> {
    fn of(file: Option<usize>, name: &'a str, table: &'a Comparable) -> Self {
        let mut sorted: Vec<_> = table.entries.iter().map(|e| (e.key, e.number, e.name.as_str())).collect();
        sorted.sort_unstable();
        let mut numbers: Vec<u64> = table.entries.iter().map(|e| e.number).collect();
        numbers.sort_unstable();
        let runs = numbers.chunk_by(|a, b| a == b).map(|run| (run.len(), run[0]));
        let usual = runs.max().filter(|(times, _)| times * 2 >= numbers.len()).map(|(_, number)| number);
        Self { file, name, table, sorted, usual }
    }

    /// Name and both numbers under every key that two tables share.
    pub(super) fn shared<'b>(&'b self, other: &'b Side<'_>) -> Vec<(&'a str, u64, u64)> {
        let mut shared = Vec::new();
        let mut theirs = other.sorted.iter().peekable();
        for (key, number, name) in &self.sorted {
            while theirs.next_if(|(k, ..)| k < key).is_some() {}
            if let Some((_, other, _)) = theirs.peek().filter(|(k, ..)| k == key) {
                shared.push((*name, *number, *other));
            }
        }
        shared
    }
}

/// What two tables give away together.
struct Difference {
    verdict: Verdict,
    place: String,
    value: String,
    /// By keys in common, else only by the size of their cohorts.
    matched: bool,
}

/// Do two tables give few people away together? Where, and how many.
fn difference(policy: &Policy, one: &Side<'_>, other: &Side<'_>) -> Option<Difference> {
    let sites = one.table.sites;
    if sites != other.table.sites {
        return None;
    }
    let shared = one.shared(other);
    // A person has two chromosomes, or one.
    let people = |a: u64, b: u64| a.abs_diff(b).div_ceil(if sites { 2 } else { 1 });
    let few = |a: u64, b: u64| a != b && people(a, b) < policy.counts.minimum;
    let unit = if sites { " chromosomes" } else { "" };
    let Some((name, a, b)) = shared.iter().find(|(_, a, b)| few(*a, *b)) else {
        // Sites under other names, or other sites: nothing to subtract, and yet perhaps the same people but for a few.
        let (a, b) = (one.usual?, other.usual?);
        let alike = sites && shared.len() < FEWEST_SITES && few(a, b);
        return alike.then(|| Difference {
            verdict: Verdict::Review,
            place: format!("{} sites in common", shared.len()),
            value: format!("{a} and {b}{unit}"),
            matched: false,
        });
    };
    let near = shared.iter().filter(|(_, a, b)| people(*a, *b) < policy.counts.minimum).count();
    let differ = shared.iter().filter(|(_, a, b)| few(*a, *b)).count();
    // The same people but for a few: nearly all numbers are nearly the same.
    let same_people = near * 5 >= shared.len() * 4;
    let verdict = match (sites, shared.len()) {
        // Neither many in common nor padding around them makes few people safe.
        (true, n) if n < FEWEST_SITES => Verdict::Review,
        (true, n) if same_people && differ * 2 >= n => Verdict::Block,
        (true, n) if differ >= FEWEST_SITES && differ * 10 >= n => Verdict::Review,
        (false, n) if n < FEWEST_LABELS && same_people => Verdict::Review,
        (false, n) if n >= FEWEST_LABELS && same_people => Verdict::Block,
        (false, n) if differ >= FEWEST_LABELS && differ * 2 >= n => Verdict::Review,
        _ => return None,
    };
    let place =
        if name.is_empty() { format!("{} sites in common", shared.len()) } else { (*name).to_owned() };
    Some(Difference { verdict, place, value: format!("{a} and {b}{unit}"), matched: true })
}

#[cfg(test)]
#[path = "differencing_test.rs"]
mod test;
