//! The self-test's child: marked, it tries what must not work, and what must.

use crate::selftest::Outcome;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, UnixAddr, bind, connect, send, sendto, socket,
};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use nix::unistd::{Pid, linkat, mkdir, mkfifo, symlinkat};
use std::fs;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Waits until it is marked, tries everything, prints what happened. Standard error is a file it may not write, and
/// descriptor 3 a connection that somebody unconfined made.
///
/// # Errors
/// When it cannot read or print.
pub fn main(ground: &Path) -> std::io::Result<()> {
    let mut go = [0; 2];
    std::io::stdin().read_exact(&mut go)?;
    let mut outcomes = Vec::new();
    must_work(ground, &mut outcomes);
    files(ground, &mut outcomes);
    sockets(ground, &mut outcomes);
    system(ground, &mut outcomes);
    println!("{}", serde_json::to_string(&outcomes)?);
    Ok(())
}

/// What a program started by the child does: one act.
///
/// # Errors
/// Never.
pub fn grandchild(ground: &Path) -> std::io::Result<()> {
    let result = fs::OpenOptions::new().write(true).open(ground.join("file"));
    std::process::exit(result.err().and_then(|e| e.raw_os_error()).unwrap_or(0))
}

const PLAIN: Mode = Mode::S_IRUSR;

type Tried = Vec<Outcome>;

fn note(tried: &mut Tried, act: &str, hooks: &[&str], result: nix::Result<()>) {
    tried.push(Outcome {
        act: act.into(),
        errno: result.err().map_or(0, |e| e as i32),
        hooks: hooks.iter().map(|&h| h.to_owned()).collect(),
    });
}

fn must_work(ground: &Path, tried: &mut Tried) {
    note(tried, "read a file", &[], open(&ground.join("file"), OFlag::O_RDONLY, PLAIN).map(drop));
    note(tried, "write to memory", &[], memory());
}

fn files(ground: &Path, tried: &mut Tried) {
    let at = |name: &str| -> PathBuf { ground.join(name) };
    let file = at("file");
    let create = OFlag::O_WRONLY | OFlag::O_CREAT;
    note(tried, "open a file for writing", &["file_open"], open(&file, OFlag::O_WRONLY, PLAIN).map(drop));
    note(tried, "create a file", &["inode_create"], open(&at("new"), create, PLAIN).map(drop));
    note(tried, "make a directory", &["inode_mkdir"], mkdir(&at("directory"), PLAIN));
    note(tried, "remove a directory", &["inode_rmdir"], fs::remove_dir(at("kept")).map_err(errno));
    note(tried, "make a symbolic link", &["inode_symlink"], symlinkat("data", AT_FDCWD, &at("symlink")));
    let link = linkat(AT_FDCWD, &file, AT_FDCWD, &at("link"), AtFlags::empty());
    note(tried, "make a hard link", &["inode_link"], link);
    note(tried, "rename", &["inode_rename"], fs::rename(&file, at("renamed")).map_err(errno));
    note(tried, "remove", &["inode_unlink"], fs::remove_file(&file).map_err(errno));
    note(tried, "make a pipe", &["inode_mknod"], mkfifo(&at("pipe"), PLAIN));
    let mode = fchmodat(AT_FDCWD, &file, Mode::S_IRGRP, FchmodatFlags::FollowSymlink);
    note(tried, "change the mode", &["inode_setattr"], mode);
    note(
        tried,
        "truncate",
        &["inode_setattr", "path_truncate", "file_truncate"],
        nix::unistd::truncate(&file, 0),
    );
    note(tried, "set an attribute", &["inode_setxattr"], attribute(&file));
    let inherited = std::io::stderr();
    note(
        tried,
        "write to a file opened before",
        &["file_permission"],
        nix::unistd::write(&inherited, b"x").map(drop),
    );
    note(tried, "map a file opened before", &["mmap_file"], map());
}

fn sockets(ground: &Path, tried: &mut Tried) {
    // The hook comes before the kernel asks whether the address is this node's.
    let elsewhere = SockaddrIn::new(192, 0, 2, 1, 47_000);
    let stream = |act: &dyn Fn(i32) -> nix::Result<()>| network(SockType::Stream, act);
    note(tried, "connect outside", &["socket_connect"], stream(&|fd| connect(fd, &outside())));
    let datagram = |fd| sendto(fd, b"x", &outside(), MsgFlags::empty()).map(drop);
    note(tried, "send a datagram outside", &["socket_sendmsg"], network(SockType::Datagram, &datagram));
    note(tried, "bind outside loopback", &["socket_bind"], stream(&|fd| bind(fd, &elsewhere)));
    // The parent left a socket there.
    let handed_down = send(3, b"x", MsgFlags::MSG_NOSIGNAL).map(drop);
    note(tried, "send over a connection made before", &["socket_sendmsg"], handed_down);
    let kinds = [
        ("make a raw socket", AddressFamily::Inet, SockType::Raw),
        ("make a packet socket", AddressFamily::Packet, SockType::Raw),
    ];
    for (act, family, kind) in kinds {
        let made = socket(family, kind, SockFlag::empty(), None).map(drop);
        note(tried, act, &["socket_create", "socket_post_create"], made);
    }
    let peer = unix(SockType::Stream, |fd| connect(fd, &UnixAddr::new(&ground.join("peer"))?));
    note(tried, "reach an unconfined unix peer", &["unix_stream_connect"], peer);
    let letter = unix(SockType::Datagram, |fd| {
        sendto(fd, b"x", &UnixAddr::new(&ground.join("letters"))?, MsgFlags::empty()).map(drop)
    });
    note(tried, "write to an unconfined unix peer", &["unix_may_send"], letter);
}

fn system(ground: &Path, tried: &mut Tried) {
    let signal = nix::sys::signal::kill(Pid::parent(), None);
    note(tried, "signal an unconfined process", &["task_kill"], signal);
    note(tried, "trace an unconfined process", &["ptrace_access_check"], trace(Pid::parent()));
    note(tried, "enter a mount namespace of its own", &["capable"], unshare(CloneFlags::CLONE_NEWNS));
    let mount = nix::mount::mount(
        Some("none"),
        &ground.join("kept"),
        Some("tmpfs"),
        nix::mount::MsFlags::empty(),
        None::<&str>,
    );
    note(tried, "mount", &["sb_mount", "capable"], mount);
    // linux 6.1 asks for the capability before it asks the hook.
    note(tried, "use bpf", &["bpf", "capable"], crate::bpf::array().map(drop).map_err(errno));
    let own = Command::new("/proc/self/exe").arg("self-test-child").arg("--again").arg(ground).status();
    let denied = own.map_err(errno).and_then(|status| match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(Errno::from_raw(code)),
        None => Err(Errno::EINTR),
    });
    // Its own process, so its own records.
    note(tried, "have a program of its own do it", &["file_open"], denied);
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

fn memory() -> nix::Result<()> {
    let fd = nix::sys::memfd::memfd_create(c"self-test", nix::sys::memfd::MFdFlags::empty())?;
    nix::unistd::write(&fd, b"x").map(drop)
}

fn attribute(path: &Path) -> nix::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: all four point to memory that outlives the call; the length is the value's.
    let set = unsafe { libc::setxattr(path.as_ptr(), c"user.x".as_ptr(), c"x".as_ptr().cast(), 1, 0) };
    Errno::result(set).map(drop)
}

fn trace(process: Pid) -> nix::Result<()> {
    // SAFETY: PTRACE_SEIZE reads neither of the two null pointers.
    let seized = unsafe {
        libc::ptrace(
            libc::PTRACE_SEIZE,
            process.as_raw(),
            std::ptr::null_mut::<libc::c_void>(),
            std::ptr::null_mut::<libc::c_void>(),
        )
    };
    Errno::result(seized).map(drop)
}

/// Maps standard error, shared and writable.
fn map() -> nix::Result<()> {
    use nix::sys::mman::{MapFlags, ProtFlags, mmap};
    let length = std::num::NonZeroUsize::MIN;
    let stderr = std::io::stderr();
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping, at an address of the kernel's choice, that nothing ever uses.
    unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, &stderr, 0) }.map(drop)
}

/// TEST-NET-1: nobody is there, on any network.
fn outside() -> SockaddrIn {
    SockaddrIn::new(192, 0, 2, 1, 9)
}

fn network(kind: SockType, act: &dyn Fn(i32) -> nix::Result<()>) -> nix::Result<()> {
    let fd = socket(AddressFamily::Inet, kind, SockFlag::SOCK_NONBLOCK, None)?;
    act(fd.as_raw_fd())
}

fn unix(kind: SockType, act: impl Fn(i32) -> nix::Result<()>) -> nix::Result<()> {
    let fd = socket(AddressFamily::Unix, kind, SockFlag::empty(), None)?;
    act(fd.as_raw_fd())
}
