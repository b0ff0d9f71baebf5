//! Replicas that end, fall silent or cannot be reached any more, while clients ask.

use std::time::Duration;

use crate::calls::{KEYED, replica_of};
use crate::containers::{Service, THREE};
use crate::crowd::{Seen, under_load};
use crate::harness::clock::{Stopwatch, poll};
use crate::scene::Scene;
use crate::stage::Ringway;

const CLIENTS: usize = 200;
/// Far more than it takes; what it does take is printed.
const GENEROUS: Duration = Duration::from_secs(10);

/// What clients saw while `harm` came over the container of `Server-2`, and how long it took until another one served.
fn replaced_after(harm: impl Fn(&Scene, &str)) -> Option<(Seen, Duration, u64)> {
    let scene = Scene::new(&Service { keys: KEYED, replicas: "" })?;
    let ringway = scene.start(&THREE);
    let victim = scene.container("Server-2");
    let mut took = Duration::ZERO;
    let seen = under_load(ringway.http, CLIENTS, || {
        await_requests(&ringway);
        let watch = Stopwatch::start();
        harm(&scene, &victim);
        let replica = scene.await_replaced(&ringway, "Server-2", &victim);
        took = watch.elapsed();
        assert_eq!(replica["restarts"], 1, "{replica}");
        await_requests(&ringway);
    });
    let cut = ringway.metric("aborted_after_head_total");
    scene.await_running(&THREE);
    assert!(took < GENEROUS, "{took:?}");
    ringway.stop();
    Some((seen, took, cut))
}

/// Waits until each client has asked some more.
fn await_requests(ringway: &Ringway) {
    let requests = || ringway.metric("requests_total");
    let before = requests();
    poll("the load to go on", || (requests() > before + 5 * CLIENTS as u64).then_some(()));
}

#[test]
fn a_container_that_is_killed_at_leisure_is_replaced_and_keeps_its_keys() {
    let Some(scene) = Scene::new(&Service { keys: KEYED, replicas: "" }) else { return };
    let ringway = scene.start(&THREE);
    let owners = || (0..60).map(|key| replica_of(&ringway, key)).collect::<Vec<_>>();
    let before = owners();
    for name in THREE {
        let victim = scene.container(name);
        let watch = Stopwatch::start();
        scene.docker.run(&["kill", &victim]);
        let replica = scene.await_replaced(&ringway, name, &victim);
        println!("docker kill without load: another container serves after {:?}", watch.elapsed());
        let reason = replica["last_failure"]["reason"].as_str().unwrap();
        assert!(reason.contains("SIGKILL"), "{replica}");
    }
    assert_eq!(owners(), before);
    ringway.stop();
}

#[test]
fn docker_kill_costs_no_client_an_answer() {
    let harm = |scene: &Scene, victim: &str| _ = scene.docker.run(&["kill", victim]);
    let Some((seen, took, cut)) = replaced_after(harm) else { return };
    println!("docker kill: another container serves after {took:?}; {seen:?}");
    assert_eq!(seen.failed(), seen.cut, "{seen:?}");
    assert_eq!(seen.cut, cut, "{seen:?}");
}

#[test]
fn docker_stop_by_somebody_else_costs_no_client_an_answer() {
    let harm = |scene: &Scene, victim: &str| _ = scene.docker.run(&["stop", victim]);
    let Some((seen, took, _)) = replaced_after(harm) else { return };
    println!("docker stop: another container serves after {took:?}; {seen:?}");
    assert_eq!(seen.failed(), seen.cut, "{seen:?}");
}

#[test]
fn a_container_removed_by_somebody_else_is_replaced() {
    let harm = |scene: &Scene, victim: &str| _ = scene.docker.run(&["rm", "--force", victim]);
    let Some((seen, took, _)) = replaced_after(harm) else { return };
    println!("docker rm: another container serves after {took:?}; {seen:?}");
    assert_eq!(seen.failed(), seen.cut, "{seen:?}");
}

#[test]
fn a_paused_container_is_replaced() {
    let harm = |scene: &Scene, victim: &str| _ = scene.docker.run(&["pause", victim]);
    let Some((seen, took, _)) = replaced_after(harm) else { return };
    println!("docker pause: another container serves after {took:?}; {seen:?}");
    assert!(seen.answered > seen.sent * 9 / 10, "{seen:?}");
}

#[test]
fn a_container_cut_off_from_its_network_is_replaced() {
    let harm = |scene: &Scene, victim: &str| {
        let network = format!("ringway-{}-web", scene.name);
        scene.docker.run(&["network", "disconnect", &network, victim]);
    };
    let Some((seen, took, _)) = replaced_after(harm) else { return };
    println!("docker network disconnect: another container serves after {took:?}; {seen:?}");
    assert!(seen.answered > seen.sent * 9 / 10, "{seen:?}");
}
