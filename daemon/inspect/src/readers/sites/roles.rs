//! What a column (or an INFO key) of a table of sites holds, by its name.

/// What a column holds. Numbers index groups of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Chromosome.
    Chrom,
    /// Position or distance.
    Place,
    /// Site id.
    Id,
    /// Allele letters.
    Allele,
    /// Words: a test, a gene, a flag.
    Label,
    /// Fraction of copies; a list by comma for several alleles.
    Frequency(u32),
    /// Copies of an allele; a list by comma for several.
    Copies(u32),
    /// Copies of the other allele printed beside [`Role::Copies`] (`C2` of `.frq.counts`).
    OtherCopies(u32),
    /// All chromosomes looked at.
    Alleles(u32),
    /// People looked at.
    Subjects(u32),
    /// People carrying the allele.
    Carriers(u32),
    /// People with a genotype; a list by comma.
    Genotype(u32),
    /// People with a genotype of one chromosome; structurally zero on autosomes.
    Haploid(u32),
    /// Copies in homozygous people: twice the people.
    PairedCopies(u32),
    /// Fraction of people with a genotype.
    GenotypeFraction(u32),
    /// Counts by slash, `3/57/319`: genotypes, or alleles in rows whose test is ALLELIC or TREND.
    Slash(u32),
    /// People without a genotype.
    Missing,
    /// A p-value or another fraction that is no frequency.
    Fraction,
    /// A rate of missing genotypes.
    MissingRate,
    /// Any other real number: an effect, its error, a score.
    Statistic,
    /// A small whole number that counts no people: degrees of freedom, studies.
    Index,
    /// Unexplained.
    Unknown,
}

/// Names of groups, `""` being everybody.
#[derive(Debug, Default)]
pub struct Groups(Vec<String>);

impl Groups {
    /// The number of a group.
    pub fn index(&mut self, name: &str) -> u32 {
        let name = synonym(name);
        if let Some(at) = self.0.iter().position(|n| n == name) {
            return at as u32;
        }
        self.0.push(name.to_owned());
        (self.0.len() - 1) as u32
    }

    /// All names, in order of number.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

fn synonym(group: &str) -> &str {
    match group {
        "cases" | "case" | "cas" | "aff" | "affected" | "a" => "case",
        "controls" | "control" | "ctrl" | "ctrls" | "con" | "unaff" | "unaffected" | "u" => "control",
        "allele2" | "allele1" | "a1" | "a2" | "1" | "2" | "all" | "total" | "overall" | "alt" | "ref"
        | "meta" | "raw" | "allele" | "minor" | "effect" | "adj" | "tot" => "",
        other => other,
    }
}

/// A header word in one spelling: lower case, one underscore between words.
pub fn spelling(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for c in String::from_utf8_lossy(name).chars() {
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if !out.ends_with('_') && !out.is_empty() {
            out.push('_');
        }
    }
    while out.ends_with('_') {
        out.pop();
    }
    out
}

/// The role of a column in a table of sites. `tests`: the table has a column TEST (an association result), where
/// PLINK's `OBS_CT` counts people and not chromosomes.
pub fn role(name: &[u8], tests: bool, groups: &mut Groups) -> Role {
    let word = spelling(name);
    fixed(&word, tests, groups).or_else(|| stemmed(&word, groups)).unwrap_or(Role::Unknown)
}

fn fixed(word: &str, tests: bool, groups: &mut Groups) -> Option<Role> {
    let mut everybody = |make: fn(u32) -> Role| Some(make(groups.index("")));
    match word {
        "chr" | "chrom" | "chromosome" | "hm_chrom" | "seqnames" | "contig" | "chr_id" | "chr_name" => {
            Some(Role::Chrom)
        }
        "bp" | "pos" | "position" | "base_pair_location" | "genpos" | "hm_pos" | "start" | "end" | "stop"
        | "cm" | "chr_position" | "tss_distance" | "start_distance" | "end_distance" | "distance"
        | "physpos" | "bp_hg19" | "bp_hg38" | "pos_b37" | "pos_b38" | "mapinfo" => Some(Role::Place),
        "snp" | "id" | "snpid" | "rsid" | "rs_id" | "markername" | "marker" | "markerid" | "variant"
        | "variant_id" | "snp_id" | "rs" | "hm_rsid" | "hm_variant_id" | "locus" | "rsids" | "variantid" => {
            Some(Role::Id)
        }
        "a1" | "a2" | "ref" | "alt" | "allele0" | "allele1" | "allele2" | "effect_allele"
        | "other_allele" | "ea" | "nea" | "ax" | "omitted" | "ref_allele" | "alt_allele"
        | "non_effect_allele" | "tested_allele" | "reference_allele" | "minor_allele" | "major_allele"
        | "hm_effect_allele" | "hm_other_allele" | "oa" | "risk_allele" | "alt1" | "alleles" | "minor"
        | "major" | "alternate_allele" | "noncoded_allele" | "coded_allele" => Some(Role::Allele),
        "test" | "provisional_ref" | "strand" | "direction" | "extra" | "errcode" | "firth" | "is_spa"
        | "is_spa_converge" | "clst" | "gene" | "gene_id" | "gene_name" | "phenotype_id" | "phenotype"
        | "trait" | "cohort" | "study" | "consequence" | "annotation" | "filter" | "qual" | "build"
        | "model" | "population" | "symbol" | "nearest_gene" | "converge" | "mask" | "group" | "ancestry"
        | "hm_code" | "annot" => Some(Role::Label),
        "n_studies" | "nstudies" | "n_study" | "num_studies" | "df" | "hetdf" | "het_df" | "num_var"
        | "n_variants" | "nsnps" | "n_snps" | "markers" | "nvar" => Some(Role::Index),
        "obs_ct" => everybody(if tests { Role::Subjects } else { Role::Alleles }),
        "an" | "nchrobs" | "allele_number" | "allele_ct" | "n_alleles" => everybody(Role::Alleles),
        "nchrobs_a" | "case_allele_ct" => Some(Role::Alleles(groups.index("case"))),
        "nchrobs_u" | "ctrl_allele_ct" => Some(Role::Alleles(groups.index("control"))),
        "n" | "nmiss" | "n_geno" | "ns" | "sample_size" | "samplesize" | "totalsamplesize"
        | "total_sample_size" | "nobs" | "n_obs" | "n_samples" | "num_samples" | "n_total" | "ntotal"
        | "weight" | "n_informative" | "neff" | "n_eff" | "effective_n" | "sample_n"
        | "n_complete_samples" => everybody(Role::Subjects),
        "ncas" | "ncase" | "ncases" | "n_cases" | "num_cases" => Some(Role::Subjects(groups.index("case"))),
        "ncon" | "ncontrol" | "ncontrols" | "n_controls" | "num_controls" => {
            Some(Role::Subjects(groups.index("control")))
        }
        "ac"
        | "mac"
        | "alt_cts"
        | "alt_ct"
        | "allele_count"
        | "minor_allele_count"
        | "a1_ct"
        | "a1_count"
        | "c1"
        | "ma_count"
        | "expected_minor_alleles" => everybody(Role::Copies),
        "c2" | "ref_ct" => everybody(Role::OtherCopies),
        "c_a" => Some(Role::Copies(groups.index("case"))),
        "c_u" => Some(Role::Copies(groups.index("control"))),
        "a1_case_ct" => Some(Role::Copies(groups.index("case"))),
        "a1_ctrl_ct" => Some(Role::Copies(groups.index("control"))),
        "mleac" => Some(Role::Copies(groups.index("mle"))),
        "mleaf" => Some(Role::Frequency(groups.index("mle"))),
        "f_a" => Some(Role::Frequency(groups.index("case"))),
        "f_u" => Some(Role::Frequency(groups.index("control"))),
        "a1_case_freq" => Some(Role::Frequency(groups.index("case"))),
        "a1_ctrl_freq" => Some(Role::Frequency(groups.index("control"))),
        "ma_samples" | "n_carriers" | "carriers" | "carrier_count" => everybody(Role::Carriers),
        "c_hom_a1" | "c_het" | "c_hom_a2" | "hom_ref_ct" | "het_ref_alt_cts" | "two_alt_geno_cts"
        | "hom_a1_ct" | "het_a1_ct" | "two_ax_ct" | "nhomalt" | "nhet" | "nhomref" | "ac_het" | "ac_hemi"
        | "n_het" | "n_hom" | "n_rr" | "n_ra" | "n_aa" | "gtc" | "het" | "hom" | "hom_ref" | "hom_alt"
        | "het_ct" | "hom_alt_ct" | "n_hom_ref" | "n_hom_alt" | "homs" | "hets" | "hemi" | "nhemi" => {
            everybody(Role::Genotype)
        }
        "ac_hom" => everybody(Role::PairedCopies),
        "case_non_a1_ct" | "case_het_a1_ct" | "case_hom_a1_ct" => Some(Role::Genotype(groups.index("case"))),
        "ctrl_non_a1_ct" | "ctrl_het_a1_ct" | "ctrl_hom_a1_ct" => {
            Some(Role::Genotype(groups.index("control")))
        }
        "n_case_hom" | "n_case_het" => Some(Role::Genotype(groups.index("case"))),
        "n_ctrl_hom" | "n_ctrl_het" => Some(Role::Genotype(groups.index("control"))),
        "c_hap_a1" | "c_hap_a2" | "hap_ref_ct" | "hap_alt_cts" => everybody(Role::Haploid),
        "geno" => everybody(Role::Slash),
        "aff" => Some(Role::Slash(groups.index("case"))),
        "unaff" => Some(Role::Slash(groups.index("control"))),
        "o_het" | "o_het_a1" | "obs_het" | "het_freq" | "hom_freq" => everybody(Role::GenotypeFraction),
        "c_missing" | "missing_ct" | "g0" | "n_miss" | "n_missing" | "ncc" => Some(Role::Missing),
        "f_miss" | "missingrate" | "missing_rate" | "f_missing" | "missingness" => Some(Role::MissingRate),
        "call_rate" | "callrate" | "info" | "r2" | "rsq" | "imputationinfo" | "imputation_info"
        | "info_score" | "hwe" | "exchet" | "hetisq" | "i2" | "isq" | "e_het" | "e_het_a1" | "pip" | "cs" => {
            Some(Role::Fraction)
        }
        _ if is_p_value(word) => Some(Role::Fraction),
        _ if is_statistic(word) => Some(Role::Statistic),
        _ => None,
    }
}

fn is_p_value(word: &str) -> bool {
    matches!(
        word,
        "p" | "pval"
            | "pvalue"
            | "p_value"
            | "hetpval"
            | "het_pval"
            | "q"
            | "fdr"
            | "qval"
            | "q_value"
            | "unadj"
    ) || word.starts_with("p_value")
        || word.starts_with("p_bolt")
        || word.starts_with("pval_")
        || word.ends_with("_pval")
        || word.ends_with("_p_value")
        || word.ends_with("_p")
        || matches!(
            word,
            "p_adj"
                | "p_lrt"
                | "p_wald"
                | "p_score"
                | "p_gc"
                | "hwp"
                | "fdr_bh"
                | "fdr_by"
                | "bonf"
                | "holm"
                | "sidak_ss"
                | "sidak_sd"
                | "emp1"
                | "emp2"
        )
}

fn is_statistic(word: &str) -> bool {
    const NAMES: &[&str] = &[
        "beta",
        "b",
        "se",
        "or",
        "z",
        "t",
        "stat",
        "chisq",
        "chi2",
        "log10p",
        "mlog10p",
        "neg_log10_p_value",
        "neg_log_pvalue",
        "effect",
        "stderr",
        "standard_error",
        "odds_ratio",
        "hazard_ratio",
        "hr",
        "zscore",
        "z_score",
        "tstat",
        "t_stat",
        "z_stat",
        "f_stat",
        "var",
        "slope",
        "slope_se",
        "l95",
        "u95",
        "ci_lower",
        "ci_upper",
        "ci_low",
        "ci_high",
        "log_or",
        "log_or_se",
        "freqse",
        "freq_se",
        "hetchisq",
        "het_chisq",
        "lambda",
        "gc",
        "score",
        "varratio",
        "l2",
        "ldscore",
        "mach_r2",
        "beta_shape1",
        "beta_shape2",
        "true_df",
        "neglog10p",
        "lower",
        "upper",
        "lower95",
        "upper95",
        "tau",
        "cadd",
        "phred",
        "log_odds",
        "hm_beta",
        "hm_odds_ratio",
        "hm_ci_lower",
        "hm_ci_upper",
    ];
    NAMES.contains(&word)
        || ["beta_", "se_", "or_", "ci_", "chisq_", "log10p_", "z_", "pval_", "log10_"]
            .iter()
            .any(|p| word.starts_with(p))
        || ["_se", "_beta", "_log10p", "_chisq", "_zscore", "_or"].iter().any(|s| word.ends_with(s))
}

/// `AF_case`, `eas_AF`, `N_eur`, `AC_nfe`: a stem at either end, a group at the other.
fn stemmed(word: &str, groups: &mut Groups) -> Option<Role> {
    type Make = fn(u32) -> Role;
    const STEMS: [(&str, Make); 31] = [
        ("effect_allele_frequency", Role::Frequency),
        ("alternate_allele_frequency", Role::Frequency),
        ("minor_allele_frequency", Role::Frequency),
        ("minor_allele_freq", Role::Frequency),
        ("alt_allele_freq", Role::Frequency),
        ("allele_frequency", Role::Frequency),
        ("allele_freq", Role::Frequency),
        ("a1_freq", Role::Frequency),
        ("a1freq", Role::Frequency),
        ("af1", Role::Frequency),
        ("alt_freqs", Role::Frequency),
        ("alt_freq", Role::Frequency),
        ("ref_freq", Role::Frequency),
        ("frequency", Role::Frequency),
        ("freq1", Role::Frequency),
        ("freqs", Role::Frequency),
        ("freq", Role::Frequency),
        ("frq", Role::Frequency),
        ("eaf", Role::Frequency),
        ("maf", Role::Frequency),
        ("raf", Role::Frequency),
        ("aaf", Role::Frequency),
        ("minfreq", Role::Frequency),
        ("maxfreq", Role::Frequency),
        ("ldaf", Role::Frequency),
        ("af", Role::Frequency),
        ("mac", Role::Copies),
        ("ac", Role::Copies),
        ("an", Role::Alleles),
        ("nhomalt", Role::Genotype),
        ("n", Role::Subjects),
    ];
    STEMS.iter().find_map(|(stem, make)| {
        let after = word.strip_prefix(stem).and_then(|rest| rest.strip_prefix('_'));
        let before = word.strip_suffix(stem).and_then(|rest| rest.strip_suffix('_'));
        let group = if word == *stem { Some("") } else { after.or(before) };
        group.map(|g| make(groups.index(g)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(header: &str) -> Vec<(Role, String)> {
        let mut groups = Groups::default();
        let tests = header.split_whitespace().any(|w| w == "TEST");
        let found: Vec<Role> =
            header.split_whitespace().map(|w| role(w.as_bytes(), tests, &mut groups)).collect();
        let name = |r: &Role| match r {
            Role::Frequency(g)
            | Role::Copies(g)
            | Role::Alleles(g)
            | Role::Subjects(g)
            | Role::Genotype(g) => groups.names()[*g as usize].clone(),
            _ => String::new(),
        };
        found.iter().map(|r| (*r, name(r))).collect()
    }

    #[test]
    fn no_column_of_the_usual_tools_is_unknown() {
        for header in [
            "CHR SNP A1 A2 MAF NCHROBS",
            "CHR SNP A1 A2 MAF_A MAF_U NCHROBS_A NCHROBS_U",
            "CHR SNP CLST A1 A2 MAF MAC NCHROBS",
            "CHR SNP A1 A2 C1 C2 G0",
            "#CHROM ID REF ALT PROVISIONAL_REF? ALT_FREQS OBS_CT",
            "#CHROM ID REF ALT HOM_REF_CT HET_REF_ALT_CTS TWO_ALT_GENO_CTS HAP_REF_CT HAP_ALT_CTS MISSING_CT",
            "#CHROM ID A1 AX HOM_A1_CT HET_A1_CT TWO_AX_CT O(HET_A1) E(HET_A1) P",
            "CHR SNP TEST A1 A2 GENO O(HET) E(HET) P",
            "CHR SNP BP A1 F_A F_U A2 CHISQ P OR",
            "CHR SNP A1 A2 TEST AFF UNAFF CHISQ DF P",
            "CHR SNP BP A1 TEST NMISS OR STAT P",
            "#CHROM POS ID REF ALT PROVISIONAL_REF? A1 OMITTED A1_FREQ FIRTH? TEST OBS_CT OR LOG(OR)_SE Z_STAT P ERRCODE",
            "CHROM GENPOS ID ALLELE0 ALLELE1 A1FREQ A1FREQ_CASES A1FREQ_CONTROLS INFO N N_CASES N_CONTROLS TEST BETA SE CHISQ LOG10P EXTRA",
            "CHR POS MarkerID Allele1 Allele2 AC_Allele2 AF_Allele2 MissingRate BETA SE Tstat var p.value p.value.NA Is.SPA AF_case AF_ctrl N_case N_ctrl N_case_hom N_case_het N_ctrl_hom N_ctrl_het",
            "SNP CHR BP GENPOS ALLELE1 ALLELE0 A1FREQ F_MISS BETA SE P_BOLT_LMM_INF P_BOLT_LMM",
            "MarkerName Allele1 Allele2 Freq1 FreqSE MinFreq MaxFreq Weight Zscore P-value Direction HetISq HetChiSq HetDf HetPVal",
            "chromosome base_pair_location effect_allele other_allele beta standard_error effect_allele_frequency p_value variant_id rsid n ci_upper ci_lower info",
            "phenotype_id variant_id start_distance end_distance af ma_samples ma_count pval_nominal slope slope_se",
        ] {
            for (word, (role, _)) in header.split_whitespace().zip(roles(header)) {
                assert_ne!(role, Role::Unknown, "{word} in {header}");
            }
        }
    }

    #[test]
    fn plinks_obs_ct_counts_people_in_results_and_chromosomes_in_frequencies() {
        assert_eq!(roles("#CHROM ID TEST OBS_CT")[3].0, Role::Subjects(0));
        assert_eq!(roles("#CHROM ID ALT_FREQS OBS_CT")[3].0, Role::Alleles(0));
    }

    #[test]
    fn groups_meet_under_one_name() {
        assert_eq!(roles("AFR_AF")[0].1, "afr");
        let found = roles("AF_case N_cases eas_AF AN_eas AC_Allele2 AF_Allele2 N");
        let names: Vec<&str> = found.iter().map(|(_, n)| n.as_str()).collect();
        assert_eq!(names, ["case", "case", "eas", "eas", "", "", ""]);
    }

    #[test]
    fn a_word_that_only_starts_like_a_stem_is_unknown() {
        for word in ["nice", "after", "acme", "annotation_x", "frequent"] {
            assert_eq!(roles(word)[0].0, Role::Unknown, "{word}");
        }
    }
}
