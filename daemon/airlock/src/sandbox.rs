//! What the airlock gives up before its first thread starts, on top of its systemd unit.
//!
//! After this it can list and clear the spool but not read or write a user's file in it, write only its database
//! and sockets, and reach no network but the loopback port of its metrics.

use crate::options::Options;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
};
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
    nix::sys::prctl::set_dumpable(false)?;
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

fn parent(path: &Path) -> PathBuf {
    path.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned)
}
