//! The registry: every channel, by group.
//!
//! A channel is a line in its group's list: a name, what it tries, the hooks and the reason that the gate's record must
//! show, and the try itself, which ends in the kernel's own error. It says nothing about arrival unless looking for the
//! canary in its directory outside and in everything received is not enough. To try a few of them in a lab:
//!
//! ```sh
//! cargo build -p sekisho-tests && cargo xtask vm run --root --copy target/debug/sekisho-escape \
//!   --before '(setsid /tmp/in/sekisho-escape witness > /tmp/witness.log 2>&1 < /dev/null &)
//!             until grep -q ready /tmp/witness.log; do sleep 0.1; done; /tmp/in/sekisho-escape phase off files' \
//!   --after 'cat /tmp/witness.log' -- '/tmp/in/sekisho-escape phase on files open_existing'
//! ```

use crate::channel::{Channel, Entry};

mod cores;
mod deputy;
mod descriptors;
mod devices;
mod families;
mod files;
mod ipc;
mod kernel;
mod keys;
mod links;
mod listening;
mod loopback;
mod memory;
mod metadata;
mod mounts;
mod namespaces;
mod network;
mod processes;
mod procfs;
mod programs;
mod reach;
mod rings;
mod root;
mod sockets;

/// Groups in the order of the table.
const GROUPS: &[(&str, &[Channel])] = &[
    ("files", files::CHANNELS),
    ("descriptors", descriptors::CHANNELS),
    ("names", links::CHANNELS),
    ("metadata", metadata::CHANNELS),
    ("memory", memory::CHANNELS),
    ("rings", rings::CHANNELS),
    ("mounts", mounts::CHANNELS),
    ("namespaces", namespaces::CHANNELS),
    ("kernel files", procfs::CHANNELS),
    ("processes", processes::CHANNELS),
    ("core dumps", cores::CHANNELS),
    ("devices", devices::CHANNELS),
    ("kernel interfaces", kernel::CHANNELS),
    ("keys", keys::CHANNELS),
    ("programs", programs::CHANNELS),
    ("network", network::CHANNELS),
    ("loopback", loopback::CHANNELS),
    ("listening", listening::CHANNELS),
    ("sockets", sockets::CHANNELS),
    ("families", families::CHANNELS),
    ("ipc", ipc::CHANNELS),
    ("deputies", deputy::CHANNELS),
    ("root", root::CHANNELS),
];

/// All channels, group by group.
pub(crate) fn all() -> impl Iterator<Item = Entry> {
    GROUPS.iter().flat_map(|(group, channels)| channels.iter().map(move |channel| Entry { group, channel }))
}

/// The channel of that name.
pub(crate) fn named(name: &str) -> Option<Entry> {
    all().find(|entry| entry.channel.name == name)
}
