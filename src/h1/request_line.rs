//! The request line: method SP request-target SP HTTP-version CRLF (RFC 9112 3).

use super::error::{HeadError, Stop};
use super::head::{HeadLimits, line_end};
use super::{request_target, scan};
use crate::message::{Method, RequestTarget, Version};

/// The longest method that is read, in bytes; RFC 9112 3 asks for 501 beyond what a server implements.
pub const METHOD_BYTES_MAX: usize = 32;

/// A request line's parts.
pub(super) struct RequestLine<'a> {
    pub(super) method: Method,
    pub(super) method_token: &'a [u8],
    pub(super) target: RequestTarget<'a>,
    pub(super) version: Version,
}

/// Reads the request line at `start`; also returns the index after it.
#[inline]
pub(super) fn parse<'a>(
    bytes: &'a [u8],
    start: usize,
    limits: &HeadLimits,
) -> Result<(RequestLine<'a>, usize), Stop> {
    let method_end = method_end(bytes, start)?;
    let method_token = &bytes[start..method_end];
    let extent = request_target::extent(bytes, method_end + 1, limits.target_bytes_max)?;
    let (version, end) = version_and_line_end(bytes, extent.end + 1, method_token)?;
    let method = Method::from_token(method_token);
    let target = request_target::parse(bytes, extent, method)?;
    Ok((RequestLine { method, method_token, target, version }, end))
}

#[inline]
fn method_end(bytes: &[u8], start: usize) -> Result<usize, Stop> {
    let end = scan::token_end(bytes, start);
    if end - start > METHOD_BYTES_MAX {
        return Err(HeadError::MethodTooLong.into());
    }
    match bytes.get(end) {
        Some(b' ') if end > start => Ok(end),
        None => Err(Stop::NeedMore),
        Some(b'\n') => Err(HeadError::BareLineFeed.into()),
        Some(_) => Err(HeadError::InvalidMethod.into()),
    }
}

#[inline]
fn version_and_line_end(bytes: &[u8], at: usize, method: &[u8]) -> Result<(Version, usize), Stop> {
    match bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(b"HTTP/1.1\r\n") => Ok((Version::Http11, at + 10)),
        Some(b"HTTP/1.0\r\n") => Ok((Version::Http10, at + 10)),
        _ => unusual_version(bytes, at, method),
    }
}

/// Everything but the two good endings: names the fault, or finds that bytes are missing.
#[cold]
fn unusual_version(bytes: &[u8], at: usize, method: &[u8]) -> Result<(Version, usize), Stop> {
    let version = match version(bytes, at) {
        Err(Stop::Refused(HeadError::UnsupportedVersion)) if method == b"PRI" => {
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
