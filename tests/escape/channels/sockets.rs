//! Sockets that somebody unconfined made, and every call that pushes bytes through one.

use super::reach::set_option;
use crate::channel::{Channel, Tried};
use crate::lent::Lent;
use crate::scene::{Scene, errno};
use nix::fcntl::{SpliceFFlags, splice, vmsplice};
use nix::sys::sendfile::sendfile;
use nix::sys::socket::{ControlMessage, MsgFlags, send, sendmsg};
use nix::sys::uio::writev;
use std::fs::File;
use std::io::IoSlice;
use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, OwnedFd};

const SEND: &[&str] = &["socket_sendmsg", "file_permission"];
const INHERITED: &str = "inherited_socket";

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed("tcp_write", "writes to an inherited connection", SEND, INHERITED, |s| {
        s.write(&Lent::Tcp.inherited()?)
    }),
    Channel::closed("tcp_send", "sends on one", SEND, INHERITED, |s| say(s, &Lent::Tcp.inherited()?)),
    Channel::closed("tcp_send_passed", "sends on one passed over a unix socket", SEND, INHERITED, |s| {
        say(s, &Lent::Tcp.passed(s)?)
    })
    .or(&[("file_receive", "outside_zones")]),
    Channel::closed("tcp_send_earlier", "sends on one from before the gate", SEND, INHERITED, |s| {
        say(s, &Lent::Tcp.inherited()?)
    })
    .earlier(),
    Channel::closed("tcp_writev", "writes from several buffers", SEND, INHERITED, |s| {
        let (a, b) = s.canary.as_bytes().split_at(5);
        writev(Lent::Tcp.inherited()?, &[IoSlice::new(a), IoSlice::new(b)]).map(drop)
    }),
    Channel::closed("tcp_sendmsg", "sends a message", SEND, INHERITED, |s| {
        let fd = Lent::Tcp.inherited()?;
        let parts = [IoSlice::new(s.canary.as_bytes())];
        sendmsg::<()>(fd.as_raw_fd(), &parts, &[], MsgFlags::MSG_NOSIGNAL, None).map(drop)
    }),
    Channel::closed("tcp_urgent", "sends urgent data", SEND, INHERITED, |s| {
        let fd = Lent::Tcp.inherited()?;
        for byte in s.canary.as_bytes().chunks(1) {
            send(fd.as_raw_fd(), byte, MsgFlags::MSG_OOB)?;
            send(fd.as_raw_fd(), byte, MsgFlags::MSG_NOSIGNAL)?;
        }
        say(s, &fd)
    }),
    Channel::closed("tcp_zerocopy", "sends pages without copying them", SEND, INHERITED, |s| {
        let fd = Lent::Tcp.inherited()?;
        set_option(&fd, libc::SOL_SOCKET, libc::SO_ZEROCOPY, &1_i32).map_err(errno)?;
        let flags = MsgFlags::from_bits_retain(libc::MSG_ZEROCOPY);
        send(fd.as_raw_fd(), s.canary.as_bytes(), flags).map(drop)
    })
    .or(&[("socket_setsockopt", "inherited_socket")]),
    Channel::closed("tcp_sendfile", "has the kernel copy a file into it", SEND, INHERITED, |s| {
        let file = File::open(s.own_file("sent")?).map_err(errno)?;
        sendfile(Lent::Tcp.inherited()?, file, None, s.canary.len()).map(drop)
    }),
    Channel::closed("tcp_splice", "splices a pipe into it", SEND, INHERITED, |s| {
        let (reader, writer) = nix::unistd::pipe()?;
        s.write(&writer)?;
        splice(reader, None, Lent::Tcp.inherited()?, None, s.canary.len(), SpliceFFlags::empty()).map(drop)
    }),
    Channel::closed("tcp_vmsplice", "splices memory into it", SEND, INHERITED, |s| {
        let (reader, writer) = nix::unistd::pipe()?;
        vmsplice(writer, &[IoSlice::new(s.canary.as_bytes())], SpliceFFlags::empty())?;
        splice(reader, None, Lent::Tcp.inherited()?, None, s.canary.len(), SpliceFFlags::empty()).map(drop)
    }),
    Channel::closed(
        "tcp_option",
        "puts a number into the header of an inherited connection's packets",
        &["socket_setsockopt"],
        INHERITED,
        |s| {
            let fd = Lent::Tcp.inherited()?;
            let service = i32::try_from(s.number() & 0xfc).unwrap_or(0);
            set_option(&fd, libc::IPPROTO_IP, libc::IP_TOS, &service).map_err(errno)
        },
    )
    .arrived(|outside| Lent::Tcp.option(libc::IPPROTO_IP, libc::IP_TOS) == Some(outside.number() & 0xfc))
    .undo(|_| Lent::Tcp.set_option(libc::IPPROTO_IP, libc::IP_TOS, 0)),
    Channel::closed("udp_send_inherited", "sends on an inherited UDP socket", SEND, INHERITED, |s| {
        say(s, &Lent::Udp.inherited()?)
    }),
    Channel::closed("unix_send_inherited", "sends on an inherited unix stream", SEND, INHERITED, |s| {
        say(s, &Lent::Unix.inherited()?)
    }),
    Channel::closed(
        "unix_datagram_inherited",
        "sends on an inherited unix datagram socket",
        &["unix_may_send", "socket_sendmsg", "file_permission"],
        INHERITED,
        |s| say(s, &Lent::UnixDatagram.inherited()?),
    ),
    Channel::closed(
        "pass_own_file",
        "passes a descriptor of a file of its own to somebody unconfined",
        SEND,
        INHERITED,
        |s| {
            let file = File::open(s.own_file("passed")?).map_err(errno)?;
            let fds = [file.as_raw_fd()];
            let control = [ControlMessage::ScmRights(&fds)];
            let fd = Lent::Unix.inherited()?;
            let parts = [IoSlice::new(s.canary.as_bytes())];
            sendmsg::<()>(fd.as_raw_fd(), &parts, &control, MsgFlags::MSG_NOSIGNAL, None).map(drop)
        },
    ),
    Channel::closed(
        "accept_inherited",
        "accepts on an inherited listener",
        &["socket_accept"],
        INHERITED,
        |s| {
            let (stream, _) = TcpListener::from(Lent::Listener.inherited()?).accept().map_err(errno)?;
            say(s, &stream.into())
        },
    ),
];

fn say(scene: &Scene, fd: &OwnedFd) -> Tried {
    send(fd.as_raw_fd(), scene.canary.as_bytes(), MsgFlags::MSG_NOSIGNAL).map(drop)
}
