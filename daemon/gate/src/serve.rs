//! Answers `sekisho why` and `sekisho doctor`. Who asks is known from the kernel, never from the message.

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use sekisho_wire::frame;
use sekisho_wire::gate::{Answer, Ask};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

/// How long a caller may keep the daemon waiting.
const PATIENCE: Duration = Duration::from_millis(500);

/// Listens; anyone may connect.
///
/// # Errors
/// The system call's.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves everybody who is waiting, one question each.
pub fn serve(listener: &UnixListener, mut answer: impl FnMut(u32, Ask) -> Answer) {
    while let Ok((stream, _)) = listener.accept() {
        if let Err(error) = one(stream, &mut answer) {
            tracing::debug!(%error, "a caller left");
        }
    }
}

fn one(mut stream: UnixStream, answer: &mut impl FnMut(u32, Ask) -> Answer) -> Result<(), frame::FrameError> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let peer = getsockopt(&stream, PeerCredentials).map_err(io::Error::from)?;
    let ask = frame::read(&mut stream)?;
    frame::write(&mut stream, &answer(peer.uid(), ask))
}
