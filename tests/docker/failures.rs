//! Replicas that cannot be started, or that end: what the operator is told.

use serde_json::Value;

use crate::containers::{Service, await_failure};
use crate::docker::{Docker, image};
use crate::harness::clock::poll;
use crate::scene::{Scene, unique};
use crate::stage::Ringway;

/// A Ringway with one replica of which no start can succeed.
fn failing(replicas: &str) -> Option<(Scene, Ringway)> {
    let replicas = format!("count = 1\ncrash_loop = 3\n{replicas}");
    let scene = Scene::new(&Service { keys: "", replicas: &replicas })?;
    let ringway = scene.stage.start();
    Some((scene, ringway))
}

fn reason(replica: &Value) -> &str {
    replica["last_failure"]["reason"].as_str().unwrap()
}

/// Waits until it has failed often enough to be called so, and makes sure that clients are told to come back.
fn await_crash_loop(ringway: &Ringway) -> Value {
    let replica = ringway.await_state(0, "Server-1", "crash-loop");
    let answer = ringway.ask("GET /home", "");
    assert!(answer.status == 503 && answer.field("Retry-After").is_some(), "{answer:?}");
    replica
}

/// A further name of the image, until it is dropped.
struct Tag<'a>(&'a Docker, &'a str);

impl Drop for Tag<'_> {
    fn drop(&mut self) {
        let _ = self.0.attempt(&["rmi", self.1]);
    }
}

#[test]
fn an_image_that_is_missing_is_named_with_what_to_do() {
    let missing = unique("ringway-test:missing");
    let Some((scene, ringway)) = failing(&format!("image = \"{missing}\"\npull = \"never\"")) else { return };
    let replica = await_failure(&ringway, "Server-1", "is not there");
    assert!(reason(&replica).contains(&format!("docker pull {missing}")), "{replica}");
    await_crash_loop(&ringway);
    // As soon as it is there, so is the replica.
    let _tag = Tag(&scene.docker, &missing);
    scene.docker.run(&["tag", image(), &missing]);
    ringway.await_active(&["Server-1"]);
    ringway.stop();
}

#[test]
fn a_name_that_a_foreign_container_has_is_told_and_the_container_stays() {
    let Some(scene) = Scene::new(&Service { keys: "", replicas: "count = 1" }) else { return };
    let Some(foreign) = Scene::new(&Service { keys: "", replicas: "" }) else { return };
    let name = format!("ringway-{}-web-Server-1-1", scene.name);
    let label = format!("ringway.owner={}", foreign.name);
    let id = scene.docker.run(&["create", "--name", &name, "--label", &label, image()]);
    let ringway = scene.stage.start();
    let replica = await_failure(&ringway, "Server-1", "is taken by container");
    let said = reason(&replica);
    assert!(said.contains(&name) && said.contains(&id[..12]) && said.contains("rename or remove"), "{said}");
    // The next start has a name of its own.
    ringway.await_active(&["Server-1"]);
    ringway.stop();
    assert_eq!(scene.docker.run(&["inspect", "--format", "{{.Id}}", &name]), id);
}

#[test]
fn a_port_that_nobody_listens_at_is_told() {
    let Some((_scene, ringway)) = failing(
        "startup_ms = 1000\ncommand = [\"worker\", \"echo\", \"--listen\", \"0.0.0.0:5001\", \"--id\", \"{name}\"]",
    ) else {
        return;
    };
    let replica = await_crash_loop(&ringway);
    let said = reason(&replica);
    assert!(said.contains("/heartbeat within 1 s") && said.contains("Connection refused"), "{said}");
    ringway.stop();
}

#[test]
fn a_container_that_ends_at_once_shows_its_code_and_its_last_words() {
    let Some((_scene, ringway)) = failing("command = [\"worker\", \"echo\", \"--listen\", \"nowhere\"]")
    else {
        return;
    };
    let replica = await_crash_loop(&ringway);
    assert!(reason(&replica).contains("exited with code 2"), "{replica}");
    let log = replica["last_failure"]["log"].as_array().unwrap();
    assert!(log.iter().any(|line| line.as_str().unwrap().contains("nowhere")), "{replica}");
    ringway.stop();
}

#[test]
fn a_container_without_enough_memory_is_told_so() {
    let Some((_scene, ringway)) = failing(
        "memory = \"16m\"\ncommand = [\"worker\", \"echo\", \"--listen\", \"0.0.0.0:{port}\", \"--size\", \"67108864\"]",
    ) else {
        return;
    };
    let replica = await_failure(&ringway, "Server-1", "OOMKilled");
    assert!(reason(&replica).contains("replicas.memory"), "{replica}");
    await_crash_loop(&ringway);
    ringway.stop();
}

#[test]
fn the_least_memory_that_an_engine_grants_is_granted() {
    let Some(scene) = Scene::new(&Service { keys: "", replicas: "count = 1\nmemory = \"6m\"" }) else {
        return;
    };
    let ringway = scene.start(&["Server-1"]);
    let limit =
        scene.docker.run(&["inspect", "--format", "{{.HostConfig.Memory}}", &scene.container("Server-1")]);
    assert_eq!(limit, (6 << 20).to_string());
    ringway.stop();
    // Less is refused before any engine is asked.
    scene.configure(&Service { keys: "", replicas: "count = 1\nmemory = \"5m\"" });
    let refused = scene.stage.refused();
    assert!(refused.log.contains("memory"), "{}", refused.log);
    poll("nothing to be left", || scene.containers().is_empty().then_some(()));
}
