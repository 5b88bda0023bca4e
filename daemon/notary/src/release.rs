//! From a verified approval to a visible bag, and on from wherever a crash left off.
//!
//! Life of a release: `decided` in the ledger → `released` in the ledger (names the payload's digest) → bag written and
//! fsynced under a hidden name → renamed → `published` in the ledger. Each step is done only if the ledger does not
//! already say so; the bag is the same bytes whenever it is built, except for the checkpoint in its proof.

use crate::entry::Own;
use crate::notary::{Notary, Trouble};
use crate::store::Kind;
use jiff::Timestamp;
use sekisho_ledger::bag::{self, Bag, Named, Payload, ReleaseEntry, Trust};
use sekisho_ledger::durable;
use sekisho_ledger::statement::Statement;
use sekisho_policy::Policy;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

fn at(path: &Path) -> impl FnOnce(io::Error) -> Trouble {
    let path = path.display().to_string();
    move |e| Trouble::Disk(path, e)
}

impl Notary {
    /// Finishes every approved request that is not published yet. One that cannot be finished now is tried again at the
    /// next start, or when the airlock asks again.
    pub(crate) fn finish_releases(&mut self) {
        let open: Vec<String> = self
            .book
            .requests()
            .filter(|(_, r)| r.decided.as_ref().is_some_and(|d| d.approved) && r.published.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        for id in open {
            match self.release(&id) {
                Ok((bag, _)) => tracing::info!("finished the release of {id}: {bag}"),
                Err(e) => tracing::error!("the release of {id} is still unfinished: {e}"),
            }
        }
    }

    /// Releases a request whose approval stands in the ledger; gives the bag's directory and the `released` index.
    pub(crate) fn release(&mut self, id: &str) -> Result<(String, u64), Trouble> {
        let request = self.book.request(id).cloned().unwrap_or_default();
        let Some(decided) = request.decided.clone().filter(|d| d.approved) else {
            return Err(Trouble::Ledger(format!("request {id} is not approved")));
        };
        if let (Some((index, ..)), Some(bag)) = (&request.released, &request.published) {
            return Ok((bag.clone(), *index));
        }
        self.gate_is_closed(id)?;
        let text = self
            .store
            .text(Kind::Statement, &decided.statement_sha256)
            .map_err(|e| Trouble::Disk("statement".into(), e))?;
        let statement = Statement::parse(&text).map_err(|e| Trouble::Ledger(e.to_string()))?;
        let released: Timestamp = match &request.released {
            Some((_, entry, _)) => entry.time.parse().map_err(|e| Trouble::Ledger(format!("{e}")))?,
            None => Self::now(),
        };
        let bag = self.bag(&request, statement, &decided, released)?;
        let (index, bytes) = match request.released {
            Some((index, _, bytes)) => (index, bytes),
            None => {
                let entry = ReleaseEntry {
                    kind: "released".into(),
                    time: released.to_string(),
                    request: id.into(),
                    project: request.project.clone(),
                    officer: bag.officer.id.clone(),
                    day: decided.day,
                    statement_sha256: decided.statement_sha256.clone(),
                    manifest_sha512: sha512_hex(bag::payload_manifest(&bag).as_bytes()),
                };
                let bytes = serde_json::to_vec(&entry).map_err(|e| Trouble::Ledger(e.to_string()))?;
                (self.append(&bytes)?, bytes)
            }
        };
        let path = self.publish(id, &request.project, &bag, index, &bytes)?;
        let shown = path.display().to_string();
        self.append_own(&Own::Published {
            time: Self::now().to_string(),
            request: id.into(),
            bag: shown.clone(),
        })?;
        Ok((shown, index))
    }

    fn publish(
        &self,
        id: &str,
        project: &str,
        bag: &Bag,
        index: u64,
        entry: &[u8],
    ) -> Result<PathBuf, Trouble> {
        let dir = self.project_dir(project)?;
        let path = dir.join(id);
        if path.exists() {
            // Renamed before a crash, `published` not yet written. Anything else in this place is not ours to replace.
            let key = self.key.public_openssh().map_err(|e| Trouble::Ledger(e.to_string()))?;
            let there = bag::verify(&path, &Trust::Given(key)).map_err(Trouble::Bag)?;
            let expected: Result<ReleaseEntry, _> = serde_json::from_slice(entry);
            return match expected {
                Ok(expected) if expected == there.entry => {
                    durable::sync_dir(&dir).map_err(at(&dir))?;
                    Ok(path)
                }
                _ => Err(Trouble::Ledger(format!("{} holds another bag", path.display()))),
            };
        }
        let unfinished = dir.join(format!(".{id}.unfinished"));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(at(&unfinished))?;
        }
        let proof = self.log.proof(index)?;
        let written = bag::write(&unfinished, bag, entry, &proof, &self.key, |file| {
            self.store.open_kept(Kind::Archive, &file.sha256)
        });
        let written = written
            .map_err(Trouble::Bag)
            .and_then(|()| fs::rename(&unfinished, &path).map_err(at(&path)))
            .and_then(|()| durable::sync_dir(&dir).map_err(at(&dir)));
        if written.is_err() {
            let _ = fs::remove_dir_all(&unfinished);
        }
        written.map(|()| path)
    }

    /// The project's release directory. Usually the administrator made it, with the project's group; otherwise it gets
    /// the group of the project's spool directory where we may give it.
    fn project_dir(&self, project: &str) -> Result<PathBuf, Trouble> {
        let dir = self.release_root.join(project);
        if !dir.is_dir() {
            fs::DirBuilder::new().mode(0o2750).create(&dir).map_err(at(&dir))?;
            if let Ok(spool) = fs::metadata(self.spool_root.join(project)) {
                let group = nix::unistd::Gid::from_raw(spool.gid());
                if let Err(e) = nix::unistd::chown(&dir, None, Some(group)) {
                    tracing::warn!(
                        "{}: group {group}: {e}; its members cannot read their bags",
                        dir.display()
                    );
                }
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o2750);
                fs::set_permissions(&dir, mode).map_err(at(&dir))?;
            }
            durable::sync_dir(&self.release_root).map_err(at(&self.release_root))?;
        }
        Ok(dir)
    }

    /// Everything the bag says, from the policy that was in force at the decision.
    fn bag(
        &self,
        request: &crate::book::Request,
        statement: Statement,
        decided: &crate::book::Decided,
        released: Timestamp,
    ) -> Result<Bag, Trouble> {
        let missing = |what: &str| Trouble::Ledger(format!("the decision's policy has no {what}"));
        let policy = self.policy_by_digest(&statement.policy_sha256)?;
        let project = policy.project(&statement.project).ok_or_else(|| missing("such project"))?;
        let institution =
            policy.institution(&project.institution).ok_or_else(|| missing("such institution"))?;
        let officer = policy.officer(&statement.officer).ok_or_else(|| missing("such officer"))?;
        let findings = self
            .store
            .text(Kind::Report, &statement.report_sha256)
            .map_err(|e| Trouble::Disk("report".into(), e))?;
        let mut files = Vec::new();
        for file in &statement.files {
            let held = request.held.get(&file.name).filter(|h| h.sha256 == file.sha256);
            let held = held.ok_or_else(|| Trouble::Ledger(format!("{} is not held", file.name)))?;
            files.push(Payload {
                name: held.name.clone(),
                sha256: held.sha256.clone(),
                sha512: held.sha512.clone(),
                bytes: held.bytes,
            });
        }
        let after = officer.valid_until.tomorrow().unwrap_or(officer.valid_until);
        Ok(Bag {
            principal: bag::principal(&policy.site.name),
            signature: decided.signature.clone(),
            project: Named { id: project.id.clone(), name: project.title.clone() },
            institution: Named { id: institution.id.clone(), name: institution.name.clone() },
            officer: Named { id: officer.id.clone(), name: officer.name.clone() },
            officer_key: officer.key.clone(),
            certified_on: officer.certified_on,
            certified_before: officer.revoked_on.map_or(after, |revoked| revoked.min(after)),
            decided_on: decided.day,
            released,
            files,
            findings,
            statement,
        })
    }

    fn policy_by_digest(&self, sha256: &str) -> Result<Policy, Trouble> {
        let text = self.store.text(Kind::Policy, sha256).map_err(|e| Trouble::Disk("policy".into(), e))?;
        serde_json::from_str(&text).map_err(|e| Trouble::Ledger(format!("policy {sha256}: {e}")))
    }
}

fn sha512_hex(bytes: &[u8]) -> String {
    sekisho_wire::digest::hex(ring::digest::digest(&ring::digest::SHA512, bytes).as_ref())
}
