//! Bytes that came on a connection and are not used up yet.

use std::future::Future;
use std::task::{Context, Poll};

use super::buffer::BLOCK_BYTES;
use super::{BufferPool, IoError, Lent, Reader, Scratch, Timer, within};
use crate::base::time::Moment;

/// Fills in a row that find bytes, after which the other connections have their turn: as many blocks as a thread moves in
/// well under a millisecond. Without a bound a body that comes, and is taken, faster than it is moved would keep the thread
/// until its end.
const FILLS_IN_A_ROW_MAX: u8 = 8;

/// The most bytes that wait for more in a vector instead of a block: a head that drips would hold a whole one.
const SHRUNK_BYTES_MAX: usize = BLOCK_BYTES / 2;

/// A reader and what it has read ahead.
///
/// Holds nothing while idle. Bytes stay in the buffer that the engine lent, but for those that wait for more: a head, or
/// the beginning of a body, that comes in several reads is put together in a vector.
#[derive(Debug)]
pub struct Inbound<R> {
    reader: R,
    front: Front,
    pool: BufferPool,
    received: u64,
    fills_in_a_row: u8,
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
        Inbound { reader, front: Front::Empty, pool, received: 0, fills_in_a_row: 0 }
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

    /// Waits for bytes beyond those that are there. Where they always are it pretends now and then that they are not, and
    /// wakes the task itself, so that the thread's other tasks run and the driver looks at the kernel. Whatever moves bytes
    /// comes by here, so that a connection's share of its thread is bounded in this one place.
    ///
    /// # Errors
    /// As [`Reader::poll_read`].
    pub fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<Result<Filled, IoError>> {
        if self.fills_in_a_row == FILLS_IN_A_ROW_MAX {
            self.fills_in_a_row = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Poll::Ready(read) = self.reader.poll_read(context) else {
            self.fills_in_a_row = 0;
            self.shrink();
            return Poll::Pending;
        };
        self.fills_in_a_row += 1;
        let Some(lent) = read? else { return Poll::Ready(Ok(Filled::End)) };
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

    /// Moves a few bytes out of the block in which they came, whose rest would wait with them.
    fn shrink(&mut self) {
        if let Front::Lent(lent) = &self.front
            && lent.len() <= SHRUNK_BYTES_MAX
        {
            let mut bytes = self.pool.scratch();
            bytes.extend_from_slice(lent);
            self.front = Front::Joined { bytes, used: 0 };
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    /// A peer that has bytes whenever it is asked, but for every `pause`th time.
    struct Flood {
        pool: BufferPool,
        reads: usize,
        pause: usize,
    }

    impl Reader for Flood {
        fn poll_read(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Lent>, IoError>> {
            self.reads += 1;
            if self.reads.is_multiple_of(self.pause) {
                return Poll::Pending;
            }
            Poll::Ready(Ok(Some(self.pool.lend_with(|_| 1))))
        }

        fn is_quiet(&mut self) -> bool {
            false
        }
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many of `polls` found bytes, and how often the task was told to come again.
    fn fill_from(pause: usize, polls: usize) -> (usize, usize) {
        let pool = BufferPool::default();
        let mut inbound = Inbound::new(Flood { pool: pool.clone(), reads: 0, pause }, pool);
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut filled = 0;
        for _ in 0..polls {
            filled += usize::from(inbound.poll_fill(&mut Context::from_waker(&waker)).is_ready());
            inbound.consume(inbound.bytes().len());
        }
        assert_eq!(inbound.received(), filled as u64, "no byte is lost");
        (filled, wakes.0.load(Ordering::Relaxed))
    }

    #[test]
    fn a_flood_lets_others_have_their_turn_and_comes_again() {
        let row = usize::from(FILLS_IN_A_ROW_MAX);
        assert_eq!(fill_from(usize::MAX, row), (row, 0));
        assert_eq!(fill_from(usize::MAX, 10 * (row + 1)), (10 * row, 10));
    }

    #[test]
    fn a_few_bytes_that_wait_for_more_hold_no_block() {
        let pool = BufferPool::default();
        let mut inbound = Inbound::new(Flood { pool: pool.clone(), reads: 0, pause: 2 }, pool);
        let mut context = Context::from_waker(Waker::noop());
        assert!(inbound.poll_fill(&mut context).is_ready());
        assert!(matches!(inbound.front, Front::Lent(_)));
        assert!(inbound.poll_fill(&mut context).is_pending());
        assert!(matches!(inbound.front, Front::Joined { .. }));
        assert_eq!(inbound.bytes().len(), 1);
    }

    #[test]
    fn who_pauses_anyway_is_not_held_up() {
        let row = usize::from(FILLS_IN_A_ROW_MAX);
        assert_eq!(fill_from(row, 10 * row), (10 * (row - 1), 0));
    }
}
