//! Program logs and any other text: read for what must not be in it, then left to the officer.

use super::scan;
use crate::lines::{self, Block};
use crate::readers::counts::words::{Word, word};
use crate::readers::printed;
use crate::readers::tally::{Tally, words};
use crate::readers::{Context, Flow, Found, TextReader};
use sekisho_policy::facts::{Part, Statistics, What};
use sekisho_policy::rules::small_counts::is_small;
use sekisho_policy::schema::Policy;

/// Longest name of a site.
const LONGEST_SITE: usize = 80;

/// Signs of a program's log, found at its beginning.
const SIGNS: [&str; 14] = [
    "Options in effect",
    "Logging to",
    "PLINK v",
    "BOLT-LMM",
    "REGENIE v",
    "Command line",
    "command line options",
    "Start time",
    "Analysis started",
    "[INFO]",
    "INFO:",
    "Traceback (most recent",
    "Copyright (C)",
    "[main] ",
];

/// Does the text begin as a program's log does?
pub fn is_run_log(head: &[u8]) -> bool {
    let head = &head[..head.len().min(8 << 10)];
    let signs = SIGNS.iter().filter(|s| memchr::memmem::find(head, s.as_bytes()).is_some()).count();
    signs >= 2
}

/// Reads text without a form.
pub struct Plain {
    policy: Policy,
    log: bool,
    tally: Tally,
    everything: u32,
    lines: u64,
    clear: u64,
    /// Lines that are the name of a site and nothing else.
    sites: u64,
    /// The first line names a column of counts.
    counts: bool,
}

impl Plain {
    /// `log`: the text is a program's log.
    pub fn new(context: &Context<'_>, log: bool) -> Self {
        let mut tally = Tally::default();
        let everything = tally.name("");
        Self {
            policy: context.policy.clone(),
            log,
            tally,
            everything,
            lines: 0,
            clear: 0,
            sites: 0,
            counts: false,
        }
    }

    /// Names of sites, one a line, perhaps under a heading: what a selection of sites is.
    fn only_sites(&self) -> bool {
        self.sites > 1 && self.sites == self.lines
    }

    fn line(&mut self, text: &[u8], number: u64) {
        self.lines += 1;
        scan::line(text, number, self.everything, &mut self.tally);
        if self.lines == 1 {
            self.counts = word(&words(text)) == Word::Count;
        } else if let Some(count) = printed::count(text.trim_ascii()).filter(|_| self.counts) {
            let what = if count == 0 { What::ZeroCount } else { What::SmallCount };
            if count == 0 || is_small(&self.policy, count) {
                self.tally.add(what, self.everything, || (format!("line {number}"), count.to_string()));
            }
        }
        for (count, cell) in scan::counts(text) {
            if is_small(&self.policy, count) {
                self.tally.add(What::SmallCount, self.everything, || (format!("line {number}"), words(cell)));
            }
        }
        if crate::roles::site_like(text.trim_ascii()) && text.len() < LONGEST_SITE {
            self.sites += 1;
            self.clear += 1;
        } else if !self.log && scan::has_number(text) {
            self.tally.add(What::UnclearText, self.everything, || (format!("line {number}"), words(text)));
        } else {
            self.clear += 1;
        }
    }
}

impl TextReader for Plain {
    fn block(&mut self, block: &Block<'_>) -> Flow {
        for (at, line) in lines::split(block.text).enumerate() {
            self.line(line, block.first + at as u64);
        }
        Flow::More
    }

    fn finish(mut self: Box<Self>) -> Found {
        if self.log {
            self.tally.add(What::RunLog, self.everything, || (String::new(), String::new()));
        } else if self.only_sites() {
            // A selection of sites, or the sites at which somebody differs: the names alone cannot tell.
            let value = format!("{} names of sites", self.sites);
            self.tally.add(What::UnclearText, self.everything, || ("whole text".into(), value));
        } else if self.tally.number(What::UnclearText) == 0 {
            // Words alone: nobody but a person can tell what they say.
            self.tally.add(What::UnclearText, self.everything, || ("whole text".into(), String::new()));
        }
        let only_sites = self.only_sites();
        let table = Statistics {
            rows: self.lines,
            clear: self.clear,
            minimum: self.policy.counts.minimum,
            subjects: String::new(),
            evidence: self.tally.evidence(),
        };
        let kind = match (self.log, only_sites) {
            (true, _) => "run_log",
            (false, true) => "site_names",
            (false, false) => "text",
        };
        Found {
            kind: kind.into(),
            rows: self.lines,
            unit: "lines",
            parts: vec![Part::Statistics(table)],
            problems: Vec::new(),
        }
    }

    fn fallback(&self) -> bool {
        true
    }
}
