//! Device nodes: disks, lines, kernel memory, and whatever else a node's root could open.

use crate::channel::{Channel, Tried};
use crate::channels::mounts::second_disk;
use crate::scene::{Scene, errno};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::pty::openpty;
use nix::sys::stat::Mode;
use nix::sys::uio::{pread, pwrite};
use std::fs::{self, File};
use std::os::fd::{AsRawFd as _, IntoRawFd as _, OwnedFd};
use std::path::Path;

// The second layer is asked first, where there is one.
const OPEN: &[&str] = &["file_open", "cgroup/device"];
const WHY: &str = "device";
/// Far into the second disk, in a block that its file system does not use.
const UNUSED: i64 = 500 << 20;

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed("disk", "writes to a disk, past its file system", OPEN, WHY, |s| {
        let disk = open(second_disk().as_str(), OFlag::O_WRONLY, Mode::empty())?;
        pwrite(&disk, s.canary.as_bytes(), UNUSED).map(drop)
    })
    .root()
    .arrived(|o| {
        let mut bytes = [0; 64];
        let read = File::open(second_disk()).map(|disk| pread(&disk, &mut bytes, UNUSED));
        matches!(read, Ok(Ok(_))) && crate::outside::contains(&bytes, o.canary().as_bytes())
    }),
    Channel::closed("disk_to_read", "reads a disk, past its file system", OPEN, WHY, |_| {
        open(second_disk().as_str(), OFlag::O_RDONLY, Mode::empty()).map(drop)
    })
    .root()
    .deed(),
    Channel::closed("kernel_log", "writes into the kernel's log", OPEN, WHY, |s| {
        fs::write("/dev/kmsg", &s.canary).map_err(errno)
    })
    .root()
    .deed(),
    device("memory", "opens the machine's memory", |_| node("/dev/mem")),
    device("ports", "opens the machine's ports", |_| node("/dev/port")),
    device("file_system_in_user_space", "opens the device of FUSE", |_| node("/dev/fuse")),
    device("tunnel", "opens the device of tunnels", |_| node("/dev/net/tun")),
    device("loop_control", "opens the device that makes loop devices", |_| node("/dev/loop-control")),
    device("virtual_machines", "opens the device of virtual machines", |_| node("/dev/kvm")),
    device("key_presses", "opens the device that presses keys", |_| node("/dev/uinput")),
    device("fast_network", "opens the device of a network in the kernel", |_| node("/dev/vhost-net")),
    device("watchdog", "opens the watchdog", |_| node("/dev/watchdog")),
    device("clock", "opens the machine's clock", |_| node("/dev/rtc0")),
    device("mapper", "opens the device that maps disks", |_| node("/dev/mapper/control")),
    device("processor_registers", "opens the processor's registers", |_| node("/dev/cpu/0/msr")),
    device("serial_line", "opens the serial line that leads off the machine", |_| node("/dev/ttyS0")),
    device("console", "opens the console", |_| node("/dev/console")),
    device("virtual_console", "opens the first virtual console", |_| node("/dev/tty1")),
    Channel::closed(
        "terminal_of_officer",
        "writes to the terminal of an account that policy exempts",
        OPEN,
        WHY,
        |s| s.write_to(Path::new(&s.ask("terminal", "1002")?)),
    )
    .root()
    .arrived(|o| o.inbox.has(o.canary().as_bytes())),
    Channel::closed("terminal_of_root", "writes to an administrator's terminal", OPEN, WHY, |s| {
        s.write_to(Path::new(&s.ask("terminal", "0")?))
    })
    .root()
    .arrived(|o| o.inbox.has(o.canary().as_bytes())),
    Channel::closed(
        "type_into_terminal",
        "types into its own terminal",
        &["file_ioctl"],
        "kernel_interface",
        |_| {
            let pair = openpty(None, None).map_err(|_| Errno::ENOENT)?;
            // Every channel leads a session of its own, without a terminal.
            let slave = pair.slave.into_raw_fd();
            // Stays open to the end: a terminal that goes takes its session with it.
            std::mem::forget(pair.master);
            // SAFETY: TIOCSCTTY takes an integer, TIOCSTI a pointer to one byte, which outlives the call.
            unsafe {
                Errno::result(libc::ioctl(slave, libc::TIOCSCTTY, 0))?;
                Errno::result(libc::ioctl(slave, libc::TIOCSTI, b"x".as_ptr())).map(drop)
            }
        },
    )
    .deed()
    .absent(&[Errno::EIO]),
    Channel::works("harmless_devices", "writes to null, zero, full and random", "they keep nothing", |_| {
        for name in ["null", "zero", "random", "urandom"] {
            fs::write(Path::new("/dev").join(name), "x").map_err(errno)?;
        }
        match fs::write("/dev/full", "x").map_err(errno) {
            Err(Errno::ENOSPC) => Ok(()),
            other => other.and(Err(Errno::EIO)),
        }
    }),
    Channel::works(
        "own_terminal",
        "makes a terminal of its own and writes at both ends",
        "both ends are its own",
        |s| {
            let pair = openpty(None, None).map_err(|_| Errno::ENOENT)?;
            s.write(&pair.slave)?;
            s.write(&pair.master)
        },
    ),
];

/// Opening this device must not happen; a machine without it says so.
const fn device(name: &'static str, tries: &'static str, run: fn(&Scene) -> Tried) -> Channel {
    Channel::closed(name, tries, OPEN, WHY, run).root().deed().absent(&[
        Errno::ENOENT,
        Errno::ENXIO,
        Errno::ENODEV,
    ])
}

fn node(path: &str) -> Tried {
    let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let opened: OwnedFd = match open(path, flags, Mode::empty()) {
        // Some can only be written, or only be read.
        Err(Errno::EINVAL | Errno::EACCES) => open(path, OFlag::O_WRONLY | OFlag::O_NONBLOCK, Mode::empty())?,
        other => other?,
    };
    if path == "/dev/watchdog" {
        // Says that nothing need bark when it is closed.
        let _ = nix::unistd::write(&opened, b"V");
    }
    let _ = opened.as_raw_fd();
    Ok(())
}
