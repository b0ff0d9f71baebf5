//! What happened when: a bounded number of intervals, however long the run.

use std::time::Duration;

use super::latency::Latencies;

/// The first intervals are this long.
const WIDTH_MIN: Duration = Duration::from_millis(10);
/// Beyond so many the intervals are joined in pairs, and are twice as long from then on.
const INTERVALS_MAX: usize = 600;

/// Intervals of equal length from the beginning of the measurement on.
#[derive(Clone, Debug)]
pub struct Timeline {
    width: Duration,
    intervals: Vec<Interval>,
}

/// What happened in one interval, by the moment of the answer.
#[derive(Clone, Debug)]
pub struct Interval {
    /// Answers of status 1xx to 3xx.
    pub answers: u64,
    /// Answers of status 4xx and 5xx.
    pub refusals: u64,
    /// Requests that failed.
    pub failures: u64,
    /// The latencies of `answers`.
    pub latency: Latencies,
    /// `answers` by replica, in the order of the record's replicas; shorter where the later ones have none.
    pub replicas: Vec<u64>,
}

impl Default for Interval {
    fn default() -> Self {
        Interval { answers: 0, refusals: 0, failures: 0, latency: Latencies::coarse(), replicas: Vec::new() }
    }
}

impl Interval {
    /// Adds one answer to replica number `replica`.
    pub fn add_to_replica(&mut self, replica: usize, answers: u64) {
        if self.replicas.len() <= replica {
            self.replicas.resize(replica + 1, 0);
        }
        self.replicas[replica] += answers;
    }

    /// Adds another, whose replica number i has number `renumbered[i]` here.
    fn merge(&mut self, other: &Interval, renumbered: &[usize]) {
        self.answers += other.answers;
        self.refusals += other.refusals;
        self.failures += other.failures;
        self.latency.merge(&other.latency);
        for (&answers, &replica) in other.replicas.iter().zip(renumbered).filter(|(answers, _)| **answers > 0)
        {
            self.add_to_replica(replica, answers);
        }
    }
}

impl Default for Timeline {
    fn default() -> Self {
        Timeline { width: WIDTH_MIN, intervals: Vec::new() }
    }
}

impl Timeline {
    /// How long each interval is.
    pub fn width(&self) -> Duration {
        self.width
    }

    /// The intervals so far, from the beginning on.
    pub fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    /// The interval that holds the moment `since_start` after the beginning.
    pub fn at(&mut self, since_start: Duration) -> &mut Interval {
        let mut index = self.index(since_start);
        while index >= INTERVALS_MAX {
            self.join_pairs();
            index = self.index(since_start);
        }
        if self.intervals.len() <= index {
            self.intervals.resize_with(index + 1, Interval::default);
        }
        &mut self.intervals[index]
    }

    /// Adds `count` failures, in each interval as many as `before` says that lie before its end and not before its
    /// beginning; what is left at `end`, which is in the last.
    pub fn spread(&mut self, count: u64, end: Duration, before: impl Fn(Duration) -> u64) {
        self.at(end);
        let (width, mut placed) = (self.width, 0);
        for (interval, number) in self.intervals.iter_mut().zip(1u32..) {
            let by_then = before((width * number).min(end)).clamp(placed, count);
            interval.failures += by_then - placed;
            placed = by_then;
        }
        self.at(end).failures += count - placed;
    }

    /// Makes the intervals at least this long.
    pub fn widen(&mut self, width: Duration) {
        while self.width < width {
            self.join_pairs();
        }
    }

    /// Adds another whose beginning was the same, and whose replica number i has number `renumbered[i]` here.
    pub fn merge(&mut self, mut other: Timeline, renumbered: &[usize]) {
        self.widen(other.width);
        other.widen(self.width);
        if self.intervals.len() < other.intervals.len() {
            self.intervals.resize_with(other.intervals.len(), Interval::default);
        }
        for (interval, other) in self.intervals.iter_mut().zip(&other.intervals) {
            interval.merge(other, renumbered);
        }
    }

    fn index(&self, since_start: Duration) -> usize {
        usize::try_from(since_start.as_nanos() / self.width.as_nanos()).unwrap_or(usize::MAX)
    }

    fn join_pairs(&mut self) {
        self.width *= 2;
        let halves = std::mem::take(&mut self.intervals);
        let same: Vec<usize> =
            (0..halves.iter().map(|half| half.replicas.len()).max().unwrap_or(0)).collect();
        self.intervals = halves
            .chunks(2)
            .map(|pair| {
                let mut whole = pair[0].clone();
                pair[1..].iter().for_each(|second| whole.merge(second, &same));
                whole
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn answered_at(times: impl Iterator<Item = u64>) -> Timeline {
        let mut timeline = Timeline::default();
        for time in times {
            let interval = timeline.at(millis(time));
            interval.answers += 1;
            interval.latency.record(millis(1));
            interval.add_to_replica((time % 2) as usize, 1);
        }
        timeline
    }

    fn answers(timeline: &Timeline) -> Vec<u64> {
        timeline.intervals().iter().map(|interval| interval.answers).collect()
    }

    #[test]
    fn an_answer_counts_in_the_interval_of_its_moment() {
        assert_eq!(answers(&answered_at([0, 9, 10, 35].into_iter())), [2, 1, 0, 1]);
    }

    #[test]
    fn however_long_the_run_the_intervals_are_bounded_and_nothing_is_lost() {
        let timeline = answered_at((0..100_000).step_by(3));
        assert!(timeline.intervals().len() <= INTERVALS_MAX);
        assert_eq!(timeline.width(), millis(320));
        assert_eq!(answers(&timeline).iter().sum::<u64>(), 33_334);
        let latencies: u64 = timeline.intervals().iter().map(|interval| interval.latency.count()).sum();
        assert_eq!(latencies, 33_334);
    }

    #[test]
    fn a_late_moment_after_silence_costs_no_more_than_another() {
        let mut timeline = Timeline::default();
        timeline.at(Duration::from_secs(86_400)).failures += 1;
        assert!(timeline.intervals().len() <= INTERVALS_MAX);
        assert_eq!(timeline.intervals().last().map(|interval| interval.failures), Some(1));
    }

    #[test]
    fn merging_takes_the_longer_intervals_and_renumbers_replicas() {
        let mut merged = answered_at([0, 15].into_iter());
        merged.merge(answered_at([1, 6_005].into_iter()), &[1, 0]);
        assert_eq!(merged.width(), millis(20));
        assert_eq!(merged.intervals()[0].answers, 3);
        assert_eq!(merged.intervals()[0].replicas, [2, 1]);
        assert_eq!(merged.intervals()[300].replicas, [1]);
    }
}
