//! `sekisho why`: one's own denials, in words, and where to write instead.

use super::{Failure, Outcome};
use crate::language::Language;
use crate::terminal::{moment, say, say_json};
use sekisho_policy::schema::{Policy, ZoneKind};
use sekisho_wire::gate::{Answer, Ask, Denial, ask};
use sekisho_wire::{config, paths};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod words;

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
        _ => return Err(misunderstood()),
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
    let (language, socket) = (Language::of_caller(), socket.display());
    let message = match language {
        Language::English => format!("the gate at {socket} does not answer: {error}"),
        Language::Japanese => format!("関所 ({socket}) が応答しません: {error}"),
    };
    let hint = language.pick(
        "what the gate denies stays denied without its daemon; the administrator sees: systemctl status sekisho-gate",
        "デーモンが止まっていても拒否は続きます。管理者は systemctl status sekisho-gate で確認してください",
    );
    Failure::new(75, message, hint)
}

/// The daemon is of another version.
pub fn misunderstood() -> Failure {
    let language = Language::of_caller();
    let message = language.pick("the gate answered another question", "関所が別の問いに答えました");
    let hint = language.pick(
        "command and daemon may differ in version: systemctl restart sekisho-gate",
        "コマンドとデーモンの版が違う可能性があります: systemctl restart sekisho-gate",
    );
    Failure::new(75, message, hint)
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
    let login = ["su", "sudo", "sshd", "sshd-session", "login", "cron"];
    // The person's own service manager finds out at login what it may do, and goes on without.
    let manager = ["systemd", "(sd-pam)"];
    manager.contains(&denial.comm.as_str())
        || (denial.hook.starts_with("unix_") && login.contains(&denial.comm.as_str()))
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
        let _ = writeln!(text, "{}  {} ({})", moment(&denial.time, language), denial.comm, denial.pid);
        let verdict = match (denial.denied, language) {
            (true, Language::English) => "denied",
            (true, Language::Japanese) => "拒否",
            (false, Language::English) => "recorded only (audit mode)",
            (false, Language::Japanese) => "記録のみ (監査モード)",
        };
        let (act, object) = (words::act(&denial.hook, language), words::object(&denial.object, language));
        let _ = writeln!(
            text,
            "  {verdict}: {} [{}]",
            format!("{act}: {object}").trim_end_matches(": "),
            denial.hook
        );
        if denial.repeated > 0 {
            let _ = match language {
                Language::English => writeln!(text, "  and {} times before", denial.repeated),
                Language::Japanese => writeln!(text, "  ほかに {} 回", denial.repeated),
            };
        }
        let _ = writeln!(text, "  {}", words::reason(&denial.reason, language));
    }
    if own.len() > limit {
        let (more, all) = (own.len() - limit, own.len());
        let _ = match language {
            Language::English => {
                let kinds = if more == 1 { "kind" } else { "kinds" };
                writeln!(text, "… {more} more {kinds}: sekisho why --limit {all}")
            }
            Language::Japanese => writeln!(text, "… ほか {more} 種類: sekisho why --limit {all}"),
        };
    }
    let lead =
        language.pick("login bookkeeping that was denied, harmless", "ログイン処理の一部 (影響はありません)");
    for denial in folded(denials.iter().filter(|d| is_bookkeeping(d))) {
        let _ = writeln!(
            text,
            "({lead}: {} {} ×{})",
            denial.comm,
            words::object(&denial.object, language),
            denial.repeated + 1
        );
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
        for part in [
            "opening a file: `x`",
            "[file_open]",
            "2026-11-22 02:00:00 UTC",
            "3 times before",
            "outside the places",
            "/home/a",
            "/var/spool/sekisho/demo",
        ] {
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
        let manager = Denial { comm: "systemd".into(), hook: "bpf".into(), repeated: 0, ..su(7) };
        let all: Vec<_> = (0..9).map(su).chain((0..20).map(again)).chain([manager, real]).collect();
        let shown = text(&all, 2, &Places::default(), Language::English);
        assert_eq!(shown.matches("[file_open]").count(), 2, "{shown}");
        for part in
            ["  and 79 times before", "destination", "su unix socket", "×9", "systemd unix socket", "×1"]
        {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains("more kind"), "{shown}");
        assert!(text(&all, 1, &Places::default(), Language::Japanese).contains("ほか 1 種類"));
    }
}
