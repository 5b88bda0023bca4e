//! Asking the gate: who was denied what, and what it can do on this kernel.

use crate::frame::{self, FrameError};
use serde::{Deserialize, Serialize};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long the gate may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the gate one question.
///
/// # Errors
/// [`FrameError`]: it does not run, or did not answer in time.
pub fn ask(socket: &Path, question: &Ask) -> Result<Answer, FrameError> {
    let mut stream = UnixStream::connect(socket)?;
    // Orders look at every process of the node and write to disk before they are answered.
    let patience = match question {
        Ask::Apply | Ask::Lock { .. } | Ask::Lift { .. } => 12 * PATIENCE,
        _ => PATIENCE,
    };
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    frame::write(&mut stream, question)?;
    frame::read(&mut stream)
}

/// A question to the gate.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// The asker's own recent denials, newest first.
    Why {
        /// Most to return.
        limit: u32,
    },
    /// State of hooks, maps and mode.
    Status,
    /// What left on the screens of the asker's own sessions.
    Screen,
    /// Put the policy files into force now.
    Apply,
    /// Freeze everything outward.
    Lock {
        /// Of whom.
        scope: Scope,
        /// Why, for the ledger and for whoever is frozen.
        reason: String,
    },
    /// End a lockdown.
    Lift {
        /// Of whom.
        scope: Scope,
        /// Why, for the ledger.
        reason: String,
    },
}

/// Whom a lockdown freezes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "scope", rename_all = "snake_case")]
pub enum Scope {
    /// One account.
    User {
        /// Its name.
        name: String,
    },
    /// Every member of a project.
    Project {
        /// Its id in the policy.
        id: String,
    },
    /// Everybody confined.
    Everyone,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User { name } => write!(f, "user {name}"),
            Self::Project { id } => write!(f, "project {id}"),
            Self::Everyone => f.write_str("everyone"),
        }
    }
}

/// A lockdown in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Whom.
    #[serde(flatten)]
    pub scope: Scope,
    /// The accounts it stands for; empty for everyone.
    pub accounts: Vec<u32>,
    /// Since when, RFC 3339.
    pub since: String,
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// The gate's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Ask::Why`].
    Why {
        /// Newest first.
        denials: Vec<Denial>,
    },
    /// To [`Ask::Status`].
    Status(Box<Status>),
    /// To [`Ask::Screen`].
    Screen {
        /// Open sessions, oldest first.
        sessions: Vec<ScreenSession>,
        /// The limit, if policy sets one.
        budget: Option<ScreenBudget>,
    },
    /// To [`Ask::Apply`]: this is in force.
    Applied(Applied),
    /// To [`Ask::Apply`]: the policy was refused, the old one stays in force.
    PolicyRefused(PolicyRefused),
    /// To [`Ask::Lock`] and [`Ask::Lift`]: what is in force now.
    Locks {
        /// Lockdowns, oldest first.
        locks: Vec<Lock>,
    },
    /// Not the asker's to ask.
    NotPermitted {
        /// Why.
        why: NotPermitted,
    },
    /// There is no such account, project or lockdown.
    Unknown {
        /// What was named.
        scope: Scope,
    },
    /// The question could not be answered.
    Error {
        /// Why.
        message: String,
    },
}

/// One denial (or, in audit mode, would-be denial), as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// When, RFC 3339.
    pub time: String,
    /// Kernel hook, e.g. `file_open`.
    pub hook: String,
    /// Why, e.g. `outside_zones`, `network`, `device`, `deputy`.
    pub reason: String,
    /// False in audit mode: recorded, but allowed.
    pub denied: bool,
    /// Effective uid.
    pub uid: u32,
    /// Login uid, or 4294967295.
    pub loginuid: u32,
    /// Process id.
    pub pid: u32,
    /// Command name, escaped.
    pub comm: String,
    /// Device, inode, last name component, or address, escaped.
    pub object: String,
    /// How often the same denial repeated since it was last written.
    pub repeated: u64,
}

/// What left on the screen of one session: through the transport (sshd) to the person's terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScreenSession {
    /// The session: nanoseconds since boot at which its transport was marked.
    pub session: u64,
    /// Account.
    pub account: u32,
    /// When it began, RFC 3339.
    pub since: String,
    /// When something last left, RFC 3339.
    pub last: String,
    /// Bytes that left, as the network sees them: the terminal's and the transport's own.
    pub bytes: u64,
    /// Times something was refused or held back.
    pub held: u64,
    /// Is it over?
    pub ended: bool,
}

/// How much may leave on the screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScreenBudget {
    /// In any hour, per account.
    pub bytes_per_hour: u64,
    /// What happens to more: `throttle` or `cut`.
    pub over: String,
    /// Bytes that may leave at once now.
    pub left: u64,
}

/// Why somebody may not order the gate about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotPermitted {
    /// Neither root nor an account of the secretariat.
    Account,
    /// The asking process is confined, whoever it claims to be.
    Confined,
}

/// A policy that came into force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Digest of the policy before.
    pub before: String,
    /// Digest of the policy now.
    pub policy_sha256: String,
    /// What changed for the gate.
    pub changes: Vec<Change>,
    /// What could not be resolved, and what follows.
    pub warnings: Vec<String>,
}

/// One difference between two policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where in the policy, e.g. `gate.zone`.
    pub key: String,
    /// What was there and is not any more.
    pub before: Option<String>,
    /// What is there now and was not.
    pub after: Option<String>,
}

/// A policy that did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRefused {
    /// Where: `file:line:column`, or empty.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub hint: String,
    /// The same in Japanese.
    pub message_ja: String,
    /// The same in Japanese.
    pub hint_ja: String,
}

/// An account that policy exempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exempt {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
}

/// Processes of one program in one cgroup that the gate does not confine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unconfined {
    /// Cgroup.
    pub cgroup: String,
    /// Program.
    pub exe: String,
    /// Real uid.
    pub uid: u32,
    /// One of them.
    pub pid: u32,
    /// How many there are.
    pub processes: u32,
}

/// What the gate can do here and now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Kernel release.
    pub kernel: String,
    /// `enforce` or `audit`.
    pub mode: String,
    /// Digest of the policy in force.
    pub policy_sha256: String,
    /// Every hook and whether it is attached.
    pub hooks: Vec<Hook>,
    /// Did the last self-test pass?
    pub self_test: bool,
    /// Denials recorded since start.
    pub denials: u64,
    /// Events lost since start.
    pub events_lost: u64,
    /// Times the kernel skipped one of the gate's programs because it was at work on the same processor: what it would
    /// have judged was not judged.
    #[serde(default)]
    pub hooks_skipped: u64,
    /// Why nothing may be released now; empty when all is well.
    pub problem: String,
    /// Seconds since the last self-test that passed.
    pub self_test_age: Option<u64>,
    /// What the last self-test found, when it did not pass.
    pub self_test_problem: String,
    /// Lockdowns in force.
    pub locks: Vec<Lock>,
    /// Accounts that policy exempts.
    pub exempt: Vec<Exempt>,
    /// Programs found running unconfined when the policy came into force.
    pub unconfined: Vec<Unconfined>,
    /// Records for the ledger that wait for the notary.
    pub waiting_records: u64,
    /// The second layer on cgroups: what is attached, or why not; empty where there is none.
    pub second_layer: Vec<Hook>,
}

/// One hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Its name.
    pub name: String,
    /// Attached and pinned.
    pub attached: bool,
    /// If not: why, and what to do.
    pub detail: String,
    /// If not: the attached hooks that see here what it would see elsewhere. None: what it would see is not seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covered_by: Vec<String>,
}
