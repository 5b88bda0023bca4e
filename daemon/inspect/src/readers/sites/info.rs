//! What an INFO key of a VCF holds, by its name.

use super::roles::{self, Groups, Role};

/// INFO keys that describe the site, the reads or the caller and count no people.
pub fn info_role(name: &[u8], groups: &mut Groups) -> Role {
    const WORDS: &[&str] = &[
        "aa",
        "vt",
        "svtype",
        "snpsource",
        "culprit",
        "set",
        "ann",
        "csq",
        "eff",
        "lof",
        "nmd",
        "rs",
        "geneinfo",
        "vc",
        "clnsig",
        "clndn",
        "clnhgvs",
        "clnrevstat",
        "mc",
        "vp",
        "sao",
        "ssr",
        "wgt",
        "dbsnpbuildid",
        "origin",
        "allele_type",
        "variant_type",
        "multiallelic",
        "cosmic_id",
        "gene",
        "func",
        "vep",
        "cs",
        "tsa",
    ];
    const NUMBERS: &[&str] = &[
        "dp",
        "dp4",
        "mq",
        "mq0",
        "mq0f",
        "qd",
        "fs",
        "sor",
        "baseqranksum",
        "mqranksum",
        "readposranksum",
        "clippingranksum",
        "haplotypescore",
        "hrun",
        "inbreedingcoeff",
        "vqslod",
        "end",
        "cipos",
        "ciend",
        "homlen",
        "homseq",
        "svlen",
        "gq_mean",
        "gq_stddev",
        "erate",
        "theta",
        "avgpost",
        "exchet",
        "raw_mq",
        "mqb",
        "rpb",
        "vdb",
        "bqb",
        "mqsb",
        "sgb",
        "idv",
        "imf",
        "as_fs",
        "as_sor",
        "as_qd",
        "as_vqslod",
        "dels",
        "icf",
        "af1",
        "vdbp",
        "dr2",
        "er2",
        "hwe",
    ];
    let word = roles::spelling(name);
    if WORDS.contains(&word.as_str()) {
        return Role::Label;
    }
    if NUMBERS.contains(&word.as_str()) {
        return Role::Statistic;
    }
    match word.as_str() {
        "ccc" => Role::Alleles(groups.index("mle")),
        _ => match roles::role(name, false, groups) {
            // Column names that INFO does not have.
            Role::Place | Role::Chrom | Role::Id | Role::Allele => Role::Unknown,
            role => role,
        },
    }
}
