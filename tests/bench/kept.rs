//! What the gate keeps about a place is forgotten as soon as the place changes, whoever changes it.
#![allow(clippy::unwrap_used, reason = "a test reports by failing")]

use std::path::Path;
use std::process::Command;

fn no_kept_verdict_outlives_its_place_on(kernel: &str) {
    let bench = env!("CARGO_BIN_EXE_sekisho-bench");
    let before = "(setsid /tmp/in/sekisho-bench move-things > /tmp/move.log 2>&1 < /dev/null &); \
                  for i in $(seq 100); do grep -q ready /tmp/move.log && break; sleep 0.1; done";
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
            "600",
        ])
        .args(["--copy", bench, "--before", before, "--after", "cat /tmp/move.log"])
        .args(["--", "/tmp/in/sekisho-bench verdicts"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "on {kernel}:\n{text}\n{errors}");
    assert_eq!(text.lines().filter(|line| line.starts_with("ok: ")).count(), 32, "on {kernel}:\n{text}");
}

#[test]
fn no_kept_verdict_outlives_its_place_on_6_1() {
    no_kept_verdict_outlives_its_place_on("6.1");
}

#[test]
fn no_kept_verdict_outlives_its_place_on_6_12() {
    no_kept_verdict_outlives_its_place_on("6.12");
}

#[test]
fn no_kept_verdict_outlives_its_place_on_6_18() {
    no_kept_verdict_outlives_its_place_on("6.18");
}

#[test]
fn no_kept_verdict_outlives_its_place_on_7_3() {
    no_kept_verdict_outlives_its_place_on("7.3");
}
