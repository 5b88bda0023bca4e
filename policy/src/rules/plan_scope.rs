//! `plan_scope`, clause `5-4(3)`: within the approved plan, and the minimum it needs.
//!
//! The machine compares with what the plan says: its days, members, datasets, kinds of files, sizes and totals, and what it
//! released before. Whether the purpose needs the result stays with the officer. Columns that may carry something else than
//! they say (codes, extra digits) are not the minimum either.

use super::Scope;
use crate::catalogue::{Words, plan as say};
use crate::facts::{FileFacts, What};
use crate::schema::Project;
use crate::{Finding, Policy, RequestInfo, Verdict};
use jiff::civil::Date;

/// Rule id.
pub const RULE: &str = "plan_scope";
/// Clause.
pub const CLAUSE: &str = "5-4(3)";

/// A request as far as the plan is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The plan's id.
    pub project: &'a str,
    /// Account of the requester, as the kernel named it.
    pub requester: &'a str,
    /// Day of the request.
    pub day: Date,
}

/// Why a request is outside its plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Outside {
    /// There is no such plan.
    #[error("the policy knows no such project")]
    NoPlan,
    /// The requester is not one of its members.
    #[error("{account} is not a member of project {project}")]
    NotAMember {
        /// Who asked.
        account: String,
        /// Under which plan.
        project: String,
    },
    /// It does not run on that day.
    #[error("the plan of project {project} runs from {from} to {until}")]
    NotRunning {
        /// The plan.
        project: String,
        /// Its first day.
        from: Date,
        /// Its last day.
        until: Date,
    },
}

/// May this account ask for something to leave under this plan on that day?
///
/// # Errors
/// The first reason why not.
pub fn standing<'a>(policy: &'a Policy, asked: Asked<'_>) -> Result<&'a Project, Outside> {
    let project = policy.project(asked.project).ok_or(Outside::NoPlan)?;
    if !project.has_member(asked.requester) {
        return Err(Outside::NotAMember { account: asked.requester.into(), project: project.id.clone() });
    }
    if !project.runs_on(asked.day) {
        return Err(Outside::NotRunning {
            project: project.id.clone(),
            from: project.from,
            until: project.until,
        });
    }
    Ok(project)
}

/// Findings with the index of the file they are about; what concerns the whole request is said of every file.
pub fn judge(
    policy: &Policy,
    scope: &Scope<'_>,
    request: &RequestInfo,
    files: &[FileFacts],
) -> Vec<(usize, Finding)> {
    let mut findings = Vec::new();
    for (index, file) in files.iter().enumerate() {
        findings.extend(duplicate(scope, file).map(|f| (index, f)));
    }
    let Some(asked) = scope.plan else { return findings };
    let project = match standing(policy, asked) {
        Ok(project) => project,
        Err(outside) => {
            let words = match outside {
                Outside::NoPlan => say::no_plan(),
                Outside::NotAMember { .. } => say::not_a_member(),
                Outside::NotRunning { .. } => say::not_running(),
            };
            let finding = block(words).at("request").value(outside);
            return findings.into_iter().chain(each(files, &finding)).collect();
        }
    };
    for dataset in request.datasets.iter().filter(|d| !project.datasets.contains(*d)) {
        if project.datasets.is_empty() {
            continue;
        }
        let finding = block(say::dataset()).at("request").value(dataset).limit(project.datasets.join(", "));
        findings.extend(each(files, &finding));
    }
    for (index, file) in files.iter().enumerate() {
        if !project.kinds.is_empty() && !project.kinds.contains(&file.kind) {
            let finding = block(say::kind()).at("file").value(&file.kind).limit(project.kinds.join(", "));
            findings.push((index, finding));
        }
        if let Some(most) = project.file_bytes.filter(|most| file.bytes > *most) {
            findings.push((index, block(say::file_size(most)).at("file").value(file.bytes).limit(most)));
        }
    }
    findings.extend(quotas(project, scope, files));
    findings
}

/// The plan's totals over all its releases.
fn quotas(project: &Project, scope: &Scope<'_>, files: &[FileFacts]) -> Vec<(usize, Finding)> {
    let earlier = || scope.earlier.releases.iter().flat_map(|r| &r.files);
    let bytes = earlier().map(|f| f.bytes).chain(files.iter().map(|f| f.bytes));
    let bytes = bytes.fold(0_u64, u64::saturating_add);
    let number = (earlier().count() + files.len()) as u64;
    let mut findings = Vec::new();
    if let Some(most) = project.total_bytes.filter(|most| bytes > *most) {
        let finding = block(say::quota_bytes(most)).at("plan").value(bytes).limit(most);
        findings.extend(each(files, &finding));
    }
    if let Some(most) = project.total_files.filter(|most| number > *most) {
        let finding = block(say::quota_files(most)).at("plan").value(number).limit(most);
        findings.extend(each(files, &finding));
    }
    if scope.earlier.missing > 0 && (project.total_bytes.is_some() || project.total_files.is_some()) {
        let finding = Finding::new(RULE, CLAUSE, Verdict::Review, say::not_kept()).at("plan");
        findings.extend(each(files, &finding));
    }
    findings
}

/// The same bytes left before: a note, since they tell nobody anything new.
fn duplicate(scope: &Scope<'_>, file: &FileFacts) -> Option<Finding> {
    let same = scope.earlier.releases.iter().find_map(|release| {
        let same = |f: &&crate::earlier::Kept| !f.sha256.is_empty() && f.sha256 == file.sha256;
        release.files.iter().find(same).map(|f| format!("{}/{}", release.request, f.name))
    })?;
    Some(Finding::new(RULE, CLAUSE, Verdict::Pass, say::duplicate()).at("file").value(same))
}

fn block(words: Words) -> Finding {
    Finding::new(RULE, CLAUSE, Verdict::Block, words)
}

fn each<'a>(files: &'a [FileFacts], finding: &'a Finding) -> impl Iterator<Item = (usize, Finding)> + 'a {
    (0..files.len()).map(|index| (index, finding.clone()))
}

/// What evidence found in a file weighs under this clause; `None` when it is not this rule's.
pub(super) fn weight(what: What) -> Option<Verdict> {
    match what {
        What::ExtraDigits | What::CodedColumn => Some(Verdict::Review),
        _ => None,
    }
}

#[cfg(test)]
#[path = "plan_scope_test.rs"]
mod test;
