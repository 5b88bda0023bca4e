//! The mark's life, and what a confined process may do with its rights and with other processes.

use crate::layout::{OFF_CRED_EUID, OFF_CRED_UID, OFF_TASK_TGID, STORAGE_MAY_FAIL, field, setting};
use crate::lent::{first_lent, is_lent};
use crate::maps::{SHADOWS, count};
use crate::record;
use crate::subject::{
    Policy, account, belongs, below_all_confined, confine, confined, current_task, is_transport_program,
    mark_of, policy, remember, remembered, subject_of, without_storage,
};
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_boot_ns, bpf_send_signal};
use sekisho_abi::hook::Hook;
use sekisho_abi::maps::{COUNT_FALLBACK, MARK_BEGINNING, MARK_CONFINED, MARK_TRANSPORT};
use sekisho_abi::process::{
    acts_confined, after_exec, decide_capability, decide_handed_down, decide_process, inherited,
};
use sekisho_abi::{Reason, Subject};

const CAP_OPT_NOAUDIT: u32 = 2;
const PTRACE_MODE_NOAUDIT: u32 = 4;
const SIGKILL: u32 = 9;

// A child is what its parent is. If that cannot be written down, there is no child.
hook!(task_alloc, ctx, {
    let child: *const u8 = ctx.arg(0);
    let Some((_, policy)) = confined() else { return 0 };
    if child.is_null() {
        return 0;
    }
    // SAFETY: both tasks are the kernel's own; each storage is checked for null.
    unsafe {
        let own = mark_of(current_task(), false);
        let copy = mark_of(child, true);
        if copy.is_null() {
            return record::number(Hook::TaskAlloc, Reason::MarkFailed, policy, 0);
        }
        if own.is_null() {
            count(COUNT_FALLBACK);
            match remembered() {
                Some(mark) => *copy = inherited(mark),
                None => confine(copy, 0),
            }
        } else {
            *copy = inherited(*own);
        }
        if !remember(child, copy) {
            return record::number(Hook::TaskAlloc, Reason::MarkFailed, policy, 0);
        }
    }
    0
});

// Another task may get its address.
hook!(task_free, ctx, {
    if setting(&raw const STORAGE_MAY_FAIL) != 0 {
        let task: *const u8 = ctx.arg(0);
        let _ = SHADOWS.remove(&(task as u64));
    }
    0
});

// Who becomes a confined user is marked, for good. Post-authentication sshd keeps its socket and terminal.
hook!(task_fix_setuid, ctx, {
    let new: *const u8 = ctx.arg(0);
    if new.is_null() {
        return 0;
    }
    let policy = policy();
    // SAFETY: live credentials; the storage is checked for null.
    unsafe {
        let uid: u32 = field(new, &raw const OFF_CRED_UID);
        let effective: u32 = field(new, &raw const OFF_CRED_EUID);
        if !acts_confined(account(uid, policy.epoch).0, effective) {
            return 0;
        }
        let mark = mark_of(current_task(), true);
        if mark.is_null() {
            return record::number(Hook::TaskFixSetuid, Reason::MarkFailed, policy, u64::from(uid));
        }
        if (*mark).flags & MARK_CONFINED == 0 {
            let role = if is_transport_program(policy.epoch) { MARK_TRANSPORT } else { 0 };
            confine(mark, role);
            if role == MARK_TRANSPORT {
                (*mark).session = bpf_ktime_get_boot_ns();
            }
            if (*mark).account == 0 {
                (*mark).account = uid;
            }
        }
    }
    0
});

// Programs of a confined login or cgroup are marked before they run.
hook!(bprm_check_security, _ctx, {
    let policy = policy();
    let task = current_task();
    // A system service: nothing was ever stored with it, and what is not stored is not looked for at every hook.
    if without_storage(task) && below_all_confined(task) && !belongs(policy.epoch) {
        return 0;
    }
    // SAFETY: the storage is checked for null.
    unsafe {
        let mark = mark_of(task, true);
        if mark.is_null() {
            return match remembered() {
                // Somebody confined goes on as such.
                Some(mark) => handed_down(Hook::BprmCheckSecurity, mark.flags, policy, 0),
                None if belongs(policy.epoch) => {
                    record::number(Hook::BprmCheckSecurity, Reason::MarkFailed, policy, 0)
                }
                None => 0,
            };
        }
        if (*mark).flags & MARK_CONFINED == 0 && belongs(policy.epoch) {
            confine(mark, 0);
        }
        handed_down(Hook::BprmCheckSecurity, (*mark).flags, policy, 0)
    }
});

/// The first program of a session begins: does it get something that leads on where no hook looks? The rest of what it
/// gets is judged when it is used.
#[inline(always)]
fn handed_down(hook: Hook, flags: u32, policy: Policy, closed: u32) -> i32 {
    if flags & MARK_CONFINED == 0 || flags & MARK_BEGINNING == 0 {
        return 0;
    }
    let found = first_lent(policy.epoch, closed);
    let answer = decide_handed_down(Subject::CONFINED, is_lent(found));
    record::number(hook, answer, policy, u64::from(found))
}

// A role belongs to one program: it ends at exec. The mark does not. Too late for an error, not for a signal: it comes
// before the program's first instruction.
hook!(bprm_committed_creds, _ctx, {
    // SAFETY: the storage is checked for null.
    unsafe {
        let mark = mark_of(current_task(), false);
        if !mark.is_null() {
            let handed = handed_down(Hook::BprmCommittedCreds, (*mark).flags, policy(), 1);
            if handed != 0 {
                // Nobody else has these descriptors now. Whoever moved them about until now has no program.
                bpf_send_signal(SIGKILL);
            }
            (*mark).flags = after_exec((*mark).flags);
            if (*mark).flags & MARK_CONFINED != 0 {
                let _ = remember(current_task(), mark);
            }
        }
    }
    0
});

#[inline(always)]
unsafe fn target(task: *const u8) -> Subject {
    unsafe {
        let mark = mark_of(task, false);
        if mark.is_null() { Subject::FREE } else { subject_of(mark) }
    }
}

hook!(ptrace_access_check, ctx, {
    let child: *const u8 = ctx.arg(0);
    let mode: u32 = ctx.arg(1);
    // SAFETY: a live task; null is checked.
    unsafe { reach(Hook::PtraceAccessCheck, child, mode & PTRACE_MODE_NOAUDIT != 0) }
});

hook!(task_kill, ctx, {
    // SAFETY: a live task; null is checked.
    unsafe { reach(Hook::TaskKill, ctx.arg(0), false) }
});

// Limits, scheduling and priorities of a process can be read by everybody: setting them is writing.
macro_rules! reached {
    ($($program:ident, $hook:ident;)*) => { $(
        hook!($program, ctx, {
            // SAFETY: a live task; null is checked.
            unsafe { reach(Hook::$hook, ctx.arg(0), false) }
        });
    )* };
}

reached! {
    task_setrlimit, TaskSetrlimit;
    task_setscheduler, TaskSetscheduler;
    task_setnice, TaskSetnice;
    task_setioprio, TaskSetioprio;
    file_send_sigiotask, FileSendSigiotask;
}

#[inline(always)]
unsafe fn reach(hook: Hook, task: *const u8, quiet: bool) -> i32 {
    let Some((who, policy)) = confined() else { return 0 };
    if task.is_null() {
        return 0;
    }
    unsafe {
        // Its own limits and priority are everybody's to set: sshd does so for the session it is about to be.
        let process: u32 = field(task, &raw const OFF_TASK_TGID);
        if process == (bpf_get_current_pid_tgid() >> 32) as u32 {
            return 0;
        }
        let answer = decide_process(who, target(task));
        if quiet {
            return sekisho_abi::verdict(answer, policy.audit);
        }
        record::process(hook, answer, policy, process)
    }
}

hook!(capable, ctx, {
    let capability: u32 = ctx.arg(2);
    let options: u32 = ctx.arg(3);
    let Some((who, policy)) = confined() else { return 0 };
    let answer = decide_capability(who, capability);
    if options & CAP_OPT_NOAUDIT != 0 {
        return sekisho_abi::verdict(answer, policy.audit);
    }
    record::number(Hook::Capable, answer, policy, u64::from(capability))
});
