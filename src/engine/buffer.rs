//! Buffers of one thread: lent by readers, passed on to writers, returned when dropped.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use super::spares::Spares;

/// Bytes of one block: the most that one read yields. 32 KiB keeps a body's receive and send in the second-level cache.
pub const BLOCK_BYTES: usize = 32 * 1024;
/// Free blocks kept for reuse by a thread, unless its engine needs more at once; the rest is given back to the allocator.
const FREE_BLOCKS_MIN: usize = 64;
/// Free vectors kept for reuse by a thread.
const FREE_VECTORS_MAX: usize = 256;
/// A vector that grew beyond this is given back to the allocator rather than kept: in time all that are kept are as large.
const KEPT_VECTOR_BYTES_MAX: usize = 8 * 1024;

/// The free blocks and vectors of one thread. Cloning shares them.
#[derive(Clone, Default)]
pub struct BufferPool(Rc<Free>);

#[derive(Default)]
struct Free {
    blocks: RefCell<Spares<Box<[u8]>>>,
    vectors: RefCell<Spares<Vec<u8>>>,
    out: Cell<usize>,
    kept_blocks: Cell<usize>,
}

impl BufferPool {
    /// A block of [`BLOCK_BYTES`] bytes with unspecified content.
    pub(super) fn take_block(&self) -> Box<[u8]> {
        self.0.blocks.borrow_mut().take().unwrap_or_else(|| vec![0; BLOCK_BYTES].into_boxed_slice())
    }

    /// Gives a block back.
    pub(super) fn give_block(&self, block: Box<[u8]>) {
        self.0.blocks.borrow_mut().give(block, self.0.kept_blocks.get().max(FREE_BLOCKS_MIN));
    }

    /// Keeps up to `blocks` free blocks from now on, for an engine that takes that many at once.
    pub(super) fn keep_blocks(&self, blocks: usize) {
        self.0.kept_blocks.set(blocks);
        self.0.blocks.borrow_mut().limit(blocks.max(FREE_BLOCKS_MIN));
    }

    /// Lends the first `length` bytes of `block`.
    pub(super) fn lend(&self, block: Box<[u8]>, length: usize) -> Lent {
        debug_assert!(length <= block.len());
        self.0.out.set(self.0.out.get() + 1);
        Lent { block, start: 0, end: length as u32, pool: self.clone() }
    }

    /// Lends what `fill` writes to the front of a block: it returns the length. This is how a layer above a connection
    /// (decryption, another library's stream) lends bytes of its own. The block's content is unspecified before.
    pub fn lend_with(&self, fill: impl FnOnce(&mut [u8]) -> usize) -> Lent {
        let mut block = self.take_block();
        let length = fill(&mut block).min(block.len());
        self.lend(block, length)
    }

    /// An empty vector that returns to the pool when dropped.
    pub fn scratch(&self) -> Scratch {
        self.0.out.set(self.0.out.get() + 1);
        Scratch { bytes: self.0.vectors.borrow_mut().take().unwrap_or_default(), pool: self.clone() }
    }

    /// Whether anything is kept for reuse.
    pub(super) fn has_spares(&self) -> bool {
        !self.0.blocks.borrow().is_empty() || !self.0.vectors.borrow().is_empty()
    }

    /// Gives up what was kept and not needed since the last call.
    pub(super) fn release_spares(&self) {
        self.0.blocks.borrow_mut().release();
        self.0.vectors.borrow_mut().release();
    }

    /// How many lent buffers and scratch vectors are out: zero when nothing is in flight.
    pub fn outstanding(&self) -> usize {
        self.0.out.get()
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BufferPool").field("outstanding", &self.outstanding()).finish_non_exhaustive()
    }
}

/// Bytes in a buffer of the engine. The buffer goes back to its pool when this is dropped.
pub struct Lent {
    block: Box<[u8]>,
    start: u32,
    end: u32,
    pool: BufferPool,
}

impl Lent {
    /// Drops the first `count` bytes.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.len(), "advance past the end of a lent buffer");
        self.start += count as u32;
    }

    /// Keeps only the first `length` bytes, if there are more.
    pub fn truncate(&mut self, length: usize) {
        if length < self.len() {
            self.end = self.start + length as u32;
        }
    }
}

impl Deref for Lent {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.block[self.start as usize..self.end as usize]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.pool.0.out.set(self.pool.0.out.get() - 1);
        self.pool.give_block(std::mem::take(&mut self.block));
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Lent({} bytes)", self.len())
    }
}

/// A growable buffer from the pool, for heads and small bodies.
pub struct Scratch {
    bytes: Vec<u8>,
    pool: BufferPool,
}

impl Deref for Scratch {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.pool.0.out.set(self.pool.0.out.get() - 1);
        if (1..=KEPT_VECTOR_BYTES_MAX).contains(&self.bytes.capacity()) {
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.clear();
            self.pool.0.vectors.borrow_mut().give(bytes, FREE_VECTORS_MAX);
        }
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Scratch({} bytes)", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lent_buffer_shows_what_is_left_and_returns_its_block() {
        let pool = BufferPool::default();
        let mut block = pool.take_block();
        block[..5].copy_from_slice(b"hello");
        let address = block.as_ptr();
        let mut lent = pool.lend(block, 5);
        lent.advance(1);
        lent.truncate(3);
        assert_eq!(&*lent, b"ell");
        assert_eq!(pool.outstanding(), 1);
        drop(lent);
        assert_eq!(pool.outstanding(), 0);
        let again = pool.take_block();
        assert_eq!(again.as_ptr(), address);
    }

    #[test]
    fn a_layer_lends_bytes_of_its_own() {
        let pool = BufferPool::default();
        let lent = pool.lend_with(|block| {
            block[..3].copy_from_slice(b"abc");
            3
        });
        assert_eq!(&*lent, b"abc");
        assert_eq!(pool.lend_with(|_| usize::MAX).len(), BLOCK_BYTES);
    }

    #[test]
    fn a_scratch_vector_comes_back_empty_unless_it_grew_too_large() {
        let pool = BufferPool::default();
        let mut small = pool.scratch();
        small.extend_from_slice(b"abc");
        drop(small);
        let reused = pool.scratch();
        assert!(reused.is_empty() && reused.capacity() >= 3);
        drop(reused);
        let mut large = pool.scratch();
        large.resize(KEPT_VECTOR_BYTES_MAX + 1, 0);
        drop(large);
        assert_eq!(pool.scratch().capacity(), 0);
    }
}
