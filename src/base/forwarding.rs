//! What Ringway tells replicas of where their requests come from, and whom it believes about that.

use std::net::IpAddr;

use super::network::Network;

/// How requests and answers are marked on their way through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardingPolicy {
    /// Peers that are proxies themselves: what they say of a request's origin is believed and passed on. What anybody
    /// else says of it is removed.
    pub trusted: Box<[Network]>,
    /// The fields that say where a request comes from.
    pub forwarded: ForwardedFields,
    /// Which messages get a Via field.
    pub via: Via,
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
