//! The second layer: programs on the cgroups that policy names, and, while a budget throttles, on the root of all.
//!
//! Invariants:
//! - it adds to the hooks and replaces none: where it cannot be attached the gate says so and stands;
//! - a new set is in place before the old one goes;
//! - a cgroup that appears later gets its programs at the next look.

use crate::attach::AttachError;
use crate::bpf::{link_cgroup, pin};
use aya::Ebpf;
use aya::programs::{
    CgroupDevice, CgroupSkb, CgroupSock, CgroupSockAddr, CgroupSysctl, Program as Loadable, ProgramError,
};
use sekisho_abi::second_layer::Program;
use sekisho_wire::gate::Hook as HookState;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

const CGROUPS: &str = "/sys/fs/cgroup";

/// `enum bpf_attach_type`.
const fn attach_type(program: Program) -> u32 {
    match program {
        Program::Egress | Program::Line => 1,
        Program::SockCreate => 2,
        Program::Device => 6,
        Program::Bind4 => 8,
        Program::Bind6 => 9,
        Program::Connect4 => 10,
        Program::Connect6 => 11,
        Program::Sendmsg4 => 14,
        Program::Sendmsg6 => 15,
        Program::Sysctl => 18,
    }
}

/// The program's names in the object: first the one that reads marks, then the one for kernels that do not let it.
fn variants(program: Program) -> Vec<String> {
    let name = program.name().replace("cgroup/", "layer_");
    match program {
        Program::Egress | Program::Line => vec![name],
        _ => vec![name.clone(), format!("{name}_unmarked")],
    }
}

/// Where the pins of the second layer are, below the gate's own.
pub fn pins_below(root: &Path) -> PathBuf {
    root.join("cgroups")
}

/// The sets that are pinned: (generation, cgroup id, directory), oldest first.
fn sets(pins: &Path) -> Vec<(u64, u64, PathBuf)> {
    let mut found: Vec<_> = fs::read_dir(pins)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let (generation, cgroup) = entry
                .file_name()
                .to_str()?
                .split_once('-')
                .and_then(|(g, c)| Some((g.parse().ok()?, c.parse().ok()?)))?;
            Some((generation, cgroup, entry.path()))
        })
        .collect();
    found.sort();
    found
}

/// Has every program of the old set its successor in the new one?
fn is_replaced(old: &Path, new: &Path) -> bool {
    let mut names = fs::read_dir(old).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.all(|name| name == "line" || new.join(name).exists())
}

/// Removes one set: its programs are detached.
fn drop_set(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        fs::remove_file(entry?.path())?;
    }
    fs::remove_dir(dir)
}

/// Removes every pin of the second layer. Returns how many programs were detached.
///
/// # Errors
/// [`AttachError::Pin`].
pub fn remove_all(root: &Path) -> Result<usize, AttachError> {
    let pins = pins_below(root);
    let mut removed = 0;
    for (_, _, dir) in sets(&pins) {
        removed += fs::read_dir(&dir).map(Iterator::count).unwrap_or(0);
        drop_set(&dir).map_err(|source| AttachError::Pin { path: dir, source })?;
    }
    match fs::remove_dir(&pins) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(AttachError::Pin { path: pins, source })
        }
        _ => Ok(removed),
    }
}

/// The loaded programs, and where they are attached.
pub struct SecondLayer {
    pins: PathBuf,
    programs: BTreeMap<u16, OwnedFd>,
    /// Those that decide by account, login and cgroup because the kernel does not let them read marks.
    unmarked: BTreeSet<u16>,
    /// Programs the kernel would not take, and why.
    missing: BTreeMap<u16, String>,
    generation: u64,
    /// Cgroup ids that have their programs, and whether all of them.
    attached: BTreeMap<u64, BTreeSet<u16>>,
    /// Paths of policy, as last seen, with their ids.
    seen: BTreeMap<String, u64>,
    /// Cgroups of an earlier run whose programs stay until ours are in place.
    older: bool,
}

impl SecondLayer {
    /// Without programs: what there is before any is loaded.
    pub fn none(root: &Path) -> Self {
        let pins = pins_below(root);
        let generation = sets(&pins).last().map_or(1, |(generation, _, _)| generation + 1);
        Self {
            pins,
            programs: BTreeMap::new(),
            unmarked: BTreeSet::new(),
            missing: BTreeMap::new(),
            generation,
            attached: BTreeMap::new(),
            seen: BTreeMap::new(),
            older: true,
        }
    }

    /// Loads the programs of an object whose maps are made. A program the kernel does not take is noted.
    pub fn load(mut object: Ebpf, root: &Path) -> Self {
        let mut layer = Self::none(root);
        // A kernel that lets one kind of program read marks lets all; asking again only costs time.
        let mut marks = true;
        for program in Program::ALL {
            let number = *program as u16;
            match load_one(&mut object, *program, &mut marks) {
                Ok((fd, reads_marks)) => {
                    layer.programs.insert(number, fd);
                    if !reads_marks {
                        layer.unmarked.insert(number);
                    }
                }
                Err(error) => {
                    tracing::error!(program = program.name(), error, "not loaded");
                    layer.missing.insert(number, error);
                }
            }
        }
        tracing::info!(programs = layer.programs.len(), reads_marks = marks, "second layer loaded");
        layer
    }

    /// Attaches what policy names and is there, and lets go of what is not named any more. `throttled`: packets of the
    /// sessions' transports are looked at too.
    pub fn follow(&mut self, cgroups: &[String], throttled: bool) {
        let mut wanted = BTreeMap::new();
        self.seen.clear();
        for path in cgroups {
            let path = path.trim_matches('/');
            if let Some((id, dir)) = open(&Path::new(CGROUPS).join(path)) {
                self.seen.insert(path.to_owned(), id);
                let all = Program::ALL.iter().filter(|p| !matches!(p, Program::Line));
                wanted.entry(id).or_insert((dir, Vec::new())).1.extend(all);
            }
        }
        if throttled && let Some((id, dir)) = open(Path::new(CGROUPS)) {
            wanted.entry(id).or_insert((dir, Vec::new())).1.push(&Program::Line);
        }
        for (id, (dir, programs)) in &wanted {
            for program in programs {
                self.one(*id, dir, **program);
            }
        }
        self.let_go(&wanted.keys().copied().collect());
    }

    fn one(&mut self, id: u64, dir: &File, program: Program) {
        let number = program as u16;
        if self.attached.get(&id).is_some_and(|on| on.contains(&number)) {
            return;
        }
        let Some(fd) = self.programs.get(&number) else { return };
        let set = self.set(id);
        let path = set.join(program.name().replace("cgroup/", ""));
        let attached = private_dir(&self.pins)
            .and_then(|()| private_dir(&set))
            .and_then(|()| link_cgroup(fd.as_fd(), dir.as_fd(), attach_type(program)))
            .and_then(|link| pin(link.as_fd(), &path));
        match attached {
            Ok(()) => {
                self.missing.remove(&number);
                self.attached.entry(id).or_default().insert(number);
            }
            // Said once, not at every look.
            Err(error) => {
                let error = format!("{}: {error}", path.display());
                if self.missing.insert(number, error.clone()).as_ref() != Some(&error) {
                    tracing::error!(program = program.name(), error, "not attached");
                }
            }
        }
    }

    /// Drops sets of earlier runs once ours are whole, and those of cgroups that are gone or named no more.
    fn let_go(&mut self, wanted: &BTreeSet<u64>) {
        let unwanted = self.attached.keys().any(|id| !wanted.contains(id));
        if !unwanted && !self.older {
            return;
        }
        self.older = false;
        for (generation, id, dir) in sets(&self.pins) {
            let ours = generation == self.generation;
            if ours && wanted.contains(&id) {
                continue;
            }
            if wanted.contains(&id) && !is_replaced(&dir, &self.set(id)) {
                self.older = true;
                continue;
            }
            if let Err(error) = drop_set(&dir) {
                tracing::error!(dir = %dir.display(), %error, "a set of the second layer stays");
            }
        }
        self.attached.retain(|id, _| wanted.contains(id));
    }

    /// Where the programs of a cgroup are pinned in this run.
    fn set(&self, id: u64) -> PathBuf {
        self.pins.join(format!("{}-{id}", self.generation))
    }

    /// What is attached where, for whoever asks.
    pub fn states(&self) -> Vec<HookState> {
        let layer = Program::ALL.iter().filter(|p| !matches!(p, Program::Line));
        let mut states: Vec<_> = layer.map(|p| self.state(*p)).collect();
        let line = Program::Line as u16;
        if self.attached.values().any(|on| on.contains(&line)) || self.missing.contains_key(&line) {
            states.push(self.state(Program::Line));
        }
        states
    }

    fn state(&self, program: Program) -> HookState {
        let number = program as u16;
        let on = |id: &u64| self.attached.get(id).is_some_and(|on| on.contains(&number));
        let places: Vec<_> = if program == Program::Line {
            vec!["/"]
        } else {
            self.seen.iter().filter(|(_, id)| on(id)).map(|(path, _)| path.as_str()).collect()
        };
        let attached = self.attached.values().any(|on| on.contains(&number));
        let detail = match self.missing.get(&number) {
            Some(problem) => problem.clone(),
            None if attached && self.unmarked.contains(&number) => {
                format!("on {}, by account, login and cgroup", places.join(", "))
            }
            None if attached => format!("on {}", places.join(", ")),
            None => "no cgroup of the policy exists yet".to_owned(),
        };
        HookState { name: program.name().into(), attached, detail, covered_by: Vec::new() }
    }
}

/// A cgroup, opened, with its id.
fn open(path: &Path) -> Option<(u64, File)> {
    let dir = File::open(path).ok()?;
    let meta = dir.metadata().ok()?;
    meta.is_dir().then(|| (meta.ino(), dir))
}

fn private_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

/// The first variant the kernel takes, and whether it decides by what tasks or sockets are marked with; else the last
/// one's refusal. `marks` is false once a kernel was seen to refuse marks.
fn load_one(object: &mut Ebpf, program: Program, marks: &mut bool) -> Result<(OwnedFd, bool), String> {
    let mut refusal = String::new();
    let variants = variants(program);
    let skipped = usize::from(!*marks && variants.len() > 1);
    for (n, variant) in variants.into_iter().enumerate().skip(skipped) {
        let Some(loadable) = object.program_mut(&variant) else {
            refusal = format!("the object has no program {variant}");
            continue;
        };
        match loaded(loadable, program) {
            Ok(fd) => {
                *marks &= n == 0;
                return Ok((fd, n == 0));
            }
            Err(error) => refusal = format!("{variant}: {}", chain(&error)),
        }
    }
    Err(refusal)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

fn loaded(loadable: &mut Loadable, program: Program) -> Result<OwnedFd, ProgramError> {
    let fd = match program {
        Program::Egress | Program::Line => {
            let it: &mut CgroupSkb = loadable.try_into()?;
            it.load()?;
            it.fd()?
        }
        Program::SockCreate => {
            let it: &mut CgroupSock = loadable.try_into()?;
            it.load()?;
            it.fd()?
        }
        Program::Device => {
            let it: &mut CgroupDevice = loadable.try_into()?;
            it.load()?;
            it.fd()?
        }
        Program::Sysctl => {
            let it: &mut CgroupSysctl = loadable.try_into()?;
            it.load()?;
            it.fd()?
        }
        _ => {
            let it: &mut CgroupSockAddr = loadable.try_into()?;
            it.load()?;
            it.fd()?
        }
    };
    fd.as_fd().try_clone_to_owned().map_err(ProgramError::IOError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_found_by_generation_and_cgroup_and_nothing_else_is_taken_for_one() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["2-77", "1-77", "10-5", "maps-2", "x-1", "3"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let found: Vec<_> = sets(dir.path()).into_iter().map(|(g, c, _)| (g, c)).collect();
        assert_eq!(found, [(1, 77), (2, 77), (10, 5)]);
    }

    #[test]
    fn an_old_set_stays_until_each_of_its_programs_has_a_successor() {
        let dir = tempfile::tempdir().unwrap();
        let mut layer = SecondLayer::none(dir.path());
        layer.generation = 2;
        let (old, new) = (layer.pins.join("1-7"), layer.set(7));
        let gone = layer.pins.join("1-8");
        for path in [old.join("egress"), old.join("bind4"), new.join("egress"), gone.join("egress")] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        layer.let_go(&BTreeSet::from([7]));
        assert!(old.exists() && new.exists() && !gone.exists());
        fs::write(new.join("bind4"), "").unwrap();
        layer.let_go(&BTreeSet::from([7]));
        assert!(!old.exists() && new.exists());
    }

    #[test]
    fn removing_what_is_not_there_is_no_failure() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(remove_all(dir.path()).unwrap(), 0);
        fs::create_dir_all(dir.path().join("cgroups/1-7")).unwrap();
        fs::write(dir.path().join("cgroups/1-7/connect4"), "").unwrap();
        assert_eq!(remove_all(dir.path()).unwrap(), 1);
        assert!(!dir.path().join("cgroups").exists());
    }

    #[test]
    fn every_program_that_can_see_a_task_is_there_for_kernels_without_marks_too() {
        for program in Program::ALL {
            let packets = matches!(program, Program::Egress | Program::Line);
            assert_eq!(variants(*program).len(), if packets { 1 } else { 2 });
        }
    }
}
