//! What the spool shows and how it is cleared, on a real directory.

use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

const NOW: Quiet = Quiet { file: Duration::ZERO, directory: Duration::ZERO, empty: Duration::ZERO };
const LATER: Quiet =
    Quiet { file: Duration::from_secs(9), directory: Duration::from_secs(9), empty: Duration::from_secs(9) };

fn spool() -> (tempfile::TempDir, PathBuf) {
    let base = tempfile::tempdir().unwrap();
    let project = base.path().join("demo");
    fs::create_dir(&project).unwrap();
    (base, project)
}

fn look_at(base: &tempfile::TempDir, quiet: Quiet) -> Vec<Entry> {
    let mut project = open_project(base.path(), "demo").unwrap();
    list(&mut project, quiet, 3, SystemTime::now()).unwrap()
}

fn only(base: &tempfile::TempDir, quiet: Quiet) -> Entry {
    let mut entries = look_at(base, quiet);
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

fn reason(entry: &Entry) -> &'static str {
    match &entry.fate {
        Fate::Bad(reason, _) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plain_file_is_taken_once_it_is_left_alone() {
    let (base, project) = spool();
    fs::write(project.join("a.tsv"), "x").unwrap();
    assert!(matches!(only(&base, LATER).fate, Fate::Wait(_)));
    let entry = only(&base, NOW);
    assert_eq!(entry.fate, Fate::Ready);
    assert_eq!(entry.files.len(), 1);
}

#[test]
fn unfinished_names_are_left_alone_and_hold_their_directory_back() {
    let (base, project) = spool();
    for name in [".a.tsv.Xy12", "b.part", "c~"] {
        fs::write(project.join(name), "x").unwrap();
    }
    assert!(look_at(&base, NOW).is_empty());
    fs::create_dir(project.join("r")).unwrap();
    fs::write(project.join("r/a.tsv"), "x").unwrap();
    fs::write(project.join("r/b.tsv.part"), "x").unwrap();
    assert!(matches!(only(&base, NOW).fate, Fate::Wait(_)));
    fs::rename(project.join("r/b.tsv.part"), project.join("r/b.tsv")).unwrap();
    assert_eq!(only(&base, NOW).fate, Fate::Ready);
}

#[test]
fn a_marked_directory_need_not_fall_quiet() {
    let (base, project) = spool();
    fs::create_dir(project.join("r")).unwrap();
    fs::write(project.join("r/a.tsv"), "x").unwrap();
    assert!(matches!(only(&base, LATER).fate, Fate::Wait(_)));
    fs::write(project.join("r").join(READY), "").unwrap();
    let entry = only(&base, LATER);
    assert_eq!(entry.fate, Fate::Ready);
    assert_eq!(entry.files.len(), 1, "the mark is no file of the request");
}

#[test]
fn what_cannot_be_a_request_is_named_with_its_reason() {
    let (base, project) = spool();
    let outside = tempfile::NamedTempFile::new().unwrap();
    let try_it = |make: &dyn Fn(&Path), expected: &str| {
        let path = project.join("entry");
        make(&path);
        assert_eq!(reason(&only(&base, NOW)), expected);
        if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }
            .unwrap();
    };
    try_it(&|p| symlink(outside.path(), p).unwrap(), "not_a_file");
    try_it(&|p| symlink("/etc", p).unwrap(), "not_a_file");
    try_it(&|p| drop(std::os::unix::net::UnixListener::bind(p).unwrap()), "not_a_file");
    try_it(&|p| nix::unistd::mkfifo(p, Mode::S_IRWXU).unwrap(), "not_a_file");
    try_it(&|p| fs::create_dir(p).unwrap(), "empty");
    try_it(
        &|p| {
            fs::create_dir(p).unwrap();
            fs::write(p.join(DECLARATION), "").unwrap();
        },
        "empty",
    );
    try_it(&|p| fs::create_dir_all(p.join("deeper")).unwrap(), "not_a_file");
    try_it(
        &|p| {
            fs::create_dir(p).unwrap();
            symlink("/etc/shadow", p.join("a.tsv")).unwrap();
        },
        "not_a_file",
    );
    try_it(
        &|p| {
            fs::create_dir(p).unwrap();
            for n in 0..4 {
                fs::write(p.join(format!("{n}.tsv")), "").unwrap();
            }
        },
        "too_many_files",
    );
    let elsewhere = project.join(".elsewhere");
    fs::write(&elsewhere, "x").unwrap();
    try_it(&|p| fs::hard_link(&elsewhere, p).unwrap(), "hard_link");
}

#[test]
fn names_that_could_draw_on_a_terminal_are_refused() {
    use std::os::unix::ffi::OsStrExt;
    let (base, project) = spool();
    for name in [&b"a\x1b[2J.tsv"[..], b"a\nb", b"\xff.tsv", "a\u{202e}vst.tsv".as_bytes()] {
        let path = project.join(std::ffi::OsStr::from_bytes(name));
        fs::write(&path, "x").unwrap();
        assert_eq!(reason(&only(&base, NOW)), "name");
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn clearing_removes_what_was_copied_and_only_that() {
    let (base, project) = spool();
    fs::create_dir(project.join("r")).unwrap();
    fs::write(project.join("r/a.tsv"), "x").unwrap();
    fs::write(project.join("r").join(READY), "").unwrap();
    let entry = only(&base, NOW);
    let at = open_project(base.path(), "demo").unwrap();
    // A file that came after the copies were taken survives under the old name.
    fs::write(project.join("r/late.tsv"), "y").unwrap();
    assert_eq!(clear(&at, "R-1", "r", &entry.files), Ok(Cleared::Changed));
    assert!(!project.join("r/a.tsv").exists());
    assert!(project.join("r/late.tsv").exists());
    let entry = only(&base, NOW);
    assert_eq!(clear(&at, "R-2", "r", &entry.files), Ok(Cleared::Gone));
    assert_eq!(fs::read_dir(&project).unwrap().count(), 0);
    assert_eq!(clear(&at, "R-2", "r", &entry.files), Ok(Cleared::Gone), "twice is as good as once");
}

#[test]
fn a_file_replaced_after_its_copy_is_a_new_drop() {
    let (base, project) = spool();
    fs::write(project.join("a.tsv"), "first").unwrap();
    let entry = only(&base, NOW);
    fs::write(project.join("new"), "second").unwrap();
    fs::rename(project.join("new"), project.join("a.tsv")).unwrap();
    let at = open_project(base.path(), "demo").unwrap();
    assert_eq!(clear(&at, "R-1", "a.tsv", &entry.files), Ok(Cleared::Changed));
    assert_eq!(fs::read_to_string(project.join("a.tsv")).unwrap(), "second");
    let entry = only(&base, NOW);
    fs::write(project.join("a.tsv"), "third, in place").unwrap();
    assert_eq!(clear(&at, "R-2", "a.tsv", &entry.files), Ok(Cleared::Changed));
    assert_eq!(fs::read_to_string(project.join("a.tsv")).unwrap(), "third, in place");
}

#[test]
fn a_crash_in_the_middle_of_clearing_is_finished_by_the_next_round() {
    let (base, project) = spool();
    fs::create_dir(project.join("r")).unwrap();
    for name in ["a", "b"] {
        fs::write(project.join("r").join(name), "x").unwrap();
    }
    let entry = only(&base, NOW);
    // As if killed after the move and one unlink; meanwhile the user drops the same name again.
    fs::rename(project.join("r"), project.join(parking_name("R-1"))).unwrap();
    fs::remove_file(project.join(parking_name("R-1")).join("a")).unwrap();
    fs::write(project.join("r"), "new").unwrap();
    let at = open_project(base.path(), "demo").unwrap();
    assert_eq!(clear(&at, "R-1", "r", &entry.files), Ok(Cleared::Gone));
    assert_eq!(fs::read_to_string(project.join("r")).unwrap(), "new");
    assert_eq!(fs::read_dir(&project).unwrap().count(), 1);
}
