//! Mappings, and memory that more than one process may reach.

use crate::channel::{Channel, Tried};
use crate::lent::Lent;
use crate::scene::{Scene, errno};
use crate::system::{c_path, descriptor};
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mprotect};
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

const OUTSIDE: &str = "outside_zones";
const PAGE: usize = 4096;

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed(
        "map_inherited",
        "maps an inherited file, shared and writable",
        &["mmap_file"],
        OUTSIDE,
        |s| {
            map(
                s,
                &Lent::File.inherited()?,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
            )
        },
    ),
    Channel::closed("map_validated", "the same with MAP_SHARED_VALIDATE", &["mmap_file"], OUTSIDE, |s| {
        let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        map(s, &Lent::File.inherited()?, both, MapFlags::MAP_SHARED_VALIDATE)
    }),
    Channel::closed(
        "map_then_protect",
        "maps an inherited file to read, then makes the mapping writable",
        &["file_mprotect"],
        OUTSIDE,
        |s| map(s, &Lent::File.inherited()?, ProtFlags::PROT_READ, MapFlags::MAP_SHARED),
    ),
    Channel::closed("map_by_earlier", "maps what an older process inherited", &["mmap_file"], OUTSIDE, |s| {
        map(s, &Lent::File.inherited()?, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED)
    })
    .earlier(),
    Channel::closed("map_inherited_memory", "maps memory that was lent", &["mmap_file"], OUTSIDE, |s| {
        let fd = Lent::Memory.inherited()?;
        let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        map(s, &fd, both, MapFlags::MAP_SHARED)
    })
    .ready(|_| crate::lent::memory_holds(PAGE))
    .arrived(|o| crate::lent::memory_has(o.canary())),
    Channel::closed(
        "program_in_memory",
        "runs a program from memory that writes outside",
        &["inode_create"],
        OUTSIDE,
        |s| {
            let memory = memfd_create(c"program", MFdFlags::empty())?;
            let program = std::fs::read("/bin/sh").map_err(errno)?;
            nix::unistd::write(&memory, &program)?;
            let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
            s.command(&path, &["-c", &format!("echo {} > {}", s.canary, s.outside("new").display())])
        },
    ),
    Channel::works(
        "own_memory_file",
        "makes nameless memory, writes and maps it, opens it again",
        "it is its own",
        |s| {
            let memory = memfd_create(c"own", MFdFlags::empty())?;
            nix::unistd::ftruncate(&memory, 4096)?;
            s.write(&memory)?;
            map(s, &memory, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED)?;
            s.write_to(Path::new(&format!("/proc/self/fd/{}", memory.as_raw_fd())))
        },
    ),
    Channel::works(
        "private_mapping",
        "maps a file outside privately and writes into the mapping",
        "nobody else sees it",
        |s| {
            let fd: OwnedFd = std::fs::File::open(s.outside("target")).map_err(errno)?.into();
            map(s, &fd, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE)
        },
    ),
    Channel::works("secret_memory", "makes secret memory", "nobody else sees it", |_| {
        // SAFETY: integers only.
        let fd = Errno::result(unsafe { libc::syscall(libc::SYS_memfd_secret, 0) })?;
        descriptor(fd).map(drop)
    })
    .absent(&[Errno::ENOSYS]),
    Channel::works("fault_handler", "handles its own page faults", "it reaches only its own memory", |_| {
        const USER_MODE_ONLY: libc::c_int = 1;
        // SAFETY: integers only.
        let fd =
            Errno::result(unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | USER_MODE_ONLY) })?;
        descriptor(fd).map(drop)
    }),
    Channel::works("library", "maps a library to run it", "nothing is written", |_| {
        let _exists = c_path(Path::new("/usr/bin/true"))?;
        std::process::Command::new("/usr/bin/true").status().map(drop).map_err(errno)
    }),
];

/// Maps a page, makes it writable if it was not, and writes.
fn map(s: &Scene, fd: &OwnedFd, protection: ProtFlags, flags: MapFlags) -> Tried {
    let length = NonZeroUsize::new(PAGE).ok_or(Errno::EINVAL)?;
    // SAFETY: a fresh mapping of a page that the file has; nobody else here refers to it.
    unsafe {
        let at = mmap(None, length, protection, flags, fd, 0)?;
        if !protection.contains(ProtFlags::PROT_WRITE) {
            mprotect(at, PAGE, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)?;
        }
        std::ptr::copy_nonoverlapping(s.canary.as_ptr(), at.as_ptr().cast(), s.canary.len());
    }
    Ok(())
}
