//! The program killed, and what the next one finds.

use crate::fake::Fault;
use crate::harness::clock::{pause, poll};
use crate::scene::{RARE, Scene, Service, THREE, await_failure};
use crate::stage::Stage;

const PLAIN: Service<'_> = Service { keys: "", replicas: "" };

fn ids(scene: &Scene) -> [String; 3] {
    scene.fake.with(|world| THREE.map(|name| world.only(name)))
}

#[test]
fn a_killed_program_finds_its_containers_again_and_watches_them() {
    let scene = Scene::new(&Service { keys: RARE, replicas: "" });
    let ringway = scene.start(&THREE);
    let before = ids(&scene);
    ringway.kill();
    assert_eq!(ids(&scene), before);
    let ringway = scene.start(&THREE);
    assert_eq!(ids(&scene), before, "they are the same ones");
    let created = scene.fake.with(|world| world.count("POST /containers/create"));
    assert_eq!(created, 3, "none was made again");
    let victim = before[0].clone();
    scene.fake.with(move |world| world.die(&victim, 2));
    await_failure(&ringway, "Server-1", "exited with code 2");
    ringway.await_active(&THREE);
    assert_eq!(ids(&scene)[1..], before[1..]);
    assert_eq!(ringway.stop().status.code(), Some(0));
    scene.await_empty();
}

#[test]
fn what_ended_while_no_program_watched_is_started_again() {
    let scene = Scene::new(&PLAIN);
    let ringway = scene.start(&THREE);
    let [exited, removed, kept] = ids(&scene);
    ringway.kill();
    let (dead, gone) = (exited.clone(), removed.clone());
    scene.fake.with(move |world| {
        world.die(&dead, 1);
        world.remove(&gone);
    });
    let ringway = scene.start(&THREE);
    scene.await_running(&THREE);
    assert_eq!(ids(&scene)[2], kept);
    scene.await_world("the dead container's removal", move |world| world.container(&exited).is_none());
    ringway.stop();
    scene.await_empty();
}

#[test]
fn strays_are_ended_and_nothing_else_is_touched() {
    let scene = Scene::new(&PLAIN);
    let ours: &[(&str, &str)] = &[
        ("ringway.owner", "edge"),
        ("ringway.service", "web"),
        ("ringway.replica", "old"),
        ("ringway.nonce", "00ff"),
    ];
    let others: &[(&str, &str)] =
        &[("ringway.owner", "other"), ("ringway.service", "web"), ("ringway.nonce", "00ff")];
    let (stray, foreign, theirs) = scene.fake.with(move |world| {
        (world.plant("stray", ours), world.plant("foreign", &[("app", "x")]), world.plant("theirs", others))
    });
    let ringway = scene.start(&THREE);
    scene.await_world("the stray's end", move |world| world.container(&stray).is_none());
    ringway.stop();
    let others = [foreign, theirs];
    let ids = others.clone();
    scene.await_world("the others alone", move |world| {
        world.containers.len() == 2
            && ids.iter().all(|id| world.container(id).is_some_and(|found| found.is_up()))
    });
    let calls = scene.fake.with(|world| world.calls.clone());
    assert!(calls.iter().all(|call| others.iter().all(|id| !call.contains(id))), "{calls:?}");
}

#[test]
fn two_programs_of_different_names_on_one_engine_do_not_see_each_other() {
    let scene = Scene::new(&PLAIN);
    let other = Stage::with(&scene.text("other", &PLAIN));
    let ringway = scene.start(&THREE);
    let mine = scene.fake.with(|world| THREE.map(|name| world.only(name)));
    let second = other.start();
    second.await_active(&THREE);
    let owners = |owner: &'static str| {
        scene.fake.with(move |world| {
            world.containers.iter().filter(|container| container.labels["ringway.owner"] == owner).count()
        })
    };
    assert_eq!((owners("edge"), owners("other")), (3, 3));
    assert_eq!(second.stop().status.code(), Some(0));
    assert_eq!((owners("edge"), owners("other")), (3, 0));
    assert_eq!(ids(&scene), mine);
    ringway.await_active(&THREE);
    ringway.stop();
    scene.await_empty();
}

#[test]
fn what_the_file_does_not_name_any_more_is_ended() {
    let scene = Scene::new(&PLAIN);
    scene.start(&THREE).kill();
    scene.stage.configure(
        "[state]\nname = \"edge\"\n[[service]]\nname = \"other\"\nreplicas = { addresses = [\"127.0.0.1:1\"] }\n",
    );
    let ringway = scene.stage.start();
    scene.await_world("no container", |world| world.containers.is_empty());
    ringway.stop();
    scene.await_empty();
}

#[test]
fn an_engine_that_comes_late_is_waited_for_with_an_adoption() {
    let scene = Scene::new(&PLAIN);
    scene.start(&THREE).kill();
    let before = ids(&scene);
    scene.fake.go_down();
    let ringway = scene.stage.start();
    poll("the engine's fault", || ringway.status()["container_engines"][0]["fault"].as_str().map(drop));
    scene.fake.come_up();
    ringway.await_active(&THREE);
    assert_eq!(ids(&scene), before);
    ringway.stop();
}

#[test]
fn the_program_killed_at_any_moment_of_a_start_leaves_no_twin() {
    let scene = Scene::new(&PLAIN);
    for round in 0..8 {
        scene.fail("POST /containers/", 1_000, Fault::Slow(std::time::Duration::from_millis(15)));
        let ringway = scene.stage.start();
        pause(std::time::Duration::from_millis(round * 12));
        ringway.kill();
        scene.heal();
        let ringway = scene.start(&THREE);
        scene.await_running(&THREE);
        scene.await_world("three containers", |world| world.containers.len() == 3);
        if round % 2 == 0 {
            ringway.stop();
        } else {
            ringway.kill();
        }
    }
}
