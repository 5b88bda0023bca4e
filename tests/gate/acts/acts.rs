//! The acts: each succeeds without the gate and is refused with EPERM by it.

use crate::Act;
use crate::controls::errno;
use crate::ground::{ABSTRACT, PORT, inside, outside, own_address};
use crate::lend::{borrow, receive};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, RenameFlags, open, renameat2};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mprotect, munmap};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, UnixAddr,
    accept, bind, connect, listen, send, sendto, socket,
};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use nix::sys::uio::pwrite;
use nix::unistd::{Pid, linkat, mkdir, mkfifo, symlinkat, truncate};
use std::fs;
use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::process::Command;

use crate::shared::{
    announce_a_group, ask_by_key, attach_foreign_memory, change_foreign_semaphore, limit_unconfined,
    schedule_unconfined, send_to_queue, set_foreign_semaphore, write_to_roots_keyring,
};

const fn act(name: &'static str, hook: &'static str, run: fn() -> nix::Result<()>) -> Act {
    Act { name, hook, root: false, lent: false, run }
}

const fn as_root(name: &'static str, hook: &'static str, run: fn() -> nix::Result<()>) -> Act {
    Act { name, hook, root: true, lent: false, run }
}

const fn lent(name: &'static str, hook: &'static str, run: fn() -> nix::Result<()>) -> Act {
    Act { name, hook, root: false, lent: true, run }
}

pub(crate) const ACTS: &[Act] = &[
    act("open_for_writing", "file_open", || write_open(&outside("target"))),
    act("open_through_symlink", "file_open", open_through_symlink),
    act("open_through_proc_fd", "file_open", open_through_proc_fd),
    act("open_named_pipe", "file_open", || open(&outside("fifo"), OFlag::O_RDWR, Mode::empty()).map(drop)),
    as_root("open_as_root", "file_open", || write_open(&outside("target"))),
    as_root("open_disk", "file_open", || write_open(Path::new("/dev/vda"))),
    as_root("open_sysctl", "file_open", || write_open(Path::new("/proc/sys/kernel/core_pattern"))),
    as_root("create_in_dev", "inode_create", || {
        undone(Path::new("/dev/sekisho-acts"), |p| {
            open(p, OFlag::O_WRONLY | OFlag::O_CREAT, Mode::S_IRWXU).map(drop)
        })
    }),
    as_root("create_cgroup", "inode_mkdir", || {
        undone(Path::new("/sys/fs/cgroup/sekisho-acts"), |p| mkdir(p, Mode::S_IRWXU))
    }),
    lent("write_borrowed_file", "file_permission", || pwrite(&borrow()?.file, b"x", 0).map(drop)),
    lent("sendfile_to_borrowed_socket", "file_permission", sendfile_to_borrowed_socket),
    lent("map_borrowed_file", "mmap_file", || map(ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, false)),
    lent("map_then_protect", "file_mprotect", || map(ProtFlags::PROT_READ, true)),
    act("create_file", "inode_create", create_file),
    act("create_directory", "inode_mkdir", || undone(&outside("dir"), |p| mkdir(p, Mode::S_IRWXU))),
    act("create_symlink", "inode_symlink", || {
        undone(&outside("symlink"), |p| symlinkat("data", AT_FDCWD, p))
    }),
    act("link_out", "inode_link", link_out),
    act("link_in", "inode_link", link_in),
    act("rename_out", "inode_rename", rename_out),
    act("rename_exchange", "inode_rename", rename_exchange),
    act("create_pipe", "inode_mknod", || undone(&outside("pipe"), |p| mkfifo(p, Mode::S_IRWXU))),
    as_root("create_device", "inode_mknod", create_device),
    act("change_mode", "inode_setattr", || {
        fchmodat(AT_FDCWD, &outside("own"), Mode::S_IRUSR | Mode::S_IWUSR, FchmodatFlags::FollowSymlink)
    }),
    act("truncate", "inode_setattr", || truncate(&outside("own"), 3)),
    act("set_times", "inode_setattr", set_times),
    act("set_attribute", "inode_setxattr", set_attribute),
    act("remove_file", "inode_unlink", remove_file),
    act("remove_directory", "inode_rmdir", remove_directory),
    act("set_file_flags", "file_ioctl", set_file_flags),
    act("netlink_socket", "socket_create", || {
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::empty(), SockProtocol::NetlinkKObjectUEvent)
            .map(drop)
    }),
    as_root("packet_socket", "socket_create", || {
        socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), None).map(drop)
    }),
    as_root("raw_socket", "socket_create", || {
        socket(AddressFamily::Inet, SockType::Raw, SockFlag::empty(), SockProtocol::Icmp).map(drop)
    }),
    act("connect_outside", "socket_connect", || connect_to(peer())),
    act("connect_loopback", "socket_connect", || connect_to(SockaddrIn::new(127, 0, 0, 1, PORT))),
    act("connect_unspecified", "socket_connect", || connect_to(SockaddrIn::new(0, 0, 0, 0, PORT))),
    act("connect_v4_mapped", "socket_connect", connect_v4_mapped),
    act("send_datagram", "socket_sendmsg", || {
        let fd = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::empty(), None)?;
        sendto(fd.as_raw_fd(), b"x", &peer(), MsgFlags::empty()).map(drop)
    }),
    act("send_fast_open", "socket_sendmsg", || {
        let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None)?;
        sendto(fd.as_raw_fd(), b"x", &peer(), MsgFlags::from_bits_retain(libc::MSG_FASTOPEN)).map(drop)
    }),
    lent("send_borrowed_socket", "socket_sendmsg", || {
        send(borrow()?.stream.as_raw_fd(), b"x", MsgFlags::empty()).map(drop)
    }),
    lent("send_borrowed_unix", "socket_sendmsg", || {
        send(borrow()?.unix.as_raw_fd(), b"x", MsgFlags::empty()).map(drop)
    }),
    act("bind_everywhere", "socket_bind", || {
        let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None)?;
        bind(fd.as_raw_fd(), &SockaddrIn::new(0, 0, 0, 0, 47_002))
    }),
    act("listen_everywhere", "socket_listen", || {
        let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None)?;
        listen(&fd, Backlog::new(1)?)
    }),
    lent("accept_borrowed_listener", "socket_accept", || accept(borrow()?.listener.as_raw_fd()).map(drop)),
    act("connect_unix_peer", "unix_stream_connect", || {
        let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None)?;
        connect(fd.as_raw_fd(), &UnixAddr::new(&outside("peer.sock"))?)
    }),
    act("connect_abstract_peer", "unix_stream_connect", || {
        let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None)?;
        connect(fd.as_raw_fd(), &UnixAddr::new_abstract(ABSTRACT)?)
    }),
    act("send_unix_datagram", "unix_may_send", || {
        let fd = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::empty(), None)?;
        sendto(fd.as_raw_fd(), b"x", &UnixAddr::new(&outside("peer.dgram"))?, MsgFlags::MSG_DONTWAIT)
            .map(drop)
    }),
    act("child_writes", "task_alloc", || shell_writes("sh")),
    as_root("become_somebody_exempt", "task_fix_setuid", || {
        nix::unistd::setuid(1002.into())?;
        write_open(&outside("target"))
    }),
    act("new_session_writes", "bprm_check_security", || shell_writes("setsid")),
    as_root("look_into_unconfined", "ptrace_access_check", look_into),
    as_root("trace_unconfined", "capable", trace),
    as_root("signal_unconfined", "task_kill", || nix::sys::signal::kill(lender()?, None)),
    as_root("mount", "sb_mount", mount),
    as_root("set_host_name", "capable", || {
        let name = nix::unistd::gethostname()?;
        nix::unistd::sethostname(name)
    }),
    act("create_bpf_map", "bpf", bpf),
    act("receive_descriptor", "file_receive", receive),
    act("make_user_namespace", "userns_create", || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER)
    }),
    act("truncate_by_path", "path_truncate", || truncate(&outside("own"), 4)),
    lent("truncate_borrowed_file", "file_truncate", || nix::unistd::ftruncate(&borrow()?.file, 8)),
    as_root("write_to_roots_keyring", "key_permission", write_to_roots_keyring),
    act("ask_the_network_by_a_key", "key_alloc", ask_by_key),
    act("attach_foreign_memory", "shm_shmat", attach_foreign_memory),
    act("change_foreign_semaphore", "sem_semop", change_foreign_semaphore),
    act("set_foreign_semaphore", "sem_semctl", set_foreign_semaphore),
    as_root("limit_unconfined", "task_setrlimit", limit_unconfined),
    as_root("schedule_unconfined", "task_setscheduler", schedule_unconfined),
    act("announce_a_group", "socket_setsockopt", announce_a_group),
    act("send_to_queue", "msg_queue_msgsnd", send_to_queue),
];

fn write_open(path: &Path) -> nix::Result<()> {
    open(path, OFlag::O_WRONLY, Mode::empty()).map(drop)
}

/// Does it, and takes it back where it worked.
fn undone(path: &Path, run: impl Fn(&Path) -> nix::Result<()>) -> nix::Result<()> {
    run(path)?;
    let _ = fs::remove_dir(path);
    let _ = fs::remove_file(path);
    Ok(())
}

fn open_through_symlink() -> nix::Result<()> {
    let link = inside("link");
    symlinkat(&outside("target"), AT_FDCWD, &link)?;
    let opened = write_open(&link);
    let _ = fs::remove_file(link);
    opened
}

fn open_through_proc_fd() -> nix::Result<()> {
    let fd = open(&outside("target"), OFlag::O_PATH, Mode::empty())?;
    write_open(Path::new(&format!("/proc/self/fd/{}", fd.as_raw_fd())))
}

fn sendfile_to_borrowed_socket() -> nix::Result<()> {
    let borrowed = borrow()?;
    let path = inside("sent");
    fs::write(&path, "data").map_err(errno)?;
    let file = fs::File::open(&path).map_err(errno)?;
    let _ = fs::remove_file(&path);
    // SAFETY: both descriptors are open; no offset is passed.
    let sent =
        unsafe { libc::sendfile(borrowed.stream.as_raw_fd(), file.as_raw_fd(), std::ptr::null_mut(), 4) };
    Errno::result(sent).map(drop)
}

fn map(protection: ProtFlags, later: bool) -> nix::Result<()> {
    let borrowed = borrow()?;
    let length = NonZeroUsize::new(4096).ok_or(Errno::EINVAL)?;
    // SAFETY: a fresh mapping nobody else refers to, only of pages of the file; unmapped before the end.
    unsafe {
        let at = mmap(None, length, protection, MapFlags::MAP_SHARED, borrowed.file.as_fd(), 0)?;
        let done =
            if later { mprotect(at, 4096, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE) } else { Ok(()) };
        munmap(at, 4096)?;
        done
    }
}

fn create_file() -> nix::Result<()> {
    undone(&outside("created"), |path| {
        open(path, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, Mode::S_IRWXU).map(drop)
    })
}

fn link_out() -> nix::Result<()> {
    let own = inside("linked");
    fs::write(&own, "x").map_err(errno)?;
    let done = undone(&outside("linked"), |path| linkat(AT_FDCWD, &own, AT_FDCWD, path, AtFlags::empty()));
    let _ = fs::remove_file(own);
    done
}

fn link_in() -> nix::Result<()> {
    undone(&inside("home"), |path| linkat(AT_FDCWD, &outside("own"), AT_FDCWD, path, AtFlags::empty()))
}

fn rename_out() -> nix::Result<()> {
    let own = inside("renamed");
    fs::write(&own, "x").map_err(errno)?;
    let done = undone(&outside("renamed"), |path| fs::rename(&own, path).map_err(errno));
    let _ = fs::remove_file(own);
    done
}

fn rename_exchange() -> nix::Result<()> {
    let own = inside("exchanged");
    fs::write(&own, "x").map_err(errno)?;
    let swap = || renameat2(AT_FDCWD, &own, AT_FDCWD, &outside("moved"), RenameFlags::RENAME_EXCHANGE);
    let done = swap().and_then(|()| swap());
    let _ = fs::remove_file(&own);
    done
}

fn create_device() -> nix::Result<()> {
    use nix::sys::stat::{SFlag, makedev, mknod};
    undone(&inside("null"), |path| mknod(path, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 3)))
}

fn set_times() -> nix::Result<()> {
    use nix::sys::stat::{UtimensatFlags, utimensat};
    use nix::sys::time::TimeSpec;
    let time = TimeSpec::new(1_000_000_007, 0);
    utimensat(AT_FDCWD, &outside("own"), &time, &time, UtimensatFlags::FollowSymlink)
}

fn set_attribute() -> nix::Result<()> {
    let path = c_path(&outside("own"))?;
    // SAFETY: both strings are terminated; the value has the length given.
    let done = unsafe { libc::setxattr(path.as_ptr(), c"user.acts".as_ptr(), b"x".as_ptr().cast(), 1, 0) };
    Errno::result(done).map(drop)
}

fn c_path(path: &Path) -> nix::Result<std::ffi::CString> {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

fn remove_file() -> nix::Result<()> {
    nix::unistd::unlink(&outside("victim"))?;
    fs::write(outside("victim"), "outside\n").map_err(errno)
}

fn remove_directory() -> nix::Result<()> {
    fs::remove_dir(outside("emptied")).map_err(errno)?;
    fs::create_dir(outside("emptied")).map_err(errno)
}

/// Sets the flags a file already has.
fn set_file_flags() -> nix::Result<()> {
    let fd = open(&outside("own"), OFlag::O_RDONLY, Mode::empty())?;
    let mut flags: libc::c_long = 0;
    // SAFETY: both controls take a pointer to one long (in effect an int), which outlives the calls.
    unsafe {
        Errno::result(libc::ioctl(fd.as_raw_fd(), libc::FS_IOC_GETFLAGS, &raw mut flags))?;
        Errno::result(libc::ioctl(fd.as_raw_fd(), libc::FS_IOC_SETFLAGS, &raw const flags)).map(drop)
    }
}

/// The unconfined peer at an address that is not loopback, where this node has one.
fn peer() -> SockaddrIn {
    let [a, b, c, d] = own_address().unwrap_or(Ipv4Addr::LOCALHOST).octets();
    SockaddrIn::new(a, b, c, d, PORT)
}

fn connect_to(address: SockaddrIn) -> nix::Result<()> {
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None)?;
    connect(fd.as_raw_fd(), &address)
}

fn connect_v4_mapped() -> nix::Result<()> {
    let fd = socket(AddressFamily::Inet6, SockType::Stream, SockFlag::empty(), None)?;
    let address = std::net::SocketAddrV6::new(peer().ip().to_ipv6_mapped(), PORT, 0, 0);
    connect(fd.as_raw_fd(), &SockaddrIn6::from(address))
}

/// A shell, as a child or in a session of its own, writes outside; its failure is ours.
fn shell_writes(program: &str) -> nix::Result<()> {
    let script = format!("echo x >> {} 2>/dev/null", outside("target").display());
    let mut command = Command::new(program);
    if program != "sh" {
        command.args(["-w", "sh"]);
    }
    let status = command.args(["-c", &script]).status().map_err(errno)?;
    if status.success() { Ok(()) } else { write_open(&outside("target")).and(Err(Errno::ECHILD)) }
}

/// The lender: root, unconfined.
pub(crate) fn lender() -> nix::Result<Pid> {
    let text = fs::read_to_string(outside("pid")).map_err(errno)?;
    text.trim().parse().map(Pid::from_raw).map_err(|_| Errno::EINVAL)
}

/// Where another process keeps its locks: needs the right to look into it.
fn look_into() -> nix::Result<()> {
    let (mut head, mut length) = (0usize, 0usize);
    let pid = lender()?.as_raw();
    // SAFETY: both pointers are to words that outlive the call.
    Errno::result(unsafe { libc::syscall(libc::SYS_get_robust_list, pid, &raw mut head, &raw mut length) })
        .map(drop)
}

fn trace() -> nix::Result<()> {
    let pid = lender()?.as_raw();
    // SAFETY: PTRACE_SEIZE takes a process id and two zeros; the tracer's end lets its tracee go.
    Errno::result(unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0) }).map(drop)
}

fn mount() -> nix::Result<()> {
    use nix::mount::{MsFlags, mount, umount};
    let at = inside("mount");
    mkdir(&at, Mode::S_IRWXU)?;
    let done = mount(Some("none"), &at, Some("tmpfs"), MsFlags::empty(), None::<&str>);
    if done.is_ok() {
        umount(&at)?;
    }
    let _ = fs::remove_dir(at);
    done
}

/// An array map of one element.
fn bpf() -> nix::Result<()> {
    const BPF_MAP_CREATE: libc::c_int = 0;
    let attr: [u32; 18] = std::array::from_fn(|i| [2, 4, 4, 1].get(i).copied().unwrap_or(0));
    // SAFETY: `attr` is the beginning of `union bpf_attr` for this command, and outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, BPF_MAP_CREATE, attr.as_ptr(), size_of_val(&attr)) };
    Errno::result(fd).map(drop)
}
