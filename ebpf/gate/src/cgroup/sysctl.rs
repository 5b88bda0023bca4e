//! Reading and writing kernel settings.

use crate::record;
use aya_ebpf::macros::cgroup_sysctl;
use aya_ebpf::programs::SysctlContext;
use core::ptr::read_volatile;
use sekisho_abi::second_layer::{Program, decide_setting};

layer!(cgroup_sysctl, SysctlContext, layer_sysctl, layer_sysctl_unmarked, |ctx, who, policy| {
    // SAFETY: the context is the kernel's own.
    let write = unsafe { read_volatile(&raw const (*ctx.sysctl).write) } != 0;
    record::setting(Program::Sysctl, decide_setting(who, write), policy, ctx)
});
