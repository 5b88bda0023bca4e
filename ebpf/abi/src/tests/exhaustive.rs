//! Every operation × subject × zone × role × mode, one by one: what is finite is counted out, not sampled.

use crate::file::{self, Act, Object, Place};
use crate::network::{self, Address, Destination, Peer};
use crate::{Answer, Reason, Rules, Subject, maps, process, usermode, verdict};

const ACTS: [Act; 6] = [Act::Read, Act::Write, Act::Name, Act::DeviceNode, Act::Metadata, Act::Link];
const PEERS: [Peer; 6] =
    [Peer::Foreign, Peer::Stranger, Peer::Confined, Peer::Listed, Peer::Kept, Peer::Nobody];
const LEVELS: [u32; 6] = [0, 1, 6, 17, 41, 255];
const FLAGS: [bool; 2] = [false, true];
/// Every filesystem the decision knows, and some it does not: ext4, NFS, FUSE, devpts, the message queues, nothing.
const MAGICS: [u64; 14] = [
    0x0102_1994,
    0x9fa0,
    0x6367_7270,
    0x5049_5045,
    0x534f_434b,
    0x0904_1934,
    0x5345_434d,
    0x5049_4446,
    0xef53,
    0x6969,
    0x6573_5546,
    0x1cd1,
    0x1980_0202,
    0,
];
const KINDS: [u32; 7] =
    [0o100_000, 0o040_000, 0o120_000, file::S_IFSOCK, file::S_IFIFO, file::S_IFBLK, file::S_IFCHR];

fn subjects() -> Vec<Subject> {
    let mut all = vec![Subject::FREE];
    for transport in FLAGS {
        for locked in FLAGS {
            all.push(Subject { confined: true, transport, locked });
        }
    }
    all
}

fn marked() -> impl Iterator<Item = Subject> {
    subjects().into_iter().filter(|who| who.confined)
}

/// Calls `claim` with every object there is, as far as the decision can tell them apart.
fn every_object(mut claim: impl FnMut(&Object)) {
    let devices: Vec<u32> = [0, 1, 4, 5, 7, 8, 10, 29, 116, 136, 143, 144, 195, 204, 229, 231, 240, 254]
        .into_iter()
        .flat_map(|major| (0..16).chain([200, 229, 237]).map(move |minor| major << 20 | minor))
        .collect();
    for kind in KINDS {
        for zone in 0..5 {
            for magic in MAGICS {
                for bits in 0..512u32 {
                    let bit = |n: u32| bits >> n & 1 == 1;
                    let object = Object {
                        mode: kind | 0o644,
                        rdev: 0,
                        zone,
                        magic,
                        sb_flags: if bit(0) { file::SB_KERNMOUNT } else { 0 },
                        own: bit(1),
                        session_terminal: bit(2),
                        own_filesystem: bit(3),
                        process_entry: bit(4),
                        device_listed: bit(5),
                        links: if bit(6) { 2 } else { 1 },
                        homes_inside: bit(7),
                        own_memory: bit(8),
                    };
                    if kind == file::S_IFCHR || kind == file::S_IFBLK {
                        // What a device is does not depend on where its node lies.
                        if magic == MAGICS[0] {
                            devices.iter().for_each(|&rdev| claim(&Object { rdev, ..object }));
                        }
                    } else {
                        claim(&object);
                    }
                }
            }
        }
    }
}

/// What may be written, told without the decision's own words: from the raw facts of an object.
fn leads_nowhere(object: &Object) -> bool {
    let (major, minor) = (object.rdev >> 20, object.rdev & 0xf_ffff);
    match object.mode & file::S_IFMT {
        file::S_IFBLK => false,
        file::S_IFCHR => {
            object.device_listed
                || (major == 1 && [3, 5, 7, 8, 9].contains(&minor))
                || (major == 5 && [0, 2].contains(&minor))
                || ((136..=143).contains(&major) && (object.own || object.session_terminal))
                || ([4, 204, 229].contains(&major) && object.own)
        }
        kind if matches!(object.zone, maps::ZONE_WORKSPACE | maps::ZONE_SPOOL) => {
            kind == 0o040_000 || object.links <= 1 || object.homes_inside
        }
        _ if object.zone != 0 => false,
        _ => match object.magic {
            0x5049_5045 | 0x534f_434b | 0x0904_1934 | 0x5049_4446 => true,
            0x5345_434d => object.own_memory,
            0x0102_1994 if object.sb_flags & file::SB_KERNMOUNT != 0 => object.own_memory,
            0x0102_1994 => object.own_filesystem,
            0x6367_7270 => object.own,
            0x9fa0 => object.process_entry,
            _ => false,
        },
    }
}

#[test]
fn nothing_outside_a_zone_is_ever_allowed_to_a_marked_subject() {
    let mut seen = 0u64;
    every_object(|object| {
        let place = file::place(object);
        for who in marked() {
            for act in [Act::Write, Act::Metadata, Act::Name, Act::DeviceNode] {
                seen += 1;
                if file::decide(who, act, place) == Reason::Allowed {
                    assert!(leads_nowhere(object), "{act:?} {object:?} {place:?}");
                }
            }
        }
    });
    assert!(seen > 1_000_000, "{seen} questions");
}

#[test]
fn everything_inside_the_zones_and_everything_readable_is_allowed_as_long_as_nothing_is_locked() {
    every_object(|object| {
        let place = file::place(object);
        let device = matches!(object.mode & file::S_IFMT, file::S_IFCHR | file::S_IFBLK);
        if leads_nowhere(object) {
            assert_eq!(file::decide(Subject::CONFINED, Act::Write, place), Reason::Allowed, "{object:?}");
        }
        for who in marked().filter(|_| !device) {
            assert_eq!(file::decide(who, Act::Read, place), Reason::Allowed, "{object:?}");
        }
    });
}

/// Addresses of every sort: loopback, every address at once, the node's own and others', in both families, written
/// every way, and what looks like them.
fn addresses() -> Vec<Address> {
    use std::net::{Ipv4Addr, Ipv6Addr};
    let four = [
        [127, 0, 0, 1],
        [127, 0, 0, 2],
        [127, 255, 255, 255],
        [0, 0, 0, 0],
        [0, 0, 0, 1],
        [126, 255, 255, 255],
        [128, 0, 0, 0],
        [10, 0, 2, 15],
        [10, 0, 2, 2],
        [192, 0, 2, 7],
        [224, 0, 0, 1],
        [255, 255, 255, 255],
    ];
    let six: [Ipv6Addr; 9] = [
        Ipv6Addr::LOCALHOST,
        Ipv6Addr::UNSPECIFIED,
        "fe80::1".parse().unwrap(),
        "fd99::1".parse().unwrap(),
        "2001:db8::1".parse().unwrap(),
        "ff02::1".parse().unwrap(),
        // Compatible and translated, not mapped.
        "::127.0.0.1".parse().unwrap(),
        "64:ff9b::127.0.0.1".parse().unwrap(),
        "1::ffff:127.0.0.1".parse().unwrap(),
    ];
    let mapped = four.into_iter().map(|octets| Ipv4Addr::from(octets).to_ipv6_mapped());
    mapped.chain(six).map(|address| address.octets()).collect()
}

/// Loopback in the standard library's words.
fn is_loopback(address: Address) -> bool {
    let address = std::net::Ipv6Addr::from(address);
    address.is_loopback() || address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
}

/// Every address at once, likewise.
fn is_wildcard(address: Address) -> bool {
    let address = std::net::Ipv6Addr::from(address);
    address.is_unspecified() || address.to_ipv4_mapped().is_some_and(|v4| v4.is_unspecified())
}

#[test]
fn whoever_comes_from_elsewhere_gets_in_to_no_confined_listener() {
    for from in addresses() {
        for to in addresses() {
            let within = is_loopback(from) && is_loopback(to);
            let answer = network::decide_incoming(true, &from, &to);
            assert_eq!(answer, if within { Reason::Allowed } else { Reason::Listen }, "{from:?} {to:?}");
            assert_eq!(network::decide_incoming(false, &from, &to), Reason::Allowed);
        }
    }
}

#[test]
fn whoever_got_in_from_off_the_node_gets_nothing_unless_policy_lists_him() {
    for who in marked() {
        let unlisted = network::decide_use(who, true, network::far_end(false));
        assert_eq!(unlisted, if who.locked { Reason::Lockdown } else { Reason::Network });
        let to =
            Destination { loopback: false, listener_confined: false, listener_listed: false, listed: true };
        let listed = network::decide_use(who, true, network::far_end(true));
        assert_eq!(listed, network::decide_destination(who, to), "as if it had been opened from here");
    }
}

#[test]
fn a_confined_process_listens_on_loopback_or_on_every_address_and_on_no_other() {
    for address in addresses() {
        let sheltered = network::is_sheltered(&address);
        assert_eq!(sheltered, is_loopback(address) || is_wildcard(address), "{address:?}");
        for who in marked() {
            for listen_loopback in FLAGS {
                let rules = Rules { listen_loopback };
                let may = sheltered && listen_loopback;
                let answer = if may { Reason::Allowed } else { Reason::Listen };
                assert_eq!(network::decide_bind(who, sheltered, 8888, rules), answer);
                assert_eq!(network::decide_listen(who, true, sheltered, 8888, rules), answer);
            }
        }
    }
}

#[test]
fn a_listener_answers_at_its_own_address_and_on_every_address_of_its_families() {
    let six = |address: Address| std::net::Ipv6Addr::from(address).to_ipv4_mapped().is_none();
    for at in addresses() {
        for to in addresses() {
            let own_families = is_wildcard(at) && (six(at) || !six(to));
            assert_eq!(network::answers(&at, &to), at == to || own_families, "{at:?} {to:?}");
        }
    }
}

/// Every answer the decision can give to `who`, in a fixed order.
fn every_answer(who: Subject) -> Vec<Answer> {
    let mut answers = Vec::new();
    let places = [
        Place::Workspace,
        Place::Spool,
        Place::Memory,
        Place::Session,
        Place::Terminal,
        Place::Device,
        Place::ForeignDevice,
        Place::Socket,
        Place::OtherHome,
        Place::Unresolved,
        Place::Outside,
    ];
    for place in places {
        answers.extend(ACTS.map(|act| file::decide(who, act, place)));
        let commands = [0x5401, 0x5412, 0x541c, 0x5413, 0x4004_9409, 0x4008_6602, 0xc004_5877, 0x8008_6601];
        answers.extend(commands.map(|command| file::decide_control(who, command, place)));
    }
    for bits in 0..16u32 {
        let bit = |n: u32| bits >> n & 1 == 1;
        let to = Destination {
            loopback: bit(0),
            listener_confined: bit(1),
            listener_listed: bit(2),
            listed: bit(3),
        };
        answers.push(network::decide_destination(who, to));
    }
    answers.extend(FLAGS.map(|listed| network::decide_use(who, true, network::far_end(listed))));
    for end in 0..4 {
        answers.extend(FLAGS.map(|listed| network::decide_use(who, true, network::answered_by(end, listed))));
        answers.push(network::decide_use(who, true, network::opened_by(end)));
    }
    for peer in PEERS {
        for flag in FLAGS {
            answers.push(network::decide_use(who, flag, peer));
            answers.push(network::decide_peer(who, peer, flag));
        }
    }
    for family in 0..64 {
        for kind in 0..11 {
            for protocol in 0..300 {
                for root in FLAGS {
                    answers.push(network::decide_create(who, family, kind, protocol, root));
                }
            }
        }
    }
    for listen_loopback in FLAGS {
        let rules = Rules { listen_loopback };
        for sheltered in FLAGS {
            for port in [0, 1, 80, 8888, u16::MAX] {
                answers.push(network::decide_bind(who, sheltered, port, rules));
                answers.extend(FLAGS.map(|owned| network::decide_listen(who, owned, sheltered, port, rules)));
            }
        }
    }
    for level in LEVELS {
        for handed_down in FLAGS {
            answers.extend((0..128).map(|name| network::decide_option(who, handed_down, level, name)));
        }
    }
    answers.extend((0..128).map(|capability| process::decide_capability(who, capability)));
    answers.extend(subjects().into_iter().map(|target| process::decide_process(who, target)));
    answers.extend(Reason::ALL.map(|reason| process::decide_never(who, reason)));
    answers.push(process::decide_ring(who));
    answers.extend([0, b'c', b'/', b'|', b'@'].map(|first| usermode::decide_dump(who, first)));
    for flag in FLAGS {
        answers.push(network::decide_accept(who, flag));
        answers.push(process::decide_shared(who, flag));
        answers.push(usermode::decide_usermode(who, flag));
        answers.extend((0..16).map(|need| process::decide_key(who, need, flag)));
    }
    let types: [[u8; 8]; 4] = [*b"user\0\0\0\0", *b"keyring\0", *b"dns_reso", *b"cifs.spn"];
    answers.extend(types.map(|name| process::decide_key_type(who, name)));
    answers
}

#[test]
fn nobody_unconfined_is_ever_denied() {
    for answer in every_answer(Subject::FREE) {
        assert_eq!(answer, Reason::Allowed);
    }
    for locked in FLAGS {
        for transport in FLAGS {
            // A lock or a role without the mark means nothing.
            let odd = Subject { confined: false, transport, locked };
            assert!(every_answer(odd).into_iter().all(|answer| answer == Reason::Allowed));
        }
    }
}

#[test]
fn lockdown_only_removes_whatever_is_asked() {
    for transport in FLAGS {
        let open = every_answer(Subject { confined: true, transport, locked: false });
        let shut = every_answer(Subject { confined: true, transport, locked: true });
        assert!(open.len() > 400_000, "{} questions", open.len());
        for (before, after) in open.iter().zip(&shut) {
            assert!(*before == Reason::Allowed || *after != Reason::Allowed, "{before:?} became {after:?}");
            // And whatever it removes, it removes in its own name.
            assert!(*before == *after || *after == Reason::Lockdown, "{before:?} became {after:?}");
        }
    }
}

#[test]
fn audit_decides_as_enforce_does_and_then_lets_go() {
    for reason in Reason::ALL {
        // The answer is found before the mode is known: no decision takes it.
        assert_eq!(verdict(reason, true), 0);
        assert_eq!(verdict(reason, false), if reason == Reason::Allowed { 0 } else { -1 });
    }
}

#[test]
fn the_transport_role_gives_its_sockets_and_nothing_else() {
    let plain = every_answer(Subject::CONFINED);
    let transport = every_answer(Subject { transport: true, ..Subject::CONFINED });
    let gained =
        plain.iter().zip(&transport).filter(|(p, t)| **p != Reason::Allowed && **t == Reason::Allowed);
    // Exactly two questions: sending through a socket that somebody else made, whose other end is off the node, and
    // setting those of its options that may be set on a socket of one's own.
    let own = |level| (0..128).map(move |name| network::decide_option(Subject::CONFINED, false, level, name));
    let options = LEVELS.into_iter().flat_map(own).filter(|answer| *answer == Reason::Allowed).count();
    assert_eq!(gained.map(|(p, _)| *p).collect::<Vec<_>>(), vec![Reason::InheritedSocket; 1 + options]);
}

#[test]
fn what_is_handed_down_leads_on_when_it_is_a_named_pipe_outside_or_a_ring() {
    let pipes: Vec<_> = MAGICS.into_iter().filter(|magic| *magic != 0x0904_1934).collect();
    for magic in &pipes {
        for zone in 0..5 {
            let within = matches!(zone, maps::ZONE_WORKSPACE | maps::ZONE_SPOOL);
            let nameless = *magic == 0x5049_5045;
            assert_eq!(file::leads_on(file::S_IFIFO | 0o600, *magic, zone, false), !within && !nameless);
            for kind in KINDS.into_iter().filter(|kind| *kind != file::S_IFIFO) {
                assert!(!file::leads_on(kind | 0o600, *magic, zone, false), "{magic:x}: its use is judged");
            }
        }
    }
    assert!(file::leads_on(0o600, 0x0904_1934, 0, true) && !file::leads_on(0o600, 0x0904_1934, 0, false));
    for leads_on in [false, true] {
        assert_eq!(process::decide_handed_down(Subject::FREE, leads_on), Reason::Allowed);
        let confined = process::decide_handed_down(Subject::CONFINED, leads_on);
        assert_eq!(confined != Reason::Allowed, leads_on);
    }
    assert_eq!(process::after_exec(maps::MARK_CONFINED | maps::MARK_BEGINNING), maps::MARK_CONFINED);
}
