//! Saved Python objects: what a bounded walk over their instructions shows, without carrying any of them out.
//!
//! The walk keeps one thing: how many values of which sort stand one after the other (texts, numbers, raw arrays). A saved
//! object never passes; it is blocked when it holds a row a person: ids in number, or an array of genotypes.

use super::Inside;
use sekisho_policy::facts::{OpaqueKind, ProblemKind, What};
use std::collections::BTreeSet;

/// Instructions looked at.
const MOST: usize = 20_000_000;
/// Ids of persons that make rows of persons, and different names one object may use itself.
const MANY: usize = 10;

/// Reads an object that is wholly in memory.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("pickle");
    inside.unread(OpaqueKind::Model, "pickle", "instructions are not carried out");
    let mut walk = Walk::default();
    let mut rest = bytes;
    for _ in 0..MOST {
        match walk.step(rest) {
            Some(Step::On(next)) => rest = next,
            Some(Step::End(behind)) => {
                if !behind.is_empty() {
                    let detail = format!("{} bytes follow", behind.len());
                    inside.problem(ProblemKind::TrailingBytes, "end", detail);
                }
                walk.settle(&mut inside);
                return inside;
            }
            None => {
                let detail = format!("byte {}: no instruction", bytes.len() - rest.len());
                inside.problem(ProblemKind::Malformed, "instructions", detail);
                walk.settle(&mut inside);
                return inside;
            }
        }
    }
    inside.problem(ProblemKind::Bomb, "instructions", format!("more than {MOST}"));
    inside
}

enum Step<'a> {
    On(&'a [u8]),
    End(&'a [u8]),
}

#[derive(Default)]
struct Walk {
    /// Different texts that look like ids, and how many there were.
    ids: BTreeSet<Vec<u8>>,
    /// Raw arrays that hold nothing but allele counts: bytes, and how many of them.
    genotypes: usize,
    example: String,
}

impl Walk {
    /// One instruction.
    fn step<'a>(&mut self, bytes: &'a [u8]) -> Option<Step<'a>> {
        let (code, rest) = bytes.split_first()?;
        let fixed = |n: usize| rest.get(n..).map(Step::On);
        match code {
            b'.' => Some(Step::End(rest)),
            // Marks, tuples, lists, dictionaries, building and calling: nothing of their own behind them.
            b'('
            | b'0'
            | b'1'
            | b'2'
            | b'N'
            | b'Q'
            | b'R'
            | b'a'
            | b'b'
            | b'd'
            | b'}'
            | b'e'
            | b'l'
            | b']'
            | b'o'
            | b's'
            | b't'
            | b')'
            | b'u'
            | 0x81
            | 0x85..=0x89
            | 0x8f..=0x94
            | 0x97
            | 0x98 => fixed(0),
            b'K' | b'h' | b'q' | 0x80 | 0x82 => fixed(1),
            b'M' | 0x83 => fixed(2),
            b'J' | b'j' | b'r' | 0x84 => fixed(4),
            b'G' | 0x95 => fixed(8),
            // Text up to the end of the line: numbers, names.
            b'F' | b'I' | b'L' | b'S' | b'V' | b'P' | b'g' | b'p' => {
                let end = memchr::memchr(b'\n', rest)?;
                if matches!(code, b'S' | b'V') {
                    self.text(rest[..end].trim_ascii().trim_ascii_start());
                }
                rest.get(end + 1..).map(Step::On)
            }
            b'c' | b'i' => {
                let first = memchr::memchr(b'\n', rest)?;
                let second = memchr::memchr(b'\n', rest.get(first + 1..)?)?;
                rest.get(first + second + 2..).map(Step::On)
            }
            b'U' | 0x8c => self.held(*code, rest, 1),
            b'T' | b'X' => self.held(*code, rest, 4),
            b'C' => self.held(*code, rest, 1),
            b'B' => self.held(*code, rest, 4),
            0x8d | 0x8e | 0x96 => self.held(*code, rest, 8),
            0x8a => self.held(0, rest, 1),
            0x8b => self.held(0, rest, 4),
            _ => None,
        }
    }

    /// An instruction with a length and that many bytes behind it.
    fn held<'a>(&mut self, code: u8, rest: &'a [u8], width: usize) -> Option<Step<'a>> {
        let mut length = [0; 8];
        length[..width].copy_from_slice(rest.get(..width)?);
        let end = usize::try_from(u64::from_le_bytes(length)).ok()?.checked_add(width)?;
        let data = rest.get(width..end)?;
        match code {
            b'U' | b'T' | b'X' | 0x8c | 0x8d => self.text(data),
            b'C' | b'B' | 0x8e | 0x96 => self.array(data),
            _ => {}
        }
        rest.get(end..).map(Step::On)
    }

    /// A short text with digits in it, as ids have and names of variables rarely.
    fn text(&mut self, text: &[u8]) {
        let text = text.trim_ascii();
        let digits = text.iter().filter(|b| b.is_ascii_digit()).count();
        let plain = text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if plain && digits >= 2 && (4..=40).contains(&text.len()) && self.ids.len() < 100_000 {
            if self.ids.is_empty() {
                self.example = String::from_utf8_lossy(text).into_owned();
            }
            self.ids.insert(text.to_vec());
        }
    }

    /// Numbers of an array as they are: allele counts as bytes, whole numbers or fractions.
    fn array(&mut self, data: &[u8]) {
        let dosage = |value: f64| value == 0.0 || value == 1.0 || value == 2.0 || value.is_nan();
        let bytes = data.iter().all(|b| *b <= 2 || matches!(b, 9 | 0xff | 0x81));
        let long =
            || data.as_chunks::<8>().0.iter().all(|c| matches!(i64::from_le_bytes(*c), -9 | -1..=2 | 9));
        let double = || data.as_chunks::<8>().0.iter().all(|c| dosage(f64::from_le_bytes(*c)));
        let single = || data.as_chunks::<4>().0.iter().all(|c| dosage(f64::from(f32::from_le_bytes(*c))));
        let various = data.iter().collect::<BTreeSet<_>>().len() > 1;
        if data.len() >= 800 && various && (bytes || long() || double() || single()) {
            self.genotypes += data.len();
        }
    }

    fn settle(self, inside: &mut Inside) {
        let about = inside.tally.name("saved object");
        if self.ids.len() >= MANY {
            let (n, example) = (self.ids.len() as u64, self.example);
            inside.tally.add_many(What::SubjectRows, about, n, || ("texts like ids".into(), example));
        }
        if self.genotypes > 0 {
            let bytes = self.genotypes;
            inside.tally.add(What::SubjectRows, about, || {
                ("arrays".into(), format!("{bytes} bytes of 0, 1 and 2 only"))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::readers::testing::check;
    use sekisho_policy::Verdict;

    fn saved(texts: &[String], array: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x80\x04]\x94(".to_vec();
        for text in texts {
            bytes.extend([&[0x8c, text.len() as u8][..], text.as_bytes(), b"\x94"].concat());
        }
        bytes.extend([b"B", &(array.len() as u32).to_le_bytes()[..], array, b"\x94e."].concat());
        bytes
    }

    #[test]
    fn a_saved_object_never_passes_and_blocks_with_rows_of_persons() {
        let names: Vec<String> = ["coef_", "intercept_", "classes_"].map(String::from).to_vec();
        let ids: Vec<String> = (0..40).map(|i| format!("JP{i:05}")).collect();
        let fractions: Vec<u8> = (0..200).flat_map(|i| (f64::from(i) * 0.37).to_le_bytes()).collect();
        let calls: Vec<u8> = (0..2000_u32).map(|i| (i * i % 7 % 3) as u8).collect();
        let doubles: Vec<u8> = calls.iter().flat_map(|c| f64::from(*c).to_le_bytes()).collect();
        assert_eq!(check(&saved(&names, &fractions)).verdict, Verdict::Review);
        assert_eq!(check(&saved(&ids, &fractions)).verdict, Verdict::Block);
        assert_eq!(check(&saved(&names, &calls)).verdict, Verdict::Block);
        assert_eq!(check(&saved(&names, &doubles)).verdict, Verdict::Block);
        let whole = saved(&ids, &doubles);
        for end in 0..200 {
            assert_ne!(check(&whole[..end]).verdict, Verdict::Pass, "{end}");
        }
    }
}
