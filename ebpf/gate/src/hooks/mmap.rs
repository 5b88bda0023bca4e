//! Writable shared mappings: writes that no other hook would see.

use crate::layout::{OFF_FILE_DENTRY, OFF_VMA_FILE, OFF_VMA_FLAGS, field};
use crate::record;
use crate::subject::confined;
use crate::zone::place_of_file;
use sekisho_abi::Reason;
use sekisho_abi::file::{Act, decide};
use sekisho_abi::hook::Hook;

const PROT_WRITE: u64 = 2;
const MAP_TYPE: u64 = 0xf;
const MAP_PRIVATE: u64 = 2;
const VM_SHARED: u64 = 8;
const VM_MAYWRITE: u64 = 0x20;

hook!(mmap_file, ctx, {
    let file: *const u8 = ctx.arg(0);
    let requested: u64 = ctx.arg(1);
    let protection: u64 = ctx.arg(2);
    let flags: u64 = ctx.arg(3);
    // Anonymous mappings have no file.
    if file.is_null() || (requested | protection) & PROT_WRITE == 0 || flags & MAP_TYPE == MAP_PRIVATE {
        return 0;
    }
    // SAFETY: a live file; null is checked.
    unsafe { mapped_writable(Hook::MmapFile, file) }
});

hook!(file_mprotect, ctx, {
    let area: *const u8 = ctx.arg(0);
    let requested: u64 = ctx.arg(1);
    let protection: u64 = ctx.arg(2);
    if area.is_null() || (requested | protection) & PROT_WRITE == 0 {
        return 0;
    }
    // SAFETY: a live area; null is checked.
    unsafe {
        let flags: u64 = field(area, &raw const OFF_VMA_FLAGS);
        if flags & VM_SHARED == 0 {
            return 0;
        }
        let file: *const u8 = field(area, &raw const OFF_VMA_FILE);
        if file.is_null() { 0 } else { mapped_writable(Hook::FileMprotect, file) }
    }
});

// On a stacked filesystem the file mapped is not the file changed.
hook!(mmap_backing_file, ctx, {
    let area: *const u8 = ctx.arg(0);
    let file: *const u8 = ctx.arg(1);
    if area.is_null() || file.is_null() {
        return 0;
    }
    // SAFETY: a live area and file; nulls are checked.
    unsafe {
        let flags: u64 = field(area, &raw const OFF_VMA_FLAGS);
        if flags & VM_SHARED == 0 || flags & VM_MAYWRITE == 0 {
            return 0;
        }
        mapped_writable(Hook::MmapBackingFile, file)
    }
});

#[inline(always)]
unsafe fn mapped_writable(hook: Hook, file: *const u8) -> i32 {
    let Some((who, policy)) = confined() else { return 0 };
    unsafe {
        let dentry: *const u8 = field(file, &raw const OFF_FILE_DENTRY);
        if dentry.is_null() {
            return record::file(hook, Reason::Unresolved, policy, dentry);
        }
        record::file(hook, decide(who, Act::Write, place_of_file(file, dentry, policy.epoch)), policy, dentry)
    }
}
