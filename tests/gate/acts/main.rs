//! `sekisho-acts`: tries what a confined process must not be able to do, one act per kernel hook and more, and says
//! what came of each. Runs inside the lab; judges nothing itself.
//!
//! - `sekisho-acts lend &` as an unconfined root, before the gate starts: prepares the ground outside the zones, keeps
//!   unconfined peers listening, and hands out descriptors opened by somebody unconfined;
//! - `sekisho-acts run --all --json` as the researcher: each act in a process of its own (the ones that need root
//!   behind `sudo`), one JSON line per act.

mod acts;
mod controls;
mod ground;
mod lend;
mod shared;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use nix::errno::Errno;
use serde::Serialize;
use std::process::{Command, ExitCode, Stdio};

/// One thing to try.
pub(crate) struct Act {
    /// Its name.
    name: &'static str,
    /// The hook it aims at; for controls, empty.
    hook: &'static str,
    /// Behind sudo?
    root: bool,
    /// With descriptors inherited from the lender?
    lent: bool,
    /// Does it.
    run: fn() -> nix::Result<()>,
}

/// Tries what a confined process must not be able to do.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Every act, or the named ones.
    Run {
        /// Every act.
        #[arg(long)]
        all: bool,
        /// One JSON object per line.
        #[arg(long)]
        json: bool,
        /// Put before each line: tells phases apart in one output.
        #[arg(long, default_value = "")]
        phase: String,
        /// Names.
        names: Vec<String>,
    },
    /// One act in this process: prints `ok` or the name of the error.
    One {
        /// Its name.
        name: String,
    },
    /// The names, with their hooks.
    List,
    /// Prepare the ground and lend descriptors; as an unconfined root.
    Lend,
}

#[derive(Serialize)]
struct Line<'a> {
    phase: &'a str,
    act: &'a str,
    hook: &'a str,
    control: bool,
    result: &'a str,
}

fn every() -> impl Iterator<Item = &'static Act> {
    acts::ACTS.iter().chain(controls::CONTROLS)
}

fn main() -> ExitCode {
    match Cli::parse().command {
        What::One { name } => one(&name),
        What::Lend => report(lend::lend()),
        What::List => {
            for act in every() {
                println!("{}\t{}", act.name, act.hook);
            }
            ExitCode::SUCCESS
        }
        What::Run { all, json, phase, names } => report(run(all, json, &phase, &names)),
    }
}

fn report(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sekisho-acts: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn one(name: &str) -> ExitCode {
    let Some(act) = every().find(|act| act.name == name) else {
        eprintln!("sekisho-acts: error: no act `{name}`");
        return ExitCode::from(2);
    };
    match (act.run)() {
        Ok(()) => println!("ok"),
        Err(error) => println!("{}", errno_name(error)),
    }
    ExitCode::SUCCESS
}

/// `EPERM` and the like.
fn errno_name(errno: Errno) -> String {
    format!("{errno:?}")
}

fn run(all: bool, json: bool, phase: &str, names: &[String]) -> Result<()> {
    let chosen: Vec<_> = every().filter(|act| all || names.iter().any(|name| name == act.name)).collect();
    if chosen.is_empty() {
        bail!("nothing to do\nhint: --all, or names from `sekisho-acts list`");
    }
    let program = std::env::current_exe().context("finding this program")?;
    for act in chosen {
        let text = if act.lent { lend::run_by_lender(act.name)? } else { run_here(&program, act)? };
        let result = text.lines().last().unwrap_or("died");
        let control = act.hook.is_empty();
        if json {
            println!(
                "{}",
                serde_json::to_string(&Line { phase, act: act.name, hook: act.hook, control, result })?
            );
        } else {
            println!("{phase} {:<34} {:<22} {result}", act.name, act.hook);
        }
    }
    Ok(())
}

/// Runs one act in a process of its own, and returns what it said.
fn run_here(program: &std::path::Path, act: &Act) -> Result<String> {
    let mut command = if act.root {
        let mut sudo = Command::new("sudo");
        sudo.arg("-n").arg(program);
        sudo
    } else {
        Command::new(program)
    };
    let output = command
        .args(["one", act.name])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("starting {}", act.name))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
