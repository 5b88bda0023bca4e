//! The main way: custody, inspection, decision, bag.

use crate::house::{House, kinds, report};
use sekisho_ledger::bag::{self, Trust};
use sekisho_ledger::statement::{Decision, Statement};
use sekisho_policy::Verdict;
use sekisho_wire::notary::{Answer, Ask};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The four commands of `VERIFY.txt`, as they stand.
fn stock_tools_accept(bag: &Path) -> bool {
    let text = fs::read_to_string(bag.join("VERIFY.txt")).unwrap();
    let commands: Vec<_> = text
        .lines()
        .filter_map(|l| l.strip_prefix("    "))
        .filter(|l| l.contains(' ') && !l.contains(": "))
        .take(4)
        .collect();
    assert_eq!(commands.len(), 4, "{commands:?}");
    commands
        .iter()
        .all(|c| Command::new("sh").arg("-c").arg(c).current_dir(bag).output().unwrap().status.success())
}

#[test]
fn a_result_signed_with_stock_ssh_keygen_becomes_a_bag_that_stock_tools_verify() {
    let mut house = House::new();
    let held = house.custody("R-000001", &[("table.tsv", b"n\t120\n"), ("頻度 表.tsv", b"af\t0.25\n")]);
    assert_eq!(house.held_bytes(&held[0].sha256), b"n\t120\n");
    // What happens to the spool from here on does not matter.
    fs::remove_dir_all(house.path("spool/demo/R-000001")).unwrap();
    let report = report(&held, Verdict::Review);
    house.ask(&Ask::RecordInspection { request: "R-000001".into(), report: report.clone() });

    let key = house.path("officer");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.unwrap().success());
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let policy = fs::read_to_string(house.path("policy.toml")).unwrap();
    let old = house.officers["sato"].public_openssh().unwrap();
    fs::write(house.path("policy.toml"), policy.replace(&old, public.trim())).unwrap();

    let statement = house.statement("R-000001", &report, "sato").compose().unwrap();
    let file = house.path("statement");
    fs::write(&file, &statement).unwrap();
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", "sekisho-decision@v1", "-f"])
        .args([&key, &file])
        .output();
    assert!(signed.unwrap().status.success());
    let signature = fs::read_to_string(file.with_extension("sig")).unwrap();
    let answer = house.ask(&Ask::Decide { request: "R-000001".into(), statement, signature });
    let Answer::Released { bag, index } = answer else { panic!("{answer:?}") };
    let bag = Path::new(&bag);
    assert_eq!(bag, house.path("release/demo/R-000001"));
    assert!(stock_tools_accept(bag));
    let verified = bag::verify(bag, &Trust::Given(house.public())).unwrap();
    assert_eq!(verified.statement.files.len(), 2);
    assert_eq!(fs::read(bag.join("data/results/頻度 表.tsv")).unwrap(), b"af\t0.25\n");
    let signers = fs::read_to_string(house.path("key.allowed_signers")).unwrap();
    bag::verify(bag, &Trust::Given(signers)).unwrap();

    let entries = house.ledger();
    let expected = ["received", "received", "inspected", "decided", "released", "published"];
    assert_eq!(kinds(&entries, "R-000001"), expected);
    assert_eq!(entries[usize::try_from(index).unwrap()]["kind"], "released");
    assert!(
        entries.iter().any(|e| e["kind"] == "policy"),
        "the changed policy is recorded before it is followed"
    );
}

#[test]
fn a_rejection_is_recorded_and_releases_nothing() {
    let mut house = House::new();
    let report = house.inspected("R-1", Verdict::Block);
    let statement = Statement { decision: Decision::Reject, ..house.statement("R-1", &report, "sato") };
    let ask = house.signed(&statement, "sato");
    let Answer::Recorded { index } = house.ask(&ask) else { panic!("a rejection is recorded") };
    // Asked again because the answer was lost: the same answer, and no second entry.
    assert!(matches!(house.ask(&ask), Answer::Recorded { index: again } if again == index));
    let approval = house.signed(&house.statement("R-1", &report, "sato"), "sato");
    assert!(matches!(house.ask(&approval), Answer::Refused { reason, .. } if reason == "already_decided"));
    assert!(house.bags().is_empty());
    assert_eq!(kinds(&house.ledger(), "R-1"), ["received", "inspected", "decided", "refused"]);
}

#[test]
fn asked_again_the_notary_gives_the_same_answer_and_releases_nothing_twice() {
    let mut house = House::new();
    let report = house.inspected("R-1", Verdict::Review);
    let ask = house.signed(&house.statement("R-1", &report, "sato"), "sato");
    let Answer::Released { bag, index } = house.ask(&ask) else { panic!("released") };
    let manifest = fs::read(Path::new(&bag).join("tagmanifest-sha512.txt")).unwrap();
    for _ in 0..2 {
        let again = house.ask(&ask);
        assert!(matches!(again, Answer::Released { index: i, .. } if i == index), "{again:?}");
        house.restart();
    }
    assert_eq!(fs::read(Path::new(&bag).join("tagmanifest-sha512.txt")).unwrap(), manifest);
    // A collected bag that was cleared away does not come back by itself.
    fs::remove_dir_all(&bag).unwrap();
    house.restart();
    assert!(house.bags().is_empty());
    let released = house.ledger().iter().filter(|e| e["kind"] == "released").count();
    assert_eq!(released, 1);
}

#[test]
fn every_checkpoint_is_also_dropped_where_the_site_keeps_it() {
    let mut house = House::without_notary();
    let drop = house.path("drop");
    fs::create_dir(&drop).unwrap();
    house.write_policy(&format!("[notary]\ncheckpoint_drop = \"{}\"\n", drop.display()));
    house.start();
    house.inspected("R-1", Verdict::Review);
    let mut names: Vec<_> = fs::read_dir(&drop).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["checkpoint-000000000001", "checkpoint-000000000002", "checkpoint-000000000003"]);
    let Answer::Status { size, checkpoint } = house.ask(&Ask::Status) else { panic!("status") };
    assert_eq!(size, 3);
    assert_eq!(fs::read_to_string(drop.join("checkpoint-000000000003")).unwrap(), checkpoint);
}
