//! The head of a message: its start line and its field lines.

use super::{Authority, Fields, Method, RequestTarget, StatusCode, Version};

/// A request's head.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method, `Other` where it is none of the known.
    pub method: Method,
    /// The method as it was sent.
    pub method_token: &'a [u8],
    /// The request target.
    pub target: RequestTarget<'a>,
    /// The version that the message declares.
    pub version: Version,
    /// The field lines, in order.
    pub fields: Fields<'a>,
    /// The valid value of the one Host field; whoever builds a head checks it once.
    pub(crate) host_field: Option<Authority<'a>>,
}

impl<'a> RequestHead<'a> {
    /// The authority that the request is meant for: the target's where it has one, else the Host field's
    /// (RFC 9112 3.2.2). None only where HTTP/1.0 sent neither.
    pub const fn authority(&self) -> Option<Authority<'a>> {
        match self.target {
            RequestTarget::Absolute { authority, .. } | RequestTarget::Authority(authority) => {
                Some(authority)
            }
            RequestTarget::Origin { .. } | RequestTarget::Asterisk => self.host_field,
        }
    }

    /// The same head, meant for `authority` if it names none: what that is, is for its recipient to say, in the light of
    /// the connection on which it came (RFC 9112 3.3).
    pub fn or_authority(self, authority: Option<Authority<'a>>) -> Self {
        RequestHead { host_field: self.host_field.or(authority), ..self }
    }
}

/// A response's head.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// The version that the message declares.
    pub version: Version,
    /// The status code.
    pub status: StatusCode,
    /// The reason phrase as it was sent; may be empty.
    pub reason: &'a [u8],
    /// The field lines, in order.
    pub fields: Fields<'a>,
}
