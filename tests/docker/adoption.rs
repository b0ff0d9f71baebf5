//! The program killed and started again, strays, and neighbours on one engine.

use crate::calls::positions;
use crate::containers::{Service, THREE};
use crate::docker::image;
use crate::harness::clock::{Stopwatch, poll};
use crate::scene::Scene;
use crate::stage::names_of;

const PLAIN: Service<'_> = Service { keys: "", replicas: "" };

#[test]
fn a_killed_program_takes_its_containers_over_as_they_were() {
    let Some(scene) = Scene::new(&PLAIN) else { return };
    let ringway = scene.start(&THREE);
    ringway.ask("POST /add?wait=active", r#"{"n": 2, "hostnames": ["a", "b"]}"#);
    ringway.ask("DELETE /rm?wait=active", r#"{"n": 1, "hostnames": ["Server-2"]}"#);
    let names = ["Server-1", "Server-3", "a", "b"];
    scene.await_running(&names);
    let (containers, placed) = (scene.containers(), positions(&ringway));
    let digest = || ringway.operate("GET /ring/digest", "").text();
    let before = digest();
    ringway.kill();
    assert_eq!(scene.containers(), containers, "they go on");

    let watch = Stopwatch::start();
    let ringway = scene.start(&names);
    println!("four containers were taken over within {:?}", watch.elapsed());
    assert_eq!(names_of(&ringway.ask("GET /rep", "")), names);
    assert_eq!((scene.containers(), positions(&ringway)), (containers, placed));
    assert_eq!(ringway.operate("GET /ring/digest", "").text(), before);
    assert_eq!(ringway.ask("GET /home", "").status, 200);
    // They are watched as if they had been started here.
    let victim = scene.container("a");
    scene.docker.run(&["kill", &victim]);
    scene.await_replaced(&ringway, "a", &victim);
    ringway.stop();
}

#[test]
fn strays_are_removed_and_foreign_containers_are_not_touched() {
    let Some(scene) = Scene::new(&PLAIN) else { return };
    // Another owner's, though one of its containers is named like one of ours.
    let Some(other) = Scene::new(&PLAIN) else { return };
    let label = |owner: &str| format!("ringway.owner={owner}");
    let run = |owner: &str, name: &str| {
        let labels = ["--label", "ringway.service=web", "--label", "ringway.replica=Server-1"];
        let (owner, nonce) = (label(owner), "ringway.nonce=0123456789abcdef0123456789abcdef");
        let front =
            ["run", "--detach", "--network", "none", "--name", name, "--label", &owner, "--label", nonce];
        scene.docker.run(&[&front[..], &labels, &[image(), "worker", "echo"]].concat())
    };
    let stray = run(&scene.name, &format!("{}-stray", scene.name));
    let foreign = run(&other.name, &format!("ringway-{}-web-foreign", scene.name));
    let there = |id: &str| scene.docker.attempt(&["inspect", "--format", "{{.State.Running}}", id]);
    let ringway = scene.start(&THREE);
    poll("the stray to be removed", || there(&stray).is_err().then_some(()));
    scene.await_running(&THREE);
    assert_eq!(there(&foreign).as_deref(), Ok("true"));
    ringway.stop();
    assert_eq!(there(&foreign).as_deref(), Ok("true"));
}

#[test]
fn two_programs_on_one_engine_do_not_see_each_other() {
    let (Some(one), Some(other)) = (Scene::new(&PLAIN), Scene::new(&PLAIN)) else { return };
    let (first, second) = (one.start(&THREE), other.start(&THREE));
    let (ours, theirs) = (one.containers(), other.containers());
    assert!(ours.values().all(|ids| !theirs.values().any(|id| id == ids)), "{ours:?} {theirs:?}");
    first.ask("POST /add?wait=active", r#"{"n": 1, "hostnames": ["a"]}"#);
    assert_eq!(second.names(), THREE);
    second.kill();
    assert_eq!(first.stop().status.code(), Some(0));
    assert!(one.containers().is_empty());
    assert_eq!(other.containers(), theirs);
    let second = other.start(&THREE);
    assert_eq!(other.containers(), theirs);
    second.stop();
}
