//! The shape of a delimited text, guessed from its first lines: delimiter, columns, header, first rows.

use crate::lines::split;
use crate::number::decimal;
use crate::roles;

/// Rows kept of the sample.
const ROWS: usize = 200;
/// Fields kept of a sampled row.
pub const CLIP: usize = 20_000;
/// Fields kept of all sampled rows together.
const CELLS: usize = 400_000;
/// More names than this are not kept; such a table is judged without its header.
const NAMES: usize = 1_000_000;

/// What separates fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delimiter {
    /// One byte; quotes are honoured.
    Byte(u8),
    /// Runs of spaces and tabs.
    Blank,
}

/// Fields of one line. Quotes around a field are taken off; a doubled quote inside stays doubled.
pub struct Fields<'a> {
    rest: Option<&'a [u8]>,
    delimiter: Delimiter,
}

impl Delimiter {
    /// The fields of a line.
    pub fn fields(self, line: &[u8]) -> Fields<'_> {
        match self {
            Self::Byte(_) => Fields { rest: Some(line), delimiter: self },
            Self::Blank => {
                let line = line.trim_ascii();
                Fields { rest: (!line.is_empty()).then_some(line), delimiter: self }
            }
        }
    }

    /// Number of fields of a line.
    pub fn count(self, line: &[u8]) -> usize {
        self.fields(line).count()
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        match self.delimiter {
            Delimiter::Byte(byte) => {
                if rest.first() == Some(&b'"') {
                    // To the closing quote, passing doubled ones.
                    let mut at = 1;
                    while let Some(quote) = memchr::memchr(b'"', &rest[at..]) {
                        at += quote + 1;
                        match rest.get(at) {
                            Some(b'"') => at += 1,
                            Some(b) if *b != byte => {}
                            next => {
                                self.rest = next.map(|_| &rest[at + 1..]);
                                return Some(&rest[1..at - 1]);
                            }
                        }
                    }
                }
                match memchr::memchr(byte, rest) {
                    Some(at) => {
                        self.rest = Some(&rest[at + 1..]);
                        Some(&rest[..at])
                    }
                    None => {
                        self.rest = None;
                        Some(rest)
                    }
                }
            }
            Delimiter::Blank => match memchr::memchr2(b' ', b'\t', rest) {
                Some(at) => {
                    let after = rest[at + 1..].trim_ascii_start();
                    self.rest = (!after.is_empty()).then_some(after);
                    Some(&rest[..at])
                }
                None => {
                    self.rest = None;
                    Some(rest)
                }
            },
        }
    }
}

/// The shape of a delimited text.
#[derive(Debug, Clone)]
pub struct Shape {
    /// What separates fields.
    pub delimiter: Delimiter,
    /// Fields of a data row.
    pub columns: usize,
    /// Names of the columns, as many as `columns`; empty when there is no header (or an absurdly wide one).
    pub header: Vec<String>,
    /// Number of the first data line, from 1.
    pub data_from: u64,
    /// The first data rows, each cut after [`CLIP`] fields.
    pub rows: Vec<Vec<Vec<u8>>>,
}

impl Shape {
    /// Guesses the shape from the beginning of a text; `None` when the lines do not look like a table of two or
    /// more columns.
    pub fn of(head: &[u8], head_is_all: bool) -> Option<Self> {
        let mut lines: Vec<(u64, &[u8])> = split(head).enumerate().map(|(i, l)| (i as u64 + 1, l)).collect();
        if !head_is_all && lines.len() > 1 {
            lines.pop();
        }
        let comment = |l: &[u8]| l.first() == Some(&b'#');
        let data: Vec<(u64, &[u8])> = lines
            .iter()
            .filter(|(_, l)| !comment(l) && !l.trim_ascii().is_empty())
            .take(ROWS + 1)
            .copied()
            .collect();
        let (delimiter, columns) = delimiter(&data)?;
        let mut header: Vec<String> = Vec::new();
        let mut data_from = data.first()?.0;
        let words = |line: &[u8]| -> Vec<String> {
            delimiter.fields(line).map(|f| String::from_utf8_lossy(f).trim().to_owned()).collect()
        };
        // A commented header (`# rsid chromosome …`, `#CHROM …`) just above the data.
        if let Some((_, last)) =
            lines.iter().take_while(|(n, _)| *n < data_from).filter(|(_, l)| comment(l)).last()
        {
            let bare: Vec<String> = words(last.trim_ascii_start().strip_prefix(b"#").unwrap_or(last));
            let bare: Vec<String> = if bare.first().is_some_and(String::is_empty) && bare.len() == columns + 1
            {
                bare[1..].to_vec()
            } else {
                bare
            };
            if bare.len() == columns {
                header = bare;
            }
        }
        let keep = (CELLS / columns.min(CLIP)).max(6);
        let owned =
            |line: &[u8]| -> Vec<Vec<u8>> { delimiter.fields(line).take(CLIP).map(<[u8]>::to_vec).collect() };
        let lengths: Vec<usize> = data.iter().take(keep).map(|(_, l)| delimiter.count(l)).collect();
        let mut rows: Vec<Vec<Vec<u8>>> = data.iter().take(keep).map(|(_, l)| owned(l)).collect();
        let first = rows.first()?;
        let short = lengths[0] + 1 == columns && data.len() > 1;
        let mut kept = &lengths[..];
        if header.is_empty() && (short || is_header(first, &rows[1..])) {
            if columns <= NAMES {
                header = words(data[0].1);
                if short {
                    // R's write.table: no name above the row names.
                    header.insert(0, String::new());
                }
            }
            data_from = data.get(1).map_or(data_from + 1, |(n, _)| *n);
            rows.remove(0);
            kept = &lengths[1..];
        }
        let mut lengths = kept.iter();
        rows.retain(|_| lengths.next() == Some(&columns));
        if header.len() != columns {
            header.clear();
        }
        Some(Self { delimiter, columns, header, data_from, rows })
    }

    /// The sample's values of one column.
    pub fn column(&self, index: usize) -> impl Iterator<Item = &[u8]> + '_ {
        self.rows.iter().filter_map(move |r| r.get(index).map(Vec::as_slice))
    }

    /// Index of the column with one of these names (lower case, punctuation ignored).
    pub fn named(&self, names: &[&str]) -> Option<usize> {
        let plain = |s: &str| {
            s.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>()
        };
        self.header.iter().position(|h| names.contains(&plain(h).as_str()))
    }
}

/// The delimiter under which most lines have the same number of fields, and that number.
fn delimiter(data: &[(u64, &[u8])]) -> Option<(Delimiter, usize)> {
    let candidates = [
        Delimiter::Byte(b'\t'),
        Delimiter::Byte(b','),
        Delimiter::Byte(b';'),
        Delimiter::Byte(b'|'),
        Delimiter::Blank,
    ];
    let mut best: Option<(usize, usize, Delimiter)> = None;
    for candidate in candidates {
        // Tabs in every line are no accident; the blanks inside cells are.
        let tabs =
            best.is_some_and(|(times, _, d)| d == Delimiter::Byte(b'\t') && times == data.len().min(50));
        let mut counts: Vec<usize> = data.iter().take(50).map(|(_, l)| candidate.count(l)).collect();
        counts.sort_unstable();
        if tabs && candidate == Delimiter::Blank {
            // Some tools put a tab after the first word and blanks after the others.
            let by_tabs = best.map_or(0, |(_, m, _)| m);
            let even = counts.len() >= 10 && counts.first() == counts.last();
            if by_tabs > 3 || !even || counts[0] <= by_tabs {
                break;
            }
        }
        let (mut modal, mut times, mut i) = (0, 0, 0);
        while i < counts.len() {
            let run = counts[i..].iter().take_while(|c| **c == counts[i]).count();
            if run >= times {
                (modal, times) = (counts[i], run);
            }
            i += run;
        }
        if modal < 2 || (times + 1) * 10 < counts.len().min(50) * 9 {
            continue;
        }
        // Blanks inside cells are as even as the cells are, but for the header.
        let slack = usize::from(candidate != Delimiter::Blank);
        let better = best.is_none_or(|(t, m, _)| (times + slack >= t && modal > m) || times > t + 1);
        if better {
            best = Some((times, modal, candidate));
        }
    }
    best.map(|(_, columns, delimiter)| (delimiter, columns))
}

/// A first row is a header when its cells do not fit what stands below them.
fn is_header(first: &[Vec<u8>], below: &[Vec<Vec<u8>>]) -> bool {
    let coded = |v: &[u8]| decimal(v).is_some() || roles::missing(v) || genotype_letters(v);
    let (mut fits, mut not) = (0usize, 0usize);
    for (i, cell) in first.iter().enumerate() {
        let mut values = below.iter().filter_map(|r| r.get(i)).peekable();
        if values.peek().is_none() {
            continue;
        }
        // A suppressed count stands for a number.
        let hidden = |v: &[u8]| matches!(v, b"*") || v.first() == Some(&b'<');
        let numbers = values.clone().all(|v| decimal(v).is_some() || roles::missing(v) || hidden(v))
            && values.clone().any(|v| decimal(v).is_some());
        if numbers && decimal(cell).is_none() && !roles::missing(cell) {
            // `C1` above numbers is a name, although it could be a genotype.
            not += 2;
        } else if values.all(|v| coded(v)) {
            if coded(cell) { fits += 1 } else { not += 1 }
        }
    }
    if below.is_empty() {
        return first.iter().all(|c| decimal(c).is_none() && !roles::missing(c));
    }
    if fits + not > 0 {
        return not > fits;
    }
    // All words: a header does not repeat in its own column.
    first.iter().enumerate().all(|(i, cell)| below.iter().all(|r| r.get(i) != Some(cell)))
        && first.iter().all(|c| !c.is_empty() || first.len() > 2)
}

/// `A`, `AG`, `A/G`, `0/1`, `0|1`: a genotype in one cell.
pub fn genotype_letters(value: &[u8]) -> bool {
    let one = |b: u8| {
        matches!(
            b,
            b'A' | b'C' | b'G' | b'T' | b'N' | b'I' | b'D' | b'-' | b'0'
                ..=b'9' | b'.' | b'a' | b'c' | b'g' | b't'
        )
    };
    match value {
        [a] => one(*a),
        [a, b] => one(*a) && one(*b),
        [a, b'/' | b'|' | b':' | b' ', b] => one(*a) && one(*b),
        _ => false,
    }
}
