//! What the proxy refuses, and that no replica ever sees it.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::{Backend, End, Engine, Proxy, Stopwatch, poll, service};

pub(crate) fn malformed_requests_are_refused_and_go_nowhere(engine: Engine) {
    let connections = Arc::new(AtomicUsize::new(0));
    let seen = connections.clone();
    let replica = Backend::start(move |peer| {
        seen.fetch_add(1, Ordering::Relaxed);
        peer.echo_all("a");
    });
    let proxy = Proxy::start(
        engine,
        1,
        &format!("[client]\nhead_bytes_max = 16384\n{}", service("", &[("a", &replica)])),
    );
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(9000));
    let long_head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(17_000));
    let long_method = format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "X".repeat(300));
    let many_fields = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(200));
    let with = |line: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n");
    let smuggled = "5\r\nhello\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let cases = [
        (400, "GET / HTTP/1.1\r\n\r\n".to_owned(), "no Host"),
        (400, with("Host: b"), "two Hosts"),
        (400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(), "a Host with a space"),
        (400, "GET / HTTP/1.1\nHost: a\n\n".to_owned(), "bare line feeds"),
        (400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "two spaces"),
        (400, "GET /\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "a control in the target"),
        (400, "GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "a target of no form"),
        (400, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "a method that is no token"),
        (400, with("X : y"), "space before the colon"),
        (400, with("X: y\r\n z"), "line folding"),
        (400, with("no colon"), "no colon"),
        (400, with("X: \u{1}"), "a control in a value"),
        (400, with("Content-Length: 5\r\nContent-Length: 6") + "hello", "two lengths"),
        (400, with("Content-Length: -1"), "a negative length"),
        (400, with("Content-Length: 99999999999999999999"), "a length beyond counting"),
        (400, with("Content-Length: 9223372036854775808"), "a length that is negative to some"),
        (400, with("Content-Length: 010") + "hello wor", "a length that is octal to some"),
        (400, with("Content-Length: 5\r\nTransfer-Encoding: chunked") + smuggled, "length and chunks"),
        (501, with("Transfer-Encoding: chunked, identity") + smuggled, "chunked, but not last"),
        (400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned() + smuggled, "chunks in 1.0"),
        (501, with("Transfer-Encoding: gzip, chunked") + smuggled, "an unknown coding"),
        (414, long_target, "a long target"),
        (431, long_head, "a long head"),
        (431, many_fields, "many fields"),
        (501, long_method, "a long method"),
        (505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(), "another version"),
        (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "HTTP/2 by prior knowledge"),
        (400, "\u{16}\u{3}\u{1}\u{2}hello\r\n\r\n".to_owned(), "the beginning of TLS"),
    ];
    for (status, request, name) in &cases {
        let mut client = proxy.client();
        client.send(request);
        let answer = client.answer();
        assert_eq!((answer.status, answer.field("Connection")), (*status, Some("close")), "{name}");
        client.expect_end();
    }
    let metrics = proxy.metrics();
    assert_eq!(metrics.of("bad_requests_total"), cases.len() as u64);
    assert_eq!(connections.load(Ordering::Relaxed), 0, "connections to the replica");
    // CONNECT is well-formed; the proxy only doesn't do it. What follows was meant for the tunnel.
    let mut client = proxy.client();
    client.send("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\nGET /early HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("Connection")), (405, Some("close")));
    client.expect_end();
}

pub(crate) fn a_head_that_drips_is_cut_off(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy =
        Proxy::start(engine, 1, &format!("[client]\nheader_ms = 300\n{}", service("", &[("a", &replica)])));
    let mut client = proxy.client();
    let watch = Stopwatch::start();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n");
    let mut drops = 0;
    while !client.hears_within(Duration::from_millis(20)) {
        client.send("X: y\r\n");
        drops += 1;
        assert!(drops < 500, "the proxy listens for ever");
    }
    assert_eq!(client.answer().status, 408);
    assert!(watch.elapsed() >= Duration::from_millis(300), "after {:?}", watch.elapsed());
    assert_eq!(proxy.metrics().of("timeouts_total{phase=\"request_head\"}"), 1);
    // Who says nothing at all is not answered.
    proxy.client().expect_end();
}

pub(crate) fn a_body_that_stalls_is_cut_off(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy =
        Proxy::start(engine, 1, &format!("[client]\nbody_ms = 300\n{}", service("", &[("a", &replica)])));
    let mut client = proxy.client();
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    assert_eq!(client.answer().status, 408);
    client.expect_end();
    // A body that breaks its coding is the client's fault, not the replica's.
    let mut client = proxy.client();
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n");
    assert_eq!(client.answer().status, 400);
    let metrics = proxy.metrics();
    assert_eq!(
        (metrics.of("timeouts_total{phase=\"request_body\"}"), metrics.of("bad_requests_total")),
        (1, 2)
    );
}

pub(crate) fn a_body_that_drips_is_cut_off(engine: Engine) {
    let replica = Backend::echo("a");
    let limits = "[client]\nbody_rate_min = 1000\nbody_rate_window_ms = 300\n";
    let proxy = Proxy::start(engine, 1, &format!("{limits}{}", service("", &[("a", &replica)])));
    for framing in ["Content-Length: 100000", "Transfer-Encoding: chunked"] {
        let mut client = proxy.client();
        let watch = Stopwatch::start();
        client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n186a0\r\n"));
        let mut drops = 0;
        while !client.hears_within(Duration::from_millis(20)) {
            client.send("x");
            drops += 1;
            assert!(drops < 500, "the proxy listens for ever");
        }
        assert_eq!(client.answer().status, 408, "{framing}");
        client.expect_end();
        assert!(watch.elapsed() >= Duration::from_millis(300), "{framing}: after {:?}", watch.elapsed());
    }
    assert_eq!(proxy.metrics().of("timeouts_total{phase=\"request_body\"}"), 2);
}

pub(crate) fn an_idle_connection_is_closed_in_time(engine: Engine) {
    let replica = Backend::echo("a");
    // Beside and beyond the time for which a connection keeps its memory.
    for (keep_alive_ms, wait) in [(200, 200), (1_300, 1_300)] {
        let proxy = Proxy::start(
            engine,
            1,
            &format!("[client]\nkeep_alive_ms = {keep_alive_ms}\n{}", service("", &[("a", &replica)])),
        );
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().status, 200);
        let watch = Stopwatch::start();
        client.expect_end();
        let (least, most) = (Duration::from_millis(wait), Duration::from_millis(wait + 5_000));
        let elapsed = watch.elapsed();
        assert!(
            elapsed + Duration::from_millis(50) >= least && elapsed < most,
            "{keep_alive_ms}: {elapsed:?}"
        );
    }
}

pub(crate) fn a_client_that_does_not_read_is_cut_off(engine: Engine) {
    let replica = Backend::start(|peer| {
        if peer.request().is_some() {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
            while peer.send([0; 65536]).is_some() {}
        }
    });
    let proxy =
        Proxy::start(engine, 1, &format!("[client]\nwrite_ms = 300\n{}", service("", &[("a", &replica)])));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    poll("the proxy to give the client up", || {
        (proxy.metrics().of("timeouts_total{phase=\"client_write\"}") == 1).then_some(())
    });
    let answer = client.answer();
    assert_eq!((answer.status, answer.end), (200, End::Cut));
    let metrics = proxy.metrics();
    assert_eq!((metrics.of("client_aborts_total"), metrics.of("aborted_after_head_total")), (1, 0));
}

pub(crate) fn a_client_that_sips_its_answer_is_cut_off(engine: Engine) {
    let replica = Backend::start(|peer| {
        if peer.request().is_some() {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
            while peer.send([0; 65536]).is_some() {}
        }
    });
    let proxy =
        Proxy::start(engine, 1, &format!("[client]\nwrite_ms = 1500\n{}", service("", &[("a", &replica)])));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut sips = 0;
    poll("the proxy to give the client up", || {
        sips += client.stream.read(&mut [0]).expect("a byte");
        (proxy.metrics().of("timeouts_total{phase=\"client_write\"}") == 1).then_some(())
    });
    assert!(sips > 1, "it went on reading");
    poll("it to be counted", || (proxy.metrics().of("client_aborts_total") == 1).then_some(()));
}
