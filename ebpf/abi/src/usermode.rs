//! Programs that the kernel starts itself, as root and outside the mark: to load a module, to make a key, to take a core.

use crate::{Answer, Reason, Subject};

/// May the kernel start a program for it? (Where the kernel acts under credentials of its own, to look up a name on a
/// network file system, the caller chooses nothing.)
#[inline(always)]
#[must_use]
pub const fn decide_usermode(subject: Subject, under_own_credentials: bool) -> Answer {
    if subject.confined && under_own_credentials { Reason::Deputy } else { Reason::Allowed }
}

/// A process dies: may the kernel hand its memory to a program or to a listener? What the core pattern begins with says
/// who gets it.
#[inline(always)]
#[must_use]
pub const fn decide_dump(subject: Subject, first_of_pattern: u8) -> Answer {
    decide_usermode(subject, matches!(first_of_pattern, b'|' | b'@' | 0))
}
