//! The lab's Debian 12: made once from packages, then only ever booted from throw-away overlays.
//!
//! The image holds the operating system, two people (researcher, officer) and their tools, but nothing of the
//! product: that is unpacked at each boot from its own disk (`product.rs`), so a rebuilt binary costs no new image.

use crate::{cache, process};
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What every image is made of; lines that begin with `#` are comments.
const PACKAGES: &str = include_str!("../lab/packages.txt");
/// What `work` has in addition.
const PACKAGES_WORK: &str = include_str!("../lab/packages-work.txt");
/// Configures the unpacked tree; runs inside it.
const CUSTOMIZE: &str = include_str!("../lab/customize.sh");
/// Goes on where that ends, in `work`.
const CUSTOMIZE_WORK: &str = include_str!("../lab/customize-work.sh");
/// Brings the network up with a fixed address.
const NETWORK_UNIT: &str = include_str!("../lab/sekisho-lab-network.service");
/// Starts the lab's hand in the guest.
const GUEST_UNIT: &str = include_str!("../lab/sekisho-lab.service");
/// Room in the image; sparse, so only what is used is stored.
const MEBIBYTES: u64 = 4096;

/// Which image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sort {
    /// What every test needs, and no more: boots quickest.
    Base,
    /// The base and the tools of ordinary work: compilers, R, notebooks, OpenMPI, cron and the like.
    Work,
}

impl Sort {
    /// The packages, separated by commas.
    fn packages(self) -> String {
        let lists = match self {
            Self::Base => vec![PACKAGES],
            Self::Work => vec![PACKAGES, PACKAGES_WORK],
        };
        let lines = lists.into_iter().flat_map(str::lines).filter(|line| !line.starts_with('#'));
        lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(",")
    }

    /// The script that configures the tree.
    fn customize(self) -> String {
        match self {
            Self::Base => CUSTOMIZE.to_owned(),
            Self::Work => format!("{CUSTOMIZE}\n{CUSTOMIZE_WORK}"),
        }
    }

    /// The beginning of its name in the cache.
    fn name(self) -> &'static str {
        match self {
            Self::Base => "debian12",
            Self::Work => "debian12-work",
        }
    }
}

/// One made image and what belongs to it.
pub(crate) struct Image {
    /// A directory of the cache.
    directory: PathBuf,
}

impl Image {
    /// The image for the present package list and configuration; made when the cache has none.
    pub(crate) fn make(sort: Sort) -> Result<Self> {
        let packages = sort.packages();
        let customize = sort.customize();
        let parts = [packages.as_str(), &customize, NETWORK_UNIT, GUEST_UNIT].map(str::as_bytes);
        let name = format!("images/{}-{}", sort.name(), cache::key(&parts)?);
        let what = format!("image {} from packages (two to four minutes, once)", sort.name());
        let directory = cache::made(&name, &what, |place| {
            fs::create_dir_all(place)?;
            build(place, &packages, &customize)
        })?;
        Ok(Self { directory })
    }

    /// The root file system, to be used with a throw-away overlay only.
    pub(crate) fn root(&self) -> PathBuf {
        self.directory.join("root.ext4")
    }

    /// The empty second disk, likewise.
    pub(crate) fn out(&self) -> PathBuf {
        self.directory.join("out.ext4")
    }

    /// The key that opens the lab's accounts over ssh.
    pub(crate) fn login_key(&self) -> PathBuf {
        self.directory.join("login_ed25519")
    }

    /// The key with which the lab's officer signs.
    pub(crate) fn officer_key(&self) -> PathBuf {
        self.directory.join("officer_ed25519")
    }
}

fn build(place: &Path, packages: &str, customize: &str) -> Result<()> {
    for (name, comment) in [("login_ed25519", "lab"), ("officer_ed25519", "officer sato (lab)")] {
        process::quietly(
            Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
                .arg(place.join(name)),
        )?;
    }
    // Not below the cache: mmdebstrap wants every parent to be reachable by the _apt user.
    let work = tempfile::Builder::new().prefix("sekisho-image-").tempdir_in("/var/tmp")?;
    let _reachable = process::quietly(Command::new("chmod").arg("755").arg(work.path()));
    let tree = work.path().join("tree");
    let extra = work.path().join("extra");
    fs::create_dir(&extra)?;
    fs::write(extra.join("customize.sh"), customize)?;
    fs::write(extra.join("sekisho-lab-network.service"), NETWORK_UNIT)?;
    fs::write(extra.join("sekisho-lab.service"), GUEST_UNIT)?;
    for key in ["login_ed25519.pub", "officer_ed25519", "officer_ed25519.pub"] {
        fs::copy(place.join(key), extra.join(key))?;
    }
    let mirror = mirror();
    let sources = format!(
        "deb {mirror} bookworm main\ndeb {mirror} bookworm-updates main\ndeb {} bookworm-security main\n",
        security_mirror()
    );
    let list = work.path().join("sources.list");
    fs::write(&list, sources)?;
    process::run(
        Command::new("mmdebstrap")
            .args(["--mode=root", "--variant=minbase", "--format=directory"])
            .arg("--keyring=/usr/share/keyrings/debian-archive-keyring.gpg")
            .arg(format!("--include={packages}"))
            .arg("--dpkgopt=path-exclude=/usr/share/man/*")
            .arg("--dpkgopt=path-exclude=/usr/share/doc/*/*.gz")
            .arg(format!("--customize-hook=copy-in {} /root", extra.display()))
            .arg("--customize-hook=chroot \"$1\" sh -e /root/extra/customize.sh")
            .arg("--customize-hook=rm -r \"$1/root/extra\"")
            .arg("bookworm")
            .arg(&tree)
            .arg(&list),
    )?;
    ext4(&place.join("root.ext4"), "root", MEBIBYTES, Some(&tree))?;
    ext4(&place.join("out.ext4"), "out", 512, None)
}

/// Makes an ext4 file system in a sparse file, filled from a directory.
pub(crate) fn ext4(file: &Path, label: &str, mebibytes: u64, content: Option<&Path>) -> Result<()> {
    let mut command = Command::new("/sbin/mkfs.ext4");
    command.args(["-q", "-F", "-L", label, "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1"]);
    if let Some(content) = content {
        command.arg("-d").arg(content);
    }
    process::quietly(command.arg(file).arg(format!("{mebibytes}M")))
}

/// Debian's main archive, as this machine is configured to reach it.
pub(crate) fn mirror() -> String {
    configured("bookworm").unwrap_or_else(|| "http://deb.debian.org/debian".into())
}

/// Debian's security archive, likewise.
pub(crate) fn security_mirror() -> String {
    configured("bookworm-security").unwrap_or_else(|| "http://deb.debian.org/debian-security".into())
}

fn configured(codename: &str) -> Option<String> {
    let text = process::output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Created-By: Packages",
        "Origin: Debian",
        &format!("Codename: {codename}"),
    ]))
    .ok()?;
    text.lines().next().map(|uri| uri.trim_end_matches('/').to_owned()).filter(|uri| !uri.is_empty())
}
