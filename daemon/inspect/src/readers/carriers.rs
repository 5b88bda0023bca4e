//! Who carries what, one genotype of one site a line: `--recode list` and `rlist` of PLINK, and lists like them.
//!
//! A line names a site and a genotype; every word behind them may be a person.

use super::{Context, Flow, Found, Sample, TextReader};
use crate::lines::{Block, split};
use crate::roles;
use sekisho_policy::facts::{Genotypes, Part, Problem, ProblemKind, Proof, Site, keep};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Words told apart.
const WORDS: usize = 500_000;

/// Reads the text if its lines are such lists.
pub fn plausible(sample: &Sample<'_>, context: &Context<'_>) -> Option<Box<dyn TextReader>> {
    let mut lines: Vec<&[u8]> = split(sample.head).collect();
    if !sample.whole && lines.len() > 1 {
        lines.pop();
    }
    lines.retain(|l| !l.trim_ascii().is_empty());
    lines.truncate(200);
    let fits = lines.iter().filter(|l| list(l).is_some()).count();
    let lengths: HashSet<usize> = lines.iter().map(|l| words(l).count()).collect();
    // Tables have as many words in each line.
    (lines.len() >= 3 && lengths.len() > 1 && fits * 10 >= lines.len() * 9).then(|| {
        Box::new(Reader { limit: context.policy.sites.limit, ..Reader::default() }) as Box<dyn TextReader>
    })
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty())
}

/// The site, and how many words stand before the persons.
fn list(line: &[u8]) -> Option<(&[u8], usize)> {
    let head: Vec<&[u8]> = words(line).take(4).collect();
    let at = head.iter().take(2).position(|w| roles::site_like(w))?;
    let genotype = head.get(at + 1)?;
    let letters = |w: &[u8]| w.iter().all(|b| b"ACGTDI0".contains(b));
    match genotype {
        [b'H', b'E', b'T'] | [b'H', b'O', b'M'] | [b'N', b'I', b'L'] | [b'M', b'I', b'S'] => {
            Some((head[at], at + 4))
        }
        [_, _] if letters(genotype) => Some((head[at], at + 2)),
        _ => None,
    }
}

#[derive(Default)]
struct Reader {
    limit: u64,
    sites: Vec<Site>,
    site: u64,
    distinct: u64,
    /// Per word: the last site it stood behind, and how many there were.
    persons: HashMap<u64, (u64, u64)>,
    most: u64,
    rows: u64,
    bad: u64,
    full: bool,
}

fn hash(word: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    hasher.finish()
}

impl Reader {
    fn line(&mut self, line: &[u8]) {
        self.rows += 1;
        let Some((site, before)) = list(line) else {
            self.bad += 1;
            return;
        };
        let key = hash(site);
        if self.distinct == 0 || key != self.site {
            self.site = key;
            self.distinct += 1;
            if self.sites.len() < keep::SITES {
                let id = String::from_utf8_lossy(site).chars().take(60).collect();
                self.sites.push(Site { id, ..Site::default() });
            }
        }
        for word in words(line).skip(before) {
            let key = hash(word);
            if self.persons.len() >= WORDS && !self.persons.contains_key(&key) {
                self.full = true;
                continue;
            }
            let (last, times) = self.persons.entry(key).or_default();
            if *times == 0 || *last != self.distinct {
                (*last, *times) = (self.distinct, *times + 1);
                self.most = self.most.max(*times);
            }
        }
    }
}

impl TextReader for Reader {
    fn block(&mut self, block: &Block<'_>) -> Flow {
        block.lines().filter(|(_, l)| !l.trim_ascii().is_empty()).for_each(|(_, l)| self.line(l));
        if self.most > self.limit { Flow::Proven } else { Flow::More }
    }

    fn finish(self: Box<Self>) -> Found {
        let mut problems = Vec::new();
        if self.bad > 0 {
            let detail = format!("{} lines name no site and genotype", self.bad);
            problems.push(Problem::new(ProblemKind::Malformed, "lines", detail));
        }
        if self.full {
            problems.push(Problem::new(ProblemKind::OverLimit, "", format!("{WORDS} persons told apart")));
        }
        let facts = Genotypes {
            // A person is named by family and own id.
            subjects: (self.persons.len() as u64).div_ceil(2),
            sites: self.distinct,
            most_called: self.most,
            proof: (self.most > self.limit).then_some(Proof::NoPositions),
            first_sites: self.sites,
            coding: "lists of carriers".into(),
            ..Genotypes::default()
        };
        Found {
            kind: "carrier_lists".into(),
            parts: vec![Part::Genotypes(facts)],
            problems,
            rows: self.rows,
            unit: "lines",
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::readers::testing::check;
    use sekisho_policy::Verdict;

    fn lists(sites: usize, form: &dyn Fn(usize) -> Vec<String>) -> Vec<u8> {
        (0..sites).flat_map(form).map(|l| l + "\n").collect::<String>().into_bytes()
    }

    #[test]
    fn lists_of_carriers_are_genotypes_of_persons() {
        let list = |k: usize| {
            vec![
                format!("17 rs{k} TT 1 HG00096 2 HG00097 3 HG00099"),
                format!("17 rs{k} TC 4 HG00100"),
                format!("17 rs{k} CC"),
            ]
        };
        let rlist =
            |k: usize| vec![format!("rs{k} HET T C 1 HG00096 2 HG00097"), format!("rs{k} HOM T T 4 HG00100")];
        for form in [&list as &dyn Fn(usize) -> Vec<String>, &rlist] {
            assert_eq!(check(&lists(40, form)).verdict, Verdict::Review);
            assert_eq!(check(&lists(41, form)).verdict, Verdict::Block);
        }
    }
}
