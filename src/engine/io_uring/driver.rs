//! The driver of one thread: it submits operations, waits, and gives completions to the halves that wait for them.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use io_uring::squeue::Flags;
use io_uring::types::Fd;
use io_uring::{cqueue, opcode};
use rustix::event::PollFlags;
use rustix::io::Errno;
use slab::Slab;

use super::operation::{Completion, Kept, Operation, Sending, State};
use super::probe::Unavailable;
use super::provided::ProvidedBuffers;
use super::ring::{Ring, Wait};
use super::unpark::EventFd;
use crate::base::time::Moment;
use crate::engine::buffer::BufferPool;
use crate::engine::clock::Clock;
use crate::engine::executor::{Driver, Unpark};
use crate::engine::outbound::Outbound;
use crate::engine::spares::Spares;

/// Completions taken at a time.
const TAKEN_MAX: usize = 64;
/// How long the end of an engine waits for cancelled operations. They are local to the machine and take microseconds.
const DRAIN_MAX: Duration = Duration::from_secs(1);
/// Empty sends kept for reuse by a thread.
const SPARE_SENDINGS_MAX: usize = 256;
/// The key of the wait on the descriptor by which other threads end a wait.
const UNPARK_KEY: u64 = u64::MAX;
/// The key of cancellations, whose own completions nobody waits for.
const CANCEL_KEY: u64 = u64::MAX - 1;

/// One thread's io_uring.
pub(super) struct UringDriver {
    ring: RefCell<Ring>,
    provided: RefCell<Option<ProvidedBuffers>>,
    operations: RefCell<Slab<Operation>>,
    sendings: RefCell<Spares<Box<Sending>>>,
    generation: Cell<u32>,
    orphans: Cell<usize>,
    clock: Clock,
    unpark: Arc<EventFd>,
    pool: BufferPool,
}

impl UringDriver {
    pub(super) fn new(clock: Clock, unpark: Arc<EventFd>, pool: BufferPool) -> Result<Self, Unavailable> {
        let mut ring = Ring::new()?;
        let provided = ProvidedBuffers::new(&ring, pool.clone())?;
        await_unpark(&mut ring, &unpark);
        let driver = UringDriver {
            ring: RefCell::new(ring),
            provided: RefCell::new(Some(provided)),
            operations: RefCell::default(),
            sendings: RefCell::default(),
            generation: Cell::new(0),
            orphans: Cell::new(0),
            clock,
            unpark,
            pool,
        };
        driver.ring.borrow_mut().submit()?;
        Ok(driver)
    }

    /// Room for what is to be sent: few connections send at a time, so that each does not need its own.
    fn take_sending(&self) -> Box<Sending> {
        let spare = self.sendings.borrow_mut().take();
        spare.unwrap_or_else(|| Sending::new(Outbound::new(self.pool.clone())))
    }

    fn give_sending(&self, sending: Box<Sending>) {
        self.sendings.borrow_mut().give(sending, SPARE_SENDINGS_MAX);
    }

    pub(super) fn pool(&self) -> &BufferPool {
        &self.pool
    }

    /// Cancelled operations that the kernel still has.
    pub(super) fn orphans(&self) -> usize {
        self.orphans.get()
    }

    /// Waits until the kernel has let go of every operation whose half is gone, or gives up in [`DRAIN_MAX`].
    pub(super) fn drain(&self) {
        let end = self.clock.now() + DRAIN_MAX;
        while self.orphans.get() > 0 {
            let left = end - self.clock.now();
            if left.is_zero() {
                return;
            }
            self.look(Wait::AtMost(left));
        }
    }

    fn look(&self, wait: Wait) {
        if let Some(provided) = &mut *self.provided.borrow_mut() {
            provided.top_up();
        }
        self.ring.borrow_mut().enter(wait);
        let mut space = [const { MaybeUninit::uninit() }; TAKEN_MAX];
        loop {
            // Copied out, so that nothing is borrowed while tasks are woken.
            let completions = self.ring.borrow_mut().completions(&mut space);
            for completion in completions {
                self.complete(completion);
            }
            if completions.len() < TAKEN_MAX {
                return;
            }
        }
    }

    fn complete(&self, entry: &cqueue::Entry) {
        let block =
            cqueue::buffer_select(entry.flags()).and_then(|id| self.provided.borrow_mut().as_mut()?.take(id));
        match entry.user_data() {
            CANCEL_KEY => {}
            UNPARK_KEY if cqueue::more(entry.flags()) => {}
            UNPARK_KEY => await_unpark(&mut self.ring.borrow_mut(), &self.unpark),
            user_data => {
                let more = cqueue::sock_nonempty(entry.flags());
                self.finish(user_data, Completion { answer: entry.result(), block, more });
            }
        }
    }

    fn finish(&self, user_data: u64, completion: Completion) {
        let key = user_data as u32 as usize;
        let generation = (user_data >> 32) as u32;
        let mut operations = self.operations.borrow_mut();
        let Some(operation) = operations.get_mut(key).filter(|known| known.generation == generation) else {
            return;
        };
        if completion.answer == -Errno::NOBUFS.raw_os_error()
            && matches!(operation.kept, Kept::Receive { .. })
        {
            self.provided.borrow_mut().iter_mut().for_each(ProvidedBuffers::ran_short);
        }
        operation.kept.note(&completion);
        match operation.state {
            State::Orphaned => {
                let gone = operations.remove(key);
                drop(operations);
                self.orphans.set(self.orphans.get() - 1);
                self.discard(completion);
                drop(gone);
            }
            State::InFlight => {
                operation.state = State::Done(completion);
                let waker = operation.waker.take();
                drop(operations);
                if let Some(waker) = waker {
                    waker.wake_by_ref();
                    if let Some(operation) = self.operations.borrow_mut().get_mut(key) {
                        operation.waker.get_or_insert(waker);
                    }
                }
            }
            State::Idle | State::Done(_) => {}
        }
    }

    fn discard(&self, completion: Completion) {
        if let Some(block) = completion.block {
            self.pool.give_block(block);
        }
    }
}

fn await_unpark(ring: &mut Ring, unpark: &EventFd) {
    let poll = opcode::PollAdd::new(Fd(unpark.as_raw_fd()), u32::from(PollFlags::IN.bits())).multi(true);
    // SAFETY: the operation points to no memory.
    unsafe { ring.push(poll.build().user_data(UNPARK_KEY)) };
}

impl Driver for UringDriver {
    fn park(&self, until: Moment) -> Moment {
        self.look(match until {
            Moment::NEVER => Wait::Forever,
            until if until == Moment::ORIGIN => Wait::Not,
            until => Wait::AtMost(until.since(self.clock.now())),
        });
        self.clock.now()
    }

    fn unpark(&self) -> Arc<dyn Unpark> {
        self.unpark.clone()
    }

    fn has_spares(&self) -> bool {
        !self.sendings.borrow().is_empty()
            || self.provided.borrow().as_ref().is_some_and(ProvidedBuffers::is_worn)
    }

    fn release_spares(&self) {
        self.sendings.borrow_mut().release();
        if let Some(provided) = &mut *self.provided.borrow_mut()
            && provided.is_worn()
            // The next ones are to be new ones, not those that were just in use.
            && !self.pool.has_spares()
            && !self.operations.borrow().iter().any(|(_, operation)| operation.is_receiving())
        {
            provided.renew();
        }
    }
}

impl Drop for UringDriver {
    fn drop(&mut self) {
        // Every half holds the driver, so that by now each operation in flight is an orphan.
        self.drain();
        let Some(mut provided) = self.provided.take() else { return };
        if self.orphans.get() == 0 {
            provided.close(&self.ring.borrow());
        } else {
            // The kernel may still use what these point to: memory is lost rather than overwritten.
            provided.leak();
            std::mem::forget(self.operations.take());
        }
    }
}

impl fmt::Debug for UringDriver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UringDriver")
            .field("halves", &self.operations.borrow().len())
            .field("orphans", &self.orphans.get())
            .finish_non_exhaustive()
    }
}

/// A half's place at the driver: at most one operation at a time. Dropped, it cancels what is in flight, and the driver
/// keeps what the operation points to until the kernel is done with it.
pub(super) struct Place {
    driver: Rc<UringDriver>,
    key: usize,
}

impl Place {
    pub(super) fn new(driver: &Rc<UringDriver>, kept: Kept) -> Self {
        let generation = driver.generation.get().wrapping_add(1);
        driver.generation.set(generation);
        let operation = Operation { generation, state: State::Idle, waker: None, kept };
        let key = driver.operations.borrow_mut().insert(operation);
        Place { driver: driver.clone(), key }
    }

    pub(super) fn driver(&self) -> &Rc<UringDriver> {
        &self.driver
    }

    /// What the last operation came to, once; `None` if there is none.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Completion>> {
        let mut operations = self.driver.operations.borrow_mut();
        let operation = &mut operations[self.key];
        if let State::InFlight = operation.state {
            let known = operation.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker()));
            let replaced = if known { None } else { operation.waker.replace(context.waker().clone()) };
            drop(operations);
            drop(replaced);
            return Poll::Pending;
        }
        match std::mem::replace(&mut operation.state, State::Idle) {
            State::Done(completion) => Poll::Ready(Some(completion)),
            _ => Poll::Ready(None),
        }
    }

    /// What [`Place::poll`] would yield: nothing yet (`Pending`), or an answer, or `None` without an operation.
    pub(super) fn peek(&self) -> Poll<Option<i32>> {
        match &self.driver.operations.borrow()[self.key].state {
            State::Idle => Poll::Ready(None),
            State::Done(completion) => Poll::Ready(Some(completion.answer)),
            State::InFlight | State::Orphaned => Poll::Pending,
        }
    }

    /// Starts the operation of this kind of half; if one is in flight, that one goes on.
    pub(super) fn start(&self) {
        self.start_with(|_| {});
    }

    /// Starts a receive. `eager`: bytes are probably there.
    pub(super) fn receive(&self, eager: bool) {
        self.start_with(|kept| {
            if let Kept::Receive { eager: kept, .. } = kept {
                *kept = eager;
            }
        });
    }

    /// Starts a send of what the last one left, or else of `staged`. False if there is nothing.
    pub(super) fn send(&self, staged: &mut Outbound) -> bool {
        self.start_with(|kept| {
            if let Kept::Send { sending: sending @ None, .. } = kept
                && !staged.is_empty()
            {
                let mut spare = self.driver.take_sending();
                std::mem::swap(&mut spare.outbound, staged);
                *sending = Some(spare);
            }
        })
    }

    /// Whether the last send left something, or is under way.
    pub(super) fn has_unsent(&self) -> bool {
        let operations = self.driver.operations.borrow();
        !matches!(operations[self.key].kept, Kept::Send { sending: None, .. })
    }

    /// Drops the first `count` bytes of what was handed over for sending, unless the kernel has it.
    pub(super) fn advance(&self, count: usize) {
        self.with_outbound(|outbound| outbound.advance(count));
    }

    /// Drops all that was handed over for sending, unless the kernel has it.
    pub(super) fn clear(&self) {
        self.with_outbound(Outbound::clear);
    }

    fn with_outbound(&self, change: impl FnOnce(&mut Outbound)) {
        let mut operations = self.driver.operations.borrow_mut();
        let operation = &mut operations[self.key];
        if let (Kept::Send { sending: kept, .. }, State::Idle) = (&mut operation.kept, &operation.state)
            && let Some(mut sending) = kept.take()
        {
            change(&mut sending.outbound);
            if sending.outbound.is_empty() {
                self.driver.give_sending(sending);
            } else {
                *kept = Some(sending);
            }
        }
    }

    /// Starts an operation, once `prepare` has seen what is kept for it, unless one is in flight or there is nothing to do.
    /// Whether one is in flight then.
    fn start_with(&self, prepare: impl FnOnce(&mut Kept)) -> bool {
        let mut operations = self.driver.operations.borrow_mut();
        let operation = &mut operations[self.key];
        if let State::InFlight = operation.state {
            return true;
        }
        prepare(&mut operation.kept);
        let Some(entry) = operation.kept.entry() else { return false };
        let entry = entry.user_data(user_data(self.key, operation.generation));
        operation.state = State::InFlight;
        // SAFETY: the entry points to what `kept` owns on the heap. Nothing touches `kept` while the state is
        // `InFlight` or `Orphaned` (here and in `with_outbound`), and only `finish` leaves those states, upon the
        // completion; `UringDriver::drop` frees no operation that has not completed.
        unsafe { self.driver.ring.borrow_mut().push(entry) };
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut operations = self.driver.operations.borrow_mut();
        let operation = &mut operations[self.key];
        if let State::InFlight = operation.state {
            operation.state = State::Orphaned;
            self.driver.orphans.set(self.driver.orphans.get() + 1);
            let cancel = opcode::AsyncCancel::new(user_data(self.key, operation.generation));
            let cancel = cancel.build().flags(Flags::SKIP_SUCCESS).user_data(CANCEL_KEY);
            let waker = operation.waker.take();
            drop(operations);
            // SAFETY: the operation points to no memory.
            unsafe { self.driver.ring.borrow_mut().push(cancel) };
            drop(waker);
            return;
        }
        let gone = operations.remove(self.key);
        drop(operations);
        if let State::Done(completion) = gone.state {
            self.driver.discard(completion);
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Place").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The number by which the kernel names an operation in its completion.
fn user_data(key: usize, generation: u32) -> u64 {
    u64::from(generation) << 32 | key as u64
}
