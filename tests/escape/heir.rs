//! Somebody whose first program in a confined session is handed a descriptor by somebody unconfined: a named pipe, or a
//! ring that holds one. What moves there from another pipe passes no hook.

use crate::outside::{Inbox, OUTSIDE, open_to_all};
use crate::scene::number_of;
use crate::uring::{FIXED_FILE, Order, Ring};
use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice, tee, vmsplice};
use nix::unistd::pipe;
use std::fs::File;
use std::io::IoSlice;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The number of what is handed down.
const NUMBER: RawFd = 140;
const SPLICE: u8 = 30;
const REGISTER_FILES: u32 = 2;

/// A way through it: what `sekisho-escape heir` is told.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Way {
    /// Writes into the pipe.
    Write,
    /// Splices a pipe into it.
    Splice,
    /// Tees a pipe into it.
    Tee,
    /// Maps memory into it.
    Vmsplice,
    /// Has a ring of its own splice into it.
    Ring,
    /// Has a ring that it was handed splice into the pipe that it holds.
    LentRing,
    /// Splices into a pipe that lies in a zone.
    Inside,
    /// Says what there is: the pipe was to close before the program began.
    Closing,
}

impl Way {
    /// By its name.
    fn of(name: &str) -> Result<Self> {
        <Self as clap::ValueEnum>::from_str(name, true).map_err(anyhow::Error::msg)
    }
}

/// The heir's side: one line, `ok` or the name of an error.
pub(crate) fn act(way: Way, canary: &str) {
    match through(way, canary) {
        Ok(()) => println!("ok"),
        Err(errno) => println!("{errno:?}"),
    }
}

fn through(way: Way, canary: &str) -> nix::Result<()> {
    // SAFETY: handed to this program, and used only here.
    let handed = unsafe { BorrowedFd::borrow_raw(NUMBER) };
    let (reader, writer) = pipe()?;
    nix::unistd::write(&writer, canary.as_bytes())?;
    let none = SpliceFFlags::empty();
    match way {
        Way::Write => nix::unistd::write(handed, canary.as_bytes()).map(drop),
        Way::Splice | Way::Inside => splice(reader, None, handed, None, canary.len(), none).map(drop),
        Way::Tee => tee(reader, handed, canary.len(), none).map(drop),
        Way::Vmsplice => vmsplice(handed, &[IoSlice::new(canary.as_bytes())], none).map(drop),
        Way::Ring => Ring::new(0)?.submit(order(&reader, NUMBER, 0, canary)).map(drop),
        Way::LentRing => {
            let ring = Ring::new(0)?.like(nix::unistd::dup(handed)?)?;
            ring.submit(order(&reader, 0, FIXED_FILE, canary)).map(drop)
        }
        Way::Closing => match nix::unistd::write(handed, canary.as_bytes()) {
            Err(Errno::EBADF) => Ok(()),
            other => other.and(Err(Errno::EEXIST)),
        },
    }
}

fn order(from: &OwnedFd, to: RawFd, flags: u8, canary: &str) -> Order {
    Order {
        operation: SPLICE,
        flags,
        fd: to,
        offset: u64::MAX,
        address: u64::MAX,
        length: u32::try_from(canary.len()).unwrap_or(u32::MAX),
        other_fd: from.as_raw_fd(),
        ..Order::default()
    }
}

/// The pipe that somebody unconfined reads.
pub(crate) fn pipe_outside() -> PathBuf {
    Path::new(OUTSIDE).join("lent/fifo")
}

/// Makes that pipe, and reads whatever comes.
pub(crate) fn read_pipe(inbox: &Inbox) -> Result<()> {
    let fifo = pipe_outside();
    if !fifo.exists() {
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o666))?;
    }
    open_to_all(&fifo, None)?;
    crate::lent::listen(File::options().read(true).write(true).open(&fifo)?.into(), inbox);
    Ok(())
}

/// The witness's side: begins a session of the researcher's whose first program is handed the pipe. Returns what became
/// of it.
pub(crate) fn begin(canary: &str, about: &str) -> Result<String> {
    let way = Way::of(about)?;
    let both = |path: &Path| File::options().read(true).write(true).open(path);
    let inside = PathBuf::from(format!("/home/researcher/escape-{:x}-heir", number_of(canary)));
    let (mut kept, mut flags) = (None, 0);
    let handed: OwnedFd = match way {
        Way::Inside => {
            nix::unistd::mkfifo(&inside, nix::sys::stat::Mode::from_bits_truncate(0o666))?;
            both(&inside)?.into()
        }
        Way::LentRing => {
            let ring = Ring::new(0)?;
            let pipe = File::options().write(true).open(pipe_outside())?;
            ring.register(REGISTER_FILES, &pipe.as_raw_fd(), 1)?;
            kept = Some(pipe);
            ring.into_descriptor()
        }
        _ => File::options().write(true).open(pipe_outside())?.into(),
    };
    if matches!(way, Way::Closing) {
        flags = libc::O_CLOEXEC;
    }
    let program = std::env::current_exe()?;
    let script = format!("exec {} heir {about} {canary}", program.display());
    // What closes at exec would close at `su`: there the command is what a confined process executes itself.
    let mut command = if flags == 0 {
        let mut command = Command::new("su");
        command.args(["--login", "researcher", "--command", &script]);
        command
    } else {
        let mut command = Command::new(&program);
        command.args(["heir", about, canary]).uid(crate::outside::RESEARCHER);
        command
    };
    command.current_dir("/").env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").stdin(Stdio::null());
    let number = handed.as_raw_fd();
    // SAFETY: dup3 is async-signal-safe, and nothing else happens between fork and exec.
    unsafe {
        command.pre_exec(move || match libc::dup3(number, NUMBER, flags) {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    let output = command.output().context("a session");
    let _ = std::fs::remove_file(inside);
    drop(kept);
    let output = output?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    eprintln!("heir: {about}: {}: {said} {}", output.status, errors.trim());
    if said.is_empty() && errors.contains(Errno::EPERM.desc()) {
        return Ok("EPERM".into());
    }
    Ok(said)
}

/// The witness's answer, as the kernel gave it.
pub(crate) fn answered(word: &str) -> nix::Result<()> {
    match word {
        "ok" => Ok(()),
        "EPERM" => Err(Errno::EPERM),
        "ENOSYS" => Err(Errno::ENOSYS),
        _ => Err(Errno::EIO),
    }
}
