//! How long a body is (RFC 9112 6.3), and whether the connection outlives the message (RFC 9112 9.3).

use std::fmt;

use crate::message::{
    ConnectionOptions, Fields, KnownField, MessageBodyLength, Method, RequestHead, ResponseHead, StatusCode,
    Version,
};

/// The longest body, or chunk, that is read: many that stand behind a proxy, or before it, count in signed numbers, to
/// which a longer one is negative.
pub const BODY_BYTES_MAX: u64 = i64::MAX as u64;

/// Why a message's end cannot be told beyond doubt. In a response each means 502, and the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FramingError {
    /// Both Transfer-Encoding and Content-Length are there (RFC 9112 6.1).
    LengthWithTransferEncoding,
    /// There is more than one Content-Length, or a list of them; refused even if they agree (RFC 9110 8.6).
    RepeatedContentLength,
    /// Content-Length is not 1*DIGIT, or exceeds [`BODY_BYTES_MAX`] (RFC 9110 8.6).
    InvalidContentLength,
    /// HTTP/1.0 does not know Transfer-Encoding (RFC 9112 6.1).
    TransferEncodingInHttp10,
    /// The transfer coding is something else than `chunked`, once (RFC 9112 6.1).
    UnsupportedTransferCoding,
    /// A body is announced where there can be none: in CONNECT and TRACE, in 1xx and 204.
    BodyForbidden,
}

impl FramingError {
    /// The status code to answer a request with.
    pub const fn status(self) -> StatusCode {
        match self {
            FramingError::UnsupportedTransferCoding => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// The length of a request's body.
///
/// CONNECT and TRACE have none (RFC 9110 9.3.6, 9.3.8), so those that announce one are refused. So is a Content-Length
/// with leading zeros: the grammar has them, but it is forwarded as it came, and a reader that takes it for octal would
/// find another request in the body.
#[inline]
pub fn request_body_length(head: &RequestHead<'_>) -> Result<MessageBodyLength, FramingError> {
    match announced(&head.fields, head.version)? {
        None => Ok(MessageBodyLength::None),
        Some(_) if matches!(head.method, Method::Connect | Method::Trace) => Err(FramingError::BodyForbidden),
        Some(MessageBodyLength::Sized(_)) if has_leading_zeros(&head.fields) => {
            Err(FramingError::InvalidContentLength)
        }
        Some(length) => Ok(length),
    }
}

/// The length of the body of a response to a request of `request_method`.
///
/// None for HEAD and 304, whose fields describe what is not sent but must be well-formed all the same, since they are
/// forwarded. None for 1xx and 204; there Transfer-Encoding or a Content-Length above 0 is refused, as a server that
/// sends them (RFC 9110 8.6, RFC 9112 6.1 forbid it) may well send a body that would be read as the next response. A
/// `Content-Length: 0`, which many servers add to 204, is tolerated; do not forward it. None for a 2xx to CONNECT: a
/// tunnel begins after its head.
pub fn response_body_length(
    request_method: Method,
    head: &ResponseHead<'_>,
) -> Result<MessageBodyLength, FramingError> {
    let status = head.status;
    if request_method == Method::Connect && status.is_success() {
        return Ok(MessageBodyLength::None);
    }
    let announced = announced(&head.fields, head.version)?;
    if status.is_interim() || status == StatusCode::NO_CONTENT {
        return match announced {
            None | Some(MessageBodyLength::Sized(0)) => Ok(MessageBodyLength::None),
            Some(_) => Err(FramingError::BodyForbidden),
        };
    }
    if request_method == Method::Head || status == StatusCode::NOT_MODIFIED {
        return Ok(MessageBodyLength::None);
    }
    Ok(announced.unwrap_or(MessageBodyLength::UntilClose))
}

/// Whether the connection may carry another message (RFC 9112 9.3): HTTP/1.1 unless it says `close`, HTTP/1.0 only if
/// it says `keep-alive`. A body that ends with the connection, and a tunnel, end it whatever this says.
#[inline]
pub const fn persists(version: Version, options: &ConnectionOptions<'_>) -> bool {
    match version {
        Version::Http11 => !options.close,
        Version::Http10 => options.keep_alive && !options.close,
    }
}

/// What the fields announce: none, `Sized` or `Chunked`. Constant time where neither field is there.
#[inline]
fn announced(fields: &Fields<'_>, version: Version) -> Result<Option<MessageBodyLength>, FramingError> {
    match (fields.contains(KnownField::TransferEncoding), fields.contains(KnownField::ContentLength)) {
        (false, false) => Ok(None),
        (false, true) => content_length(fields).map(|length| Some(MessageBodyLength::Sized(length))),
        (true, false) => transfer_coding(fields, version).map(|()| Some(MessageBodyLength::Chunked)),
        (true, true) => Err(FramingError::LengthWithTransferEncoding),
    }
}

fn transfer_coding(fields: &Fields<'_>, version: Version) -> Result<(), FramingError> {
    if version == Version::Http10 {
        return Err(FramingError::TransferEncodingInHttp10);
    }
    let value = fields.first(KnownField::TransferEncoding).unwrap_or_default();
    if fields.is_repeated(KnownField::TransferEncoding) || !value.eq_ignore_ascii_case(b"chunked") {
        return Err(FramingError::UnsupportedTransferCoding);
    }
    Ok(())
}

fn has_leading_zeros(fields: &Fields<'_>) -> bool {
    matches!(fields.first(KnownField::ContentLength), Some([b'0', _, ..]))
}

fn content_length(fields: &Fields<'_>) -> Result<u64, FramingError> {
    let value = fields.first(KnownField::ContentLength).unwrap_or_default();
    if fields.is_repeated(KnownField::ContentLength) || value.contains(&b',') {
        return Err(FramingError::RepeatedContentLength);
    }
    if value.is_empty() {
        return Err(FramingError::InvalidContentLength);
    }
    value.iter().try_fold(0u64, |length, byte| {
        let digit = if byte.is_ascii_digit() { Some(u64::from(byte - b'0')) } else { None };
        length
            .checked_mul(10)
            .zip(digit)
            .and_then(|(shifted, digit)| shifted.checked_add(digit))
            .filter(|length| *length <= BODY_BYTES_MAX)
            .ok_or(FramingError::InvalidContentLength)
    })
}

impl fmt::Display for FramingError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            FramingError::LengthWithTransferEncoding => "both Content-Length and Transfer-Encoding are there",
            FramingError::RepeatedContentLength => "Content-Length is repeated",
            FramingError::InvalidContentLength => "Content-Length is not a decimal number of 63 bits",
            FramingError::TransferEncodingInHttp10 => "Transfer-Encoding in an HTTP/1.0 message",
            FramingError::UnsupportedTransferCoding => "the transfer coding is not exactly chunked",
            FramingError::BodyForbidden => "a body is announced where there can be none",
        })
    }
}

impl std::error::Error for FramingError {}

#[cfg(test)]
mod tests {
    use super::FramingError::*;
    use super::MessageBodyLength::*;
    use super::*;
    use crate::h1::{FieldTable, HeadLimits, Parse, parse_request, parse_response};
    use crate::message::connection_options;

    fn request(start: &str, fields: &str) -> Result<MessageBodyLength, FramingError> {
        let bytes = format!("{start}\r\nHost: a:1\r\n{fields}\r\n");
        let mut table = FieldTable::new();
        match parse_request(bytes.as_bytes(), &mut table, &HeadLimits::default()) {
            Ok(Parse::Complete { head, .. }) => request_body_length(&head),
            other => panic!("{bytes:?}: {other:?}"),
        }
    }

    fn response(method: Method, start: &str, fields: &str) -> Result<MessageBodyLength, FramingError> {
        let bytes = format!("{start}\r\n{fields}\r\n");
        let mut table = FieldTable::new();
        match parse_response(bytes.as_bytes(), &mut table, &HeadLimits::default()) {
            Ok(Parse::Complete { head, .. }) => response_body_length(method, &head),
            other => panic!("{bytes:?}: {other:?}"),
        }
    }

    /// RFC 9112 6.1 to 6.3: what holds of these fields in any message that may have a body.
    const EITHER_DIRECTION: [(&str, Result<MessageBodyLength, FramingError>); 26] = [
        ("Content-Length: 0\r\n", Ok(Sized(0))),
        ("Content-Length: 42\r\n", Ok(Sized(42))),
        ("Content-Length: 9223372036854775807\r\n", Ok(Sized(BODY_BYTES_MAX))),
        ("Content-Length: 9223372036854775808\r\n", Err(InvalidContentLength)),
        ("Content-Length: 18446744073709551615\r\n", Err(InvalidContentLength)),
        ("Content-Length: 18446744073709551616\r\n", Err(InvalidContentLength)),
        ("Content-Length: 99999999999999999999999\r\n", Err(InvalidContentLength)),
        ("Content-Length:\r\n", Err(InvalidContentLength)),
        ("Content-Length: +1\r\n", Err(InvalidContentLength)),
        ("Content-Length: -1\r\n", Err(InvalidContentLength)),
        ("Content-Length: 0x1\r\n", Err(InvalidContentLength)),
        ("Content-Length: 1 2\r\n", Err(InvalidContentLength)),
        ("Content-Length: 1.0\r\n", Err(InvalidContentLength)),
        ("Content-Length: 5, 5\r\n", Err(RepeatedContentLength)),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", Err(RepeatedContentLength)),
        ("Content-Length: 5\r\ncontent-length: 6\r\n", Err(RepeatedContentLength)),
        ("Transfer-Encoding: chunked\r\n", Ok(Chunked)),
        ("transfer-encoding:\tCHUNKED \r\n", Ok(Chunked)),
        ("Transfer-Encoding: gzip, chunked\r\n", Err(UnsupportedTransferCoding)),
        ("Transfer-Encoding: chunked, chunked\r\n", Err(UnsupportedTransferCoding)),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err(UnsupportedTransferCoding)),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", Err(UnsupportedTransferCoding)),
        ("Transfer-Encoding: xchunked\r\n", Err(UnsupportedTransferCoding)),
        ("Transfer-Encoding:\r\n", Err(UnsupportedTransferCoding)),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Err(LengthWithTransferEncoding)),
        ("Content-Length: 5\r\nTransfer-Encoding: identity\r\n", Err(LengthWithTransferEncoding)),
    ];

    #[test]
    fn the_framing_fields_mean_the_same_in_both_directions() {
        for (fields, expected) in EITHER_DIRECTION {
            assert_eq!(request("POST / HTTP/1.1", fields), expected, "request with {fields:?}");
            assert_eq!(
                response(Method::Get, "HTTP/1.1 200 OK", fields),
                expected,
                "response with {fields:?}"
            );
        }
    }

    #[test]
    fn without_framing_fields_a_request_has_no_body_and_a_response_lasts_until_close() {
        assert_eq!(request("POST / HTTP/1.1", ""), Ok(None));
        assert_eq!(response(Method::Get, "HTTP/1.1 200 OK", ""), Ok(UntilClose));
        assert_eq!(response(Method::Get, "HTTP/1.0 200 OK", ""), Ok(UntilClose));
    }

    /// Some read such a number as octal. No client writes one, some old servers do, and their clients know no octal.
    #[test]
    fn leading_zeros_are_refused_in_requests_only() {
        for (value, length) in [("0042", 42), ("00", 0), ("0000000000000000000000000000000000000007", 7)] {
            let fields = format!("Content-Length: {value}\r\n");
            assert_eq!(request("POST / HTTP/1.1", &fields), Err(InvalidContentLength), "{value}");
            assert_eq!(response(Method::Get, "HTTP/1.1 200 OK", &fields), Ok(Sized(length)), "{value}");
        }
    }

    #[test]
    fn http_1_0_has_no_transfer_encoding() {
        let fields = "Transfer-Encoding: chunked\r\n";
        assert_eq!(request("POST / HTTP/1.0", fields), Err(TransferEncodingInHttp10));
        assert_eq!(response(Method::Get, "HTTP/1.0 200 OK", fields), Err(TransferEncodingInHttp10));
        assert_eq!(request("POST / HTTP/1.0", "Content-Length: 3\r\n"), Ok(Sized(3)));
    }

    #[test]
    fn connect_and_trace_announce_no_body() {
        for start in ["CONNECT a:1 HTTP/1.1", "TRACE / HTTP/1.1"] {
            assert_eq!(request(start, ""), Ok(None));
            assert_eq!(request(start, "Content-Length: 0\r\n"), Err(BodyForbidden));
            assert_eq!(request(start, "Transfer-Encoding: chunked\r\n"), Err(BodyForbidden));
        }
    }

    #[test]
    fn some_responses_have_no_body_whatever_their_fields_say() {
        let chunked = "Transfer-Encoding: chunked\r\n";
        let (none, sized) = (Ok(None), "Content-Length: 5\r\n");
        let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
        let table = [
            (Method::Head, "HTTP/1.1 200 OK", sized, none),
            (Method::Head, "HTTP/1.1 200 OK", chunked, none),
            (Method::Head, "HTTP/1.1 200 OK", both, Err(LengthWithTransferEncoding)),
            (Method::Head, "HTTP/1.1 200 OK", "Content-Length: x\r\n", Err(InvalidContentLength)),
            (Method::Get, "HTTP/1.1 304 Not Modified", sized, none),
            (Method::Get, "HTTP/1.1 304 Not Modified", chunked, none),
            (Method::Get, "HTTP/1.1 204 No Content", "", none),
            (Method::Get, "HTTP/1.1 204 No Content", "Content-Length: 0\r\n", none),
            (Method::Get, "HTTP/1.1 204 No Content", sized, Err(BodyForbidden)),
            (Method::Get, "HTTP/1.1 204 No Content", chunked, Err(BodyForbidden)),
            (Method::Get, "HTTP/1.1 100 Continue", "", none),
            (Method::Get, "HTTP/1.1 101 Switching Protocols", chunked, Err(BodyForbidden)),
            (Method::Connect, "HTTP/1.1 200 OK", both, none),
            (Method::Connect, "HTTP/1.1 502 Bad Gateway", sized, Ok(Sized(5))),
        ];
        for (method, start, fields, expected) in table {
            assert_eq!(response(method, start, fields), expected, "{method:?} {start} {fields:?}");
        }
    }

    #[test]
    fn connections_persist_by_version_and_option() {
        let table = [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: keep-alive, close\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: Keep-Alive\r\nConnection: close\r\n", false),
        ];
        for (version, fields, expected) in table {
            let bytes = format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
            let mut fields_table = FieldTable::new();
            let parsed = parse_request(bytes.as_bytes(), &mut fields_table, &HeadLimits::default());
            let Ok(Parse::Complete { head, .. }) = parsed else { panic!("{bytes:?}") };
            let options = connection_options(&head.fields).expect("no nominations");
            assert_eq!(persists(head.version, &options), expected, "{version} {fields:?}");
        }
    }

    #[test]
    fn only_an_unknown_coding_is_answered_with_501() {
        assert_eq!(UnsupportedTransferCoding.status(), StatusCode::NOT_IMPLEMENTED);
        for error in [LengthWithTransferEncoding, RepeatedContentLength, BodyForbidden] {
            assert_eq!(error.status(), StatusCode::BAD_REQUEST);
        }
    }
}
