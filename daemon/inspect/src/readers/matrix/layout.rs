//! Where the genotypes stand in a table, and which side of it is persons: by values first, by names second.

use super::cells::{Coding, class, classes, homozygous};
use crate::number::{decimal, whole};
use crate::roles;
use crate::shape::{CLIP, Shape};

/// Which side is sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orientation {
    /// One row a site.
    Sites,
    /// One row a person.
    Persons,
    /// Cannot be told: the larger side counts as sites.
    Unclear,
}

/// Where things stand in a table of genotypes.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Kind of the file.
    pub kind: &'static str,
    /// First column of the genotypes, and the one after the last.
    pub cells: (usize, usize),
    /// How they are written.
    pub coding: Coding,
    /// In pairs, `0` is an allele and not missing.
    pub zero_is_allele: bool,
    /// Which side is persons.
    pub orientation: Orientation,
    /// Column of the chromosome.
    pub chrom: Option<usize>,
    /// Column of the position.
    pub pos: Option<usize>,
    /// Column of the site's (or row's) id.
    pub id: Option<usize>,
}

/// The values of one column in the sample.
struct Column {
    classes: [usize; 7],
    filled: usize,
    distinct: Vec<Vec<u8>>,
    near_whole: usize,
}

impl Column {
    fn of(shape: &Shape, index: usize) -> Self {
        let mut column = Self { classes: [0; 7], filled: 0, distinct: Vec::new(), near_whole: 0 };
        for value in shape.column(index) {
            let set = classes(value);
            if set & class::MISSING != 0 {
                continue;
            }
            column.filled += 1;
            for (bit, count) in column.classes.iter_mut().enumerate() {
                *count += usize::from(set & (1 << bit) != 0);
            }
            if column.distinct.len() < 12 && !column.distinct.iter().any(|d| d == value) {
                column.distinct.push(value.to_vec());
            }
            column.near_whole +=
                usize::from(decimal(value.trim_ascii()).is_some_and(|d| (d - d.round()).abs() <= 0.05));
        }
        column
    }

    /// Nearly all filled values are of one of these classes; an empty column fits everything.
    fn is(&self, set: u8) -> bool {
        let fits: usize = (0..7).filter(|b| set & (1 << b) != 0).map(|b| self.classes[b]).max().unwrap_or(0);
        fits * 20 >= self.filled * 19
    }

    fn varies(&self) -> bool {
        self.distinct.len() > 1
    }
}

/// Finds genotypes in a table.
pub fn find(shape: &Shape) -> Option<Layout> {
    if shape.rows.is_empty() {
        return None;
    }
    // A very wide table is judged by its first columns; a stretch that reaches their end goes on.
    let seen = shape.columns.min(CLIP);
    let columns: Vec<Column> = (0..seen).map(|i| Column::of(shape, i)).collect();
    let prefix = prefix(shape, &columns);
    let run = |set: u8| longest(&columns, set, prefix);
    let mut best: Option<((usize, usize), Coding, bool)> = None;
    let mut offer = |found: Option<((usize, usize), Coding, bool)>| {
        if let Some(f) = found
            && best.is_none_or(|(b, ..)| f.0.1 - f.0.0 > b.1 - b.0)
        {
            best = Some(f);
        }
    };
    offer(run(class::LETTERS).and_then(|r| letters(shape, &columns, r)));
    offer(run(class::INDICES).map(|r| (r, Coding::Indices, false)));
    offer(alleles(shape, &columns, prefix));
    // Probabilities before whole numbers: they may all be written 0 and 1. Dosages after them.
    let doses = run(class::DOSE).and_then(|r| fractions(shape, &columns, r));
    offer(doses.filter(|(_, coding, _)| *coding == Coding::Triples));
    offer(run(class::WHOLE).and_then(|r| whole_numbers(shape, &columns, r)));
    offer(doses);
    let (cells, coding, zero_is_allele) = best?;
    // PLINK's `.model` and `.hwe` print counts as `3/57`: the readers of results judge those.
    if coding == Coding::Indices
        && cells.1 - cells.0 <= 2
        && shape.named(&["aff", "unaff", "geno"]).is_some_and(|c| c >= cells.0 && c < cells.1)
    {
        return None;
    }
    let mut layout = Layout {
        kind: "genotype_matrix",
        cells,
        coding,
        zero_is_allele,
        orientation: Orientation::Unclear,
        chrom: None,
        pos: None,
        id: None,
    };
    orient(shape, &columns, prefix, &mut layout);
    if layout.orientation != Orientation::Sites && cells.1 - cells.0 <= 2 && prefix == 0 {
        // One or two columns without a site key beside them may be anything.
        return None;
    }
    if layout.orientation == Orientation::Sites && cells.1 - cells.0 <= 2 && !spread(shape, cells, coding) {
        return None;
    }
    layout.kind = kind(shape, &layout, prefix);
    if layout.cells.1 == seen {
        layout.cells.1 = shape.columns;
    }
    Some(layout)
}

/// The longest stretch of columns that fit, from column `from` on; empty columns do not begin or end one.
fn longest(columns: &[Column], set: u8, from: usize) -> Option<(usize, usize)> {
    let (mut best, mut start): (Option<(usize, usize)>, Option<usize>) = (None, None);
    for i in from..=columns.len() {
        let fits = columns.get(i).is_some_and(|c| c.is(set));
        match (fits, start) {
            (true, None) if columns[i].filled > 0 => start = Some(i),
            (false, Some(s)) => {
                let mut end = i;
                while end > s && columns[end - 1].filled == 0 && columns.len() != end {
                    end -= 1;
                }
                if best.is_none_or(|(a, b)| end - s > b - a) {
                    best = Some((s, end));
                }
                start = None;
            }
            _ => {}
        }
    }
    best
}

/// PLINK's six leading columns, by name or by value: family, person, parents, sex, phenotype.
fn prefix(shape: &Shape, columns: &[Column]) -> usize {
    let named = ["fid", "iid", "pat", "mat", "sex", "phenotype"];
    if shape.columns >= 6 && (0..6).all(|i| shape.named(&named[i..=i]) == Some(i)) {
        return 6;
    }
    let only = |i: usize, allowed: &[&[u8]]| {
        columns.get(i).is_some_and(|c| c.distinct.iter().all(|d| allowed.contains(&d.as_slice())))
    };
    let parents = |i: usize| only(i, &[b"0"]);
    let ids = columns.get(1).is_some_and(|c| c.filled == shape.rows.len());
    let sexes = only(4, &[b"0", b"1", b"2", b"-9", b"other"]);
    let fits = shape.header.is_empty() && shape.columns > 7 && parents(2) && parents(3) && sexes && ids;
    // A site list with zeros in the third column has its position in the fourth.
    if fits { 6 } else { 0 }
}

/// Genotypes of two letters need homozygotes: `A/G` alone describes a site's alleles.
fn letters(
    shape: &Shape,
    _columns: &[Column],
    run: (usize, usize),
) -> Option<((usize, usize), Coding, bool)> {
    let mut start = run.0;
    let equal = |i: usize| shape.column(i).filter(|v| homozygous(v)).count();
    while start < run.1 && equal(start) == 0 && run.1 - start <= 3 {
        start += 1;
    }
    (start < run.1).then_some(((start, run.1), Coding::Letters, false))
}

/// One allele a cell: pairs of cells, or single letters.
fn alleles(shape: &Shape, columns: &[Column], prefix: usize) -> Option<((usize, usize), Coding, bool)> {
    let set = class::ALLELE | class::AMBIGUOUS;
    let all = |c: &Column| {
        let fits = c.classes[5] + c.classes[6];
        fits * 20 >= c.filled * 19 && c.distinct.iter().any(|d| d.as_slice() != b"0")
    };
    let (mut best, mut start): (Option<(usize, usize)>, Option<usize>) = (None, None);
    for i in prefix..=columns.len() {
        let fits = columns
            .get(i)
            .is_some_and(|c| all(c) || (c.filled == 0 && start.is_some()) || c.is(set) && start.is_some());
        if fits {
            start.get_or_insert(i);
        } else if let Some(s) = start.take()
            && best.is_none_or(|(a, b)| i - s > b - a)
        {
            best = Some((s, i));
        }
    }
    let (mut start, end) =
        if prefix > 0 && columns[prefix..].iter().all(|c| c.is(class::ALLELE)) && prefix < columns.len() {
            (prefix, columns.len())
        } else {
            best?
        };
    let equal = |a: usize| shape.rows.iter().filter(|r| r[a] == r[a + 1] && r[a].as_slice() != b"0").count();
    // Reference and alternate allele before the persons never agree.
    // In `.tped` the persons follow the position at once.
    let tped = shape.header.is_empty()
        && start == 4
        && shape.column(2).all(|v| decimal(v).is_some())
        && shape.column(3).all(|v| whole(v).is_some());
    if prefix == 0 && !tped && end - start > 2 && equal(start) == 0 {
        start += 2;
    }
    let width = end - start;
    if width < 2 || columns[start..end].iter().all(|c| c.filled == 0) {
        return None;
    }
    let ambiguous = columns[start..end].iter().any(|c| c.classes[6] > 0);
    if width == 2 {
        return (equal(start) * 33 >= shape.rows.len() && equal(start) > 0).then_some((
            (start, end),
            Coding::Pairs,
            false,
        ));
    }
    if width.is_multiple_of(2) && !ambiguous && (prefix > 0 || paired(columns, start, end)) {
        return Some(((start, end), Coding::Pairs, false));
    }
    // Fewer than five letters a row may describe the site: alleles, ancestral, minor.
    (width >= 5 || ambiguous).then_some(((start, end), Coding::Single, false))
}

/// Neighbouring columns share their two alleles.
fn paired(columns: &[Column], start: usize, end: usize) -> bool {
    let pairs = (end - start) / 2;
    let agree = (0..pairs)
        .filter(|i| {
            let (a, b) = (&columns[start + i * 2], &columns[start + i * 2 + 1]);
            let mut both: Vec<&[u8]> = a.distinct.iter().chain(&b.distinct).map(Vec::as_slice).collect();
            both.retain(|d| *d != b"0" && *d != b"N");
            both.sort_unstable();
            both.dedup();
            both.len() <= 2
        })
        .count();
    // Rows that are sites: every column holds all four bases, and two columns a person is the usual form.
    agree * 10 >= pairs * 9 || columns[start..end].iter().all(|c| c.distinct.len() > 2 || c.filled < 3)
}

/// Whole numbers 0, 1, 2.
fn whole_numbers(
    shape: &Shape,
    columns: &[Column],
    run: (usize, usize),
) -> Option<((usize, usize), Coding, bool)> {
    let (mut start, end) = run;
    // Numeric reference and alternate alleles (`1 2`) before the persons.
    let never_equal = |a: usize| shape.rows.iter().all(|r| r[a] != r[a + 1]);
    let alleles_by_name = shape.named(&["counted", "a1", "allele1", "ref", "allele0"]) == Some(start);
    if end - start > 2
        && (alleles_by_name
            || (start > 2
                && shape.header.is_empty()
                && shape.rows.len() > 1
                && never_equal(start)
                && pair_of_codes(columns, start)))
    {
        start += 2;
    }
    let width = end - start;
    if width == 0 {
        return None;
    }
    let mut values: Vec<&[u8]> =
        columns[start..end].iter().flat_map(|c| c.distinct.iter().map(Vec::as_slice)).collect();
    values.sort_unstable();
    values.dedup();
    let varied = columns[start..end].iter().filter(|c| c.varies()).count();
    if values.len() < 2 || (width < 5 && varied < width) {
        return None;
    }
    // Alleles written 1 and 2 (0 missing) come in pairs; haplotypes written 0 and 1 too.
    let joint = |cells: &[Vec<u8>]| cells.chunks(2).all(|p| (p[0] == b"0") == (p[1] == b"0"));
    let even = width.is_multiple_of(2);
    let equal = |r: &Vec<Vec<u8>>| r[start] == r[start + 1] && r[start] != b"0";
    let described = width == 2 && shape.rows.iter().filter(|r| equal(r)).count() * 33 < shape.rows.len();
    if described {
        // Two codes that hardly ever agree are the site's alleles.
        return None;
    }
    // Zeros are few where they mean missing, and many where they mean the common genotype.
    let cells = shape.rows.iter().flat_map(|r| &r[start..end]);
    let (zeros, all) = cells.fold((0, 0), |(z, n), v| (z + usize::from(v == b"0"), n + 1usize));
    let rare = shape.header.is_empty() && zeros * 5 <= all;
    if rare && even && values.contains(&&b"2"[..]) && shape.rows.iter().all(|r| joint(&r[start..end])) {
        return Some(((start, end), Coding::Pairs, false));
    }
    let phased = |v: &&[u8]| matches!(*v, b"0" | b"1" | b"0*" | b"1*");
    let haps = even && values.iter().all(phased) && haplotype_prefix(shape, start);
    if haps {
        return Some(((start, end), Coding::Pairs, true));
    }
    Some(((start, end), Coding::Dosage, false))
}

fn pair_of_codes(columns: &[Column], start: usize) -> bool {
    columns[start..start + 2].iter().all(|c| c.distinct.iter().all(|d| matches!(d.as_slice(), b"1" | b"2")))
}

/// `.haps`: chromosome or id, id, position, two alleles.
fn haplotype_prefix(shape: &Shape, start: usize) -> bool {
    start >= 5
        && shape.column(start - 3).all(|v| whole(v).is_some())
        && shape.column(start - 2).chain(shape.column(start - 1)).all(roles::allele)
}

/// Numbers with fractions: probabilities, dosages; not frequencies.
fn fractions(
    shape: &Shape,
    columns: &[Column],
    run: (usize, usize),
) -> Option<((usize, usize), Coding, bool)> {
    let (start, end) = run;
    let width = end - start;
    let numbers = |r: &Vec<Vec<u8>>, a: usize, b: usize| -> Vec<f64> {
        r[a..b].iter().filter_map(|v| decimal(v.trim_ascii())).collect()
    };
    for shift in [0, width % 3] {
        let from = start + shift;
        if end - from < 3 || !(end - from).is_multiple_of(3) {
            continue;
        }
        let (mut sums, mut sure, mut ones, mut all) = (0usize, 0usize, 0usize, 0usize);
        let mut reached = [false; 3];
        for row in &shape.rows {
            for triple in numbers(row, from, end).chunks_exact(3) {
                let sum: f64 = triple.iter().sum();
                all += 1;
                ones += usize::from((sum - 1.0).abs() < 0.02);
                sums += usize::from((sum - 1.0).abs() < 0.02 || sum == 0.0);
                sure += usize::from(triple.iter().any(|p| *p >= 0.9) || sum == 0.0);
                reached.iter_mut().zip(triple).for_each(|(r, p)| *r |= *p >= 0.9);
            }
        }
        if ones * 3 >= all
            && ones > 0
            && sums * 10 >= all * 9
            && sure * 2 >= all
            && (end - from > 3 || sure * 10 >= all * 8)
        {
            return Some(((from, end), Coding::Triples, false));
        }
    }
    // A dosage column keeps near whole numbers and reaches more than one of them.
    let dosed = |c: &&Column| {
        let mut near: Vec<i64> = Vec::new();
        for d in c.distinct.iter().filter_map(|d| decimal(d.trim_ascii())) {
            #[allow(clippy::cast_possible_truncation)] // between 0 and 2
            if (d - d.round()).abs() <= 0.05 {
                near.push(d.round() as i64);
            }
        }
        near.sort_unstable();
        near.dedup();
        c.near_whole * 10 >= c.filled * 3 && near.len() > 1
    };
    let good = columns[start..end].iter().filter(dosed).count();
    let all: Vec<f64> = shape.rows.iter().flat_map(|r| numbers(r, start, end)).collect();
    let above = all.iter().any(|d| *d > 1.0);
    let halves = all.iter().all(|d| [0.0, 0.5, 1.0].iter().any(|h| (d - h).abs() < 1e-9))
        && all.iter().any(|d| (d - 0.5).abs() < 1e-9);
    if halves && width >= 3 {
        return Some(((start, end), Coding::Half, false));
    }
    let near = all.iter().filter(|d| (*d - d.round()).abs() <= 0.05).count();
    let enough = if width < 5 { good == width } else { good * 10 >= width * 5 || near * 10 >= all.len() * 6 };
    (above && enough && width >= 3 && near * 10 >= all.len() * 3).then_some((
        (start, end),
        Coding::Dosage,
        false,
    ))
}

/// One or two columns beside a site key: a person's genotypes take all three values and are not all alike.
fn spread(shape: &Shape, cells: (usize, usize), coding: Coding) -> bool {
    let seen = |value: &[u8]| (cells.0..cells.1).any(|i| shape.column(i).any(|v| v == value));
    match coding {
        Coding::Dosage => seen(b"0") && seen(b"1") && seen(b"2"),
        Coding::Indices => {
            (seen(b"0/1") || seen(b"0|1") || seen(b"1|0") || seen(b"1/0"))
                && (seen(b"0/0") || seen(b"0|0") || seen(b"1/1") || seen(b"1|1"))
        }
        _ => true,
    }
}

/// Which side is sites, and where their keys stand.
fn orient(shape: &Shape, columns: &[Column], prefix: usize, layout: &mut Layout) {
    let outside = |i: &usize| *i < layout.cells.0 || *i >= layout.cells.1;
    let share = |i: usize, test: &dyn Fn(&[u8]) -> bool| {
        let (mut yes, mut all) = (0usize, 0usize);
        for v in shape.column(i).filter(|v| !roles::missing(v)) {
            all += 1;
            yes += usize::from(test(v));
        }
        all > 0 && yes * 10 >= all * 8
    };
    if prefix == 6 {
        layout.orientation = Orientation::Persons;
        layout.id = Some(1);
        return;
    }
    let before: Vec<usize> = (0..columns.len()).filter(outside).collect();
    layout.id = before.iter().copied().find(|i| share(*i, &roles::site_like));
    let chrom_named =
        shape.named(&["chr", "chrom", "chromosome", "chromosomecode", "染色体"]).filter(outside);
    let pos_named = shape
        .named(&["pos", "bp", "position", "ps", "genpos", "basepair", "physpos", "位置"])
        .filter(outside);
    let is_chrom = |i: usize| share(i, &|v| roles::chromosome(v).is_some());
    let is_pos = |i: usize| {
        share(i, &|v| whole(v).is_some_and(|n| n > 0))
            && columns[i].distinct.len() >= columns[i].filled.min(12) * 9 / 10
            && shape.column(i).filter_map(whole).max().unwrap_or(0) > 26
    };
    let pos = pos_named
        .filter(|i| share(*i, &|v| whole(v).is_some()))
        .or_else(|| before.iter().rev().copied().find(|i| is_pos(*i)));
    let chrom = chrom_named
        .filter(|i| is_chrom(*i))
        .or_else(|| before.iter().copied().find(|i| Some(*i) != pos && is_chrom(*i)));
    if layout.id.is_some() || (pos.is_some() && chrom.is_some()) {
        layout.orientation = Orientation::Sites;
        (layout.chrom, layout.pos) = if pos.is_some() { (chrom, pos) } else { (None, None) };
        return;
    }
    let names = shape.header.get(layout.cells.0..layout.cells.1).unwrap_or_default();
    let named = |test: &dyn Fn(&[u8]) -> bool| {
        !names.is_empty() && names.iter().filter(|n| test(n.as_bytes())).count() * 2 >= names.len()
    };
    layout.id = before.first().copied();
    let row_word = before.iter().any(|i| shape.header.get(*i).is_some_and(|h| roles::person_word(h)));
    let persons_in_rows = || row_word || before.iter().any(|i| share(*i, &roles::person_like));
    layout.orientation = if named(&roles::site_like) || persons_in_rows() {
        Orientation::Persons
    } else if named(&roles::person_like) {
        Orientation::Sites
    } else {
        Orientation::Unclear
    };
}

fn kind(shape: &Shape, layout: &Layout, prefix: usize) -> &'static str {
    let genotypes = (layout.cells.1 - layout.cells.0) / layout.coding.cells();
    match (layout.orientation, layout.coding) {
        (Orientation::Persons, Coding::Pairs) if prefix == 6 => "plink_ped",
        (Orientation::Persons, _) if prefix == 6 => "plink_raw",
        (Orientation::Sites, Coding::Triples) => "oxford_gen",
        (Orientation::Sites, Coding::Pairs) if layout.zero_is_allele => "oxford_haps",
        (Orientation::Sites, Coding::Pairs) if layout.cells.0 == 4 => "plink_tped",
        (Orientation::Sites, Coding::Dosage) if shape.named(&["counted"]).is_some() => "plink_traw",
        (Orientation::Sites, Coding::Letters | Coding::Single | Coding::Pairs) if genotypes == 1 => {
            "personal_genotypes"
        }
        (Orientation::Sites, Coding::Letters | Coding::Single) if shape.named(&["alleles"]).is_some() => {
            "hapmap"
        }
        _ => "genotype_matrix",
    }
}
