//! The file's bytes, hashed and counted as they are read.

use ring::digest::{Context, SHA256};
use std::cell::RefCell;
use std::io::{Read, Result};
use std::rc::Rc;

/// What has been read so far; shared with whoever unwraps the stream.
#[derive(Clone)]
pub struct Meter(Rc<RefCell<State>>);

struct State {
    hash: Context,
    read: u64,
}

/// Reads the file through the meter.
pub struct Source<R> {
    file: R,
    meter: Meter,
}

impl<R: Read> Source<R> {
    /// A source and its meter.
    pub fn new(file: R) -> (Self, Meter) {
        let meter = Meter(Rc::new(RefCell::new(State { hash: Context::new(&SHA256), read: 0 })));
        (Self { file, meter: meter.clone() }, meter)
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let n = self.file.read(buffer)?;
        let mut state = self.meter.0.borrow_mut();
        state.hash.update(&buffer[..n]);
        state.read += n as u64;
        Ok(n)
    }
}

impl Meter {
    /// Bytes of the file read so far.
    pub fn read(&self) -> u64 {
        self.0.borrow().read
    }

    /// SHA-256 of the bytes read so far, hex.
    pub fn sha256(&self) -> String {
        let digest = self.0.borrow().hash.clone().finish();
        digest.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
            for nibble in [byte >> 4, byte & 15] {
                hex.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
            hex
        })
    }
}
