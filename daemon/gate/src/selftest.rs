//! The gate proves itself: a marked child tries what must not work. Only then are logins let in.
//!
//! An act counts as stopped when it failed with EPERM *and* the gate recorded it: rights the child lacks for another
//! reason prove nothing.

pub mod child;

use crate::bpf::{pidfd, set_mark};
use nix::errno::Errno;
use sekisho_abi::maps::{MARK_CONFINED, Mark};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Why the self-test did not pass.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// It could not be run.
    #[error("self-test: {step}: {source}")]
    Run {
        /// Step.
        step: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The child said something else than expected.
    #[error("self-test: the child's answer is not readable: {0}")]
    Answer(#[from] serde_json::Error),
    /// Something worked that must not.
    #[error("self-test: not denied: {0}\nhint: the gate does not protect this node; see sekisho doctor")]
    NotDenied(String),
    /// Something did not work that must.
    #[error("self-test: wrongly denied: {0}")]
    WronglyDenied(String),
    /// Something failed, and the gate does not know of it.
    #[error(
        "self-test: failed without the gate's doing: {0}\nhint: a hook does not fire; see sekisho doctor"
    )]
    Unrecorded(String),
}

/// What became of one act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    act: String,
    errno: i32,
    /// One of these must have recorded it. None: it must work.
    hooks: Vec<String>,
}

/// What the child found.
#[derive(Debug)]
pub struct Proof {
    /// Its process.
    pub pid: u32,
    outcomes: Vec<Outcome>,
}

impl Proof {
    /// How many acts were stopped, given the hooks that recorded one of the child's acts.
    ///
    /// # Errors
    /// [`SelfTestError`]: what was not, or should not have been.
    pub fn judge(&self, recorded: impl Fn(&str) -> bool) -> Result<usize, SelfTestError> {
        let names = |wrong: &dyn Fn(&Outcome) -> bool| {
            let named = |o: &Outcome| format!("{} ({})", o.act, Errno::from_raw(o.errno));
            self.outcomes.iter().filter(|o| wrong(o)).map(named).collect::<Vec<_>>().join(", ")
        };
        let denied = self.outcomes.iter().filter(|o| !o.hooks.is_empty()).count();
        let leaks = names(&|o| !o.hooks.is_empty() && o.errno != Errno::EPERM as i32);
        if !leaks.is_empty() || denied == 0 {
            return Err(SelfTestError::NotDenied(leaks));
        }
        let wrong = names(&|o| o.hooks.is_empty() && o.errno != 0);
        if !wrong.is_empty() {
            return Err(SelfTestError::WronglyDenied(wrong));
        }
        let unrecorded = names(&|o| !o.hooks.is_empty() && !o.hooks.iter().any(|hook| recorded(hook)));
        if unrecorded.is_empty() { Ok(denied) } else { Err(SelfTestError::Unrecorded(unrecorded)) }
    }
}

fn failed<E: Into<std::io::Error>>(step: &'static str) -> impl Fn(E) -> SelfTestError {
    move |source| SelfTestError::Run { step, source: source.into() }
}

const GROUND: &str = "preparing the ground";

/// Lets the child try in `dir`, which must lie outside every zone.
///
/// # Errors
/// [`SelfTestError`] when it could not be run.
pub fn run(tasks: BorrowedFd<'_>, dir: &Path) -> Result<Proof, SelfTestError> {
    let ground = dir.join("self-test");
    let _ = fs::remove_dir_all(&ground);
    fs::create_dir_all(ground.join("kept")).map_err(failed(GROUND))?;
    fs::write(ground.join("file"), b"x").map_err(failed(GROUND))?;
    // Unconfined peers: the child must not reach them.
    let listener = UnixListener::bind(ground.join("peer")).map_err(failed(GROUND))?;
    let letters = UnixDatagram::bind(ground.join("letters")).map_err(failed(GROUND))?;
    let answer = child(tasks, &ground);
    drop((listener, letters));
    let _ = fs::remove_dir_all(&ground);
    let (answer, pid) = answer?;
    Ok(Proof { pid, outcomes: serde_json::from_slice(&answer)? })
}

/// Starts the child, marks it, lets it go, and returns what it prints.
fn child(tasks: BorrowedFd<'_>, ground: &Path) -> Result<(Vec<u8>, u32), SelfTestError> {
    let opened =
        fs::OpenOptions::new().read(true).write(true).open(ground.join("file")).map_err(failed(GROUND))?;
    let outside = TcpListener::bind("127.0.0.1:0").map_err(failed(GROUND))?;
    let address = outside.local_addr().map_err(failed(GROUND))?;
    let connection = TcpStream::connect(address).map_err(failed(GROUND))?;
    let handed_down = connection.as_raw_fd();
    let mut command = Command::new("/proc/self/exe");
    command
        .arg("self-test-child")
        .arg(ground)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(opened));
    // SAFETY: between fork and exec only dup2 (or, for the same number, fcntl) is called, which is async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            let done =
                if handed_down == 3 { libc::fcntl(3, libc::F_SETFD, 0) } else { libc::dup2(handed_down, 3) };
            if done < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
        });
    }
    let mut child = command.spawn().map_err(failed("starting the child"))?;
    let mark = || -> std::io::Result<()> {
        let handle = pidfd(child.id())?;
        set_mark(tasks, handle.as_fd(), Mark { flags: MARK_CONFINED, account: u32::MAX, session: 0 })
    };
    let marked = mark().map_err(failed("marking the child"));
    if let (Ok(()), Some(mut input)) = (&marked, child.stdin.take()) {
        input.write_all(b"go").map_err(failed("letting the child go"))?;
    }
    let mut answer = Vec::new();
    if let Some(mut output) = child.stdout.take() {
        output.read_to_end(&mut answer).map_err(failed("hearing the child"))?;
    }
    child.wait().map_err(failed("waiting for the child"))?;
    drop((outside, connection));
    marked.map(|()| (answer, child.id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(errno: i32, hooks: &[&str]) -> Proof {
        let hooks = hooks.iter().map(|&h| h.to_owned()).collect();
        let works = Outcome { act: "read".into(), errno: 0, hooks: Vec::new() };
        Proof { pid: 1, outcomes: vec![works, Outcome { act: "write".into(), errno, hooks }] }
    }

    #[test]
    fn only_what_the_gate_itself_stopped_counts() {
        let eperm = Errno::EPERM as i32;
        assert!(matches!(proof(eperm, &["file_open"]).judge(|_| true), Ok(1)));
        for errno in [0, Errno::EACCES as i32, Errno::ENOSYS as i32] {
            assert!(matches!(proof(errno, &["file_open"]).judge(|_| true), Err(SelfTestError::NotDenied(_))));
        }
        let elsewhere = proof(eperm, &["file_open"]).judge(|hook| hook == "capable");
        assert!(matches!(elsewhere, Err(SelfTestError::Unrecorded(_))));
        let wrong = Outcome { act: "read".into(), errno: eperm, hooks: Vec::new() };
        let mut both = proof(eperm, &["file_open"]);
        both.outcomes.push(wrong);
        assert!(matches!(both.judge(|_| true), Err(SelfTestError::WronglyDenied(_))));
        assert!(matches!(
            Proof { pid: 1, outcomes: Vec::new() }.judge(|_| true),
            Err(SelfTestError::NotDenied(_))
        ));
    }
}
