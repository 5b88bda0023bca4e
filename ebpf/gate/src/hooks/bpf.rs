//! Kernel interfaces without an ordinary use for a confined process.

use crate::record;
use crate::subject::confined;
use sekisho_abi::Reason;
use sekisho_abi::hook::Hook;
use sekisho_abi::process::{decide_never, decide_ring};

#[inline(always)]
fn never(hook: Hook, reason: Reason, number: u64) -> i32 {
    let Some((who, policy)) = confined() else { return 0 };
    record::number(hook, decide_never(who, reason), policy, number)
}

// Every command: the gate's maps, programs and links are out of reach.
hook!(bpf, ctx, { never(Hook::Bpf, Reason::Bpf, u64::from(ctx.arg::<u32>(0))) });

hook!(bpf_map, _ctx, { never(Hook::BpfMap, Reason::Bpf, 0) });
hook!(bpf_prog, _ctx, { never(Hook::BpfProg, Reason::Bpf, 0) });

// Kernel memory, ports, tracing: by number in `enum lockdown_reason`.
hook!(locked_down, ctx, { never(Hook::LockedDown, Reason::KernelInterface, u64::from(ctx.arg::<u32>(0))) });

hook!(uring_allowed, _ctx, {
    let Some((who, policy)) = confined() else { return 0 };
    record::number(Hook::UringAllowed, decide_ring(who), policy, 0)
});

macro_rules! refused {
    ($($program:ident, $hook:ident;)*) => { $(
        hook!($program, _ctx, {
            never(Hook::$hook, Reason::KernelInterface, 0)
        });
    )* };
}

// A polling thread inherits the mark, yet outlives its maker's role; pass-through commands reach drivers directly.
refused! {
    uring_sqpoll, UringSqpoll;
    uring_cmd, UringCmd;
    uring_override_creds, UringOverrideCreds;
    kernel_load_data, KernelLoadData;
    perf_event_open, PerfEventOpen;
    userns_create, UsernsCreate;
}
