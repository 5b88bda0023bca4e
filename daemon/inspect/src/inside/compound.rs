//! Compound files (OLE2), the container of old office documents: streams by name, and what lies in no stream.

/// Sectors of one file.
const MOST: usize = 1 << 20;
const FREE: u32 = 0xffff_ffff;
const END: u32 = 0xffff_fffe;

/// A stream.
pub struct Stream {
    /// Its path.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What a compound file holds.
#[derive(Default)]
pub struct Compound {
    /// Its streams.
    pub streams: Vec<Stream>,
    /// Bytes that are not zero and in no stream.
    pub beside: usize,
}

fn le16(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

struct Sectors<'a> {
    bytes: &'a [u8],
    size: usize,
    fat: Vec<u32>,
    used: Vec<bool>,
}

impl<'a> Sectors<'a> {
    fn get(&mut self, sector: u32) -> Option<&'a [u8]> {
        let at = sector as usize;
        let used = self.used.get_mut(at)?;
        if std::mem::replace(used, true) {
            // Two streams cannot own one sector, and a chain cannot bite its tail.
            return None;
        }
        let from = (at + 1).checked_mul(self.size)?;
        self.bytes.get(from..from + self.size)
    }

    fn chain(&mut self, first: u32) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut sector = first;
        while sector != END {
            out.extend(self.get(sector)?);
            sector = *self.fat.get(sector as usize)?;
        }
        Some(out)
    }
}

/// Reads a file that is wholly in memory; nothing where it contradicts itself.
pub fn read(bytes: &[u8]) -> Option<Compound> {
    let shift = le16(bytes, 30)?;
    if !matches!(shift, 9 | 12) || le16(bytes, 32)? != 6 || le16(bytes, 28)? != 0xfffe {
        return None;
    }
    let size = 1 << shift;
    let count = bytes.len().checked_sub(size)?.div_ceil(size);
    if count > MOST {
        return None;
    }
    let mut sectors = Sectors { bytes, size, fat: Vec::new(), used: vec![false; count] };
    let words = |sector: &[u8]| -> Vec<u32> {
        sector.chunks_exact(4).map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])).collect()
    };
    let mut table = words(bytes.get(76..512)?);
    let mut more = le32(bytes, 68)?;
    while more < END {
        let mut list = words(sectors.get(more)?);
        more = list.pop()?;
        table.extend(list);
    }
    for sector in table.into_iter().filter(|s| *s < END - 3) {
        let part = words(sectors.get(sector)?);
        sectors.fat.extend(part);
    }
    let directory = sectors.chain(le32(bytes, 48)?)?;
    let cutoff = le32(bytes, 56)?;
    let small_table = le32(bytes, 60).filter(|s| *s < END).map_or(Some(Vec::new()), |s| sectors.chain(s))?;
    let small_fat = words(&small_table);
    let entries: Vec<&[u8]> = directory.chunks_exact(128).collect();
    let root = entries.first()?;
    let pool = if le32(root, 116)? < END { sectors.chain(le32(root, 116)?)? } else { Vec::new() };
    let mut pool_used = vec![false; pool.len().div_ceil(64)];
    let mut compound = Compound::default();
    let mut total = 0_usize;
    for entry in &entries {
        let length = le16(entry, 64)?.min(64);
        let units: Vec<u16> =
            entry.get(..length)?.chunks_exact(2).map(|p| u16::from_le_bytes([p[0], p[1]])).collect();
        let name = String::from_utf16_lossy(&units).trim_end_matches('\0').to_owned();
        match entry[66] {
            0 => {
                compound.beside += entry[..64].iter().chain(&entry[80..116]).filter(|b| **b != 0).count();
                continue;
            }
            1 => compound.streams.push(Stream { name: format!("{name}/"), bytes: Vec::new() }),
            2 => {
                let length = le32(entry, 120)? as usize;
                let first = le32(entry, 116)?;
                let mut data = if length == 0 {
                    Vec::new()
                } else if (length as u32) < cutoff {
                    let mut data = Vec::new();
                    let mut sector = first;
                    while sector != END {
                        let at = sector as usize;
                        if std::mem::replace(pool_used.get_mut(at)?, true) {
                            return None;
                        }
                        data.extend(pool.get(at * 64..((at + 1) * 64).min(pool.len()))?);
                        sector = *small_fat.get(at)?;
                    }
                    data
                } else {
                    sectors.chain(first)?
                };
                if data.len() < length {
                    return None;
                }
                compound.beside += data[length..].iter().filter(|b| **b != 0).count();
                data.truncate(length);
                total += length;
                if total > bytes.len() {
                    return None;
                }
                compound.streams.push(Stream { name, bytes: data });
            }
            _ => {}
        }
    }
    for (at, _) in pool_used.iter().enumerate().filter(|(_, used)| !**used) {
        compound.beside +=
            pool.get(at * 64..(at * 64 + 64).min(pool.len()))?.iter().filter(|b| **b != 0).count();
    }
    for at in 0..count {
        if !sectors.used[at] {
            let free = sectors.fat.get(at).is_none_or(|f| *f == FREE || *f < END - 2);
            let sector = bytes.get((at + 1) * size..((at + 2) * size).min(bytes.len()))?;
            compound.beside += if free { sector.iter().filter(|b| **b != 0).count() } else { sector.len() };
        }
    }
    Some(compound)
}
