//! The filtered copy of a table of sites: rows that may leave, surplus digits rounded away.

use super::SiteTable;
use crate::readers::printed;
use crate::readers::sites::plan::also_left_out;
use crate::readers::sites::roles::Role;
use sekisho_policy::facts::What;
use sekisho_policy::numbers::grouped;
use sekisho_policy::rules::small_frequencies::safe_copies;

impl SiteTable {
    /// Takes what the filtered copy has gained.
    pub fn take_copy(&mut self) -> Vec<u8> {
        self.copy.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The filtered copy in words, after the last row. `None`: it would not help.
    pub fn copied(&mut self) -> Option<(String, String)> {
        self.learn();
        let unfixable =
            [What::UnknownSubjects, What::SubjectsRefuted, What::UnclearCounts, What::UnclearFractions];
        self.close();
        if self.kept == 0 || unfixable.iter().any(|w| self.tally.number(*w) > 0) {
            return None;
        }
        let floor = safe_copies(self.sheet.policy.counts.minimum).0;
        let (kept, rows) = (grouped(self.kept), grouped(self.rows));
        let (mut en, mut ja) = also_left_out(&self.tally);
        if !self.coded.is_empty() {
            let names: Vec<&str> = self.coded.iter().map(|c| self.sheet.header[*c].as_str()).collect();
            en += &format!("; columns emptied: {}", names.join(", "));
            ja += &format!("。空にした列: {}", names.join(", "));
        }
        Some((
            format!("sites with minor allele count ≥ {floor} kept: {kept} of {rows}{en}"),
            format!("マイナーアレル数 {floor} 以上の部位を残しました: {rows} 部位中 {kept}{ja}"),
        ))
    }

    /// Empties these columns in the copy.
    pub fn without(&mut self, coded: &[String]) {
        self.coded = (0..self.sheet.header.len())
            .filter(|c| coded.iter().any(|name| *name == self.sheet.header[*c]))
            .collect();
    }

    pub(super) fn write(&mut self, line: &[u8]) {
        if let Some(copy) = &mut self.copy {
            copy.extend_from_slice(line);
            copy.push(b'\n');
        }
    }

    pub(super) fn write_rounded(&mut self, line: &[u8], spans: &[(usize, usize)]) {
        let digits = self.sheet.policy.numbers.significant_digits;
        let Some(copy) = &mut self.copy else { return };
        let mut from = 0;
        for (column, ((start, length), role)) in spans.iter().zip(&self.sheet.roles).enumerate() {
            let text = &line[*start..start + length];
            if self.coded.contains(&column) {
                copy.extend_from_slice(&line[from..*start]);
                copy.extend_from_slice(b"NA");
                from = start + length;
                continue;
            }
            let rounds = !matches!(role, Role::Place | Role::Id | Role::Label | Role::Chrom | Role::Allele);
            let number = printed::parse(text).filter(|n| rounds && !n.whole && n.significant > digits);
            if let Some(short) = number.and_then(|_| printed::rounded(text, digits)) {
                copy.extend_from_slice(&line[from..*start]);
                copy.extend_from_slice(short.as_bytes());
                from = start + length;
            }
        }
        copy.extend_from_slice(&line[from..]);
        copy.push(b'\n');
    }
}
