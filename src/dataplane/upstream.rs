//! One replica as one core sees it: its connections, busy and idle, and the queue for them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::uploads::{Upload, Uploads};
use crate::base::core_counters::{CoreCounters, Phase};
use crate::base::policy::{PoolLimits, Timeouts};
use crate::base::replica_counts::Counts;
use crate::base::time::Moment;
use crate::engine::{self, Engine, Inbound, IoError, Timer, within};
use crate::placement::Replica;
use crate::proxy::fault::UpstreamFault;

/// A replica's connections on one core.
///
/// At most `limits.connections_max` are open, idle ones included. Beyond that requests wait in order of arrival; who
/// gives a connection back, or closes one, serves the first that still waits.
pub(super) struct Upstream<E: Engine> {
    pub(super) replica: Arc<Replica>,
    limits: PoolLimits,
    counters: Arc<CoreCounters>,
    /// The core's number.
    core: usize,
    idle: RefCell<VecDeque<Box<UpstreamConnection<E>>>>,
    open: Cell<usize>,
    uploads: Rc<Uploads>,
    queue: RefCell<VecDeque<Rc<Waiter<E>>>>,
    /// How many in the queue still wait.
    waiting: Cell<usize>,
    /// The replica has left the service: its connections are not kept.
    retired: Cell<bool>,
}

/// A connection to a replica, in use by one exchange or idle in the pool. Dropping it closes it.
///
/// It stays in its box, wherever it is passed on to.
pub(super) struct UpstreamConnection<E: Engine> {
    pub(super) inbound: Inbound<E::Reader>,
    pub(super) writer: E::Writer,
    /// Whether it has served an exchange before.
    pub(super) reused: bool,
    /// When it was made, or given back last.
    since: Moment,
    permit: Permit<E>,
}

impl<E: Engine> Upstream<E> {
    pub(super) fn new(
        replica: Arc<Replica>,
        limits: PoolLimits,
        counters: Arc<CoreCounters>,
        core: usize,
    ) -> Self {
        Upstream {
            replica,
            uploads: Uploads::new(limits.connections_max.get(), limits.queue_max),
            limits,
            counters,
            core,
            idle: RefCell::default(),
            open: Cell::new(0),
            queue: RefCell::default(),
            waiting: Cell::new(0),
            retired: Cell::new(false),
        }
    }

    /// What this core counts of the replica.
    pub(super) fn counts(&self) -> &Counts {
        self.replica.counts.of_core(self.core)
    }

    /// The attempts and tunnels that this core has under way on the replica.
    pub(super) fn in_flight(&self) -> u64 {
        self.counts().in_flight.value()
    }

    /// Begins an upload, before a connection is asked for; it waits for its turn.
    pub(super) async fn begin_upload(
        &self,
        now: Moment,
        timer: &mut Timer,
        timeouts: &Timeouts,
    ) -> Result<Upload, UpstreamFault> {
        let begun = self.uploads.begin(timer, now + timeouts.queue).await;
        begun.inspect_err(|fault| {
            if *fault == UpstreamFault::QueueTimedOut {
                self.counters.timed_out(Phase::Queue);
            }
        })
    }

    /// A connection for one exchange: an idle one, a new one, or the first that becomes free. `fresh` asks for a new one.
    pub(super) async fn acquire(
        self: &Rc<Self>,
        engine: &E,
        timer: &mut Timer,
        timeouts: &Timeouts,
        fresh: bool,
    ) -> Result<Box<UpstreamConnection<E>>, UpstreamFault> {
        let now = engine.handle().now();
        if self.waiting.get() == 0 {
            if fresh {
                self.make_room();
            } else if let Some(connection) = self.take_idle(now) {
                return Ok(connection);
            }
        }
        let permit = match self.permit() {
            Some(permit) => permit,
            None => match self.wait(timer, now + timeouts.queue).await? {
                Grant::Connection(connection) if !fresh => {
                    self.counters.upstream_reuses.increment();
                    return Ok(connection);
                }
                Grant::Connection(connection) => connection.permit,
                Grant::Permit(permit) => permit,
            },
        };
        self.connect(engine, timer, timeouts, permit).await
    }

    /// Takes a connection back whose exchange is over and which can serve another.
    pub(super) fn release(self: &Rc<Self>, mut connection: Box<UpstreamConnection<E>>, now: Moment) {
        connection.reused = true;
        connection.since = now;
        if self.retired.get() {
            return;
        }
        if let Some(waiter) = self.next_waiter() {
            if connection.inbound.is_quiet() {
                waiter.grant(Grant::Connection(connection));
            } else {
                self.put_back(waiter);
            }
            return;
        }
        if connection.inbound.is_quiet() && self.idle.borrow().len() < self.limits.idle_max {
            connection.permit.keep_counted();
            self.idle.borrow_mut().push_back(connection);
        }
    }

    /// Closes idle connections that are too old, or on which something came.
    pub(super) fn sweep(&self, now: Moment) {
        let mut idle = self.idle.borrow_mut();
        let before = idle.len();
        idle.retain_mut(|idle| now.since(idle.since) < self.limits.idle && idle.inbound.is_quiet());
        let closed = before - idle.len();
        drop(idle);
        for _ in 0..closed {
            self.uncount();
        }
    }

    /// The replica is gone from the service: keeps no connection from now on.
    pub(super) fn retire(&self) {
        self.retired.set(true);
        let closed = std::mem::take(&mut *self.idle.borrow_mut()).len();
        for _ in 0..closed {
            self.uncount();
        }
    }

    /// Whether it was made with these bounds.
    pub(super) fn has(&self, limits: &PoolLimits) -> bool {
        self.limits == *limits
    }

    fn take_idle(self: &Rc<Self>, now: Moment) -> Option<Box<UpstreamConnection<E>>> {
        loop {
            // The newest first: the others grow old and are closed, so that the pool shrinks with the load.
            let mut connection = self.idle.borrow_mut().pop_back()?;
            connection.permit = Permit { upstream: Some(self.clone()) };
            if now.since(connection.since) < self.limits.idle && connection.inbound.is_quiet() {
                self.counters.upstream_reuses.increment();
                return Some(connection);
            }
        }
    }

    /// Closes an idle connection if otherwise no new one could be made.
    fn make_room(&self) {
        if self.open.get() >= self.limits.connections_max.get()
            && self.idle.borrow_mut().pop_front().is_some()
        {
            self.uncount();
        }
    }

    fn permit(self: &Rc<Self>) -> Option<Permit<E>> {
        (self.open.get() < self.limits.connections_max.get()).then(|| {
            self.open.set(self.open.get() + 1);
            self.counters.upstream_open.increment();
            Permit { upstream: Some(self.clone()) }
        })
    }

    fn uncount(&self) {
        self.open.set(self.open.get() - 1);
        self.counters.upstream_open.decrement();
    }

    async fn connect(
        self: &Rc<Self>,
        engine: &E,
        timer: &mut Timer,
        timeouts: &Timeouts,
        permit: Permit<E>,
    ) -> Result<Box<UpstreamConnection<E>>, UpstreamFault> {
        let address = self.replica.address.ok_or(UpstreamFault::ConnectFailed)?;
        let deadline = engine.handle().now() + timeouts.connect;
        self.counters.upstream_connects.increment();
        match engine::connect(engine, address, timer, deadline).await {
            Ok(connection) => Ok(Box::new(UpstreamConnection {
                inbound: Inbound::new(connection.reader, engine.handle().buffers().clone()),
                writer: connection.writer,
                reused: false,
                since: engine.handle().now(),
                permit,
            })),
            Err(error) => {
                self.counters.upstream_connect_failures.increment();
                Err(match error {
                    IoError::TimedOut => {
                        self.counters.timed_out(Phase::Connect);
                        UpstreamFault::ConnectTimedOut
                    }
                    IoError::Exhausted => UpstreamFault::Exhausted,
                    _ => UpstreamFault::ConnectFailed,
                })
            }
        }
    }

    async fn wait(self: &Rc<Self>, timer: &mut Timer, deadline: Moment) -> Result<Grant<E>, UpstreamFault> {
        if self.waiting.get() >= self.limits.queue_max {
            return Err(UpstreamFault::QueueFull);
        }
        let place = Place { upstream: self.clone(), waiter: Rc::new(Waiter::new()) };
        self.waiting.set(self.waiting.get() + 1);
        self.queue.borrow_mut().push_back(place.waiter.clone());
        let granted = within(timer, deadline, |context| place.waiter.poll(context)).await;
        granted.map_err(|_| {
            self.counters.timed_out(Phase::Queue);
            UpstreamFault::QueueTimedOut
        })
    }

    /// Takes the first that still waits out of the queue.
    fn next_waiter(&self) -> Option<Rc<Waiter<E>>> {
        loop {
            let waiter = self.queue.borrow_mut().pop_front()?;
            if !waiter.left.get() {
                self.waiting.set(self.waiting.get() - 1);
                return Some(waiter);
            }
        }
    }

    fn put_back(&self, waiter: Rc<Waiter<E>>) {
        self.waiting.set(self.waiting.get() + 1);
        self.queue.borrow_mut().push_front(waiter);
    }
}

/// The right to have one connection open.
struct Permit<E: Engine> {
    /// Absent while the connection is in the pool, which would else own itself: there it is counted all the same.
    upstream: Option<Rc<Upstream<E>>>,
}

impl<E: Engine> Permit<E> {
    /// Gives the right up without closing: the connection stays open and counted, in the pool.
    fn keep_counted(&mut self) {
        self.upstream = None;
    }
}

impl<E: Engine> Drop for Permit<E> {
    fn drop(&mut self) {
        let Some(upstream) = self.upstream.take() else { return };
        upstream.uncount();
        if let Some(waiter) = upstream.next_waiter() {
            match upstream.permit() {
                Some(permit) => waiter.grant(Grant::Permit(permit)),
                None => upstream.put_back(waiter),
            }
        }
    }
}

/// What a waiting request gets.
enum Grant<E: Engine> {
    /// A connection that another exchange gave back.
    Connection(Box<UpstreamConnection<E>>),
    /// The right to make one.
    Permit(Permit<E>),
}

struct Waiter<E: Engine> {
    grant: RefCell<Option<Grant<E>>>,
    waker: RefCell<Option<Waker>>,
    granted: Cell<bool>,
    /// Nobody waits here any more. It stays in the queue until it comes to the front: taking it out of the middle would
    /// cost a search, and those that time out are the oldest.
    left: Cell<bool>,
}

impl<E: Engine> Waiter<E> {
    fn new() -> Self {
        Waiter {
            grant: RefCell::new(None),
            waker: RefCell::new(None),
            granted: Cell::new(false),
            left: Cell::new(false),
        }
    }

    fn grant(&self, grant: Grant<E>) {
        self.granted.set(true);
        *self.grant.borrow_mut() = Some(grant);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Grant<E>> {
        if let Some(grant) = self.grant.borrow_mut().take() {
            return Poll::Ready(grant);
        }
        *self.waker.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }
}

/// A place in the queue. Whoever leaves before its turn passes on what it was granted meanwhile.
struct Place<E: Engine> {
    upstream: Rc<Upstream<E>>,
    waiter: Rc<Waiter<E>>,
}

impl<E: Engine> Drop for Place<E> {
    fn drop(&mut self) {
        if !self.waiter.granted.get() {
            self.waiter.left.set(true);
            self.upstream.waiting.set(self.upstream.waiting.get() - 1);
            let mut queue = self.upstream.queue.borrow_mut();
            while queue.front().is_some_and(|waiter| waiter.left.get()) {
                queue.pop_front();
            }
            return;
        }
        let unused = self.waiter.grant.borrow_mut().take();
        if let Some(Grant::Connection(connection)) = unused {
            let since = connection.since;
            self.upstream.release(connection, since);
        }
    }
}
