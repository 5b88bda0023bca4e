//! `reading`: what was not read or not understood is never released unseen (`5-4`, preamble: everything taken
//! out must have been checked; what could not be checked has not been).

use crate::catalogue::reading as say;
use crate::facts::{FileFacts, OpaqueKind, Part, ProblemKind};
use crate::{Finding, Verdict};

/// Problems, opaque content, and files in which nothing was recognised.
pub fn judge(file: &FileFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for p in &file.problems {
        findings.push(
            Finding::new("reading", "5-4", problem_weight(p.kind), say::problem(p.kind))
                .at(p.place.clone())
                .value(&p.detail),
        );
    }
    for part in &file.parts {
        let Part::Opaque(o) = part else { continue };
        let clause = match o.kind {
            OpaqueKind::GenotypeMatrix | OpaqueKind::HumanReads | OpaqueKind::Reads => "5-4(1)(i)",
            _ => "5-4",
        };
        findings.push(
            Finding::new("reading", clause, opaque_weight(o.kind), say::opaque(o.kind))
                .at(o.format.clone())
                .value(&o.detail),
        );
    }
    if file.parts.is_empty() && file.problems.is_empty() {
        findings.push(Finding::new("reading", "5-4", Verdict::Review, say::nothing_understood()));
    }
    if !file.coverage.whole() && file.problems.is_empty() && !file.coverage.stopped_at_proof {
        findings.push(unread(file));
    }
    findings
}

/// Part of the file was not read.
pub fn unread(file: &FileFacts) -> Finding {
    Finding::new("reading", "5-4", Verdict::Block, say::problem(ProblemKind::NotInspected))
        .value(file.coverage.read)
        .limit(file.coverage.of)
}

/// Content nobody has seen cannot be approved; content with a blemish can be looked at.
fn problem_weight(kind: ProblemKind) -> Verdict {
    match kind {
        ProblemKind::NotInspected
        | ProblemKind::BrokenCompression
        | ProblemKind::Bomb
        | ProblemKind::LineTooLong
        | ProblemKind::TooWide
        | ProblemKind::NotText => Verdict::Block,
        ProblemKind::OverLimit
        | ProblemKind::Encoding
        | ProblemKind::Malformed
        | ProblemKind::Unrecognised
        | ProblemKind::TrailingBytes
        | ProblemKind::Empty => Verdict::Review,
    }
}

/// An opaque blob blocks, except the kinds an officer can open and look at.
fn opaque_weight(kind: OpaqueKind) -> Verdict {
    match kind {
        OpaqueKind::Reads | OpaqueKind::Model | OpaqueKind::Workbook | OpaqueKind::Picture => Verdict::Review,
        OpaqueKind::GenotypeMatrix
        | OpaqueKind::HumanReads
        | OpaqueKind::Workspace
        | OpaqueKind::Archive
        | OpaqueKind::Document
        | OpaqueKind::Executable
        | OpaqueKind::Other => Verdict::Block,
    }
}
