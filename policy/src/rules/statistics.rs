//! Which rule and clause each kind of evidence about results falls under, and what it weighs.

use crate::catalogue::statistics as say;
use crate::facts::{Evidence, FileFacts, Part, Statistics, What};
use crate::schema::{Policy, Reading, Weight};
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
    let (rule, clause) = rule(found.what);
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
    let mut finding = Finding::new(rule, clause, weight(policy, found), say::evidence(table, found))
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

/// Rule id and clause.
fn rule(what: What) -> (&'static str, &'static str) {
    match what {
        What::FewSubjects
        | What::MaybeFewSubjects
        | What::FewCarriers
        | What::MaybeFewCarriers
        | What::NoCarriers
        | What::UnknownSubjects
        | What::SubjectsRefuted
        | What::UnprovenSubjects
        | What::UnclearFractions => ("small_frequencies", "5-4(2)(ii)"),
        What::SmallGenotype
        | What::NoGenotype
        | What::SmallCount
        | What::ZeroCount
        | What::DerivedCount
        | What::ImpliedCount
        | What::MaybeImpliedCount
        | What::Unsolved
        | What::SubjectRows
        | What::UnclearCounts
        | What::UnclearRows
        | What::UnknownBase
        | What::Extreme
        | What::SmallDifference
        | What::FewRows => ("small_counts", "5-4(2)(i)"),
        What::SubjectFeatures | What::Noise => ("individual_plots", "5-4(2)(iii)"),
        What::Unparsed | What::UnclearText | What::RunLog | What::EncodedText | What::Hidden => {
            ("reading", "5-4")
        }
        What::ExtraDigits | What::CodedColumn => ("plan_scope", "5-4(3)"),
        What::Personal | What::MaybePersonal => ("personal_information", "5-4(1)"),
    }
}

fn weight(policy: &Policy, found: &Evidence) -> Verdict {
    match found.what {
        What::FewSubjects
        | What::FewCarriers
        | What::SmallGenotype
        | What::SmallCount
        | What::DerivedCount
        | What::ImpliedCount
        | What::SubjectRows
        | What::Personal => Verdict::Block,
        What::MaybeFewSubjects | What::MaybeFewCarriers => of(policy.frequency.straddle),
        What::NoCarriers | What::NoGenotype | What::ZeroCount => of(policy.counts.zero),
        // Where only the people looked at count, a table about fewer of them than the limit is such a statistic.
        What::FewRows if policy.frequency.reading == Reading::Denominator => Verdict::Block,
        What::FewRows
        | What::UnknownSubjects
        | What::SubjectsRefuted
        | What::UnclearFractions
        | What::MaybeImpliedCount
        | What::Unsolved
        | What::UnclearCounts
        | What::UnknownBase
        | What::Extreme
        | What::SmallDifference
        | What::SubjectFeatures
        | What::Unparsed
        | What::UnclearText
        | What::RunLog
        | What::ExtraDigits
        | What::EncodedText
        | What::MaybePersonal
        | What::CodedColumn
        | What::UnclearRows
        | What::UnprovenSubjects
        | What::Hidden
        | What::Noise => Verdict::Review,
    }
}

fn of(weight: Weight) -> Verdict {
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
