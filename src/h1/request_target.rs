//! The request target and its four forms (RFC 9112 3.2).

use super::error::{HeadError, Stop};
use super::scan;
use crate::message::{Authority, Method, RequestTarget};

/// Where a target stands in the buffer.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    start: usize,
    /// The index of the SP after it.
    pub(super) end: usize,
    /// The index of its first "?".
    question: Option<usize>,
}

/// Finds the end of the target at `start`, which must be an SP, and checks its bytes.
///
/// Percent-encodings are checked in the path only: queries with a bare "%" are common and nobody decodes them here.
#[inline]
pub(super) fn extent(bytes: &[u8], start: usize, length_max: usize) -> Result<Extent, Stop> {
    let mut at = start;
    loop {
        at = scan::path_stretch_end(bytes, at);
        if at - start > length_max {
            return Err(HeadError::TargetTooLong.into());
        }
        match bytes.get(at) {
            Some(b' ') if at > start => return Ok(Extent { start, end: at, question: None }),
            Some(b'?') => break,
            Some(b'%') => at = percent_encoding_end(bytes, at)?,
            other => return Err(refusal(other)),
        }
    }
    let end = scan::query_end(bytes, at);
    if end - start > length_max {
        return Err(HeadError::TargetTooLong.into());
    }
    match bytes.get(end) {
        Some(b' ') => Ok(Extent { start, end, question: Some(at) }),
        other => Err(refusal(other)),
    }
}

#[cold]
fn refusal(byte: Option<&u8>) -> Stop {
    match byte {
        None => Stop::NeedMore,
        Some(b'\n') => HeadError::BareLineFeed.into(),
        // Neither a version nor a second SP: the line of HTTP/0.9, or a CR amid the target.
        Some(_) => HeadError::InvalidTarget.into(),
    }
}

/// The index after the "%" at `at` and its two digits, which must not encode NUL.
fn percent_encoding_end(bytes: &[u8], at: usize) -> Result<usize, Stop> {
    let digits = bytes.get(at + 1..).unwrap_or_default();
    let digits = &digits[..digits.len().min(2)];
    if !digits.iter().all(u8::is_ascii_hexdigit) || digits == b"00" {
        return Err(HeadError::InvalidPercentEncoding.into());
    }
    if digits.len() < 2 { Err(Stop::NeedMore) } else { Ok(at + 3) }
}

/// Reads the target in `extent` as one of the forms that `method` allows.
#[inline]
pub(super) fn parse<'a>(
    bytes: &'a [u8],
    extent: Extent,
    method: Method,
) -> Result<RequestTarget<'a>, HeadError> {
    let raw = &bytes[extent.start..extent.end];
    if raw[0] == b'/' && method != Method::Connect {
        let (path, query) = split_query(bytes, extent.start, extent);
        return Ok(RequestTarget::Origin { raw, path, query });
    }
    other_form(bytes, extent, method)
}

fn other_form<'a>(bytes: &'a [u8], extent: Extent, method: Method) -> Result<RequestTarget<'a>, HeadError> {
    let raw = &bytes[extent.start..extent.end];
    match (method, raw) {
        (Method::Connect, _) => connect_target(raw),
        (Method::Options, b"*") => Ok(RequestTarget::Asterisk),
        _ => absolute_form(bytes, extent),
    }
}

/// authority-form: a port is not optional (RFC 9112 3.2.3).
fn connect_target(raw: &[u8]) -> Result<RequestTarget<'_>, HeadError> {
    let authority = Authority::parse(raw).map_err(HeadError::InvalidTargetAuthority)?;
    match authority.port() {
        Some(_) => Ok(RequestTarget::Authority(authority)),
        None => Err(HeadError::WrongTargetForm),
    }
}

fn absolute_form<'a>(bytes: &'a [u8], extent: Extent) -> Result<RequestTarget<'a>, HeadError> {
    let raw = &bytes[extent.start..extent.end];
    let colon = raw.windows(3).position(|window| window == b"://").ok_or(HeadError::WrongTargetForm)?;
    let scheme = &raw[..colon];
    if !is_scheme(scheme) {
        return Err(HeadError::WrongTargetForm);
    }
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Err(HeadError::UnsupportedScheme);
    }
    let authority_start = colon + 3;
    let after = &raw[authority_start..];
    let authority_length = after.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(after.len());
    let authority =
        Authority::parse(&after[..authority_length]).map_err(HeadError::InvalidTargetAuthority)?;
    let (path, query) = split_query(bytes, extent.start + authority_start + authority_length, extent);
    Ok(RequestTarget::Absolute { raw, scheme, authority, path, query })
}

/// RFC 3986 3.1
fn is_scheme(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
}

#[inline]
fn split_query(bytes: &[u8], path_start: usize, extent: Extent) -> (&[u8], Option<&[u8]>) {
    match extent.question {
        Some(question) => (&bytes[path_start..question], Some(&bytes[question + 1..extent.end])),
        None => (&bytes[path_start..extent.end], None),
    }
}
