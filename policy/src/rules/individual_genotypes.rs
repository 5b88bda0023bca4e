//! `individual_genotypes`, clause 5-4(1)(i): a person's alleles or genotypes at more than 40 mutually
//! independent sites are personal information.
//!
//! Per person over the union of distinct called sites in all files of the request: (1) no more than the limit →
//! `review`, because person-level data is never a plain `pass`; (2) more than the limit by greedy thinning at
//! 250 kb → `block`; (3) with 100 persons or more, by greedy LD pruning (r² < 0.2 within 1 Mb) more → `block`,
//! else `review` with both numbers; (4) otherwise `block`: independence cannot be disproved.
//!
//! Persons are not told apart by their ids between files: ids can be renamed, so every genotype file of the
//! request and of all earlier releases of the plan counts towards one union.

use crate::catalogue::genotypes as say;
use crate::earlier::Earlier;
use crate::facts::{BedMatrix, Beside, FileFacts, Genotypes, Part, Proof, Site, SiteList, SubjectList};
use crate::{Finding, Policy, Verdict};
use std::collections::HashSet;

const RULE: &str = "individual_genotypes";
const CLAUSE: &str = "5-4(1)(i)";
/// In-file LD on fewer persons is a trap: independent sites look dependent.
pub const TRUSTED_PERSONS: u64 = 100;
/// Sites this far apart count as independent.
pub const APART: u64 = 250_000;

/// What one genotype file shows.
struct Member<'a> {
    file: usize,
    subjects: u64,
    /// Distinct called sites of the person who has most.
    most: u64,
    thinned: Option<u64>,
    unlinked: Option<u64>,
    patterns: Option<u64>,
    unlinked_sites: &'a [Site],
    sites: &'a [Site],
    /// `sites` is all there are.
    all_listed: bool,
    positions: bool,
    proof: Option<Proof>,
    orientation_unclear: bool,
    what: String,
}

/// Judges all genotype files of a request beside those released earlier; each finding with the index of its file.
pub fn judge(policy: &Policy, earlier: &Earlier, files: &[FileFacts]) -> Vec<(usize, Finding)> {
    let limit = policy.sites.limit;
    let mut findings = Vec::new();
    let mut members = Vec::new();
    for (index, file) in files.iter().enumerate() {
        for part in &file.parts {
            match part {
                Part::Genotypes(g) => members.push(of_genotypes(index, g)),
                Part::BedMatrix(bed) => match companions(files, index, bed.body, bed.variant_major) {
                    Some((sites, subjects)) => members.push(of_bed(index, sites, subjects)),
                    None => findings.push((
                        index,
                        Finding::new(RULE, CLAUSE, Verdict::Block, say::lone_bed())
                            .at("file")
                            .value(bed.body)
                            .limit(limit),
                    )),
                },
                _ => {}
            }
        }
    }
    for member in &members {
        findings.push((member.file, alone(member, limit)));
        if member.orientation_unclear {
            let note = if member.most > limit { Verdict::Review } else { Verdict::Pass };
            findings.push((member.file, Finding::new(RULE, CLAUSE, note, say::orientation()).at("matrix")));
        }
    }
    let released: Vec<Member<'_>> = earlier
        .releases
        .iter()
        .flat_map(|r| &r.files)
        .flat_map(|f| &f.genotypes)
        .map(|g| of_genotypes(usize::MAX, g))
        .collect();
    findings.extend(together(&members, &released, limit));
    if earlier.missing > 0 || earlier.releases.iter().flat_map(|r| &r.files).any(|f| !f.whole) {
        // What cannot be counted is counted by nobody: never a plain pass, and said.
        let unknown = |m: &Member<'_>| {
            let finding = Finding::new(RULE, CLAUSE, Verdict::Review, crate::catalogue::plan::not_kept());
            (m.file, finding.at("earlier releases"))
        };
        findings.extend(members.iter().map(unknown));
    }
    findings
}

/// A `.bed` as its companions in the request describe it, to be kept for later requests.
pub fn bed_as_genotypes(files: &[FileFacts], index: usize, bed: &BedMatrix) -> Option<Genotypes> {
    let (sites, subjects) = companions(files, index, bed.body, bed.variant_major)?;
    Some(Genotypes {
        subjects: subjects.rows,
        sites: sites.distinct,
        most_called: sites.distinct,
        positions: sites.thinned.is_some(),
        thinned: sites.thinned,
        first_sites: sites.sites.clone(),
        coding: "bed".into(),
        ..Genotypes::default()
    })
}

fn of_genotypes(file: usize, g: &Genotypes) -> Member<'_> {
    Member {
        file,
        subjects: g.subjects,
        most: g.most_called,
        thinned: g.thinned,
        unlinked: g.unlinked,
        patterns: g.patterns,
        unlinked_sites: &g.unlinked_sites,
        sites: &g.first_sites,
        all_listed: g.proof.is_none() && g.first_sites.len() as u64 >= g.sites,
        positions: g.positions,
        proof: g.proof,
        orientation_unclear: g.orientation_unclear,
        what: format!("{} persons x {} sites ({})", g.subjects, g.sites, g.coding),
    }
}

fn of_bed<'a>(file: usize, sites: &'a SiteList, subjects: &SubjectList) -> Member<'a> {
    Member {
        file,
        subjects: subjects.rows,
        most: sites.distinct,
        thinned: sites.thinned,
        unlinked: None,
        patterns: None,
        unlinked_sites: &[],
        sites: &sites.sites,
        all_listed: sites.sites.len() as u64 >= sites.distinct,
        positions: sites.thinned.is_some(),
        proof: None,
        orientation_unclear: false,
        what: format!("{} persons x {} sites (bed)", subjects.rows, sites.rows),
    }
}

/// The site and subject lists whose lengths fit a `.bed` body; those of the same name first.
fn companions(
    files: &[FileFacts],
    bed: usize,
    body: u64,
    variant_major: bool,
) -> Option<(&SiteList, &SubjectList)> {
    let stem = files.get(bed).map_or("", |f| stem(&f.path));
    let mut sites: Vec<(&str, &SiteList)> = Vec::new();
    let mut subjects: Vec<(&str, &SubjectList)> = Vec::new();
    for file in files {
        for part in &file.parts {
            match part {
                Part::SiteList(s) => sites.push((&file.path, s)),
                Part::SubjectList(s) => subjects.push((&file.path, s)),
                _ => {}
            }
        }
    }
    let other = |path: &str| self::stem(path) != stem;
    sites.sort_by_key(|(path, _)| other(path));
    subjects.sort_by_key(|(path, _)| other(path));
    let fits = |m: u64, n: u64| {
        let (major, minor) = if variant_major { (m, n) } else { (n, m) };
        m > 0 && n > 0 && major.checked_mul(minor.div_ceil(4)) == Some(body)
    };
    for (_, m) in &sites {
        for (_, n) in &subjects {
            if fits(m.rows, n.rows) {
                return Some((m, n));
            }
        }
    }
    None
}

/// What the request's other files say about file `index`, when that could lift a refusal for want of positions:
/// the inspector then looks at it a second time.
pub fn beside(policy: &Policy, files: &[FileFacts], index: usize) -> Option<Beside> {
    let useful = |s: &SiteList| !s.sites.is_empty() && s.thinned.is_some_and(|t| t <= policy.sites.limit);
    for part in &files.get(index)?.parts {
        match part {
            Part::BedMatrix(bed) => {
                let (sites, subjects) = companions(files, index, bed.body, bed.variant_major)?;
                if useful(sites) && sites.distinct > policy.sites.limit {
                    return Some(Beside { sites: sites.sites.clone(), subjects: Some(subjects.rows) });
                }
            }
            Part::Genotypes(g) if !g.positions && g.most_called > policy.sites.limit => {
                let stem = stem(&files.get(index)?.path);
                let mut lists: Vec<(&str, &SiteList)> = Vec::new();
                for file in files {
                    lists.extend(file.parts.iter().filter_map(|p| match p {
                        Part::SiteList(s) if s.rows == g.sites && useful(s) => Some((file.path.as_str(), s)),
                        _ => None,
                    }));
                }
                lists.sort_by_key(|(path, _)| self::stem(path) != stem);
                let (_, sites) = lists.first()?;
                return Some(Beside { sites: sites.sites.clone(), subjects: None });
            }
            _ => {}
        }
    }
    None
}

fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// One file by itself.
fn alone(m: &Member<'_>, limit: u64) -> Finding {
    let finding = |verdict, words| Finding::new(RULE, CLAUSE, verdict, words).at(m.what.clone()).limit(limit);
    if m.most <= limit && m.proof.is_none() {
        return finding(Verdict::Review, say::few(m.most, limit)).value(m.most);
    }
    if let Some(k) = m.thinned.filter(|k| *k > limit) {
        return finding(Verdict::Block, say::too_many(m.most, limit, Proof::FarApart, Some(k))).value(k);
    }
    if m.positions && m.subjects >= TRUSTED_PERSONS && m.proof.is_none_or(|p| p == Proof::Unlinked) {
        match m.unlinked {
            Some(k) if k > limit => {
                let words = say::too_many(m.most, limit, Proof::Unlinked, Some(k));
                return finding(Verdict::Block, words).value(k);
            }
            Some(k) => {
                let words = say::linked(m.most, limit, m.thinned.unwrap_or(0), k, m.patterns);
                return finding(Verdict::Review, words).value(k);
            }
            None => {}
        }
    }
    let why = match m.proof {
        Some(p) => p,
        None if !m.positions => Proof::NoPositions,
        None if m.subjects < TRUSTED_PERSONS => Proof::FewPersons,
        None => Proof::TooLarge,
    };
    finding(Verdict::Block, say::too_many(m.most, limit, why, None)).value(m.most)
}

/// All genotype files of the request and those released earlier as one.
fn together(members: &[Member<'_>], released: &[Member<'_>], limit: u64) -> Vec<(usize, Finding)> {
    if members.is_empty() || members.len() + released.len() < 2 {
        return Vec::new();
    }
    let all = || members.iter().chain(released);
    let union = Union::of(all().flat_map(|m| m.sites));
    // Sites beyond a cut list are at least as many as the fullest person shows.
    let listed = union.distinct.max(all().map(|m| m.most).max().unwrap_or(0));
    let all_listed = all().all(|m| m.all_listed);
    let summed: u64 = all().map(|m| m.most).fold(0, u64::saturating_add);
    let bound = if all_listed { listed.min(summed) } else { summed };
    if bound <= limit {
        return Vec::new();
    }
    let count = say::Files { here: members.len() as u64, earlier: released.len() as u64 };
    let provable = all_listed
        && all().all(|m| {
            m.positions && m.subjects >= TRUSTED_PERSONS && m.unlinked.is_some() && m.proof.is_none()
        });
    let thinned = union.thinned();
    let unlinked = Union::of(all().flat_map(|m| m.unlinked_sites)).distinct;
    let (verdict, value, words) = if !provable || thinned > limit || unlinked > limit {
        (Verdict::Block, bound, say::together(bound, limit, count))
    } else {
        (Verdict::Review, unlinked, say::together_linked(bound, limit, count, unlinked))
    };
    members
        .iter()
        .map(|m| {
            let finding = Finding::new(RULE, CLAUSE, verdict, words.clone());
            (m.file, finding.at("request").value(value).limit(limit))
        })
        .collect()
}

/// Distinct sites. Positions are trusted over ids; a site with neither is always another one.
struct Union {
    distinct: u64,
    positions: HashSet<(String, u64)>,
}

impl Union {
    fn of<'a>(sites: impl Iterator<Item = &'a Site>) -> Self {
        let mut positions = HashSet::new();
        let (mut ids_placed, mut ids_unplaced) = (HashSet::new(), HashSet::new());
        let mut distinct = 0;
        for site in sites {
            let new = if site.pos > 0 {
                let new_place = positions.insert((site.chrom.clone(), site.pos));
                let seen_by_id = !site.id.is_empty() && ids_unplaced.contains(&site.id);
                if !site.id.is_empty() {
                    ids_placed.insert(&site.id);
                }
                new_place && !seen_by_id
            } else if site.id.is_empty() {
                true
            } else {
                ids_unplaced.insert(&site.id) && !ids_placed.contains(&site.id)
            };
            distinct += u64::from(new);
        }
        Self { distinct, positions }
    }

    /// Largest number of positions of which no two are nearer than [`APART`]; sites without position not
    /// counted.
    fn thinned(&self) -> u64 {
        let mut sorted: Vec<_> = self.positions.iter().collect();
        sorted.sort();
        let mut last: Option<&(String, u64)> = None;
        let mut kept = 0;
        for place in sorted {
            let apart = last.is_none_or(|l| l.0 != place.0 || place.1 - l.1 >= APART);
            if apart {
                kept += 1;
                last = Some(place);
            }
        }
        kept
    }
}

#[cfg(test)]
#[path = "individual_genotypes_test.rs"]
mod test;
