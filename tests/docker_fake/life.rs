//! What goes well: a set of containers, calls, the end.

use std::time::Duration;

use crate::fake::Fault;
use crate::harness::clock::{Stopwatch, poll};
use crate::scene::{Scene, Service, THREE};
use crate::stage::names_of;

const PLAIN: Service<'_> = Service { keys: "", replicas: "" };

#[test]
fn a_set_of_containers_serves_grows_shrinks_and_leaves_nothing_behind() {
    let scene = Scene::new(&PLAIN);
    let ringway = scene.start(&THREE);
    scene.await_running(&THREE);
    let answer = ringway.ask("GET /home", "");
    assert!(
        answer.status == 200 && answer.text().contains("Hello from Server: Server-"),
        "{}",
        answer.text()
    );

    let (labels, body, network) = scene.fake.with(|world| {
        let id = world.only("Server-1");
        let networks = world.networks.clone();
        let container = world.container(&id).unwrap();
        assert_eq!(container.name, "ringway-edge-web-Server-1-1");
        (container.labels.clone(), container.body.clone(), networks.last().unwrap().clone())
    });
    assert_eq!(labels["ringway.owner"], "edge");
    assert_eq!((&*labels["ringway.service"], &*labels["ringway.replica"]), ("web", "Server-1"));
    assert_eq!(body["Hostname"], "Server-1");
    assert_eq!((&*network.1, &*network.2["ringway.owner"]), ("ringway-edge-web", "edge"));
    assert_eq!(body["HostConfig"]["NetworkMode"], *network.0, "the network by its id");

    let replica = ringway.replica(0, "Server-1").unwrap();
    let id = scene.fake.with(|world| world.only("Server-1"));
    assert_eq!(replica["container"], id[..12]);
    assert_eq!(replica["pid"], serde_json::Value::Null);

    let added = ringway.ask("POST /add?wait=active", r#"{"n": 2, "hostnames": ["a", "b"]}"#);
    assert_eq!(names_of(&added), ["Server-1", "Server-2", "Server-3", "a", "b"]);
    scene.await_running(&["Server-1", "Server-2", "Server-3", "a", "b"]);
    let removed = ringway.ask("DELETE /rm?wait=active", r#"{"n": 2, "hostnames": ["Server-1", "a"]}"#);
    assert_eq!(names_of(&removed), ["Server-2", "Server-3", "b"]);
    scene.await_running(&["Server-2", "Server-3", "b"]);
    scene.await_world("removed containers", |world| world.containers.len() == 3);
    assert!(scene.fake.with(|world| world.calls.iter().all(|call| !call.contains("signal=SIGKILL"))));

    let ended = ringway.stop();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
    let left = scene.fake.with(|world| (world.containers.len(), world.networks.len()));
    assert_eq!(left, (0, 1), "when the program has ended, so has all of its own");
}

#[test]
fn many_starts_are_under_way_at_once_but_not_all() {
    let scene = Scene::new(&Service { keys: "", replicas: "count = 0" });
    let ringway = scene.stage.start();
    const TAKES: Duration = Duration::from_millis(200);
    scene.fail("POST /containers/", 1_000, Fault::Slow(TAKES));
    let watch = Stopwatch::start();
    let added = ringway.ask("POST /add?wait=active", r#"{"n": 16, "hostnames": []}"#);
    assert_eq!(added.status, 200, "{}", added.text());
    let took = watch.elapsed();
    println!("16 starts took {took:?}");
    // Each is two calls of so long; one after the other they would take 6.4 s.
    assert!(took < TAKES * 16, "{took:?}");
    let most = scene.fake.with(|world| world.starting_max);
    assert!((2..=8).contains(&most), "{most} starts at once");
    ringway.stop();
}

#[test]
fn a_network_that_is_given_is_used_and_never_removed() {
    let scene = Scene::new(&Service { keys: "", replicas: "count = 1\nnetwork = \"back\"" });
    scene.fake.with(|world| {
        let (one, other) = (world.make_id(), world.make_id());
        world.networks.push((one, "back".to_owned(), Default::default()));
        world.networks.push((other, "back-office".to_owned(), Default::default()));
    });
    let ringway = scene.start(&["Server-1"]);
    ringway.stop();
    scene.await_world("no container", |world| world.containers.is_empty());
    let names: Vec<String> =
        scene.fake.with(|world| world.networks.iter().map(|(_, name, _)| name.clone()).collect());
    assert_eq!(names, ["bridge", "back", "back-office"]);
}

#[test]
fn containers_that_are_kept_go_on_and_are_taken_over() {
    let scene = Scene::new(&Service { keys: "", replicas: "on_exit = \"keep\"" });
    let ids = |scene: &Scene| scene.fake.with(|world| THREE.map(|name| world.only(name)));
    let ringway = scene.start(&THREE);
    let before = ids(&scene);
    let watch = Stopwatch::start();
    assert_eq!(ringway.stop().status.code(), Some(0));
    assert!(watch.elapsed() < Duration::from_secs(5), "nothing is waited for");
    assert_eq!(ids(&scene), before, "they go on");
    let ringway = scene.start(&THREE);
    assert_eq!(ids(&scene), before, "they are the same ones");
    ringway.stop();
}

#[test]
fn cycles_of_adding_and_removing_leave_nothing_behind() {
    let scene = Scene::new(&Service { keys: "", replicas: "count = 1" });
    let ringway = scene.start(&["Server-1"]);
    for _ in 0..20 {
        let added = ringway.ask("POST /add?wait=active", r#"{"n": 2, "hostnames": ["a", "b"]}"#);
        assert_eq!(added.status, 200, "{}", added.text());
        let removed = ringway.ask("DELETE /rm?wait=active", r#"{"n": 2, "hostnames": ["a", "b"]}"#);
        assert_eq!(removed.status, 200, "{}", removed.text());
    }
    scene.await_world("one container", |world| world.containers.len() == 1);
    assert_eq!(scene.fake.with(|world| world.networks.len()), 2);
    ringway.stop();
    scene.await_empty();
}

#[test]
fn status_and_metrics_show_the_age_of_what_is_known_of_the_engine() {
    let scene = Scene::new(&Service { keys: "", replicas: "count = 1" });
    let ringway = scene.start(&["Server-1"]);
    let engine = poll("an engine in the status", || {
        let engine = ringway.status()["container_engines"][0].clone();
        engine["sync_age_ms"].is_u64().then_some(engine)
    });
    assert_eq!(engine["address"], scene.fake.address());
    assert_eq!((&engine["version"], &engine["fault"]), (&"1.41".into(), &serde_json::Value::Null));
    assert!(engine["sync_age_ms"].as_u64().unwrap() < 15_000, "{engine}");
    let metrics = ringway.operate("GET /metrics", "").text();
    let labels = format!("{{engine=\"{}\"}}", scene.fake.address());
    assert!(metrics.contains(&format!("ringway_container_engine_up{labels} 1\n")), "{metrics}");
    assert!(metrics.contains(&format!("ringway_container_engine_sync_age_seconds{labels} ")), "{metrics}");
    ringway.stop();
}
