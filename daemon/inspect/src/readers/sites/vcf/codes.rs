//! Columns of a VCF without subjects that may carry a code of their own: QUAL, FILTER, INFO keys and flags.

use crate::readers::code::{Code, Look};
use crate::readers::sites::roles::Role;
use crate::readers::tally::{Tally, words};

/// Most flags followed.
const MOST_FLAGS: usize = 128;

/// What is looked for in every column of a record.
pub struct Codes {
    quality: Code,
    filter: Code,
    keys: Vec<Option<Code>>,
    flags: Vec<(Vec<u8>, Code)>,
    present: Vec<bool>,
}

impl Codes {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self {
            quality: Code::new(Look::Everything),
            filter: Code::new(Look::Levels),
            keys: Vec::new(),
            flags: Vec::new(),
            present: Vec::new(),
        }
    }

    /// A flag stands in the current record.
    pub fn flag(&mut self, name: &[u8]) {
        let at = self.flags.iter().position(|(n, _)| n == name);
        if let Some(at) = at {
            self.present[at] = true;
        } else if self.flags.len() < MOST_FLAGS && !name.is_empty() && name != b"." {
            self.flags.push((name[..name.len().min(80)].to_vec(), Code::new(Look::Levels)));
            self.present.push(true);
        }
    }

    /// Names of the flags met so far.
    pub fn names(&self) -> Vec<Vec<u8>> {
        self.flags.iter().map(|(name, _)| name.clone()).collect()
    }

    /// How many there are.
    pub fn flags(&self) -> usize {
        self.flags.len()
    }

    /// How many of the next records are not looked at.
    pub fn idle(&self) -> u64 {
        let keys = self.keys.iter().flatten();
        let all =
            [&self.quality, &self.filter].into_iter().chain(keys).chain(self.flags.iter().map(|(_, c)| c));
        all.map(Code::idle).min().unwrap_or(0)
    }

    /// Passes over records that are not looked at: at most as many as [`Codes::idle`] says.
    pub fn pass(&mut self, records: u64) {
        let keys = self.keys.iter_mut().flatten();
        let flags = self.flags.iter_mut().map(|(_, c)| c);
        [&mut self.quality, &mut self.filter]
            .into_iter()
            .chain(keys)
            .chain(flags)
            .for_each(|c| c.pass(records));
    }

    /// The record ends: its id, QUAL and FILTER.
    pub fn record(&mut self, id: &[u8], quality: &[u8], filter: &[u8], line: u64) {
        self.quality.add(quality, line);
        self.filter.add(filter, line);
        for ((name, code), present) in self.flags.iter_mut().zip(&mut self.present) {
            // In dbSNP, and named after it: one says nothing beyond the other.
            let said = name == b"DB" && id.starts_with(b"rs");
            code.add(if *present != said { b"1" } else { b"0" }, line);
            *present = false;
        }
    }

    /// The value of an INFO key in the current record.
    pub fn value(&mut self, key: usize, name: &str, role: Role, value: &[u8], line: u64) {
        while self.keys.len() <= key {
            self.keys.push(None);
        }
        if let Some(look) = look(role, name) {
            self.keys[key].get_or_insert_with(|| Code::new(look)).add(value, line);
        }
    }

    /// Evidence about whole columns.
    pub fn close(self, names: &[String], tally: &mut Tally) {
        self.quality.close("QUAL", tally);
        self.filter.close("FILTER", tally);
        for (code, name) in self.keys.into_iter().zip(names) {
            if let Some(code) = code {
                code.close(name, tally);
            }
        }
        for (name, code) in self.flags {
            code.close(&words(&name), tally);
        }
    }
}

/// What a key of this role is looked at for.
fn look(role: Role, name: &str) -> Option<Look> {
    // What the alleles, or the reference, say by themselves.
    const OF_THE_SITE: [&str; 9] =
        ["AA", "VT", "SVTYPE", "VC", "variant_type", "allele_type", "ANN", "CSQ", "MULTIALLELIC"];
    match role {
        Role::Statistic | Role::Fraction | Role::Unknown => Some(Look::Everything),
        Role::Frequency(_) | Role::GenotypeFraction(_) | Role::Copies(_) => Some(Look::Frequencies),
        Role::MissingRate | Role::Missing => Some(Look::Exceptions),
        Role::Index => Some(Look::Levels),
        Role::Label if !OF_THE_SITE.contains(&name) => Some(Look::Words),
        _ => None,
    }
}
