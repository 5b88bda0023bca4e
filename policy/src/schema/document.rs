//! From text to policy: strict reading, merging of several documents, and the place of every value.

use super::{Policy, PolicyError, Sentence, VERSION};
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// One policy document: the file's name, used only to name the place of a mistake, and its text.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// Name of the file.
    pub file: &'a str,
    /// Its content.
    pub text: &'a str,
}

/// Where a value of the merged policy was written.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    file: String,
    line: usize,
    column: usize,
    children: BTreeMap<String, Place>,
}

impl Place {
    /// The place of the value at a dotted path (`officer.0.key`); the nearest one that exists above it otherwise.
    pub(super) fn at(&self, path: &str) -> &Self {
        let mut here = self;
        for step in path.split('.').filter(|s| !s.is_empty()) {
            match here.children.get(step) {
                Some(next) => here = next,
                None => break,
            }
        }
        here
    }

    /// A refusal at this place, in both languages: `(what, hint)`.
    pub(super) fn refuse(&self, english: (String, String), japanese: (String, String)) -> PolicyError {
        PolicyError {
            file: self.file.clone(),
            line: self.line,
            column: self.column,
            message: english.0,
            hint: english.1,
            japanese: Box::new(Sentence { message: japanese.0, hint: japanese.1 }),
        }
    }
}

impl Policy {
    /// Parses and validates one policy document. `file` is only used to name the place of a mistake.
    ///
    /// # Errors
    /// [`PolicyError`] with the place, the value and the accepted values.
    pub fn parse(file: &str, text: &str) -> Result<Self, PolicyError> {
        Self::merge(&[Document { file, text }])
    }

    /// Parses several documents, merges them in the order given and validates the result: tables are merged key by
    /// key, later single values win, arrays of tables append.
    ///
    /// # Errors
    /// [`PolicyError`] with the place, the value and the accepted values.
    pub fn merge(documents: &[Document<'_>]) -> Result<Self, PolicyError> {
        let mut merged = toml::Table::new();
        let mut places = Place { line: 1, column: 1, ..Place::default() };
        for (n, document) in documents.iter().enumerate() {
            let (table, place) = read(document)?;
            if n == 0 {
                places.file = document.file.to_owned();
                if !table.contains_key("version") {
                    return Err(place.refuse(
                        (
                            "`version` is missing".into(),
                            format!("write `version = {VERSION}` as the first line"),
                        ),
                        (
                            "`version` がありません".into(),
                            format!("先頭の行に `version = {VERSION}` と書いてください"),
                        ),
                    ));
                }
            }
            merge_tables(&mut merged, &mut places, table, place);
        }
        // Each document fitted the schema on its own, and merging keeps the kinds: this cannot fail on content.
        let policy = Self::deserialize_table(merged).map_err(|what| {
            places.refuse((what.clone(), String::new()), (format!("書式の誤り: {what}"), String::new()))
        })?;
        policy.validate(&places)?;
        Ok(policy)
    }

    fn deserialize_table(table: toml::Table) -> Result<Self, String> {
        toml::Value::Table(table).try_into::<Self>().map_err(|e| e.message().to_owned())
    }
}

fn read(document: &Document<'_>) -> Result<(toml::Table, Place), PolicyError> {
    let lines = Lines::of(document.text);
    let refuse = |e: toml::de::Error| {
        let (line, column) = lines.place(e.span().map_or(0, |s| s.start));
        let place = Place { file: document.file.into(), line, column, children: BTreeMap::new() };
        let (message, hint, message_ja, hint_ja) = explain(e.message());
        place.refuse((message, hint), (message_ja, hint_ja))
    };
    toml::from_str::<Policy>(document.text).map_err(refuse)?;
    let table = toml::from_str::<toml::Table>(document.text).map_err(refuse)?;
    let spans = DeTable::parse(document.text).map_err(refuse)?;
    let mut place = Place { file: document.file.into(), line: 1, column: 1, children: BTreeMap::new() };
    for (key, value) in spans.get_ref() {
        place.children.insert(key.get_ref().to_string(), places_of(document.file, &lines, value));
    }
    Ok((table, place))
}

fn places_of(file: &str, lines: &Lines<'_>, value: &toml::Spanned<DeValue<'_>>) -> Place {
    let (line, column) = lines.place(value.span().start);
    let children = match value.get_ref() {
        DeValue::Array(items) => {
            items.iter().enumerate().map(|(n, item)| (n.to_string(), places_of(file, lines, item))).collect()
        }
        DeValue::Table(table) => {
            table.iter().map(|(k, v)| (k.get_ref().to_string(), places_of(file, lines, v))).collect()
        }
        _ => BTreeMap::new(),
    };
    Place { file: file.into(), line, column, children }
}

fn merge_tables(into: &mut toml::Table, places: &mut Place, from: toml::Table, mut from_places: Place) {
    for (key, value) in from {
        let place = from_places.children.remove(&key).unwrap_or_default();
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => {
                merge_tables(old, places.children.entry(key).or_default(), new, place);
            }
            (Some(toml::Value::Array(old)), toml::Value::Array(new)) if of_tables(old) && of_tables(&new) => {
                let under = places.children.entry(key).or_default();
                for (n, child) in place.children {
                    if let Ok(n) = n.parse::<usize>() {
                        under.children.insert((old.len() + n).to_string(), child);
                    }
                }
                old.extend(new);
            }
            (_, value) => {
                into.insert(key.clone(), value);
                places.children.insert(key, place);
            }
        }
    }
}

fn of_tables(items: &[toml::Value]) -> bool {
    items.iter().all(toml::Value::is_table)
}

/// Turns the parser's sentence into `(what, hint)` in both languages. The accepted keys or values are in the hint.
fn explain(sentence: &str) -> (String, String, String, String) {
    let sentence = sentence.lines().next().unwrap_or_default();
    let quoted = |s: &str| s.split('`').nth(1).unwrap_or_default().to_owned();
    if let Some((head, accepted)) = sentence.split_once(", expected ") {
        let accepted = accepted.trim_start_matches("one of ").replace(" or ", ", ");
        let name = quoted(head);
        if head.starts_with("unknown field") {
            return (
                format!("unknown key `{name}`"),
                format!("accepted keys: {accepted}"),
                format!("知らないキー `{name}` です"),
                format!("使えるキー: {accepted}"),
            );
        }
        if head.starts_with("unknown variant") {
            return (
                format!("`{name}` is not accepted here"),
                format!("accepted values: {accepted}"),
                format!("ここに `{name}` は書けません"),
                format!("使える値: {accepted}"),
            );
        }
        return (
            head.to_owned(),
            format!("accepted: {accepted}"),
            format!("値の種類が違います ({head})"),
            format!("使える値: {accepted}"),
        );
    }
    if sentence.starts_with("missing field") {
        let name = quoted(sentence);
        return (
            format!("`{name}` is missing"),
            format!("add `{name} = …` here"),
            format!("`{name}` がありません"),
            format!("ここに `{name} = …` を書いてください"),
        );
    }
    (
        sentence.to_owned(),
        "the document must be valid TOML 1.0 with the keys of the policy reference".into(),
        format!("書式の誤り: {sentence}"),
        "文書は TOML 1.0 として正しく、ポリシーのキーだけを含む必要があります".into(),
    )
}

/// Line starts of a text.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(n, _)| n + 1)).collect();
        Self { text, starts }
    }

    /// Line and column of a byte offset, both from 1; columns count characters.
    fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|s| *s <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let column = self.text.get(start..offset).map_or(1, |before| before.chars().count() + 1);
        (line, column)
    }
}
