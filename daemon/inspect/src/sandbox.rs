//! What this process may still do: read and write descriptors it was given, use memory and time within bounds.
//!
//! Landlock takes away every path and TCP, seccomp every system call that is not listed (the process is killed),
//! rlimits bound memory, time, descriptors and files. Everything is set before a byte of the file is read. Threads that
//! help are started in between: behind Landlock, before processes are counted, each putting itself under the same filter
//! before anything else. Afterwards none can be added.

use anyhow::{Context, Result};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus,
};
use nix::sys::resource::{Resource, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use sekisho_inspect::crew::{self, Crew};
use sekisho_policy::schema::Limits;
use std::collections::BTreeMap;

/// Enters the sandbox, with the threads that may help.
pub fn enter() -> Result<Crew> {
    let hands = crew::useful();
    one_arena();
    nix::sys::prctl::set_no_new_privs().context("no_new_privs")?;
    nix::sys::prctl::set_dumpable(false).context("dumpable")?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).context("core")?;
    setrlimit(Resource::RLIMIT_NOFILE, 16, 16).context("nofile")?;
    landlock()?;
    let crew = Crew::start(hands, seccomp).context("threads")?;
    setrlimit(Resource::RLIMIT_NPROC, 0, 0).context("nproc")?;
    seccomp()?;
    Ok(crew)
}

/// Threads share one heap: address space is bounded, and every further heap would reserve a part of it.
fn one_arena() {
    #[cfg(target_env = "gnu")]
    // SAFETY: changes a number that the allocator reads; nothing else runs yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Narrows memory, time and output to the policy's limits.
pub fn bound(limits: &Limits) -> Result<()> {
    let memory = limits.inspect_memory_bytes.max(64 << 20);
    setrlimit(Resource::RLIMIT_AS, memory, memory).context("as")?;
    let seconds = limits.inspect_seconds.max(1);
    setrlimit(Resource::RLIMIT_CPU, seconds, seconds).context("cpu")?;
    setrlimit(Resource::RLIMIT_FSIZE, limits.file_bytes, limits.file_bytes).context("fsize")
}

fn landlock() -> Result<()> {
    let abi = ABI::V5;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|r| r.handle_access(AccessNet::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .context("landlock")?;
    // A kernel without Landlock: seccomp below still refuses every call that takes a path or makes a socket.
    let _ = status.ruleset == RulesetStatus::NotEnforced;
    Ok(())
}

fn seccomp() -> Result<()> {
    let allowed = [
        libc::SYS_read,
        libc::SYS_pread64,
        libc::SYS_readv,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_lseek,
        libc::SYS_ftruncate,
        libc::SYS_recvmsg,
        libc::SYS_recvfrom,
        libc::SYS_sendto,
        libc::SYS_sendmsg,
        libc::SYS_fstat,
        // File::metadata; a path that is not empty meets Landlock.
        libc::SYS_statx,
        libc::SYS_fcntl,
        libc::SYS_close,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_getrandom,
        libc::SYS_clock_gettime,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_prlimit64,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_tgkill,
        libc::SYS_restart_syscall,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];
    let rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>> =
        allowed.iter().map(|n| (*n, Vec::new())).collect();
    let arch = std::env::consts::ARCH.try_into().context("architecture")?;
    let filter = SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)
        .context("seccomp filter")?;
    let program: BpfProgram = filter.try_into().context("seccomp program")?;
    seccompiler::apply_filter(&program).context("seccomp")
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    /// Names the act that a process started by the test performs inside the sandbox.
    const ACT: &str = "SEKISHO_TEST_SANDBOX_ACT";
    const TEST: &str = "sandbox::tests::inside_the_sandbox_paths_sockets_and_programs_are_out_of_reach";

    /// Runs the test below in a process of its own, which performs one act and may die of it.
    fn child(act: &str) -> std::process::ExitStatus {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--test-threads=1", "--nocapture"])
            .env(ACT, act)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap()
    }

    /// What the process does; only reading what it was given lets it live.
    fn perform(act: &str) {
        let mut file = std::fs::File::open("/etc/passwd").unwrap();
        let crew = super::enter().unwrap();
        match act {
            // Whoever waits for work takes it; this thread would take it only to wait for it.
            "open a path on another thread" => {
                let opened = crew.give(|| std::fs::File::open("/etc/passwd").is_ok());
                std::thread::sleep(std::time::Duration::from_millis(200));
                crew.take(&opened);
            }
            "start a thread" => drop(std::thread::spawn(|| ())),
            "open a path" => drop(std::fs::File::open("/etc/passwd")),
            "make a socket" => drop(std::net::UdpSocket::bind("127.0.0.1:0")),
            "run a program" => drop(Command::new("/bin/true").status()),
            _ => {
                super::bound(&sekisho_policy::schema::Limits::default()).unwrap();
                let mut text = String::new();
                std::io::Read::read_to_string(&mut file, &mut text).unwrap();
                assert!(!text.is_empty());
            }
        }
        // The harness would now start another thread's clean-up; what counts has been shown.
        std::process::exit(0);
    }

    #[test]
    fn inside_the_sandbox_paths_sockets_and_programs_are_out_of_reach() {
        if let Ok(act) = std::env::var(ACT) {
            perform(&act);
        }
        for forbidden in [
            "open a path",
            "make a socket",
            "run a program",
            "start a thread",
            "open a path on another thread",
        ] {
            assert_eq!(child(forbidden).signal(), Some(libc::SIGSYS), "{forbidden}");
        }
        assert!(child("read what it was given").success());
    }
}
