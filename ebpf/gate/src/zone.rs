//! Where a write lands: the walk from an object up its parents, and what is known about the object itself.
//!
//! Objects are matched, not paths: symlinks, bind mounts, `/proc/PID/root` and mount namespaces change nothing. What a
//! walk found is kept with the directory it began at, and believed only while no rename can have changed it.

use crate::layout::{
    FILE_PATH_BELIEVED, LOOP_DEPTH, OFF_DENTRY_INODE, OFF_DENTRY_NAME, OFF_DENTRY_PARENT, OFF_FILE_INODE,
    OFF_INODE_GENERATION, OFF_INODE_INO, OFF_INODE_LINKS, OFF_INODE_MODE, OFF_INODE_RDEV, OFF_INODE_SB,
    OFF_INODE_UID, OFF_SB_DEV, OFF_SB_FLAGS, OFF_SB_MAGIC, OFF_SB_ROOT, field, rename_sequence, setting,
};
use crate::maps::{HOMES, NUMBERS, OWN_MEMORY, PLACES, ZONES, count};
use crate::subject::{account, config, confined};
use crate::terminal::session_terminal;
use aya_ebpf::bindings::BPF_LOCAL_STORAGE_GET_F_CREATE;
use aya_ebpf::helpers::{
    bpf_get_current_pid_tgid, bpf_inode_storage_get, bpf_jiffies64, bpf_loop, bpf_probe_read_kernel,
};
use core::ffi::c_void;
use core::ptr::{null_mut, read_volatile, write_volatile};
use sekisho_abi::file::{
    Act, Object, PROC, Place, S_IFCHR, S_IFDIR, S_IFMT, changes_only_here, is_memory, place,
    reading_depends_on_place,
};
use sekisho_abi::maps::{
    COUNT_FALLBACK, Config, NUMBER_DEVICE, NodeKey, NumberKey, WHOLE_FILESYSTEM, ZONE_UNRESOLVED,
    filter_place,
};

/// May there be a zone under this number? Spares most look-ups.
#[inline(always)]
fn filtered(config: &Config, number: u64) -> bool {
    let (word, bit) = filter_place(number);
    config.filter.get(word).is_some_and(|present| present & bit != 0)
}

/// The zone an object lies in, 0 for none, [`ZONE_UNRESOLVED`] when it lies too deep to say. `keeping`: the verifier
/// believes `dentry`, so that verdicts can be kept with what is found through it.
///
/// # Safety
/// `dentry` and `inode` come from the kernel, belong together and are not null.
#[inline(always)]
unsafe fn zone_of(
    dentry: *const u8,
    inode: *const u8,
    directory: bool,
    sb: *const u8,
    keeping: bool,
    epoch: u32,
) -> u32 {
    let Some(config) = config(epoch) else { return 0 };
    unsafe {
        let device: u32 = field(sb, &raw const OFF_SB_DEV);
        if filtered(config, u64::from(device)) {
            let whole = NodeKey { device, epoch, inode: WHOLE_FILESYSTEM };
            if let Some(zone) = ZONES.get(&whole) {
                return *zone;
            }
        }
        let mut home = dentry;
        let mut home_inode = inode;
        if !directory {
            // A single file may be a zone; otherwise its directory decides.
            let own: u64 = field(inode, &raw const OFF_INODE_INO);
            if filtered(config, own) {
                if let Some(zone) = ZONES.get(&NodeKey { device, epoch, inode: own }) {
                    return *zone;
                }
            }
            home = field(dentry, &raw const OFF_DENTRY_PARENT);
            if home.is_null() || home == dentry {
                return 0;
            }
            home_inode = field(home, &raw const OFF_DENTRY_INODE);
            if home_inode.is_null() {
                return 0;
            }
        }
        let kept = if keeping { kept_verdict(sb, epoch) } else { 0 };
        if kept == 0 {
            return walk(home, device, epoch);
        }
        let slot = place_slot(home_inode, 0);
        if !slot.is_null() {
            // One load: the verdict and what it holds for are never of two writers.
            let word = read_volatile(slot);
            if word & !ZONE_BITS == kept {
                return (word & ZONE_BITS) as u32;
            }
        }
        let zone = walk(home, device, epoch);
        let slot = place_slot(home_inode, u64::from(BPF_LOCAL_STORAGE_GET_F_CREATE));
        if !slot.is_null() {
            write_volatile(slot, kept | u64::from(zone) & ZONE_BITS);
        }
        zone
    }
}

/// What is kept with a directory.
#[inline(always)]
unsafe fn place_slot(inode: *const u8, flags: u64) -> *mut u64 {
    unsafe { bpf_inode_storage_get(PLACES.as_ptr(), inode.cast_mut().cast(), null_mut(), flags).cast() }
}

/// What a verdict is kept under; 0 when none may be.
///
/// A directory is in one place of its tree, and no directory changes its place without the kernel taking its
/// `rename_lock`: whoever renames, on whatever filesystem, before and after. So the verdict of a walk that began under
/// an even sequence number holds for as long as the number is the same. On filesystems whose tree others change behind
/// the kernel's back nothing is kept. The epoch makes a reload forget everything; the time (minutes) is there so that
/// nobody can wait, or rename, until the sequence number comes round again.
#[inline(always)]
unsafe fn kept_verdict(sb: *const u8, epoch: u32) -> u64 {
    let at = rename_sequence();
    if at == 0 {
        return 0;
    }
    unsafe {
        let magic: u64 = field(sb, &raw const OFF_SB_MAGIC);
        if !changes_only_here(magic) {
            return 0;
        }
        let Ok(sequence) = bpf_probe_read_kernel(at as *const u32) else { return 0 };
        if sequence & 1 != 0 {
            return 0;
        }
        let time = bpf_jiffies64() >> 16 & 0x3fff;
        u64::from(sequence) << 32 | time << 18 | u64::from(epoch & 0xfff) << 6 | KEPT
    }
}

/// Marks a word that was written.
const KEPT: u64 = 1 << 5;
/// The zone's bits of a word.
const ZONE_BITS: u64 = KEPT - 1;

/// Where a walk is.
struct Walk {
    at: *const u8,
    config: &'static Config,
    device: u32,
    epoch: u32,
    zone: u32,
}

/// The walk up from a directory.
#[inline(never)]
unsafe fn walk(directory: *const u8, device: u32, epoch: u32) -> u32 {
    let Some(config) = config(epoch) else { return 0 };
    // Stays so when the steps are used up.
    let mut walk = Walk { at: directory, config, device, epoch, zone: ZONE_UNRESOLVED };
    let callback: extern "C" fn(u64, *mut Walk) -> i64 = step;
    // SAFETY: `step` takes this context. A loop of the kernel's: the verifier looks at one step, not at each.
    unsafe { bpf_loop(setting(&raw const LOOP_DEPTH), callback as *mut c_void, (&raw mut walk).cast(), 0) };
    walk.zone
}

/// One directory: 1 ends the walk.
#[inline(never)]
extern "C" fn step(_: u64, walk: *mut Walk) -> i64 {
    // SAFETY: the context of the walk; its pointers are the kernel's own.
    unsafe {
        let walk = &mut *walk;
        let inode: *const u8 = field(walk.at, &raw const OFF_DENTRY_INODE);
        if !inode.is_null() {
            let inode: u64 = field(inode, &raw const OFF_INODE_INO);
            if filtered(walk.config, inode) {
                if let Some(zone) = ZONES.get(&NodeKey { device: walk.device, epoch: walk.epoch, inode }) {
                    walk.zone = *zone;
                    return 1;
                }
            }
        }
        let parent: *const u8 = field(walk.at, &raw const OFF_DENTRY_PARENT);
        if parent == walk.at || parent.is_null() {
            walk.zone = 0;
            return 1;
        }
        walk.at = parent;
    }
    0
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

/// An inode, by its filesystem and number.
///
/// # Safety
/// `inode` comes from the kernel and is not null.
#[inline(always)]
pub unsafe fn node_of(inode: *const u8) -> Option<NodeKey> {
    unsafe {
        let sb: *const u8 = field(inode, &raw const OFF_INODE_SB);
        if sb.is_null() {
            return None;
        }
        let number: u64 = field(inode, &raw const OFF_INODE_INO);
        Some(NodeKey { inode: number, epoch: 0, device: field(sb, &raw const OFF_SB_DEV) })
    }
}

/// The same file for as long as it is the same: its number may be given to another one, its generation not with it.
#[inline(always)]
unsafe fn home_key(inode: *const u8) -> Option<NodeKey> {
    unsafe { Some(NodeKey { epoch: field(inode, &raw const OFF_INODE_GENERATION), ..node_of(inode)? }) }
}

/// Was every name of this inode made inside, since the gate is there?
#[inline(always)]
unsafe fn homes_inside(inode: *const u8) -> bool {
    unsafe { home_key(inode).is_some_and(|key| HOMES.get(&key).is_some()) }
}

/// Notes that the names of an inode are all inside (`true`), or that one may not be. Without room for the note the
/// file counts as having a home nobody knows.
///
/// # Safety
/// `inode` comes from the kernel and is not null.
#[inline(always)]
pub unsafe fn note_homes(inode: *const u8, inside: bool) {
    unsafe {
        if let Some(key) = home_key(inode) {
            // On the stack: a constant would be one more map, and a program may have no more than 64.
            let noted = 1;
            let _ = if inside { HOMES.insert(&key, &noted, 0) } else { HOMES.remove(&key) };
        }
    }
}

/// The note that somebody confined made this memory; null for none.
#[inline(always)]
unsafe fn memory_slot(inode: *const u8, flags: u64) -> *mut u32 {
    unsafe { bpf_inode_storage_get(OWN_MEMORY.as_ptr(), inode.cast_mut().cast(), null_mut(), flags).cast() }
}

/// Notes that somebody confined makes this inode, if it is to be memory without a name. Without room for the note it
/// counts as lent by somebody else.
///
/// # Safety
/// `inode` comes from the kernel and is not null.
#[inline(always)]
pub unsafe fn note_memory(inode: *const u8) {
    unsafe {
        let sb: *const u8 = field(inode, &raw const OFF_INODE_SB);
        if sb.is_null()
            || !is_memory(field(sb, &raw const OFF_SB_MAGIC), field(sb, &raw const OFF_SB_FLAGS))
            || confined().is_none()
        {
            return;
        }
        let slot = memory_slot(inode, u64::from(BPF_LOCAL_STORAGE_GET_F_CREATE));
        if slot.is_null() {
            count(COUNT_FALLBACK);
        }
    }
}

/// An object as a hook has it: `dentry` says where it is, its inode what it is.
struct Found {
    dentry: *const u8,
    inode: *const u8,
    /// The inode once more, as the verifier believes it.
    believed: *const u8,
    /// See [`zone_of`].
    keeping: bool,
}

impl Found {
    /// By its name. `None`: it has no inode.
    #[inline(always)]
    unsafe fn named(dentry: *const u8) -> Option<Self> {
        let inode: *const u8 = unsafe { field(dentry, &raw const OFF_DENTRY_INODE) };
        if inode.is_null() { None } else { Some(Self { dentry, inode, believed: inode, keeping: true }) }
    }

    /// Through an open file, whose path is `dentry`.
    #[inline(always)]
    unsafe fn opened(file: *const u8, dentry: *const u8) -> Option<Self> {
        unsafe {
            let inode: *const u8 = field(dentry, &raw const OFF_DENTRY_INODE);
            if inode.is_null() {
                return None;
            }
            let keeping = setting(&raw const FILE_PATH_BELIEVED) != 0;
            Some(Self { dentry, inode, believed: field(file, &raw const OFF_FILE_INODE), keeping })
        }
    }
}

/// What is known about an object.
#[inline(always)]
unsafe fn object(found: &Found, epoch: u32) -> Object {
    let Found { dentry, inode, .. } = *found;
    let mut object = Object::default();
    unsafe {
        object.mode = u32::from(field::<u16>(inode, &raw const OFF_INODE_MODE));
        let kind = object.mode & S_IFMT;
        let uid: u32 = field(inode, &raw const OFF_INODE_UID);
        if kind == S_IFCHR {
            object.rdev = field(inode, &raw const OFF_INODE_RDEV);
            object.own = account(uid, epoch).0;
            object.session_terminal = !object.own && session_terminal(inode, object.rdev);
            let key = NumberKey { number: u64::from(object.rdev), epoch, kind: NUMBER_DEVICE };
            object.device_listed = NUMBERS.get(&key).is_some();
            return object;
        }
        let sb: *const u8 = field(inode, &raw const OFF_INODE_SB);
        if sb.is_null() {
            return object;
        }
        object.zone = zone_of(dentry, inode, kind == S_IFDIR, sb, found.keeping, epoch);
        if object.zone != 0 {
            object.links = field(inode, &raw const OFF_INODE_LINKS);
            object.homes_inside = object.links > 1 && kind != S_IFDIR && homes_inside(inode);
            return object;
        }
        object.magic = field(sb, &raw const OFF_SB_MAGIC);
        object.sb_flags = field(sb, &raw const OFF_SB_FLAGS);
        if object.magic == PROC {
            object.process_entry = process_entry(dentry);
            return object;
        }
        if is_memory(object.magic, object.sb_flags) {
            object.own_memory = inode == found.believed && !memory_slot(found.believed, 0).is_null();
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
    unsafe { Found::named(dentry).map_or(Place::Unresolved, |found| place(&object(&found, epoch))) }
}

/// Where an open file is.
///
/// # Safety
/// `file` and its `dentry` come from the kernel and are not null.
#[inline(always)]
pub unsafe fn place_of_file(file: *const u8, dentry: *const u8, epoch: u32) -> Place {
    unsafe { Found::opened(file, dentry).map_or(Place::Unresolved, |found| place(&object(&found, epoch))) }
}

/// Where a file is that is opened: for reading, as far as it matters.
///
/// # Safety
/// `file` and its `dentry` come from the kernel and are not null.
#[inline(always)]
pub unsafe fn place_of_opened(file: *const u8, dentry: *const u8, act: Act, epoch: u32) -> Place {
    unsafe {
        let Some(found) = Found::opened(file, dentry) else { return Place::Unresolved };
        let mode = u32::from(field::<u16>(found.inode, &raw const OFF_INODE_MODE));
        if matches!(act, Act::Read) && !reading_depends_on_place(mode) {
            return Place::Outside;
        }
        place(&object(&found, epoch))
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
        if parent.is_null() { Place::Unresolved } else { place_of(parent, epoch) }
    }
}
