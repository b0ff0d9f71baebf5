use super::*;
use crate::load::failure::Failure;
use crate::load::record::Answered;
use crate::load::requests::Class;

/// A run of a second over ten connections, in a closed loop.
pub(in crate::load) fn subject() -> Subject<'static> {
    Subject {
        url: "http://127.0.0.1:5000/home",
        method: "GET",
        engine: "epoll",
        connections: 10,
        threads: 2,
        keep_alive: true,
        pace: Pace::Closed,
        end: End::After(Duration::from_secs(1)),
        warm_up: Duration::from_millis(250),
    }
}

/// An answer to a read, after two milliseconds.
pub(in crate::load) fn answered(status: u16, replica: Option<&[u8]>, at_ms: u64) -> Answered<'_> {
    Answered {
        class: Class::Read,
        status,
        replica,
        latency: Duration::from_millis(2),
        service: None,
        at: Duration::from_millis(at_ms),
    }
}

/// So much time without anything.
pub(in crate::load) fn lasting(elapsed: Duration) -> Record {
    let mut record = Record::default();
    record.elapsed = elapsed;
    record
}

/// A second of 200 answers of 1 to 200 ms by two replicas in turn, ten 503, three failures.
pub(in crate::load) fn record() -> Record {
    let mut record = lasting(Duration::from_secs(1));
    (record.begun, record.answered_in_time) = (213, 200);
    for index in 0..200 {
        let name: &[u8] = if index % 2 == 0 { b"Server-2" } else { b"Server-1" };
        let mut answer = answered(200, Some(name), index * 5);
        answer.latency = Duration::from_millis(index + 1);
        record.answer(&answer);
    }
    (0..10).for_each(|index| record.answer(&answered(503, None, index)));
    for _ in 0..3 {
        let detail = "read: connection reset by peer".to_owned();
        record.fail(Failure { kind: FailureKind::Reset, detail }, Duration::from_millis(500));
    }
    record.connects.record(Duration::from_micros(150));
    (record.bytes_received, record.bytes_sent) = (210_000, 42_000);
    let running = Duration::from_millis(300);
    record.threads =
        vec![ThreadUse { running, waiting: Duration::from_millis(20), elapsed: record.elapsed }; 2];
    record
}

#[test]
fn a_run_s_figures_are_those_of_its_record() {
    let summary = Summary::of(&subject(), &record());
    let requests = Requests { begun: 213, answered: 200, refused: 10, failed: 3, unfinished: 0 };
    assert_eq!(summary.requests, requests);
    assert_eq!(summary.rates.answers_per_second, 200.0);
    assert_eq!(summary.rates.received_bytes_per_second, 210_000.0);
    assert_eq!(summary.latency.as_ref().map(|latency| latency.count), Some(200));
    assert_eq!(summary.statuses, BTreeMap::from([(200, 200), (503, 10)]));
    let failure = (FailureKind::Reset, 3, "read: connection reset by peer");
    let found = &summary.failures[0];
    assert_eq!((found.kind, found.count, found.example.as_str()), failure);
    let names: Vec<_> = summary.replicas.iter().map(|replica| replica.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["Server-1", "Server-2"]);
    assert_eq!(summary.client, Some(Client { running_share: 0.3, waiting_share: 0.02 }));
    assert!(summary.verdicts.is_empty() && summary.service.is_none() && summary.lateness.is_none());
}

#[test]
fn reads_and_writes_stand_apart_only_where_both_exist() {
    let mut record = record();
    let summary = Summary::of(&subject(), &record);
    assert!(summary.reads.is_none() && summary.writes.is_none());
    record.answer(&Answered { class: Class::Write, ..answered(201, None, 7) });
    let summary = Summary::of(&subject(), &record);
    assert_eq!(summary.reads.map(|times| times.count), Some(200));
    assert_eq!(summary.writes.map(|times| times.count), Some(1));
    assert_eq!(summary.latency.map(|times| times.count), Some(201));
}

#[test]
fn the_rate_that_an_open_loop_reached_leaves_out_what_was_never_sent() {
    let mut record = record();
    record.fail_unsent(2, Duration::from_secs(1), |_| 0);
    let pace = Pace::Open { per_second: 215.0, arrivals: Arrivals::Poisson };
    let summary = Summary::of(&Subject { pace, ..subject() }, &record);
    let expected = Pacing::Open { asked_per_second: 215.0, reached_per_second: 213.0, arrivals: "poisson" };
    assert_eq!(summary.pace, expected);
    assert_eq!(summary.verdicts.iter().map(Verdict::name).collect::<Vec<_>>(), ["connections_busy"]);
}

#[test]
fn a_run_without_anything_has_a_summary_of_nothing() {
    for end in [End::After(Duration::ZERO), End::Requests(0)] {
        let summary = Summary::of(&Subject { end, ..subject() }, &Record::default());
        assert_eq!(summary.rates.answers_per_second, 0.0);
        assert!(summary.latency.is_none() && summary.client.is_none() && summary.replicas.is_empty());
    }
}

#[test]
fn an_endless_example_is_cut() {
    let mut record = Record::default();
    let failure = Failure { kind: FailureKind::Malformed, detail: "é".repeat(100_000) };
    record.fail(failure, Duration::ZERO);
    assert_eq!(failures(&record)[0].example.chars().count(), EXAMPLE_CHARACTERS_MAX);
}
