//! A request's key: the bytes that place it.

use std::net::IpAddr;

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
pub struct Circumstances {
    /// The client's address.
    pub peer: IpAddr,
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
pub fn find(rule: &KeyRule<'_>, head: &RequestHead<'_>, around: Circumstances) -> Option<Key> {
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
    around: Circumstances,
) -> Option<KeyHash> {
    let hash = |key: &[u8]| hasher.hash(key);
    match source {
        KeySource::Path => Some(hash(head.target.path())),
        KeySource::Uri => Some(hash_of_uri(hasher, head)),
        KeySource::Host => head.authority().map(|authority| hash_of_host(hasher, authority.host())),
        KeySource::ClientIp => Some(match around.peer {
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
