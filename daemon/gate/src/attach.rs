//! Load, attach, pin. A new set of programs is in place before the old one goes: two denying sets overlap safely.

use crate::bpf::{link_iterator, recursion_misses};
use crate::hooks::{Found, setattr_idmap, survey};
use crate::layout::{Kernel, LayoutError, address_of};
use crate::marks::Threads;
use crate::second_layer;
use aya::programs::links::FdLink;
use aya::programs::{Iter, Lsm, ProgramError, ProgramInfo, loaded_programs};
use aya::{Btf, BtfError, Ebpf, EbpfError, EbpfLoader};
use sekisho_abi::hook::{Hook, Need};
use sekisho_abi::maps::{MARKS_VERSION, VERSION};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Why the gate could not be closed.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The bpf LSM does not run.
    #[error(
        "bpf is not among the active LSMs ({active})\nhint: add lsm={active},bpf to the kernel command line and reboot"
    )]
    LsmInactive {
        /// The active ones.
        active: String,
    },
    /// BTF.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A hook without which a way out stays open.
    #[error("hook {name} cannot be used: {detail}")]
    Hook {
        /// Its name.
        name: &'static str,
        /// Why.
        detail: String,
    },
    /// The object could not be read or its maps not made.
    #[error("loading {path}: {source}\nhint: cargo xtask build makes it; it belongs in /usr/lib/sekisho")]
    Object {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<EbpfError>,
    },
    /// aya could not read BTF.
    #[error("kernel BTF: {0}")]
    Btf(#[from] BtfError),
    /// The verifier refused a program, or the kernel its attachment.
    #[error("program {name}: {source}")]
    Program {
        /// Its name.
        name: &'static str,
        /// Why, with the verifier's log.
        source: Box<ProgramError>,
    },
    /// The object lacks a program.
    #[error(
        "the object has no program {0}\nhint: object and daemon are of different versions; install both from one build"
    )]
    NoProgram(&'static str),
    /// Programs that are held by something else than our pins.
    #[error("{0} programs are still attached\nhint: systemctl stop sekisho-gate, then detach again")]
    StillAttached(usize),
    /// Marks of a version that this daemon does not read.
    #[error(
        "{0} holds marks of another version; the gate that made them stays closed\nhint: reboot into the new version"
    )]
    Marks(PathBuf),
    /// The pins.
    #[error("{path}: {source}\nhint: is bpffs mounted at /sys/fs/bpf?")]
    Pin {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Maps that outlive an upgrade too: who is confined must never be forgotten.
const KEPT: [&str; 12] = [
    "TASKS",
    "SHADOWS",
    "SOCKETS",
    "LISTENERS",
    "CONNECTIONS",
    "TERMINALS",
    "HOMES",
    "OWN_MEMORY",
    "LOCKS",
    "LOCKED",
    "SCREEN_SESSIONS",
    "SCREEN_SPENT",
];

/// Maps that outlive the daemon: policy, records, counters.
const MAPS: [&str; 12] = [
    "EPOCH",
    "CONFIG",
    "ZONES",
    "TRANSPORTS",
    "NUMBERS",
    "DESTINATIONS",
    "UNIX_PATHS",
    "EVENTS",
    "COUNTERS",
    "SCREEN",
    "SCREEN_TOTALS",
    "SCREEN_LINES",
];

/// Where everything is pinned.
#[derive(Debug, Clone)]
pub struct Pins {
    root: PathBuf,
    version: u32,
}

impl Pins {
    /// Below this directory of bpffs.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), version: VERSION }
    }

    /// The same, as a build with another version of the maps sees it.
    pub fn of_version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    fn maps(&self) -> PathBuf {
        self.root.join(format!("maps-{}", self.version))
    }

    fn marks(&self) -> PathBuf {
        self.root.join(format!("marks-{MARKS_VERSION}"))
    }

    /// Directories whose name begins like this.
    fn all(&self, prefix: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        entries
            .filter(|e| e.file_name().to_str().is_some_and(|n| n.starts_with(prefix)))
            .map(|e| e.path())
            .collect()
    }

    fn links(&self) -> PathBuf {
        self.root.join("links")
    }

    /// The generations of links that are pinned, oldest first.
    pub fn generations(&self) -> Vec<(u64, PathBuf)> {
        let mut found: Vec<_> = fs::read_dir(self.links())
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
            .collect();
        found.sort();
        found
    }

    /// How many hooks the newest generation holds.
    pub fn attached(&self) -> usize {
        let newest = self.generations().pop();
        newest.and_then(|(_, path)| fs::read_dir(path).ok()).map_or(0, Iterator::count)
    }

    /// Removes one generation: its programs are detached.
    fn drop_generation(path: &Path) -> Result<(), AttachError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| AttachError::Pin { path, source }
        };
        for entry in fs::read_dir(path).map_err(failed(path))? {
            let entry = entry.map_err(failed(path))?;
            fs::remove_file(entry.path()).map_err(failed(&entry.path()))?;
        }
        fs::remove_dir(path).map_err(failed(path))
    }

    /// Opens the gate: removes every pin, and waits until the kernel has let go of every program. Marks go with the
    /// maps.
    ///
    /// # Errors
    /// [`AttachError::Pin`] names what could not be removed, [`AttachError::StillAttached`] what stayed.
    pub fn remove_all(&self) -> Result<usize, AttachError> {
        // Whoever may not look must not be told that nothing was there.
        let seen = fs::read_dir(&self.root).map(drop);
        if let Err(source) =
            seen.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
        {
            return Err(AttachError::Pin { path: self.root.clone(), source });
        }
        let mut removed = 0;
        for (_, path) in self.generations() {
            removed += fs::read_dir(&path).map(Iterator::count).unwrap_or(0);
            Self::drop_generation(&path)?;
        }
        removed += second_layer::remove_all(&self.root)?;
        for path in self.all("maps-").into_iter().chain(self.all("marks-")) {
            Self::drop_generation(&path)?;
        }
        for path in [self.links(), self.root.clone()] {
            if path.is_dir() {
                fs::remove_dir(&path).map_err(|source| AttachError::Pin { path, source })?;
            }
        }
        wait_until_gone()?;
        Ok(removed)
    }
}

/// `BPF_PROG_TYPE_LSM`.
const PROG_TYPE_LSM: u32 = 29;
/// Longest the kernel may take to let go of the programs: it does so one by one, in the background.
const LETTING_GO: Duration = Duration::from_secs(90);

/// The gate's programs on hooks, as the kernel lists them.
fn our_programs() -> impl Iterator<Item = ProgramInfo> {
    loaded_programs().filter_map(Result::ok).filter(|program| {
        program.program_type() as u32 == PROG_TYPE_LSM && program.name_as_str().is_some_and(is_ours)
    })
}

/// How often the kernel skipped one of the gate's programs, because it was at work on the same processor already.
pub fn skipped() -> u64 {
    let of = |program: ProgramInfo| program.fd().and_then(|fd| Ok(recursion_misses(fd.as_fd())?));
    our_programs().filter_map(|program| of(program).ok()).sum()
}

fn wait_until_gone() -> Result<(), AttachError> {
    let begin = Instant::now();
    loop {
        match our_programs().count() {
            0 => return Ok(()),
            left if begin.elapsed() > LETTING_GO => return Err(AttachError::StillAttached(left)),
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// The kernel keeps 15 bytes of a program's name.
fn is_ours(name: &str) -> bool {
    Hook::ALL.iter().any(|hook| hook.name() == name || (name.len() == 15 && hook.name().starts_with(name)))
}

fn private_dir(path: &Path) -> Result<(), AttachError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
            Err(AttachError::Pin { path: path.into(), source: e })
        }
        _ => Ok(()),
    }
}

/// The LSMs the kernel runs, if it says so.
pub fn active_lsms() -> Option<String> {
    fs::read_to_string("/sys/kernel/security/lsm").ok().map(|s| s.trim().to_owned())
}

/// A loaded object: maps made and open, nothing attached.
pub struct Loaded {
    /// Maps and programs.
    pub object: Ebpf,
    /// The hooks.
    pub found: Vec<Found>,
    btf: Btf,
    pins: Pins,
    idmap: bool,
}

/// Loads the object for the running kernel. Maps that are already pinned are taken over, with the marks in them.
///
/// # Errors
/// [`AttachError`].
pub fn load(path: &Path, pins: &Pins) -> Result<Loaded, AttachError> {
    if let Some(active) = active_lsms()
        && !active.split(',').any(|lsm| lsm == "bpf")
    {
        return Err(AttachError::LsmInactive { active });
    }
    let kernel = Kernel::read(Path::new("/sys/kernel/btf/vmlinux"))?;
    let found = survey(&kernel);
    if let Some(missing) = found.iter().find(|f| !f.usable && f.hook.need() == Need::Mandatory) {
        return Err(AttachError::Hook { name: missing.hook.name(), detail: missing.detail.clone() });
    }
    let offsets = kernel.offsets()?;
    private_dir(&pins.root)?;
    private_dir(&pins.links())?;
    if let Some(other) = pins.all("marks-").into_iter().find(|path| *path != pins.marks()) {
        return Err(AttachError::Marks(other));
    }
    private_dir(&pins.maps())?;
    private_dir(&pins.marks())?;
    let mut loader = EbpfLoader::new();
    loader.allow_unsupported_maps();
    for (name, offset) in &offsets {
        loader.override_global(name, offset, true);
    }
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let sequence = kernel.rename_sequence(&symbols);
    loader.override_global("RENAME_SEQUENCE", &sequence, true);
    // Unknown: no core of a confined process is handed to anybody.
    let core_pattern = address_of(&symbols, "core_pattern").unwrap_or(0);
    loader.override_global("CORE_PATTERN", &core_pattern, true);
    let may_fail = u32::from(kernel.storage_may_fail());
    loader.override_global("STORAGE_MAY_FAIL", &may_fail, true);
    let believed = u32::from(kernel.file_path_believed());
    loader.override_global("FILE_PATH_BELIEVED", &believed, true);
    for name in MAPS {
        loader.map_pin_path(name, pins.maps().join(name));
    }
    for name in KEPT {
        loader.map_pin_path(name, pins.marks().join(name));
    }
    let object = loader
        .load_file(path)
        .map_err(|source| AttachError::Object { path: path.into(), source: Box::new(source) })?;
    Ok(Loaded { object, found, btf: Btf::from_sys_fs()?, pins: pins.clone(), idmap: setattr_idmap(&kernel) })
}

impl Loaded {
    /// Attaches and pins every usable hook, then drops older generations. Returns the hooks attached.
    ///
    /// # Errors
    /// [`AttachError`]; older generations are then still in place.
    pub fn attach(&mut self) -> Result<Vec<Hook>, AttachError> {
        let older = self.pins.generations();
        let generation = older.last().map_or(1, |(number, _)| number + 1);
        let dir = self.pins.links().join(generation.to_string());
        private_dir(&dir)?;
        let mut attached = Vec::new();
        for found in self.found.iter().filter(|f| f.usable) {
            match Self::one(&mut self.object, &self.btf, found.hook, self.idmap, &dir) {
                Ok(()) => attached.push(found.hook),
                Err(error) => {
                    // Half a generation beside a whole older one denies nothing wrongly, but would mislead.
                    if !older.is_empty() {
                        let _ = Pins::drop_generation(&dir);
                    }
                    return Err(error);
                }
            }
        }
        for (_, path) in older {
            Pins::drop_generation(&path)?;
        }
        // Another version's policy and records: nobody reads them any more.
        for path in self.pins.all("maps-").into_iter().filter(|path| *path != self.pins.maps()) {
            Pins::drop_generation(&path)?;
        }
        Ok(attached)
    }

    /// The program that gives a process's mark to all of its threads, ready to be run; see `marks`.
    ///
    /// # Errors
    /// [`AttachError::Program`].
    pub fn threads(&mut self) -> Result<Threads, AttachError> {
        const NAME: &str = "mark_threads";
        let failed = |source| AttachError::Program { name: NAME, source: Box::new(source) };
        let program: &mut Iter =
            self.object.program_mut(NAME).ok_or(AttachError::NoProgram(NAME))?.try_into().map_err(failed)?;
        program.load("task", &self.btf).map_err(failed)?;
        let fd = program.fd().map_err(failed)?;
        let link =
            link_iterator(fd.as_fd()).map_err(|source| AttachError::Pin { path: NAME.into(), source })?;
        Ok(Threads::new(link))
    }

    fn one(object: &mut Ebpf, btf: &Btf, hook: Hook, idmap: bool, dir: &Path) -> Result<(), AttachError> {
        let name = hook.name();
        // linux 6.3: leading idmap.
        let variant = if idmap && hook == Hook::InodeSetattr { "inode_setattr_idmap" } else { name };
        let failed = |source| AttachError::Program { name, source: Box::new(source) };
        let program: &mut Lsm =
            object.program_mut(variant).ok_or(AttachError::NoProgram(variant))?.try_into().map_err(failed)?;
        program.load(name, btf).map_err(failed)?;
        let id = program.attach().map_err(failed)?;
        let link: FdLink = program.take_link(id).map_err(failed)?.into();
        let path = dir.join(name);
        link.pin(&path).map_err(|e| AttachError::Pin { path, source: io::Error::other(e) })?;
        Ok(())
    }
}
