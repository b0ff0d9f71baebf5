//! Ends and starts of the program: what it leaves, what it finds.

use std::fs;

use rustix::process::Signal;

use crate::stage::{Stage, signal};

const TWO: [&str; 2] = ["Server-1", "Server-2"];

#[test]
fn replicas_that_are_kept_go_on_and_are_taken_over() {
    let stage = Stage::new("count = 2\non_exit = \"keep\"", "");
    let ringway = stage.start();
    ringway.await_active(&TWO);
    let before = stage.living();
    assert_eq!(ringway.stop().status.code(), Some(0));
    assert_eq!(stage.living(), before, "they go on");
    let ringway = stage.start();
    ringway.await_active(&TWO);
    assert_eq!(stage.living(), before, "they are the same ones");
    assert_eq!(ringway.ask("GET /home", "").status, 200);
    // They are watched as if they had been started here.
    let victim = stage.pid_of("Server-1");
    signal(victim, Signal::KILL);
    stage.await_gone(victim);
    stage.await_living(&TWO);
}

#[test]
fn a_killed_program_finds_its_replicas_again() {
    let stage = Stage::new("count = 2", "");
    let ringway = stage.start();
    ringway.await_active(&TWO);
    let before = stage.living();
    ringway.kill();
    assert_eq!(stage.living(), before);
    let ringway = stage.start();
    ringway.await_active(&TWO);
    assert_eq!(stage.living(), before);
    assert_eq!(ringway.stop().status.code(), Some(0));
    assert!(stage.living().is_empty(), "{:?}", stage.living());
}

#[test]
fn what_the_file_does_not_name_any_more_is_ended() {
    let stage = Stage::new("count = 2\non_exit = \"keep\"", "");
    let ringway = stage.start();
    ringway.await_active(&TWO);
    ringway.stop();
    stage.configure("[[service]]\nname = \"other\"\nreplicas = { addresses = [\"127.0.0.1:1\"] }\n");
    let ringway = stage.start();
    stage.await_living(&[]);
    drop(ringway);
}

#[test]
fn two_programs_do_not_share_a_state_directory() {
    let stage = Stage::new("count = 1", "");
    let ringway = stage.start();
    ringway.await_active(&["Server-1"]);
    let ended = stage.refused();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
    assert!(ended.log.contains("ringway.state") && ended.log.contains("another"), "{}", ended.log);
    assert_eq!(stage.living().len(), 1);
    assert_eq!(ringway.ask("GET /home", "").status, 200);
}

#[test]
fn a_state_file_that_cannot_be_read_is_an_error_and_stays_as_it_is() {
    let stage = Stage::new("count = 1", "");
    let directory = stage.path("ringway.state");
    fs::create_dir_all(&directory).unwrap();
    for broken in ["", "{", "{\"version\": 999}", "[]", "\0\0"] {
        fs::write(directory.join("state.json"), broken).unwrap();
        let ended = stage.refused();
        assert_eq!(ended.status.code(), Some(1), "{broken:?}: {}", ended.log);
        assert!(ended.log.contains("state.json"), "{broken:?}: {}", ended.log);
        assert_eq!(fs::read_to_string(directory.join("state.json")).unwrap(), broken);
    }
    assert!(stage.living().is_empty());
}

#[test]
fn a_second_signal_leaves_nobody_behind() {
    // A replica that ignores its stop signal, so that the first signal has to wait.
    let stage = Stage::with(
        "[[service]]\nname = \"web\"\n[service.replicas]\nprovider = \"process\"\ncount = 1\nstop_timeout_ms = 60000\n\
         command = [\"sh\", \"-c\", \"trap '' INT; {ringway} worker echo --listen 127.0.0.1:{port} --id {name} & wait\"]\n",
    );
    let ringway = stage.start();
    ringway.await_active(&["Server-1"]);
    ringway.signal(Signal::TERM);
    ringway.line("draining");
    ringway.signal(Signal::TERM);
    ringway.line("stopped at once");
    stage.await_living(&[]);
}
