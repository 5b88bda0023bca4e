//! The record of a denial, as it travels through the ring buffer.

/// Bytes kept of a name.
pub const NAME: usize = 40;

/// One denial (in audit mode: would-be denial).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Event {
    /// Nanoseconds since boot.
    pub time: u64,
    /// Cgroup id of the task.
    pub cgroup: u64,
    /// Inode number of the object; 0 when there is none.
    pub inode: u64,
    /// A number the hook adds: capability, signal, command, socket family.
    pub number: u64,
    /// Process id.
    pub pid: u32,
    /// Real uid.
    pub uid: u32,
    /// Login uid, or `u32::MAX`.
    pub loginuid: u32,
    /// Kernel device number of the object.
    pub device: u32,
    /// [`crate::hook::Hook`].
    pub hook: u16,
    /// Port, host byte order.
    pub port: u16,
    /// [`crate::Reason`].
    pub reason: u8,
    /// 1: denied; 0: audit mode let it through.
    pub denied: u8,
    /// What `name`, `address` and `number` hold: `OBJECT_…`.
    pub object: u8,
    /// Unused, zero.
    pub unused: u8,
    /// IPv6, or IPv4 mapped into it.
    pub address: [u8; 16],
    /// Command name.
    pub comm: [u8; 16],
    /// Last name component of the object, or a unix socket's path; cut at [`NAME`].
    pub name: [u8; NAME],
}

/// A file: device, inode, name.
pub const OBJECT_FILE: u8 = 1;
/// An internet address and port.
pub const OBJECT_ADDRESS: u8 = 2;
/// A unix socket: name.
pub const OBJECT_UNIX: u8 = 3;
/// Only the number.
pub const OBJECT_NUMBER: u8 = 4;
/// A process: its id in the number.
pub const OBJECT_PROCESS: u8 = 5;

/// Bytes of an [`Event`].
pub const SIZE: usize = size_of::<Event>();
const _: () = assert!(SIZE == 128);

impl Event {
    /// Reads a record as the ring holds it; `None` when it has another size.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SIZE] = bytes.try_into().ok()?;
        Some(Self {
            time: u64::from_ne_bytes(part(bytes, 0)?),
            cgroup: u64::from_ne_bytes(part(bytes, 8)?),
            inode: u64::from_ne_bytes(part(bytes, 16)?),
            number: u64::from_ne_bytes(part(bytes, 24)?),
            pid: u32::from_ne_bytes(part(bytes, 32)?),
            uid: u32::from_ne_bytes(part(bytes, 36)?),
            loginuid: u32::from_ne_bytes(part(bytes, 40)?),
            device: u32::from_ne_bytes(part(bytes, 44)?),
            hook: u16::from_ne_bytes(part(bytes, 48)?),
            port: u16::from_ne_bytes(part(bytes, 50)?),
            reason: bytes[52],
            denied: bytes[53],
            object: bytes[54],
            unused: bytes[55],
            address: part(bytes, 56)?,
            comm: part(bytes, 72)?,
            name: part(bytes, 88)?,
        })
    }
}

fn part<const N: usize>(bytes: &[u8; SIZE], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

// `parse` reads the fields where the kernel programs put them.
const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(Event, time) == 0 && offset_of!(Event, cgroup) == 8 && offset_of!(Event, inode) == 16);
    assert!(offset_of!(Event, number) == 24 && offset_of!(Event, pid) == 32 && offset_of!(Event, uid) == 36);
    assert!(
        offset_of!(Event, loginuid) == 40 && offset_of!(Event, device) == 44 && offset_of!(Event, hook) == 48
    );
    assert!(
        offset_of!(Event, port) == 50 && offset_of!(Event, reason) == 52 && offset_of!(Event, denied) == 53
    );
    assert!(offset_of!(Event, object) == 54 && offset_of!(Event, address) == 56);
    assert!(offset_of!(Event, comm) == 72 && offset_of!(Event, name) == 88);
};
