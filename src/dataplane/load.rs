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

/// What the replicas that are up have together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Total {
    in_flight: u64,
    weights: u64,
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
    /// loads; above it all replicas are added up, some nanoseconds for each, and `all` keeps that for the rest of a pick.
    pub(super) fn has_room<E: Engine>(
        &self,
        upstreams: &[Rc<Upstream<E>>],
        index: usize,
        all: &mut Option<Total>,
    ) -> bool {
        let load = self.of(upstreams, index);
        if load < bounded_load::IN_FLIGHT_FLOOR {
            return true;
        }
        let all = all.get_or_insert_with(|| self.total(upstreams));
        let weight = upstreams.get(index).map_or(0, |upstream| u64::from(upstream.replica.weight));
        load < bounded_load::bound(self.rule, all.in_flight, weight, all.weights)
    }

    /// Who is down takes no share, or all would be over their bounds when half of the replicas are.
    fn total<E: Engine>(&self, upstreams: &[Rc<Upstream<E>>]) -> Total {
        let up = upstreams.iter().enumerate().filter(|(_, upstream)| upstream.replica.health.is_up());
        up.fold(Total::default(), |total, (index, upstream)| Total {
            in_flight: total.in_flight + self.of(upstreams, index),
            weights: total.weights + u64::from(upstream.replica.weight),
        })
    }

    fn of<E: Engine>(&self, upstreams: &[Rc<Upstream<E>>], index: usize) -> u64 {
        let own = upstreams.get(index).map_or(0, |upstream| upstream.in_flight());
        self.others.get(index).map_or(0, Cell::get) + own
    }
}
