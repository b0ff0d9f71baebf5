//! Heads: a start line, field lines and the empty line (RFC 9112 2.1).

use super::error::{HeadError, Stop};
use super::{field_line, request_line, scan, status_line};
use crate::message::{Authority, FieldTable, Fields, KnownField, RequestHead, ResponseHead, Version};

/// How much of a head is read before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// The whole head with its last empty line, in bytes; counted to at most 4 GiB - 1.
    pub head_bytes_max: usize,
    /// The request target, in bytes.
    pub target_bytes_max: usize,
    /// The number of field lines.
    pub fields_max: usize,
}

impl Default for HeadLimits {
    /// 32 KiB and 8 KiB are nginx's (four large buffers, of which a request line must fit one); 128 fields are a few
    /// more than the 100 of Apache and Envoy.
    fn default() -> HeadLimits {
        HeadLimits { head_bytes_max: 32 * 1024, target_bytes_max: 8 * 1024, fields_max: 128 }
    }
}

/// What the bytes so far amount to.
#[derive(Clone, Copy, Debug)]
pub enum Parse<T> {
    /// A whole head.
    Complete {
        /// The head.
        head: T,
        /// Its length in bytes, with the last empty line and the tolerated one before it.
        length: usize,
    },
    /// The beginning of what may become a valid head.
    Partial,
}

/// Reads a request's head from the beginning of `bytes`.
///
/// `table` is cleared and filled. One empty line before the request line is skipped (RFC 9112 2.2). Errors are found
/// left to right and at once, as soon as no further bytes can mend the head; only what concerns the head as a whole
/// (the Host field) waits for its end. Parsing starts from the beginning at each call: where a head comes in many
/// pieces, let a [`super::HeadScanner`] find its end first.
pub fn parse_request<'a>(
    bytes: &'a [u8],
    table: &'a mut FieldTable,
    limits: &HeadLimits,
) -> Result<Parse<RequestHead<'a>>, HeadError> {
    let bytes = at_most(bytes, limits);
    let (line, length) = match request_parts(bytes, table, limits) {
        Ok(parts) => parts,
        Err(stop) => return unfinished(stop, bytes, limits),
    };
    let fields = table.fields(bytes);
    // Two ways to the same, so that on the usual one nothing is written twice: to read in one piece what was written in
    // two, as happens where results of calls are moved on, takes longer than to parse a line.
    if let Some(target) = line.origin_form(bytes)
        && let Some(host) = plain_host_field(&fields)
    {
        return Ok(Parse::Complete { head: line.head(bytes, target, fields, Some(host)), length });
    }
    unusual_request(bytes, fields, limits, length)
}

/// The head where its target is not in origin-form or its Host field not as nearly all are. The request line is read
/// again: to hand it over would cost all other heads that it is written down.
#[cold]
fn unusual_request<'a>(
    bytes: &'a [u8],
    fields: Fields<'a>,
    limits: &HeadLimits,
    length: usize,
) -> Result<Parse<RequestHead<'a>>, HeadError> {
    let line = match first_line(bytes, limits) {
        Ok(line) => line,
        Err(stop) => return unfinished(stop, bytes, limits),
    };
    let host_field = host_field(&fields, line.version)?;
    let head = line.head(bytes, line.target(bytes)?, fields, host_field);
    Ok(Parse::Complete { head, length })
}

/// Reads a response's head from the beginning of `bytes`; as [`parse_request`], but no empty line may come first.
pub fn parse_response<'a>(
    bytes: &'a [u8],
    table: &'a mut FieldTable,
    limits: &HeadLimits,
) -> Result<Parse<ResponseHead<'a>>, HeadError> {
    let bytes = at_most(bytes, limits);
    let (line, length) = match response_parts(bytes, table, limits) {
        Ok(parts) => parts,
        Err(stop) => return unfinished(stop, bytes, limits),
    };
    let status_line::StatusLine { version, status, reason } = line;
    Ok(Parse::Complete {
        head: ResponseHead { version, status, reason, fields: table.fields(bytes) },
        length,
    })
}

#[inline(always)]
fn request_parts(
    bytes: &[u8],
    table: &mut FieldTable,
    limits: &HeadLimits,
) -> Result<(request_line::RequestLine, usize), Stop> {
    let line = first_line(bytes, limits)?;
    let length = field_line::parse_section(bytes, line.end, table, limits)?;
    Ok((line, length))
}

#[inline(always)]
fn first_line(bytes: &[u8], limits: &HeadLimits) -> Result<request_line::RequestLine, Stop> {
    request_line::parse(bytes, leading_empty_line(bytes)?, limits)
}

#[inline]
fn response_parts<'a>(
    bytes: &'a [u8],
    table: &mut FieldTable,
    limits: &HeadLimits,
) -> Result<(status_line::StatusLine<'a>, usize), Stop> {
    let (line, at) = status_line::parse(bytes)?;
    let length = field_line::parse_section(bytes, at, table, limits)?;
    Ok((line, length))
}

/// No byte beyond the limit is looked at, so a cut head and a whole one are judged alike.
fn at_most<'a>(bytes: &'a [u8], limits: &HeadLimits) -> &'a [u8] {
    &bytes[..bytes.len().min(limits.head_bytes_max).min(u32::MAX as usize)]
}

#[cold]
fn unfinished<T>(stop: Stop, bytes: &[u8], limits: &HeadLimits) -> Result<Parse<T>, HeadError> {
    match stop {
        Stop::Refused(error) => Err(error),
        Stop::NeedMore if bytes.len() >= limits.head_bytes_max.min(u32::MAX as usize) => {
            Err(HeadError::HeadTooLarge)
        }
        Stop::NeedMore => Ok(Parse::Partial),
    }
}

/// The index of the request line's first byte.
#[inline]
fn leading_empty_line(bytes: &[u8]) -> Result<usize, Stop> {
    match bytes.first() {
        Some(b'\r' | b'\n') => line_end(bytes, 0),
        _ => Ok(0),
    }
}

/// The index after the CRLF that must stand at `at`.
#[inline]
pub(super) fn line_end(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    match bytes.get(at..) {
        Some([b'\r', b'\n', ..]) => Ok(at + 2),
        Some([b'\n', ..]) => Err(HeadError::BareLineFeed.into()),
        Some([] | [b'\r']) | None => Err(Stop::NeedMore),
        Some(_) => Err(HeadError::BareCarriageReturn.into()),
    }
}

/// The one Host field, if it is as nearly all are; otherwise [`host_field`] decides.
#[inline(always)]
fn plain_host_field<'a>(fields: &Fields<'a>) -> Option<Authority<'a>> {
    let line = fields.lines().iter().find(|line| line.known == KnownField::Host)?;
    if fields.is_repeated(KnownField::Host) {
        return None;
    }
    let start = line.value.start as usize;
    // What ends a value is no part of a name.
    let length = scan::plain_name_end(fields.bytes(), start) - start;
    Authority::of_plain_name(line.value.of(fields.bytes()), length)
}

/// The Host field by RFC 9112 3.2: exactly one and valid, but HTTP/1.0 may lack it.
fn host_field<'a>(fields: &Fields<'a>, version: Version) -> Result<Option<Authority<'a>>, HeadError> {
    if fields.is_repeated(KnownField::Host) {
        return Err(HeadError::RepeatedHost);
    }
    match fields.first(KnownField::Host) {
        Some(value) => Authority::parse(value).map(Some).map_err(HeadError::InvalidHost),
        None if version == Version::Http10 => Ok(None),
        None => Err(HeadError::MissingHost),
    }
}

#[cfg(test)]
mod tests {
    use super::super::every_cut::{self, LIMITS};
    use super::HeadError::*;
    use super::*;
    use crate::message::{AuthorityError, StatusCode};

    fn authority_of(bytes: &str) -> Result<Option<Option<String>>, HeadError> {
        every_cut::request(bytes.as_bytes(), &LIMITS, |head, _| {
            head.authority().map(|authority| authority.as_bytes().escape_ascii().to_string())
        })
    }

    /// RFC 9112 3.2 and 3.2.2
    #[test]
    fn the_authority_is_the_targets_or_else_the_host_fields() {
        let table = [
            ("GET / HTTP/1.1\r\nHost: a.b:80\r\n\r\n", Some("a.b:80")),
            ("GET / HTTP/1.1\r\nA: b\r\nhOST:a\r\n\r\n", Some("a")),
            ("GET http://o/ HTTP/1.1\r\nHost: other\r\n\r\n", Some("o")),
            ("CONNECT o:1 HTTP/1.1\r\nHost: other\r\n\r\n", Some("o:1")),
            ("GET / HTTP/1.0\r\n\r\n", None),
            ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", Some("a")),
            ("GET http://o/ HTTP/1.0\r\n\r\n", Some("o")),
        ];
        for (bytes, authority) in table {
            assert_eq!(authority_of(bytes), Ok(Some(authority.map(str::to_owned))), "{bytes:?}");
        }
    }

    #[test]
    fn a_missing_repeated_or_invalid_host_is_refused() {
        let table = [
            ("GET / HTTP/1.1\r\n\r\n", MissingHost),
            ("GET http://o/ HTTP/1.1\r\n\r\n", MissingHost),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", RepeatedHost),
            ("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", RepeatedHost),
            ("GET http://o/ HTTP/1.1\r\nHost: a\r\nHost: o\r\n\r\n", RepeatedHost),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", InvalidHost(AuthorityError::EmptyHost)),
            ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", InvalidHost(AuthorityError::Userinfo)),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", InvalidHost(AuthorityError::InvalidHost)),
            ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", InvalidHost(AuthorityError::InvalidHost)),
            ("GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", InvalidHost(AuthorityError::InvalidPort)),
            ("GET http://o/ HTTP/1.1\r\nHost: a/b\r\n\r\n", InvalidHost(AuthorityError::InvalidHost)),
            ("GET / HTTP/1.0\r\nHost: a:b\r\n\r\n", InvalidHost(AuthorityError::InvalidPort)),
        ];
        for (bytes, fault) in table {
            assert_eq!(authority_of(bytes), Err(fault), "{bytes:?}");
        }
    }

    #[test]
    fn what_follows_a_head_is_not_part_of_it() {
        let head = "\r\nPOST / HTTP/1.1\r\nHost: a\r\n\r\n";
        for body in ["", "\n", "\0\0\0", "GET / HTTP/1.1\r\n"] {
            let bytes = [head, body].concat();
            assert_eq!(
                every_cut::request(bytes.as_bytes(), &LIMITS, |_, length| length),
                Ok(Some(head.len()))
            );
        }
    }

    #[test]
    fn a_head_as_long_as_the_limit_is_read_and_a_longer_one_refused() {
        let bytes = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nbody";
        let length = bytes.len() - 4;
        let limits = |head_bytes_max: usize| HeadLimits { head_bytes_max, ..LIMITS };
        let mut table = FieldTable::new();
        assert!(matches!(parse_request(bytes, &mut table, &limits(length)), Ok(Parse::Complete { .. })));
        for head_bytes_max in 0..length {
            for end in 0..=bytes.len() {
                let parsed = parse_request(&bytes[..end], &mut table, &limits(head_bytes_max));
                if end < head_bytes_max {
                    assert!(matches!(parsed, Ok(Parse::Partial)), "{end} bytes of at most {head_bytes_max}");
                } else {
                    assert_eq!(parsed.err(), Some(HeadTooLarge), "{end} bytes of at most {head_bytes_max}");
                }
            }
        }
    }

    #[test]
    fn a_table_can_be_used_again_after_any_outcome() {
        let mut table = FieldTable::new();
        let first = b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
        assert!(parse_request(first, &mut table, &LIMITS).is_ok());
        assert!(parse_request(b"GET / HTTP/1.1\r\nTE: x\r\n\n", &mut table, &LIMITS).is_err());
        let parsed = parse_request(b"GET / HTTP/1.1\r\nHost: b\r\n\r\n", &mut table, &LIMITS);
        let Ok(Parse::Complete { head, .. }) = parsed else { panic!("{parsed:?}") };
        assert_eq!(head.fields.len(), 1);
        assert!(!head.fields.contains(KnownField::ContentLength));
        assert!(!head.fields.is_repeated(KnownField::Host));
    }

    #[test]
    fn errors_map_to_the_status_that_says_most() {
        let table = [
            (BareLineFeed, 400),
            (InvalidHost(AuthorityError::EmptyHost), 400),
            (TargetTooLong, 414),
            (HeadTooLarge, 431),
            (TooManyFields, 431),
            (MethodTooLong, 501),
            (UnsupportedVersion, 505),
            (Http2Preface, 505),
        ];
        for (error, status) in table {
            assert_eq!(Some(error.status()), StatusCode::new(status), "{error}");
        }
        let message = InvalidHost(AuthorityError::Userinfo).to_string();
        assert_eq!(message, "the Host field is invalid: the authority holds userinfo");
    }
}
