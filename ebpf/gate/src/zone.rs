//! Where a write lands: the walk from an object up its parents, and what is known about the object itself.
//!
//! Objects are matched, not paths: symlinks, bind mounts, `/proc/PID/root` and mount namespaces change nothing.

use crate::layout::{
    LOOP_DEPTH, OFF_DENTRY_INODE, OFF_DENTRY_NAME, OFF_DENTRY_PARENT, OFF_INODE_INO, OFF_INODE_MODE,
    OFF_INODE_RDEV, OFF_INODE_SB, OFF_INODE_UID, OFF_SB_DEV, OFF_SB_FLAGS, OFF_SB_MAGIC, OFF_SB_ROOT, field,
    setting,
};
use crate::maps::{NUMBERS, ZONES};
use crate::subject::account;
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_probe_read_kernel};
use sekisho_abi::file::{Object, PROC, Place, S_IFCHR, S_IFMT, place};
use sekisho_abi::maps::{NUMBER_DEVICE, NodeKey, NumberKey, WHOLE_FILESYSTEM};

/// The zone a dentry lies in, 0 for none. Too deep is none.
#[inline(never)]
unsafe fn zone_of(dentry: *const u8, device: u32, epoch: u32) -> u32 {
    unsafe {
        let whole = NodeKey { device, epoch, inode: WHOLE_FILESYSTEM };
        if let Some(zone) = ZONES.get(&whole) {
            return *zone;
        }
        let mut at = dentry;
        for _ in 0..setting(&raw const LOOP_DEPTH) {
            let inode: *const u8 = field(at, &raw const OFF_DENTRY_INODE);
            if !inode.is_null() {
                let key = NodeKey { device, epoch, inode: field(inode, &raw const OFF_INODE_INO) };
                if let Some(zone) = ZONES.get(&key) {
                    return *zone;
                }
            }
            let parent: *const u8 = field(at, &raw const OFF_DENTRY_PARENT);
            if parent == at || parent.is_null() {
                return 0;
            }
            at = parent;
        }
        0
    }
}

/// In procfs: does it belong to the process that asks, and is it neither its `net`, nor the file that holds the login
/// uid, nor those that offer a process to the kernel when memory runs out? What belongs to another process holds numbers
/// of that process, perhaps one of the node's daemons; its memory alone is asked about again, as `ptrace_access_check`.
#[inline(never)]
unsafe fn process_entry(dentry: *const u8) -> bool {
    const LOGINUID: [u8; 8] = *b"loginuid";
    const OOM: [u8; 4] = *b"oom_";
    const NET: [u8; 4] = *b"net\0";
    const MEM: [u8; 4] = *b"mem\0";
    const DEEPEST: usize = 6;
    unsafe {
        let name = name_starts(dentry);
        if name == LOGINUID || name[..4] == OOM {
            return false;
        }
        let mut at = dentry;
        for _ in 0..DEEPEST {
            // `/proc/PID/net` is the network namespace's, not the process's.
            if name_starts(at)[..4] == NET {
                return false;
            }
            let parent: *const u8 = field(at, &raw const OFF_DENTRY_PARENT);
            if parent.is_null() || parent == at {
                return false;
            }
            let above: *const u8 = field(parent, &raw const OFF_DENTRY_PARENT);
            if above == parent {
                let top = name_starts(at);
                return is_own_number(top) || (name[..4] == MEM && top[0].is_ascii_digit());
            }
            at = parent;
        }
        false
    }
}

/// Is the name the current process's id?
#[inline(always)]
fn is_own_number(name: [u8; 8]) -> bool {
    let mut number = 0_u32;
    for byte in name {
        if !byte.is_ascii_digit() {
            break;
        }
        number = number.wrapping_mul(10).wrapping_add(u32::from(byte - b'0'));
    }
    number != 0 && number == (bpf_get_current_pid_tgid() >> 32) as u32
}

#[inline(always)]
unsafe fn name_starts(dentry: *const u8) -> [u8; 8] {
    unsafe {
        let name: *const [u8; 8] = field(dentry, &raw const OFF_DENTRY_NAME);
        bpf_probe_read_kernel(name).unwrap_or([0; 8])
    }
}

/// What is known about an object: `dentry` says where it is, its inode what it is. A name not yet made has no inode:
/// then `parent_of_new` says whose filesystem it will be on.
#[inline(always)]
unsafe fn object(dentry: *const u8, inode: *const u8, epoch: u32) -> Object {
    let mut object = Object::default();
    unsafe {
        object.mode = u32::from(field::<u16>(inode, &raw const OFF_INODE_MODE));
        let kind = object.mode & S_IFMT;
        let uid: u32 = field(inode, &raw const OFF_INODE_UID);
        object.roots = uid == 0;
        if kind == S_IFCHR {
            object.rdev = field(inode, &raw const OFF_INODE_RDEV);
            object.own = account(uid, epoch).0;
            let key = NumberKey { number: u64::from(object.rdev), epoch, kind: NUMBER_DEVICE };
            object.device_listed = NUMBERS.get(&key).is_some();
            return object;
        }
        let sb: *const u8 = field(inode, &raw const OFF_INODE_SB);
        if sb.is_null() {
            return object;
        }
        object.zone = zone_of(dentry, field(sb, &raw const OFF_SB_DEV), epoch);
        if object.zone != 0 {
            return object;
        }
        object.magic = field(sb, &raw const OFF_SB_MAGIC);
        object.sb_flags = field(sb, &raw const OFF_SB_FLAGS);
        if object.magic == PROC {
            object.process_entry = process_entry(dentry);
            return object;
        }
        object.own = account(uid, epoch).0;
        let root: *const u8 = field(sb, &raw const OFF_SB_ROOT);
        if !root.is_null() {
            let top: *const u8 = field(root, &raw const OFF_DENTRY_INODE);
            if !top.is_null() {
                object.own_filesystem = account(field(top, &raw const OFF_INODE_UID), epoch).0;
            }
        }
    }
    object
}

/// Where an existing object is.
///
/// # Safety
/// `dentry` comes from the kernel and is not null.
#[inline(always)]
pub unsafe fn place_of(dentry: *const u8, epoch: u32) -> Place {
    unsafe {
        let inode: *const u8 = field(dentry, &raw const OFF_DENTRY_INODE);
        if inode.is_null() { Place::Outside } else { place(&object(dentry, inode, epoch)) }
    }
}

/// Where a name that is about to be made will be: where its directory is.
///
/// # Safety
/// `dentry` comes from the kernel and is not null.
#[inline(always)]
pub unsafe fn place_of_name(dentry: *const u8, epoch: u32) -> Place {
    unsafe {
        let parent: *const u8 = field(dentry, &raw const OFF_DENTRY_PARENT);
        if parent.is_null() { Place::Outside } else { place_of(parent, epoch) }
    }
}
