//! Files that the kernel makes up: procfs, sysfs, cgroups, tracing. Writing to one tells it, or somebody, something.

use crate::channel::{Channel, Tried};
use crate::lent::Lent;
use crate::outside::Outside;
use crate::scene::{Scene, errno};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

const OPEN: &[&str] = &["file_open"];
const OUTSIDE: &str = "outside_zones";
const REACH: &[&str] = &["ptrace_access_check"];
const OTHER: &str = "other_process";

const CORE_PATTERN: &str = "/proc/sys/kernel/core_pattern";
const DOMAIN: &str = "/proc/sys/kernel/domainname";
const MODPROBE: &str = "/proc/sys/kernel/modprobe";
const TRACING: &str = "/sys/kernel/tracing";
const BINFMT: &str = "/proc/sys/fs/binfmt_misc";
const MERGE: &str = "/sys/kernel/mm/ksm/sleep_millisecs";

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed("name_of_cores", "sets where the kernel puts core dumps", OPEN, OUTSIDE, |s| {
        fs::write(CORE_PATTERN, format!("/home/outside/{}", s.canary)).map_err(errno)
    })
    .root()
    .arrived(|o| fs::read_to_string(CORE_PATTERN).is_ok_and(|text| text.contains(o.canary())))
    .undo(|_| {
        let _ = fs::write(CORE_PATTERN, "core");
    }),
    Channel::closed("program_for_modules", "sets what the kernel runs to load modules", OPEN, OUTSIDE, |s| {
        fs::write(MODPROBE, format!("/tmp/{}", s.canary)).map_err(errno)
    })
    .root()
    .arrived(|o| fs::read_to_string(MODPROBE).is_ok_and(|text| text.contains(o.canary())))
    .undo(|_| {
        let _ = fs::write(MODPROBE, "/sbin/modprobe");
    }),
    Channel::closed("sysctl_domain", "sets the domain's name by sysctl", OPEN, OUTSIDE, |s| {
        fs::write(DOMAIN, &s.canary).map_err(errno)
    })
    .root()
    .arrived(|o| fs::read_to_string(DOMAIN).is_ok_and(|text| text.trim() == o.canary()))
    .undo(|_| {
        let _ = fs::write(DOMAIN, "(none)");
    }),
    Channel::closed("sysrq", "orders the kernel to speak by sysrq", OPEN, OUTSIDE, |_| {
        fs::write("/proc/sysrq-trigger", "h").map_err(errno)
    })
    .root()
    .deed(),
    Channel::closed("sysfs", "sets a number in sysfs", OPEN, OUTSIDE, |s| {
        fs::write(MERGE, s.number().to_string()).map_err(errno)
    })
    .root()
    .arrived(|o| fs::read_to_string(MERGE).is_ok_and(|text| text.trim() == o.number().to_string()))
    .undo(|_| {
        let _ = fs::write(MERGE, "20");
    })
    .absent(&[Errno::ENOENT]),
    Channel::closed("trace_marker", "writes into the kernel's trace", OPEN, OUTSIDE, |s| {
        fs::write(Path::new(TRACING).join("trace_marker"), &s.canary).map_err(errno)
    })
    .root()
    .ready(|_| {
        if !Path::new(TRACING).join("trace").exists() {
            mount(Some("tracefs"), TRACING, Some("tracefs"), MsFlags::empty(), None::<&str>)?;
        }
        Ok(())
    })
    .arrived(|o| {
        fs::read_to_string(Path::new(TRACING).join("trace")).is_ok_and(|text| text.contains(o.canary()))
    }),
    Channel::closed(
        "program_format",
        "registers a program format whose name is the data",
        OPEN,
        OUTSIDE,
        |s| {
            let line = format!(":{}:E::{}::/bin/true:", s.canary, s.canary);
            fs::write(Path::new(BINFMT).join("register"), line).map_err(errno)
        },
    )
    .root()
    .ready(|_| {
        if !Path::new(BINFMT).join("register").exists() {
            let _ = std::process::Command::new("modprobe").arg("binfmt_misc").status();
            let _ = mount(Some("binfmt_misc"), BINFMT, Some("binfmt_misc"), MsFlags::empty(), None::<&str>);
        }
        Ok(())
    })
    .arrived(|o| Path::new(BINFMT).join(o.canary()).exists())
    .undo(|o| {
        let _ = fs::write(Path::new(BINFMT).join(o.canary()), "-1");
    })
    .absent(&[Errno::ENOENT]),
    Channel::closed(
        "memory_of_other",
        "writes into an unconfined process's memory through /proc",
        REACH,
        OTHER,
        |s| {
            let path = format!("/proc/{}/mem", s.ask("peer", "")?);
            let at: u64 = s.ask("peer_buffer", "")?.parse().map_err(|_| Errno::EINVAL)?;
            let mut file = fs::OpenOptions::new().write(true).open(path).map_err(errno)?;
            file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(s.canary.as_bytes())).map_err(errno)
        },
    )
    .root()
    .errno(Errno::EACCES)
    .or(&[("capable", "capability"), ("file_open", OUTSIDE)])
    .arrived(|o| crate::outside::contains(&o.peer.memory(), o.canary().as_bytes())),
    Channel::closed(
        "descriptor_of_other",
        "opens an unconfined process's descriptor through /proc",
        REACH,
        OTHER,
        |s| s.write_to(Path::new(&format!("/proc/{}/fd/{}", s.ask("peer", "")?, Lent::File.number()))),
    )
    .root()
    .errno(Errno::EACCES),
    Channel::closed(
        "root_of_other",
        "creates a file below an unconfined process's root",
        REACH,
        OTHER,
        |s| {
            let path = format!("/proc/{}/root{}", s.ask("peer", "")?, s.outside("new").display());
            fs::write(path, &s.canary).map_err(errno)
        },
    )
    .root()
    .errno(Errno::EACCES),
    Channel::closed(
        "directory_of_other",
        "creates a file below an unconfined process's directory",
        REACH,
        OTHER,
        |s| {
            let name = s.outside("new").display().to_string();
            fs::write(format!("/proc/{}/cwd{name}", s.ask("peer", "")?), &s.canary).map_err(errno)
        },
    )
    .root()
    .errno(Errno::EACCES),
    Channel::closed(
        "fate_of_other",
        "offers an unconfined process to the kernel when memory runs out",
        OPEN,
        OUTSIDE,
        |s| to_other(s, "oom_score_adj", &(s.number() % 900 + 1).to_string()),
    )
    .root()
    .arrived(|o| of_other(o, "oom_score_adj") == (o.number() % 900 + 1).to_string()),
    Channel::closed(
        "dump_filter_of_other",
        "sets what of an unconfined process is dumped",
        OPEN,
        OUTSIDE,
        |s| to_other(s, "coredump_filter", &format!("{:#x}", s.number() & 0x1ff | 1)),
    )
    .root()
    .or(&[("file_open", OTHER)])
    .arrived(|o| u32::from_str_radix(&of_other(o, "coredump_filter"), 16) == Ok(o.number() & 0x1ff | 1))
    .undo(|o| {
        let _ = fs::write(format!("/proc/{}/coredump_filter", o.peer.pid()), "0x33");
    }),
    Channel::closed(
        "slack_of_other",
        "sets how late an unconfined process's timers may be",
        OPEN,
        OUTSIDE,
        |s| to_other(s, "timerslack_ns", &s.number().to_string()),
    )
    .root()
    .or(&[("file_open", OTHER), ("task_setscheduler", OTHER)])
    .arrived(|o| of_other(o, "timerslack_ns") == o.number().to_string()),
    Channel::closed("login_of_self", "changes its login uid", OPEN, OUTSIDE, |_| {
        fs::write("/proc/self/loginuid", "1002").map_err(errno)
    })
    .root()
    .or(&[("capable", "capability")])
    .deed(),
    Channel::closed("arp_table", "writes into a table of the network in /proc", OPEN, OUTSIDE, |s| {
        let value = (s.number() % 100_000 + 60).to_string();
        fs::write("/proc/sys/net/ipv4/neigh/default/gc_stale_time", value).map_err(errno)
    })
    .root()
    .arrived(|o| {
        let text = fs::read_to_string("/proc/sys/net/ipv4/neigh/default/gc_stale_time").unwrap_or_default();
        text.trim() == (o.number() % 100_000 + 60).to_string()
    })
    .undo(|_| {
        let _ = fs::write("/proc/sys/net/ipv4/neigh/default/gc_stale_time", "60");
    }),
    Channel::works(
        "name_of_own_process",
        "gives its own process a name",
        "it stays on the node, and nobody acts on it",
        |s| {
            nix::sys::prctl::set_name(
                &std::ffi::CString::new(s.canary.as_str()).map_err(|_| Errno::EINVAL)?,
            )?;
            fs::write("/proc/self/comm", "escape").map_err(errno)
        },
    ),
    Channel::works("own_dump_filter", "sets what of itself is dumped", "it reaches only itself", |_| {
        fs::write("/proc/self/coredump_filter", "0x33").map_err(errno)
    }),
];

fn to_other(s: &Scene, file: &str, text: &str) -> Tried {
    fs::write(format!("/proc/{}/{file}", s.ask("peer", "")?), text).map_err(errno)
}

fn of_other(o: &Outside<'_>, file: &str) -> String {
    fs::read_to_string(format!("/proc/{}/{file}", o.peer.pid())).unwrap_or_default().trim().to_owned()
}
