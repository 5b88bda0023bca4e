//! The house's dependency edges, read from `cargo metadata`: what a room may lean on, and nothing more.

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};

/// Room → the rooms it may depend on. Everything absent is forbidden.
fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let rows: [(&str, &[&str]); 13] = [
        ("sekisho-policy", &[]),
        ("sekisho-ledger", &[]),
        ("sekisho-abi", &[]),
        ("sekisho-wire", &["sekisho-policy"]),
        ("sekisho-gate-ebpf", &["sekisho-abi"]),
        ("sekisho-gate", &["sekisho-wire", "sekisho-policy", "sekisho-abi"]),
        ("sekisho-inspect", &["sekisho-wire", "sekisho-policy"]),
        ("sekisho-notary", &["sekisho-ledger", "sekisho-wire", "sekisho-policy"]),
        ("sekisho-airlock", &["sekisho-ledger", "sekisho-wire", "sekisho-policy"]),
        ("sekisho", &["sekisho-ledger", "sekisho-wire", "sekisho-policy"]),
        ("sekisho-tests", &[]),
        ("sekisho-fuzz", &["sekisho-inspect"]),
        ("xtask", &[]),
    ];
    rows.into_iter().map(|(room, on)| (room, on.iter().copied().collect())).collect()
}

#[test]
fn rooms_lean_only_on_the_rooms_the_plan_names() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let rooms: BTreeSet<_> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let allowed = allowed();
    assert_eq!(rooms, allowed.keys().copied().collect(), "the list of rooms itself");
    for package in &metadata.packages {
        let ours: BTreeSet<_> = package
            .dependencies
            .iter()
            .filter(|d| d.kind != DependencyKind::Development)
            .map(|d| d.name.as_str())
            .filter(|name| rooms.contains(name))
            .collect();
        let may = &allowed[package.name.as_str()];
        assert!(ours.is_subset(may), "{} leans on {:?}, the plan allows {:?}", package.name, ours, may);
    }
}

#[test]
fn the_top_level_holds_what_the_plan_names_and_nothing_else() {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let listed = std::process::Command::new("git").args(["ls-files"]).current_dir(top).output().unwrap();
    let names: BTreeSet<_> = String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.split('/').next().map(str::to_owned))
        .filter(|name| !name.starts_with('.'))
        .collect();
    let plan = [
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "daemon",
        "deploy",
        "ebpf",
        "policy",
        "tests",
        "xtask",
    ];
    for name in &names {
        assert!(plan.contains(&name.as_str()), "{name} does not belong at the top level");
    }
}

#[test]
fn the_judgement_has_no_io_no_clock_no_unsafe() {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("policy/src");
    let mut stack = vec![top];
    while let Some(dir) = stack.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                stack.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for word in
                ["std::fs", "std::net", "std::process", "std::time", "Zoned::now", "unsafe {", "tokio"]
            {
                assert!(!code.contains(word), "{}: `{word}` has no place in pure judgement", path.display());
            }
        }
    }
}
