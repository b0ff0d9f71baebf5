//! Where messages begin and end, for each version and each kind of body.

use std::time::Duration;

use crate::harness::{Backend, End, Engine, Proxy, Stopwatch, pause, poll, service};

pub(crate) fn a_client_of_1_0_keeps_its_connection_only_if_it_asks(engine: Engine) {
    let replica = Backend::start(|peer| {
        while let Some(request) = peer.request() {
            let sent = match request.line() {
                "GET /chunked HTTP/1.1" => {
                    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
                }
                _ => peer.answer("", "abc"),
            };
            if sent.is_none() {
                return;
            }
        }
    });
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.answer();
        assert_eq!((answer.text().as_str(), answer.field("Connection")), ("abc", Some("keep-alive")));
    }
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer().text(), "abc");
    client.expect_end();
    // The version has no chunks: the body ends with the connection, whatever the client asked.
    let mut client = proxy.client();
    client.send("GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.answer();
    assert_eq!(
        (answer.text().as_str(), answer.end, answer.field("Transfer-Encoding")),
        ("abc", End::Complete, None)
    );
    assert_eq!(answer.field("Connection"), Some("close"));
}

pub(crate) fn a_chunked_upload_arrives_whole(engine: Engine) {
    let replica = Backend::start(|peer| {
        while let Some(request) = peer.request() {
            let framed = request.fields.one("Transfer-Encoding") == Some("chunked")
                && request.fields.one("Content-Length").is_none();
            assert!(framed, "{}", request.head);
            if peer.answer("", request.body).is_none() {
                return;
            }
        }
    });
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5;extension=\"a;b\"\r\nhello\r\n1\r\n,\r\n00006\r\n world\r\n0\r\n\r\n";
    let mut client = proxy.client();
    client.send(request);
    assert_eq!(client.answer().text(), "hello, world");
    // Trailers belong to the connection on which they came: they are read, and go no further.
    client.send(request.replacen("\r\n0\r\n\r\n", "\r\n0\r\nX-Trailer: a\r\nContent-Length: 9\r\n\r\n", 1));
    assert_eq!(client.answer().text(), "hello, world");
    // The same in pieces of a few bytes.
    for piece in request.as_bytes().chunks(7) {
        client.send(piece);
    }
    assert_eq!(client.answer().text(), "hello, world");
}

pub(crate) fn a_client_that_expects_100_is_told_to_continue(engine: Engine) {
    let replica = Backend::start(|peer| {
        while let Some(request) = peer.head() {
            let expected = request.fields.one("Expect") == Some("100-continue");
            if request.line().contains("/refused") {
                peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                return;
            }
            if expected && peer.send("HTTP/1.1 100 Continue\r\n\r\n").is_none() {
                return;
            }
            if peer.at_least(4).is_none() {
                return;
            }
            let body = peer.bytes().unwrap_or_default();
            if peer.answer("", body).is_none() {
                return;
            }
        }
    });
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let head = |path: &str, version: &str| {
        format!("PUT {path} HTTP/{version}\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    };
    let mut client = proxy.client();
    client.send(head("/", "1.1"));
    assert_eq!(client.head().expect("an interim answer").status, 100);
    client.send("body");
    assert_eq!(client.answer().text(), "body");
    // An answer instead of 100: the body is not sent, so that the connection cannot go on.
    client.send(head("/refused", "1.1"));
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("Connection")), (403, Some("close")));
    client.expect_end();
    // A client of HTTP/1.0 knows no interim answers.
    let mut client = proxy.client();
    client.send(head("/", "1.0"));
    client.send("body");
    assert_eq!(client.head().expect("a final answer").status, 200);
}

pub(crate) fn answers_without_a_body_leave_the_connection_in_step(engine: Engine) {
    let replica = Backend::start(|peer| {
        while let Some(request) = peer.request() {
            let answer = match request.line() {
                "HEAD / HTTP/1.1" => "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n",
                "HEAD /chunked HTTP/1.1" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                "GET /204 HTTP/1.1" => "HTTP/1.1 204 No Content\r\n\r\n",
                "GET /304 HTTP/1.1" => {
                    "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: \"a\"\r\n\r\n"
                }
                "GET /empty HTTP/1.1" => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                "GET /103 HTTP/1.1" => {
                    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                }
                other => panic!("{other}"),
            };
            if peer.send(answer).is_none() {
                return;
            }
        }
    });
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let mut client = proxy.client();
    let cases = [
        ("HEAD", "/", 200, Some("1234")),
        ("HEAD", "/chunked", 200, None),
        ("GET", "/204", 204, None),
        ("GET", "/304", 304, Some("99")),
        ("GET", "/empty", 200, Some("0")),
    ];
    for (method, path, status, length) in cases.iter().chain(&cases) {
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = client.answer_to(method).expect("an answer");
        assert_eq!((answer.status, answer.field("Content-Length")), (*status, *length), "{method} {path}");
        assert!(!client.hears_within(Duration::from_millis(20)), "{method} {path} has no body");
    }
    client.send("GET /103 HTTP/1.1\r\nHost: a\r\n\r\n");
    let hints = client.head().expect("an interim answer");
    assert_eq!((hints.status, hints.field("Link")), (103, Some("</a>")));
    assert_eq!(client.answer().text(), "ok");
    assert_eq!(
        proxy.metrics().of("upstream_connects_total"),
        1,
        "the replica's connection stayed in step, too"
    );
}

pub(crate) fn a_body_until_close_reaches_clients_of_both_versions(engine: Engine) {
    let replica = Backend::start(|peer| {
        if peer.request().is_some() {
            peer.send("HTTP/1.0 200 OK\r\n\r\nuntil the ");
            peer.send("end");
        }
    });
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = client.answer();
        assert_eq!((answer.field("Transfer-Encoding"), answer.version), (Some("chunked"), 1));
        assert_eq!((answer.text().as_str(), answer.end), ("until the end", End::Complete));
    }
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.field("Transfer-Encoding"), answer.field("Content-Length")), (None, None));
    assert_eq!((answer.text().as_str(), answer.end), ("until the end", End::Complete));
}

pub(crate) fn a_client_that_has_ended_its_stream_is_still_answered(engine: Engine) {
    let replica = Backend::start(|peer| {
        while peer.request().is_some() {
            pause(Duration::from_millis(50));
            peer.answer("", "late");
        }
    });
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    for request in
        ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"]
    {
        let mut client = proxy.client();
        client.send(request);
        client.shut();
        assert_eq!(client.answer().text(), "late", "{request}");
        client.expect_end();
    }
}

pub(crate) fn pipelined_requests_are_answered_in_order(engine: Engine) {
    let replicas = ["a", "b"].map(|name| (name, Backend::echo(name)));
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replicas[0].1), ("b", &replicas[1].1)]));
    let mut client = proxy.client();
    let mut requests = String::new();
    for number in 0..50 {
        requests += &match number % 3 {
            0 => format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"),
            1 => format!("PUT /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"),
            _ => format!(
                "POST /{number} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
            ),
        };
    }
    client.send(requests);
    for number in 0..50 {
        let text = client.answer().text();
        assert!(text.contains(&format!(" /{number} HTTP/1.1\r\n")), "answer {number}: {text}");
        assert_eq!(text.ends_with("\r\n\r\nbody"), number % 3 != 0, "answer {number}: {text}");
    }
}

/// A close would reset the connection under bytes that come behind the answer, so that those are read for a while; whoever
/// says that there are none needs no such time.
pub(crate) fn a_connection_lingers_only_where_its_client_may_still_send(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let open = || proxy.metrics().of("connections_open{core=\"0\"}");
    let lasting = [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /more HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
    ];
    for request in lasting {
        let mut client = proxy.client();
        client.send(request);
        assert_eq!((client.answer().status, client.expect_end(), open()), (200, (), 1), "{request:?}");
        drop(client);
        poll("the connection to end", || (open() == 0).then_some(()));
    }
    for request in ["GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"] {
        let mut client = proxy.client();
        let began = Stopwatch::start();
        client.send(request);
        assert_eq!((client.answer().status, client.expect_end()), (200, ()), "{request:?}");
        poll("the connection to end, which its client holds open", || (open() == 0).then_some(()));
        // Half of the time for which others linger.
        assert!(began.elapsed() < Duration::from_secs(1), "{request:?}: {:?}", began.elapsed());
    }
}
