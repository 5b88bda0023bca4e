//! What stored values mean, and how they look as text.

use super::layout;
use super::{Fault, damaged};
use sekisho_policy::facts::ProblemKind;

/// How values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// One bit each.
    Bits,
    /// This many bytes each.
    Fixed(usize),
    /// A length, then bytes.
    Counted,
}

/// What values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Yes or no.
    Truth,
    /// A whole number.
    Signed,
    /// A whole number from 0.
    Unsigned,
    /// A fraction by its width.
    Real,
    /// A day.
    Day,
    /// A moment; so many units a second.
    Moment(i64),
    /// A moment in the old form of nanoseconds and a Julian day.
    Julian,
    /// A number with decimals, its bytes in the order of the machine or turned round.
    Decimal(usize, bool),
    /// Text.
    Text,
}

/// One column of the schema.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// Its path, with dots.
    pub name: String,
    /// How it is stored.
    pub stored: Stored,
    /// What it means.
    pub meaning: Meaning,
    /// The level at which a value is there.
    pub defined: u32,
    /// The level at which an item of the innermost list is there.
    pub item: u32,
    /// How deep lists are nested.
    pub repeated: u32,
}

/// One value as text.
pub fn shown(leaf: &Leaf, value: &[u8]) -> Result<String, Fault> {
    let signed = |bytes: &[u8]| {
        let mut wide = if bytes.last().is_some_and(|b| b & 0x80 != 0) { [0xff; 16] } else { [0; 16] };
        if let Some(low) = wide.get_mut(..bytes.len()) {
            low.copy_from_slice(bytes);
        }
        i128::from_le_bytes(wide)
    };
    let whole = |bytes: &[u8]| signed(bytes) as i64;
    Ok(match leaf.meaning {
        Meaning::Truth => if value == [0] { "false" } else { "true" }.to_owned(),
        Meaning::Signed => whole(value).to_string(),
        Meaning::Unsigned => {
            let mut wide = [0; 8];
            if let Some(low) = wide.get_mut(..value.len()) {
                low.copy_from_slice(value);
            }
            u64::from_le_bytes(wide).to_string()
        }
        Meaning::Real => match value {
            [a, b] => layout::half(u16::from_le_bytes([*a, *b])),
            [a, b, c, d] => layout::short(f32::from_le_bytes([*a, *b, *c, *d])),
            [a, b, c, d, e, f, g, h] => layout::real(f64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h])),
            _ => return Err(damaged("a number of no known width")),
        },
        Meaning::Day => layout::day(whole(value)),
        Meaning::Moment(per) => layout::moment(whole(value), per),
        Meaning::Julian => {
            let (nanos, days) = value.split_at_checked(8).ok_or_else(|| damaged("a damaged moment"))?;
            let seconds = (whole(days) - 2_440_588).saturating_mul(86_400);
            layout::moment(seconds.saturating_add(whole(nanos) / 1_000_000_000), 1)
        }
        Meaning::Decimal(scale, turned) => {
            if value.is_empty() || value.len() > 16 {
                return Err(damaged("a number of more digits than are read"));
            }
            let mut bytes = value.to_vec();
            if turned {
                bytes.reverse();
            }
            layout::decimal(signed(&bytes), scale)
        }
        Meaning::Text => match std::str::from_utf8(value) {
            Ok(text) => text.to_owned(),
            Err(_) => return Err((ProblemKind::NotText, format!("{}: bytes that are no text", leaf.name))),
        },
    })
}
