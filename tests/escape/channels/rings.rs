//! Asynchronous work: io_uring's orders and aio, whoever in the kernel does them.

use crate::channel::{Channel, Tried};
use crate::lent::Lent;
use crate::scene::Scene;
use crate::system::c_path;
use crate::uring::{ASYNC, FIXED_FILE, Order, Ring, SQPOLL, address};
use nix::errno::Errno;
use nix::unistd::pipe;
use std::os::fd::AsRawFd as _;

const OUTSIDE: &str = "outside_zones";
const WRITE: &[&str] = &["file_permission"];

const FALLOCATE: u8 = 17;
const OPENAT: u8 = 18;
const WRITE_ORDER: u8 = 23;
const SPLICE: u8 = 30;
const RENAMEAT: u8 = 35;
const UNLINKAT: u8 = 36;
const MKDIRAT: u8 = 37;
const SYMLINKAT: u8 = 38;
const LINKAT: u8 = 39;
const FSETXATTR: u8 = 41;
const SETXATTR: u8 = 42;
const URING_CMD: u8 = 46;
const FTRUNCATE: u8 = 55;
const REGISTER_FILES: u32 = 2;
const REGISTER_PERSONALITY: u32 = 9;

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed("uring_create", "has a ring create a file outside", &["inode_create"], OUTSIDE, |s| {
        create(s, &Ring::new(0)?, 0, 0)
    }),
    Channel::closed(
        "uring_create_async",
        "has a ring's worker create a file outside",
        &["inode_create"],
        OUTSIDE,
        |s| create(s, &Ring::new(0)?, ASYNC, 0),
    ),
    Channel::closed("uring_write", "has a ring write to an inherited file", WRITE, OUTSIDE, |s| {
        write(s, &Ring::new(0)?, Lent::File.number(), 0)
    }),
    Channel::closed(
        "uring_write_async",
        "has a ring's worker write to an inherited file",
        WRITE,
        OUTSIDE,
        |s| write(s, &Ring::new(0)?, Lent::File.number(), ASYNC),
    ),
    Channel::closed(
        "uring_write_registered",
        "has a ring write to an inherited file it registered",
        WRITE,
        OUTSIDE,
        |s| {
            let ring = Ring::new(0)?;
            ring.register(REGISTER_FILES, [Lent::File.number()].as_ptr(), 1)?;
            write(s, &ring, 0, FIXED_FILE)
        },
    ),
    Channel::closed(
        "uring_polled",
        "has a ring's polling thread write to an inherited file",
        &["uring_sqpoll"],
        "kernel_interface",
        |s| write(s, &Ring::new(SQPOLL)?, Lent::File.number(), 0),
    ),
    Channel::closed("uring_splice", "has a ring splice a pipe into an inherited file", WRITE, OUTSIDE, |s| {
        let (reader, writer) = pipe()?;
        s.write(&writer)?;
        let order = Order {
            operation: SPLICE,
            fd: Lent::File.number(),
            offset: 0,
            address: u64::MAX,
            length: 13,
            other_fd: reader.as_raw_fd(),
            ..Order::default()
        };
        Ring::new(0)?.submit(order).map(drop)
    }),
    Channel::closed("uring_fallocate", "has a ring give an inherited file a length", WRITE, OUTSIDE, |s| {
        let order = Order {
            operation: FALLOCATE,
            fd: Lent::File.number(),
            address: length(s.number()),
            ..Order::default()
        };
        Ring::new(0)?.submit(order).map(drop)
    })
    .arrived(|o| lent_length() == length(o.number())),
    Channel::closed(
        "uring_truncate",
        "has a ring cut an inherited file",
        &["inode_setattr", "path_truncate", "file_truncate"],
        OUTSIDE,
        |s| {
            let order = Order {
                operation: FTRUNCATE,
                fd: Lent::File.number(),
                offset: 200_000 + length(s.number()),
                ..Order::default()
            };
            Ring::new(0)?.submit(order).map(drop)
        },
    )
    .arrived(|o| lent_length() == 200_000 + length(o.number()))
    .absent(&[Errno::EINVAL]),
    Channel::closed(
        "uring_directory",
        "has a ring make a directory outside",
        &["inode_mkdir"],
        OUTSIDE,
        |s| {
            let path = c_path(&s.outside(&s.canary))?;
            paths(MKDIRAT, address(path.as_ptr()), 0)
        },
    ),
    Channel::closed(
        "uring_symlink",
        "has a ring make a symbolic link outside",
        &["inode_symlink"],
        OUTSIDE,
        |s| {
            let (target, path) = (c_path(s.canary.as_ref())?, c_path(&s.outside("link"))?);
            paths(SYMLINKAT, address(target.as_ptr()), address(path.as_ptr()))
        },
    ),
    Channel::closed(
        "uring_link",
        "has a ring hard-link a file out of a zone",
        &["inode_link"],
        OUTSIDE,
        |s| {
            let (old, new) = (c_path(&s.own_file("linked")?)?, c_path(&s.outside("linked"))?);
            paths(LINKAT, address(old.as_ptr()), address(new.as_ptr()))
        },
    ),
    Channel::closed(
        "uring_rename",
        "has a ring move a file out of a zone",
        &["inode_rename"],
        OUTSIDE,
        |s| {
            let (old, new) = (c_path(&s.own_file("moved")?)?, c_path(&s.outside("moved"))?);
            paths(RENAMEAT, address(old.as_ptr()), address(new.as_ptr()))
        },
    ),
    Channel::closed("uring_remove", "has a ring remove a file outside", &["inode_unlink"], OUTSIDE, |s| {
        let path = c_path(&s.outside("own"))?;
        paths(UNLINKAT, address(path.as_ptr()), 0)
    })
    .arrived(|o| !o.path("own").exists()),
    Channel::closed(
        "uring_attribute",
        "has a ring set an attribute of a file outside",
        &["inode_setxattr"],
        OUTSIDE,
        |s| {
            let path = c_path(&s.outside("own"))?;
            attribute(s, SETXATTR, 0, address(path.as_ptr()))
        },
    ),
    Channel::closed(
        "uring_attribute_inherited",
        "has a ring set an attribute of an inherited file",
        &["inode_setxattr"],
        OUTSIDE,
        |s| attribute(s, FSETXATTR, Lent::File.number(), 0),
    ),
    Channel::closed(
        "uring_command",
        "passes a command through a ring to a driver",
        &["uring_cmd"],
        "kernel_interface",
        |_| {
            let null = std::fs::File::open("/dev/null").map_err(crate::scene::errno)?;
            let order = Order { operation: URING_CMD, fd: null.as_raw_fd(), ..Order::default() };
            Ring::new(0)?.submit(order).map(drop)
        },
    )
    .deed()
    .absent(&[Errno::EOPNOTSUPP]),
    Channel::closed(
        "uring_personality",
        "has a ring write as whom it was set up, after giving that up",
        &["uring_override_creds"],
        "kernel_interface",
        |s| {
            let ring = Ring::new(0)?;
            let personality = ring.register(REGISTER_PERSONALITY, std::ptr::null(), 0)?;
            nix::unistd::seteuid(crate::outside::RESEARCHER.into())?;
            create(s, &ring, 0, u16::try_from(personality).map_err(|_| Errno::EINVAL)?)
        },
    )
    .root()
    .or(&[("inode_create", OUTSIDE)]),
    Channel::closed("aio_write", "writes to an inherited file asynchronously", WRITE, OUTSIDE, aio_write),
    Channel::works(
        "uring_at_home",
        "has a ring create and write a file at home",
        "it stays in a zone",
        |s| {
            let ring = Ring::new(0)?;
            let path = c_path(&s.inside("ring"))?;
            let fd = ring.submit(creating(address(path.as_ptr()), 0))?;
            write(s, &ring, fd, 0)
        },
    ),
];

fn creating(path: u64, flags: u8) -> Order {
    let how = libc::O_WRONLY | libc::O_CREAT;
    Order {
        operation: OPENAT,
        flags,
        fd: libc::AT_FDCWD,
        address: path,
        length: 0o644,
        operation_flags: how.cast_unsigned(),
        ..Order::default()
    }
}

fn create(s: &Scene, ring: &Ring, flags: u8, personality: u16) -> Tried {
    let path = c_path(&s.outside(&s.canary))?;
    ring.submit(Order { personality, ..creating(address(path.as_ptr()), flags) }).map(drop)
}

fn write(s: &Scene, ring: &Ring, fd: i32, flags: u8) -> Tried {
    let order = Order {
        operation: WRITE_ORDER,
        flags,
        fd,
        offset: 2048,
        address: address(s.canary.as_ptr()),
        length: 13,
        ..Order::default()
    };
    ring.submit(order).map(drop)
}

/// An order about one or two paths.
fn paths(operation: u8, first: u64, second: u64) -> Tried {
    // The second directory is in the place of the length.
    let length = if operation == MKDIRAT { 0o755 } else { libc::AT_FDCWD.cast_unsigned() };
    let length = if operation == UNLINKAT || operation == SYMLINKAT { 0 } else { length };
    let order =
        Order { operation, fd: libc::AT_FDCWD, address: first, offset: second, length, ..Order::default() };
    Ring::new(0)?.submit(order).map(drop)
}

fn attribute(s: &Scene, operation: u8, fd: i32, path: u64) -> Tried {
    let order = Order {
        operation,
        fd,
        address: address(c"user.ring".as_ptr()),
        offset: address(s.canary.as_ptr()),
        length: 13,
        third: [path, 0],
        ..Order::default()
    };
    Ring::new(0)?.submit(order).map(drop)
}

fn length(number: u32) -> u64 {
    u64::from(number % 60_000) + 200_000
}

fn lent_length() -> u64 {
    let path = std::path::Path::new(crate::outside::OUTSIDE).join("lent/file");
    std::fs::metadata(path).map_or(0, |m| m.len())
}

fn aio_write(s: &Scene) -> Tried {
    /// `struct iocb`.
    #[repr(C)]
    #[derive(Default)]
    struct Control {
        data: u64,
        key_and_flags: u64,
        operation: u16,
        priority: i16,
        fd: u32,
        buffer: u64,
        length: u64,
        offset: i64,
        rest: [u64; 2],
    }
    const PWRITE: u16 = 1;
    let control = Control {
        operation: PWRITE,
        fd: Lent::File.number().cast_unsigned(),
        buffer: address(s.canary.as_ptr()),
        length: 13,
        offset: 3072,
        ..Control::default()
    };
    let mut context = 0_u64;
    let mut event = [0_i64; 4];
    // SAFETY: the kernel fills the context; the list has one control block that outlives the calls; the event has the
    // layout and room of one `struct io_event`.
    unsafe {
        Errno::result(libc::syscall(libc::SYS_io_setup, 1, &raw mut context))?;
        let list = [&raw const control];
        Errno::result(libc::syscall(libc::SYS_io_submit, context, 1, list.as_ptr()))?;
        let none = std::ptr::null::<libc::timespec>();
        Errno::result(libc::syscall(libc::SYS_io_getevents, context, 1, 1, event.as_mut_ptr(), none))?;
    }
    match i32::try_from(event[2]) {
        Ok(result) if result < 0 => Err(Errno::from_raw(-result)),
        _ => Ok(()),
    }
}
