//! Starts that cannot be, or not at once.

use std::time::Duration;

use crate::fake::Fault;
use crate::harness::clock::{Stopwatch, poll};
use crate::scene::{Scene, Service, await_failure};

const ONE: Service<'_> = Service { keys: "", replicas: "count = 1" };

#[test]
fn an_image_that_is_not_there_is_named_with_what_to_do() {
    let replicas = "count = 1\nimage = \"absent:1\"\npull = \"never\"";
    let scene = Scene::new(&Service { keys: "", replicas });
    let ringway = scene.stage.start();
    let said = "image absent:1 is not there: docker pull absent:1, or write pull = \"missing\"";
    await_failure(&ringway, "Server-1", said);
    assert_eq!(scene.fake.with(|world| world.count("POST /images/create")), 0);
    ringway.stop();
}

#[test]
fn an_image_that_is_not_there_is_fetched_once_for_all_that_need_it() {
    let scene = Scene::new(&Service { keys: "", replicas: "count = 3\nimage = \"fetched:1\"" });
    scene.fake.with(|world| world.registry.insert("fetched:1".to_owned()));
    scene.fail("POST /images/create", 1, Fault::Slow(Duration::from_millis(300)));
    let ringway = scene.start(&["Server-1", "Server-2", "Server-3"]);
    assert_eq!(scene.fake.with(|world| world.count("POST /images/create")), 1);
    ringway.stop();
}

#[test]
fn an_image_that_nobody_has_is_a_failure_with_the_registrys_words() {
    let scene = Scene::new(&Service { keys: "", replicas: "count = 1\nimage = \"absent:1\"" });
    let ringway = scene.stage.start();
    await_failure(&ringway, "Server-1", "image absent:1 cannot be pulled: pull access denied for absent:1");
    ringway.stop();
}

#[test]
fn a_name_that_a_foreign_container_has_is_named_and_that_container_left_alone() {
    let scene = Scene::new(&ONE);
    let foreign = scene.fake.with(|world| world.plant("ringway-edge-web-Server-1-1", &[]));
    let ringway = scene.stage.start();
    let said = format!(
        "the name ringway-edge-web-Server-1-1 is taken by container {}, which is not Ringway's; rename or remove",
        &foreign[..12]
    );
    await_failure(&ringway, "Server-1", &said);
    ringway.await_active(&["Server-1"]);
    ringway.stop();
    scene.await_world("the foreign container alone", move |world| {
        world.containers.len() == 1 && world.container(&foreign).is_some_and(|container| container.is_up())
    });
}

#[test]
fn a_container_that_exits_at_once_is_a_crash_loop_with_its_last_words() {
    let replicas = "count = 1\nimage = \"worker:crash\"\ncrash_loop = 3";
    let scene = Scene::new(&Service { keys: "", replicas });
    let ringway = scene.stage.start();
    let replica = ringway.await_state(0, "Server-1", "crash-loop");
    let failure = &replica["last_failure"];
    assert!(failure["reason"].as_str().unwrap().contains("exited with code 3"), "{replica}");
    let log = failure["log"].as_array().unwrap();
    assert_eq!((log.len(), log.last().unwrap()), (20, &"no luck today".into()), "{replica}");
    assert!(ringway.replica(0, "Server-1").unwrap()["restarts"].as_u64().unwrap() >= 2);
    let answer = ringway.ask("GET /home", "");
    assert!(answer.status == 503 && answer.field("Retry-After").is_some(), "{}", answer.text());
    ringway.stop();
    scene.await_empty();
}

#[test]
fn a_server_that_does_not_listen_is_given_up_and_removed() {
    let replicas = "count = 1\nimage = \"worker:deaf\"\nstartup_ms = 200";
    let scene = Scene::new(&Service { keys: "", replicas });
    let ringway = scene.stage.start();
    await_failure(&ringway, "Server-1", "did not answer http://127.");
    ringway.stop();
    scene.await_empty();
}

#[test]
fn networks_that_cannot_be_used_say_what_to_do() {
    let scene = Scene::new(&Service { keys: "", replicas: "count = 1\nnetwork = \"back\"" });
    let ringway = scene.stage.start();
    await_failure(&ringway, "Server-1", "network back is not there: docker network create back");
    scene.fake.with(|world| {
        for _ in 0..2 {
            let id = world.make_id();
            world.networks.push((id, "back".to_owned(), Default::default()));
        }
    });
    await_failure(&ringway, "Server-1", "2 networks are called 'back'");
    scene.fake.with(|world| _ = world.networks.pop());
    ringway.await_active(&["Server-1"]);
    ringway.stop();
}

#[test]
fn a_full_disk_is_named() {
    let scene = Scene::new(&ONE);
    scene.fail("POST /containers/create", 3, Fault::Status(500, "mkdir /var/lib/x: no space left on device"));
    let ringway = scene.stage.start();
    let said = "the engine's disk is full: mkdir /var/lib/x: no space left on device; free some space";
    await_failure(&ringway, "Server-1", said);
    ringway.await_active(&["Server-1"]);
    ringway.stop();
}

#[test]
fn a_start_that_the_engine_refuses_leaves_no_container() {
    let scene = Scene::new(&ONE);
    scene.fail("POST /containers/", 1, Fault::Slow(Duration::ZERO));
    scene.fail(
        "POST /containers/",
        1,
        Fault::Status(500, "OCI runtime create failed: exec: \"x\": not found"),
    );
    let ringway = scene.stage.start();
    await_failure(
        &ringway,
        "Server-1",
        "the engine refuses to start the container: OCI runtime create failed",
    );
    ringway.await_active(&["Server-1"]);
    scene.await_world("one container", |world| world.containers.len() == 1);
    ringway.stop();
}

#[test]
fn a_container_that_was_made_though_the_answer_was_cut_is_not_left_behind() {
    let scene = Scene::new(&ONE);
    scene.fail("POST /containers/create", 2, Fault::Cut);
    let ringway = scene.start(&["Server-1"]);
    scene.await_world("one container", |world| world.containers.len() == 1);
    assert!(scene.fake.with(|world| world.count("POST /containers/create")) >= 3);
    ringway.stop();
    scene.await_empty();
}

#[test]
fn answers_that_are_none_are_failures_and_no_more() {
    for (line, fault) in [
        ("POST /containers/create", Fault::Nonsense),
        ("POST /containers/create", Fault::Endless),
        ("GET /networks", Fault::Nonsense),
        ("GET /networks", Fault::Status(500, "")),
        ("POST /networks/create", Fault::Cut),
    ] {
        let scene = Scene::new(&ONE);
        scene.fail(line, 1, fault.clone());
        let ringway = scene.start(&["Server-1"]);
        scene.await_world("one container", |world| world.containers.len() == 1);
        assert!(
            ringway.replica(0, "Server-1").unwrap()["restarts"].as_u64().unwrap() >= 1,
            "{line} {fault:?}"
        );
        ringway.stop();
    }
}

#[test]
fn every_version_of_the_interface_from_1_41_on_is_spoken() {
    for (most, least, spoken) in [
        ("1.41", "1.12", "1.41"),
        ("1.44", "1.24", "1.44"),
        ("1.52", "1.44", "1.52"),
        ("1.60", "1.44", "1.53"),
    ] {
        let scene = Scene::new(&ONE);
        scene.fake.with(move |world| world.versions = (most, least));
        let ringway = scene.start(&["Server-1"]);
        let shown = poll("the version", || {
            ringway.status()["container_engines"][0]["version"].as_str().map(str::to_owned)
        });
        assert_eq!(shown, spoken, "of {least} to {most}");
        ringway.stop();
        scene.await_empty();
    }
}

#[test]
fn an_engine_that_is_too_old_or_too_new_is_told_of() {
    for (most, least, said) in [
        ("1.40", "1.12", "update it to Docker 20.10 or newer"),
        ("1.70", "1.60", "update Ringway"),
        ("", "", "does not say which version"),
    ] {
        let scene = Scene::new(&ONE);
        scene.fake.with(move |world| world.versions = (most, least));
        let ringway = scene.stage.start();
        await_failure(&ringway, "Server-1", said);
        assert_eq!(scene.fake.with(|world| world.count("POST /containers/create")), 0);
        ringway.stop();
    }
}

#[test]
fn an_environment_names_the_engine_where_the_configuration_does_not() {
    use std::process::Command;

    use crate::harness::proxy::{PROGRAM, Process};

    let scene = Scene::new(&ONE);
    let without = scene.text("edge", &ONE).replace(&format!("engine = \"{}\"\n", scene.fake.address()), "");
    scene.stage.configure(&without);
    let run = |host: &str| {
        let mut command = Command::new(PROGRAM);
        command.arg("run").arg("-c").arg(scene.stage.path("ringway.toml")).env("DOCKER_HOST", host);
        Process::spawn(&mut command)
    };
    let refused = run("ssh://host").wait();
    assert_eq!(refused.status.code(), Some(1), "{}", refused.log);
    assert!(refused.log.contains("DOCKER_HOST: 'ssh://host' is no address of an engine"), "{}", refused.log);
    let watch = Stopwatch::start();
    let program = run(&scene.fake.address());
    scene.await_running(&["Server-1"]);
    println!("running after {:?}", watch.elapsed());
    program.signal(rustix::process::Signal::TERM);
    assert_eq!(program.wait().status.code(), Some(0));
    scene.await_empty();
}

#[test]
fn names_are_for_a_ringway_in_a_container_of_the_engine() {
    let scene = Scene::new(&Service { keys: "", replicas: "count = 1\nreach = \"name\"" });
    let ringway = scene.stage.start();
    await_failure(
        &ringway,
        "Server-1",
        "reach = \"name\" is for a Ringway in a container of the engine at unix://",
    );
    ringway.stop();
    scene.await_empty();
}
