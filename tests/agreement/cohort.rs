//! A cohort whose sites hang together in blocks, the same every time: people are mosaics of a few founders, block by block.

use std::fmt::Write as _;
use std::path::Path;

/// Genotypes by site and person: 0, 1, 2 copies, or 9 for none called.
pub struct Cohort {
    /// Persons.
    pub people: usize,
    /// Chromosome and position, sorted.
    pub sites: Vec<(u8, u64)>,
    /// Calls of each site.
    pub calls: Vec<Vec<u8>>,
}

/// What a cohort is like.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Seed of all that looks random.
    pub seed: u64,
    /// Persons.
    pub people: usize,
    /// Blocks of linkage.
    pub blocks: u64,
    /// Sites of each.
    pub sites: u64,
    /// Bases between two blocks' beginnings.
    pub apart: u64,
    /// One call in so many is missing; 0: none.
    pub missing: u64,
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % sides
    }
}

impl Cohort {
    /// Makes one.
    pub fn new(shape: Shape) -> Self {
        let mut dice = Dice(shape.seed | 1);
        let (mut sites, mut calls) = (Vec::new(), Vec::new());
        for block in 0..shape.blocks {
            // Two chromosomes, so that blocks near each other in the file may be unlinked by nature.
            let (chromosome, begin) =
                (1 + u8::from(block * 2 >= shape.blocks), 100_000 + block * shape.apart);
            // Everybody inherits two of a few founders in a block; now and then a copy differs.
            let founders = 3 + dice.roll(5);
            let drawn: Vec<[u64; 2]> = (0..shape.people)
                .map(|_| {
                    let mut one = || dice.roll(founders).min(dice.roll(founders));
                    [one(), one()]
                })
                .collect();
            for site in 0..shape.sites {
                let rare = site % 4 == 3;
                let bearers = 1 << dice.roll(founders) | u64::from(!rare) << dice.roll(founders);
                let odds = if rare { 40 + dice.roll(200) } else { 12 + dice.roll(60) };
                let row = drawn
                    .iter()
                    .map(|pair| {
                        let copy = |f: u64, d: &mut Dice| {
                            let bears = bearers >> f & 1 == 1;
                            // A rare allele is on few of its founder's copies.
                            if rare { bears && d.roll(12) == 0 } else { bears ^ (d.roll(odds) == 0) }
                        };
                        let both = u8::from(copy(pair[0], &mut dice)) + u8::from(copy(pair[1], &mut dice));
                        if shape.missing > 0 && dice.roll(shape.missing) == 0 { 9 } else { both }
                    })
                    .collect();
                sites.push((chromosome, begin + site * 2_000 + dice.roll(1_000)));
                calls.push(row);
            }
        }
        Self { people: shape.people, sites, calls }
    }

    /// Writes it as a VCF.
    pub fn write(&self, path: &Path) {
        let mut text = "##fileformat=VCFv4.2\n##contig=<ID=1>\n##contig=<ID=2>\n".to_owned();
        text += "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n";
        text += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT";
        (0..self.people).for_each(|p| write!(text, "\tP{p:04}").unwrap());
        text.push('\n');
        for (at, ((chromosome, position), row)) in self.sites.iter().zip(&self.calls).enumerate() {
            write!(text, "{chromosome}\t{position}\trs{at}\tA\tG\t.\tPASS\t.\tGT").unwrap();
            for call in row {
                text.push_str(match call {
                    0 => "\t0/0",
                    1 => "\t0/1",
                    2 => "\t1/1",
                    _ => "\t./.",
                });
            }
            text.push('\n');
        }
        std::fs::write(path, text).unwrap();
    }
}
