//! Single system calls: the smallest of many batches, which is the same figure run after run.

use crate::subject::{TCP_PORT, UDP_PORT};
use anyhow::{Context as _, Result};
use nix::fcntl::{OFlag, open};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, SockaddrIn, accept, bind, connect, getsockname,
    listen, recv, sendto, setsockopt, socket, sockopt,
};
use nix::sys::stat::{Mode, fchmod, stat, umask};
use nix::sys::uio::{pread, pwrite};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, execv, fork, unlink};
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

/// Batches of light calls, and calls in a batch.
const BATCHES: usize = 60;
const CALLS: u64 = 100;
/// How often a heavy call is made.
const HEAVY: usize = 60;

/// Makes a call and returns the instructions between before and after it.
type Call = Box<dyn FnMut() -> nix::Result<u64>>;

/// A place in a workspace.
fn ground() -> PathBuf {
    "/tmp/sekisho-bench".into()
}

/// A file so many directories below the workspace's root.
fn file_at(depth: usize) -> PathBuf {
    let mut path = ground();
    for level in 1..depth {
        path.push(format!("directory-{level}"));
    }
    path.join(format!("file-{depth}"))
}

/// Files anybody may write to, so that only the gate and its like make a difference between accounts.
pub(crate) fn prepare() -> Result<()> {
    umask(Mode::empty());
    for depth in [4, 20] {
        let path = file_at(depth);
        fs::create_dir_all(path.parent().context("a file has a directory")?)?;
        fs::write(&path, vec![0; 8192])?;
        fchmod(fs::File::open(&path)?, Mode::from_bits_truncate(0o666))?;
    }
    Ok(())
}

/// Every call's cost, by name.
pub(crate) fn measure() -> Result<BTreeMap<&'static str, u64>> {
    let nothing = light(Box::new(|| timed(|| Ok(()))))?;
    let mut costs = BTreeMap::new();
    for (name, call) in [
        ("getppid", none as fn() -> Result<Call>),
        ("open for read", || opening(4, OFlag::O_RDONLY)),
        ("open for write, depth 4", || opening(4, OFlag::O_WRONLY)),
        ("open for write, depth 20", || opening(20, OFlag::O_WRONLY)),
        ("create and unlink", creating),
        ("write 4 KiB", writing),
        ("read 4 KiB", reading),
        ("connect", connecting),
        ("UDP send", sending),
        ("stat", stating),
    ] {
        let cost = call().and_then(light).with_context(|| name)?;
        costs.insert(name, cost.saturating_sub(nothing));
    }
    costs.insert("fork", heavy(forking)?);
    costs.insert("fork and exec", heavy(executing)?);
    Ok(costs)
}

/// What the clock says: it counts executed instructions.
fn now() -> u64 {
    // SAFETY: reads a counter.
    unsafe { core::arch::x86_64::_rdtsc() }
}

fn timed(call: impl FnOnce() -> nix::Result<()>) -> nix::Result<u64> {
    let begin = now();
    call()?;
    Ok(now() - begin)
}

fn light(mut call: Call) -> Result<u64> {
    let mut least = u64::MAX;
    for _ in 0..BATCHES {
        let mut sum = 0;
        for _ in 0..CALLS {
            sum += call()?;
        }
        least = least.min(sum / CALLS);
    }
    Ok(least)
}

fn heavy(call: fn() -> nix::Result<u64>) -> Result<u64> {
    let mut least = u64::MAX;
    for _ in 0..HEAVY {
        least = least.min(call()?);
    }
    Ok(least)
}

fn none() -> Result<Call> {
    Ok(Box::new(|| {
        timed(|| {
            nix::unistd::getppid();
            Ok(())
        })
    }))
}

fn opening(depth: usize, flags: OFlag) -> Result<Call> {
    let path = file_at(depth);
    Ok(Box::new(move || {
        let begin = now();
        let file = open(&path, flags | OFlag::O_CLOEXEC, Mode::empty())?;
        let cost = now() - begin;
        drop(file);
        Ok(cost)
    }))
}

/// The name is new each time, but its place in the directory is not.
fn creating() -> Result<Call> {
    let path = file_at(4).with_file_name(format!("new-{}", std::process::id()));
    Ok(Box::new(move || {
        timed(|| {
            open(&path, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, Mode::S_IRWXU).map(drop)?;
            unlink(&path)
        })
    }))
}

fn writing() -> Result<Call> {
    let file = open(&file_at(4), OFlag::O_WRONLY, Mode::empty())?;
    let page = [7_u8; 4096];
    Ok(Box::new(move || timed(|| pwrite(&file, &page, 0).map(drop))))
}

fn reading() -> Result<Call> {
    let file = open(&file_at(4), OFlag::O_RDONLY, Mode::empty())?;
    let mut page = [0_u8; 4096];
    Ok(Box::new(move || timed(|| pread(&file, &mut page, 0).map(drop))))
}

fn stating() -> Result<Call> {
    let path = file_at(4);
    Ok(Box::new(move || timed(|| stat(&path).map(drop))))
}

/// To a listener of one's own; both ends are reset afterwards so that no port stays occupied.
fn connecting() -> Result<Call> {
    let listener = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&listener, sockopt::ReuseAddr, &true)?;
    bind(listener.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, TCP_PORT))?;
    listen(&listener, Backlog::new(8)?)?;
    let to: SockaddrIn = getsockname(listener.as_raw_fd())?;
    Ok(Box::new(move || {
        let client = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        let cost = timed(|| connect(client.as_raw_fd(), &to))?;
        let reset = libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&client, sockopt::Linger, &reset)?;
        // SAFETY: a descriptor just received, and nobody else's.
        let server = unsafe { OwnedFd::from_raw_fd(accept(listener.as_raw_fd())?) };
        setsockopt(&server, sockopt::Linger, &reset)?;
        Ok(cost)
    }))
}

fn sending() -> Result<Call> {
    let receiver = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let to = SockaddrIn::new(127, 0, 0, 1, UDP_PORT);
    bind(receiver.as_raw_fd(), &to)?;
    let sender = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let mut answer = [0_u8; 64];
    Ok(Box::new(move || {
        let cost = timed(|| sendto(sender.as_raw_fd(), &[7; 32], &to, MsgFlags::empty()).map(drop))?;
        recv(receiver.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        Ok(cost)
    }))
}

fn forking() -> nix::Result<u64> {
    child(|| {})
}

fn executing() -> nix::Result<u64> {
    child(|| {
        let _only_on_failure = execv(c"/bin/true", &[c"true"]);
    })
}

/// From the fork until the child is gone.
fn child(work: fn()) -> nix::Result<u64> {
    timed(|| {
        // SAFETY: this process has one thread; the child only executes, or leaves at once.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => waitpid(child, None).map(drop),
            ForkResult::Child => {
                work();
                // SAFETY: ends this process.
                unsafe { libc::_exit(0) }
            }
        }
    })
}

/// Where programs of this account work.
pub(crate) fn workplace() -> Result<PathBuf> {
    let place = Path::new("/dev/shm").join(format!("sekisho-bench-{}", nix::unistd::getuid()));
    let _absent = fs::remove_dir_all(&place);
    fs::create_dir(&place)?;
    Ok(place)
}
