//! The one place that knows how to build, install, boot, test and bench Sekisho.
//!
//! Invariants: whatever is missing is installed or named, never skipped in silence; everything kept between runs
//! lives in one cache directory, made under a lock and moved into place only when complete; what a command prints
//! for people goes to standard error, so that standard output belongs to the thing it ran.

mod bench;
mod bpf;
mod build;
mod cache;
mod corpus;
mod demo;
mod fuzz;
mod guest;
mod image;
mod install;
mod kernel;
mod lab;
mod narrator;
mod outside;
mod process;
mod product;
mod protocol;
mod readme;
mod slot;
mod suite;
mod test;
mod vm;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Builds, installs, boots and tests Sekisho.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what this machine lacks: Debian packages and the BPF linker.
    Install,
    /// Build the release binaries and the BPF object into target/release.
    Build,
    /// Play the main job, end to end, in the lab.
    Demo {
        /// Kernel series.
        #[arg(long, default_value = kernel::DEFAULT)]
        kernel: String,
    },
    /// Measure what the product costs.
    #[command(subcommand)]
    Bench(bench::Command),
    /// Judge made and real files, just inside and just outside every limit; fails on a verdict that is too mild.
    Corpus,
    /// Try bytes on every parser of the inspector (libFuzzer); fails on a panic, 10 s or 512 MB.
    Fuzz {
        /// Wall time for all parsers together, building not counted.
        #[arg(long, default_value_t = fuzz::IN_THE_SUITE)]
        seconds: u64,
    },
    /// Every check there is, unit to VM; ends with `N passed, N failed`.
    Test,
    /// Run things in the lab: a virtual machine with the product installed.
    #[command(subcommand)]
    Vm(vm::Command),
    /// The lab's hand inside the guest; started there by systemd.
    #[command(hide = true)]
    Guest,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Install => install::everything().map(|()| ExitCode::SUCCESS),
        Command::Build => install::for_build().and_then(|()| build::release()).map(|()| ExitCode::SUCCESS),
        Command::Demo { kernel } => demo::play(&kernel).map(|()| ExitCode::SUCCESS),
        Command::Bench(command) => bench::main(&command).map(|()| ExitCode::SUCCESS),
        Command::Corpus => corpus::main().map(|()| ExitCode::SUCCESS),
        Command::Fuzz { seconds } => fuzz::main(seconds).map(|()| ExitCode::SUCCESS),
        Command::Test => test::everything(),
        Command::Vm(command) => return vm::main(command),
        Command::Guest => guest::serve().map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
