//! The confined side: one process per channel, each with a time-out, none able to harm the next.

use crate::channels;
use crate::scene::Scene;
use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe, setsid};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{BufRead as _, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};

/// Longest a channel may take, milliseconds. Commands like `sudo` are slow where the processor is emulated.
const PATIENCE_MS: u16 = 20_000;

/// What an agent says first: its login is over.
pub(crate) const HELLO: &str = "ready to try";

/// What came of one try.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The process that tried. Everything it started has a later id.
    pub(crate) pid: u32,
    /// `ok`, the name of an error, or words.
    pub(crate) result: String,
}

/// Tries what comes in, line by line, and answers each with a line.
pub(crate) fn serve() -> Result<()> {
    // Whatever a channel leaves behind becomes ours, and is ended with it.
    nix::sys::prctl::set_child_subreaper(true)?;
    println!("{HELLO}");
    std::io::stdout().flush()?;
    let mut line = String::new();
    while std::io::stdin().lock().read_line(&mut line)? > 0 {
        let scene: Scene = serde_json::from_str(&line).context("a scene")?;
        let answer = attempt(&scene)?;
        println!("{}", serde_json::to_string(&answer)?);
        std::io::stdout().flush()?;
        line.clear();
    }
    Ok(())
}

fn attempt(scene: &Scene) -> Result<Answer> {
    let (reader, writer) = pipe()?;
    // SAFETY: this process has one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(reader);
            let _ = setsid();
            say(&writer, &channel(scene));
            std::process::exit(0);
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let result = outcome(child, reader);
            end(child);
            Ok(Answer { pid: child.as_raw().unsigned_abs(), result: result? })
        }
    }
}

/// In the child: the try itself.
fn channel(scene: &Scene) -> String {
    let Some(entry) = channels::named(&scene.channel) else { return "no such channel".into() };
    match (entry.channel.run)(scene) {
        Ok(()) => "ok".into(),
        Err(Errno::UnknownErrno) => "an unknown error".into(),
        Err(errno) => format!("{errno:?}"),
    }
}

fn say(writer: &OwnedFd, what: &str) {
    let _ = nix::unistd::write(writer, what.as_bytes());
}

fn outcome(child: Pid, reader: OwnedFd) -> Result<String> {
    let mut polled = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
    if poll(&mut polled, PollTimeout::from(PATIENCE_MS))? == 0 {
        return Ok("did not end in time".into());
    }
    let mut said = String::new();
    let mut buffer = [0; 256];
    let n = nix::unistd::read(&reader, &mut buffer)?;
    said.push_str(&String::from_utf8_lossy(&buffer[..n]));
    if !said.is_empty() {
        return Ok(said);
    }
    Ok(match waitpid(child, None) {
        Ok(WaitStatus::Exited(_, code)) => format!("died with {code}"),
        Ok(WaitStatus::Signaled(_, signal, _)) => format!("died of {signal}"),
        other => format!("died: {other:?}"),
    })
}

/// Ends the child and everything it left.
fn end(child: Pid) {
    let _ = killpg(child, Signal::SIGKILL);
    let _ = kill(child, Signal::SIGKILL);
    // Twice: a killed child's own children become ours.
    for _ in 0..2 {
        while let Ok(status) = waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                break;
            }
        }
        let mut left = String::new();
        let own = format!("/proc/self/task/{}/children", nix::unistd::gettid());
        let _ = fs::File::open(own).and_then(|mut file| file.read_to_string(&mut left));
        for pid in left.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            let _ = waitpid(Pid::from_raw(pid), None);
        }
    }
}
