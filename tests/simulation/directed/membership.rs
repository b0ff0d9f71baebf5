//! Replicas and limits that change while requests are served.

use std::rc::Rc;
use std::time::Duration;

use ringway::placement::ServiceSpec;

use super::scene::{answer, ask, backend, get, ok, play, web};
use crate::stage::{Stage, backend_address};

/// A backend that answers every request with its number.
fn echo(stage: &Stage, number: usize) {
    backend(&stage.engine, backend_address(number), move |mut receiving, mut sending, _| async move {
        while receiving.request().await.is_ok() && sending.send(&ok(&number.to_string())).await.is_ok() {}
    });
}

async fn ask_often(stage: &Rc<Stage>, replicas: usize) {
    for path in 0..replicas * 8 {
        let (mut receiving, _sending) = ask(stage, &get(&format!("/{path}"))).await;
        assert_eq!(answer(&mut receiving).await.expect("an answer").0, 200);
    }
}

#[test]
fn idle_connections_of_a_pool_with_new_bounds_are_closed_and_not_counted_any_more() {
    play(web(3), |stage| async move {
        (0..3).for_each(|number| echo(&stage, number));
        ask_often(&stage, 3).await;
        assert_eq!(stage.counters.upstream_open.value(), 3, "one idle connection to each");
        let mut spec = web(3);
        spec.pool.idle_max = 1;
        stage.publish(vec![spec]);
        stage.refresh();
        stage.sleep_ms(1).await;
        assert_eq!(stage.counters.upstream_open.value(), 0);
        ask_often(&stage, 3).await;
        assert_eq!(stage.counters.upstream_open.value(), 3);
    });
}

#[test]
fn replicas_that_leave_together_close_in_the_same_order_each_time() {
    let digest = || {
        let engine = ringway::engine::simulated::Simulated::new(5, Default::default());
        let stage = Rc::new(Stage::raise(&engine, web(6), Default::default()));
        let task = stage.clone();
        engine.run(async move {
            (0..6).for_each(|number| echo(&task, number));
            ask_often(&task, 6).await;
            task.publish(vec![ServiceSpec { replicas: Vec::new(), ..web(0) }]);
            task.refresh();
            task.sleep_ms(10).await;
            assert_eq!(task.counters.upstream_open.value(), 0);
        });
        engine.network().digest()
    };
    let first = digest();
    (0..8).for_each(|_| assert_eq!(digest(), first));
}

#[test]
fn what_was_picked_from_an_old_generation_is_in_flight_until_it_is_over() {
    play(web(1), |stage| async move {
        // It takes connections late, so that the request stays picked and unsent.
        echo(&stage, 0);
        stage.network.silence(backend_address(0));
        let (mut receiving, _sending) = ask(&stage, &get("/")).await;
        stage.sleep_ms(10).await;
        let leaver = stage.snapshot().services[0].replicas[0].clone();
        let told = || (stage.counters.generation.value(), leaver.counts.sum(|core| &core.in_flight));
        assert_eq!(told(), (1, 1));
        stage.publish(vec![ServiceSpec { replicas: Vec::new(), ..web(0) }]);
        stage.sleep_ms(10).await;
        assert_eq!(told(), (1, 1), "nothing has told the core");
        stage.refresh();
        stage.sleep_ms(10).await;
        assert_eq!(told(), (2, 1), "no pick is from the first generation any more, but one is not sent yet");
        stage.network.admit(backend_address(0));
        assert_eq!(answer(&mut receiving).await.expect("an answer"), (200, "0".to_string()));
        stage.sleep_ms(1).await;
        assert_eq!(told(), (2, 0));
    });
}

#[test]
fn an_idle_core_takes_up_what_is_published_when_it_is_told() {
    play(web(1), |stage| async move {
        for generation in 2..5 {
            stage.publish(vec![web(generation)]);
            stage.refresh();
            stage.sleep_ms(1).await;
            assert_eq!(stage.counters.generation.value(), generation as u64);
        }
    });
}

#[test]
fn a_retry_goes_to_no_replica_that_has_left_meanwhile() {
    // The replica answers once, stays quiet while its service changes, and then resets the connection.
    let cases = [
        ("another replica", vec![ServiceSpec { replicas: vec![web(2).replicas[1].clone()], ..web(0) }], 200),
        ("no replica", vec![ServiceSpec { replicas: Vec::new(), ..web(0) }], 503),
        ("no service", Vec::new(), 502),
    ];
    for (what, specs, status) in cases {
        play(web(1), move |stage| async move {
            let connections = Rc::new(std::cell::Cell::new(0));
            let count = connections.clone();
            backend(&stage.engine, backend_address(0), move |mut receiving, mut sending, _| {
                count.set(count.get() + 1);
                async move {
                    let _ = receiving.request().await;
                    let _ = sending.send(&ok("0")).await;
                    let _ = receiving.request().await;
                    sending.sleep(Duration::from_millis(100)).await;
                    ringway::engine::Writer::abort(&mut sending.writer);
                }
            });
            echo(&stage, 1);
            let (mut receiving, mut sending) = ask(&stage, &get("/")).await;
            assert_eq!(answer(&mut receiving).await.expect("an answer").0, 200);
            sending.send(&get("/")).await.expect("the proxy takes it");
            stage.sleep_ms(50).await;
            stage.publish(specs);
            stage.refresh();
            assert_eq!(answer(&mut receiving).await.expect("an answer").0, status, "{what}");
            assert_eq!(connections.get(), 1, "connections to the replica that has left for {what}");
        });
    }
}
