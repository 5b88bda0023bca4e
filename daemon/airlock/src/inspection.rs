//! From custody to a judgement: one inspector per file reads the held copy; facts become a report.
//!
//! A judgement is made beside every earlier release of the plan. Requests that wait for an officer while another one of the
//! plan is released are compared again, from what was kept of them, and inspected again where that changes the answer.
//!
//! Invariant: whatever an inspector does (die, hang, lie about the digest, speak nonsense), the file gets facts,
//! and the facts of a file that was not read never judge to `pass`.

use crate::custody::fail;
use crate::house::{House, Trouble, lock, today, who};
use crate::notary::{NotaryError, unexpected};
use crate::spool::DECLARATION;
use crate::states::{Act, Known, State};
use crate::store::{Change, Compared, File, Request, StoreError};
use jiff::Timestamp;
use sekisho_policy::facts::ProblemKind;
use sekisho_policy::rules::plan_scope::{Asked, standing};
use sekisho_policy::{FileFacts, Scope, Verdict};
use sekisho_wire::config::Loaded;
use sekisho_wire::inspect::{self, Connection, Input};
use sekisho_wire::notary::{Answer, Ask};
use std::sync::{Arc, Mutex, PoisonError};

/// Files of one request that are read at once.
const PARALLEL: usize = 2;
/// Time between two attempts at an inspection that failed on our side.
const RETRY_AFTER_SECONDS: i64 = 600;

/// Starts what waits for an inspection.
pub async fn round(house: &Arc<House>, first: bool) -> Result<(), Trouble> {
    for request in house.store.in_state(State::Failed).await? {
        let updated = request.updated.parse::<Timestamp>().unwrap_or(Timestamp::UNIX_EPOCH);
        let rested = Timestamp::now().as_second() - updated.as_second() >= RETRY_AFTER_SECONDS;
        if request.retry && (first || rested) {
            let member = member(house, &request).await;
            let known = Known { files_held: true, some_held: true, member: Some(member), ..Known::default() };
            let change = Change::default();
            match house
                .store
                .advance(&request, Act::RetryInspection, &known, "sekisho", "tried again", &change)
                .await
            {
                Ok(_) | Err(StoreError::Raced(_) | StoreError::Illegal(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
    compare_again(house).await?;
    for request in house.store.in_state(State::Inspecting).await? {
        if house.begin(&request.id) {
            let house = Arc::clone(house);
            tokio::spawn(async move {
                if let Err(e) = inspect_request(&house, &request).await {
                    tracing::warn!(request = request.id, "inspection: {e}");
                    if let Err(e) = house.store.note(&request.id, &e.to_string()).await {
                        tracing::warn!(request = request.id, "{e}");
                    }
                }
                house.end(&request.id);
            });
        }
    }
    Ok(())
}

/// What the rule about the plan needs to know. The day is that of the request: what was asked for in time is judged in time.
fn asked(request: &Request) -> Asked<'_> {
    let received = request.received.parse::<Timestamp>().unwrap_or(Timestamp::UNIX_EPOCH);
    Asked {
        project: &request.project,
        requester: &request.requester,
        day: received.to_zoned(jiff::tz::TimeZone::system()).date(),
    }
}

/// Looks at held requests again whose plan released something since they were judged: most stand as they are, those that
/// would be judged otherwise now go back to inspection.
async fn compare_again(house: &Arc<House>) -> Result<(), Trouble> {
    for request in house.store.in_state(State::Held).await? {
        let newest = house.store.newest_release(&request.project, &request.id).await?;
        let seen = house.store.compared_with(&request.id).await?.is_some_and(|with| with >= newest);
        if seen || request.verdict == Some(Verdict::Block) || !house.begin(&request.id) {
            continue;
        }
        let house = Arc::clone(house);
        tokio::spawn(async move {
            let held = house.hold(&request.id).await;
            let compared = match house.again(&request).await {
                Ok(now) if now.state == State::Held => compare(&house, &now).await,
                Ok(_) => Ok(true),
                Err(e) => Err(e),
            };
            drop(held);
            house.end(&request.id);
            match compared {
                Ok(true) => {}
                Ok(false) => house.work.notify_one(),
                Err(e) => tracing::warn!(request = request.id, "not compared with later releases: {e}"),
            }
        });
    }
    Ok(())
}

/// Compares a held request with the releases since its judgement; the caller holds its lock. `false`: it went back to
/// inspection, because its report would be another one now.
pub async fn compare(house: &Arc<House>, request: &Request) -> Result<bool, StoreError> {
    let before = house.store.compared_with(&request.id).await?;
    let newest = house.store.newest_release(&request.project, &request.id).await?;
    if before.is_some_and(|before| before >= newest) {
        return Ok(true);
    }
    let kept = house.store.kept(&request.id).await?;
    let stands = match before {
        None => false,
        Some(before) => {
            let (old, _) = house.store.earlier(&request.project, &request.id, Some(before)).await?;
            let (now, _) = house.store.earlier(&request.project, &request.id, Some(newest)).await?;
            let policy = &house.policy().policy;
            !sekisho_policy::earlier::outdated(policy, asked(request), &request.info, &kept, &old, &now)
        }
    };
    if stands {
        house.store.still_stands(request, newest).await?;
        return Ok(true);
    }
    let files = house.store.files(&request.id).await?;
    let held = !files.is_empty() && files.iter().all(|f| f.sha256.is_some());
    let known = Known { files_held: held, some_held: held, outdated: true, ..Known::default() };
    let note = "another release of the plan came between: compared again";
    let change = Change { note: note.into(), ..Change::default() };
    house.store.advance(request, Act::CompareAgain, &known, "sekisho", note, &change).await?;
    tracing::info!(request = request.id, "judged again beside a release that came between");
    Ok(false)
}

async fn member(house: &House, request: &Request) -> bool {
    let account = who(request.uid).await.account;
    let asked = Asked { project: &request.project, requester: &account, day: today() };
    standing(&house.policy().policy, asked).is_ok()
}

async fn inspect_request(house: &Arc<House>, request: &Request) -> Result<(), Trouble> {
    // Bounds how many requests are inspected at once; only refused when the semaphore is closed: never.
    let _permit = house.inspectors.acquire().await.ok();
    let loaded = house.policy();
    let files = house.store.files(&request.id).await?;
    let facts = facts(house, request, &files, &loaded).await?;
    // Read before the judgement: a release that comes later has a larger number, and the approval will see that.
    let (earlier, with) = house.store.earlier(&request.project, &request.id, None).await?;
    let scope = Scope { plan: Some(asked(request)), earlier: &earlier };
    let report = sekisho_policy::judge_within(&loaded.policy, &scope, &request.info, &facts);
    let compared = Compared { kept: sekisho_policy::earlier::keep(&facts), with };
    drop((earlier, facts));
    let _held = house.hold(&request.id).await;
    let request = house.again(request).await?;
    if request.state != State::Inspecting {
        return Ok(());
    }
    let ask = Ask::RecordInspection { request: request.id.clone(), report: report.clone() };
    match house.count_notary(house.notary.ask(ask).await) {
        Ok(Answer::Recorded { .. }) => {}
        Ok(other) => return Err(unexpected(&other).into()),
        Err(NotaryError::Refused { reason, message, .. }) => {
            return fail(house, &request, &reason, &message, true).await;
        }
        Err(e) => return Err(e.into()),
    }
    let known = Known {
        files_held: files.iter().all(|f| f.sha256.is_some()),
        report_recorded: true,
        verdict: Some(report.verdict),
        ..Known::default()
    };
    let verdict = report.verdict.as_str();
    let change = Change { report: Some(report), compared: Some(compared), ..Change::default() };
    house
        .store
        .advance(&request, Act::Inspected, &known, "sekisho", &format!("verdict {verdict}"), &change)
        .await?;
    house.metrics.inspections.with_label_values(&[verdict]).inc();
    tracing::info!(request = request.id, verdict, "held");
    Ok(())
}

/// The facts of every file but the declaration, in name order.
async fn facts(
    house: &Arc<House>,
    request: &Request,
    files: &[File],
    loaded: &Arc<Loaded>,
) -> Result<Vec<FileFacts>, Trouble> {
    let (mut inputs, mut held) = (Vec::new(), Vec::new());
    for file in files.iter().filter(|f| !(request.directory && f.name == DECLARATION)) {
        let (Some(sha256), Some(bytes)) = (file.sha256.clone(), file.bytes) else {
            return Err(StoreError::Raced(request.id.clone()).into());
        };
        let fd = house.count_notary(house.notary.open_held(&sha256).await)?;
        inputs.push(Input { name: file.name.clone(), file: fd.into(), copy: None });
        held.push((file.name.clone(), sha256, bytes));
    }
    let (program, socket) = (house.options.inspect_program.clone(), house.options.inspect_socket.clone());
    let (loaded, info) = (Arc::clone(loaded), request.info.clone());
    let (answers, absent) = tokio::task::spawn_blocking(move || {
        let absent: Mutex<Option<String>> = Mutex::default();
        let connect = || {
            let (path, started) = match &program {
                Some(program) => (program, Connection::spawn(program)),
                None => (&socket, Connection::service(&socket)),
            };
            started.inspect_err(|e| *lock(&absent) = Some(format!("{}: {e}", path.display())))
        };
        let answers = inspect::request(&connect, &inputs, &loaded.policy, &info, PARALLEL, &|_, _| {});
        (answers, absent.into_inner().unwrap_or_else(PoisonError::into_inner))
    })
    .await?;
    if let Some(why) = absent {
        // Nobody looked at it yet, and somebody will: this says nothing about the file.
        house.metrics.inspection_failures.with_label_values(&["unreachable"]).inc();
        return Err(Trouble::Inspector(why));
    }
    Ok(answers.into_iter().zip(held).map(|(answer, held)| settle(house, answer.facts, &held)).collect())
}

/// Facts count only if they are about exactly the bytes that are held.
fn settle(house: &House, mut facts: FileFacts, (name, sha256, bytes): &(String, String, u64)) -> FileFacts {
    let failed = |label: &str| house.metrics.inspection_failures.with_label_values(&[label]).inc();
    // An inspector that died has no digest; one that stopped at proof has not seen every byte.
    let unread = facts.problems.iter().any(|p| p.kind == ProblemKind::NotInspected);
    let partial = facts.sha256.is_empty() && (unread || facts.coverage.stopped_at_proof);
    if unread {
        failed("died");
    }
    if facts.bytes != *bytes || !(facts.sha256 == *sha256 || partial) {
        failed("digest");
        let why = format!("the inspector read {} bytes with another digest", facts.bytes);
        return FileFacts::unreadable(name, sha256, *bytes, &why);
    }
    facts.path.clone_from(name);
    facts.sha256.clone_from(sha256);
    facts
}
