//! Processes: children that act, others that are reached into, identities that are borrowed, and what a death leaves.

use crate::channel::{Channel, Tried};
use crate::channels::namespaces::child;
use crate::lent::Lent;
use crate::outside::Outside;
use crate::scene::{Scene, errno};
use crate::system::descriptor;
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::kill;
use nix::sys::uio::{RemoteIoVec, process_vm_writev};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, setsid, setuid};
use std::fs;
use std::io::IoSlice;
use std::os::fd::AsRawFd as _;

const CREATE: &[&str] = &["inode_create"];
const OUTSIDE: &str = "outside_zones";
const REACH: &[&str] = &["ptrace_access_check"];
const KILL: &[&str] = &["task_kill"];
const OTHER: &str = "other_process";
/// Yama asks for this capability where processes may not trace each other anyway.
const CAPABLE: &[(&str, &str)] = &[("capable", "capability")];
/// An account that policy exempts.
const OFFICER: u32 = 1002;

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed("child", "has a child create a file outside", CREATE, OUTSIDE, |s| child(|| create(s))),
    Channel::closed(
        "orphan",
        "has a grandchild in a session of its own create a file outside",
        CREATE,
        OUTSIDE,
        |s| {
            child(|| {
                setsid()?;
                child(|| create(s))
            })
        },
    ),
    Channel::closed("thread", "has a thread create a file outside", CREATE, OUTSIDE, |s| {
        let path = s.outside("new");
        let canary = s.canary.clone();
        let thread = std::thread::spawn(move || fs::write(path, canary).map_err(errno));
        thread.join().map_err(|_| Errno::ECHILD)?
    }),
    Channel::closed("program", "has a shell create a file outside", CREATE, OUTSIDE, |s| {
        s.shell(&format!("echo $canary > {}", s.outside("new").display()))
    }),
    Channel::closed(
        "program_in_new_session",
        "has a shell in a session of its own create a file outside",
        CREATE,
        OUTSIDE,
        |s| {
            let script = format!("echo {} > {}", s.canary, s.outside("new").display());
            s.command("setsid", &["-w", "sh", "-c", &script])
        },
    ),
    Channel::closed("interpreter", "has Python create a file outside", CREATE, OUTSIDE, |s| {
        let script = format!("open({:?}, 'w').write({:?})", s.outside("new"), s.canary);
        s.command("python3", &["-I", "-S", "-c", &script])
    }),
    Channel::closed("copy", "has cp copy a file of a zone outside", CREATE, OUTSIDE, |s| {
        let path = s.outside("new").display().to_string();
        s.command("cp", &[&s.own_file("copied")?.display().to_string(), &path])
    }),
    Channel::closed(
        "become_exempt",
        "becomes an account that policy exempts, and creates a file outside",
        CREATE,
        OUTSIDE,
        |s| {
            setuid(OFFICER.into())?;
            create(s)
        },
    )
    .root(),
    Channel::closed(
        "become_service",
        "becomes a service's account, and creates a file outside",
        CREATE,
        OUTSIDE,
        |s| {
            setuid(65_534.into())?;
            create(s)
        },
    )
    .root(),
    Channel::closed(
        "sudo_as_exempt",
        "has sudo create a file outside as an account that policy exempts",
        CREATE,
        OUTSIDE,
        |s| {
            let script = format!("echo {} > {}", s.canary, s.outside("new").display());
            s.command("sudo", &["-n", "-u", "officer", "sh", "-c", &script])
        },
    ),
    Channel::closed(
        "su_as_exempt",
        "has su create a file outside as an account that policy exempts",
        CREATE,
        OUTSIDE,
        |s| {
            let script = format!("echo {} > {}", s.canary, s.outside("new").display());
            s.command("su", &["officer", "-c", &script])
        },
    )
    .root(),
    Channel::closed("trace", "traces an unconfined process and writes into its memory", REACH, OTHER, |s| {
        let (peer, at) = (peer(s)?, buffer(s)?);
        ptrace::seize(peer, ptrace::Options::empty())?;
        ptrace::interrupt(peer)?;
        waitpid(peer, Some(nix::sys::wait::WaitPidFlag::__WALL))?;
        for (i, word) in s.canary.as_bytes().chunks(8).enumerate() {
            let mut bytes = [0; 8];
            bytes[..word.len()].copy_from_slice(word);
            let at = std::ptr::with_exposed_provenance_mut(at + i * 8);
            ptrace::write(peer, at, libc::c_long::from_ne_bytes(bytes))?;
        }
        ptrace::detach(peer, None)
    })
    .root()
    .or(CAPABLE)
    .arrived(memory_has),
    Channel::closed("write_other_memory", "writes into an unconfined process's memory", REACH, OTHER, |s| {
        let remote = [RemoteIoVec { base: buffer(s)?, len: s.canary.len() }];
        process_vm_writev(peer(s)?, &[IoSlice::new(s.canary.as_bytes())], &remote).map(drop)
    })
    .root()
    .or(CAPABLE)
    .arrived(memory_has),
    Channel::closed(
        "take_descriptor",
        "takes an unconfined process's descriptor and writes through it",
        REACH,
        OTHER,
        |s| {
            let handle = handle(peer(s)?)?;
            // SAFETY: integers only.
            let taken =
                unsafe { libc::syscall(libc::SYS_pidfd_getfd, handle.as_raw_fd(), Lent::File.number(), 0) };
            s.write(&descriptor(Errno::result(taken)?)?)
        },
    )
    .root()
    .or(CAPABLE),
    Channel::closed("look_into", "asks where an unconfined process keeps its locks", REACH, OTHER, |s| {
        let (mut head, mut length) = (0_usize, 0_usize);
        // SAFETY: both pointers are to words that outlive the call.
        Errno::result(unsafe {
            libc::syscall(libc::SYS_get_robust_list, peer(s)?.as_raw(), &raw mut head, &raw mut length)
        })
        .map(drop)
    })
    .root()
    .or(CAPABLE)
    .deed(),
    Channel::closed("advise_other", "gives advice about an unconfined process's memory", REACH, OTHER, |s| {
        const MADV_COLD: libc::c_int = 20;
        let handle = handle(peer(s)?)?;
        let page = buffer(s)? & !4095;
        let area = [page, 4096];
        // SAFETY: the list has one area; the rest are integers.
        let done = unsafe {
            libc::syscall(libc::SYS_process_madvise, handle.as_raw_fd(), area.as_ptr(), 1, MADV_COLD, 0)
        };
        Errno::result(done).map(drop)
    })
    .errno(Errno::EACCES)
    .root()
    .or(CAPABLE)
    .deed(),
    Channel::closed("move_pages", "moves an unconfined process's memory", REACH, OTHER, |s| {
        let none = std::ptr::null::<u8>();
        let pages = [buffer(s)? & !4095];
        let mut status = [0_i32];
        // SAFETY: one page's address, no target nodes, room for one status.
        Errno::result(unsafe {
            libc::syscall(
                libc::SYS_move_pages,
                peer(s)?.as_raw(),
                1,
                pages.as_ptr(),
                none,
                status.as_mut_ptr(),
                0,
            )
        })
        .map(drop)
    })
    .root()
    .or(CAPABLE)
    .deed(),
    Channel::closed("signal", "sends an unconfined process a signal with a value", KILL, OTHER, |s| {
        // SAFETY: the information has the layout of siginfo_t for queued signals.
        Errno::result(unsafe {
            libc::syscall(libc::SYS_rt_sigqueueinfo, peer(s)?.as_raw(), libc::SIGUSR1, value_of(s).as_ptr())
        })
        .map(drop)
    })
    .root()
    .arrived(heard),
    Channel::closed(
        "signal_thread",
        "sends a thread of an unconfined process a signal with a value",
        KILL,
        OTHER,
        |s| {
            let pid = peer(s)?.as_raw();
            // SAFETY: as above.
            Errno::result(unsafe {
                libc::syscall(libc::SYS_rt_tgsigqueueinfo, pid, pid, libc::SIGUSR1, value_of(s).as_ptr())
            })
            .map(drop)
        },
    )
    .root()
    .arrived(heard),
    Channel::closed(
        "signal_by_handle",
        "sends a signal with a value through a process handle",
        KILL,
        OTHER,
        |s| {
            let handle = handle(peer(s)?)?;
            // SAFETY: as above.
            Errno::result(unsafe {
                libc::syscall(
                    libc::SYS_pidfd_send_signal,
                    handle.as_raw_fd(),
                    libc::SIGUSR1,
                    value_of(s).as_ptr(),
                    0,
                )
            })
            .map(drop)
        },
    )
    .root()
    .arrived(heard),
    Channel::closed(
        "signal_nothing",
        "asks by signal 0 whether an unconfined process is there",
        KILL,
        OTHER,
        |s| kill(peer(s)?, None),
    )
    .root()
    .deed(),
    Channel::closed(
        "signal_by_descriptor",
        "has a pipe signal an unconfined process",
        KILL,
        OTHER,
        signal_by_descriptor,
    )
    .root()
    .or(&[("file_send_sigiotask", OTHER)])
    .silent()
    .arrived(|o| o.inbox.has(b"signal 12 ")),
    Channel::closed(
        "limit_of_other",
        "sets a limit of an unconfined process",
        &["task_setrlimit"],
        OTHER,
        |s| {
            let limits = [u64::from(s.number()), u64::from(s.number()) + 1];
            let old = std::ptr::null_mut::<u64>();
            // SAFETY: the new limits are two words; the old are not asked for.
            Errno::result(unsafe {
                libc::syscall(
                    libc::SYS_prlimit64,
                    peer(s)?.as_raw(),
                    libc::RLIMIT_MSGQUEUE,
                    limits.as_ptr(),
                    old,
                )
            })
            .map(drop)
        },
    )
    .root()
    .or(CAPABLE)
    .arrived(|o| {
        let limits = fs::read_to_string(format!("/proc/{}/limits", o.peer.pid())).unwrap_or_default();
        limits.contains(&format!(" {} ", o.number()))
    }),
    Channel::closed(
        "nice_of_other",
        "sets the priority of an unconfined process",
        &["task_setnice"],
        OTHER,
        |s| {
            // SAFETY: integers only.
            Errno::result(unsafe {
                libc::setpriority(libc::PRIO_PROCESS, peer(s)?.as_raw().unsigned_abs(), nice(s.number()))
            })
            .map(drop)
        },
    )
    .root()
    .arrived(|o| {
        // SAFETY: integers only.
        unsafe { libc::getpriority(libc::PRIO_PROCESS, o.peer.pid()) == nice(o.number()) }
    })
    .undo(|o| {
        // SAFETY: integers only.
        let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, o.peer.pid(), 0) };
    }),
    Channel::closed(
        "io_priority_of_other",
        "sets the disk priority of an unconfined process",
        &["task_setioprio"],
        OTHER,
        |s| {
            // SAFETY: integers only; class "best effort" and a level.
            Errno::result(unsafe {
                libc::syscall(libc::SYS_ioprio_set, 1, peer(s)?.as_raw(), 2 << 13 | (s.number() & 3))
            })
            .map(drop)
        },
    )
    .root()
    .arrived(|o| {
        // SAFETY: integers only.
        let level = unsafe { libc::syscall(libc::SYS_ioprio_get, 1, o.peer.pid()) };
        level == libc::c_long::from(2 << 13 | (o.number() & 3))
    })
    .undo(|o| {
        // SAFETY: integers only.
        let _ = unsafe { libc::syscall(libc::SYS_ioprio_set, 1, o.peer.pid(), 0) };
    }),
    Channel::closed(
        "schedule_of_other",
        "sets how an unconfined process is scheduled",
        &["task_setscheduler"],
        OTHER,
        |s| {
            let level = [i32::try_from(s.number() % 90 + 1).unwrap_or(1)];
            // SAFETY: the parameter is one int.
            Errno::result(unsafe {
                libc::syscall(libc::SYS_sched_setscheduler, peer(s)?.as_raw(), libc::SCHED_RR, level.as_ptr())
            })
            .map(drop)
        },
    )
    .root()
    .arrived(|o| {
        let mut level = [0_i32];
        // SAFETY: room for one int.
        let done = unsafe { libc::syscall(libc::SYS_sched_getparam, o.peer.pid(), level.as_mut_ptr()) };
        done == 0 && level[0].unsigned_abs() == o.number() % 90 + 1
    })
    .undo(|o| {
        let level = [0_i32];
        // SAFETY: the parameter is one int.
        let _ = unsafe {
            libc::syscall(libc::SYS_sched_setscheduler, o.peer.pid(), libc::SCHED_OTHER, level.as_ptr())
        };
    }),
    Channel::works(
        "own_child",
        "traces, signals and ends its own child",
        "the child is as confined as itself",
        |_| {
            let mut sleeper = std::process::Command::new("sleep").arg("60").spawn().map_err(errno)?;
            let pid = Pid::from_raw(sleeper.id().cast_signed());
            ptrace::seize(pid, ptrace::Options::empty())?;
            sleeper.kill().map_err(errno)?;
            sleeper.wait().map(drop).map_err(errno)
        },
    ),
    Channel::works("own_limits", "sets its own limits and priority", "they are its own", |_| {
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
        // SAFETY: integers only.
        Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 5) }).map(drop)
    }),
    Channel::works("sudo_works", "has sudo run a program", "the mark stays", |s| {
        s.command("sudo", &["-n", "true"])
    }),
];

fn create(s: &Scene) -> Tried {
    fs::write(s.outside("new"), &s.canary).map_err(errno)
}

/// A child's exit code as its answer.
pub(crate) fn answer_of(child: Pid) -> Tried {
    match waitpid(child, None)? {
        WaitStatus::Exited(_, 0) => Ok(()),
        WaitStatus::Exited(_, code) => Err(Errno::from_raw(code)),
        _ => Err(Errno::ECHILD),
    }
}

fn peer(s: &Scene) -> nix::Result<Pid> {
    s.ask("peer", "")?.parse().map(Pid::from_raw).map_err(|_| Errno::EINVAL)
}

fn buffer(s: &Scene) -> nix::Result<usize> {
    s.ask("peer_buffer", "")?.parse().map_err(|_| Errno::EINVAL)
}

fn handle(pid: Pid) -> nix::Result<std::os::fd::OwnedFd> {
    // SAFETY: integers only.
    descriptor(Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?)
}

fn memory_has(o: &Outside<'_>) -> bool {
    crate::outside::contains(&o.peer.memory(), o.canary().as_bytes())
}

/// A `siginfo_t` that carries the canary's number.
fn value_of(s: &Scene) -> [u64; 16] {
    const SI_QUEUE: i32 = -1;
    let mut info = [0_u64; 16];
    info[0] = u64::from(libc::SIGUSR1.unsigned_abs());
    info[1] = u64::from(SI_QUEUE.cast_unsigned());
    info[3] = u64::from(s.number());
    info
}

fn heard(o: &Outside<'_>) -> bool {
    o.inbox.has(format!("value {}\n", o.number()).as_bytes())
}

fn nice(number: u32) -> i32 {
    i32::try_from(number % 18).unwrap_or(0) + 1
}

/// A pipe of its own says to whom its signals go.
fn signal_by_descriptor(s: &Scene) -> Tried {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    const F_SETSIG: libc::c_int = 10;
    let (reader, writer) = nix::unistd::pipe()?;
    // SAFETY: both commands take an integer.
    unsafe {
        Errno::result(libc::fcntl(reader.as_raw_fd(), libc::F_SETOWN, peer(s)?.as_raw()))?;
        Errno::result(libc::fcntl(reader.as_raw_fd(), F_SETSIG, libc::SIGUSR2))?;
    }
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_ASYNC))?;
    s.write(&writer)
}
