//! The promises of [`crate::usermode`], and of options of a socket that was handed down.

use crate::network::decide_option;
use crate::usermode::{decide_dump, decide_usermode};
use crate::{Reason, Subject};
use proptest::prelude::*;

proptest! {
    #[test]
    fn nobody_unconfined_is_ever_denied(
        level in any::<u32>(), option in any::<u32>(), first in any::<u8>(), flag in any::<bool>(),
    ) {
        prop_assert_eq!(decide_option(Subject::FREE, flag, level, option), Reason::Allowed);
        prop_assert_eq!(decide_usermode(Subject::FREE, flag), Reason::Allowed);
        prop_assert_eq!(decide_dump(Subject::FREE, first), Reason::Allowed);
    }

    #[test]
    fn no_option_of_a_socket_handed_down_is_set(level in any::<u32>(), option in any::<u32>()) {
        prop_assert_eq!(decide_option(Subject::CONFINED, true, level, option), Reason::InheritedSocket);
    }
}

#[test]
fn a_core_goes_to_a_file_or_to_nobody() {
    assert_eq!(decide_dump(Subject::CONFINED, b'c'), Reason::Allowed);
    assert_eq!(decide_dump(Subject::CONFINED, b'/'), Reason::Allowed);
    for elsewhere in [b'|', b'@', 0] {
        assert_eq!(decide_dump(Subject::CONFINED, elsewhere), Reason::Deputy);
    }
}

#[test]
fn the_kernel_starts_no_program_for_a_confined_process() {
    assert_eq!(decide_usermode(Subject::CONFINED, true), Reason::Deputy);
    assert_eq!(decide_usermode(Subject::CONFINED, false), Reason::Allowed);
}
