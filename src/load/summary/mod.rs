//! A run as the figures that are shown of it.

pub mod replicas;
pub mod rows;
pub mod times;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use self::replicas::{Evenness, Replica};
use self::rows::{Rates, Rows};
use self::times::{Bin, Times, millis};
use super::failure::FailureKind;
use super::plan::{Arrivals, End, Pace, Plan};
use super::record::{Record, ThreadUse};
use super::verdict::{self, Verdict};

/// Of a failure's example that much is kept.
const EXAMPLE_CHARACTERS_MAX: usize = 200;

/// What was asked of a run, as far as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The URL that was asked.
    pub url: &'a str,
    /// The method of the requests.
    pub method: &'a str,
    /// The engine that the client ran on.
    pub engine: &'a str,
    /// Connections, and so requests under way at once.
    pub connections: u32,
    /// The client's threads.
    pub threads: usize,
    /// Whether a connection serves more than one request.
    pub keep_alive: bool,
    /// When the next request begins.
    pub pace: Pace,
    /// When it is over.
    pub end: End,
    /// How long requests are sent before any is counted.
    pub warm_up: Duration,
}

impl<'a> Subject<'a> {
    /// A plan, and what it does not say.
    pub fn of(plan: &Plan, url: &'a str, method: &'a str, engine: &'a str) -> Self {
        Subject {
            url,
            method,
            engine,
            connections: plan.connections.get(),
            threads: plan.threads.get(),
            keep_alive: plan.keep_alive,
            pace: plan.pace,
            end: plan.end,
            warm_up: plan.warm_up,
        }
    }
}

/// What was asked of a run and what came of it. Its names in JSON are documented in [`super::output::json`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The URL that was asked.
    pub url: String,
    /// The method of the requests.
    pub method: String,
    /// The engine that the client ran on.
    pub engine: String,
    /// Connections, and so requests under way at once.
    pub connections: u32,
    /// The client's threads.
    pub threads: usize,
    /// Whether a connection served more than one request.
    pub keep_alive: bool,
    /// When the next request began.
    pub pace: Pacing,
    /// How long requests were sent before any was counted.
    #[serde(rename = "warm_up_ms", serialize_with = "millis")]
    pub warm_up: Duration,
    /// What was to end it.
    pub planned: Planned,
    /// How long was measured.
    #[serde(rename = "elapsed_ms", serialize_with = "millis")]
    pub elapsed: Duration,
    /// Whether it ended before its time because somebody asked for that.
    pub interrupted: bool,
    /// How many requests there were.
    pub requests: Requests,
    /// Bytes of answers, heads included.
    pub received_bytes: u64,
    /// Bytes of requests, heads included.
    pub sent_bytes: u64,
    /// Rates over the measured time.
    #[serde(flatten)]
    pub rates: Rates,
    /// Latencies of the answers of status 1xx to 3xx; in an open loop from the moment at which a request was due.
    pub latency: Option<Times>,
    /// The same of reads alone, where there are writes, too.
    pub reads: Option<Times>,
    /// The same of writes alone, where there are reads, too.
    pub writes: Option<Times>,
    /// In an open loop: from the moment at which a request was sent.
    pub service: Option<Times>,
    /// In an open loop: how late the client itself was.
    pub lateness: Option<Times>,
    /// How long connections took to be made.
    pub connects: Option<Times>,
    /// `latency` as a histogram; empty where nearly all took the same time.
    pub histogram: Vec<Bin>,
    /// Answers by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// Failures by kind.
    pub failures: Vec<Failures>,
    /// The replicas that answered, by name.
    pub replicas: Vec<Replica>,
    /// How evenly the answers are spread over them.
    pub evenness: Option<Evenness>,
    /// What happened when.
    pub timeline: Rows,
    /// What the client's threads did; `None` where that is not known.
    pub client: Option<Client>,
    /// What has to be known of the client and of its pace to read the figures right.
    pub verdicts: Vec<Verdict>,
}

/// When the next request began.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "loop", rename_all = "snake_case")]
pub enum Pacing {
    /// As soon as the last one on its connection was answered.
    Closed,
    /// At moments that were fixed beforehand.
    Open {
        /// Requests per second that were asked for.
        asked_per_second: f64,
        /// Requests per second that were sent.
        reached_per_second: f64,
        /// How the moments were spread: `even` or `poisson`.
        arrivals: &'static str,
    },
}

/// What was to end a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Planned {
    /// So much time.
    #[serde(rename = "duration_ms", serialize_with = "millis")]
    Duration(Duration),
    /// So many requests.
    #[serde(rename = "requests")]
    Requests(u64),
}

/// How many requests there were. Each that was begun came to be one of the other four; one that was due and never sent
/// failed without having begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// Begun.
    pub begun: u64,
    /// Answered with status 1xx to 3xx.
    pub answered: u64,
    /// Answered with status 4xx or 5xx.
    pub refused: u64,
    /// Not answered.
    pub failed: u64,
    /// Under way when the run was interrupted.
    pub unfinished: u64,
}

/// The failures of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failures {
    /// The kind, by its name.
    #[serde(serialize_with = "name")]
    pub kind: FailureKind,
    /// How many.
    pub count: u64,
    /// What exactly the first one was, which may quote the server.
    pub example: String,
}

/// What the client's threads spent their time on, each as a share of it, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Client {
    /// On a CPU.
    pub running_share: f64,
    /// Ready to run, while others had the CPU.
    pub waiting_share: f64,
}

impl Summary {
    /// The figures of a run.
    pub fn of(subject: &Subject<'_>, record: &Record) -> Summary {
        let latency = record.latency();
        let is_mixed = !record.reads.is_empty() && !record.writes.is_empty();
        let replicas = replicas::replicas(record);
        Summary {
            url: subject.url.to_owned(),
            method: subject.method.to_owned(),
            engine: subject.engine.to_owned(),
            connections: subject.connections,
            threads: subject.threads,
            keep_alive: subject.keep_alive,
            pace: Pacing::of(subject.pace, record),
            warm_up: subject.warm_up,
            planned: match subject.end {
                End::After(time) => Planned::Duration(time),
                End::Requests(count) => Planned::Requests(count),
            },
            elapsed: record.elapsed,
            interrupted: record.interrupted,
            requests: Requests::of(record),
            received_bytes: record.bytes_received,
            sent_bytes: record.bytes_sent,
            rates: Rates::of(record),
            latency: Times::of(&latency),
            reads: Times::of(&record.reads).filter(|_| is_mixed),
            writes: Times::of(&record.writes).filter(|_| is_mixed),
            service: Times::of(&record.service),
            lateness: Times::of(&record.lateness),
            connects: Times::of(&record.connects),
            histogram: times::histogram(&latency),
            statuses: record.statuses.clone(),
            failures: failures(record),
            evenness: replicas::evenness(&replicas),
            timeline: rows::rows(record, &replicas),
            replicas,
            client: Client::of(&record.threads),
            verdicts: verdict::verdicts(subject.pace, subject.connections, record),
        }
    }
}

impl Pacing {
    fn of(pace: Pace, record: &Record) -> Pacing {
        match pace {
            Pace::Closed => Pacing::Closed,
            Pace::Open { per_second, arrivals } => Pacing::Open {
                asked_per_second: per_second,
                reached_per_second: sent(record) as f64 / record.elapsed.as_secs_f64().max(1e-9),
                arrivals: match arrivals {
                    Arrivals::Even => "even",
                    Arrivals::Poisson => "poisson",
                },
            },
        }
    }
}

/// Requests whose turn came: all but those that waited for a connection to the end. None is sent after the end.
fn sent(record: &Record) -> u64 {
    let never = record.failures.get(&FailureKind::NeverSent).map_or(0, |failures| failures.count);
    record.answered() + record.refused() + record.failed().saturating_sub(never) + record.unfinished
}

impl Requests {
    fn of(record: &Record) -> Requests {
        Requests {
            begun: record.begun,
            answered: record.answered(),
            refused: record.refused(),
            failed: record.failed(),
            unfinished: record.unfinished,
        }
    }
}

fn failures(record: &Record) -> Vec<Failures> {
    let of = |(&kind, failures): (&FailureKind, &super::record::FailureCount)| Failures {
        kind,
        count: failures.count,
        example: failures.example.chars().take(EXAMPLE_CHARACTERS_MAX).collect(),
    };
    record.failures.iter().map(of).collect()
}

fn name<S: serde::Serializer>(kind: &FailureKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

impl Client {
    fn of(threads: &[ThreadUse]) -> Option<Client> {
        let sum = |of: fn(&ThreadUse) -> Duration| threads.iter().map(of).sum::<Duration>().as_secs_f64();
        let (running, waiting) = (sum(|thread| thread.running), sum(|thread| thread.waiting));
        let elapsed = sum(|thread| thread.elapsed);
        // A thread that sent a request ran: without any time of it the system does not tell.
        (elapsed > 0.0 && running > 0.0)
            .then(|| Client { running_share: running / elapsed, waiting_share: waiting / elapsed })
    }
}

#[cfg(test)]
pub(in crate::load) mod tests;
