//! Namespaces, roots and cgroups: other worlds, in which the mark must hold.

use crate::channel::{Channel, Tried};
use crate::scene::{Scene, errno};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{ForkResult, chroot, fork};
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::path::Path;

const CAPABLE: &[&str] = &["capable"];
const CREATE: &[&str] = &["inode_create"];
const OUTSIDE: &str = "outside_zones";

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed("own_mounts", "makes a mount namespace", CAPABLE, "capability", |_| {
        unshare(CloneFlags::CLONE_NEWNS)
    })
    .root()
    .deed(),
    Channel::closed("own_network", "makes a network namespace", CAPABLE, "capability", |_| {
        unshare(CloneFlags::CLONE_NEWNET)
    })
    .root()
    .deed(),
    Channel::closed("own_names", "makes a namespace for the host's name", CAPABLE, "capability", |_| {
        unshare(CloneFlags::CLONE_NEWUTS)
    })
    .root()
    .deed(),
    Channel::closed("own_queues", "makes a namespace for queues", CAPABLE, "capability", |_| {
        unshare(CloneFlags::CLONE_NEWIPC)
    })
    .root()
    .deed(),
    Channel::closed("own_processes", "makes a namespace for processes", CAPABLE, "capability", |_| {
        unshare(CloneFlags::CLONE_NEWPID)
    })
    .root()
    .deed(),
    Channel::closed("own_cgroups", "makes a namespace for cgroups", CAPABLE, "capability", |_| {
        unshare(CloneFlags::CLONE_NEWCGROUP)
    })
    .root()
    .deed(),
    Channel::closed(
        "network_as_owner_of_namespace",
        "makes its own network as a user",
        CAPABLE,
        "capability",
        |_| unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET),
    )
    .or(&[("userns_create", "capability"), ("userns_create", "kernel_interface")])
    .deed(),
    Channel::closed(
        "write_as_root_of_namespace",
        "becomes root of a namespace, and creates a file outside",
        CREATE,
        OUTSIDE,
        |s| {
            let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
            unshare(CloneFlags::CLONE_NEWUSER)?;
            fs::write("/proc/self/setgroups", "deny").map_err(errno)?;
            fs::write("/proc/self/uid_map", format!("0 {uid} 1")).map_err(errno)?;
            fs::write("/proc/self/gid_map", format!("0 {gid} 1")).map_err(errno)?;
            fs::write(s.outside("new"), &s.canary).map_err(errno)
        },
    )
    .or(&[("userns_create", "capability"), ("userns_create", "kernel_interface")]),
    Channel::closed(
        "enter_mounts",
        "enters the mounts of an unconfined process",
        &["ptrace_access_check"],
        "other_process",
        |s| {
            let file = File::open(format!("/proc/{}/ns/mnt", s.ask("peer", "")?)).map_err(errno)?;
            setns(file, CloneFlags::CLONE_NEWNS)
        },
    )
    .root()
    .errno(Errno::EACCES)
    .deed(),
    Channel::closed(
        "enter_network",
        "enters the network of an unconfined process",
        &["ptrace_access_check"],
        "other_process",
        |s| {
            let file = File::open(format!("/proc/{}/ns/net", s.ask("peer", "")?)).map_err(errno)?;
            setns(file, CloneFlags::CLONE_NEWNET)
        },
    )
    .root()
    .errno(Errno::EACCES)
    .deed(),
    Channel::closed(
        "enter_by_pidfd",
        "enters the namespaces of an unconfined process by its handle",
        &["ptrace_access_check"],
        "other_process",
        |s| {
            let pid: libc::pid_t = s.ask("peer", "")?.parse().map_err(|_| Errno::EINVAL)?;
            // SAFETY: integers only.
            let handle = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
            setns(crate::system::descriptor(handle)?, CloneFlags::CLONE_NEWUTS)
        },
    )
    .root()
    .or(&[("capable", "capability")])
    .deed(),
    Channel::closed(
        "chroot",
        "makes a directory outside its root, and creates a file there",
        CREATE,
        OUTSIDE,
        |s| {
            chroot(&s.outside(""))?;
            fs::write("/new", &s.canary).map_err(errno)
        },
    )
    .root()
    .or(&[("capable", "capability")]),
    Channel::closed(
        "other_cgroup",
        "moves itself to the cgroup of the services",
        &["file_open"],
        OUTSIDE,
        |_| fs::write("/sys/fs/cgroup/system.slice/sekisho-lab.service/cgroup.procs", "0").map_err(errno),
    )
    .root()
    .deed(),
    Channel::closed(
        "born_in_other_cgroup",
        "has a child born among the services, which creates a file outside",
        CREATE,
        OUTSIDE,
        |s| {
            let group = File::open("/sys/fs/cgroup/system.slice/sekisho-lab.service").map_err(errno)?;
            born_in(&group, s)
        },
    )
    .root(),
    Channel::closed(
        "limit_of_cgroup",
        "sets a limit of a cgroup to a number that means something",
        &["file_open"],
        OUTSIDE,
        |s| {
            fs::write("/sys/fs/cgroup/system.slice/pids.max", (s.number() % 1_000_000 + 100_000).to_string())
                .map_err(errno)
        },
    )
    .root()
    .arrived(|o| {
        let limit = fs::read_to_string("/sys/fs/cgroup/system.slice/pids.max").unwrap_or_default();
        limit.trim() == (o.number() % 1_000_000 + 100_000).to_string()
    })
    .undo(|_| {
        let _ = fs::write("/sys/fs/cgroup/system.slice/pids.max", "max");
    }),
    Channel::closed("own_users", "makes a user namespace", &["userns_create"], "kernel_interface", |_| {
        unshare(CloneFlags::CLONE_NEWUSER)
    })
    .deed(),
    Channel::works(
        "runtime_directory",
        "works in the session's runtime directory",
        "it is the session's own",
        |s| {
            let own = Path::new("/run/user/1001").join(&s.canary);
            fs::write(&own, "x").and_then(|()| fs::remove_file(own)).map_err(errno)
        },
    ),
];

/// A child in that cgroup from its first breath; its answer is ours.
fn born_in(group: &File, s: &Scene) -> Tried {
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut order = [0_u64; 11];
    order[0] = INTO_CGROUP;
    order[4] = libc::SIGCHLD.unsigned_abs().into();
    order[10] = group.as_raw_fd().unsigned_abs().into();
    // SAFETY: `struct clone_args` of 88 bytes; without a stack of its own the child goes on here, as after fork, and
    // this process has one thread.
    let pid = Errno::result(unsafe { libc::syscall(libc::SYS_clone3, order.as_ptr(), size_of_val(&order)) })?;
    if pid == 0 {
        let code =
            fs::write(s.outside("new"), &s.canary).map_err(errno).err().map_or(0, |errno| errno as i32);
        std::process::exit(code);
    }
    crate::channels::processes::answer_of(nix::unistd::Pid::from_raw(
        i32::try_from(pid).map_err(|_| Errno::EINVAL)?,
    ))
}

/// A child after fork; its answer is ours.
pub(crate) fn child(run: impl FnOnce() -> Tried) -> Tried {
    // SAFETY: this process has one thread.
    match unsafe { fork() }? {
        ForkResult::Child => std::process::exit(run().err().map_or(0, |errno| errno as i32)),
        ForkResult::Parent { child } => crate::channels::processes::answer_of(child),
    }
}
