//! Writes a policy into the maps: everything under a new epoch, then one number, then the old entries go.

use crate::screen::budget_bytes;
use crate::tables::Tables;
use aya::Ebpf;
use aya::maps::lpm_trie::Key;
use aya::maps::{Array, HashMap, LpmTrie, MapData, MapError};
use sekisho_abi::maps::{
    Config, DESTINATION_FIXED_BITS, LOCK_ACCOUNT, LOCK_EVERYONE, NUMBER_CGROUP, NUMBER_DEVICE,
    NUMBER_LOOPBACK, NUMBER_UID, UID_CONFINED, UID_EXEMPT,
};
use sekisho_abi::screen::Budget;
use std::collections::BTreeSet;

/// A step that failed: the old epoch stays in force.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The object lacks a map.
    #[error(
        "the object has no map {0}\nhint: object and daemon are of different versions; install both from one build"
    )]
    Missing(&'static str),
    /// The kernel refused.
    #[error("map {map}: {source}")]
    Map {
        /// Which.
        map: &'static str,
        /// Why.
        source: MapError,
    },
}

type Node = [u8; 16];
type Number = [u8; 16];
type Unix = [u8; 112];

/// The policy maps, opened.
pub struct Store {
    epoch: Array<MapData, u32>,
    config: Array<MapData, [u8; size_of::<Config>()]>,
    screen: Array<MapData, [u8; size_of::<Budget>()]>,
    zones: HashMap<MapData, Node, u32>,
    transports: HashMap<MapData, Node, u32>,
    numbers: HashMap<MapData, Number, u32>,
    destinations: LpmTrie<MapData, [u8; 24], u32>,
    unix: HashMap<MapData, Unix, u32>,
    locks: HashMap<MapData, [u8; 8], u32>,
    locked: Array<MapData, u32>,
}

/// Whose way out is frozen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Locks {
    /// Everybody confined.
    pub everyone: bool,
    /// These accounts.
    pub accounts: BTreeSet<u32>,
}

fn on(map: &'static str) -> impl Fn(MapError) -> StoreError {
    move |source| StoreError::Map { map, source }
}

macro_rules! take {
    ($object:expr, $kind:ident, $name:literal) => {
        $kind::try_from($object.take_map($name).ok_or(StoreError::Missing($name))?).map_err(on($name))?
    };
}

impl Store {
    /// Takes the maps out of a loaded object.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take(object: &mut Ebpf) -> Result<Self, StoreError> {
        Ok(Self {
            epoch: take!(object, Array, "EPOCH"),
            config: take!(object, Array, "CONFIG"),
            screen: take!(object, Array, "SCREEN"),
            zones: take!(object, HashMap, "ZONES"),
            transports: take!(object, HashMap, "TRANSPORTS"),
            numbers: take!(object, HashMap, "NUMBERS"),
            destinations: take!(object, LpmTrie, "DESTINATIONS"),
            unix: take!(object, HashMap, "UNIX_PATHS"),
            locks: take!(object, HashMap, "LOCKS"),
            locked: take!(object, Array, "LOCKED"),
        })
    }

    /// Puts a policy into force: no hook sees half of it.
    ///
    /// # Errors
    /// [`StoreError`]; then the old policy is still in force.
    pub fn apply(&mut self, tables: &Tables) -> Result<u32, StoreError> {
        let old = self.epoch.get(&0, 0).map_err(on("EPOCH"))?;
        let new = old.wrapping_add(1);
        // Left-overs of an attempt that failed half way.
        self.clear(|epoch| epoch != old)?;
        if let Err(error) = self.write(tables, new) {
            self.clear(|epoch| epoch == new)?;
            return Err(error);
        }
        self.epoch.set(0, new, 0).map_err(on("EPOCH"))?;
        self.clear(|epoch| epoch != new)?;
        Ok(new)
    }

    /// Freezes exactly these, from the next system call on: sockets that are open, sessions that run. New locks come
    /// before old ones go, and the cell everybody looks at says "some" while there is one.
    ///
    /// # Errors
    /// [`StoreError`]; then some of the new locks may hold already, and none of the old ones was lifted.
    pub fn lock(&mut self, locks: &Locks) -> Result<(), StoreError> {
        let everyone = locks.everyone.then(|| lock_key(LOCK_EVERYONE, 0));
        let wanted: BTreeSet<_> = everyone
            .into_iter()
            .chain(locks.accounts.iter().map(|&uid| lock_key(LOCK_ACCOUNT, uid)))
            .collect();
        for key in &wanted {
            self.locks.insert(key, 1, 0).map_err(on("LOCKS"))?;
        }
        let count = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        if count > 0 {
            self.locked.set(0, count, 0).map_err(on("LOCKED"))?;
        }
        let stale: Vec<_> =
            self.locks.keys().filter_map(Result::ok).filter(|key| !wanted.contains(key)).collect();
        for key in stale {
            self.locks.remove(&key).map_err(on("LOCKS"))?;
        }
        self.locked.set(0, count, 0).map_err(on("LOCKED"))
    }

    fn write(&mut self, tables: &Tables, epoch: u32) -> Result<(), StoreError> {
        self.config.set(epoch & 1, config(&tables.sealed_config()), 0).map_err(on("CONFIG"))?;
        self.screen.set(epoch & 1, budget_bytes(tables.screen), 0).map_err(on("SCREEN"))?;
        for &(device, inode, zone) in &tables.zones {
            self.zones.insert(node(device, inode, epoch), zone, 0).map_err(on("ZONES"))?;
        }
        for &(device, inode) in &tables.transports {
            self.transports.insert(node(device, inode, epoch), 1, 0).map_err(on("TRANSPORTS"))?;
        }
        let mut put = |value: u64, kind: u32, content: u32| {
            self.numbers.insert(number(value, kind, epoch), content, 0).map_err(on("NUMBERS"))
        };
        for &uid in &tables.confined {
            put(u64::from(uid), NUMBER_UID, UID_CONFINED)?;
        }
        // After the confined ones: an account that is in both lists is exempt.
        for &uid in &tables.exempt {
            put(u64::from(uid), NUMBER_UID, UID_EXEMPT)?;
        }
        for &device in &tables.devices {
            put(u64::from(device), NUMBER_DEVICE, 1)?;
        }
        for &(protocol, port) in &tables.loopback {
            put(u64::from(protocol << 16 | u32::from(port)), NUMBER_LOOPBACK, 1)?;
        }
        for &cgroup in &tables.cgroups {
            put(cgroup, NUMBER_CGROUP, 1)?;
        }
        for &(protocol, port, address, prefix) in &tables.destinations {
            let key = Key::new(DESTINATION_FIXED_BITS + prefix, destination(epoch, protocol, port, address));
            self.destinations.insert(&key, 1, 0).map_err(on("DESTINATIONS"))?;
        }
        for (path, word) in &tables.unix {
            let mut key = [0; 112];
            key[..4].copy_from_slice(&epoch.to_ne_bytes());
            key[4..].copy_from_slice(path);
            self.unix.insert(key, word, 0).map_err(on("UNIX_PATHS"))?;
        }
        Ok(())
    }

    /// Removes entries of other epochs. Every key has its epoch at a fixed place.
    fn clear(&mut self, stale: impl Fn(u32) -> bool) -> Result<(), StoreError> {
        for (map, name) in
            [(&mut self.zones, "ZONES"), (&mut self.transports, "TRANSPORTS"), (&mut self.numbers, "NUMBERS")]
        {
            let keys: Vec<_> = map.keys().filter_map(Result::ok).filter(|k| stale(epoch_at(k, 8))).collect();
            for key in keys {
                map.remove(&key).map_err(on(name))?;
            }
        }
        let keys: Vec<_> = self
            .destinations
            .keys()
            .filter_map(Result::ok)
            .filter(|k| stale(epoch_at(&k.data(), 0)))
            .collect();
        for key in keys {
            self.destinations.remove(&key).map_err(on("DESTINATIONS"))?;
        }
        let keys: Vec<_> =
            self.unix.keys().filter_map(Result::ok).filter(|k| stale(epoch_at(k, 0))).collect();
        for key in keys {
            self.unix.remove(&key).map_err(on("UNIX_PATHS"))?;
        }
        Ok(())
    }
}

fn epoch_at(key: &[u8], at: usize) -> u32 {
    key.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes)
}

/// [`sekisho_abi::maps::NodeKey`] as bytes.
fn node(device: u32, inode: u64, epoch: u32) -> Node {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&inode.to_ne_bytes());
    key[8..12].copy_from_slice(&epoch.to_ne_bytes());
    key[12..].copy_from_slice(&device.to_ne_bytes());
    key
}

/// [`sekisho_abi::maps::NumberKey`] as bytes.
fn number(value: u64, kind: u32, epoch: u32) -> Number {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&value.to_ne_bytes());
    key[8..12].copy_from_slice(&epoch.to_ne_bytes());
    key[12..].copy_from_slice(&kind.to_ne_bytes());
    key
}

/// [`sekisho_abi::maps::LockKey`] as bytes.
fn lock_key(kind: u32, number: u32) -> [u8; 8] {
    let mut key = [0; 8];
    key[..4].copy_from_slice(&kind.to_ne_bytes());
    key[4..].copy_from_slice(&number.to_ne_bytes());
    key
}

/// [`sekisho_abi::maps::DestinationKey`] as bytes.
fn destination(epoch: u32, protocol: u16, port: u16, address: [u8; 16]) -> [u8; 24] {
    let mut key = [0; 24];
    key[..4].copy_from_slice(&epoch.to_ne_bytes());
    key[4..6].copy_from_slice(&protocol.to_ne_bytes());
    key[6..8].copy_from_slice(&port.to_ne_bytes());
    key[8..].copy_from_slice(&address);
    key
}

fn config(config: &Config) -> [u8; size_of::<Config>()] {
    let words = [config.flags, config.ranges_used, config.lowest, config.unused]
        .into_iter()
        .chain(config.ranges.iter().flat_map(|r| [r.first, r.last]))
        .flat_map(u32::to_ne_bytes)
        .chain(config.filter.iter().copied().flat_map(u64::to_ne_bytes));
    let mut bytes = [0; size_of::<Config>()];
    for (slot, byte) in bytes.iter_mut().zip(words) {
        *slot = byte;
    }
    bytes
}
