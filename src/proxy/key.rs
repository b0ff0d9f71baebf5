//! A request's key: the bytes that place it.

use std::net::IpAddr;

use super::origin::Peer;
use crate::base::forwarding::ForwardingPolicy;
use crate::base::key_source::{Fallback, KeySource};
use crate::message::{KnownField, RequestHead};
use crate::placement::{KeyHash, KeyHasher};

/// The longest host that is compared in lower case; longer ones are no valid names (RFC 1035 2.3.4).
const HOST_BYTES_MAX: usize = 255;
/// The digits of a random key: a request id as system A's clients make them.
const RANDOM_DIGITS: usize = 6;

/// How a service reads a request's key.
#[derive(Clone, Copy, Debug)]
pub struct KeyRule<'a> {
    /// Where the key is read from, in order.
    pub sources: &'a [KeySource],
    /// What becomes of a request without any of them.
    pub fallback: Fallback,
    /// How the key's bytes become a hash.
    pub hasher: KeyHasher,
}

/// Beside its head, what a request's key may be made of.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// Who sent it.
    pub peer: &'a Peer,
    /// Whether what the peer says of its own peers is believed.
    pub policy: &'a ForwardingPolicy,
    /// Whether a body follows the head.
    pub has_body: bool,
    /// A number of the request's own, of which a random key is made.
    pub random: u64,
}

/// What a request's head tells of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The key's hash.
    Hash(KeyHash),
    /// The key may stand in the body.
    InBody(BodyKey),
}

/// A key that may stand in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyKey {
    /// How many of the service's sources come before the first one that the head has.
    sources: usize,
    /// The hash if none of these is in the body; `None`: then the request has no key and is refused.
    pub otherwise: Option<KeyHash>,
}

impl BodyKey {
    /// The members to look for, in order; `sources` is the list that the key was read by.
    pub fn fields(self, sources: &[KeySource]) -> impl Iterator<Item = &str> {
        sources.iter().take(self.sources).filter_map(|source| match source {
            KeySource::Json(field) => Some(&**field),
            _ => None,
        })
    }
}

/// The key of a request with this head: the first of the rule's sources that it has, and what the fallback says where it
/// has none. A source in the body counts as one that may be there, if there is a body. `None`: there is no key, and the
/// request is refused.
pub fn find(rule: &KeyRule<'_>, head: &RequestHead<'_>, around: Circumstances<'_>) -> Option<Key> {
    let mut in_body = false;
    for (index, source) in rule.sources.iter().enumerate() {
        if let KeySource::Json(_) = source {
            in_body |= around.has_body;
        } else if let Some(hash) = hash_from(source, rule.hasher, head, around) {
            return Some(match in_body {
                false => Key::Hash(hash),
                true => Key::InBody(BodyKey { sources: index, otherwise: Some(hash) }),
            });
        }
    }
    let otherwise = match rule.fallback {
        Fallback::Random => Some(hash_of_random(rule.hasher, around.random)),
        Fallback::Reject => None,
    };
    if in_body {
        return Some(Key::InBody(BodyKey { sources: rule.sources.len(), otherwise }));
    }
    otherwise.map(Key::Hash)
}

fn hash_from(
    source: &KeySource,
    hasher: KeyHasher,
    head: &RequestHead<'_>,
    around: Circumstances<'_>,
) -> Option<KeyHash> {
    let hash = |key: &[u8]| hasher.hash(key);
    match source {
        KeySource::Path => Some(hash(head.target.path())),
        KeySource::Uri => Some(hash_of_uri(hasher, head)),
        KeySource::Host => head.authority().map(|authority| hash_of_host(hasher, authority.host())),
        KeySource::ClientIp => Some(match around.peer.client_address(&head.fields, around.policy) {
            IpAddr::V4(address) => hash(&address.octets()),
            IpAddr::V6(address) => hash(&address.octets()),
        }),
        KeySource::Header(name) => head.fields.first_named(name.as_bytes()).map(hash),
        KeySource::Cookie(name) => cookie(head, name.as_bytes()).map(hash),
        KeySource::Query(name) => query_parameter(head, name.as_bytes()).map(hash),
        KeySource::Segment(number) => segment(head.target.path(), *number).map(hash),
        KeySource::Json(_) => None,
        KeySource::Random => Some(hash_of_random(hasher, around.random)),
    }
}

/// Six decimal digits, hashed as any key is, so that a placement that takes request ids gets one.
fn hash_of_random(hasher: KeyHasher, random: u64) -> KeyHash {
    let mut rest = random;
    let mut digits = [b'0'; RANDOM_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    hasher.hash(&digits)
}

/// Path and query stand together as they were sent, but in an absolute-form without a path, which has "/" for one.
fn hash_of_uri(hasher: KeyHasher, head: &RequestHead<'_>) -> KeyHash {
    let (path, raw) = (head.target.path(), head.target.raw());
    let Some(query) = head.target.query() else { return hasher.hash(path) };
    let start = raw.len() - query.len() - 1 - path.len();
    match raw.get(start..).filter(|uri| uri.starts_with(path)) {
        Some(uri) => hasher.hash(uri),
        None => hasher.hash(&[path, b"?", query].concat()),
    }
}

fn hash_of_host(hasher: KeyHasher, host: &[u8]) -> KeyHash {
    let mut lower = [0; HOST_BYTES_MAX];
    match lower.get_mut(..host.len()) {
        Some(lower) => {
            lower.copy_from_slice(host);
            lower.make_ascii_lowercase();
            hasher.hash(lower)
        }
        None => hasher.hash(host),
    }
}

/// The value of the cookie `name` (RFC 6265 5.4: pairs between semicolons).
fn cookie<'a>(head: &RequestHead<'a>, name: &[u8]) -> Option<&'a [u8]> {
    head.fields
        .all(KnownField::Cookie)
        .flat_map(|value| value.split(|&byte| byte == b';'))
        .find_map(|pair| value_of(pair.trim_ascii(), name))
}

fn query_parameter<'a>(head: &RequestHead<'a>, name: &[u8]) -> Option<&'a [u8]> {
    head.target.query()?.split(|&byte| byte == b'&').find_map(|pair| value_of(pair, name))
}

/// The value of `name=value`.
fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    pair.strip_prefix(name)?.strip_prefix(b"=")
}

/// The segment `number` of a path, counted from 1; an empty one is none.
fn segment(path: &[u8], number: usize) -> Option<&[u8]> {
    path.split(|&byte| byte == b'/').nth(number).filter(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::{self, HeadLimits, Parse};

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    /// The key of `head` by these sources.
    fn key(
        sources: &[&str],
        fallback: Fallback,
        hasher: KeyHasher,
        head: &str,
        has_body: bool,
    ) -> Option<Key> {
        let sources: Vec<KeySource> = sources.iter().map(|source| source.parse().unwrap()).collect();
        let mut fields = Default::default();
        let head = format!("{head}\r\n\r\n");
        let Ok(Parse::Complete { head, .. }) =
            h1::parse_request(head.as_bytes(), &mut fields, &HeadLimits::default())
        else {
            panic!("{head}");
        };
        let rule = KeyRule { sources: &sources, fallback, hasher };
        let policy = ForwardingPolicy::default();
        let peer = Peer::new(PEER, &policy);
        find(&rule, &head, Circumstances { peer: &peer, policy: &policy, has_body, random: 98_000_407 })
    }

    fn of_head(source: &str, head: &str) -> Option<Key> {
        key(&[source], Fallback::Reject, KeyHasher::Xxh3, head, false)
    }

    const HEAD: &str =
        "GET /a//c?x=1&id=7&id=8 HTTP/1.1\r\nHost: Some.Example:80\r\nX-Id: 42\r\nCookie: a=1; id=c; id=d";

    #[test]
    fn each_source_finds_its_bytes() {
        let cases: [(&str, Option<&[u8]>); 14] = [
            ("path", Some(b"/a//c")),
            ("uri", Some(b"/a//c?x=1&id=7&id=8")),
            ("host", Some(b"some.example")),
            ("client-ip", Some(&[192, 0, 2, 7])),
            ("header:x-id", Some(b"42")),
            ("header:x-other", None),
            ("cookie:id", Some(b"c")),
            ("cookie:i", None),
            ("query:id", Some(b"7")),
            ("query:y", None),
            ("segment:1", Some(b"a")),
            ("segment:2", None),
            ("segment:3", Some(b"c")),
            ("random", Some(b"000407")),
        ];
        for (source, expected) in cases {
            let expected = expected.map(|bytes| Key::Hash(KeyHash::of(bytes)));
            assert_eq!(of_head(source, HEAD), expected, "{source}");
        }
        let absolute = "GET http://h.example?q=1 HTTP/1.1\r\nHost: h.example";
        assert_eq!(of_head("uri", absolute), Some(Key::Hash(KeyHash::of(b"/?q=1"))));
    }

    #[test]
    fn every_key_goes_through_the_hasher_and_a_random_one_is_six_digits() {
        let by_id = |sources: &[&str], fallback| key(sources, fallback, KeyHasher::RequestId, HEAD, false);
        let id = |id| Some(Key::Hash(KeyHash::from_u64(id)));
        assert_eq!(by_id(&["header:x-id"], Fallback::Reject), id(42));
        assert_eq!(by_id(&["query:id"], Fallback::Reject), id(7));
        assert_eq!(by_id(&["random"], Fallback::Reject), id(407));
        assert_eq!(by_id(&["query:none"], Fallback::Random), id(407));
        assert_eq!(by_id(&["query:none"], Fallback::Reject), None);
        let sum = key(&["path"], Fallback::Reject, KeyHasher::ByteSum, HEAD, false);
        assert_eq!(sum, id(b"/a//c".iter().map(|&byte| u64::from(byte)).sum()));
    }

    #[test]
    fn a_body_is_asked_only_if_there_is_one_and_no_earlier_source_has_a_key() {
        let find =
            |sources: &[&str], fallback, has_body| key(sources, fallback, KeyHasher::Xxh3, HEAD, has_body);
        let header = KeyHash::of(b"42");
        let in_body = |sources, otherwise| Some(Key::InBody(BodyKey { sources, otherwise }));
        let cases: [(&[&str], bool, Option<Key>); 6] = [
            (&["json:id", "header:x-id"], true, in_body(1, Some(header))),
            (&["json:id", "header:x-id"], false, Some(Key::Hash(header))),
            (&["header:x-id", "json:id"], true, Some(Key::Hash(header))),
            (&["json:a", "query:none", "json:b", "header:x-id", "json:c"], true, in_body(3, Some(header))),
            (&["query:none", "json:id"], true, in_body(2, None)),
            (&["query:none", "json:id"], false, None),
        ];
        for (sources, has_body, expected) in cases {
            assert_eq!(find(sources, Fallback::Reject, has_body), expected, "{sources:?}, {has_body}");
        }
        let random = KeyHash::of(b"000407");
        assert_eq!(find(&["json:id"], Fallback::Random, true), in_body(1, Some(random)));
        let Some(Key::InBody(key)) = find(cases[3].0, Fallback::Reject, true) else {
            panic!("no key in the body")
        };
        let sources: Vec<KeySource> = cases[3].0.iter().map(|source| source.parse().unwrap()).collect();
        assert_eq!(key.fields(&sources).collect::<Vec<_>>(), ["a", "b"]);
    }
}
