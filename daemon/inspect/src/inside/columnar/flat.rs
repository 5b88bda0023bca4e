//! FlatBuffers, as Arrow writes its messages. What is read is marked, so that what nothing refers to is seen.

/// Bytes of one message.
const MOST: usize = 4 << 20;
/// Items of one list.
const ITEMS: usize = 100_000;
/// Bytes of one table without what it refers to.
const INLINE: usize = 128;

/// A message.
pub struct Flat<'a> {
    bytes: &'a [u8],
    seen: std::cell::RefCell<Vec<bool>>,
}

/// A table in it.
#[derive(Clone, Copy)]
pub struct Table<'a, 'b> {
    of: &'b Flat<'a>,
    at: usize,
    fields: usize,
    count: usize,
}

impl<'a> Flat<'a> {
    /// A message of these bytes.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len() <= MOST).then(|| Self { bytes, seen: vec![false; bytes.len()].into() })
    }

    /// The table everything hangs on.
    pub fn root(&self) -> Option<Table<'a, '_>> {
        self.table(self.number(0, 4)? as usize)
    }

    /// Bytes that nothing refers to and that are not zero.
    pub fn unseen(&self) -> usize {
        self.seen.borrow().iter().zip(self.bytes).filter(|(seen, byte)| !**seen && **byte != 0).count()
    }

    fn take(&self, at: usize, n: usize) -> Option<&'a [u8]> {
        let bytes = self.bytes.get(at..at.checked_add(n)?)?;
        if let Some(seen) = self.seen.borrow_mut().get_mut(at..at + n) {
            seen.fill(true);
        }
        Some(bytes)
    }

    fn number(&self, at: usize, width: usize) -> Option<u64> {
        Some(self.take(at, width)?.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    fn table(&self, at: usize) -> Option<Table<'a, '_>> {
        let back = self.number(at, 4)? as u32 as i32;
        let vtable = usize::try_from(i64::try_from(at).ok()? - i64::from(back)).ok()?;
        let (size, inline) = (self.number(vtable, 2)? as usize, self.number(vtable + 2, 2)? as usize);
        if !(4..=64).contains(&size) || !size.is_multiple_of(2) || !(4..=INLINE).contains(&inline) {
            return None;
        }
        self.take(vtable, size)?;
        self.take(at, inline)?;
        Some(Table { of: self, at, fields: vtable + 4, count: (size - 4) / 2 })
    }

    /// Where something referred to from here lies.
    fn follow(&self, at: usize) -> Option<usize> {
        at.checked_add(self.number(at, 4)? as usize)
    }
}

impl<'a, 'b> Table<'a, 'b> {
    fn place(&self, field: usize) -> Option<usize> {
        if field >= self.count {
            return None;
        }
        let offset = self.of.number(self.fields + 2 * field, 2)? as usize;
        (offset > 0).then_some(self.at + offset)
    }

    /// A number without a sign; 0 where it is absent.
    pub fn number(&self, field: usize, width: usize) -> u64 {
        self.place(field).and_then(|at| self.of.number(at, width)).unwrap_or(0)
    }

    /// A number, if it is there.
    pub fn given(&self, field: usize, width: usize) -> Option<u64> {
        self.place(field).and_then(|at| self.of.number(at, width))
    }

    /// A table that this one refers to.
    pub fn table(&self, field: usize) -> Option<Table<'a, 'b>> {
        self.of.table(self.of.follow(self.place(field)?)?)
    }

    /// Text; none where it is absent.
    pub fn text(&self, field: usize) -> Option<&'a [u8]> {
        let at = self.of.follow(self.place(field)?)?;
        let length = self.of.number(at, 4)? as usize;
        self.of.take(at + 4, length)
    }

    /// Tables of a list.
    pub fn tables(&self, field: usize) -> Option<Vec<Table<'a, 'b>>> {
        let Some(place) = self.place(field) else { return Some(Vec::new()) };
        let at = self.of.follow(place)?;
        let count = self.of.number(at, 4)? as usize;
        if count > ITEMS {
            return None;
        }
        (0..count).map(|i| self.of.table(self.of.follow(at + 4 + 4 * i)?)).collect()
    }

    /// Pairs of long numbers of a list.
    pub fn pairs(&self, field: usize) -> Option<Vec<(u64, u64)>> {
        let Some(place) = self.place(field) else { return Some(Vec::new()) };
        let at = self.of.follow(place)?;
        let count = self.of.number(at, 4)? as usize;
        if count > ITEMS {
            return None;
        }
        (0..count)
            .map(|i| Some((self.of.number(at + 4 + 16 * i, 8)?, self.of.number(at + 12 + 16 * i, 8)?)))
            .collect()
    }

    /// Long numbers of a list.
    pub fn longs(&self, field: usize) -> Option<Vec<u64>> {
        let Some(place) = self.place(field) else { return Some(Vec::new()) };
        let at = self.of.follow(place)?;
        let count = self.of.number(at, 4)? as usize;
        if count > ITEMS {
            return None;
        }
        (0..count).map(|i| self.of.number(at + 4 + 8 * i, 8)).collect()
    }
}

impl<'a> Table<'a, '_> {
    /// Records of fixed width of a list.
    pub fn records(&self, field: usize, width: usize) -> Option<Vec<&'a [u8]>> {
        let Some(place) = self.place(field) else { return Some(Vec::new()) };
        let at = self.of.follow(place)?;
        let count = self.of.number(at, 4)? as usize;
        if count > ITEMS {
            return None;
        }
        (0..count).map(|i| self.of.take(at + 4 + width * i, width)).collect()
    }
}
