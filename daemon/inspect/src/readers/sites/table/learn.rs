//! What the first rows of a table of sites teach: columns that are not what they are called, how fractions are rounded,
//! and how many chromosomes they are of.

use super::SiteTable;
use super::scout::TableScout;
use crate::lines;
use crate::readers::code::{Code, Look};
use crate::readers::printed;
use crate::readers::sites::group::Group;
use crate::readers::sites::plan::{is_permutation, word_of};
use crate::readers::sites::profile::Profile;
use crate::readers::sites::roles::Role;
use sekisho_policy::facts::What;
use sekisho_policy::implied::{self, Rounding};
use sekisho_policy::numbers::grouped;
use std::sync::Arc;

impl SiteTable {
    /// Learns from the rows held back, then judges them.
    pub(super) fn learn(&mut self) {
        if self.learned {
            return;
        }
        self.learned = true;
        let held = std::mem::take(&mut self.held);
        let columns = self.sheet.header.len();
        let mut samples: Vec<Vec<(f64, u32)>> = vec![Vec::new(); columns];
        let mut shapes = vec![Profile::default(); columns];
        let mut constant: Vec<Option<Option<u64>>> = vec![None; columns];
        for (at, line) in lines::split(&held).enumerate() {
            let number = self.held_from + at as u64;
            if number < self.sheet.data_from || line.is_empty() || self.sheet.delimiter.count(line) != columns
            {
                continue;
            }
            for (column, text) in self.sheet.delimiter.fields(line).enumerate() {
                shapes[column].add(text, number, self.sheet.policy.counts.minimum);
                let whole = printed::count(text);
                let seen = constant[column].get_or_insert(whole);
                if *seen != whole {
                    *seen = None;
                }
                for part in text.split(|b| *b == b',') {
                    if let Some(n) = printed::parse(part).filter(|n| (0.0..=1.0).contains(&n.value)) {
                        samples[column].push((n.value, n.decimals));
                    }
                }
            }
        }
        self.doubt(&shapes, &samples, &constant);
        self.denominators(&samples, &constant);
        self.profiles = (0..columns)
            .filter(|c| self.sheet.roles[*c] == Role::Unknown)
            .map(|c| (c, Profile::default()))
            .collect();
        let directions = self.sheet.header.iter().any(|h| h.eq_ignore_ascii_case("direction"));
        self.codes = (0..columns)
            .filter_map(|c| {
                look(self.sheet.roles[c], &self.sheet.header[c], directions).map(|l| (c, Code::new(l)))
            })
            .collect();
        let from = self.held_from;
        // Scouts know rows, not what stands above them.
        if from + lines::count(&held) > self.sheet.data_from {
            self.scout = Some(Arc::new(TableScout::new(&self.sheet, &self.profiles, self.sketch.bar())));
        }
        self.lines(&held, from);
    }

    /// Learns from what was read so far.
    #[cfg(test)]
    pub fn learn_now(&mut self) {
        self.learn();
    }

    /// Roles by value: a name does not excuse values that are something else.
    fn doubt(&mut self, shapes: &[Profile], samples: &[Vec<(f64, u32)>], constant: &[Option<Option<u64>>]) {
        let stated: Vec<u64> = (0..self.sheet.roles.len())
            .filter_map(|c| match self.sheet.roles[c] {
                Role::Alleles(_) => constant[c].flatten(),
                Role::Subjects(_) => constant[c].flatten().map(|n| n.saturating_mul(2)),
                _ => None,
            })
            .chain(self.declared.map(|n| n.saturating_mul(2)))
            .collect();
        for (column, shape) in shapes.iter().enumerate() {
            let values = shape.whole + shape.fractions + shape.outside;
            // Effects and scores are hardly ever whole numbers, let alone all of them.
            let counts = shape.may_be_counts()
                && shape.whole == shape.present
                && (shape.small_above_one > 0 || values >= 20);
            let disguised = match self.sheet.roles[column] {
                Role::Statistic => counts,
                // Fractions that share a denominator are frequencies, whatever their name.
                Role::Fraction if !is_permutation(&self.sheet.header[column]) => {
                    let sample = &samples[column];
                    shape.small_above_one > 0
                        || Rounding::of_column(sample).is_some_and(|r| {
                            stated.iter().any(|n| implied::shares(sample, r, *n))
                                || implied::denominator(sample, r).is_some()
                        })
                }
                // Rates of missing genotypes are small, and of people, not of chromosomes.
                Role::MissingRate => {
                    let sample = &samples[column];
                    let odd = Rounding::of_column(sample).is_some_and(|r| {
                        stated
                            .iter()
                            .any(|n| implied::shares(sample, r, *n) && !implied::shares(sample, r, n / 2))
                    });
                    odd || sample.iter().filter(|(v, _)| *v > 0.2).count() * 4 > sample.len().max(4)
                }
                Role::Label => {
                    shape.numeric() && (shape.may_be_counts() && shape.small > 3 || shape.may_be_fractions())
                }
                _ => false,
            };
            // Errors codes and the like: words or nothing.
            if disguised {
                self.sheet.roles[column] = Role::Unknown;
            }
        }
        // Without any named frequency, columns of fractions are taken for what a declared number makes of them.
        let named = self.sheet.groups.iter().any(|g| g.needs_subjects() || !g.columns.copies.is_empty());
        if !named && self.declared.is_some() {
            for (column, shape) in shapes.iter().enumerate() {
                if self.sheet.roles[column] == Role::Unknown && shape.may_be_fractions() {
                    let about = self.tally.name(&self.sheet.header[column]);
                    let mut group = Group { about, declared: self.declared, ..Group::default() };
                    group.columns.frequencies.push((column, None));
                    self.sheet.groups.push(group);
                    self.sheet.roles[column] = Role::Frequency(u32::MAX);
                }
            }
        }
    }

    fn denominators(&mut self, samples: &[Vec<(f64, u32)>], constant: &[Option<Option<u64>>]) {
        let mut groups = std::mem::take(&mut self.sheet.groups);
        for (at, group) in groups.iter_mut().enumerate() {
            for (column, rounding) in group.columns.frequencies.iter_mut().chain(&mut group.columns.fractions)
            {
                *rounding = Rounding::of_column(&samples[*column]);
            }
            let name = word_of(&self.sheet.header, group);
            if group.declared.is_none() {
                group.declared =
                    self.declared_groups.get(&name).copied().or(if at == 0 { self.declared } else { None });
            }
            let inferred = group
                .columns
                .frequencies
                .iter()
                .find_map(|(column, rounding)| implied::denominator(&samples[*column], (*rounding)?));
            let printed_number = group.columns.alleles.and_then(|c| constant[c]).flatten().or_else(|| {
                group.columns.subjects.and_then(|c| constant[c]).flatten().map(|n| n.saturating_mul(2))
            });
            let has_column = group.columns.alleles.is_some()
                || group.columns.subjects.is_some()
                || group.columns.other_copies.is_some();
            let about = group.about;
            let stated =
                printed_number.or(group.declared.filter(|_| !has_column).map(|n| n.saturating_mul(2)));
            if let (Some(found), Some(stated)) = (inferred, stated) {
                // Every fraction is a multiple of one over far fewer chromosomes than stated.
                if found != stated && found.saturating_mul(2) != stated
                    || (found * 2 == stated && !has_column)
                {
                    self.tally.add(What::SubjectsRefuted, about, || {
                        (
                            "whole column".into(),
                            format!("stated {stated} chromosomes, the fractions are of {found}"),
                        )
                    });
                    group.inferred = Some(found).filter(|_| !has_column);
                }
            }
            if !has_column && group.declared.is_none() {
                group.inferred = inferred;
            }
            group.settle_fewest(samples, has_column);
            let ratio = !group.columns.copies.is_empty() && !group.columns.frequencies.is_empty();
            if group.needs_subjects()
                && !has_column
                && !ratio
                && group.inferred.is_none()
                && group.declared.is_none()
            {
                let names: Vec<&str> =
                    group.columns.frequencies.iter().map(|(c, _)| self.sheet.header[*c].as_str()).collect();
                let value = names.join(", ");
                // Copies beside the fraction are judged by themselves; the group is still unknown.
                self.tally.add(What::UnknownSubjects, about, || (String::new(), value));
            }
            if self.subjects.is_empty() {
                self.subjects = match (group.inferred, group.declared.filter(|_| !has_column)) {
                    (Some(n), _) => format!("inferred from the fractions: {} chromosomes", grouped(n)),
                    (None, Some(n)) => format!("declared: {}", grouped(n)),
                    _ if has_column => "printed in the file".into(),
                    _ => String::new(),
                };
            }
        }
        // Effects and p-values are statistics about people, too: about how many must be known.
        if self.tally.number(What::UnknownSubjects) == 0 && !groups.iter().any(Group::is_numbered) {
            self.tally.add(What::UnknownSubjects, self.sheet.everything, || {
                (String::new(), "no number of subjects".into())
            });
        }
        self.sheet.groups = groups;
    }
}

/// What a column of this role is looked at for. `directions`: studies are listed beside their number.
fn look(role: Role, name: &str, directions: bool) -> Option<Look> {
    match role {
        Role::Statistic | Role::Fraction | Role::Unknown => Some(Look::Everything),
        Role::Frequency(_) | Role::GenotypeFraction(_) | Role::Copies(_) => Some(Look::Frequencies),
        Role::MissingRate | Role::Missing => Some(Look::Exceptions),
        Role::Index if !directions => Some(Look::Levels),
        // Signs of effects, and several tests of one site.
        Role::Label if !matches!(name.to_ascii_lowercase().as_str(), "direction" | "test" | "strand") => {
            Some(Look::Words)
        }
        _ => None,
    }
}
