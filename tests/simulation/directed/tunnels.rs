//! Connections that leave HTTP.

use std::time::Duration;

use ringway::base::core_counters::Phase;
use ringway::engine::simulated::Faults;
use ringway::engine::{Engine, Writer};

use super::scene::{answer, ask, backend, get, lateness_max, ok, play, play_with, web};
use crate::stage::backend_address;
use crate::wire::Broken;

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: sim\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

#[test]
fn bytes_go_both_ways_and_each_side_ends_by_itself() {
    play(web(1), |stage| async move {
        backend(&stage.engine, backend_address(0), |mut receiving, mut sending, _| async move {
            let head = receiving.request().await.expect("a request");
            assert!(head.says("upgrade") && head.field("Upgrade") == Some("echo"));
            let _ = sending.send(SWITCHED).await;
            while receiving.fill().await.is_ok() {}
            let echo = [b"echo ", &receiving.pending[..]].concat();
            let _ = sending.send(&echo).await;
            sending.writer.shutdown();
        });
        let (mut receiving, mut sending) = ask(&stage, UPGRADE).await;
        assert_eq!(receiving.answer().await.expect("an answer").status, 101);
        sending.send(b"one ").await.expect("the tunnel takes it");
        stage.sleep_ms(5).await;
        sending.send(b"two").await.expect("the tunnel takes it");
        sending.writer.shutdown();
        while receiving.fill().await.is_ok() {}
        assert_eq!(receiving.pending, b"echo one two");
        stage.sleep_ms(5).await;
        let counters = &stage.counters;
        assert_eq!((counters.tunnels.value(), counters.connections_open.value()), (1, 0));
        assert_eq!((counters.upstream_open.value(), counters.exchanges_open.value()), (0, 0));
    });
}

#[test]
fn bytes_that_come_early_wait_for_the_switch_and_are_no_request() {
    play(web(1), |stage| async move {
        backend(&stage.engine, backend_address(0), |mut receiving, mut sending, _| async move {
            let _ = receiving.request().await;
            sending.sleep(Duration::from_millis(50)).await;
            assert_eq!(receiving.pending, b"");
            let _ = sending.send(SWITCHED).await;
            let _ = receiving.fill().await;
            let _ = sending.send(&receiving.pending).await;
        });
        let early = get("/early");
        let (mut receiving, _sending) = ask(&stage, &[UPGRADE, &early].concat()).await;
        assert_eq!(receiving.answer().await.expect("an answer").status, 101);
        while receiving.pending.len() < early.len() {
            receiving.fill().await.expect("the echo");
        }
        assert_eq!(receiving.pending, early);
        assert_eq!(stage.counters.requests.value(), 1);
    });
}

#[test]
fn bytes_that_come_early_are_no_request_where_the_answer_does_not_switch() {
    play(web(1), |stage| async move {
        backend(&stage.engine, backend_address(0), |mut receiving, mut sending, _| async move {
            let _ = receiving.request().await;
            sending.sleep(Duration::from_millis(50)).await;
            assert_eq!(receiving.pending, b"");
            let _ = sending.send(&ok("no")).await;
            let _ = receiving.fill().await;
            assert_eq!(receiving.pending, b"");
        });
        let (mut receiving, _sending) = ask(&stage, &[UPGRADE, &get("/early")].concat()).await;
        assert_eq!(answer(&mut receiving).await, Ok((200, "no".to_string())));
        assert_eq!(receiving.end().await, Ok(()));
        assert_eq!(stage.counters.requests.value(), 1);
    });
}

#[test]
fn a_switch_that_nobody_asked_for_is_a_bad_answer() {
    play(web(1), |stage| async move {
        backend(&stage.engine, backend_address(0), |mut receiving, mut sending, _| async move {
            let _ = receiving.request().await;
            let _ = sending.send(SWITCHED).await;
        });
        let (mut receiving, _sending) = ask(&stage, &get("/")).await;
        assert_eq!(answer(&mut receiving).await.expect("an answer").0, 502);
    });
}

#[test]
fn a_tunnel_without_a_byte_ends_after_its_time_out() {
    play(web(1), |stage| async move {
        backend(&stage.engine, backend_address(0), |mut receiving, mut sending, _| async move {
            let _ = receiving.request().await;
            let _ = sending.send(SWITCHED).await;
            let _ = receiving.fill().await;
            assert_eq!(receiving.end().await, Err(Broken::Malformed), "the one byte");
            receiving.pending.clear();
            assert_eq!(receiving.end().await, Ok(()));
        });
        let (mut receiving, mut sending) = ask(&stage, UPGRADE).await;
        let _ = receiving.answer().await;
        stage.sleep_ms(15_000).await;
        sending.send(b"x").await.expect("the tunnel takes it");
        let began = stage.engine.handle().now();
        assert_eq!(receiving.end().await, Ok(()));
        let took = stage.engine.handle().now().since(began);
        let (least, slack) = (Duration::from_secs(20), Duration::from_millis(10));
        assert!(took >= least && took < least + lateness_max(least) + slack, "{took:?}");
        assert_eq!(stage.timeouts(Phase::Tunnel), 1);
    });
}

#[test]
fn a_tunnel_lives_while_bytes_go_one_way_although_the_other_is_blocked() {
    let faults = Faults { capacity_bytes: 2_000, ..Faults::default() };
    play_with(web(1), faults, Default::default(), |stage| async move {
        backend(&stage.engine, backend_address(0), |mut receiving, mut sending, _| async move {
            let _ = receiving.request().await;
            let _ = sending.send(SWITCHED).await;
            for _ in 0..12 {
                sending.sleep(Duration::from_secs(5)).await;
                let _ = sending.send(b"x").await;
            }
            while receiving.fill().await.is_ok() {}
        });
        let (mut receiving, mut sending) = ask(&stage, UPGRADE).await;
        let _ = receiving.answer().await;
        // More than the pipes hold; nobody reads it before a minute has passed.
        stage.engine.handle().spawn(async move {
            let _ = sending.send(&[b'y'; 20_000]).await;
            sending.sleep(Duration::from_secs(300)).await;
        });
        while receiving.pending.len() < 12 {
            assert_eq!(receiving.fill().await, Ok(()), "{} bytes came", receiving.pending.len());
        }
    });
}
