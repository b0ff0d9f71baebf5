//! The epoll instance of one thread and the sockets that it watches.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use slab::Slab;

use super::alarm::Alarm;
use crate::base::time::Moment;
use crate::engine::IoError;
use crate::engine::clock::Clock;
use crate::engine::executor::{Driver, Unpark};

/// Events taken per wait.
const EVENTS_MAX: usize = 512;
/// The key of the descriptor by which other threads end a wait.
const UNPARK_KEY: u64 = u64::MAX;
/// The key of the timer that ends short waits.
const ALARM_KEY: u64 = u64::MAX - 1;

/// One thread's epoll instance.
pub(super) struct Reactor {
    epoll: OwnedFd,
    sources: RefCell<Slab<Weak<Source>>>,
    events: RefCell<Vec<Event>>,
    clock: Clock,
    alarm: Alarm,
    unpark: Arc<EventFd>,
}

impl Reactor {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let unpark = Arc::new(EventFd(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?));
        epoll::add(&epoll, &unpark.0, EventData::new_u64(UNPARK_KEY), EventFlags::IN | EventFlags::ET)?;
        let alarm = Alarm::watched(&epoll, ALARM_KEY)?;
        Ok(Reactor {
            epoll,
            alarm,
            sources: RefCell::default(),
            events: RefCell::new(Vec::with_capacity(EVENTS_MAX)),
            clock: Clock::start(),
            unpark,
        })
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// Watches `socket`, which must not block, until the source is dropped.
    pub(super) fn watch(
        self: &Rc<Self>,
        socket: OwnedFd,
        readable: bool,
        writable: bool,
    ) -> io::Result<Rc<Source>> {
        let mut sources = self.sources.borrow_mut();
        let entry = sources.vacant_entry();
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &socket, EventData::new_u64(entry.key() as u64), flags)?;
        let source = Rc::new(Source {
            socket,
            key: entry.key(),
            reactor: self.clone(),
            ended: Cell::new(false),
            broken: Cell::new(None),
            read: Readiness::new(readable),
            write: Readiness::new(writable),
        });
        entry.insert(Rc::downgrade(&source));
        Ok(source)
    }

    fn dispatch(&self, event: Event) {
        let key = event.data.u64();
        if key == UNPARK_KEY {
            self.unpark.reset();
            return;
        }
        if key == ALARM_KEY {
            return;
        }
        let source = self.sources.borrow().get(key as usize).and_then(Weak::upgrade);
        let Some(source) = source else { return };
        let flags = event.flags;
        let broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        if broken || flags.contains(EventFlags::RDHUP) {
            source.ended.set(true);
        }
        if broken || flags.intersects(EventFlags::IN | EventFlags::RDHUP) {
            source.read.set();
        }
        if broken || flags.contains(EventFlags::OUT) {
            source.write.set();
        }
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Reactor")
            .field("sources", &self.sources.borrow().len())
            .finish_non_exhaustive()
    }
}

impl Driver for Reactor {
    fn park(&self, until: Moment) -> Moment {
        let timeout = match until {
            Moment::NEVER => None,
            until if until == Moment::ORIGIN => Some(Duration::ZERO),
            until => Some(until.since(self.clock.now())),
        };
        if let Some(wait) = timeout {
            self.alarm.set(wait);
        }
        let timeout = timeout.map(|wait| Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(wait.subsec_nanos()),
        });
        let mut events = self.events.borrow_mut();
        events.clear();
        // The only error besides a signal (EINTR) would be a wait on something that is no epoll instance.
        let _ = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), timeout.as_ref());
        for &event in events.iter() {
            self.dispatch(event);
        }
        self.clock.now()
    }

    fn unpark(&self) -> Arc<dyn Unpark> {
        self.unpark.clone()
    }
}

#[derive(Debug)]
struct EventFd(OwnedFd);

impl EventFd {
    fn reset(&self) {
        // Would-block means that another wait has reset it already.
        let _ = rustix::io::read(&self.0, &mut [0u8; 8]);
    }
}

impl Unpark for EventFd {
    fn unpark(&self) {
        // Would-block means that the counter is full: the wait ends in any case.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}

/// A watched socket. It closes when its last half is dropped.
#[derive(Debug)]
pub(super) struct Source {
    socket: OwnedFd,
    key: usize,
    reactor: Rc<Reactor>,
    /// The peer has ended its stream, or the connection broke: a read shows it.
    pub(super) ended: Cell<bool>,
    /// How the connection broke. The kernel tells either half once, and from then on reports an end of file, which would
    /// pass off a cut stream as a finished one.
    pub(super) broken: Cell<Option<IoError>>,
    pub(super) read: Readiness,
    pub(super) write: Readiness,
}

impl Source {
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // Closing the descriptor ends epoll's interest in it.
        self.reactor.sources.borrow_mut().remove(self.key);
    }
}

/// Whether an operation may be worth trying, and who waits for that.
#[derive(Debug)]
pub(super) struct Readiness {
    ready: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Readiness {
    fn new(ready: bool) -> Self {
        Readiness { ready: Cell::new(ready), waker: RefCell::new(None) }
    }

    pub(super) fn is_set(&self) -> bool {
        self.ready.get()
    }

    /// To be called when the kernel would block, or has been emptied: the next event sets it again.
    pub(super) fn clear(&self) {
        self.ready.set(false);
    }

    fn set(&self) {
        self.ready.set(true);
        // It stays for the next wait, most often of the same task: a new copy would cost two locked instructions. Nothing is
        // borrowed while it is called, since it may be anybody's.
        let waker = self.waker.take();
        if let Some(waker) = waker {
            waker.wake_by_ref();
            self.waker.borrow_mut().get_or_insert(waker);
        }
    }

    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.ready.get() {
            return Poll::Ready(());
        }
        let mut waker = self.waker.borrow_mut();
        match &mut *waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => *waker = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}
