//! How far a token, a target or a field value reaches, 16 bytes at a time where the processor can.
//!
//! Each scan takes the whole buffer and where a run begins in it, which is no place beyond its end, and returns where the
//! run ends: the index of the first byte that ends it, or the length of the buffer. It takes the buffer and not the rest
//! of it since the last bytes are read as the end of a lane of 16, wherever the run began. The plain versions say what
//! the fast ones must return; SSE2 is part of every x86-64 and so needs no detection.

use crate::message::is_token_byte;

/// The end of the tchars (RFC 9110 5.6.2) at `start`, if the byte `delimiter` follows them, which is none.
#[inline(always)]
pub(super) fn token_before(bytes: &[u8], start: usize, delimiter: u8) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: every x86-64 has SSE2.
        let end = unsafe { sse2::letters_digits_hyphens_end(bytes, start) };
        if bytes.get(end) == Some(&delimiter) {
            return Some(end);
        }
    }
    // The lanes know letters, digits and "-" only; the rare rest of the alphabet is left to the table.
    Some(token_end(bytes, start)).filter(|end| bytes.get(*end) == Some(&delimiter))
}

/// The end of the tchars at `start`.
#[cold]
pub(super) fn token_end(bytes: &[u8], start: usize) -> usize {
    plain::token_end(bytes, start)
}

/// The end of the stretch of a path at `start`: up to "?", "%", "#", or a byte that no target holds (controls, SP, DEL,
/// everything above ASCII).
#[inline]
pub(super) fn path_stretch_end(bytes: &[u8], start: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE2.
    return unsafe { sse2::path_stretch_end(bytes, start) };
    #[cfg(not(target_arch = "x86_64"))]
    plain::path_stretch_end(bytes, start)
}

/// The end of the query at `start`: up to "#", or a byte that no target holds.
#[inline]
pub(super) fn query_end(bytes: &[u8], start: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE2.
    return unsafe { sse2::query_end(bytes, start) };
    #[cfg(not(target_arch = "x86_64"))]
    plain::query_end(bytes, start)
}

/// The end of the field-vchars, SPs and HTABs at `start`: up to a control or DEL (RFC 9110 5.5).
#[inline]
pub(super) fn field_value_end(bytes: &[u8], start: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE2.
    return unsafe { sse2::field_value_end(bytes, start) };
    #[cfg(not(target_arch = "x86_64"))]
    plain::field_value_end(bytes, start)
}

/// The end of the letters, digits, "-" and "." at `start`: all of a host's name or address, but for rare ones.
#[inline]
pub(super) fn plain_name_end(bytes: &[u8], start: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE2.
    return unsafe { sse2::plain_name_end(bytes, start) };
    #[cfg(not(target_arch = "x86_64"))]
    plain::plain_name_end(bytes, start)
}

/// Finds the controls (all but HTAB; and DEL) of a buffer one after the other.
///
/// It classes 64 bytes at once and then takes bit after bit: where a line ends is known without waiting for what the
/// line holds, so that the processor works on several lines at a time.
pub(super) struct Controls<'a> {
    bytes: &'a [u8],
    /// Where the block begins that `bits` stand for.
    block: usize,
    /// One bit for each byte of the block that is a control and has not been taken.
    bits: u64,
}

impl<'a> Controls<'a> {
    /// Those of `bytes` from `start` on.
    #[inline]
    pub(super) fn of(bytes: &'a [u8], start: usize) -> Controls<'a> {
        Controls { bytes, block: start, bits: control_bits(bytes, start) }
    }

    /// The index of the next control, or the length where there is none.
    #[inline]
    pub(super) fn take(&mut self) -> usize {
        if !self.find_block() {
            return self.bytes.len();
        }
        let offset = self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        self.block + offset
    }

    /// Leaves the next control out.
    #[inline]
    pub(super) fn skip(&mut self) {
        if self.find_block() {
            self.bits &= self.bits - 1;
        }
    }

    /// Goes on to the next block that holds a control; `false` if there is none.
    #[inline]
    fn find_block(&mut self) -> bool {
        while self.bits == 0 {
            if self.bytes.len() - self.block <= BLOCK {
                return false;
            }
            self.block += BLOCK;
            self.bits = control_bits(self.bytes, self.block);
        }
        true
    }
}

const BLOCK: usize = 64;

/// One bit for each of the first 64 bytes from `start` on that is a control.
///
/// Not inlined: it is needed in three places, and once for 64 bytes.
#[inline(never)]
fn control_bits(bytes: &[u8], start: usize) -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE2.
    return unsafe { sse2::control_bits(bytes, start) };
    #[cfg(not(target_arch = "x86_64"))]
    plain::control_bits(bytes, start)
}

/// Whether `byte` may stand in a field value or a reason phrase.
#[inline]
pub(super) const fn is_field_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// One byte at a time: the definition of each scan.
mod plain {
    use super::{BLOCK, is_field_value_byte, is_token_byte};

    fn end(bytes: &[u8], start: usize, ends: impl Fn(u8) -> bool) -> usize {
        let rest = bytes.get(start..).unwrap_or_default();
        rest.iter().position(|&byte| ends(byte)).map_or(bytes.len(), |length| start + length)
    }

    #[cfg_attr(target_arch = "x86_64", cold)]
    pub(super) fn token_end(bytes: &[u8], start: usize) -> usize {
        end(bytes, start, |byte| !is_token_byte(byte))
    }

    #[cfg_attr(target_arch = "x86_64", cold)]
    pub(super) fn path_stretch_end(bytes: &[u8], start: usize) -> usize {
        end(bytes, start, |byte| !byte.is_ascii_graphic() || matches!(byte, b'?' | b'%' | b'#'))
    }

    #[cfg_attr(target_arch = "x86_64", cold)]
    pub(super) fn query_end(bytes: &[u8], start: usize) -> usize {
        end(bytes, start, |byte| !byte.is_ascii_graphic() || byte == b'#')
    }

    #[cfg_attr(target_arch = "x86_64", cold)]
    pub(super) fn field_value_end(bytes: &[u8], start: usize) -> usize {
        end(bytes, start, |byte| !is_field_value_byte(byte))
    }

    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "it speaks for the lanes only"))]
    #[cfg_attr(target_arch = "x86_64", cold)]
    pub(super) fn letters_digits_hyphens_end(bytes: &[u8], start: usize) -> usize {
        end(bytes, start, |byte| !byte.is_ascii_alphanumeric() && byte != b'-')
    }

    #[cfg_attr(target_arch = "x86_64", cold)]
    pub(super) fn plain_name_end(bytes: &[u8], start: usize) -> usize {
        end(bytes, start, |byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'.'))
    }

    #[cfg_attr(target_arch = "x86_64", cold)]
    pub(super) fn control_bits(bytes: &[u8], start: usize) -> u64 {
        let bits = bytes.iter().skip(start).take(BLOCK).map(|&byte| u64::from(!is_field_value_byte(byte)));
        bits.rev().fold(0, |bits, bit| bits << 1 | bit)
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

    use super::{BLOCK, plain};

    const LANE: usize = 16;

    /// Stops before the rarer tchars too.
    #[target_feature(enable = "sse2")]
    #[inline]
    pub(super) fn letters_digits_hyphens_end(bytes: &[u8], start: usize) -> usize {
        end(bytes, start, |lane| outside_letters_digits_hyphen(lane), plain::letters_digits_hyphens_end)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    pub(super) fn path_stretch_end(bytes: &[u8], start: usize) -> usize {
        end(bytes, start, |lane| ends_path_stretch(lane), plain::path_stretch_end)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    pub(super) fn query_end(bytes: &[u8], start: usize) -> usize {
        end(bytes, start, |lane| ends_query(lane), plain::query_end)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    pub(super) fn field_value_end(bytes: &[u8], start: usize) -> usize {
        end(bytes, start, |lane| ends_field_value(lane), plain::field_value_end)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    pub(super) fn plain_name_end(bytes: &[u8], start: usize) -> usize {
        end(bytes, start, |lane| outside_plain_name(lane), plain::plain_name_end)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    pub(super) fn control_bits(bytes: &[u8], start: usize) -> u64 {
        let rest = bytes.get(start..).unwrap_or_default();
        if let Some(block) = rest.first_chunk() {
            return control_bits_of_block(block);
        }
        match bytes.last_chunk() {
            // What comes before the rest is shifted out.
            Some(block) => control_bits_of_block(block).checked_shr((BLOCK - rest.len()) as u32).unwrap_or(0),
            None => control_bits_of_short(bytes, start),
        }
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn control_bits_of_block(block: &[u8; BLOCK]) -> u64 {
        let (lanes, _) = block.as_chunks();
        lanes.iter().rev().fold(0, |bits, lane| bits << LANE | u64::from(mask(ends_field_value(load(lane)))))
    }

    /// Of a buffer that is shorter than a block.
    #[target_feature(enable = "sse2")]
    #[inline]
    fn control_bits_of_short(bytes: &[u8], start: usize) -> u64 {
        let Some(last) = bytes.last_chunk() else { return plain::control_bits(bytes, start) };
        let (lanes, rest) = bytes.get(start..).unwrap_or_default().as_chunks();
        let last = mask(ends_field_value(load(last))) >> (LANE - rest.len());
        lanes
            .iter()
            .rev()
            .fold(u64::from(last), |bits, lane| bits << LANE | u64::from(mask(ends_field_value(load(lane)))))
    }

    /// `short` does the same for buffers that are shorter than a lane.
    #[target_feature(enable = "sse2")]
    #[inline]
    fn end(
        bytes: &[u8],
        start: usize,
        class: impl Fn(__m128i) -> __m128i,
        short: impl Fn(&[u8], usize) -> usize,
    ) -> usize {
        let Some(rest) = bytes.get(start..) else { return bytes.len() };
        if let Some(lane) = rest.first_chunk() {
            let ends = mask(class(load(lane)));
            if ends != 0 {
                return start + ends.trailing_zeros() as usize;
            }
        }
        end_beyond(bytes, start, class, short)
    }

    /// As `end`, for runs that do not end within a lane. Not inlined: most do.
    #[target_feature(enable = "sse2")]
    #[inline(never)]
    fn end_beyond(
        bytes: &[u8],
        start: usize,
        class: impl Fn(__m128i) -> __m128i,
        short: impl Fn(&[u8], usize) -> usize,
    ) -> usize {
        let mut at = start;
        while let Some(lane) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
            let ends = mask(class(load(lane)));
            if ends != 0 {
                return at + ends.trailing_zeros() as usize;
            }
            at += LANE;
        }
        let Some(last) = bytes.last_chunk() else { return short(bytes, at) };
        let left = bytes.len().saturating_sub(at).min(LANE);
        // What comes before the rest is shifted out, and a bit behind it ends every run.
        let ends = mask(class(load(last))) >> (LANE - left) | 1 << left;
        at + ends.trailing_zeros() as usize
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

    #[target_feature(enable = "sse2")]
    #[inline]
    fn outside_plain_name(lane: __m128i) -> __m128i {
        _mm_andnot_si128(equals(lane, b'.'), outside_letters_digits_hyphen(lane))
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
        ("path stretch", path_stretch_end, plain::path_stretch_end),
        ("query", query_end, plain::query_end),
        ("field value", field_value_end, plain::field_value_end),
        ("plain name", plain_name_end, plain::plain_name_end),
    ];

    #[test]
    fn every_byte_is_classed_alike_at_every_place_of_every_length() {
        for (name, fast, definition) in SCANS {
            for length in 0..50 {
                for place in 0..length {
                    for byte in 0..=255u8 {
                        let mut bytes = vec![b'a'; length];
                        bytes[place] = byte;
                        for start in [0, place / 2, place, place + 1] {
                            let expected = definition(&bytes, start);
                            let found = fast(&bytes, start);
                            assert_eq!(
                                found, expected,
                                "{name}: {byte:#04x} at {place} of {length}, from {start}"
                            );
                        }
                    }
                }
            }
        }
    }

    /// Every byte, in names of every length, before a delimiter and before something else.
    #[test]
    fn a_token_is_found_before_its_delimiter_only() {
        for byte in 0..=255u8 {
            for length in 1..40 {
                for place in 0..length {
                    let mut bytes = vec![b'a'; length];
                    bytes[place] = byte;
                    bytes.extend(b": b: c");
                    let expected = match byte {
                        b':' => Some(place),
                        _ => is_token_byte(byte).then_some(length),
                    };
                    assert_eq!(token_before(&bytes, 0, b':'), expected, "{}", bytes.escape_ascii());
                }
            }
        }
        assert_eq!(token_before(b"a", 0, b':'), None);
        assert_eq!(token_before(b"a b", 0, b':'), None);
        assert_eq!(token_before(b"a b", 0, b' '), Some(1));
        assert_eq!(token_before(b"ab:c", 2, b':'), Some(2));
        assert_eq!(token_before(b"ab", 2, b':'), None);
    }

    fn controls_one_by_one(bytes: &[u8], start: usize) -> Vec<usize> {
        let mut controls = Controls::of(bytes, start);
        std::iter::repeat_with(|| controls.take()).take_while(|&index| index < bytes.len()).collect()
    }

    #[test]
    fn controls_are_found_one_after_the_other_and_then_no_more() {
        assert!(controls_one_by_one(b"", 0).is_empty());
        let mut controls = Controls::of(b"a\r\nb\tc\x7f", 0);
        let taken: Vec<usize> = std::iter::repeat_with(|| controls.take()).take(5).collect();
        assert_eq!(taken, [1, 2, 6, 7, 7]);
    }

    #[test]
    fn a_skipped_control_is_left_out_wherever_blocks_end() {
        for length in 0..200 {
            let bytes = [&vec![b'a'; length][..], b"\r\nb\r\n"].concat();
            for start in 0..=length {
                let mut controls = Controls::of(&bytes, start);
                assert_eq!(controls.take(), length);
                controls.skip();
                assert_eq!(controls.take(), length + 3);
                controls.skip();
                controls.skip();
                assert_eq!(controls.take(), bytes.len());
            }
        }
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
                let (found, expected) = (control_bits(&bytes, start), plain::control_bits(&bytes, start));
                prop_assert_eq!(found, expected, "{} from {}", bytes.escape_ascii(), start);
                let controls = (start..bytes.len()).filter(|&at| !is_field_value_byte(bytes[at]));
                prop_assert_eq!(controls_one_by_one(&bytes, start), controls.collect::<Vec<_>>());
            }
        }

        #[test]
        fn the_lanes_find_what_the_definition_finds_at_every_alignment_and_length(
            bytes in proptest::collection::vec(
                prop_oneof![12 => proptest::char::range('!', '~').prop_map(|c| c as u8), 1 => any::<u8>()],
                0..100,
            ),
        ) {
            for (name, fast, definition) in SCANS {
                for end in 0..=bytes.len() {
                    for start in end.saturating_sub(40)..=end {
                        let (part, from) = (&bytes[..end], start);
                        let found = fast(part, from);
                        prop_assert_eq!(found, definition(part, from), "{} of {} from {}", name, part.escape_ascii(), from);
                    }
                }
            }
        }
    }
}
