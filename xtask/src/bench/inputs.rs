//! Files to be judged, made here, the same every time: association results, a VCF of sites, genotypes of persons.

use anyhow::Result;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

/// Numbers that look random and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From zero to one.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Rare alleles are many, common ones few.
    fn frequency(&mut self, least: f64) -> f64 {
        (least.ln() + self.unit() * (0.5_f64.ln() - least.ln())).exp()
    }

    fn alleles(&mut self) -> (char, char) {
        const LETTERS: [char; 4] = ['A', 'C', 'G', 'T'];
        let first = (self.next() % 4) as usize;
        (LETTERS[first], LETTERS[(first + 1 + (self.next() % 3) as usize) % 4])
    }
}

fn fill(path: &Path, bytes: u64, header: &str, mut line: impl FnMut(u64) -> String) -> Result<()> {
    let mut out = BufWriter::with_capacity(4 << 20, File::create(path)?);
    out.write_all(header.as_bytes())?;
    let (mut written, mut number) = (header.len() as u64, 0);
    while written < bytes {
        let line = line(number);
        out.write_all(line.as_bytes())?;
        written += line.len() as u64;
        number += 1;
    }
    Ok(out.flush()?)
}

/// Association results, eleven columns; the last row has a rare allele.
pub(crate) fn gwas(path: &Path, bytes: u64) -> Result<()> {
    let header = "chromosome\tbase_pair_location\teffect_allele\tother_allele\tbeta\tstandard_error\t\
                  effect_allele_frequency\tp_value\tvariant_id\trsid\tn\n";
    let mut n = Numbers(40);
    let mut pos = 10_000;
    fill(path, bytes, header, |i| {
        pos += 1 + n.next() % 400;
        let (chrom, here) = (1 + pos / 240_000_000, pos % 240_000_000);
        let (a, b) = n.alleles();
        let beta = (n.unit() + n.unit() + n.unit() - 1.5) * 0.04;
        let (se, af, p) = (0.008 + n.unit() * 0.004, n.frequency(0.01), n.unit());
        format!(
            "{chrom}\t{here}\t{a}\t{b}\t{beta:.6}\t{se:.6}\t{af:.6}\t{p:.6}\t{chrom}_{here}_{b}_{a}\trs{i}\t100000\n"
        )
    })?;
    let mut out = File::options().append(true).open(path)?;
    out.write_all(b"22\t249000000\tA\tC\t0.5\t0.2\t0.00003\t0.01\t22_249000000_C_A\trsBAD\t50000\n")?;
    Ok(())
}

/// A VCF without persons; the last record has a rare allele.
pub(crate) fn sites(path: &Path, bytes: u64) -> Result<()> {
    let mut header = "##fileformat=VCFv4.2\n".to_owned();
    (1..=22).for_each(|c| header += &format!("##contig=<ID={c},length=249250621>\n"));
    for (key, number, kind) in
        [("AC", "A", "Integer"), ("AN", "1", "Integer"), ("AF", "A", "Float"), ("nhomalt", "A", "Integer")]
    {
        header += &format!("##INFO=<ID={key},Number={number},Type={kind},Description=\"{key}\">\n");
    }
    header += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n";
    let mut n = Numbers(41);
    let mut pos = 10_000;
    fill(path, bytes, &header, |i| {
        pos += 1 + n.next() % 250;
        let (chrom, here) = (1 + pos / 240_000_000, pos % 240_000_000);
        let (a, b) = n.alleles();
        let (p, an) = (n.frequency(0.02), 100_000 - 2 * (n.next() % 50));
        let (ac, hom) = ((p * 100_000.0) as u64, (p * p * 50_000.0).max(10.0) as u64);
        let af = ac as f64 / an as f64;
        format!("{chrom}\t{here}\trs{i}\t{a}\t{b}\t100\tPASS\tAC={ac};AN={an};AF={af:.6};nhomalt={hom}\n")
    })?;
    let mut out = File::options().append(true).open(path)?;
    out.write_all(b"22\t249000000\trsBAD\tA\tC\t100\tPASS\tAC=3;AN=100000;AF=0.00003;nhomalt=0\n")?;
    Ok(())
}

/// A VCF of 2,504 persons.
pub(crate) fn genotypes(path: &Path, bytes: u64) -> Result<()> {
    const PERSONS: usize = 2504;
    let mut header = "##fileformat=VCFv4.2\n##contig=<ID=22,length=51304566>\n##INFO=<ID=AC,Number=A,Type=Integer,Description=\"copies\">\n\
                      ##INFO=<ID=AN,Number=1,Type=Integer,Description=\"chromosomes\">\n\
                      ##FORMAT=<ID=GT,Number=1,Type=String,Description=\"genotype\">\n\
                      #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT"
        .to_owned();
    (0..PERSONS).for_each(|i| header += &format!("\tS{i:05}"));
    header.push('\n');
    let mut n = Numbers(42);
    let mut pos = 16_050_000;
    fill(path, bytes, &header, |_| {
        pos += 1 + n.next() % 600;
        let (a, b) = n.alleles();
        let p = n.frequency(0.005);
        let (mut calls, mut copies) = (String::with_capacity(PERSONS * 4), 0);
        for _ in 0..PERSONS {
            let (one, two) = (u8::from(n.unit() < p), u8::from(n.unit() < p));
            copies += u32::from(one + two);
            calls.extend(['\t', char::from(b'0' + one), '|', char::from(b'0' + two)]);
        }
        format!("22\t{pos}\trs{pos}\t{a}\t{b}\t100\tPASS\tAC={copies};AN={}\tGT{calls}\n", 2 * PERSONS)
    })
}
