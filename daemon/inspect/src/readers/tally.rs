//! Gathers evidence in bounded memory: numbers are exact, examples are the first few.

use sekisho_policy::facts::{Evidence, Example, What, most};
use std::collections::BTreeMap;

/// Evidence by kind and column.
#[derive(Default)]
pub struct Tally {
    entries: BTreeMap<(What, u32), (u64, Vec<Example>)>,
    names: Vec<String>,
}

impl Tally {
    /// A number for a column or group name, to be used with [`Tally::add`].
    pub fn name(&mut self, name: &str) -> u32 {
        if let Some(at) = self.names.iter().position(|n| n == name) {
            return at as u32;
        }
        self.names.push(name.chars().take(80).collect());
        (self.names.len() - 1) as u32
    }

    /// The name behind a number.
    pub fn named(&self, about: u32) -> &str {
        self.names.get(about as usize).map_or("", String::as_str)
    }

    /// Counts one occurrence; place and value are only written down for the first few.
    pub fn add(&mut self, what: What, about: u32, example: impl FnOnce() -> (String, String)) {
        self.add_many(what, about, 1, example);
    }

    /// Counts several occurrences with one example.
    pub fn add_many(
        &mut self,
        what: What,
        about: u32,
        number: u64,
        example: impl FnOnce() -> (String, String),
    ) {
        if number == 0 {
            return;
        }
        let full = self.entries.len() >= most::EVIDENCE;
        // Beyond the bound, columns are thrown together: the number stays right.
        let key =
            if full && !self.entries.contains_key(&(what, about)) { (what, u32::MAX) } else { (what, about) };
        let entry = self.entries.entry(key).or_default();
        entry.0 += number;
        if entry.1.len() < most::EXAMPLES {
            let (place, value) = example();
            let cut = |text: String| text.chars().take(120).collect();
            entry.1.push(Example { place: cut(place), value: cut(value) });
        }
    }

    /// Nothing was found.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The kinds of evidence found.
    pub fn kinds(&self) -> impl Iterator<Item = What> + '_ {
        self.entries.keys().map(|(what, _)| *what)
    }

    /// How often was this found?
    pub fn number(&self, what: What) -> u64 {
        self.entries.iter().filter(|((w, _), _)| *w == what).map(|(_, (n, _))| n).sum()
    }

    /// Everything found.
    pub fn evidence(self) -> Vec<Evidence> {
        let names = self.names;
        self.entries
            .into_iter()
            .map(|((what, about), (number, examples))| Evidence {
                what,
                about: names.get(about as usize).cloned().unwrap_or_else(|| "other columns".into()),
                number,
                examples,
            })
            .collect()
    }
}

/// Bytes of a file as text for a message.
pub fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).chars().filter(|c| !c.is_control()).collect()
}
