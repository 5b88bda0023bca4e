//! The rules, one file each, and the judgement of a request over all of them.
//!
//! Invariant: a rule only ever adds findings. Nothing a rule says can lift what another one found, and a file
//! nobody understood is never `pass` (rule `reading`).

pub mod bounds;
mod differencing;
mod individual_genotypes;
mod reading;
pub mod small_counts;
pub mod small_frequencies;
mod statistics;

pub use individual_genotypes::beside;

use crate::catalogue::reading::coverage;
use crate::facts::FileFacts;
use crate::{FileReport, Policy, RequestInfo, RequestReport, Verdict};

/// Judges a request: every rule over every file, then the request as a whole.
pub fn judge(policy: &Policy, _request: &RequestInfo, files: &[FileFacts]) -> RequestReport {
    let mut reports: Vec<FileReport> = files
        .iter()
        .map(|file| {
            let (coverage, coverage_ja) = coverage(&file.coverage);
            FileReport {
                path: file.path.clone(),
                sha256: file.sha256.clone(),
                bytes: file.bytes,
                kind: file.kind.clone(),
                verdict: Verdict::Pass,
                coverage,
                coverage_ja,
                findings: [reading::judge(file), statistics::judge(policy, file)].concat(),
            }
        })
        .collect();
    let together =
        individual_genotypes::judge(policy, files).into_iter().chain(differencing::judge(policy, files));
    for (index, finding) in together {
        if let Some(report) = reports.get_mut(index) {
            report.findings.push(finding);
        }
    }
    for (report, facts) in reports.iter_mut().zip(files) {
        report.settle();
        // Reading may stop early only when refusal is proven; if no rule agrees, the rest is unread.
        if facts.coverage.stopped_at_proof && report.verdict != Verdict::Block {
            report.findings.push(reading::unread(facts));
            report.settle();
        }
    }
    RequestReport::of(reports)
}
