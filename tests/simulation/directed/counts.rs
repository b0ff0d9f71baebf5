//! What the core counts of each replica.

use std::time::Duration;

use ringway::base::policy::PoolLimits;
use ringway::engine::Writer;
use ringway::placement::ServiceSpec;

use super::scene::{answer, ask, backend, get, ok, play, web, with_body};
use crate::stage::{Stage, backend_address};

/// Attempts, those in flight, answers, failures; of all replicas.
fn counts(stage: &Stage) -> [u64; 4] {
    [
        stage.counted.sum(|counts| &counts.attempts),
        stage.counted.sum(|counts| &counts.in_flight),
        stage.counted.sum(|counts| &counts.answers),
        stage.counted.sum(|counts| &counts.failures),
    ]
}

#[test]
fn an_attempt_lasts_until_its_answer_is_relayed_and_counts_as_answered_with_the_head() {
    for request in [get("/"), with_body("POST", b"body")] {
        play(web(1), |stage| async move {
            backend(&stage.engine, backend_address(0), |mut receiving, mut sending, _| async move {
                let _ = receiving.request().await;
                sending.sleep(Duration::from_millis(10)).await;
                let _ = sending.send(b"HTTP/1.1 103 Early Hints\r\n\r\n").await;
                sending.sleep(Duration::from_millis(10)).await;
                let _ = sending.send(b"HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\nab").await;
                sending.sleep(Duration::from_millis(10)).await;
                let _ = sending.send(b"cd").await;
                let _ = receiving.request().await;
            });
            let (mut receiving, _sending) = ask(&stage, &request).await;
            for (millis, expected, when) in [
                (5, [1, 1, 0, 0], "the replica is at work"),
                (10, [1, 1, 0, 0], "an interim answer has come"),
                (10, [1, 1, 1, 0], "the head has come"),
                (10, [1, 0, 1, 0], "the body is relayed"),
            ] {
                stage.sleep_ms(millis).await;
                assert_eq!(counts(&stage), expected, "{when}");
            }
            assert_eq!(receiving.answer().await.expect("an interim answer").status, 103);
            assert_eq!(answer(&mut receiving).await, Ok((500, "abcd".into())));
        });
    }
}

#[test]
fn a_tunnel_is_in_flight_as_long_as_it_lives() {
    play(web(1), |stage| async move {
        backend(&stage.engine, backend_address(0), |mut receiving, mut sending, _| async move {
            let _ = receiving.request().await;
            let switched =
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
            let _ = sending.send(switched).await;
            while receiving.fill().await.is_ok() {}
        });
        let upgrade = b"GET / HTTP/1.1\r\nHost: sim\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
        let (mut receiving, mut sending) = ask(&stage, upgrade).await;
        assert_eq!(receiving.answer().await.expect("an answer").status, 101);
        stage.sleep_ms(500).await;
        assert_eq!(counts(&stage), [1, 1, 1, 0]);
        sending.writer.shutdown();
        let _ = receiving.end().await;
        stage.sleep_ms(5).await;
        assert_eq!(counts(&stage), [1, 0, 1, 0]);
    });
}

#[test]
fn every_failed_attempt_counts_on_its_replica() {
    play(web(3), |stage| async move {
        let (mut receiving, _sending) = ask(&stage, &get("/")).await;
        assert_eq!(answer(&mut receiving).await.expect("an answer").0, 502, "nobody listens");
        assert_eq!(counts(&stage), [3, 0, 0, 3]);
        let each: Vec<_> = stage.snapshot().services[0]
            .replicas
            .iter()
            .map(|one| one.counts.of_core(0).attempts.value())
            .collect();
        assert_eq!(each, [1, 1, 1]);
    });
}

#[test]
fn who_waits_for_a_connection_is_in_flight_and_who_leaves_is_not() {
    let pool = PoolLimits { connections_max: 1.try_into().expect("not zero"), ..PoolLimits::default() };
    play(ServiceSpec { pool, ..web(1) }, |stage| async move {
        backend(&stage.engine, backend_address(0), |mut receiving, mut sending, _| async move {
            while receiving.request().await.is_ok() {
                sending.sleep(Duration::from_millis(700)).await;
                let _ = sending.send(&ok("late")).await;
            }
        });
        let (mut first, _first) = ask(&stage, &get("/")).await;
        let (mut second, _second) = ask(&stage, &get("/")).await;
        let (mut third, _third) = ask(&stage, &get("/")).await;
        stage.sleep_ms(5).await;
        assert_eq!(counts(&stage), [3, 3, 0, 0]);
        assert_eq!(answer(&mut first).await.expect("an answer").0, 200);
        assert_eq!(answer(&mut third).await.expect("an answer").0, 503, "the queue did not move in time");
        assert_eq!(answer(&mut second).await.expect("an answer").0, 200);
        assert_eq!(counts(&stage), [3, 0, 2, 1]);
    });
}

#[test]
fn a_member_without_an_address_is_never_tried_while_it_is_down_and_fails_like_any_if_it_is_not() {
    let mut spec = web(2);
    spec.replicas[0].address = None;
    play(spec, |stage| async move {
        backend(&stage.engine, backend_address(1), |mut receiving, mut sending, _| async move {
            while receiving.request().await.is_ok() && sending.send(&ok("1")).await.is_ok() {}
        });
        let snapshot = stage.snapshot();
        let absent = &snapshot.services[0].replicas[0];
        for path in 0..20 {
            let (mut receiving, _sending) = ask(&stage, &get(&format!("/{path}"))).await;
            assert_eq!(answer(&mut receiving).await, Ok((200, "1".into())));
        }
        assert_eq!(absent.counts.of_core(0).attempts.value(), 0);
        absent.health.set();
        for path in 0..20 {
            let (mut receiving, _sending) = ask(&stage, &get(&format!("/{path}"))).await;
            assert_eq!(answer(&mut receiving).await, Ok((200, "1".into())));
        }
        assert_eq!((absent.counts.of_core(0).attempts.value(), absent.health.is_up()), (1, false));
    });
}
