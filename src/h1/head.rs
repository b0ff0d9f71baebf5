//! Heads: a start line, field lines and the empty line (RFC 9112 2.1).

use super::error::{HeadError, Stop};
use super::{field_line, request_line, status_line};
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
    /// 32 KiB, 8 KiB, 128: those of HAProxy's buffer, nginx's large buffer, Apache's and Envoy's field count.
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
    let host_field = host_field(&fields, line.version)?;
    let request_line::RequestLine { method, method_token, target, version } = line;
    let head = RequestHead { method, method_token, target, version, fields, host_field };
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

#[inline]
fn request_parts<'a>(
    bytes: &'a [u8],
    table: &mut FieldTable,
    limits: &HeadLimits,
) -> Result<(request_line::RequestLine<'a>, usize), Stop> {
    let start = leading_empty_line(bytes)?;
    let (line, at) = request_line::parse(bytes, start, limits)?;
    let length = field_line::parse_section(bytes, at, table, limits)?;
    Ok((line, length))
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

/// The Host field by RFC 9112 3.2: exactly one and valid, but HTTP/1.0 may lack it.
#[inline]
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
