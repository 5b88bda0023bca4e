//! `sekisho screen`: what left on the screens of one's own sessions, and how much more may.

use super::why::{misunderstood, unreachable};
use super::{Failure, Outcome};
use crate::language::Language;
use crate::terminal::{moment, say, say_json, size};
use sekisho_wire::gate::{Answer, Ask, ScreenBudget, ScreenSession, ask};
use sekisho_wire::paths;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// The gate's socket.
    #[arg(long, default_value = paths::GATE_SOCKET, hide = true)]
    socket: PathBuf,
}

/// Runs the command.
pub fn run(args: &Args, json: bool) -> Outcome {
    let answer = ask(&args.socket, &Ask::Screen).map_err(|error| unreachable(&args.socket, &error))?;
    let (sessions, budget) = match answer {
        Answer::Screen { sessions, budget } => (sessions, budget),
        Answer::Error { message } => return Err(Failure::new(1, message, "")),
        _ => return Err(misunderstood()),
    };
    if json {
        say_json(&serde_json::json!({ "sessions": sessions, "budget": budget }))?;
    } else {
        say(&text(&sessions, budget.as_ref(), Language::of_caller()));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(sessions: &[ScreenSession], budget: Option<&ScreenBudget>, language: Language) -> String {
    let mut text = String::new();
    if sessions.is_empty() {
        text += language.pick(
            "no session of yours over ssh has sent anything\n",
            "ssh セッションから画面に出たものはありません\n",
        );
    }
    for session in sessions {
        // Writing to a String cannot fail.
        let (since, bytes) = (moment(&session.since, language), size(session.bytes));
        let _ = match language {
            Language::English => writeln!(text, "session since {since}: {bytes} on the screen"),
            Language::Japanese => writeln!(text, "{since} からのセッション: 画面に {bytes}"),
        };
        if session.held > 0 {
            let _ = match language {
                Language::English => writeln!(text, "  held back or refused: {} times", session.held),
                Language::Japanese => writeln!(text, "  保留または拒否: {} 回", session.held),
            };
        }
    }
    if let Some(budget) = budget {
        let over = match budget.over.as_str() {
            "cut" => language.pick("more ends the connection", "超えると接続が切れます"),
            _ => language.pick("more is slowed down", "超えると遅くなります"),
        };
        let (left, hour) = (size(budget.left), size(budget.bytes_per_hour));
        let _ = match language {
            Language::English => {
                writeln!(text, "{left} may leave at once now, {hour} in any hour; {over}")
            }
            Language::Japanese => {
                writeln!(text, "今すぐ出せるのは {left}、どの1時間にも {hour} まで。{over}")
            }
        };
        text += language.pick(
            "results leave through the spool: sekisho submit\n",
            "結果の持ち出しはスプールから: sekisho submit\n",
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_told_what_left_what_may_leave_and_what_happens_beyond() {
        let session = ScreenSession {
            session: 7,
            account: 1001,
            since: "2026-11-22T02:00:00Z".into(),
            last: "2026-11-22T02:01:00Z".into(),
            bytes: 4096,
            held: 2,
            ended: false,
        };
        let budget = |over: &str| ScreenBudget { bytes_per_hour: 1 << 20, over: over.into(), left: 512 };
        let english = text(std::slice::from_ref(&session), Some(&budget("cut")), Language::English);
        for part in [
            "2026-11-22 02:00:00 UTC",
            "4096 B",
            "2 times",
            "512 B",
            "1048 kB",
            "ends the connection",
            "sekisho submit",
        ] {
            assert!(english.contains(part), "{part}: {english}");
        }
        let japanese = text(&[session], Some(&budget("throttle")), Language::Japanese);
        assert!(japanese.contains("4096 B") && japanese.contains("遅くなります"), "{japanese}");
        assert!(text(&[], None, Language::Japanese).contains("ありません"));
    }
}
