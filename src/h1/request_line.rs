//! The request line: method SP request-target SP HTTP-version CRLF (RFC 9112 3).

use super::error::{HeadError, Stop};
use super::head::{HeadLimits, line_end};
use super::{request_target, scan};
use crate::message::{Authority, Fields, Method, RequestHead, RequestTarget, Version};

/// The longest method that is read, in bytes; RFC 9112 3 asks for 501 beyond what a server implements.
pub const METHOD_BYTES_MAX: usize = 32;

/// Where a request line's parts stand. Indices, not slices: they stay in registers until the whole head is there.
#[derive(Clone, Copy)]
pub(super) struct RequestLine {
    start: usize,
    method_end: usize,
    pub(super) method: Method,
    target: request_target::Extent,
    pub(super) version: Version,
    /// The index after the line.
    pub(super) end: usize,
}

/// Finds the parts of the request line at `start` and checks them.
#[inline(always)]
pub(super) fn parse(bytes: &[u8], start: usize, limits: &HeadLimits) -> Result<RequestLine, Stop> {
    let (method, method_end) = method(bytes, start)?;
    let target = request_target::extent(bytes, method_end + 1, limits.target_bytes_max)?;
    let (version, end) = version_and_line_end(bytes, target.end + 1, start)?;
    request_target::check_form(bytes, target, method)?;
    Ok(RequestLine { start, method_end, method, target, version, end })
}

impl RequestLine {
    /// The head that begins with this line of `bytes`.
    #[inline(always)]
    pub(super) fn head<'a>(
        &self,
        bytes: &'a [u8],
        target: RequestTarget<'a>,
        fields: Fields<'a>,
        host_field: Option<Authority<'a>>,
    ) -> RequestHead<'a> {
        let method_token = &bytes[self.start..self.method_end];
        RequestHead { method: self.method, method_token, target, version: self.version, fields, host_field }
    }

    /// The target, if it is in origin-form.
    #[inline(always)]
    pub(super) fn origin_form<'a>(&self, bytes: &'a [u8]) -> Option<RequestTarget<'a>> {
        request_target::origin_form(bytes, self.target, self.method)
    }

    /// The target as it stands in `bytes`.
    pub(super) fn target<'a>(&self, bytes: &'a [u8]) -> Result<RequestTarget<'a>, HeadError> {
        request_target::parse(bytes, self.target, self.method)
    }
}

/// The method and the index of the SP after it.
#[inline(always)]
fn method(bytes: &[u8], start: usize) -> Result<(Method, usize), Stop> {
    const GET: u32 = u32::from_le_bytes(*b"GET ");
    match bytes.get(start..).and_then(|rest| rest.first_chunk()) {
        Some(first) if u32::from_le_bytes(*first) == GET => Ok((Method::Get, start + 3)),
        _ => other_method(bytes, start),
    }
}

#[inline(never)]
fn other_method(bytes: &[u8], start: usize) -> Result<(Method, usize), Stop> {
    let end = scan::token_before(bytes, start, b' ').unwrap_or_else(|| scan::token_end(bytes, start));
    if end - start > METHOD_BYTES_MAX {
        return Err(HeadError::MethodTooLong.into());
    }
    match bytes.get(end) {
        Some(b' ') if end > start => Ok((Method::from_token(&bytes[start..end]), end)),
        None => Err(Stop::NeedMore),
        Some(b'\n') => Err(HeadError::BareLineFeed.into()),
        Some(_) => Err(HeadError::InvalidMethod.into()),
    }
}

#[inline(always)]
fn version_and_line_end(bytes: &[u8], at: usize, line_start: usize) -> Result<(Version, usize), Stop> {
    // As integers: a match on the bytes would compare them one by one.
    const LINE_END: u16 = u16::from_le_bytes(*b"\r\n");
    const HTTP_1_1: u64 = u64::from_le_bytes(*b"HTTP/1.1");
    const HTTP_1_0: u64 = u64::from_le_bytes(*b"HTTP/1.0");
    if let Some(&[a, b, c, d, e, f, g, h, cr, lf]) = bytes.get(at..).and_then(|rest| rest.first_chunk())
        && u16::from_le_bytes([cr, lf]) == LINE_END
    {
        match u64::from_le_bytes([a, b, c, d, e, f, g, h]) {
            HTTP_1_1 => return Ok((Version::Http11, at + 10)),
            HTTP_1_0 => return Ok((Version::Http10, at + 10)),
            _ => {}
        }
    }
    unusual_version(bytes, at, line_start)
}

/// Everything but the two good endings: names the fault, or finds that bytes are missing.
#[cold]
fn unusual_version(bytes: &[u8], at: usize, line_start: usize) -> Result<(Version, usize), Stop> {
    let version = match version(bytes, at) {
        Err(Stop::Refused(HeadError::UnsupportedVersion)) if bytes[line_start..].starts_with(b"PRI ") => {
            return Err(HeadError::Http2Preface.into());
        }
        other => other?,
    };
    match bytes.get(at + 8) {
        None | Some(b'\r' | b'\n') => Ok((version, line_end(bytes, at + 8)?)),
        Some(_) => Err(HeadError::InvalidVersion.into()),
    }
}

/// The version whose 8 bytes begin at `at`.
pub(super) fn version(bytes: &[u8], at: usize) -> Result<Version, Stop> {
    let rest = bytes.get(at..).unwrap_or_default();
    let matches =
        |(&byte, &pattern): (&u8, &u8)| byte == pattern || (pattern == b'0' && byte.is_ascii_digit());
    if !rest.iter().zip(b"HTTP/0.0").all(matches) {
        return Err(HeadError::InvalidVersion.into());
    }
    match rest.first_chunk() {
        Some(b"HTTP/1.1") => Ok(Version::Http11),
        Some(b"HTTP/1.0") => Ok(Version::Http10),
        Some(_) => Err(HeadError::UnsupportedVersion.into()),
        None => Err(Stop::NeedMore),
    }
}

#[cfg(test)]
mod tests {
    use super::super::every_cut::{self, LIMITS};
    use super::HeadError::*;
    use super::*;

    const REST: &[u8] = b"Host: a\r\n\r\n";

    fn parsed(line: &[u8]) -> Result<Option<(Method, Vec<u8>, Version)>, HeadError> {
        let bytes = [line, REST].concat();
        every_cut::request(&bytes, &LIMITS, |head, length| {
            assert_eq!(length, bytes.len());
            (head.method, head.method_token.to_vec(), head.version)
        })
    }

    /// RFC 9112 2.3, 3 and 3.1
    #[test]
    fn valid_lines_yield_method_and_version() {
        let table: [(&[u8], Method, &[u8], Version); 6] = [
            (b"GET / HTTP/1.1\r\n", Method::Get, b"GET", Version::Http11),
            (b"GET / HTTP/1.0\r\n", Method::Get, b"GET", Version::Http10),
            (b"\r\nPOST / HTTP/1.1\r\n", Method::Post, b"POST", Version::Http11),
            (b"get / HTTP/1.1\r\n", Method::Other, b"get", Version::Http11),
            (b"M-SEARCH / HTTP/1.1\r\n", Method::Other, b"M-SEARCH", Version::Http11),
            (b"!#$%&'*+-.^_`|~09aZ / HTTP/1.1\r\n", Method::Other, b"!#$%&'*+-.^_`|~09aZ", Version::Http11),
        ];
        for (line, method, token, version) in table {
            let expected = Ok(Some((method, token.to_vec(), version)));
            assert_eq!(parsed(line), expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn broken_lines_name_their_fault() {
        let table: [(&[u8], HeadError); 40] = [
            (b"\nGET / HTTP/1.1\r\n", BareLineFeed),
            (b"\rGET / HTTP/1.1\r\n", BareCarriageReturn),
            (b"\r\n\r\nGET / HTTP/1.1\r\n", InvalidMethod),
            (b" GET / HTTP/1.1\r\n", InvalidMethod),
            (b"\tGET / HTTP/1.1\r\n", InvalidMethod),
            (b"\0", InvalidMethod),
            (b"GET\t/ HTTP/1.1\r\n", InvalidMethod),
            (b"GET\r\n", InvalidMethod),
            (b"GET\n", BareLineFeed),
            (b"G(T / HTTP/1.1\r\n", InvalidMethod),
            (b"G\xc3\x84T / HTTP/1.1\r\n", InvalidMethod),
            (b"\x16\x03\x01\x02", InvalidMethod),
            (b"A23456789012345678901234567890123 / HTTP/1.1\r\n", MethodTooLong),
            (b"GET  / HTTP/1.1\r\n", InvalidTarget),
            (b"GET /\r\n", InvalidTarget),
            (b"GET /\n", BareLineFeed),
            (b"GET \n", BareLineFeed),
            (b"GET /  HTTP/1.1\r\n", InvalidVersion),
            (b"GET /\tHTTP/1.1\r\n", InvalidTarget),
            (b"GET / b HTTP/1.1\r\n", InvalidVersion),
            (b"GET / \r\n", InvalidVersion),
            (b"GET / HTTP\r\n", InvalidVersion),
            (b"GET / http/1.1\r\n", InvalidVersion),
            (b"GET / HTTP/1.1 \r\n", InvalidVersion),
            (b"GET / HTTP/1.1\t\r\n", InvalidVersion),
            (b"GET / HTTP/1.1\n", BareLineFeed),
            (b"GET / HTTP/1.1\r\r\n", BareCarriageReturn),
            (b"GET / HTTP/1.1\rX", BareCarriageReturn),
            (b"GET / HTTP/11\r\n", InvalidVersion),
            (b"GET / HTTP/1.10\r\n", InvalidVersion),
            (b"GET / HTTP/01.1\r\n", InvalidVersion),
            (b"GET / HTTP/1,1\r\n", InvalidVersion),
            (b"GET / HTTP/ 1.1\r\n", InvalidVersion),
            (b"GET / HTTP/1.x\r\n", InvalidVersion),
            (b"GET / HTTP/1.2\r\n", UnsupportedVersion),
            (b"GET / HTTP/0.9\r\n", UnsupportedVersion),
            (b"GET / HTTP/2.0\r\n", UnsupportedVersion),
            (b"GET / HTTP/9.9\r\n", UnsupportedVersion),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Http2Preface),
            (b"PRI * HTTP/1.1\r\n", WrongTargetForm),
        ];
        for (line, fault) in table {
            assert_eq!(parsed(line), Err(fault), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn the_longest_method_is_not_too_long() {
        let method = "M".repeat(METHOD_BYTES_MAX);
        let line = format!("{method} / HTTP/1.1\r\n");
        let expected = Ok(Some((Method::Other, method.into_bytes(), Version::Http11)));
        assert_eq!(parsed(line.as_bytes()), expected);
    }
}
