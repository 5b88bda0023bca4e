//! PLINK 1 `.bed`.

use super::{Context, Found};
use sekisho_policy::facts::{BedMatrix, Part};
use std::io::Read;

/// Counts the body.
pub fn read(stream: &mut impl Read, variant_major: bool, _context: &Context<'_>) -> (Found, bool) {
    let mut sink = vec![0; 256 << 10];
    let mut all = 0u64;
    while let Ok(n) = stream.read(&mut sink) {
        if n == 0 {
            break;
        }
        all += n as u64;
    }
    let part = Part::BedMatrix(BedMatrix { body: all.saturating_sub(3), variant_major });
    let found =
        Found { kind: "plink_bed".into(), parts: vec![part], rows: 0, unit: "sites", ..Found::default() };
    (found, false)
}
