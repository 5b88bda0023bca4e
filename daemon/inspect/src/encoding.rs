//! Encodings of Japanese text: recognised without a mark, decoded as the text streams by.

use encoding_rs::{EUC_JP, Encoding, ISO_2022_JP, SHIFT_JIS};
use sekisho_policy::facts::{Problem, ProblemKind};
use std::io::Read;

/// The encoding of a text that is not UTF-8, if it is one of the Japanese ones. `whole`: `head` is all there is.
pub fn japanese(head: &[u8], whole: bool) -> Option<&'static Encoding> {
    if memchr::memchr(0, head).is_some() {
        return None;
    }
    let escapes = [&b"\x1b$B"[..], b"\x1b$@", b"\x1b(J"];
    if head.is_ascii() {
        let escaped = escapes.iter().any(|e| memchr::memmem::find(head, e).is_some());
        return escaped.then_some(ISO_2022_JP);
    }
    // The sample may end inside a character.
    let head =
        if whole { head } else { &head[..memchr::memrchr(b'\n', head).map_or(head.len(), |at| at + 1)] };
    if std::str::from_utf8(head).is_ok() {
        return None;
    }
    // Wrong guesses among the two show as half-width katakana.
    let narrow = |encoding: &'static Encoding| {
        let text = encoding.decode_without_bom_handling_and_without_replacement(head)?;
        Some((text.chars().filter(|c| matches!(c, '\u{ff61}'..='\u{ff9f}')).count(), encoding))
    };
    [EUC_JP, SHIFT_JIS].into_iter().filter_map(narrow).min_by_key(|(n, _)| *n).map(|(_, encoding)| encoding)
}

/// What in these lines is not text, if anything: bytes that are no UTF-8, or characters an encoding could not give.
pub fn undecodable(lines: &[u8], first: u64) -> Option<Problem> {
    let at = match std::str::from_utf8(lines) {
        Ok(_) => memchr::memmem::find(lines, "\u{fffd}".as_bytes())?,
        Err(e) => e.valid_up_to(),
    };
    let line = first + memchr::memchr_iter(b'\n', &lines[..at]).count() as u64;
    Some(Problem::new(ProblemKind::Encoding, format!("line {line}"), ""))
}

/// Decodes a stream to UTF-8; what does not decode becomes U+FFFD.
pub struct Decoder<R> {
    inner: R,
    decoder: encoding_rs::Decoder,
    raw: Vec<u8>,
    out: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Decoder<R> {
    /// Decodes `inner` from `encoding`.
    pub fn new(inner: R, encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder_without_bom_handling();
        Self { inner, decoder, raw: vec![0; 32 << 10], out: Vec::new(), given: 0, ended: false }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.given >= self.out.len() {
            if self.ended {
                return Ok(0);
            }
            let n = self.inner.read(&mut self.raw)?;
            self.ended = n == 0;
            let room = self.decoder.max_utf8_buffer_length(n).unwrap_or(n * 3 + 16);
            self.out.resize(room, 0);
            let (_, _, written, _) = self.decoder.decode_to_utf8(&self.raw[..n], &mut self.out, self.ended);
            self.out.truncate(written);
            self.given = 0;
        }
        let n = buffer.len().min(self.out.len() - self.given);
        buffer[..n].copy_from_slice(&self.out[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readers::testing::{check, worst};
    use sekisho_policy::Verdict;

    const TABLE: &str = "区分,人数\n男性,120\n女性,7\n合計,127\n";

    #[test]
    fn japanese_tables_are_read_in_every_usual_encoding() {
        for encoding in [SHIFT_JIS, EUC_JP, ISO_2022_JP] {
            let (bytes, _, _) = encoding.encode(TABLE);
            assert_eq!(japanese(&bytes, true), Some(encoding));
            let report = check(&bytes);
            let found = worst(&report, "small_counts").unwrap();
            assert_eq!(found.verdict, Verdict::Block, "{}", encoding.name());
            assert!(found.place.contains("女性"), "{}: {}", encoding.name(), found.place);
        }
        let utf16: Vec<u8> =
            [0xfeff].into_iter().chain(TABLE.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        for bytes in [TABLE.as_bytes().to_vec(), [b"\xef\xbb\xbf", TABLE.as_bytes()].concat(), utf16] {
            assert_eq!(check(&bytes).verdict, Verdict::Block);
        }
    }

    #[test]
    fn text_that_does_not_decode_never_passes() {
        let mut bytes = b"group,N\na,120\nb,130\nc,140\n".to_vec();
        assert_eq!(check(&bytes).verdict, Verdict::Pass);
        bytes.extend_from_slice(b"d\xff\xfe\x80,150\n");
        let report = check(&bytes);
        assert_ne!(report.verdict, Verdict::Pass, "{report:#?}");
    }
}
