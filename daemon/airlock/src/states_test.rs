//! No sequence of acts, with any mixture of knowledge, reaches `released` without a valid decision.

use super::*;
use proptest::prelude::*;

fn known() -> impl Strategy<Value = Known> {
    let flags = prop::array::uniform12(any::<bool>());
    let verdict =
        prop::option::of(prop::sample::select(vec![Verdict::Pass, Verdict::Review, Verdict::Block]));
    (flags, prop::option::of(any::<bool>()), verdict).prop_map(|(f, member, verdict)| Known {
        files_held: f[0],
        some_held: f[1],
        member,
        report_recorded: f[2],
        verdict,
        officer_may_decide: f[3],
        signed: f[4],
        is_requester: f[5],
        bag_published: f[6],
        rejection_recorded: f[7],
        notary_refused: f[8],
        failure_recorded: f[9],
        compared: f[10],
        outdated: f[11],
    })
}

/// Favours knowledge that lets the request move, so that long lives are explored.
fn lively() -> impl Strategy<Value = Known> {
    prop_oneof![
        1 => known(),
        3 => known().prop_map(|k| Known {
            files_held: true, report_recorded: true, officer_may_decide: true, signed: true,
            compared: true, member: Some(true), verdict: k.verdict.or(Some(Verdict::Pass)), ..k
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn released_only_after_custody_report_and_an_officers_decision(
        acts in prop::collection::vec((prop::sample::select(Act::ALL.to_vec()), lively()), 1..40)
    ) {
        let mut state = State::Received;
        let (mut custody, mut inspected, mut approval) = (false, false, None::<Known>);
        for (act, known) in acts {
            let Ok(next) = step(state, act, &known) else { continue };
            match act {
                Act::CustodyComplete | Act::RetryInspection => custody = known.files_held && known.member == Some(true),
                Act::Inspected => inspected = known.report_recorded && known.verdict.is_some(),
                Act::Approve => approval = Some(known.clone()),
                Act::NotaryRefused => approval = None,
                Act::CompareAgain => inspected = false,
                _ => {}
            }
            if next == State::Released {
                prop_assert_eq!(state, State::Releasing);
                prop_assert!(custody, "released without custody");
                prop_assert!(inspected, "released without a recorded report");
                let decision = approval.clone().expect("released without a decision");
                prop_assert!(decision.signed && decision.officer_may_decide && !decision.is_requester);
                prop_assert_ne!(decision.verdict, Some(Verdict::Block));
                prop_assert!(decision.compared, "released without a look at earlier releases");
                prop_assert!(known.bag_published);
            }
            prop_assert!(!state.is_final(), "a final state was left");
            state = next;
        }
    }

    #[test]
    fn a_requester_can_never_decide(from in prop::sample::select(State::ALL.to_vec()), known in known()) {
        let known = Known { is_requester: true, ..known };
        prop_assert!(step(from, Act::Approve, &known).is_err());
        prop_assert!(step(from, Act::Reject, &known).is_err());
    }

    #[test]
    fn a_block_can_never_be_approved(from in prop::sample::select(State::ALL.to_vec()), known in known()) {
        for verdict in [None, Some(Verdict::Block)] {
            let known = Known { verdict, ..known.clone() };
            prop_assert!(step(from, Act::Approve, &known).is_err());
        }
    }
}

#[test]
fn knowing_nothing_moves_nothing_except_a_first_retry() {
    for from in State::ALL {
        for act in Act::ALL {
            let moved = step(from, act, &Known::default()).is_ok();
            assert_eq!(moved, from == State::Failed && act == Act::RetryCustody, "{from:?} {act:?}");
        }
    }
}

#[test]
fn one_act_leads_to_one_place_and_every_state_is_reachable() {
    for (n, a) in TRANSITIONS.iter().enumerate() {
        for b in &TRANSITIONS[n + 1..] {
            assert!(a.from != b.from || a.act != b.act, "{:?} {:?} is there twice", a.from, a.act);
        }
    }
    for state in State::ALL {
        assert!(state == State::Received || TRANSITIONS.iter().any(|t| t.to == state), "{state:?}");
        assert_eq!(State::parse(state.as_str()), Some(state));
    }
    let last: Vec<_> = State::ALL.into_iter().filter(|s| s.is_final()).collect();
    assert_eq!(last, [State::Released, State::Rejected, State::Withdrawn]);
}

#[test]
fn the_readme_shows_this_table() {
    let readme = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md"));
    let shown = readme.contains(mermaid().trim());
    assert!(shown, "run `sekisho-airlock --states` and put its output into README.md");
}
