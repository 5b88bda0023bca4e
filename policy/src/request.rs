//! What the requester declares about a request: `request.toml`, or the questions `sekisho submit` asks.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The declared context of a request. Everything in it is a claim, never a proof.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestInfo {
    /// Why the results should leave.
    pub purpose: String,
    /// What the officer should know to judge them.
    pub context: String,
    /// Who will receive them.
    pub recipient: String,
    /// Ids of the datasets the results were made from.
    pub datasets: Vec<String>,
    /// Declared number of subjects for every file that has no number of its own.
    pub subjects: Option<u64>,
    /// What is declared per file name.
    pub files: BTreeMap<String, FileInfo>,
}

/// Declarations about one file of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileInfo {
    /// What the file is.
    pub description: String,
    /// Declared number of subjects in this file.
    pub subjects: Option<u64>,
    /// Declared number of subjects per named group (column or arm).
    pub groups: BTreeMap<String, u64>,
}
