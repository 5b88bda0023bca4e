//! The tree of mounts, by every interface that changes it; all as root.

use crate::channel::{Channel, Tried};
use crate::scene::{Scene, errno};
use crate::system::{c_path, descriptor};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::ffi::CStr;
use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::ptr::null;

const MOUNT: &[&str] = &["sb_mount"];
const CAPABLE: &[&str] = &["capable"];
const WHY: &str = "mount";

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed("mount_memory", "mounts a memory file system whose name is the data", MOUNT, WHY, |s| {
        mount(Some(s.canary.as_str()), &place(s)?, Some("tmpfs"), MsFlags::empty(), None::<&str>)
    })
    .root()
    .arrived(|o| mounted(o.canary()))
    .undo(|o| off(o.scene)),
    Channel::closed("mount_disk", "mounts another disk over a zone and writes there", MOUNT, WHY, |s| {
        let at = place(s)?;
        mount(Some(second_disk().as_str()), &at, Some("ext4"), MsFlags::empty(), None::<&str>)?;
        fs::write(at.join(&s.canary), "x").map_err(errno)
    })
    .root()
    .arrived(|o| Path::new("/mnt/out").join(o.canary()).exists())
    .undo(|o| off(o.scene)),
    Channel::closed(
        "mount_bind",
        "binds a directory outside over one in a zone and writes there",
        MOUNT,
        WHY,
        |s| {
            let at = place(s)?;
            mount(Some(&s.outside("")), &at, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
            fs::write(at.join("new"), &s.canary).map_err(errno)
        },
    )
    .root()
    .undo(|o| off(o.scene)),
    Channel::closed("mount_zone_elsewhere", "binds a zone over a directory outside", MOUNT, WHY, |s| {
        let here = place(s)?;
        fs::write(here.join("new"), &s.canary).map_err(errno)?;
        mount(Some(&here), &s.outside("over"), None::<&str>, MsFlags::MS_BIND, None::<&str>)
    })
    .root()
    .ready(|o| o.directory("over"))
    .undo(|o| {
        let _ = umount2(&o.path("over"), MntFlags::MNT_DETACH);
    }),
    Channel::closed(
        "mount_overlay",
        "mounts an overlay in a zone whose upper layer is outside",
        MOUNT,
        WHY,
        |s| {
            let at = place(s)?;
            let layers = ["lower", "upper", "work"].map(|name| s.outside(name).display().to_string());
            let options = format!("lowerdir={},upperdir={},workdir={}", layers[0], layers[1], layers[2]);
            mount(Some("overlay"), &at, Some("overlay"), MsFlags::empty(), Some(options.as_str()))?;
            fs::write(at.join("new"), &s.canary).map_err(errno)
        },
    )
    .root()
    .ready(|o| ["lower", "upper", "work"].into_iter().try_for_each(|name| o.directory(name)))
    .undo(|o| off(o.scene)),
    Channel::closed("mount_propagation", "makes a tree of mounts private", MOUNT, WHY, |_| {
        mount(None::<&str>, "/mnt/out", None::<&str>, MsFlags::MS_PRIVATE, None::<&str>)
    })
    .root()
    .deed(),
    Channel::closed("remount", "changes the size of a mounted memory file system", MOUNT, WHY, |s| {
        let options = format!("size={}k", 4096 + s.number() % 4096 * 4);
        mount(None::<&str>, &s.outside("mounted"), None::<&str>, MsFlags::MS_REMOUNT, Some(options.as_str()))
    })
    .root()
    .ready(mount_outside)
    .arrived(|o| {
        let size = u64::from(4096 + o.number() % 4096 * 4);
        nix::sys::statvfs::statvfs(&o.path("mounted"))
            .is_ok_and(|v| v.blocks() * v.fragment_size() == size * 1024)
    })
    .undo(unmount_outside),
    Channel::closed("remount_read_only", "makes a bind mount read-only", MOUNT, WHY, |s| {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        mount(None::<&str>, &s.outside("mounted"), None::<&str>, flags, None::<&str>)
    })
    .root()
    .ready(mount_outside)
    .arrived(|o| {
        let read_only = nix::sys::statvfs::FsFlags::ST_RDONLY;
        nix::sys::statvfs::statvfs(&o.path("mounted")).is_ok_and(|v| v.flags().contains(read_only))
    })
    .undo(unmount_outside),
    Channel::closed(
        "mount_setattr",
        "makes a mount read-only by mount_setattr",
        CAPABLE,
        "capability",
        |s| {
            const RDONLY: u64 = 1;
            let path = c_path(&s.outside("mounted"))?;
            let order = [RDONLY, 0, 0, 0];
            // SAFETY: the path is terminated; the order has the size given.
            Errno::result(unsafe {
                libc::syscall(
                    libc::SYS_mount_setattr,
                    libc::AT_FDCWD,
                    path.as_ptr(),
                    0,
                    order.as_ptr(),
                    size_of_val(&order),
                )
            })
            .map(drop)
        },
    )
    .root()
    .or(&[("sb_mount", WHY)])
    .ready(mount_outside)
    .arrived(|o| {
        let read_only = nix::sys::statvfs::FsFlags::ST_RDONLY;
        nix::sys::statvfs::statvfs(&o.path("mounted")).is_ok_and(|v| v.flags().contains(read_only))
    })
    .undo(unmount_outside),
    Channel::closed("unmount", "unmounts something", CAPABLE, "capability", |s| {
        umount2(&s.outside("mounted"), MntFlags::MNT_DETACH)
    })
    .root()
    .or(&[("sb_umount", WHY)])
    .ready(mount_outside)
    .arrived(|o| !mounted(&o.path("mounted").display().to_string()))
    .undo(unmount_outside),
    Channel::closed(
        "detached_mount",
        "writes into a new file system that is mounted nowhere",
        CAPABLE,
        "capability",
        |s| {
            let mounted = detached(c"tmpfs")?;
            fs::write(format!("/proc/self/fd/{}/new", mounted.as_raw_fd()), &s.canary).map_err(errno)
        },
    )
    .root()
    .or(&[("sb_kern_mount", WHY)])
    .deed(),
    Channel::closed("attach_mount", "makes a file system and attaches it", CAPABLE, "capability", |s| {
        attach(&detached(c"tmpfs")?, &place(s)?)
    })
    .root()
    .or(&[("sb_kern_mount", WHY), ("move_mount", WHY)])
    .arrived(|o| mounted(o.canary()))
    .undo(|o| off(o.scene)),
    Channel::closed("clone_mount", "clones a mount and attaches it in a zone", CAPABLE, "capability", |s| {
        const OPEN_TREE_CLONE: libc::c_int = 1;
        let from = c_path(&s.outside(""))?;
        // SAFETY: the path is terminated.
        let tree = Errno::result(unsafe {
            libc::syscall(
                libc::SYS_open_tree,
                libc::AT_FDCWD,
                from.as_ptr(),
                OPEN_TREE_CLONE | libc::O_CLOEXEC,
            )
        })?;
        let at = place(s)?;
        attach(&descriptor(tree)?, &at)?;
        fs::write(at.join("new"), &s.canary).map_err(errno)
    })
    .root()
    .or(&[("move_mount", WHY)])
    .undo(|o| off(o.scene)),
    Channel::closed(
        "mount_as_owner_of_namespace",
        "makes its own namespaces as a user, and mounts there",
        CAPABLE,
        "capability",
        |s| {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
            let at = place(s)?;
            mount(Some(s.canary.as_str()), &at, Some("tmpfs"), MsFlags::empty(), None::<&str>)
        },
    )
    .or(&[("userns_create", "capability"), ("userns_create", "kernel_interface"), ("sb_mount", WHY)])
    .deed(),
    Channel::closed(
        "pivot_root",
        "changes the root of a namespace of its own",
        CAPABLE,
        "capability",
        |_| {
            unshare(CloneFlags::CLONE_NEWNS)?;
            let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
            nix::unistd::chdir("/mnt/out")?;
            nix::unistd::pivot_root(".", ".")
        },
    )
    .root()
    .or(&[("sb_pivotroot", WHY), ("sb_mount", WHY)])
    .deed(),
];

/// A directory in a zone to mount on.
fn place(s: &Scene) -> nix::Result<PathBuf> {
    let at = place_of(s);
    let _ = fs::create_dir(&at);
    if at.is_dir() { Ok(at) } else { Err(Errno::ENOTDIR) }
}

fn place_of(s: &Scene) -> PathBuf {
    PathBuf::from(format!("/tmp/escape-{}-mount", s.canary))
}

fn off(s: &Scene) {
    let _ = umount2(&place_of(s), MntFlags::MNT_DETACH);
}

fn mounted(what: &str) -> bool {
    fs::read_to_string("/proc/self/mountinfo").is_ok_and(|table| table.contains(what))
}

/// The disk that is mounted at `/mnt/out`.
pub(crate) fn second_disk() -> String {
    let table = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let line = table.lines().find(|line| line.contains(" /mnt/out "));
    line.and_then(|line| line.split(' ').next()).unwrap_or("/dev/none").to_owned()
}

fn mount_outside(o: &crate::outside::Outside<'_>) -> anyhow::Result<()> {
    o.directory("mounted")?;
    Ok(mount(Some("escape"), &o.path("mounted"), Some("tmpfs"), MsFlags::empty(), None::<&str>)?)
}

fn unmount_outside(o: &crate::outside::Outside<'_>) {
    let _ = umount2(&o.path("mounted"), MntFlags::MNT_DETACH);
}

/// A new file system that is mounted nowhere yet.
fn detached(kind: &CStr) -> nix::Result<OwnedFd> {
    const CONFIG_CREATE: libc::c_int = 6;
    // SAFETY: the name is terminated; otherwise integers and null pointers.
    unsafe {
        let context = Errno::result(libc::syscall(libc::SYS_fsopen, kind.as_ptr(), 1))?;
        let context = descriptor(context)?;
        let (none, nothing) = (null::<libc::c_char>(), null::<u8>());
        Errno::result(libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            CONFIG_CREATE,
            none,
            nothing,
            0,
        ))?;
        descriptor(Errno::result(libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), 1, 0))?)
    }
}

fn attach(mount: &OwnedFd, at: &Path) -> Tried {
    const FROM_EMPTY_PATH: libc::c_uint = 4;
    let at = c_path(at)?;
    // SAFETY: both paths are terminated.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            at.as_ptr(),
            FROM_EMPTY_PATH,
        )
    })
    .map(drop)
}
