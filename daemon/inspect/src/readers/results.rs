//! Readers of results about groups of people, and the filtered copies they can write.

use super::sites;
use super::{Context, Sample, TextReader};

/// The readers of results for which this text is plausible.
pub fn readers(sample: &Sample<'_>, context: &Context<'_>) -> Vec<Box<dyn TextReader>> {
    [sites::vcf::plausible(sample, context), sites::table::plausible(sample, context)]
        .into_iter()
        .flatten()
        .collect()
}
