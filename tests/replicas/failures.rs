//! Replicas that cannot start, and a disk that is full.

use std::fs;
use std::process::Command;

use rustix::process::Signal;

use crate::harness::clock::poll;
use crate::harness::engines::skip;
use crate::stage::{ECHO, Stage, names_of, signal};

/// A service that works, and one whose replica runs `command`.
fn beside_a_good_one(command: &str) -> Stage {
    Stage::with(&format!(
        "[[service]]\nname = \"bad\"\nmatch = {{ path = \"/bad\" }}\n[service.replicas]\nprovider = \"process\"\n\
         command = {command}\nstartup_ms = 300\nbackoff_min_ms = 10\nbackoff_max_ms = 100\ncrash_loop = 3\n\
         [[service]]\nname = \"good\"\n[service.replicas]\nprovider = \"process\"\n{ECHO}\n"
    ))
}

#[test]
fn a_replica_that_cannot_start_is_shown_with_its_reason_and_disturbs_nobody() {
    let cases = [
        (r#"["./there-is-no-such-program"]"#, "127", "there-is-no-such-program"),
        (
            r#"["sh", "-c", "echo first; echo no luck today >&2; exit 3"]"#,
            "exited with code 3",
            "no luck today",
        ),
        (r#"["sleep", "600"]"#, "did not answer", ""),
        (r#"["{ringway}", "worker", "echo", "--listen", "127.0.0.1:0"]"#, "did not answer", "listens on"),
    ];
    for (command, reason, log) in cases {
        let stage = beside_a_good_one(command);
        let ringway = stage.start();
        ringway.await_state(1, "Server-1", "active");
        let replica = ringway.await_state(0, "Server-1", "crash-loop");
        let failure = &replica["last_failure"];
        assert!(failure["reason"].as_str().unwrap().contains(reason), "{command}: {replica}");
        assert!(failure["log"].to_string().contains(log), "{command}: {replica}");
        assert!(replica["restarts"].as_u64().unwrap() >= 2, "{command}: {replica}");
        let answer = ringway.ask("GET /bad", "");
        assert_eq!(answer.status, 503, "{command}");
        assert!(answer.field("Retry-After").is_some(), "{command}");
        assert_eq!(ringway.ask("GET /good", "").status, 200);
        assert_eq!(ringway.replica(1, "Server-1").unwrap()["restarts"], 0);
        let ended = ringway.stop();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
        assert!(stage.living().is_empty(), "{command}: {:?}", stage.living());
    }
}

/// A file system of a few pages, mounted while it lives.
struct TinyDisk(std::path::PathBuf);

impl TinyDisk {
    /// `None` where mounting is not allowed.
    fn mount(path: std::path::PathBuf) -> Option<TinyDisk> {
        fs::create_dir_all(&path).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "ringway-test"]).arg(&path).status();
        mounted.is_ok_and(|status| status.success()).then_some(TinyDisk(path))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_state_directory_that_was_removed_is_made_again_with_the_next_change() {
    let stage = Stage::new("count = 2", "");
    let ringway = stage.start();
    ringway.await_active(&["Server-1", "Server-2"]);
    let directory = stage.path("ringway.state");
    fs::remove_dir_all(&directory).unwrap();
    let victim = stage.pid_of("Server-1");
    signal(victim, Signal::KILL);
    stage.await_gone(victim);
    stage.await_living(&["Server-1", "Server-2"]);
    ringway.await_active(&["Server-1", "Server-2"]);
    assert!(directory.join("state.json").exists());
    ringway.kill();
    let ringway = stage.start();
    ringway.await_active(&["Server-1", "Server-2"]);
    stage.await_living(&["Server-1", "Server-2"]);
    ringway.stop();
}

#[test]
fn a_full_disk_refuses_a_call_and_leaves_the_state_as_it_was() {
    let stage = Stage::new("count = 1", "");
    let Some(disk) = TinyDisk::mount(stage.path("ringway.state")) else {
        skip("a full disk under the state file", "a file system cannot be mounted here");
        return;
    };
    let ringway = stage.start();
    ringway.await_active(&["Server-1"]);
    let state = || fs::read_to_string(disk.0.join("state.json")).unwrap();
    let before = state();
    let filler = disk.0.join("filler");
    // All that is free, to the last byte.
    let _ = fs::write(&filler, vec![0; 1 << 20]);
    let answer = ringway.ask("POST /add", r#"{"n": 1, "hostnames": ["b"]}"#);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(
        answer.text().contains("<Error> ") && answer.text().contains("No space left"),
        "{}",
        answer.text()
    );
    assert_eq!(ringway.names(), ["Server-1"]);
    assert_eq!(state(), before);
    assert!(ringway.status()["storage_fault"].as_str().unwrap().contains("No space left"));
    assert_eq!(ringway.ask("GET /home", "").status, 200);
    fs::remove_file(filler).unwrap();
    let added = poll("the call to be taken", || {
        let answer = ringway.ask("POST /add?wait=active", r#"{"n": 1, "hostnames": ["b"]}"#);
        (answer.status == 200).then(|| names_of(&answer))
    });
    assert_eq!(added, ["Server-1", "b"]);
    assert!(ringway.status()["storage_fault"].is_null());
    ringway.stop();
    drop(disk);
}
