//! One file per group of hooks.

/// One kernel program. Its last act is to turn the answer into a constant the verifier can see: the compiler may
/// otherwise return some register it knows to be zero, which the verifier does not.
macro_rules! hook {
    ($name:ident, $ctx:ident, $body:block) => {
        #[aya_ebpf::macros::lsm]
        pub fn $name(ctx: aya_ebpf::programs::LsmContext) -> i32 {
            #[inline(always)]
            fn judge($ctx: &aya_ebpf::programs::LsmContext) -> i32 $body
            crate::layout::answer(judge(&ctx))
        }
    };
}

mod bpf;
mod file;
mod inode;
mod ipc;
mod mmap;
mod mount;
mod process;
mod socket;
mod usermode;
