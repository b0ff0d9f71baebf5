//! What a run measured.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::failure::{Failure, FailureKind};
use super::latency::Latencies;
use super::requests::Class;
use super::timeline::Timeline;
use crate::engine::thread_time::ThreadTime;

/// More replicas than this are counted together, as one without a name: a field that differs in every answer names none.
const REPLICAS_MAX: usize = 4_096;
/// Of a replica's name that much is kept; replicas whose names differ only behind it are counted as one.
const NAME_BYTES_MAX: usize = 256;

/// What one thread measured, or all of them after [`Record::merge`]. Requests of the warm-up are in none of it.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Latencies of answers with status 1xx to 3xx to reads: from the request's beginning, in an open loop from the moment
    /// at which it was due, to the last byte of the answer.
    pub reads: Latencies,
    /// The same for writes.
    pub writes: Latencies,
    /// In an open loop: of the same answers, the times from the moment at which the request was really sent.
    pub service: Latencies,
    /// The times that connections took to be made, those of the warm-up included.
    pub connects: Latencies,
    /// How late the client itself was: from the moment at which a request was due and a connection was free for it, to the
    /// moment at which it was sent (open loop). Making a connection is not counted.
    pub lateness: Latencies,
    /// Requests that were begun.
    pub begun: u64,
    /// Answers with status 1xx to 3xx that came before `elapsed` was over, to requests of the warm-up as well: what the
    /// throughput is computed from. Those that came later count everywhere else.
    pub answered_in_time: u64,
    /// Requests that were under way when the run was interrupted.
    pub unfinished: u64,
    /// Answers by status code, of all classes.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests that failed, by kind, each with the first one's detail.
    pub failures: BTreeMap<FailureKind, FailureCount>,
    /// Bytes of answers, heads included.
    pub bytes_received: u64,
    /// Bytes of requests, heads included.
    pub bytes_sent: u64,
    /// What happened when.
    pub timeline: Timeline,
    /// From the beginning of the measurement to its end: the planned duration, or the moment of the last answer where a
    /// number of requests is the end, or of the interruption.
    pub elapsed: Duration,
    /// Whether it ended before its time because somebody asked for that.
    pub interrupted: bool,
    /// What each thread's time was spent on.
    pub threads: Vec<ThreadUse>,
    replicas: Replicas,
}

/// How often a kind of failure was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailureCount {
    /// How often.
    pub count: u64,
    /// What exactly the first one was.
    pub example: String,
}

/// How one thread of the client spent the measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ThreadUse {
    /// On a CPU.
    pub running: Duration,
    /// Ready to run, while others had the CPU.
    pub waiting: Duration,
    /// Altogether.
    pub elapsed: Duration,
}

impl ThreadUse {
    /// What lies between two readings that are `elapsed` apart. A reading is not exact, so that one that is taken often
    /// within a short time could show more time than there was.
    pub fn between(before: ThreadTime, after: ThreadTime, elapsed: Duration) -> Self {
        let running = after.running.saturating_sub(before.running).min(elapsed);
        let waiting = after.waiting.saturating_sub(before.waiting).min(elapsed - running);
        ThreadUse { running, waiting, elapsed }
    }
}

/// The replicas that answered, numbered in the order in which they were first seen.
#[derive(Clone, Debug, Default)]
struct Replicas {
    numbers: HashMap<Box<[u8]>, usize, ahash::RandomState>,
    names: Vec<Box<[u8]>>,
    answers: Vec<u64>,
}

impl Replicas {
    fn number(&mut self, name: &[u8]) -> usize {
        let name = &name[..name.len().min(NAME_BYTES_MAX)];
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let name = if self.names.len() < REPLICAS_MAX { name } else { b"" };
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = self.names.len();
        self.numbers.insert(name.into(), number);
        self.names.push(name.into());
        self.answers.push(0);
        number
    }
}

/// One whole answer.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// What was asked.
    pub class: Class,
    /// Its status code.
    pub status: u16,
    /// The replica that it names, if it does.
    pub replica: Option<&'a [u8]>,
    /// From the moment at which the request was due to the answer's last byte.
    pub latency: Duration,
    /// In an open loop: from the moment at which it was sent.
    pub service: Option<Duration>,
    /// When its last byte came, counted from the beginning of the measurement.
    pub at: Duration,
}

impl Record {
    /// Counts an answer. One of 4xx or 5xx counts as refused: its latency is not among the others.
    pub fn answer(&mut self, answer: &Answered<'_>) {
        *self.statuses.entry(answer.status).or_default() += 1;
        let replica = answer.replica.map(|name| self.replicas.number(name));
        if let Some(number) = replica {
            self.replicas.answers[number] += 1;
        }
        let interval = self.timeline.at(answer.at);
        if answer.status >= 400 {
            interval.refusals += 1;
            return;
        }
        interval.answers += 1;
        interval.latency.record(answer.latency);
        if let Some(number) = replica {
            interval.add_to_replica(number, 1);
        }
        match answer.class {
            Class::Read => self.reads.record(answer.latency),
            Class::Write => self.writes.record(answer.latency),
        }
        if let Some(service) = answer.service {
            self.service.record(service);
        }
    }

    /// Counts a failure that showed `at` after the beginning of the measurement.
    pub fn fail(&mut self, failure: Failure, at: Duration) {
        let count = self.failures.entry(failure.kind).or_default();
        if count.count == 0 {
            count.example = failure.detail;
        }
        count.count += 1;
        self.timeline.at(at).failures += 1;
    }

    /// Counts `count` requests that were never sent by `end` after the beginning of the measurement: each at the moment at
    /// which it was due, of which `due_before` says how many lie before another, and at the end where it was not yet due.
    pub fn fail_unsent(&mut self, count: u64, end: Duration, due_before: impl Fn(Duration) -> u64) {
        if count == 0 {
            return;
        }
        let failures = self.failures.entry(FailureKind::NeverSent).or_default();
        failures.count += count;
        failures.example = "no connection became free for it".to_owned();
        self.timeline.spread(count, end, due_before);
    }

    /// Adds what another thread measured at the same time.
    pub fn merge(&mut self, other: Record) {
        self.reads.merge(&other.reads);
        self.writes.merge(&other.writes);
        self.service.merge(&other.service);
        self.connects.merge(&other.connects);
        self.lateness.merge(&other.lateness);
        self.begun += other.begun;
        self.answered_in_time += other.answered_in_time;
        self.unfinished += other.unfinished;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (kind, other) in other.failures {
            let count = self.failures.entry(kind).or_default();
            if count.count == 0 {
                count.example = other.example;
            }
            count.count += other.count;
        }
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.interrupted |= other.interrupted;
        self.threads.extend(other.threads);
        let renumbered: Vec<usize> =
            other.replicas.names.iter().map(|name| self.replicas.number(name)).collect();
        for (&number, answers) in renumbered.iter().zip(other.replicas.answers) {
            self.replicas.answers[number] += answers;
        }
        self.timeline.merge(other.timeline, &renumbered);
    }

    /// Answers of status 1xx to 3xx.
    pub fn answered(&self) -> u64 {
        self.statuses.range(..400).map(|(_, count)| count).sum()
    }

    /// Answers of status 4xx and 5xx.
    pub fn refused(&self) -> u64 {
        self.statuses.range(400..).map(|(_, count)| count).sum()
    }

    /// Requests that were not answered.
    pub fn failed(&self) -> u64 {
        self.failures.values().map(|failures| failures.count).sum()
    }

    /// The latencies of reads and writes together.
    pub fn latency(&self) -> Latencies {
        let mut all = self.reads.clone();
        all.merge(&self.writes);
        all
    }

    /// Each replica's name as its field gave it, and its answers of any status, by number; the number is also that of the
    /// timeline's intervals. An empty name stands for all beyond the first 4,096.
    pub fn replicas(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.replicas.names.iter().map(|name| &**name).zip(self.replicas.answers.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::summary::tests::answered;

    #[test]
    fn names_of_replicas_take_little_room_however_long_and_many_they_are() {
        let mut record = Record::default();
        for number in 0..REPLICAS_MAX + 10 {
            let name = format!("{number}-{}", "x".repeat(20_000));
            record.answer(&answered(200, Some(name.as_bytes()), 0));
        }
        assert!(record.replicas().all(|(name, _)| name.len() <= NAME_BYTES_MAX));
        assert_eq!(record.replicas().count(), REPLICAS_MAX + 1);
        assert_eq!(record.replicas().last(), Some((&b""[..], 10)));
    }

    #[test]
    fn requests_that_were_never_sent_fail_when_they_were_due() {
        let mut record = Record::default();
        let end = Duration::from_millis(35);
        // One each two milliseconds from 20 on, and three that would have been due after the end.
        record.fail_unsent(11, end, |since| since.as_millis().saturating_sub(18) as u64 / 2);
        let rows: Vec<u64> = record.timeline.intervals().iter().map(|interval| interval.failures).collect();
        assert_eq!(rows, [0, 1, 5, 5]);
        assert_eq!(record.failed(), 11);
    }

    #[test]
    fn a_thread_uses_no_more_time_than_there_was() {
        let time = |running, waiting| ThreadTime {
            running: Duration::from_millis(running),
            waiting: Duration::from_millis(waiting),
        };
        let elapsed = Duration::from_millis(10);
        let used = ThreadUse::between(time(5, 5), time(12, 25), elapsed);
        assert_eq!((used.running.as_millis(), used.waiting.as_millis()), (7, 3));
    }
}
