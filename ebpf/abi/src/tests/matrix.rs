//! Replay of the recorded hook matrix: which hooks fired for each way out, on five kernels. For each way that left a
//! node without the gate, some hook that fired there, and that the gate attaches, must say no to the facts of that way.

use crate::file::{self, Act, Object, place};
use crate::hook::Hook;
use crate::network::{self, AF_INET, AF_INET6, AF_UNIX, Destination, Peer};
use crate::process;
use crate::{Answer, Reason, Rules, Subject};

const MATRIX: &str = include_str!("../../testdata/hook-matrix.tsv");

/// What is particular about a way out. Whatever a way does not say is at its worst: a file outside the zones, a socket
/// made by somebody unconfined, a destination and a peer nobody lists, a process nobody confines.
#[derive(Clone, Copy)]
enum Fact {
    /// The object is a device node: major, minor.
    Device(u32, u32),
    /// The object lies in procfs, outside the directories of processes.
    Setting,
    /// The object is a control file of a cgroup.
    Cgroup,
    /// The object is a queue of the message queue filesystem.
    Queue,
    /// An ioctl command.
    Command(u32),
    /// A socket is made: family, type, protocol.
    Socket(u32, u32, u32),
    /// The capability asked for.
    Capability(u32),
}
use Fact::{Capability, Cgroup, Command, Device, Queue, Setting, Socket};

/// What becomes of a way out.
#[derive(Clone, Copy)]
enum Way {
    /// A hook that fired says no.
    Closed(&'static [Fact]),
    /// Closed by a hook that the probe which recorded the matrix did not attach.
    ClosedBeyond(Hook),
    /// Nothing leaves by it, because…
    Harmless(&'static str),
}
use Way::{Closed, ClosedBeyond, Harmless};

const OUTSIDE: Way = Closed(&[]);
const TCP4: Fact = Socket(AF_INET, 1, 0);
const UDP4: Fact = Socket(AF_INET, 2, 0);
const SYS_ADMIN: Fact = Capability(21);
const OWN_KEYS: &str = "the keys of a confined account stay with it";
const MEMORY: &str = "memory of the node";
const OWN_TERMINAL: &str = "a terminal of the session's own";

const WAYS: &[(&str, Way)] = &[
    ("nothing", Harmless("does nothing")),
    ("open_creat_w", OUTSIDE),
    ("open_w_existing", OUTSIDE),
    ("open_O_TRUNC", OUTSIDE),
    ("open_O_PATH", Harmless("a descriptor that can neither read nor write")),
    ("O_PATH+procfd_reopen_w", OUTSIDE),
    ("O_TMPFILE", OUTSIDE),
    ("O_TMPFILE+linkat", OUTSIDE),
    ("write_inherited_fd", OUTSIDE),
    ("pwritev_inherited_fd", OUTSIDE),
    ("mmap_shared_w_inherited", OUTSIDE),
    ("mmap_ro_then_mprotect_w", OUTSIDE),
    ("truncate_path", OUTSIDE),
    ("ftruncate_fd", OUTSIDE),
    ("fallocate_fd", OUTSIDE),
    ("mkdir", OUTSIDE),
    ("mkfifo", OUTSIDE),
    ("mknod_blk", OUTSIDE),
    ("symlink(data in target)", OUTSIDE),
    ("link", OUTSIDE),
    ("rename", OUTSIDE),
    ("rename_EXCHANGE", OUTSIDE),
    ("unlink", OUTSIDE),
    ("setxattr", OUTSIDE),
    ("fsetxattr_trusted", OUTSIDE),
    ("chmod", OUTSIDE),
    ("chown", OUTSIDE),
    ("utimensat(mtime data)", OUTSIDE),
    ("ioctl_FICLONE", Closed(&[Command(0x4004_9409)])),
    ("ioctl_FS_IOC_SETFLAGS", Closed(&[Command(0x4008_6602)])),
    ("sendfile_to_file", OUTSIDE),
    ("copy_file_range", OUTSIDE),
    ("splice_pipe_to_file", OUTSIDE),
    ("tee_pipe_pipe", Harmless(MEMORY)),
    ("vmsplice_pipe", Harmless(MEMORY)),
    ("memfd+write", Harmless(MEMORY)),
    ("memfd+reopen_procfd", Harmless(MEMORY)),
    ("uring_setup", Harmless("each thing done through it is judged where it lands")),
    ("uring_openat_w+write", OUTSIDE),
    ("uring_write_inherited", OUTSIDE),
    ("uring_SQPOLL_write", OUTSIDE),
    ("uring_socket+connect", Closed(&[TCP4])),
    ("uring_send_inherited_sock", OUTSIDE),
    ("uring_IOWQ_async_write", OUTSIDE),
    ("aio_write", OUTSIDE),
    ("mount_tmpfs", Closed(&[SYS_ADMIN])),
    ("mount_bind", Closed(&[SYS_ADMIN])),
    ("remount", Closed(&[SYS_ADMIN])),
    ("remount_bind", Closed(&[SYS_ADMIN])),
    ("mount_setattr", Closed(&[SYS_ADMIN])),
    ("fsopen+fsmount", Closed(&[SYS_ADMIN])),
    ("fsmount+write_detached", Closed(&[SYS_ADMIN])),
    ("open_tree_clone+move_mount", Closed(&[SYS_ADMIN])),
    ("umount", Closed(&[SYS_ADMIN])),
    ("unshare_mnt", Closed(&[SYS_ADMIN])),
    ("unshare_net", Closed(&[SYS_ADMIN])),
    ("unshare_user", OUTSIDE),
    ("unshare_user_as_uid1000", OUTSIDE),
    ("setns_net_pid1", Closed(&[SYS_ADMIN])),
    ("name_to+open_by_handle", OUTSIDE),
    ("ptrace_attach_other", OUTSIDE),
    ("process_vm_writev_other", OUTSIDE),
    ("open_/proc/other/mem_w", OUTSIDE),
    ("pidfd_getfd_other", OUTSIDE),
    ("proc_other_fd_reopen_w", OUTSIDE),
    ("proc_other_root_path_w", OUTSIDE),
    ("kill_other", OUTSIDE),
    ("pidfd_send_signal", OUTSIDE),
    ("prlimit_other", OUTSIDE),
    ("sched_setscheduler_other", ClosedBeyond(Hook::TaskSetscheduler)),
    ("fcntl_F_SETOWN_SIGIO", ClosedBeyond(Hook::FileSendSigiotask)),
    ("sysv_shm", OUTSIDE),
    ("sysv_msg", OUTSIDE),
    ("sysv_sem", OUTSIDE),
    ("posix_mq_open+send", Closed(&[Queue])),
    ("shm_open(/dev/shm)", Harmless("a workspace")),
    ("unix_connect_fs+write", Closed(&[Socket(AF_UNIX, 1, 0)])),
    ("unix_connect_abstract", Closed(&[Socket(AF_UNIX, 1, 0)])),
    ("unix_dgram_sendto", Closed(&[Socket(AF_UNIX, 2, 0)])),
    ("unix_bind_fs", Closed(&[Socket(AF_UNIX, 1, 0)])),
    ("socketpair+SCM_RIGHTS", Closed(&[Socket(AF_UNIX, 1, 0)])),
    ("tcp_connect", Closed(&[TCP4])),
    ("tcp_connect+write", Closed(&[TCP4])),
    ("tcp_TFO_sendto", Closed(&[TCP4])),
    ("tcp_v4mapped_connect", Closed(&[Socket(AF_INET6, 1, 0)])),
    ("tcp_connect_AF_UNSPEC", Harmless("ends a connection")),
    ("mptcp_connect", Closed(&[Socket(AF_INET, 1, 262)])),
    ("sctp_socket", Closed(&[Socket(AF_INET, 1, 132)])),
    ("dccp_socket", Closed(&[Socket(AF_INET, 6, 33)])),
    ("udp_sendto", Closed(&[UDP4])),
    ("udp_connect+send", Closed(&[UDP4])),
    ("udp_v6sock_sendto_v4mapped", Closed(&[Socket(AF_INET6, 2, 0)])),
    ("udp_v6sock_sendto_AF_INET", Closed(&[Socket(AF_INET6, 2, 0)])),
    ("icmp_dgram_sendto", Closed(&[Socket(AF_INET, 2, 1)])),
    ("raw_sendto", Closed(&[Socket(AF_INET, 3, 255), Capability(13)])),
    ("packet_send", Closed(&[Socket(17, 3, 0), Capability(13)])),
    ("netlink_send", Closed(&[Socket(16, 3, 15)])),
    ("vsock_connect", Closed(&[Socket(40, 1, 0)])),
    ("af_alg", Closed(&[Socket(38, 5, 0)])),
    ("af_bluetooth", Closed(&[Socket(31, 3, 1)])),
    ("af_xdp", Closed(&[Socket(44, 3, 0), Capability(13)])),
    ("af_tipc", Closed(&[Socket(30, 4, 0)])),
    ("af_rds", Closed(&[Socket(21, 5, 0)])),
    ("af_kcm", Closed(&[Socket(41, 2, 0)])),
    ("listen+accept", Closed(&[TCP4])),
    ("accept_inherited_listener", Closed(&[TCP4])),
    ("listen_no_bind", Closed(&[TCP4])),
    ("write_inherited_tcp", OUTSIDE),
    ("send_inherited_tcp", OUTSIDE),
    ("sendfile_to_inherited_tcp", OUTSIDE),
    ("splice_to_inherited_tcp", OUTSIDE),
    ("sendfile_to_unix", Closed(&[Socket(AF_UNIX, 1, 0)])),
    ("MSG_ZEROCOPY_send", OUTSIDE),
    ("close_tcp_no_data(FIN)", Harmless("the end of a connection somebody unconfined made carries nothing")),
    ("setsockopt_SO_BINDTODEVICE", Harmless("sends nothing; the destination is judged")),
    ("setsockopt_IP_OPTIONS", Harmless("sends nothing; the destination is judged")),
    ("pty_master_write", Harmless(OWN_TERMINAL)),
    ("ioctl_TIOCSTI", Closed(&[Command(0x5412)])),
    ("open_ptmx", Harmless(OWN_TERMINAL)),
    ("write_/dev/kmsg", Closed(&[Device(1, 11)])),
    ("add_key", Harmless(OWN_KEYS)),
    ("keyctl_update", Harmless(OWN_KEYS)),
    ("bpf_map_create", OUTSIDE),
    ("bpf_prog_get_next_id", OUTSIDE),
    ("bpf_link_get_fd_by_id", OUTSIDE),
    ("bpf_link_detach(first)", OUTSIDE),
    ("init_module", Closed(&[Capability(16)])),
    ("finit_module", Closed(&[Capability(16)])),
    ("kexec_load", Closed(&[Capability(22)])),
    ("kexec_file_load", Closed(&[Capability(22)])),
    ("perf_event_open", Closed(&[Capability(38)])),
    ("write_core_pattern", Closed(&[Setting])),
    ("write_modprobe_path", Closed(&[Setting])),
    ("core_dump_self", OUTSIDE),
    ("cgroup_migrate_out", Closed(&[Cgroup])),
    ("clone3_INTO_CGROUP_root", Harmless("the child inherits the mark, wherever it is born")),
    ("setuid_0", Harmless("the mark stays, whoever its bearer becomes")),
    ("setuid_1000", Harmless("the mark stays, whoever its bearer becomes")),
    ("chroot", Harmless("objects are judged, not paths")),
    ("pivot_root", Closed(&[SYS_ADMIN])),
    ("sethostname(data)", Closed(&[SYS_ADMIN])),
    ("prctl_SET_NAME(data)", Harmless("a process's own name, shown by the node as every process's is")),
    ("open_loop-control", Closed(&[Device(10, 237)])),
    ("open_raw_mem", Closed(&[Device(1, 1)])),
    ("open_/dev/fuse", Closed(&[Device(10, 229)])),
    ("userfaultfd", Harmless(MEMORY)),
    ("swapon", Closed(&[SYS_ADMIN])),
    ("acct", Closed(&[Capability(20)])),
    ("quotactl", OUTSIDE),
    ("syslog_clear", Closed(&[Capability(34)])),
    ("process_madvise_other", OUTSIDE),
    ("inotify_add_watch", Harmless("a way to read")),
    ("tun_create", Closed(&[Device(10, 200)])),
    ("exec_self", Harmless("the mark stays, and the role goes")),
];

/// The object of a way.
fn object(facts: &[Fact]) -> Object {
    let mut object = Object { mode: 0o100_666, magic: 0xef53, ..Object::default() };
    for fact in facts {
        match fact {
            Device(major, minor) => {
                object.mode = file::S_IFCHR | 0o666;
                object.rdev = major << 20 | minor;
            }
            Setting => object.magic = file::PROC,
            Cgroup => object.magic = 0x6367_7270,
            Queue => object.magic = 0x1980_0202,
            _ => {}
        }
    }
    object
}

/// What the gate's program on a hook answers to the facts of a way; `Allowed` for hooks that judge nothing here.
fn answer(hook: Hook, facts: &[Fact]) -> Answer {
    let who = Subject::CONFINED;
    let rules = Rules { listen_loopback: true };
    let place = place(&object(facts));
    let unlisted =
        Destination { loopback: false, listener_confined: false, listener_listed: false, listed: false };
    let command = facts.iter().find_map(|f| if let Command(c) = f { Some(*c) } else { None });
    match hook {
        Hook::FileOpen
        | Hook::MmapFile
        | Hook::FileMprotect
        | Hook::PathTruncate
        | Hook::FileTruncate
        | Hook::MmapBackingFile => file::decide(who, Act::Write, place),
        // Through a descriptor: a file's object, or a socket somebody unconfined made. Both say no.
        Hook::FilePermission | Hook::FileReceive => match network::decide_use(who, false, Peer::Foreign) {
            Reason::Allowed => Reason::Allowed,
            _ => file::decide(who, Act::Write, place),
        },
        Hook::FileIoctl | Hook::FileIoctlCompat => {
            command.map_or(Reason::Allowed, |command| file::decide_control(who, command, place))
        }
        Hook::InodeMknod if facts.is_empty() => file::decide(who, Act::DeviceNode, place),
        Hook::InodeCreate
        | Hook::InodeMkdir
        | Hook::InodeSymlink
        | Hook::InodeRename
        | Hook::InodeMknod
        | Hook::InodeUnlink
        | Hook::InodeRmdir
        | Hook::InodeLink => file::decide(who, Act::Name, place),
        Hook::InodeSetattr
        | Hook::InodeSetxattr
        | Hook::InodeRemovexattr
        | Hook::InodeSetAcl
        | Hook::InodeRemoveAcl
        | Hook::InodeFileSetattr => file::decide(who, Act::Metadata, place),
        Hook::SocketCreate => facts
            .iter()
            .find_map(|fact| match fact {
                Socket(family, kind, protocol) => {
                    Some(network::decide_create(who, *family, *kind, *protocol, true))
                }
                _ => None,
            })
            .unwrap_or(Reason::Allowed),
        // A unix socket is judged by hooks that know its peer.
        Hook::SocketConnect if facts.iter().any(|f| matches!(f, Socket(AF_UNIX, ..))) => Reason::Allowed,
        Hook::SocketConnect => network::decide_destination(who, unlisted),
        Hook::SocketSendmsg => network::decide_use(who, false, Peer::Foreign),
        Hook::SocketBind => network::decide_bind(who, false, 4711, rules),
        Hook::SocketListen => network::decide_listen(who, true, false, 0, rules),
        Hook::SocketAccept => network::decide_accept(who, false),
        Hook::UnixStreamConnect | Hook::UnixMaySend => network::decide_peer(who, Peer::Foreign, false),
        Hook::PtraceAccessCheck
        | Hook::TaskKill
        | Hook::TaskSetrlimit
        | Hook::TaskSetscheduler
        | Hook::TaskSetnice
        | Hook::TaskSetioprio
        | Hook::FileSendSigiotask => process::decide_process(who, Subject::FREE),
        Hook::Capable => facts
            .iter()
            .find_map(
                |f| if let Capability(c) = f { Some(process::decide_capability(who, *c)) } else { None },
            )
            .unwrap_or(Reason::Allowed),
        Hook::MsgQueueMsgsnd
        | Hook::MsgQueueMsgctl
        | Hook::ShmShmat
        | Hook::ShmShmctl
        | Hook::SemSemop
        | Hook::SemSemctl => process::decide_shared(who, false),
        Hook::KeyPermission => process::decide_key(who, 3, true),
        Hook::SbMount
        | Hook::SbKernMount
        | Hook::SbRemount
        | Hook::SbUmount
        | Hook::MoveMount
        | Hook::SbPivotroot => process::decide_never(who, Reason::Mount),
        Hook::Bpf | Hook::BpfMap | Hook::BpfProg => process::decide_never(who, Reason::Bpf),
        Hook::UringSqpoll
        | Hook::UringCmd
        | Hook::UringOverrideCreds
        | Hook::KernelReadFile
        | Hook::KernelLoadData
        | Hook::PerfEventOpen
        | Hook::Quotactl
        | Hook::UsernsCreate
        | Hook::LockedDown => process::decide_never(who, Reason::KernelInterface),
        // They carry the mark, note something, or judge what no way of the matrix does.
        _ => Reason::Allowed,
    }
}

/// A way on a kernel: what came of it without the gate, and which of the gate's hooks fired.
struct Recorded {
    kernel: String,
    way: String,
    result: String,
    hooks: Vec<Hook>,
}

fn recorded() -> Vec<Recorded> {
    let mut lines = MATRIX.lines().filter(|line| !line.starts_with('#'));
    let head: Vec<_> = lines.next().unwrap().split('\t').collect();
    let mut all = Vec::new();
    for line in lines {
        let cells: Vec<_> = line.split('\t').collect();
        for (n, title) in head.iter().enumerate().skip(1).step_by(2) {
            let fired = cells.get(n + 1).copied().unwrap_or_default();
            let hooks = fired.split_whitespace();
            all.push(Recorded {
                kernel: title.trim_end_matches(" result").to_owned(),
                way: cells[0].to_owned(),
                result: cells[n].to_owned(),
                hooks: hooks
                    .filter_map(|name| Hook::ALL.iter().find(|hook| hook.name() == name).copied())
                    .collect(),
            });
        }
    }
    all
}

fn way(name: &str) -> Way {
    let found = WAYS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("the matrix has a way that this test does not know: {name}")).1
}

#[test]
fn every_recorded_way_out_is_closed_on_every_recorded_kernel() {
    let mut open = Vec::new();
    let all = recorded();
    assert_eq!(all.len(), 5 * 154, "154 ways on five kernels");
    for Recorded { kernel, way: name, result, hooks } in &all {
        let Closed(facts) = way(name) else { continue };
        // Not there at all on that kernel: nothing was reached that could be judged.
        let absent = matches!(result.as_str(), "ENOENT" | "skip");
        if !absent && !hooks.iter().any(|&hook| answer(hook, facts) != Reason::Allowed) {
            open.push(format!("{name} on {kernel} ({result}): {hooks:?}"));
        }
    }
    assert!(open.is_empty(), "{}", open.join("\n"));
}

#[test]
fn ways_closed_by_later_hooks_are_closed() {
    for (name, way) in WAYS {
        if let ClosedBeyond(hook) = way {
            assert_ne!(answer(*hook, &[]), Reason::Allowed, "{name}");
        }
    }
}

#[test]
fn every_known_way_is_recorded_once_and_every_harmless_one_says_why() {
    let all = recorded();
    for (name, way) in WAYS {
        assert_eq!(all.iter().filter(|r| r.way == *name).count(), 5, "{name}");
        assert_eq!(WAYS.iter().filter(|(other, _)| other == name).count(), 1, "{name}");
        if let Harmless(why) = way {
            assert!(!why.is_empty(), "{name}");
        }
    }
}
