//! What the airlock gives up before its first thread starts, on top of its systemd unit.
//!
//! After this it can list and clear the spool but not read or write a user's file in it, write only its database
//! and sockets, and reach no network but the loopback port of its metrics.

use crate::options::Options;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Why the sandbox could not be closed.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Landlock refused.
    #[error("landlock: {0}")]
    Landlock(#[from] landlock::RulesetError),
    /// A directory the airlock needs is not there.
    #[error("{path}: {source}")]
    Path {
        /// Which.
        path: PathBuf,
        /// Why.
        source: landlock::PathFdError,
    },
    /// The kernel has no Landlock at all.
    #[error("the kernel enforces no Landlock rules\nhint: boot with lsm=...,landlock,...")]
    NotEnforced,
    /// Seccomp refused.
    #[error("seccomp: {0}")]
    Seccomp(#[from] seccompiler::Error),
    /// The filter could not be built.
    #[error("seccomp: {0}")]
    Filter(#[from] seccompiler::BackendError),
    /// A system call failed.
    #[error("{0}")]
    System(#[from] nix::errno::Errno),
}

const TARGET: ABI = ABI::V5;

/// Closes it.
///
/// # Errors
/// See [`SandboxError`]; the caller must not go on.
pub fn close(options: &Options) -> Result<(), SandboxError> {
    nix::sys::prctl::set_no_new_privs()?;
    nix::sys::prctl::set_dumpable(false)?;
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0)?;
    restrict_files(options)?;
    refuse_calls(options)
}

fn restrict_files(options: &Options) -> Result<(), SandboxError> {
    let write = AccessFs::from_all(TARGET);
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let run = read | AccessFs::Execute;
    // Renaming needs the right to make what is renamed; reading and writing content is not among these.
    let tidy = AccessFs::ReadDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::MakeSym
        | AccessFs::MakeSock
        | AccessFs::MakeFifo
        | AccessFs::MakeChar
        | AccessFs::MakeBlock;
    let mut rules: Vec<(PathBuf, BitFlags<AccessFs>)> = vec![
        (options.spool.clone(), tidy),
        (options.state.clone(), write ^ AccessFs::Execute),
        (parent(&options.socket), AccessFs::MakeSock | AccessFs::RemoveFile | read),
        (parent(&options.policy), read),
        (options.policy_dir.clone(), read),
        // Account names and the time zone.
        ("/etc".into(), read),
        ("/usr/share/zoneinfo".into(), read),
        ("/run/systemd/userdb".into(), read),
        ("/var/lib/sss".into(), read),
        ("/dev/urandom".into(), AccessFs::ReadFile.into()),
        ("/proc/self".into(), read),
    ];
    for libraries in ["/usr/lib", "/usr/lib64", "/lib", "/lib64"] {
        rules.push((libraries.into(), run));
    }
    if let Some(program) = &options.inspect_program {
        rules.push((program.clone(), AccessFs::ReadFile | AccessFs::Execute));
        rules.push(("/dev/null".into(), AccessFs::ReadFile | AccessFs::WriteFile));
        rules.push(("/usr".into(), run));
        rules.push(("/proc".into(), read));
    }
    let mut ports = Vec::new();
    match options.metrics.as_deref().map(|m| m.strip_prefix("unix:").ok_or(m)) {
        Some(Ok(path)) => rules.push((parent(Path::new(path)), AccessFs::MakeSock | AccessFs::RemoveFile)),
        Some(Err(tcp)) => ports.extend(tcp.parse::<std::net::SocketAddr>().ok().map(|a| a.port())),
        None => {}
    }
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(write)?
        .handle_access(AccessNet::from_all(TARGET))?
        .create()?;
    for (path, access) in rules {
        let fd = match PathFd::new(&path) {
            Ok(fd) => fd,
            // What is not there needs no right; what is needed fails by name when it is used.
            Err(_) if !path.exists() => continue,
            Err(source) => return Err(SandboxError::Path { path, source }),
        };
        let allowed = if path.is_dir() { access } else { access & AccessFs::from_file(TARGET) };
        ruleset = ruleset.add_rule(PathBeneath::new(fd, allowed))?;
    }
    for port in ports {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
    }
    match ruleset.restrict_self()?.ruleset {
        RulesetStatus::NotEnforced => Err(SandboxError::NotEnforced),
        _ => Ok(()),
    }
}

/// Refuses what a queue keeper never needs: other programs, other processes, the network, the kernel's machinery.
fn refuse_calls(options: &Options) -> Result<(), SandboxError> {
    let mut never = vec![
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
    if options.inspect_program.is_none() {
        never.extend([libc::SYS_execve, libc::SYS_execveat]);
    }
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = never.into_iter().map(|n| (n, Vec::new())).collect();
    if options.metrics.as_deref().is_none_or(|m| m.starts_with("unix:")) {
        let not_unix =
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, libc::AF_UNIX as u64)?;
        rules.insert(libc::SYS_socket, vec![SeccompRule::new(vec![not_unix])?]);
    }
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let machine = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, machine)?;
    let program: BpfProgram = filter.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}

fn parent(path: &Path) -> PathBuf {
    path.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned)
}
