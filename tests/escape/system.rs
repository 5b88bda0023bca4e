//! The edge to system calls that no library wraps.

use nix::errno::Errno;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// A path as system calls take it.
pub(crate) fn c_path(path: &Path) -> nix::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

/// Names and values of all extended attributes; empty when there are none or they cannot be read.
pub(crate) fn attributes(path: &Path) -> Vec<u8> {
    let Ok(path) = c_path(path) else { return Vec::new() };
    let mut names = vec![0_u8; 4096];
    // SAFETY: the path is terminated and the buffer has the length given.
    let length = unsafe { libc::llistxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    names.truncate(usize::try_from(length).unwrap_or(0));
    let mut all = names.clone();
    for name in names.split_inclusive(|byte| *byte == 0) {
        let mut value = vec![0_u8; 4096];
        // SAFETY: `name` ends with the zero that the kernel put there; the buffer has the length given.
        let length = unsafe {
            libc::lgetxattr(path.as_ptr(), name.as_ptr().cast(), value.as_mut_ptr().cast(), value.len())
        };
        all.extend_from_slice(&value[..usize::try_from(length).unwrap_or(0).min(value.len())]);
    }
    all
}
