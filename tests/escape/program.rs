//! `sekisho-escape`: tries every way out of the node that we know, and lets somebody outside say what arrived.
//!
//! Runs inside the lab; judges nothing itself. Three parties:
//! - the *witness*, an unconfined root started before the gate, owns the outside: files, listeners, processes, queues. It
//!   prepares each channel's targets, lends descriptors, and it alone says whether the canary arrived;
//! - an *agent* is the researcher in a login session of their own, or root behind their `sudo`. It tries each channel in
//!   a process of its own, with a time-out, and tells the witness what the kernel answered;
//! - `phase NAME` asks the witness for one round over all channels and prints one JSON line for each.
//!
//! Invariant: a canary is unique to channel and phase, so that nothing from before can be mistaken for an arrival.

mod afar;
mod agent;
mod channel;
mod channels;
mod deputies;
mod heir;
mod lent;
mod outside;
mod peer;
mod scene;
mod shared;
mod sinks;
mod system;
mod uring;
mod wire;
mod witness;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Tries every way out of the node.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Own the outside; as an unconfined root, before the gate starts. Says `ready`.
    Witness,
    /// One round over all channels, or those whose name or group is given.
    Phase {
        /// `off`, `on` or `after`: told to the channels, and part of each canary.
        name: String,
        /// Names or groups; none: all.
        only: Vec<String>,
    },
    /// Try what the witness says on standard input.
    Agent,
    /// Use what this program was handed.
    Heir {
        /// How.
        way: heir::Way,
        /// What to send.
        canary: String,
    },
    /// Be an unconfined process to reach into.
    Peer,
    /// The registry, one JSON line per channel.
    List,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        What::Witness => witness::serve(),
        What::Phase { name, only } => witness::ask_for_phase(&name, &only),
        What::Agent => agent::serve(),
        What::Heir { way, canary } => {
            heir::act(way, &canary);
            Ok(())
        }
        What::Peer => peer::serve(),
        What::List => list(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sekisho-escape: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn list() -> Result<()> {
    for entry in channels::all() {
        println!("{}", serde_json::to_string(&entry.described())?);
    }
    Ok(())
}
