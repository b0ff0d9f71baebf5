//! Finding the end of a token, a target or a field value, 16 bytes at a time where the processor can.
//!
//! Each scan takes the whole buffer and an index, and returns the index of the first byte that ends the run, or the
//! buffer's length. The plain versions say what the fast ones must return; SSE2 is part of every x86-64.

use crate::message::is_token_byte;

/// The first byte from `from` on that is no tchar (RFC 9110 5.6.2).
#[inline]
pub(super) fn token_end(bytes: &[u8], from: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE2.
    let from = unsafe { sse2::letters_digits_hyphens_end(bytes, from) };
    plain::token_end(bytes, from)
}

/// The first byte from `from` on that ends a stretch of a path: "?", "%", "#", or one that no target holds
/// (controls, SP, DEL, everything above ASCII).
#[inline]
pub(super) fn path_stretch_end(bytes: &[u8], from: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE2.
    return unsafe { sse2::path_stretch_end(bytes, from) };
    #[cfg(not(target_arch = "x86_64"))]
    plain::path_stretch_end(bytes, from)
}

/// The first byte from `from` on that ends a query: "#", or one that no target holds.
#[inline]
pub(super) fn query_end(bytes: &[u8], from: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE2.
    return unsafe { sse2::query_end(bytes, from) };
    #[cfg(not(target_arch = "x86_64"))]
    plain::query_end(bytes, from)
}

/// The first byte from `from` on that is neither field-vchar, SP nor HTAB: a control or DEL (RFC 9110 5.5).
#[inline]
pub(super) fn field_value_end(bytes: &[u8], from: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE2.
    return unsafe { sse2::field_value_end(bytes, from) };
    #[cfg(not(target_arch = "x86_64"))]
    plain::field_value_end(bytes, from)
}

/// Whether `byte` may stand in a field value or a reason phrase.
#[inline]
pub(super) const fn is_field_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// One byte at a time: the definition of each scan.
#[cfg_attr(all(target_arch = "x86_64", not(test)), allow(dead_code, reason = "the lanes take their place"))]
mod plain {
    use super::{is_field_value_byte, is_token_byte};

    #[inline]
    pub(super) fn find(bytes: &[u8], from: usize, ends: impl Fn(u8) -> bool) -> usize {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.iter().position(|&byte| ends(byte)).map_or(bytes.len(), |offset| from + offset)
    }

    #[inline]
    pub(super) fn token_end(bytes: &[u8], from: usize) -> usize {
        find(bytes, from, |byte| !is_token_byte(byte))
    }

    pub(super) fn path_stretch_end(bytes: &[u8], from: usize) -> usize {
        find(bytes, from, |byte| !byte.is_ascii_graphic() || matches!(byte, b'?' | b'%' | b'#'))
    }

    pub(super) fn query_end(bytes: &[u8], from: usize) -> usize {
        find(bytes, from, |byte| !byte.is_ascii_graphic() || byte == b'#')
    }

    pub(super) fn field_value_end(bytes: &[u8], from: usize) -> usize {
        find(bytes, from, |byte| !is_field_value_byte(byte))
    }
}

/// 16 bytes at a time. A class maps each byte of a lane to 0xff where it ends the run, else to 0.
///
/// The compiler wants SSE2 stated although it is part of every x86-64; whoever calls in from outside vouches for it.
#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_andnot_si128, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_loadu_si128, _mm_min_epu8,
        _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8, _mm_sub_epi8,
    };

    const LANE: usize = 16;

    /// Stops before the rarer tchars too: they are left to the table.
    #[target_feature(enable = "sse2")]
    #[inline]
    pub(super) fn letters_digits_hyphens_end(bytes: &[u8], from: usize) -> usize {
        find(bytes, from, |lane| outside_letters_digits_hyphen(lane))
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    pub(super) fn path_stretch_end(bytes: &[u8], from: usize) -> usize {
        find(bytes, from, |lane| ends_path_stretch(lane))
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    pub(super) fn query_end(bytes: &[u8], from: usize) -> usize {
        find(bytes, from, |lane| ends_query(lane))
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    pub(super) fn field_value_end(bytes: &[u8], from: usize) -> usize {
        find(bytes, from, |lane| ends_field_value(lane))
    }

    /// The index of the first byte from `from` on whose class says so, or the length.
    #[target_feature(enable = "sse2")]
    #[inline]
    fn find(bytes: &[u8], from: usize, class: impl Fn(__m128i) -> __m128i) -> usize {
        let mut at = from;
        while let Some(lane) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
            let ends = mask(class(load(lane)));
            if ends != 0 {
                return at + ends.trailing_zeros() as usize;
            }
            at += LANE;
        }
        if at >= bytes.len() {
            return bytes.len();
        }
        let rest = bytes.len() - at;
        // What is left is shorter than a lane: look at the last 16 bytes and forget those before `at`. A buffer that is
        // itself shorter is copied into a lane; its padding lies beyond the length.
        let ends = match bytes.last_chunk() {
            Some(lane) => mask(class(load(lane))) >> (LANE - rest),
            None => {
                let mut lane = [b'a'; LANE];
                lane[..rest].copy_from_slice(&bytes[at..]);
                mask(class(load(&lane)))
            }
        };
        if ends == 0 { bytes.len() } else { at + ends.trailing_zeros() as usize }
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

    type Scan = fn(&[u8], usize) -> usize;

    const SCANS: [(&str, Scan, Scan); 4] = [
        ("token", token_end, plain::token_end),
        ("path stretch", path_stretch_end, plain::path_stretch_end),
        ("query", query_end, plain::query_end),
        ("field value", field_value_end, plain::field_value_end),
    ];

    #[test]
    fn every_byte_is_classed_alike_at_every_place_of_every_length() {
        for (name, fast, definition) in SCANS {
            for length in 0..50 {
                for place in 0..length {
                    for byte in 0..=255u8 {
                        let mut bytes = vec![b'a'; length];
                        bytes[place] = byte;
                        let expected = definition(&bytes, 0);
                        assert_eq!(fast(&bytes, 0), expected, "{name}: {byte:#04x} at {place} of {length}");
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_lanes_find_what_the_definition_finds_from_every_start(
            bytes in proptest::collection::vec(
                prop_oneof![6 => proptest::char::range(' ', '~').prop_map(|c| c as u8), 1 => any::<u8>()],
                0..120,
            ),
            alignment in 0usize..16,
        ) {
            let shifted = [vec![b'x'; alignment], bytes].concat();
            let bytes = &shifted[alignment..];
            for (name, fast, definition) in SCANS {
                for from in 0..=bytes.len() + 1 {
                    prop_assert_eq!(fast(bytes, from), definition(bytes, from), "{} from {}", name, from);
                }
            }
        }
    }
}
