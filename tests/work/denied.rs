//! What the gate denies while ordinary work goes on and ends well all the same: each with its reason.

use serde::Deserialize;
use std::fmt;

/// A record of the gate.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Denial {
    time: String,
    hook: String,
    comm: String,
    object: String,
    #[serde(default)]
    reason: String,
}

/// A denial that is no trouble.
struct Explained {
    hook: &'static str,
    /// The program, or empty for any.
    comm: &'static str,
    /// What stands in the object.
    object: &'static str,
    /// Why it is asked for, and why being refused does not matter.
    #[expect(dead_code, reason = "for the reader")]
    why: &'static str,
}

const fn explained(
    hook: &'static str,
    comm: &'static str,
    object: &'static str,
    why: &'static str,
) -> Explained {
    Explained { hook, comm, object, why }
}

const EXPLAINED: &[Explained] = &[
    explained("inode_create", "bash", "`cron` (a new name)", "the cron item's own try to leave"),
    explained(
        "capable",
        "",
        "capability 12",
        "sudo and su ask for a larger socket buffer; they get the usual one",
    ),
    explained("unix_stream_connect", "sudo", "/run/dbus/system_bus_socket", "no session of its own for sudo"),
    explained("unix_stream_connect", "sudo", "/run/systemd/userdb/", "accounts are read from /etc"),
    explained("inode_mknod", "systemd", "`chr`", "the person's service manager finds out what it may not do"),
    explained("bpf", "systemd", "bpf command 5", "likewise"),
    explained("cgroup/device", "systemd", "10:235", "likewise: automounts"),
    explained("socket_create", "systemd", "socket family 16", "likewise: devices are not its business"),
    explained("socket_create", "(sd-pam)", "socket family 16", "likewise: audit records of its end"),
    explained(
        "unix_stream_connect",
        "systemd",
        "/run/dbus/system_bus_socket",
        "likewise: it asks nobody else",
    ),
    explained("file_open", "utempter", "`utmp`", "tmux enters its terminals in the list of who is there"),
    explained("socket_connect", "curl", "127.0.0.1:8899", "the item asks until its server listens"),
    explained("socket_connect", "ZMQbg/IO/0", "127.0.0.1:", "ZeroMQ asks until the kernel listens"),
    explained("socket_connect", "getent", ":53", "names of the node stand in /etc/hosts"),
    explained("socket_connect", "mpirun", "127.0.0.1:600", "OpenMPI looks for X displays"),
    explained("socket_connect", "ring", "127.0.0.1:600", "likewise"),
];

impl Denial {
    /// A record made up.
    pub(crate) fn new(time: &str, hook: &str, comm: &str, object: &str) -> Self {
        let [time, hook, comm, object] = [time, hook, comm, object].map(str::to_owned);
        Self { time, hook, comm, object, reason: String::new() }
    }

    /// Did it happen between these moments, in seconds since the epoch?
    pub(crate) fn within(&self, begin: f64, end: f64) -> bool {
        let time: jiff::Timestamp = self.time.parse().unwrap();
        let time = time.as_duration().as_secs_f64();
        begin <= time && time <= end
    }

    /// Is it listed here?
    pub(crate) fn is_explained(&self) -> bool {
        EXPLAINED.iter().any(|explained| {
            explained.hook == self.hook
                && (explained.comm.is_empty() || explained.comm == self.comm)
                && self.object.contains(explained.object)
        })
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ({})", self.hook, self.comm, self.object, self.reason)
    }
}
