//! What this process may still do: its own directories, the spool for reading, unix sockets, nothing else.

use crate::RunArgs;
use anyhow::{Context, Result};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;
use std::path::Path;

/// Enters the sandbox. Call before any thread starts.
pub fn enter(args: &RunArgs, checkpoint_drop: Option<&str>) -> Result<()> {
    nix::sys::prctl::set_no_new_privs().context("no_new_privs")?;
    nix::sys::prctl::set_dumpable(false).context("dumpable")?;
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0).context("core")?;
    std::fs::create_dir_all(&args.state).with_context(|| args.state.display().to_string())?;
    landlock(args, checkpoint_drop).context("landlock")?;
    seccomp().context("seccomp")
}

fn landlock(args: &RunArgs, checkpoint_drop: Option<&str>) -> Result<()> {
    let abi = ABI::V5;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .create()?;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let policy_home = args.policy.parent().unwrap_or(Path::new("/"));
    // /etc, /usr, /lib…: account and time zone look-ups.
    let look = ["/etc", "/usr", "/lib", "/lib64", "/var/lib/sss", "/run/systemd/userdb"].map(Path::new);
    // The directory, not the file: each heartbeat is a new one.
    let gate = args.heartbeat.parent().unwrap_or(Path::new("/run"));
    for path in look.into_iter().chain([args.spool.as_path(), policy_home, args.policy_dir.as_path(), gate]) {
        rules = allow(rules, path, read)?;
    }
    let drop = checkpoint_drop.map(Path::new);
    for path in [args.state.as_path(), args.release.as_path()].into_iter().chain(drop) {
        rules = allow(rules, path, AccessFs::from_all(abi))?;
    }
    if rules.restrict_self()?.ruleset == RulesetStatus::NotEnforced {
        tracing::warn!("this kernel has no Landlock; the unit's own sandbox remains");
    }
    Ok(())
}

fn allow(rules: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated> {
    match PathFd::new(path) {
        Ok(fd) => Ok(rules.add_rule(PathBeneath::new(fd, access))?),
        // What is not there cannot be needed.
        Err(_) if !path.exists() => Ok(rules),
        Err(e) => Err(e).with_context(|| path.display().to_string()),
    }
}

/// Refuses what a notary never needs: programs, other processes, sockets other than unix ones, the kernel's machinery.
fn seccomp() -> Result<()> {
    let never = [
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_keyctl,
    ];
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = never.iter().map(|n| (*n, Vec::new())).collect();
    let unix = u64::try_from(libc::AF_UNIX)?;
    let not_unix = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, unix)?;
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(vec![not_unix])?]);
    let refuse = SeccompAction::Errno(u32::try_from(libc::EPERM)?);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, std::env::consts::ARCH.try_into()?)?;
    let program: BpfProgram = filter.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}
