//! Builds the one BPF object, with whichever toolchain the machine has.
//!
//! Two routes, tried in this order:
//! 1. Debian's `rustc-web` with `libstd-rust-web-dev-bpf`: a prebuilt `core` for `bpfel-unknown-none`;
//! 2. a rustup nightly with the `rust-src` component: `-Z build-std=core`.
//!
//! Both need `bpf-linker`. A missing toolchain is named, with the command that installs it.

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

const TARGET: &str = "bpfel-unknown-none";
const PACKAGE: &str = "sekisho-gate-ebpf";
/// Debian's compiler of `rustc-web`.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// A compiler that can produce BPF code.
#[derive(Debug, PartialEq, Eq)]
enum Toolchain {
    /// Debian's `rustc-web`: `core` for the target is installed.
    Debian,
    /// A rustup nightly that builds `core` itself.
    Nightly,
}

/// Builds the object of `workspace` (its root directory) with the given `bpf-linker` and puts it at `out`.
///
/// # Errors
/// When no toolchain is there (the message says how to get one), or the build fails.
pub(crate) fn build(workspace: &Path, linker: &Path, out: &Path) -> Result<()> {
    let toolchain = toolchain()?;
    let target_dir = workspace.join("target/bpf");
    let mut cargo = match toolchain {
        Toolchain::Debian => {
            let mut cargo = Command::new("cargo");
            cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1").arg("build");
            cargo
        }
        Toolchain::Nightly => {
            let mut cargo = Command::new("rustup");
            cargo.args(["run", "nightly", "cargo", "build", "-Z", "build-std=core"]).env_remove("RUSTC");
            cargo
        }
    };
    // Settings of the outer cargo must not leak into the build for another target.
    for name in
        ["CARGO", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET"]
    {
        cargo.env_remove(name);
    }
    let status = cargo
        .current_dir(workspace)
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", linker)
        .env("RUSTFLAGS", "-C debuginfo=2 -C link-arg=--btf")
        .args([
            "--quiet",
            "--locked",
            "--profile",
            "bpf",
            "--package",
            PACKAGE,
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(&target_dir)
        .status()
        .context("starting cargo for the bpf object")?;
    if !status.success() {
        bail!("building the bpf object failed ({status}) with {toolchain:?} and {}", linker.display());
    }
    let built = target_dir.join(TARGET).join("bpf").join(PACKAGE);
    let object = std::fs::read(&built).with_context(|| format!("{}", built.display()))?;
    if std::fs::read(out).is_ok_and(|present| present == object) {
        return Ok(());
    }
    // Replaced as a whole: a lab that is being prepared beside us never sees half an object.
    let parent = out.parent().context("the object goes into a directory")?;
    std::fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
    let beside = tempfile::NamedTempFile::new_in(parent)?;
    std::fs::write(beside.path(), object)?;
    beside.persist(out).with_context(|| format!("{}", out.display()))?;
    Ok(())
}

/// Can this machine compile for BPF?
pub(crate) fn has_toolchain() -> bool {
    toolchain().is_ok()
}

fn toolchain() -> Result<Toolchain> {
    let sysroot = answer(Command::new(DEBIAN_RUSTC).args(["--print", "sysroot"]));
    if sysroot.is_some_and(|root| Path::new(&root).join("lib/rustlib").join(TARGET).is_dir()) {
        return Ok(Toolchain::Debian);
    }
    let sysroot = answer(Command::new("rustup").args(["run", "nightly", "rustc", "--print", "sysroot"]));
    if sysroot.is_some_and(|root| Path::new(&root).join("lib/rustlib/src/rust/library/core").is_dir()) {
        return Ok(Toolchain::Nightly);
    }
    bail!(
        "no compiler for {TARGET}\nhint: apt-get install rustc-web libstd-rust-web-dev-bpf (Debian 12), or: rustup \
         toolchain install nightly --component rust-src"
    )
}

/// What a command prints, when it can be run and succeeds.
fn answer(command: &mut Command) -> Option<String> {
    let output = command.env_remove("RUSTC").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
