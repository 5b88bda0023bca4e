//! The description beside a file in the GWAS-SSF form (`-meta.yaml`): numbers of people are counts, the other keys of the
//! form are read as text, and what the form does not know is for the officer.

use super::{Inside, utf8};
use crate::readers::text::scan;
use sekisho_policy::facts::What;

/// Keys whose values count people.
const PEOPLE: [&str; 5] = ["sample_size", "case_count", "control_count", "n_cases", "n_controls"];
/// Keys of the form that say nothing about people.
const KNOWN: [&str; 36] = [
    "date_metadata_last_modified",
    "date_last_modified",
    "genome_assembly",
    "coordinate_system",
    "genotyping_technology",
    "gwas_id",
    "gwas_catalog_api",
    "gwascatalog_api",
    "imputation_panel",
    "imputation_software",
    "adjusted_covariates",
    "data_file_name",
    "file_type",
    "data_file_md5sum",
    "is_harmonised",
    "is_sorted",
    "analysis_software",
    "trait_description",
    "ontology_mapping",
    "samples",
    "sample_ancestry",
    "sample_ancestry_category",
    "ancestry_method",
    "case_control_study",
    "sex",
    "effect_statistic",
    "harmonisation_reference",
    "hm_code_definition",
    "harmonised_effect_statistic",
    "minor_allele_freq_lower_limit",
    "trait_efo",
    "trait_id",
    "pmid",
    "author_notes",
    "other_notes",
    "pvalue_is_neg_log10",
];

/// Is this such a description?
pub fn plausible(head: &[u8]) -> bool {
    let line =
        |key: &str| crate::lines::split(head).any(|l| l.trim_ascii_start().starts_with(key.as_bytes()));
    line("genome_assembly:") && (line("samples:") || line("file_type:") || line("coordinate_system:"))
}

/// Reads a description that is wholly in memory.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("gwas_ssf_meta");
    let text = utf8(bytes);
    let about = inside.tally.name("description");
    let mut counts = vec![vec!["key".to_owned(), "n".to_owned()]];
    let (mut known, mut notes) = (true, false);
    for (at, line) in text.lines().enumerate() {
        let number = at as u64 + 1;
        scan::line(line.as_bytes(), number, about, &mut inside.tally);
        let bare = line.trim().trim_start_matches("- ").trim();
        let unclear = if let Some(words) = bare.strip_prefix('#') {
            scan::has_number(words.as_bytes())
        } else if let Some((key, value)) = bare.split_once(':').filter(|(k, _)| is_key(k)) {
            let value = value.trim().trim_matches(['"', '\'']);
            known = KNOWN.contains(&key);
            notes = key.ends_with("notes");
            if PEOPLE.contains(&key) {
                counts.push(vec![key.to_owned(), value.to_owned()]);
                known = true;
                false
            } else {
                value.len() > 200 || scan::has_number(value.as_bytes()) && (!known || notes)
            }
        } else {
            // An item of the list that the last key began.
            bare.len() > 200 || scan::has_number(bare.as_bytes()) && (!known || notes)
        };
        if unclear {
            inside.tally.add(What::UnclearText, about, || {
                (format!("line {number}"), bare.chars().take(80).collect())
            });
        }
    }
    if counts.len() > 1 {
        inside.table("samples", &counts);
    }
    inside
}

fn is_key(text: &str) -> bool {
    (1..=60).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
