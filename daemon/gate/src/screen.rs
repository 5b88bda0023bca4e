//! The screen, seen from the daemon: what left in each session, records of sessions, sums. The kernel half counts and
//! decides; nothing here changes what it answers.

use crate::denials::rotated;
use crate::store::StoreError;
use aya::Ebpf;
use aya::maps::{HashMap, MapData, MapError, PerCpuArray};
use jiff::{SignedDuration, Timestamp};
use sekisho_abi::screen::{
    Budget, OVER_COUNT, OVER_CUT, OVER_THROTTLE, Session, TOTAL_BYTES, TOTAL_HELD, TOTAL_UNTOLD, left,
};
use sekisho_policy::schema;
use sekisho_wire::gate::{ScreenBudget, ScreenSession};
use std::fs;
use std::path::{Path, PathBuf};

/// A session that is still open is recorded once in this time, nanoseconds.
const INTERVAL: u64 = 3_600_000_000_000;

/// The budget of a policy, as the kernel half reads it.
pub fn budget(screen: &schema::Screen) -> Budget {
    match screen.bytes_per_hour {
        None => Budget::default(),
        Some(bytes_per_hour) => {
            let over = match screen.over {
                schema::ScreenOver::Throttle => OVER_THROTTLE,
                schema::ScreenOver::Cut => OVER_CUT,
            };
            Budget { bytes_per_hour, over, unused: 0 }
        }
    }
}

/// [`Budget`] as bytes.
pub fn budget_bytes(budget: Budget) -> [u8; size_of::<Budget>()] {
    let mut bytes = [0; size_of::<Budget>()];
    bytes[..8].copy_from_slice(&budget.bytes_per_hour.to_ne_bytes());
    bytes[8..12].copy_from_slice(&budget.over.to_ne_bytes());
    bytes
}

type SessionBytes = [u8; size_of::<Session>()];

fn parse(bytes: &SessionBytes) -> Session {
    let long = |at: usize| bytes[at..at + 8].try_into().map(u64::from_ne_bytes).unwrap_or_default();
    let word = |at: usize| bytes[at..at + 4].try_into().map(u32::from_ne_bytes).unwrap_or_default();
    Session {
        bytes: long(0),
        held: long(8),
        last: long(16),
        told: long(24),
        account: word(32),
        pid: word(36),
    }
}

/// Sums since the maps were made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes that left.
    pub bytes: u64,
    /// Messages refused and packets held back.
    pub held: u64,
    /// Bytes that left without an entry of their session.
    pub untold: u64,
    /// Sessions open now.
    pub open: u64,
}

/// The maps of the screen, and where its records go.
pub struct Screen {
    sessions: HashMap<MapData, u64, SessionBytes>,
    spent: HashMap<MapData, u32, u64>,
    totals: PerCpuArray<MapData, u64>,
    records: PathBuf,
    booted: Timestamp,
    /// When each open session was last recorded, and with how many bytes.
    recorded: std::collections::HashMap<u64, (u64, u64)>,
}

fn on(map: &'static str) -> impl Fn(MapError) -> StoreError {
    move |source| StoreError::Map { map, source }
}

impl Screen {
    /// Takes the maps out of a loaded object. Records go to `screen.jsonl` in the directory given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take(object: &mut Ebpf, state: &Path, booted: Timestamp) -> Result<Self, StoreError> {
        let mut map = |name| object.take_map(name).ok_or(StoreError::Missing(name));
        Ok(Self {
            sessions: map("SCREEN_SESSIONS")?.try_into().map_err(on("SCREEN_SESSIONS"))?,
            spent: map("SCREEN_SPENT")?.try_into().map_err(on("SCREEN_SPENT"))?,
            totals: map("SCREEN_TOTALS")?.try_into().map_err(on("SCREEN_TOTALS"))?,
            records: state.join("screen.jsonl"),
            booted,
            recorded: std::collections::HashMap::new(),
        })
    }

    /// Sums for the metrics.
    pub fn totals(&self) -> Totals {
        let sum = |slot| self.totals.get(&slot, 0).map(|values| values.iter().sum()).unwrap_or(0);
        Totals {
            bytes: sum(TOTAL_BYTES),
            held: sum(TOTAL_HELD),
            untold: sum(TOTAL_UNTOLD),
            open: self.sessions.keys().flatten().count() as u64,
        }
    }

    fn told(&self, id: u64, session: &Session, ended: bool) -> ScreenSession {
        let at = |nanoseconds: u64| {
            let since = SignedDuration::from_nanos(i64::try_from(nanoseconds).unwrap_or(i64::MAX));
            self.booted.checked_add(since).unwrap_or(self.booted).to_string()
        };
        ScreenSession {
            session: id,
            account: session.account,
            since: at(id),
            last: at(session.last),
            bytes: session.bytes,
            held: session.held,
            ended,
        }
    }

    /// The open sessions of an account, oldest first, and what may leave at once now.
    pub fn of(&self, account: u32, budget: Budget, now: u64) -> (Vec<ScreenSession>, Option<ScreenBudget>) {
        let mut own: Vec<_> = self
            .sessions
            .iter()
            .flatten()
            .map(|(id, bytes)| (id, parse(&bytes)))
            .filter(|(id, session)| session.account == account && is_open(*id, session))
            .map(|(id, session)| self.told(id, &session, false))
            .collect();
        own.sort_by_key(|session| session.session);
        let budget = (budget.over != OVER_COUNT).then(|| ScreenBudget {
            bytes_per_hour: budget.bytes_per_hour,
            over: if budget.over == OVER_CUT { "cut" } else { "throttle" }.into(),
            left: left(self.spent.get(&account, 0).unwrap_or(0), now, budget.bytes_per_hour),
        });
        (own, budget)
    }

    /// Records sessions that ended, and once an hour those that go on. Returns the records.
    pub fn look(&mut self, now: u64) -> Vec<ScreenSession> {
        let mut present: Vec<_> = self.sessions.iter().flatten().map(|(id, b)| (id, parse(&b))).collect();
        // The kernel's table has no order; records have: sessions that ended in one look stand as they began.
        present.sort_unstable_by_key(|(id, _)| *id);
        let mut records = Vec::new();
        for (id, session) in &present {
            let ended = !is_open(*id, session);
            let (when, bytes) = *self.recorded.entry(*id).or_insert((now, 0));
            if ended || (now.saturating_sub(when) >= INTERVAL && session.bytes != bytes) {
                records.push(self.told(*id, session, ended));
                self.recorded.insert(*id, (now, session.bytes));
            }
            if ended && let Err(error) = self.sessions.remove(id) {
                tracing::debug!(%error, "a session's entry was gone already");
            }
        }
        self.recorded.retain(|id, _| present.iter().any(|(open, _)| open == id));
        // Whoever has spent nothing of late needs no entry; the table must not fill up.
        let idle: Vec<_> = self.spent.iter().flatten().filter(|(_, until)| *until < now).collect();
        for (account, _) in idle {
            if let Err(error) = self.spent.remove(&account) {
                tracing::debug!(%error, "an allowance was gone already");
            }
        }
        for record in &records {
            self.write(record);
        }
        records
    }

    fn write(&self, record: &ScreenSession) {
        tracing::info!(
            session = record.session,
            account = record.account,
            since = record.since,
            bytes = record.bytes,
            held = record.held,
            ended = record.ended,
            "screen"
        );
        if let Err(error) = rotated(&self.records, record) {
            tracing::warn!(%error, "a session's record was not written to disk");
        }
    }
}

/// Does a session go on?
fn is_open(id: u64, session: &Session) -> bool {
    transport_lives(session.pid, session.last.max(session.told).max(id))
}

/// Does the transport that was last seen then still run? Its number may belong to a younger process by now; it may itself
/// be younger than its session, whose mark it inherited.
fn transport_lives(pid: u32, seen: u64) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    started(&stat).is_none_or(|started| started <= seen)
}

/// When a process started, nanoseconds since boot, by its `/proc/PID/stat`. The name in it may contain anything.
fn started(stat: &str) -> Option<u64> {
    const TICK: u64 = 10_000_000;
    let (_, rest) = stat.rsplit_once(')')?;
    // The 22nd field; the rest begins with the third.
    rest.split_whitespace().nth(19)?.parse::<u64>().ok()?.checked_mul(TICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_cannot_hide_when_it_started() {
        let stat = "42 (sshd: a) 1 (2) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 777 0 0";
        assert_eq!(started(stat), Some(7_770_000_000));
        assert_eq!(started("42 (sshd"), None);
    }

    #[test]
    fn a_number_taken_over_by_a_younger_process_is_no_transport() {
        let own = std::process::id();
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let started = started(&stat).unwrap();
        assert!(transport_lives(own, started + 1));
        assert!(!transport_lives(own, started - 1));
    }

    #[test]
    fn the_kernel_half_reads_what_the_policy_says() {
        let policy = schema::Screen { bytes_per_hour: Some(1 << 21), over: schema::ScreenOver::Cut };
        assert_eq!(budget(&policy), Budget { bytes_per_hour: 1 << 21, over: OVER_CUT, unused: 0 });
        assert_eq!(budget(&schema::Screen::default()).over, OVER_COUNT);
        let bytes = budget_bytes(budget(&policy));
        assert_eq!((bytes[..8].to_vec(), bytes[8]), ((1u64 << 21).to_ne_bytes().to_vec(), 2));
    }

    #[test]
    fn a_session_is_read_where_the_kernel_half_puts_it() {
        let mut bytes = [0; size_of::<Session>()];
        for (n, chunk) in bytes.chunks_exact_mut(4).enumerate() {
            chunk.copy_from_slice(&(n as u32).to_ne_bytes());
        }
        let read = parse(&bytes);
        assert_eq!((read.bytes, read.held), (1 << 32, 3 << 32 | 2));
        assert_eq!((read.last, read.told, read.account, read.pid), (5 << 32 | 4, 7 << 32 | 6, 8, 9));
    }
}
