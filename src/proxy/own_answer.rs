//! The answers that the proxy makes itself: small, alike, and without a word of what stands behind it.

use super::accept::prefers_problem;
use super::answer::{Persistence, write_date, write_persistence};
use super::forward::written_fields;
use super::request_id::{Id, RequestIds, may_be_shown};
use crate::h1::encode;
use crate::message::{HttpDate, KnownField, Method, RequestHead, StatusCode, Version};

/// What a client is told to wait for before it tries a service without capacity again.
const RETRY_AFTER_S: u64 = 1;
/// The methods that some service may take: all that are known but CONNECT and TRACE.
const ALLOW: &[u8] = b"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH";

/// What an answer takes from the request that it answers; by default nothing, as where that was no request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asker<'a> {
    /// Whether the request was HEAD: then the body is left out.
    pub head_only: bool,
    /// Whether the body is JSON.
    pub problem: bool,
    /// The request's id, if it is one that may be shown.
    pub id: Option<Id<'a>>,
}

impl<'a> Asker<'a> {
    /// Who sent a head that was read.
    pub fn of_head(head: &RequestHead<'_>) -> Self {
        let problem = prefers_problem(head.fields.all(KnownField::Accept));
        Asker { head_only: head.method == Method::Head, problem, id: None }
    }

    /// Who sent `bytes` that are no valid request: they may still be meant as HEAD, whose answer has no body.
    pub fn of_malformed(bytes: &[u8]) -> Self {
        // Empty lines may come before a request (RFC 9112 2.2).
        let begin = bytes.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(bytes.len());
        Asker { head_only: bytes[begin..].starts_with(b"HEAD "), ..Asker::default() }
    }

    /// Who sent a request of which only the head is left that [`write_request`](super::forward::write_request) wrote: so
    /// requests that do not fail pay nothing for their failures.
    pub fn of_written_head(method: Method, head: &'a [u8], ids: Option<&'a RequestIds>) -> Self {
        let accepts = |&(name, _): &(&[u8], &[u8])| name.eq_ignore_ascii_case(b"Accept");
        let problem = prefers_problem(written_fields(head).filter(accepts).map(|(_, value)| value));
        let id = ids.and_then(|ids| Some(Id { ids, text: ids.written(head)? }));
        Asker { head_only: method == Method::Head, problem, id: None }.with_id(id)
    }

    /// The same with an id, if that may be shown.
    pub fn with_id(self, id: Option<Id<'a>>) -> Self {
        Asker { id: id.filter(|id| may_be_shown(id.text)), ..self }
    }
}

/// Appends an answer of the proxy's own: in plain text, or as problem details (RFC 9457). 204 is the one to an OPTIONS
/// request that goes no further: it has no body, and says what is allowed as 405 does.
///
/// No cache may keep it: it speaks of this moment, and of a configuration that can change.
pub fn write_own(
    out: &mut Vec<u8>,
    status: StatusCode,
    asker: Asker<'_>,
    date: &HttpDate,
    persistence: Persistence,
) {
    let has_body = status != StatusCode::NO_CONTENT;
    let number = digits(status);
    let parts =
        if asker.problem { problem(status, &number, asker.id) } else { text(status, &number, asker.id) };
    encode::status_line(out, Version::Http11, status);
    write_date(out, date);
    if has_body {
        let media_type: &[u8] =
            if asker.problem { b"application/problem+json" } else { b"text/plain; charset=utf-8" };
        encode::field_line(out, b"Content-Type", media_type);
        let length = parts.iter().map(|part| part.len() as u64).sum();
        encode::number_field_line(out, b"Content-Length", length);
        encode::field_line(out, b"Cache-Control", b"no-store");
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        encode::number_field_line(out, b"Retry-After", RETRY_AFTER_S);
    }
    if matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NO_CONTENT) {
        encode::field_line(out, b"Allow", ALLOW);
    }
    if let Some(id) = asker.id {
        id.ids.write_line(out, id.text);
    }
    write_persistence(out, persistence);
    out.extend_from_slice(b"\r\n");
    if has_body && !asker.head_only {
        parts.iter().for_each(|part| out.extend_from_slice(part));
    }
}

fn text<'a>(status: StatusCode, number: &'a [u8], id: Option<Id<'a>>) -> [&'a [u8]; 9] {
    let (before_id, id, behind_id): (&[u8], _, &[u8]) = match id {
        Some(id) => (b"Request id: ", id.text, b"\n"),
        None => (b"", &b""[..], b""),
    };
    let (reason, detail) = (status.reason().as_bytes(), detail(status).as_bytes());
    [number, b" ", reason, b"\n", detail, b"\n", before_id, id, behind_id]
}

/// Of what stands between the quotation marks nothing has to be escaped: neither our texts nor an id that may be shown.
fn problem<'a>(status: StatusCode, number: &'a [u8], id: Option<Id<'a>>) -> [&'a [u8]; 9] {
    let (before_id, id): (&[u8], _) = match id {
        Some(id) => (b"\",\"request_id\":\"", id.text),
        None => (b"", &b""[..]),
    };
    let (reason, detail) = (status.reason().as_bytes(), detail(status).as_bytes());
    let begin = b"{\"type\":\"about:blank\",\"title\":\"";
    [begin, reason, b"\",\"status\":", number, b",\"detail\":\"", detail, before_id, id, b"\"}\n"]
}

fn digits(status: StatusCode) -> [u8; 3] {
    let number = status.number();
    [number / 100, number / 10 % 10, number % 10].map(|digit| b'0' + digit as u8)
}

/// What a status of our own means, in a sentence for whoever made the request.
pub fn detail(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "The request is malformed, or lacks what its service needs.",
        StatusCode::NOT_FOUND => "No service takes this host and path.",
        StatusCode::METHOD_NOT_ALLOWED => "The method is not allowed here.",
        StatusCode::REQUEST_TIMEOUT => "The request did not come in time.",
        StatusCode::CONTENT_TOO_LARGE => "The request's body is too large.",
        StatusCode::URI_TOO_LONG => "The request's target is too long.",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "The request's head is too large.",
        StatusCode::NOT_IMPLEMENTED => "The request's method or coding is not known here.",
        StatusCode::HTTP_VERSION_NOT_SUPPORTED => "The request's version of HTTP is not spoken here.",
        StatusCode::BAD_GATEWAY => "The service gave no valid answer.",
        StatusCode::SERVICE_UNAVAILABLE => "The service cannot take the request at the moment.",
        StatusCode::GATEWAY_TIMEOUT => "The service did not answer in time.",
        _ => "The request was not served.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::forwarding::RequestIdPolicy;

    const DATE: &str = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";

    fn written(status: StatusCode, asker: Asker<'_>, persistence: Persistence) -> String {
        let mut out = Vec::new();
        write_own(&mut out, status, asker, &HttpDate::from_unix_seconds(0), persistence);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn an_answer_is_a_few_lines_of_text() {
        let goes_on = Persistence::KeepAlive { stated: false };
        let answer = written(StatusCode::NOT_FOUND, Asker::default(), goes_on);
        let expected = format!(
            "HTTP/1.1 404 Not Found\r\n{DATE}Content-Type: text/plain; charset=utf-8\r\nContent-Length: 51\r\n\
             Cache-Control: no-store\r\n\r\n404 Not Found\nNo service takes this host and path.\n"
        );
        assert_eq!(answer, expected);
        let head_only = Asker { head_only: true, ..Asker::default() };
        assert!(expected.starts_with(&written(StatusCode::NOT_FOUND, head_only, goes_on)));
        let options = written(StatusCode::NO_CONTENT, Asker::default(), goes_on);
        let allow = "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n";
        assert_eq!(options, format!("HTTP/1.1 204 No Content\r\n{DATE}{allow}\r\n"));
    }

    #[test]
    fn a_problem_is_json_with_the_requests_id() {
        let ids = RequestIds::new(&RequestIdPolicy::default(), 1);
        let asker =
            Asker { problem: true, ..Asker::default() }.with_id(Some(Id { ids: &ids, text: b"a-42" }));
        let answer = written(StatusCode::SERVICE_UNAVAILABLE, asker, Persistence::Close);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        for line in [
            "Content-Type: application/problem+json",
            &format!("Content-Length: {}", body.len()),
            "Retry-After: 1",
            "X-Request-Id: a-42",
            "Connection: close",
        ] {
            assert!(head.lines().any(|other| other == line), "{line} is missing: {head}");
        }
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        let expected = serde_json::json!({
            "type": "about:blank",
            "title": "Service Unavailable",
            "status": 503,
            "detail": "The service cannot take the request at the moment.",
            "request_id": "a-42",
        });
        assert_eq!(problem, expected);
    }

    #[test]
    fn every_status_has_valid_json_and_a_length_that_is_true() {
        let ids = RequestIds::new(&RequestIdPolicy::default(), 1);
        for status in (400..600).filter_map(StatusCode::new) {
            for id in [None, Some(Id { ids: &ids, text: b"42" }), Some(Id { ids: &ids, text: b"\"}" })] {
                for problem in [false, true] {
                    let asker = Asker { problem, ..Asker::default() }.with_id(id);
                    let answer = written(status, asker, Persistence::Close);
                    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
                    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{answer}");
                    assert!(!problem || serde_json::from_str::<serde_json::Value>(body).is_ok(), "{answer}");
                    assert!(!answer.contains("}\"}"), "an id that is not plain is not shown: {answer}");
                }
            }
        }
    }

    #[test]
    fn who_asks_is_read_from_the_head_that_was_sent() {
        let ids = RequestIds::new(&RequestIdPolicy::default(), 1);
        let of = |lines: &str| {
            let head = format!("GET /accept: HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
            let asker = Asker::of_written_head(Method::Get, head.as_bytes(), Some(&ids));
            (asker.problem, asker.id.map(|id| String::from_utf8_lossy(id.text).into_owned()))
        };
        assert_eq!(of(""), (false, None));
        assert_eq!(of("accept:application/json\r\nx-request-id:\t42 \r\n"), (true, Some("42".to_owned())));
        assert_eq!(of("Accept: a/b\r\nX-Request-Id: <42>\r\nAccept: application/*\r\n"), (true, None));
    }
}
