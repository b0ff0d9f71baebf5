//! One peer of a connection, with the operations that cases are made of.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use ringway::engine::simulated::Random;
use ringway::engine::{
    self, Connection, ConnectionOf, Engine, IoError, Lent, Listener, Reader, Timer, Writer,
};

use crate::bench::Bench;

/// A connection and the timer of the task that uses it.
pub(crate) struct Peer<E: Engine> {
    pub reader: E::Reader,
    pub writer: E::Writer,
    pub timer: Timer,
    pub engine: E,
}

impl<E: Engine> Peer<E> {
    pub(crate) fn new(engine: &E, connection: ConnectionOf<E>) -> Self {
        let Connection { reader, writer } = connection;
        Peer { reader, writer, timer: engine.handle().timer(), engine: engine.clone() }
    }

    pub(crate) async fn read(&mut self) -> Result<Option<Lent>, IoError> {
        poll_fn(|context| self.reader.poll_read(context)).await
    }

    /// Reads for `time` at most.
    pub(crate) async fn read_for(&mut self, time: Duration) -> Result<Option<Lent>, IoError> {
        let deadline = self.engine.handle().now() + time;
        engine::read(&mut self.reader, &mut self.timer, deadline).await
    }

    /// Flushes for `time` at most.
    pub(crate) async fn flush_for(&mut self, time: Duration) -> Result<(), IoError> {
        let deadline = self.engine.handle().now() + time;
        engine::flush(&mut self.writer, &mut self.timer, deadline).await
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), IoError> {
        send(&mut self.writer, bytes).await
    }

    /// Reads `length` bytes and not one more.
    pub(crate) async fn read_exact(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let lent = self.read().await.unwrap().expect("the stream goes on");
            assert!(!lent.is_empty());
            bytes.extend_from_slice(&lent);
        }
        assert_eq!(bytes.len(), length, "more came than was sent");
        bytes
    }

    /// Reads to the end, and tells how it ended.
    pub(crate) async fn read_to_end(&mut self) -> (Vec<u8>, Result<(), IoError>) {
        read_to_end(&mut self.reader).await
    }

    /// Sends back what comes, until the peer ends.
    pub(crate) async fn echo(mut self) -> Result<(), IoError> {
        while let Some(lent) = self.read().await? {
            self.writer.lend(lent);
            poll_fn(|context| self.writer.poll_flush(context)).await?;
        }
        self.writer.shutdown();
        Ok(())
    }
}

pub(crate) async fn send(writer: &mut impl Writer, bytes: &[u8]) -> Result<(), IoError> {
    writer.buffer().extend_from_slice(bytes);
    poll_fn(|context| writer.poll_flush(context)).await
}

pub(crate) async fn read_to_end(reader: &mut impl Reader) -> (Vec<u8>, Result<(), IoError>) {
    let mut bytes = Vec::new();
    loop {
        match poll_fn(|context| reader.poll_read(context)).await {
            Ok(Some(lent)) => {
                assert!(!lent.is_empty());
                bytes.extend_from_slice(&lent);
            }
            Ok(None) => return (bytes, Ok(())),
            Err(error) => return (bytes, Err(error)),
        }
    }
}

/// A connection, as the peer that connected and the one that was accepted.
pub(crate) async fn pair<B: Bench>(bench: &Rc<B>) -> (Peer<B::Engine>, Peer<B::Engine>) {
    let engine = bench.engine();
    let mut listener = bench.listen();
    let connecting = engine.connect(listener.local_address());
    let (client, server) = tokio::join!(connecting, engine::accept(&mut listener));
    let server = server.unwrap().expect("the listener was not stopped").connection;
    (Peer::new(&engine, client.unwrap()), Peer::new(&engine, server))
}

/// Bytes that tell where they stand.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let mut random = Random::new(length as u64);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&random.next().to_be_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Fails with the first difference instead of with a megabyte of text.
pub(crate) fn assert_same(received: &[u8], sent: &[u8]) {
    let differs = received.iter().zip(sent).position(|(left, right)| left != right);
    assert_eq!((received.len(), differs), (sent.len(), None), "length, and where it first differs");
}
