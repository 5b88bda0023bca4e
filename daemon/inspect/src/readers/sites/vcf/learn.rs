//! What the first records of a VCF without subjects teach: rounding, and denominators nobody states.

use super::SitesVcf;
use crate::lines;
use crate::readers::Flow;
use crate::readers::printed;
use crate::readers::sites::group::Group;
use crate::readers::sites::plan::everybody_suffices;
use crate::readers::sites::roles::Role;
use sekisho_policy::facts::What;
use sekisho_policy::implied::{self, Rounding};

impl SitesVcf {
    /// Learns rounding and unstated denominators from the rows held back, then judges them.
    pub(super) fn learn(&mut self) -> Flow {
        if self.learned {
            return Flow::More;
        }
        self.learned = true;
        let held = std::mem::take(&mut self.held);
        let mut samples: Vec<Vec<(f64, u32)>> = Vec::new();
        for line in lines::split(&held).filter(|l| !l.is_empty() && l[0] != b'#') {
            let info = line.split(|b| *b == b'\t').nth(7).unwrap_or_default();
            for (at, entry) in info.split(|b| *b == b';').enumerate() {
                let Some(equals) = memchr::memchr(b'=', entry) else { continue };
                let key = self.key(&entry[..equals], at);
                if key == usize::MAX {
                    continue;
                }
                samples.resize(self.sheet.keys.len().max(samples.len()), Vec::new());
                if matches!(self.sheet.roles[key], Role::Frequency(_)) {
                    for part in entry[equals + 1..].split(|b| *b == b',') {
                        if let Some(n) = printed::parse(part).filter(|n| (0.0..=1.0).contains(&n.value)) {
                            samples[key].push((n.value, n.decimals));
                        }
                    }
                }
            }
        }
        samples.resize(self.sheet.keys.len(), Vec::new());
        self.replan();
        self.denominators(&samples);
        if self.copy.is_some() {
            self.left_out
                .extend((0..self.sheet.keys.len()).filter(|k| self.sheet.roles[*k] == Role::Unknown));
        }
        let from = self.held_from;
        self.lines(&held, from)
    }

    /// Learns from what was read so far, and sends a scout.
    #[cfg(test)]
    pub fn learn_now(&mut self) {
        self.learn();
        self.brief();
    }

    fn denominators(&mut self, samples: &[Vec<(f64, u32)>]) {
        let numbered = |g: &Group| g.columns.alleles.is_some() || g.columns.subjects.is_some();
        let everybody = self.sheet.groups.first().is_some_and(numbered);
        let mut silent = Vec::new();
        for (at, group) in self.sheet.groups.iter_mut().enumerate() {
            for (column, rounding) in &mut group.columns.frequencies {
                *rounding = Rounding::of_column(&samples[*column]);
            }
            let name = &self.names.names()[at];
            let declared = self.declared_groups.iter().find(|(k, _)| k == name).map(|(_, n)| *n);
            group.declared = declared.or(if at == 0 { self.declared } else { None });
            if !numbered(group) && group.declared.is_none() {
                group.inferred = group
                    .columns
                    .frequencies
                    .iter()
                    .find_map(|(column, rounding)| implied::denominator(&samples[*column], (*rounding)?));
            }
            group.settle_fewest(samples, numbered(group));
            let known = numbered(group) || group.declared.is_some() || group.inferred.is_some();
            let unknown = group.needs_subjects() && !known && group.columns.copies.is_empty();
            if unknown && !(everybody && everybody_suffices(group, samples, &self.sheet.policy)) {
                silent.push(at);
            }
        }
        for at in silent {
            let columns: Vec<usize> =
                self.sheet.groups[at].columns.frequencies.iter().map(|(c, _)| *c).collect();
            if self.copy.is_some() {
                self.left_out.extend(columns);
                self.sheet.groups[at].columns.frequencies.clear();
            } else {
                let names: Vec<&str> = columns.iter().map(|c| self.sheet.keys[*c].as_str()).collect();
                let value = names.join(", ");
                self.tally.add(What::UnknownSubjects, self.sheet.groups[at].about, || (String::new(), value));
            }
        }
    }
}
