//! Connections over the driver.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};

use super::driver::{Place, UringDriver};
use super::operation::{Completion, Kept, Sending, Socket, is_transient};
use crate::engine::buffer::Lent;
use crate::engine::outbound::Outbound;
use crate::engine::{Connection, IoError, Reader, Writer, socket};

pub(super) type UringConnection = Connection<IoUringReader, IoUringWriter>;

/// The halves of a connected socket, which must not be set to non-blocking: operations on such a one would fail rather
/// than wait.
pub(super) fn halves(socket: Rc<Socket>, driver: &Rc<UringDriver>) -> UringConnection {
    let receive = Kept::Receive { socket: socket.clone(), eager: true };
    let sending = Sending::new(Outbound::new(driver.pool().clone()));
    let send = Kept::Send { socket: socket.clone(), sending };
    Connection {
        reader: IoUringReader {
            place: Place::new(driver, receive),
            socket: socket.clone(),
            eager: true,
            ended: false,
        },
        writer: IoUringWriter {
            place: Place::new(driver, send),
            socket,
            staged: Outbound::new(driver.pool().clone()),
            taken: 0,
        },
    }
}

/// The receiving half of a connection on io_uring.
#[derive(Debug)]
pub struct IoUringReader {
    place: Place,
    socket: Rc<Socket>,
    /// Whether the next receive tries at once: true at first, when a request often comes with the connection, and where
    /// the last receive left bytes behind. Otherwise the answer to what was just sent is still under way, and waiting
    /// for readiness first saves the kernel an attempt in vain.
    eager: bool,
    /// The stream has ended, or broke.
    ended: bool,
}

impl IoUringReader {
    fn take(&mut self, completion: Completion) -> Result<Option<Lent>, Errno> {
        self.eager = completion.more;
        let pool = self.place.driver().pool();
        match (completion.result(), completion.block) {
            (Ok(length @ 1..), Some(block)) => Ok(Some(pool.lend(block, length))),
            (Ok(1..), None) => Err(Errno::IO),
            (result, block) => {
                if let Some(block) = block {
                    pool.give_block(block);
                }
                result.map(|_| None)
            }
        }
    }
}

impl Reader for IoUringReader {
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Lent>, IoError>> {
        loop {
            let Some(completion) = ready!(self.place.poll(context)) else {
                self.place.receive(self.eager);
                continue;
            };
            match self.take(completion) {
                Ok(Some(lent)) => return Poll::Ready(Ok(Some(lent))),
                Err(errno) if is_transient(errno) => self.eager = true,
                Ok(None) => {
                    self.ended = true;
                    return Poll::Ready(self.socket.broken.get().map_or(Ok(None), Err));
                }
                Err(errno) => {
                    self.ended = true;
                    return Poll::Ready(Err(errno.into()));
                }
            }
        }
    }

    fn is_quiet(&mut self) -> bool {
        if self.ended {
            return false;
        }
        match self.place.peek() {
            Poll::Pending => true,
            Poll::Ready(Some(answer)) if answer >= 0 || !is_transient(Errno::from_raw_os_error(-answer)) => {
                false
            }
            Poll::Ready(_) => {
                self.place.receive(true);
                true
            }
        }
    }
}

/// The sending half of a connection on io_uring.
#[derive(Debug)]
pub struct IoUringWriter {
    place: Place,
    socket: Rc<Socket>,
    /// What was queued since the kernel got the rest, which nobody may touch.
    staged: Outbound,
    taken: u64,
}

impl Writer for IoUringWriter {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.staged.buffer()
    }

    fn lend(&mut self, bytes: Lent) {
        self.staged.lend(bytes);
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), IoError>> {
        loop {
            if let Some(completion) = ready!(self.place.poll(context)) {
                match completion.result() {
                    Ok(count) => {
                        self.taken += count as u64;
                        self.place.with_sending(|sending| sending.outbound.advance(count));
                    }
                    Err(errno) if is_transient(errno) => {}
                    Err(errno) => {
                        self.place.with_sending(|sending| sending.outbound.clear());
                        self.staged.clear();
                        return Poll::Ready(Err(errno.into()));
                    }
                }
            }
            if !self.place.send(&mut self.staged) {
                // What was asked for with `buffer` and never filled.
                self.staged.clear();
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn taken(&self) -> u64 {
        self.taken
    }

    fn local_address(&self) -> Option<SocketAddr> {
        socket::local_address(self.socket.descriptor.as_fd())
    }

    fn shutdown(&mut self) {
        // Not connected any more: then there is nothing to end.
        let _ = shutdown(&self.socket.descriptor, Shutdown::Write);
    }

    fn abort(&mut self) {
        self.staged.clear();
        socket::reset_on_close(self.socket.descriptor.as_fd());
    }
}
