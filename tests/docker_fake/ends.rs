//! Containers that end, fall silent, or are ended by somebody else.

use std::time::Duration;

use crate::fake::Fault;
use crate::harness::clock::{Stopwatch, pause, poll};
use crate::scene::{QUICK, RARE, Scene, Service, THREE, await_failure};

#[test]
fn a_death_is_known_by_its_event_and_the_replacement_keeps_the_name() {
    let keys = format!("key = \"header:x-key\"\n{RARE}");
    let scene = Scene::new(&Service { keys: &keys, replicas: "" });
    let ringway = scene.start(&THREE);
    let of_key = |key: u32| {
        let mut client = ringway.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Key: {key}\r\nConnection: close\r\n\r\n"));
        client.answer().text()
    };
    let before: Vec<String> = (0..60).map(of_key).collect();
    let watch = Stopwatch::start();
    let victim = scene.fake.with(|world| {
        let id = world.only("Server-2");
        world.die(&id, 137);
        id
    });
    let replaced = poll("another container to be active", || {
        let replica = ringway.replica(0, "Server-2")?;
        (replica["state"] == "active" && replica["container"] != victim[..12]).then_some(replica)
    });
    println!("active again after {:?}", watch.elapsed());
    assert!(watch.elapsed() < Duration::from_millis(1_500), "{:?}", watch.elapsed());
    assert_eq!(replaced["restarts"], 1, "{replaced}");
    let reason = replaced["last_failure"]["reason"].as_str().unwrap();
    assert!(reason.contains("killed by SIGKILL (exit code 137)"), "{reason}");
    scene.await_running(&THREE);
    scene.await_world("the dead container's removal", move |world| world.container(&victim).is_none());
    assert_eq!((0..60).map(of_key).collect::<Vec<_>>(), before);
    ringway.stop();
}

#[test]
fn the_last_words_of_one_that_died_are_waited_for() {
    let scene = Scene::new(&Service { keys: RARE, replicas: "count = 1" });
    let ringway = scene.start(&["Server-1"]);
    // As engines do that are busy with clearing it away: its inspection, and its log.
    scene.fail("GET /containers/", 2, Fault::Slow(Duration::from_millis(500)));
    scene.fake.with(|world| {
        let id = world.only("Server-1");
        world.container(&id).unwrap().log.push("no luck today".to_owned());
        world.die(&id, 1);
    });
    let replica = await_failure(&ringway, "Server-1", "exited with code 1");
    assert_eq!(replica["last_failure"]["log"], serde_json::json!(["no luck today"]), "{replica}");
    ringway.await_active(&["Server-1"]);
    ringway.stop();
}

#[test]
fn a_container_that_somebody_else_stops_or_removes_is_replaced() {
    let scene = Scene::new(&Service { keys: RARE, replicas: "" });
    let ringway = scene.start(&THREE);
    scene.fake.with(|world| {
        let (stopped, removed) = (world.only("Server-1"), world.only("Server-2"));
        world.die(&stopped, 0);
        world.remove(&removed);
    });
    await_failure(&ringway, "Server-1", "exited with code 0");
    await_failure(&ringway, "Server-2", "killed by SIGKILL");
    ringway.await_active(&THREE);
    scene.await_running(&THREE);
    assert_eq!(ringway.replica(0, "Server-3").unwrap()["restarts"], 0);
    ringway.stop();
}

#[test]
fn a_want_of_memory_is_named() {
    let scene = Scene::new(&Service { keys: RARE, replicas: "count = 1\nmemory = \"64m\"" });
    let ringway = scene.start(&["Server-1"]);
    scene.fake.with(|world| {
        let id = world.only("Server-1");
        world.exhaust(&id);
    });
    await_failure(&ringway, "Server-1", "out of memory (OOMKilled)");
    ringway.await_active(&["Server-1"]);
    ringway.stop();
}

#[test]
fn a_paused_container_is_found_by_heartbeats_and_replaced() {
    let scene = Scene::new(&Service { keys: QUICK, replicas: "" });
    let ringway = scene.start(&THREE);
    let victim = scene.fake.with(|world| {
        let id = world.only("Server-3");
        world.pause(&id);
        id
    });
    let gone = victim.clone();
    scene.await_world("the frozen container's end", move |world| world.container(&gone).is_none());
    await_failure(&ringway, "Server-3", "missed 3 heartbeats");
    ringway.await_active(&THREE);
    scene.await_running(&THREE);
    ringway.stop();
}

#[test]
fn a_container_that_ignores_its_signal_is_killed() {
    let replicas = "count = 1\nimage = \"worker:stubborn\"\nstop_timeout_ms = 100";
    let scene = Scene::new(&Service { keys: "", replicas });
    let ringway = scene.start(&["Server-1"]);
    let watch = Stopwatch::start();
    assert_eq!(ringway.stop().status.code(), Some(0));
    assert!(watch.elapsed() < Duration::from_secs(5), "{:?}", watch.elapsed());
    scene.await_empty();
}

#[test]
fn a_death_that_no_event_told_of_is_found_by_a_listing() {
    let scene = Scene::new(&Service { keys: RARE, replicas: "" });
    let ringway = scene.start(&THREE);
    scene.fake.with(|world| {
        world.events.are_lost = true;
        let id = world.only("Server-1");
        world.die(&id, 1);
    });
    await_failure(&ringway, "Server-1", "exited with code 1");
    scene.fake.with(|world| world.events.are_lost = false);
    ringway.await_active(&THREE);
    ringway.stop();
}

#[test]
fn a_death_while_the_stream_was_cut_is_found_when_it_is_back() {
    let scene = Scene::new(&Service { keys: RARE, replicas: "" });
    let ringway = scene.start(&THREE);
    let watch = Stopwatch::start();
    scene.fake.with(|world| {
        world.events.cut();
        let id = world.only("Server-1");
        world.die(&id, 1);
    });
    await_failure(&ringway, "Server-1", "exited with code 1");
    println!("found after {:?}", watch.elapsed());
    assert!(
        watch.elapsed() < Duration::from_secs(5),
        "before the next listing is due: {:?}",
        watch.elapsed()
    );
    ringway.await_active(&THREE);
    for name in ["Server-2", "Server-3"] {
        assert_eq!(ringway.replica(0, name).unwrap()["restarts"], 0, "only the difference is news");
    }
    ringway.stop();
}

/// Something between may end a stream in which nothing is said for long.
#[test]
fn a_stream_that_ends_after_a_while_is_asked_for_again_and_is_no_fault() {
    let scene = Scene::new(&Service { keys: RARE, replicas: "count = 1" });
    let ringway = scene.start(&["Server-1"]);
    pause(Duration::from_millis(1_200));
    scene.fake.with(|world| world.events.cut());
    scene.await_world("a second stream", |world| world.count("GET /events") == 2);
    scene.fake.with(|world| {
        let id = world.only("Server-1");
        world.die(&id, 1);
    });
    await_failure(&ringway, "Server-1", "exited with code 1");
    let ended = ringway.stop();
    assert!(!ended.log.contains("ended its stream"), "{}", ended.log);
}

#[test]
fn nonsense_among_the_events_does_not_end_the_watch() {
    let scene = Scene::new(&Service { keys: RARE, replicas: "count = 1" });
    let ringway = scene.start(&["Server-1"]);
    for nonsense in ["nonsense\n", "{\"Type\": \"container\"}\n", "{}\n", "[]\n", "\n\n", "{\"Action\": 7}\n"]
    {
        scene.fake.with(move |world| world.events.say(nonsense));
        scene.await_world("somebody who listens", |world| world.events.listeners() > 0);
    }
    scene.fake.with(|world| {
        let id = world.only("Server-1");
        world.die(&id, 9);
    });
    // In the log: while the engine counts as lost, the next start is refused, and why is what the status says then.
    ringway.line("exited with code 9");
    scene.await_running(&["Server-1"]);
    ringway.await_active(&["Server-1"]);
    ringway.stop();
}
