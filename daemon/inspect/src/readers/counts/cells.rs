//! What one cell of a table says.

use crate::readers::printed::{self, Number};

/// A cell, read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Read {
    /// Nothing.
    Empty,
    /// Hidden on purpose; what the mark gives away.
    Suppressed {
        /// Smallest possible count.
        low: u64,
        /// Largest possible count.
        high: u64,
    },
    /// A number.
    Number(Number),
    /// `12 (3.4)`, `12 (3.4%)`: a count and its percentage with its decimals.
    CountPercent {
        /// People.
        count: u64,
        /// Percentage.
        percent: f64,
        /// Decimals of the percentage.
        decimals: u32,
    },
    /// A suppressed count with its percentage left standing, `<10 (3.4%)`.
    SuppressedPercent {
        /// Percentage.
        percent: f64,
        /// Decimals of the percentage.
        decimals: u32,
    },
    /// A percentage, `3.4%`.
    Percent {
        /// Percentage.
        percent: f64,
        /// Its decimals.
        decimals: u32,
    },
    /// `12/345`: people of people.
    Of {
        /// People.
        count: u64,
        /// Of so many.
        of: u64,
    },
    /// Words.
    Words,
}

/// Reads a cell.
pub fn read(text: &[u8]) -> Read {
    let text = text.trim_ascii();
    if text.is_empty() || matches!(text, b"NA" | b"." | b"NaN" | b"nan" | b"N/A") {
        return Read::Empty;
    }
    if let Some((low, high)) = suppressed(text) {
        return Read::Suppressed { low, high };
    }
    if let Some(n) = number(text) {
        return Read::Number(n);
    }
    if let Some((percent, decimals)) = percent(text, true) {
        return Read::Percent { percent, decimals };
    }
    if let Some(open) = text.iter().position(|b| *b == b'(' || *b == b'[') {
        let (before, inside) = (text[..open].trim_ascii(), &text[open + 1..]);
        let inside =
            inside.strip_suffix(b")").or_else(|| inside.strip_suffix(b"]")).unwrap_or_default().trim_ascii();
        if let Some((percent, decimals)) = percent(inside, false) {
            if let Some(count) = printed::count(before) {
                return Read::CountPercent { count, percent, decimals };
            }
            if suppressed(before).is_some() {
                return Read::SuppressedPercent { percent, decimals };
            }
        }
        return Read::Words;
    }
    if let Some(slash) = text.iter().position(|b| *b == b'/')
        && let (Some(count), Some(of)) = (printed::count(&text[..slash]), printed::count(&text[slash + 1..]))
        && count <= of
    {
        return Read::Of { count, of };
    }
    Read::Words
}

/// A number, thousands by comma allowed.
fn number(text: &[u8]) -> Option<Number> {
    if let Some(n) = printed::parse(text) {
        return Some(n);
    }
    let grouped = text.contains(&b',').then(|| printed::count(text)).flatten()?;
    Some(Number { value: grouped as f64, decimals: 0, significant: 0, whole: true })
}

/// `3.4%`; without the sign only where it is `allowed` to be missing.
fn percent(text: &[u8], sign: bool) -> Option<(f64, u32)> {
    let bare = text.strip_suffix(b"%").or_else(|| text.strip_suffix("％".as_bytes()));
    if sign && bare.is_none() {
        return None;
    }
    let n = printed::parse(bare.unwrap_or(text).trim_ascii())?;
    (0.0..=100.0).contains(&n.value).then_some((n.value, n.decimals))
}

/// Marks of suppression: `<10`, `≤5`, `10未満`, `1-9`, `*`, `x`, `suppressed`, `秘匿`.
pub fn suppressed(text: &[u8]) -> Option<(u64, u64)> {
    let text = text.trim_ascii();
    let words = std::str::from_utf8(text).ok()?;
    let lower = words.to_lowercase();
    if matches!(
        lower.as_str(),
        "*" | "**"
            | "***"
            | "†"
            | "x"
            | "xx"
            | "s"
            | "[s]"
            | "[c]"
            | "c"
            | "suppressed"
            | "masked"
            | "redacted"
            | "hidden"
            | "秘匿"
            | "非公表"
            | "…"
            | "-"
            | "–"
            | "—"
            | "#"
            | "＊"
            | "×"
            | "〇"
            | "[redacted]"
            | "(s)"
            | "n/d"
    ) {
        return Some((0, u64::MAX));
    }
    for (mark, less) in [("<=", 0), ("≤", 0), ("＜", 1), ("<", 1), ("&lt;", 1)] {
        if let Some(rest) = words.strip_prefix(mark) {
            let limit = printed::count(rest.trim().as_bytes())?;
            return Some((0, limit.saturating_sub(less)));
        }
    }
    if let Some(rest) = words.strip_suffix("未満") {
        return Some((0, printed::count(rest.trim().as_bytes())?.saturating_sub(1)));
    }
    if let Some(rest) = words.strip_suffix("以下") {
        return Some((0, printed::count(rest.trim().as_bytes())?));
    }
    let (low, high) = words.split_once('-')?;
    let (low, high) = (printed::whole(low.trim().as_bytes())?, printed::whole(high.trim().as_bytes())?);
    (low <= 1 && high >= low && high <= 20).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_come_with_percentages() {
        assert_eq!(
            read(b"17278392 (100.0)"),
            Read::CountPercent { count: 17_278_392, percent: 100.0, decimals: 1 }
        );
        assert_eq!(read(b"1,234 (5%)"), Read::CountPercent { count: 1234, percent: 5.0, decimals: 0 });
        assert_eq!(read(b"<10 (3.4%)"), Read::SuppressedPercent { percent: 3.4, decimals: 1 });
        assert_eq!(read(b"3/45"), Read::Of { count: 3, of: 45 });
        assert_eq!(read(b"12.5%"), Read::Percent { percent: 12.5, decimals: 1 });
        assert_eq!(read(b"54.2 (12.1)"), Read::Words, "a mean with its deviation");
    }

    #[test]
    fn marks_of_suppression_give_bounds_away() {
        assert_eq!(read(b"<10"), Read::Suppressed { low: 0, high: 9 });
        assert_eq!(read("≤5".as_bytes()), Read::Suppressed { low: 0, high: 5 });
        assert_eq!(read("10未満".as_bytes()), Read::Suppressed { low: 0, high: 9 });
        assert_eq!(read(b"1-9"), Read::Suppressed { low: 1, high: 9 });
        assert_eq!(read(b"*"), Read::Suppressed { low: 0, high: u64::MAX });
        assert_eq!(read(b"18-24"), Read::Words, "an age group");
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..30), text in "[-0-9<>%()./, n未満]{0,12}") {
            let _ = (read(&bytes), read(text.as_bytes()));
        }
    }
}
