//! The program itself in a container of the engine: whether it knows that, and on which networks it is then.
//!
//! It runs in a space of mounts of its own, in which a file of the engine's folder for its container lies over `/etc/hosts`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fake::{Fault, World};
use crate::harness::clock::poll;
use crate::harness::engines::skip;
use crate::harness::proxy::PROGRAM;
use crate::scene::{RARE, Scene, Service, THREE, await_failure};
use crate::stage::Ringway;

const ONE: Service<'_> = Service { keys: "", replicas: "count = 1" };

/// A command that becomes the program where the file with the names lies over this place; `None`: the system has no such spaces for us.
fn within(folder: &Path, place: &str) -> Option<Command> {
    let mut unshare = Command::new("unshare");
    unshare.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        unshare.arg("--map-root-user");
    }
    let tried = Command::new(unshare.get_program()).args(unshare.get_args()).arg("true").output();
    if !tried.as_ref().is_ok_and(|output| output.status.success()) {
        skip("a space of mounts", &format!("{tried:?}"));
        return None;
    }
    unshare
        .args(["sh", "-c", &format!(r#"mount --bind "$0/hosts" {place} && exec "$@""#)])
        .arg(folder)
        .arg(PROGRAM);
    Some(unshare)
}

/// The program in a container that was made on a network of this name.
fn start_on(scene: &Scene, network: &'static str) -> Option<Ringway> {
    start_in(scene, &plant_on(scene, network))
}

/// The folder of the program's own container, which was made on a network of this name.
fn plant_on(scene: &Scene, network: &'static str) -> PathBuf {
    let folder = scene.stage.path("containers");
    scene.fake.with(move |world| world.plant_own(&folder, network))
}

/// The program in the container whose folder this is.
fn start_in(scene: &Scene, folder: &Path) -> Option<Ringway> {
    Some(scene.stage.start_by(&mut within(folder, "/etc/hosts")?))
}

/// A scene with a network `back` of somebody else's.
fn with_back(keys: &str, replicas: &str) -> Scene {
    let scene = Scene::new(&Service { keys, replicas: &format!("network = \"back\"\n{replicas}") });
    scene.fake.with(|world| {
        let id = world.make_id();
        world.networks.push((id, "back".to_owned(), Default::default()));
    });
    scene
}

fn joins(scene: &Scene) -> usize {
    scene.fake.with(|world| world.calls.iter().filter(|call| call.ends_with("/connect")).count())
}

#[test]
fn a_network_of_its_own_is_joined_and_left_before_it_is_removed() {
    let scene = Scene::new(&Service { keys: "", replicas: "" });
    let Some(ringway) = start_on(&scene, "bridge") else { return };
    ringway.await_active(&THREE);
    assert_eq!(scene.fake.with(|world| world.joined()), ["ringway-edge-web"]);
    assert_eq!(joins(&scene), 1, "once for all");
    assert_eq!(ringway.stop().status.code(), Some(0));
    let left = scene.fake.with(|world| (world.containers.len(), world.networks.len(), world.joined().len()));
    assert_eq!(left, (1, 1, 0), "its own container is left, and nothing else");
}

#[test]
fn a_network_that_is_given_is_joined_and_stays() {
    let scene = with_back("", "count = 1");
    let Some(ringway) = start_on(&scene, "bridge") else { return };
    ringway.await_active(&["Server-1"]);
    ringway.stop();
    assert_eq!(scene.fake.with(|world| world.joined()), ["back"]);
}

#[test]
fn a_network_on_which_it_is_already_is_not_joined_again() {
    let scene = Scene::new(&Service { keys: RARE, replicas: "" });
    let folder = plant_on(&scene, "bridge");
    let Some(ringway) = start_in(&scene, &folder) else { return };
    ringway.await_active(&THREE);
    ringway.kill();
    let ringway = start_in(&scene, &folder).unwrap();
    ringway.await_active(&THREE);
    assert_eq!((joins(&scene), scene.fake.with(|world| world.count("POST /containers/create"))), (1, 3));
    ringway.stop();
    assert_eq!(scene.fake.with(|world| world.networks.len()), 1, "it knows its container again");
}

#[test]
fn replicas_that_are_kept_keep_their_network_and_its_own_container_on_it() {
    let scene = Scene::new(&Service { keys: "", replicas: "count = 1\non_exit = \"keep\"" });
    let Some(ringway) = start_on(&scene, "bridge") else { return };
    ringway.await_active(&["Server-1"]);
    ringway.stop();
    assert_eq!(scene.fake.with(|world| (world.networks.len(), world.joined().len())), (2, 1));
}

#[test]
fn a_network_that_somebody_takes_it_off_is_joined_again_by_the_next_start() {
    let scene = Scene::new(&Service { keys: RARE, replicas: "count = 1" });
    let Some(ringway) = start_on(&scene, "bridge") else { return };
    ringway.await_active(&["Server-1"]);
    scene.fake.with(|world| {
        world.leave_all();
        let id = world.only("Server-1");
        world.die(&id, 1);
    });
    poll("the replacement", || (ringway.replica(0, "Server-1")?["restarts"] == 1).then_some(()));
    ringway.await_active(&["Server-1"]);
    assert_eq!((joins(&scene), ringway.replica(0, "Server-1").unwrap()["restarts"].as_u64()), (2, Some(1)));
    ringway.stop();
}

#[test]
fn an_engine_that_refuses_the_network_is_told_of_with_what_to_do() {
    let scene = with_back("", "count = 1");
    scene.fail("POST /networks/", 1, Fault::Status(403, "container sharing network namespace with another"));
    let Some(ringway) = start_on(&scene, "bridge") else { return };
    let id = scene.fake.with(|world| world.own_id());
    let said = format!(
        "the engine refuses to put Ringway's own container on network back: container sharing network namespace with another; \
         docker network connect back {}, or write reach = \"address\"",
        &id[..12]
    );
    await_failure(&ringway, "Server-1", &said);
    ringway.await_active(&["Server-1"]);
    ringway.stop();
}

#[test]
fn an_engine_that_does_not_answer_who_it_is_is_asked_again() {
    let scene = Scene::new(&ONE);
    let folder = plant_on(&scene, "bridge");
    let id = scene.fake.with(|world| world.own_id());
    scene.fail(format!("GET /containers/{id}").leak(), 1, Fault::Status(500, "not now"));
    let Some(ringway) = start_in(&scene, &folder) else { return };
    await_failure(&ringway, "Server-1", "not now");
    ringway.await_active(&["Server-1"]);
    assert_eq!(joins(&scene), 1);
    ringway.stop();
}

/// Each is reached by address, and leaves the container that it was taken for as it was.
#[test]
fn a_container_that_is_not_its_own_or_has_no_names_is_left_alone() {
    type Arrange = fn(&mut World);
    let cases: [(&str, &str, Arrange); 3] = [
        ("another engine's", "bridge", World::forget_own),
        ("one that only has its id", "bridge", World::mistake_own),
        ("one on the machine's network", "host", |_| {}),
    ];
    for (name, network, arrange) in cases {
        let scene = Scene::new(&ONE);
        let folder = plant_on(&scene, network);
        scene.fake.with(arrange);
        let Some(ringway) = start_in(&scene, &folder) else { return };
        println!("{name}");
        ringway.await_active(&["Server-1"]);
        assert!(
            scene.fake.with(|world| world.containers.iter().all(|container| container.joined.is_empty()))
        );
        ringway.stop();
        scene.await_world("no network of its own", |world| world.networks.len() == 1);
    }
}

#[test]
fn names_in_a_container_of_another_engine_say_so() {
    let scene = Scene::new(&Service { keys: "", replicas: "count = 1\nreach = \"name\"" });
    let folder = plant_on(&scene, "bridge");
    scene.fake.with(World::forget_own);
    let Some(ringway) = start_in(&scene, &folder) else { return };
    await_failure(&ringway, "Server-1", "and it is in none (that engine has no container ");
    ringway.stop();
    scene.await_empty();
}

#[test]
fn without_the_engines_names_a_network_that_was_joined_is_reached_by_address() {
    for (reach, said) in
        [("", None), ("reach = \"name\"", Some("though Ringway's own container is on network"))]
    {
        let scene = Scene::new(&Service { keys: "", replicas: &format!("count = 1\n{reach}") });
        let folder = plant_on(&scene, "bridge");
        let Some(mut program) = within(&folder, "/etc/hostname") else { return };
        let ringway = scene.stage.start_by(&mut program);
        match said {
            Some(said) => _ = await_failure(&ringway, "Server-1", said),
            None => ringway.await_active(&["Server-1"]),
        }
        assert_eq!(joins(&scene), 1);
        ringway.stop();
    }
}

/// A network that became the way to everywhere else would take the ports with it that the engine publishes.
#[test]
fn a_network_is_joined_without_its_gateway_where_the_engine_can() {
    for (version, priority) in [("1.47", None), ("1.48", Some(-1))] {
        let scene = Scene::new(&ONE);
        scene.fake.with(move |world| world.versions = (version, "1.24"));
        let Some(ringway) = start_on(&scene, "bridge") else { return };
        ringway.await_active(&["Server-1"]);
        assert_eq!(scene.fake.with(|world| world.gateway_priority()), priority, "{version}");
        ringway.stop();
    }
}
