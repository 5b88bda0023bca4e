//! Node accounts: who a uid is.

use nix::unistd::User;

/// Names and uids.
pub trait Accounts {
    /// Name of a uid.
    fn name(&self, uid: u32) -> Option<String>;
    /// Uid of a name.
    fn uid(&self, name: &str) -> Option<u32>;
}

/// Those of this node.
pub struct System;

impl Accounts for System {
    fn name(&self, uid: u32) -> Option<String> {
        Some(User::from_uid(uid.into()).ok()??.name)
    }

    fn uid(&self, name: &str) -> Option<u32> {
        Some(User::from_name(name).ok()??.uid.as_raw())
    }
}
