//! Between processes: queues, shared memory, unix sockets, signals, keys, locks.

use super::reach::done;
use crate::channel::{Channel, Tried};
use crate::outside::{ABSTRACT, OUTSIDE};
use crate::scene::{Scene, errno};
use crate::shared::{self, Kind};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, send, sendto, socket,
};
use std::fs::{self, File};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::Path;

const CONNECT: &[&str] = &["unix_stream_connect"];
const SEND: &[&str] = &["unix_may_send"];
const DEPUTY: &str = "deputy";

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed(
        "sysv_memory",
        "writes into shared memory of somebody unconfined",
        &["shm_shmat"],
        DEPUTY,
        |s| shared::write_memory(s.number(), s.canary.as_bytes()),
    )
    .ready(|outside| shared::make(Kind::Memory, outside.number()))
    .arrived(|outside| shared::memory_has(outside.number(), outside.canary().as_bytes()))
    .undo(|outside| shared::remove(Kind::Memory, outside.number())),
    Channel::closed("sysv_semaphore", "adds a number to somebody's semaphore", &["sem_semop"], DEPUTY, |s| {
        shared::raise(s.number(), value_of(s.number()))
    })
    .ready(|outside| shared::make(Kind::Semaphore, outside.number()))
    .arrived(|outside| shared::value(outside.number()) == Some(value_of(outside.number())))
    .undo(|outside| shared::remove(Kind::Semaphore, outside.number())),
    Channel::closed("sysv_semaphore_set", "sets somebody's semaphore", &["sem_semctl"], DEPUTY, |s| {
        shared::set(s.number(), value_of(s.number()))
    })
    // The kernel says EACCES, whatever the gate says.
    .errno(Errno::EACCES)
    .ready(|outside| shared::make(Kind::Semaphore, outside.number()))
    .arrived(|outside| shared::value(outside.number()) == Some(value_of(outside.number())))
    .undo(|outside| shared::remove(Kind::Semaphore, outside.number())),
    Channel::closed("sysv_queue", "sends to somebody's queue", &["msg_queue_msgsnd"], DEPUTY, |s| {
        shared::send(s.number(), s.canary.as_bytes())
    })
    .ready(|outside| shared::make(Kind::Queue, outside.number()))
    .arrived(|outside| shared::queue_has(outside.number(), outside.canary().as_bytes()))
    .undo(|outside| shared::remove(Kind::Queue, outside.number())),
    Channel::closed(
        "sysv_memory_mode",
        "sets the mode of somebody's shared memory",
        &["shm_shmctl"],
        DEPUTY,
        |s| shared::set_mode(Kind::Memory, s.number()),
    )
    .root()
    .ready(|outside| shared::make(Kind::Memory, outside.number()))
    .arrived(|outside| shared::mode_is(Kind::Memory, outside.number()))
    .undo(|outside| shared::remove(Kind::Memory, outside.number())),
    Channel::closed("sysv_semaphore_mode", "sets the mode of a semaphore", &["sem_semctl"], DEPUTY, |s| {
        shared::set_mode(Kind::Semaphore, s.number())
    })
    .root()
    .ready(|outside| shared::make(Kind::Semaphore, outside.number()))
    .arrived(|outside| shared::mode_is(Kind::Semaphore, outside.number()))
    .undo(|outside| shared::remove(Kind::Semaphore, outside.number())),
    Channel::closed("sysv_queue_mode", "sets the mode of a queue", &["msg_queue_msgctl"], DEPUTY, |s| {
        shared::set_mode(Kind::Queue, s.number())
    })
    .root()
    .ready(|outside| shared::make(Kind::Queue, outside.number()))
    .arrived(|outside| shared::mode_is(Kind::Queue, outside.number()))
    .undo(|outside| shared::remove(Kind::Queue, outside.number())),
    Channel::closed("posix_queue", "sends to somebody's POSIX queue", &["file_open"], "outside_zones", |s| {
        shared::send_posix("/escape-queue", s.canary.as_bytes())
    })
    .ready(|_| shared::make_posix("/escape-queue"))
    .arrived(|outside| shared::posix_has("/escape-queue", outside.canary().as_bytes()))
    .undo(|_| shared::remove_posix("/escape-queue")),
    Channel::closed(
        "posix_queue_name",
        "makes a POSIX queue whose name is the data",
        &["inode_create"],
        "outside_zones",
        |s| shared::create_posix(&format!("/{}", s.canary)),
    )
    .arrived(|outside| shared::exists_posix(&format!("/{}", outside.canary())))
    .undo(|outside| shared::remove_posix(&format!("/{}", outside.canary()))),
    Channel::closed("unix_stream", "connects to an unconfined unix listener", CONNECT, DEPUTY, |s| {
        to_path(s, SockType::Stream, &Path::new(OUTSIDE).join("stream.sock"))
    }),
    Channel::closed("unix_stream_abstract", "connects to one without a path", CONNECT, DEPUTY, |s| {
        let fd = unix(SockType::Stream)?;
        connect(fd.as_raw_fd(), &UnixAddr::new_abstract(ABSTRACT[0])?)?;
        say(s, &fd)
    }),
    Channel::closed("unix_seqpacket", "connects to an unconfined seqpacket listener", CONNECT, DEPUTY, |s| {
        to_path(s, SockType::SeqPacket, Path::new(crate::deputies::SEQPACKET))
    }),
    Channel::closed("unix_datagram", "sends a unix datagram", SEND, DEPUTY, |s| {
        let to = UnixAddr::new(&Path::new(OUTSIDE).join("datagram.sock"))?;
        sendto(unix(SockType::Datagram)?.as_raw_fd(), s.canary.as_bytes(), &to, MsgFlags::empty()).map(drop)
    }),
    Channel::closed("unix_datagram_connected", "connects a datagram socket and sends", SEND, DEPUTY, |s| {
        to_path(s, SockType::Datagram, &Path::new(OUTSIDE).join("datagram.sock"))
    }),
    Channel::closed("unix_datagram_abstract", "sends one to a receiver without a path", SEND, DEPUTY, |s| {
        let to = UnixAddr::new_abstract(ABSTRACT[1])?;
        sendto(unix(SockType::Datagram)?.as_raw_fd(), s.canary.as_bytes(), &to, MsgFlags::empty()).map(drop)
    }),
    Channel::closed(
        "unix_stream_by_root",
        "connects to an unconfined unix listener as root",
        CONNECT,
        DEPUTY,
        |s| to_path(s, SockType::Stream, &Path::new(OUTSIDE).join("stream.sock")),
    )
    .root(),
    Channel::closed(
        "signal_with_value",
        "sends an unconfined process a signal and a number",
        &["task_kill"],
        "other_process",
        |s| {
            let value = libc::sigval { sival_ptr: std::ptr::without_provenance_mut(s.number() as usize) };
            // SAFETY: the value is a number, never followed.
            done(unsafe { libc::sigqueue(peer(s)?, libc::SIGUSR1, value) }).map_err(errno)
        },
    )
    .root()
    .arrived(|outside| outside.inbox.has(format!("value {}\n", outside.number()).as_bytes())),
    Channel::closed(
        "signal_by_descriptor_thread",
        "does so by F_SETOWN_EX",
        &["file_send_sigiotask"],
        "other_process",
        |s| signal_by_descriptor(s, F_SETOWN_EX),
    )
    .root()
    .silent()
    .arrived(|outside| outside.inbox.has(signalled(outside.number()).as_bytes())),
    Channel::closed(
        "signal_by_descriptor_ioctl",
        "does so by FIOSETOWN on a socket",
        &["file_send_sigiotask"],
        "other_process",
        signal_by_socket,
    )
    .root()
    .silent()
    .arrived(|outside| outside.inbox.has(signalled(outside.number()).as_bytes())),
    Channel::works(
        "sysv_own_memory",
        "shares memory of its own",
        "its maker is confined; whoever unconfined attaches to it reads, as in a workspace",
        |s| {
            shared::make(Kind::Memory, s.number()).map_err(|_| Errno::EIO)?;
            let written = shared::write_memory(s.number(), s.canary.as_bytes());
            shared::remove(Kind::Memory, s.number());
            written
        },
    ),
    Channel::works(
        "pipe_to_parent",
        "writes to a pipe from whoever started the session",
        "who starts a confined program may read what it prints, as in a workspace; sessions by ssh have a screen",
        |s| {
            // The agent's own standard output is a pipe to the witness.
            s.ask("peer", "").map(drop)
        },
    ),
    Channel::works(
        "fifo_in_zone",
        "writes into a named pipe in a workspace",
        "it lies in a workspace, where who is unconfined may read anyway",
        |s| {
            let path = s.inside("fifo");
            nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU)?;
            let fifo = File::options().read(true).write(true).open(&path).map_err(errno)?;
            s.write(&fifo.into())?;
            fs::remove_file(path).map_err(errno)
        },
    ),
    Channel::works(
        "lock_range",
        "locks a range of a file it may read; the range shows in /proc/locks",
        "needs an unconfined accomplice on the node who looks, and who could read the workspace: not claimed",
        |s| {
            let file = File::open("/etc/passwd").map_err(errno)?;
            let lock =
                libc::flock { l_type: 0, l_whence: 0, l_start: i64::from(s.number()), l_len: 1, l_pid: 0 };
            // SAFETY: the lock outlives the call.
            done(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const lock) }).map_err(errno)
        },
    ),
];

const F_SETOWN_EX: i32 = 15;
const F_SETSIG: i32 = 10;

/// A number that fits a semaphore.
fn value_of(number: u32) -> i32 {
    i32::try_from(number & 0x7ffe).unwrap_or(0) + 1
}

fn unix(kind: SockType) -> nix::Result<OwnedFd> {
    socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None)
}

fn to_path(scene: &Scene, kind: SockType, path: &Path) -> Tried {
    let fd = unix(kind)?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    say(scene, &fd)
}

fn say(scene: &Scene, fd: &OwnedFd) -> Tried {
    send(fd.as_raw_fd(), scene.canary.as_bytes(), MsgFlags::MSG_NOSIGNAL).map(drop)
}

/// The unconfined process that waits for signals.
pub(super) fn peer(scene: &Scene) -> nix::Result<i32> {
    scene.ask("peer", "")?.parse().map_err(|_| Errno::ESRCH)
}

/// The number of a descriptor: it comes with the signal.
fn number_of_descriptor(number: u32) -> i32 {
    i32::try_from(300 + number % 600).unwrap_or(300)
}

fn signalled(number: u32) -> String {
    format!("signal {} value {}\n", libc::SIGUSR2, number_of_descriptor(number))
}

/// Whoever owns a descriptor's signals gets one whenever something can be read from it.
fn signal_by_descriptor(scene: &Scene, command: i32) -> Tried {
    let peer = peer(scene)?;
    let (reader, writer) = nix::unistd::pipe()?;
    let reader = at_number(&reader, number_of_descriptor(scene.number()))?;
    let owner_ex: [i32; 2] = [1, peer];
    // SAFETY: the structure outlives the calls; the others take integers.
    let own = || unsafe {
        if command == F_SETOWN_EX {
            done(libc::fcntl(reader.as_raw_fd(), command, owner_ex.as_ptr()))
        } else {
            done(libc::fcntl(reader.as_raw_fd(), command, peer))
        }
    };
    own().map_err(errno)?;
    arm(&reader)?;
    scene.write(&writer)
}

/// Sockets have two more ways to say whose they are.
fn signal_by_socket(scene: &Scene) -> Tried {
    const FIOSETOWN: u64 = 0x8901;
    let peer = peer(scene)?;
    let (near, far) = std::os::unix::net::UnixStream::pair().map_err(errno)?;
    let near = at_number(&near.into(), number_of_descriptor(scene.number()))?;
    // SAFETY: the number outlives the call.
    done(unsafe { libc::ioctl(near.as_raw_fd(), FIOSETOWN, &raw const peer) }).map_err(errno)?;
    arm(&near)?;
    scene.write(&far.into())
}

fn at_number(fd: &OwnedFd, number: i32) -> nix::Result<OwnedFd> {
    // SAFETY: nobody in this process uses numbers this high; a descriptor that comes back is ours alone.
    unsafe {
        Errno::result(libc::dup2(fd.as_raw_fd(), number))?;
        Ok(OwnedFd::from_raw_fd(number))
    }
}

fn arm(fd: &OwnedFd) -> Tried {
    // SAFETY: integers only.
    unsafe {
        done(libc::fcntl(fd.as_raw_fd(), F_SETSIG, libc::SIGUSR2)).map_err(errno)?;
        done(libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_ASYNC | libc::O_NONBLOCK)).map_err(errno)
    }
}
