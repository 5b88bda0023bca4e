//! Sockets: who made one, where it leads, who is at the other end.

use crate::layout::{
    OFF_NET_INUM, OFF_SKB_HEAD, OFF_SKB_NETWORK, OFF_SKB_TRANSPORT, OFF_SOCK_ADDR4, OFF_SOCK_ADDR6,
    OFF_SOCK_FAMILY, OFF_SOCK_NET, OFF_SOCK_NUM, OFF_SOCK_PEER_PORT, OFF_SOCK_PEER4, OFF_SOCK_PEER6,
    OFF_SOCK_TYPE, OFF_SOCKET_SK, OFF_UNIX_ADDR, OFF_UNIX_ADDRESS_NAME, OFF_UNIX_PEER, field, setting,
};
use crate::maps::{CONNECTIONS, DESTINATIONS, LISTENERS, NUMBERS, SCRATCH, SOCKETS, UNIX_PATHS};
use crate::subject::{Policy, session_account};
use aya_ebpf::bindings::BPF_SK_STORAGE_GET_F_CREATE;
use aya_ebpf::helpers::{
    bpf_get_current_pid_tgid, bpf_probe_read_kernel, bpf_probe_read_kernel_str_bytes, bpf_sk_storage_get,
    bpf_skc_to_unix_sock,
};
use aya_ebpf::maps::lpm_trie::Key;
use core::ptr::null_mut;
use sekisho_abi::maps::{
    CONNECTION_ANSWERED, CONNECTION_OPENED_SHIFT, ConnectionKey, DESTINATION_FIXED_BITS, DestinationKey,
    END_CONFINED, END_STRANGER, END_UNKNOWN, Listener, ListenerKey, NUMBER_LOOPBACK, NumberKey, SocketMark,
    UNIX_KEPT, UNIX_PATH,
};
use sekisho_abi::network::{
    AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, Address, Destination, Peer, SOCK_STREAM, TCP, UDP, answered_by,
    answers, decide_use, effective, far_end, is_loopback, opened_by,
};
use sekisho_abi::{Reason, Subject};

/// The kernel's socket behind a `struct socket`; null for one that is being closed.
#[inline(always)]
pub unsafe fn sk_of(socket: *const u8) -> *const u8 {
    unsafe { field(socket, &raw const OFF_SOCKET_SK) }
}

#[inline(always)]
pub unsafe fn family_of(sk: *const u8) -> u32 {
    unsafe { u32::from(field::<u16>(sk, &raw const OFF_SOCK_FAMILY)) }
}

#[inline(always)]
pub unsafe fn type_of(sk: *const u8) -> u32 {
    unsafe { u32::from(field::<u16>(sk, &raw const OFF_SOCK_TYPE)) }
}

#[inline(always)]
pub unsafe fn socket_mark(sk: *const u8) -> *mut SocketMark {
    unsafe { bpf_sk_storage_get(SOCKETS.as_ptr(), sk.cast_mut().cast(), null_mut(), 0).cast::<SocketMark>() }
}

/// Made by a confined task?
#[inline(always)]
pub unsafe fn owned(sk: *const u8) -> bool {
    unsafe {
        let mark = socket_mark(sk);
        !mark.is_null() && (*mark).owned != 0
    }
}

/// Notes that the current, confined task made it. False when the kernel has no room for the note.
#[inline(always)]
pub unsafe fn own(sk: *const u8) -> bool {
    unsafe {
        let create = u64::from(BPF_SK_STORAGE_GET_F_CREATE);
        let mark = bpf_sk_storage_get(SOCKETS.as_ptr(), sk.cast_mut().cast(), null_mut(), create)
            .cast::<SocketMark>();
        if mark.is_null() {
            return false;
        }
        (*mark).owned = 1;
        (*mark).account = session_account();
        (*mark).pid = (bpf_get_current_pid_tgid() >> 32) as u32;
        true
    }
}

/// An address and port as given to a system call.
pub struct Target {
    pub family: u16,
    pub port: u16,
    pub address: Address,
}

/// Reads a `sockaddr` the kernel holds. IPv4 becomes mapped; of other families only the family counts.
#[inline(always)]
pub unsafe fn target(sockaddr: *const u8) -> Option<Target> {
    unsafe {
        let family: u16 = bpf_probe_read_kernel(sockaddr.cast::<u16>()).ok()?;
        let mut address = [0u8; 16];
        let port = u16::from_be(bpf_probe_read_kernel(sockaddr.add(2).cast::<u16>()).ok()?);
        if u32::from(family) == AF_INET {
            let v4: [u8; 4] = bpf_probe_read_kernel(sockaddr.add(4).cast()).ok()?;
            address = mapped(v4);
        } else if u32::from(family) == AF_INET6 {
            address = bpf_probe_read_kernel(sockaddr.add(8).cast::<[u8; 16]>()).ok()?;
        }
        Some(Target { family, port, address })
    }
}

#[inline(always)]
fn mapped(v4: [u8; 4]) -> Address {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, v4[0], v4[1], v4[2], v4[3]]
}

/// The address a socket is bound to.
#[inline(always)]
pub unsafe fn bound_address(sk: *const u8) -> Address {
    unsafe {
        if family_of(sk) == AF_INET6 {
            let p = sk.add(setting(&raw const OFF_SOCK_ADDR6) as usize);
            bpf_probe_read_kernel(p.cast::<[u8; 16]>()).unwrap_or([0; 16])
        } else {
            mapped(field::<u32>(sk, &raw const OFF_SOCK_ADDR4).to_ne_bytes())
        }
    }
}

/// The port a socket is bound to, host byte order.
#[inline(always)]
pub unsafe fn bound_port(sk: *const u8) -> u16 {
    unsafe { field(sk, &raw const OFF_SOCK_NUM) }
}

#[inline(always)]
unsafe fn namespace_of(sk: *const u8) -> u32 {
    unsafe {
        let net: *const u8 = field(sk, &raw const OFF_SOCK_NET);
        if net.is_null() { 0 } else { field(net, &raw const OFF_NET_INUM) }
    }
}

#[inline(always)]
pub unsafe fn listener_key(sk: *const u8, port: u16) -> ListenerKey {
    unsafe { ListenerKey { namespace: namespace_of(sk), port: u32::from(port) } }
}

/// Does policy trust whoever listens on this loopback port?
#[inline(always)]
fn port_listed(protocol: u32, port: u16, epoch: u32) -> bool {
    let key = NumberKey { number: u64::from(protocol << 16 | u32::from(port)), epoch, kind: NUMBER_LOOPBACK };
    // SAFETY: values are plain numbers.
    unsafe { NUMBERS.get(&key) }.is_some()
}

/// Notes who listens on a TCP port. The last one counts: an unconfined listener makes the port unreachable again.
#[inline(always)]
pub unsafe fn note_listener(sk: *const u8, confined: bool) {
    unsafe {
        let key = listener_key(sk, bound_port(sk));
        let listener = Listener { confined: u32::from(confined), address: bound_address(sk) };
        let _ = LISTENERS.insert(&key, &listener, 0);
    }
}

/// What policy and the node know about a destination.
#[inline(always)]
pub unsafe fn destination(sk: *const u8, target: &Target, policy: Policy) -> Destination {
    unsafe {
        if type_of(sk) == SOCK_STREAM {
            leads_to(Some(listener_key(sk, target.port)), TCP, target, policy)
        } else {
            leads_to(None, UDP, target, policy)
        }
    }
}

/// See [`destination`]; where a TCP listener is looked for is known already.
#[inline(always)]
pub unsafe fn leads_to(
    listener: Option<ListenerKey>,
    protocol: u32,
    target: &Target,
    policy: Policy,
) -> Destination {
    unsafe {
        let address = effective(target.address);
        let mut facts = Destination {
            loopback: is_loopback(&address),
            listener_confined: false,
            listener_listed: false,
            listed: false,
        };
        if facts.loopback {
            if let Some(key) = listener
                && let Some(listener) = LISTENERS.get(&key)
            {
                facts.listener_confined = listener.confined == 1 && answers(&listener.address, &address);
            }
            facts.listener_listed = port_listed(protocol, target.port, policy.epoch);
        } else {
            facts.listed = destination_listed(protocol, target.port, address, policy.epoch);
        }
        facts
    }
}

/// Does policy allow this destination off loopback?
#[inline(always)]
fn destination_listed(protocol: u32, port: u16, address: Address, epoch: u32) -> bool {
    let key = DestinationKey { epoch, protocol: protocol as u16, port, address };
    DESTINATIONS.get(&Key::new(DESTINATION_FIXED_BITS + 128, key)).is_some()
}

/// May it send through this socket, whoever made it? Asks who is at the other end only where that matters.
///
/// # Safety
/// `sk` is a socket of the kernel's.
#[inline(always)]
pub unsafe fn judge_use(sk: *const u8, who: Subject, policy: Policy) -> Reason {
    unsafe {
        let mark = socket_mark(sk);
        let (owned, answered) =
            if mark.is_null() { (false, END_UNKNOWN) } else { ((*mark).owned != 0, (*mark).answered) };
        // Nobody was seen to make it: accepted, or older than its answer.
        let unseen = owned && answered == END_UNKNOWN && leads_off(sk);
        if !unseen && answered != END_STRANGER && decide_use(who, owned, Peer::Foreign) == Reason::Allowed {
            return Reason::Allowed;
        }
        let peer = match family_of(sk) {
            AF_UNIX => unix_peer(sk, policy.epoch),
            AF_NETLINK => Peer::Nobody,
            // Somebody unconfined made it: what its other end is, only he knows.
            AF_INET | AF_INET6 if owned => internet_peer(sk, answered, policy),
            _ => Peer::Foreign,
        };
        decide_use(who, owned, peer)
    }
}

#[inline(always)]
unsafe fn internet_peer(sk: *const u8, answered: u32, policy: Policy) -> Peer {
    unsafe {
        let port = u16::from_be(field(sk, &raw const OFF_SOCK_PEER_PORT));
        if port == 0 {
            // Not connected: a destination is named with the data, and judged by that.
            return Peer::Nobody;
        }
        if answered != END_UNKNOWN {
            return answered_by(answered, port_listed(TCP, port, policy.epoch));
        }
        let from = peer_address(sk);
        if type_of(sk) == SOCK_STREAM && !is_loopback(&from) {
            return far_end(destination_listed(TCP, port, from, policy.epoch));
        }
        // A connection within the node that it did not open.
        let key = ConnectionKey {
            namespace: namespace_of(sk),
            from_port: port,
            to_port: bound_port(sk),
            from,
            to: bound_address(sk),
        };
        let ends = CONNECTIONS.get(&key).copied().unwrap_or(0);
        opened_by(ends >> CONNECTION_OPENED_SHIFT)
    }
}

/// Is it a stream whose other end is off the node, or a stream without one?
#[inline(always)]
unsafe fn leads_off(sk: *const u8) -> bool {
    unsafe {
        let family = family_of(sk);
        (family == AF_INET || family == AF_INET6)
            && type_of(sk) == SOCK_STREAM
            && !is_loopback(&peer_address(sk))
    }
}

/// The address a socket is connected to.
#[inline(always)]
unsafe fn peer_address(sk: *const u8) -> Address {
    unsafe {
        if family_of(sk) == AF_INET6 {
            let p = sk.add(setting(&raw const OFF_SOCK_PEER6) as usize);
            bpf_probe_read_kernel(p.cast::<[u8; 16]>()).unwrap_or([0; 16])
        } else {
            mapped(field::<u32>(sk, &raw const OFF_SOCK_PEER4).to_ne_bytes())
        }
    }
}

/// Somebody calls a listener. The packet tells both addresses; the socket to be does not have them yet.
pub struct Call {
    pub from: Address,
    pub to: Address,
    pub from_port: u16,
    pub to_port: u16,
}

/// Reads it off the packet.
///
/// # Safety
/// `skb` comes from the kernel and is not null.
#[inline(always)]
pub unsafe fn call(skb: *const u8) -> Option<Call> {
    unsafe {
        let head: u64 = field(skb, &raw const OFF_SKB_HEAD);
        let network: u16 = field(skb, &raw const OFF_SKB_NETWORK);
        let transport: u16 = field(skb, &raw const OFF_SKB_TRANSPORT);
        let header = head.wrapping_add(u64::from(network));
        let ports = head.wrapping_add(u64::from(transport));
        let first: u8 = bpf_probe_read_kernel(header as *const u8).ok()?;
        let (from, to) = if first >> 4 == 6 {
            (
                bpf_probe_read_kernel(header.wrapping_add(8) as *const Address).ok()?,
                bpf_probe_read_kernel(header.wrapping_add(24) as *const Address).ok()?,
            )
        } else {
            (
                mapped(bpf_probe_read_kernel(header.wrapping_add(12) as *const [u8; 4]).ok()?),
                mapped(bpf_probe_read_kernel(header.wrapping_add(16) as *const [u8; 4]).ok()?),
            )
        };
        Some(Call {
            from,
            to,
            from_port: u16::from_be(bpf_probe_read_kernel(ports as *const u16).ok()?),
            to_port: u16::from_be(bpf_probe_read_kernel(ports.wrapping_add(2) as *const u16).ok()?),
        })
    }
}

/// Notes who answers a call within the node.
///
/// # Safety
/// `listener` comes from the kernel and is not null.
#[inline(always)]
pub unsafe fn note_answer(listener: *const u8, call: &Call, confined: bool) {
    if !is_loopback(&call.to) {
        return;
    }
    let key = ConnectionKey {
        // SAFETY: a live socket.
        namespace: unsafe { namespace_of(listener) },
        from_port: call.from_port,
        to_port: call.to_port,
        from: call.from,
        to: call.to,
    };
    let end = if confined { END_CONFINED } else { END_STRANGER };
    let _ = CONNECTIONS.insert(&key, &end, 0);
}

/// A connection within the node was made: notes beside its opener who answered, and for the answerer who opened.
///
/// # Safety
/// `sk` comes from the kernel and is not null.
#[inline(always)]
pub unsafe fn note_connection(sk: *const u8) -> Option<()> {
    unsafe {
        let to = peer_address(sk);
        if !is_loopback(&to) {
            return None;
        }
        let key = ConnectionKey {
            namespace: namespace_of(sk),
            from_port: bound_port(sk),
            to_port: u16::from_be(field(sk, &raw const OFF_SOCK_PEER_PORT)),
            from: bound_address(sk),
            to,
        };
        let answered = CONNECTIONS.get(&key).copied().unwrap_or(0) & CONNECTION_ANSWERED;
        let mark = socket_mark(sk);
        let mut opened = END_STRANGER;
        if !mark.is_null() && (*mark).owned != 0 {
            // Nobody seen answering is somebody the gate does not know.
            (*mark).answered = if answered == END_UNKNOWN { END_STRANGER } else { answered };
            opened = END_CONFINED;
        }
        CONNECTIONS.insert(&key, &(answered | opened << CONNECTION_OPENED_SHIFT), 0).ok()
    }
}

/// The other end of a connected unix socket.
///
/// # Safety
/// `sk` is a unix socket of the kernel's.
#[inline(always)]
pub unsafe fn unix_peer(sk: *const u8, epoch: u32) -> Peer {
    unsafe {
        let unix = bpf_skc_to_unix_sock(sk.cast_mut().cast()) as *const u8;
        if unix.is_null() {
            return Peer::Foreign;
        }
        let peer: *const u8 = field(unix, &raw const OFF_UNIX_PEER);
        if peer.is_null() { Peer::Foreign } else { unix_end(peer, epoch) }
    }
}

/// A unix socket as somebody's peer.
///
/// # Safety
/// `sk` is a unix socket of the kernel's.
#[inline(always)]
pub unsafe fn unix_end(sk: *const u8, epoch: u32) -> Peer {
    unsafe {
        if owned(sk) {
            return Peer::Confined;
        }
        match unix_path(sk, epoch) {
            Some(key) => match UNIX_PATHS.get(&*key) {
                Some(&UNIX_KEPT) => Peer::Kept,
                Some(_) => Peer::Listed,
                None => Peer::Foreign,
            },
            None => Peer::Foreign,
        }
    }
}

/// The path a unix socket is bound to, in this CPU's scratch; none for unnamed and abstract ones.
///
/// # Safety
/// `sk` is a unix socket of the kernel's.
#[inline(always)]
pub unsafe fn unix_path(sk: *const u8, epoch: u32) -> Option<*mut sekisho_abi::maps::UnixKey> {
    unsafe {
        let unix = bpf_skc_to_unix_sock(sk.cast_mut().cast()) as *const u8;
        if unix.is_null() {
            return None;
        }
        let address: *const u8 = field(unix, &raw const OFF_UNIX_ADDR);
        if address.is_null() {
            return None;
        }
        let key = SCRATCH.get_ptr_mut(0)?;
        (*key).epoch = epoch;
        (*key).path = [0; UNIX_PATH];
        // After the family; an abstract name begins with a zero byte and stays empty.
        let path = address.wrapping_add(setting(&raw const OFF_UNIX_ADDRESS_NAME) as usize).wrapping_add(2);
        let length = bpf_probe_read_kernel_str_bytes(path, &mut (*key).path).ok()?.len();
        if length == 0 { None } else { Some(key) }
    }
}
