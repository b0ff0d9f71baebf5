//! The head as a replica gets it, and the answer's head as a client gets it.

use std::collections::HashSet;

use crate::harness::proxy::Attempt;
use crate::harness::{Answer, Backend, Client, Engine, Proxy, service};

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

fn assert_has(lines: &[String], expected: &[&str]) {
    for line in expected {
        assert!(has(lines, line), "{line} is missing: {lines:?}");
    }
}

/// Asserts that each of these fields stands there once.
fn assert_once(lines: &[String], names: &[&str]) {
    for name in names {
        let count = lines.iter().filter(|line| line.starts_with(name)).count();
        assert_eq!(count, 1, "{name} in {lines:?}");
    }
}

/// What a client claims of where its request comes from.
const CLAIMS: &str = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\n\
     X-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\nX-Forwarded-User: root\r\nx_forwarded_for: 192.0.2.3\r\n\
     X-Real-IP: 192.0.2.4\r\nForwarded: for=192.0.2.5\r\nX-End: 1\r\n\r\n";

pub(crate) fn a_replica_learns_where_a_request_came_from(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let lines = forwarded(&proxy, "GET /p?q HTTP/1.1\r\nHost: Example.com:81\r\nAccept: x\r\n\r\n");
    assert_eq!(lines[0], "GET /p?q HTTP/1.1");
    assert_has(
        &lines,
        &[
            "Host: Example.com:81",
            "Accept: x",
            "X-Forwarded-For: 127.0.0.1",
            "X-Forwarded-Proto: http",
            "X-Forwarded-Host: Example.com:81",
            "Via: 1.1 ringway",
        ],
    );
    let lines = forwarded(&proxy, CLAIMS);
    let own = ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: a", "X-End: 1"];
    assert_has(&lines, &own);
    for claim in ["192.0.2.", "https", "root", "Host: b"] {
        assert!(!lines.iter().any(|line| line.contains(claim)), "{claim} was believed: {lines:?}");
    }
}

pub(crate) fn what_a_trusted_peer_says_of_a_request_is_passed_on(engine: Engine) {
    let replica = Backend::echo("a");
    let with = |keys: &str| {
        let keys = format!("[client]\ntrusted = [\"127.0.0.0/8\", \"10.0.0.0/8\"]\n[proxy]\n{keys}");
        Proxy::start(engine, 1, &format!("{keys}\n{}", service("", &[("a", &replica)])))
    };
    let lines = forwarded(&with(""), CLAIMS);
    let names = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Forwarded"];
    assert_once(&lines, &names);
    assert_has(
        &lines,
        &[
            "X-Forwarded-For: 192.0.2.1, 192.0.2.2, 127.0.0.1",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: b",
            "X-Forwarded-User: root",
            "X-Real-IP: 192.0.2.4",
            "Forwarded: for=192.0.2.5",
        ],
    );
    let lines = forwarded(&with("forwarded = \"both\""), CLAIMS);
    assert_once(&lines, &names);
    assert_has(
        &lines,
        &[
            "X-Forwarded-For: 192.0.2.1, 192.0.2.2, 127.0.0.1",
            "Forwarded: for=192.0.2.5, for=127.0.0.1;host=a;proto=http",
        ],
    );
}

pub(crate) fn the_fields_of_where_a_request_came_from_are_the_configurations(engine: Engine) {
    let replica = Backend::echo("a");
    let with = |word: &str| {
        let keys = format!("[proxy]\nforwarded = \"{word}\"\n");
        Proxy::start(engine, 1, &(keys + &service("", &[("a", &replica)])))
    };
    let lines = forwarded(&with("forwarded"), CLAIMS);
    assert_has(&lines, &["Forwarded: for=127.0.0.1;host=a;proto=http"]);
    assert!(!lines.iter().any(|line| line.to_lowercase().starts_with("x-forwarded")), "{lines:?}");
    let lines = forwarded(&with("off"), CLAIMS);
    let is_origin = |line: &String| line.to_lowercase().contains("forwarded");
    assert!(!lines.iter().any(is_origin), "nobody's word is passed on: {lines:?}");
}

pub(crate) fn a_client_behind_a_trusted_peer_is_placed_by_its_own_address(engine: Engine) {
    let replicas = ["a", "b", "c"].map(|name| (name, Backend::echo(name)));
    let replicas = [0, 1, 2].map(|index| (replicas[index].0, &replicas[index].1));
    let placed = |trusted: &str| {
        let keys = format!("[client]\ntrusted = {trusted}\n");
        let proxy = Proxy::start(engine, 1, &(keys + &service("key = \"client-ip\"", &replicas)));
        let mut client = proxy.client();
        let places = (0..40).map(|number| {
            let list = format!("198.51.100.{}, 192.0.2.{number}, 10.0.0.1", 40 - number);
            client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {list}\r\n\r\n"));
            client.answer().replica()
        });
        places.collect::<Vec<_>>()
    };
    let untrusted = placed("[]");
    assert!(untrusted.iter().all(|place| *place == untrusted[0]), "by the peer's address: {untrusted:?}");
    let trusted = placed("[\"127.0.0.1\", \"10.0.0.0/8\"]");
    assert_eq!(trusted, placed("[\"127.0.0.1\", \"10.0.0.0/8\", \"203.0.113.0/24\"]"));
    for name in ["a", "b", "c"] {
        assert!(trusted.iter().any(|place| place == name), "{name} has no client: {trusted:?}");
    }
}

/// Fields of both directions that are their connection's own.
const CONNECTION_FIELDS: [&str; 9] = [
    "Connection",
    "X-Private",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Upgrade",
    "Proxy-Authenticate",
    "Proxy-Authorization",
];

/// The same as field lines; of the nominated names only the first may be.
const CONNECTION_LINES: &str = "Connection: keep-alive, X-Private, Host, Content-Length, Cookie, Set-Cookie, Authorization\r\n\
     Connection: X-Forwarded-For, Forwarded, Via, Cache-Control, X-Request-Id\r\nX-Private: 1\r\n\
     Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers, gzip\r\nTrailer: X-End\r\nUpgrade: other\r\n\
     Proxy-Authenticate: Basic realm=\"a\"\r\nProxy-Authorization: Basic YTpi\r\n";

pub(crate) fn fields_of_one_connection_stay_on_it(engine: Engine) {
    let replica = Backend::start(|peer| {
        while let Some(request) = peer.request() {
            let fields = "X-End: 2\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nCache-Control: no-store\r\n";
            if peer.answer(&format!("{CONNECTION_LINES}{fields}"), request.head).is_none() {
                return;
            }
        }
    });
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    let mut client = proxy.client();
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{CONNECTION_LINES}X-End: 2\r\nCookie: c=1\r\nAuthorization: Basic YTpi\r\n\
         Cache-Control: no-cache\r\nX-Request-Id: 42\r\nContent-Length: 0\r\n\r\n"
    ));
    let answer: Answer = client.answer();
    let request: Vec<String> = answer.text().lines().map(str::to_owned).collect();
    for name in CONNECTION_FIELDS {
        let begin = format!("{}:", name.to_lowercase());
        let is_forwarded = request.iter().any(|line| line.to_lowercase().starts_with(&begin));
        assert!(!is_forwarded, "{name} was forwarded: {request:?}");
        assert_eq!(answer.field(name), None, "{name} reached the client");
    }
    assert_has(
        &request,
        &[
            "Host: a",
            "X-End: 2",
            "Cookie: c=1",
            "Authorization: Basic YTpi",
            "Cache-Control: no-cache",
            "X-Request-Id: 42",
            "Content-Length: 0",
            "X-Forwarded-For: 127.0.0.1",
            "Via: 1.1 ringway",
        ],
    );
    assert_eq!((answer.field("X-End"), answer.fields.all("Set-Cookie")), (Some("2"), vec!["a", "b"]));
    assert_eq!(answer.field("Cache-Control"), Some("no-store"));
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
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", false),
        ("nonsense\r\n\r\n", false),
    ] {
        client.send(request);
        let answer = client.answer();
        let date = answer.field("Date").unwrap_or_else(|| panic!("no Date: {answer:?}"));
        assert_eq!(date == "Sun, 06 Nov 1994 08:49:37 GMT", dated, "{date} for {request}");
        assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
    }
}

pub(crate) fn messages_are_signed_as_the_configuration_says(engine: Engine) {
    let replica = Backend::start(|peer| {
        while let Some(request) = peer.request() {
            if peer.answer("Via: 1.0 inner\r\n", request.head).is_none() {
                return;
            }
        }
    });
    // via, the request's version, Via as the replica gets it, Via as the client gets it
    let cases = [
        ("", "1.1", "1.0 outer, 1.1 ringway", "1.0 inner"),
        ("", "1.0", "1.0 outer, 1.0 ringway", "1.0 inner"),
        ("via = \"both\"", "1.1", "1.0 outer, 1.1 ringway", "1.0 inner, 1.1 ringway"),
        ("via = \"off\"", "1.1", "1.0 outer", "1.0 inner"),
    ];
    for (via, version, inbound, outbound) in cases {
        let proxy = Proxy::start(engine, 1, &format!("[proxy]\n{via}\n{}", service("", &[("a", &replica)])));
        let mut client = proxy.client();
        client.send(format!("GET / HTTP/{version}\r\nHost: a\r\nVia: 1.0 outer\r\n\r\n"));
        let answer = client.answer();
        let lines: Vec<String> = answer.text().lines().map(str::to_owned).collect();
        assert_has(&lines, &[&format!("Via: {inbound}")]);
        assert_once(&lines, &["Via"]);
        assert_eq!(answer.field("Via"), Some(outbound), "{via}, {version}");
    }
}

pub(crate) fn a_request_passes_as_many_proxies_as_it_says(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy = Proxy::start(engine, 1, &service("", &[("a", &replica)]));
    // method, Max-Forwards, what the replica gets of it; else who answers
    let cases = [
        ("OPTIONS", "2", Some("1"), 200),
        ("OPTIONS", "1", Some("0"), 200),
        ("OPTIONS", "0", None, 204),
        ("OPTIONS", "x", None, 400),
        ("GET", "0", Some("0"), 200),
        ("TRACE", "1", None, 405),
        ("TRACE", "0", None, 405),
    ];
    for (method, forwards, left, status) in cases {
        let mut client = proxy.client();
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nMax-Forwards: {forwards}\r\n\r\n"));
        let answer = client.answer();
        assert_eq!(answer.status, status, "{method} {forwards}");
        match left {
            Some(left) => assert!(answer.text().contains(&format!("Max-Forwards: {left}\r\n")), "{answer:?}"),
            None => assert_eq!(answer.field("X-Replica"), None, "{method} {forwards}"),
        }
        let allow = matches!(status, 204 | 405).then_some("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH");
        assert_eq!(answer.field("Allow"), allow, "{method} {forwards}");
        // Nothing is wrong with such a request: its connection goes on.
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().status, 200, "{method} {forwards}");
    }
    assert_eq!(proxy.metrics().of("bad_requests_total"), 3, "400 and 405, not 204");
}

/// The values of a field among a request's lines.
fn values<'a>(lines: &'a [String], name: &str) -> Vec<&'a str> {
    let begin = format!("{}: ", name.to_lowercase());
    let lines = lines.iter().filter(|line| line.to_lowercase().starts_with(&begin));
    lines.map(|line| &line[begin.len()..]).collect()
}

pub(crate) fn a_request_without_an_id_is_given_one(engine: Engine) {
    let replica = Backend::echo("a");
    let proxy = Proxy::start(engine, 2, &service("", &[("a", &replica)]));
    let mut seen = HashSet::new();
    for _ in 0..20 {
        let lines = forwarded(&proxy, "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id:\r\n\r\n");
        let [id] = values(&lines, "X-Request-Id")[..] else { panic!("one id: {lines:?}") };
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert!(seen.insert(id.to_owned()), "{id} came twice");
    }
    let lines = forwarded(&proxy, "GET / HTTP/1.1\r\nHost: a\r\nx-request-id: the client's\r\n\r\n");
    assert_eq!(values(&lines, "X-Request-Id"), ["the client's"]);
    let with = |keys: &str| {
        Proxy::start(engine, 1, &format!("[proxy]\n{keys}\n{}", service("", &[("a", &replica)])))
    };
    let lines = forwarded(&with("request_id = \"\""), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(values(&lines, "X-Request-Id").is_empty(), "{lines:?}");
    // Another field, and on answers, too.
    let proxy = with("request_id = \"X-Correlation-Id\"\nanswer_request_id = true");
    let mut client = proxy.client();
    for id in ["", "X-Correlation-Id: 42\r\n", "Connection: X-Correlation-Id\r\nX-Correlation-Id: 42\r\n"] {
        client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\n{id}Content-Length: 2\r\n\r\nok"));
        let answer = client.answer();
        let lines: Vec<String> = answer.text().lines().map(str::to_owned).collect();
        let ids = values(&lines, "X-Correlation-Id");
        assert_eq!((ids.len(), ids.first().copied()), (1, answer.field("X-Correlation-Id")), "{lines:?}");
        assert_eq!(ids[0] == "42", id.starts_with("X-"), "a nominated id is not the request's: {lines:?}");
    }
}

pub(crate) fn an_invented_id_places_no_request(engine: Engine) {
    let replicas = ["a", "b", "c"].map(|name| (name, Backend::echo(name)));
    let replicas = [0, 1, 2].map(|index| (replicas[index].0, &replicas[index].1));
    let keys = "key = [\"header:x-request-id\", \"json:request_id\", \"path\"]";
    let proxy = Proxy::start(engine, 1, &service(keys, &replicas));
    let mut client = proxy.client();
    let mut placed = |request: &str| {
        client.send(request);
        client.answer().replica()
    };
    let by_path = placed("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    let by_body = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\n\r\n{\"request_id\": 42}";
    let by_header = placed("GET /x HTTP/1.1\r\nHost: a\r\nX-Request-Id: 42\r\n\r\n");
    for _ in 0..20 {
        assert_eq!(placed("GET /x HTTP/1.1\r\nHost: a\r\n\r\n"), by_path);
        assert_eq!(placed(by_body), by_header);
    }
}

pub(crate) fn a_request_without_host_is_meant_for_the_address_that_it_came_to(engine: Engine) {
    let replica = Backend::echo("a");
    let text = format!(
        "engine = \"{}\"\n[listen]\nhttp = \"0.0.0.0:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[proxy]\nforwarded = \"both\"\n{}",
        engine.0,
        service("", &[("a", &replica)])
    );
    let proxy = Attempt::with_file(engine, &text).outcome().expect("it serves");
    let port = proxy.http.port();
    for host in ["127.0.0.1", "127.0.0.2"] {
        let to = format!("{host}:{port}");
        let mut client = Client::connect(to.parse().unwrap());
        client.send("GET / HTTP/1.0\r\n\r\n");
        let lines: Vec<String> = client.answer().text().lines().map(str::to_owned).collect();
        assert_once(&lines, &["Host", "Forwarded"]);
        assert_has(&lines, &["GET / HTTP/1.1", &format!("Host: {to}"), &format!("X-Forwarded-Host: {to}")]);
        // One that says whom it is meant for is believed.
        let mut client = Client::connect(to.parse().unwrap());
        client.send("GET / HTTP/1.0\r\nHost: named.example\r\n\r\n");
        assert!(client.answer().text().contains("\r\nHost: named.example\r\n"));
    }
}
