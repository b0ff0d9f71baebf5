//! The end of a core.

use std::time::Duration;

use ringway::dataplane::DrainReport;
use ringway::engine::Engine;

use super::scene::{answer, ask, backend, get, ok, play, web};
use crate::stage::{Stage, backend_address, front};

const LAME_DUCK: Duration = Duration::from_millis(500);
const BOUND: Duration = Duration::from_secs(2);

/// A backend that answers after `millis`.
fn slow_backend(stage: &Stage, millis: u64) {
    backend(&stage.engine, backend_address(0), move |mut receiving, mut sending, _| async move {
        while receiving.request().await.is_ok() {
            sending.sleep(Duration::from_millis(millis)).await;
            if sending.send(&ok("done")).await.is_err() {
                return;
            }
        }
    });
}

#[test]
fn a_lame_duck_serves_new_connections_and_says_that_it_closes_them() {
    play(web(1), |stage| async move {
        slow_backend(&stage, 1);
        stage.begin_drain(LAME_DUCK, BOUND);
        stage.sleep_ms(300).await;
        let (mut receiving, _sending) = ask(&stage, &get("/")).await;
        let head = receiving.answer().await.expect("an answer");
        assert!(head.status == 200 && head.says("close"));
        assert_eq!(receiving.body(head.answer_framing("GET"), &mut Vec::new()).await, Ok(()));
        assert_eq!(receiving.end().await, Ok(()));
        stage.sleep_ms(300).await;
        assert!(stage.engine.connect(front()).await.is_err(), "the listener is closed after it");
        assert_eq!(stage.ended().await, DrainReport { connections_cut: 0 });
    });
}

#[test]
fn an_idle_connection_stays_through_the_lame_duck_and_ends_with_it() {
    play(web(1), |stage| async move {
        slow_backend(&stage, 1);
        let (mut receiving, _sending) = ask(&stage, &get("/")).await;
        assert_eq!(answer(&mut receiving).await.expect("an answer").0, 200);
        stage.sleep_ms(2_000).await;
        let began = stage.engine.handle().now();
        stage.begin_drain(LAME_DUCK, BOUND);
        assert_eq!(receiving.end().await, Ok(()));
        let took = stage.engine.handle().now().since(began);
        assert!(took >= LAME_DUCK && took < LAME_DUCK + Duration::from_millis(5), "{took:?}");
        assert_eq!(stage.ended().await, DrainReport { connections_cut: 0 });
        assert_eq!(stage.counters.upstream_open.value(), 0, "pooled connections are closed");
    });
}

#[test]
fn what_is_under_way_ends_within_the_bound_and_the_rest_is_counted() {
    for (millis, cut) in [(1_000, 0), (4_000, 3)] {
        play(web(1), move |stage| async move {
            slow_backend(&stage, millis);
            let mut clients = Vec::new();
            for _ in 0..3 {
                clients.push(ask(&stage, &get("/")).await);
            }
            stage.sleep_ms(10).await;
            let began = stage.engine.handle().now();
            stage.begin_drain(Duration::ZERO, BOUND);
            if cut == 0 {
                for (mut receiving, _sending) in clients.drain(..) {
                    let head = receiving.answer().await.expect("an answer");
                    assert!(head.status == 200 && head.says("close"));
                }
            }
            assert_eq!(stage.ended().await, DrainReport { connections_cut: cut });
            let took = stage.engine.handle().now().since(began);
            assert!(took < BOUND + Duration::from_millis(5), "{took:?}");
        });
    }
}

#[test]
fn connections_that_the_kernel_has_accepted_are_served_before_the_listener_closes() {
    play(web(1), |stage| async move {
        slow_backend(&stage, 10);
        let mut clients = Vec::new();
        for _ in 0..20 {
            clients.push(ask(&stage, &get("/")).await);
        }
        stage.begin_drain(Duration::ZERO, BOUND);
        for (mut receiving, _sending) in clients {
            assert_eq!(answer(&mut receiving).await.expect("an answer").0, 200);
        }
        assert_eq!(stage.ended().await, DrainReport { connections_cut: 0 });
    });
}
