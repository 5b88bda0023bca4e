//! Digests two processes must agree on, computed in one place.

use ring::digest::{SHA256, digest};
use sekisho_policy::{Policy, RequestReport, canonical};

/// SHA-256 of bytes, lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The digest of a policy: SHA-256 over its canonical JSON.
///
/// # Errors
/// When it does not serialise.
pub fn of_policy(policy: &Policy) -> Result<String, serde_json::Error> {
    Ok(sha256_hex(canonical::to_json(policy)?.as_bytes()))
}

/// The digest of a report: what the officer signs and the notary recorded. SHA-256 over its canonical JSON.
///
/// # Errors
/// When it does not serialise.
pub fn of_report(report: &RequestReport) -> Result<String, serde_json::Error> {
    Ok(sha256_hex(canonical::to_json(report)?.as_bytes()))
}
