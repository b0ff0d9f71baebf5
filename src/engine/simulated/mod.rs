//! The engine for tests: a network in memory, with a virtual clock, in which a seed decides everything.
//!
//! Proxy, clients and backends run as tasks of one engine on one thread. Time passes only while nothing is ready to
//! run, so that an hour of time-outs takes no time; the same seed gives the same run to the event, which
//! [`Network::digest`] shows. When nothing can happen any more and `main` is not done, the run panics with a report
//! instead of hanging.

mod admission;
mod control;
mod faults;
mod link;
mod listener;
mod stream;
mod trace;
mod transfer;
mod world;

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use crate::base::random::Random;
pub use control::Network;
pub use faults::Faults;
pub use listener::{SimulatedConnect, SimulatedListener};
pub use stream::{SimulatedReader, SimulatedWriter};

use super::executor::{Driver, Handle, Unpark};
use super::{Engine, IoError};
use crate::base::time::{Moment, WallTime};
use world::World;

/// What a round of tasks takes while others are ready: without it, tasks that never rest would stop the clock.
const ROUND: Duration = Duration::from_micros(1);

/// What the calendar says at the origin: 2026-01-01 00:00:00 UTC, in each simulation.
pub const WALL_ORIGIN: WallTime = WallTime::since_1970(Duration::from_secs(1_767_225_600));

fn wall_time(now: Moment) -> WallTime {
    WallTime::since_1970(Duration::from_secs(WALL_ORIGIN.seconds()) + now.since(Moment::ORIGIN))
}

/// The simulated engine of one thread.
#[derive(Clone, Debug)]
pub struct Simulated {
    handle: Handle,
    clockwork: Rc<Clockwork>,
}

impl Simulated {
    /// A network that `seed` decides, with these faults.
    pub fn new(seed: u64, faults: Faults) -> Self {
        let world = Rc::new(RefCell::new(World::new(seed, faults)));
        let clockwork = Rc::new(Clockwork { seed, world, unparked: Arc::default() });
        Simulated { handle: Handle::new(Moment::ORIGIN, wall_time, clockwork.unpark()), clockwork }
    }

    /// Runs `main`, and what it spawns, until it is done.
    ///
    /// # Panics
    /// When `main` waits for what can never happen.
    pub fn run<T: 'static>(&self, main: impl Future<Output = T> + 'static) -> T {
        let value = self.handle.run(&*self.clockwork, main);
        self.handle.clear();
        value
    }

    /// Listens on `address`; port zero stands for a free one.
    ///
    /// # Errors
    /// When the address is in use (`EADDRINUSE`), or every port is ([`IoError::Exhausted`]).
    pub fn listen(&self, address: SocketAddr) -> Result<SimulatedListener, IoError> {
        SimulatedListener::open(&self.clockwork.world, address, self.handle.buffers())
    }

    /// The network, to disturb and to question it.
    pub fn network(&self) -> Network {
        Network(self.clockwork.world.clone())
    }
}

impl Engine for Simulated {
    type Reader = SimulatedReader;
    type Writer = SimulatedWriter;
    type Listener = SimulatedListener;
    type Connect = SimulatedConnect;

    fn handle(&self) -> &Handle {
        &self.handle
    }

    fn connect(&self, address: SocketAddr) -> SimulatedConnect {
        SimulatedConnect::begin(&self.clockwork.world, address, self.handle.buffers())
    }
}

/// Moves the virtual clock while every task waits.
struct Clockwork {
    seed: u64,
    world: Rc<RefCell<World>>,
    unparked: Arc<Unparked>,
}

impl Driver for Clockwork {
    fn park(&self, until: Moment) -> Moment {
        let mut world = self.world.borrow_mut();
        let next = world.next_due().min(until);
        let now = if self.unparked.0.swap(false, Ordering::Acquire) || until == Moment::ORIGIN {
            world.now + ROUND
        } else if next == Moment::NEVER {
            panic!(
                "deadlock: main waits, nothing is under way and no timer is armed; seed {}, {:?}; last events:\n{}",
                self.seed,
                world,
                world.trace.text()
            );
        } else {
            next.max(world.now)
        };
        world.advance(now);
        now
    }

    fn unpark(&self) -> Arc<dyn Unpark> {
        self.unparked.clone()
    }
}

impl fmt::Debug for Clockwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Clockwork").field("seed", &self.seed).field("world", &self.world).finish()
    }
}

/// That a wake-up came from outside a run.
#[derive(Default)]
struct Unparked(AtomicBool);

impl Unpark for Unparked {
    fn unpark(&self) {
        self.0.store(true, Ordering::Release);
    }
}
