//! What the ledger says about each request. Built from its entries at start, and from each new one: there is no second
//! source of truth.

use crate::entry::{Entry, Own};
use jiff::Timestamp;
use jiff::civil::Date;
use sekisho_ledger::bag::ReleaseEntry;
use sekisho_wire::notary::Held;
use std::collections::{BTreeMap, BTreeSet};

/// One request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Its project.
    pub project: String,
    /// Owner of all its files.
    pub owner_uid: u32,
    /// Files in custody by name.
    pub held: BTreeMap<String, Held>,
    /// The latest recorded report.
    pub inspected: Option<Inspected>,
    /// Kind of the entry that ended it before a decision, e.g. `withdrawn`.
    pub closed: Option<String>,
    /// The decision.
    pub decided: Option<Decided>,
    /// The release, with its index and exact bytes.
    pub released: Option<(u64, ReleaseEntry, Vec<u8>)>,
    /// Directory of the bag, once visible.
    pub published: Option<String>,
}

/// A recorded report.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// When.
    pub time: Timestamp,
    /// Digest of its canonical JSON.
    pub report_sha256: String,
    /// Its verdict.
    pub verdict: String,
}

/// A verified decision.
#[derive(Debug, Clone)]
pub struct Decided {
    /// Index in the ledger.
    pub index: u64,
    /// The node's date.
    pub day: Date,
    /// Does it release?
    pub approved: bool,
    /// Digest of the statement.
    pub statement_sha256: String,
    /// Armoured signature.
    pub signature: String,
}

/// Every request.
#[derive(Debug, Default)]
pub struct Book {
    requests: BTreeMap<String, Request>,
    /// Digests of everything in custody.
    digests: BTreeSet<String>,
    /// Time of the last entry.
    last: Option<Timestamp>,
    /// Id of the last entry the gate sent, and its index.
    gate: Option<(String, u64)>,
    /// Policy digest of the last `started` or `policy` entry.
    policy_sha256: Option<String>,
}

/// Kinds recorded by the airlock after which a request can no longer be decided.
const CLOSING: [&str; 1] = ["withdrawn"];

impl Book {
    /// The request with this id.
    pub fn request(&self, id: &str) -> Option<&Request> {
        self.requests.get(id)
    }

    /// Every request with its id.
    pub fn requests(&self) -> impl Iterator<Item = (&String, &Request)> {
        self.requests.iter()
    }

    /// Is this digest in custody?
    pub fn holds(&self, sha256: &str) -> bool {
        self.digests.contains(sha256)
    }

    /// When the last entry was written.
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// The policy the ledger last named.
    pub fn policy_sha256(&self) -> Option<&str> {
        self.policy_sha256.as_deref()
    }

    /// Index of the entry with this id, if it was the last one the gate sent.
    pub fn last_of_gate(&self, id: &str) -> Option<u64> {
        self.gate.as_ref().filter(|(last, _)| last == id).map(|(_, index)| *index)
    }

    /// Takes in an entry of the ledger.
    pub fn apply(&mut self, index: u64, bytes: &[u8]) -> Result<(), serde_json::Error> {
        self.last = self.last.max(Entry::time(bytes));
        match Entry::read(bytes)? {
            Entry::Own(own) => self.own(index, *own),
            Entry::Released(entry) => {
                let request = self.requests.entry(entry.request.clone()).or_default();
                request.released = Some((index, entry, bytes.to_vec()));
            }
            Entry::Gate { id } => self.gate = Some((id, index)),
            Entry::Other { kind, request: Some(id) } if CLOSING.contains(&kind.as_str()) => {
                let request = self.requests.entry(id).or_default();
                if request.decided.is_none() {
                    request.closed = Some(kind);
                }
            }
            Entry::Other { .. } => {}
        }
        Ok(())
    }

    fn own(&mut self, index: u64, own: Own) {
        match own {
            Own::Started { policy_sha256, .. } | Own::Policy { policy_sha256, .. } => {
                self.policy_sha256 = Some(policy_sha256);
            }
            Own::Received { request, project, name, sha256, sha512, bytes, owner_uid, .. } => {
                self.digests.insert(sha256.clone());
                let of = self.requests.entry(request.clone()).or_default();
                (of.project, of.owner_uid) = (project, owner_uid);
                of.held.insert(name.clone(), Held { request, name, sha256, sha512, bytes, owner_uid, index });
            }
            Own::Inspected { request, verdict, report_sha256, time, .. } => {
                let time = time.parse().unwrap_or(Timestamp::MIN);
                self.requests.entry(request).or_default().inspected =
                    Some(Inspected { time, report_sha256, verdict });
            }
            Own::Decided { request, decision, statement_sha256, signature, day, .. } => {
                let approved = decision == "approve";
                self.requests.entry(request).or_default().decided =
                    Some(Decided { index, day, approved, statement_sha256, signature });
            }
            Own::Published { request, bag, .. } => {
                self.requests.entry(request).or_default().published = Some(bag);
            }
        }
    }
}
