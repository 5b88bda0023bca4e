//! Sockets: making, connecting, sending, binding, listening, accepting.

use crate::layout::{OFF_MSG_FLAGS, OFF_MSG_NAME, field};
use crate::record;
use crate::screen::leaving;
use crate::socket::{
    Target, bound_address, bound_port, call, destination, family_of, judge_use, note_answer, note_connection,
    note_listener, own, owned, sk_of, socket_mark, target, type_of, unix_end, unix_path,
};
use crate::subject::{Policy, account, confined, current, effective_uid, login_uid, policy};
use sekisho_abi::hook::Hook;
use sekisho_abi::network::{
    AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, Address, SOCK_DGRAM, SOCK_STREAM, decide_accept, decide_bind,
    decide_create, decide_destination, decide_incoming, decide_listen, decide_option, decide_peer,
    is_borrowed, is_sheltered,
};
use sekisho_abi::{Reason, Subject};

const AF_UNSPEC: u32 = 0;
const MSG_FASTOPEN: u32 = 0x2000_0000;

hook!(socket_create, ctx, {
    let family: u32 = ctx.arg(0);
    let kind: u32 = ctx.arg(1);
    let protocol: u32 = ctx.arg(2);
    let kernel: u32 = ctx.arg(3);
    if kernel != 0 {
        return 0;
    }
    let Some((who, policy)) = confined() else { return 0 };
    let answer = decide_create(who, family, kind, protocol, effective_root());
    record::number(Hook::SocketCreate, answer, policy, u64::from(family))
});

#[inline(always)]
fn effective_root() -> bool {
    effective_uid() == Some(0)
}

/// Does the current, confined task bear somebody else's name?
#[inline(always)]
fn borrowed_name(epoch: u32) -> bool {
    let Some(uid) = effective_uid() else { return true };
    let login = login_uid();
    let login_confined = login != u32::MAX && account(login, epoch).0;
    is_borrowed(uid, account(uid, epoch).1, login, login_confined)
}

// Notes who made the socket. Without the note there is no socket.
hook!(socket_post_create, ctx, {
    let socket: *const u8 = ctx.arg(0);
    let kernel: u32 = ctx.arg(4);
    if kernel != 0 || socket.is_null() {
        return 0;
    }
    let Some((_, policy)) = confined() else { return 0 };
    // SAFETY: a live socket; null is checked.
    unsafe {
        let sk = sk_of(socket);
        let noted = !sk.is_null() && own(sk);
        let answer = if noted { Reason::Allowed } else { Reason::MarkFailed };
        record::number(Hook::SocketPostCreate, answer, policy, u64::from(ctx.arg::<u32>(1)))
    }
});

/// A destination named in a call: judge it, record it, answer.
#[inline(always)]
unsafe fn towards(hook: Hook, sk: *const u8, to: &Target, blind: bool, who: Subject, policy: Policy) -> i32 {
    unsafe {
        let answer = match u32::from(to.family) {
            AF_INET | AF_INET6 => {
                let mut facts = destination(sk, to, policy);
                facts.listener_confined &= !blind;
                decide_destination(who, facts)
            }
            _ => Reason::Network,
        };
        record::address(hook, answer, policy, &to.address, to.port)
    }
}

hook!(socket_connect, ctx, {
    let socket: *const u8 = ctx.arg(0);
    let sockaddr: *const u8 = ctx.arg(1);
    let Some((who, policy)) = confined() else { return 0 };
    if socket.is_null() {
        return 0;
    }
    // SAFETY: a live socket and an address the kernel holds; nulls are checked.
    unsafe {
        let sk = sk_of(socket);
        if sk.is_null() {
            return record::number(Hook::SocketConnect, Reason::InheritedSocket, policy, 0);
        }
        let family = family_of(sk);
        // Unix streams and datagrams have hooks that know the peer; netlink leads to the kernel.
        if family == AF_UNIX || family == AF_NETLINK {
            return 0;
        }
        if !owned(sk) {
            return record::number(Hook::SocketConnect, Reason::InheritedSocket, policy, u64::from(family));
        }
        let Some(to) = target(sockaddr) else {
            return record::number(Hook::SocketConnect, Reason::Network, policy, u64::from(family));
        };
        // Disconnecting leads nowhere.
        if u32::from(to.family) == AF_UNSPEC {
            return 0;
        }
        towards(Hook::SocketConnect, sk, &to, false, who, policy)
    }
});

hook!(socket_sendmsg, ctx, {
    let socket: *const u8 = ctx.arg(0);
    let message: *const u8 = ctx.arg(1);
    let Some((who, policy)) = confined() else { return 0 };
    if socket.is_null() {
        return 0;
    }
    // SAFETY: a live socket and message; nulls are checked.
    unsafe {
        let sk = sk_of(socket);
        if sk.is_null() {
            return record::number(Hook::SocketSendmsg, Reason::InheritedSocket, policy, 0);
        }
        let family = family_of(sk);
        // A unix datagram is judged by unix_may_send, which knows the peer, each time.
        let datagram = family == AF_UNIX && type_of(sk) == SOCK_DGRAM && owned(sk);
        let answer = if datagram { Reason::Allowed } else { judge_use(sk, who, policy) };
        if answer != Reason::Allowed {
            return record::number(Hook::SocketSendmsg, answer, policy, u64::from(family));
        }
        if (family != AF_INET && family != AF_INET6) || message.is_null() {
            return 0;
        }
        // A destination beside the data: datagrams, and TCP Fast Open, which passes no other hook.
        let name: *const u8 = field(message, &raw const OFF_MSG_NAME);
        if name.is_null() {
            return if who.transport { leaving(sk, ctx.arg(2), who, policy) } else { 0 };
        }
        let flags: u32 = field(message, &raw const OFF_MSG_FLAGS);
        let Some(to) = target(name) else {
            return record::number(Hook::SocketSendmsg, Reason::Network, policy, u64::from(family));
        };
        // Fast open hands over the data before anybody is seen to answer.
        let blind = flags & MSG_FASTOPEN != 0;
        towards(Hook::SocketSendmsg, sk, &to, blind, who, policy)
    }
});

hook!(socket_bind, ctx, {
    let socket: *const u8 = ctx.arg(0);
    let sockaddr: *const u8 = ctx.arg(1);
    let Some((who, policy)) = confined() else { return 0 };
    if socket.is_null() {
        return 0;
    }
    // SAFETY: a live socket and an address the kernel holds; nulls are checked.
    unsafe {
        let sk = sk_of(socket);
        if sk.is_null() {
            return record::number(Hook::SocketBind, Reason::InheritedSocket, policy, 0);
        }
        let family = family_of(sk);
        // A unix path is judged as a name, by inode_mknod.
        if family == AF_UNIX || family == AF_NETLINK {
            return 0;
        }
        let Some(to) = target(sockaddr) else {
            return record::number(Hook::SocketBind, Reason::Listen, policy, u64::from(family));
        };
        let answer = decide_bind(who, is_sheltered(&to.address), to.port, policy.rules);
        record::address(Hook::SocketBind, answer, policy, &to.address, to.port)
    }
});

// Runs for everybody: an unconfined listener takes its port out of the confined processes' reach.
hook!(socket_listen, ctx, {
    let socket: *const u8 = ctx.arg(0);
    if socket.is_null() {
        return 0;
    }
    let policy = policy();
    let who = current(policy.epoch);
    // SAFETY: a live socket; null is checked.
    unsafe {
        let sk = sk_of(socket);
        if sk.is_null() {
            return 0;
        }
        let family = family_of(sk);
        if family != AF_INET && family != AF_INET6 {
            return 0;
        }
        let address: Address = bound_address(sk);
        let port = bound_port(sk);
        let answer = decide_listen(who, owned(sk), is_sheltered(&address), port, policy.rules);
        if answer == Reason::Allowed && type_of(sk) == SOCK_STREAM {
            note_listener(sk, who.confined);
        }
        record::address(Hook::SocketListen, answer, policy, &address, port)
    }
});

hook!(socket_setsockopt, ctx, {
    let socket: *const u8 = ctx.arg(0);
    let level: u32 = ctx.arg(1);
    let name: u32 = ctx.arg(2);
    let Some((who, policy)) = confined() else { return 0 };
    if socket.is_null() {
        return 0;
    }
    // SAFETY: a live socket; null is checked.
    unsafe {
        let sk = sk_of(socket);
        if sk.is_null() {
            return record::number(Hook::SocketSetsockopt, Reason::Unresolved, policy, u64::from(name));
        }
        let family = family_of(sk);
        let handed_down = (family == AF_INET || family == AF_INET6) && !owned(sk);
        let answer = decide_option(who, handed_down, level, name);
        record::number(Hook::SocketSetsockopt, answer, policy, u64::from(level << 16 | name))
    }
});

// Who is at the two ends of a connection within the node is seen as it is made; from off the node nobody gets in to a
// confined listener, whatever address that is bound to. Runs for everybody, outside any task.
hook!(inet_conn_request, ctx, {
    let listener: *const u8 = ctx.arg(0);
    let skb: *const u8 = ctx.arg(1);
    if listener.is_null() || skb.is_null() {
        return 0;
    }
    // SAFETY: a live socket and packet; nulls are checked.
    unsafe {
        let mark = socket_mark(listener);
        let confined = !mark.is_null() && (*mark).owned != 0;
        let call = call(skb);
        if confined {
            // A call that cannot be read comes from nowhere.
            let (from, to, port) =
                call.as_ref().map_or(([0; 16], [0; 16], 0), |c| (c.from, c.to, c.from_port));
            let answer = decide_incoming(true, &from, &to);
            if answer != Reason::Allowed {
                let caller = Target { family: 0, port, address: from };
                return record::incoming(answer, policy(), &*mark, &caller);
            }
        }
        if let Some(call) = call {
            note_answer(listener, &call, confined);
        }
        0
    }
});

hook!(inet_conn_established, ctx, {
    let sk: *const u8 = ctx.arg(0);
    if !sk.is_null() {
        // SAFETY: a live socket; null is checked.
        unsafe { note_connection(sk) };
    }
    0
});

// A listener handed down by somebody unconfined would let outsiders fetch.
hook!(socket_accept, ctx, {
    let socket: *const u8 = ctx.arg(0);
    let Some((who, policy)) = confined() else { return 0 };
    if socket.is_null() {
        return 0;
    }
    // SAFETY: a live socket; null is checked.
    unsafe {
        let sk = sk_of(socket);
        let fine = !sk.is_null() && owned(sk);
        record::number(Hook::SocketAccept, decide_accept(who, fine), policy, 0)
    }
});

hook!(unix_stream_connect, ctx, {
    let listener: *const u8 = ctx.arg(1);
    let accepted: *const u8 = ctx.arg(2);
    if listener.is_null() {
        return 0;
    }
    let policy = policy();
    let who = current(policy.epoch);
    // SAFETY: live sockets; nulls are checked.
    unsafe {
        let confined_listener = owned(listener);
        // The accepted end belongs to whoever listens.
        if confined_listener && !accepted.is_null() {
            own(accepted);
        }
        if !who.confined || confined_listener {
            return 0;
        }
        let answer = decide_peer(who, unix_end(listener, policy.epoch), borrowed_name(policy.epoch));
        unix_answer(Hook::UnixStreamConnect, answer, listener, policy)
    }
});

hook!(unix_may_send, ctx, {
    let other: *const u8 = ctx.arg(1);
    let Some((who, policy)) = confined() else { return 0 };
    if other.is_null() {
        return 0;
    }
    // SAFETY: live sockets; nulls are checked.
    unsafe {
        let sk = sk_of(other);
        if sk.is_null() {
            return record::number(Hook::UnixMaySend, Reason::Deputy, policy, 0);
        }
        let answer = decide_peer(who, unix_end(sk, policy.epoch), borrowed_name(policy.epoch));
        unix_answer(Hook::UnixMaySend, answer, sk, policy)
    }
});

#[inline(always)]
unsafe fn unix_answer(hook: Hook, answer: Reason, peer: *const u8, policy: Policy) -> i32 {
    unsafe {
        if answer == Reason::Allowed {
            return 0;
        }
        match unix_path(peer, policy.epoch) {
            Some(key) => record::unix(hook, answer, policy, Some(&(*key).path)),
            None => record::unix(hook, answer, policy, None),
        }
    }
}
