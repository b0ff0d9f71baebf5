//! Which core serves a new connection.
//!
//! The kernel spreads connections over the cores' listeners by a hash of their addresses (SO_REUSEPORT), which leaves few of
//! them to chance: of four, all go to one of two cores in every eighth case. So a core that has clearly more connections
//! than another one, or as many as it may have, hands over what it accepts, before it has read a byte. A connection never
//! moves again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::base::core_counters::CoreCounters;
use crate::base::counter::Counter;
use crate::base::mailbox::Mailbox;
use crate::base::time::Moment;
use crate::engine::{AcceptedOf, Incoming, IoError, Listener};

/// A core has clearly more connections than another one if it has more than that one and this part of it. Few are
/// spread evenly, and of many, which chance spreads well enough, nearly none is handed over.
const SLACK: u64 = 8;
/// Connections that a listener hands over within [`EVENED_INTERVAL`] to a core that has fewer. To hand one over costs a third
/// of what a short connection does (it wakes the other core), and where many are short chance spreads them well enough.
const EVENED_MAX: u32 = 32;
/// The time in which so many are handed over.
const EVENED_INTERVAL: Duration = Duration::from_millis(100);
/// Connections that a listener hands over before other tasks have their turn.
const HANDED_IN_A_ROW_MAX: usize = 32;
/// The bit of [`Door::announced`] that says that nothing more is taken.
const CLOSED: u64 = 1 << 63;

/// A listener of one core, and how it shares its connections with those of the other cores.
pub struct Entrance<L: Listener> {
    listener: L,
    balance: Arc<Balance<L::Socket>>,
    core: usize,
    /// What is handed over has its turn before what is queued.
    handed_first: bool,
    allowance: Allowance,
}

impl<L: Listener> Entrance<L> {
    /// The listener of the core of number `core`. All listeners of one address have one `balance`.
    ///
    /// # Panics
    /// If `balance` is of fewer cores.
    pub fn new(listener: L, balance: Arc<Balance<L::Socket>>, core: usize) -> Self {
        assert!(core < balance.doors.len(), "core {core} of {}", balance.doors.len());
        Entrance { listener, balance, core, handed_first: false, allowance: Allowance::default() }
    }

    /// A listener whose core serves all that it accepts.
    pub fn alone(listener: L) -> Self {
        let core = CoreLoad::new(Arc::default(), usize::MAX);
        Entrance::new(listener, Arc::new(Balance::new(Arc::new([core]))), 0)
    }

    /// Whether another core has room, where this one has none.
    pub(super) fn has_room_elsewhere(&self) -> bool {
        self.balance.receiver(self.core, false).is_some()
    }

    /// Hands out what is queued, what is there already from other cores, and then `None`.
    pub(super) fn stop(&mut self) {
        self.listener.stop();
        self.close();
    }

    fn close(&self) {
        self.balance.doors[self.core].announced.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// The next connection that this core is to serve. What it hands over is counted in `handed_over`.
    pub(super) fn poll_accept(
        &mut self,
        handed_over: &Counter,
        now: Moment,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<AcceptedOf<L>>, IoError>> {
        // In turns, so that neither keeps the other waiting.
        self.handed_first = !self.handed_first;
        let incoming = if self.handed_first
            && let Poll::Ready(Some(handed)) = self.balance.poll_handed(self.core, context)
        {
            handed
        } else {
            match self.poll_queued(handed_over, now, context)? {
                Poll::Ready(Some(queued)) => queued,
                none => match ready!(self.balance.poll_handed(self.core, context)) {
                    Some(handed) => handed,
                    None => return none.map(|_| Ok(None)),
                },
            }
        };
        Poll::Ready(self.listener.adopt(incoming).map(Some))
    }

    /// The next connection of the queue that this core keeps.
    fn poll_queued(
        &mut self,
        handed_over: &Counter,
        now: Moment,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Incoming<L::Socket>>, IoError>> {
        for _ in 0..HANDED_IN_A_ROW_MAX {
            let Some(incoming) = ready!(self.listener.poll_accept(context))? else {
                return Poll::Ready(Ok(None));
            };
            let evens = self.allowance.is_left(now);
            match self.balance.hand_over(self.core, evens, incoming) {
                Some(kept) => return Poll::Ready(Ok(Some(kept))),
                None => {
                    handed_over.increment();
                    self.allowance.use_one();
                }
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<L: Listener> Drop for Entrance<L> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<L: Listener> fmt::Debug for Entrance<L> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Entrance").field("core", &self.core).finish_non_exhaustive()
    }
}

/// How many connections a listener may still hand over for evenness.
#[derive(Debug, Default)]
struct Allowance {
    left: u32,
    /// When there are [`EVENED_MAX`] again.
    renewed_at: Moment,
}

impl Allowance {
    fn is_left(&mut self, now: Moment) -> bool {
        if now >= self.renewed_at {
            *self = Allowance { left: EVENED_MAX, renewed_at: now + EVENED_INTERVAL };
        }
        self.left > 0
    }

    fn use_one(&mut self) {
        self.left = self.left.saturating_sub(1);
    }
}

/// What one core has, for the others to see.
#[derive(Debug)]
pub struct CoreLoad {
    counters: Arc<CoreCounters>,
    connections_max: u64,
    /// Connections on their way here, by whichever address they came.
    coming: AtomicU64,
}

impl CoreLoad {
    /// Of a core that counts here and may have so many connections.
    pub fn new(counters: Arc<CoreCounters>, connections_max: usize) -> Self {
        CoreLoad { counters, connections_max: connections_max as u64, coming: AtomicU64::new(0) }
    }

    fn connections(&self) -> u64 {
        self.counters.connections_open.value() + self.coming.load(Ordering::Relaxed)
    }

    /// Counts a connection that is to come, unless there is no room for it.
    fn reserve(&self) -> bool {
        let room = self.connections_max.saturating_sub(self.counters.connections_open.value());
        let reserve = |coming: u64| (coming < room).then_some(coming + 1);
        self.coming.fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve).is_ok()
    }

    /// What was reserved is there, or does not come.
    fn unreserve(&self) {
        self.coming.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the listeners of one address share.
pub struct Balance<S> {
    cores: Arc<[CoreLoad]>,
    /// By core.
    doors: Box<[Door<S>]>,
}

impl<S> Balance<S> {
    /// The listeners of one address, one on each of `cores`. All addresses have the same `cores`.
    pub fn new(cores: Arc<[CoreLoad]>) -> Self {
        let doors = cores.iter().map(|_| Door::default()).collect();
        Balance { cores, doors }
    }

    fn receiver(&self, from: usize, evens: bool) -> Option<usize> {
        receiver(from, evens, self.cores.iter().map(|core| (core.connections(), core.connections_max)))
    }

    /// Hands a connection to the core that has the fewest, if `from` has no room, or clearly more and `evens`, or else returns it.
    fn hand_over(&self, from: usize, evens: bool, incoming: Incoming<S>) -> Option<Incoming<S>> {
        let Some(to) = self.receiver(from, evens).filter(|&to| self.cores[to].reserve()) else {
            return Some(incoming);
        };
        let returned = self.doors[to].hand(incoming);
        if returned.is_some() {
            self.cores[to].unreserve();
        }
        returned
    }

    /// The next connection from another core. `None` once the door is closed and all have come.
    fn poll_handed(&self, core: usize, context: &mut Context<'_>) -> Poll<Option<Incoming<S>>> {
        let handed = ready!(self.doors[core].poll(context));
        if handed.is_some() {
            self.cores[core].unreserve();
        }
        Poll::Ready(handed)
    }
}

impl<S> fmt::Debug for Balance<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Balance").field("cores", &self.cores).finish_non_exhaustive()
    }
}

/// Where one core takes what others hand over.
struct Door<S> {
    handed: Mailbox<Incoming<S>>,
    /// Connections that others have begun to hand over and the core has not taken yet; and [`CLOSED`].
    announced: AtomicU64,
}

impl<S> Default for Door<S> {
    fn default() -> Self {
        Door { handed: Mailbox::default(), announced: AtomicU64::new(0) }
    }
}

impl<S> Door<S> {
    /// Returns the connection if the door is closed.
    fn hand(&self, incoming: Incoming<S>) -> Option<Incoming<S>> {
        let announce = |announced: u64| (announced & CLOSED == 0).then_some(announced + 1);
        if self.announced.fetch_update(Ordering::AcqRel, Ordering::Relaxed, announce).is_err() {
            return Some(incoming);
        }
        // The core that closes waits for what was announced: nothing is lost between the two.
        self.handed.send(incoming);
        None
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Incoming<S>>> {
        if self.announced.load(Ordering::Acquire) == CLOSED {
            return Poll::Ready(None);
        }
        let incoming = ready!(self.handed.poll_receive(context));
        self.announced.fetch_sub(1, Ordering::AcqRel);
        Poll::Ready(Some(incoming))
    }
}

/// The core with the fewest connections of those that have room, if the one of number `from` has no room, or clearly more and
/// `evens`. Of each core its connections and the most that it may have.
fn receiver(from: usize, evens: bool, cores: impl Iterator<Item = (u64, u64)> + Clone) -> Option<usize> {
    let (own, own_max) = cores.clone().nth(from)?;
    let with_room = cores.enumerate().filter(|&(_, (load, max))| load < max);
    let (to, (fewest, _)) = with_room.min_by_key(|&(_, (load, _))| load)?;
    (own >= own_max || evens && own > fewest + fewest / SLACK).then_some(to)
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
        let of = |from, loads: &[u64]| receiver(from, true, loads.iter().map(|&load| (load, u64::MAX)));
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
        let of = |from, cores: &[(u64, u64)]| receiver(from, true, cores.iter().copied());
        assert_eq!(of(0, &[(8, 8), (7, 8)]), Some(1));
        assert_eq!(of(1, &[(1, 2), (1, 1)]), Some(0));
        assert_eq!(of(0, &[(8, 8), (9, 10)]), Some(1));
        assert_eq!(of(0, &[(8, 9), (1, 1)]), None, "the other one is full");
        assert_eq!(of(0, &[(8, 9), (1, 1), (6, 9)]), Some(2));
        assert_eq!(of(0, &[(8, 8), (8, 8)]), None);
        let unevenly = |from, cores: &[(u64, u64)]| receiver(from, false, cores.iter().copied());
        assert_eq!(unevenly(0, &[(8, 8), (7, 8)]), Some(1));
        assert_eq!(unevenly(0, &[(7, 8), (0, 8)]), None);
    }

    #[test]
    fn what_is_handed_over_for_evenness_is_bounded_in_time() {
        let mut allowance = Allowance::default();
        let mut used = [0; 3];
        for ms in 0..300 {
            for _ in 0..5 {
                if allowance.is_left(Moment::ORIGIN + Duration::from_millis(ms)) {
                    allowance.use_one();
                    used[ms as usize / 100] += 1;
                }
            }
        }
        assert_eq!(used, [EVENED_MAX; 3]);
    }

    fn two_cores(connections_max: usize) -> (Arc<CoreCounters>, Arc<[CoreLoad]>) {
        let first: Arc<CoreCounters> = Arc::default();
        let cores = [first.clone(), Arc::default()].map(|counters| CoreLoad::new(counters, connections_max));
        (first, Arc::new(cores))
    }

    #[test]
    fn what_is_under_way_counts_where_it_goes_by_whichever_address() {
        let (first, cores) = two_cores(usize::MAX);
        let [balance, other] = [(); 2].map(|()| Balance::new(cores.clone()));
        first.connections_open.add(3);
        let kept: Vec<bool> = [&balance, &other, &balance, &other, &balance]
            .iter()
            .enumerate()
            .map(|(number, by)| by.hand_over(0, true, incoming(number)).is_some())
            .collect();
        assert_eq!(kept, [false, false, false, true, true]);
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Some(next)) = other.poll_handed(1, &mut context) else { panic!("one waits there") };
        assert_eq!((next.socket, cores[1].connections()), (1, 2));
        assert!(other.poll_handed(1, &mut context).is_pending());
    }

    #[test]
    fn no_more_are_handed_over_than_there_is_room_for() {
        let (first, cores) = two_cores(2);
        let balance = Balance::new(cores);
        first.connections_open.add(2);
        let kept = (0..4).filter(|&number| balance.hand_over(0, false, incoming(number)).is_some()).count();
        assert_eq!(kept, 2);
    }

    #[test]
    fn what_a_closed_door_returns_counts_nowhere() {
        let (first, cores) = two_cores(usize::MAX);
        let balance = Balance::new(cores.clone());
        first.connections_open.add(9);
        balance.doors[1].announced.fetch_or(CLOSED, Ordering::AcqRel);
        assert!(balance.hand_over(0, true, incoming(1)).is_some());
        assert_eq!(cores[1].connections(), 0);
        assert!(balance.poll_handed(1, &mut Context::from_waker(Waker::noop())).is_ready());
    }

    /// Two threads hand over until they are refused; the core closes its door in the middle. Each connection is either taken
    /// or comes back, but for the last of each thread, which does.
    #[test]
    fn a_door_that_closes_loses_none() {
        const BEFORE_CLOSING: usize = 2_500;
        let door: Door<usize> = Door::default();
        let (taken, handed) = thread::scope(|scope| {
            let hand = || (0..).find(|&number| door.hand(incoming(number)).is_some()).unwrap();
            let senders = [scope.spawn(hand), scope.spawn(hand)];
            let mut context = Context::from_waker(Waker::noop());
            let mut taken = 0;
            loop {
                match door.poll(&mut context) {
                    Poll::Ready(Some(_)) => taken += 1,
                    Poll::Ready(None) => break,
                    Poll::Pending => thread::yield_now(),
                }
                if taken == BEFORE_CLOSING {
                    door.announced.fetch_or(CLOSED, Ordering::AcqRel);
                }
            }
            (taken, senders.map(|sender| sender.join().unwrap()).iter().sum::<usize>())
        });
        assert!(taken >= BEFORE_CLOSING);
        assert_eq!(taken, handed);
    }
}
