//! `sekisho`: what a researcher, an officer, an administrator or an auditor types.
//!
//! Invariant: this process has no rights of its own. It asks the daemons over their sockets, which know the
//! caller from the kernel, or works on files the caller may read anyway.
#![forbid(unsafe_code)]

mod airlock;
mod commands;
mod language;
mod signing;
mod terminal;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Lets only approved statistical results leave a secure analysis node.
#[derive(Parser)]
#[command(name = "sekisho", version)]
struct Cli {
    /// Print JSON for programs instead of text for people.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Judge files beforehand, exactly as the airlock will; with a hint for every finding.
    Check(commands::check::Args),
    /// Put files into the spool as one request, with purpose and recipient.
    Submit(commands::submit::Args),
    /// Show your requests and what became of them.
    Status(commands::status::Args),
    /// Officer: the queue, or the evidence of one request.
    Review(commands::review::Args),
    /// Officer: approve a request with your own SSH signature.
    Approve(commands::decide::ApproveArgs),
    /// Officer: reject a request, with a reason.
    Reject(commands::decide::RejectArgs),
    /// Take your own request back.
    Withdraw(commands::withdraw::Args),
    /// Verify a released bag.
    Verify(commands::verify::Args),
    /// Why was I denied, and where may I write instead?
    Why(commands::why::Args),
    /// What left on the screens of your sessions, and how much more may.
    Screen(commands::screen::Args),
    /// Root, or the secretariat: freeze everything outward of a person, a project or everyone, at once.
    Lockdown(commands::lockdown::Args),
    /// Check the policy files, or put them into force.
    Policy(commands::policy::Args),
    /// What this node's kernel can enforce, and what is missing.
    Doctor(commands::doctor::Args),
    /// What sshd starts for a confined login: a shell on a terminal, or a refusal.
    #[command(hide = true)]
    Session,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    let Some(command) = cli.command else { return commands::overview::run(json) };
    let result = match command {
        Command::Check(args) => commands::check::run(&args, json),
        Command::Submit(args) => commands::submit::run(&args, json),
        Command::Status(args) => commands::status::run(&args, json),
        Command::Review(args) => commands::review::run(&args, json),
        Command::Approve(args) => commands::decide::approve(&args, json),
        Command::Reject(args) => commands::decide::reject(&args, json),
        Command::Withdraw(args) => commands::withdraw::run(&args, json),
        Command::Verify(args) => commands::verify::run(&args, json),
        Command::Why(args) => commands::why::run(&args, json),
        Command::Screen(args) => commands::screen::run(&args, json),
        Command::Lockdown(args) => commands::lockdown::run(&args, json),
        Command::Policy(args) => commands::policy::run(&args, json),
        Command::Doctor(args) => commands::doctor::run(&args, json),
        Command::Session => commands::session::run(),
    };
    match result {
        Ok(code) => code,
        Err(failure) => failure.report(json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_all_commands_fit_together() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
