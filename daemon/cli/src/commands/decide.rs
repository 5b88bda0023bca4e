//! `sekisho approve` and `sekisho reject`: the officer reads the statement, and signs exactly that text.

use super::report::shown;
use super::{Failure, Outcome};
use crate::airlock::{At, unexpected};
use crate::language::Language;
use crate::signing;
use crate::terminal::{ask, can_ask, say, say_json};
use sekisho_wire::airlock::{Answer, Ask};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `approve`.
#[derive(clap::Args)]
pub struct ApproveArgs {
    /// Request id, e.g. R-000007.
    request: String,
    /// Your words for the record.
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    how: How,
}

/// Arguments of `reject`.
#[derive(clap::Args)]
pub struct RejectArgs {
    /// Request id, e.g. R-000007.
    request: String,
    /// Why, for the requester.
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    how: How,
}

/// How to sign.
#[derive(clap::Args)]
struct How {
    /// Private key (or the public key of one in the agent); by default the one in ~/.ssh, or in the agent, that the
    /// policy names for you.
    #[arg(short = 'i', long = "key", value_name = "KEY")]
    key: Option<PathBuf>,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    at: At,
}

/// Approves.
pub fn approve(args: &ApproveArgs, json: bool) -> Outcome {
    decide("approve", &args.request, &args.reason, &args.how, json)
}

/// Rejects.
pub fn reject(args: &RejectArgs, json: bool) -> Outcome {
    let mut reason = args.reason.clone();
    if reason.trim().is_empty() && can_ask() {
        reason = ask(Language::of_caller().pick("reason, for the requester:", "申請者に伝える理由:"))?;
    }
    decide("reject", &args.request, &reason, &args.how, json)
}

fn decide(decision: &str, request: &str, reason: &str, how: &How, json: bool) -> Outcome {
    let language = Language::of_caller();
    let question =
        Ask::Statement { request: request.into(), decision: decision.into(), reason: reason.into() };
    let (statement, key) = match how.at.ask(&question)? {
        Answer::Statement { statement, key } => (statement, key),
        other => return Err(unexpected(&other)),
    };
    if !json {
        say(language.pick("you are about to sign:\n\n", "次の内容に署名します:\n\n"));
        for line in statement.lines() {
            say(&format!("    {}\n", shown(line)));
        }
        say("\n");
    }
    if !how.yes {
        confirm(request, language)?;
    }
    let signature = signing::sign(&statement, &key, how.key.as_deref())?;
    match how.at.ask(&Ask::Decide { request: request.into(), statement, signature })? {
        Answer::Done { request, state, bag } => {
            if json {
                say_json(&serde_json::json!({"request": request, "state": state, "bag": bag}))?;
            } else {
                say(&format!("{}: {}\n", shown(&request), crate::terminal::state(&state, language)));
                if let Some(bag) = bag {
                    say(&format!("{}: {}\n", language.pick("bag", "持出フォルダ"), shown(&bag)));
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        other => Err(unexpected(&other)),
    }
}

fn confirm(request: &str, language: Language) -> Result<(), Failure> {
    if !can_ask() {
        return Err(Failure::new(
            2,
            language.pick("nobody is there to confirm", "確認する人がいません"),
            language.pick("at a terminal, or with --yes", "端末で実行するか、--yes を付けてください"),
        ));
    }
    let question = match language {
        Language::English => format!("type {} to sign, anything else to stop:", shown(request)),
        Language::Japanese => {
            format!("署名するには {} と入力してください（それ以外は中止）:", shown(request))
        }
    };
    if ask(&question)? == request {
        Ok(())
    } else {
        Err(Failure::new(1, language.pick("not signed", "署名しませんでした"), ""))
    }
}
