//! A layer in the shape of TLS, over any engine: a handshake of two messages each way, then records of at most 16 KiB
//! that are read whole or not at all.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ringway::engine::simulated::Network;
use ringway::engine::{
    Accepted, BufferPool, Connection, Engine, Handle, Incoming, IoError, Lent, Listener, Reader, Scratch,
    Writer,
};

use crate::bench::{Bench, Scene};

/// The most bytes that a record carries (as RFC 8446, section 5.1).
const RECORD_BYTES_MAX: usize = 16 * 1024;
/// Kind, then length in two bytes.
const HEADER_BYTES: usize = 3;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
/// The handshake's messages differ in length, so that one taken for another is noticed.
const CLIENT_MESSAGES: [usize; 2] = [190, 36];
const SERVER_MESSAGES: [usize; 2] = [2500, 52];

/// A mask that depends on the position in the stream: what is lost, repeated or swapped comes out as noise.
#[derive(Default)]
struct Mask(u64);

impl Mask {
    fn apply(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte ^= (self.0 ^ (self.0 >> 8)) as u8 ^ 0x5A;
            self.0 += 1;
        }
    }
}

/// The receiving half of a connection in records.
pub(crate) struct RecordReader<R> {
    inner: R,
    pool: BufferPool,
    raw: Option<Lent>,
    /// A record that is not complete.
    partial: Option<Scratch>,
    mask: Mask,
}

impl<R: Reader> RecordReader<R> {
    /// The next record's kind and content.
    fn poll_record(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<(u8, Lent)>, IoError>> {
        loop {
            let Some(raw) = &mut self.raw else {
                self.raw = ready!(self.inner.poll_read(context))?;
                match (&self.raw, &self.partial) {
                    (None, None) => return Poll::Ready(Ok(None)),
                    (None, Some(_)) => return Poll::Ready(Err(IoError::Reset)),
                    _ => continue,
                }
            };
            let partial = self.partial.get_or_insert_with(|| self.pool.scratch());
            let take = missing(partial).min(raw.len());
            partial.extend_from_slice(&raw[..take]);
            raw.advance(take);
            if raw.is_empty() {
                self.raw = None;
            }
            if missing(partial) == 0 {
                let Some(mut record) = self.partial.take() else { unreachable!("it was there a line ago") };
                self.mask.apply(&mut record[HEADER_BYTES..]);
                let content = self.pool.lend_with(|block| {
                    block[..record.len() - HEADER_BYTES].copy_from_slice(&record[HEADER_BYTES..]);
                    record.len() - HEADER_BYTES
                });
                return Poll::Ready(Ok(Some((record[0], content))));
            }
        }
    }
}

/// How many bytes a record lacks, as far as can be told.
fn missing(partial: &[u8]) -> usize {
    match partial {
        [_, high, low, content @ ..] => {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            assert!((1..=RECORD_BYTES_MAX).contains(&length), "{length} is no length of a record");
            length - content.len()
        }
        header => HEADER_BYTES - header.len(),
    }
}

impl<R: Reader> Reader for RecordReader<R> {
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Lent>, IoError>> {
        let record = ready!(self.poll_record(context))?;
        Poll::Ready(Ok(record.map(|(kind, content)| {
            assert_eq!(kind, DATA);
            content
        })))
    }

    fn is_quiet(&mut self) -> bool {
        self.raw.is_none() && self.partial.is_none() && self.inner.is_quiet()
    }
}

/// The sending half of a connection in records.
pub(crate) struct RecordWriter<W> {
    inner: W,
    pool: BufferPool,
    plain: Option<Scratch>,
    plain_sent: usize,
    taken: u64,
    mask: Mask,
}

impl<W: Writer> RecordWriter<W> {
    fn queue_record(&mut self, kind: u8, content: &[u8]) {
        let out = self.inner.buffer();
        out.push(kind);
        out.extend_from_slice(&(content.len() as u16).to_be_bytes());
        let start = out.len();
        out.extend_from_slice(content);
        self.mask.apply(&mut out[start..]);
    }
}

impl<W: Writer> Writer for RecordWriter<W> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.plain.get_or_insert_with(|| self.pool.scratch())
    }

    fn lend(&mut self, bytes: Lent) {
        self.buffer().extend_from_slice(&bytes);
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), IoError>> {
        loop {
            let sent = ready!(self.inner.poll_flush(context));
            let plain = self.plain.take().filter(|plain| sent.is_ok() && plain.len() > self.plain_sent);
            let Some(plain) = plain else {
                self.plain_sent = 0;
                return Poll::Ready(sent);
            };
            let end = plain.len().min(self.plain_sent + RECORD_BYTES_MAX);
            self.queue_record(DATA, &plain[self.plain_sent..end]);
            self.taken += (end - self.plain_sent) as u64;
            self.plain_sent = end;
            self.plain = Some(plain);
        }
    }

    /// Counts a record once it was handed down.
    fn taken(&self) -> u64 {
        self.taken
    }

    fn local_address(&self) -> Option<SocketAddr> {
        self.inner.local_address()
    }

    fn shutdown(&mut self) {
        self.inner.shutdown();
    }

    fn abort(&mut self) {
        self.plain = None;
        self.inner.abort();
    }
}

type RecordConnection<R, W> = Connection<RecordReader<R>, RecordWriter<W>>;
/// A client's address and the handshake with it.
type Greeted<R, W> = (SocketAddr, Pending<RecordConnection<R, W>>);
type Pending<T> = Pin<Box<dyn Future<Output = Result<T, IoError>>>>;

/// Exchanges the messages of both peers by turns, the client first.
async fn handshake<R: Reader, W: Writer>(
    connection: Connection<R, W>,
    pool: BufferPool,
    is_client: bool,
) -> Result<RecordConnection<R, W>, IoError> {
    let Connection { reader, writer } = connection;
    let mut reader =
        RecordReader { inner: reader, pool: pool.clone(), raw: None, partial: None, mask: Mask::default() };
    let mut writer =
        RecordWriter { inner: writer, pool, plain: None, plain_sent: 0, taken: 0, mask: Mask::default() };
    for (client, server) in CLIENT_MESSAGES.into_iter().zip(SERVER_MESSAGES) {
        for (length, from_client) in [(client, true), (server, false)] {
            if from_client == is_client {
                writer.queue_record(HANDSHAKE, &vec![length as u8; length]);
                poll_fn(|context| writer.poll_flush(context)).await?;
            } else {
                let record = poll_fn(|context| reader.poll_record(context)).await?;
                let (kind, content) = record.ok_or(IoError::Closed)?;
                assert_eq!((kind, &content[..]), (HANDSHAKE, &vec![length as u8; length][..]));
            }
        }
    }
    Ok(Connection { reader, writer })
}

/// An engine whose connections are in records.
#[derive(Clone)]
pub(crate) struct RecordEngine<E>(E);

impl<E: Engine> Engine for RecordEngine<E> {
    type Reader = RecordReader<E::Reader>;
    type Writer = RecordWriter<E::Writer>;
    type Listener = RecordListener<E::Listener>;
    type Connect = Pending<RecordConnection<E::Reader, E::Writer>>;

    fn handle(&self) -> &Handle {
        self.0.handle()
    }

    fn connect(&self, address: SocketAddr) -> Self::Connect {
        let connecting = self.0.connect(address);
        let pool = self.handle().buffers().clone();
        Box::pin(async move { handshake(connecting.await?, pool, true).await })
    }
}

/// Hands out connections whose handshake is done. Those under way are the listener's, so that an accept that is given up
/// loses none.
pub(crate) struct RecordListener<L: Listener> {
    inner: L,
    pool: BufferPool,
    handshakes: Vec<Greeted<L::Reader, L::Writer>>,
    ended: bool,
}

impl<L: Listener> Listener for RecordListener<L> {
    type Socket = RecordConnection<L::Reader, L::Writer>;
    type Reader = RecordReader<L::Reader>;
    type Writer = RecordWriter<L::Writer>;

    fn poll_accept(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Incoming<Self::Socket>>, IoError>> {
        while !self.ended {
            match self.inner.poll_accept(context)? {
                Poll::Ready(Some(incoming)) => {
                    let Accepted { connection, peer } = self.inner.adopt(incoming)?;
                    let pool = self.pool.clone();
                    self.handshakes.push((peer, Box::pin(handshake(connection, pool, false))));
                }
                Poll::Ready(None) => self.ended = true,
                Poll::Pending => break,
            }
        }
        let mut next = 0;
        while let Some((peer, handshake)) = self.handshakes.get_mut(next) {
            let peer = *peer;
            match handshake.as_mut().poll(context) {
                Poll::Pending => next += 1,
                Poll::Ready(outcome) => {
                    drop(self.handshakes.swap_remove(next));
                    return Poll::Ready(outcome.map(|socket| Some(Incoming { socket, peer })));
                }
            }
        }
        if self.ended && self.handshakes.is_empty() { Poll::Ready(Ok(None)) } else { Poll::Pending }
    }

    fn adopt(
        &mut self,
        Incoming { socket, peer }: Incoming<Self::Socket>,
    ) -> Result<Accepted<Self::Reader, Self::Writer>, IoError> {
        Ok(Accepted { connection: socket, peer })
    }

    fn stop(&mut self) {
        self.inner.stop();
    }

    fn local_address(&self) -> SocketAddr {
        self.inner.local_address()
    }
}

/// A bench whose connections are in records.
pub(crate) struct Recorded<B>(B);

impl<B: Bench> Bench for Recorded<B> {
    type Engine = RecordEngine<B::Engine>;

    fn start() -> io::Result<Self> {
        B::start().map(Recorded)
    }

    fn engine(&self) -> Self::Engine {
        RecordEngine(self.0.engine())
    }

    fn listen(&self) -> RecordListener<<B::Engine as Engine>::Listener> {
        let pool = self.engine().handle().buffers().clone();
        RecordListener { inner: self.0.listen(), pool, handshakes: Vec::new(), ended: false }
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
