//! `sekisho-layer`: tries, inside the lab, what the second layer must refuse by itself, and what it must not.
//!
//! - `sekisho-layer serve &` as an unconfined root: listens where a confined process must not reach;
//! - `sekisho-layer run PHASE [ACT …]`: one JSON line per act. Judges nothing itself.

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6,
    SockaddrLike, bind, connect, listen, send, sendto, socket,
};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{geteuid, read, unlink, write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::ExitCode;

/// An address of this node that is not loopback; the lab gives it to an interface.
const V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
/// See [`V4`].
const V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7);
/// Where the unconfined peer listens, for TCP and UDP.
const PORT: u16 = 7007;
/// Where nobody listens.
const FREE: u16 = 7107;

/// What is tried, and whether it takes root.
struct Act {
    name: &'static str,
    root: bool,
    run: fn() -> nix::Result<()>,
}

const ACTS: &[Act] = &[
    Act {
        name: "connect4",
        root: false,
        run: || connect(inet(SockType::Stream)?.as_raw_fd(), &v4(V4, PORT)),
    },
    Act {
        name: "connect6",
        root: false,
        run: || connect(inet6(SockType::Stream)?.as_raw_fd(), &v6(V6, PORT)),
    },
    Act {
        name: "mapped",
        root: false,
        run: || connect(inet6(SockType::Stream)?.as_raw_fd(), &v6(V4.to_ipv6_mapped(), PORT)),
    },
    Act { name: "sendmsg4", root: false, run: || datagram(&inet(SockType::Datagram)?, &v4(V4, PORT)) },
    Act { name: "sendmsg6", root: false, run: || datagram(&inet6(SockType::Datagram)?, &v6(V6, PORT)) },
    Act {
        name: "egress4",
        root: false,
        run: || {
            let socket = inet(SockType::Datagram)?;
            connect(socket.as_raw_fd(), &v4(V4, PORT))?;
            send(socket.as_raw_fd(), b"canary", MsgFlags::empty()).map(drop)
        },
    },
    Act { name: "bind4", root: false, run: || bind(inet(SockType::Stream)?.as_raw_fd(), &v4(V4, FREE)) },
    Act { name: "bind6", root: false, run: || bind(inet6(SockType::Stream)?.as_raw_fd(), &v6(V6, FREE)) },
    Act {
        name: "ping",
        root: false,
        run: || {
            socket(AddressFamily::Inet, SockType::Datagram, SockFlag::empty(), SockProtocol::Icmp).map(drop)
        },
    },
    Act {
        name: "raw",
        root: true,
        run: || socket(AddressFamily::Inet, SockType::Raw, SockFlag::empty(), SockProtocol::Icmp).map(drop),
    },
    Act { name: "device", root: true, run: || open("/dev/kmsg", OFlag::O_WRONLY, Mode::empty()).map(drop) },
    Act {
        name: "device_made",
        root: true,
        run: || {
            let path = "/tmp/sekisho-layer-node";
            let made = mknod(path, SFlag::S_IFCHR, Mode::S_IRUSR, makedev(1, 3));
            let _ = unlink(path);
            made
        },
    },
    Act {
        name: "sysctl",
        root: true,
        run: || {
            let path = "/proc/sys/kernel/printk_ratelimit";
            let present = std::fs::read(path).map_err(|_| Errno::EIO)?;
            write(open(path, OFlag::O_WRONLY, Mode::empty())?, &present).map(drop)
        },
    },
    Act {
        name: "control_loopback_bind",
        root: false,
        run: || bind(inet(SockType::Stream)?.as_raw_fd(), &v4(Ipv4Addr::LOCALHOST, FREE)),
    },
    Act {
        name: "control_wildcard_bind",
        root: false,
        run: || bind(inet6(SockType::Stream)?.as_raw_fd(), &v6(Ipv6Addr::UNSPECIFIED, FREE)),
    },
    Act {
        name: "control_device",
        root: false,
        run: || write(open("/dev/null", OFlag::O_WRONLY, Mode::empty())?, b"x").map(drop),
    },
    Act {
        name: "control_terminal",
        root: false,
        run: || open("/dev/ptmx", OFlag::O_RDWR | OFlag::O_NOCTTY, Mode::empty()).map(drop),
    },
    Act {
        name: "control_sysctl_read",
        root: false,
        run: || {
            let file = open("/proc/sys/kernel/ostype", OFlag::O_RDONLY, Mode::empty())?;
            read(&file, &mut [0; 16]).map(drop)
        },
    },
];

fn inet(kind: SockType) -> nix::Result<OwnedFd> {
    socket(AddressFamily::Inet, kind, SockFlag::empty(), None)
}

fn inet6(kind: SockType) -> nix::Result<OwnedFd> {
    socket(AddressFamily::Inet6, kind, SockFlag::empty(), None)
}

fn v4(address: Ipv4Addr, port: u16) -> SockaddrIn {
    SocketAddrV4::new(address, port).into()
}

fn v6(address: Ipv6Addr, port: u16) -> SockaddrIn6 {
    SocketAddrV6::new(address, port, 0, 0).into()
}

fn datagram(socket: &OwnedFd, to: &impl SockaddrLike) -> nix::Result<()> {
    sendto(socket.as_raw_fd(), b"canary", to, MsgFlags::empty()).map(drop)
}

/// Listens until killed; says `ready` first.
fn serve() -> nix::Result<()> {
    let mut held = Vec::new();
    for kind in [SockType::Stream, SockType::Datagram] {
        let (four, six) = (inet(kind)?, inet6(kind)?);
        bind(four.as_raw_fd(), &v4(V4, PORT))?;
        bind(six.as_raw_fd(), &v6(V6, PORT))?;
        held.extend([four, six]);
    }
    for stream in &held[..2] {
        listen(stream, Backlog::new(64)?)?;
    }
    println!("ready");
    loop {
        nix::unistd::pause();
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((what, [])) if what == "serve" => match serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("serve: {error}");
                ExitCode::FAILURE
            }
        },
        Some((what, rest)) if what == "run" && !rest.is_empty() => {
            for act in ACTS {
                let named = rest.len() == 1 || rest[1..].iter().any(|name| name == act.name);
                if named && act.root == geteuid().is_root() {
                    let result = match (act.run)() {
                        Ok(()) => "ok".to_owned(),
                        Err(errno) => format!("{errno:?}"),
                    };
                    println!(r#"{{"phase":"{}","act":"{}","result":"{result}"}}"#, rest[0], act.name);
                }
            }
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: sekisho-layer serve | run PHASE [ACT ...]");
            ExitCode::from(2)
        }
    }
}
