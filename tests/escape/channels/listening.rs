//! Listeners that answer on every address: whoever calls over loopback is served, and nobody else.

use super::loopback::serve_called;
use super::reach::{in_vain, own_address, set_option, with_canary};
use crate::afar::NODE;
use crate::channel::{Channel, Tried};
use crate::scene::{Scene, errno};
use nix::errno::Errno;
use std::io::{Read as _, Result, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

const INCOMING: &[&str] = &["inet_conn_request"];
const SEND: &[&str] = &["socket_sendmsg"];
const NETWORK: &str = "network";
const LISTEN: &str = "listen";
/// Longest somebody waits for a question.
const PATIENCE: Duration = Duration::from_secs(3);

/// The caller's first packet is dropped: he waits in vain, and so does the listener.
const fn called(name: &'static str, tries: &'static str, run: fn(&Scene) -> Tried) -> Channel {
    Channel::closed(name, tries, INCOMING, LISTEN, run).errno(Errno::ETIMEDOUT)
}

pub(crate) const CHANNELS: &[Channel] = &[
    called("listen_wildcard", "listens on every address and is called from another machine", |s| {
        serve(s, (Ipv4Addr::UNSPECIFIED, 0x7a11).into(), NODE[0])
    }),
    called("listen_wildcard_v6", "does so with an IPv6 socket", |s| {
        serve(s, (Ipv6Addr::UNSPECIFIED, 0x7a12).into(), NODE[1])
    }),
    called("listen_wildcard_both", "does so, and is called over IPv4", |s| {
        serve(s, (Ipv6Addr::UNSPECIFIED, 0x7a13).into(), NODE[0])
    }),
    called("listen_wildcard_mapped", "listens on every IPv4 address, written as an IPv6 one", |s| {
        serve(s, (Ipv4Addr::UNSPECIFIED.to_ipv6_mapped(), 0x7a14).into(), NODE[0])
    }),
    called("listen_wildcard_any_port", "listens on every address and a port the kernel chooses", |s| {
        serve(s, (Ipv4Addr::UNSPECIFIED, 0).into(), NODE[0])
    }),
    called("listen_wildcard_own_address", "is called by a neighbour at the node's own address", |s| {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0x7a15)).map_err(errno)?;
        serve_called(s, &listener, "fetch", &SocketAddr::from((own_address(), 0x7a15)).to_string())
    }),
    called("listen_wildcard_fast_open", "lets callers be accepted with their first packet", |s| {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0x7a16)).map_err(errno)?;
        let fd: OwnedFd = listener.into();
        set_option(&fd, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, &16_i32).map_err(errno)?;
        serve_called(s, &TcpListener::from(fd), "fetch_from_afar", &format!("{}:{}", NODE[0], 0x7a16))
    }),
    called("listen_wildcard_root", "listens on every address as root", |s| {
        serve(s, (Ipv6Addr::UNSPECIFIED, 0x7a17).into(), NODE[1])
    })
    .root(),
    Channel::closed("answer_datagram", "answers a datagram from another machine", SEND, NETWORK, |s| {
        answer(s, (Ipv4Addr::UNSPECIFIED, 0x7a18).into(), NODE[0])
    }),
    Channel::closed("answer_datagram_v6", "does so with an IPv6 socket", SEND, NETWORK, |s| {
        answer(s, (Ipv6Addr::UNSPECIFIED, 0x7a19).into(), NODE[1])
    }),
    Channel::works(
        "own_wildcard_listener",
        "listens on every address, and calls itself over loopback",
        "both ends are confined: nothing leaves",
        |s| with_canary(s, |c| among_ourselves(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into(), c)),
    ),
    Channel::works(
        "own_wildcard_listener_v6",
        "does so with an IPv6 socket, and calls itself over both families",
        "both ends are confined: nothing leaves",
        |s| {
            with_canary(s, |c| {
                among_ourselves(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::LOCALHOST.into(), c)?;
                among_ourselves(Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.into(), c)?;
                among_ourselves(Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), c)
            })
        },
    ),
];

fn serve(scene: &Scene, at: SocketAddr, called_as: &str) -> Tried {
    let listener = TcpListener::bind(at).map_err(errno)?;
    let port = listener.local_addr().map_err(errno)?.port();
    serve_called(scene, &listener, "fetch_from_afar", &with_port(called_as, port))
}

fn with_port(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

/// Whoever asks is told: receiving from outside is no way out, answering is.
fn answer(scene: &Scene, at: SocketAddr, asked_as: &str) -> Tried {
    let socket = UdpSocket::bind(at).map_err(errno)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(errno)?;
    scene.ask("ask_from_afar", &with_port(asked_as, at.port()))?;
    let mut question = [0; 64];
    let (_, who) = socket.recv_from(&mut question).map_err(errno)?;
    socket.send_to(scene.canary.as_bytes(), who).map(drop).map_err(errno)
}

/// Both directions of a connection between confined processes.
fn among_ourselves(at: IpAddr, to: IpAddr, canary: &[u8]) -> Result<()> {
    let listener = TcpListener::bind((at, 0))?;
    let mut caller = TcpStream::connect((to, listener.local_addr()?.port()))?;
    caller.write_all(canary)?;
    let (mut guest, _) = listener.accept()?;
    let mut heard = vec![0; canary.len()];
    guest.read_exact(&mut heard)?;
    guest.write_all(&heard)?;
    caller.read_exact(&mut heard)?;
    if heard == canary { Ok(()) } else { Err(in_vain()) }
}
