//! Descriptors that somebody unconfined opened: inherited by each agent at fixed numbers, or passed on request.

use crate::outside::{Inbox, OUTSIDE, RESEARCHER, open_to_all};
use anyhow::{Context as _, Result, ensure};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use std::fs::{self, File};
use std::io::{IoSlice, IoSliceMut, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

macro_rules! lent {
    ($($(#[$doc:meta])* $variant:ident),* $(,)?) => {
        /// What is lent. Each is a descriptor of the same number in every agent (not behind `sudo`, which closes them).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Lent { $($(#[$doc])* $variant),* }

        impl Lent {
            /// All, in the order in which they are passed.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant),*];
        }
    };
}

lent! {
    /// A file outside, open for reading and writing.
    File,
    /// The same, open for appending only.
    Append,
    /// A directory outside.
    Directory,
    /// A file outside, opened with `O_PATH`.
    Path,
    /// Connected TCP to an unconfined peer.
    Tcp,
    /// A TCP listener with a connection waiting.
    Listener,
    /// Connected UDP to an unconfined peer.
    Udp,
    /// Connected unix stream to an unconfined peer.
    Unix,
    /// Connected unix datagram socket to an unconfined peer.
    UnixDatagram,
    /// Nameless memory that the witness keeps too.
    Memory,
    /// The writing end of a nameless pipe.
    Pipe,
}

/// The first of the fixed numbers.
const FIRST: RawFd = 100;

impl Lent {
    /// Its number in agents that inherited it.
    pub(crate) fn number(self) -> RawFd {
        FIRST + self as RawFd
    }

    /// The inherited descriptor; `EBADF` when it did not come this far.
    pub(crate) fn inherited(self) -> nix::Result<OwnedFd> {
        // SAFETY: only duplicated here, and the kernel says whether it is open.
        let fd = unsafe { BorrowedFd::borrow_raw(self.number()) };
        let copy = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(FIRST + 100))?;
        // SAFETY: the kernel just made this descriptor for us.
        Ok(unsafe { OwnedFd::from_raw_fd(copy) })
    }

    /// The same thing, passed over a unix socket now by the witness.
    pub(crate) fn passed(self, scene: &crate::scene::Scene) -> nix::Result<OwnedFd> {
        let path = PathBuf::from(format!("/tmp/escape-{}-pass", scene.canary));
        let listener = UnixListener::bind(&path).map_err(crate::scene::errno)?;
        let _ = open_to_all(&path, None);
        scene.ask("lend", &path.display().to_string())?;
        listener.set_nonblocking(true).map_err(crate::scene::errno)?;
        let (stream, _) = listener.accept().map_err(crate::scene::errno)?;
        let _ = fs::remove_file(path);
        let mut byte = [0; 1];
        let mut space = nix::cmsg_space!([RawFd; 16]);
        let mut iov = [IoSliceMut::new(&mut byte)];
        let message = recvmsg::<()>(stream.as_raw_fd(), &mut iov, Some(&mut space), MsgFlags::empty())?;
        let mut owned = Vec::new();
        // The kernel drops a descriptor that the gate refuses, and says that the list is cut.
        if message.flags.contains(MsgFlags::MSG_CTRUNC) {
            return Err(Errno::EPERM);
        }
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(fds) = control {
                // SAFETY: the kernel just installed these descriptors for us; nobody else owns them.
                owned.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
            }
        }
        if owned.len() != Self::ALL.len() {
            return Err(Errno::EPROTO);
        }
        Ok(owned.swap_remove(self as usize))
    }
}

impl Lent {
    /// The witness's own view of a socket's option.
    pub(crate) fn option(self, level: i32, name: i32) -> Option<u32> {
        let set = SET.lock().unwrap_or_else(PoisonError::into_inner);
        let fd = set.as_ref()?.lent.get(self as usize)?;
        let (mut value, mut size) = (0_u32, 4_u32);
        // SAFETY: value and size are as long as said.
        let got =
            unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut size) };
        (got == 0).then_some(value)
    }

    /// Sets an option as the witness.
    pub(crate) fn set_option(self, level: i32, name: i32, value: u32) {
        let set = SET.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fd) = set.as_ref().and_then(|set| set.lent.get(self as usize)) {
            // SAFETY: four bytes, as said.
            unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), 4) };
        }
    }
}

/// What the witness lends now.
static SET: Mutex<Option<Set>> = Mutex::new(None);

struct Set {
    lent: Vec<OwnedFd>,
    memory: OwnedFd,
    /// Peers and waiting connections: kept open.
    _kept: Vec<OwnedFd>,
}

/// Opens everything anew; what arrives at the other ends goes into the inbox.
pub(crate) fn renew(inbox: &Inbox) -> Result<()> {
    let set = Set::new(inbox).context("opening what is lent")?;
    *SET.lock().unwrap_or_else(PoisonError::into_inner) = Some(set);
    Ok(())
}

impl Set {
    fn new(inbox: &Inbox) -> Result<Self> {
        let dir = Path::new(OUTSIDE).join("lent");
        // The same inodes in every phase: what was lent earlier is still about them.
        fs::create_dir_all(&dir)?;
        open_to_all(&dir, None)?;
        let file = dir.join("file");
        fs::write(&file, "outside\n".repeat(1024))?;
        open_to_all(&file, Some(RESEARCHER))?;
        crate::heir::read_pipe(inbox)?;
        let (near_datagram, far_datagram) = UnixDatagram::pair()?;
        let (near_unix, far_unix) = UnixStream::pair()?;
        let server = TcpListener::bind("127.0.0.1:0")?;
        let tcp = TcpStream::connect(server.local_addr()?)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let waiting = TcpStream::connect(listener.local_addr()?)?;
        let receiver = UdpSocket::bind("127.0.0.1:0")?;
        let udp = UdpSocket::bind("127.0.0.1:0")?;
        udp.connect(receiver.local_addr()?)?;
        let both = || File::options().read(true).write(true).open(&file);
        for source in
            [server.accept()?.0.into(), waiting.into(), receiver.into(), far_unix.into(), far_datagram.into()]
        {
            listen(source, inbox);
        }
        let pipe = nix::unistd::pipe()?;
        listen(pipe.0, inbox);
        let memory = nix::sys::memfd::memfd_create(c"lent", nix::sys::memfd::MFdFlags::MFD_CLOEXEC)?;
        let lent: Vec<OwnedFd> = Lent::ALL
            .iter()
            .map(|lent| -> Result<OwnedFd> {
                Ok(match lent {
                    Lent::File => both()?.into(),
                    Lent::Append => File::options().append(true).open(&file)?.into(),
                    Lent::Directory => File::open(&dir)?.into(),
                    Lent::Path => {
                        File::options().read(true).custom_flags(OFlag::O_PATH.bits()).open(&file)?.into()
                    }
                    Lent::Tcp => tcp.try_clone()?.into(),
                    Lent::Listener => listener.try_clone()?.into(),
                    Lent::Udp => udp.try_clone()?.into(),
                    Lent::Unix => near_unix.try_clone()?.into(),
                    Lent::UnixDatagram => near_datagram.try_clone()?.into(),
                    Lent::Memory => memory.try_clone()?,
                    Lent::Pipe => pipe.1.try_clone()?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { lent, memory, _kept: vec![server.into()] })
    }
}

/// Reads whatever comes, for as long as it comes, into the inbox.
pub(crate) fn listen(source: OwnedFd, inbox: &Inbox) {
    let inbox = inbox.clone();
    let mut source = File::from(source);
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        loop {
            match source.read(&mut piece) {
                Ok(0) => return,
                Ok(n) => inbox.put(&piece[..n]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    });
}

/// Copies of what is lent, above the fixed numbers, to be put there between fork and exec.
pub(crate) fn copies() -> Result<Vec<OwnedFd>> {
    let set = SET.lock().unwrap_or_else(PoisonError::into_inner);
    let set = set.as_ref().context("nothing is lent yet")?;
    set.lent
        .iter()
        .map(|fd| {
            let copy = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(FIRST + 100))?;
            // SAFETY: the kernel just made this descriptor for us.
            Ok(unsafe { OwnedFd::from_raw_fd(copy) })
        })
        .collect()
}

/// Between fork and exec: everything lent at its fixed number, open across exec.
pub(crate) fn install(copies: &[OwnedFd]) -> std::io::Result<()> {
    for (copy, lent) in copies.iter().zip(Lent::ALL) {
        // SAFETY: dup2 is async-signal-safe; nobody in this new process uses the fixed numbers.
        if unsafe { libc::dup2(copy.as_fd().as_raw_fd(), lent.number()) } < 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Passes everything to whoever listens at that path.
pub(crate) fn lend(path: &Path) -> Result<()> {
    let copies = copies()?;
    ensure!(copies.len() == Lent::ALL.len(), "something was not lent");
    let fds: Vec<RawFd> = copies.iter().map(AsRawFd::as_raw_fd).collect();
    let borrower = UnixStream::connect(path)?;
    let control = [ControlMessage::ScmRights(&fds)];
    sendmsg::<()>(borrower.as_raw_fd(), &[IoSlice::new(b"d")], &control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Is it in the memory that is lent?
pub(crate) fn memory_has(what: &str) -> bool {
    let set = SET.lock().unwrap_or_else(PoisonError::into_inner);
    let mut bytes = vec![0; 4096];
    let read = set.as_ref().map(|set| nix::sys::uio::pread(&set.memory, &mut bytes, 0));
    matches!(read, Some(Ok(_))) && crate::outside::contains(&bytes, what.as_bytes())
}

/// Gives the memory that is lent a size, empty.
pub(crate) fn memory_holds(bytes: usize) -> Result<()> {
    let set = SET.lock().unwrap_or_else(PoisonError::into_inner);
    let set = set.as_ref().context("nothing is lent yet")?;
    nix::unistd::ftruncate(&set.memory, 0)?;
    Ok(nix::unistd::ftruncate(&set.memory, i64::try_from(bytes)?)?)
}

/// A new terminal that belongs to an account and that anybody may write to; what is written arrives. Returns its name.
pub(crate) fn terminal(owner: u32, inbox: &Inbox) -> Result<String> {
    let pair = nix::pty::openpty(None, None)?;
    let name = nix::unistd::ttyname(&pair.slave)?;
    open_to_all(&name, Some(owner))?;
    listen(pair.master, inbox);
    // Kept open: a terminal without an end is gone.
    std::mem::forget(pair.slave);
    Ok(name.display().to_string())
}
