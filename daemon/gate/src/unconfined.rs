//! Who is not confined: recorded when a policy comes into force, shown by `sekisho doctor`.

use crate::bpf::{get_mark, pidfd};
use sekisho_abi::maps::MARK_CONFINED;
use sekisho_policy::schema::Gate;
use sekisho_wire::gate::{Exempt, Unconfined};
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};

/// Most programs that are listed.
const LISTED: usize = 200;

/// Accounts that policy exempts and that exist.
pub fn exempt(gate: &Gate) -> Vec<Exempt> {
    let found = gate.subjects.exempt_users.iter().filter_map(|name| {
        let user = nix::unistd::User::from_name(name).ok().flatten()?;
        Some(Exempt { name: name.clone(), uid: user.uid.as_raw() })
    });
    found.collect()
}

/// Running programs without a mark, by cgroup, program and account. Kernel threads have no program.
pub fn running(tasks: BorrowedFd<'_>) -> Vec<Unconfined> {
    let mut found: BTreeMap<(String, String, u32), (u32, u32)> = BTreeMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        let Some(key) = look(tasks, pid) else { continue };
        let (_, count) = found.entry(key).or_insert((pid, 0));
        *count += 1;
    }
    let rows = found.into_iter().map(|((cgroup, exe, uid), (pid, processes))| Unconfined {
        cgroup,
        exe,
        uid,
        pid,
        processes,
    });
    rows.take(LISTED).collect()
}

fn look(tasks: BorrowedFd<'_>, pid: u32) -> Option<(String, String, u32)> {
    let handle = pidfd(pid).ok()?;
    let exe = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let marked = get_mark(tasks, handle.as_fd()).ok()?.is_some_and(|m| m.flags & MARK_CONFINED != 0);
    if marked {
        return None;
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let uid = status.lines().find_map(|l| l.strip_prefix("Uid:"))?.split_whitespace().next()?.parse().ok()?;
    let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let cgroup = cgroup.lines().find_map(|l| l.strip_prefix("0::")).unwrap_or_default();
    // A program's path may hold anything.
    let shown = |text: &str| text.replace(char::is_control, " ");
    Some((shown(cgroup), shown(&exe.to_string_lossy()), uid))
}
