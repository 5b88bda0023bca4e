//! `sekisho verify` and `sekisho policy check`: what they say, in both languages, and their exit codes.

use crate::house::House;
use sekisho_policy::Verdict;
use sekisho_wire::notary::Answer;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

fn sekisho(language: &str, args: &[&str]) -> Output {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let built = Command::new(env!("CARGO")).args(["build", "-q", "-p", "sekisho"]).status().unwrap();
        assert!(built.success());
        std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("debug/sekisho")
    });
    Command::new(program).env("LC_ALL", language).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn verify_says_what_was_proven_and_what_is_believed() {
    let house = House::new();
    let report = house.inspected("R-1", Verdict::Review);
    let answer = house.ask(&house.signed(&house.statement("R-1", &report, "sato"), "sato"));
    let Answer::Released { bag, .. } = answer else { panic!("{answer:?}") };
    let key = house.path("key.pub").display().to_string();

    let english = sekisho("C.UTF-8", &["verify", &bag, "--key", &key]);
    let said = text(&english.stdout);
    assert!(english.status.success(), "{}", text(&english.stderr));
    assert!(said.starts_with("verified:") && said.contains("believed, not proven here:"), "{said}");
    assert!(
        said.contains("the key you gave is the node's") && said.contains("officer: sato (hospital-a)"),
        "{said}"
    );
    let without = text(&sekisho("C.UTF-8", &["verify", &bag]).stdout);
    assert!(without.contains("the key that came with the bag"), "{without}");
    let japanese = text(&sekisho("ja_JP.UTF-8", &["verify", &bag]).stdout);
    assert!(japanese.starts_with("確認できたこと:") && japanese.contains("信頼したこと"), "{japanese}");
    let json: serde_json::Value =
        serde_json::from_slice(&sekisho("C", &["--json", "verify", &bag]).stdout).unwrap();
    assert_eq!(
        (&json["verified"], &json["node_key_given"], &json["officer"]),
        (&true.into(), &false.into(), &"sato".into())
    );

    let file = PathBuf::from(&bag).join("data/results/table.tsv");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    fs::write(&file, "n\t3\n").unwrap();
    let tampered = sekisho("C.UTF-8", &["verify", &bag, "--key", &key]);
    assert_eq!(tampered.status.code(), Some(1));
    let said = text(&tampered.stderr);
    assert!(said.contains("data/results/table.tsv") && said.contains("hint: do not use it"), "{said}");
    assert!(text(&sekisho("ja_JP.UTF-8", &["verify", &bag]).stderr).contains("一致しません"));
    assert_eq!(sekisho("C", &["verify", "/nonexistent"]).status.code(), Some(2));
}

#[test]
fn a_hostile_bag_cannot_speak_to_the_terminal() {
    let house = House::new();
    let report = house.inspected("R-1", Verdict::Review);
    house.ask(&house.signed(&house.statement("R-1", &report, "sato"), "sato"));
    let bag = house.path("release/demo/R-1");
    fs::write(bag.join("\u{1b}]0;owned\u{7}"), "x").unwrap();
    let out = sekisho("C.UTF-8", &["verify", bag.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1));
    assert!(!out.stderr.contains(&0x1b), "{}", text(&out.stderr).escape_debug());
}

#[test]
fn policy_check_names_file_line_column_and_accepted_values() {
    let mut house = House::without_notary();
    house.gated = true;
    let path = house.path("policy.toml").display().to_string();
    let good = sekisho("C.UTF-8", &["policy", "check", &path]);
    assert!(good.status.success());
    assert!(text(&good.stdout).contains("officer `expired` cannot decide"), "{}", text(&good.stdout));
    house.write_policy("[gate]\nmode = \"enforec\"\n");
    let lines = fs::read_to_string(&path).unwrap().lines().count();
    let bad = sekisho("C.UTF-8", &["policy", "check", &path]);
    assert_eq!(bad.status.code(), Some(78));
    let said = text(&bad.stderr);
    assert!(said.contains(&format!("{path}:{lines}:8: ")), "{said}");
    assert!(said.contains("hint: accepted values: `enforce`, `audit`"), "{said}");
    assert!(
        text(&sekisho("ja_JP.UTF-8", &["policy", "check", &path]).stderr)
            .contains("使える値: `enforce`, `audit`")
    );
    let json: serde_json::Value =
        serde_json::from_slice(&sekisho("C", &["--json", "policy", "check", &path]).stdout).unwrap();
    assert_eq!(
        (&json["ok"], &json["error"]["line"], &json["error"]["column"]),
        (&false.into(), &lines.into(), &8.into())
    );
}
