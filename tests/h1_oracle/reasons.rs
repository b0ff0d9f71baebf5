//! The rules by which ours refuses what httparse accepts, each with how a head that breaks it is known.

use ringway::h1::{HeadError, METHOD_BYTES_MAX};
use ringway::message::Authority;

use super::reading::{Extent, Reading};

/// A head that ours refuses, and httparse does not.
pub(crate) struct Refusal<'a> {
    pub(crate) error: HeadError,
    pub(crate) bytes: &'a [u8],
    pub(crate) reading: &'a Reading,
}

/// A rule that is stricter than httparse's.
pub(crate) struct Reason {
    /// What it is called in the table of counts.
    pub(crate) name: &'static str,
    /// Whether the head really breaks it, and ours says so.
    pub(crate) explains: fn(&Refusal<'_>) -> bool,
}

/// The rules for requests.
pub(crate) const OF_REQUESTS: &[Reason] = &[
    // RFC 9112 2.2 lets a recipient take a bare LF for a line end; two parsers in a row that differ in it disagree about
    // where a message ends.
    Reason { name: "a bare LF ends a line", explains: is_bare_line_feed },
    // httparse skips any number of empty lines, RFC 9112 2.2 asks for at least one, we skip one at most.
    Reason {
        name: "more than one empty line before it",
        explains: |refusal| {
            let (first, second) = (refusal.bytes.get(..2), refusal.bytes.get(2));
            refusal.error == HeadError::InvalidMethod
                && first == Some(b"\r\n")
                && matches!(second, Some(b'\r' | b'\n'))
        },
    },
    Reason {
        name: "the method is too long",
        explains: |refusal| {
            refusal.error == HeadError::MethodTooLong && refusal.method().len() > METHOD_BYTES_MAX
        },
    },
    // RFC 9112 3.2 and RFC 3986: no fragment and nothing but ASCII in a target.
    Reason {
        name: "a fragment in the target",
        explains: |refusal| refusal.error == HeadError::InvalidTarget && refusal.target().contains(&b'#'),
    },
    Reason {
        name: "a byte above ASCII in the target",
        explains: |refusal| refusal.error == HeadError::InvalidTarget && !refusal.target().is_ascii(),
    },
    // RFC 3986 2.1; as nginx does.
    Reason {
        name: "a percent-encoding that is none, or NUL",
        explains: |refusal| {
            refusal.error == HeadError::InvalidPercentEncoding && has_bad_percent_encoding(refusal.target())
        },
    },
    // httparse does not look at the form (RFC 9112 3.2).
    Reason {
        name: "a target of another form",
        explains: |refusal| refusal.error == HeadError::WrongTargetForm && refusal.has_no_form(),
    },
    Reason {
        name: "the target's authority",
        explains: |refusal| {
            let fault = Authority::parse(refusal.authority()).err();
            fault.is_some_and(|fault| refusal.error == HeadError::InvalidTargetAuthority(fault))
        },
    },
    Reason {
        name: "the target's scheme",
        explains: |refusal| {
            let scheme =
                scheme_length(refusal.target()).map(|length| refusal.target()[..length].to_ascii_lowercase());
            refusal.error == HeadError::UnsupportedScheme
                && scheme.is_some_and(|scheme| scheme != b"http" && scheme != b"https")
        },
    },
    // RFC 9112 3.2: exactly one valid Host in HTTP/1.1; httparse does not look.
    Reason {
        name: "no Host",
        explains: |refusal| {
            refusal.error == HeadError::MissingHost
                && refusal.reading.version == 1
                && refusal.reading.hosts().is_empty()
        },
    },
    Reason {
        name: "a repeated Host",
        explains: |refusal| refusal.error == HeadError::RepeatedHost && refusal.reading.hosts().len() > 1,
    },
    Reason {
        name: "an invalid Host",
        explains: |refusal| match (refusal.error, &refusal.reading.hosts()[..]) {
            (HeadError::InvalidHost(fault), [host]) => Authority::parse(host) == Err(fault),
            _ => false,
        },
    },
];

/// The rules for responses.
pub(crate) const OF_RESPONSES: &[Reason] = &[
    Reason { name: "a bare LF ends a line", explains: is_bare_line_feed },
    // httparse skips empty lines before a status line; RFC 9112 2.2 speaks of request lines only.
    Reason {
        name: "an empty line before it",
        explains: |refusal| {
            refusal.error == HeadError::InvalidVersion && matches!(refusal.bytes.first(), Some(b'\r' | b'\n'))
        },
    },
    // RFC 9110 15: codes begin at 100.
    Reason {
        name: "a status below 100",
        explains: |refusal| {
            let digit = refusal.bytes.get(b"HTTP/1.1 ".len());
            refusal.error == HeadError::InvalidStatusCode && digit == Some(&b'0')
        },
    },
    // A code without a reason, where ours looks for a SP or a CR.
    Reason {
        name: "a bare LF behind the status",
        explains: |refusal| {
            let end = refusal.bytes.get(b"HTTP/1.1 200".len());
            refusal.error == HeadError::InvalidStatusCode && end == Some(&b'\n')
        },
    },
];

fn is_bare_line_feed(refusal: &Refusal<'_>) -> bool {
    let bytes = match refusal.reading.extent {
        Extent::Whole(length) => &refusal.bytes[..length],
        Extent::Partial | Extent::Refused => refusal.bytes,
    };
    let mut places = bytes.iter().enumerate();
    refusal.error == HeadError::BareLineFeed
        && places.any(|(at, &byte)| byte == b'\n' && (at == 0 || bytes[at - 1] != b'\r'))
}

fn has_bad_percent_encoding(target: &[u8]) -> bool {
    let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
    let is_bad = |digits: &[u8]| {
        digits.len() < 2 || !digits[..2].iter().all(u8::is_ascii_hexdigit) || &digits[..2] == b"00"
    };
    path.iter().enumerate().any(|(at, &byte)| byte == b'%' && is_bad(&path[at + 1..]))
}

impl Refusal<'_> {
    /// The method, also where httparse waits for its end.
    fn method(&self) -> &[u8] {
        self.words().0
    }

    /// The request target, also where httparse waits for its end.
    fn target(&self) -> &[u8] {
        self.words().1
    }

    fn words(&self) -> (&[u8], &[u8]) {
        let mut words = self.bytes.trim_ascii_start().split(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }

    /// What stands where the target's authority does: behind the scheme, or all of it for CONNECT.
    fn authority(&self) -> &[u8] {
        let target = self.target();
        let start = match scheme_length(target) {
            Some(length) if self.method() != b"CONNECT" => length + b"://".len(),
            _ => 0,
        };
        let behind = &target[start..];
        match self.method() {
            b"CONNECT" => behind,
            _ => behind.split(|byte| matches!(byte, b'/' | b'?')).next().unwrap_or_default(),
        }
    }

    /// Whether the target has none of the forms that its method allows (RFC 9112 3.2): CONNECT wants an authority with a
    /// port, OPTIONS may have an asterisk, and all but CONNECT a path or a URI.
    fn has_no_form(&self) -> bool {
        let target = self.target();
        match self.method() {
            b"CONNECT" => Authority::parse(target).is_ok_and(|authority| authority.port().is_none()),
            b"OPTIONS" if target == b"*" => false,
            _ => {
                !target.starts_with(b"/")
                    && !scheme_length(target).is_some_and(|length| is_scheme(&target[..length]))
            }
        }
    }
}

fn scheme_length(target: &[u8]) -> Option<usize> {
    target.windows(3).position(|three| three == b"://")
}

/// ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ) (RFC 3986 3.1)
fn is_scheme(scheme: &[u8]) -> bool {
    let is_rest = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    scheme.first().is_some_and(u8::is_ascii_alphabetic) && scheme.iter().all(is_rest)
}
