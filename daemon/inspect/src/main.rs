//! `sekisho-inspect`: reads one untrusted file and reports facts. One process per file.
//!
//! Descriptor 0 is a unix stream socket. The process sandboxes itself, receives one job and the file's
//! descriptor over it, reads the file once from start to end (hash, unwrapping and every plausible reader in the
//! same pass), answers with facts, and ends.
//!
//! Invariants:
//! - **The sandbox is up before the first byte of the file is read**: no path can be opened, no socket made, no
//!   program run, memory and time are bounded.
//! - A file's kind comes from its content, never from its name.
//! - Whatever the bytes are, the answer is facts or this process's death, and the asker treats death as a finding.
//! - Facts are evidence; nothing here judges.

mod detect;
mod encoding;
mod fold;
mod genotypes;
#[cfg(test)]
mod hostile;
mod inside;
mod inspect;
mod lines;
mod names;
mod number;
mod readers;
mod roles;
mod sandbox;
mod shape;
mod source;
mod stream;

use anyhow::{Context, Result};
use sekisho_wire::inspect::{Job, Progress};
use sekisho_wire::{descriptor, frame};
use std::fs::File;
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sekisho-inspect: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    sandbox::enter().context("sandbox")?;
    // SAFETY: descriptor 0 is ours by contract, and nothing else in this process uses it.
    let mut stream = unsafe { UnixStream::from_raw_fd(0) };
    let job: Job = frame::read(&mut stream).context("job")?;
    anyhow::ensure!(job.version == 1, "job version {} is not 1", job.version);
    sandbox::bound(&job.policy.limits).context("limits")?;
    let file = File::from(descriptor::receive(&stream).context("file descriptor")?);
    let copy = if job.fix {
        Some(File::from(descriptor::receive(&stream).context("copy descriptor")?))
    } else {
        None
    };
    let (facts, fixed) = inspect::run(&job, file, copy, |bytes| {
        // An asker that has gone away ends this process at the next write; nothing to do here.
        frame::write(&mut stream, &Progress::Reading { bytes }).is_ok()
    });
    frame::write(&mut stream, &Progress::Done { facts: Box::new(facts), fixed }).context("answer")?;
    Ok(())
}
