//! Whom the channels of network, IPC and deputies try to reach, and by which small moves.

use crate::channel::Tried;
use crate::outside::PORT;
use crate::scene::{Scene, errno};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::io::{Error, Result};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd as _, OwnedFd};

/// An address of this node that is not loopback; packets to the world would leave with it.
pub(crate) fn own_address() -> Ipv4Addr {
    nix::ifaddrs::getifaddrs()
        .ok()
        .and_then(|mut list| {
            list.find_map(|i| {
                i.address?.as_sockaddr_in().map(nix::sys::socket::SockaddrIn::ip).filter(|a| !a.is_loopback())
            })
        })
        .unwrap_or(Ipv4Addr::LOCALHOST)
}

/// The node's neighbour outside: the lab's gateway.
pub(crate) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

/// The unconfined peer, not on loopback.
pub(crate) fn peer() -> SocketAddr {
    SocketAddrV4::new(own_address(), PORT).into()
}

/// The same as a v4-mapped address.
pub(crate) fn peer_mapped() -> SocketAddr {
    SocketAddrV6::new(own_address().to_ipv6_mapped(), PORT, 0, 0).into()
}

/// A socket of raw numbers: some families have no names in nix.
pub(crate) fn raw_socket(family: i32, kind: i32, protocol: i32) -> Result<OwnedFd> {
    use std::os::fd::FromRawFd as _;
    // SAFETY: three integers; a descriptor that comes back is ours alone.
    unsafe {
        let fd = libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol);
        if fd < 0 { Err(Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
    }
}

/// A datagram socket of IPv4 or IPv6.
pub(crate) fn datagram(family: AddressFamily) -> Result<OwnedFd> {
    Ok(socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?)
}

/// A stream socket of IPv4 or IPv6.
pub(crate) fn stream(family: AddressFamily) -> Result<OwnedFd> {
    Ok(socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?)
}

/// Sets one option; `value` is what the kernel copies.
pub(crate) fn set_option<T>(fd: &OwnedFd, level: i32, name: i32, value: &T) -> Result<()> {
    let length = u32::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: the pointer is valid for the length given, and the kernel only reads.
    done(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), length) })
}

/// −1 is the error in errno.
pub(crate) fn done(returned: impl TryInto<i64>) -> Result<()> {
    match returned.try_into() {
        Ok(number) if number >= 0 => Ok(()),
        _ => Err(Error::last_os_error()),
    }
}

/// Sends everything, or says why not.
pub(crate) fn send_all(fd: &OwnedFd, bytes: &[u8]) -> Result<()> {
    let flags = nix::sys::socket::MsgFlags::MSG_NOSIGNAL;
    nix::sys::socket::send(fd.as_raw_fd(), bytes, flags)?;
    Ok(())
}

/// Runs the try of a channel that only needs its canary.
pub(crate) fn with_canary(scene: &Scene, attempt: fn(&[u8]) -> Result<()>) -> Tried {
    attempt(scene.canary.as_bytes()).map_err(errno)
}

/// Nothing came of it, though nobody said no.
pub(crate) fn in_vain() -> Error {
    Error::from_raw_os_error(libc::ETIMEDOUT)
}
/// The first interface that is not loopback.
pub(crate) fn outer_interface() -> u32 {
    nix::net::if_::if_nameindex()
        .ok()
        .and_then(|list| list.iter().map(nix::net::if_::Interface::index).find(|index| *index != 1))
        .unwrap_or(2)
}
