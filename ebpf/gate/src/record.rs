//! Records of denials. Losing one is counted; no decision waits for one.

use crate::layout::{OFF_DENTRY_INODE, OFF_DENTRY_NAME, OFF_INODE_INO, OFF_INODE_SB, OFF_SB_DEV, field};
use crate::maps::{EVENTS, count};
use crate::socket::Target;
use crate::subject::{Policy, current_uid, login_uid};
use aya_ebpf::helpers::{
    bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_ktime_get_boot_ns,
    bpf_probe_read_kernel_str_bytes, bpf_sysctl_get_name,
};
use aya_ebpf::maps::ring_buf::RingBufEntry;
use aya_ebpf::programs::SysctlContext;
use sekisho_abi::event::{
    Event, NAME, OBJECT_ADDRESS, OBJECT_FILE, OBJECT_NUMBER, OBJECT_PROCESS, OBJECT_UNIX,
};
use sekisho_abi::hook::Hook;
use sekisho_abi::maps::{COUNT_DENIALS, COUNT_LOST, SocketMark, UNIX_PATH};
use sekisho_abi::network::Address;
use sekisho_abi::second_layer::Program;
use sekisho_abi::{Reason, verdict};

/// A hook, or a program of the second layer: what a record calls it by.
pub trait Recorded {
    fn number(self) -> u16;
}

impl Recorded for Hook {
    #[inline(always)]
    fn number(self) -> u16 {
        self as u16
    }
}

impl Recorded for Program {
    #[inline(always)]
    fn number(self) -> u16 {
        self as u16
    }
}

/// Room for an event in the ring, counted.
#[inline(always)]
fn reserve() -> Option<RingBufEntry<Event>> {
    count(COUNT_DENIALS);
    let entry = EVENTS.reserve::<Event>(0);
    if entry.is_none() {
        count(COUNT_LOST);
    }
    entry
}

/// An event in the ring, its common part filled in.
#[inline(always)]
fn begin(hook: impl Recorded, reason: Reason, policy: Policy, object: u8) -> Option<RingBufEntry<Event>> {
    let mut entry = reserve()?;
    let event = entry.as_mut_ptr();
    // SAFETY: the reservation is exactly one `Event`, and ours until submitted.
    unsafe {
        (*event).time = bpf_ktime_get_boot_ns();
        (*event).cgroup = bpf_get_current_cgroup_id();
        (*event).inode = 0;
        (*event).number = 0;
        (*event).pid = (bpf_get_current_pid_tgid() >> 32) as u32;
        (*event).uid = current_uid();
        (*event).loginuid = login_uid();
        (*event).device = 0;
        (*event).hook = hook.number();
        (*event).port = 0;
        (*event).reason = reason as u8;
        (*event).denied = u8::from(!policy.audit);
        (*event).object = object;
        (*event).unused = 0;
        (*event).address = [0; 16];
        (*event).comm = bpf_get_current_comm().unwrap_or([0; 16]);
        (*event).name = [0; NAME];
    }
    Some(entry)
}

/// Answers, and records a denial of something done to a file.
///
/// # Safety
/// `dentry` comes from the kernel, or is null.
#[inline(always)]
pub unsafe fn file(hook: Hook, reason: Reason, policy: Policy, dentry: *const u8) -> i32 {
    if matches!(reason, Reason::Allowed) {
        return 0;
    }
    if let Some(mut entry) = begin(hook, reason, policy, OBJECT_FILE) {
        let event = entry.as_mut_ptr();
        if !dentry.is_null() {
            // SAFETY: fields of a live dentry; the name is read with a checking helper.
            unsafe {
                let name: *const u8 = field(dentry, &raw const OFF_DENTRY_NAME);
                let _ = bpf_probe_read_kernel_str_bytes(name, &mut (*event).name);
                let inode: *const u8 = field(dentry, &raw const OFF_DENTRY_INODE);
                if !inode.is_null() {
                    (*event).inode = field(inode, &raw const OFF_INODE_INO);
                    let sb: *const u8 = field(inode, &raw const OFF_INODE_SB);
                    if !sb.is_null() {
                        (*event).device = field(sb, &raw const OFF_SB_DEV);
                    }
                }
            }
        }
        entry.submit(0);
    }
    verdict(reason, policy.audit)
}

/// Answers, and records a denial that concerns an internet address.
#[inline(always)]
pub fn address(hook: impl Recorded, reason: Reason, policy: Policy, address: &Address, port: u16) -> i32 {
    if matches!(reason, Reason::Allowed) {
        return 0;
    }
    if let Some(mut entry) = begin(hook, reason, policy, OBJECT_ADDRESS) {
        // SAFETY: ours until submitted.
        unsafe {
            (*entry.as_mut_ptr()).address = *address;
            (*entry.as_mut_ptr()).port = port;
        }
        entry.submit(0);
    }
    verdict(reason, policy.audit)
}

/// Answers, and records a denial that concerns a unix socket.
#[inline(always)]
pub fn unix(hook: Hook, reason: Reason, policy: Policy, path: Option<&[u8; UNIX_PATH]>) -> i32 {
    if matches!(reason, Reason::Allowed) {
        return 0;
    }
    if let Some(mut entry) = begin(hook, reason, policy, OBJECT_UNIX) {
        if let Some(path) = path {
            // SAFETY: both lengths are constants; ours until submitted.
            unsafe {
                let event = entry.as_mut_ptr();
                let mut i = 0;
                while i < NAME {
                    (*event).name[i] = path[i];
                    i += 1;
                }
            }
        }
        entry.submit(0);
    }
    verdict(reason, policy.audit)
}

/// Answers, and records a denial that concerns a number.
#[inline(always)]
pub fn number(hook: impl Recorded, reason: Reason, policy: Policy, number: u64) -> i32 {
    numbered(hook, reason, policy, number, OBJECT_NUMBER)
}

/// Answers, and records a denial that concerns another process.
#[inline(always)]
pub fn process(hook: Hook, reason: Reason, policy: Policy, pid: u32) -> i32 {
    numbered(hook, reason, policy, u64::from(pid), OBJECT_PROCESS)
}

#[inline(always)]
fn numbered(hook: impl Recorded, reason: Reason, policy: Policy, number: u64, object: u8) -> i32 {
    if matches!(reason, Reason::Allowed) {
        return 0;
    }
    if let Some(mut entry) = begin(hook, reason, policy, object) {
        // SAFETY: ours until submitted.
        unsafe { (*entry.as_mut_ptr()).number = number };
        entry.submit(0);
    }
    verdict(reason, policy.audit)
}

/// Answers, and records a denial that concerns a kernel setting.
#[inline(always)]
pub fn setting(hook: impl Recorded, reason: Reason, policy: Policy, ctx: &SysctlContext) -> i32 {
    if matches!(reason, Reason::Allowed) {
        return 0;
    }
    if let Some(mut entry) = begin(hook, reason, policy, OBJECT_NUMBER) {
        // SAFETY: ours until submitted; the helper writes at most NAME bytes.
        unsafe {
            let name = (*entry.as_mut_ptr()).name.as_mut_ptr();
            bpf_sysctl_get_name(ctx.sysctl, name.cast(), NAME as u64, 0);
        }
        entry.submit(0);
    }
    verdict(reason, policy.audit)
}

/// Answers, and records a packet that was not let through. No task stands behind it, only an account.
#[inline(always)]
pub fn packet(hook: impl Recorded, reason: Reason, policy: Policy, account: u32, to: &Target) -> i32 {
    taskless(hook, reason, policy, (account, u32::MAX, 0), to)
}

/// Answers, and records a caller from off the node who was not let in, beside whoever made the listener.
#[inline(always)]
pub fn incoming(reason: Reason, policy: Policy, listener: &SocketMark, caller: &Target) -> i32 {
    let who = (listener.account, listener.account, listener.pid);
    taskless(Hook::InetConnRequest, reason, policy, who, caller)
}

/// `who`: uid, login uid, process.
#[inline(always)]
fn taskless(
    hook: impl Recorded,
    reason: Reason,
    policy: Policy,
    (uid, loginuid, pid): (u32, u32, u32),
    to: &Target,
) -> i32 {
    if matches!(reason, Reason::Allowed) {
        return 0;
    }
    if let Some(mut entry) = reserve() {
        // SAFETY: ours until submitted, and written as a whole.
        unsafe {
            *entry.as_mut_ptr() = Event {
                time: bpf_ktime_get_boot_ns(),
                cgroup: 0,
                inode: 0,
                number: 0,
                pid,
                uid,
                loginuid,
                device: 0,
                hook: hook.number(),
                port: to.port,
                reason: reason as u8,
                denied: u8::from(!policy.audit),
                object: OBJECT_ADDRESS,
                unused: 0,
                address: to.address,
                comm: [0; 16],
                name: [0; NAME],
            };
        }
        entry.submit(0);
    }
    verdict(reason, policy.audit)
}
