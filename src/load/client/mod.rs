//! One thread of a run: its connections, each a task, and who tells them what to send.

mod connection;
mod exchange;
mod idle;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::failure::Failure;
use super::latency::Latencies;
use super::plan::{End, Pace, Plan};
use super::progress::{Phase, Progress};
use super::record::{Record, ThreadUse};
use super::schedule::{Next, Schedule};
use crate::base::mailbox::Mailbox;
use crate::base::time::Moment;
use crate::engine::thread_time::ThreadTime;
use crate::engine::{Engine, Timer};
use crate::h1::{FieldTable, HeadLimits};
use connection::Connection;
use idle::Idle;

/// How often a thread tells how far it has come.
const TELL_EVERY: Duration = Duration::from_millis(250);
/// Connections of one thread that are being made at once: a burst of thousands overflows the queue of the server's
/// listener, and those that it drops are tried again after a second only.
const CONNECTING_MAX: usize = 128;
/// The head of an answer.
const HEAD_LIMITS: HeadLimits =
    HeadLimits { head_bytes_max: 64 * 1024, target_bytes_max: 0, fields_max: 256 };

/// What a thread is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// All threads are connected: begin.
    Begin,
    /// End at once, with what there is.
    End,
}

/// What a thread tells.
#[derive(Clone, Debug)]
pub enum Told {
    /// Its connections are made, or cannot be; it waits for [`Order::Begin`].
    Ready,
    /// How far it is.
    Progress(Progress),
}

/// What connects a thread with those who started it.
pub struct Surroundings {
    /// What it is told.
    pub orders: Arc<Mailbox<Order>>,
    /// Takes what it tells.
    pub tell: Box<dyn FnMut(Told)>,
    /// The thread's use of the CPU so far.
    pub thread_time: Box<dyn Fn() -> ThreadTime>,
}

/// Runs thread number `thread` of `plan` to its end, and returns what it measured.
pub async fn run<E: Engine>(
    engine: E,
    plan: Arc<Plan>,
    thread: usize,
    mut surroundings: Surroundings,
) -> Record {
    let connections = share(plan.connections.get() as usize, thread, plan.threads.get());
    let client = Rc::new(Client::new(engine, plan, connections));
    for _ in 0..connections {
        client.engine.handle().spawn(Connection::new(client.clone()).serve());
    }
    let mut orders = Orders::default();
    client.follow(&mut surroundings, &mut orders, |client| client.connected.get() == connections).await;
    (surroundings.tell)(Told::Ready);
    client.follow_until_begun(&mut surroundings, &mut orders).await;
    if !orders.end {
        client.begin(thread, (surroundings.thread_time)());
        if !matches!(client.plan.pace, Pace::Closed) {
            client.engine.handle().spawn(hand_out(client.clone()));
        }
        client.follow(&mut surroundings, &mut orders, |client| client.serving.get() == 0).await;
    }
    client.finish(orders.end, (surroundings.thread_time)())
}

/// The part of `total` that belongs to one thread; the parts add up to it.
fn share(total: usize, thread: usize, threads: usize) -> usize {
    total / threads + usize::from(thread < total % threads)
}

/// The orders that have come.
#[derive(Default)]
struct Orders {
    begin: bool,
    end: bool,
}

/// What the tasks of one thread share.
struct Client<E: Engine> {
    engine: E,
    plan: Arc<Plan>,
    record: RefCell<Record>,
    fields: RefCell<FieldTable>,
    /// `None` until the run begins.
    schedule: RefCell<Option<Schedule>>,
    idle: Idle,
    span: Cell<Span>,
    recent: RefCell<Latencies>,
    /// Connection tasks that have tried to connect.
    connected: Cell<usize>,
    connecting: Cell<usize>,
    /// Those who wait for their turn to connect.
    turns: RefCell<VecDeque<Waker>>,
    open: Cell<u64>,
    /// Connection tasks that are not over.
    serving: Cell<usize>,
    under_way: Cell<u64>,
    main: RefCell<Waker>,
}

/// When what counts.
#[derive(Clone, Copy, Debug)]
struct Span {
    began: Moment,
    counts_from: Moment,
    until: Moment,
    /// The thread's time when counting began.
    used_before: Option<ThreadTime>,
    /// When it ended, as far as it has.
    used_after: Option<(Moment, ThreadTime)>,
    /// The last counted answer or failure.
    last: Moment,
}

impl<E: Engine> Client<E> {
    fn new(engine: E, plan: Arc<Plan>, connections: usize) -> Self {
        let now = engine.handle().now();
        Client {
            engine,
            plan,
            record: RefCell::default(),
            fields: RefCell::default(),
            schedule: RefCell::default(),
            idle: Idle::default(),
            span: Cell::new(Span {
                began: now,
                counts_from: Moment::NEVER,
                until: Moment::NEVER,
                used_before: None,
                used_after: None,
                last: Moment::ORIGIN,
            }),
            recent: RefCell::default(),
            connected: Cell::new(0),
            connecting: Cell::new(0),
            turns: RefCell::default(),
            open: Cell::new(0),
            serving: Cell::new(connections),
            under_way: Cell::new(0),
            main: RefCell::new(Waker::noop().clone()),
        }
    }

    fn now(&self) -> Moment {
        self.engine.handle().now()
    }

    fn begin(&self, thread: usize, used: ThreadTime) {
        // Not read anew: what the tasks of this round see must not lie before the beginning.
        let now = self.now();
        let schedule = Schedule::new(&self.plan, thread, now);
        let (counts_from, until) = (schedule.counts_from(), schedule.until());
        self.span.set(Span {
            began: now,
            counts_from,
            until,
            used_before: (counts_from <= now).then_some(used),
            ..self.span.get()
        });
        *self.schedule.borrow_mut() = Some(schedule);
        self.engine.handle().wake_all();
    }

    /// Tells how far it is, and takes orders, until `done` or told to end.
    async fn follow(&self, around: &mut Surroundings, orders: &mut Orders, done: impl Fn(&Self) -> bool) {
        let mut timer = self.engine.handle().timer();
        let mut tells_at = self.now() + TELL_EVERY;
        while !done(self) && !orders.end {
            let wakes_at = tells_at.min(self.next_boundary());
            let mut receive = pin!(around.orders.receive());
            let order = poll_fn(|context| {
                self.main.borrow_mut().clone_from(context.waker());
                if done(self) {
                    return Poll::Ready(None);
                }
                match receive.as_mut().poll(context) {
                    Poll::Ready(order) => Poll::Ready(Some(order)),
                    Poll::Pending => timer.poll_due(wakes_at, context).map(|()| None),
                }
            })
            .await;
            match order {
                Some(Order::Begin) => orders.begin = true,
                Some(Order::End) => orders.end = true,
                None => {}
            }
            self.note_boundaries(&around.thread_time);
            if self.now() >= tells_at {
                tells_at = self.now() + TELL_EVERY;
                (around.tell)(Told::Progress(self.progress()));
            }
        }
    }

    async fn follow_until_begun(&self, around: &mut Surroundings, orders: &mut Orders) {
        while !orders.begin && !orders.end {
            match around.orders.receive().await {
                Order::Begin => orders.begin = true,
                Order::End => orders.end = true,
            }
        }
    }

    /// When the thread's time is to be read next.
    fn next_boundary(&self) -> Moment {
        let span = self.span.get();
        match (span.used_before, span.used_after) {
            (None, _) => span.counts_from,
            (Some(_), None) => span.until,
            (Some(_), Some(_)) => Moment::NEVER,
        }
    }

    fn note_boundaries(&self, thread_time: &dyn Fn() -> ThreadTime) {
        let (mut span, now) = (self.span.get(), self.now());
        if span.used_before.is_none() && now >= span.counts_from {
            span.used_before = Some(thread_time());
        }
        if span.used_after.is_none() && now >= span.until {
            span.used_after = Some((now, thread_time()));
        }
        self.span.set(span);
    }

    fn progress(&self) -> Progress {
        let (span, now, record) = (self.span.get(), self.now(), self.record.borrow());
        let (phase, since) = match () {
            () if self.schedule.borrow().is_none() => (Phase::Connecting, span.began),
            () if now < span.counts_from => (Phase::WarmingUp, span.began),
            () if now < span.until => (Phase::Measuring, span.counts_from),
            () => (Phase::Finishing, span.counts_from),
        };
        let overdue = self.schedule.borrow().as_ref().map_or(0, |schedule| schedule.overdue(now));
        let mut recent = self.recent.borrow_mut();
        let progress = Progress {
            phase,
            elapsed: now.since(since),
            connected: self.open.get(),
            begun: record.begun,
            answered: record.answered(),
            refused: record.refused(),
            failed: record.failed(),
            overdue,
            recent: recent.clone(),
        };
        recent.clear();
        progress
    }

    /// What was measured, at the end.
    fn finish(&self, interrupted: bool, used: ThreadTime) -> Record {
        let (now, span) = (self.engine.handle().read_clock(), self.span.get());
        let mut record = std::mem::take(&mut *self.record.borrow_mut());
        record.interrupted = interrupted;
        record.unfinished = self.under_way.get();
        let ended = match self.plan.end {
            _ if interrupted => now.min(span.until),
            End::After(_) => span.until,
            End::Requests(_) => span.last,
        };
        record.elapsed = ended.since(span.counts_from);
        if let Some(before) = span.used_before {
            let (at, after) = span.used_after.unwrap_or((now, used));
            record.threads.push(ThreadUse::between(before, after, at.since(span.counts_from)));
        }
        // Taken, so that no connection begins another request before its task is dropped.
        if let Some(schedule) = self.schedule.take() {
            self.idle.close();
            let unsent = match self.plan.end {
                End::Requests(_) if !interrupted => schedule.left(),
                _ => schedule.overdue_counted(now),
            };
            record.fail_unsent(unsent, now.min(span.until).since(span.counts_from), |since| {
                schedule.overdue_counted(span.counts_from + since)
            });
        }
        record
    }

    fn wake_main(&self) {
        self.main.borrow().wake_by_ref();
    }

    /// Waits until a connection may be made; dropping the turn lets the next one.
    async fn turn(self: &Rc<Self>) -> Turn<E> {
        poll_fn(|context: &mut Context<'_>| {
            if self.connecting.get() < CONNECTING_MAX {
                return Poll::Ready(());
            }
            self.turns.borrow_mut().push_back(context.waker().clone());
            Poll::Pending
        })
        .await;
        self.connecting.set(self.connecting.get() + 1);
        Turn(self.clone())
    }

    fn fail(&self, failure: Failure, at: Moment) {
        self.note_end(at);
        self.record.borrow_mut().fail(failure, at.since(self.span.get().counts_from));
    }

    fn note_end(&self, at: Moment) {
        let span = self.span.get();
        self.span.set(Span { last: span.last.max(at), ..span });
    }
}

/// One that is being connected.
struct Turn<E: Engine>(Rc<Client<E>>);

impl<E: Engine> Drop for Turn<E> {
    fn drop(&mut self) {
        self.0.connecting.set(self.0.connecting.get() - 1);
        let next = self.0.turns.borrow_mut().pop_front();
        if let Some(next) = next {
            next.wake();
        }
    }
}

/// Hands the requests of an open loop to idle connections as they become due. A connection that is free while one is
/// overdue takes it itself.
async fn hand_out<E: Engine>(client: Rc<Client<E>>) {
    let mut timer: Timer = client.engine.handle().timer();
    loop {
        client.idle.wait_for_one().await;
        let now = client.now();
        let next = match client.schedule.borrow_mut().as_mut() {
            Some(schedule) => schedule.next(now),
            None => Next::Over,
        };
        match next {
            Next::Now(ticket) => client.idle.give(ticket),
            Next::At(due) => timer.sleep_until(due).await,
            Next::Over => return client.idle.close(),
        }
    }
}
