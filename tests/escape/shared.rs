//! Memory, semaphores and queues that processes share by name: made, written and looked into.

use nix::errno::Errno;
use std::ffi::CString;

/// What System V offers.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Shared memory.
    Memory,
    /// One semaphore.
    Semaphore,
    /// A message queue.
    Queue,
}

const SIZE: usize = 4096;

/// Any number is a key; this one never is `IPC_PRIVATE`.
fn key(number: u32) -> i32 {
    number.cast_signed() | 1
}

/// Makes one that everybody may use.
pub(crate) fn make(kind: Kind, number: u32) -> anyhow::Result<()> {
    // SAFETY: integers only.
    Errno::result(unsafe {
        match kind {
            Kind::Memory => libc::shmget(key(number), SIZE, libc::IPC_CREAT | 0o666),
            Kind::Semaphore => libc::semget(key(number), 1, libc::IPC_CREAT | 0o666),
            Kind::Queue => libc::msgget(key(number), libc::IPC_CREAT | 0o666),
        }
    })?;
    Ok(())
}

/// Removes it.
pub(crate) fn remove(kind: Kind, number: u32) {
    // SAFETY: integers only, and a null that the command does not use.
    unsafe {
        match kind {
            Kind::Memory => {
                libc::shmctl(libc::shmget(key(number), 0, 0), libc::IPC_RMID, std::ptr::null_mut())
            }
            Kind::Semaphore => libc::semctl(libc::semget(key(number), 1, 0), 0, libc::IPC_RMID),
            Kind::Queue => libc::msgctl(libc::msgget(key(number), 0), libc::IPC_RMID, std::ptr::null_mut()),
        };
    }
}

/// Nine bits of the number, readable at least by their owner.
fn mode_of(number: u32) -> u32 {
    0o400 | number & 0o277
}

/// What the kernel keeps about one.
fn permissions(kind: Kind, number: u32) -> nix::Result<(i32, All)> {
    // SAFETY: all zeros is valid for these plain structures; they outlive the calls.
    unsafe {
        let mut all: All = std::mem::zeroed();
        let id = Errno::result(match kind {
            Kind::Memory => libc::shmget(key(number), 0, 0),
            Kind::Semaphore => libc::semget(key(number), 1, 0),
            Kind::Queue => libc::msgget(key(number), 0),
        })?;
        Errno::result(match kind {
            Kind::Memory => libc::shmctl(id, libc::IPC_STAT, (&raw mut all).cast()),
            Kind::Semaphore => libc::semctl(id, 0, libc::IPC_STAT, &raw mut all),
            Kind::Queue => libc::msgctl(id, libc::IPC_STAT, (&raw mut all).cast()),
        })?;
        Ok((id, all))
    }
}

/// Each kind's structure begins with the permissions; this is longer than any.
#[repr(C)]
struct All {
    permissions: libc::ipc_perm,
    rest: [u64; 32],
}

/// Sets the mode to bits of the number.
pub(crate) fn set_mode(kind: Kind, number: u32) -> nix::Result<()> {
    let (id, mut all) = permissions(kind, number)?;
    all.permissions.mode = mode_of(number).try_into().map_err(|_| Errno::ERANGE)?;
    // SAFETY: as above.
    Errno::result(unsafe {
        match kind {
            Kind::Memory => libc::shmctl(id, libc::IPC_SET, (&raw mut all).cast()),
            Kind::Semaphore => libc::semctl(id, 0, libc::IPC_SET, &raw mut all),
            Kind::Queue => libc::msgctl(id, libc::IPC_SET, (&raw mut all).cast()),
        }
    })
    .map(drop)
}

/// Are those bits its mode?
pub(crate) fn mode_is(kind: Kind, number: u32) -> bool {
    permissions(kind, number).is_ok_and(|(_, all)| u32::from(all.permissions.mode) & 0o777 == mode_of(number))
}

fn attach(number: u32, flags: i32) -> nix::Result<*mut u8> {
    // SAFETY: a mapping of the kernel's choice, which nobody here refers to otherwise.
    unsafe {
        let at = libc::shmat(Errno::result(libc::shmget(key(number), 0, 0))?, std::ptr::null(), flags);
        if at.addr() == usize::MAX { Err(Errno::last()) } else { Ok(at.cast()) }
    }
}

/// Writes at the beginning of the memory.
pub(crate) fn write_memory(number: u32, bytes: &[u8]) -> nix::Result<()> {
    let at = attach(number, 0)?;
    // SAFETY: the segment is longer than any canary; detached before anybody can see it again.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), at, bytes.len().min(SIZE));
        Errno::result(libc::shmdt(at.cast())).map(drop)
    }
}

/// Does the memory begin with this?
pub(crate) fn memory_has(number: u32, bytes: &[u8]) -> bool {
    let Ok(at) = attach(number, libc::SHM_RDONLY) else { return false };
    // SAFETY: the segment is longer than any canary, and stays until it is detached.
    unsafe {
        let same = std::slice::from_raw_parts(at, bytes.len().min(SIZE)) == bytes;
        libc::shmdt(at.cast());
        same
    }
}

/// Adds to the semaphore.
pub(crate) fn raise(number: u32, by: i32) -> nix::Result<()> {
    let by = i16::try_from(by).map_err(|_| Errno::ERANGE)?;
    let mut operation = libc::sembuf { sem_num: 0, sem_op: by, sem_flg: 0 };
    // SAFETY: one operation, as said.
    unsafe {
        let set = Errno::result(libc::semget(key(number), 1, 0))?;
        Errno::result(libc::semop(set, &raw mut operation, 1)).map(drop)
    }
}

/// Sets the semaphore.
pub(crate) fn set(number: u32, to: i32) -> nix::Result<()> {
    // SAFETY: integers only.
    unsafe {
        let set = Errno::result(libc::semget(key(number), 1, 0))?;
        Errno::result(libc::semctl(set, 0, libc::SETVAL, to)).map(drop)
    }
}

/// The semaphore's value.
pub(crate) fn value(number: u32) -> Option<i32> {
    // SAFETY: integers only.
    let value = unsafe { libc::semctl(libc::semget(key(number), 1, 0), 0, libc::GETVAL) };
    (value >= 0).then_some(value)
}

#[repr(C)]
struct Message {
    kind: libc::c_long,
    text: [u8; 64],
}

/// Sends a message.
pub(crate) fn send(number: u32, bytes: &[u8]) -> nix::Result<()> {
    let mut message = Message { kind: 1, text: [0; 64] };
    message.text[..bytes.len()].copy_from_slice(bytes);
    // SAFETY: the message begins with its type and has as much text as said.
    unsafe {
        let queue = Errno::result(libc::msgget(key(number), 0))?;
        let at = (&raw const message).cast();
        Errno::result(libc::msgsnd(queue, at, bytes.len(), libc::IPC_NOWAIT)).map(drop)
    }
}

/// Takes the next message: was it this?
pub(crate) fn queue_has(number: u32, bytes: &[u8]) -> bool {
    let mut message = Message { kind: 0, text: [0; 64] };
    // SAFETY: the buffer is as long as said, after its type.
    let got = unsafe {
        let at = (&raw mut message).cast();
        libc::msgrcv(libc::msgget(key(number), 0), at, message.text.len(), 0, libc::IPC_NOWAIT)
    };
    got > 0 && message.text.starts_with(bytes)
}

/// Opens a POSIX queue; closed with the process.
fn open_posix(name: &str, flags: i32) -> nix::Result<i32> {
    let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the name is terminated; the mode and no attributes follow where a queue is made.
    Errno::result(unsafe {
        libc::mq_open(name.as_ptr(), flags | libc::O_NONBLOCK, 0o666, std::ptr::null::<libc::mq_attr>())
    })
}

fn close(queue: i32) {
    // SAFETY: ours.
    unsafe { libc::close(queue) };
}

/// Makes a queue that everybody may use.
pub(crate) fn create_posix(name: &str) -> nix::Result<()> {
    open_posix(name, libc::O_RDWR | libc::O_CREAT).map(close)
}

/// The same, for the witness.
pub(crate) fn make_posix(name: &str) -> anyhow::Result<()> {
    remove_posix(name);
    Ok(create_posix(name)?)
}

/// Is there such a queue?
pub(crate) fn exists_posix(name: &str) -> bool {
    open_posix(name, libc::O_RDONLY).map(close).is_ok()
}

/// Sends a message.
pub(crate) fn send_posix(name: &str, bytes: &[u8]) -> nix::Result<()> {
    let queue = open_posix(name, libc::O_WRONLY)?;
    // SAFETY: the buffer is as long as said.
    let sent = Errno::result(unsafe { libc::mq_send(queue, bytes.as_ptr().cast(), bytes.len(), 0) });
    close(queue);
    sent.map(drop)
}

/// Takes the next message: was it this?
pub(crate) fn posix_has(name: &str, bytes: &[u8]) -> bool {
    let Ok(queue) = open_posix(name, libc::O_RDONLY) else { return false };
    let mut text = vec![0_u8; 65_536];
    // SAFETY: the buffer is as long as said.
    let got = unsafe { libc::mq_receive(queue, text.as_mut_ptr().cast(), text.len(), std::ptr::null_mut()) };
    close(queue);
    got > 0 && text.starts_with(bytes)
}

/// Removes it.
pub(crate) fn remove_posix(name: &str) {
    if let Ok(name) = CString::new(name) {
        // SAFETY: the name is terminated.
        unsafe { libc::mq_unlink(name.as_ptr()) };
    }
}
