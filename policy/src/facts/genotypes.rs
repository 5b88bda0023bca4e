//! Per-person genotypes, and the site and subject lists that explain them.

use serde::{Deserialize, Serialize};

/// How many entries lists in facts keep.
pub mod keep {
    /// Sites of a genotype part: enough to compare files, far above any sensible limit.
    pub const SITES: usize = 4096;
    /// Sites of a site list, which may serve as the positions of a `.bed` or `.ped`.
    pub const LISTED_SITES: usize = 20_000;
    /// Example ids shown to the officer.
    pub const IDS: usize = 3;
}

/// A place in the genome, as far as the file tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Chromosome without `chr`; empty when unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub chrom: String,
    /// Position; 0 when unknown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pos: u64,
    /// The id the file gives it; empty when none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for a reference
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Per-person genotypes. Numbers are exact when the file was read as a whole, else "at least".
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genotypes {
    /// Persons in the file (for person-per-row formats: rows read so far).
    pub subjects: u64,
    /// Distinct sites called in at least one person.
    pub sites: u64,
    /// Distinct sites called in the person who has most of them.
    pub most_called: u64,
    /// Are all sites' positions known?
    pub positions: bool,
    /// Called sites of one person kept by greedy thinning at 250 kb, largest over persons.
    pub thinned: Option<u64>,
    /// Called sites of one person among those kept by greedy LD pruning (r² < 0.2 within 1 Mb), largest over
    /// persons. Only with 100 persons or more.
    pub unlinked: Option<u64>,
    /// The sites kept by LD pruning, while it was not given up.
    pub unlinked_sites: Vec<Site>,
    /// Different genotype patterns among the persons: few of them in a large file means padding.
    pub patterns: Option<u64>,
    /// The first [`keep::SITES`] sites.
    pub first_sites: Vec<Site>,
    /// Why reading could stop.
    pub proof: Option<Proof>,
    /// It could not be told which side of the matrix is persons; the larger one was taken as sites.
    pub orientation_unclear: bool,
    /// How the values are coded, e.g. `GT`, `DS`, `0/1/2`, `letters`.
    pub coding: String,
}

/// Why more than the permitted number of independent sites is shown, or cannot be disproved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Too many sites at least 250 kb apart.
    FarApart,
    /// Too many sites kept by LD pruning on at least 100 persons.
    Unlinked,
    /// Fewer than 100 persons: dependence cannot be measured in the file.
    FewPersons,
    /// No positions: dependence cannot be argued at all.
    NoPositions,
    /// The matrix is too large for the memory the inspector may use.
    TooLarge,
}

/// The body of a PLINK `.bed`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BedMatrix {
    /// Bytes after the three magic ones.
    pub body: u64,
    /// Variant-major (the only mode in use), else sample-major.
    pub variant_major: bool,
}

/// Sites without persons: `.bim`, `.map`, `.snp`, `.pvar`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteList {
    /// Rows.
    pub rows: u64,
    /// Distinct positions (ids where there is no position).
    pub distinct: u64,
    /// Kept by thinning at 250 kb; `None` when positions are missing.
    pub thinned: Option<u64>,
    /// All sites in file order while there are at most [`keep::LISTED_SITES`], else none.
    pub sites: Vec<Site>,
}

/// Short tandem repeats of persons, as laboratories type them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeats {
    /// Names of the loci, in large letters; no more than [`keep::SITES`].
    pub loci: Vec<String>,
    /// How many there are.
    pub number: u64,
}

/// Persons without measurements.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectList {
    /// Rows, one a person.
    pub rows: u64,
    /// The first few ids.
    pub first_ids: Vec<String>,
    /// The columns beside the ids, by role, e.g. `sex`, `phenotype`.
    pub columns: Vec<String>,
}

/// What companions (`.bim`, `.map`, `.fam`) of the same request say about a file that has no positions of its
/// own: given to the inspector for a second look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beside {
    /// Sites in file order.
    pub sites: Vec<Site>,
    /// Number of persons, when a list of them fits.
    pub subjects: Option<u64>,
}
