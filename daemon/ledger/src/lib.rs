//! Merkle log, signatures and release bags: bytes in, bytes out; a verifier needs this crate alone.
//!
//! Invariants:
//! - A parser accepts exactly what the matching writer writes: one meaning has one text, so nothing can be hidden in a
//!   second spelling of a signed statement.
//! - An appended entry is durable before it is visible, and visible before `append` returns.
//! - Nothing here decides: who may sign, and what may leave, is the notary's business.
//!
//! What it deliberately does not do: open sockets, know policy, or choose paths. It touches the disk only below
//! directories it is given ([`log`], [`bag`]).
#![forbid(unsafe_code)]

pub mod bag;
pub mod durable;
pub mod escape;
pub mod log;
pub mod merkle;
pub mod note;
pub mod sshsig;
pub mod statement;

/// Namespace of an officer's decision.
pub const DECISION_NAMESPACE: &str = "sekisho-decision@v1";
/// Namespace of a released bag.
pub const RELEASE_NAMESPACE: &str = "sekisho-release@v1";
