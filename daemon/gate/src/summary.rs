//! Denials for the ledger: who, which hook, why, how often, once a minute. Every single one is in the records of
//! `sekisho why` and in the journal.

use sekisho_wire::gate::Denial;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Most different rows in one summary; the rest is one number.
const ROWS: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Row {
    account: u32,
    uid: u32,
    hook: String,
    reason: String,
    denied: bool,
}

/// Denials since the last summary.
#[derive(Debug, Default)]
pub struct Summary {
    path: PathBuf,
    rows: BTreeMap<Row, u64>,
    beyond: u64,
    from: String,
    to: String,
    dirty: bool,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    rows: Vec<(Row, u64)>,
    beyond: u64,
    from: String,
    to: String,
}

impl Summary {
    /// Takes up what an earlier daemon had not yet handed over when it died.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        let path: PathBuf = path.into();
        let saved = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Saved>(&bytes).ok());
        match saved {
            Some(Saved { rows, beyond, from, to }) => {
                Self { path, rows: rows.into_iter().collect(), beyond, from, to, dirty: false }
            }
            None => Self { path, ..Self::default() },
        }
    }

    /// One more.
    pub fn add(&mut self, denial: &Denial) {
        let row = Row {
            account: crate::denials::account(denial),
            uid: denial.uid,
            hook: denial.hook.clone(),
            reason: denial.reason.clone(),
            denied: denial.denied,
        };
        if self.from.is_empty() {
            self.from.clone_from(&denial.time);
        }
        self.to.clone_from(&denial.time);
        self.dirty = true;
        let room = self.rows.len() < ROWS;
        match self.rows.get_mut(&row) {
            Some(count) => *count += 1,
            None if room => drop(self.rows.insert(row, 1)),
            None => self.beyond += 1,
        }
    }

    /// Keeps what is there against a sudden end.
    pub fn save(&mut self) {
        if !std::mem::take(&mut self.dirty) {
            return;
        }
        let rows = self.rows.iter().map(|(row, n)| (row.clone(), *n)).collect();
        let saved = Saved { rows, beyond: self.beyond, from: self.from.clone(), to: self.to.clone() };
        let kept = serde_json::to_vec(&saved).map_err(std::io::Error::from);
        if let Err(error) = kept.and_then(|bytes| replace(&self.path, &bytes)) {
            tracing::warn!(%error, "the summary of denials was not kept");
        }
    }

    /// The summary, if there is anything to say; begins a new one.
    pub fn take(&mut self) -> Option<Value> {
        if self.rows.is_empty() {
            return None;
        }
        let rows = std::mem::take(&mut self.rows);
        let total: u64 = rows.values().sum::<u64>() + self.beyond;
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(row, count)| {
                json!({"account": row.account, "uid": row.uid, "hook": row.hook, "reason": row.reason,
                    "denied": row.denied, "count": count})
            })
            .collect();
        let detail =
            json!({"from": self.from, "to": self.to, "total": total, "rows": rows, "beyond": self.beyond});
        self.from.clear();
        self.beyond = 0;
        Some(detail)
    }

    /// The last one taken is on its way: forget the copy.
    pub fn handed_over(&mut self) {
        let _ = fs::remove_file(&self.path);
        self.dirty = !self.rows.is_empty();
    }
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let part = path.with_extension("part");
    fs::write(&part, bytes)?;
    fs::rename(part, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(pid: u32, hook: &str) -> Denial {
        Denial {
            time: format!("2026-11-22T02:00:{pid:02}Z"),
            hook: hook.into(),
            reason: "outside_zones".into(),
            denied: true,
            uid: 0,
            loginuid: 1001,
            pid,
            comm: "cp".into(),
            object: "x".into(),
            repeated: 0,
        }
    }

    #[test]
    fn a_minute_of_denials_is_one_record_and_survives_a_sudden_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("summary");
        let mut summary = Summary::open(&path);
        assert!(summary.take().is_none());
        summary.add(&denial(1, "file_open"));
        summary.add(&denial(2, "file_open"));
        summary.save();
        let mut summary = Summary::open(&path);
        for n in 0..200 {
            summary.add(&denial(3, &format!("hook{n}")));
        }
        let said = summary.take().unwrap();
        summary.handed_over();
        assert_eq!((&said["total"], &said["beyond"]), (&json!(202), &json!(101)));
        assert_eq!(said["rows"][0]["count"], 2);
        assert_eq!(said["from"], "2026-11-22T02:00:01Z");
        assert!(!path.exists() && summary.take().is_none());
    }
}
