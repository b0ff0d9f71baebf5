//! A client's request, read and routed.

use std::net::SocketAddr;
use std::rc::Rc;

use super::core::{Core, ServiceView};
use super::refusal::Refusal;
use super::transfer::{BodyRelay, KeptBody, Moved};
use crate::base::policy::RetryPolicy;
use crate::base::time::Moment;
use crate::engine::{Engine, Inbound, Reader, Scratch, Writer};
use crate::h1::{self, BodyDecoder, ChunkedError, HeadError, Parse};
use crate::message::{
    Authority, ConnectionOptions, KnownField, MessageBodyLength, Method, RequestHead, StatusCode, Version,
    connection_options,
};
use crate::proxy::answer::Persistence;
use crate::proxy::forward::{self, ForwardedFrom};
use crate::proxy::key::{self, Circumstances, Key, KeyRule};
use crate::proxy::max_forwards::max_forwards;
use crate::proxy::origin::Peer;
use crate::proxy::upgrade::UpgradeOffer;

/// The largest body that is waited for before a replica's connection is taken: one block of the engine's holds it beside
/// its head.
const AWAITED_BODY_BYTES_MAX: usize = 16 * 1024;

/// All that is needed of a request once its head's bytes are gone.
pub(super) struct Request<E: Engine> {
    pub(super) asked: Asked<E>,
    /// Apart, since it moves while the answer comes.
    pub(super) body: RequestBody,
}

/// A request without its body: what its attempts, and the answer, need to know.
pub(super) struct Asked<E: Engine> {
    pub(super) service: Rc<ServiceView<E>>,
    pub(super) key: Key,
    /// Whether the client may wait for a 100 that no replica sends, since the key is looked for in the body first.
    pub(super) awaits_continue: bool,
    /// Whether the client may wait for what the replica says to its expectation, before it sends its body.
    expects: bool,
    pub(super) method: Method,
    pub(super) version: Version,
    /// Whether the connection may go on after the answer.
    pub(super) persists: bool,
    /// Whether the client sends nothing more: it ends here by its own word (RFC 9112 9.3, 9.6), and has no body.
    pub(super) is_last: bool,
    /// Whether the client's version needs to be told that it goes on.
    pub(super) persistence_stated: bool,
    /// What a 101 may switch to, if one may follow.
    pub(super) upgrade: Option<UpgradeOffer>,
    /// The head as replicas get it.
    pub(super) head: Scratch,
    /// When its first byte was there.
    pub(super) began: Moment,
}

/// A request's body on its way to a replica, over all attempts.
#[derive(Debug)]
pub(super) struct RequestBody {
    relay: BodyRelay,
    kept: KeptBody,
    /// Some of it may have been queued.
    begun: bool,
    /// All of it has been queued at least once.
    pub(super) finished: bool,
}

/// What a parse of a client's bytes came to.
pub(super) type Parsed<E> = Parse<Result<Request<E>, Refusal>>;

/// Parses the head of a request at the beginning of `bytes`, routes it, and writes the head that goes to a replica. `local`
/// is asked for our end of its connection if it says nowhere whom it is meant for.
pub(super) fn parse<E: Engine>(
    core: &Core<E>,
    bytes: &[u8],
    peer: &Peer,
    local: impl FnOnce() -> Option<SocketAddr>,
    began: Moment,
) -> Result<Parsed<E>, HeadError> {
    let mut fields = core.fields.borrow_mut();
    Ok(match h1::parse_request(bytes, &mut fields, &core.head_limits)? {
        Parse::Partial => Parse::Partial,
        Parse::Complete { head, length } if head.authority().is_some() => {
            Parse::Complete { head: admit(core, &head, peer, began), length }
        }
        Parse::Complete { head, length } => {
            let authority = local().map(authority_of).unwrap_or_default();
            let head = head.or_authority(Authority::parse(authority.as_bytes()).ok());
            Parse::Complete { head: admit(core, &head, peer, began), length }
        }
    })
}

/// What a request of HTTP/1.0 without Host is taken to be meant for: the address that its client has connected to, as a
/// URI has it. Replicas need some name, since nginx and Apache refuse an empty one; this is the one that the client knows
/// (RFC 9112 3.3), leads back to where it came from if a replica makes a link of it, and is the same for all attempts.
#[cold]
fn authority_of(local: SocketAddr) -> String {
    // Without the zone of IPv6, which means something to this machine only.
    let local = SocketAddr::new(local.ip(), local.port());
    let text = local.to_string();
    match text.strip_suffix(":80") {
        Some(host) => host.to_owned(),
        None => text,
    }
}

fn admit<E: Engine>(
    core: &Core<E>,
    head: &RequestHead<'_>,
    peer: &Peer,
    began: Moment,
) -> Result<Request<E>, Refusal> {
    let refuse_as = |status, options: &_, persistence| Refusal::of(core, status, head, options, persistence);
    let broken = |status| refuse_as(status, &ConnectionOptions::default(), Persistence::Close);
    let body = h1::request_body_length(head).map_err(|error| broken(error.status()))?;
    let options = connection_options(&head.fields).map_err(|_| broken(StatusCode::BAD_REQUEST))?;
    let upgrade = forward::asks_for_upgrade(head, &options, body);
    // Bytes that come early are meant for the other protocol, or for the tunnel of a CONNECT. If there is none they must
    // not be taken for requests, whoever made them up, and nothing tells them apart from a request that was.
    let goes_over = upgrade || head.method == Method::Connect;
    let wished = h1::persists(head.version, &options);
    let persists = wished && !goes_over;
    let is_last = !wished && !goes_over && matches!(body, MessageBodyLength::None);
    let empty = matches!(body, MessageBodyLength::None | MessageBodyLength::Sized(0));
    let refuse = |status| {
        let stated = head.version == Version::Http10;
        // What would be left of a body is not read.
        let goes_on = persists && empty;
        let persistence = if goes_on { Persistence::KeepAlive { stated } } else { Persistence::Close };
        refuse_as(status, &options, persistence)
    };
    // A TRACE would show a script what else its browser sends, such as credentials: nginx refuses it as well.
    if matches!(head.method, Method::Connect | Method::Trace) {
        return Err(refuse(StatusCode::METHOD_NOT_ALLOWED));
    }
    let forwards = max_forwards(head).map_err(|_| refuse(StatusCode::BAD_REQUEST))?;
    if forwards == Some(0) {
        return Err(refuse(StatusCode::NO_CONTENT));
    }
    let host = head.authority().map_or(&b""[..], |authority| authority.host());
    let service = core.view().service_for(host, head.target.path()).cloned();
    let service = service.ok_or_else(|| refuse(StatusCode::NOT_FOUND))?;
    let keys = &service.service;
    let rule = KeyRule { sources: &keys.keys, fallback: keys.fallback, hasher: keys.hasher() };
    let around = Circumstances { peer, policy: &core.forwarding, has_body: !empty, random: core.random() };
    let key = key::find(&rule, head, around).ok_or_else(|| refuse(StatusCode::BAD_REQUEST))?;
    let awaits_continue = matches!(key, Key::InBody(_)) && forward::expects_continue(head);
    let mut out = core.engine.handle().buffers().scratch();
    let forwards_expect = head.version == Version::Http11 && !awaits_continue;
    let from = ForwardedFrom {
        peer,
        policy: &core.forwarding,
        ids: core.request_ids.as_ref(),
        forwards_left: forwards.map(|forwards| forwards.saturating_sub(1)),
        upgrade,
        expects: forwards_expect,
    };
    forward::write_request(&mut out, head, &options, body, from);
    let kept = kept_body(core, &service.service.retries, head.method, body);
    let body = RequestBody { relay: BodyRelay::new(body, body), kept, begun: false, finished: empty };
    let asked = Asked {
        key,
        awaits_continue,
        expects: forwards_expect && head.fields.contains(KnownField::Expect),
        method: head.method,
        version: head.version,
        persists,
        is_last,
        persistence_stated: head.version == Version::Http10,
        upgrade: upgrade.then(|| UpgradeOffer::of(&head.fields)),
        head: out,
        began,
        service,
    };
    Ok(Request { asked, body })
}

/// Where a body's bytes are kept, if a request with this method and body may have to be sent again.
fn kept_body<E: Engine>(
    core: &Core<E>,
    retries: &RetryPolicy,
    method: Method,
    body: MessageBodyLength,
) -> KeptBody {
    let fits = match body {
        MessageBodyLength::None | MessageBodyLength::Sized(0) => false,
        MessageBodyLength::Sized(length) => length <= retries.body_bytes_max as u64,
        _ => true,
    };
    if fits && method.is_idempotent() && retries.retries_max > 0 {
        KeptBody::new(core.engine.handle().buffers().scratch(), retries.body_bytes_max)
    } else {
        KeptBody::nothing()
    }
}

impl<E: Engine> Request<E> {
    /// Goes over to the newest snapshot, as a request must that has waited: membership may have changed meanwhile, and
    /// nobody knows that an older one is in use. `None`: its service is gone.
    pub(super) fn renew(&mut self, core: &Core<E>) -> Option<()> {
        let newest = core.view().successor_of(&self.asked.service.service).cloned();
        self.asked.service = newest?;
        Some(())
    }

    /// How many bytes of a body are to be there before a replica's connection is taken: all of a small one. A client that
    /// drips it holds no more than its own connection and these bytes, and what comes with its head goes out with it.
    pub(super) fn awaited_body(&self) -> usize {
        let length = self.body.relay.decoder().length_left().unwrap_or(u64::MAX);
        let small = length <= AWAITED_BODY_BYTES_MAX as u64 && !self.asked.expects;
        if small { length as usize } else { 0 }
    }
}

impl RequestBody {
    /// Whether nothing more has to come from the client, of whose bytes `available` are there.
    pub(super) fn is_there(&self, available: usize) -> bool {
        self.finished || self.relay.decoder().length_left().is_some_and(|left| left <= available as u64)
    }

    /// Queues all of a body that is there: then a request is sent in one go.
    pub(super) fn queue_whole<R: Reader, W: Writer>(&mut self, inbound: &mut Inbound<R>, writer: &mut W) {
        self.replay(writer);
        // What has a length is never malformed.
        let moved = self.move_available(inbound, writer);
        debug_assert_eq!(moved.ok(), Some(Moved::End));
    }

    /// How to read it, from where it stands.
    pub(super) fn decoder(&self) -> BodyDecoder {
        self.relay.decoder()
    }

    /// Whether all that was sent can be sent again.
    pub(super) fn is_replayable(&self) -> bool {
        !self.begun || self.kept.is_complete()
    }

    /// Queues again what earlier attempts sent.
    pub(super) fn replay<W: Writer>(&self, writer: &mut W) {
        if self.begun {
            self.relay.replay(&self.kept, writer, self.finished);
        }
    }

    /// Queues what has come of the body.
    pub(super) fn move_available<R: Reader, W: Writer>(
        &mut self,
        inbound: &mut Inbound<R>,
        writer: &mut W,
    ) -> Result<Moved, ChunkedError> {
        if self.finished {
            return Ok(Moved::End);
        }
        self.begun = true;
        let moved = self.relay.move_available(inbound, writer, Some(&mut self.kept))?;
        self.finished = moved == Moved::End;
        Ok(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_authority_as_a_uri_has_it() {
        let cases = [
            ("192.0.2.1:8080", "192.0.2.1:8080"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("192.0.2.1:180", "192.0.2.1:180"),
            ("[2001:db8::80]:80", "[2001:db8::80]"),
            ("[fe80::1%2]:8080", "[fe80::1]:8080"),
        ];
        for (address, expected) in cases {
            let authority = authority_of(address.parse().unwrap());
            assert_eq!(authority, expected);
            assert!(Authority::parse(authority.as_bytes()).is_ok(), "{authority}");
        }
    }
}
