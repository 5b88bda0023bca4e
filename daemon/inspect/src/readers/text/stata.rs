//! Stata text logs: echoed commands, one-way and two-way tables, summaries, coefficient tables, numbers of subjects.

use super::{scan, smcl};
use crate::lines::{self, Block};
use crate::readers::tally::{Tally, words};
use crate::readers::{Context, Flow, Found, TextReader, printed};
use sekisho_policy::facts::{Part, Statistics, What};
use sekisho_policy::rules::small_counts::is_small;
use sekisho_policy::schema::Policy;

/// Does the text begin as a Stata log does?
pub fn is_log(head: &[u8]) -> bool {
    let head = &head[..head.len().min(8 << 10)];
    let has = |s: &[u8]| memchr::memmem::find(head, s).is_some();
    (has(b"log type:") && has(b"opened on:")) || head.starts_with(b"{smcl}") || is_pasted(head)
}

/// A table out of a log: names beside a bar, and a rule with a crossing under them.
fn is_pasted(head: &[u8]) -> bool {
    let mut named = false;
    for line in lines::split(head).take(60) {
        let bare = line.trim_ascii();
        if is_rule(bare) && bare.contains(&b'+') && bare.starts_with(b"-----") && named {
            return true;
        }
        let has = |s: &[u8]| memchr::memmem::find(bare, s).is_some();
        named = has(b" | ")
            && (has(b"Freq.") || has(b"Coef") || has(b"Obs") && has(b"Mean") || head.starts_with(b". "));
    }
    false
}

/// What the rows below a header are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    None,
    /// Lines above the first rule: the header so far.
    Header {
        freq: bool,
        extremes: bool,
        estimates: bool,
        observations: bool,
    },
    OneWay,
    TwoWay,
    Summary,
    Estimates,
}

/// Reads a log.
pub struct Log {
    policy: Policy,
    tally: Tally,
    everything: u32,
    lines: u64,
    clear: u64,
    table: Table,
    command: bool,
    /// The log is in SMCL.
    marked: bool,
}

impl Log {
    /// A reader.
    pub fn new(context: &Context<'_>) -> Self {
        let mut tally = Tally::default();
        let everything = tally.name("");
        Self {
            policy: context.policy.clone(),
            tally,
            everything,
            lines: 0,
            clear: 0,
            table: Table::None,
            command: false,
            marked: false,
        }
    }

    fn count(&mut self, n: u64, line: u64, text: &[u8]) {
        let what = if n == 0 { What::ZeroCount } else { What::SmallCount };
        if n == 0 || is_small(&self.policy, n) {
            self.tally.add(what, self.everything, || (format!("line {line}"), words(text.trim_ascii())));
        }
    }

    fn line(&mut self, text: &[u8], number: u64) {
        self.lines += 1;
        scan::line(text, number, self.everything, &mut self.tally);
        let bare = text.trim_ascii();
        let echoed = text.starts_with(b". ")
            || text == b"."
            || numbered_echo(text)
            || (self.command && (text.starts_with(b"> ") || text.starts_with(b".   ")));
        self.command = echoed || (self.command && text.starts_with(b"> "));
        if echoed || bare.is_empty() {
            self.table = Table::None;
            self.clear += 1;
            return;
        }
        if is_rule(bare) {
            if let Table::Header { freq, extremes, estimates, observations } = self.table
                && bare.contains(&b'+')
            {
                self.table = if estimates {
                    Table::Estimates
                } else if extremes || observations {
                    Table::Summary
                } else if freq {
                    Table::OneWay
                } else {
                    Table::TwoWay
                };
            }
            self.clear += 1;
            return;
        }
        if bare.starts_with(b"|") && bare.ends_with(b"|") {
            // The key that explains a table's cells.
            self.clear += u64::from(!scan::has_number(bare));
            return;
        }
        let known = match bare.iter().position(|b| *b == b'|') {
            Some(bar) => self.table_line(text, bare, bar, number),
            None => self.words_line(bare, number),
        };
        if known {
            self.clear += 1;
        } else {
            self.tally.add(What::UnclearText, self.everything, || (format!("line {number}"), words(bare)));
        }
    }

    fn table_line(&mut self, text: &[u8], bare: &[u8], bar: usize, number: u64) -> bool {
        let has = |s: &str| memchr::memmem::find(bare, s.as_bytes()).is_some();
        match self.table {
            Table::None | Table::Header { .. } => {
                let before = if let Table::Header { freq, extremes, estimates, observations } = self.table {
                    (freq, extremes, estimates, observations)
                } else {
                    (false, false, false, false)
                };
                self.table = Table::Header {
                    freq: before.0 || has("Freq."),
                    extremes: before.1 || has("Min") && has("Max"),
                    estimates: before.2
                        || [
                            "Coef.",
                            "Coefficient",
                            "Std. Err.",
                            "std. err.",
                            "Haz. Ratio",
                            "Odds Ratio",
                            "Odds ratio",
                            "IRR",
                            "RRR",
                        ]
                        .iter()
                        .any(|w| has(w))
                            && !has("Mean"),
                    observations: before.3 || has("Obs") && has("Mean"),
                };
                true
            }
            Table::Estimates => true,
            Table::OneWay => {
                let first =
                    bare[bar + 1..].trim_ascii().split(u8::is_ascii_whitespace).next().unwrap_or_default();
                match printed::count(first) {
                    Some(n) => {
                        self.count(n, number, text);
                        true
                    }
                    None => bare[bar + 1..].trim_ascii().is_empty(),
                }
            }
            Table::Summary => {
                let mut values = bare[bar + 1..].split(u8::is_ascii_whitespace).filter(|v| !v.is_empty());
                if let Some(n) = values.next().and_then(printed::count) {
                    self.count(n, number, text);
                }
                if values.next().is_some() {
                    self.tally
                        .add(What::Extreme, self.everything, || (format!("line {number}"), words(bare)));
                }
                true
            }
            Table::TwoWay => {
                let mut known = true;
                for value in
                    bare[bar + 1..].split(|b| b.is_ascii_whitespace() || *b == b'|').filter(|v| !v.is_empty())
                {
                    if let Some(n) = printed::count(value).filter(|_| !value.contains(&b'.')) {
                        self.count(n, number, text);
                    } else {
                        known &= printed::parse(value).is_some() || value == b".";
                    }
                }
                known
            }
        }
    }

    /// Lines outside tables.
    fn words_line(&mut self, bare: &[u8], number: u64) -> bool {
        if !scan::has_number(bare) {
            return true;
        }
        const QUIET: [&[u8]; 14] = [
            b"name:",
            b"log:",
            b"log type:",
            b"opened on:",
            b"closed on:",
            b"(note:",
            b"note:",
            b"Stratified",
            b"file ",
            b"->",
            b"Iteration",
            b"Refining",
            b"convergence",
            b"active results",
        ];
        if QUIET.iter().any(|q| bare.starts_with(q)) {
            return true;
        }
        // `(12 missing values generated)`: people, too.
        if let Some(inside) = bare.strip_prefix(b"(") {
            let first = inside.split(u8::is_ascii_whitespace).next().unwrap_or_default();
            if let Some(n) = printed::count(first) {
                self.count(n, number, bare);
                return true;
            }
        }
        self.equations(bare, number)
    }

    /// `No. of subjects =   17,277,935      Number of obs    =  17,277,935`.
    fn equations(&mut self, bare: &[u8], number: u64) -> bool {
        let mut pieces: Vec<&[u8]> = Vec::new();
        let mut rest = bare;
        while let Some(at) = memchr::memchr(b'=', rest) {
            pieces.push(&rest[..at]);
            rest = &rest[at + 1..];
        }
        if pieces.is_empty() {
            return false;
        }
        pieces.push(rest);
        let mut name = pieces[0].trim_ascii().to_vec();
        for piece in &pieces[1..] {
            let piece = piece.trim_ascii();
            let end = piece.iter().position(u8::is_ascii_whitespace).unwrap_or(piece.len());
            let (value, next) = (&piece[..end], piece[end..].trim_ascii());
            let lower = name.to_ascii_lowercase();
            let people = [
                &b"subjects"[..],
                b"failures",
                b"number of obs",
                b"no. of",
                b"number of groups",
                b"clusters",
            ]
            .iter()
            .any(|w| memchr::memmem::find(&lower, w).is_some());
            match printed::count(value) {
                Some(n) if people => self.count(n, number, bare),
                _ if printed::parse(value).is_none() && value != b"." => return false,
                _ if !people && !is_statistic(&lower) => return false,
                _ => {}
            }
            name = next.to_vec();
        }
        name.is_empty()
    }
}

fn is_statistic(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 22] = [
        b"time at risk",
        b"lr chi2",
        b"wald chi2",
        b"log likelihood",
        b"log pseudolikelihood",
        b"prob > chi2",
        b"prob > f",
        b"pseudo r2",
        b"r-squared",
        b"adj r-squared",
        b"root mse",
        b"f(",
        b"chi2(",
        b"pearson chi2",
        b"pr =",
        b"pr",
        b"aic",
        b"bic",
        b"rho",
        b"sigma",
        b"prob >= chibar2",
        b"likelihood-ratio chi2",
    ];
    NAMES.iter().any(|n| name.starts_with(n))
}

/// `  2. `: a line of a loop, echoed with its number.
fn numbered_echo(text: &[u8]) -> bool {
    let bare = text.trim_ascii_start();
    let digits = bare.iter().take_while(|b| b.is_ascii_digit()).count();
    text.starts_with(b" ")
        && text.len() - bare.len() <= 2
        && (1..=3).contains(&digits)
        && bare[digits..].starts_with(b". ")
        || (digits > 0 && digits <= 3 && bare[digits..] == *b".")
}

/// A rule of dashes, with or without crossings.
fn is_rule(bare: &[u8]) -> bool {
    bare.len() >= 3 && bare.iter().all(|b| matches!(b, b'-' | b'+' | b'=' | b'|'))
}

impl TextReader for Log {
    fn block(&mut self, block: &Block<'_>) -> Flow {
        for (at, line) in lines::split(block.text).enumerate() {
            let number = block.first + at as u64;
            self.marked |= number == 1 && line.starts_with(b"{smcl}");
            if self.marked {
                let (shown, hidden) = smcl::shown(&String::from_utf8_lossy(line));
                if hidden {
                    self.tally.add(What::Hidden, self.everything, || (format!("line {number}"), words(line)));
                }
                self.line(shown.as_bytes(), number);
            } else {
                self.line(line, number);
            }
        }
        Flow::More
    }

    fn finish(self: Box<Self>) -> Found {
        let table = Statistics {
            rows: self.lines,
            clear: self.clear,
            minimum: self.policy.counts.minimum,
            subjects: String::new(),
            evidence: self.tally.evidence(),
        };
        Found {
            kind: "stata_log".into(),
            rows: self.lines,
            unit: "lines",
            parts: vec![Part::Statistics(table)],
            problems: Vec::new(),
        }
    }

    fn fallback(&self) -> bool {
        true
    }
}
