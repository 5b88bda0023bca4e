//! Whole lines from a stream, in large blocks, in bounded memory.
//!
//! Readers get blocks, not lines: a reader that must be fast walks the block itself.

use sekisho_policy::facts::{Problem, ProblemKind};
use std::io::Read;

/// Longest line accepted: a VCF row of some millions of persons.
pub const LONGEST: usize = 48 << 20;
const START: usize = 256 << 10;

/// Some complete lines.
pub struct Block<'a> {
    /// The lines, each with its line feed (the very last one of a file may lack it).
    pub text: &'a [u8],
    /// Number of the first of them, from 1.
    pub first: u64,
    /// What is known of all of them, where somebody has looked.
    pub outline: Option<Outline>,
}

/// What all lines of a block have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outline {
    /// Number of lines.
    pub lines: u64,
    /// Tabs in every line, where they are the same in all.
    pub tabs: Option<usize>,
    /// There is a `#` somewhere.
    pub hashes: bool,
}

impl<'a> Block<'a> {
    /// Number and bytes of each line, without line feed and carriage return.
    pub fn lines(&self) -> impl Iterator<Item = (u64, &'a [u8])> + use<'a> {
        let first = self.first;
        split(self.text).enumerate().map(move |(i, line)| (first + i as u64, line))
    }
}

/// Some complete lines with the memory they stand in.
pub struct Cut {
    /// Memory; what is behind the lines is not theirs.
    pub bytes: Vec<u8>,
    end: usize,
}

impl Cut {
    /// The lines.
    pub fn text(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// More memory than lines of usual length need.
    pub fn is_wide(&self) -> bool {
        self.bytes.len() > START
    }
}

/// Number of lines of a text.
pub fn count(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64 + u64::from(!text.is_empty() && !text.ends_with(b"\n"))
}

/// Lines of a text, without line feed and carriage return; no empty one at the end.
pub fn split(text: &[u8]) -> impl Iterator<Item = &[u8]> + use<'_> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, after) = match memchr::memchr(b'\n', rest) {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        rest = after;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
}

/// Calls for the place of every byte of this kind: quicker than searching again from each, where they are close together.
#[inline]
pub fn each(text: &[u8], byte: u8, mut found: impl FnMut(usize)) {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let wanted = u64::from_ne_bytes([byte; 8]);
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let other = u64::from_le_bytes(*word) ^ wanted;
        // A set high bit for every byte that is zero, and no other.
        let mut zeros = !(((other & LOW) + LOW) | other | LOW);
        while zeros != 0 {
            found(at * 8 + zeros.trailing_zeros() as usize / 8);
            zeros &= zeros - 1;
        }
    }
    let from = text.len() - rest.len();
    for (at, b) in rest.iter().enumerate() {
        if *b == byte {
            found(from + at);
        }
    }
}

/// Cuts a stream into blocks of complete lines.
pub struct Blocks<R> {
    stream: R,
    buffer: Vec<u8>,
    /// Bytes of `buffer` in use.
    used: usize,
    /// Bytes of `buffer` given out by the last block.
    given: usize,
    next_line: u64,
    ended: bool,
    /// Memory of blocks that have been read.
    spare: Vec<Vec<u8>>,
    /// Old Macintosh line ends: carriage returns only.
    carriage: bool,
    /// A line was too long to be read.
    too_long: bool,
}

impl<R: Read> Blocks<R> {
    /// `carriage`: lines end with a carriage return only.
    pub fn new(stream: R, carriage: bool) -> Self {
        Self {
            stream,
            buffer: vec![0; START],
            used: 0,
            given: 0,
            next_line: 1,
            ended: false,
            spare: Vec::new(),
            carriage,
            too_long: false,
        }
    }

    /// What stopped the reading, after the last block.
    pub fn problem(&self) -> Option<Problem> {
        self.too_long.then(|| {
            let (place, detail) =
                (format!("line {}", self.next_line), format!("longer than {LONGEST} bytes"));
            Problem::new(ProblemKind::LineTooLong, place, detail)
        })
    }

    /// Lines given out so far.
    pub fn count(&self) -> u64 {
        self.next_line - 1
    }

    /// The stream, for its own account.
    pub fn stream(&mut self) -> &mut R {
        &mut self.stream
    }

    /// The next block; `None` at the end or when a line is too long.
    pub fn next(&mut self) -> Option<Block<'_>> {
        let end = self.fill()?;
        self.given = end;
        let lines = count(&self.buffer[..end]);
        let first = self.passed(lines);
        Some(Block { text: &self.buffer[..end], first, outline: None })
    }

    /// Lines of a block have been taken; the number of the first of them.
    pub fn passed(&mut self, lines: u64) -> u64 {
        let first = self.next_line;
        self.next_line += lines;
        first
    }

    /// Reads until the buffer has complete lines; where they end.
    fn fill(&mut self) -> Option<usize> {
        self.buffer.copy_within(self.given..self.used, 0);
        self.used -= self.given;
        self.given = 0;
        // Bytes before this hold no line feed.
        let mut searched = 0;
        loop {
            if let Some(end) =
                memchr::memrchr(b'\n', &self.buffer[searched..self.used]).map(|at| searched + at + 1)
            {
                // A short block costs more than it brings: fill up first.
                if self.ended || self.used == self.buffer.len() {
                    return Some(end);
                }
            } else {
                searched = self.used;
                if self.ended {
                    return (self.used > 0).then_some(self.used);
                }
            }
            if self.used == self.buffer.len() {
                if self.buffer.len() >= LONGEST {
                    self.too_long = true;
                    return None;
                }
                let larger = (self.buffer.len() * 2).min(LONGEST);
                self.buffer.resize(larger, 0);
            }
            match self.stream.read(&mut self.buffer[self.used..]) {
                Ok(0) | Err(_) => self.ended = true,
                Ok(n) => {
                    let new = &mut self.buffer[self.used..self.used + n];
                    if self.carriage {
                        new.iter_mut().filter(|b| **b == b'\r').for_each(|b| *b = b'\n');
                    }
                    self.used += n;
                }
            }
        }
    }

    /// The next block with its memory, for who reads several at a time and says in the end how many lines have
    /// [`Blocks::passed`].
    pub fn cut(&mut self) -> Option<Cut> {
        let end = self.fill()?;
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.resize(self.buffer.len(), 0);
        let left = self.used - end;
        bytes[..left].copy_from_slice(&self.buffer[end..self.used]);
        std::mem::swap(&mut bytes, &mut self.buffer);
        (self.used, self.given) = (left, 0);
        Some(Cut { bytes, end })
    }

    /// Takes the memory of a block back.
    pub fn give_back(&mut self, cut: Cut) {
        if !cut.is_wide() {
            self.spare.push(cut.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let mut blocks = Blocks::new(text, false);
        let mut out = Vec::new();
        while let Some(block) = blocks.next() {
            out.extend(block.lines().map(|(n, l)| (n, l.to_vec())));
        }
        out
    }

    #[test]
    fn a_line_over_a_block_boundary_comes_out_whole() {
        let long = vec![b'x'; START + 17];
        let text = [b"a\r\n", &long[..], b"\nlast"].concat();
        assert_eq!(all(&text), vec![(1, b"a".to_vec()), (2, long), (3, b"last".to_vec())]);
    }

    #[test]
    fn blocks_cut_off_with_their_memory_are_the_same_blocks() {
        let text: String = (0..60_000).map(|n| format!("{n} {}\n", "x".repeat(n % 23))).collect();
        let (mut lent, mut cut) = (Blocks::new(text.as_bytes(), false), Blocks::new(text.as_bytes(), false));
        while let Some(block) = lent.next() {
            let own = cut.cut().unwrap();
            assert_eq!(own.text(), block.text);
            assert_eq!(cut.passed(count(own.text())), block.first);
            cut.give_back(own);
        }
        assert!(cut.cut().is_none());
    }

    #[test]
    fn an_endless_line_is_a_problem_and_not_a_memory_bomb() {
        let mut blocks = Blocks::new(std::io::repeat(b'x'), false);
        assert!(blocks.next().is_none());
        assert_eq!(blocks.problem().map(|p| p.kind), Some(ProblemKind::LineTooLong));
        assert!(blocks.buffer.len() <= LONGEST);
    }

    proptest! {
        #[test]
        fn each_is_every_one(bytes in proptest::collection::vec(0_u8..255, 0..60), wanted in 0_u8..255) {
            let mut got = Vec::new();
            each(&bytes, wanted, |at| got.push(at));
            prop_assert_eq!(got, memchr::memchr_iter(wanted, &bytes).collect::<Vec<_>>());
        }

        #[test]
        fn blocks_hold_every_line_in_order(lines in proptest::collection::vec("[a-z]{0,9}", 0..200)) {
            let text = lines.join("\n") + "\n";
            let mut cuts = Blocks::new(text.as_bytes(), false);
            let mut whole = Vec::new();
            while let Some(cut) = cuts.cut() {
                whole.extend_from_slice(cut.text());
                cuts.give_back(cut);
            }
            prop_assert_eq!(&whole, text.as_bytes());
            let got: Vec<_> = all(text.as_bytes()).into_iter().map(|(_, l)| String::from_utf8(l).unwrap()).collect();
            prop_assert_eq!(got, text.lines().map(str::to_owned).collect::<Vec<_>>());
        }
    }
}
