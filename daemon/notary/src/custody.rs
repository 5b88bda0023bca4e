//! Taking a spool file into custody: exactly one plain file, nobody writing, copied and hashed in one pass.
//!
//! What can go wrong is sorted by what the airlock should do: wait (`Busy`), give up (`Refused`), try again (`Failed`).

use crate::lease;
use crate::store::{Kind, Store};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, SFlag, fstat};
use ring::digest::{Context, SHA256, SHA512};
use sekisho_wire::digest::hex;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

/// A finished copy.
#[derive(Debug, PartialEq, Eq)]
pub struct Copy {
    /// SHA-256, hex.
    pub sha256: String,
    /// SHA-512, hex.
    pub sha512: String,
    /// Size.
    pub bytes: u64,
    /// Owner of the spool file.
    pub owner_uid: u32,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum CustodyError {
    /// Somebody writes, or wrote during the copy.
    #[error("{0}")]
    Busy(&'static str),
    /// Never, as it is: machine-readable reason, words, hint.
    #[error("{message}")]
    Refused {
        /// Machine-readable.
        reason: &'static str,
        /// For people.
        message: String,
        /// The way out.
        hint: &'static str,
    },
    /// Our side failed.
    #[error("{step}: {source}")]
    Failed {
        /// During what.
        step: &'static str,
        /// Why.
        source: io::Error,
    },
}

fn failed(step: &'static str) -> impl FnOnce(io::Error) -> CustodyError {
    move |source| CustodyError::Failed { step, source }
}

fn refused(reason: &'static str, message: String, hint: &'static str) -> CustodyError {
    CustodyError::Refused { reason, message, hint }
}

/// Splits a name below the project's directory; gives the name inside the request.
pub fn name_in_request(name: &str) -> Option<&str> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    let parts: Vec<_> = name.split('/').collect();
    match parts[..] {
        [file] if plain(file) => Some(file),
        [dir, file] if plain(dir) && plain(file) => Some(file),
        _ => None,
    }
}

fn open(spool: &OwnedFd, path: &str, flags: OFlag) -> Result<OwnedFd, CustodyError> {
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW).resolve(
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS,
    );
    openat2(spool, path, how).map_err(|e| match e {
        Errno::ELOOP | Errno::EXDEV => refused(
            "not_a_file",
            "a symbolic link is not taken into custody".into(),
            "put the file itself into the spool",
        ),
        Errno::ENOENT | Errno::ENOTDIR => {
            refused("gone", "the file is no longer in the spool".into(), "put it there again")
        }
        // A race with renames; the kernel asks to try again.
        Errno::EAGAIN => CustodyError::Busy("the spool directory is changing"),
        other => CustodyError::Failed { step: "opening the spool file", source: other.into() },
    })
}

fn check(stat: &FileStat, limit: u64) -> Result<(), CustodyError> {
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return Err(refused(
            "not_a_file",
            "only plain files are taken into custody".into(),
            "put a plain file, or a directory of plain files, into the spool",
        ));
    }
    if stat.st_nlink != 1 {
        return Err(refused(
            "hard_link",
            format!("the file has {} names; another one could be somebody else's file", stat.st_nlink),
            "copy the file into the spool instead of linking it",
        ));
    }
    if u64::try_from(stat.st_size).unwrap_or(u64::MAX) > limit {
        return Err(refused(
            "too_large",
            format!("{} bytes are over the limit of {limit} (limits.file_bytes)", stat.st_size),
            "split the result, or ask the administrator about the limit",
        ));
    }
    Ok(())
}

/// What must be the same before and after the copy.
fn look(s: &FileStat) -> [i64; 7] {
    let nlink = i64::try_from(s.st_nlink).unwrap_or(i64::MAX);
    [s.st_size, s.st_mtime, s.st_mtime_nsec, s.st_ctime, s.st_ctime_nsec, i64::from(s.st_uid), nlink]
}

/// Copies `path` (below the spool) into the archive.
pub fn take(spool: &OwnedFd, path: &str, limit: u64, store: &Store) -> Result<Copy, CustodyError> {
    let stat = |fd: &OwnedFd| fstat(fd).map_err(|e| failed("looking at the spool file")(e.into()));
    // First without opening: opening a device or a FIFO may already do something.
    let place = open(spool, path, OFlag::O_PATH)?;
    let seen = stat(&place)?;
    check(&seen, limit)?;
    let source = open(spool, path, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)?;
    let before = stat(&source)?;
    check(&before, limit)?;
    if (before.st_dev, before.st_ino) != (seen.st_dev, seen.st_ino) {
        return Err(CustodyError::Busy("the file was replaced"));
    }
    match lease::take(source.as_fd()) {
        Ok(()) => {}
        Err(Errno::EAGAIN) => return Err(CustodyError::Busy("it is open for writing")),
        Err(e) => return Err(failed("proving that nobody writes (lease)")(e.into())),
    }
    let file = File::from(source);
    let copied = copy(&file, limit, store);
    let undisturbed = lease::stands(file.as_fd());
    lease::give_back(file.as_fd());
    let unfinished = store.unfinished();
    let finish = || -> Result<Copy, CustodyError> {
        let mut copy = copied?;
        if !undisturbed.map_err(|e| failed("asking for the lease")(e.into()))? {
            return Err(CustodyError::Busy("somebody opened it for writing"));
        }
        let after = fstat(&file).map_err(|e| failed("looking at the spool file")(e.into()))?;
        if look(&after) != look(&before) || copy.bytes != u64::try_from(before.st_size).unwrap_or(u64::MAX) {
            return Err(CustodyError::Busy("it changed while it was copied"));
        }
        copy.owner_uid = after.st_uid;
        store.adopt(Kind::Archive, &unfinished, &copy.sha256).map_err(failed("archiving the copy"))?;
        Ok(copy)
    };
    finish().inspect_err(|_| drop(std::fs::remove_file(&unfinished)))
}

fn copy(mut from: &File, limit: u64, store: &Store) -> Result<Copy, CustodyError> {
    let path = store.unfinished();
    let _ = std::fs::remove_file(&path);
    let mut to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(&path)
        .map_err(failed("creating the copy"))?;
    let (mut short, mut long) = (Context::new(&SHA256), Context::new(&SHA512));
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0u64;
    loop {
        let n = match from.read(&mut buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other.map_err(failed("reading the spool file"))?,
        };
        let Some(part) = buffer.get(..n).filter(|p| !p.is_empty()) else { break };
        bytes += part.len() as u64;
        if bytes > limit {
            return Err(CustodyError::Busy("it grew beyond the limit while it was copied"));
        }
        short.update(part);
        long.update(part);
        to.write_all(part).map_err(failed("writing the copy"))?;
    }
    to.set_permissions(std::fs::Permissions::from_mode(0o400)).map_err(failed("writing the copy"))?;
    to.sync_all().map_err(failed("making the copy durable"))?;
    let (sha256, sha512) = (hex(short.finish().as_ref()), hex(long.finish().as_ref()));
    Ok(Copy { sha256, sha512, bytes, owner_uid: u32::MAX })
}
