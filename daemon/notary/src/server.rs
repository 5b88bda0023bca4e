//! The socket: one peer, and the gate; one question at a time.

use crate::RunArgs;
use crate::notary::Notary;
use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Uid, User, chown};
use sekisho_wire::notary::{Answer, Ask};
use sekisho_wire::{descriptor, frame};
use std::fs::{self, Permissions};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

/// How long a peer may take over one frame.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most connections held open at once.
const CONNECTIONS: usize = 64;

/// The uid of the one peer.
pub fn peer(args: &RunArgs) -> Result<u32> {
    if let Some(uid) = args.peer_uid {
        return Ok(uid);
    }
    let user = &args.peer_user;
    match User::from_name(user).with_context(|| format!("account {user}"))? {
        Some(user) => Ok(user.uid.as_raw()),
        None => bail!("there is no account `{user}`\nhint: install the sysusers file, or give --peer-user"),
    }
}

/// The socket systemd passed, or our own.
pub fn listener(args: &RunArgs, peer: u32) -> Result<UnixListener> {
    if let Some(fd) = sd_notify::listen_fds().context("sockets from systemd")?.next() {
        // SAFETY: systemd passed this descriptor to us; nobody else in this process owns it.
        return Ok(UnixListener::from(unsafe { OwnedFd::from_raw_fd(fd) }));
    }
    let path = &args.socket;
    let at = || format!("socket {}", path.display());
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e).with_context(at),
        _ => {}
    }
    let listener = UnixListener::bind(path).with_context(at)?;
    // Credentials decide on every connection; the mode only keeps strangers from knocking, where we may set the group.
    let group = User::from_uid(Uid::from_raw(peer)).ok().flatten().map(|u| u.gid);
    let ours = group.is_some_and(|group| chown(path, None, Some(group)).is_ok());
    let mode = if ours { 0o660 } else { 0o666 };
    fs::set_permissions(path, Permissions::from_mode(mode)).with_context(at)?;
    Ok(listener)
}

/// SIGHUP as something to read: look at the policy now.
pub fn catch_reload() -> Result<SignalFd> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGHUP);
    set.thread_block().context("SIGHUP")?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).context("SIGHUP")
}

/// Serves until the ledger's state is in doubt, which only a new start can settle.
pub fn serve(listener: &UnixListener, peer: u32, notary: &mut Notary, reload: &SignalFd) -> Result<()> {
    listener.set_nonblocking(true)?;
    let mut connections: Vec<(UnixStream, Peer)> = Vec::new();
    loop {
        let mut fds = vec![
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(reload.as_fd(), PollFlags::POLLIN),
        ];
        fds.extend(connections.iter().map(|(c, _)| PollFd::new(c.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => continue,
            other => other.context("poll")?,
        };
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        drop(fds);
        let mut asking = ready.iter().skip(2);
        let mut kept = Vec::with_capacity(connections.len());
        for mut connection in std::mem::take(&mut connections) {
            if !asking.next().copied().unwrap_or(false) || exchange(&mut connection.0, connection.1, notary) {
                kept.push(connection);
            }
            if notary.in_doubt() {
                bail!("the ledger's last write is in doubt\nhint: the service starts again and looks");
            }
        }
        connections = kept;
        if ready.get(1).copied().unwrap_or(false) {
            while let Ok(Some(_)) = reload.read_signal() {}
            if let Err(e) = notary.refresh_policy() {
                tracing::error!("policy: {e}");
            }
        }
        if ready.first().copied().unwrap_or(false) {
            while let Ok((stream, _)) = listener.accept() {
                if connections.len() < CONNECTIONS
                    && let Some(peer) = welcome(&stream, peer)
                {
                    connections.push((stream, peer));
                }
            }
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    Airlock,
    /// Root: the gate's daemon. Heard only with what the gate records.
    Gate,
    /// The airlock's account is root's, as in a test.
    Both,
}

/// Is it a peer of ours? Asked of the kernel, for every connection.
fn welcome(stream: &UnixStream, peer: u32) -> Option<Peer> {
    let uid = getsockopt(stream, PeerCredentials).map(|c| c.uid());
    let who = match uid {
        Ok(0) if peer == 0 => Peer::Both,
        Ok(uid) if uid == peer => Peer::Airlock,
        Ok(0) => Peer::Gate,
        _ => {
            tracing::warn!("turned away uid {uid:?}");
            return None;
        }
    };
    let patience = Some(PATIENCE);
    let patient = stream.set_nonblocking(false).is_ok()
        && stream.set_read_timeout(patience).is_ok()
        && stream.set_write_timeout(patience).is_ok();
    patient.then_some(who)
}

/// What each peer may ask.
fn may_ask(peer: Peer, ask: &Ask) -> bool {
    match ask {
        Ask::RecordGate { .. } => peer != Peer::Airlock,
        _ => peer != Peer::Gate,
    }
}

/// One question and its answer; false when the connection is over.
fn exchange(stream: &mut UnixStream, peer: Peer, notary: &mut Notary) -> bool {
    let ask: Ask = match frame::read(stream) {
        Ok(ask) => ask,
        Err(frame::FrameError::Closed) => return false,
        Err(e) => {
            tracing::warn!("the peer does not make sense: {e}");
            return false;
        }
    };
    if !may_ask(peer, &ask) {
        tracing::warn!("turned away: the {peer:?} asks what is not its to ask");
        return false;
    }
    let (answer, fd) = notary.answer(ask);
    let sent = frame::write(stream, &answer).is_ok();
    match (answer, fd) {
        (Answer::Descriptor, Some(fd)) => sent && descriptor::send(stream, fd.as_fd()).is_ok(),
        _ => sent,
    }
}
