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
/// The SP after the status code may be missing where no reason follows: RFC 9112 4 asks servers for it, but some leave it
/// out, and there is only one way to read that.
pub(super) fn parse(bytes: &[u8]) -> Result<(StatusLine<'_>, usize), Stop> {
    let version = request_line::version(bytes, 0)?;
    let status = status_code(&bytes[8..])?;
    let reason_start = if bytes[12] == b' ' { 13 } else { 12 };
    let reason_end = scan::field_value_end(bytes, reason_start);
    let end = match bytes.get(reason_end) {
        None | Some(b'\r' | b'\n') => line_end(bytes, reason_end)?,
        Some(_) => return Err(HeadError::InvalidReason.into()),
    };
    Ok((StatusLine { version, status, reason: &bytes[reason_start..reason_end] }, end))
}

/// The status code in `bytes`, which begin with the SP before it and go on with the SP, or the line's end, after it.
fn status_code(bytes: &[u8]) -> Result<StatusCode, Stop> {
    if let Some(&[b' ', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ' | b'\r']) =
        bytes.first_chunk()
    {
        let digit = |byte: u8| u16::from(byte - b'0');
        let number = digit(a) * 100 + digit(b) * 10 + digit(c);
        return StatusCode::new(number).ok_or(HeadError::InvalidStatusCode.into());
    }
    let may_become_valid = bytes.iter().take(5).enumerate().all(|(index, byte)| match index {
        0 => *byte == b' ',
        4 => matches!(byte, b' ' | b'\r'),
        1 => matches!(byte, b'1'..=b'9'),
        _ => byte.is_ascii_digit(),
    });
    Err(if may_become_valid { Stop::NeedMore } else { HeadError::InvalidStatusCode.into() })
}

#[cfg(test)]
mod tests {
    use super::super::every_cut::{self, LIMITS};
    use super::HeadError::*;
    use super::*;

    fn parsed(bytes: &[u8]) -> Result<Option<(Version, u16, Vec<u8>)>, HeadError> {
        every_cut::response(bytes, &LIMITS, |head, length| {
            assert_eq!(length, bytes.len());
            (head.version, head.status.number(), head.reason.to_vec())
        })
    }

    /// RFC 9112 4
    #[test]
    fn valid_lines_yield_version_status_and_reason() {
        let table: [(&[u8], Version, u16, &[u8]); 8] = [
            (b"HTTP/1.1 200 OK\r\n\r\n", Version::Http11, 200, b"OK"),
            (b"HTTP/1.0 404 Not Found\r\n\r\n", Version::Http10, 404, b"Not Found"),
            (b"HTTP/1.1 204 \r\n\r\n", Version::Http11, 204, b""),
            (b"HTTP/1.1 204\r\n\r\n", Version::Http11, 204, b""),
            (b"HTTP/1.1 100 \t\xe4  \r\n\r\n", Version::Http11, 100, b"\t\xe4  "),
            (b"HTTP/1.1 599 a:b\r\nA: b\r\n\r\n", Version::Http11, 599, b"a:b"),
            (b"HTTP/1.1 999 x\r\n\r\n", Version::Http11, 999, b"x"),
            (
                b"HTTP/1.1 200 Long enough for two lanes\r\n\r\n",
                Version::Http11,
                200,
                b"Long enough for two lanes",
            ),
        ];
        for (bytes, version, status, reason) in table {
            let expected = Ok(Some((version, status, reason.to_vec())));
            assert_eq!(parsed(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn broken_lines_name_their_fault() {
        let table: [(&[u8], HeadError); 21] = [
            (b"\r\nHTTP/1.1 200 OK\r\n\r\n", InvalidVersion),
            (b" HTTP/1.1 200 OK\r\n\r\n", InvalidVersion),
            (b"ICY 200 OK\r\n\r\n", InvalidVersion),
            (b"HTTP/2 200 OK\r\n\r\n", InvalidVersion),
            (b"HTTP/2.0 200 OK\r\n\r\n", UnsupportedVersion),
            (b"HTTP/1.1  200 OK\r\n\r\n", InvalidStatusCode),
            (b"HTTP/1.1\t200 OK\r\n\r\n", InvalidStatusCode),
            (b"HTTP/1.1 200\rX", BareCarriageReturn),
            (b"HTTP/1.1 200\tOK\r\n\r\n", InvalidStatusCode),
            (b"HTTP/1.1 20 OK\r\n\r\n", InvalidStatusCode),
            (b"HTTP/1.1 2000 OK\r\n\r\n", InvalidStatusCode),
            (b"HTTP/1.1 099 OK\r\n\r\n", InvalidStatusCode),
            (b"HTTP/1.1 +20 OK\r\n\r\n", InvalidStatusCode),
            (b"HTTP/1.1 2x0 OK\r\n\r\n", InvalidStatusCode),
            (b"HTTP/1.1 \r\n\r\n", InvalidStatusCode),
            (b"HTTP/1.1 200 O\0K\r\n\r\n", InvalidReason),
            (b"HTTP/1.1 200 OK\x7f\r\n\r\n", InvalidReason),
            (b"HTTP/1.1 200 OK\n\n", BareLineFeed),
            (b"HTTP/1.1 200 OK\rX", BareCarriageReturn),
            (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", SpaceBeforeColon),
            (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", LineFolding),
        ];
        for (bytes, fault) in table {
            assert_eq!(parsed(bytes), Err(fault), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_response_needs_no_host() {
        assert_eq!(
            parsed(b"HTTP/1.1 200 OK\r\nHost: a\r\nHost: b\r\n\r\n").map(|head| head.is_some()),
            Ok(true)
        );
    }
}
