//! Reads one untrusted file once from start to end (hash, unwrapping and every plausible reader in the same pass) and
//! answers with facts.
//!
//! Invariants:
//! - A file's kind comes from its content, never from its name.
//! - No bytes make a reader panic, hang, or use memory in proportion to what they merely claim.
//! - Facts are evidence; nothing here judges, and nothing here opens a path: the sandbox is the program's (`main.rs`).

mod bzip;
pub mod crew;
mod detect;
mod encoding;
mod fold;
mod genotypes;
#[cfg(test)]
mod hostile;
mod inside;
pub mod inspect;
mod lines;
mod marks;
mod names;
mod number;
pub mod parsers;
mod picture;
mod readers;
mod roles;
mod shape;
mod source;
mod stream;
