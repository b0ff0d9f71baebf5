//! Runs against servers that do as they should.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam::channel::{Receiver, unbounded};
use crossbeam::sync::ShardedLock;
use rustix::process::Signal;

use crate::harness::backend::Request;
use crate::harness::clock::PATIENCE;
use crate::harness::{Backend, Engine, pause};
use crate::run::{Run, load};

/// A server that answers everything, and hands on what it was asked.
fn recording(name: &'static str) -> (Backend, Receiver<Request>) {
    let (seen, requests) = unbounded();
    let backend = Backend::start(move |peer| {
        while let Some(request) = peer.request() {
            let _ = seen.send(request);
            if peer.answer(&format!("X-Replica: {name}\r\n"), "hello").is_none() {
                return;
            }
        }
    });
    (backend, requests)
}

fn lines(requests: &Receiver<Request>) -> Vec<String> {
    requests.try_iter().map(|request| request.line().to_owned()).collect()
}

pub(crate) fn every_request_of_a_number_is_sent_once(engine: Engine) {
    let (backend, requests) = recording("a");
    let arguments = "-n 1000 -c 16 -t 3 --keys 1000 --distribution sequential";
    let run = load(engine, backend.address, "/k/{key}", arguments);
    assert_eq!(run.code, Some(0), "{}", run.said);
    assert_eq!(run.counts(), [1000, 1000, 0, 0, 0]);
    assert_eq!(run.figure("/statuses/200"), 1000.0);
    assert_eq!(run.summary["replicas"][0]["name"], "a");
    assert_eq!(run.figure("/replicas/0/answers"), 1000.0);
    assert_eq!(run.figure("/latency/count"), 1000.0);
    let seen = lines(&requests);
    assert_eq!(seen.len(), 1000);
    let expected: BTreeSet<String> = (0..1000).map(|key| format!("GET /k/{key} HTTP/1.1")).collect();
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected);
}

pub(crate) fn a_request_is_what_the_options_say(engine: Engine) {
    let (backend, requests) = recording("a");
    let arguments = "-n 1 -c 1 -X PURGE -H X-Id:{key} -b id={key} --keys 1 --first-key 123456";
    let run = load(engine, backend.address, "/a?b=c", arguments);
    assert_eq!(run.counts(), [1, 1, 0, 0, 0], "{}", run.said);
    let request = requests.recv_timeout(PATIENCE).unwrap();
    assert_eq!(request.line(), "PURGE /a?b=c HTTP/1.1");
    assert_eq!(request.fields.one("X-Id"), Some("123456"));
    assert_eq!(request.fields.one("Host"), Some(&*backend.address.to_string()));
    assert_eq!(request.body, b"id=123456");
}

pub(crate) fn the_paths_of_a_file_are_asked_in_order(engine: Engine) {
    let (backend, requests) = recording("a");
    let file = "# a log\n/one\nDELETE /two?x\n\n/three\n";
    let run = Run::start_with(engine, backend.address, "/", "-n 5 -c 1 --paths {folder}paths", |folder| {
        folder.write("paths", file);
    });
    assert_eq!(run.end().counts(), [5, 5, 0, 0, 0]);
    let lines: Vec<String> = lines(&requests);
    let paths: Vec<&str> = lines.iter().map(|line| line.strip_suffix(" HTTP/1.1").unwrap()).collect();
    assert_eq!(paths, ["GET /one", "DELETE /two?x", "GET /three", "GET /one", "DELETE /two?x"]);
}

pub(crate) fn writes_are_counted_apart(engine: Engine) {
    let (backend, requests) = recording("a");
    let arguments = "-n 2000 -c 4 --writes 25 --write-path /w/{key} --body-size 100";
    let run = load(engine, backend.address, "/r/{key}", arguments);
    let (reads, writes) = (run.figure("/reads/count"), run.figure("/writes/count"));
    assert_eq!(reads + writes, 2000.0);
    assert!((400.0..600.0).contains(&writes), "{writes}");
    let written: Vec<Request> =
        requests.try_iter().filter(|request| request.line().starts_with("PUT /w/")).collect();
    assert_eq!(written.len(), writes as usize);
    assert!(written.iter().all(|request| request.body.len() == 100));
}

/// A server whose `at`-th request finds it standing still for `time`, on all connections.
fn stalling(at: u64, time: Duration) -> Backend {
    let count = AtomicU64::new(0);
    let moving = ShardedLock::new(());
    Backend::start(move |peer| {
        while peer.request().is_some() {
            if count.fetch_add(1, Ordering::Relaxed) == at {
                let _stands = moving.write().unwrap();
                pause(time);
            }
            let _moves = moving.read().unwrap();
            if peer.answer("", "hello").is_none() {
                return;
            }
        }
    })
}

/// Of two seconds the server stands still for one, so that half of what users ask has to wait, half a second on average.
pub(crate) fn a_stall_shows_in_an_open_loop_and_hardly_in_a_closed_one(engine: Engine) {
    let second = Duration::from_secs(1);
    let open = load(engine, stalling(100, second).address, "/", "-r 200 -d 2s -c 8");
    assert_eq!(open.counts(), [400, 400, 0, 0, 0], "{}", open.said);
    assert!(open.figure("/latency/p75_us") > 250_000.0, "{}", open.summary);
    assert!(open.figure("/latency/max_us") > 900_000.0, "{}", open.summary);
    assert!(open.figure("/service/p75_us") < 250_000.0, "{}", open.summary);
    let closed = load(engine, stalling(100, second).address, "/", "-d 2s -c 8");
    assert!(closed.figure("/latency/p75_us") < 250_000.0, "{}", closed.summary);
    assert!(closed.figure("/latency/max_us") > 900_000.0, "{}", closed.summary);
}

pub(crate) fn what_no_connection_was_free_for_is_a_failure(engine: Engine) {
    let backend = Backend::start(|peer| {
        while peer.request().is_some() {
            pause(Duration::from_millis(300));
            if peer.answer("", "hello").is_none() {
                return;
            }
        }
    });
    let run = load(engine, backend.address, "/", "-r 100 -d 600ms -c 1 --timeout 400ms");
    let [begun, answered, refused, failed, unfinished] = run.counts();
    assert_eq!((begun, refused, unfinished), (answered, 0, 0), "{}", run.summary);
    assert_eq!(answered + failed, 60, "{}", run.summary);
    assert_eq!(run.failures(), [("never_sent".to_owned(), failed)]);
    assert_eq!(run.code, Some(1));
}

pub(crate) fn an_interrupted_run_has_a_summary(engine: Engine) {
    let (seen, requests) = unbounded();
    let backend = Backend::start(move |peer| {
        for number in 0.. {
            if peer.request().is_none() {
                return;
            }
            let _ = seen.send(());
            // The tenth of each connection is never answered.
            if number == 9 {
                return peer.stall();
            }
            let _ = peer.answer("", "hello");
        }
    });
    let run = Run::start(engine, backend.address, "/", "-d 1h -c 4");
    (0..40).for_each(|_| requests.recv_timeout(PATIENCE).unwrap());
    run.process().signal(Signal::INT);
    let run = run.end();
    assert_eq!(run.counts(), [40, 36, 0, 0, 4], "{}", run.said);
    assert_eq!(run.summary["interrupted"], true);
    assert!(run.figure("/elapsed_ms") < 60_000.0);
}

pub(crate) fn connections_end_after_each_request_where_that_is_asked(engine: Engine) {
    let connections = Arc::new(AtomicU64::new(0));
    let counted = connections.clone();
    let backend = Backend::start(move |peer| {
        // The program looks first whether anybody accepts: on that connection nothing comes.
        let Some(request) = peer.request() else { return };
        counted.fetch_add(1, Ordering::Relaxed);
        assert_eq!(request.fields.one("Connection"), Some("close"));
        let _ = peer.answer("Connection: close\r\n", "hello");
        assert!(peer.request().is_none(), "a second request on a connection");
    });
    let run = load(engine, backend.address, "/", "-n 50 -c 5 --no-keep-alive");
    assert_eq!(run.counts(), [50, 50, 0, 0, 0], "{}", run.said);
    assert_eq!(connections.load(Ordering::Relaxed), 50);
    assert_eq!(run.figure("/connects/count"), 50.0);
}

pub(crate) fn a_warm_up_is_not_counted(engine: Engine) {
    let (backend, requests) = recording("a");
    let arguments = "-n 10 -c 1 --warm-up 200ms --keys 10 --distribution sequential";
    let run = load(engine, backend.address, "/{key}", arguments);
    assert_eq!(run.counts(), [10, 10, 0, 0, 0], "{}", run.said);
    let lines = lines(&requests);
    assert!(lines.len() > 10, "{}", lines.len());
    let last: Vec<String> = (0..10).map(|key| format!("GET /{key} HTTP/1.1")).collect();
    assert_eq!(lines[lines.len() - 10..], last);
}

pub(crate) fn a_result_that_cannot_be_written_costs_none_of_the_others(engine: Engine) {
    let (backend, _requests) = recording("a");
    let run = load(engine, backend.address, "/", "-n 50 -c 2 --csv /dev/full --charts {folder}charts");
    assert_eq!(run.code, Some(1), "{}", run.said);
    assert!(run.said.contains("cannot write /dev/full"), "{}", run.said);
    assert!(run.folder.path("charts").join("throughput.svg").is_file());
}

pub(crate) fn tables_and_charts_are_written(engine: Engine) {
    let (backend, _requests) = recording("a");
    let run =
        load(engine, backend.address, "/", "-n 500 -c 4 --csv {folder}rows.csv --charts {folder}charts");
    assert_eq!(run.code, Some(0), "{}", run.said);
    let rows = fs::read_to_string(run.folder.path("rows.csv")).unwrap();
    assert!(rows.lines().count() >= 2, "{rows}");
    let charts = run.folder.path("charts");
    for stem in ["latency-percentiles", "latency-over-time", "throughput", "replicas"] {
        let svg = fs::read_to_string(charts.join(format!("{stem}.svg"))).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{stem}");
        let png = fs::read(charts.join(format!("{stem}.png"))).unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"), "{stem}");
    }
}
