//! The answers that the program makes itself: status, form, id, and what they do not tell.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Answer, Backend, Engine, Proxy, service};

/// Services by path: `/gone` has no replica that answers, `/cut` one that closes before it answers, `/keyed` wants a key.
fn services(cut: &Backend, gone: &Backend) -> String {
    let one = |name: &str, keys: &str, backend| {
        service(
            &format!("name = \"{name}\"\nmatch = {{ path = \"/{name}\" }}\n{keys}"),
            &[("secret", backend)],
        )
    };
    let reject = "key = \"header:x-key\"\nfallback = \"reject\"";
    one("gone", "", gone) + &one("cut", "", cut) + &one("keyed", reject, cut)
}

/// Reads a request, and closes.
fn cutting() -> Backend {
    Backend::start(|peer| _ = peer.request())
}

fn ask(proxy: &Proxy, method: &str, path: &str, fields: &str) -> Answer {
    let mut client = proxy.client();
    client.send(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    client.answer_to(method).expect("an answer")
}

pub(crate) fn a_failure_is_told_in_the_form_that_its_client_prefers(engine: Engine) {
    let (cut, gone) = (cutting(), Backend::down(|_| {}));
    let proxy = Proxy::start(engine, 1, &services(&cut, &gone));
    // method, path, status, Connection, Retry-After
    let cases = [
        ("GET", "/nowhere", 404, None, None),
        ("CONNECT", "a:80", 405, Some("close"), None),
        ("GET", "/keyed", 400, None, None),
        ("POST", "/cut", 502, None, None),
        // Its only replica cannot be reached, so that none is left.
        ("GET", "/gone", 503, None, Some("1")),
    ];
    for (accept, problem) in [("", false), ("Accept: */*\r\n", false), ("Accept: application/json\r\n", true)]
    {
        for (method, path, status, connection, retry_after) in cases {
            let mut answer = ask(&proxy, method, path, &format!("{accept}X-Request-Id: id-42\r\n"));
            let place = format!("{method} {path} {accept}");
            assert_eq!(answer.status, status, "{place}");
            let fields =
                [answer.field("Connection"), answer.field("Retry-After"), answer.field("X-Request-Id")];
            assert_eq!(fields, [connection, retry_after, Some("id-42")], "{place}");
            assert_eq!(answer.field("Cache-Control"), Some("no-store"), "{place}");
            assert!(answer.field("Date").is_some(), "{place}");
            let text = answer.text();
            for secret in ["secret", &cut.address.to_string(), &gone.address.to_string(), "127.0.0.1"] {
                assert!(!text.contains(secret), "{place}: {text}");
            }
            if problem {
                assert_eq!(answer.field("Content-Type"), Some("application/problem+json"), "{place}");
                let mut problem: Value = serde_json::from_slice(&answer.body).expect("JSON");
                assert!(
                    problem["detail"].take().is_string() && problem["title"].take().is_string(),
                    "{place}"
                );
                let expected = json!({
                    "type": "about:blank", "status": status, "title": null, "detail": null, "request_id": "id-42"
                });
                assert_eq!(problem, expected, "{place}");
            } else {
                assert_eq!(answer.field("Content-Type"), Some("text/plain; charset=utf-8"), "{place}");
                assert!(
                    text.starts_with(&status.to_string()) && text.ends_with("\nRequest id: id-42\n"),
                    "{text}"
                );
            }
            answer.body.clear();
            assert!(format!("{answer:?}").len() < 600, "an answer is small: {answer:?}");
        }
    }
}

pub(crate) fn a_head_request_gets_the_head_of_its_failure(engine: Engine) {
    let (cut, gone) = (cutting(), Backend::down(|_| {}));
    let proxy = Proxy::start(engine, 1, &services(&cut, &gone));
    for path in ["/nowhere", "/gone", "/cut"] {
        let mut client = proxy.client();
        // Twice: what came of the first body, if anything, would be read as the second head.
        for _ in 0..2 {
            client.send(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\nX-Request-Id: 42\r\n\r\n"));
            let head = client.answer_to("HEAD").expect("an answer");
            let get = ask(&proxy, "GET", path, "X-Request-Id: 42\r\n");
            assert_eq!(head.status, get.status, "{path}");
            assert_eq!(head.field("Content-Length"), Some(get.body.len().to_string().as_str()), "{path}");
        }
    }
    for before in ["", "\r\n"] {
        let mut client = proxy.client();
        client.send(format!("{before}HEAD / HTTP/1.1\r\nHost: a b\r\n\r\n"));
        assert_eq!(client.answer_to("HEAD").expect("an answer").status, 400);
        client.expect_end();
    }
}

pub(crate) fn a_failure_has_an_id_that_its_replica_and_the_log_know(engine: Engine) {
    let (sender, seen) = crossbeam::channel::unbounded();
    let cut = Backend::start(move |peer| {
        let request = peer.request().expect("a request");
        sender.send(request.fields.one("X-Request-Id").expect("an id").to_owned()).expect("a test");
    });
    let gone = Backend::down(|_| {});
    let proxy = Proxy::start(engine, 1, &format!("[log]\nlevel = \"debug\"\n{}", services(&cut, &gone)));
    let mut ids = Vec::new();
    let answer = ask(&proxy, "POST", "/cut", "Content-Length: 0\r\n");
    ids.push(answer.field("X-Request-Id").expect("an id").to_owned());
    assert_eq!(seen.recv().expect("a request"), ids[0]);
    // What was no request at all has one, too; another than every other.
    for request in ["nonsense\r\n\r\n", "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut client = proxy.client();
        client.send(request);
        let answer = client.answer();
        let id = answer.field("X-Request-Id").expect("an id").to_owned();
        assert!(
            answer.text().ends_with(&format!("\nRequest id: {id}\n")) && !ids.contains(&id),
            "{answer:?}"
        );
        ids.push(id);
    }
    // A client cannot put words into our mouth.
    let answer = ask(&proxy, "GET", "/nowhere", "X-Request-Id: <script>\r\nAccept: application/json\r\n");
    assert_eq!(answer.field("X-Request-Id"), None);
    assert!(!answer.text().contains("script"), "{answer:?}");
    proxy.signal(Signal::TERM);
    let log = proxy.wait().log;
    for id in ids {
        assert!(log.contains(&format!("request={id}")), "{id} is not in the log: {log}");
    }
    assert!(log.contains("replica=secret") && log.contains("a request failed"), "{log}");
}

pub(crate) fn without_ids_a_failure_has_none(engine: Engine) {
    let (cut, gone) = (cutting(), Backend::down(|_| {}));
    let keys = "[proxy]\nrequest_id = \"\"\n";
    let proxy = Proxy::start(engine, 1, &(keys.to_owned() + &services(&cut, &gone)));
    for path in ["/nowhere", "/cut"] {
        let answer = ask(&proxy, "POST", path, "X-Request-Id: 42\r\nContent-Length: 0\r\n");
        assert_eq!(answer.field("X-Request-Id"), None, "{path}");
        assert_eq!(answer.text().lines().count(), 2, "{answer:?}");
    }
}
