//! Looking ahead at blocks of lines, on any thread: which of them say nothing that anybody must judge.
//!
//! Invariants:
//! - **A scout changes nothing.** Its report is a function of the block and of what the reader had learned when the scout
//!   set out; if the reader has learned more since, the report is not used.
//! - **What is clear would have added nothing**: no evidence, no problem. Everything else is read by the reader itself, in
//!   order. So findings are the same with any number of threads, and with none.

use super::sites::profile::Profile;
use crate::lines::{Outline, split};
use crate::marks::Glance;
use std::ops::Range;

/// Looks at blocks of whole lines.
pub trait Scout: Send + Sync {
    /// Looks at lines. They are numbered from 0.
    fn look(&self, text: &[u8]) -> Report;
}

/// What a scout saw.
#[derive(Debug, Default)]
pub struct Report {
    /// How much the reader had learned.
    pub learned: usize,
    /// Some lines hold what the reader has never met.
    pub unfamiliar: bool,
    /// Tabs in every line, where they are the same in all.
    pub tabs: Option<usize>,
    /// What else the block holds.
    pub glance: Glance,
    /// Ends of lines: their line feeds, or the end of the text.
    pub ends: Vec<u32>,
    /// Lines that the reader must read, in order.
    pub doubtful: Vec<u32>,
    /// Sites of clear lines that may be of the sample that is kept, in order.
    pub sites: Vec<Seen>,
    /// What unexplained columns hold in clear lines, in the reader's order.
    pub profiles: Vec<Profile>,
}

/// A site that may be kept.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Its line in the block, from 0.
    pub line: u32,
    /// Its hash.
    pub key: u64,
    /// Chromosomes looked at.
    pub chromosomes: u64,
}

/// Clear lines, and what ends them.
#[derive(Debug)]
pub struct Stretch<'a> {
    /// Their numbers in the block.
    pub clear: Range<usize>,
    /// Sites of theirs that may be kept.
    pub sites: &'a [Seen],
    /// The line behind them, which the reader must read; `None` at the end of the block.
    pub doubtful: Option<usize>,
}

impl Report {
    /// What is known of all lines.
    pub fn outline(&self) -> Outline {
        Outline { lines: self.lines() as u64, tabs: self.tabs, hashes: self.glance.hashes }
    }

    /// The block in order: clear lines with their sites, then the line that must be read, and so on to the end.
    pub fn stretches(&self) -> impl Iterator<Item = Stretch<'_>> {
        let mut sites = self.sites.as_slice();
        let mut at = 0;
        let ends = self.doubtful.iter().map(|d| *d as usize).chain([self.lines()]);
        ends.map(move |end| {
            let (here, later) = sites.split_at(sites.partition_point(|s| (s.line as usize) < end));
            sites = later;
            let clear = std::mem::replace(&mut at, end + 1)..end;
            Stretch { clear, sites: here, doubtful: (end < self.lines()).then_some(end) }
        })
    }

    /// Number of lines.
    pub fn lines(&self) -> usize {
        self.ends.len()
    }

    /// A line of the text, without line feed and carriage return.
    pub fn line<'a>(&self, text: &'a [u8], at: usize) -> &'a [u8] {
        let from = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize + 1);
        split(&text[from..]).next().unwrap_or_default()
    }
}
