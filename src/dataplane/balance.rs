//! Which core serves a new connection.
//!
//! The kernel spreads connections over the cores' listeners by a hash of their addresses (SO_REUSEPORT), which leaves few of
//! them to chance: of four, all go to one of two cores in every eighth case. So a core that has clearly more connections
//! than another one, or as many as it may have, hands over what it accepts, before it has read a byte. A connection never
//! moves again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use crate::base::core_counters::CoreCounters;
use crate::base::mailbox::Mailbox;
use crate::engine::{Incoming, Listener};

/// A core has clearly more connections than another one if it has more than that one and this part of it. Few are
/// spread evenly, and of many, which chance spreads well enough, nearly none is handed over.
const SLACK: u64 = 8;
/// The bit of [`Door::coming`] that says that the core takes no more.
const CLOSED: u64 = 1 << 63;

/// A listener of one core, and how it shares its connections with those of the other cores.
pub struct Entrance<L: Listener> {
    pub(super) listener: L,
    balance: Arc<Balance<L::Socket>>,
    core: usize,
}

impl<L: Listener> Entrance<L> {
    /// The listener of the core of number `core`. All listeners of one address have one `balance`.
    ///
    /// # Panics
    /// If `balance` is of fewer cores.
    pub fn new(listener: L, balance: Arc<Balance<L::Socket>>, core: usize) -> Self {
        assert!(core < balance.doors.len(), "core {core} of {}", balance.doors.len());
        Entrance { listener, balance, core }
    }

    /// A listener whose core serves all that it accepts.
    pub fn alone(listener: L) -> Self {
        Entrance { listener, balance: Arc::new(Balance::new([(Arc::default(), usize::MAX)])), core: 0 }
    }

    /// Hands a connection to the core that has the fewest, if this one has clearly more or no room, or else returns it.
    pub(super) fn hand_over(&self, incoming: Incoming<L::Socket>) -> Option<Incoming<L::Socket>> {
        self.balance.hand_over(self.core, incoming)
    }

    /// The next connection from another core. `None` after [`close`](Entrance::close), once all have come.
    pub(super) fn poll_handed(&self, context: &mut Context<'_>) -> Poll<Option<Incoming<L::Socket>>> {
        self.balance.doors[self.core].poll(context)
    }

    /// Takes no more from other cores, but for what is under way.
    pub(super) fn close(&self) {
        self.balance.doors[self.core].coming.fetch_or(CLOSED, Ordering::AcqRel);
    }
}

impl<L: Listener> fmt::Debug for Entrance<L> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Entrance").field("core", &self.core).finish_non_exhaustive()
    }
}

/// What the listeners of one address share, by core.
pub struct Balance<S> {
    doors: Box<[Door<S>]>,
}

impl<S> Balance<S> {
    /// Of cores that count here, and may have so many connections each.
    pub fn new(cores: impl IntoIterator<Item = (Arc<CoreCounters>, usize)>) -> Self {
        let door = |(counters, connections_max)| Door {
            counters,
            connections_max: connections_max as u64,
            handed: Mailbox::default(),
            coming: AtomicU64::new(0),
        };
        Balance { doors: cores.into_iter().map(door).collect() }
    }

    fn hand_over(&self, from: usize, incoming: Incoming<S>) -> Option<Incoming<S>> {
        let cores = self.doors.iter().map(|door| (door.load(), door.connections_max));
        match receiver(from, cores) {
            Some(to) => self.doors[to].hand(incoming),
            None => Some(incoming),
        }
    }
}

impl<S> fmt::Debug for Balance<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Balance").field("cores", &self.doors.len()).finish_non_exhaustive()
    }
}

/// Where one core takes what others hand over.
struct Door<S> {
    counters: Arc<CoreCounters>,
    connections_max: u64,
    handed: Mailbox<Incoming<S>>,
    /// Connections that others have begun to hand over and this core has not taken yet; and [`CLOSED`].
    coming: AtomicU64,
}

impl<S> Door<S> {
    /// What the core has, or is about to have.
    fn load(&self) -> u64 {
        self.counters.connections_open.value() + (self.coming.load(Ordering::Relaxed) & !CLOSED)
    }

    /// Returns the connection if the core takes no more.
    fn hand(&self, incoming: Incoming<S>) -> Option<Incoming<S>> {
        let announced = self.coming.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |coming| {
            (coming & CLOSED == 0).then(|| coming + 1)
        });
        if announced.is_err() {
            return Some(incoming);
        }
        // The core that closes waits for what was announced: nothing is lost between the two.
        self.handed.send(incoming);
        None
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Incoming<S>>> {
        if self.coming.load(Ordering::Acquire) == CLOSED {
            return Poll::Ready(None);
        }
        let incoming = std::task::ready!(self.handed.poll_receive(context));
        self.coming.fetch_sub(1, Ordering::AcqRel);
        Poll::Ready(Some(incoming))
    }
}

/// The core with the fewest connections of those that have room, if the one of number `from` has clearly more, or no room. Of each
/// core its connections and the most that it may have.
fn receiver(from: usize, cores: impl Iterator<Item = (u64, u64)> + Clone) -> Option<usize> {
    let (own, own_max) = cores.clone().nth(from)?;
    let with_room = cores.enumerate().filter(|&(_, (load, max))| load < max);
    let (to, (fewest, _)) = with_room.min_by_key(|&(_, (load, _))| load)?;
    (own >= own_max || own > fewest + fewest / SLACK).then_some(to)
}

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::thread;

    use super::*;

    fn incoming(number: usize) -> Incoming<usize> {
        Incoming { socket: number, peer: ([127, 0, 0, 1], 1).into() }
    }

    #[test]
    fn few_connections_are_spread_evenly_and_many_left_where_they_are() {
        let of = |from, loads: &[u64]| receiver(from, loads.iter().map(|&load| (load, u64::MAX)));
        assert_eq!(of(0, &[0, 0]), None);
        assert_eq!(of(0, &[1, 0]), Some(1));
        assert_eq!(of(1, &[1, 0]), None);
        assert_eq!(of(0, &[2, 2, 1]), Some(2));
        assert_eq!(of(0, &[7, 6]), Some(1));
        assert_eq!(of(0, &[9, 8]), None);
        assert_eq!(of(0, &[10, 8]), Some(1));
        assert_eq!(of(0, &[280, 256]), None);
        assert_eq!(of(0, &[5_000, 256]), Some(1));
        assert_eq!(of(0, &[1]), None);
        assert_eq!(of(1, &[1]), None);
    }

    #[test]
    fn a_full_core_hands_over_wherever_there_is_room() {
        let of = |from, cores: &[(u64, u64)]| receiver(from, cores.iter().copied());
        assert_eq!(of(0, &[(8, 8), (7, 8)]), Some(1));
        assert_eq!(of(1, &[(1, 2), (1, 1)]), Some(0));
        assert_eq!(of(0, &[(8, 8), (9, 10)]), Some(1));
        assert_eq!(of(0, &[(8, 9), (1, 1)]), None, "the other one is full");
        assert_eq!(of(0, &[(8, 9), (1, 1), (6, 9)]), Some(2));
        assert_eq!(of(0, &[(8, 8), (8, 8)]), None);
    }

    #[test]
    fn what_is_under_way_counts_where_it_goes() {
        let cores: [Arc<CoreCounters>; 2] = Default::default();
        let balance = Balance::new(cores.clone().map(|counters| (counters, usize::MAX)));
        cores[0].connections_open.add(3);
        let kept: Vec<bool> = (0..5).map(|number| balance.hand_over(0, incoming(number)).is_some()).collect();
        assert_eq!(kept, [false, false, false, true, true]);
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Some(first)) = balance.doors[1].poll(&mut context) else { panic!("three wait") };
        assert_eq!(first.socket, 0);
    }

    /// Each of many connections is either taken by the core that closes meanwhile, or comes back to who hands it over.
    #[test]
    fn a_core_that_closes_loses_none() {
        const CONNECTIONS: usize = 10_000;
        let balance = Balance::new([(Arc::default(), usize::MAX)]);
        let door = &balance.doors[0];
        let (taken, returned) = thread::scope(|scope| {
            let hand = |numbers: std::ops::Range<usize>| {
                move || numbers.filter_map(|number| door.hand(incoming(number))).collect::<Vec<_>>()
            };
            let senders = [hand(0..CONNECTIONS / 2), hand(CONNECTIONS / 2..CONNECTIONS)];
            let senders = senders.map(|sender| scope.spawn(sender));
            let mut context = Context::from_waker(Waker::noop());
            let mut taken = Vec::new();
            loop {
                match door.poll(&mut context) {
                    Poll::Ready(Some(incoming)) => taken.push(incoming.socket),
                    Poll::Ready(None) => break,
                    Poll::Pending => thread::yield_now(),
                }
                if taken.len() == CONNECTIONS / 4 {
                    door.coming.fetch_or(CLOSED, Ordering::AcqRel);
                }
            }
            let returned = senders.into_iter().flat_map(|sender| sender.join().unwrap());
            (taken, returned.map(|incoming| incoming.socket).collect::<Vec<_>>())
        });
        assert!(taken.len() >= CONNECTIONS / 4);
        let mut all = [taken, returned].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..CONNECTIONS));
    }
}
