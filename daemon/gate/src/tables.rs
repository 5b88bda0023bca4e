//! A policy as the kernel programs see it: names resolved to numbers. Everything that touches the node is in
//! [`Node`], so that the translation itself can be tested.

use crate::screen::budget;
use sekisho_abi::maps::{
    CONFIG_AUDIT, CONFIG_LISTEN_LOOPBACK, Config, RANGES, UNIX_KEPT, UNIX_LISTED, UNIX_PATH, UidRange,
    WHOLE_FILESYSTEM, ZONE_SPOOL, ZONE_WORKSPACE, filter_place,
};
use sekisho_abi::screen::Budget;
use sekisho_policy::schema::{Destination, Gate, GateMode, ZoneKind};
use sekisho_wire::paths::{AIRLOCK_SOCKET, GATE_SOCKET};
use std::net::IpAddr;

/// One epoch's worth of policy, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// Switches and uid ranges.
    pub config: Config,
    /// (device, inode or 0 for the whole filesystem, zone).
    pub zones: Vec<(u32, u64, u32)>,
    /// (device, inode) of the session's transport.
    pub transports: Vec<(u32, u64)>,
    /// Accounts confined by name.
    pub confined: Vec<u32>,
    /// Accounts exempt by name.
    pub exempt: Vec<u32>,
    /// Kernel device numbers.
    pub devices: Vec<u32>,
    /// (protocol, port) of trusted listeners on loopback.
    pub loopback: Vec<(u32, u16)>,
    /// Cgroup ids.
    pub cgroups: Vec<u64>,
    /// (protocol, port, mapped address, prefix length within 128).
    pub destinations: Vec<(u16, u16, [u8; 16], u32)>,
    /// (path of a unix socket, `UNIX_…`).
    pub unix: Vec<([u8; UNIX_PATH], u32)>,
    /// How much may leave on the screen.
    pub screen: Budget,
    /// What could not be resolved, and what follows from it.
    pub warnings: Vec<String>,
}

impl Tables {
    /// The switches, with what spares the kernel programs most of their look-ups.
    #[must_use]
    pub fn sealed_config(&self) -> Config {
        let mut config = self.config;
        let ranges = config.ranges.iter().take(config.ranges_used as usize).map(|range| range.first);
        config.lowest = ranges.chain(self.confined.iter().copied()).min().unwrap_or(u32::MAX);
        for &(device, inode, _) in &self.zones {
            let number = if inode == WHOLE_FILESYSTEM { u64::from(device) } else { inode };
            let (word, bit) = filter_place(number);
            config.filter[word] |= bit;
        }
        config
    }
}

/// A file as the kernel programs identify it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Kernel device number of its filesystem.
    pub device: u32,
    /// Inode number.
    pub inode: u64,
    /// For a device node: the device it stands for.
    pub stands_for: u32,
    /// Is it a directory?
    pub directory: bool,
    /// Is it a device node?
    pub character_device: bool,
    /// Belongs to root and nobody else may write it.
    pub only_root_writes: bool,
    /// A network or user-space filesystem.
    pub remote: bool,
}

/// What the translation asks the node.
pub trait Node {
    /// A file, symlinks followed.
    fn file(&self, path: &str) -> Option<Identity>;
    /// An account.
    fn uid(&self, name: &str) -> Option<u32>;
    /// The absolute path without symlinks.
    fn real(&self, path: &str) -> Option<String>;
}

/// Where post-authentication sshd may live: OpenSSH before and after 9.8.
const TRANSPORTS: [&str; 3] =
    ["/usr/sbin/sshd", "/usr/lib/openssh/sshd-session", "/usr/lib/openssh/sshd-auth"];

/// Sockets that answer in lockdown too: they tell people what happened, and release nothing by themselves.
const KEPT: [&str; 2] = [AIRLOCK_SOCKET, GATE_SOCKET];

/// A policy the kernel half cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Too many ranges.
    #[error(
        "gate.subjects.uid_ranges has {0} ranges\nhint: at most {RANGES}; merge some, or name accounts in users"
    )]
    Ranges(usize),
    /// An account does not exist.
    #[error("{key}: no account `{name}` on this node\nhint: create it, or remove it from the policy")]
    Account {
        /// Key in the policy.
        key: &'static str,
        /// Name.
        name: String,
    },
    /// A destination is not a network.
    #[error(
        "gate.network.allow: `{value}`: {problem}\nhint: for example cidr = \"10.0.0.0/8\", protocol = \"tcp\", port = 443"
    )]
    Destination {
        /// As written.
        value: String,
        /// What is wrong.
        problem: String,
    },
}

/// Translates.
///
/// # Errors
/// [`TableError`]: the old policy stays in force.
pub fn translate(gate: &Gate, node: &impl Node) -> Result<Tables, TableError> {
    let mut tables = Tables { screen: budget(&gate.screen), ..Tables::default() };
    subjects(gate, node, &mut tables)?;
    zones(gate, node, &mut tables);
    for path in &gate.devices {
        match node.file(path) {
            Some(file) if file.character_device => tables.devices.push(file.stands_for),
            Some(_) => {
                tables.warnings.push(format!("gate.devices: {path} is not a character device; left out"))
            }
            None => tables
                .warnings
                .push(format!("gate.devices: {path} does not exist; left out until the next reload")),
        }
    }
    for path in TRANSPORTS {
        match node.file(path) {
            Some(file) if file.only_root_writes => tables.transports.push((file.device, file.inode)),
            Some(_) => tables
                .warnings
                .push(format!("{path} can be written by others than root: not trusted as transport")),
            None => {}
        }
    }
    network(gate, node, &mut tables)?;
    Ok(tables)
}

fn subjects(gate: &Gate, node: &impl Node, tables: &mut Tables) -> Result<(), TableError> {
    let ranges = &gate.subjects.uid_ranges;
    if ranges.len() > RANGES {
        return Err(TableError::Ranges(ranges.len()));
    }
    for (slot, &(first, last)) in tables.config.ranges.iter_mut().zip(ranges) {
        *slot = UidRange { first, last };
    }
    tables.config.ranges_used = u32::try_from(ranges.len()).unwrap_or(0);
    if gate.mode == GateMode::Audit {
        tables.config.flags |= CONFIG_AUDIT;
    }
    if gate.network.listen_loopback {
        tables.config.flags |= CONFIG_LISTEN_LOOPBACK;
    }
    for name in &gate.subjects.users {
        let missing = || TableError::Account { key: "gate.subjects.users", name: name.clone() };
        tables.confined.push(node.uid(name).ok_or_else(missing)?);
    }
    for name in &gate.subjects.exempt_users {
        // An exempt account that does not exist exempts nobody: safe to leave out.
        match node.uid(name) {
            Some(uid) => tables.exempt.push(uid),
            None => {
                tables.warnings.push(format!("gate.subjects.exempt_users: no account `{name}`; left out"))
            }
        }
    }
    for path in &gate.subjects.cgroups {
        let full = format!("/sys/fs/cgroup/{}", path.trim_start_matches('/'));
        match node.file(&full) {
            Some(file) if file.directory => tables.cgroups.push(file.inode),
            _ => tables.warnings.push(format!(
                "gate.subjects.cgroups: {full} does not exist yet; its processes are confined by account only until the next reload"
            )),
        }
    }
    Ok(())
}

fn zones(gate: &Gate, node: &impl Node, tables: &mut Tables) {
    for zone in &gate.zones {
        let path = &zone.path;
        let kind = match zone.kind {
            ZoneKind::Workspace => ZONE_WORKSPACE,
            ZoneKind::Spool => ZONE_SPOOL,
        };
        match node.file(path) {
            None => tables.warnings.push(format!("zone {path} does not exist: nobody can write there until it does and the policy is reloaded")),
            Some(file) if !file.directory => tables.warnings.push(format!("zone {path} is not a directory; left out")),
            Some(file) if file.remote && !zone.remote => tables.warnings.push(format!(
                "zone {path} is on a network or user-space filesystem: left out; say remote = true if it stays inside the enclave"
            )),
            Some(file) => tables.zones.push((file.device, if zone.whole_filesystem { 0 } else { file.inode }, kind)),
        }
    }
}

fn network(gate: &Gate, node: &impl Node, tables: &mut Tables) -> Result<(), TableError> {
    tables.loopback = gate.network.loopback_ports.iter().flat_map(|&port| [(6, port), (17, port)]).collect();
    for allowed in &gate.network.allow {
        tables.destinations.push(destination(allowed)?);
    }
    for path in &gate.network.unix {
        // The listener bound the real path, or the one written here: both are it.
        for candidate in [Some(path.clone()), node.real(path)].into_iter().flatten() {
            match unix_path(&candidate) {
                Some(bytes) if tables.unix.iter().all(|(known, _)| *known != bytes) => {
                    tables.unix.push((
                        bytes,
                        if KEPT.contains(&candidate.as_str()) { UNIX_KEPT } else { UNIX_LISTED },
                    ));
                }
                Some(_) => {}
                None => tables
                    .warnings
                    .push(format!("gate.network.unix: {candidate} is too long for a unix socket; left out")),
            }
        }
    }
    Ok(())
}

fn unix_path(path: &str) -> Option<[u8; UNIX_PATH]> {
    let mut bytes = [0; UNIX_PATH];
    // One byte stays zero: the kernel's copy is terminated too.
    if path.is_empty() || path.len() >= UNIX_PATH {
        return None;
    }
    bytes[..path.len()].copy_from_slice(path.as_bytes());
    Some(bytes)
}

/// A destination as a trie key: IPv4 is mapped, so that both spellings of an address are one.
fn destination(allowed: &Destination) -> Result<(u16, u16, [u8; 16], u32), TableError> {
    let refuse =
        |problem: &str| TableError::Destination { value: allowed.cidr.clone(), problem: problem.into() };
    let protocol = match allowed.protocol.as_str() {
        "tcp" => 6,
        "udp" => 17,
        _ => return Err(refuse("protocol must be \"tcp\" or \"udp\"")),
    };
    let (address, prefix) = allowed.cidr.split_once('/').unwrap_or((&allowed.cidr, ""));
    let address: IpAddr = address.parse().map_err(|_| refuse("not an address"))?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix: u32 = if prefix.is_empty() {
        longest
    } else {
        prefix.parse().map_err(|_| refuse("not a prefix length"))?
    };
    if prefix > longest {
        return Err(refuse("prefix length too long"));
    }
    let (bytes, prefix) = match address {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped().octets(), prefix + 96),
        IpAddr::V6(v6) => (v6.octets(), prefix),
    };
    Ok((protocol, allowed.port, bytes, prefix))
}

#[cfg(test)]
mod tests;
