//! Replicas that die, and replicas that fall silent.

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::clock::{Stopwatch, pause, poll};
use crate::stage::{Stage, signal};

const THREE: [&str; 3] = ["Server-1", "Server-2", "Server-3"];
/// A heartbeat that decides quickly.
const QUICK: &str = "heartbeat = { interval_ms = 100, timeout_ms = 100, failures = 3 }";

#[test]
fn a_killed_replica_is_replaced_under_its_name_and_no_other_key_moves() {
    let stage = Stage::new("count = 3", "key = \"header:x-key\"");
    let ringway = stage.start();
    ringway.await_active(&THREE);
    let of_key = |key: u32| {
        let mut client = ringway.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Key: {key}\r\nConnection: close\r\n\r\n"));
        client.answer().replica()
    };
    let before: Vec<String> = (0..100).map(of_key).collect();
    let victim = stage.pid_of("Server-2");
    let watch = Stopwatch::start();
    signal(victim, Signal::KILL);
    let replaced = poll("another process to be active", || {
        let replica = ringway.replica(0, "Server-2")?;
        (replica["state"] == "active" && replica["pid"] != victim).then_some(replica)
    });
    println!("active again after {:?}", watch.elapsed());
    assert_eq!(replaced["restarts"], 1, "{replaced}");
    assert!(replaced["last_failure"]["reason"].as_str().unwrap().contains("SIGKILL"), "{replaced}");
    stage.await_living(&THREE);
    assert_eq!((0..100).map(of_key).collect::<Vec<_>>(), before);
    assert_eq!(ringway.names(), THREE);
}

#[test]
fn a_replica_that_died_is_not_picked_until_the_next_one_serves() {
    let stage = Stage::with(
        "[[service]]\nname = \"web\"\n[service.replicas]\nprovider = \"process\"\ncount = 1\n\
         command = [\"sh\", \"-c\", \"sleep 1; exec {ringway} worker echo --listen 127.0.0.1:{port} --id {name}\"]\n",
    );
    let ringway = stage.start();
    assert_eq!(ringway.await_state(0, "Server-1", "active")["up"], true);
    signal(stage.pid_of("Server-1"), Signal::KILL);
    let dead = poll("its end to be noticed", || {
        ringway.replica(0, "Server-1").filter(|replica| replica["state"] != "active")
    });
    assert_eq!(dead["up"], false, "{dead}");
    assert_eq!(ringway.await_state(0, "Server-1", "active")["up"], true);
}

#[test]
fn a_silent_replica_is_replaced() {
    let stage = Stage::new("count = 3", QUICK);
    let ringway = stage.start();
    ringway.await_active(&THREE);
    let victim = stage.pid_of("Server-1");
    signal(victim, Signal::STOP);
    stage.await_gone(victim);
    ringway.await_active(&THREE);
    stage.await_living(&THREE);
}

#[test]
fn of_many_silent_replicas_one_third_is_replaced_at_once() {
    let six = ["Server-1", "Server-2", "Server-3", "Server-4", "Server-5", "Server-6"];
    // A replacement that takes its time, so that those that come after it have to wait for it.
    let stage = Stage::with(&format!(
        "[[service]]\nname = \"web\"\n{QUICK}\n[service.replicas]\nprovider = \"process\"\ncount = 6\n\
         command = [\"sh\", \"-c\", \"sleep 1; exec {{ringway}} worker echo --listen 127.0.0.1:{{port}} --id {{name}}\"]\n"
    ));
    let ringway = stage.start();
    ringway.await_active(&six);
    let victims: Vec<i32> = stage.living().into_values().flatten().collect();
    for &victim in &victims {
        signal(victim, Signal::STOP);
    }
    let watch = Stopwatch::start();
    let mut most_missing = 0;
    while watch.elapsed() < Duration::from_secs(2) {
        let living: Vec<i32> = stage.living().into_values().flatten().collect();
        let ended = victims.iter().filter(|victim| !living.contains(victim)).count();
        let active = six
            .iter()
            .filter(|name| ringway.replica(0, name).is_some_and(|replica| replica["state"] == "active"));
        most_missing = most_missing.max(ended.saturating_sub(active.count()));
        pause(Duration::from_millis(20));
    }
    assert!(most_missing <= 2, "{most_missing} of 6 were replaced at once");
    // They go on, and are alive.
    for victim in victims {
        signal(victim, Signal::CONT);
    }
    ringway.await_active(&six);
    stage.await_living(&six);
}

#[test]
fn a_replica_that_only_misses_heartbeats_but_answers_clients_lives_on() {
    let stage = Stage::with(&format!(
        "[[service]]\nname = \"web\"\nheartbeat = {{ path = \"/home\", interval_ms = 100, timeout_ms = 50, failures = 3 }}\n\
         [service.replicas]\nprovider = \"process\"\ncount = 1\nstartup_ms = 20000\n{}\n",
        crate::stage::ECHO
    ));
    let ringway = stage.start();
    ringway.await_active(&["Server-1"]);
    let pid = stage.pid_of("Server-1");
    // Stopped and continued in turns it is too slow for its heartbeats, and answers now and then.
    let watch = Stopwatch::start();
    while watch.elapsed() < Duration::from_secs(3) {
        signal(pid, Signal::STOP);
        pause(Duration::from_millis(120));
        signal(pid, Signal::CONT);
        assert_eq!(ringway.ask("GET /x", "").status, 200);
    }
    assert_eq!(stage.pid_of("Server-1"), pid);
    assert_eq!(ringway.replica(0, "Server-1").unwrap()["restarts"], 0);
}
