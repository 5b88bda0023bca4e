//! Genotypes in cells: what a cell may be, and its value as a call.

use crate::genotypes::{Call, MISSING, of_dosage};
use crate::number::decimal;
use crate::roles;

/// How genotypes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// `0`, `1`, `2`, or a dosage between them.
    Dosage,
    /// The same divided by two: `0`, `0.5`, `1`.
    Half,
    /// `AG`, `A/G`, `A|G`, `AB`.
    Letters,
    /// `0/1`, `0|1`.
    Indices,
    /// `A`, `G`, `R` (IUPAC): one letter a person.
    Single,
    /// Two cells a person or site: `A` `G`, `1` `2`, `0` `1`.
    Pairs,
    /// Three cells: probabilities of the three genotypes.
    Triples,
}

impl Coding {
    /// Cells per genotype.
    pub fn cells(self) -> usize {
        match self {
            Self::Pairs => 2,
            Self::Triples => 3,
            _ => 1,
        }
    }

    /// For the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dosage => "0/1/2 or dosage",
            Self::Half => "halved dosage",
            Self::Letters => "letters",
            Self::Indices => "allele indices",
            Self::Single => "single letters",
            Self::Pairs => "allele pairs",
            Self::Triples => "genotype probabilities",
        }
    }
}

/// What one value may be, as a set of bits.
pub mod class {
    /// Not known.
    pub const MISSING: u8 = 1;
    /// `0`, `1`, `2`.
    pub const WHOLE: u8 = 2;
    /// A number between 0 and 2.
    pub const DOSE: u8 = 4;
    /// Two letters.
    pub const LETTERS: u8 = 8;
    /// `0/1`, `0|1`.
    pub const INDICES: u8 = 16;
    /// One allele: a base, an insertion, a longer sequence.
    pub const ALLELE: u8 = 32;
    /// An IUPAC code of two bases.
    pub const AMBIGUOUS: u8 = 64;
}

/// The classes of a value.
pub fn classes(value: &[u8]) -> u8 {
    use class as c;
    let value = bare(value);
    if roles::missing(value) || missing_genotype(value) {
        // `0` alleles and `--` are missing in some codings and values in others.
        return c::MISSING;
    }
    let mut set = 0;
    match value {
        b"0" | b"1" | b"2" => set |= c::WHOLE | c::DOSE,
        // An unphased haplotype.
        b"0*" | b"1*" => set |= c::WHOLE,
        [b'0'..=b'2', b'.', rest @ ..] if !rest.is_empty() && rest.iter().all(|b| *b == b'0') => {
            set |= c::WHOLE | c::DOSE;
        }
        [b, ..]
            if (b.is_ascii_digit() || *b == b'.')
                && decimal(value).is_some_and(|d| (0.0..=2.0).contains(&d)) =>
        {
            set |= c::DOSE;
        }
        _ => {}
    }
    match value {
        [a, b] if base(*a) && base(*b) => set |= c::LETTERS,
        [a, b'/' | b'|' | b':' | b' ' | b';', b] if base(*a) && base(*b) => set |= c::LETTERS,
        [a, b'/' | b'|', b] if a.is_ascii_digit() && b.is_ascii_digit() => set |= c::INDICES,
        [b'A' | b'B', b'A' | b'B'] => set |= c::LETTERS,
        _ => {}
    }
    if roles::allele(value) {
        set |= c::ALLELE;
    }
    if matches!(value, [b'R' | b'Y' | b'S' | b'W' | b'K' | b'M']) {
        set |= c::AMBIGUOUS;
    }
    set
}

/// The genotype of a cell that also names the person, `HG00096=0/1`.
fn bare(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    memchr::memrchr(b'=', value).filter(|at| *at > 0).map_or(value, |at| &value[at + 1..])
}

fn base(b: u8) -> bool {
    matches!(b.to_ascii_uppercase(), b'A' | b'C' | b'G' | b'T' | b'I' | b'D')
}

fn missing_genotype(value: &[u8]) -> bool {
    matches!(value, b"./." | b".|." | b"NN" | b"00" | b"0/0/0" | b"N/N" | b"-/-" | b"??" | b"NC" | b"N")
}

/// The two letters of a genotype in one cell.
fn two(value: &[u8]) -> Option<(u8, u8)> {
    match value {
        [a, b] | [a, _, b] => Some((a.to_ascii_uppercase(), b.to_ascii_uppercase())),
        _ => None,
    }
}

/// Is this cell a homozygote in letters?
pub fn homozygous(value: &[u8]) -> bool {
    two(value.trim_ascii()).is_some_and(|(a, b)| a == b)
}

/// A short name of an allele; 0 is missing.
fn allele(value: &[u8]) -> u32 {
    match value {
        b"0" | b"N" | b"." | b"-9" | b"NA" | b"" => 0,
        [b] => u32::from(b.to_ascii_uppercase()),
        _ => {
            value.iter().fold(0x811c_9dc5, |h: u32, b| {
                (h ^ u32::from(b.to_ascii_uppercase())).wrapping_mul(0x0100_0193)
            }) | 256
        }
    }
}

/// The call in these cells. `first` remembers the site's first allele, which is counted as the reference.
/// `zero_is_allele`: in pairs, `0` and `1` are alleles (phased haplotypes).
pub fn call(coding: Coding, cells: &[&[u8]], first: &mut u32, zero_is_allele: bool) -> Call {
    let value = cells.first().map_or(&b""[..], |c| bare(c));
    match coding {
        Coding::Dosage | Coding::Half => match value {
            b"0" => 0,
            b"1" if coding == Coding::Dosage => 100,
            b"2" => 200,
            _ if roles::missing(value) => MISSING,
            _ => {
                let scale = if coding == Coding::Half { 2.0 } else { 1.0 };
                decimal(value).filter(|d| (0.0..=2.0).contains(d)).map_or(MISSING, |d| of_dosage(d * scale))
            }
        },
        Coding::Letters => {
            if classes(value) & class::LETTERS == 0 {
                return MISSING;
            }
            two(value).map_or(MISSING, |(a, b)| pair(u32::from(a), u32::from(b), first))
        }
        Coding::Indices => match value {
            [a, b'/' | b'|', b] if a.is_ascii_digit() && b.is_ascii_digit() => {
                100 * (u8::from(*a != b'0') + u8::from(*b != b'0'))
            }
            _ => MISSING,
        },
        Coding::Single => {
            let set = classes(value);
            if set & class::AMBIGUOUS != 0 {
                100
            } else if set & class::ALLELE != 0 && allele(value) != 0 {
                let a = allele(value);
                pair(a, a, first)
            } else {
                MISSING
            }
        }
        Coding::Pairs => {
            let (a, b) = (value, cells.get(1).map_or(&b""[..], |c| c.trim_ascii()));
            if zero_is_allele {
                let haplotype = |x: &[u8]| match x.strip_suffix(b"*").unwrap_or(x) {
                    b"0" => Some(0),
                    b"1" => Some(100),
                    _ => None,
                };
                haplotype(a).zip(haplotype(b)).map_or(MISSING, |(a, b)| a + b)
            } else if allele(a) == 0 || allele(b) == 0 {
                MISSING
            } else {
                pair(allele(a), allele(b), first)
            }
        }
        Coding::Triples => {
            let p: [Option<f64>; 3] = [0, 1, 2].map(|i| cells.get(i).and_then(|c| decimal(c.trim_ascii())));
            match p {
                [Some(a), Some(b), Some(c)] if a + b + c > 0.0 => of_dosage((b + 2.0 * c) / (a + b + c)),
                _ => MISSING,
            }
        }
    }
}

fn pair(a: u32, b: u32, first: &mut u32) -> Call {
    if *first == 0 {
        *first = a;
    }
    100 * (u8::from(a != *first) + u8::from(b != *first))
}
