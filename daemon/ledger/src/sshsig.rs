//! SSHSIG: what `ssh-keygen -Y sign` writes and `ssh-keygen -Y verify` reads.
//!
//! Formats by `ssh-key`, mathematics by `ring`. Keys are `ssh-ed25519` and `sk-ssh-ed25519@openssh.com`; for the latter
//! the token must have been touched.

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use ssh_key::public::{Ed25519PublicKey, KeyData};
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, Signature, SshSig};

/// Largest armoured signature read, bytes.
const LIMIT: usize = 16 << 10;
/// Flag of a security key: a person touched it.
const USER_PRESENT: u8 = 0x01;

/// Why a key or signature was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The public key is not one.
    #[error("public key: {0}")]
    PublicKey(String),
    /// The private key is not one, or is encrypted.
    #[error("private key: {0}")]
    PrivateKey(String),
    /// Neither `ssh-ed25519` nor `sk-ssh-ed25519@openssh.com`.
    #[error("key type `{0}` is not accepted")]
    KeyType(String),
    /// The armour or what is in it cannot be read.
    #[error("signature: {0}")]
    Format(String),
    /// Made for another purpose.
    #[error("signature is for namespace `{found}`, not `{expected}`")]
    Namespace {
        /// What belongs there.
        expected: String,
        /// What it says.
        found: String,
    },
    /// Made by somebody else.
    #[error("signature was made by another key, {found}")]
    OtherKey {
        /// Fingerprint of the key that made it.
        found: String,
    },
    /// The security key was not touched.
    #[error("the security key says nobody touched it")]
    NotTouched,
    /// The signature does not fit the message.
    #[error("signature does not fit these bytes")]
    Invalid,
    /// No randomness.
    #[error("no randomness from the system")]
    Random,
}

/// Verifies an armoured signature over `message` by exactly `key` (an OpenSSH public key line) in exactly `namespace`.
///
/// # Errors
/// [`SignatureError`] naming what did not fit.
pub fn verify(key: &str, namespace: &str, message: &[u8], armoured: &str) -> Result<(), SignatureError> {
    let expected = public_key(key)?;
    if armoured.len() > LIMIT {
        return Err(SignatureError::Format("too long".into()));
    }
    let signature =
        SshSig::from_pem(armoured.as_bytes()).map_err(|e| SignatureError::Format(e.to_string()))?;
    // The decoder forgives wrong inner lengths; a signature has one text here.
    let again = signature.to_pem(LineEnding::LF).map_err(|e| SignatureError::Format(e.to_string()))?;
    if again.trim_end() != armoured.trim_end() {
        return Err(SignatureError::Format("not in the form ssh-keygen writes".into()));
    }
    if signature.version() != SshSig::VERSION || !signature.reserved().is_empty() {
        return Err(SignatureError::Format("unknown version or reserved data".into()));
    }
    if signature.namespace() != namespace {
        return Err(SignatureError::Namespace {
            expected: namespace.into(),
            found: signature.namespace().escape_debug().to_string(),
        });
    }
    if signature.public_key() != expected.key_data() {
        let found = signature.public_key().fingerprint(HashAlg::Sha256).to_string();
        return Err(SignatureError::OtherKey { found });
    }
    let signed = SshSig::signed_data(namespace, signature.hash_alg(), message)
        .map_err(|e| SignatureError::Format(e.to_string()))?;
    let raw = signature.signature();
    match expected.key_data() {
        KeyData::Ed25519(public) if raw.algorithm() == Algorithm::Ed25519 => {
            ed25519(&public.0, &signed, raw.as_bytes())
        }
        KeyData::SkEd25519(public) if raw.algorithm() == Algorithm::SkEd25519 => {
            let (bytes, trailer) = raw.as_bytes().split_at_checked(64).ok_or(SignatureError::Invalid)?;
            if trailer.len() != 5 {
                return Err(SignatureError::Invalid);
            }
            // PROTOCOL.u2f: SHA-256(application) ‖ flags ‖ counter ‖ SHA-256(message).
            let mut covered = sha256(public.application().as_bytes()).to_vec();
            covered.extend_from_slice(trailer);
            covered.extend_from_slice(&sha256(&signed));
            ed25519(&public.public_key().0, &covered, bytes)?;
            let touched = trailer.first().is_some_and(|flags| flags & USER_PRESENT != 0);
            if touched { Ok(()) } else { Err(SignatureError::NotTouched) }
        }
        _ => Err(SignatureError::KeyType(raw.algorithm().as_str().to_owned())),
    }
}

/// Fingerprint of a public key line, as `ssh-keygen -l` prints it.
///
/// # Errors
/// When it is not an accepted public key.
pub fn fingerprint(key: &str) -> Result<String, SignatureError> {
    Ok(public_key(key)?.fingerprint(HashAlg::Sha256).to_string())
}

/// The raw 32 bytes of an `ssh-ed25519` public key line.
///
/// # Errors
/// When it is not one.
pub fn ed25519_bytes(key: &str) -> Result<[u8; 32], SignatureError> {
    match public_key(key)?.key_data() {
        KeyData::Ed25519(public) => Ok(public.0),
        other => Err(SignatureError::KeyType(other.algorithm().as_str().to_owned())),
    }
}

/// A public key line with type and key only, comment removed.
///
/// # Errors
/// When it is not an accepted public key.
pub fn without_comment(key: &str) -> Result<String, SignatureError> {
    let bare = PublicKey::from(public_key(key)?.key_data().clone());
    bare.to_openssh().map_err(|e| SignatureError::PublicKey(e.to_string()))
}

fn public_key(key: &str) -> Result<PublicKey, SignatureError> {
    let key = PublicKey::from_openssh(key).map_err(|e| SignatureError::PublicKey(e.to_string()))?;
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::SkEd25519 => Ok(key),
        other => Err(SignatureError::KeyType(other.as_str().to_owned())),
    }
}

fn ed25519(key: &[u8; 32], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    UnparsedPublicKey::new(&ED25519, key).verify(message, signature).map_err(|_| SignatureError::Invalid)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    out
}

/// The node's signing key: one Ed25519 pair for bags (SSHSIG) and checkpoints (signed note).
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", hex(self.public_bytes()))
    }
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl SigningKey {
    /// Makes a new key; gives it and the text of its unencrypted OpenSSH private key file.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate(comment: &str) -> Result<(Self, String), SignatureError> {
        use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey, KeypairData};
        let mut seed = [0; 32];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut seed)
            .map_err(|_| SignatureError::Random)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed)
            .map_err(|e| SignatureError::PrivateKey(e.to_string()))?;
        let key = Self { pair };
        let data = KeypairData::Ed25519(Ed25519Keypair {
            public: Ed25519PublicKey(key.public_bytes()),
            private: Ed25519PrivateKey::from_bytes(&seed),
        });
        let file = PrivateKey::new(data, comment)
            .and_then(|k| k.to_openssh(LineEnding::LF))
            .map_err(|e| SignatureError::PrivateKey(e.to_string()))?;
        Ok((key, file.to_string()))
    }

    /// Reads an unencrypted OpenSSH private key file of an Ed25519 key.
    ///
    /// # Errors
    /// When it is not one.
    pub fn from_openssh(text: &str) -> Result<Self, SignatureError> {
        let refuse = |e: &dyn std::fmt::Display| SignatureError::PrivateKey(e.to_string());
        let file = PrivateKey::from_openssh(text.as_bytes()).map_err(|e| refuse(&e))?;
        if file.is_encrypted() {
            return Err(refuse(&"encrypted with a passphrase"));
        }
        let data = file.key_data().ed25519();
        let data = data.ok_or_else(|| SignatureError::KeyType(file.algorithm().as_str().to_owned()))?;
        let pair = Ed25519KeyPair::from_seed_and_public_key(&data.private.to_bytes(), &data.public.0)
            .map_err(|e| refuse(&e))?;
        Ok(Self { pair })
    }

    /// The raw public key.
    pub fn public_bytes(&self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.pair.public_key().as_ref());
        out
    }

    /// The public key as an OpenSSH line without comment.
    ///
    /// # Errors
    /// Never in practice: the key is 32 bytes.
    pub fn public_openssh(&self) -> Result<String, SignatureError> {
        let key = PublicKey::from(KeyData::Ed25519(Ed25519PublicKey(self.public_bytes())));
        key.to_openssh().map_err(|e| SignatureError::PublicKey(e.to_string()))
    }

    /// A raw Ed25519 signature.
    pub fn sign_raw(&self, message: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        out.copy_from_slice(self.pair.sign(message).as_ref());
        out
    }

    /// An armoured SSHSIG over `message` in `namespace`, hash SHA-512 like `ssh-keygen`'s.
    ///
    /// # Errors
    /// When the namespace is empty.
    pub fn sign(&self, namespace: &str, message: &[u8]) -> Result<String, SignatureError> {
        let format = |e: ssh_key::Error| SignatureError::Format(e.to_string());
        let covered = SshSig::signed_data(namespace, HashAlg::Sha512, message).map_err(format)?;
        let raw = Signature::new(Algorithm::Ed25519, self.sign_raw(&covered).to_vec()).map_err(format)?;
        let public = KeyData::Ed25519(Ed25519PublicKey(self.public_bytes()));
        let signature = SshSig::new(public, namespace, HashAlg::Sha512, raw).map_err(format)?;
        let mut armoured = signature.to_pem(LineEnding::LF).map_err(format)?;
        if !armoured.ends_with('\n') {
            armoured.push('\n');
        }
        Ok(armoured)
    }
}
