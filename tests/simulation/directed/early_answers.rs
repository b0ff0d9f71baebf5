//! Answers that come while the request's body is still under way.

use std::time::Duration;

use ringway::base::policy::ClientLimits;
use ringway::engine::Writer;
use ringway::engine::simulated::Faults;

use super::scene::{answer, ask, backend, get, ok, play, play_seed, play_with, web, with_body};
use crate::stage::backend_address;
use crate::wire::{self, Broken, sleep};

/// The head of a POST with a sized body that is larger than all pipes.
const LENGTH: usize = 2_000_000;

fn post_head() -> Vec<u8> {
    with_body("POST", b"")
        .strip_suffix(b"0\r\n\r\n")
        .map(|head| [head, LENGTH.to_string().as_bytes(), b"\r\n\r\n"].concat())
        .expect("an empty body")
}

#[test]
fn an_early_answer_reaches_the_client_and_ends_its_connection() {
    play(web(1), |stage| async move {
        backend(&stage.engine, backend_address(0), |mut receiving, mut sending, _| async move {
            let _ = receiving.request().await;
            let _ = sending.send(&ok("early")).await;
            while receiving.fill().await.is_ok() {}
        });
        let (mut receiving, mut sending) = ask(&stage, &post_head()).await;
        sending.send(&[b'x'; 1000]).await.expect("the proxy takes it");
        let head = receiving.answer().await.expect("an answer");
        assert!(head.status == 200 && head.says("close"));
        let mut body = Vec::new();
        assert_eq!(receiving.body(head.answer_framing("POST"), &mut body).await, Ok(()));
        assert_eq!(body, b"early");
        assert_eq!(receiving.end().await, Ok(()));
        assert_eq!(stage.counters.upstream_open.value(), 0, "a connection with a body under way is not kept");
    });
}

#[test]
fn what_is_left_of_a_refused_body_is_no_request() {
    let mut answered = 0;
    for seed in 0..8 {
        let counters = play_seed(seed, web(1), move |stage| async move {
            let (network, engine) = (stage.network.clone(), stage.engine.clone());
            // It answers and resets the connection while the proxy, stopped for a moment, has sent half of the body.
            backend(&stage.engine, backend_address(0), move |mut receiving, mut sending, peer| {
                let (network, engine) = (network.clone(), engine.clone());
                async move {
                    let _ = receiving.request().await;
                    network.pause(peer);
                    sleep(&engine, Duration::from_millis(20)).await;
                    let _ = sending.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmore").await;
                    sleep(&engine, Duration::from_millis(1)).await;
                    sending.writer.abort();
                    drop((sending, receiving));
                    sleep(&engine, Duration::from_millis(1)).await;
                    network.resume(peer);
                }
            });
            let (mut receiving, mut sending) = ask(&stage, &post_head()).await;
            sending.sleep(Duration::from_millis(10)).await;
            // All that there is of the body looks like requests.
            let _ = sending.send(&get("/smuggled").repeat(3_000)).await;
            let head = receiving.answer().await.expect("an answer");
            assert!(matches!(head.status, 413 | 502) && head.says("close"), "seed {seed}: {head:?}");
            let _ = receiving.body(head.answer_framing("POST"), &mut Vec::new()).await;
            let _ = receiving.end().await;
            assert_eq!(receiving.pending, b"", "one request, one answer");
        });
        assert_eq!(counters.requests.value(), 1, "seed {seed}");
        answered += counters.answers[3].value();
    }
    assert!(answered > 0, "a reset may take the answer with it, but not with every seed");
}

#[test]
fn a_client_that_breaks_its_body_gets_no_second_answer_within_the_first() {
    let breaks: [(&str, &[u8]); 3] = [("malformed", b"zz\r\n"), ("stalled", b""), ("ended", b"end")];
    for (what, bytes) in breaks {
        play_with(
            web(1),
            Faults::default(),
            ClientLimits { body: Duration::from_secs(1), ..ClientLimits::default() },
            move |stage| async move {
                backend(&stage.engine, backend_address(0), |mut receiving, mut sending, _| async move {
                    let _ = receiving.request().await;
                    let _ = sending.send(b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n").await;
                    for _ in 0..3 {
                        sending.sleep(Duration::from_secs(1)).await;
                        let _ = sending.send(&[b'a'; 100]).await;
                    }
                    sending.sleep(Duration::from_secs(1)).await;
                });
                let head =
                    b"POST / HTTP/1.1\r\nHost: sim\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
                let (mut receiving, mut sending) = ask(&stage, head).await;
                stage.sleep_ms(1_500).await;
                if bytes == b"end" {
                    sending.writer.shutdown();
                } else if !bytes.is_empty() {
                    sending.send(bytes).await.expect("the proxy takes it");
                }
                let answered = answer(&mut receiving).await;
                assert_eq!(answered, Ok((200, "a".repeat(300))), "{what}");
                assert_eq!(receiving.end().await, Ok(()), "{what}");
            },
        );
    }
}

/// An end of the stream would pass for the end of a body that ends with the connection; and behind any other the kernel
/// would keep for minutes what the client does not take.
#[test]
fn an_answer_is_reset_when_its_client_does_not_take_it() {
    let limits = ClientLimits { write: Duration::from_secs(1), ..ClientLimits::default() };
    let faults = Faults { capacity_bytes: 4_000, ..Faults::default() };
    let requests: [&[u8]; 2] =
        [b"GET / HTTP/1.0\r\nHost: sim\r\n\r\n", b"GET / HTTP/1.1\r\nHost: sim\r\n\r\n"];
    // A short rest is lost in the last flush, a long body in the middle of the relay.
    for (request, length) in requests.into_iter().flat_map(|request| [(request, 6_000), (request, 60_000)]) {
        play_with(web(1), faults.clone(), limits, move |stage| async move {
            backend(&stage.engine, backend_address(0), move |mut receiving, mut sending, _| async move {
                let _ = receiving.request().await;
                let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                let _ = sending.send(&[&head[..], &wire::chunked(&vec![b'a'; length], 500)].concat()).await;
                let _ = receiving.request().await;
            });
            let (mut receiving, _sending) = ask(&stage, request).await;
            receiving.rest(Duration::from_secs(10)).await;
            let ended = loop {
                if let Err(broken) = receiving.fill().await {
                    break broken;
                }
            };
            assert!(receiving.pending.len() < length);
            assert_eq!(ended, Broken::Reset, "{} of {length} bytes", String::from_utf8_lossy(request));
            assert_eq!(stage.counters.client_aborts.value(), 1);
        });
    }
}
