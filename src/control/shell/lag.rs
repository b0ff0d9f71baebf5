//! Whether the cores follow what is published.

use std::time::Duration;

use crate::base::time::Moment;
use crate::control::Shared;

/// A core that has not taken up a snapshot for so long is stuck, or starved of its CPU.
const LAG_ALARM: Duration = Duration::from_secs(1);

/// Since when each core is behind.
#[derive(Debug)]
pub(super) struct LagWatch {
    cores: Box<[Lag]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lag {
    since: Option<Moment>,
    told: bool,
}

/// What the operator should know of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LagNote {
    /// It still uses a snapshot from before `generation`.
    Behind { core: usize, uses: u64, generation: u64 },
    /// It has caught up.
    CaughtUp { core: usize },
}

impl LagWatch {
    pub(super) fn new(cores: usize) -> Self {
        LagWatch { cores: vec![Lag::default(); cores].into() }
    }

    /// Compares what the cores use with what is published; each change for the worse or the better is told once.
    pub(super) fn look(&mut self, shared: &Shared, now: Moment) -> Vec<LagNote> {
        let generation = shared.snapshots.current().generation;
        let used = shared.cores.iter().map(|core| core.counters.generation.value());
        used.zip(self.cores.iter_mut())
            .enumerate()
            .filter_map(|(core, (uses, lag))| lag.look(core, uses, generation, now))
            .collect()
    }
}

impl Lag {
    fn look(&mut self, core: usize, uses: u64, generation: u64, now: Moment) -> Option<LagNote> {
        if uses >= generation {
            let told = std::mem::take(self).told;
            return told.then_some(LagNote::CaughtUp { core });
        }
        let since = *self.since.get_or_insert(now);
        let is_news = !self.told && now.since(since) >= LAG_ALARM;
        self.told |= is_news;
        is_news.then_some(LagNote::Behind { core, uses, generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(millis: u64) -> Moment {
        Moment::ORIGIN + Duration::from_millis(millis)
    }

    #[test]
    fn a_core_that_stays_behind_is_told_of_once_and_so_is_its_return() {
        let mut lag = Lag::default();
        assert_eq!(lag.look(3, 1, 1, after(0)), None);
        assert_eq!(lag.look(3, 1, 2, after(10)), None);
        assert_eq!(lag.look(3, 1, 2, after(1_009)), None);
        let behind = LagNote::Behind { core: 3, uses: 1, generation: 2 };
        assert_eq!(lag.look(3, 1, 2, after(1_010)), Some(behind));
        assert_eq!(lag.look(3, 1, 3, after(5_000)), None);
        assert_eq!(lag.look(3, 3, 3, after(5_001)), Some(LagNote::CaughtUp { core: 3 }));
        assert_eq!(lag.look(3, 3, 3, after(9_000)), None);
    }

    #[test]
    fn short_delays_are_nobodys_business() {
        let mut lag = Lag::default();
        for round in 0..100 {
            assert_eq!(lag.look(0, round, round + 1, after(round * 100)), None);
            assert_eq!(lag.look(0, round + 1, round + 1, after(round * 100 + 90)), None);
        }
    }
}
