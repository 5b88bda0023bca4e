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
    /// Who am I to this node, and what can I do now?
    Whoami,
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
    /// To [`Ask::Whoami`].
    Whoami(Whoami),
    /// The answer is no.
    Refused {
        /// Machine-readable.
        reason: String,
        /// For people.
        message: String,
        /// The way out.
        hint: String,
        /// The same two sentences in Japanese; empty when there is no translation.
        #[serde(default)]
        message_ja: String,
        /// See `message_ja`.
        #[serde(default)]
        hint_ja: String,
    },
    /// The airlock itself cannot answer now (notary or database away). Nothing was lost; ask again.
    Unavailable {
        /// For people.
        message: String,
        /// The way out.
        hint: String,
        /// The same two sentences in Japanese.
        #[serde(default)]
        message_ja: String,
        /// See `message_ja`.
        #[serde(default)]
        hint_ja: String,
    },
}

/// What the asker is to this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whoami {
    /// Node account.
    pub account: String,
    /// Projects the account is a member of and whose plan is in force today.
    pub projects: Vec<String>,
    /// Officer id, when the account is a certified officer today.
    pub officer: Option<String>,
    /// Own requests that are not finished.
    pub open: u64,
    /// Requests that wait for this officer's decision.
    pub waiting: u64,
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
    /// Name of the spool entry it came from.
    #[serde(default)]
    pub entry: String,
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
    /// The files in custody.
    #[serde(default)]
    pub files: Vec<HeldFile>,
    /// The judgement, once inspected.
    pub report: Option<RequestReport>,
    /// What happened so far: time, kind, actor, words.
    pub history: Vec<Event>,
    /// Directory of the bag, when released.
    pub bag: Option<String>,
}

/// A file in custody, or on its way there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldFile {
    /// Name inside the request.
    pub name: String,
    /// SHA-256 of the copy, hex; `None` before custody.
    pub sha256: Option<String>,
    /// Size of the copy.
    pub bytes: Option<u64>,
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
