//! What a channel finds when it tries: its canary, its places, and a line to the witness.

use crate::channel::Tried;
use crate::outside::OUTSIDE;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One try, as the witness tells it to the agent and the agent to the channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Scene {
    /// The channel's name.
    pub(crate) channel: String,
    /// `off`, `on` or `after`.
    pub(crate) phase: String,
    /// Thirteen letters and digits, unique to channel and phase: fits any name the kernel keeps.
    pub(crate) canary: String,
}

/// An answer of the standard library as the kernel gave it.
pub(crate) fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

impl Scene {
    /// A new one, with a canary nobody has used.
    pub(crate) fn new(channel: &str, phase: &str) -> anyhow::Result<Self> {
        let mut random = [0; 6];
        fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random))?;
        let hexadecimal: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { channel: channel.into(), phase: phase.into(), canary: format!("k{hexadecimal}") })
    }

    /// The canary as a number below 2³⁰, for channels that carry only numbers.
    pub(crate) fn number(&self) -> u32 {
        number_of(&self.canary)
    }

    /// A path in the directory outside every zone that belongs to this channel: anybody may write there.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        Path::new(OUTSIDE).join(&self.channel).join(name)
    }

    /// A path inside a zone, used by nobody else.
    pub(crate) fn inside(&self, name: &str) -> PathBuf {
        let home = if nix::unistd::geteuid().is_root() { "/tmp" } else { "/home/researcher" };
        Path::new(home).join(format!("escape-{}-{name}", self.canary))
    }

    /// The same for the researcher, asked by the witness.
    pub(crate) fn inside_of_researcher(&self, name: &str) -> PathBuf {
        Path::new("/home/researcher").join(format!("escape-{}-{name}", self.canary))
    }

    /// A new file inside a zone that holds the canary.
    pub(crate) fn own_file(&self, name: &str) -> nix::Result<PathBuf> {
        let path = self.inside(name);
        fs::write(&path, &self.canary).map_err(errno)?;
        Ok(path)
    }

    /// Opens an existing file for writing and writes the canary.
    pub(crate) fn write_to(&self, path: &Path) -> Tried {
        let fd = open(path, OFlag::O_WRONLY, Mode::empty())?;
        self.write(&fd)
    }

    /// Writes the canary through a descriptor.
    pub(crate) fn write(&self, fd: &OwnedFd) -> Tried {
        nix::unistd::write(fd, self.canary.as_bytes()).map(drop)
    }

    /// Runs a program without input. Its failure is the kernel's answer where it names one, else `ECHILD`.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Tried {
        let output = Command::new(program)
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .map_err(errno)?;
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        if output.status.success() {
            return Ok(());
        }
        eprintln!("{}: {program} {arguments:?}: {}: {}", self.channel, output.status, said.trim());
        Err([Errno::EPERM, Errno::EACCES, Errno::ENOENT]
            .into_iter()
            .find(|errno| said.contains(errno.desc()))
            .unwrap_or(Errno::ECHILD))
    }

    /// Runs a shell script, where `$canary` is the canary; answers like [`Scene::command`].
    pub(crate) fn shell(&self, script: &str) -> Tried {
        self.command("sh", &["-c", &format!("canary={}; {script}", self.canary)])
    }

    /// Asks the witness to do something now (`Outside::asked`), and waits until it is done.
    pub(crate) fn ask(&self, word: &str, about: &str) -> nix::Result<String> {
        let line = serde_json::json!({ "ask": word, "about": about }).to_string() + "\n";
        std::io::stdout()
            .write_all(line.as_bytes())
            .and_then(|()| std::io::stdout().flush())
            .map_err(errno)?;
        let mut answer = Vec::new();
        let mut byte = [0];
        // Unbuffered: what follows the answer is for the agent.
        while nix::unistd::read(std::io::stdin(), &mut byte)? == 1 && byte[0] != b'\n' {
            answer.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// See [`Scene::number`].
pub(crate) fn number_of(canary: &str) -> u32 {
    u32::from_str_radix(&canary[canary.len() - 8..], 16).unwrap_or(1) >> 2 | 1
}
