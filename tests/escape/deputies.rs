//! Unconfined services that act for whoever talks to them: the node's own, and listeners at the addresses where other
//! nodes have theirs. Whatever they hear is in the inbox.

use crate::lent::listen;
use crate::outside::{Inbox, open_to_all};
use anyhow::{Context as _, Result};
use std::fs;
use std::io::Read as _;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Where services listen for streams; each is a channel.
pub(crate) const STREAMS: &[&str] = &[
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/cups/cups.sock",
    "/run/rpcbind.sock",
    "/run/snapd.socket",
    "/run/libvirt/libvirt-sock",
    "/run/munge/munge.socket.2",
    "/run/mysqld/mysqld.sock",
    "/run/user/0/gnupg/S.gpg-agent",
    "/run/screen/S-root/1.tty",
    "/tmp/.X11-unix/X7",
    "/tmp/ssh-sekisho/agent.7",
    "/tmp/wayland-7",
];

/// Services of names. Every program that looks an account up asks them, and would wait for an answer: these listen to one
/// question and hang up.
const NAMES: &[&str] =
    &["/run/nscd/socket", "/var/lib/sss/pipes/nss", "/run/systemd/resolve/io.systemd.Resolve"];

/// Where services listen for datagrams.
pub(crate) const DATAGRAMS: &[&str] = &["/run/postfix-pickup", "/run/syslog-remote"];

/// Where data put into a directory is taken up and acted upon.
const SPOOLS: &[&str] = &["/etc/cron.d"];

/// Opens all of them; they live as long as the witness.
pub(crate) fn open(inbox: &Inbox) -> Result<()> {
    for path in STREAMS.iter().map(Path::new) {
        make_room(path)?;
        let listener = UnixListener::bind(path).with_context(|| path.display().to_string())?;
        open_to_all(path, None)?;
        let inbox = inbox.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                listen(stream.into(), &inbox);
            }
        });
    }
    for path in NAMES.iter().map(Path::new) {
        make_room(path)?;
        let listener = UnixListener::bind(path).with_context(|| path.display().to_string())?;
        open_to_all(path, None)?;
        let inbox = inbox.clone();
        std::thread::spawn(move || {
            let mut question = [0; 4096];
            for mut stream in listener.incoming().flatten() {
                let heard = stream.set_read_timeout(Some(Duration::from_millis(200)));
                if let Ok(n) = heard.and_then(|()| stream.read(&mut question)) {
                    inbox.put(&question[..n]);
                }
            }
        });
    }
    for path in DATAGRAMS.iter().map(Path::new) {
        make_room(path)?;
        let socket = UnixDatagram::bind(path).with_context(|| path.display().to_string())?;
        open_to_all(path, None)?;
        listen(socket.into(), inbox);
    }
    for path in SPOOLS.iter().map(Path::new) {
        fs::create_dir_all(path).with_context(|| path.display().to_string())?;
    }
    seqpacket(inbox).context(SEQPACKET)?;
    system_bus(inbox)
}

fn make_room(path: &Path) -> Result<()> {
    let _ = fs::remove_file(path);
    if let Some(directory) = path.parent().filter(|directory| !directory.exists()) {
        fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        open_to_all(directory, None)?;
    }
    Ok(())
}

/// Everything that passes the system bus.
fn system_bus(inbox: &Inbox) -> Result<()> {
    let mut monitor = Command::new("dbus-monitor")
        // What is asked of services; what they tell about mounts and sessions is not what anybody sent.
        .args(["--system", "type='method_call'", "type='signal',interface='org.example.Escape'"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("dbus-monitor")?;
    let output = monitor.stdout.take().context("dbus-monitor has an output")?;
    listen(output.into(), inbox);
    // Ends with the witness: its output breaks.
    drop(monitor);
    Ok(())
}

/// Where the stand-in helpers of the kernel write what they are given.
const CAUGHT: &str = "/home/outside/escape-helpers";
/// See [`catch_modules`].
pub(crate) const MODULES: &str = "/home/outside/escape-helpers/modules";
/// An unconfined listener for sequences of packets.
pub(crate) const SEQPACKET: &str = "/run/escape-seqpacket";

/// Is this in a file of that spool?
pub(crate) fn spooled(spool: &str, what: &str) -> bool {
    crate::outside::tree_has(Path::new(spool), what.as_bytes())
}

/// Was this given to that helper?
pub(crate) fn caught(helper: &str, what: &str) -> bool {
    fs::read(helper).is_ok_and(|text| crate::outside::contains(&text, what.as_bytes()))
}

/// Runs a command of the witness's own; what comes of it is looked at elsewhere.
pub(crate) fn run(argv: &[&str]) {
    if let Some((program, arguments)) = argv.split_first() {
        let _ = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    }
}

/// Does a command of the witness's own say this?
pub(crate) fn says(argv: &[&str], what: &str) -> bool {
    let Some((program, arguments)) = argv.split_first() else { return false };
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    output.is_ok_and(|said| crate::outside::contains(&said.stdout, what.as_bytes()))
}

/// Puts a script somewhere, for the kernel to run.
fn helper(path: &str, script: &str) -> Result<()> {
    fs::create_dir_all(CAUGHT)?;
    fs::write(path, format!("#!/bin/sh\n{script}\n"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn setting(name: &str, value: &str) {
    if let Err(error) = fs::write(Path::new("/proc/sys/kernel").join(name), value) {
        eprintln!("witness: {name}: {error}");
    }
}

/// A helper that loads modules: keeps their names.
pub(crate) fn catch_modules() -> Result<()> {
    helper("/run/escape-modprobe", &format!("echo \"$@\" >> {MODULES}; exec /sbin/modprobe \"$@\""))?;
    setting("modprobe", "/run/escape-modprobe");
    Ok(())
}

/// As before.
pub(crate) fn leave_modules() {
    setting("modprobe", "/sbin/modprobe");
}

fn seqpacket(inbox: &Inbox) -> Result<()> {
    use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept, bind, socket};
    let path = Path::new(SEQPACKET);
    make_room(path)?;
    let fd = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    nix::sys::socket::listen(&fd, Backlog::new(4)?)?;
    open_to_all(path, None)?;
    let inbox = inbox.clone();
    std::thread::spawn(move || {
        while let Ok(accepted) = accept(fd.as_raw_fd()) {
            // SAFETY: the kernel just made this descriptor for us.
            listen(unsafe { OwnedFd::from_raw_fd(accepted) }, &inbox);
        }
    });
    Ok(())
}
