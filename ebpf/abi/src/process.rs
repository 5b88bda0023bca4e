//! What a confined process may do with its own rights and with other processes.

use crate::{Answer, Reason, Subject, maps};

/// Capabilities that open a way out: each would let its holder act outside the mark.
const REFUSED: &[u32] = &[
    12, // NET_ADMIN: addresses, routes, tunnels, packet filters
    13, // NET_RAW: raw and packet sockets
    16, // SYS_MODULE: code in the kernel
    17, // SYS_RAWIO: ports, memory, raw disk commands
    19, // SYS_PTRACE: other people's processes
    20, // SYS_PACCT: accounting files written by the kernel
    21, // SYS_ADMIN: mounts, namespaces, and everything else
    22, // SYS_BOOT: another kernel
    25, // SYS_TIME: the clock is a shared, visible number
    27, // MKNOD: device nodes
    30, // AUDIT_CONTROL: another login uid
    32, // MAC_OVERRIDE
    33, // MAC_ADMIN
    34, // SYSLOG: the kernel's log
    38, // PERFMON: tracing the kernel
    39, // BPF: the gate itself
    40, // CHECKPOINT_RESTORE
];

const fn mask() -> u64 {
    let mut mask = 0;
    let mut i = 0;
    while i < REFUSED.len() {
        mask |= 1 << REFUSED[i];
        i += 1;
    }
    mask
}

/// The same as a bit mask.
pub const REFUSED_MASK: u64 = mask();

/// May it use this capability, in whatever namespace?
#[inline(always)]
#[must_use]
pub const fn decide_capability(subject: Subject, capability: u32) -> Answer {
    if subject.confined && (capability >= 64 || REFUSED_MASK & (1 << capability) != 0) {
        Reason::Capability
    } else {
        Reason::Allowed
    }
}

/// May it look into, trace or signal that process?
#[inline(always)]
#[must_use]
pub const fn decide_process(subject: Subject, target: Subject) -> Answer {
    if subject.confined && (!target.confined || target.transport) {
        Reason::OtherProcess
    } else {
        Reason::Allowed
    }
}

/// Things nobody confined does: `reason` says which.
#[inline(always)]
#[must_use]
pub const fn decide_never(subject: Subject, reason: Reason) -> Answer {
    if subject.confined { reason } else { Reason::Allowed }
}

/// May it make an io_uring? The transport works without, and what it sends is to be seen one by one.
#[inline(always)]
#[must_use]
pub const fn decide_ring(subject: Subject) -> Answer {
    if subject.confined && subject.transport { Reason::KernelInterface } else { Reason::Allowed }
}

/// May it change a System V object? What somebody unconfined made is read by somebody unconfined.
#[inline(always)]
#[must_use]
pub const fn decide_shared(subject: Subject, made_by_confined: bool) -> Answer {
    if !subject.confined || made_by_confined { Reason::Allowed } else { Reason::Deputy }
}

/// `KEY_NEED_WRITE`, `KEY_NEED_SETATTR`: the uses of a key that put something into it (linux 5.8).
const KEY_WRITES: [u32; 2] = [3, 6];

/// May it use this key so? An account that is not confined reads its own keys.
#[inline(always)]
#[must_use]
pub const fn decide_key(subject: Subject, need: u32, confined_account: bool) -> Answer {
    let writes = need == KEY_WRITES[0] || need == KEY_WRITES[1];
    if subject.confined && writes && !confined_account { Reason::Deputy } else { Reason::Allowed }
}

/// Bytes of a key type's name that are looked at.
pub const KEY_TYPE: usize = 8;

/// May it make a key of this type? Only those for which the kernel asks nobody: for the others it starts a program
/// with root's rights outside the mark, and that one asks the network (`dns_resolver`, `cifs.spnego`). Names of
/// accounts on a network filesystem (`id_resolver`) are asked for by the filesystem itself.
#[inline(always)]
#[must_use]
pub const fn decide_key_type(subject: Subject, name: [u8; KEY_TYPE]) -> Answer {
    let harmless = matches!(
        &name,
        b"user\0\0\0\0"
            | b"logon\0\0\0"
            | b"keyring\0"
            | b"big_key\0"
            | b"id_resol"
            | b"id_legac"
            | b".request"
    );
    if subject.confined && !harmless { Reason::KernelInterface } else { Reason::Allowed }
}

/// What is known about a task that carries no mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Real uid is in the confined set.
    pub uid: bool,
    /// Real uid is exempt.
    pub uid_exempt: bool,
    /// Login uid is set.
    pub has_login: bool,
    /// Login uid is in the confined set.
    pub login: bool,
    /// Login uid is exempt.
    pub login_exempt: bool,
    /// A confined cgroup holds it.
    pub cgroup: bool,
}

/// Does an unmarked task become confined at this exec? (At any other moment only its real uid counts: sshd's
/// monitor carries the login uid and sits in the session's cgroup, and must stay free.)
#[inline(always)]
#[must_use]
pub const fn becomes_confined(identity: Identity) -> bool {
    if identity.uid && !identity.uid_exempt {
        return true;
    }
    if identity.has_login {
        !identity.login_exempt && (identity.login || identity.cgroup)
    } else {
        identity.cgroup && !identity.uid_exempt
    }
}

/// Does a task's real uid alone confine it, between execs? Not while it keeps root's effective uid: `pam_keyinit` lends
/// the root half of a login (sshd's monitor, `su`) the user's real uid for a moment, and a mark would stay. Nobody
/// confined comes here by himself: he is marked already, and so is whatever such a task executes.
#[inline(always)]
#[must_use]
pub const fn acts_confined(uid_confined: bool, effective_uid: u32) -> bool {
    uid_confined && effective_uid != 0
}

/// The mark a child gets.
#[inline(always)]
#[must_use]
pub const fn inherited(parent: maps::Mark) -> maps::Mark {
    parent
}

/// May a task execute a program that would be handed a descriptor which leads on where nobody sees it?
#[inline(always)]
#[must_use]
pub const fn decide_handed_down(subject: Subject, leads_on: bool) -> Answer {
    if subject.confined && leads_on { Reason::OutsideZones } else { Reason::Allowed }
}

/// The flags after an exec: the mark stays, the role goes.
#[inline(always)]
#[must_use]
pub const fn after_exec(flags: u32) -> u32 {
    flags & !(maps::MARK_TRANSPORT | maps::MARK_TERMINAL | maps::MARK_BEGINNING)
}
