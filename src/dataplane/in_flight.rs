//! What a core has under way on a replica, counted so that nobody stops a replica under it.

use std::rc::Rc;

use super::upstream::Upstream;
use crate::engine::Engine;

/// One attempt on a replica, from its pick until its connection was given back or closed, a tunnel's time included.
/// However the attempt ends, dropping this ends the count.
///
/// It is half of what tells the control thread that a replica can be stopped. The rule: control publishes generation G,
/// in which the replica is no member or its health bit was cleared before; once it has seen every core report at least G,
/// and then, with the bit still clear, no attempt in flight on any core, no core can begin a send to the replica any
/// more. For:
/// 1. A pick is from the core's newest generation: nothing suspends between taking that up, which reports it, the pick,
///    and the raise of this count, unless the request is renewed behind it (`Request::renew`). So a core that reports at least G makes no pick from an older generation any more,
///    and in G, or behind its publication, it finds the replica gone or down. Neither does a retry on the same replica:
///    it asks the newest generation again, bit and all. So does a request that waited for its
///    key or its small body.
/// 2. An attempt picked before has raised this count before the core reports G; and as the report is a store that
///    publishes all earlier ones ([`Counter::set`]), whoever sees it sees the attempt, or sees that it is over.
/// 3. A connection in the pool sends nothing without an attempt.
///
/// [`Counter::set`]: crate::base::counter::Counter::set
pub(super) struct InFlight<E: Engine> {
    pub(super) upstream: Rc<Upstream<E>>,
}

impl<E: Engine> InFlight<E> {
    /// Counts an attempt on the replica that was picked.
    pub(super) fn begin(upstream: &Rc<Upstream<E>>) -> Self {
        let counts = upstream.counts();
        counts.attempts.increment();
        counts.in_flight.increment();
        InFlight { upstream: upstream.clone() }
    }
}

impl<E: Engine> Drop for InFlight<E> {
    fn drop(&mut self) {
        self.upstream.counts().in_flight.decrement();
    }
}
