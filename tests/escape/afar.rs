//! Another machine: a network namespace behind a pair of virtual cables, from which the witness calls the node.

use crate::lent::listen;
use crate::outside::Inbox;
use anyhow::{Context as _, Result, ensure};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

/// The node, as that machine sees it.
pub(crate) const NODE: [&str; 2] = ["10.99.0.1", "fd99::1"];
/// Longest a call from there waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
const CABLES: &str = "ip netns add afar
ip link add near type veth peer name far netns afar
ip address add 10.99.0.1/24 dev near
ip address add fd99::1/64 dev near nodad
ip link set near up
ip -n afar address add 10.99.0.2/24 dev far
ip -n afar address add fd99::2/64 dev far nodad
ip -n afar link set far up";

/// Lays the cables.
pub(crate) fn open() -> Result<()> {
    for line in CABLES.lines() {
        let output = Command::new("sh").args(["-c", line]).output()?;
        ensure!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Does something on that machine, and waits for it.
fn there<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(File::open("/run/netns/afar")?, CloneFlags::CLONE_NEWNET).context("setns")?;
            work()
        });
        thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?
    })
}

/// Connects from there and reads whatever comes.
pub(crate) fn fetch(inbox: &Inbox, address: &str) -> Result<()> {
    let address: SocketAddr = address.parse()?;
    let mut stream = there(|| Ok(TcpStream::connect_timeout(&address, PATIENCE)?))?;
    stream.write_all(b"anybody there?\n")?;
    listen(stream.into(), inbox);
    Ok(())
}

/// Asks by a datagram from there, and reads whatever comes back.
pub(crate) fn ask(inbox: &Inbox, address: &str) -> Result<()> {
    let address: SocketAddr = address.parse()?;
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = there(|| Ok(UdpSocket::bind(any)?))?;
    socket.connect(address)?;
    socket.send(b"anybody there?\n")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let (mut file, inbox) = (File::from(std::os::fd::OwnedFd::from(socket)), inbox.clone());
    std::thread::spawn(move || {
        let mut piece = [0; 256];
        if let Ok(n) = file.read(&mut piece) {
            inbox.put(&piece[..n]);
        }
    });
    Ok(())
}
