//! Where a request comes from: whom that is believed of, and what replicas are told.
//!
//! A trusted peer is a proxy, and speaks of its own peer in X-Forwarded-* or Forwarded (RFC 7239): we go on where it
//! ended. Of anybody else such a field is a claim that a replica could take for ours, so it is removed.

use std::net::IpAddr;

use crate::base::forwarding::{ForwardedFields, ForwardingPolicy};
use crate::h1::encode;
use crate::message::{Authority, Fields, KnownField, KnownSet, RequestHead, is_token, trim_whitespace};

/// How many proxies a client's address is looked for behind.
const HOPS_MAX: usize = 32;
/// The longest text of an address with its port: `[`, 45 bytes, `]:65535`.
const ADDRESS_BYTES_MAX: usize = 53;
/// The fields that speak of a request's origin, beside unknown ones that begin with `X-Forwarded-`.
const CLAIMS: KnownSet = KnownSet::of(&[
    KnownField::Forwarded,
    KnownField::XForwardedFor,
    KnownField::XForwardedProto,
    KnownField::XForwardedHost,
    KnownField::XForwardedPort,
    KnownField::XRealIp,
]);

/// Who is at the other end of a client's connection. Made once for each connection, so that a request pays for neither
/// its text nor the search among the trusted networks.
#[derive(Debug)]
pub struct Peer {
    address: IpAddr,
    /// X-Forwarded-For and what follows it for a peer that is not trusted: the lines of nearly every request.
    lines: Box<str>,
    /// How long the address is that stands in the first of `lines`.
    text_length: usize,
    trusted: bool,
}

const X_FORWARDED_FOR: &str = "X-Forwarded-For: ";
const X_FORWARDED_PROTO: &str = "X-Forwarded-Proto: http\r\n";

impl Peer {
    /// The peer at `address`, which is canonical.
    pub fn new(address: IpAddr, policy: &ForwardingPolicy) -> Self {
        let text = address.to_string();
        let lines = [X_FORWARDED_FOR, &text, "\r\n", X_FORWARDED_PROTO].concat();
        Peer { address, lines: lines.into(), text_length: text.len(), trusted: policy.trusts(address) }
    }

    /// The address of the client that made a request: the peer's own, or behind trusted peers the last one that is not
    /// trusted, read from the right, where the nearest proxy writes. What is no address ends the search at the proxy that
    /// vouched for it.
    ///
    /// Lists are split at each comma, quoted or not: an open quotation mark of the client must not hide what a trusted
    /// proxy appended behind it, and no proxy's own element has a comma before its end.
    pub fn client_address(&self, fields: &Fields<'_>, policy: &ForwardingPolicy) -> IpAddr {
        if !self.trusted {
            return self.address;
        }
        let is_forwarded = policy.forwarded == ForwardedFields::Forwarded;
        let list = if is_forwarded { KnownField::Forwarded } else { KnownField::XForwardedFor };
        let members = fields.all(list).rev().flat_map(|value| value.rsplit(|&byte| byte == b','));
        let mut nearest = self.address;
        for member in members.map(trim_whitespace).take(HOPS_MAX).filter(|member| !member.is_empty()) {
            let address = if is_forwarded { address_of_element(member) } else { address_of_node(member) };
            let Some(address) = address else { break };
            nearest = address;
            if !policy.trusts(address) {
                break;
            }
        }
        nearest
    }

    /// The fields of this peer that are not forwarded as they came: we write them, or nobody may.
    pub(super) fn removed(&self, policy: &ForwardingPolicy) -> KnownSet {
        match (self.trusted, policy.forwarded) {
            (false, _) => CLAIMS,
            (true, ForwardedFields::XForwarded) => KnownSet::of(&[KnownField::XForwardedFor]),
            (true, ForwardedFields::Forwarded) => KnownSet::of(&[KnownField::Forwarded]),
            (true, ForwardedFields::Both) => {
                KnownSet::of(&[KnownField::XForwardedFor, KnownField::Forwarded])
            }
            (true, ForwardedFields::Off) => KnownSet::of(&[]),
        }
    }

    /// Whether a field of this peer with this name, which is not known, is not forwarded.
    pub(super) fn is_refused_claim(&self, name: &[u8]) -> bool {
        !self.trusted && is_claim(name)
    }

    /// Appends the fields that say where the request comes from.
    pub(super) fn write(&self, out: &mut Vec<u8>, head: &RequestHead<'_>, policy: &ForwardingPolicy) {
        let (x_forwarded, forwarded) = match policy.forwarded {
            ForwardedFields::XForwarded => (true, false),
            ForwardedFields::Forwarded => (false, true),
            ForwardedFields::Both => (true, true),
            ForwardedFields::Off => (false, false),
        };
        if x_forwarded {
            self.write_x_forwarded(out, head);
        }
        if forwarded {
            self.write_forwarded(out, head);
        }
    }

    /// The address as it was written into `lines`.
    fn text(&self) -> &[u8] {
        &self.lines.as_bytes()[X_FORWARDED_FOR.len()..][..self.text_length]
    }

    fn write_x_forwarded(&self, out: &mut Vec<u8>, head: &RequestHead<'_>) {
        // How a trusted peer's own client spoke is what it says; only it knows of TLS.
        let says = |known| self.trusted && head.fields.contains(known);
        if self.trusted {
            out.extend_from_slice(X_FORWARDED_FOR.as_bytes());
            write_members(out, &head.fields, KnownField::XForwardedFor, |_| true);
            out.extend_from_slice(self.text());
            out.extend_from_slice(b"\r\n");
            if !says(KnownField::XForwardedProto) {
                out.extend_from_slice(X_FORWARDED_PROTO.as_bytes());
            }
        } else {
            out.extend_from_slice(self.lines.as_bytes());
        }
        if let Some(authority) = head.authority()
            && !says(KnownField::XForwardedHost)
        {
            encode::field_line(out, b"X-Forwarded-Host", authority.as_bytes());
        }
    }

    fn write_forwarded(&self, out: &mut Vec<u8>, head: &RequestHead<'_>) {
        out.extend_from_slice(b"Forwarded: ");
        if self.trusted {
            // Behind an open quotation mark our element would be a part of that string.
            write_members(out, &head.fields, KnownField::Forwarded, quotations_end);
        }
        let (open, close): (&[u8], &[u8]) =
            if self.address.is_ipv6() { (b"for=\"[", b"]\"") } else { (b"for=", b"") };
        out.extend_from_slice(open);
        out.extend_from_slice(self.text());
        out.extend_from_slice(close);
        if let Some(authority) = head.authority() {
            out.extend_from_slice(b";host=");
            write_host(out, authority);
        }
        out.extend_from_slice(b";proto=http\r\n");
    }
}

/// The lines of a list that came and that `keep` accepts, each with a comma behind it, for one member more.
pub(super) fn write_members(
    out: &mut Vec<u8>,
    fields: &Fields<'_>,
    list: KnownField,
    keep: impl Fn(&[u8]) -> bool,
) {
    for value in fields.all(list).filter(|value| !value.is_empty() && keep(value)) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
}

/// As a token, or between quotation marks: an authority holds nothing that would have to be escaped there.
fn write_host(out: &mut Vec<u8>, authority: Authority<'_>) {
    let quote: &[u8] = if is_token(authority.as_bytes()) { b"" } else { b"\"" };
    out.extend_from_slice(quote);
    out.extend_from_slice(authority.as_bytes());
    out.extend_from_slice(quote);
}

fn quotations_end(value: &[u8]) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for &byte in value {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    !quoted
}

/// Names that differ in "-" and "_" are one to replicas that speak CGI or WSGI (RFC 3875 4.1.18).
fn is_claim(name: &[u8]) -> bool {
    let begins_as = |claim: &[u8]| {
        name.len() >= claim.len()
            && name
                .iter()
                .zip(claim)
                .all(|(&byte, &other)| byte.to_ascii_lowercase() == other || (byte, other) == (b'_', b'-'))
    };
    begins_as(b"x-forwarded-") || (name.len() == 9 && begins_as(b"x-real-ip"))
}

/// The address in one element of Forwarded: its `for`, if that is there once.
fn address_of_element(element: &[u8]) -> Option<IpAddr> {
    let mut nodes = element.split(|&byte| byte == b';').filter_map(|pair| {
        let (name, value) = pair.trim_ascii().split_at_checked(4)?;
        name.eq_ignore_ascii_case(b"for=").then_some(value)
    });
    let (node, None) = (nodes.next()?, nodes.next()) else { return None };
    match node {
        [b'"', node @ .., b'"'] => address_of_node(node),
        node => address_of_node(node),
    }
}

/// An address, which some write with its port; then one of IPv6 stands in brackets, as it always does in Forwarded.
fn address_of_node(node: &[u8]) -> Option<IpAddr> {
    let node = Some(node).filter(|node| node.len() <= ADDRESS_BYTES_MAX)?;
    let node = str::from_utf8(node).ok()?;
    let address = match node.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            IpAddr::V6(Some(address).filter(|_| is_port_or_nothing(port))?.parse().ok()?)
        }
        None => match node.split_once(':') {
            Some((address, port)) if !port.contains(':') => {
                IpAddr::V4(Some(address).filter(|_| is_port(port))?.parse().ok()?)
            }
            _ => node.parse().ok()?,
        },
    };
    Some(address.to_canonical())
}

fn is_port_or_nothing(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(is_port)
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::{self, HeadLimits, Parse};

    fn policy(forwarded: ForwardedFields) -> ForwardingPolicy {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        ForwardingPolicy { trusted: trusted.into(), forwarded, ..ForwardingPolicy::default() }
    }

    fn with_head<R>(fields: &str, then: impl FnOnce(&RequestHead<'_>) -> R) -> R {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a.example:81\r\n{fields}\r\n");
        let mut table = Default::default();
        match h1::parse_request(bytes.as_bytes(), &mut table, &HeadLimits::default()) {
            Ok(Parse::Complete { head, .. }) => then(&head),
            _ => panic!("{bytes}"),
        }
    }

    /// The client of a request with these fields, by the field that the policy names.
    fn client(peer: &str, forwarded: ForwardedFields, fields: &str) -> String {
        let policy = policy(forwarded);
        let peer = Peer::new(peer.parse().unwrap(), &policy);
        with_head(fields, |head| peer.client_address(&head.fields, &policy).to_string())
    }

    #[test]
    fn the_client_is_the_last_one_from_the_right_that_is_not_trusted() {
        // peer, X-Forwarded-For, the client
        let cases = [
            ("192.0.2.9", "198.51.100.1", "192.0.2.9"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "203.0.113.5, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1, 10.0.0.2,fd00::3", "198.51.100.1"),
            ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("fd00::1", "2001:db8::7", "2001:db8::7"),
            ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "::ffff:10.0.0.2, ::ffff:10.0.0.3", "10.0.0.2"),
            ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
            ("10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
            ("10.0.0.1", ",, 198.51.100.1 , ,", "198.51.100.1"),
            // What is no address: the proxy that passed it on stands for it.
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "unknown", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1, nonsense, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", "198.51.100.1:", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1:http", "10.0.0.1"),
            ("10.0.0.1", "[198.51.100.1]", "10.0.0.1"),
            ("10.0.0.1", "[2001:db8::7]4711", "10.0.0.1"),
            ("10.0.0.1", "2001:db8::7%eth0", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1 10.0.0.2", "10.0.0.1"),
            ("10.0.0.1", "\"198.51.100.1\"", "10.0.0.1"),
            ("10.0.0.1", "\u{fe}\u{ff}", "10.0.0.1"),
        ];
        for (peer, list, expected) in cases {
            let fields = format!("X-Forwarded-For: {list}\r\n");
            assert_eq!(client(peer, ForwardedFields::XForwarded, &fields), expected, "{list}");
        }
        let lines =
            "X-Forwarded-For: 203.0.113.5\r\nX-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 10.9.9.9\r\n";
        for forwarded in [ForwardedFields::XForwarded, ForwardedFields::Both, ForwardedFields::Off] {
            assert_eq!(client("10.0.0.1", forwarded, lines), "198.51.100.1", "{forwarded:?}");
        }
        assert_eq!(client("10.0.0.1", ForwardedFields::Forwarded, lines), "10.0.0.1", "another field");
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        let cases = [
            ("for=198.51.100.1", "198.51.100.1"),
            ("For=198.51.100.1;proto=https;by=10.0.0.2", "198.51.100.1"),
            ("proto=https; FOR=\"198.51.100.1:80\"", "198.51.100.1"),
            ("for=\"[2001:db8::7]\"", "2001:db8::7"),
            ("for=\"[2001:DB8::7]:4711\";host=a", "2001:db8::7"),
            ("for=203.0.113.5, for=198.51.100.1, for=10.0.0.2", "198.51.100.1"),
            ("for=\"203.0.113.5, for=198.51.100.1", "198.51.100.1"),
            ("for=unknown", "10.0.0.1"),
            ("for=_hidden, for=10.0.0.2", "10.0.0.2"),
            ("for=198.51.100.1;for=198.51.100.2", "10.0.0.1"),
            ("proto=https", "10.0.0.1"),
            ("198.51.100.1", "10.0.0.1"),
            ("for=\"198.51.100.1", "10.0.0.1"),
            ("f", "10.0.0.1"),
        ];
        for (list, expected) in cases {
            let fields = format!("Forwarded: {list}\r\n");
            assert_eq!(client("10.0.0.1", ForwardedFields::Forwarded, &fields), expected, "{list}");
        }
    }

    #[test]
    fn the_search_for_a_client_is_bounded() {
        let list = |hops| format!("X-Forwarded-For: 198.51.100.1{}\r\n", ", 10.0.0.2".repeat(hops));
        let client = |hops| client("10.0.0.1", ForwardedFields::XForwarded, &list(hops));
        assert_eq!(client(HOPS_MAX - 1), "198.51.100.1");
        assert_eq!(client(HOPS_MAX), "10.0.0.2");
    }

    fn written(peer: &str, forwarded: ForwardedFields, fields: &str) -> String {
        let policy = policy(forwarded);
        let mut out = Vec::new();
        with_head(fields, |head| Peer::new(peer.parse().unwrap(), &policy).write(&mut out, head, &policy));
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn a_trusted_peers_list_goes_on_and_anybody_elses_begins_anew() {
        let came = "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 10.0.0.2\r\nX-Forwarded-Proto: https\r\n\
                    Forwarded: for=198.51.100.1\r\nForwarded: for=\"open\r\nForwarded: for=\"a,\\\"b\"\r\n";
        let cases = [
            (
                "192.0.2.9",
                ForwardedFields::XForwarded,
                "X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a.example:81\r\n",
            ),
            (
                "10.0.0.1",
                ForwardedFields::XForwarded,
                "X-Forwarded-For: 198.51.100.1, 10.0.0.2, 10.0.0.1\r\nX-Forwarded-Host: a.example:81\r\n",
            ),
            (
                "192.0.2.9",
                ForwardedFields::Forwarded,
                "Forwarded: for=192.0.2.9;host=\"a.example:81\";proto=http\r\n",
            ),
            (
                "fd00::1",
                ForwardedFields::Forwarded,
                "Forwarded: for=198.51.100.1, for=\"a,\\\"b\", for=\"[fd00::1]\";host=\"a.example:81\";proto=http\r\n",
            ),
            (
                "2001:db8::7",
                ForwardedFields::Both,
                "X-Forwarded-For: 2001:db8::7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a.example:81\r\n\
                 Forwarded: for=\"[2001:db8::7]\";host=\"a.example:81\";proto=http\r\n",
            ),
            ("10.0.0.1", ForwardedFields::Off, ""),
        ];
        for (peer, forwarded, expected) in cases {
            assert_eq!(written(peer, forwarded, came), expected, "{peer}, {forwarded:?}");
        }
    }

    #[test]
    fn claims_are_known_by_name_however_they_are_spelled() {
        for name in ["X-Forwarded-User", "x-forwarded-", "X_Forwarded_For", "x_real-IP", "x-forwarded_host"] {
            assert!(is_claim(name.as_bytes()), "{name}");
        }
        for name in ["X-Forwarded", "X-Real-IP-2", "X-Forward-For", "Forwarded-For", "x", ""] {
            assert!(!is_claim(name.as_bytes()), "{name}");
        }
    }
}
