//! The way of an answer: from a replica's connection to the client's.

use std::future::poll_fn;
use std::task::Poll;

use super::client;
use super::core::{Core, Lifecycle};
use super::request::Asked;
use super::transfer::{BodyRelay, Moved};
use crate::base::core_counters::Phase;
use crate::base::forwarding::Via;
use crate::base::policy::Timeouts;
use crate::base::time::Moment;
use crate::engine::{self, Engine, Filled, Inbound, IoError, Timer, Writer};
use crate::h1::{self, HeadError, HeadProgress, Parse};
use crate::message::{KnownField, MessageBodyLength, ResponseHead, StatusCode, Version, connection_options};
use crate::proxy::answer::{self, Additions, Persistence};
use crate::proxy::fault::UpstreamFault;

/// Interim answers (1xx) that one exchange may bring: more is a replica that never answers.
const INTERIM_ANSWERS_MAX: usize = 16;

/// The way of one answer. Its steps are methods, as those of an [`Exchange`](super::exchange::Exchange) are.
pub(super) struct Download<'a, E: Engine, U> {
    pub(super) core: &'a Core<E>,
    /// Where the answer comes from.
    pub(super) inbound: &'a mut Inbound<E::Reader>,
    /// Where it goes.
    pub(super) client: &'a mut E::Writer,
    pub(super) timer: &'a mut Timer,
    pub(super) asked: &'a Asked<E>,
    pub(super) upload: &'a U,
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

/// What the way of an answer must know of the way of its request, which is another future of the same task.
pub(super) trait Sending {
    /// Whether all of the request was taken from the client and sent: only then can either connection take another.
    fn is_done(&self) -> bool;
    /// Until when the answer's head may take, as things stand.
    fn head_deadline(&self) -> Moment;
    /// The answer's head is queued: what becomes of the request changes nothing in that any more.
    fn note_answer(&self) {}
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

impl<E: Engine, U: Sending> Download<'_, E, U> {
    /// Waits for the final head and queues it for the client. Interim heads are passed on as they come.
    pub(super) async fn receive_head(&mut self) -> Result<Answer, NoAnswer> {
        let mut progress = HeadProgress::default();
        let mut interim = 0;
        loop {
            match self.parse(&mut progress) {
                Ok(Some(Received::Final(answer))) => return Ok(answer),
                Ok(Some(Received::Interim)) if interim < INTERIM_ANSWERS_MAX => {
                    interim += 1;
                    progress = HeadProgress::default();
                    let flushed = client::flush(self.core, self.client, self.timer).await;
                    flushed.map_err(|_| NoAnswer::ClientGone)?;
                }
                Ok(None) => self.wait_for_head(interim > 0).await?,
                Ok(Some(Received::Interim)) | Err(_) => {
                    return Err(NoAnswer::Fault { fault: UpstreamFault::BadAnswer, answered_any: true });
                }
            }
        }
    }

    /// Waits for more of a head. The deadline is asked for before each wait: it moves while the request is being sent.
    async fn wait_for_head(&mut self, answered_before: bool) -> Result<(), NoAnswer> {
        let filled = poll_fn(|context| {
            if let Poll::Ready(filled) = self.inbound.poll_fill(context) {
                return Poll::Ready(filled);
            }
            self.timer.poll_expired(self.upload.head_deadline(), context).map(|()| Err(IoError::TimedOut))
        })
        .await;
        let fault = match filled {
            Ok(Filled::More) => return Ok(()),
            Err(IoError::TimedOut) => {
                self.core.counters.timed_out(Phase::FirstByte);
                UpstreamFault::FirstByteTimedOut
            }
            Ok(Filled::End) | Err(_) => UpstreamFault::Closed,
        };
        let answered_any = answered_before || !self.inbound.bytes().is_empty();
        Err(NoAnswer::Fault { fault, answered_any })
    }

    fn parse(&mut self, progress: &mut HeadProgress) -> Result<Option<Received>, Malformed> {
        let bytes = self.inbound.bytes();
        let limits = &self.core.head_limits;
        if !progress.is_worth_parsing(bytes, limits)? {
            return Ok(None);
        }
        // Asked for each head, since a drain may have begun while the replica was at work.
        let goes_on = self.upload.is_done() && self.core.phase.get() == Lifecycle::Serving;
        let mut fields = self.core.fields.borrow_mut();
        let parse = match h1::parse_response(bytes, &mut fields, limits)? {
            Parse::Partial => Parse::Partial,
            Parse::Complete { head, length } => {
                let received = convert(self.core, &head, self.client.buffer(), self.asked, goes_on)?;
                Parse::Complete { head: received, length }
            }
        };
        let found = progress.take(parse, bytes, limits)?;
        drop(fields);
        Ok(found.map(|(received, length)| {
            self.inbound.consume(length);
            received
        }))
    }

    /// Relays the body until all of it is queued for the client; the last part is not flushed yet, so that the
    /// replica's connection is free before a slow client has taken it.
    pub(super) async fn relay_body(&mut self, answer: &mut Answer) -> Result<(), Cut> {
        let (core, relay) = (self.core, &mut answer.relay);
        loop {
            match relay.move_available(self.inbound, self.client, None) {
                Ok(Moved::End) => return Ok(()),
                Ok(Moved::NeedMore) => {}
                Err(_) => return Err(Cut::Upstream),
            }
            client::flush(core, self.client, self.timer).await.map_err(|_| Cut::Client)?;
            let deadline = core.now() + self.asked.service.service.timeouts.between_bytes;
            match self.inbound.fill(self.timer, deadline).await {
                Ok(Filled::More) => {}
                Ok(Filled::End) if relay.end_with_connection(self.client) => return Ok(()),
                Err(IoError::TimedOut) => {
                    core.counters.timed_out(Phase::BetweenBytes);
                    return Err(Cut::Upstream);
                }
                Ok(Filled::End) | Err(_) => return Err(Cut::Upstream),
            }
        }
    }
}

/// Queues the head for the client; `goes_on` tells whether its connection may take another request.
fn convert<E: Engine>(
    core: &Core<E>,
    head: &ResponseHead<'_>,
    out: &mut Vec<u8>,
    asked: &Asked<E>,
    goes_on: bool,
) -> Result<Received, Malformed> {
    let options = connection_options(&head.fields).map_err(|_| Malformed::Framing)?;
    // Of an interim answer too: one that announces a body may bring it, and it would be read as the final answer.
    let from = h1::response_body_length(asked.method, head).map_err(|_| Malformed::Framing)?;
    if head.status.is_interim() && head.status != StatusCode::SWITCHING_PROTOCOLS {
        // HTTP/1.0 knows no interim answers (RFC 9110 15.2).
        if asked.version == Version::Http11 {
            answer::write_interim(out, head, &options);
        }
        return Ok(Received::Interim);
    }
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        if !asked.upgrade.as_ref().is_some_and(|offer| offer.is_kept_by(head)) {
            return Err(Malformed::Switched);
        }
        answer::write_interim(out, head, &options);
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
    let id = core.answered_id(&asked.head);
    answer::write_response(out, head, &options, to, &Additions { persistence, via, id, date });
    Ok(Received::Final(Answer {
        status: head.status,
        client_persists,
        upstream_persists: h1::persists(head.version, &options) && from != MessageBodyLength::UntilClose,
        until_close: to == MessageBodyLength::UntilClose,
        relay: BodyRelay::new(from, to),
    }))
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
