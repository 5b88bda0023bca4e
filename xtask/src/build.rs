//! The one release build: every installed program, and the BPF object.

use crate::{bpf, install, process};
use anyhow::{Result, ensure};
use std::path::PathBuf;

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

/// Builds the programs of [`directory`]. Cargo itself decides what is out of date, and shows what it does.
pub(crate) fn release() -> Result<()> {
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
    for file in PROGRAMS.iter().chain([&OBJECT]) {
        let path = directory().join(file);
        ensure!(path.is_file(), "the build did not make {}", path.display());
    }
    Ok(())
}
