//! The kernel programs of the gate: one object for every kernel.
//!
//! A hook reads as a sentence: *who is it, where does it land, what does policy say, record, answer*. What policy
//! says is not decided here but by the pure functions of `sekisho-abi`, which property tests exercise on the host.
//!
//! Invariants:
//! - offsets of kernel fields come from the running kernel's BTF, never from this source; an offset that was not
//!   filled in makes the verifier refuse the program;
//! - what cannot be read, found or stored is denied, never allowed;
//! - a decision never depends on the ring buffer.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
// For one instruction: the toolchain offers this target no atomics.
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

#[cfg(target_arch = "bpf")]
mod cgroup;
#[cfg(target_arch = "bpf")]
mod hooks;
#[cfg(target_arch = "bpf")]
mod layout;
#[cfg(target_arch = "bpf")]
mod lent;
#[cfg(target_arch = "bpf")]
mod maps;
#[cfg(target_arch = "bpf")]
mod record;
#[cfg(target_arch = "bpf")]
mod screen;
#[cfg(target_arch = "bpf")]
mod socket;
#[cfg(target_arch = "bpf")]
mod subject;
#[cfg(target_arch = "bpf")]
mod terminal;
#[cfg(target_arch = "bpf")]
mod threads;
#[cfg(target_arch = "bpf")]
mod zone;

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel lends its helpers to GPL-compatible programs only.
#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(not(target_arch = "bpf"))]
fn main() {}
