//! The commands beside `run`, and starts that fail.

use std::net::TcpListener;
use std::process::{Command, Output};

use crate::harness::Engine;
use crate::harness::proxy::{Attempt, Folder, PROGRAM};

pub(crate) fn an_address_in_use_is_an_error_that_says_so(engine: Engine) {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let cases = [(address.as_str(), "127.0.0.1:0", "listen.http"), ("127.0.0.1:0", &address, "admin.listen")];
    for (http, admin, key) in cases {
        let text = format!(
            "engine = \"{}\"\ncores = 2\n[listen]\nhttp = \"{http}\"\n[admin]\nlisten = \"{admin}\"\n",
            engine.0
        );
        let ended = Attempt::with_file(engine, &text).outcome().expect_err("the address is in use");
        assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
        let expected = format!("cannot listen on {address} ({key}): ");
        assert!(ended.log.contains(&expected) && ended.log.contains("in use"), "{}", ended.log);
    }
}

fn ringway(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(PROGRAM).args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn check_says_what_a_good_file_holds() {
    let folder = Folder::new();
    let text = "[[service]]\nreplicas = { addresses = [\"127.0.0.1:9001\", \"127.0.0.1:9002\"] }\n";
    let file = folder.write("good.toml", text);
    let file = file.to_str().unwrap();
    let expected = format!("{file}: valid; 1 services, 2 replicas\n");
    assert_eq!(ringway(&["check", file]), (Some(0), expected, String::new()));
}

#[test]
fn check_and_run_say_all_that_is_wrong_with_a_bad_file() {
    let folder = Folder::new();
    let file = folder.write("bad.toml", "cores = 0\n[[service]]\nname = \"web\"\nkeys = \"path\"\n");
    let file = file.to_str().unwrap();
    for arguments in [vec!["check", file], vec!["run", "-c", file]] {
        let (code, out, error) = ringway(&arguments);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{error}");
        for part in
            ["bad.toml:1: cores: ", "bad.toml:4: service[0].keys: ", "service[0].replicas: is missing"]
        {
            assert!(error.contains(part), "{part} is missing in: {error}");
        }
    }
}

#[test]
fn replicas_that_their_placement_cannot_take_are_found_before_anything_runs() {
    let folder = Folder::new();
    let addresses: Vec<String> = (1..=60).map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let text = format!(
        "[listen]\nhttp = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[[service]]\nname = \"web\"\n\
         placement = {{ algorithm = \"slots\" }}\nreplicas = {{ addresses = [{}] }}\n",
        addresses.join(", ")
    );
    let file = folder.write("full.toml", text);
    let file = file.to_str().unwrap();
    for arguments in [vec!["check", file], vec!["run", "-c", file]] {
        let (code, _, error) = ringway(&arguments);
        assert_eq!(code, Some(1), "{error}");
        assert!(error.contains("service 'web'") && error.contains("linear probing"), "{error}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let (code, _, error) = ringway(&["check", "/nowhere/ringway.toml"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("/nowhere/ringway.toml: cannot be read: "), "{error}");
    let (code, _, error) = ringway(&["serve"]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("unrecognized subcommand 'serve'"), "{error}");
}
