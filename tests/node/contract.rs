//! What `cargo xtask vm run` promises to whoever builds on it.

use crate::scene::vm_run;
use std::fs;
use std::os::unix::fs::symlink;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn everything_before_during_and_after_reaches_the_caller_unchanged() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().join("a tree");
    fs::create_dir_all(tree.join("deep")).unwrap();
    fs::write(tree.join("deep/file"), "content").unwrap();
    symlink("deep/file", tree.join("link")).unwrap();
    let single = place.path().join("single,file");
    fs::write(&single, "alone").unwrap();
    let (tree, single) = (tree.display().to_string(), single.display().to_string());
    let command = "printf '<%s>' \"$@\"; echo; id -un; pwd; cat '/tmp/in/a tree/link' '/tmp/in/single,file'; echo; \
                   stat -c '%U' '/tmp/in/a tree/deep/file'; echo wrong >&2; touch /home/outside/x; \
                   pgrep -x -f 'sleep 987' > /dev/null && echo survived; exit 37";
    let output = vm_run(&[
        "--copy",
        &tree,
        "--copy",
        &single,
        "--before",
        "id -un; ls /sys/fs/bpf | wc -l; setsid sleep 987 > /dev/null 2>&1 & echo before",
        "--after",
        "echo after; id -un; echo root > /home/outside/y && pgrep -x -f 'sleep 987' > /dev/null && echo survived; exit 5",
        "--",
        "sh",
        "-c",
        command,
        "name",
        "two words",
        "it's",
        "",
        "$HOME \"x\" *",
    ]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(37), "the command's own code\n{out}{err}");
    let expected = "root\n0\nbefore\n\
                    <two words><it's><><$HOME \"x\" *>\nresearcher\n/home/researcher\ncontentalone\nresearcher\nsurvived\n\
                    after\nroot\nsurvived\n";
    assert_eq!(out, expected, "{err}");
    assert!(err.contains("wrong\n"), "standard error stays standard error\n{err}");
    assert!(err.contains("touch") && err.contains("Operation not permitted"), "{err}");
}

#[test]
fn without_the_gate_nothing_is_denied_and_one_string_is_a_shell_command() {
    let output = vm_run(&["--gate", "off", "--", "echo out > /mnt/out/x && cat /mnt/out/x; kill -KILL $$"]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(out, "out\n", "{err}");
    assert_eq!(output.status.code(), Some(128 + 9), "a signal's code is the shell's\n{err}");
}

#[test]
fn a_command_on_this_machine_finds_the_guest_through_its_sshd_and_its_failure_counts() {
    let outside = "hostname=$(ssh -F \"$SEKISHO_SSH_CONFIG\" -l root node cat /etc/hostname); echo \"$hostname\"; \
                   test -f \"$SEKISHO_SSH_KEY\" && test \"$SEKISHO_SSH_PORT\" -gt 0 && exit 41";
    let output = vm_run(&["--gate", "off", "--outside", outside, "--", "echo inside"]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(out, "sekisho-lab\ninside\n", "{err}");
    assert_eq!(output.status.code(), Some(41), "{err}");
    assert!(err.contains("[lab] ssh port "), "{err}");
}

#[test]
fn the_audit_mode_records_and_allows_and_a_command_out_of_time_is_124() {
    let command = "echo out > /mnt/out/x && cat /mnt/out/x; sleep 2; sekisho why; sleep 600";
    let output = vm_run(&["--gate", "audit", "--timeout", "25", "--", command]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(out.starts_with("out\n"), "{out}{err}");
    assert!(out.contains("recorded only (audit mode)"), "{out}{err}");
    assert_eq!(output.status.code(), Some(124), "{out}{err}");
}
