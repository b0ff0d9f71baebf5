//! One configuration on one state directory, over several lives of the program; and the processes that belong to it.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, id};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::client::{Answer, Client};
use crate::harness::clock::poll;
use crate::harness::proxy::{Ended, Folder, PROGRAM, Process};

/// A replica that answers as system A's do.
pub(crate) const ECHO: &str =
    r#"command = ["{ringway}", "worker", "echo", "--listen", "127.0.0.1:{port}", "--id", "{name}"]"#;

/// A configuration's folder. What still runs of it is killed with its value.
#[derive(Debug)]
pub(crate) struct Stage {
    folder: Folder,
    /// Stands in the environment of each of its processes.
    mark: String,
}

impl Stage {
    /// A stage for one service `web` whose replicas are echo workers; `replicas` and `service` are further lines of the
    /// tables.
    pub(crate) fn new(replicas: &str, service: &str) -> Stage {
        Stage::with(&format!(
            "[[service]]\nname = \"web\"\n{service}\n[service.replicas]\nprovider = \"process\"\n{ECHO}\n{replicas}\n"
        ))
    }

    /// A stage for these services. In each table of replicas that names no environment the mark stands in its stead.
    pub(crate) fn with(services: &str) -> Stage {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{}-{}", id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let stage = Stage { folder: Folder::new(), mark };
        stage.configure(services);
        stage
    }

    /// Writes another configuration for the next start.
    pub(crate) fn configure(&self, services: &str) {
        let marked = services.replace(
            "provider = \"process\"",
            &format!("provider = \"process\"\nenv = {{ TEST_MARK = \"{}\" }}", self.mark),
        );
        let head = "engine = \"epoll\"\ncores = 2\n[listen]\nhttp = \"127.0.0.1:0\"\n[admin]\n\
                    listen = \"127.0.0.1:0\"\non_ingress = true\n";
        self.folder.write("ringway.toml", format!("{head}{marked}"));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    /// Starts the program; it listens when this returns, its replicas need not.
    pub(crate) fn start(&self) -> Ringway {
        self.start_by(&mut Command::new(PROGRAM))
    }

    /// The same by a command that becomes the program with the arguments that it is given.
    pub(crate) fn start_by(&self, command: &mut Command) -> Ringway {
        let process = Process::spawn(command.arg("run").arg("-c").arg(self.path("ringway.toml")));
        let address = |line: &str| -> SocketAddr {
            let line = process.line(line).unwrap_or_else(|said| panic!("the program ended:\n{said}"));
            line.rsplit("address=").next().unwrap().trim().parse().unwrap()
        };
        let http = address("listening for clients");
        Ringway { http, admin: address("listening for the operator"), process }
    }

    /// Starts the program where that is to fail.
    pub(crate) fn refused(&self) -> Ended {
        Process::spawn(Command::new(PROGRAM).arg("run").arg("-c").arg(self.path("ringway.toml"))).wait()
    }

    /// The processes of this stage's replicas that live, zombies not among them: pids by the replica's name.
    pub(crate) fn living(&self) -> BTreeMap<String, Vec<i32>> {
        let mark = format!("TEST_MARK={}", self.mark);
        let mut living: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // Gone, or somebody else's.
            let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
            let variables = || environment.split(|&byte| byte == 0);
            if !variables().any(|variable| variable == mark.as_bytes()) {
                continue;
            }
            let name = variables().find_map(|variable| variable.strip_prefix(b"RINGWAY_REPLICA="));
            let name = String::from_utf8_lossy(name.unwrap_or_default()).into_owned();
            living.entry(name).or_default().push(pid);
        }
        living
    }

    /// The one process of a replica.
    pub(crate) fn pid_of(&self, name: &str) -> i32 {
        let living = self.living();
        let pids = living.get(name).unwrap_or_else(|| panic!("no process of {name}: {living:?}"));
        assert_eq!(pids.len(), 1, "several processes of {name}: {living:?}");
        pids[0]
    }

    /// Waits until a process of this stage lives no more.
    pub(crate) fn await_gone(&self, pid: i32) {
        poll("the end of a process", || {
            (!self.living().values().any(|pids| pids.contains(&pid))).then_some(())
        });
    }

    /// Waits until exactly these replicas have a process, one each.
    pub(crate) fn await_living(&self, names: &[&str]) {
        let expected: Vec<&str> = names.to_vec();
        poll(&format!("processes of {names:?}"), || {
            let living = self.living();
            let single = living.values().all(|pids| pids.len() == 1);
            (single && living.keys().map(String::as_str).eq(expected.iter().copied())).then_some(())
        });
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for pid in self.living().into_values().flatten() {
            signal(pid, Signal::KILL);
        }
    }
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    let pid = Pid::from_raw(pid).unwrap();
    // It may have ended meanwhile.
    let _ = kill_process(pid, signal);
}

/// The program, running.
#[derive(Debug)]
pub(crate) struct Ringway {
    pub(crate) http: SocketAddr,
    pub(crate) admin: SocketAddr,
    process: Process,
}

impl Ringway {
    /// A request to the ingress, on a connection of its own.
    pub(crate) fn ask(&self, request_line: &str, body: &str) -> Answer {
        ask(self.http, request_line, body)
    }

    /// A request to the admin listener.
    pub(crate) fn operate(&self, request_line: &str, body: &str) -> Answer {
        ask(self.admin, request_line, body)
    }

    /// The names of the replicas there shall be.
    pub(crate) fn names(&self) -> Vec<String> {
        let answer = self.ask("GET /rep", "");
        assert_eq!(answer.status, 200, "{}", answer.text());
        names_of(&answer)
    }

    pub(crate) fn status(&self) -> Value {
        serde_json::from_slice(&self.operate("GET /status", "").body).unwrap()
    }

    /// One counter of the metrics, named without its prefix.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let (metrics, name) = (self.operate("GET /metrics", "").text(), format!("ringway_{name} "));
        let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
        value.expect("a counter").parse().expect("a number")
    }

    /// One replica's part of the status, by the number of its service.
    pub(crate) fn replica(&self, service: usize, name: &str) -> Option<Value> {
        let status = self.status();
        let replicas = status["services"][service]["replicas"].as_array().unwrap().clone();
        replicas.into_iter().find(|replica| replica["name"] == name)
    }

    /// Waits until a replica is in a state; returns its part of the status.
    pub(crate) fn await_state(&self, service: usize, name: &str, state: &str) -> Value {
        poll(&format!("{name} to be {state}"), || {
            self.replica(service, name).filter(|replica| replica["state"] == state)
        })
    }

    /// Waits until all of these are active.
    pub(crate) fn await_active(&self, names: &[&str]) {
        for name in names {
            self.await_state(0, name, "active");
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.http)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn line(&self, part: &str) -> String {
        self.process.line(part).unwrap_or_else(|said| panic!("it ended without saying '{part}':\n{said}"))
    }

    /// Ends it in order and waits for that.
    pub(crate) fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.process.wait()
    }

    /// Kills it and waits for its end.
    pub(crate) fn kill(self) {
        self.signal(Signal::KILL);
        self.process.wait();
    }
}

pub(crate) fn ask(address: SocketAddr, request_line: &str, body: &str) -> Answer {
    let mut client = Client::connect(address);
    client.send(format!(
        "{request_line} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    client.answer()
}

/// The list of names in the answer to a control call.
pub(crate) fn names_of(answer: &Answer) -> Vec<String> {
    let value: Value = serde_json::from_slice(&answer.body).unwrap();
    let names = value["message"]["replicas"].as_array().unwrap_or_else(|| panic!("{value}")).clone();
    assert_eq!(value["message"]["N"], names.len(), "{value}");
    assert_eq!(value["status"], "successful", "{value}");
    names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}
