//! Our numbers against those of independent tools, on the same files in one run: copies and carriers of the rarer allele
//! (plink2), sites and calls (bcftools, plink2), sites far apart and linkage pruning (plink 1.9).
//!
//! What margins say about hidden cells is held against an enumeration of all values where the rules are
//! (`policy/src/rules/{bounds,small_counts,shared_margins_test}.rs`).

// In a test, and in what serves only tests, a panic is how a claim fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cohort;
mod tools;

use cohort::{Cohort, Shape};
use sekisho_policy::facts::What;
use sekisho_policy::{Policy, RequestInfo, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tools::{found, genotypes, inspect, number, table, tool};

/// So many sites that our inspector counts to the end.
const NO_LIMIT: u64 = 1 << 40;

const SHAPE: Shape = Shape { seed: 20_261, people: 300, blocks: 60, sites: 8, apart: 300_000, missing: 0 };

fn made(shape: Shape) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.vcf");
    Cohort::new(shape).write(&path);
    (directory, path)
}

/// The directory of real files, where there is one.
fn shared() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.parent()?.join("shared");
    let named = std::env::var_os("SEKISHO_SHARED").map(PathBuf::from);
    named.or(Some(beside)).map(|p| p.join("data")).filter(|p| p.join("MANIFEST.tsv").is_file())
}

/// Copies and carriers of the rarer allele of every site, as plink2 counts them.
struct Counted {
    copies: u64,
    carriers: u64,
    people: u64,
}

fn counted(directory: &Path) -> BTreeMap<String, Counted> {
    tool("plink2", directory, "--vcf a.vcf --freq counts --geno-counts --out p2");
    let copies = table(&directory.join("p2.acount"));
    let genotypes = table(&directory.join("p2.gcount"));
    let pairs = copies.iter().zip(&genotypes);
    pairs
        .map(|(c, g)| {
            assert_eq!(c["ID"], g["ID"]);
            let (alt, all) = (number(c, "ALT_CTS"), number(c, "OBS_CT"));
            let (het, reference, two) =
                (number(g, "HET_REF_ALT_CTS"), number(g, "HOM_REF_CT"), number(g, "TWO_ALT_GENO_CTS"));
            let rarer = if alt * 2 <= all { (alt, het + two) } else { (all - alt, het + reference) };
            let people = het + reference + two;
            (c["ID"].clone(), Counted { copies: rarer.0, carriers: rarer.1, people })
        })
        .collect()
}

#[test]
fn copies_of_the_rarer_allele_are_those_plink2_counts_in_every_format_tools_print() {
    for missing in [0, 37] {
        let (directory, path) = made(Shape { missing, ..SHAPE });
        let at = directory.path();
        let counted = counted(at);
        let of = |low: u64, high: u64| {
            counted.values().filter(|c| (low..=high).contains(&c.copies)).count() as u64
        };
        let expected = [of(1, 9), of(10, 18), of(0, 0)];
        assert!(expected[0] >= 10 && expected[1] >= 10, "the cohort has sites on both sides: {expected:?}");
        // Counts, frequencies with and without rounding, and a VCF of sites: each from another tool or option.
        tool("plink2", at, "--vcf a.vcf --freq --out p2");
        tool("plink1.9", at, "--vcf a.vcf --double-id --freq --out p1 --silent");
        tool("plink1.9", at, "--vcf a.vcf --double-id --freq counts --out p1 --silent");
        let sites = tool("bcftools", at, "+fill-tags a.vcf -- -t AC,AN,AF");
        std::fs::write(at.join("tagged.vcf"), sites).unwrap();
        tool("bcftools", at, "view -G -o sites.vcf tagged.vcf");
        for name in ["p2.acount", "p2.afreq", "p1.frq", "p1.frq.counts", "sites.vcf"] {
            let facts = inspect(&[at.join(name)], NO_LIMIT).remove(0);
            let ours =
                [What::FewCarriers, What::MaybeFewCarriers, What::NoCarriers].map(|w| found(&facts, w));
            assert_eq!(ours, expected, "{name}, one call in {missing} missing: {facts:#?}");
        }
        drop(path);
    }
}

#[test]
fn carriers_lie_where_copies_say_and_genotype_counts_are_plink2s() {
    let (directory, _) = made(Shape { missing: 50, ..SHAPE });
    let counted = counted(directory.path());
    for (id, c) in &counted {
        let (low, high) = (c.copies.div_ceil(2), c.copies.min(c.people));
        assert!((low..=high).contains(&c.carriers), "{id}: {} carriers of {} copies", c.carriers, c.copies);
    }
    // What plink2 says of carriers: every site with one to nine of them is at least for the officer.
    let few = counted.values().filter(|c| (1..10).contains(&c.carriers));
    assert!(few.clone().count() >= 10);
    assert!(few.clone().all(|c| c.copies < 19));
    assert!(counted.values().filter(|c| c.copies >= 19).all(|c| c.carriers >= 10));
    let rows = table(&directory.path().join("p2.gcount"));
    let cells = ["HOM_REF_CT", "HET_REF_ALT_CTS", "TWO_ALT_GENO_CTS"];
    let small = |n: u64| (1..10).contains(&n);
    let expected = rows.iter().flat_map(|r| cells.map(|c| number(r, c))).filter(|n| small(*n)).count() as u64;
    let facts = inspect(&[directory.path().join("p2.gcount")], NO_LIMIT).remove(0);
    assert_eq!(found(&facts, What::SmallGenotype), expected, "{facts:#?}");
}

/// Sites, persons and calls of a VCF as bcftools counts them, against ours.
fn same_counts(directory: &Path, path: &Path) {
    let name = path.display();
    let count = |arguments: &str| {
        tool("bcftools", directory, &format!("{arguments} {name}")).lines().collect::<BTreeSet<_>>().len()
            as u64
    };
    let people = count("query -l");
    let sites = count("query -i N_PASS(GT!=\"mis\")>0 -f %CHROM:%POS\\n");
    let statistics = tool("bcftools", directory, &format!("stats -s - {name}"));
    let records: u64 = statistics
        .lines()
        .find_map(|l| l.strip_prefix("SN\t0\tnumber of records:\t"))
        .unwrap()
        .parse()
        .unwrap();
    // Per person: missing calls are in the last but one column.
    let fewest_missing: u64 = statistics
        .lines()
        .filter(|l| l.starts_with("PSC"))
        .map(|l| l.split('\t').nth(13).unwrap().parse::<u64>().unwrap())
        .min()
        .unwrap();
    let facts = inspect(&[path.to_owned()], NO_LIMIT).remove(0);
    let ours = genotypes(&facts);
    assert_eq!(ours.subjects, people, "{name}");
    // Many rows that claim one place are counted as more than one site, and never as more than rows.
    assert!((sites..=records).contains(&ours.sites), "{name}: {} of {sites} to {records}", ours.sites);
    if records == sites {
        assert_eq!(ours.most_called, records - fewest_missing, "{name}: sites of the fullest person");
    }
}

#[test]
fn sites_people_and_calls_are_those_bcftools_counts() {
    for missing in [0, 3, 50] {
        let (directory, path) = made(Shape { missing, ..SHAPE });
        same_counts(directory.path(), &path);
    }
    if let Some(shared) = shared() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["vcf/hail_sample.vcf", "vcf/1kg_pyvcf.vcf.gz"] {
            same_counts(directory.path(), &shared.join(name));
        }
    }
}

#[test]
fn sites_250_kb_apart_are_those_plink_keeps() {
    for (apart, blocks) in [(300_000, 60), (90_000, 80), (249_000, 50)] {
        let (directory, path) = made(Shape { apart, blocks, ..SHAPE });
        tool(
            "plink1.9",
            directory.path(),
            "--vcf a.vcf --double-id --bp-space 250000 --write-snplist --out p1 --silent",
        );
        let kept =
            std::fs::read_to_string(directory.path().join("p1.snplist")).unwrap().lines().count() as u64;
        let facts = inspect(&[path], NO_LIMIT).remove(0);
        assert_eq!(genotypes(&facts).thinned, Some(kept), "{apart} bases between blocks");
    }
}

/// Pruning by plink and by us on the same people, and whether ours is a pruning by plink's own r².
fn same_pruning(directory: &Path, vcf: &Path, name: &str) -> (u64, u64) {
    let input = format!("--vcf {} --double-id --allow-extra-chr --biallelic-only strict", vcf.display());
    tool("plink1.9", directory, &format!("{input} --indep-pairwise 1000kb 1 0.2 --out p1 --silent"));
    let plink = std::fs::read_to_string(directory.join("p1.prune.in")).unwrap().lines().count() as u64;
    let facts = inspect(&[vcf.to_owned()], NO_LIMIT).remove(0);
    let ours = genotypes(&facts);
    assert!(ours.unlinked_sites.len() < 4096, "{name}: the list of kept sites is whole");
    // Every pair with r² of 0.2 or more within 1 Mb, by plink.
    let r2 = "--r2 --ld-window-kb 1000 --ld-window 999999 --ld-window-r2 0";
    tool("plink1.9", directory, &format!("{input} {r2} --out p1 --silent"));
    let place = |row: &BTreeMap<String, String>, end: &str| {
        (row[&format!("CHR_{end}")].clone(), number(row, &format!("BP_{end}")))
    };
    let kept: BTreeSet<(String, u64)> =
        ours.unlinked_sites.iter().map(|s| (s.chrom.clone(), s.pos)).collect();
    let mut partnered = BTreeSet::new();
    for row in table(&directory.join("p1.ld")) {
        let (a, b) = (place(&row, "A"), place(&row, "B"));
        let r2: f64 = row["R2"].parse().unwrap_or(0.0);
        if kept.contains(&a) && kept.contains(&b) {
            assert!(r2 < 0.2 + 1e-4, "{name}: both kept at r² {r2}: {a:?} {b:?}");
        }
        if r2 >= 0.2 - 1e-4 {
            partnered.extend(kept.contains(&a).then_some(b.clone()));
            partnered.extend(kept.contains(&b).then_some(a));
        }
    }
    // What we dropped is linked to something kept: nothing independent is lost.
    let all = table(&{
        tool("plink1.9", directory, &format!("{input} --freq --make-just-bim --out p1 --silent"));
        let bim = directory.join("p1.bim");
        let text = std::fs::read_to_string(&bim).unwrap();
        std::fs::write(&bim, format!("CHR ID CM BP A1 A2\n{text}")).unwrap();
        bim
    });
    for row in all {
        let site = (row["CHR"].clone(), number(&row, "BP"));
        assert!(
            kept.contains(&site) || partnered.contains(&site),
            "{name}: {site:?} dropped, linked to nothing kept"
        );
    }
    (ours.unlinked.unwrap(), plink)
}

#[test]
fn pruning_keeps_independent_sites_by_plinks_own_r2_and_decides_as_plink_does() {
    println!("{:<28} {:>6} {:>8} {:>8}", "cohort", "people", "ours", "plink");
    let mut decided = [0, 0];
    for (people, blocks, sites, apart) in [
        (100, 20, 8, 300_000),
        (150, 30, 12, 120_000),
        (300, 60, 8, 300_000),
        (400, 6, 10, 100_000),
        (250, 7, 9, 40_000),
        (300, 13, 9, 40_000),
        (500, 25, 10, 2_000_000),
    ] {
        let shape = Shape { people, blocks, sites, apart, ..SHAPE };
        let (directory, path) = made(shape);
        let name = format!("{blocks} blocks of {sites}");
        let (ours, plink) = same_pruning(directory.path(), &path, &name);
        println!("{name:<28} {people:>6} {ours:>8} {plink:>8}");
        near(&name, ours, plink);
        // What the rule asks: more than 40, or not. Sites far apart block by themselves, so these are near each other.
        if apart * blocks < 2_000_000 {
            let facts = inspect(std::slice::from_ref(&path), 40);
            let report = sekisho_policy::judge(&Policy::default(), &RequestInfo::default(), &facts);
            let expected = if plink > 40 { Verdict::Block } else { Verdict::Review };
            assert_eq!(report.verdict, expected, "{name}: plink keeps {plink}, we {ours}");
            decided[usize::from(plink > 40)] += 1;
        }
    }
    assert!(decided[0] > 0 && decided[1] > 0, "cohorts on both sides of the limit: {decided:?}");
    if let Some(shared) = shared() {
        let directory = tempfile::tempdir().unwrap();
        let (name, from) = ("first of EUR_subset", shared.join("plink/EUR_subset"));
        let bim = std::fs::read_to_string(from.with_extension("bim")).unwrap();
        let ids: String =
            bim.lines().take(700).filter_map(|l| l.split('\t').nth(1)).flat_map(|id| [id, "\n"]).collect();
        std::fs::write(directory.path().join("ids"), ids).unwrap();
        let input = format!("--bfile {} --extract ids", from.display());
        tool("plink1.9", directory.path(), &format!("{input} --recode vcf-iid --out a --silent"));
        let (ours, plink) = same_pruning(directory.path(), &directory.path().join("a.vcf"), name);
        println!("{name:<28} {:>6} {ours:>8} {plink:>8}", 379);
        near(name, ours, plink);
    }
}

/// Both numbers are those of a greatest set of sites of which no two are linked and to which none can be added, in the same
/// graph of r² (that is what [`same_pruning`] proves of ours, pair by pair). Plink drops of two linked sites the one with the
/// rarer allele, we the later one: which member of a linked group stays differs, how many groups there are does not.
fn near(name: &str, ours: u64, plink: u64) {
    assert!(ours.abs_diff(plink) * 10 <= plink + 20, "{name}: {ours} against {plink}");
}
