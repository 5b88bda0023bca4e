//! Running the built `sekisho check`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The built `sekisho`, with `sekisho-inspect` beside it.
pub fn sekisho() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--package", "sekisho", "--package", "sekisho-inspect"])
            .current_dir(top)
            .status()
            .unwrap();
        assert!(built.success());
        // The test itself runs from <target>/<profile>/deps.
        let own = std::env::current_exe().unwrap();
        let target = own.parent().and_then(Path::parent).and_then(Path::parent).unwrap();
        target.join("debug/sekisho")
    })
}

/// What it printed and how it ended.
pub struct Report {
    /// Exit code.
    pub code: i32,
    /// The report.
    pub json: serde_json::Value,
}

impl Report {
    /// Of the request.
    pub fn verdict(&self) -> &str {
        self.json["verdict"].as_str().unwrap_or("none")
    }

    /// Of one file.
    pub fn of(&self, file: usize) -> &str {
        self.json["files"][file]["verdict"].as_str().unwrap_or("none")
    }

    /// Verdict of the rule about genotypes alone: the worst of its findings, or `none`.
    pub fn genotypes(&self) -> &str {
        let empty = Vec::new();
        let mut worst = "none";
        for file in self.json["files"].as_array().unwrap_or(&empty) {
            for finding in file["findings"].as_array().unwrap_or(&empty) {
                if finding["rule"] == "individual_genotypes" {
                    let verdict = finding["verdict"].as_str().unwrap();
                    let rank = |v: &str| ["none", "pass", "review", "block"].iter().position(|x| *x == v);
                    if rank(verdict) > rank(worst) {
                        worst = ["none", "pass", "review", "block"][rank(verdict).unwrap()];
                    }
                }
            }
        }
        worst
    }
}

/// Checks files as one request.
pub fn check(paths: &[PathBuf]) -> Report {
    let out = Command::new(sekisho()).args(["check", "--json"]).args(paths).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    Report { code: out.status.code().unwrap(), json }
}

/// Writes files into a fresh directory and checks them as one request.
pub fn judge(files: &[(&str, &[u8])]) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        paths.push(path);
    }
    check(&paths)
}
