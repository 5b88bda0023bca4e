//! The edge to system calls that no library wraps.

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use std::ffi::CString;
use std::num::NonZeroUsize;
use std::os::fd::{FromRawFd as _, OwnedFd};
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

/// A descriptor that a raw system call returned.
pub(crate) fn descriptor(returned: libc::c_long) -> nix::Result<OwnedFd> {
    let number = i32::try_from(returned).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Memory that 32-bit system calls can point to; never unmapped.
pub(crate) fn memory32(bytes: &[u8]) -> nix::Result<u32> {
    let length = NonZeroUsize::new(4096).ok_or(Errno::EINVAL)?;
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_32BIT;
    // SAFETY: a fresh anonymous mapping of a page, larger than what is copied into it.
    unsafe {
        let at = mmap_anonymous(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, flags)?;
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), at.as_ptr().cast(), bytes.len().min(4095));
        u32::try_from(at.as_ptr().expose_provenance()).map_err(|_| Errno::EFAULT)
    }
}

/// A terminated text where 32-bit system calls can point to.
pub(crate) fn text32(text: &str) -> nix::Result<u32> {
    memory32(&[text.as_bytes(), b"\0"].concat())
}

/// A system call of the 32-bit interface, from this 64-bit program.
pub(crate) fn call32(number: u32, arguments: [u32; 3]) -> nix::Result<i32> {
    let result: i32;
    // SAFETY: int 0x80 follows the i386 convention and changes only eax and, on some kernels, r8 to r11; rbx is
    // saved by hand because the compiler keeps it for itself.
    unsafe {
        std::arch::asm!(
            "xchg {first:r}, rbx",
            "int 0x80",
            "xchg {first:r}, rbx",
            first = inout(reg) u64::from(arguments[0]) => _,
            inlateout("eax") number => result,
            in("ecx") arguments[1],
            in("edx") arguments[2],
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    if result < 0 { Err(Errno::from_raw(-result)) } else { Ok(result) }
}
