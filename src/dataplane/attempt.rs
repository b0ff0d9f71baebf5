//! One attempt: a request on one replica's connection, and the answer to it.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::client::Client;
use super::core::Core;
use super::download::{self, Answer, Cut, Download, NoAnswer, Sending};
use super::exchange::Exchange;
use super::in_flight::InFlight;
use super::pace::Pace;
use super::request::RequestBody;
use super::transfer::Moved;
use super::uploads::Upload;
use super::upstream::UpstreamConnection;
use crate::base::policy::Timeouts;
use crate::base::replica_counts::Counts;
use crate::base::time::Moment;
use crate::engine::{Engine, Inbound, Timer, Writer};
use crate::message::StatusCode;
use crate::proxy::fault::UpstreamFault;
use crate::proxy::retry::FailedAttempt;

/// How an attempt that was not repeated ended.
pub(super) enum Outcome<E: Engine> {
    /// The whole answer is queued for the client.
    Answered(Answer),
    /// The replica switched protocols; the client has yet to be told. The attempt lasts as long as the tunnel.
    Switched(Box<UpstreamConnection<E>>, InFlight<E>),
    /// The answer broke off after its head was queued.
    Cut(Answer, Cut),
    /// The attempt failed before an answer.
    Failed(FailedAttempt),
    /// The client's part failed.
    Client(ClientFault),
}

/// What a client did wrong while its request was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientFault {
    /// It is gone.
    Gone,
    /// It stopped sending its body, or sends it too slowly.
    Stalled,
    /// Its body breaks the chunked coding.
    Malformed,
    /// Its request has no key, where its service asks for one.
    NoKey,
}

impl<E: Engine> Exchange<'_, E> {
    /// Sends the request to the replica that was picked, and relays its answer.
    pub(super) async fn attempt(&mut self, in_flight: InFlight<E>, fresh: bool) -> Outcome<E> {
        let upstream = &in_flight.upstream;
        let timeouts = &self.request.asked.service.service.timeouts;
        let (timer, available) = (&mut self.client.timer, self.client.inbound.bytes().len());
        let mut upload = None;
        if !self.request.body.is_there(available) {
            match upstream.begin_upload(self.core.now(), timer, timeouts).await {
                Ok(begun) => upload = Some(begun),
                Err(fault) => return self.not_sent(fault),
            }
        }
        let mut connection = match upstream.acquire(&self.core.engine, timer, timeouts, fresh).await {
            Ok(connection) => connection,
            Err(fault) => return self.not_sent(fault),
        };
        let taken_before = connection.writer.taken();
        connection.writer.buffer().extend_from_slice(&self.request.asked.head);
        let received = match upload {
            None => {
                self.request.body.queue_whole(&mut self.client.inbound, &mut connection.writer);
                self.send_and_receive(&mut connection, upstream.counts()).await
            }
            // Twice as large as all the rest, and few requests bring a body of some size.
            Some(upload) => {
                Box::pin(self.send_while_receiving(&mut connection, upstream.counts(), upload)).await
            }
        };
        let sent_any = connection.writer.taken() > taken_before;
        match received {
            AttemptEnd::Answer(answer) if answer.status == StatusCode::SWITCHING_PROTOCOLS => {
                Outcome::Switched(connection, in_flight)
            }
            AttemptEnd::Answer(answer) => {
                if answer.upstream_persists {
                    upstream.release(connection, self.core.now());
                }
                Outcome::Answered(answer)
            }
            AttemptEnd::Cut(answer, cut) => Outcome::Cut(answer, cut),
            AttemptEnd::Nothing(NoAnswer::ClientGone) => Outcome::Client(ClientFault::Gone),
            AttemptEnd::Nothing(NoAnswer::Fault { fault, answered_any }) => Outcome::Failed(FailedAttempt {
                fault,
                sent_any,
                answered_any,
                reused: connection.reused,
                replayable: self.request.body.is_replayable(),
            }),
            AttemptEnd::ClientFault(fault) => Outcome::Client(fault),
        }
    }

    /// The attempt ended before it had a connection.
    fn not_sent(&self, fault: UpstreamFault) -> Outcome<E> {
        Outcome::Failed(FailedAttempt {
            fault,
            sent_any: false,
            answered_any: false,
            reused: false,
            replayable: self.request.body.is_replayable(),
        })
    }

    /// The usual case: all of the request is queued already, so that one side waits for the other.
    async fn send_and_receive(
        &mut self,
        connection: &mut UpstreamConnection<E>,
        counts: &Counts,
    ) -> AttemptEnd {
        let Exchange { core, client, request } = self;
        let timeouts = &request.asked.service.service.timeouts;
        let timer = &mut client.timer;
        let flushed = download::flush_upstream(core, &mut connection.writer, timer, timeouts).await;
        // A replica that does not read may still have answered, and closed, before it got the request.
        let upload = Sent { whole: flushed.is_ok(), deadline: core.now() + timeouts.first_byte, counts };
        let inbound = &mut connection.inbound;
        Download { core, inbound, client: &mut client.writer, timer, asked: &request.asked, upload: &upload }
            .receive()
            .await
    }

    /// The request's body and the answer move at the same time.
    async fn send_while_receiving(
        &mut self,
        connection: &mut UpstreamConnection<E>,
        counts: &Counts,
        slot: Upload,
    ) -> AttemptEnd {
        let Exchange { core, client, request } = self;
        let Client { inbound, writer, timer, .. } = &mut **client;
        let asked = &request.asked;
        let timeouts = &asked.service.service.timeouts;
        let progress = Progress {
            ended: Cell::new(None),
            whole: Cell::new(false),
            answering: Cell::new(false),
            timeouts,
            counts,
        };
        let mut upload_timer = core.engine.handle().timer();
        let mut upload = pin!(upload(
            core,
            inbound,
            &mut request.body,
            &mut connection.writer,
            &mut upload_timer,
            timeouts,
            slot,
        ));
        let inbound = &mut connection.inbound;
        let mut download = Download { core, inbound, client: writer, timer, asked, upload: &progress };
        let mut receive = pin!(download.receive());
        let mut uploading = true;
        poll_fn(|context| {
            if uploading && let Poll::Ready(uploaded) = upload.as_mut().poll(context) {
                uploading = false;
                progress.ended.set(Some(core.now()));
                match uploaded {
                    Ok(()) => progress.whole.set(true),
                    // The replica may have answered before it closed: wait for that a moment, as for any first byte.
                    Err(UploadFault::Upstream) => {}
                    // An answer that has begun goes on: another within it would be taken for its body.
                    Err(UploadFault::Client(_)) if progress.answering.get() => {}
                    Err(UploadFault::Client(fault)) => return Poll::Ready(AttemptEnd::ClientFault(fault)),
                }
            }
            receive.as_mut().poll(context)
        })
        .await
    }
}

/// What came of an attempt on an open connection.
enum AttemptEnd {
    Answer(Answer),
    Cut(Answer, Cut),
    Nothing(NoAnswer),
    ClientFault(ClientFault),
}

/// The request was sent, or could not be, before the answer is waited for.
struct Sent<'a> {
    whole: bool,
    deadline: Moment,
    counts: &'a Counts,
}

impl Sending for Sent<'_> {
    fn is_done(&self) -> bool {
        self.whole
    }

    fn head_deadline(&self) -> Moment {
        self.deadline
    }

    fn note_answer(&self) {
        self.counts.answers.increment();
    }
}

/// How far the request is, for the future that waits for its answer.
struct Progress<'a> {
    /// When no more was sent.
    ended: Cell<Option<Moment>>,
    /// Because that was all. Otherwise the rest is still in the client's connection and would be read as a request.
    whole: Cell<bool>,
    /// The answer's head is queued for the client.
    answering: Cell<bool>,
    timeouts: &'a Timeouts,
    counts: &'a Counts,
}

impl Sending for Progress<'_> {
    fn is_done(&self) -> bool {
        self.whole.get()
    }

    /// The time for the first byte begins when the request has been sent; until then the body's own deadlines watch.
    fn head_deadline(&self) -> Moment {
        self.ended.get().map_or(Moment::NEVER, |ended| ended + self.timeouts.first_byte)
    }

    fn note_answer(&self) {
        self.answering.set(true);
        self.counts.answers.increment();
    }
}

enum UploadFault {
    Upstream,
    Client(ClientFault),
}

async fn upload<E: Engine>(
    core: &Core<E>,
    inbound: &mut Inbound<E::Reader>,
    body: &mut RequestBody,
    writer: &mut E::Writer,
    timer: &mut Timer,
    timeouts: &Timeouts,
    _slot: Upload,
) -> Result<(), UploadFault> {
    body.replay(writer);
    let mut pace = Pace::new();
    loop {
        let moved = body.move_available(inbound, writer);
        let moved = moved.map_err(|_| UploadFault::Client(ClientFault::Malformed))?;
        download::flush_upstream(core, writer, timer, timeouts).await.map_err(|_| UploadFault::Upstream)?;
        if moved == Moved::End {
            return Ok(());
        }
        pace.fill(core, inbound, timer).await.map_err(UploadFault::Client)?;
    }
}

impl<E: Engine, U: Sending> Download<'_, E, U> {
    /// Relays the answer.
    async fn receive(&mut self) -> AttemptEnd {
        let mut answer = match self.receive_head().await {
            Ok(answer) => answer,
            Err(nothing) => return AttemptEnd::Nothing(nothing),
        };
        self.upload.note_answer();
        match self.relay_body(&mut answer).await {
            Ok(()) => {
                // Else the replica still waits for the rest, and would take the next request for it.
                answer.upstream_persists &= self.upload.is_done();
                AttemptEnd::Answer(answer)
            }
            Err(cut) => AttemptEnd::Cut(answer, cut),
        }
    }
}
