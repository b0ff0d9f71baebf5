//! What the cores count of one replica: each core on a cache line of its own, which it alone writes.

use crossbeam::utils::CachePadded;

use super::counter::Counter;

/// The counts of one replica, one part for each core.
#[derive(Debug)]
pub struct ReplicaCounts(Box<[CachePadded<Counts>]>);

/// One core's part.
#[derive(Debug, Default)]
pub struct Counts {
    /// Exchanges and tunnels under way on the replica now (a gauge), counted from the pick on.
    pub in_flight: Counter,
    /// Attempts that picked the replica.
    pub attempts: Counter,
    /// Answers whose head came whole, whatever their status: each shows that the replica lives.
    pub answers: Counter,
    /// Attempts that got no answer.
    pub failures: Counter,
}

impl ReplicaCounts {
    /// Counts of zero for this many cores, one at least.
    pub fn new(cores: usize) -> Self {
        ReplicaCounts((0..cores.max(1)).map(|_| CachePadded::default()).collect())
    }

    /// The part of one core, counted from 0. A number beyond the last core's means the last.
    pub fn of_core(&self, core: usize) -> &Counts {
        &self.0[core.min(self.0.len() - 1)]
    }

    /// How many parts there are.
    pub fn cores(&self) -> usize {
        self.0.len()
    }

    /// One count of all cores together, a moment old at most.
    pub fn sum(&self, count: impl Fn(&Counts) -> &Counter) -> u64 {
        self.0.iter().map(|core| count(core).value()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_the_cores_add_up_and_lie_on_lines_of_their_own() {
        let counts = ReplicaCounts::new(3);
        for core in 0..3 {
            counts.of_core(core).answers.add(core as u64 + 1);
        }
        assert_eq!((counts.cores(), counts.sum(|core| &core.answers)), (3, 6));
        assert_eq!(counts.sum(|core| &core.in_flight), 0);
        let distance =
            std::ptr::from_ref(counts.of_core(1)).addr() - std::ptr::from_ref(counts.of_core(0)).addr();
        assert!(distance >= 64, "{distance} bytes apart");
    }
}
