//! The bpf system calls aya lacks: task storage by pidfd, links of every kind of cgroup program, and an iterator that is
//! run again and again.

use sekisho_abi::maps::Mark;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const BPF_MAP_LOOKUP_ELEM: libc::c_long = 1;
const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_OBJ_PIN: libc::c_long = 6;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_ITER_CREATE: libc::c_long = 33;
const BPF_TRACE_ITER: u32 = 28;

/// `union bpf_attr`, as far as element commands read it.
#[repr(C)]
struct ElementAttr {
    map: u32,
    unused: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// A handle on a process that cannot be recycled.
///
/// # Errors
/// `ESRCH` when it is gone.
pub fn pidfd(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Writes a task's mark.
///
/// # Errors
/// The system call's.
pub fn set_mark(map: BorrowedFd<'_>, pidfd: BorrowedFd<'_>, mark: Mark) -> io::Result<()> {
    let mut value = bytes(mark);
    element(BPF_MAP_UPDATE_ELEM, map, pidfd, &mut value)
}

/// Reads a task's mark; `None` when it has none.
///
/// # Errors
/// The system call's.
pub fn get_mark(map: BorrowedFd<'_>, pidfd: BorrowedFd<'_>) -> io::Result<Option<Mark>> {
    let mut value = [0; 16];
    match element(BPF_MAP_LOOKUP_ELEM, map, pidfd, &mut value) {
        Ok(()) => {
            let (words, session) = value.split_at(8);
            let word = |at: usize| words[at..at + 4].try_into().map(u32::from_ne_bytes).unwrap_or_default();
            let session = session.try_into().map(u64::from_ne_bytes).unwrap_or_default();
            Ok(Some(Mark { flags: word(0), account: word(4), session }))
        }
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

/// `union bpf_attr`, as far as making an iterator reads it.
#[repr(C)]
struct IteratorAttr {
    link: u32,
    flags: u32,
}

/// Makes a small map: what nobody confined may.
///
/// # Errors
/// The system call's.
pub fn array() -> io::Result<OwnedFd> {
    // Type (array), key, value, entries.
    let attr: [u32; 4] = [2, 4, 4, 1];
    // SAFETY: `attr` is the beginning of the layout the kernel documents for making maps.
    made(unsafe { libc::syscall(libc::SYS_bpf, 0 as libc::c_long, attr.as_ptr(), size_of_val(&attr)) })
}

/// A link on an iterator program: each [`iterate`] runs it over everything once.
///
/// # Errors
/// The system call's.
pub fn link_iterator(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    link(program.as_raw_fd(), 0, BPF_TRACE_ITER)
}

/// One run: reading the descriptor to its end runs the program over everything.
///
/// # Errors
/// The system call's.
pub fn iterate(link: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let attr = IteratorAttr { link: link.as_raw_fd().cast_unsigned(), flags: 0 };
    // SAFETY: `attr` is the layout the kernel documents for making iterators.
    made(unsafe { libc::syscall(libc::SYS_bpf, BPF_ITER_CREATE, &raw const attr, size_of::<IteratorAttr>()) })
}

fn made(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(result).map_err(io::Error::other)?;
    // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn bytes(mark: Mark) -> [u8; 16] {
    let mut value = [0; 16];
    value[..4].copy_from_slice(&mark.flags.to_ne_bytes());
    value[4..8].copy_from_slice(&mark.account.to_ne_bytes());
    value[8..].copy_from_slice(&mark.session.to_ne_bytes());
    value
}

/// `union bpf_attr`, as far as `BPF_LINK_CREATE` reads it for a cgroup or an iterator.
#[repr(C)]
struct LinkAttr {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
}

/// `union bpf_attr`, as far as `BPF_OBJ_PIN` reads it.
#[repr(C)]
struct PinAttr {
    path: u64,
    object: u32,
    flags: u32,
}

/// Attaches a program to a cgroup, beside others that may be there.
///
/// # Errors
/// The system call's.
pub fn link_cgroup(program: BorrowedFd<'_>, cgroup: BorrowedFd<'_>, attach_type: u32) -> io::Result<OwnedFd> {
    link(program.as_raw_fd(), cgroup.as_raw_fd(), attach_type)
}

fn link(program: i32, target: i32, attach_type: u32) -> io::Result<OwnedFd> {
    let (program, target) = (program.cast_unsigned(), target.cast_unsigned());
    let attr = LinkAttr { program, target, attach_type, flags: 0 };
    // SAFETY: `attr` is the layout the kernel documents for this command and outlives the call.
    made(unsafe { libc::syscall(libc::SYS_bpf, BPF_LINK_CREATE, &raw const attr, size_of::<LinkAttr>()) })
}

/// How often the kernel did not run a program because it was running already on the same processor.
///
/// # Errors
/// The system call's.
pub fn recursion_misses(program: BorrowedFd<'_>) -> io::Result<u64> {
    const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
    /// Place of `recursion_misses` in `struct bpf_prog_info`, in words.
    const PLACE: usize = 26;
    /// `union bpf_attr`, as far as asking about an object reads it.
    #[repr(C)]
    struct InfoAttr {
        object: u32,
        length: u32,
        info: u64,
    }
    let mut info = [0_u64; PLACE + 1];
    let attr = InfoAttr {
        object: program.as_raw_fd().cast_unsigned(),
        length: size_of_val(&info) as u32,
        info: info.as_mut_ptr().expose_provenance() as u64,
    };
    // SAFETY: `attr` is the layout the kernel documents for this command; the kernel writes at most `length` bytes.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &raw const attr, size_of::<InfoAttr>())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(info[PLACE]) }
}

/// Pins an object in bpffs.
///
/// # Errors
/// The system call's.
pub fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let attr = PinAttr {
        path: path.as_ptr().expose_provenance() as u64,
        object: object.as_raw_fd().cast_unsigned(),
        flags: 0,
    };
    // SAFETY: `attr` is the layout the kernel documents for this command; it and the path outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, BPF_OBJ_PIN, &raw const attr, size_of::<PinAttr>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn element(
    command: libc::c_long,
    map: BorrowedFd<'_>,
    pidfd: BorrowedFd<'_>,
    value: &mut [u8; 16],
) -> io::Result<()> {
    let key: i32 = pidfd.as_raw_fd();
    let attr = ElementAttr {
        map: map.as_raw_fd().cast_unsigned(),
        unused: 0,
        key: (&raw const key).expose_provenance() as u64,
        value: value.as_mut_ptr().expose_provenance() as u64,
        flags: 0,
    };
    // SAFETY: `attr` is the layout the kernel documents for element commands, `key` and `value` outlive the call and
    // have the sizes the map was created with (4 and 16 bytes).
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const attr, size_of::<ElementAttr>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
