//! Channel × kernel, for people.

use crate::verdict::{Cell, Registered};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What came of each channel, by name.
type Cells = BTreeMap<String, Cell>;

/// The whole table, in Markdown.
pub(crate) fn compose(channels: &[Registered], kernels: &[(&str, &Cells)]) -> String {
    let mut text = String::from(
        "# Every way out that we know, on every supported kernel\n\n\
         Written by `cargo test --package sekisho-tests --test escape`, which compares it with what the kernels said. \
         *closed*: the canary got out with the gate off and after it was opened, did not with the gate on, the call \
         ended in the error shown, and the denial was recorded with hook, reason and account. *not there*: with the gate \
         off, the kernel itself says that it has no such thing.\n",
    );
    let closed: Vec<_> = channels.iter().filter(|c| c.works_because.is_none()).collect();
    let works: Vec<_> = channels.iter().filter(|c| c.works_because.is_some()).collect();
    totals(&mut text, &closed, kernels);
    let mut groups: Vec<&str> = Vec::new();
    for channel in &closed {
        if !groups.contains(&channel.group.as_str()) {
            groups.push(&channel.group);
        }
    }
    for group in groups {
        let _ = write!(text, "\n## {group}\n");
        let rows = closed.iter().filter(|c| c.group == group);
        rows_of(&mut text, "tries", kernels, rows.map(|c| (*c, format!("{}{}", who(c), c.tries))));
    }
    let _ = write!(text, "\n## What must go on working, and does\n");
    let because = |c: &Registered| c.works_because.clone().unwrap_or_default();
    let rows = works.iter().map(|c| (*c, format!("{}{}: {}", who(c), c.tries, because(c))));
    rows_of(&mut text, "what, and why it is no way out", kernels, rows);
    text
}

/// What the README shows: one row per group.
pub(crate) fn summary(channels: &[Registered], kernels: &[(&str, &Cells)]) -> String {
    let mut text = String::new();
    head(&mut text, "ways out", kernels);
    let mut groups: Vec<&str> = channels.iter().map(|c| c.group.as_str()).collect();
    groups.dedup();
    for group in groups {
        let of: Vec<_> = channels.iter().filter(|c| c.group == group && c.works_because.is_none()).collect();
        if !of.is_empty() {
            let _ = writeln!(text, "| {group} | {} |", counted(&of, kernels));
        }
    }
    let all: Vec<_> = channels.iter().filter(|c| c.works_because.is_none()).collect();
    let _ = writeln!(text, "| **all** | {} |", counted(&all, kernels));
    text
}

/// `31 closed, 1 not there`, for each kernel.
fn counted(channels: &[&Registered], kernels: &[(&str, &Cells)]) -> String {
    let cells = kernels.iter().map(|(_, cells)| {
        let count =
            |is: fn(&Cell) -> bool| channels.iter().filter(|c| cells.get(&c.channel).is_some_and(is)).count();
        let closed = count(|cell| matches!(cell, Cell::Closed(_)));
        let absent = count(|cell| matches!(cell, Cell::Absent(_)));
        let mut words = format!("{closed} closed");
        if absent > 0 {
            let _ = write!(words, ", {absent} not there");
        }
        if closed + absent < channels.len() {
            let _ = write!(words, ", **{} open**", channels.len() - closed - absent);
        }
        words
    });
    cells.collect::<Vec<_>>().join(" | ")
}

fn who(channel: &Registered) -> &'static str {
    match channel.subject.as_str() {
        "root" => "(root) ",
        "earlier" => "(older than the gate) ",
        _ => "",
    }
}

fn head(text: &mut String, first: &str, kernels: &[(&str, &Cells)]) {
    let names: Vec<_> = kernels.iter().map(|(kernel, _)| *kernel).collect();
    let _ = writeln!(
        text,
        "\n| {first} | {} |\n|{}",
        names.join(" | "),
        "---|".repeat(first.matches('|').count() + 1 + names.len())
    );
}

fn rows_of<'a>(
    text: &mut String,
    what: &str,
    kernels: &[(&str, &Cells)],
    rows: impl Iterator<Item = (&'a Registered, String)>,
) {
    head(text, &format!("channel | {what}"), kernels);
    for (channel, words) in rows {
        let cells = kernels.iter().map(|(_, cells)| {
            cells.get(&channel.channel).map_or_else(|| "missing".to_owned(), Cell::to_string)
        });
        let cells = cells.collect::<Vec<_>>().join(" | ");
        let _ = writeln!(text, "| `{}` | {words} | {cells} |", channel.channel);
    }
}

fn totals(text: &mut String, channels: &[&Registered], kernels: &[(&str, &Cells)]) {
    head(text, &format!("{} channels", channels.len()), kernels);
    type Kind = (&'static str, fn(&Cell) -> bool);
    let kinds: [Kind; 3] = [
        ("closed", |cell| matches!(cell, Cell::Closed(_))),
        ("not there", |cell| matches!(cell, Cell::Absent(_))),
        ("open", |cell| !matches!(cell, Cell::Closed(_) | Cell::Absent(_))),
    ];
    for (name, is) in kinds {
        let counts = kernels.iter().map(|(_, cells)| {
            let counted = channels.iter().filter(|c| cells.get(&c.channel).is_some_and(is)).count();
            counted.to_string()
        });
        let _ = writeln!(text, "| {name} | {} |", counts.collect::<Vec<_>>().join(" | "));
    }
}
