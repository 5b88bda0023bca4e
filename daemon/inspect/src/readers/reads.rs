//! Sequencing reads as text: FASTQ and SAM. Recognised, not read.

use super::{Context, Flow, Found, Sample, TextReader};
use crate::lines::{Block, split};
use crate::number::whole;
use sekisho_policy::facts::{Opaque, OpaqueKind, Part};

/// Takes the text if its first records are reads.
pub fn plausible(sample: &Sample<'_>, _context: &Context<'_>) -> Option<Box<dyn TextReader>> {
    let lines: Vec<&[u8]> = split(sample.head).take(400).collect();
    let bases = |l: &[u8]| l.len() >= 10 && l.iter().all(|b| b"ACGTNacgtn.=*RYSWKMBDHV".contains(b));
    let fastq = lines.chunks_exact(4).next().is_some()
        && lines.chunks_exact(4).take(20).all(|r| {
            r[0].first() == Some(&b'@')
                && bases(r[1])
                && r[2].first() == Some(&b'+')
                && r[3].len() == r[1].len()
        });
    let sam_row = |l: &&[u8]| {
        let f: Vec<&[u8]> = l.split(|b| *b == b'\t').take(11).collect();
        f.len() == 11
            && whole(f[1]).is_some()
            && whole(f[3]).is_some()
            && whole(f[4]).is_some()
            && (bases(f[9]) || f[9] == b"*")
    };
    let rows: Vec<&&[u8]> =
        lines.iter().filter(|l| l.first() != Some(&b'@') && !l.is_empty()).take(20).collect();
    let sam_header = sample.head.starts_with(b"@HD\t") || sample.head.starts_with(b"@SQ\t");
    let sam = sam_header || (!rows.is_empty() && rows.iter().all(|l| sam_row(l)));
    let (kind, format) = if fastq {
        (OpaqueKind::Reads, "FASTQ")
    } else if sam {
        (crate::detect::species(sample.head), "SAM")
    } else {
        return None;
    };
    Some(Box::new(Reader { kind, format, lines: 0 }))
}

struct Reader {
    kind: OpaqueKind,
    format: &'static str,
    lines: u64,
}

impl TextReader for Reader {
    fn block(&mut self, block: &Block<'_>) -> Flow {
        self.lines += block.lines().count() as u64;
        if self.kind == OpaqueKind::HumanReads { Flow::Proven } else { Flow::More }
    }

    fn finish(self: Box<Self>) -> Found {
        let part =
            Part::Opaque(Opaque { kind: self.kind, format: self.format.into(), detail: String::new() });
        let kind = self.format.to_ascii_lowercase();
        Found { kind, parts: vec![part], rows: self.lines, unit: "lines", ..Found::default() }
    }
}
