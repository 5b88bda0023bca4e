use super::*;
use sekisho_policy::schema::{Network, Subjects, Zone};
use std::collections::BTreeMap;

#[derive(Default)]
struct Fake {
    files: BTreeMap<&'static str, Identity>,
}

fn directory(device: u32, inode: u64) -> Identity {
    Identity {
        device,
        inode,
        stands_for: 0,
        directory: true,
        character_device: false,
        only_root_writes: true,
        remote: false,
    }
}

impl Node for Fake {
    fn file(&self, path: &str) -> Option<Identity> {
        self.files.get(path).copied()
    }
    fn uid(&self, name: &str) -> Option<u32> {
        [("root", 0), ("researcher", 1001), ("officer", 1002)]
            .into_iter()
            .find(|(n, _)| *n == name)
            .map(|(_, uid)| uid)
    }
    fn real(&self, path: &str) -> Option<String> {
        (path == "/dev/log").then(|| "/run/systemd/journal/dev-log".into())
    }
}

fn zone(path: &str, kind: ZoneKind) -> Zone {
    Zone { path: path.into(), kind, whole_filesystem: false, remote: false }
}

#[test]
fn a_zone_is_its_device_and_inode() {
    let node = Fake { files: BTreeMap::from([("/home/a", directory(8, 77)), ("/scratch", directory(9, 2))]) };
    let mut whole = zone("/scratch", ZoneKind::Workspace);
    whole.whole_filesystem = true;
    let gate = Gate { zones: vec![zone("/home/a", ZoneKind::Spool), whole], ..Gate::default() };
    assert_eq!(translate(&gate, &node).unwrap().zones, [(8, 77, ZONE_SPOOL), (9, 0, ZONE_WORKSPACE)]);
}

#[test]
fn a_missing_or_remote_zone_is_not_writable_and_said_so() {
    let mut nfs = directory(10, 3);
    nfs.remote = true;
    let node = Fake { files: BTreeMap::from([("/nfs", nfs)]) };
    let gate = Gate {
        zones: vec![zone("/gone", ZoneKind::Workspace), zone("/nfs", ZoneKind::Workspace)],
        ..Gate::default()
    };
    let tables = translate(&gate, &node).unwrap();
    assert!(tables.zones.is_empty());
    assert!(tables.warnings[0].contains("/gone does not exist"), "{:?}", tables.warnings);
    assert!(tables.warnings[1].contains("remote = true"), "{:?}", tables.warnings);
}

#[test]
fn an_unknown_confined_account_refuses_the_policy_an_unknown_exempt_one_does_not() {
    let with = |subjects| translate(&Gate { subjects, ..Gate::default() }, &Fake::default());
    let confined = with(Subjects { users: vec!["ghost".into()], ..Subjects::default() });
    assert!(confined.unwrap_err().to_string().contains("no account `ghost`"));
    let exempt =
        with(Subjects { exempt_users: vec!["ghost".into(), "root".into()], ..Subjects::default() }).unwrap();
    assert_eq!((exempt.exempt, exempt.warnings.len()), (vec![0], 1));
}

#[test]
fn ipv4_destinations_are_mapped_so_that_both_spellings_are_one() {
    let allow = |cidr: &str, protocol: &str| {
        let allow = vec![Destination { cidr: cidr.into(), protocol: protocol.into(), port: 443 }];
        translate(
            &Gate { network: Network { allow, ..Network::default() }, ..Gate::default() },
            &Fake::default(),
        )
    };
    let (protocol, port, address, prefix) = allow("10.0.0.0/8", "tcp").unwrap().destinations[0];
    assert_eq!((protocol, port, prefix), (6, 443, 104));
    assert_eq!(address[10..14], [0xff, 0xff, 10, 0]);
    assert_eq!(allow("2001:db8::/32", "udp").unwrap().destinations[0].3, 32);
    for (cidr, protocol) in
        [("10.0.0.0/33", "tcp"), ("ten", "tcp"), ("10.0.0.0/8", "sctp"), ("::/129", "tcp")]
    {
        assert!(allow(cidr, protocol).is_err(), "{cidr} {protocol}");
    }
}

#[test]
fn a_unix_socket_is_known_by_the_path_written_and_by_the_real_one() {
    let network = Network { unix: vec!["/dev/log".into()], ..Network::default() };
    let tables = translate(&Gate { network, ..Gate::default() }, &Fake::default()).unwrap();
    assert_eq!(
        tables.unix,
        [
            (unix_path("/dev/log").unwrap(), UNIX_LISTED),
            (unix_path("/run/systemd/journal/dev-log").unwrap(), UNIX_LISTED)
        ]
    );
}

#[test]
fn a_transport_that_others_may_write_is_not_trusted() {
    let mut sshd = directory(8, 5);
    sshd.directory = false;
    let mut writable = sshd;
    writable.only_root_writes = false;
    let trusted = Fake { files: BTreeMap::from([("/usr/sbin/sshd", sshd)]) };
    let loose = Fake { files: BTreeMap::from([("/usr/sbin/sshd", writable)]) };
    assert_eq!(translate(&Gate::default(), &trusted).unwrap().transports, [(8, 5)]);
    assert!(translate(&Gate::default(), &loose).unwrap().transports.is_empty());
}

#[test]
fn in_lockdown_the_gate_and_the_airlock_still_answer_and_nobody_else() {
    let unix = [AIRLOCK_SOCKET, GATE_SOCKET, "/run/systemd/journal/socket"].map(str::to_owned);
    let gate = Gate { network: Network { unix: unix.to_vec(), ..Network::default() }, ..Gate::default() };
    let tables = translate(&gate, &Fake::default()).unwrap();
    assert_eq!(
        tables.unix.iter().map(|(_, word)| *word).collect::<Vec<_>>(),
        [UNIX_KEPT, UNIX_KEPT, UNIX_LISTED]
    );
}

#[test]
fn what_spares_the_kernel_a_look_up_never_hides_a_zone_or_a_confined_account() {
    let tables = Tables {
        zones: (1..2000).map(|n| (8, n * 131, ZONE_WORKSPACE)).chain([(2053, 0, ZONE_SPOOL)]).collect(),
        confined: vec![900],
        ..Tables::default()
    };
    let config = tables.sealed_config();
    for &(device, inode, _) in &tables.zones {
        let (word, bit) = filter_place(if inode == 0 { u64::from(device) } else { inode });
        assert_ne!(config.filter[word] & bit, 0, "zone {device}:{inode}");
    }
    assert_eq!(config.lowest, 900);
    let mut ranged = Tables::default();
    assert_eq!(ranged.sealed_config().lowest, u32::MAX);
    ranged.config.ranges[0] = UidRange { first: 1000, last: 2000 };
    ranged.config.ranges[1] = UidRange { first: 5, last: 6 };
    ranged.config.ranges_used = 1;
    assert_eq!(ranged.sealed_config().lowest, 1000);
    ranged.config.ranges_used = 2;
    assert_eq!(ranged.sealed_config().lowest, 5);
}
