//! What clients saw while a server was killed and replaced under a steady load.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::counts::percent;
use super::variant::Variant;
use crate::load::record::Record;
use crate::load::timeline::{Interval, Timeline};

/// How long the moments of the evaluation are, at least: with a few thousand requests per second each holds dozens.
const MOMENT_MIN: Duration = Duration::from_millis(20);

/// What was done to the servers, in times from the beginning of the measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// The server that was killed.
    pub killed: String,
    /// When.
    pub at: Duration,
    /// When another process of its name was active, if that was seen.
    pub active_again: Option<Duration>,
    /// Attempts of the proxy on another server, or once more on the same, during the whole run.
    pub retries: u64,
    /// Answers that broke off after their head.
    pub aborted_after_head: u64,
}

/// The measurement, evaluated.
#[derive(Clone, Debug, Serialize)]
pub struct Recovered {
    /// The placement.
    pub variant: Variant,
    /// The server that was killed.
    pub killed: String,
    /// Its part of the answers before that, in percent.
    pub killed_percent: f64,
    /// When it was killed, in milliseconds from the beginning.
    pub killed_at_ms: f64,
    /// From the kill until another process of its name was active, in milliseconds.
    pub replaced_after_ms: Option<f64>,
    /// Requests that were sent.
    pub requests: u64,
    /// Answers of 4xx and 5xx.
    pub refused: u64,
    /// Requests without an answer.
    pub failed: u64,
    /// Those by kind.
    pub failures: BTreeMap<&'static str, u64>,
    /// Attempts of the proxy on another server, or once more on the same.
    pub retries: u64,
    /// Answers that broke off after their head.
    pub aborted_after_head: u64,
    /// Of answers, from the moment at which the request was due, in milliseconds.
    pub p50_ms: f64,
    /// The same.
    pub p99_ms: f64,
    /// The slowest.
    pub longest_ms: f64,
    /// The servers, in the order of the moments' figures.
    pub servers: Vec<String>,
    /// How long each moment is, in milliseconds.
    pub moment_ms: f64,
    /// What happened when, from the beginning on.
    pub moments: Vec<Moment>,
}

/// What happened in a short time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// Answers of 1xx to 3xx, by server.
    pub answers: Vec<u64>,
    /// Answers of 4xx and 5xx, and requests without an answer.
    pub unserved: u64,
}

impl Recovered {
    /// Evaluates a measurement. `servers` are the names of those that there are.
    pub fn of(variant: &Variant, servers: &[String], record: &Record, incident: &Incident) -> Recovered {
        let (moment, moments) = moments(servers, record);
        let latency = record.latency();
        let recovered = Recovered {
            variant: *variant,
            killed: incident.killed.clone(),
            killed_percent: 0.0,
            killed_at_ms: millis(incident.at),
            replaced_after_ms: incident.active_again.map(|again| millis(again.saturating_sub(incident.at))),
            requests: record.begun,
            refused: record.refused(),
            failed: record.failed(),
            failures: record.failures.iter().map(|(kind, failures)| (kind.name(), failures.count)).collect(),
            retries: incident.retries,
            aborted_after_head: incident.aborted_after_head,
            p50_ms: millis(latency.percentile(50.0)),
            p99_ms: millis(latency.percentile(99.0)),
            longest_ms: millis(latency.max()),
            servers: servers.to_vec(),
            moment_ms: millis(moment),
            moments,
        };
        Recovered { killed_percent: recovered.percent_before(&incident.killed), ..recovered }
    }

    /// Requests that a client would call failed: without an answer, or with one of 4xx or 5xx.
    pub fn unserved(&self) -> u64 {
        self.refused + self.failed
    }

    /// A server's part of what was answered before the kill, in percent.
    fn percent_before(&self, name: &str) -> f64 {
        let Some(index) = self.servers.iter().position(|server| server == name) else { return 0.0 };
        let before = || self.moments.iter().take((self.killed_at_ms / self.moment_ms) as usize);
        let of_it = before().filter_map(|moment| moment.answers.get(index)).sum();
        percent(of_it, before().flat_map(|moment| &moment.answers).sum())
    }
}

/// The timeline in moments of [`MOMENT_MIN`] at least, with the servers in their own order; and how long a moment is.
fn moments(servers: &[String], record: &Record) -> (Duration, Vec<Moment>) {
    let numbers: Vec<Option<usize>> = servers
        .iter()
        .map(|server| record.replicas().position(|(name, _)| name == server.as_bytes()))
        .collect();
    let joined = joined(&record.timeline);
    let moments = record.timeline.intervals().chunks(joined).map(|intervals| moment(intervals, &numbers));
    (record.timeline.width() * u32::try_from(joined).unwrap_or(1), moments.collect())
}

/// How many intervals make a moment.
fn joined(timeline: &Timeline) -> usize {
    let intervals = MOMENT_MIN.as_nanos().div_ceil(timeline.width().as_nanos().max(1));
    usize::try_from(intervals).unwrap_or(1).max(1)
}

fn moment(intervals: &[Interval], numbers: &[Option<usize>]) -> Moment {
    let answers = |number: Option<usize>| -> u64 {
        intervals.iter().filter_map(|interval| interval.replicas.get(number?)).sum()
    };
    Moment {
        answers: numbers.iter().map(|&number| answers(number)).collect(),
        unserved: intervals.iter().map(|interval| interval.failures + interval.refusals).sum(),
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::load::analysis::counts::tests::answered;
    use crate::load::analysis::variant::GIVEN;
    use crate::load::failure::{Failure, FailureKind};
    use crate::load::record::Answered;

    /// One request each millisecond for a second; the busy server dies after 500 ms and is back after 600 ms. Meanwhile
    /// the other one answers, but for so many failures.
    pub(crate) fn recovered(failures: u64, active_again: Option<u64>) -> Recovered {
        let mut record = Record::default();
        record.begun = 1_000;
        for at in 0..1_000 {
            let time = Duration::from_millis(at);
            if (500..500 + failures).contains(&at) {
                let failure = Failure { kind: FailureKind::Reset, detail: String::new() };
                record.fail(failure, time);
            } else {
                let idle = at % 4 == 0 || (500..600).contains(&at);
                let name = if idle { "Server-2" } else { "Server-1" };
                record.answer(&Answered { at: time, ..answered(name) });
            }
        }
        let incident = Incident {
            killed: "Server-1".to_owned(),
            at: Duration::from_millis(500),
            active_again: active_again.map(Duration::from_millis),
            retries: 4,
            aborted_after_head: 0,
        };
        let servers = ["Server-1", "Server-2", "Server-3"].map(str::to_owned);
        Recovered::of(GIVEN, &servers, &record, &incident)
    }

    #[test]
    fn a_replacement_is_timed_from_the_kill_and_failures_are_counted() {
        let recovered = recovered(7, Some(620));
        assert_eq!(recovered.replaced_after_ms.map(f64::round), Some(120.0));
        assert_eq!((recovered.requests, recovered.unserved(), recovered.retries), (1_000, 7, 4));
        assert_eq!(recovered.failures.iter().next(), Some((&"reset", &7)));
        assert_eq!(recovered.killed_percent, 75.0);
    }

    #[test]
    fn moments_hold_what_each_server_answered_in_the_order_of_the_servers() {
        let recovered = recovered(7, None);
        assert_eq!(recovered.replaced_after_ms, None);
        assert_eq!((recovered.moment_ms, recovered.moments.len()), (20.0, 50));
        assert_eq!(recovered.moments[0], Moment { answers: vec![15, 5, 0], unserved: 0 });
        assert_eq!(recovered.moments[25], Moment { answers: vec![0, 13, 0], unserved: 7 });
        assert_eq!(recovered.moments[27], Moment { answers: vec![0, 20, 0], unserved: 0 });
        assert_eq!(recovered.moments[30], recovered.moments[0]);
    }

    #[test]
    fn a_run_without_an_answer_is_evaluated_too() {
        let incident = Incident {
            killed: "Server-1".to_owned(),
            at: Duration::from_secs(2),
            active_again: None,
            retries: 0,
            aborted_after_head: 0,
        };
        let recovered = Recovered::of(GIVEN, &["Server-1".to_owned()], &Record::default(), &incident);
        assert_eq!((recovered.killed_percent, recovered.moments.len(), recovered.unserved()), (0.0, 0, 0));
    }
}
