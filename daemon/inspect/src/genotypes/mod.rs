//! Counting what a genotype matrix shows about one person, in a stream and in bounded memory.
//!
//! A reader hands over sites one by one ([`Panel`]) or persons one by one ([`Rows`]). Both stop as soon as more
//! than the permitted number of independent sites is proven, or can no longer be disproved.

mod ld;
mod panel;
mod rows;
mod thin;

pub use panel::{Panel, SiteKey};
pub use rows::Rows;
pub use thin::thinned;

/// A genotype as one byte: hundredths of an alternate allele, 0 to 200.
pub type Call = u8;
/// Not called.
pub const MISSING: Call = 255;
/// In-file LD is trusted from this number of persons on.
pub const TRUSTED: usize = 100;

/// A dosage between 0 and 2 as a call.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped
pub fn of_dosage(dosage: f64) -> Call {
    if dosage.is_finite() { (dosage.clamp(0.0, 2.0) * 100.0).round() as Call } else { MISSING }
}
