//! The life of a request: every state, every transition, who causes it, and what must be true for it.
//!
//! This is the only place that decides whether a request may move. It is pure: the caller says what it *knows*
//! (each fact established from the database, the kernel or the notary, never from a message) and gets the next
//! state or a refusal. The diagram in the README is printed from this table.

use sekisho_policy::Verdict;
use std::fmt::Write as _;

/// Where a request is. A request is in exactly one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Seen in the spool; its files are being taken into custody.
    Received,
    /// Every file is in custody; inspectors read the copies.
    Inspecting,
    /// Inspected and judged; waits for an officer.
    Held,
    /// A signed approval is with the notary.
    Releasing,
    /// A signed rejection is with the notary.
    Rejecting,
    /// The bag is published.
    Released,
    /// An officer said no, or nobody could ever say yes.
    Rejected,
    /// The requester took it back.
    Withdrawn,
    /// It cannot go on; the reason is recorded and it may be retried.
    Failed,
}

/// What moves a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Act {
    /// The last file is in custody.
    CustodyComplete,
    /// Custody showed an owner who may not ask for this project.
    RefuseRequester,
    /// Judged, and the judgement is in the ledger.
    Inspected,
    /// An officer's signed approval was taken in.
    Approve,
    /// An officer's signed rejection was taken in.
    Reject,
    /// The notary published the bag.
    NotaryReleased,
    /// The notary recorded the rejection.
    NotaryRejected,
    /// The notary refused the decision.
    NotaryRefused,
    /// The requester takes the request back.
    Withdraw,
    /// It cannot go on.
    Fail,
    /// Try again from custody.
    RetryCustody,
    /// Try again from inspection.
    RetryInspection,
    /// Judge again beside a release that came between.
    CompareAgain,
}

/// Who causes a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The airlock itself.
    Sekisho,
    /// The requester.
    Requester,
    /// A certified officer of the project's institution who is not the requester.
    Officer,
    /// The notary, after its own checks.
    Notary,
}

/// What must be known to be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Every file of the request has a digest from the notary, and the owner is a member of the project.
    FilesHeldAndMember,
    /// Every file has a digest; the owner is not a member.
    FilesHeldAndStranger,
    /// The ledger holds the report.
    ReportRecorded,
    /// A signed statement of an officer who may decide, over a report that is not `block` and was compared with every
    /// release of the plan.
    MayApprove,
    /// A signed statement of an officer who may decide.
    MayReject,
    /// The notary proved that the bag is published.
    BagPublished,
    /// The notary proved that the rejection is recorded.
    RejectionRecorded,
    /// The notary refused for good.
    NotaryRefused,
    /// The asker is the requester.
    IsRequester,
    /// The failure is in the ledger.
    FailureRecorded,
    /// No file is in custody under this request yet.
    NothingHeld,
    /// A release of the same plan came between, and the report would be another one now.
    Outdated,
}

/// What the caller established. Everything defaults to "not known to be true".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Every file has a digest from the notary (false for a request without files).
    pub files_held: bool,
    /// At least one file has a digest.
    pub some_held: bool,
    /// Owner's membership in the project, from policy; `None` before custody.
    pub member: Option<bool>,
    /// The notary gave a ledger index for the report.
    pub report_recorded: bool,
    /// Verdict of the recorded report.
    pub verdict: Option<Verdict>,
    /// The asker may decide: certified, in date, right institution, not the requester.
    pub officer_may_decide: bool,
    /// A statement and a signature are stored with the request.
    pub signed: bool,
    /// The asker is the requester.
    pub is_requester: bool,
    /// The notary answered `Released`.
    pub bag_published: bool,
    /// The notary recorded the rejection.
    pub rejection_recorded: bool,
    /// The notary refused the decision.
    pub notary_refused: bool,
    /// The notary gave a ledger index for the failure.
    pub failure_recorded: bool,
    /// The report was compared with every release of the plan.
    pub compared: bool,
    /// A release of the plan came between, and the report would be another one now.
    pub outdated: bool,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Transition {
    /// From.
    pub from: State,
    /// What happens.
    pub act: Act,
    /// To.
    pub to: State,
    /// Caused by.
    pub actor: Actor,
    /// Only if.
    pub guard: Guard,
}

const fn row(from: State, act: Act, to: State, actor: Actor, guard: Guard) -> Transition {
    Transition { from, act, to, actor, guard }
}

/// Every transition there is. What is not here cannot happen.
pub const TRANSITIONS: &[Transition] = &[
    row(State::Received, Act::CustodyComplete, State::Inspecting, Actor::Notary, Guard::FilesHeldAndMember),
    row(State::Received, Act::RefuseRequester, State::Rejected, Actor::Sekisho, Guard::FilesHeldAndStranger),
    row(State::Received, Act::Withdraw, State::Withdrawn, Actor::Requester, Guard::IsRequester),
    row(State::Received, Act::Fail, State::Failed, Actor::Sekisho, Guard::FailureRecorded),
    row(State::Inspecting, Act::Inspected, State::Held, Actor::Sekisho, Guard::ReportRecorded),
    row(State::Inspecting, Act::Withdraw, State::Withdrawn, Actor::Requester, Guard::IsRequester),
    row(State::Inspecting, Act::Fail, State::Failed, Actor::Sekisho, Guard::FailureRecorded),
    row(State::Held, Act::Approve, State::Releasing, Actor::Officer, Guard::MayApprove),
    row(State::Held, Act::Reject, State::Rejecting, Actor::Officer, Guard::MayReject),
    row(State::Held, Act::Withdraw, State::Withdrawn, Actor::Requester, Guard::IsRequester),
    row(State::Held, Act::CompareAgain, State::Inspecting, Actor::Sekisho, Guard::Outdated),
    row(State::Releasing, Act::NotaryReleased, State::Released, Actor::Notary, Guard::BagPublished),
    row(State::Releasing, Act::NotaryRefused, State::Held, Actor::Notary, Guard::NotaryRefused),
    row(State::Rejecting, Act::NotaryRejected, State::Rejected, Actor::Notary, Guard::RejectionRecorded),
    row(State::Rejecting, Act::NotaryRefused, State::Held, Actor::Notary, Guard::NotaryRefused),
    row(State::Failed, Act::RetryCustody, State::Received, Actor::Sekisho, Guard::NothingHeld),
    row(State::Failed, Act::RetryInspection, State::Inspecting, Actor::Sekisho, Guard::FilesHeldAndMember),
    row(State::Failed, Act::Withdraw, State::Withdrawn, Actor::Requester, Guard::IsRequester),
];

/// Why a request did not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// There is no such transition.
    #[error("a request that is {} cannot be {}", from.as_str(), act.as_str())]
    NoSuchTransition {
        /// Where it is.
        from: State,
        /// What was tried.
        act: Act,
    },
    /// There is one, but its guard does not hold.
    #[error("{} needs: {}", act.as_str(), guard.as_str())]
    GuardNotMet {
        /// What was tried.
        act: Act,
        /// What is missing.
        guard: Guard,
    },
}

/// The next state, or why there is none.
///
/// # Errors
/// [`Illegal`] when the table has no such row or its guard does not hold.
pub fn step(from: State, act: Act, known: &Known) -> Result<State, Illegal> {
    let row = TRANSITIONS
        .iter()
        .find(|t| t.from == from && t.act == act)
        .ok_or(Illegal::NoSuchTransition { from, act })?;
    if row.guard.holds(known) { Ok(row.to) } else { Err(Illegal::GuardNotMet { act, guard: row.guard }) }
}

impl Guard {
    fn holds(self, known: &Known) -> bool {
        let approvable = matches!(known.verdict, Some(Verdict::Pass | Verdict::Review));
        let decided = known.signed && known.officer_may_decide && known.files_held;
        match self {
            Self::FilesHeldAndMember => known.files_held && known.member == Some(true),
            Self::FilesHeldAndStranger => known.files_held && known.member == Some(false),
            Self::ReportRecorded => known.files_held && known.report_recorded && known.verdict.is_some(),
            // `block` can only be lifted by the secretariat, whose override has no row in this table yet.
            Self::MayApprove => decided && approvable && known.compared && !known.is_requester,
            Self::MayReject => decided && known.verdict.is_some() && !known.is_requester,
            Self::BagPublished => known.signed && known.bag_published,
            Self::RejectionRecorded => known.signed && known.rejection_recorded,
            Self::NotaryRefused => known.notary_refused,
            Self::IsRequester => known.is_requester,
            Self::FailureRecorded => known.failure_recorded,
            Self::NothingHeld => !known.some_held,
            Self::Outdated => known.files_held && known.outdated,
        }
    }

    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FilesHeldAndMember => "every file in custody, owner is a member",
            Self::FilesHeldAndStranger => "every file in custody, owner is not a member",
            Self::ReportRecorded => "report in the ledger",
            Self::MayApprove => {
                "signed by a certified officer who is not the requester, verdict not block and compared with every release of the plan"
            }
            Self::MayReject => "signed by a certified officer who is not the requester",
            Self::BagPublished => "bag published",
            Self::RejectionRecorded => "rejection in the ledger",
            Self::NotaryRefused => "notary refused the decision",
            Self::IsRequester => "asked by the requester",
            Self::FailureRecorded => "failure in the ledger",
            Self::NothingHeld => "nothing in custody yet",
            Self::Outdated => "a release of the plan came between that changes the report",
        }
    }
}

impl State {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Received,
        Self::Inspecting,
        Self::Held,
        Self::Releasing,
        Self::Rejecting,
        Self::Released,
        Self::Rejected,
        Self::Withdrawn,
        Self::Failed,
    ];

    /// The word used in the database, in messages and as a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Inspecting => "inspecting",
            Self::Held => "held",
            Self::Releasing => "releasing",
            Self::Rejecting => "rejecting",
            Self::Released => "released",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Failed => "failed",
        }
    }

    /// The state a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }

    /// Nothing leads out of it.
    pub fn is_final(self) -> bool {
        TRANSITIONS.iter().all(|t| t.from != self)
    }
}

impl Act {
    /// Every act.
    #[cfg(test)]
    pub const ALL: [Self; 13] = [
        Self::CustodyComplete,
        Self::RefuseRequester,
        Self::Inspected,
        Self::Approve,
        Self::Reject,
        Self::NotaryReleased,
        Self::NotaryRejected,
        Self::NotaryRefused,
        Self::Withdraw,
        Self::Fail,
        Self::RetryCustody,
        Self::RetryInspection,
        Self::CompareAgain,
    ];

    /// In words, as what was done to the request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CustodyComplete => "taken into custody",
            Self::RefuseRequester => "refused",
            Self::Inspected => "inspected",
            Self::Approve => "approved",
            Self::Reject => "rejected",
            Self::NotaryReleased => "released",
            Self::NotaryRejected => "recorded as rejected",
            Self::NotaryRefused => "handed back",
            Self::Withdraw => "withdrawn",
            Self::Fail => "failed",
            Self::RetryCustody => "retried from custody",
            Self::RetryInspection => "retried from inspection",
            Self::CompareAgain => "compared again",
        }
    }
}

impl Actor {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sekisho => "sekisho",
            Self::Requester => "requester",
            Self::Officer => "officer",
            Self::Notary => "notary",
        }
    }
}

/// The table as a mermaid diagram; the README shows exactly this.
pub fn mermaid() -> String {
    let mut out = String::from("stateDiagram-v2\n    [*] --> received: dropped into the spool\n");
    for t in TRANSITIONS {
        let (from, to) = (t.from.as_str(), t.to.as_str());
        let _ = writeln!(
            out,
            "    {from} --> {to}: {} by {}, {}",
            t.act.as_str(),
            t.actor.as_str(),
            t.guard.as_str()
        );
    }
    for state in State::ALL.into_iter().filter(|s| s.is_final()) {
        let _ = writeln!(out, "    {} --> [*]", state.as_str());
    }
    out
}

#[cfg(test)]
#[path = "states_test.rs"]
mod test;
