//! Programs that the kernel starts itself, as root and outside the mark, for whoever makes it.

use crate::layout::{OFF_TASK_FLAGS, core_pattern, field};
use crate::record;
use crate::subject::{confined, current_task};
use aya_ebpf::helpers::bpf_probe_read_kernel;
use sekisho_abi::hook::Hook;
use sekisho_abi::usermode::{decide_dump, decide_usermode};

hook!(kernel_module_request, _ctx, {
    let Some((who, policy)) = confined() else { return 0 };
    record::number(Hook::KernelModuleRequest, decide_usermode(who, true), policy, 0)
});

// A dying process takes credentials of its own for its core, and for nothing else.
hook!(cred_prepare, _ctx, {
    const PF_SIGNALED: u32 = 0x400;
    // SAFETY: a field of the current task.
    if unsafe { field::<u32>(current_task(), &raw const OFF_TASK_FLAGS) } & PF_SIGNALED == 0 {
        return 0;
    }
    let Some((who, policy)) = confined() else { return 0 };
    // SAFETY: read with a checking helper. What cannot be read may be a program's name.
    let first = unsafe { bpf_probe_read_kernel(core_pattern() as *const u8) }.unwrap_or(0);
    record::number(Hook::CredPrepare, decide_dump(who, first), policy, 0)
});
