//! The ledger on disk: layout, crash safety, damage, proofs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use sekisho_ledger::log::{Log, LogError};
use sekisho_ledger::merkle;
use sekisho_ledger::note::{self, Checkpoint};
use sekisho_ledger::sshsig::SigningKey;
use std::fs;
use std::path::{Path, PathBuf};

/// Memory where there is some: the tests are about order and content, and hundreds of fsyncs are slow on a disk.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

struct Made {
    dir: tempfile::TempDir,
    key: SigningKey,
}

impl Made {
    fn new() -> Self {
        Self { dir: scratch(), key: SigningKey::generate("t").unwrap().0 }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn origin(&self) -> String {
        note::origin(&self.key.public_bytes())
    }

    fn open(&self) -> Result<(Log, Vec<Vec<u8>>), LogError> {
        let mut seen = Vec::new();
        let log = Log::open(self.path(), &self.origin(), &self.key, |_, e| seen.push(e.to_vec()))?;
        Ok((log, seen))
    }

    fn with(entries: u64) -> Self {
        let made = Self::new();
        let (mut log, _) = made.open().unwrap();
        for n in 0..entries {
            assert_eq!(log.append(&entry(n), &made.key).unwrap(), n);
        }
        made
    }
}

fn entry(n: u64) -> Vec<u8> {
    format!("entry {n}").into_bytes()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for e in fs::read_dir(dir).unwrap() {
        let path = e.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn the_layout_is_that_of_tlog_tiles() {
    let made = Made::with(258);
    let names: Vec<_> = files(made.path())
        .iter()
        .map(|f| f.strip_prefix(made.path()).unwrap().display().to_string())
        .collect();
    let expected = [
        "checkpoint",
        "lock",
        "tile/0/000",
        "tile/0/001.p/2",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/2",
    ];
    assert_eq!(names, expected);
    assert_eq!(fs::read(made.path().join("tile/0/000")).unwrap().len(), 256 * 32);
    let bundle = fs::read(made.path().join("tile/entries/001.p/2")).unwrap();
    assert_eq!(bundle, b"\x00\x09entry 256\x00\x09entry 257");
    assert_eq!(fs::read(made.path().join("tile/0/001.p/2")).unwrap()[..32], merkle::leaf(b"entry 256"));
}

#[test]
fn what_was_appended_is_there_after_reopening_and_is_proven() {
    let made = Made::with(300);
    let (log, seen) = made.open().unwrap();
    assert_eq!(seen, (0..300).map(entry).collect::<Vec<_>>());
    let public = made.key.public_bytes();
    for n in [0, 1, 255, 256, 299] {
        assert_eq!(log.entry(n).unwrap(), entry(n));
        let checkpoint = log.proof(n).unwrap().verify(&entry(n), &made.origin(), &public).unwrap();
        assert_eq!(checkpoint.size, 300);
    }
    assert!(matches!(log.entry(300), Err(LogError::NoEntry(300))));
}

#[test]
fn a_later_log_proves_that_it_contains_the_earlier_one() {
    let made = Made::with(10);
    let (mut log, _) = made.open().unwrap();
    let before = Checkpoint::verify(log.checkpoint(), &made.origin(), &made.key.public_bytes()).unwrap();
    for n in 10..300 {
        log.append(&entry(n), &made.key).unwrap();
    }
    let after = Checkpoint::verify(log.checkpoint(), &made.origin(), &made.key.public_bytes()).unwrap();
    let path = log.consistency(before.size).unwrap();
    assert!(merkle::verify_consistency(before.size, &before.root, after.size, &after.root, &path));
}

#[test]
fn only_one_process_appends() {
    let made = Made::with(1);
    let _first = made.open().unwrap();
    assert!(matches!(made.open(), Err(LogError::Locked(_))));
}

/// A power cut can leave any prefix of the writes of one append behind: every one of them opens to the log before it,
/// or the log after it.
#[test]
fn every_crash_point_of_an_append_reopens_to_before_or_after() {
    for size in [0u64, 1, 254, 255, 256, 511] {
        let before = Made::with(size);
        let after = Made { dir: scratch(), key: SigningKey::from_openssh(KEY).unwrap() };
        let before = Made { dir: before.dir, key: SigningKey::from_openssh(KEY).unwrap() };
        // The same key on both sides.
        fs::remove_dir_all(before.path()).unwrap();
        for made in [&before, &after] {
            let (mut log, _) = made.open().unwrap();
            for n in 0..size {
                log.append(&entry(n), &made.key).unwrap();
            }
        }
        let (mut log, _) = after.open().unwrap();
        log.append(&entry(size), &after.key).unwrap();
        drop(log);
        let new: Vec<_> = files(after.path())
            .into_iter()
            .map(|f| f.strip_prefix(after.path()).unwrap().to_owned())
            .filter(|f| fs::read(before.path().join(f)).ok() != fs::read(after.path().join(f)).ok())
            .filter(|f| f != Path::new("checkpoint"))
            .collect();
        for subset in 0..1u32 << new.len() {
            let copy = Made { dir: scratch(), key: SigningKey::from_openssh(KEY).unwrap() };
            for f in files(before.path()) {
                let to = copy.path().join(f.strip_prefix(before.path()).unwrap());
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(&f, to).unwrap();
            }
            for (n, f) in new.iter().enumerate() {
                let to = copy.path().join(f);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                if subset & (1 << n) != 0 {
                    fs::copy(after.path().join(f), to).unwrap();
                } else {
                    // Torn: only ever under the unfinished name.
                    let mut torn = to.into_os_string();
                    torn.push(".unfinished");
                    fs::write(torn, b"\x00").unwrap();
                }
            }
            let (mut log, seen) = copy.open().unwrap();
            assert_eq!(seen.len() as u64, size, "the checkpoint alone decides");
            log.append(b"another", &copy.key).unwrap();
            drop(log);
            let (_, seen) = copy.open().unwrap();
            assert_eq!(seen.last().unwrap(), b"another");
        }
    }
}

#[test]
fn lost_hash_tiles_are_made_anew() {
    let made = Made::with(300);
    fs::remove_dir_all(made.path().join("tile/0")).unwrap();
    fs::write(made.path().join("tile/1/000.p/1"), b"nonsense").unwrap();
    made.open().unwrap();
    assert_eq!(fs::read(made.path().join("tile/0/000")).unwrap().len(), 256 * 32);
    assert_eq!(fs::read(made.path().join("tile/1/000.p/1")).unwrap().len(), 32);
}

#[test]
fn damage_is_named_and_not_repaired_by_guessing() {
    let damage = |f: &dyn Fn(&Path)| {
        let made = Made::with(300);
        f(made.path());
        made.open().map(|_| ()).expect_err("damage must be noticed").to_string()
    };
    let bundle = "tile/entries/001.p/44";
    assert!(damage(&|d| fs::remove_file(d.join(bundle)).unwrap()).contains(bundle));
    assert!(damage(&|d| fs::write(d.join(bundle), b"\x00\xffshort").unwrap()).contains("cut short"));
    assert!(damage(&|d| fs::write(d.join(bundle), b"\x00\x01x").unwrap()).contains("promises 44"));
    assert!(damage(&|d| fs::remove_file(d.join("checkpoint")).unwrap()).contains("checkpoint"));
    let changed = |d: &Path| {
        let path = d.join("tile/entries/000");
        let mut bytes = fs::read(&path).unwrap();
        bytes[4] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    assert!(damage(&changed).contains("not those the checkpoint was signed over"));
    let forged = |d: &Path| {
        let note = fs::read_to_string(d.join("checkpoint")).unwrap();
        fs::write(d.join("checkpoint"), note.replace("\n300\n", "\n299\n")).unwrap();
    };
    assert!(damage(&forged).contains("no valid signature"));
}

#[test]
fn an_append_that_fails_leaves_the_log_as_it_was() {
    let made = Made::with(3);
    let (mut log, _) = made.open().unwrap();
    assert!(matches!(log.append(&vec![0; 65536], &made.key), Err(LogError::EntryTooLarge(65536))));
    // A directory where the next bundle must go: the write fails, whoever runs the test.
    let block = made.path().join("tile/entries/000.p/4");
    fs::create_dir_all(block.join("x")).unwrap();
    log.append(b"lost", &made.key).expect_err("cannot be written");
    assert_eq!(log.size(), 3);
    fs::remove_dir_all(&block).unwrap();
    assert_eq!(log.append(b"kept", &made.key).unwrap(), 3);
    drop(log);
    assert_eq!(made.open().unwrap().1.last().unwrap(), b"kept");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_entries_come_back(entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..30)) {
        let made = Made::new();
        let (mut log, _) = made.open().unwrap();
        for e in &entries { log.append(e, &made.key).unwrap(); }
        drop(log);
        prop_assert_eq!(made.open().unwrap().1, entries);
    }
}

/// A key made for these tests, worth nothing elsewhere.
const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACAhBCdzrTnbleK+8pn4KBz2ZGuWGWIeef0sZsjnq7zKpAAAAJAdA/GrHQPx
qwAAAAtzc2gtZWQyNTUxOQAAACAhBCdzrTnbleK+8pn4KBz2ZGuWGWIeef0sZsjnq7zKpA
AAAEBvnitQtrqP23VddKANHJsH++gH2NPdIyapWqKKbHmrhCEEJ3OtOduV4r7ymfgoHPZk
a5YZYh55/SxmyOervMqkAAAAC3Rlc3QgdmVjdG9yAQI=
-----END OPENSSH PRIVATE KEY-----
";
