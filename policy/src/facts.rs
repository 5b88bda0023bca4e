//! What an inspector found in a file: evidence, bounded in size, without judgement.

use serde::{Deserialize, Serialize};

/// Facts about one file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileFacts {
    /// The name given in the job.
    pub path: String,
    /// SHA-256 of every byte read, hex.
    pub sha256: String,
    /// Number of bytes.
    pub bytes: u64,
    /// What the file was understood to be.
    pub kind: String,
    /// How much was understood, in words.
    pub coverage: String,
    /// What could not be read or understood. Never empty when `coverage` is not whole.
    pub problems: Vec<String>,
}

impl FileFacts {
    /// The facts of a file whose inspector died, timed out or spoke nonsense: "could not check" is never `pass`.
    pub fn unreadable(path: &str, sha256: &str, bytes: u64, why: &str) -> Self {
        Self {
            path: path.into(),
            sha256: sha256.into(),
            bytes,
            kind: "unknown".into(),
            coverage: "not read".into(),
            problems: vec![why.into()],
        }
    }
}
