//! `bcftools stats`: numbers of sites, the number of samples, and per-sample rows.

use super::scan;
use crate::lines::{self, Block};
use crate::readers::tally::{Tally, words};
use crate::readers::{Context, Flow, Found, TextReader, printed};
use sekisho_policy::facts::{Part, Statistics, What};
use sekisho_policy::schema::Policy;
use std::collections::BTreeSet;

/// Sections whose numbers count sites, changes or depths.
const SITES: [&[u8]; 13] =
    [b"ID", b"SN", b"TSTV", b"SiS", b"AF", b"QUAL", b"IDD", b"ST", b"DP", b"HWE", b"NRD", b"NRDs", b"GCsAF"];
/// Sections with one row a sample.
const SAMPLES: [&[u8]; 5] = [b"PSC", b"PSI", b"GCsS", b"GCiS", b"GCTs"];

/// Does the text begin as `bcftools stats` does?
pub fn is_stats(head: &[u8]) -> bool {
    let head = &head[..head.len().min(16 << 10)];
    memchr::memmem::find(head, b"SN, Summary numbers:").is_some()
        || memchr::memmem::find(head, b"\nSN\t0\tnumber of samples:").is_some()
}

/// Reads the statistics.
pub struct Stats {
    policy: Policy,
    tally: Tally,
    everything: u32,
    lines: u64,
    samples: BTreeSet<Vec<u8>>,
}

impl Stats {
    /// A reader.
    pub fn new(context: &Context<'_>) -> Self {
        let mut tally = Tally::default();
        let everything = tally.name("");
        Self { policy: context.policy.clone(), tally, everything, lines: 0, samples: BTreeSet::new() }
    }

    fn line(&mut self, text: &[u8], number: u64) {
        self.lines += 1;
        scan::line(text, number, self.everything, &mut self.tally);
        if text.is_empty() || text[0] == b'#' {
            return;
        }
        let fields: Vec<&[u8]> = text.split(|b| *b == b'\t').collect();
        let place = || format!("line {number}");
        if SAMPLES.contains(&fields[0]) {
            if self.samples.len() < 100_000 {
                self.samples.insert(fields.get(2).unwrap_or(&&b""[..]).to_vec());
            }
        } else if !SITES.contains(&fields[0]) {
            self.tally.add(What::Unparsed, self.everything, || (place(), words(text)));
        } else if fields[0] == b"SN" && fields.get(2) == Some(&&b"number of samples:"[..]) {
            match fields.get(3).and_then(|n| printed::whole(n)) {
                Some(n) if n > 0 && n < self.policy.counts.minimum => {
                    self.tally.add(What::FewSubjects, self.everything, || (place(), format!("{n} samples")));
                }
                Some(_) => {}
                None => self.tally.add(What::Unparsed, self.everything, || (place(), words(text))),
            }
        }
    }
}

impl TextReader for Stats {
    fn block(&mut self, block: &Block<'_>) -> Flow {
        for (at, line) in lines::split(block.text).enumerate() {
            self.line(line, block.first + at as u64);
        }
        Flow::More
    }

    fn finish(mut self: Box<Self>) -> Found {
        let samples = self.samples.len() as u64;
        if samples > 0 {
            let first = self.samples.first().map(|s| words(s)).unwrap_or_default();
            self.tally
                .add_many(What::SubjectFeatures, self.everything, samples, || ("PSC, PSI".into(), first));
            if samples < self.policy.counts.minimum {
                self.tally.add_many(What::FewRows, self.everything, samples, || {
                    (String::new(), format!("{samples} samples"))
                });
            }
        }
        let table = Statistics {
            rows: self.lines,
            clear: self.lines,
            minimum: self.policy.counts.minimum,
            subjects: String::new(),
            evidence: self.tally.evidence(),
        };
        Found {
            kind: "bcftools_stats".into(),
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
