//! NumPy arrays: numbers and short texts of one or two dimensions, as a table.

use super::{Inside, utf8};
use sekisho_policy::facts::{OpaqueKind, ProblemKind};

/// Reads an array that is wholly in memory.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("numpy");
    match array(bytes) {
        Some((kind, rows, columns, from)) => {
            let size = kind.size();
            let data = &bytes[from..];
            let claimed = columns.checked_mul(size).and_then(|row| row.checked_mul(rows));
            if claimed != Some(data.len()) {
                inside.problem(ProblemKind::NotInspected, "data", "its length does not fit the header");
                return inside;
            }
            let mut text = Vec::new();
            for row in data.chunks_exact(size * columns) {
                for (at, value) in row.chunks_exact(size).enumerate() {
                    if at > 0 {
                        text.push(b'\t');
                    }
                    kind.write(value, &mut text);
                }
                text.push(b'\n');
                if text.len() > inside.room() {
                    break;
                }
            }
            inside.member("array", text);
        }
        None => {
            inside.unread(OpaqueKind::Workspace, "NumPy", "objects, records, or more than two dimensions")
        }
    }
    inside
}

#[derive(Clone, Copy)]
enum Kind {
    Signed(usize),
    Unsigned(usize),
    Float(usize),
    Bytes(usize),
}

impl Kind {
    fn size(self) -> usize {
        match self {
            Self::Signed(n) | Self::Unsigned(n) | Self::Float(n) | Self::Bytes(n) => n,
        }
    }

    fn write(self, value: &[u8], out: &mut Vec<u8>) {
        let mut wide = [0; 8];
        let text = match self {
            Self::Bytes(_) => {
                out.extend(
                    value.iter().filter(|b| **b != 0).map(|b| if b.is_ascii_control() { b' ' } else { *b }),
                );
                return;
            }
            Self::Unsigned(n) => {
                wide[..n].copy_from_slice(value);
                u64::from_le_bytes(wide).to_string()
            }
            Self::Signed(n) => {
                let negative = value.last().is_some_and(|b| b & 0x80 != 0);
                wide = if negative { [0xff; 8] } else { wide };
                wide[..n].copy_from_slice(value);
                i64::from_le_bytes(wide).to_string()
            }
            Self::Float(n) => {
                wide[..n].copy_from_slice(value);
                let number = if n == 4 {
                    f64::from(f32::from_le_bytes([wide[0], wide[1], wide[2], wide[3]]))
                } else {
                    f64::from_le_bytes(wide)
                };
                if number.is_nan() {
                    "NA".to_owned()
                } else if n == 4 {
                    format!("{}", number as f32)
                } else {
                    number.to_string()
                }
            }
        };
        out.extend_from_slice(text.as_bytes());
    }
}

/// Kind of the values, rows, columns, and where the data begin.
fn array(bytes: &[u8]) -> Option<(Kind, usize, usize, usize)> {
    let (length, from) = match bytes.get(6)? {
        1 => (usize::from(u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?)), 10),
        2 | 3 => (usize::try_from(u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?)).ok()?, 12),
        _ => return None,
    };
    let header = utf8(bytes.get(from..from + length)?).into_owned();
    let after =
        |key: &str| header.split_once(key).map(|(_, rest)| rest.trim_start_matches(['\'', '"', ':', ' ']));
    let descr = after("'descr'")?.split(['\'', '"']).next()?;
    let fortran = after("'fortran_order'")?.starts_with("True");
    let shape: Vec<usize> = after("'shape'")?
        .split(['(', ')'])
        .nth(1)?
        .split(',')
        .filter(|p| !p.trim().is_empty())
        .map(|p| p.trim().parse().ok())
        .collect::<Option<_>>()?;
    let width: usize = descr.get(2..)?.parse().ok()?;
    let small = matches!(width, 1 | 2 | 4 | 8);
    let kind = match (descr.get(..1)?, descr.get(1..2)?) {
        ("<" | "|", "i") if small => Kind::Signed(width),
        ("<" | "|", "u" | "b") if small => Kind::Unsigned(width),
        ("<", "f") if matches!(width, 4 | 8) => Kind::Float(width),
        ("|", "S") if (1..=64).contains(&width) => Kind::Bytes(width),
        _ => return None,
    };
    let (rows, columns) = match (&shape[..], fortran) {
        ([rows], _) => (*rows, 1),
        // The other order is the same table turned on its side.
        ([rows, columns], true) => (*columns, *rows),
        ([rows, columns], false) => (*rows, *columns),
        _ => return None,
    };
    (columns > 0).then_some((kind, rows, columns, from + length))
}

#[cfg(test)]
mod tests {
    use crate::readers::testing::check;
    use sekisho_policy::Verdict;

    #[test]
    fn a_matrix_of_genotypes_is_blocked() {
        let header = format!("{:<117}\n", "{'descr': '|i1', 'fortran_order': False, 'shape': (30, 60), }");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend((0..1800_usize).map(|i| ((i / 60 * 7 + i % 60 * 5 + i) % 3) as u8));
        let report = check(&bytes);
        assert_eq!(report.verdict, Verdict::Block, "{:#?}", report.findings);
        assert!(report.findings.iter().any(|f| f.rule == "individual_genotypes"), "{:#?}", report.findings);
    }
}
