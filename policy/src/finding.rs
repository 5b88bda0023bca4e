//! What judgement produces: findings, and the verdict they add up to.

use serde::{Deserialize, Serialize};

/// The answer for a finding, a file (its worst finding) or a request (its worst file).
///
/// The order is the order of severity, so `max` is "the worst of".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing stands against release; an officer still decides.
    Pass,
    /// An officer must judge the named points.
    Review,
    /// Cannot be approved as it is.
    Block,
}

impl Verdict {
    /// The word used in JSON, in the ledger and on the terminal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Review => "review",
            Self::Block => "block",
        }
    }
}

/// One point a rule makes about one place in one file. Part of the stable `check --json` contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Rule id, e.g. `small_counts`.
    pub rule: String,
    /// Clause of the guideline, e.g. `5-4(2)(i)`.
    pub clause: String,
    /// How much this finding weighs. `pass` is a note.
    pub verdict: Verdict,
    /// Where: sheet, row, column, site, subject.
    pub place: String,
    /// The value found there, as text.
    pub value: String,
    /// The limit it is held against, as text.
    pub limit: String,
    /// What is wrong, in English: lower case, no full stop.
    pub message: String,
    /// What the researcher can do about it, in English.
    pub hint: String,
    /// The same two sentences in Japanese.
    #[serde(default)]
    pub message_ja: String,
    /// See `message_ja`.
    #[serde(default)]
    pub hint_ja: String,
}

/// The judgement of one file. Part of the stable `check --json` contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReport {
    /// The path as the user gave it (in a request: the name inside the request).
    pub path: String,
    /// SHA-256 of the bytes that were judged, lower-case hex.
    pub sha256: String,
    /// Their number.
    pub bytes: u64,
    /// What the file was understood to be, e.g. `vcf_genotypes`, `plink_frq`, `count_table`, `unknown`.
    pub kind: String,
    /// The worst of the findings.
    pub verdict: Verdict,
    /// How much of the file was understood, in words, e.g. `whole file: 10,001 lines`.
    pub coverage: String,
    /// The same in Japanese.
    #[serde(default)]
    pub coverage_ja: String,
    /// Every point, worst first.
    pub findings: Vec<Finding>,
}

/// The judgement of a request. Part of the stable `check --json` contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestReport {
    /// The worst of the files.
    pub verdict: Verdict,
    /// One report per file, in the order given.
    pub files: Vec<FileReport>,
}

impl FileReport {
    /// Sorts findings worst first (stable) and sets the file's verdict from them.
    pub fn settle(&mut self) {
        self.findings.sort_by_key(|f| std::cmp::Reverse(f.verdict));
        self.verdict = self.findings.iter().map(|f| f.verdict).max().unwrap_or(Verdict::Pass);
    }
}

impl RequestReport {
    /// Builds the report of a request from its files.
    pub fn of(files: Vec<FileReport>) -> Self {
        // A request without a file has shown nothing that could be released.
        let verdict = files.iter().map(|f| f.verdict).max().unwrap_or(Verdict::Block);
        Self { verdict, files }
    }
}
