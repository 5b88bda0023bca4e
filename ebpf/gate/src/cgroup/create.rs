//! Making an internet socket: whether it may be made, and a note of who made it, which packets are judged by.

use crate::maps::SOCKETS;
use crate::record;
use crate::subject::{Policy, policy};
use aya_ebpf::bindings::BPF_SK_STORAGE_GET_F_CREATE;
use aya_ebpf::helpers::bpf_sk_storage_get;
use aya_ebpf::macros::cgroup_sock;
use aya_ebpf::programs::SockContext;
use core::ptr::{null_mut, read_volatile};
use sekisho_abi::maps::SocketMark;
use sekisho_abi::network::decide_create;
use sekisho_abi::second_layer::Program;
use sekisho_abi::{Reason, Subject};

/// Notes who made the socket. False when the kernel has no room for the note.
#[inline(always)]
fn note(ctx: &SockContext, confined: bool) -> bool {
    // SAFETY: the context is a socket of the kernel's; the storage is checked for null.
    unsafe {
        let create = u64::from(BPF_SK_STORAGE_GET_F_CREATE);
        let mark = bpf_sk_storage_get(SOCKETS.as_ptr(), ctx.sock.cast(), null_mut(), create);
        let mark = mark.cast::<SocketMark>();
        if mark.is_null() {
            return false;
        }
        if confined {
            (*mark).owned = 1;
        }
        true
    }
}

#[inline(always)]
fn made(ctx: &SockContext, who: impl Fn(Policy) -> Subject) -> i32 {
    let policy = policy();
    let who = who(policy);
    // Without a note a free person's socket is judged by its account alone; a confined one's is not made.
    let noted = note(ctx, who.confined);
    if !who.confined {
        return 0;
    }
    // SAFETY: the context is the kernel's own.
    let (family, kind, protocol) = unsafe {
        (
            read_volatile(&raw const (*ctx.sock).family),
            read_volatile(&raw const (*ctx.sock).type_),
            read_volatile(&raw const (*ctx.sock).protocol),
        )
    };
    let answer = if noted { decide_create(who, family, kind, protocol, false) } else { Reason::MarkFailed };
    record::number(Program::SockCreate, answer, policy, u64::from(family))
}

#[cgroup_sock(sock_create)]
pub fn layer_sock_create(ctx: SockContext) -> i32 {
    crate::layout::pass(made(&ctx, super::marked))
}

#[cgroup_sock(sock_create)]
pub fn layer_sock_create_unmarked(ctx: SockContext) -> i32 {
    crate::layout::pass(made(&ctx, super::unmarked))
}
