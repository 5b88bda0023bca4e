//! Names: each name, link and target is payload, and each has two homes when it moves.

use crate::channel::{Channel, Tried};
use crate::scene::{Scene, errno};
use nix::fcntl::{AT_FDCWD, AtFlags, RenameFlags, renameat2};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{linkat, mkdir, mkfifo, symlinkat};
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;

const OUTSIDE: &str = "outside_zones";
const LINK: &[&str] = &["inode_link"];
const RENAME: &[&str] = &["inode_rename"];
const MKNOD: &[&str] = &["inode_mknod"];

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed(
        "name_of_directory",
        "makes a directory whose name is the data",
        &["inode_mkdir"],
        OUTSIDE,
        |s| mkdir(&s.outside(&s.canary), Mode::S_IRWXU),
    ),
    Channel::closed(
        "target_of_symlink",
        "makes a symbolic link whose target is the data",
        &["inode_symlink"],
        OUTSIDE,
        |s| symlinkat(s.canary.as_str(), AT_FDCWD, &s.outside("link")),
    ),
    Channel::closed("name_of_pipe", "makes a named pipe", MKNOD, OUTSIDE, |s| {
        mkfifo(&s.outside(&s.canary), Mode::S_IRWXU)
    }),
    Channel::closed("name_of_socket", "binds a unix socket to a name", MKNOD, OUTSIDE, |s| {
        let long = s.outside(&s.canary);
        UnixListener::bind(long).map(drop).map_err(errno)
    }),
    Channel::closed(
        "empty_node",
        "makes a regular file with mknod",
        &["inode_create", "inode_mknod"],
        OUTSIDE,
        |s| mknod(&s.outside(&s.canary), SFlag::S_IFREG, Mode::S_IRWXU, 0),
    ),
    Channel::closed("device_node", "makes a device node whose number is the data", MKNOD, "device", |s| {
        mknod(&s.outside(&s.canary), SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, u64::from(s.number() & 0xfff)))
    })
    .root()
    .or(&[("capable", "capability")]),
    Channel::closed("device_node_in_zone", "makes a device node in a zone", MKNOD, "device", |s| {
        mknod(&s.inside("null"), SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 3))
    })
    .root()
    .or(&[("capable", "capability")])
    .deed(),
    Channel::closed(
        "whiteout",
        "makes a whiteout by renaming",
        &["inode_rename", "inode_mknod"],
        OUTSIDE,
        |s| {
            let flags = RenameFlags::RENAME_WHITEOUT;
            renameat2(AT_FDCWD, &s.outside("own"), AT_FDCWD, &s.outside(&s.canary), flags)
        },
    )
    .root(),
    Channel::closed("link_out", "hard-links a file of a zone to a name outside", LINK, OUTSIDE, |s| {
        linkat(AT_FDCWD, &s.own_file("linked")?, AT_FDCWD, &s.outside("linked"), AtFlags::empty())
    }),
    Channel::closed(
        "link_in",
        "hard-links a file outside into a zone, and writes to it there",
        LINK,
        OUTSIDE,
        |s| {
            let name = s.inside("home");
            linkat(AT_FDCWD, &s.outside("own"), AT_FDCWD, &name, AtFlags::empty())?;
            s.write_to(&name)
        },
    ),
    Channel::closed("link_within", "gives a file outside another name outside", LINK, OUTSIDE, |s| {
        linkat(AT_FDCWD, &s.outside("own"), AT_FDCWD, &s.outside(&s.canary), AtFlags::empty())
    }),
    Channel::closed("rename_out", "moves a file out of a zone", RENAME, OUTSIDE, |s| {
        fs::rename(s.own_file("moved")?, s.outside("moved")).map_err(errno)
    }),
    Channel::closed("rename_directory_out", "moves a directory out of a zone", RENAME, OUTSIDE, |s| {
        let own = s.inside("directory");
        fs::create_dir(&own).map_err(errno)?;
        fs::write(own.join("a"), &s.canary).map_err(errno)?;
        fs::rename(own, s.outside("moved")).map_err(errno)
    }),
    Channel::closed("rename_in", "moves a file outside into a zone", RENAME, OUTSIDE, |s| {
        fs::rename(s.outside("own"), s.inside("taken")).map_err(errno)
    })
    .arrived(|o| !o.path("own").exists()),
    Channel::closed(
        "rename_directory_in",
        "moves a directory outside into a zone, writes, moves it back",
        RENAME,
        OUTSIDE,
        |s| {
            let here = s.inside("taken");
            fs::rename(s.outside("directory"), &here).map_err(errno)?;
            fs::write(here.join("a"), &s.canary).map_err(errno)?;
            fs::rename(here, s.outside("directory")).map_err(errno)
        },
    )
    .ready(|o| o.directory("directory")),
    Channel::closed("rename_within", "renames a file outside", RENAME, OUTSIDE, |s| {
        fs::rename(s.outside("own"), s.outside(&s.canary)).map_err(errno)
    }),
    Channel::closed("rename_exchange", "exchanges a file of a zone with one outside", RENAME, OUTSIDE, |s| {
        let own = s.own_file("exchanged")?;
        renameat2(AT_FDCWD, &own, AT_FDCWD, &s.outside("own"), RenameFlags::RENAME_EXCHANGE)
    }),
    Channel::closed("remove_file", "removes a file outside", &["inode_unlink"], OUTSIDE, |s| {
        fs::remove_file(s.outside("own")).map_err(errno)
    })
    .arrived(|o| !o.path("own").exists()),
    Channel::closed("remove_directory", "removes a directory outside", &["inode_rmdir"], OUTSIDE, |s| {
        fs::remove_dir(s.outside("directory")).map_err(errno)
    })
    .ready(|o| o.directory("directory"))
    .arrived(|o| !o.path("directory").exists()),
    Channel::closed("name_in_dev", "creates a file in /dev", &["inode_create"], OUTSIDE, |s| {
        fs::write(Path::new("/dev").join(&s.canary), "x").map_err(errno)
    })
    .root()
    .arrived(|o| Path::new("/dev").join(o.canary()).exists())
    .undo(|o| {
        let _ = fs::remove_file(Path::new("/dev").join(o.canary()));
    }),
    Channel::closed("name_of_cgroup", "makes a cgroup", &["inode_mkdir"], OUTSIDE, |s| {
        mkdir(&Path::new("/sys/fs/cgroup").join(&s.canary), Mode::S_IRWXU)
    })
    .root()
    .arrived(|o| Path::new("/sys/fs/cgroup").join(o.canary()).exists())
    .undo(|o| {
        let _ = fs::remove_dir(Path::new("/sys/fs/cgroup").join(o.canary()));
    }),
    Channel::closed(
        "name_in_bpffs",
        "makes a directory where BPF objects are pinned",
        &["inode_mkdir"],
        OUTSIDE,
        |s| mkdir(&Path::new("/sys/fs/bpf").join(&s.canary), Mode::S_IRWXU),
    )
    .root()
    .arrived(|o| Path::new("/sys/fs/bpf").join(o.canary()).exists())
    .undo(|o| {
        let _ = fs::remove_dir(Path::new("/sys/fs/bpf").join(o.canary()));
    }),
    Channel::closed("name_in_run", "makes a directory in /run", &["inode_mkdir"], OUTSIDE, |s| {
        mkdir(&Path::new("/run").join(&s.canary), Mode::S_IRWXU)
    })
    .root()
    .arrived(|o| Path::new("/run").join(o.canary()).exists())
    .undo(|o| {
        let _ = fs::remove_dir(Path::new("/run").join(o.canary()));
    }),
    Channel::closed("table_of_cron", "writes a table for cron", &["inode_create"], OUTSIDE, |s| {
        in_spool(s, "/etc/cron.d")
    })
    .root()
    .ready(|_| Ok(fs::create_dir_all("/etc/cron.d")?))
    .arrived(|o| Path::new("/etc/cron.d").join(o.canary()).exists())
    .undo(|o| {
        let _ = fs::remove_file(Path::new("/etc/cron.d").join(o.canary()));
    }),
    Channel::closed("mail_spool", "writes into the mail spool", &["inode_create"], OUTSIDE, |s| {
        in_spool(s, "/var/mail")
    })
    .root()
    .arrived(|o| Path::new("/var/mail").join(o.canary()).exists())
    .undo(|o| {
        let _ = fs::remove_file(Path::new("/var/mail").join(o.canary()));
    }),
    Channel::closed("job_of_at", "writes a job for at", &["inode_create"], OUTSIDE, |s| {
        in_spool(s, "/var/spool/cron/atjobs")
    })
    .root()
    .ready(|_| Ok(fs::create_dir_all("/var/spool/cron/atjobs")?))
    .arrived(|o| Path::new("/var/spool/cron/atjobs").join(o.canary()).exists()),
    Channel::closed("print_job", "writes a job for the printer", &["inode_create"], OUTSIDE, |s| {
        in_spool(s, "/var/spool/cups")
    })
    .root()
    .ready(|_| Ok(fs::create_dir_all("/var/spool/cups")?))
    .arrived(|o| Path::new("/var/spool/cups").join(o.canary()).exists()),
    Channel::closed("unit_of_systemd", "writes a unit for systemd", &["inode_create"], OUTSIDE, |s| {
        fs::write(format!("/etc/systemd/system/{}.service", s.canary), "[Service]\n").map_err(errno)
    })
    .root()
    .arrived(|o| Path::new(&format!("/etc/systemd/system/{}.service", o.canary())).exists())
    .undo(|o| {
        let _ = fs::remove_file(format!("/etc/systemd/system/{}.service", o.canary()));
    }),
];

/// A file in a spool of the node's.
fn in_spool(s: &Scene, spool: &str) -> Tried {
    fs::write(Path::new(spool).join(&s.canary), "x").map_err(errno)
}
