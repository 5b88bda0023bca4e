//! One file descriptor beside one byte, over a unix socket (`SCM_RIGHTS`).

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Sends one descriptor.
///
/// # Errors
/// The system call's error.
pub fn send(stream: &UnixStream, descriptor: BorrowedFd<'_>) -> std::io::Result<()> {
    let fds = [descriptor.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&fds)];
    sendmsg::<()>(stream.as_raw_fd(), &[IoSlice::new(b"d")], &control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Receives exactly one descriptor; close-on-exec.
///
/// # Errors
/// The system call's error, or `InvalidData` when the peer sent anything but one descriptor.
pub fn receive(stream: &UnixStream) -> std::io::Result<OwnedFd> {
    let mut byte = [0; 1];
    let mut space = nix::cmsg_space!([std::os::fd::RawFd; 4]);
    let mut iov = [IoSliceMut::new(&mut byte)];
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut iov, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let mut owned = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control {
            // SAFETY: the kernel just installed these descriptors for us; nobody else owns them.
            owned.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    match owned.pop() {
        Some(fd) if owned.is_empty() => Ok(fd),
        _ => Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "expected exactly one descriptor")),
    }
}
