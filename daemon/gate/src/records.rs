//! What the gate saw or did, on its way into the ledger. It waits on disk until the notary has it; how much may wait
//! is bounded, and what found no room is counted and said.

use jiff::Timestamp;
use sekisho_wire::frame::{self, FrameError};
use sekisho_wire::notary::{Answer, Ask};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Most records that wait.
const WAITING: usize = 4096;
/// How long the notary may take: it copies large files between two answers.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a notary that was away is asked again.
const AGAIN: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    id: String,
    kind: String,
    happened: String,
    detail: Value,
}

/// The records that wait.
pub struct Records {
    dir: PathBuf,
    last: u64,
    dropped: u64,
    bell: SyncSender<()>,
}

impl Records {
    /// Opens the directory and starts bringing what is in it to the notary.
    pub fn open(dir: impl Into<PathBuf>, notary: impl Into<PathBuf>) -> Self {
        let (dir, notary) = (dir.into(), notary.into());
        if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(&dir) {
            tracing::error!(dir = %dir.display(), %error, "records cannot wait for the notary");
        }
        let (bell, rung) = sync_channel(1);
        let place = dir.clone();
        let carrier = std::thread::Builder::new().name("records".into()).spawn(move || {
            loop {
                carry(&place, &notary);
                if rung.recv_timeout(AGAIN) == Err(RecvTimeoutError::Disconnected) {
                    return;
                }
            }
        });
        if let Err(error) = carrier {
            tracing::error!(%error, "nobody brings records to the notary");
        }
        let last = waiting(&dir).last().and_then(|p| number(p)).unwrap_or(0);
        let dropped = fs::read_to_string(dir.join(DROPPED)).ok().and_then(|n| n.trim().parse().ok());
        let records = Self { dir, last, dropped: dropped.unwrap_or(0), bell };
        let _ = records.bell.try_send(());
        records
    }

    /// How many wait.
    pub fn waiting(&self) -> u64 {
        waiting(&self.dir).len() as u64
    }

    /// Puts a record on its way.
    pub fn note(&mut self, kind: &str, detail: Value) {
        tracing::info!(kind, detail = %detail, "record");
        if waiting(&self.dir).len() >= WAITING {
            self.drop_one(kind, &"too many wait for the notary");
            return;
        }
        if self.dropped > 0 {
            let detail = json!({"records_without_room": self.dropped});
            if self.keep("gate_events_lost", detail).is_ok() {
                self.dropped = 0;
                let _ = fs::remove_file(self.dir.join(DROPPED));
            }
        }
        if let Err(error) = self.keep(kind, detail) {
            self.drop_one(kind, &error);
        }
        let _ = self.bell.try_send(());
    }

    fn drop_one(&mut self, kind: &str, why: &dyn std::fmt::Display) {
        self.dropped += 1;
        tracing::error!(kind, dropped = self.dropped, "a record for the ledger found no room: {why}");
        let _ = fs::write(self.dir.join(DROPPED), self.dropped.to_string());
    }

    fn keep(&mut self, kind: &str, detail: Value) -> io::Result<()> {
        let now = Timestamp::now();
        // Names are the order; a clock set back must not change it.
        self.last = u64::try_from(now.as_microsecond()).unwrap_or(0).max(self.last + 1);
        let id = format!("{:020}", self.last);
        let record = Record { id: id.clone(), kind: kind.into(), happened: now.to_string(), detail };
        let part = self.dir.join("part");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(&serde_json::to_vec(&record)?)?;
        file.sync_all()?;
        fs::rename(part, self.dir.join(format!("{id}.json")))?;
        File::open(&self.dir)?.sync_all()
    }
}

/// How many found no room, while the count itself waits.
const DROPPED: &str = "dropped";

fn number(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.parse().ok()
}

/// Records that wait, oldest first.
fn waiting(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let mut found: Vec<_> =
        entries.filter(|p| p.extension().is_some_and(|e| e == "json") && number(p).is_some()).collect();
    found.sort();
    found
}

/// Brings what waits to the notary, in order; stops at the first that does not arrive.
fn carry(dir: &Path, notary: &Path) {
    for path in waiting(dir) {
        let record = fs::read(&path)
            .map_err(|e| e.to_string())
            .and_then(|bytes| serde_json::from_slice::<Record>(&bytes).map_err(|e| e.to_string()));
        let refused = match record {
            Ok(record) => match send(notary, record) {
                Ok(None) => {
                    let _ = fs::remove_file(&path);
                    continue;
                }
                Ok(Some(refused)) => refused,
                Err(error) => {
                    tracing::debug!(%error, "records wait for the notary");
                    return;
                }
            },
            Err(unreadable) => unreadable,
        };
        // Kept beside the others, for people: it must not hold up what comes after it.
        tracing::error!(record = %path.display(), refused, "the ledger does not take a record");
        if fs::rename(&path, path.with_extension("refused")).is_err() {
            return;
        }
    }
}

/// `Some` when the notary does not want it.
fn send(notary: &Path, record: Record) -> Result<Option<String>, FrameError> {
    let mut stream = UnixStream::connect(notary)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let Record { id, kind, happened, detail } = record;
    frame::write(&mut stream, &Ask::RecordGate { id, kind, happened, detail })?;
    match frame::read(&mut stream)? {
        Answer::Recorded { .. } => Ok(None),
        Answer::Refused { message, .. } => Ok(Some(message)),
        other => Err(io::Error::other(format!("{other:?}")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn until(done: impl Fn() -> bool) {
        let begin = std::time::Instant::now();
        while !done() {
            assert!(begin.elapsed() < Duration::from_secs(20), "it never came");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn records_wait_for_the_notary_in_order_and_arrive_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("notary");
        let queue = dir.path().join("queue");
        let mut records = Records::open(&queue, dir.path().join("nobody"));
        records.note("gate_started", json!({"n": 1}));
        records.note("gate_policy", json!({"n": 2}));
        assert_eq!(records.waiting(), 2);
        drop(records);
        let listener = UnixListener::bind(&socket).unwrap();
        let mut records = Records::open(&queue, &socket);
        records.note("gate_stopped", json!({"n": 3}));
        let mut kinds = Vec::new();
        while kinds.len() < 3 {
            let (mut stream, _) = listener.accept().unwrap();
            let Ok(Ask::RecordGate { kind, .. }) = frame::read(&mut stream) else { continue };
            kinds.push(kind);
            // The second is refused for good: it must not stand in the way.
            let answer = if kinds.len() == 2 {
                let no = || "no".to_owned();
                Answer::Refused { reason: no(), message: no(), hint: no() }
            } else {
                Answer::Recorded { index: 1 }
            };
            frame::write(&mut stream, &answer).unwrap();
        }
        assert_eq!(kinds, ["gate_started", "gate_policy", "gate_stopped"]);
        until(|| records.waiting() == 0);
        let refused = fs::read_dir(&queue).unwrap().flatten();
        assert_eq!(refused.filter(|e| e.path().extension().is_some_and(|e| e == "refused")).count(), 1);
    }

    #[test]
    fn what_finds_no_room_is_counted_and_said_later() {
        let dir = tempfile::tempdir().unwrap();
        let mut records = Records::open(dir.path(), dir.path().join("nobody"));
        let record = json!({"id": "1", "kind": "gate_policy", "happened": "x", "detail": {}}).to_string();
        for n in 0..WAITING {
            fs::write(dir.path().join(format!("{n:020}.json")), &record).unwrap();
        }
        records.note("gate_denials", json!({}));
        records.note("gate_denials", json!({}));
        assert_eq!(fs::read_to_string(dir.path().join(DROPPED)).unwrap(), "2");
        drop(records);
        for path in waiting(dir.path()) {
            fs::remove_file(path).unwrap();
        }
        let mut records = Records::open(dir.path(), dir.path().join("nobody"));
        records.note("gate_stopped", json!({}));
        let first = fs::read_to_string(&waiting(dir.path())[0]).unwrap();
        assert!(first.contains("gate_events_lost") && first.contains(":2"), "{first}");
        assert_eq!(records.waiting(), 2);
    }
}
