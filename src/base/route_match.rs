//! Which requests are a service's: a host pattern and a path prefix, as types that are right once they exist.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use thiserror::Error;

/// The longest host name, in bytes (RFC 1035 2.3.4, without the root's dot).
pub const HOST_BYTES_MAX: usize = 253;
/// The longest path prefix, in bytes.
pub const PATH_PREFIX_BYTES_MAX: usize = 1_024;

/// The hosts that a service answers for. Names are kept in lower case, without port and without trailing dot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// One host: `example.com`, `192.0.2.1`, `[2001:db8::1]` (RFC 5952 spelling).
    Exact(Box<str>),
    /// `*.example.com`: every name below it, at any depth, not `example.com` itself. Kept as `.example.com`.
    Below(Box<str>),
    /// `*`: any host, and requests that name none.
    #[default]
    Any,
}

/// The paths that a service answers for: a prefix that ends on a segment's boundary. `/api` matches `/api` and
/// `/api/x`, never `/apix`; `/api/` matches `/api/x`, not `/api`; `/` matches everything, `*` of OPTIONS too.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathPrefix(Box<str>);

/// A service's match rule; the default matches every request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteMatch {
    /// The hosts.
    pub host: HostPattern,
    /// The paths below them.
    pub path: PathPrefix,
}

/// Why a string is no host pattern or path prefix. Each text says what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RouteMatchError {
    /// A port, which plays no part in matching.
    #[error("a host pattern has no port; leave the port out (an IPv6 address stands in brackets)")]
    HostPort,
    /// A star elsewhere than in front.
    #[error("a star may only stand alone or in front; write example.com, *.example.com or *")]
    HostStar,
    /// No host name or address at all.
    #[error(
        "this is no host name; write example.com, *.example.com, an address, [::1] for IPv6, or * for any"
    )]
    Host,
    /// A path that begins elsewhere than at the root.
    #[error("a path must begin with '/'")]
    PathStart,
    /// A byte that cannot stand in a path (RFC 3986 3.3).
    #[error(
        "a path holds no '?', '#', '*', spaces or bytes beyond ASCII; percent-encode them (a space is %20)"
    )]
    PathByte,
    /// Longer than [`PATH_PREFIX_BYTES_MAX`].
    #[error("a path prefix is at most {PATH_PREFIX_BYTES_MAX} bytes long; shorten it")]
    PathLength,
}

impl FromStr for HostPattern {
    type Err = RouteMatchError;

    fn from_str(written: &str) -> Result<Self, RouteMatchError> {
        if written == "*" {
            return Ok(HostPattern::Any);
        }
        if let Some(parent) = written.strip_prefix("*.") {
            return Ok(HostPattern::Below(format!(".{}", host_name(parent)?).into()));
        }
        if written.starts_with('[') {
            return Ok(HostPattern::Exact(bracketed_address(written)?));
        }
        host_name(written).map(|name| HostPattern::Exact(name.into()))
    }
}

fn bracketed_address(written: &str) -> Result<Box<str>, RouteMatchError> {
    let (address, rest) =
        written.strip_prefix('[').and_then(|inner| inner.split_once(']')).ok_or(RouteMatchError::Host)?;
    let address: Ipv6Addr = address.parse().map_err(|_| RouteMatchError::Host)?;
    match rest {
        "" => Ok(format!("[{address}]").into()),
        _ if rest.starts_with(':') => Err(RouteMatchError::HostPort),
        _ => Err(RouteMatchError::Host),
    }
}

/// A name of labels (RFC 1123 2.1, with the underscore that is met in practice), or an IPv4 address, which looks alike.
fn host_name(written: &str) -> Result<String, RouteMatchError> {
    let is_label = |label: &str| {
        let is_label_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(is_label_byte)
    };
    let name = written.strip_suffix('.').unwrap_or(written);
    if name.len() <= HOST_BYTES_MAX && name.split('.').all(is_label) {
        Ok(name.to_ascii_lowercase())
    } else if name.contains('*') {
        Err(RouteMatchError::HostStar)
    } else if name.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit())) {
        Err(RouteMatchError::HostPort)
    } else {
        Err(RouteMatchError::Host)
    }
}

impl PathPrefix {
    /// The prefix as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request path (without its query) lies under the prefix.
    pub fn matches(&self, path: &[u8]) -> bool {
        let prefix = self.0.as_bytes();
        match path.strip_prefix(prefix) {
            Some(rest) => prefix.ends_with(b"/") || matches!(rest.first(), None | Some(b'/')),
            None => prefix == b"/",
        }
    }
}

impl Default for PathPrefix {
    fn default() -> Self {
        PathPrefix("/".into())
    }
}

impl FromStr for PathPrefix {
    type Err = RouteMatchError;

    fn from_str(written: &str) -> Result<Self, RouteMatchError> {
        if !written.starts_with('/') {
            return Err(RouteMatchError::PathStart);
        }
        if written.len() > PATH_PREFIX_BYTES_MAX {
            return Err(RouteMatchError::PathLength);
        }
        if !written.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#*".contains(&byte)) {
            return Err(RouteMatchError::PathByte);
        }
        Ok(PathPrefix(written.into()))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exact(name) => formatter.write_str(name),
            HostPattern::Below(suffix) => write!(formatter, "*{suffix}"),
            HostPattern::Any => formatter.write_str("*"),
        }
    }
}

impl fmt::Display for RouteMatch {
    /// Host and path in one word, as in `*.example.com/api`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.host, self.path.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_patterns_are_read_into_one_spelling() {
        let cases = [
            ("*", HostPattern::Any),
            ("Example.COM", HostPattern::Exact("example.com".into())),
            ("example.com.", HostPattern::Exact("example.com".into())),
            ("192.0.2.1", HostPattern::Exact("192.0.2.1".into())),
            ("[2001:DB8:0::1]", HostPattern::Exact("[2001:db8::1]".into())),
            ("*.Example.com.", HostPattern::Below(".example.com".into())),
            ("my_host", HostPattern::Exact("my_host".into())),
        ];
        for (written, expected) in cases {
            assert_eq!(written.parse(), Ok(expected), "{written}");
        }
    }

    #[test]
    fn bad_host_patterns_name_the_rule_they_break() {
        let long = "a.".repeat(127) + "a";
        let cases = [
            ("", RouteMatchError::Host),
            (".", RouteMatchError::Host),
            ("a..b", RouteMatchError::Host),
            (&long, RouteMatchError::Host),
            ("exa mple.com", RouteMatchError::Host),
            ("http://a", RouteMatchError::Host),
            ("example.com:80", RouteMatchError::HostPort),
            ("[::1]:80", RouteMatchError::HostPort),
            ("::1", RouteMatchError::HostPort),
            ("[::1", RouteMatchError::Host),
            ("[::1]x", RouteMatchError::Host),
            ("[example]", RouteMatchError::Host),
            ("a.*.com", RouteMatchError::HostStar),
            ("*.*.com", RouteMatchError::HostStar),
            ("*example.com", RouteMatchError::HostStar),
            ("**", RouteMatchError::HostStar),
        ];
        for (written, expected) in cases {
            assert_eq!(written.parse::<HostPattern>(), Err(expected), "{written}");
        }
    }

    #[test]
    fn a_prefix_ends_on_a_segment() {
        let cases = [
            ("/", "/anything", true),
            ("/", "", true),
            ("/", "*", true),
            ("/api", "/api", true),
            ("/api", "/api/", true),
            ("/api", "/api/x", true),
            ("/api", "/apix", false),
            ("/api", "/ap", false),
            ("/api", "*", false),
            ("/api/", "/api/x", true),
            ("/api/", "/api/", true),
            ("/api/", "/api", false),
            ("/api", "/API", false),
        ];
        for (prefix, path, expected) in cases {
            let prefix: PathPrefix = prefix.parse().unwrap();
            assert_eq!(prefix.matches(path.as_bytes()), expected, "{prefix:?} {path}");
        }
    }

    #[test]
    fn bad_prefixes_name_the_rule_they_break() {
        let long = "/".repeat(PATH_PREFIX_BYTES_MAX + 1);
        let cases = [
            ("", RouteMatchError::PathStart),
            ("api", RouteMatchError::PathStart),
            ("/a b", RouteMatchError::PathByte),
            ("/a?b", RouteMatchError::PathByte),
            ("/*", RouteMatchError::PathByte),
            ("/é", RouteMatchError::PathByte),
            (&long, RouteMatchError::PathLength),
        ];
        for (written, expected) in cases {
            assert_eq!(written.parse::<PathPrefix>(), Err(expected), "{written}");
        }
    }
}
