//! The timeline as rows, and the rates of what fell within the measured time.

use std::time::Duration;

use serde::Serialize;

use super::replicas::Replica;
use super::times::{millis, optional_micros};
use crate::load::record::Record;

/// What happened when.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rows {
    /// How long each interval is.
    #[serde(rename = "interval_ms", serialize_with = "millis")]
    pub interval: Duration,
    /// One for each interval, to the end of the measurement or to the last answer, whichever is later.
    pub rows: Vec<Row>,
}

/// What happened in one interval, by the moment of the answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Where it begins, from the beginning of the measurement on.
    #[serde(rename = "start_ms", serialize_with = "millis")]
    pub start: Duration,
    /// Answers of status 1xx to 3xx.
    pub answers: u64,
    /// `answers` over the interval's length; of the last one only a part may have been measured.
    pub answers_per_second: f64,
    /// Answers of status 4xx and 5xx.
    pub refusals: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Half of the answers took no longer; `None` where there is no answer.
    #[serde(rename = "p50_us", serialize_with = "optional_micros")]
    pub p50: Option<Duration>,
    /// 99 of 100 answers took no longer; of fewer answers it is the longest.
    #[serde(rename = "p99_us", serialize_with = "optional_micros")]
    pub p99: Option<Duration>,
    /// The longest.
    #[serde(rename = "max_us", serialize_with = "optional_micros")]
    pub max: Option<Duration>,
    /// `answers` by replica, in the order of the summary's replicas.
    pub replicas: Vec<u64>,
}

pub(super) fn rows(record: &Record, replicas: &[Replica]) -> Rows {
    let mut timeline = record.timeline.clone();
    // So that silence at the end shows as rows of nothing; the timeline keeps their number within its bound.
    timeline.at(record.elapsed.saturating_sub(Duration::from_nanos(1)));
    let interval = timeline.width();
    let rows = timeline.intervals().iter().zip(0_u32..).map(|(of, index)| {
        let time = |time: Duration| (!of.latency.is_empty()).then_some(time);
        Row {
            start: interval.saturating_mul(index),
            answers: of.answers,
            answers_per_second: of.answers as f64 / interval.as_secs_f64(),
            refusals: of.refusals,
            failures: of.failures,
            p50: time(of.latency.percentile(50.0)),
            p99: time(of.latency.percentile(99.0)),
            max: time(of.latency.max()),
            replicas: replicas
                .iter()
                .map(|replica| of.replicas.get(replica.number).copied().unwrap_or(0))
                .collect(),
        }
    });
    Rows { interval, rows: rows.collect() }
}

/// Rates over the measured time. An error is no answer, and neither is what came after the end: up to one answer for each
/// connection, which would make a slow server look faster than it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rates {
    /// Answers of status 1xx to 3xx.
    pub answers_per_second: f64,
    /// Bytes of answers of any status.
    pub received_bytes_per_second: f64,
    /// Bytes of requests.
    pub sent_bytes_per_second: f64,
}

impl Rates {
    pub(super) fn of(record: &Record) -> Rates {
        let seconds = record.elapsed.as_secs_f64();
        let per_second = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
        // Bytes have no moment: the part of them within the time is taken to be that of the answers.
        let (answered, in_time) = (record.answered(), record.answered_in_time);
        let part = if answered == 0 { 1.0 } else { in_time as f64 / answered as f64 };
        Rates {
            answers_per_second: per_second(in_time as f64),
            received_bytes_per_second: per_second(record.bytes_received as f64 * part),
            sent_bytes_per_second: per_second(record.bytes_sent as f64 * part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::summary::tests::{answered, lasting};

    /// A record with answers of these statuses at these milliseconds.
    fn record(elapsed_ms: u64, answers: &[(u16, u64)]) -> Record {
        let mut record = lasting(Duration::from_millis(elapsed_ms));
        for &(status, at_ms) in answers {
            record.answer(&answered(status, Some(b"a"), at_ms));
            record.bytes_received += 100;
            record.bytes_sent += 10;
        }
        record
    }

    #[test]
    fn a_rate_counts_answers_within_the_time_and_no_errors() {
        /// Name, milliseconds, answers in time, answers by status and moment; answers and bytes per second.
        type Case = (&'static str, u64, u64, &'static [(u16, u64)], f64, f64);
        let table: &[Case] = &[
            ("all in time", 100, 2, &[(200, 5), (200, 95)], 20.0, 2_000.0),
            ("late answers", 100, 1, &[(200, 5), (200, 100)], 10.0, 1_000.0),
            ("one to the warm-up", 100, 2, &[(200, 5)], 20.0, 2_000.0),
            ("refused ones", 100, 1, &[(200, 5), (503, 6)], 10.0, 2_000.0),
            ("only refused ones", 100, 0, &[(503, 6)], 0.0, 1_000.0),
            ("nothing answered", 100, 0, &[], 0.0, 0.0),
            ("no time at all", 0, 0, &[], 0.0, 0.0),
        ];
        for (name, elapsed_ms, in_time, answers, per_second, bytes) in table {
            let mut record = record(*elapsed_ms, answers);
            record.answered_in_time = *in_time;
            let rates = Rates::of(&record);
            let is_near = |a: f64, b: f64| (a - b).abs() < 1e-6;
            assert!(is_near(rates.answers_per_second, *per_second), "{name}: {rates:?}");
            assert!(is_near(rates.received_bytes_per_second, *bytes), "{name}: {rates:?}");
            assert!(is_near(rates.sent_bytes_per_second, *bytes / 10.0), "{name}: {rates:?}");
        }
    }

    #[test]
    fn silence_at_the_end_shows_as_rows() {
        let record = record(50, &[(200, 5), (404, 15)]);
        let found = rows(&record, &[]);
        assert_eq!(found.interval, Duration::from_millis(10));
        let shown: Vec<_> =
            found.rows.iter().map(|row| (row.start.as_millis(), row.answers, row.refusals)).collect();
        assert_eq!(shown, [(0, 1, 0), (10, 0, 1), (20, 0, 0), (30, 0, 0), (40, 0, 0)]);
        assert_eq!(found.rows[0].answers_per_second, 100.0);
        assert!(found.rows[0].p50.is_some() && found.rows[1].p50.is_none());
    }

    #[test]
    fn rows_of_a_long_silence_are_bounded() {
        let found = rows(&record(86_400_000, &[(200, 5)]), &[]);
        assert!(found.rows.len() <= 600);
    }

    #[test]
    fn rows_have_every_replica_in_the_summary_s_order() {
        let mut record = record(20, &[]);
        for (name, at_ms) in [("z", 1), ("a", 2), ("z", 12)] {
            record.answer(&answered(200, Some(name.as_bytes()), at_ms));
        }
        let found = rows(&record, &super::super::replicas::replicas(&record));
        assert_eq!(found.rows[0].replicas, [1, 1]);
        assert_eq!(found.rows[1].replicas, [0, 1]);
    }
}
