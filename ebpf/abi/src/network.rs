//! Whom a confined process may reach.

use crate::{Answer, Reason, Rules, Subject, maps};

/// `AF_UNIX`.
pub const AF_UNIX: u32 = 1;
/// `AF_INET`.
pub const AF_INET: u32 = 2;
/// `AF_INET6`.
pub const AF_INET6: u32 = 10;
/// `AF_NETLINK`.
pub const AF_NETLINK: u32 = 16;
/// `SOCK_STREAM`.
pub const SOCK_STREAM: u32 = 1;
/// `SOCK_DGRAM`.
pub const SOCK_DGRAM: u32 = 2;
/// TCP.
pub const TCP: u32 = 6;
/// UDP.
pub const UDP: u32 = 17;
const NETLINK_ROUTE: u32 = 0;
const NETLINK_AUDIT: u32 = 9;
const NETLINK_KOBJECT_UEVENT: u32 = 15;

/// An address, IPv4 mapped into IPv6.
pub type Address = [u8; 16];

/// `127.0.0.1` as a mapped address.
pub const LOOPBACK_V4: Address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1];
/// `::1`.
pub const LOOPBACK_V6: Address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// The two halves of an address; arithmetic on them is cheap in the kernel.
#[inline(always)]
const fn halves(a: &Address) -> (u64, u64) {
    (
        u64::from_be_bytes([a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]]),
        u64::from_be_bytes([a[8], a[9], a[10], a[11], a[12], a[13], a[14], a[15]]),
    )
}

/// IPv4 mapped into IPv6?
#[inline(always)]
#[must_use]
pub const fn is_mapped_v4(address: &Address) -> bool {
    let (high, low) = halves(address);
    high == 0 && low >> 32 == 0xffff
}

/// `0.0.0.0` or `::`.
#[inline(always)]
#[must_use]
pub const fn is_unspecified(address: &Address) -> bool {
    let (high, low) = halves(address);
    high == 0 && (low == 0 || low == 0xffff_0000_0000)
}

/// `127.0.0.0/8` or `::1`.
#[inline(always)]
#[must_use]
pub const fn is_loopback(address: &Address) -> bool {
    let (high, low) = halves(address);
    high == 0 && (low == 1 || low >> 24 == 0x00ff_ff7f)
}

/// Where only loopback gets in: loopback itself, and every address at once, because whoever comes from elsewhere is
/// turned away when he does ([`decide_incoming`]) and given nothing ([`far_end`]).
#[inline(always)]
#[must_use]
pub const fn is_sheltered(address: &Address) -> bool {
    is_loopback(address) || is_unspecified(address)
}

/// Does whoever listens at `at` answer a call to `to`? `::` answers for both families, `0.0.0.0` for its own.
#[inline(always)]
#[must_use]
pub const fn answers(at: &Address, to: &Address) -> bool {
    let ((high, low), (to_high, to_low)) = (halves(at), halves(to));
    (high == to_high && low == to_low) || (is_unspecified(at) && (low == 0 || is_mapped_v4(to)))
}

/// Connecting to the unspecified address reaches loopback: judge it as that.
#[inline(always)]
#[must_use]
pub const fn effective(address: Address) -> Address {
    if !is_unspecified(&address) {
        address
    } else if is_mapped_v4(&address) {
        LOOPBACK_V4
    } else {
        LOOPBACK_V6
    }
}

/// May this socket be made?
#[inline(always)]
#[must_use]
pub const fn decide_create(
    subject: Subject,
    family: u32,
    kind: u32,
    protocol: u32,
    effective_root: bool,
) -> Answer {
    if !subject.confined {
        return Reason::Allowed;
    }
    let fits = match family {
        AF_UNIX => true,
        // The transport keeps what it has and gets nothing new: no forwarding.
        AF_INET | AF_INET6 => {
            !subject.transport
                && ((kind == SOCK_STREAM && (protocol == 0 || protocol == TCP))
                    || (kind == SOCK_DGRAM && (protocol == 0 || protocol == UDP)))
        }
        // sudo and PAM write their audit records, which stay on the node, and fail without. A person's service manager
        // hears of devices (and aborts at its end if it never could); only root may speak there, and never a confined one.
        AF_NETLINK => match protocol {
            NETLINK_ROUTE => true,
            NETLINK_AUDIT => effective_root,
            NETLINK_KOBJECT_UEVENT => !effective_root,
            _ => false,
        },
        _ => false,
    };
    if fits { Reason::Allowed } else { Reason::SocketKind }
}

/// What is known about a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    /// On this node's loopback.
    pub loopback: bool,
    /// TCP on loopback, and the last one to listen on this port was confined and answers for this address.
    pub listener_confined: bool,
    /// On loopback, and policy trusts the listener.
    pub listener_listed: bool,
    /// Not on loopback, and policy allows it.
    pub listed: bool,
}

/// May it connect or send there?
#[inline(always)]
#[must_use]
pub const fn decide_destination(subject: Subject, destination: Destination) -> Answer {
    if !subject.confined {
        return Reason::Allowed;
    }
    if destination.loopback {
        if destination.listener_confined {
            return Reason::Allowed;
        }
        if !destination.listener_listed {
            return Reason::Network;
        }
    } else if !destination.listed {
        return Reason::Network;
    }
    if subject.locked { Reason::Lockdown } else { Reason::Allowed }
}

/// May it bind there ([`is_sheltered`])? A port of 0 without listening is what clients do.
#[inline(always)]
#[must_use]
pub const fn decide_bind(subject: Subject, sheltered: bool, port: u16, rules: Rules) -> Answer {
    if !subject.confined || port == 0 || (sheltered && rules.listen_loopback) {
        Reason::Allowed
    } else {
        Reason::Listen
    }
}

/// May it listen there ([`is_sheltered`])?
#[inline(always)]
#[must_use]
pub const fn decide_listen(
    subject: Subject,
    owned: bool,
    sheltered: bool,
    port: u16,
    rules: Rules,
) -> Answer {
    if !subject.confined {
        Reason::Allowed
    } else if !owned {
        Reason::InheritedSocket
    } else if sheltered && port != 0 && rules.listen_loopback {
        Reason::Allowed
    } else {
        Reason::Listen
    }
}

/// Somebody calls a listener: does he get in? To a confined one only over loopback, from end to end.
#[inline(always)]
#[must_use]
pub const fn decide_incoming(listener_confined: bool, from: &Address, to: &Address) -> Answer {
    if !listener_confined || (is_loopback(from) && is_loopback(to)) {
        Reason::Allowed
    } else {
        Reason::Listen
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Nobody known, or somebody unconfined.
    Foreign,
    /// Known to be unconfined, and not listed.
    Stranger,
    /// A socket that a confined task made.
    Confined,
    /// Somebody unconfined whom policy lists.
    Listed,
    /// The gate and the airlock: listed, and kept in lockdown.
    Kept,
    /// Nobody beyond the kernel: netlink, or a socket that is not connected.
    Nobody,
}

/// Who answered a connection within the node, by what was noted when it was made (`END_…`).
#[inline(always)]
#[must_use]
pub const fn answered_by(end: u32, listed: bool) -> Peer {
    match end {
        maps::END_CONFINED => Peer::Confined,
        maps::END_STRANGER if listed => Peer::Listed,
        maps::END_STRANGER => Peer::Stranger,
        _ => Peer::Foreign,
    }
}

/// Who opened a connection within the node: an unconfined client fetches by its own will.
#[inline(always)]
#[must_use]
pub const fn opened_by(end: u32) -> Peer {
    if end == maps::END_CONFINED { Peer::Confined } else { Peer::Foreign }
}

/// The other end of a connection that leads off the node, and that nobody was seen to make: only where it might have
/// been opened.
#[inline(always)]
#[must_use]
pub const fn far_end(listed: bool) -> Peer {
    if listed { Peer::Foreign } else { Peer::Stranger }
}

/// A unix peer: may it be talked to? A service that policy lists believes the name the kernel gives it: nobody confined
/// speaks to it in a `borrowed` one.
#[inline(always)]
#[must_use]
pub const fn decide_peer(subject: Subject, peer: Peer, borrowed: bool) -> Answer {
    if !subject.confined {
        return Reason::Allowed;
    }
    match peer {
        Peer::Confined | Peer::Nobody => Reason::Allowed,
        Peer::Foreign | Peer::Stranger => Reason::Deputy,
        Peer::Listed | Peer::Kept if borrowed => Reason::BorrowedName,
        Peer::Listed if subject.locked => Reason::Lockdown,
        Peer::Listed | Peer::Kept => Reason::Allowed,
    }
}

/// Does a confined process act under a name that is not its own? As somebody exempt (an officer, by `sudo -u`), or as
/// somebody else than the confined person who logged in. Root is nobody's name here: it signs for nothing.
#[inline(always)]
#[must_use]
pub const fn is_borrowed(uid: u32, uid_exempt: bool, login: u32, login_confined: bool) -> bool {
    uid != 0 && (uid_exempt || (login_confined && login != uid))
}

/// Sending through a socket, or taking a connection from it, without naming a destination: who made the socket, and
/// who is at the other end? A lock reaches sockets that were open before it, the transport's included.
#[inline(always)]
#[must_use]
pub const fn decide_use(subject: Subject, owned: bool, peer: Peer) -> Answer {
    if !subject.confined {
        return Reason::Allowed;
    }
    match peer {
        Peer::Confined | Peer::Kept | Peer::Nobody => Reason::Allowed,
        Peer::Foreign | Peer::Stranger | Peer::Listed if subject.locked => Reason::Lockdown,
        Peer::Listed => Reason::Allowed,
        // It took the port from a confined listener after the question was asked; or it got in from off the node.
        Peer::Stranger => Reason::Network,
        Peer::Foreign if owned || subject.transport => Reason::Allowed,
        Peer::Foreign => Reason::InheritedSocket,
    }
}

/// Taking connections from a socket: only from one that a confined task made.
#[inline(always)]
#[must_use]
pub const fn decide_accept(subject: Subject, owned: bool) -> Answer {
    if !subject.confined || owned { Reason::Allowed } else { Reason::InheritedSocket }
}

const SOL_IP: u32 = 0;
const SOL_SOCKET: u32 = 1;
const SOL_TCP: u32 = 6;
const SOL_IPV6: u32 = 41;
const TCP_FASTOPEN_CONNECT: u32 = 30;

/// May this option be set? Joining a group makes the kernel announce it to the network: the group's number is payload.
/// Fast open sends data before anybody has answered. Devices, source routes and the like send packets elsewhere than
/// their address says: loopback's, looked for behind a network card. Of an internet socket that somebody unconfined
/// made, none is set: options are in the headers.
#[inline(always)]
#[must_use]
pub const fn decide_option(subject: Subject, handed_down: bool, level: u32, name: u32) -> Answer {
    if !subject.confined {
        return Reason::Allowed;
    }
    if handed_down && !subject.transport {
        return Reason::InheritedSocket;
    }
    let leads_elsewhere = match level {
        // SO_BINDTODEVICE, SO_BINDTOIFINDEX.
        SOL_SOCKET => matches!(name, 25 | 62),
        // IP_OPTIONS, groups, IP_UNICAST_IF.
        SOL_IP => matches!(name, 4 | 35 | 37..=39 | 41..=44 | 46 | 48 | 50),
        // IPV6_2292RTHDR, IPV6_2292PKTOPTIONS, groups, IPV6_PKTINFO, IPV6_RTHDR, IPV6_UNICAST_IF.
        SOL_IPV6 => matches!(name, 5 | 6 | 20 | 27 | 42..=44 | 46 | 48 | 50 | 57 | 76),
        SOL_TCP => name == TCP_FASTOPEN_CONNECT,
        _ => false,
    };
    if leads_elsewhere { Reason::Network } else { Reason::Allowed }
}
