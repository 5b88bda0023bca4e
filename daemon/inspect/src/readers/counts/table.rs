//! Tables about people: counts, percentages, margins, and rows that are persons (`5-4(2)(i)`).

use super::cells::Read;
use super::grid::Grid;
use super::margins::{self, Margins};
use super::personal;
use super::persons::{self, Rows};
use super::shares;
use super::words::{self, Word};
use crate::lines::Block;
use crate::readers::code::{Code, Look};
use crate::readers::tally::{Tally, words as shown};
use crate::readers::text::scan;
use crate::readers::{Context, Flow, Found, Sample, TextReader, printed};
use crate::shape::Delimiter;
use sekisho_policy::facts::{Part, Problem, ProblemKind, Statistics, What};
use sekisho_policy::implied;
use sekisho_policy::rules::small_counts::{Derived, derive, is_small};
use sekisho_policy::schema::Policy;

/// Cells and bytes kept; what is larger is no table for people to read.
const MOST_CELLS: usize = 400_000;
pub const MOST_BYTES: usize = 24 << 20;

/// More columns of words than labels need.
const MOST_LABELS: usize = 12;

/// Reads a table about people.
pub struct CountTable {
    policy: Policy,
    delimiter: Delimiter,
    data_from: u64,
    columns: usize,
    grid: Grid,
    declared: Option<u64>,
    bytes: usize,
    rows: u64,
    over: bool,
    tally: Tally,
    everything: u32,
}

/// A reader, when the text is a table.
pub fn plausible(sample: &Sample<'_>, context: &Context<'_>) -> Option<Box<dyn TextReader>> {
    CountTable::open(sample, context).map(|t| Box::new(t) as Box<dyn TextReader>)
}

impl CountTable {
    /// See [`plausible`].
    pub fn open(sample: &Sample<'_>, context: &Context<'_>) -> Option<Self> {
        let shape = sample.shape.as_ref()?;
        if shape.rows.is_empty()
            || sample.head.starts_with(b"##fileformat=VCF")
            || crate::readers::vcf::header(sample.head)
        {
            return None;
        }
        // Numbers name nothing.
        let named =
            !shape.header.is_empty() && shape.header.iter().all(|h| printed::parse(h.as_bytes()).is_none());
        let header = if named {
            shape.header.clone()
        } else {
            (1..=shape.columns).map(|c| format!("column {c}")).collect()
        };
        let info = context.request.files.get(context.name);
        let mut tally = Tally::default();
        let everything = tally.name("");
        Some(Self {
            policy: context.policy.clone(),
            delimiter: shape.delimiter,
            data_from: shape.data_from,
            columns: shape.columns,
            grid: Grid { header, named, ..Grid::default() },
            declared: info.and_then(|i| i.subjects).or(context.request.subjects),
            bytes: 0,
            rows: 0,
            over: false,
            tally,
            everything,
        })
    }

    /// Words between blanks that only happen to be as many in some lines.
    fn is_prose(&self) -> bool {
        let ragged = self.rows.saturating_sub(self.grid.text.len() as u64) * 5 > self.rows;
        let cells = self.grid.text.iter().flatten();
        let words = cells.clone().filter(|c| printed::parse(c).is_none()).count();
        self.delimiter == Delimiter::Blank && !self.over && ragged && words * 10 >= cells.count() * 6
    }

    /// What was gathered.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The evidence so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Thresholds in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What separates fields.
    pub fn delimiter(&self) -> Delimiter {
        self.delimiter
    }

    /// Number of the first data line.
    pub fn data_from(&self) -> u64 {
        self.data_from
    }

    /// The table was too large to be kept as a whole.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Judges what was gathered: the kind of the table, and its margins.
    pub fn analyse(&mut self) -> (String, Margins) {
        let policy = self.policy.clone();
        let minimum = policy.counts.minimum;
        self.grid.settle(minimum, self.declared);
        let grid = std::mem::take(&mut self.grid);
        let found = persons::persons(&grid, self.declared);
        personal::columns(&grid, &mut self.tally);
        let mut kind = "table";
        let mut margins = Margins::default();
        if let Some((rows, why)) = found {
            let n = self.rows;
            let what = if rows == Rows::Features { What::SubjectFeatures } else { What::SubjectRows };
            kind = if rows == Rows::Features { "subject_features" } else { "microdata" };
            self.tally.add_many(what, self.everything, n, || (String::new(), why));
            if n < minimum {
                self.tally
                    .add_many(What::FewRows, self.everything, n, || (String::new(), format!("{n} subjects")));
            }
        } else {
            if grid.roles.contains(&Word::Count) {
                kind = "count_table";
            }
            margins = margins::of(&grid);
            self.counts(&grid, &margins, &policy);
            self.percentages(&grid, &policy);
            let scale = |column| if is_share(&grid, column) { 100.0 } else { 1.0 };
            shares::beside_counts(&grid, &policy, &scale, &mut self.tally);
            self.codes(&grid);
            if persons::unexplained(&grid) {
                let n = self.rows;
                self.tally
                    .add_many(What::UnclearRows, self.everything, n, || ("table".into(), String::new()));
            }
            self.complements(&grid, &policy);
            self.columns(&grid, &policy);
        }
        self.grid = grid;
        (kind.into(), margins)
    }

    /// Printed and derived counts.
    fn counts(&mut self, grid: &Grid, m: &Margins, policy: &Policy) {
        use sekisho_policy::rules::small_counts::Cell;
        for (cell, (row, column)) in m.cells.iter().zip(&m.at) {
            let Cell::Known(count) = *cell else { continue };
            let about = self.tally.name(&grid.header[*column]);
            let what = match count {
                0 => What::ZeroCount,
                _ if is_small(policy, count) => What::SmallCount,
                _ => continue,
            };
            self.tally.add(what, about, || (grid.place(*row, *column), count.to_string()));
        }
        for column in 0..grid.header.len() {
            let stated = grid.stated(column).filter(|n| is_small(policy, *n));
            if let Some(n) = stated {
                let about = self.tally.name(&grid.header[column]);
                self.tally.add(What::SmallCount, about, || ("header".into(), n.to_string()));
            }
        }
        match derive(&m.cells, &m.sums, policy.counts.minimum) {
            Some(found) => {
                for one in found {
                    let (at, value) = match one {
                        Derived::Cell(cell, value) => {
                            (m.at[cell], format!("{value} = total less the other cells"))
                        }
                        Derived::Rest(sum, value) => {
                            (m.at[m.sums[sum].total], format!("{value} = this total less the visible cells"))
                        }
                    };
                    let about = self.tally.name(&grid.header[at.1]);
                    self.tally.add(What::DerivedCount, about, || (grid.place(at.0, at.1), value));
                }
            }
            None => self.tally.add(What::Unsolved, self.everything, || (String::new(), String::new())),
        }
        for ((row, column), rest) in m.short.iter().filter(|(_, rest)| is_small(policy, *rest)) {
            let about = self.tally.name(&grid.header[*column]);
            let value = format!("{rest} = this total less the listed rows");
            self.tally.add(What::DerivedCount, about, || (grid.place(*row, *column), value));
        }
    }

    /// Percentages whose base is known, declared, or follows from the other rows.
    fn percentages(&mut self, grid: &Grid, policy: &Policy) {
        let has_counts = grid.roles.contains(&Word::Count);
        for column in 0..grid.header.len() {
            let about = self.tally.name(&grid.header[column]);
            let counts = column.checked_sub(1).filter(|c| grid.roles[*c] == Word::Count);
            let of_percent = grid.roles[column] == Word::Percent;
            let in_cell = grid.roles[column] == Word::Count;
            if !of_percent && !in_cell {
                continue;
            }
            let scale = if of_percent && is_share(grid, column) { 100.0 } else { 1.0 };
            let share = |cell: Read| match cell {
                Read::Number(n) if of_percent => {
                    let less = if scale > 1.0 { n.decimals.saturating_sub(2) } else { n.decimals };
                    Some((n.value * scale, less))
                }
                Read::Percent { percent, decimals } => Some((percent, decimals)),
                Read::SuppressedPercent { percent, decimals }
                | Read::CountPercent { percent, decimals, .. } => Some((percent, decimals)),
                _ => None,
            };
            // Rows that show both give the base.
            let base = (0..grid.cells.len()).find_map(|row| {
                let (percent, _) = share(grid.cells[row][column])?;
                let count = match (grid.cells[row][column], counts.map(|c| grid.cells[row][c])) {
                    (Read::CountPercent { count, .. }, _) => count,
                    (_, Some(Read::Number(n))) if n.value >= 0.0 => n.value as u64,
                    _ => return None,
                };
                (percent >= 20.0 || percent == 100.0).then(|| (count as f64 * 100.0 / percent).round() as u64)
            });
            let base =
                grid.stated(column).or(base).or(if has_counts && !of_percent { None } else { self.declared });
            let mut unknown = 0;
            for row in 0..grid.cells.len() {
                let hidden = match (grid.cells[row][column], counts.map(|c| grid.cells[row][c])) {
                    (Read::SuppressedPercent { .. }, _) => true,
                    (_, Some(Read::Suppressed { .. } | Read::Empty)) => true,
                    (Read::Number(_) | Read::Percent { .. }, None) => {
                        of_percent && !self.row_has_count(grid, row)
                    }
                    _ => false,
                };
                let Some((percent, decimals)) = share(grid.cells[row][column]).filter(|_| hidden) else {
                    continue;
                };
                let Some(base) = base else {
                    unknown += 1;
                    continue;
                };
                let Some((low, high)) = implied::percent_of(percent, decimals, base) else { continue };
                // A share of nearly all is as telling about the others.
                if low < base && base - low < policy.counts.minimum && percent < 100.0 {
                    let value =
                        format!("{percent} % of {base} leave {} to {}", base - high.min(base), base - low);
                    self.tally.add(What::MaybeImpliedCount, about, || (grid.place(row, column), value));
                }
                let what = if high == 0 {
                    What::ZeroCount
                } else if high < policy.counts.minimum {
                    What::ImpliedCount
                } else if low < policy.counts.minimum {
                    What::MaybeImpliedCount
                } else {
                    continue;
                };
                let value = format!("{percent} % of {base} = {low} to {high}");
                self.tally.add(what, about, || (grid.place(row, column), value));
            }
            self.tally.add_many(What::UnknownBase, about, unknown, || (String::new(), String::new()));
        }
    }

    /// Columns of statistics in long tables that may be a code of their own.
    fn codes(&mut self, grid: &Grid) {
        const LONG: usize = 41;
        let judged = |c: &usize| {
            matches!(grid.roles[*c], Word::Statistic | Word::Percent | Word::Unknown | Word::Extreme)
        };
        for column in (0..grid.header.len()).filter(|c| grid.cells.len() >= LONG && judged(c)) {
            let mut code = Code::new(Look::Everything);
            for (row, number) in grid.text.iter().zip(&grid.lines) {
                code.add(&row[column], *number);
            }
            code.close(&grid.header[column], &mut self.tally);
        }
    }

    fn row_has_count(&self, grid: &Grid, row: usize) -> bool {
        (0..grid.header.len()).any(|c| {
            grid.roles[c] == Word::Count
                && matches!(grid.cells[row][c], Read::Number(_) | Read::CountPercent { .. })
        })
    }

    /// `n (%)` tables list some levels of a variable: the others are the total less these.
    fn complements(&mut self, grid: &Grid, policy: &Policy) {
        for column in 0..grid.header.len() {
            let paired = grid.cells.iter().filter(|r| matches!(r[column], Read::CountPercent { .. })).count();
            if paired < 2 {
                continue;
            }
            let count = |row: usize| match grid.cells[row][column] {
                Read::CountPercent { count, .. } => Some(count),
                _ => None,
            };
            let total = (0..grid.cells.len())
                .find(|r| grid.is_total_row(*r) && count(*r).is_some())
                .and_then(count)
                .or_else(|| {
                    grid.cells.iter().find_map(|r| match r[column] {
                        Read::CountPercent { count, percent: 100.0, .. } => Some(count),
                        _ => None,
                    })
                })
                .or_else(|| grid.stated(column));
            let Some(total) = total else { continue };
            let about = self.tally.name(&grid.header[column]);
            let mut row = 0;
            while row < grid.cells.len() {
                let name = &grid.text[row][0];
                let end =
                    (row..grid.cells.len()).find(|r| grid.text[*r][0] != *name).unwrap_or(grid.cells.len());
                let levels: Option<Vec<u64>> = (row..end).map(count).collect();
                let sum: Option<u64> = levels.map(|l| l.iter().copied().fold(0, u64::saturating_add));
                let rest = sum.filter(|s| *s <= total).map(|s| total - s);
                if let Some(rest) = rest.filter(|r| is_small(policy, *r) && !grid.is_total_row(row)) {
                    let last = end - 1;
                    self.tally.add(What::DerivedCount, about, || {
                        (grid.place(last, column), format!("{rest} = {total} less the listed categories"))
                    });
                }
                row = end;
            }
        }
    }

    /// Columns whose role is unclear or needs a person.
    fn columns(&mut self, grid: &Grid, policy: &Policy) {
        let minimum = policy.counts.minimum as f64;
        let digits = policy.numbers.significant_digits;
        // Labels are few; a wide table of words is data in a code of its own.
        let wordy = |c: &usize| grid.cells.iter().all(|r| matches!(r[*c], Read::Words));
        let worded = (0..grid.header.len()).filter(wordy).count();
        if worded > MOST_LABELS && grid.cells.len() > 2 {
            let value = format!("{worded} columns of words");
            self.tally.add(What::UnclearText, self.everything, || ("table".into(), value));
        }
        super::coded::look(grid, self.everything, &mut self.tally);
        for column in 0..grid.header.len() {
            let about = self.tally.name(&grid.header[column]);
            let numbers = grid.cells.iter().filter(|r| matches!(r[column], Read::Number(_))).count();
            for row in 0..grid.cells.len() {
                let text = &grid.text[row][column];
                if matches!(grid.cells[row][column], Read::Number(_)) && grid.is_extreme_row(row) {
                    self.tally.add(What::Extreme, about, || (grid.place(row, column), shown(text)));
                    continue;
                }
                match (grid.roles[column], grid.cells[row][column]) {
                    (Word::Count, Read::Words) if numbers > 0 && !is_mean(text) => {
                        self.tally.add(What::Unparsed, about, || (grid.place(row, column), shown(text)));
                    }
                    (Word::Count, Read::Number(n)) if n.value.fract() != 0.0 || n.value < 0.0 => {
                        self.tally.add(What::Unparsed, about, || (grid.place(row, column), shown(text)));
                    }
                    (Word::Extreme, Read::Number(_)) => {
                        self.tally.add(What::Extreme, about, || (grid.place(row, column), shown(text)));
                    }
                    (Word::Unknown | Word::Feature | Word::Person, Read::Number(n))
                        if n.value > 0.0 && n.value < minimum && n.value.fract() == 0.0 =>
                    {
                        self.tally.add(What::UnclearCounts, about, || (grid.place(row, column), shown(text)));
                    }
                    (Word::Unknown, Read::Number(n))
                        if n.value.fract() != 0.0 && (0.0..1.0).contains(&n.value) =>
                    {
                        self.tally
                            .add(What::UnclearFractions, about, || (grid.place(row, column), shown(text)));
                    }
                    (_, Read::Words) if text.len() > 24 => {
                        for (count, cell) in scan::counts(text).filter(|(n, _)| is_small(policy, *n)) {
                            let value = shown(cell);
                            self.tally.add(What::SmallCount, about, || {
                                (grid.place(row, column), format!("{value} = {count}"))
                            });
                        }
                        if text.len() > 60 && scan::has_number(text) {
                            self.tally
                                .add(What::UnclearText, about, || (grid.place(row, column), shown(text)));
                        }
                        let number = grid.lines[row];
                        scan::encoded(text, number, about, &mut self.tally);
                    }
                    _ => {}
                }
                if let Read::Number(n) = grid.cells[row][column]
                    && (!n.whole || n.value >= super::coded::NO_COUNT)
                    && n.significant > digits
                {
                    self.tally.add(What::ExtraDigits, about, || (grid.place(row, column), shown(text)));
                }
            }
        }
    }
}

/// Shares of one instead of percentages of a hundred.
fn is_share(grid: &Grid, column: usize) -> bool {
    grid.cells.iter().all(|r| !matches!(r[column], Read::Number(n) if n.value > 1.0))
        && grid.cells.iter().any(|r| matches!(r[column], Read::Number(_)))
}

/// `54.2 (10.1)`: a mean and its deviation among counts, as the first table of every paper has them.
fn is_mean(text: &[u8]) -> bool {
    let Some(open) = memchr::memchr2(b'(', b'[', text) else { return false };
    printed::parse(text[..open].trim_ascii()).is_some_and(|n| n.value.fract() != 0.0)
}

/// Columns that a header names as attributes of persons.
pub fn attribute_columns(grid: &Grid) -> usize {
    grid.header.iter().filter(|h| matches!(words::word(h), Word::Attribute)).count()
}

impl TextReader for CountTable {
    fn block(&mut self, block: &Block<'_>) -> Flow {
        for (number, line) in block.lines() {
            if number < self.data_from || line.trim_ascii().is_empty() || line.first() == Some(&b'#') {
                continue;
            }
            self.rows += 1;
            if self.over {
                continue;
            }
            let fields: Vec<Vec<u8>> = self.delimiter.fields(line).map(<[u8]>::to_vec).collect();
            if fields.len() != self.columns {
                let (found, wanted) = (fields.len(), self.columns);
                self.tally.add(What::Unparsed, self.everything, || {
                    (format!("line {number}"), format!("{found} fields, {wanted} columns"))
                });
                continue;
            }
            self.bytes += line.len() + fields.len() * 24;
            self.grid.text.push(fields);
            self.grid.lines.push(number);
            self.over = self.bytes > MOST_BYTES || self.grid.text.len() * self.columns > MOST_CELLS;
        }
        Flow::More
    }

    fn finish(mut self: Box<Self>) -> Found {
        if self.is_prose() {
            return Found::nothing();
        }
        let (kind, margins) = self.analyse();
        let mut problems = Vec::new();
        if self.over {
            let detail = format!("{} of {} rows compared", self.grid.text.len(), self.rows);
            problems.push(Problem::new(ProblemKind::OverLimit, "", detail));
        }
        let clear = self.rows.saturating_sub(self.tally.number(What::SmallCount));
        let table = Statistics {
            rows: self.rows,
            clear,
            minimum: self.policy.counts.minimum,
            subjects: self.declared.map(|n| format!("declared: {n}")).unwrap_or_default(),
            evidence: self.tally.evidence(),
        };
        let rows = table.rows;
        let parts = std::iter::once(Part::Statistics(table))
            .chain(margins::comparable(&self.grid, &margins))
            .chain(super::loci::look(&self.grid))
            .collect();
        Found { kind, rows, unit: "rows", parts, problems }
    }

    fn fallback(&self) -> bool {
        true
    }
}
