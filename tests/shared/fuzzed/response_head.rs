//! Heads of answers: read alike in every way, and passed on with an end that the client finds.

use ringway::base::forwarding::RequestIdPolicy;
use ringway::h1::{self, FieldTable, HeadLimits, Parse, parse_response};
use ringway::message::{
    ConnectionOptions, KnownField, MessageBodyLength, Method, ResponseHead, StatusCode, Version,
    connection_options,
};
use ringway::proxy::answer::{Additions, Persistence, client_body_length, write_interim, write_response};
use ringway::proxy::request_id::{Id, RequestIds};

use super::framing::{self, Pair, values};
use super::heads::{self, Outcome, Seen};
use super::{input, messages};

/// Methods whose answers are framed differently, and one more.
const METHODS: [(Method, &[u8]); 4] = [
    (Method::Get, b"GET"),
    (Method::Head, b"HEAD"),
    (Method::Connect, b"CONNECT"),
    (Method::Options, b"OPTIONS"),
];

/// The input's last four bytes choose limits, two cuts, the request's method with what is added; the rest is a head and
/// what follows.
pub(crate) fn check(data: &[u8]) {
    let (bytes, [limits, first, second, choice]) = input::split::<4>(data);
    let limits = heads::limits(limits);
    let cuts = input::cuts([first, second], bytes.len());
    let outcome = heads::parse_in_all_ways(bytes, &limits, cuts, |bytes| parse(bytes, &limits));
    let Ok(Some(seen)) = outcome else { return };
    let mut table = FieldTable::new();
    let Ok(Parse::Complete { head, .. }) = parse_response(bytes, &mut table, &limits) else { unreachable!() };
    let (method, token) = METHODS[usize::from(choice) % METHODS.len()];
    let body = h1::response_body_length(method, &head).ok();
    let minor = u8::from(head.version == Version::Http11);
    let expected = framing::of_answer(token, head.status.number(), &seen.fields, minor).ok();
    assert_eq!(body, expected, "the body's length");
    match body {
        // No CONNECT reaches a replica.
        Some(body) if method != Method::Connect => check_passed_on(&head, &seen, body, token, choice),
        _ => {}
    }
}

fn parse(bytes: &[u8], limits: &HeadLimits) -> Outcome {
    let mut table = FieldTable::new();
    Ok(match parse_response(bytes, &mut table, limits)? {
        Parse::Partial => None,
        Parse::Complete { head, length } => {
            let (version, status) = (head.version.as_str(), head.status.number().to_string());
            let start_line = vec![version.into(), status.into_bytes(), head.reason.to_vec()];
            Some(Seen { length, start_line, fields: heads::pairs(&head.fields) })
        }
    })
}

/// The head as a client gets it, read again: the same answer, with one end, and of its connection nothing.
fn check_passed_on(head: &ResponseHead<'_>, seen: &Seen, body: MessageBodyLength, method: &[u8], choice: u8) {
    let Ok(options) = connection_options(&head.fields) else { return };
    let client = if choice & 4 > 0 { Version::Http10 } else { Version::Http11 };
    let to = client_body_length(body, client);
    let ids = RequestIds::new(&RequestIdPolicy::default(), 1);
    let additions = Additions {
        persistence: [Persistence::Close, Persistence::KeepAlive { stated: choice & 32 > 0 }]
            [usize::from(choice & 8 > 0)],
        via: choice & 16 > 0,
        id: (choice & 64 > 0).then_some(Id { ids: &ids, text: b"1" }),
        date: None,
    };
    let mut out = Vec::new();
    let is_interim = head.status.is_interim();
    match is_interim {
        true => write_interim(&mut out, head, &options),
        false => write_response(&mut out, head, &options, to, &additions),
    }
    let written = messages::answer_head(&out).ok().flatten().expect("a whole head is written");
    assert_eq!(written.length, out.len(), "bytes behind the head");
    assert_eq!((written.status, written.minor), (head.status.number(), 1));
    assert_eq!(framing::of_answer(method, written.status, &written.fields, 1), Ok(to), "another framing");
    assert!(client == Version::Http11 || to != MessageBodyLength::Chunked, "chunked for HTTP/1.0");
    let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
    let connection: &[&[u8]] = match additions.persistence {
        _ if switches => &[b"upgrade"],
        _ if is_interim => &[],
        Persistence::Close => &[b"close"],
        Persistence::KeepAlive { stated: true } => &[b"keep-alive"],
        Persistence::KeepAlive { stated: false } => &[],
    };
    assert_eq!(values(&written.fields, "Connection"), connection, "another Connection");
    let expected = end_to_end(&seen.fields, &options);
    assert_eq!(end_to_end(&written.fields, &ConnectionOptions::default()), expected, "other fields");
    let mut table = FieldTable::new();
    let limits =
        HeadLimits { head_bytes_max: usize::MAX, target_bytes_max: usize::MAX, fields_max: usize::MAX };
    let again = parse_response(&out, &mut table, &limits);
    let Ok(Parse::Complete { head: again, .. }) = again else { panic!("{again:?}") };
    assert_eq!((again.reason, again.status), (head.reason, head.status));
}

/// The fields that are passed on as they came: unknown ones that are not nominated.
fn end_to_end(fields: &[Pair], options: &ConnectionOptions<'_>) -> Vec<Pair> {
    let is_kept =
        |name: &[u8]| KnownField::from_name(name) == KnownField::Unknown && !options.nominates(name);
    fields.iter().filter(|(name, _)| is_kept(name)).cloned().collect()
}
