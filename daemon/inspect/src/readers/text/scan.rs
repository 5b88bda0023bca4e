//! What must not ride along in any text: encoded data, DNA, personal identifiers.

use crate::readers::counts::cells::{self, Read};
use crate::readers::counts::personal;
use crate::readers::tally::{Tally, words};
use sekisho_policy::facts::What;

/// Longest run of letters without a space that words and paths have.
const LONGEST_RUN: usize = 120;
/// Characters written as numbers in one word.
const MANY_ESCAPES: usize = 8;
/// Letters and digits without an order that names have.
const LONGEST_NAME: usize = 32;
/// Bases in a row that no word has: the limit of independent sites, and one.
const LONGEST_DNA: usize = 41;

/// Looks at one line.
pub fn line(text: &[u8], number: u64, about: u32, tally: &mut Tally) {
    encoded(text, number, about, tally);
    if personal::identifies(text) {
        tally.add(What::MaybePersonal, about, || (format!("line {number}"), String::new()));
    }
    if let Some(label) = labelled(text) {
        tally.add(What::MaybePersonal, about, || (format!("line {number}"), label.to_owned()));
    }
}

/// Looks for encoded data and DNA.
pub fn encoded(text: &[u8], number: u64, about: u32, tally: &mut Tally) {
    let place = || format!("line {number}");
    let (mut runs, mut sixteens) = (0, 0);
    for run in text.split(|b| {
        b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'(' | b')' | b',' | b'<' | b'>' | b'|')
    }) {
        runs += usize::from(!run.is_empty());
        sixteens += usize::from(hexadecimal(run));
        let letters = |set: &dyn Fn(u8) -> bool| run.iter().all(|b| set(*b));
        let rule = letters(&|b| matches!(b, b'*' | b'-' | b'=' | b'#' | b'_' | b'~' | b'+' | b'.' | b'/'));
        let encoded = run.len() > LONGEST_RUN
            && !rule
            && letters(&|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_'))
            && run.iter().filter(|b| **b == b'/').count() * 12 < run.len();
        let number = run.len() >= LONGEST_DNA && letters(&|b| b.is_ascii_digit() || b == b'.') && !rule;
        let dna = run.len() >= LONGEST_DNA && letters(&|b| b"ACGTNacgtn".contains(&b));
        let escaped =
            run.windows(2).filter(|w| w[0] == b'\\' && matches!(w[1], b'x' | b'u' | b'0'..=b'9')).count()
                >= MANY_ESCAPES
                || run.iter().filter(|b| **b == b'%').count() >= 4 * MANY_ESCAPES;
        if encoded || dna || number || escaped || digits(run) || run.len() >= LONGEST_NAME && random(run) {
            tally.add(What::EncodedText, about, || (place(), words(&run[..run.len().min(24)])));
        }
    }
    // Marks and large letters in turn, as uuencode and its kin write bytes; its first line says so by itself.
    let marked = |word: &[u8]| {
        let marks = word.iter().filter(|b| b.is_ascii_punctuation()).count();
        word.len() >= LONGEST_NAME
            && !word.iter().any(u8::is_ascii_lowercase)
            && marks * 6 >= word.len()
            && marks * 3 <= word.len() * 2
    };
    let uuencoded = text.split(u8::is_ascii_whitespace).any(marked)
        || memchr::memmem::find(text, b"begin ").is_some_and(|at| {
            matches!(text[at + 6..], [a, b, c, b' ', _, ..] if [a, b, c].iter().all(|d| (b'0'..=b'7').contains(d)))
        });
    if uuencoded || many_hexadecimal(sixteens, runs) {
        tally.add(What::EncodedText, about, || (place(), words(&text[..text.len().min(24)])));
    }
}

/// Are so many of the words of a line, or of the cells of a row or column, hexadecimal that they are one code?
fn many_hexadecimal(hexadecimal: usize, all: usize) -> bool {
    hexadecimal >= 6 && hexadecimal * 4 >= all
}

/// Words that are one code, hexadecimal or of bases, cut into pieces.
pub fn in_pieces<'a>(words: impl Iterator<Item = &'a [u8]>) -> bool {
    let (mut all, mut found, mut bases) = (0, 0, 0);
    for word in words.map(<[u8]>::trim_ascii).filter(|w| !w.is_empty()) {
        all += 1;
        found += usize::from(hexadecimal(word));
        bases += usize::from(word.len() >= PIECE_OF_DNA && word.iter().all(|b| b"ACGTacgt".contains(b)));
    }
    many_hexadecimal(found, all) || bases >= 6 && bases * 2 >= all
}

/// Bases that an allele or a haplotype in a table of results seldom has.
const PIECE_OF_DNA: usize = 12;

/// A hexadecimal number, and neither a decimal one, nor a word, nor a letter and a number (`C509`).
fn hexadecimal(run: &[u8]) -> bool {
    let digits = run.iter().filter(|b| b.is_ascii_digit()).count();
    let one_case = !(run.iter().any(u8::is_ascii_lowercase) && run.iter().any(u8::is_ascii_uppercase));
    run.len() >= 4
        && one_case
        && run.iter().all(u8::is_ascii_hexdigit)
        && (1..run.len()).contains(&digits)
        && !(run[0].is_ascii_alphabetic() && digits + 1 == run.len())
        && crate::readers::printed::parse(run).is_none()
}

/// Letters and digits in an order that no name has: small and large letters and digits take turns, or are hexadecimal.
pub fn random(text: &[u8]) -> bool {
    let kind = |b: &u8| match b {
        b'0'..=b'9' => 1,
        b'a'..=b'z' => 2,
        b'A'..=b'Z' => 3,
        _ => 0,
    };
    let text = text.trim_ascii();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_');
    let digits = text.iter().filter(|b| b.is_ascii_digit()).count();
    if text.len() >= 8 && hexadecimal(text) && digits >= 2 && text.len() - digits >= 2 {
        return true;
    }
    text.len() >= 16
        && text.iter().all(plain)
        && text.windows(2).filter(|w| kind(&w[0]) != kind(&w[1])).count() * 3 >= text.len()
}

/// Cells of a column that look like this before the column is called encoded.
pub const MOST_RANDOM: u64 = 5;

/// A long run of genotype digits, which no number is.
pub fn digits(run: &[u8]) -> bool {
    run.len() >= LONGEST_DNA && run.iter().all(|b| matches!(b, b'0' | b'1' | b'2' | b'9' | b'.')) && {
        let points = run.iter().filter(|b| **b == b'.').count();
        // A number has one point, and is not written with zeros alone.
        points != run.len() && run.iter().any(|b| matches!(b, b'1' | b'2'))
    }
}

/// A label of an identifier with something behind it.
fn labelled(text: &[u8]) -> Option<&'static str> {
    const LABELS: [&str; 8] = [
        "患者ID",
        "患者番号",
        "カルテ番号",
        "氏名",
        "生年月日",
        "マイナンバー",
        "被保険者番号",
        "診察券番号",
    ];
    let text = std::str::from_utf8(text).ok()?;
    LABELS.iter().copied().find(|label| {
        text.split(label).skip(1).any(|after| {
            let after = after.trim_start();
            after.starts_with([':', '：', '=', '＝']) && after.chars().any(char::is_alphanumeric)
        })
    })
}

/// Does the line hold a number that stands alone?
pub fn has_number(text: &[u8]) -> bool {
    text.split(|b| {
        b.is_ascii_whitespace()
            || matches!(b, b'(' | b')' | b',' | b';' | b'=' | b':' | b'|' | b'[' | b']' | b'%')
    })
    .any(|w| crate::readers::printed::parse(w.strip_suffix(b".").unwrap_or(w)).is_some())
}

/// `12 (3.4%)` is a count wherever it stands.
pub fn counts(text: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    memchr::memchr_iter(b'(', text).filter_map(move |at| {
        let before = text[..at].trim_ascii_end();
        let start = before.iter().rposition(|b| !(b.is_ascii_digit() || *b == b',')).map_or(0, |p| p + 1);
        let joined = start > 0
            && (matches!(before[start - 1], b'.' | b'-' | b'/' | b'=')
                || before[start - 1].is_ascii_alphanumeric());
        let end = at + memchr::memchr(b')', &text[at..])? + 1;
        let percent = text[at..end].iter().any(|b| matches!(b, b'%' | b'.'));
        match cells::read(&text[start..end]) {
            Read::CountPercent { count, .. } if percent && !joined => Some((count, &text[start..end])),
            _ => None,
        }
    })
}
