//! Lockdowns: who is frozen, since when, by whose order and why. Kept on disk, put into the kernel before anything is
//! attached, ended only by an order.

use crate::store::Locks;
use sekisho_policy::Policy;
use sekisho_wire::gate::{Lock, Scope};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// Longest reason, characters.
const REASON: usize = 500;

/// The lockdowns in force.
#[derive(Debug)]
pub struct Lockdowns {
    path: PathBuf,
    locks: Vec<Lock>,
}

impl Lockdowns {
    /// Reads what is in force. What cannot be read freezes everybody: nobody is thawed by a broken file.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let locks = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| e.to_string()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(e.to_string()),
        };
        let locks = locks.unwrap_or_else(|error| {
            tracing::error!(path = %path.display(), error, "lockdowns cannot be read: everybody is frozen");
            vec![Lock {
                scope: Scope::Everyone,
                accounts: Vec::new(),
                since: jiff::Timestamp::now().to_string(),
                by: "sekisho-gate".into(),
                reason: format!("the record of lockdowns cannot be read: {error}"),
            }]
        });
        Self { path, locks }
    }

    /// All, oldest first.
    pub fn all(&self) -> &[Lock] {
        &self.locks
    }

    /// What the kernel must hold.
    pub fn frozen(&self) -> Locks {
        Locks {
            everyone: self.locks.iter().any(|l| l.scope == Scope::Everyone),
            accounts: self.locks.iter().flat_map(|l| l.accounts.iter().copied()).collect(),
        }
    }

    /// Adds one, durably. A second order for the same people renews the first, and frees nobody.
    ///
    /// # Errors
    /// The disk's; then nothing is in force that was not.
    pub fn add(&mut self, mut lock: Lock) -> io::Result<()> {
        let mut locks = self.locks.clone();
        if let Some(old) = locks.iter().find(|l| l.scope == lock.scope) {
            lock.accounts.extend(old.accounts.iter().copied());
        }
        lock.accounts.sort_unstable();
        lock.accounts.dedup();
        locks.retain(|l| l.scope != lock.scope);
        locks.push(lock);
        self.replace(locks)
    }

    /// Ends one, durably; `None` when there is no such lockdown.
    ///
    /// # Errors
    /// The disk's; then it stays in force.
    pub fn remove(&mut self, scope: &Scope) -> io::Result<Option<Lock>> {
        let mut locks = self.locks.clone();
        let Some(at) = locks.iter().position(|l| l.scope == *scope) else { return Ok(None) };
        let lock = locks.remove(at);
        self.replace(locks)?;
        Ok(Some(lock))
    }

    /// Whoever joined a frozen project is frozen too; nobody is freed by leaving it. True when something changed.
    ///
    /// # Errors
    /// The disk's.
    pub fn follow(&mut self, policy: &Policy, uid: impl Fn(&str) -> Option<u32>) -> io::Result<bool> {
        let mut locks = self.locks.clone();
        for lock in &mut locks {
            for account in accounts(&lock.scope, policy, &uid).unwrap_or_default() {
                if !lock.accounts.contains(&account) {
                    lock.accounts.push(account);
                }
            }
        }
        if locks == self.locks {
            return Ok(false);
        }
        self.replace(locks)?;
        Ok(true)
    }

    fn replace(&mut self, locks: Vec<Lock>) -> io::Result<()> {
        let part = self.path.with_extension("part");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(&serde_json::to_vec_pretty(&locks)?)?;
        file.sync_all()?;
        fs::rename(&part, &self.path)?;
        if let Some(dir) = self.path.parent() {
            File::open(dir)?.sync_all()?;
        }
        self.locks = locks;
        Ok(())
    }
}

/// The accounts a scope stands for; `None` when there is no such account or project.
pub fn accounts(scope: &Scope, policy: &Policy, uid: impl Fn(&str) -> Option<u32>) -> Option<Vec<u32>> {
    match scope {
        Scope::Everyone => Some(Vec::new()),
        Scope::User { name } => uid(name).map(|uid| vec![uid]),
        Scope::Project { id } => Some(policy.project(id)?.members.iter().filter_map(|m| uid(m)).collect()),
    }
}

/// A reason as it may stand in records: something, in one line, not endless.
pub fn reason(text: &str) -> Option<String> {
    let text = text.trim().replace(char::is_control, " ");
    (!text.is_empty() && text.chars().count() <= REASON).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(scope: Scope, accounts: &[u32]) -> Lock {
        Lock {
            scope,
            accounts: accounts.to_vec(),
            since: "2026-11-22T02:00:00Z".into(),
            by: "root".into(),
            reason: "incident".into(),
        }
    }

    fn policy(members: &str) -> Policy {
        Policy::parse(
            "p",
            &format!(
                "version = 1\n[[institution]]\nid = \"a\"\nname = \"A\"\n[[project]]\nid = \"demo\"\ntitle = \"D\"\n\
                 institution = \"a\"\nfrom = 2026-01-01\nuntil = 2026-12-31\nmembers = [{members}]\n"
            ),
        )
        .unwrap()
    }

    fn uid(name: &str) -> Option<u32> {
        [("a", 1001), ("b", 1002)].iter().find(|(n, _)| *n == name).map(|(_, uid)| *uid)
    }

    #[test]
    fn a_lockdown_outlives_the_daemon_and_only_an_order_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("locks.json");
        let user = Scope::User { name: "a".into() };
        let mut locks = Lockdowns::open(&path);
        locks.add(lock(user.clone(), &[1001])).unwrap();
        locks.add(lock(Scope::Everyone, &[])).unwrap();
        let mut locks = Lockdowns::open(&path);
        assert_eq!(locks.frozen(), Locks { everyone: true, accounts: [1001].into() });
        assert_eq!(locks.remove(&Scope::User { name: "b".into() }).unwrap(), None);
        assert!(locks.remove(&Scope::Everyone).unwrap().is_some());
        assert_eq!(Lockdowns::open(&path).frozen(), Locks { everyone: false, accounts: [1001].into() });
    }

    #[test]
    fn joining_a_frozen_project_freezes_and_leaving_it_does_not_thaw() {
        let dir = tempfile::tempdir().unwrap();
        let mut locks = Lockdowns::open(dir.path().join("locks.json"));
        let scope = Scope::Project { id: "demo".into() };
        let members = accounts(&scope, &policy("\"a\", \"gone\""), uid).unwrap();
        assert_eq!(members, [1001]);
        locks.add(lock(scope.clone(), &members)).unwrap();
        assert!(locks.follow(&policy("\"b\""), uid).unwrap());
        assert_eq!(locks.frozen().accounts, [1001, 1002].into());
        assert!(!locks.follow(&policy(""), uid).unwrap());
        locks.add(lock(scope, &[])).unwrap();
        assert_eq!(locks.frozen().accounts, [1001, 1002].into(), "a second order frees nobody");
        assert_eq!(accounts(&Scope::Project { id: "other".into() }, &policy(""), uid), None);
    }

    #[test]
    fn a_broken_file_freezes_everybody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("locks.json");
        fs::write(&path, "[{").unwrap();
        assert!(Lockdowns::open(&path).frozen().everyone);
    }

    #[test]
    fn a_reason_is_one_line_and_something() {
        assert_eq!(reason("  leak\nsuspected ").as_deref(), Some("leak suspected"));
        assert_eq!((reason(" \n"), reason(&"x".repeat(501))), (None, None));
    }
}
