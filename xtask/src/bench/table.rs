//! The figures, and how they are shown: what each confinement adds to a call, and in what proportion.

use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Instructions by kind, call and subject.
pub(crate) struct Report {
    kernel: String,
    kinds: BTreeMap<String, BTreeMap<String, BTreeMap<String, u64>>>,
}

/// Column heading, the subject, and the subject it is compared with.
const COLUMNS: [(&str, &str, &str); 5] = [
    ("gate, service", "unconfined, service", "none, service"),
    ("gate, exempt", "unconfined, exempt", "none, exempt"),
    ("gate, confined", "confined", "none"),
    ("Landlock", "landlock", "none"),
    ("AppArmor", "apparmor", "none"),
];

impl Report {
    /// Nothing measured yet.
    pub(crate) fn new(kernel: &str) -> Self {
        Self { kernel: kernel.into(), kinds: BTreeMap::new() }
    }

    /// One subject's figures.
    pub(crate) fn add(&mut self, kind: &str, subject: &str, costs: BTreeMap<String, u64>) {
        let calls = self.kinds.entry(kind.into()).or_default();
        for (call, cost) in costs {
            calls.entry(call).or_default().insert(subject.into(), cost);
        }
    }

    /// Everything, for programs.
    pub(crate) fn print_json(&self) -> Result<()> {
        let value: Value = json!({ "kernel": self.kernel, "unit": "instructions", "costs": self.kinds });
        println!("{}", serde_json::to_string_pretty(&value)?);
        Ok(())
    }

    /// Tables that can be put into a page as they are.
    pub(crate) fn print(&self) -> Result<()> {
        for (kind, calls) in &self.kinds {
            println!("\nkernel {}, {kind}: executed instructions, and what is added to them", self.kernel);
            println!("\n| | without | {} |", COLUMNS.map(|(heading, ..)| heading).join(" | "));
            println!("|---|---:|{}", "---:|".repeat(COLUMNS.len()));
            for (call, costs) in calls {
                let without = costs.get("none").map_or_else(|| "?".into(), |cost| grouped(*cost));
                let cells = COLUMNS.map(|(_, subject, base)| added(costs, subject, base));
                println!("| {call} | {without} | {} |", cells.join(" | "));
            }
        }
        Ok(())
    }
}

/// `+351 (5.1 %)`.
fn added(costs: &BTreeMap<String, u64>, subject: &str, base: &str) -> String {
    let Some(&with) = costs.get(subject) else { return "?".into() };
    // With nothing to compare with, the figure itself.
    let Some(&without) = costs.get(base) else { return grouped(with) };
    let sign = if with < without { '-' } else { '+' };
    let permille = with.abs_diff(without) * 1000 / without.max(1);
    format!("{sign}{} ({}.{} %)", grouped(with.abs_diff(without)), permille / 10, permille % 10)
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_with_its_sign_and_proportion() {
        let costs = BTreeMap::from([("none".into(), 2000), ("confined".into(), 2105), ("less".into(), 1999)]);
        assert_eq!(added(&costs, "confined", "none"), "+105 (5.2 %)");
        assert_eq!(added(&costs, "less", "none"), "-1 (0.0 %)");
        assert_eq!(added(&costs, "absent", "none"), "?");
        assert_eq!(added(&costs, "confined", "absent"), "2,105");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(999), "999");
    }
}
