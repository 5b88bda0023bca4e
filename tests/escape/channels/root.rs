//! What only root, by the researcher's sudo, could try.

use super::ipc::peer;
use crate::channel::Channel;
use crate::deputies::{run, says};
use nix::errno::Errno;
use std::fs;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::Path;

const OPEN: &[&str] = &["file_open"];
const CREATE: &[&str] = &["inode_create"];
const MKDIR: &[&str] = &["inode_mkdir"];
const CAPABLE: &[&str] = &["capable"];
const OUTSIDE: &str = "outside_zones";
const CAPABILITY: &str = "capability";
const OTHER: &str = "other_process";

/// A file that root alone may write: the canary is appended, and the witness takes the line out again.
macro_rules! line_in {
    ($name:literal, $tries:literal, $path:literal) => {
        Channel::closed($name, $tries, OPEN, OUTSIDE, |s| s.shell(concat!("echo \"# $canary\" >> ", $path)))
            .root()
            .arrived(|outside| file_has($path, outside.canary()))
            .undo(|outside| run(&["sed", "-i", &format!("/{}/d", outside.canary()), $path]))
    };
}

/// A file that root alone may make.
macro_rules! new_file {
    ($name:literal, $tries:literal, $path:literal) => {
        Channel::closed($name, $tries, CREATE, OUTSIDE, |s| s.shell(concat!("echo $canary > ", $path)))
            .root()
            .arrived(|outside| file_has($path, outside.canary()))
            .undo(|_| {
                let _ = fs::remove_file($path);
            })
    };
}

/// A setting of the kernel's: restored by the witness.
macro_rules! setting {
    ($name:literal, $tries:literal, $path:literal, $before:literal) => {
        Channel::closed($name, $tries, OPEN, OUTSIDE, |s| s.shell(concat!("echo $canary > ", $path)))
            .root()
            .arrived(|outside| file_has($path, outside.canary()))
            .undo(|_| {
                let _ = fs::write($path, $before);
            })
    };
}

/// A directory of a kernel file system, whose name is the canary.
macro_rules! directory {
    ($name:literal, $tries:literal, $path:literal) => {
        Channel::closed($name, $tries, MKDIR, OUTSIDE, |s| s.shell(concat!("mkdir ", $path, "/$canary")))
            .root()
            .arrived(|outside| Path::new($path).join(outside.canary()).is_dir())
            .undo(|outside| {
                let _ = fs::remove_dir(Path::new($path).join(outside.canary()));
            })
    };
}

/// Something about the network that `ip` changes and shows.
macro_rules! link {
    ($name:literal, $tries:literal, $script:literal, $shown:literal, $undone:literal) => {
        Channel::closed($name, $tries, CAPABLE, CAPABILITY, |s| s.shell($script))
            .root()
            .arrived(|outside| says(&["sh", "-c", $shown], outside.canary()))
            .undo(|outside| run(&["sh", "-c", &format!("canary={}; {}", outside.canary(), $undone)]))
    };
}

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed("network_namespace", "makes a named network namespace", CREATE, OUTSIDE, |s| {
        s.shell("ip netns add $canary")
    })
    .root()
    .or(&[("sb_mount", "mount")])
    .arrived(|outside| Path::new("/run/netns").join(outside.canary()).exists())
    .undo(|outside| run(&["ip", "netns", "del", outside.canary()])),
    link!(
        "link_name",
        "names a network card",
        "ip link set lo alias $canary",
        "ip link show lo",
        "ip link set lo alias ''"
    ),
    link!(
        "link_pair",
        "makes a pair of network cards",
        "ip link add $canary type veth",
        "ip link show",
        "ip link del $canary"
    ),
    link!(
        "link_dummy",
        "makes a network card",
        "ip link add $canary type dummy",
        "ip link show",
        "ip link del $canary"
    ),
    Channel::closed(
        "load_module",
        "loads a kernel module",
        &["capable", "kernel_read_file"],
        CAPABILITY,
        |s| s.shell("modprobe ifb numifbs=0"),
    )
    .root()
    .arrived(|_| file_has("/proc/modules", "ifb "))
    .undo(|_| run(&["rmmod", "ifb"])),
    setting!("link_alias", "names a network card by a file", "/sys/class/net/lo/ifalias", "\n"),
    Channel::closed("atomic_time", "changes the clock's offset from atomic time", CAPABLE, CAPABILITY, |s| {
        atomic_offset(Some(offset_of(s.number()))).map(drop)
    })
    .root()
    .arrived(|outside| atomic_offset(None) == Ok(offset_of(outside.number())))
    .undo(|_| {
        let _ = atomic_offset(Some(0));
    }),
    directory!(
        "apparmor_namespace",
        "makes a namespace of AppArmor's",
        "/sys/kernel/security/apparmor/policy/namespaces"
    ),
    Channel::closed("add_account", "changes an account", CREATE, OUTSIDE, |s| {
        s.shell("usermod --comment $canary nobody")
    })
    .root()
    .errno(Errno::ECHILD)
    .or(&[("file_open", "outside_zones")])
    .arrived(|outside| file_has("/etc/passwd", outside.canary()))
    .undo(|_| run(&["usermod", "--comment", "nobody", "nobody"])),
    line_in!("shadow", "edits the passwords", "/etc/shadow"),
    line_in!("sudoers", "edits who may use sudo", "/etc/sudoers.d/researcher"),
    line_in!("policy", "edits the gate's policy", "/etc/sekisho/policy.toml"),
    line_in!("officer_key", "lets itself in as an officer", "/home/officer/.ssh/authorized_keys"),
    new_file!("new_file_among_devices", "makes a file among the device nodes", "/dev/sekisho-escape"),
    new_file!("device_rule", "leaves a rule for udev", "/etc/udev/rules.d/99-escape.rules"),
    new_file!("preload", "leaves a library for everybody's programs", "/etc/escape.so.preload"),
    new_file!("profile", "leaves a script for everybody's shells", "/etc/profile.d/escape.sh"),
    Channel::closed("kill", "ends an unconfined process", &["task_kill"], OTHER, |s| {
        let peer = nix::unistd::Pid::from_raw(peer(s)?);
        nix::sys::signal::kill(peer, nix::sys::signal::Signal::SIGKILL)
    })
    .root()
    .arrived(|outside| !says(&["cat", &format!("/proc/{}/cmdline", outside.peer.pid())], "peer")),
    Channel::closed("audit_setting", "changes the kernel's audit", CAPABLE, CAPABILITY, |s| {
        audit_backlog(Some(backlog_of(s.number()))).map(drop)
    })
    .root()
    .arrived(|outside| audit_backlog(None) == Ok(backlog_of(outside.number())))
    .undo(|_| {
        let _ = audit_backlog(Some(64));
    }),
];

fn file_has(path: &str, what: &str) -> bool {
    fs::read(path).is_ok_and(|text| crate::outside::contains(&text, what.as_bytes()))
}

fn offset_of(number: u32) -> i32 {
    i32::try_from(number % 1000).unwrap_or(0) + 1
}

fn backlog_of(number: u32) -> u32 {
    1000 + number % 30_000
}

/// Reads the offset from atomic time; sets it first where one is given.
fn atomic_offset(new: Option<i32>) -> nix::Result<i32> {
    const ADJ_TAI: u32 = 0x80;
    // SAFETY: all zeros is a valid request that changes nothing; it outlives the call.
    unsafe {
        let mut request: libc::timex = std::mem::zeroed();
        if let Some(offset) = new {
            request.modes = ADJ_TAI;
            request.constant = i64::from(offset);
        }
        Errno::result(libc::adjtimex(&raw mut request))?;
        Ok(request.tai)
    }
}

/// Reads the length of the audit backlog; sets it first where one is given.
fn audit_backlog(new: Option<u32>) -> nix::Result<u32> {
    const GET: u16 = 1000;
    const SET: u16 = 1001;
    const BACKLOG: u32 = 0x10;
    // SAFETY: integers; a descriptor that comes back is ours alone. Buffers are as long as said.
    unsafe {
        let fd = Errno::result(libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_AUDIT))?;
        let fd = OwnedFd::from_raw_fd(fd);
        // nlmsghdr, then struct audit_status: mask, enabled, failure, pid, rate limit, backlog limit, lost, …
        let mut message = [0_u32; 4 + 11];
        message[0] = 60;
        message[1] = u32::from(if new.is_some() { SET } else { GET }) | 5 << 16;
        message[2] = 1;
        message[4] = BACKLOG;
        message[9] = new.unwrap_or(0);
        if new.is_none() {
            message[0] = 16;
            message[1] = u32::from(GET) | 1 << 16;
        }
        Errno::result(libc::send(fd.as_raw_fd(), message.as_ptr().cast(), message[0] as usize, 0))?;
        let mut answer = [0_u32; 64];
        loop {
            Errno::result(libc::recv(fd.as_raw_fd(), answer.as_mut_ptr().cast(), size_of_val(&answer), 0))?;
            match (answer[1] & 0xffff, new) {
                (2, _) if answer[4] != 0 => return Err(Errno::from_raw(-answer[4].cast_signed())),
                (2, Some(value)) => return Ok(value),
                (kind, None) if kind == u32::from(GET) => return Ok(answer[9]),
                _ => {}
            }
        }
    }
}
