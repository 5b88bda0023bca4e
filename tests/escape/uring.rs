//! A ring of io_uring with room for a few orders: set up, submit one, wait for its answer.

use crate::system::descriptor;
use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::ptr::NonNull;

/// Polled by a kernel thread.
pub(crate) const SQPOLL: u32 = 2;
/// The order is done by a worker.
pub(crate) const ASYNC: u8 = 1 << 4;
/// The order's descriptor is an index of registered ones.
pub(crate) const FIXED_FILE: u8 = 1;

const SUBMISSIONS: i64 = 0;
const ENTRIES: i64 = 0x1000_0000;
const ENTER_GETEVENTS: u32 = 1;
const ENTER_SQ_WAKEUP: u32 = 2;

/// `struct io_uring_params`.
#[repr(C)]
#[derive(Default)]
struct Parameters {
    entries: [u32; 2],
    flags: u32,
    sq_thread_cpu: u32,
    sq_thread_idle: u32,
    features: u32,
    wq_fd: u32,
    reserved: [u32; 3],
    /// head, tail, ring_mask, ring_entries, flags, dropped, array, reserved, user_addr (2).
    submission: [u32; 10],
    /// head, tail, ring_mask, ring_entries, overflow, cqes, flags, reserved, user_addr (2).
    completion: [u32; 10],
}

/// `struct io_uring_sqe`.
#[repr(C)]
#[derive(Default, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) operation: u8,
    pub(crate) flags: u8,
    pub(crate) priority: u16,
    pub(crate) fd: i32,
    pub(crate) offset: u64,
    pub(crate) address: u64,
    pub(crate) length: u32,
    pub(crate) operation_flags: u32,
    pub(crate) user: u64,
    pub(crate) buffer: u16,
    pub(crate) personality: u16,
    pub(crate) other_fd: i32,
    pub(crate) third: [u64; 2],
}

/// A ring.
pub(crate) struct Ring {
    fd: OwnedFd,
    rings: NonNull<c_void>,
    orders: NonNull<c_void>,
    parameters: Parameters,
}

impl Ring {
    /// Sets one up.
    pub(crate) fn new(flags: u32) -> nix::Result<Self> {
        let mut parameters = Parameters { flags, sq_thread_idle: 2000, ..Parameters::default() };
        // SAFETY: the kernel reads and writes one structure of this layout.
        let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 8, &raw mut parameters) };
        Self::of(descriptor(Errno::result(fd)?)?, parameters)
    }

    /// Another one of the same shape.
    pub(crate) fn like(self, fd: OwnedFd) -> nix::Result<Self> {
        Self::of(fd, self.parameters)
    }

    /// Its descriptor.
    pub(crate) fn into_descriptor(self) -> OwnedFd {
        self.fd
    }

    fn of(fd: OwnedFd, parameters: Parameters) -> nix::Result<Self> {
        let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let length = NonZeroUsize::new(4096).ok_or(Errno::EINVAL)?;
        // SAFETY: fresh mappings of the ring's own memory; a ring of eight entries fits into a page (single-mmap
        // kernels, 5.4 and later, keep both rings in the first).
        let map = |at: i64| unsafe { mmap(None, length, both, MapFlags::MAP_SHARED, &fd, at) };
        let (rings, orders) = (map(SUBMISSIONS)?, map(ENTRIES)?);
        Ok(Self { fd, rings, orders, parameters })
    }

    fn word(&self, offset: u32) -> *mut u32 {
        self.rings.as_ptr().wrapping_byte_add(offset as usize).cast()
    }

    /// Submits one order and returns the kernel's answer to it.
    pub(crate) fn submit(&self, order: Order) -> nix::Result<i32> {
        let [_, tail, mask, _, _, _, array, ..] = self.parameters.submission;
        // SAFETY: the offsets are the kernel's own, within the mapped pages; this process is the ring's only user.
        unsafe {
            let position = self.word(tail).read_volatile();
            let index = position & self.word(mask).read_volatile();
            self.orders.as_ptr().cast::<Order>().add(index as usize).write_volatile(order);
            self.word(array).add(index as usize).write_volatile(index);
            std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
            self.word(tail).write_volatile(position + 1);
        }
        let mut flags = ENTER_GETEVENTS;
        if self.parameters.flags & SQPOLL != 0 {
            flags |= ENTER_SQ_WAKEUP;
        }
        // SAFETY: integers and a null pointer only.
        Errno::result(unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.fd.as_raw_fd(),
                1,
                1,
                flags,
                std::ptr::null::<u8>(),
                0,
            )
        })?;
        let [head, _, mask, _, _, answers, ..] = self.parameters.completion;
        // SAFETY: as above; the kernel said that one answer is there. An answer is user data (8 bytes) and a result.
        let result = unsafe {
            let position = self.word(head).read_volatile();
            let index = position & self.word(mask).read_volatile();
            let result = self.word(answers).add(index as usize * 4 + 2).read_volatile();
            self.word(head).write_volatile(position + 1);
            result.cast_signed()
        };
        if result < 0 { Err(Errno::from_raw(-result)) } else { Ok(result) }
    }

    /// Registers: files, personalities.
    pub(crate) fn register(&self, what: u32, argument: *const i32, count: u32) -> nix::Result<i32> {
        // SAFETY: the argument points to as many numbers as `count` says, or is null.
        let done =
            unsafe { libc::syscall(libc::SYS_io_uring_register, self.fd.as_raw_fd(), what, argument, count) };
        i32::try_from(Errno::result(done)?).map_err(|_| Errno::EINVAL)
    }
}

/// The address of a pointer, as an order holds it.
pub(crate) fn address<T>(pointer: *const T) -> u64 {
    pointer.expose_provenance() as u64
}
