//! Bytes that came on a connection and are not used up yet.

use std::future::Future;
use std::task::{Context, Poll, ready};

use super::{BufferPool, IoError, Lent, Reader, Scratch, Timer, within};
use crate::base::time::Moment;

/// A reader and what it has read ahead.
///
/// Holds nothing while idle. Bytes stay in the buffer that the engine lent; only a head that came in several reads is
/// put together in a vector.
#[derive(Debug)]
pub struct Inbound<R> {
    reader: R,
    front: Front,
    pool: BufferPool,
    received: u64,
}

#[derive(Debug)]
enum Front {
    Empty,
    Lent(Lent),
    Joined { bytes: Scratch, used: usize },
}

/// What came of waiting for more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// There are more bytes than before.
    More,
    /// The peer has ended its stream.
    End,
}

impl<R: Reader> Inbound<R> {
    /// Nothing has come yet from `reader`; heads in pieces are put together in vectors of `pool`.
    pub fn new(reader: R, pool: BufferPool) -> Self {
        Inbound { reader, front: Front::Empty, pool, received: 0 }
    }

    /// What has come and is not used up.
    pub fn bytes(&self) -> &[u8] {
        match &self.front {
            Front::Empty => &[],
            Front::Lent(lent) => lent,
            Front::Joined { bytes, used } => &bytes[*used..],
        }
    }

    /// How many bytes have come since the connection began.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Marks the first `count` bytes as used.
    pub fn consume(&mut self, count: usize) {
        match &mut self.front {
            Front::Empty => debug_assert_eq!(count, 0),
            Front::Lent(lent) => lent.advance(count),
            Front::Joined { used, .. } => *used += count,
        }
        if self.bytes().is_empty() {
            self.front = Front::Empty;
        }
    }

    /// Takes all bytes as the buffer in which they came, where that is possible without copying.
    pub fn take_lent(&mut self) -> Option<Lent> {
        match std::mem::replace(&mut self.front, Front::Empty) {
            Front::Lent(lent) => Some(lent),
            other => {
                self.front = other;
                None
            }
        }
    }

    /// Waits for bytes beyond those that are there.
    ///
    /// # Errors
    /// As [`Reader::poll_read`].
    pub fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<Result<Filled, IoError>> {
        let Some(lent) = ready!(self.reader.poll_read(context))? else { return Poll::Ready(Ok(Filled::End)) };
        self.received += lent.len() as u64;
        self.front = match std::mem::replace(&mut self.front, Front::Empty) {
            Front::Empty => Front::Lent(lent),
            Front::Lent(first) => {
                let mut bytes = self.pool.scratch();
                bytes.extend_from_slice(&first);
                bytes.extend_from_slice(&lent);
                Front::Joined { bytes, used: 0 }
            }
            Front::Joined { mut bytes, used } => {
                bytes.drain(..used);
                bytes.extend_from_slice(&lent);
                Front::Joined { bytes, used: 0 }
            }
        };
        Poll::Ready(Ok(Filled::More))
    }

    /// As [`Inbound::poll_fill`], until `deadline`.
    ///
    /// # Errors
    /// [`IoError::TimedOut`] at the deadline; nothing that comes later is lost to the next call.
    pub fn fill(
        &mut self,
        timer: &mut Timer,
        deadline: Moment,
    ) -> impl Future<Output = Result<Filled, IoError>> {
        let fill = within(timer, deadline, |context| self.poll_fill(context));
        async { fill.await? }
    }

    /// Whether nothing has come, neither bytes nor an end: see [`Reader::is_quiet`].
    pub fn is_quiet(&mut self) -> bool {
        self.bytes().is_empty() && self.reader.is_quiet()
    }
}
