//! Opening, creating and writing files by name.

use crate::channel::{Channel, Tried};
use crate::outside::{RESEARCHER, open_to_all};
use crate::scene::{Scene, errno};
use crate::system::{self, c_path, call32, text32};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open, openat};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, linkat, symlinkat};
use std::fs;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

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
    Channel::closed("open_read_write", "opens a file outside for reading and writing", OPEN, OUTSIDE, |s| {
        s.write(&open(&s.outside("target"), OFlag::O_RDWR, Mode::empty())?)
    }),
    Channel::closed("open_truncating", "empties a file outside by opening it", OPEN, OUTSIDE, |s| {
        s.write(&open(&s.outside("target"), OFlag::O_WRONLY | OFlag::O_TRUNC, Mode::empty())?)
    }),
    Channel::closed(
        "truncate_by_reading",
        "empties a file outside by opening it for reading, with O_TRUNC",
        &["inode_setattr", "path_truncate", "file_truncate"],
        OUTSIDE,
        |s| open(&s.outside("target"), OFlag::O_RDONLY | OFlag::O_TRUNC, Mode::empty()).map(drop),
    )
    .arrived(|o| fs::metadata(o.path("target")).is_ok_and(|m| m.len() == 0)),
    Channel::closed("create_file", "creates a file outside", CREATE, OUTSIDE, |s| {
        s.write(&open(&s.outside("new"), OFlag::O_WRONLY | OFlag::O_CREAT, Mode::S_IRWXU)?)
    }),
    Channel::closed("create_exclusively", "creates a file outside with O_EXCL", CREATE, OUTSIDE, |s| {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        s.write(&open(&s.outside("new"), flags, Mode::S_IRWXU)?)
    }),
    Channel::closed(
        "create_empty_file",
        "creates an empty file outside whose name is the data",
        CREATE,
        OUTSIDE,
        |s| open(&s.outside(&s.canary), OFlag::O_RDONLY | OFlag::O_CREAT, Mode::S_IRWXU).map(drop),
    ),
    Channel::closed(
        "create_relative",
        "goes to a directory outside and creates a file there",
        CREATE,
        OUTSIDE,
        |s| {
            chdir(&s.outside(""))?;
            s.write(&open("new", OFlag::O_WRONLY | OFlag::O_CREAT, Mode::S_IRWXU)?)
        },
    ),
    Channel::closed(
        "create_at",
        "creates a file through a descriptor of its directory",
        CREATE,
        OUTSIDE,
        |s| {
            let directory = open(&s.outside(""), OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty())?;
            s.write(&openat(&directory, "new", OFlag::O_WRONLY | OFlag::O_CREAT, Mode::S_IRWXU)?)
        },
    ),
    Channel::closed(
        "create_beneath",
        "creates a file with openat2, beneath a directory outside",
        CREATE,
        OUTSIDE,
        |s| {
            use nix::fcntl::{OpenHow, ResolveFlag, openat2};
            let directory = open(&s.outside(""), OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty())?;
            let how = OpenHow::new()
                .flags(OFlag::O_WRONLY | OFlag::O_CREAT)
                .mode(Mode::S_IRWXU)
                .resolve(ResolveFlag::RESOLVE_BENEATH);
            s.write(&openat2(&directory, "new", how)?)
        },
    ),
    Channel::closed("create_deep", "creates a file a hundred directories deep", CREATE, "unresolved", |s| {
        s.write(&open(&deep(&s.outside("deep")), OFlag::O_WRONLY | OFlag::O_CREAT, Mode::S_IRWXU)?)
    })
    .ready(|o| {
        let path = deep(&o.path("deep"));
        let parent = path.parent().unwrap_or(&path);
        fs::create_dir_all(parent)?;
        open_to_all(parent, Some(RESEARCHER))
    }),
    Channel::closed("create_as_root", "creates a file outside as root", CREATE, OUTSIDE, |s| {
        fs::write(s.outside("new"), &s.canary).map_err(errno)
    })
    .root(),
    Channel::closed("open_as_root", "opens a file outside for writing as root", OPEN, OUTSIDE, |s| {
        s.write_to(&s.outside("target"))
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
        "open_by_earlier",
        "opens a file from a process older than the gate",
        OPEN,
        OUTSIDE,
        |s| s.write_to(&s.outside("target")),
    )
    .earlier(),
    Channel::closed("temporary_file", "makes a nameless file outside, then names it", OPEN, OUTSIDE, |s| {
        name_temporary(s, &s.outside(""))
    }),
    Channel::closed(
        "temporary_file_moved_out",
        "makes a nameless file in a zone, then names it outside",
        &["inode_link"],
        OUTSIDE,
        |s| name_temporary(s, Path::new("/home/researcher")),
    ),
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
        "reopen_read_only",
        "opens for reading, then for writing through /dev/fd",
        OPEN,
        OUTSIDE,
        |s| {
            let fd = open(&s.outside("target"), OFlag::O_RDONLY, Mode::empty())?;
            s.write_to(Path::new(&format!("/dev/fd/{}", fd.as_raw_fd())))
        },
    ),
    Channel::closed("through_proc_root", "creates a file below /proc/self/root", CREATE, OUTSIDE, |s| {
        let path = format!("/proc/self/root{}", s.outside("new").display());
        fs::write(path, &s.canary).map_err(errno)
    }),
    Channel::closed("through_proc_cwd", "creates a file below /proc/self/cwd", CREATE, OUTSIDE, |s| {
        chdir(&s.outside(""))?;
        fs::write("/proc/self/cwd/new", &s.canary).map_err(errno)
    }),
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
    Channel::closed(
        "dangling_symlink",
        "creates a file through a symbolic link in a zone",
        CREATE,
        OUTSIDE,
        |s| {
            let link = s.inside("link");
            symlinkat(&s.outside("new"), AT_FDCWD, &link)?;
            fs::write(&link, &s.canary).map_err(errno)
        },
    ),
    Channel::closed("open_by_handle", "opens a file outside by its handle", OPEN, OUTSIDE, |s| {
        s.write(&open_by_handle(&s.outside("target"))?)
    })
    .root(),
    // The inode has a second home in the zone, made by somebody unconfined.
    Channel::closed(
        "hard_link_made_before",
        "writes to a file outside through a hard link in a zone, made before",
        OPEN,
        "other_home",
        |s| s.write_to(&s.inside("linked")),
    )
    .ready(|o| Ok(fs::hard_link(o.path("target"), o.scene.inside_of_researcher("linked"))?)),
    Channel::closed(
        "bind_mount_made_before",
        "writes to a file outside through a bind mount in a zone, made before",
        OPEN,
        OUTSIDE,
        |s| s.write_to(&place_in_tmp(s).join("target")),
    )
    .ready(|o| {
        fs::create_dir(place_in_tmp(o.scene))?;
        let none = None::<&str>;
        Ok(mount(Some(&o.path("")), &place_in_tmp(o.scene), none, MsFlags::MS_BIND, none)?)
    })
    .undo(|o| {
        let _ = umount2(&place_in_tmp(o.scene), MntFlags::MNT_DETACH);
    }),
    Channel::closed(
        "overlay_made_before",
        "writes through an overlay in a zone whose upper layer is outside, made before",
        CREATE,
        OUTSIDE,
        |s| fs::write(place_in_tmp(s).join("new"), &s.canary).map_err(errno),
    )
    .ready(|o| {
        fs::create_dir(place_in_tmp(o.scene))?;
        ["lower", "upper", "work"].into_iter().try_for_each(|name| o.directory(name))?;
        let layers = ["lower", "upper", "work"].map(|name| o.path(name).display().to_string());
        let options = format!("lowerdir={},upperdir={},workdir={}", layers[0], layers[1], layers[2]);
        let flags = MsFlags::empty();
        Ok(mount(Some("overlay"), &place_in_tmp(o.scene), Some("overlay"), flags, Some(options.as_str()))?)
    })
    .undo(|o| {
        let _ = umount2(&place_in_tmp(o.scene), MntFlags::MNT_DETACH);
    }),
    Channel::closed(
        "tmpfs_of_root",
        "writes to a memory file system in a zone that somebody unconfined mounted there",
        CREATE,
        OUTSIDE,
        |s| fs::write(place_in_tmp(s).join("new"), &s.canary).map_err(errno),
    )
    .ready(|o| {
        fs::create_dir(place_in_tmp(o.scene))?;
        let flags = MsFlags::empty();
        Ok(mount(Some("outside"), &place_in_tmp(o.scene), Some("tmpfs"), flags, Some("mode=1777"))?)
    })
    .arrived(|o| fs::read_to_string(place_in_tmp(o.scene).join("new")).is_ok_and(|text| text == o.canary()))
    .undo(|o| {
        let _ = umount2(&place_in_tmp(o.scene), MntFlags::MNT_DETACH);
    }),
    Channel::closed("second_disk", "creates a file on another disk", CREATE, OUTSIDE, |s| {
        fs::write(Path::new("/mnt/out").join(&s.canary), "x").map_err(errno)
    })
    .arrived(|o| Path::new("/mnt/out").join(o.canary()).exists())
    .undo(|o| {
        let _ = fs::remove_file(Path::new("/mnt/out").join(o.canary()));
    }),
    Channel::closed("open_32_bit", "opens a file outside by the 32-bit system call", OPEN, OUTSIDE, |s| {
        const OPENAT: u32 = 295;
        let path = text32(&s.outside("target").display().to_string())?;
        let fd = call32(OPENAT, [libc::AT_FDCWD.cast_unsigned(), path, libc::O_WRONLY.cast_unsigned()])?;
        // SAFETY: the kernel just made this descriptor for us.
        s.write(&unsafe { OwnedFd::from_raw_fd(fd) })
    }),
    Channel::closed("open_x32", "opens a file outside by the x32 system call", OPEN, OUTSIDE, |s| {
        const X32: libc::c_long = 0x4000_0000;
        let path = c_path(&s.outside("target"))?;
        // SAFETY: the path is terminated and outlives the call.
        let fd =
            unsafe { libc::syscall(X32 + libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), libc::O_WRONLY) };
        let fd = i32::try_from(Errno::result(fd)?).map_err(|_| Errno::EINVAL)?;
        // SAFETY: the kernel just made this descriptor for us.
        s.write(&unsafe { OwnedFd::from_raw_fd(fd) })
    })
    .absent(&[Errno::ENOSYS]),
    Channel::closed("log_file", "appends to a log of the node", OPEN, OUTSIDE, |s| {
        s.write(&open("/var/log/wtmp", OFlag::O_WRONLY | OFlag::O_APPEND, Mode::empty())?)
    })
    .root()
    .arrived(|o| {
        fs::read("/var/log/wtmp").is_ok_and(|log| crate::outside::contains(&log, o.canary().as_bytes()))
    }),
    Channel::works(
        "read_outside",
        "reads a file outside",
        "bringing data in is allowed; only what goes out is judged",
        |s| fs::read(s.outside("target")).map(drop).map_err(errno),
    ),
    Channel::works("o_path", "opens a file outside with O_PATH", "nothing can be written through it", |s| {
        open(&s.outside("target"), OFlag::O_PATH, Mode::empty()).map(drop)
    }),
    Channel::works(
        "work_in_home",
        "makes, links, renames, appends to and removes files at home",
        "it stays in a zone",
        work_in_home,
    ),
    Channel::works("work_in_shared_memory", "makes a file in /dev/shm", "it stays in a zone", |s| {
        fs::write(Path::new("/dev/shm").join(&s.canary), "x").map_err(errno)
    }),
    Channel::works(
        "root_works_in_tmp",
        "makes and removes a file in /tmp as root",
        "it stays in a zone",
        |s| fs::write(s.inside("root"), "x").and_then(|()| fs::remove_file(s.inside("root"))).map_err(errno),
    )
    .root(),
    Channel::works(
        "temporary_file_at_home",
        "makes and names a nameless file at home",
        "it stays in a zone",
        |s| {
            let fd = open("/home/researcher", OFlag::O_WRONLY | OFlag::O_TMPFILE, Mode::S_IRWXU)?;
            s.write(&fd)?;
            let own = format!("/proc/self/fd/{}", fd.as_raw_fd());
            linkat(AT_FDCWD, own.as_str(), AT_FDCWD, &s.inside("named"), AtFlags::AT_SYMLINK_FOLLOW)
        },
    ),
];

/// A place in a zone where the witness may mount something.
fn place_in_tmp(s: &Scene) -> PathBuf {
    PathBuf::from(format!("/tmp/escape-{}-mount", s.canary))
}

fn deep(directory: &Path) -> PathBuf {
    directory.join("d/".repeat(100)).join("new")
}

/// A nameless file in that directory gets a name outside.
fn name_temporary(s: &Scene, directory: &Path) -> Tried {
    let fd = open(directory, OFlag::O_WRONLY | OFlag::O_TMPFILE, Mode::S_IRWXU)?;
    s.write(&fd)?;
    let own = format!("/proc/self/fd/{}", fd.as_raw_fd());
    linkat(AT_FDCWD, own.as_str(), AT_FDCWD, &s.outside("named"), AtFlags::AT_SYMLINK_FOLLOW)
}

fn open_by_handle(path: &Path) -> nix::Result<OwnedFd> {
    let text = c_path(path)?;
    // A `struct file_handle`: the room for the handle, its type, the handle.
    let mut handle = [0_u32; 34];
    handle[0] = 128;
    let mut mounted = 0;
    // SAFETY: the path is terminated; the handle has the room that its first word says.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            libc::AT_FDCWD,
            text.as_ptr(),
            handle.as_mut_ptr(),
            &raw mut mounted,
            0,
        )
    })?;
    let on = open("/home", OFlag::O_RDONLY, Mode::empty())?;
    // SAFETY: the kernel wrote this handle.
    let fd = Errno::result(unsafe {
        libc::syscall(libc::SYS_open_by_handle_at, on.as_raw_fd(), handle.as_mut_ptr(), libc::O_WRONLY)
    })?;
    system::descriptor(fd)
}

fn work_in_home(s: &Scene) -> Tried {
    use std::io::Write as _;
    let (dir, moved) = (s.inside("work"), s.inside("done"));
    let work = || -> std::io::Result<()> {
        fs::create_dir(&dir)?;
        fs::write(dir.join("a"), "x")?;
        fs::hard_link(dir.join("a"), dir.join("b"))?;
        std::os::unix::fs::symlink("a", dir.join("c"))?;
        fs::rename(&dir, &moved)?;
        fs::OpenOptions::new().append(true).open(moved.join("c"))?.write_all(b"y")?;
        fs::remove_dir_all(&moved)
    };
    work().map_err(errno)
}
