//! A table about people, held as a whole, with the role of every column.

use super::cells::{self, Read};
use super::words::{self, Word};

/// A table in memory.
#[derive(Debug, Default)]
pub struct Grid {
    /// Names of the columns; empty names where the file has none.
    pub header: Vec<String>,
    /// The file has a header line.
    pub named: bool,
    /// Text of every cell.
    pub text: Vec<Vec<Vec<u8>>>,
    /// Line number of every row.
    pub lines: Vec<u64>,
    /// Every cell, read.
    pub cells: Vec<Vec<Read>>,
    /// Role of every column, by name and by value.
    pub roles: Vec<Word>,
}

/// What the values of a column are.
#[derive(Debug, Default, Clone, Copy)]
struct Values {
    present: usize,
    whole: usize,
    small: usize,
    fractions: usize,
    unit: usize,
    words: usize,
    counted: usize,
    percents: usize,
    largest: f64,
}

/// What numbers come to; those that no people are may be as large as they like.
fn together(numbers: &[u64]) -> u64 {
    numbers.iter().copied().fold(0, u64::saturating_add)
}

impl Grid {
    /// Reads all cells and decides the columns' roles.
    pub fn settle(&mut self, minimum: u64, declared: Option<u64>) {
        self.cells = self.text.iter().map(|row| row.iter().map(|cell| cells::read(cell)).collect()).collect();
        let values: Vec<Values> = (0..self.header.len()).map(|c| self.values(c, minimum)).collect();
        let named: Vec<Word> = self.header.iter().map(|h| words::word(h)).collect();
        self.roles = (0..self.header.len()).map(|c| self.role(c, named[c], &values)).collect();
        // Unexplained whole numbers that add up are counts.
        let unknown: Vec<usize> = (0..self.header.len())
            .filter(|c| matches!(self.roles[*c], Word::Unknown | Word::Statistic | Word::Extreme))
            .filter(|c| values[*c].whole > 0 && values[*c].fractions == 0 && values[*c].words == 0)
            .collect();
        let all: u64 = unknown.iter().flat_map(|c| self.column(*c)).flatten().fold(0, u64::saturating_add);
        let across = self.parts_of_a_total(&unknown, &values);
        for column in &unknown {
            let numbers: Vec<u64> = self.column(*column).flatten().collect();
            // Two and four are six by chance, too.
            let down = numbers.len() >= 3
                && (self.named || numbers[numbers.len() - 1] >= minimum)
                && together(&numbers) == numbers[numbers.len() - 1].saturating_mul(2)
                && numbers[numbers.len() - 1] > 0;
            let sums = declared.is_some_and(|n| n > 0 && (all == n || together(&numbers) == n));
            if across.contains(column) || down || (sums && self.roles[*column] == Word::Unknown) {
                self.roles[*column] = Word::Count;
            }
        }
    }

    /// Whole numbers of a column, top to bottom.
    pub fn column(&self, column: usize) -> impl Iterator<Item = Option<u64>> + '_ {
        self.cells.iter().map(move |row| match row[column] {
            Read::Number(n) if n.value >= 0.0 && n.value.fract() == 0.0 => Some(n.value as u64),
            Read::CountPercent { count, .. } | Read::Of { count, .. } => Some(count),
            _ => None,
        })
    }

    /// The words of a row that name it.
    pub fn label(&self, row: usize) -> String {
        let named: Vec<String> = (0..self.header.len())
            .filter(|c| matches!(self.cells[row][*c], Read::Words) || self.roles[*c] == Word::Category)
            .map(|c| crate::readers::tally::words(&self.text[row][c]))
            .filter(|w| !w.is_empty())
            .take(4)
            .collect();
        named.join(" / ")
    }

    /// Where a cell is.
    pub fn place(&self, row: usize, column: usize) -> String {
        let label = self.label(row);
        let line = self.lines[row];
        let name = &self.header[column];
        match (label.is_empty(), name.is_empty()) {
            (true, true) => format!("line {line}"),
            (true, false) => format!("line {line}, {name}"),
            (false, true) => format!("line {line} ({label})"),
            (false, false) => format!("line {line} ({label}), {name}"),
        }
    }

    fn values(&self, column: usize, minimum: u64) -> Values {
        let mut v = Values::default();
        for row in &self.cells {
            v.present += usize::from(row[column] != Read::Empty);
            match row[column] {
                Read::Empty => {}
                Read::Number(n) if n.value.fract() == 0.0 && n.value >= 0.0 => {
                    v.whole += 1;
                    v.small += usize::from(n.value > 0.0 && n.value < minimum as f64);
                    v.unit += usize::from(n.value <= 1.0);
                    v.largest = v.largest.max(n.value);
                }
                Read::Number(n) => {
                    v.fractions += 1;
                    v.unit += usize::from((0.0..=1.0).contains(&n.value));
                    v.largest = v.largest.max(n.value);
                }
                Read::CountPercent { .. } | Read::SuppressedPercent { .. } | Read::Of { .. } => {
                    v.counted += 1
                }
                Read::Suppressed { low, high } => v.counted += usize::from(high != u64::MAX || low > 0),
                Read::Percent { .. } => {
                    v.fractions += 1;
                    v.percents += 1;
                }
                Read::Words => v.words += 1,
            }
        }
        v
    }

    fn role(&self, column: usize, named: Word, values: &[Values]) -> Word {
        let v = values[column];
        let numbers = v.whole + v.fractions;
        if v.counted * 2 > v.present && v.counted > 0 {
            return Word::Count;
        }
        // The sign says it, whatever the header does.
        if v.percents * 2 > v.present {
            return Word::Percent;
        }
        match named {
            // `male`, `case`: a yes or no of one person, unless the numbers are larger.
            Word::Count if v.unit == numbers && words::is_level(&self.header[column]) => Word::Unknown,
            Word::Count if v.fractions > 0 && v.largest <= 100.0 => Word::Percent,
            Word::Count => Word::Count,
            _ if v.counted > 0 && v.whole > 0 && v.fractions == 0 && v.words * 2 <= v.present => Word::Count,
            Word::Index if self.is_running(column) => Word::Index,
            Word::Category | Word::Attribute if numbers == 0 || self.is_coded(column) => Word::Category,
            // A name does not excuse whole numbers where shares or effects should be.
            Word::Statistic | Word::Extreme
                if v.fractions == 0
                    && v.small > 0
                    && numbers >= 2
                    && !self.is_coded(column)
                    && !self.is_rising(column) =>
            {
                Word::Unknown
            }
            Word::Index | Word::Category | Word::Attribute => Word::Unknown,
            other => other,
        }
    }

    /// 1, 2, 3, … or 0, 1, 2, …
    fn is_running(&self, column: usize) -> bool {
        let numbers: Vec<Option<u64>> = self.column(column).collect();
        let first = numbers.first().copied().flatten();
        first.is_some_and(|f| f <= 1)
            && numbers.iter().enumerate().all(|(i, n)| *n == first.map(|f| f + i as u64))
    }

    /// Points in time: every one later than the last.
    fn is_rising(&self, column: usize) -> bool {
        let numbers: Vec<u64> = self.column(column).flatten().collect();
        numbers.len() == self.cells.len() && numbers.windows(2).all(|w| w[0] < w[1])
    }

    /// Numbers of which every one is larger than the last.
    pub fn is_rising_number(&self, column: usize) -> bool {
        let numbers: Vec<f64> = self
            .cells
            .iter()
            .filter_map(|r| if let Read::Number(n) = r[column] { Some(n.value) } else { None })
            .collect();
        numbers.len() == self.cells.len() && numbers.windows(2).all(|w| w[0] < w[1])
    }

    /// Codes: a few values without gaps (years, months, stages), or strictly rising.
    fn is_coded(&self, column: usize) -> bool {
        let mut numbers = Vec::new();
        for row in &self.cells {
            match row[column] {
                Read::Number(n) if n.value >= 0.0 && n.value.fract() == 0.0 => numbers.push(n.value as u64),
                Read::Empty | Read::Words => {}
                _ => return false,
            }
        }
        let rising = numbers.windows(2).all(|w| w[0] < w[1]);
        numbers.sort_unstable();
        numbers.dedup();
        let dense = numbers.windows(2).all(|w| w[1] - w[0] == 1);
        numbers.is_empty() || (dense && numbers.len() <= 31) || (rising && dense)
    }

    /// Unexplained columns that add up: to one of themselves in two rows or more, or to a column of counts, with
    /// other columns of counts or without.
    fn parts_of_a_total(&self, unknown: &[usize], values: &[Values]) -> Vec<usize> {
        let counts: Vec<usize> = (0..self.header.len())
            .filter(|c| self.roles[*c] == Word::Count && values[*c].words == 0 && values[*c].fractions == 0)
            .collect();
        if unknown.is_empty() || unknown.len() + counts.len() > 64 {
            return Vec::new();
        }
        let proven = |total: usize, parts: &[usize]| {
            let named = counts.contains(&total);
            parts.len() >= 2 && self.rows_add_up(parts, total) >= if named { 1 } else { 2 }
        };
        let all: Vec<usize> = unknown.iter().chain(&counts).copied().collect();
        for total in &all {
            let others: Vec<usize> = all.iter().copied().filter(|c| c != total).collect();
            let among: Vec<usize> = unknown.iter().copied().filter(|c| c != total).collect();
            if proven(*total, &others) || proven(*total, &among) {
                return unknown.to_vec();
            }
        }
        Vec::new()
    }

    /// Rows in which these columns visibly add up to the total; none when one row says otherwise.
    fn rows_add_up(&self, parts: &[usize], total: usize) -> usize {
        let mut rows = 0;
        for at in 0..self.cells.len() {
            let value = |c: usize| match self.cells[at][c] {
                Read::Number(n) => Some(n.value as u64),
                _ => None,
            };
            let parts: Option<Vec<u64>> = parts.iter().map(|c| value(*c)).collect();
            match (parts, value(total)) {
                (Some(parts), Some(total)) if together(&parts) == total => {
                    rows += usize::from(total > 1);
                }
                (None, _) | (_, None) => {}
                _ => return 0,
            }
        }
        rows
    }

    /// Does the row's name say that its numbers are one subject's each: a minimum, a percentile?
    pub fn is_extreme_row(&self, row: usize) -> bool {
        let percentile =
            matches!(self.text[row].first().map(|t| t.trim_ascii()), Some(b"25%" | b"50%" | b"75%"));
        percentile || self.row_label(row).is_some_and(|label| words::word(&label) == Word::Extreme)
    }

    /// The first word of a row, wherever it stands.
    fn row_label(&self, row: usize) -> Option<String> {
        let at = (0..self.header.len()).find(|c| matches!(self.cells[row][*c], Read::Words))?;
        Some(String::from_utf8_lossy(&self.text[row][at]).into_owned())
    }

    /// Does the row's name say that its numbers are people? Then columns without a meaning of their own hold counts.
    pub fn is_count_row(&self, row: usize) -> bool {
        self.row_label(row).is_some_and(|label| {
            words::word(&label) == Word::Count && !words::is_level(&label) && !words::is_total(&label)
        })
    }

    /// Is this row a total by its label?
    pub fn is_total_row(&self, row: usize) -> bool {
        (0..self.header.len()).any(|c| {
            matches!(self.cells[row][c], Read::Words)
                && words::is_total(&String::from_utf8_lossy(&self.text[row][c]))
        })
    }

    /// A number of people that a header states.
    pub fn stated(&self, column: usize) -> Option<u64> {
        words::stated(&self.header[column])
    }
}
