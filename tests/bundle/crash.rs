//! SIGKILL at any moment, and failures half-way: nothing lost, nothing released twice or without record.

use crate::custody::walk;
use crate::house::{House, kinds, report};
use sekisho_ledger::bag::{self, Trust};
use sekisho_policy::Verdict;
use sekisho_wire::notary::{Answer, Ask};
use std::fs;
use std::time::Duration;

/// An airlock that asks until it is answered, while the notary is killed under it again and again.
#[test]
fn killed_at_any_moment_every_request_ends_in_one_bag_and_one_record() {
    let mut house = House::new();
    let mut kills = 0u32;
    // Delays sweep the length of one operation; the step is prime to it.
    let mut delay = Duration::from_micros(200);
    for n in 0..6 {
        let id = format!("R-{n}");
        let drop = house.path("spool/demo").join(&id);
        fs::create_dir_all(&drop).unwrap();
        let content = format!("{n}\n").repeat(200_000);
        fs::write(drop.join("t.tsv"), &content).unwrap();
        let take =
            Ask::TakeCustody { request: id.clone(), project: "demo".into(), name: format!("{id}/t.tsv") };
        let Answer::Custody(held) = insist(&mut house, &take, &mut delay, &mut kills) else {
            panic!("custody")
        };
        let report = report(&[held], Verdict::Review);
        let inspection = Ask::RecordInspection { request: id.clone(), report: report.clone() };
        insist(&mut house, &inspection, &mut delay, &mut kills);
        let decide = house.signed(&house.statement(&id, &report, "sato"), "sato");
        let answer = insist(&mut house, &decide, &mut delay, &mut kills);
        let Answer::Released { bag, .. } = answer else { panic!("{answer:?}") };
        let verified = bag::verify(bag.as_ref(), &Trust::Given(house.public())).unwrap();
        assert_eq!(fs::read_to_string(format!("{bag}/data/results/t.tsv")).unwrap(), content);
        assert_eq!(verified.statement.request, id);
    }
    assert!(kills > 20, "only {kills} kills: the test does not test");
    let entries = house.ledger();
    for n in 0..6 {
        let kinds = kinds(&entries, &format!("R-{n}"));
        for once in ["decided", "released", "published"] {
            assert_eq!(kinds.iter().filter(|k| *k == once).count(), 1, "{kinds:?}");
        }
        assert!(!kinds.contains(&"refused".to_owned()), "{kinds:?}");
    }
    assert_eq!(house.bags().len(), 6, "no unfinished bag is left");
    assert_eq!(walk(&house.path("state/archive")).len(), 6, "no unrecorded copy is left");
    assert!(walk(&house.path("state/tmp")).is_empty());
}

/// Asks, kills the notary after `delay`, starts it again, until an answer came through.
fn insist(house: &mut House, ask: &Ask, delay: &mut Duration, kills: &mut u32) -> Answer {
    for attempt in 0..200 {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(house.pid()).unwrap());
        let wait = *delay;
        let killer = (attempt < 6).then(|| {
            std::thread::spawn(move || {
                std::thread::sleep(wait);
                nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
            })
        });
        let answer = house.try_ask(ask);
        if let Some(killer) = killer {
            killer.join().unwrap();
            *kills += 1;
            *delay = Duration::from_micros((u64::try_from(delay.as_micros()).unwrap() + 1_709) % 30_000);
            house.restart();
        }
        // An answer that came through is final; sometimes the airlock dies too and asks again.
        if let Some(answer) = answer.filter(|_| attempt % 2 == 1 || attempt >= 6) {
            return answer;
        }
    }
    panic!("no answer in 200 attempts: {}", house.log());
}

#[test]
fn a_release_that_could_not_be_written_is_finished_when_it_can_be() {
    let mut house = House::new();
    let report = house.inspected("R-1", Verdict::Review);
    // The place of the project's directory is taken by a file: as good as a full disk, and root cannot write there either.
    fs::write(house.path("release/demo"), "in the way").unwrap();
    let ask = house.signed(&house.statement("R-1", &report, "sato"), "sato");
    assert!(matches!(house.ask(&ask), Answer::Failed { .. }));
    // A start does not help yet, and hurts nothing.
    house.restart();
    assert!(matches!(house.ask(&ask), Answer::Failed { .. }));
    fs::remove_file(house.path("release/demo")).unwrap();
    house.restart();
    bag::verify(&house.path("release/demo/R-1"), &Trust::Given(house.public())).unwrap();
    assert!(matches!(house.ask(&ask), Answer::Released { .. }));
    let expected = ["received", "inspected", "decided", "released", "published"];
    assert_eq!(kinds(&house.ledger(), "R-1"), expected);
}

#[test]
fn a_full_disk_loses_nothing_and_shows_nothing_half() {
    let mut house = House::without_notary();
    house.blocks = Some(128);
    house.start();
    let content = "x".repeat(200_000);
    fs::write(house.path("spool/demo/t.tsv"), &content).unwrap();
    assert!(matches!(house.take("R-1", "t.tsv"), Answer::Failed { .. }));
    assert!(walk(&house.path("state/archive")).is_empty() && walk(&house.path("state/tmp")).is_empty());
    assert_eq!(fs::read_to_string(house.path("spool/demo/t.tsv")).unwrap(), content);
    // Small things still work on the same disk.
    assert!(matches!(house.ask(&Ask::Status), Answer::Status { size: 1, .. }));
    house.inspected("R-2", Verdict::Review);
    // And with room again, the same question succeeds.
    house.blocks = None;
    house.restart();
    assert!(matches!(house.take("R-1", "t.tsv"), Answer::Custody(_)));
}

#[test]
fn a_bag_that_became_visible_just_before_a_crash_is_recognised_and_not_built_again() {
    let mut house = House::new();
    let report = house.inspected("R-1", Verdict::Review);
    fs::write(house.path("release/demo"), "in the way").unwrap();
    let ask = house.signed(&house.statement("R-1", &report, "sato"), "sato");
    assert!(matches!(house.ask(&ask), Answer::Failed { .. }), "decided and released stand in the ledger");
    // The same house goes on twice from here: once to make the bag, once to find it there.
    house.kill();
    let copy = |from: &str, to: &str| {
        let done =
            std::process::Command::new("cp").arg("-a").arg(house.path(from)).arg(house.path(to)).status();
        assert!(done.unwrap().success());
    };
    copy("state", "state.before");
    fs::remove_file(house.path("release/demo")).unwrap();
    house.start();
    let before = fs::read(house.path("release/demo/R-1/tagmanifest-sha512.txt.sig")).unwrap();
    house.kill();
    fs::remove_dir_all(house.path("state")).unwrap();
    fs::rename(house.path("state.before"), house.path("state")).unwrap();
    house.start();
    assert!(matches!(house.ask(&ask), Answer::Released { .. }));
    assert_eq!(fs::read(house.path("release/demo/R-1/tagmanifest-sha512.txt.sig")).unwrap(), before);
    assert_eq!(kinds(&house.ledger(), "R-1").last().unwrap(), "published");
}

#[test]
fn a_directory_that_is_not_the_bag_is_not_replaced() {
    let mut house = House::new();
    let report = house.inspected("R-1", Verdict::Review);
    fs::create_dir_all(house.path("release/demo/R-1")).unwrap();
    fs::write(house.path("release/demo/R-1/mine"), "x").unwrap();
    let ask = house.signed(&house.statement("R-1", &report, "sato"), "sato");
    assert!(matches!(house.ask(&ask), Answer::Failed { .. }));
    assert_eq!(fs::read_to_string(house.path("release/demo/R-1/mine")).unwrap(), "x");
    house.restart();
    assert!(house.log().contains("still unfinished"), "{}", house.log());
}

#[test]
fn a_damaged_archive_releases_nothing() {
    let house = House::new();
    let report = house.inspected("R-1", Verdict::Review);
    let copy = walk(&house.path("state/archive")).remove(0);
    fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&copy, "something else").unwrap();
    let answer = house.ask(&house.signed(&house.statement("R-1", &report, "sato"), "sato"));
    assert!(
        matches!(&answer, Answer::Failed { message } if message.contains("no longer has its digest")),
        "{answer:?}"
    );
    assert!(house.bags().is_empty());
}

#[test]
fn a_damaged_ledger_or_a_foreign_key_stops_the_notary_with_the_place() {
    let mut house = House::new();
    house.inspected("R-1", Verdict::Review);
    house.kill();
    let other = sekisho_ledger::sshsig::SigningKey::generate("x").unwrap().1;
    let key = fs::read_to_string(house.path("key")).unwrap();
    fs::write(house.path("key"), other).unwrap();
    let said = house.refuses_to_start();
    assert!(said.contains("ledger") && said.contains("checkpoint"), "{said}");
    fs::write(house.path("key"), key).unwrap();
    let bundle = walk(&house.path("state/ledger/tile/entries")).remove(0);
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[20] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    assert!(house.refuses_to_start().contains("damaged"));
}
