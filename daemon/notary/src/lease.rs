//! A read lease: the kernel's word that nobody has the file open for writing, nor mapped writable.

use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A lease that is broken sends SIGIO, which would end the process; the copier asks afterwards instead.
pub fn ignore_breaks() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: ignoring a signal installs no handler.
    if let Err(e) = unsafe { signal(Signal::SIGIO, SigHandler::SigIgn) } {
        tracing::warn!("SIGIO: {e}");
    }
}

/// Takes a read lease; `EAGAIN` when there is a writer.
pub fn take(file: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: F_SETLEASE takes an int and touches no memory of ours.
    Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) }).map(drop)
}

/// Does the lease still stand? It does not once somebody tried to open the file for writing.
pub fn stands(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    // SAFETY: F_GETLEASE takes no argument.
    let held = Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLEASE) })?;
    Ok(held == libc::F_RDLCK)
}

/// Gives it back, so that a waiting writer goes on at once.
pub fn give_back(file: BorrowedFd<'_>) {
    // SAFETY: as in `take`.
    let _ = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
}
