//! Length-prefixed JSON frames over any byte stream.

use serde::{Serialize, de::DeserializeOwned};
use std::io::{Read, Write};

/// Largest frame accepted, bytes. Reports of large requests fit; a memory bomb does not.
pub const LIMIT: u32 = 16 << 20;

/// Why a frame could not be exchanged.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream ended before a frame began.
    #[error("peer closed the connection")]
    Closed,
    /// Reading or writing failed.
    #[error("frame i/o: {0}")]
    Io(#[from] std::io::Error),
    /// The peer announced more than [`LIMIT`].
    #[error("frame of {0} bytes is over the limit of {LIMIT}")]
    TooLarge(u64),
    /// The bytes are not the expected message.
    #[error("frame content: {0}")]
    Content(#[from] serde_json::Error),
}

/// Encodes a message as one frame.
///
/// # Errors
/// When the message does not serialise or is over [`LIMIT`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).ok().filter(|n| *n <= LIMIT);
    let length = length.ok_or(FrameError::TooLarge(body.len() as u64))?;
    let mut frame = Vec::with_capacity(body.len() + 4);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// Checks an announced length.
///
/// # Errors
/// [`FrameError::TooLarge`] over [`LIMIT`].
pub fn body_length(header: [u8; 4]) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(header);
    if length > LIMIT { Err(FrameError::TooLarge(u64::from(length))) } else { Ok(length as usize) }
}

/// Writes one frame.
///
/// # Errors
/// See [`FrameError`].
pub fn write<T: Serialize>(stream: &mut impl Write, message: &T) -> Result<(), FrameError> {
    stream.write_all(&encode(message)?)?;
    stream.flush()?;
    Ok(())
}

/// Reads one frame.
///
/// # Errors
/// [`FrameError::Closed`] when the stream ended cleanly before a frame; others as named.
pub fn read<T: DeserializeOwned>(stream: &mut impl Read) -> Result<T, FrameError> {
    let mut header = [0; 4];
    let mut got = 0;
    while got < header.len() {
        match stream.read(&mut header[got..])? {
            0 if got == 0 => return Err(FrameError::Closed),
            0 => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            n => got += n,
        }
    }
    let length = body_length(header)?;
    // Grow with what arrives, not with what was announced.
    let mut body = Vec::new();
    stream.take(length as u64).read_to_end(&mut body)?;
    if body.len() != length {
        return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
    }
    Ok(serde_json::from_slice(&body)?)
}
