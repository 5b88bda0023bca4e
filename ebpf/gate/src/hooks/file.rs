//! Opening files, and every use of a descriptor.

use crate::layout::{OFF_FILE_DENTRY, OFF_FILE_MODE, OFF_PATH_DENTRY, OFF_SOCKET_SK, field};
use crate::record;
use crate::screen::note_terminal;
use crate::socket::judge_use;
use crate::subject::{Policy, confined};
use crate::terminal::note_opened;
use crate::zone::{place_of, place_of_file, place_of_opened};
use aya_ebpf::helpers::bpf_sock_from_file;
use core::ptr::null;
use sekisho_abi::file::{Act, Place, decide, decide_control};
use sekisho_abi::hook::Hook;
use sekisho_abi::screen::gives_terminal;
use sekisho_abi::{Reason, Subject};

const FMODE_WRITE: u32 = 2;
/// Unlocks a pseudo terminal's slave; opens it.
const TIOCSPTLCK: u32 = 0x4004_5431;
const TIOCGPTPEER: u32 = 0x5441;
const MAY_WRITE: u32 = 2;
const MAY_APPEND: u32 = 8;

hook!(file_open, ctx, {
    let file: *const u8 = ctx.arg(0);
    let Some((who, policy)) = confined() else { return 0 };
    if file.is_null() {
        return 0;
    }
    // SAFETY: a live file; null is checked.
    unsafe {
        let dentry: *const u8 = field(file, &raw const OFF_FILE_DENTRY);
        if dentry.is_null() {
            return record::file(Hook::FileOpen, Reason::Unresolved, policy, dentry);
        }
        let mode: u32 = field(file, &raw const OFF_FILE_MODE);
        let act = if mode & FMODE_WRITE != 0 { Act::Write } else { Act::Read };
        record::file(
            Hook::FileOpen,
            decide(who, act, place_of_opened(file, dentry, act, policy.epoch)),
            policy,
            dentry,
        )
    }
});

hook!(file_permission, ctx, {
    let file: *const u8 = ctx.arg(0);
    let mask: u32 = ctx.arg(1);
    if mask & (MAY_WRITE | MAY_APPEND) == 0 || file.is_null() {
        return 0;
    }
    let Some((who, policy)) = confined() else { return 0 };
    // SAFETY: a live file; null is checked.
    unsafe { through(Hook::FilePermission, file, Act::Write, who, policy) }
});

// What arrives from another process is judged like what is opened: it could be written through at once.
hook!(file_receive, ctx, {
    let file: *const u8 = ctx.arg(0);
    let Some((who, policy)) = confined() else { return 0 };
    if file.is_null() {
        return 0;
    }
    // SAFETY: a live file; null is checked.
    unsafe {
        let mode: u32 = field(file, &raw const OFF_FILE_MODE);
        let act = if mode & FMODE_WRITE != 0 { Act::Write } else { Act::Read };
        through(Hook::FileReceive, file, act, who, policy)
    }
});

// Cutting is writing: the size is payload.
hook!(file_truncate, ctx, {
    let file: *const u8 = ctx.arg(0);
    let Some((who, policy)) = confined() else { return 0 };
    if file.is_null() {
        return 0;
    }
    // SAFETY: a live file; null is checked.
    unsafe { through(Hook::FileTruncate, file, Act::Write, who, policy) }
});

hook!(path_truncate, ctx, {
    let path: *const u8 = ctx.arg(0);
    let Some((who, policy)) = confined() else { return 0 };
    // SAFETY: a live path; nulls are checked.
    unsafe {
        let dentry: *const u8 = if path.is_null() { null() } else { field(path, &raw const OFF_PATH_DENTRY) };
        if dentry.is_null() {
            return record::file(Hook::PathTruncate, Reason::Unresolved, policy, dentry);
        }
        let answer = decide(who, Act::Write, place_of(dentry, policy.epoch));
        record::file(Hook::PathTruncate, answer, policy, dentry)
    }
});

/// What is done through a descriptor, wherever it came from.
#[inline(always)]
unsafe fn through(hook: Hook, file: *const u8, act: Act, who: Subject, policy: Policy) -> i32 {
    unsafe {
        let dentry: *const u8 = field(file, &raw const OFF_FILE_DENTRY);
        if dentry.is_null() {
            return record::file(hook, Reason::Unresolved, policy, dentry);
        }
        let place = place_of_file(file, dentry, policy.epoch);
        // On linux 6.1 sendfile and splice into a socket pass here and nowhere else.
        let answer = if matches!(place, Place::Socket) {
            through_socket(file, who, policy)
        } else {
            decide(who, act, place)
        };
        record::file(hook, answer, policy, dentry)
    }
}

#[inline(always)]
unsafe fn through_socket(file: *const u8, who: Subject, policy: Policy) -> Reason {
    unsafe {
        let socket = bpf_sock_from_file(file.cast_mut().cast()) as *const u8;
        if socket.is_null() {
            return Reason::InheritedSocket;
        }
        let sk: *const u8 = field(socket, &raw const OFF_SOCKET_SK);
        if sk.is_null() {
            return Reason::InheritedSocket;
        }
        judge_use(sk, who, policy)
    }
}

hook!(file_ioctl, ctx, {
    // SAFETY: arguments of the hook.
    unsafe { control(Hook::FileIoctl, ctx.arg(0), ctx.arg(1)) }
});

hook!(file_ioctl_compat, ctx, {
    // SAFETY: arguments of the hook.
    unsafe { control(Hook::FileIoctlCompat, ctx.arg(0), ctx.arg(1)) }
});

#[inline(always)]
unsafe fn control(hook: Hook, file: *const u8, command: u32) -> i32 {
    if file.is_null() {
        return 0;
    }
    let subject = confined();
    // For everybody: a terminal somebody unconfined opens is not the confined one of the same number before it.
    if command == TIOCSPTLCK || command == TIOCGPTPEER {
        unsafe { note_opened(file, subject.is_some()) };
    }
    let Some((who, policy)) = subject else { return 0 };
    unsafe {
        let dentry: *const u8 = field(file, &raw const OFF_FILE_DENTRY);
        if dentry.is_null() {
            return record::file(hook, Reason::Unresolved, policy, dentry);
        }
        let place = place_of_file(file, dentry, policy.epoch);
        if gives_terminal(who, command, place) {
            note_terminal();
        }
        record::file(hook, decide_control(who, command, place), policy, dentry)
    }
}
