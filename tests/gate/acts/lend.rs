//! The unconfined side: the ground, peers, and descriptors to borrow.

use crate::ground::{ABSTRACT, BORROW, OUTSIDE, PORT, QUEUE, RESEARCHER, outside};
use anyhow::{Context as _, Result};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use nix::unistd::chown;
use std::fs::{self, File, Permissions};
use std::io::{IoSlice, IoSliceMut, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

/// What is lent, in this order.
pub(crate) struct Borrowed {
    /// Open for reading and writing, outside every zone.
    pub(crate) file: OwnedFd,
    /// Connected TCP to an unconfined peer.
    pub(crate) stream: OwnedFd,
    /// Listening, with a connection waiting.
    pub(crate) listener: OwnedFd,
    /// Connected unix stream to an unconfined peer.
    pub(crate) unix: OwnedFd,
}

/// Prepares everything, says `ready`, and lends until killed.
pub(crate) fn lend() -> Result<()> {
    ground().context("preparing the ground")?;
    let tcp = TcpListener::bind(("0.0.0.0", PORT)).context("tcp")?;
    let _udp = UdpSocket::bind(("0.0.0.0", PORT)).context("udp")?;
    let unix = UnixListener::bind(outside("peer.sock")).context("unix")?;
    let _datagram = UnixDatagram::bind(outside("peer.dgram")).context("unix datagram")?;
    let hidden = UnixListener::bind_addr(&SocketAddr::from_abstract_name(ABSTRACT)?).context("abstract")?;
    for name in ["peer.sock", "peer.dgram"] {
        fs::set_permissions(outside(name), Permissions::from_mode(0o777))?;
    }
    for listener in [&unix, &hidden] {
        listener.set_nonblocking(true)?;
    }
    tcp.set_nonblocking(true)?;
    // SAFETY: msgget takes integers only.
    if unsafe { libc::msgget(QUEUE, libc::IPC_CREAT | 0o666) } < 0 {
        eprintln!("no System V message queues here");
    }
    fs::write(outside("pid"), std::process::id().to_string())?;
    println!("ready");
    std::io::stdout().flush()?;
    let mut kept = Vec::new();
    loop {
        // Peers accept so that nobody's backlog fills.
        kept.extend(tcp.accept().ok().map(|(stream, _)| OwnedFd::from(stream)));
        kept.extend(
            [&unix, &hidden].into_iter().filter_map(|l| l.accept().ok()).map(|(s, _)| OwnedFd::from(s)),
        );
        if kept.len() > 256 {
            kept.drain(..128);
        }
        if let Ok(borrower) = UnixStream::connect(BORROW)
            && let Err(error) = hand_out(&borrower, &mut kept)
        {
            eprintln!("lending: {error:#}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Files outside: some anybody may write, some that belong to the researcher.
fn ground() -> Result<()> {
    let _ = fs::remove_dir_all(OUTSIDE);
    fs::create_dir_all(OUTSIDE)?;
    fs::set_permissions(OUTSIDE, Permissions::from_mode(0o777))?;
    for name in ["target", "lent", "own", "victim", "moved"] {
        fs::write(outside(name), "outside\n")?;
        fs::set_permissions(outside(name), Permissions::from_mode(0o666))?;
        if name != "lent" {
            chown(&outside(name), Some(RESEARCHER.into()), None)?;
        }
    }
    fs::create_dir(outside("emptied"))?;
    chown(&outside("emptied"), Some(RESEARCHER.into()), None)?;
    nix::unistd::mkfifo(&outside("fifo"), nix::sys::stat::Mode::from_bits_truncate(0o666))?;
    fs::set_permissions(outside("fifo"), Permissions::from_mode(0o666))?;
    Ok(())
}

fn hand_out(borrower: &UnixStream, kept: &mut Vec<OwnedFd>) -> Result<()> {
    let file = File::options().read(true).write(true).open(outside("lent"))?;
    let peer = TcpListener::bind("127.0.0.1:0")?;
    let stream = TcpStream::connect(peer.local_addr()?)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    kept.push(TcpStream::connect(listener.local_addr()?)?.into());
    kept.push(peer.into());
    let (unix, other) = UnixStream::pair()?;
    kept.push(other.into());
    let fds: [RawFd; 4] = [file.as_raw_fd(), stream.as_raw_fd(), listener.as_raw_fd(), unix.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&fds)];
    sendmsg::<()>(borrower.as_raw_fd(), &[IoSlice::new(b"d")], &control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// The confined side: listens, and takes what an unconfined process brings.
pub(crate) fn borrow() -> nix::Result<Borrowed> {
    let failed = |e: std::io::Error| nix::errno::Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO));
    let _ = fs::remove_file(BORROW);
    let listener = UnixListener::bind(BORROW).map_err(failed)?;
    let _ = fs::set_permissions(BORROW, Permissions::from_mode(0o777));
    let (stream, _) = listener.accept().map_err(failed)?;
    let _ = fs::remove_file(BORROW);
    let mut byte = [0; 1];
    let mut space = nix::cmsg_space!([RawFd; 4]);
    let mut iov = [IoSliceMut::new(&mut byte)];
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut iov, Some(&mut space), MsgFlags::empty())?;
    let mut owned = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control {
            // SAFETY: the kernel just installed these descriptors for us; nobody else owns them.
            owned.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    let [file, stream, listener, unix] =
        <[OwnedFd; 4]>::try_from(owned).map_err(|_| nix::errno::Errno::EPROTO)?;
    Ok(Borrowed { file, stream, listener, unix })
}
