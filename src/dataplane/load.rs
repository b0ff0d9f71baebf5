//! How much every replica of a service has in flight, as one core knows it.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use super::upstream::Upstream;
use crate::base::algorithm::BoundedLoad;
use crate::base::time::Moment;
use crate::engine::Engine;
use crate::placement::bounded_load;

/// How old a core's knowledge of the other cores may be: reading their counts costs a miss in the cache for each.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(5);
/// How many counts are read at once: about 50 us where each is a miss, a hundredth of the interval. Of a service with more
/// (replicas times cores) a sample takes several intervals; all at once, 1,024 replicas on 64 cores would take all of a
/// core's time.
const SAMPLE_READS_MAX: usize = 512;

/// The loads of one service's replicas, in the order of its upstreams.
///
/// A load is what the other cores had in flight when it was sampled last, and what this core has now.
#[derive(Debug)]
pub(super) struct Loads {
    rule: BoundedLoad,
    others: Box<[Cell<u64>]>,
    /// When the next sample is due; `None` before the first.
    due: Cell<Option<Moment>>,
    /// The replica with which it begins.
    next: Cell<usize>,
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
        Loads { rule, others, due: Cell::new(None), next: Cell::new(0) }
    }

    /// Reads the other cores' counts, if the last time is long ago. The first time all of them, then those whose turn it
    /// is.
    pub(super) fn refresh<E: Engine>(&self, upstreams: &[Rc<Upstream<E>>], now: Moment) {
        if self.due.get().is_some_and(|due| now < due) {
            return;
        }
        let is_first = self.due.replace(Some(now + SAMPLE_INTERVAL)).is_none();
        let cores = upstreams.first().map_or(1, |upstream| upstream.replica.counts.cores());
        let reads_max = if is_first { usize::MAX } else { SAMPLE_READS_MAX };
        let turn = turn(self.next.get(), upstreams.len(), cores, reads_max);
        for index in turn.clone() {
            if let Some((others, upstream)) = self.others.get(index).zip(upstreams.get(index)) {
                let all = upstream.replica.counts.sum(|core| &core.in_flight);
                others.set(all.saturating_sub(upstream.in_flight()));
            }
        }
        self.next.set(if turn.end == upstreams.len() { 0 } else { turn.end });
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

/// The replicas from `next` on whose counts, one for each core, are `reads_max` at most; one replica at least.
fn turn(next: usize, replicas: usize, cores: usize, reads_max: usize) -> Range<usize> {
    let at_once = (reads_max / cores.max(1)).max(1);
    next..next.saturating_add(at_once).min(replicas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_has_as_many_replicas_as_may_be_read_at_once() {
        // next, replicas, cores, the turn
        let cases = [
            (0, 3, 64, 0..3),
            (0, 1_024, 1, 0..512),
            (512, 1_024, 1, 512..1_024),
            (0, 1_024, 64, 0..8),
            (1_016, 1_020, 64, 1_016..1_020),
            (5, 1_024, 4_096, 5..6),
            (0, 0, 2, 0..0),
        ];
        for (next, replicas, cores, expected) in cases {
            assert_eq!(
                turn(next, replicas, cores, SAMPLE_READS_MAX),
                expected,
                "{replicas} on {cores} cores"
            );
        }
        assert_eq!(turn(0, 1_024, 64, usize::MAX), 0..1_024);
    }
}
