//! Connections over the driver.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, shutdown};

use super::driver::{Place, UringDriver};
use super::operation::{Completion, Kept, Socket, is_transient};
use crate::engine::buffer::Lent;
use crate::engine::outbound::Outbound;
use crate::engine::{Connection, IoError, Reader, Writer, socket};

pub(super) type UringConnection = Connection<IoUringReader, IoUringWriter>;

/// The halves of a connected socket, which must not be set to non-blocking: operations on such a one would fail rather
/// than wait.
pub(super) fn halves(socket: Rc<Socket>, driver: &Rc<UringDriver>) -> UringConnection {
    let receive = Kept::Receive { socket: socket.clone(), eager: true };
    let send = Kept::Send { socket: socket.clone(), sending: None };
    Connection {
        reader: IoUringReader {
            place: Place::new(driver, receive),
            socket: socket.clone(),
            next: Next::Later,
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
    next: Next,
    /// The stream has ended, or broke.
    ended: bool,
}

/// What is known of the next receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Nothing is known: it tries at once.
    Soon,
    /// The last one left bytes behind: they are taken by a call of their own. Of a long body each part is sent while the
    /// processor's cache holds it; what is received with the next look at the kernel, together with all other
    /// connections', is not there any more when it is sent.
    More,
    /// A new connection's request, or the answer to what was just sent, is still under way: waiting for readiness first saves
    /// the kernel an attempt in vain.
    Later,
}

impl IoUringReader {
    /// What is there now, if the kernel does not have to wait for it.
    fn read_now(&mut self) -> Option<Result<Option<Lent>, Errno>> {
        let pool = self.place.driver().pool();
        let mut block = pool.take_block();
        let received = recv(&self.socket.descriptor, &mut block[..], RecvFlags::DONTWAIT);
        let length = received.map_or(0, |(length, _)| length);
        // Less than asked for: the kernel is empty.
        self.next = if length == block.len() { Next::More } else { Next::Later };
        if length > 0 {
            return Some(Ok(Some(pool.lend(block, length))));
        }
        pool.give_block(block);
        match received {
            Ok(_) => Some(Ok(None)),
            Err(errno) if is_transient(errno) => None,
            Err(errno) => {
                self.socket.note(errno);
                Some(Err(errno))
            }
        }
    }

    fn take(&mut self, completion: Completion) -> Result<Option<Lent>, Errno> {
        self.next = if completion.more { Next::More } else { Next::Later };
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
            let completed = ready!(self.place.poll(context)).map(|completion| self.take(completion));
            let now = |reader: &mut Self| if reader.next == Next::More { reader.read_now() } else { None };
            let Some(read) = completed.or_else(|| now(self)) else {
                self.place.receive(self.next != Next::Later);
                continue;
            };
            match read {
                Ok(Some(lent)) => return Poll::Ready(Ok(Some(lent))),
                Err(errno) if is_transient(errno) => self.next = Next::Soon,
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

impl IoUringWriter {
    /// Sends what the kernel takes of a part of a body without waiting: see [`Next::More`].
    fn send_now(&mut self) -> Result<(), Errno> {
        if !self.staged.holds_lent() || self.place.has_unsent() {
            return Ok(());
        }
        let socket = self.socket.descriptor.as_fd();
        match socket::send_parts(socket, self.staged.slices(), SendFlags::DONTWAIT) {
            Ok(count) => {
                self.taken += count as u64;
                self.staged.advance(count);
            }
            Err(errno) if is_transient(errno) => {}
            Err(errno) => {
                self.socket.note(errno);
                return Err(errno);
            }
        }
        Ok(())
    }

    fn fail(&mut self, errno: Errno) -> IoError {
        self.place.clear();
        self.staged.clear();
        errno.into()
    }
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
                        self.place.advance(count);
                    }
                    Err(errno) if is_transient(errno) => {}
                    Err(errno) => return Poll::Ready(Err(self.fail(errno))),
                }
            }
            if let Err(errno) = self.send_now() {
                return Poll::Ready(Err(self.fail(errno)));
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
