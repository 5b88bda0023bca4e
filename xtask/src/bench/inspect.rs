//! `cargo xtask bench inspect`: how fast a file is judged, beside tools that only read it.
//!
//! Every tool reads the same files in the same run, each several times in turn; the best of its times counts, so that
//! what else the machine does counts little. Speed by core is megabytes by second of processor time, of all threads and
//! processes together. The result is `target/bench-inspect/table.md`. It is not a test: nothing here can fail for being
//! slow.

use super::inputs;
use crate::{build, cache, install, process};
use anyhow::{Context as _, Result};
use clap::Args;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// `bench inspect`.
#[derive(Args)]
pub(crate) struct InspectBench {
    /// Size of each input, in megabytes.
    #[arg(long, default_value_t = 500)]
    megabytes: u64,
    /// Size of the input by which memory is measured, in megabytes; it is deleted afterwards.
    #[arg(long, default_value_t = 4000)]
    large: u64,
    /// How often each tool reads each input.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Where the inputs are made and kept; without it a directory that goes away.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

type Writer = fn(&Path, u64) -> Result<()>;
const INPUTS: [(&str, Writer); 3] =
    [("gwas.tsv", inputs::gwas), ("sites.vcf", inputs::sites), ("genotypes.vcf", inputs::genotypes)];

/// The tool that everything is compared with.
const OURS: &str = "sekisho check: full decision, SHA-256";
const PYTHON: [(&str, &str); 2] = [("duckdb", "1.4.2"), ("polars", "1.35.2")];
const DUCKDB: &str = "import duckdb, sys; print(duckdb.sql(f\"select min(effect_allele_frequency), count(*) from \
                      read_csv('{sys.argv[1]}')\").fetchall())";
const POLARS: &str = "import polars, sys; print(polars.scan_csv(sys.argv[1], separator='\\t')\
                      .select(polars.col('effect_allele_frequency').min(), polars.len()).collect())";

/// A tool and how it reads a file, whose path comes last.
struct Tool {
    input: &'static str,
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    best: Option<Best>,
}

/// The best of several times.
#[derive(Clone, Copy)]
struct Best {
    megabytes: f64,
    processor: f64,
    passed: f64,
    memory: u64,
}

/// Makes the inputs, measures, writes the table.
pub(crate) fn run(bench: &InspectBench) -> Result<()> {
    let own;
    let directory = match &bench.directory {
        Some(directory) => directory.as_path(),
        None => {
            own = tempfile::tempdir()?;
            own.path()
        }
    };
    std::fs::create_dir_all(directory)?;
    let mut tools = tools(directory)?;
    for (name, write) in INPUTS {
        let path = directory.join(name);
        if !path.exists() {
            process::step(&format!("{name}, {} MB", bench.megabytes), || {
                write(&path, bench.megabytes * 1_000_000)
            })?;
        }
    }
    let busy_before = busy();
    for round in 1..=bench.rounds {
        process::step(&format!("round {round} of {}", bench.rounds), || {
            tools.iter_mut().try_for_each(|tool| tool.measure(&directory.join(tool.input)))
        })?;
    }
    if bench.large > 0 {
        let (name, path) = ("gwas.tsv, large", directory.join("large.tsv"));
        process::step(&format!("{name}, {} MB", bench.large), || {
            inputs::gwas(&path, bench.large * 1_000_000)
        })?;
        let mut tool = ours(name)?;
        tool.measure(&path)?;
        tools.insert(1, tool);
        std::fs::remove_file(path)?;
    }
    let text = table(&tools, bench, &busy_before);
    let out = build::target().join("bench-inspect");
    std::fs::create_dir_all(&out)?;
    std::fs::write(out.join("table.md"), &text)?;
    print!("{text}");
    Ok(())
}

fn ours(input: &'static str) -> Result<Tool> {
    let program = build::target().join("release/sekisho");
    Ok(Tool { input, name: OURS, program, arguments: vec!["check".into()], best: None })
}

/// Every tool, built or installed.
fn tools(directory: &Path) -> Result<Vec<Tool>> {
    let binaries = ["sekisho", "sekisho-inspect", "sekisho-csv"].map(|name| ["--bin", name]);
    process::run(process::cargo().args(["build", "--locked", "--release"]).args(binaries.as_flattened()))?;
    install::for_comparison()?;
    let python = python()?;
    let csv = build::target().join("release/sekisho-csv");
    let plink = directory.join("plink").to_string_lossy().into_owned();
    let script = |text: &str| vec![python.to_string_lossy().into_owned(), text.to_owned()];
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let few = || words("view -H -i INFO/AC<10");
    let tool = |input, name, program: &str, arguments| Tool {
        input,
        name,
        program: program.into(),
        arguments,
        best: None,
    };
    let csv = csv.to_string_lossy().into_owned();
    const RUN: &str = "import sys; sys.path.insert(0, sys.argv.pop(1)); exec(sys.argv.pop(1))";
    let run = |text: &str| [vec!["-c".to_owned(), RUN.to_owned()], script(text)].concat();
    Ok(vec![
        ours("gwas.tsv")?,
        tool("gwas.tsv", "csv crate: all records", &csv, Vec::new()),
        tool("gwas.tsv", "Polars: min of a column", "python3", run(POLARS)),
        tool("gwas.tsv", "DuckDB: min of a column", "python3", run(DUCKDB)),
        ours("sites.vcf")?,
        tool("sites.vcf", "csv crate: all records", &csv, Vec::new()),
        tool("sites.vcf", "bcftools: sites with AC < 10", "bcftools", few()),
        ours("genotypes.vcf")?,
        tool("genotypes.vcf", "bcftools: sites with AC < 10", "bcftools", few()),
        tool(
            "genotypes.vcf",
            "plink2: frequencies",
            "plink2",
            [words("--freq --out"), vec![plink], words("--vcf")].concat(),
        ),
    ])
}

/// DuckDB and Polars, in a directory of their own.
fn python() -> Result<PathBuf> {
    let names = PYTHON.map(|(name, version)| format!("{name}=={version}"));
    cache::made(&format!("tools/python-{}", names.join("-")), "DuckDB and Polars", |place| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--target"]).arg(place).args(&names);
        process::quietly(&mut pip)
    })
}

impl Tool {
    /// Runs it once. What it says does not matter, a verdict against the file included.
    fn measure(&mut self, path: &Path) -> Result<()> {
        let megabytes = path.metadata()?.len() as f64 / 1e6;
        let (before, begin) = (used()?, Instant::now());
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| self.name.to_owned())?;
        let mut memory = 0;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            memory = memory.max(most(child.id()));
            std::thread::sleep(Duration::from_millis(2));
        };
        let (passed, processor) = (begin.elapsed().as_secs_f64(), used()? - before);
        anyhow::ensure!(
            status.code() == Some(0) || self.name == OURS && status.code() == Some(1),
            "{} over {}: {status}",
            self.name,
            self.input
        );
        let old = self.best.unwrap_or(Best { megabytes, processor, passed, memory });
        self.best = Some(Best {
            megabytes,
            processor: processor.min(old.processor),
            passed: passed.min(old.passed),
            memory: memory.max(old.memory),
        });
        Ok(())
    }
}

impl Best {
    fn by_core(&self) -> f64 {
        self.megabytes / self.processor.max(0.001)
    }
}

/// The table, with what has to be known about it below.
fn table(tools: &[Tool], bench: &InspectBench, busy_before: &str) -> String {
    let mut text = "| input | tool | MB/s by core | Sekisho is | seconds passed | MB/s | memory, MB |\n\
                    |---|---|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for tool in tools {
        let Some(best) = tool.best else { continue };
        let ours = tools.iter().find(|t| t.input == tool.input && t.name == OURS).and_then(|t| t.best);
        let ratio = match ours {
            Some(ours) if tool.name != OURS => format!("{:.1} ×", ours.by_core() / best.by_core()),
            _ => String::new(),
        };
        text += &format!(
            "| {}, {:.0} MB | {} | {:.0} | {ratio} | {:.2} | {:.0} | {} |\n",
            tool.input,
            best.megabytes,
            tool.name,
            best.by_core(),
            best.passed,
            best.megabytes / best.passed,
            best.memory / 1024
        );
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    text + &format!(
        "\nBest of {} rounds on {cores} cores; by core: megabytes by second of processor time, user and system, of all \
         threads. Genotypes are blocked at proof, before the file is read. Memory: the largest process at its largest. \
         Others waiting for the processors before and after: {busy_before} and {}.\n",
        bench.rounds,
        busy()
    )
}

/// How many were waiting for the processors in the last minute.
fn busy() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("?").to_owned()
}

/// Processor seconds of all children so far.
fn used() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micro = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(micro as f64 / 1e6)
}

/// The most memory, in KB, that a process or one it started ever had, as far as it is still there to be asked.
fn most(process: u32) -> u64 {
    let read = |path: String| std::fs::read_to_string(path).unwrap_or_default();
    let own = read(format!("/proc/{process}/status"))
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok())
        .unwrap_or(0);
    // A process that has threads starts others from any of them.
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    threads
        .flat_map(|t| {
            let children = read(t.path().join("children").to_string_lossy().into_owned());
            children.split_whitespace().filter_map(|c| c.parse().ok()).map(most).collect::<Vec<u64>>()
        })
        .fold(own, u64::max)
}
