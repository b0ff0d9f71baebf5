//! A connection in the shape that other protocol libraries want: tokio's `AsyncRead` and `AsyncWrite`.
//!
//! Both traits are part of tokio's core and need no tokio runtime. What is in flight stays in the halves, so that a
//! library may drop its futures as it likes.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Connection, IoError, Lent, Reader, Writer};

/// Bytes that a write may queue before all that was queued is sent.
const QUEUED_BYTES_MAX: usize = 32 * 1024;

/// A connection as one stream. Idle, it holds no buffer.
#[derive(Debug)]
pub struct IoStream<R, W> {
    reader: R,
    writer: W,
    /// What a read yielded beyond the room that it was given.
    unread: Option<Lent>,
    /// Bytes were queued and not all of them are sent.
    unsent: bool,
    shut: bool,
}

impl<R: Reader, W: Writer> IoStream<R, W> {
    /// The stream of both halves.
    pub fn new(connection: Connection<R, W>) -> Self {
        let Connection { reader, writer } = connection;
        IoStream { reader, writer, unread: None, unsent: false, shut: false }
    }

    /// Whether nothing has come that was not read. See [`Reader::is_quiet`].
    pub fn is_quiet(&mut self) -> bool {
        self.unread.is_none() && self.reader.is_quiet()
    }

    /// See [`Writer::local_address`].
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.writer.local_address()
    }

    /// Makes the end of the stream a reset. See [`Writer::abort`].
    pub fn abort(&mut self) {
        self.unsent = false;
        self.shut = true;
        self.writer.abort();
    }

    /// Sends what is queued.
    fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = ready!(self.writer.poll_flush(context));
        self.unsent = false;
        Poll::Ready(sent.map_err(io::Error::from))
    }

    /// Queues what fits of `parts`. It sends it too, as far as that goes without waiting, because a library that knows
    /// sockets may not flush.
    fn poll_queue<'a>(
        &mut self,
        context: &mut Context<'_>,
        parts: impl Iterator<Item = &'a [u8]>,
    ) -> Poll<io::Result<usize>> {
        if self.shut {
            return Poll::Ready(Err(IoError::Closed.into()));
        }
        if self.unsent {
            ready!(self.poll_sent(context))?;
        }
        let mut queued = 0;
        for part in parts {
            let fits = part.len().min(QUEUED_BYTES_MAX - queued);
            self.writer.buffer().extend_from_slice(&part[..fits]);
            queued += fits;
        }
        self.unsent = true;
        match self.poll_sent(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(queued)),
        }
    }
}

impl<R: Reader + Unpin, W: Writer + Unpin> AsyncRead for IoStream<R, W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if this.unread.is_none() {
            this.unread = ready!(this.reader.poll_read(context))?;
        }
        let Some(lent) = &mut this.unread else { return Poll::Ready(Ok(())) };
        let length = lent.len().min(buffer.remaining());
        buffer.put_slice(&lent[..length]);
        lent.advance(length);
        if lent.is_empty() {
            this.unread = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<R: Reader + Unpin, W: Writer + Unpin> AsyncWrite for IoStream<R, W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_queue(context, std::iter::once(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_queue(context, slices.iter().map(|slice| &**slice))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            ready!(self.poll_sent(context))?;
            self.shut = true;
            self.writer.shutdown();
        }
        Poll::Ready(Ok(()))
    }
}

impl From<IoError> for io::Error {
    /// The kernel's error, so that the way back ([`IoError::from`]) yields the same.
    fn from(error: IoError) -> Self {
        let errno = match error {
            IoError::TimedOut => Errno::TIMEDOUT,
            IoError::Reset => Errno::CONNRESET,
            IoError::Refused => Errno::CONNREFUSED,
            IoError::Unreachable => Errno::HOSTUNREACH,
            IoError::Closed => Errno::PIPE,
            IoError::Exhausted => Errno::NOBUFS,
            IoError::Other(number) => return io::Error::from_raw_os_error(number),
        };
        errno.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_the_same_after_the_way_there_and_back() {
        for error in [
            IoError::TimedOut,
            IoError::Reset,
            IoError::Refused,
            IoError::Unreachable,
            IoError::Closed,
            IoError::Exhausted,
            IoError::Other(Errno::ADDRINUSE.raw_os_error()),
        ] {
            assert_eq!(IoError::from(io::Error::from(error)), error);
        }
    }
}
