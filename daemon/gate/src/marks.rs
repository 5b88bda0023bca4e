//! Marks for the processes that were there before the gate.

use crate::bpf::{get_mark, iterate, pidfd, set_mark};
use crate::node::kernel_device;
use crate::tables::Tables;
use sekisho_abi::maps::{MARK_CONFINED, MARK_TERMINAL, MARK_TRANSPORT, Mark, THREAD_FAILED};
use sekisho_abi::process::{Identity, becomes_confined};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

/// What `/proc` says about a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Process {
    uid: u32,
    login: u32,
    cgroup: String,
    exe: Option<(u32, u64)>,
    terminal: bool,
}

/// Marks the first thread of every running process that policy confines. Returns how many were newly marked.
fn mark_existing(map: BorrowedFd<'_>, tables: &Tables, cgroups: &[String]) -> usize {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|&pid| mark_one(map, tables, cgroups, pid).unwrap_or(false)).count()
}

/// Gives the mark of each process to all of its threads. `/proc` and a process descriptor reach only the first thread
/// (others only since linux 6.9), so the kernel does it, in one run over every task.
#[derive(Debug)]
pub struct Threads {
    link: OwnedFd,
}

impl Threads {
    /// Around a link on the kernel's program.
    pub fn new(link: OwnedFd) -> Self {
        Self { link }
    }

    /// Runs it once. Returns how many threads were newly marked.
    ///
    /// # Errors
    /// The system call's, or when a thread's mark could not be written.
    pub fn mark(&self) -> io::Result<usize> {
        let mut said = Vec::new();
        File::from(iterate(self.link.as_fd())?).read_to_end(&mut said)?;
        if said.contains(&THREAD_FAILED) {
            return Err(io::Error::other("a thread could not be marked"));
        }
        Ok(said.len())
    }
}

/// Most rounds over all processes: each finds what began during the one before, so one round finds nothing.
const ROUNDS: usize = 10;

/// Marks every running process that policy confines, and all their threads. Returns how many were newly marked.
pub fn mark_all(map: BorrowedFd<'_>, threads: &Threads, tables: &Tables, cgroups: &[String]) -> usize {
    let mut all = 0;
    for _ in 0..ROUNDS {
        let processes = mark_existing(map, tables, cgroups);
        let more = threads.mark().unwrap_or_else(|error| {
            tracing::error!(%error, "threads of running processes could not be marked");
            0
        });
        all += processes + more;
        if processes + more == 0 {
            break;
        }
    }
    all
}

fn mark_one(map: BorrowedFd<'_>, tables: &Tables, cgroups: &[String], pid: u32) -> Option<bool> {
    // The handle first: what is read afterwards is about this process or fails.
    let handle = pidfd(pid).ok()?;
    let process = read(pid)?;
    let flags = flags(&process, tables, cgroups);
    if flags == 0 {
        return Some(false);
    }
    let present = get_mark(map, handle.as_fd()).ok().flatten().is_some_and(|m| m.flags & MARK_CONFINED != 0);
    if present {
        return Some(false);
    }
    let account = if process.login == u32::MAX { process.uid } else { process.login };
    let session = if flags & MARK_TRANSPORT == 0 { 0 } else { since_boot() };
    match set_mark(map, handle.as_fd(), Mark { flags, account, session }) {
        Ok(()) => Some(true),
        Err(error) => {
            tracing::error!(pid, %error, "a running process could not be marked");
            Some(false)
        }
    }
}

/// Nanoseconds since boot: what tells sessions apart.
pub fn since_boot() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .ok()
        .and_then(|t| u64::try_from(t.tv_sec() * 1_000_000_000 + t.tv_nsec()).ok())
        .unwrap_or(0)
}

fn read(pid: u32) -> Option<Process> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let uid = status.lines().find_map(|l| l.strip_prefix("Uid:"))?.split_whitespace().next()?.parse().ok()?;
    let login = fs::read_to_string(format!("/proc/{pid}/loginuid")).ok().and_then(|s| s.trim().parse().ok());
    let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let cgroup = cgroup.lines().find_map(|l| l.strip_prefix("0::")).unwrap_or_default().to_owned();
    let exe =
        fs::metadata(format!("/proc/{pid}/exe")).ok().and_then(|m| Some((kernel_device(m.dev())?, m.ino())));
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let terminal = descriptors.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|to| to.ends_with("ptmx"));
    Some(Process { uid, login: login.unwrap_or(u32::MAX), cgroup, exe, terminal })
}

/// Is an account confined, is it exempt? As the kernel programs judge it.
fn account(tables: &Tables, uid: u32) -> (bool, bool) {
    let exempt = tables.exempt.contains(&uid);
    let ranges = tables.config.ranges.iter().take(tables.config.ranges_used as usize);
    let confined =
        tables.confined.contains(&uid) || ranges.clone().any(|r| (r.first..=r.last).contains(&uid));
    (confined && !exempt, exempt)
}

/// The mark a process found at the start gets; 0 for none.
fn flags(process: &Process, tables: &Tables, cgroups: &[String]) -> u32 {
    let (uid, uid_exempt) = account(tables, process.uid);
    let has_login = process.login != u32::MAX;
    let (login, login_exempt) = if has_login { account(tables, process.login) } else { (false, false) };
    let transport = process.exe.is_some_and(|exe| tables.transports.contains(&exe));
    let within = |path: &String| {
        let path = path.trim_matches('/');
        let own = process.cgroup.trim_matches('/');
        own == path || own.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
    };
    let cgroup = cgroups.iter().any(within);
    let confined = becomes_confined(Identity { uid, uid_exempt, has_login, login, login_exempt, cgroup });
    match (confined, transport) {
        (false, _) => 0,
        // sshd's monitor: root, in the session, and not yet anybody.
        (true, true) if !uid => 0,
        (true, true) if process.terminal => MARK_CONFINED | MARK_TRANSPORT | MARK_TERMINAL,
        (true, true) => MARK_CONFINED | MARK_TRANSPORT,
        (true, false) => MARK_CONFINED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_abi::maps::UidRange;

    fn tables() -> Tables {
        let mut tables = Tables { exempt: vec![0, 1002], transports: vec![(7, 9)], ..Tables::default() };
        tables.config.ranges[0] = UidRange { first: 1000, last: 59999 };
        tables.config.ranges_used = 1;
        tables
    }

    fn process(uid: u32, login: u32, cgroup: &str) -> Process {
        Process { uid, login, cgroup: cgroup.into(), exe: None, terminal: false }
    }

    const SESSION: &str = "/user.slice/user-1001.slice/session-3.scope";

    #[test]
    fn a_researcher_and_the_root_shell_behind_sudo_are_marked() {
        let cgroups = ["user.slice".to_owned()];
        assert_eq!(flags(&process(1001, 1001, SESSION), &tables(), &cgroups), MARK_CONFINED);
        assert_eq!(flags(&process(0, 1001, SESSION), &tables(), &cgroups), MARK_CONFINED);
        assert_eq!(
            flags(&process(0, u32::MAX, SESSION), &Tables { exempt: vec![], ..tables() }, &cgroups),
            MARK_CONFINED
        );
    }

    #[test]
    fn officers_root_and_services_are_not() {
        let cgroups = ["user.slice".to_owned()];
        assert_eq!(flags(&process(1002, 1002, SESSION), &tables(), &cgroups), 0);
        assert_eq!(flags(&process(0, 0, SESSION), &tables(), &cgroups), 0);
        assert_eq!(flags(&process(105, u32::MAX, "/system.slice/ssh.service"), &tables(), &cgroups), 0);
        assert_eq!(
            flags(&process(0, u32::MAX, "/user.slices/x"), &Tables { exempt: vec![], ..tables() }, &cgroups),
            0
        );
    }

    #[test]
    fn sshd_keeps_its_role_as_the_user_and_its_freedom_as_the_monitor() {
        let exe = Some((7, 9));
        let user = Process { exe, ..process(1001, 1001, SESSION) };
        let monitor = Process { exe, ..process(0, 1001, SESSION) };
        assert_eq!(flags(&user, &tables(), &[]), MARK_CONFINED | MARK_TRANSPORT);
        let watched = Process { terminal: true, ..user };
        assert_eq!(flags(&watched, &tables(), &[]), MARK_CONFINED | MARK_TRANSPORT | MARK_TERMINAL);
        assert_eq!(flags(&monitor, &tables(), &[]), 0);
    }
}
