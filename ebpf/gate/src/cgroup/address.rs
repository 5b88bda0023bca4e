//! Connecting, sending a datagram, binding.

use crate::record;
use crate::socket::{Target, leads_to, listener_key};
use crate::subject::Policy;
use aya_ebpf::helpers::bpf_skc_to_tcp_sock;
use aya_ebpf::macros::cgroup_sock_addr;
use aya_ebpf::programs::SockAddrContext;
use core::ptr::read_volatile;
use sekisho_abi::network::{
    AF_INET, AF_INET6, Address, TCP, UDP, decide_bind, decide_destination, is_sheltered,
};
use sekisho_abi::second_layer::Program;
use sekisho_abi::{Reason, Subject};

/// The address in the call. The kernel allows reads of the context in words only.
#[inline(always)]
fn target4(ctx: &SockAddrContext) -> Target {
    // SAFETY: the context is the kernel's own.
    unsafe {
        let v4 = read_volatile(&raw const (*ctx.sock_addr).user_ip4).to_ne_bytes();
        let address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, v4[0], v4[1], v4[2], v4[3]];
        Target { family: AF_INET as u16, port: port(ctx), address }
    }
}

/// See [`target4`].
#[inline(always)]
fn target6(ctx: &SockAddrContext) -> Target {
    let mut address: Address = [0; 16];
    for word in 0..4 {
        // SAFETY: the context is the kernel's own, and the index within it.
        let part = unsafe { read_volatile(&raw const (*ctx.sock_addr).user_ip6[word]) }.to_ne_bytes();
        address[4 * word..4 * word + 4].copy_from_slice(&part);
    }
    Target { family: AF_INET6 as u16, port: port(ctx), address }
}

#[inline(always)]
fn port(ctx: &SockAddrContext) -> u16 {
    // SAFETY: the context is the kernel's own.
    u16::from_be(unsafe { read_volatile(&raw const (*ctx.sock_addr).user_port) } as u16)
}

#[inline(always)]
fn towards(program: Program, ctx: &SockAddrContext, to: &Target, who: Subject, policy: Policy) -> i32 {
    // SAFETY: the context is the kernel's own; the socket is checked for null before its fields are read.
    let answer = unsafe {
        match read_volatile(&raw const (*ctx.sock_addr).protocol) {
            TCP => {
                let sk = read_volatile(&raw const (*ctx.sock_addr).__bindgen_anon_1.sk);
                let tcp = if sk.is_null() { core::ptr::null_mut() } else { bpf_skc_to_tcp_sock(sk.cast()) };
                let listener =
                    if tcp.is_null() { None } else { Some(listener_key(tcp.cast_const().cast(), to.port)) };
                decide_destination(who, leads_to(listener, TCP, to, policy))
            }
            UDP => decide_destination(who, leads_to(None, UDP, to, policy)),
            _ => Reason::Network,
        }
    };
    record::address(program, answer, policy, &to.address, to.port)
}

#[inline(always)]
fn bound(program: Program, to: &Target, who: Subject, policy: Policy) -> i32 {
    let answer = decide_bind(who, is_sheltered(&to.address), to.port, policy.rules);
    record::address(program, answer, policy, &to.address, to.port)
}

layer!(
    cgroup_sock_addr(connect4),
    SockAddrContext,
    layer_connect4,
    layer_connect4_unmarked,
    |ctx, who, policy| towards(Program::Connect4, ctx, &target4(ctx), who, policy)
);
layer!(
    cgroup_sock_addr(connect6),
    SockAddrContext,
    layer_connect6,
    layer_connect6_unmarked,
    |ctx, who, policy| towards(Program::Connect6, ctx, &target6(ctx), who, policy)
);
layer!(
    cgroup_sock_addr(sendmsg4),
    SockAddrContext,
    layer_sendmsg4,
    layer_sendmsg4_unmarked,
    |ctx, who, policy| towards(Program::Sendmsg4, ctx, &target4(ctx), who, policy)
);
layer!(
    cgroup_sock_addr(sendmsg6),
    SockAddrContext,
    layer_sendmsg6,
    layer_sendmsg6_unmarked,
    |ctx, who, policy| towards(Program::Sendmsg6, ctx, &target6(ctx), who, policy)
);
layer!(cgroup_sock_addr(bind4), SockAddrContext, layer_bind4, layer_bind4_unmarked, |ctx, who, policy| {
    bound(Program::Bind4, &target4(ctx), who, policy)
});
layer!(cgroup_sock_addr(bind6), SockAddrContext, layer_bind6, layer_bind6_unmarked, |ctx, who, policy| {
    bound(Program::Bind6, &target6(ctx), who, policy)
});
