//! Are records missing? The kernel counts every denial and every record that found the ring full; this side counts
//! what it read. What is in neither was lost on the way, in a daemon that was killed with records in its hands.

use sekisho_abi::maps::VERSION;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;

/// Counted so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counted {
    /// Version of the maps whose counters these are.
    version: u32,
    /// Records read and kept.
    read: u64,
    /// Loss that was already said.
    said: u64,
}

/// The comparison.
#[derive(Debug)]
pub struct Loss {
    path: PathBuf,
    counted: Counted,
    /// The shortfall at the last look, and what had been read then: one that stays is real, one that goes was a record
    /// being written at that moment.
    suspected: Option<(u64, u64)>,
    lost: u64,
}

/// Newly found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Newly lost.
    pub lost: u64,
    /// Of all: the ring was full.
    pub ring_full: u64,
    /// Of all: read by nobody.
    pub unread: u64,
}

impl Loss {
    /// `path` must not outlive a boot: the counters do not either.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let counted: Option<Counted> = fs::read(&path).ok().and_then(|b| serde_json::from_slice(&b).ok());
        let counted = counted.filter(|c| c.version == VERSION);
        let counted = counted.unwrap_or(Counted { version: VERSION, ..Counted::default() });
        Self { path, counted, suspected: None, lost: counted.said }
    }

    /// So many more were read and kept.
    pub fn read(&mut self, records: u64) {
        if records > 0 {
            self.counted.read += records;
            self.save();
        }
    }

    /// With the kernel's counters. `Some` when there is something new to say. What still waits in the ring is suspected and
    /// no loss: it is read before the next look, and something else is suspected then.
    pub fn look(&mut self, denials: u64, ring_full: u64) -> Option<Found> {
        // Counters younger than our file: the maps were made anew.
        if denials < self.counted.read {
            self.counted = Counted { version: VERSION, ..Counted::default() };
        }
        let short = denials.saturating_sub(ring_full).saturating_sub(self.counted.read);
        let stays = self.suspected == Some((short, self.counted.read));
        self.suspected = Some((short, self.counted.read));
        let unread = if stays { short } else { 0 };
        self.lost = (ring_full + unread).max(self.lost);
        let new = self.lost.saturating_sub(self.counted.said);
        if new == 0 {
            return None;
        }
        self.counted.said = self.lost;
        self.save();
        Some(Found { lost: new, ring_full, unread })
    }

    /// Lost in all.
    pub fn total(&self) -> u64 {
        self.lost
    }

    fn save(&self) {
        let kept = serde_json::to_vec(&self.counted).map_err(std::io::Error::from);
        if let Err(error) = kept.and_then(|bytes| fs::write(&self.path, bytes)) {
            tracing::warn!(%error, "the count of records was not kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_and_a_killed_daemon_are_both_counted_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("counted");
        let mut loss = Loss::open(&path);
        loss.read(10);
        assert_eq!(loss.look(10, 0), None);
        assert_eq!(loss.look(15, 5), Some(Found { lost: 5, ring_full: 5, unread: 0 }));
        // Killed with three records in its hands.
        let mut loss = Loss::open(&path);
        assert_eq!(loss.look(18, 5), None, "perhaps still being written");
        assert_eq!(loss.look(18, 5), Some(Found { lost: 3, ring_full: 5, unread: 3 }));
        assert_eq!(loss.look(18, 5), None);
        assert_eq!(Loss::open(&path).total(), 8);
    }

    #[test]
    fn a_record_in_the_making_is_no_loss_and_new_maps_begin_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut loss = Loss::open(dir.path().join("counted"));
        loss.read(4);
        assert_eq!(loss.look(5, 0), None);
        loss.read(1);
        assert_eq!(loss.look(5, 0), None);
        assert_eq!(loss.look(0, 0), None);
        loss.read(2);
        assert_eq!((loss.look(2, 0), loss.total()), (None, 0));
    }
}
