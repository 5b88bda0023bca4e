//! Independent tools, and our own inspector, asked about the same file.

use sekisho_policy::facts::{Genotypes, Part, What};
use sekisho_policy::{FileFacts, Policy, RequestInfo};
use sekisho_wire::inspect::{Connection, Input, request};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Runs a tool that must succeed; its standard output. Debian's packages hold it, `cargo xtask` installs them.
pub fn tool(name: &str, directory: &Path, arguments: &str) -> String {
    let output =
        Command::new(name).args(arguments.split_whitespace()).current_dir(directory).output().unwrap_or_else(
            |e| panic!("{name}: {e}; hint: cargo xtask test installs it from Debian's packages"),
        );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments}: {text}{error}");
    text
}

/// Rows of a table with a header line: cells by column name.
pub fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut lines = text.lines();
    let header: Vec<String> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .map(|w| w.trim_start_matches('#').to_owned())
        .collect();
    lines.map(|l| header.iter().cloned().zip(l.split_whitespace().map(str::to_owned)).collect()).collect()
}

/// A whole number of such a row.
pub fn number(row: &BTreeMap<String, String>, column: &str) -> u64 {
    row.get(column).and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{column} of {row:?}"))
}

fn inspector() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built =
            Command::new(cargo).args(["build", "--quiet", "--package", "sekisho-inspect"]).status().unwrap();
        assert!(built.success());
        let own = std::env::current_exe().unwrap();
        own.ancestors().nth(3).unwrap().join("debug/sekisho-inspect")
    })
}

/// What our inspector finds in files of one request. `limit`: of sites; a large one makes it count to the end.
pub fn inspect(paths: &[PathBuf], limit: u64) -> Vec<FileFacts> {
    let mut policy = Policy::default();
    policy.sites.limit = limit;
    let inputs: Vec<Input> = paths
        .iter()
        .map(|path| Input {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            file: std::fs::File::open(path).unwrap(),
            copy: None,
        })
        .collect();
    let connect = || Connection::spawn(inspector());
    let answers = request(&connect, &inputs, &policy, &RequestInfo::default(), 2, &|_, _| {});
    answers.into_iter().map(|a| a.facts).collect()
}

/// The genotypes of a file.
pub fn genotypes(facts: &FileFacts) -> &Genotypes {
    let found = facts.parts.iter().find_map(|p| if let Part::Genotypes(g) = p { Some(g) } else { None });
    found.unwrap_or_else(|| panic!("no genotypes in {facts:#?}"))
}

/// How often something was found in a file.
pub fn found(facts: &FileFacts, what: What) -> u64 {
    let tables = facts.parts.iter().filter_map(|p| if let Part::Statistics(s) = p { Some(s) } else { None });
    tables.flat_map(|s| &s.evidence).filter(|e| e.what == what).map(|e| e.number).sum()
}
