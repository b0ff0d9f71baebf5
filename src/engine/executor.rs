//! Tasks, time and wake-ups of one thread.
//!
//! One loop serves every engine: run what is ready, fire what is due, and let the engine's [`Driver`] wait for events.
//! It exists because the three engines share it: the simulated one needs its own clock and order anyway, and a second
//! and a third runtime beside it would be three sets of rules for the same tasks. Wakers are ordinary and may be sent to
//! other threads; a wake-up from there goes through a queue and the driver's [`Unpark`].

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crossbeam::queue::SegQueue;
use slab::Slab;

use super::buffer::BufferPool;
use super::clock::WallClock;
use super::memory;
use super::timer::{Timer, Timers};
use crate::base::time::{Moment, WallTime};

/// Rounds of ready tasks between two looks at the driver, so that tasks that wake each other cannot starve it.
const ROUNDS_MAX: usize = 4;
/// From one release of what is kept for reuse to the next. A thread that keeps nothing is not woken for it.
const RELEASE_INTERVAL: Duration = Duration::from_secs(1);

/// What an engine waits with.
pub trait Driver {
    /// Waits until `until` at the latest (not at all if it has passed), takes what happened, wakes the tasks that wait
    /// for it, and returns the time now.
    fn park(&self, until: Moment) -> Moment;

    /// How another thread ends the wait.
    fn unpark(&self) -> Arc<dyn Unpark>;

    /// Whether it keeps anything for reuse.
    fn has_spares(&self) -> bool {
        false
    }

    /// Gives up what it kept and did not need since the last call.
    fn release_spares(&self) {}
}

/// Ends a driver's wait, from any thread.
pub trait Unpark: Send + Sync {
    /// Ends the wait that is under way, or the next one.
    fn unpark(&self);
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks, time and buffers of one thread. Cloning gives another handle on the same.
#[derive(Clone)]
pub struct Handle(Rc<Local>);

struct Local {
    tasks: RefCell<Slab<Slot>>,
    ready: RefCell<VecDeque<usize>>,
    timers: Timers,
    now: Cell<Moment>,
    /// When what is kept for reuse is looked through; never, while nothing is.
    release_at: Cell<Moment>,
    clock: Box<dyn Fn() -> Moment>,
    wall_clock: WallClock,
    buffers: BufferPool,
    remote: Arc<Remote>,
}

struct Slot {
    /// Absent while the task runs, both: so that neither is copied, and a waker's copy is a locked instruction.
    task: Option<(Task, Waker)>,
    waking: Arc<Waking>,
}

/// What other threads may reach of an executor.
struct Remote {
    woken: SegQueue<usize>,
    notified: AtomicBool,
    unpark: Arc<dyn Unpark>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Local>>> = const { RefCell::new(None) };
}

impl Handle {
    /// An executor with no tasks and these clocks.
    pub(super) fn new(
        clock: impl Fn() -> Moment + 'static,
        wall_clock: WallClock,
        unpark: Arc<dyn Unpark>,
    ) -> Self {
        Handle(Rc::new(Local {
            tasks: RefCell::default(),
            ready: RefCell::default(),
            timers: Timers::default(),
            now: Cell::new(clock()),
            release_at: Cell::new(Moment::NEVER),
            clock: Box::new(clock),
            wall_clock,
            buffers: BufferPool::default(),
            remote: Arc::new(Remote { woken: SegQueue::new(), notified: AtomicBool::new(false), unpark }),
        }))
    }

    /// The time as of the last look at the driver: one reading of the clock serves a whole round of tasks.
    pub fn now(&self) -> Moment {
        self.0.now.get()
    }

    /// The time as the clock shows it now, for those who measure: within a round of many tasks it runs ahead of
    /// [`Handle::now`]. A reading costs some 25 ns.
    pub fn read_clock(&self) -> Moment {
        (self.0.clock)()
    }

    /// What the calendar says. Each call reads the clock: keep what it says for a second, as far as that will do.
    pub fn wall_time(&self) -> WallTime {
        (self.0.wall_clock)(self.now())
    }

    /// A timer that is not armed.
    pub fn timer(&self) -> Timer {
        Timer::new(self.clone())
    }

    /// The thread's buffers.
    pub fn buffers(&self) -> &BufferPool {
        &self.0.buffers
    }

    /// How many tasks there are.
    pub fn tasks(&self) -> usize {
        self.0.tasks.borrow().len()
    }

    /// Wakes every task: for a change that concerns all and is too rare for a list of those who wait for it.
    pub fn wake_all(&self) {
        for (_, slot) in self.0.tasks.borrow().iter() {
            slot.waking.wake_by_ref();
        }
    }

    pub(super) fn timers(&self) -> &Timers {
        &self.0.timers
    }

    /// Starts a task on this thread. It runs from the next round on.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let mut tasks = self.0.tasks.borrow_mut();
        let entry = tasks.vacant_entry();
        let waking = Arc::new(Waking {
            key: entry.key(),
            queued: AtomicBool::new(true),
            remote: self.0.remote.clone(),
        });
        let waker = Waker::from(waking.clone());
        self.0.ready.borrow_mut().push_back(entry.key());
        entry.insert(Slot { task: Some((Box::pin(task), waker)), waking });
    }

    /// Runs `main` and the tasks that it spawns until `main` is done; then drops the tasks that are left.
    pub(super) fn run<T: 'static>(&self, driver: &impl Driver, main: impl Future<Output = T> + 'static) -> T {
        let _entered = Entered::new(&self.0);
        let result = Rc::new(RefCell::new(None));
        let slot = result.clone();
        self.spawn(async move {
            let value = main.await;
            *slot.borrow_mut() = Some(value);
        });
        loop {
            self.run_ready();
            if let Some(value) = result.borrow_mut().take() {
                break value;
            }
            // After the tasks, which are who gives back: nothing else may wake this thread before the interval is over.
            self.release_spares(driver);
            let until = if self.0.ready.borrow().is_empty() { self.next_due() } else { Moment::ORIGIN };
            self.0.now.set(driver.park(until));
            self.take_remote();
            self.0.timers.fire(self.now());
        }
    }

    fn next_due(&self) -> Moment {
        self.0.timers.next().min(self.0.release_at.get())
    }

    /// Gives memory that has found no use for an interval back to the allocator.
    fn release_spares(&self, driver: &impl Driver) {
        let (due, now) = (self.0.release_at.get(), self.now());
        if due != Moment::NEVER && now < due {
            return;
        }
        if now >= due {
            self.0.buffers.release_spares();
            driver.release_spares();
        }
        let keeps = self.0.buffers.has_spares() || driver.has_spares();
        if !keeps && due != Moment::NEVER {
            memory::give_back();
        }
        self.0.release_at.set(if keeps { now + RELEASE_INTERVAL } else { Moment::NEVER });
    }

    /// Drops every task, and with them what they hold.
    pub(super) fn clear(&self) {
        let _entered = Entered::new(&self.0);
        let slots: Vec<Slot> = self.0.tasks.borrow_mut().drain().collect();
        drop(slots);
        self.0.ready.borrow_mut().clear();
    }

    fn run_ready(&self) {
        for _ in 0..ROUNDS_MAX {
            let batch = self.0.ready.borrow().len();
            if batch == 0 {
                return;
            }
            for _ in 0..batch {
                let next = self.0.ready.borrow_mut().pop_front();
                if let Some(key) = next {
                    self.run_task(key);
                }
            }
        }
    }

    /// Polls one task. It is taken out of its slot meanwhile, so that it may spawn others.
    fn run_task(&self, key: usize) {
        let mut running = {
            let mut tasks = self.0.tasks.borrow_mut();
            // A waker may outlive its task; the key may even belong to another task by now, for which the poll is
            // merely one too many.
            let Some(slot) = tasks.get_mut(key) else { return };
            let Some(running) = slot.task.take() else { return };
            slot.waking.queued.store(false, Ordering::Relaxed);
            running
        };
        let (task, waker) = &mut running;
        match task.as_mut().poll(&mut Context::from_waker(waker)) {
            Poll::Pending => {
                if let Some(slot) = self.0.tasks.borrow_mut().get_mut(key) {
                    slot.task = Some(running);
                }
            }
            Poll::Ready(()) => {
                let slot = self.0.tasks.borrow_mut().remove(key);
                drop(slot);
            }
        }
    }

    fn take_remote(&self) {
        let remote = &self.0.remote;
        if remote.notified.swap(false, Ordering::Acquire) {
            while let Some(key) = remote.woken.pop() {
                self.0.ready.borrow_mut().push_back(key);
            }
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Handle").field("now", &self.now()).finish_non_exhaustive()
    }
}

/// Marks the executor as the one that runs on this thread, until dropped.
struct Entered {
    outer: Option<Rc<Local>>,
}

impl Entered {
    fn new(local: &Rc<Local>) -> Self {
        Entered { outer: CURRENT.replace(Some(local.clone())) }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.replace(self.outer.take());
    }
}

/// The waking side of a task.
struct Waking {
    key: usize,
    queued: AtomicBool,
    remote: Arc<Remote>,
}

impl Wake for Waking {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        // The thread-local is gone while the thread ends: then nothing runs here any more, and the queue takes it.
        let local = CURRENT.try_with(|current| match &*current.borrow() {
            Some(local) if Arc::ptr_eq(&local.remote, &self.remote) => {
                local.ready.borrow_mut().push_back(self.key);
                true
            }
            _ => false,
        });
        if local != Ok(true) {
            self.remote.woken.push(self.key);
            if !self.remote.notified.swap(true, Ordering::AcqRel) {
                self.remote.unpark.unpark();
            }
        }
    }
}
