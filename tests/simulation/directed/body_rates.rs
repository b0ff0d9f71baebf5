//! Bodies that come slowly, and whose fault that is.

use std::rc::Rc;
use std::time::Duration;

use ringway::base::core_counters::Phase;
use ringway::base::policy::{BodyRate, ClientLimits, Timeouts};
use ringway::engine::simulated::Faults;
use ringway::placement::ServiceSpec;

use super::scene::{answer, ask, backend, ok, play_with, web, with_body};
use crate::stage::{Stage, backend_address};
use crate::wire::Framing;

/// A kilobyte in ten seconds; a body may pause for four.
const LIMITS: BodyRate = BodyRate { bytes_per_second_min: 100, window: Duration::from_secs(10) };
const BODY: usize = 5_000;

fn limits(body_rate: BodyRate) -> ClientLimits {
    ClientLimits { body: Duration::from_secs(4), body_rate, ..ClientLimits::default() }
}

/// Sends a body of [`BODY`] bytes in pieces of `piece` bytes, one each second, and returns the answer's status and how
/// many seconds that took.
async fn upload(stage: &Rc<Stage>, piece: usize) -> (u16, u64) {
    let head = format!("POST / HTTP/1.1\r\nHost: sim\r\nContent-Length: {BODY}\r\n\r\n");
    let (mut receiving, mut sending) = ask(stage, head.as_bytes()).await;
    let mut seconds = 0;
    let mut left = BODY;
    while left > 0 && stage.counters.answers[3].value() == 0 {
        let count = piece.min(left);
        let _ = sending.send(&vec![b'x'; count]).await;
        left -= count;
        stage.sleep_ms(1_000).await;
        seconds += 1;
    }
    (answer(&mut receiving).await.expect("an answer").0, seconds)
}

fn reads_all(stage: &Rc<Stage>) {
    backend(&stage.engine, backend_address(0), |mut receiving, mut sending, _| async move {
        while let Ok(head) = receiving.request().await {
            let framing = head.announced().unwrap_or(Framing::None);
            if receiving.body(framing, &mut Vec::new()).await.is_ok() {
                let _ = sending.send(&ok("taken")).await;
            }
        }
    });
}

#[test]
fn a_body_that_drips_is_cut_off_and_one_that_keeps_the_rate_is_not() {
    // The window begins with the second piece, the first that is waited for; it sees ten pieces, or one more or less.
    let cases = [(1, 408, 11..=12), (85, 408, 11..=12), (115, 200, 44..=44), (1_000, 200, 5..=5)];
    for (piece, status, seconds) in cases {
        play_with(web(1), Faults::default(), limits(LIMITS), move |stage| async move {
            reads_all(&stage);
            let (answered, took) = upload(&stage, piece).await;
            assert_eq!(answered, status, "{piece} bytes a second");
            assert!(seconds.contains(&took), "{piece} bytes a second: {took} s");
            assert_eq!(stage.timeouts(Phase::RequestBody), u64::from(status == 408));
        });
    }
}

#[test]
fn without_a_least_rate_a_body_may_drip() {
    let rate = BodyRate { bytes_per_second_min: 0, ..LIMITS };
    play_with(web(1), Faults::default(), limits(rate), |stage| async move {
        reads_all(&stage);
        assert_eq!(upload(&stage, 50).await, (200, 100));
    });
}

#[test]
fn a_body_that_came_fast_may_not_drip_for_the_rest_of_it() {
    play_with(web(1), Faults::default(), limits(LIMITS), |stage| async move {
        reads_all(&stage);
        let head = b"POST / HTTP/1.1\r\nHost: sim\r\nContent-Length: 1000000\r\n\r\n";
        let (mut receiving, mut sending) = ask(&stage, head).await;
        sending.send(&vec![b'x'; 900_000]).await.expect("it is taken");
        let mut drips = 0;
        while stage.counters.answers[3].value() == 0 {
            let _ = sending.send(b"x").await;
            stage.sleep_ms(1_000).await;
            drips += 1;
        }
        assert_eq!(answer(&mut receiving).await.expect("an answer").0, 408);
        assert!((11..=22).contains(&drips), "the window under way, and one more: {drips} s");
    });
}

#[test]
fn the_time_in_which_a_replica_does_not_read_is_not_the_clients() {
    let spec = ServiceSpec {
        timeouts: Timeouts { between_bytes: Duration::from_secs(600), ..web(1).timeouts },
        ..web(1)
    };
    let faults = Faults { capacity_bytes: 4_000, ..Faults::default() };
    play_with(spec, faults, limits(LIMITS), |stage| async move {
        backend(&stage.engine, backend_address(0), |mut receiving, mut sending, _| async move {
            let head = receiving.request().await.expect("a request");
            for _ in 0..5 {
                receiving.rest(Duration::from_secs(60)).await;
                let _ = receiving.fill().await;
            }
            let framing = head.announced().unwrap_or(Framing::None);
            receiving.body(framing, &mut Vec::new()).await.expect("the whole body");
            let _ = sending.send(&ok("taken")).await;
        });
        let body = vec![b'x'; 60_000];
        let (mut receiving, _sending) = ask(&stage, &with_body("POST", &body)).await;
        assert_eq!(answer(&mut receiving).await.expect("an answer").0, 200);
        assert_eq!(stage.timeouts(Phase::RequestBody), 0);
    });
}
