//! Decimal numbers straight from bytes, with how they were printed.

/// A number and its printed shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    /// Its value.
    pub value: f64,
    /// Digits after the point, the exponent taken in: `1.5e-3` has four.
    pub decimals: u32,
    /// Significant digits as printed, without leading and trailing zeros.
    pub significant: u32,
    /// Written without point and exponent.
    pub whole: bool,
}

const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Parses a decimal number; `None` for anything else, spaces included.
#[inline]
pub fn parse(text: &[u8]) -> Option<Number> {
    // Short numbers without exponent are nearly all there are.
    if text.len() <= 18 {
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let (mut mantissa, mut point, mut other) = (0_u64, usize::MAX, false);
        for (at, byte) in digits.iter().enumerate() {
            let digit = byte.wrapping_sub(b'0');
            if digit < 10 {
                mantissa = mantissa * 10 + u64::from(digit);
            } else if *byte == b'.' && point == usize::MAX {
                point = at;
            } else {
                other = true;
                break;
            }
        }
        let after = if point == usize::MAX { 0 } else { digits.len() - point - 1 };
        let seen = digits.len() - usize::from(point != usize::MAX);
        if !other && seen > 0 && mantissa < 1 << 53 {
            let value = mantissa as f64 / POWERS[after];
            return Some(Number {
                value: if negative { -value } else { value },
                decimals: after as u32,
                significant: significant(mantissa),
                whole: point == usize::MAX,
            });
        }
    }
    parse_any(text)
}

/// Digits without zeros at the end.
#[inline]
fn significant(mut mantissa: u64) -> u32 {
    if mantissa == 0 {
        return 0;
    }
    while mantissa.is_multiple_of(10) {
        mantissa /= 10;
    }
    mantissa.ilog10() + 1
}

fn parse_any(text: &[u8]) -> Option<Number> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (mut mantissa, mut kept, mut point, mut seen) = (0_u64, 0_u32, None, 0_u32);
    let (mut dropped, mut trailing_zeros) = (0_i32, 0_u32);
    let mut at = 0;
    while at < digits.len() {
        match digits[at] {
            d @ b'0'..=b'9' => {
                seen += 1;
                if kept > 0 || d != b'0' {
                    if kept < 19 {
                        mantissa = mantissa * 10 + u64::from(d - b'0');
                    } else {
                        dropped += 1;
                    }
                    kept += 1;
                    trailing_zeros = if d == b'0' { trailing_zeros + 1 } else { 0 };
                }
            }
            b'.' if point.is_none() => point = Some(seen),
            b'e' | b'E' => break,
            _ => return None,
        }
        at += 1;
    }
    if seen == 0 {
        return None;
    }
    let mut exponent = 0_i32;
    let scientific = at < digits.len();
    if scientific {
        let (sign, rest) = match &digits[at + 1..] {
            [b'-', rest @ ..] => (-1, rest),
            [b'+', rest @ ..] => (1, rest),
            rest => (1, rest),
        };
        if rest.is_empty() || rest.len() > 5 || !rest.iter().all(u8::is_ascii_digit) {
            return None;
        }
        exponent = sign * rest.iter().fold(0, |n, d| n * 10 + i32::from(d - b'0'));
    }
    let after_point = point.map_or(0, |p| seen - p) as i32;
    let power = exponent - after_point + dropped;
    let magnitude = mantissa as f64;
    let value = match power {
        0 => magnitude,
        1..=22 => magnitude * POWERS[power as usize],
        -22..=-1 => magnitude / POWERS[(-power) as usize],
        _ => magnitude * 10_f64.powi(power),
    };
    Some(Number {
        value: if negative { -value } else { value },
        decimals: (after_point - exponent).clamp(0, 400) as u32,
        significant: kept - trailing_zeros,
        whole: point.is_none() && !scientific,
    })
}

/// A whole number without sign.
pub fn whole(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0_u64, |n, d| d.is_ascii_digit().then(|| n * 10 + u64::from(d - b'0')))
}

/// A whole number, also as `12.0` or `1,234`.
pub fn count(text: &[u8]) -> Option<u64> {
    if let Some(n) = whole(text) {
        return Some(n);
    }
    if text.contains(&b',') {
        let mut groups = text.split(|b| *b == b',');
        let first = groups.next()?;
        let well_formed = (1..=3).contains(&first.len()) && groups.all(|g| g.len() == 3);
        let digits: Vec<u8> = text.iter().copied().filter(|b| *b != b',').collect();
        return if well_formed { whole(&digits) } else { None };
    }
    let number = parse(text)?;
    (number.value >= 0.0 && number.value < 1e15 && number.value.fract() == 0.0).then_some(number.value as u64)
}

/// What tools print where there is no value.
pub fn is_missing(text: &[u8]) -> bool {
    matches!(
        text,
        b"" | b"NA"
            | b"."
            | b"nan"
            | b"NaN"
            | b"na"
            | b"N/A"
            | b"-"
            | b"NULL"
            | b"None"
            | b"-nan"
            | b"inf"
            | b"Inf"
            | b"-inf"
            | b"-Inf"
            | b"INF"
            | b"n/a"
            | b"#N/A"
            | b"--"
            | b"-9"
    )
}

/// `text` rounded to `digits` significant digits, written shortly.
pub fn rounded(text: &[u8], digits: u32) -> Option<String> {
    let value = parse(text)?.value;
    let places = digits.max(1) as usize - 1;
    let short: f64 = format!("{value:.places$e}").parse().ok()?;
    let plain = short == 0.0 || (1e-4..1e15).contains(&short.abs());
    Some(if plain { format!("{short}") } else { format!("{short:e}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shapes_are_kept() {
        let n = parse(b"0.0305").unwrap();
        assert_eq!((n.value, n.decimals, n.significant, n.whole), (0.0305, 4, 3, false));
        let n = parse(b"1.50e-3").unwrap();
        assert_eq!((n.value, n.decimals, n.significant), (0.0015, 5, 2));
        assert!(parse(b"120").unwrap().whole);
        assert_eq!(parse(b"-.5").unwrap().value, -0.5);
        assert_eq!(parse(b"0.30000000000000004").unwrap().significant, 17);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".", "1e", "e5", "1.2.3", "12a", " 1", "0x1f", "1e+999999", "--1"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn counts_come_in_three_shapes() {
        assert_eq!(count(b"1234"), Some(1234));
        assert_eq!(count(b"1,234"), Some(1234));
        assert_eq!(count(b"12.0"), Some(12));
        assert_eq!(count(b"1,23"), None);
        assert_eq!(count(b"12.5"), None);
        assert_eq!(count(b"-3"), None);
    }

    #[test]
    fn rounding_keeps_the_limit_of_digits() {
        assert_eq!(rounded(b"0.123456789", 6).unwrap(), "0.123457");
        assert_eq!(rounded(b"1.23456789e-20", 6).unwrap(), "1.23457e-20");
        assert_eq!(rounded(b"-3.00000000001", 6).unwrap(), "-3");
    }

    proptest! {
        #[test]
        fn the_short_way_says_what_the_long_one_does(text in "[-+]?[0-9]{0,12}[.]?[0-9]{0,8}(e[0-9])?") {
            prop_assert_eq!(parse(text.as_bytes()), parse_any(text.as_bytes()), "{}", text);
        }

        #[test]
        fn agrees_with_the_standard_library(v in -1e12_f64..1e12, digits in 0_usize..9) {
            let text = format!("{v:.digits$}");
            let expected: f64 = text.parse().unwrap();
            let got = parse(text.as_bytes()).unwrap().value;
            prop_assert!((got - expected).abs() <= expected.abs() * 1e-15, "{text}");
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (parse(&bytes), count(&bytes), whole(&bytes), rounded(&bytes, 6));
        }
    }
}
