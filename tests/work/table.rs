//! `target/work/table.md`: ordinary work × kernel.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// One item on one kernel.
pub(crate) struct Row {
    pub what: String,
    pub works: bool,
    /// Seconds it took, without the gate and with it.
    pub off: f64,
    pub on: f64,
}

/// By the kernel, then by the item.
static ROWS: Mutex<BTreeMap<&'static str, BTreeMap<String, Row>>> = Mutex::new(BTreeMap::new());

/// Where results go.
pub(crate) fn directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/work");
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// Adds what came of a kernel, and writes the table anew.
pub(crate) fn put(kernel: &'static str, rows: BTreeMap<String, Row>) {
    let mut all = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut times = String::new();
    for (name, row) in &rows {
        writeln!(times, "{name}\t{:.1}\t{:.1}", row.off, row.on).unwrap();
    }
    fs::write(directory().join(format!("{kernel}.seconds")), times).unwrap();
    all.insert(kernel, rows);
    fs::write(directory().join("table.md"), drawn(&all)).unwrap();
}

fn drawn(all: &BTreeMap<&'static str, BTreeMap<String, Row>>) -> String {
    let mut kernels: Vec<_> = all.keys().copied().collect();
    kernels.sort_by_key(|kernel| kernel.split('.').map(|n| n.parse::<u32>().unwrap()).collect::<Vec<_>>());
    let mut text =
        format!("| ordinary work | {} |\n|---|{}\n", kernels.join(" | "), "---|".repeat(kernels.len()));
    let Some(first) = all.values().next() else { return text };
    for (name, row) in first {
        let cells = kernels.iter().map(|kernel| match all[kernel].get(name) {
            Some(Row { works: true, .. }) => "works",
            Some(_) => "BROKEN",
            None => "not played",
        });
        writeln!(text, "| {} | {} |", row.what, cells.collect::<Vec<_>>().join(" | ")).unwrap();
    }
    text
}
