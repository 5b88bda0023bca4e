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
    stream.set_read_timeout(Some(PATIENCE))?;
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
    Status(Status),
    /// To [`Ask::Screen`].
    Screen {
        /// Open sessions, oldest first.
        sessions: Vec<ScreenSession>,
        /// The limit, if policy sets one.
        budget: Option<ScreenBudget>,
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
}
