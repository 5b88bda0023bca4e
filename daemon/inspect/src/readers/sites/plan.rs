//! From the roles of columns to groups of people, and what the columns together say about a table.

use super::group::Group;
use super::roles::{self, Groups, Role};
use crate::readers::printed;
use crate::readers::tally::Tally;
use sekisho_policy::facts::What;
use sekisho_policy::schema::{Policy, Reading};

/// Empirical p-values are multiples of one over the permutations.
pub fn is_permutation(name: &str) -> bool {
    matches!(
        roles::spelling(name.as_bytes()).as_str(),
        "emp1" | "emp2" | "pval_perm" | "p_perm" | "pval_beta"
    )
}

/// A column whose values name sites (`rs123`, `1:234:A:G`), whatever its header says.
pub fn site_column(rows: &[Vec<Vec<u8>>]) -> Option<usize> {
    let columns = rows.first()?.len();
    (0..columns).find(|c| {
        let site = |v: &Vec<u8>| printed::parse(v).is_none() && crate::roles::site_like(v);
        let named = rows.iter().filter(|r| r.get(*c).is_some_and(site)).count();
        named > 0 && named * 10 >= rows.len() * 8
    })
}

/// Under the denominator reading, a part of people who are numbered is large enough when its smallest fraction is of
/// chromosomes enough.
pub fn everybody_suffices(group: &Group, samples: &[Vec<(f64, u32)>], policy: &Policy) -> bool {
    policy.frequency.reading == Reading::Denominator
        && group.columns.frequencies.iter().all(|(column, rounding)| {
            let half = |v: f64| rounding.map_or(0.0, |r| r.half_unit(v));
            let smallest = samples[*column].iter().map(|(v, _)| *v).filter(|v| *v > 0.0).fold(1.0, f64::min);
            1.0 / (smallest + half(smallest)) >= (2 * policy.counts.minimum) as f64
        })
}

/// Groups with their columns. A group without numbers of its own is read against everybody's.
pub fn plan(header: &[String], roles: &[Role], names: &Groups, tally: &mut Tally) -> Vec<Group> {
    let mut groups: Vec<Group> =
        names.names().iter().map(|name| Group { about: tally.name(name), ..Group::default() }).collect();
    for (column, role) in roles.iter().enumerate() {
        let mut at = |g: u32, put: &dyn Fn(&mut Group)| {
            if let Some(group) = groups.get_mut(g as usize) {
                put(group);
            }
        };
        let minor =
            matches!(header[column].to_ascii_lowercase().as_str(), "mac" | "ma_count" | "minor_allele_count");
        match *role {
            Role::Frequency(g) => at(g, &|x| x.columns.frequencies.push((column, None))),
            Role::Copies(g) => at(g, &|x| {
                x.columns.copies.push(column);
                x.columns.minor_copies |= minor;
            }),
            Role::OtherCopies(g) => at(g, &|x| x.columns.other_copies = Some(column)),
            Role::Alleles(g) => at(g, &|x| x.columns.alleles = Some(column)),
            Role::Subjects(g) => at(g, &|x| x.columns.subjects = x.columns.subjects.or(Some(column))),
            Role::Carriers(g) => at(g, &|x| x.columns.carriers.push(column)),
            Role::Genotype(g) => at(g, &|x| x.columns.genotypes.push(column)),
            Role::Haploid(g) => at(g, &|x| x.columns.haploid.push(column)),
            Role::PairedCopies(g) => at(g, &|x| x.columns.paired.push(column)),
            Role::GenotypeFraction(g) => at(g, &|x| x.columns.fractions.push((column, None))),
            Role::Slash(g) => at(g, &|x| x.columns.slashes.push(column)),
            _ => {}
        }
    }
    groups
}

/// What wrote this table, by its columns.
pub fn kind(header: &[String]) -> &'static str {
    let names: Vec<String> = header.iter().map(|h| roles::spelling(h.as_bytes())).collect();
    let has = |wanted: &[&str]| wanted.iter().all(|w| names.iter().any(|n| n == w));
    const KINDS: [(&str, &[&str]); 22] = [
        ("plink_frqx", &["c_hom_a1", "c_het"]),
        ("plink_frq_counts", &["c1", "c2", "g0"]),
        ("plink_frq_cc", &["maf_a", "maf_u"]),
        ("plink_frq_strat", &["clst", "maf", "nchrobs"]),
        ("plink_frq", &["maf", "nchrobs"]),
        ("plink2_afreq", &["alt_freqs", "obs_ct"]),
        ("plink2_acount", &["alt_cts", "obs_ct"]),
        ("plink2_gcount", &["hom_ref_ct", "two_alt_geno_cts"]),
        ("plink2_hardy", &["hom_a1_ct", "two_ax_ct"]),
        ("plink_hwe", &["geno", "o_het"]),
        ("plink_assoc", &["f_a", "f_u"]),
        ("plink_model", &["aff", "unaff"]),
        ("plink2_glm", &["test", "obs_ct", "errcode"]),
        ("plink_regression", &["test", "nmiss"]),
        ("regenie", &["log10p", "allele0", "genpos"]),
        ("saige", &["markerid", "tstat", "var"]),
        ("bolt_lmm", &["p_bolt_lmm_inf"]),
        ("metal", &["markername", "direction"]),
        ("gwas_ssf", &["base_pair_location", "effect_allele", "p_value"]),
        ("tensorqtl", &["ma_samples", "ma_count"]),
        ("association_results", &["beta", "se"]),
        ("association_results", &["p"]),
    ];
    KINDS.iter().find(|(_, wanted)| has(wanted)).map_or("frequency_table", |(kind, _)| kind)
}

/// The group's word in the header of its frequencies.
pub fn word_of(header: &[String], group: &Group) -> String {
    let column = group.columns.frequencies.first().map(|(c, _)| *c);
    let stems = ["_af", "_maf", "_freq", "_eaf"];
    let prefixes = ["af_", "maf_", "freq_", "eaf_", "a1freq_"];
    let mut word = column.map(|c| roles::spelling(header[c].as_bytes())).unwrap_or_default();
    for stem in stems {
        word = word.strip_suffix(stem).map(str::to_owned).unwrap_or(word);
    }
    for prefix in prefixes {
        word = word.strip_prefix(prefix).map(str::to_owned).unwrap_or(word);
    }
    word
}

/// What else a filtered copy leaves out, in words, English and Japanese.
pub fn also_left_out(tally: &Tally) -> (String, String) {
    let reasons: [(&[What], &str, &str); 3] = [
        (
            &[What::SmallGenotype, What::NoGenotype],
            "rows with small genotype counts",
            "遺伝型の人数が少ない行",
        ),
        (&[What::FewSubjects, What::MaybeFewSubjects], "rows of too few subjects", "対象者の少ない行"),
        (&[What::Unparsed], "rows that do not fit the header", "見出しと合わない行"),
    ];
    let mut words = (String::new(), String::new());
    for (kinds, en, ja) in reasons {
        if kinds.iter().any(|w| tally.number(*w) > 0) {
            words.0 += &format!("; left out: {en}");
            words.1 += &format!("。除いた行: {ja}");
        }
    }
    if tally.number(What::ExtraDigits) > 0 {
        words.0 += "; surplus digits rounded away";
        words.1 += "。余分な桁は丸めました";
    }
    words
}
