//! A bag in the hands of stock tools, and what tampering does to it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use jiff::civil::date;
use sekisho_ledger::bag::{self, Bag, BagError, Named, Payload, ReleaseEntry, Trust};
use sekisho_ledger::log::Log;
use sekisho_ledger::note;
use sekisho_ledger::sshsig::SigningKey;
use sekisho_ledger::statement::{self, Decision, Statement};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn hex(algorithm: &'static ring::digest::Algorithm, bytes: &[u8]) -> String {
    ring::digest::digest(algorithm, bytes).as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

const CONTENT: [(&str, &[u8]); 3] =
    [("table 1.tsv", b"n\t120\n"), ("頻度.tsv", b"x\t0.25\n"), ("odd\nname%\\=.txt", b"")];

struct Made {
    dir: tempfile::TempDir,
    key: SigningKey,
    officer: SigningKey,
}

impl Made {
    fn new() -> Self {
        let made = Self {
            dir: tempfile::tempdir().unwrap(),
            key: SigningKey::generate("node").unwrap().0,
            officer: SigningKey::generate("officer").unwrap().0,
        };
        made.write(|_| ()).unwrap();
        made
    }

    fn bag(&self) -> PathBuf {
        self.dir.path().join("bag")
    }

    fn write(&self, change: impl Fn(&mut Bag)) -> Result<(), BagError> {
        let files: Vec<_> = CONTENT
            .iter()
            .map(|(name, bytes)| Payload {
                name: (*name).into(),
                sha256: hex(&ring::digest::SHA256, bytes),
                sha512: hex(&ring::digest::SHA512, bytes),
                bytes: bytes.len() as u64,
            })
            .collect();
        let findings = r#"{"files":[],"verdict":"review"}"#.to_owned();
        let statement = Statement {
            decision: Decision::Approve,
            site: "node".into(),
            request: "R-000001".into(),
            project: "demo".into(),
            institution: "hospital-a".into(),
            officer: "sato".into(),
            requester: "researcher".into(),
            policy_sha256: "0".repeat(64),
            report_sha256: hex(&ring::digest::SHA256, findings.as_bytes()),
            verdict: "review".into(),
            time: "2026-11-22T09:30:00Z".parse().unwrap(),
            files: files
                .iter()
                .map(|f| statement::File { name: f.name.clone(), sha256: f.sha256.clone(), bytes: f.bytes })
                .collect(),
            clauses: vec!["5-4(2)(i)".into()],
            reason: String::new(),
        };
        let text = statement.compose().unwrap();
        let named = |id: &str| Named { id: id.into(), name: format!("the {id}") };
        let mut bag = Bag {
            principal: bag::principal("node"),
            signature: self.officer.sign(sekisho_ledger::DECISION_NAMESPACE, text.as_bytes()).unwrap(),
            statement,
            project: named("demo"),
            institution: named("hospital-a"),
            officer: named("sato"),
            officer_key: format!("{} sato@hospital-a", self.officer.public_openssh().unwrap()),
            certified_on: date(2026, 4, 1),
            certified_before: date(2027, 4, 1),
            decided_on: date(2026, 11, 22),
            released: "2026-11-22T09:31:00Z".parse().unwrap(),
            files,
            findings,
        };
        change(&mut bag);
        let entry = ReleaseEntry {
            kind: "released".into(),
            time: bag.released.to_string(),
            request: bag.statement.request.clone(),
            project: bag.statement.project.clone(),
            officer: bag.statement.officer.clone(),
            day: bag.decided_on,
            statement_sha256: hex(&ring::digest::SHA256, bag.statement.compose().unwrap().as_bytes()),
            manifest_sha512: hex(&ring::digest::SHA512, bag::payload_manifest(&bag).as_bytes()),
        };
        let entry = serde_json::to_vec(&entry).unwrap();
        let ledger = tempfile::tempdir().unwrap();
        let mut log =
            Log::open(ledger.path(), &note::origin(&self.key.public_bytes()), &self.key, |_, _| ()).unwrap();
        log.append(b"{}", &self.key).unwrap();
        let index = log.append(&entry, &self.key).unwrap();
        let _ = fs::remove_dir_all(self.bag());
        bag::write(&self.bag(), &bag, &entry, &log.proof(index).unwrap(), &self.key, |file| {
            let (_, bytes) = CONTENT.iter().find(|(name, _)| *name == file.name).unwrap();
            let path = ledger.path().join("archived");
            fs::write(&path, bytes)?;
            fs::File::open(path)
        })
    }

    fn ours(&self) -> Result<bag::Verified, BagError> {
        bag::verify(&self.bag(), &Trust::Given(self.key.public_openssh().unwrap()))
    }

    /// The four commands of `VERIFY.txt`, taken from it and run as they stand.
    fn stock(&self, instructions: &str) -> bool {
        let commands: Vec<_> = instructions
            .lines()
            .filter_map(|l| l.strip_prefix("    "))
            .filter(|l| l.contains("keygen") || l.contains("sum"))
            .take(4)
            .collect();
        assert_eq!(commands.len(), 4);
        commands.iter().all(|command| {
            let out = Command::new("sh").arg("-c").arg(command).current_dir(self.bag()).output().unwrap();
            out.status.success()
        })
    }
}

fn all_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(all_files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn the_commands_in_verify_txt_accept_the_bag() {
    let made = Made::new();
    let instructions = fs::read_to_string(made.bag().join("VERIFY.txt")).unwrap();
    assert!(made.stock(&instructions), "{instructions}");
    assert!(instructions.contains("検証する方法"));
    let verified = made.ours().unwrap();
    assert_eq!(verified.steps.len(), 6);
    assert_eq!(verified.statement.officer, "sato");
    assert_eq!(verified.checkpoint.size, 2);
}

#[test]
fn every_changed_missing_or_added_file_is_noticed_by_us_and_by_stock_tools() {
    let made = Made::new();
    let instructions = fs::read_to_string(made.bag().join("VERIFY.txt")).unwrap();
    for file in all_files(&made.bag()) {
        let kept = fs::read(&file).unwrap();
        let mut changed = kept.clone();
        match changed.len() / 2 {
            0 => changed.push(b'x'),
            middle => changed[middle] ^= 1,
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        fs::write(&file, &changed).unwrap();
        assert!(made.ours().is_err(), "changed {}", file.display());
        assert!(!made.stock(&instructions), "stock tools, changed {}", file.display());
        fs::remove_file(&file).unwrap();
        assert!(made.ours().is_err(), "missing {}", file.display());
        assert!(!made.stock(&instructions), "stock tools, missing {}", file.display());
        fs::write(&file, &kept).unwrap();
        let renamed = file.with_file_name("renamed");
        fs::rename(&file, &renamed).unwrap();
        assert!(made.ours().is_err(), "renamed {}", file.display());
        fs::rename(&renamed, &file).unwrap();
    }
    made.ours().unwrap();
    for extra in ["extra", "data/extra", "data/results/extra", "decision/extra"] {
        fs::write(made.bag().join(extra), b"x").unwrap();
        assert!(matches!(made.ours(), Err(BagError::Extra(_))), "{extra}");
        fs::remove_file(made.bag().join(extra)).unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", made.bag().join("link")).unwrap();
    assert!(matches!(made.ours(), Err(BagError::Extra(_))));
}

#[test]
fn a_bag_signed_by_another_node_is_refused_unless_its_own_key_is_believed() {
    let made = Made::new();
    let other = SigningKey::generate("other").unwrap().0.public_openssh().unwrap();
    assert!(matches!(bag::verify(&made.bag(), &Trust::Given(other)), Err(BagError::NodeSignature(_))));
    let believed = bag::verify(&made.bag(), &Trust::InBag).unwrap();
    assert!(!believed.key_given);
    let signers = fs::read_to_string(made.bag().join("allowed_signers")).unwrap();
    assert!(bag::verify(&made.bag(), &Trust::Given(signers)).unwrap().key_given);
}

/// A node that signs nonsense (its key stolen, its code changed) is caught by the parts it cannot forge.
#[test]
fn parts_that_contradict_each_other_are_refused_though_the_node_signed_them() {
    let made = Made::new();
    made.write(|b| b.findings.push(' ')).unwrap();
    assert!(matches!(made.ours(), Err(BagError::Contradiction(_))), "findings the officer did not sign");
    made.write(|b| {
        b.files.pop();
    })
    .unwrap();
    assert!(matches!(made.ours(), Err(BagError::Contradiction(_))), "fewer files than approved");
    made.write(|b| {
        b.statement.files.pop();
        let text = b.statement.compose().unwrap();
        b.signature = made.officer.sign(sekisho_ledger::DECISION_NAMESPACE, text.as_bytes()).unwrap();
    })
    .unwrap();
    assert!(matches!(made.ours(), Err(BagError::Contradiction(_))), "more files than approved");
    made.write(|b| b.statement.reason = "changed after signing".into()).unwrap();
    assert!(matches!(made.ours(), Err(BagError::OfficerSignature(_))));
    made.write(|b| {
        b.signature = made.officer.sign("file", b.statement.compose().unwrap().as_bytes()).unwrap()
    })
    .unwrap();
    assert!(matches!(made.ours(), Err(BagError::OfficerSignature(_))), "signed for another purpose");
    made.write(|b| {
        b.statement.decision = Decision::Reject;
        let text = b.statement.compose().unwrap();
        b.signature = made.officer.sign(sekisho_ledger::DECISION_NAMESPACE, text.as_bytes()).unwrap();
    })
    .unwrap();
    assert!(matches!(made.ours(), Err(BagError::Contradiction(_))), "a rejection releases nothing");
}

#[test]
fn an_archive_that_changed_does_not_become_a_bag() {
    let made = Made::new();
    let refused = made.write(|b| b.files[0].sha512 = "0".repeat(128));
    assert!(matches!(refused, Err(BagError::Archive { .. })));
}

#[test]
fn the_crate_describes_every_file_and_the_check() {
    let made = Made::new();
    let text = fs::read_to_string(made.bag().join("data/ro-crate-metadata.json")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let graph = document["@graph"].as_array().unwrap();
    let of = |kind: &str| graph.iter().filter(|e| e["@type"] == kind).count();
    assert_eq!((of("File"), of("AssessAction"), of("Project")), (3, 1, 1));
    let root = graph.iter().find(|e| e["@id"] == "./").unwrap();
    for part in root["hasPart"].as_array().unwrap() {
        assert!(graph.iter().any(|e| e["@id"] == part["@id"]));
    }
}
