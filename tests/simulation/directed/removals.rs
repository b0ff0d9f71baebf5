//! When a replica can be stopped: the rule that the control thread goes by, over seeds.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ringway::base::policy::{ClientLimits, PoolLimits};
use ringway::engine::Engine;
use ringway::engine::simulated::{Faults, Random, Simulated};
use ringway::placement::{Replica, RouteRule, ServiceSpec};

use super::scene::{answer, ask, backend, get, ok, play, web, with_body};
use crate::stage::{Stage, backend_address, front, replica};
use crate::wire;

const REPLICAS: usize = 3;
const SEEDS: u64 = 60;

/// A service with so few connections that many a request waits for one between its pick and its sending.
fn narrow() -> ServiceSpec {
    let connections_max = 2.try_into().expect("not zero");
    ServiceSpec { pool: PoolLimits { connections_max, ..PoolLimits::default() }, ..web(REPLICAS) }
}

/// How the replica is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It leaves the set.
    Leave,
    /// Its health bit is cleared, and a new generation published.
    Down,
}

/// Whether the rule is kept before the replica counts as safe to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    Waits,
    OnlyForGenerations,
    Hurries,
}

/// Requests that the replica gets once it counts as safe to stop, in one seed's run.
fn late_requests(seed: u64, way: Way, patience: Patience) -> u64 {
    let faults =
        Faults { latency: Duration::from_micros(200), slow: 0.1, short_write: 0.2, ..Faults::default() };
    let engine = Simulated::new(seed, faults);
    let stage = Rc::new(Stage::raise(&engine, narrow(), ClientLimits::default()));
    let (late, counted) = (Rc::new(Cell::new(0)), stage.counted.clone());
    engine.run(run(stage, seed, way, patience, late.clone()));
    assert_eq!(counted.sum(|counts| &counts.in_flight), 0, "seed {seed}");
    late.get()
}

async fn run(stage: Rc<Stage>, seed: u64, way: Way, patience: Patience, late: Rc<Cell<u64>>) {
    let safe = Rc::new(Cell::new(false));
    for number in 0..REPLICAS {
        let (random, safe, late) = (Random::new(seed + number as u64), safe.clone(), late.clone());
        backend(&stage.engine, backend_address(number), move |mut receiving, mut sending, _| {
            let (mut random, safe, late) = (random.clone(), safe.clone(), late.clone());
            async move {
                while receiving.request().await.is_ok() {
                    if number == 0 && safe.get() {
                        late.set(late.get() + 1);
                    }
                    sending.sleep(Duration::from_micros(random.below(3_000))).await;
                    // Some connections end instead, so that there are retries of both kinds.
                    if random.chance(0.2) || sending.send(&ok("done")).await.is_err() {
                        return;
                    }
                }
            }
        });
    }
    let clients = Rc::new(Cell::new(24));
    for number in 0..clients.get() {
        let (stage, left) = (stage.clone(), clients.clone());
        let task = client(stage.clone(), Random::new(seed << 8 | number));
        stage.engine.handle().spawn(async move {
            task.await;
            left.set(left.get() - 1);
        });
    }
    stage.sleep_ms(5 + seed % 10).await;
    take_out(&stage, way, patience).await;
    safe.set(true);
    while clients.get() > 0 {
        stage.sleep_ms(1).await;
    }
}

/// Sends requests of many keys, some with bodies that take their time.
async fn client(stage: Rc<Stage>, mut random: Random) {
    for _ in 0..12 {
        let Ok(connection) = stage.engine.connect(front()).await else { continue };
        let (mut receiving, mut sending) = wire::halves(&stage.engine, connection, Duration::from_secs(60));
        let path = format!(" /{} ", random.below(1_000));
        let bytes = if random.chance(0.5) { get("/") } else { with_body("PUT", &[b'x'; 300]) };
        let bytes = String::from_utf8(bytes).expect("text").replacen(" / ", &path, 1);
        let (first, second) = bytes.split_at(random.below(bytes.len() as u64) as usize);
        let _ = sending.send(first.as_bytes()).await;
        sending.sleep(Duration::from_micros(random.below(2_000))).await;
        let _ = sending.send(second.as_bytes()).await;
        let _ = answer(&mut receiving).await;
    }
}

/// What the control thread does before it stops a replica.
async fn take_out(stage: &Stage, way: Way, patience: Patience) {
    let leaver = stage.snapshot().services[0].replicas[0].clone();
    let spec = match way {
        Way::Leave => ServiceSpec { replicas: narrow().replicas[1..].to_vec(), ..narrow() },
        Way::Down => {
            leaver.health.clear();
            let mut spec = narrow();
            spec.retries.budget_burst += 1;
            spec
        }
    };
    stage.publish(vec![spec]);
    stage.refresh();
    let generation = stage.snapshot().generation;
    let is_safe = |leaver: &Replica| match patience {
        Patience::Hurries => true,
        Patience::OnlyForGenerations => stage.counters.generation.value() >= generation,
        Patience::Waits => {
            stage.counters.generation.value() >= generation && leaver.counts.sum(|core| &core.in_flight) == 0
        }
    };
    while !is_safe(&leaver) {
        wire::sleep(&stage.engine, Duration::from_micros(50)).await;
    }
    if patience == Patience::Waits {
        // What an attempt sent that is over may still be on its way.
        stage.sleep_ms(2).await;
    }
}

#[test]
fn a_replica_that_can_be_stopped_gets_no_request_any_more() {
    for way in [Way::Leave, Way::Down] {
        for seed in 0..SEEDS {
            assert_eq!(late_requests(seed, way, Patience::Waits), 0, "seed {seed}, {way:?}");
        }
    }
}

#[test]
fn each_half_of_the_rule_is_needed() {
    for patience in [Patience::Hurries, Patience::OnlyForGenerations] {
        let late: u64 = (0..SEEDS).map(|seed| late_requests(seed, Way::Leave, patience)).sum();
        assert!(late > 0, "{patience:?}: no seed shows what the rule prevents");
    }
}

#[test]
fn a_restarted_replica_is_another_one_and_the_old_ones_connections_are_closed() {
    play(web(1), |stage| async move {
        backend(&stage.engine, backend_address(0), |mut receiving, mut sending, _| async move {
            let mut count = 0;
            while receiving.request().await.is_ok() {
                count += 1;
                let _ = sending.send(&ok(&count.to_string())).await;
            }
        });
        let ask_once = async || {
            let (mut receiving, _sending) = ask(&stage, &get("/")).await;
            answer(&mut receiving).await
        };
        assert_eq!(ask_once().await, Ok((200, "1".into())));
        assert_eq!(ask_once().await, Ok((200, "2".into())), "on the pooled connection");
        let old = stage.snapshot().services[0].replicas[0].clone();
        old.health.clear();
        let mut spec = web(1);
        spec.replicas[0].incarnation = 1;
        stage.publish(vec![spec]);
        stage.refresh();
        stage.sleep_ms(1).await;
        let new = stage.snapshot().services[0].replicas[0].clone();
        assert!(new.id != old.id && new.health.is_up());
        assert_eq!(stage.counters.upstream_open.value(), 0, "the old one's pool is closed");
        assert_eq!(ask_once().await, Ok((200, "1".into())), "on a connection of the new one's own");
        let attempts = [&old, &new].map(|replica| replica.counts.of_core(0).attempts.value());
        assert_eq!(attempts, [2, 1]);
    });
}

#[test]
fn a_retry_on_the_same_replica_is_not_made_once_that_is_down() {
    play(web(2), |stage| async move {
        let hash = ringway::placement::KeyHash::of(b"/");
        let snapshot = stage.snapshot();
        let order: Vec<_> = snapshot.services[0].candidates(hash).cloned().collect();
        for (number, one) in order.iter().enumerate() {
            let address = one.address.expect("it serves");
            backend(&stage.engine, address, move |mut receiving, mut sending, _| async move {
                let mut answered = 0;
                while receiving.request().await.is_ok() {
                    if number == 0 && answered == 1 {
                        sending.sleep(Duration::from_millis(20)).await;
                        return;
                    }
                    answered += 1;
                    let _ = sending.send(&ok(&number.to_string())).await;
                }
            });
        }
        let (mut receiving, mut sending) = ask(&stage, &get("/")).await;
        assert_eq!(answer(&mut receiving).await, Ok((200, "0".into())));
        sending.send(&get("/")).await.expect("the proxy takes it");
        stage.sleep_ms(10).await;
        order[0].health.clear();
        assert_eq!(answer(&mut receiving).await, Ok((200, "1".into())), "the pooled connection was closed");
        assert_eq!(order[0].counts.of_core(0).attempts.value(), 2);
    });
}

#[test]
fn reserved_paths_are_routed_like_any_service() {
    play(web(1), |stage| async move {
        for number in 0..2 {
            backend(
                &stage.engine,
                backend_address(number),
                move |mut receiving, mut sending, _| async move {
                    while receiving.request().await.is_ok()
                        && sending.send(&ok(&number.to_string())).await.is_ok()
                    {}
                },
            );
        }
        let calls = ServiceSpec {
            route: RouteRule::Reserved(Box::new(["/rep".into(), "/add".into()])),
            replicas: vec![replica("calls", backend_address(1))],
            ..ServiceSpec::named("calls")
        };
        stage.publish(vec![web(1), calls]);
        for (path, expected) in [("/rep", "1"), ("/add?x", "1"), ("/rep/", "0"), ("/other", "0")] {
            let (mut receiving, _sending) = ask(&stage, &get(path)).await;
            assert_eq!(answer(&mut receiving).await, Ok((200, expected.into())), "{path}");
        }
    });
}
