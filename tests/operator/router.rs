//! Every path of the admin interface, and every way in which it refuses.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use ringway::admin;
use ringway::base::replica_name::ReplicaName;
use ringway::control::call::{CallAnswer, CallError, Change};
use ringway::control::view::ReplicaState;
use ringway::control::{CALLS_MAX, CONTROL_SERVICE};
use tower::ServiceExt;

use crate::exposition;
use crate::fake::{Fake, INGRESS, failure, token};

struct Answer {
    status: StatusCode,
    fields: HeaderMap,
    body: String,
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, fields: head.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

async fn ask(router: &Router, method: &str, target: &str, body: &str) -> Answer {
    let request = Request::builder().method(method).uri(target).body(Body::from(body.to_owned())).unwrap();
    send(router, request).await
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test);
}

fn names(names: &[&str]) -> CallAnswer {
    Ok(names.iter().map(|name| name.parse().unwrap()).collect())
}

fn name(name: &str) -> ReplicaName {
    name.parse().unwrap()
}

const THREE: &[(&str, &str, &[&str])] = &[("web", "process", &["Server-1", "Server-2", "Server-3"])];

fn refusal(reason: &str) -> String {
    format!("{{\"message\":\"<Error> {reason}\",\"status\":\"failure\"}}")
}

#[test]
fn the_three_calls_answer_as_system_a_does() {
    run(async {
        let router = Fake::with(THREE).answering(None, |call| match call.change {
            Change::Add { n, names: written } => {
                assert_eq!((n, written, call.wait), (4, vec!["a".to_owned(), "b".to_owned()], false));
                names(&["Server-1", "a", "b", "Server-123-456", "Server-2"])
            }
            Change::Remove { n, names: written } => {
                assert_eq!((n, written, call.wait), (1, vec![], true));
                assert_eq!(call.service.as_deref(), Some("web"));
                names(&[])
            }
        });
        let cases = [
            (
                "GET",
                "/rep",
                "",
                r#"{"message":{"N":3,"replicas":["Server-1","Server-2","Server-3"]},"status":"successful"}"#,
            ),
            (
                "POST",
                "/add",
                r#"{"n":4,"hostnames":["a","b"]}"#,
                r#"{"message":{"N":5,"replicas":["Server-1","a","b","Server-123-456","Server-2"]},"status":"successful"}"#,
            ),
            (
                "DELETE",
                "/rm?wait=active&service=%77eb",
                r#"{"n":1}"#,
                r#"{"message":{"N":0,"replicas":[]},"status":"successful"}"#,
            ),
        ];
        for (method, target, body, expected) in cases {
            let answer = ask(&router, method, target, body).await;
            assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, expected), "{target}");
            assert_eq!(answer.fields["content-type"], "application/json", "{target}");
        }
    });
}

#[test]
fn rep_lists_members_only_of_static_services_too() {
    run(async {
        let fake = Fake::with(&[("web", "static", &["a", "b"]), ("api", "static", &["c"])]);
        fake.change("b", |replica| {
            replica.member = false;
            replica.state = ReplicaState::Draining;
        });
        let router = fake.answering(None, |_| unreachable!("nothing is changed"));
        let answer = ask(&router, "GET", "/rep?service=web", "").await;
        assert_eq!(answer.body, r#"{"message":{"N":1,"replicas":["a"]},"status":"successful"}"#);
        for (target, reason) in [
            ("/rep", "there are several services (web, api); name one with ?service=NAME"),
            ("/rep?service=x%0a%22", r#"there is no service 'x\\n\\\"'"#),
        ] {
            let answer = ask(&router, "GET", target, "").await;
            assert_eq!((answer.status.as_u16(), answer.body), (400, refusal(reason)), "{target}");
        }
    });
}

#[test]
fn what_control_refuses_is_400_if_the_caller_is_to_blame_and_503_else() {
    let cases = [
        (CallError::NotPositive(0), 400, "n is 0; write how many replicas, 1 at least"),
        (
            CallError::MoreNamesThanN { names: 2, n: 1 },
            400,
            "there are 2 hostnames for n = 1; write at most n",
        ),
        (CallError::Duplicate(name("a")), 400, "hostname 'a' is there twice"),
        (CallError::Exists(name("a")), 400, "a replica 'a' exists already"),
        (CallError::Unknown(name("a")), 400, "there is no replica 'a'"),
        (CallError::TooFew { n: 9, replicas: 3 }, 400, "n is 9, but there are 3 replicas"),
        (
            CallError::Storage("disk full".to_owned()),
            503,
            "the change was not made, because it cannot be stored: disk full",
        ),
        (CallError::Stopping, 503, "Ringway is stopping; no replica is added or removed any more"),
        (CallError::NotInTime(30), 503, "the change is made, but not complete after 30 s; see /status"),
    ];
    run(async {
        for (error, status, reason) in cases {
            let refused = error.clone();
            let router = Fake::with(THREE).answering(None, move |_| Err(refused.clone()));
            for (method, target) in [("POST", "/add"), ("DELETE", "/rm")] {
                let answer = ask(&router, method, target, "{\"n\":1}").await;
                assert_eq!((answer.status.as_u16(), answer.body), (status, refusal(reason)), "{error:?}");
                assert!(!answer.fields.contains_key("retry-after"), "{error:?}: it may have been done");
            }
        }
    });
}

#[test]
fn a_body_that_says_nothing_reaches_no_one() {
    run(async {
        let router = Fake::with(THREE).answering(None, |call| unreachable!("{call:?}"));
        let long = format!("{{\"n\":1,\"x\":\"{}\"}}", "x".repeat(1024 * 1024));
        let cases = [
            ("", 400, "the body is empty"),
            ("{\"n\":\"3\"}", 400, "n is no whole number"),
            ("{\"n\":1,\"hostnames\":[1]}", 400, "hostnames is no list of strings"),
            (&long, 413, "the body is longer than 1 MiB"),
        ];
        for (body, status, reason) in cases {
            for (method, target) in [("POST", "/add"), ("DELETE", "/rm")] {
                let answer = ask(&router, method, target, body).await;
                assert_eq!(answer.status.as_u16(), status, "{target} {reason}");
                let begin = format!("{{\"message\":\"<Error> {reason}");
                assert!(answer.body.starts_with(&begin), "{}", answer.body);
                assert!(answer.body.ends_with("\",\"status\":\"failure\"}"), "{}", answer.body);
            }
        }
        let answer = ask(&router, "POST", "/add?wait=forever", "{\"n\":1}").await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains("unknown variant `forever`"), "{}", answer.body);
    });
}

/// A body of which nothing ever comes.
struct Stalled;

impl hyper::body::Body for Stalled {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        Poll::Pending
    }
}

#[test]
fn a_body_that_stalls_is_given_up() {
    run(async {
        let router = Fake::with(THREE).answering(None, |call| unreachable!("{call:?}"));
        let began = tokio::time::Instant::now();
        let answer = send(&router, Request::post("/add").body(Body::new(Stalled)).unwrap()).await;
        assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(answer.body, refusal("the body did not come within 10 s"));
        assert_eq!(began.elapsed(), Duration::from_secs(10));
    });
}

#[test]
fn rep_answers_while_control_is_busy_and_calls_beyond_the_queue_are_refused() {
    run(async {
        let Fake { shared, calls, pending } = Fake::with(THREE);
        let router = admin::router(shared, calls, None);
        let local = tokio::task::LocalSet::new();
        for _ in 0..CALLS_MAX {
            let router = router.clone();
            local.spawn_local(async move { ask(&router, "POST", "/add", "{\"n\":1}").await });
        }
        local.run_until(tokio::time::sleep(Duration::from_millis(1))).await;
        let answer = ask(&router, "POST", "/add", "{\"n\":1}").await;
        let expected = refusal("64 calls are waiting already; repeat this one later");
        assert_eq!(answer.fields["retry-after"], "1", "nothing was done");
        assert_eq!((answer.status.as_u16(), answer.body), (503, expected));
        assert_eq!(ask(&router, "GET", "/rep", "").await.status, 200);
        drop(pending);
        let answer = ask(&router, "DELETE", "/rm", "{\"n\":1}").await;
        let expected = refusal("Ringway is stopping and answers no calls any more");
        assert_eq!((answer.status.as_u16(), answer.body), (503, expected));
    });
}

#[test]
fn other_paths_and_methods_are_refused_in_the_same_form() {
    run(async {
        let router = Fake::with(THREE).answering(None, |call| unreachable!("{call:?}"));
        for (method, target, status, allowed) in [
            ("POST", "/rep", 405, Some("GET,HEAD")),
            ("GET", "/add", 405, Some("POST")),
            ("PUT", "/add", 405, Some("POST")),
            ("POST", "/rm", 405, Some("DELETE")),
            ("DELETE", "/status", 405, Some("GET,HEAD")),
            ("GET", "/", 404, None),
            ("GET", "/rep/", 404, None),
            ("GET", "/Rep", 404, None),
        ] {
            let answer = ask(&router, method, target, "").await;
            let allow = answer.fields.get("allow").map(|value| value.to_str().unwrap());
            assert_eq!((answer.status.as_u16(), allow), (status, allowed), "{method} {target}");
            assert!(answer.body.starts_with("{\"message\":\"<Error> "), "{method} {target}: {}", answer.body);
        }
    });
}

#[test]
fn a_token_is_asked_for_by_all_but_the_probes() {
    run(async {
        let router = Fake::with(THREE).answering(token(), |call| unreachable!("{call:?}"));
        let with = |target: &str, field: Option<&str>| {
            let request = Request::get(target);
            let request = match field {
                Some(field) => request.header("authorization", field),
                None => request,
            };
            request.body(Body::empty()).unwrap()
        };
        for target in ["/rep", "/add", "/rm", "/status", "/metrics"] {
            for field in
                [None, Some(""), Some("Bearer"), Some("Bearer wrong"), Some("Basic s3cret"), Some("s3cret")]
            {
                let answer = send(&router, with(target, field)).await;
                assert_eq!(answer.status, 401, "{target} {field:?}");
                assert_eq!(answer.fields["www-authenticate"], "Bearer");
                let expected = "send the token of admin.token_file as Authorization: Bearer TOKEN";
                assert_eq!(answer.body, refusal(expected));
            }
            let answer = send(&router, with(target, Some("bearer s3cret"))).await;
            assert_ne!(answer.status, 401, "{target}");
        }
        for target in ["/healthz", "/readyz"] {
            assert_eq!(send(&router, with(target, None)).await.status, 200, "{target}");
        }
    });
}

#[test]
fn ready_is_said_once_every_service_had_a_replica() {
    run(async {
        let fake = Fake::with(&[
            ("web", "process", &["a", "b"]),
            ("api", "process", &["c"]),
            ("empty", "process", &[]),
        ]);
        let shared = fake.shared.clone();
        let snapshot = shared.snapshots.current();
        let health = |service: usize, replica: usize| &snapshot.services[service].replicas[replica].health;
        for (service, replica) in [(0, 0), (0, 1), (1, 0)] {
            health(service, replica).clear();
        }
        let router = fake.answering(None, |call| unreachable!("{call:?}"));
        let readiness = async || {
            let answer = ask(&router, "GET", "/readyz", "").await;
            (answer.status.as_u16(), answer.body)
        };
        let starting = (503, "starting\n".to_owned());
        assert_eq!(readiness().await, starting);
        health(0, 1).set();
        assert_eq!(readiness().await, starting, "api has none");
        health(1, 0).set();
        assert_eq!(readiness().await, (200, "ready\n".to_owned()));
        health(1, 0).clear();
        health(0, 1).clear();
        assert_eq!(readiness().await.0, 200, "a service that fails later is answered for with its own 503");
    });
}

#[test]
fn a_service_in_a_crash_loop_holds_up_no_other_but_alone_it_is_not_ready() {
    run(async {
        let fake = Fake::with(&[("web", "process", &["a"]), ("api", "process", &["b", "c"])]);
        let shared = fake.shared.clone();
        let snapshot = shared.snapshots.current();
        let all = || snapshot.services.iter().flat_map(|service| &service.replicas);
        all().for_each(|replica| _ = replica.health.clear());
        for name in ["a", "b", "c"] {
            fake.change(name, |replica| replica.state = ReplicaState::CrashLoop);
        }
        let router = fake.answering(None, |call| unreachable!("{call:?}"));
        assert_eq!(ask(&router, "GET", "/readyz", "").await.status, 503);
        snapshot.services[0].replicas[0].health.set();
        assert_eq!(ask(&router, "GET", "/readyz", "").await.status, 200);
    });
}

#[test]
fn the_control_calls_on_the_ingress_make_nobody_ready() {
    run(async {
        let fake = Fake::with(&[("web", "process", &["a"]), (CONTROL_SERVICE, "static", &["admin"])]);
        fake.shared.snapshots.current().services[0].replicas[0].health.clear();
        fake.change("a", |replica| replica.state = ReplicaState::CrashLoop);
        let router = fake.answering(None, |call| unreachable!("{call:?}"));
        assert_eq!(ask(&router, "GET", "/readyz", "").await.status, 503);
    });
}

#[test]
fn status_joins_what_control_knows_with_what_the_cores_count() {
    run(async {
        let fake = Fake::with(&[("web", "process", &["a", "b"])]);
        fake.change("b", |replica| {
            replica.state = ReplicaState::Waiting;
            (replica.runs_as, replica.address) = (None, None);
            (replica.restarts, replica.missed_heartbeats, replica.next_start_ms) = (2, 3, Some(400));
            replica.last_failure = failure("exited with 1", &["no port", "bye"]);
        });
        let snapshot = fake.shared.snapshots.current();
        let [a, b] = &snapshot.services[0].replicas[..] else { panic!("two replicas") };
        b.health.clear();
        for core in 0..2 {
            a.counts.of_core(core).in_flight.set(1);
            a.counts.of_core(core).attempts.set(10);
            a.counts.of_core(core).answers.set(8);
            a.counts.of_core(core).failures.set(1);
        }
        fake.shared.cores[0].counters.generation.set(1);
        let router = fake.answering(None, |call| unreachable!("{call:?}"));
        let status = ask(&router, "GET", "/status", "").await.body;
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        assert_eq!(status["listen"], serde_json::json!([INGRESS]));
        assert_eq!(status["readiness"], "ready");
        assert_eq!(status["storage_fault"], serde_json::Value::Null);
        assert_eq!(status["cores"][0]["generation_lag"], 0);
        assert_eq!(status["cores"][1]["generation_lag"], 1, "it has not looked yet");
        let service = &status["services"][0];
        assert_eq!((&service["name"], &service["provider"]), (&"web".into(), &"process".into()));
        assert_eq!(service["algorithm"], "rendezvous");
        assert_eq!(service["digest"], ringway::placement::digest::of_service(&snapshot.services[0]));
        let expected = serde_json::json!([
            {
                "name": "a", "ordinal": 1, "instance": 1, "state": "active", "member": true, "up": true,
                "address": "127.0.0.1:20001", "pid": 1001, "container": null, "weight": 1, "in_flight": 2, "attempts": 20,
                "answers": 16, "failures": 2, "restarts": 0, "missed_heartbeats": 0, "next_start_ms": null,
                "last_failure": null
            },
            {
                "name": "b", "ordinal": 2, "instance": 1, "state": "waiting", "member": true, "up": false, "address": null,
                "pid": null, "container": null, "weight": 1, "in_flight": 0, "attempts": 0, "answers": 0, "failures": 0,
                "restarts": 2, "missed_heartbeats": 3, "next_start_ms": 400,
                "last_failure": { "reason": "exited with 1", "log": ["no port", "bye"] }
            }
        ]);
        assert_eq!(service["replicas"], expected);
    });
}

#[test]
fn metrics_have_a_line_for_each_replica_and_state() {
    run(async {
        let fake = Fake::with(&[("web", "process", &["a", "b"])]);
        fake.change("b", |replica| {
            replica.state = ReplicaState::CrashLoop;
            replica.restarts = 7;
        });
        let snapshot = fake.shared.snapshots.current();
        snapshot.services[0].replicas[0].counts.of_core(1).in_flight.set(5);
        snapshot.services[0].replicas[1].health.clear();
        let router = fake.answering(None, |call| unreachable!("{call:?}"));
        let page = ask(&router, "GET", "/metrics", "").await.body;
        for line in [
            "ringway_replica_up{service=\"web\",replica=\"a\"} 1",
            "ringway_replica_up{service=\"web\",replica=\"b\"} 0",
            "ringway_replica_in_flight{service=\"web\",replica=\"a\"} 5",
            "ringway_replica_attempts_total{service=\"web\",replica=\"a\"} 0",
            "ringway_replica_answers_total{service=\"web\",replica=\"b\"} 0",
            "ringway_replica_failures_total{service=\"web\",replica=\"b\"} 0",
            "ringway_replica_state{service=\"web\",replica=\"a\",state=\"active\"} 1",
            "ringway_replica_state{service=\"web\",replica=\"b\",state=\"active\"} 0",
            "ringway_replica_state{service=\"web\",replica=\"b\",state=\"crash-loop\"} 1",
            "ringway_restarts_total{service=\"web\",replica=\"b\"} 7",
            "ringway_generation_lag{core=\"1\"} 1",
            "ringway_storage_fault 0",
        ] {
            assert!(page.lines().any(|candidate| candidate == line), "{line} is missing in:\n{page}");
        }
    });
}

#[test]
fn the_ring_answers_questions_and_refuses_those_that_it_cannot_read() {
    run(async {
        let fake = Fake::with(&[("web", "process", &["a", "b"]), ("api", "process", &["c"])]);
        let router = fake.answering(None, |call| unreachable!("{call:?}"));
        let get = async |target: &str| {
            let answer = ask(&router, "GET", target, "").await;
            let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            (answer.status.as_u16(), body)
        };
        let (status, all) = get("/ring/digest").await;
        assert_eq!((status, all["services"].as_array().unwrap().len()), (200, 2));
        let (_, one) = get("/ring/digest?service=api").await;
        assert_eq!(one["digest"], all["services"][1]["digest"]);
        let (_, explained) = get("/ring/explain?service=web&key=%2Fhome").await;
        assert_eq!(explained["hash"], "6736ff856ddce61d");
        assert_eq!(explained["chosen"], explained["replicas"][0]["name"]);
        let (_, preview) = get("/ring/preview?service=web&add=x,y&remove=a").await;
        assert_eq!(preview["basis"], "exact");
        assert_eq!(preview["members"].as_array().unwrap().len(), 4);
        let (_, nothing) = get("/ring/preview?service=web").await;
        assert_eq!(nothing["moved"], 0.0);
        for (target, expected) in [
            ("/ring/explain?key=x", "there are several services"),
            ("/ring/explain?service=web", "missing field `key`"),
            ("/ring/explain?service=web&key=%ff", "no UTF-8"),
            ("/ring/digest?service=none", "there is no service 'none'"),
            ("/ring/preview?service=web&add=a", "a replica 'a' exists already"),
            ("/ring/preview?service=web&remove=b,b", "the name 'b' is there twice"),
            ("/ring/preview?service=web&drop=b", "unknown field `drop`"),
        ] {
            let (status, refused) = get(target).await;
            let message = refused["message"].as_str().unwrap();
            assert!(status == 400 && message.contains(expected), "{target}: {status} {message}");
        }
    });
}

#[test]
fn the_page_of_metrics_is_valid_and_keeps_hostile_names_apart() {
    run(async {
        let names = ["a\"b", "a\\b", "a\nb", "[::1]:80", "é"];
        let fake = Fake::with(&[("web", "static", &names), ("api", "static", &["x"])]);
        for micros in [50, 700, 80_000_000] {
            fake.shared.cores[1].counters.latency.record(Duration::from_micros(micros));
        }
        let router = fake.answering(None, |call| unreachable!("{call:?}"));
        let answer = ask(&router, "GET", "/metrics", "").await;
        assert_eq!(answer.fields["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        let page = exposition::read(&answer.body).unwrap();
        let labels = |family: &str, label: &str| -> BTreeSet<String> {
            page[family].samples.iter().map(|sample| sample.labels[label].clone()).collect()
        };
        let replicas = names.iter().copied().chain(["x"]).map(str::to_owned).collect();
        for family in ["ringway_replica_up", "ringway_replica_state", "ringway_restarts_total"] {
            assert_eq!(labels(family, "replica"), replicas, "{family}");
            assert_eq!(labels(family, "service").len(), 2, "{family}");
        }
        let count = page["ringway_request_seconds"].samples.last().unwrap();
        assert_eq!((count.name.as_str(), count.value), ("ringway_request_seconds_count", 3.0));
    });
}

#[test]
fn a_change_for_the_page_of_another_site_is_refused_where_there_is_no_token() {
    run(async {
        let send_from = async |router: &Router, method: &str, target: &str, origin: &str| {
            let request = Request::builder().method(method).uri(target).header("host", "127.0.0.1:8081");
            let request = request.header("origin", origin).header("authorization", "Bearer s3cret");
            send(router, request.body(Body::from("{\"n\":1}")).unwrap()).await
        };
        let open = Fake::with(THREE).answering(None, |_| names(&["a"]));
        let guarded = Fake::with(THREE).answering(token(), |_| names(&["a"]));
        for (method, target) in [("POST", "/add"), ("DELETE", "/rm")] {
            for origin in ["http://evil.example", "null", "http://127.0.0.1:3000"] {
                let answer = send_from(&open, method, target, origin).await;
                assert_eq!(answer.status, 403, "{target} {origin}");
                assert!(answer.body.contains("<Error> a browser sends this"), "{}", answer.body);
                assert_eq!(
                    send_from(&guarded, method, target, origin).await.status,
                    200,
                    "{target} {origin}"
                );
            }
            let own = send_from(&open, method, target, "http://127.0.0.1:8081").await;
            assert_eq!(own.status, 200, "{target}");
        }
        let answer = send_from(&open, "GET", "/rep", "http://evil.example").await;
        assert_eq!(answer.status, 200);
        assert!(!answer.fields.contains_key("access-control-allow-origin"), "so no page can read it");
    });
}
