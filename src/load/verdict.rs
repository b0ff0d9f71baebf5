//! Whether a run shows the server, or the client itself.

use std::fmt;
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::failure::FailureKind;
use super::output::units;
use super::plan::Pace;
use super::record::{Record, ThreadUse};

/// A thread that ran or was ready to run for more than this part of the time had no time to spare.
const BUSY_SHARE: f64 = 0.95;
/// A client that was ready to run and did not for more than this part of the time lacks a CPU.
const WAITING_SHARE_MAX: f64 = 0.10;
/// A client that sends one request of a hundred later than this measures itself.
const LATENESS_MAX: Duration = Duration::from_millis(1);
/// Waiting for a connection counts from this on, and from this part of the time that an answer takes.
const CONNECTION_WAIT_MIN: Duration = Duration::from_micros(100);
const CONNECTION_WAIT_SHARE: f64 = 0.10;

/// What has to be known of the client and of its pace to read a run's figures right. Each says in one sentence what it
/// means and what to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Threads of the client had no time to spare, and used it themselves.
    ThreadsBusy {
        /// How many of them.
        busy: usize,
        /// Of how many.
        threads: usize,
    },
    /// The client lacked a CPU that others had.
    CpuTaken {
        /// The part of the time that it waited for one, 0 to 1.
        share: f64,
    },
    /// In an open loop: the client sent later than it should have, though a connection was free.
    SentLate {
        /// 99 of 100 requests were not later.
        p99: Duration,
    },
    /// In an open loop: requests were due while every connection was busy. That is no fault of the client's.
    ConnectionsBusy {
        /// How long requests that were answered waited for a connection, on average.
        wait: Duration,
        /// How many never got one.
        never_sent: u64,
        /// How many connections there are.
        connections: u32,
    },
    /// Requests failed because this machine ran out of something.
    Exhausted {
        /// How many.
        count: u64,
    },
}

/// All that has to be said of a run, what weighs most first.
pub fn verdicts(pace: Pace, connections: u32, record: &Record) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    verdicts.extend(exhausted(record));
    verdicts.extend(cpu(&record.threads));
    if matches!(pace, Pace::Open { .. }) {
        verdicts.extend(sent_late(record));
        verdicts.extend(connections_busy(connections, record));
    }
    verdicts
}

fn exhausted(record: &Record) -> Option<Verdict> {
    let failures = record.failures.get(&FailureKind::Exhausted)?;
    Some(Verdict::Exhausted { count: failures.count })
}

/// A thread that has no time to spare either uses it or is kept from it by others, and only the first is helped by more
/// threads.
fn cpu(threads: &[ThreadUse]) -> Option<Verdict> {
    let threads: Vec<&ThreadUse> = threads.iter().filter(|thread| !thread.elapsed.is_zero()).collect();
    let busy: Vec<&ThreadUse> = threads
        .iter()
        .copied()
        .filter(|thread| share(&[thread], |thread| thread.running + thread.waiting) > BUSY_SHARE)
        .collect();
    // Of those that lack time, if there are any: the others may idle.
    let waiting = share(if busy.is_empty() { &threads } else { &busy }, |thread| thread.waiting);
    if waiting > WAITING_SHARE_MAX {
        return Some(Verdict::CpuTaken { share: waiting });
    }
    (!busy.is_empty()).then_some(Verdict::ThreadsBusy { busy: busy.len(), threads: threads.len() })
}

/// The part of the threads' time that `of` is.
fn share(threads: &[&ThreadUse], of: fn(&ThreadUse) -> Duration) -> f64 {
    let sum = |of: fn(&ThreadUse) -> Duration| {
        threads.iter().map(|thread| of(thread)).sum::<Duration>().as_secs_f64()
    };
    let elapsed = sum(|thread| thread.elapsed);
    if elapsed > 0.0 { sum(of) / elapsed } else { 0.0 }
}

fn sent_late(record: &Record) -> Option<Verdict> {
    let p99 = record.lateness.percentile(99.0);
    (p99 > LATENESS_MAX).then_some(Verdict::SentLate { p99 })
}

/// What an answer's latency has beside the service time and the client's own delay is the wait for a connection.
fn connections_busy(connections: u32, record: &Record) -> Option<Verdict> {
    let never_sent = record.failures.get(&FailureKind::NeverSent).map_or(0, |failures| failures.count);
    let service = record.service.mean();
    let wait = record.latency().mean().saturating_sub(service).saturating_sub(record.lateness.mean());
    let is_long = wait > CONNECTION_WAIT_MIN.max(service.mul_f64(CONNECTION_WAIT_SHARE));
    (never_sent > 0 || is_long).then_some(Verdict::ConnectionsBusy { wait, never_sent, connections })
}

impl Verdict {
    /// Its name in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Verdict::ThreadsBusy { .. } => "threads_busy",
            Verdict::CpuTaken { .. } => "cpu_taken",
            Verdict::SentLate { .. } => "sent_late",
            Verdict::ConnectionsBusy { .. } => "connections_busy",
            Verdict::Exhausted { .. } => "client_exhausted",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::ThreadsBusy { busy, threads } => write!(
                formatter,
                "The client was the bottleneck, {busy} of {threads} threads had no time to spare: use more \
                 --threads, or a faster machine."
            ),
            Verdict::CpuTaken { share } => write!(
                formatter,
                "The client waited {:.0} % of the time for a CPU that others used: if the server shares this \
                 machine, run one of them elsewhere, or give each CPUs of its own.",
                share * 100.0
            ),
            Verdict::SentLate { p99 } => write!(
                formatter,
                "The client itself sent 1 % of the requests more than {} late, and the latencies hold that: \
                 use more --threads, or a lower --rate.",
                units::time(*p99)
            ),
            Verdict::ConnectionsBusy { wait, never_sent, connections } => write!(
                formatter,
                "{} busy when requests were due (answered ones waited {} on average, {} never sent): the server does \
                 not keep up, or it takes more --connections.",
                match connections {
                    1 => "The only connection was".to_owned(),
                    more => format!("All {} connections were", units::count((*more).into())),
                },
                units::time(*wait),
                units::count(*never_sent)
            ),
            Verdict::Exhausted { count } => write!(
                formatter,
                "The client ran out of descriptors, ports or memory for {} request{}: raise its limit (ulimit -n), \
                 or use fewer --connections and keep them alive.",
                units::count(*count),
                if *count == 1 { "" } else { "s" }
            ),
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut verdict = serializer.serialize_struct("Verdict", 2)?;
        verdict.serialize_field("kind", self.name())?;
        verdict.serialize_field("text", &self.to_string())?;
        verdict.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::failure::Failure;
    use crate::load::plan::Arrivals;
    use crate::load::summary::tests::answered;

    /// Threads that ran and waited for so many hundredths of the time.
    fn threads(percents: &[(u64, u64)]) -> Vec<ThreadUse> {
        let of = |&(running, waiting): &(u64, u64)| ThreadUse {
            running: Duration::from_millis(running),
            waiting: Duration::from_millis(waiting),
            elapsed: Duration::from_millis(100),
        };
        percents.iter().map(of).collect()
    }

    #[test]
    fn threads_without_time_to_spare_are_told_from_those_that_others_keep_waiting() {
        let busy = |busy, threads| Some(Verdict::ThreadsBusy { busy, threads });
        let taken = |share| Some(Verdict::CpuTaken { share });
        type Case = (&'static [(u64, u64)], Option<Verdict>);
        let table: &[Case] = &[
            (&[], None),
            (&[(0, 0)], None),
            (&[(94, 0), (20, 3)], None),
            (&[(100, 0), (99, 1)], busy(2, 2)),
            (&[(97, 0), (10, 0), (10, 0)], busy(1, 3)),
            (&[(90, 7)], busy(1, 1)),
            (&[(60, 40), (60, 40)], taken(0.4)),
            (&[(60, 40), (10, 0)], taken(0.4)),
            (&[(30, 20), (30, 10)], taken(0.15)),
            (&[(30, 20), (30, 0)], None),
        ];
        for (percents, expected) in table {
            let found = cpu(&threads(percents));
            match (found, *expected) {
                (Some(Verdict::CpuTaken { share }), Some(Verdict::CpuTaken { share: expected })) => {
                    assert!((share - expected).abs() < 1e-9, "{percents:?}: {share}");
                }
                (found, expected) => assert_eq!(found, expected, "{percents:?}"),
            }
        }
        assert_eq!(cpu(&[ThreadUse::default()]), None);
    }

    /// An open loop of 100 answers, each with these milliseconds of latency, service time and lateness.
    fn open_loop(latency_ms: u64, service_ms: u64, lateness_ms: u64) -> Record {
        let mut record = Record::default();
        for _ in 0..100 {
            let mut answer = answered(200, None, 1);
            answer.latency = Duration::from_millis(latency_ms);
            answer.service = Some(Duration::from_millis(service_ms));
            record.answer(&answer);
            record.lateness.record(Duration::from_millis(lateness_ms));
        }
        record
    }

    fn names(pace: Pace, record: &Record) -> Vec<&'static str> {
        verdicts(pace, 10, record).iter().map(Verdict::name).collect()
    }

    #[test]
    fn in_an_open_loop_the_client_s_delay_is_told_from_the_wait_for_a_connection() {
        let open = Pace::Open { per_second: 100.0, arrivals: Arrivals::Even };
        let table: &[(u64, u64, u64, &[&str])] = &[
            (10, 10, 0, &[]),
            (11, 11, 0, &[]),
            (15, 10, 5, &["sent_late"]),
            (20, 10, 0, &["connections_busy"]),
            (25, 10, 5, &["sent_late", "connections_busy"]),
            (105, 100, 0, &[]),
        ];
        for &(latency, service, lateness, expected) in table {
            let record = open_loop(latency, service, lateness);
            assert_eq!(names(open, &record), expected, "{latency} {service} {lateness}");
            assert!(names(Pace::Closed, &record).is_empty());
        }
    }

    #[test]
    fn failures_that_say_something_of_the_client_are_named() {
        let open = Pace::Open { per_second: 100.0, arrivals: Arrivals::Poisson };
        for (kind, expected) in [
            (FailureKind::Exhausted, &["client_exhausted"][..]),
            (FailureKind::NeverSent, &["connections_busy"]),
            (FailureKind::ConnectRefused, &[]),
        ] {
            let mut record = open_loop(10, 10, 0);
            record.fail(Failure { kind, detail: String::new() }, Duration::ZERO);
            assert_eq!(names(open, &record), expected);
        }
    }

    #[test]
    fn each_is_one_sentence() {
        let all = [
            Verdict::ThreadsBusy { busy: 1, threads: 2 },
            Verdict::CpuTaken { share: 0.346 },
            Verdict::SentLate { p99: Duration::from_micros(3_250) },
            Verdict::ConnectionsBusy { wait: Duration::from_millis(12), never_sent: 7, connections: 50 },
            Verdict::Exhausted { count: 3 },
        ];
        for verdict in all {
            let text = verdict.to_string();
            assert!(text.ends_with('.') && text.matches(": ").count() == 1 && text.len() < 230, "{text}");
        }
        assert!(all[1].to_string().contains("waited 35 % of the time"));
        let json = serde_json::to_value(all[0]).unwrap();
        assert_eq!(json["kind"], "threads_busy");
        assert_eq!(json["text"], all[0].to_string());
    }
}
