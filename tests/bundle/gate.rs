//! Nothing is released while the gate is not known to be closed; and what the gate records reaches the ledger.

use crate::house::{House, kinds};
use sekisho_policy::Verdict;
use sekisho_wire::heartbeat::{self, Fault, Heartbeat};
use sekisho_wire::notary::{Answer, Ask};
use serde_json::json;
use std::fs;

fn beat(house: &House, change: impl Fn(&mut Heartbeat)) {
    let boot = heartbeat::boot().unwrap();
    let mut beat = Heartbeat {
        boot,
        at: heartbeat::now(),
        enforcing: true,
        problem: String::new(),
        all_locked: false,
        locked: vec![7],
    };
    change(&mut beat);
    heartbeat::write(&house.path("gate/heartbeat"), &beat).unwrap();
}

fn gated() -> House {
    let mut house = House::without_notary();
    house.gated = true;
    house.write_policy("");
    house.start();
    house
}

fn waits(house: &House, ask: &Ask) -> &'static str {
    match house.ask(ask) {
        Answer::Waits { fault } => fault.code(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_release_waits_for_a_living_sound_enforcing_gate_and_follows_by_itself() {
    let mut house = gated();
    let report = house.inspected("R-1", Verdict::Review);
    let ask = house.signed(&house.statement("R-1", &report, "sato"), "sato");
    assert_eq!(waits(&house, &ask), "absent");
    assert_eq!(waits(&house, &ask), "absent");
    beat(&house, |b| b.at -= 60_000);
    assert_eq!(waits(&house, &ask), "stale");
    beat(&house, |b| b.problem = "the self-test failed".into());
    assert_eq!(waits(&house, &ask), "unsound");
    beat(&house, |b| b.enforcing = false);
    assert_eq!(waits(&house, &ask), "audit");
    beat(&house, |b| b.locked = vec![nix::unistd::getuid().as_raw()]);
    assert_eq!(waits(&house, &ask), "locked");
    beat(&house, |b| b.boot = "another".into());
    assert_eq!(waits(&house, &ask), "other_boot");
    // A new start does not help, and finishes nothing behind the gate's back.
    house.restart();
    assert_eq!(waits(&house, &ask), "other_boot");
    assert!(house.bags().is_empty());
    beat(&house, |_| {});
    assert!(matches!(house.ask(&ask), Answer::Released { .. }));
    let entries = house.ledger();
    let expected: Vec<_> = ["received", "inspected", "decided"]
        .into_iter()
        .chain(["release_waits"; 7])
        .chain(["released", "published"])
        .collect();
    assert_eq!(kinds(&entries, "R-1"), expected, "each cause is recorded once");
}

#[test]
fn a_heartbeat_that_others_could_have_written_does_not_count() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let house = gated();
    let report = house.inspected("R-1", Verdict::Review);
    let ask = house.signed(&house.statement("R-1", &report, "sato"), "sato");
    beat(&house, |_| {});
    let file = house.path("gate/heartbeat");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(waits(&house, &ask), "doubtful");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    chown(&file, Some(65534), None).unwrap();
    assert_eq!(waits(&house, &ask), "doubtful");
    assert!(house.bags().is_empty());
}

#[test]
fn an_audit_gate_releases_only_where_policy_says_so_by_name() {
    let mut house = gated();
    house.write_policy(
        "[gate]\nrelease_needs = \"audit\"\n[[deviation]]\nkey = \"gate.release_needs\"\n\
         allowed_by = \"secretariat\"\non = 2026-01-01\nreason = \"trial week\"\n",
    );
    house.restart();
    let report = house.inspected("R-1", Verdict::Review);
    let ask = house.signed(&house.statement("R-1", &report, "sato"), "sato");
    assert!(matches!(house.ask(&ask), Answer::Waits { fault: Fault::Absent }));
    beat(&house, |b| b.enforcing = false);
    assert!(matches!(house.ask(&ask), Answer::Released { .. }));
}

#[test]
fn what_the_gate_records_is_in_the_ledger_once_and_nobody_else_may_write_it() {
    let mut house = gated();
    let record = |id: &str, kind: &str| Ask::RecordGate {
        id: id.into(),
        kind: kind.into(),
        happened: "2026-11-22T02:00:00Z".into(),
        detail: json!({"policy_sha256": "ab"}),
    };
    let Answer::Recorded { index } = house.ask(&record("boot-1", "gate_started")) else { panic!() };
    // The answer was lost, and the notary died: the gate asks again.
    house.restart();
    assert!(
        matches!(house.ask(&record("boot-1", "gate_started")), Answer::Recorded { index: i } if i == index)
    );
    assert!(matches!(house.ask(&record("boot-2", "released")), Answer::Refused { .. }));
    let forged = Ask::Record {
        request: None,
        kind: "gate_started".into(),
        actor: "airlock".into(),
        detail: json!({}),
    };
    assert!(matches!(house.ask(&forged), Answer::Refused { .. }), "the airlock is not the gate");
    let entries = house.ledger();
    assert_eq!(entries.iter().filter(|e| e["kind"] == "gate_started").count(), 1);
}

#[test]
fn the_airlock_is_heard_as_the_airlock_and_root_only_as_the_gate() {
    assert!(nix::unistd::geteuid().is_root(), "being two peers needs root");
    let mut house = gated();
    house.peer = 65534;
    house.restart();
    // We are root, so the gate: custody is not ours to ask for, records are.
    assert!(
        house
            .try_ask(&Ask::TakeCustody { request: "R-1".into(), project: "demo".into(), name: "x".into() })
            .is_none()
    );
    let record = Ask::RecordGate {
        id: "boot-1".into(),
        kind: "gate_started".into(),
        happened: "2026-11-22T02:00:00Z".into(),
        detail: json!({}),
    };
    assert!(matches!(house.ask(&record), Answer::Recorded { .. }));
}
