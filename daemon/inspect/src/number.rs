//! Numbers out of bytes, without allocation.

/// A whole number; only digits, at most 19 of them.
pub fn whole(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter().try_fold(0u64, |n, b| b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0')))
}

/// A decimal number: `12`, `-0.5`, `1e-9`, `.5`; not `inf`, not `nan`.
pub fn decimal(text: &[u8]) -> Option<f64> {
    const POWERS: [f64; 16] =
        [1., 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 40 {
        return None;
    }
    // The common case: up to 15 digits with at most one point is exact in one division.
    let (mut mantissa, mut places, mut seen, mut point) = (0u64, 0usize, 0usize, false);
    for &b in digits {
        match b {
            b'0'..=b'9' if seen < 15 => {
                mantissa = mantissa * 10 + u64::from(b - b'0');
                seen += 1;
                places += usize::from(point);
            }
            b'.' if !point => point = true,
            _ => return slow(text),
        }
    }
    if seen == 0 {
        return None;
    }
    #[allow(clippy::cast_precision_loss)] // at most 15 digits
    let value = mantissa as f64 / POWERS[places];
    Some(if negative { -value } else { value })
}

fn slow(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E')) {
        return None;
    }
    text.parse().ok().filter(|n: &f64| n.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_decimal_is_what_the_standard_library_reads(n in -1e6f64..1e6) {
            for text in [format!("{n}"), format!("{n:.3}"), format!("{n:e}")] {
                prop_assert_eq!(decimal(text.as_bytes()), text.parse().ok());
            }
        }

        #[test]
        fn any_bytes_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            let _ = (decimal(&bytes), whole(&bytes));
        }
    }
}
