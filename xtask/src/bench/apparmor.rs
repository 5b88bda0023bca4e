//! AppArmor, to compare with: a profile that allows what the gate's policy allows, and the program that compiles it.

use crate::{cache, kernel, process};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The profile's name.
pub(crate) const PROFILE_NAME: &str = "sekisho-bench";

/// Reading and executing everywhere, writing in the workspaces and to harmless devices, loopback.
pub(crate) const PROFILE: &str = "\
profile sekisho-bench flags=(attach_disconnected) {
  / r,
  /** rmix,
  /{tmp,var/tmp,dev/shm,home/researcher}/ rw,
  /{tmp,var/tmp,dev/shm,home/researcher}/** rwkl,
  /dev/{null,zero,full,random,urandom,tty,ptmx} rw,
  /dev/pts/* rw,
  /proc/*/** rw,
  network inet stream,
  network inet dgram,
  network inet6 stream,
  network inet6 dgram,
  network unix,
  network netlink raw,
  signal,
}
";

/// `apparmor_parser` of the lab's Debian, fetched unless the cache has it. It is brought along and not part of the
/// lab's image: nothing else needs it.
pub(crate) fn parser() -> Result<PathBuf> {
    let directory = cache::made("tools/apparmor-bookworm", "AppArmor's compiler", |place| {
        fs::create_dir_all(place)?;
        {
            let _lock = cache::lock("apt-lists")?;
            process::quietly(kernel::apt("apt-get")?.arg("update"))?;
            process::quietly(
                kernel::apt("apt-get")?.current_dir(place).args(["download", "apparmor/bookworm"]),
            )?;
        }
        let package = fs::read_dir(place)?.next().context("apt-get downloaded nothing")??.path();
        process::quietly(Command::new("dpkg").arg("-x").arg(&package).arg(place.join("tree")))?;
        fs::rename(place.join("tree/sbin/apparmor_parser"), place.join("apparmor_parser"))?;
        fs::remove_dir_all(place.join("tree"))?;
        fs::remove_file(package)?;
        Ok(())
    })?;
    Ok(directory.join("apparmor_parser"))
}
