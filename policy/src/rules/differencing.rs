//! `5-4(2)`: two tables about nearly the same people. What one says less what the other says is about the few who are in
//! only one of them, and a count of one to nine.
//!
//! Compared are numbers under the same labels, and numbers of chromosomes at the same sites, of all tables of a request.

use crate::catalogue::statistics as say;
use crate::facts::{Comparable, FileFacts, Part};
use crate::{Finding, Policy, Verdict};
use std::collections::BTreeMap;

/// Tables compared with each other.
const MOST_TABLES: usize = 400;
/// Fewer keys in common than this show nothing by themselves.
const FEWEST_LABELS: usize = 3;
const FEWEST_SITES: usize = 20;

/// Findings with the index of the file they are about.
pub fn judge(policy: &Policy, files: &[FileFacts]) -> Vec<(usize, Finding)> {
    let tables: Vec<(usize, &Comparable)> = files
        .iter()
        .enumerate()
        .flat_map(|(at, file)| file.parts.iter().map(move |p| (at, p)))
        .filter_map(|(at, part)| if let Part::Comparable(table) = part { Some((at, table)) } else { None })
        .take(MOST_TABLES)
        .collect();
    let mut findings = Vec::new();
    for (i, (file, table)) in tables.iter().enumerate() {
        for (other_file, other) in &tables[i + 1..] {
            let Some((verdict, place, value)) = difference(policy, table, other) else { continue };
            for (at, against) in [(*file, *other_file), (*other_file, *file)] {
                let finding =
                    Finding::new("differencing", "5-4(2)", verdict, say::differencing(policy.counts.minimum))
                        .at(format!("{} | {place}", files[against].path))
                        .value(value.clone())
                        .limit(format!("{} subjects", policy.counts.minimum));
                findings.push((at, finding));
                if file == other_file {
                    break;
                }
            }
        }
    }
    findings
}

/// Do two tables give few people away together? Where, and how many.
fn difference(policy: &Policy, one: &Comparable, other: &Comparable) -> Option<(Verdict, String, String)> {
    if one.sites != other.sites {
        return None;
    }
    let numbers: BTreeMap<u64, u64> = other.entries.iter().map(|e| (e.key, e.number)).collect();
    let shared: Vec<(&str, u64, u64)> = one
        .entries
        .iter()
        .filter_map(|e| numbers.get(&e.key).map(|n| (e.name.as_str(), e.number, *n)))
        .collect();
    // A person has two chromosomes, or one.
    let people = |a: u64, b: u64| a.abs_diff(b).div_ceil(if one.sites { 2 } else { 1 });
    let near = shared.iter().filter(|(_, a, b)| people(*a, *b) < policy.counts.minimum).count();
    let small = |(_, a, b): &&(&str, u64, u64)| a != b && people(*a, *b) < policy.counts.minimum;
    let first = shared.iter().find(small)?;
    // The same people but for a few: nearly all numbers are nearly the same.
    if near * 5 < shared.len() * 4 {
        return None;
    }
    let differ = shared.iter().filter(small).count();
    let verdict = match (one.sites, shared.len()) {
        (true, n) if n < FEWEST_SITES => return None,
        (true, n) if differ * 2 < n => return None,
        (false, n) if n < FEWEST_LABELS => Verdict::Review,
        _ => Verdict::Block,
    };
    let (name, a, b) = first;
    let unit = if one.sites { " chromosomes" } else { "" };
    let place =
        if name.is_empty() { format!("{} sites in common", shared.len()) } else { (*name).to_owned() };
    Some((verdict, place, format!("{a} and {b}{unit}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Entry;

    fn file(sites: bool, numbers: &[u64]) -> FileFacts {
        let entries = numbers
            .iter()
            .enumerate()
            .map(|(key, number)| Entry { key: key as u64, number: *number, name: String::new() })
            .collect();
        FileFacts { parts: vec![Part::Comparable(Comparable { sites, entries })], ..FileFacts::default() }
    }

    fn worst(sites: bool, one: &[u64], other: &[u64]) -> Option<Verdict> {
        let found = judge(&Policy::default(), &[file(sites, one), file(sites, other)]);
        assert!(found.is_empty() || found.len() == 2, "each file is told");
        found.iter().map(|(_, f)| f.verdict).max()
    }

    #[test]
    fn one_to_nine_people_between_two_tables_block_none_and_ten_do_not() {
        let table = [1000, 480, 520, 300];
        for (removed, verdict) in
            [(0, None), (1, Some(Verdict::Block)), (9, Some(Verdict::Block)), (10, None)]
        {
            let other: Vec<u64> = table.iter().map(|n| n - removed).collect();
            assert_eq!(worst(false, &table, &other), verdict, "{removed}");
        }
        assert_eq!(worst(false, &table, &[1000, 478, 522, 300]), Some(Verdict::Block), "two moved");
    }

    #[test]
    fn other_people_with_a_number_that_is_near_by_chance_are_other_people() {
        assert_eq!(worst(false, &[1000, 480, 520, 300], &[2000, 900, 1100, 305]), None);
        assert_eq!(worst(false, &[1000], &[997]), Some(Verdict::Review));
    }

    #[test]
    fn one_person_less_at_every_site_is_seen() {
        let sites = vec![758; 60];
        for (chromosomes, verdict) in
            [(758, None), (756, Some(Verdict::Block)), (740, Some(Verdict::Block)), (738, None)]
        {
            assert_eq!(worst(true, &sites, &vec![chromosomes; 60]), verdict, "{chromosomes}");
        }
    }
}
