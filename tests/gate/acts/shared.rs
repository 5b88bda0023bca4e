//! Acts on what processes share: System V objects, keys, limits, groups.

use crate::acts::lender;
use crate::ground::QUEUE;
use nix::errno::Errno;

/// A System V message of one byte.
fn send(queue: libc::c_int) -> nix::Result<()> {
    let message = (1 as libc::c_long, [b'x'; 8]);
    // SAFETY: the message begins with its type, as msgsnd wants it, and has one byte of text.
    Errno::result(unsafe { libc::msgsnd(queue, (&raw const message).cast(), 1, libc::IPC_NOWAIT) }).map(drop)
}

pub(crate) fn send_to_queue() -> nix::Result<()> {
    // SAFETY: msgget takes integers only.
    send(Errno::result(unsafe { libc::msgget(QUEUE, 0) })?)
}

pub(crate) fn attach_foreign_memory() -> nix::Result<()> {
    // SAFETY: integers only.
    attach(Errno::result(unsafe { libc::shmget(QUEUE, 0, 0) })?)
}

fn attach(id: libc::c_int) -> nix::Result<()> {
    // SAFETY: the kernel chooses a fresh place, and nobody else refers to it until it is detached.
    unsafe {
        let at = libc::shmat(id, std::ptr::null(), 0);
        if at.addr() == usize::MAX {
            return Err(Errno::last());
        }
        at.cast::<u8>().write_volatile(b'x');
        Errno::result(libc::shmdt(at)).map(drop)
    }
}

fn foreign_semaphore() -> nix::Result<libc::c_int> {
    // SAFETY: integers only.
    Errno::result(unsafe { libc::semget(QUEUE, 0, 0) })
}

fn raise(id: libc::c_int) -> nix::Result<()> {
    let mut act = libc::sembuf { sem_num: 0, sem_op: 1, sem_flg: libc::IPC_NOWAIT as libc::c_short };
    // SAFETY: one operation, which outlives the call.
    Errno::result(unsafe { libc::semop(id, &raw mut act, 1) }).map(drop)
}

pub(crate) fn change_foreign_semaphore() -> nix::Result<()> {
    raise(foreign_semaphore()?)
}

pub(crate) fn set_foreign_semaphore() -> nix::Result<()> {
    let id = foreign_semaphore()?;
    // SAFETY: SETVAL takes an integer.
    match Errno::result(unsafe { libc::semctl(id, 0, libc::SETVAL, 7) }) {
        // The kernel says so whatever a security module said.
        Err(Errno::EACCES) => Err(Errno::EPERM),
        other => other.map(drop),
    }
}

/// A queue, a segment and a semaphore of our own.
pub(crate) fn own_shared_objects() -> nix::Result<()> {
    // SAFETY: the getters take integers only; what was made is removed before the end.
    unsafe {
        let queue = Errno::result(libc::msgget(libc::IPC_PRIVATE, 0o600))?;
        let memory = Errno::result(libc::shmget(libc::IPC_PRIVATE, 4096, 0o600))?;
        let semaphore = Errno::result(libc::semget(libc::IPC_PRIVATE, 1, 0o600))?;
        let done = send(queue).and_then(|()| attach(memory)).and_then(|()| raise(semaphore));
        libc::msgctl(queue, libc::IPC_RMID, std::ptr::null_mut());
        libc::shmctl(memory, libc::IPC_RMID, std::ptr::null_mut());
        libc::semctl(semaphore, 0, libc::IPC_RMID);
        done
    }
}

const USER_KEYRING: libc::c_long = -4;
const PROCESS_KEYRING: libc::c_long = -2;

fn add_key(keyring: libc::c_long) -> nix::Result<libc::c_long> {
    // SAFETY: both strings are terminated, the payload has the length given.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_add_key,
            c"user".as_ptr(),
            c"sekisho-acts".as_ptr(),
            b"x".as_ptr(),
            1,
            keyring,
        )
    })
}

pub(crate) fn write_to_roots_keyring() -> nix::Result<()> {
    add_key(USER_KEYRING).map(drop)
}

pub(crate) fn own_keys() -> nix::Result<()> {
    add_key(PROCESS_KEYRING)?;
    add_key(USER_KEYRING).map(drop)
}

/// The kernel would start a program of root's to find the key. No such program here: `ENOKEY` is success.
pub(crate) fn ask_by_key() -> nix::Result<()> {
    // SAFETY: the strings are terminated.
    let key = Errno::result(unsafe {
        libc::syscall(
            libc::SYS_request_key,
            c"asymmetric".as_ptr(),
            c"data.example.org".as_ptr(),
            c"".as_ptr(),
            PROCESS_KEYRING,
        )
    });
    match key {
        Ok(_) | Err(Errno::ENOKEY) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Sets a limit of the lender to what it is.
pub(crate) fn limit_unconfined() -> nix::Result<()> {
    let pid = lender()?.as_raw();
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let resource = libc::RLIMIT_CORE;
    // SAFETY: each pointer is to a limit that outlives the call, or null.
    unsafe {
        Errno::result(libc::prlimit(pid, resource, std::ptr::null(), &raw mut limit))?;
        Errno::result(libc::prlimit(pid, resource, &raw const limit, std::ptr::null_mut())).map(drop)
    }
}

pub(crate) fn schedule_unconfined() -> nix::Result<()> {
    let parameter = libc::sched_param { sched_priority: 0 };
    let pid = lender()?.as_raw();
    // SAFETY: the parameter outlives the call.
    Errno::result(unsafe { libc::sched_setscheduler(pid, libc::SCHED_OTHER, &raw const parameter) }).map(drop)
}

/// Joins a multicast group, which the kernel announces.
pub(crate) fn announce_a_group() -> nix::Result<()> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").map_err(crate::controls::errno)?;
    socket
        .join_multicast_v4(&std::net::Ipv4Addr::new(239, 1, 2, 3), &std::net::Ipv4Addr::LOCALHOST)
        .map_err(crate::controls::errno)
}
