//! The second layer: programs on the cgroups of users and jobs. They ask the same questions as the hooks of the first
//! layer, of fewer facts, and hold where one of those should ever be missing.

use crate::network::{Destination, TCP, UDP, decide_destination};
use crate::{Answer, Reason, Subject};

macro_rules! programs {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// A program of the second layer. Its number stands where a record of the first layer has its hook.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u16)]
        pub enum Program { $($(#[$doc])* $variant = $number,)* }

        impl Program {
            /// Every program, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in records and, with `layer_` before it, in the object.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The program of a number in an event.
            #[must_use]
            pub const fn of(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

programs! {
    /// Making an internet socket.
    SockCreate = 201, "cgroup/sock_create";
    /// Connecting, IPv4.
    Connect4 = 202, "cgroup/connect4";
    /// Connecting, IPv6.
    Connect6 = 203, "cgroup/connect6";
    /// Sending a datagram, IPv4.
    Sendmsg4 = 204, "cgroup/sendmsg4";
    /// Sending a datagram, IPv6.
    Sendmsg6 = 205, "cgroup/sendmsg6";
    /// Binding, IPv4.
    Bind4 = 206, "cgroup/bind4";
    /// Binding, IPv6.
    Bind6 = 207, "cgroup/bind6";
    /// A packet on its way out.
    Egress = 208, "cgroup/egress";
    /// Opening or making a device node.
    Device = 209, "cgroup/device";
    /// Writing a kernel setting.
    Sysctl = 210, "cgroup/sysctl";
    /// A packet of a session's transport on its way out.
    Line = 211, "cgroup/line";
}

/// Who acts, as far as a program without marks can tell. `belongs` is what account, login and cgroup say; a root or
/// user process that runs the transport's program is the session's sshd, which has a way out by its role.
#[inline(always)]
#[must_use]
pub const fn unmarked(belongs: bool, transport_program: bool) -> Subject {
    Subject { confined: belongs && !transport_program, transport: false, locked: false }
}

/// Whose socket a packet comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Made by a confined task.
    Confined,
    /// Made by somebody exempt, or by a task that was free.
    Free,
    /// Older than the gate: nobody noted who made it. True when its account is exempt.
    Unknown(bool),
}

/// May a packet leave? TCP on loopback was judged when it was connected: the other direction has no port to judge.
#[inline(always)]
#[must_use]
pub const fn decide_packet(sender: Sender, protocol: u32, to: Destination) -> Answer {
    if matches!(sender, Sender::Free | Sender::Unknown(true)) || (protocol == TCP && to.loopback) {
        return Reason::Allowed;
    }
    if protocol == TCP || protocol == UDP {
        decide_destination(Subject::CONFINED, to)
    } else {
        Reason::Network
    }
}

/// May a kernel setting be read or written? Reading shows, writing tells.
#[inline(always)]
#[must_use]
pub const fn decide_setting(subject: Subject, write: bool) -> Answer {
    if subject.confined && write { Reason::OutsideZones } else { Reason::Allowed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn destination() -> impl Strategy<Value = Destination> {
        any::<(bool, bool, bool, bool)>().prop_map(|(loopback, confined, trusted, listed)| Destination {
            loopback,
            listener_confined: confined,
            listener_listed: trusted,
            listed,
        })
    }

    proptest! {
        #[test]
        fn no_packet_of_a_confined_or_unknown_sender_leaves_the_node_unlisted(
            to in destination(), protocol in 0u32..256, unknown: bool,
        ) {
            let sender = if unknown { Sender::Unknown(false) } else { Sender::Confined };
            if !to.loopback && !to.listed {
                prop_assert_ne!(decide_packet(sender, protocol, to), Reason::Allowed);
            }
        }

        #[test]
        fn packets_of_the_free_and_the_exempt_pass(to in destination(), protocol in 0u32..256) {
            for sender in [Sender::Free, Sender::Unknown(true)] {
                prop_assert_eq!(decide_packet(sender, protocol, to), Reason::Allowed);
            }
        }

        #[test]
        fn both_layers_say_the_same_of_a_destination(to in destination()) {
            let first = decide_destination(Subject::CONFINED, to);
            prop_assert_eq!(decide_packet(Sender::Confined, UDP, to), first);
            if !to.loopback {
                prop_assert_eq!(decide_packet(Sender::Confined, TCP, to), first);
            }
        }
    }

    #[test]
    fn only_the_confined_are_kept_from_settings_and_only_from_writing_them() {
        assert_eq!(decide_setting(Subject::CONFINED, true), Reason::OutsideZones);
        assert_eq!(decide_setting(Subject::CONFINED, false), Reason::Allowed);
        assert_eq!(decide_setting(Subject::FREE, true), Reason::Allowed);
        assert!(!unmarked(true, true).confined && unmarked(true, false).confined);
    }

    #[test]
    fn numbers_of_the_two_layers_do_not_meet() {
        for program in Program::ALL {
            assert_eq!(Program::of(*program as u16), Some(*program));
            assert_eq!(crate::hook::Hook::of(*program as u16), None);
        }
    }
}
