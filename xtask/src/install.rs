//! What a fresh Debian 12 lacks, and installing it: says what and why, does nothing when all is there.

use crate::{bpf, cache, process};
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// The pinned BPF linker: 0.10 works with the LLVM inside stable rustc, later ones want a newer LLVM.
const BPF_LINKER: &str = "0.10.3";
/// The oldest cargo that can build this workspace.
const CARGO: (u32, u32) = (1, 95);

/// A Debian package and what it is for.
struct Package {
    name: &'static str,
    why: &'static str,
}

const fn package(name: &'static str, why: &'static str) -> Package {
    Package { name, why }
}

const TO_BUILD: &[Package] = &[
    package("gcc", "cargo links with it, and ring and SQLite have C parts"),
    package("libc6-dev", "C headers for the same"),
];

const TO_FUZZ: &[Package] = &[package("g++", "libFuzzer is C++")];

/// Only where no other toolchain can compile for BPF.
const TO_BUILD_BPF: &[Package] = &[
    package("rustc-web", "a rustc whose version fits the prebuilt core library for BPF"),
    package("libstd-rust-web-dev-bpf", "that core library: the gate's kernel half is Rust"),
];

const FOR_THE_LAB: &[Package] = &[
    package("qemu-system-x86", "boots the lab's virtual machine, in software, no KVM needed"),
    package("mmdebstrap", "makes the Debian 12 image"),
    package("debian-archive-keyring", "Debian's keys: image and kernels are verified with them"),
    package("e2fsprogs", "makes the image's file systems"),
    package("busybox-static", "the lab's first process, before systemd"),
    package("cpio", "packs it"),
    package("kmod", "names the kernel modules it needs"),
    package("xz-utils", "unpacks those modules"),
    package(
        "openssh-client",
        "the officer's key, verifying a released bag with stock tools, and real logins",
    ),
    package("rsync", "one of the clients that a login must refuse"),
];

const FOR_AGREEMENT: &[Package] = &[
    package("plink1.9", "prunes by linkage: our pruning is held against its"),
    package("plink2", "counts copies and carriers of alleles: our counts are held against its"),
    package("bcftools", "counts sites, people and calls of a VCF: ours are held against its"),
];

/// Only where inspection is measured beside other tools.
const TO_COMPARE: &[Package] =
    &[package("python3", "runs DuckDB and Polars, to compare with"), package("python3-pip", "fetches them")];

/// Tools that inspection is measured beside. What is on the path already stays as it is.
pub(crate) fn for_comparison() -> Result<()> {
    let all = ["bcftools", "plink2", "python3"].iter().all(|program| process::on_path(program));
    if all { Ok(()) } else { packages(&[FOR_AGREEMENT, TO_COMPARE]) }
}

/// Everything: what `build` needs and what the lab needs.
pub(crate) fn everything() -> Result<()> {
    system()?;
    bpf_linker().map(drop)
}

/// What comes as Debian packages: the rest can be compiled beside other work.
pub(crate) fn system() -> Result<()> {
    cargo()?;
    // All packages at once, so that the package index is fetched once.
    packages(&[TO_BUILD, bpf_packages(), TO_FUZZ, FOR_THE_LAB, FOR_AGREEMENT])
}

/// Only what `build` needs.
pub(crate) fn for_build() -> Result<()> {
    cargo()?;
    packages(&[TO_BUILD, bpf_packages()])?;
    bpf_linker().map(drop)
}

/// What `fuzz` needs besides.
pub(crate) fn for_fuzzing() -> Result<()> {
    cargo()?;
    packages(&[TO_BUILD, TO_FUZZ])
}

fn bpf_packages() -> &'static [Package] {
    if bpf::has_toolchain() { &[] } else { TO_BUILD_BPF }
}

/// A program from crates.io, at a pinned version, in the cache's tools.
pub(crate) fn tool(name: &str, version: &str, why: &str) -> Result<PathBuf> {
    let program = cache::directory()?.join("tools/bin").join(name);
    let listed = cache::directory()?.join("tools/.crates.toml");
    let installed = || {
        program.is_file()
            && std::fs::read_to_string(&listed)
                .is_ok_and(|text| text.contains(&format!("\"{name} {version} (")))
    };
    if installed() {
        return Ok(program);
    }
    let _lock = cache::lock("tools")?;
    if installed() {
        return Ok(program);
    }
    eprintln!("[install] {name} {version}: {why}");
    process::step(&format!("cargo install {name}"), || {
        process::run(
            process::cargo()
                .args(["install", "--locked", name, "--version", version, "--root"])
                .arg(cache::directory()?.join("tools"))
                .env_remove("RUSTFLAGS"),
        )
    })?;
    Ok(program)
}

/// The linker the BPF build needs.
pub(crate) fn bpf_linker() -> Result<PathBuf> {
    tool("bpf-linker", BPF_LINKER, "links the gate's kernel half into one BPF object")
}

fn cargo() -> Result<()> {
    let text = process::output(process::cargo().arg("--version"))?;
    let version = text.split_whitespace().nth(1).unwrap_or_default();
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
        bail!("cargo --version printed {text:?}");
    };
    if (major, minor) < CARGO {
        bail!(
            "cargo {version} is too old, {}.{} or newer is needed\nhint: rustup update stable; without rustup, \
             install it from https://rustup.rs first (Debian's own cargo is older)",
            CARGO.0,
            CARGO.1
        );
    }
    Ok(())
}

fn packages(groups: &[&[Package]]) -> Result<()> {
    let missing = || groups.iter().copied().flatten().filter(|package| !is_installed(package.name));
    if missing().next().is_none() {
        return Ok(());
    }
    let _lock = cache::lock("apt")?;
    let missing: Vec<_> = missing().collect();
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        eprintln!("[install] {}: {}", package.name, package.why);
    }
    let names: Vec<_> = missing.iter().map(|package| package.name).collect();
    if process::output(Command::new("id").arg("-u"))?.trim() != "0" {
        bail!(
            "these Debian packages are missing and installing them needs root\nhint: apt-get install {}",
            names.join(" ")
        );
    }
    if !process::on_path("apt-get") {
        bail!(
            "this machine has no apt-get\nhint: Debian 12 is supported; elsewhere install: {}",
            names.join(" ")
        );
    }
    process::step("apt-get update", || process::quietly(apt_get().arg("update")))?;
    process::step("apt-get install", || {
        process::quietly(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(&names))
            .context("hint: the packages are those of Debian 12 with its security updates")
    })
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.arg("--quiet").env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_installed(name: &str) -> bool {
    process::output(Command::new("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", name]))
        .is_ok_and(|status| status == "installed")
}
