//! Descriptors that somebody unconfined opened, inherited or passed, and what can be done through them.

use crate::channel::Channel;
use crate::heir::answered;
use crate::lent::Lent;
use crate::outside::OUTSIDE as GROUND;
use crate::scene::errno;
use nix::errno::Errno;
use nix::fcntl::{
    AT_FDCWD, AtFlags, FallocateFlags, OFlag, SpliceFFlags, fallocate, openat, splice, tee, vmsplice,
};
use nix::sys::sendfile::sendfile;
use nix::sys::stat::{Mode, fchmod, futimens, mkdirat};
use nix::sys::time::TimeSpec;
use nix::sys::uio::{pwrite, pwritev};
use nix::unistd::{fchown, ftruncate, linkat, pipe, symlinkat};
use std::fs::{self, File, Metadata};
use std::io::IoSlice;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

const WRITE: &[&str] = &["file_permission"];
const ATTRIBUTES: &[&str] = &["inode_setattr"];
const OUTSIDE: &str = "outside_zones";

/// What passes a descriptor on may be refused already.
const PASSED: &[&str] = &["file_permission", "file_receive"];

/// A session whose first program is handed something that leads on where no hook looks: the program does not begin.
macro_rules! heir {
    ($name:literal, $tries:literal, $way:literal) => {
        Channel::closed($name, $tries, &["bprm_check_security"], OUTSIDE, |s| {
            answered(&s.ask("begin", $way)?)
        })
    };
}

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed("write_inherited", "writes through an inherited descriptor", WRITE, OUTSIDE, |s| {
        s.write(&Lent::File.inherited()?)
    }),
    Channel::closed("append_inherited", "appends through an inherited descriptor", WRITE, OUTSIDE, |s| {
        s.write(&Lent::Append.inherited()?)
    }),
    Channel::closed(
        "pwrite_inherited",
        "writes at a place through an inherited descriptor",
        WRITE,
        OUTSIDE,
        |s| pwrite(&Lent::File.inherited()?, s.canary.as_bytes(), 512).map(drop),
    ),
    Channel::closed(
        "pwritev_inherited",
        "writes two pieces through an inherited descriptor",
        WRITE,
        OUTSIDE,
        |s| {
            let (first, second) = s.canary.as_bytes().split_at(5);
            pwritev(&Lent::File.inherited()?, &[IoSlice::new(first), IoSlice::new(second)], 1024).map(drop)
        },
    ),
    Channel::closed(
        "write_by_earlier",
        "writes through what an older process inherited",
        WRITE,
        OUTSIDE,
        |s| s.write(&Lent::File.inherited()?),
    )
    .earlier(),
    Channel::closed(
        "write_passed",
        "writes through a descriptor passed over a unix socket",
        PASSED,
        OUTSIDE,
        |s| s.write(&Lent::File.passed(s)?),
    ),
    Channel::closed(
        "write_32_bit",
        "writes through an inherited one by the 32-bit system call",
        WRITE,
        OUTSIDE,
        |s| {
            use crate::system::{call32, text32};
            const WRITE: u32 = 4;
            let bytes = text32(&s.canary)?;
            let length = u32::try_from(s.canary.len()).map_err(|_| Errno::EINVAL)?;
            call32(WRITE, [Lent::File.number().cast_unsigned(), bytes, length]).map(drop)
        },
    ),
    Channel::closed(
        "sendfile_to_inherited",
        "has the kernel copy a file into an inherited one",
        WRITE,
        OUTSIDE,
        |s| {
            let own = File::open(s.own_file("sent")?).map_err(errno)?;
            sendfile(Lent::File.inherited()?, own, None, s.canary.len()).map(drop)
        },
    ),
    Channel::closed(
        "copy_file_range",
        "copies a range of a file into an inherited one",
        WRITE,
        OUTSIDE,
        |s| {
            let own = File::open(s.own_file("copied")?).map_err(errno)?;
            nix::fcntl::copy_file_range(own, None, Lent::File.inherited()?, None, s.canary.len()).map(drop)
        },
    ),
    Channel::closed("splice_to_inherited", "splices a pipe into an inherited file", WRITE, OUTSIDE, |s| {
        let (reader, writer) = pipe()?;
        s.write(&writer)?;
        splice(reader, None, Lent::File.inherited()?, None, s.canary.len(), SpliceFFlags::empty()).map(drop)
    }),
    Channel::closed(
        "fallocate_inherited",
        "gives an inherited file a length that means something",
        WRITE,
        OUTSIDE,
        |s| {
            let length = lengths(s.number()).0;
            fallocate(Lent::File.inherited()?, FallocateFlags::empty(), 0, length)
        },
    )
    .arrived(|o| lent_file().is_some_and(|m| m.len() == lengths(o.number()).0.unsigned_abs())),
    Channel::closed(
        "ftruncate_inherited",
        "sets the length of an inherited file",
        &["inode_setattr", "path_truncate", "file_truncate"],
        OUTSIDE,
        |s| ftruncate(Lent::File.inherited()?, lengths(s.number()).1),
    )
    .arrived(|o| lent_file().is_some_and(|m| m.len() == lengths(o.number()).1.unsigned_abs())),
    Channel::closed("times_of_inherited", "sets the times of an inherited file", ATTRIBUTES, OUTSIDE, |s| {
        let time = TimeSpec::new(i64::from(s.number()), 0);
        futimens(Lent::File.inherited()?, &time, &time)
    })
    .arrived(|o| lent_file().is_some_and(|m| m.mtime() == i64::from(o.number()))),
    Channel::closed("mode_of_inherited", "sets the mode of an inherited file", ATTRIBUTES, OUTSIDE, |s| {
        fchmod(Lent::File.inherited()?, Mode::from_bits_truncate(0o1646 ^ (s.number() & 0o10)))
    })
    .arrived(|o| lent_file().is_some_and(|m| m.permissions().mode() & 0o7777 == 0o1646 ^ (o.number() & 0o10)))
    .undo(|_| {
        let _ = fs::set_permissions(lent("file"), fs::Permissions::from_mode(0o666));
    }),
    Channel::closed(
        "owner_of_inherited",
        "gives an inherited file to its owner again",
        ATTRIBUTES,
        OUTSIDE,
        |_| {
            let own = nix::unistd::getuid();
            fchown(Lent::File.inherited()?, Some(own), None)
        },
    )
    .deed(),
    Channel::closed(
        "attribute_of_inherited",
        "sets an extended attribute of an inherited file",
        &["inode_setxattr"],
        OUTSIDE,
        |s| {
            let fd = Lent::File.inherited()?;
            let value = s.canary.as_bytes();
            // SAFETY: the name is terminated; the value has the length given.
            let done = unsafe {
                libc::fsetxattr(
                    fd.as_raw_fd(),
                    c"user.escape".as_ptr(),
                    value.as_ptr().cast(),
                    value.len(),
                    0,
                )
            };
            Errno::result(done).map(drop)
        },
    ),
    Channel::closed(
        "create_in_inherited",
        "creates a file in an inherited directory",
        &["inode_create"],
        OUTSIDE,
        |s| {
            let name = format!("{}-new", s.canary);
            openat(
                Lent::Directory.inherited()?,
                name.as_str(),
                OFlag::O_WRONLY | OFlag::O_CREAT,
                Mode::S_IRWXU,
            )
            .map(drop)
        },
    ),
    Channel::closed(
        "directory_in_inherited",
        "makes a directory in an inherited one",
        &["inode_mkdir"],
        OUTSIDE,
        |s| mkdirat(Lent::Directory.inherited()?, s.canary.as_str(), Mode::S_IRWXU),
    ),
    Channel::closed(
        "symlink_in_inherited",
        "makes a symbolic link in an inherited directory",
        &["inode_symlink"],
        OUTSIDE,
        |s| symlinkat("x", Lent::Directory.inherited()?, s.canary.as_str()),
    ),
    Channel::closed(
        "link_in_inherited",
        "links a file of a zone into an inherited directory",
        &["inode_link"],
        OUTSIDE,
        |s| {
            let directory = Lent::Directory.inherited()?;
            linkat(AT_FDCWD, &s.own_file("linked")?, directory, s.canary.as_str(), AtFlags::empty())
        },
    ),
    Channel::closed(
        "reopen_inherited_path",
        "opens an inherited O_PATH descriptor for writing",
        &["file_open"],
        OUTSIDE,
        |s| s.write_to(Path::new(&format!("/proc/self/fd/{}", Lent::Path.number()))),
    ),
    heir!("write_inherited_fifo", "writes into a named pipe that its first program was handed", "write"),
    heir!("splice_to_inherited_fifo", "splices a pipe into one", "splice"),
    heir!("tee_to_inherited_fifo", "tees a pipe into one", "tee"),
    heir!("vmsplice_to_inherited_fifo", "maps its own memory into one", "vmsplice"),
    heir!("uring_splice_to_inherited_fifo", "has a ring splice a pipe into one", "ring"),
    heir!("inherited_ring", "has a ring that was handed down splice into a pipe that it holds", "lent-ring"),
    Channel::works(
        "inherited_fifo_in_zone",
        "splices into a named pipe of a zone that its first program was handed",
        "whoever reads there may read in the zone",
        |s| answered(&s.ask("begin", "inside")?),
    ),
    Channel::works(
        "fifo_closed_at_exec",
        "begins its first program with a named pipe in hand that closes before the program begins",
        "logins hold such pipes, and no program gets them",
        |s| answered(&s.ask("begin", "closing")?),
    ),
    Channel::closed("open_fifo", "opens a named pipe outside and writes", &["file_open"], OUTSIDE, |s| {
        s.write_to(&lent("fifo"))
    }),
    Channel::closed(
        "clone_range",
        "shares the blocks of a file of a zone with an inherited one",
        &["file_ioctl"],
        OUTSIDE,
        |s| {
            const FICLONE: libc::c_ulong = 0x4004_9409;
            let own = File::open(s.own_file("cloned")?).map_err(errno)?;
            let fd = Lent::File.inherited()?;
            // SAFETY: FICLONE takes a descriptor.
            Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), FICLONE, own.as_raw_fd()) }).map(drop)
        },
    )
    .absent(&[Errno::EOPNOTSUPP]),
    Channel::closed("write_inherited_memory", "writes into memory that was lent", WRITE, OUTSIDE, |s| {
        s.write(&Lent::Memory.inherited()?)
    })
    .arrived(|o| crate::lent::memory_has(o.canary())),
    Channel::works(
        "write_inherited_pipe",
        "writes into an inherited nameless pipe",
        "such pipes and terminals are how a session began; what a session shows through them is counted",
        |s| s.write(&Lent::Pipe.inherited()?),
    ),
    Channel::works(
        "own_pipes",
        "fills, tees, splices and maps memory into its own pipes",
        "they have no other end",
        |s| {
            let (reader, writer) = pipe()?;
            let (_other_reader, other_writer) = pipe()?;
            s.write(&writer)?;
            tee(&reader, &other_writer, 4, SpliceFFlags::empty())?;
            splice(&reader, None, &other_writer, None, 4, SpliceFFlags::empty())?;
            vmsplice(&other_writer, &[IoSlice::new(b"x")], SpliceFFlags::empty()).map(drop)
        },
    ),
    Channel::works(
        "own_descriptor_passed",
        "passes a descriptor of its own to itself over a unix socket",
        "both ends are confined, and the file lies in a zone",
        |s| {
            use nix::sys::socket::{ControlMessage, MsgFlags, recvmsg, sendmsg};
            let own = File::open(s.own_file("passed")?).map_err(errno)?;
            let (near, far) = std::os::unix::net::UnixStream::pair().map_err(errno)?;
            let fds = [own.as_raw_fd()];
            let rights = [ControlMessage::ScmRights(&fds)];
            sendmsg::<()>(near.as_raw_fd(), &[IoSlice::new(b"d")], &rights, MsgFlags::empty(), None)?;
            let mut byte = [0; 1];
            let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
            let mut iov = [std::io::IoSliceMut::new(&mut byte)];
            let message = recvmsg::<()>(far.as_raw_fd(), &mut iov, Some(&mut space), MsgFlags::empty())?;
            if message.cmsgs()?.next().is_some() { Ok(()) } else { Err(Errno::EPERM) }
        },
    ),
    Channel::works(
        "pipes_and_programs",
        "pipes one program into another and to /dev/null",
        "it stays inside",
        |s| s.shell("echo ordinary | cat | grep -q ordinary && echo x > /dev/null"),
    ),
];

fn lent(name: &str) -> std::path::PathBuf {
    Path::new(GROUND).join("lent").join(name)
}

fn lent_file() -> Option<Metadata> {
    fs::metadata(lent("file")).ok()
}

/// Two lengths by which a witness knows this canary: longer than the file was.
fn lengths(number: u32) -> (i64, i64) {
    let number = i64::from(number % 60_000);
    (20_000 + number, 100_000 + number)
}
