//! Judging bytes in tests, from text to verdict, without a process.

use crate::crew::Crew;
use sekisho_policy::{FileFacts, FileReport, Policy, RequestInfo};
use sekisho_wire::inspect::Job;
use std::io::{Seek, Write};

/// A file of `fixtures/` by its name, and what is in it.
macro_rules! fixture {
    ($name:literal) => {
        ($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/", $name)).as_slice())
    };
}
pub(crate) use fixture;

/// The report on a file with this content.
pub fn check(content: &[u8]) -> FileReport {
    check_with(content, &Policy::default(), &RequestInfo::default())
}

/// The report under a policy and a request. The file is called `file`.
pub fn check_with(content: &[u8], policy: &Policy, request: &RequestInfo) -> FileReport {
    fix_with(content, policy, request, false).0
}

/// The report, and the filtered copy with its description.
pub fn fix_with(
    content: &[u8],
    policy: &Policy,
    request: &RequestInfo,
    fix: bool,
) -> (FileReport, Option<(String, Vec<u8>)>) {
    let (facts, fixed) = facts_with(content, policy, request, fix, &Crew::default());
    (sekisho_policy::judge(policy, request, std::slice::from_ref(&facts)).files.remove(0), fixed)
}

/// The facts as such, found with the help of a crew.
pub fn facts_with(
    content: &[u8],
    policy: &Policy,
    request: &RequestInfo,
    fix: bool,
    crew: &Crew,
) -> (FileFacts, Option<(String, Vec<u8>)>) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    let mut copy = tempfile::tempfile().unwrap();
    let job = Job {
        version: 1,
        name: "file".into(),
        policy: policy.clone(),
        request: request.clone(),
        fix,
        beside: None,
    };
    let handed = fix.then(|| copy.try_clone().unwrap());
    let (facts, fixed) = crate::inspect::run_with(&job, file, handed, crew, |_| true);
    let fixed = fixed.map(|words| {
        let mut bytes = Vec::new();
        copy.rewind().unwrap();
        std::io::Read::read_to_end(&mut copy, &mut bytes).unwrap();
        (words.holds, bytes)
    });
    (facts, fixed)
}

/// The worst finding of a rule, if it found anything.
pub fn worst<'a>(report: &'a FileReport, rule: &str) -> Option<&'a sekisho_policy::Finding> {
    report.findings.iter().find(|f| f.rule == rule)
}

/// The real files, where they are present.
pub fn shared() -> Option<std::path::PathBuf> {
    std::env::var_os("SEKISHO_SHARED").map(|p| std::path::PathBuf::from(p).join("data"))
}

/// Every real file has a verdict that was computed beforehand, under either reading of the frequency clause.
#[test]
fn every_file_of_the_manifest_gets_its_verdict_under_both_readings() {
    use sekisho_policy::schema::Reading;
    let Some(root) = shared() else { return };
    let manifest = std::fs::read_to_string(root.join("MANIFEST.tsv")).unwrap();
    let mut denominator = Policy::default();
    denominator.frequency.reading = Reading::Denominator;
    let mut wrong = Vec::new();
    for row in manifest.lines().skip(1) {
        let fields: Vec<&str> = row.split('\t').collect();
        let content = std::fs::read(root.join(fields[0])).unwrap();
        for (policy, wanted) in [(&Policy::default(), fields[2]), (&denominator, fields[4])] {
            let report = check_with(&content, policy, &RequestInfo::default());
            if report.verdict.as_str() != wanted {
                wrong.push(format!("{}: {} instead of {wanted}", fields[0], report.verdict.as_str()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
