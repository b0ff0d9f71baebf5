//! A request's key: the bytes that place it.

use std::net::IpAddr;

use crate::base::key_source::{Fallback, KeySource};
use crate::message::{KnownField, RequestHead};
use crate::placement::KeyHash;

/// The longest host that is compared in lower case; longer ones are no valid names (RFC 1035 2.3.4).
const HOST_BYTES_MAX: usize = 255;

/// The hash of the first of `sources` that the request has; `random` stands in where a source or the fallback asks for
/// it. `None` where the request has no key and `fallback` refuses that.
pub fn hash_of(
    sources: &[KeySource],
    fallback: Fallback,
    head: &RequestHead<'_>,
    peer: IpAddr,
    random: u64,
) -> Option<KeyHash> {
    let found = sources.iter().find_map(|source| hash_from(source, head, peer, random));
    found.or_else(|| match fallback {
        Fallback::Random => Some(KeyHash::of(&random.to_le_bytes())),
        Fallback::Reject => None,
    })
}

fn hash_from(source: &KeySource, head: &RequestHead<'_>, peer: IpAddr, random: u64) -> Option<KeyHash> {
    match source {
        KeySource::Path => Some(KeyHash::of(head.target.path())),
        KeySource::Uri => Some(hash_of_uri(head)),
        KeySource::Host => head.authority().map(|authority| hash_of_host(authority.host())),
        KeySource::ClientIp => Some(match peer {
            IpAddr::V4(address) => KeyHash::of(&address.octets()),
            IpAddr::V6(address) => KeyHash::of(&address.octets()),
        }),
        KeySource::Header(name) => head.fields.first_named(name.as_bytes()).map(KeyHash::of),
        KeySource::Cookie(name) => cookie(head, name.as_bytes()).map(KeyHash::of),
        KeySource::Query(name) => query_parameter(head, name.as_bytes()).map(KeyHash::of),
        KeySource::Segment(number) => segment(head.target.path(), *number).map(KeyHash::of),
        KeySource::Json(_) => None,
        KeySource::Random => Some(KeyHash::of(&random.to_le_bytes())),
    }
}

/// Path and query stand together as they were sent, but in an absolute-form without a path, which has "/" for one.
fn hash_of_uri(head: &RequestHead<'_>) -> KeyHash {
    let (path, raw) = (head.target.path(), head.target.raw());
    let Some(query) = head.target.query() else { return KeyHash::of(path) };
    let start = raw.len() - query.len() - 1 - path.len();
    match raw.get(start..).filter(|uri| uri.starts_with(path)) {
        Some(uri) => KeyHash::of(uri),
        None => KeyHash::of(&[path, b"?", query].concat()),
    }
}

fn hash_of_host(host: &[u8]) -> KeyHash {
    let mut lower = [0; HOST_BYTES_MAX];
    match lower.get_mut(..host.len()) {
        Some(lower) => {
            lower.copy_from_slice(host);
            lower.make_ascii_lowercase();
            KeyHash::of(lower)
        }
        None => KeyHash::of(host),
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
