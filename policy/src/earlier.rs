//! What is kept of a release, so that later requests of the same plan are judged beside it.
//!
//! Kept are the facts that rules compare, and nothing else: numbers under hashed keys, sites of per-person files, digests
//! and sizes. Invariants: what is kept of one file, of one release and of one plan is bounded; whatever did not fit, or was
//! never kept, is said ([`Kept::whole`], [`Earlier::missing`]), and a rule that needed it never passes the file.

use crate::facts::compared::{Entry, HiddenEntry, Margin};
use crate::facts::{Comparable, Genotypes, Part, Repeats, Site};
use crate::rules::plan_scope::Asked;
use crate::rules::{Scope, bed_as_genotypes, judge_within};
use crate::{FileFacts, Finding, Policy, RequestInfo, Verdict};
use serde::{Deserialize, Serialize};

/// Most of a release, in numbers under keys and in sites, over all its files.
const MOST_OF_A_RELEASE: usize = 1 << 16;
/// Most sites of one per-person file: many times any sensible limit, so that more of them count as too many.
const MOST_SITES: usize = 512;
/// Most of all earlier releases of a plan together, as [`Kept::weight`] counts; the newest are looked at first.
pub const MOST_OF_A_PLAN: usize = 1 << 21;

/// The releases of a plan before a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Earlier {
    /// Newest first.
    pub releases: Vec<Release>,
    /// Releases of which nothing is known: made before facts were kept, or more than are looked at.
    pub missing: u64,
}

/// One release.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Release {
    /// Id of its request.
    pub request: String,
    /// Its files.
    pub files: Vec<Kept>,
}

/// What is kept of one released file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Name inside its request.
    pub name: String,
    /// SHA-256 of its bytes, lower-case hex.
    pub sha256: String,
    /// Their number.
    pub bytes: u64,
    /// What it was understood to be.
    pub kind: String,
    /// Nothing that rules compare was left out.
    pub whole: bool,
    /// Numbers under keys.
    pub tables: Vec<Table>,
    /// Per-person genotypes, their lists cut.
    pub genotypes: Vec<Genotypes>,
    /// Short tandem repeats of persons.
    #[serde(default)]
    pub repeats: Vec<Repeats>,
}

/// A [`Comparable`] without words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// See [`Comparable::sites`].
    pub sites: bool,
    /// Key and number.
    pub entries: Vec<(u64, u64)>,
    /// Key, smallest and largest value.
    pub hidden: Vec<(u64, u64, u64)>,
    /// Parts and total.
    pub margins: Vec<(Vec<u64>, u64)>,
    /// See [`Comparable::cut`].
    pub cut: bool,
}

impl From<&Comparable> for Table {
    fn from(table: &Comparable) -> Self {
        Self {
            sites: table.sites,
            entries: table.entries.iter().map(|e| (e.key, e.number)).collect(),
            hidden: table.hidden.iter().map(|e| (e.key, e.low, e.high)).collect(),
            margins: table.margins.iter().map(|m| (m.parts.clone(), m.total)).collect(),
            cut: table.cut,
        }
    }
}

impl From<&Table> for Comparable {
    fn from(table: &Table) -> Self {
        let entry = |(key, number): &(u64, u64)| Entry { key: *key, number: *number, name: String::new() };
        let hidden = |(key, low, high): &(u64, u64, u64)| HiddenEntry {
            key: *key,
            low: *low,
            high: *high,
            name: String::new(),
        };
        Self {
            sites: table.sites,
            entries: table.entries.iter().map(entry).collect(),
            hidden: table.hidden.iter().map(hidden).collect(),
            margins: table
                .margins
                .iter()
                .map(|(parts, total)| Margin { parts: parts.clone(), total: *total })
                .collect(),
            cut: table.cut,
        }
    }
}

impl Table {
    fn weight(&self) -> usize {
        let margins: usize = self.margins.iter().map(|(parts, _)| parts.len() + 1).sum();
        1 + self.entries.len() + self.hidden.len() + margins
    }
}

impl Kept {
    /// How much is kept, in numbers and sites.
    pub fn weight(&self) -> usize {
        let sites = |g: &Genotypes| 1 + g.first_sites.len() + g.unlinked_sites.len();
        1 + self.tables.iter().map(Table::weight).sum::<usize>()
            + self.genotypes.iter().map(sites).sum::<usize>()
            + self.repeats.iter().map(|r| 1 + r.loci.len()).sum::<usize>()
    }
}

impl From<&Kept> for FileFacts {
    /// The facts as far as they were kept: enough to compare, not enough to judge a file by itself.
    fn from(kept: &Kept) -> Self {
        let tables = kept.tables.iter().map(|t| Part::Comparable(t.into()));
        let persons = kept.genotypes.iter().cloned().map(Part::Genotypes);
        let repeats = kept.repeats.iter().cloned().map(Part::Repeats);
        let parts = tables.chain(persons).chain(repeats).collect();
        Self {
            path: kept.name.clone(),
            sha256: kept.sha256.clone(),
            bytes: kept.bytes,
            kind: kept.kind.clone(),
            parts,
            ..Self::default()
        }
    }
}

/// Would a request that was judged `before` some releases be judged otherwise now? Answered from what was kept of it,
/// without reading it again; in doubt, yes.
pub fn outdated(
    policy: &Policy,
    plan: Asked<'_>,
    info: &RequestInfo,
    kept: &[Kept],
    before: &Earlier,
    now: &Earlier,
) -> bool {
    let files: Vec<FileFacts> = kept.iter().map(FileFacts::from).collect();
    let judged = |earlier| {
        let report = judge_within(policy, &Scope { plan: Some(plan), earlier }, info, &files);
        let findings = report.files.into_iter().enumerate().flat_map(|(at, file)| {
            let weighs = |f: &Finding| f.verdict >= Verdict::Review;
            file.findings.into_iter().filter(weighs).map(move |f| (at, f))
        });
        findings.collect::<Vec<_>>()
    };
    kept.is_empty() || kept.iter().any(|k| !k.whole) || judged(before) != judged(now)
}

/// What is to be kept of the files of a request, should they be released.
pub fn keep(files: &[FileFacts]) -> Vec<Kept> {
    let mut room = MOST_OF_A_RELEASE;
    files.iter().enumerate().map(|(index, file)| keep_file(files, index, file, &mut room)).collect()
}

fn keep_file(files: &[FileFacts], index: usize, file: &FileFacts, room: &mut usize) -> Kept {
    let mut kept = Kept {
        name: file.path.chars().take(200).collect(),
        sha256: file.sha256.clone(),
        bytes: file.bytes,
        kind: file.kind.chars().take(60).collect(),
        whole: true,
        ..Kept::default()
    };
    let mut fits = |weight: usize| {
        let fits = weight <= *room;
        *room = room.saturating_sub(if fits { weight } else { 0 });
        fits
    };
    for part in &file.parts {
        match part {
            Part::Comparable(table) => {
                let table = Table::from(table);
                if fits(table.weight()) {
                    kept.tables.push(table);
                } else {
                    kept.whole = false;
                }
            }
            Part::Genotypes(g) => {
                // Without room its lists stay empty, and so does the proof that they are all.
                let most = if fits(2 * MOST_SITES) { MOST_SITES } else { 0 };
                kept.genotypes.push(cut(g.clone(), most));
            }
            Part::Repeats(repeats) => {
                if fits(1 + repeats.loci.len()) {
                    kept.repeats.push(repeats.clone());
                } else {
                    kept.whole = false;
                }
            }
            Part::BedMatrix(bed) => match bed_as_genotypes(files, index, bed) {
                Some(g) => {
                    let most = if fits(2 * MOST_SITES) { MOST_SITES } else { 0 };
                    kept.genotypes.push(cut(g, most));
                }
                None => kept.whole = false,
            },
            _ => {}
        }
    }
    kept
}

fn cut(mut g: Genotypes, most: usize) -> Genotypes {
    if g.unlinked_sites.len() > most {
        // What pruning kept is not known any more, and with it the proof of dependence.
        g.unlinked = None;
        g.unlinked_sites.clear();
    }
    g.first_sites.truncate(most);
    g.unlinked_sites.iter_mut().chain(&mut g.first_sites).for_each(|site: &mut Site| {
        site.chrom = site.chrom.chars().take(40).collect();
        site.id = site.id.chars().take(60).collect();
    });
    g.coding = g.coding.chars().take(40).collect();
    g
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(sites: bool, entries: usize) -> Part {
        let entries =
            (0..entries as u64).map(|key| Entry { key, number: key, name: "a name".into() }).collect();
        Part::Comparable(Comparable { sites, entries, ..Comparable::default() })
    }

    fn genotypes(sites: usize) -> Part {
        let site = |i: usize| Site { chrom: "1".into(), pos: 1 + i as u64, id: String::new() };
        Part::Genotypes(Genotypes {
            subjects: 5,
            sites: sites as u64,
            most_called: sites as u64,
            positions: true,
            first_sites: (0..sites).map(site).collect(),
            ..Genotypes::default()
        })
    }

    fn file(parts: Vec<Part>) -> FileFacts {
        FileFacts { path: "a".into(), parts, ..FileFacts::default() }
    }

    #[test]
    fn words_are_not_kept_and_numbers_are() {
        let kept = keep(&[file(vec![table(false, 3), genotypes(40)])]);
        let text = serde_json::to_string(&kept).unwrap();
        assert!(!text.contains("a name"));
        let back: Vec<Kept> = serde_json::from_str(&text).unwrap();
        assert_eq!(back, kept);
        assert!(kept[0].whole);
        assert_eq!((kept[0].tables[0].entries.len(), kept[0].genotypes[0].first_sites.len()), (3, 40));
    }

    #[test]
    fn a_release_of_any_size_keeps_a_bounded_part_and_says_so() {
        let files: Vec<FileFacts> =
            (0..200).map(|_| file((0..50).map(|_| table(true, 1024)).collect())).collect();
        let kept = keep(&files);
        let weight: usize = kept.iter().map(Kept::weight).sum();
        assert!(weight <= MOST_OF_A_RELEASE + files.len() * 51, "{weight}");
        assert!(kept[0].whole && !kept[199].whole);
        assert!(serde_json::to_string(&kept).unwrap().len() < 4 << 20);
    }

    #[test]
    fn sites_beyond_the_bound_leave_a_list_that_is_known_to_be_cut() {
        let kept = keep(&[file(vec![genotypes(4000)])]);
        let g = &kept[0].genotypes[0];
        assert_eq!((g.first_sites.len(), g.sites), (MOST_SITES, 4000));
    }
}
