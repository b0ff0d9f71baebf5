//! Listening sockets over the driver.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::driver::{Place, UringDriver};
use super::operation::{Kept, Socket};
use super::stream::{IoUringReader, IoUringWriter, halves};
use crate::engine::{Accepted, Incoming, IoError, Listener, socket};

/// A listening socket on io_uring.
///
/// The ring waits for readiness and `accept` takes what is queued, rather than a multishot accept: that one yields no
/// address, so that each connection costs a system call either way (`getpeername` there, `accept` here), and it would
/// take connections out of the queue that no task has asked for, which a dropped listener would have to cut.
#[derive(Debug)]
pub struct IoUringListener {
    /// Waits until the queue has a connection.
    place: Place,
    socket: Rc<Socket>,
    address: SocketAddr,
    /// The queue may have a connection.
    ready: bool,
    stopped: bool,
}

impl IoUringListener {
    pub(super) fn new(socket: TcpListener, driver: &Rc<UringDriver>) -> Result<Self, IoError> {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let socket = Rc::new(Socket::from(OwnedFd::from(socket)));
        let place = Place::new(driver, Kept::Readable { socket: socket.clone() });
        Ok(IoUringListener { place, socket, address, ready: true, stopped: false })
    }

    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // An error of the wait is left to `accept` to tell.
        while ready!(self.place.poll(context)).is_none() {
            self.place.start();
        }
        self.ready = true;
        Poll::Ready(())
    }
}

impl Listener for IoUringListener {
    type Socket = OwnedFd;
    type Reader = IoUringReader;
    type Writer = IoUringWriter;

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Incoming<OwnedFd>>, IoError>> {
        loop {
            if !self.stopped && !self.ready {
                ready!(self.poll_readable(context));
            }
            // The accepted socket is blocking: see `halves`.
            match socket::accept(self.socket.descriptor.as_fd(), SocketFlags::empty()) {
                Ok((socket, peer)) => return Poll::Ready(Ok(Some(Incoming { socket, peer }))),
                Err(Errno::AGAIN) if self.stopped => return Poll::Ready(Ok(None)),
                Err(Errno::AGAIN) => self.ready = false,
                Err(Errno::INTR) => {}
                Err(errno) => return Poll::Ready(Err(errno.into())),
            }
        }
    }

    fn adopt(
        &mut self,
        Incoming { socket, peer }: Incoming<OwnedFd>,
    ) -> Result<Accepted<IoUringReader, IoUringWriter>, IoError> {
        Ok(Accepted { connection: halves(Rc::new(socket.into()), self.place.driver()), peer })
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn local_address(&self) -> SocketAddr {
        self.address
    }
}
