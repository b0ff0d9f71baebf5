//! For which client connections a core has room, and which are refused.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::base::address_counts::{AddressCounts, Counted};
use crate::base::core_counters::{ConnectionLimit, CoreCounters};

/// How many client connections a core may have.
#[derive(Clone, Debug)]
pub struct Capacity {
    /// Those that are served.
    pub connections_max: usize,
    /// Those that are only told that there is no room. Beyond them a connection waits in the listener's queue, so that a
    /// flood costs no memory.
    pub surplus_max: usize,
    /// What all cores count of each client address, where that is limited.
    pub addresses: Option<Arc<AddressCounts>>,
}

/// A core's connections by what becomes of them, and the listeners that wait for room.
#[derive(Debug)]
pub(super) struct Admission {
    capacity: Capacity,
    counters: Arc<CoreCounters>,
    /// Connections open now that are told so.
    surplus: Cell<usize>,
    waiting: RefCell<Vec<Waker>>,
}

impl Admission {
    pub(super) fn new(capacity: Capacity, counters: Arc<CoreCounters>) -> Self {
        Admission { capacity, counters, surplus: Cell::new(0), waiting: RefCell::default() }
    }

    /// Ready while there is room for another connection, even if that is only told that it is not served.
    pub(super) fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.serves_another() || self.takes_surplus() {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            waiting.push(context.waker().clone());
        }
        Poll::Pending
    }

    /// Lets the listeners look again whether there is room.
    pub(super) fn wake_listeners(&self) {
        for waker in self.waiting.take() {
            waker.wake();
        }
    }

    /// Decides on a connection that was accepted from `address`; whether that is exempt from the limit on addresses is
    /// asked only where there is one.
    ///
    /// # Errors
    /// The limit that refuses it.
    pub(super) fn admit(
        &self,
        address: IpAddr,
        is_exempt: impl FnOnce() -> bool,
    ) -> Result<Option<Counted>, ConnectionLimit> {
        let refused = |limit: ConnectionLimit| {
            self.counters.connections_refused[limit as usize].increment();
            limit
        };
        if !self.serves_another() {
            return Err(refused(ConnectionLimit::OfCore));
        }
        match &self.capacity.addresses {
            Some(addresses) if !is_exempt() => {
                addresses.add(address).map(Some).map_err(|_| refused(ConnectionLimit::OfAddress))
            }
            _ => Ok(None),
        }
    }

    fn serves_another(&self) -> bool {
        self.counters.connections_open.value() < self.capacity.connections_max as u64
    }

    /// Whether another refused connection can be told so.
    pub(super) fn takes_surplus(&self) -> bool {
        self.surplus.get() < self.capacity.surplus_max
    }

    pub(super) fn serving_begins(&self) {
        self.counters.connections_open.increment();
    }

    /// `place` is what [`admit`](Admission::admit) yielded for the connection.
    pub(super) fn serving_ends(&self, place: Option<Counted>) {
        self.counters.connections_open.decrement();
        if let (Some(place), Some(addresses)) = (place, &self.capacity.addresses) {
            addresses.remove(place);
        }
    }

    pub(super) fn surplus_begins(&self) {
        self.surplus.set(self.surplus.get() + 1);
    }

    pub(super) fn surplus_ends(&self) {
        self.surplus.set(self.surplus.get() - 1);
    }

    /// Connections that are open now, of both kinds.
    pub(super) fn open(&self) -> u64 {
        self.counters.connections_open.value() + self.surplus.get() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn admission(connections_max: usize, surplus_max: usize, per_address: usize) -> Admission {
        let addresses = NonZeroUsize::new(per_address)
            .map(|per_address| Arc::new(AddressCounts::new(per_address, connections_max)));
        Admission::new(Capacity { connections_max, surplus_max, addresses }, Arc::default())
    }

    /// Admits a connection as far as there is room, and counts it as open.
    fn open(admission: &Admission, address: IpAddr) -> Result<Option<Counted>, ConnectionLimit> {
        let decision = admission.admit(address, || false);
        match decision {
            Ok(_) => admission.serving_begins(),
            Err(_) => admission.surplus_begins(),
        }
        decision
    }

    #[test]
    fn the_core_is_full_before_the_address_is() {
        let admission = admission(2, 8, 1);
        let place = open(&admission, ONE).unwrap();
        assert_eq!(open(&admission, ONE), Err(ConnectionLimit::OfAddress));
        let second = open(&admission, OTHER).unwrap();
        assert_eq!(open(&admission, ONE), Err(ConnectionLimit::OfCore));
        assert_eq!(open(&admission, OTHER), Err(ConnectionLimit::OfCore));
        admission.serving_ends(second);
        assert_eq!(open(&admission, ONE), Err(ConnectionLimit::OfAddress));
        admission.serving_ends(place);
        assert!(open(&admission, ONE).is_ok(), "both have left");
        let refused = admission.counters.connections_refused.each_ref().map(|counter| counter.value());
        assert_eq!((refused, admission.open()), ([2, 2], 1 + 4));
    }

    #[test]
    fn an_exempt_peer_is_not_counted_and_without_a_limit_nobody_asks() {
        let limited = admission(8, 8, 1);
        for _ in 0..3 {
            assert_eq!(limited.admit(ONE, || true), Ok(None));
        }
        assert!(limited.admit(ONE, || false).is_ok_and(|place| place.is_some()));
        let unlimited = admission(8, 8, 0);
        assert_eq!(unlimited.admit(ONE, || panic!("there is no limit")), Ok(None));
    }

    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn every_listener_that_waits_for_room_is_woken_once() {
        let admission = admission(1, 1, 0);
        let listeners = [(); 3].map(|()| Arc::new(Woken(AtomicUsize::new(0))));
        let poll_all = || {
            listeners.each_ref().map(|listener| {
                let waker = Waker::from(listener.clone());
                admission.poll_room(&mut Context::from_waker(&waker)).is_ready()
            })
        };
        assert_eq!(poll_all(), [true; 3], "nobody is there");
        let place = open(&admission, ONE).unwrap();
        assert_eq!(poll_all(), [true; 3], "one more could be told");
        assert_eq!(open(&admission, ONE), Err(ConnectionLimit::OfCore));
        assert_eq!((poll_all(), poll_all()), ([false; 3], [false; 3]));
        admission.serving_ends(place);
        admission.wake_listeners();
        assert_eq!(listeners.each_ref().map(|listener| listener.0.load(Ordering::Relaxed)), [1; 3]);
        assert_eq!(poll_all(), [true; 3]);
    }
}
