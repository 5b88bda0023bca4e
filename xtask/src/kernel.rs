//! Debian's own kernels, straight from its archive: 6.1, 6.12, 6.18, 7.3 and whatever else the index lists.
//!
//! The host's package system is not touched: lists and sources are private to the cache, and every package is
//! verified with Debian's archive keys.

use crate::{cache, image, process};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The kernel of a lab nobody chose another one for.
pub(crate) const DEFAULT: &str = "6.12";

/// The series the product is tested on.
pub(crate) const SUPPORTED: [&str; 4] = ["6.1", "6.12", "6.18", "7.3"];

/// What the guest needs to find its disks, its line to the host and its network, in any order.
const EARLY_MODULES: &[&str] =
    &["virtio_pci", "virtio_blk", "virtio_console", "virtio_net", "virtio_rng", "ext4"];

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One kernel, ready to boot.
pub(crate) struct Kernel {
    directory: PathBuf,
}

impl Kernel {
    /// The newest kernel of a series (`6.12`) that Debian lists, fetched unless the cache has one.
    pub(crate) fn fetch(series: &str) -> Result<Self> {
        let numeric = series.split('.').count() == 2 && series.split('.').all(|n| n.parse::<u32>().is_ok());
        if !numeric {
            bail!("{series:?} is no kernel series\nhint: 6.1, 6.12, 6.18 and 7.3 are the supported ones");
        }
        let directory =
            cache::made(&format!("kernels/linux-{series}"), &format!("kernel {series}"), |place| {
                fs::create_dir_all(place)?;
                download(series, place)?;
                pack_modules(place)
            })?;
        Ok(Self { directory })
    }

    /// The kernel image.
    pub(crate) fn image(&self) -> PathBuf {
        self.directory.join("vmlinuz")
    }

    /// A file system with its modules, to be mounted at `/usr/lib/modules`.
    pub(crate) fn modules(&self) -> PathBuf {
        self.directory.join("modules.ext4")
    }

    /// The first process and its modules, made from the script given; cached by content.
    pub(crate) fn initrd(&self, init: &str) -> Result<PathBuf> {
        let release = fs::read_to_string(self.directory.join("release"))?;
        let key = cache::key(&[init.as_bytes(), release.as_bytes(), EARLY_MODULES.join(" ").as_bytes()])?;
        cache::made(&format!("images/initrd-{key}.cpio"), "first process", |place| {
            pack_initrd(&self.directory, release.trim(), init, place)
        })
    }
}

/// Private apt configuration: Debian stable, its predecessor, and its backports.
pub(crate) fn apt(program: &str) -> Result<Command> {
    let state = cache::directory()?.join("apt");
    fs::create_dir_all(state.join("lists/partial"))?;
    fs::create_dir_all(state.join("cache/archives/partial"))?;
    let mirror = image::mirror();
    let security = image::security_mirror();
    let sources: String = [
        (&mirror, "bookworm"),
        (&security, "bookworm-security"),
        (&mirror, "trixie"),
        (&security, "trixie-security"),
        (&mirror, "trixie-backports"),
    ]
    .iter()
    .map(|(mirror, suite)| format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n"))
    .collect();
    fs::write(state.join("sources.list"), sources)?;
    let mut command = Command::new(program);
    for (key, value) in [
        ("Dir::Etc::sourcelist", state.join("sources.list")),
        ("Dir::Etc::sourceparts", "-".into()),
        ("Dir::State::lists", state.join("lists")),
        ("Dir::Cache", state.join("cache")),
        ("APT::Architecture", "amd64".into()),
        ("APT::Sandbox::User", "root".into()),
        ("Acquire::Languages", "none".into()),
        ("Acquire::Retries", "3".into()),
    ] {
        command.arg("-o").arg(format!("{key}={}", value.display()));
    }
    Ok(command)
}

fn download(series: &str, place: &Path) -> Result<()> {
    let _lock = cache::lock("apt-lists")?;
    process::quietly(apt("apt-get")?.arg("update"))?;
    let names = process::output(apt("apt-cache")?.args(["pkgnames", &format!("linux-image-{series}.")]))?;
    let newest = names.lines().filter(|name| name.ends_with("-cloud-amd64")).max_by_key(|name| version(name));
    let Some(package) = newest else {
        bail!(
            "Debian's index lists no kernel {series}\nhint: 6.1, 6.12, 6.18 and 7.3 are the supported ones"
        );
    };
    eprintln!("[lab] newest {series} in Debian: {package}");
    // Since 7.2 the image package is empty: image, module lists and modules are three others.
    let depends = process::output(apt("apt-cache")?.args(["depends", "--important", package]))?;
    let parts = depends.split_whitespace().filter(|word| {
        ["linux-base-", "linux-binary-", "linux-modules-"].iter().any(|part| word.starts_with(part))
    });
    let packages = place.join("packages");
    fs::create_dir(&packages)?;
    process::quietly(apt("apt-get")?.current_dir(&packages).args(["download", package]).args(parts))?;
    // Some packages say lib/, others usr/lib/; on a Debian system these are one directory.
    let tree = place.join("tree");
    fs::create_dir_all(tree.join("usr/lib"))?;
    std::os::unix::fs::symlink("usr/lib", tree.join("lib"))?;
    for file in fs::read_dir(&packages)? {
        process::piped(
            Command::new("dpkg").arg("--fsys-tarfile").arg(file?.path()),
            Command::new("tar").args(["--extract", "--keep-directory-symlink", "-C"]).arg(&tree),
        )?;
    }
    fs::remove_dir_all(&packages)?;
    Ok(())
}

/// The numbers in a package name, for comparing: `linux-image-6.12.117+deb13-cloud-amd64` → 6, 12, 117, 13.
fn version(package: &str) -> Vec<u32> {
    let name = package.trim_start_matches("linux-image-").trim_end_matches("-cloud-amd64");
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// `tree/` as unpacked → `vmlinuz`, `release`, `modules/` and `modules.ext4`.
fn pack_modules(place: &Path) -> Result<()> {
    let tree = place.join("tree");
    let modules = tree.join("usr/lib/modules");
    let release = only_entry(&modules)?;
    let boot = tree.join(format!("boot/vmlinuz-{release}"));
    let image = if boot.exists() { boot } else { modules.join(&release).join("vmlinuz") };
    fs::rename(&image, place.join("vmlinuz")).with_context(|| format!("{}", image.display()))?;
    fs::rename(&modules, place.join("modules"))?;
    fs::remove_dir_all(&tree)?;
    // depmod looks below lib/modules; the file system's root is that directory.
    fs::create_dir(place.join("lib"))?;
    std::os::unix::fs::symlink("../modules", place.join("lib/modules"))?;
    process::quietly(Command::new("/sbin/depmod").arg("-b").arg(place).arg(&release))?;
    fs::write(place.join("release"), &release)?;
    image::ext4(&place.join("modules.ext4"), "modules", 1024, Some(&place.join("modules")))
}

fn only_entry(directory: &Path) -> Result<String> {
    let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    match (entries.pop(), entries.is_empty()) {
        (Some(entry), true) => Ok(entry.file_name().to_string_lossy().into_owned()),
        _ => bail!("{} should hold exactly one kernel", directory.display()),
    }
}

fn pack_initrd(kernel: &Path, release: &str, init: &str, place: &Path) -> Result<()> {
    let root = tempfile::tempdir()?;
    let root = root.path();
    for directory in ["bin", "dev", "proc", "sys", "root", "modules"] {
        fs::create_dir(root.join(directory))?;
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).context("/bin/busybox")?;
    for applet in
        ["sh", "mount", "mkdir", "cat", "insmod", "tar", "chroot", "switch_root", "sleep", "poweroff"]
    {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet))?;
    }
    let order = early_modules(kernel, release)?;
    let mut names = String::new();
    for module in &order {
        let file = module.file_name().context("a module has a name")?.to_string_lossy().into_owned();
        let name = file.trim_end_matches(".xz");
        if name == file {
            fs::copy(module, root.join("modules").join(name))?;
        } else {
            let bytes = Command::new("xz").arg("-dc").arg(module).output().context("xz")?;
            anyhow::ensure!(bytes.status.success(), "xz cannot read {}", module.display());
            fs::write(root.join("modules").join(name), bytes.stdout)?;
        }
        names.push_str(name);
        names.push('\n');
    }
    fs::write(root.join("modules/order"), names)?;
    fs::write(root.join("init"), init)?;
    process::quietly(
        Command::new("sh")
            .args(["-c", "chmod 755 init && find . | cpio --quiet -o -H newc > \"$0\""])
            .arg(place)
            .current_dir(root),
    )
}

/// The early modules and what they stand on, in loading order; those built into the kernel are not listed.
fn early_modules(kernel: &Path, release: &str) -> Result<Vec<PathBuf>> {
    let mut order = Vec::new();
    for module in EARLY_MODULES {
        let text = process::output(Command::new("/sbin/modprobe").arg("-d").arg(kernel).args([
            "-S",
            release,
            "--show-depends",
            module,
        ]))?;
        for path in text.lines().filter_map(|line| line.strip_prefix("insmod ")) {
            let path = PathBuf::from(path.trim());
            if !order.contains(&path) {
                order.push(path);
            }
        }
    }
    Ok(order)
}
