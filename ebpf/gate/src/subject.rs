//! Who is confined.

use crate::layout::{
    self, ABSENT, LOOP_RANGES, OFF_CRED_EUID, OFF_CRED_UID, OFF_MM_EXE_FILE, OFF_TASK_CRED,
    OFF_TASK_LOGINUID, OFF_TASK_MM, OFF_TASK_STORAGE, STORAGE_MAY_FAIL, field, setting,
};
use crate::maps::{CONFIG, EPOCH, LOCKED, LOCKS, NUMBERS, SHADOWS, TASKS, TRANSPORTS, count};
use aya_ebpf::bindings::{BPF_LOCAL_STORAGE_GET_F_CREATE, task_struct};
use aya_ebpf::helpers::{
    bpf_get_current_ancestor_cgroup_id, bpf_get_current_task_btf, bpf_get_current_uid_gid,
    bpf_task_storage_get,
};
use core::ptr::null_mut;
use sekisho_abi::maps::{
    CGROUP_LEVELS, CONFIG_AUDIT, CONFIG_LISTEN_LOOPBACK, COUNT_FALLBACK, Config, LOCK_ACCOUNT, LOCK_EVERYONE,
    LockKey, MARK_BEGINNING, MARK_CONFINED, MARK_TRANSPORT, Mark, NUMBER_CGROUP, NUMBER_UID, NodeKey,
    NumberKey, UID_CONFINED, UID_EXEMPT,
};
use sekisho_abi::process::{Identity, acts_confined, becomes_confined};
use sekisho_abi::{Rules, Subject};

/// The policy of this instant: read once per hook.
#[derive(Clone, Copy)]
pub struct Policy {
    pub epoch: u32,
    pub audit: bool,
    pub rules: Rules,
}

#[inline(always)]
pub fn epoch() -> u32 {
    EPOCH.get(0).copied().unwrap_or(0)
}

#[inline(always)]
pub fn config(epoch: u32) -> Option<&'static Config> {
    CONFIG.get(epoch & 1)
}

/// The policy in force. Without one, nothing is relaxed.
#[inline(always)]
pub fn policy() -> Policy {
    let epoch = epoch();
    let flags = match config(epoch) {
        Some(config) => config.flags,
        None => 0,
    };
    Policy {
        epoch,
        audit: flags & CONFIG_AUDIT != 0,
        rules: Rules { listen_loopback: flags & CONFIG_LISTEN_LOOPBACK != 0 },
    }
}

/// The mark of a task; null when the kernel cannot give it now.
#[inline(always)]
pub unsafe fn mark_of(task: *const u8, create: bool) -> *mut Mark {
    let flags = if create { u64::from(BPF_LOCAL_STORAGE_GET_F_CREATE) } else { 0 };
    unsafe {
        bpf_task_storage_get(TASKS.as_ptr(), task.cast_mut().cast::<task_struct>(), null_mut(), flags)
            .cast::<Mark>()
    }
}

#[inline(always)]
pub fn current_task() -> *const u8 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_current_task_btf() as *const u8 }
}

#[inline(always)]
pub fn current_uid() -> u32 {
    bpf_get_current_uid_gid() as u32
}

/// The effective uid, which is what peers are told; `bpf_get_current_uid_gid` gives the real one.
#[inline(always)]
pub fn effective_uid() -> Option<u32> {
    // SAFETY: fields of the current task; null is checked.
    unsafe {
        let cred: *const u8 = field(current_task(), &raw const OFF_TASK_CRED);
        if cred.is_null() { None } else { Some(field::<u32>(cred, &raw const OFF_CRED_EUID)) }
    }
}

/// Login uid, `u32::MAX` when unset or when the kernel keeps none.
#[inline(always)]
pub fn login_uid() -> u32 {
    if setting(&raw const OFF_TASK_LOGINUID) == ABSENT {
        return u32::MAX;
    }
    // SAFETY: the task is the kernel's own pointer.
    unsafe { field(current_task(), &raw const OFF_TASK_LOGINUID) }
}

/// Policy's word on an account: (confined, exempt).
#[inline(always)]
pub fn account(uid: u32, epoch: u32) -> (bool, bool) {
    let word = word_on(uid, epoch);
    (word == UID_CONFINED, word == UID_EXEMPT)
}

/// [`UID_CONFINED`], [`UID_EXEMPT`] or 0. A program of its own: it is asked often, and takes only numbers.
#[inline(never)]
fn word_on(uid: u32, epoch: u32) -> u32 {
    let key = NumberKey { number: u64::from(uid), epoch, kind: NUMBER_UID };
    // SAFETY: values are plain numbers, replaced only by whole epochs.
    if let Some(word) = unsafe { NUMBERS.get(&key) } {
        return *word;
    }
    // Without a policy nobody but root is free.
    let Some(config) = config(epoch) else { return if uid == 0 { 0 } else { UID_CONFINED } };
    for i in 0..setting(&raw const LOOP_RANGES) as usize {
        let Some(range) = config.ranges.get(i) else { break };
        if i as u32 >= config.ranges_used {
            break;
        }
        if uid >= range.first && uid <= range.last {
            return in_range(uid, epoch);
        }
    }
    0
}

/// An account of a range that no list names. A reload removes the entries of the epoch it ends: whoever still asks
/// about that one must not take an exempt account for a confined one, because a mark is for good.
#[inline(always)]
fn in_range(uid: u32, asked: u32) -> u32 {
    let now = epoch();
    if now == asked {
        return UID_CONFINED;
    }
    let key = NumberKey { number: u64::from(uid), epoch: now, kind: NUMBER_UID };
    // SAFETY: values are plain numbers.
    unsafe { NUMBERS.get(&key) }.copied().unwrap_or(UID_CONFINED)
}

/// Is the current task inside a confined cgroup?
#[inline(always)]
fn in_confined_cgroup(epoch: u32) -> bool {
    let mut level = 1;
    while level <= CGROUP_LEVELS {
        // SAFETY: the helper has no preconditions.
        let id = unsafe { bpf_get_current_ancestor_cgroup_id(level) };
        let key = NumberKey { number: id, epoch, kind: NUMBER_CGROUP };
        // SAFETY: values are plain numbers.
        if id != 0 && unsafe { NUMBERS.get(&key) }.is_some() {
            return true;
        }
        level += 1;
    }
    false
}

/// Everything known about the current task without its mark. Rare, so a program of its own.
#[inline(never)]
pub fn belongs(epoch: u32) -> bool {
    let (uid, uid_exempt) = account(current_uid(), epoch);
    let login = login_uid();
    let has_login = login != u32::MAX;
    let (login_confined, login_exempt) = if has_login { account(login, epoch) } else { (false, false) };
    becomes_confined(Identity {
        uid,
        uid_exempt,
        has_login,
        login: login_confined,
        login_exempt,
        cgroup: in_confined_cgroup(epoch),
    })
}

/// The account the current task's session belongs to.
#[inline(always)]
pub fn session_account() -> u32 {
    let login = login_uid();
    if login == u32::MAX { current_uid() } else { login }
}

/// Writes the mark.
#[inline(always)]
pub unsafe fn confine(mark: *mut Mark, role: u32) {
    unsafe {
        (*mark).account = session_account();
        (*mark).session = 0;
        (*mark).flags = MARK_CONFINED | MARK_BEGINNING | role;
        // Without room the task keeps its mark, and is confined by account and cgroup while that cannot be read.
        let _ = remember(current_task(), mark);
    }
}

/// Keeps a copy of a confined task's mark where the kernel needs one. False when there is no room.
///
/// # Safety
/// `mark` is the task's own.
#[inline(always)]
pub unsafe fn remember(task: *const u8, mark: *const Mark) -> bool {
    if setting(&raw const STORAGE_MAY_FAIL) == 0 {
        return true;
    }
    SHADOWS.insert(&(task as u64), unsafe { &*mark }, 0).is_ok()
}

/// The copy, when the kernel does not find the mark itself.
#[inline(always)]
pub fn remembered() -> Option<Mark> {
    // SAFETY: a plain value; a mark never changes for the better.
    unsafe { SHADOWS.get(&(current_task() as u64)) }.copied()
}

#[inline(always)]
pub unsafe fn subject_of(mark: *const Mark) -> Subject {
    let flags = unsafe { (*mark).flags };
    Subject { confined: flags & MARK_CONFINED != 0, transport: flags & MARK_TRANSPORT != 0, locked: false }
}

/// Is the way out of the current task frozen: everybody's, its session's, or that of the account it acts as?
#[inline(always)]
pub fn locked(account: u32) -> bool {
    match LOCKED.get(0) {
        Some(0) => false,
        _ => locked_by_name(account, current_uid()),
    }
}

/// Rare, so a program of its own.
#[inline(never)]
fn locked_by_name(account: u32, uid: u32) -> bool {
    let held = |kind, number| {
        // SAFETY: values are plain numbers.
        unsafe { LOCKS.get(&LockKey { kind, number }) }.is_some()
    };
    held(LOCK_EVERYONE, 0) || held(LOCK_ACCOUNT, account) || held(LOCK_ACCOUNT, uid)
}

/// Has the current task certainly no mark? The pointer to its storage is read here, not asked for through a helper
/// that under contention finds nothing where there is something: null means that nothing was ever stored.
#[inline(always)]
pub fn without_storage(task: *const u8) -> bool {
    // SAFETY: a field of the current task.
    setting(&raw const OFF_TASK_STORAGE) != ABSENT
        && unsafe { field::<u64>(task, &raw const OFF_TASK_STORAGE) } == 0
}

/// Is the real uid of the current task below every confined one? Then no rule confines a task without a mark, except
/// those that exec asks in addition.
#[inline(always)]
pub fn below_all_confined(task: *const u8) -> bool {
    // SAFETY: fields of the current task; null is checked.
    unsafe {
        let cred: *const u8 = field(task, &raw const OFF_TASK_CRED);
        if cred.is_null() {
            return false;
        }
        let uid: u32 = field(cred, &raw const OFF_CRED_UID);
        config(epoch()).is_some_and(|config| uid < config.lowest)
    }
}

/// Who acts. An unmarked task whose real uid is confined, and which did not keep root, is marked on the spot; when the
/// mark cannot be read, uid, login uid and cgroup decide: never "unconfined" by accident.
#[inline(always)]
pub fn current(epoch: u32) -> Subject {
    let task = current_task();
    let bare = without_storage(task);
    if bare && below_all_confined(task) { Subject::FREE } else { judged(task, bare, epoch) }
}

#[inline(always)]
fn judged(task: *const u8, bare: bool, epoch: u32) -> Subject {
    if !bare {
        // SAFETY: the task is the kernel's own pointer; the storage is checked for null.
        unsafe {
            let mark = mark_of(task, true);
            if mark.is_null() {
                count(COUNT_FALLBACK);
                if let Some(mark) = remembered() {
                    return Subject { locked: locked(mark.account), ..subject_of(&raw const mark) };
                }
                let locked = locked(login_uid());
                return Subject { confined: belongs(epoch), transport: false, locked };
            }
            let subject = subject_of(mark);
            if subject.confined {
                return Subject { locked: locked((*mark).account), ..subject };
            }
            // Only a confined task has a session: for others the place holds what was found out about them.
            let known = known_free(epoch);
            if (*mark).session == known || below_all_confined(task) {
                return Subject::FREE;
            }
            let answer = mark_if_confined(epoch);
            if answer == NOT_CONFINED {
                (*mark).session = known;
            }
            return unmarked(answer);
        }
    }
    unmarked(mark_if_confined(epoch))
}

/// The note that this real uid is not confined by the policy of this epoch.
#[inline(always)]
fn known_free(epoch: u32) -> u64 {
    1 << 63 | u64::from(epoch & 0x7fff_ffff) << 32 | u64::from(current_uid())
}

#[inline(always)]
fn unmarked(answer: u32) -> Subject {
    if answer != IS_CONFINED {
        return Subject::FREE;
    }
    Subject { locked: locked(session_account()), ..Subject::CONFINED }
}

/// The real uid is not confined.
const NOT_CONFINED: u32 = 0;
/// It is, and so is the task.
const IS_CONFINED: u32 = 1;
/// It is, but root keeps its own rights beside it: free for the moment.
const KEPT_ROOT: u32 = 2;

/// Marks the current task if its real uid is confined. Without room for the mark it is confined none the less. Rare, so
/// a program of its own.
#[inline(never)]
fn mark_if_confined(epoch: u32) -> u32 {
    if !account(current_uid(), epoch).0 {
        return NOT_CONFINED;
    }
    // Without credentials to look at, it is nobody who kept root.
    if !acts_confined(true, effective_uid().unwrap_or(u32::MAX)) {
        return KEPT_ROOT;
    }
    // SAFETY: the task is the kernel's own pointer; the storage is checked for null.
    unsafe {
        let mark = mark_of(current_task(), true);
        if mark.is_null() {
            count(COUNT_FALLBACK);
        } else if (*mark).flags & MARK_CONFINED == 0 {
            confine(mark, 0);
        }
    }
    IS_CONFINED
}

/// Who acts, and the policy to judge by; `None` for somebody the gate does not judge.
#[inline(always)]
pub fn confined() -> Option<(Subject, Policy)> {
    let task = current_task();
    let bare = without_storage(task);
    // Most tasks are like this, and pay no more.
    if bare && below_all_confined(task) {
        return None;
    }
    let policy = policy();
    let who = judged(task, bare, policy.epoch);
    if who.confined { Some((who, policy)) } else { None }
}

/// Is the current program one that policy trusts as the session's transport?
#[inline(always)]
pub fn is_transport_program(epoch: u32) -> bool {
    // SAFETY: each pointer is checked for null before it is followed.
    unsafe {
        let mm: *const u8 = field(current_task(), &raw const OFF_TASK_MM);
        if mm.is_null() {
            return false;
        }
        let exe: *const u8 = field(mm, &raw const OFF_MM_EXE_FILE);
        if exe.is_null() {
            return false;
        }
        let inode: *const u8 = field(exe, &raw const layout::OFF_FILE_INODE);
        if inode.is_null() {
            return false;
        }
        let sb: *const u8 = field(inode, &raw const layout::OFF_INODE_SB);
        if sb.is_null() {
            return false;
        }
        let key = NodeKey {
            device: field(sb, &raw const layout::OFF_SB_DEV),
            epoch,
            inode: field(inode, &raw const layout::OFF_INODE_INO),
        };
        TRANSPORTS.get(&key).is_some()
    }
}
