//! An installed node in a virtual machine, reached from this machine by real ssh clients, and by root for what an
//! administrator does.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Longest that one client may take, seconds: the guest's processor is emulated.
const PATIENCE: &str = "400";
/// Longest that the machine may live, seconds.
const LIFE: &str = "3000";

/// What a client said.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// Exit code; 124 when it did not end.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// The machine; it ends with this value.
pub struct Node {
    machine: Child,
    /// `ssh -F` this; the machine is called `node`, its researcher is the default user.
    pub config: PathBuf,
    /// A directory of this machine for what clients bring home.
    pub home: tempfile::TempDir,
}

impl Node {
    /// Boots a kernel with the gate on.
    pub fn boot(kernel: &str) -> Self {
        let home = tempfile::Builder::new().prefix("sekisho-session-").tempdir().unwrap();
        let hold = home.path().join("hold");
        assert!(Command::new("mkfifo").arg(&hold).status().unwrap().success());
        // Ends when we close the pipe, however we end.
        let outside = format!("echo \"config $SEKISHO_SSH_CONFIG\"; exec cat '{}'", hold.display());
        let mut machine = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["run", "--quiet", "--package", "xtask", "--", "vm", "run", "--kernel", kernel])
            .args(["--timeout", LIFE, "--outside", &outside])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(machine.stdout.take().unwrap()).lines();
        let config = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("config ").map(PathBuf::from))
            .expect("the machine came up");
        // Held open for the life of this process; its end ends the machine.
        std::mem::forget(std::fs::File::options().write(true).open(&hold).unwrap());
        Self { machine, config, home }
    }

    /// A client of the ssh family, told the way in and a cheap key exchange: the emulated processor is slow.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new("timeout");
        command.args([PATIENCE, program]);
        if program != "rsync" {
            command.arg("-F").arg(&self.config).args([
                "-o",
                "KexAlgorithms=curve25519-sha256",
                "-o",
                "LogLevel=INFO",
            ]);
        }
        command.current_dir(self.home.path()).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        command
    }

    /// `ssh` with these arguments.
    pub fn ssh(&self, arguments: &[&str]) -> Said {
        said(self.client("ssh").args(arguments))
    }

    /// A script that an unconfined root runs on the node.
    #[track_caller]
    pub fn root(&self, script: &str) -> String {
        let mut ssh = self.client("ssh");
        let mut child = ssh
            .args(["-l", "root", "node", "bash -s 2>&1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "root's script ended with {}:\n{script}\n---\n{text}",
            output.status
        );
        text
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _gone = self.machine.kill();
        let _gone = self.machine.wait();
    }
}

/// Runs a command to its end.
pub fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
