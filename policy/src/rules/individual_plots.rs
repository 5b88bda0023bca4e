//! `individual_plots`, clause `5-4(2)(iii)`: a *plot* of individual features (principal components and the like) does not
//! identify.
//!
//! The clause frees pictures, which are re-encoded with nothing riding inside. The coordinates as a table, one row a person,
//! are not a plot: they are for the officer, and few rows of them fall under `small_counts` as well.

use crate::Verdict;
use crate::facts::What;

/// Rule id.
pub(super) const RULE: &str = "individual_plots";
/// Clause.
pub(super) const CLAUSE: &str = "5-4(2)(iii)";

/// What evidence weighs under this clause; `None` when it is not this rule's.
pub(super) fn weight(what: What) -> Option<Verdict> {
    matches!(what, What::SubjectFeatures | What::Noise | What::Cells).then_some(Verdict::Review)
}
