//! System A's control calls, to the letter.

use serde_json::{Value, json};

use crate::stage::{Ringway, Stage, names_of};

const THREE: [&str; 3] = ["Server-1", "Server-2", "Server-3"];

#[test]
fn replicas_are_listed_added_and_removed_on_both_listeners() {
    let stage = Stage::new("count = 3", "");
    let ringway = stage.start();
    ringway.await_active(&THREE);
    assert_eq!(ringway.names(), THREE);
    let answer = ringway.operate("GET /rep", "");
    let expected = json!({"message": {"N": 3, "replicas": THREE}, "status": "successful"});
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), expected);

    let answer = ringway.ask("POST /add?wait=active", r#"{"n": 4, "hostnames": ["a", "b"]}"#);
    let names = names_of(&answer);
    assert_eq!(names[..5], ["Server-1", "Server-2", "Server-3", "a", "b"]);
    assert_eq!(names.len(), 7);
    for made_up in &names[5..] {
        let (front, back) = made_up.strip_prefix("Server-").unwrap().split_once('-').unwrap();
        assert!([front, back].iter().all(|part| part.len() == 3 && part.parse::<u16>().is_ok()), "{made_up}");
    }
    let living = stage.living();
    assert_eq!(living.len(), 7, "each has its process when the answer comes: {living:?}");

    let answer = ringway.operate("DELETE /rm?wait=active", r#"{"n": 3, "hostnames": ["a", "Server-2"]}"#);
    let left = names_of(&answer);
    assert_eq!(left.len(), 4);
    assert!(!left.contains(&"a".to_owned()) && !left.contains(&"Server-2".to_owned()), "{left:?}");
    assert!(left.iter().all(|name| names.contains(name)), "{left:?}");
    let mut left: Vec<&str> = left.iter().map(String::as_str).collect();
    left.sort_unstable();
    stage.await_living(&left);
    assert_eq!(ringway.ask("GET /home", "").status, 200);
}

/// Each call that is to be refused, and a word of its reason.
const REFUSED: &[(&str, &str, &str)] = &[
    ("POST /add", r#"{"n": 0, "hostnames": []}"#, "n is 0"),
    ("POST /add", r#"{"n": -1}"#, "n is -1"),
    ("POST /add", r#"{"hostnames": ["a"]}"#, "n"),
    ("POST /add", r#"{"n": "four"}"#, "n"),
    ("POST /add", r#"{"n": 1.5}"#, "n"),
    ("POST /add", r#"{"n": null}"#, "n"),
    ("POST /add", r#"{"n": 99999999999999999999}"#, "n"),
    ("POST /add", "no JSON", "JSON"),
    ("POST /add", "", "body is empty"),
    ("POST /add", "[1]", "object"),
    ("POST /add", r#"{"n": 1, "hostnames": ["a", "b"]}"#, "2 hostnames"),
    ("POST /add", r#"{"n": 2, "hostnames": ["a", "a"]}"#, "twice"),
    ("POST /add", r#"{"n": 1, "hostnames": ["Server-1"]}"#, "exists"),
    ("POST /add", r#"{"n": 1, "hostnames": ["a/b"]}"#, "is no name"),
    ("POST /add", r#"{"n": 1, "hostnames": [""]}"#, "is no name"),
    ("POST /add", r#"{"n": 1, "hostnames": "a"}"#, "hostnames"),
    ("POST /add", r#"{"n": 1, "hostnames": [7]}"#, "hostnames"),
    ("POST /add", r#"{"n": 54}"#, "linear"),
    ("POST /add", r#"{"n": 100000}"#, "at most"),
    ("POST /add?service=other", r#"{"n": 1}"#, "no service"),
    ("DELETE /rm", r#"{"n": 0}"#, "n is 0"),
    ("DELETE /rm", r#"{"n": 4}"#, "there are 3"),
    ("DELETE /rm", r#"{"n": 1, "hostnames": ["Server-1", "Server-2"]}"#, "2 hostnames"),
    ("DELETE /rm", r#"{"n": 2, "hostnames": ["Server-1", "Server-1"]}"#, "twice"),
    ("DELETE /rm", r#"{"n": 1, "hostnames": ["nobody"]}"#, "no replica"),
    ("DELETE /rm", "{", "JSON"),
];

fn refuses(ringway: &Ringway, (request, body, reason): &(&str, &str, &str)) {
    for answer in [ringway.ask(request, body), ringway.operate(request, body)] {
        assert_eq!(answer.status, 400, "{request} {body}: {}", answer.text());
        let value: Value = serde_json::from_slice(&answer.body).unwrap();
        let message = value["message"].as_str().unwrap();
        assert!(message.starts_with("<Error> ") && message.contains(reason), "{request} {body}: {message}");
        assert_eq!(value["status"], "failure");
        assert_eq!(value.as_object().unwrap().len(), 2, "{value}");
    }
}

#[test]
fn a_refused_call_changes_nothing() {
    let long = format!(r#"{{"n": 1, "hostnames": ["{}"]}}"#, "x".repeat(64));
    let stage = Stage::new("count = 3", "placement = { algorithm = \"slots\" }");
    let ringway = stage.start();
    ringway.await_active(&THREE);
    let before = stage.living();
    for case in REFUSED.iter().chain([&("POST /add", long.as_str(), "is no name")]) {
        refuses(&ringway, case);
    }
    let quadratic = "placement = { algorithm = \"slots\", probing = \"quadratic\" }";
    assert_eq!(ringway.names(), THREE);
    assert_eq!(stage.living(), before);
    drop(ringway);
    let stage = Stage::new("count = 3", quadratic);
    let ringway = stage.start();
    ringway.await_active(&THREE);
    refuses(&ringway, &("POST /add", r#"{"n": 50}"#, "quadratic"));
    assert_eq!(ringway.names(), THREE);
}

#[test]
fn what_is_no_control_call_goes_to_a_replica() {
    let stage = Stage::new("count = 1", "");
    let ringway = stage.start();
    ringway.await_active(&["Server-1"]);
    for path in ["/rep/1", "/reps", "/add2", "/"] {
        let answer = ringway.ask(&format!("GET {path}"), "");
        assert_eq!((answer.status, &*answer.replica()), (200, "Server-1"), "{path}");
    }
    // The right path with the wrong method is a control call still.
    let answer = ringway.ask("GET /add", "");
    assert_eq!(answer.status, 405, "{}", answer.text());
    assert_eq!(answer.field("Allow"), Some("POST"));
    assert!(answer.text().contains("<Error> "), "{}", answer.text());
}

#[test]
fn a_service_is_named_where_there_are_several() {
    let service = |name: &str, path: &str| {
        format!(
            "[[service]]\nname = \"{name}\"\nmatch = {{ path = \"{path}\" }}\n[service.replicas]\n\
             provider = \"process\"\ncount = 1\n{}\n",
            crate::stage::ECHO
        )
    };
    let stage = Stage::with(&(service("one", "/one") + &service("two", "/")));
    let ringway = stage.start();
    let answer = ringway.ask("POST /add", r#"{"n": 1}"#);
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("?service=NAME"), "{}", answer.text());
    assert_eq!(ringway.ask("GET /rep", "").status, 400);
    let added = names_of(&ringway.ask("POST /add?service=two", r#"{"n": 1, "hostnames": ["b"]}"#));
    assert_eq!(added, ["Server-1", "b"]);
    assert_eq!(names_of(&ringway.ask("GET /rep?service=one", "")), ["Server-1"]);
}

#[test]
fn calls_survive_the_program_and_the_file_wins_when_its_count_changes() {
    let replicas = |count: u32| format!("count = {count}\non_exit = \"stop\"");
    let stage = Stage::new(&replicas(2), "");
    let ringway = stage.start();
    names_of(&ringway.ask("POST /add", r#"{"n": 1, "hostnames": ["c"]}"#));
    names_of(&ringway.ask("DELETE /rm", r#"{"n": 1, "hostnames": ["Server-1"]}"#));
    assert_eq!(ringway.stop().status.code(), Some(0));
    assert!(stage.living().is_empty(), "{:?}", stage.living());
    let ringway = stage.start();
    assert_eq!(ringway.names(), ["Server-2", "c"]);
    ringway.stop();
    stage.configure(&format!(
        "[[service]]\nname = \"web\"\n[service.replicas]\nprovider = \"process\"\n{}\n{}\n",
        crate::stage::ECHO,
        replicas(3)
    ));
    let ringway = stage.start();
    assert_eq!(ringway.names(), ["Server-2", "c", "Server-1"]);
}
