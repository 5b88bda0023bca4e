//! Where a write lands, and whether it may.

use crate::{Answer, Reason, Subject, maps};

/// File type bits of an inode's mode.
pub const S_IFMT: u32 = 0o170_000;
/// A directory.
pub const S_IFDIR: u32 = 0o040_000;
/// Socket.
pub const S_IFSOCK: u32 = 0o140_000;
/// Block device.
pub const S_IFBLK: u32 = 0o060_000;
/// Character device.
pub const S_IFCHR: u32 = 0o020_000;
/// Pipe.
pub const S_IFIFO: u32 = 0o010_000;

/// `SB_KERNMOUNT`: a filesystem nobody but the kernel can mount; paths do not lead there.
pub const SB_KERNMOUNT: u64 = 1 << 22;
/// `SB_SUBMOUNT`: mounted by the kernel while walking a path (NFS).
pub const SB_SUBMOUNT: u64 = 1 << 26;

const TMPFS: u64 = 0x0102_1994;
/// procfs.
pub const PROC: u64 = 0x9fa0;
const CGROUP2: u64 = 0x6367_7270;
const PIPEFS: u64 = 0x5049_5045;
const SOCKFS: u64 = 0x534f_434b;
const ANON_INODE: u64 = 0x0904_1934;
const SECRETMEM: u64 = 0x5345_434d;
const PIDFS: u64 = 0x5049_4446;

/// What a hook knows about an object: plain numbers read from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Object {
    /// The inode's mode.
    pub mode: u32,
    /// The device a device node stands for.
    pub rdev: u32,
    /// 0, [`maps::ZONE_WORKSPACE`] or [`maps::ZONE_SPOOL`]: what the walk up the parents met first.
    pub zone: u32,
    /// The filesystem's magic number.
    pub magic: u64,
    /// The superblock's flags.
    pub sb_flags: u64,
    /// The inode belongs to a confined account.
    pub own: bool,
    /// A terminal whose other end a confined task opened, or the controlling terminal of the caller.
    pub session_terminal: bool,
    /// The filesystem's root directory belongs to a confined account.
    pub own_filesystem: bool,
    /// In procfs: below the directory of a process, and not one of its identity files.
    pub process_entry: bool,
    /// Policy lists the device node.
    pub device_listed: bool,
    /// How many names the inode has.
    pub links: u32,
    /// Every one of them was made where it is seen: inside.
    pub homes_inside: bool,
    /// Nameless memory: somebody confined made it.
    pub own_memory: bool,
}

/// Where an object is, as far as leaving the node is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A zone for work.
    Workspace,
    /// The way out.
    Spool,
    /// Memory: a memfd or shared memory without a name that somebody confined made, event descriptors, anonymous pipes.
    Memory,
    /// Memory without a name that somebody unconfined made: he may be looking.
    LentMemory,
    /// The session's own: a tmpfs whose root belongs to the confined account (`/run/user/…`), a delegated cgroup,
    /// an entry of a process.
    Session,
    /// The session's terminal.
    Terminal,
    /// A harmless or listed device.
    Device,
    /// Any other device.
    ForeignDevice,
    /// A socket, reached as a file.
    Socket,
    /// Inside by this name; where its other names are, nobody knows.
    OtherHome,
    /// It could not be found out.
    Unresolved,
    /// Everything else.
    Outside,
}

/// A filesystem whose tree changes only through this kernel: no server, cluster or user-space program moves a directory
/// behind its back.
#[inline(always)]
#[must_use]
pub const fn changes_only_here(magic: u64) -> bool {
    const EXT4: u64 = 0xef53;
    const XFS: u64 = 0x5846_5342;
    const BTRFS: u64 = 0x9123_683e;
    matches!(magic, EXT4 | XFS | BTRFS | TMPFS)
}

/// Does an inode of this filesystem stand for memory without a name? (The kernel's own tmpfs is also `/dev`, where
/// nothing is anybody's memory.)
#[inline(always)]
#[must_use]
pub const fn is_memory(magic: u64, sb_flags: u64) -> bool {
    magic == SECRETMEM || (magic == TMPFS && sb_flags & SB_KERNMOUNT != 0)
}

/// Does a descriptor that is open for writing lead on where no hook sees what goes? A named pipe outside the zones: what
/// moves into it from another pipe passes no hook. A ring: whoever made it may have given it files, or another's name.
#[inline(always)]
#[must_use]
pub const fn leads_on(mode: u32, magic: u64, zone: u32, ring: bool) -> bool {
    if magic == ANON_INODE {
        return ring;
    }
    mode & S_IFMT == S_IFIFO && magic != PIPEFS && !matches!(zone, maps::ZONE_WORKSPACE | maps::ZONE_SPOOL)
}

/// What is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Opened, for reading only.
    Read,
    /// Opened for writing, written, mapped writable and shared.
    Write,
    /// A name made, moved or removed.
    Name,
    /// A device node made.
    DeviceNode,
    /// Mode, owner, times, size, attributes.
    Metadata,
    /// Given one more name.
    Link,
}

const fn major(device: u32) -> u32 {
    device >> 20
}

const fn minor(device: u32) -> u32 {
    device & 0xf_ffff
}

/// null, zero, full, random, urandom, `/dev/tty`, `/dev/ptmx`.
#[inline(always)]
const fn harmless(device: u32) -> bool {
    (major(device) == 1 && matches!(minor(device), 3 | 5 | 7 | 8 | 9))
        || (major(device) == 5 && matches!(minor(device), 0 | 2))
}

/// Is it a pseudo terminal's slave?
#[inline(always)]
const fn pseudo_terminal(device: u32) -> bool {
    major(device) >= 136 && major(device) <= 143
}

/// Virtual consoles, serial and hypervisor lines.
#[inline(always)]
const fn line(device: u32) -> bool {
    matches!(major(device), 4 | 204 | 229)
}

/// Where an object is.
#[inline(always)]
#[must_use]
pub const fn place(object: &Object) -> Place {
    let kind = object.mode & S_IFMT;
    if kind == S_IFBLK {
        return Place::ForeignDevice;
    }
    if kind == S_IFCHR {
        // A terminal belongs to the session when its owner is confined. One that belongs to root may be another
        // session's: it must be the caller's own, or (sudo's) made by somebody confined.
        if (pseudo_terminal(object.rdev) && (object.own || object.session_terminal))
            || (line(object.rdev) && object.own)
        {
            return Place::Terminal;
        }
        if harmless(object.rdev) || object.device_listed {
            return Place::Device;
        }
        return Place::ForeignDevice;
    }
    let other_home = object.links > 1 && !object.homes_inside && kind != S_IFDIR;
    match object.zone {
        maps::ZONE_WORKSPACE | maps::ZONE_SPOOL if other_home => return Place::OtherHome,
        maps::ZONE_WORKSPACE => return Place::Workspace,
        maps::ZONE_SPOOL => return Place::Spool,
        0 => {}
        _ => return Place::Unresolved,
    }
    match object.magic {
        SOCKFS => Place::Socket,
        PIPEFS | ANON_INODE | PIDFS => Place::Memory,
        magic if is_memory(magic, object.sb_flags) => {
            if object.own_memory {
                Place::Memory
            } else {
                Place::LentMemory
            }
        }
        TMPFS if object.own_filesystem => Place::Session,
        CGROUP2 if object.own => Place::Session,
        PROC if object.process_entry => Place::Session,
        _ => Place::Outside,
    }
}

/// Does it matter for reading where an object of this mode is? Only a device's answer can be no.
#[inline(always)]
#[must_use]
pub const fn reading_depends_on_place(mode: u32) -> bool {
    matches!(mode & S_IFMT, S_IFCHR | S_IFBLK)
}

/// May it?
#[inline(always)]
#[must_use]
pub const fn decide(subject: Subject, act: Act, place: Place) -> Answer {
    if !subject.confined {
        return Reason::Allowed;
    }
    if matches!(act, Act::DeviceNode) {
        return Reason::Device;
    }
    match place {
        Place::Workspace | Place::Memory | Place::Session | Place::Terminal | Place::Socket => {
            Reason::Allowed
        }
        Place::Spool if subject.locked && !matches!(act, Act::Read) => Reason::Lockdown,
        Place::Spool => Reason::Allowed,
        Place::Device if matches!(act, Act::Read | Act::Write) => Reason::Allowed,
        Place::Device | Place::ForeignDevice => Reason::Device,
        // One more name inside changes nothing but a count.
        Place::OtherHome if matches!(act, Act::Read | Act::Link) => Reason::Allowed,
        Place::Outside | Place::LentMemory | Place::Unresolved if matches!(act, Act::Read) => Reason::Allowed,
        Place::OtherHome => Reason::OtherHome,
        Place::Unresolved => Reason::Unresolved,
        Place::Outside | Place::LentMemory => Reason::OutsideZones,
    }
}

/// May this control reach this object? Outside the zones only controls that carry nothing in.
#[inline(always)]
#[must_use]
pub const fn decide_control(subject: Subject, command: u32, place: Place) -> Answer {
    if !subject.confined {
        return Reason::Allowed;
    }
    // Typing into a terminal: before linux 6.2 the shell that reads it may be an unconfined one that ran `su`.
    if matches!(command, TIOCSTI | TIOCLINUX) {
        return Reason::KernelInterface;
    }
    match place {
        Place::ForeignDevice => Reason::Device,
        Place::Outside | Place::LentMemory | Place::OtherHome | Place::Unresolved | Place::Spool
            if carries_data_in(command) =>
        {
            decide(subject, Act::Metadata, place)
        }
        _ => Reason::Allowed,
    }
}

/// Puts a character into a terminal's input.
const TIOCSTI: u32 = 0x5412;
/// Selects and pastes on a virtual console.
const TIOCLINUX: u32 = 0x541c;

/// `_IOW` commands take data; so do a few that were numbered otherwise.
const fn carries_data_in(command: u32) -> bool {
    const FS_IOC_SET_ENCRYPTION_POLICY: u32 = 0x800c_6613;
    const FIFREEZE: u32 = 0xc004_5877;
    const FITHAW: u32 = 0xc004_5878;
    const FIDEDUPERANGE: u32 = 0xc018_9436;
    command >> 30 == 1 || matches!(command, FS_IOC_SET_ENCRYPTION_POLICY | FIFREEZE | FITHAW | FIDEDUPERANGE)
}
