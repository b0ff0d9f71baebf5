//! Connections that leave HTTP.

use crate::harness::{Backend, Engine, Proxy, service};

const UPGRADE: &str = "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

pub(crate) fn an_upgrade_becomes_a_tunnel_both_ways(engine: Engine) {
    let replica = Backend::start(|peer| {
        let Some(request) = peer.request() else { return };
        let asked = request.fields.one("Upgrade") == Some("websocket")
            && request.fields.one("Connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade"));
        assert!(asked, "{}", request.head);
        // The first bytes of the other protocol come with the head.
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-A: b\r\n\r\nhello");
        while let Some(bytes) = peer.bytes() {
            peer.send(bytes);
        }
        peer.send("goodbye");
    });
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let mut client = proxy.client();
    // So do the client's, though it should have waited for the 101.
    client.send(UPGRADE.to_owned() + "early");
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("Upgrade")), (101, Some("websocket")));
    assert_eq!(answer.field("Connection").map(str::to_ascii_lowercase), Some("upgrade".to_owned()));
    assert_eq!(answer.field("X-A"), Some("b"));
    assert_eq!(client.bytes(10), b"helloearly");
    let long: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
    for message in [&b"one"[..], b"two", &long, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
        client.send(message);
        assert!(client.bytes(message.len()) == message, "the echo differs");
    }
    // One direction ends; the other still carries what the replica has to say.
    client.shut();
    assert_eq!(client.bytes(7), b"goodbye");
    client.expect_end();
    let metrics = proxy.metrics();
    assert_eq!((metrics.of("tunnels_total"), metrics.of("answers_total{class=\"1xx\"}")), (1, 1));
    crate::harness::poll("the tunnel's connections to be closed", || {
        (proxy.metrics().of("upstream_open{core=\"0\"}") == 0).then_some(())
    });
}

pub(crate) fn a_refused_upgrade_ends_the_connection(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let mut client = proxy.client();
    // What was meant for the other protocol is no request, though it may look like one.
    client.send(UPGRADE.to_owned() + "GET /early HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("Connection")), (200, Some("close")));
    client.expect_end();
    assert_eq!(proxy.metrics().of("requests_total"), 1);
}

pub(crate) fn what_would_carry_requests_unseen_is_not_asked_of_a_replica(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let mut client = proxy.client();
    for protocol in ["h2c", "HTTP/2.0"] {
        client
            .send(format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\n"));
        let answer = client.answer();
        assert!(!answer.text().to_ascii_lowercase().contains("upgrade"), "{}", answer.text());
    }
    assert_eq!(proxy.metrics().of("tunnels_total"), 0);
}

pub(crate) fn a_switch_to_what_was_not_offered_is_a_fault(engine: Engine) {
    for fields in ["Upgrade: other\r\n", "Upgrade: websocket, other\r\n", ""] {
        let replica = Backend::start(move |peer| {
            while peer.request().is_some() {
                peer.send(format!("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n{fields}\r\n"));
            }
        });
        let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
        let mut client = proxy.client();
        client.send(UPGRADE);
        assert_eq!(client.answer().status, 502, "{fields:?}");
        client.expect_end();
        assert_eq!(proxy.metrics().of("tunnels_total"), 0);
    }
}

pub(crate) fn a_silent_tunnel_is_closed_in_time(engine: Engine) {
    let (ended, end) = crossbeam::channel::bounded(1);
    let replica = Backend::start(move |peer| {
        if peer.request().is_some() {
            peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            );
            // Bytes in one direction keep both open.
            for _ in 0..15 {
                crate::harness::pause(std::time::Duration::from_millis(100));
                peer.send("x");
            }
            peer.stall();
            let _ = ended.send(());
        }
    });
    let proxy = Proxy::start(engine, 1, &service("timeouts = { tunnel_ms = 1000 }", &[("a", &replica)]));
    let mut client = proxy.client();
    client.send(UPGRADE);
    assert_eq!(client.answer().status, 101);
    assert_eq!(client.bytes(15), [b'x'; 15]);
    client.expect_end();
    end.recv_timeout(crate::harness::clock::PATIENCE).expect("awaited: the replica's end of the tunnel");
    assert_eq!(proxy.metrics().of("timeouts_total{phase=\"tunnel\"}"), 1);
}
