//! Heads of requests: read alike in every way, and forwarded as what they were read as.

use std::net::{IpAddr, Ipv4Addr};

use ringway::base::forwarding::{ForwardedFields, ForwardingPolicy, RequestIdPolicy, Via};
use ringway::h1::{self, FieldTable, HeadLimits, Parse, parse_request};
use ringway::message::{
    ConnectionOptions, KnownField, MessageBodyLength, Method, RequestHead, Version, connection_options,
};
use ringway::proxy::forward::{ForwardedFrom, asks_for_upgrade, expects_continue, write_request};
use ringway::proxy::max_forwards::max_forwards;
use ringway::proxy::origin::Peer;
use ringway::proxy::request_id::RequestIds;

use super::framing::{self, Pair, values};
use super::heads::{self, Outcome, Seen};
use super::{input, messages};

/// The input's last four bytes choose limits, two cuts, and what is told to replicas; the rest is a head and what follows.
pub(crate) fn check(data: &[u8]) {
    let (bytes, [limits, first, second, policy]) = input::split::<4>(data);
    let limits = heads::limits(limits);
    let cuts = input::cuts([first, second], bytes.len());
    let outcome = heads::parse_in_all_ways(bytes, &limits, cuts, |bytes| parse(bytes, &limits));
    let Ok(Some(seen)) = outcome else { return };
    let mut table = FieldTable::new();
    let Ok(Parse::Complete { head, .. }) = parse_request(bytes, &mut table, &limits) else { unreachable!() };
    let body = h1::request_body_length(&head).ok();
    let minor = u8::from(head.version == Version::Http11);
    let expected = framing::of_request(head.method_token, &seen.fields, minor).ok();
    assert_eq!(body, expected, "the body's length");
    if let Some(body) = body {
        check_forwarded(&head, &seen, body, policy);
    }
}

fn parse(bytes: &[u8], limits: &HeadLimits) -> Outcome {
    let mut table = FieldTable::new();
    Ok(match parse_request(bytes, &mut table, limits)? {
        Parse::Partial => None,
        Parse::Complete { head, length } => {
            let version = head.version.as_str().as_bytes();
            let start_line = [head.method_token, head.target.raw(), version].map(<[u8]>::to_vec).into();
            Some(Seen { length, start_line, fields: heads::pairs(&head.fields) })
        }
    })
}

/// The head as a replica gets it, read again: the same request, framed alike, and of its connection nothing.
fn check_forwarded(head: &RequestHead<'_>, seen: &Seen, body: MessageBodyLength, choice: u8) {
    let (Ok(options), Ok(forwards)) = (connection_options(&head.fields), max_forwards(head)) else { return };
    if matches!(head.method, Method::Connect | Method::Trace) {
        return;
    }
    let policy = policy(choice);
    let peer = Peer::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), &policy);
    let ids = RequestIds::new(&RequestIdPolicy::default(), 1);
    let upgrade = asks_for_upgrade(head, &options, body);
    let from = ForwardedFrom {
        peer: &peer,
        policy: &policy,
        ids: (choice & 16 > 0).then_some(&ids),
        forwards_left: forwards.map(|forwards| forwards.saturating_sub(1)),
        upgrade,
        expects: expects_continue(head),
    };
    let mut out = Vec::new();
    write_request(&mut out, head, &options, body, from);
    let written = messages::request_head(&out).ok().flatten().expect("a whole head is written");
    assert_eq!(written.length, out.len(), "bytes behind the head");
    assert_eq!((&written.method[..], written.minor), (head.method_token, 1));
    assert!(is_origin_form(&written.target, head), "another target: {:?}", written.target.escape_ascii());
    assert_eq!(framing::of_request(&written.method, &written.fields, 1), Ok(body), "another framing");
    let authority = head.authority().map_or(&b""[..], |authority| authority.as_bytes());
    assert_eq!(values(&written.fields, "Host"), [authority], "another Host");
    let connection: &[&[u8]] = if upgrade { &[b"upgrade"] } else { &[] };
    assert_eq!(values(&written.fields, "Connection"), connection, "another Connection");
    for name in ["Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "TE", "Trailer"] {
        assert!(values(&written.fields, name).is_empty(), "{name} is forwarded");
    }
    let expected = end_to_end(&seen.fields, &options);
    assert_eq!(end_to_end(&written.fields, &ConnectionOptions::default()), expected, "other fields");
    check_read_again(&out, head, body);
}

/// By ourselves, which is strict about Host: only HTTP/1.0 may come without one.
fn check_read_again(out: &[u8], head: &RequestHead<'_>, body: MessageBodyLength) {
    let Some(authority) = head.authority() else { return };
    // What is added is little, but may be more than the limits.
    let limits =
        HeadLimits { head_bytes_max: usize::MAX, target_bytes_max: usize::MAX, fields_max: usize::MAX };
    let mut table = FieldTable::new();
    let again = parse_request(out, &mut table, &limits);
    let Ok(Parse::Complete { head: again, length }) = again else { panic!("{again:?}") };
    assert_eq!(length, out.len());
    assert_eq!(h1::request_body_length(&again), Ok(body));
    assert_eq!(again.authority().map(|authority| authority.as_bytes()), Some(authority.as_bytes()));
    assert_eq!(again.target.path(), if again.target.raw() == b"*" { b"*" } else { head.target.path() });
}

/// Whether `target` is the origin-form of the head's target (RFC 9112 3.2.1).
fn is_origin_form(target: &[u8], head: &RequestHead<'_>) -> bool {
    let raw = head.target.raw();
    if raw.starts_with(b"/") || raw == b"*" {
        return target == raw;
    }
    match target {
        b"*" => head.method == Method::Options && !raw.ends_with(b"/"),
        b"/" if !raw.ends_with(b"/") => true,
        [b'/', query @ ..] if query.starts_with(b"?") => raw.ends_with(query),
        _ => target.starts_with(b"/") && raw.ends_with(target),
    }
}

/// The fields that nobody on the way has a say in: unknown ones that are neither nominated nor claims of origin.
fn end_to_end(fields: &[Pair], options: &ConnectionOptions<'_>) -> Vec<Pair> {
    let is_own = |name: &[u8]| {
        // CGI takes `_` for `-`, so that claims of where a request came from are removed in either spelling.
        let dashed = |&byte: &u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
        let dashed: Vec<u8> = name.iter().map(dashed).collect();
        let ours: [&[u8]; 3] = [b"x-request-id", b"forwarded", b"x-real-ip"];
        dashed.starts_with(b"x-forwarded-") || ours.contains(&&dashed[..]) || options.nominates(name)
    };
    let unknown = |name: &[u8]| KnownField::from_name(name) == KnownField::Unknown;
    fields.iter().filter(|(name, _)| unknown(name) && !is_own(name)).cloned().collect()
}

fn policy(choice: u8) -> ForwardingPolicy {
    let forwarded = [
        ForwardedFields::XForwarded,
        ForwardedFields::Forwarded,
        ForwardedFields::Both,
        ForwardedFields::Off,
    ];
    let network = "10.0.0.0/8".parse().expect("a network");
    ForwardingPolicy {
        trusted: if choice & 4 > 0 { [network].into() } else { Box::default() },
        forwarded: forwarded[usize::from(choice) % 4],
        via: if choice & 8 > 0 { Via::Off } else { Via::Requests },
        request_id: None,
    }
}
