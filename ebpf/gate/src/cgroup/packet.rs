//! Packets on their way out. No task stands behind a packet: its socket's storage tells who made that, and which
//! session's line to the outside it is.

use crate::layout::{pass, queue};
use crate::maps::SOCKETS;
use crate::record;
use crate::screen;
use crate::socket::{Target, leads_to};
use crate::subject::{account, policy};
use aya_ebpf::bindings::bpf_sock;
use aya_ebpf::helpers::{bpf_get_socket_uid, bpf_sk_fullsock, bpf_sk_storage_get, bpf_skb_load_bytes};
use aya_ebpf::macros::cgroup_skb;
use aya_ebpf::programs::SkBuffContext;
use core::ptr::{null_mut, read_volatile};
use sekisho_abi::maps::SocketMark;
use sekisho_abi::network::{AF_INET, AF_INET6, TCP, UDP};
use sekisho_abi::second_layer::{Program, Sender, decide_packet};
use sekisho_abi::verdict;

const IPV4: usize = 20;
const IPV6: usize = 40;
/// Bytes of a transport header that are looked at.
const PORTS: usize = 4;

/// A packet's protocol, where its transport header begins, and its destination.
struct Packet {
    protocol: u32,
    header: u32,
    to: Target,
}

#[inline(always)]
fn load<const N: usize>(ctx: &SkBuffContext, at: u32) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // SAFETY: the helper checks the bounds of the packet, and writes exactly N bytes.
    let result = unsafe { bpf_skb_load_bytes(ctx.skb.skb.cast(), at, bytes.as_mut_ptr().cast(), N as u32) };
    if result == 0 { Some(bytes) } else { None }
}

/// Reads the headers; `None` when they are not there. Behind IPv6 extension headers the protocol is theirs: neither TCP
/// nor UDP.
#[inline(always)]
fn read(ctx: &SkBuffContext) -> Option<Packet> {
    let [first] = load::<1>(ctx, 0)?;
    let mut to = Target { family: 0, port: 0, address: [0; 16] };
    let (protocol, header) = if first >> 4 == 6 {
        let ip = load::<IPV6>(ctx, 0)?;
        to.family = AF_INET6 as u16;
        to.address.copy_from_slice(&ip[24..40]);
        (u32::from(ip[6]), IPV6 as u32)
    } else {
        let ip = load::<IPV4>(ctx, 0)?;
        to.family = AF_INET as u16;
        to.address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ip[16], ip[17], ip[18], ip[19]];
        (u32::from(ip[9]), u32::from(first & 15) * 4)
    };
    if protocol == TCP || protocol == UDP {
        let ports = load::<PORTS>(ctx, header)?;
        to.port = u16::from_be_bytes([ports[2], ports[3]]);
    }
    Some(Packet { protocol, header, to })
}

/// The socket a packet comes from; null for those the kernel sends by itself.
#[inline(always)]
fn socket(ctx: &SkBuffContext) -> *mut bpf_sock {
    // SAFETY: the context is the kernel's own; null is checked.
    unsafe {
        let sk = read_volatile(&raw const (*ctx.skb.skb).__bindgen_anon_2.sk);
        if sk.is_null() { sk } else { bpf_sk_fullsock(sk) }
    }
}

/// Whose packet is it?
#[inline(always)]
fn sender(ctx: &SkBuffContext, epoch: u32) -> Sender {
    let sk = socket(ctx);
    if !sk.is_null() {
        // SAFETY: a socket of the kernel's; the storage is checked for null.
        let mark = unsafe { bpf_sk_storage_get(SOCKETS.as_ptr(), sk.cast(), null_mut(), 0) };
        let mark = mark.cast::<SocketMark>();
        if !mark.is_null() {
            // SAFETY: checked.
            return if unsafe { (*mark).owned } != 0 { Sender::Confined } else { Sender::Free };
        }
    }
    Sender::Unknown(account(uid(ctx), epoch).1)
}

#[inline(always)]
fn uid(ctx: &SkBuffContext) -> u32 {
    // SAFETY: the helper takes the context.
    unsafe { bpf_get_socket_uid(ctx.skb.skb) }
}

/// Packets of sockets made in a confined cgroup.
#[cgroup_skb(egress)]
pub fn layer_egress(ctx: SkBuffContext) -> i32 {
    pass(egress(&ctx))
}

#[inline(always)]
fn egress(ctx: &SkBuffContext) -> i32 {
    let policy = policy();
    let sender = sender(ctx, policy.epoch);
    if matches!(sender, Sender::Free | Sender::Unknown(true)) {
        return 0;
    }
    let Some(packet) = read(ctx) else { return verdict(sekisho_abi::Reason::Network, policy.audit) };
    // SAFETY: looks up maps only.
    let to = unsafe { leads_to(None, packet.protocol, &packet.to, policy) };
    let answer = decide_packet(sender, packet.protocol, to);
    record::packet(Program::Egress, answer, policy, uid(ctx), &packet.to)
}

/// Packets of the sessions' transports, while a budget throttles them. What does not fit stays in the sender's queue,
/// and the kernel tries again by itself.
#[cgroup_skb(egress)]
pub fn layer_line(ctx: SkBuffContext) -> i32 {
    queue(line(&ctx))
}

/// 0 to let the packet go, else to hold it back.
#[inline(always)]
fn line(ctx: &SkBuffContext) -> i32 {
    let sk = socket(ctx);
    if sk.is_null() {
        return 0;
    }
    // SAFETY: a socket of the kernel's.
    let Some(line) = (unsafe { screen::line_of(sk) }) else { return 0 };
    let policy = policy();
    let Some(pace) = screen::throttled(policy) else { return 0 };
    // Acknowledgements, the beginning and the end of a connection carry nothing.
    let Some(packet) = read(ctx) else { return 0 };
    let payload = payload(ctx, &packet);
    if payload == 0 || screen::goes(line, payload, pace) {
        return 0;
    }
    if screen::held_back(line) {
        return record::packet(Program::Line, sekisho_abi::Reason::Screen, policy, line.account, &packet.to);
    }
    verdict(sekisho_abi::Reason::Screen, policy.audit)
}

/// Bytes behind the TCP header.
#[inline(always)]
fn payload(ctx: &SkBuffContext, packet: &Packet) -> u64 {
    let Some([offset]) = load::<1>(ctx, packet.header + 12) else { return 0 };
    u64::from(ctx.len().saturating_sub(packet.header + u32::from(offset >> 4) * 4))
}
