//! One client's connection: its requests, one after the other.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::core::{Core, Lifecycle};
use super::exchange::Exchange;
use super::refusal::{self, Refusal};
use super::request::{self, Asked, Request};
use crate::base::address_counts::Counted;
use crate::base::core_counters::Phase;
use crate::base::time::Moment;
use crate::engine::{self, Accepted, Engine, Filled, Inbound, IoError, Timer, Writer, yield_now};
use crate::h1::{HeadError, HeadProgress};
use crate::message::StatusCode;
use crate::proxy::answer::Persistence;
use crate::proxy::origin::Peer;

/// How long a new connection is waited for once the core drains: its first request may be on its way, and the client
/// cannot know, as it may of a connection that has served, that it was not taken.
const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);
/// How long, and for how many bytes, a client may go on sending after the answer that ends its connection. Closing at
/// once would reset the connection under the answer (RFC 9112 9.6).
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// Requests that a client sent without waiting for the answers, after which the other connections have their turn. Answers
/// of our own need no replica, so that nothing else would make such a client wait.
const PIPELINED_IN_A_ROW_MAX: u8 = 8;

/// A client's connection.
pub(super) struct Client<E: Engine> {
    pub(super) inbound: Inbound<E::Reader>,
    pub(super) writer: E::Writer,
    pub(super) timer: Timer,
    peer: Peer,
    /// Bytes received and sent that the counters know of.
    counted: (u64, u64),
    pipelined: u8,
}

/// How a connection goes on after an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// With the next request.
    NextRequest,
    /// It is closed, once the client has had time to read its answer.
    Linger,
    /// It is closed at once: finished, broken, or cut so that the client sees a failure.
    Close,
}

/// Serves the requests of a connection until it ends. `place` is its own among those of its address.
pub(super) fn serve<E: Engine>(
    core: Rc<Core<E>>,
    accepted: Accepted<E::Reader, E::Writer>,
    place: Option<Counted>,
) -> impl Future<Output = ()> {
    // Counted now, not when the task first runs: the listener looks at the count before it accepts the next.
    let open = OpenConnection::new(&core, place);
    let mut client = Client::new(&core, accepted);
    // The client is borrowed below: one that is moved into a future takes its room twice.
    async move {
        client.serve_requests(&open.core).await;
        drop(open);
    }
}

impl<E: Engine> Client<E> {
    pub(super) fn new(core: &Core<E>, accepted: Accepted<E::Reader, E::Writer>) -> Self {
        let handle = core.engine.handle();
        Client {
            inbound: Inbound::new(accepted.connection.reader, handle.buffers().clone()),
            writer: accepted.connection.writer,
            timer: handle.timer(),
            peer: Peer::new(accepted.peer.ip().to_canonical(), &core.forwarding),
            counted: (0, 0),
            pipelined: 0,
        }
    }

    async fn serve_requests(&mut self, core: &Core<E>) {
        let mut served = false;
        while self.next_request_begins(core, served).await {
            // In a box, so that a connection that waits does not hold an exchange's memory. A new one for each request: what
            // the last exchange of any connection has left is still in the processor's cache, what this connection's own
            // has left is not, where there are many.
            match Box::pin(self.serve_one(core)).await {
                After::NextRequest => served = true,
                After::Linger => return Box::pin(self.linger(core)).await,
                After::Close => return,
            }
        }
    }

    /// Waits for the first byte of a request. `false` if the connection is over before.
    async fn next_request_begins(&mut self, core: &Core<E>, served: bool) -> bool {
        if !self.inbound.bytes().is_empty() {
            self.pipelined = (self.pipelined + 1) % PIPELINED_IN_A_ROW_MAX;
            if self.pipelined == 0 {
                yield_now().await;
            }
            return true;
        }
        // A new connection has as long as a head may take; one that has served waits for as long as it is kept alive.
        let mut deadline = core.now() + if served { core.client.keep_alive } else { core.client.header };
        let (inbound, timer) = (&mut self.inbound, &mut self.timer);
        let mut draining = false;
        poll_fn(|context| {
            if let Poll::Ready(filled) = inbound.poll_fill(context) {
                return Poll::Ready(filled == Ok(Filled::More));
            }
            if core.phase.get() == Lifecycle::Draining && !std::mem::replace(&mut draining, true) {
                let grace = if served { Duration::ZERO } else { FIRST_REQUEST_GRACE };
                deadline = deadline.min(core.now() + grace);
            }
            timer.poll_expired(deadline, context).map(|()| false)
        })
        .await
    }

    /// Serves the request whose first bytes are there.
    async fn serve_one(&mut self, core: &Core<E>) -> After {
        // Used where it was read: moved into a future, it would take its room twice.
        match &mut self.read_request(core).await {
            Ok(request) => Exchange { core, client: self, request }.serve().await,
            Err(Unread::Gone) => After::Close,
            Err(Unread::Refused(refusal)) => self.refuse(core, refusal).await,
        }
    }

    async fn read_request(&mut self, core: &Core<E>) -> Result<Request<E>, Unread> {
        let began = core.now();
        let deadline = began + core.client.header;
        let mut progress = HeadProgress::default();
        loop {
            match self.parse(core, &mut progress, began) {
                Ok(Some(Ok(request))) => return Ok(request),
                Ok(Some(Err(refusal))) => return Err(Unread::Refused(refusal)),
                Ok(None) => {}
                Err(error) => {
                    let bytes = self.inbound.bytes();
                    return Err(Unread::Refused(Refusal::malformed(core, bytes, error.status(), &error)));
                }
            }
            match self.inbound.fill(&mut self.timer, deadline).await {
                Ok(Filled::More) => {}
                Ok(Filled::End) => return Err(Unread::Gone),
                Err(IoError::TimedOut) => {
                    core.counters.timed_out(Phase::RequestHead);
                    let why = "its head did not come in time";
                    let bytes = self.inbound.bytes();
                    let refusal = Refusal::malformed(core, bytes, StatusCode::REQUEST_TIMEOUT, &why);
                    return Err(Unread::Refused(refusal));
                }
                Err(_) => return Err(Unread::Gone),
            }
        }
    }

    fn parse(
        &mut self,
        core: &Core<E>,
        progress: &mut HeadProgress,
        began: Moment,
    ) -> Result<Option<Result<Request<E>, Refusal>>, HeadError> {
        let bytes = self.inbound.bytes();
        let limits = &core.head_limits;
        if !progress.is_worth_parsing(bytes, limits)? {
            return Ok(None);
        }
        let writer = &self.writer;
        let parse = request::parse(core, bytes, &self.peer, || writer.local_address(), began)?;
        let found = progress.take(parse, bytes, limits)?;
        Ok(found.map(|(request, length)| {
            self.inbound.consume(length);
            request
        }))
    }

    /// Answers a request that goes to no replica.
    async fn refuse(&mut self, core: &Core<E>, refusal: &Refusal) -> After {
        core.counters.requests.increment();
        if !refusal.status.is_success() && refusal.status != StatusCode::NOT_FOUND {
            core.counters.bad_requests.increment();
        }
        self.send_refusal(core, refusal).await
    }

    pub(super) async fn send_refusal(&mut self, core: &Core<E>, refusal: &Refusal) -> After {
        self.writer.buffer().extend_from_slice(&refusal.answer);
        self.finish_own(core, refusal.status, refusal.persistence).await
    }

    /// Tells the client that its request failed. The connection goes on if `persists`.
    pub(super) async fn answer_failed(
        &mut self,
        core: &Core<E>,
        asked: &Asked<E>,
        status: StatusCode,
        persists: bool,
    ) -> After {
        let persistence = match persists {
            true => Persistence::KeepAlive { stated: asked.persistence_stated },
            false => Persistence::Close,
        };
        refusal::write_failed(core, self.writer.buffer(), asked, status, persistence);
        self.finish_own(core, status, persistence).await
    }

    /// Sends an answer of the proxy's own, which is queued.
    async fn finish_own(&mut self, core: &Core<E>, status: StatusCode, persistence: Persistence) -> After {
        core.counters.answered(status.number());
        let flushed = self.flush(core).await;
        self.count_bytes(core);
        match (flushed, persistence) {
            (Err(_), _) => After::Close,
            (Ok(()), Persistence::Close) => After::Linger,
            (Ok(()), Persistence::KeepAlive { .. }) => After::NextRequest,
        }
    }

    /// Adds what went over the connection since the last call to the counters.
    pub(super) fn count_bytes(&mut self, core: &Core<E>) {
        let (received, sent) = (self.inbound.received(), self.writer.taken());
        core.counters.client_bytes_in.add(received - self.counted.0);
        core.counters.client_bytes_out.add(sent - self.counted.1);
        self.counted = (received, sent);
    }

    /// Sends what is queued for the client.
    pub(super) async fn flush(&mut self, core: &Core<E>) -> Result<(), IoError> {
        flush(core, &mut self.writer, &mut self.timer).await
    }

    /// Ends our side, and reads for a while what the client still sends.
    pub(super) async fn linger(&mut self, core: &Core<E>) {
        self.writer.shutdown();
        let deadline = core.now() + LINGER;
        let mut discarded = 0;
        while discarded <= LINGER_BYTES_MAX {
            let length = self.inbound.bytes().len();
            discarded += length;
            self.inbound.consume(length);
            if self.inbound.fill(&mut self.timer, deadline).await != Ok(Filled::More) {
                return;
            }
        }
    }
}

/// Sends what is queued for a client, within the time that it may stall; one that does not take it is reset. Behind an end of
/// the stream the kernel would keep what the client did not take for minutes, for a connection that nobody counts any more.
pub(super) async fn flush<E: Engine>(
    core: &Core<E>,
    writer: &mut E::Writer,
    timer: &mut Timer,
) -> Result<(), IoError> {
    let flushed = engine::flush(writer, timer, core.now() + core.client.write).await;
    if flushed == Err(IoError::TimedOut) {
        core.counters.timed_out(Phase::ClientWrite);
        writer.abort();
    }
    flushed
}

/// Why there is no request.
enum Unread {
    /// The connection ended.
    Gone,
    /// It is answered here.
    Refused(Refusal),
}

/// Counts a connection while it is open.
struct OpenConnection<E: Engine> {
    core: Rc<Core<E>>,
    place: Option<Counted>,
}

impl<E: Engine> OpenConnection<E> {
    fn new(core: &Rc<Core<E>>, place: Option<Counted>) -> Self {
        core.admission.serving_begins();
        OpenConnection { core: core.clone(), place }
    }
}

impl<E: Engine> Drop for OpenConnection<E> {
    fn drop(&mut self) {
        self.core.admission.serving_ends(self.place.take());
        self.core.connection_closed();
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::Arc;

    use super::*;
    use crate::base::core_counters::CoreCounters;
    use crate::base::policy::ClientLimits;
    use crate::dataplane::{Capacity, CoreSettings};
    use crate::engine::epoll::Epoll;
    use crate::engine::{accept, connect, socket};
    use crate::placement::{Published, Snapshot};

    fn core(engine: &Epoll) -> Rc<Core<Epoll>> {
        let published = Published::new(Snapshot::build(Vec::new(), None).unwrap());
        let settings = CoreSettings {
            index: 0,
            cores: NonZeroUsize::MIN,
            client: ClientLimits::default(),
            forwarding: Default::default(),
            capacity: Capacity { connections_max: 1, surplus_max: 1, addresses: None },
            snapshots: published.subscribe(),
            mailbox: Arc::default(),
            observations: crossbeam::channel::bounded(1).0,
            counters: Arc::new(CoreCounters::default()),
            seed: 1,
        };
        Rc::new(Core::new(engine.clone(), settings))
    }

    /// What a connection costs in memory beyond the kernel's part: it is multiplied by 10,000.
    #[test]
    fn a_waiting_connection_is_small_and_an_exchange_bounded() {
        let engine = Epoll::new().unwrap();
        let socket = socket::listen("127.0.0.1:0".parse().unwrap(), 1).unwrap().remove(0);
        let address = socket.local_addr().unwrap();
        let mut listener = engine.listener(socket).unwrap();
        let core = core(&engine);
        let (waiting, exchanging) = engine.clone().run(async move {
            let mut timer = engine.handle().timer();
            let near = connect(&engine, address, &mut timer, Moment::NEVER).await.unwrap();
            let accepted = accept(&mut listener).await.unwrap().unwrap();
            let mut client: Client<Epoll> = Client::new(&core, accepted);
            let exchanging = size_of_val(&client.serve_one(&core));
            let accepted = Accepted { connection: near, peer: address };
            (size_of_val(&serve(core, accepted, None)), exchanging)
        });
        println!("waiting {waiting}, exchanging {exchanging} bytes");
        assert!(waiting <= 512, "a waiting connection's task takes {waiting} bytes");
        assert!(exchanging <= 1024, "an exchange takes {exchanging} bytes");
    }
}
