//! Connections beyond the limit: what each is told, and when its place is free.

use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use ringway::base::core_counters::ConnectionLimit;
use ringway::base::policy::ClientLimits;
use ringway::dataplane::DrainReport;
use ringway::engine::simulated::Faults;
use ringway::engine::{Engine, Writer};

use super::scene::{answer, ask, backend, get, lateness_max, ok, play_with, web};
use crate::stage::{SURPLUS_MAX, Stage, backend_address};

const SECOND: Duration = Duration::from_secs(1);
/// What events cost beside the times that are meant.
const SLACK: Duration = Duration::from_millis(5);

/// Plays a scenario on a core for one connection, with a replica that answers at once.
fn play_narrow<F: Future<Output = ()> + 'static>(scenario: impl FnOnce(Rc<Stage>) -> F + 'static) {
    let limits = ClientLimits { connections_max: NonZeroUsize::new(1), ..ClientLimits::default() };
    play_with(web(1), Faults::default(), limits, |stage| {
        backend(&stage.engine, backend_address(0), |mut receiving, mut sending, _| async move {
            while receiving.request().await.is_ok() && sending.send(&ok("done")).await.is_ok() {}
        });
        scenario(stage)
    });
}

fn refused(stage: &Stage) -> u64 {
    stage.counters.connections_refused[ConnectionLimit::OfCore as usize].value()
}

#[test]
fn a_surplus_connection_is_told_at_once_and_a_silent_one_closed_after_its_second() {
    play_narrow(|stage| async move {
        let (mut served, _served) = ask(&stage, &get("/")).await;
        assert_eq!(answer(&mut served).await, Ok((200, "done".into())));
        let began = stage.engine.handle().now();
        let (mut told, mut told_sending) = ask(&stage, &get("/")).await;
        let head = told.answer().await.expect("an answer");
        assert_eq!((head.status, head.field("Retry-After"), head.says("close")), (503, Some("1"), true));
        assert!(stage.engine.handle().now().since(began) < SLACK);
        told_sending.writer.shutdown();
        let began = stage.engine.handle().now();
        let (mut silent, _silent) = ask(&stage, b"").await;
        assert_eq!(silent.end().await, Ok(()), "without a word");
        let took = stage.engine.handle().now().since(began);
        assert!(took >= SECOND && took < SECOND + lateness_max(SECOND) + SLACK, "{took:?}");
        assert_eq!((refused(&stage), stage.counters.connections_open.value()), (2, 1));
    });
}

#[test]
fn beyond_the_surplus_a_connection_waits_for_a_place_of_either_kind() {
    play_narrow(|stage| async move {
        let (mut served, served_sending) = ask(&stage, &get("/")).await;
        assert_eq!(answer(&mut served).await, Ok((200, "done".into())));
        let mut silent = Vec::new();
        for _ in 0..SURPLUS_MAX {
            silent.push(ask(&stage, b"").await);
        }
        stage.sleep_ms(1).await;
        let (mut first, _first) = ask(&stage, &get("/")).await;
        let (mut second, _second) = ask(&stage, &get("/")).await;
        stage.sleep_ms(500).await;
        assert_eq!(refused(&stage), SURPLUS_MAX as u64, "the others are in the queue");
        drop((served, served_sending));
        assert_eq!(answer(&mut first).await, Ok((200, "done".into())));
        let began = stage.engine.handle().now();
        assert_eq!(answer(&mut second).await.expect("an answer").0, 503);
        let waited = stage.engine.handle().now().since(began);
        assert!(waited >= SECOND / 3 && waited < SECOND, "until the silent ones were closed: {waited:?}");
    });
}

#[test]
fn a_drain_tells_all_that_are_queued_and_waits_for_them() {
    play_narrow(|stage| async move {
        let (mut served, _served) = ask(&stage, &get("/")).await;
        assert_eq!(answer(&mut served).await, Ok((200, "done".into())));
        let mut silent = Vec::new();
        for _ in 0..SURPLUS_MAX {
            silent.push(ask(&stage, b"").await);
        }
        stage.sleep_ms(1).await;
        let mut queued = Vec::new();
        for _ in 0..5 {
            queued.push(ask(&stage, &get("/")).await);
        }
        let began = stage.engine.handle().now();
        stage.begin_drain(Duration::ZERO, Duration::from_secs(30));
        for (receiving, sending) in &mut queued {
            let status = answer(receiving).await.expect("an answer").0;
            assert!([200, 503].contains(&status), "{status}");
            sending.writer.shutdown();
        }
        assert_eq!(stage.ended().await, DrainReport { connections_cut: 0 });
        let took = stage.engine.handle().now().since(began);
        assert!(
            took >= SECOND - SLACK && took < SECOND + lateness_max(SECOND) + SLACK,
            "until the silent ones were closed: {took:?}"
        );
    });
}

#[test]
fn a_drain_counts_those_that_it_cuts() {
    play_narrow(|stage| async move {
        let (mut served, _served) = ask(&stage, &get("/")).await;
        assert_eq!(answer(&mut served).await, Ok((200, "done".into())));
        let _silent = ask(&stage, b"").await;
        stage.sleep_ms(1).await;
        stage.begin_drain(Duration::ZERO, SECOND / 2);
        assert_eq!(stage.ended().await, DrainReport { connections_cut: 1 });
    });
}
