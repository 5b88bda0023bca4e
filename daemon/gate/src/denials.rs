//! From events to records: words for numbers, repetitions counted instead of written, a short memory per account.

use jiff::{SignedDuration, Timestamp};
use sekisho_abi::event::{Event, OBJECT_ADDRESS, OBJECT_FILE, OBJECT_PROCESS, OBJECT_UNIX};
use sekisho_abi::hook::Hook;
use sekisho_abi::network::is_mapped_v4;
use sekisho_abi::second_layer::Program;
use sekisho_abi::{Reason, maps};
use sekisho_wire::gate::Denial;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv6Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Records kept per account.
pub const KEPT: usize = 500;
/// A file of records is put aside at this size, bytes.
const FILE_BYTES: u64 = 1 << 20;
/// Repetitions within this time are one record.
const WINDOW: Duration = Duration::from_secs(10);
/// Most different denials watched for repetition at once.
const WATCHED: usize = 4096;

/// Puts an event into words.
pub fn describe(event: &Event, booted: Timestamp) -> Denial {
    let since = SignedDuration::from_nanos(i64::try_from(event.time).unwrap_or(i64::MAX));
    let time = booted.checked_add(since).unwrap_or(booted);
    let reason = Reason::ALL.get(usize::from(event.reason)).map_or("unknown", |reason| reason.name());
    Denial {
        time: time.to_string(),
        hook: hook_name(event.hook),
        reason: reason.to_owned(),
        denied: event.denied != 0,
        uid: event.uid,
        loginuid: event.loginuid,
        pid: event.pid,
        comm: escaped(&event.comm),
        object: object(event),
        repeated: 0,
    }
}

/// The hook's name, or that of the second layer's program.
fn hook_name(number: u16) -> String {
    let first = Hook::of(number).map(Hook::name);
    first.or_else(|| Program::of(number).map(Program::name)).map_or_else(|| number.to_string(), str::to_owned)
}

fn object(event: &Event) -> String {
    match event.object {
        // The kernel asks before it makes the name: there is no inode yet.
        OBJECT_FILE if event.inode == 0 => format!("`{}` (a new name)", escaped(&event.name)),
        OBJECT_FILE => {
            let (major, minor) = (event.device >> 20, event.device & 0xf_ffff);
            format!("`{}` (device {major}:{minor}, inode {})", escaped(&event.name), event.inode)
        }
        OBJECT_ADDRESS => {
            let address = Ipv6Addr::from(event.address);
            match address.to_ipv4_mapped() {
                Some(v4) if is_mapped_v4(&event.address) => format!("{v4}:{}", event.port),
                _ => format!("[{address}]:{}", event.port),
            }
        }
        OBJECT_UNIX if event.name[0] == 0 => "an unnamed or abstract unix socket".to_owned(),
        OBJECT_UNIX => format!("unix socket `{}`", escaped(&event.name)),
        OBJECT_PROCESS => format!("process {}", event.number),
        _ => numbered(event),
    }
}

fn numbered(event: &Event) -> String {
    match Program::of(event.hook) {
        Some(Program::Sysctl) => return format!("setting `{}`", escaped(&event.name)),
        Some(Program::Device) => {
            let (major, minor) = (event.number >> 20, event.number & 0xf_ffff);
            return format!("device node {major}:{minor}");
        }
        Some(Program::SockCreate) => return format!("socket family {}", event.number),
        _ => {}
    }
    if event.reason == Reason::Screen as u8 {
        return format!("{} bytes", event.number);
    }
    let what = match Hook::of(event.hook) {
        Some(Hook::Capable) => "capability",
        Some(Hook::SocketCreate | Hook::SocketPostCreate | Hook::SocketConnect | Hook::SocketSendmsg) => {
            "socket family"
        }
        Some(Hook::Bpf) => "bpf command",
        Some(Hook::TaskFixSetuid) => "uid",
        Some(Hook::BprmCheckSecurity | Hook::BprmCommittedCreds)
            if event.reason == Reason::OutsideZones as u8 =>
        {
            "a named pipe or ring handed to the program as descriptor"
        }
        _ => return String::new(),
    };
    format!("{what} {}", event.number)
}

/// Bytes up to the first zero, with everything unprintable escaped: a name must not forge a record.
fn escaped(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    let mut text = String::new();
    for chunk in bytes[..end].utf8_chunks() {
        text.extend(chunk.valid().chars().flat_map(|c| {
            let plain = !c.is_control() && c != '\\' && c != '`';
            if plain { vec![c] } else { c.escape_unicode().collect() }
        }));
        text.extend(chunk.invalid().iter().flat_map(|b| std::ascii::escape_default(*b).map(char::from)));
    }
    text
}

/// The account a denial belongs to: who logged in, else whose process it was.
pub fn account(denial: &Denial) -> u32 {
    if denial.loginuid == u32::MAX { denial.uid } else { denial.loginuid }
}

/// Counts repetitions instead of writing them.
#[derive(Default)]
pub struct Limiter {
    seen: HashMap<(u32, u32, String, String), (Instant, Denial)>,
}

impl Limiter {
    /// The record to write now, if any.
    pub fn admit(&mut self, denial: Denial, now: Instant) -> Option<Denial> {
        let key = (account(&denial), denial.pid, denial.hook.clone(), denial.object.clone());
        if let Some((_, seen)) = self.seen.get_mut(&key) {
            seen.repeated += 1;
            seen.time = denial.time;
            return None;
        }
        if self.seen.len() < WATCHED {
            self.seen.insert(key, (now, denial.clone()));
        }
        Some(denial)
    }

    /// Records of repetitions whose time is up.
    pub fn flush(&mut self, now: Instant) -> Vec<Denial> {
        let over: Vec<_> = self
            .seen
            .iter()
            .filter(|(_, (since, _))| now.duration_since(*since) >= WINDOW)
            .map(|(k, _)| k.clone())
            .collect();
        over.iter().filter_map(|k| self.seen.remove(k)).map(|(_, d)| d).filter(|d| d.repeated > 0).collect()
    }
}

/// What `sekisho why` reads: the latest records per account, in memory and on disk.
pub struct History {
    dir: PathBuf,
    accounts: BTreeMap<u32, VecDeque<Denial>>,
}

impl History {
    /// Opens the directory and remembers what is in it. A directory that cannot be used costs the memory of earlier
    /// runs, never a decision.
    pub fn open(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        if let Err(error) = fs::create_dir_all(&dir) {
            tracing::warn!(dir = %dir.display(), %error, "denials are kept in memory only");
        }
        let mut history = Self { dir, accounts: BTreeMap::new() };
        for entry in fs::read_dir(&history.dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(uid) = name.to_str().and_then(|n| n.strip_suffix(".jsonl")).and_then(|n| n.parse().ok())
            else {
                continue;
            };
            let Ok(file) = File::open(entry.path()) else { continue };
            for line in BufReader::new(file).lines().map_while(Result::ok) {
                if let Ok(denial) = serde_json::from_str(&line) {
                    history.remember(uid, denial);
                }
            }
        }
        history
    }

    fn remember(&mut self, uid: u32, denial: Denial) {
        let kept = self.accounts.entry(uid).or_default();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(denial);
    }

    /// Keeps a record.
    pub fn add(&mut self, denial: &Denial) {
        let uid = account(denial);
        self.remember(uid, denial.clone());
        if let Err(error) = self.append(uid, denial) {
            tracing::warn!(uid, %error, "a denial was not written to disk");
        }
    }

    fn append(&self, uid: u32, denial: &Denial) -> std::io::Result<()> {
        rotated(&self.dir.join(format!("{uid}.jsonl")), denial)
    }

    /// The latest records a caller may see: their own, by login uid or by uid; newest first.
    pub fn of(&self, uid: u32, limit: usize) -> Vec<Denial> {
        let own = self.accounts.get(&uid).into_iter().flatten();
        let lent = self.accounts.iter().filter(|(account, _)| **account != uid).flat_map(|(_, kept)| kept);
        // A process of this uid under somebody else's login is theirs, not ours, unless nobody logged in.
        let lent = lent.filter(|d| d.uid == uid && uid != 0 && d.loginuid == u32::MAX);
        let mut all: Vec<_> = own.chain(lent).cloned().collect();
        all.sort_by(|a, b| b.time.cmp(&a.time));
        all.truncate(limit);
        all
    }
}

/// Appends a record to a file of lines. A full file is put aside first, in place of the one put aside before.
///
/// # Errors
/// The file system's.
pub fn rotated(path: &Path, record: &impl Serialize) -> std::io::Result<()> {
    if fs::metadata(path).is_ok_and(|m| m.len() > FILE_BYTES) {
        fs::rename(path, path.with_extension("jsonl.1"))?;
    }
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)?.write_all(&line)
}

/// When the node booted, by the clock of records.
pub fn booted() -> Timestamp {
    use nix::time::{ClockId, clock_gettime};
    let now = Timestamp::now();
    let up = clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map(|t| SignedDuration::new(t.tv_sec(), 0))
        .unwrap_or_default();
    now.checked_sub(up).unwrap_or(now)
}

const _: () = assert!(maps::COUNT_DENIALS == 0 && maps::COUNT_LOST == 1);

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_abi::event::NAME;

    fn event() -> Event {
        let mut name = [0; NAME];
        name[..8].copy_from_slice(b"a\n`b\\\xffc\x1b");
        Event {
            time: 1_500_000_000,
            cgroup: 1,
            inode: 12,
            number: 0,
            pid: 42,
            uid: 0,
            loginuid: 1001,
            device: 8 << 20 | 1,
            hook: Hook::FileOpen as u16,
            port: 0,
            reason: Reason::OutsideZones as u8,
            denied: 1,
            object: OBJECT_FILE,
            unused: 0,
            address: [0; 16],
            comm: *b"python3\0\0\0\0\0\0\0\0\0",
            name,
        }
    }

    #[test]
    fn a_name_cannot_forge_a_record() {
        let denial = describe(&event(), Timestamp::UNIX_EPOCH);
        assert_eq!(denial.object, "`a\\u{a}\\u{60}b\\u{5c}\\xffc\\u{1b}` (device 8:1, inode 12)");
        assert_eq!(
            (denial.hook.as_str(), denial.reason.as_str(), denial.comm.as_str()),
            ("file_open", "outside_zones", "python3")
        );
        assert_eq!(denial.time, "1970-01-01T00:00:01.5Z");
    }

    #[test]
    fn addresses_read_as_people_write_them() {
        let mut address = [0; 16];
        address[10..].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 1]);
        let v4 = Event { object: OBJECT_ADDRESS, address, port: 443, ..event() };
        assert_eq!(describe(&v4, Timestamp::UNIX_EPOCH).object, "192.0.2.1:443");
        let v6 = Event { address: [0x20; 16], ..v4 };
        assert!(describe(&v6, Timestamp::UNIX_EPOCH).object.ends_with("]:443"));
    }

    #[test]
    fn repetitions_are_counted_never_dropped() {
        let mut limiter = Limiter::default();
        let now = Instant::now();
        let denial = describe(&event(), Timestamp::UNIX_EPOCH);
        assert!(limiter.admit(denial.clone(), now).is_some());
        for _ in 0..7 {
            assert!(limiter.admit(denial.clone(), now).is_none());
        }
        assert!(limiter.flush(now).is_empty());
        let flushed = limiter.flush(now + WINDOW);
        assert_eq!(flushed.iter().map(|d| d.repeated).collect::<Vec<_>>(), [7]);
        assert!(limiter.admit(denial, now + WINDOW).is_some());
    }

    #[test]
    fn the_history_shows_each_account_its_own_and_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut history = History::open(dir.path());
        let sudo = describe(&event(), Timestamp::UNIX_EPOCH);
        let other = Denial { loginuid: 1003, uid: 1003, ..sudo.clone() };
        history.add(&sudo);
        history.add(&other);
        for history in [history, History::open(dir.path())] {
            assert_eq!(history.of(1001, 10), std::slice::from_ref(&sudo));
            assert_eq!(history.of(1003, 10), std::slice::from_ref(&other));
            assert!(history.of(0, 10).is_empty());
        }
    }
}
