//! The officer's decision: what is to be signed, and carrying a signed one to the notary.
//!
//! Invariant: the airlock composes and checks, but holds no key: what it passes on is the officer's own signature,
//! and the notary checks everything again.

use crate::authority::{Of, Who, may_decide};
use crate::house::{House, Trouble, today};
use crate::notary::{NotaryError, unexpected};
use crate::refusal::{Refusal, Unavailable};
use crate::states::{Act, Illegal, Known, State, step};
use crate::store::{Change, Request, StoreError};
use jiff::Timestamp;
use sekisho_ledger::statement::{Decision, File, Statement};
use sekisho_ledger::{DECISION_NAMESPACE, sshsig};
use sekisho_policy::Verdict;
use sekisho_policy::schema::Officer;
use sekisho_wire::config::Loaded;
use sekisho_wire::digest;
use sekisho_wire::notary::{Answer, Ask};
use std::sync::Arc;

/// What came of an act.
pub type Outcome<T> = Result<T, No>;

/// Why an act did not happen.
#[derive(Debug)]
pub enum No {
    /// The answer is no.
    Refused(Refusal),
    /// Not now.
    Unavailable(Unavailable),
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for No {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Illegal(Illegal::NoSuchTransition { from, act }) => {
                Refusal::State(from.as_str().into(), act.as_str().into()).into()
            }
            StoreError::Illegal(e @ Illegal::GuardNotMet { .. }) => Refusal::Statement(e.to_string()).into(),
            StoreError::Outdated(_) => Refusal::Outdated.into(),
            StoreError::Raced(_) => Refusal::State("already decided".into(), "decided again".into()).into(),
            other => Self::Unavailable(Unavailable::Database(other.to_string())),
        }
    }
}

impl From<NotaryError> for No {
    fn from(error: NotaryError) -> Self {
        match error {
            NotaryError::Refused { reason, message, hint } => Refusal::Notary(reason, message, hint).into(),
            other => Self::Unavailable(Unavailable::Notary(other.to_string())),
        }
    }
}

impl Request {
    /// Whose it is.
    pub fn of(&self) -> Of<'_> {
        Of { project: &self.project, requester: &self.requester, uid: self.uid }
    }

    /// Clauses with a point an officer has to judge, in order.
    pub fn clauses(&self) -> Vec<String> {
        let findings = self.report.iter().flat_map(|r| &r.files).flat_map(|f| &f.findings);
        let mut out: Vec<_> =
            findings.filter(|f| f.verdict >= Verdict::Review).map(|f| f.clause.clone()).collect();
        out.sort();
        out.dedup();
        out
    }
}

/// What this officer would sign now.
///
/// # Errors
/// Why this request cannot be decided like that.
pub fn compose(
    loaded: &Loaded,
    request: &Request,
    officer: &Officer,
    decision: Decision,
    reason: &str,
    time: Timestamp,
) -> Outcome<String> {
    let act = if decision == Decision::Approve { Act::Approve } else { Act::Reject };
    if request.state != State::Held {
        return Err(Refusal::State(request.state.as_str().into(), act.as_str().into()).into());
    }
    let Some(report) = &request.report else {
        return Err(Refusal::State("not inspected".into(), act.as_str().into()).into());
    };
    if decision == Decision::Approve && report.verdict == Verdict::Block {
        return Err(Refusal::Blocked.into());
    }
    if decision == Decision::Reject && reason.trim().is_empty() {
        return Err(Refusal::NoReason.into());
    }
    let report_sha256 = digest::of_report(report)
        .map_err(|e| No::Unavailable(Unavailable::Database(format!("report of {}: {e}", request.id))))?;
    let files = report
        .files
        .iter()
        .map(|f| File { name: f.path.clone(), sha256: f.sha256.clone(), bytes: f.bytes })
        .collect();
    let statement = Statement {
        decision,
        site: loaded.policy.site.name.clone(),
        request: request.id.clone(),
        project: request.project.clone(),
        institution: officer.institution.clone(),
        officer: officer.id.clone(),
        requester: request.requester.clone(),
        policy_sha256: loaded.sha256.clone(),
        report_sha256,
        verdict: report.verdict.as_str().into(),
        time,
        files,
        clauses: if decision == Decision::Approve { request.clauses() } else { Vec::new() },
        reason: reason.trim().into(),
    };
    statement.compose().map_err(|e| Refusal::Statement(e.to_string()).into())
}

/// Takes a signed decision in and carries it to the notary.
///
/// # Errors
/// Why not; a refused decision leaves the request held.
pub async fn decide(
    house: &Arc<House>,
    who: &Who,
    id: &str,
    statement: &str,
    signature: &str,
) -> Outcome<(State, Option<String>)> {
    let _held = house.hold(id).await;
    let loaded = house.policy();
    let request = house.store.request(id).await?.ok_or_else(|| Refusal::NoSuchRequest(id.into()))?;
    let officer = may_decide(&loaded.policy, who, request.of(), today())?;
    let said = Statement::parse(statement).map_err(|e| Refusal::Statement(e.to_string()))?;
    let expected = compose(&loaded, &request, officer, said.decision, &said.reason, said.time)?;
    if expected != statement {
        let why = "the request, its report or the policy is not the one it was made for";
        return Err(Refusal::Statement(why.into()).into());
    }
    sshsig::verify(&officer.key, DECISION_NAMESPACE, statement.as_bytes(), signature)
        .map_err(|e| Refusal::Statement(e.to_string()))?;
    // Something may have left since the report was made: what it says together with this must be known to the officer.
    let approve = said.decision == Decision::Approve;
    let compared = approve && crate::inspection::compare(house, &request).await?;
    if approve && !compared {
        house.work.notify_one();
        return Err(Refusal::Outdated.into());
    }
    let files = house.store.files(id).await?;
    let known = Known {
        compared,
        files_held: !files.is_empty() && files.iter().all(|f| f.sha256.is_some()),
        verdict: request.verdict,
        officer_may_decide: true,
        signed: true,
        is_requester: who.is_requester(request.of()),
        ..Known::default()
    };
    let act = if approve { Act::Approve } else { Act::Reject };
    step(request.state, act, &known).map_err(StoreError::from)?;
    // From here on a crash loses nothing: the signed decision is stored before the notary is asked.
    let decision = (officer.id.clone(), statement.to_owned(), signature.to_owned());
    let change = Change { decision: Some(decision), ..Change::default() };
    let words = if said.reason.is_empty() { act.as_str() } else { &said.reason };
    house.store.advance(&request, act, &known, &who.account, words, &change).await?;
    house.metrics.decisions.with_label_values(&[said.decision.as_str()]).inc();
    carry(house, &house.again(&request).await?).await
}

/// Brings a stored decision to the notary. The caller holds the request's lock.
async fn carry(house: &Arc<House>, request: &Request) -> Outcome<(State, Option<String>)> {
    let (Some(statement), Some(signature)) = (request.statement.clone(), request.signature.clone()) else {
        return Err(No::Unavailable(Unavailable::Database(format!("{} has no stored decision", request.id))));
    };
    let ask = Ask::Decide { request: request.id.clone(), statement, signature };
    let officer = request.officer.clone().unwrap_or_default();
    let signed = Known { signed: true, ..Known::default() };
    match house.count_notary(house.notary.ask(ask).await) {
        Ok(Answer::Released { bag, index }) if request.state == State::Releasing => {
            let known = Known { bag_published: true, ..signed };
            let change = Change { bag: Some(bag.clone()), ..Change::default() };
            let words = format!("bag published, ledger entry {index}");
            let to =
                house.store.advance(request, Act::NotaryReleased, &known, "notary", &words, &change).await?;
            tracing::info!(request = request.id, officer, "released");
            Ok((to, Some(bag)))
        }
        Ok(Answer::Recorded { index }) if request.state == State::Rejecting => {
            let known = Known { rejection_recorded: true, ..signed };
            let reason = Statement::parse(request.statement.as_deref().unwrap_or_default()).map(|s| s.reason);
            let change = Change { note: reason.unwrap_or_default(), ..Change::default() };
            let words = format!("ledger entry {index}");
            let to =
                house.store.advance(request, Act::NotaryRejected, &known, "notary", &words, &change).await?;
            tracing::info!(request = request.id, officer, "rejected");
            Ok((to, None))
        }
        Ok(other) => {
            let error = unexpected(&other);
            house.store.note(&request.id, &error.to_string()).await?;
            Err(No::Unavailable(Unavailable::NotaryLater(error.to_string())))
        }
        Err(NotaryError::Refused { reason, message, hint }) => {
            let known = Known { notary_refused: true, ..Known::default() };
            let note = format!("the notary refused the decision ({reason}): {message}; hint: {hint}");
            let change = Change { note: note.clone(), forget_decision: true, ..Change::default() };
            house.store.advance(request, Act::NotaryRefused, &known, "notary", &note, &change).await?;
            Err(Refusal::Notary(reason, message, hint).into())
        }
        Err(NotaryError::Gate(fault)) => {
            let waits = Unavailable::Gate(fault);
            house.store.note(&request.id, &waits.note()).await?;
            Err(No::Unavailable(waits))
        }
        Err(later) => {
            house.store.note(&request.id, &format!("the notary is asked again: {later}")).await?;
            Err(No::Unavailable(Unavailable::NotaryLater(later.to_string())))
        }
    }
}

/// Delivers decisions the notary has not answered yet.
pub async fn round(house: &Arc<House>) -> Result<(), Trouble> {
    for state in [State::Releasing, State::Rejecting] {
        for request in house.store.in_state(state).await? {
            if !house.begin(&request.id) {
                continue;
            }
            let house = Arc::clone(house);
            tokio::spawn(async move {
                let held = house.hold(&request.id).await;
                match house.again(&request).await {
                    Ok(now) if now.state == state => {
                        if let Err(no) = carry(&house, &now).await {
                            tracing::warn!(request = now.id, "decision not delivered: {no:?}");
                        }
                    }
                    Ok(_) => {}
                    Err(e) => tracing::warn!(request = request.id, "{e}"),
                }
                drop(held);
                house.end(&request.id);
            });
        }
    }
    Ok(())
}

/// The requester takes a request back.
///
/// # Errors
/// Why not.
pub async fn withdraw(house: &Arc<House>, who: &Who, id: &str) -> Outcome<State> {
    let _held = house.hold(id).await;
    let request = house.store.request(id).await?.ok_or_else(|| Refusal::NoSuchRequest(id.into()))?;
    let known = Known { is_requester: who.is_requester(request.of()), ..Known::default() };
    if !known.is_requester {
        return Err(Refusal::NotYours.into());
    }
    step(request.state, Act::Withdraw, &known).map_err(StoreError::from)?;
    let detail = serde_json::json!({"project": request.project, "state": request.state.as_str()});
    house.record(Some(id), "withdrawn", &who.account, detail).await?;
    let change = Change { note: "taken back by the requester".into(), ..Change::default() };
    Ok(house.store.advance(&request, Act::Withdraw, &known, &who.account, "taken back", &change).await?)
}
