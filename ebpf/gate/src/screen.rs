//! What leaves on the screen: counted for every session and, over the budget, refused or held back.

use crate::layout::{LOOP_TRIES, setting};
use crate::maps::Storage;
use crate::record;
use crate::subject::{Policy, current_task, current_uid, mark_of};
use aya_ebpf::bindings::{
    BPF_ANY, BPF_F_NO_PREALLOC, BPF_NOEXIST, BPF_SK_STORAGE_GET_F_CREATE, bpf_map_type, bpf_sock,
};
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_boot_ns, bpf_sk_storage_get};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray};
use core::ptr::{null_mut, read_volatile};
use sekisho_abi::hook::Hook;
use sekisho_abi::maps::MARK_TERMINAL;
use sekisho_abi::screen::{
    Budget, Line, OVER_CUT, OVER_THROTTLE, Session, TOTAL_BYTES, TOTAL_HELD, TOTAL_UNTOLD, TOTALS, admit,
    decide_screen, mute, tell,
};
use sekisho_abi::{Reason, Subject, verdict};

/// The budget, by epoch modulo 2.
#[map]
pub static SCREEN: Array<Budget> = Array::with_max_entries(2, 0);
/// What left, by session. The daemon takes out those that ended; without it the oldest make room.
#[map]
pub static SCREEN_SESSIONS: LruHashMap<u64, Session> = LruHashMap::with_max_entries(16384, 0);
/// Until when each account's allowance is spent. Without room for another account, that account has none.
#[map]
pub static SCREEN_SPENT: HashMap<u32, u64> = HashMap::with_max_entries(16384, 0);
/// Sums that never depend on the two above.
#[map]
pub static SCREEN_TOTALS: PerCpuArray<u64> = PerCpuArray::with_max_entries(TOTALS, 0);

/// Which session a transport's socket belongs to.
#[unsafe(link_section = ".maps")]
#[unsafe(no_mangle)]
pub static SCREEN_LINES: Storage<
    Line,
    { bpf_map_type::BPF_MAP_TYPE_SK_STORAGE as usize },
    { BPF_F_NO_PREALLOC as usize },
> = Storage::new();

/// Adds to a sum.
#[inline(always)]
fn add(slot: u32, amount: u64) {
    if let Some(sum) = SCREEN_TOTALS.get_ptr_mut(slot) {
        // SAFETY: the slot is this CPU's own.
        unsafe { *sum += amount };
    }
}

/// Takes bytes out of an account's allowance, if they fit.
#[inline(always)]
pub fn spend(account: u32, now: u64, bytes: u64, bytes_per_hour: u64) -> bool {
    let mut spent = SCREEN_SPENT.get_ptr_mut(&account);
    if spent.is_none() {
        // On the stack: a constant would be one more map, and a program may have no more than 64.
        let nothing = 0;
        let _ = SCREEN_SPENT.insert(&account, &nothing, u64::from(BPF_NOEXIST));
        spent = SCREEN_SPENT.get_ptr_mut(&account);
    }
    let Some(spent) = spent else { return false };
    for _ in 0..setting(&raw const LOOP_TRIES) {
        // SAFETY: a map value, eight bytes and aligned; volatile because other CPUs change it.
        unsafe {
            let until = read_volatile(spent);
            let Some(next) = admit(until, now, bytes, bytes_per_hour) else { return false };
            if exchange(spent, until, next) == until {
                return true;
            }
        }
    }
    false
}

/// Writes `new` if `old` is still there, in one step; what was there.
///
/// # Safety
/// `at` is a map value of eight bytes.
#[inline(always)]
unsafe fn exchange(at: *mut u64, old: u64, new: u64) -> u64 {
    let was;
    // SAFETY: touches eight bytes at `at` and nothing else.
    unsafe {
        core::arch::asm!(
            "r0 = cmpxchg_64({at} + 0, r0, {new})",
            at = in(reg) at,
            new = in(reg) new,
            inout("r0") old => was,
        );
    }
    was
}

/// The entry of a session, made if need be.
#[inline(always)]
fn session(id: u64, account: u32) -> Option<*mut Session> {
    if let Some(entry) = SCREEN_SESSIONS.get_ptr_mut(&id) {
        return Some(entry);
    }
    let new = Session { account, pid: (bpf_get_current_pid_tgid() >> 32) as u32, ..Session::default() };
    let _ = SCREEN_SESSIONS.insert(&id, &new, u64::from(BPF_ANY));
    SCREEN_SESSIONS.get_ptr_mut(&id)
}

/// The transport has a terminal from now on.
pub fn note_terminal() {
    // SAFETY: the task is the kernel's own pointer; the storage is checked for null.
    unsafe {
        let mark = mark_of(current_task(), false);
        if !mark.is_null() {
            (*mark).flags |= MARK_TERMINAL;
        }
    }
}

/// The session's transport is about to send this many bytes through an internet socket.
///
/// # Safety
/// `sk` is a live socket of the kernel's.
#[inline(always)]
pub unsafe fn leaving(sk: *const u8, bytes: u64, who: Subject, policy: Policy) -> i32 {
    // SAFETY: the task is the kernel's own pointer; storages and map values are checked for null.
    unsafe {
        let mark = mark_of(current_task(), false);
        let (id, account, terminal) = if mark.is_null() {
            (0, current_uid(), false)
        } else {
            ((*mark).session, (*mark).account, (*mark).flags & MARK_TERMINAL != 0)
        };
        let budget = SCREEN.get(policy.epoch & 1).copied().unwrap_or_default();
        let now = bpf_ktime_get_boot_ns();
        let entry = session(id, account);
        // A session of which nothing is known has said everything.
        let sent = entry.map_or(u64::MAX, |entry| (*entry).bytes);
        let mute = mute(terminal, sent, bytes);
        let fits = mute || budget.over != OVER_CUT || spend(account, now, bytes, budget.bytes_per_hour);
        let answer = decide_screen(who, budget.over, fits, mute);
        let refused = verdict(answer, policy.audit) != 0;
        add(if refused { TOTAL_HELD } else { TOTAL_BYTES }, if refused { 1 } else { bytes });
        let mut told = 0;
        match entry {
            Some(entry) => {
                // One session has one transport, and that one thread.
                if refused {
                    (*entry).held += 1;
                } else {
                    (*entry).bytes += bytes;
                    (*entry).last = now;
                }
                told = (*entry).told;
                if answer != Reason::Allowed && tell(told, now) {
                    (*entry).told = now;
                }
            }
            None if !refused => add(TOTAL_UNTOLD, bytes),
            None => {}
        }
        if budget.over == OVER_THROTTLE {
            let create = u64::from(BPF_SK_STORAGE_GET_F_CREATE);
            let line = bpf_sk_storage_get(SCREEN_LINES.as_ptr(), sk.cast_mut().cast(), null_mut(), create)
                .cast::<Line>();
            if !line.is_null() {
                (*line).session = id;
                (*line).account = account;
            }
        }
        if answer != Reason::Allowed && tell(told, now) {
            return record::number(Hook::SocketSendmsg, answer, policy, bytes);
        }
        verdict(answer, policy.audit)
    }
}

/// The session a socket is the line of, if any.
///
/// # Safety
/// `sk` is a socket the kernel gave to a program that looks at packets.
#[inline(always)]
pub unsafe fn line_of(sk: *mut bpf_sock) -> Option<Line> {
    // SAFETY: the storage is checked for null.
    unsafe {
        let line = bpf_sk_storage_get(SCREEN_LINES.as_ptr(), sk.cast(), null_mut(), 0).cast::<Line>();
        if line.is_null() { None } else { Some(*line) }
    }
}

/// The pace, when the budget in force slows down.
#[inline(always)]
pub fn throttled(policy: Policy) -> Option<u64> {
    match SCREEN.get(policy.epoch & 1) {
        Some(budget) if budget.over == OVER_THROTTLE => Some(budget.bytes_per_hour),
        _ => None,
    }
}

/// Does a packet fit into the allowance of its line's account?
#[inline(always)]
pub fn goes(line: Line, bytes: u64, bytes_per_hour: u64) -> bool {
    // SAFETY: the helper has no preconditions.
    spend(line.account, unsafe { bpf_ktime_get_boot_ns() }, bytes, bytes_per_hour)
}

/// Counts a packet held back; says whether it is time to record that.
#[inline(always)]
pub fn held_back(line: Line) -> bool {
    add(TOTAL_HELD, 1);
    let Some(entry) = SCREEN_SESSIONS.get_ptr_mut(&line.session) else { return false };
    // SAFETY: a map value. Two packets of one session at once may count as one.
    unsafe {
        let now = bpf_ktime_get_boot_ns();
        (*entry).held += 1;
        let told = (*entry).told;
        let due = tell(told, now);
        if due {
            (*entry).told = now;
        }
        due
    }
}
