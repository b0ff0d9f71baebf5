//! Changes of the replicas while clients are served.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustix::process::Signal;

use crate::harness::client::End;
use crate::harness::clock::poll;
use crate::stage::{Ringway, Stage, names_of, signal};

const CLIENTS: usize = 16;

/// Sends requests until it is told to stop; counts those that were not answered whole and with 200.
fn load(ringway: &Ringway, number: usize, stop: &AtomicBool, (sent, failed): (&AtomicU64, &AtomicU64)) {
    let mut client = ringway.client();
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        count += 1;
        client.send(format!("GET /{number}/{count} HTTP/1.1\r\nHost: a\r\n\r\n"));
        sent.fetch_add(1, Ordering::Relaxed);
        match client.answer_to("GET") {
            Some(answer) if answer.status == 200 && answer.end == End::Complete => {
                assert!(answer.text().ends_with(&format!(": GET /{number}/{count}\n")), "{}", answer.text());
            }
            other => {
                eprintln!("client {number} was answered {other:?}");
                failed.fetch_add(1, Ordering::Relaxed);
                client = ringway.client();
            }
        }
    }
}

/// How many requests were sent and how many failed while `act` ran.
fn under_load(ringway: &Ringway, act: impl FnOnce()) -> (u64, u64) {
    let (stop, sent, failed) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (stop, counts) = (&stop, (&sent, &failed));
            scope.spawn(move || load(ringway, number, stop, counts));
        }
        act();
        stop.store(true, Ordering::Relaxed);
    });
    (sent.into_inner(), failed.into_inner())
}

#[test]
fn adding_and_removing_replicas_fails_no_request() {
    let stage = Stage::new("count = 3", "");
    let ringway = stage.start();
    ringway.await_active(&["Server-1", "Server-2", "Server-3"]);
    let (sent, failed) = under_load(&ringway, || {
        for round in 0..5 {
            let names = format!(r#"{{"n": 2, "hostnames": ["a{round}", "b{round}"]}}"#);
            assert_eq!(names_of(&ringway.ask("POST /add?wait=active", &names)).len(), 5);
            assert_eq!(names_of(&ringway.ask("DELETE /rm?wait=active", r#"{"n": 2}"#)).len(), 3);
        }
    });
    println!("{sent} requests, {failed} failed");
    assert!(sent > 500, "only {sent} requests");
    assert_eq!(failed, 0, "of {sent}");
    assert_eq!(stage.living().len(), 3);
}

#[test]
fn killed_replicas_cost_no_client_a_request() {
    let three = ["Server-1", "Server-2", "Server-3"];
    let stage = Stage::new("count = 3", "");
    let ringway = stage.start();
    ringway.await_active(&three);
    let (sent, failed) = under_load(&ringway, || {
        for name in three {
            let victim = stage.pid_of(name);
            signal(victim, Signal::KILL);
            // Not before the next one serves: two that are down at once may well cost a request.
            poll("another process to be active", || {
                let replica = ringway.replica(0, name)?;
                (replica["state"] == "active" && replica["pid"] != victim).then_some(())
            });
            // A request that met two deaths may have used its attempts up; those of this one are over by then.
            let requests = || ringway.metric("requests_total");
            let before = requests();
            poll("the load to go on", || (requests() > before + 10 * CLIENTS as u64).then_some(()));
        }
    });
    let cut = ringway.metric("aborted_after_head_total");
    println!("{sent} requests, {failed} failed, {cut} cut after their head");
    assert!(sent > 100, "only {sent} requests");
    assert_eq!(failed, cut, "of {sent}");
}
