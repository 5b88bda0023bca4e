//! The node itself: files, accounts and the kernel's way of numbering devices.

use crate::tables::{Identity, Node};
use nix::sys::stat::{SFlag, stat};
use nix::sys::statfs::statfs;

/// The running node.
pub struct Here;

/// Network and user-space filesystems: NFS, CIFS, SMB2, FUSE, 9p, Ceph, AFS, Coda, Lustre, GFS2, OCFS2, BeeGFS.
const REMOTE: [i64; 12] = [
    0x6969,
    0xff53_4d42_u32 as i64,
    0xfe53_4d42_u32 as i64,
    0x6573_5546,
    0x0102_1997,
    0x00c3_6400,
    0x5346_414f,
    0x7375_7245,
    0x0bd0_0bd0,
    0x0116_1970,
    0x7461_636f,
    0x1983_0326,
];

impl Node for Here {
    fn file(&self, path: &str) -> Option<Identity> {
        let found = stat(path).ok()?;
        let kind = SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits());
        Some(Identity {
            device: kernel_device(found.st_dev)?,
            inode: found.st_ino,
            stands_for: kernel_device(found.st_rdev)?,
            directory: kind == SFlag::S_IFDIR,
            character_device: kind == SFlag::S_IFCHR,
            only_root_writes: found.st_uid == 0 && found.st_mode & 0o022 == 0,
            remote: statfs(path).map_or(true, |fs| REMOTE.contains(&fs.filesystem_type().0)),
        })
    }

    fn uid(&self, name: &str) -> Option<u32> {
        nix::unistd::User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
    }

    fn real(&self, path: &str) -> Option<String> {
        std::fs::canonicalize(path).ok()?.to_str().map(str::to_owned)
    }
}

/// `stat` spreads major and minor over 64 bits; the kernel keeps `major << 20 | minor`.
pub fn kernel_device(device: u64) -> Option<u32> {
    let major = u32::try_from(nix::sys::stat::major(device)).ok()?;
    let minor = u32::try_from(nix::sys::stat::minor(device)).ok()?;
    (major < 1 << 12 && minor < 1 << 20).then_some(major << 20 | minor)
}
