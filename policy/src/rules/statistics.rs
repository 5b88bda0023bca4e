//! Hands each kind of evidence about results to the rule it falls under, which says what it weighs.

use super::{individual_plots, personal_information, plan_scope, small_counts, small_frequencies};
use crate::catalogue::statistics as say;
use crate::facts::{Evidence, FileFacts, Part, Statistics, What};
use crate::schema::{Policy, Weight};
use crate::{Finding, Verdict};

/// Every finding that follows from the tables of a file.
pub fn judge(policy: &Policy, file: &FileFacts) -> Vec<Finding> {
    file.parts
        .iter()
        .filter_map(|part| if let Part::Statistics(table) = part { Some(table) } else { None })
        .flat_map(|table| {
            let stale = (table.minimum != policy.counts.minimum).then(|| {
                Finding::new("reading", "5-4", Verdict::Block, say::other_limit())
                    .value(table.minimum)
                    .limit(policy.counts.minimum)
            });
            stale.into_iter().chain(table.evidence.iter().map(|found| finding(policy, table, found)))
        })
        .collect()
}

fn finding(policy: &Policy, table: &Statistics, found: &Evidence) -> Finding {
    let (rule, clause, weight) = weigh(policy, found.what);
    let list = |pick: fn(&crate::facts::Example) -> &String| {
        let mut seen: Vec<&str> = Vec::new();
        for text in found.examples.iter().map(pick).filter(|t| !t.is_empty()) {
            if seen.last() != Some(&text.as_str()) {
                seen.push(text);
            }
        }
        seen.join("; ")
    };
    let places = list(|e| &e.place);
    let place = match (found.about.is_empty(), places.is_empty()) {
        (true, _) => places,
        (false, true) => found.about.clone(),
        (false, false) => format!("{}: {places}", found.about),
    };
    let mut finding = Finding::new(rule, clause, weight, say::evidence(table, found))
        .at(place)
        .value(if found.examples.is_empty() { found.number.to_string() } else { list(|e| &e.value) });
    finding.limit = match found.what {
        What::ExtraDigits => policy.numbers.significant_digits.to_string(),
        What::FewCarriers
        | What::MaybeFewCarriers
        | What::SmallGenotype
        | What::SmallCount
        | What::DerivedCount => {
            format!("{} subjects", policy.counts.minimum)
        }
        What::FewSubjects
        | What::MaybeFewSubjects
        | What::ImpliedCount
        | What::MaybeImpliedCount
        | What::FewRows => {
            format!("{} subjects", policy.counts.minimum)
        }
        _ => String::new(),
    };
    finding
}

/// Rule id, clause and weight.
fn weigh(policy: &Policy, what: What) -> (&'static str, &'static str, Verdict) {
    let rules = [
        (small_frequencies::RULE, small_frequencies::CLAUSE, small_frequencies::weight(policy, what)),
        (small_counts::RULE, small_counts::CLAUSE, small_counts::weight(policy, what)),
        (individual_plots::RULE, individual_plots::CLAUSE, individual_plots::weight(what)),
        (plan_scope::RULE, plan_scope::CLAUSE, plan_scope::weight(what)),
        (personal_information::RULE, personal_information::CLAUSE, personal_information::weight(what)),
    ];
    let found = rules.into_iter().find_map(|(rule, clause, weight)| Some((rule, clause, weight?)));
    // What no rule claims was not understood.
    found.unwrap_or(("reading", "5-4", Verdict::Review))
}

/// A weight as policy sets it.
pub(super) fn of(weight: Weight) -> Verdict {
    match weight {
        Weight::Pass => Verdict::Pass,
        Weight::Review => Verdict::Review,
        Weight::Block => Verdict::Block,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Example;

    fn file(what: What) -> FileFacts {
        let example = Example { place: "line 3 (rs1)".into(), value: "4 copies".into() };
        let found = Evidence { what, about: "AC".into(), number: 2, examples: vec![example] };
        let table =
            Statistics { rows: 10, clear: 8, minimum: 10, subjects: String::new(), evidence: vec![found] };
        FileFacts { parts: vec![Part::Statistics(table)], ..FileFacts::default() }
    }

    #[test]
    fn straddling_and_zero_weigh_what_policy_says() {
        let mut policy = Policy::default();
        assert_eq!(judge(&policy, &file(What::MaybeFewCarriers))[0].verdict, Verdict::Review);
        policy.frequency.straddle = Weight::Block;
        policy.counts.zero = Weight::Pass;
        assert_eq!(judge(&policy, &file(What::MaybeFewCarriers))[0].verdict, Verdict::Block);
        assert_eq!(judge(&policy, &file(What::NoCarriers))[0].verdict, Verdict::Pass);
    }

    #[test]
    fn a_finding_names_the_place_the_value_and_the_limit() {
        let found = &judge(&Policy::default(), &file(What::FewCarriers))[0];
        assert_eq!((found.place.as_str(), found.value.as_str()), ("AC: line 3 (rs1)", "4 copies"));
        assert_eq!((found.rule.as_str(), found.clause.as_str()), ("small_frequencies", "5-4(2)(ii)"));
        assert_eq!(found.limit, "10 subjects");
        assert!(found.message.starts_with("2 of 10 sites"), "{}", found.message);
        assert!(!found.message_ja.is_empty() && !found.hint_ja.is_empty());
    }

    #[test]
    fn facts_gathered_against_another_limit_are_refused() {
        let mut policy = Policy::default();
        policy.counts.minimum = 20;
        assert_eq!(judge(&policy, &file(What::ZeroCount))[0].verdict, Verdict::Block);
    }
}
