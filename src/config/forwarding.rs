//! `client.trusted` and `[proxy]`: whom to believe about where requests come from, and what to tell others of it.

use crate::base::forwarding::{ForwardedFields, ForwardingPolicy, Via};
use crate::base::network::Network;

use super::TRUSTED_MAX;
use super::section::Section;

/// `[proxy]`, with the networks that stand in `[client]`.
pub(super) fn read(section: &mut Section<'_>, trusted: Box<[Network]>) -> ForwardingPolicy {
    let forwarded = [
        ("x-forwarded", ForwardedFields::XForwarded),
        ("forwarded", ForwardedFields::Forwarded),
        ("both", ForwardedFields::Both),
        ("off", ForwardedFields::Off),
    ];
    let via = [("requests", Via::Requests), ("both", Via::Both), ("off", Via::Off)];
    ForwardingPolicy {
        trusted,
        forwarded: section.word("forwarded", &forwarded, &[], ForwardedFields::default()),
        via: section.word("via", &via, &[], Via::default()),
    }
}

/// `client.trusted`: one network, or a list of them that may be empty.
pub(super) fn trusted(client: &mut Section<'_>) -> Box<[Network]> {
    let Some(value) = client.value("trusted") else { return Box::default() };
    let networks = value.one_or_list_or_none(TRUSTED_MAX, "[\"10.0.0.0/8\"]");
    let parse = |written: super::value::Value<'_>| written.check(written.text("\"10.0.0.0/8\"")?.parse());
    networks.into_iter().filter_map(parse).collect()
}
