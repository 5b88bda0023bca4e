//! Stata data of releases 8 to 12 (`.dta`, formats 113 to 115): fixed parts one behind the other, without marks.

use super::stata::{by_number, shown, text};
use super::{Columns, Cursor, about, field};
use crate::inside::columnar::{Fault, damaged, stopped};
use crate::inside::{Inside, utf8};
use sekisho_policy::facts::ProblemKind;
use std::collections::BTreeMap;

/// Does such a file begin here?
pub fn plausible(head: &[u8]) -> bool {
    matches!(head, [113..=115, 1 | 2, 1, 0, ..]) && head.len() >= 109
}

/// Reads a file that is wholly in memory.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("stata");
    if let Err(fault) = file(bytes, &mut inside) {
        stopped(&mut inside, "dta", fault);
    }
    inside
}

fn file(bytes: &[u8], inside: &mut Inside) -> Result<(), Fault> {
    let mut at = Cursor { rest: bytes, little: bytes.get(1) == Some(&2) };
    let release = at.number(1)?;
    at.take(3)?;
    let (count, rows) = (at.size(2)?, at.size(4)?);
    let label = field(at.take(81)?);
    about(inside, "label", [&label]);
    at.take(18)?;
    let kinds: Vec<u64> = at
        .take(count)?
        .iter()
        .map(|b| kind(*b))
        .collect::<Option<_>>()
        .ok_or_else(|| damaged("a type that is not known"))?;
    let fields = |at: &mut Cursor<'_>, width: usize| -> Result<Vec<String>, Fault> {
        Ok(at.take(count.saturating_mul(width))?.chunks_exact(width).map(field).collect())
    };
    let names = fields(&mut at, 33)?;
    at.take(2 * (count + 1))?;
    let formats = fields(&mut at, if release == 113 { 12 } else { 49 })?;
    let labelled = fields(&mut at, 33)?;
    let described = fields(&mut at, 81)?;
    about(inside, "variable labels", &described);
    loop {
        let (kind, length) = (at.number(1)?, at.size(4)?);
        if kind == 0 && length == 0 {
            break;
        }
        let content = utf8(at.take(length)?).replace('\0', " ");
        inside.hidden("characteristics", content);
    }
    let width = kinds.iter().try_fold(0_usize, |n, k| Some(n + super::stata::width(*k)?)).unwrap_or(0);
    let body = at.take(rows.saturating_mul(width))?;
    let mut sets = BTreeMap::new();
    while !at.rest.is_empty() {
        at.take(4)?;
        let name = text(at.take(33)?);
        at.take(3)?;
        let (count, length) = (at.size(4)?, at.size(4)?);
        let starts = at.take(count.saturating_mul(4))?;
        let values = at.take(count.saturating_mul(4))?;
        let set = by_number(starts, values, at.take(length)?, at.little);
        about(inside, "value labels", set.values());
        sets.insert(name, set);
    }
    for name in labelled.iter().filter(|n| !n.is_empty() && !sets.contains_key(*n)) {
        inside.problem(ProblemKind::Malformed, name.clone(), "value labels that the file lacks");
    }
    let mut columns = Columns::new(names)?;
    let mut beyond = 0;
    for row in body.chunks_exact(width.max(1)).take(rows) {
        let mut rest = row;
        for (number, kind) in kinds.iter().enumerate() {
            let (value, after) = rest.split_at(super::stata::width(*kind).unwrap_or(0).min(rest.len()));
            rest = after;
            if *kind <= 2045 {
                let end = memchr::memchr(0, value).unwrap_or(value.len());
                beyond += usize::from(value[end..].iter().any(|b| *b != 0));
            }
            let format = formats.get(number).map_or("", String::as_str);
            let labels = labelled.get(number).and_then(|name| sets.get(name));
            columns.push(number, &shown(*kind, value, at.little, labels, format))?;
        }
    }
    if beyond > 0 {
        inside.hidden("data", format!("{beyond} texts with bytes behind their end"));
    }
    columns.finish("data", inside)
}

/// The newer number of a type.
fn kind(old: u8) -> Option<u64> {
    Some(match old {
        1..=244 => u64::from(old),
        251 => 65530,
        252 => 65529,
        253 => 65528,
        254 => 65527,
        255 => 65526,
        _ => return None,
    })
}
