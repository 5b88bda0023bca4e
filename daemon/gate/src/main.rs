//! `sekisho-gate`: closes the kernel's gate around confined processes, proves it, watches it.
//!
//! Loads the kernel programs, attaches and pins them, fills their maps from the policy, marks who is already there,
//! tests itself, and then turns denials into records and answers `sekisho why`.
//!
//! Invariants:
//! - this process decides nothing: its death, its slowness or a bad policy opens nothing;
//! - it parses nothing a user wrote but 1 MiB of frames from its socket, and speaks to no network;
//! - what is attached is replaced before it is removed.

mod attach;
mod bpf;
mod btf;
mod change;
mod daemon;
mod denials;
mod gate;
mod hooks;
mod layout;
mod lockdown;
mod loss;
mod marks;
mod metrics;
mod node;
mod orders;
mod probe;
mod records;
mod screen;
mod second_layer;
mod selftest;
mod serve;
mod store;
mod summary;
mod tables;
mod unconfined;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use sekisho_wire::paths;
use std::path::PathBuf;
use std::process::ExitCode;

/// Closes the kernel's gate around confined processes.
#[derive(Parser)]
#[command(name = "sekisho-gate", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Load, attach, pin, prove, watch (the default).
    Run(RunArgs),
    /// Open the gate: remove every pin. For an unconfined root only.
    Detach {
        /// Yes, nothing is enforced afterwards.
        #[arg(long)]
        yes: bool,
        /// Where the pins are.
        #[arg(long, default_value = paths::GATE_PINS)]
        pins: PathBuf,
    },
    /// What this kernel can do; changes nothing.
    Probe {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// The self-test's child; of no use by itself.
    #[command(hide = true)]
    SelfTestChild {
        /// Where to try.
        ground: PathBuf,
        /// Only once: the child's own child.
        #[arg(long)]
        again: bool,
    },
}

#[derive(clap::Args)]
struct RunArgs {
    /// The policy document.
    #[arg(long, default_value = paths::POLICY)]
    policy: PathBuf,
    /// Further policy documents.
    #[arg(long, default_value = paths::POLICY_DIR)]
    policy_dir: PathBuf,
    /// The kernel programs.
    #[arg(long, default_value = paths::GATE_OBJECT)]
    object: PathBuf,
    /// Where to pin.
    #[arg(long, default_value = paths::GATE_PINS)]
    pins: PathBuf,
    /// Where to listen.
    #[arg(long, default_value = paths::GATE_SOCKET)]
    socket: PathBuf,
    /// Where records are kept.
    #[arg(long, default_value = "/var/lib/sekisho-gate")]
    state: PathBuf,
    /// Where the notary listens: what the gate records goes into its ledger.
    #[arg(long, default_value = paths::NOTARY_SOCKET)]
    notary: PathBuf,
    /// As a build with another version of the maps would name its pins.
    #[arg(long, default_value_t = sekisho_abi::maps::VERSION, hide = true)]
    maps: u32,
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Load errors carry the verifier's log, which belongs in front of whoever is paged.
            eprintln!("sekisho-gate: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Option<Command>) -> Result<()> {
    match command {
        None => run(RunArgs::parse_from_defaults()?),
        Some(Command::Run(args)) => run(args),
        Some(Command::Detach { yes, pins }) => detach(yes, pins),
        Some(Command::Probe { json }) => print_probe(json),
        Some(Command::SelfTestChild { ground, again: true }) => {
            selftest::child::grandchild(&ground).context("self-test child")
        }
        Some(Command::SelfTestChild { ground, again: false }) => {
            selftest::child::main(&ground).context("self-test child")
        }
    }
}

impl RunArgs {
    /// What `run` without options means.
    fn parse_from_defaults() -> Result<Self> {
        match Cli::try_parse_from(["sekisho-gate", "run"])?.command {
            Some(Command::Run(args)) => Ok(args),
            _ => bail!("`run` is not a command of this program"),
        }
    }
}

fn run(args: RunArgs) -> Result<()> {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::INFO)
        .init();
    let places = daemon::Places {
        policy: args.policy,
        policy_dir: args.policy_dir,
        object: args.object,
        pins: args.pins,
        socket: args.socket,
        state: args.state,
        notary: args.notary,
        maps: args.maps,
    };
    daemon::run(places)?;
    Ok(())
}

fn detach(yes: bool, pins: PathBuf) -> Result<()> {
    if !yes {
        bail!(
            "this opens the gate: nothing is enforced afterwards\nhint: add --yes; stop sekisho-gate.service first, or it closes the gate again"
        );
    }
    let removed = match attach::Pins::new(pins).remove_all() {
        // The kernel programs themselves: a permission of root's is not what is missing.
        Err(attach::AttachError::Pin { path, source }) if source.raw_os_error() == Some(libc::EPERM) => {
            bail!(
                "{}: Operation not permitted\nhint: a confined session does not open the gate, sudo and su included; a root that is not confined (the console, a service) does",
                path.display()
            )
        }
        other => other.context("removing pins")?,
    };
    println!("gate open: {removed} hooks detached");
    Ok(())
}

fn print_probe(json: bool) -> Result<()> {
    let probe = probe::probe();
    if json {
        println!("{}", serde_json::to_string(&probe)?);
        return Ok(());
    }
    println!("kernel {}, protection: {}", probe.kernel, probe.level);
    println!("active LSMs: {}", probe.lsms.as_deref().unwrap_or("unknown (securityfs is not mounted)"));
    if let Err(problem) = &probe.layout {
        println!("layout: {problem}");
    }
    for hook in probe.hooks.iter().filter(|h| !h.usable) {
        println!(
            "{} ({}): {}",
            hook.name,
            if hook.mandatory { "mandatory" } else { "optional" },
            hook.detail
        );
    }
    Ok(())
}
