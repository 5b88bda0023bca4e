//! What outlives a run: tools, kernels, images. Shared by every clone on the machine.
//!
//! Invariant: a name in the cache is either absent or complete. Things are made beside their place, under a lock,
//! and renamed into it, so that neither a parallel run nor an interrupted one sees half a thing.

use crate::process;
use anyhow::{Context as _, Result};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `$SEKISHO_CACHE`, else `$XDG_CACHE_HOME/sekisho`, else `~/.cache/sekisho`; made if need be.
pub(crate) fn directory() -> Result<PathBuf> {
    let directory = std::env::var_os("SEKISHO_CACHE")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("XDG_CACHE_HOME").map(|base| PathBuf::from(base).join("sekisho")))
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache/sekisho")))
        .context("no cache directory: none of SEKISHO_CACHE, XDG_CACHE_HOME and HOME is set")?;
    fs::create_dir_all(&directory).with_context(|| format!("{}", directory.display()))?;
    fs::canonicalize(&directory).with_context(|| format!("{}", directory.display()))
}

/// The path of `name` in the cache; made first by `make`, which gets an empty directory entry to fill (a path that
/// does not exist yet), when it is not there.
pub(crate) fn made(name: &str, what: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let target = directory()?.join(name);
    if target.exists() {
        return Ok(target);
    }
    let _lock = lock(name)?;
    if target.exists() {
        return Ok(target);
    }
    let parent = target.parent().context("a cache name has a parent")?;
    fs::create_dir_all(parent)?;
    let beside = tempfile::Builder::new().prefix(".making-").tempdir_in(parent)?;
    let unfinished = beside.path().join("it");
    process::step(what, || make(&unfinished))?;
    fs::rename(&unfinished, &target).with_context(|| format!("{}", target.display()))?;
    Ok(target)
}

/// Holds a lock of the cache until the returned file is dropped; says so when another run holds it.
pub(crate) fn lock(name: &str) -> Result<File> {
    let locks = directory()?.join("locks");
    fs::create_dir_all(&locks)?;
    let path = locks.join(name.replace('/', "-"));
    let file = File::create(&path).with_context(|| format!("{}", path.display()))?;
    if file.try_lock().is_err() {
        eprintln!("[lab] another run is making {name}; waiting for it …");
        file.lock().with_context(|| format!("{}", path.display()))?;
    }
    Ok(file)
}

/// A short name for exactly these bytes (SHA-256, first 16 digits).
pub(crate) fn key(parts: &[&[u8]]) -> Result<String> {
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("sha256sum")?;
    let mut stdin = child.stdin.take().context("sha256sum takes its input")?;
    for part in parts {
        stdin.write_all(&(part.len() as u64).to_le_bytes())?;
        stdin.write_all(part)?;
    }
    drop(stdin);
    let output = child.wait_with_output().context("sha256sum")?;
    let digits: String = String::from_utf8_lossy(&output.stdout).chars().take(16).collect();
    anyhow::ensure!(output.status.success() && digits.len() == 16, "sha256sum ended with {}", output.status);
    Ok(digits)
}
