//! Text that is no table: Stata logs, program logs, scripts, `bcftools stats`, prose.

mod bcftools;
mod plain;
pub mod scan;
mod script;
mod smcl;
mod stata;

#[cfg(test)]
mod tests;

use crate::readers::{Context, Sample, TextReader};

/// The reader of a text whose form is certain from its beginning.
pub fn recognised(sample: &Sample<'_>, context: &Context<'_>) -> Option<Box<dyn TextReader>> {
    if stata::is_log(sample.head) {
        return Some(Box::new(stata::Log::new(context)));
    }
    if bcftools::is_stats(sample.head) {
        return Some(Box::new(bcftools::Stats::new(context)));
    }
    if plain::is_run_log(sample.head) {
        return Some(Box::new(plain::Plain::new(context, true)));
    }
    if script::is_script(sample.head, sample.whole) {
        return Some(Box::new(script::Script::new(context)));
    }
    None
}

/// Is the form of a text certain from its beginning?
pub fn is_recognised(head: &[u8], whole: bool) -> bool {
    stata::is_log(head)
        || bcftools::is_stats(head)
        || plain::is_run_log(head)
        || script::is_script(head, whole)
}

/// The reader of any other text.
pub fn any(context: &Context<'_>) -> Box<dyn TextReader> {
    Box::new(plain::Plain::new(context, false))
}
