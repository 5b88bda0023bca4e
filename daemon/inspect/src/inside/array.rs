//! Illumina's FinalReport: a header of the run, then a line for every person and site.

use super::{Inside, utf8};
use sekisho_policy::facts::ProblemKind;

/// Does a report begin here?
pub fn plausible(head: &[u8]) -> bool {
    head.starts_with(b"[Header]") && memchr::memmem::find(head, b"[Data]").is_some()
}

/// Takes the header off, and joins what is written as two alleles to one genotype.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("final_report");
    let Some(at) = memchr::memmem::find(bytes, b"[Data]") else {
        inside.problem(ProblemKind::NotInspected, "", "no data");
        return inside;
    };
    inside.prose("header", &utf8(&bytes[..at]));
    let mut lines = crate::lines::split(&bytes[at..]).skip(1);
    let header = lines.next().unwrap_or_default();
    let delimiter = if header.contains(&b'\t') { b'\t' } else { b',' };
    let names: Vec<String> = header.split(|b| *b == delimiter).map(|n| utf8(n).trim().to_owned()).collect();
    // `Allele1 - Forward` and `Allele2 - Forward` are one genotype.
    let partner: Vec<Option<usize>> = names
        .iter()
        .map(|name| {
            let rest = name.strip_prefix("Allele1")?;
            names.iter().position(|other| other.strip_prefix("Allele2") == Some(rest))
        })
        .collect();
    let second = |at: usize| partner.contains(&Some(at));
    let mut out = Vec::new();
    for (at, name) in names.iter().enumerate().filter(|(at, _)| !second(*at)) {
        let shown = if partner[at].is_some() { "genotype" } else { name.as_str() };
        out.extend(if at > 0 { "\t" } else { "" }.bytes().chain(shown.bytes()));
    }
    out.push(b'\n');
    for line in lines.filter(|l| !l.trim_ascii().is_empty()) {
        let fields: Vec<&[u8]> = line.split(|b| *b == delimiter).map(<[u8]>::trim_ascii).collect();
        if fields.len() != names.len() {
            inside.problem(ProblemKind::Malformed, "data", utf8(line));
            break;
        }
        for (at, field) in fields.iter().enumerate().filter(|(at, _)| !second(*at)) {
            if at > 0 {
                out.push(b'\t');
            }
            out.extend_from_slice(field);
            out.extend_from_slice(partner[at].and_then(|p| fields.get(p)).copied().unwrap_or_default());
        }
        out.push(b'\n');
        if out.len() > inside.room() {
            break;
        }
    }
    inside.member("data", out);
    inside
}
