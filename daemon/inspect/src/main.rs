//! `sekisho-inspect`: reads one untrusted file and reports facts. One process per file.
//!
//! Descriptor 0 is a unix stream socket. The process sandboxes itself, receives one job and the file's
//! descriptor over it, has the library read the file, answers with facts, and ends.
//!
//! Invariants:
//! - **The sandbox is up before the first byte of the file is read**: no path can be opened, no socket made, no
//!   program run, memory and time are bounded.
//! - Whatever the bytes are, the answer is facts or this process's death, and the asker treats death as a finding.

mod sandbox;

use anyhow::{Context, Result};
use sekisho_inspect::inspect;
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
    let crew = sandbox::enter().context("sandbox")?;
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
    let (facts, fixed) = inspect::run_with(&job, file, copy, &crew, |bytes| {
        // An asker that has gone away ends this process at the next write; nothing to do here.
        frame::write(&mut stream, &Progress::Reading { bytes }).is_ok()
    });
    frame::write(&mut stream, &Progress::Done { facts: Box::new(facts), fixed }).context("answer")?;
    Ok(())
}
