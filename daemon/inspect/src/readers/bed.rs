//! PLINK 1 `.bed`. Its shape stands in `.bim` and `.fam`; on a second look they are given.

use super::{Context, Found};
use crate::genotypes::{Call, MISSING, Panel, SiteKey};
use sekisho_policy::facts::{BedMatrix, Beside, Part, Problem, ProblemKind};
use std::io::Read;

/// A body larger than this holds more sites than any limit, whatever the number of persons.
const SURELY: u64 = 64 << 20;

/// Reads the body: its length, or, when sites and persons are known, its genotypes. `length`: bytes of the file,
/// when it is not compressed. The answer is `true` when refusal is proven.
pub fn read(
    stream: &mut impl Read,
    variant_major: bool,
    length: Option<u64>,
    context: &Context<'_>,
) -> (Found, bool) {
    if let Some((beside, subjects)) = context.beside.and_then(|b| Some((b, b.subjects?)))
        && variant_major
        && let Ok(subjects) = usize::try_from(subjects)
        && subjects <= 16 << 20
    {
        return genotypes(stream, beside, subjects, context);
    }
    let mut all = 0u64;
    let large = length.filter(|n| *n > SURELY);
    if let Some(length) = large {
        all = length;
    } else {
        let mut sink = vec![0; 256 << 10];
        while let Ok(n @ 1..) = stream.read(&mut sink) {
            all += n as u64;
        }
    }
    let part = Part::BedMatrix(BedMatrix { body: all.saturating_sub(3), variant_major });
    let found = Found { kind: "plink_bed".into(), parts: vec![part], unit: "sites", ..Found::default() };
    (found, large.is_some())
}

fn genotypes(
    stream: &mut impl Read,
    beside: &Beside,
    subjects: usize,
    context: &Context<'_>,
) -> (Found, bool) {
    let mut panel = Panel::new(context.policy.sites.limit, subjects);
    let mut calls = vec![MISSING; subjects];
    let mut record = vec![0; subjects.div_ceil(4)];
    let mut magic = [0; 3];
    let mut problems = Vec::new();
    let (mut rows, mut proven) = (0, false);
    let mut whole = stream.read_exact(&mut magic).is_ok();
    for site in &beside.sites {
        whole = whole && stream.read_exact(&mut record).is_ok();
        if !whole {
            break;
        }
        for (i, slot) in calls.iter_mut().enumerate() {
            *slot = CODE[usize::from(record[i / 4] >> (2 * (i % 4)) & 3)];
        }
        rows += 1;
        if panel.site(SiteKey { chrom: &site.chrom, pos: site.pos, id: &site.id }, &calls) {
            proven = true;
            break;
        }
    }
    if !whole || (!proven && !matches!(stream.read(&mut magic), Ok(0))) {
        let detail = "its length does not fit the .bim and .fam beside it";
        problems.push(Problem::new(ProblemKind::Malformed, ".bed", detail));
    }
    let parts = vec![Part::Genotypes(panel.finish("bed"))];
    (Found { kind: "plink_bed".into(), parts, problems, rows, unit: "sites" }, proven)
}

/// Two bits: homozygous first allele, missing, heterozygous, homozygous second allele.
const CODE: [Call; 4] = [0, MISSING, 100, 200];
