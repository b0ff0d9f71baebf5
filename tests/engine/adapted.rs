//! The way to `AsyncRead` and `AsyncWrite` and back, over any engine: the suite sees through it what a library that
//! speaks in those would.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use ringway::engine::adaptor::IoStream;
use ringway::engine::simulated::Network;
use ringway::engine::{
    Accepted, BufferPool, Connection, ConnectionOf, Engine, Handle, Incoming, IoError, Lent, Listener,
    Reader, Scratch, Writer,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::bench::{Bench, Scene};

/// Small, so that what one read of the engine yields takes several of these.
const READ_BYTES_MAX: usize = 3000;

type Shared<R, W> = Rc<RefCell<IoStream<R, W>>>;

/// The receiving half over a stream.
pub(crate) struct AdaptedReader<R, W> {
    stream: Shared<R, W>,
    pool: BufferPool,
}

impl<R: Reader + Unpin, W: Writer + Unpin> Reader for AdaptedReader<R, W> {
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Lent>, IoError>> {
        let mut stream = self.stream.borrow_mut();
        let mut outcome = Poll::Pending;
        let lent = self.pool.lend_with(|block| {
            let mut buffer = ReadBuf::new(&mut block[..READ_BYTES_MAX]);
            outcome = Pin::new(&mut *stream).poll_read(context, &mut buffer);
            buffer.filled().len()
        });
        ready!(outcome)?;
        Poll::Ready(Ok(Some(lent).filter(|lent| !lent.is_empty())))
    }

    fn is_quiet(&mut self) -> bool {
        self.stream.borrow_mut().is_quiet()
    }
}

/// The sending half over a stream.
pub(crate) struct AdaptedWriter<R, W> {
    stream: Shared<R, W>,
    pool: BufferPool,
    queued: Option<Scratch>,
    written: usize,
    taken: u64,
}

impl<R: Reader + Unpin, W: Writer + Unpin> AdaptedWriter<R, W> {
    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut stream = self.stream.borrow_mut();
        let mut stream = Pin::new(&mut *stream);
        while let Some(rest) = self.queued.as_ref().map(|queued| &queued[self.written..])
            && !rest.is_empty()
        {
            let (left, right) = rest.split_at(rest.len() / 3);
            let parts = [io::IoSlice::new(left), io::IoSlice::new(right)];
            let count = ready!(stream.as_mut().poll_write_vectored(context, &parts))?;
            self.written += count;
            self.taken += count as u64;
        }
        stream.poll_flush(context)
    }
}

impl<R: Reader + Unpin, W: Writer + Unpin> Writer for AdaptedWriter<R, W> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.queued.get_or_insert_with(|| self.pool.scratch())
    }

    fn lend(&mut self, bytes: Lent) {
        self.buffer().extend_from_slice(&bytes);
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), IoError>> {
        let outcome = ready!(self.poll_written(context));
        self.queued = None;
        self.written = 0;
        Poll::Ready(outcome.map_err(IoError::from))
    }

    /// Counts what the stream has accepted.
    fn taken(&self) -> u64 {
        self.taken
    }

    fn local_address(&self) -> Option<SocketAddr> {
        self.stream.borrow().local_address()
    }

    fn shutdown(&mut self) {
        let mut stream = self.stream.borrow_mut();
        let ended = Pin::new(&mut *stream).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        assert!(ended.is_ready(), "all was flushed before");
    }

    fn abort(&mut self) {
        self.queued = None;
        self.stream.borrow_mut().abort();
    }
}

type AdaptedConnection<R, W> = Connection<AdaptedReader<R, W>, AdaptedWriter<R, W>>;

fn adapt<R: Reader + Unpin, W: Writer + Unpin>(
    connection: Connection<R, W>,
    pool: &BufferPool,
) -> AdaptedConnection<R, W> {
    let stream = Rc::new(RefCell::new(IoStream::new(connection)));
    Connection {
        reader: AdaptedReader { stream: stream.clone(), pool: pool.clone() },
        writer: AdaptedWriter { stream, pool: pool.clone(), queued: None, written: 0, taken: 0 },
    }
}

/// An engine whose connections go through the adaptor.
#[derive(Clone)]
pub(crate) struct AdaptedEngine<E>(E);

impl<E: Engine<Reader: Unpin, Writer: Unpin>> Engine for AdaptedEngine<E> {
    type Reader = AdaptedReader<E::Reader, E::Writer>;
    type Writer = AdaptedWriter<E::Reader, E::Writer>;
    type Listener = AdaptedListener<E::Listener>;
    type Connect = Pin<Box<dyn Future<Output = Result<ConnectionOf<Self>, IoError>>>>;

    fn handle(&self) -> &Handle {
        self.0.handle()
    }

    fn connect(&self, address: SocketAddr) -> Self::Connect {
        let connecting = self.0.connect(address);
        let pool = self.handle().buffers().clone();
        Box::pin(async move { Ok(adapt(connecting.await?, &pool)) })
    }
}

/// A listener whose connections go through the adaptor.
pub(crate) struct AdaptedListener<L> {
    inner: L,
    pool: BufferPool,
}

impl<L: Listener<Reader: Unpin, Writer: Unpin>> Listener for AdaptedListener<L> {
    type Socket = L::Socket;
    type Reader = AdaptedReader<L::Reader, L::Writer>;
    type Writer = AdaptedWriter<L::Reader, L::Writer>;

    fn poll_accept(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Incoming<L::Socket>>, IoError>> {
        self.inner.poll_accept(context)
    }

    fn adopt(
        &mut self,
        incoming: Incoming<L::Socket>,
    ) -> Result<Accepted<Self::Reader, Self::Writer>, IoError> {
        let Accepted { connection, peer } = self.inner.adopt(incoming)?;
        Ok(Accepted { connection: adapt(connection, &self.pool), peer })
    }

    fn stop(&mut self) {
        self.inner.stop();
    }

    fn local_address(&self) -> SocketAddr {
        self.inner.local_address()
    }
}

/// A bench whose connections go through the adaptor.
pub(crate) struct Adapted<B>(B);

impl<B: Bench<Engine: Engine<Reader: Unpin, Writer: Unpin, Listener: Listener<Reader: Unpin, Writer: Unpin>>>>
    Bench for Adapted<B>
{
    type Engine = AdaptedEngine<B::Engine>;

    fn start() -> io::Result<Self> {
        B::start().map(Adapted)
    }

    fn engine(&self) -> Self::Engine {
        AdaptedEngine(self.0.engine())
    }

    fn listen(&self) -> <Self::Engine as Engine>::Listener {
        let pool = self.engine().handle().buffers().clone();
        AdaptedListener { inner: self.0.listen(), pool }
    }

    fn run<T: 'static>(&self, main: impl Future<Output = T> + 'static) -> T {
        self.0.run(main)
    }

    fn refusing(&self) -> Scene {
        self.0.refusing()
    }

    fn silent(&self) -> Scene {
        self.0.silent()
    }

    fn sockets_to(&self, address: SocketAddr) -> usize {
        self.0.sockets_to(address)
    }

    fn network(&self) -> Option<Network> {
        self.0.network()
    }
}
