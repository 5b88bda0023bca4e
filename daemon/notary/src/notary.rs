//! The notary's answers: one method per question.

use crate::RunArgs;
use crate::accounts::System;
use crate::book::Book;
use crate::custody::{self, CustodyError};
use crate::decide::{self, Facts, Refusal, no};
use crate::entry::{OWN, Own};
use crate::gate::RELEASE_WAITS;
use crate::policy::Source;
use crate::store::{Kind, Store};
use anyhow::Context;
use jiff::{Timestamp, Zoned};
use sekisho_ledger::bag::BagError;
use sekisho_ledger::log::{Log, LogError};
use sekisho_ledger::sshsig::SigningKey;
use sekisho_ledger::statement::{Decision, Statement};
use sekisho_ledger::{durable, note, sshsig};
use sekisho_policy::{RequestReport, canonical};
use sekisho_wire::digest::sha256_hex;
use sekisho_wire::heartbeat::Fault;
use sekisho_wire::notary::{Answer, Ask, Held};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Trouble on our side: nothing was lost, the airlock may ask again.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The disk refused.
    #[error("{0}: {1}")]
    Disk(String, std::io::Error),
    /// The ledger could not be extended.
    #[error("ledger: {0}")]
    Log(#[from] LogError),
    /// The bag could not be written.
    #[error("bag: {0}")]
    Bag(BagError),
    /// The gate is not known to be closed.
    #[error("the release waits: {0}")]
    Gate(Fault),
    /// The ledger and the store disagree.
    #[error("{0}")]
    Ledger(String),
}

/// No to the airlock, or trouble on our side.
pub enum Not {
    /// For good.
    Refused(Refusal),
    /// Somebody writes; later.
    Busy(&'static str),
    /// Ours.
    Trouble(Trouble),
}

impl From<Refusal> for Not {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<T: Into<Trouble>> From<T> for Not {
    fn from(trouble: T) -> Self {
        Self::Trouble(trouble.into())
    }
}

type Reply = Result<(Answer, Option<OwnedFd>), Not>;

/// Everything the notary holds.
pub struct Notary {
    pub(crate) key: SigningKey,
    pub(crate) log: Log,
    pub(crate) book: Book,
    pub(crate) store: Store,
    pub(crate) release_root: PathBuf,
    pub(crate) spool_root: PathBuf,
    spool: OwnedFd,
    pub(crate) policy: Source,
    pub(crate) watched: crate::gate::Watched,
}

impl Notary {
    /// Opens state and ledger and clears what a crash left.
    pub fn open(args: &RunArgs, key: SigningKey, policy: Source) -> anyhow::Result<Self> {
        let store = Store::open(&args.state).with_context(|| args.state.display().to_string())?;
        let mut book = Book::default();
        let mut unreadable = None;
        let origin = note::origin(&key.public_bytes());
        let log = Log::open(&args.state.join("ledger"), &origin, &key, |index, entry| {
            if let Err(e) = book.apply(index, entry) {
                unreadable.get_or_insert((index, e));
            }
        })
        .context("ledger")?;
        if let Some((index, e)) = unreadable {
            anyhow::bail!("ledger entry {index}: {e}\nhint: was the ledger written by a later version?");
        }
        let spool = File::open(&args.spool).with_context(|| args.spool.display().to_string())?.into();
        let mut notary = Self {
            key,
            log,
            book,
            store,
            release_root: args.release.clone(),
            spool_root: args.spool.clone(),
            spool,
            policy,
            watched: crate::gate::Watched::new(args),
        };
        notary.remove_orphans().context("archive")?;
        notary.keep_policy()?;
        notary.append_own(&Own::Started {
            time: Self::now().to_string(),
            version: env!("CARGO_PKG_VERSION").into(),
            key: sshsig::fingerprint(&notary.key.public_openssh()?)?,
            policy_sha256: notary.policy.in_force().sha256.clone(),
        })?;
        Ok(notary)
    }

    /// Entries in the ledger.
    pub fn size(&self) -> u64 {
        self.log.size()
    }

    /// Is the ledger's last write in doubt? Then only a new start can tell.
    pub fn in_doubt(&self) -> bool {
        self.log.in_doubt()
    }

    /// Now, to the millisecond.
    pub(crate) fn now() -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    /// Appends an entry and takes it into the book.
    pub(crate) fn append(&mut self, entry: &[u8]) -> Result<u64, Trouble> {
        let index = self.log.append(entry, &self.key)?;
        self.book.apply(index, entry).map_err(|e| Trouble::Ledger(e.to_string()))?;
        self.drop_checkpoint();
        Ok(index)
    }

    pub(crate) fn append_own(&mut self, entry: &Own) -> Result<u64, Trouble> {
        let bytes = serde_json::to_vec(entry).map_err(|e| Trouble::Ledger(e.to_string()))?;
        self.append(&bytes)
    }

    /// Copies the checkpoint to where the site keeps it off the node. A failure is reported and stops nothing: the next
    /// checkpoint contains this one.
    fn drop_checkpoint(&self) {
        let Some(dir) = &self.policy.in_force().policy.notary.checkpoint_drop else { return };
        let name = format!("checkpoint-{:012}", self.log.size());
        let path = Path::new(dir).join(name);
        if let Err(e) = durable::replace(&path, self.log.checkpoint().as_bytes(), 0o644) {
            tracing::error!("checkpoint not copied to {}: {e}", path.display());
        }
    }

    /// Keeps the policy's text under its digest, before any entry names it.
    fn keep_policy(&self) -> Result<(), Trouble> {
        let loaded = self.policy.in_force();
        let text = canonical::to_json(&loaded.policy).map_err(|e| Trouble::Ledger(e.to_string()))?;
        let kept = self.store.keep(Kind::Policy, text.as_bytes());
        kept.map(drop).map_err(|e| Trouble::Disk("policies".into(), e))
    }

    /// Reads the policy again; another one is recorded before it is followed.
    pub fn refresh_policy(&mut self) -> Result<(), Trouble> {
        if self.policy.refresh() {
            tracing::info!(policy = self.policy.in_force().sha256, "policy reloaded");
        }
        if self.book.policy_sha256() != Some(self.policy.in_force().sha256.as_str()) {
            self.keep_policy()?;
            let policy_sha256 = self.policy.in_force().sha256.clone();
            self.append_own(&Own::Policy { time: Self::now().to_string(), policy_sha256 })?;
        }
        Ok(())
    }

    /// Copies that were made but never recorded: the spool file is still there, so nothing is lost.
    fn remove_orphans(&self) -> std::io::Result<()> {
        let Some(archive) =
            self.store.path(Kind::Archive, "xx").parent().and_then(|p| p.parent()).map(PathBuf::from)
        else {
            return Ok(());
        };
        for prefix in fs::read_dir(archive)? {
            for file in fs::read_dir(prefix?.path())? {
                let path = file?.path();
                let known = path.file_name().and_then(|n| n.to_str()).is_some_and(|n| self.book.holds(n));
                if !known {
                    fs::remove_file(&path)?;
                }
            }
        }
        Ok(())
    }

    /// Answers one question. A refusal is recorded before it is given.
    pub fn answer(&mut self, ask: Ask) -> (Answer, Option<OwnedFd>) {
        let (word, request) = about(&ask);
        let not = match self.reply(ask) {
            Ok(reply) => return reply,
            Err(not) => not,
        };
        let trouble = match not {
            Not::Busy(reason) => return (Answer::Busy { reason: reason.into() }, None),
            Not::Refused(Refusal { reason, message, hint }) => {
                let entry = json!({"kind": "refused", "time": Self::now().to_string(), "by": "notary", "ask": word,
                    "request": request, "reason": reason, "message": message});
                match self.append(entry.to_string().as_bytes()) {
                    Ok(_) => return (Answer::Refused { reason: reason.into(), message, hint }, None),
                    Err(trouble) => trouble,
                }
            }
            Not::Trouble(Trouble::Gate(fault)) => return (Answer::Waits { fault }, None),
            Not::Trouble(trouble) => trouble,
        };
        tracing::error!("{word}: {trouble}");
        (Answer::Failed { message: trouble.to_string() }, None)
    }

    fn reply(&mut self, ask: Ask) -> Reply {
        let plain = |answer| Ok((answer, None));
        match ask {
            Ask::TakeCustody { request, project, name } => {
                plain(Answer::Custody(self.take_custody(request, project, &name)?))
            }
            Ask::OpenHeld { sha256 } => self.open_held(&sha256),
            Ask::RecordInspection { request, report } => {
                plain(Answer::Recorded { index: self.record_inspection(request, &report)? })
            }
            Ask::Record { request, kind, actor, detail } => {
                plain(Answer::Recorded { index: self.record(request.as_deref(), &kind, &actor, &detail)? })
            }
            Ask::Decide { request, statement, signature } => {
                plain(self.decide(&request, &statement, &signature)?)
            }
            Ask::RecordGate { id, kind, happened, detail } => {
                plain(Answer::Recorded { index: self.record_gate(&id, &kind, &happened, &detail)? })
            }
            Ask::Status => {
                plain(Answer::Status { size: self.log.size(), checkpoint: self.log.checkpoint().to_owned() })
            }
        }
    }

    fn take_custody(&mut self, request: String, project: String, name: &str) -> Result<Held, Not> {
        self.refresh_policy()?;
        id_form(&request)?;
        let policy = &self.policy.in_force().policy;
        if policy.project(&project).is_none() {
            no(
                "unknown_project",
                format!("the policy has no project `{}`", project.escape_debug()),
                "see the policy",
            )?;
        }
        let Some(inside) = custody::name_in_request(name).map(str::to_owned) else {
            let message =
                format!("`{}` is not the name of a file or of a file in a directory", name.escape_debug());
            return Err(refusal("bad_name", message, "one or two plain parts"));
        };
        let limits = policy.limits.clone();
        if let Some(known) = self.book.request(&request) {
            let closed = known.decided.is_some() || known.closed.is_some() || known.inspected.is_some();
            if known.project != project && !known.held.is_empty() {
                no(
                    "other_project",
                    format!("the request belongs to project {}", known.project),
                    "use another request id",
                )?;
            }
            if closed && !known.held.contains_key(&inside) {
                no(
                    "request_closed",
                    "the request is inspected or decided; nothing can be added",
                    "make a new request",
                )?;
            }
            if !known.held.contains_key(&inside) && known.held.len() as u64 >= limits.request_files {
                let message =
                    format!("a request holds at most {} files (limits.request_files)", limits.request_files);
                no("too_many_files", message, "split the request")?;
            }
        }
        let copy =
            match custody::take(&self.spool, &format!("{project}/{name}"), limits.file_bytes, &self.store) {
                Ok(copy) => copy,
                Err(CustodyError::Busy(reason)) => return Err(Not::Busy(reason)),
                Err(CustodyError::Refused { reason, message, hint }) => {
                    return Err(Refusal { reason, message, hint: hint.into() }.into());
                }
                Err(CustodyError::Failed { step, source }) => {
                    return Err(Trouble::Disk(step.into(), source).into());
                }
            };
        if let Some(known) = self.book.request(&request).filter(|r| !r.held.is_empty()) {
            if known.owner_uid != copy.owner_uid {
                let message = format!(
                    "it belongs to uid {}, the request's other files to uid {}",
                    copy.owner_uid, known.owner_uid
                );
                no("other_owner", message, "one request holds the files of one person")?;
            }
            match known.held.get(&inside) {
                // Asked again, because our answer was lost: the same answer.
                Some(held) if held.sha256 == copy.sha256 => return Ok(held.clone()),
                Some(_) if known.inspected.is_some() || known.decided.is_some() || known.closed.is_some() => {
                    no(
                        "request_closed",
                        "the request is inspected or decided; nothing can be replaced",
                        "make a new request",
                    )?;
                }
                _ => {}
            }
        }
        let received = Own::Received {
            time: Self::now().to_string(),
            request: request.clone(),
            project,
            name: inside.clone(),
            sha256: copy.sha256,
            sha512: copy.sha512,
            bytes: copy.bytes,
            owner_uid: copy.owner_uid,
        };
        self.append_own(&received)?;
        let held = self.book.request(&request).and_then(|r| r.held.get(&inside)).cloned();
        held.ok_or_else(|| Trouble::Ledger("the entry just written is not in the book".into()).into())
    }

    fn open_held(&self, sha256: &str) -> Reply {
        if !self.book.holds(sha256) {
            no("not_held", "nothing with this digest is in custody", "take it into custody first")?;
        }
        let file = self.store.open_kept(Kind::Archive, sha256);
        let file = file.map_err(|e| Trouble::Disk(format!("archive {sha256}"), e))?;
        Ok((Answer::Descriptor, Some(file.into())))
    }

    fn record_inspection(&mut self, id: String, report: &RequestReport) -> Result<u64, Not> {
        self.refresh_policy()?;
        let Some(request) = self.book.request(&id).filter(|r| !r.held.is_empty()) else {
            return Err(refusal(
                "unknown_request",
                format!("nothing is held for request {}", id.escape_debug()),
                "check the request's id",
            ));
        };
        if request.decided.is_some() || request.closed.is_some() {
            no("request_closed", "the request is decided or withdrawn", "make a new request")?;
        }
        let mut names = BTreeSet::new();
        for file in &report.files {
            let held = request.held.get(&file.path);
            let same = held.is_some_and(|h| h.sha256 == file.sha256 && h.bytes == file.bytes);
            if !same || !names.insert(&file.path) {
                let message =
                    format!("`{}` is not in custody with this digest and size", file.path.escape_debug());
                no("not_held", message, "inspect the held copies")?;
            }
            if file.findings.iter().any(|f| f.verdict > file.verdict) || file.verdict > report.verdict {
                no(
                    "report_inconsistent",
                    "a verdict is milder than what it is made of",
                    "judge the request again",
                )?;
            }
        }
        if names.is_empty() {
            no("report_inconsistent", "the report is about no file", "judge the request again")?;
        }
        let text = canonical::to_json(report).map_err(|e| Trouble::Ledger(e.to_string()))?;
        let report_sha256 =
            self.store.keep(Kind::Report, text.as_bytes()).map_err(|e| Trouble::Disk("reports".into(), e))?;
        let entry = Own::Inspected {
            time: Self::now().to_string(),
            request: id,
            verdict: report.verdict.as_str().into(),
            report_sha256,
            policy_sha256: self.policy.in_force().sha256.clone(),
        };
        Ok(self.append_own(&entry)?)
    }

    fn record(
        &mut self,
        request: Option<&str>,
        kind: &str,
        actor: &str,
        detail: &serde_json::Value,
    ) -> Result<u64, Not> {
        let plain =
            !kind.is_empty() && kind.len() <= 32 && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if !plain || OWN.contains(&kind) || kind.starts_with("gate_") || kind == RELEASE_WAITS {
            let message = format!("`{}` is not a kind the airlock may record", kind.escape_debug());
            no("bad_kind", message, "use another word of a-z and `_`")?;
        }
        if let Some(id) = request {
            id_form(id)?;
            let decided = self.book.request(id).is_some_and(|r| r.decided.is_some());
            if kind == "withdrawn" && decided {
                no("already_decided", "the request is decided", "it can no longer be withdrawn")?;
            }
        }
        let entry = json!({"kind": kind, "time": Self::now().to_string(), "by": "airlock", "request": request,
            "actor": actor, "detail": detail});
        match self.append(entry.to_string().as_bytes()) {
            Err(Trouble::Log(LogError::EntryTooLarge(n))) => {
                Err(refusal("too_large", format!("an entry of {n} bytes"), "record less detail"))
            }
            other => Ok(other?),
        }
    }

    fn decide(&mut self, id: &str, text: &str, signature: &str) -> Result<Answer, Not> {
        self.refresh_policy()?;
        let statement_sha256 = sha256_hex(text.as_bytes());
        if let Some(decided) = self.book.request(id).and_then(|r| r.decided.clone()) {
            // Asked again with the very same statement, because our answer was lost or the release did not finish.
            if decided.statement_sha256 == statement_sha256 {
                return self.outcome(id, decided.approved, decided.index);
            }
        }
        let report = self.report_of(id)?;
        let now = Zoned::now();
        let facts = Facts {
            book: &self.book,
            loaded: self.policy.in_force(),
            report: report.as_ref(),
            now: &now,
            accounts: &System,
        };
        let statement: Statement = decide::check(&facts, id, text, signature)?;
        self.store
            .keep(Kind::Statement, text.as_bytes())
            .map_err(|e| Trouble::Disk("statements".into(), e))?;
        let index = self.append_own(&Own::Decided {
            time: Self::now().to_string(),
            day: now.date(),
            request: id.into(),
            decision: statement.decision.as_str().into(),
            officer: statement.officer,
            statement_sha256,
            signature: signature.into(),
            policy_sha256: statement.policy_sha256,
        })?;
        self.outcome(id, statement.decision == Decision::Approve, index)
    }

    fn outcome(&mut self, id: &str, approved: bool, decided: u64) -> Result<Answer, Not> {
        if !approved {
            return Ok(Answer::Recorded { index: decided });
        }
        let (bag, index) = self.release(id)?;
        Ok(Answer::Released { bag, index })
    }

    fn report_of(&self, id: &str) -> Result<Option<RequestReport>, Trouble> {
        let Some(inspected) = self.book.request(id).and_then(|r| r.inspected.as_ref()) else {
            return Ok(None);
        };
        let text = self.store.text(Kind::Report, &inspected.report_sha256);
        let text = text.map_err(|e| Trouble::Disk("report".into(), e))?;
        serde_json::from_str(&text).map(Some).map_err(|e| Trouble::Ledger(format!("report: {e}")))
    }
}

pub(crate) fn refusal(reason: &'static str, message: impl Into<String>, hint: &str) -> Not {
    Not::Refused(Refusal { reason, message: message.into(), hint: hint.into() })
}

/// Request ids become directory names.
fn id_form(id: &str) -> Result<(), Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric();
    if id.len() <= 64 && id.starts_with(plain) && id.chars().all(|c| plain(c) || c == '-' || c == '_') {
        Ok(())
    } else {
        let message = format!("`{}` is not a request id", id.escape_debug());
        no("bad_request_id", message, "1 to 64 of A-Z, a-z, 0-9, `-`, `_`")
    }
}

fn about(ask: &Ask) -> (&'static str, Option<String>) {
    match ask {
        Ask::TakeCustody { request, .. } => ("take_custody", Some(request.clone())),
        Ask::OpenHeld { .. } => ("open_held", None),
        Ask::RecordInspection { request, .. } => ("record_inspection", Some(request.clone())),
        Ask::Record { request, .. } => ("record", request.clone()),
        Ask::Decide { request, .. } => ("decide", Some(request.clone())),
        Ask::RecordGate { .. } => ("record_gate", None),
        Ask::Status => ("status", None),
    }
}
