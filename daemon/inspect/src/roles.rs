//! What a value may be, by the value alone: site keys, chromosomes, alleles, missing. Header words are only a hint.

use crate::number::whole;

/// Values that say "not known".
pub fn missing(value: &[u8]) -> bool {
    matches!(
        value,
        b"" | b"."
            | b"NA"
            | b"N/A"
            | b"na"
            | b"NaN"
            | b"nan"
            | b"NULL"
            | b"null"
            | b"-"
            | b"--"
            | b"-9"
            | b"<NA>"
            | b"?"
    )
}

/// A chromosome without `chr`: `1`–`26`, `X`, `Y`, `XY`, `M`, `MT`.
pub fn chromosome(value: &[u8]) -> Option<&str> {
    let name = match value {
        [b'c' | b'C', b'h' | b'H', b'r' | b'R', rest @ ..] => rest,
        _ => value,
    };
    let known = match name {
        [a] => a.is_ascii_digit() || matches!(a, b'X' | b'Y' | b'M' | b'x' | b'y'),
        [b'1', b'0'..=b'9'] | [b'2', b'0'..=b'6'] | [b'0', b'1'..=b'9'] => true,
        _ => matches!(name, b"XY" | b"MT" | b"PAR1" | b"PAR2" | b"Un"),
    };
    if known { std::str::from_utf8(name).ok() } else { None }
}

/// `rs123`, also with an allele behind it (`rs123_A`).
pub fn rs_id(value: &[u8]) -> bool {
    match value {
        [b'r' | b'R', b's' | b'S', rest @ ..] => {
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            digits > 0 && (digits == rest.len() || matches!(rest[digits], b'_' | b':' | b'.' | b'(' | b'-'))
        }
        _ => false,
    }
}

/// `chr2:71890`, `2:71890_A_G`, `X_2698560_G_A`.
pub fn place(value: &[u8]) -> Option<(&str, u64)> {
    let cut = value.iter().position(|b| matches!(b, b':' | b'_' | b'-' | b'.'))?;
    let chrom = chromosome(&value[..cut])?;
    let rest = &value[cut + 1..];
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let ends = digits == rest.len() || matches!(rest[digits], b':' | b'_' | b'-' | b'.' | b'/');
    // A position, not a decimal number: `1.25` is no place.
    // Behind a bare number a point makes decimals, unless alleles follow: `0.02377`, `1.12345.A.G`.
    let lettered =
        value[0].is_ascii_alphabetic() || rest.get(digits).is_some_and(|b| matches!(b, b'.' | b'_' | b':'));
    let marked = value[cut] != b'.' || digits >= 4 && lettered;
    let pos = whole(&rest[..digits]).filter(|p| *p > 0)?;
    (ends && marked && (digits >= 3 || value[cut] == b':')).then_some((chrom, pos))
}

/// An id that names a place in the genome by itself.
pub fn site_like(value: &[u8]) -> bool {
    rs_id(value) || place(value).is_some() || array_id(value)
}

/// Ids of genotyping arrays: `AFFX-…`, `SNP_A-123`, `i5000001`, `exm123`, `kgp123`, `ss123`, `JHU_1.123`.
fn array_id(value: &[u8]) -> bool {
    let after = |prefix: &[u8]| {
        value.strip_prefix(prefix).is_some_and(|r| r.len() >= 3 && r.iter().all(u8::is_ascii_digit))
    };
    value.starts_with(b"SNP_A-")
        || value.starts_with(b"AFFX-")
        || value.starts_with(b"JHU_")
        || value.starts_with(b"GSA-")
        || after(b"exm")
        || after(b"kgp")
        || after(b"ss")
        || value.strip_prefix(b"i").is_some_and(|r| r.len() >= 6 && r.iter().all(u8::is_ascii_digit))
}

/// Letters of an allele: bases, insertion, deletion.
pub fn allele(value: &[u8]) -> bool {
    !value.is_empty()
        && value.len() <= 200
        && (value.iter().all(|b| matches!(b.to_ascii_uppercase(), b'A' | b'C' | b'G' | b'T' | b'N'))
            || matches!(value, b"I" | b"D" | b"-" | b"*" | b"0")
            || (value.first() == Some(&b'<') && value.last() == Some(&b'>')))
}

/// A header cell that names persons' ids.
pub fn person_word(header: &str) -> bool {
    let word = header.trim().trim_start_matches('#').to_ascii_lowercase();
    matches!(
        word.as_str(),
        "iid"
            | "fid"
            | "sample"
            | "samples"
            | "sample_id"
            | "sampleid"
            | "subject"
            | "subject_id"
            | "subjectid"
            | "individual"
            | "individual_id"
            | "person"
            | "person_id"
            | "patient"
            | "patient_id"
            | "participant"
            | "participant_id"
            | "pid"
            | "id_1"
            | "id_2"
            | "eid"
            | "indiv"
    ) || ["患者", "検体", "被験者", "参加者", "サンプル", "個人"].iter().any(|w| word.contains(w))
}

/// An id of a kind that cohorts give persons: `HG00096`, `NA12878`, `JGAN000000001`, `sample12`, `ID_181`.
pub fn person_like(value: &[u8]) -> bool {
    let digits = value.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (stem, _) = value.split_at(value.len() - digits);
    let stem = stem.strip_suffix(b"_").or_else(|| stem.strip_suffix(b"-")).unwrap_or(stem);
    let words: [&[u8]; 22] = [
        b"HG", b"NA", b"GM", b"JGAN", b"S", b"s", b"ID", b"id", b"IND", b"ind", b"I", b"P", b"p", b"PT",
        b"pt", b"per", b"PER", b"FAM", b"fam", b"N", b"n", b"U",
    ];
    let long: [&[u8]; 8] =
        [b"sample", b"subject", b"patient", b"person", b"indiv", b"participant", b"subj", b"case"];
    digits > 0
        && (words.contains(&stem)
            || long.iter().any(|w| stem.len() >= w.len() && stem[..w.len()].eq_ignore_ascii_case(w)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_from_ids_and_decimals_are_not_places() {
        assert_eq!(place(b"chr2:72655596:G:A"), Some(("2", 72_655_596)));
        assert_eq!(place(b"X:2698560_G_A"), Some(("X", 2_698_560)));
        assert_eq!(place(b"17_4702"), Some(("17", 4702)));
        assert_eq!(place(b"1:5"), Some(("1", 5)));
        for not in [&b"1.25"[..], b"0.5", b"1_2", b"HG00096", b"", b":", b"2:", b"2:0"] {
            assert_eq!(place(not), None, "{}", String::from_utf8_lossy(not));
        }
    }

    #[test]
    fn rs_ids_may_carry_an_allele() {
        assert!(rs_id(b"rs123") && rs_id(b"rs123_A") && !rs_id(b"rs") && !rs_id(b"rsid") && !rs_id(b"rs12x"));
    }
}
