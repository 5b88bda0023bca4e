//! What host and guest say to each other over a virtio-serial port.
//!
//! A frame is a kind (1 byte), the job it belongs to (4 bytes, little endian), a length (4 bytes) and that many bytes.

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};

/// The port's name: `/sys/class/virtio-ports/*/name`.
pub(crate) const PORT: &str = "sekisho.lab";
/// No frame is longer; output comes in smaller pieces.
const LONGEST: usize = 1 << 20;

/// What a frame means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Guest: I am here; the gate has not been started.
    Hello,
    /// Host: start this job (body: [`Job`] as JSON).
    Run,
    /// Host: the gate may start now.
    Release,
    /// Guest: the job wrote this to standard output.
    Output,
    /// Guest: the job wrote this to standard error.
    Error,
    /// Guest: the job ended (body: exit code, 4 bytes).
    Exit,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Hello, Self::Run, Self::Release, Self::Output, Self::Error, Self::Exit];
}

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// What it means.
    pub kind: Kind,
    /// Which job it belongs to; 0 for none.
    pub job: u32,
    /// The rest.
    pub body: Vec<u8>,
}

/// Something to run in the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    /// As whom.
    pub who: Who,
    /// The program and its arguments.
    pub argv: Vec<String>,
}

/// As whom a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Who {
    /// Root, outside every session: not confined.
    Root,
    /// The researcher, in a login session: confined while the gate is on.
    Researcher,
    /// The officer, in a login session.
    Officer,
}

impl Who {
    /// The account's name.
    pub(crate) fn account(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Researcher => "researcher",
            Self::Officer => "officer",
        }
    }
}

/// Sends one frame.
pub(crate) fn send(line: &mut impl Write, kind: Kind, job: u32, body: &[u8]) -> Result<()> {
    let mut bytes = Vec::with_capacity(9 + body.len());
    bytes.push(kind as u8);
    bytes.extend_from_slice(&job.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(body.len())?.to_le_bytes());
    bytes.extend_from_slice(body);
    line.write_all(&bytes).context("the line between host and guest broke")
}

/// Takes one complete frame off the front of `buffer`, if there is one.
pub(crate) fn take(buffer: &mut Vec<u8>) -> Result<Option<Frame>> {
    let Some((&[kind, j0, j1, j2, j3, l0, l1, l2, l3], rest)) = buffer.split_first_chunk() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let Some(kind) = Kind::ALL.into_iter().find(|known| *known as u8 == kind) else {
        bail!("a frame of unknown kind {kind}");
    };
    if length > LONGEST {
        bail!("a frame of {length} bytes");
    }
    let Some(body) = rest.get(..length) else {
        return Ok(None);
    };
    let frame = Frame { kind, job: u32::from_le_bytes([j0, j1, j2, j3]), body: body.to_vec() };
    buffer.drain(..9 + length);
    Ok(Some(frame))
}

/// Waits for one frame; `None` when the other side is gone.
pub(crate) fn receive(line: &mut impl Read, buffer: &mut Vec<u8>) -> Result<Option<Frame>> {
    let mut piece = [0; 64 << 10];
    loop {
        if let Some(frame) = take(buffer)? {
            return Ok(Some(frame));
        }
        match line.read(&mut piece)? {
            0 => return Ok(None),
            n => buffer.extend_from_slice(&piece[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_being_cut_anywhere() {
        let mut bytes = Vec::new();
        send(&mut bytes, Kind::Output, 7, b"hello").unwrap();
        send(&mut bytes, Kind::Exit, 7, &[1, 0, 0, 0]).unwrap();
        for cut in 0..bytes.len() {
            let mut buffer = bytes[..cut].to_vec();
            let mut frames = Vec::new();
            while let Some(frame) = take(&mut buffer).unwrap() {
                frames.push(frame);
            }
            buffer.extend_from_slice(&bytes[cut..]);
            while let Some(frame) = take(&mut buffer).unwrap() {
                frames.push(frame);
            }
            assert_eq!(frames.len(), 2, "cut at {cut}");
            assert_eq!(frames[0], Frame { kind: Kind::Output, job: 7, body: b"hello".to_vec() });
        }
    }

    #[test]
    fn nonsense_on_the_line_is_an_error_and_not_a_wait() {
        assert!(take(&mut vec![99; 32]).is_err());
    }
}
