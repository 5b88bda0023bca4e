//! The release bag: BagIt (RFC 8493) that stock tools verify, with everything that led to it.
//!
//! ```text
//! bagit.txt  bag-info.txt
//! data/ro-crate-metadata.json       Five Safes RO-Crate
//! data/results/…                    the released files
//! manifest-sha512.txt               digests of everything in data/
//! findings.json                     the inspection's report; its SHA-256 is in the statement
//! decision/statement.txt  .sig      what the officer signed, and the signature
//! decision/allowed_signers          the officer's key and certificate window
//! release.json                      the ledger's entry; names the digest of manifest-sha512.txt
//! release.tlog-proof                that the entry is in the ledger
//! allowed_signers  VERIFY.txt       the node's key; the commands, in English and Japanese
//! tagmanifest-sha512.txt  .sig      digests of everything outside data/, signed by the node
//! ```
//!
//! Invariant: file names on disk need no escaping by `sha512sum` nor by BagIt, so both read the manifests alike.

mod instructions;
mod metadata;
mod verify;
mod write;

pub use verify::{Step, Trust, Verified, verify};
pub use write::{payload_manifest, write};

use crate::note::NoteError;
use crate::sshsig::SignatureError;
use crate::statement::{Statement, StatementError};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

const MANIFEST: &str = "manifest-sha512.txt";
const TAG_MANIFEST: &str = "tagmanifest-sha512.txt";
const SIGNATURE: &str = "tagmanifest-sha512.txt.sig";
const SIGNERS: &str = "allowed_signers";
const STATEMENT: &str = "decision/statement.txt";
const STATEMENT_SIGNATURE: &str = "decision/statement.txt.sig";
const OFFICER: &str = "decision/allowed_signers";
const FINDINGS: &str = "findings.json";
const ENTRY: &str = "release.json";
const PROOF: &str = "release.tlog-proof";
const METADATA: &str = "data/ro-crate-metadata.json";

/// One released file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Its name inside the request.
    pub name: String,
    /// SHA-256, hex.
    pub sha256: String,
    /// SHA-512, hex.
    pub sha512: String,
    /// Size.
    pub bytes: u64,
}

/// A person or body, as a recipient should read it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Short id.
    pub id: String,
    /// Name.
    pub name: String,
}

/// What a bag is made of, besides the bytes.
#[derive(Debug, Clone)]
pub struct Bag {
    /// Principal of the node's signature: its name, or `sekisho`.
    pub principal: String,
    /// The decision, as signed.
    pub statement: Statement,
    /// Its armoured signature.
    pub signature: String,
    /// Project id and title.
    pub project: Named,
    /// Institution.
    pub institution: Named,
    /// Officer.
    pub officer: Named,
    /// The officer's public key.
    pub officer_key: String,
    /// First day of the officer's certificate.
    pub certified_on: Date,
    /// First day on which it no longer held or holds.
    pub certified_before: Date,
    /// The node's own date at the decision.
    pub decided_on: Date,
    /// When it was released.
    pub released: Timestamp,
    /// The files.
    pub files: Vec<Payload>,
    /// Canonical JSON of the inspection's report.
    pub findings: String,
}

/// The ledger's entry about a release: binds the request, the decision and the payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseEntry {
    /// Always `released`.
    pub kind: String,
    /// When, RFC 3339.
    pub time: String,
    /// Request id.
    pub request: String,
    /// Project id.
    pub project: String,
    /// Officer who decided.
    pub officer: String,
    /// The node's own date at the decision.
    pub day: Date,
    /// SHA-256 of the statement, hex.
    pub statement_sha256: String,
    /// SHA-512 of `manifest-sha512.txt`, hex: the digest of everything in `data/`.
    pub manifest_sha512: String,
}

/// Why a bag could not be written or is not what it claims.
#[derive(Debug, thiserror::Error)]
pub enum BagError {
    /// The disk refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The archived bytes are not those of the digest.
    #[error("the archived copy of `{name}` no longer has its digest")]
    Archive {
        /// Name inside the request.
        name: String,
    },
    /// A file differs from its manifest.
    #[error("{0}: the content is not what was released")]
    Changed(String),
    /// A file of the manifest is missing.
    #[error("{0}: missing")]
    Missing(String),
    /// Something is there that no manifest names, or that is not a plain file.
    #[error("{0}: does not belong in the bag")]
    Extra(String),
    /// A file does not have the form it should have.
    #[error("{file}: {what}")]
    Malformed {
        /// File in the bag.
        file: &'static str,
        /// What is wrong.
        what: String,
    },
    /// The node's signature.
    #[error("tagmanifest-sha512.txt.sig: {0}")]
    NodeSignature(SignatureError),
    /// The officer's signature.
    #[error("decision/statement.txt.sig: {0}")]
    OfficerSignature(SignatureError),
    /// The statement.
    #[error("decision/statement.txt: {0}")]
    Statement(#[from] StatementError),
    /// The ledger's proof.
    #[error("release.tlog-proof: {0}")]
    Proof(#[from] NoteError),
    /// Two parts of the bag contradict each other.
    #[error("{0}")]
    Contradiction(&'static str),
}

/// The name a released file has on disk: nothing in it that a shell, `sha512sum`, BagIt or a terminal would read as
/// something else. `=` introduces a byte in hex; names that would be too long end in a digest of themselves.
pub fn file_name(name: &str) -> String {
    const LONGEST: usize = 200;
    let plain =
        |c: char| (c.is_alphanumeric() && !crate::escape::invisible(c)) || "._-+@, ()[]#~".contains(c);
    let edges = name.char_indices().next_back().map_or(0, |(at, _)| at);
    let mut out = String::new();
    for (at, c) in name.char_indices() {
        let edge = (at == 0 && (c == '.' || c == ' ' || c == '-')) || (at == edges && (c == ' ' || c == '.'));
        if plain(c) && !edge {
            out.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                out.push_str(&format!("={byte:02X}"));
            }
        }
    }
    if out.len() > LONGEST {
        let mut end = LONGEST - 20;
        while !out.is_char_boundary(end) {
            end -= 1;
        }
        out.truncate(end);
        let digest = hex(ring::digest::digest(&ring::digest::SHA256, name.as_bytes()).as_ref());
        out.push_str("=-");
        out.push_str(&digest[..16]);
    }
    out
}

/// The principal of the node's signature: its name without what `allowed_signers` reads as structure.
pub fn principal(site: &str) -> String {
    let kept: String = site.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.@".contains(*c)).collect();
    if kept.is_empty() { "sekisho".into() } else { kept }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn sha512(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA512, bytes).as_ref())
}

fn sha256(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in ["table1.tsv", "頻度 表.tsv", "a-b", "x (1).csv"] {
            assert_eq!(file_name(name), name);
        }
        assert_eq!(file_name("a\nb"), "a=0Ab");
        assert_eq!(file_name("../x"), "=2E.=2Fx");
        assert_eq!(file_name("a=0Ab"), "a=3D0Ab");
    }

    proptest! {
        #[test]
        fn no_name_escapes_its_directory_or_its_line(name in any::<String>()) {
            let on_disk = file_name(&name);
            prop_assert!(on_disk.len() <= 255);
            prop_assert!(!on_disk.chars().any(|c| c.is_control() || "/\\%\"'`$&;|<>*?".contains(c)));
            prop_assert!(on_disk != "." && on_disk != "..");
        }

        #[test]
        fn two_names_stay_two(a in ".{0,120}", b in ".{0,120}") {
            prop_assume!(a != b);
            prop_assert_ne!(file_name(&a), file_name(&b));
        }
    }
}
