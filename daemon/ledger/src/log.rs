//! The ledger on disk: a C2SP `tlog-tiles` log, so that any static file server and any stock monitor can serve and
//! check it.
//!
//! ```text
//! checkpoint                 signed note: the one commit point
//! tile/entries/000.p/5       entries, each with its length (u16, big endian); 256 to a bundle
//! tile/0/000.p/5             their hashes; tile/1/… hashes of full tiles, and so on
//! lock                       held by the process that appends
//! ```
//!
//! Life of an entry: new partial bundle (unfinished, fsync, rename, fsync) → hash tiles → checkpoint like the bundle.
//! Only the checkpoint makes it part of the log: whatever lies beyond it after a crash was never answered for and is
//! removed when the log is next opened. Opening reads everything and recomputes the root, so damage is named before the
//! first append and not when an auditor comes.

use crate::durable;
use crate::merkle::{self, Hash, Tree};
use crate::note::{Checkpoint, NoteError, Proof};
use crate::sshsig::SigningKey;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Entries in a full bundle, hashes in a full tile.
const WIDTH: u64 = 256;
/// Largest entry: bundles announce lengths in two bytes.
pub const ENTRY_LIMIT: usize = u16::MAX as usize;
const MODE: u32 = 0o640;

/// Why the log could not be opened or extended.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process appends to this log.
    #[error("{path}: another process appends to this log", path = .0.display())]
    Locked(PathBuf),
    /// What the checkpoint promises is not there.
    #[error("{path}: damaged: {what}", path = path.display())]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The checkpoint itself was refused.
    #[error("{path}: {source}", path = path.display())]
    Checkpoint {
        /// Where.
        path: PathBuf,
        /// Why.
        source: NoteError,
    },
    /// Over [`ENTRY_LIMIT`].
    #[error("entry of {0} bytes is over the limit of {ENTRY_LIMIT}")]
    EntryTooLarge(usize),
    /// An earlier append ended in doubt: the log must be opened anew.
    #[error("an earlier write ended in doubt; the ledger must be opened anew")]
    InDoubt,
    /// There is no such entry.
    #[error("the log has no entry {0}")]
    NoEntry(u64),
}

/// An open log.
#[derive(Debug)]
pub struct Log {
    dir: PathBuf,
    origin: String,
    tree: Tree,
    /// Entries of the last, incomplete bundle.
    tail: Vec<Vec<u8>>,
    checkpoint: String,
    in_doubt: bool,
    _lock: File,
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> LogError {
    let path = path.to_owned();
    |source| LogError::Io { path, source }
}

impl Log {
    /// Opens the log below `dir`, or begins it there, and hands every entry to `each`.
    ///
    /// # Errors
    /// [`LogError`]; a damaged log is never repaired by guessing.
    pub fn open(
        dir: &Path,
        origin: &str,
        key: &SigningKey,
        mut each: impl FnMut(u64, &[u8]),
    ) -> Result<Self, LogError> {
        durable::create_dirs(dir).map_err(at(dir))?;
        let lock = lock(dir)?;
        let path = dir.join("checkpoint");
        let mut log = Self {
            dir: dir.to_owned(),
            origin: origin.to_owned(),
            tree: Tree::default(),
            tail: Vec::new(),
            checkpoint: String::new(),
            in_doubt: false,
            _lock: lock,
        };
        let note = match fs::read_to_string(&path) {
            Ok(note) => note,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                if dir.join("tile").exists() {
                    return Err(LogError::Damaged { path, what: "missing beside existing entries".into() });
                }
                log.checkpoint = log.signed(key);
                durable::replace(&path, log.checkpoint.as_bytes(), MODE).map_err(at(&path))?;
                return Ok(log);
            }
            Err(e) => return Err(at(&path)(e)),
        };
        let promised = Checkpoint::verify(&note, origin, &key.public_bytes())
            .map_err(|source| LogError::Checkpoint { path: path.clone(), source })?;
        log.checkpoint = note;
        let mut index = 0;
        while index < promised.size {
            let width = (promised.size - index).min(WIDTH);
            let bundle = dir.join(bundle_path(index / WIDTH, width));
            let entries = read_bundle(&bundle, width)?;
            for entry in &entries {
                log.tree.push(merkle::leaf(entry));
                each(index, entry);
                index += 1;
            }
            if width < WIDTH {
                log.tail = entries;
            }
        }
        if log.tree.root(promised.size) != Some(promised.root) {
            let what = format!("the {} entries are not those the checkpoint was signed over", promised.size);
            return Err(LogError::Damaged { path: dir.join("tile"), what });
        }
        log.remove_beyond()?;
        log.write_tiles(0)?;
        Ok(log)
    }

    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The latest checkpoint, a signed note.
    pub fn checkpoint(&self) -> &str {
        &self.checkpoint
    }

    /// Did a write end in doubt? Then only opening the log anew can tell what it holds.
    pub fn in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// Appends an entry; when this returns it is durable and visible under the index given.
    ///
    /// # Errors
    /// [`LogError`]; the entry is then not in the log, except after [`LogError::InDoubt`] follow-ups, which ask for a
    /// new opening.
    pub fn append(&mut self, entry: &[u8], key: &SigningKey) -> Result<u64, LogError> {
        if self.in_doubt {
            return Err(LogError::InDoubt);
        }
        if entry.len() > ENTRY_LIMIT {
            return Err(LogError::EntryTooLarge(entry.len()));
        }
        let index = self.tree.size();
        self.tail.push(entry.to_vec());
        self.tree.push(merkle::leaf(entry));
        let result = self.commit(index, key);
        if result.is_err() {
            self.tail.pop();
            self.tree.truncate(index);
        }
        result?;
        if self.tail.len() as u64 == WIDTH {
            self.tail.clear();
        }
        self.remove_before(index);
        Ok(index)
    }

    fn commit(&mut self, index: u64, key: &SigningKey) -> Result<(), LogError> {
        let bundle = self.dir.join(bundle_path(index / WIDTH, self.tail.len() as u64));
        write(&bundle, &encode_bundle(&self.tail))?;
        self.write_tiles(index)?;
        let note = self.signed(key);
        let path = self.dir.join("checkpoint");
        if let Err(source) = durable::replace(&path, note.as_bytes(), MODE) {
            // Was it renamed before it failed? Then the entry counts, and going on from the old tree would fork.
            self.in_doubt = fs::read_to_string(&path).map_or(true, |now| now != self.checkpoint);
            return Err(LogError::Io { path, source });
        }
        self.checkpoint = note;
        Ok(())
    }

    fn signed(&self, key: &SigningKey) -> String {
        let size = self.tree.size();
        let root = self.tree.root(size).unwrap_or_else(merkle::empty_root);
        Checkpoint { origin: self.origin.clone(), size, root }.sign(key)
    }

    /// Writes the hash tiles that entries from `from` on have changed, unless they are there already.
    fn write_tiles(&self, from: u64) -> Result<(), LogError> {
        let size = self.tree.size();
        let (mut level, mut count, mut first) = (0u32, size, from);
        while count > 0 {
            for tile in first / WIDTH..count.div_ceil(WIDTH) {
                let width = (count - tile * WIDTH).min(WIDTH);
                let path = self.dir.join(tile_path(&level.to_string(), tile, width));
                let mut bytes = Vec::new();
                for i in tile * WIDTH..tile * WIDTH + width {
                    let hash = self.tree.complete(level * 8, i).ok_or(LogError::NoEntry(i))?;
                    bytes.extend_from_slice(hash);
                }
                if fs::read(&path).ok().as_deref() != Some(&bytes) {
                    write_derived(&path, &bytes)?;
                }
            }
            level += 1;
            count /= WIDTH;
            first /= WIDTH;
            if first >= count {
                break;
            }
        }
        Ok(())
    }

    /// Removes the partial files that an append made superfluous; best effort, readers may hold an old checkpoint.
    fn remove_before(&self, index: u64) {
        let in_bundle = index % WIDTH;
        if in_bundle > 0 {
            let tile = index / WIDTH;
            let _ = fs::remove_file(self.dir.join(bundle_path(tile, in_bundle)));
            let _ = fs::remove_file(self.dir.join(tile_path("0", tile, in_bundle)));
        }
    }

    /// Removes what lies beyond the checkpoint: it was never answered for.
    fn remove_beyond(&self) -> Result<(), LogError> {
        let size = self.tree.size();
        let tile = size / WIDTH;
        for kind in ["entries", "0"] {
            let full = self.dir.join(tile_path(kind, tile, WIDTH));
            if full.exists() {
                fs::remove_file(&full).map_err(at(&full))?;
            }
            let partial = self.dir.join(tile_path(kind, tile, 1));
            let Some(dir) = partial.parent() else { continue };
            let Ok(found) = fs::read_dir(dir) else { continue };
            for entry in found {
                let path = entry.map_err(at(dir))?.path();
                let keep = path.file_name().and_then(|n| n.to_str()?.parse::<u64>().ok());
                if keep != Some(size % WIDTH) {
                    fs::remove_file(&path).map_err(at(&path))?;
                }
            }
        }
        Ok(())
    }

    /// Reads one entry.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, LogError> {
        if index >= self.size() {
            return Err(LogError::NoEntry(index));
        }
        let (bundle, place) = (index / WIDTH, usize::try_from(index % WIDTH).unwrap_or_default());
        if bundle == self.size() / WIDTH {
            return self.tail.get(place).cloned().ok_or(LogError::NoEntry(index));
        }
        let mut entries = read_bundle(&self.dir.join(bundle_path(bundle, WIDTH)), WIDTH)?;
        if place < entries.len() { Ok(entries.swap_remove(place)) } else { Err(LogError::NoEntry(index)) }
    }

    /// Proof that entry `index` is in the log at its latest checkpoint.
    ///
    /// # Errors
    /// [`LogError::NoEntry`].
    pub fn proof(&self, index: u64) -> Result<Proof, LogError> {
        let path = self.tree.inclusion(index, self.size()).ok_or(LogError::NoEntry(index))?;
        Ok(Proof { index, path, checkpoint: self.checkpoint.clone() })
    }

    /// Proof that the log at `old` entries is the beginning of the log now.
    ///
    /// # Errors
    /// [`LogError::NoEntry`] when the log never had that many.
    pub fn consistency(&self, old: u64) -> Result<Vec<Hash>, LogError> {
        self.tree.consistency(old, self.size()).ok_or(LogError::NoEntry(old))
    }
}

fn lock(dir: &Path) -> Result<File, LogError> {
    let path = dir.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(LogError::Locked(path)),
        Err(fs::TryLockError::Error(source)) => Err(LogError::Io { path, source }),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    if let Some(dir) = path.parent() {
        durable::create_dirs(dir).map_err(at(dir))?;
    }
    durable::replace(path, bytes, MODE).map_err(at(path))
}

/// Hash tiles follow from the entries: opening the log makes lost or torn ones anew, so they cost no fsync.
fn write_derived(path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    if let Some(dir) = path.parent() {
        durable::create_dirs(dir).map_err(at(dir))?;
    }
    durable::replace_derived(path, bytes, MODE).map_err(at(path))
}

/// Path of a tile or bundle as C2SP `tlog-tiles` spells it.
fn tile_path(kind: &str, n: u64, width: u64) -> PathBuf {
    let mut digits = format!("{:03}", n % 1000);
    let mut rest = n / 1000;
    while rest > 0 {
        digits = format!("x{:03}/{digits}", rest % 1000);
        rest /= 1000;
    }
    let partial = if width < WIDTH { format!(".p/{width}") } else { String::new() };
    PathBuf::from(format!("tile/{kind}/{digits}{partial}"))
}

fn bundle_path(n: u64, width: u64) -> PathBuf {
    tile_path("entries", n, width)
}

fn encode_bundle(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.iter().map(|e| e.len() + 2).sum());
    for entry in entries {
        // `append` holds entries to ENTRY_LIMIT.
        let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(entry);
    }
    out
}

fn read_bundle(path: &Path, width: u64) -> Result<Vec<Vec<u8>>, LogError> {
    let bytes = fs::read(path).map_err(at(path))?;
    let damaged = |what: String| LogError::Damaged { path: path.to_owned(), what };
    let mut rest = bytes.as_slice();
    let mut entries = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, tail) = tail
            .split_at_checked(length)
            .ok_or_else(|| damaged(format!("entry {} is cut short", entries.len())))?;
        entries.push(entry.to_vec());
        rest = tail;
    }
    if rest.is_empty() && entries.len() as u64 == width {
        Ok(entries)
    } else {
        Err(damaged(format!("{} entries where the checkpoint promises {width}", entries.len())))
    }
}
