//! Running other programs, and saying what takes time.

use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The root of this workspace.
pub(crate) fn workspace() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or(manifest.clone(), Path::to_path_buf)
}

/// The cargo that started us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    forget_xtask(&mut command);
    command.current_dir(workspace());
    command
}

/// What `cargo run` exports about xtask itself would only mislead others, and make cargo rebuild their crates.
pub(crate) fn forget_xtask(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&*name);
        }
    }
}

/// Runs a program to its end; its standard output joins standard error, where progress belongs.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status =
        command.stdin(Stdio::null()).stdout(std::io::stderr()).status().with_context(|| shown(command))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a program to its end without a word, unless it fails: then with all its words.
pub(crate) fn quietly(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Runs a program to its end and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| shown(command))?;
    if !output.status.success() {
        let words = [&*output.stdout, &*output.stderr].concat();
        bail!(
            "{} ended with {}\n{}",
            shown(command),
            output.status,
            String::from_utf8_lossy(&words).trim_end()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs two programs, the output of the first being the input of the second.
pub(crate) fn piped(from: &mut Command, to: &mut Command) -> Result<()> {
    let mut child = from.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| shown(from))?;
    let pipe = child.stdout.take().context("a piped output")?;
    let second = to.stdin(pipe).status().with_context(|| shown(to))?;
    let first = child.wait().with_context(|| shown(from))?;
    if !first.success() || !second.success() {
        bail!("{} | {} ended with {first}, {second}", shown(from), shown(to));
    }
    Ok(())
}

/// Is this program on the search path?
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Announces a step that takes time, does it, and says how long it took.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let begin = Instant::now();
    eprintln!("[lab] {what} …");
    let value = work().with_context(|| what.to_owned())?;
    eprintln!("[lab] {what}: {:.1} s", begin.elapsed().as_secs_f64());
    Ok(value)
}

fn shown(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
