//! What stands in the ledger: one JSON object per operation, `kind` first.

use jiff::civil::Date;
use sekisho_ledger::bag::ReleaseEntry;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Kinds only the notary writes.
pub const OWN: [&str; 7] = ["started", "policy", "received", "inspected", "decided", "released", "published"];

/// An entry of the notary's own. All times are RFC 3339, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Own {
    /// The service started.
    Started {
        time: String,
        version: String,
        /// Fingerprint of the signing key.
        key: String,
        policy_sha256: String,
    },
    /// Another policy came into force.
    Policy { time: String, policy_sha256: String },
    /// A file is in custody.
    Received {
        time: String,
        request: String,
        project: String,
        name: String,
        sha256: String,
        sha512: String,
        bytes: u64,
        owner_uid: u32,
    },
    /// A report was recorded.
    Inspected { time: String, request: String, verdict: String, report_sha256: String, policy_sha256: String },
    /// An officer's decision was verified.
    Decided {
        time: String,
        /// The node's own date.
        day: Date,
        request: String,
        decision: String,
        officer: String,
        statement_sha256: String,
        signature: String,
        policy_sha256: String,
    },
    /// The bag is visible.
    Published { time: String, request: String, bag: String },
}

/// Any entry, as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The notary's own.
    Own(Box<Own>),
    /// A release: its exact bytes are in the bag.
    Released(ReleaseEntry),
    /// Recorded for the gate.
    Gate { id: String },
    /// Recorded for the airlock, or a refusal.
    Other { kind: String, request: Option<String> },
}

impl Entry {
    /// Reads an entry.
    pub fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let value: Value = serde_json::from_slice(bytes)?;
        let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        if kind == "released" {
            return Ok(Self::Released(serde_json::from_value(value)?));
        }
        if OWN.contains(&kind.as_str()) {
            return Ok(Self::Own(serde_json::from_value(value)?));
        }
        if kind.starts_with("gate_") {
            let id = value.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            return Ok(Self::Gate { id });
        }
        let request = value.get("request").and_then(Value::as_str).map(str::to_owned);
        Ok(Self::Other { kind, request })
    }

    /// The time an entry carries.
    pub fn time(bytes: &[u8]) -> Option<jiff::Timestamp> {
        #[derive(Deserialize)]
        struct Time {
            time: String,
        }
        serde_json::from_slice::<Time>(bytes).ok()?.time.parse().ok()
    }
}
