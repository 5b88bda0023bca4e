//! `sekisho doctor`: what protects this node, what does not, and what to do. Works for anybody, and without the daemon.

use super::Outcome;
use super::report::shown;
use crate::language::Language;
use crate::terminal::{folded, say, say_json};
use sekisho_wire::gate::{Answer, Ask, Hook, Status, ask};
use sekisho_wire::paths;
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// The gate's socket.
    #[arg(long, default_value = paths::GATE_SOCKET, hide = true)]
    socket: PathBuf,
    /// Below this directory are `proc` and `sys`.
    #[arg(long, default_value = "/", hide = true)]
    root: PathBuf,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outlook {
    Good,
    /// Protected, yet worth knowing.
    Notice,
    Bad,
    /// Could not be seen from here.
    Unknown,
}

/// One thing looked at.
#[derive(Debug, Clone, Serialize)]
struct Check {
    name: &'static str,
    outlook: Outlook,
    detail: String,
    /// What to do; empty when nothing.
    hint: String,
}

fn check(name: &'static str, outlook: Outlook, detail: impl Into<String>, hint: impl Into<String>) -> Check {
    Check { name, outlook, detail: detail.into(), hint: hint.into() }
}

/// Runs the command.
pub fn run(args: &Args, json: bool) -> Outcome {
    let language = Language::of_caller();
    let mut checks = kernel(&args.root, language);
    let (status, mut asked) = daemon(&args.socket, language);
    checks.append(&mut asked);
    let protected =
        status.as_ref().is_some_and(is_protected) && checks.iter().all(|c| c.outlook != Outlook::Bad);
    let level = level(status.as_ref(), protected);
    if json {
        say_json(&serde_json::json!({
            "protected": protected,
            "level": level,
            "checks": checks,
            "status": status,
        }))?;
    } else {
        say(&text(&checks, level, language));
    }
    Ok(ExitCode::from(u8::from(!protected)))
}

fn is_protected(status: &Status) -> bool {
    status.mode == "enforce" && status.self_test && status.problem.is_empty()
}

/// How much of what the gate can do is done here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    /// Every hook the gate knows is attached, or this kernel sees what it would see through others that are.
    Full,
    /// The mandatory ones are; what this kernel does not let the gate see is named.
    Partial,
    /// Nothing can be relied on.
    None,
}

fn level(status: Option<&Status>, protected: bool) -> Level {
    match status {
        Some(status) if protected => {
            let all = status.hooks.iter().chain(&status.second_layer).all(is_seen);
            if all { Level::Full } else { Level::Partial }
        }
        _ => Level::None,
    }
}

/// Does the gate see what this hook is for?
fn is_seen(hook: &Hook) -> bool {
    hook.attached || !hook.covered_by.is_empty()
}

/// What the kernel itself says.
fn kernel(root: &Path, language: Language) -> Vec<Check> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).map(|s| s.trim().to_owned());
    let mut checks = Vec::new();
    let release = read("proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|n| n.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    checks.push(if version >= (6, 1) {
        check("kernel", Outlook::Good, release, "")
    } else {
        let hint = language.pick(
            "the gate needs Linux 6.1 or later: install Debian 12's kernel",
            "Linux 6.1 以降が必要です。Debian 12 のカーネルを導入してください",
        );
        check("kernel", Outlook::Bad, release, hint)
    });
    checks.push(match read("sys/kernel/security/lsm") {
        Ok(active) if active.split(',').any(|lsm| lsm == "bpf") => check("bpf_lsm", Outlook::Good, active, ""),
        Ok(active) => {
            let hint = match language {
                Language::English => format!(
                    "bpf is not among the active LSMs: add lsm={active},bpf to the kernel command line (GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub) and reboot"
                ),
                Language::Japanese => format!(
                    "bpf が有効な LSM に含まれていません。カーネルの起動引数に lsm={active},bpf を加え (/etc/default/grub の GRUB_CMDLINE_LINUX、その後 update-grub)、再起動してください"
                ),
            };
            check("bpf_lsm", Outlook::Bad, active, hint)
        }
        Err(error) => {
            let hint = language.pick("mount -t securityfs none /sys/kernel/security shows the active LSMs", "mount -t securityfs none /sys/kernel/security で確認できます");
            check("bpf_lsm", Outlook::Unknown, error.to_string(), hint)
        }
    });
    checks.push(if root.join("sys/kernel/btf/vmlinux").exists() {
        check("btf", Outlook::Good, "/sys/kernel/btf/vmlinux", "")
    } else {
        let hint = language.pick(
            "the kernel carries no BTF: it must be built with CONFIG_DEBUG_INFO_BTF=y; Debian's are",
            "カーネルに BTF がありません。CONFIG_DEBUG_INFO_BTF=y で作られたもの (Debian 標準) が必要です",
        );
        check("btf", Outlook::Bad, "/sys/kernel/btf/vmlinux", hint)
    });
    checks
}

/// What the gate's daemon says.
fn daemon(socket: &Path, language: Language) -> (Option<Status>, Vec<Check>) {
    match ask(socket, &Ask::Status) {
        Ok(Answer::Status(status)) => {
            let checks = judged(&status, language);
            (Some(*status), checks)
        }
        Ok(Answer::Error { message }) => (None, vec![check("daemon", Outlook::Bad, message, "")]),
        Ok(_) => (None, vec![check("daemon", Outlook::Bad, "answered another question", "")]),
        Err(error) => {
            let hint = language.pick(
                "systemctl status sekisho-gate; what was attached before its daemon ended stays enforced (root sees it: ls /sys/fs/bpf/sekisho/links)",
                "systemctl status sekisho-gate を確認してください。デーモン停止前に取り付けられた関所は有効なままです (root は ls /sys/fs/bpf/sekisho/links で確認可)",
            );
            (None, vec![check("daemon", Outlook::Bad, format!("{}: {error}", socket.display()), hint)])
        }
    }
}

fn judged(status: &Status, language: Language) -> Vec<Check> {
    let mut checks = vec![check("daemon", Outlook::Good, "", ""), mode(status, language)];
    checks.push(check("policy", Outlook::Good, format!("sha256 {}", status.policy_sha256), ""));
    checks.push(self_test(status, language));
    checks.push(if status.problem.is_empty() {
        check("releases", Outlook::Good, language.pick("not held up by the gate", "関所による保留なし"), "")
    } else {
        let hint = language.pick(
            "approved results wait until this is mended; enforcement goes on meanwhile",
            "解消するまで承認済みの結果も持ち出されません。その間も拒否は続きます",
        );
        check("releases", Outlook::Bad, status.problem.clone(), hint)
    });
    checks.append(&mut hooks("hooks", &status.hooks, language));
    if !status.second_layer.is_empty() {
        checks.append(&mut hooks("second_layer", &status.second_layer, language));
    }
    for lock in &status.locks {
        let detail = format!("{}: {} ({}, {})", lock.scope, lock.reason, lock.by, lock.since);
        let hint = language.pick(
            "nothing of theirs leaves; sekisho lockdown lift ends it",
            "対象者は何も持ち出せません。sekisho lockdown lift で解除します",
        );
        checks.push(check("lockdown", Outlook::Notice, detail, hint));
    }
    checks.push(if status.events_lost == 0 {
        check("records", Outlook::Good, language.pick("none lost", "欠落なし"), "")
    } else {
        let lost = language.pick("lost", "件欠落");
        let hint = language
            .pick("records were lost, decisions were not", "失われたのは記録だけで、判断には影響しません");
        check("records", Outlook::Notice, format!("{} {lost}", status.events_lost), hint)
    });
    if status.hooks_skipped > 0 {
        let skipped =
            language.pick("times a hook was skipped by the kernel", "回、カーネルがフックを飛ばしました");
        let hint = language.pick(
            "what the hook would have judged was not; use a kernel that runs programs on every call",
            "その分は判断されていません。毎回フックを実行するカーネルを使ってください",
        );
        checks.push(check("skipped", Outlook::Bad, format!("{} {skipped}", status.hooks_skipped), hint));
    }
    if status.waiting_records > 0 {
        let hint = language.pick(
            "records wait on disk for the ledger: systemctl status sekisho-notary",
            "台帳への記録がディスク上で待っています。systemctl status sekisho-notary を確認してください",
        );
        checks.push(check("ledger", Outlook::Notice, status.waiting_records.to_string(), hint));
    }
    checks.append(&mut unconfined(status, language));
    checks
}

fn mode(status: &Status, language: Language) -> Check {
    match status.mode.as_str() {
        "enforce" => check("mode", Outlook::Good, "enforce", ""),
        mode => {
            let hint = language.pick(
                "nothing is denied: set mode = \"enforce\" in [gate], then sekisho policy apply",
                "何も拒否されません。[gate] の mode を \"enforce\" にし sekisho policy apply を実行してください",
            );
            check("mode", Outlook::Bad, mode, hint)
        }
    }
}

fn self_test(status: &Status, language: Language) -> Check {
    if let (true, Some(age)) = (status.self_test, status.self_test_age) {
        let detail = match language {
            Language::English => format!("a confined process was stopped, {age} s ago"),
            Language::Japanese => format!("{age} 秒前に、拘束されたプロセスが止められることを確認"),
        };
        return check("self_test", Outlook::Good, detail, "");
    }
    let hint = language.pick(
        "journalctl -u sekisho-gate has the details; systemctl restart sekisho-gate attaches everything anew, enforcement goes on meanwhile",
        "journalctl -u sekisho-gate に詳細があります。systemctl restart sekisho-gate で取り付け直せます (その間も拒否は続きます)",
    );
    let found = status.self_test_problem.lines().next().unwrap_or_default();
    let detail = format!("{}: {found}", language.pick("not passed", "不合格"));
    check("self_test", Outlook::Bad, detail, hint)
}

/// Every hook: those that are attached in one entry, those that others cover in one, each other absent one with its cause.
fn hooks(name: &'static str, hooks: &[Hook], language: Language) -> Vec<Check> {
    let attached: Vec<_> = hooks.iter().filter(|h| h.attached).map(|h| h.name.as_str()).collect();
    let outlook = if hooks.iter().all(is_seen) { Outlook::Good } else { Outlook::Notice };
    let detail = format!("{}/{}: {}", attached.len(), hooks.len(), attached.join(" "));
    let mut checks = vec![check(name, outlook, detail, "")];
    let covered: Vec<_> = hooks.iter().filter(|h| !h.attached && is_seen(h)).collect();
    if !covered.is_empty() {
        let each: Vec<_> =
            covered.iter().map(|h| format!("{} ({})", h.name, h.covered_by.join(" "))).collect();
        let lead = language.pick(
            "hooks of later kernels; here those in brackets see the same",
            "新しいカーネルのフック。ここでは括弧内のフックが同じ操作を見ています",
        );
        checks.push(check("covered", Outlook::Good, format!("{lead}: {}", each.join(", ")), ""));
    }
    for hook in hooks.iter().filter(|h| !is_seen(h)) {
        let why = match language {
            Language::Japanese if hook.detail == "this kernel has no such hook" => {
                "このカーネルにはこのフックがありません"
            }
            _ => &hook.detail,
        };
        checks.push(check("absent", Outlook::Notice, hook.name.clone(), why));
    }
    checks
}

/// Who is not confined: by policy, and as found running.
fn unconfined(status: &Status, language: Language) -> Vec<Check> {
    let names: Vec<_> = status.exempt.iter().map(|e| format!("{} ({})", e.name, e.uid)).collect();
    let hint = language.pick(
        "these accounts can take data out: gate.subjects.exempt_users, keep it short",
        "これらのアカウントはデータを持ち出せます (gate.subjects.exempt_users)。最小限にしてください",
    );
    let mut checks =
        vec![check("exempt", Outlook::Notice, names.join(", "), if names.is_empty() { "" } else { hint })];
    let programs: std::collections::BTreeSet<_> =
        status.unconfined.iter().map(|p| p.exe.rsplit('/').next().unwrap_or_default()).collect();
    if !programs.is_empty() {
        let list: Vec<_> = programs.into_iter().collect();
        let hint = language.pick(
            "running unconfined when the policy came into force; sekisho doctor --json names cgroup, account and process",
            "ポリシー適用時に拘束されずに動いていたもの。cgroup・アカウント・プロセスは sekisho doctor --json で確認できます",
        );
        checks.push(check("unconfined", Outlook::Notice, list.join(" "), hint));
    }
    checks
}

fn text(checks: &[Check], level: Level, language: Language) -> String {
    let mut text = String::new();
    let verdict = match level {
        Level::Full => language.pick("this node is protected: full", "このノードは保護されています: 完全"),
        Level::Partial => language.pick(
            "this node is protected: partial, what the gate cannot see on this kernel is named below",
            "このノードは保護されています: 一部のみ (このカーネルで見えない操作は下記)",
        ),
        Level::None => language.pick("this node is NOT protected", "このノードは保護されていません"),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{verdict}");
    for check in checks {
        let sign = match check.outlook {
            Outlook::Good => "ok",
            Outlook::Notice => "--",
            Outlook::Bad => "NO",
            Outlook::Unknown => "??",
        };
        // Reasons of lockdowns and names of programs were chosen by people.
        let detail = folded(&shown(&check.detail));
        let _ = writeln!(text, "{}", format!("  {sign}  {:<12} {detail}", check.name).trim_end());
        if !check.hint.is_empty() {
            let _ = writeln!(text, "      {}: {}", language.pick("hint", "対応"), check.hint);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_wire::gate::{Exempt, Lock, Scope, Unconfined};

    fn node(release: &str, lsm: Option<&str>, btf: bool) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for path in ["proc/sys/kernel", "sys/kernel/security", "sys/kernel/btf"] {
            std::fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        std::fs::write(dir.path().join("proc/sys/kernel/osrelease"), release).unwrap();
        if let Some(lsm) = lsm {
            std::fs::write(dir.path().join("sys/kernel/security/lsm"), lsm).unwrap();
        }
        if btf {
            std::fs::write(dir.path().join("sys/kernel/btf/vmlinux"), "").unwrap();
        }
        dir
    }

    fn bad(checks: &[Check]) -> Vec<&'static str> {
        checks.iter().filter(|c| c.outlook == Outlook::Bad).map(|c| c.name).collect()
    }

    #[test]
    fn a_kernel_without_bpf_among_its_lsms_is_told_what_to_add() {
        let node = node("6.1.0-56-amd64", Some("lockdown,capability,yama\n"), true);
        let checks = kernel(node.path(), Language::English);
        assert_eq!(bad(&checks), ["bpf_lsm"]);
        assert!(
            checks[1].hint.contains("add lsm=lockdown,capability,yama,bpf to the kernel command line"),
            "{}",
            checks[1].hint
        );
        assert!(kernel(node.path(), Language::Japanese)[1].hint.contains("lsm=lockdown,capability,yama,bpf"));
    }

    #[test]
    fn an_old_kernel_and_a_missing_btf_are_named() {
        let node = node("5.10.0-30-amd64", Some("capability,bpf"), false);
        assert_eq!(bad(&kernel(node.path(), Language::English)), ["kernel", "btf"]);
    }

    #[test]
    fn what_cannot_be_seen_is_unknown_and_a_good_kernel_is_good() {
        let hidden = node("6.12.117", None, true);
        assert!(kernel(hidden.path(), Language::English).iter().any(|c| c.outlook == Outlook::Unknown));
        let good = node("7.3.4+deb13", Some("landlock,bpf"), true);
        assert!(kernel(good.path(), Language::English).iter().all(|c| c.outlook == Outlook::Good));
    }

    fn absent(name: &str, covered_by: &[&str]) -> Hook {
        Hook {
            name: name.into(),
            attached: false,
            detail: "this kernel has no such hook".into(),
            covered_by: covered_by.iter().map(|&name| name.into()).collect(),
        }
    }

    fn status() -> Status {
        Status {
            kernel: "6.12".into(),
            mode: "enforce".into(),
            policy_sha256: "ab".into(),
            hooks: vec![
                Hook {
                    name: "file_open".into(),
                    attached: true,
                    detail: String::new(),
                    covered_by: Vec::new(),
                },
                absent("uring_cmd", &[]),
            ],
            self_test: true,
            denials: 0,
            events_lost: 2,
            hooks_skipped: 0,
            problem: String::new(),
            self_test_age: Some(7),
            self_test_problem: String::new(),
            locks: vec![Lock {
                scope: Scope::Project { id: "demo".into() },
                accounts: vec![1001],
                since: "2026-11-22T02:00:00Z".into(),
                by: "root".into(),
                reason: "incident 7".into(),
            }],
            exempt: vec![Exempt { name: "officer".into(), uid: 1002 }],
            unconfined: vec![Unconfined {
                cgroup: "/system.slice/ssh.service".into(),
                exe: "/usr/sbin/sshd".into(),
                uid: 0,
                pid: 7,
                processes: 1,
            }],
            waiting_records: 3,
            second_layer: Vec::new(),
        }
    }

    #[test]
    fn everything_an_administrator_must_know_is_shown_in_both_languages() {
        assert!(is_protected(&status()));
        assert_eq!(level(Some(&status()), true), Level::Partial);
        for language in [Language::English, Language::Japanese] {
            let shown = text(&judged(&status(), language), Level::Partial, language);
            for part in [
                "1/2: file_open",
                "uring_cmd",
                "project demo",
                "incident 7",
                "officer (1002)",
                "sshd",
                "sha256 ab",
                "7 ",
            ] {
                assert!(shown.contains(part), "{part}: {shown}");
            }
        }
        let english = text(&judged(&status(), Language::English), Level::Partial, Language::English);
        assert!(english.contains("no such hook") && english.contains("records were lost"), "{english}");
    }

    #[test]
    fn what_later_kernels_have_is_no_alarm_where_other_hooks_see_the_same() {
        let mut status = status();
        status.hooks[1] = absent("file_truncate", &["path_truncate"]);
        assert_eq!(level(Some(&status), true), Level::Full);
        for language in [Language::English, Language::Japanese] {
            let checks = hooks("hooks", &status.hooks, language);
            assert!(checks.iter().all(|c| c.outlook == Outlook::Good && c.hint.is_empty()), "{checks:?}");
            assert!(checks[1].detail.contains("file_truncate (path_truncate)"), "{checks:?}");
        }
        status.hooks.push(absent("perf_event_open", &[]));
        assert_eq!(level(Some(&status), true), Level::Partial);
        let shown =
            text(&hooks("hooks", &status.hooks, Language::Japanese), Level::Partial, Language::Japanese);
        assert!(shown.contains("--  absent       perf_event_open"), "{shown}");
        assert!(shown.contains("このカーネルにはこのフックがありません"), "{shown}");
    }

    #[test]
    fn audit_mode_a_failed_self_test_and_an_unsound_gate_are_no_protection() {
        let audit = Status { mode: "audit".into(), self_test: false, self_test_age: None, ..status() };
        assert!(!is_protected(&audit));
        assert_eq!(bad(&judged(&audit, Language::English)), ["mode", "self_test"]);
        let unsound = Status { problem: "3 of 50 hooks are still attached".into(), ..status() };
        assert_eq!((is_protected(&unsound), level(Some(&unsound), false)), (false, Level::None));
        assert_eq!(bad(&judged(&unsound, Language::English)), ["releases"]);
        let skipped = Status { hooks_skipped: 3, ..status() };
        assert_eq!(bad(&judged(&skipped, Language::English)), ["skipped"]);
        let whole = Status { hooks: vec![status().hooks.remove(0)], ..status() };
        assert_eq!(level(Some(&whole), true), Level::Full);
    }

    #[test]
    fn without_a_daemon_the_answer_is_no_and_says_what_to_do() {
        let (status, checks) = daemon(Path::new("/nonexistent/gate.sock"), Language::English);
        assert!(status.is_none());
        assert!(checks[0].hint.contains("systemctl status sekisho-gate"));
    }
}
