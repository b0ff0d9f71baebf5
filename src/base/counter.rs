//! Counters that only their owner writes and anyone may read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A count with one writer. Adding is a load and a store, no locked instruction; readers see a value that is at most a
/// moment old. Whoever sees a value that was [`set`](Counter::set) sees all that its writer counted before.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one. Only the owning thread may call this.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`. Only the owning thread may call this.
    pub fn add(&self, amount: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    /// Takes one off, of a count of things that exist now. Only the owning thread may call this.
    pub fn decrement(&self) {
        self.0.store(self.0.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
    }

    /// Replaces the value. Only the owning thread may call this. Who reads the new value sees what its thread counted
    /// before, too.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Release);
    }

    /// The value now.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Sub-buckets per power of two: a recorded time is known within an eighth.
const SUB_BUCKETS: usize = 8;
/// Powers of two of microseconds that are told apart: up to about 67 s; longer ones share the last bucket.
const POWERS: usize = 26;
/// Buckets of a histogram.
pub const BUCKETS: usize = SUB_BUCKETS * POWERS;

/// How often times of each length occurred: log-linear buckets of microseconds, one writer.
#[derive(Debug)]
pub struct Histogram {
    buckets: [Counter; BUCKETS],
    total_micros: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            buckets: [const { Counter(AtomicU64::new(0)) }; BUCKETS],
            total_micros: Counter::default(),
        }
    }
}

impl Histogram {
    /// Counts one time. Only the owning thread may call this.
    pub fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(micros)].increment();
        self.total_micros.add(micros);
    }
}

/// Histograms of several owners, added up.
#[derive(Debug, Clone)]
pub struct HistogramSum {
    counts: [u64; BUCKETS],
    total_micros: u64,
}

impl Default for HistogramSum {
    fn default() -> Self {
        HistogramSum { counts: [0; BUCKETS], total_micros: 0 }
    }
}

impl HistogramSum {
    /// Adds what `histogram` holds now.
    pub fn add(&mut self, histogram: &Histogram) {
        for (count, bucket) in self.counts.iter_mut().zip(&histogram.buckets) {
            *count += bucket.value();
        }
        self.total_micros += histogram.total_micros.value();
    }

    /// How many times were recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The recorded times added up.
    pub fn total(&self) -> Duration {
        Duration::from_micros(self.total_micros)
    }

    /// How many recorded times were at most `bound`, to within the width of a bucket.
    pub fn count_up_to(&self, bound: Duration) -> u64 {
        let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        self.counts[..=bucket_of(micros)].iter().sum()
    }

    /// The time that the share `quantile` (0 to 1) of the recorded times does not exceed; zero if none was recorded.
    pub fn quantile(&self, quantile: f64) -> Duration {
        let rank = (quantile.clamp(0.0, 1.0) * self.count() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, &count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_micros(upper_bound_of(bucket));
            }
        }
        Duration::ZERO
    }
}

fn bucket_of(micros: u64) -> usize {
    if micros < SUB_BUCKETS as u64 {
        return micros as usize;
    }
    let power = micros.ilog2() as usize;
    let sub = (micros >> (power - 3)) as usize - SUB_BUCKETS;
    ((power - 2) * SUB_BUCKETS + sub).min(BUCKETS - 1)
}

/// The largest number of microseconds in `bucket`.
fn upper_bound_of(bucket: usize) -> u64 {
    if bucket < SUB_BUCKETS {
        return bucket as u64;
    }
    let (power, sub) = (bucket / SUB_BUCKETS + 2, bucket % SUB_BUCKETS);
    ((SUB_BUCKETS + sub + 1) as u64 * (1 << (power - 3))) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_falls_into_the_bucket_whose_bounds_hold_it() {
        for micros in (0..5000).chain([65_535, 65_536, 1_000_000, 59_999_999]) {
            let bucket = bucket_of(micros);
            assert!(micros <= upper_bound_of(bucket), "{micros} above bucket {bucket}");
            assert!(bucket == 0 || micros > upper_bound_of(bucket - 1), "{micros} below bucket {bucket}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_within_an_eighth_of_the_truth() {
        let histogram = Histogram::default();
        for micros in 1..=10_000 {
            histogram.record(Duration::from_micros(micros));
        }
        let mut sum = HistogramSum::default();
        sum.add(&histogram);
        assert_eq!(sum.count(), 10_000);
        for (quantile, truth) in [(0.5, 5_000.0), (0.99, 9_900.0)] {
            let measured = sum.quantile(quantile).as_micros() as f64;
            assert!((measured / truth - 1.0).abs() <= 0.125, "{quantile}: {measured} against {truth}");
        }
        assert_eq!(sum.count_up_to(Duration::from_secs(100)), 10_000);
        assert_eq!(HistogramSum::default().quantile(0.99), Duration::ZERO);
    }
}
