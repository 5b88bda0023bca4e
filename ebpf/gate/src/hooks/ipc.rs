//! System V objects and keys: memory that outsiders share.

use crate::layout::{
    OFF_IPC_CUID, OFF_KEY_TYPE, OFF_KEY_TYPE_NAME, OFF_KEY_UID, OFF_TASK_CRED, OFF_TASK_REAL_CRED, field,
    setting,
};
use crate::record;
use crate::subject::{account, confined, current_task};
use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::{bpf_get_func_arg, bpf_probe_read_kernel};
use sekisho_abi::Reason;
use sekisho_abi::hook::Hook;
use sekisho_abi::process::{KEY_TYPE, decide_key, decide_key_type, decide_shared};
use sekisho_abi::usermode::decide_usermode;

const SHM_RDONLY: u32 = 0o10000;
const IPC_RMID: u32 = 0;
const IPC_SET: u32 = 1;
const SETVAL: u32 = 16;
const SETALL: u32 = 17;

/// Changing a System V object.
#[inline(always)]
unsafe fn shared(hook: Hook, object: *const u8) -> i32 {
    let Some((who, policy)) = confined() else { return 0 };
    if object.is_null() {
        return 0;
    }
    unsafe {
        let maker: u32 = field(object, &raw const OFF_IPC_CUID);
        record::number(hook, decide_shared(who, account(maker, policy.epoch).0), policy, u64::from(maker))
    }
}

hook!(msg_queue_msgsnd, ctx, {
    // SAFETY: a live queue; null is checked.
    unsafe { shared(Hook::MsgQueueMsgsnd, ctx.arg(0)) }
});

hook!(shm_shmat, ctx, {
    // SAFETY: a live segment; null is checked.
    if ctx.arg::<u32>(2) & SHM_RDONLY != 0 { 0 } else { unsafe { shared(Hook::ShmShmat, ctx.arg(0)) } }
});

// Waiting for zero changes nothing.
hook!(sem_semop, ctx, {
    // SAFETY: a live set; null is checked.
    if ctx.arg::<u32>(3) == 0 { 0 } else { unsafe { shared(Hook::SemSemop, ctx.arg(0)) } }
});

hook!(sem_semctl, ctx, {
    // SAFETY: a live set; null is checked.
    if matches!(ctx.arg::<u32>(1), IPC_RMID | IPC_SET | SETVAL | SETALL) {
        unsafe { shared(Hook::SemSemctl, ctx.arg(0)) }
    } else {
        0
    }
});

macro_rules! controls {
    ($($program:ident, $hook:ident;)*) => { $(
        hook!($program, ctx, {
            if matches!(ctx.arg::<u32>(1), IPC_RMID | IPC_SET) {
                // SAFETY: a live object; null is checked.
                unsafe { shared(Hook::$hook, ctx.arg(0)) }
            } else {
                0
            }
        });
    )* };
}

controls! {
    shm_shmctl, ShmShmctl;
    msg_queue_msgctl, MsgQueueMsgctl;
}

// The reference's lowest bit says whether the key is possessed. Its type has no layout, so that the verifier lets
// nobody take it from the context.
hook!(key_permission, ctx, {
    let need: u32 = ctx.arg(2);
    let Some((who, policy)) = confined() else { return 0 };
    if decide_key(who, need, false) == Reason::Allowed {
        return 0;
    }
    let mut reference = 0;
    // SAFETY: the context of this program, and room for one argument.
    if unsafe { bpf_get_func_arg(ctx.as_ptr(), 0, &raw mut reference) } != 0 {
        return record::number(Hook::KeyPermission, Reason::Unresolved, policy, u64::from(need));
    }
    let owner = (reference & !1).wrapping_add(u64::from(setting(&raw const OFF_KEY_UID)));
    // SAFETY: read with a checking helper.
    let owner = unsafe { bpf_probe_read_kernel(owner as *const u32) };
    let answer = match owner {
        Ok(uid) => decide_key(who, need, account(uid, policy.epoch).0),
        Err(_) => Reason::Unresolved,
    };
    record::number(Hook::KeyPermission, answer, policy, u64::from(need))
});

hook!(key_alloc, ctx, {
    let key: *const u8 = ctx.arg(0);
    let Some((who, policy)) = confined() else { return 0 };
    if key.is_null() {
        return record::number(Hook::KeyAlloc, Reason::Unresolved, policy, 0);
    }
    // SAFETY: a live key; its type is never null, and the name is read with a checking helper.
    unsafe {
        let of: *const u8 = field(key, &raw const OFF_KEY_TYPE);
        let name: *const [u8; KEY_TYPE] = field(of, &raw const OFF_KEY_TYPE_NAME);
        let answer = match bpf_probe_read_kernel(name) {
            // The authority that the kernel gives a program of its own: without it there is none.
            Ok(name) if name == *b".request" => {
                let task = current_task();
                let (used, own): (u64, u64) =
                    (field(task, &raw const OFF_TASK_CRED), field(task, &raw const OFF_TASK_REAL_CRED));
                decide_usermode(who, used == own)
            }
            Ok(name) => decide_key_type(who, cut(name)),
            Err(_) => Reason::Unresolved,
        };
        record::number(Hook::KeyAlloc, answer, policy, 0)
    }
});

/// Without what stands behind the end of the string.
#[inline(always)]
fn cut(mut name: [u8; KEY_TYPE]) -> [u8; KEY_TYPE] {
    let mut ended = false;
    let mut i = 0;
    while i < KEY_TYPE {
        ended |= name[i] == 0;
        if ended {
            name[i] = 0;
        }
        i += 1;
    }
    name
}
