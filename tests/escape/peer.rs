//! An unconfined process to be reached into: it holds a buffer, descriptors and signals.

use crate::lent;
use crate::outside::Inbox;
use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use std::io::{BufRead as _, BufReader, IoSliceMut, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

/// Bytes of the buffer.
const BUFFER: usize = 4096;

/// The witness's hold on it.
pub(crate) struct Peer {
    child: Child,
    buffer: usize,
}

impl Peer {
    /// Starts one; what it hears goes into the inbox. It holds everything that is lent, at the same numbers.
    pub(crate) fn start(inbox: &Inbox) -> Result<Self> {
        let copies = lent::copies()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("peer").current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped());
        // SAFETY: dup2 is async-signal-safe, and nothing else happens between fork and exec.
        unsafe {
            command.pre_exec(move || lent::install(&copies));
        }
        let mut child = command.spawn().context("the peer")?;
        let mut output = BufReader::new(child.stdout.take().context("the peer has an output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let buffer = line.trim().parse().with_context(|| format!("the peer said {line:?}"))?;
        lent::listen(output.into_inner().into(), inbox);
        Ok(Self { child, buffer })
    }

    /// Starts another one where a channel ended or stopped this one.
    pub(crate) fn renew_if_dead(&mut self, inbox: &Inbox) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            *self = Self::start(inbox)?;
        }
        Ok(())
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its buffer is.
    pub(crate) fn buffer(&self) -> usize {
        self.buffer
    }

    /// What is in its buffer.
    pub(crate) fn memory(&self) -> Vec<u8> {
        let mut bytes = vec![0; BUFFER];
        let remote = [RemoteIoVec { base: self.buffer, len: BUFFER }];
        let pid = Pid::from_raw(self.pid().cast_signed());
        match process_vm_readv(pid, &mut [IoSliceMut::new(&mut bytes)], &remote) {
            Ok(_) => bytes,
            Err(_) => Vec::new(),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The peer itself: says where its buffer is, then every signal it gets, with its value.
pub(crate) fn serve() -> Result<()> {
    let mut buffer = vec![0_u8; BUFFER].into_boxed_slice();
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGUSR1);
    signals.add(Signal::SIGUSR2);
    signals.add(Signal::SIGIO);
    signals.thread_block()?;
    println!("{}", buffer.as_mut_ptr().expose_provenance());
    std::io::stdout().flush()?;
    loop {
        // SAFETY: all zeros is a valid siginfo_t; the kernel fills it, and both pointers outlive the call.
        let (number, value) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            if libc::sigwaitinfo(signals.as_ref(), &raw mut info) < 0 {
                if Errno::last() == Errno::EINTR {
                    continue;
                }
                return Err(Errno::last().into());
            }
            (info.si_signo, info.si_value().sival_ptr.addr())
        };
        println!("signal {number} value {value}");
        std::io::stdout().flush()?;
        std::hint::black_box(&mut buffer);
    }
}
