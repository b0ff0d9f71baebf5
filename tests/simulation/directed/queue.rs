//! The queue for a replica's connections.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use ringway::base::core_counters::Phase;
use ringway::engine::Engine;
use ringway::placement::ServiceSpec;

use super::scene::{answer, ask, backend, get, lateness_max, ok, play, web};
use crate::stage::{Stage, backend_address};

/// One connection at a time, and room for two that wait for it.
fn narrow() -> ServiceSpec {
    let mut spec = web(1);
    spec.pool.connections_max = 1.try_into().expect("not zero");
    spec.pool.idle_max = 1;
    spec.pool.queue_max = 2;
    spec
}

/// A backend that takes `millis` for each request; returns the paths that it saw.
fn slow_backend(stage: &Stage, millis: u64) -> Rc<RefCell<Vec<String>>> {
    let paths: Rc<RefCell<Vec<String>>> = Rc::default();
    let seen = paths.clone();
    backend(&stage.engine, backend_address(0), move |mut receiving, mut sending, _| {
        let seen = seen.clone();
        async move {
            while let Ok(head) = receiving.request().await {
                seen.borrow_mut().push(head.path.clone());
                sending.sleep(Duration::from_millis(millis)).await;
                if sending.send(&ok(&head.path)).await.is_err() {
                    return;
                }
            }
        }
    });
    paths
}

#[test]
fn those_who_wait_are_served_in_order_over_the_one_connection() {
    play(narrow(), |stage| async move {
        let paths = slow_backend(&stage, 300);
        let mut clients = Vec::new();
        for path in ["/1", "/2", "/3"] {
            clients.push((path, ask(&stage, &get(path)).await));
            stage.sleep_ms(10).await;
        }
        for (path, (receiving, _)) in &mut clients {
            assert_eq!(answer(receiving).await, Ok((200, (*path).to_string())));
        }
        assert_eq!(*paths.borrow(), ["/1", "/2", "/3"]);
        assert_eq!(stage.counters.upstream_connects.value(), 1);
        assert_eq!(stage.counters.upstream_reuses.value(), 2);
    });
}

#[test]
fn a_full_queue_refuses_at_once() {
    play(narrow(), |stage| async move {
        slow_backend(&stage, 300);
        let mut waiting = Vec::new();
        for path in ["/1", "/2", "/3"] {
            waiting.push(ask(&stage, &get(path)).await);
        }
        stage.sleep_ms(1).await;
        let began = stage.engine.handle().now();
        let (mut receiving, _sending) = ask(&stage, &get("/4")).await;
        let head = receiving.answer().await.expect("an answer");
        assert_eq!((head.status, head.field("Retry-After")), (503, Some("1")));
        assert!(stage.engine.handle().now().since(began) < Duration::from_millis(1));
        assert_eq!(stage.timeouts(Phase::Queue), 0);
    });
}

#[test]
fn who_waits_too_long_gets_503_and_its_place_goes_to_the_next() {
    play(narrow(), |stage| async move {
        let paths = slow_backend(&stage, 1_500);
        let _first = ask(&stage, &get("/1")).await;
        stage.sleep_ms(10).await;
        let began = stage.engine.handle().now();
        let (mut second, _second_sending) = ask(&stage, &get("/2")).await;
        stage.sleep_ms(900).await;
        let (mut third, _third_sending) = ask(&stage, &get("/3")).await;
        let head = second.answer().await.expect("an answer");
        let waited = stage.engine.handle().now().since(began);
        assert_eq!((head.status, head.field("Retry-After")), (503, Some("1")));
        let (least, slack) = (Duration::from_secs(1), Duration::from_millis(2));
        assert!(waited >= least && waited < least + lateness_max(least) + slack, "{waited:?}");
        assert_eq!(stage.timeouts(Phase::Queue), 1);
        assert_eq!(answer(&mut third).await, Ok((200, "/3".to_string())));
        assert_eq!(*paths.borrow(), ["/1", "/3"]);
    });
}
