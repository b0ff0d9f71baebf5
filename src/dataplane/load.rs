//! How much every replica of a service has in flight, as one core knows it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::upstream::Upstream;
use crate::base::algorithm::BoundedLoad;
use crate::base::time::Moment;
use crate::engine::Engine;
use crate::placement::bounded_load;

/// How old a core's knowledge of the other cores may be: reading their counts costs a miss in the cache for each.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(5);

/// The loads of one service's replicas, in the order of its upstreams.
///
/// A load is what the other cores had in flight when it was sampled last, and what this core has now.
#[derive(Debug)]
pub(super) struct Loads {
    rule: BoundedLoad,
    others: Box<[Cell<u64>]>,
    /// When the next sample is due.
    due: Cell<Moment>,
}

impl Loads {
    /// The loads of so many replicas, not sampled yet.
    pub(super) fn new(rule: BoundedLoad, replicas: usize) -> Self {
        let others = (0..replicas).map(|_| Cell::new(0)).collect();
        Loads { rule, others, due: Cell::new(Moment::default()) }
    }

    /// Reads the other cores' counts, if the last time is long ago.
    pub(super) fn refresh<E: Engine>(&self, upstreams: &[Rc<Upstream<E>>], now: Moment) {
        if now < self.due.get() {
            return;
        }
        self.due.set(now + SAMPLE_INTERVAL);
        for (others, upstream) in self.others.iter().zip(upstreams) {
            let all = upstream.replica.counts.sum(|core| &core.in_flight);
            others.set(all.saturating_sub(upstream.in_flight()));
        }
    }

    /// Whether the replica at `index` has less in flight than its bound. Below the floor of every bound this is two
    /// loads; above it all replicas are added up, some nanoseconds for each.
    pub(super) fn has_room<E: Engine>(&self, upstreams: &[Rc<Upstream<E>>], index: usize) -> bool {
        let Some(upstream) = upstreams.get(index) else { return false };
        let load = self.of(upstreams, index);
        if load < bounded_load::IN_FLIGHT_FLOOR {
            return true;
        }
        // Who is down takes no share, or all would be over their bounds when half of the replicas are.
        let up = (0..upstreams.len()).filter(|&index| upstreams[index].replica.health.is_up());
        let (total, weights) = up.fold((0, 0), |(total, weights), index| {
            (total + self.of(upstreams, index), weights + u64::from(upstreams[index].replica.weight))
        });
        load < bounded_load::bound(self.rule, total, u64::from(upstream.replica.weight), weights)
    }

    fn of<E: Engine>(&self, upstreams: &[Rc<Upstream<E>>], index: usize) -> u64 {
        self.others.get(index).map_or(0, Cell::get) + upstreams[index].in_flight()
    }
}
