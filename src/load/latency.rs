//! Distributions of times: HDR histograms (Tene 2012), three significant digits from a microsecond to an hour.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Times are kept in these.
const NANOS_PER_UNIT: u64 = 100;
/// An hour. What takes longer is counted as this.
const UNITS_MAX: u64 = 3_600_000_000_000 / NANOS_PER_UNIT;
/// The error of a value is below a thousandth of it.
const SIGNIFICANT_DIGITS: u8 = 3;

/// A distribution of times, exact to 0.1 us or a thousandth, whichever is more.
#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        Latencies::with_digits(SIGNIFICANT_DIGITS)
    }
}

impl Latencies {
    /// An empty distribution that is exact to a hundredth only and a tenth the size.
    pub fn coarse() -> Self {
        Latencies::with_digits(2)
    }

    fn with_digits(digits: u8) -> Self {
        // Grows with what is recorded, so that the many that a timeline holds stay small. The digits are valid.
        let mut histogram =
            Histogram::new(digits).unwrap_or_else(|_| unreachable!("1 to 5 digits are valid"));
        histogram.auto(true);
        Latencies { histogram }
    }

    /// Adds one time.
    pub fn record(&mut self, time: Duration) {
        let units = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) / NANOS_PER_UNIT;
        // Fails only for a value beyond the range of a histogram that may not grow.
        let _ = self.histogram.record(units.min(UNITS_MAX));
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Latencies) {
        // As for `record`.
        let _ = self.histogram.add(&other.histogram);
    }

    /// Forgets everything, and keeps the memory.
    pub fn clear(&mut self) {
        self.histogram.reset();
    }

    /// How many times there are.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The time that `percent` of all do not exceed; zero if there is none.
    pub fn percentile(&self, percent: f64) -> Duration {
        // A little less: 99.9 of 1,000 are 999, and must not become 1,000 by the rounding of 99.9 / 100.
        from_units(self.histogram.value_at_quantile(percent / 100.0 * (1.0 - 1e-12)))
    }

    /// The shortest; zero if there is none.
    pub fn min(&self) -> Duration {
        if self.is_empty() { Duration::ZERO } else { from_units(self.histogram.min()) }
    }

    /// The longest; zero if there is none.
    pub fn max(&self) -> Duration {
        from_units(self.histogram.max())
    }

    /// The mean; zero if there is none.
    pub fn mean(&self) -> Duration {
        if self.is_empty() { Duration::ZERO } else { from_float(self.histogram.mean()) }
    }

    /// The standard deviation; zero if there is none.
    pub fn standard_deviation(&self) -> Duration {
        if self.is_empty() { Duration::ZERO } else { from_float(self.histogram.stdev()) }
    }
}

fn from_units(units: u64) -> Duration {
    Duration::from_nanos(units.saturating_mul(NANOS_PER_UNIT))
}

fn from_float(units: f64) -> Duration {
    Duration::from_nanos((units * NANOS_PER_UNIT as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(range: impl Iterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        range.for_each(|millis| latencies.record(Duration::from_millis(millis)));
        latencies
    }

    fn is_near(time: Duration, millis: f64) -> bool {
        (time.as_secs_f64() * 1e3 / millis - 1.0).abs() < 0.001
    }

    #[test]
    fn percentiles_are_those_of_the_recorded_times() {
        let latencies = millis(1..=1000);
        assert_eq!(latencies.count(), 1000);
        for (percent, expected) in [(50.0, 500.0), (99.0, 990.0), (99.9, 999.0), (100.0, 1000.0)] {
            let time = latencies.percentile(percent);
            assert!(is_near(time, expected), "{percent}: {time:?}");
        }
        assert!(is_near(latencies.min(), 1.0) && is_near(latencies.max(), 1000.0));
        assert!(is_near(latencies.mean(), 500.5) && is_near(latencies.standard_deviation(), 288.7));
    }

    #[test]
    fn merged_distributions_are_as_if_recorded_in_one() {
        let mut merged = millis(1..=400);
        merged.merge(&millis(401..=1000));
        let whole = millis(1..=1000);
        for percent in [0.0, 10.0, 50.0, 90.0, 99.9, 100.0] {
            assert_eq!(merged.percentile(percent), whole.percentile(percent));
        }
    }

    #[test]
    fn nothing_recorded_is_zero_everywhere() {
        let empty = Latencies::default();
        let times =
            [empty.min(), empty.max(), empty.mean(), empty.standard_deviation(), empty.percentile(99.0)];
        assert_eq!(times, [Duration::ZERO; 5]);
    }

    #[test]
    fn absurd_times_are_counted_as_an_hour() {
        let mut latencies = Latencies::coarse();
        latencies.record(Duration::MAX);
        assert_eq!(latencies.count(), 1);
        assert!(
            latencies.max() >= Duration::from_secs(3_600) && latencies.max() < Duration::from_secs(3_700)
        );
    }
}
