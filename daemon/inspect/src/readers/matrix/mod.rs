//! Genotype matrices in delimited text, in either orientation: PLINK ped, tped, raw and A-transpose, Oxford gen
//! and haps, 23andMe-style lists, HapMap, and any table of `0/1/2`, dosages or letters, whatever its header says.

pub mod cells;
mod layout;

use super::{Context, Flow, Found, Sample, TextReader};
use crate::genotypes::{Call, MISSING, Panel, Rows, SiteKey};
use crate::lines::Block;
use crate::roles;
use crate::shape::{Delimiter, Shape};
use layout::{Layout, Orientation};
use sekisho_policy::facts::{Beside, Part, Problem, ProblemKind, Site};

/// Problems reported one by one.
const SHOWN: usize = 3;

/// Reads the table if it holds genotypes.
pub fn plausible(sample: &Sample<'_>, context: &Context<'_>) -> Option<Box<dyn TextReader>> {
    // With blanks for tabs it is a VCF to nobody, and a matrix all the same.
    let blanks = memchr::memmem::find(sample.head, b"\n#CHROM POS").is_some();
    if sample.head.starts_with(b"##fileformat=VCF") && !blanks {
        return None;
    }
    let shape = sample.shape.as_ref()?;
    let layout = layout::find(shape)?;
    Some(Box::new(Reader::new(shape, layout, context)))
}

enum Account {
    BySite(Box<Panel>),
    ByPerson(Box<Rows>),
}

struct Reader {
    layout: Layout,
    delimiter: Delimiter,
    columns: usize,
    data_from: u64,
    account: Account,
    calls: Vec<Call>,
    /// First allele seen, per column (by person) or for the row (by site).
    first: Vec<u32>,
    rows: u64,
    problems: Vec<Problem>,
    ragged: u64,
    /// Cells that are not genotypes.
    stray: u64,
}

impl Reader {
    fn new(shape: &Shape, layout: Layout, context: &Context<'_>) -> Self {
        let limit = context.policy.sites.limit;
        let genotypes = (layout.cells.1 - layout.cells.0) / layout.coding.cells();
        let account = match layout.orientation {
            Orientation::Sites => Account::BySite(Box::new(Panel::new(limit, genotypes))),
            way => {
                let columns = column_sites(shape, &layout, genotypes, context.beside);
                let unclear = way == Orientation::Unclear;
                Account::ByPerson(Box::new(Rows::new(limit, genotypes, columns, unclear)))
            }
        };
        let firsts = if layout.orientation == Orientation::Sites { 1 } else { genotypes };
        Self {
            delimiter: shape.delimiter,
            columns: shape.columns,
            data_from: shape.data_from,
            account,
            calls: vec![MISSING; genotypes],
            first: vec![0; firsts],
            rows: 0,
            problems: Vec::new(),
            ragged: 0,
            stray: 0,
            layout,
        }
    }

    /// One row; `true` when refusal is proven.
    fn row(&mut self, number: u64, line: &[u8]) -> bool {
        let l = &self.layout;
        let step = l.coding.cells();
        let (mut chrom, mut pos, mut id) = (&b""[..], 0, &b""[..]);
        let mut cells = [&b""[..]; 3];
        let (mut have, mut genotype, mut fields) = (0, 0, 0);
        if let Account::BySite(_) = self.account {
            self.first[0] = 0;
        }
        for (index, field) in self.delimiter.fields(line).enumerate() {
            fields = index + 1;
            if index >= l.cells.0 && index < l.cells.1 && genotype < self.calls.len() {
                cells[have] = field;
                have += 1;
                if have == step {
                    have = 0;
                    let slot = if self.first.len() == 1 { 0 } else { genotype };
                    let call = cells::call(l.coding, &cells[..step], &mut self.first[slot], l.zero_is_allele);
                    self.calls[genotype] = call;
                    genotype += 1;
                    if call == MISSING && step == 1 && cells::classes(field) & cells::class::MISSING == 0 {
                        self.stray += 1;
                    }
                }
            }
            if Some(index) == l.chrom {
                chrom = field;
            }
            if Some(index) == l.pos {
                pos = crate::number::whole(field.trim_ascii()).unwrap_or(0);
            }
            if Some(index) == l.id {
                id = field;
            }
        }
        if fields != self.columns {
            self.ragged += 1;
            if self.problems.len() < SHOWN {
                let detail = format!("{fields} fields, expected {}", self.columns);
                self.problems.push(Problem::new(ProblemKind::Malformed, format!("line {number}"), detail));
            }
            // What is there still counts.
            self.calls[genotype..].fill(MISSING);
        }
        self.rows += 1;
        match &mut self.account {
            Account::BySite(panel) => panel.site(key(chrom, pos, id), &self.calls),
            Account::ByPerson(rows) => rows.person(&self.calls),
        }
    }
}

impl TextReader for Reader {
    fn block(&mut self, block: &Block<'_>) -> Flow {
        for (number, line) in block.lines() {
            if number < self.data_from || line.is_empty() || line[0] == b'#' {
                continue;
            }
            if self.row(number, line) {
                return Flow::Proven;
            }
        }
        Flow::More
    }

    fn finish(self: Box<Self>) -> Found {
        let mut problems = self.problems;
        if self.stray > 0 {
            problems.push(Problem::new(
                ProblemKind::Malformed,
                "genotype columns",
                format!("{} cells are not genotypes", self.stray),
            ));
        }
        if self.ragged > problems.len() as u64 {
            let detail = format!("{} rows have another number of fields", self.ragged);
            problems.push(Problem::new(ProblemKind::Malformed, "table", detail));
        }
        let coding = self.layout.coding.name();
        let facts = match self.account {
            Account::BySite(panel) => panel.finish(coding),
            Account::ByPerson(rows) => rows.finish(coding),
        };
        let unit = if self.layout.orientation == Orientation::Sites { "sites" } else { "lines" };
        Found {
            kind: self.layout.kind.into(),
            parts: vec![Part::Genotypes(facts)],
            problems,
            rows: self.rows,
            unit,
        }
    }
}

/// The key of a row that is a site.
fn key<'a>(chrom: &'a [u8], pos: u64, id: &'a [u8]) -> SiteKey<'a> {
    let id = id.trim_ascii();
    let place = roles::place(id);
    let named = std::str::from_utf8(id).ok().filter(|_| roles::site_like(id)).unwrap_or("");
    match (roles::chromosome(chrom.trim_ascii()), place) {
        (Some(chrom), _) if pos > 0 => SiteKey { chrom, pos, id: named },
        (_, Some((chrom, pos))) => SiteKey { chrom, pos, id: named },
        // A chromosome of an unusual name is still one.
        _ if pos > 0 && !chrom.is_empty() => {
            SiteKey { chrom: std::str::from_utf8(chrom).unwrap_or("?"), pos, id: named }
        }
        _ => SiteKey { chrom: "", pos: 0, id: named },
    }
}

/// The sites that columns are, by a companion's list or by their own names; none when they have neither.
fn column_sites(shape: &Shape, layout: &Layout, genotypes: usize, beside: Option<&Beside>) -> Vec<Site> {
    if let Some(beside) = beside.filter(|b| b.sites.len() == genotypes) {
        return beside.sites.clone();
    }
    if shape.header.is_empty() {
        return Vec::new();
    }
    let step = layout.coding.cells();
    (0..genotypes)
        .map(|i| {
            let name = shape.header.get(layout.cells.0 + i * step).map_or("", |n| n.trim());
            let bytes = name.as_bytes();
            let (chrom, pos) = roles::place(bytes).unwrap_or(("", 0));
            // PLINK writes the counted allele behind the id.
            let id = if roles::rs_id(bytes) { name.split('_').next().unwrap_or(name) } else { name };
            let id = if roles::site_like(bytes) { id } else { "" };
            Site { chrom: chrom.into(), pos, id: id.chars().take(100).collect() }
        })
        .collect()
}
