//! What a plan released before is remembered, by whomever and whenever it was asked for.

use crate::node::{DUAL, Node, OFFICER, RESEARCHER};
use std::fmt::Write as _;

/// Allele frequencies of 60 sites, at four digits as PLINK prints them, in `people` of the same people.
fn frequencies(people: u32) -> String {
    let mut text = String::from(" CHR            SNP   A1   A2          MAF  NCHROBS\n");
    for site in 0..60 {
        // Each person takes none, one or two copies along; each site has a frequency of its own.
        let carries = |draw: u32| u32::from(draw.wrapping_mul(2_654_435_761) >> 16 < 6_000 + site * 450);
        let copies: u32 = (0..2 * people).map(|draw| carries(draw * 61 + site)).sum();
        let frequency = f64::from(copies) / f64::from(2 * people);
        let _ = writeln!(text, "   1   rs{}    A    G   {frequency:.4}     {}", 1000 + site, 2 * people);
    }
    text
}

fn approve(node: &Node, id: &str) -> (i32, String) {
    let (code, _, err) = node.sekisho(OFFICER, &["approve", id, "--yes", "-i", &node.key("sato")]);
    (code, err)
}

fn verdict(node: &Node, account: &str, id: &str) -> (String, String) {
    let detail = node.json(account, &["status", id]);
    (detail["report"]["verdict"].as_str().unwrap_or_default().to_owned(), detail["report"].to_string())
}

#[test]
fn the_same_sites_in_one_person_less_are_blocked_once_the_first_were_released_whoever_asks() {
    let mut node = Node::start();
    node.drop_file(RESEARCHER, "all.frq", &frequencies(379));
    let first = node.await_state(RESEARCHER, "all.frq", "held");
    assert_eq!(approve(&node, &first).0, 0, "{}", node.log());
    node.await_state(RESEARCHER, "all.frq", "released");
    // The airlock's memory outlives it.
    node.kill_airlock();
    node.start_airlock();
    // A whole group less is no single person.
    node.drop_file(DUAL, "half.frq", &frequencies(190));
    let half = node.await_state(DUAL, "half.frq", "held");
    assert_eq!(verdict(&node, DUAL, &half).0, "pass", "{}", verdict(&node, DUAL, &half).1);
    node.drop_file(DUAL, "less.frq", &frequencies(378));
    let second = node.await_state(DUAL, "less.frq", "held");
    let (verdict, report) = verdict(&node, DUAL, &second);
    assert_eq!(verdict, "block", "{report}");
    assert!(
        report.contains("differencing") && report.contains(&first),
        "the earlier release is named: {report}"
    );
    let (code, err) = approve(&node, &second);
    assert_eq!(code, 1, "{err}");
}

#[test]
fn of_two_that_wait_the_second_is_judged_again_when_the_first_is_released() {
    let node = Node::start();
    for (account, name, people) in [(RESEARCHER, "all.frq", 379), (DUAL, "less.frq", 378)] {
        node.drop_file(account, name, &frequencies(people));
        node.await_state(account, name, "held");
    }
    let first = node.await_state(RESEARCHER, "all.frq", "held");
    let second = node.await_state(DUAL, "less.frq", "held");
    assert_eq!(verdict(&node, DUAL, &second).0, "pass", "nothing was released yet");
    assert_eq!(approve(&node, &first).0, 0, "{}", node.log());
    node.until("the second to be judged again", || verdict(&node, DUAL, &second).0 == "block");
    node.await_state(DUAL, "less.frq", "held");
    assert_eq!(approve(&node, &second).0, 1);
}

#[test]
fn officers_who_approve_both_at_once_release_one() {
    let node = Node::start();
    for (account, name, people) in [(RESEARCHER, "all.frq", 379), (DUAL, "less.frq", 378)] {
        node.drop_file(account, name, &frequencies(people));
        node.await_state(account, name, "held");
    }
    let first = node.await_state(RESEARCHER, "all.frq", "held");
    let second = node.await_state(DUAL, "less.frq", "held");
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| approve(&node, &first).0);
        let two = scope.spawn(|| approve(&node, &second).0);
        (one.join().unwrap(), two.join().unwrap())
    });
    assert!(one != 0 || two != 0, "both were approved\n{}", node.log());
    let released = || {
        let all = [node.request_of(RESEARCHER, "all.frq"), node.request_of(DUAL, "less.frq")];
        all.into_iter().flatten().filter(|r| r["state"] == "released").count()
    };
    node.until("one to be released", || released() == 1);
    assert_eq!(std::fs::read_dir(node.path("release")).unwrap().count(), 1);
}
