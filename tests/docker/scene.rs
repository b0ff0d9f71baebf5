//! A Ringway's name on an engine, its configurations, and all that carries the name.

use std::collections::BTreeMap;
use std::fs;

use crate::containers::Service;
use crate::docker::{Docker, image};
use crate::harness::clock::poll;
use crate::stage::{Ringway, Stage};

/// What the workers in the containers run.
pub(crate) const ECHO: &str =
    r#"command = ["worker", "echo", "--listen", "0.0.0.0:{port}", "--id", "{name}"]"#;

/// A name that nobody else on an engine has.
pub(crate) fn unique(front: &str) -> String {
    let random = fs::read_to_string("/proc/sys/kernel/random/uuid").expect("a random name");
    format!("{front}-{}", random.chars().take(8).collect::<String>())
}

/// What carries this name on the engine goes with the value, also when a test fails.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) docker: Docker,
    pub(crate) stage: Stage,
    /// Nobody else's on this engine.
    pub(crate) name: String,
}

impl Scene {
    /// A service `web` with three echo workers on the machine's engine; `None` if there is none.
    pub(crate) fn new(service: &Service<'_>) -> Option<Scene> {
        Some(Scene::at(Docker::of_machine()?, service))
    }

    /// The same on another engine.
    pub(crate) fn at(docker: Docker, service: &Service<'_>) -> Scene {
        let name = unique("test");
        let scene = Scene { docker, stage: Stage::with(""), name };
        scene.configure(service);
        scene
    }

    /// Writes another configuration for the next start.
    pub(crate) fn configure(&self, service: &Service<'_>) {
        let Service { keys, replicas } = service;
        let replicas = if replicas.contains("command =") {
            (*replicas).to_owned()
        } else {
            format!("{replicas}\n{ECHO}")
        };
        let service = Service { keys, replicas: &replicas };
        self.stage.configure(&service.at(&self.docker.host, &self.name, image()));
    }

    /// Starts the program and waits until these are active.
    pub(crate) fn start(&self, names: &[&str]) -> Ringway {
        let ringway = self.stage.start();
        ringway.await_active(names);
        ringway
    }

    fn label(&self) -> String {
        format!("label=ringway.owner={}", self.name)
    }

    /// The containers of this scene, whatever their state: ids by the replica's name.
    pub(crate) fn containers(&self) -> BTreeMap<String, Vec<String>> {
        self.listed(&["--all"])
    }

    fn listed(&self, which: &[&str]) -> BTreeMap<String, Vec<String>> {
        let (label, format) = (self.label(), "{{.ID}} {{.Label \"ringway.replica\"}}");
        let arguments = [&["ps", "--filter", &label, "--format", format], which].concat();
        let mut listed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in self.docker.lines(&arguments) {
            let (id, name) = line.split_once(' ').unwrap();
            listed.entry(name.to_owned()).or_default().push(id.to_owned());
        }
        listed
    }

    /// The one container of a replica.
    pub(crate) fn container(&self, name: &str) -> String {
        let containers = self.containers();
        let ids = containers.get(name).unwrap_or_else(|| panic!("no container of {name}: {containers:?}"));
        assert_eq!(ids.len(), 1, "several containers of {name}: {containers:?}");
        ids[0].clone()
    }

    /// Waits until there are containers of exactly these replicas, one each, and all of them run.
    pub(crate) fn await_running(&self, names: &[&str]) {
        poll(&format!("containers of {names:?}"), || {
            let (all, running) = (self.containers(), self.listed(&[]));
            let single = all.values().all(|ids| ids.len() == 1);
            (single && all == running && all.keys().eq(names)).then_some(())
        });
    }

    /// The networks of this scene.
    pub(crate) fn networks(&self) -> Vec<String> {
        self.docker.lines(&["network", "ls", "--filter", &self.label(), "--format", "{{.Name}}"])
    }

    /// Waits until another container than `before` serves as this replica.
    pub(crate) fn await_replaced(&self, ringway: &Ringway, name: &str, before: &str) -> serde_json::Value {
        poll(&format!("another container of {name}"), || {
            let replica = ringway.replica(0, name)?;
            (replica["state"] == "active" && replica["container"] != before).then_some(replica)
        })
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Nothing here may panic: a test may have done so already. Its own engine may have gone, too.
        let label = self.label();
        for (list, remove) in [
            (&["ps", "--all", "--quiet"][..], &["rm", "--force", "--volumes"][..]),
            (&["network", "ls", "--quiet"], &["network", "rm"]),
        ] {
            let ids = self.docker.attempt(&[list, &["--filter", &label]].concat()).unwrap_or_default();
            let ids: Vec<&str> = ids.lines().collect();
            if !ids.is_empty() {
                let _ = self.docker.attempt(&[remove, &ids].concat());
            }
        }
    }
}
