//! How far a token, a target or a field value reaches, 16 bytes at a time where the processor can.
//!
//! Each scan returns the length of the run at the beginning of `bytes`: the index of the first byte that ends it, or
//! the length of `bytes`. The plain versions say what the fast ones must return; SSE2 is part of every x86-64
//! and so needs no detection.

use crate::message::is_token_byte;

/// The tchars (RFC 9110 5.6.2) that `bytes` begin with.
#[inline]
pub(super) fn token_length(bytes: &[u8]) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: every x86-64 has SSE2.
        let length = unsafe { sse2::letters_digits_hyphens_length(bytes) };
        if let Some(b':' | b' ') = bytes.get(length) {
            return length;
        }
    }
    // The lanes know letters, digits and "-" only; the rare rest of the alphabet is left to the table.
    plain::token_length(bytes)
}

/// The stretch of a path that `bytes` begin with: up to "?", "%", "#", or a byte that no target holds (controls, SP,
/// DEL, everything above ASCII).
#[inline]
pub(super) fn path_stretch_length(bytes: &[u8]) -> usize {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE2.
    return unsafe { sse2::path_stretch_length(bytes) };
    #[cfg(not(target_arch = "x86_64"))]
    plain::path_stretch_length(bytes)
}

/// The query that `bytes` begin with: up to "#", or a byte that no target holds.
#[inline]
pub(super) fn query_length(bytes: &[u8]) -> usize {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE2.
    return unsafe { sse2::query_length(bytes) };
    #[cfg(not(target_arch = "x86_64"))]
    plain::query_length(bytes)
}

/// The field-vchars, SPs and HTABs that `bytes` begin with: up to a control or DEL (RFC 9110 5.5).
#[inline]
pub(super) fn field_value_length(bytes: &[u8]) -> usize {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE2.
    return unsafe { sse2::field_value_length(bytes) };
    #[cfg(not(target_arch = "x86_64"))]
    plain::field_value_length(bytes)
}

/// Finds the controls (all but HTAB; and DEL) of a buffer one after the other.
///
/// It classes 64 bytes at once and then takes bit after bit: where a line ends is known without waiting for what the
/// line holds, so that the processor works on several lines at a time.
pub(super) struct Controls<'a> {
    /// What `bits` begin with.
    block: &'a [u8],
    length: usize,
    /// One bit for each byte of the block that is a control and has not been taken.
    bits: u64,
}

impl<'a> Controls<'a> {
    #[inline]
    pub(super) fn of(bytes: &'a [u8]) -> Controls<'a> {
        Controls { block: bytes, length: bytes.len(), bits: control_bits(bytes) }
    }

    /// The index of the next control, or the length where there is none.
    #[inline]
    pub(super) fn take(&mut self) -> usize {
        while self.bits == 0 {
            let Some(next) = self.block.get(BLOCK..) else { return self.length };
            self.block = next;
            self.bits = control_bits(next);
        }
        let offset = self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        self.length - self.block.len() + offset
    }
}

const BLOCK: usize = 64;

/// One bit for each of the first 64 bytes that is a control.
#[inline]
fn control_bits(bytes: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE2.
    return unsafe { sse2::control_bits(bytes) };
    #[cfg(not(target_arch = "x86_64"))]
    plain::control_bits(bytes)
}

/// Whether `byte` may stand in a field value or a reason phrase.
#[inline]
pub(super) const fn is_field_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// One byte at a time: the definition of each scan.
#[cfg_attr(all(target_arch = "x86_64", not(test)), allow(dead_code, reason = "the lanes take their place"))]
mod plain {
    use super::{BLOCK, is_field_value_byte, is_token_byte};

    fn length(bytes: &[u8], ends: impl Fn(u8) -> bool) -> usize {
        bytes.iter().position(|&byte| ends(byte)).unwrap_or(bytes.len())
    }

    pub(super) fn token_length(bytes: &[u8]) -> usize {
        length(bytes, |byte| !is_token_byte(byte))
    }

    pub(super) fn path_stretch_length(bytes: &[u8]) -> usize {
        length(bytes, |byte| !byte.is_ascii_graphic() || matches!(byte, b'?' | b'%' | b'#'))
    }

    pub(super) fn query_length(bytes: &[u8]) -> usize {
        length(bytes, |byte| !byte.is_ascii_graphic() || byte == b'#')
    }

    pub(super) fn field_value_length(bytes: &[u8]) -> usize {
        length(bytes, |byte| !is_field_value_byte(byte))
    }

    pub(super) fn control_bits(bytes: &[u8]) -> u64 {
        let bits = bytes.iter().take(BLOCK).map(|&byte| u64::from(!is_field_value_byte(byte)));
        bits.rev().fold(0, |bits, bit| bits << 1 | bit)
    }
}

/// 16 bytes at a time. A class maps each byte of a lane to 0xff where it ends the run, else to 0; NUL ends every run.
///
/// The compiler wants SSE2 stated although it is part of every x86-64; whoever calls in from outside vouches for it.
#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_andnot_si128, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_loadu_si128, _mm_min_epu8,
        _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8, _mm_sub_epi8,
    };

    use super::BLOCK;

    const LANE: usize = 16;

    /// Stops before the rarer tchars too.
    #[target_feature(enable = "sse2")]
    #[inline]
    pub(super) fn letters_digits_hyphens_length(bytes: &[u8]) -> usize {
        length(bytes, |lane| outside_letters_digits_hyphen(lane))
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    pub(super) fn path_stretch_length(bytes: &[u8]) -> usize {
        length(bytes, |lane| ends_path_stretch(lane))
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    pub(super) fn query_length(bytes: &[u8]) -> usize {
        length(bytes, |lane| ends_query(lane))
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    pub(super) fn field_value_length(bytes: &[u8]) -> usize {
        length(bytes, |lane| ends_field_value(lane))
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    pub(super) fn control_bits(bytes: &[u8]) -> u64 {
        let Some(block) = bytes.first_chunk::<BLOCK>() else { return control_bits_of_rest(bytes) };
        let (lanes, _) = block.as_chunks();
        lanes.iter().rev().fold(0, |bits, lane| bits << LANE | u64::from(mask(ends_field_value(load(lane)))))
    }

    /// For less than a block.
    #[target_feature(enable = "sse2")]
    #[inline(never)]
    fn control_bits_of_rest(bytes: &[u8]) -> u64 {
        let (lanes, rest) = bytes.as_chunks();
        // The padding's NULs are no bytes of the buffer.
        let last = mask(ends_field_value(padded(rest))) & !(u32::MAX << rest.len());
        lanes
            .iter()
            .rev()
            .fold(u64::from(last), |bits, lane| bits << LANE | u64::from(mask(ends_field_value(load(lane)))))
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn length(bytes: &[u8], class: impl Fn(__m128i) -> __m128i) -> usize {
        let mut at = 0;
        while let Some(lane) = bytes[at..].first_chunk() {
            let ends = mask(class(load(lane)));
            if ends != 0 {
                return at + ends.trailing_zeros() as usize;
            }
            at += LANE;
        }
        // The padding's NUL ends the run where nothing before it does.
        at + mask(class(padded(&bytes[at..]))).trailing_zeros() as usize
    }

    /// Less than a lane of bytes and then NULs, put together in registers: the detour over a copy in memory costs more
    /// than the scan. Not inlined: it is needed near the end of a buffer only.
    #[target_feature(enable = "sse2")]
    #[inline(never)]
    fn padded(bytes: &[u8]) -> __m128i {
        let (low, high) = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            let overlap = 8 * (LANE - bytes.len()) as u32;
            (u64::from_le_bytes(*first), u64::from_le_bytes(*last).checked_shr(overlap).unwrap_or(0))
        } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            let place = 8 * (bytes.len() - 4) as u32;
            (u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << place, 0)
        } else {
            (bytes.iter().rev().fold(0, |low, &byte| low << 8 | u64::from(byte)), 0)
        };
        _mm_set_epi64x(high as i64, low as i64)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn load(lane: &[u8; LANE]) -> __m128i {
        // SAFETY: the reference vouches for 16 readable bytes, and this load asks for no alignment.
        unsafe { _mm_loadu_si128(lane.as_ptr().cast()) }
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn mask(class: __m128i) -> u32 {
        _mm_movemask_epi8(class) as u32
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn each(byte: u8) -> __m128i {
        _mm_set1_epi8(byte as i8)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn equals(lane: __m128i, byte: u8) -> __m128i {
        _mm_cmpeq_epi8(lane, each(byte))
    }

    /// Unsigned `lane <= most`, which SSE2 has no instruction for.
    #[target_feature(enable = "sse2")]
    #[inline]
    fn at_most(lane: __m128i, most: u8) -> __m128i {
        _mm_cmpeq_epi8(_mm_min_epu8(lane, each(most)), lane)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn outside_letters_digits_hyphen(lane: __m128i) -> __m128i {
        let from_a = _mm_sub_epi8(_mm_or_si128(lane, each(0x20)), each(b'a'));
        let from_zero = _mm_sub_epi8(lane, each(b'0'));
        let letter_or_digit = _mm_or_si128(at_most(from_a, 25), at_most(from_zero, 9));
        _mm_andnot_si128(_mm_or_si128(letter_or_digit, equals(lane, b'-')), each(0xff))
    }

    /// Signed, bytes above ASCII are negative: one comparison finds them, the controls and SP.
    #[target_feature(enable = "sse2")]
    #[inline]
    fn outside_target(lane: __m128i) -> __m128i {
        _mm_or_si128(_mm_cmplt_epi8(lane, each(0x21)), equals(lane, 0x7f))
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn ends_query(lane: __m128i) -> __m128i {
        _mm_or_si128(outside_target(lane), equals(lane, b'#'))
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn ends_path_stretch(lane: __m128i) -> __m128i {
        let marks = _mm_or_si128(equals(lane, b'?'), equals(lane, b'%'));
        _mm_or_si128(ends_query(lane), marks)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn ends_field_value(lane: __m128i) -> __m128i {
        let control = _mm_andnot_si128(equals(lane, b'\t'), at_most(lane, 0x1f));
        _mm_or_si128(control, equals(lane, 0x7f))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Scan = fn(&[u8]) -> usize;

    const SCANS: [(&str, Scan, Scan); 4] = [
        ("token", token_length, plain::token_length),
        ("path stretch", path_stretch_length, plain::path_stretch_length),
        ("query", query_length, plain::query_length),
        ("field value", field_value_length, plain::field_value_length),
    ];

    #[test]
    fn every_byte_is_classed_alike_at_every_place_of_every_length() {
        for (name, fast, definition) in SCANS {
            for length in 0..50 {
                for place in 0..length {
                    for byte in 0..=255u8 {
                        let mut bytes = vec![b'a'; length];
                        bytes[place] = byte;
                        let expected = definition(&bytes);
                        assert_eq!(fast(&bytes), expected, "{name}: {byte:#04x} at {place} of {length}");
                    }
                }
            }
        }
    }

    fn controls_one_by_one(bytes: &[u8]) -> Vec<usize> {
        let mut controls = Controls::of(bytes);
        std::iter::repeat_with(|| controls.take()).take_while(|&index| index < bytes.len()).collect()
    }

    #[test]
    fn controls_are_found_one_after_the_other_and_then_no_more() {
        assert!(controls_one_by_one(b"").is_empty());
        let mut controls = Controls::of(b"a\r\nb\tc\x7f");
        let taken: Vec<usize> = std::iter::repeat_with(|| controls.take()).take(5).collect();
        assert_eq!(taken, [1, 2, 6, 7, 7]);
    }

    proptest! {
        #[test]
        fn controls_are_those_of_the_definition(
            bytes in proptest::collection::vec(
                prop_oneof![9 => Just(b'a'), 1 => any::<u8>(), 1 => Just(b'\r'), 1 => Just(b'\t')],
                0..300,
            ),
        ) {
            for start in 0..=bytes.len() {
                let part = &bytes[start..];
                prop_assert_eq!(control_bits(part), plain::control_bits(part), "{}", part.escape_ascii());
            }
            let expected: Vec<usize> = (0..bytes.len()).filter(|&at| !is_field_value_byte(bytes[at])).collect();
            prop_assert_eq!(controls_one_by_one(&bytes), expected);
        }

        #[test]
        fn the_lanes_find_what_the_definition_finds_at_every_alignment_and_length(
            bytes in proptest::collection::vec(
                prop_oneof![12 => proptest::char::range('!', '~').prop_map(|c| c as u8), 1 => any::<u8>()],
                0..100,
            ),
        ) {
            for (name, fast, definition) in SCANS {
                for start in 0..=bytes.len() {
                    for end in start..=bytes.len().min(start + 40) {
                        let part = &bytes[start..end];
                        prop_assert_eq!(fast(part), definition(part), "{} of {}", name, part.escape_ascii());
                    }
                }
            }
        }
    }
}
