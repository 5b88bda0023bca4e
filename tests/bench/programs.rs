//! Whole programs: the instructions their processes executed, as the kernel accounts them.

use crate::calls::workplace;
use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// How often each is run; the first fills the caches.
const RUNS: usize = 4;

const DATA: &str = "/srv/data/1000genomes-eur/EUR_subset";

/// A name, what makes it ready, and what is measured; both are shell scripts.
type Program = (&'static str, String, String);

fn programs() -> Vec<Program> {
    let recode = format!("plink1.9 --bfile {DATA} --chr 22 --recode vcf-iid bgz --out chr22");
    let mut all = vec![
        ("plink --freq", String::new(), format!("plink1.9 --bfile {DATA} --chr 21-22 --freq --out freq")),
        ("bcftools stats", recode, "bcftools stats chr22.vcf.gz > stats".into()),
        ("build (shell)", tree(), "sh build.sh".into()),
    ];
    if Path::new("/usr/bin/gcc").exists() && Path::new("/usr/bin/make").exists() {
        all.push(("build (make, gcc)", sources(), "make -s clean all".into()));
    }
    all
}

/// A tree of small sources and a script that does what a build does without a compiler: look at every file, start a
/// process for each, read it and its headers, write an object beside it, put the objects together.
fn tree() -> String {
    "for d in 1 2 3 4; do mkdir -p s/kernel/d$d; for f in 1 2 3 4 5 6; do \
     echo \"int f$d$f(void) { return $d$f; }\" > s/kernel/d$d/f$f.c; done; done; mkdir s/include; \
     seq 400 > s/include/a.h; seq 400 > s/include/b.h; \
     echo 'for c in s/kernel/*/*.c; do o=${c%.c}.o; [ $o -nt $c ] || { cat s/include/a.h s/include/b.h $c > $o.tmp; \
     sort $o.tmp > $o; rm $o.tmp; }; done; cat s/kernel/*/*.o > s/all.new; mv s/all.new s/all; rm s/kernel/*/*.o' > build.sh"
        .into()
}

fn sources() -> String {
    "rm -rf *; mkdir include; for n in $(seq 40); do echo \"struct s$n { int a[$n]; }; static inline int g$n(int x) { return x * $n; }\"; \
     done > include/all.h; objects=; for d in 1 2 3; do mkdir -p sub/d$d; for f in 1 2 3 4; do \
     echo \"#include <all.h>\nint f$d$f(int x) { return g$f(x) + $d; }\" > sub/d$d/f$f.c; objects=\"$objects sub/d$d/f$f.o\"; done; done; \
     printf 'CFLAGS = -O1 -Iinclude\nall: built.a\nbuilt.a: %s\n\tar rcs $@ $^\nclean:\n\trm -f built.a %s\n' \
     \"$objects\" \"$objects\" > Makefile"
        .into()
}

/// Every program's cost, by name.
pub(crate) fn measure() -> Result<BTreeMap<&'static str, u64>> {
    let mut costs = BTreeMap::new();
    for (name, ready, work) in programs() {
        let place = workplace()?;
        run(&ready, &place)?;
        let mut least = u64::MAX;
        for _ in 0..RUNS {
            least = least.min(run(&work, &place).with_context(|| name)?);
        }
        costs.insert(name, least);
        std::fs::remove_dir_all(place)?;
    }
    Ok(costs)
}

fn run(script: &str, place: &Path) -> Result<u64> {
    let before = executed()?;
    let output = Command::new("sh")
        .args(["-ec", script])
        .current_dir(place)
        .stdin(Stdio::null())
        .output()
        .context("starting sh")?;
    ensure!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(executed()? - before)
}

/// Nanoseconds of processor time of all children so far; one is one instruction.
fn executed() -> Result<u64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let microseconds = [usage.user_time(), usage.system_time()].map(|t| t.tv_sec() * 1_000_000 + t.tv_usec());
    Ok(u64::try_from(microseconds.iter().sum::<i64>())? * 1000)
}
