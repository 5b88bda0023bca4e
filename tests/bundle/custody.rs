//! What the notary takes out of the spool, and what it leaves there.

use crate::house::House;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use sekisho_policy::Verdict;
use sekisho_wire::notary::{Answer, Ask};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

#[track_caller]
fn refused(answer: &Answer, expected: &str) {
    match answer {
        Answer::Refused { reason, .. } => assert_eq!(reason, expected),
        other => panic!("expected {expected}, got {other:?}"),
    }
}

#[test]
fn only_one_plain_file_of_the_project_is_taken() {
    let house = House::new();
    let spool = house.path("spool/demo");
    fs::write(house.path("secret"), "secret").unwrap();
    symlink(house.path("secret"), spool.join("link")).unwrap();
    symlink(house.path("."), spool.join("dirlink")).unwrap();
    symlink("/proc/self/exe", spool.join("magic")).unwrap();
    fs::write(spool.join("named-twice"), "x").unwrap();
    fs::hard_link(spool.join("named-twice"), spool.join("second-name")).unwrap();
    fs::create_dir(spool.join("directory")).unwrap();
    nix::unistd::mkfifo(&spool.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(spool.join("socket")).unwrap();
    refused(&house.take("R-1", "link"), "not_a_file");
    refused(&house.take("R-1", "dirlink/secret"), "not_a_file");
    refused(&house.take("R-1", "magic"), "not_a_file");
    refused(&house.take("R-1", "named-twice"), "hard_link");
    refused(&house.take("R-1", "directory"), "not_a_file");
    refused(&house.take("R-1", "fifo"), "not_a_file");
    refused(&house.take("R-1", "socket"), "not_a_file");
    refused(&house.take("R-1", "missing"), "gone");
    for name in ["../../secret", "..", ".", "", "/etc/passwd", "a/b/c", "a//b", "directory/../link", "x\0y"] {
        refused(&house.take("R-1", name), "bad_name");
    }
    let elsewhere = Ask::TakeCustody { request: "R-1".into(), project: "..".into(), name: "secret".into() };
    refused(&house.ask(&elsewhere), "unknown_project");
    let archived = walk(&house.path("state/archive"));
    assert!(archived.is_empty(), "{archived:?}");
}

#[test]
fn a_file_somebody_writes_waits_however_it_is_held_open() {
    let house = House::new();
    let path = house.path("spool/demo/growing.tsv");
    let writer = fs::File::create(&path).unwrap();
    assert!(matches!(house.take("R-1", "growing.tsv"), Answer::Busy { .. }));
    drop(writer);
    let both = fs::File::options().read(true).write(true).open(&path).unwrap();
    assert!(matches!(house.take("R-1", "growing.tsv"), Answer::Busy { .. }));
    drop(both);
    // Closed, but still mapped: whoever holds such a mapping can write without any further system call.
    let mapped = fs::File::options().read(true).write(true).open(&path).unwrap();
    mapped.set_len(4096).unwrap();
    let length = std::num::NonZeroUsize::new(4096).unwrap();
    let (rights, kind) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED);
    // SAFETY: a fresh mapping of a file of that length; nothing else refers to it.
    let map = unsafe { mmap(None, length, rights, kind, &mapped, 0) }.unwrap();
    drop(mapped);
    assert!(
        matches!(house.take("R-1", "growing.tsv"), Answer::Busy { .. }),
        "a writable mapping is a writer"
    );
    // SAFETY: mapped above with this length, and not used.
    unsafe { munmap(map, 4096) }.unwrap();
    let reader = fs::File::open(&path).unwrap();
    assert!(matches!(house.take("R-1", "growing.tsv"), Answer::Custody(_)), "a reader is no writer");
    drop(reader);
}

#[test]
fn the_copy_is_read_only_and_does_not_change_with_the_spool() {
    let house = House::new();
    let held = &house.custody("R-1", &[("t.tsv", b"first")])[0];
    fs::write(house.path("spool/demo/R-1/t.tsv"), "second").unwrap();
    assert_eq!(house.held_bytes(&held.sha256), b"first");
    let archived = walk(&house.path("state/archive"));
    assert_eq!(archived.len(), 1);
    assert_eq!(fs::metadata(&archived[0]).unwrap().permissions().mode() & 0o777, 0o400);
}

#[test]
fn the_same_bytes_are_kept_once_and_the_same_question_gets_the_same_answer() {
    let mut house = House::new();
    let first = house.custody("R-1", &[("t.tsv", b"bytes")]);
    let again = house.custody("R-1", &[("t.tsv", b"bytes")]);
    assert_eq!(first, again);
    house.custody("R-2", &[("u.tsv", b"bytes")]);
    assert_eq!(walk(&house.path("state/archive")).len(), 1);
    let received = house.ledger().iter().filter(|e| e["kind"] == "received").count();
    assert_eq!(received, 2);
}

#[test]
fn nothing_is_added_to_a_request_once_it_is_inspected() {
    let house = House::new();
    house.inspected("R-1", Verdict::Review);
    fs::write(house.path("spool/demo/R-1/more.tsv"), "x").unwrap();
    refused(&house.take("R-1", "R-1/more.tsv"), "request_closed");
    fs::write(house.path("spool/demo/R-1/table.tsv"), "other").unwrap();
    refused(&house.take("R-1", "R-1/table.tsv"), "request_closed");
}

#[test]
fn limits_are_those_of_the_policy() {
    let house = House::without_notary();
    let mut house = house;
    house.write_policy("[limits]\nfile_bytes = 10\nrequest_files = 2\n");
    house.start();
    fs::write(house.path("spool/demo/large"), "12345678901").unwrap();
    refused(&house.take("R-1", "large"), "too_large");
    house.custody("R-2", &[("a", b"1"), ("b", b"2")]);
    fs::write(house.path("spool/demo/R-2/c"), "3").unwrap();
    refused(&house.take("R-2", "R-2/c"), "too_many_files");
}

/// As on an installed node: the notary is an account of its own with two capabilities, the spool is the airlock's, the
/// file is the researcher's and nobody else may read it.
#[test]
fn with_its_two_capabilities_the_notary_reads_what_only_the_researcher_may_read() {
    assert!(nix::unistd::getuid().is_root(), "running the notary as another account needs root");
    let mut house = House::without_notary();
    let owner =
        |path: &str, uid: u32| std::os::unix::fs::chown(house.path(path), Some(uid), Some(uid)).unwrap();
    for path in ["", "state", "release", "spool"] {
        owner(path, 65534);
    }
    owner("spool/demo", 1);
    fs::set_permissions(house.path("spool/demo"), fs::Permissions::from_mode(0o3770)).unwrap();
    house.confined = true;
    house.start();
    let path = house.path("spool/demo/t.tsv");
    fs::write(&path, "n\t120\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let writer = fs::File::options().append(true).open(&path).unwrap();
    assert!(matches!(house.take("R-1", "t.tsv"), Answer::Busy { .. }));
    drop(writer);
    let Answer::Custody(held) = house.take("R-1", "t.tsv") else { panic!("{}", house.log()) };
    assert_eq!((held.owner_uid, held.bytes), (0, 6));
    let report = crate::house::report(&[held], Verdict::Review);
    house.ask(&Ask::RecordInspection { request: "R-1".into(), report: report.clone() });
    // The project's release directory as the administrator makes it: its group is the project's.
    fs::create_dir(house.path("release/demo")).unwrap();
    std::os::unix::fs::chown(house.path("release/demo"), Some(65534), Some(4242)).unwrap();
    fs::set_permissions(house.path("release/demo"), fs::Permissions::from_mode(0o2750)).unwrap();
    let answer = house.ask(&house.signed(&house.statement("R-1", &report, "sato"), "sato"));
    let Answer::Released { bag, .. } = answer else { panic!("{answer:?}") };
    for file in walk(bag.as_ref()) {
        let meta = fs::metadata(&file).unwrap();
        let seen = (meta.uid(), meta.gid(), meta.mode() & 0o7777);
        assert_eq!(seen, (65534, 4242, 0o440), "{}", file.display());
    }
    let status = fs::read_to_string(format!("/proc/{}/status", house.pid())).unwrap();
    let line = |name: &str| {
        status.lines().find(|l| l.starts_with(name)).unwrap().split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(
        (line("NoNewPrivs:"), line("Seccomp:"), line("CapBnd:")),
        ("1".into(), "2".into(), "0000000010000004".into())
    );
}

pub fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}
