//! A compromised airlock: everything it could forge is refused, recorded, and no bag appears.

use crate::house::{House, kinds, report};
use jiff::{SignedDuration, Timestamp};
use sekisho_ledger::statement::Statement;
use sekisho_policy::{RequestReport, Verdict};
use sekisho_wire::notary::{Answer, Ask};
use std::fs;

#[track_caller]
fn refused(house: &House, ask: &Ask, expected: &str) {
    match house.ask(ask) {
        Answer::Refused { reason, message, hint } => {
            assert_eq!(reason, expected, "{message}");
            assert!(!message.is_empty() && !hint.is_empty());
        }
        other => panic!("expected {expected}, got {other:?}"),
    }
    assert!(house.bags().is_empty(), "{expected}: a bag appeared");
}

#[test]
fn no_forged_decision_releases_anything() {
    let mut house = House::new();
    let report = house.inspected("R-1", Verdict::Review);
    let good = |officer: &str| house.statement("R-1", &report, officer);
    let changed = |change: &dyn Fn(&mut Statement)| {
        let mut statement = good("sato");
        change(&mut statement);
        house.signed(&statement, "sato")
    };
    let zero = || "0".repeat(64);

    // Who.
    refused(&house, &house.signed(&good("nobody-known"), "sato"), "unknown_officer");
    refused(&house, &house.signed(&good("sato"), "suzuki"), "signature_invalid");
    refused(&house, &house.signed(&good("suzuki"), "suzuki"), "other_institution");
    let posing = Statement { institution: "hospital-b".into(), ..good("suzuki") };
    refused(&house, &house.signed(&posing, "suzuki"), "other_institution");
    refused(&house, &house.signed(&good("expired"), "expired"), "certificate_expired");
    refused(&house, &house.signed(&good("future"), "future"), "certificate_not_yet");
    refused(&house, &house.signed(&good("revoked"), "revoked"), "certificate_revoked");
    refused(&house, &house.signed(&good("own"), "own"), "own_request");
    refused(&house, &changed(&|s| s.requester = "daemon".into()), "other_requester");

    // What.
    refused(&house, &changed(&|s| s.files[0].sha256 = zero()), "other_files");
    refused(&house, &changed(&|s| s.files[0].bytes += 1), "other_files");
    refused(&house, &changed(&|s| s.files[0].name = "other".into()), "other_files");
    refused(
        &house,
        &changed(&|s| {
            s.files.push(sekisho_ledger::statement::File { name: "more".into(), sha256: zero(), bytes: 1 })
        }),
        "other_files",
    );
    refused(&house, &changed(&|s| s.report_sha256 = zero()), "other_report");
    refused(&house, &changed(&|s| s.verdict = "pass".into()), "other_verdict");
    refused(&house, &changed(&|s| s.policy_sha256 = zero()), "policy_changed");
    refused(&house, &changed(&|s| s.project = "other".into()), "other_project");
    refused(&house, &changed(&|s| s.site = "another-node".into()), "other_site");

    // When.
    let hours = |h: i64| {
        Timestamp::from_second((Timestamp::now() + SignedDuration::from_hours(h)).as_second()).unwrap()
    };
    refused(&house, &changed(&|s| s.time = hours(-30)), "statement_stale");
    refused(&house, &changed(&|s| s.time = hours(1)), "statement_stale");

    // How signed.
    let statement = good("sato");
    for namespace in ["sekisho-release@v1", "file", "git"] {
        refused(&house, &house.signed_for(&statement, "sato", namespace), "signature_invalid");
    }
    let Ask::Decide { request, statement: text, signature } = house.signed(&statement, "sato") else {
        panic!()
    };
    let other = text.replace("counts are large", "counts are small");
    refused(
        &house,
        &Ask::Decide { request: request.clone(), statement: other, signature: signature.clone() },
        "signature_invalid",
    );
    refused(
        &house,
        &Ask::Decide {
            request: request.clone(),
            statement: format!("{text}\n"),
            signature: signature.clone(),
        },
        "statement_malformed",
    );
    refused(
        &house,
        &Ask::Decide { request: request.clone(), statement: text.clone(), signature: String::new() },
        "signature_invalid",
    );

    // And each of them is in the ledger.
    let entries = house.ledger();
    let recorded = kinds(&entries, "R-1").iter().filter(|k| *k == "refused").count();
    assert_eq!(recorded, 26);
    // The unforged one still releases.
    let answer = house.ask(&Ask::Decide { request, statement: text, signature });
    assert!(matches!(answer, Answer::Released { .. }), "{answer:?}");
}

#[test]
fn a_signature_given_for_one_request_is_worth_nothing_for_another() {
    let house = House::new();
    let (first, second) = (house.inspected("R-1", Verdict::Review), house.inspected("R-2", Verdict::Review));
    let Ask::Decide { statement, signature, .. } =
        house.signed(&house.statement("R-1", &first, "sato"), "sato")
    else {
        panic!()
    };
    refused(&house, &Ask::Decide { request: "R-2".into(), statement, signature }, "other_request");
    // Nor with the other request's files under the right id.
    let mixed = Statement {
        files: house.statement("R-1", &first, "sato").files,
        ..house.statement("R-2", &second, "sato")
    };
    refused(&house, &house.signed(&mixed, "sato"), "other_files");
}

#[test]
fn nothing_leaves_that_was_not_inspected_or_is_blocked_or_withdrawn() {
    let house = House::new();
    let held = house.custody("R-1", &[("table.tsv", b"n\t3\n")]);
    let pass = report(&held, Verdict::Pass);
    refused(&house, &house.signed(&house.statement("R-1", &pass, "sato"), "sato"), "not_inspected");
    refused(&house, &house.signed(&house.statement("R-9", &pass, "sato"), "sato"), "unknown_request");

    let block = report(&held, Verdict::Block);
    house.ask(&Ask::RecordInspection { request: "R-1".into(), report: block.clone() });
    refused(&house, &house.signed(&house.statement("R-1", &block, "sato"), "sato"), "blocked");
    refused(&house, &house.signed(&house.statement("R-1", &pass, "sato"), "sato"), "other_report");

    let withdrawn = house.inspected("R-2", Verdict::Review);
    let record = Ask::Record {
        request: Some("R-2".into()),
        kind: "withdrawn".into(),
        actor: "x".into(),
        detail: serde_json::Value::Null,
    };
    assert!(matches!(house.ask(&record), Answer::Recorded { .. }));
    refused(&house, &house.signed(&house.statement("R-2", &withdrawn, "sato"), "sato"), "closed");
}

#[test]
fn a_report_must_be_about_held_bytes_and_add_up() {
    let house = House::new();
    let held = house.custody("R-1", &[("table.tsv", b"n\t3\n")]);
    let record = |report: RequestReport| Ask::RecordInspection { request: "R-1".into(), report };
    let with = |change: &dyn Fn(&mut RequestReport)| {
        let mut r = report(&held, Verdict::Block);
        change(&mut r);
        record(r)
    };
    refused(&house, &with(&|r| r.verdict = Verdict::Pass), "report_inconsistent");
    refused(
        &house,
        &with(&|r| (r.verdict, r.files[0].verdict) = (Verdict::Pass, Verdict::Pass)),
        "report_inconsistent",
    );
    refused(&house, &with(&|r| r.files.clear()), "report_inconsistent");
    refused(&house, &with(&|r| r.files[0].sha256 = "0".repeat(64)), "not_held");
    refused(&house, &with(&|r| r.files.push(r.files[0].clone())), "not_held");
    refused(&house, &Ask::OpenHeld { sha256: "0".repeat(64) }, "not_held");
    refused(&house, &Ask::OpenHeld { sha256: "../../../etc/passwd".into() }, "not_held");
}

#[test]
fn the_airlock_cannot_write_the_notarys_own_entries() {
    let house = House::new();
    for kind in [
        "received",
        "inspected",
        "decided",
        "released",
        "published",
        "started",
        "policy",
        "",
        "Viewed",
        "a b",
    ] {
        let record = Ask::Record {
            request: Some("R-1".into()),
            kind: kind.into(),
            actor: "x".into(),
            detail: serde_json::Value::Null,
        };
        refused(&house, &record, "bad_kind");
    }
    let record = |id: &str| Ask::Record {
        request: Some(id.into()),
        kind: "viewed".into(),
        actor: "x".into(),
        detail: serde_json::Value::Null,
    };
    for id in ["../x", "", ".x", "a/b"] {
        refused(&house, &record(id), "bad_request_id");
    }
    let huge = Ask::Record {
        request: None,
        kind: "viewed".into(),
        actor: "x".repeat(70_000),
        detail: serde_json::Value::Null,
    };
    refused(&house, &huge, "too_large");
    assert!(matches!(house.ask(&record("R-1")), Answer::Recorded { .. }));
}

#[test]
fn a_certificate_revoked_after_the_signature_no_longer_counts() {
    let house = House::new();
    let report = house.inspected("R-1", Verdict::Review);
    let policy = fs::read_to_string(house.path("policy.toml")).unwrap();
    let key = house.officers["sato"].public_openssh().unwrap();
    let today = jiff::Zoned::now().date();
    let revoked =
        policy.replace(&format!("key = \"{key}\""), &format!("key = \"{key}\"\nrevoked_on = {today}"));
    fs::write(house.path("policy.toml"), revoked).unwrap();
    // The airlock composes under the new policy; the officer had time to sign.
    refused(&house, &house.signed(&house.statement("R-1", &report, "sato"), "sato"), "certificate_revoked");
    // A spoilt policy changes nothing: the revocation stays in force.
    let statement = house.statement("R-1", &report, "sato");
    fs::write(house.path("policy.toml"), "version = 1\nnonsense").unwrap();
    refused(&house, &house.signed(&statement, "sato"), "certificate_revoked");
}

#[test]
fn the_last_day_of_a_certificate_still_counts() {
    let house = House::new();
    let report = house.inspected("R-1", Verdict::Review);
    let answer = house.ask(&house.signed(&house.statement("R-1", &report, "lastday"), "lastday"));
    assert!(matches!(answer, Answer::Released { .. }), "{answer:?}");
}

#[test]
fn a_stranger_is_turned_away() {
    let mut house = House::without_notary();
    house.peer = 4_000_000;
    house.start();
    assert!(house.try_ask(&Ask::Status).is_none());
    assert!(house.log().contains("turned away"));
}
