//! The way of an answer: from a replica's connection to the client's.

use super::client;
use super::core::{Core, Lifecycle};
use super::transfer::{BodyRelay, Moved};
use crate::base::core_counters::Phase;
use crate::base::forwarding::Via;
use crate::base::policy::Timeouts;
use crate::base::time::Moment;
use crate::engine::{self, Engine, Filled, Inbound, IoError, Timer, Writer};
use crate::h1::{self, HeadError, HeadProgress, Parse};
use crate::message::{
    KnownField, MessageBodyLength, Method, ResponseHead, StatusCode, Version, connection_options,
};
use crate::proxy::answer::{self, Additions, Persistence};
use crate::proxy::fault::UpstreamFault;
use crate::proxy::request_id::Id;
use crate::proxy::upgrade::UpgradeOffer;

/// Interim answers (1xx) that one exchange may bring: more is a replica that never answers.
const INTERIM_ANSWERS_MAX: usize = 16;

/// What an answer needs to know of its request.
#[derive(Clone, Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: Method,
    pub(super) version: Version,
    /// Whether the client's connection may go on after the answer.
    pub(super) persists: bool,
    pub(super) persistence_stated: bool,
    pub(super) upgrade: Option<UpgradeOffer>,
    pub(super) timeouts: Timeouts,
    /// The request's id, where the answer is to carry it.
    pub(super) id: Option<Id<'a>>,
}

/// The final head of an answer, queued for the client.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Whether the client's connection goes on.
    pub(super) client_persists: bool,
    /// Whether the replica's connection can serve another exchange.
    pub(super) upstream_persists: bool,
    /// Whether the body's end must be shown to the client by closing, so that a cut must be a reset.
    pub(super) until_close: bool,
    relay: BodyRelay,
}

/// Why an answer was not delivered after its head was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The replica broke off or stalled.
    Upstream,
    /// The client is gone or stalled.
    Client,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum NoAnswer {
    /// The replica's fault; whether any byte of an answer came.
    Fault { fault: UpstreamFault, answered_any: bool },
    /// The client is gone: it did not take an interim answer.
    ClientGone,
}

/// Waits for the final head and queues it for the client. Interim heads are passed on as they come.
///
/// `deadline` is asked before each wait: it moves while the request is still being sent. `upload_done` tells whether
/// all of the request was sent, since a connection with a body under way cannot take another request.
pub(super) async fn receive_head<E: Engine>(
    core: &Core<E>,
    inbound: &mut Inbound<E::Reader>,
    client: &mut E::Writer,
    timer: &mut Timer,
    asked: &Asked<'_>,
    upload: &impl Upload,
) -> Result<Answer, NoAnswer> {
    let mut progress = HeadProgress::default();
    let mut interim = 0;
    loop {
        // Asked for each head, since a drain may have begun while the replica was at work.
        let goes_on = upload.is_done() && core.phase.get() == Lifecycle::Serving;
        match parse(core, inbound, client, asked, &mut progress, goes_on) {
            Ok(Some(Received::Final(answer))) => return Ok(answer),
            Ok(Some(Received::Interim)) if interim < INTERIM_ANSWERS_MAX => {
                interim += 1;
                progress = HeadProgress::default();
                client::flush(core, client, timer).await.map_err(|_| NoAnswer::ClientGone)?;
            }
            Ok(None) => wait_for_head(core, inbound, timer, upload, interim > 0).await?,
            Ok(Some(Received::Interim)) | Err(_) => {
                return Err(NoAnswer::Fault { fault: UpstreamFault::BadAnswer, answered_any: true });
            }
        }
    }
}

/// What the way of an answer must know of the way of its request, which is another future of the same task.
pub(super) trait Upload {
    /// Whether all of the request was taken from the client and sent: only then can either connection take another.
    fn is_done(&self) -> bool;
    /// Until when the answer's head may take, as things stand.
    fn head_deadline(&self) -> Moment;
    /// The answer's head is queued: what becomes of the request changes nothing in that any more.
    fn note_answer(&self) {}
}

async fn wait_for_head<E: Engine>(
    core: &Core<E>,
    inbound: &mut Inbound<E::Reader>,
    timer: &mut Timer,
    upload: &impl Upload,
    answered_before: bool,
) -> Result<(), NoAnswer> {
    let filled = std::future::poll_fn(|context| {
        if let std::task::Poll::Ready(filled) = inbound.poll_fill(context) {
            return std::task::Poll::Ready(filled);
        }
        timer.poll_expired(upload.head_deadline(), context).map(|()| Err(IoError::TimedOut))
    })
    .await;
    let fault = match filled {
        Ok(Filled::More) => return Ok(()),
        Err(IoError::TimedOut) => {
            core.counters.timed_out(Phase::FirstByte);
            UpstreamFault::FirstByteTimedOut
        }
        Ok(Filled::End) | Err(_) => UpstreamFault::Closed,
    };
    Err(NoAnswer::Fault { fault, answered_any: answered_before || !inbound.bytes().is_empty() })
}

enum Received {
    Interim,
    Final(Answer),
}

/// Why the bytes that a replica sent are no answer.
enum Malformed {
    Head,
    Framing,
    Switched,
}

impl From<HeadError> for Malformed {
    fn from(_: HeadError) -> Self {
        Malformed::Head
    }
}

fn parse<E: Engine>(
    core: &Core<E>,
    inbound: &mut Inbound<E::Reader>,
    client: &mut E::Writer,
    asked: &Asked<'_>,
    progress: &mut HeadProgress,
    goes_on: bool,
) -> Result<Option<Received>, Malformed> {
    let bytes = inbound.bytes();
    let limits = &core.head_limits;
    if !progress.is_worth_parsing(bytes, limits)? {
        return Ok(None);
    }
    let mut fields = core.fields.borrow_mut();
    let parse = match h1::parse_response(bytes, &mut fields, limits)? {
        Parse::Partial => Parse::Partial,
        Parse::Complete { head, length } => {
            Parse::Complete { head: convert(core, &head, client, asked, goes_on)?, length }
        }
    };
    let found = progress.take(parse, bytes, limits)?;
    drop(fields);
    Ok(found.map(|(received, length)| {
        inbound.consume(length);
        received
    }))
}

/// Queues the head for the client; `goes_on` tells whether its connection may take another request.
fn convert<E: Engine>(
    core: &Core<E>,
    head: &ResponseHead<'_>,
    client: &mut E::Writer,
    asked: &Asked<'_>,
    goes_on: bool,
) -> Result<Received, Malformed> {
    let options = connection_options(&head.fields).map_err(|_| Malformed::Framing)?;
    // Of an interim answer too: one that announces a body may bring it, and it would be read as the final answer.
    let from = h1::response_body_length(asked.method, head).map_err(|_| Malformed::Framing)?;
    if head.status.is_interim() && head.status != StatusCode::SWITCHING_PROTOCOLS {
        // HTTP/1.0 knows no interim answers (RFC 9110 15.2).
        if asked.version == Version::Http11 {
            answer::write_interim(client.buffer(), head, &options);
        }
        return Ok(Received::Interim);
    }
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        if !asked.upgrade.as_ref().is_some_and(|offer| offer.is_kept_by(head)) {
            return Err(Malformed::Switched);
        }
        answer::write_interim(client.buffer(), head, &options);
        return Ok(Received::Final(Answer {
            status: head.status,
            client_persists: false,
            upstream_persists: false,
            until_close: true,
            relay: BodyRelay::new(MessageBodyLength::None, MessageBodyLength::None),
        }));
    }
    let to = answer::client_body_length(from, asked.version);
    let client_persists = asked.persists && goes_on && to != MessageBodyLength::UntilClose;
    let persistence = if client_persists {
        Persistence::KeepAlive { stated: asked.persistence_stated }
    } else {
        Persistence::Close
    };
    let via = core.forwarding.via == Via::Both;
    let date = (!head.fields.contains(KnownField::Date)).then(|| core.date());
    answer::write_response(
        client.buffer(),
        head,
        &options,
        to,
        &Additions { persistence, via, id: asked.id, date },
    );
    Ok(Received::Final(Answer {
        status: head.status,
        client_persists,
        upstream_persists: h1::persists(head.version, &options) && from != MessageBodyLength::UntilClose,
        until_close: to == MessageBodyLength::UntilClose,
        relay: BodyRelay::new(from, to),
    }))
}

impl Answer {
    /// Relays the body until all of it is queued for the client; the last part is not flushed yet, so that the
    /// replica's connection is free before a slow client has taken it.
    pub(super) async fn relay_body<E: Engine>(
        &mut self,
        core: &Core<E>,
        inbound: &mut Inbound<E::Reader>,
        client: &mut E::Writer,
        timer: &mut Timer,
        timeouts: &Timeouts,
    ) -> Result<(), Cut> {
        loop {
            match self.relay.move_available(inbound, client, None) {
                Ok(Moved::End) => return Ok(()),
                Ok(Moved::NeedMore) => {}
                Err(_) => return Err(Cut::Upstream),
            }
            client::flush(core, client, timer).await.map_err(|_| Cut::Client)?;
            match inbound.fill(timer, core.now() + timeouts.between_bytes).await {
                Ok(Filled::More) => {}
                Ok(Filled::End) if self.relay.end_with_connection(client) => return Ok(()),
                Err(IoError::TimedOut) => {
                    core.counters.timed_out(Phase::BetweenBytes);
                    return Err(Cut::Upstream);
                }
                Ok(Filled::End) | Err(_) => return Err(Cut::Upstream),
            }
        }
    }
}

/// Sends what is queued for a replica.
pub(super) async fn flush_upstream<E: Engine>(
    core: &Core<E>,
    writer: &mut E::Writer,
    timer: &mut Timer,
    timeouts: &Timeouts,
) -> Result<(), IoError> {
    let flushed = engine::flush(writer, timer, core.now() + timeouts.between_bytes).await;
    if flushed == Err(IoError::TimedOut) {
        core.counters.timed_out(Phase::BetweenBytes);
    }
    flushed
}
