//! What must not ride along in any text: encoded data, DNA, personal identifiers.

use crate::readers::counts::cells::{self, Read};
use crate::readers::counts::personal;
use crate::readers::tally::{Tally, words};
use sekisho_policy::facts::What;

/// Longest run of letters without a space that words and paths have.
const LONGEST_RUN: usize = 120;
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
    for run in text.split(|b| {
        b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'(' | b')' | b',' | b'<' | b'>' | b'|')
    }) {
        let letters = |set: &dyn Fn(u8) -> bool| run.iter().all(|b| set(*b));
        let rule = letters(&|b| matches!(b, b'*' | b'-' | b'=' | b'#' | b'_' | b'~' | b'+' | b'.' | b'/'));
        let encoded = run.len() > LONGEST_RUN
            && !rule
            && letters(&|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_'))
            && run.iter().filter(|b| **b == b'/').count() * 12 < run.len();
        let dna = run.len() >= LONGEST_DNA && letters(&|b| b"ACGTNacgtn".contains(&b));
        let escaped = run.windows(2).filter(|w| w == b"\\x").count() >= 8;
        if encoded || dna || escaped || digits(run) {
            tally.add(What::EncodedText, about, || (place(), words(&run[..run.len().min(24)])));
        }
    }
}

/// Letters and digits in an order that no name has: small and large letters and digits take turns.
pub fn random(text: &[u8]) -> bool {
    let kind = |b: &u8| match b {
        b'0'..=b'9' => 1,
        b'a'..=b'z' => 2,
        b'A'..=b'Z' => 3,
        _ => 0,
    };
    let text = text.trim_ascii();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_');
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
