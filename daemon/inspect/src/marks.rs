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
    glance: Glance,
}

/// What a text holds, seen in passing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Glance {
    /// Bytes that are zero.
    pub zeros: bool,
    /// Bytes that are not ASCII.
    pub foreign: bool,
    /// Double quotes.
    pub quotes: bool,
    /// Signs of comments.
    pub hashes: bool,
}

impl Glance {
    /// Looks at a text.
    pub fn at(text: &[u8]) -> Self {
        Self {
            zeros: memchr::memchr(0, text).is_some(),
            foreign: !text.is_ascii(),
            quotes: memchr::memchr(b'"', text).is_some(),
            hashes: memchr::memchr(b'#', text).is_some(),
        }
    }
}

/// Places in order, in memory that is kept.
#[derive(Debug, Default)]
struct List {
    places: Vec<u32>,
    used: usize,
}

/// Bits of a separator or line feed, and of a line feed, in 64 bytes.
type Masks = (u64, u64);

impl Marks {
    /// Finds them: `field` separates fields, `part` parts of fields (the same byte when there are none). Blocks are
    /// far smaller than four gigabytes; of a larger one nothing is found.
    pub fn find(&mut self, text: &[u8], field: u8, part: u8) {
        (self.ends.used, self.feeds.used) = (0, 0);
        self.glance = Glance::default();
        if u32::try_from(text.len()).is_ok() {
            self.glance = imp::find(self, text, field, part);
        }
    }

    /// Separators of both kinds and line feeds.
    pub fn ends(&self) -> &[u32] {
        &self.ends.places[..self.ends.used]
    }

    /// Line feeds.
    pub fn feeds(&self) -> &[u32] {
        &self.feeds.places[..self.feeds.used]
    }

    /// What else the text holds.
    pub fn glance(&self) -> Glance {
        self.glance
    }

    // Inlined, so that it is made of what its caller's processor has.
    #[inline(always)]
    fn find_by(&mut self, text: &[u8], mut masks: impl FnMut(&[u8; 64]) -> Masks) {
        let (chunks, rest) = text.as_chunks::<64>();
        let mut base = 0;
        for chunk in chunks {
            self.note(masks(chunk), base);
            base += 64;
        }
        let mut last = [b' '; 64];
        last[..rest.len()].copy_from_slice(rest);
        let valid = (1_u64 << rest.len()) - 1;
        let (ends, feeds) = masks(&last);
        self.note((ends & valid, feeds & valid), base);
    }

    #[inline(always)]
    fn note(&mut self, (ends, feeds): Masks, base: u32) {
        self.ends.put(ends, base);
        if feeds != 0 {
            self.feeds.put(feeds, base);
        }
    }
}

impl List {
    /// Room for the places in 64 bytes.
    #[inline(always)]
    fn room(&mut self) -> &mut [u32] {
        if self.places.len() < self.used + 64 {
            self.places.resize((self.used + 64) * 2, 0);
        }
        &mut self.places[self.used..self.used + 64]
    }

    /// Adds the places of set bits, sixteen at a time whether there are as many or not: `used` says how many count.
    #[inline(always)]
    fn put(&mut self, mut mask: u64, base: u32) {
        let count = mask.count_ones() as usize;
        let (steps, _) = self.room().as_chunks_mut::<16>();
        for (at, step) in steps.iter_mut().enumerate() {
            for slot in step {
                *slot = base + mask.trailing_zeros();
                mask &= mask.wrapping_sub(1);
            }
            if count <= at * 16 + 16 {
                break;
            }
        }
        self.used += count;
    }
}

#[cfg(target_arch = "x86_64")]
mod imp {
    use super::{Glance, List, Marks};
    use std::arch::x86_64::{
        __m128i, __m256i, __m512i, _mm_cmpeq_epi8, _mm_max_epu8, _mm_min_epu8, _mm_movemask_epi8,
        _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8, _mm_sub_epi8, _mm256_cmpeq_epi8, _mm256_min_epu8,
        _mm256_movemask_epi8, _mm256_or_si256, _mm256_set_epi64x, _mm256_set1_epi8, _mm512_add_epi32,
        _mm512_castsi512_si128, _mm512_cmpeq_epi8_mask, _mm512_cvtepu8_epi32, _mm512_extracti32x4_epi32,
        _mm512_loadu_si512, _mm512_maskz_compress_epi8, _mm512_movepi8_mask, _mm512_or_si512,
        _mm512_set1_epi8, _mm512_set1_epi32, _mm512_storeu_si512,
    };

    pub fn digits_zeros_points(bytes: &[u8; 16]) -> (u32, u32, u32) {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { sse2_digits_zeros_points(bytes) }
    }

    pub fn find(marks: &mut Marks, text: &[u8], field: u8, part: u8) -> Glance {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vbmi2")
            && is_x86_feature_detected!("popcnt")
        {
            // SAFETY: the processor was just asked.
            unsafe { avx512_find(marks, text, field, part) }
        } else if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("popcnt")
        {
            // SAFETY: the processor was just asked.
            unsafe { avx2_find(marks, text, field, part) }
        } else {
            // SAFETY: SSE2 is part of x86-64.
            unsafe { sse2_find(marks, text, field, part) }
        }
    }

    /// Places of set bits come out of one instruction.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
    fn avx512_find(marks: &mut Marks, text: &[u8], field: u8, part: u8) -> Glance {
        const PLACES: [u8; 64] = {
            let mut places = [0; 64];
            let mut at = 0;
            while at < 64 {
                places[at] = at as u8;
                at += 1;
            }
            places
        };
        let is = |bytes: __m512i, wanted: u8| {
            _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(wanted.cast_signed()))
        };
        let all = load(&PLACES);
        let mut any = _mm512_set1_epi8(0);
        let (mut zeros, mut quotes, mut hashes) = (0, 0, 0);
        let put = |list: &mut List, mask: u64, base: u32| {
            let count = mask.count_ones() as usize;
            let packed = _mm512_maskz_compress_epi8(mask, all);
            let (steps, _) = list.room().as_chunks_mut::<16>();
            let parts = [
                _mm512_castsi512_si128(packed),
                _mm512_extracti32x4_epi32::<1>(packed),
                _mm512_extracti32x4_epi32::<2>(packed),
                _mm512_extracti32x4_epi32::<3>(packed),
            ];
            for (step, part) in steps.iter_mut().zip(parts).take(1 + count.saturating_sub(1) / 16) {
                let places =
                    _mm512_add_epi32(_mm512_cvtepu8_epi32(part), _mm512_set1_epi32(base.cast_signed()));
                // SAFETY: sixteen numbers of four bytes each, wherever they stand.
                unsafe { _mm512_storeu_si512(step.as_mut_ptr().cast(), places) };
            }
            list.used += count;
        };
        let mut chunk = |marks: &mut Marks, bytes: __m512i, valid: u64, base: u32| {
            any = _mm512_or_si512(any, bytes);
            zeros |= is(bytes, 0);
            quotes |= is(bytes, b'"');
            hashes |= is(bytes, b'#');
            let feeds = is(bytes, b'\n') & valid;
            put(&mut marks.ends, (is(bytes, field) | is(bytes, part)) & valid | feeds, base);
            if feeds != 0 {
                put(&mut marks.feeds, feeds, base);
            }
        };
        let (chunks, rest) = text.as_chunks::<64>();
        let mut base = 0;
        for bytes in chunks {
            chunk(marks, load(bytes), u64::MAX, base);
            base += 64;
        }
        let mut last = [b' '; 64];
        last[..rest.len()].copy_from_slice(rest);
        chunk(marks, load(&last), (1_u64 << rest.len()) - 1, base);
        Glance {
            zeros: zeros != 0,
            foreign: _mm512_movepi8_mask(any) != 0,
            quotes: quotes != 0,
            hashes: hashes != 0,
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(bytes: &[u8; 64]) -> __m512i {
        // SAFETY: 64 bytes, wherever they stand.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx2,bmi1,popcnt")]
    pub fn avx2_find(marks: &mut Marks, text: &[u8], field: u8, part: u8) -> Glance {
        let is =
            |bytes: __m256i, wanted: u8| _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(wanted.cast_signed()));
        let bits = |bytes: __m256i| u64::from(_mm256_movemask_epi8(bytes).cast_unsigned());
        let none = _mm256_set1_epi8(0);
        let (mut least, mut any, mut quotes, mut hashes) = (_mm256_set1_epi8(-1), none, none, none);
        marks.find_by(text, |chunk| {
            let (mut ends, mut feeds) = (0, 0);
            for at in [0, 32] {
                let bytes = _mm256_set_epi64x(
                    eight(chunk, at + 24),
                    eight(chunk, at + 16),
                    eight(chunk, at + 8),
                    eight(chunk, at),
                );
                least = _mm256_min_epu8(least, bytes);
                any = _mm256_or_si256(any, bytes);
                quotes = _mm256_or_si256(quotes, is(bytes, b'"'));
                hashes = _mm256_or_si256(hashes, is(bytes, b'#'));
                let feed = is(bytes, b'\n');
                let all = _mm256_or_si256(_mm256_or_si256(is(bytes, field), is(bytes, part)), feed);
                ends |= bits(all) << at;
                feeds |= bits(feed) << at;
            }
            (ends, feeds)
        });
        Glance {
            zeros: bits(is(least, 0)) != 0,
            foreign: bits(any) != 0,
            quotes: bits(quotes) != 0,
            hashes: bits(hashes) != 0,
        }
    }

    #[target_feature(enable = "sse2")]
    pub fn sse2_find(marks: &mut Marks, text: &[u8], field: u8, part: u8) -> Glance {
        let none = _mm_set1_epi8(0);
        let (mut least, mut any, mut quotes, mut hashes) = (_mm_set1_epi8(-1), none, none, none);
        marks.find_by(text, |chunk| {
            let (mut ends, mut feeds) = (0, 0);
            for at in [0, 16, 32, 48] {
                let bytes = _mm_set_epi64x(eight(chunk, at + 8), eight(chunk, at));
                least = _mm_min_epu8(least, bytes);
                any = _mm_or_si128(any, bytes);
                let is = |wanted: u8| _mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted.cast_signed()));
                quotes = _mm_or_si128(quotes, is(b'"'));
                hashes = _mm_or_si128(hashes, is(b'#'));
                let feed = u64::from(equal(bytes, b'\n')) << at;
                ends |= u64::from(equal(bytes, field) | equal(bytes, part)) << at | feed;
                feeds |= feed;
            }
            (ends, feeds)
        });
        Glance {
            zeros: equal(least, 0) != 0,
            foreign: _mm_movemask_epi8(any) != 0,
            quotes: _mm_movemask_epi8(quotes) != 0,
            hashes: _mm_movemask_epi8(hashes) != 0,
        }
    }

    #[inline]
    fn eight(bytes: &[u8], at: usize) -> i64 {
        bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| i64::from_le_bytes(*b))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn equal(bytes: __m128i, wanted: u8) -> u32 {
        _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted.cast_signed()))).cast_unsigned()
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn sse2_digits_zeros_points(bytes: &[u8; 16]) -> (u32, u32, u32) {
        let bytes = _mm_set_epi64x(eight(bytes, 8), eight(bytes, 0));
        let nine = _mm_set1_epi8(9);
        let from_zero = _mm_sub_epi8(bytes, _mm_set1_epi8(b'0'.cast_signed()));
        let digits = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(from_zero, nine), nine)).cast_unsigned();
        (digits, equal(bytes, b'0'), equal(bytes, b'.'))
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod imp {
    use super::{Glance, Marks};

    fn mask<const N: usize>(bytes: &[u8; N], is: impl Fn(u8) -> bool) -> u64 {
        bytes.iter().enumerate().fold(0, |mask, (at, b)| mask | u64::from(is(*b)) << at)
    }

    pub fn digits_zeros_points(bytes: &[u8; 16]) -> (u32, u32, u32) {
        let one = |wanted: u8| mask(bytes, |b| b == wanted) as u32;
        (mask(bytes, |b| b.is_ascii_digit()) as u32, one(b'0'), one(b'.'))
    }

    pub fn find(marks: &mut Marks, text: &[u8], field: u8, part: u8) -> Glance {
        marks.find_by(text, |chunk| {
            (mask(chunk, |b| b == field || b == part || b == b'\n'), mask(chunk, |b| b == b'\n'))
        });
        Glance::at(text)
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
        fn marks_are_where_separators_stand(text in "[a-c\t;\n]{0,300}[\"\0é#]{0,2}[a-c]{0,70}") {
            let at = |is: &dyn Fn(u8) -> bool| -> Vec<u32> {
                text.bytes().enumerate().filter(|(_, b)| is(*b)).map(|(at, _)| at as u32).collect()
            };
            let mut marks = Marks::default();
            marks.find(text.as_bytes(), b'\t', b';');
            prop_assert_eq!(marks.ends(), at(&|b| b"\t;\n".contains(&b)));
            prop_assert_eq!(marks.feeds(), at(&|b| b == b'\n'));
            prop_assert_eq!(marks.glance(), Glance::at(text.as_bytes()));
            #[cfg(target_arch = "x86_64")]
            {
                // What older processors do.
                let mut older = Marks::default();
                // SAFETY: SSE2 is part of x86-64.
                let glance = unsafe { imp::sse2_find(&mut older, text.as_bytes(), b'\t', b';') };
                prop_assert_eq!((older.ends(), older.feeds()), (marks.ends(), marks.feeds()));
                prop_assert_eq!(glance, marks.glance());
                if is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("popcnt")
                {
                    let mut newer = Marks::default();
                    // SAFETY: the processor was just asked.
                    let glance = unsafe { imp::avx2_find(&mut newer, text.as_bytes(), b'\t', b';') };
                    prop_assert_eq!((newer.ends(), newer.feeds()), (marks.ends(), marks.feeds()));
                    prop_assert_eq!(glance, marks.glance());
                }
            }
        }
    }
}
