//! Which service and which replica a request goes to.

use std::collections::HashMap;

use crate::harness::{Backend, Client, Engine, Proxy, service};

pub(crate) fn a_request_goes_to_the_service_of_its_host_and_path(engine: Engine) {
    let replicas = ["any", "api", "exact", "wild"].map(|name| (name, Backend::echo(name)));
    let rules = [
        "name = \"any\"\nmatch = { host = \"only.example\" }",
        "name = \"api\"\nmatch = { host = \"only.example\", path = \"/api\" }",
        "name = \"exact\"\nmatch = { host = \"a.wild.example\" }",
        "name = \"wild\"\nmatch = { host = \"*.wild.example\" }",
    ];
    let services =
        rules.iter().zip(&replicas).map(|(rule, (name, backend))| service(rule, &[(name, backend)]));
    let proxy = Proxy::start(engine, 1, &services.collect::<String>());
    let mut client = proxy.client();
    let cases = [
        ("only.example", "/", Some("any")),
        ("ONLY.example:8080", "/apiary", Some("any")),
        ("only.example", "/api", Some("api")),
        ("only.example", "/api/x?y", Some("api")),
        ("a.wild.example", "/", Some("exact")),
        ("b.wild.example", "/", Some("wild")),
        ("wild.example", "/", None),
        ("other.example", "/api", None),
    ];
    for (host, path, expected) in cases {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let answer = client.answer();
        match expected {
            Some(name) => assert_eq!((answer.status, answer.replica().as_str()), (200, name), "{host}{path}"),
            // The connection goes on: nothing was wrong with the request.
            None => assert_eq!((answer.status, answer.field("X-Replica")), (404, None), "{host}{path}"),
        }
    }
}

/// Sends one key on a connection and returns who answered.
fn placed(client: &mut Client, key: usize) -> String {
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Key: key-{key}\r\n\r\n"));
    client.answer().replica()
}

pub(crate) fn a_key_stays_with_its_replica_and_keys_spread(engine: Engine) {
    let replicas = ["a", "b", "c"].map(|name| (name, Backend::echo(name)));
    let replicas = [0, 1, 2].map(|index| (replicas[index].0, &replicas[index].1));
    let proxy = Proxy::start(engine, 2, &service("key = \"header:x-key\"", &replicas));
    let mut client = proxy.client();
    let places: HashMap<usize, String> = (0..60).map(|key| (key, placed(&mut client, key))).collect();
    for name in ["a", "b", "c"] {
        let share = places.values().filter(|place| *place == name).count();
        assert!((5..=40).contains(&share), "{name} has {share} of 60 keys");
    }
    // Two at once are on two cores.
    let mut other = proxy.client();
    for (key, place) in &places {
        assert_eq!(&placed(&mut other, *key), place, "key {key}");
    }
    assert_eq!([0, 1].map(|core| core_requests(&proxy, core)), [60, 60]);
}

fn core_requests(proxy: &Proxy, core: usize) -> u64 {
    let status: serde_json::Value = serde_json::from_slice(&proxy.operator("/status").body).unwrap();
    status["cores"][core]["requests"].as_u64().expect("a count")
}

pub(crate) fn a_request_without_its_key_is_refused_where_the_service_says_so(engine: Engine) {
    let replica = Backend::echo("a");
    let keys = "key = [\"header:x-key\", \"query:key\"]\nfallback = \"reject\"";
    let proxy = Proxy::start(engine, 1, &service(keys, &[("a", &replica)]));
    assert_eq!(proxy.get("/").status, 400);
    assert_eq!(proxy.get("/?key=1").status, 200);
}
