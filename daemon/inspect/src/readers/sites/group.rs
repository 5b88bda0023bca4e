//! One group of people in one table of sites: which columns speak of it, and what a row says.

use crate::readers::printed::{self, Number};
use crate::readers::tally::Tally;
use sekisho_policy::facts::What;
use sekisho_policy::implied::{self, Rounding};
use sekisho_policy::numbers::{AlleleCount, Between, SubjectCount};
use sekisho_policy::rules::small_frequencies::{Ploidy, SiteStanding, Standing, allele, carriers, standing};
use sekisho_policy::schema::{Policy, Reading};

/// Columns of a group, by what they hold.
#[derive(Debug, Default, Clone)]
pub struct Columns {
    /// Fractions of copies, with their rounding once it is known.
    pub frequencies: Vec<(usize, Option<Rounding>)>,
    /// Copies of the counted allele.
    pub copies: Vec<usize>,
    /// Those are copies of the rarer allele, whichever the fractions are of.
    pub minor_copies: bool,
    /// Copies of the other allele.
    pub other_copies: Option<usize>,
    /// Chromosomes looked at.
    pub alleles: Option<usize>,
    /// People looked at.
    pub subjects: Option<usize>,
    /// People carrying the allele.
    pub carriers: Vec<usize>,
    /// People with a genotype.
    pub genotypes: Vec<usize>,
    /// The same on one chromosome.
    pub haploid: Vec<usize>,
    /// Copies in homozygous people.
    pub paired: Vec<usize>,
    /// Fractions of people with a genotype.
    pub fractions: Vec<(usize, Option<Rounding>)>,
    /// Counts by slash.
    pub slashes: Vec<usize>,
}

/// A group of people.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Its name in evidence (a number of the tally).
    pub about: u32,
    /// Its columns.
    pub columns: Columns,
    /// Declared number of people.
    pub declared: Option<u64>,
    /// Number of chromosomes inferred from the fractions.
    pub inferred: Option<u64>,
    /// The fewest chromosomes that the fractions would fit, where only the declared number says that there are more.
    pub fewest: Option<u64>,
}

/// What a row needs besides its fields.
pub struct Row<'a> {
    /// Fields by column.
    pub fields: &'a dyn Fn(usize) -> &'a [u8],
    /// One or two chromosomes a person.
    pub ploidy: Ploidy,
    /// Where this is, for examples.
    pub place: &'a dyn Fn() -> String,
    /// Slashes hold allele counts in this row.
    pub slashes_are_alleles: bool,
}

/// What a row of one group adds up to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Said {
    /// Something in it weighs more than a note.
    pub offends: bool,
    /// A value could not be parsed.
    pub broken: bool,
    /// Copies and chromosomes, where exactly one allele is counted: for groups by difference.
    pub counted: Option<(Between<AlleleCount>, Between<AlleleCount>)>,
}

/// Chromosomes of everybody, where one allele was counted among exactly so many.
pub fn counted(said: &[Said]) -> Option<u64> {
    let (_, alleles) = said.first()?.counted?;
    alleles.is_exact().then_some(alleles.low.0)
}

impl Group {
    /// Frequencies or genotype fractions that need a number of people.
    pub fn needs_subjects(&self) -> bool {
        let c = &self.columns;
        let cells = c.genotypes.len() >= 3 || !c.slashes.is_empty();
        !(c.frequencies.is_empty() && (cells || c.fractions.is_empty()))
    }

    /// Is its number of people printed, declared, inferred, or the sum of its genotypes?
    pub fn is_numbered(&self) -> bool {
        let c = &self.columns;
        c.alleles.is_some()
            || c.subjects.is_some()
            || c.other_copies.is_some()
            || c.genotypes.len() >= 3
            || !c.slashes.is_empty()
            || !(c.copies.is_empty() || c.frequencies.is_empty())
            || self.inferred.is_some()
            || self.declared.is_some()
    }

    /// Where only a declaration says how many people there are, finds how few the fractions would fit. `printed`: the
    /// file itself says it.
    pub fn settle_fewest(&mut self, samples: &[Vec<(f64, u32)>], printed: bool) {
        let declared = self.declared.filter(|_| !printed && self.inferred.is_none());
        let fit = |(column, rounding): &(usize, Option<Rounding>)| {
            implied::fewest(samples.get(*column)?, (*rounding)?)
        };
        let fewest = self.columns.frequencies.iter().filter_map(fit).max();
        self.fewest = fewest.filter(|f| declared.is_some_and(|d| *f < d.saturating_mul(2)));
    }

    /// Judges one row, adding to the tally.
    pub fn judge(&self, row: &Row<'_>, policy: &Policy, tally: &mut Tally) -> Said {
        let mut said = Said::default();
        let (alleles, subjects) = self.denominator(row, &mut said);
        if let Some(subjects) = subjects.filter(|_| self.is_numbered()) {
            self.note_subjects(subjects, row, policy, tally, &mut said);
        }
        self.genotype_cells(row, policy, subjects, tally, &mut said);
        for column in &self.columns.carriers {
            match printed::count((row.fields)(*column)) {
                Some(n) => self.note(
                    carrier_kind(standing(people(n), policy.counts.minimum)),
                    row,
                    policy,
                    tally,
                    &mut said,
                    || format!("{n} carriers"),
                ),
                None => said.broken |= !printed::is_missing((row.fields)(*column)),
            }
        }
        self.alleles(row, policy, alleles, subjects, tally, &mut said);
        said
    }

    /// Chromosomes and people looked at.
    fn denominator(
        &self,
        row: &Row<'_>,
        said: &mut Said,
    ) -> (Option<Between<AlleleCount>>, Option<Between<SubjectCount>>) {
        let mut value = |column: Option<usize>| {
            let text = (row.fields)(column?);
            let found = printed::count(text);
            // Effective sample sizes may be fractions: rounding down is the safe side.
            let found =
                found.or_else(|| printed::parse(text).filter(|n| n.value >= 0.0).map(|n| n.value as u64));
            said.broken |= found.is_none() && !printed::is_missing(text);
            found
        };
        let people_column = value(self.columns.subjects).map(SubjectCount);
        let printed_alleles = value(self.columns.alleles).map(AlleleCount);
        let both = || {
            let (one, other) = (*self.columns.copies.first()?, self.columns.other_copies?);
            let add = |c| printed::count((row.fields)(c));
            Some(AlleleCount(add(one)?.checked_add(add(other)?)?))
        };
        if let Some(all) = printed_alleles.or_else(both) {
            let all = Between::exactly(all);
            let mut subjects = row.ploidy.subjects(all);
            if let Some(n) = people_column.filter(|n| subjects.low <= *n && *n <= subjects.high) {
                subjects = Between::exactly(n);
            }
            return (Some(all), Some(subjects));
        }
        let declared = self.declared.map(SubjectCount).filter(|_| self.columns.subjects.is_none());
        if (self.inferred.is_none() || people_column.is_some())
            && let Some(n) = people_column.or(declared)
        {
            return (Some(row.ploidy.alleles(n)), Some(Between::exactly(n)));
        }
        match self.inferred.or_else(|| self.by_ratio(row)) {
            Some(all) => {
                let all = Between::exactly(AlleleCount(all));
                (Some(all), Some(row.ploidy.subjects(all)))
            }
            None => (None, None),
        }
    }

    /// Copies over their fraction are the chromosomes.
    fn by_ratio(&self, row: &Row<'_>) -> Option<u64> {
        let copies = printed::count((row.fields)(*self.columns.copies.first()?))?;
        let fraction = printed::parse((row.fields)(self.columns.frequencies.first()?.0))?.value;
        let fraction = if self.columns.minor_copies { fraction.min(1.0 - fraction) } else { fraction };
        let all = copies as f64 / fraction;
        (copies > 0 && all.is_finite() && all >= copies as f64).then_some(all.round() as u64)
    }

    fn note_subjects(
        &self,
        subjects: Between<SubjectCount>,
        row: &Row<'_>,
        policy: &Policy,
        tally: &mut Tally,
        said: &mut Said,
    ) {
        let what = match standing(subjects, policy.counts.minimum) {
            Standing::Enough => return,
            Standing::Straddles => What::MaybeFewSubjects,
            Standing::Nobody | Standing::Few => What::FewSubjects,
        };
        self.note(Some(what), row, policy, tally, said, || format!("{subjects} subjects"));
    }

    fn genotype_cells(
        &self,
        row: &Row<'_>,
        policy: &Policy,
        subjects: Option<Between<SubjectCount>>,
        tally: &mut Tally,
        said: &mut Said,
    ) {
        let c = &self.columns;
        let mut cells: Vec<u64> = Vec::new();
        let mut whole = !c.genotypes.is_empty();
        let mut read = |text: &[u8], separator: u8, cells: &mut Vec<u64>, said: &mut Said| {
            for part in text.split(|b| *b == separator) {
                match printed::count(part) {
                    Some(n) => cells.push(n),
                    None => {
                        whole = false;
                        said.broken |= !printed::is_missing(part);
                    }
                }
            }
        };
        for column in &c.genotypes {
            read((row.fields)(*column), b',', &mut cells, said);
        }
        for column in &c.paired {
            let mut copies = Vec::new();
            read((row.fields)(*column), b',', &mut copies, said);
            cells.extend(copies.iter().map(|n| n.div_ceil(2)));
        }
        if !row.slashes_are_alleles {
            for column in &c.slashes {
                read((row.fields)(*column), b'/', &mut cells, said);
            }
        }
        let mut haploid = Vec::new();
        for column in &c.haploid {
            read((row.fields)(*column), b',', &mut haploid, said);
        }
        // On autosomes these are zero by nature, not by count.
        if haploid.iter().any(|n| *n > 0) {
            cells.extend(haploid);
        }
        if let Some(all) = subjects.filter(Between::is_exact) {
            // Where the counts themselves are printed, the fraction adds nothing.
            let fractions = if cells.is_empty() { &c.fractions[..] } else { &[] };
            for (column, rounding) in fractions {
                let text = (row.fields)(*column);
                match (printed::parse(text).filter(|n| (0.0..=1.0).contains(&n.value)), rounding) {
                    (Some(n), Some(rounding)) => {
                        let found = implied::alleles(n.value, rounding.half_unit(n.value), all.low.0);
                        if found.is_exact() {
                            cells.push(found.low.0);
                        }
                    }
                    _ => said.broken |= !printed::is_missing(text),
                }
            }
        }
        for n in &cells {
            let what = match standing(people(*n), policy.counts.minimum) {
                Standing::Nobody => What::NoGenotype,
                Standing::Few => What::SmallGenotype,
                _ => continue,
            };
            self.note(Some(what), row, policy, tally, said, || format!("{n} subjects with a genotype"));
        }
        let together = cells.iter().copied().fold(0, u64::saturating_add);
        if whole && c.genotypes.len() >= 3 && together > 0 && together < policy.counts.minimum {
            self.note(Some(What::FewSubjects), row, policy, tally, said, || format!("{together} subjects"));
        }
    }

    fn alleles(
        &self,
        row: &Row<'_>,
        policy: &Policy,
        alleles: Option<Between<AlleleCount>>,
        subjects: Option<Between<SubjectCount>>,
        tally: &mut Tally,
        said: &mut Said,
    ) {
        let c = &self.columns;
        let open = Between { low: AlleleCount(0), high: AlleleCount(u64::MAX / 4) };
        let all = alleles.unwrap_or(open);
        let all_subjects =
            subjects.unwrap_or(Between { low: SubjectCount(0), high: SubjectCount(u64::MAX / 4) });
        let mut worst = Standing::Enough;
        let mut shown = String::new();
        let mut first = None;
        let (mut counted, mut total) = (0_usize, Between::exactly(AlleleCount(0)));
        let mut weigh = |copies: Between<AlleleCount>, text: &dyn Fn() -> String| {
            let found = if alleles.is_some() {
                allele(policy, copies, all, all_subjects)
            } else if policy.frequency.reading == Reading::Carriers {
                SiteStanding {
                    subjects: None,
                    carriers: Some(standing(carriers(copies, all_subjects), policy.counts.minimum)),
                }
            } else {
                SiteStanding::default()
            };
            counted += 1;
            total = Between {
                low: AlleleCount(total.low.0.saturating_add(copies.low.0)),
                high: AlleleCount(total.high.0.saturating_add(copies.high.0)),
            };
            first.get_or_insert(copies);
            if let Some(standing) = found.carriers.filter(|s| *s > worst) {
                worst = standing;
                shown = text();
            }
        };
        let sources = if c.copies.is_empty() { &c.frequencies[..] } else { &[] };
        for column in c.copies.iter().chain(c.other_copies.iter()) {
            for part in (row.fields)(*column).split(|b| *b == b',') {
                match printed::count(part).map(AlleleCount) {
                    Some(n) => weigh(Between::exactly(n), &|| format!("{n} copies")),
                    None => match printed::parse(part).filter(|n| n.value >= 0.0) {
                        Some(n) => {
                            let copies = expected(n.value);
                            weigh(copies, &|| format!("{} expected copies", n.value));
                        }
                        None => said.broken |= !printed::is_missing(part),
                    },
                }
            }
        }
        if c.slashes.len() == 1 && row.slashes_are_alleles {
            for part in (row.fields)(c.slashes[0]).split(|b| *b == b'/') {
                match printed::count(part).map(AlleleCount) {
                    Some(n) => weigh(Between::exactly(n), &|| format!("{n} copies")),
                    None => said.broken |= !printed::is_missing(part),
                }
            }
        }
        for (column, rounding) in sources {
            for part in (row.fields)(*column).split(|b| *b == b',') {
                let number = printed::parse(part);
                match number.filter(|n| (-1e-9..=1.000_001).contains(&n.value)) {
                    Some(n) => {
                        if let Some(copies) = implied_copies(n, *rounding, alleles) {
                            weigh(copies, &|| format!("{} of {all} = {copies} copies", n.value));
                        }
                    }
                    None => said.broken |= number.is_some() || !printed::is_missing(part),
                }
            }
        }
        if counted == 1 && c.other_copies.is_none() {
            said.counted = first.zip(alleles);
        }
        if let Some(words) = alleles.and_then(|all| super::difference::contradiction(c, row, all)) {
            tally.add(What::Unparsed, self.about, || ((row.place)(), words));
            said.offends = true;
        }
        // Several alternative alleles: what is left is the reference allele.
        if counted > 1 && c.other_copies.is_none() && c.slashes.is_empty() && alleles.is_some() {
            let rest = allele(policy, total, all, all_subjects).carriers;
            if let Some(standing) = rest.filter(|s| *s > worst && total.high <= all.high) {
                worst = standing;
                shown = format!("{total} copies of all alternative alleles of {all}");
            }
        }
        if worst == Standing::Enough
            && let Some((copies, fewest)) = self.unproven(row, policy)
        {
            self.note(Some(What::UnprovenSubjects), row, policy, tally, said, || {
                format!("{copies} copies if of {fewest} chromosomes")
            });
        }
        self.note(carrier_kind(worst), row, policy, tally, said, || shown);
    }

    /// Too few carriers, if the fractions are of as few chromosomes as they would fit.
    fn unproven(&self, row: &Row<'_>, policy: &Policy) -> Option<(Between<AlleleCount>, u64)> {
        let fewest = self.fewest?;
        let all = Between::exactly(AlleleCount(fewest));
        let parts = self.columns.frequencies.iter().flat_map(|(column, rounding)| {
            (row.fields)(*column).split(|b| *b == b',').map(|part| (printed::parse(part), *rounding))
        });
        for (number, rounding) in parts {
            let Some(copies) = number.and_then(|n| implied_copies(n, rounding, Some(all))) else { continue };
            let found = allele(policy, copies, all, row.ploidy.subjects(all));
            if [found.carriers, found.subjects].into_iter().flatten().any(|s| s != Standing::Enough) {
                return Some((copies, fewest));
            }
        }
        None
    }

    fn note(
        &self,
        what: Option<What>,
        row: &Row<'_>,
        policy: &Policy,
        tally: &mut Tally,
        said: &mut Said,
        value: impl FnOnce() -> String,
    ) {
        let Some(what) = what else { return };
        tally.add(what, self.about, || ((row.place)(), value()));
        said.offends |= offends(what, policy);
    }
}

/// Does a row with this evidence stay out of a filtered copy?
pub fn offends(what: What, policy: &Policy) -> bool {
    use sekisho_policy::schema::Weight;
    match what {
        What::MaybeFewCarriers | What::MaybeFewSubjects => policy.frequency.straddle != Weight::Pass,
        What::NoCarriers | What::NoGenotype => policy.counts.zero != Weight::Pass,
        _ => true,
    }
}

/// Evidence for a standing of carriers.
pub fn carrier_kind(standing: Standing) -> Option<What> {
    match standing {
        Standing::Enough => None,
        Standing::Nobody => Some(What::NoCarriers),
        Standing::Straddles => Some(What::MaybeFewCarriers),
        Standing::Few => Some(What::FewCarriers),
    }
}

fn people(n: u64) -> Between<SubjectCount> {
    Between::exactly(SubjectCount(n))
}

/// Whole copies around an expected number of them.
fn expected(value: f64) -> Between<AlleleCount> {
    Between { low: AlleleCount(value.floor() as u64), high: AlleleCount(value.ceil() as u64) }
}

fn implied_copies(
    n: Number,
    rounding: Option<Rounding>,
    alleles: Option<Between<AlleleCount>>,
) -> Option<Between<AlleleCount>> {
    let all = alleles?;
    let value = n.value.clamp(0.0, 1.0);
    // A value is never coarser than it is printed.
    let half = Rounding::Decimals(n.decimals).half_unit(value);
    let half = rounding.map_or(half, |r| r.half_unit(value).min(half));
    let most = implied::alleles(value, half, all.high.0);
    let least = if all.is_exact() { most } else { implied::alleles(value, half, all.low.0) };
    Some(Between { low: least.low.min(most.low), high: least.high.max(most.high) })
}
