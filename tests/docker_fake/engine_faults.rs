//! An engine that is down, hung, or hostile: it is told of, waited for, and nobody else suffers.

use std::time::Duration;

use crate::fake::Fault;
use crate::harness::clock::{Stopwatch, pause, poll};
use crate::scene::{RARE, Scene, Service, THREE};
use crate::stage::{ECHO, Ringway, Stage};

const PLAIN: Service<'_> = Service { keys: "match = { path = \"/web\" }", replicas: "" };

/// A scene with a service of child processes beside that of containers.
fn beside_processes(scene: &Scene) {
    let text = scene.text("edge", &PLAIN);
    scene.stage.configure(&format!(
        "{text}\n[[service]]\nname = \"own\"\n[service.replicas]\nprovider = \"process\"\n{ECHO}\n"
    ));
}

fn await_fault(ringway: &Ringway, said: &str) {
    poll(&format!("an engine's fault with '{said}'"), || {
        let fault = ringway.status()["container_engines"][0]["fault"].as_str()?.to_owned();
        fault.contains(said).then_some(())
    });
}

#[test]
fn an_engine_that_is_down_at_the_start_is_told_of_and_tried_again() {
    let scene = Scene::down(&PLAIN);
    beside_processes(&scene);
    let ringway = scene.stage.start();
    ringway.await_state(1, "Server-1", "active");
    await_fault(&ringway, "cannot be reached: No such file or directory");
    assert_eq!(ringway.ask("GET /home", "").status, 200);
    let answer = ringway.ask("GET /web", "");
    assert!(answer.status == 503 && answer.field("Retry-After").is_some(), "{}", answer.text());
    let metrics = ringway.operate("GET /metrics", "").text();
    assert!(metrics.contains("ringway_container_engine_up{"), "{metrics}");
    scene.fake.come_up();
    ringway.await_active(&THREE);
    assert_eq!(ringway.ask("GET /web", "").status, 200);
    ringway.stop();
}

#[test]
fn an_engine_that_is_lost_and_back_costs_no_container_that_goes_on() {
    let scene = Scene::new(&Service { keys: RARE, replicas: "" });
    let ringway = scene.start(&THREE);
    let ids = |scene: &Scene| scene.fake.with(|world| THREE.map(|name| world.only(name)));
    let before = ids(&scene);
    scene.fake.go_down();
    await_fault(&ringway, "the engine at unix://");
    assert_eq!(ringway.ask("GET /home", "").status, 200, "the replicas go on");
    let victim = before[1].clone();
    scene.fake.with(move |world| world.die(&victim, 1));
    scene.fake.come_up();
    ringway.await_state(0, "Server-2", "active");
    poll("the replacement", || (ringway.replica(0, "Server-2")?["restarts"] == 1).then_some(()));
    ringway.await_active(&THREE);
    let after = ids(&scene);
    assert_eq!((&after[0], &after[2]), (&before[0], &before[2]));
    ringway.stop();
}

#[test]
fn a_hung_engine_holds_up_neither_other_services_nor_the_end() {
    let scene = Scene::new(&PLAIN);
    beside_processes(&scene);
    let ringway = scene.stage.start();
    ringway.await_active(&THREE);
    scene.fail("", 1_000_000, Fault::Hang);
    let watch = Stopwatch::start();
    let answer = ringway.ask("POST /add?service=web", r#"{"n": 70, "hostnames": []}"#);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = ringway.ask("POST /add?service=own&wait=active", r#"{"n": 2, "hostnames": ["x", "y"]}"#);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(watch.elapsed() < Duration::from_secs(8), "{:?}", watch.elapsed());
    await_fault(&ringway, "did not answer within 3 s");
    assert_eq!(ringway.ask("GET /web", "").status, 200, "the containers serve still");
    let watch = Stopwatch::start();
    assert_eq!(ringway.stop().status.code(), Some(0));
    assert!(watch.elapsed() < Duration::from_secs(30), "{:?}", watch.elapsed());
    // What could not be ended is found by the next start.
    scene.heal();
    scene.configure("edge", &Service { keys: "", replicas: "count = 1" });
    let ringway = scene.start(&["Server-1"]);
    scene.await_running(&["Server-1"]);
    ringway.stop();
    scene.await_empty();
}

#[test]
fn a_hostile_engine_is_given_up_and_tried_again() {
    for (fault, said) in [
        (Fault::Endless, "gave no proper answer"),
        (Fault::Nonsense, "gave no proper answer"),
        (Fault::Status(500, "out of order"), "out of order"),
        (Fault::Cut, "gave no proper answer"),
    ] {
        let scene = Scene::new(&PLAIN);
        scene.fail("GET /containers/json", 1_000, fault.clone());
        let ringway = scene.stage.start();
        await_fault(&ringway, said);
        scene.heal();
        ringway.await_active(&THREE);
        ringway.stop();
    }
}

#[test]
fn an_engine_that_sends_no_events_is_given_up_and_tried_again() {
    let scene = Scene::new(&PLAIN);
    scene.fail("GET /events", 1, Fault::Status(500, "no events today"));
    scene.fail("GET /events", 1, Fault::Cut);
    let ringway = scene.start(&THREE);
    assert!(scene.fake.with(|world| world.count("GET /events")) >= 3);
    assert_eq!(scene.fake.with(|world| world.events.listeners()), 1, "one stream at a time");
    ringway.stop();
}

#[test]
fn connections_to_the_engine_do_not_add_up() {
    let scene = Scene::new(&PLAIN);
    let ringway = scene.start(&THREE);
    let descriptors = || open_sockets(&scene.stage);
    let before = descriptors();
    for _ in 0..5 {
        scene.fake.with(|world| world.events.cut());
        scene.await_world("a stream", |world| world.events.listeners() == 1);
    }
    pause(Duration::from_millis(300));
    let after = descriptors();
    assert!(after <= before + 2, "{before} sockets before, {after} after");
    ringway.stop();
}

/// The sockets of the program that uses the stage's configuration.
fn open_sockets(stage: &Stage) -> usize {
    let config = stage.path("ringway.toml").display().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let program = entries
        .map(|entry| entry.path())
        .find(|path| {
            std::fs::read(path.join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&config))
        })
        .expect("the program");
    let links = std::fs::read_dir(program.join("fd")).unwrap().flatten();
    links
        .filter(|link| {
            std::fs::read_link(link.path()).is_ok_and(|to| to.display().to_string().starts_with("socket:"))
        })
        .count()
}
