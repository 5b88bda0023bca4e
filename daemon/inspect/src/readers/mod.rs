//! One reader per format, chosen by content. Several may read the same file in the same pass.
//!
//! A reader never fails: what it could not understand it reports as a problem beside what it did. To add one:
//! a file here with `pub fn plausible(sample, context) -> Option<Box<dyn TextReader>>`, and a line in [`choose`].

pub mod bed;
mod carriers;
pub mod code;
mod comments;
pub mod counts;
mod dense;
mod digits;
mod listings;
mod matrix;
pub mod printed;
mod reads;
pub mod results;
pub mod scout;
pub mod sites;
pub mod tally;
#[cfg(test)]
pub mod testing;
pub mod text;
mod vcf;

use crate::crew::Crew;
use crate::lines::Block;
use crate::shape::Shape;
use scout::{Report, Scout};
use sekisho_policy::facts::{Beside, Part, Problem, ProblemKind};
use sekisho_policy::{Policy, RequestInfo};
use std::sync::Arc;

/// What every reader may know besides the bytes.
pub struct Context<'a> {
    /// Thresholds in force.
    pub policy: &'a Policy,
    /// What the requester declared.
    pub request: &'a RequestInfo,
    /// The file's name: for looking up declarations about it, never for its kind.
    pub name: &'a str,
    /// What the request's other files say about this one.
    pub beside: Option<&'a Beside>,
    /// Who helps with long texts.
    pub crew: &'a Crew,
}

/// The beginning of a text.
pub struct Sample<'a> {
    /// The first bytes, up to some hundred kilobytes.
    pub head: &'a [u8],
    /// `head` is the whole text.
    pub whole: bool,
    /// Its shape as a table, if it has one.
    pub shape: Option<Shape>,
}

/// What a reader wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next block.
    More,
    /// Nothing: refusal is proven, the rest of the file changes nothing.
    Proven,
    /// Nothing: this is not the reader's format after all. Others go on.
    Leave,
}

/// What a reader found.
#[derive(Debug, Default)]
pub struct Found {
    /// The kind, when the reader recognised the file; empty when it did not.
    pub kind: String,
    /// Parts to judge.
    pub parts: Vec<Part>,
    /// What it could not understand.
    pub problems: Vec<Problem>,
    /// Rows understood and what they are called (`lines`, `sites`).
    pub rows: u64,
    /// See `rows`.
    pub unit: &'static str,
}

impl Found {
    /// The reader's format was not met.
    pub fn nothing() -> Self {
        Self::default()
    }
}

/// Reads text in blocks of whole lines.
pub trait TextReader {
    /// Takes the next lines.
    fn block(&mut self, block: &Block<'_>) -> Flow;
    /// Who may look ahead at the next blocks, once the reader has learned enough.
    fn scout(&self) -> Option<Arc<dyn Scout>> {
        None
    }
    /// Takes the next lines, at which its scout has looked.
    fn scouted(&mut self, block: &Block<'_>, _: &Report) -> Flow {
        self.block(block)
    }
    /// The text has ended, or reading stopped at proof.
    fn finish(self: Box<Self>) -> Found;
    /// Speaks only when no reader before it found anything.
    fn fallback(&self) -> bool {
        false
    }
}

/// Every reader for which this text is plausible. Earlier ones name the kind.
pub fn choose(sample: &Sample<'_>, context: &Context<'_>) -> Vec<Box<dyn TextReader>> {
    let readers: Vec<Option<Box<dyn TextReader>>> = vec![
        vcf::plausible(sample, context),
        listings::plausible(sample, context),
        digits::plausible(sample, context),
        carriers::plausible(sample, context),
        reads::plausible(sample, context),
        matrix::plausible(sample, context),
    ];
    let mut chosen: Vec<Box<dyn TextReader>> = readers.into_iter().flatten().collect();
    let known = !chosen.is_empty();
    match &sample.shape {
        Some(shape) if shape.columns > WIDE => {
            // No table of results is this wide. What is not a genotype matrix has not been understood.
            if !known {
                chosen.push(Box::new(TooWide(shape.columns)));
            }
        }
        _ => chosen.extend(results::readers(sample, context)),
    }
    let watched = comments::watch(context);
    if !known {
        chosen.push(dense::plausible(sample, context));
    }
    chosen.push(watched);
    chosen
}

/// More columns than any table of results has.
const WIDE: usize = 4096;

/// A table that nobody takes apart.
struct TooWide(usize);

impl TextReader for TooWide {
    fn block(&mut self, _: &Block<'_>) -> Flow {
        Flow::More
    }

    fn finish(self: Box<Self>) -> Found {
        let detail = format!("{} columns; at most {WIDE} are taken apart", self.0);
        Found { problems: vec![Problem::new(ProblemKind::TooWide, "table", detail)], ..Found::nothing() }
    }
}
