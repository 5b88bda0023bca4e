//! What left before counts: split over days and members of a plan, nothing gets out that could not leave at once.

use crate::node::{DUAL, Node, OFFICER, RESEARCHER};
use std::fmt::Write as _;

/// A number that looks random.
fn mixed(seed: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678;
    for _ in 0..3 {
        x ^= x >> 31;
        x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    x ^ x >> 29
}

/// Copies of the minor allele that a person has at a site.
fn copies(person: u64, site: u64) -> u64 {
    let common = 10 + mixed(site) % 30;
    (0..2).filter(|c| mixed(1 + person * 100_003 + site * 7 + c * 1_000_000_007) % 100 < common).count()
        as u64
}

/// A PLINK .frq of the first so many people, at four digits.
fn frq(people: u64) -> String {
    let mut text = String::from(" CHR            SNP   A1   A2          MAF  NCHROBS\n");
    for site in 0..200 {
        let count: u64 = (0..people).map(|p| copies(p, site)).sum();
        let maf = count as f64 / (2 * people) as f64;
        writeln!(text, "   1   rs{}    A    G   {maf:.4}     {}", 1000 + site, 2 * people).unwrap();
    }
    text
}

/// A VCF of five people at some sites.
fn vcf(sites: std::ops::Range<u64>) -> String {
    let mut text = String::from(
        "##fileformat=VCFv4.2\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT",
    );
    (0..5).for_each(|p| write!(text, "\tP{p}").unwrap());
    text.push('\n');
    for site in sites {
        write!(text, "1\t{}\trs{site}\tA\tG\t.\tPASS\t.\tGT", 1000 + site * 50).unwrap();
        (0..5).for_each(|p| text.push_str(["\t0/0", "\t0/1", "\t1/1"][copies(p, site) as usize]));
        text.push('\n');
    }
    text
}

fn held(node: &Node, account: &str, name: &str, content: &str) -> String {
    node.drop_file(account, name, content);
    node.await_state(account, name, "held")
}

fn verdict(node: &Node, id: &str) -> String {
    let detail = node.json(OFFICER, &["review", id]);
    detail["report"]["verdict"].as_str().unwrap_or("none").to_owned()
}

fn approve(node: &Node, id: &str) -> (i32, String, String) {
    node.sekisho(OFFICER, &["approve", id, "--yes", "-i", &node.key("sato"), "--reason", "looked at"])
}

/// Every finding about earlier releases, as text.
fn findings(node: &Node, id: &str) -> String {
    node.json(OFFICER, &["review", id])["report"]["files"][0]["findings"].to_string()
}

#[test]
fn one_person_removed_between_two_days_and_two_members_is_seen() {
    let mut node = Node::start();
    let first = held(&node, RESEARCHER, "all.frq", &frq(379));
    assert_eq!(verdict(&node, &first), "pass");
    assert_eq!(approve(&node, &first).0, 0, "{}", node.log());
    // What was released is remembered through a crash.
    node.kill_airlock();
    node.start_airlock();
    let second = held(&node, DUAL, "again.frq", &frq(378));
    assert_eq!(verdict(&node, &second), "block");
    let found = findings(&node, &second);
    assert!(found.contains("differencing") && found.contains(&format!("{first}/all.frq")), "{found}");
    assert_ne!(approve(&node, &second).0, 0);
    let same = held(&node, DUAL, "same.frq", &frq(379));
    assert_eq!(verdict(&node, &same), "pass", "the same people tell nothing new");
    assert!(findings(&node, &same).contains("were released before"));
}

#[test]
fn two_requests_that_wait_at_the_same_time_do_not_both_slip_through() {
    let node = Node::start();
    let first = held(&node, RESEARCHER, "all.frq", &frq(379));
    let second = held(&node, DUAL, "less.frq", &frq(378));
    let other = held(&node, DUAL, "other.frq", &frq(300));
    assert_eq!((verdict(&node, &first), verdict(&node, &second)), ("pass".into(), "pass".into()));
    assert_eq!(approve(&node, &first).0, 0, "{}", node.log());
    let (code, _, err) = approve(&node, &second);
    assert_ne!(code, 0, "{err}");
    node.until("the second is judged again", || verdict(&node, &second) == "block");
    assert_ne!(approve(&node, &second).0, 0);
    assert_eq!(approve(&node, &other).0, 0, "what has nothing to do with it goes on: {}", node.log());
    let state = |id: &str| node.json(OFFICER, &["review", id])["summary"]["state"].clone();
    assert_eq!([state(&first), state(&second), state(&other)], ["released", "held", "released"]);
}

#[test]
fn sites_of_persons_add_up_over_days_and_members() {
    let node = Node::start();
    let first = held(&node, RESEARCHER, "a.vcf", &vcf(0..21));
    assert_eq!(verdict(&node, &first), "review");
    assert_eq!(approve(&node, &first).0, 0, "{}", node.log());
    for (name, sites, expected) in
        [("b.vcf", 21..40, "review"), ("c.vcf", 21..41, "block"), ("d.vcf", 0..21, "review")]
    {
        let id = held(&node, DUAL, name, &vcf(sites));
        assert_eq!(verdict(&node, &id), expected, "{name}: {}", findings(&node, &id));
    }
}

#[test]
fn two_approvals_at_once_release_one_of_the_two() {
    let node = Node::start();
    let first = held(&node, RESEARCHER, "all.frq", &frq(379));
    let second = held(&node, DUAL, "less.frq", &frq(378));
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| approve(&node, &first).0);
        let two = scope.spawn(|| approve(&node, &second).0);
        (one.join().unwrap(), two.join().unwrap())
    });
    assert!(one != 0 || two != 0, "both were approved\n{}", node.log());
    let state = |id: &str| node.json(OFFICER, &["review", id])["summary"]["state"].clone();
    let released = || [&first, &second].into_iter().filter(|id| state(id) == "released").count();
    node.until("one of them is released", || released() == 1);
    node.until("the other is blocked", || {
        [&first, &second].into_iter().any(|id| state(id) == "held" && verdict(&node, id) == "block")
    });
    assert_eq!(std::fs::read_dir(node.path("release")).unwrap().count(), 1);
}

#[test]
fn what_is_released_carries_no_times_of_the_requester() {
    let node = Node::start();
    let made = node.path("home").join("made.frq").display().to_string();
    std::fs::write(&made, frq(379)).unwrap();
    node.run_as("root", "chown", &[RESEARCHER, &made]);
    // A number in disguise: seconds since 1970.
    let target = node.spool("timed.frq").display().to_string();
    node.shell(RESEARCHER, &format!("touch -d @981173106 {made} && mv {made} {target}"));
    let id = node.await_state(RESEARCHER, "timed.frq", "held");
    assert_eq!(approve(&node, &id).0, 0, "{}", node.log());
    let release = node.path("release").display().to_string();
    let times = node.run_as("root", "find", &[&release, "-printf", "%T@ %A@ %p\n"]);
    let times = String::from_utf8(times.stdout).unwrap();
    assert!(times.contains("timed.frq") && !times.contains("981173106"), "{times}");
}
