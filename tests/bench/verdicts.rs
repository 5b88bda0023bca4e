//! What was inside a moment ago and is not any more. A verdict the gate keeps must never outlive the place it is about.
//!
//! A confined process asks, an unconfined one moves things; they talk through two pipes in a workspace.

use anyhow::{Context as _, Result, bail, ensure};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, RenameFlags, open, openat, renameat2};
use nix::mount::{MsFlags, mount, umount};
use nix::sys::stat::{Mode, umask};
use nix::sys::uio::pwrite;
use nix::unistd::mkfifo;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

/// In a workspace, and outside every zone; both on the same filesystem.
const INSIDE: &str = "/tmp/sekisho-verdicts";
const OUTSIDE: &str = "/home/outside/sekisho-verdicts";
const ASK: &str = "/tmp/sekisho-verdicts-ask";
const ANSWER: &str = "/tmp/sekisho-verdicts-answer";
/// Most directories made until one has a number that was there before.
const TRIES: usize = 256;
const POLICY: &str = "/etc/sekisho/policy.d/96-verdicts.toml";

/// A name, what is done, and how it is taken back.
type Move = (&'static str, fn() -> Result<()>, fn() -> Result<()>);

/// What is moved, and back.
const MOVES: &[Move] = &[
    ("directory moved out", || moved("deep/2/3", "3"), || moved_back("3", "deep/2/3")),
    ("directory above it moved out", || moved("deep", "deep"), || moved_back("deep", "deep")),
    ("directory exchanged", exchange, exchange),
    ("policy reloaded", || policy(false), || policy(true)),
    ("linked out and unlinked", linked_out, || Ok(())),
    ("mounted over", mounted_over, || Ok(umount(&inside("mounted"))?)),
    ("way out frozen", || lockdown(&["everyone"]), || lockdown(&["lift", "everyone"])),
    ("number given again", number_again, || Ok(())),
];

fn inside(name: &str) -> std::path::PathBuf {
    Path::new(INSIDE).join(name)
}

fn outside(name: &str) -> std::path::PathBuf {
    Path::new(OUTSIDE).join(name)
}

fn moved(from: &str, to: &str) -> Result<()> {
    Ok(fs::rename(inside(from), outside(to))?)
}

fn moved_back(from: &str, to: &str) -> Result<()> {
    Ok(fs::rename(outside(from), inside(to))?)
}

fn exchange() -> Result<()> {
    let flags = RenameFlags::RENAME_EXCHANGE;
    Ok(renameat2(AT_FDCWD, &inside("exchanged"), AT_FDCWD, &outside("exchanged"), flags)?)
}

fn linked_out() -> Result<()> {
    fs::hard_link(inside("linked/file"), outside("linked"))?;
    Ok(fs::remove_file(inside("linked/file"))?)
}

fn mounted_over() -> Result<()> {
    let (from, to) = (outside("mounted"), inside("mounted"));
    Ok(mount(Some(&from), &to, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
}

/// A directory inside is removed, and its inode number given to one outside, without anything being renamed.
fn number_again() -> Result<()> {
    let old = inside("numbered");
    let number = fs::metadata(&old)?.ino();
    fs::remove_dir_all(&old)?;
    let nursery = outside("nursery");
    for i in 0..TRIES {
        let new = nursery.join(i.to_string());
        fs::create_dir(&new)?;
        if fs::metadata(&new)?.ino() == number {
            fs::write(new.join("file"), "outside")?;
            return Ok(std::os::unix::fs::symlink(new, outside("numbered"))?);
        }
    }
    bail!("inode {number} was not given again to any of {TRIES} directories");
}

fn lockdown(words: &[&str]) -> Result<()> {
    let output = Command::new("sekisho").arg("lockdown").args(words).args(["--reason", "a test"]).output()?;
    ensure!(output.status.success(), "lockdown {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A zone of these tests.
fn zone(path: &Path, kind: &str) -> String {
    format!("[[gate.zone]]\npath = {path:?}\nkind = {kind:?}\n\n")
}

/// Is the extra directory a workspace?
fn policy(listed: bool) -> Result<()> {
    write_policy(listed)?;
    reload()
}

fn write_policy(listed: bool) -> Result<()> {
    let extra = if listed { zone(&outside("listed"), "workspace") } else { String::new() };
    let others = zone(&outside("spool"), "spool");
    Ok(fs::write(POLICY, format!("version = 1\n\n{others}{extra}"))?)
}

/// Returns when the new policy is in force.
fn reload() -> Result<()> {
    let output = Command::new("sekisho").args(["policy", "apply"]).output()?;
    ensure!(output.status.success(), "sekisho policy apply: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The unconfined side: prepares the ground before the gate starts, says `ready`, then does what it is asked for.
pub(crate) fn move_things() -> Result<()> {
    umask(Mode::empty());
    // Numbers of a directory are near those of the one it was made in.
    fs::create_dir_all(inside("nursery"))?;
    fs::create_dir_all(OUTSIDE)?;
    fs::rename(inside("nursery"), outside("nursery"))?;
    for place in ["deep/2/3", "exchanged", "linked", "mounted", "numbered"] {
        fs::create_dir_all(inside(place))?;
        fs::write(inside(place).join("file"), "inside")?;
    }
    for place in ["exchanged", "listed", "mounted", "spool"] {
        fs::create_dir_all(outside(place))?;
        fs::write(outside(place).join("file"), "outside")?;
    }
    write_policy(true)?;
    for pipe in [ASK, ANSWER] {
        mkfifo(pipe, Mode::from_bits_truncate(0o666))?;
    }
    println!("ready");
    // Open for both, so that it never ends between two orders.
    let orders = File::options().read(true).write(true).open(ASK)?;
    for line in BufReader::new(orders).lines() {
        let line = line?;
        let (back, name) = line.split_once(' ').context("an order has two words")?;
        let (_, there, again) = MOVES.iter().find(|(n, ..)| *n == name).context("an unknown order")?;
        let done = if back == "back" { again() } else { there() };
        let word = done.map_or_else(|error| format!("{error:#}\n"), |()| "done\n".into());
        File::options().write(true).open(ANSWER)?.write_all(word.as_bytes())?;
    }
    Ok(())
}

fn order(direction: &str, name: &str) -> Result<()> {
    File::options().write(true).open(ASK)?.write_all(format!("{direction} {name}\n").as_bytes())?;
    let mut word = String::new();
    // Nothing: whoever wrote the answer before had not closed it yet.
    while word.is_empty() {
        BufReader::new(File::open(ANSWER)?).read_line(&mut word)?;
    }
    ensure!(word == "done\n", "{direction} {name}: {word}");
    Ok(())
}

/// A file to write to: one descriptor for the file, one for its directory, both opened while it was inside.
struct Target {
    file: OwnedFd,
    directory: OwnedFd,
}

impl Target {
    fn open(place: &Path) -> Result<Self> {
        let directory = open(place, OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty())?;
        let file = openat(&directory, "file", OFlag::O_WRONLY, Mode::empty())?;
        Ok(Self { file, directory })
    }

    /// Writes, opens again for writing, makes and removes a name: so often that whatever is kept is kept.
    fn use_it(&self) -> nix::Result<()> {
        for _ in 0..3 {
            pwrite(&self.file, b"x", 0)?;
            openat(&self.directory, "file", OFlag::O_WRONLY, Mode::empty())?;
            openat(&self.directory, "new", OFlag::O_WRONLY | OFlag::O_CREAT, Mode::S_IRWXU)?;
            nix::unistd::unlinkat(&self.directory, "new", nix::unistd::UnlinkatFlags::NoRemoveDir)?;
        }
        Ok(())
    }

    /// Every way of writing, and what came of it.
    fn refused(&self) -> [(&'static str, Option<Errno>); 3] {
        let made = openat(&self.directory, "new", OFlag::O_WRONLY | OFlag::O_CREAT, Mode::S_IRWXU);
        [
            ("write", pwrite(&self.file, b"y", 0).err()),
            ("open", openat(&self.directory, "file", OFlag::O_WRONLY, Mode::empty()).err()),
            ("create", made.err()),
        ]
    }
}

/// The confined side: one line for each way in which a kept verdict could be out of date.
pub(crate) fn verdicts() -> Result<()> {
    let mut wrong = 0;
    let mut claim = |name: &str, what: &str, actual: Option<Errno>, expected: Option<Errno>| {
        let holds = actual == expected;
        wrong += u32::from(!holds);
        let mark = if holds { "ok" } else { "WRONG" };
        println!("{mark}: {name}: {what}: {}", actual.map_or("allowed".into(), |errno| format!("{errno:?}")));
    };
    for (name, place) in [
        ("directory moved out", inside("deep/2/3")),
        ("directory above it moved out", inside("deep/2/3")),
        ("directory exchanged", inside("exchanged")),
        ("policy reloaded", outside("listed")),
        ("way out frozen", outside("spool")),
    ] {
        let target = Target::open(&place).with_context(|| format!("{name}: {}", place.display()))?;
        claim(name, "before", target.use_it().err(), None);
        order("there", name)?;
        for (what, errno) in target.refused() {
            claim(name, what, errno, Some(Errno::EPERM));
        }
        if name == "directory exchanged" {
            let now = Target::open(&place).and_then(|target| Ok(target.use_it()?)).err();
            claim(name, "what came in", now.map(|_| Errno::EPERM), None);
        }
        order("back", name)?;
        claim(name, "after", target.use_it().err(), None);
    }
    // Here the name leads elsewhere afterwards, and the descriptor does not.
    for (name, place, after) in [
        ("linked out and unlinked", inside("linked"), outside("linked")),
        ("mounted over", inside("mounted"), inside("mounted/file")),
    ] {
        let target = Target::open(&place).with_context(|| format!("{name}: {}", place.display()))?;
        claim(name, "before", target.use_it().err(), None);
        order("there", name)?;
        let opened = open(&after, OFlag::O_WRONLY, Mode::empty()).err();
        claim(name, "open", opened, Some(Errno::EPERM));
        order("back", name)?;
    }
    // What was kept with a directory is not believed of another one that has its number.
    let name = "number given again";
    let target = Target::open(&inside("numbered")).context(name)?;
    claim(name, "before", target.use_it().err(), None);
    // Nobody holds it any longer: only then is it given again.
    drop(target);
    order("there", name)?;
    let opened = open(&outside("numbered/file"), OFlag::O_WRONLY, Mode::empty()).err();
    claim(name, "open", opened, Some(Errno::EPERM));
    ensure!(wrong == 0, "{wrong} verdicts were wrong");
    Ok(())
}
