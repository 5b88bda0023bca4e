//! airlock or `sekisho check` → one inspector process per file.
//!
//! The inspector's descriptor 0 is a unix stream socket. The asker sends one [`Job`] frame, then the file's
//! descriptor, then, if the job says so, a second descriptor to write the filtered copy to. The inspector
//! answers with [`Progress`] frames, the last of which is `Done`. Anything else, or silence, is a finding.

mod client;

pub use client::{Answer, AskError, Connection, Input, ask, request};

use sekisho_policy::{Policy, RequestInfo};
use serde::{Deserialize, Serialize};

/// What to do with the descriptor that follows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Message version; 1.
    pub version: u32,
    /// The file's name inside the request. A label only: kind is decided by content.
    pub name: String,
    /// Thresholds and limits in force.
    pub policy: Policy,
    /// What the requester declared.
    pub request: RequestInfo,
    /// A second descriptor follows, open for writing, for the filtered copy.
    pub fix: bool,
    /// What other files of the request say about this one, on a second look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<sekisho_policy::facts::Beside>,
}

/// What a filtered copy holds, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mended {
    /// In English.
    pub holds: String,
    /// In Japanese.
    pub holds_ja: String,
}

/// What the inspector sends back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum Progress {
    /// Still reading.
    Reading {
        /// Bytes of the file read so far.
        bytes: u64,
    },
    /// The facts; nothing follows.
    Done {
        /// What was found.
        facts: Box<sekisho_policy::FileFacts>,
        /// What was written to the second descriptor, in words; `None` when nothing could be offered.
        fixed: Option<Mended>,
    },
}
