//! Buffers that the kernel picks from when bytes arrive, so that a waiting receive holds none.

use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use super::probe::Unavailable;
use super::ring::Ring;
use crate::engine::buffer::{BLOCK_BYTES, BufferPool};

/// The group that receives name.
pub(super) const GROUP: u16 = 0;
/// Entries of the shared table: the most buffers with the kernel. A power of two.
const ENTRIES: usize = 1024;
/// Buffers kept with the kernel at least, also by a thread at rest. It uses them in turn, so that fewer stay warmer in the cache.
const DEPTH_MIN: usize = 8;
/// Looks at the kernel between two decisions to keep fewer buffers with it.
const WINDOW: u32 = 4096;
/// Buffers used since the last renewal from which on there is one, when it is quiet, at whatever depth: fewer are no rush.
const RENEWED_AFTER: u32 = 256;

/// One buffer as the kernel reads it (`struct io_uring_buf`).
#[derive(Default)]
#[repr(C)]
struct Entry {
    address: AtomicU64,
    length: AtomicU32,
    id: AtomicU16,
    /// In the first entry: how many entries were ever filled. Elsewhere unused.
    tail: AtomicU16,
}

/// The table that is shared with the kernel. It begins a page, whatever the size of a page.
#[repr(C, align(65536))]
struct Table([Entry; ENTRIES]);

/// The buffers of one thread that are with the kernel. It takes one when a receive has bytes to put into it.
///
/// Each look at the kernel first restores their number, the depth, from the thread's pool: readers that keep what they
/// were lent, because what they write to is stalled, starve nobody. Only a single look that completes more receives
/// than the depth runs short; those ask again, and the depth doubles.
pub(super) struct ProvidedBuffers {
    table: Box<Table>,
    tail: u16,
    /// Blocks that the kernel may write to, by buffer id.
    blocks: Vec<Option<NonNull<[u8]>>>,
    /// Ids of which no block is with the kernel.
    ids: Vec<u16>,
    depth: usize,
    /// A receive found no buffer since the last look.
    short: bool,
    /// The most that one look has used within the window.
    peak: usize,
    looks: u32,
    /// Buffers used since the last renewal.
    used: u32,
    pool: BufferPool,
}

impl ProvidedBuffers {
    /// Registers an empty table with `ring`.
    pub(super) fn new(ring: &Ring, pool: BufferPool) -> Result<Self, Unavailable> {
        let table = Box::new(Table(std::array::from_fn(|_| Entry::default())));
        let address = (&raw const *table) as u64;
        // SAFETY: the table is aligned to every size of page, and `close` unregisters it before it is freed.
        unsafe { ring.register_buffers(address, ENTRIES as u16, GROUP) }?;
        Ok(ProvidedBuffers {
            table,
            tail: 0,
            blocks: vec![None; ENTRIES],
            ids: (0..ENTRIES as u16).rev().collect(),
            depth: DEPTH_MIN,
            short: false,
            peak: 0,
            looks: 0,
            used: 0,
            pool,
        })
    }

    /// Restores the depth. To be called before each look at the kernel.
    pub(super) fn top_up(&mut self) {
        self.adapt();
        let before = self.tail;
        while self.with_kernel() < self.depth {
            let Some(id) = self.ids.pop() else { break };
            self.provide(id);
        }
        if self.tail != before {
            self.table.0[0].tail.store(self.tail, Ordering::Release);
        }
    }

    fn provide(&mut self, id: u16) {
        let block = NonNull::from(Box::leak(self.pool.take_block()));
        let entry = &self.table.0[usize::from(self.tail) % ENTRIES];
        entry.address.store(block.as_ptr().expose_provenance() as u64, Ordering::Relaxed);
        entry.length.store(BLOCK_BYTES as u32, Ordering::Relaxed);
        entry.id.store(id, Ordering::Relaxed);
        self.blocks[usize::from(id)] = Some(block);
        self.tail = self.tail.wrapping_add(1);
    }

    /// The block into which the kernel has put the bytes of a completed receive.
    pub(super) fn take(&mut self, id: u16) -> Option<Box<[u8]>> {
        let block = self.blocks.get_mut(usize::from(id))?.take()?;
        self.ids.push(id);
        self.used = self.used.saturating_add(1);
        // SAFETY: it is a box of the pool, leaked once by `provide`; the completion says that the kernel let go of it.
        Some(unsafe { Box::from_raw(block.as_ptr()) })
    }

    /// Notes that a receive found no buffer.
    pub(super) fn ran_short(&mut self) {
        self.short = true;
    }

    /// How many buffers are with the kernel.
    fn with_kernel(&self) -> usize {
        ENTRIES - self.ids.len()
    }

    /// Doubles the depth after a shortage; halves it after a window in which a quarter would have done.
    fn adapt(&mut self) {
        self.peak = self.peak.max(self.depth.saturating_sub(self.with_kernel()));
        self.looks += 1;
        if self.short {
            self.change_depth((self.depth * 2).min(ENTRIES));
            self.short = false;
        } else if self.looks >= WINDOW {
            if self.peak <= self.depth / 4 {
                self.change_depth((self.depth / 2).max(DEPTH_MIN));
            }
            self.peak = 0;
            self.looks = 0;
        }
    }

    fn change_depth(&mut self, depth: usize) {
        self.depth = depth;
        self.peak = 0;
        self.looks = 0;
        self.pool.keep_blocks(depth);
    }

    /// Whether a rush has gone over the buffers since the last renewal, or left more than the least with the kernel.
    pub(super) fn is_worn(&self) -> bool {
        self.used >= RENEWED_AFTER || self.depth > DEPTH_MIN
    }

    /// Frees the buffers and begins anew with few. Those that a rush left with the kernel would stay there until as many receives
    /// had used them; and they lie scattered among others that are free by now, of which the allocator can give back only whole
    /// neighbourhoods. No receive may be in flight: only receives read the table.
    pub(super) fn renew(&mut self) {
        self.tail = self.tail.wrapping_sub(self.with_kernel() as u16);
        self.table.0[0].tail.store(self.tail, Ordering::Release);
        self.take_back().for_each(drop);
        self.change_depth(DEPTH_MIN);
        self.used = 0;
    }

    /// Takes the buffers back from the kernel. No receive may be in flight.
    pub(super) fn close(&mut self, ring: &Ring) {
        ring.unregister_buffers(GROUP);
        let pool = self.pool.clone();
        self.take_back().for_each(|block| pool.give_block(block));
    }

    fn take_back(&mut self) -> impl Iterator<Item = Box<[u8]>> {
        (0..ENTRIES as u16).filter_map(|id| self.take(id))
    }

    /// Gives the buffers up, because the kernel may still write to them.
    pub(super) fn leak(self) {
        Box::leak(self.table);
    }
}

impl fmt::Debug for ProvidedBuffers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ProvidedBuffers")
            .field("with_kernel", &self.with_kernel())
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provided() -> (Ring, ProvidedBuffers, BufferPool) {
        let ring = Ring::new().unwrap();
        let pool = BufferPool::default();
        let provided = ProvidedBuffers::new(&ring, pool.clone()).unwrap();
        (ring, provided, pool)
    }

    fn use_up(provided: &mut ProvidedBuffers, count: usize) {
        let ids: Vec<u16> = (0..ENTRIES as u16)
            .filter(|&id| provided.blocks[usize::from(id)].is_some())
            .take(count)
            .collect();
        for id in ids {
            let block = provided.take(id).unwrap();
            provided.pool.give_block(block);
        }
    }

    #[test]
    fn the_table_has_the_kernels_layout() {
        assert_eq!(size_of::<Entry>(), 16);
        assert_eq!(std::mem::offset_of!(Entry, length), 8);
        assert_eq!(std::mem::offset_of!(Entry, id), 12);
        assert_eq!(std::mem::offset_of!(Entry, tail), 14);
    }

    #[test]
    fn what_was_used_is_replaced_and_an_id_is_taken_once() {
        let (ring, mut provided, _pool) = provided();
        provided.top_up();
        assert_eq!(provided.with_kernel(), DEPTH_MIN);
        assert!(provided.take(0).is_some());
        assert!(provided.take(0).is_none());
        assert!(provided.take(u16::MAX).is_none());
        provided.top_up();
        assert_eq!(provided.with_kernel(), DEPTH_MIN);
        provided.close(&ring);
        assert_eq!(provided.with_kernel(), 0);
    }

    #[test]
    fn a_shortage_doubles_the_depth_up_to_the_table_and_idleness_halves_it() {
        let (ring, mut provided, _pool) = provided();
        for _ in 0..10 {
            provided.ran_short();
            provided.top_up();
        }
        assert_eq!(provided.with_kernel(), ENTRIES);
        for _ in 0..10 * WINDOW {
            use_up(&mut provided, 1);
            provided.top_up();
        }
        assert_eq!(provided.depth, DEPTH_MIN);
        use_up(&mut provided, ENTRIES);
        provided.top_up();
        assert_eq!(provided.with_kernel(), DEPTH_MIN);
        provided.close(&ring);
    }

    #[test]
    fn a_depth_above_the_least_is_worn_however_few_were_used() {
        let (ring, mut provided, _pool) = provided();
        provided.top_up();
        assert!(!provided.is_worn());
        provided.ran_short();
        provided.top_up();
        assert!(provided.is_worn());
        provided.renew();
        assert!(!provided.is_worn());
        provided.close(&ring);
    }

    #[test]
    fn a_renewal_takes_back_what_was_not_used_and_provides_others() {
        let (ring, mut provided, pool) = provided();
        let mut used = 0;
        while !provided.is_worn() {
            provided.top_up();
            use_up(&mut provided, 5);
            used += 5;
        }
        assert!((RENEWED_AFTER..RENEWED_AFTER + 5).contains(&used));
        pool.release_spares();
        pool.release_spares();
        provided.renew();
        assert_eq!((provided.with_kernel(), u32::from(provided.tail)), (0, used));
        assert!(!provided.is_worn() && !pool.has_spares());
        provided.top_up();
        assert_eq!((provided.with_kernel(), u32::from(provided.tail)), (DEPTH_MIN, used + DEPTH_MIN as u32));
        provided.close(&ring);
    }
}
