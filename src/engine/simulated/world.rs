//! The state of a simulated network, its virtual clock, and what is due when.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::admission::{Attempt, Backlog};
use super::faults::Faults;
use super::link::{Link, Payload, Side};
use super::trace::{Kind, Trace};
use crate::base::random::Random;
use crate::base::time::Moment;

/// How an address behaves, as the test set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    /// Its process stands still: its kernel still takes connections and bytes, up to its buffers.
    Paused,
    /// Nothing reaches it and nothing leaves it; it arrives late, once the partition heals.
    Partitioned,
    /// It refuses connections.
    Refusing,
    /// It does not answer connections.
    Silent,
}

/// What becomes of the network by itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    /// Segments reach this end.
    Arrive(u64, Side),
    /// A reset reaches this end.
    Break(u64, Side),
    /// The rest of a short write may go on.
    Writable(u64, Side),
    /// An attempt reaches the address that it goes to.
    Establish(u64),
}

/// All of a simulated network.
pub(super) struct World {
    pub(super) now: Moment,
    pub(super) faults: Faults,
    pub(super) random: Random,
    pub(super) trace: Trace,
    pub(super) listeners: BTreeMap<SocketAddr, Backlog>,
    pub(super) attempts: BTreeMap<u64, Attempt>,
    pub(super) links: BTreeMap<u64, Link>,
    /// Listeners, attempts and connections that somebody holds.
    pub(super) descriptors: usize,
    conditions: BTreeSet<(SocketAddr, Condition)>,
    due: BTreeMap<(Moment, u64), Due>,
    /// What was due at an address that nothing reached.
    withheld: Vec<Due>,
    last_number: u64,
}

impl World {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        World {
            now: Moment::ORIGIN,
            faults,
            random: Random::new(seed),
            trace: Trace::new(seed),
            listeners: BTreeMap::new(),
            attempts: BTreeMap::new(),
            links: BTreeMap::new(),
            descriptors: 0,
            conditions: BTreeSet::new(),
            due: BTreeMap::new(),
            withheld: Vec::new(),
            last_number: 0,
        }
    }

    /// A number that nothing else in this world has: of connections, attempts, events and ports.
    pub(super) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(super) fn schedule(&mut self, at: Moment, due: Due) {
        let number = self.number();
        self.due.insert((at, number), due);
    }

    /// When the next thing happens by itself.
    pub(super) fn next_due(&self) -> Moment {
        self.due.first_key_value().map_or(Moment::NEVER, |(key, _)| key.0)
    }

    /// Moves the clock to `now` and does what is due by then.
    pub(super) fn advance(&mut self, now: Moment) {
        self.now = now;
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            let due = entry.remove();
            self.happen(due);
        }
    }

    fn happen(&mut self, due: Due) {
        if self.is_withheld(due) {
            self.withheld.push(due);
            return;
        }
        match due {
            Due::Arrive(link, side) => self.arrive(link, side),
            Due::Break(link, side) => self.break_end(link, side),
            Due::Writable(link, side) => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.end(side).wake_writer();
                }
            }
            Due::Establish(attempt) => self.establish(attempt),
        }
    }

    fn is_withheld(&self, due: Due) -> bool {
        match due {
            Due::Arrive(link, _) | Due::Break(link, _) => self.links.get(&link).is_some_and(|link| {
                [Side::Client, Side::Server]
                    .iter()
                    .any(|&side| self.has(link.address(side), Condition::Partitioned))
            }),
            Due::Establish(attempt) => self.attempts.get(&attempt).is_some_and(|attempt| {
                self.has(attempt.address, Condition::Partitioned)
                    || self.has(attempt.address, Condition::Silent)
            }),
            Due::Writable(..) => false,
        }
    }

    /// How long the next segment takes.
    pub(super) fn transit(&mut self) -> Duration {
        let late = self.random.chance(self.faults.delay);
        self.faults.latency + if late { self.delay() } else { Duration::ZERO }
    }

    /// How late something is that is late; never zero.
    pub(super) fn delay(&mut self) -> Duration {
        let most = u64::try_from(self.faults.delay_max.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.random.up_to(most))
    }

    /// Takes in what has reached `side`.
    fn arrive(&mut self, id: u64, side: Side) {
        let (now, latency) = (self.now, self.faults.latency);
        let Some(link) = self.links.get_mut(&id) else { return };
        while let Some(payload) = link.end(side.other()).land(now) {
            let end = link.end(side);
            match payload {
                Payload::Bytes(bytes) if end.open && !end.broken => {
                    end.received.extend(&bytes);
                    self.trace.note(now, Kind::Arrive, id, side as u8, bytes.len() as u64);
                }
                // Bytes for a socket that was closed or reset: its kernel answers with a reset.
                Payload::Bytes(_) => {
                    self.schedule(now + latency, Due::Break(id, side.other()));
                    return;
                }
                Payload::End => {
                    end.ended = true;
                    self.trace.note(now, Kind::End, id, side as u8, 0);
                }
            }
            end.wake_reader();
        }
    }

    /// A reset has reached `side`: what is under way is lost, and perhaps what it had not read.
    pub(super) fn break_end(&mut self, id: u64, side: Side) {
        let keeps_unread = self.random.chance(0.5);
        let Some(link) = self.links.get_mut(&id) else { return };
        let is_cut = link.cut;
        let peer = link.end(side.other());
        peer.lose_flight();
        peer.wake_writer();
        let end = link.end(side);
        if end.broken || !end.open {
            return;
        }
        end.broken = true;
        // What a cut let through, and the end of the stream behind it, is beyond the place of the cut already.
        if !is_cut {
            end.lose_flight();
        }
        if !keeps_unread {
            end.received.clear();
        }
        end.wake_reader();
        end.wake_writer();
        self.trace.note(self.now, Kind::Break, id, side as u8, u64::from(keeps_unread));
    }

    pub(super) fn has(&self, address: SocketAddr, condition: Condition) -> bool {
        self.conditions.contains(&(address, condition))
    }

    pub(super) fn set_condition(&mut self, address: SocketAddr, condition: Condition) {
        self.conditions.insert((address, condition));
        self.trace.note(self.now, Kind::Control, condition as u64, 1, u64::from(address.port()));
    }

    /// Ends a condition and lets go on what waited for that.
    pub(super) fn end_condition(&mut self, address: SocketAddr, condition: Condition) {
        if !self.conditions.remove(&(address, condition)) {
            return;
        }
        self.trace.note(self.now, Kind::Control, condition as u64, 0, u64::from(address.port()));
        for due in std::mem::take(&mut self.withheld) {
            let arrives = self.now + self.faults.latency;
            self.schedule(arrives, due);
        }
        for link in self.links.values_mut().filter(|link| link.touches(address)) {
            for side in [Side::Client, Side::Server] {
                link.end(side).wake_reader();
                link.end(side).wake_writer();
            }
        }
        if let Some(backlog) = self.listeners.get_mut(&address) {
            backlog.wake();
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("World")
            .field("now", &self.now)
            .field("descriptors", &self.descriptors)
            .field("listeners", &self.listeners.keys())
            .field("attempts", &self.attempts.len())
            .field("connections", &self.links.len())
            .field("conditions", &self.conditions)
            .finish_non_exhaustive()
    }
}
