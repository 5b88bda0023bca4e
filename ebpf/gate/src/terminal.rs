//! Pseudo terminals: whose is one? Root's may be an administrator's, or that of a confined person's `sudo`.

use crate::layout::{
    OFF_DENTRY_INODE, OFF_FILE_INODE, OFF_FILE_PRIVATE, OFF_INODE_INO, OFF_INODE_MODE, OFF_INODE_RDEV,
    OFF_INODE_SB, OFF_SB_DEV, OFF_SIGNAL_TTY, OFF_TASK_SIGNAL, OFF_TTY_DRIVER, OFF_TTY_DRIVER_DATA,
    OFF_TTY_DRIVER_FIRST, OFF_TTY_DRIVER_MAJOR, OFF_TTY_FILE_TTY, OFF_TTY_INDEX, OFF_TTY_LINK, field,
    setting,
};
use crate::maps::TERMINALS;
use crate::subject::current_task;
use crate::zone::node_of;
use aya_ebpf::helpers::bpf_probe_read_kernel;
use sekisho_abi::file::{S_IFCHR, S_IFMT};
use sekisho_abi::maps::NodeKey;

/// `/dev/ptmx`, by whatever name.
const PTMX: u32 = 5 << 20 | 2;

/// Is this terminal the caller's controlling one, or one whose other end somebody confined opened?
///
/// # Safety
/// `inode` comes from the kernel and is not null.
#[inline(never)]
pub unsafe fn session_terminal(inode: *const u8, rdev: u32) -> bool {
    unsafe { controlling_terminal() == rdev || terminal_of_confined(inode) }
}

#[inline(always)]
unsafe fn controlling_terminal() -> u32 {
    unsafe {
        let signal: *const u8 = field(current_task(), &raw const OFF_TASK_SIGNAL);
        if signal.is_null() {
            return 0;
        }
        let tty: *const u8 = field(signal, &raw const OFF_SIGNAL_TTY);
        if tty.is_null() {
            return 0;
        }
        let driver: *const u8 = field(tty, &raw const OFF_TTY_DRIVER);
        if driver.is_null() {
            return 0;
        }
        let major: u32 = field(driver, &raw const OFF_TTY_DRIVER_MAJOR);
        let first: u32 = field(driver, &raw const OFF_TTY_DRIVER_FIRST);
        let index: u32 = field(tty, &raw const OFF_TTY_INDEX);
        (major << 20 | first).wrapping_add(index)
    }
}

#[inline(always)]
unsafe fn terminal_of_confined(inode: *const u8) -> bool {
    unsafe { node_of(inode).is_some_and(|key| TERMINALS.get(&key).is_some()) }
}

/// A pseudo terminal's slave is about to become usable: notes for whom.
///
/// # Safety
/// `file` comes from the kernel and is not null.
#[inline(never)]
pub unsafe fn note_opened(file: *const u8, confined: bool) -> Option<()> {
    unsafe {
        let inode: *const u8 = field(file, &raw const OFF_FILE_INODE);
        if inode.is_null() {
            return None;
        }
        let mode: u16 = field(inode, &raw const OFF_INODE_MODE);
        let rdev: u32 = field(inode, &raw const OFF_INODE_RDEV);
        // Only behind /dev/ptmx is the private data what is read here.
        if u32::from(mode) & S_IFMT != S_IFCHR || rdev != PTMX {
            return None;
        }
        let private: u64 = field(file, &raw const OFF_FILE_PRIVATE);
        let master = follow(private, &raw const OFF_TTY_FILE_TTY)?;
        let slave = follow(master, &raw const OFF_TTY_LINK)?;
        let dentry = follow(slave, &raw const OFF_TTY_DRIVER_DATA)?;
        let inode = follow(dentry, &raw const OFF_DENTRY_INODE)?;
        let sb = follow(inode, &raw const OFF_INODE_SB)?;
        let number = inode.wrapping_add(u64::from(setting(&raw const OFF_INODE_INO)));
        let device = sb.wrapping_add(u64::from(setting(&raw const OFF_SB_DEV)));
        let key = NodeKey {
            inode: bpf_probe_read_kernel(number as *const u64).ok()?,
            epoch: 0,
            device: bpf_probe_read_kernel(device as *const u32).ok()?,
        };
        // On the stack: a constant would be one more map, and a program may have no more than 64.
        let noted = 1;
        if confined { TERMINALS.insert(&key, &noted, 0).ok() } else { TERMINALS.remove(&key).ok() }
    }
}

/// A pointer field of an object of which only the address is known.
#[inline(always)]
unsafe fn follow(base: u64, offset: *const u32) -> Option<u64> {
    unsafe {
        let at = base.wrapping_add(u64::from(setting(offset)));
        bpf_probe_read_kernel(at as *const u64).ok().filter(|next| *next != 0)
    }
}
