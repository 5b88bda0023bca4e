//! Every hook, on every supported kernel, in a whole Debian with systemd: allowed with the gate off, denied with
//! EPERM and recorded with it on, allowed again after it was opened. Ordinary work succeeds in all three phases.
#![allow(clippy::unwrap_used, reason = "a test reports by failing")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

fn phase(name: &str) -> String {
    format!("su -l researcher -c '/tmp/in/sekisho-acts run --all --json --phase {name}'")
}

/// What came of each act in each phase, by (act, phase).
type Results = BTreeMap<(String, String), Value>;

/// Boots one kernel and returns what came of each act in each phase, and the researcher's denial records.
fn three_phases(kernel: &str) -> (Results, Vec<Value>) {
    let acts = env!("CARGO_BIN_EXE_sekisho-acts");
    let before = format!(
        "sysctl -q -w kernel.unprivileged_bpf_disabled=0 net.ipv4.tcp_fastopen=3; \
         (setsid /tmp/in/sekisho-acts lend > /tmp/lend.log 2>&1 < /dev/null &); \
         for i in $(seq 100); do grep -q ready /tmp/lend.log && break; sleep 0.1; done; {}",
        phase("off")
    );
    let after = format!(
        "systemctl stop sekisho-gate.service; /usr/libexec/sekisho/sekisho-gate detach --yes; {}",
        phase("after")
    );
    let during = "/tmp/in/sekisho-acts run --all --json --phase on; sleep 3; sekisho why --json --limit 500";
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "run",
            "--quiet",
            "--package",
            "xtask",
            "--",
            "vm",
            "run",
            "--kernel",
            kernel,
            "--timeout",
            "900",
        ])
        .args(["--copy", acts, "--before", &before, "--after", &after, "--", during])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let mut results = BTreeMap::new();
    let mut denials = Vec::new();
    for value in
        serde_json::Deserializer::from_str(&json_only(&text)).into_iter::<Value>().map_while(Result::ok)
    {
        if let Some(records) = value["denials"].as_array() {
            denials.extend(records.iter().cloned());
        } else if let (Some(phase), Some(act)) = (value["phase"].as_str(), value["act"].as_str()) {
            results.insert((act.to_owned(), phase.to_owned()), value);
        }
    }
    assert!(!results.is_empty(), "the lab said nothing usable\n{text}\n{errors}");
    (results, denials)
}

/// From the first brace on; lines that are no JSON (`gate open: …`) are left out.
fn json_only(text: &str) -> String {
    text.lines().filter(|line| line.starts_with(['{', '}', ' ', ']', '['])).collect::<Vec<_>>().join("\n")
}

/// Hooks that say no in another hook's name: they carry the mark, and the write that follows is refused.
fn recorded_as(hook: &str) -> &str {
    match hook {
        "task_alloc" | "task_fix_setuid" | "bprm_check_security" => "file_open",
        other => other,
    }
}

fn every_hook_holds_on(kernel: &str) {
    let (results, denials) = three_phases(kernel);
    let acts: BTreeSet<_> = results.keys().map(|(act, _)| act.clone()).collect();
    let recorded: BTreeSet<_> = denials.iter().filter_map(|d| d["hook"].as_str()).collect();
    let mut wrong = Vec::new();
    for act in &acts {
        let of = |phase: &str| {
            results
                .get(&(act.clone(), phase.to_owned()))
                .and_then(|v| v["result"].as_str())
                .unwrap_or("missing")
        };
        let any = results.iter().find(|((name, _), _)| name == act).map(|(_, value)| value).unwrap();
        let hook = any["hook"].as_str().unwrap_or_default();
        let expected = if any["control"] == true { ["ok"; 3] } else { ["ok", "EPERM", "ok"] };
        let actual = [of("off"), of("on"), of("after")];
        if actual != expected {
            wrong.push(format!("{act} ({hook}): off, on, after = {actual:?}"));
        }
        if !hook.is_empty() && !recorded.contains(recorded_as(hook)) {
            wrong.push(format!("{act}: no denial recorded for {}", recorded_as(hook)));
        }
    }
    assert!(wrong.is_empty(), "on {kernel}:\n{}", wrong.join("\n"));
    let mandatory = [
        "file_open",
        "file_permission",
        "mmap_file",
        "file_mprotect",
        "file_receive",
        "path_truncate",
        "inode_create",
        "inode_mkdir",
        "inode_symlink",
        "inode_link",
        "inode_rename",
        "inode_mknod",
        "inode_setattr",
        "inode_setxattr",
        "socket_create",
        "socket_connect",
        "socket_sendmsg",
        "socket_bind",
        "socket_listen",
        "socket_accept",
        "unix_stream_connect",
        "unix_may_send",
        "task_alloc",
        "task_fix_setuid",
        "ptrace_access_check",
        "task_kill",
        "sb_mount",
        "capable",
        "bpf",
    ];
    let aimed: BTreeSet<_> = results.values().filter_map(|v| v["hook"].as_str()).collect();
    for hook in mandatory {
        assert!(aimed.contains(hook), "no act aims at {hook}");
    }
}

#[test]
fn every_hook_allows_denies_and_allows_again_on_6_1() {
    every_hook_holds_on("6.1");
}

#[test]
fn every_hook_allows_denies_and_allows_again_on_6_12() {
    every_hook_holds_on("6.12");
}

#[test]
fn every_hook_allows_denies_and_allows_again_on_6_18() {
    every_hook_holds_on("6.18");
}

#[test]
fn every_hook_allows_denies_and_allows_again_on_7_3() {
    every_hook_holds_on("7.3");
}
