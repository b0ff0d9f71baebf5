//! One request and its answer, over one connection.

use std::fmt::Display;
use std::task::{Context, Poll, ready};

use super::{Client, HEAD_LIMITS};
use crate::base::time::Moment;
use crate::engine::{
    BufferPool, Connection, ConnectionOf, Engine, Filled, Inbound, IoError, Timer, Writer, within,
};
use crate::h1::{self, BodyDecoder, BodyStep, HeadError, HeadProgress};
use crate::load::failure::{Failure, FailureKind};
use crate::load::requests::{Asked, Class};
use crate::message::{ResponseHead, StatusCode, connection_options};

/// An open connection.
pub(super) struct Socket<E: Engine> {
    inbound: Inbound<E::Reader>,
    outbound: Outbound<E::Writer>,
}

/// The sending half, and how its request fares.
struct Outbound<W> {
    writer: W,
    state: Sending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    UnderWay,
    Done,
    /// The server takes no more of it. It may have answered all the same, as one does that refuses a long body.
    Broken(IoError),
}

/// A whole answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) class: Class,
    pub(super) status: u16,
    /// Whether it names its replica.
    pub(super) named: bool,
    /// Whether the connection may carry another request.
    pub(super) reusable: bool,
    pub(super) received: u64,
    pub(super) sent: u64,
}

/// An answer's head.
struct Head {
    status: u16,
    named: bool,
    persists: bool,
    body: BodyDecoder,
}

/// What a look at the bytes that have come shows.
enum Look {
    /// The head of the answer.
    Final(Head),
    /// The head of an interim answer (1xx), after which another comes.
    Interim,
    /// The beginning of a head, at most.
    Partial,
}

impl<E: Engine> Socket<E> {
    pub(super) fn new(connection: ConnectionOf<E>, pool: BufferPool) -> Self {
        let Connection { reader, writer } = connection;
        Socket { inbound: Inbound::new(reader, pool), outbound: Outbound { writer, state: Sending::Done } }
    }

    /// Whether nothing has come since the last answer.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.inbound.is_quiet()
    }

    /// Sends request number `index` and reads its answer; `replica` becomes the name that it gives.
    pub(super) async fn exchange(
        &mut self,
        client: &Client<E>,
        index: u64,
        replica: &mut Vec<u8>,
        timer: &mut Timer,
        deadline: Moment,
    ) -> Result<Answer, Failure> {
        let (received, taken) = (self.inbound.received(), self.outbound.writer.taken());
        let asked = client.plan.requests.write(index, self.outbound.writer.buffer());
        self.outbound.state = Sending::UnderWay;
        // The answer comes later than the request has gone, almost always: looking for it at once is a call in vain.
        within(timer, deadline, |context| self.poll_sent(context))
            .await
            .map_err(|error| self.lost(error, received))?;
        let mut head = self.read_head(client, asked, replica, timer, deadline, received).await?;
        let whole = self.read_body(&mut head.body, timer, deadline, received).await?;
        let quiet = self.inbound.bytes().is_empty() && self.outbound.state == Sending::Done;
        Ok(Answer {
            class: asked.class,
            status: head.status,
            named: head.named,
            reusable: head.persists && whole && quiet,
            received: self.inbound.received() - received,
            sent: self.outbound.writer.taken() - taken,
        })
    }

    /// Ready once the request is sent, cannot be sent, or something came while it was.
    fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.outbound.poll(context).is_ready() {
            return Poll::Ready(());
        }
        // What went wrong shows again when the answer is read.
        self.inbound.poll_fill(context).map(|_| ())
    }

    /// Waits for more bytes, and sends meanwhile what is still to be sent.
    async fn fill(&mut self, timer: &mut Timer, deadline: Moment, received: u64) -> Result<Filled, Failure> {
        // What is ready wins over a deadline; an answer that never pauses is late all the same, since `Inbound` makes it
        // pause for the sake of the other connections.
        let (inbound, outbound) = (&mut self.inbound, &mut self.outbound);
        let filled = within(timer, deadline, |context| {
            let _ = outbound.poll(context);
            inbound.poll_fill(context)
        })
        .await;
        match filled {
            Ok(Ok(filled)) => Ok(filled),
            Ok(Err(error)) | Err(error) => Err(self.lost(error, received)),
        }
    }

    async fn read_head(
        &mut self,
        client: &Client<E>,
        asked: Asked,
        replica: &mut Vec<u8>,
        timer: &mut Timer,
        deadline: Moment,
        received: u64,
    ) -> Result<Head, Failure> {
        let mut progress = HeadProgress::default();
        loop {
            match self.look(client, asked, replica, &mut progress)? {
                Look::Final(head) => return Ok(head),
                Look::Interim => progress = HeadProgress::default(),
                Look::Partial => {
                    if self.fill(timer, deadline, received).await? == Filled::End {
                        return Err(self.closed(received));
                    }
                }
            }
        }
    }

    /// Takes a head from the bytes that have come, if it is whole.
    fn look(
        &mut self,
        client: &Client<E>,
        asked: Asked,
        replica: &mut Vec<u8>,
        progress: &mut HeadProgress,
    ) -> Result<Look, Failure> {
        let bytes = self.inbound.bytes();
        if !progress.is_worth_parsing(bytes, &HEAD_LIMITS).map_err(|error| malformed(error, bytes))? {
            return Ok(Look::Partial);
        }
        let mut fields = client.fields.borrow_mut();
        let parsed = h1::parse_response(bytes, &mut fields, &HEAD_LIMITS)
            .and_then(|parse| progress.take(parse, bytes, &HEAD_LIMITS))
            .map_err(|error| malformed(error, bytes))?;
        let Some((head, length)) = parsed else { return Ok(Look::Partial) };
        let look = understand(&head, asked, &client.plan.replica_field, replica)?;
        drop(fields);
        self.inbound.consume(length);
        Ok(look)
    }

    /// Reads to the body's end. Whether that was told by more than the end of the connection.
    async fn read_body(
        &mut self,
        decoder: &mut BodyDecoder,
        timer: &mut Timer,
        deadline: Moment,
        received: u64,
    ) -> Result<bool, Failure> {
        loop {
            let step = decoder.decode(self.inbound.bytes()).map_err(|error| Failure {
                kind: FailureKind::Malformed,
                detail: format!("the answer's body: {error}"),
            })?;
            match step {
                BodyStep::Data { skip, data } => self.inbound.consume(skip + data),
                BodyStep::End { consumed } => {
                    self.inbound.consume(consumed);
                    return Ok(true);
                }
                BodyStep::NeedMore => {
                    self.inbound.consume(self.inbound.bytes().len());
                    if self.fill(timer, deadline, received).await? == Filled::End {
                        return if decoder.on_eof().is_ok() { Ok(false) } else { Err(self.closed(received)) };
                    }
                }
            }
        }
    }

    /// The failure that an error means after `received` bytes had come before this exchange.
    fn lost(&self, error: IoError, received: u64) -> Failure {
        let error = match (error, self.outbound.state) {
            (IoError::TimedOut, _) | (_, Sending::UnderWay | Sending::Done) => error,
            (_, Sending::Broken(first)) => first,
        };
        let within = self.inbound.received() > received;
        let kind = match error {
            IoError::TimedOut => FailureKind::TimedOut,
            IoError::Exhausted => FailureKind::Exhausted,
            IoError::Closed => return self.closed(received),
            _ => FailureKind::Reset,
        };
        let moment = if within { "within the answer" } else { "before the answer" };
        Failure { kind, detail: format!("{error}, {moment}") }
    }

    fn closed(&self, received: u64) -> Failure {
        let come = self.inbound.received() - received;
        if come == 0 {
            let detail = "the server closed the connection and sent nothing".to_owned();
            return Failure { kind: FailureKind::ClosedBeforeAnswer, detail };
        }
        let detail = format!("the server closed the connection after {come} bytes of the answer");
        Failure { kind: FailureKind::ClosedWithinAnswer, detail }
    }
}

impl<W: Writer> Outbound<W> {
    /// Ready once there is no more to do.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.state == Sending::UnderWay {
            self.state = match ready!(self.writer.poll_flush(context)) {
                Ok(()) => Sending::Done,
                Err(error) => Sending::Broken(error),
            };
        }
        Poll::Ready(())
    }
}

/// What a whole head means to the client; `replica` becomes the name that it gives.
fn understand(
    head: &ResponseHead<'_>,
    asked: Asked,
    replica_field: &str,
    replica: &mut Vec<u8>,
) -> Result<Look, Failure> {
    let untrusted = |what: &dyn Display| Failure {
        kind: FailureKind::Malformed,
        detail: format!("the answer's head: {what}"),
    };
    let body = h1::response_body_length(asked.method, head).map_err(|error| untrusted(&error))?;
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(untrusted(&"it switches protocols (101), which was not asked for"));
    }
    if head.status.is_interim() {
        return Ok(Look::Interim);
    }
    let options = connection_options(&head.fields).map_err(|error| untrusted(&error))?;
    let name = head.fields.first_named(replica_field.as_bytes());
    replica.clear();
    replica.extend_from_slice(name.unwrap_or_default());
    Ok(Look::Final(Head {
        status: head.status.number(),
        named: name.is_some(),
        persists: h1::persists(head.version, &options),
        body: BodyDecoder::new(body),
    }))
}

/// The failure for a head that is none, with its first bytes.
fn malformed(error: HeadError, bytes: &[u8]) -> Failure {
    const SHOWN_MAX: usize = 40;
    let shown = &bytes[..bytes.len().min(SHOWN_MAX)];
    let dots = if bytes.len() > SHOWN_MAX { "..." } else { "" };
    Failure {
        kind: FailureKind::Malformed,
        detail: format!("the answer's head: {error}; it begins with \"{}{dots}\"", shown.escape_ascii()),
    }
}
