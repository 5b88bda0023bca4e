//! `sekisho why`: one's own denials, in words, and where to write instead.

use super::{Failure, Outcome};
use crate::language::Language;
use crate::terminal::{say, say_json};
use sekisho_policy::schema::{Policy, ZoneKind};
use sekisho_wire::gate::{Answer, Ask, Denial, ask};
use sekisho_wire::{config, paths};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// At most this many, newest first.
    #[arg(long, short = 'n', default_value_t = 10)]
    limit: u32,
    /// The gate's socket.
    #[arg(long, default_value = paths::GATE_SOCKET, hide = true)]
    socket: PathBuf,
}

/// Runs the command.
pub fn run(args: &Args, json: bool) -> Outcome {
    // Text folds what repeats, so it needs more than it shows.
    let limit = if json { args.limit } else { u32::MAX };
    let answer = ask(&args.socket, &Ask::Why { limit }).map_err(|error| unreachable(&args.socket, &error))?;
    let denials = match answer {
        Answer::Why { denials } => denials,
        Answer::Error { message } => return Err(Failure::new(1, message, "")),
        _ => return Err(Failure::new(75, "the gate answered another question", "")),
    };
    // The policy is readable on an ordinary node; without it only the advice is shorter.
    let places = config::load_installed().ok().map(|loaded| Places::of(&loaded.policy)).unwrap_or_default();
    if json {
        say_json(&serde_json::json!({
            "denials": denials,
            "workspaces": places.workspaces,
            "spools": places.spools,
        }))?;
    } else {
        say(&text(&denials, args.limit as usize, &places, Language::of_caller()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The gate could not be asked.
pub fn unreachable(socket: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        75,
        format!("the gate at {} does not answer: {error}", socket.display()),
        "what the gate denies stays denied without its daemon; the administrator sees: systemctl status sekisho-gate",
    )
}

/// Where one may write.
#[derive(Debug, Default)]
struct Places {
    workspaces: Vec<String>,
    spools: Vec<String>,
}

impl Places {
    fn of(policy: &Policy) -> Self {
        let of = |kind| policy.gate.zones.iter().filter(|z| z.kind == kind).map(|z| z.path.clone()).collect();
        Self { workspaces: of(ZoneKind::Workspace), spools: of(ZoneKind::Spool) }
    }
}

/// What login programs ask of the system beside the person's own doing: told last, in one line each.
fn is_bookkeeping(denial: &Denial) -> bool {
    let login = ["su", "sudo", "sshd", "sshd-session", "login", "cron", "(sd-pam)", "systemd"];
    denial.hook.starts_with("unix_") && login.contains(&denial.comm.as_str())
}

/// The same thing denied to the same program again, under whatever process id, is one entry with a count.
fn folded<'a>(denials: impl Iterator<Item = &'a Denial>) -> Vec<Denial> {
    let mut folded: Vec<Denial> = Vec::new();
    for denial in denials {
        let same = |d: &&mut Denial| {
            (&d.comm, &d.hook, &d.object, &d.reason, d.denied, d.uid)
                == (&denial.comm, &denial.hook, &denial.object, &denial.reason, denial.denied, denial.uid)
        };
        match folded.iter_mut().find(same) {
            Some(newest) => newest.repeated += denial.repeated + 1,
            None => folded.push(denial.clone()),
        }
    }
    folded
}

fn text(denials: &[Denial], limit: usize, places: &Places, language: Language) -> String {
    let mut text = String::new();
    if denials.is_empty() {
        return format!("{}\n", language.pick("nothing of yours was denied", "拒否された操作はありません"));
    }
    let own = folded(denials.iter().filter(|d| !is_bookkeeping(d)));
    for denial in own.iter().take(limit) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}  {} ({})", denial.time, denial.comm, denial.pid);
        let verdict = match (denial.denied, language) {
            (true, Language::English) => "denied",
            (true, Language::Japanese) => "拒否",
            (false, Language::English) => "recorded only (audit mode)",
            (false, Language::Japanese) => "記録のみ (監査モード)",
        };
        let _ = writeln!(text, "  {verdict}: {} {}", denial.hook, denial.object);
        if denial.repeated > 0 {
            let times = language.pick("more times", "回、ほかにも");
            let _ = writeln!(text, "  {} {times}", denial.repeated);
        }
        let _ = writeln!(text, "  {}", reason(&denial.reason, language));
    }
    if own.len() > limit {
        let (more, all) = (own.len() - limit, own.len());
        let _ = match language {
            Language::English => writeln!(text, "… {more} more kinds: sekisho why --limit {all}"),
            Language::Japanese => writeln!(text, "… ほか {more} 種類: sekisho why --limit {all}"),
        };
    }
    let lead =
        language.pick("login bookkeeping that was denied, harmless", "ログイン処理の一部 (影響はありません)");
    for denial in folded(denials.iter().filter(|d| is_bookkeeping(d))) {
        let _ = writeln!(text, "({lead}: {} {} ×{})", denial.comm, denial.object, denial.repeated + 1);
    }
    advice(&mut text, places, language);
    text
}

fn advice(text: &mut String, places: &Places, language: Language) {
    if !places.workspaces.is_empty() {
        let lead = language.pick("you may work in", "作業できる場所");
        let _ = writeln!(text, "\n{lead}: {}", places.workspaces.join(", "));
    }
    if !places.spools.is_empty() {
        let lead = language.pick(
            "to take a result out, put it into the spool, or use sekisho submit",
            "結果を持ち出すには、スプールに置くか sekisho submit を使ってください",
        );
        let _ = writeln!(text, "{lead}: {}", places.spools.join(", "));
    }
}

/// A reason in a sentence.
fn reason(name: &str, language: Language) -> &'static str {
    let (english, japanese) = match name {
        "outside_zones" => (
            "this lies outside the places where data may be written on this node",
            "このノードで書き込みが許された場所の外です",
        ),
        "device" => (
            "this device could carry data off the node",
            "この装置はデータをノード外へ運び出せるため使えません",
        ),
        "network" => (
            "this network destination is not one the node's policy allows",
            "この通信先はノードのポリシーで許可されていません",
        ),
        "socket_kind" => ("this kind of socket is not available here", "この種類のソケットは使えません"),
        "listen" => (
            "who listens here is reached over loopback only: others could fetch data",
            "待ち受けに接続できるのはループバックからだけです(外部からデータを取り出せるため)",
        ),
        "inherited_socket" => (
            "this connection was opened by a process outside the gate",
            "この接続は関所の外のプロセスが開いたものです",
        ),
        "deputy" => (
            "the other side is not confined and could take data out on your behalf",
            "相手は関所の外にあり、代わりにデータを持ち出せるため接続できません",
        ),
        "mount" => ("the tree of mounts cannot be changed here", "マウントは変更できません"),
        "capability" => (
            "this privilege would lead past the gate; sudo does not lift it",
            "この特権は関所を迂回できるため使えません(sudo でも同じです)",
        ),
        "bpf" => ("bpf is reserved for the gate", "bpf は関所専用です"),
        "other_process" => (
            "that process is not confined; reaching into it would lead past the gate",
            "相手は関所の外のプロセスのため操作できません",
        ),
        "mark_failed" => (
            "the kernel could not note who you are; try again, and tell the administrator",
            "カーネルが識別情報を記録できませんでした。再試行し、管理者に連絡してください",
        ),
        "lockdown" => (
            "everything outward is frozen at the moment; ask the secretariat",
            "現在すべての持ち出しが停止されています。事務局に問い合わせてください",
        ),
        "kernel_interface" => ("this kernel interface is closed here", "このカーネル機能は使えません"),
        "screen" => (
            "more has left on the screen than the node allows in an hour, or than a session without a terminal may send; wait, or take results out through the spool",
            "画面へ出せる量(1時間あたり、または端末のないセッションの上限)を超えました。時間をおくか、結果はスプールから持ち出してください",
        ),
        "borrowed_name" => (
            "a service would take you for somebody else: speak to it as yourself, without sudo or su",
            "相手のサービスが別人と誤認します。sudo や su を使わず、自分のアカウントで接続してください",
        ),
        "unresolved" => (
            "where this lands could not be found out (too deep, or nameless), so it counts as outside; use a shorter path in a workspace",
            "書き込み先を特定できないため (深すぎる、または名前がない) 範囲外とみなします。作業領域内の浅い場所を使ってください",
        ),
        "other_home" => (
            "this file has a second name that may lie outside; work on a copy: cp FILE COPY",
            "このファイルには範囲外かもしれない別名 (ハードリンク) があります。コピーして作業してください: cp FILE COPY",
        ),
        _ => ("the gate denied this", "関所が拒否しました"),
    };
    language.pick(english, japanese)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(reason: &str) -> Denial {
        Denial {
            time: "2026-11-22T02:00:00Z".into(),
            hook: "file_open".into(),
            reason: reason.into(),
            denied: true,
            uid: 1001,
            loginuid: 1001,
            pid: 42,
            comm: "cp".into(),
            object: "`x` (device 8:1, inode 12)".into(),
            repeated: 3,
        }
    }

    #[test]
    fn the_denied_are_told_why_and_where_to_write_instead() {
        let places =
            Places { workspaces: vec!["/home/a".into()], spools: vec!["/var/spool/sekisho/demo".into()] };
        let english = text(&[denial("outside_zones")], 10, &places, Language::English);
        for part in
            ["file_open", "`x`", "3 more times", "outside the places", "/home/a", "/var/spool/sekisho/demo"]
        {
            assert!(english.contains(part), "{part}: {english}");
        }
        let japanese = text(&[denial("outside_zones")], 10, &places, Language::Japanese);
        assert!(japanese.contains("許された場所の外") && japanese.contains("スプール"), "{japanese}");
    }

    #[test]
    fn what_repeats_and_what_logins_do_hides_nothing() {
        let real = denial("network");
        let again = |pid| Denial { pid, ..denial("outside_zones") };
        let su = |pid| Denial {
            pid,
            comm: "su".into(),
            hook: "unix_stream_connect".into(),
            object: "unix socket `/run/dbus/system_bus_socket`".into(),
            repeated: 0,
            ..denial("deputy")
        };
        let all: Vec<_> = (0..9).map(su).chain((0..20).map(again)).chain([real]).collect();
        let shown = text(&all, 2, &Places::default(), Language::English);
        assert_eq!(shown.matches("denied: file_open").count(), 2, "{shown}");
        for part in ["  79 more times", "destination", "su unix socket", "×9"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains("more kinds"), "{shown}");
        assert!(text(&all, 1, &Places::default(), Language::Japanese).contains("ほか 1 種類"));
    }

    #[test]
    fn every_reason_has_its_own_sentence_in_both_languages() {
        let names = [
            "outside_zones",
            "device",
            "network",
            "socket_kind",
            "listen",
            "inherited_socket",
            "deputy",
            "mount",
            "capability",
            "bpf",
            "other_process",
            "mark_failed",
            "lockdown",
            "kernel_interface",
            "screen",
            "borrowed_name",
            "unresolved",
            "other_home",
        ];
        for language in [Language::English, Language::Japanese] {
            let sentences: std::collections::BTreeSet<_> =
                names.iter().map(|n| reason(n, language)).collect();
            assert_eq!(sentences.len(), names.len());
            assert!(!sentences.contains(reason("something new", language)));
        }
    }
}
