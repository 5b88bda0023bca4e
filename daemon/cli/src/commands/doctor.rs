//! `sekisho doctor`: what protects this node, what does not, and what to do. Works for anybody, and without the daemon.

use super::Outcome;
use crate::language::Language;
use crate::terminal::{say, say_json};
use sekisho_wire::gate::{Answer, Ask, Status, ask};
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
    if json {
        say_json(&serde_json::json!({
            "protected": protected,
            "checks": checks,
            "status": status,
        }))?;
    } else {
        say(&text(&checks, protected, language));
    }
    Ok(ExitCode::from(u8::from(!protected)))
}

fn is_protected(status: &Status) -> bool {
    status.mode == "enforce" && status.self_test
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
            (Some(status), checks)
        }
        Ok(Answer::Error { message }) => (None, vec![check("daemon", Outlook::Bad, message, "")]),
        Ok(Answer::Why { .. } | Answer::Screen { .. }) => {
            (None, vec![check("daemon", Outlook::Bad, "answered another question", "")])
        }
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
    let attached = status.hooks.iter().filter(|h| h.attached).count();
    let count = format!("{attached}/{}", status.hooks.len());
    let mut checks = vec![check("daemon", Outlook::Good, status.policy_sha256.clone(), "")];
    checks.push(match status.mode.as_str() {
        "enforce" => check("mode", Outlook::Good, "enforce", ""),
        mode => {
            let hint = language.pick(
                "nothing is denied: set mode = \"enforce\" in [gate] and systemctl reload sekisho-gate",
                "何も拒否されません。[gate] の mode を \"enforce\" にし systemctl reload sekisho-gate を実行してください",
            );
            check("mode", Outlook::Bad, mode, hint)
        }
    });
    checks.push(if status.self_test {
        check(
            "self_test",
            Outlook::Good,
            language.pick("a confined process was stopped", "拘束されたプロセスは止められました"),
            "",
        )
    } else {
        let hint = language.pick(
            "journalctl -u sekisho-gate names what was not denied",
            "journalctl -u sekisho-gate に詳細があります",
        );
        check("self_test", Outlook::Bad, language.pick("not passed", "不合格"), hint)
    });
    let outlook = if attached == status.hooks.len() { Outlook::Good } else { Outlook::Notice };
    checks.push(check("hooks", outlook, count, ""));
    for hook in status.hooks.iter().filter(|h| !h.attached) {
        checks.push(check("hook", Outlook::Notice, hook.name.clone(), hook.detail.clone()));
    }
    if status.events_lost > 0 {
        let hint = language
            .pick("records were lost, decisions were not", "失われたのは記録だけで、判断には影響しません");
        checks.push(check("records_lost", Outlook::Notice, status.events_lost.to_string(), hint));
    }
    checks
}

fn text(checks: &[Check], protected: bool, language: Language) -> String {
    let mut text = String::new();
    let verdict = if protected {
        language.pick("this node is protected", "このノードは保護されています")
    } else {
        language.pick("this node is NOT protected", "このノードは保護されていません")
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
        let _ = writeln!(text, "  {sign}  {:<12} {}", check.name, check.detail);
        if !check.hint.is_empty() {
            let _ = writeln!(text, "      hint: {}", check.hint);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_wire::gate::Hook;

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

    fn status() -> Status {
        Status {
            kernel: "6.12".into(),
            mode: "enforce".into(),
            policy_sha256: "ab".into(),
            hooks: vec![
                Hook { name: "file_open".into(), attached: true, detail: String::new() },
                Hook {
                    name: "uring_cmd".into(),
                    attached: false,
                    detail: "this kernel has no such hook".into(),
                },
            ],
            self_test: true,
            denials: 0,
            events_lost: 2,
        }
    }

    #[test]
    fn an_absent_hook_is_shown_and_audit_mode_is_not_protection() {
        assert!(is_protected(&status()));
        let shown = text(&judged(&status(), Language::English), true, Language::English);
        for part in ["uring_cmd", "no such hook", "1/2", "records were lost"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let audit = Status { mode: "audit".into(), self_test: false, ..status() };
        assert!(!is_protected(&audit));
        assert_eq!(bad(&judged(&audit, Language::English)), ["mode", "self_test"]);
    }

    #[test]
    fn without_a_daemon_the_answer_is_no_and_says_what_to_do() {
        let (status, checks) = daemon(Path::new("/nonexistent/gate.sock"), Language::English);
        assert!(status.is_none());
        assert!(checks[0].hint.contains("systemctl status sekisho-gate"));
    }
}
