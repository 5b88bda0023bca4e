//! Writing a bag.

use super::{
    Bag, BagError, ENTRY, FINDINGS, MANIFEST, METADATA, OFFICER, PROOF, Payload, SIGNATURE, SIGNERS,
    STATEMENT, STATEMENT_SIGNATURE, TAG_MANIFEST, file_name, hex, instructions, metadata, sha512,
};
use crate::durable;
use crate::escape::escape;
use crate::note::Proof;
use crate::sshsig::{self, SigningKey};
use crate::{DECISION_NAMESPACE, RELEASE_NAMESPACE};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FILE_MODE: u32 = 0o440;
const DIR_MODE: u32 = 0o750;

fn at(path: &Path) -> impl FnOnce(io::Error) -> BagError {
    let path = path.to_owned();
    |source| BagError::Io { path, source }
}

/// `manifest-sha512.txt`: known before anything is written, because the ledger's entry names its digest.
pub fn payload_manifest(bag: &Bag) -> String {
    let mut lines = BTreeMap::from([(METADATA.to_owned(), sha512(metadata::document(bag).as_bytes()))]);
    for file in &bag.files {
        lines.insert(payload_path(file), file.sha512.clone());
    }
    manifest(&lines)
}

fn payload_path(file: &Payload) -> String {
    format!("data/results/{}", file_name(&file.name))
}

fn manifest(lines: &BTreeMap<String, String>) -> String {
    lines.iter().map(|(path, digest)| format!("{digest}  {path}\n")).collect()
}

/// Writes the bag into `dir`, which must not exist, and makes all of it durable. `open` gives the archived bytes of a
/// file; they are hashed once more on the way.
///
/// # Errors
/// [`BagError`]; what was written so far is the caller's to remove.
pub fn write(
    dir: &Path,
    bag: &Bag,
    entry: &[u8],
    proof: &Proof,
    key: &SigningKey,
    mut open: impl FnMut(&Payload) -> io::Result<File>,
) -> Result<(), BagError> {
    for sub in ["", "data", "data/results", "decision"] {
        let path = dir.join(sub);
        fs::DirBuilder::new().mode(DIR_MODE).create(&path).map_err(at(&path))?;
    }
    for file in &bag.files {
        let path = dir.join(payload_path(file));
        copy(&path, file, open(file).map_err(at(&path))?)?;
    }
    put(dir, METADATA, metadata::document(bag).as_bytes())?;
    let tags = tags(bag, entry, proof, key)?;
    let mut digests = BTreeMap::new();
    for (path, text) in &tags {
        put(dir, path, text)?;
        digests.insert((*path).to_owned(), sha512(text));
    }
    let tag_manifest = manifest(&digests);
    put(dir, TAG_MANIFEST, tag_manifest.as_bytes())?;
    let signature = key.sign(RELEASE_NAMESPACE, tag_manifest.as_bytes()).map_err(BagError::NodeSignature)?;
    put(dir, SIGNATURE, signature.as_bytes())?;
    for sub in ["data/results", "data", "decision", ""] {
        let path: PathBuf = dir.join(sub);
        durable::sync_dir(&path).map_err(at(&path))?;
    }
    Ok(())
}

fn tags(
    bag: &Bag,
    entry: &[u8],
    proof: &Proof,
    key: &SigningKey,
) -> Result<BTreeMap<&'static str, Vec<u8>>, BagError> {
    let node_key = key.public_openssh().map_err(BagError::NodeSignature)?;
    let officer_key = sshsig::without_comment(&bag.officer_key).map_err(BagError::OfficerSignature)?;
    let fingerprint = sshsig::fingerprint(&node_key).map_err(BagError::NodeSignature)?;
    let window = (bag.certified_on.strftime("%Y%m%d"), bag.certified_before.strftime("%Y%m%d"));
    let officer = format!(
        "{} namespaces=\"{DECISION_NAMESPACE}\",valid-after=\"{}\",valid-before=\"{}\" {officer_key}\n",
        bag.officer.id, window.0, window.1
    );
    Ok(BTreeMap::from([
        ("bagit.txt", b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n".to_vec()),
        ("bag-info.txt", info(bag).into_bytes()),
        (MANIFEST, payload_manifest(bag).into_bytes()),
        (FINDINGS, bag.findings.clone().into_bytes()),
        (STATEMENT, bag.statement.compose()?.into_bytes()),
        (STATEMENT_SIGNATURE, bag.signature.clone().into_bytes()),
        (OFFICER, officer.into_bytes()),
        (ENTRY, entry.to_vec()),
        (PROOF, proof.compose().into_bytes()),
        (SIGNERS, signers_line(&bag.principal, &node_key).into_bytes()),
        ("VERIFY.txt", instructions::text(bag, &fingerprint).into_bytes()),
    ]))
}

/// The node's line for an `allowed_signers` file.
pub(super) fn signers_line(principal: &str, key: &str) -> String {
    format!("{principal} namespaces=\"{RELEASE_NAMESPACE}\" {key}\n")
}

fn info(bag: &Bag) -> String {
    let files = bag.files.len() + 1;
    let bytes = bag.files.iter().map(|f| f.bytes).sum::<u64>() + metadata::document(bag).len() as u64;
    format!(
        "Source-Organization: {}\nExternal-Identifier: {}\nExternal-Description: {}\nBagging-Date: {}\n\
         Bag-Software-Agent: Sekisho {}\nPayload-Oxum: {bytes}.{files}\n",
        escape(&bag.institution.name),
        escape(&bag.statement.request),
        escape(&bag.project.name),
        bag.released.strftime("%Y-%m-%d"),
        env!("CARGO_PKG_VERSION"),
    )
}

fn put(dir: &Path, path: &str, bytes: &[u8]) -> Result<(), BagError> {
    let path = dir.join(path);
    durable::write_new(&path, bytes, FILE_MODE).map_err(at(&path))
}

fn copy(path: &Path, file: &Payload, mut from: File) -> Result<(), BagError> {
    let mut to =
        OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path).map_err(at(path))?;
    let mut digest = ring::digest::Context::new(&ring::digest::SHA512);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = from.read(&mut buffer).map_err(at(path))?;
        let Some(part) = buffer.get(..n).filter(|p| !p.is_empty()) else { break };
        digest.update(part);
        to.write_all(part).map_err(at(path))?;
    }
    if hex(digest.finish().as_ref()) != file.sha512 {
        return Err(BagError::Archive { name: file.name.clone() });
    }
    to.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(FILE_MODE)).map_err(at(path))?;
    to.sync_all().map_err(at(path))
}
