//! Bzip2, unpacked block by block. Memory is that of one block whatever the file claims; checksums are compared, streams
//! one behind the other are read to the last, and bytes behind that are an error.
//!
//! Our own, because the crates at hand are either bindings, a translation of the C program full of `unsafe`, or left alone
//! for years; the format is small.

use std::io::{Error, Read, Result};

const BLOCK: u64 = 0x3141_5926_5359;
const END: u64 = 0x1772_4538_5090;

fn damaged(what: &'static str) -> Error {
    Error::other(what)
}

/// Bits, most significant first.
struct Bits<R> {
    inner: R,
    held: u64,
    count: u32,
}

impl<R: Read> Bits<R> {
    fn byte(&mut self) -> Result<Option<u8>> {
        let mut byte = [0];
        loop {
            match self.inner.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => return Ok(Some(byte[0])),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn take(&mut self, n: u32) -> Result<u64> {
        while self.count < n {
            let byte = self.byte()?.ok_or_else(|| damaged("bzip2 data cut short"))?;
            self.held = self.held << 8 | u64::from(byte);
            self.count += 8;
        }
        self.count -= n;
        Ok(self.held >> self.count & ((1 << n) - 1))
    }

    fn bit(&mut self) -> Result<bool> {
        Ok(self.take(1)? == 1)
    }
}

/// A table of Huffman codes: by length, the first code, the first symbol, and how many.
#[derive(Default)]
struct Codes {
    first: [u32; 21],
    start: [usize; 21],
    count: [u32; 21],
    symbols: Vec<u16>,
}

impl Codes {
    fn new(lengths: &[u8]) -> Self {
        let mut codes = Self::default();
        for length in 1..=20 {
            codes.start[length] = codes.symbols.len();
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, l)| usize::from(**l) == length) {
                codes.symbols.push(symbol as u16);
                codes.count[length] += 1;
            }
            if length < 20 {
                codes.first[length + 1] = (codes.first[length] + codes.count[length]) << 1;
            }
        }
        codes
    }

    fn read<R: Read>(&self, bits: &mut Bits<R>) -> Result<u16> {
        let mut code = 0_u32;
        for length in 1..=20 {
            code = code << 1 | bits.take(1)? as u32;
            if let Some(offset) = code.checked_sub(self.first[length]).filter(|o| *o < self.count[length]) {
                let symbol = self.symbols.get(self.start[length] + offset as usize);
                return symbol.copied().ok_or_else(|| damaged("a damaged bzip2 code"));
            }
        }
        Err(damaged("a damaged bzip2 code"))
    }
}

/// Unpacks a bzip2 file.
pub struct Bzip<R> {
    bits: Bits<R>,
    /// Bytes of a block; 0 before a stream's header.
    size: usize,
    /// The block being given out: the next place and the byte there, chained.
    chain: Vec<u32>,
    at: u32,
    left: usize,
    /// The last byte, how often it stood there, and how often it still follows.
    last: u8,
    run: u8,
    again: u8,
    crc: u32,
    stated: u32,
    combined: u32,
    open: bool,
}

impl<R: Read> Bzip<R> {
    /// Reads from here.
    pub fn new(inner: R) -> Self {
        Self {
            bits: Bits { inner, held: 0, count: 0 },
            size: 0,
            chain: Vec::new(),
            at: 0,
            left: 0,
            last: 0,
            run: 0,
            again: 0,
            crc: 0,
            stated: 0,
            combined: 0,
            open: false,
        }
    }

    /// The next block, or the end; `false` at the end of everything.
    fn next(&mut self) -> Result<bool> {
        if self.open {
            self.open = false;
            if !self.crc != self.stated {
                return Err(damaged("a bzip2 block differs from its checksum"));
            }
            self.combined = self.combined.rotate_left(1) ^ self.stated;
        }
        loop {
            if self.size == 0 {
                // Streams begin on whole bytes.
                self.bits.count -= self.bits.count % 8;
                if self.bits.count == 0 {
                    match self.bits.byte()? {
                        None => return Ok(false),
                        Some(byte) => (self.bits.held, self.bits.count) = (u64::from(byte), 8),
                    }
                }
                if self.bits.take(24)? != 0x42_5a68 {
                    return Err(damaged("bytes behind the end of bzip2 data"));
                }
                let level = self.bits.take(8)?;
                if !(0x31..=0x39).contains(&level) {
                    return Err(damaged("a damaged bzip2 header"));
                }
                self.size = (level as usize - 0x30) * 100_000;
                self.combined = 0;
            }
            let mark = self.bits.take(48)?;
            let stated = self.bits.take(32)? as u32;
            if mark == END {
                if stated != self.combined {
                    return Err(damaged("a bzip2 stream differs from its checksum"));
                }
                self.size = 0;
                continue;
            }
            if mark != BLOCK || self.bits.bit()? {
                return Err(damaged("a damaged bzip2 block"));
            }
            self.stated = stated;
            self.block()?;
            return Ok(true);
        }
    }

    fn block(&mut self) -> Result<()> {
        let origin = self.bits.take(24)? as usize;
        let rows = self.bits.take(16)?;
        let mut recent = Vec::new();
        for row in (0..16_u8).filter(|r| rows >> (15 - r) & 1 == 1) {
            let row_bits = self.bits.take(16)?;
            recent.extend((0..16_u8).filter(|c| row_bits >> (15 - c) & 1 == 1).map(|c| row * 16 + c));
        }
        let symbols = recent.len() + 2;
        let groups = self.bits.take(3)? as usize;
        let selectors = self.bits.take(15)? as usize;
        if recent.is_empty() || !(2..=6).contains(&groups) || selectors == 0 {
            return Err(damaged("a damaged bzip2 block"));
        }
        let mut order: Vec<u8> = (0..groups as u8).collect();
        let mut chosen = Vec::with_capacity(selectors);
        for _ in 0..selectors {
            let mut place = 0;
            while self.bits.bit()? {
                place += 1;
                if place >= groups {
                    return Err(damaged("a damaged bzip2 block"));
                }
            }
            let group = order.remove(place);
            order.insert(0, group);
            chosen.push(group);
        }
        let mut tables = Vec::with_capacity(groups);
        for _ in 0..groups {
            let mut length = self.bits.take(5)?;
            let mut lengths = Vec::with_capacity(symbols);
            for _ in 0..symbols {
                loop {
                    if !(1..=20).contains(&length) {
                        return Err(damaged("a damaged bzip2 code"));
                    }
                    if !self.bits.bit()? {
                        break;
                    }
                    length = if self.bits.bit()? { length - 1 } else { length + 1 };
                }
                lengths.push(length as u8);
            }
            tables.push(Codes::new(&lengths));
        }
        self.symbols(&mut recent, &chosen, &tables, symbols as u16 - 1)?;
        self.turn_back(origin)
    }

    /// The block's bytes in the order of their transform.
    fn symbols(&mut self, recent: &mut Vec<u8>, chosen: &[u8], tables: &[Codes], end: u16) -> Result<()> {
        self.chain.clear();
        let (mut run, mut power) = (0_usize, 1_usize);
        for selector in chosen {
            let table = tables.get(usize::from(*selector)).ok_or_else(|| damaged("a damaged bzip2 block"))?;
            for _ in 0..50 {
                let symbol = table.read(&mut self.bits)?;
                if symbol < 2 {
                    run = run.saturating_add(power << symbol);
                    power = power.saturating_mul(2);
                    if run > self.size {
                        return Err(damaged("a bzip2 block larger than its size"));
                    }
                    continue;
                }
                let first = recent.first().copied().unwrap_or(0);
                if self.chain.len() + run + 1 > self.size + usize::from(symbol == end) {
                    return Err(damaged("a bzip2 block larger than its size"));
                }
                self.chain.resize(self.chain.len() + run, u32::from(first));
                (run, power) = (0, 1);
                if symbol == end {
                    return Ok(());
                }
                let byte = recent.remove(usize::from(symbol) - 1);
                recent.insert(0, byte);
                self.chain.push(u32::from(byte));
            }
        }
        Err(damaged("a bzip2 block without end"))
    }

    /// Chains the bytes in their own order: the low byte is the byte, the rest where the next one is.
    fn turn_back(&mut self, origin: usize) -> Result<()> {
        let mut starts = [0_u32; 257];
        self.chain.iter().for_each(|b| starts[(*b & 0xff) as usize + 1] += 1);
        for byte in 0..256 {
            starts[byte + 1] += starts[byte];
        }
        for at in 0..self.chain.len() {
            let byte = (self.chain[at] & 0xff) as usize;
            let to = starts[byte] as usize;
            starts[byte] += 1;
            self.chain[to] |= (at as u32) << 8;
        }
        let first = self.chain.get(origin).ok_or_else(|| damaged("a damaged bzip2 block"))?;
        (self.at, self.left) = (first >> 8, self.chain.len());
        (self.run, self.again, self.crc, self.open) = (0, 0, !0, true);
        Ok(())
    }

    /// One byte of the block in order.
    fn step(&mut self) -> u8 {
        let entry = self.chain.get(self.at as usize).copied().unwrap_or(0);
        self.at = entry >> 8;
        self.left -= 1;
        entry as u8
    }
}

/// The checksum's table, most significant bit first.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc >> 31 == 1 { crc << 1 ^ 0x04c1_1db7 } else { crc << 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

impl<R: Read> Read for Bzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut given = 0;
        while given < buffer.len() {
            let byte = if self.again > 0 {
                self.again -= 1;
                self.last
            } else if self.left == 0 {
                if given > 0 {
                    break;
                }
                if !self.next()? {
                    break;
                }
                continue;
            } else {
                let byte = self.step();
                if self.run == 4 {
                    // After four of a kind: how many more.
                    self.run = 0;
                    self.again = byte;
                    continue;
                }
                self.run = if self.run > 0 && byte == self.last { self.run + 1 } else { 1 };
                self.last = byte;
                byte
            };
            self.crc = self.crc << 8 ^ TABLE[(self.crc >> 24) as usize ^ usize::from(byte)];
            buffer[given] = byte;
            given += 1;
        }
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use super::Bzip;
    use std::io::Read;

    /// Python's `bz2.compress(b"group,n\n" + b"a" * 300 + b",120\nb,7\n")`.
    const SAMPLE: &[u8] = include_bytes!("../fixtures/sample.bz2");

    fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, std::io::Error> {
        let mut out = Vec::new();
        Bzip::new(bytes).read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn what_python_packs_is_unpacked() {
        let text = [b"group,n\n".as_slice(), &[b'a'; 300], b",120\nb,7\n"].concat();
        assert_eq!(unpacked(SAMPLE).unwrap(), text);
        assert_eq!(unpacked(&[SAMPLE, SAMPLE].concat()).unwrap(), [&text[..], &text].concat());
    }

    #[test]
    fn damage_anywhere_is_seen() {
        for at in 0..SAMPLE.len() {
            assert!(at == 0 || unpacked(&SAMPLE[..at]).is_err(), "cut at {at}");
            let mut changed = SAMPLE.to_vec();
            changed[at] ^= 0x41;
            // What a change leaves readable is the same: codes that no symbol uses.
            assert!(unpacked(&changed).map_or(true, |t| t == unpacked(SAMPLE).unwrap()), "changed at {at}");
        }
        assert!(unpacked(&[SAMPLE, b"secret"].concat()).is_err());
    }
}
