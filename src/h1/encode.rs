//! Messages to bytes, appended to a buffer without format strings.
//!
//! These write what they are given: names, values and targets must come from a parse or be literals, so that no line
//! end can slip in. In debug builds one that does is an assertion's failure.

use crate::message::{Method, RequestTarget, StatusCode, Version};

/// What follows each chunk's data.
pub const CHUNK_END: &[u8] = b"\r\n";
/// The chunk that ends a chunked body, without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// The empty line that ends a head.
pub const HEAD_END: &[u8] = b"\r\n";

/// Appends the request line that a gateway sends to an origin server: its target in origin-form, also where an
/// absolute-form was received (RFC 9112 3.2.1).
pub fn origin_request_line(
    out: &mut Vec<u8>,
    method: Method,
    method_token: &[u8],
    target: &RequestTarget<'_>,
    version: Version,
) {
    debug_assert!(holds_no_line_end(method_token));
    match method {
        Method::Get => out.extend_from_slice(b"GET "),
        _ => {
            out.extend_from_slice(method_token);
            out.push(b' ');
        }
    }
    origin_target(out, method, target);
    out.extend_from_slice(match version {
        Version::Http10 => b" HTTP/1.0\r\n",
        Version::Http11 => b" HTTP/1.1\r\n",
    });
}

/// An absolute-form without path or query is "*" to OPTIONS (RFC 9112 3.2.4), else "/".
fn origin_target(out: &mut Vec<u8>, method: Method, target: &RequestTarget<'_>) {
    match target {
        RequestTarget::Absolute { path: [], query: None, .. } if method == Method::Options => out.push(b'*'),
        RequestTarget::Absolute { query, .. } => {
            out.extend_from_slice(target.path());
            if let Some(query) = query {
                out.push(b'?');
                out.extend_from_slice(query);
            }
        }
        _ => out.extend_from_slice(target.raw()),
    }
}

/// Appends `version SP status SP reason CRLF` with the registered reason phrase; the SP stays where there is none.
pub fn status_line(out: &mut Vec<u8>, version: Version, status: StatusCode) {
    status_line_with_reason(out, version, status, status.reason().as_bytes());
}

/// As [`status_line`], with the reason phrase of another response.
pub fn status_line_with_reason(out: &mut Vec<u8>, version: Version, status: StatusCode, reason: &[u8]) {
    debug_assert!(holds_no_line_end(reason));
    out.extend_from_slice(version.as_str().as_bytes());
    out.push(b' ');
    decimal(out, u64::from(status.number()));
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

/// Appends `name ": " value CRLF`. Inlined: most names are literals, whose bytes then become a part of the code.
#[inline(always)]
pub fn field_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    debug_assert!(holds_no_line_end(name) && holds_no_line_end(value));
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends a field line whose value is a number, such as Content-Length.
pub fn number_field_line(out: &mut Vec<u8>, name: &[u8], number: u64) {
    debug_assert!(holds_no_line_end(name));
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    decimal(out, number);
    out.extend_from_slice(b"\r\n");
}

/// Appends `number` in decimal.
pub fn decimal(out: &mut Vec<u8>, number: u64) {
    digits::<10, 20>(out, number);
}

/// Appends `number` in lower-case hexadecimal, without leading zeros.
pub fn hexadecimal(out: &mut Vec<u8>, number: u64) {
    digits::<16, 16>(out, number);
}

/// Appends the line before a chunk of `data_length` bytes. 0 would end the body: that is [`LAST_CHUNK`].
pub fn chunk_header(out: &mut Vec<u8>, data_length: u64) {
    debug_assert!(data_length > 0, "an empty chunk ends the body");
    hexadecimal(out, data_length);
    out.extend_from_slice(b"\r\n");
}

/// `LONGEST` is the length of `u64::MAX` to this base.
fn digits<const BASE: u64, const LONGEST: usize>(out: &mut Vec<u8>, mut number: u64) {
    let mut buffer = [0; LONGEST];
    let mut start = LONGEST;
    loop {
        start -= 1;
        buffer[start] = b"0123456789abcdef"[(number % BASE) as usize];
        number /= BASE;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&buffer[start..]);
}

fn holds_no_line_end(bytes: &[u8]) -> bool {
    !bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::{FieldTable, HeadLimits, Parse, parse_request};

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn numbers_are_written_as_the_standard_library_writes_them() {
        for number in [0, 1, 9, 10, 15, 16, 99, 100, 255, 256, 65_535, u64::MAX - 1, u64::MAX] {
            assert_eq!(written(|out| decimal(out, number)), format!("{number}"));
            assert_eq!(written(|out| hexadecimal(out, number)), format!("{number:x}"));
        }
    }

    #[test]
    fn lines_end_with_crlf() {
        let ok = StatusCode::OK;
        let unregistered = StatusCode::new(599).expect("three digits");
        let table = [
            (written(|out| status_line(out, Version::Http11, ok)), "HTTP/1.1 200 OK\r\n"),
            (written(|out| status_line(out, Version::Http10, unregistered)), "HTTP/1.0 599 \r\n"),
            (
                written(|out| status_line_with_reason(out, Version::Http11, ok, b"Yes")),
                "HTTP/1.1 200 Yes\r\n",
            ),
            (written(|out| field_line(out, b"Host", b"a")), "Host: a\r\n"),
            (written(|out| number_field_line(out, b"Content-Length", 12)), "Content-Length: 12\r\n"),
            (written(|out| chunk_header(out, 4096)), "1000\r\n"),
        ];
        for (line, expected) in table {
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn an_origin_server_gets_the_origin_form() {
        let table = [
            ("GET /a?b HTTP/1.1", "GET /a?b HTTP/1.1"),
            ("GET http://b/a?c HTTP/1.1", "GET /a?c HTTP/1.1"),
            ("GET http://b HTTP/1.1", "GET / HTTP/1.1"),
            ("GET http://b?c HTTP/1.1", "GET /?c HTTP/1.1"),
            ("OPTIONS http://b HTTP/1.1", "OPTIONS * HTTP/1.1"),
            ("OPTIONS http://b/ HTTP/1.1", "OPTIONS / HTTP/1.1"),
            ("OPTIONS * HTTP/1.1", "OPTIONS * HTTP/1.1"),
            ("CONNECT b:1 HTTP/1.1", "CONNECT b:1 HTTP/1.1"),
            ("PURGE /x HTTP/1.1", "PURGE /x HTTP/1.1"),
        ];
        for (received, sent) in table {
            let bytes = format!("{received}\r\nHost: a\r\n\r\n");
            let mut fields = FieldTable::new();
            let parsed = parse_request(bytes.as_bytes(), &mut fields, &HeadLimits::default());
            let Ok(Parse::Complete { head, .. }) = parsed else { panic!("{received}") };
            let line = written(|out| {
                origin_request_line(out, head.method, head.method_token, &head.target, Version::Http11);
            });
            assert_eq!(line, format!("{sent}\r\n"));
        }
    }
}
