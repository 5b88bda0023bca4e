//! `sekisho withdraw`: take one's own request back.

use super::report::shown;
use super::{Failure, Outcome};
use crate::airlock::{At, unexpected};
use crate::language::Language;
use crate::terminal::{say, say_json};
use sekisho_wire::airlock::{Answer, Ask};
use std::process::ExitCode;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// Request id, e.g. R-000007.
    request: String,
    #[command(flatten)]
    at: At,
}

/// Runs the command.
pub fn run(args: &Args, json: bool) -> Outcome {
    match args.at.ask(&Ask::Withdraw { request: args.request.clone() })? {
        Answer::Done { request, state, .. } => {
            if json {
                say_json(&serde_json::json!({"request": request, "state": state}))?;
            } else {
                let words = Language::of_caller().pick(
                    "withdrawn; its files stay in the archive",
                    "取り下げました（ファイルは保管されます）",
                );
                say(&format!("{}: {words}\n", shown(&request)));
            }
            Ok(ExitCode::SUCCESS)
        }
        other => Err::<ExitCode, Failure>(unexpected(&other)),
    }
}
