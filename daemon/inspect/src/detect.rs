//! What a file is, by its first bytes. Names do not count.

use sekisho_policy::facts::OpaqueKind;

/// How a file is going to be read.
pub enum Format {
    /// No bytes.
    Empty,
    /// Lines of text.
    Text {
        /// Lines end with a carriage return only.
        carriage: bool,
    },
    /// PLINK 1 binary genotypes.
    Bed {
        /// Variant-major, as every current tool writes.
        variant_major: bool,
    },
    /// Recognised, not read.
    Opaque {
        /// Sort of content.
        kind: OpaqueKind,
        /// Name of the format.
        format: &'static str,
        /// What was seen of it.
        detail: String,
    },
    /// Neither text nor known.
    Binary,
}

/// Recognises unwrapped bytes.
pub fn format(head: &[u8], whole: bool) -> Format {
    use OpaqueKind as K;
    let opaque = |kind, format| Format::Opaque { kind, format, detail: String::new() };
    match head {
        [] => Format::Empty,
        [0x6c, 0x1b, 0x01, ..] => Format::Bed { variant_major: true },
        [0x6c, 0x1b, 0x00, ..] => Format::Bed { variant_major: false },
        [0x6c, 0x1b, ..] => Format::Opaque { kind: K::GenotypeMatrix, format: "PGEN", detail: pgen(head) },
        [b'B', b'C', b'F', 2 | 4, ..] => opaque(K::GenotypeMatrix, "BCF"),
        _ if bgen(head).is_some() => {
            Format::Opaque { kind: K::GenotypeMatrix, format: "BGEN", detail: bgen(head).unwrap_or_default() }
        }
        [b'G', b'E', b'N', b'O', b' ', ..] => opaque(K::GenotypeMatrix, "packed EIGENSTRAT"),
        [b'T', b'G', b'E', b'N', b'O', b' ', ..] => opaque(K::GenotypeMatrix, "packed EIGENSTRAT"),
        [b'B', b'A', b'M', 1, ..] => bam(head),
        [b'C', b'R', b'A', b'M', 2..=4, ..] => {
            // A header that cannot be read says nothing about the species.
            let header = crate::inside::cram::header(head).unwrap_or_default();
            opaque(species(&header), "CRAM")
        }
        [b'R', b'D', b'X' | b'A' | b'B', b'2' | b'3', b'\n', ..] => opaque(K::Workspace, "RData"),
        [b'X' | b'A' | b'B', b'\n', 0, 0, 0, 2 | 3, ..] => opaque(K::Workspace, "RDS"),
        [0x80, 2..=5, ..] if pickle(head, whole) => opaque(K::Model, "pickle"),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => zip(head),
        _ if crate::inside::hdf5::plausible(head) => opaque(K::Workspace, "HDF5"),
        [b'P', b'A', b'R', b'1' | b'E', ..] => opaque(K::Workspace, "Parquet"),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => opaque(K::Workspace, "Arrow"),
        [b'F', b'E', b'A', b'1', ..] => opaque(K::Workspace, "Feather 1"),
        _ if crate::inside::columnar::arrow::is_stream(head) => opaque(K::Workspace, "Arrow"),
        // Genotypes of SNP arrays and sequencing in R: SNPRelate, SeqArray, GENESIS.
        _ if head.starts_with(b"COREARRAYx0A") => Format::Opaque {
            kind: K::GenotypeMatrix,
            format: "GDS",
            detail: "a CoreArray file: genotypes or dosages of persons as SNPRelate and SeqArray keep them"
                .into(),
        },
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => opaque(K::Workspace, "NumPy"),
        [b'S', b'Q', b'L', b'i', b't', b'e', b' ', ..] => opaque(K::Workspace, "SQLite"),
        [b'$', b'F', b'L', b'2' | b'3', ..] => opaque(K::Workspace, "SPSS"),
        _ if head.starts_with(b"<stata_dta>") => opaque(K::Workspace, "Stata dta"),
        _ if head.starts_with(b"MATLAB 5.0") => opaque(K::Workspace, "MATLAB"),
        _ if head.starts_with(b"HEADER RECORD*******LIB") => opaque(K::Workspace, "SAS transport"),
        _ if head.starts_with(&crate::inside::statistics::sas::MAGIC) => opaque(K::Workspace, "SAS data"),
        _ if crate::inside::statistics::old_stata::plausible(head) => opaque(K::Workspace, "Stata dta"),
        [0x89, b'P', b'N', b'G', ..] => opaque(K::Picture, "PNG"),
        [0xff, 0xd8, 0xff, ..] => opaque(K::Picture, "JPEG"),
        [b'G', b'I', b'F', b'8', ..] => opaque(K::Picture, "GIF"),
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => opaque(K::Picture, "TIFF"),
        [b'%', b'P', b'D', b'F', ..] => opaque(K::Document, "PDF"),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => opaque(K::Workbook, "OLE2"),
        // Deeper than layers are opened.
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => opaque(K::Archive, "bzip2"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => opaque(K::Archive, "xz"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => opaque(K::Archive, "zstd"),
        [b'7', b'z', 0xbc, 0xaf, ..] => opaque(K::Archive, "7z"),
        [b'R', b'a', b'r', b'!', ..] => opaque(K::Archive, "RAR"),
        _ if head.get(257..262) == Some(b"ustar") => opaque(K::Archive, "tar"),
        [0x7f, b'E', b'L', b'F', ..] | [b'M', b'Z', 0x90, 0, ..] => opaque(K::Executable, "program"),
        _ => text(head),
    }
}

/// Text has no zero bytes and few control characters.
fn text(head: &[u8]) -> Format {
    let odd = head.iter().filter(|b| matches!(b, 1..=6 | 14..=26 | 28..=31 | 127)).count();
    if memchr::memchr(0, head).is_some() || odd * 50 > head.len() {
        return Format::Binary;
    }
    let feed = memchr::memchr(b'\n', head).is_some();
    Format::Text { carriage: !feed && memchr::memchr(b'\r', head).is_some() }
}

fn le32(head: &[u8], at: usize) -> Option<u32> {
    head.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn pgen(head: &[u8]) -> String {
    match (le32(head, 3), le32(head, 7)) {
        (Some(variants), Some(subjects)) => format!("{subjects} persons x {variants} variants by the header"),
        _ => String::new(),
    }
}

/// The header of a BGEN file, if it is one.
fn bgen(head: &[u8]) -> Option<String> {
    let (length, variants, subjects) = (le32(head, 4)?, le32(head, 8)?, le32(head, 12)?);
    let magic = head.get(16..20)?;
    let old = magic == [0; 4] && length == 20 && le32(head, 0)? >= length && variants > 0 && subjects > 0;
    (magic == b"bgen" || old).then(|| format!("{subjects} persons x {variants} variants by the header"))
}

/// Lengths of human chromosome 1 and mitochondrion-free landmarks, GRCh36 to T2T.
const HUMAN: [u64; 12] = [
    247_249_719,
    249_250_621,
    248_956_422,
    248_387_328,
    242_951_149,
    243_199_373,
    242_193_529,
    63_025_520,
    64_444_167,
    48_129_895,
    46_709_983,
    51_304_566,
];

fn bam(head: &[u8]) -> Format {
    let length = le32(head, 4).unwrap_or(0) as usize;
    let text = head.get(8..(8 + length).min(head.len())).unwrap_or_default();
    Format::Opaque { kind: species(text), format: "BAM", detail: String::new() }
}

/// Are the references of this SAM header human?
pub fn species(header: &[u8]) -> OpaqueKind {
    let human = crate::lines::split(header).filter(|l| l.starts_with(b"@SQ")).any(|line| {
        line.split(|b| *b == b'\t')
            .filter_map(|f| f.strip_prefix(b"LN:").and_then(crate::number::whole))
            .any(|n| HUMAN.contains(&n))
    });
    if human { OpaqueKind::HumanReads } else { OpaqueKind::Reads }
}

/// Protocol 2 and later end with a stop code; a short look at the opcodes keeps random bytes out.
fn pickle(head: &[u8], whole: bool) -> bool {
    !whole || head.last() == Some(&b'.')
}

fn zip(head: &[u8]) -> Format {
    let has = |name: &[u8]| memchr::memmem::find(head, name).is_some();
    let (kind, format) = if has(b"xl/") || has(b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet") {
        (OpaqueKind::Workbook, "XLSX")
    } else if has(b"word/") || has(b"ppt/") {
        (OpaqueKind::Document, "office document")
    } else {
        (OpaqueKind::Archive, "zip")
    };
    Format::Opaque { kind, format, detail: String::new() }
}
