//! What Ringway tells replicas of where their requests come from, and whom it believes about that.

use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

use super::network::Network;

/// The longest name of a field for request ids.
const FIELD_BYTES_MAX: usize = 64;

/// How requests and answers are marked on their way through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardingPolicy {
    /// Peers that are proxies themselves: what they say of a request's origin is believed and passed on. What anybody
    /// else says of it is removed.
    pub trusted: Box<[Network]>,
    /// The fields that say where a request comes from.
    pub forwarded: ForwardedFields,
    /// Which messages get a Via field.
    pub via: Via,
    /// The ids that requests are given; `None`: those that they bring are passed on, and no other.
    pub request_id: Option<RequestIdPolicy>,
}

impl Default for ForwardingPolicy {
    /// Nobody is trusted.
    fn default() -> Self {
        ForwardingPolicy {
            trusted: Box::default(),
            forwarded: ForwardedFields::default(),
            via: Via::default(),
            request_id: Some(RequestIdPolicy::default()),
        }
    }
}

impl ForwardingPolicy {
    /// Whether a peer is believed; `address` is canonical.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }
}

/// Which fields say where a request comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedFields {
    /// `x-forwarded`: X-Forwarded-For, -Proto and -Host.
    #[default]
    XForwarded,
    /// `forwarded`: Forwarded (RFC 7239).
    Forwarded,
    /// `both`.
    Both,
    /// `off`: none is written.
    Off,
}

/// Which messages get a Via field (RFC 9110 7.6.3), where a gateway has to sign requests and may sign answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// `requests`.
    #[default]
    Requests,
    /// `both`: requests and answers.
    Both,
    /// `off`: none; what others wrote stays.
    Off,
}

/// How requests are given ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestIdPolicy {
    /// The field in which they stand.
    pub field: IdFieldName,
    /// Whether answers of replicas carry it, too; our own to requests that failed always do.
    pub on_answers: bool,
}

/// The name of a field for ids. It ends in "id", so that no field with a meaning of its own in HTTP can be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdFieldName(Box<str>);

/// Why a string is no [`IdFieldName`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "'{0}' is no field for ids; write a name of at most {FIELD_BYTES_MAX} letters, digits and '-' that ends in \"id\", such \
     as X-Request-Id, or \"\" for no ids"
)]
pub struct IdFieldNameError(Box<str>);

impl IdFieldName {
    /// The name, as it was written.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Default for IdFieldName {
    fn default() -> Self {
        IdFieldName("X-Request-Id".into())
    }
}

impl FromStr for IdFieldName {
    type Err = IdFieldNameError;

    fn from_str(written: &str) -> Result<Self, IdFieldNameError> {
        let bytes = written.as_bytes();
        let is_name = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        let is_for_ids = bytes.last_chunk().is_some_and(|end: &[u8; 2]| end.eq_ignore_ascii_case(b"id"));
        if is_name && is_for_ids && bytes.len() <= FIELD_BYTES_MAX {
            Ok(IdFieldName(written.into()))
        } else {
            Err(IdFieldNameError(written.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_for_ids_is_named_as_one() {
        let long = format!("{}-id", "x".repeat(FIELD_BYTES_MAX - 3));
        for name in ["X-Request-Id", "x-correlation-ID", "Request-Id", "X-Amzn-Trace-Id", &long] {
            assert_eq!(
                name.parse::<IdFieldName>().map(|parsed| parsed.as_bytes() == name.as_bytes()),
                Ok(true)
            );
        }
        let long = format!("x{long}");
        for name in
            ["", "Host", "Content-Length", "d", "X Request-Id", "X-Request-Id:", "é-id", "X_Id", &long]
        {
            assert_eq!(name.parse::<IdFieldName>(), Err(IdFieldNameError(name.into())), "{name}");
        }
    }
}
