//! Many clients while a replica dies.

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crossbeam::channel::unbounded;

use rustix::process::Signal;

use crate::harness::proxy::{PROGRAM, Process};
use crate::harness::{Backend, End, Engine, Proxy, poll, service};

const CLIENTS: usize = 32;
/// Requests in all before the kill, and until the load ends.
const BEFORE: u64 = 1_500;
const IN_ALL: u64 = 6_000;

/// A replica that is a process of its own, so that it can be killed.
struct Worker {
    process: Process,
    address: String,
}

impl Worker {
    fn start(name: &str) -> Worker {
        let mut command = Command::new(PROGRAM);
        let process =
            Process::spawn(command.args(["worker", "echo", "--listen", "127.0.0.1:0", "--id", name]));
        let line = process.line("listens on").expect("the worker's address");
        Worker { address: line.rsplit(' ').next().unwrap_or_default().to_owned(), process }
    }
}

#[derive(Default)]
struct Tally {
    requests: AtomicU64,
    cut: AtomicU64,
    failed: AtomicU64,
}

/// Sends requests until the load ends; a connection that was cut is made again.
fn load(proxy: &Proxy, number: usize, tally: &Tally) {
    let mut client = proxy.client();
    let mut sent = 0;
    while tally.requests.fetch_add(1, Ordering::Relaxed) < IN_ALL {
        sent += 1;
        client.send(format!("GET /{number}/{sent} HTTP/1.1\r\nHost: a\r\n\r\n"));
        match client.answer_to("GET") {
            Some(answer) if answer.status == 200 && answer.end == End::Complete => {
                let expected = format!("{}: GET /{number}/{sent}\n", answer.replica());
                assert_eq!(answer.text(), expected, "another request's answer");
                continue;
            }
            Some(answer) if answer.end == End::Cut => _ = tally.cut.fetch_add(1, Ordering::Relaxed),
            other => {
                eprintln!("client {number} was answered {other:?}");
                tally.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        client = proxy.client();
    }
}

pub(crate) fn a_killed_replica_costs_its_clients_nothing(engine: Engine) {
    let workers = ["a", "b", "c"].map(Worker::start);
    let addresses: Vec<String> = workers
        .iter()
        .map(|worker| format!("{{ name = \"{0}\", address = \"{0}\" }}", worker.address))
        .collect();
    let text = format!("[[service]]\nreplicas = {{ addresses = [{}] }}", addresses.join(", "));
    let proxy = Proxy::start(engine, 2, &text);
    let tally = Tally::default();
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (proxy, tally) = (&proxy, &tally);
            scope.spawn(move || load(proxy, number, tally));
        }
        let begun = || (tally.requests.load(Ordering::Relaxed) > BEFORE).then_some(());
        poll("the load to be under way", begun);
        workers[1].process.signal(Signal::KILL);
    });
    let metrics = proxy.metrics();
    assert_eq!(tally.failed.load(Ordering::Relaxed), 0, "clients that saw a failure");
    assert_eq!(tally.cut.load(Ordering::Relaxed), metrics.of("aborted_after_head_total"), "cuts are counted");
    let served = metrics.of("answers_total{class=\"2xx\"}");
    assert!(served >= IN_ALL, "{served} answers to {IN_ALL} requests");
    assert!(metrics.of("upstream_connect_failures_total") > 0, "nobody noticed that the replica died");
    proxy.await_replica(&workers[1].address, false);
}

pub(crate) fn a_killed_replica_never_doubles_a_post(engine: Engine) {
    let (report, seen) = unbounded();
    let mut replicas = [(); 3].map(|()| {
        let report = report.clone();
        Backend::start(move |peer| {
            while let Some(request) = peer.request() {
                let _ = report.send(request.line().to_owned());
                if peer.answer("", "").is_none() {
                    return;
                }
            }
        })
    });
    let [a, b, c] = &replicas;
    let proxy = Proxy::start(engine, 2, &service("", &[("a", a), ("b", b), ("c", c)]));
    let (done, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let post_all = |number: usize| {
        let mut client = proxy.client();
        for round in 0..150 {
            client
                .send(format!("POST /{number}/{round} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"));
            let status = client.answer().status;
            assert!([200, 502].contains(&status), "{status}");
            failed.fetch_add(u64::from(status == 502), Ordering::Relaxed);
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        let post_all = &post_all;
        for number in 0..16 {
            scope.spawn(move || post_all(number));
        }
        for (index, begun) in [(0, 400), (1, 900)] {
            poll("the load to be under way", || (done.load(Ordering::Relaxed) > begun).then_some(()));
            replicas[index].go_down();
        }
    });
    let mut counts: HashMap<String, usize> = HashMap::new();
    seen.try_iter().for_each(|line| *counts.entry(line).or_default() += 1);
    let doubled: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(doubled.is_empty(), "replicas saw these more than once: {doubled:?}");
    let failed = failed.load(Ordering::Relaxed);
    assert!(counts.len() as u64 + failed >= 16 * 150, "{} seen and {failed} refused of 2400", counts.len());
    assert_eq!(proxy.metrics().of("answers_total{class=\"5xx\"}"), failed);
}
