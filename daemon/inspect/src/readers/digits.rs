//! EIGENSTRAT `.geno` and anything written like it: lines of equal length made of `0`, `1`, `2`, `9` and nothing else.

use super::{Context, Flow, Found, Sample, TextReader};
use crate::genotypes::{Call, MISSING, Rows};
use crate::lines::{Block, split};
use sekisho_policy::facts::{Genotypes, Part, Problem, ProblemKind, Proof, Site, keep};

/// Reads the text if its lines are such digits.
pub fn plausible(sample: &Sample<'_>, context: &Context<'_>) -> Option<Box<dyn TextReader>> {
    let lines: Vec<&[u8]> = split(sample.head).collect();
    let known = if sample.whole || lines.len() < 2 { &lines[..] } else { &lines[..lines.len() - 1] };
    let width = known.first()?.len();
    let fits = |l: &&[u8]| l.len() == width && l.iter().all(|b| matches!(b, b'0' | b'1' | b'2' | b'9'));
    let good = known.iter().filter(|l| fits(l)).count();
    // A column of numbers is a list of counts unless it is digits 0, 1, 2 throughout.
    let all_three = || [b"0", b"1", b"2"].iter().all(|d| known.iter().any(|l| l == *d));
    (width > 0 && good * 20 >= known.len() * 19 && (width > 1 || all_three())).then(|| {
        let limit = context.policy.sites.limit;
        let listed = context.beside.map(|b| b.sites.clone());
        Box::new(Reader::new(limit, width, listed)) as Box<dyn TextReader>
    })
}

struct Reader {
    limit: u64,
    width: usize,
    /// Sites by a companion: then lines are sites for certain.
    listed: Option<Vec<Site>>,
    panel: Option<crate::genotypes::Panel>,
    rows: Rows,
    calls: Vec<Call>,
    lines: u64,
    bad: u64,
}

impl Reader {
    fn new(limit: u64, width: usize, listed: Option<Vec<Site>>) -> Self {
        let panel = listed.is_some().then(|| crate::genotypes::Panel::new(limit, width));
        Self {
            limit,
            width,
            listed,
            panel,
            rows: Rows::new(limit, width, Vec::new(), true),
            calls: vec![MISSING; width],
            lines: 0,
            bad: 0,
        }
    }
}

impl TextReader for Reader {
    fn block(&mut self, block: &Block<'_>) -> Flow {
        for (_, line) in block.lines() {
            if line.len() != self.width {
                self.bad += u64::from(!line.is_empty());
            }
            for (i, slot) in self.calls.iter_mut().enumerate() {
                *slot = match line.get(i) {
                    Some(b'0') => 0,
                    Some(b'1') => 100,
                    Some(b'2') => 200,
                    _ => MISSING,
                };
            }
            let index = usize::try_from(self.lines).unwrap_or(usize::MAX);
            self.lines += 1;
            let proven = match (&mut self.panel, self.listed.as_ref().and_then(|l| l.get(index))) {
                (Some(panel), Some(s)) => {
                    let key = crate::genotypes::SiteKey { chrom: &s.chrom, pos: s.pos, id: &s.id };
                    panel.site(key, &self.calls)
                }
                (Some(panel), None) => panel.site(crate::genotypes::SiteKey::default(), &self.calls),
                _ => self.rows.person(&self.calls),
            };
            if proven {
                return Flow::Proven;
            }
        }
        Flow::More
    }

    fn finish(self: Box<Self>) -> Found {
        let mut problems = Vec::new();
        if self.bad > 0 {
            let detail = format!("{} lines of another length", self.bad);
            problems.push(Problem::new(ProblemKind::Malformed, "lines", detail));
        }
        let coding = "digits 0/1/2/9";
        let facts = match self.panel {
            Some(panel) => panel.finish(coding),
            None => self.rows.finish(coding),
        };
        // By the format lines are sites; the other way round would show more only if lines are longer than many.
        let few = self.lines <= self.limit && self.width as u64 <= self.limit && facts.proof.is_none();
        let facts = if few {
            Genotypes {
                subjects: self.width as u64,
                sites: self.lines,
                most_called: facts.most_called.min(self.lines.max(self.width as u64)),
                orientation_unclear: false,
                first_sites: vec![Site::default(); usize::try_from(self.lines).unwrap_or(0).min(keep::SITES)],
                ..facts
            }
        } else {
            debug_assert!(facts.proof != Some(Proof::Unlinked) || facts.positions);
            facts
        };
        Found {
            kind: "eigenstrat_geno".into(),
            parts: vec![Part::Genotypes(facts)],
            problems,
            rows: self.lines,
            unit: "sites",
        }
    }
}
