//! An engine that ends, is killed, or hangs while clients ask.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::calls::KEYED;
use crate::containers::{Service, THREE};
use crate::crowd::{Seen, under_load};
use crate::harness::clock::{Stopwatch, pause, poll};
use crate::own_engine::{NETWORK, OwnEngine};
use crate::scene::Scene;
use crate::stage::Ringway;

const CLIENTS: usize = 50;

fn fault(ringway: &Ringway) -> Option<String> {
    ringway.status()["container_engines"][0]["fault"].as_str().map(str::to_owned)
}

fn await_fault(ringway: &Ringway) -> String {
    poll("an engine's fault", || fault(ringway))
}

fn await_no_fault(ringway: &Ringway) {
    poll("no fault of the engine any more", || fault(ringway).is_none().then_some(()));
}

fn await_any_active(ringway: &Ringway) {
    let is_active = |replica: &Value| replica["state"] == "active";
    poll("an active replica", || {
        ringway.status()["services"][0]["replicas"].as_array().unwrap().iter().any(is_active).then_some(())
    });
}

fn with_engine(live_restore: bool, act: impl FnOnce(&Scene, &Ringway, &mut OwnEngine) -> Seen) {
    let Some(mut engine) = OwnEngine::start(live_restore) else { return };
    let network = format!("network = \"{NETWORK}\"");
    let scene = Scene::at(engine.docker.clone(), &Service { keys: KEYED, replicas: &network });
    let ringway = scene.start(&THREE);
    let seen = act(&scene, &ringway, &mut engine);
    println!("{seen:?}");
    // Nothing twice, nothing forgotten, and all of it of use.
    scene.await_running(&THREE);
    assert_eq!(ringway.names(), THREE);
    assert_eq!(ringway.ask("GET /home", "").status, 200);
    // No request was left without an answer.
    assert_eq!(seen.lost, 0, "{seen:?}");
    assert_eq!(ringway.stop().status.code(), Some(0));
    assert!(scene.containers().is_empty() && scene.networks().is_empty());
}

#[test]
fn an_engine_that_is_restarted_takes_its_containers_with_it_and_they_come_back() {
    with_engine(false, |scene, ringway, engine| {
        let before = scene.containers();
        let seen = under_load(ringway.http, CLIENTS, || {
            let watch = Stopwatch::start();
            engine.signal(Signal::TERM);
            let fault = await_fault(ringway);
            println!("the engine's end was noticed after {:?}: {fault}", watch.elapsed());
            engine.await_end();
            println!("the engine had ended after {:?}", watch.elapsed());
            let watch = Stopwatch::start();
            engine.come_up();
            println!("the engine was back after {:?}", watch.elapsed());
            await_no_fault(ringway);
            println!("that was noticed after {:?}", watch.elapsed());
            await_any_active(ringway);
            println!("the first replica served after {:?}", watch.elapsed());
            ringway.await_active(&THREE);
            println!("all of them after {:?}", watch.elapsed());
        });
        assert!(none_in_common(&before, &scene.containers()));
        seen
    });
}

#[test]
fn an_engine_that_is_killed_and_started_again_doubles_nothing() {
    with_engine(false, |scene, ringway, engine| {
        let before = scene.containers();
        let seen = under_load(ringway.http, CLIENTS, || {
            let watch = Stopwatch::start();
            engine.signal(Signal::KILL);
            engine.await_end();
            let fault = await_fault(ringway);
            println!("the engine's death was noticed after {:?}: {fault}", watch.elapsed());
            let up = THREE.iter().filter(|name| ringway.replica(0, name).unwrap()["up"] == true).count();
            println!("{up} replicas serve without it");
            assert_eq!(ringway.ask("GET /home", "").status, 200, "they serve without it");
            let watch = Stopwatch::start();
            engine.come_up();
            println!("the engine was back after {:?}", watch.elapsed());
            await_no_fault(ringway);
            println!("that was noticed after {:?}", watch.elapsed());
            scene.await_running(&THREE);
            ringway.await_active(&THREE);
            println!("all of them serve after {:?}", watch.elapsed());
        });
        println!("the containers are others: {}", none_in_common(&before, &scene.containers()));
        seen
    });
}

#[test]
fn an_engine_that_leaves_its_containers_running_costs_no_client_an_answer() {
    with_engine(true, |scene, ringway, engine| {
        let before = scene.containers();
        let seen = under_load(ringway.http, CLIENTS, || {
            for signal in [Signal::TERM, Signal::KILL] {
                engine.signal(signal);
                engine.await_end();
                await_fault(ringway);
                engine.come_up();
                await_no_fault(ringway);
            }
        });
        assert_eq!(scene.containers(), before, "they are the same ones");
        assert_eq!(seen.failed(), 0, "{seen:?}");
        // Their ends are heard of again.
        scene.docker.run(&["kill", &before["Server-1"][0]]);
        scene.await_replaced(ringway, "Server-1", &before["Server-1"][0]);
        seen
    });
}

#[test]
fn an_engine_that_hangs_is_told_of_and_costs_no_client_an_answer() {
    with_engine(false, |scene, ringway, engine| {
        let before = scene.containers();
        let seen = under_load(ringway.http, CLIENTS, || {
            let watch = Stopwatch::start();
            engine.signal(Signal::STOP);
            let fault = await_fault(ringway);
            println!("the engine's silence was noticed after {:?}: {fault}", watch.elapsed());
            assert!(fault.contains("did not answer within 3 s"), "{fault}");
            // A call to add is answered, and done later.
            let answer = ringway.ask("POST /add", r#"{"n": 1, "hostnames": ["a"]}"#);
            assert_eq!(answer.status, 200, "{}", answer.text());
            pause(Duration::from_secs(2));
            let watch = Stopwatch::start();
            engine.signal(Signal::CONT);
            await_no_fault(ringway);
            println!("its return was noticed after {:?}", watch.elapsed());
            ringway.await_active(&["a"]);
            println!("what was asked for meanwhile served after {:?}", watch.elapsed());
        });
        assert_eq!(seen.failed(), 0, "{seen:?}");
        ringway.ask("DELETE /rm?wait=active", r#"{"n": 1, "hostnames": ["a"]}"#);
        scene.await_running(&THREE);
        assert_eq!(scene.containers(), before, "they are the same ones");
        seen
    });
}

fn none_in_common(before: &BTreeMap<String, Vec<String>>, after: &BTreeMap<String, Vec<String>>) -> bool {
    before.values().flatten().all(|id| !after.values().flatten().any(|other| other == id))
}
