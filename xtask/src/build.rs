//! The one release build: every installed program, and the BPF object.

use crate::{bpf, install, process};
use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// The packages whose binaries are installed; each is named like its binary.
pub(crate) const PROGRAMS: &[&str] =
    &["sekisho", "sekisho-gate", "sekisho-airlock", "sekisho-inspect", "sekisho-notary"];

/// The kernel programs' file name in the release directory.
pub(crate) const OBJECT: &str = "gate.bpf.o";

/// `target`, wherever it is.
pub(crate) fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    process::workspace().join(target)
}

/// With `SEKISHO_LAB_BUILD=debug` the lab boots the unoptimised programs: quicker to build while one works on them.
/// `cargo xtask test` refuses it: what is judged is what ships.
pub(crate) fn debug() -> bool {
    std::env::var_os("SEKISHO_LAB_BUILD").is_some_and(|build| build == "debug")
}

/// `target/release`, or `target/debug` where that was asked for.
pub(crate) fn directory() -> PathBuf {
    target().join(if debug() { "debug" } else { "release" })
}

/// Set in the environment: take what [`directory`] holds as it is.
pub(crate) const AS_BUILT: &str = "SEKISHO_AS_BUILT";

/// Whether this process has built the programs.
static MADE: AtomicBool = AtomicBool::new(false);

/// Has this very process built the programs, so that what it starts need not look again?
pub(crate) fn is_made() -> bool {
    MADE.load(Ordering::SeqCst)
}

/// Builds the programs of [`directory`]. Cargo itself decides what is out of date, and shows what it does.
pub(crate) fn release() -> Result<()> {
    if std::env::var_os(AS_BUILT).is_some() {
        return all_there();
    }
    let mut cargo = process::cargo();
    cargo.args(["build", "--locked"]);
    if !debug() {
        cargo.arg("--release");
    }
    for program in PROGRAMS {
        cargo.args(["--bin", program]);
    }
    process::run(&mut cargo)?;
    let linker = install::bpf_linker()?;
    let object = directory().join(OBJECT);
    process::step("BPF object", || bpf::build(&process::workspace(), &linker, &object))?;
    all_there()?;
    MADE.store(true, Ordering::SeqCst);
    Ok(())
}

fn all_there() -> Result<()> {
    for file in PROGRAMS.iter().chain([&OBJECT]) {
        let path = directory().join(file);
        ensure!(path.is_file(), "the build did not make {}", path.display());
    }
    Ok(())
}
