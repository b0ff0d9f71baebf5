//! Ids by which clients, replicas and logs speak of one request.

use std::cell::Cell;

use super::forward::written_fields;
use crate::base::forwarding::RequestIdPolicy;
use crate::base::random::mix;
use crate::h1::encode;
use crate::message::{ConnectionOptions, Field, Fields, KnownField};

/// The length of an id of our own.
const INVENTED_BYTES: usize = 32;
/// The longest id of a client's that is shown to it again.
const SHOWN_BYTES_MAX: usize = 128;

/// One core's ids: of those that requests bring, and of its own.
///
/// An own one is 32 hexadecimal digits as nginx makes them: half of them the core's, by chance, half the request's, a
/// count under a bijection. So no core gives one twice, and two cores or two runs do not meet. They are no secrets.
#[derive(Debug)]
pub struct RequestIds {
    name: Box<[u8]>,
    known: KnownField,
    core: u64,
    core_digits: [u8; INVENTED_BYTES / 2],
    count: Cell<u64>,
    /// Whether answers of replicas carry the id of their request.
    pub on_answers: bool,
}

/// An id with the field in which it stands.
#[derive(Clone, Copy, Debug)]
pub struct Id<'a> {
    /// Where the field's name is.
    pub ids: &'a RequestIds,
    /// The id.
    pub text: &'a [u8],
}

impl RequestIds {
    /// The ids of a core to which chance gave `core`.
    pub fn new(policy: &RequestIdPolicy, core: u64) -> Self {
        let name: Box<[u8]> = policy.field.as_bytes().into();
        let known = KnownField::from_name(&name);
        let core = mix(core);
        let (core_digits, count) = (hexadecimal(core), Cell::new(0));
        RequestIds { name, known, core, core_digits, count, on_answers: policy.on_answers }
    }

    /// The id that a request brings: not an empty one, nor one that stays on its connection.
    pub fn brought<'a>(&self, fields: &Fields<'a>, options: &ConnectionOptions<'_>) -> Option<&'a [u8]> {
        let id = match self.known {
            KnownField::Unknown if options.nominates(&self.name) => None,
            KnownField::Unknown => fields.first_named(&self.name),
            known => fields.first(known),
        };
        id.filter(|id| !id.is_empty())
    }

    /// Whether a field is the one for ids.
    #[inline]
    pub(super) fn has_field(&self, field: &Field<'_>) -> bool {
        field.known == self.known && field.name.eq_ignore_ascii_case(&self.name)
    }

    /// A new id.
    pub fn invent(&self) -> [u8; INVENTED_BYTES] {
        let count = self.count.get();
        self.count.set(count.wrapping_add(1));
        let mut id = [0; INVENTED_BYTES];
        let (of_core, of_request) = id.split_at_mut(INVENTED_BYTES / 2);
        of_core.copy_from_slice(&self.core_digits);
        of_request.copy_from_slice(&hexadecimal(mix(count ^ self.core)));
        id
    }

    /// The id in a head that [`write_request`](super::forward::write_request) wrote.
    pub fn written<'a>(&self, head: &'a [u8]) -> Option<&'a [u8]> {
        let fields = written_fields(head).filter(|(name, _)| name.eq_ignore_ascii_case(&self.name));
        fields.map(|(_, id)| id).find(|id: &&[u8]| !id.is_empty())
    }

    /// Appends a field line with this id.
    pub(super) fn write_line(&self, out: &mut Vec<u8>, id: &[u8]) {
        encode::field_line(out, &self.name, id);
    }

    /// Whether fields have an id already, an empty one too.
    pub(super) fn is_in(&self, fields: &Fields<'_>) -> bool {
        fields.iter().any(|field| self.has_field(&field))
    }
}

/// 16 digits, leading zeros included; eight at a time, since one by one they cost more than all else that is written of a
/// short request.
fn hexadecimal(number: u64) -> [u8; 16] {
    let eight = |half: u32| {
        // The digits as bytes, the highest first in memory.
        let word = u64::from(half.swap_bytes());
        let word = (word | word << 16) & 0x0000_ffff_0000_ffff;
        let word = (word | word << 8) & 0x00ff_00ff_00ff_00ff;
        let digits = word >> 4 & 0x000f_000f_000f_000f | (word & 0x000f_000f_000f_000f) << 8;
        // 1 in each byte above 9: letters stand 39 places further than the signs behind "9" would.
        let letters = (digits + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
        digits + 0x3030_3030_3030_3030 + letters * 39
    };
    let (high, low) = (eight((number >> 32) as u32), eight(number as u32));
    let mut digits = [0; 16];
    digits[..8].copy_from_slice(&high.to_le_bytes());
    digits[8..].copy_from_slice(&low.to_le_bytes());
    digits
}

/// Whether an id can be shown in any text without being quoted: what its client chose may be meant for whoever reads it.
pub fn may_be_shown(id: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:/+=@".contains(byte);
    (1..=SHOWN_BYTES_MAX).contains(&id.len()) && id.iter().all(is_plain)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::h1::{self, HeadLimits, Parse};
    use crate::message::connection_options;

    fn ids(field: &str, core: u64) -> RequestIds {
        RequestIds::new(&RequestIdPolicy { field: field.parse().unwrap(), on_answers: false }, core)
    }

    #[test]
    fn digits_are_those_of_the_standard_library() {
        let numbers =
            (0..64).flat_map(|bit| [1 << bit, (1 << bit) - 1, 0x0123_4567_89ab_cdef_u64.rotate_left(bit)]);
        for number in numbers.chain([0, u64::MAX, 0x9a9a_9a9a_a9a9_a9a9]) {
            let digits = hexadecimal(number);
            assert_eq!(str::from_utf8(&digits), Ok(&*format!("{number:016x}")));
        }
    }

    fn brought(field: &str, lines: &str) -> Option<String> {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let mut table = Default::default();
        let parsed = h1::parse_request(bytes.as_bytes(), &mut table, &HeadLimits::default());
        let Ok(Parse::Complete { head, .. }) = parsed else { panic!("{bytes}") };
        let options = connection_options(&head.fields).unwrap();
        let id = ids(field, 1).brought(&head.fields, &options);
        id.map(|id| String::from_utf8(id.to_vec()).expect("ASCII"))
    }

    #[test]
    fn a_request_brings_the_first_value_of_the_field() {
        let cases = [
            ("X-Request-Id", "", None),
            ("X-Request-Id", "x-request-ID: 42\r\n", Some("42")),
            ("X-Request-Id", "X-Request-Id: 1\r\nX-Request-Id: 2\r\n", Some("1")),
            ("X-Request-Id", "X-Request-Id:\r\n", None),
            ("X-Request-Id", "Connection: x-request-id\r\nX-Request-Id: 42\r\n", Some("42")),
            ("X-Request-Id", "X-Correlation-Id: 42\r\n", None),
            ("X-Correlation-Id", "x-correlation-id: 42\r\n", Some("42")),
            ("X-Correlation-Id", "Connection: x-correlation-id\r\nX-Correlation-Id: 42\r\n", None),
        ];
        for (field, lines, expected) in cases {
            assert_eq!(brought(field, lines).as_deref(), expected, "{field}: {lines}");
        }
    }

    #[test]
    fn own_ids_are_32_digits_and_none_comes_twice() {
        let cores = [1, 2].map(|core| ids("X-Request-Id", core));
        let mut seen = HashSet::new();
        for _ in 0..10_000 {
            for core in &cores {
                let id = core.invent();
                assert!(id.iter().all(u8::is_ascii_hexdigit) && may_be_shown(&id));
                assert!(seen.insert(id));
            }
        }
    }

    #[test]
    fn only_plain_ids_are_shown() {
        for id in ["42", "a-b_c.d~e", "urn:uuid:1", "dGVzdA==", &"x".repeat(128)] {
            assert!(may_be_shown(id.as_bytes()), "{id}");
        }
        for id in ["", "a b", "<b>", "\"", "\\", "é", "a,b", &"x".repeat(129)] {
            assert!(!may_be_shown(id.as_bytes()), "{id}");
        }
    }
}
