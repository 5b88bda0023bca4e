//! The filtered copy of a VCF without subjects.

use super::SitesVcf;
use crate::readers::printed;
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
        let floor = safe_copies(self.sheet.policy.counts.minimum).0;
        let (kept, rows) = (grouped(self.kept), grouped(self.rows));
        let names: Vec<&str> = self.left_out.iter().map(|k| self.sheet.keys[*k].as_str()).collect();
        let also = also_left_out(&self.tally);
        let (mut en, mut ja) = (
            format!("sites with minor allele count ≥ {floor} kept: {kept} of {rows}{}", also.0),
            format!("マイナーアレル数 {floor} 以上の部位を残しました: {rows} 部位中 {kept}{}", also.1),
        );
        if !names.is_empty() {
            en += &format!("; INFO keys left out: {}", names.join(", "));
            ja += &format!("。除いた INFO キー: {}", names.join(", "));
        }
        if !self.coded.is_empty() {
            let names = self.coded.join(", ");
            en += &format!("; left out, because their values may be a code: {names}");
            ja += &format!("。符号を含みうるため除いたもの: {names}");
        }
        Some((en, ja))
    }

    pub(super) fn write(&mut self, line: &[u8]) {
        if let Some(copy) = &mut self.copy {
            copy.extend_from_slice(line);
            copy.push(b'\n');
        }
    }

    /// Leaves these columns and keys out of the copy.
    pub fn without(&mut self, coded: &[String]) {
        self.coded = coded.to_vec();
    }

    /// The line without the columns and INFO keys that cannot be judged, surplus digits rounded away.
    pub(super) fn write_without(&mut self, line: &[u8], fixed: &[(usize, usize); 8]) {
        let Some(copy) = &mut self.copy else { return };
        let digits = self.sheet.policy.numbers.significant_digits;
        let coded = |name: &[u8]| self.coded.iter().any(|c| c.as_bytes() == name);
        let mut from = 0;
        for (column, name) in [(5, b"QUAL".as_slice()), (6, b"FILTER")] {
            let (start, end) = fixed[column];
            copy.extend_from_slice(&line[from..start]);
            if coded(name) {
                copy.push(b'.');
            } else {
                copy.extend(shortened(&line[start..end], digits));
            }
            from = end;
        }
        let (start, end) = fixed[7];
        copy.extend_from_slice(&line[from..start]);
        let before = copy.len();
        for entry in line[start..end].split(|b| *b == b';') {
            let equals = memchr::memchr(b'=', entry).unwrap_or(entry.len());
            let name = &entry[..equals];
            if coded(name) || self.left_out.iter().any(|k| self.sheet.keys[*k].as_bytes() == name) {
                continue;
            }
            if copy.len() > before {
                copy.push(b';');
            }
            copy.extend_from_slice(name);
            if equals < entry.len() {
                copy.push(b'=');
                for (at, part) in entry[equals + 1..].split(|b| *b == b',').enumerate() {
                    if at > 0 {
                        copy.push(b',');
                    }
                    copy.extend(shortened(part, digits));
                }
            }
        }
        if copy.len() == before {
            copy.push(b'.');
        }
        copy.extend_from_slice(&line[end..]);
        copy.push(b'\n');
    }
}

/// A number without surplus digits; anything else as it is.
fn shortened(text: &[u8], digits: u32) -> Vec<u8> {
    let long = printed::parse(text).filter(|n| !n.whole && n.significant > digits);
    long.and_then(|_| printed::rounded(text, digits)).map_or_else(|| text.to_vec(), String::into_bytes)
}
