//! One spelling for what looks the same: full-width digits, letters and signs become plain ones, ideographic and
//! other wide blanks become blanks, characters without width go.
//!
//! Marks that separate fields (comma, semicolon, bar, quotes) stay as they are: in Japanese text they are punctuation.

use std::io::Read;

/// Longest character that is folded, in bytes.
const LONGEST: usize = 3;
/// Buffers smaller than this are served from one of our own.
const SMALL: usize = 64;

/// Folds a stream of UTF-8.
pub struct Folded<R> {
    inner: R,
    /// The beginning of a character whose end has not been read.
    tail: Vec<u8>,
    own: Vec<u8>,
    given: usize,
}

impl<R: Read> Folded<R> {
    /// Folds what `inner` gives.
    pub fn new(inner: R) -> Self {
        Self { inner, tail: Vec::new(), own: Vec::new(), given: 0 }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let have = self.tail.len();
            buffer[..have].copy_from_slice(&self.tail);
            let n = self.inner.read(&mut buffer[have..])?;
            let all = have + n;
            let held = if n == 0 { 0 } else { unfinished(&buffer[..all]) };
            self.tail.clear();
            self.tail.extend_from_slice(&buffer[all - held..all]);
            let folded = fold(&mut buffer[..all - held]);
            if folded > 0 || n == 0 {
                return Ok(folded);
            }
        }
    }
}

impl<R: Read> Read for Folded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.given >= self.own.len() && buffer.len() >= SMALL {
            return self.fill(buffer);
        }
        if self.given >= self.own.len() {
            let mut own = std::mem::take(&mut self.own);
            own.resize(SMALL, 0);
            let n = self.fill(&mut own)?;
            own.truncate(n);
            (self.own, self.given) = (own, 0);
        }
        let n = buffer.len().min(self.own.len() - self.given);
        buffer[..n].copy_from_slice(&self.own[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}

/// Bytes at the end that begin a character which may have to be folded.
fn unfinished(text: &[u8]) -> usize {
    (1..LONGEST)
        .rev()
        .find(|n| text.len().checked_sub(*n).is_some_and(|at| matches!(text[at], 0xe2 | 0xe3 | 0xef)))
        .unwrap_or(0)
}

/// Folds in place; the new length.
fn fold(text: &mut [u8]) -> usize {
    let Some(first) = memchr::memchr3(0xe2, 0xe3, 0xef, text) else { return text.len() };
    let (mut from, mut to) = (first, first);
    while from < text.len() {
        let (length, plain) = match text[from..].get(..LONGEST) {
            Some(&[0xef, 0xbc, low @ 0x81..=0xbf]) => (3, kept(low - 0x60)),
            Some(&[0xef, 0xbd, low @ 0x80..=0x9e]) => (3, kept(low - 0x20)),
            // Ideographic and typographic blanks; the minus sign; characters without width.
            Some(&[0xe3, 0x80, 0x80] | &[0xe2, 0x80, 0x80..=0x8a | 0xaf]) => (3, Some(Some(b' '))),
            Some(&[0xe2, 0x88, 0x92]) => (3, Some(Some(b'-'))),
            Some(&[0xe2, 0x80, 0x8b..=0x8f] | &[0xe2, 0x81, 0xa0] | &[0xef, 0xbb, 0xbf]) => (3, Some(None)),
            _ => (1, None),
        };
        match plain {
            Some(Some(byte)) => {
                text[to] = byte;
                to += 1;
            }
            Some(None) => {}
            None => {
                text.copy_within(from..from + length, to);
                to += length;
            }
        }
        from += length;
    }
    to
}

/// The plain character, unless it separates fields.
fn kept(byte: u8) -> Option<Option<u8>> {
    (!matches!(byte, b',' | b';' | b'|' | b'"' | b'\'')).then_some(Some(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folded(text: &str, step: usize) -> String {
        /// Gives a few bytes at a time.
        struct Slow<'a>(&'a [u8], usize);
        impl Read for Slow<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let n = self.1.min(self.0.len()).min(buffer.len());
                buffer[..n].copy_from_slice(&self.0[..n]);
                self.0 = &self.0[n..];
                Ok(n)
            }
        }
        let mut out = Vec::new();
        Folded::new(Slow(text.as_bytes(), step)).read_to_end(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn wide_digits_are_digits_and_invisible_characters_are_gone() {
        for step in [1, 2, 3, 1000] {
            assert_eq!(folded("女性，３（１．５％）　Ｎ＝１２０", step), "女性，3(1.5%) N=120");
            assert_eq!(folded("1\u{200b}2\u{feff}0,7\u{2060}", step), "120,7");
            assert_eq!(folded("−0.5\u{2009}é…", step), "-0.5 é…");
        }
    }

    proptest! {
        #[test]
        fn what_is_plain_stays(text in "[ -~\n男女人数é…]{0,300}", step in 1_usize..80) {
            prop_assert_eq!(folded(&text, step), text);
        }
    }
}
