//! The parser of heads against another one, httparse, over generated and mutated heads.
//!
//! What ours accepts, httparse accepts and reads alike. What only httparse accepts breaks one of the stricter rules
//! listed here, and each refusal is checked to be about a head that really breaks its rule.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use ringway::h1::{FieldTable, HeadError, HeadLimits, Parse, parse_request, parse_response};
use ringway::message::{Authority, Fields, Version};

const FIELDS_MAX: usize = 64;

/// A generated head: the parts are mostly valid, and then a few bytes of the whole are changed.
fn heads(start_line: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let whole = (
        prop_oneof![12 => Just(""), 2 => Just("\r\n"), 1 => Just("\r\n\r\n"), 1 => Just("\n")],
        start_line,
        line_end(),
        prop_oneof![4 => Just("Host: a\r\n"), 1 => Just("")],
        proptest::collection::vec(field_line(), 0..6),
        line_end(),
        prop_oneof![2 => Just("".as_bytes()), 1 => Just("body\r\n\r\n".as_bytes())],
    )
        .prop_map(|(before, line, end, host, fields, last, body)| {
            [before.as_bytes(), &line, end, host.as_bytes(), &fields.concat(), last, body].concat()
        });
    let changes = prop_oneof![
        2 => Just(Vec::new()),
        2 => proptest::collection::vec((any::<proptest::sample::Index>(), 0..3u8, telling_byte()), 1..3),
    ];
    (whole, changes).prop_map(|(mut bytes, changes)| {
        for (place, kind, byte) in changes {
            let place = place.index(bytes.len());
            match kind {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ if bytes.len() > 1 => drop(bytes.remove(place)),
                _ => {}
            }
        }
        bytes
    })
}

fn line_end() -> impl Strategy<Value = &'static [u8]> {
    prop_oneof![80 => Just("\r\n".as_bytes()), 1 => Just("\n".as_bytes()), 1 => Just("\r".as_bytes())]
}

/// A byte that some rule is about, or any.
fn telling_byte() -> impl Strategy<Value = u8> {
    prop_oneof![3 => proptest::sample::select(b"\r\n \t:/?#%@\"\\,;()[]\0\x7f\x80\xff01aA-_".to_vec()), 1 => any::<u8>()]
}

fn field_line() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        1 => Just("Host".to_owned()),
        4 => proptest::sample::select(vec!["Content-Length", "transfer-encoding", "Connection", "VIA", "Cookie"])
            .prop_map(str::to_owned),
        4 => "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}",
    ];
    let value = prop_oneof![
        4 => proptest::sample::select(vec!["localhost", "a.b:80", "[::1]:1", "a b", "", "u@h", "h:x"])
            .prop_map(|value| value.as_bytes().to_vec()),
        8 => "[ -~\t]{0,60}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
    ];
    let space = proptest::sample::select(vec!["", " ", " ", " ", "\t", "  \t"]);
    (name, space.clone(), value, space, line_end()).prop_map(|(name, before, value, after, end)| {
        [name.as_bytes(), b":", before.as_bytes(), &value, after.as_bytes(), end].concat()
    })
}

fn request_lines() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof![
        4 => proptest::sample::select(vec!["GET", "POST", "OPTIONS", "CONNECT", "PRI"]).prop_map(str::to_owned),
        1 => "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}",
    ];
    let target = prop_oneof![
        3 => proptest::sample::select(vec!["/", "*", "http://o/a?b", "HTTPS://o:1", "o:443", "ftp://o/", "/%41%zz?%"])
            .prop_map(|target| target.as_bytes().to_vec()),
        6 => "/[!$&-~]{0,50}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 1..30),
    ];
    let version = proptest::sample::select(vec!["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0"]);
    (method, target, version).prop_map(|(method, target, version)| {
        [method.as_bytes(), b" ", &target, b" ", version.as_bytes()].concat()
    })
}

fn status_lines() -> impl Strategy<Value = Vec<u8>> {
    let version = proptest::sample::select(vec!["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0"]);
    let status = proptest::sample::select(vec![
        " 200 ", " 204 ", " 404 ", " 502 ", " 099 ", " 999 ", " 200", " 20", " 2000 ", "  200 ",
    ]);
    let reason = prop_oneof![
        3 => "[ -~\t]{0,40}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    (version, status, reason)
        .prop_map(|(version, status, reason)| [version.as_bytes(), status.as_bytes(), &reason].concat())
}

/// What httparse makes of a head that it accepts: the start line's parts as text, the fields, the length.
struct Reading {
    method: String,
    target: String,
    version: u8,
    status: u16,
    reason: String,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    length: usize,
}

impl Reading {
    fn of_request(bytes: &[u8]) -> Option<Reading> {
        let mut headers = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let Ok(httparse::Status::Complete(length)) = request.parse(bytes) else { return None };
        Some(Reading {
            method: request.method?.to_owned(),
            target: request.path?.to_owned(),
            version: request.version?,
            status: 0,
            reason: String::new(),
            fields: pairs(request.headers),
            length,
        })
    }

    fn of_response(bytes: &[u8]) -> Option<Reading> {
        let mut headers = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let Ok(httparse::Status::Complete(length)) = response.parse(bytes) else { return None };
        Some(Reading {
            method: String::new(),
            target: String::new(),
            version: response.version?,
            status: response.code?,
            reason: response.reason?.to_owned(),
            fields: pairs(response.headers),
            length,
        })
    }

    fn hosts(&self) -> Vec<&[u8]> {
        let hosts = self.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"host"));
        hosts.map(|(_, value)| &value[..]).collect()
    }
}

fn pairs(headers: &[httparse::Header<'_>]) -> Vec<(Vec<u8>, Vec<u8>)> {
    headers.iter().map(|header| (header.name.as_bytes().to_vec(), header.value.to_vec())).collect()
}

fn our_pairs(fields: &Fields<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    fields.iter().map(|field| (field.name.to_vec(), field.value.to_vec())).collect()
}

const fn minor(version: Version) -> u8 {
    match version {
        Version::Http10 => 0,
        Version::Http11 => 1,
    }
}

/// The rules that are stricter than httparse's: whether a request that it accepts really breaks the one that we name.
fn request_breaks(error: HeadError, bytes: &[u8], reading: &Reading) -> bool {
    let target = reading.target.as_bytes();
    match error {
        // RFC 9112 2.2 lets a recipient take a bare LF for a line end; two parsers in a row that differ in it disagree
        // about where a message ends.
        HeadError::BareLineFeed => has_bare_line_feed(&bytes[..reading.length]),
        // httparse skips any number of empty lines, RFC 9112 2.2 asks for at least one, we skip one at most.
        HeadError::InvalidMethod => bytes.starts_with(b"\r\n\r\n") || bytes.starts_with(b"\r\n\n"),
        HeadError::MethodTooLong => reading.method.len() > ringway::h1::METHOD_BYTES_MAX,
        // RFC 9112 3.2 and RFC 3986: no fragment and nothing but ASCII in a target.
        HeadError::InvalidTarget => target.iter().any(|byte| *byte == b'#' || !byte.is_ascii()),
        // RFC 3986 2.1; as nginx does.
        HeadError::InvalidPercentEncoding => has_bad_percent_encoding(target),
        // httparse does not look at the form (RFC 9112 3.2).
        HeadError::WrongTargetForm | HeadError::InvalidTargetAuthority(_) => {
            !target.starts_with(b"/") || reading.method == "CONNECT"
        }
        HeadError::UnsupportedScheme => {
            let scheme = reading.target.split("://").next().map(str::to_ascii_lowercase);
            scheme.is_some_and(|scheme| scheme != "http" && scheme != "https")
        }
        // RFC 9112 3.2: exactly one valid Host in HTTP/1.1; httparse does not look.
        HeadError::MissingHost => reading.version == 1 && reading.hosts().is_empty(),
        HeadError::RepeatedHost => reading.hosts().len() > 1,
        HeadError::InvalidHost(fault) => Authority::parse(reading.hosts()[0]) == Err(fault),
        _ => false,
    }
}

/// As [`request_breaks`], for responses.
fn response_breaks(error: HeadError, bytes: &[u8], reading: &Reading) -> bool {
    match error {
        HeadError::BareLineFeed => has_bare_line_feed(&bytes[..reading.length]),
        // httparse skips empty lines before a status line; RFC 9112 2.2 speaks of request lines only.
        HeadError::InvalidVersion => matches!(bytes[0], b'\r' | b'\n'),
        // RFC 9110 15: codes begin at 100. A line feed of its own may follow the code without a reason.
        HeadError::InvalidStatusCode => reading.status < 100 || has_bare_line_feed(&bytes[..reading.length]),
        _ => false,
    }
}

fn has_bare_line_feed(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().any(|(at, &byte)| byte == b'\n' && (at == 0 || bytes[at - 1] != b'\r'))
}

fn has_bad_percent_encoding(target: &[u8]) -> bool {
    let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
    let is_bad = |digits: &[u8]| {
        digits.len() < 2 || !digits[..2].iter().all(u8::is_ascii_hexdigit) || &digits[..2] == b"00"
    };
    path.iter().enumerate().any(|(at, &byte)| byte == b'%' && is_bad(&path[at + 1..]))
}

fn compare_request(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut table = FieldTable::new();
    let reading = Reading::of_request(bytes);
    match (parse_request(bytes, &mut table, &HeadLimits::default()), reading) {
        (Ok(Parse::Complete { head, length }), Some(reading)) => {
            prop_assert_eq!(length, reading.length);
            prop_assert_eq!(head.method_token, reading.method.as_bytes());
            prop_assert_eq!(head.target.raw(), reading.target.as_bytes());
            prop_assert_eq!(minor(head.version), reading.version);
            prop_assert_eq!(our_pairs(&head.fields), reading.fields);
        }
        (Ok(Parse::Complete { .. }), None) => prop_assert!(false, "only ours accepts it"),
        (Ok(Parse::Partial), Some(_)) => prop_assert!(false, "ours waits for more"),
        (Err(error), Some(reading)) => {
            prop_assert!(request_breaks(error, bytes, &reading), "{:?} is not in the list", error);
        }
        (Ok(Parse::Partial) | Err(_), None) => {}
    }
    Ok(())
}

fn compare_response(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut table = FieldTable::new();
    let reading = Reading::of_response(bytes);
    match (parse_response(bytes, &mut table, &HeadLimits::default()), reading) {
        (Ok(Parse::Complete { head, length }), Some(reading)) => {
            prop_assert_eq!(length, reading.length);
            prop_assert_eq!(head.status.number(), reading.status);
            prop_assert_eq!(minor(head.version), reading.version);
            // httparse gives no reason that is not ASCII.
            let reason = if head.reason.is_ascii() { head.reason } else { b"" };
            prop_assert_eq!(reason, reading.reason.as_bytes());
            prop_assert_eq!(our_pairs(&head.fields), reading.fields);
        }
        (Ok(Parse::Complete { .. }), None) => prop_assert!(false, "only ours accepts it"),
        (Ok(Parse::Partial), Some(_)) => prop_assert!(false, "ours waits for more"),
        (Err(error), Some(reading)) => {
            prop_assert!(response_breaks(error, bytes, &reading), "{:?} is not in the list", error);
        }
        (Ok(Parse::Partial) | Err(_), None) => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn requests_are_read_as_httparse_reads_them_or_refused_for_a_listed_reason(bytes in heads(request_lines())) {
        compare_request(&bytes)?;
    }

    #[test]
    fn responses_are_read_as_httparse_reads_them_or_refused_for_a_listed_reason(bytes in heads(status_lines())) {
        compare_response(&bytes)?;
    }
}

/// A comparison that never sees an accepted head would prove nothing.
#[test]
fn the_generators_yield_heads_that_both_accept() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut requests, mut responses) = (0, 0);
    let (request_heads, response_heads) = (heads(request_lines()), heads(status_lines()));
    for _ in 0..5_000 {
        let mut table = FieldTable::new();
        let bytes = request_heads.new_tree(&mut runner).expect("a head").current();
        let parsed = parse_request(&bytes, &mut table, &HeadLimits::default());
        requests += u32::from(matches!(parsed, Ok(Parse::Complete { .. })));
        let bytes = response_heads.new_tree(&mut runner).expect("a head").current();
        let parsed = parse_response(&bytes, &mut table, &HeadLimits::default());
        responses += u32::from(matches!(parsed, Ok(Parse::Complete { .. })));
    }
    assert!(requests > 150 && responses > 500, "{requests} requests and {responses} responses of 5000");
}
