//! The head as a replica gets it, and the answer's head as a client gets it.

use crate::harness::{Answer, Backend, Engine, Proxy, service};

/// The lines of the request as the replica got it; the replica echoes it.
fn forwarded(proxy: &Proxy, request: &str) -> Vec<String> {
    let mut client = proxy.client();
    client.send(request);
    let answer = client.answer();
    assert_eq!(answer.status, 200, "{request}");
    answer.text().lines().map(str::to_owned).collect()
}

fn has(lines: &[String], line: &str) -> bool {
    lines.iter().any(|other| other == line)
}

pub(crate) fn a_replica_learns_where_a_request_came_from(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let lines = forwarded(&proxy, "GET /p?q HTTP/1.1\r\nHost: Example.com:81\r\nAccept: x\r\n\r\n");
    assert_eq!(lines[0], "GET /p?q HTTP/1.1");
    for line in [
        "Host: Example.com:81",
        "Accept: x",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: http",
        "Via: 1.1 ringway",
    ] {
        assert!(has(&lines, line), "{line} is missing: {lines:?}");
    }
    let lines = forwarded(
        &proxy,
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\nVia: 1.0 other\r\n\
         X-Forwarded-Proto: https\r\n\r\n",
    );
    for line in [
        "X-Forwarded-For: 192.0.2.1, 192.0.2.2, 127.0.0.1",
        "X-Forwarded-Proto: http",
        "Via: 1.0 other, 1.1 ringway",
    ] {
        assert!(has(&lines, line), "{line} is missing: {lines:?}");
    }
    let count = |name: &str| lines.iter().filter(|line| line.starts_with(name)).count();
    assert_eq!(
        (count("X-Forwarded-For:"), count("X-Forwarded-Proto:"), count("Via:")),
        (1, 1, 1),
        "{lines:?}"
    );
}

pub(crate) fn fields_of_one_connection_stay_on_it(engine: Engine) {
    let replica = Backend::start(|peer| {
        while let Some(request) = peer.request() {
            let fields = "Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n\
                          Proxy-Connection: keep-alive\r\nX-End: 2\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n";
            if peer.answer(fields, request.head).is_none() {
                return;
            }
        }
    });
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let mut client = proxy.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: other\r\nX-End: 2\r\n\r\n",
    );
    let answer: Answer = client.answer();
    let request = answer.text().to_ascii_lowercase();
    for name in ["connection:", "x-private:", "keep-alive:", "proxy-connection:", "te:", "upgrade:"] {
        assert!(!request.lines().any(|line| line.starts_with(name)), "{name} was forwarded: {request}");
    }
    assert!(request.contains("x-end: 2"));
    for name in ["Connection", "X-Hop", "Keep-Alive", "Proxy-Connection"] {
        assert_eq!(answer.field(name), None, "{name} reached the client");
    }
    assert_eq!((answer.field("X-End"), answer.fields.all("Set-Cookie")), (Some("2"), vec!["a", "b"]));
}

pub(crate) fn an_absolute_target_is_forwarded_in_origin_form(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy = Proxy::start(engine, 1, &service("match = { host = \"named.example\" }", &[("a", &replica)]));
    let lines = forwarded(&proxy, "GET http://named.example/p?q HTTP/1.1\r\nHost: other.example\r\n\r\n");
    assert_eq!(lines[0], "GET /p?q HTTP/1.1");
    assert!(has(&lines, "Host: named.example") && !has(&lines, "Host: other.example"), "{lines:?}");
}

pub(crate) fn every_answer_has_one_date(engine: Engine) {
    let replica = Backend::start(|peer| {
        while let Some(request) = peer.request() {
            let fields = match request.line() {
                "GET /dated HTTP/1.1" => "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
                _ => "",
            };
            if peer.answer(fields, "").is_none() {
                return;
            }
        }
    });
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let mut client = proxy.client();
    for (request, dated) in [
        ("GET /dated HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", false),
        ("nonsense\r\n\r\n", false),
    ] {
        client.send(request);
        let answer = client.answer();
        let date = answer.field("Date").unwrap_or_else(|| panic!("no Date: {answer:?}"));
        assert_eq!(date == "Sun, 06 Nov 1994 08:49:37 GMT", dated, "{date} for {request}");
        assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
    }
}
