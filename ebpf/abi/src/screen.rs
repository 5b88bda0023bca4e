//! The screen: bytes that leave through the session's transport, and how many may.
//!
//! A budget is told in bytes per hour and kept strictly: no span of an hour, wherever it begins, carries more. Half of
//! the budget may go at once, the other half follows at an even pace; what is not used is not saved up. The whole
//! state of an account is one number, the instant until which its allowance is spent.

use crate::file::Place;
use crate::{Answer, Reason, Subject};

/// An hour, nanoseconds.
pub const HOUR: u64 = 3_600_000_000_000;
/// The least budget, bytes per hour: some five hundred full screens. Less would lock people out, so less is not obeyed.
pub const FLOOR: u64 = 1 << 20;
/// The largest budget that means anything, bytes per hour.
pub const CEILING: u64 = 1 << 40;
/// No single message of more bytes than this fits into any budget.
pub const LARGEST: u64 = 1 << 30;

/// What a session may send that has no terminal: enough for a refusal in words, too little for a file. Whatever sshd is
/// configured to run, and whatever start-up files run before it, copying needs a terminal, where somebody may watch.
pub const WITHOUT_TERMINAL: u64 = 16 << 10;

/// The budget of one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Budget {
    /// Bytes that may leave in any hour, per account.
    pub bytes_per_hour: u64,
    /// `OVER_…`
    pub over: u32,
    /// Unused, zero.
    pub unused: u32,
}
/// There is no budget: bytes are counted, none is held back.
pub const OVER_COUNT: u32 = 0;
/// What goes beyond the budget is slowed down to its pace.
pub const OVER_THROTTLE: u32 = 1;
/// What goes beyond the budget is refused, which ends the connection.
pub const OVER_CUT: u32 = 2;

/// What left in one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Session {
    /// Bytes handed to the transport's sockets.
    pub bytes: u64,
    /// Times something was refused or held back.
    pub held: u64,
    /// When something last left, nanoseconds since boot.
    pub last: u64,
    /// When a refusal was last recorded, nanoseconds since boot.
    pub told: u64,
    /// The account.
    pub account: u32,
    /// The transport's process.
    pub pid: u32,
}

/// Socket storage: which session's line to the outside this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Line {
    /// The session.
    pub session: u64,
    /// The account.
    pub account: u32,
    /// Unused, zero.
    pub unused: u32,
}

/// Sums since the maps were made, by index in `SCREEN_TOTALS`.
pub const TOTALS: u32 = 3;
/// Bytes that left.
pub const TOTAL_BYTES: u32 = 0;
/// Messages refused and packets held back.
pub const TOTAL_HELD: u32 = 1;
/// Bytes that left without an entry of their session: the table had no room.
pub const TOTAL_UNTOLD: u32 = 2;

/// A refusal is recorded once in this time per session.
pub const TELL: u64 = 60_000_000_000;

/// Nanoseconds of allowance that 1024 bytes use up.
#[inline(always)]
const fn pace(bytes_per_hour: u64) -> u64 {
    let obeyed = if bytes_per_hour < FLOOR { FLOOR } else { bytes_per_hour };
    (2 * HOUR * 1024).div_ceil(obeyed)
}

/// May that many bytes leave now? If so, until when the account's allowance is then spent.
#[inline(always)]
#[must_use]
pub const fn admit(spent_until: u64, now: u64, bytes: u64, bytes_per_hour: u64) -> Option<u64> {
    if bytes > LARGEST {
        return None;
    }
    let from = if spent_until > now { spent_until } else { now };
    let until = from + (bytes * pace(bytes_per_hour)).div_ceil(1024);
    if until - now <= HOUR { Some(until) } else { None }
}

/// How many bytes may leave at once now.
#[must_use]
pub const fn left(spent_until: u64, now: u64, bytes_per_hour: u64) -> u64 {
    let ahead = spent_until.saturating_sub(now);
    HOUR.saturating_sub(ahead) * 1024 / pace(bytes_per_hour)
}

/// Sets the size of a terminal's window.
const TIOCSWINSZ: u32 = 0x5414;

/// Does this control show that the session has a terminal? sshd sets the size of each one it makes, at once.
#[inline(always)]
#[must_use]
pub const fn gives_terminal(subject: Subject, command: u32, place: Place) -> bool {
    subject.transport && command == TIOCSWINSZ && matches!(place, Place::Device | Place::Terminal)
}

/// Has a session said all that one without a terminal may say?
#[inline(always)]
#[must_use]
pub const fn mute(terminal: bool, sent: u64, bytes: u64) -> bool {
    !terminal && (bytes > WITHOUT_TERMINAL || sent > WITHOUT_TERMINAL - bytes)
}

/// The answer to a message of the session's transport.
#[inline(always)]
#[must_use]
pub const fn decide_screen(subject: Subject, over: u32, fits: bool, mute: bool) -> Answer {
    if subject.transport && (mute || (over == OVER_CUT && !fits)) { Reason::Screen } else { Reason::Allowed }
}

/// Is it time to record another refusal of this session?
#[inline(always)]
#[must_use]
pub const fn tell(told: u64, now: u64) -> bool {
    told == 0 || now.saturating_sub(told) >= TELL
}

const _: () = {
    assert!(size_of::<Budget>() == 16);
    assert!(size_of::<Session>() == 40);
    assert!(size_of::<Line>() == 16);
    // The largest product `admit` makes fits.
    assert!(LARGEST.checked_mul(pace(FLOOR)).is_some());
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    /// Sends in order (nanoseconds after the previous one, bytes); what was admitted, with its time.
    fn admitted(sends: &[(u64, u64)], budget: u64) -> Vec<(u64, u64)> {
        let (mut now, mut until, mut out) = (HOUR, 0, Vec::new());
        for &(after, bytes) in sends {
            now += after;
            if let Some(next) = admit(until, now, bytes, budget) {
                until = next;
                out.push((now, bytes));
            }
        }
        out
    }

    proptest! {
        #[test]
        fn no_hour_carries_more_than_the_budget(
            sends in prop::collection::vec((0..HOUR / 4, 0..2 * MIB), 1..200),
            budget in FLOOR..64 * MIB,
        ) {
            let out = admitted(&sends, budget);
            for (n, (begin, _)) in out.iter().enumerate() {
                let hour: u64 = out[n..].iter().take_while(|(at, _)| at - begin <= HOUR).map(|(_, b)| b).sum();
                prop_assert!(hour <= budget, "{hour} of {budget} bytes in the hour from {begin}");
            }
        }

        #[test]
        fn what_is_left_fits_and_little_more_does_not(
            until in 0..3 * HOUR, now in HOUR..3 * HOUR, budget in FLOOR..CEILING,
        ) {
            let left = left(until, now, budget);
            if left <= LARGEST {
                prop_assert!(left == 0 || admit(until, now, left, budget).is_some());
                // Rounding costs at most a thousandth.
                let more = left + budget / 1000 + 1024;
                prop_assert!(more > LARGEST || admit(until, now, more, budget).is_none());
            }
        }

        #[test]
        fn whoever_waits_is_let_through_again(
            until in 0..2 * HOUR, bytes in 0..FLOOR / 2, budget in 0..CEILING,
        ) {
            // However small the number in the policy: after an hour of silence half a floor may go.
            prop_assert!(admit(until, until + HOUR, bytes, budget).is_some());
        }

        #[test]
        fn nobody_but_a_transport_over_a_cutting_budget_is_refused(
            confined: bool, transport: bool, over in 0u32..4, fits: bool, mute: bool,
        ) {
            let who = Subject { confined, transport, locked: false };
            let refused = decide_screen(who, over, fits, mute) != Reason::Allowed;
            prop_assert_eq!(refused, transport && (mute || over == OVER_CUT && !fits));
        }

        #[test]
        fn without_a_terminal_no_more_leaves_than_a_few_words(sends in prop::collection::vec(any::<u64>(), 0..50)) {
            let mut sent = 0u64;
            for bytes in sends.into_iter().flat_map(|n| [n, n % 9_000]) {
                prop_assert!(!mute(true, sent, bytes));
                if !mute(false, sent, bytes) {
                    sent += bytes;
                }
            }
            prop_assert!(sent <= WITHOUT_TERMINAL);
        }
    }

    #[test]
    fn only_the_transport_and_only_a_terminal_give_one() {
        let transport = Subject { transport: true, ..Subject::CONFINED };
        assert!(gives_terminal(transport, TIOCSWINSZ, Place::Device));
        assert!(!gives_terminal(Subject::CONFINED, TIOCSWINSZ, Place::Device));
        assert!(!gives_terminal(transport, TIOCSWINSZ + 1, Place::Device));
        assert!(!gives_terminal(transport, TIOCSWINSZ, Place::Socket));
    }

    #[test]
    fn half_goes_at_once_and_the_rest_at_an_even_pace() {
        let budget = 16 * MIB;
        let until = admit(0, HOUR, 8 * MIB, budget).unwrap();
        assert_eq!(until, 2 * HOUR);
        assert_eq!(admit(until, HOUR, 1, budget), None);
        assert!(admit(until, HOUR + HOUR / 8, MIB, budget).is_some());
        assert_eq!(left(until, HOUR, budget), 0);
        assert_eq!(left(until, HOUR + HOUR / 2, budget), 4 * MIB);
    }
}
