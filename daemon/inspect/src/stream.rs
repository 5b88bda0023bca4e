//! Unwrapping: from the file's bytes to the bytes readers see.
//!
//! Layers are recognised by content: gzip (BGZF and other multi-member files included), bzip2, xz, zstd, UTF-16, a UTF-8 mark.
//! Unpacked size, ratio and depth are limited here, so that no reader has to think of bombs.

use crate::source::Meter;
use flate2::bufread::MultiGzDecoder;
use sekisho_policy::facts::{Problem, ProblemKind};
use std::io::{BufRead, BufReader, Read};

/// Nested layers opened at most.
const DEPTH: usize = 3;
/// Unpacked bytes that are never called a bomb.
const FREE: u64 = 256 << 20;
/// Unpacked bytes per byte of the file, beyond [`FREE`].
const RATIO: u64 = 400;
/// The sample of a text with very long lines.
const WIDE: usize = 32 << 20;
/// Most memory that unpacking may use.
const DICTIONARY_KB: u32 = 96 << 10;
const BUFFER: usize = 256 << 10;

/// A stream of unwrapped bytes with its beginning in view.
pub struct Stream {
    inner: Box<dyn Read>,
    head: Vec<u8>,
    given: usize,
    unwrapped: u64,
    meter: Meter,
    /// Names of the layers opened, outermost first.
    pub layers: Vec<&'static str>,
    ended: bool,
    failed: Option<Problem>,
}

impl Stream {
    /// Opens every layer that is recognised and keeps the first `sample` bytes in view.
    pub fn open(raw: impl Read + 'static, meter: Meter, sample: usize) -> Self {
        let mut stream = Self {
            inner: Box::new(raw),
            head: Vec::new(),
            given: 0,
            unwrapped: 0,
            meter,
            layers: Vec::new(),
            ended: false,
            failed: None,
        };
        stream.look(sample.min(64 << 10));
        while stream.layers.len() < DEPTH && stream.failed.is_none() {
            let Some(layer) = recognise(&stream.head) else { break };
            stream.push(layer);
            stream.look(64 << 10);
        }
        let text =
            matches!(crate::detect::format(&stream.head, stream.ended), crate::detect::Format::Text { .. });
        if let Some(encoding) = text.then(|| crate::encoding::japanese(&stream.head, stream.ended)).flatten()
        {
            stream.decode(encoding);
        }
        if matches!(
            crate::detect::format(&stream.head, stream.ended),
            crate::detect::Format::Text { carriage: true }
        ) {
            stream.push("carriage returns");
            stream.look(64 << 10);
        }
        if text && !(stream.ended && stream.head.is_ascii()) {
            stream.fold();
        }
        stream.look(sample);
        // Wide rows: a few whole lines are needed to tell what they are.
        let mut size = sample;
        while size < WIDE
            && !stream.ended
            && memchr::memchr(0, &stream.head).is_none()
            && memchr::memchr_iter(b'\n', &stream.head).count() < 4
        {
            size *= 2;
            stream.look(size);
        }
        stream
    }

    /// The beginning of the unwrapped bytes.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Is `head` everything there is?
    pub fn head_is_all(&self) -> bool {
        self.ended
    }

    /// Bytes handed out by the innermost layer so far.
    pub fn unwrapped(&self) -> u64 {
        self.unwrapped
    }

    /// What stopped the stream, if something did.
    pub fn problem(&mut self) -> Option<Problem> {
        self.failed.take()
    }

    /// Text in another encoding becomes UTF-8.
    fn decode(&mut self, encoding: &'static encoding_rs::Encoding) {
        let rest = std::mem::replace(&mut self.inner, Box::new(std::io::empty()));
        let whole = std::io::Cursor::new(std::mem::take(&mut self.head)).chain(rest);
        self.inner = Box::new(crate::encoding::Decoder::new(whole, encoding));
        self.layers.push(encoding.name());
        self.ended = false;
        self.unwrapped = 0;
        self.look(64 << 10);
    }

    /// What looks the same is spelled the same from here on.
    fn fold(&mut self) {
        let rest = std::mem::replace(&mut self.inner, Box::new(std::io::empty()));
        let whole = std::io::Cursor::new(std::mem::take(&mut self.head)).chain(rest);
        self.inner = Box::new(crate::fold::Folded::new(whole));
        self.ended = false;
        self.unwrapped = 0;
        self.look(64 << 10);
    }

    fn push(&mut self, layer: &'static str) {
        let rest = std::mem::replace(&mut self.inner, Box::new(std::io::empty()));
        let whole = std::io::Cursor::new(std::mem::take(&mut self.head)).chain(rest);
        let buffered = BufReader::with_capacity(BUFFER, whole);
        self.inner = match layer {
            "gzip" => Box::new(MultiGzDecoder::new(buffered)),
            "xz" => Box::new(lzma_rust2::XzReader::new_mem_limit(buffered, true, DICTIONARY_KB)),
            "zstd" => Box::new(Zstd::new(Box::new(buffered))),
            "bzip2" => Box::new(crate::bzip::Bzip::new(buffered)),
            "carriage returns" => Box::new(Carriage(buffered)),
            "utf-16le" => Box::new(Utf16::new(buffered, false)),
            "utf-16be" => Box::new(Utf16::new(buffered, true)),
            _ => Box::new(SkipMark { inner: buffered, left: 3 }),
        };
        self.layers.push(layer);
        self.ended = false;
        self.unwrapped = 0;
    }

    /// Grows `head` to `size` bytes or to the end.
    fn look(&mut self, size: usize) {
        while self.head.len() < size && !self.ended && self.failed.is_none() {
            let have = self.head.len();
            self.head.resize(size, 0);
            let n = self.pull_into_head(have);
            self.head.truncate(have + n);
        }
    }

    fn pull_into_head(&mut self, from: usize) -> usize {
        let mut head = std::mem::take(&mut self.head);
        let n = self.pull(&mut head[from..]);
        self.head = head;
        n
    }

    fn pull(&mut self, buffer: &mut [u8]) -> usize {
        if self.ended || self.failed.is_some() || buffer.is_empty() {
            return 0;
        }
        match self.inner.read(buffer) {
            Ok(0) => {
                self.ended = true;
                0
            }
            Ok(n) => {
                self.unwrapped += n as u64;
                let allowed = FREE.max(self.meter.read().saturating_mul(RATIO));
                if !self.layers.is_empty() && self.unwrapped > allowed {
                    let detail = format!("{} bytes unpacked from {}", self.unwrapped, self.meter.read());
                    self.failed = Some(Problem::new(ProblemKind::Bomb, "", detail));
                }
                n
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => self.pull(buffer),
            Err(e) => {
                let packed = ["gzip", "bzip2", "xz", "zstd"].iter().any(|l| self.layers.contains(l));
                let kind = if packed { ProblemKind::BrokenCompression } else { ProblemKind::NotInspected };
                let place = format!("byte {}", self.meter.read());
                self.failed = Some(Problem::new(kind, place, e.to_string()));
                0
            }
        }
    }
}

impl Read for Stream {
    /// Never fails: what went wrong is kept for [`Stream::problem`], and the stream ends.
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.given < self.head.len() {
            let n = buffer.len().min(self.head.len() - self.given);
            buffer[..n].copy_from_slice(&self.head[self.given..self.given + n]);
            self.given += n;
            return Ok(n);
        }
        Ok(self.pull(buffer))
    }
}

fn recognise(head: &[u8]) -> Option<&'static str> {
    match head {
        [0x1f, 0x8b, 8, ..] => Some("gzip"),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => Some("bzip2"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some("xz"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        [0xef, 0xbb, 0xbf, ..] => Some("utf-8 mark"),
        [0xff, 0xfe, rest @ ..] if !rest.starts_with(&[0, 0]) => Some("utf-16le"),
        [0xfe, 0xff, ..] => Some("utf-16be"),
        // Without a mark: every second byte of ASCII text is zero.
        _ if head.len() >= 16 => {
            let pairs = head.len().min(512) / 2;
            let zero = |at: usize| (0..pairs).filter(|i| head[i * 2 + at] == 0).count();
            let (even, odd) = (zero(0), zero(1));
            if odd * 10 > pairs * 8 && even == 0 {
                Some("utf-16le")
            } else if even * 10 > pairs * 8 && odd == 0 {
                Some("utf-16be")
            } else {
                None
            }
        }
        _ => None,
    }
}

/// Zstandard, frame after frame: what is behind the last is unpacked too, or is an error.
struct Zstd {
    frame: Option<ruzstd::decoding::StreamingDecoder<Box<dyn BufRead>, ruzstd::decoding::FrameDecoder>>,
    next: Option<Box<dyn BufRead>>,
}

impl Zstd {
    fn new(inner: Box<dyn BufRead>) -> Self {
        Self { frame: None, next: Some(inner) }
    }
}

impl Read for Zstd {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let n = frame.read(buffer)?;
                if n > 0 || buffer.is_empty() {
                    return Ok(n);
                }
                self.next = self.frame.take().map(ruzstd::decoding::StreamingDecoder::into_inner);
            }
            let Some(mut inner) = self.next.take() else { return Ok(0) };
            if inner.fill_buf()?.is_empty() {
                return Ok(0);
            }
            let window = u64::from(DICTIONARY_KB) << 10;
            let frame = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(inner, window);
            self.frame = Some(frame.map_err(|e| std::io::Error::other(e.to_string()))?);
        }
    }
}

/// Old line ends become new ones.
struct Carriage<R>(R);

impl<R: Read> Read for Carriage<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.read(buffer)?;
        buffer[..n].iter_mut().filter(|b| **b == b'\r').for_each(|b| *b = b'\n');
        Ok(n)
    }
}

struct SkipMark<R> {
    inner: R,
    left: usize,
}

impl<R: Read> Read for SkipMark<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.left > 0 {
            let mut mark = [0; 3];
            let n = self.inner.read(&mut mark[..self.left])?;
            if n == 0 {
                return Ok(0);
            }
            self.left -= n;
        }
        self.inner.read(buffer)
    }
}

/// UTF-16 to UTF-8; what does not decode becomes U+FFFD.
struct Utf16<R> {
    inner: R,
    big: bool,
    odd: Option<u8>,
    high: Option<u16>,
    out: Vec<u8>,
    given: usize,
    first: bool,
}

impl<R: Read> Utf16<R> {
    fn new(inner: R, big: bool) -> Self {
        Self { inner, big, odd: None, high: None, out: Vec::new(), given: 0, first: true }
    }

    fn fill(&mut self) -> std::io::Result<bool> {
        let mut raw = [0; 32 << 10];
        let n = self.inner.read(&mut raw)?;
        self.out.clear();
        self.given = 0;
        if n == 0 {
            let left = self.odd.take().is_some() || self.high.take().is_some();
            if left {
                self.out.extend("\u{fffd}".as_bytes());
            }
            return Ok(left);
        }
        let mut units = Vec::with_capacity(n / 2 + 2);
        units.extend(self.high.take());
        for &byte in &raw[..n] {
            match self.odd.take() {
                None => self.odd = Some(byte),
                Some(first) if self.big => units.push(u16::from_be_bytes([first, byte])),
                Some(first) => units.push(u16::from_le_bytes([first, byte])),
            }
        }
        if units.last().is_some_and(|u| (0xd800..0xdc00).contains(u)) {
            self.high = units.pop();
        }
        let skip = usize::from(std::mem::take(&mut self.first) && units.first() == Some(&0xfeff));
        let mut utf8 = [0; 4];
        for c in char::decode_utf16(units.into_iter().skip(skip)) {
            self.out.extend(c.unwrap_or('\u{fffd}').encode_utf8(&mut utf8).as_bytes());
        }
        Ok(true)
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.given >= self.out.len() {
            if !self.fill()? {
                return Ok(0);
            }
        }
        let n = buffer.len().min(self.out.len() - self.given);
        buffer[..n].copy_from_slice(&self.out[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}
