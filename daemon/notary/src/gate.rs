//! The gate, as far as the notary cares: its heartbeat before each release, and its records in the ledger.

use crate::RunArgs;
use crate::notary::{Not, Notary, Trouble, refusal};
use sekisho_ledger::log::LogError;
use sekisho_wire::heartbeat;
use sekisho_wire::notary::GATE_KINDS;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The ledger's word for a release that was approved and waits for the gate.
pub const RELEASE_WAITS: &str = "release_waits";
/// Longest record of the gate's, bytes of JSON.
const RECORD: usize = 32 << 10;

/// The heartbeat, and which releases are known to wait for it.
pub struct Watched {
    path: PathBuf,
    owner: u32,
    boot: String,
    waiting: BTreeMap<String, &'static str>,
}

impl Watched {
    /// What the arguments name.
    pub fn new(args: &RunArgs) -> Self {
        let boot = args.boot.clone().unwrap_or_default();
        Self { path: args.heartbeat.clone(), owner: args.gate_uid, boot, waiting: BTreeMap::new() }
    }
}

impl Notary {
    /// Nothing is released while the gate is not known to be closed. That a release waits is recorded once per cause.
    pub(crate) fn gate_is_closed(&mut self, request: &str) -> Result<(), Trouble> {
        let needs = self.policy.in_force().policy.gate.release_needs;
        let requester = self.book.request(request).map_or(u32::MAX, |r| r.owner_uid);
        let Watched { path, owner, boot, .. } = &self.watched;
        let Err(fault) = heartbeat::judge(path, *owner, boot, heartbeat::now(), needs, requester) else {
            self.watched.waiting.remove(request);
            return Ok(());
        };
        if self.watched.waiting.get(request) != Some(&fault.code()) {
            tracing::warn!("the release of {request} waits: {fault}");
            let entry = json!({"kind": RELEASE_WAITS, "time": Self::now().to_string(), "by": "notary",
                "request": request, "reason": fault.code(), "message": fault.to_string()});
            self.append(entry.to_string().as_bytes())?;
            self.watched.waiting.insert(request.to_owned(), fault.code());
        }
        Err(Trouble::Gate(fault))
    }

    /// Puts what the gate saw or did into the ledger. Asked again with the same id, it is recorded once.
    pub(crate) fn record_gate(
        &mut self,
        id: &str,
        kind: &str,
        happened: &str,
        detail: &Value,
    ) -> Result<u64, Not> {
        if !GATE_KINDS.contains(&kind) {
            let message = format!("`{}` is not a kind the gate may record", kind.escape_debug());
            return Err(refusal("bad_kind", message, "see GATE_KINDS"));
        }
        let plain = |text: &str| text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic());
        if !plain(id) || id.is_empty() || !plain(happened) {
            return Err(refusal("bad_record", "an id or a time that is none", "at most 64 plain characters"));
        }
        if let Some(index) = self.book.last_of_gate(id) {
            return Ok(index);
        }
        let entry = json!({"kind": kind, "time": Self::now().to_string(), "by": "gate", "id": id,
            "happened": happened, "detail": detail})
        .to_string();
        if entry.len() > RECORD {
            return Err(refusal("too_large", format!("a record of {} bytes", entry.len()), "record less"));
        }
        match self.append(entry.as_bytes()) {
            Err(Trouble::Log(LogError::EntryTooLarge(n))) => {
                Err(refusal("too_large", format!("an entry of {n} bytes"), "record less detail"))
            }
            other => Ok(other?),
        }
    }
}
