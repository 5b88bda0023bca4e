//! Becoming the subject to be measured.

use anyhow::{Context as _, Result, ensure};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus,
};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use std::fs;

/// Where the lab's policy lets confined processes work.
const WORKSPACES: [&str; 4] = ["/tmp", "/var/tmp", "/dev/shm", "/home/researcher"];
/// Devices anybody may write to.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];
/// The loopback port that is connected to.
pub(crate) const TCP_PORT: u16 = 47_011;
/// The loopback port that is sent to; the policy of the run lists it.
pub(crate) const UDP_PORT: u16 = 47_010;

/// Account first, confinement last: as a service manager would do it.
pub(crate) fn become_it(uid: Option<u32>, landlock: bool, apparmor: Option<&str>) -> Result<()> {
    if let Some(uid) = uid {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(uid));
        setgroups(&[gid])?;
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid).context("becoming another account")?;
    }
    if landlock {
        restrict()?;
    }
    if let Some(profile) = apparmor {
        fs::write("/proc/self/attr/apparmor/current", format!("changeprofile {profile}"))
            .with_context(|| format!("changing to the AppArmor profile {profile}"))?;
        let now = fs::read_to_string("/proc/self/attr/apparmor/current")?;
        ensure!(now.trim() == format!("{profile} (enforce)"), "AppArmor says {now:?}");
    }
    Ok(())
}

/// Reading everywhere, writing in the workspaces and to harmless devices, TCP on one port.
fn restrict() -> Result<()> {
    let abi = ABI::V5;
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .create()?
        .add_rule(PathBeneath::new(PathFd::new("/")?, AccessFs::from_read(abi)))?
        .add_rule(NetPort::new(TCP_PORT, AccessNet::from_all(abi)))?;
    for place in WORKSPACES {
        ruleset = ruleset.add_rule(PathBeneath::new(PathFd::new(place)?, AccessFs::from_all(abi)))?;
    }
    for device in DEVICES {
        let access = AccessFs::from_file(abi);
        ruleset = ruleset.add_rule(PathBeneath::new(PathFd::new(device)?, access))?;
    }
    let status = ruleset.restrict_self()?;
    ensure!(status.ruleset != RulesetStatus::NotEnforced, "this kernel has no Landlock");
    Ok(())
}
