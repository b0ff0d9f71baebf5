//! Distributions of times as the figures that are shown.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::load::latency::Latencies;

/// The percentiles that are shown, and of how many times at least: in fewer none need be beyond it.
const PERCENTILES: [(f64, u64); 7] =
    [(50.0, 2), (75.0, 4), (90.0, 10), (95.0, 20), (99.0, 100), (99.9, 1_000), (99.99, 10_000)];
/// Bins of a histogram up to the 99th percentile, of which the first also holds all below the first percentile; one more
/// holds what is beyond.
const BINS: u32 = 7;
/// Below this ratio of the 99th percentile to the first, bins would be as narrow as the measurement is exact.
const RATIO_MIN: f64 = 1.1;
/// What a time is taken for that is too short to be measured.
const SHORTEST: Duration = Duration::from_nanos(100);

/// The figures of a distribution of times.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Times {
    /// Of how many times.
    pub count: u64,
    /// The mean.
    #[serde(rename = "mean_us", serialize_with = "micros")]
    pub mean: Duration,
    /// The standard deviation.
    #[serde(rename = "standard_deviation_us", serialize_with = "micros")]
    pub standard_deviation: Duration,
    /// The shortest.
    #[serde(rename = "min_us", serialize_with = "micros")]
    pub min: Duration,
    /// The percentiles, each under a name of its own in JSON: `p50_us`, for 99.9 `p999_us`.
    #[serde(flatten)]
    pub percentiles: Percentiles,
    /// The longest.
    #[serde(rename = "max_us", serialize_with = "micros")]
    pub max: Duration,
}

impl Times {
    /// The figures of a distribution; `None` if it is empty.
    pub fn of(latencies: &Latencies) -> Option<Times> {
        (!latencies.is_empty()).then(|| Times {
            count: latencies.count(),
            mean: latencies.mean(),
            standard_deviation: latencies.standard_deviation(),
            min: latencies.min(),
            percentiles: Percentiles::of(latencies),
            max: latencies.max(),
        })
    }
}

/// The percentiles that are shown: per cent, and the time that so many do not exceed; `None` where there are too few times
/// to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Percentiles(pub [(f64, Option<Duration>); PERCENTILES.len()]);

impl Percentiles {
    fn of(latencies: &Latencies) -> Percentiles {
        let enough = |least: u64| latencies.count() >= least;
        Percentiles(
            PERCENTILES
                .map(|(percent, least)| (percent, enough(least).then(|| latencies.percentile(percent)))),
        )
    }
}

impl Serialize for Percentiles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (percent, time) in &self.0 {
            let digits = percent.to_string().replace('.', "");
            map.serialize_entry(&format!("p{digits}_us"), &time.map(to_micros))?;
        }
        map.end()
    }
}

/// One bin of a histogram: the times above the bin before it and up to `up_to`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// The longest that it may hold.
    #[serde(rename = "up_to_us", serialize_with = "micros")]
    pub up_to: Duration,
    /// How many it holds.
    pub count: u64,
}

/// A histogram: bins of equal ratio between the first and the 99th percentile, so that a few outliers do not leave all else
/// in one bin. No bins where nearly all is the same time.
pub(super) fn histogram(latencies: &Latencies) -> Vec<Bin> {
    let (p1, p99) = (latencies.percentile(1.0).max(SHORTEST), latencies.percentile(99.0));
    let (max, ratio) = (latencies.max(), p99.as_secs_f64() / p1.as_secs_f64());
    if latencies.is_empty() || ratio < RATIO_MIN {
        return Vec::new();
    }
    let bound = |bin: u32| p1.mul_f64(ratio.powf(f64::from(bin) / f64::from(BINS)));
    let mut bounds: Vec<Duration> = (1..BINS).map(bound).collect();
    bounds.push(p99);
    bounds.extend((max > p99).then_some(max));
    let mut below = 0;
    bounds
        .into_iter()
        .map(|up_to| {
            let count = latencies.count_up_to(up_to).saturating_sub(below);
            below += count;
            Bin { up_to, count }
        })
        .collect()
}

/// In microseconds.
fn to_micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

pub(super) fn micros<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(to_micros(*time))
}

pub(super) fn optional_micros<S: Serializer>(
    time: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.map(to_micros).serialize(serializer)
}

pub(super) fn millis<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_nanos() as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros_of(range: impl Iterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        range.for_each(|micros| latencies.record(Duration::from_micros(micros)));
        latencies
    }

    #[test]
    fn a_percentile_is_there_only_if_something_can_be_beyond_it() {
        for (count, known) in
            [(1, 0), (2, 1), (9, 2), (99, 4), (100, 5), (500, 5), (999, 5), (1_000, 6), (10_000, 7)]
        {
            let times = Times::of(&micros_of(1..=count)).unwrap();
            let there = times.percentiles.0.iter().filter(|(_, time)| time.is_some()).count();
            assert_eq!((times.count, there), (count, known));
        }
        assert_eq!(Times::of(&Latencies::default()), None);
    }

    #[test]
    fn json_names_each_percentile_with_its_unit() {
        let value = serde_json::to_value(Times::of(&micros_of(1..=200))).unwrap();
        let is_near = |name: &str, micros: f64| {
            let found = value[name].as_f64().unwrap();
            assert!((found / micros - 1.0).abs() < 0.002, "{name}: {found}");
        };
        is_near("min_us", 1.0);
        is_near("mean_us", 100.5);
        is_near("p50_us", 100.0);
        is_near("p99_us", 198.0);
        is_near("max_us", 200.0);
        assert!(value["p999_us"].is_null() && value["p9999_us"].is_null());
        assert_eq!(value.as_object().unwrap().len(), 12);
    }

    #[test]
    fn a_histogram_holds_every_time_once() {
        let mut latencies = micros_of(100..1_000);
        latencies.merge(&micros_of([50_000, 90_000].into_iter()));
        let bins = histogram(&latencies);
        assert_eq!(bins.len(), 8);
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 902);
        assert!(bins.windows(2).all(|pair| pair[0].up_to < pair[1].up_to), "{bins:?}");
        assert_eq!(bins[7].up_to, latencies.max());
    }

    #[test]
    fn times_that_are_nearly_the_same_make_no_histogram() {
        assert_eq!(histogram(&micros_of([500; 40].into_iter())), []);
        assert_eq!(histogram(&Latencies::default()), []);
    }

    #[test]
    fn times_of_zero_make_a_histogram_all_the_same() {
        let bins = histogram(&micros_of([0, 0, 10, 20].into_iter()));
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 4);
    }
}
