//! The program killed at any moment of a start, a stop, or a change: nothing orphaned, nothing twice, nothing forgotten.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::clock::pause;
use crate::stage::{Ringway, Stage, names_of};

/// `RINGWAY_CRASHES` sets another number.
const CRASHES: u64 = 40;

/// Looks for two living processes of one name until it is told to stop.
fn watch_for_twins(stage: &Stage, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let twins: Vec<_> = stage.living().into_iter().filter(|(_, pids)| pids.len() > 1).collect();
        // A shell that is being replaced by its own child's image would show up once; twins stay.
        if let Some((name, pids)) = twins.first() {
            let again = stage.living();
            assert!(again.get(name).is_none_or(|again| again != pids), "two processes of {name}: {pids:?}");
        }
    }
}

/// What is under way when the program is killed.
fn begin(ringway: &Ringway, round: u64, members: &mut BTreeSet<String>) -> Option<(String, bool)> {
    match round % 4 {
        // The start itself.
        0 => None,
        1 => {
            let name = format!("added-{round}");
            send(ringway, "POST /add", &format!(r#"{{"n": 1, "hostnames": ["{name}"]}}"#));
            Some((name, true))
        }
        2 => {
            let name = members.iter().next_back()?.clone();
            send(ringway, "DELETE /rm", &format!(r#"{{"n": 1, "hostnames": ["{name}"]}}"#));
            Some((name, false))
        }
        _ => {
            ringway.signal(Signal::TERM);
            None
        }
    }
}

/// Sends a call and does not wait for its answer.
fn send(ringway: &Ringway, request_line: &str, body: &str) {
    let mut client = ringway.client();
    client
        .send(format!("{request_line} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    // Closed only with the program: a caller that leaves is another test's matter.
    std::mem::forget(client);
}

#[test]
fn the_program_killed_at_any_moment_leaves_no_orphan_no_twin_and_no_gap() {
    let crashes =
        std::env::var("RINGWAY_CRASHES").map_or(CRASHES, |number| number.parse().expect("a number"));
    let stage = Stage::new("count = 2\nstop_timeout_ms = 2000", "");
    let mut members: BTreeSet<String> = ["Server-1", "Server-2"].map(String::from).into();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| watch_for_twins(&stage, &stop));
        for round in 0..crashes {
            let ringway = stage.start();
            if round % 4 != 0 {
                for name in &members {
                    ringway.await_state(0, name, "active");
                }
            }
            let change = begin(&ringway, round, &mut members);
            // Another moment in each round: 0 to 30 ms in steps of a third of a millisecond.
            pause(Duration::from_micros(round * 7919 % 90 * 333));
            ringway.kill();
            let ringway = stage.start();
            let names: BTreeSet<String> = ringway.names().into_iter().collect();
            if let Some((name, added)) = change {
                // It may have been durable or not; nothing else may have changed.
                if names.contains(&name) {
                    members.insert(name)
                } else {
                    members.remove(&name)
                };
                println!("round {round}: added {added}");
            }
            assert_eq!(names, members, "round {round}");
            let expected: Vec<&str> = members.iter().map(String::as_str).collect();
            for name in &expected {
                ringway.await_state(0, name, "active");
            }
            stage.await_living(&expected);
            ringway.kill();
        }
        stop.store(true, Ordering::Relaxed);
        watcher.join().expect("no twins");
    });
    let ringway = stage.start();
    assert_eq!(ringway.names().into_iter().collect::<BTreeSet<_>>(), members);
    ringway.stop();
    assert!(stage.living().is_empty(), "{:?}", stage.living());
}

#[test]
fn an_answered_call_survives_a_kill_at_once() {
    let stage = Stage::new("count = 1", "");
    let mut expected = vec!["Server-1".to_owned()];
    for round in 0..8 {
        let ringway = stage.start();
        let answer = ringway.ask("POST /add", &format!(r#"{{"n": 1, "hostnames": ["s{round}"]}}"#));
        expected.push(format!("s{round}"));
        assert_eq!(names_of(&answer), expected);
        ringway.kill();
    }
    let ringway = stage.start();
    assert_eq!(ringway.names(), expected);
}
