//! A person at a terminal: a real ssh on a real pseudo terminal, typed at and read.

use crate::node::Node;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(400);

nix::ioctl_write_ptr_bad!(set_size, libc::TIOCSWINSZ, Winsize);
nix::ioctl_write_int_bad!(set_controlling, libc::TIOCSCTTY);

/// An open session.
pub struct Terminal {
    ssh: Child,
    screen: File,
    seen: String,
    asked: u32,
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Terminal {
    /// Logs in; `more` goes before the host. The session may be refused, or end at any time.
    pub fn open(node: &Node, more: &[&str]) -> Self {
        let OpenptyResult { master, slave } = openpty(&size(24, 80), None).unwrap();
        let mut ssh = Command::new("ssh");
        ssh.arg("-F")
            .arg(&node.config)
            .args(["-o", "KexAlgorithms=curve25519-sha256"])
            .args(more)
            .arg("node");
        ssh.current_dir(node.home.path())
            .env("TERM", "xterm")
            .env("LC_ALL", "C.UTF-8")
            .env("DISPLAY", ":99")
            .env("SSH_AUTH_SOCK", node.home.path().join("agent"));
        ssh.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap());
        ssh.stderr(Stdio::from(slave));
        // SAFETY: both calls are async-signal-safe; standard input is the terminal.
        unsafe {
            ssh.pre_exec(|| {
                nix::unistd::setsid()?;
                set_controlling(0, 0)?;
                Ok(())
            });
        }
        Self { ssh: ssh.spawn().unwrap(), screen: master.into(), seen: String::new(), asked: 0 }
    }

    /// Reads what comes within this time; false when the session has ended.
    fn read(&mut self, patience: Duration) -> bool {
        let mut fds = [PollFd::new(self.screen.as_fd(), PollFlags::POLLIN)];
        let wait = PollTimeout::try_from(patience).unwrap();
        if poll(&mut fds, wait).unwrap() == 0 {
            return true;
        }
        let mut piece = [0; 64 << 10];
        // The kernel answers EIO when nobody has the other side open any more.
        let n = self.screen.read(&mut piece).unwrap_or(0);
        self.seen.push_str(&String::from_utf8_lossy(&piece[..n]));
        n > 0
    }

    /// Waits until this stands on the screen; what stood before it.
    #[track_caller]
    pub fn until(&mut self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.find(words) {
                let before = self.seen[..at].to_owned();
                self.seen.drain(..at + words.len());
                return before;
            }
            let alive = self.read(Duration::from_millis(500));
            assert!(alive, "the session ended before `{words}`:\n{}", self.seen);
            assert!(Instant::now() < deadline, "`{words}` did not come:\n{}", self.seen);
        }
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        self.screen.write_all(format!("{line}\r").as_bytes()).unwrap();
    }

    /// Types a command, and returns what it printed.
    #[track_caller]
    pub fn ask(&mut self, command: &str) -> String {
        self.asked += 1;
        let (begin, end) = (format!("<<{}:", self.asked), format!(":{}>>", self.asked));
        // What is typed is echoed: the marks are written so that only their output reads like them.
        let n = self.asked;
        self.type_line(&format!("printf '<<%s:\\n' {n}; {command}; printf ':%s>>' {n}"));
        self.until(&begin);
        self.until(&end).replace('\r', "").trim().to_owned()
    }

    /// Everything that comes during this time.
    pub fn during(&mut self, time: Duration) -> String {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if !self.read(left.min(Duration::from_millis(200))) {
                break;
            }
        }
        std::mem::take(&mut self.seen)
    }

    /// Another size of the window.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        let size = size(rows, columns);
        // SAFETY: an open terminal and a size that lives through the call.
        unsafe { set_size(self.screen.as_raw_fd(), &raw const size) }.unwrap();
        let ssh = nix::unistd::Pid::from_raw(i32::try_from(self.ssh.id()).unwrap());
        nix::sys::signal::kill(ssh, nix::sys::signal::Signal::SIGWINCH).unwrap();
    }

    /// Waits until the session has ended: its exit code, and the last words.
    #[track_caller]
    pub fn end(mut self) -> (i32, String) {
        let deadline = Instant::now() + PATIENCE;
        while self.read(Duration::from_millis(500)) {
            assert!(Instant::now() < deadline, "the session did not end:\n{}", self.seen);
        }
        let status = self.ssh.wait().unwrap();
        (status.code().unwrap_or(-1), std::mem::take(&mut self.seen))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone = self.ssh.kill();
        let _gone = self.ssh.wait();
    }
}
