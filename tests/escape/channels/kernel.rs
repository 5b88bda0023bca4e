//! Kernel interfaces by which a process speaks to the kernel itself, or has it act.

use crate::channel::Channel;
use crate::scene::errno;
use crate::system::{c_path, descriptor};
use nix::errno::Errno;
use nix::unistd::sethostname;
use std::ffi::CString;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::ptr::null;

const CAPABLE: &[&str] = &["capable"];
const WHY: &str = "capability";
/// Who may count what processes do; Debian's 3 leaves it to root, and the gate is not even asked.
const PERFORMANCE: &str = "/proc/sys/kernel/perf_event_paranoid";

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed("bpf_map", "makes a BPF map", &["bpf"], "bpf", |_| {
        const MAP_CREATE: libc::c_int = 0;
        bpf(MAP_CREATE, &[2, 4, 4, 1]).map(drop)
    })
    .deed(),
    Channel::closed("bpf_map_as_root", "makes a BPF map as root", &["bpf"], "bpf", |_| {
        const MAP_CREATE: libc::c_int = 0;
        bpf(MAP_CREATE, &[2, 4, 4, 1]).map(drop)
    })
    .root()
    .deed(),
    Channel::closed("bpf_program", "loads a BPF program", &["bpf"], "bpf", |_| {
        const PROG_LOAD: libc::c_int = 5;
        const SOCKET_FILTER: u32 = 1;
        // r0 = 0; exit
        let program: [u64; 2] = [0xb7, 0x95];
        let (at, licence) = (crate::uring::address(program.as_ptr()), crate::uring::address(c"GPL".as_ptr()));
        let half = |word: u64| [(word & 0xffff_ffff) as u32, (word >> 32) as u32];
        let ([a, b], [c, d]) = (half(at), half(licence));
        bpf(PROG_LOAD, &[SOCKET_FILTER, 2, a, b, c, d]).map(drop)
    })
    .deed(),
    Channel::closed("bpf_ids", "looks through the kernel's BPF programs", &["bpf"], "bpf", |_| {
        const PROG_GET_NEXT_ID: libc::c_int = 11;
        match bpf(PROG_GET_NEXT_ID, &[0, 0]) {
            Err(Errno::ENOENT) => Ok(()),
            other => other.map(drop),
        }
    })
    .root()
    .deed(),
    Channel::closed(
        "bpf_maps_of_gate",
        "opens the gate's map of marks by its number",
        &["bpf"],
        "bpf",
        |_| {
            const MAP_GET_FD_BY_ID: libc::c_int = 14;
            // Where there is no such map the question alone was let through.
            match bpf(MAP_GET_FD_BY_ID, &[1, 0, 0]) {
                Err(Errno::ENOENT) => Ok(()),
                other => other.map(drop),
            }
        },
    )
    .root()
    .deed(),
    Channel::closed(
        "performance_events",
        "counts what a process does",
        &["perf_event_open"],
        "kernel_interface",
        |_| {
            // `struct perf_event_attr`: software, 128 bytes, the processor's clock.
            let mut order = [0_u64; 16];
            order[0] = 1 | 128 << 32;
            // SAFETY: the order has the size it says.
            let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, order.as_ptr(), 0, -1, -1, 0) };
            descriptor(Errno::result(fd)?).map(drop)
        },
    )
    .ready(|_| Ok(fs::write(PERFORMANCE, "-1")?))
    .undo(|_| {
        let _ = fs::write(PERFORMANCE, "3");
    })
    .root()
    .deed(),
    Channel::closed("module", "loads a module", CAPABLE, WHY, |s| s.command("modprobe", &["dummy"]))
        .root()
        .or(&[("kernel_read_file", "kernel_interface")])
        .ready(|_| {
            // Another channel may have had it loaded.
            let _ =
                std::process::Command::new("rmmod").arg("dummy").stderr(std::process::Stdio::null()).status();
            anyhow::ensure!(!Path::new("/sys/module/dummy").exists(), "rmmod");
            Ok(())
        })
        .arrived(|_| Path::new("/sys/module/dummy").exists())
        .undo(|_| {
            let _ = std::process::Command::new("rmmod").arg("dummy").status();
        }),
    Channel::closed("remove_module", "removes a module", CAPABLE, WHY, |s| s.command("rmmod", &["dummy"]))
        .root()
        .ready(|_| {
            anyhow::ensure!(
                std::process::Command::new("modprobe").arg("dummy").status()?.success(),
                "modprobe"
            );
            Ok(())
        })
        .arrived(|_| !Path::new("/sys/module/dummy").exists())
        .undo(|_| {
            let _ = std::process::Command::new("rmmod").arg("dummy").status();
        }),
    Channel::closed("another_kernel", "loads another kernel", CAPABLE, WHY, |_| {
        // SAFETY: no segments.
        Errno::result(unsafe { libc::syscall(libc::SYS_kexec_load, 0, 0, null::<u8>(), 0) }).map(drop)
    })
    .root()
    .deed()
    .absent(&[Errno::ENOSYS]),
    Channel::closed("reboot", "changes what the three keys do", CAPABLE, WHY, |_| {
        use nix::sys::reboot::set_cad_enabled;
        set_cad_enabled(false)
    })
    .root()
    .deed(),
    Channel::closed("host_name", "sets the host's name", CAPABLE, WHY, |s| sethostname(&s.canary))
        .root()
        .arrived(|o| nix::unistd::gethostname().is_ok_and(|name| name.to_string_lossy() == o.canary()))
        .undo(|_| {
            let _ = sethostname("sekisho-lab");
        }),
    Channel::closed("domain_name", "sets the domain's name", CAPABLE, WHY, |s| {
        // SAFETY: the name has the length given.
        Errno::result(unsafe { libc::setdomainname(s.canary.as_ptr().cast(), s.canary.len()) }).map(drop)
    })
    .root()
    .arrived(|o| {
        fs::read_to_string("/proc/sys/kernel/domainname").is_ok_and(|name| name.trim() == o.canary())
    }),
    Channel::closed("clock_rate", "sets how fast the clock goes", CAPABLE, WHY, |s| {
        // SAFETY: all zeros is a valid request.
        let mut request: libc::timex = unsafe { std::mem::zeroed() };
        request.modes = libc::ADJ_FREQUENCY;
        request.freq = rate(s.number());
        // SAFETY: the request outlives the call.
        Errno::result(unsafe { libc::adjtimex(&raw mut request) }).map(drop)
    })
    .root()
    .arrived(|o| {
        // SAFETY: all zeros asks only; the request outlives the call.
        unsafe {
            let mut request: libc::timex = std::mem::zeroed();
            libc::adjtimex(&raw mut request) >= 0 && request.freq == rate(o.number())
        }
    })
    .undo(|_| {
        // SAFETY: as above.
        unsafe {
            let mut request: libc::timex = std::mem::zeroed();
            request.modes = libc::ADJ_FREQUENCY;
            libc::adjtimex(&raw mut request);
        }
    }),
    Channel::closed("swap", "has memory swapped to a file whose name is the data", CAPABLE, WHY, |s| {
        let file = s.inside("swap");
        s.shell(&format!(
            "head -c 1048576 /dev/zero > {0} && chmod 600 {0} && mkswap -q {0}",
            file.display()
        ))?;
        let file = c_path(&file)?;
        // SAFETY: the path is terminated.
        Errno::result(unsafe { libc::swapon(file.as_ptr(), 0) }).map(drop)
    })
    .root()
    .arrived(|o| fs::read_to_string("/proc/swaps").is_ok_and(|table| table.contains(o.canary())))
    .undo(|o| {
        if let Ok(file) = c_path(Path::new(&format!("/tmp/escape-{}-swap", o.canary()))) {
            // SAFETY: the path is terminated.
            let _ = unsafe { libc::swapoff(file.as_ptr()) };
        }
    }),
    Channel::closed(
        "accounting",
        "has the kernel write the names of dying processes to a file",
        CAPABLE,
        WHY,
        |s| {
            let file = c_path(&s.outside("accounts"))?;
            // SAFETY: the path is terminated.
            Errno::result(unsafe { libc::acct(file.as_ptr()) })?;
            crate::channels::namespaces::child(|| {
                let name = CString::new(s.canary.as_str()).map_err(|_| Errno::EINVAL)?;
                nix::sys::prctl::set_name(&name)
            })
        },
    )
    .root()
    .or(&[("file_open", "outside_zones")])
    .ready(|o| o.file("accounts", ""))
    .undo(|_| {
        // SAFETY: a null pointer ends accounting.
        let _ = unsafe { libc::acct(null()) };
    }),
    Channel::closed(
        "quotas",
        "has the kernel write its disk quotas",
        &["quotactl"],
        "kernel_interface",
        |_| {
            const SYNC: libc::c_int = (0x80_0001_u32 << 8).cast_signed();
            // SAFETY: Q_SYNC without a device takes no pointer.
            Errno::result(unsafe { libc::quotactl(SYNC, null(), 0, std::ptr::null_mut()) }).map(drop)
        },
    )
    .root()
    .deed(),
    Channel::closed("level_of_log", "sets which messages the console shows", CAPABLE, WHY, |s| {
        const CONSOLE_LEVEL: libc::c_int = 8;
        let level = libc::c_int::try_from(s.number() % 3 + 1).unwrap_or(1);
        // SAFETY: this action takes an integer and no buffer.
        Errno::result(unsafe { libc::klogctl(CONSOLE_LEVEL, std::ptr::null_mut(), level) }).map(drop)
    })
    .root()
    .arrived(|o| {
        let levels = fs::read_to_string("/proc/sys/kernel/printk").unwrap_or_default();
        levels.split_whitespace().next() == Some((o.number() % 3 + 1).to_string().as_str())
    })
    .undo(|_| {
        let _ = fs::write("/proc/sys/kernel/printk", "4");
    }),
    Channel::closed("processor_ports", "asks for the machine's ports", CAPABLE, WHY, |_| {
        // SAFETY: integers only; nothing is read or written through the port.
        Errno::result(unsafe { libc::ioperm(0x80, 1, 1) }).map(drop)
    })
    .root()
    .deed()
    .absent(&[Errno::ENOSYS]),
    Channel::closed(
        "watch_everything",
        "watches every file of a mount, and could hold up others",
        CAPABLE,
        WHY,
        |_| {
            const CONTENT: libc::c_uint = 4;
            // SAFETY: integers only.
            descriptor(Errno::result(unsafe { libc::syscall(libc::SYS_fanotify_init, CONTENT, 0) })?)
                .map(drop)
        },
    )
    .root()
    .deed(),
    Channel::works("watch_a_file", "watches a file outside by inotify", "it only hears", |s| {
        // SAFETY: integers only.
        let fd: OwnedFd = descriptor(Errno::result(unsafe { libc::syscall(libc::SYS_inotify_init1, 0) })?)?;
        let path = c_path(&s.outside("target"))?;
        // SAFETY: the path is terminated.
        let done = unsafe {
            libc::inotify_add_watch(std::os::fd::AsRawFd::as_raw_fd(&fd), path.as_ptr(), libc::IN_ALL_EVENTS)
        };
        Errno::result(done).map(drop)
    }),
    Channel::works(
        "read_kernel_log_size",
        "asks how long the kernel's log may be",
        "nothing is changed",
        |_| {
            const SIZE: libc::c_int = 10;
            // SAFETY: this action takes no buffer.
            match Errno::result(unsafe { libc::klogctl(SIZE, std::ptr::null_mut(), 0) }) {
                // Where reading the log needs a right, nobody but root may ask.
                Err(Errno::EPERM) => Ok(()),
                other => other.map(drop),
            }
        },
    ),
];

/// The bpf system call with the first words of its argument.
fn bpf(command: libc::c_int, words: &[u32]) -> nix::Result<OwnedFd> {
    let mut argument = [0_u32; 36];
    argument[..words.len()].copy_from_slice(words);
    // SAFETY: the argument is the beginning of `union bpf_attr` for this command, and outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, argument.as_ptr(), size_of_val(&argument)) };
    match Errno::result(fd)? {
        // Some commands return no descriptor.
        0 => Ok(fs::File::open("/dev/null").map_err(errno)?.into()),
        fd => descriptor(fd),
    }
}

fn rate(number: u32) -> i64 {
    i64::from(number % 1_000_000) + 1
}
