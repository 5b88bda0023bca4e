//! The one place that reads the policy files. Every process that follows a policy gets it, and its digest, here.

use crate::digest;
use sekisho_policy::{Document, Policy, PolicyError};
use std::path::{Path, PathBuf};

/// Largest policy document, bytes. A mistake (a log file in `policy.d`) must not fill the memory of a daemon.
const LIMIT: u64 = 4 << 20;

/// A policy in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The merged, validated policy.
    pub policy: Policy,
    /// SHA-256 over its canonical JSON, hex: what ledger entries and statements call the policy.
    pub sha256: String,
    /// The files it was read from, in order.
    pub files: Vec<PathBuf>,
}

/// Why no policy could be loaded. The caller keeps the old one.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or directory could not be read.
    #[error("{path}: {source}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is larger than any policy.
    #[error("{path}: over {LIMIT} bytes, so not a policy", path = path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// A file is not UTF-8.
    #[error("{path}: not UTF-8 text at byte {offset}", path = path.display())]
    NotText {
        /// Which.
        path: PathBuf,
        /// First bad byte.
        offset: usize,
    },
    /// The content was refused.
    #[error(transparent)]
    Refused(#[from] PolicyError),
    /// The policy could not be written as canonical JSON.
    #[error("digest of the policy: {0}")]
    Digest(#[from] serde_json::Error),
}

/// Reads `path` and then every `*.toml` in `dir` in name order, and merges them. A missing `dir` is an empty one.
///
/// # Errors
/// See [`LoadError`]; nothing is half applied.
pub fn load(path: &Path, dir: &Path) -> Result<Loaded, LoadError> {
    let mut files = vec![path.to_owned()];
    match std::fs::read_dir(dir) {
        Ok(entries) => {
            let mut found = Vec::new();
            for entry in entries {
                let entry = entry.map_err(|source| LoadError::Read { path: dir.into(), source })?;
                let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                if !hidden && entry.path().extension().is_some_and(|e| e == "toml") {
                    found.push(entry.path());
                }
            }
            found.sort();
            files.append(&mut found);
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(LoadError::Read { path: dir.into(), source }),
    }
    load_files(files)
}

/// Loads the installed policy: [`crate::paths::POLICY`] and [`crate::paths::POLICY_DIR`].
///
/// # Errors
/// See [`load`].
pub fn load_installed() -> Result<Loaded, LoadError> {
    load(Path::new(crate::paths::POLICY), Path::new(crate::paths::POLICY_DIR))
}

/// Reads exactly these files, in this order.
///
/// # Errors
/// See [`load`].
pub fn load_files(files: Vec<PathBuf>) -> Result<Loaded, LoadError> {
    let texts = files.iter().map(|file| text(file)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    let documents: Vec<_> = names.iter().zip(&texts).map(|(file, text)| Document { file, text }).collect();
    let policy = Policy::merge(&documents)?;
    let sha256 = digest::of_policy(&policy)?;
    Ok(Loaded { policy, sha256, files })
}

fn text(path: &Path) -> Result<String, LoadError> {
    use std::io::Read;
    let failed = |source| LoadError::Read { path: path.into(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LIMIT {
        return Err(LoadError::TooLarge { path: path.into() });
    }
    String::from_utf8(bytes)
        .map_err(|e| LoadError::NotText { path: path.into(), offset: e.utf8_error().valid_up_to() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_read_in_name_order_after_the_main_file() {
        let dir = tempfile::tempdir().unwrap();
        let main = dir.path().join("policy.toml");
        let more = dir.path().join("policy.d");
        std::fs::write(&main, "version = 1\n[site]\nname = \"a\"\n").unwrap();
        let alone = load(&main, &more).unwrap();
        assert_eq!(alone.policy.site.name, "a");
        std::fs::create_dir(&more).unwrap();
        std::fs::write(more.join("20.toml"), "[site]\nname = \"c\"\n").unwrap();
        std::fs::write(more.join("10.toml"), "[site]\nname = \"b\"\n[counts]\nminimum = 12\n").unwrap();
        std::fs::write(more.join(".10.toml.swp"), "garbage").unwrap();
        std::fs::write(more.join("README"), "garbage").unwrap();
        let all = load(&main, &more).unwrap();
        assert_eq!((all.policy.site.name.as_str(), all.policy.counts.minimum), ("c", 12));
        assert_eq!(all.files.len(), 3);
        assert_ne!(alone.sha256, all.sha256);
    }

    #[test]
    fn the_digest_is_of_the_meaning_not_of_the_spelling() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::write(&a, "version = 1\n").unwrap();
        std::fs::write(&b, "# the default, spelled out\nversion = 1\n[counts]\nminimum = 10\n").unwrap();
        assert_eq!(load_files(vec![a]).unwrap().sha256, load_files(vec![b]).unwrap().sha256);
    }

    #[test]
    fn a_file_that_is_missing_or_not_text_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.toml");
        let missing = load(&path, dir.path()).unwrap_err().to_string();
        assert!(missing.contains("policy.toml"), "{missing}");
        std::fs::write(&path, b"version = 1\n\xff").unwrap();
        assert!(matches!(load(&path, Path::new("/nonexistent")), Err(LoadError::NotText { offset: 12, .. })));
    }
}
