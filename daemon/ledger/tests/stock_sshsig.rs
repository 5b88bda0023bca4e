//! Our signatures in the hands of the stock `ssh-keygen`, and its signatures in ours.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use sekisho_ledger::sshsig::{self, SignatureError, SigningKey};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const NAMESPACE: &str = sekisho_ledger::DECISION_NAMESPACE;

fn keygen(dir: &Path, name: &str, kind: &str) -> String {
    let path = dir.join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", "", "-C", "a comment", "-f"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    std::fs::read_to_string(path.with_extension("pub")).unwrap()
}

fn stock_sign(dir: &Path, name: &str, namespace: &str, message: &[u8]) -> String {
    let file = dir.join("message");
    std::fs::write(&file, message).unwrap();
    let _ = std::fs::remove_file(dir.join("message.sig"));
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
        .arg(dir.join(name))
        .arg(&file)
        .output();
    assert!(signed.unwrap().status.success());
    std::fs::read_to_string(dir.join("message.sig")).unwrap()
}

fn stock_verify(dir: &Path, key: &str, namespace: &str, message: &[u8], signature: &str) -> bool {
    std::fs::write(dir.join("allowed"), format!("node namespaces=\"{namespace}\" {key}\n")).unwrap();
    std::fs::write(dir.join("sig"), signature).unwrap();
    let mut child = Command::new("ssh-keygen")
        .args(["-Y", "verify", "-I", "node", "-n", namespace, "-f"])
        .arg(dir.join("allowed"))
        .arg("-s")
        .arg(dir.join("sig"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(message).unwrap();
    child.wait().unwrap().success()
}

#[test]
fn ssh_keygen_accepts_what_we_sign_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (key, _) = SigningKey::generate("node").unwrap();
    let public = key.public_openssh().unwrap();
    let signature = key.sign(NAMESPACE, b"bytes").unwrap();
    assert!(stock_verify(dir.path(), &public, NAMESPACE, b"bytes", &signature));
    assert!(!stock_verify(dir.path(), &public, NAMESPACE, b"Bytes", &signature));
    assert!(!stock_verify(dir.path(), &public, "file", b"bytes", &signature));
}

#[test]
fn we_accept_what_ssh_keygen_signs_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let public = keygen(dir.path(), "officer", "ed25519");
    let other = keygen(dir.path(), "other", "ed25519");
    let signature = stock_sign(dir.path(), "officer", NAMESPACE, b"bytes");
    sshsig::verify(&public, NAMESPACE, b"bytes", &signature).unwrap();
    assert_eq!(sshsig::verify(&public, NAMESPACE, b"Bytes", &signature), Err(SignatureError::Invalid));
    assert!(matches!(
        sshsig::verify(&other, NAMESPACE, b"bytes", &signature),
        Err(SignatureError::OtherKey { .. })
    ));
    let file = stock_sign(dir.path(), "officer", "file", b"bytes");
    assert!(matches!(
        sshsig::verify(&public, NAMESPACE, b"bytes", &file),
        Err(SignatureError::Namespace { .. })
    ));
}

#[test]
fn an_rsa_key_is_not_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let public = keygen(dir.path(), "rsa", "rsa");
    let signature = stock_sign(dir.path(), "rsa", NAMESPACE, b"bytes");
    assert!(matches!(
        sshsig::verify(&public, NAMESPACE, b"bytes", &signature),
        Err(SignatureError::KeyType(_))
    ));
}

#[test]
fn every_flipped_bit_of_a_signature_is_noticed() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let (key, _) = SigningKey::generate("node").unwrap();
    let public = key.public_openssh().unwrap();
    let armoured = key.sign(NAMESPACE, b"bytes").unwrap();
    let body: String = armoured.lines().filter(|l| !l.starts_with("-----")).collect();
    let raw = BASE64_STANDARD.decode(body).unwrap();
    for bit in 0..raw.len() * 8 {
        let mut bytes = raw.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let body = BASE64_STANDARD.encode(&bytes);
        let lines: Vec<_> = body.as_bytes().chunks(70).map(|c| std::str::from_utf8(c).unwrap()).collect();
        let text =
            format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"));
        sshsig::verify(&public, NAMESPACE, b"bytes", &text).expect_err("a changed signature");
    }
}

#[test]
fn a_key_file_is_an_ordinary_openssh_key_file() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let (key, file) = SigningKey::generate("sekisho node").unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, &file).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let shown = Command::new("ssh-keygen").arg("-y").arg("-f").arg(&path).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(shown.trim(), format!("{} sekisho node", key.public_openssh().unwrap()));
    assert_eq!(SigningKey::from_openssh(&file).unwrap().public_bytes(), key.public_bytes());
    // And the other way round.
    let public = keygen(dir.path(), "stock", "ed25519");
    let stock =
        SigningKey::from_openssh(&std::fs::read_to_string(dir.path().join("stock")).unwrap()).unwrap();
    assert_eq!(sshsig::without_comment(&public).unwrap(), stock.public_openssh().unwrap());
}

/// A security key as PROTOCOL.u2f describes it, in software: there is none to touch here.
#[test]
fn a_security_key_counts_only_when_touched() {
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};
    use ssh_key::{Algorithm, HashAlg, LineEnding, PublicKey, Signature, SshSig};
    let digest = |b: &[u8]| ring::digest::digest(&ring::digest::SHA256, b);
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let raw: [u8; 32] = pair.public_key().as_ref().try_into().unwrap();
    let data = KeyData::SkEd25519(SkEd25519::new(Ed25519PublicKey(raw), "ssh:"));
    let public = PublicKey::from(data.clone()).to_openssh().unwrap();
    let sign = |flags: u8| {
        let covered = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, b"bytes").unwrap();
        let trailer = [flags, 0, 0, 0, 9];
        let signed = [digest(b"ssh:").as_ref(), &trailer, digest(&covered).as_ref()].concat();
        let bytes = [pair.sign(&signed).as_ref(), &trailer].concat();
        let signature = Signature::new(Algorithm::SkEd25519, bytes).unwrap();
        SshSig::new(data.clone(), NAMESPACE, HashAlg::Sha512, signature)
            .unwrap()
            .to_pem(LineEnding::LF)
            .unwrap()
    };
    sshsig::verify(&public, NAMESPACE, b"bytes", &sign(1)).unwrap();
    sshsig::verify(&public, NAMESPACE, b"bytes", &sign(5)).unwrap();
    assert_eq!(sshsig::verify(&public, NAMESPACE, b"bytes", &sign(0)), Err(SignatureError::NotTouched));
    assert_eq!(sshsig::verify(&public, NAMESPACE, b"other", &sign(1)), Err(SignatureError::Invalid));
    let dir = tempfile::tempdir().unwrap();
    assert!(stock_verify(dir.path(), &public, NAMESPACE, b"bytes", &sign(1)), "the stock tool agrees");
}
