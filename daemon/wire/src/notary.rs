//! airlock → notary. The notary serves only the airlock's uid (and root, for what the gate records) and believes nothing it says about content:
//! digests, signatures, certificates and states are checked by the notary itself.

use crate::heartbeat::Fault;
use sekisho_policy::RequestReport;
use serde::{Deserialize, Serialize};

/// What the airlock asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// Take one spool file into custody: open without following links, wait for writers, copy, hash, fsync,
    /// record `received`.
    TakeCustody {
        /// Request the file belongs to.
        request: String,
        /// Project: the spool directory.
        project: String,
        /// Path below the project's spool directory; one or two plain components.
        name: String,
    },
    /// A read-only descriptor of a held copy follows the answer.
    OpenHeld {
        /// SHA-256, hex.
        sha256: String,
    },
    /// Record the inspection's result; a release is only possible over a recorded, non-blocking report.
    RecordInspection {
        /// Request.
        request: String,
        /// Judgement of all its files; the digest of its canonical JSON is what the officer signs.
        report: RequestReport,
    },
    /// Record an operation that needs no proof of its own: viewed, returned, withdrawn, failed, refused.
    Record {
        /// Request, if the operation is about one.
        request: Option<String>,
        /// Kind of entry, e.g. `viewed`.
        kind: String,
        /// Node account that acted, from the kernel.
        actor: String,
        /// Further facts, small.
        detail: serde_json::Value,
    },
    /// Verify a signed decision. An approval releases; a rejection is recorded. Asked again with the very same
    /// statement (because the answer was lost, or the release did not finish) the notary goes on from where it was and
    /// gives the same answer; nothing is released or recorded twice. Any other statement about a decided request is
    /// refused.
    Decide {
        /// Request.
        request: String,
        /// The statement's exact bytes; see `sekisho_ledger::statement`.
        statement: String,
        /// Armoured SSHSIG over them, namespace `sekisho-decision@v1`.
        signature: String,
    },
    /// What the gate saw or did. Only root is heard, and root only with this: see [`GATE_KINDS`].
    RecordGate {
        /// Unique. Asked again with the id of the last one, nothing is recorded twice.
        id: String,
        /// One of [`GATE_KINDS`].
        kind: String,
        /// When it happened, RFC 3339; it may have waited for the notary.
        happened: String,
        /// Further facts, small.
        detail: serde_json::Value,
    },
    /// Health and the latest checkpoint.
    Status,
}

/// Kinds of ledger entries that come from the gate, and from nobody else.
pub const GATE_KINDS: [&str; 11] = [
    "gate_started",
    "gate_stopped",
    "gate_self_test",
    "gate_policy",
    "gate_policy_refused",
    "gate_lockdown",
    "gate_lockdown_lifted",
    "gate_denials",
    "gate_events_lost",
    "gate_unconfined",
    "gate_screen",
];

/// The notary's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Ask::TakeCustody`]: the copy is durable and recorded.
    Custody(Held),
    /// To [`Ask::TakeCustody`]: someone still writes; ask again later.
    Busy {
        /// What holds it open.
        reason: String,
    },
    /// To [`Ask::OpenHeld`]: the descriptor follows.
    Descriptor,
    /// Recorded under this ledger index.
    Recorded {
        /// Entry's index in the log.
        index: u64,
    },
    /// To an approving [`Ask::Decide`].
    Released {
        /// Directory of the published bag.
        bag: String,
        /// Index of the `released` entry.
        index: u64,
    },
    /// To [`Ask::Status`].
    Status {
        /// Entries in the log.
        size: u64,
        /// Latest checkpoint, signed note.
        checkpoint: String,
    },
    /// Refused for good: what, and what to do.
    Refused {
        /// Machine-readable reason, e.g. `signature_invalid`, `certificate_expired`, `not_a_file`.
        reason: String,
        /// For people.
        message: String,
        /// The way out.
        hint: String,
    },
    /// To an approving [`Ask::Decide`]: the decision stands in the ledger, and the release waits for the gate. Ask again.
    Waits {
        /// What is wrong with the gate.
        fault: Fault,
    },
    /// Failed on our side (disk full, i/o): may be retried, nothing was lost.
    Failed {
        /// For people.
        message: String,
    },
}

/// A file in custody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Request.
    pub request: String,
    /// Name inside the request.
    pub name: String,
    /// SHA-256 of the copy, hex.
    pub sha256: String,
    /// SHA-512 of the copy, hex.
    pub sha512: String,
    /// Size.
    pub bytes: u64,
    /// Owner of the spool file, from the kernel.
    pub owner_uid: u32,
    /// Index of the `received` entry.
    pub index: u64,
}
