//! Whatever else looks like genotypes: lines made almost wholly of alleles, in a layout nobody here knows (BEAGLE,
//! STRUCTURE, fastPHASE, matrices between other text).
//!
//! Runs only where no reader of a known layout does. Positions are never known, so nothing excuses many sites.

use super::matrix::cells::{class, classes};
use super::{Context, Flow, Found, Sample, TextReader};
use crate::lines::Block;
use crate::roles;
use crate::shape::{Delimiter, Shape};
use sekisho_policy::facts::{Genotypes, Part, Proof, Site, keep};

/// Fewer genotypes than this do not make a line dense.
const FEWEST: u64 = 12;
/// Names, ids and positions that may stand before them.
const LEADING: u64 = 6;

/// Watches any text.
pub fn plausible(sample: &Sample<'_>, context: &Context<'_>) -> Box<dyn TextReader> {
    let tabs = |s: &Shape| s.delimiter == Delimiter::Byte(b'\t') && (3..FEWEST as usize).contains(&s.columns);
    let columns = sample.shape.as_ref().filter(|s| tabs(s)).map(|s| s.columns);
    Box::new(Reader { limit: context.policy.sites.limit, columns, ..Reader::default() })
}

#[derive(Default)]
struct Reader {
    limit: u64,
    /// Columns between tabs, where they are too few for a dense line.
    columns: Option<usize>,
    lines: u64,
    /// Dense lines of letters and of numbers, and those that begin with the name of a site.
    lettered: u64,
    numbered: u64,
    keyed: u64,
    widest: u64,
    strings: Strings,
}

/// Lines of alleles without anything between them: haplotypes, one a line.
#[derive(Default)]
struct Strings {
    lines: u64,
    /// Letters seen at each place, as bits.
    seen: Vec<u8>,
}

impl Strings {
    fn line(&mut self, line: &[u8]) {
        if self.lines == 0 {
            self.seen = vec![0; line.len()];
        }
        if self.seen.len() != line.len() {
            return;
        }
        self.lines += 1;
        for (seen, letter) in self.seen.iter_mut().zip(line) {
            *seen |= match letter {
                b'A' => 1,
                b'C' => 2,
                b'G' => 4,
                b'T' => 8,
                b'0' => 16,
                b'1' => 32,
                _ => 0,
            };
        }
    }

    /// Places with two alleles, when there are hardly any with more: sequences have four letters anywhere.
    fn sites(&self) -> u64 {
        let with = |n: u32| self.seen.iter().filter(|s| s.count_ones() == n).count();
        let more = self.seen.len() - with(0) - with(1) - with(2);
        if self.lines < 3 || more * 20 > self.seen.len() { 0 } else { with(2) as u64 }
    }
}

impl Reader {
    fn line(&mut self, line: &[u8]) {
        let (mut tokens, mut genotypes, mut letters, mut site) = (0u64, 0u64, 0u64, false);
        let (mut first, mut varied) = (&b""[..], false);
        if !line.is_empty() && line.len() as u64 > self.limit && line.iter().all(|b| b"ACGTN01?.".contains(b))
        {
            self.strings.line(line);
            return;
        }
        let usual = |b: &u8| matches!(b, b' ' | b'\t' | b',' | b';');
        // Where nothing else separates, other marks may.
        let odd = line.iter().filter(|b| usual(b)).count() < 3;
        let cut = |b: &u8| {
            usual(b) || odd && matches!(b, b':' | b'/' | b'_' | b'|' | b'-' | b'~' | b'^' | b'#' | b'.')
        };
        for token in line.split(cut).filter(|t| !t.is_empty()) {
            tokens += 1;
            if tokens <= 3 {
                site |= roles::site_like(token);
            }
            if token.len() > 3 {
                // Give up early on lines of words and numbers.
                if tokens > LEADING && genotypes * 2 < tokens {
                    return;
                }
                continue;
            }
            let set = classes(token);
            let letter = set & (class::LETTERS | class::INDICES | class::AMBIGUOUS) != 0
                || (set & class::ALLELE != 0 && token.len() == 1 && !token[0].is_ascii_digit());
            if letter || set & class::WHOLE != 0 {
                genotypes += 1;
                letters += u64::from(letter);
                if first.is_empty() {
                    first = token;
                }
                varied |= token != first;
            }
        }
        let others = tokens - genotypes;
        if genotypes < FEWEST || others > LEADING + tokens / 10 || !varied {
            return;
        }
        let by_letters = letters * 2 > genotypes;
        // A line of numbers among letters is sex or status, the other way round names: one kind is the matrix.
        if by_letters {
            self.lettered += 1
        } else {
            self.numbered += 1
        }
        self.keyed += u64::from(site);
        // Two letters a genotype, or one number.
        let width = if by_letters { genotypes.div_ceil(2) } else { genotypes };
        self.widest = self.widest.max(width);
    }
}

/// Has every line so many fields, and nothing else that separates?
fn narrow(block: &Block<'_>, columns: usize) -> bool {
    let text = block.text;
    if memchr::memchr3(b' ', b',', b';', text).is_some() {
        return false;
    }
    if let Some(tabs) = block.outline.and_then(|o| o.tabs) {
        return tabs == columns - 1;
    }
    let lines = memchr::memchr_iter(b'\n', text).count() + usize::from(!text.ends_with(b"\n"));
    memchr::memchr_iter(b'\t', text).count() == lines * (columns - 1)
}

impl TextReader for Reader {
    fn block(&mut self, block: &Block<'_>) -> Flow {
        if self.columns.is_some_and(|columns| narrow(block, columns)) {
            return Flow::More;
        }
        for (_, line) in block.lines() {
            self.lines += 1;
            self.line(line);
        }
        Flow::More
    }

    fn finish(self: Box<Self>) -> Found {
        let dense = self.lettered.max(self.numbered);
        let in_strings = self.strings.sites();
        if in_strings > self.limit {
            let facts = Genotypes {
                subjects: self.strings.lines.div_ceil(2),
                sites: in_strings,
                most_called: in_strings,
                first_sites: vec![
                    Site::default();
                    usize::try_from(in_strings).unwrap_or(keep::SITES).min(keep::SITES)
                ],
                proof: Some(Proof::NoPositions),
                coding: "lines of haplotypes".into(),
                ..Genotypes::default()
            };
            let parts = vec![Part::Genotypes(facts)];
            return Found {
                kind: "haplotypes".into(),
                parts,
                rows: self.strings.lines,
                unit: "lines",
                ..Found::default()
            };
        }
        if dense < 3 && self.widest <= self.limit {
            return Found::nothing();
        }
        let by_site = self.keyed * 10 >= dense * 8;
        let sites = if by_site { dense } else { dense.max(self.widest) };
        let subjects = if by_site || sites == dense { self.widest } else { dense };
        let listed = usize::try_from(sites).unwrap_or(keep::SITES).min(keep::SITES);
        let facts = Genotypes {
            subjects,
            sites,
            most_called: sites,
            first_sites: vec![Site::default(); listed],
            proof: (sites > self.limit).then_some(Proof::NoPositions),
            orientation_unclear: !by_site,
            coding: "lines of alleles".into(),
            ..Genotypes::default()
        };
        Found {
            kind: "genotype_lines".into(),
            parts: vec![Part::Genotypes(facts)],
            rows: dense,
            unit: "lines",
            ..Found::default()
        }
    }
}
