//! Unconfined listeners that were there before the gate. Whatever reaches one of them is in the inbox.

use crate::lent::listen;
use crate::outside::{ABSTRACT, Inbox, OUTSIDE, PORT, open_to_all};
use crate::{deputies, wire};
use anyhow::{Context as _, Result};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::Path;

/// Opens all of them; they live as long as the witness.
pub(crate) fn open(inbox: &Inbox) -> Result<()> {
    let tcp = TcpListener::bind(("::", PORT)).context("tcp")?;
    accept(inbox, move || tcp.accept().map(|(stream, _)| stream.into()));
    listen(UdpSocket::bind(("::", PORT)).context("udp")?.into(), inbox);
    let path = Path::new(OUTSIDE).join("stream.sock");
    let _ = std::fs::remove_file(&path);
    let unix = UnixListener::bind(&path).context("unix stream")?;
    open_to_all(&path, None)?;
    accept(inbox, move || unix.accept().map(|(stream, _)| stream.into()));
    let path = Path::new(OUTSIDE).join("datagram.sock");
    let _ = std::fs::remove_file(&path);
    let datagram = UnixDatagram::bind(&path).context("unix datagram")?;
    open_to_all(&path, None)?;
    listen(datagram.into(), inbox);
    let [stream, datagram] = ABSTRACT.map(SocketAddr::from_abstract_name);
    let hidden = UnixListener::bind_addr(&stream?).context("abstract stream")?;
    accept(inbox, move || hidden.accept().map(|(stream, _)| stream.into()));
    listen(UnixDatagram::bind_addr(&datagram?).context("abstract datagram")?.into(), inbox);
    wire::open(inbox)?;
    deputies::open(inbox)
}

/// Accepts for ever; each connection is read into the inbox.
fn accept(inbox: &Inbox, mut next: impl FnMut() -> std::io::Result<OwnedFd> + Send + 'static) {
    let inbox = inbox.clone();
    std::thread::spawn(move || {
        loop {
            match next() {
                Ok(connection) => listen(connection, &inbox),
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(10)),
            }
        }
    });
}
