//! Stata data (`.dta`, releases 117 to 119): the data as one table, with value labels in place of their codes.
//!
//! The parts are read one after the other, each between its marks, so that nothing lies between them unread. Notes and
//! other characteristics are shown; long texts (strL) are not read, and a file that holds them is not released.

use crate::inside::columnar::layout;
use crate::inside::{Inside, utf8};
use sekisho_policy::facts::{OpaqueKind, ProblemKind};
use std::collections::BTreeMap;

/// Values of one file.
const MOST: usize = 8_000_000;

/// Reads a file that is wholly in memory.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("stata");
    match data(bytes, &mut inside) {
        Some(Ok(rows)) => drop(inside.table("data", &rows)),
        Some(Err(what)) => inside.unread(OpaqueKind::Workspace, "Stata dta", what),
        None => inside.problem(ProblemKind::NotInspected, "dta", "damaged, cut short, or of another release"),
    }
    inside
}

struct Cursor<'a> {
    rest: &'a [u8],
    little: bool,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(head)
    }

    fn mark(&mut self, mark: &str) -> Option<()> {
        (self.take(mark.len())? == mark.as_bytes()).then_some(())
    }

    /// A number of so many bytes, in the file's order.
    fn number(&mut self, width: usize) -> Option<u64> {
        let little = self.little;
        self.take(width).map(|b| number(b, little))
    }

    fn size(&mut self, width: usize) -> Option<usize> {
        usize::try_from(self.number(width)?).ok()
    }

    /// Fixed fields of text between marks.
    fn fields(&mut self, mark: &str, count: usize, width: usize) -> Option<Vec<String>> {
        self.mark(&format!("<{mark}>"))?;
        let fields = self.take(count.checked_mul(width)?)?.chunks_exact(width).map(text).collect();
        self.mark(&format!("</{mark}>"))?;
        Some(fields)
    }
}

fn number(bytes: &[u8], little: bool) -> u64 {
    let fold = |n: u64, b: &u8| n << 8 | u64::from(*b);
    if little { bytes.iter().rev().fold(0, fold) } else { bytes.iter().fold(0, fold) }
}

/// Text up to its zero. What stands behind it is not seen, and must not be there.
pub fn text(field: &[u8]) -> String {
    let end = memchr::memchr(0, field).unwrap_or(field.len());
    utf8(&field[..end]).into_owned()
}

fn data(bytes: &[u8], inside: &mut Inside) -> Option<Result<Vec<Vec<String>>, &'static str>> {
    let mut at = Cursor { rest: bytes, little: true };
    at.mark("<stata_dta><header><release>")?;
    let release: u32 = std::str::from_utf8(at.take(3)?).ok()?.parse().ok()?;
    if !(117..=119).contains(&release) {
        return None;
    }
    let wide = release > 117;
    at.mark("</release><byteorder>")?;
    at.little = match at.take(3)? {
        b"LSF" => true,
        b"MSF" => false,
        _ => return None,
    };
    at.mark("</byteorder><K>")?;
    let columns = at.size(if release == 119 { 4 } else { 2 })?;
    at.mark("</K><N>")?;
    let rows = at.size(if wide { 8 } else { 4 })?;
    at.mark("</N><label>")?;
    let length = at.size(if wide { 2 } else { 1 })?;
    let label = utf8(at.take(length)?).into_owned();
    inside.prose("label", &label);
    at.mark("</label><timestamp>")?;
    let length = at.size(1)?;
    at.take(length)?;
    at.mark("</timestamp></header><map>")?;
    at.take(14 * 8)?;
    at.mark("</map><variable_types>")?;
    let types: Vec<u64> = (0..columns).map(|_| at.number(2)).collect::<Option<_>>()?;
    at.mark("</variable_types>")?;
    let name = if wide { 129 } else { 33 };
    let names = at.fields("varnames", columns, name)?;
    at.mark("<sortlist>")?;
    at.take((columns + 1).checked_mul(if release == 119 { 4 } else { 2 })?)?;
    at.mark("</sortlist>")?;
    let formats = at.fields("formats", columns, if wide { 57 } else { 49 })?;
    let labelled = at.fields("value_label_names", columns, name)?;
    let described = at.fields("variable_labels", columns, if wide { 321 } else { 81 })?;
    described.iter().for_each(|d| inside.prose("variable labels", d));
    at.mark("<characteristics>")?;
    while at.mark_if("<ch>") {
        let length = at.size(4)?;
        let content = at.take(length)?;
        inside
            .hidden("characteristics", utf8(content.get(name * 2..).unwrap_or_default()).replace('\0', " "));
        at.mark("</ch>")?;
    }
    at.mark("</characteristics><data>")?;
    if rows.checked_mul(columns).is_none_or(|n| n > MOST) {
        return Some(Err("more values than are taken apart"));
    }
    let width = types.iter().try_fold(0_usize, |n, t| Some(n + width(*t)?));
    let Some(width) = width else { return Some(Err("long texts (strL)")) };
    let body = at.take(rows.checked_mul(width)?)?;
    at.mark("</data><strls>")?;
    if !at.mark_if("</strls>") {
        return Some(Err("long texts (strL)"));
    }
    let labels = labels(&mut at, name)?;
    at.mark("</stata_dta>")?;
    if !at.rest.is_empty() {
        inside.problem(ProblemKind::TrailingBytes, "end", format!("{} bytes follow", at.rest.len()));
    }
    let mut table = vec![names];
    let mut beyond = 0;
    for row in body.chunks_exact(width.max(1)).take(rows) {
        let mut rest = row;
        let mut cells = Vec::with_capacity(columns);
        for ((kind, set), format) in types.iter().zip(&labelled).zip(&formats) {
            let (value, after) = rest.split_at_checked(self::width(*kind)?)?;
            rest = after;
            if *kind <= 2045 {
                let end = memchr::memchr(0, value).unwrap_or(value.len());
                beyond += usize::from(value[end..].iter().any(|b| *b != 0));
            }
            cells.push(shown(*kind, value, at.little, labels.get(set), format));
        }
        table.push(cells);
    }
    if beyond > 0 {
        inside.hidden("data", format!("{beyond} texts with bytes behind their end"));
    }
    Some(Ok(table))
}

impl Cursor<'_> {
    fn mark_if(&mut self, mark: &str) -> bool {
        let here = self.rest.starts_with(mark.as_bytes());
        if here {
            self.rest = &self.rest[mark.len()..];
        }
        here
    }
}

/// Bytes of a value of this kind; `None` for long texts and kinds nobody knows.
pub fn width(kind: u64) -> Option<usize> {
    Some(match kind {
        1..=2045 => usize::try_from(kind).ok()?,
        65526 => 8,
        65527 | 65528 => 4,
        65529 => 2,
        65530 => 1,
        _ => return None,
    })
}

/// A value as text: its label where it has one, nothing where it is missing, a day where its format says so.
pub fn shown(
    kind: u64,
    value: &[u8],
    little: bool,
    labels: Option<&BTreeMap<i64, String>>,
    format: &str,
) -> String {
    let bits = number(value, little);
    let dated = |n: i64| {
        let format = format.trim_start_matches(['%', '-']);
        if format.starts_with("td") || format.starts_with('d') {
            Some(layout::day(n.saturating_sub(super::SIXTY)))
        } else if format.starts_with("tc") || format.starts_with("tC") {
            Some(layout::moment(n.saturating_sub(super::SIXTY * 86_400_000), 1000))
        } else {
            None
        }
    };
    let whole = |n: i64, largest: i64| {
        labels.and_then(|l| l.get(&n)).cloned().unwrap_or_else(|| match n {
            n if n > largest => String::new(),
            n => dated(n).unwrap_or_else(|| n.to_string()),
        })
    };
    // Whole numbers may be kept as fractions, and are codes all the same.
    let real = |n: f64, text: String| {
        let code = (n.fract() == 0.0 && n.abs() < 1e15).then_some(n as i64);
        code.and_then(|c| labels.and_then(|l| l.get(&c)).cloned().or_else(|| dated(c))).unwrap_or(text)
    };
    match kind {
        65526 => {
            let number = f64::from_bits(bits);
            // Missing values are the largest there are.
            if number >= 8.98e307 || number.is_nan() {
                String::new()
            } else {
                real(number, number.to_string())
            }
        }
        65527 => {
            let number = f32::from_bits(bits as u32);
            if number >= 1.7e38 || number.is_nan() {
                String::new()
            } else {
                real(f64::from(number), number.to_string())
            }
        }
        65528 => whole(i64::from(bits as u32 as i32), 2_147_483_620),
        65529 => whole(i64::from(bits as u16 as i16), 32_740),
        65530 => whole(i64::from(bits as u8 as i8), 100),
        _ => text(value),
    }
}

/// The labels of one set, by the number they stand for.
pub fn by_number(starts: &[u8], values: &[u8], texts: &[u8], little: bool) -> BTreeMap<i64, String> {
    let entries = starts.chunks_exact(4).zip(values.chunks_exact(4)).filter_map(|(start, value)| {
        let start = usize::try_from(number(start, little)).ok()?;
        Some((i64::from(number(value, little) as u32 as i32), text(texts.get(start..)?)))
    });
    entries.collect()
}

/// Value labels by the name of their set.
fn labels(at: &mut Cursor<'_>, name: usize) -> Option<BTreeMap<String, BTreeMap<i64, String>>> {
    let mut sets = BTreeMap::new();
    at.mark("<value_labels>")?;
    while at.mark_if("<lbl>") {
        at.take(4)?;
        let set = text(at.take(name)?);
        at.take(3)?;
        let (count, length) = (at.size(4)?, at.size(4)?);
        let starts = at.take(count.checked_mul(4)?)?;
        let values = at.take(count.checked_mul(4)?)?;
        let texts = at.take(length)?;
        sets.insert(set, by_number(starts, values, texts, at.little));
        at.mark("</lbl>")?;
    }
    at.mark("</value_labels>")?;
    Some(sets)
}

#[cfg(test)]
mod tests {
    use crate::readers::testing::check;
    use sekisho_policy::Verdict;

    /// Two groups and their numbers, as Stata 14 saves them.
    fn dta(counts: [i32; 2], note: &str, strls: &str) -> Vec<u8> {
        fn fixed(texts: [&str; 2], width: usize) -> Vec<u8> {
            texts.iter().flat_map(|t| [t.as_bytes(), &vec![0; width - t.len()]].concat()).collect()
        }
        let ch = if note.is_empty() {
            Vec::new()
        } else {
            let content = [&fixed(["_dta", "note1"], 129), note.as_bytes(), &[0]].concat();
            [b"<ch>", &(content.len() as u32).to_le_bytes()[..], &content, b"</ch>"].concat()
        };
        let rows: Vec<u8> = (counts.iter().enumerate())
            .flat_map(|(i, n)| [&[i as u8 + 1][..], &n.to_le_bytes()].concat())
            .collect();
        let labels = [
            b"<lbl>\0\0\0\0".as_slice(),
            &fixed(["sex", ""], 129)[..129],
            &[0; 3],
            &2_u32.to_le_bytes(),
            &12_u32.to_le_bytes(),
            &[0, 0, 0, 0, 7, 0, 0, 0],
            &[1, 0, 0, 0, 2, 0, 0, 0],
            b"female\0male\0",
            b"</lbl>",
        ]
        .concat();
        [
            b"<stata_dta><header><release>118</release><byteorder>LSF</byteorder><K>\x02\x00</K><N>"
                .as_slice(),
            &2_u64.to_le_bytes(),
            b"</N><label>\0\0</label><timestamp>\0</timestamp></header><map>",
            &[0; 112],
            b"</map><variable_types>",
            &[65530_u16.to_le_bytes(), 65528_u16.to_le_bytes()].concat(),
            b"</variable_types><varnames>",
            &fixed(["group", "n"], 129),
            b"</varnames><sortlist>\0\0\0\0\0\0</sortlist><formats>",
            &fixed(["%8.0g", "%8.0g"], 57),
            b"</formats><value_label_names>",
            &fixed(["sex", ""], 129),
            b"</value_label_names><variable_labels>",
            &fixed(["", ""], 321),
            b"</variable_labels><characteristics>",
            &ch,
            b"</characteristics><data>",
            &rows,
            b"</data><strls>",
            strls.as_bytes(),
            b"</strls><value_labels>",
            &labels,
            b"</value_labels></stata_dta>",
        ]
        .concat()
    }

    #[test]
    fn tables_saved_by_stata_are_judged_with_their_labels() {
        let report = check(&dta([120, 130], "", ""));
        assert_eq!(report.verdict, Verdict::Pass, "{:#?}", report.findings);
        let report = check(&dta([120, 7], "", ""));
        assert_eq!(report.verdict, Verdict::Block, "{:#?}", report.findings);
        assert!(report.findings[0].place.contains("male"), "{:#?}", report.findings);
    }

    #[test]
    fn what_rides_along_never_passes() {
        for bytes in [
            dta([120, 130], "HG00096 0 1 2 0", ""),
            dta([120, 130], "", "GSO"),
            [dta([120, 130], "", ""), b"secret".to_vec()].concat(),
            dta([120, 130], "", "")[..900].to_vec(),
        ] {
            assert_ne!(check(&bytes).verdict, Verdict::Pass);
        }
    }

    #[test]
    fn damage_is_survived() {
        let sample = dta([120, 130], "a", "");
        for at in 0..sample.len() {
            let _ = check(&sample[..at]);
            let mut changed = sample.clone();
            changed[at] ^= 0xff;
            let _ = check(&changed);
        }
    }
}
