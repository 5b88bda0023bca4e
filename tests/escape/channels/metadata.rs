//! Modes, owners, times, lengths, attributes, flags: each is payload.

use crate::channel::{Channel, Tried};
use crate::scene::errno;
use crate::system::{c_path, call32, memory32};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, open};
use nix::sys::stat::{FchmodatFlags, Mode, UtimensatFlags, fchmodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{chown, truncate};
use std::ffi::CStr;
use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

const OUTSIDE: &str = "outside_zones";
const SETATTR: &[&str] = &["inode_setattr"];
const SETXATTR: &[&str] = &["inode_setxattr"];
const ACL: &[&str] = &["inode_set_acl", "inode_setxattr"];
const CONTROL: &[&str] = &["file_ioctl"];
/// The flag that keeps a file out of backups: one bit, harmless to its owner.
const NODUMP: u32 = 0x40;
/// The same among the extended flags.
const EXTENDED_NODUMP: u32 = 0x80;
const ACL_NAME: &CStr = c"system.posix_acl_access";

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed("mode", "changes the mode of a file outside", SETATTR, OUTSIDE, |s| {
        let mode = Mode::from_bits_truncate(mode_of(s.number()));
        fchmodat(AT_FDCWD, &s.outside("own"), mode, FchmodatFlags::FollowSymlink)
    })
    .arrived(|o| {
        fs::metadata(o.path("own")).is_ok_and(|m| m.permissions().mode() & 0o7777 == mode_of(o.number()))
    }),
    Channel::closed(
        "owner",
        "gives a file outside to the account whose number is the data",
        SETATTR,
        OUTSIDE,
        |s| chown(&s.outside("own"), Some(s.number().into()), None),
    )
    .root()
    .arrived(|o| fs::metadata(o.path("own")).is_ok_and(|m| m.uid() == o.number())),
    Channel::closed(
        "group",
        "gives a file outside to the group whose number is the data",
        SETATTR,
        OUTSIDE,
        |s| chown(&s.outside("own"), None, Some(s.number().into())),
    )
    .root()
    .arrived(|o| fs::metadata(o.path("own")).is_ok_and(|m| m.gid() == o.number())),
    Channel::closed("times", "sets the times of a file outside", SETATTR, OUTSIDE, |s| {
        let time = TimeSpec::new(i64::from(s.number()), 0);
        utimensat(AT_FDCWD, &s.outside("own"), &time, &time, UtimensatFlags::FollowSymlink)
    })
    .arrived(|o| fs::metadata(o.path("own")).is_ok_and(|m| m.mtime() == i64::from(o.number()))),
    Channel::closed("times_of_link", "sets the times of a symbolic link outside", SETATTR, OUTSIDE, |s| {
        let time = TimeSpec::new(i64::from(s.number()), 0);
        utimensat(AT_FDCWD, &s.outside("link"), &time, &time, UtimensatFlags::NoFollowSymlink)
    })
    .ready(|o| {
        std::os::unix::fs::symlink("target", o.path("link"))?;
        Ok(std::os::unix::fs::lchown(o.path("link"), Some(crate::outside::RESEARCHER), None)?)
    })
    .arrived(|o| fs::symlink_metadata(o.path("link")).is_ok_and(|m| m.mtime() == i64::from(o.number()))),
    Channel::closed("touch", "sets the times of a file outside to now", SETATTR, OUTSIDE, |s| {
        let now = TimeSpec::UTIME_NOW;
        utimensat(AT_FDCWD, &s.outside("own"), &now, &now, UtimensatFlags::FollowSymlink)
    })
    .ready(|o| {
        let long_ago = TimeSpec::new(1_000_000_000, 0);
        Ok(utimensat(AT_FDCWD, &o.path("own"), &long_ago, &long_ago, UtimensatFlags::FollowSymlink)?)
    })
    .arrived(|o| fs::metadata(o.path("own")).is_ok_and(|m| m.mtime() != 1_000_000_000)),
    Channel::closed(
        "length",
        "sets the length of a file outside",
        &["inode_setattr", "path_truncate", "file_truncate"],
        OUTSIDE,
        |s| truncate(&s.outside("own"), i64::from(s.number())),
    )
    .arrived(|o| fs::metadata(o.path("own")).is_ok_and(|m| m.len() == u64::from(o.number()))),
    Channel::closed("attribute", "sets an extended attribute of a file outside", SETXATTR, OUTSIDE, |s| {
        set_attribute(&s.outside("own"), c"user.escape", s.canary.as_bytes())
    }),
    Channel::closed(
        "name_of_attribute",
        "sets an attribute whose name is the data",
        SETXATTR,
        OUTSIDE,
        |s| {
            let name = std::ffi::CString::new(format!("user.{}", s.canary)).map_err(|_| Errno::EINVAL)?;
            set_attribute(&s.outside("own"), &name, b"")
        },
    ),
    Channel::closed(
        "trusted_attribute",
        "sets a trusted attribute of a file outside",
        &["capable"],
        "capability",
        |s| set_attribute(&s.outside("own"), c"trusted.escape", s.canary.as_bytes()),
    )
    .root()
    .or(&[("inode_setxattr", OUTSIDE)]),
    Channel::closed(
        "capability_attribute",
        "gives a file outside capabilities that are the data",
        SETXATTR,
        OUTSIDE,
        |s| {
            let mut value = vec![0, 0, 0, 2];
            value.extend_from_slice(&s.canary.as_bytes()[..4]);
            value.extend_from_slice(&[0; 12]);
            set_attribute(&s.outside("own"), c"security.capability", &value)
        },
    )
    .root()
    .arrived(|o| {
        let all = crate::system::attributes(&o.path("own"));
        crate::outside::contains(&all, &o.canary().as_bytes()[..4])
    }),
    Channel::closed(
        "remove_attribute",
        "removes an attribute of a file outside",
        &["inode_removexattr"],
        OUTSIDE,
        |s| remove_attribute(&s.outside("own"), c"user.there"),
    )
    .ready(|o| Ok(set_attribute(&o.path("own"), c"user.there", b"x")?))
    .arrived(|o| !crate::outside::contains(&crate::system::attributes(&o.path("own")), b"user.there")),
    Channel::closed(
        "access_list",
        "gives a file outside an access list whose account is the data",
        ACL,
        OUTSIDE,
        |s| set_attribute(&s.outside("own"), ACL_NAME, &access_list(s.number())),
    )
    .arrived(|o| {
        let all = crate::system::attributes(&o.path("own"));
        crate::outside::contains(&all, &o.number().to_le_bytes())
    }),
    Channel::closed(
        "remove_access_list",
        "removes the access list of a file outside",
        &["inode_remove_acl", "inode_removexattr"],
        OUTSIDE,
        |s| remove_attribute(&s.outside("own"), ACL_NAME),
    )
    .ready(|o| Ok(set_attribute(&o.path("own"), ACL_NAME, &access_list(7))?))
    .arrived(|o| !crate::outside::contains(&crate::system::attributes(&o.path("own")), b"posix_acl")),
    Channel::closed("flags", "sets the flags of a file outside", CONTROL, OUTSIDE, |s| {
        let fd = open(&s.outside("own"), OFlag::O_RDONLY, Mode::empty())?;
        let flags = flags(&s.outside("own")) | NODUMP;
        // SAFETY: the control takes a pointer to an int, which outlives the call.
        Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FS_IOC_SETFLAGS, &raw const flags) })
            .map(drop)
    })
    .arrived(|o| flags(&o.path("own")) & NODUMP != 0),
    Channel::closed(
        "flags_32_bit",
        "sets the flags of a file outside by the 32-bit system call",
        &["file_ioctl_compat", "file_ioctl"],
        OUTSIDE,
        |s| {
            const IOCTL: u32 = 54;
            const FS_IOC32_SETFLAGS: u32 = 0x4004_6602;
            let fd = open(&s.outside("own"), OFlag::O_RDONLY, Mode::empty())?;
            let flags = memory32(&(flags(&s.outside("own")) | NODUMP).to_ne_bytes())?;
            call32(IOCTL, [fd.as_raw_fd().cast_unsigned(), FS_IOC32_SETFLAGS, flags]).map(drop)
        },
    )
    .arrived(|o| flags(&o.path("own")) & NODUMP != 0),
    Channel::closed("extended_flags", "sets the extended flags of a file outside", CONTROL, OUTSIDE, |s| {
        const FS_IOC_FSSETXATTR: libc::c_ulong = 0x401c_5820;
        let fd = open(&s.outside("own"), OFlag::O_RDONLY, Mode::empty())?;
        let order = [EXTENDED_NODUMP, 0, 0, 0, 0, 0, 0];
        // SAFETY: the control takes a pointer to 28 bytes, which outlive the call.
        Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), FS_IOC_FSSETXATTR, order.as_ptr()) }).map(drop)
    })
    .arrived(|o| flags(&o.path("own")) & NODUMP != 0),
    Channel::closed(
        "file_setattr",
        "sets the flags of a file outside by its path",
        &["inode_file_setattr"],
        OUTSIDE,
        |s| {
            const FILE_SETATTR: libc::c_long = 469;
            let path = c_path(&s.outside("own"))?;
            let order = [u64::from(EXTENDED_NODUMP), 0, 0];
            // SAFETY: the path is terminated; the order has the size given.
            Errno::result(unsafe {
                libc::syscall(
                    FILE_SETATTR,
                    libc::AT_FDCWD,
                    path.as_ptr(),
                    order.as_ptr(),
                    size_of_val(&order),
                    0,
                )
            })
            .map(drop)
        },
    )
    .arrived(|o| flags(&o.path("own")) & NODUMP != 0)
    .absent(&[Errno::ENOSYS]),
    Channel::closed("generation", "sets the generation number of a file outside", CONTROL, OUTSIDE, |s| {
        const FS_IOC_SETVERSION: libc::c_ulong = 0x4008_7602;
        let fd = open(&s.outside("own"), OFlag::O_RDONLY, Mode::empty())?;
        let number = s.number();
        // SAFETY: the control takes a pointer to an int, which outlives the call.
        Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), FS_IOC_SETVERSION, &raw const number) }).map(drop)
    })
    .deed()
    .absent(&[Errno::ENOTTY, Errno::EOPNOTSUPP]),
    Channel::closed(
        "encryption_policy",
        "gives a directory outside an encryption policy",
        CONTROL,
        OUTSIDE,
        |s| {
            const FS_IOC_SET_ENCRYPTION_POLICY: libc::c_ulong = 0x800c_6613;
            let fd = open(&s.outside(""), OFlag::O_RDONLY, Mode::empty())?;
            let order = [0_u8; 12];
            // SAFETY: the control takes a pointer to 12 bytes, which outlive the call.
            Errno::result(unsafe {
                libc::ioctl(fd.as_raw_fd(), FS_IOC_SET_ENCRYPTION_POLICY, order.as_ptr())
            })
            .map(drop)
        },
    )
    .deed()
    .absent(&[Errno::ENOTTY, Errno::EOPNOTSUPP, Errno::EACCES]),
    Channel::works(
        "metadata_in_a_zone",
        "sets mode, times and attributes of a file at home",
        "it stays in a zone",
        |s| {
            let own = s.own_file("own")?;
            fchmodat(AT_FDCWD, &own, Mode::S_IRWXU, FchmodatFlags::FollowSymlink)?;
            set_attribute(&own, c"user.escape", b"x")?;
            truncate(&own, 1)?;
            fs::metadata(own).map(drop).map_err(errno)
        },
    ),
];

fn mode_of(number: u32) -> u32 {
    0o7006 | number & 0o770
}

fn set_attribute(path: &Path, name: &CStr, value: &[u8]) -> Tried {
    let path = c_path(path)?;
    // SAFETY: both strings are terminated; the value has the length given.
    let done = unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Errno::result(done).map(drop)
}

fn remove_attribute(path: &Path, name: &CStr) -> Tried {
    let path = c_path(path)?;
    // SAFETY: both strings are terminated.
    Errno::result(unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) }).map(drop)
}

/// Owner, one account by number, group, mask, others; as the kernel keeps it.
fn access_list(account: u32) -> Vec<u8> {
    let entries =
        [(1_u16, 6_u16, u32::MAX), (2, 6, account), (4, 6, u32::MAX), (16, 6, u32::MAX), (32, 6, u32::MAX)];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        list.extend(tag.to_le_bytes().into_iter().chain(rights.to_le_bytes()).chain(id.to_le_bytes()));
    }
    list
}

/// The flags of a file; 0 when it has none.
fn flags(path: &Path) -> u32 {
    let mut flags: libc::c_long = 0;
    let Ok(fd) = open(path, OFlag::O_RDONLY, Mode::empty()) else { return 0 };
    // SAFETY: the control takes a pointer to a long (in effect an int), which outlives the call.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FS_IOC_GETFLAGS, &raw mut flags) };
    if done < 0 { 0 } else { u32::try_from(flags & 0xffff_ffff).unwrap_or(0) }
}
