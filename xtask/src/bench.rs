//! `cargo xtask bench gate`: what the gate costs, in executed instructions.
//!
//! The lab's clock counts instructions, so that a figure is the same run after run on any machine. Everything compared
//! is measured in one boot: first without the gate, then with it. What confines the same account to the same places
//! otherwise, Landlock and AppArmor, is measured beside it.

mod apparmor;
mod inputs;
mod inspect;
mod table;

use crate::image::Sort;
use crate::lab::{Ended, Gate, Lab, Options, Parts, Stream};
use crate::process;
use crate::protocol::Who;
use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use table::Report;

/// `cargo xtask bench …`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// What the gate costs, in executed instructions, beside Landlock and AppArmor.
    Gate(GateBench),
    /// How fast files are judged, beside tools that only read them.
    Inspect(inspect::InspectBench),
}

/// `bench gate`.
#[derive(Args)]
pub(crate) struct GateBench {
    /// Kernel series.
    #[arg(long, default_value = crate::kernel::DEFAULT)]
    kernel: String,
    /// Single system calls only: whole programs take some minutes more.
    #[arg(long)]
    calls: bool,
    /// Only these subjects; may be repeated.
    #[arg(long, value_name = "SUBJECT", value_parser = names())]
    only: Vec<String>,
    /// One JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

/// Longest one subject may take.
const LIMIT: Duration = Duration::from_secs(1500);
/// A system account: not confined, and not on any list.
const SERVICE: &str = "990";
/// Where the guest finds what we brought.
const INBOX: &str = "/tmp/in";
/// The program that measures, in the guest.
const PROGRAM: &str = "/tmp/in/sekisho-bench";
/// Datagrams of the benchmark go to a port the policy lists: UDP has no listeners the gate could know.
const POLICY: &str = "version = 1\n\n[gate.network]\nloopback_ports = [47010]\n";

/// Who is measured: its column, the account, and what `sekisho-bench` is told.
type Subject = (&'static str, Who, &'static [&'static str]);

const BEFORE: &[Subject] = &[
    ("none", Who::Researcher, &[]),
    ("landlock", Who::Researcher, &["--landlock"]),
    ("apparmor", Who::Researcher, &["--apparmor", apparmor::PROFILE_NAME]),
    ("none, service", Who::Root, &["--uid", SERVICE]),
    ("none, exempt", Who::Officer, &[]),
];

const WITH: &[Subject] = &[
    ("confined", Who::Researcher, &[]),
    ("unconfined, service", Who::Root, &["--uid", SERVICE]),
    ("unconfined, exempt", Who::Officer, &[]),
];

fn names() -> clap::builder::PossibleValuesParser {
    BEFORE.iter().chain(WITH).map(|(name, ..)| *name).collect::<Vec<_>>().into()
}

/// One line of `sekisho-bench`.
#[derive(Deserialize)]
struct Measured {
    name: String,
    kind: String,
    costs: BTreeMap<String, u64>,
}

/// Runs the benchmark and prints what came out.
pub(crate) fn main(command: &Command) -> Result<()> {
    let bench = match command {
        Command::Gate(bench) => bench,
        Command::Inspect(bench) => return inspect::run(bench),
    };
    let report = bench.run()?;
    if bench.json { report.print_json() } else { report.print() }
}

impl GateBench {
    fn run(&self) -> Result<Report> {
        // Only the larger image has a compiler.
        let sort = if self.calls { Sort::Base } else { Sort::Work };
        let parts = Parts::prepare(&self.kernel, sort)?;
        let copy = vec![program()?, apparmor::parser()?];
        let options = Options { gate: Gate::On, copy, ssh_port: None, counted: true };
        let mut lab = process::step("boot, counting instructions", || Lab::boot(&parts, &options))?;
        let mut report = Report::new(&self.kernel);
        process::step("the places to work in", || prepare(&mut lab))?;
        self.measure_all(&mut lab, BEFORE, &mut report)?;
        process::step("start the gate and the daemons", || lab.start_gate())?;
        self.measure_all(&mut lab, WITH, &mut report)?;
        Ok(report)
    }

    fn measure_all(&self, lab: &mut Lab, subjects: &[Subject], report: &mut Report) -> Result<()> {
        let kinds: &[&str] = if self.calls { &["calls"] } else { &["calls", "programs"] };
        let wanted = |name: &str| self.only.is_empty() || self.only.iter().any(|only| only == name);
        for (name, who, arguments) in subjects.iter().filter(|(name, ..)| wanted(name)) {
            for kind in kinds {
                let measured = process::step(&format!("{kind}: {name}"), || {
                    let argv = [&[PROGRAM, *kind, "--name", name], *arguments].concat();
                    output(lab, *who, &argv)
                })?;
                // Late words of an earlier job may have come between.
                let mut lines =
                    measured.lines().filter_map(|line| serde_json::from_str::<Measured>(line).ok());
                let measured =
                    lines.next().with_context(|| format!("{name} said nothing usable: {measured}"))?;
                report.add(&measured.kind, &measured.name, measured.costs);
            }
        }
        Ok(())
    }
}

/// The program that measures, built for the guest.
fn program() -> Result<PathBuf> {
    let mut cargo = process::cargo();
    process::run(cargo.args(["build", "--locked", "--package", "sekisho-tests", "--bin", "sekisho-bench"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    Ok(process::workspace().join(target).join("debug/sekisho-bench"))
}

/// What must be there before anything is measured.
fn prepare(lab: &mut Lab) -> Result<()> {
    let script = format!(
        "set -e; {PROGRAM} prepare; printf '%s' '{POLICY}' > /etc/sekisho/policy.d/95-bench.toml; \
         printf '%s' '{}' | {INBOX}/apparmor_parser --add --skip-cache",
        apparmor::PROFILE
    );
    output(lab, Who::Root, &["sh", "-c", &script]).map(drop)
}

/// Runs a program that must succeed, and returns what it printed.
fn output(lab: &mut Lab, who: Who, argv: &[&str]) -> Result<String> {
    let argv: Vec<_> = argv.iter().map(|&word| word.to_owned()).collect();
    let mut said = String::new();
    let mut complaint = String::new();
    let ended = lab.run(who, &argv, LIMIT, |stream, piece| {
        let to = if stream == Stream::Output { &mut said } else { &mut complaint };
        to.push_str(&String::from_utf8_lossy(piece));
        Ok(())
    })?;
    ensure!(ended == Ended::Code(0), "{} ended with {ended:?}\n{said}{complaint}", argv.join(" "));
    Ok(said)
}
