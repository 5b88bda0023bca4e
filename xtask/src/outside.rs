//! The way into a running lab from this machine: a port of the loopback that leads to the guest's sshd, the key that
//! opens its accounts, and commands that run here while the guest lives.

use crate::image::Image;
use crate::lab::Ended;
use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fmt;
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A port, a key, and an ssh configuration in which the guest is called `node`.
pub(crate) struct Door {
    port: u16,
    key: PathBuf,
    directory: tempfile::TempDir,
}

impl Door {
    /// Chooses the port (0: any that nobody listens on) and writes the configuration.
    pub(crate) fn open(port: u16, image: &Image) -> Result<Self> {
        let port = if port == 0 { free_port()? } else { port };
        let directory = tempfile::Builder::new().prefix("sekisho-door-").tempdir()?;
        let door = Self { port, key: image.login_key(), directory };
        let key = door.key.display();
        let config = format!(
            "Host node\n  HostName 127.0.0.1\n  Port {port}\n  User researcher\n  IdentityFile \"{key}\"\n  \
             IdentitiesOnly yes\n  BatchMode yes\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  \
             LogLevel ERROR\n"
        );
        fs::write(door.config(), config)?;
        Ok(door)
    }

    /// The port of 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// For `ssh -F`.
    pub(crate) fn config(&self) -> PathBuf {
        self.directory.path().join("config")
    }

    /// Runs a shell command on this machine, with the way in in its environment.
    pub(crate) fn run(&self, script: &str, limit: Duration) -> Result<Ended> {
        let mut child = Command::new("sh")
            .args(["-c", script])
            .env("SEKISHO_SSH_PORT", self.port.to_string())
            .env("SEKISHO_SSH_KEY", &self.key)
            .env("SEKISHO_SSH_CONFIG", self.config())
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .context("starting sh")?;
        let group = Pid::from_raw(i32::try_from(child.id())?);
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || tell.send(child.wait()));
        let ended = match told.recv_timeout(limit) {
            Ok(status) => Ended::Code(status?.code().unwrap_or(127)),
            Err(_) => Ended::TimedOut,
        };
        // Whatever it left running would only talk to a guest that is about to go.
        let _nobody_left = killpg(group, Signal::SIGKILL);
        Ok(ended)
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, key, .. } = self;
        write!(f, "ssh port {port} key {} config {}", key.display(), self.config().display())
    }
}

/// A port of the loopback that nobody listens on at the moment.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
