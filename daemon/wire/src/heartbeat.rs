//! The gate's heartbeat: a file only root writes. No release happens unless it is fresh and says the gate is closed.
//!
//! Time is the kernel's since boot, so that setting the clock makes nothing fresh.

use jiff::SignedDuration;
use sekisho_policy::schema::ReleaseNeeds;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

/// How often the gate's daemon writes it.
pub const EVERY: Duration = Duration::from_secs(2);
/// Older than this, nobody is watching the gate.
pub const STALE: Duration = Duration::from_secs(20);
/// Largest heartbeat, bytes.
const LIMIT: u64 = 1 << 20;

/// What the gate's daemon says about the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The kernel's id of this boot.
    pub boot: String,
    /// Milliseconds since boot.
    pub at: u64,
    /// Does it deny, or only record?
    pub enforcing: bool,
    /// Why the gate cannot be relied on; empty when it can.
    pub problem: String,
    /// Is everybody under lockdown?
    pub all_locked: bool,
    /// Accounts under lockdown.
    pub locked: Vec<u32>,
}

/// Why nothing may be released now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// There is none.
    #[error("the gate is not running: it has no heartbeat")]
    Absent,
    /// It cannot be believed: not a plain file that only root writes, or not a heartbeat.
    #[error("the gate's heartbeat cannot be believed: {why}")]
    Doubtful {
        /// Why.
        why: String,
    },
    /// Of another boot, or from the future.
    #[error("the gate's heartbeat is not of this boot")]
    OtherBoot,
    /// Too old.
    #[error("the gate's daemon has not been heard for {seconds} seconds")]
    Stale {
        /// Its age.
        seconds: u64,
    },
    /// The gate itself says so.
    #[error("the gate is not sound: {problem}")]
    Unsound {
        /// Why.
        problem: String,
    },
    /// Nothing is denied.
    #[error("the gate only records (audit mode)")]
    Audit,
    /// The requester is.
    #[error("the requester is under lockdown")]
    Locked,
}

impl Fault {
    /// One word for records.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Doubtful { .. } => "doubtful",
            Self::OtherBoot => "other_boot",
            Self::Stale { .. } => "stale",
            Self::Unsound { .. } => "unsound",
            Self::Audit => "audit",
            Self::Locked => "locked",
        }
    }
}

/// The kernel's id of this boot.
///
/// # Errors
/// The file system's.
pub fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Milliseconds since boot.
pub fn now() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    let since =
        clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap_or_else(|_| nix::sys::time::TimeSpec::new(0, 0));
    let since = SignedDuration::new(since.tv_sec(), i32::try_from(since.tv_nsec()).unwrap_or(0));
    u64::try_from(since.as_millis()).unwrap_or(0)
}

/// Replaces the heartbeat in one step.
///
/// # Errors
/// The file system's.
pub fn write(path: &Path, beat: &Heartbeat) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&part)?;
    file.write_all(&serde_json::to_vec(beat)?)?;
    drop(file);
    fs::rename(part, path)
}

/// May something of this requester's be released now?
///
/// # Errors
/// [`Fault`]: why not.
pub fn judge(
    path: &Path,
    owner: u32,
    boot: &str,
    now: u64,
    needs: ReleaseNeeds,
    requester: u32,
) -> Result<(), Fault> {
    if needs == ReleaseNeeds::Nothing {
        return Ok(());
    }
    let beat = read(path, owner)?;
    if beat.boot != boot || beat.at > now {
        return Err(Fault::OtherBoot);
    }
    let age = Duration::from_millis(now - beat.at);
    if age > STALE {
        return Err(Fault::Stale { seconds: age.as_secs() });
    }
    if !beat.problem.is_empty() {
        return Err(Fault::Unsound { problem: beat.problem });
    }
    if beat.all_locked || beat.locked.contains(&requester) {
        return Err(Fault::Locked);
    }
    if !beat.enforcing && needs == ReleaseNeeds::Enforce {
        return Err(Fault::Audit);
    }
    Ok(())
}

fn read(path: &Path, owner: u32) -> Result<Heartbeat, Fault> {
    let doubtful = |why: &str| Fault::Doubtful { why: why.into() };
    // A pipe must not make the reader wait, nor a link lead it elsewhere.
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(Fault::Absent),
        Err(e) => return Err(doubtful(&e.to_string())),
    };
    let found = file.metadata().map_err(|e| doubtful(&e.to_string()))?;
    if !found.is_file() || found.uid() != owner || found.mode() & 0o022 != 0 {
        return Err(doubtful("it is not a plain file that only root writes"));
    }
    let mut bytes = Vec::new();
    file.take(LIMIT).read_to_end(&mut bytes).map_err(|e| doubtful(&e.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|_| doubtful("it is not a heartbeat"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(beat: &Heartbeat, needs: ReleaseNeeds) -> Result<(), Fault> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heartbeat");
        write(&path, beat).unwrap();
        judge(&path, nix::unistd::getuid().as_raw(), "this", 100_000, needs, 1001)
    }

    fn beat() -> Heartbeat {
        Heartbeat {
            boot: "this".into(),
            at: 99_000,
            enforcing: true,
            problem: String::new(),
            all_locked: false,
            locked: vec![1002],
        }
    }

    #[test]
    fn only_a_fresh_sound_enforcing_gate_lets_something_be_released() {
        use ReleaseNeeds::{Audit, Enforce, Nothing};
        assert_eq!(judged(&beat(), Enforce), Ok(()));
        let old = Heartbeat { at: 79_999, ..beat() };
        assert_eq!(judged(&old, Enforce), Err(Fault::Stale { seconds: 20 }));
        let other = Heartbeat { boot: "other".into(), ..beat() };
        assert_eq!(judged(&other, Enforce), Err(Fault::OtherBoot));
        let future = Heartbeat { at: 100_001, ..beat() };
        assert_eq!(judged(&future, Enforce), Err(Fault::OtherBoot));
        let unsound = Heartbeat { problem: "the self-test failed".into(), ..beat() };
        assert_eq!(judged(&unsound, Audit).unwrap_err().code(), "unsound");
        let audit = Heartbeat { enforcing: false, ..beat() };
        assert_eq!(judged(&audit, Enforce), Err(Fault::Audit));
        assert_eq!(judged(&audit, Audit), Ok(()));
        assert_eq!(judged(&unsound, Nothing), Ok(()));
        let locked = Heartbeat { locked: vec![1001], ..beat() };
        assert_eq!(judged(&locked, Enforce), Err(Fault::Locked));
        let all = Heartbeat { all_locked: true, ..beat() };
        assert_eq!(judged(&all, Audit), Err(Fault::Locked));
    }

    #[test]
    fn what_others_may_write_is_no_heartbeat() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heartbeat");
        let me = nix::unistd::getuid().as_raw();
        let judge =
            |owner| judge(&path, owner, "this", 100_000, ReleaseNeeds::Enforce, 1001).unwrap_err().code();
        assert_eq!(judge(me), "absent");
        write(&path, &beat()).unwrap();
        assert_eq!(judge(me + 1), "doubtful");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        assert_eq!(judge(me), "doubtful");
        fs::write(&path, "{}").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(judge(me), "doubtful");
        fs::rename(&path, dir.path().join("real")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("real"), &path).unwrap();
        assert_eq!(judge(me), "doubtful");
    }
}
