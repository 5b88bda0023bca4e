//! Ordinary work: must succeed with the gate on as with the gate off.

use crate::Act;
use crate::ground::inside;
use nix::errno::Errno;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;

const fn control(name: &'static str, run: fn() -> nix::Result<()>) -> Act {
    Act { name, hook: "", root: false, lent: false, run }
}

pub(crate) const CONTROLS: &[Act] = &[
    control("work_in_home", work_in_home),
    control("work_in_shared_memory", || fs::write("/dev/shm/sekisho-acts", "x").map_err(errno)),
    control("memfd", memfd),
    control("pipes_and_exec", || shell("echo ordinary | cat | grep -q ordinary && echo x > /dev/null")),
    control("own_unix_listener", own_unix_listener),
    control("own_loopback_listener", own_loopback_listener),
    control("own_shared_objects", crate::shared::own_shared_objects),
    control("own_keys", crate::shared::own_keys),
    control("own_descriptors_passed", own_descriptors_passed),
    control("name_service", || shell("getent passwd researcher > /dev/null")),
    Act { name: "root_works_in_tmp", hook: "", root: true, lent: false, run: root_works_in_tmp },
];

pub(crate) fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

fn shell(script: &str) -> nix::Result<()> {
    let status = Command::new("sh").args(["-c", script]).status().map_err(errno)?;
    if status.success() { Ok(()) } else { Err(Errno::ECHILD) }
}

fn work_in_home() -> nix::Result<()> {
    let (dir, moved) = (inside("work"), inside("done"));
    fs::create_dir(&dir).map_err(errno)?;
    fs::write(dir.join("a"), "x").map_err(errno)?;
    fs::hard_link(dir.join("a"), dir.join("b")).map_err(errno)?;
    std::os::unix::fs::symlink("a", dir.join("c")).map_err(errno)?;
    fs::rename(&dir, &moved).map_err(errno)?;
    fs::OpenOptions::new()
        .append(true)
        .open(moved.join("c"))
        .and_then(|mut f| f.write_all(b"y"))
        .map_err(errno)?;
    fs::remove_dir_all(moved).map_err(errno)
}

fn memfd() -> nix::Result<()> {
    let fd = nix::sys::memfd::memfd_create(c"acts", nix::sys::memfd::MFdFlags::empty())?;
    nix::unistd::write(&fd, b"x").map(drop)
}

fn own_unix_listener() -> nix::Result<()> {
    let path = inside("own.sock");
    let listener = UnixListener::bind(&path).map_err(errno)?;
    let done = UnixStream::connect(&path).and_then(|mut stream| stream.write_all(b"x")).map_err(errno);
    drop(listener);
    let _ = fs::remove_file(path);
    done
}

fn own_loopback_listener() -> nix::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(errno)?;
    let mut client = TcpStream::connect(listener.local_addr().map_err(errno)?).map_err(errno)?;
    let (mut server, _) = listener.accept().map_err(errno)?;
    client.write_all(b"q").map_err(errno)?;
    let mut byte = [0; 1];
    server.read_exact(&mut byte).map_err(errno)?;
    server.write_all(&byte).map_err(errno)?;
    client.read_exact(&mut byte).map_err(errno)
}

fn root_works_in_tmp() -> nix::Result<()> {
    fs::write(inside("root"), "x").and_then(|()| fs::remove_file(inside("root"))).map_err(errno)
}

/// A memory file and a pipe, sent from one process of ours to another.
fn own_descriptors_passed() -> nix::Result<()> {
    use nix::sys::socket::{ControlMessage, MsgFlags, recvmsg, sendmsg};
    use std::io::{IoSlice, IoSliceMut};
    use std::os::fd::AsRawFd as _;
    let (near, far) = UnixStream::pair().map_err(errno)?;
    let memory = nix::sys::memfd::memfd_create(c"acts", nix::sys::memfd::MFdFlags::empty())?;
    let (reader, writer) = nix::unistd::pipe()?;
    let work = fs::File::create(inside("passed")).map_err(errno)?;
    let _ = fs::remove_file(inside("passed"));
    let fds =
        [memory.as_raw_fd(), reader.as_raw_fd(), writer.as_raw_fd(), work.as_raw_fd(), near.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&fds)];
    sendmsg::<()>(near.as_raw_fd(), &[IoSlice::new(b"d")], &control, MsgFlags::empty(), None)?;
    let mut byte = [0; 1];
    let mut space = nix::cmsg_space!([std::os::fd::RawFd; 5]);
    let mut iov = [IoSliceMut::new(&mut byte)];
    let message = recvmsg::<()>(far.as_raw_fd(), &mut iov, Some(&mut space), MsgFlags::empty())?;
    if message.flags.contains(MsgFlags::MSG_CTRUNC) { Err(Errno::EPERM) } else { Ok(()) }
}
