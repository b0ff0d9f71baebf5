//! What a writer has queued: bytes of its own, with at most one lent buffer among them.

use super::buffer::{BufferPool, Lent, Scratch};

/// A lent buffer up to this size is copied behind the queued bytes: one contiguous send costs less than a gathered one.
const COPY_BYTES_MAX: usize = 4096;
/// From this many sent bytes on, once they are half of all, the own bytes are moved to the front: a queue that is never
/// quite empty must not keep everything that it ever sent.
const MOVE_BYTES_MIN: usize = 4096;

/// The queue of one writer. Empty, it holds no buffer.
#[derive(Debug)]
pub struct Outbound {
    pool: BufferPool,
    own: Option<Scratch>,
    own_sent: usize,
    lent: Option<Lent>,
    /// The lent buffer goes out between the own bytes before this position and those after it.
    lent_at: usize,
}

impl Outbound {
    /// An empty queue that takes its buffers from `pool`.
    pub fn new(pool: BufferPool) -> Self {
        Outbound { pool, own: None, own_sent: 0, lent: None, lent_at: 0 }
    }

    /// Where bytes are appended, behind all that is queued.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        let own = self.own.get_or_insert_with(|| self.pool.scratch());
        if self.own_sent >= MOVE_BYTES_MIN && self.own_sent * 2 >= own.len() {
            own.drain(..self.own_sent);
            self.lent_at = self.lent_at.saturating_sub(self.own_sent);
            self.own_sent = 0;
        }
        own
    }

    /// Queues a lent buffer behind the rest. It is copied if it is small, or if another is still queued.
    pub fn lend(&mut self, lent: Lent) {
        if self.lent.is_some() || lent.len() <= COPY_BYTES_MAX {
            self.buffer().extend_from_slice(&lent);
        } else {
            self.lent_at = self.own.as_ref().map_or(0, |own| own.len());
            self.lent = Some(lent);
        }
    }

    /// What is still to be sent: own bytes, the lent ones, own bytes again. Any may be empty.
    pub fn slices(&self) -> [&[u8]; 3] {
        let own = self.own.as_ref().map_or(&[][..], |own| &own[..]);
        match &self.lent {
            None => [&own[self.own_sent..], &[], &[]],
            Some(lent) => [&own[self.own_sent..self.lent_at], lent, &own[self.lent_at..]],
        }
    }

    /// Whether nothing is left to send.
    pub fn is_empty(&self) -> bool {
        self.slices().iter().all(|slice| slice.is_empty())
    }

    /// Whether a lent buffer is among what is left: a good part of a body.
    pub fn holds_lent(&self) -> bool {
        self.lent.is_some()
    }

    /// Drops the first `count` bytes, which were sent, and the buffers that they emptied.
    pub fn advance(&mut self, mut count: usize) {
        if let Some(lent) = &mut self.lent {
            let before = count.min(self.lent_at - self.own_sent);
            let from_lent = (count - before).min(lent.len());
            self.own_sent += before;
            lent.advance(from_lent);
            count -= before + from_lent;
            if lent.is_empty() {
                self.lent = None;
            }
        }
        self.own_sent += count;
        if self.is_empty() {
            self.clear();
        }
    }

    /// Drops all that is queued.
    pub fn clear(&mut self) {
        self.own = None;
        self.own_sent = 0;
        self.lent = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lent(pool: &BufferPool, byte: u8, length: usize) -> Lent {
        let mut block = pool.take_block();
        block[..length].fill(byte);
        pool.lend(block, length)
    }

    #[test]
    fn bytes_leave_in_the_order_in_which_they_were_queued() {
        let pool = BufferPool::default();
        let mut outbound = Outbound::new(pool.clone());
        outbound.buffer().extend_from_slice(b"head");
        outbound.lend(lent(&pool, b'a', 5000));
        outbound.buffer().extend_from_slice(b"tail");
        outbound.lend(lent(&pool, b'b', 6000));
        let mut expected = b"head".to_vec();
        expected.extend([b'a'; 5000]);
        expected.extend(b"tail");
        expected.extend([b'b'; 6000]);
        outbound.buffer().extend_from_slice(b"end");
        expected.extend(b"end");
        let mut sent = Vec::new();
        while !outbound.is_empty() {
            let all = outbound.slices().concat();
            let count = all.len().min(777);
            sent.extend_from_slice(&all[..count]);
            outbound.advance(count);
        }
        assert_eq!(sent, expected);
        assert_eq!(pool.outstanding(), 0);
    }

    #[test]
    fn a_queue_that_is_never_empty_does_not_grow() {
        let pool = BufferPool::default();
        let mut outbound = Outbound::new(pool.clone());
        let (mut queued, mut sent) = (0u32, 0u32);
        for round in 0..1000 {
            for _ in 0..400 {
                outbound.buffer().extend_from_slice(&queued.to_be_bytes());
                queued += 1;
            }
            if round % 100 == 50 {
                outbound.lend(lent(&pool, 0, COPY_BYTES_MAX + 4));
            }
            while outbound.slices().concat().len() > 800 {
                let next: [u8; 4] = outbound.slices().concat()[..4].try_into().unwrap();
                if next != [0; 4] || sent == 0 {
                    assert_eq!(u32::from_be_bytes(next), sent);
                    sent += 1;
                }
                outbound.advance(4);
            }
            assert!(outbound.buffer().capacity() < 64 * 1024);
        }
    }

    #[test]
    fn a_small_lent_buffer_is_copied_and_a_large_one_kept() {
        let pool = BufferPool::default();
        let mut outbound = Outbound::new(pool.clone());
        outbound.lend(lent(&pool, b'a', COPY_BYTES_MAX));
        assert_eq!(outbound.slices()[0].len(), COPY_BYTES_MAX);
        outbound.lend(lent(&pool, b'b', COPY_BYTES_MAX + 1));
        assert_eq!(outbound.slices()[1].len(), COPY_BYTES_MAX + 1);
    }
}
