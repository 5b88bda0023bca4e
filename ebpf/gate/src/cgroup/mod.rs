//! The second layer: programs on the cgroups of users and jobs, one file per kind. They ask what the hooks ask, of the
//! facts their place offers, and hold where a hook should ever be missing.
//!
//! A program says 1 to let through and 0 to refuse, which the caller sees as EPERM. On linux 6.1 programs of these
//! kinds cannot read marks: then account, login and cgroup decide. Each program is there twice; the loader takes the
//! one that the kernel accepts.

/// A program in task context, in both forms; the body names its subject by the function it is given.
macro_rules! layer {
    ($attribute:meta, $context:ty, $marked:ident, $unmarked:ident, |$ctx:ident, $who:ident, $policy:ident| $body:expr) => {
        #[$attribute]
        pub fn $marked(ctx: $context) -> i32 {
            crate::layout::pass($crate::cgroup::judge(&ctx, $crate::cgroup::marked, |$ctx, $who, $policy| {
                $body
            }))
        }

        #[$attribute]
        pub fn $unmarked(ctx: $context) -> i32 {
            crate::layout::pass($crate::cgroup::judge(
                &ctx,
                $crate::cgroup::unmarked,
                |$ctx, $who, $policy| $body,
            ))
        }
    };
}

mod address;
mod create;
mod device;
mod packet;
mod sysctl;

use crate::subject::{
    Policy, belongs, current_task, current_uid, is_transport_program, locked, login_uid, mark_of, policy,
    subject_of,
};
use sekisho_abi::{Subject, second_layer};

/// Finds the subject, and judges what it does when it is confined.
#[inline(always)]
fn judge<C>(ctx: &C, who: impl Fn(Policy) -> Subject, body: impl Fn(&C, Subject, Policy) -> i32) -> i32 {
    let policy = policy();
    let who = who(policy);
    if who.confined { body(ctx, who, policy) } else { 0 }
}

/// Who acts, by the mark; without one, by account, login and cgroup.
#[inline(always)]
fn marked(policy: Policy) -> Subject {
    // SAFETY: the task is the kernel's own pointer; the storage is checked for null.
    unsafe {
        let mark = mark_of(current_task(), false);
        if !mark.is_null() {
            let subject = subject_of(mark);
            if subject.confined {
                return Subject { locked: locked((*mark).account), ..subject };
            }
        }
    }
    unmarked(policy)
}

/// Who acts, by account, login and cgroup.
#[inline(always)]
fn unmarked(policy: Policy) -> Subject {
    if !belongs(policy.epoch) {
        return Subject::FREE;
    }
    let subject = second_layer::unmarked(true, is_transport_program(policy.epoch));
    let login = login_uid();
    Subject { locked: locked(if login == u32::MAX { current_uid() } else { login }), ..subject }
}
