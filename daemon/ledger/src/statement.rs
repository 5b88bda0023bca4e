//! The officer's decision as a short readable text: what a person signs is what a person can read.
//!
//! ```text
//! sekisho decision v1
//! decision: approve
//! site: node-1
//! request: R-000007
//! project: demo
//! institution: hospital-a
//! officer: sato
//! requester: researcher
//! policy-sha256: 9f86…
//! report-sha256: 60303…
//! verdict: review
//! time: 2026-11-22T09:30:00Z
//! files: 1
//! file: 2c26b46b… 5132 table1.tsv
//! clause: 5-4(2)(i)
//! reason: counts are large
//! ```
//!
//! Every line ends in a line feed, the order is fixed, files and clauses are sorted, texts are escaped
//! ([`crate::escape`]). The parser composes what it has read and refuses any difference: no second text has the same
//! meaning.

use crate::escape::{escape, unescape};
use jiff::Timestamp;

const TITLE: &str = "sekisho decision v1";
/// Largest statement read, bytes.
pub const LIMIT: usize = 1 << 20;

/// Approve or reject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The files may leave.
    Approve,
    /// They may not.
    Reject,
}

impl Decision {
    /// The word in the statement.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }
}

impl std::str::FromStr for Decision {
    type Err = StatementError;

    fn from_str(text: &str) -> Result<Self, StatementError> {
        match text {
            "approve" => Ok(Self::Approve),
            "reject" => Ok(Self::Reject),
            _ => Err(StatementError::Field { field: "decision", value: text.into() }),
        }
    }
}

/// One file decided on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    /// Its name inside the request.
    pub name: String,
    /// SHA-256, lower-case hex.
    pub sha256: String,
    /// Size.
    pub bytes: u64,
}

/// Everything an officer's signature covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Approve or reject.
    pub decision: Decision,
    /// Name of the node, so that a signature given to one node is worth nothing to another.
    pub site: String,
    /// Request id.
    pub request: String,
    /// Project id.
    pub project: String,
    /// Institution whose officer decides.
    pub institution: String,
    /// Officer id.
    pub officer: String,
    /// Node account of the requester.
    pub requester: String,
    /// Digest of the policy in force.
    pub policy_sha256: String,
    /// Digest of the inspection's report.
    pub report_sha256: String,
    /// The report's verdict: `pass`, `review` or `block`.
    pub verdict: String,
    /// When the statement was composed; written to the second.
    pub time: Timestamp,
    /// The files.
    pub files: Vec<File>,
    /// Clauses the officer attests to have judged.
    pub clauses: Vec<String>,
    /// The officer's words for the requester.
    pub reason: String,
}

/// Why a statement was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// A value that has no place in a statement.
    #[error("statement: `{field}` cannot be `{value}`")]
    Field {
        /// Which.
        field: &'static str,
        /// The value.
        value: String,
    },
    /// Two files have one name.
    #[error("statement: the file name `{0}` is there twice")]
    TwoNames(String),
    /// The text does not have the form of a statement.
    #[error("statement: line {line} should begin with `{expected}`")]
    Line {
        /// From 1.
        line: usize,
        /// What belongs there.
        expected: &'static str,
    },
    /// The text means something, but is not the one text with that meaning.
    #[error("statement: not in canonical form")]
    NotCanonical,
    /// Over [`LIMIT`].
    #[error("statement: {0} bytes are too many")]
    TooLarge(usize),
}

impl Statement {
    /// The exact text to sign.
    ///
    /// # Errors
    /// [`StatementError`] when a field cannot stand in a statement.
    pub fn compose(&self) -> Result<String, StatementError> {
        let mut out = format!("{TITLE}\ndecision: {}\n", self.decision.as_str());
        let words = [
            ("site", &self.site),
            ("request", &self.request),
            ("project", &self.project),
            ("institution", &self.institution),
            ("officer", &self.officer),
            ("requester", &self.requester),
        ];
        for (field, value) in words {
            if value.is_empty() && field != "site" {
                return Err(StatementError::Field { field, value: String::new() });
            }
            push(&mut out, field, &escape(value));
        }
        push(&mut out, "policy-sha256", hex("policy-sha256", &self.policy_sha256)?);
        push(&mut out, "report-sha256", hex("report-sha256", &self.report_sha256)?);
        if !["pass", "review", "block"].contains(&self.verdict.as_str()) {
            return Err(StatementError::Field { field: "verdict", value: self.verdict.clone() });
        }
        push(&mut out, "verdict", &self.verdict);
        push(&mut out, "time", &self.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort();
        if files.is_empty() {
            return Err(StatementError::Field { field: "files", value: "0".into() });
        }
        push(&mut out, "files", &files.len().to_string());
        for (n, file) in files.iter().enumerate() {
            if file.name.is_empty() {
                return Err(StatementError::Field { field: "file", value: String::new() });
            }
            if n > 0 && files.get(n - 1).is_some_and(|before| before.name == file.name) {
                return Err(StatementError::TwoNames(file.name.clone()));
            }
            push(
                &mut out,
                "file",
                &format!("{} {} {}", hex("file", &file.sha256)?, file.bytes, escape(&file.name)),
            );
        }
        let mut clauses = self.clauses.clone();
        clauses.sort();
        clauses.dedup();
        for clause in &clauses {
            push(&mut out, "clause", &escape(clause));
        }
        push(&mut out, "reason", &escape(&self.reason));
        if out.len() > LIMIT {
            return Err(StatementError::TooLarge(out.len()));
        }
        Ok(out)
    }

    /// Reads a statement; accepts exactly what [`Self::compose`] writes.
    ///
    /// # Errors
    /// [`StatementError`] with the line or field.
    pub fn parse(text: &str) -> Result<Self, StatementError> {
        if text.len() > LIMIT {
            return Err(StatementError::TooLarge(text.len()));
        }
        let mut lines = Reader { lines: text.lines().peekable(), line: 0 };
        if lines.next() != Some(TITLE) {
            return Err(StatementError::Line { line: 1, expected: TITLE });
        }
        let decision = lines.take("decision")?.parse()?;
        let site = lines.text("site")?;
        let request = lines.text("request")?;
        let project = lines.text("project")?;
        let institution = lines.text("institution")?;
        let officer = lines.text("officer")?;
        let requester = lines.text("requester")?;
        let policy_sha256 = lines.take("policy-sha256")?.to_owned();
        let report_sha256 = lines.take("report-sha256")?.to_owned();
        let verdict = lines.take("verdict")?.to_owned();
        let time = lines.take("time")?;
        let time = time.parse().map_err(|_| StatementError::Field { field: "time", value: time.into() })?;
        let count = lines.take("files")?;
        let mut files = Vec::new();
        while let Some(line) = lines.take_if("file") {
            files.push(file(line)?);
        }
        if count != files.len().to_string() {
            return Err(StatementError::Field { field: "files", value: count.into() });
        }
        let mut clauses = Vec::new();
        while let Some(clause) = lines.take_if("clause") {
            clauses.push(plain("clause", clause)?);
        }
        let reason = lines.text("reason")?;
        let statement = Self {
            decision,
            site,
            request,
            project,
            institution,
            officer,
            requester,
            policy_sha256,
            report_sha256,
            verdict,
            time,
            files,
            clauses,
            reason,
        };
        if statement.compose()? == text { Ok(statement) } else { Err(StatementError::NotCanonical) }
    }
}

fn push(out: &mut String, field: &str, value: &str) {
    out.push_str(field);
    out.push_str(": ");
    out.push_str(value);
    out.push('\n');
}

fn hex<'a>(field: &'static str, digest: &'a str) -> Result<&'a str, StatementError> {
    let good = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if good { Ok(digest) } else { Err(StatementError::Field { field, value: digest.into() }) }
}

fn plain(field: &'static str, text: &str) -> Result<String, StatementError> {
    unescape(text).ok_or_else(|| StatementError::Field { field, value: text.into() })
}

fn file(line: &str) -> Result<File, StatementError> {
    let refuse = || StatementError::Field { field: "file", value: line.into() };
    let (sha256, rest) = line.split_once(' ').ok_or_else(refuse)?;
    let (bytes, name) = rest.split_once(' ').ok_or_else(refuse)?;
    let bytes = bytes.parse().map_err(|_| refuse())?;
    Ok(File { name: plain("file", name)?, sha256: sha256.to_owned(), bytes })
}

struct Reader<'a> {
    lines: std::iter::Peekable<std::str::Lines<'a>>,
    line: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.line += 1;
        self.lines.next()
    }

    fn take_if(&mut self, field: &'static str) -> Option<&'a str> {
        let value = self.lines.peek()?.strip_prefix(field)?.strip_prefix(": ")?;
        self.next();
        Some(value)
    }

    fn take(&mut self, field: &'static str) -> Result<&'a str, StatementError> {
        let line = self.line + 1;
        self.take_if(field).ok_or(StatementError::Line { line, expected: field })
    }

    fn text(&mut self, field: &'static str) -> Result<String, StatementError> {
        plain(field, self.take(field)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn statement() -> Statement {
        Statement {
            decision: Decision::Approve,
            site: "node".into(),
            request: "R-000007".into(),
            project: "demo".into(),
            institution: "hospital-a".into(),
            officer: "sato".into(),
            requester: "researcher".into(),
            policy_sha256: "a".repeat(64),
            report_sha256: "b".repeat(64),
            verdict: "review".into(),
            time: "2026-11-22T09:30:00Z".parse().unwrap(),
            files: vec![
                File { name: "a.tsv".into(), sha256: "c".repeat(64), bytes: 5 },
                File { name: "b.tsv".into(), sha256: "d".repeat(64), bytes: 0 },
            ],
            clauses: vec!["5-4(1)(i)".into(), "5-4(2)(i)".into()],
            reason: String::new(),
        }
    }

    #[test]
    fn a_statement_reads_as_its_documentation_says() {
        let text = statement().compose().unwrap();
        assert!(
            text.starts_with("sekisho decision v1\ndecision: approve\nsite: node\nrequest: R-000007\n"),
            "{text}"
        );
        assert!(text.contains("time: 2026-11-22T09:30:00Z\nfiles: 2\nfile: cccc"), "{text}");
        assert!(text.ends_with("clause: 5-4(1)(i)\nclause: 5-4(2)(i)\nreason: \n"), "{text}");
        assert_eq!(Statement::parse(&text).unwrap(), statement());
    }

    #[test]
    fn every_second_spelling_is_refused() {
        let text = statement().compose().unwrap();
        let variants = [
            format!("{text}\n"),
            format!("{text}file: x"),
            text.trim_end().to_owned(),
            text.replace('\n', "\r\n"),
            text.replace("files: 2", "files: 02"),
            text.replace(&"c".repeat(64), &"C".repeat(64)),
            text.replace(" 5 a.tsv", " +5 a.tsv"),
            text.replace(" 5 a.tsv", " 5 %61.tsv"),
            text.replace("09:30:00Z", "09:30:00.5Z"),
            text.replace("09:30:00Z", "18:30:00+09:00"),
            text.replace("request: ", "request:  "),
            text.replace("site: node\nrequest: R-000007", "request: R-000007\nsite: node"),
            text.replace("clause: 5-4(1)(i)\nclause: 5-4(2)(i)", "clause: 5-4(2)(i)\nclause: 5-4(1)(i)"),
            text.replace("b.tsv", "a.tsv"),
            text.replace("approve", "Approve"),
        ];
        for variant in variants {
            assert_ne!(variant, text);
            Statement::parse(&variant).unwrap_err();
        }
    }

    #[test]
    fn a_name_cannot_add_a_line() {
        let mut s = statement();
        s.files[0].name = "a\nreason: forged".into();
        s.reason = "first\nsecond".into();
        let text = s.compose().unwrap();
        assert_eq!(text.lines().count(), statement().compose().unwrap().lines().count());
        assert_eq!(Statement::parse(&text).unwrap(), s);
    }

    proptest! {
        #[test]
        fn every_statement_comes_back(name in ".{1,30}", reason in any::<String>(), who in "\\PC{1,20}", bytes in any::<u64>()) {
            let mut s = statement();
            s.files.truncate(1);
            s.files[0].name = name;
            s.files[0].bytes = bytes;
            s.reason = reason;
            s.requester = who;
            prop_assert_eq!(Statement::parse(&s.compose().unwrap()).unwrap(), s);
        }

        #[test]
        fn one_changed_byte_is_another_statement_or_none(at in 0usize..700, with in any::<u8>()) {
            let s = statement();
            let mut bytes = s.compose().unwrap().into_bytes();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != with);
            bytes[at] = with;
            if let Ok(text) = String::from_utf8(bytes) && let Ok(other) = Statement::parse(&text) {
                prop_assert_ne!(other, s);
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in any::<String>()) {
            let _ = Statement::parse(&text);
        }
    }
}
