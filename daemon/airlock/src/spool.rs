//! What lies in a project's spool directory, seen from outside: names and `lstat`, never content.
//!
//! Invariants: no link is followed (everything is relative to an open directory, `NOFOLLOW`); nothing is removed
//! that does not look exactly as it did before its copy was taken; what cannot become a request is named with
//! its reason and left where it is.

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, renameat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Marks a request directory as complete, so that nobody needs to wait for it to fall quiet.
pub const READY: &str = ".ready";
/// What the requester declares; see `sekisho_policy::RequestInfo`.
pub const DECLARATION: &str = "request.toml";

/// How long a drop must have been left alone before it counts as complete.
#[derive(Debug, Clone, Copy)]
pub struct Quiet {
    /// A plain file.
    pub file: Duration,
    /// A directory.
    pub directory: Duration,
    /// An empty directory, before it counts as a mistake.
    pub empty: Duration,
}

/// An entry of the spool directory, as it looks now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// A directory.
    pub directory: bool,
    /// Device, inode, size and times of it and its files: changes whenever any of them does.
    pub look: String,
    /// Owner, as far as `lstat` tells.
    pub uid: u32,
    /// Files as (name, look).
    pub files: Vec<(String, String)>,
    /// What to do with it.
    pub fate: Fate,
}

/// What to do with an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Take it.
    Ready,
    /// Look again later.
    Wait(String),
    /// It can never be a request as it is.
    Bad(&'static str, String),
}

/// Names that mean "still being written": hidden, `*.part`, `*~`.
pub fn is_unfinished(name: &str) -> bool {
    name.starts_with('.') || name.ends_with(".part") || name.ends_with('~')
}

/// The airlock's own name for an entry that is being cleared away.
pub fn parking_name(request: &str) -> String {
    format!(".sekisho-{request}")
}

fn open(at: impl AsFd, name: &str) -> Result<Dir, Errno> {
    Dir::openat(at, name, OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
}

/// Opens a project's spool directory.
///
/// # Errors
/// The system call's.
pub fn open_project(spool: &Path, project: &str) -> Result<Dir, Errno> {
    Dir::open(&spool.join(project), OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
}

fn lstat(at: impl AsFd, name: &str) -> Result<FileStat, Errno> {
    fstatat(at, name, AtFlags::AT_SYMLINK_NOFOLLOW)
}

/// Device, inode, size and modification time. Not the change time: moving an entry aside changes that.
fn look(s: &FileStat) -> String {
    format!("{}:{}:{}:{}.{:09}", s.st_dev, s.st_ino, s.st_size, s.st_mtime, s.st_mtime_nsec)
}

fn kind(s: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(s.st_mode) & SFlag::S_IFMT
}

fn age(s: &FileStat, now: SystemTime) -> Duration {
    // The change time: every write moves it, and unlike the modification time nobody can set it.
    let at = UNIX_EPOCH + Duration::from_secs(u64::try_from(s.st_ctime).unwrap_or(0));
    now.duration_since(at).unwrap_or_default()
}

fn names(directory: &mut Dir) -> Result<Vec<Result<String, Vec<u8>>>, Errno> {
    let mut out = Vec::new();
    for entry in directory.iter() {
        let entry = entry?;
        let bytes = entry.file_name().to_bytes();
        if bytes != b"." && bytes != b".." {
            out.push(String::from_utf8(bytes.to_vec()).map_err(|e| e.into_bytes()));
        }
        let _: Option<Type> = entry.file_type();
    }
    out.sort();
    Ok(out)
}

fn bad_name(name: &str) -> Option<Fate> {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    name.chars().any(odd).then(|| {
        Fate::Bad("name", format!("the name {} holds control or invisible characters", name.escape_debug()))
    })
}

/// Everything in a project's spool directory that is not unfinished by name.
///
/// # Errors
/// The system call's, when the directory itself cannot be read.
pub fn list(project: &mut Dir, quiet: Quiet, most: u64, now: SystemTime) -> Result<Vec<Entry>, Errno> {
    let mut entries = Vec::new();
    for name in names(project)? {
        let name = match name {
            Ok(name) if is_unfinished(&name) => continue,
            Ok(name) => name,
            Err(bytes) => {
                let shown = String::from_utf8_lossy(&bytes).into_owned();
                let fate = Fate::Bad("name", "the name is not UTF-8".into());
                entries.push(Entry {
                    name: shown,
                    directory: false,
                    look: "name".into(),
                    uid: u32::MAX,
                    files: Vec::new(),
                    fate,
                });
                continue;
            }
        };
        match examine(project, &name, quiet, most, now) {
            Ok(entry) => entries.push(entry),
            // Gone between listing and looking.
            Err(Errno::ENOENT) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(entries)
}

fn examine(at: &Dir, name: &str, quiet: Quiet, most: u64, now: SystemTime) -> Result<Entry, Errno> {
    let stat = lstat(at, name)?;
    let mut entry = Entry {
        name: name.into(),
        directory: kind(&stat) == SFlag::S_IFDIR,
        look: look(&stat),
        uid: stat.st_uid,
        files: Vec::new(),
        fate: Fate::Ready,
    };
    if let Some(fate) = bad_name(name) {
        entry.fate = fate;
        return Ok(entry);
    }
    if !entry.directory {
        entry.fate = plain(&stat, name).unwrap_or(Fate::Ready);
        if entry.fate == Fate::Ready {
            entry.files.push((name.into(), look(&stat)));
            if age(&stat, now) < quiet.file {
                entry.fate = Fate::Wait("still fresh: waiting until nobody writes to it".into());
            }
        }
        return Ok(entry);
    }
    examine_directory(at, name, &stat, &mut entry, quiet, most, now)?;
    Ok(entry)
}

fn examine_directory(
    at: &Dir,
    name: &str,
    stat: &FileStat,
    entry: &mut Entry,
    quiet: Quiet,
    most: u64,
    now: SystemTime,
) -> Result<(), Errno> {
    let mut directory = match open(at, name) {
        Ok(directory) => directory,
        Err(Errno::EACCES) => {
            entry.fate = Fate::Bad(
                "unreadable_directory",
                "the directory cannot be listed (its mode forbids it)".into(),
            );
            return Ok(());
        }
        Err(e) => return Err(e),
    };
    let mut youngest = age(stat, now);
    let (mut ready, mut unfinished, mut bad) = (false, None, None);
    for child in names(&mut directory)? {
        let Ok(child) = child else {
            bad = bad.or(Some(Fate::Bad("name", "a name in it is not UTF-8".into())));
            continue;
        };
        if child == READY {
            ready = true;
            continue;
        }
        if is_unfinished(&child) {
            unfinished = Some(child);
            continue;
        }
        let stat = match lstat(&directory, &child) {
            Err(Errno::ENOENT) => continue,
            other => other?,
        };
        youngest = youngest.min(age(&stat, now));
        bad = bad.or_else(|| bad_name(&child)).or_else(|| plain(&stat, &child));
        entry.look.push_str(&format!("\n{child} {}", look(&stat)));
        entry.files.push((child, look(&stat)));
    }
    let results = entry.files.iter().filter(|(n, _)| n != DECLARATION).count();
    let wait = if results == 0 { quiet.empty } else { quiet.directory };
    entry.fate = match (bad, unfinished) {
        (Some(bad), _) => bad,
        (None, Some(name)) => Fate::Wait(format!("{} is still being written", name.escape_debug())),
        (None, None) if !ready && youngest < wait => {
            Fate::Wait("still fresh: waiting until nobody writes to it".into())
        }
        (None, None) if results == 0 => Fate::Bad("empty", "the directory holds no result file".into()),
        (None, None) if results as u64 > most => {
            Fate::Bad("too_many_files", format!("{results} files, the limit is {most}"))
        }
        (None, None) => Fate::Ready,
    };
    Ok(())
}

fn plain(stat: &FileStat, name: &str) -> Option<Fate> {
    let name = name.escape_debug();
    let bad = |what: &str| Some(Fate::Bad("not_a_file", format!("{name} is {what}")));
    match kind(stat) {
        SFlag::S_IFREG if stat.st_nlink > 1 => {
            Some(Fate::Bad("hard_link", format!("{name} has another name elsewhere (hard link)")))
        }
        SFlag::S_IFREG => None,
        SFlag::S_IFLNK => bad("a symbolic link"),
        SFlag::S_IFDIR => bad("a directory inside a request directory"),
        SFlag::S_IFSOCK => bad("a socket"),
        SFlag::S_IFIFO => bad("a pipe"),
        _ => bad("a device"),
    }
}

/// How clearing an entry away went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cleared {
    /// Everything whose copy is held is out of the spool.
    Gone,
    /// Something in it changed after its copy was taken: that part is back in the spool as a new drop.
    Changed,
    /// Out of sight under the airlock's own name, but its owner's rights keep the airlock from deleting it.
    Parked(String),
}

/// Clears an entry away whose files are in custody, if it is still what was copied.
///
/// # Errors
/// The system call's; nothing is lost, the next scan tries again.
pub fn clear(at: &Dir, request: &str, entry: &str, files: &[(String, String)]) -> Result<Cleared, Errno> {
    let parked = parking_name(request);
    if matches!(lstat(at, &parked), Err(Errno::ENOENT)) {
        // Move first, look afterwards: from here on nobody can put another file under the name we judge.
        match renameat2(at, entry, at, parked.as_str(), RenameFlags::RENAME_NOREPLACE) {
            Err(Errno::ENOENT) => return Ok(Cleared::Gone),
            other => other?,
        }
    }
    let stat = lstat(at, &parked)?;
    if kind(&stat) != SFlag::S_IFDIR {
        if files.iter().any(|(_, was)| *was == look(&stat)) {
            unlinkat(at, parked.as_str(), UnlinkatFlags::NoRemoveDir)?;
            return Ok(Cleared::Gone);
        }
        return put_back(at, &parked, entry);
    }
    let mut directory = open(at, &parked)?;
    let (mut stuck, mut changed) = (None, false);
    for child in names(&mut directory)? {
        let name = child.unwrap_or_default();
        let same = match lstat(&directory, &name) {
            Err(Errno::ENOENT) => continue,
            Err(e) => return Err(e),
            Ok(s) => files.iter().any(|(n, was)| *n == name && *was == look(&s)),
        };
        if !same && name != READY {
            changed = true;
        } else if let Err(e) = unlinkat(&directory, name.as_str(), UnlinkatFlags::NoRemoveDir) {
            stuck = Some(e);
        }
    }
    match (stuck, changed) {
        (Some(_), _) => Ok(Cleared::Parked(parked)),
        (None, true) => put_back(at, &parked, entry),
        (None, false) => match unlinkat(at, parked.as_str(), UnlinkatFlags::RemoveDir) {
            Ok(()) => Ok(Cleared::Gone),
            Err(Errno::ENOTEMPTY | Errno::EEXIST) => put_back(at, &parked, entry),
            Err(e) => Err(e),
        },
    }
}

fn put_back(at: &Dir, parked: &str, entry: &str) -> Result<Cleared, Errno> {
    for attempt in 0_u32..100 {
        let name = if attempt == 0 { entry.to_owned() } else { format!("{entry}.{attempt}") };
        match renameat2(at, parked, at, name.as_str(), RenameFlags::RENAME_NOREPLACE) {
            Err(Errno::EEXIST) => {}
            Err(e) => return Err(e),
            Ok(()) => return Ok(Cleared::Changed),
        }
    }
    Err(Errno::EEXIST)
}

#[cfg(test)]
#[path = "spool_test.rs"]
mod test;
