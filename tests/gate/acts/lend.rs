//! The unconfined side: the ground, peers, and descriptors to borrow.

use crate::controls::errno;
use crate::ground::{ABSTRACT, BORROW, OUTSIDE, PASS, PORT, QUEUE, RESEARCHER, inside, outside};
use anyhow::{Context as _, Result};
use nix::sys::socket::{ControlMessage, MsgFlags, recvmsg, sendmsg};
use nix::unistd::chown;
use std::fs::{self, File, Permissions};
use std::io::{BufRead as _, IoSlice, IoSliceMut, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
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
    // SAFETY: integers only.
    unsafe {
        let made = [
            libc::msgget(QUEUE, libc::IPC_CREAT | 0o666),
            libc::shmget(QUEUE, 4096, libc::IPC_CREAT | 0o666),
            libc::semget(QUEUE, 1, libc::IPC_CREAT | 0o666),
        ];
        anyhow::ensure!(made.iter().all(|id| *id >= 0), "no System V objects here");
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
        if let Err(error) = pass() {
            eprintln!("passing: {error:#}");
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

/// The first of the numbers at which descriptors are lent.
const FIRST: RawFd = 100;

/// Runs the act that the borrower names as the researcher, with what is lent inherited: descriptors that come over a
/// socket are refused on arrival. Its result goes back to the borrower.
fn hand_out(mut borrower: &UnixStream, kept: &mut Vec<OwnedFd>) -> Result<()> {
    let mut name = String::new();
    std::io::BufReader::new(borrower).read_line(&mut name)?;
    let file = File::options().read(true).write(true).open(outside("lent"))?;
    let peer = TcpListener::bind("127.0.0.1:0")?;
    let stream = TcpStream::connect(peer.local_addr()?)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    kept.push(TcpStream::connect(listener.local_addr()?)?.into());
    kept.push(peer.into());
    let (unix, other) = UnixStream::pair()?;
    kept.push(other.into());
    let fds: [RawFd; 4] = [file.as_raw_fd(), stream.as_raw_fd(), listener.as_raw_fd(), unix.as_raw_fd()];
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["one", name.trim()]).uid(RESEARCHER).gid(RESEARCHER).env("HOME", "/home/researcher");
    // SAFETY: dup2 is async-signal-safe, and touches no memory.
    unsafe {
        command.pre_exec(move || {
            for (number, fd) in (FIRST..).zip(fds) {
                nix::errno::Errno::result(libc::dup2(fd, number))?;
            }
            Ok(())
        })
    };
    borrower.write_all(&command.output()?.stdout)?;
    Ok(())
}

/// The confined side: has an act run by the lender, and returns what it said.
pub(crate) fn run_by_lender(name: &str) -> Result<String> {
    let _ = fs::remove_file(BORROW);
    let listener = UnixListener::bind(BORROW)?;
    fs::set_permissions(BORROW, Permissions::from_mode(0o777))?;
    let (mut stream, _) = listener.accept()?;
    let _ = fs::remove_file(BORROW);
    writeln!(stream, "{name}")?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    Ok(said)
}

/// What this process inherited from the lender.
pub(crate) fn borrow() -> nix::Result<Borrowed> {
    // SAFETY: the lender put these descriptors here for us; each act asks once.
    let take = |number: RawFd| unsafe { OwnedFd::from_raw_fd(FIRST + number) };
    Ok(Borrowed { file: take(0), stream: take(1), listener: take(2), unix: take(3) })
}

/// Is a descriptor that somebody unconfined opened refused when it arrives over a socket?
pub(crate) fn receive() -> nix::Result<()> {
    let path = inside("receive");
    let listener = UnixListener::bind(&path).map_err(errno)?;
    let _ = fs::set_permissions(&path, Permissions::from_mode(0o777));
    fs::write(PASS, path.as_os_str().as_encoded_bytes()).map_err(errno)?;
    let accepted = listener.accept();
    let _ = fs::remove_file(PASS);
    let _ = fs::remove_file(path);
    let (stream, _) = accepted.map_err(errno)?;
    let mut byte = [0; 1];
    let mut space = nix::cmsg_space!(RawFd);
    let mut iov = [IoSliceMut::new(&mut byte)];
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut iov, Some(&mut space), MsgFlags::empty())?;
    // The kernel leaves out what is refused, and says that the list was cut.
    if message.flags.contains(MsgFlags::MSG_CTRUNC) { Err(nix::errno::Errno::EPERM) } else { Ok(()) }
}

/// The lender's part of [`receive`].
fn pass() -> Result<()> {
    let Ok(path) = fs::read_to_string(PASS) else { return Ok(()) };
    let Ok(borrower) = UnixStream::connect(&path) else { return Ok(()) };
    let file = File::options().write(true).open(outside("lent"))?;
    let control = [ControlMessage::ScmRights(&[file.as_raw_fd()])];
    sendmsg::<()>(borrower.as_raw_fd(), &[IoSlice::new(b"d")], &control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}
