//! Loopback: to unconfined listeners, from unconfined guests, and addresses of loopback that lead elsewhere.

use super::reach::{
    datagram, done, in_vain, outer_interface, own_address, send_all, set_option, stream, with_canary,
};
use crate::channel::{Channel, Tried};
use crate::outside::PORT;
use crate::scene::{Scene, errno};
use crate::wire::{LATE_PORT, SHARED_PORT};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, Backlog, MsgFlags, SockaddrStorage, bind, connect, listen, sendto};
use std::io::{ErrorKind, Result, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

const CONNECT: &[&str] = &["socket_connect"];
const SEND: &[&str] = &["socket_sendmsg"];
const BIND: &[&str] = &["socket_bind"];
const LISTEN: &[&str] = &["socket_listen"];
const OPTION: &[&str] = &["socket_setsockopt"];
const NETWORK: &str = "network";
/// Longest somebody waits for a guest.
const PATIENCE: Duration = Duration::from_secs(3);

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed("tcp_loopback", "connects to an unconfined listener", CONNECT, NETWORK, |s| {
        with_canary(s, |c| tcp_to((Ipv4Addr::LOCALHOST, PORT).into(), c))
    }),
    Channel::closed("tcp_loopback_other", "connects to it as 127.0.0.2", CONNECT, NETWORK, |s| {
        with_canary(s, |c| tcp_to((Ipv4Addr::new(127, 0, 0, 2), PORT).into(), c))
    }),
    Channel::closed("tcp_unspecified", "connects to it as 0.0.0.0", CONNECT, NETWORK, |s| {
        with_canary(s, |c| tcp_to((Ipv4Addr::UNSPECIFIED, PORT).into(), c))
    }),
    Channel::closed("tcp_loopback_mapped", "connects to it as ::ffff:127.0.0.1", CONNECT, NETWORK, |s| {
        with_canary(s, |c| tcp_to((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), PORT).into(), c))
    }),
    Channel::closed("tcp_loopback_v6", "connects to it as ::1", CONNECT, NETWORK, |s| {
        with_canary(s, |c| tcp_to((Ipv6Addr::LOCALHOST, PORT).into(), c))
    }),
    Channel::closed("tcp_unspecified_v6", "connects to it as ::", CONNECT, NETWORK, |s| {
        with_canary(s, |c| tcp_to((Ipv6Addr::UNSPECIFIED, PORT).into(), c))
    }),
    Channel::closed("udp_loopback", "sends an unconfined receiver a datagram", SEND, NETWORK, |s| {
        with_canary(s, |c| udp_to((Ipv4Addr::LOCALHOST, PORT).into(), c))
    }),
    Channel::closed("udp_loopback_v6", "sends it one as ::1", SEND, NETWORK, |s| {
        with_canary(s, |c| udp_to((Ipv6Addr::LOCALHOST, PORT).into(), c))
    }),
    Channel::closed("listen_own_address", "listens on the node's address", BIND, "listen", |s| {
        serve(s, &TcpListener::bind((own_address(), 0x7a10)).map_err(errno)?)
    }),
    Channel::closed("listen_any_port", "listens on a port the kernel chooses", LISTEN, "listen", |s| {
        serve(s, &TcpListener::bind((own_address(), 0)).map_err(errno)?)
    }),
    Channel::closed("listen_unbound", "listens without binding", LISTEN, "listen", |s| {
        let fd = stream(AddressFamily::Inet).map_err(errno)?;
        listen(&fd, Backlog::new(1)?)?;
        serve(s, &TcpListener::from(fd))
    }),
    // The last to listen counts, and that was the confined one; the kernel hands connections to either.
    Channel::closed(
        "share_port",
        "shares the port of an unconfined listener, and connects to it",
        SEND,
        NETWORK,
        |s| with_canary(s, share_port),
    )
    .root(),
    // The hook runs before listening fails, so the port seems to be a confined listener's.
    Channel::closed(
        "listen_in_vain",
        "listens in vain on the port of an unconfined service, and connects to it",
        SEND,
        NETWORK,
        listen_in_vain,
    ),
    Channel::closed(
        "bind_to_device",
        "looks for a confined listener's address behind a network card",
        OPTION,
        NETWORK,
        |s| with_canary(s, bind_to_device),
    ),
    // The connection comes from the node's own address: the listener does not answer it.
    Channel::closed(
        "move_to_device",
        "connects to a confined listener, then moves the connection to a network card",
        &["inet_conn_request"],
        "listen",
        |s| with_canary(s, move_to_device),
    )
    .errno(Errno::ETIMEDOUT),
    Channel::closed(
        "join_group",
        "joins a multicast group whose address is the data: the kernel tells the network",
        OPTION,
        NETWORK,
        |s| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(errno)?;
            socket.join_multicast_v4(&group_of(s.number()), &own_address()).map_err(errno)
        },
    )
    .arrived(|outside| outside.inbox.has(format!("joined {}\n", group_of(outside.number())).as_bytes())),
    Channel::closed("join_any_group", "joins one by the option for both families", OPTION, NETWORK, |s| {
        join_any_group(s.number()).map_err(errno)
    })
    .arrived(|outside| outside.inbox.has(format!("joined {}\n", group_of(outside.number())).as_bytes())),
    Channel::closed("join_group_v6", "joins an IPv6 group", OPTION, NETWORK, |s| {
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).map_err(errno)?;
        socket.join_multicast_v6(&group6_of(s.number()), outer_interface()).map_err(errno)
    })
    .arrived(|outside| outside.inbox.has(format!("joined {}\n", group6_of(outside.number())).as_bytes())),
    Channel::works(
        "own_listener",
        "connects to a confined listener on loopback",
        "both ends are confined: nothing leaves",
        |s| {
            with_canary(s, |c| {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                tcp_to(listener.local_addr()?, c)
            })
        },
    ),
    Channel::works(
        "own_unix_listener",
        "connects to its own unix socket in a zone",
        "both ends are confined: nothing leaves",
        |s| {
            let path = s.inside("socket");
            let listener = std::os::unix::net::UnixListener::bind(&path);
            let _listener = listener.map_err(errno)?;
            std::os::unix::net::UnixStream::connect(path)
                .and_then(|mut stream| stream.write_all(s.canary.as_bytes()))
                .map_err(errno)
        },
    ),
];

fn tcp_to(address: SocketAddr, canary: &[u8]) -> Result<()> {
    TcpStream::connect_timeout(&address, Duration::from_secs(5))?.write_all(canary)
}

fn udp_to(to: SocketAddr, canary: &[u8]) -> Result<()> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = datagram(family)?;
    sendto(fd.as_raw_fd(), canary, &SockaddrStorage::from(to), MsgFlags::empty())?;
    Ok(())
}

/// Somebody unconfined calls, and is given the canary.
fn serve(scene: &Scene, listener: &TcpListener) -> Tried {
    let port = listener.local_addr().map_err(errno)?.port();
    serve_called(scene, listener, "fetch", &format!("{}:{port}", own_address()))
}

/// Asks the witness for a call, and gives whoever comes the canary.
pub(crate) fn serve_called(scene: &Scene, listener: &TcpListener, word: &str, at: &str) -> Tried {
    let patience = if scene.ask(word, at)? == "done" { PATIENCE } else { Duration::from_millis(200) };
    with_canary_on(listener, patience, scene.canary.as_bytes()).map_err(errno)
}

fn with_canary_on(listener: &TcpListener, patience: Duration, canary: &[u8]) -> Result<()> {
    listener.set_nonblocking(true)?;
    let began = Instant::now();
    while began.elapsed() < patience {
        match listener.accept() {
            Ok((mut guest, _)) => return guest.write_all(canary),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(error),
        }
    }
    Err(in_vain())
}

/// The kernel hands connections to either listener: with sixteen, some reach the other one.
fn share_port(canary: &[u8]) -> Result<()> {
    let fd = stream(AddressFamily::Inet)?;
    set_option(&fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, &1_i32)?;
    bind_loopback(&fd, SHARED_PORT)?;
    listen(&fd, Backlog::new(32)?)?;
    let mut worst = Ok(());
    for _ in 0..16 {
        let sent = say_to(SHARED_PORT, canary);
        if sent.is_err() {
            worst = sent;
        }
    }
    worst
}

/// Binds before the service does, and tries to listen after it: the port's last listener seems confined.
fn listen_in_vain(scene: &Scene) -> Tried {
    let fd = stream(AddressFamily::Inet).map_err(errno)?;
    set_option(&fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, &1_i32).map_err(errno)?;
    bind_loopback(&fd, LATE_PORT).map_err(errno)?;
    scene.ask("late_service", "")?;
    let _in_vain = listen(&fd, Backlog::new(1)?);
    say_to(LATE_PORT, scene.canary.as_bytes()).map_err(errno)
}

/// A connection whose first packet is dropped is given up after a moment.
fn say_to(port: u16, canary: &[u8]) -> Result<()> {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    TcpStream::connect_timeout(&address, Duration::from_millis(300))
        .map_err(|error| if error.kind() == ErrorKind::TimedOut { in_vain() } else { error })?
        .write_all(canary)
}

fn bind_loopback(fd: &OwnedFd, port: u16) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Ok(bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?)
}

/// Sends with the first packet, which does not wait for an answer.
fn first_packet(fd: &OwnedFd, to: SocketAddr, canary: &[u8]) -> Result<()> {
    const TCP_FASTOPEN_NO_COOKIE: i32 = 34;
    set_option(fd, libc::IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &1_i32)?;
    let flags = MsgFlags::from_bits_retain(libc::MSG_FASTOPEN) | MsgFlags::MSG_DONTWAIT;
    sendto(fd.as_raw_fd(), canary, &SockaddrStorage::from(to), flags)?;
    Ok(())
}

fn to_device(fd: &OwnedFd) -> Result<()> {
    let name = nix::net::if_::if_indextoname(outer_interface())?;
    let mut padded = [0_u8; libc::IFNAMSIZ];
    for (to, from) in padded.iter_mut().zip(name.to_bytes()) {
        *to = *from;
    }
    set_option(fd, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, &padded)
}

fn bind_to_device(canary: &[u8]) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let fd = stream(AddressFamily::Inet)?;
    to_device(&fd)?;
    first_packet(&fd, listener.local_addr()?, canary)
}

fn move_to_device(canary: &[u8]) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let fd = stream(AddressFamily::Inet)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::from((own_address(), 0))))?;
    let patience = libc::timeval { tv_sec: PATIENCE.as_secs().cast_signed(), tv_usec: 0 };
    set_option(&fd, libc::SOL_SOCKET, libc::SO_SNDTIMEO, &patience)?;
    match connect(fd.as_raw_fd(), &SockaddrStorage::from(listener.local_addr()?)) {
        Err(Errno::EINPROGRESS) => return Err(in_vain()),
        connected => connected?,
    }
    to_device(&fd)?;
    send_all(&fd, canary)
}

/// Twenty-four bits of a number in the address of a group.
fn group_of(number: u32) -> Ipv4Addr {
    let [_, a, b, c] = number.to_be_bytes();
    Ipv4Addr::new(239, a, b, c)
}

/// The same for IPv6.
fn group6_of(number: u32) -> Ipv6Addr {
    let [a, b, c, d] = number.to_be_bytes();
    Ipv6Addr::from([0xff, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d])
}

fn join_any_group(number: u32) -> Result<()> {
    const MCAST_JOIN_GROUP: i32 = 42;
    #[repr(C)]
    struct Request {
        interface: u32,
        pad: u32,
        group: libc::sockaddr_in,
        rest: [u8; 112],
    }
    let group = libc::sockaddr_in {
        sin_family: 2,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(group_of(number).octets()) },
        sin_zero: [0; 8],
    };
    let request = Request { interface: outer_interface(), pad: 0, group, rest: [0; 112] };
    let fd = datagram(AddressFamily::Inet)?;
    set_option(&fd, libc::IPPROTO_IP, MCAST_JOIN_GROUP, &request)?;
    // Leaving says the same a second time; the report waits for the socket's end no longer than this.
    std::thread::sleep(Duration::from_millis(50));
    done(0)
}
