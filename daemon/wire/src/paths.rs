//! Where things are on an installed node. One place, so that no two processes disagree.

/// The policy document.
pub const POLICY: &str = "/etc/sekisho/policy.toml";
/// Further policy documents, read in name order.
pub const POLICY_DIR: &str = "/etc/sekisho/policy.d";
/// `sekisho` → airlock; anyone may connect, peer credentials decide.
pub const AIRLOCK_SOCKET: &str = "/run/sekisho/airlock.sock";
/// airlock → notary; only the airlock's uid is served.
pub const NOTARY_SOCKET: &str = "/run/sekisho-notary/notary.sock";
/// airlock → one inspector per connection (systemd socket activation, `Accept=yes`).
pub const INSPECT_SOCKET: &str = "/run/sekisho-inspect/inspect.sock";
/// `sekisho why`, `sekisho doctor` and the airlock → gate; anyone may connect, peer credentials decide.
pub const GATE_SOCKET: &str = "/run/sekisho-gate/gate.sock";
/// The gate's heartbeat, which the notary reads before each release.
pub const GATE_HEARTBEAT: &str = "/run/sekisho-gate/heartbeat";
/// Bpffs directory of the gate's pins, mode 0700.
pub const GATE_PINS: &str = "/sys/fs/bpf/sekisho";
/// The kernel programs.
pub const GATE_OBJECT: &str = "/usr/lib/sekisho/gate.bpf.o";
/// Installed daemons.
pub const LIBEXEC: &str = "/usr/libexec/sekisho";
/// One directory per project below it.
pub const SPOOL: &str = "/var/spool/sekisho";
/// The airlock's database.
pub const AIRLOCK_STATE: &str = "/var/lib/sekisho";
/// `hold/ archive/ ledger/` of the notary.
pub const NOTARY_STATE: &str = "/var/lib/sekisho-notary";
/// Published bags: `<project>/<request>/`.
pub const RELEASE: &str = "/var/lib/sekisho-release";
