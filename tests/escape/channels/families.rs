//! Socket families without ordinary business on a node: packet, netlink, vsock, and the long tail.

use super::reach::{done, in_vain, outer_interface, raw_socket, send_all, set_option, with_canary};
use crate::channel::{Channel, Tried};
use crate::scene::{Scene, errno};
use crate::wire::{NETLINK_USERSOCK, UEVENT_GROUP, USERSOCK_GROUP, VSOCK_PORT};
use nix::errno::Errno;
use std::io::Result;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, OwnedFd};

const CREATE: &[&str] = &["socket_create"];
const KIND: &str = "socket_kind";
/// How a kernel says that it has no such family.
const NO_FAMILY: &[Errno] =
    &[Errno::EAFNOSUPPORT, Errno::EPROTONOSUPPORT, Errno::ESOCKTNOSUPPORT, Errno::ENOPROTOOPT, Errno::EINVAL];

macro_rules! made {
    ($name:literal, $tries:literal, $family:expr, $kind:expr, $protocol:expr) => {
        Channel::closed($name, $tries, CREATE, KIND, |s| makes(s, $family, $kind, $protocol))
            .absent(NO_FAMILY)
    };
}

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed("packet_raw", "sends a whole frame", CREATE, KIND, |s| with_canary(s, packet_raw)).root(),
    Channel::closed("packet_cooked", "sends a frame whose header the kernel makes", CREATE, KIND, |s| {
        with_canary(s, packet_cooked)
    })
    .root(),
    Channel::closed("packet_obsolete", "sends a frame by the obsolete kind of socket", CREATE, KIND, |s| {
        with_canary(s, packet_obsolete)
    })
    .root(),
    Channel::closed("packet_ring", "puts a frame into a ring that the kernel reads", CREATE, KIND, |s| {
        with_canary(s, packet_ring)
    })
    .root(),
    Channel::closed("vsock", "connects to an unconfined listener on vsock", CREATE, KIND, |s| {
        with_canary(s, vsock)
    })
    .absent(NO_FAMILY),
    Channel::closed("netlink_user_group", "tells a netlink group of user programs", CREATE, KIND, |s| {
        with_canary(s, netlink_user_group)
    }),
    Channel::closed(
        "netlink_uevent",
        "tells everybody about a device that does not exist",
        CREATE,
        KIND,
        |s| with_canary(s, netlink_uevent),
    )
    .root(),
    Channel::closed(
        "netlink_route",
        "adds a route whose target is the data",
        &["capable"],
        "capability",
        |s| netlink_route(s.number()).map_err(errno),
    )
    .root()
    .arrived(|outside| {
        let route = std::process::Command::new("ip").args(["route", "show"]).output();
        let target = format!("{} ", route_to(outside.number()));
        route.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains(&target))
    })
    .undo(|outside| {
        let target = route_to(outside.number()).to_string();
        let _ = std::process::Command::new("ip").args(["route", "del", &target]).output();
    }),
    made!(
        "netlink_generic",
        "makes a socket for everything of the kernel that has no protocol of its own: wireguard, team, tipc, taskstats",
        libc::AF_NETLINK,
        libc::SOCK_RAW,
        libc::NETLINK_GENERIC
    ),
    made!(
        "netlink_sock_diag",
        "makes a socket for sockets of others, and closing them",
        libc::AF_NETLINK,
        libc::SOCK_RAW,
        libc::NETLINK_SOCK_DIAG
    ),
    made!(
        "netlink_audit",
        "makes a socket for audit without being root",
        libc::AF_NETLINK,
        libc::SOCK_RAW,
        libc::NETLINK_AUDIT
    ),
    made!(
        "netlink_connector",
        "makes a socket for process events, and modules' own channels",
        libc::AF_NETLINK,
        libc::SOCK_DGRAM,
        libc::NETLINK_CONNECTOR
    ),
    made!(
        "netlink_netfilter",
        "makes a socket for packet filters and their queues",
        libc::AF_NETLINK,
        libc::SOCK_RAW,
        libc::NETLINK_NETFILTER
    ),
    made!(
        "netlink_xfrm",
        "makes a socket for tunnels of IPsec",
        libc::AF_NETLINK,
        libc::SOCK_RAW,
        libc::NETLINK_XFRM
    ),
    made!("alg", "makes a socket for the kernel's ciphers", libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
    made!("bluetooth", "makes a socket for radio", libc::AF_BLUETOOTH, libc::SOCK_RAW, 1).root(),
    made!("xdp", "makes a socket for frames past the stack", libc::AF_XDP, libc::SOCK_RAW, 0).root(),
    made!("tipc", "makes a socket for clusters", libc::AF_TIPC, libc::SOCK_RDM, 0),
    made!("rds", "makes a socket for databases' datagrams", libc::AF_RDS, libc::SOCK_SEQPACKET, 0),
    made!("kcm", "makes a socket for messages over TCP", 41, libc::SOCK_DGRAM, 0),
    made!("smc", "makes a socket for shared memory over RDMA; falls back to TCP", 43, libc::SOCK_STREAM, 0),
    made!("sctp", "makes a socket for streams of telephony", libc::AF_INET, libc::SOCK_STREAM, 132),
    made!(
        "dccp",
        "makes a socket for datagrams with congestion control; gone in linux 6.16",
        libc::AF_INET,
        6,
        33
    ),
    made!("can", "makes a socket for vehicles", libc::AF_CAN, libc::SOCK_RAW, 1).root(),
    made!("key", "makes a socket for iPsec keys", libc::AF_KEY, libc::SOCK_RAW, 2).root(),
    made!("llc", "makes a socket for link layer control", libc::AF_LLC, libc::SOCK_STREAM, 0),
    made!("pppox", "makes a socket for tunnels of a provider", libc::AF_PPPOX, libc::SOCK_STREAM, 0),
    made!("qipcrtr", "makes a socket for phones' modems", 42, libc::SOCK_DGRAM, 0),
    made!("mctp", "makes a socket for management controllers", 45, libc::SOCK_DGRAM, 0),
    made!("rxrpc", "makes a socket for the Andrew file system's calls", libc::AF_RXRPC, libc::SOCK_DGRAM, 2),
    made!("l2tp", "makes a socket for tunnels without a device", libc::AF_INET, libc::SOCK_DGRAM, 115).root(),
];

/// An Ethernet protocol for experiments.
const ETHERTYPE: u16 = 0x88b5;

#[repr(C)]
struct LinkAddress {
    family: u16,
    protocol: u16,
    interface: i32,
    hardware: u16,
    kind: u8,
    length: u8,
    address: [u8; 8],
}

fn everybody() -> LinkAddress {
    LinkAddress {
        family: 17,
        protocol: ETHERTYPE.to_be(),
        interface: i32::try_from(outer_interface()).unwrap_or(2),
        hardware: 0,
        kind: 0,
        length: 6,
        address: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
    }
}

fn send_to<T>(fd: &OwnedFd, bytes: &[u8], address: &T) -> Result<()> {
    let length = u32::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: buffer and address are valid for the lengths given.
    done(unsafe {
        libc::sendto(
            fd.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_NOSIGNAL,
            std::ptr::from_ref(address).cast(),
            length,
        )
    })
}

fn bind_to<T>(fd: &OwnedFd, address: &T) -> Result<()> {
    let length = u32::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: the address is valid for the length given.
    done(unsafe { libc::bind(fd.as_raw_fd(), std::ptr::from_ref(address).cast(), length) })
}

fn connect_to<T>(fd: &OwnedFd, address: &T) -> Result<()> {
    let length = u32::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: the address is valid for the length given.
    done(unsafe { libc::connect(fd.as_raw_fd(), std::ptr::from_ref(address).cast(), length) })
}

/// A whole frame, header and all.
fn packet_raw(canary: &[u8]) -> Result<()> {
    let fd = raw_socket(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
    send_to(&fd, &frame(canary), &everybody())
}

/// The kernel makes the header.
fn packet_cooked(canary: &[u8]) -> Result<()> {
    let fd = raw_socket(libc::AF_PACKET, libc::SOCK_DGRAM, 0)?;
    send_to(&fd, canary, &everybody())
}

/// The obsolete kind that `AF_INET` still has.
fn packet_obsolete(canary: &[u8]) -> Result<()> {
    const SOCK_PACKET: i32 = 10;
    let fd = raw_socket(libc::AF_INET, SOCK_PACKET, i32::from(ETHERTYPE.to_be()))?;
    let mut device = [0u8; 16];
    device[0] = 17;
    let name = nix::net::if_::if_indextoname(outer_interface())?;
    let bytes = name.to_bytes();
    device[2..2 + bytes.len()].copy_from_slice(bytes);
    send_to(&fd, &frame(canary), &device)
}

fn frame(canary: &[u8]) -> Vec<u8> {
    [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1], &ETHERTYPE.to_be_bytes(), canary, &[0; 46]].concat()
}

/// Frames written into a ring that the kernel reads.
fn packet_ring(canary: &[u8]) -> Result<()> {
    const PACKET_TX_RING: i32 = 13;
    const SIZE: usize = 4096;
    const DATA: usize = 32;
    let fd = raw_socket(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
    let geometry: [u32; 4] = [4096, 1, 2048, 2];
    set_option(&fd, libc::SOL_PACKET, PACKET_TX_RING, &geometry)?;
    bind_to(&fd, &everybody())?;
    // SAFETY: a fresh shared mapping of the ring; written within its first slot, unmapped with the process.
    unsafe {
        let ring = libc::mmap(
            std::ptr::null_mut(),
            SIZE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            fd.as_raw_fd(),
            0,
        );
        if ring == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        let whole = frame(canary);
        // struct tpacket_hdr: status (long), length, snap length, … ; data follow the aligned header without
        // the address that received packets have.
        std::ptr::copy_nonoverlapping(whole.as_ptr(), ring.cast::<u8>().add(DATA), whole.len());
        ring.cast::<u8>().add(8).cast::<u32>().write(u32::try_from(whole.len()).unwrap_or(0));
        ring.cast::<libc::c_ulong>().write_volatile(1);
        done(libc::send(fd.as_raw_fd(), std::ptr::null(), 0, 0))
    }
}

#[repr(C)]
struct VsockAddress {
    family: u16,
    reserved: u16,
    port: u32,
    cid: u32,
    zero: [u8; 4],
}

/// The machine that hosts this one, if it is one; here an unconfined peer on the same node.
fn vsock(canary: &[u8]) -> Result<()> {
    const LOCAL: u32 = 1;
    let fd = raw_socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)?;
    connect_to(&fd, &VsockAddress { family: 40, reserved: 0, port: VSOCK_PORT, cid: LOCAL, zero: [0; 4] })?;
    send_all(&fd, canary)
}

#[repr(C)]
struct NetlinkAddress {
    family: u16,
    pad: u16,
    port: u32,
    groups: u32,
}

fn netlink_to(protocol: i32, group: u32, message: &[u8]) -> Result<()> {
    let fd = raw_socket(libc::AF_NETLINK, libc::SOCK_RAW, protocol)?;
    send_to(&fd, message, &NetlinkAddress { family: 16, pad: 0, port: 0, groups: 1 << (group - 1) })
}

/// Programs may talk to programs over netlink, without the kernel's part in it.
fn netlink_user_group(canary: &[u8]) -> Result<()> {
    match netlink_to(NETLINK_USERSOCK, USERSOCK_GROUP, &framed(canary)) {
        // The kernel itself does not listen; the group does.
        Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => Ok(()),
        sent => sent,
    }
}

/// An event of a device that does not exist.
fn netlink_uevent(canary: &[u8]) -> Result<()> {
    let event =
        [b"libudev\0", &0xcafe_1dea_u32.to_be_bytes()[..], &[0; 28], b"CANARY=", canary, b"\0"].concat();
    netlink_to(libc::NETLINK_KOBJECT_UEVENT, UEVENT_GROUP, &event)
}

fn framed(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + payload.len()).unwrap_or(16);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend_from_slice(&[0x20, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    message.extend_from_slice(payload);
    message
}

/// A route, by the kernel's own protocol, which is open for reading.
fn netlink_route(number: u32) -> Result<()> {
    let fd = raw_socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
    let target = route_to(number).octets();
    // nlmsghdr: length, RTM_NEWROUTE, REQUEST|ACK|CREATE, sequence, port; rtmsg: AF_INET /32 main boot universe
    // unicast; RTA_DST and RTA_OIF.
    let mut message = vec![0u8; 44];
    message[0] = 44;
    message[4] = 24;
    message[6..8].copy_from_slice(&0x0405u16.to_ne_bytes());
    message[8] = 1;
    message[16..24].copy_from_slice(&[2, 32, 0, 0, 254, 3, 253, 1]);
    message[28..32].copy_from_slice(&[8, 0, 1, 0]);
    message[32..36].copy_from_slice(&target);
    message[36..40].copy_from_slice(&[8, 0, 4, 0]);
    message[40..44].copy_from_slice(&outer_interface().to_ne_bytes());
    send_to(&fd, &message, &NetlinkAddress { family: 16, pad: 0, port: 0, groups: 0 })?;
    let mut answer = [0u8; 256];
    // SAFETY: the buffer is as long as said.
    let length = unsafe { libc::recv(fd.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) };
    // An NLMSG_ERROR whose number is 0 says yes.
    match (length, answer[16..20].try_into().map(i32::from_ne_bytes)) {
        (20.., Ok(0)) => Ok(()),
        (20.., Ok(error)) => Err(std::io::Error::from_raw_os_error(-error)),
        _ => Err(in_vain()),
    }
}

/// Twenty-four bits of a number as an address of a private network.
fn route_to(number: u32) -> Ipv4Addr {
    let [_, a, b, c] = number.to_be_bytes();
    Ipv4Addr::new(10, a, b, c)
}

/// Makes such a socket and has the witness look at it.
fn makes(scene: &Scene, family: i32, kind: i32, protocol: i32) -> Tried {
    let fd = raw_socket(family, kind, protocol).map_err(errno)?;
    let about = format!("{} {} {family} {protocol}", std::process::id(), fd.as_raw_fd());
    scene.ask("holds", &about).map(drop)
}
