//! The policy file: one TOML document (`/etc/sekisho/policy.toml` plus `policy.d/*.toml`), version 1.
//!
//! Unknown keys are refused. Defaults are the guideline's thresholds and live here and nowhere else. A site may
//! tighten them freely; loosening one needs a `[[deviation]]` that names who allowed it.

mod day;
mod document;
mod lookup;
mod validate;

pub use document::Document;
pub use lookup::Certificate;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The whole policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Format version; always 1. Required in the first document, optional in those of `policy.d`.
    #[serde(default = "current_version")]
    pub version: u32,
    /// Who runs this node.
    #[serde(default)]
    pub site: Site,
    /// The gate: who is confined, where they may write, whom they may reach.
    #[serde(default)]
    pub gate: Gate,
    /// Institutions whose officers decide.
    #[serde(default, rename = "institution")]
    pub institutions: Vec<Institution>,
    /// Certified officers.
    #[serde(default, rename = "officer")]
    pub officers: Vec<Officer>,
    /// Approved research projects (plans).
    #[serde(default, rename = "project")]
    pub projects: Vec<Project>,
    /// `5-4(1)(i)`: independent sites per person.
    #[serde(default)]
    pub sites: Sites,
    /// `5-4(2)(i)`: subject counts.
    #[serde(default)]
    pub counts: Counts,
    /// `5-4(2)(ii)`: allele and genotype frequencies.
    #[serde(default)]
    pub frequency: Frequency,
    /// Digits as a channel.
    #[serde(default)]
    pub numbers: Numbers,
    /// Bounds on what one request may hold.
    #[serde(default)]
    pub limits: Limits,
    /// Where the ledger's checkpoints go, and the like.
    #[serde(default)]
    pub notary: Notary,
    /// Loosened thresholds, each with the name of who allowed it.
    #[serde(default, rename = "deviation")]
    pub deviations: Vec<Deviation>,
}

fn current_version() -> u32 {
    VERSION
}

/// The only format version there is.
pub const VERSION: u32 = 1;

/// Who runs this node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// Name of the node, as recipients of a bag should read it.
    pub name: String,
    /// Node accounts of the platform secretariat.
    pub secretariat: Vec<String>,
}

/// `[gate]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gate {
    /// What a denial does.
    pub mode: GateMode,
    /// What the gate must be doing while something is released.
    pub release_needs: ReleaseNeeds,
    /// Who is confined.
    pub subjects: Subjects,
    /// Where confined processes may write.
    #[serde(rename = "zone")]
    pub zones: Vec<Zone>,
    /// Device nodes confined processes may open for writing, besides the built-in harmless ones.
    pub devices: Vec<String>,
    /// Where confined processes may connect, listen and accept.
    pub network: Network,
    /// How much a session may show on its screen.
    pub screen: Screen,
}

/// `gate.mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateMode {
    /// Deny and record.
    #[default]
    Enforce,
    /// Decide and record as `enforce` would, but allow.
    Audit,
}

/// `gate.release_needs`: anything but `enforce` needs a deviation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseNeeds {
    /// A living gate that proved itself and denies.
    #[default]
    Enforce,
    /// A living gate, even one that only records.
    Audit,
    /// No gate: this node has none.
    Nothing,
}

impl ReleaseNeeds {
    /// The word in the policy file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
            Self::Nothing => "nothing",
        }
    }
}

/// `[gate.subjects]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Subjects {
    /// Inclusive uid ranges whose processes are confined.
    pub uid_ranges: Vec<(u32, u32)>,
    /// Account names whose processes are confined.
    pub users: Vec<String>,
    /// Cgroup subtrees (paths below `/sys/fs/cgroup`) whose processes are confined.
    pub cgroups: Vec<String>,
    /// Accounts (names) that stay unconfined although a range or cgroup above covers them: officers,
    /// administrators. Never lifts a mark a process already carries.
    pub exempt_users: Vec<String>,
}

/// `[[gate.zone]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Absolute path of the directory, or of the mount point when `whole_filesystem`.
    pub path: String,
    /// What it is for.
    pub kind: ZoneKind,
    /// The whole superblock instead of a subtree.
    #[serde(default)]
    pub whole_filesystem: bool,
    /// A network or FUSE filesystem inside the enclave.
    #[serde(default)]
    pub remote: bool,
}

/// `kind` of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ZoneKind {
    /// Inside the node: home, scratch, tmp.
    Workspace,
    /// The way out: what lands here is taken into custody.
    Spool,
}

/// `[gate.network]`. Everything not listed is denied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Destinations outside this node.
    pub allow: Vec<Destination>,
    /// Loopback ports whose (unconfined) listener is trusted; confined listeners need no entry.
    pub loopback_ports: Vec<u16>,
    /// May confined processes listen on loopback?
    pub listen_loopback: bool,
    /// Filesystem paths of unix sockets of unconfined peers that may be reached.
    pub unix: Vec<String>,
}

/// `[gate.screen]`. What leaves through a session's transport (sshd) is counted always, and limited where this says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Screen {
    /// Bytes that may leave in any hour, per account; half of them at once, the rest at an even pace. Absent: no limit.
    pub bytes_per_hour: Option<u64>,
    /// What happens to more.
    pub over: ScreenOver,
}

/// `gate.screen.over`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScreenOver {
    /// It is slowed down to the budget's pace.
    #[default]
    Throttle,
    /// It is refused, which ends the connection.
    Cut,
}

/// The least `gate.screen.bytes_per_hour`: some five hundred full screens. Less would lock people out.
pub const SCREEN_FLOOR: u64 = 1 << 20;
/// The largest `gate.screen.bytes_per_hour` that means anything.
pub const SCREEN_CEILING: u64 = 1 << 40;

/// One allowed destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// `10.0.0.0/8`, `2001:db8::/32`.
    pub cidr: String,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Destination port.
    pub port: u16,
}

/// `[[institution]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Institution {
    /// Short id.
    pub id: String,
    /// Name in English.
    pub name: String,
    /// Name in Japanese.
    #[serde(default)]
    pub name_ja: String,
}

/// `[[officer]]`: an information-security officer certified under `5-5(3)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Officer {
    /// Short id: the principal in `allowed_signers`.
    pub id: String,
    /// Name.
    pub name: String,
    /// Title.
    #[serde(default)]
    pub title: String,
    /// Institution id.
    pub institution: String,
    /// Node account; identity comes from the kernel.
    pub user: String,
    /// First day the certificate holds.
    #[serde(deserialize_with = "day::read")]
    pub certified_on: Date,
    /// Last day it holds.
    #[serde(deserialize_with = "day::read")]
    pub valid_until: Date,
    /// Set when revoked before its end; from that day on the officer cannot decide.
    #[serde(default, deserialize_with = "day::read_some")]
    pub revoked_on: Option<Date>,
    /// OpenSSH public key, `ssh-ed25519` or `sk-ssh-ed25519@openssh.com`.
    pub key: String,
}

/// `[[project]]`: an approved plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Short id: the spool directory's name.
    pub id: String,
    /// Title of the plan.
    pub title: String,
    /// Institution id: its officers decide.
    pub institution: String,
    /// First day of the plan.
    #[serde(deserialize_with = "day::read")]
    pub from: Date,
    /// Last day of the plan.
    #[serde(deserialize_with = "day::read")]
    pub until: Date,
    /// Dataset ids the plan covers.
    #[serde(default)]
    pub datasets: Vec<String>,
    /// Node accounts of its members.
    pub members: Vec<String>,
    /// Kinds of files the plan names among its results, as reports call them; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// Most bytes of one file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_bytes: Option<u64>,
    /// Most bytes of all releases together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<u64>,
    /// Most files of all releases together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_files: Option<u64>,
}

/// `[sites]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sites {
    /// More independent sites per person than this block; exactly this many is `review`.
    pub limit: u64,
    /// This many STR loci or more block.
    pub str_loci: u64,
}

impl Default for Sites {
    fn default() -> Self {
        Self { limit: 40, str_loci: 9 }
    }
}

/// `[counts]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Counts {
    /// Fewer subjects than this identify.
    pub minimum: u64,
    /// What a count of zero weighs.
    pub zero: Weight,
}

impl Default for Counts {
    fn default() -> Self {
        Self { minimum: 10, zero: Weight::Review }
    }
}

/// A verdict as policy may set it, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Only a note.
    Pass,
    /// For the officer.
    Review,
    /// Refused.
    Block,
}

impl Weight {
    /// The word in the policy file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Review => "review",
            Self::Block => "block",
        }
    }
}

/// `[frequency]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Frequency {
    /// What "count of subjects under 10" is read to mean.
    pub reading: Reading,
    /// What a site weighs whose carriers lie on both sides of the limit.
    pub straddle: Weight,
}

impl Default for Frequency {
    fn default() -> Self {
        Self { reading: Reading::Carriers, straddle: Weight::Review }
    }
}

/// `frequency.reading`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reading {
    /// The people who carry the allele (stricter).
    Carriers,
    /// The people in whom it was looked for.
    Denominator,
}

/// `[numbers]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Numbers {
    /// More significant digits than this are reported.
    pub significant_digits: u32,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { significant_digits: 6 }
    }
}

/// `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest file taken into custody, bytes.
    pub file_bytes: u64,
    /// Most files in one request.
    pub request_files: u64,
    /// Longest an inspector may take, seconds.
    pub inspect_seconds: u64,
    /// Most memory an inspector may use, bytes.
    pub inspect_memory_bytes: u64,
    /// Hours an officer has to decide before the request counts as overdue.
    pub decision_hours: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 20 << 30,
            request_files: 100,
            inspect_seconds: 600,
            inspect_memory_bytes: 512 << 20,
            decision_hours: 72,
        }
    }
}

/// `[notary]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notary {
    /// Directory every checkpoint is also written to; usually a mount that leaves the node.
    pub checkpoint_drop: Option<String>,
}

/// `[[deviation]]`: a threshold loosened against the guideline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviation {
    /// Dotted key, e.g. `counts.minimum`.
    pub key: String,
    /// Who allowed it.
    pub allowed_by: String,
    /// When.
    #[serde(deserialize_with = "day::read")]
    pub on: Date,
    /// Why.
    pub reason: String,
}

/// Why a policy was refused. Displays as `file:line:column: what`, then a `hint:` line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}\nhint: {hint}")]
pub struct PolicyError {
    /// File the mistake is in.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong, with the value.
    pub message: String,
    /// The accepted values or the way out.
    pub hint: String,
    /// The same in Japanese.
    pub japanese: Box<Sentence>,
}

/// What is wrong and the way out, in one language.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sentence {
    /// What is wrong, with the value.
    pub message: String,
    /// The accepted values or the way out.
    pub hint: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            version: VERSION,
            site: Site::default(),
            gate: Gate::default(),
            institutions: Vec::new(),
            officers: Vec::new(),
            projects: Vec::new(),
            sites: Sites::default(),
            counts: Counts::default(),
            frequency: Frequency::default(),
            numbers: Numbers::default(),
            limits: Limits::default(),
            notary: Notary::default(),
            deviations: Vec::new(),
        }
    }
}
