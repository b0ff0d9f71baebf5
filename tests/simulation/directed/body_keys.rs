//! Keys that stand in a request's body: awaited, found, and the body forwarded whole.

use std::rc::Rc;
use std::time::Duration;

use ringway::base::core_counters::Phase;
use ringway::base::key_source::{Fallback, KeySource};
use ringway::base::policy::ClientLimits;
use ringway::engine::Writer;
use ringway::engine::simulated::Faults;
use ringway::placement::{KeyHash, ServiceSpec};

use super::scene::{answer, ask, backend, get, ok, play, play_with, web};
use crate::stage::{Stage, backend_address};
use crate::wire::{self, Framing};

const REPLICAS: usize = 5;
/// The prefix in which a key must stand.
const PREFIX: usize = 8 * 1024;

/// A service whose key is the member `id` of the body, else the header `x-id`.
fn by_body() -> ServiceSpec {
    let keys = Box::new([KeySource::Json("id".into()), KeySource::Header("x-id".into())]);
    ServiceSpec { keys, fallback: Fallback::Reject, ..web(REPLICAS) }
}

/// Backends that answer with their name, whether something was expected of them, and the body that they got.
fn mirrors(stage: &Stage) {
    for number in 0..REPLICAS {
        backend(&stage.engine, backend_address(number), move |mut receiving, mut sending, _| async move {
            while let Ok(head) = receiving.request().await {
                let mut body = Vec::new();
                let framing = head.announced().unwrap_or(Framing::None);
                if receiving.body(framing, &mut body).await.is_err() {
                    return;
                }
                let expects = head.field("Expect").unwrap_or("nothing");
                let text = format!("r{number} {expects} {}", String::from_utf8_lossy(&body));
                if sending.send(&ok(&text)).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// The answer of the replica that `key` belongs to, to a request with this body.
fn mirrored(stage: &Stage, key: &str, body: &str) -> (u16, String) {
    let snapshot = stage.snapshot();
    let first = snapshot.services[0].candidates(KeyHash::of(key.as_bytes())).next().expect("a replica");
    (200, format!("{} nothing {body}", first.name))
}

fn sized(fields: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST / HTTP/1.1\r\nHost: sim\r\n{fields}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn chunked(fields: &str, body: &str, size: usize) -> Vec<u8> {
    let head = format!("POST / HTTP/1.1\r\nHost: sim\r\n{fields}Transfer-Encoding: chunked\r\n\r\n");
    [head.as_bytes(), &wire::chunked(body.as_bytes(), size)].concat()
}

#[test]
fn a_request_goes_where_its_body_says_however_it_is_cut() {
    let bodies = [
        ("seven", r#"{"n":[1,{"id":2}],"id":"\u0073even","x":"y"}"#),
        ("7", r#"{"id":7}"#),
        ("header", r#"{"no":"id"}"#),
        ("header", "id=7"),
        ("header", r#"{"id":[7]}"#),
        ("header", r#"{"id":7"#),
    ];
    for (key, body) in bodies {
        let framings = [
            sized("X-Id: header\r\n", body),
            chunked("X-Id: header\r\n", body, 1),
            chunked("X-Id: header\r\n", body, 7),
        ];
        for request in framings {
            play(by_body(), move |stage| async move {
                mirrors(&stage);
                for cut in 0..=request.len() {
                    let (mut receiving, mut sending) = ask(&stage, &request[..cut]).await;
                    stage.sleep_ms(2).await;
                    // The next request stands right behind the body, and is not touched.
                    sending.send(&[&request[cut..], &request].concat()).await.expect("the proxy takes it");
                    for _ in 0..2 {
                        assert_eq!(
                            answer(&mut receiving).await,
                            Ok(mirrored(&stage, key, body)),
                            "cut at {cut}"
                        );
                    }
                }
            });
        }
    }
}

#[test]
fn a_body_that_drips_is_awaited_only_as_far_as_the_key() {
    play(by_body(), |stage| async move {
        let request = chunked("", r#"{"id":"x","rest":"never sent"}"#, 3);
        backend_that_reads_a_head(&stage);
        let (_receiving, mut sending) = ask(&stage, &request[..0]).await;
        let enough = request.windows(3).position(|three| three == b"\"x\"").expect("the value") + 3;
        for byte in &request[..enough] {
            assert_eq!(stage.counted.sum(|counts| &counts.attempts), 0);
            sending.send(&[*byte]).await.expect("the proxy takes it");
            stage.sleep_ms(1).await;
        }
        assert_eq!(stage.counted.sum(|counts| &counts.attempts), 1, "the value is whole");
    });
}

fn backend_that_reads_a_head(stage: &Stage) {
    for number in 0..REPLICAS {
        backend(&stage.engine, backend_address(number), |mut receiving, mut sending, _| async move {
            let _ = receiving.request().await;
            sending.sleep(Duration::from_secs(100)).await;
        });
    }
}

#[test]
fn a_key_counts_within_the_prefix_and_the_whole_body_arrives() {
    let padded =
        |padding: usize| format!(r#"{{"pad":"{}","id":"far"}}{}"#, "p".repeat(padding), " ".repeat(90_000));
    let within = PREFIX - r#"{"pad":"","id":"far""#.len();
    for (padding, key) in [(within, "far"), (within + 1, "header"), (40_000, "header")] {
        let body = padded(padding);
        let requests = [
            sized("X-Id: header\r\n", &body),
            chunked("X-Id: header\r\n", &body, 1_000),
            chunked("X-Id: header\r\n", &body, 100_000),
        ];
        for request in requests {
            let body = body.clone();
            play(by_body(), move |stage| async move {
                mirrors(&stage);
                for piece in [1_000, 5_000, usize::MAX] {
                    let (mut receiving, mut sending) = ask(&stage, b"").await;
                    for piece in request.chunks(piece.min(request.len())) {
                        sending.send(piece).await.expect("the proxy takes it");
                        stage.sleep_ms(1).await;
                    }
                    assert!(
                        answer(&mut receiving).await == Ok(mirrored(&stage, key, &body)),
                        "padding {padding}"
                    );
                }
            });
        }
    }
}

#[test]
fn framing_that_hides_a_body_is_not_awaited_for_ever() {
    play(by_body(), |stage| async move {
        mirrors(&stage);
        // Each chunk is one byte and a long extension.
        let extension = "e".repeat(100);
        let body = format!(r#"{{"pad":"{}","id":"far"}}"#, "p".repeat(400));
        let chunks: String = body.chars().map(|byte| format!("1;{extension}\r\n{byte}\r\n")).collect();
        let head = "POST / HTTP/1.1\r\nHost: sim\r\nX-Id: header\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (mut receiving, mut sending) = ask(&stage, head.as_bytes()).await;
        let (first, second) = chunks.as_bytes().split_at(2 * PREFIX);
        for (piece, attempts) in [(&first[..first.len() - 1], 0), (&first[first.len() - 1..], 1)] {
            sending.send(piece).await.expect("the proxy takes it");
            stage.sleep_ms(5).await;
            assert_eq!(stage.counted.sum(|counts| &counts.attempts), attempts);
        }
        sending.send(&[second, b"0\r\n\r\n"].concat()).await.expect("the proxy takes it");
        assert_eq!(answer(&mut receiving).await, Ok(mirrored(&stage, "header", &body)));
    });
}

#[test]
fn a_request_without_a_body_waits_for_nothing() {
    play(by_body(), |stage| async move {
        mirrors(&stage);
        for head in [
            "GET / HTTP/1.1\r\nHost: sim\r\nX-Id: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: sim\r\nX-Id: a\r\nContent-Length: 0\r\n\r\n",
        ] {
            let (mut receiving, _sending) = ask(&stage, head.as_bytes()).await;
            assert_eq!(answer(&mut receiving).await, Ok(mirrored(&stage, "a", "")));
        }
        let (mut receiving, _sending) = ask(&stage, &[get("/"), get("/")].concat()).await;
        assert_eq!(answer(&mut receiving).await.expect("an answer").0, 400, "neither body nor header");
        assert_eq!(answer(&mut receiving).await.expect("an answer").0, 400, "the connection goes on");
    });
}

#[test]
fn a_request_whose_body_has_no_key_is_refused_and_its_connection_ends() {
    play(by_body(), |stage| async move {
        mirrors(&stage);
        let (mut receiving, _sending) = ask(&stage, &sized("", r#"{"a":1}"#)).await;
        let head = receiving.answer().await.expect("an answer");
        assert!(head.status == 400 && head.says("close"));
        assert_eq!(stage.counters.bad_requests.value(), 1);
        assert_eq!(stage.counted.sum(|counts| &counts.attempts), 0);
    });
}

/// Plays a request that stops before its key is known, and then does `what`; tells the answer's status.
fn interrupted(what: impl Fn(&mut wire::Sending) + 'static, status: Option<u16>, counts: [u64; 3]) {
    let limits = ClientLimits { body: Duration::from_secs(1), ..ClientLimits::default() };
    play_with(by_body(), Faults::default(), limits, move |stage| async move {
        mirrors(&stage);
        let head = "POST / HTTP/1.1\r\nHost: sim\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{\"id\":\r\n";
        let (mut receiving, mut sending) = ask(&stage, head.as_bytes()).await;
        stage.sleep_ms(10).await;
        assert_eq!(stage.counters.exchanges_open.value(), 1);
        what(&mut sending);
        stage.sleep_ms(1_100).await;
        if let Some(status) = status {
            let head = receiving.answer().await.expect("an answer");
            assert!(head.status == status && head.says("close"), "{head:?}");
        }
        let counters = &stage.counters;
        let seen = [
            counters.client_aborts.value(),
            counters.bad_requests.value(),
            stage.timeouts(Phase::RequestBody),
        ];
        assert_eq!(seen, counts);
        assert_eq!(stage.counted.sum(|counts| &counts.attempts), 0);
        assert_eq!((counters.exchanges_open.value(), counters.requests.value()), (0, 1));
    });
}

#[test]
fn a_client_that_fails_while_its_key_is_awaited_is_told_as_of_any_body() {
    interrupted(|_| {}, Some(408), [0, 1, 1]);
    interrupted(|sending| sending.writer.abort(), None, [1, 0, 0]);
    interrupted(|sending| sending.writer.shutdown(), None, [1, 0, 0]);
}

#[test]
fn a_body_that_is_not_chunked_as_it_says_is_refused() {
    play(by_body(), |stage| async move {
        let head = "POST / HTTP/1.1\r\nHost: sim\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{\"id\":zz\r\n";
        let (mut receiving, _sending) = ask(&stage, head.as_bytes()).await;
        assert_eq!(receiving.answer().await.expect("an answer").status, 400);
        assert_eq!(stage.counted.sum(|counts| &counts.attempts), 0);
    });
}

#[test]
fn a_client_that_expects_100_is_told_once_before_its_key_is_awaited() {
    play(by_body(), |stage| async move {
        mirrors(&stage);
        let body = r#"{"id":"x"}"#;
        let request = sized("Expect: 100-continue\r\n", body);
        let head = request.len() - body.len();
        let (mut receiving, mut sending) = ask(&stage, &request[..head]).await;
        assert_eq!(receiving.answer().await.expect("an interim answer").status, 100);
        sending.send(&request[head..]).await.expect("the proxy takes it");
        // The replica is not asked again, so that there is no second 100 either.
        assert_eq!(answer(&mut receiving).await, Ok(mirrored(&stage, "x", body)));
        // One that does not wait is not told, and its expectation goes no further either.
        sending.send(&request).await.expect("the proxy takes it");
        assert_eq!(answer(&mut receiving).await, Ok(mirrored(&stage, "x", body)));
    });
}

#[test]
fn an_expectation_is_the_replicas_where_the_key_is_in_the_head() {
    let keys = Box::new([KeySource::Path, KeySource::Json("id".into())]);
    play(ServiceSpec { keys, ..web(1) }, |stage| async move {
        mirrors(&stage);
        let (mut receiving, _sending) = ask(&stage, &sized("Expect: 100-continue\r\n", "{}")).await;
        assert_eq!(answer(&mut receiving).await, Ok((200, "r0 100-continue {}".into())));
    });
}

#[test]
fn a_request_that_waited_for_its_key_goes_by_the_newest_replicas() {
    let cases = [
        ("one left", vec![ServiceSpec { replicas: vec![by_body().replicas[3].clone()], ..by_body() }], 200),
        ("none left", vec![ServiceSpec { replicas: Vec::new(), ..by_body() }], 503),
        ("no service", Vec::new(), 404),
    ];
    for (what, specs, status) in cases {
        play(by_body(), move |stage| async move {
            mirrors(&stage);
            let body = r#"{"id":"x"}"#;
            let request = sized("", body);
            let (mut receiving, mut sending) = ask(&stage, &request[..request.len() - 5]).await;
            stage.sleep_ms(5).await;
            stage.publish(specs);
            stage.refresh();
            stage.sleep_ms(5).await;
            assert_eq!(stage.counters.generation.value(), 2, "who waits holds no generation back");
            sending.send(&request[request.len() - 5..]).await.expect("the proxy takes it");
            let (seen, text) = answer(&mut receiving).await.expect("an answer");
            assert_eq!(seen, status, "{what}");
            assert!(status != 200 || text.starts_with("r3 "), "{text}");
        });
    }
}

#[test]
fn a_drain_waits_for_a_request_whose_key_is_awaited() {
    play(by_body(), |stage| async move {
        mirrors(&stage);
        let body = r#"{"id":"x"}"#;
        let request = sized("", body);
        let (mut receiving, mut sending) = ask(&stage, &request[..request.len() - 5]).await;
        stage.sleep_ms(5).await;
        stage.begin_drain(Duration::ZERO, Duration::from_secs(10));
        stage.sleep_ms(100).await;
        sending.send(&request[request.len() - 5..]).await.expect("the proxy takes it");
        assert_eq!(answer(&mut receiving).await, Ok(mirrored(&stage, "x", body)));
        assert_eq!(stage.ended().await.connections_cut, 0);
    });
}

#[test]
fn a_put_whose_first_replica_is_gone_goes_to_the_next_with_its_whole_body() {
    play(by_body(), |stage: Rc<Stage>| async move {
        let body = r#"{"id":"x","more":[1,2,3]}"#;
        let snapshot = stage.snapshot();
        let order: Vec<_> = snapshot.services[0]
            .candidates(KeyHash::of(b"x"))
            .map(|replica| replica.name.to_string())
            .collect();
        mirrors(&stage);
        let first: usize = order[0][1..].parse().expect("a number");
        stage.network.kill(backend_address(first));
        let request = String::from_utf8(sized("", body)).expect("text").replacen("POST", "PUT", 1);
        let (mut receiving, _sending) = ask(&stage, request.as_bytes()).await;
        assert_eq!(answer(&mut receiving).await, Ok((200, format!("{} nothing {body}", order[1]))));
        let sums =
            [stage.counted.sum(|counts| &counts.attempts), stage.counted.sum(|counts| &counts.failures)];
        assert_eq!(sums, [2, 1]);
    });
}
