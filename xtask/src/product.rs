//! The product as an administrator installs it: programs, units, accounts, directories, example policy; staged as a
//! tree and packed into an archive that the lab unpacks onto its root before systemd starts.

use crate::image::Image;
use crate::{build, cache, process};
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The installed command's directory is `usr/bin`; the daemons live here.
const LIBEXEC: &str = "usr/libexec/sekisho";
const UNITS: &str = "usr/lib/systemd/system";

/// Where the files of `deploy/` go.
const DEPLOYED: &[(&str, &str)] = &[
    ("deploy/sshd", "etc/ssh/sshd_config.d"),
    ("deploy/systemd", UNITS),
    ("deploy/logins", "usr/lib/systemd/system/systemd-user-sessions.service.d"),
    ("deploy/sysusers.d", "usr/lib/sysusers.d"),
    ("deploy/tmpfiles.d", "usr/lib/tmpfiles.d"),
];

/// Packs the product built last, with the lab's officer in its policy; cached by content.
pub(crate) fn archive(image: &Image) -> Result<PathBuf> {
    let stage = tempfile::Builder::new().prefix("sekisho-product-").tempdir()?;
    let root = stage.path();
    stage_product(root)?;
    put_officer_key(root, image)?;
    put_guest(root)?;
    let mut parts = Vec::new();
    collect(root, Path::new(""), &mut parts)?;
    let key = cache::key(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    let archive = cache::made(&format!("images/product-{key}.tar"), "product archive", |place| {
        process::quietly(
            Command::new("tar")
                .args(["--create", "--format=gnu", "--sort=name", "--mtime=@0"])
                .args(["--owner=0", "--group=0", "--numeric-owner", "--file"])
                .arg(place)
                .arg("-C")
                .arg(root)
                .args(["etc", "usr"]),
        )
    })?;
    forget_old_archives(&archive)?;
    Ok(archive)
}

/// The tree a package of the product would hold.
fn stage_product(root: &Path) -> Result<()> {
    for program in build::PROGRAMS {
        let place = if *program == "sekisho" { "usr/bin" } else { LIBEXEC };
        let installed = root.join(place).join(program);
        install(&build::directory().join(program), &installed, 0o755)?;
        if build::debug() {
            process::quietly(Command::new("strip").arg("--strip-debug").arg(installed))?;
        }
    }
    let object = root.join("usr/lib/sekisho").join(build::OBJECT);
    install(&build::directory().join(build::OBJECT), &object, 0o644)?;
    for (from, to) in DEPLOYED {
        for entry in fs::read_dir(process::workspace().join(from)).with_context(|| (*from).to_owned())? {
            let entry = entry?;
            install(&entry.path(), &root.join(to).join(entry.file_name()), 0o644)?;
        }
    }
    let policy = process::workspace().join("deploy/policy.toml");
    install(&policy, &root.join("etc/sekisho/policy.toml"), 0o644)?;
    fs::create_dir_all(root.join("etc/sekisho/policy.d"))?;
    enable_units(root)
}

/// What `systemctl enable` does: links as the units' `[Install]` sections say.
fn enable_units(root: &Path) -> Result<()> {
    let enabled = root.join("etc/systemd/system");
    for entry in fs::read_dir(root.join(UNITS))? {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = fs::read_to_string(root.join(UNITS).join(&name)).with_context(|| name.clone())?;
        let wanted_by = text.lines().filter_map(|line| line.strip_prefix("WantedBy="));
        for target in wanted_by.flat_map(str::split_whitespace) {
            let directory = enabled.join(format!("{target}.wants"));
            fs::create_dir_all(&directory)?;
            symlink(Path::new("/").join(UNITS).join(&name), directory.join(&name))?;
        }
    }
    Ok(())
}

/// The example policy names an officer with an example key, whose private half nobody has; the lab's officer has one.
fn put_officer_key(root: &Path, image: &Image) -> Result<()> {
    let path = root.join("etc/sekisho/policy.toml");
    let public = fs::read_to_string(image.officer_key().with_extension("pub"))?;
    let policy = fs::read_to_string(&path)?;
    let example = policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("key = \"")?.strip_suffix('"'))
        .context("deploy/policy.toml names no officer's key")?;
    let changed = policy.replace(example, public.trim());
    ensure!(
        policy.matches(example).count() == 1,
        "deploy/policy.toml names its officer's key more than once"
    );
    fs::write(&path, changed)?;
    Ok(())
}

/// This very program, as the lab's hand in the guest.
fn put_guest(root: &Path) -> Result<()> {
    let place = root.join("usr/libexec/sekisho-lab/xtask");
    // Through the link, which leads to the running program even if cargo has just built a newer one.
    install(Path::new("/proc/self/exe"), &place, 0o755)?;
    process::quietly(Command::new("strip").arg(&place))
}

fn install(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let directory = to.parent().context("an installed file has a directory")?;
    fs::create_dir_all(directory)?;
    fs::copy(from, to).with_context(|| format!("installing {}", from.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    Ok(())
}

/// Names and contents of everything below `root`, in a fixed order.
fn collect(root: &Path, below: &Path, parts: &mut Vec<Vec<u8>>) -> Result<()> {
    let mut entries = fs::read_dir(root.join(below))?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = below.join(entry.file_name());
        parts.push(name.as_os_str().as_encoded_bytes().to_vec());
        if entry.file_type()?.is_dir() {
            collect(root, &name, parts)?;
        } else if entry.file_type()?.is_file() {
            parts.push(fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// Archives nobody has used for a day are removed; a lab that still runs keeps its open one.
fn forget_old_archives(current: &Path) -> Result<()> {
    let now = std::time::SystemTime::now();
    fs::File::options().append(true).open(current)?.set_modified(now)?;
    let directory = current.parent().context("an archive has a directory")?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let is_archive = entry.file_name().to_string_lossy().starts_with("product-");
        let age =
            entry.metadata().and_then(|data| data.modified()).ok().and_then(|at| now.duration_since(at).ok());
        if is_archive && age.is_some_and(|age| age.as_secs() > 24 * 3600) {
            // Another run may be removing it at the same moment.
            let _gone = fs::remove_file(entry.path());
        }
    }
    Ok(())
}
