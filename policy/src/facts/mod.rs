//! What an inspector found in a file: evidence, bounded in size, without judgement.
//!
//! Invariant: facts never say whether something may leave. A list in here is always cut to a fixed length and
//! stands beside the number it was cut from, so that a hostile file cannot make facts large.

pub mod compared;
mod genotypes;
mod reading;
mod statistics;

pub use compared::{Comparable, Entry, HiddenEntry, Margin};
pub use genotypes::{BedMatrix, Beside, Genotypes, Proof, Repeats, Site, SiteList, SubjectList, keep};
pub use reading::{Coverage, Opaque, OpaqueKind, Problem, ProblemKind};
pub use statistics::{Evidence, Example, Statistics, What, most};

use serde::{Deserialize, Serialize};

/// Facts about one file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileFacts {
    /// The name given in the job.
    pub path: String,
    /// SHA-256 of every byte, lower-case hex; empty when reading stopped at proof before the end.
    pub sha256: String,
    /// Number of bytes in the file.
    pub bytes: u64,
    /// What the file was understood to be, e.g. `vcf_genotypes`.
    pub kind: String,
    /// How much was read and understood.
    pub coverage: Coverage,
    /// What is in the file; one entry per thing found, judged one by one.
    pub parts: Vec<Part>,
    /// What could not be read or understood. Never empty when the file was not understood as a whole.
    pub problems: Vec<Problem>,
}

/// One thing found in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "snake_case")]
pub enum Part {
    /// Alleles, genotypes or dosages per person and site.
    Genotypes(Genotypes),
    /// Short tandem repeats per person and locus.
    Repeats(Repeats),
    /// A PLINK `.bed` body, whose shape only its `.bim` and `.fam` can tell.
    BedMatrix(BedMatrix),
    /// Site ids, positions and alleles without any person.
    SiteList(SiteList),
    /// One row a person, with ids and little else (`.fam`, `.sample`, `.ind`).
    SubjectList(SubjectList),
    /// Results about groups of people, read row by row.
    Statistics(Statistics),
    /// Numbers to be compared with those of other tables.
    Comparable(Comparable),
    /// Content that is recognised but not read.
    Opaque(Opaque),
}

impl FileFacts {
    /// The facts of a file whose inspector died, timed out or spoke nonsense: "could not check" is never `pass`.
    pub fn unreadable(path: &str, sha256: &str, bytes: u64, why: &str) -> Self {
        Self {
            path: path.into(),
            sha256: sha256.into(),
            bytes,
            kind: "unknown".into(),
            coverage: Coverage { of: bytes, ..Coverage::default() },
            parts: Vec::new(),
            problems: vec![Problem::new(ProblemKind::NotInspected, "", why)],
        }
    }
}
