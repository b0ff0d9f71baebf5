//! System A's control calls, and the end of the program.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::containers::{Service, THREE};
use crate::harness::clock::Stopwatch;
use crate::scene::Scene;
use crate::stage::{Ringway, names_of};

/// A service whose requests say what places them.
pub(crate) const KEYED: &str = "key = \"header:x-key\"";

/// Which replica answers a request with this key.
pub(crate) fn replica_of(ringway: &Ringway, key: u32) -> String {
    let mut client = ringway.client();
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Key: {key}\r\nConnection: close\r\n\r\n"));
    client.answer().replica()
}

/// The names and positions of the replicas, as the ring has them.
pub(crate) fn positions(ringway: &Ringway) -> Vec<(String, u64)> {
    let replicas = ringway.status()["services"][0]["replicas"].as_array().unwrap().clone();
    let position = |replica: &Value| {
        (replica["name"].as_str().unwrap().to_owned(), replica["ordinal"].as_u64().unwrap())
    };
    replicas.iter().map(position).collect()
}

#[test]
fn containers_are_listed_added_and_removed_and_share_the_keys() {
    let Some(scene) = Scene::new(&Service { keys: KEYED, replicas: "" }) else { return };
    let ringway = scene.start(&THREE);
    assert_eq!(names_of(&ringway.ask("GET /rep", "")), THREE);
    scene.await_running(&THREE);
    assert_eq!(scene.networks(), [format!("ringway-{}-web", scene.name)]);
    let first: Vec<String> = (0..200).map(|key| replica_of(&ringway, key)).collect();
    let used: BTreeSet<&str> = first.iter().map(String::as_str).collect();
    assert_eq!(used, THREE.into());

    let answer = ringway.ask("POST /add?wait=active", r#"{"n": 3, "hostnames": ["a", "b"]}"#);
    let names = names_of(&answer);
    assert_eq!((names.len(), &names[3..5]), (6, &["a".to_owned(), "b".to_owned()][..]));
    let sorted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    scene.await_running(&sorted.into_iter().collect::<Vec<_>>());
    let numbered: Vec<(String, u64)> = names.iter().cloned().zip(1..).collect();
    assert_eq!(positions(&ringway), numbered);
    for key in 0..200 {
        let now = replica_of(&ringway, key);
        assert!(now == first[key as usize] || names[3..].contains(&now), "{key}: {now}");
        let explained = ringway.operate(&format!("GET /ring/explain?key={key}"), "").text();
        let explained: Value = serde_json::from_str(&explained).unwrap();
        assert_eq!(explained["chosen"], now, "{key}");
    }

    let gone = format!(r#"{{"n": 3, "hostnames": ["a", "b", "{}"]}}"#, names[5]);
    assert_eq!(names_of(&ringway.ask("DELETE /rm?wait=active", &gone)), THREE);
    scene.await_running(&THREE);
    let last: Vec<String> = (0..200).map(|key| replica_of(&ringway, key)).collect();
    assert_eq!(last, first, "whoever came and went moved nobody else's keys");
    ringway.stop();
}

#[test]
fn the_end_of_the_program_is_the_end_of_its_containers_and_of_its_network() {
    let Some(scene) = Scene::new(&Service { keys: "", replicas: "" }) else { return };
    let ringway = scene.start(&THREE);
    assert_eq!((scene.containers().len(), scene.networks().len()), (3, 1));
    let watch = Stopwatch::start();
    let ended = ringway.stop();
    println!("the program with three containers ended within {:?}", watch.elapsed());
    assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
    assert!(scene.containers().is_empty() && scene.networks().is_empty(), "{}", ended.log);
}

#[test]
fn ten_replicas_start_together() {
    let Some(scene) = Scene::new(&Service { keys: "", replicas: "count = 0" }) else { return };
    let ringway = scene.stage.start();
    let watch = Stopwatch::start();
    for _ in 0..10 {
        ringway.ask("POST /add?wait=active", r#"{"n": 1, "hostnames": []}"#);
    }
    let one_by_one = watch.elapsed();
    assert_eq!(scene.containers().len(), 10);
    names_of(&ringway.ask("DELETE /rm?wait=active", r#"{"n": 10, "hostnames": []}"#));
    let watch = Stopwatch::start();
    let names = names_of(&ringway.ask("POST /add?wait=active", r#"{"n": 10, "hostnames": []}"#));
    let together = watch.elapsed();
    println!("ten containers: {one_by_one:?} one by one, {together:?} with one call");
    assert_eq!(names.len(), 10);
    // How much time that saves is the machine's matter; that they do not wait for each other is not.
    let of_all = |format: &str| {
        let ids: Vec<String> = scene.containers().into_values().flatten().collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        scene.docker.lines(&[&["inspect", "--format", format][..], &ids].concat())
    };
    let (made, started) = (of_all("{{.Created}}"), of_all("{{.State.StartedAt}}"));
    let first = started.iter().min().unwrap();
    let before = made.iter().filter(|made| *made < first).count();
    assert!(before >= 3, "{before} of ten were made before the first had started: {made:?} {started:?}");
    ringway.stop();
}
