//! The status line: HTTP-version SP status-code SP [ reason-phrase ] CRLF (RFC 9112 4).

use super::error::{HeadError, Stop};
use super::head::line_end;
use super::{request_line, scan};
use crate::message::{StatusCode, Version};

/// A status line's parts.
pub(super) struct StatusLine<'a> {
    pub(super) version: Version,
    pub(super) status: StatusCode,
    pub(super) reason: &'a [u8],
}

/// Reads the status line at the beginning of `bytes`; also returns the index after it.
///
/// The SP after the status code must be there even where no reason follows, as RFC 9112 4 asks of servers.
pub(super) fn parse(bytes: &[u8]) -> Result<(StatusLine<'_>, usize), Stop> {
    let version = request_line::version(bytes, 0)?;
    let status = status_code(&bytes[8..])?;
    let reason_end = scan::field_value_end(bytes, 13);
    let end = match bytes.get(reason_end) {
        None | Some(b'\r' | b'\n') => line_end(bytes, reason_end)?,
        Some(_) => return Err(HeadError::InvalidReason.into()),
    };
    Ok((StatusLine { version, status, reason: &bytes[13..reason_end] }, end))
}

/// The status code in `bytes`, which begin with the SP before it and go on with the SP after it.
fn status_code(bytes: &[u8]) -> Result<StatusCode, Stop> {
    if let Some(&[b' ', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ']) = bytes.first_chunk() {
        let digit = |byte: u8| u16::from(byte - b'0');
        let number = digit(a) * 100 + digit(b) * 10 + digit(c);
        return StatusCode::new(number).ok_or(HeadError::InvalidStatusCode.into());
    }
    let may_become_valid = bytes.iter().take(5).enumerate().all(|(index, byte)| match index {
        0 | 4 => *byte == b' ',
        1 => matches!(byte, b'1'..=b'9'),
        _ => byte.is_ascii_digit(),
    });
    Err(if may_become_valid { Stop::NeedMore } else { HeadError::InvalidStatusCode.into() })
}
