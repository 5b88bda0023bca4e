//! Builds the one BPF object, with whichever toolchain the machine has.
//!
//! Two routes, tried in this order:
//! 1. Debian's `rustc-web` with `libstd-rust-web-dev-bpf`: a prebuilt `core` for `bpfel-unknown-none`;
//! 2. a rustup nightly with the `rust-src` component: `-Z build-std=core`.
//!
//! Both need `bpf-linker`. What is missing is named, with the command that installs it.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The pinned linker: 0.13 wants a newer LLVM than Debian 12 and rustup's stable carry.
pub const LINKER_VERSION: &str = "0.10.3";
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

/// Builds the object of `workspace` (its root directory) and puts it at `out`.
///
/// # Errors
/// When no toolchain or linker is there (the message says how to get one), or the build fails.
pub fn build(workspace: &Path, out: &Path) -> Result<()> {
    let linker = linker()?;
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
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &linker)
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
    if let Some(parent) = out.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
    }
    std::fs::copy(&built, out)
        .with_context(|| format!("copying {} to {}", built.display(), out.display()))?;
    Ok(())
}

/// What is missing to build the object: one line per thing, with the command that installs it. Empty when
/// [`build`] can work.
pub fn missing() -> Vec<String> {
    [linker().err(), toolchain().err()].into_iter().flatten().map(|e| format!("{e:#}")).collect()
}

fn linker() -> Result<PathBuf> {
    let cached = cache().map(|dir| dir.join("tools/bin"));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    cached
        .into_iter()
        .chain(std::env::split_paths(&on_path))
        .map(|dir| dir.join("bpf-linker"))
        .find(|file| file.is_file())
        .with_context(|| {
            format!(
                "bpf-linker is not installed\nhint: cargo install bpf-linker --version {LINKER_VERSION} --root {}",
                cache().unwrap_or_default().join("tools").display()
            )
        })
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

/// `$XDG_CACHE_HOME/sekisho` or `~/.cache/sekisho`.
fn cache() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .map(|dir| dir.join("sekisho"))
}
