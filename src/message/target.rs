//! Request targets (RFC 9112 3.2).

use super::Authority;

/// What a request asks for, in one of the four forms of RFC 9112 3.2.
///
/// Paths and queries are raw: percent-encoding is kept, and dot segments are not removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestTarget<'a> {
    /// `/path?query`
    Origin {
        /// The target as it was sent.
        raw: &'a [u8],
        /// Begins with "/".
        path: &'a [u8],
        /// What follows the first "?", if there is one; may be empty.
        query: Option<&'a [u8]>,
    },
    /// `http://authority/path?query`
    Absolute {
        /// The target as it was sent.
        raw: &'a [u8],
        /// The scheme as it was sent, without "://".
        scheme: &'a [u8],
        /// Host and port.
        authority: Authority<'a>,
        /// Begins with "/", or is empty.
        path: &'a [u8],
        /// What follows the first "?", if there is one; may be empty.
        query: Option<&'a [u8]>,
    },
    /// `host:port`, only in CONNECT.
    Authority(Authority<'a>),
    /// `*`, only in OPTIONS.
    Asterisk,
}

impl<'a> RequestTarget<'a> {
    /// The target as it was sent.
    pub const fn raw(&self) -> &'a [u8] {
        match self {
            RequestTarget::Origin { raw, .. } | RequestTarget::Absolute { raw, .. } => raw,
            RequestTarget::Authority(authority) => authority.as_bytes(),
            RequestTarget::Asterisk => b"*",
        }
    }

    /// The path: "/" where an absolute-form has none (RFC 9110 4.2.3), empty in authority-form, "*" for the asterisk.
    pub const fn path(&self) -> &'a [u8] {
        match self {
            RequestTarget::Absolute { path: [], .. } => b"/",
            RequestTarget::Origin { path, .. } | RequestTarget::Absolute { path, .. } => path,
            RequestTarget::Authority(_) => b"",
            RequestTarget::Asterisk => b"*",
        }
    }

    /// The query, without its "?".
    pub const fn query(&self) -> Option<&'a [u8]> {
        match self {
            RequestTarget::Origin { query, .. } | RequestTarget::Absolute { query, .. } => *query,
            RequestTarget::Authority(_) | RequestTarget::Asterisk => None,
        }
    }
}
