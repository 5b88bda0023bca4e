//! The cases: every rule, just inside, exactly at and just outside its limit.

use super::cohort::{Cohort, Linkage, Names};
use super::formats::{self, Rows, TABLES};
use super::tools;
use std::fmt;
use std::path::PathBuf;

/// What a file gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// Nothing against it.
    Pass,
    /// An officer must judge it.
    Review,
    /// It cannot be approved as it is.
    Block,
}

impl Verdict {
    /// The verdict of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Pass, Self::Review, Self::Block].into_iter().find(|v| v.to_string() == name)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Review => "review",
            Self::Block => "block",
        })
    }
}

/// Content made here, or a file that is there.
pub(super) enum Bytes {
    /// Content.
    Here(Vec<u8>),
    /// A file.
    At(PathBuf),
}

/// One file with the verdict that is right for it.
pub(super) struct Case {
    /// The rule it is about.
    pub(super) rule: &'static str,
    /// How it is written.
    pub(super) format: String,
    /// Where it stands to the limit.
    pub(super) edge: String,
    /// The file.
    pub(super) bytes: Bytes,
    /// The verdict it must get.
    pub(super) right: Verdict,
    /// Why a stricter one is accepted.
    pub(super) reason: Option<&'static str>,
}

impl Case {
    /// Rule, format and edge.
    pub(super) fn name(&self) -> String {
        format!("{}, {}, {}", self.rule, self.format, self.edge).trim_end_matches(", ").to_owned()
    }
}

/// A rule in tables: its edges, each with a table and the right verdict.
type Tables = (&'static str, Vec<(String, Rows, Verdict)>);

/// Every case there is.
pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rule, edges) in tables() {
        for (format, write) in TABLES {
            for (edge, rows, right) in &edges {
                cases.push(Case {
                    rule,
                    format: format.into(),
                    edge: edge.clone(),
                    bytes: Bytes::Here(write(rows)),
                    right: *right,
                    reason: None,
                });
            }
        }
    }
    genotypes(&mut cases);
    others(&mut cases);
    cases.extend(tools::cases());
    cases
}

fn rows(text: &str) -> Rows {
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn tables() -> Vec<Tables> {
    use Verdict::{Block, Pass, Review};
    let edge = |name: &str, text: String, right| (name.to_owned(), rows(&text), right);
    let count = |name: &str, n: u64, right| {
        edge(name, format!("group,n,events\na,120,{}\nb,{n},60\nc,140,70\n", 50), right)
    };
    let copies = |name: &str, k: u64, right| {
        let maf = k as f64 / 2000.0;
        let text = format!(
            "CHR,SNP,A1,A2,MAF,NCHROBS\n1,rs1,A,G,0.2,2000\n1,rs2,A,G,{maf},2000\n1,rs3,C,T,0.1665,2000\n"
        );
        edge(name, text, right)
    };
    let major = |name: &str, k: u64, right| {
        let af = (2000 - k) as f64 / 2000.0;
        let text = format!(
            "CHR,POS,SNP,A1,A2,A1FREQ,N,BETA,SE,P\n1,100,rs1,A,G,0.2,1000,0.1,0.05,0.04\n1,200,rs2,A,G,{af},1000,0.2,0.06,0.3\n"
        );
        edge(name, text, right)
    };
    vec![
        (
            "counts of subjects",
            vec![
                count("0", 0, Review),
                count("9", 9, Block),
                count("10", 10, Pass),
                count("11", 11, Pass),
            ],
        ),
        (
            "counts in n (%)",
            [(9, Block), (10, Pass), (11, Pass)]
                .map(|(n, right)| {
                    let share = f64::from(n) / 4.0;
                    let text = format!(
                        "Characteristic,All (N=400)\nMale,200 (50.00%)\nSmoker,{n} ({share:.2}%)\nDrinker,100 (25.00%)\n"
                    );
                    edge(&n.to_string(), text, right)
                })
                .to_vec(),
        ),
        (
            "suppressed cells that follow from totals",
            [(9, Block), (10, Pass), (11, Pass)]
                .map(|(n, right)| {
                    let text = format!("group,male,female,total\na,50,*,{}\nb,60,70,130\n", 50 + n);
                    edge(&format!("{n} left"), text, right)
                })
                .to_vec(),
        ),
        (
            "two suppressed cells with a small sum",
            [(9, Block), (10, Pass), (11, Pass)]
                .map(|(n, right)| {
                    let text = format!("group,x,y,z,total\na,50,*,*,{}\nb,60,70,80,210\n", 50 + n);
                    edge(&format!("{n} together"), text, right)
                })
                .to_vec(),
        ),
        (
            "counts implied by percentages",
            [(2.25, "9", Block), (2.5, "10", Pass), (2.75, "11", Pass)]
                .map(|(p, n, right)| {
                    let text = format!("Characteristic,Cases (N=400)\nSmoker,{p:.2}%\nMale,50.00%\nDrinker,25.00%\n");
                    edge(n, text, right)
                })
                .to_vec(),
        ),
        (
            "shares of nearly all beside n",
            [(97.75, "9 left", Block), (97.5, "10 left", Pass), (97.25, "11 left", Pass)]
                .map(|(p, n, right)| edge(n, format!("group,n,pct_male\na,400,{p:.2}\nb,800,50.00\n"), right))
                .to_vec(),
        ),
        (
            "survival tables",
            [(9, Block), (10, Pass), (11, Pass)]
                .map(|(n, right)| {
                    let text = format!("time,n.risk,n.event,n.censor,surv\n1,500,{n},12,0.976\n2,478,15,12,0.945\n");
                    edge(&format!("{n} events"), text, right)
                })
                .to_vec(),
        ),
        (
            "Japanese headers",
            [(9, Block), (10, Pass), (11, Pass)]
                .map(|(n, right)| edge(&n.to_string(), format!("群,人数,男性,女性\n対照,120,60,60\n症例,130,{n},{}\n", 130 - n), right))
                .to_vec(),
        ),
        (
            "copies of the rarer allele",
            vec![
                copies("9", 9, Block),
                copies("10", 10, Review),
                copies("18", 18, Review),
                copies("19", 19, Pass),
            ],
        ),
        (
            "copies of the other allele",
            vec![major("9", 9, Block), major("10", 10, Review), major("18", 18, Review), major("19", 19, Pass)],
        ),
        (
            "subjects of a frequency",
            vec![
                edge("9", "CHR,SNP,A1,A2,MAF,NCHROBS\n1,rs1,A,G,0.5,18\n1,rs2,A,G,0.5,18\n".into(), Block),
                edge("10 of the lone allele", "CHR,SNP,A1,A2,MAF,NCHROBS\n1,rs1,A,G,0.5,40\n1,rs2,A,G,0.475,40\n".into(), Pass),
            ],
        ),
        (
            "digits",
            vec![
                edge("7", "model,beta,se\na,0.1234567,0.05\nb,0.21,0.06\n".into(), Review),
                edge("6", "model,beta,se\na,0.123456,0.05\nb,0.21,0.06\n".into(), Pass),
            ],
        ),
        (
            "personal information",
            vec![
                edge("a column of addresses", "group,contact\na,taro@example.jp\nb,hana@example.jp\nc,jiro@example.jp\n".into(), Block),
                edge("one address", "group,n,note\na,120,none\nb,130,taro@example.jp\nc,140,none\n".into(), Review),
                edge("none", "group,n,note\na,120,none\nb,130,some\nc,140,none\n".into(), Pass),
            ],
        ),
        (
            "one row a subject",
            vec![
                edge("attributes", persons("age,bmi", |i| format!("{},{}.{}", 30 + i % 40, 20 + i % 9, i % 10)), Block),
                edge("features", persons("PC1,PC2", |i| format!("0.0{}1,-0.0{}3", i % 9 + 1, i % 7 + 1)), Review),
            ],
        ),
        (
            "one subject's value",
            vec![
                edge("minimum", "statistic,age,bmi\nmean,54.1,22.5\nmin,20.0,15.1\n".into(), Review),
                edge("mean", "statistic,age,bmi\nmean,54.1,22.5\nsd,20.3,15.1\n".into(), Pass),
            ],
        ),
    ]
}

fn persons(header: &str, row: impl Fn(usize) -> String) -> String {
    (0..40)
        .fold(format!("subject_id,{header}\n"), |text, i| text + &format!("S{:04},{}\n", i * 7 + 3, row(i)))
}

/// Sites of one person: in every table format and in the formats of tools.
fn genotypes(cases: &mut Vec<Case>) {
    const RULE: &str = "genotypes of persons";
    type Writer = (&'static str, fn(&Cohort) -> Vec<u8>);
    let native: [Writer; 13] = [
        ("VCF", |c| c.vcf().into_bytes()),
        ("VCF gz", |c| formats::gzip(c.vcf().as_bytes())),
        ("VCF in zip", |c| formats::zip(&[("a.vcf", c.vcf().as_bytes())])),
        ("VCF DS", |c| c.vcf_with("DS", &|g| format!("{}.04", g.min(1))).into_bytes()),
        ("PED", |c| c.ped(false).0.into_bytes()),
        ("TPED", |c| c.tped().into_bytes()),
        ("RAW", |c| c.raw().into_bytes()),
        ("A-transpose", |c| c.traw().into_bytes()),
        ("GEN", |c| c.gen_file().into_bytes()),
        ("HAPS", |c| c.haps().into_bytes()),
        ("HapMap", |c| c.hapmap().into_bytes()),
        ("EIGENSTRAT", |c| c.eigenstrat().into_bytes()),
        ("23andMe", |c| c.personal().into_bytes()),
    ];
    let mut push = |format: &str, sites: usize, bytes: Vec<u8>| {
        cases.push(Case {
            rule: RULE,
            format: format.into(),
            edge: format!("{sites} sites"),
            bytes: Bytes::Here(bytes),
            right: if sites > 40 { Verdict::Block } else { Verdict::Review },
            reason: None,
        });
    };
    for sites in [39, 40, 41] {
        let cohort = Cohort::new(12, sites, 1_000_000, Linkage::None);
        for (name, write) in native {
            push(name, sites, write(&cohort));
        }
        push("BEAGLE", sites, cohort.beagle().into_bytes());
        push("FinalReport", sites, tools::final_report(12, sites));
        for (by_person, side) in [(true, "a row a person"), (false, "a row a site")] {
            let table = rows(&cohort.matrix(by_person, ",", Names::Real, &|g| g.to_string()));
            for (format, write) in TABLES {
                push(&format!("{format}, {side}"), sites, write(&table));
            }
        }
    }
    for (persons, linkage, right) in [
        (99, Linkage::Full, Verdict::Block),
        (100, Linkage::Full, Verdict::Review),
        (100, Linkage::None, Verdict::Block),
    ] {
        let cohort = Cohort::new(persons, 60, 100, linkage);
        let linked = if linkage == Linkage::Full { "linked" } else { "unlinked" };
        for (format, bytes) in
            [("VCF", cohort.vcf()), ("TPED", cohort.tped()), ("A-transpose", cohort.traw())]
        {
            cases.push(Case {
                rule: "linkage of 60 sites",
                format: format.into(),
                edge: format!("{persons} persons, {linked}"),
                bytes: Bytes::Here(bytes.into_bytes()),
                right,
                reason: None,
            });
        }
    }
}

/// What is no table.
fn others(cases: &mut Vec<Case>) {
    use Verdict::{Block, Pass, Review};
    let vcf = |info: &str| {
        format!(
            "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n\
             1\t100\trs1\tA\tG\t.\tPASS\tAC=400;AN=2000\n1\t200\trs2\tA\tG\t.\tPASS\t{info}\n"
        )
    };
    let sam = |length: u64| {
        format!(
            "@HD\tVN:1.6\n@SQ\tSN:1\tLN:{length}\nr1\t0\t1\t100\t60\t10M\t*\t0\t0\tACGTACGTAC\tIIIIIIIIII\n"
        )
    };
    let mut push = |rule, format: &str, edge: &str, bytes: Vec<u8>, right| {
        cases.push(Case {
            rule,
            format: format.into(),
            edge: edge.into(),
            bytes: Bytes::Here(bytes),
            right,
            reason: None,
        });
    };
    for (k, right) in [(9, Block), (10, Review), (18, Review), (19, Pass)] {
        let text = vcf(&format!("AC={k};AN=2000"));
        push("sites of a VCF", "VCF", &format!("{k} copies"), text.clone().into_bytes(), right);
        push("sites of a VCF", "VCF gz", &format!("{k} copies"), formats::gzip(text.as_bytes()), right);
        push(
            "sites of a VCF",
            "VCF in zip",
            &format!("{k} copies"),
            formats::zip(&[("a.vcf", text.as_bytes())]),
            right,
        );
    }
    for (n, right) in [(9, Block), (10, Pass)] {
        let text = vcf(&format!("AC=200;AN=2000;nhomalt={n}"));
        push("genotypes of a VCF", "VCF", &format!("{n} homozygous"), text.into_bytes(), right);
    }
    push("sequencing reads", "SAM", "human", sam(248_956_422).into_bytes(), Block);
    push("sequencing reads", "SAM", "of an unknown species", sam(15_072_423).into_bytes(), Review);
    for (edge, bytes, right) in [
        ("empty", Vec::new(), Review),
        ("cut short", formats::gzip(b"group,n\na,120\nb,130\n")[..20].to_vec(), Block),
        ("bytes that are no text", (0..=255).cycle().take(4000).collect(), Block),
        ("a line without end", vec![b'1'; 50 << 20], Block),
    ] {
        push("what cannot be read", "bytes", edge, bytes, right);
    }
}
