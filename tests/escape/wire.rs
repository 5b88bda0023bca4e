//! The witness on the network: what left by a wire, and guests and services that it plays on request.

use crate::lent::listen;
use crate::outside::Inbox;
use anyhow::{Context as _, Result, bail, ensure};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::sockopt::{ReuseAddr, ReusePort};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, listen as start_listening, setsockopt,
    socket,
};
use std::io::{Error, Read as _};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

/// An unconfined listener that shares its port with whoever asks (`SO_REUSEPORT`).
pub(crate) const SHARED_PORT: u16 = 47_012;
/// An unconfined service that starts, on request, after somebody else has bound its port.
pub(crate) const LATE_PORT: u16 = 47_013;
/// An unconfined listener on vsock.
pub(crate) const VSOCK_PORT: u32 = 47_015;
/// Netlink's protocol for user programs, and the group an unconfined one reads.
pub(crate) const NETLINK_USERSOCK: i32 = 2;
/// See [`NETLINK_USERSOCK`].
pub(crate) const USERSOCK_GROUP: u32 = 7;
/// The group in which udev tells everybody about devices.
pub(crate) const UEVENT_GROUP: u32 = 2;
/// Longest a guest or a late service waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens what is there before the gate.
pub(crate) fn open(inbox: &Inbox) -> Result<()> {
    crate::afar::open().context("the cables to another machine")?;
    watch_the_wire(inbox).context("watching the wire")?;
    // Programs without any right may send ICMP echo requests, as on a desktop.
    std::fs::write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647").context("ping_group_range")?;
    shared_port(inbox).context("the shared port")?;
    for (protocol, group) in
        [(NETLINK_USERSOCK, USERSOCK_GROUP), (libc::NETLINK_KOBJECT_UEVENT, UEVENT_GROUP)]
    {
        let fd = raw(libc::AF_NETLINK, libc::SOCK_RAW, protocol).context("netlink")?;
        let address: [u32; 3] = [16, 0, 1 << (group - 1)];
        bind_raw(&fd, &address).context("a netlink group")?;
        listen(fd, inbox);
    }
    if let Err(error) = vsock(inbox) {
        eprintln!("witness: no vsock here: {error:#}");
    }
    Ok(())
}

fn raw(family: i32, kind: i32, protocol: i32) -> Result<OwnedFd> {
    // SAFETY: three integers; a descriptor that comes back is ours alone.
    unsafe {
        let fd = libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol);
        ensure!(fd >= 0, Error::last_os_error());
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

fn bind_raw<T>(fd: &OwnedFd, address: &T) -> Result<()> {
    // SAFETY: the address is valid for the length given.
    let bound = unsafe {
        libc::bind(fd.as_raw_fd(), std::ptr::from_ref(address).cast(), u32::try_from(size_of::<T>())?)
    };
    ensure!(bound == 0, Error::last_os_error());
    Ok(())
}

/// Every packet that leaves by an interface other than loopback.
fn watch_the_wire(inbox: &Inbox) -> Result<()> {
    const PACKET_OUTGOING: u8 = 4;
    let everything = i32::from(u16::try_from(libc::ETH_P_ALL)?.to_be());
    let fd = raw(libc::AF_PACKET, libc::SOCK_RAW, everything)?;
    let loopback = i32::try_from(if_nametoindex("lo")?)?;
    let inbox = inbox.clone();
    std::thread::spawn(move || {
        let mut packet = vec![0_u8; 65_536];
        loop {
            // SAFETY: all zeros is a valid address; both buffers are as long as said.
            let (length, from) = unsafe {
                let mut from: libc::sockaddr_ll = std::mem::zeroed();
                let mut size = u32::try_from(size_of::<libc::sockaddr_ll>()).unwrap_or(0);
                let n = libc::recvfrom(
                    fd.as_raw_fd(),
                    packet.as_mut_ptr().cast(),
                    packet.len(),
                    0,
                    (&raw mut from).cast(),
                    &raw mut size,
                );
                (usize::try_from(n).unwrap_or(0), from)
            };
            if from.sll_pkttype == PACKET_OUTGOING && from.sll_ifindex != loopback {
                inbox.put(&packet[..length]);
                inbox.put(groups(&packet[..length]).as_bytes());
            }
        }
    });
    Ok(())
}

/// The multicast groups that a membership report names, as text.
fn groups(packet: &[u8]) -> String {
    let mut named = String::new();
    let igmp = packet.get(12..14) == Some(&[8, 0]) && packet.get(23) == Some(&2);
    let mld = packet.get(12..14) == Some(&[0x86, 0xdd]) && packet.get(20) == Some(&0);
    if igmp {
        for at in packet.windows(4).filter(|at| at[0] == 239) {
            let octets: [u8; 4] = at.try_into().unwrap_or_default();
            named += &format!("joined {}\n", Ipv4Addr::from(octets));
        }
    }
    if mld {
        for at in packet.windows(16).filter(|at| at[..2] == [0xff, 5]) {
            let octets: [u8; 16] = at.try_into().unwrap_or_default();
            named += &format!("joined {}\n", Ipv6Addr::from(octets));
        }
    }
    named
}

fn shared_port(inbox: &Inbox) -> Result<()> {
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&fd, ReusePort, &true)?;
    bind(fd.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, SHARED_PORT))?;
    start_listening(&fd, Backlog::new(16)?)?;
    let (listener, inbox) = (TcpListener::from(fd), inbox.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            listen(stream.into(), &inbox);
        }
    });
    Ok(())
}

fn vsock(inbox: &Inbox) -> Result<()> {
    const ANY: u32 = u32::MAX;
    let fd = raw(libc::AF_VSOCK, libc::SOCK_STREAM, 0)?;
    let address: [u32; 4] = [40, VSOCK_PORT, ANY, 0];
    bind_raw(&fd, &address)?;
    start_listening(&fd, Backlog::new(4)?)?;
    let inbox = inbox.clone();
    std::thread::spawn(move || {
        loop {
            // SAFETY: no address is asked for; a descriptor that comes back is ours alone.
            let accepted =
                unsafe { libc::accept(fd.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut()) };
            if accepted < 0 {
                return;
            }
            // SAFETY: as above.
            listen(unsafe { OwnedFd::from_raw_fd(accepted) }, &inbox);
        }
    });
    Ok(())
}

/// A service that binds its port with `SO_REUSEADDR`, as services do, and listens for a few seconds.
pub(crate) fn late_service(inbox: &Inbox) -> Result<()> {
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&fd, ReuseAddr, &true)?;
    bind(fd.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, LATE_PORT)).context("binding the late port")?;
    start_listening(&fd, Backlog::new(4)?)?;
    let (listener, inbox) = (TcpListener::from(fd), inbox.clone());
    listener.set_nonblocking(true)?;
    std::thread::spawn(move || {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            match listener.accept() {
                Ok((stream, _)) => {
                    let _ = stream.set_nonblocking(false);
                    listen(stream.into(), &inbox);
                    return;
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    });
    Ok(())
}

/// Fetches what somebody at that address has to offer.
pub(crate) fn fetch(inbox: &Inbox, address: &str) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&address.parse()?, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let inbox = inbox.clone();
    std::thread::spawn(move || {
        let mut piece = [0; 256];
        while let Ok(n @ 1..) = stream.read(&mut piece) {
            inbox.put(&piece[..n]);
        }
    });
    Ok(())
}

/// `PID FD DOMAIN PROTOCOL`: does that process hold a socket of this kind? Then its data may as well be outside: such
/// a socket leads into the kernel or to a device, where nobody can follow them.
pub(crate) fn holds(inbox: &Inbox, about: &str, canary: &str) -> Result<()> {
    let numbers: Vec<i32> = about.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let &[pid, fd, domain, protocol] = numbers.as_slice() else { bail!("four numbers are wanted: {about}") };
    // SAFETY: integers only; descriptors that come back are ours alone.
    let copy = unsafe {
        let process = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        ensure!(process >= 0, Error::last_os_error());
        let process = OwnedFd::from_raw_fd(i32::try_from(process)?);
        let copy = libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0);
        ensure!(copy >= 0, Error::last_os_error());
        OwnedFd::from_raw_fd(i32::try_from(copy)?)
    };
    let option = |name| {
        let (mut value, mut size) = (0_i32, 4_u32);
        // SAFETY: value and size are as long as said.
        let got = unsafe {
            let value = (&raw mut value).cast();
            libc::getsockopt(copy.as_raw_fd(), libc::SOL_SOCKET, name, value, &raw mut size)
        };
        (got == 0).then_some(value)
    };
    // Families with one protocol do not all keep its number.
    let several = domain == libc::AF_NETLINK || domain == libc::AF_INET;
    if option(libc::SO_DOMAIN) == Some(domain) && (!several || option(libc::SO_PROTOCOL) == Some(protocol)) {
        inbox.put(canary.as_bytes());
    }
    Ok(())
}
