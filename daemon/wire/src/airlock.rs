//! `sekisho` → airlock. Who asks is read from the socket, never from the message.

use sekisho_policy::RequestReport;
use serde::{Deserialize, Serialize};

/// What a user asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// Requests the asker may see: own ones; an officer sees those of the institution's projects.
    List {
        /// Also finished ones.
        all: bool,
    },
    /// One request with its report. For an officer this look is recorded.
    Show {
        /// Request id.
        request: String,
    },
    /// The statement an officer has to sign for this decision.
    Statement {
        /// Request id.
        request: String,
        /// `approve` or `reject`.
        decision: String,
        /// For the requester; required to reject.
        reason: String,
    },
    /// A signed decision.
    Decide {
        /// Request id.
        request: String,
        /// The exact statement.
        statement: String,
        /// Armoured SSHSIG.
        signature: String,
    },
    /// Take one's own request back.
    Withdraw {
        /// Request id.
        request: String,
    },
    /// Look at the spool now instead of at the next change.
    Rescan,
}

/// The airlock's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Ask::List`].
    List {
        /// Newest last.
        requests: Vec<Summary>,
    },
    /// To [`Ask::Show`].
    Show(Box<Detail>),
    /// To [`Ask::Statement`].
    Statement {
        /// The exact bytes to sign, namespace `sekisho-decision@v1`.
        statement: String,
        /// Public key the policy names for this officer.
        key: String,
    },
    /// Done; the request's new state.
    Done {
        /// Request id.
        request: String,
        /// New state.
        state: String,
        /// Directory of the bag, when released.
        bag: Option<String>,
    },
    /// To [`Ask::Rescan`].
    Rescanned,
    /// The answer is no.
    Refused {
        /// Machine-readable.
        reason: String,
        /// For people.
        message: String,
        /// The way out.
        hint: String,
    },
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Request id, e.g. `R-000007`.
    pub request: String,
    /// Project id.
    pub project: String,
    /// Node account of the requester.
    pub requester: String,
    /// State, e.g. `held`.
    pub state: String,
    /// Verdict, once inspected.
    pub verdict: Option<String>,
    /// Number of files.
    pub files: u64,
    /// When received, RFC 3339.
    pub received: String,
    /// Why it failed, waits or was rejected.
    pub note: String,
}

/// A request in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// Its line in a list.
    pub summary: Summary,
    /// What the requester declared.
    pub info: sekisho_policy::RequestInfo,
    /// The judgement, once inspected.
    pub report: Option<RequestReport>,
    /// What happened so far: time, kind, actor, words.
    pub history: Vec<Event>,
    /// Directory of the bag, when released.
    pub bag: Option<String>,
}

/// One thing that happened to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// RFC 3339.
    pub time: String,
    /// State it led to or kind of look.
    pub kind: String,
    /// Node account, or `sekisho`.
    pub actor: String,
    /// In words.
    pub words: String,
}
