//! Names and metadata: each is payload too.

use crate::layout::{OFF_DENTRY_INODE, OFF_FILE_DENTRY, OFF_INODE_LINKS, field};
use crate::record;
use crate::subject::confined;
use crate::zone::{note_homes, note_memory, place_of, place_of_name};
use sekisho_abi::Reason;
use sekisho_abi::file::{Act, S_IFBLK, S_IFCHR, S_IFMT, decide};
use sekisho_abi::hook::Hook;

/// A name made, moved or removed: its directory counts.
#[inline(always)]
unsafe fn name(hook: Hook, dentry: *const u8, act: Act) -> i32 {
    let Some((who, policy)) = confined() else { return 0 };
    unsafe {
        if dentry.is_null() {
            return record::file(hook, Reason::Unresolved, policy, dentry);
        }
        record::file(hook, decide(who, act, place_of_name(dentry, policy.epoch)), policy, dentry)
    }
}

/// Mode, owner, times, size, attributes: the object counts.
#[inline(always)]
unsafe fn metadata(hook: Hook, dentry: *const u8) -> i32 {
    let Some((who, policy)) = confined() else { return 0 };
    unsafe {
        if dentry.is_null() {
            return record::file(hook, Reason::Unresolved, policy, dentry);
        }
        record::file(hook, decide(who, Act::Metadata, place_of(dentry, policy.epoch)), policy, dentry)
    }
}

macro_rules! names {
    ($($program:ident, $hook:ident, $argument:literal;)*) => { $(
        hook!($program, ctx, {
            // SAFETY: the dentry of the hook.
            unsafe { name(Hook::$hook, ctx.arg($argument), Act::Name) }
        });
    )* };
}

names! {
    inode_create, InodeCreate, 1;
    inode_mkdir, InodeMkdir, 1;
    inode_symlink, InodeSymlink, 1;
    inode_unlink, InodeUnlink, 1;
    inode_rmdir, InodeRmdir, 1;
}

macro_rules! attributes {
    ($($program:ident, $hook:ident;)*) => { $(
        hook!($program, ctx, {
            // SAFETY: the dentry of the hook; it follows the idmap (before 6.3: the user namespace).
            unsafe { metadata(Hook::$hook, ctx.arg(1)) }
        });
    )* };
}

attributes! {
    inode_setxattr, InodeSetxattr;
    inode_removexattr, InodeRemovexattr;
    inode_set_acl, InodeSetAcl;
    inode_remove_acl, InodeRemoveAcl;
}

// Before linux 6.3.
hook!(inode_setattr, ctx, {
    // SAFETY: the dentry of the hook.
    unsafe { metadata(Hook::InodeSetattr, ctx.arg(0)) }
});

// Since linux 6.3: leading idmap. The loader attaches this one instead.
hook!(inode_setattr_idmap, ctx, {
    // SAFETY: the dentry of the hook.
    unsafe { metadata(Hook::InodeSetattr, ctx.arg(1)) }
});

hook!(inode_file_setattr, ctx, {
    // SAFETY: the dentry of the hook.
    unsafe { metadata(Hook::InodeFileSetattr, ctx.arg(0)) }
});

hook!(inode_mknod, ctx, {
    let kind = ctx.arg::<u32>(2) & S_IFMT;
    let act = if kind == S_IFCHR || kind == S_IFBLK { Act::DeviceNode } else { Act::Name };
    // SAFETY: the dentry of the hook.
    unsafe { name(Hook::InodeMknod, ctx.arg(1), act) }
});

// Two homes for one inode: where it is, and where the new name is. Runs for everybody: only names made by confined
// tasks are known to be inside.
hook!(inode_link, ctx, {
    let old: *const u8 = ctx.arg(0);
    let new: *const u8 = ctx.arg(2);
    let subject = confined();
    // SAFETY: the dentries of the hook.
    unsafe {
        let Some((who, policy)) = subject else {
            forget_homes(old);
            return 0;
        };
        if old.is_null() || new.is_null() {
            return record::file(Hook::InodeLink, Reason::Unresolved, policy, old);
        }
        let from =
            record::file(Hook::InodeLink, decide(who, Act::Link, place_of(old, policy.epoch)), policy, old);
        if from != 0 {
            return from;
        }
        let to = decide(who, Act::Name, place_of_name(new, policy.epoch));
        if to == Reason::Allowed {
            only_home_is_inside(old);
        }
        record::file(Hook::InodeLink, to, policy, new)
    }
});

/// The one name it has is inside, and so will the second be.
#[inline(always)]
unsafe fn only_home_is_inside(dentry: *const u8) {
    unsafe {
        let inode: *const u8 = field(dentry, &raw const OFF_DENTRY_INODE);
        if !inode.is_null() && field::<u32>(inode, &raw const OFF_INODE_LINKS) == 1 {
            note_homes(inode, true);
        }
    }
}

/// Somebody unconfined gave it a name, or moved one: nobody knows where to.
#[inline(always)]
unsafe fn forget_homes(dentry: *const u8) {
    unsafe {
        if dentry.is_null() {
            return;
        }
        let inode: *const u8 = field(dentry, &raw const OFF_DENTRY_INODE);
        if !inode.is_null() {
            note_homes(inode, false);
        }
    }
}

hook!(inode_rename, ctx, {
    let old: *const u8 = ctx.arg(1);
    if confined().is_none() {
        // SAFETY: the dentry of the hook.
        unsafe { forget_homes(old) };
        return 0;
    }
    // SAFETY: the dentries of the hook.
    unsafe {
        let from = name(Hook::InodeRename, old, Act::Name);
        if from != 0 { from } else { name(Hook::InodeRename, ctx.arg(3), Act::Name) }
    }
});

// Who makes an inode is known only here.
hook!(inode_alloc_security, ctx, {
    let inode: *const u8 = ctx.arg(0);
    if !inode.is_null() {
        // SAFETY: an inode of the kernel's that has its filesystem already.
        unsafe { note_memory(inode) };
    }
    0
});

hook!(quotactl, ctx, {
    let Some((who, policy)) = confined() else { return 0 };
    let answer = sekisho_abi::process::decide_never(who, Reason::KernelInterface);
    record::number(Hook::Quotactl, answer, policy, u64::from(ctx.arg::<u32>(0)))
});

// Files the kernel itself is asked to read: modules, kernels, policies.
hook!(kernel_read_file, ctx, {
    let Some((who, policy)) = confined() else { return 0 };
    let answer = sekisho_abi::process::decide_never(who, Reason::KernelInterface);
    let file: *const u8 = ctx.arg(0);
    // SAFETY: a live file, or null.
    unsafe {
        let dentry = if file.is_null() { core::ptr::null() } else { field(file, &raw const OFF_FILE_DENTRY) };
        record::file(Hook::KernelReadFile, answer, policy, dentry)
    }
});
