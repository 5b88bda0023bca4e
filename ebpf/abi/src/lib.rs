//! What the kernel programs and their loader share: plain data, and *the decision itself*.
//!
//! The decision is a set of pure functions over plain numbers. The same source is compiled into the kernel programs
//! and run in property tests on the host, so what the tests prove is what the kernel does.
//!
//! Invariants, each with a test below the code:
//! - a confined subject is never allowed a write that lands outside a zone, in `enforce`;
//! - `audit` decides exactly like `enforce`, and only then lets go;
//! - `lockdown` only ever removes;
//! - an unconfined subject is never denied.
//!
//! Deliberately absent: I/O, allocation, knowledge of any kernel version.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod event;
pub mod file;
pub mod hook;
pub mod maps;
pub mod network;
pub mod process;
pub mod screen;
pub mod second_layer;
pub mod usermode;

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// Carries the mark: may not leave the zones.
    pub confined: bool,
    /// The session's transport (post-authentication sshd): keeps the sockets it already has.
    pub transport: bool,
    /// Frozen: it may go on working, but nothing it has may leave.
    pub locked: bool,
}

impl Subject {
    /// Somebody the gate does not judge.
    pub const FREE: Self = Self { confined: false, transport: false, locked: false };
    /// Somebody confined, without a role.
    pub const CONFINED: Self = Self { confined: true, transport: false, locked: false };
}

/// Why something was denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// It was not.
    Allowed = 0,
    /// The write lands outside every zone.
    OutsideZones = 1,
    /// A device that policy does not list.
    Device = 2,
    /// A network destination that policy does not list.
    Network = 3,
    /// A socket family, type or protocol that has no business here.
    SocketKind = 4,
    /// Listening where somebody outside could connect.
    Listen = 5,
    /// A socket opened by somebody unconfined and handed down.
    InheritedSocket = 6,
    /// An unconfined process that would act outside the mark.
    Deputy = 7,
    /// Changing the tree of mounts.
    Mount = 8,
    /// A kernel capability that opens a way out.
    Capability = 9,
    /// Loading or managing BPF.
    Bpf = 10,
    /// Reaching into an unconfined process.
    OtherProcess = 11,
    /// The mark could not be written: nobody runs unmarked.
    MarkFailed = 12,
    /// Everything outward is frozen.
    Lockdown = 13,
    /// A kernel interface without an ordinary use here.
    KernelInterface = 14,
    /// More bytes on the screen than the budget allows.
    Screen = 15,
    /// A listed service would take the caller for somebody else.
    BorrowedName = 16,
    /// Where it lands could not be found out: too deep, or no place known.
    Unresolved = 17,
    /// The file has another name, and that may lie outside the zones.
    OtherHome = 18,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 19] = [
        Self::Allowed,
        Self::OutsideZones,
        Self::Device,
        Self::Network,
        Self::SocketKind,
        Self::Listen,
        Self::InheritedSocket,
        Self::Deputy,
        Self::Mount,
        Self::Capability,
        Self::Bpf,
        Self::OtherProcess,
        Self::MarkFailed,
        Self::Lockdown,
        Self::KernelInterface,
        Self::Screen,
        Self::BorrowedName,
        Self::Unresolved,
        Self::OtherHome,
    ];

    /// Its name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::OutsideZones => "outside_zones",
            Self::Device => "device",
            Self::Network => "network",
            Self::SocketKind => "socket_kind",
            Self::Listen => "listen",
            Self::InheritedSocket => "inherited_socket",
            Self::Deputy => "deputy",
            Self::Mount => "mount",
            Self::Capability => "capability",
            Self::Bpf => "bpf",
            Self::OtherProcess => "other_process",
            Self::MarkFailed => "mark_failed",
            Self::Lockdown => "lockdown",
            Self::KernelInterface => "kernel_interface",
            Self::Screen => "screen",
            Self::BorrowedName => "borrowed_name",
            Self::Unresolved => "unresolved",
            Self::OtherHome => "other_home",
        }
    }
}

/// Policy switches the decision depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Confined processes may listen on loopback.
    pub listen_loopback: bool,
}

/// The answer to a question, before the mode is applied.
pub type Answer = Reason;

/// What the kernel hears: 0, or −EPERM. `audit` records like `enforce` and allows.
#[inline(always)]
#[must_use]
pub const fn verdict(answer: Answer, audit: bool) -> i32 {
    if matches!(answer, Reason::Allowed) || audit { 0 } else { -1 }
}

#[cfg(test)]
mod tests;
