//! For the tests of heads: each is parsed whole and cut at every byte.

use super::{FieldTable, HeadError, HeadLimits, HeadScanner, Parse, parse_request, parse_response};
use crate::message::{RequestHead, ResponseHead};

/// The limits that tests use unless they are about limits.
pub(super) const LIMITS: HeadLimits =
    HeadLimits { head_bytes_max: 4096, target_bytes_max: 1024, fields_max: 16 };

/// Parses a request's head; `then` sees a whole one and its length. Every beginning of it must be partial, or broken
/// in the same way; and where it is whole, a scanner must find the same end.
pub(super) fn request<R>(
    bytes: &[u8],
    limits: &HeadLimits,
    then: impl FnOnce(RequestHead<'_>, usize) -> R,
) -> Result<Option<R>, HeadError> {
    let mut table = FieldTable::new();
    let cut = |end: usize, table: &mut FieldTable| {
        parse_request(&bytes[..end], table, limits).map(|parse| match parse {
            Parse::Complete { length, .. } => Some(length),
            Parse::Partial => None,
        })
    };
    let whole = cut(bytes.len(), &mut table);
    for end in 0..bytes.len() {
        check_cut(bytes, end, cut(end, &mut table), whole);
    }
    check_scanner(bytes, whole);
    match parse_request(bytes, &mut table, limits)? {
        Parse::Complete { head, length } => Ok(Some(then(head, length))),
        Parse::Partial => Ok(None),
    }
}

/// As [`request`], for a response's head.
pub(super) fn response<R>(
    bytes: &[u8],
    limits: &HeadLimits,
    then: impl FnOnce(ResponseHead<'_>, usize) -> R,
) -> Result<Option<R>, HeadError> {
    let mut table = FieldTable::new();
    let cut = |end: usize, table: &mut FieldTable| {
        parse_response(&bytes[..end], table, limits).map(|parse| match parse {
            Parse::Complete { length, .. } => Some(length),
            Parse::Partial => None,
        })
    };
    let whole = cut(bytes.len(), &mut table);
    for end in 0..bytes.len() {
        check_cut(bytes, end, cut(end, &mut table), whole);
    }
    check_scanner(bytes, whole);
    match parse_response(bytes, &mut table, limits)? {
        Parse::Complete { head, length } => Ok(Some(then(head, length))),
        Parse::Partial => Ok(None),
    }
}

type Ending = Result<Option<usize>, HeadError>;

fn check_cut(bytes: &[u8], end: usize, cut: Ending, whole: Ending) {
    let expected = match whole {
        Ok(Some(length)) if end >= length => whole,
        Err(error) if cut == Err(error) => cut,
        _ => Ok(None),
    };
    assert_eq!(cut, expected, "{} cut at {end}", bytes.escape_ascii());
}

fn check_scanner(bytes: &[u8], whole: Ending) {
    if let Ok(Some(length)) = whole {
        let found = HeadScanner::new().scan(bytes, &HeadLimits::default());
        assert_eq!(found, Ok(Some(length)), "{}", bytes.escape_ascii());
    }
}
