//! Orders: `sekisho policy apply`, `sekisho lockdown`. Only an unconfined root, or an unconfined account of the
//! secretariat, is obeyed; each order is recorded before it is answered.

use crate::daemon::DaemonError;
use crate::gate::Gate;
use crate::lockdown::{self, accounts};
use crate::serve::Asker;
use aya::maps::{MapData, RingBuf};
use jiff::Timestamp;
use sekisho_policy::Policy;
use sekisho_wire::config::LoadError;
use sekisho_wire::gate::{Answer, Ask, Lock, NotPermitted, PolicyRefused, Scope};
use serde_json::json;

/// May this asker give orders?
fn may_order(asker: Asker, policy: &Policy) -> Result<String, NotPermitted> {
    let name = account(asker.uid).unwrap_or_else(|| asker.uid.to_string());
    if !has_authority(asker.uid, policy) {
        return Err(NotPermitted::Account);
    }
    if asker.confined { Err(NotPermitted::Confined) } else { Ok(name) }
}

/// Root, or an account of the secretariat.
pub fn has_authority(uid: u32, policy: &Policy) -> bool {
    uid == 0 || account(uid).is_some_and(|name| policy.is_secretariat(&name))
}

fn account(uid: u32) -> Option<String> {
    nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}

fn uid(name: &str) -> Option<u32> {
    nix::unistd::User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
}

/// A refused policy in words.
pub fn refused(error: &DaemonError) -> PolicyRefused {
    if let DaemonError::Policy(LoadError::Refused(e)) = error {
        return PolicyRefused {
            place: format!("{}:{}:{}", e.file, e.line, e.column),
            message: e.message.clone(),
            hint: e.hint.clone(),
            message_ja: e.japanese.message.clone(),
            hint_ja: e.japanese.hint.clone(),
        };
    }
    let text = error.to_string();
    let (message, hint) = text.split_once("\nhint: ").unwrap_or((&text, ""));
    PolicyRefused {
        place: String::new(),
        message: message.to_owned(),
        hint: hint.to_owned(),
        message_ja: message.to_owned(),
        hint_ja: hint.to_owned(),
    }
}

impl Gate {
    /// Obeys, or says why not.
    pub fn order(&mut self, asker: Asker, ask: Ask, ring: &mut RingBuf<MapData>) -> Answer {
        let by = match may_order(asker, &self.loaded.policy) {
            Ok(by) => by,
            Err(why) => {
                tracing::warn!(uid = asker.uid, pid = asker.pid, ?why, "an order was not obeyed");
                return Answer::NotPermitted { why };
            }
        };
        match ask {
            Ask::Apply => match self.reload(ring) {
                Ok(applied) => Answer::Applied(applied),
                Err(refused) => Answer::PolicyRefused(refused),
            },
            Ask::Lock { scope, reason } => self.lock(scope, &reason, by),
            Ask::Lift { scope, reason } => self.lift(scope, &reason, &by),
            Ask::Why { .. } | Ask::Status | Ask::Screen => Answer::Error { message: "not an order".into() },
        }
    }

    fn lock(&mut self, scope: Scope, reason: &str, by: String) -> Answer {
        let Some(accounts) = accounts(&scope, &self.loaded.policy, uid) else {
            return Answer::Unknown { scope };
        };
        let Some(reason) = lockdown::reason(reason) else { return no_reason() };
        let since = Timestamp::now().to_string();
        let lock = Lock { scope, accounts, since, by, reason };
        // On disk first: a daemon that dies here freezes at its next start. The kernel before the record: at once.
        if let Err(error) = self.locks.add(lock.clone()) {
            return Answer::Error { message: format!("the lockdown could not be kept: {error}") };
        }
        let done = self.freeze();
        self.records.note("gate_lockdown", json!(lock));
        self.answered(done)
    }

    fn lift(&mut self, scope: Scope, reason: &str, by: &str) -> Answer {
        let Some(reason) = lockdown::reason(reason) else { return no_reason() };
        let Some(lock) = self.locks.all().iter().find(|l| l.scope == scope).cloned() else {
            return Answer::Unknown { scope };
        };
        // Recorded before its effect.
        self.records.note("gate_lockdown_lifted", json!({"lock": lock, "by": by, "reason": reason}));
        if let Err(error) = self.locks.remove(&scope) {
            return Answer::Error { message: format!("the lockdown could not be ended: {error}") };
        }
        let done = self.freeze();
        self.answered(done)
    }

    fn answered(&mut self, done: Result<(), crate::store::StoreError>) -> Answer {
        self.beat();
        match done {
            Ok(()) => Answer::Locks { locks: self.locks.all().to_vec() },
            Err(error) => Answer::Error { message: error.to_string() },
        }
    }

    /// Puts the lockdowns into the kernel.
    pub fn freeze(&mut self) -> Result<(), crate::store::StoreError> {
        self.store.lock(&self.locks.frozen())
    }

    /// Projects may have gained members.
    pub fn follow_locks(&mut self) {
        match self.locks.follow(&self.loaded.policy, uid) {
            Ok(false) => {}
            Ok(true) => {
                if let Err(error) = self.freeze() {
                    tracing::error!(%error, "a lockdown could not be extended to new members");
                }
            }
            Err(error) => tracing::error!(%error, "a lockdown could not be extended to new members"),
        }
    }
}

fn no_reason() -> Answer {
    Answer::Error { message: "a reason of 1 to 500 characters is needed".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unconfined_root_or_secretary_gives_orders() {
        let policy = Policy::parse("p", "version = 1\n[site]\nsecretariat = [\"daemon\"]\n").unwrap();
        let asker = |name: &str, confined| Asker { uid: uid(name).unwrap(), pid: 1, confined };
        assert_eq!(may_order(asker("root", false), &policy).as_deref(), Ok("root"));
        assert_eq!(may_order(asker("daemon", false), &policy).as_deref(), Ok("daemon"));
        assert_eq!(may_order(asker("root", true), &policy), Err(NotPermitted::Confined));
        assert_eq!(may_order(asker("daemon", true), &policy), Err(NotPermitted::Confined));
        assert_eq!(may_order(asker("nobody", false), &policy), Err(NotPermitted::Account));
    }
}
