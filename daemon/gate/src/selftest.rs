//! The gate proves itself: a marked child tries what must not work. Only then are logins let in.

use crate::bpf::{pidfd, set_mark};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, open};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, UnixAddr, bind, connect, sendto, socket,
};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use nix::unistd::{Pid, linkat, mkdir, mkfifo, symlinkat};
use sekisho_abi::maps::{MARK_CONFINED, Mark};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why the self-test did not pass.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// It could not be run.
    #[error("self-test: {step}: {source}")]
    Run {
        /// Step.
        step: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The child said something else than expected.
    #[error("self-test: the child's answer is not readable: {0}")]
    Answer(#[from] serde_json::Error),
    /// Something worked that must not.
    #[error("self-test: not denied: {0}\nhint: the gate does not protect this node; see sekisho doctor")]
    NotDenied(String),
    /// Something did not work that must.
    #[error("self-test: wrongly denied: {0}")]
    WronglyDenied(String),
}

/// What became of one act.
#[derive(Debug, Serialize, Deserialize)]
struct Outcome {
    act: String,
    errno: i32,
    must_work: bool,
}

fn failed(step: &'static str) -> impl Fn(std::io::Error) -> SelfTestError {
    move |source| SelfTestError::Run { step, source }
}

/// Runs the test in `dir`, which must lie outside every zone. Returns how many acts were denied, and the child's id.
///
/// # Errors
/// [`SelfTestError`].
pub fn run(tasks: BorrowedFd<'_>, dir: &Path) -> Result<(usize, u32), SelfTestError> {
    let ground = dir.join("self-test");
    let _ = fs::remove_dir_all(&ground);
    fs::create_dir_all(&ground).map_err(failed("preparing the ground"))?;
    fs::write(ground.join("file"), b"x").map_err(failed("preparing the ground"))?;
    // An unconfined peer: the child must not reach it.
    let listener = UnixListener::bind(ground.join("peer")).map_err(failed("preparing the ground"))?;
    let answer = child(tasks, &ground);
    drop(listener);
    let _ = fs::remove_dir_all(&ground);
    let (answer, pid) = answer?;
    let outcomes: Vec<Outcome> = serde_json::from_slice(&answer)?;
    let names = |wrong: &dyn Fn(&Outcome) -> bool| {
        let names: Vec<_> = outcomes
            .iter()
            .filter(|o| wrong(o))
            .map(|o| format!("{} ({})", o.act, Errno::from_raw(o.errno)))
            .collect();
        names.join(", ")
    };
    let leaks = names(&|o| !o.must_work && o.errno != Errno::EPERM as i32);
    let denied = outcomes.iter().filter(|o| !o.must_work).count();
    if !leaks.is_empty() || denied == 0 {
        return Err(SelfTestError::NotDenied(leaks));
    }
    let wrong = names(&|o| o.must_work && o.errno != 0);
    if wrong.is_empty() { Ok((denied, pid)) } else { Err(SelfTestError::WronglyDenied(wrong)) }
}

/// Starts the child, marks it, lets it go, and returns what it prints.
fn child(tasks: BorrowedFd<'_>, ground: &Path) -> Result<(Vec<u8>, u32), SelfTestError> {
    let mut child = Command::new("/proc/self/exe")
        .arg("self-test-child")
        .arg(ground)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed("starting the child"))?;
    let mark = || -> std::io::Result<()> {
        let handle = pidfd(child.id())?;
        set_mark(tasks, handle.as_fd(), Mark { flags: MARK_CONFINED, account: u32::MAX, session: 0 })
    };
    let marked = mark().map_err(failed("marking the child"));
    if let (Ok(()), Some(mut input)) = (&marked, child.stdin.take()) {
        input.write_all(b"go").map_err(failed("letting the child go"))?;
    }
    let mut answer = Vec::new();
    if let Some(mut output) = child.stdout.take() {
        output.read_to_end(&mut answer).map_err(failed("hearing the child"))?;
    }
    child.wait().map_err(failed("waiting for the child"))?;
    marked.map(|()| (answer, child.id()))
}

/// The child: waits until it is marked, tries everything, prints what happened.
///
/// # Errors
/// When it cannot read or print.
pub fn child_main(ground: &Path) -> std::io::Result<()> {
    let mut go = [0; 2];
    std::io::stdin().read_exact(&mut go)?;
    let mut outcomes = Vec::new();
    let mut tried = |act: &str, must_work: bool, result: nix::Result<()>| {
        outcomes.push(Outcome { act: act.into(), errno: result.err().map_or(0, |e| e as i32), must_work });
    };
    let at = |name: &str| -> PathBuf { ground.join(name) };
    let plain = Mode::from_bits_truncate(0o600);
    tried("read a file", true, open(&at("file"), OFlag::O_RDONLY, plain).map(drop));
    tried("write to memory", true, memory());
    tried("open a file for writing", false, open(&at("file"), OFlag::O_WRONLY, plain).map(drop));
    tried("create a file", false, open(&at("new"), OFlag::O_WRONLY | OFlag::O_CREAT, plain).map(drop));
    tried("make a directory", false, mkdir(&at("directory"), plain));
    tried("make a symbolic link", false, symlinkat("data", AT_FDCWD, &at("symlink")));
    tried(
        "make a hard link",
        false,
        linkat(AT_FDCWD, &at("file"), AT_FDCWD, &at("link"), nix::fcntl::AtFlags::empty()),
    );
    tried("rename", false, fs::rename(at("file"), at("renamed")).map_err(errno));
    tried("remove", false, fs::remove_file(at("file")).map_err(errno));
    tried("make a pipe", false, mkfifo(&at("pipe"), plain));
    tried(
        "change the mode",
        false,
        fchmodat(AT_FDCWD, &at("file"), Mode::from_bits_truncate(0o640), FchmodatFlags::FollowSymlink),
    );
    tried("connect outside", false, network(SockType::Stream, |fd| connect(fd, &outside())));
    tried(
        "send a datagram outside",
        false,
        network(SockType::Datagram, |fd| {
            sendto(fd, b"x", &outside(), nix::sys::socket::MsgFlags::empty()).map(drop)
        }),
    );
    tried(
        "bind outside loopback",
        false,
        network(SockType::Stream, |fd| bind(fd, &SockaddrIn::new(0, 0, 0, 0, 47_000))),
    );
    tried(
        "make a raw socket",
        false,
        socket(AddressFamily::Inet, SockType::Raw, SockFlag::empty(), None).map(drop),
    );
    tried("reach an unconfined unix peer", false, unix(&at("peer")));
    tried("signal an unconfined process", false, nix::sys::signal::kill(Pid::parent(), None));
    println!("{}", serde_json::to_string(&outcomes)?);
    Ok(())
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

fn memory() -> nix::Result<()> {
    let fd = nix::sys::memfd::memfd_create(c"self-test", nix::sys::memfd::MFdFlags::empty())?;
    nix::unistd::write(&fd, b"x").map(drop)
}

/// TEST-NET-1: nobody is there, on any network.
fn outside() -> SockaddrIn {
    SockaddrIn::new(192, 0, 2, 1, 9)
}

fn network(kind: SockType, act: impl Fn(i32) -> nix::Result<()>) -> nix::Result<()> {
    let fd = socket(AddressFamily::Inet, kind, SockFlag::SOCK_NONBLOCK, None)?;
    act(fd.as_raw_fd())
}

fn unix(path: &Path) -> nix::Result<()> {
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None)?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path)?)
}
