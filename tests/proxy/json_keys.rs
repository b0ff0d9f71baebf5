//! Keys that stand in a request's body.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::harness::{Backend, Client, Engine, Proxy, pause, service};

const KEYS: &str = "key = [\"json:request_id\", \"header:x-request-id\"]\nfallback = \"reject\"";

/// Replicas that answer with their name and the body that they got.
fn replicas() -> [(&'static str, Backend); 3] {
    ["a", "b", "c"].map(|name| {
        let backend = Backend::start(move |peer| {
            while let Some(request) = peer.request() {
                let expected = request.fields.one("Expect").is_some();
                let body = if expected { b"it expects".to_vec() } else { request.body };
                if peer.answer(&format!("X-Replica: {name}\r\n"), body).is_none() {
                    return;
                }
            }
        });
        (name, backend)
    })
}

fn start(engine: Engine, replicas: &[(&'static str, Backend)]) -> Proxy {
    let replicas: Vec<_> = replicas.iter().map(|(name, backend)| (*name, backend)).collect();
    Proxy::start(engine, 1, &service(KEYS, &replicas))
}

/// The replica of a key, as a request tells that has it in a header.
fn owner(client: &mut Client, key: &str) -> String {
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: {key}\r\n\r\n"));
    client.answer().replica()
}

fn sized(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn chunked(body: &str, size: usize) -> String {
    let pieces: Vec<&str> =
        body.as_bytes().chunks(size).map(|piece| str::from_utf8(piece).unwrap()).collect();
    let chunks: String = pieces.iter().map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len())).collect();
    format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
}

pub(crate) fn a_key_in_the_body_finds_the_replica_that_a_header_finds(engine: Engine) {
    let replicas = replicas();
    let proxy = start(engine, &replicas);
    let mut client = proxy.client();
    let mut owners = HashMap::new();
    for id in 100_000..100_040 {
        let owner = owner(&mut client, &id.to_string());
        for body in
            [format!(r#"{{"x":[{{}}],"request_id":{id}}}"#), format!(r#"{{"request_id":"{id}","x":1}}"#)]
        {
            for request in [sized("", &body), chunked(&body, 1), chunked(&body, 1_000)] {
                client.send(request);
                let answer = client.answer();
                assert_eq!((answer.replica(), answer.text()), (owner.clone(), body.clone()));
            }
        }
        owners.insert(id, owner);
    }
    assert_eq!(owners.values().collect::<HashSet<_>>().len(), 3, "the keys are spread: {owners:?}");
}

pub(crate) fn a_key_is_awaited_in_pieces_and_the_body_arrives_whole(engine: Engine) {
    let replicas = replicas();
    let proxy = start(engine, &replicas);
    let mut client = proxy.client();
    let expected = owner(&mut client, "slow");
    let short = r#"{"request_id":"slow"}"#.to_owned();
    let long =
        format!(r#"{{"pad":"{}","request_id":"slow","rest":"{}"}}"#, "p".repeat(7_000), "r".repeat(300_000));
    for (body, piece) in [(&short, 1), (&long, 3_000)] {
        for request in [sized("", body), chunked(body, 11)] {
            // The next request stands right behind the body.
            let both = request.clone() + &sized("X-Request-Id: slow\r\n", "none");
            let (slowly, rest) = both.as_bytes().split_at(both.len().min(12_000).min(request.len()));
            for piece in slowly.chunks(piece) {
                client.send(piece);
                pause(Duration::from_millis(1));
            }
            client.send(rest);
            for body in [body.as_str(), "none"] {
                let answer = client.answer();
                assert_eq!(answer.replica(), expected);
                assert!(answer.text() == body, "the body of {} bytes", body.len());
            }
        }
    }
}

pub(crate) fn a_body_without_its_key_is_refused_or_cut_off(engine: Engine) {
    let replicas = replicas();
    let addresses = replicas.each_ref().map(|(name, backend)| (*name, backend));
    let services = format!("[client]\nbody_ms = 300\n{}", service(KEYS, &addresses));
    let proxy = Proxy::start(engine, 1, &services);
    let cases = [
        (sized("", r#"{"other":1}"#), 400),
        (sized("", "request_id=1"), 400),
        (chunked("{\"request_id\":", 5).replace("0\r\n\r\n", "zz\r\n"), 400),
        (chunked("{\"request_id\":", 5).replace("0\r\n\r\n", ""), 408),
    ];
    for (request, status) in cases {
        let mut client = proxy.client();
        client.send(request);
        let answer = client.answer();
        assert_eq!((answer.status, answer.field("Connection")), (status, Some("close")));
        client.expect_end();
    }
    assert_eq!(proxy.metrics().of("upstream_connects_total"), 0, "no replica saw any of it");
    let mut client = proxy.client();
    client.send(sized("X-Request-Id: 1\r\n", r#"{"other":1}"#));
    assert_eq!(client.answer().status, 200, "the next source has a key");
}

pub(crate) fn a_client_that_expects_100_is_told_before_its_key_is_awaited(engine: Engine) {
    let replicas = replicas();
    let proxy = start(engine, &replicas);
    let mut client = proxy.client();
    let expected = owner(&mut client, "waits");
    let body = r#"{"request_id":"waits"}"#;
    let request = sized("Expect: 100-continue\r\n", body);
    let (head, body_bytes) = request.split_at(request.len() - body.len());
    for _ in 0..2 {
        client.send(head);
        assert_eq!(client.head().expect("an interim answer").status, 100);
        client.send(body_bytes);
        let answer = client.head().expect("an answer");
        assert_eq!(answer.status, 200, "there is no second 100");
        let answer = client.body(answer, "POST");
        assert_eq!((answer.replica(), answer.text()), (expected.clone(), body.to_owned()));
    }
}
