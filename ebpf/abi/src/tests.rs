//! The decision's promises, over every input.

use crate::file::{self, Act, Object, Place};
use crate::network::{self, Destination, Peer};
use crate::process::{self, Identity};
use crate::{Reason, Rules, Subject, maps, verdict};
use proptest::prelude::*;

mod exhaustive;
mod matrix;
mod usermode;

fn rules() -> impl Strategy<Value = Rules> {
    any::<bool>().prop_map(|listen_loopback| Rules { listen_loopback })
}

fn subject() -> impl Strategy<Value = Subject> {
    // The transport role exists only on top of the mark.
    prop_oneof![Just(Subject::FREE), confined()]
}

fn confined() -> impl Strategy<Value = Subject> {
    any::<[bool; 2]>().prop_map(|[transport, locked]| Subject { confined: true, transport, locked })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Read),
        Just(Act::Write),
        Just(Act::Name),
        Just(Act::DeviceNode),
        Just(Act::Metadata)
    ]
}

fn object() -> impl Strategy<Value = Object> {
    let kind = prop_oneof![
        Just(0o100_000u32),
        Just(0o040_000),
        Just(0o120_000),
        Just(file::S_IFSOCK),
        Just(file::S_IFBLK),
        Just(file::S_IFCHR),
        Just(file::S_IFIFO)
    ];
    let magic = prop_oneof![
        Just(0x0102_1994u64),
        Just(file::PROC),
        Just(0x6367_7270),
        Just(0x5049_5045),
        Just(0x534f_434b),
        Just(0x0904_1934),
        Just(0x5345_434d),
        Just(0xef53),
        Just(0x9584_58f6),
        Just(0xcafe_4a11),
        any::<u64>()
    ];
    let device =
        prop_oneof![(0u32..300, 0u32..300).prop_map(|(major, minor)| major << 20 | minor), any::<u32>()];
    (kind, 0u32..0o10000, device, 0u32..3, magic, any::<u64>(), any::<[bool; 6]>()).prop_map(
        |(
            kind,
            bits,
            rdev,
            zone,
            magic,
            sb_flags,
            [own, session_terminal, own_filesystem, process_entry, device_listed, own_memory],
        )| Object {
            mode: kind | bits,
            rdev,
            zone,
            magic,
            sb_flags,
            own,
            session_terminal,
            own_filesystem,
            process_entry,
            device_listed,
            links: 1,
            homes_inside: false,
            own_memory,
        },
    )
}

fn destination() -> impl Strategy<Value = Destination> {
    any::<[bool; 4]>().prop_map(|[loopback, listener_confined, listener_listed, listed]| Destination {
        loopback,
        listener_confined,
        listener_listed,
        listed,
    })
}

const PEERS: [Peer; 6] =
    [Peer::Foreign, Peer::Stranger, Peer::Confined, Peer::Listed, Peer::Kept, Peer::Nobody];

const CHANGES: [Act; 3] = [Act::Write, Act::Name, Act::Metadata];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn nothing_on_a_disk_outside_a_zone_may_be_changed_by_a_confined_subject(
        who in confined(), mut object in object(), magic in any::<u64>()
    ) {
        // Any filesystem a disk, a network or a user-space server stands behind.
        let special = [0x0102_1994, file::PROC, 0x6367_7270, 0x5049_5045, 0x534f_434b, 0x0904_1934, 0x5345_434d, 0x5049_4446];
        prop_assume!(!special.contains(&magic));
        object.magic = magic;
        object.zone = 0;
        if object.mode & file::S_IFMT == file::S_IFCHR {
            object.mode = 0o100_600;
        }
        for act in CHANGES {
            prop_assert_ne!(file::decide(who, act, file::place(&object)), Reason::Allowed);
        }
    }

    #[test]
    fn special_filesystems_open_only_what_they_are_named_for(who in confined(), mut object in object()) {
        object.zone = 0;
        if matches!(object.mode & file::S_IFMT, file::S_IFCHR | file::S_IFBLK) {
            object.mode = 0o100_600;
        }
        let allowed = file::decide(who, Act::Write, file::place(&object)) == Reason::Allowed;
        let excuse = matches!(object.magic, 0x5049_5045 | 0x534f_434b | 0x0904_1934 | 0x5049_4446)
            || (object.magic == 0x5345_434d && object.own_memory)
            || (object.magic == 0x0102_1994 && object.sb_flags & file::SB_KERNMOUNT != 0 && object.own_memory)
            || (object.magic == 0x0102_1994 && object.sb_flags & file::SB_KERNMOUNT == 0 && object.own_filesystem)
            || (object.magic == 0x6367_7270 && object.own)
            || (object.magic == file::PROC && object.process_entry);
        prop_assert_eq!(allowed, excuse);
    }

    #[test]
    fn where_a_file_is_matters_for_reading_only_when_it_is_a_device(who in confined(), object in object()) {
        if !file::reading_depends_on_place(object.mode) {
            prop_assert_eq!(file::decide(who, Act::Read, file::place(&object)), Reason::Allowed);
            prop_assert_eq!(file::decide(who, Act::Read, Place::Outside), Reason::Allowed);
        }
    }

    #[test]
    fn no_zone_turns_a_device_into_a_file(who in confined(), mut object in object(), zone in 0u32..3) {
        object.zone = zone;
        object.mode = file::S_IFBLK | (object.mode & 0o7777);
        for act in [Act::Read, Act::Write, Act::Name, Act::Metadata, Act::DeviceNode] {
            prop_assert_eq!(file::decide(who, act, file::place(&object)), Reason::Device);
        }
    }

    #[test]
    fn only_harmless_listed_or_own_character_devices_open(who in confined(), mut object in object()) {
        object.mode = file::S_IFCHR | (object.mode & 0o7777);
        let (major, minor) = (object.rdev >> 20, object.rdev & 0xf_ffff);
        let excuse = object.device_listed
            || (major == 1 && [3, 5, 7, 8, 9].contains(&minor))
            || (major == 5 && [0, 2].contains(&minor))
            || ((136..=143).contains(&major) && (object.own || object.session_terminal))
            || ([4, 204, 229].contains(&major) && object.own);
        prop_assert_eq!(file::decide(who, Act::Write, file::place(&object)) == Reason::Allowed, excuse);
    }

    #[test]
    fn nobody_unconfined_is_ever_denied(object in object(), act in act(), rules in rules(), d in destination(), n in any::<[u32; 4]>(), b in any::<[bool; 3]>()) {
        let free = Subject::FREE;
        prop_assert_eq!(file::decide(free, act, file::place(&object)), Reason::Allowed);
        prop_assert_eq!(file::decide_control(free, n[0], file::place(&object)), Reason::Allowed);
        prop_assert_eq!(network::decide_create(free, n[0], n[1], n[2], b[0]), Reason::Allowed);
        prop_assert_eq!(network::decide_destination(free, d), Reason::Allowed);
        prop_assert_eq!(network::decide_bind(free, b[0], n[0] as u16, rules), Reason::Allowed);
        prop_assert_eq!(network::decide_listen(free, b[0], b[1], n[0] as u16, rules), Reason::Allowed);
        for peer in PEERS {
            prop_assert_eq!(network::decide_peer(free, peer, b[0]), Reason::Allowed);
            prop_assert_eq!(network::decide_use(free, b[0], peer), Reason::Allowed);
        }
        prop_assert_eq!(network::decide_accept(free, b[0]), Reason::Allowed);
        prop_assert_eq!(process::decide_capability(free, n[0]), Reason::Allowed);
        prop_assert_eq!(process::decide_process(free, Subject { confined: b[0], transport: b[1], locked: b[2] }), Reason::Allowed);
    }

    #[test]
    fn audit_decides_like_enforce_and_lets_go(who in subject(), object in object(), act in act()) {
        let answer = file::decide(who, act, file::place(&object));
        prop_assert_eq!(verdict(answer, true), 0);
        prop_assert_eq!(verdict(answer, false), if answer == Reason::Allowed { 0 } else { -1 });
    }

    #[test]
    fn lockdown_only_removes(open in subject(), object in object(), act in act(), d in destination(), n in any::<u32>(), b in any::<bool>()) {
        let shut = Subject { locked: true, ..open };
        let open = Subject { locked: false, ..open };
        let place = file::place(&object);
        let only_removes = |before: Reason, after: Reason| {
            before == Reason::Allowed || after != Reason::Allowed
        };
        prop_assert!(only_removes(file::decide(open, act, place), file::decide(shut, act, place)));
        prop_assert!(only_removes(file::decide_control(open, n, place), file::decide_control(shut, n, place)));
        prop_assert!(only_removes(network::decide_destination(open, d), network::decide_destination(shut, d)));
        for peer in PEERS {
            prop_assert!(only_removes(network::decide_peer(open, peer, b), network::decide_peer(shut, peer, b)));
            prop_assert!(only_removes(network::decide_use(open, b, peer), network::decide_use(shut, b, peer)));
        }
    }

    #[test]
    fn lockdown_shuts_the_spool_and_everything_off_the_node_and_the_transport(who in confined(), d in destination(), owned in any::<bool>(), borrowed in any::<bool>()) {
        let who = Subject { locked: true, ..who };
        for act in CHANGES {
            prop_assert_ne!(file::decide(who, act, Place::Spool), Reason::Allowed);
        }
        if !(d.loopback && d.listener_confined) {
            prop_assert_ne!(network::decide_destination(who, d), Reason::Allowed);
        }
        for peer in [Peer::Foreign, Peer::Stranger, Peer::Listed] {
            prop_assert_ne!(network::decide_use(who, owned, peer), Reason::Allowed);
            prop_assert_ne!(network::decide_peer(who, peer, borrowed), Reason::Allowed);
        }
    }

    #[test]
    fn in_lockdown_work_goes_on(who in confined(), owned in any::<bool>(), borrowed in any::<bool>()) {
        let who = Subject { locked: true, ..who };
        for act in CHANGES {
            for place in [Place::Workspace, Place::Memory, Place::Session] {
                prop_assert_eq!(file::decide(who, act, place), Reason::Allowed);
            }
        }
        prop_assert_eq!(network::decide_use(who, owned, Peer::Confined), Reason::Allowed);
        prop_assert_eq!(network::decide_peer(who, Peer::Confined, borrowed), Reason::Allowed);
        prop_assert_eq!(network::decide_peer(who, Peer::Kept, false), Reason::Allowed);
    }

    #[test]
    fn knowing_the_other_end_never_takes_away(who in subject(), owned in any::<bool>()) {
        // The kernel programs ask who is there only when an unknown other end is refused.
        if network::decide_use(who, owned, Peer::Foreign) == Reason::Allowed {
            // But a stranger is noted beside the socket's maker, and asked for by name.
            for peer in PEERS.into_iter().filter(|peer| *peer != Peer::Stranger) {
                prop_assert_eq!(network::decide_use(who, owned, peer), Reason::Allowed);
            }
        }
    }

    #[test]
    fn unlisted_destinations_stay_out_of_reach(who in confined(), mut d in destination()) {
        d.listed = false;
        d.listener_listed = false;
        d.listener_confined &= d.loopback;
        let allowed = network::decide_destination(who, d) == Reason::Allowed;
        prop_assert_eq!(allowed, d.loopback && d.listener_confined);
    }

    #[test]
    fn only_stream_and_datagram_sockets_of_four_families_exist(who in confined(), family in 0u32..64, kind in 0u32..11, protocol in 0u32..300, root in any::<bool>()) {
        if network::decide_create(who, family, kind, protocol, root) == Reason::Allowed {
            prop_assert!(matches!(family, 1 | 2 | 10 | 16));
            if matches!(family, 2 | 10) {
                prop_assert!(!who.transport);
                prop_assert!(matches!((kind, protocol), (1, 0 | 6) | (2, 0 | 17)));
            }
            if family == 16 {
                // Routes, audit records of root's programs, and news of devices for everybody else.
                prop_assert!(matches!((protocol, root), (0, _) | (9, true) | (15, false)));
            }
        }
        // Without these nobody can say anything to a netlink group, or invent a device.
        for capability in [12, 21] {
            prop_assert_eq!(process::decide_capability(who, capability), Reason::Capability);
        }
    }

    #[test]
    fn listening_stays_sheltered(who in confined(), owned in any::<bool>(), sheltered in any::<bool>(), port in any::<u16>(), rules in rules()) {
        if network::decide_listen(who, owned, sheltered, port, rules) == Reason::Allowed {
            prop_assert!(owned && sheltered && port != 0 && rules.listen_loopback);
        }
    }

    #[test]
    fn mapped_and_unspecified_addresses_do_not_hide_a_destination(v4 in any::<[u8; 4]>()) {
        let mut mapped = [0u8; 16];
        mapped[10] = 0xff;
        mapped[11] = 0xff;
        mapped[12..].copy_from_slice(&v4);
        prop_assert!(network::is_mapped_v4(&mapped));
        prop_assert_eq!(network::is_loopback(&network::effective(mapped)), v4[0] == 127 || v4 == [0; 4]);
    }

    #[test]
    fn an_address_is_loopback_exactly_when_the_standard_library_says_so(bytes in any::<[u8; 16]>()) {
        let address = std::net::Ipv6Addr::from(bytes);
        let expected = address.is_loopback() || address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback());
        prop_assert_eq!(network::is_loopback(&bytes), expected);
    }

    #[test]
    fn a_confined_uid_is_confined_whatever_else_is_true(uid_exempt in Just(false), rest in any::<[bool; 4]>()) {
        let [has_login, login, login_exempt, cgroup] = rest;
        let identity = Identity { uid: true, uid_exempt, has_login, login, login_exempt, cgroup };
        prop_assert!(process::becomes_confined(identity));
    }

    #[test]
    fn an_exec_keeps_the_mark_and_drops_the_role(flags in any::<u32>()) {
        let after = process::after_exec(flags);
        prop_assert_eq!(after & maps::MARK_CONFINED, flags & maps::MARK_CONFINED);
        prop_assert_eq!(after & (maps::MARK_TRANSPORT | maps::MARK_TERMINAL), 0);
    }

    #[test]
    fn an_unknown_capability_is_refused(capability in 64u32..) {
        prop_assert_eq!(process::decide_capability(Subject::CONFINED, capability), Reason::Capability);
    }
}

#[test]
fn root_of_an_exempt_login_in_a_confined_cgroup_stays_free() {
    let exempt = Identity {
        uid: false,
        uid_exempt: true,
        has_login: true,
        login: true,
        login_exempt: true,
        cgroup: true,
    };
    assert!(!process::becomes_confined(exempt));
}

#[test]
fn root_that_borrows_a_real_uid_is_not_the_person_until_it_gives_root_up() {
    assert!(!process::acts_confined(true, 0), "pam_keyinit in sshd's monitor");
    assert!(process::acts_confined(true, 1001));
    assert!(process::acts_confined(true, 1002), "not root either");
    assert!(process::acts_confined(true, u32::MAX));
    assert!(!process::acts_confined(false, 1001));
    // What it executes meanwhile is confined.
    let lent = Identity {
        uid: true,
        uid_exempt: false,
        has_login: false,
        login: false,
        login_exempt: false,
        cgroup: false,
    };
    assert!(process::becomes_confined(lent));
}

#[test]
fn root_of_a_confined_login_is_confined_at_exec() {
    let sudo = Identity {
        uid: false,
        uid_exempt: true,
        has_login: true,
        login: true,
        login_exempt: false,
        cgroup: false,
    };
    assert!(process::becomes_confined(sudo));
}

#[test]
fn sudo_keeps_the_capabilities_it_needs() {
    for needed in [0, 1, 2, 3, 5, 6, 7, 23, 24, 29] {
        assert_eq!(
            process::decide_capability(Subject::CONFINED, needed),
            Reason::Allowed,
            "capability {needed}"
        );
    }
}

#[test]
fn every_hook_and_reason_has_one_number_and_one_name() {
    use crate::hook::Hook;
    for hook in Hook::ALL {
        assert_eq!(Hook::of(*hook as u16), Some(*hook));
        assert_eq!(Hook::ALL.iter().filter(|h| h.name() == hook.name()).count(), 1);
    }
    for (number, reason) in Reason::ALL.iter().enumerate() {
        assert_eq!(*reason as usize, number);
    }
}

#[test]
fn a_confined_process_cannot_type_into_its_own_terminal() {
    for command in [0x5412, 0x541c] {
        let answer = file::decide_control(Subject::CONFINED, command, Place::Terminal);
        assert_eq!(answer, Reason::KernelInterface);
        assert_eq!(file::decide_control(Subject::FREE, command, Place::Terminal), Reason::Allowed);
    }
    // Asking for the window's size is ordinary.
    let size = file::decide_control(Subject::CONFINED, 0x5413, Place::Terminal);
    assert_eq!(size, Reason::Allowed);
}

#[test]
fn who_answered_on_loopback_counts_and_not_who_was_expected() {
    for owned in [false, true] {
        let stranger = network::answered_by(maps::END_STRANGER, false);
        assert_eq!(network::decide_use(Subject::CONFINED, owned, stranger), Reason::Network);
        let listed = network::answered_by(maps::END_STRANGER, true);
        assert_eq!(network::decide_use(Subject::CONFINED, owned, listed), Reason::Allowed);
        let confined = network::answered_by(maps::END_CONFINED, false);
        assert_eq!(network::decide_use(Subject::CONFINED, owned, confined), Reason::Allowed);
    }
    let locked = Subject { locked: true, ..Subject::CONFINED };
    assert_eq!(network::decide_use(locked, true, network::opened_by(maps::END_CONFINED)), Reason::Allowed);
    for end in [maps::END_UNKNOWN, maps::END_STRANGER] {
        assert_eq!(network::decide_use(locked, true, network::opened_by(end)), Reason::Lockdown);
    }
}

#[test]
fn nobody_confined_speaks_to_a_trusted_service_as_somebody_else() {
    let (researcher, student, officer, unset) = (1001, 1003, 1002, u32::MAX);
    // (effective uid, is it exempt, login uid, is that confined) → borrowed?
    for (uid, exempt, login, confined, borrowed) in [
        (researcher, false, researcher, true, false),
        (researcher, false, unset, false, false),
        (officer, true, researcher, true, true),
        (officer, true, unset, false, true),
        (student, false, researcher, true, true),
        (0, true, researcher, true, false),
        (researcher, false, 0, false, false),
    ] {
        assert_eq!(network::is_borrowed(uid, exempt, login, confined), borrowed, "{uid} of login {login}");
    }
    assert_eq!(network::decide_peer(Subject::CONFINED, Peer::Listed, false), Reason::Allowed);
    for peer in [Peer::Listed, Peer::Kept] {
        assert_eq!(network::decide_peer(Subject::CONFINED, peer, true), Reason::BorrowedName);
    }
}

#[test]
fn options_that_lead_elsewhere_are_refused_and_ordinary_ones_are_not() {
    let of = |level, option| network::decide_option(Subject::CONFINED, false, level, option);
    for (level, option) in [(1, 25), (1, 62), (0, 4), (0, 35), (0, 42), (41, 20), (41, 57), (41, 50), (6, 30)]
    {
        assert_eq!(of(level, option), Reason::Network, "{level} {option}");
        assert_eq!(network::decide_option(Subject::FREE, false, level, option), Reason::Allowed);
    }
    // SO_REUSEADDR, SO_KEEPALIVE, IP_TOS, IP_TTL, TCP_NODELAY, IPV6_V6ONLY.
    for (level, option) in [(1, 2), (1, 9), (0, 1), (0, 2), (6, 1), (41, 26)] {
        assert_eq!(of(level, option), Reason::Allowed, "{level} {option}");
    }
}
