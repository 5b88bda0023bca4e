//! `personal_information`, clause `5-4(1)`: nothing that is personal information under the Act leaves.
//!
//! Labelled or columnar identifiers (numbers with a check digit, insurer and insured numbers, phone, postal code, dates of
//! birth or visit, names, mail addresses, chart numbers) block; a lone hit that may be something else is for the officer.

use crate::Verdict;
use crate::facts::What;

/// Rule id.
pub(super) const RULE: &str = "personal_information";
/// Clause.
pub(super) const CLAUSE: &str = "5-4(1)";

/// What evidence weighs under this clause; `None` when it is not this rule's.
pub(super) fn weight(what: What) -> Option<Verdict> {
    match what {
        What::Personal => Some(Verdict::Block),
        What::MaybePersonal => Some(Verdict::Review),
        _ => None,
    }
}
