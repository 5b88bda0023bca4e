//! Readers of results about groups of people, and the filtered copies they can write.

use super::sites::table::SiteTable;
use super::sites::vcf::SitesVcf;
use super::{Context, Sample, TextReader, counts, sites, text};
use crate::lines::{Block, Blocks};
use sekisho_wire::inspect::Mended;
use std::io::{Read, Write};

/// The readers of results for which this text is plausible.
pub fn readers(sample: &Sample<'_>, context: &Context<'_>) -> Vec<Box<dyn TextReader>> {
    if let Some(certain) = text::recognised(sample, context) {
        return vec![certain];
    }
    // Results about sites are long: nobody else reads along.
    let sites = sites::vcf::plausible(sample, context).or_else(|| sites::table::plausible(sample, context));
    if let Some(sites) = sites {
        return vec![sites];
    }
    // The first that finds something speaks; text of no form is left to the last.
    counts::table::plausible(sample, context).into_iter().chain([text::any(context)]).collect()
}

/// Writes a copy of what it reads, without what offends.
pub trait Copier {
    /// Takes the next lines.
    fn take(&mut self, block: &Block<'_>);
    /// What the copy has gained since the last call.
    fn gained(&mut self) -> Vec<u8>;
    /// The whole copy in words, English and Japanese, after the last line. `None`: the copy would not help.
    fn ended(&mut self) -> Option<(String, String)>;
}

impl Copier for SiteTable {
    fn take(&mut self, block: &Block<'_>) {
        self.block(block);
    }

    fn gained(&mut self) -> Vec<u8> {
        self.take_copy()
    }

    fn ended(&mut self) -> Option<(String, String)> {
        self.copied()
    }
}

impl Copier for SitesVcf {
    fn take(&mut self, block: &Block<'_>) {
        self.block(block);
    }

    fn gained(&mut self) -> Vec<u8> {
        self.take_copy()
    }

    fn ended(&mut self) -> Option<(String, String)> {
        self.copied()
    }
}

/// Whoever can write a filtered copy of this text, without the columns that may carry a code.
pub fn copier(sample: &Sample<'_>, context: &Context<'_>, coded: &[String]) -> Option<Box<dyn Copier>> {
    if text::recognised(sample, context).is_some() {
        return None;
    }
    if let Some(mut vcf) = SitesVcf::open(sample, context, true) {
        vcf.without(coded);
        return Some(Box::new(vcf));
    }
    if let Some(mut table) = SiteTable::open(sample, context, true) {
        table.without(coded);
        return Some(Box::new(table));
    }
    counts::mend::Mender::open(sample, context).map(|t| Box::new(t) as Box<dyn Copier>)
}

/// Writes the copy. `None`: nothing helpful could be written.
pub fn write_copy(
    mut copier: Box<dyn Copier>,
    blocks: &mut Blocks<impl Read>,
    copy: &mut impl Write,
) -> Option<Mended> {
    while let Some(block) = blocks.next() {
        copier.take(&block);
        copy.write_all(&copier.gained()).ok()?;
    }
    let (holds, holds_ja) = copier.ended()?;
    copy.write_all(&copier.gained()).ok()?;
    copy.flush().ok()?;
    Some(Mended { holds, holds_ja })
}
