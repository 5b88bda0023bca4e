//! The lab's hand inside the guest: runs what the host asks for, as whom the host asks for.
//!
//! Started by systemd before the gate, as an unconfined service. A researcher's job goes through `su -l`: PAM,
//! logind session, change of uid, login shell; the same road a login over ssh takes.
//! When the host goes away the machine is switched off, so that no lab outlives its user.

use crate::protocol::{self, Frame, Job, Kind, Who};
use anyhow::{Context as _, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

/// What a login finds as its search path when nothing says otherwise.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

type Line = Arc<Mutex<File>>;

/// Serves the host until it goes away.
pub(crate) fn serve() -> Result<()> {
    let mut reader = port()?;
    let line: Line = Arc::new(Mutex::new(reader.try_clone()?));
    say(&line, Kind::Hello, 0, &[])?;
    let mut buffer = Vec::new();
    while let Some(Frame { kind, job, body }) = protocol::receive(&mut reader, &mut buffer)? {
        match kind {
            Kind::Run => {
                let line = Arc::clone(&line);
                let order: Job = serde_json::from_slice(&body)?;
                std::thread::spawn(move || {
                    if let Err(error) = run(&order, job, &line) {
                        let _gone = say(&line, Kind::Error, job, format!("lab: {error:#}\n").as_bytes());
                        let _gone = say(&line, Kind::Exit, job, &127_i32.to_le_bytes());
                    }
                });
            }
            Kind::Release => ready()?,
            Kind::Hello | Kind::Output | Kind::Error | Kind::Exit => {}
        }
    }
    Command::new("systemctl").args(["poweroff", "--force", "--force"]).status()?;
    Ok(())
}

/// The virtio-serial port with our name.
fn port() -> Result<File> {
    for entry in fs::read_dir("/sys/class/virtio-ports").context("/sys/class/virtio-ports")? {
        let entry = entry?;
        if fs::read_to_string(entry.path().join("name")).is_ok_and(|name| name.trim() == protocol::PORT) {
            let device = PathBuf::from("/dev").join(entry.file_name());
            return File::options()
                .read(true)
                .write(true)
                .open(&device)
                .with_context(|| format!("{}", device.display()));
        }
    }
    anyhow::bail!("no virtio port named {}; this command only works inside the lab", protocol::PORT)
}

/// Tells systemd that we are up, and to go on to what an installed node boots into: the gate, then logins.
fn ready() -> Result<()> {
    let socket = std::env::var_os("NOTIFY_SOCKET").context("NOTIFY_SOCKET is not set")?;
    UnixDatagram::unbound()?.send_to(b"READY=1", socket)?;
    Command::new("systemctl").args(["--no-block", "start", "multi-user.target"]).status()?;
    Ok(())
}

fn say(line: &Line, kind: Kind, job: u32, body: &[u8]) -> Result<()> {
    let mut line = line.lock().map_err(|_| anyhow::anyhow!("another job broke the line"))?;
    protocol::send(&mut *line, kind, job, body)
}

fn start(job: &Job) -> Result<Child> {
    let mut command = match job.who {
        Who::Root => {
            let (program, arguments) = job.argv.split_first().context("nothing to run")?;
            let mut command = Command::new(program);
            command.args(arguments).current_dir("/root");
            command
        }
        Who::Researcher | Who::Officer => {
            let words: Vec<_> = job.argv.iter().map(|word| quoted(word)).collect();
            let mut command = Command::new("su");
            command.args(["--login", job.who.account(), "--command"]);
            command.arg(format!("exec {}", words.join(" "))).current_dir("/");
            command
        }
    };
    command
        .env_clear()
        .envs([("PATH", PATH), ("HOME", "/root"), ("USER", "root"), ("LOGNAME", "root")])
        .envs([("SHELL", "/bin/bash"), ("LANG", "C.UTF-8")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| job.argv.join(" "))
}

/// Forwards output until the process has ended and everything it wrote is sent; then the exit code; then whatever
/// processes it left behind still write.
fn run(job: &Job, id: u32, line: &Line) -> Result<()> {
    let mut child = start(job)?;
    let mut output = child.stdout.take();
    let mut error = child.stderr.take();
    let code = loop {
        forward_both(&mut output, &mut error, id, line, PollTimeout::from(20_u8))?;
        if let Some(status) = child.try_wait()? {
            break status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(127);
        }
    };
    // Both pipes, of 64 KiB each, are empty after a few reads; others may go on writing for ever.
    for _ in 0..8 {
        forward_both(&mut output, &mut error, id, line, PollTimeout::ZERO)?;
    }
    say(line, Kind::Exit, id, &code.to_le_bytes())?;
    while output.is_some() || error.is_some() {
        forward_both(&mut output, &mut error, id, line, PollTimeout::NONE)?;
    }
    Ok(())
}

/// Waits until one of the outputs has something, and sends one piece of each that has.
fn forward_both(
    output: &mut Option<ChildStdout>,
    error: &mut Option<ChildStderr>,
    id: u32,
    line: &Line,
    patience: PollTimeout,
) -> Result<()> {
    let [output_ready, error_ready] = {
        let output = output.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN));
        let error = error.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN));
        let has_output = output.is_some();
        let mut pipes: Vec<_> = output.into_iter().chain(error).collect();
        poll(&mut pipes, patience)?;
        let mut ready = pipes.iter().map(|pipe| pipe.any().unwrap_or(true));
        [has_output && ready.next().unwrap_or(false), ready.next().unwrap_or(false)]
    };
    if output_ready {
        forward(output, Kind::Output, id, line)?;
    }
    if error_ready {
        forward(error, Kind::Error, id, line)?;
    }
    Ok(())
}

fn forward(pipe: &mut Option<impl Read>, kind: Kind, id: u32, line: &Line) -> Result<()> {
    let mut piece = [0; 64 << 10];
    let n = pipe.as_mut().map_or(Ok(0), |pipe| pipe.read(&mut piece))?;
    if n == 0 {
        *pipe = None;
        return Ok(());
    }
    say(line, kind, id, &piece[..n])
}

/// A word as a POSIX shell reads it back unchanged.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_quoted_words_back_unchanged() {
        for word in ["", "plain", "two words", "it's", "$HOME `id` \\ \"x\" *", "line\nbreak", "'''"] {
            let script = format!("printf %s {}", quoted(word));
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }
}
