//! Short tandem repeats in a table: the loci that laboratories type, and two numbers of repeats for each person.

use super::grid::Grid;
use sekisho_policy::facts::{Part, Repeats, keep};
use std::collections::BTreeSet;

/// Loci whose names are no numbers of the human genome project (`D3S1358`), in large letters.
const NAMED: [&str; 10] =
    ["CSF1PO", "FGA", "TH01", "TPOX", "VWA", "SE33", "PENTAD", "PENTAE", "F13A01", "FESFPS"];

/// The loci of a table in which persons stand; `None` when there are none, or only frequencies of their alleles.
pub fn look(grid: &Grid) -> Option<Part> {
    let mut loci = BTreeSet::new();
    for column in 0..grid.header.len() {
        // Two columns may share a locus: `D3S1358_1`, `D3S1358_2`.
        if let Some(name) = locus(&grid.header[column])
            && mostly(grid.text.iter().map(|r| r[column].as_slice()), repeats)
        {
            loci.insert(name);
        }
        // One locus a row, with persons or one person in the columns behind it.
        let named: Vec<(usize, String)> = grid
            .text
            .iter()
            .enumerate()
            .filter_map(|(row, r)| Some((row, locus(std::str::from_utf8(&r[column]).ok()?)?)))
            .collect();
        if named.len() * 2 > grid.text.len() {
            let behind = |row: usize| grid.text[row].iter().skip(column + 1).map(Vec::as_slice);
            loci.extend(named.into_iter().filter(|(row, _)| mostly(behind(*row), repeats)).map(|(_, n)| n));
        }
    }
    let number = loci.len() as u64;
    (number > 0)
        .then(|| Part::Repeats(Repeats { loci: loci.into_iter().take(keep::SITES).collect(), number }))
}

fn mostly<'a>(cells: impl Iterator<Item = &'a [u8]>, like: fn(&[u8]) -> bool) -> bool {
    let filled: Vec<&[u8]> = cells.map(<[u8]>::trim_ascii).filter(|c| !c.is_empty()).collect();
    !filled.is_empty() && filled.iter().filter(|c| like(c)).count() * 2 > filled.len()
}

/// A locus by its name, without what tells its two alleles apart.
fn locus(name: &str) -> Option<String> {
    let name: String = name.trim().to_uppercase().replace(' ', "");
    let name = ["_1", "_2", ".1", ".2", "_A", "_B", "-1", "-2"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(&name);
    let (chromosome, serial) = name.strip_prefix('D').and_then(|n| n.split_once('S')).unwrap_or_default();
    let digits =
        |t: &str, most: usize| (1..=most).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
    let numbered = (digits(chromosome, 2) || matches!(chromosome, "X" | "Y")) && digits(serial, 5);
    (numbered || NAMED.contains(&name) || name.starts_with("DYS") && digits(&name[3..], 4))
        .then(|| name.to_owned())
}

/// A number of repeats (`15`, `9.3`), or two of them (`15/16`, `15,16`): four to sixty.
fn repeats(cell: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(cell) else { return false };
    let one = |t: &str| t.trim().parse::<f64>().is_ok_and(|n| (4.0..60.0).contains(&n));
    let parts: Vec<&str> = text.split(['/', ',', ';', '|', '-', ' ']).filter(|t| !t.is_empty()).collect();
    (1..=2).contains(&parts.len()) && parts.into_iter().all(one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readers::testing::{check, worst};
    use sekisho_policy::Verdict;

    const LOCI: [&str; 10] =
        ["D3S1358", "vWA", "FGA", "D8S1179", "D21S11", "D18S51", "D5S818", "TH01", "D7S820", "TPOX"];

    #[test]
    fn loci_are_known_by_their_names() {
        for (name, known) in
            [("D3S1358", true), ("D3S1358_2", true), ("vWA", true), ("DYS391", true), ("DXS10074", true)]
        {
            assert_eq!(locus(name).is_some(), known, "{name}");
        }
        for name in ["DNS", "D12", "DS1", "FGAX", "sex", ""] {
            assert_eq!(locus(name), None, "{name}");
        }
    }

    #[test]
    fn nine_loci_of_persons_block_in_columns_and_in_rows() {
        for (number, verdict) in [(8, Verdict::Review), (9, Verdict::Block), (10, Verdict::Block)] {
            let mut columns = format!("sample,{}\n", LOCI[..number].join(","));
            for person in 0..12 {
                let calls: Vec<String> = (0..number)
                    .map(|l| format!("{}/{}", 10 + (person + l) % 6, 12 + person * l % 7))
                    .collect();
                columns += &format!("A{person},{}\n", calls.join(","));
            }
            let rows = LOCI[..number]
                .iter()
                .enumerate()
                .fold("locus\tallele 1\tallele 2\n".to_owned(), |s, (l, n)| {
                    s + &format!("{n}\t{}\t{}\n", 10 + l % 6, 12 + l * 5 % 7)
                });
            for text in [columns, rows] {
                let report = check(text.as_bytes());
                let found = worst(&report, "individual_genotypes").unwrap();
                assert_eq!(found.verdict, verdict, "{text}");
            }
        }
    }

    #[test]
    fn frequencies_of_their_alleles_are_no_persons() {
        let mut text = format!("allele,{}\n", LOCI.join(","));
        for allele in 8..20 {
            text += &format!("{allele},{}\n", ["0.0812"; 10].join(","));
        }
        let report = check(text.as_bytes());
        assert!(worst(&report, "individual_genotypes").is_none());
    }
}
