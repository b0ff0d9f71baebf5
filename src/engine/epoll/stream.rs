//! Connections and listeners over the reactor.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, SocketFlags, recv, shutdown};

use super::reactor::{Reactor, Source};
use crate::engine::buffer::{BLOCK_BYTES, BufferPool, Lent};
use crate::engine::outbound::Outbound;
use crate::engine::{Accepted, Connection, Incoming, IoError, Listener, Reader, Writer, socket};

type EpollConnection = Connection<EpollReader, EpollWriter>;

fn halves(source: Rc<Source>, pool: BufferPool) -> EpollConnection {
    Connection {
        reader: EpollReader { source: source.clone(), pool: pool.clone() },
        writer: EpollWriter { source, outbound: Outbound::new(pool), taken: 0 },
    }
}

/// The receiving half of a connection on epoll.
#[derive(Debug)]
pub struct EpollReader {
    source: Rc<Source>,
    pool: BufferPool,
}

impl Reader for EpollReader {
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Lent>, IoError>> {
        loop {
            std::task::ready!(self.source.read.poll(context));
            let mut block = self.pool.take_block();
            let received = recv(self.source.socket(), &mut block[..], RecvFlags::empty());
            match received {
                Ok((0, _)) => {
                    self.pool.give_block(block);
                    return Poll::Ready(self.source.broken.get().map_or(Ok(None), Err));
                }
                Ok((length, _)) => {
                    // Less than asked for: the kernel is empty, and what comes next is a new edge. Not so once the
                    // peer has ended its stream, for which there will be no other edge.
                    if length < BLOCK_BYTES && !self.source.ended.get() {
                        self.source.read.clear();
                    }
                    return Poll::Ready(Ok(Some(self.pool.lend(block, length))));
                }
                Err(errno) => {
                    self.pool.give_block(block);
                    match errno {
                        Errno::AGAIN => self.source.read.clear(),
                        Errno::INTR => {}
                        errno => {
                            self.source.broken.set(Some(errno.into()));
                            return Poll::Ready(Err(errno.into()));
                        }
                    }
                }
            }
        }
    }

    fn is_quiet(&mut self) -> bool {
        !self.source.read.is_set() && !self.source.ended.get()
    }
}

/// The sending half of a connection on epoll.
#[derive(Debug)]
pub struct EpollWriter {
    source: Rc<Source>,
    outbound: Outbound,
    taken: u64,
}

impl Writer for EpollWriter {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.outbound.buffer()
    }

    fn lend(&mut self, bytes: Lent) {
        self.outbound.lend(bytes);
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), IoError>> {
        while !self.outbound.is_empty() {
            std::task::ready!(self.source.write.poll(context));
            match socket::send_parts(self.source.socket(), self.outbound.slices(), SendFlags::empty()) {
                Ok(count) => {
                    self.taken += count as u64;
                    self.outbound.advance(count);
                }
                Err(Errno::AGAIN) => self.source.write.clear(),
                Err(Errno::INTR) => {}
                Err(errno) => {
                    self.outbound.clear();
                    // A broken pipe is a stream that we ended, or that broke after the peer had ended its own.
                    if errno != Errno::PIPE {
                        self.source.broken.set(Some(errno.into()));
                    }
                    return Poll::Ready(Err(errno.into()));
                }
            }
        }
        // What was asked for with `buffer` and never filled.
        self.outbound.clear();
        Poll::Ready(Ok(()))
    }

    fn taken(&self) -> u64 {
        self.taken
    }

    fn local_address(&self) -> Option<SocketAddr> {
        socket::local_address(self.source.socket())
    }

    fn shutdown(&mut self) {
        // Not connected any more: then there is nothing to end.
        let _ = shutdown(self.source.socket(), Shutdown::Write);
    }

    fn abort(&mut self) {
        self.outbound.clear();
        socket::reset_on_close(self.source.socket());
    }
}

/// A connection being made on epoll.
#[derive(Debug)]
pub struct EpollConnect {
    state: Result<Rc<Source>, IoError>,
    pool: BufferPool,
}

impl EpollConnect {
    pub(super) fn new(address: SocketAddr, pool: BufferPool, reactor: &Rc<Reactor>) -> Self {
        EpollConnect { state: Self::begin(address, reactor), pool }
    }

    fn begin(address: SocketAddr, reactor: &Rc<Reactor>) -> Result<Rc<Source>, IoError> {
        let socket = socket::outgoing(address)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&address.into()) {
            Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => Err(error.into()),
            _ => Ok(reactor.watch(OwnedFd::from(socket), false, false)?),
        }
    }
}

impl Future for EpollConnect {
    type Output = Result<EpollConnection, IoError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let source = match &self.state {
            Ok(source) => source.clone(),
            Err(error) => return Poll::Ready(Err(*error)),
        };
        std::task::ready!(source.write.poll(context));
        if let Err(errno) = rustix::net::sockopt::socket_error(source.socket()).map_err(IoError::from)? {
            return Poll::Ready(Err(errno.into()));
        }
        self.state = Err(IoError::Closed);
        Poll::Ready(Ok(halves(source, self.pool.clone())))
    }
}

/// A listening socket on epoll.
#[derive(Debug)]
pub struct EpollListener {
    source: Rc<Source>,
    reactor: Rc<Reactor>,
    pool: BufferPool,
    address: SocketAddr,
    stopped: bool,
}

impl EpollListener {
    pub(super) fn new(socket: TcpListener, pool: BufferPool, reactor: &Rc<Reactor>) -> Result<Self, IoError> {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let source = reactor.watch(OwnedFd::from(socket), true, false)?;
        Ok(EpollListener { source, reactor: reactor.clone(), pool, address, stopped: false })
    }
}

impl Listener for EpollListener {
    type Socket = OwnedFd;
    type Reader = EpollReader;
    type Writer = EpollWriter;

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Incoming<OwnedFd>>, IoError>> {
        loop {
            if !self.stopped {
                std::task::ready!(self.source.read.poll(context));
            }
            match socket::accept(self.source.socket(), SocketFlags::NONBLOCK) {
                Ok((socket, peer)) => return Poll::Ready(Ok(Some(Incoming { socket, peer }))),
                Err(Errno::AGAIN) if self.stopped => return Poll::Ready(Ok(None)),
                Err(Errno::AGAIN) => self.source.read.clear(),
                Err(Errno::INTR) => {}
                Err(errno) => return Poll::Ready(Err(errno.into())),
            }
        }
    }

    fn adopt(
        &mut self,
        Incoming { socket, peer }: Incoming<OwnedFd>,
    ) -> Result<Accepted<EpollReader, EpollWriter>, IoError> {
        let source = self.reactor.watch(socket, false, true)?;
        Ok(Accepted { connection: halves(source, self.pool.clone()), peer })
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn local_address(&self) -> SocketAddr {
        self.address
    }
}
