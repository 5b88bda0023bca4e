//! Writing so that after a crash a file is either wholly there or not there at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Ending of files that are not finished; whoever opens a directory may remove them.
pub const UNFINISHED: &str = ".unfinished";

/// Makes a rename, creation or removal in a directory durable.
///
/// # Errors
/// The system call's error.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Writes a whole file with exactly this mode and makes its bytes durable. The name is durable only after
/// [`sync_dir`].
///
/// # Errors
/// The system call's error.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Replaces a file in one step: unfinished copy, fsync, rename, fsync of the directory.
///
/// # Errors
/// The system call's error; the old file then still stands, or (only when the last step failed) the new one.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    let mut unfinished = name.to_owned();
    unfinished.push(UNFINISHED);
    let unfinished = dir.join(unfinished);
    let written = write_new(&unfinished, bytes, mode).and_then(|()| fs::rename(&unfinished, path));
    if let Err(e) = written {
        let _ = fs::remove_file(&unfinished);
        return Err(e);
    }
    sync_dir(dir)
}

/// Replaces a file in one step for readers, without making it durable: for what can be made anew.
///
/// # Errors
/// The system call's error.
pub fn replace_derived(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(UNFINISHED);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&unfinished)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    fs::rename(&unfinished, path)
}

/// Creates a directory and those above it, and makes their names durable.
///
/// # Errors
/// The system call's error.
pub fn create_dirs(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let above = dir.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    create_dirs(above)?;
    match fs::create_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    sync_dir(above)
}
