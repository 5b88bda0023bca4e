//! Results about groups of people: frequencies, associations, counts, printed tables.

use serde::{Deserialize, Serialize};

/// Most kinds of evidence kept for one table, and most examples of each.
pub mod most {
    /// Entries of [`super::Statistics::evidence`].
    pub const EVIDENCE: usize = 256;
    /// Entries of [`super::Evidence::examples`].
    pub const EXAMPLES: usize = 5;
}

/// A table of results that was read row by row. No evidence means nothing was found against it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    /// Rows (sites, table lines) understood.
    pub rows: u64,
    /// Rows without any evidence against them.
    pub clear: u64,
    /// The limit (`counts.minimum`) the evidence was gathered against.
    pub minimum: u64,
    /// How the number of subjects is known, in the file's or the requester's terms, e.g. `NCHROBS / 2: 379`.
    pub subjects: String,
    /// What was found, by kind and column.
    pub evidence: Vec<Evidence>,
}

/// One kind of thing found in one column or group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// What.
    pub what: What,
    /// The column, group or table it is about, as the file names it; empty for the whole table.
    pub about: String,
    /// How often.
    pub number: u64,
    /// The first few.
    pub examples: Vec<Example>,
}

/// One occurrence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// Line, site, row label.
    pub place: String,
    /// The value, with how it was computed.
    pub value: String,
}

/// Kinds of evidence. What each weighs is decided by its rule, what it says by the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A site was looked at in certainly fewer subjects than the limit.
    FewSubjects,
    /// A site was looked at in possibly fewer subjects than the limit.
    MaybeFewSubjects,
    /// An allele is carried by certainly fewer subjects than the limit.
    FewCarriers,
    /// An allele is carried by possibly fewer subjects than the limit.
    MaybeFewCarriers,
    /// An allele is carried by nobody.
    NoCarriers,
    /// A genotype is printed, or follows, for fewer subjects than the limit.
    SmallGenotype,
    /// A genotype nobody has.
    NoGenotype,
    /// Frequencies whose number of subjects is neither printed, declared nor implied.
    UnknownSubjects,
    /// The declared or printed number of subjects is refuted by the values.
    SubjectsRefuted,
    /// Fractions in a column that no name explains: they may be frequencies.
    UnclearFractions,
    /// A count of subjects below the limit is printed.
    SmallCount,
    /// A count of zero is printed.
    ZeroCount,
    /// A count below the limit follows from other cells.
    DerivedCount,
    /// A percentage and its base give a count below the limit.
    ImpliedCount,
    /// A percentage and its base may give a count below the limit.
    MaybeImpliedCount,
    /// Suppressed cells too many to solve.
    Unsolved,
    /// One row a subject.
    SubjectRows,
    /// Small whole numbers in a column that no name explains: they may be counts.
    UnclearCounts,
    /// Percentages without a base.
    UnknownBase,
    /// Minimum, maximum, percentile: one subject's value.
    Extreme,
    /// Two printed numbers of subjects differ by less than the limit.
    SmallDifference,
    /// One row a subject, of derived features (coordinates, heterozygosity, relatedness).
    SubjectFeatures,
    /// A sample list of fewer subjects than the limit.
    FewRows,
    /// Rows, lines or values that contradict the header or cannot be parsed.
    Unparsed,
    /// Text that no table form explains and that holds numbers.
    UnclearText,
    /// The log of a program run.
    RunLog,
    /// Numbers with more digits than policy allows.
    ExtraDigits,
    /// Long runs of encoded data inside text.
    EncodedText,
    /// Personal information in words or columns.
    Personal,
    /// Something that may be personal information.
    MaybePersonal,
    /// A column whose values may be a code for something else: a few in turn, a few heaps, a few last digits.
    CodedColumn,
    /// Small counts that only the declared number of subjects rules out, where the values would fit fewer.
    UnprovenSubjects,
    /// Rows that no column explains: they may be persons.
    UnclearRows,
    /// Content that a reader of the file does not see: hidden sheets, comments, attributes, scripts.
    Hidden,
    /// Pixels that look like noise: colours, or cells of one pixel, may carry data.
    Noise,
    /// A picture of many cells in rows and columns.
    Cells,
}
