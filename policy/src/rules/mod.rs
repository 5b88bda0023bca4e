//! The rules, one file each, and the judgement of a request over all of them.
//!
//! Invariant: a rule only ever adds findings. Nothing a rule says can lift what another one found, and a file
//! nobody understood is never `pass` (rule `reading`).

pub mod bounds;
mod differencing;
mod identifiers;
mod individual_genotypes;
mod individual_plots;
mod personal_information;
pub mod plan_scope;
mod reading;
mod repeats;
mod shared_margins;
pub mod small_counts;
pub mod small_frequencies;
mod statistics;

pub use individual_genotypes::{bed_as_genotypes, beside};

use crate::catalogue::reading::coverage;
use crate::earlier::Earlier;
use crate::facts::FileFacts;
use crate::{FileReport, Policy, RequestInfo, RequestReport, Verdict};

/// What surrounds a request: its plan, and what left under that plan before.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Under which plan, by whom and when; `None` when it is not known, as before anything is submitted.
    pub plan: Option<plan_scope::Asked<'a>>,
    /// Earlier releases of the plan.
    pub earlier: &'a Earlier,
}

/// Judges files by themselves: no plan is known, and nothing that left before.
pub fn judge(policy: &Policy, request: &RequestInfo, files: &[FileFacts]) -> RequestReport {
    judge_within(policy, &Scope { plan: None, earlier: &Earlier::default() }, request, files)
}

/// Judges a request: every rule over every file, then the request as a whole, within its plan and beside what left before.
pub fn judge_within(
    policy: &Policy,
    scope: &Scope<'_>,
    request: &RequestInfo,
    files: &[FileFacts],
) -> RequestReport {
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
                findings: [reading::judge(file), identifiers::judge(file), statistics::judge(policy, file)]
                    .concat(),
            }
        })
        .collect();
    let together = individual_genotypes::judge(policy, scope.earlier, files)
        .into_iter()
        .chain(repeats::judge(policy, scope.earlier, files))
        .chain(differencing::judge(policy, scope, files))
        .chain(plan_scope::judge(policy, scope, request, files));
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
