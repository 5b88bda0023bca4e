//! SAS transport files (`.xpt`), versions 5 and 8: cards of eighty bytes, numbers as IBM's machines kept them.

use super::{Columns, Cursor, about, field, sas_number};
use crate::inside::Inside;
use crate::inside::columnar::{Fault, damaged, stopped};
use sekisho_policy::facts::ProblemKind;

const CARD: usize = 80;

/// Reads a file that is wholly in memory.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("sas_transport");
    if let Err(fault) = file(bytes, &mut inside) {
        stopped(&mut inside, "xpt", fault);
    }
    inside
}

/// What kind of header a card is.
fn header(card: &[u8]) -> Option<&str> {
    let rest = card.strip_prefix(b"HEADER RECORD*******")?;
    std::str::from_utf8(rest.get(..8)?).ok().map(str::trim_end)
}

struct Variable {
    name: String,
    text: bool,
    from: usize,
    length: usize,
    format: String,
}

fn file(bytes: &[u8], inside: &mut Inside) -> Result<(), Fault> {
    if !bytes.len().is_multiple_of(CARD) {
        return Err(damaged("cut short"));
    }
    let mut at = Cursor { rest: bytes, little: false };
    at.take(CARD)?;
    // Of what machine and when.
    let first = [at.take(CARD)?, at.take(CARD)?].concat();
    let words = first.iter().filter(|b| !matches!(b, b' ' | 0)).count();
    if words > 100 {
        inside.hidden("header", crate::inside::utf8(&first));
    }
    let mut members = 0;
    while !at.rest.is_empty() {
        if !matches!(header(at.take(CARD)?), Some("MEMBER" | "MEMBV8")) {
            return Err(damaged("a card that is not expected"));
        }
        member(&mut at, inside)?;
        members += 1;
    }
    if members == 0 { Err(damaged("no data")) } else { Ok(()) }
}

fn member(at: &mut Cursor<'_>, inside: &mut Inside) -> Result<(), Fault> {
    if !matches!(header(at.take(CARD)?), Some("DSCRPTR" | "DSCPTV8")) {
        return Err(damaged("a card that is not expected"));
    }
    let described = at.take(2 * CARD)?;
    let label = field(&described[112..152]);
    about(inside, "label", [&label]);
    let card = at.take(CARD)?;
    let eight = header(card) == Some("NAMSTV8");
    if !eight && header(card) != Some("NAMESTR") {
        return Err(damaged("a card that is not expected"));
    }
    let name = field(&described[8..if eight { 40 } else { 16 }]);
    let count: usize = std::str::from_utf8(&card[50..58])
        .ok()
        .and_then(|t| t.trim().parse().ok())
        .ok_or_else(|| damaged("a damaged header"))?;
    let size = count.checked_mul(140).ok_or_else(|| damaged("cut short"))?;
    let names = at.take(size.next_multiple_of(CARD))?;
    let mut variables = Vec::new();
    let mut labels = Vec::new();
    for entry in names.chunks_exact(140).take(count) {
        let word = |from: usize| usize::from(u16::from_be_bytes([entry[from], entry[from + 1]]));
        let long = field(&entry[88..120]);
        variables.push(Variable {
            name: if eight && !long.is_empty() { long } else { field(&entry[8..16]) },
            text: word(0) == 2,
            from: usize::try_from(super::number(&entry[84..88], false)).unwrap_or(usize::MAX),
            length: word(4),
            format: field(&entry[56..64]),
        });
        labels.push(field(&entry[16..56]));
    }
    about(inside, "variable labels", &labels);
    let mut card = at.take(CARD)?;
    while matches!(header(card), Some("LABELV8" | "LABELV9")) {
        let start = at.rest;
        while header(at.rest).is_none() {
            at.take(CARD)?;
        }
        let text: Vec<u8> =
            start[..start.len() - at.rest.len()].iter().map(|b| if *b < 32 { b'\n' } else { *b }).collect();
        about(inside, "long labels", [&crate::inside::utf8(&text).into_owned()]);
        card = at.take(CARD)?;
    }
    if !matches!(header(card), Some("OBS" | "OBSV8")) {
        return Err(damaged("a card that is not expected"));
    }
    let until = at.rest.chunks_exact(CARD).position(|c| matches!(header(c), Some("MEMBER" | "MEMBV8")));
    let body = at.take(until.map_or(at.rest.len(), |cards| cards * CARD))?;
    data(body, &variables, &name, inside)
}

fn data(body: &[u8], variables: &[Variable], name: &str, inside: &mut Inside) -> Result<(), Fault> {
    let width = variables.iter().try_fold(0_usize, |w, v| {
        let fits = (v.from == w) && (v.text || (2..=8).contains(&v.length)) && v.length > 0;
        fits.then_some(w + v.length)
    });
    let width = width.filter(|w| *w > 0).ok_or_else(|| damaged("variables that overlap or leave room"))?;
    // Behind the last row, blanks fill the card.
    let mut rows = body.len() / width;
    if body.get(rows * width..).is_some_and(|r| r.iter().any(|b| *b != b' ')) {
        return Err(damaged("a row cut short"));
    }
    let blank =
        |row: usize| body.get(row * width..(row + 1) * width).is_some_and(|r| r.iter().all(|b| *b == b' '));
    while rows > 0 && body.len() - (rows - 1) * width < CARD + width && blank(rows - 1) {
        rows -= 1;
    }
    let mut columns = Columns::new(variables.iter().map(|v| v.name.clone()))?;
    let mut odd = 0;
    for row in body.chunks_exact(width).take(rows) {
        for (at, variable) in variables.iter().enumerate() {
            let bytes = &row[variable.from..variable.from + variable.length];
            if variable.text {
                columns.push(at, &crate::inside::utf8(bytes).replace('\0', " "))?;
            } else {
                let (value, usual) = ibm(bytes);
                odd += usize::from(!usual);
                columns.push(at, &sas_number(value, &variable.format))?;
            }
        }
    }
    if odd > 0 {
        inside.problem(ProblemKind::Malformed, "data", format!("{odd} numbers that SAS does not write"));
    }
    columns.finish(name, inside)
}

/// A number of IBM's machines; and whether SAS writes such a one.
fn ibm(bytes: &[u8]) -> (f64, bool) {
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let digits = rest.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    if digits == 0 {
        return match first {
            0 => (0.0, true),
            b'.' | b'_' | b'A'..=b'Z' => (f64::NAN, true),
            _ => (0.0, *first == 0x80),
        };
    }
    let power = 4 * (i32::from(first & 0x7f) - 64) - 8 * i32::try_from(rest.len()).unwrap_or(0);
    // Seven bytes hold more digits than a fraction does; SAS rounds in the same way.
    let size = digits as f64 * 2_f64.powi(power);
    (if first & 0x80 == 0 { size } else { -size }, true)
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_those_of_ibm() {
        assert_eq!(super::ibm(&[0x42, 0x64, 0, 0, 0, 0, 0, 0]).0, 100.0);
        assert_eq!(super::ibm(&[0xc1, 0x18, 0, 0, 0, 0, 0, 0]).0, -1.5);
        assert!(super::ibm(b".\0\0\0\0\0\0\0").0.is_nan());
    }
}
