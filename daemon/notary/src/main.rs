//! `sekisho-notary`: custody, archive, ledger, signing and release.
//!
//! Invariants:
//! - It alone holds the signing key, and it does nothing else: no content is parsed, no network is reachable.
//! - It believes nothing the airlock says about content: digests, signatures, certificates and states are its own.
//! - Every effect stands in the ledger before it is visible; after a crash at any instant a file is in exactly one state.
//! - Only one peer is served, known by its uid from the kernel; and the gate (root), whose records are all it may send.
//! - Nothing is released while the gate is not known to be closed.
//!
//! What it deliberately does not do: decide whether content may leave (the rules and an officer do), look into files,
//! or listen to anybody but the airlock.

mod accounts;
mod book;
mod custody;
mod decide;
mod entry;
mod gate;
mod keys;
mod lease;
mod notary;
mod policy;
mod release;
mod sandbox;
mod server;
mod store;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use sekisho_wire::paths;
use std::path::PathBuf;

/// Takes files into custody, keeps the ledger, and releases what an officer has signed for.
#[derive(Parser)]
#[command(name = "sekisho-notary", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the airlock (also without a subcommand).
    Run(Box<RunArgs>),
    /// Make the signing key: FILE (mode 0600), FILE.pub, FILE.allowed_signers. Never overwrites.
    #[command(alias = "init")]
    Keygen {
        /// Where the private key goes.
        file: PathBuf,
    },
}

/// Where things are; the defaults are those of an installed node.
#[derive(clap::Args, Clone)]
pub struct RunArgs {
    /// Unix socket to bind, unless systemd passes one.
    #[arg(long, default_value = paths::NOTARY_SOCKET)]
    socket: PathBuf,
    /// Archive, ledger, reports and statements.
    #[arg(long, default_value = paths::NOTARY_STATE)]
    state: PathBuf,
    /// Published bags.
    #[arg(long, default_value = paths::RELEASE)]
    release: PathBuf,
    /// Spool, one directory per project.
    #[arg(long, default_value = paths::SPOOL)]
    spool: PathBuf,
    /// The policy document.
    #[arg(long, default_value = paths::POLICY)]
    policy: PathBuf,
    /// Further policy documents.
    #[arg(long, default_value = paths::POLICY_DIR)]
    policy_dir: PathBuf,
    /// The signing key, unless systemd passes it as the credential `signing.key`.
    #[arg(long)]
    key: Option<PathBuf>,
    /// The gate's heartbeat.
    #[arg(long, default_value = paths::GATE_HEARTBEAT)]
    heartbeat: PathBuf,
    /// Who must own it.
    #[arg(long, default_value_t = 0, hide = true)]
    gate_uid: u32,
    /// The kernel's id of this boot; read from the kernel when not given.
    #[arg(skip)]
    boot: Option<String>,
    /// Account of the one peer.
    #[arg(long, default_value = "sekisho")]
    peer_user: String,
    /// Its uid, instead of `--peer-user`.
    #[arg(long)]
    peer_uid: Option<u32>,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    start_log();
    match cli.command {
        Some(Command::Keygen { file }) => keys::make(&file),
        Some(Command::Run(args)) => run(&args),
        None => run(&cli.run),
    }
}

fn start_log() {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false);
    // Under systemd the journal is the reader: one JSON object per line. At a terminal, a person.
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        log.json().flatten_event(true).init();
    } else {
        log.without_time().init();
    }
}

/// The silhouette: take what is needed, drop the rest, say ready, loop.
fn run(args: &RunArgs) -> Result<()> {
    // /proc is out of reach once the sandbox is closed.
    let args = &RunArgs { boot: Some(sekisho_wire::heartbeat::boot().context("boot id")?), ..args.clone() };
    let key = keys::load(args.key.as_deref())?;
    let policy = policy::Source::load(&args.policy, &args.policy_dir).context("policy")?;
    let peer = server::peer(args)?;
    let listener = server::listener(args, peer)?;
    lease::ignore_breaks();
    let reload = server::catch_reload()?;
    sandbox::enter(args, policy.in_force().policy.notary.checkpoint_drop.as_deref())?;
    let mut notary = notary::Notary::open(args, key, policy)?;
    // Ready before unfinished releases are finished: copying large files must not look like a start that hangs.
    sd_notify::notify(&[sd_notify::NotifyState::Ready]).context("telling systemd")?;
    notary.finish_releases();
    tracing::info!(size = notary.size(), "serving uid {peer}");
    server::serve(&listener, peer, &mut notary, &reload)
}
