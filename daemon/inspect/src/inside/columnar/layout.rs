//! How stored values look as text: whole numbers, fractions, days and times.

/// Seconds of a day.
const DAY: i64 = 86_400;

/// A day counted from 1970-01-01; a number where no calendar reaches.
pub fn day(days: i64) -> String {
    if !(-800_000..=3_000_000).contains(&days) {
        return days.to_string();
    }
    // Years that begin in March, in eras of 400 years.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{of_month:02}")
}

/// A moment in units of which `per` make a second. Midnight is the day alone.
pub fn moment(units: i64, per: i64) -> String {
    let seconds = units.div_euclid(per);
    let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let part = units.rem_euclid(per);
    if rest == 0 && part == 0 {
        return day(days);
    }
    let (hours, minutes, seconds) = (rest / 3600, rest / 60 % 60, rest % 60);
    let digits = per.ilog10() as usize;
    let part = if part == 0 { String::new() } else { format!(".{part:0digits$}") };
    format!("{} {hours:02}:{minutes:02}:{seconds:02}{part}", day(days))
}

/// A whole number with this many decimals.
pub fn decimal(number: i128, scale: usize) -> String {
    if scale == 0 || scale > 38 {
        return number.to_string();
    }
    let digits = format!("{:0width$}", number.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{part}", if number < 0 { "-" } else { "" })
}

/// A fraction; what is no number is missing.
pub fn real(number: f64) -> String {
    if number.is_nan() { String::new() } else { number.to_string() }
}

/// A short fraction, with its own digits and no others.
pub fn short(number: f32) -> String {
    if number.is_nan() { String::new() } else { number.to_string() }
}

/// A fraction of sixteen bits.
pub fn half(bits: u16) -> String {
    let (sign, exponent, part) = (bits >> 15, i32::from(bits >> 10 & 31), f32::from(bits & 0x3ff));
    let size = match exponent {
        0 => part / 1024.0 * 2_f32.powi(-14),
        31 => return String::new(),
        _ => (1.0 + part / 1024.0) * 2_f32.powi(exponent - 15),
    };
    short(if sign == 1 { -size } else { size })
}

#[cfg(test)]
mod tests {
    #[test]
    fn days_are_those_of_the_calendar() {
        for (days, text) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (20_000, "2024-10-04"),
            (-3653, "1960-01-01"),
        ] {
            assert_eq!(super::day(days), text);
        }
        assert_eq!(super::moment(86_400_500, 1000), "1970-01-02 00:00:00.500");
        assert_eq!(super::decimal(-5, 2), "-0.05");
        assert_eq!(super::half(0x3c00), "1");
    }
}
