//! Where kernel fields are. rustc emits no CO-RE relocations: the loader fills these in from the running kernel's
//! BTF before the object is loaded, the kernel freezes them, and the verifier checks every access made with them.
//!
//! Every static here names its section. Without that the compiler takes one for a constant like any other, and lets `&0`
//! elsewhere point to it because both are zero today; after the loader has written it, that zero is an address.

use core::ptr::read_volatile;

/// An offset the loader did not find: using it is refused by the verifier.
pub const ABSENT: u32 = u32::MAX;

macro_rules! offsets {
    ($($name:ident;)*) => { $(
        #[unsafe(link_section = ".rodata")]
        #[unsafe(no_mangle)]
        pub static $name: u32 = ABSENT;
    )* };
}

offsets! {
    OFF_FILE_MODE; OFF_FILE_DENTRY; OFF_FILE_INODE;
    OFF_DENTRY_PARENT; OFF_DENTRY_INODE; OFF_DENTRY_NAME;
    OFF_INODE_SB; OFF_INODE_INO; OFF_INODE_MODE; OFF_INODE_UID; OFF_INODE_RDEV;
    OFF_SB_DEV; OFF_SB_MAGIC; OFF_SB_FLAGS; OFF_SB_ROOT;
    OFF_TASK_LOGINUID; OFF_TASK_STORAGE; OFF_TASK_MM; OFF_TASK_TGID; OFF_TASK_LEADER; OFF_TASK_CRED;
    OFF_MM_EXE_FILE;
    OFF_CRED_UID; OFF_CRED_EUID;
    OFF_SOCKET_SK;
    OFF_SOCK_FAMILY; OFF_SOCK_NUM; OFF_SOCK_ADDR4; OFF_SOCK_ADDR6; OFF_SOCK_NET; OFF_SOCK_TYPE;
    OFF_SOCK_PEER4; OFF_SOCK_PEER6; OFF_SOCK_PEER_PORT;
    OFF_NET_INUM;
    OFF_UNIX_ADDR; OFF_UNIX_PEER; OFF_UNIX_ADDRESS_NAME;
    OFF_MSG_NAME;
    OFF_VMA_FILE; OFF_VMA_FLAGS;
    OFF_IPC_CUID;
    OFF_PATH_DENTRY;
    OFF_TASK_FLAGS; OFF_TASK_REAL_CRED;
    OFF_INODE_LINKS; OFF_INODE_GENERATION;
    OFF_FILE_PRIVATE; OFF_TTY_FILE_TTY; OFF_TTY_LINK; OFF_TTY_DRIVER_DATA; OFF_TTY_DRIVER; OFF_TTY_INDEX;
    OFF_TTY_DRIVER_MAJOR; OFF_TTY_DRIVER_FIRST; OFF_TASK_SIGNAL; OFF_SIGNAL_TTY;
    OFF_SKB_HEAD; OFF_SKB_NETWORK; OFF_SKB_TRANSPORT; OFF_MSG_FLAGS;
    OFF_TASK_FILES; OFF_FILES_TABLE; OFF_TABLE_SIZE; OFF_TABLE_FILES; OFF_TABLE_CLOSING;
    OFF_KEY_UID; OFF_KEY_TYPE; OFF_KEY_TYPE_NAME;
}

/// Where the sequence number of the kernel's `rename_lock` is; 0 when the kernel does not say.
#[unsafe(link_section = ".rodata")]
#[unsafe(no_mangle)]
pub static RENAME_SEQUENCE: u64 = 0;

/// See [`RENAME_SEQUENCE`].
#[inline(always)]
pub fn rename_sequence() -> u64 {
    // SAFETY: a static of this object; volatile because the loader rewrites it after compilation.
    unsafe { read_volatile(&raw const RENAME_SEQUENCE) }
}

/// Where the kernel's core pattern is; 0 when the kernel does not say.
#[unsafe(link_section = ".rodata")]
#[unsafe(no_mangle)]
pub static CORE_PATTERN: u64 = 0;

/// See [`CORE_PATTERN`].
#[inline(always)]
pub fn core_pattern() -> u64 {
    // SAFETY: as `rename_sequence`.
    unsafe { read_volatile(&raw const CORE_PATTERN) }
}

/// Bounds of loops. Here and not in the code, so that the compiler cannot unroll them into megabytes; the verifier
/// still sees constants.
#[unsafe(link_section = ".rodata")]
#[unsafe(no_mangle)]
pub static LOOP_DEPTH: u32 = sekisho_abi::maps::DEPTH as u32;
/// See [`LOOP_DEPTH`].
#[unsafe(link_section = ".rodata")]
#[unsafe(no_mangle)]
pub static LOOP_RANGES: u32 = sekisho_abi::maps::RANGES as u32;

/// See [`LOOP_DEPTH`].
#[unsafe(link_section = ".rodata")]
#[unsafe(no_mangle)]
pub static LOOP_TRIES: u32 = 16;

/// 0 where the kernel always finds a task's mark. Before linux 6.2 it may say that there is none while the same
/// processor is at work on another task's.
#[unsafe(link_section = ".rodata")]
#[unsafe(no_mangle)]
pub static STORAGE_MAY_FAIL: u32 = 1;

/// 0 where the verifier believes nothing that is read through a file's path (since linux 6.18, where that is one of two
/// members of a union): nothing can be kept then with what is found there.
#[unsafe(link_section = ".rodata")]
#[unsafe(no_mangle)]
pub static FILE_PATH_BELIEVED: u32 = 0;

#[unsafe(link_section = ".rodata")]
#[unsafe(no_mangle)]
static ANSWER_ALLOW: i32 = 0;
#[unsafe(link_section = ".rodata")]
#[unsafe(no_mangle)]
static ANSWER_DENY: i32 = -1;
#[unsafe(link_section = ".rodata")]
#[unsafe(no_mangle)]
static LAYER_PASS: i32 = 1;
#[unsafe(link_section = ".rodata")]
#[unsafe(no_mangle)]
static LAYER_REFUSE: i32 = 0;
#[unsafe(link_section = ".rodata")]
#[unsafe(no_mangle)]
static LAYER_QUEUE: i32 = 2;

/// The answer as a constant: 0, or −EPERM.
#[inline(always)]
pub fn answer(verdict: i32) -> i32 {
    // SAFETY: statics of this object; volatile so that they stay loads.
    if verdict == 0 {
        unsafe { read_volatile(&raw const ANSWER_ALLOW) }
    } else {
        unsafe { read_volatile(&raw const ANSWER_DENY) }
    }
}

/// The answer of the second layer as a constant: 1 lets through, 0 is −EPERM.
#[inline(always)]
pub fn pass(verdict: i32) -> i32 {
    // SAFETY: statics of this object; volatile so that they stay loads.
    if verdict == 0 {
        unsafe { read_volatile(&raw const LAYER_PASS) }
    } else {
        unsafe { read_volatile(&raw const LAYER_REFUSE) }
    }
}

/// The answer to a packet that may wait: 1 lets through; 2 drops it and tells TCP that the way is congested, so that it
/// sends more slowly and tries again by itself.
#[inline(always)]
pub fn queue(verdict: i32) -> i32 {
    // SAFETY: statics of this object; volatile so that they stay loads.
    if verdict == 0 {
        unsafe { read_volatile(&raw const LAYER_PASS) }
    } else {
        unsafe { read_volatile(&raw const LAYER_QUEUE) }
    }
}

/// A value of this object that the loader set.
#[inline(always)]
pub fn setting(of: *const u32) -> u32 {
    // SAFETY: `of` is one of the statics above; volatile because the loader rewrites it after compilation.
    unsafe { read_volatile(of) }
}

/// Reads a field of a kernel object.
///
/// # Safety
/// `base` comes from the kernel (a hook's argument or a field read from one); the verifier checks type and bounds.
#[inline(always)]
pub unsafe fn field<T: Copy>(base: *const u8, offset: *const u32) -> T {
    unsafe { read_volatile(base.add(setting(offset) as usize).cast::<T>()) }
}
