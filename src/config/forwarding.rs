//! `client.trusted` and `[proxy]`: whom to believe about where requests come from, and what to tell others of it.

use crate::base::forwarding::{ForwardedFields, ForwardingPolicy, IdFieldName, RequestIdPolicy, Via};
use crate::base::network::Network;

use super::TRUSTED_MAX;
use super::error::Fault;
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
        request_id: request_id(section),
    }
}

/// `proxy.request_id`, the field's name, and `proxy.answer_request_id`.
fn request_id(section: &mut Section<'_>) -> Option<RequestIdPolicy> {
    let on_answers = section.flag("answer_request_id", RequestIdPolicy::default().on_answers);
    let field = match section.value("request_id") {
        None => Some(IdFieldName::default()),
        Some(value) => match value.text("\"X-Request-Id\"") {
            Some("") | None => None,
            Some(written) => value.check(written.parse()),
        },
    };
    if field.is_none() && on_answers {
        section.fail("answer_request_id", Fault::NoRequestId);
    }
    field.map(|field| RequestIdPolicy { field, on_answers })
}

/// `client.trusted`: one network, or a list of them that may be empty.
pub(super) fn trusted(client: &mut Section<'_>) -> Box<[Network]> {
    let Some(value) = client.value("trusted") else { return Box::default() };
    let networks = value.one_or_list_or_none(TRUSTED_MAX, "[\"10.0.0.0/8\"]");
    let parse = |written: super::value::Value<'_>| written.check(written.text("\"10.0.0.0/8\"")?.parse());
    networks.into_iter().filter_map(parse).collect()
}
