//! The seam between what Ringway decides and what a kernel does.
//!
//! An engine moves bytes: it accepts, connects, reads and writes, and it owns tasks and time. It knows no
//! HTTP. There are three, behind one set of traits: [`epoll`], [`io_uring`] and the seeded in-memory
//! [`simulated`] one. All three run their tasks on the same [`executor`], so that a thread is one loop: run what is
//! ready, then wait in the driver for events and for the next timer.
//!
//! The rules that every engine keeps (the engine suite in `tests/` checks each on all of them):
//! - A connection is two halves. A half has at most one operation in flight, and the operation's state lives in the
//!   half, never in the future that waits for it: a wait that is dropped, by a deadline or a select, loses no byte.
//! - [`Reader::poll_read`] lends a buffer that the engine chose. An idle connection holds none.
//! - Dropping a half cancels what it has in flight; descriptor and buffer stay with the engine until the kernel has
//!   let go of them.
//! - A deadline is [`IoError::TimedOut`], never an end of file.

pub mod adaptor;
pub mod buffer;
pub mod clock;
pub mod descriptors;
pub mod epoll;
mod error;
pub mod executor;
mod inbound;
pub mod io_uring;
pub mod memory;
pub mod outbound;
pub mod simulated;
pub mod socket;
mod spares;
pub mod thread_time;
pub mod timer;

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use crate::base::time::Moment;

pub use buffer::{BufferPool, Lent, Scratch};
pub use error::IoError;
pub use executor::{Handle, Unpark};
pub use inbound::{Filled, Inbound};
pub use timer::{Timer, within};

/// What moves bytes for one thread. Cloning gives another handle on the same engine.
pub trait Engine: Clone + 'static {
    /// The receiving half of a connection.
    type Reader: Reader;
    /// The sending half of a connection.
    type Writer: Writer;
    /// A listening socket.
    type Listener: Listener<Reader = Self::Reader, Writer = Self::Writer>;
    /// A connection being made. Dropping it cancels the attempt and closes the socket.
    type Connect: Future<Output = Result<Connection<Self::Reader, Self::Writer>, IoError>> + Unpin;

    /// Tasks, time and buffers of this thread.
    fn handle(&self) -> &Handle;

    /// Begins a connection to `address`.
    fn connect(&self, address: SocketAddr) -> Self::Connect;
}

/// A connection of engine `E`.
pub type ConnectionOf<E> = Connection<<E as Engine>::Reader, <E as Engine>::Writer>;

/// An open connection, as its two halves.
#[derive(Debug)]
pub struct Connection<R, W> {
    /// The receiving half.
    pub reader: R,
    /// The sending half.
    pub writer: W,
}

/// A connection that a listener took from its queue, and that no engine watches yet: see [`Listener::adopt`].
#[derive(Debug)]
pub struct Incoming<S> {
    /// The connection.
    pub socket: S,
    /// The client's address.
    pub peer: SocketAddr,
}

/// A connection that a listener accepted.
#[derive(Debug)]
pub struct Accepted<R, W> {
    /// The connection.
    pub connection: Connection<R, W>,
    /// The client's address.
    pub peer: SocketAddr,
}

/// What listener `L` makes of a connection.
pub type AcceptedOf<L> = Accepted<<L as Listener>::Reader, <L as Listener>::Writer>;

/// A listening socket of one thread.
pub trait Listener: 'static {
    /// A connection before an engine watches it. Where this can be sent, it may go to a listener on another thread.
    type Socket: 'static;
    /// The receiving half of accepted connections.
    type Reader: Reader;
    /// The sending half of accepted connections.
    type Writer: Writer;

    /// The next connection, to be adopted. `None` after [`Listener::stop`], once the queue is empty.
    ///
    /// # Errors
    /// [`IoError::Exhausted`] when descriptors or memory are short: wait before trying again. Others concern one
    /// connection that failed before it was accepted: go on.
    fn poll_accept(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Incoming<Self::Socket>>, IoError>>;

    /// Has this listener's engine watch a connection, which it accepted itself, or another listener of an engine of the same kind.
    ///
    /// # Errors
    /// [`IoError::Exhausted`] when descriptors or memory are short; the connection is closed then.
    fn adopt(&mut self, incoming: Incoming<Self::Socket>) -> Result<AcceptedOf<Self>, IoError>;

    /// The next connection, adopted: for those who serve all that they accept.
    ///
    /// # Errors
    /// As [`poll_accept`](Listener::poll_accept) and [`adopt`](Listener::adopt).
    fn poll_connection(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<AcceptedOf<Self>>, IoError>> {
        let incoming = ready!(self.poll_accept(context))?;
        Poll::Ready(incoming.map(|incoming| self.adopt(incoming)).transpose())
    }

    /// Take no new connections into the queue's end: what is queued is still handed out, then `None`.
    fn stop(&mut self);

    /// The address that is listened on.
    fn local_address(&self) -> SocketAddr;
}

/// The receiving half of a connection.
pub trait Reader: 'static {
    /// The next bytes, in a buffer that the engine lends; never empty. `None` is the end of the stream.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Lent>, IoError>>;

    /// Whether nothing has come, neither bytes nor an end nor an error, as far as the engine has been told.
    ///
    /// This is how a pool looks at an idle connection. On an engine that must ask the kernel it starts a read, whose
    /// result a later `poll_read` yields.
    fn is_quiet(&mut self) -> bool;
}

/// The sending half of a connection.
pub trait Writer: 'static {
    /// Where the next bytes to send are appended. They go out with [`Writer::poll_flush`], after all that was queued
    /// before.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// Queues a lent buffer behind what [`Writer::buffer`] holds, without copying it where the engine can.
    fn lend(&mut self, bytes: Lent);

    /// Sends what is queued. Ready once the kernel has taken all of it.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), IoError>>;

    /// How many bytes the kernel has taken since the connection began.
    fn taken(&self) -> u64;

    /// The address of this end of the connection: of one that was accepted, what its client has connected to, also where
    /// the listener takes connections to all addresses. It may be a system call. `None` where the connection is no more.
    fn local_address(&self) -> Option<SocketAddr>;

    /// Ends the stream (FIN) after what was flushed. Nothing may be queued afterwards.
    fn shutdown(&mut self);

    /// Resets the connection when its halves are dropped, and drops what is queued: the peer sees a failure where an end
    /// of the stream would pass for success.
    fn abort(&mut self);
}

/// Reads until `deadline`. See [`Reader::poll_read`].
///
/// # Errors
/// [`IoError::TimedOut`] at the deadline; nothing that arrives later is lost to the next read.
pub async fn read<R: Reader>(
    reader: &mut R,
    timer: &mut Timer,
    deadline: Moment,
) -> Result<Option<Lent>, IoError> {
    within(timer, deadline, |context| reader.poll_read(context)).await?
}

/// Flushes until `deadline`. See [`Writer::poll_flush`].
///
/// # Errors
/// [`IoError::TimedOut`] at the deadline; what is queued stays queued.
pub async fn flush<W: Writer>(writer: &mut W, timer: &mut Timer, deadline: Moment) -> Result<(), IoError> {
    within(timer, deadline, |context| writer.poll_flush(context)).await?
}

/// Connects until `deadline`. At the deadline the attempt is cancelled.
///
/// # Errors
/// What the kernel said, or [`IoError::TimedOut`].
pub async fn connect<E: Engine>(
    engine: &E,
    address: SocketAddr,
    timer: &mut Timer,
    deadline: Moment,
) -> Result<ConnectionOf<E>, IoError> {
    let mut attempt = engine.connect(address);
    within(timer, deadline, |context| std::pin::Pin::new(&mut attempt).poll(context)).await?
}

/// The next accepted connection. See [`Listener::poll_connection`].
///
/// # Errors
/// As [`Listener::poll_connection`].
pub async fn accept<L: Listener>(listener: &mut L) -> Result<Option<AcceptedOf<L>>, IoError> {
    poll_fn(|context| listener.poll_connection(context)).await
}

/// Lets the other tasks of this thread run, and the driver look at the kernel: for one that always finds bytes to move,
/// and would keep the thread for itself.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
