//! The authority of a request: uri-host [ ":" port ] (RFC 9110 7.2, RFC 3986 3.2).

use std::fmt;
use std::net::Ipv6Addr;

/// A valid authority without userinfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    bytes: &'a [u8],
    host_length: usize,
    /// `NO_PORT` or a u16; an Option here would be moved in halves of words.
    port: u32,
}

const NO_PORT: u32 = u32::MAX;

/// Why bytes are no authority. A word wide, so that the results it is part of are moved in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum AuthorityError {
    /// The host is empty (RFC 9110 4.2.1 has recipients refuse it).
    EmptyHost,
    /// There is an "@": credentials in a URI are refused (RFC 9110 4.2.4).
    Userinfo,
    /// The host is neither a registered name, an IPv4 address nor an IPv6 address in brackets.
    InvalidHost,
    /// The port is not a decimal number of at most 65535.
    InvalidPort,
}

impl<'a> Authority<'a> {
    /// Checks `bytes` against RFC 3986 3.2, narrowed: no userinfo, no empty host, no IPvFuture, no zone.
    ///
    /// A port may be empty ("host:"), as RFC 3986 3.2.3 allows; it then counts as absent.
    pub fn parse(bytes: &'a [u8]) -> Result<Authority<'a>, AuthorityError> {
        let host_length = match bytes.first() {
            None => return Err(AuthorityError::EmptyHost),
            Some(b'[') => address_literal_length(bytes)?,
            Some(_) => registered_name_length(bytes)?,
        };
        let port = match &bytes[host_length..] {
            [] | [b':'] => NO_PORT,
            [b':', digits @ ..] => u32::from(port_number(digits)?),
            [b'@', ..] => return Err(AuthorityError::Userinfo),
            _ => return Err(AuthorityError::InvalidHost),
        };
        Ok(Authority { bytes, host_length, port })
    }

    /// What [`Authority::parse`] finds in nearly every authority: a name or address of letters, digits, "-" and ".", of
    /// which the caller knows that it takes the first `host_length` bytes, and perhaps a short port. `None` says nothing.
    #[inline(always)]
    pub(crate) fn of_plain_name(bytes: &'a [u8], host_length: usize) -> Option<Authority<'a>> {
        debug_assert!(bytes[..host_length].iter().all(|&byte| NAME_BYTES[usize::from(byte)]));
        let port = match bytes.get(host_length..)? {
            [] => NO_PORT,
            [b':', digits @ ..] => short_number(bytes, digits.len())?,
            _ => return None,
        };
        (host_length > 0).then_some(Authority { bytes, host_length, port })
    }

    /// The whole, as it was sent.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The host as it was sent, an IPv6 address with its brackets; never empty. Compare it case-insensitively.
    pub fn host(&self) -> &'a [u8] {
        &self.bytes[..self.host_length]
    }

    /// The port, if one is written.
    pub const fn port(&self) -> Option<u16> {
        if self.port == NO_PORT { None } else { Some(self.port as u16) }
    }
}

fn registered_name_length(bytes: &[u8]) -> Result<usize, AuthorityError> {
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        at += rest.iter().position(|&byte| !NAME_BYTES[usize::from(byte)]).unwrap_or(rest.len());
        match &bytes[at..] {
            [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => at += 3,
            [b'%', ..] => return Err(AuthorityError::InvalidHost),
            _ => break,
        }
    }
    match (at, bytes.get(at)) {
        (_, Some(b'@')) => Err(AuthorityError::Userinfo),
        (0, Some(b':')) => Err(AuthorityError::EmptyHost),
        (0, _) => Err(AuthorityError::InvalidHost),
        _ => Ok(at),
    }
}

#[cold]
fn address_literal_length(bytes: &[u8]) -> Result<usize, AuthorityError> {
    let close = bytes.iter().position(|&byte| byte == b']').ok_or(AuthorityError::InvalidHost)?;
    let address = std::str::from_utf8(&bytes[1..close]).map_err(|_| AuthorityError::InvalidHost)?;
    match address.parse::<Ipv6Addr>() {
        Ok(_) => Ok(close + 1),
        Err(_) => Err(AuthorityError::InvalidHost),
    }
}

/// The number in the last `count` bytes, if those are one to four digits, which cannot be too large; all at once.
#[inline(always)]
fn short_number(bytes: &[u8], count: usize) -> Option<u32> {
    let others = 4_u32.checked_sub(count as u32).filter(|others| *others < 4)?;
    // What stands before the digits becomes zeros.
    let kept = u32::MAX << (8 * others);
    let word = u32::from_le_bytes(*bytes.last_chunk()?) & kept | 0x3030_3030 & !kept;
    // A digit's upper half is 3, and stays 3 when 6 is added: the first holds from "0" to "?", both up to "9".
    let upper_halves = |word: u32| word & 0xf0f0_f0f0;
    if upper_halves(word) != 0x3030_3030 || upper_halves(word.wrapping_add(0x0606_0606)) != 0x3030_3030 {
        return None;
    }
    let values = word & 0x0f0f_0f0f;
    let pairs = (values * 10 + (values >> 8)) & 0x00ff_00ff;
    Some((pairs & 0xff) * 100 + (pairs >> 16))
}

/// Of at most five digits.
fn port_number(digits: &[u8]) -> Result<u16, AuthorityError> {
    if digits.contains(&b'@') {
        return Err(AuthorityError::Userinfo);
    }
    if digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(AuthorityError::InvalidPort);
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    u16::try_from(number).map_err(|_| AuthorityError::InvalidPort)
}

/// unreserved and sub-delims of RFC 3986 2: what a registered name holds beside percent-encoded bytes.
const NAME_BYTES: [bool; 256] = super::token::alphanumeric_and(b"-._~!$&'()*+,;=");

impl fmt::Display for AuthorityError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            AuthorityError::EmptyHost => "the host is empty",
            AuthorityError::Userinfo => "the authority holds userinfo",
            AuthorityError::InvalidHost => "the host is not a valid name or address",
            AuthorityError::InvalidPort => "the port is not a number of at most 65535",
        })
    }
}

impl std::error::Error for AuthorityError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_authorities_split_into_host_and_port() {
        let table: [(&str, &str, Option<u16>); 10] = [
            ("localhost", "localhost", None),
            ("example.org:8080", "example.org", Some(8080)),
            ("example.org:", "example.org", None),
            ("127.0.0.1:65535", "127.0.0.1", Some(65535)),
            ("127.0.0.1:00080", "127.0.0.1", Some(80)),
            ("[::1]", "[::1]", None),
            ("[2001:db8::7]:443", "[2001:db8::7]", Some(443)),
            ("my_host", "my_host", None),
            ("a%20b", "a%20b", None),
            ("a,b", "a,b", None),
        ];
        for (bytes, host, port) in table {
            let authority = Authority::parse(bytes.as_bytes()).expect(bytes);
            assert_eq!((authority.host(), authority.port()), (host.as_bytes(), port), "{bytes}");
            assert_eq!(authority.as_bytes(), bytes.as_bytes());
        }
    }

    #[test]
    fn invalid_authorities_name_their_fault() {
        let table: [(&[u8], AuthorityError); 20] = [
            (b"", AuthorityError::EmptyHost),
            (b":80", AuthorityError::EmptyHost),
            (b"user@host", AuthorityError::Userinfo),
            (b"user:password@host", AuthorityError::Userinfo),
            (b"user:1@host", AuthorityError::Userinfo),
            (b"@host", AuthorityError::Userinfo),
            (b"[::1]@host", AuthorityError::Userinfo),
            (b"a b", AuthorityError::InvalidHost),
            (b"a/b", AuthorityError::InvalidHost),
            (b"a?b", AuthorityError::InvalidHost),
            (b"a\"b", AuthorityError::InvalidHost),
            (b"a%2", AuthorityError::InvalidHost),
            (b"a%zz", AuthorityError::InvalidHost),
            (b"\xc3\xa4.org", AuthorityError::InvalidHost),
            (b"[::1", AuthorityError::InvalidHost),
            (b"[fe80::1%25eth0]", AuthorityError::InvalidHost),
            (b"[v1.fe80::a]", AuthorityError::InvalidHost),
            (b"[::1]x", AuthorityError::InvalidHost),
            (b"host:65536", AuthorityError::InvalidPort),
            (b"host:8o", AuthorityError::InvalidPort),
        ];
        for (bytes, fault) in table {
            assert_eq!(Authority::parse(bytes), Err(fault), "{}", bytes.escape_ascii());
        }
    }
}
