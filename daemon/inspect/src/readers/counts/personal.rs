//! Personal information in columns and in words (`5-4(1)`): identifiers by header, e-mail, telephone, My Number.

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
        let numbers = grid.text.iter().filter(|r| my_number(r[column].trim_ascii())).count();
        if numbers >= 3 && numbers * 10 >= filled * 8 {
            tally.add_many(What::Personal, about, numbers as u64, || ("column".into(), "my number".into()));
        }
    }
}

/// Does the text hold an e-mail address or a telephone number?
pub fn identifies(text: &[u8]) -> bool {
    email(text) || telephone(text)
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
    fn my_numbers_are_known_by_their_check_digit() {
        assert!(my_number(b"123456789018"));
        assert!(!my_number(b"123456789012"));
        assert!(!my_number(b"12345"));
    }
}
