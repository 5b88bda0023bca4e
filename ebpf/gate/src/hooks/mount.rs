//! The tree of mounts: a confined process never changes it.

use crate::layout::{OFF_SB_FLAGS, field};
use crate::record;
use crate::subject::confined;
use sekisho_abi::Reason;
use sekisho_abi::file::{SB_KERNMOUNT, SB_SUBMOUNT};
use sekisho_abi::hook::Hook;
use sekisho_abi::process::decide_never;

#[inline(always)]
fn never(hook: Hook) -> i32 {
    let Some((who, policy)) = confined() else { return 0 };
    record::number(hook, decide_never(who, Reason::Mount), policy, 0)
}

macro_rules! refused {
    ($($program:ident, $hook:ident;)*) => { $(
        hook!($program, _ctx, {
            never(Hook::$hook)
        });
    )* };
}

refused! {
    sb_mount, SbMount;
    sb_remount, SbRemount;
    sb_umount, SbUmount;
    move_mount, MoveMount;
    sb_pivotroot, SbPivotroot;
}

// `fsopen`+`fsmount` reach no other hook, and their descriptor is writable at once. The kernel's own mounts, and
// those it makes while walking a path, are not the caller's doing.
hook!(sb_kern_mount, ctx, {
    let sb: *const u8 = ctx.arg(0);
    if sb.is_null() {
        return never(Hook::SbKernMount);
    }
    // SAFETY: a live superblock; null is checked.
    let flags: u64 = unsafe { field(sb, &raw const OFF_SB_FLAGS) };
    if flags & (SB_KERNMOUNT | SB_SUBMOUNT) != 0 { 0 } else { never(Hook::SbKernMount) }
});
