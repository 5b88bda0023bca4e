//! Personal information in columns and in words (`5-4(1)`): identifiers by header, e-mail, telephone, My Number, and by the
//! form of their values postal codes, residence cards, passports and dates by era.

use super::grid::Grid;
use super::words::Word;
use crate::readers::tally::{Tally, words};
use sekisho_policy::facts::What;

/// Looks through all columns of a table.
pub fn columns(grid: &Grid, tally: &mut Tally) {
    let rows = grid.text.len();
    for column in 0..grid.header.len() {
        let about = tally.name(&grid.header[column]);
        let filled = grid.text.iter().filter(|r| !r[column].trim_ascii().is_empty()).count();
        if grid.roles[column] == Word::Personal || super::words::word(&grid.header[column]) == Word::Personal
        {
            let first =
                grid.text.iter().map(|r| r[column].as_slice()).find(|t| !t.is_empty()).unwrap_or_default();
            tally.add_many(What::Personal, about, filled as u64, || ("column".into(), masked(first)));
            continue;
        }
        let hits: Vec<usize> = (0..rows).filter(|r| identifies(&grid.text[*r][column])).collect();
        // A column of them is no accident; a lone one may be.
        let what =
            if hits.len() >= 3 && hits.len() * 2 >= filled { What::Personal } else { What::MaybePersonal };
        for row in hits {
            tally.add(what, about, || (grid.place(row, column), masked(&grid.text[row][column])));
        }
        for (name, has) in FORMS {
            let found = grid.text.iter().filter(|r| has(r[column].trim_ascii())).count();
            if found >= 3 && found * 10 >= filled * 8 {
                tally.add_many(What::Personal, about, found as u64, || ("column".into(), name.into()));
            }
        }
    }
}

/// A name, and whether a whole cell has the form.
type Form = (&'static str, fn(&[u8]) -> bool);

/// What a column of them cannot be by accident.
const FORMS: [Form; 5] = [
    ("my number", my_number),
    ("postal code", postal_code),
    ("residence card", |t| form(t, "AA99999999AA")),
    ("passport", |t| form(t, "AA9999999")),
    ("date by era", era_date),
];

/// Large letters for `A`, digits for `9`, anything else as it is.
fn form(text: &[u8], form: &str) -> bool {
    text.len() == form.len()
        && text.iter().zip(form.bytes()).all(|(b, f)| match f {
            b'A' => b.is_ascii_uppercase(),
            b'9' => b.is_ascii_digit(),
            _ => *b == f,
        })
}

/// `〒123-4567`, with an address behind it or not; `123-4567`.
fn postal_code(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (marked, code) = match text.strip_prefix('〒') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    let behind = code.get(8..).unwrap_or_default().trim_start();
    let prefecture =
        ["都", "道", "府", "県"].iter().any(|p| behind.chars().take(4).any(|c| p.starts_with(c)));
    code.get(..8).is_some_and(|c| form(c.as_bytes(), "999-9999"))
        && (marked || behind.is_empty() || prefecture)
}

/// `昭和34年5月6日`, `S34.5.6`, `平成元年1月8日`: a day, not a year.
fn era_date(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    const ERAS: [&str; 9] = ["明治", "大正", "昭和", "平成", "令和", "T", "S", "H", "R"];
    let Some(rest) = ERAS.iter().find_map(|era| text.strip_prefix(era)) else { return false };
    let rest = rest.trim_start().strip_suffix('日').unwrap_or(rest.trim_start());
    let parts: Vec<&str> = rest.split(['年', '月', '.', '/', '-']).map(str::trim).collect();
    parts.len() == 3
        && parts.iter().enumerate().all(|(at, part)| {
            at == 0 && *part == "元"
                || (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
        })
}

/// Does the text hold an e-mail address, a telephone number, a My Number or a postal code with its address?
pub fn identifies(text: &[u8]) -> bool {
    email(text) || telephone(text) || lone_number(text) || address(text)
}

/// Twelve digits, by themselves or in fours, whose check digit fits.
fn lone_number(text: &[u8]) -> bool {
    let numeric = |b: &u8| b.is_ascii_digit() || *b == b'-';
    text.split(|b| !(numeric(b) || b.is_ascii_alphabetic() || matches!(b, b'.' | b'_'))).any(|word| {
        (word.len() == 12 || form(word, "9999-9999-9999")) && word.iter().all(numeric) && my_number(word)
    })
}

/// `〒` and seven digits, wherever they stand.
fn address(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    text.split('〒')
        .skip(1)
        .any(|after| after.trim_start().get(..8).is_some_and(|c| form(c.as_bytes(), "999-9999")))
}

fn email(text: &[u8]) -> bool {
    let local = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+' | b'%');
    memchr::memchr_iter(b'@', text).any(|at| {
        let before = text[..at].iter().rev().take_while(|b| local(b)).count();
        let domain: Vec<u8> = text[at + 1..]
            .iter()
            .copied()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
            .collect();
        let domain = domain.strip_suffix(b".").unwrap_or(&domain);
        let last = domain.rsplit(|b| *b == b'.').next().unwrap_or_default();
        before > 0 && domain.contains(&b'.') && last.len() >= 2 && last.iter().all(u8::is_ascii_alphabetic)
    })
}

/// `03-1234-5678`, `090-1234-5678`, `+81 90 1234 5678`.
fn telephone(text: &[u8]) -> bool {
    for start in 0..text.len() {
        let rest = &text[start..];
        let alone = start == 0
            || !(text[start - 1].is_ascii_alphanumeric() || matches!(text[start - 1], b'-' | b'.' | b'+'));
        if !alone {
            continue;
        }
        let rest = match rest {
            [b'+', b'8', b'1', r @ ..] => r.strip_prefix(b" ").or(r.strip_prefix(b"-")).unwrap_or(r),
            [b'0', ..] => rest,
            _ => continue,
        };
        let (mut digits, mut dashes, mut run) = (0, 0, 0);
        let mut shape = Vec::new();
        for b in rest {
            match b {
                b'0'..=b'9' => {
                    digits += 1;
                    run += 1;
                }
                b'-' | b' ' | b'(' | b')' if run > 0 && digits < 11 => {
                    dashes += 1;
                    shape.push(run);
                    run = 0;
                }
                _ => break,
            }
        }
        shape.push(run);
        let groups: Vec<i32> = shape.into_iter().filter(|r| *r > 0).collect();
        if dashes >= 2 && groups.len() == 3 && (9..=11).contains(&digits) && groups[2] == 4 && groups[1] <= 4
        {
            return true;
        }
    }
    false
}

/// Twelve digits whose check digit fits.
pub fn my_number(text: &[u8]) -> bool {
    let digits: Vec<u32> =
        text.iter().filter(|b| **b != b'-' && **b != b' ').map(|b| u32::from(b.wrapping_sub(b'0'))).collect();
    if digits.len() != 12 || digits.iter().any(|d| *d > 9) {
        return false;
    }
    let sum: u32 = (1..=11).map(|n| digits[11 - n] * if n <= 6 { n as u32 + 1 } else { n as u32 - 5 }).sum();
    let check = match sum % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    digits[11] == check
}

/// Enough to find it, not enough to repeat it.
fn masked(text: &[u8]) -> String {
    let shown = words(text);
    let mut out: String = shown.chars().take(2).collect();
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_telephones_are_found() {
        for text in
            ["write to taro.y@example.ac.jp.", "tel 03-1234-5678", "090-1234-5678", "+81 90-1234-5678"]
        {
            assert!(identifies(text.as_bytes()), "{text}");
        }
        for text in ["user@host", "rs123@x", "2020-01-02", "0.123-0.456-0.789", "12-34-56", "p=0.01-0.02"] {
            assert!(!identifies(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn values_have_the_form_of_what_identifies_and_nothing_near_it() {
        let of = |name: &str| FORMS.iter().find(|(n, _)| *n == name).unwrap().1;
        for (name, text, expected) in [
            ("postal code", "〒113-8655", true),
            ("postal code", "113-8655", true),
            ("postal code", "113-8655 東京都文京区", true),
            ("postal code", "113-865", false),
            ("postal code", "113-86555", false),
            ("postal code", "113-8655 people", false),
            ("residence card", "AB12345678CD", true),
            ("residence card", "AB1234567CD", false),
            ("passport", "TK1234567", true),
            ("passport", "rs1234567", false),
            ("passport", "AB123456", false),
            ("date by era", "昭和34年5月6日", true),
            ("date by era", "平成元年1月8日", true),
            ("date by era", "S34.5.6", true),
            ("date by era", "平成30年", false),
            ("date by era", "H3K27", false),
            ("date by era", "R2.0", false),
        ] {
            assert_eq!(of(name)(text.as_bytes()), expected, "{name}: {text}");
        }
        assert!(identifies("番号は 1234-5678-9018 です".as_bytes()));
        assert!(!identifies(b"rs123456789018 and 0.123456789018"));
        assert!(identifies("連絡先 〒113-8655 東京都".as_bytes()));
    }

    #[test]
    fn my_numbers_are_known_by_their_check_digit() {
        assert!(my_number(b"123456789018"));
        assert!(!my_number(b"123456789012"));
        assert!(!my_number(b"12345"));
    }
}
