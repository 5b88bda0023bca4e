//! From the spool into custody: what lies there becomes requests, and leaves the spool when its copy is safe.
//!
//! Every round starts from what is on disk and in the database, so a round may be cut anywhere: the next one
//! finds the same facts and goes on. The order that makes this safe: write down the drop, ask the notary for a
//! durable copy of each file, write that down, and only then clear the entry away, if it is still what was copied.

use crate::house::{House, Trouble, lock, today, who};
use crate::notary::{NotaryError, unexpected};
use crate::spool::{self, Cleared, Entry, Fate};
use crate::states::{Act, Known, State};
use crate::store::{Change, Drop, Request, StoreError};
use sekisho_policy::RequestInfo;
use sekisho_policy::rules::plan_scope::{Asked, standing};
use sekisho_wire::notary::{Answer, Ask};
use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Longest a drop may wait unseen before it shows up in `sekisho status` with what it waits for.
const VISIBLE_AFTER: Duration = Duration::from_secs(5);
/// Largest `request.toml`.
const DECLARATION_LIMIT: u64 = 256 << 10;

/// One look at every project's spool directory.
pub async fn round(house: &Arc<House>) {
    let policy = house.policy();
    for project in &policy.policy.projects {
        if let Err(e) = project_round(house, &project.id, policy.policy.limits.request_files).await {
            tracing::warn!(project = project.id, "spool not read: {e}");
            house.metrics.scan_errors.inc();
        }
    }
    house.metrics.scans.inc();
}

async fn project_round(house: &Arc<House>, project: &str, most: u64) -> Result<(), Trouble> {
    let (base, name, quiet) = (house.options.spool.clone(), project.to_owned(), house.options.quiet());
    let listed = tokio::task::spawn_blocking(move || {
        let mut directory = spool::open_project(&base, &name)?;
        spool::list(&mut directory, quiet, most, SystemTime::now())
    })
    .await?
    .map_err(|source| Trouble::Spool { project: project.into(), source })?;
    let entries: HashMap<_, _> = listed.iter().map(|e| (e.name.as_str(), e)).collect();
    let claims = house.store.claims(project).await?;
    for claim in &claims {
        // One request's trouble must not keep the others waiting.
        if let Err(e) = follow(house, claim, entries.get(claim.entry.as_str()).copied()).await {
            tracing::warn!(request = claim.id, "{e}");
            house.store.note(&claim.id, &e.to_string()).await?;
        }
    }
    // An entry that was claimed when it was listed may be cleared by now: the list is old news about it.
    let claimed: Vec<_> = claims.into_iter().map(|c| c.entry).collect();
    lock(&house.waiting).retain(|(p, name), _| p != project || entries.contains_key(name.as_str()));
    for entry in listed.iter().filter(|e| !claimed.contains(&e.name)) {
        if let Err(e) = fresh(house, project, entry).await {
            tracing::warn!(project, entry = entry.name, "{e}");
        }
    }
    Ok(())
}

async fn describe(project: &str, entry: &Entry) -> Drop {
    Drop {
        project: project.into(),
        entry: entry.name.clone(),
        directory: entry.directory,
        look: entry.look.clone(),
        files: entry.files.clone(),
        requester: who(entry.uid).await.account,
        uid: entry.uid,
    }
}

/// An entry no request has claimed.
async fn fresh(house: &Arc<House>, project: &str, entry: &Entry) -> Result<(), Trouble> {
    let key = (project.to_owned(), entry.name.clone());
    if let Fate::Wait(_) = entry.fate {
        let since = *lock(&house.waiting).entry(key.clone()).or_insert_with(Instant::now);
        if since.elapsed() < VISIBLE_AFTER {
            return Ok(());
        }
    }
    lock(&house.waiting).remove(&key);
    let request = house.store.receive(&describe(project, entry).await).await?;
    tracing::info!(request = request.id, project, "received");
    follow(house, &request, Some(entry)).await
}

/// Brings one request on from what the spool shows now.
async fn follow(house: &Arc<House>, claim: &Request, entry: Option<&Entry>) -> Result<(), Trouble> {
    let _held = house.hold(&claim.id).await;
    let mut claim = house.again(claim).await?;
    let files = house.store.files(&claim.id).await?;
    let some_held = files.iter().any(|f| f.sha256.is_some());
    let all_held = !files.is_empty() && files.iter().all(|f| f.sha256.is_some());
    match claim.state {
        State::Received if some_held => take(house, &claim, entry).await,
        State::Received => {
            let Some(entry) = entry else { return vanished(house, &claim).await };
            if entry.look != claim.look {
                house.store.relook(&claim.id, &describe(&claim.project, entry).await).await?;
                claim = house.again(&claim).await?;
            }
            match &entry.fate {
                Fate::Wait(why) => Ok(house.store.note(&claim.id, why).await?),
                Fate::Bad(reason, words) => fail(house, &claim, reason, words, false).await,
                Fate::Ready => take(house, &claim, Some(entry)).await,
            }
        }
        State::Failed if !some_held => match entry {
            None => Ok(house.store.spool_gone(&claim.id).await?),
            // The requester mended it: the same request tries again.
            Some(entry) if entry.look != claim.look && entry.fate == Fate::Ready => {
                house.store.relook(&claim.id, &describe(&claim.project, entry).await).await?;
                let known = Known::default();
                let words = "the spool entry changed";
                house
                    .store
                    .advance(&claim, Act::RetryCustody, &known, "sekisho", words, &Change::default())
                    .await?;
                take(house, &house.again(&claim).await?, Some(entry)).await
            }
            Some(_) => Ok(()),
        },
        // Something of it is in the archive already; a mended entry is a new request.
        State::Failed if !claim.retry => match entry {
            Some(entry) if entry.look == claim.look => Ok(()),
            _ => Ok(house.store.spool_gone(&claim.id).await?),
        },
        State::Withdrawn if !all_held => match entry {
            Some(entry) if entry.look == claim.look => Ok(()),
            _ => Ok(house.store.spool_gone(&claim.id).await?),
        },
        _ => clear(house, &claim).await,
    }
}

/// The requester took the entry away before anything of it was copied.
async fn vanished(house: &Arc<House>, claim: &Request) -> Result<(), Trouble> {
    let words = "taken out of the spool before it was copied";
    let detail = serde_json::json!({"project": claim.project, "entry": claim.entry, "reason": words});
    house.record(Some(&claim.id), "withdrawn", &claim.requester, detail).await?;
    let known = Known { is_requester: true, ..Known::default() };
    let change = Change { note: words.into(), ..Change::default() };
    house.store.advance(claim, Act::Withdraw, &known, &claim.requester, words, &change).await?;
    Ok(house.store.spool_gone(&claim.id).await?)
}

/// Ends a request that cannot go on: in the ledger first, then in the database.
pub async fn fail(
    house: &Arc<House>,
    request: &Request,
    reason: &str,
    words: &str,
    retry: bool,
) -> Result<(), Trouble> {
    let detail = serde_json::json!({
        "project": request.project, "entry": request.entry, "requester": request.requester,
        "reason": reason, "message": words,
    });
    house.record(Some(&request.id), "failed", "sekisho", detail).await?;
    let known = Known { failure_recorded: true, ..Known::default() };
    let change = Change { note: format!("{words} ({reason})"), retry, ..Change::default() };
    house.store.advance(request, Act::Fail, &known, "sekisho", words, &change).await?;
    tracing::info!(request = request.id, reason, "failed: {words}");
    Ok(())
}

/// Asks the notary for a copy of every file it does not hold yet.
async fn take(house: &Arc<House>, claim: &Request, entry: Option<&Entry>) -> Result<(), Trouble> {
    for file in house.store.files(&claim.id).await?.iter().filter(|f| f.sha256.is_none()) {
        if !entry.is_some_and(|e| e.files.iter().any(|(name, _)| *name == file.name)) {
            return fail(house, claim, "vanished", "part of it disappeared before it was copied", false)
                .await;
        }
        let name =
            if claim.directory { format!("{}/{}", claim.entry, file.name) } else { claim.entry.clone() };
        let ask = Ask::TakeCustody { request: claim.id.clone(), project: claim.project.clone(), name };
        match house.count_notary(house.notary.ask(ask).await) {
            Ok(Answer::Custody(held)) => house.store.custody(&claim.id, &file.name, &held).await?,
            Ok(Answer::Busy { reason }) => {
                let words = format!("{} is still being written: {reason}", file.name.escape_debug());
                return Ok(house.store.note(&claim.id, &words).await?);
            }
            Ok(other) => return Err(unexpected(&other).into()),
            // Taken away or renamed this very moment: the next look tells which.
            Err(NotaryError::Refused { reason, message, .. }) if reason == "gone" => {
                return Ok(house.store.note(&claim.id, &message).await?);
            }
            Err(NotaryError::Refused { reason, message, .. }) => {
                let words = format!("{}: {message}", file.name.escape_debug());
                return fail(house, claim, &reason, &words, false).await;
            }
            Err(e) => return Err(e.into()),
        }
    }
    complete(house, claim).await
}

/// Everything is in custody: is it from someone who may ask, and what did they declare?
async fn complete(house: &Arc<House>, claim: &Request) -> Result<(), Trouble> {
    let files = house.store.files(&claim.id).await?;
    let mut owners: Vec<_> = files.iter().filter_map(|f| f.owner).collect();
    owners.dedup();
    let [uid] = owners[..] else {
        return fail(house, claim, "mixed_owners", "its files belong to different accounts", false).await;
    };
    let owner = who(uid).await;
    house.store.owned_by(&claim.id, &owner.account, uid).await?;
    let claim = house.again(claim).await?;
    let policy = house.policy();
    let asked = Asked { project: &claim.project, requester: &owner.account, day: today() };
    if let Err(why) = standing(&policy.policy, asked) {
        let why = why.to_string();
        let detail = serde_json::json!({"act": "submit", "project": claim.project, "reason": why});
        house.record(Some(&claim.id), "refused", &owner.account, detail).await?;
        let known = Known { files_held: true, some_held: true, member: Some(false), ..Known::default() };
        let change = Change { note: why.clone(), ..Change::default() };
        house.store.advance(&claim, Act::RefuseRequester, &known, "sekisho", &why, &change).await?;
        house.metrics.refusals.with_label_values(&["not_a_member"]).inc();
        return clear(house, &house.again(&claim).await?).await;
    }
    let declared = files.iter().find(|f| claim.directory && f.name == spool::DECLARATION);
    if let Some(sha256) = declared.and_then(|f| f.sha256.as_deref()) {
        match declaration(house, sha256).await? {
            Ok(info) => house.store.declare(&claim.id, &info).await?,
            Err(why) => return fail(house, &claim, "request_toml", &why, false).await,
        }
    }
    let known = Known { files_held: true, some_held: true, member: Some(true), ..Known::default() };
    let words = format!("{} files in custody", files.len());
    house.store.advance(&claim, Act::CustodyComplete, &known, "sekisho", &words, &Change::default()).await?;
    house.work.notify_one();
    clear(house, &house.again(&claim).await?).await
}

/// Reads `request.toml` from the held copy.
async fn declaration(house: &Arc<House>, sha256: &str) -> Result<Result<RequestInfo, String>, Trouble> {
    let fd = house.count_notary(house.notary.open_held(sha256).await)?;
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        std::fs::File::from(fd).take(DECLARATION_LIMIT + 1).read_to_end(&mut bytes).map(|_| bytes)
    })
    .await?;
    Ok(read.map_err(|e| format!("request.toml: {e}")).and_then(|bytes| parse_declaration(&bytes)))
}

/// What `request.toml` says, or where it is wrong.
pub fn parse_declaration(bytes: &[u8]) -> Result<RequestInfo, String> {
    if bytes.len() as u64 > DECLARATION_LIMIT {
        return Err(format!("request.toml: over {DECLARATION_LIMIT} bytes"));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|e| format!("request.toml: not UTF-8 text at byte {}", e.valid_up_to()))?;
    toml::from_str(text).map_err(|e| {
        let before = &text[..e.span().map_or(0, |s| s.start).min(text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        format!("request.toml:{line}:{column}: {}", e.message().trim().replace('\n', "; "))
    })
}

/// Takes the entry out of the spool.
async fn clear(house: &Arc<House>, claim: &Request) -> Result<(), Trouble> {
    let looks = house.store.files(&claim.id).await?.into_iter().map(|f| (f.name, f.look)).collect::<Vec<_>>();
    let (base, project) = (house.options.spool.clone(), claim.project.clone());
    let (id, entry) = (claim.id.clone(), claim.entry.clone());
    let cleared = tokio::task::spawn_blocking(move || {
        spool::clear(&spool::open_project(&base, &project)?, &id, &entry, &looks)
    })
    .await?
    .map_err(|source| Trouble::Spool { project: claim.project.clone(), source })?;
    match cleared {
        Cleared::Gone => {}
        Cleared::Changed => {
            let words = "the spool entry changed after it was copied; the change is a request of its own";
            house.store.event(&claim.id, "spool", "sekisho", words).await?;
        }
        Cleared::Parked(name) => {
            let words =
                format!("copied, but {name} in the spool cannot be deleted: its owner must delete it");
            house.store.event(&claim.id, "spool", "sekisho", &words).await?;
        }
    }
    match house.store.spool_gone(&claim.id).await {
        Err(StoreError::Raced(_)) => Ok(()),
        other => Ok(other?),
    }
}
