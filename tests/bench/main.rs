//! `sekisho-bench`: what single system calls and whole programs cost, in executed instructions. Runs inside the lab,
//! whose clock counts instructions; compares nothing itself.
//!
//! - `sekisho-bench prepare` as root, once: the places to work in;
//! - `sekisho-bench calls` and `sekisho-bench programs`: one JSON line each; `--uid`, `--landlock` and `--apparmor` say
//!   who the measured subject is and what confines it.

mod calls;
mod programs;
mod subject;
mod verdicts;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// What single system calls and whole programs cost, in executed instructions.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Make the places to work in; as root.
    Prepare,
    /// Single system calls.
    Calls(Who),
    /// Whole programs.
    Programs(Who),
    /// Move things about for `verdicts`; as an unconfined root, started before the gate.
    MoveThings,
    /// Writes where something was inside a moment ago; as a confined process.
    Verdicts,
}

/// Who is measured.
#[derive(Args)]
struct Who {
    /// Put into the output.
    #[arg(long)]
    name: String,
    /// Become this account first; as root.
    #[arg(long)]
    uid: Option<u32>,
    /// Confine oneself with Landlock to the places the policy calls workspaces.
    #[arg(long)]
    landlock: bool,
    /// Change to this AppArmor profile.
    #[arg(long, value_name = "PROFILE")]
    apparmor: Option<String>,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        What::Prepare => calls::prepare(),
        What::Calls(who) => measured(&who, "calls", calls::measure),
        What::Programs(who) => measured(&who, "programs", programs::measure),
        What::MoveThings => verdicts::move_things(),
        What::Verdicts => verdicts::verdicts(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sekisho-bench: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measured(who: &Who, kind: &str, measure: fn() -> Result<BTreeMap<&'static str, u64>>) -> Result<()> {
    subject::become_it(who.uid, who.landlock, who.apparmor.as_deref())?;
    let costs = measure()?;
    println!("{}", serde_json::json!({ "name": who.name, "kind": kind, "costs": costs }));
    Ok(())
}
