//! SPSS system files (`.sav`, `.zsav`).

use super::{Columns, Cursor, Labels, about, field};
use crate::inside::columnar::{Fault, MOST_VALUES, damaged, layout, stopped};
use crate::inside::{Inside, utf8};
use sekisho_policy::facts::ProblemKind;
use std::io::Read;

/// Seconds from SPSS's first day to 1970-01-01.
const EPOCH: i64 = 141_428 * 86_400;

/// Reads a file that is wholly in memory.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("spss");
    if let Err(fault) = file(bytes, &mut inside) {
        stopped(&mut inside, "sav", fault);
    }
    inside
}

/// One variable; long texts take several places of eight bytes.
struct Variable {
    name: String,
    /// Places of eight bytes, and the bytes of a text in them; 0 for numbers.
    places: usize,
    text: usize,
    format: u64,
    labels: Labels,
}

#[derive(Default)]
struct Dictionary {
    variables: Vec<Variable>,
    /// The variable at each place.
    places: Vec<usize>,
    encoding: Option<&'static encoding_rs::Encoding>,
}

impl Dictionary {
    fn text(&self, bytes: &[u8]) -> String {
        match self.encoding {
            Some(encoding) => encoding.decode_without_bom_handling(bytes).0.trim_end().to_owned(),
            None => utf8(bytes).trim_end().to_owned(),
        }
    }
}

fn file(bytes: &[u8], inside: &mut Inside) -> Result<(), Fault> {
    let mut at = Cursor { rest: bytes, little: true };
    at.take(64)?;
    at.little = match at.rest.get(..4) {
        Some([2 | 3, 0, 0, 0]) => true,
        Some([0, 0, 0, 2 | 3]) => false,
        _ => return Err(damaged("of another kind")),
    };
    at.take(8)?;
    let packing = at.number(4)?;
    at.take(4)?;
    let cases = at.signed()?;
    let bias = f64::from_bits(at.number(8)?);
    at.take(17)?;
    let label = field(at.take(64)?);
    at.take(3)?;
    about(inside, "label", [&label]);
    let dictionary = dictionary(&mut at, inside)?;
    let mut columns = Columns::new(dictionary.variables.iter().map(|v| v.name.clone()))?;
    let little = at.little;
    let before = bytes.len() - at.rest.len();
    let held;
    let data = match packing {
        0 => {
            if !at.rest.len().is_multiple_of(8) {
                return Err(damaged("cut short"));
            }
            at.rest.chunks_exact(8).map(|c| Place::Bytes(c.try_into().unwrap_or_default())).collect()
        }
        1 => codes(at.rest, bias, inside)?,
        2 => {
            held = blocks(bytes, before, at)?;
            codes(&held, bias, inside)?
        }
        _ => return Err(damaged("a compression that is not read")),
    };
    let each: usize = dictionary.variables.iter().map(|v| v.places).sum();
    if each == 0 || !data.len().is_multiple_of(each) {
        return Err(damaged("a case cut short"));
    }
    if cases >= 0 && data.len() / each != cases as usize {
        return Err(damaged("another number of cases than the header states"));
    }
    let mut beyond = 0;
    for case in data.chunks_exact(each) {
        let mut rest = case;
        for (number, variable) in dictionary.variables.iter().enumerate() {
            let (value, after) = rest.split_at(variable.places);
            rest = after;
            let text = shown(variable, value, little, &dictionary, &mut beyond);
            columns.push(number, &text)?;
        }
    }
    if beyond > 0 {
        inside.hidden("data", format!("{beyond} texts with bytes behind their end"));
    }
    columns.finish("data", inside)
}

/// Eight bytes of a case.
#[derive(Clone, Copy)]
enum Place {
    Bytes([u8; 8]),
    Number(f64),
    Missing,
}

fn shown(
    variable: &Variable,
    value: &[Place],
    little: bool,
    dictionary: &Dictionary,
    beyond: &mut usize,
) -> String {
    if variable.text > 0 {
        let bytes: Vec<u8> = value
            .iter()
            .flat_map(|p| match p {
                Place::Bytes(b) => *b,
                _ => [b' '; 8],
            })
            .collect();
        let (own, rest) = bytes.split_at(variable.text.min(bytes.len()));
        *beyond += usize::from(rest.iter().any(|b| !matches!(b, b' ' | 0)));
        let label = own.get(..8).map(|b| super::number(b, little));
        let padded = label.or_else(|| {
            let mut short = [b' '; 8];
            short.get_mut(..own.len())?.copy_from_slice(own);
            Some(super::number(&short, little))
        });
        return padded
            .filter(|_| variable.text <= 8)
            .and_then(|bits| variable.labels.get(&bits).cloned())
            .unwrap_or_else(|| dictionary.text(own));
    }
    let number = match value.first() {
        Some(Place::Number(n)) => *n,
        Some(Place::Bytes(b)) => f64::from_bits(super::number(b, little)),
        _ => return String::new(),
    };
    if number == -f64::MAX {
        return String::new();
    }
    if let Some(label) = variable.labels.get(&number.to_bits()) {
        return label.clone();
    }
    match variable.format >> 16 & 0xff {
        20 | 22..=24 | 38 | 39 | 41 if number.abs() < 1e12 => layout::moment(number as i64 - EPOCH, 1),
        _ => layout::real(number),
    }
}

/// One byte for small whole numbers, blanks and what is missing; eight bytes for the rest.
fn codes(bytes: &[u8], bias: f64, inside: &mut Inside) -> Result<Vec<Place>, Fault> {
    let mut out = Vec::new();
    let mut rest = bytes;
    'all: while !rest.is_empty() {
        let (group, after) = rest.split_at_checked(8).ok_or_else(|| damaged("cut short"))?;
        rest = after;
        for (at, code) in group.iter().enumerate() {
            match code {
                0 => continue,
                252 => {
                    let idle = group[at + 1..].iter().all(|b| *b == 0) && rest.is_empty();
                    if !idle {
                        inside.problem(ProblemKind::TrailingBytes, "end", "bytes behind the data");
                    }
                    break 'all;
                }
                253 => {
                    let (value, after) = rest.split_at_checked(8).ok_or_else(|| damaged("cut short"))?;
                    rest = after;
                    out.push(Place::Bytes(value.try_into().unwrap_or_default()));
                }
                254 => out.push(Place::Bytes([b' '; 8])),
                255 => out.push(Place::Missing),
                small => out.push(Place::Number(f64::from(*small) - bias)),
            }
        }
        // A place takes sixteen bytes here.
        if out.len() > MOST_VALUES {
            return Err((ProblemKind::Bomb, "more values than are taken apart".into()));
        }
    }
    Ok(out)
}

/// The blocks of a `.zsav`, which lie one behind the other.
fn blocks(bytes: &[u8], from: usize, mut at: Cursor<'_>) -> Result<Vec<u8>, Fault> {
    let bad = || damaged("damaged blocks");
    let (here, trailer, length) = (at.size(8)?, at.size(8)?, at.size(8)?);
    let tail = bytes.get(trailer..).filter(|t| t.len() == length && here == from).ok_or_else(bad)?;
    let mut list = Cursor { rest: tail, little: at.little };
    list.take(20)?;
    let count = list.size(4)?;
    let mut next = from + 24;
    let mut out = Vec::new();
    for _ in 0..count {
        list.take(8)?;
        let (start, size, packed) = (list.size(8)?, list.size(4)?, list.size(4)?);
        if start != next || out.len() + size > super::super::MOST_BYTES {
            return Err(bad());
        }
        next = start.checked_add(packed).ok_or_else(bad)?;
        let block = bytes.get(start..next).filter(|_| next <= trailer).ok_or_else(bad)?;
        let mut unpack = flate2::read::ZlibDecoder::new(block).take(size as u64 + 1);
        let before = out.len();
        unpack.read_to_end(&mut out).map_err(|_| bad())?;
        if out.len() - before != size || unpack.into_inner().total_in() != packed as u64 {
            return Err(bad());
        }
    }
    if next != trailer || !list.rest.is_empty() { Err(bad()) } else { Ok(out) }
}

/// Values with their labels, and the places of the variables that they are for.
type Set = (Vec<(u64, Vec<u8>)>, Vec<usize>);

fn dictionary(at: &mut Cursor<'_>, inside: &mut Inside) -> Result<Dictionary, Fault> {
    let mut all = Dictionary::default();
    let mut described = Vec::new();
    let mut sets: Vec<Set> = Vec::new();
    let mut long = Vec::new();
    loop {
        match at.number(4)? {
            2 => {
                let width = at.signed()?;
                let (labelled, missing) = (at.number(4)?, at.signed()?);
                let format = at.number(4)?;
                at.take(4)?;
                let name = at.take(8)?;
                if labelled == 1 {
                    let length = at.size(4)?;
                    described.push(at.take(length)?.to_vec());
                    at.take((4 - length % 4) % 4)?;
                }
                at.take(missing.unsigned_abs() as usize * 8)?;
                if width >= 0 {
                    all.variables.push(Variable {
                        name: field(name),
                        places: 1,
                        text: width as usize,
                        format,
                        labels: Labels::new(),
                    });
                } else if let Some(last) = all.variables.last_mut() {
                    last.places += 1;
                }
                if all.variables.is_empty() || all.places.len() > 1 << 20 {
                    return Err(damaged("a damaged variable"));
                }
                all.places.push(all.variables.len() - 1);
            }
            3 => {
                let count = at.size(4)?;
                let mut labels = Vec::new();
                for _ in 0..count {
                    let value = at.number(8)?;
                    let length = at.size(1)?;
                    labels.push((value, at.take(length)?.to_vec()));
                    at.take((8 - (length + 1) % 8) % 8)?;
                }
                if at.number(4)? != 4 {
                    return Err(damaged("labels without variables"));
                }
                let count = at.size(4)?;
                let places = (0..count).map(|_| at.size(4)).collect::<Result<_, _>>()?;
                sets.push((labels, places));
            }
            6 => {
                let lines = at.size(4)?;
                let size = lines.checked_mul(80).ok_or_else(|| damaged("cut short"))?;
                let text: Vec<String> = at.take(size)?.chunks_exact(80).map(field).collect();
                inside.hidden("documents", text.join(" "));
                about(inside, "documents", &text);
            }
            7 => {
                let (kind, size, count) = (at.number(4)?, at.size(4)?, at.size(4)?);
                let data = at.take(size.checked_mul(count).ok_or_else(|| damaged("cut short"))?)?;
                match kind {
                    // Numbers of the machine, how columns are shown, how many cases.
                    3 | 4 | 11 | 16 if data.len() <= 64 || kind == 11 => {}
                    13 => long = data.to_vec(),
                    20 => all.encoding = encoding_rs::Encoding::for_label(data),
                    10 if data.len() < 256 => {}
                    // Sets, attributes, long labels: words about variables.
                    _ => inside.hidden(format!("record {kind}"), utf8(data)),
                }
            }
            999 => {
                at.take(4)?;
                break;
            }
            _ => return Err(damaged("a record of no known kind")),
        }
    }
    for (labels, places) in sets {
        let labels: Labels = labels.into_iter().map(|(v, l)| (v, all.text(&l))).collect();
        about(inside, "value labels", labels.values());
        for place in places {
            // Places are counted from one.
            let variable = place.checked_sub(1).and_then(|p| all.places.get(p)).copied();
            if let Some(variable) = variable.and_then(|v| all.variables.get_mut(v)) {
                variable.labels.clone_from(&labels);
            }
        }
    }
    let described: Vec<String> = described.iter().map(|d| all.text(d)).collect();
    about(inside, "variable labels", &described);
    for pair in all.text(&long).split('\t') {
        if let Some((short, name)) = pair.split_once('=')
            && let Some(variable) = all.variables.iter_mut().find(|v| v.name == short)
        {
            name.clone_into(&mut variable.name);
        }
    }
    Ok(all)
}
