//! The filtered copy of a VCF without subjects.

use super::SitesVcf;
use crate::readers::sites::plan::also_left_out;
use sekisho_policy::facts::What;
use sekisho_policy::numbers::grouped;
use sekisho_policy::rules::small_frequencies::safe_copies;

impl SitesVcf {
    /// Takes what the filtered copy has gained.
    pub fn take_copy(&mut self) -> Vec<u8> {
        self.copy.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The filtered copy in words, after the last row. `None`: it would not help.
    pub fn copied(&mut self) -> Option<(String, String)> {
        self.learn();
        if self.kept == 0 || self.tally.number(What::SubjectsRefuted) > 0 {
            return None;
        }
        let floor = safe_copies(self.policy.counts.minimum).0;
        let (kept, rows) = (grouped(self.kept), grouped(self.rows));
        let names: Vec<&str> = self.left_out.iter().map(|k| self.keys[*k].as_str()).collect();
        let also = also_left_out(&self.tally);
        let (mut en, mut ja) = (
            format!("sites with minor allele count ≥ {floor} kept: {kept} of {rows}{}", also.0),
            format!("マイナーアレル数 {floor} 以上の部位を残しました: {rows} 部位中 {kept}{}", also.1),
        );
        if !names.is_empty() {
            en += &format!("; INFO keys left out: {}", names.join(", "));
            ja += &format!("。除いた INFO キー: {}", names.join(", "));
        }
        Some((en, ja))
    }

    pub(super) fn write(&mut self, line: &[u8]) {
        if let Some(copy) = &mut self.copy {
            copy.extend_from_slice(line);
            copy.push(b'\n');
        }
    }

    /// The line without the INFO keys that cannot be judged.
    pub(super) fn write_without(&mut self, line: &[u8], (from, to): (usize, usize)) {
        let Some(copy) = &mut self.copy else { return };
        copy.extend_from_slice(&line[..from]);
        let before = copy.len();
        for entry in line[from..to].split(|b| *b == b';') {
            let name = entry.split(|b| *b == b'=').next().unwrap_or_default();
            if !self.left_out.iter().any(|k| self.keys[*k].as_bytes() == name) {
                if copy.len() > before {
                    copy.push(b';');
                }
                copy.extend_from_slice(entry);
            }
        }
        if copy.len() == before {
            copy.push(b'.');
        }
        copy.extend_from_slice(&line[to..]);
        copy.push(b'\n');
    }
}
