//! From a head that came to the head that goes on.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use ringway::base::forwarding::ForwardingPolicy;
use ringway::h1::{self, FieldTable, HeadLimits, Parse};
use ringway::message::{HttpDate, MessageBodyLength, Method, RequestHead, connection_options};
use ringway::placement::{ServiceSpec, Snapshot};
use ringway::proxy::answer::{self, Additions, Persistence};
use ringway::proxy::forward::{self, ForwardedFrom};
use ringway::proxy::key::{self, Circumstances, KeyRule};
use ringway::proxy::max_forwards::max_forwards;
use ringway::proxy::origin::Peer;
use ringway::proxy::request_id::RequestIds;

use super::heads::{BROWSER_REQUEST, FILE_RESPONSE, SHORT_REQUEST, SHORT_RESPONSE};
use super::{Kernel, Repeated, repeated};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
/// More than any head here takes.
const WRITTEN_BYTES_MAX: usize = 4_096;

pub(super) fn all() -> Vec<Kernel> {
    let kernel = |group, name, head: &'static str, work: fn(&'static str) -> Repeated| {
        Kernel::new(group, name, move || work(head)).of_bytes(head.len())
    };
    vec![
        kernel("request head written", "as wrk's", SHORT_REQUEST, written_request),
        kernel("request head written", "as a browser's", BROWSER_REQUEST, written_request),
        kernel("request head, its whole way", "as wrk's", SHORT_REQUEST, admitted),
        kernel("request head, its whole way", "as a browser's", BROWSER_REQUEST, admitted),
        kernel("response head written", "short", SHORT_RESPONSE, written_response),
        kernel("response head written", "a file's", FILE_RESPONSE, written_response),
    ]
}

/// What a core knows beside the head; the policies are those of a configuration that says nothing of them.
struct Core {
    policy: ForwardingPolicy,
    peer: Peer,
    ids: Option<RequestIds>,
}

impl Core {
    fn new() -> Core {
        let policy = ForwardingPolicy::default();
        let ids = policy.request_id.as_ref().map(|policy| RequestIds::new(policy, 7));
        Core { peer: Peer::new(PEER, &policy), policy, ids }
    }

    fn forwarded(&self, upgrade: bool, forwards: Option<u32>) -> ForwardedFrom<'_> {
        ForwardedFrom {
            peer: &self.peer,
            policy: &self.policy,
            ids: self.ids.as_ref(),
            forwards_left: forwards,
            upgrade,
            expects: true,
        }
    }
}

fn written_request(bytes: &'static str) -> Repeated {
    let core = Core::new();
    let table = Box::leak(Box::new(FieldTable::new()));
    let parsed = h1::parse_request(bytes.as_bytes(), table, &HeadLimits::default());
    let Ok(Parse::Complete { head, .. }) = parsed else { unreachable!("the head is whole and valid") };
    let mut out = Vec::with_capacity(WRITTEN_BYTES_MAX);
    repeated(move || {
        out.clear();
        let head = black_box(&head);
        let options = connection_options(&head.fields).unwrap_or_default();
        let from = core.forwarded(false, None);
        forward::write_request(&mut out, head, &options, black_box(MessageBodyLength::None), from);
        black_box(&out);
    })
}

/// The steps of the data plane from a head's bytes to the head that a replica gets, in its order.
fn admitted(bytes: &'static str) -> Repeated {
    let (core, limits) = (Core::new(), HeadLimits::default());
    let snapshot = Snapshot::build(vec![ServiceSpec::named("web")], None).expect("no table to build");
    let mut table = FieldTable::new();
    let mut out = Vec::with_capacity(WRITTEN_BYTES_MAX);
    repeated(move || {
        out.clear();
        let parsed = h1::parse_request(black_box(bytes.as_bytes()), &mut table, black_box(&limits));
        let Ok(Parse::Complete { head, .. }) = &parsed else { unreachable!("the head is whole and valid") };
        black_box(admit(&core, &snapshot, head, &mut out));
        black_box(&out);
    })
}

fn admit(
    core: &Core,
    snapshot: &Snapshot,
    head: &RequestHead<'_>,
    out: &mut Vec<u8>,
) -> Option<(key::Key, bool)> {
    let body = h1::request_body_length(head).ok()?;
    let options = connection_options(&head.fields).ok()?;
    let upgrade = forward::asks_for_upgrade(head, &options, body);
    let persists = h1::persists(head.version, &options) && !upgrade;
    let forwards = max_forwards(head).ok()?;
    let host = head.authority().map_or(&b""[..], |authority| authority.host());
    let service = snapshot.service_for(host, head.target.path())?;
    let rule = KeyRule { sources: &service.keys, fallback: service.fallback, hasher: service.hasher() };
    let around = Circumstances { peer: &core.peer, policy: &core.policy, has_body: false, random: 1 };
    let key = key::find(&rule, head, around)?;
    forward::write_request(out, head, &options, body, core.forwarded(upgrade, forwards));
    Some((key, persists))
}

fn written_response(bytes: &'static str) -> Repeated {
    let table = Box::leak(Box::new(FieldTable::new()));
    let parsed = h1::parse_response(bytes.as_bytes(), table, &HeadLimits::default());
    let Ok(Parse::Complete { head, .. }) = parsed else { unreachable!("the head is whole and valid") };
    let body = h1::response_body_length(Method::Get, &head).expect("a valid length");
    let mut out = Vec::with_capacity(WRITTEN_BYTES_MAX);
    let now = HttpDate::from_unix_seconds(1_795_341_600);
    let date = (!bytes.contains("Date:")).then_some(now);
    let persistence = Persistence::KeepAlive { stated: false };
    let additions = Additions { persistence, via: false, id: None, date };
    repeated(move || {
        out.clear();
        let head = black_box(&head);
        let options = connection_options(&head.fields).unwrap_or_default();
        answer::write_response(&mut out, head, &options, black_box(body), black_box(&additions));
        black_box(&out);
    })
}
