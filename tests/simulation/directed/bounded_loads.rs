//! Loads that are bounded: a replica with more than its share passes requests on.

use std::time::Duration;

use ringway::base::algorithm::BoundedLoad;
use ringway::placement::ServiceSpec;

use super::scene::{answer, ask, backend, get, ok, play, web};
use crate::stage::{Stage, backend_address};
use crate::wire::{Receiving, Sending};

/// What every replica may have in flight whatever its share.
const FLOOR: u64 = 16;

fn bounded(replicas: usize) -> ServiceSpec {
    ServiceSpec { bounded_load: Some(BoundedLoad { factor_thousandths: 1_250 }), ..web(replicas) }
}

/// Backends that answer after a second.
fn slow(stage: &Stage, replicas: usize) {
    for number in 0..replicas {
        backend(&stage.engine, backend_address(number), move |mut receiving, mut sending, _| async move {
            while receiving.request().await.is_ok() {
                sending.sleep(Duration::from_secs(1)).await;
                let _ = sending.send(&ok("late")).await;
            }
        });
    }
}

/// Sends so many requests of one key, one after the other.
async fn load(stage: &Stage, count: u64) -> Vec<(Receiving, Sending)> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(ask(stage, &get("/hot")).await);
        stage.sleep_ms(1).await;
    }
    clients
}

/// What each replica has in flight, in the key's order.
fn loads(stage: &Stage) -> Vec<u64> {
    let snapshot = stage.snapshot();
    let order = snapshot.services[0].candidates(ringway::placement::KeyHash::of(b"/hot"));
    order.map(|replica| replica.counts.of_core(0).in_flight.value()).collect()
}

#[test]
fn without_a_bound_a_key_stays_with_its_replica() {
    play(web(3), |stage| async move {
        slow(&stage, 3);
        let _clients = load(&stage, 100).await;
        assert_eq!(loads(&stage), [100, 0, 0]);
    });
}

#[test]
fn a_hot_key_spills_in_its_own_order_beyond_the_floor_and_the_share() {
    // With n in flight a replica may have 1.25 (n + 1) / 3 of them, and the floor in any case.
    let cases = [(FLOOR, vec![16, 0, 0]), (30, vec![16, 14, 0]), (60, vec![25, 25, 10])];
    for (count, expected) in cases {
        play(bounded(3), move |stage| async move {
            slow(&stage, 3);
            let mut clients = load(&stage, count).await;
            assert_eq!(loads(&stage), expected, "{count} requests");
            for (receiving, _) in &mut clients {
                assert_eq!(answer(receiving).await, Ok((200, "late".into())));
            }
            assert_eq!(loads(&stage), [0, 0, 0]);
        });
    }
}

#[test]
fn what_other_cores_have_in_flight_counts_within_a_few_milliseconds() {
    play(bounded(2), |stage| async move {
        slow(&stage, 2);
        let snapshot = stage.snapshot();
        let first =
            snapshot.services[0].candidates(ringway::placement::KeyHash::of(b"/hot")).next().expect("one");
        let _own = load(&stage, 1).await;
        let elsewhere = &first.counts.of_core(1).in_flight;
        elsewhere.set(FLOOR);
        let _unnoticed = load(&stage, 1).await;
        assert_eq!(loads(&stage), [2, 0], "the last sample is still good");
        stage.sleep_ms(5).await;
        let _noticed = load(&stage, 2).await;
        assert_eq!(loads(&stage), [2, 2]);
        elsewhere.set(0);
        stage.sleep_ms(5).await;
        let _back = load(&stage, 1).await;
        assert_eq!(loads(&stage), [3, 2]);
    });
}

#[test]
fn who_is_down_takes_no_share_and_the_others_always_have_room() {
    play(bounded(3), |stage| async move {
        slow(&stage, 3);
        let snapshot = stage.snapshot();
        let order: Vec<_> =
            snapshot.services[0].candidates(ringway::placement::KeyHash::of(b"/hot")).cloned().collect();
        order[0].health.clear();
        let _clients = load(&stage, 50).await;
        // Two are left: 1.25 * 50 / 2.
        assert_eq!(loads(&stage), [0, 32, 18]);
    });
    // A factor below one counts as one: somebody always has room.
    let starved = ServiceSpec { bounded_load: Some(BoundedLoad { factor_thousandths: 1 }), ..web(2) };
    play(starved, |stage| async move {
        slow(&stage, 2);
        let _clients = load(&stage, 40).await;
        assert_eq!(loads(&stage), [20, 20]);
    });
}

#[test]
fn a_retry_goes_to_who_is_over_the_bound_where_nobody_else_is_left() {
    play(bounded(2), |stage| async move {
        let snapshot = stage.snapshot();
        let order: Vec<_> =
            snapshot.services[0].candidates(ringway::placement::KeyHash::of(b"/hot")).cloned().collect();
        for number in 0..2 {
            let closes = order[0].address == Some(backend_address(number));
            backend(
                &stage.engine,
                backend_address(number),
                move |mut receiving, mut sending, _| async move {
                    if receiving.request().await.is_ok() && !closes {
                        let _ = sending.send(&ok("second")).await;
                    }
                },
            );
        }
        order[1].counts.of_core(1).in_flight.set(1_000);
        let (mut receiving, _sending) = ask(&stage, &get("/hot")).await;
        assert_eq!(answer(&mut receiving).await, Ok((200, "second".into())));
        assert_eq!(order[0].counts.of_core(0).failures.value(), 1);
    });
}
