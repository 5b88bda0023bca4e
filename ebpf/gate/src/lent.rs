//! What a program is handed as it begins in a confined session. Bytes that move from pipe to pipe (`splice`, `tee`,
//! `vmsplice`) and orders in a ring that is there already pass no hook, so descriptors for them must not come along.
//!
//! Looked at once for each session, when it executes its first program: later ones get nothing of the kind, because
//! opening and receiving it is refused.

use crate::layout::{
    LOOP_DEPTH, OFF_DENTRY_INODE, OFF_DENTRY_NAME, OFF_DENTRY_PARENT, OFF_FILE_DENTRY, OFF_FILE_INODE,
    OFF_FILE_MODE, OFF_FILES_TABLE, OFF_INODE_INO, OFF_INODE_MODE, OFF_INODE_SB, OFF_SB_DEV, OFF_SB_MAGIC,
    OFF_TABLE_CLOSING, OFF_TABLE_FILES, OFF_TABLE_SIZE, OFF_TASK_FILES, field, setting,
};
use crate::maps::ZONES;
use crate::subject::current_task;
use aya_ebpf::helpers::{bpf_loop, bpf_probe_read_kernel};
use core::ffi::c_void;
use sekisho_abi::file::{S_IFIFO, S_IFMT, leads_on};
use sekisho_abi::maps::{NodeKey, WHOLE_FILESYSTEM, ZONE_UNRESOLVED};

/// Most descriptors that are looked at; a larger table counts as holding everything.
const MOST: u32 = 1 << 16;
const FMODE_WRITE: u32 = 2;
/// Beginning of the name of a ring's file.
const RING: [u8; 8] = *b"[io_urin";
/// No descriptor.
const NONE: u32 = u32::MAX;

/// What one look has to know, and what it says.
struct Look {
    files: u64,
    /// Those that close at exec do not come along; 0: nobody knows which.
    closing: u64,
    epoch: u32,
    found: u32,
}

/// The first descriptor of the current task that leads on unseen, if any comes along. Where `closed`, those that close
/// at exec are closed already.
#[inline(never)]
pub fn first_lent(epoch: u32, closed: u32) -> u32 {
    // SAFETY: a field of the current task; everything behind it is read with a checking helper.
    unsafe {
        let files = field::<u64>(current_task(), &raw const OFF_TASK_FILES);
        let Some(table) = at::<u64>(files, &raw const OFF_FILES_TABLE) else { return 0 };
        let Some(size) = at::<u32>(table, &raw const OFF_TABLE_SIZE) else { return 0 };
        let Some(files) = at::<u64>(table, &raw const OFF_TABLE_FILES) else { return 0 };
        let closing = if closed == 0 { at(table, &raw const OFF_TABLE_CLOSING).unwrap_or(0) } else { 0 };
        if size > MOST {
            return MOST;
        }
        let mut look = Look { files, closing, epoch, found: NONE };
        let callback: extern "C" fn(u64, *mut Look) -> i64 = look_at;
        let rounds = bpf_loop(size, callback as *mut c_void, (&raw mut look).cast(), 0);
        if rounds < 0 { 0 } else { look.found }
    }
}

/// Is it a descriptor?
#[inline(always)]
pub const fn is_lent(found: u32) -> bool {
    found != NONE
}

/// One descriptor: 1 ends the loop.
#[inline(never)]
extern "C" fn look_at(index: u64, look: *mut Look) -> i64 {
    // SAFETY: the context of the loop; everything else is read with a checking helper.
    unsafe {
        let look = &mut *look;
        let Ok(file) = bpf_probe_read_kernel((look.files + index * 8) as *const u64) else {
            look.found = index as u32;
            return 1;
        };
        if file == 0 || (look.closing != 0 && closes(look.closing, index)) {
            return 0;
        }
        if leads_out(file, look.epoch).unwrap_or(true) {
            look.found = index as u32;
            return 1;
        }
    }
    0
}

#[inline(always)]
unsafe fn closes(bits: u64, index: u64) -> bool {
    let word = unsafe { bpf_probe_read_kernel((bits + index / 64 * 8) as *const u64) }.unwrap_or(0);
    word >> (index & 63) & 1 != 0
}

/// `None`: something could not be read.
#[inline(always)]
unsafe fn leads_out(file: u64, epoch: u32) -> Option<bool> {
    unsafe {
        if at::<u32>(file, &raw const OFF_FILE_MODE)? & FMODE_WRITE == 0 {
            return Some(false);
        }
        let inode = at::<u64>(file, &raw const OFF_FILE_INODE)?;
        let mode = u32::from(at::<u16>(inode, &raw const OFF_INODE_MODE)?);
        let sb = at::<u64>(inode, &raw const OFF_INODE_SB)?;
        let magic = at::<u64>(sb, &raw const OFF_SB_MAGIC)?;
        let dentry = at::<u64>(file, &raw const OFF_FILE_DENTRY)?;
        let ring = bpf_probe_read_kernel(at::<u64>(dentry, &raw const OFF_DENTRY_NAME)? as *const [u8; 8])
            .map_or(true, |name| name == RING);
        let mut zone = 0;
        if mode & S_IFMT == S_IFIFO {
            zone = zone_around(dentry, at(sb, &raw const OFF_SB_DEV)?, epoch);
        }
        Some(leads_on(mode, magic, zone, ring))
    }
}

/// Where a walk is.
struct Walk {
    here: u64,
    epoch: u32,
    device: u32,
    zone: u32,
}

/// The zone around a name; as `zone::walk`, of pointers that the verifier does not know.
#[inline(always)]
unsafe fn zone_around(dentry: u64, device: u32, epoch: u32) -> u32 {
    unsafe {
        if let Some(zone) = ZONES.get(&NodeKey { device, epoch, inode: WHOLE_FILESYSTEM }) {
            return *zone;
        }
        let mut walk = Walk { here: dentry, epoch, device, zone: ZONE_UNRESOLVED };
        let callback: extern "C" fn(u64, *mut Walk) -> i64 = step;
        bpf_loop(setting(&raw const LOOP_DEPTH), callback as *mut c_void, (&raw mut walk).cast(), 0);
        walk.zone
    }
}

/// One name: 1 ends the walk.
#[inline(never)]
extern "C" fn step(_: u64, walk: *mut Walk) -> i64 {
    // SAFETY: the context of the walk; everything else is read with a checking helper.
    unsafe {
        let walk = &mut *walk;
        let number = at::<u64>(walk.here, &raw const OFF_DENTRY_INODE)
            .and_then(|inode| at::<u64>(inode, &raw const OFF_INODE_INO));
        // Unreadable: unresolved.
        let Some(inode) = number else { return 1 };
        if let Some(zone) = ZONES.get(&NodeKey { device: walk.device, epoch: walk.epoch, inode }) {
            walk.zone = *zone;
            return 1;
        }
        let parent = at::<u64>(walk.here, &raw const OFF_DENTRY_PARENT).unwrap_or(walk.here);
        if parent == walk.here {
            walk.zone = 0;
            return 1;
        }
        walk.here = parent;
    }
    0
}

/// A field of a kernel object that is nothing but an address here.
#[inline(always)]
unsafe fn at<T: Copy>(base: u64, offset: *const u32) -> Option<T> {
    unsafe { bpf_probe_read_kernel((base + u64::from(setting(offset))) as *const T) }.ok()
}
