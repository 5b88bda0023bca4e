//! The policy in force: read again whenever the airlock asks for something that depends on it. A document that was
//! spoilt in the meantime is reported and the old policy stays.

use sekisho_wire::config::{self, LoadError, Loaded};
use std::path::{Path, PathBuf};

/// Where the policy comes from, and what it says.
pub struct Source {
    path: PathBuf,
    dir: PathBuf,
    loaded: Loaded,
}

impl Source {
    /// Loads it for the first time.
    pub fn load(path: &Path, dir: &Path) -> Result<Self, LoadError> {
        Ok(Self { path: path.into(), dir: dir.into(), loaded: config::load(path, dir)? })
    }

    /// The policy in force.
    pub fn in_force(&self) -> &Loaded {
        &self.loaded
    }

    /// Reads it again; true when it is another one now.
    pub fn refresh(&mut self) -> bool {
        match config::load(&self.path, &self.dir) {
            Ok(new) if new.sha256 != self.loaded.sha256 => {
                self.loaded = new;
                true
            }
            Ok(_) => false,
            Err(e) => {
                tracing::error!("the old policy stays: {e}");
                false
            }
        }
    }
}
