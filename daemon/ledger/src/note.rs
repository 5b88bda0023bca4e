//! Signed notes and checkpoints (C2SP `signed-note`, `tlog-checkpoint`) and offline proofs (C2SP `tlog-proof`).

use crate::merkle::{self, Hash};
use crate::sshsig::SigningKey;
use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use ring::signature::{ED25519, UnparsedPublicKey};

const ED25519_NOTE: u8 = 0x01;
const PROOF_TITLE: &str = "c2sp.org/tlog-proof@v1";

/// Why a note, checkpoint or proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It does not have the form.
    #[error("{what}: malformed at {at}")]
    Malformed {
        /// `checkpoint` or `proof`.
        what: &'static str,
        /// Which part.
        at: &'static str,
    },
    /// The log's name is another.
    #[error("checkpoint: of log `{found}`, not `{expected}`")]
    Origin {
        /// What was expected.
        expected: String,
        /// What it says.
        found: String,
    },
    /// No signature of this key fits.
    #[error("checkpoint: no valid signature by the log's key")]
    Signature,
    /// The proof does not lead to the checkpoint's root.
    #[error("proof: the entry is not entry {0} of the log at this checkpoint")]
    NotIncluded(u64),
}

fn malformed(what: &'static str, at: &'static str) -> NoteError {
    NoteError::Malformed { what, at }
}

/// The state of a log at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

/// The key's short id inside a note.
fn key_id(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let mut text = name.as_bytes().to_vec();
    text.extend_from_slice(&[b'\n', ED25519_NOTE]);
    text.extend_from_slice(public);
    let digest = ring::digest::digest(&ring::digest::SHA256, &text);
    let mut id = [0; 4];
    id.copy_from_slice(&digest.as_ref()[..4]);
    id
}

/// The name a log gets from its key: unique, and independent of what a site calls itself.
pub fn origin(public: &[u8; 32]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, public);
    let short: String = digest.as_ref().iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("sekisho-ledger/{short}")
}

/// The verifier key other C2SP tools take.
pub fn verifier_key(name: &str, public: &[u8; 32]) -> String {
    let id: String = key_id(name, public).iter().map(|b| format!("{b:02x}")).collect();
    let key = [&[ED25519_NOTE], public.as_slice()].concat();
    format!("{name}+{id}+{}", BASE64.encode(key))
}

impl Checkpoint {
    fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root))
    }

    /// The signed note.
    pub fn sign(&self, key: &SigningKey) -> String {
        let body = self.body();
        let mut raw = key_id(&self.origin, &key.public_bytes()).to_vec();
        raw.extend_from_slice(&key.sign_raw(body.as_bytes()));
        format!("{body}\n— {} {}\n", self.origin, BASE64.encode(raw))
    }

    /// Reads a signed note and checks that `public` signed it under the name `origin`. Signatures by others (witnesses)
    /// may stand beside it.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn verify(note: &str, origin: &str, public: &[u8; 32]) -> Result<Self, NoteError> {
        let (body, signatures) = note.split_once("\n\n").ok_or(malformed("checkpoint", "its signatures"))?;
        let body = format!("{body}\n");
        let checkpoint = Self::parse(&body)?;
        if checkpoint.origin != origin {
            return Err(NoteError::Origin { expected: origin.into(), found: checkpoint.origin });
        }
        if !signatures.ends_with('\n') {
            return Err(malformed("checkpoint", "its end"));
        }
        let id = key_id(origin, public);
        let mut signed = false;
        for line in signatures.lines() {
            let line = line.strip_prefix("— ").ok_or(malformed("checkpoint", "a signature"))?;
            let (name, raw) = line.split_once(' ').ok_or(malformed("checkpoint", "a signature"))?;
            let raw = BASE64.decode(raw).map_err(|_| malformed("checkpoint", "a signature"))?;
            let Some((given, raw)) = raw.split_at_checked(4) else {
                return Err(malformed("checkpoint", "a signature"));
            };
            if name == origin && given == id {
                // A known key with a wrong signature spoils the note.
                UnparsedPublicKey::new(&ED25519, public)
                    .verify(body.as_bytes(), raw)
                    .map_err(|_| NoteError::Signature)?;
                signed = true;
            }
        }
        if signed { Ok(checkpoint) } else { Err(NoteError::Signature) }
    }

    fn parse(body: &str) -> Result<Self, NoteError> {
        let mut lines = body.lines();
        let origin = lines.next().filter(|l| !l.is_empty()).ok_or(malformed("checkpoint", "line 1"))?;
        let size = lines.next().and_then(|l| l.parse().ok()).ok_or(malformed("checkpoint", "line 2"))?;
        let root = lines.next().and_then(hash).ok_or(malformed("checkpoint", "line 3"))?;
        let checkpoint = Self { origin: origin.into(), size, root };
        // No extension lines, no second spelling.
        if checkpoint.body() == body { Ok(checkpoint) } else { Err(malformed("checkpoint", "its text")) }
    }
}

fn hash(line: &str) -> Option<Hash> {
    BASE64.decode(line).ok()?.try_into().ok()
}

/// That an entry is in the log: index, path and the checkpoint it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The entry's index.
    pub index: u64,
    /// Inclusion proof.
    pub path: Vec<Hash>,
    /// Signed note.
    pub checkpoint: String,
}

impl Proof {
    /// The text of a `.tlog-proof` file.
    pub fn compose(&self) -> String {
        let mut out = format!("{PROOF_TITLE}\nindex {}\n", self.index);
        for hash in &self.path {
            out.push_str(&BASE64.encode(hash));
            out.push('\n');
        }
        out.push('\n');
        out.push_str(&self.checkpoint);
        out
    }

    /// Reads a `.tlog-proof` file.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(malformed("proof", "its checkpoint"))?;
        let mut lines = head.lines();
        if lines.next() != Some(PROOF_TITLE) {
            return Err(malformed("proof", "line 1"));
        }
        let index = lines.next().and_then(|l| l.strip_prefix("index ")?.parse().ok());
        let index = index.ok_or(malformed("proof", "its index"))?;
        let path = lines.map(hash).collect::<Option<Vec<_>>>().ok_or(malformed("proof", "a hash"))?;
        let proof = Self { index, path, checkpoint: checkpoint.to_owned() };
        if proof.compose() == text { Ok(proof) } else { Err(malformed("proof", "its text")) }
    }

    /// Checks that `entry` is in the log of this name and key; gives the checkpoint.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn verify(&self, entry: &[u8], origin: &str, public: &[u8; 32]) -> Result<Checkpoint, NoteError> {
        let checkpoint = Checkpoint::verify(&self.checkpoint, origin, public)?;
        let leaf = merkle::leaf(entry);
        if merkle::verify_inclusion(&leaf, self.index, checkpoint.size, &self.path, &checkpoint.root) {
            Ok(checkpoint)
        } else {
            Err(NoteError::NotIncluded(self.index))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published verifier key of the Go implementation's documentation.
    #[test]
    fn a_verifier_key_is_the_one_other_implementations_print() {
        let known = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let raw = BASE64.decode(known.rsplit_once('+').unwrap().1).unwrap();
        let public: [u8; 32] = raw[1..].try_into().unwrap();
        assert_eq!(verifier_key("PeterNeumann", &public), known);
    }

    #[test]
    fn a_checkpoint_holds_for_its_key_and_name_only() {
        let (key, _) = SigningKey::generate("a").unwrap();
        let (other, _) = SigningKey::generate("b").unwrap();
        let name = origin(&key.public_bytes());
        let checkpoint = Checkpoint { origin: name.clone(), size: 7, root: [3; 32] };
        let note = checkpoint.sign(&key);
        assert_eq!(Checkpoint::verify(&note, &name, &key.public_bytes()), Ok(checkpoint));
        assert_eq!(Checkpoint::verify(&note, &name, &other.public_bytes()), Err(NoteError::Signature));
        assert!(matches!(Checkpoint::verify(&note, "x", &key.public_bytes()), Err(NoteError::Origin { .. })));
        for changed in
            [note.replace("\n7\n", "\n8\n"), note.replace("\n7\n", "\n07\n"), note.trim_end().to_owned()]
        {
            Checkpoint::verify(&changed, &name, &key.public_bytes()).unwrap_err();
        }
        let witnessed = format!("{note}— witness.example AAAAAAAA\n");
        Checkpoint::verify(&witnessed, &name, &key.public_bytes()).unwrap();
    }

    #[test]
    fn a_proof_holds_for_its_entry_only() {
        let (key, _) = SigningKey::generate("a").unwrap();
        let public = key.public_bytes();
        let name = origin(&public);
        let mut tree = merkle::Tree::default();
        (0..9u8).for_each(|n| tree.push(merkle::leaf(&[n])));
        let checkpoint = Checkpoint { origin: name.clone(), size: 9, root: tree.root(9).unwrap() }.sign(&key);
        let proof = Proof { index: 4, path: tree.inclusion(4, 9).unwrap(), checkpoint };
        let read = Proof::parse(&proof.compose()).unwrap();
        assert_eq!(read, proof);
        assert_eq!(read.verify(&[4], &name, &public).unwrap().size, 9);
        assert_eq!(read.verify(&[5], &name, &public), Err(NoteError::NotIncluded(4)));
        assert!(Proof::parse(&proof.compose().replace("index 4", "index 04")).is_err());
    }
}
