//! Made-up cohorts, written in the field's formats.

use std::fmt::Write as _;

/// Persons, sites and genotypes, all made up; the same arguments always give the same cohort.
#[derive(Clone)]
pub struct Cohort {
    /// Ids of the persons.
    pub persons: Vec<String>,
    /// Chromosome, position, id of the sites.
    pub sites: Vec<(String, u64, String)>,
    /// `calls[site][person]`: alternate alleles, 9 for missing.
    pub calls: Vec<Vec<u8>>,
}

/// How genotypes of neighbouring sites hang together.
#[derive(Clone, Copy, PartialEq)]
pub enum Linkage {
    /// Not at all.
    None,
    /// Completely: every site says the same.
    Full,
}

impl Cohort {
    /// `persons` people at `sites` sites on chromosome 2, `step` bases apart.
    pub fn new(persons: usize, sites: usize, step: u64, linkage: Linkage) -> Self {
        let mut state = 0x1234_5678_9abc_def0_u64 ^ (persons as u64) << 20 ^ sites as u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let shared: Vec<u8> = (0..persons).map(|i| [0, 1, 2, 1][(next() as usize + i) % 4]).collect();
        let calls = (0..sites)
            .map(|s| {
                let rare = 3 + s % 4;
                match linkage {
                    Linkage::Full => shared.clone(),
                    Linkage::None => (0..persons)
                        .map(|_| {
                            (0..2).filter(|_| ((next() >> 20) as usize).is_multiple_of(rare)).count() as u8
                        })
                        .collect(),
                }
            })
            .collect();
        Self {
            persons: (0..persons).map(|i| format!("HG{:05}", 96 + i)).collect(),
            sites: (0..sites)
                .map(|s| ("2".to_owned(), 1_000_000 + s as u64 * step, format!("rs{}", 7000 + s * 13)))
                .collect(),
            calls,
        }
    }

    /// Only these sites.
    pub fn part(&self, range: std::ops::Range<usize>) -> Self {
        Self {
            persons: self.persons.clone(),
            sites: self.sites[range.clone()].to_vec(),
            calls: self.calls[range].to_vec(),
        }
    }

    fn person(&self, i: usize) -> impl Iterator<Item = u8> + '_ {
        self.calls.iter().map(move |s| s[i])
    }

    /// VCF with GT.
    pub fn vcf(&self) -> String {
        let mut out = String::from(
            "##fileformat=VCFv4.2\n##contig=<ID=2>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t",
        );
        out += &self.persons.join("\t");
        out.push('\n');
        for ((chrom, pos, id), calls) in self.sites.iter().zip(&self.calls) {
            let _ = write!(out, "{chrom}\t{pos}\t{id}\tA\tG\t.\tPASS\t.\tGT:DP");
            for call in calls {
                out += match call {
                    0 => "\t0/0:31",
                    1 => "\t0|1:29",
                    2 => "\t1/1:30",
                    _ => "\t./.:.",
                };
            }
            out.push('\n');
        }
        out
    }

    /// VCF with another FORMAT field.
    pub fn vcf_with(&self, format: &str, write: &dyn Fn(u8) -> String) -> String {
        let head: String = self.vcf().lines().take(3).map(|l| format!("{l}\n")).collect();
        let mut out = head;
        for ((chrom, pos, id), calls) in self.sites.iter().zip(&self.calls) {
            let _ = write!(out, "{chrom}\t{pos}\t{id}\tA\tG\t.\tPASS\t.\t{format}");
            for call in calls {
                let _ = write!(out, "\t{}", write(*call));
            }
            out.push('\n');
        }
        out
    }

    /// PLINK ped, letters or `1 2`, and its map.
    pub fn ped(&self, numeric: bool) -> (String, String) {
        let letters = if numeric { ["1", "2", "0"] } else { ["A", "G", "0"] };
        let mut out = String::new();
        for (i, id) in self.persons.iter().enumerate() {
            let _ = write!(out, "{id} {id} 0 0 {} {}", 1 + i % 2, 1 + i % 2);
            for call in self.person(i) {
                let [a, g, none] = letters;
                let (x, y) = match call {
                    0 => (a, a),
                    1 => (a, g),
                    2 => (g, g),
                    _ => (none, none),
                };
                let _ = write!(out, " {x} {y}");
            }
            out.push('\n');
        }
        let map = self.sites.iter().fold(String::new(), |s, (c, p, i)| s + &format!("{c}\t{i}\t0\t{p}\n"));
        (out, map)
    }

    /// PLINK tped.
    pub fn tped(&self) -> String {
        let mut out = String::new();
        for ((chrom, pos, id), calls) in self.sites.iter().zip(&self.calls) {
            let _ = write!(out, "{chrom} {id} 0 {pos}");
            for call in calls {
                out += [" A A", " A G", " G G"].get(usize::from(*call)).unwrap_or(&" 0 0");
            }
            out.push('\n');
        }
        out
    }

    /// PLINK `--recode A`.
    pub fn raw(&self) -> String {
        let mut out = String::from("FID IID PAT MAT SEX PHENOTYPE");
        for (_, _, id) in &self.sites {
            let _ = write!(out, " {id}_G");
        }
        out.push('\n');
        for (i, id) in self.persons.iter().enumerate() {
            let _ = write!(out, "{id} {id} 0 0 {} -9", 1 + i % 2);
            for call in self.person(i) {
                let _ = if call == 9 { write!(out, " NA") } else { write!(out, " {call}") };
            }
            out.push('\n');
        }
        out
    }

    /// PLINK `--recode A-transpose`.
    pub fn traw(&self) -> String {
        let mut out = String::from("CHR\tSNP\t(C)M\tPOS\tCOUNTED\tALT");
        for id in &self.persons {
            let _ = write!(out, "\t{id}_{id}");
        }
        out.push('\n');
        for ((chrom, pos, id), calls) in self.sites.iter().zip(&self.calls) {
            let _ = write!(out, "{chrom}\t{id}\t0\t{pos}\tG\tA");
            for call in calls {
                let _ = if *call == 9 { write!(out, "\tNA") } else { write!(out, "\t{call}") };
            }
            out.push('\n');
        }
        out
    }

    /// PLINK bed, bim, fam.
    pub fn bed(&self) -> (Vec<u8>, String, String) {
        let mut bed = vec![0x6c, 0x1b, 1];
        for calls in &self.calls {
            for four in calls.chunks(4) {
                let code = |c: u8| match c {
                    0 => 3u8,
                    1 => 2,
                    2 => 0,
                    _ => 1,
                };
                bed.push(four.iter().enumerate().fold(0, |b, (i, c)| b | code(*c) << (2 * i)));
            }
        }
        let bim =
            self.sites.iter().fold(String::new(), |s, (c, p, i)| s + &format!("{c}\t{i}\t0\t{p}\tG\tA\n"));
        let fam = self.persons.iter().fold(String::new(), |s, i| s + &format!("{i} {i} 0 0 1 -9\n"));
        (bed, bim, fam)
    }

    /// Oxford gen.
    pub fn gen_file(&self) -> String {
        let mut out = String::new();
        for ((chrom, pos, id), calls) in self.sites.iter().zip(&self.calls) {
            let _ = write!(out, "{chrom} {id} {pos} A G");
            for call in calls {
                out += [" 0.98 0.02 0", " 0.01 0.97 0.02", " 0 0 1"]
                    .get(usize::from(*call))
                    .unwrap_or(&" 0 0 0");
            }
            out.push('\n');
        }
        out
    }

    /// Oxford haps.
    pub fn haps(&self) -> String {
        let mut out = String::new();
        for ((chrom, pos, id), calls) in self.sites.iter().zip(&self.calls) {
            let _ = write!(out, "{chrom} {id} {pos} A G");
            for call in calls {
                out += [" 0 0", " 0 1", " 1 1"].get(usize::from(*call)).unwrap_or(&" 0 0");
            }
            out.push('\n');
        }
        out
    }

    /// EIGENSTRAT geno.
    pub fn eigenstrat(&self) -> String {
        self.calls.iter().fold(String::new(), |s, calls| {
            s + &calls.iter().map(|c| char::from(b'0' + c)).collect::<String>() + "\n"
        })
    }

    /// BEAGLE 3: two alleles a person, with lines of other kinds between.
    pub fn beagle(&self) -> String {
        let twice = |text: String| format!(" {text} {text}");
        let mut out = String::from("I id");
        self.persons.iter().for_each(|p| out += &twice(p.clone()));
        out += "\nA disease";
        self.persons.iter().enumerate().for_each(|(i, _)| out += &twice((1 + i % 2).to_string()));
        out.push('\n');
        for ((_, _, id), calls) in self.sites.iter().zip(&self.calls) {
            let _ = write!(out, "M {id}");
            for call in calls {
                out += [" A A", " A G", " G G"].get(usize::from(*call)).unwrap_or(&" ? ?");
            }
            out.push('\n');
        }
        out
    }

    /// HapMap.
    pub fn hapmap(&self) -> String {
        let mut out =
            String::from("rs# alleles chrom pos strand assembly# center protLSID assayLSID panelLSID QCcode");
        for id in &self.persons {
            let _ = write!(out, " {id}");
        }
        out.push('\n');
        for ((chrom, pos, id), calls) in self.sites.iter().zip(&self.calls) {
            let _ = write!(out, "{id} A/G chr{chrom} {pos} + ncbi_b36 bro urn:1 urn:2 urn:3 QC+");
            for call in calls {
                out += [" AA", " AG", " GG"].get(usize::from(*call)).unwrap_or(&" NN");
            }
            out.push('\n');
        }
        out
    }

    /// What consumer companies hand out, for the first person.
    pub fn personal(&self) -> String {
        let mut out =
            String::from("# This data file generated by a company\n# rsid\tchromosome\tposition\tgenotype\n");
        for ((chrom, pos, id), calls) in self.sites.iter().zip(&self.calls) {
            let letters = ["AA", "AG", "GG"].get(usize::from(calls[0])).unwrap_or(&"--");
            let _ = writeln!(out, "{id}\t{chrom}\t{pos}\t{letters}");
        }
        out
    }

    /// A matrix: one row a person (`by_person`) or a site; names of rows and columns as given, or none.
    pub fn matrix(
        &self,
        by_person: bool,
        delimiter: &str,
        names: Names,
        value: &dyn Fn(u8) -> String,
    ) -> String {
        let person = |i: usize| match names {
            Names::Real => self.persons[i].clone(),
            Names::Neutral | Names::None => format!("r{}x", i + 1),
        };
        let site = |s: usize| match names {
            Names::Real => self.sites[s].2.clone(),
            Names::Neutral | Names::None => format!("V{}q", s + 1),
        };
        let (rows, columns) = if by_person {
            (self.persons.len(), self.sites.len())
        } else {
            (self.sites.len(), self.persons.len())
        };
        let mut lines = Vec::new();
        if names != Names::None {
            let mut head = vec!["id".to_owned()];
            head.extend((0..columns).map(|c| if by_person { site(c) } else { person(c) }));
            lines.push(head.join(delimiter));
        }
        for r in 0..rows {
            let mut line = Vec::new();
            if names != Names::None {
                line.push(if by_person { person(r) } else { site(r) });
            }
            line.extend(
                (0..columns).map(|c| value(if by_person { self.calls[c][r] } else { self.calls[r][c] })),
            );
            lines.push(line.join(delimiter));
        }
        lines.join("\n") + "\n"
    }
}

/// What rows and columns of a matrix are called.
#[derive(Clone, Copy, PartialEq)]
pub enum Names {
    /// rs numbers and cohort ids.
    Real,
    /// Names that say nothing.
    Neutral,
    /// No header and no ids.
    None,
}
