//! The notary's own files: everything content-addressed, written once, read-only, durable before it is named.

use sekisho_ledger::durable;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The store below the state directory.
pub struct Store {
    root: PathBuf,
}

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Bytes in custody.
    Archive,
    /// Canonical JSON of reports.
    Report,
    /// Statements officers signed.
    Statement,
    /// Canonical JSON of policies that were in force.
    Policy,
}

impl Kind {
    fn dir(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Report => "reports",
            Self::Statement => "statements",
            Self::Policy => "policies",
        }
    }
}

impl Store {
    /// Opens the store and removes what an earlier process left unfinished.
    pub fn open(root: &Path) -> io::Result<Self> {
        let tmp = root.join("tmp");
        match fs::remove_dir_all(&tmp) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        durable::create_dirs(&tmp)?;
        for kind in [Kind::Archive, Kind::Report, Kind::Statement, Kind::Policy] {
            durable::create_dirs(&root.join(kind.dir()))?;
        }
        Ok(Self { root: root.to_owned() })
    }

    /// Where bytes with this digest are or belong.
    pub fn path(&self, kind: Kind, sha256: &str) -> PathBuf {
        let prefix = sha256.get(..2).unwrap_or("xx");
        self.root.join(kind.dir()).join(prefix).join(sha256)
    }

    /// A name for bytes that have no digest yet.
    pub fn unfinished(&self) -> PathBuf {
        self.root.join("tmp").join("incoming")
    }

    /// Gives a finished, fsynced file its name. What is there already under the same digest is the same.
    pub fn adopt(&self, kind: Kind, unfinished: &Path, sha256: &str) -> io::Result<()> {
        let path = self.path(kind, sha256);
        let dir = path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        durable::create_dirs(dir)?;
        if path.exists() {
            fs::remove_file(unfinished)?;
        } else {
            fs::rename(unfinished, &path)?;
        }
        // Also when it was there: an earlier process may have died between rename and fsync.
        durable::sync_dir(dir)
    }

    /// Keeps bytes; gives their digest.
    pub fn keep(&self, kind: Kind, bytes: &[u8]) -> io::Result<String> {
        let sha256 = sekisho_wire::digest::sha256_hex(bytes);
        let unfinished = self.unfinished();
        let _ = fs::remove_file(&unfinished);
        durable::write_new(&unfinished, bytes, 0o400)?;
        self.adopt(kind, &unfinished, &sha256)?;
        Ok(sha256)
    }

    /// Opens kept bytes.
    pub fn open_kept(&self, kind: Kind, sha256: &str) -> io::Result<File> {
        File::open(self.path(kind, sha256))
    }

    /// Reads kept text and checks that it still has its digest.
    pub fn text(&self, kind: Kind, sha256: &str) -> io::Result<String> {
        let text = fs::read_to_string(self.path(kind, sha256))?;
        if sekisho_wire::digest::sha256_hex(text.as_bytes()) == sha256 {
            Ok(text)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("{sha256}: no longer has its digest")))
        }
    }
}
