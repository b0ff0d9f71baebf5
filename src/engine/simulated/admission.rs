//! How connections come about in the simulated network: listeners, attempts, and where they meet.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::io::Errno;

use super::link::{Link, Side, store, wake};
use super::trace::Kind;
use super::world::{Condition, Due, World};
use crate::engine::IoError;

/// When an attempt that found the queue full is made again.
const ATTEMPT_INTERVAL: Duration = Duration::from_secs(1);
/// Where the ports that nobody asked for by number begin (RFC 6335, section 6).
const PORT_FIRST: u16 = 49152;

/// A listening socket.
pub(super) struct Backlog {
    /// Tells it from one that listened on the same address before.
    id: u64,
    queue: VecDeque<u64>,
    stopped: bool,
    waker: Option<Waker>,
}

impl Backlog {
    pub(super) fn wake(&mut self) {
        wake(&mut self.waker);
    }
}

/// A connection being made.
pub(super) struct Attempt {
    /// Where to.
    pub(super) address: SocketAddr,
    outcome: Option<Result<u64, IoError>>,
    waker: Option<Waker>,
}

impl World {
    /// Opens a listener and returns its number and address.
    pub(super) fn listen(&mut self, mut address: SocketAddr) -> Result<(u64, SocketAddr), IoError> {
        if address.port() == 0 {
            address.set_port(self.free_port(address)?);
        }
        if self.listeners.contains_key(&address) {
            return Err(Errno::ADDRINUSE.into());
        }
        let id = self.number();
        self.listeners.insert(address, Backlog { id, queue: VecDeque::new(), stopped: false, waker: None });
        self.descriptors += 1;
        self.trace.note(self.now, Kind::Listen, id, 0, u64::from(address.port()));
        Ok((id, address))
    }

    /// The next connection of the queue and its client's address. `None` after a stop or when the listener was killed.
    pub(super) fn accept(
        &mut self,
        id: u64,
        address: SocketAddr,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<(u64, SocketAddr)>, IoError>> {
        let paused = self.has(address, Condition::Paused);
        let Some(backlog) = self.listeners.get_mut(&address).filter(|backlog| backlog.id == id) else {
            return Poll::Ready(Ok(None));
        };
        if paused || (backlog.queue.is_empty() && !backlog.stopped) {
            store(&mut backlog.waker, context);
            return Poll::Pending;
        }
        if backlog.queue.is_empty() {
            return Poll::Ready(Ok(None));
        }
        if self.random.chance(self.faults.accept_exhausted) {
            self.trace.note(self.now, Kind::Exhaust, id, 0, u64::from(address.port()));
            return Poll::Ready(Err(IoError::Exhausted));
        }
        let Some(link) = backlog.queue.pop_front() else { return Poll::Ready(Ok(None)) };
        let peer = self.links.get(&link).map_or(address, |link| link.address(Side::Client));
        self.descriptors += 1;
        self.trace.note(self.now, Kind::Accept, link, 1, 0);
        Poll::Ready(Ok(Some((link, peer))))
    }

    /// From now on attempts are refused.
    pub(super) fn stop(&mut self, id: u64, address: SocketAddr) {
        if let Some(backlog) = self.listeners.get_mut(&address).filter(|backlog| backlog.id == id) {
            backlog.stopped = true;
        }
    }

    /// Closes a listener and resets what is in its queue.
    pub(super) fn unlisten(&mut self, id: u64, address: SocketAddr) {
        self.descriptors -= 1;
        if self.listeners.get(&address).is_some_and(|backlog| backlog.id == id) {
            self.remove_listener(address);
        }
    }

    pub(super) fn remove_listener(&mut self, address: SocketAddr) {
        let Some(mut backlog) = self.listeners.remove(&address) else { return };
        self.trace.note(self.now, Kind::Unlisten, backlog.id, 0, u64::from(address.port()));
        backlog.wake();
        for link in backlog.queue {
            self.break_end(link, Side::Server);
            self.abort(link, Side::Server);
            self.close(link, Side::Server);
        }
    }

    /// Begins an attempt and returns its number.
    pub(super) fn connect(&mut self, address: SocketAddr) -> u64 {
        let id = self.number();
        self.descriptors += 1;
        self.attempts.insert(id, Attempt { address, outcome: None, waker: None });
        self.trace.note(self.now, Kind::Connect, id, 0, u64::from(address.port()));
        if self.random.chance(self.faults.connect_silent) {
            return id;
        }
        let late = self.random.chance(self.faults.connect_delay);
        let transit = self.faults.latency * 2 + if late { self.delay() } else { Duration::ZERO };
        self.schedule(self.now + transit, Due::Establish(id));
        id
    }

    /// What became of an attempt. A connection takes over its descriptor.
    pub(super) fn poll_connect(&mut self, id: u64, context: &mut Context<'_>) -> Poll<Result<u64, IoError>> {
        let Some(attempt) = self.attempts.get_mut(&id) else { return Poll::Ready(Err(IoError::Closed)) };
        let Some(outcome) = attempt.outcome else {
            store(&mut attempt.waker, context);
            return Poll::Pending;
        };
        self.attempts.remove(&id);
        if outcome.is_err() {
            self.descriptors -= 1;
        }
        Poll::Ready(outcome)
    }

    /// Gives an attempt up, and with it the connection that nobody took.
    pub(super) fn cancel(&mut self, id: u64) {
        let Some(attempt) = self.attempts.remove(&id) else { return };
        self.descriptors -= 1;
        self.trace.note(self.now, Kind::Cancel, id, 0, 0);
        if let Some(Ok(link)) = attempt.outcome {
            self.close(link, Side::Client);
        }
    }

    /// An attempt has reached its address.
    pub(super) fn establish(&mut self, id: u64) {
        let Some(address) = self.attempts.get(&id).map(|attempt| attempt.address) else { return };
        let refused =
            self.has(address, Condition::Refusing) || self.random.chance(self.faults.connect_refused);
        let outcome = match self.listeners.get(&address) {
            Some(backlog) if !backlog.stopped && !refused => {
                if backlog.queue.len() >= self.faults.backlog_max {
                    self.schedule(self.now + ATTEMPT_INTERVAL, Due::Establish(id));
                    return;
                }
                self.join(address)
            }
            _ => Err(IoError::Refused),
        };
        let (kind, number) = outcome.map_or((Kind::Refuse, 0), |link| (Kind::Establish, link));
        self.trace.note(self.now, kind, id, 0, number);
        if let Some(attempt) = self.attempts.get_mut(&id) {
            attempt.outcome = Some(outcome);
            wake(&mut attempt.waker);
        }
    }

    /// Puts a new connection into the queue of the listener at `address`.
    fn join(&mut self, address: SocketAddr) -> Result<u64, IoError> {
        let mut client = address;
        client.set_port(self.free_port(address)?);
        let slow = self.random.chance(self.faults.slow);
        let id = self.number();
        self.links.insert(id, Link::new(client, address, slow));
        if let Some(backlog) = self.listeners.get_mut(&address) {
            backlog.queue.push_back(id);
            backlog.wake();
        }
        Ok(id)
    }

    /// A port at the host of `near` on which nobody listens. Connections may share one: nothing looks them up by it.
    fn free_port(&mut self, near: SocketAddr) -> Result<u16, IoError> {
        let ports = u64::from(u16::MAX - PORT_FIRST) + 1;
        for _ in 0..ports {
            let port = PORT_FIRST + (self.number() % ports) as u16;
            if !self.listeners.contains_key(&SocketAddr::new(near.ip(), port)) {
                return Ok(port);
            }
        }
        Err(IoError::Exhausted)
    }
}
