//! Ordinary work goes on: with the gate on, a researcher's compilers, languages, notebooks, databases and jobs end as they
//! do with it off, and what is denied on the way is listed here with its reason.
//!
//! Each item is a script in `items/`, played by `play.sh` in a login session, before the gate starts and under it; beside it
//! stands, word for word, what it prints. The result is a table, `target/work/table.md`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by failing")]

mod denied;
mod table;

use denied::Denial;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What came of one item in one phase.
#[derive(Debug, Clone)]
struct Played {
    code: i32,
    /// For jobs that others start: did the item see its job confined?
    confined: bool,
    begin: f64,
    end: f64,
    output: String,
    errors: String,
}

/// What came of each item, by its name.
type Results = BTreeMap<String, Played>;

/// An item as it stands in `items/`.
struct Item {
    what: String,
    /// What it prints.
    expected: String,
}

/// Longest one round may take on a slow machine, seconds.
const LONGEST: &str = "3600";

/// The directory of this test.
fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("work")
}

/// Every item, by its name.
fn items() -> BTreeMap<String, Item> {
    let files = fs::read_dir(here().join("items")).unwrap().map(|file| file.unwrap().path());
    let scripts = files.filter(|path| path.extension().is_some_and(|extension| extension == "sh"));
    scripts
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let what = text.lines().next().unwrap().strip_prefix("# ").unwrap().to_owned();
            let expected = fs::read_to_string(path.with_extension("expected")).unwrap();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), Item { what, expected })
        })
        .collect()
}

/// What came of everything on one kernel: before the gate, under it, and what it denied.
struct Day {
    off: Results,
    on: Results,
    denials: Vec<Denial>,
}

/// One round: cron starts with it and ends with it, so that no job of one round is taken for one of the other.
const ROUND: &str = "systemctl start cron.service; \
     echo '* * * * * bash /tmp/in/work/cron-job.sh 2> /dev/null' | crontab -u researcher -; \
     su -l researcher -c 'bash /tmp/in/work/play.sh' < /dev/null; \
     crontab -u researcher -r; systemctl stop cron.service; rm -f /tmp/cron.* /mnt/out/cron";

/// Boots a kernel, plays everything before the gate starts and once more under it.
fn play(kernel: &str) -> Day {
    let under = format!("echo '@@@ on'; {ROUND}; sleep 1; cat /var/lib/sekisho-gate/denials/*.jsonl");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--quiet", "--package", "xtask", "--", "vm", "run", "--kernel", kernel])
        .args(["--image", "work", "--root", "--timeout", LONGEST, "--copy"])
        .arg(here())
        .args(["--before", ROUND, "--", &under])
        .current_dir(here())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let log = format!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
    fs::write(table::directory().join(format!("{kernel}.log")), &log).unwrap();
    let (off, on) = text.split_once("@@@ on\n").unwrap_or_else(|| panic!("the gate did not start\n{log}"));
    let results = |text: &str| text.lines().filter_map(one).collect();
    let denials = on.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    Day { off: results(off), on: results(on), denials }
}

/// A line of `play.sh`.
fn one(line: &str) -> Option<(String, Played)> {
    let words: Vec<_> = line.strip_prefix("@@ ")?.split(' ').collect();
    let [name, code, confined, begin, end, output, errors] = words[..] else { return None };
    let played = Played {
        code: code.parse().ok()?,
        confined: confined == "yes",
        begin: begin.parse().ok()?,
        end: end.parse().ok()?,
        output: decoded(output),
        errors: decoded(errors),
    };
    Some((name.to_owned(), played))
}

/// Standard base64, as `base64 -w0` writes it.
fn decoded(text: &str) -> String {
    let mut child = Command::new("base64")
        .arg("-d")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = text.to_owned();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut input, text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What is wrong with an item; nothing when it works.
fn judge(name: &str, item: &Item, played: Option<&Played>, gate: &str, denials: &[Denial]) -> Vec<String> {
    let Some(played) = played else { return vec!["it was not played".to_owned()] };
    let mut wrong = Vec::new();
    if (played.code, &played.output) != (0, &item.expected) {
        wrong.push(format!(
            "exit {}, and it printed\n{}instead of\n{}errors:\n{}",
            played.code, played.output, item.expected, played.errors
        ));
    }
    if STARTED_BY_OTHERS.contains(&name) && played.confined != (gate == "on") {
        wrong.push(format!("with the gate {gate}, its job was confined: {}", played.confined));
    }
    let during = denials.iter().filter(|denial| denial.within(played.begin, played.end));
    let unexplained = during.filter(|denial| !denial.is_explained());
    wrong.extend(unexplained.map(|denial| format!("denied and not explained: {denial}")));
    wrong
}

/// Items whose work is started by a service, not by the session.
const STARTED_BY_OTHERS: [&str; 1] = ["cron"];

/// Every item, with the gate off and on.
fn ordinary_work_goes_on_under(kernel: &'static str) {
    let day = play(kernel);
    let mut wrong = String::new();
    let mut rows = BTreeMap::new();
    for (name, item) in items() {
        let off = judge(&name, &item, day.off.get(&name), "off", &[]);
        let on = judge(&name, &item, day.on.get(&name), "on", &day.denials);
        for (gate, line) in off.iter().map(|l| ("off", l)).chain(on.iter().map(|l| ("on", l))) {
            writeln!(wrong, "{name}, gate {gate}: {line}").unwrap();
        }
        let seconds = |of: &Results| of.get(&name).map_or(0.0, |it| it.end - it.begin);
        let works = off.is_empty() && on.is_empty();
        rows.insert(
            name.clone(),
            table::Row { what: item.what, works, off: seconds(&day.off), on: seconds(&day.on) },
        );
    }
    table::put(kernel, rows);
    assert!(wrong.is_empty(), "on {kernel}:\n{wrong}");
}

#[test]
fn ordinary_work_goes_on_under_6_12() {
    ordinary_work_goes_on_under("6.12");
}

#[test]
fn a_difference_a_failure_and_an_unexplained_denial_are_noticed() {
    let item = Item { what: String::new(), expected: "a".to_owned() };
    let good = Played {
        code: 0,
        confined: false,
        begin: 1.0,
        end: 2.0,
        output: "a".to_owned(),
        errors: String::new(),
    };
    let other = Played { output: "b".to_owned(), ..good.clone() };
    let failed = Played { code: 1, ..good.clone() };
    let wrong = |name, played, gate, denials: &[Denial]| judge(name, &item, played, gate, denials).len();
    assert_eq!(wrong("sort", Some(&good), "on", &[]), 0);
    assert_eq!(wrong("sort", Some(&other), "on", &[]), 1);
    assert_eq!(wrong("sort", Some(&failed), "on", &[]), 1);
    assert_eq!(wrong("sort", None, "on", &[]), 1);
    assert_eq!(wrong("cron", Some(&good), "on", &[]), 1, "an unconfined job is a way out");
    assert_eq!(wrong("cron", Some(&good), "off", &[]), 0);
    let denial = Denial::new("1970-01-01T00:00:01.5Z", "inode_create", "cp", "`surprise` (a new name)");
    assert_eq!(wrong("sort", Some(&good), "on", &[denial]), 1);
}
