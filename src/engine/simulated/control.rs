//! What a test does to the simulated network and learns of it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use super::faults::Faults;
use super::link::Side;
use super::world::{Condition, World};

/// The simulated network, as a test holds it. Cloning gives another handle on the same.
///
/// Where a method takes an address, it concerns the listener there and every connection with that address at one end.
#[derive(Clone, Debug)]
pub struct Network(pub(super) Rc<RefCell<World>>);

impl Network {
    /// Ends the process at `address`: its listener is gone, what it had queued and its connections are reset. A new
    /// listener may take the address; the old one accepts `None`.
    pub fn kill(&self, address: SocketAddr) {
        let mut world = self.0.borrow_mut();
        world.remove_listener(address);
        let links: Vec<u64> =
            world.links.iter().filter(|(_, link)| link.touches(address)).map(|(&id, _)| id).collect();
        for id in links {
            let dying = match world.links.get(&id) {
                Some(link) if link.address(Side::Server) == address => Side::Server,
                _ => Side::Client,
            };
            world.break_end(id, dying);
            world.abort(id, dying);
        }
    }

    /// Stops the process at `address` as a signal would: connections and bytes are still taken for it, up to the
    /// buffers, and it answers none until [`Network::resume`].
    pub fn pause(&self, address: SocketAddr) {
        self.0.borrow_mut().set_condition(address, Condition::Paused);
    }

    /// Ends [`Network::pause`].
    pub fn resume(&self, address: SocketAddr) {
        self.0.borrow_mut().end_condition(address, Condition::Paused);
    }

    /// Lets nothing to or from `address` arrive before [`Network::heal`].
    pub fn partition(&self, address: SocketAddr) {
        self.0.borrow_mut().set_condition(address, Condition::Partitioned);
    }

    /// Ends [`Network::partition`]: what was held back arrives.
    pub fn heal(&self, address: SocketAddr) {
        self.0.borrow_mut().end_condition(address, Condition::Partitioned);
    }

    /// Refuses connections to `address` before [`Network::admit`].
    pub fn refuse(&self, address: SocketAddr) {
        self.0.borrow_mut().set_condition(address, Condition::Refusing);
    }

    /// Answers no connection to `address` before [`Network::admit`].
    pub fn silence(&self, address: SocketAddr) {
        self.0.borrow_mut().set_condition(address, Condition::Silent);
    }

    /// Ends [`Network::refuse`] and [`Network::silence`].
    pub fn admit(&self, address: SocketAddr) {
        let mut world = self.0.borrow_mut();
        world.end_condition(address, Condition::Refusing);
        world.end_condition(address, Condition::Silent);
    }

    /// Replaces the plan of faults from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.0.borrow_mut().faults = faults;
    }

    /// Listeners, attempts and ends of connections that somebody holds: zero when nothing leaks.
    pub fn open_sockets(&self) -> usize {
        self.0.borrow().descriptors
    }

    /// Attempts at `address` that are neither made nor given up.
    pub fn attempts(&self, address: SocketAddr) -> usize {
        self.0.borrow().attempts.values().filter(|attempt| attempt.address == address).count()
    }

    /// A hash of every event so far, with its virtual time: two runs that agree in it were the same.
    pub fn digest(&self) -> u64 {
        self.0.borrow().trace.digest()
    }

    /// Keeps the last `events` events for [`Network::trace`], at most 2^20; 32 unless told.
    pub fn keep_trace(&self, events: usize) {
        self.0.borrow_mut().trace.keep(events);
    }

    /// The events that were kept, one a line: virtual nanoseconds, kind, connection and end, a number.
    pub fn trace(&self) -> String {
        self.0.borrow().trace.text()
    }
}
