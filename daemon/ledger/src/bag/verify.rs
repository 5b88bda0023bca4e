//! Reading a bag as a stranger: everything is checked, nothing is believed.

use super::{
    BagError, ENTRY, FINDINGS, MANIFEST, METADATA, OFFICER, PROOF, ReleaseEntry, SIGNATURE, SIGNERS,
    STATEMENT, STATEMENT_SIGNATURE, TAG_MANIFEST, file_name, hex, sha256, sha512,
};
use crate::note::{self, Checkpoint, Proof};
use crate::sshsig;
use crate::statement::{Decision, Statement};
use crate::{DECISION_NAMESPACE, RELEASE_NAMESPACE};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Largest tag file read into memory.
const TAG_LIMIT: u64 = 64 << 20;

/// Whose key the node's signature is held against.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The key that came with the bag: proves that nothing changed since it was signed, not who signed.
    InBag,
    /// Text of a public key file or an `allowed_signers` file got over another way.
    Given(String),
}

/// One thing that was verified, in the order of verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The node's signature over the tag manifest.
    NodeSignature,
    /// Every tag file, and no other.
    TagFiles,
    /// Every payload file, and no other.
    Payload,
    /// The officer's signature over the statement.
    OfficerSignature,
    /// The statement names exactly the released bytes and the findings beside them.
    Decision,
    /// The ledger's entry binds decision and payload, and is in the ledger at the checkpoint.
    Ledger,
}

/// What a bag turned out to be.
#[derive(Debug, Clone)]
pub struct Verified {
    /// What was verified.
    pub steps: Vec<Step>,
    /// Fingerprint of the key that signed the bag.
    pub node_fingerprint: String,
    /// Fingerprint of the key that signed the decision.
    pub officer_fingerprint: String,
    /// Was the node's key given by the verifier?
    pub key_given: bool,
    /// The decision.
    pub statement: Statement,
    /// The ledger's entry.
    pub entry: ReleaseEntry,
    /// The ledger at that moment.
    pub checkpoint: Checkpoint,
}

/// Verifies a bag directory.
///
/// # Errors
/// [`BagError`] naming the first thing that does not hold.
pub fn verify(dir: &Path, trust: &Trust) -> Result<Verified, BagError> {
    let present = walk(dir)?;
    let tag_manifest = text(dir, TAG_MANIFEST)?;
    let signature = text(dir, SIGNATURE)?;
    let in_bag = text(dir, SIGNERS)?;
    let (listed, key_given) = match trust {
        Trust::InBag => (in_bag.as_str(), false),
        Trust::Given(text) => (text.as_str(), true),
    };
    let node_key = signer(listed, &tag_manifest, &signature)?;

    let tags = manifest(TAG_MANIFEST, &tag_manifest)?;
    let payload = manifest(MANIFEST, &text(dir, MANIFEST)?)?;
    complete(&present, &tags, &payload)?;
    for (path, digest) in &tags {
        if sha512(&bytes(dir, path)?) != *digest {
            return Err(BagError::Changed(path.clone()));
        }
    }
    let mut results = BTreeMap::new();
    for (path, digest) in &payload {
        let (size, sha256, sha512) = hash_file(&dir.join(path), path)?;
        if sha512 != *digest {
            return Err(BagError::Changed(path.clone()));
        }
        results.insert(path.clone(), (size, sha256));
    }

    let statement_text = text(dir, STATEMENT)?;
    let statement = Statement::parse(&statement_text)?;
    let officer_key = officer_key(&text(dir, OFFICER)?, &statement.officer)?;
    sshsig::verify(
        &officer_key,
        DECISION_NAMESPACE,
        statement_text.as_bytes(),
        &text(dir, STATEMENT_SIGNATURE)?,
    )
    .map_err(BagError::OfficerSignature)?;
    decision(&statement, &mut results, &bytes(dir, FINDINGS)?)?;

    let entry_bytes = bytes(dir, ENTRY)?;
    let entry: ReleaseEntry = serde_json::from_slice(&entry_bytes)
        .map_err(|e| BagError::Malformed { file: ENTRY, what: e.to_string() })?;
    let bound = entry.kind == "released"
        && entry.request == statement.request
        && entry.project == statement.project
        && entry.officer == statement.officer
        && entry.statement_sha256 == sha256(statement_text.as_bytes())
        && entry.manifest_sha512 == sha512(&bytes(dir, MANIFEST)?);
    if !bound {
        return Err(BagError::Contradiction("release.json: speaks of another decision or other files"));
    }
    let public = sshsig::ed25519_bytes(&node_key).map_err(BagError::NodeSignature)?;
    let checkpoint =
        Proof::parse(&text(dir, PROOF)?)?.verify(&entry_bytes, &note::origin(&public), &public)?;

    let print = |key: &str| sshsig::fingerprint(key).map_err(BagError::NodeSignature);
    use Step::{Decision, Ledger, NodeSignature, OfficerSignature, Payload, TagFiles};
    Ok(Verified {
        steps: vec![NodeSignature, TagFiles, Payload, OfficerSignature, Decision, Ledger],
        node_fingerprint: print(&node_key)?,
        officer_fingerprint: print(&officer_key)?,
        key_given,
        statement,
        entry,
        checkpoint,
    })
}

/// The first key in the text (of a `.pub` or `allowed_signers` file) that signed the tag manifest.
fn signer(listed: &str, tag_manifest: &str, signature: &str) -> Result<String, BagError> {
    let mut refusal = None;
    for key in listed.lines().filter_map(key_in_line) {
        match sshsig::verify(&key, RELEASE_NAMESPACE, tag_manifest.as_bytes(), signature) {
            Ok(()) => return Ok(key),
            Err(e) => refusal = Some(e),
        }
    }
    Err(refusal.map_or_else(
        || BagError::Malformed { file: SIGNERS, what: "no key of an accepted type".into() },
        BagError::NodeSignature,
    ))
}

/// The key in a line, whatever stands before or after it.
fn key_in_line(line: &str) -> Option<String> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let words: Vec<_> = line.split_whitespace().collect();
    let at = words.iter().position(|w| *w == "ssh-ed25519" || *w == "sk-ssh-ed25519@openssh.com")?;
    Some(format!("{} {}", words.get(at)?, words.get(at + 1)?))
}

fn officer_key(signers: &str, officer: &str) -> Result<String, BagError> {
    let line = signers.lines().next().filter(|_| signers.lines().count() == 1);
    line.filter(|l| l.split(' ').next() == Some(officer))
        .and_then(key_in_line)
        .ok_or(BagError::Malformed { file: OFFICER, what: "not one line for the officer who decided".into() })
}

fn decision(
    statement: &Statement,
    results: &mut BTreeMap<String, (u64, String)>,
    findings: &[u8],
) -> Result<(), BagError> {
    if statement.decision != Decision::Approve {
        return Err(BagError::Contradiction("decision/statement.txt: the officer did not approve"));
    }
    if statement.report_sha256 != sha256(findings) {
        return Err(BagError::Contradiction("findings.json: not the report the officer signed"));
    }
    results.remove(METADATA);
    for file in &statement.files {
        let path = format!("data/results/{}", file_name(&file.name));
        if results.remove(&path) != Some((file.bytes, file.sha256.clone())) {
            return Err(BagError::Contradiction("data/results: not exactly the files the officer approved"));
        }
    }
    if results.is_empty() {
        Ok(())
    } else {
        Err(BagError::Contradiction("data/results: more files than the officer approved"))
    }
}

/// Exactly what the manifests name is there; the tag manifest names every part a bag must have.
fn complete(
    present: &BTreeSet<String>,
    tags: &BTreeMap<String, String>,
    payload: &BTreeMap<String, String>,
) -> Result<(), BagError> {
    let parts =
        ["bagit.txt", MANIFEST, SIGNERS, STATEMENT, STATEMENT_SIGNATURE, OFFICER, FINDINGS, ENTRY, PROOF];
    if let Some(part) = parts.iter().find(|p| !tags.contains_key(**p)) {
        return Err(BagError::Missing(format!("tagmanifest-sha512.txt: {part}")));
    }
    if !payload.contains_key(METADATA) {
        return Err(BagError::Missing(format!("manifest-sha512.txt: {METADATA}")));
    }
    let own = [TAG_MANIFEST.to_owned(), SIGNATURE.to_owned()];
    let named: BTreeSet<_> = tags.keys().chain(payload.keys()).chain(&own).cloned().collect();
    if let Some(extra) = present.difference(&named).next() {
        return Err(BagError::Extra(extra.clone()));
    }
    match named.difference(present).next() {
        Some(missing) => Err(BagError::Missing(missing.clone())),
        None => Ok(()),
    }
}

fn manifest(file: &'static str, text: &str) -> Result<BTreeMap<String, String>, BagError> {
    let malformed =
        |line: &str| BagError::Malformed { file, what: format!("line `{}`", line.escape_debug()) };
    let mut lines = BTreeMap::new();
    for line in text.lines() {
        let (digest, path) = line.split_once("  ").ok_or_else(|| malformed(line))?;
        let hex =
            digest.len() == 128 && digest.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase());
        let inside = path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        let right_side = path.starts_with("data/") == (file == MANIFEST);
        let taken = lines.insert(path.to_owned(), digest.to_owned()).is_some();
        if !hex || !inside || !right_side || taken {
            return Err(malformed(line));
        }
    }
    Ok(lines)
}

/// Every file below `dir`, as relative paths; anything but plain files and directories is refused.
fn walk(dir: &Path) -> Result<BTreeSet<String>, BagError> {
    let mut found = BTreeSet::new();
    let mut stack = vec![(dir.to_owned(), String::new())];
    while let Some((path, prefix)) = stack.pop() {
        let failed = |source| BagError::Io { path: path.clone(), source };
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(BagError::Extra(format!("{prefix}{}", name.to_string_lossy())));
            };
            let relative = format!("{prefix}{name}");
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                stack.push((entry.path(), format!("{relative}/")));
            } else if kind.is_file() {
                found.insert(relative);
            } else {
                return Err(BagError::Extra(relative));
            }
        }
    }
    Ok(found)
}

fn bytes(dir: &Path, name: &str) -> Result<Vec<u8>, BagError> {
    let path = dir.join(name);
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|f| f.take(TAG_LIMIT).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(BagError::Missing(name.into())),
        Err(source) => Err(BagError::Io { path, source }),
    }
}

fn text(dir: &Path, name: &'static str) -> Result<String, BagError> {
    String::from_utf8(bytes(dir, name)?)
        .map_err(|_| BagError::Malformed { file: name, what: "not UTF-8".into() })
}

fn hash_file(path: &Path, name: &str) -> Result<(u64, String, String), BagError> {
    use ring::digest::{Context, SHA256, SHA512};
    let failed = |source| BagError::Io { path: path.to_owned(), source };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(BagError::Missing(name.into())),
        Err(e) => return Err(failed(e)),
    };
    let (mut short, mut long) = (Context::new(&SHA256), Context::new(&SHA512));
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let n = file.read(&mut buffer).map_err(failed)?;
        let Some(part) = buffer.get(..n).filter(|p| !p.is_empty()) else { break };
        short.update(part);
        long.update(part);
        size += part.len() as u64;
    }
    Ok((size, hex(short.finish().as_ref()), hex(long.finish().as_ref())))
}
