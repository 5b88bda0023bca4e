//! Opening, creating, reading and writing files by name.

use crate::channel::Channel;
use crate::scene::errno;
use nix::fcntl::{AT_FDCWD, OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::symlinkat;
use std::fs;
use std::os::fd::AsRawFd as _;
use std::path::Path;

const OPEN: &[&str] = &["file_open"];
const CREATE: &[&str] = &["inode_create"];
const OUTSIDE: &str = "outside_zones";

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed("open_existing", "opens a file outside for writing", OPEN, OUTSIDE, |s| {
        s.write_to(&s.outside("target"))
    }),
    Channel::closed("open_append", "opens a file outside for appending", OPEN, OUTSIDE, |s| {
        s.write(&open(&s.outside("target"), OFlag::O_WRONLY | OFlag::O_APPEND, Mode::empty())?)
    }),
    Channel::closed("create_file", "creates a file outside", CREATE, OUTSIDE, |s| {
        s.write(&open(&s.outside("new"), OFlag::O_WRONLY | OFlag::O_CREAT, Mode::S_IRWXU)?)
    }),
    Channel::closed(
        "create_empty_file",
        "creates an empty file whose name is the data",
        CREATE,
        OUTSIDE,
        |s| open(&s.outside(&s.canary), OFlag::O_RDONLY | OFlag::O_CREAT, Mode::S_IRWXU).map(drop),
    ),
    Channel::closed("create_by_root", "creates a file outside as root", CREATE, OUTSIDE, |s| {
        fs::write(s.outside("new"), &s.canary).map_err(errno)
    })
    .root(),
    Channel::closed(
        "create_by_earlier",
        "creates a file from a process older than the gate",
        CREATE,
        OUTSIDE,
        |s| fs::write(s.outside("new"), &s.canary).map_err(errno),
    )
    .earlier(),
    Channel::closed(
        "reopen_o_path",
        "opens with O_PATH, then again through /proc/self/fd",
        OPEN,
        OUTSIDE,
        |s| {
            let fd = open(&s.outside("target"), OFlag::O_PATH, Mode::empty())?;
            s.write_to(Path::new(&format!("/proc/self/fd/{}", fd.as_raw_fd())))
        },
    ),
    Channel::closed(
        "follow_symlink",
        "writes through a symbolic link that lies in a zone",
        OPEN,
        OUTSIDE,
        |s| {
            let link = s.inside("link");
            symlinkat(&s.outside("target"), AT_FDCWD, &link)?;
            s.write_to(&link)
        },
    ),
];
