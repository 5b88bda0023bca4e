//! Keys and values of the maps. Every key carries the policy's *epoch*: a reload writes the new entries beside the
//! old ones and then changes one number, so no hook ever sees half a policy.

/// Version of what outlives an upgrade: marks, sockets and their ends, listeners, locks, terminals, homes of files, what
/// a session has shown. A gate of another version of these does not start beside them: a mark that is not understood
/// must not be forgotten.
pub const MARKS_VERSION: u32 = 3;
/// Version of everything else here. Pins of another version are not reused.
pub const VERSION: u32 = 3;

/// Most uid ranges.
pub const RANGES: usize = 8;
/// How far up a dentry's parents are followed; deeper is outside.
pub const DEPTH: usize = 48;
/// How many levels of cgroups are looked at.
pub const CGROUP_LEVELS: i32 = 4;

/// Task storage: the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Mark {
    /// `MARK_…`
    pub flags: u32,
    /// The session's account: login uid if set, else the real uid when marked.
    pub account: u32,
    /// The session: nanoseconds since boot at which its transport was marked; 0 when it began otherwise. Copied to
    /// every child, so whatever the session starts, `sudo` included, tells it. Without [`MARK_CONFINED`] nobody's session,
    /// but a note of the kernel programs' own.
    pub session: u64,
}
/// The task is confined. Never cleared.
pub const MARK_CONFINED: u32 = 1;
/// The task is the session's transport. Cleared at exec.
pub const MARK_TRANSPORT: u32 = 2;
/// The transport has been handed a terminal, where somebody types. Cleared at exec, like the role.
pub const MARK_TERMINAL: u32 = 4;

/// It has executed nothing since it was marked: what it would hand to a program has not been looked at.
pub const MARK_BEGINNING: u32 = 8;

/// What the run over all tasks says for a thread it marked, and for one it could not.
pub const THREAD_MARKED: u8 = b'+';
/// See [`THREAD_MARKED`].
pub const THREAD_FAILED: u8 = b'!';

/// Socket storage: who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct SocketMark {
    /// 1: made by a confined task, so each destination it has was judged.
    pub owned: u32,
    /// `END_…`: for a connection on loopback that it opened, who answered.
    pub answered: u32,
    /// The account of the session that made it, for records that no task stands behind.
    pub account: u32,
    /// The process that made it, likewise.
    pub pid: u32,
}
/// Not known.
pub const END_UNKNOWN: u32 = 0;
/// A socket made by a confined task.
pub const END_CONFINED: u32 = 1;
/// Any other socket.
pub const END_STRANGER: u32 = 2;

/// A TCP connection within the node, from the side that opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct ConnectionKey {
    /// Network namespace.
    pub namespace: u32,
    /// Port of the side that opened it.
    pub from_port: u16,
    /// Port of the side that answered.
    pub to_port: u16,
    /// Address of the side that opened it.
    pub from: [u8; 16],
    /// Address of the side that answered.
    pub to: [u8; 16],
}
/// Value beside a [`ConnectionKey`]: who answered, `END_…`.
pub const CONNECTION_ANSWERED: u32 = 3;
/// Value beside a [`ConnectionKey`]: who opened it, `END_…` shifted by this.
pub const CONNECTION_OPENED_SHIFT: u32 = 2;

/// Switches and ranges of one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Config {
    /// `CONFIG_…`
    pub flags: u32,
    /// How many of `ranges` are used.
    pub ranges_used: u32,
    /// No account below this one is confined.
    pub lowest: u32,
    /// Padding.
    pub unused: u32,
    /// Inclusive uid ranges that are confined.
    pub ranges: [UidRange; RANGES],
    /// One bit for each zone, see [`filter_place`]: what has none is no zone, and need not be looked up.
    pub filter: [u64; FILTER_WORDS],
}
/// Words of the filter of zones.
pub const FILTER_WORDS: usize = 32;
/// The word and bit that stand for an inode number in the filter; a whole filesystem has its device number's.
#[inline(always)]
#[must_use]
pub const fn filter_place(number: u64) -> (usize, u64) {
    let folded = number ^ number >> 11 ^ number >> 22;
    (folded as usize >> 6 & (FILTER_WORDS - 1), 1 << (folded & 63))
}
/// Record, but allow.
pub const CONFIG_AUDIT: u32 = 1;
/// Confined processes may listen on loopback.
pub const CONFIG_LISTEN_LOOPBACK: u32 = 4;

/// An inclusive range of uids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct UidRange {
    /// First.
    pub first: u32,
    /// Last.
    pub last: u32,
}

/// An inode, in one epoch: zones, transport executables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct NodeKey {
    /// Inode number.
    pub inode: u64,
    /// Epoch; for homes of files the inode's generation.
    pub epoch: u32,
    /// Kernel device number (major << 20 | minor).
    pub device: u32,
}
/// Value in `ZONES`: a directory subtree that is a workspace.
pub const ZONE_WORKSPACE: u32 = 1;
/// Value in `ZONES`: a spool.
pub const ZONE_SPOOL: u32 = 2;
/// Not a zone: the walk ended before an answer.
pub const ZONE_UNRESOLVED: u32 = 3;
/// Inode number that stands for the whole superblock.
pub const WHOLE_FILESYSTEM: u64 = 0;

/// A number in one epoch: uids, devices, loopback ports, cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct NumberKey {
    /// The number.
    pub number: u64,
    /// Epoch.
    pub epoch: u32,
    /// What the number is: `NUMBER_…`.
    pub kind: u32,
}
/// An account; value [`UID_CONFINED`] or [`UID_EXEMPT`].
pub const NUMBER_UID: u32 = 1;
/// A character device policy lists (kernel device number).
pub const NUMBER_DEVICE: u32 = 2;
/// `protocol << 16 | port` of a trusted listener on loopback.
pub const NUMBER_LOOPBACK: u32 = 3;
/// A cgroup (its id) whose subtree is confined.
pub const NUMBER_CGROUP: u32 = 4;
/// Value of a uid that is confined.
pub const UID_CONFINED: u32 = 1;
/// Value of a uid that is exempt.
pub const UID_EXEMPT: u32 = 2;

/// Key of the destinations trie, after the prefix length: epoch, protocol and port exactly, then the address by prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct DestinationKey {
    /// Epoch.
    pub epoch: u32,
    /// 6 or 17.
    pub protocol: u16,
    /// Host byte order.
    pub port: u16,
    /// IPv6, or IPv4 mapped into it.
    pub address: [u8; 16],
}
/// Bits of a [`DestinationKey`] before the address.
pub const DESTINATION_FIXED_BITS: u32 = 64;

/// Bytes of a unix socket's path.
pub const UNIX_PATH: usize = 108;
/// Value in `UNIX_PATHS`: reachable until a lock.
pub const UNIX_LISTED: u32 = 1;
/// Value in `UNIX_PATHS`: reachable in lockdown too (it tells people why, and lets nothing out by itself).
pub const UNIX_KEPT: u32 = 2;
/// A unix socket of an unconfined peer that may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct UnixKey {
    /// Epoch.
    pub epoch: u32,
    /// The path the listener bound, zero padded.
    pub path: [u8; UNIX_PATH],
}

/// Who listened last on a TCP port of a network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct ListenerKey {
    /// Network namespace.
    pub namespace: u32,
    /// Port, host byte order.
    pub port: u32,
}

/// Value beside a [`ListenerKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Listener {
    /// 1: the listener was confined.
    pub confined: u32,
    /// The address it is bound to.
    pub address: [u8; 16],
}

/// Somebody whose way out is frozen. Outside the epochs: a lock outlives every policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(C)]
pub struct LockKey {
    /// `LOCK_…`
    pub kind: u32,
    /// The account; 0 for everyone.
    pub number: u32,
}
/// Everybody confined.
pub const LOCK_EVERYONE: u32 = 0;
/// One account: whose session it is, or whose process.
pub const LOCK_ACCOUNT: u32 = 1;

/// Counters, by index in `COUNTERS`.
pub const COUNTERS: u32 = 4;
/// Denials (in audit mode: would-be denials).
pub const COUNT_DENIALS: u32 = 0;
/// Records that found the ring full.
pub const COUNT_LOST: u32 = 1;
/// Times the task storage could not be read and the fall-back decided.
pub const COUNT_FALLBACK: u32 = 2;

const _: () = {
    assert!(size_of::<Mark>() == 16);
    assert!(size_of::<SocketMark>() == 16);
    assert!(size_of::<ConnectionKey>() == 40);
    assert!(size_of::<Config>() == 16 + 8 * RANGES + 8 * FILTER_WORDS);
    assert!(FILTER_WORDS.is_power_of_two());
    assert!(size_of::<NodeKey>() == 16);
    assert!(size_of::<NumberKey>() == 16);
    assert!(size_of::<DestinationKey>() == 24);
    assert!(size_of::<UnixKey>() == 112);
    assert!(size_of::<ListenerKey>() == 8);
    assert!(size_of::<Listener>() == 20);
    assert!(size_of::<LockKey>() == 8);
};
