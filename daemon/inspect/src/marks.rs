//! Many bytes at once: where separators stand in a block, and what a short field is made of.
//!
//! On x86-64 with the instructions that every such processor has; elsewhere byte by byte, with the same answers.

/// Longest field that is looked at in one step, and bytes that must follow the beginning of any.
pub const WIDTH: usize = 16;

/// Which bytes of up to sixteen are what: bit by bit, the first byte lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes {
    /// Decimal digits.
    pub digits: u32,
    /// Zeros among them.
    pub zeros: u32,
    /// Decimal points.
    pub points: u32,
    /// The bytes of the field.
    pub all: u32,
    /// The first is a minus.
    pub minus: u32,
}

impl Bytes {
    /// Looks at `length` bytes from `from`; `None` when the field is too long or the block ends too soon behind it.
    #[inline]
    pub fn of(text: &[u8], from: usize, length: usize) -> Option<Self> {
        let sixteen: &[u8; WIDTH] = text.get(from..)?.first_chunk()?;
        if length > WIDTH {
            return None;
        }
        let all = (1_u32 << length) - 1;
        let (digits, zeros, points) = imp::digits_zeros_points(sixteen);
        let minus = u32::from(sixteen[0] == b'-') & all;
        Some(Self { digits: digits & all, zeros: zeros & all, points: points & all, all, minus })
    }

    /// Digits only, at least one.
    #[inline]
    pub fn whole(self) -> bool {
        self.all != 0 && self.digits == self.all
    }

    /// Digits with at most one point and perhaps a minus before them.
    #[inline]
    pub fn decimal(self) -> bool {
        self.digits != 0
            && self.digits | self.points | self.minus == self.all
            && self.points & self.points.wrapping_sub(1) == 0
    }

    /// Of a decimal number with a point: does it have at most `limit` significant digits? Without a point: true.
    #[inline]
    pub fn short(self, limit: u32) -> bool {
        let counted = self.digits & !self.zeros;
        if self.points == 0 || counted == 0 {
            return true;
        }
        let lowest = counted & counted.wrapping_neg();
        let inside = self.points > lowest && self.points < counted;
        let span = 32 - counted.leading_zeros() - counted.trailing_zeros();
        span - u32::from(inside) <= limit
    }
}

/// Up to eight digits as a number. They must be digits.
#[inline]
pub fn number(text: &[u8], from: usize, length: usize) -> Option<u64> {
    let eight: &[u8; 8] = text.get(from..)?.first_chunk()?;
    if length == 0 || length > 8 {
        return None;
    }
    Some(eight_digits(u64::from_le_bytes(*eight) << (8 * (8 - length))))
}

/// The first eight digits behind a point, as if zeros followed them: `0.0305` from its third byte is 3,050,000.
#[inline]
pub fn hundred_millionths(text: &[u8], from: usize, length: usize) -> Option<u64> {
    let eight: &[u8; 8] = text.get(from..)?.first_chunk()?;
    let length = length.min(8);
    let kept = if length == 0 { 0 } else { u64::MAX >> (8 * (8 - length)) };
    Some(eight_digits(u64::from_le_bytes(*eight) & kept))
}

/// Digits, the first in the lowest byte; bytes that are no digits count as zero when they are zero.
#[inline]
fn eight_digits(digits: u64) -> u64 {
    let ones = digits & 0x0f0f_0f0f_0f0f_0f0f;
    let tens = (ones.wrapping_mul(10) + (ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let hundreds = (tens.wrapping_mul(100) + (tens >> 16)) & 0x0000_ffff_0000_ffff;
    (hundreds.wrapping_mul(10_000) + (hundreds >> 32)) & 0xffff_ffff
}

/// Where separators and line feeds stand in a block.
#[derive(Debug, Default)]
pub struct Marks {
    ends: List,
    feeds: List,
    fields: List,
}

/// Places in order, in memory that is kept.
#[derive(Debug, Default)]
struct List {
    places: Vec<u32>,
    used: usize,
}

impl Marks {
    /// Finds them: `field` separates fields, `part` parts of fields (the same byte when there are none). Blocks are
    /// far smaller than four gigabytes; of a larger one nothing is found.
    pub fn find(&mut self, text: &[u8], field: u8, part: u8) {
        (self.ends.used, self.feeds.used, self.fields.used) = (0, 0, 0);
        if u32::try_from(text.len()).is_err() {
            return;
        }
        let (chunks, rest) = text.as_chunks::<64>();
        let two = field != part;
        let mut base = 0;
        for chunk in chunks {
            self.note(imp::masks(chunk, field, part), base, two);
            base += 64;
        }
        let mut last = [0; 64];
        last[..rest.len()].copy_from_slice(rest);
        let valid = (1_u64 << rest.len()) - 1;
        let (fields, parts, feeds) = imp::masks(&last, field, part);
        self.note((fields & valid, parts & valid, feeds & valid), base, two);
    }

    /// Separators of both kinds and line feeds.
    pub fn ends(&self) -> &[u32] {
        &self.ends.places[..self.ends.used]
    }

    /// Line feeds.
    pub fn feeds(&self) -> &[u32] {
        &self.feeds.places[..self.feeds.used]
    }

    /// Separators of fields, where they differ from those of parts.
    pub fn fields(&self) -> &[u32] {
        &self.fields.places[..self.fields.used]
    }

    #[inline]
    fn note(&mut self, (fields, parts, feeds): (u64, u64, u64), base: u32, two: bool) {
        self.ends.put(fields | parts | feeds, base);
        if feeds != 0 {
            self.feeds.put(feeds, base);
        }
        if two {
            self.fields.put(fields, base);
        }
    }
}

impl List {
    /// Adds the places of set bits, eight at a time whether there are as many or not: `used` says how many count.
    #[inline]
    fn put(&mut self, mut mask: u64, base: u32) {
        if self.places.len() < self.used + 64 {
            self.places.resize((self.used + 64) * 2, 0);
        }
        let count = mask.count_ones() as usize;
        let (eights, _) = self.places[self.used..self.used + 64].as_chunks_mut::<8>();
        for (at, eight) in eights.iter_mut().enumerate() {
            for slot in eight {
                *slot = base + mask.trailing_zeros();
                mask &= mask.wrapping_sub(1);
            }
            if count <= at * 8 + 8 {
                break;
            }
        }
        self.used += count;
    }
}

#[cfg(target_arch = "x86_64")]
mod imp {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_max_epu8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8, _mm_sub_epi8,
    };

    #[inline]
    pub fn digits_zeros_points(bytes: &[u8; 16]) -> (u32, u32, u32) {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { sse2_digits_zeros_points(bytes) }
    }

    #[inline]
    pub fn masks(chunk: &[u8; 64], field: u8, part: u8) -> (u64, u64, u64) {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { sse2_masks(chunk, field, part) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load(bytes: &[u8]) -> __m128i {
        let half = |at: usize| {
            bytes.get(at..).and_then(|b| b.first_chunk::<8>()).map_or(0, |b| i64::from_le_bytes(*b))
        };
        _mm_set_epi64x(half(8), half(0))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn equal(bytes: __m128i, wanted: u8) -> u32 {
        _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted.cast_signed()))).cast_unsigned()
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn sse2_digits_zeros_points(bytes: &[u8; 16]) -> (u32, u32, u32) {
        let bytes = load(bytes);
        let nine = _mm_set1_epi8(9);
        let from_zero = _mm_sub_epi8(bytes, _mm_set1_epi8(b'0'.cast_signed()));
        let digits = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(from_zero, nine), nine)).cast_unsigned();
        (digits, equal(bytes, b'0'), equal(bytes, b'.'))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn sse2_masks(chunk: &[u8; 64], field: u8, part: u8) -> (u64, u64, u64) {
        let (mut fields, mut parts, mut feeds) = (0, 0, 0);
        for quarter in 0..4 {
            let bytes = load(&chunk[quarter * 16..quarter * 16 + 16]);
            fields |= u64::from(equal(bytes, field)) << (quarter * 16);
            parts |= u64::from(equal(bytes, part)) << (quarter * 16);
            feeds |= u64::from(equal(bytes, b'\n')) << (quarter * 16);
        }
        (fields, parts, feeds)
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod imp {
    fn mask<const N: usize>(bytes: &[u8; N], is: impl Fn(u8) -> bool) -> u64 {
        bytes.iter().enumerate().fold(0, |mask, (at, b)| mask | u64::from(is(*b)) << at)
    }

    pub fn digits_zeros_points(bytes: &[u8; 16]) -> (u32, u32, u32) {
        let one = |wanted: u8| mask(bytes, |b| b == wanted) as u32;
        (mask(bytes, |b| b.is_ascii_digit()) as u32, one(b'0'), one(b'.'))
    }

    pub fn masks(chunk: &[u8; 64], field: u8, part: u8) -> (u64, u64, u64) {
        (mask(chunk, |b| b == field), mask(chunk, |b| b == part), mask(chunk, |b| b == b'\n'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readers::printed;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        /// What is taken for a short number in one step is one to the parser that reads it byte by byte.
        #[test]
        fn the_look_agrees_with_the_parser(text in "[-0.]?[-+0-9.e]{0,15}", behind in "[ -~]{16}", limit in 1_u32..17) {
            let bytes = [text.as_bytes(), behind.as_bytes()].concat();
            let look = Bytes::of(&bytes, 0, text.len());
            prop_assert_eq!(look.is_some(), text.len() <= WIDTH);
            let Some(look) = look else { return Ok(()) };
            let number = printed::parse(text.as_bytes());
            if look.decimal() {
                let number = number.unwrap();
                prop_assert_eq!(number.whole, look.points == 0);
                prop_assert_eq!(number.whole || number.significant <= limit, look.short(limit));
            }
            prop_assert_eq!(look.whole(), !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
            if look.whole() && text.len() <= 8 {
                prop_assert_eq!(super::number(&bytes, 0, text.len()), text.parse().ok());
                let padded: u64 = format!("{text:0<8}").parse().unwrap();
                prop_assert_eq!(hundred_millionths(&bytes, 0, text.len()), Some(padded));
            }
        }

        #[test]
        fn marks_are_where_separators_stand(text in "[a-c\t;\n]{0,300}") {
            let mut marks = Marks::default();
            marks.find(text.as_bytes(), b'\t', b';');
            let at = |is: &dyn Fn(u8) -> bool| -> Vec<u32> {
                text.bytes().enumerate().filter(|(_, b)| is(*b)).map(|(at, _)| at as u32).collect()
            };
            prop_assert_eq!(marks.ends(), at(&|b| b"\t;\n".contains(&b)));
            prop_assert_eq!(marks.fields(), at(&|b| b == b'\t'));
            prop_assert_eq!(marks.feeds(), at(&|b| b == b'\n'));
        }
    }
}
