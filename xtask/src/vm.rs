//! `cargo xtask vm run` and `cargo xtask vm shell`.
//!
//! `vm run` exits with the command's own code; with 124 when the command ran out of time, with 70 when the lab itself
//! failed (so that no failure of the lab is mistaken for an answer of the command). A command on the host (`--outside`)
//! that fails counts before the one in the guest.

use crate::image::Sort;
use crate::kernel;
use crate::lab::{self, Ended, Gate, Lab, Options, Parts, Stream, shell};
use crate::outside::Door;
use crate::process;
use crate::protocol::Who;
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Exit code when the command did not end in time, as coreutils' `timeout` has it.
const TIMED_OUT: u8 = 124;
/// Exit code when the lab itself failed (`EX_SOFTWARE`).
const LAB_FAILED: u8 = 70;

/// `cargo xtask vm …`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Boot the lab, run one command in it, and exit with that command's code.
    ///
    /// Builds the release binaries first; with SEKISHO_AS_BUILT=1 in the environment, boots what was built last.
    Run(Run),
    /// Boot the lab and log in over ssh.
    Shell(Shell),
    /// Only build, fetch and make what a lab needs.
    Prepare(Prepare),
}

/// What every lab can be told.
#[derive(Args)]
pub(crate) struct Machine {
    /// Kernel series: 6.1, 6.12, 6.18, 7.3, or another that Debian lists.
    #[arg(long, default_value = kernel::DEFAULT)]
    kernel: String,
    /// Image: the smallest, or the one with the tools of ordinary work.
    #[arg(long, value_enum, default_value = "base")]
    image: Sort,
    /// The gate: enforcing, not started at all, or recording only.
    #[arg(long, value_enum, default_value = "on")]
    gate: Gate,
    /// File or directory to be found in /tmp/in, as a copy that the researcher owns. May be repeated.
    #[arg(long, value_name = "PATH")]
    copy: Vec<PathBuf>,
}

/// `vm run`.
#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    machine: Machine,
    /// Run COMMAND as an unconfined root instead of the confined researcher.
    #[arg(long)]
    root: bool,
    /// Shell command to run as an unconfined root before the gate starts; what it leaves running stays.
    #[arg(long, value_name = "CMD")]
    before: Option<String>,
    /// Shell command to run as an unconfined root after COMMAND.
    #[arg(long, value_name = "CMD")]
    after: Option<String>,
    /// Let a port of this machine's 127.0.0.1 lead to the guest's sshd (0: any free one), and say which.
    ///
    /// The port and the path of a key that opens researcher, officer and root are printed as
    /// `[lab] ssh port PORT key PATH config PATH`.
    #[arg(long, value_name = "PORT")]
    ssh_port: Option<u16>,
    /// Shell command to run on this machine while the guest lives: after the gate has started, before COMMAND.
    ///
    /// It finds the way in by `ssh -F "$SEKISHO_SSH_CONFIG" node` (likewise scp, sftp, rsync -e; `-l officer` or `-l
    /// root` for others than the researcher); SEKISHO_SSH_PORT and SEKISHO_SSH_KEY say the same piece by piece. Implies
    /// `--ssh-port 0`. Its exit code, unless 0, is the one of the whole run.
    #[arg(long, value_name = "CMD")]
    outside: Option<String>,
    /// Longest that COMMAND, and each of the others, may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
    /// What to run: one argument is a shell command, several are a program and its arguments.
    #[arg(last = true, required_unless_present = "outside")]
    command: Vec<String>,
}

/// `vm shell`.
#[derive(Args)]
pub(crate) struct Shell {
    #[command(flatten)]
    machine: Machine,
    /// Whose shell.
    #[arg(long, value_enum, default_value = "researcher")]
    user: User,
}

/// `vm prepare`.
#[derive(Args)]
pub(crate) struct Prepare {
    /// Kernel series; may be repeated.
    #[arg(long, default_values = kernel::SUPPORTED)]
    kernel: Vec<String>,
    /// Image; may be repeated.
    #[arg(long, value_enum, default_values = ["base", "work"])]
    image: Vec<Sort>,
}

/// Accounts a person may want to be.
#[derive(Clone, Copy, ValueEnum)]
enum User {
    /// Confined.
    Researcher,
    /// Decides on requests.
    Officer,
    /// Administrator.
    Root,
}

/// Runs the subcommand; the exit code is the command's own where there is one.
pub(crate) fn main(command: Command) -> ExitCode {
    let result = match command {
        Command::Run(run) => run.main(),
        Command::Shell(shell) => shell.main(),
        Command::Prepare(Prepare { kernel, image }) => {
            lab::prepare(&kernel, &image).map(|()| ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(LAB_FAILED)
    })
}

impl Run {
    fn main(self) -> Result<ExitCode> {
        let parts = Parts::prepare(&self.machine.kernel, self.machine.image)?;
        let door = match (self.ssh_port, &self.outside) {
            (None, None) => None,
            (port, _) => Some(Door::open(port.unwrap_or(0), parts.image())?),
        };
        let ssh_port = door.as_ref().map(Door::port);
        let options = Options { gate: self.machine.gate, copy: self.machine.copy, ssh_port, counted: false };
        let limit = Duration::from_secs(self.timeout);
        let mut lab = process::step("boot", || Lab::boot(&parts, &options))?;
        if let Some(before) = &self.before
            && let Some(code) = around(&mut lab, "--before", before, limit)?
        {
            return Ok(code);
        }
        process::step("start the gate and the daemons", || lab.start_gate())?;
        let mut code = 0;
        if let Some(door) = &door {
            eprintln!("[lab] {door}");
            if let Some(script) = &self.outside {
                match door.run(script, limit)? {
                    Ended::Code(ended) => code = ended,
                    Ended::TimedOut => return Ok(timed_out("--outside", limit)),
                }
            }
        }
        if !self.command.is_empty() {
            let argv = match self.command.as_slice() {
                [script] => shell(script),
                argv => argv.to_vec(),
            };
            let who = if self.root { Who::Root } else { Who::Researcher };
            match lab.run(who, &argv, limit, print)? {
                Ended::Code(ended) => code = if code == 0 { ended } else { code },
                Ended::TimedOut => return Ok(timed_out("the command", limit)),
            }
        }
        let code = ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX));
        if let Some(after) = &self.after
            && let Some(code) = around(&mut lab, "--after", after, limit)?
        {
            return Ok(code);
        }
        Ok(code)
    }
}

/// Runs `--before` or `--after`; an exit code only when that ends the whole run.
fn around(lab: &mut Lab, name: &str, script: &str, limit: Duration) -> Result<Option<ExitCode>> {
    match lab.run(Who::Root, &shell(script), limit, print)? {
        Ended::Code(0) => Ok(None),
        Ended::Code(code) => {
            eprintln!("[lab] {name} ended with {code}");
            Ok(None)
        }
        Ended::TimedOut => Ok(Some(timed_out(name, limit))),
    }
}

fn timed_out(what: &str, limit: Duration) -> ExitCode {
    eprintln!("[lab] {what} did not end within {} s; the virtual machine was switched off", limit.as_secs());
    ExitCode::from(TIMED_OUT)
}

/// Output of the guest goes where it would have gone here.
fn print(stream: Stream, piece: &[u8]) -> Result<()> {
    let written = match stream {
        Stream::Output => {
            let mut out = std::io::stdout().lock();
            out.write_all(piece).and_then(|()| out.flush())
        }
        Stream::Error => std::io::stderr().lock().write_all(piece),
    };
    written.context("nobody reads our output any more")
}

impl Shell {
    fn main(self) -> Result<ExitCode> {
        let parts = Parts::prepare(&self.machine.kernel, self.machine.image)?;
        let door = Door::open(0, parts.image())?;
        let options = Options {
            gate: self.machine.gate,
            copy: self.machine.copy,
            ssh_port: Some(door.port()),
            counted: false,
        };
        let mut lab = process::step("boot", || Lab::boot(&parts, &options))?;
        process::step("start the gate and the daemons", || lab.start_gate())?;
        let user = match self.user {
            User::Researcher => Who::Researcher,
            User::Officer => Who::Officer,
            User::Root => Who::Root,
        };
        eprintln!("[lab] logging in as {}; the machine is thrown away when you log out", user.account());
        let status = std::process::Command::new("ssh")
            .arg("-F")
            .arg(door.config())
            .args(["-l", user.account(), "node"])
            .status()
            .context("ssh")?;
        Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)))
    }
}
