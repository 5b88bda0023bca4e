//! How much of a file was read, and what stood in the way.

use serde::{Deserialize, Serialize};

/// How much of a file was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Coverage {
    /// Bytes of the file read.
    pub read: u64,
    /// Bytes the file has.
    pub of: u64,
    /// Bytes after unwrapping compression; equals `read` for a plain file.
    pub unwrapped: u64,
    /// Lines or records understood.
    pub rows: u64,
    /// What one of them is called: `lines`, `records`, `sites`.
    pub unit: String,
    /// Reading ended early because refusal was already proven.
    pub stopped_at_proof: bool,
}

impl Coverage {
    /// Was every byte read?
    pub fn whole(&self) -> bool {
        self.read == self.of && !self.stopped_at_proof
    }
}

/// Something that could not be read or understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// Which kind.
    pub kind: ProblemKind,
    /// Where, e.g. `line 17`; empty for the file as a whole.
    pub place: String,
    /// The evidence: a value or a reader's own words, cut to a short length. Not a sentence for people.
    pub detail: String,
}

impl Problem {
    /// A problem with its place and evidence, both cut to a short length.
    pub fn new(kind: ProblemKind, place: impl Into<String>, detail: impl AsRef<str>) -> Self {
        Self { kind, place: place.into(), detail: detail.as_ref().chars().take(200).collect() }
    }
}

/// Kinds of problem. What each weighs is decided by the rule `reading`, what it says by the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The inspector died, timed out, or spoke nonsense.
    NotInspected,
    /// Compressed data ends early or is damaged.
    BrokenCompression,
    /// Unpacked size, ratio or nesting is over the limit.
    Bomb,
    /// A line is longer than any reader accepts.
    LineTooLong,
    /// More columns than any table of results has.
    TooWide,
    /// More columns, rows or distinct values than a reader keeps account of.
    OverLimit,
    /// Bytes that are neither text nor a known format.
    NotText,
    /// Text in an encoding that is not understood.
    Encoding,
    /// Content that contradicts its own header or shape.
    Malformed,
    /// Nothing recognised what this is.
    Unrecognised,
    /// Bytes after the end of what was understood.
    TrailingBytes,
    /// The file is empty.
    Empty,
}

/// Recognised, not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opaque {
    /// What it is.
    pub kind: OpaqueKind,
    /// The format's name, e.g. `BAM`, `RData`.
    pub format: String,
    /// What was seen of it, e.g. `500 subjects x 1000 variants by the header`.
    pub detail: String,
}

/// Sorts of content that is recognised and not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpaqueKind {
    /// Per-person genotypes in a binary format (PGEN, BGEN, BCF, packed EIGENSTRAT).
    GenotypeMatrix,
    /// Sequencing reads whose reference is human.
    HumanReads,
    /// Sequencing reads of a species that was not recognised.
    Reads,
    /// A serialised workspace or data frame that may hold subject rows.
    Workspace,
    /// A serialised model or objects.
    Model,
    /// A workbook.
    Workbook,
    /// An archive or a compression not unwrapped yet.
    Archive,
    /// A picture, not re-encoded yet.
    Picture,
    /// A document that may carry attachments or scripts.
    Document,
    /// A program or library.
    Executable,
    /// Anything else.
    Other,
}
