//! Every way out that we know, on every supported kernel, in a whole Debian with systemd: with the gate off the canary
//! gets out, or the kernel shows that it has no such channel; with the gate on it does not, the error is exact and the
//! record right; after the gate was opened it gets out again. What has to go on working does so in all three phases.
//!
//! Each kernel is booted once. Results: `target/escape/KERNEL.json`, `target/escape/table.md`, and for the README one row
//! per group in `target/escape-groups/table.md`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by failing")]

mod table;
mod verdict;

use sekisho_abi::hook::{Hook, Need};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use verdict::{Cell, Outcome, Registered, Result3};

/// The kernels of the table.
const KERNELS: [&str; 4] = ["6.1", "6.12", "6.18", "7.3"];
/// Fewer channels than this are no suite.
const CHANNELS: usize = 150;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn results_in(name: &str) -> PathBuf {
    let directory = top().join("target/escape");
    fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}

/// The registry, as the program itself tells it.
fn registry() -> Vec<Registered> {
    let output = Command::new(env!("CARGO_BIN_EXE_sekisho-escape")).arg("list").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What came of every channel on a kernel; the lab is booted once for all tests that ask.
fn judged(kernel: &str) -> &'static BTreeMap<String, Cell> {
    static DONE: [OnceLock<BTreeMap<String, Cell>>; KERNELS.len()] =
        [const { OnceLock::new() }; KERNELS.len()];
    let index = KERNELS.iter().position(|known| *known == kernel).unwrap();
    DONE[index].get_or_init(|| {
        let phases = three_phases(kernel);
        let rows: Vec<_> = registry()
            .into_iter()
            .map(|channel| {
                let of = |phase: &str| phases.get(&(channel.channel.clone(), phase.to_owned())).cloned();
                let results = Result3 { off: of("off"), on: of("on"), after: of("after") };
                verdict::Row { cell: verdict::judge(&channel, &results), channel, results }
            })
            .collect();
        let file = results_in(&format!("{kernel}.json"));
        fs::write(file, serde_json::to_vec_pretty(&rows).unwrap()).unwrap();
        rows.into_iter().map(|row| (row.channel.channel, row.cell)).collect()
    })
}

/// Boots one kernel and returns what came of each channel in each phase.
fn three_phases(kernel: &str) -> BTreeMap<(String, String), Outcome> {
    let escape = "/tmp/in/sekisho-escape";
    let before = format!(
        "(setsid {escape} witness > /tmp/witness.log 2>&1 < /dev/null &); \
         for i in $(seq 300); do grep -q ready /tmp/witness.log && break; sleep 0.1; done; {escape} phase off"
    );
    let after = format!(
        "systemctl stop sekisho-gate.service; /usr/libexec/sekisho/sekisho-gate detach --yes >&2; \
         {escape} phase after; cat /tmp/witness.log >&2"
    );
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--quiet", "--package", "xtask", "--", "vm", "run", "--root", "--kernel", kernel])
        .args(["--timeout", "900", "--copy", env!("CARGO_BIN_EXE_sekisho-escape"), "--before", &before])
        .args(["--after", &after, "--", &format!("{escape} phase on")])
        .current_dir(top())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    fs::write(results_in(&format!("{kernel}.log")), errors.as_bytes()).unwrap();
    let outcomes: BTreeMap<_, _> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Outcome>(line).ok())
        .map(|outcome| ((outcome.channel.clone(), outcome.phase.clone()), outcome))
        .collect();
    assert!(!outcomes.is_empty(), "the lab said nothing usable\n{text}\n{errors}");
    outcomes
}

/// What is not as promised yet, and why. The table and the README show it; an entry that is as promised has to leave
/// this list.
const OWED: &[(&str, &str)] = &[];

fn every_channel_is_closed_on(kernel: &str) {
    let mut wrong = String::new();
    for (channel, cell) in judged(kernel) {
        let owed = OWED.iter().any(|(name, _)| *name == channel);
        match cell {
            Cell::Open(_) | Cell::Wrong(_) if owed => {}
            Cell::Open(what) | Cell::Wrong(what) => {
                writeln!(wrong, "{channel}: {cell}: {what}").unwrap();
            }
            Cell::Closed(_) | Cell::Works if owed => {
                writeln!(wrong, "{channel} is as promised: take it off the list").unwrap();
            }
            Cell::Closed(_) | Cell::Works | Cell::Absent(_) => {}
        }
    }
    assert!(wrong.is_empty(), "on {kernel}:\n{wrong}");
}

#[test]
fn every_channel_is_closed_on_6_1() {
    every_channel_is_closed_on("6.1");
}

#[test]
fn every_channel_is_closed_on_6_12() {
    every_channel_is_closed_on("6.12");
}

#[test]
fn every_channel_is_closed_on_6_18() {
    every_channel_is_closed_on("6.18");
}

#[test]
fn every_channel_is_closed_on_7_3() {
    every_channel_is_closed_on("7.3");
}

#[test]
fn the_table_shows_what_the_kernels_said() {
    let cells: Vec<_> = KERNELS.iter().map(|kernel| (*kernel, judged(kernel))).collect();
    let composed = table::compose(&registry(), &cells);
    let made = results_in("table.md");
    fs::write(&made, &composed).unwrap();
    let summary = made.parent().unwrap().with_file_name("escape-groups");
    fs::create_dir_all(&summary).unwrap();
    fs::write(summary.join("table.md"), table::summary(&registry(), &cells)).unwrap();
    let committed = top().join("tests/escape/TABLE.md");
    let shown = fs::read_to_string(&committed).unwrap_or_default();
    let said: BTreeSet<_> = composed.lines().collect();
    let told: BTreeSet<_> = shown.lines().collect();
    let differing: Vec<_> = said.symmetric_difference(&told).collect();
    assert!(
        shown == composed,
        "tests/escape/TABLE.md is not what the kernels said; if the new one is right: cp {} {}\n{differing:#?}",
        made.display(),
        committed.display()
    );
}

#[test]
fn the_suite_is_large_and_each_channel_says_what_it_is() {
    let channels = registry();
    let names: BTreeSet<_> = channels.iter().map(|c| c.channel.as_str()).collect();
    assert_eq!(names.len(), channels.len(), "two channels have one name");
    assert!(channels.len() >= CHANNELS, "{} channels", channels.len());
    let reasons: BTreeSet<_> = sekisho_abi::Reason::ALL.iter().map(|reason| reason.name()).collect();
    let second_layer = sekisho_abi::second_layer::Program::ALL.iter().map(|program| program.name());
    let hooks: BTreeSet<_> = Hook::ALL.iter().map(|hook| hook.name()).chain(second_layer).collect();
    for channel in &channels {
        assert!(!channel.tries.is_empty() && !channel.group.is_empty(), "{}", channel.channel);
        match &channel.works_because {
            Some(because) => assert!(!because.is_empty(), "{}", channel.channel),
            None => {
                assert!(reasons.contains(channel.reason.as_str()), "{}: {}", channel.channel, channel.reason)
            }
        }
        for hook in channel.hooks.iter().chain(channel.or.iter().map(|(hook, _)| hook)) {
            assert!(hooks.contains(hook.as_str()), "{} aims at no hook: {hook}", channel.channel);
        }
    }
}

/// Hooks that never say no to a channel, by name (some are only on the way), and why.
const SILENT: &[(&str, &str)] = &[
    (
        "socket_post_create",
        "notes who made a socket; says no only when the kernel has no memory for the note",
    ),
    ("inode_alloc_security", "notes whose memory an inode is; cannot say no"),
    ("task_alloc", "hands the mark to children; says no only when the kernel has no memory for it"),
    ("task_fix_setuid", "marks who becomes a confined person; likewise"),
    ("bprm_committed_creds", "ends a role; cannot say no"),
    ("task_free", "forgets a task; cannot say no"),
    (
        "inet_conn_established",
        "notes who opened a connection within the node; what is sent through it is refused",
    ),
    ("sb_kern_mount", "behind a capability, which is refused before"),
    ("sb_remount", "behind a capability, which is refused before"),
    ("sb_umount", "behind a capability, which is refused before"),
    ("sb_pivotroot", "behind a capability, which is refused before"),
    ("move_mount", "behind a capability, which is refused before"),
    ("kernel_read_file", "behind a capability, which is refused before"),
    ("kernel_load_data", "behind a capability, which is refused before"),
    ("locked_down", "behind a capability or a device, which are refused before"),
    ("bpf_map", "behind the system call, which is refused before"),
    ("bpf_prog", "behind the system call, which is refused before"),
    ("mmap_backing_file", "what an overlay maps below; the overlay itself is refused before"),
    ("uring_allowed", "a ring as such is allowed; its orders are judged"),
];

fn is_silent(hook: Hook) -> bool {
    SILENT.iter().any(|(name, _)| *name == hook.name())
}

#[test]
fn every_hook_is_aimed_at() {
    let channels = registry();
    let aimed: BTreeSet<_> = channels
        .iter()
        .flat_map(|c| c.hooks.iter().chain(c.or.iter().map(|(hook, _)| hook)))
        .map(String::as_str)
        .collect();
    let missing: Vec<_> = Hook::ALL
        .iter()
        .filter(|hook| !aimed.contains(hook.name()) && !is_silent(**hook))
        .map(|hook| hook.name())
        .collect();
    assert!(missing.is_empty(), "no channel aims at {missing:?}");
}

/// Hooks that recorded a denial on a kernel.
fn recorded_on(kernel: &str) -> BTreeSet<String> {
    let _ = judged(kernel);
    let rows: serde_json::Value =
        serde_json::from_slice(&fs::read(results_in(&format!("{kernel}.json"))).unwrap()).unwrap();
    let rows = rows.as_array().unwrap().iter();
    rows.filter_map(|row| row["results"]["on"]["denials"].as_array())
        .flatten()
        .filter_map(|denial| denial["hook"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn every_hook_that_must_be_there_says_no_on_every_kernel() {
    let mut missing = String::new();
    for kernel in KERNELS {
        let recorded = recorded_on(kernel);
        let needed = Hook::ALL.iter().filter(|hook| hook.need() == Need::Mandatory && !is_silent(**hook));
        for hook in needed.filter(|hook| !recorded.contains(hook.name())) {
            writeln!(missing, "{kernel}: {} recorded nothing", hook.name()).unwrap();
        }
    }
    assert!(missing.is_empty(), "{missing}");
}
