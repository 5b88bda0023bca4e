//! What tools write: frequencies, genotype counts, associations, prints and per-person files, each at its limit.

use super::cases::{Bytes, Case, Verdict};
use std::fmt::Write as _;

/// A file with one number in it that decides.
type Write = fn(u64) -> String;

/// A header and its lines in columns, as PLINK 1 aligns them.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |at: usize| lines.iter().filter_map(|l| l.get(at)).map(String::len).max().unwrap_or(0) + 2;
    let widths: Vec<usize> = (0..columns).map(width).collect();
    lines.iter().fold(String::new(), |text, line| {
        let line: String = line.iter().zip(&widths).map(|(c, w)| format!("{c:>w$}")).collect();
        text + &line + "\n"
    })
}

fn split(header: &str, rows: &[String]) -> Vec<Vec<String>> {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    std::iter::once(header).chain(rows.iter().map(String::as_str)).map(words).collect()
}

/// Whitespace, aligned.
fn plink(header: &str, rows: &[String]) -> String {
    aligned(&split(header, rows))
}

/// Tabs.
fn tabs(header: &str, rows: &[String]) -> String {
    split(header, rows).iter().map(|line| line.join("\t") + "\n").collect()
}

/// Two ordinary rows around the one that decides.
fn around(ordinary: impl Fn(u64) -> String, decides: String) -> Vec<String> {
    vec![ordinary(1), decides, ordinary(3)]
}

/// A share of copies among 2,000, exact.
fn share(copies: u64) -> String {
    format!("{}", copies as f64 / 2000.0)
}

/// Copies of the rarer allele among 1,000 people: under 10, 10 to 18, and from 19 on.
const COPIES: [(&str, Write); 14] = [
    (".frq", |k| {
        plink(
            "CHR SNP A1 A2 MAF NCHROBS",
            &around(|i| format!("1 rs{i} A G 0.2 2000"), format!("1 rs2 A G {} 2000", share(k))),
        )
    }),
    (".frq.counts", |k| {
        plink(
            "CHR SNP A1 A2 C1 C2 G0",
            &around(|i| format!("1 rs{i} A G 400 1600 0"), format!("1 rs2 A G {k} {} 0", 2000 - k)),
        )
    }),
    (".frq.cc", |k| {
        plink(
            "CHR SNP A1 A2 MAF_A MAF_U NCHROBS_A NCHROBS_U",
            &around(
                |i| format!("1 rs{i} A G 0.2 0.21 2000 4000"),
                format!("1 rs2 A G {} 0.2 2000 4000", share(k)),
            ),
        )
    }),
    (".frq.strat", |k| {
        plink(
            "CHR SNP CLST A1 A2 MAF MAC NCHROBS",
            &around(
                |i| format!("1 rs{i} EAS A G 0.2 400 2000"),
                format!("1 rs2 EAS A G {} {k} 2000", share(k)),
            ),
        )
    }),
    (".afreq", |k| {
        tabs(
            "#CHROM ID REF ALT PROVISIONAL_REF? ALT_FREQS OBS_CT",
            &around(|i| format!("1 rs{i} G A N 0.2 2000"), format!("1 rs2 G A N {} 2000", share(k))),
        )
    }),
    (".acount", |k| {
        tabs(
            "#CHROM ID REF ALT PROVISIONAL_REF? ALT_CTS OBS_CT",
            &around(|i| format!("1 rs{i} G A N 400 2000"), format!("1 rs2 G A N {k} 2000")),
        )
    }),
    (".glm.linear", |k| {
        tabs(
            "#CHROM POS ID REF ALT A1 A1_FREQ TEST OBS_CT BETA SE T_STAT P ERRCODE",
            &around(
                |i| format!("1 {i}00 rs{i} G A A 0.2 ADD 1000 0.1 0.05 2 0.0455 ."),
                format!("1 200 rs2 G A A {} ADD 1000 0.2 0.08 2.5 0.0124 .", share(k)),
            ),
        )
    }),
    (".glm.logistic.hybrid", |k| {
        tabs(
            "#CHROM POS ID REF ALT PROVISIONAL_REF? A1 OMITTED A1_FREQ FIRTH? TEST OBS_CT OR LOG(OR)_SE Z_STAT P ERRCODE",
            &around(
                |i| format!("1 {i}00 rs{i} G A N A G 0.2 N ADD 1000 1.1 0.05 1.9 0.0574 ."),
                format!("1 200 rs2 G A N A G {} N ADD 1000 1.2 0.08 2.3 0.0214 .", share(k)),
            ),
        )
    }),
    ("REGENIE", |k| {
        split(
            "CHROM GENPOS ID ALLELE0 ALLELE1 A1FREQ N TEST BETA SE CHISQ LOG10P EXTRA",
            &around(
                |i| format!("1 {i}00 rs{i} G A 0.2 1000 ADD 0.1 0.05 4 1.342 NA"),
                format!("1 200 rs2 G A {} 1000 ADD 0.2 0.08 6.25 1.906 NA", share(k)),
            ),
        )
        .iter()
        .map(|line| line.join(" ") + "\n")
        .collect()
    }),
    ("SAIGE", |k| {
        tabs(
            "CHR POS MarkerID Allele1 Allele2 AC_Allele2 AF_Allele2 MissingRate BETA SE Tstat var p.value N",
            &around(
                |i| format!("1 {i}00 rs{i} G A 400 0.2 0 0.1 0.05 40 400 0.0455 1000"),
                format!("1 200 rs2 G A {k} {} 0 0.2 0.08 31.25 156.25 0.0124 1000", share(k)),
            ),
        )
    }),
    ("BOLT-LMM with N", |k| {
        tabs(
            "SNP CHR BP GENPOS ALLELE1 ALLELE0 A1FREQ F_MISS BETA SE P_BOLT_LMM_INF P_BOLT_LMM N",
            &around(
                |i| format!("rs{i} 1 {i}00 0.1 A G 0.2 0 0.1 0.05 0.0455 0.0455 1000"),
                format!("rs2 1 200 0.2 A G {} 0 0.2 0.08 0.0124 0.0124 1000", share(k)),
            ),
        )
    }),
    ("GWAS-SSF", |k| {
        tabs(
            "chromosome base_pair_location effect_allele other_allele beta standard_error effect_allele_frequency p_value variant_id n",
            &around(
                |i| format!("1 {i}00 A G 0.1 0.05 0.2 0.0455 1_{i}00_G_A 1000"),
                format!("1 200 A G 0.2 0.08 {} 0.0124 1_200_G_A 1000", share(k)),
            ),
        )
    }),
    ("GCTA fastGWA", |k| {
        tabs(
            "CHR SNP POS A1 A2 N AF1 BETA SE P",
            &around(
                |i| format!("1 rs{i} {i}00 A G 1000 0.2 0.1 0.05 0.0455"),
                format!("1 rs2 200 A G 1000 {} 0.2 0.08 0.0124", share(k)),
            ),
        )
    }),
    ("gnomAD-like VCF", |k| {
        let row = |pos: u64, ac: u64| {
            format!(
                "1\t{pos}\trs{pos}\tG\tA\t.\tPASS\tAC=400;AN=4000;AF=0.1;AC_eas={ac};AN_eas=2000;AF_eas={}\n",
                share(ac)
            )
        };
        format!(
            "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n{}{}{}",
            row(100, 300),
            row(200, k),
            row(300, 350)
        )
    }),
];

/// METAL names no chromosome: 1,000 people may have anything from 1,000 copies (X in men) to 2,000.
fn metal(k: u64) -> String {
    tabs(
        "MarkerName Allele1 Allele2 Freq1 FreqSE Weight Zscore P-value Direction",
        &around(
            |i| format!("rs{i} a g 0.2 0.01 1000.00 2 0.0455 ++"),
            format!("rs2 a g {} 0 1000.00 2.5 0.0124 ++", share(k)),
        ),
    )
}

/// People with one genotype, carriers, or people at all: under 10, and from 10 on.
const PEOPLE: [(&str, Write); 17] = [
    (".frqx", |n| {
        let row = |id: u64, hom: u64| format!("1\trs{id}\tA\tG\t{hom}\t300\t{}\t0\t0\t0\n", 700 - hom);
        format!(
            "CHR\tSNP\tA1\tA2\tC(HOM A1)\tC(HET)\tC(HOM A2)\tC(HAP A1)\tC(HAP A2)\tC(MISSING)\n{}{}{}",
            row(1, 50),
            row(2, n),
            row(3, 60)
        )
    }),
    (".gcount", |n| {
        tabs(
            "#CHROM ID REF ALT HOM_REF_CT HET_REF_ALT_CTS TWO_ALT_GENO_CTS HAP_REF_CT HAP_ALT_CTS MISSING_CT",
            &around(
                |i| format!("1 rs{i} G A 650 300 50 0 0 0"),
                format!("1 rs2 G A {} 300 {n} 0 0 0", 700 - n),
            ),
        )
    }),
    (".hardy", |n| {
        tabs(
            "#CHROM ID A1 AX HOM_A1_CT HET_A1_CT TWO_AX_CT O(HET_A1) E(HET_A1) P",
            &around(
                |i| format!("1 rs{i} A G 50 300 650 0.3 0.32 0.06"),
                format!("1 rs2 A G {n} 300 {} 0.3 0.28 0.05", 700 - n),
            ),
        )
    }),
    (".hwe", |n| {
        plink(
            "CHR SNP TEST A1 A2 GENO O(HET) E(HET) P",
            &around(
                |i| format!("1 rs{i} ALL A G 50/300/650 0.3 0.32 0.06"),
                format!("1 rs2 ALL A G {n}/300/{} 0.3 0.28 0.05", 700 - n),
            ),
        )
    }),
    (".model", |n| {
        plink(
            "CHR SNP A1 A2 TEST AFF UNAFF CHISQ DF P",
            &around(
                |i| format!("1 rs{i} A G GENO 50/300/650 60/310/630 2.1 2 0.35"),
                format!("1 rs2 A G GENO {n}/300/{} 60/310/630 3.1 2 0.21", 700 - n),
            ),
        )
    }),
    (".assoc.logistic", |n| {
        plink(
            "CHR SNP BP A1 TEST NMISS OR STAT P",
            &around(
                |i| format!("1 rs{i} {i}00 A ADD 1000 1.1 2 0.0455"),
                format!("1 rs2 200 A ADD {n} 1.2 2.5 0.0124"),
            ),
        )
    }),
    (".qassoc", |n| {
        plink(
            "CHR SNP BP NMISS BETA SE R2 T P",
            &around(
                |i| format!("1 rs{i} {i}00 1000 0.1 0.05 0.004 2 0.0455"),
                format!("1 rs2 200 {n} 0.2 0.08 0.44 2.5 0.0411"),
            ),
        )
    }),
    ("SAIGE, cases", |n| {
        tabs(
            "CHR POS MarkerID Allele1 Allele2 AC_Allele2 AF_Allele2 BETA SE p.value N_case N_ctrl",
            &around(
                |i| format!("1 {i}00 rs{i} G A 400 0.2 0.1 0.05 0.0455 500 500"),
                format!("1 200 rs2 G A 400 0.2 0.2 0.08 0.0124 {n} {}", 1000 - n),
            ),
        )
    }),
    ("tensorQTL", |n| {
        tabs(
            "phenotype_id variant_id start_distance end_distance af ma_samples ma_count pval_nominal slope slope_se",
            &around(
                |i| format!("ENSG0000{i} chr1_{i}00_G_A -500 -1500 0.2 360 400 0.0455 0.1 0.05"),
                format!("ENSG00002 chr1_200_G_A -400 -1400 {} {n} {} 0.0124 0.2 0.08", share(2 * n), 2 * n),
            ),
        )
    }),
    ("GWAS-SSF yaml", |n| {
        format!(
            "# Study meta-data\ndate_metadata_last_modified: 2023-02-09\n\n# Genotyping Information\ngenome_assembly: GRCh37\n\
             coordinate_system: 1-based\ngenotyping_technology:\n  - Genome-wide genotyping array\n\n# Summary Statistic information\n\
             data_file_name: example.tsv\nfile_type: GWAS-SSF v0.1\nis_harmonised: false\nis_sorted: false\n\n# Trait Information\n\
             trait_description:\n  - breast carcinoma\n\nsamples:\n  - sample_ancestry_category: East Asian\n    sample_size: {n}\n    case_control_study: false\n"
        )
    }),
    ("SMCL", |n| {
        format!(
            "{{smcl}}\n{{com}}{{sf}}{{ul off}}{{txt}}\n{{com}}. tabulate group\n\n      {{txt}}group {{c |}}      Freq.     Percent        Cum.\n\
             {{hline 12}}{{c +}}{{hline 35}}\n          a {{c |}}{{res}}        120       {:>5.2}       {:>5.2}\n{{txt}}          b {{c |}}{{res}}        {n:>3}       {:>5.2}      100.00\n\
             {{txt}}{{hline 12}}{{c +}}{{hline 35}}\n      Total {{c |}}{{res}}        {:>3}      100.00\n{{txt}}\n{{com}}. log close\n",
            12000.0 / (120 + n) as f64,
            12000.0 / (120 + n) as f64,
            100.0 * n as f64 / (120 + n) as f64,
            120 + n
        )
    }),
    ("Stata log", |n| {
        format!(
            ". tabulate group\n\n      group |      Freq.     Percent        Cum.\n------------+-----------------------------------\n\
             \x20         a |        120       {:>5.2}       {:>5.2}\n          b |        {n:>3}       {:>5.2}      100.00\n\
             ------------+-----------------------------------\n      Total |        {:>3}      100.00\n\n. exit\n",
            12000.0 / (120 + n) as f64,
            12000.0 / (120 + n) as f64,
            100.0 * n as f64 / (120 + n) as f64,
            120 + n
        )
    }),
    ("SAS listing", |n| {
        format!(
            "                                        The FREQ Procedure\n\n                                                      Cumulative    Cumulative\n\
             group    Frequency     Percent     Frequency      Percent\n----------------------------------------------------------\n\
             a             120       {:>5.2}           120        {:>5.2}\nb             {n:>3}       {:>5.2}           {:>3}       100.00\n",
            12000.0 / (120 + n) as f64,
            12000.0 / (120 + n) as f64,
            100.0 * n as f64 / (120 + n) as f64,
            120 + n
        )
    }),
    ("fixed width", |n| {
        format!(
            "group       n  events\na         120      50\nb         {n:>3}      60\nc         140      70\n"
        )
    }),
    ("R print", |n| {
        format!("  group   n events\n1     a 120     50\n2     b {n:>3}     60\n3     c 140     70\n")
    }),
    ("R table", |n| format!("group\n  a   b   c \n120 {n:>3} 140 \n")),
    ("R survfit", |n| {
        format!(
            "Call: survfit(formula = Surv(time, status) ~ 1, data = d)\n\n time n.risk n.event survival std.err lower 95% CI upper 95% CI\n\
             \x20  1    500      {n:>2}    0.980 0.00626        0.968        0.992\n    2    470      15    0.949 0.00984        0.930        0.968\n"
        )
    }),
];

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    use Verdict::{Block, Pass, Review};
    let mut cases = Vec::new();
    let mut push = |rule, format: &str, edge: String, text: String, right| {
        cases.push(Case {
            rule,
            format: format.into(),
            edge,
            bytes: Bytes::Here(text.into_bytes()),
            right,
            reason: None,
        });
    };
    for (tool, write) in COPIES {
        for (k, right) in [(9, Block), (10, Review), (18, Review), (19, Pass)] {
            push("frequencies of tools", tool, format!("{k} copies"), write(k), right);
        }
    }
    for (k, right) in [(9, Block), (10, Review), (37, Review), (38, Pass)] {
        push("frequencies without chromosomes", "METAL", format!("{k} copies of 2,000"), metal(k), right);
    }
    for (tool, write) in PEOPLE {
        for (n, right) in [(9, Block), (10, Pass), (11, Pass)] {
            push("people in tools' results", tool, n.to_string(), write(n), right);
        }
    }
    cases
}

/// Illumina's FinalReport: a line for every person and site.
pub(super) fn final_report(persons: usize, sites: usize) -> Vec<u8> {
    let mut text = format!(
        "[Header]\nGSGT Version\t2.0.4\nProcessing Date\t1/2/2020 3:04 PM\nContent\t\tarray.bpm\nNum SNPs\t{sites}\nTotal SNPs\t{sites}\n\
         Num Samples\t{persons}\nTotal Samples\t{persons}\n[Data]\nSNP Name\tSample ID\tAllele1 - Forward\tAllele2 - Forward\tGC Score\n"
    );
    for person in 0..persons {
        for site in 0..sites {
            let (a, b) = [("A", "A"), ("A", "G"), ("G", "G")][(person * 7 + site * 5 + person * site) % 3];
            let _ = writeln!(text, "rs{site}\tS{person:03}\t{a}\t{b}\t0.9");
        }
    }
    text.into_bytes()
}
