//! Threads that were there before the gate: each takes the mark of its process. Run by the loader over every task.

use crate::layout::{OFF_TASK_LEADER, field};
use crate::maps::count;
use crate::subject::{mark_of, remember};
use aya_ebpf::bindings::seq_file;
use aya_ebpf::helpers::generated::bpf_seq_write;
use core::ffi::c_void;
use core::ptr::read_volatile;
use sekisho_abi::maps::{COUNT_FALLBACK, MARK_CONFINED, THREAD_FAILED, THREAD_MARKED};

/// `struct bpf_iter__task`: what is being iterated, and the task, null at the end.
#[unsafe(link_section = "iter/task")]
#[unsafe(no_mangle)]
pub extern "C" fn mark_threads(ctx: *const *const u8) -> i32 {
    // SAFETY: the context is two pointers of the kernel's; each is checked for null before it is followed.
    unsafe {
        let meta = read_volatile(ctx);
        let task = read_volatile(ctx.add(1));
        if task.is_null() {
            return 0;
        }
        let leader: *const u8 = field(task, &raw const OFF_TASK_LEADER);
        if leader.is_null() {
            return 0;
        }
        let of_leader = mark_of(leader, false);
        if of_leader.is_null() || (*of_leader).flags & MARK_CONFINED == 0 {
            return 0;
        }
        if leader == task {
            // The loader gave it the mark, but cannot keep the copy.
            if !remember(task, of_leader) {
                say(meta, THREAD_FAILED);
            }
            return 0;
        }
        let own = mark_of(task, true);
        if own.is_null() {
            count(COUNT_FALLBACK);
            say(meta, THREAD_FAILED);
        } else if (*own).flags & MARK_CONFINED == 0 {
            *own = *of_leader;
            say(meta, if remember(task, own) { THREAD_MARKED } else { THREAD_FAILED });
        }
    }
    0
}

/// One byte for whoever reads the run.
#[inline(always)]
unsafe fn say(meta: *const u8, byte: u8) {
    // `seq` is the first member of `struct bpf_iter_meta`.
    unsafe {
        let seq = read_volatile(meta.cast::<*mut seq_file>());
        if !seq.is_null() {
            bpf_seq_write(seq, (&raw const byte).cast::<c_void>(), 1);
        }
    }
}
