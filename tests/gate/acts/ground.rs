//! Places and names both sides know.

use nix::sys::socket::SockaddrIn;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// Outside every zone, on the file system of the homes.
pub(crate) const OUTSIDE: &str = "/home/outside/acts";
/// Where a borrower listens; in a zone.
pub(crate) const BORROW: &str = "/tmp/sekisho-acts-borrow";
/// Where whoever wants to receive a descriptor says so; in a zone.
pub(crate) const PASS: &str = "/tmp/sekisho-acts-pass";
/// Unconfined TCP and UDP peers listen here, on every address.
pub(crate) const PORT: u16 = 47_001;
/// Key of an unconfined message queue.
pub(crate) const QUEUE: i32 = 0x5e_4151;
/// Name of an unconfined abstract unix listener.
pub(crate) const ABSTRACT: &[u8] = b"sekisho-acts";
/// The confined account.
pub(crate) const RESEARCHER: u32 = 1001;

/// A path outside.
pub(crate) fn outside(name: &str) -> PathBuf {
    Path::new(OUTSIDE).join(name)
}

/// A path inside, made by nobody else.
pub(crate) fn inside(name: &str) -> PathBuf {
    let home = if nix::unistd::geteuid().is_root() { "/tmp".into() } else { home() };
    home.join(format!("sekisho-acts-{}-{name}", std::process::id()))
}

fn home() -> PathBuf {
    std::env::var_os("HOME").map_or_else(|| "/tmp".into(), PathBuf::from)
}

/// An address of this node that is not loopback, when there is one.
pub(crate) fn own_address() -> Option<Ipv4Addr> {
    let addresses = nix::ifaddrs::getifaddrs().ok()?;
    addresses
        .filter_map(|interface| interface.address?.as_sockaddr_in().map(SockaddrIn::ip))
        .find(|address| !address.is_loopback())
}
