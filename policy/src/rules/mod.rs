//! The rules, one file each, and the judgement of a request over all of them.

use crate::facts::FileFacts;
use crate::{FileReport, Policy, RequestInfo, RequestReport, Verdict};

/// Judges a request: every rule over every file, then the request as a whole.
pub fn judge(_policy: &Policy, _request: &RequestInfo, files: &[FileFacts]) -> RequestReport {
    RequestReport::of(
        files
            .iter()
            .map(|f| FileReport {
                path: f.path.clone(),
                sha256: f.sha256.clone(),
                bytes: f.bytes,
                kind: f.kind.clone(),
                verdict: Verdict::Block,
                coverage: f.coverage.clone(),
                findings: Vec::new(),
            })
            .collect(),
    )
}
